//! What must hold of journals.

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::Path;
use cloudchamber_core::journal::layout::SENTINEL;
use cloudchamber_core::journal::owner::may_share_owner;
use cloudchamber_core::journal::protocol::{Journal, Told};
use cloudchamber_core::kit::memo::Memo;

use super::JournalSystem;
use super::calls::Calls;
use super::claims::Claims;
use super::given::Given;
use super::lines::{MENTIONS, Says, follows};
use super::seen::{Remembered, Seen, folder_digest, line_digest, see};
use super::shown::Shown;
use crate::ReplicaId;
use crate::checks::{Checker, Checks, Findings, Kind as CheckerKind, Violation};
use crate::scenario::FileSpec;
use crate::world::{Choice, ChoiceOf, Effects, Setup, World};

/// The checkers' names, so that no text is written twice.
pub mod name {
    #![allow(missing_docs, reason = "each is explained where it is listed, in `CHECKERS`")]
    pub const SAME_VIEW: &str = "the_same_events_give_the_same_view";
    pub const QUIET_AGREE: &str = "quiet_replicas_agree";
    pub const REACHES_EVERYBODY: &str = "an_acknowledged_append_reaches_everybody";
    pub const STAYS_DELETED: &str = "a_deleted_message_stays_deleted";
    pub const THREAD_STAYS_DELETED: &str = "a_deleted_thread_stays_deleted";
    pub const STAYS_REMOVED: &str = "a_removed_fave_stays_removed";
    pub const USED_ONCE: &str = "a_sequence_number_is_used_once";
    pub const ONE_WRITER: &str = "a_journal_has_one_writer";
    pub const PROGRAM_ORDER: &str = "program_order_holds";
    pub const LATER_WORD: &str = "an_edit_of_what_was_read_stands";
    pub const REBUILD: &str = "a_rebuild_never_fails";
    pub const SHOWN: &str = "what_was_shown_stays_shown";
    pub const TAKEN_ONCE: &str = "a_mention_is_taken_up_once";
    pub const ONE_HANDLER: &str = "a_mention_has_one_handler";
    pub const HANDED_ONCE: &str = "every_mention_is_handed_over_once";
    pub const WRITES_AGAIN: &str = "a_machine_can_write_again";
    pub const TRAVELS: &str = "an_append_reaches_another_machine";
    pub const RESTS: &str = "everything_comes_to_rest_after_an_append";
    /// Samples: from the acknowledgement of an append until another machine has read it.
    pub const ARRIVAL_MS: &str = "arrival_ms";
    /// Samples: from the acknowledgement of an append until every running machine has read it.
    pub const SPREAD_MS: &str = "spread_ms";
}

mod rest;

use name::*;

/// Everything that watches a run of journals.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct JournalChecks {
    /// What was acknowledged, by machine, number and digest of the line.
    acknowledged: BTreeMap<(String, i64, u64), Acknowledged>,
    /// Who wrote each shared file, and whose claims had long reached them when they did.
    writers: BTreeMap<Path, BTreeMap<ReplicaId, BTreeSet<ReplicaId>>>,
    /// Whose client took files for changed that nobody there had written: it forgot what it had synced, or they were
    /// restored or went with their mount.
    foreign: BTreeSet<ReplicaId>,
    /// What each machine shows.
    shown: Shown,
    /// Who claims what another one claims too.
    claims: Claims,
    /// Who is mentioned, and what the daemons do about it.
    calls: Calls,
    /// What each replica saw when its folder had last changed.
    looks: BTreeMap<ReplicaId, Look>,
    /// Whether faults have stopped.
    calm: bool,
    /// Whether to look at every rest.
    at_rest: bool,
    /// The lines that journals began with: nobody acknowledged them, and they may not be lost either.
    given: Given,
    /// What was found of each replica when it was last asked whether a run can end.
    found: Memo<BTreeMap<ReplicaId, Found>>,
    /// The view that was made last in the end, by what it was made of.
    view: Memo<Option<(u64, u64)>>,
}

