//! What must hold of notes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloudchamber_core::kit::hlc::AHEAD_MS_MAX;
use cloudchamber_core::notes::document::Parts;
use cloudchamber_core::notes::lines::deletion_log;
use cloudchamber_core::notes::names::{DELETED, SD_ID, SD_VERSION};
use cloudchamber_core::notes::{Command, Config, Event, Note, Notes, State};
use cloudchamber_core::{Content, Path};

use self::rest::rests;
use self::typed::Typed;
use super::NotesSystem;
use super::seen;
use crate::ReplicaId;
use crate::checks::{Checker, Checks, Findings, Kind as CheckerKind, Violation};
use crate::world::{Choice, ChoiceOf, Commit, EPOCH, Effects, Setup, World};

mod rest;
mod typed;

/// The checkers' names, so that no text is written twice.
pub mod name {
    #![allow(missing_docs, reason = "each is explained where it is listed, in `CHECKERS`")]
    pub const QUIET_AGREE: &str = "quiet_instances_show_the_same";
    pub const REACHES_EVERYBODY: &str = "an_acknowledged_record_reaches_everybody";
    pub const ONE_RECORD: &str = "a_number_names_one_record";
    pub const STAYS_DELETED: &str = "a_note_deleted_for_good_stays_deleted";
    pub const DELETION_REACHES: &str = "a_deletion_for_good_reaches_everybody";
    pub const ONLY_DELETED: &str = "only_what_was_deleted_is_gone";
    pub const ONE_WRITER: &str = "a_file_has_one_writer";
    pub const LOADS: &str = "a_note_loads_from_whatever_is_there";
    pub const HOLDS_CLAIMS: &str = "a_snapshot_holds_what_it_claims";
    pub const COME_IS_LOADED: &str = "what_has_come_is_loaded";
    pub const NOT_EMPTY: &str = "what_cannot_be_read_is_not_taken_for_empty";
    pub const AS_TYPED: &str = "a_text_is_what_was_typed";
    pub const RESTORED_STAYS: &str = "a_restored_note_is_not_cleaned_away";
    pub const WRITES_AGAIN: &str = "an_instance_can_write_again";
    pub const TRAVELS: &str = "a_record_reaches_another_instance";
    pub const DELETION_TRAVELS: &str = "a_deletion_reaches_another_instance";
    pub const RESTS: &str = "everything_comes_to_rest_after_a_record";
    /// Samples: from the acknowledgement of a record until another instance has taken it in.
    pub const ARRIVAL_MS: &str = "arrival_ms";
    /// Samples: from the acknowledgement of a record until every running instance has taken it in.
    pub const SPREAD_MS: &str = "spread_ms";
}

use name::*;

/// A note, an instance, a number, and the digest of what was written under it.
type Key = (Arc<str>, Arc<str>, u64, u64);

/// Everything that watches a run of notes.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct NotesChecks {
    /// What was acknowledged.
    records: BTreeMap<Key, Record>,
    /// Of which notes who has taken in any record.
    readers: BTreeSet<(ReplicaId, Arc<str>)>,
    /// Notes that somebody deleted for good, and who did.
    deleted: BTreeMap<Arc<str>, ReplicaId>,
    /// Who was asked to delete which note for good.
    asked: BTreeSet<(ReplicaId, Arc<str>)>,
    /// Who has told that a note is deleted for good.
    told: BTreeSet<(ReplicaId, Arc<str>)>,
    /// What stands under each number, acknowledged or brought to the server.
    numbers: BTreeMap<(Arc<str>, Arc<str>, u64), u64>,
    /// Who wrote or removed each shared file.
    writers: BTreeMap<Path, BTreeSet<ReplicaId>>,
    /// The notes that each deletion log has named.
    named: BTreeMap<Path, BTreeSet<Arc<str>>>,
    /// What was typed.
    typed: Typed,
    /// Whether faults have stopped.
    calm: bool,
    /// Whether to look at every rest.
    at_rest: bool,
    /// Whether the folder began with files, of which nobody knows what they say is deleted.
    began_with_files: bool,
}

