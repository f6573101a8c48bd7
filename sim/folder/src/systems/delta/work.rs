//! What people and applications do during a run.

use std::collections::BTreeSet;

use cloudchamber_core::Rng;
use cloudchamber_core::delta::{Change, Command, Key};

use super::DeltaSystem;
use crate::ReplicaId;
use crate::scenario::Scenario;
use crate::world::{Choice, ChoiceOf};

/// How many entities of each kind people know of. They are few, so that people meet.
const KINDS: [(&str, u64); 4] = [("task", 6), ("project", 2), ("tag", 2), ("metric", 1)];

/// The changes of a run, each with its time in ms and the replica it happens on: mostly single edits, sometimes a burst
/// of them, sometimes somebody who is away for long and goes on editing.
pub(super) fn workload(
    scenario: &Scenario<DeltaSystem>,
    rng: &mut dyn Rng,
) -> Vec<(u64, ChoiceOf<DeltaSystem>)> {
    let Some(every_ms) = scenario.settings.change_every_ms else { return vec![] };
    let last = u64::try_from(scenario.replica.len() - 1).expect("1 to 256 replicas");
    let mut work = Work { written: 0 };
    let mut choices = absences(scenario, rng);
    let mut at = 0;
    loop {
        at += 1 + rng.up_to(every_ms.saturating_mul(2));
        let replica = ReplicaId(u8::try_from(rng.up_to(last)).expect("one of 256"));
        let burst = if rng.up_to(9) == 0 { 2 + rng.up_to(4) } else { 1 };
        let pause_ms = rng.up_to(400);
        for _ in 0..burst {
            if at >= scenario.run_ms {
                choices.sort_by_key(|(at, _)| *at);
                return choices;
            }
            let command = work.command(rng);
            choices.push((at, Choice::Command { replica, command, draw: Default::default() }));
            at += pause_ms;
        }
    }
}

/// One time in two, somebody who has no network for a good part of the run.
fn absences(scenario: &Scenario<DeltaSystem>, rng: &mut dyn Rng) -> Vec<(u64, ChoiceOf<DeltaSystem>)> {
    let last = u64::try_from(scenario.replica.len() - 1).expect("1 to 256 replicas");
    let is_drawn = rng.up_to(1) == 0;
    let replica = ReplicaId(u8::try_from(rng.up_to(last)).expect("one of 256"));
    let from = rng.up_to(scenario.run_ms / 2);
    let for_ms = scenario.run_ms / 8 + rng.up_to(scenario.run_ms / 4);
    // Where nothing goes wrong, nobody is away either.
    if !is_drawn || scenario.faults.is_none() {
        return vec![];
    }
    let network = |online| Choice::Network { replica, online };
    vec![(from, network(false)), (from + for_ms, network(true))]
}

/// What was written so far.
struct Work {
    /// How many values. Each is written once in a run, so that a value says who wrote it.
    written: u64,
}

impl Work {
    fn command(&mut self, rng: &mut dyn Rng) -> Command {
        let changes = if rng.up_to(9) == 0 { 2 } else { 1 };
        Command::Change((0..changes).map(|_| self.change(rng)).collect())
    }

    fn change(&mut self, rng: &mut dyn Rng) -> Change {
        let all: u64 = KINDS.iter().map(|(_, count)| count).sum();
        let mut drawn = rng.up_to(all - 1);
        let mut kind = KINDS[0].0;
        for (name, count) in KINDS {
            kind = name;
            if drawn < count {
                break;
            }
            drawn -= count;
        }
        // A task and a project have one id.
        let id = format!("e{drawn}");
        let dice = rng.up_to(99);
        let two_fields = rng.up_to(3) == 0;
        if dice < 12 {
            return Change::delete(kind, &id);
        }
        if dice < 18 {
            let unset: BTreeSet<_> = ["note".into()].into();
            return Change::Put { key: Key::new(kind, &id), set: Default::default(), unset };
        }
        let first = ["title", "title", "note", "points", "tags"][usize::try_from(dice % 5).expect("below 5")];
        let mut fields = vec![format!("\"{first}\":{}", self.value(first))];
        if two_fields {
            fields.push(format!("\"due\":{}", self.value("due")));
        }
        Change::put(kind, &id, &format!("{{{}}}", fields.join(",")))
    }

    fn value(&mut self, field: &str) -> String {
        self.written += 1;
        let written = self.written;
        match field {
            // More digits than a float keeps.
            "points" => format!("9007199254740993{written:04}.50"),
            "tags" => format!("[\"w{written}\",null,{{\"of\":\"ann\"}}]"),
            _ => format!("\"w{written}\""),
        }
    }
}