/// An event that may not be lost.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Acknowledged {
    /// Who told it.
    replica: ReplicaId,
    /// Its line.
    line: String,
    /// What the line says.
    says: Says,
    /// How many events the same replica had told before, under whatever id.
    nth: usize,
    /// When, ms of world time.
    at_ms: u64,
    /// Who has read it, and when, ms of world time.
    read: BTreeMap<ReplicaId, u64>,
    /// Who had long read it and has said something else since, and the digest of that line.
    superseded: BTreeSet<(ReplicaId, u64)>,
    /// Whether everybody has.
    spread: bool,
}

/// What a replica saw.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Look {
    folder: u64,
    events: u64,
    /// It follows from what was read.
    view: Memo<Remembered>,
}

/// What one replica shows in the end, as far as it was asked.
#[derive(Clone, Copy, Debug)]
struct Found {
    /// The digest of all that this depends on.
    of: u64,
    /// Whether there is nothing to complain of.
    is_sound: bool,
    view: u64,
}

impl Checks<JournalSystem> for JournalChecks {
    const CHECKERS: &'static [Checker] = &[
        Checker {
            name: SAME_VIEW,
            kind: CheckerKind::Safety,
            about: "Two machines that have read the same events see the same, in whatever files the events stood.",
        },
        Checker {
            name: QUIET_AGREE,
            kind: CheckerKind::Liveness,
            about: "Once faults have stopped and everything has travelled, all machines see the same.",
        },
        Checker {
            name: REACHES_EVERYBODY,
            kind: CheckerKind::Liveness,
            about: "Every event that was acknowledged on a machine that is not lost is seen by all in the end, and so is every record that journals began with, where no client removed the whole folder.",
        },
        Checker {
            name: STAYS_DELETED,
            kind: CheckerKind::Safety,
            about: "Of a message whose deletion was acknowledged nobody shows a text, a reaction, a pin, a thread it was put into or a place it was moved to afterwards in the end.",
        },
        Checker {
            name: THREAD_STAYS_DELETED,
            kind: CheckerKind::Safety,
            about: "Of a thread whose deletion was acknowledged nobody shows a subscriber, a message, a mute, a pin or a name it was given afterwards in the end.",
        },
        Checker {
            name: STAYS_REMOVED,
            kind: CheckerKind::Safety,
            about: "A fave, role or cursor that was removed for good does not come back unless somebody who saw the removal says so, and somebody who left a thread follows it no more unless somebody let him in again, in whatever list he stood when it was made.",
        },
        Checker {
            name: USED_ONCE,
            kind: CheckerKind::Safety,
            about: "No two events of one machine have the same sequence number; two machines that chose one id are told apart by their owners.",
        },
        Checker {
            name: ONE_WRITER,
            kind: CheckerKind::Safety,
            about: "No file below shared/ is ever written by two machines, the empty sentinel aside. Excused are two that chose one id, until each has had the other's claim for so long that it has read it.",
        },
        Checker {
            name: PROGRAM_ORDER,
            kind: CheckerKind::Safety,
            about: "Of two values that one machine gave the same thing, under whatever name, the earlier one is never shown in the end.",
        },
        Checker {
            name: LATER_WORD,
            kind: CheckerKind::Safety,
            about: "An edit of a message, or a question's status, is never shown in the end if somebody who had read it set another one, and that is here or its machine is not gone for good.",
        },
        Checker {
            name: REBUILD,
            kind: CheckerKind::Safety,
            about: "Whatever mixture of files is there, a view can be made of it.",
        },
        Checker {
            name: SHOWN,
            kind: CheckerKind::Safety,
            about: "An acknowledged event that a machine has read stays among those it shows, whatever becomes of the files.",
        },
        Checker {
            name: TAKEN_ONCE,
            kind: CheckerKind::Safety,
            about: "No two machines take a mention of an agent on one machine to be theirs when they read it, whatever is still under way. Excused are two that chose one id, of which one had not read the other's claim.",
        },
        Checker {
            name: ONE_HANDLER,
            kind: CheckerKind::Liveness,
            about: "In the end a mention of an agent on one machine is for exactly one machine that runs, or for nobody where one is gone for good.",
        },
        Checker {
            name: HANDED_ONCE,
            kind: CheckerKind::Liveness,
            about: "In the end a mention of an agent on one machine that runs was handed over once, by a daemon that remembers by a watermark how far it is. Excused are two of one id, as above.",
        },
        Checker {
            name: WRITES_AGAIN,
            kind: CheckerKind::Liveness,
            about: "Once faults have stopped, every machine that runs can write, and nothing waits to be written.",
        },
        Checker {
            name: TRAVELS,
            kind: CheckerKind::Reached,
            about: "An event that was written on one machine is read on another.",
        },
        Checker {
            name: RESTS,
            kind: CheckerKind::Reached,
            about: "All that was written has reached everybody, and nothing is under way.",
        },
    ];

    fn after(
        &mut self,
        setup: &Setup<JournalSystem>,
        world: &World<JournalSystem>,
        choice: &ChoiceOf<JournalSystem>,
        effects: &Effects<Journal>,
        findings: &mut Findings,
    ) {
        let Some(id) = choice.replica() else { return };
        if choice.is_taken_for_a_change() {
            self.foreign.insert(id);
        }
        self.given.after(choice);
        self.shown.after(world, id, choice);
        // What a crash tore or brought back was written here, unless the client took for changes what nobody here had
        // written.
        let crashed = matches!(choice, Choice::Crash { .. }) && !self.foreign.contains(&id);
        let writes = crashed || matches!(choice, Choice::Apply { .. });
        if writes {
            effects.touched.iter().for_each(|path| self.claims.written(id, path));
        }
        self.claims.look(world);
        for told in &effects.events {
            if let Told::Acknowledged { machine, seq, line, .. } | Told::Kept { machine, seq, line, .. } =
                told
            {
                self.acknowledged(world.now(), id, machine, *seq, line, findings);
                self.mentioned(setup, world, id, (machine, *seq, line), findings);
            }
        }
        if writes {
            // What was planned before a claim had arrived is written all the same.
            let planned_ms = SURELY_READ_MS + setup.replicas[id.index()].config.scan_ms;
            let heard = self.claims.heard(id, world.now().saturating_sub(planned_ms));
            for path in &effects.touched {
                self.written(world.now(), id, path, &heard, findings);
            }
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
            self.settled(setup, world, findings);
            self.note_rest(findings);
        }
    }

    /// What was read last is needed by [`SAME_VIEW`] alone, who wrote a file by [`ONE_WRITER`], who claims what by that
    /// and by those that ask for mentions, who shows what by [`SHOWN`].
    fn forget(&mut self, checker: &str, fresh: &Self) {
        if checker != SAME_VIEW {
            self.looks.clone_from(&fresh.looks);
        }
        if checker != ONE_WRITER {
            self.writers.clone_from(&fresh.writers);
            self.foreign.clone_from(&fresh.foreign);
        }
        if ![ONE_WRITER, TAKEN_ONCE, HANDED_ONCE].contains(&checker) {
            self.claims.clone_from(&fresh.claims);
        }
        if ![ONE_HANDLER, TAKEN_ONCE, HANDED_ONCE].contains(&checker) {
            self.calls.clone_from(&fresh.calls);
        }
        if checker != SHOWN {
            self.shown.clone_from(&fresh.shown);
        }
    }

    fn calm(&mut self, _: &Setup<JournalSystem>, _: &World<JournalSystem>) {
        self.calm = true;
    }

    fn is_content(&mut self, setup: &Setup<JournalSystem>, world: &World<JournalSystem>) -> bool {
        !self.calm || self.is_sound(setup, world)
    }

    fn end(&self, setup: &Setup<JournalSystem>, world: &World<JournalSystem>, findings: &mut Findings) {
        if !self.calm {
            return;
        }
        for (id, replica) in world.replicas() {
            let Some(journal) = replica.protocol() else { continue };
            if !has_finished(journal) {
                findings.violated(WRITES_AGAIN, || {
                    let seen = format!("{id} cannot write, or has not finished");
                    violation(WRITES_AGAIN, world.now(), vec![id], "every machine can write in the end", seen)
                });
            }
        }
        self.settled(setup, world, findings);
        if rests(world) {
            self.note_rest(findings);
        }
    }
}

