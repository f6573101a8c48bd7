//! What must hold of notes once everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloudchamber_core::notes::{Config, Notes, State};

use super::name::*;
use super::{NotesChecks, Record, is_shown, pair, violation};
use crate::ReplicaId;
use crate::checks::Findings;
use crate::systems::notes::{NotesSystem, seen};
use crate::world::{Setup, World};

/// Whether nothing moves: every process is up, has done all it was asked and waits for nothing, and every disk has what
/// the server has.
pub(super) fn rests(world: &World<NotesSystem>) -> bool {
    world.replicas().all(|(id, replica)| {
        replica.process().is_some_and(|process| process.pending_op().is_none())
            && replica.protocol().is_some_and(|notes| notes.is_idle() && notes.awaited().is_empty())
            && world.is_in_step(id)
    })
}

impl NotesChecks {
    /// Whether every instance can write, and has finished.
    pub(super) fn all_write(&self, world: &World<NotesSystem>, findings: &mut Findings) {
        for (id, replica) in world.replicas() {
            let Some(notes) = replica.protocol() else { continue };
            if notes.instance().is_none() || !notes.is_idle() {
                findings.violated(WRITES_AGAIN, || {
                    let seen = format!("{id} cannot write, or has not finished");
                    violation(
                        WRITES_AGAIN,
                        world.now(),
                        vec![id],
                        "every instance can write in the end",
                        seen,
                    )
                });
            }
        }
    }

    /// Takes note of a rest after a record.
    pub(super) fn note_rest(&self, findings: &mut Findings) {
        if self.records.values().any(|record| record.spread) {
            findings.count(RESTS, 1);
        }
    }

    /// Looks at a world in which everything has come to rest. `any`: no further than to the first violation.
    pub(super) fn settled(
        &self,
        setup: &Setup<NotesSystem>,
        world: &World<NotesSystem>,
        any: bool,
        findings: &mut Findings,
    ) {
        let mut first = None::<(ReplicaId, BTreeMap<Arc<str>, _>)>;
        for (id, replica) in world.replicas() {
            if any && !findings.violations.is_empty() {
                return;
            }
            let Some(notes) = replica.protocol() else { continue };
            let config = seen::config(setup, id);
            let all = notes.ids().into_iter().filter_map(|note| notes.note(config, &note));
            let shown: BTreeMap<_, _> =
                all.filter(is_shown).map(|note| (note.id, (note.state, note.document.text))).collect();
            self.gone(world, id, shown.keys(), findings);
            self.ended(config, world, id, notes, findings);
            self.as_typed(world, id, &shown, findings);
            match &first {
                None => first = Some((id, shown)),
                Some((other, others)) if *others != shown => findings.violated(QUIET_AGREE, || {
                    let seen = difference((*other, others), (id, &shown));
                    let expected = "all instances show the same";
                    violation(QUIET_AGREE, world.now(), vec![*other, id], expected, seen)
                }),
                Some(_) => {}
            }
        }
    }

    /// Whether what one instance shows in the end is deleted.
    fn gone<'a>(
        &self,
        world: &World<NotesSystem>,
        id: ReplicaId,
        shown: impl Iterator<Item = &'a Arc<str>>,
        findings: &mut Findings,
    ) {
        for (note, by) in shown.filter_map(|note| Some((note, *self.deleted.get(note)?))) {
            if world.replica(by).process().is_some() {
                findings.violated(DELETION_REACHES, || {
                    let seen = format!("{id} shows {note}, which {by} has deleted");
                    let expected = "a note that was deleted for good is shown by nobody in the end";
                    violation(DELETION_REACHES, world.now(), pair(by, id), expected, seen)
                });
            }
        }
    }

    /// Whether one instance shows to the letter what was typed in notes that one alone has edited.
    fn as_typed(
        &self,
        world: &World<NotesSystem>,
        id: ReplicaId,
        shown: &BTreeMap<Arc<str>, (State, String)>,
        findings: &mut Findings,
    ) {
        for (note, by, typed) in self.typed.alone() {
            let is_lost = world.replica(by).process().is_none();
            let Some((_, text)) = shown.get(note).filter(|(_, text)| !is_lost && text != typed) else {
                continue;
            };
            findings.violated(AS_TYPED, || {
                let seen = format!("{id} shows {note} with `{text}`, and `{typed}` was typed on {by}");
                violation(AS_TYPED, world.now(), pair(by, id), "a text is what was typed", seen)
            });
        }
    }

    /// Whether one instance has everything in the end.
    fn ended(
        &self,
        config: &Config,
        world: &World<NotesSystem>,
        id: ReplicaId,
        notes: &Notes,
        findings: &mut Findings,
    ) {
        let kept = |record: &Record| world.replica(record.replica).process().is_some();
        let due: BTreeSet<_> = self.records.keys().map(|(note, ..)| note).collect();
        // One that was deleted just before a crash nobody has acknowledged.
        let told: BTreeSet<_> = self.told.iter().map(|(_, note)| note).collect();
        let is_gone = |note: &Arc<str>| self.deleted.contains_key(note) || told.contains(note);
        for note in due.into_iter().filter(|note| !is_gone(note)) {
            let records: Vec<_> = self.of(note).filter(|(_, record)| kept(record)).collect();
            let data: Vec<_> = records.iter().map(|(_, record)| record.data.as_ref()).collect();
            let known: Vec<_> = data.iter().flatten().map(|data| data.bytes()).collect();
            let lacks = notes.lacks(config, note, &known);
            let lacks = lacks.into_iter().map(|at| known[at]).collect::<BTreeSet<_>>();
            for (((_, instance, seq, _), record), data) in records.iter().zip(data) {
                let lacking = match data {
                    Some(data) => lacks.contains(data.bytes()),
                    // Nobody but its author ever can have it.
                    None => record.replica != id,
                };
                if !lacking {
                    continue;
                }
                findings.violated(REACHES_EVERYBODY, || {
                    let seen = format!("{id} has not taken in number {seq} of {instance} in {note}");
                    let expected = "an acknowledged record reaches everybody";
                    violation(REACHES_EVERYBODY, world.now(), pair(record.replica, id), expected, seen)
                });
                if data
                    .is_some_and(|data| seen::is_on_disk(world.replica(id).disk(), config.kind, note, data))
                {
                    findings.violated(COME_IS_LOADED, || {
                        let seen = format!(
                            "number {seq} of {instance} in {note} is on {id}'s disk and not in its text"
                        );
                        let expected = "what has come is loaded";
                        violation(COME_IS_LOADED, world.now(), vec![id], expected, seen)
                    });
                }
            }
        }
    }
}

type Shown<'a> = (ReplicaId, &'a BTreeMap<Arc<str>, (State, String)>);

/// The first note that two instances show differently, in words.
fn difference((one, ones): Shown<'_>, (other, others): Shown<'_>) -> String {
    let all: BTreeSet<_> = ones.keys().chain(others.keys()).collect();
    let note = all.into_iter().find(|note| ones.get(*note) != others.get(*note));
    let Some(note) = note else { return "nothing differs".to_owned() };
    let words = |shown: Option<&(State, String)>| match shown {
        Some((state, text)) => format!("{} with `{text}`", state.text()),
        None => "not at all".to_owned(),
    };
    let (ones, others) = (words(ones.get(note)), words(others.get(note)));
    format!("{one} shows {note} {ones}, and {other} {others}")
}