/// A record that may not be lost.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Record {
    /// Who told it.
    replica: ReplicaId,
    /// What it changes; `None` if nobody can read it where it was written.
    data: Option<Content>,
    /// When it was written, in its author's opinion, in ms since 1970.
    time_ms: u64,
    /// When it was acknowledged, ms of world time.
    at_ms: u64,
    /// Who has taken it in.
    read: BTreeSet<ReplicaId>,
    /// Whether everybody has.
    spread: bool,
}

impl Checks<NotesSystem> for NotesChecks {
    const CHECKERS: &'static [Checker] = &[
        Checker {
            name: QUIET_AGREE,
            kind: CheckerKind::Liveness,
            about: "Once faults have stopped and everything has travelled, all instances show the same notes, with the same texts, in the trash or not.",
        },
        Checker {
            name: REACHES_EVERYBODY,
            kind: CheckerKind::Liveness,
            about: "Every record that was acknowledged on a machine that is not lost is in everybody's text in the end, unless its note was deleted for good.",
        },
        Checker {
            name: ONE_RECORD,
            kind: CheckerKind::Safety,
            about: "No two records of one instance and note have the same number, whether they were acknowledged or have only left the machine.",
        },
        Checker {
            name: STAYS_DELETED,
            kind: CheckerKind::Safety,
            about: "Whoever has told that a note is deleted for good never shows it again.",
        },
        Checker {
            name: DELETION_REACHES,
            kind: CheckerKind::Liveness,
            about: "A note whose deletion for good was acknowledged on a machine that is not lost is shown by nobody in the end.",
        },
        Checker {
            name: ONLY_DELETED,
            kind: CheckerKind::Safety,
            about: "Nobody takes a note for deleted for good that nobody deleted or was asked to. Notes that the folder began with, and those that a trash empties by itself, do not count.",
        },
        Checker {
            name: ONE_WRITER,
            kind: CheckerKind::Safety,
            about: "No shared file is ever written or removed by two instances.",
        },
        Checker {
            name: LOADS,
            kind: CheckerKind::Safety,
            about: "Whatever mixture of whole, cut and missing files is there, a note can be loaded from it.",
        },
        Checker {
            name: HOLDS_CLAIMS,
            kind: CheckerKind::Safety,
            about: "A snapshot holds every record up to the numbers that its clock names.",
        },
        Checker {
            name: COME_IS_LOADED,
            kind: CheckerKind::Liveness,
            about: "A record that stands in a log on an instance's own disk is in its text in the end: nothing is given up.",
        },
        Checker {
            name: NOT_EMPTY,
            kind: CheckerKind::Safety,
            about: "A note that cannot be read is never shown as an empty one, and a deletion log that cannot be read is never written anew without its lines.",
        },
        Checker {
            name: AS_TYPED,
            kind: CheckerKind::Safety,
            about: "A note that one instance alone has made and edited has in the end, on all of them, the text that was typed there, to the letter. Notes of which an edit was interrupted do not count, nor, where records stand for themselves, such as were changed elsewhere than at the end.",
        },
        Checker {
            name: RESTORED_STAYS,
            kind: CheckerKind::Safety,
            about: "No instance empties its trash of a note in which others that it knows of had written again before its time was over, by a clock that was right within a day.",
        },
        Checker {
            name: WRITES_AGAIN,
            kind: CheckerKind::Liveness,
            about: "Once faults have stopped, every instance that runs can write, and nothing waits to be written.",
        },
        Checker {
            name: TRAVELS,
            kind: CheckerKind::Reached,
            about: "A record that was written by one instance is in the text of another.",
        },
        Checker {
            name: DELETION_TRAVELS,
            kind: CheckerKind::Reached,
            about: "An instance learns that another has deleted a note for good.",
        },
        Checker {
            name: RESTS,
            kind: CheckerKind::Reached,
            about: "All that was written is in everybody's text, and nothing is under way.",
        },
    ];

    fn after(
        &mut self,
        setup: &Setup<NotesSystem>,
        world: &World<NotesSystem>,
        choice: &ChoiceOf<NotesSystem>,
        effects: &Effects<Notes>,
        findings: &mut Findings,
    ) {
        let Some(id) = choice.replica() else { return };
        if let Choice::Command { command: Command::PermanentlyDelete { note }, .. } = choice {
            self.asked.insert((id, note.as_str().into()));
        }
        self.typed.after(seen::config(setup, id).kind, id, choice, &effects.events);
        // What a crash changed nobody wrote.
        if matches!(choice, Choice::Apply { .. }) {
            for path in &effects.touched {
                self.written(world, id, path, findings);
            }
        }
        for commit in &effects.committed {
            self.committed(setup, world, commit, findings);
        }
        for event in &effects.events {
            self.told(setup, world, id, event, findings);
        }
        let steps = matches!(
            choice,
            Choice::Apply { .. }
                | Choice::Command { .. }
                | Choice::Fail { .. }
                | Choice::Open { .. }
                | Choice::Timer { .. }
                | Choice::Watch { .. }
        );
        if steps {
            self.look(setup, world, id, findings);
        }
        if self.at_rest && rests(world) {
            self.settled(setup, world, false, findings);
            self.note_rest(findings);
        }
    }

    fn forget(&mut self, checker: &str, fresh: &Self) {
        if checker != ONE_RECORD {
            self.numbers.clone_from(&fresh.numbers);
        }
        if checker != ONE_WRITER {
            self.writers.clone_from(&fresh.writers);
        }
        if checker != NOT_EMPTY {
            self.named.clone_from(&fresh.named);
        }
        if checker != AS_TYPED {
            self.typed.clone_from(&fresh.typed);
        }
        if ![ONLY_DELETED, RESTORED_STAYS].contains(&checker) {
            self.asked.clone_from(&fresh.asked);
        }
        if ![STAYS_DELETED, REACHES_EVERYBODY, COME_IS_LOADED].contains(&checker) {
            self.told.clone_from(&fresh.told);
        }
    }

    fn calm(&mut self, _: &Setup<NotesSystem>, _: &World<NotesSystem>) {
        self.calm = true;
    }

    fn is_content(&mut self, setup: &Setup<NotesSystem>, world: &World<NotesSystem>) -> bool {
        let mut findings = Findings::default();
        if self.calm {
            self.all_write(world, &mut findings);
        }
        if self.calm && findings.violations.is_empty() {
            self.settled(setup, world, true, &mut findings);
        }
        findings.violations.is_empty()
    }

    fn end(&self, setup: &Setup<NotesSystem>, world: &World<NotesSystem>, findings: &mut Findings) {
        if !self.calm {
            return;
        }
        self.all_write(world, findings);
        self.settled(setup, world, false, findings);
        if rests(world) {
            self.note_rest(findings);
        }
    }
}