/// Whether nothing moves: every process is up and has done all it was asked, and every disk has what the server has.
fn rests(world: &World<JournalSystem>) -> bool {
    world.replicas().all(|(id, replica)| {
        replica.process().is_some_and(|process| process.pending_op().is_none())
            && replica.protocol().is_some_and(Journal::is_idle)
            && world.is_in_step(id)
    })
}

/// Whether a machine can write, and nothing waits to be written.
fn has_finished(journal: &Journal) -> bool {
    journal.can_write() && journal.is_idle()
}

/// After so long a machine that has read an event has surely done so before it planned what it tells now, ms: an
/// append is told some ops after it was planned.
const SURELY_READ_MS: u64 = 10_000;

fn violation(checker: &str, at_ms: u64, replicas: Vec<ReplicaId>, expected: &str, seen: String) -> Violation {
    Violation { checker: checker.into(), at_ms, replicas, expected: expected.into(), seen }
}

impl JournalChecks {
    /// A watcher that has seen nothing. `at_rest`: whether it looks at every rest for what is due in the end; `files`: those
    /// that are there before anything runs.
    pub(super) fn new(at_rest: bool, files: &[FileSpec]) -> Self {
        Self { at_rest, given: Given::of(files), ..Self::default() }
    }

    fn note_rest(&self, findings: &mut Findings) {
        if self.acknowledged.values().any(|event| event.spread) {
            findings.count(RESTS, 1);
        }
    }

