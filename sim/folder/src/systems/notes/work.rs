//! What people do during a run: they make notes, type, sort them out, and close their machines.

use cloudchamber_core::Rng;
use cloudchamber_core::notes::{Change, Command};

use super::NotesSystem;
use super::settings::Shares;
use crate::ReplicaId;
use crate::scenario::Scenario;
use crate::world::{Choice, ChoiceOf};

type Deed = (u64, ChoiceOf<NotesSystem>);

/// How long lies between two words of a burst, ms.
const KEYSTROKE_MS: u64 = 400;

/// What a note of a workload is called.
pub(super) fn note(number: u64) -> String {
    format!("note-{number}")
}

/// Everything that people do, each with its time in ms.
pub(super) fn workload(scenario: &Scenario<NotesSystem>, rng: &mut dyn Rng) -> Vec<Deed> {
    let mut deeds = Vec::new();
    if let Some(every_ms) = scenario.settings.edit_every_ms {
        people(scenario, every_ms, rng, &mut deeds);
    }
    absences(scenario, rng, &mut deeds);
    deeds.sort_by_key(|(at, _)| *at);
    deeds
}

fn replica(scenario: &Scenario<NotesSystem>, rng: &mut dyn Rng) -> ReplicaId {
    let last = u64::try_from(scenario.replica.len() - 1).expect("1 to 256 replicas");
    ReplicaId(u8::try_from(rng.up_to(last)).expect("one of 256"))
}

fn people(scenario: &Scenario<NotesSystem>, every_ms: u64, rng: &mut dyn Rng, deeds: &mut Vec<Deed>) {
    let shares = scenario.settings.shares();
    let (mut at, mut words, mut made) = (0, 0, 0);
    loop {
        at += 1 + rng.up_to(every_ms.saturating_mul(2));
        if at >= scenario.run_ms {
            return;
        }
        let replica = replica(scenario, rng);
        let mut ask = |at: u64, command: Command| {
            deeds.push((at, Choice::Command { replica, command, draw: Default::default() }));
        };
        // Notes are made all through the run, the first of them at once.
        let dice = rng.up_to(99);
        let any = rng.up_to(u64::MAX);
        let due = 1 + at * u64::from(scenario.settings.notes()) / scenario.run_ms;
        if made < due.min(u64::from(scenario.settings.notes())) {
            ask(at, Command::Create { note: Some(note(made)), text: word(&mut words) });
            made += 1;
            continue;
        }
        let note = note(any % made);
        match of(&shares, dice) {
            What::Burst => {
                let count = 3 + rng.up_to(5);
                for nth in 0..count {
                    let change = Change::Append(word(&mut words));
                    ask(at + nth * KEYSTROKE_MS, Command::Edit { note: note.clone(), change });
                }
            }
            What::Cut => ask(at, Command::Edit { note, change: Change::Remove { at: 0, len: 3 } }),
            What::Trash => ask(at, Command::Delete { note }),
            What::Restore => ask(at, Command::Restore { note }),
            What::Delete => ask(at, Command::PermanentlyDelete { note }),
            What::Snapshot => ask(at, Command::Snapshot { note }),
            What::Word => {
                let text = word(&mut words);
                let change = match dice % 4 {
                    0 => Change::Insert { at: 0, text },
                    _ => Change::Append(text),
                };
                ask(at, Command::Edit { note, change });
            }
        }
    }
}

/// A word that is written once. One of four ends in a letter that takes two units of UTF-16 and four bytes.
fn word(words: &mut u64) -> String {
    *words += 1;
    let last = if words.is_multiple_of(4) { "🍵" } else { "" };
    format!(" w{words}{last}")
}

/// One thing that people do.
enum What {
    Burst,
    Cut,
    Trash,
    Restore,
    Delete,
    Snapshot,
    Word,
}

/// What it is, of a hundred.
fn of(shares: &Shares, dice: u64) -> What {
    let Shares { bursts, cuts, trashed, restored, deleted, snapshots } = *shares;
    let mut until = 0;
    let mut within = |share: u8| {
        until += u64::from(share);
        dice < until
    };
    if within(bursts) {
        What::Burst
    } else if within(cuts) {
        What::Cut
    } else if within(trashed) {
        What::Trash
    } else if within(restored) {
        What::Restore
    } else if within(deleted) {
        What::Delete
    } else if within(snapshots) {
        What::Snapshot
    } else {
        What::Word
    }
}

/// Machines that are closed for a quarter to a half of the run.
fn absences(scenario: &Scenario<NotesSystem>, rng: &mut dyn Rng, deeds: &mut Vec<Deed>) {
    let quarter = scenario.run_ms / 4;
    for _ in 0..scenario.settings.absences.unwrap_or(0) {
        let replica = replica(scenario, rng);
        let from = rng.up_to(2 * quarter);
        let until = from + quarter + rng.up_to(quarter);
        deeds.push((from, Choice::Sleep { replica }));
        deeds.push((until, Choice::Wake { replica }));
    }
}