/// Whether a person sees the note.
fn is_shown(note: &Note) -> bool {
    matches!(note.state, State::Live | State::Trashed)
}

fn violation(checker: &str, at_ms: u64, replicas: Vec<ReplicaId>, expected: &str, seen: String) -> Violation {
    Violation { checker: checker.into(), at_ms, replicas, expected: expected.into(), seen }
}

fn pair(one: ReplicaId, other: ReplicaId) -> Vec<ReplicaId> {
    if one == other { vec![one] } else { vec![one, other] }
}

impl NotesChecks {
    /// A watcher that has seen nothing. `at_rest`: whether it looks at every rest for what is due in the end.
    pub(super) fn new(at_rest: bool, began_with_files: bool) -> Self {
        Self { at_rest, began_with_files, ..Self::default() }
    }

    /// The acknowledged records of a note.
    fn of<'a>(&'a self, note: &Arc<str>) -> impl Iterator<Item = (&'a Key, &'a Record)> {
        let first: Key = (note.clone(), "".into(), 0, 0);
        let note = note.clone();
        self.records.range(first..).take_while(move |((other, ..), _)| *other == note)
    }

    /// Somebody's process has changed a shared file.
    fn written(&mut self, world: &World<NotesSystem>, id: ReplicaId, path: &Path, findings: &mut Findings) {
        if path.name() == SD_ID || path.name() == SD_VERSION {
            return;
        }
        let writers = self.writers.entry(path.clone()).or_default();
        writers.insert(id);
        if let Some(&other) = writers.iter().find(|other| **other != id) {
            findings.violated(ONE_WRITER, || {
                let seen = format!("{path} was written by {other} and by {id}");
                violation(ONE_WRITER, world.now(), vec![other, id], "a shared file has one writer", seen)
            });
        }
        if path.below(&Path::shared(DELETED)).is_none() {
            return;
        }
        let Ok(content) = world.replica(id).disk().read(path, 0) else { return };
        let now: BTreeSet<_> =
            deletion_log(content.bytes()).entries.into_iter().map(|(_, entry)| entry.note).collect();
        let named = self.named.entry(path.clone()).or_default();
        let lost: Vec<_> = named.difference(&now).map(|note| &**note).collect();
        // An overwrite truncates its file before it writes.
        let process = world.replica(id).process();
        let is_written =
            process.is_some_and(|process| process.pending_op().is_none_or(|op| op.path() != path));
        if !lost.is_empty() && is_written {
            findings.violated(NOT_EMPTY, || {
                let seen = format!("{id} has written {path} anew without {}", lost.join(", "));
                let expected = "a deletion log keeps its lines";
                violation(NOT_EMPTY, world.now(), vec![id], expected, seen)
            });
        }
        named.extend(now);
    }

    /// The server has got a version.
    fn committed(
        &mut self,
        setup: &Setup<NotesSystem>,
        world: &World<NotesSystem>,
        commit: &Commit,
        findings: &mut Findings,
    ) {
        let Some((note, instance)) = seen::log_of(&commit.path).filter(|_| !commit.removed) else { return };
        let kind = seen::config(setup, commit.author).kind;
        for found in seen::on_server(world, kind, &commit.path) {
            let number = (note.clone(), instance.clone(), found.seq);
            self.number(world, commit.author, number, found.data.digest(), findings);
        }
    }

    /// Something stands under a number.
    fn number(
        &mut self,
        world: &World<NotesSystem>,
        id: ReplicaId,
        number: (Arc<str>, Arc<str>, u64),
        digest: u64,
        findings: &mut Findings,
    ) {
        let known = *self.numbers.entry(number.clone()).or_insert(digest);
        if known != digest {
            findings.violated(ONE_RECORD, || {
                let (note, instance, seq) = number;
                let seen = format!("two records of {instance} in {note} have number {seq}");
                violation(ONE_RECORD, world.now(), vec![id], "a number names one record", seen)
            });
        }
    }

    /// An instance has told something.
    fn told(
        &mut self,
        setup: &Setup<NotesSystem>,
        world: &World<NotesSystem>,
        id: ReplicaId,
        event: &Event,
        findings: &mut Findings,
    ) {
        let config = seen::config(setup, id);
        match event {
            Event::Written { note, instance, seq, .. } => {
                self.acknowledged(config, world, id, (note, instance, *seq), findings);
            }
            Event::Loaded { note, up_to } => self.arrived(config, world, id, (note, up_to), findings),
            Event::Deleted { note } => {
                if !self.asked.contains(&(id, note.clone())) {
                    self.cleaned(config, world, id, note, findings);
                }
                self.deleted.entry(note.clone()).or_insert(id);
                self.told.insert((id, note.clone()));
            }
            Event::Gone { note } => {
                if self.deleted.get(note).is_some_and(|by| *by != id) {
                    findings.count(DELETION_TRAVELS, 1);
                }
                self.learned(setup, world, id, note, findings);
                self.told.insert((id, note.clone()));
            }
            Event::LoadFailed { note, why } => findings.violated(LOADS, || {
                let seen = format!("{id} cannot load {note}: {why}");
                violation(LOADS, world.now(), vec![id], "a note loads from whatever is there", seen)
            }),
            Event::SnapshotWritten { note } => self.claimed(config, world, id, note, findings),
            _ => {}
        }
    }

    /// An instance takes a note for deleted for good.
    fn learned(
        &self,
        setup: &Setup<NotesSystem>,
        world: &World<NotesSystem>,
        id: ReplicaId,
        note: &Arc<str>,
        findings: &mut Findings,
    ) {
        let was_asked = self.deleted.contains_key(note) || self.asked.iter().any(|(_, asked)| asked == note);
        // One that a trash has emptied may have died before it could tell.
        let by_itself = world.replicas().any(|(id, _)| seen::config(setup, id).timing.trash_ms.is_some());
        let is_given = self.began_with_files && self.of(note).next().is_none();
        if !was_asked && !by_itself && !is_given {
            findings.violated(ONLY_DELETED, || {
                let seen = format!("{id} takes {note} for deleted, and nobody has deleted it");
                violation(ONLY_DELETED, world.now(), vec![id], "only what somebody deleted is gone", seen)
            });
        }
    }

    fn acknowledged(
        &mut self,
        config: &Config,
        world: &World<NotesSystem>,
        id: ReplicaId,
        (note, instance, seq): (&Arc<str>, &Arc<str>, u64),
        findings: &mut Findings,
    ) {
        let found = seen::record(world.replica(id).disk(), config.kind, note, instance, seq);
        let (data, time_ms) = match found {
            Some(found) => (Some(found.data), found.time_ms),
            None => (None, 0),
        };
        let digest = data.as_ref().map_or(0, Content::digest);
        if data.is_some() {
            self.number(world, id, (note.clone(), instance.clone(), seq), digest, findings);
        }
        let at_ms = world.now();
        self.readers.insert((id, note.clone()));
        let record = Record { replica: id, data, time_ms, at_ms, read: BTreeSet::from([id]), spread: false };
        self.records.entry((note.clone(), instance.clone(), seq, digest)).or_insert(record);
    }

    /// Records of a note have come to an instance.
    fn arrived(
        &mut self,
        config: &Config,
        world: &World<NotesSystem>,
        id: ReplicaId,
        (note, up_to): (&Arc<str>, &[(Arc<str>, u64)]),
        findings: &mut Findings,
    ) {
        let Some(notes) = world.replica(id).protocol() else { return };
        // Also of those that had spread while this one was away.
        let open = self.of(note).filter(|(_, record)| !record.read.contains(&id));
        let open: Vec<_> =
            open.filter_map(|(key, record)| Some((key.clone(), record.data.clone()?))).collect();
        if open.is_empty() {
            return;
        }
        let data: Vec<_> = open.iter().map(|(_, data)| data.bytes()).collect();
        // A note that it has deleted in the same step lacks everything: there it counts what was told.
        let lacks: BTreeSet<_> = if notes.is_deleted(note) {
            let told = |(_, instance, seq, _): &Key| {
                up_to.iter().any(|(other, up_to)| other == instance && seq <= up_to)
            };
            (0..open.len()).filter(|at| !told(&open[*at].0)).collect()
        } else {
            notes.lacks(config, note, &data).into_iter().collect()
        };
        let running: BTreeSet<_> =
            world.replicas().filter(|(_, replica)| replica.process().is_some()).map(|(id, _)| id).collect();
        if lacks.len() < open.len() {
            self.readers.insert((id, note.clone()));
        }
        for (_, (key, _)) in open.into_iter().enumerate().filter(|(at, _)| !lacks.contains(at)) {
            let Some(record) = self.records.get_mut(&key) else { continue };
            if record.read.len() == 1 {
                findings.sample(ARRIVAL_MS, world.now() - record.at_ms);
                findings.count(TRAVELS, 1);
            }
            record.read.insert(id);
            if !record.spread && running.is_subset(&record.read) {
                record.spread = true;
                findings.sample(SPREAD_MS, world.now() - record.at_ms);
            }
        }
    }

    /// An instance has emptied its trash of a note.
    fn cleaned(
        &self,
        config: &Config,
        world: &World<NotesSystem>,
        id: ReplicaId,
        note: &Arc<str>,
        findings: &mut Findings,
    ) {
        let Some(trash_ms) = config.timing.trash_ms else { return };
        let has_read = |record: &Record| record.read.contains(&id);
        let read = self.of(note).filter(|(_, record)| has_read(record));
        let newest = read.map(|(_, record)| record.time_ms).max().unwrap_or(0);
        // Nobody can wait for one of whom nothing has ever come.
        let is_known = |instance: &str| seen::knows_of(world.replica(id).disk(), instance);
        // Nor can anybody tell what comes later from whoever's clock is far off.
        let is_timed = |record: &Record| {
            let wall = EPOCH.0.unsigned_abs().saturating_add(record.at_ms);
            record.time_ms.abs_diff(wall) <= AHEAD_MS_MAX.unsigned_abs()
        };
        let unread = self.of(note).find(|((_, instance, ..), record)| {
            let in_time = is_timed(record) && record.time_ms < newest.saturating_add(trash_ms);
            !has_read(record) && record.data.is_some() && in_time && is_known(instance)
        });
        if let Some(((_, instance, seq, _), record)) = unread {
            findings.violated(RESTORED_STAYS, || {
                let seen = format!("{id} deletes {note} and has not read number {seq} of {instance}");
                let expected = "a note is deleted by itself only if nobody has used it again";
                violation(RESTORED_STAYS, world.now(), pair(record.replica, id), expected, seen)
            });
        }
    }

    /// An instance has written a snapshot.
    fn claimed(
        &self,
        config: &Config,
        world: &World<NotesSystem>,
        id: ReplicaId,
        note: &Arc<str>,
        findings: &mut Findings,
    ) {
        let replica = world.replica(id);
        let instance = replica.protocol().and_then(Notes::instance).unwrap_or_default();
        let Some(claimed) = seen::newest_snapshot(replica.disk(), note, instance) else { return };
        let parts = Parts { states: BTreeSet::from([claimed.state.bytes()]), ..Parts::default() };
        let within = |(_, instance, seq, _): &Key| {
            claimed.clock.iter().any(|(other, up_to)| **other == **instance && seq <= up_to)
        };
        let due: Vec<_> = self
            .of(note)
            .filter(|(key, _)| within(key))
            .filter_map(|(key, record)| Some((key, record.data.as_ref()?.bytes())))
            .collect();
        let data: Vec<_> = due.iter().map(|(_, data)| *data).collect();
        if let Some(&first) = config.kind.lacks(&parts, &data).first() {
            findings.violated(HOLDS_CLAIMS, || {
                let (_, instance, seq, _) = due[first].0;
                let seen =
                    format!("{id}'s snapshot of {note} claims number {seq} of {instance} and lacks it");
                violation(HOLDS_CLAIMS, world.now(), vec![id], "a snapshot holds what it claims", seen)
            });
        }
    }

    /// Looks at what an instance shows after a step.
    fn look(
        &self,
        setup: &Setup<NotesSystem>,
        world: &World<NotesSystem>,
        id: ReplicaId,
        findings: &mut Findings,
    ) {
        let Some(notes) = world.replica(id).protocol() else { return };
        let config = seen::config(setup, id);
        let told = self.told.range((id, "".into())..).take_while(|(who, _)| *who == id);
        for (_, note) in told.filter(|(_, note)| !notes.is_deleted(note)) {
            if notes.note(config, note).is_some_and(|note| is_shown(&note)) {
                findings.violated(STAYS_DELETED, || {
                    let seen = format!("{id} shows {note} again");
                    violation(STAYS_DELETED, world.now(), vec![id], "what is deleted for good stays so", seen)
                });
            }
        }
        for note in notes.ids() {
            if self.readers.contains(&(id, note.clone())) || self.of(&note).next().is_none() {
                continue;
            }
            let shown = notes.note(config, &note).filter(is_shown);
            if shown.is_some_and(|shown| !shown.document.is_begun) {
                findings.violated(NOT_EMPTY, || {
                    let seen = format!("{id} shows {note} as an empty note, of which it could read nothing");
                    let expected = "a note that cannot be read is not shown as an empty one";
                    violation(NOT_EMPTY, world.now(), vec![id], expected, seen)
                });
            }
        }
    }
}