    /// Notes which mentions of a message a machine takes to be its own, where it has just read or written that.
    fn mentioned(
        &mut self,
        setup: &Setup<JournalSystem>,
        world: &World<JournalSystem>,
        id: ReplicaId,
        (machine, seq, line): (&str, i64, &str),
        findings: &mut Findings,
    ) {
        // Looking at who knows whom would take most of a run's time.
        let Some(journal) = world.replica(id).protocol().filter(|_| line.contains(MENTIONS)) else { return };
        let key = (machine.to_owned(), seq, line_digest(line.as_bytes()));
        let known = self.claims.read(world, id);
        let config = &setup.replicas[id.index()].config;
        if let Some(amiss) = self.calls.read(&key, id, (config, journal), &known, &self.claims) {
            findings.violated(TAKEN_ONCE, || {
                violation(TAKEN_ONCE, world.now(), amiss.replicas, "a mention is taken up once", amiss.seen)
            });
        }
    }

    fn acknowledged(
        &mut self,
        now: u64,
        id: ReplicaId,
        machine: &str,
        seq: i64,
        line: &str,
        findings: &mut Findings,
    ) {
        let digest = line_digest(line.as_bytes());
        let key = |digest| (machine.to_owned(), seq, digest);
        let mut same_number = self.acknowledged.range(key(0)..=key(u64::MAX));
        let reused = |known: &Acknowledged| {
            known.line != line && may_share_owner(known.line.as_bytes(), line.as_bytes())
        };
        if let Some((_, known)) = same_number.find(|(_, known)| reused(known)) {
            let who = if known.replica == id { vec![id] } else { vec![known.replica, id] };
            findings.violated(USED_ONCE, || {
                let seen = format!("{machine} gave number {seq} to `{}` and to `{line}`", known.line);
                violation(USED_ONCE, now, who, "a sequence number is used once", seen)
            });
        }
        let says = Says::of(line);
        if let Some(edited) = &says.edits {
            let before = now.saturating_sub(SURELY_READ_MS);
            self.given.edited(id, before, edited, digest);
            for known in self.acknowledged.values_mut() {
                let read = known.read.get(&id).is_some_and(|read| *read < before);
                if read && known.says.edits.as_ref() == Some(edited) && follows(line, &known.line) {
                    known.superseded.insert((id, digest));
                }
            }
        }
        let nth = self.acknowledged.values().filter(|known| known.replica == id).count();
        let event = Acknowledged {
            replica: id,
            line: line.to_owned(),
            says,
            nth,
            at_ms: now,
            read: BTreeMap::from([(id, now)]),
            superseded: BTreeSet::new(),
            spread: false,
        };
        self.calls.acknowledged(key(digest), line);
        self.acknowledged.insert(key(digest), event);
    }

    fn written(
        &mut self,
        now: u64,
        id: ReplicaId,
        path: &Path,
        heard: &BTreeSet<ReplicaId>,
        findings: &mut Findings,
    ) {
        if path.below(&Path::shared("shared")).is_none() || path.name() == SENTINEL {
            return;
        }
        let writers = self.writers.entry(path.clone()).or_default();
        let at_fault =
            |&(other, its): &(&ReplicaId, _)| *other != id && !self.claims.excuse((id, heard), (*other, its));
        if let Some((&other, _)) = writers.iter().find(at_fault) {
            findings.violated(ONE_WRITER, || {
                let seen = format!("{path} was written by {other} and by {id}");
                violation(ONE_WRITER, now, vec![other, id], "a shared file has one writer", seen)
            });
        }
        writers.entry(id).or_default().extend(heard);
    }

    /// Looks at what a replica has read, where that has changed.
    fn look(
        &mut self,
        setup: &Setup<JournalSystem>,
        world: &World<JournalSystem>,
        id: ReplicaId,
        findings: &mut Findings,
    ) {
        let Some(journal) = world.replica(id).protocol() else { return };
        let folder = folder_digest(journal.folder());
        if self.looks.get(&id).is_some_and(|look| look.folder == folder) {
            return;
        }
        let now = world.now();
        let look = see(&setup.replicas[id.index()].config.design, journal.folder(), |seen| {
            if let Some(error) = seen.rebuild_error() {
                findings.violated(REBUILD, || {
                    let seen = format!("{id}'s fails: {error}");
                    violation(REBUILD, now, vec![id], "a rebuild never fails", seen)
                });
            }
            self.spread(setup, world, id, seen, findings);
            if journal.has_looked() {
                let config = &setup.replicas[id.index()].config;
                self.calls.hand_over(id, (config, journal), seen, || self.claims.read(world, id));
                let is_done =
                    world.replica(id).process().is_some_and(|process| process.pending_op().is_none());
                self.stays(now, id, seen, is_done, findings);
            }
            Look { folder, events: seen.events_digest, view: Memo(Remembered::new(journal.folder())) }
        });
        let design = |id: ReplicaId| &setup.replicas[id.index()].config.design;
        let differs = |(other, its): (&ReplicaId, &Look)| {
            let same = *other != id && its.events == look.events;
            (same && !its.view.shows_as(design(*other), &look.view, design(id))).then_some(*other)
        };
        if let Some(other) = self.looks.iter().find_map(differs) {
            findings.violated(SAME_VIEW, || {
                let seen = format!("{other} and {id} have read the same events and see different things");
                violation(SAME_VIEW, now, vec![other, id], "the same events give the same view", seen)
            });
        }
        self.looks.insert(id, look);
    }

    /// Looks whether everything that a machine has shown is still there, and notes what it shows now; `is_done`: without
    /// doing anything about that.
    fn stays(&mut self, now: u64, id: ReplicaId, seen: &Seen<'_>, is_done: bool, findings: &mut Findings) {
        let events = || self.acknowledged.keys().map(|(_, _, digest)| *digest);
        let Some(lacking) = self.shown.look(id, events, &seen.events, is_done) else { return };
        findings.violated(SHOWN, || {
            let (key, event) =
                self.acknowledged.iter().find(|((.., digest), _)| *digest == lacking).expect("one of them");
            let seen = format!("{id} does not see `{}` of {} any more", event.line, key.0);
            violation(SHOWN, now, vec![id], "what was shown stays shown", seen)
        });
    }

    /// Notes which events have arrived.
    fn spread(
        &mut self,
        setup: &Setup<JournalSystem>,
        world: &World<JournalSystem>,
        id: ReplicaId,
        seen: &Seen<'_>,
        findings: &mut Findings,
    ) {
        let now = world.now();
        self.given.read(id, now, &seen.events);
        let running =
            || world.replicas().filter(|(_, replica)| replica.process().is_some()).map(|(id, _)| id);
        let mut come = Vec::new();
        for (key @ (_, _, digest), event) in self.acknowledged.iter_mut().filter(|(_, event)| !event.spread) {
            if event.read.contains_key(&id) || !seen.events.contains(digest) {
                continue;
            }
            if event.read.len() == 1 {
                findings.sample(ARRIVAL_MS, now - event.at_ms);
                findings.count(TRAVELS, 1);
            }
            event.read.insert(id, now);
            if event.line.contains(MENTIONS) {
                come.push((key.clone(), event.line.clone()));
            }
            if running().all(|id| event.read.contains_key(&id)) {
                event.spread = true;
                findings.sample(SPREAD_MS, now - event.at_ms);
            }
        }
        for ((machine, seq, _), line) in come {
            self.mentioned(setup, world, id, (&machine, seq, &line), findings);
        }
    }
}
