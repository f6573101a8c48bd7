//! What must hold of journals.

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::Path;
use cloudchamber_core::journal::address::Mention;
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::layout::SENTINEL;
use cloudchamber_core::journal::owner::may_share_owner;
use cloudchamber_core::journal::protocol::{Journal, Told};

use super::JournalSystem;
use super::claims::Claims;
use super::lines::{edited, follows, mentions};
use super::seen::{Seen, folder_digest, line_digest, see};
use super::shown::Shown;
use crate::ReplicaId;
use crate::checks::{Checker, Checks, Findings, Kind as CheckerKind, Violation};
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
    pub const WRITES_AGAIN: &str = "a_machine_can_write_again";
    pub const TRAVELS: &str = "an_append_reaches_another_machine";
    pub const RESTS: &str = "everything_comes_to_rest_after_an_append";
    /// Samples: from the acknowledgement of an append until another machine has read it.
    pub const ARRIVAL_MS: &str = "arrival_ms";
    /// Samples: from the acknowledgement of an append until every running machine has read it.
    pub const SPREAD_MS: &str = "spread_ms";
}

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
    /// What each replica saw when its folder had last changed.
    looks: BTreeMap<ReplicaId, Look>,
    /// Whether faults have stopped.
    calm: bool,
    /// Whether to look at every rest.
    at_rest: bool,
}

/// An event that may not be lost.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Acknowledged {
    /// Who told it.
    replica: ReplicaId,
    /// Its line.
    line: String,
    /// How many events the same replica had told before, under whatever id.
    nth: usize,
    /// When, ms of world time.
    at_ms: u64,
    /// Who has read it, and when, ms of world time.
    read: BTreeMap<ReplicaId, u64>,
    /// Who took a mention in it to be theirs at the moment they had read it, and of whose claims they knew.
    takers: BTreeMap<ReplicaId, BTreeSet<ReplicaId>>,
    /// Whether somebody who had long read it has said something else since.
    superseded: bool,
    /// Whether everybody has.
    spread: bool,
}

/// What a replica saw.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Look {
    folder: u64,
    events: u64,
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
            about: "Every event that was acknowledged on a machine that is not lost is seen by all in the end.",
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
            about: "A fave, role or cursor that was removed for good does not come back unless somebody who saw the removal says so.",
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
            about: "An edit of a message is never shown in the end if somebody who had read it edited the message again.",
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
            about: "In the end a mention of an agent on one machine is for exactly one machine that runs.",
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
        if matches!(choice, Choice::ResetIndex { .. } | Choice::Restore { .. } | Choice::Wipe { .. }) {
            self.foreign.insert(id);
        }
        self.shown.after(world, id, choice);
        // After a crash a client sends whatever it had still to send. That was written here, unless the client took for
        // changes what nobody here had written.
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
                let key = (machine.clone(), *seq, line_digest(line.as_bytes()));
                if takes(setup, world, id, line)
                    && let Some(event) = self.acknowledged.get_mut(&key)
                {
                    event.takers.insert(id, self.claims.read(world, id));
                }
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

    /// What was read last is needed by [`SAME_VIEW`] alone, who wrote a file by [`ONE_WRITER`], and who
    /// claims what by that and [`TAKEN_ONCE`], who shows what by [`SHOWN`].
    fn forget(&mut self, checker: &str, fresh: &Self) {
        if checker != SAME_VIEW {
            self.looks.clone_from(&fresh.looks);
        }
        if checker != ONE_WRITER {
            self.writers.clone_from(&fresh.writers);
            self.foreign.clone_from(&fresh.foreign);
        }
        if checker != ONE_WRITER && checker != TAKEN_ONCE {
            self.claims.clone_from(&fresh.claims);
        }
        if checker != SHOWN {
            self.shown.clone_from(&fresh.shown);
        }
    }

    fn calm(&mut self, _: &Setup<JournalSystem>, _: &World<JournalSystem>) {
        self.calm = true;
    }

    fn end(&self, setup: &Setup<JournalSystem>, world: &World<JournalSystem>, findings: &mut Findings) {
        if !self.calm {
            return;
        }
        for (id, replica) in world.replicas() {
            let Some(journal) = replica.protocol() else { continue };
            if !journal.can_write() || !journal.is_idle() {
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

/// After so long a machine that has read an event has surely done so before it planned what it tells now, ms: an
/// append is told some ops after it was planned.
const SURELY_READ_MS: u64 = 10_000;

/// Whether a machine, as far as it knows now, is the one that a message's line mentions.
fn takes(setup: &Setup<JournalSystem>, world: &World<JournalSystem>, id: ReplicaId, line: &str) -> bool {
    let config = &setup.replicas[id.index()].config;
    let meant = |mention: &Mention| world.replica(id).protocol()?.is_meant(config, mention);
    mentions(line).iter().any(|mention| meant(mention) == Some(true))
}

fn violation(checker: &str, at_ms: u64, replicas: Vec<ReplicaId>, expected: &str, seen: String) -> Violation {
    Violation { checker: checker.into(), at_ms, replicas, expected: expected.into(), seen }
}

impl JournalChecks {
    /// A watcher that has seen nothing. `at_rest`: whether it looks at every rest for what is due in the end.
    pub(super) fn new(at_rest: bool) -> Self {
        Self { at_rest, ..Self::default() }
    }

    fn note_rest(&self, findings: &mut Findings) {
        if self.acknowledged.values().any(|event| event.spread) {
            findings.count(RESTS, 1);
        }
    }

    /// Looks at a world in which everything has come to rest.
    fn settled(&self, setup: &Setup<JournalSystem>, world: &World<JournalSystem>, findings: &mut Findings) {
        let mut first: Option<(ReplicaId, u64)> = None;
        for (id, replica) in world.replicas() {
            let Some(journal) = replica.protocol() else { continue };
            let design = &setup.replicas[id.index()].config.design;
            let view = see(design, journal.folder(), |seen| {
                self.ended(world, id, seen, findings);
                seen.view_digest
            });
            let (other, its) = *first.get_or_insert((id, view));
            if view != its {
                findings.violated(QUIET_AGREE, || {
                    let seen = format!("{other} sees {its:016x} and {id} sees {view:016x}");
                    violation(QUIET_AGREE, world.now(), vec![other, id], "all machines see the same", seen)
                });
            }
        }
        self.mentions(setup, world, findings);
    }

    /// Looks for mentions that several machines, or none, take to be theirs.
    fn mentions(&self, setup: &Setup<JournalSystem>, world: &World<JournalSystem>, findings: &mut Findings) {
        for event in self.acknowledged.values() {
            for mention in mentions(&event.line) {
                let meant = world.replicas().filter(|(id, replica)| {
                    let config = &setup.replicas[id.index()].config;
                    replica.protocol().and_then(|journal| journal.is_meant(config, &mention)) == Some(true)
                });
                let meant: Vec<_> = meant.map(|(id, _)| id).collect();
                if meant.len() != 1 {
                    findings.violated(ONE_HANDLER, || {
                        let text = format!("@{} is for {} machines", mention.stored(), meant.len());
                        violation(ONE_HANDLER, world.now(), meant, "a mention is for one machine", text)
                    });
                }
            }
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
        if let Some(message) = edited(line) {
            let before = now.saturating_sub(SURELY_READ_MS);
            for known in self.acknowledged.values_mut().filter(|known| !known.superseded) {
                let read = known.read.get(&id).is_some_and(|read| *read < before);
                let same = || edited(&known.line).is_some_and(|other| other == message);
                known.superseded = read && same() && follows(line, &known.line);
            }
        }
        let nth = self.acknowledged.values().filter(|known| known.replica == id).count();
        let event = Acknowledged {
            replica: id,
            line: line.to_owned(),
            nth,
            at_ms: now,
            read: BTreeMap::from([(id, now)]),
            takers: BTreeMap::new(),
            superseded: false,
            spread: false,
        };
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
            if let Some(error) = seen.rebuild_error {
                findings.violated(REBUILD, || {
                    let seen = format!("{id}'s fails: {error}");
                    violation(REBUILD, now, vec![id], "a rebuild never fails", seen)
                });
            }
            self.spread(setup, world, id, seen, findings);
            if journal.has_looked() {
                let is_done =
                    world.replica(id).process().is_some_and(|process| process.pending_op().is_none());
                self.stays(now, id, seen, is_done, findings);
            }
            Look { folder, events: seen.events_digest, view: seen.view_digest }
        });
        let differs = |(other, its): (&ReplicaId, &Look)| {
            let disagrees = *other != id && its.events == look.events && its.view != look.view;
            disagrees.then_some(*other)
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
        let running =
            || world.replicas().filter(|(_, replica)| replica.process().is_some()).map(|(id, _)| id);
        for ((_, _, digest), event) in self.acknowledged.iter_mut().filter(|(_, event)| !event.spread) {
            if event.read.contains_key(&id) || !seen.events.contains(digest) {
                continue;
            }
            if event.read.len() == 1 {
                findings.sample(ARRIVAL_MS, now - event.at_ms);
                findings.count(TRAVELS, 1);
            }
            event.read.insert(id, now);
            if takes(setup, world, id, &event.line) {
                let known = self.claims.read(world, id);
                let at_fault = |&(other, its): &(&ReplicaId, _)| {
                    *other != id && !self.claims.excuse((id, &known), (*other, its))
                };
                if let Some((&other, _)) = event.takers.iter().find(at_fault) {
                    findings.violated(TAKEN_ONCE, || {
                        let seen = format!("{other} and {id} take `{}` to be for them", event.line);
                        violation(TAKEN_ONCE, now, vec![other, id], "a mention is taken up once", seen)
                    });
                }
                event.takers.insert(id, known);
            }
            if running().all(|id| event.read.contains_key(&id)) {
                event.spread = true;
                findings.sample(SPREAD_MS, now - event.at_ms);
            }
        }
    }

    /// Whether the event whose line has this digest was surely told by somebody who knew of another one: the same
    /// replica told both in this order, or it had long read the earlier one.
    fn is_after(&self, known: &Acknowledged, digest: u64) -> bool {
        let later = self.acknowledged.iter().filter(|((_, _, its), _)| *its == digest);
        later.map(|(_, later)| later).any(|later| {
            let told_both = later.replica == known.replica && later.nth > known.nth;
            let read = known.read.get(&later.replica).is_some_and(|read| read + SURELY_READ_MS < later.at_ms);
            told_both || read
        })
    }

    /// Looks at what one replica sees when everything has come to rest.
    fn ended(&self, world: &World<JournalSystem>, id: ReplicaId, seen: &Seen<'_>, findings: &mut Findings) {
        let now = world.now();
        let kept = |event: &&Acknowledged| world.replica(event.replica).process().is_some();
        for ((machine, _, digest), event) in &self.acknowledged {
            if event.superseded && seen.shows_edit(*digest) {
                findings.violated(LATER_WORD, || {
                    let text = format!("{id} shows `{}`, which somebody had read and changed", event.line);
                    violation(LATER_WORD, now, vec![id], "what was read and changed stays changed", text)
                });
            }
            if kept(&event) && !seen.has(machine, &event.line) {
                findings.violated(REACHES_EVERYBODY, || {
                    let text = format!("{id} does not see `{}` of {machine}", event.line);
                    let who = if event.replica == id { vec![id] } else { vec![event.replica, id] };
                    violation(REACHES_EVERYBODY, now, who, "an acknowledged event reaches everybody", text)
                });
            }
        }
        for event in self.acknowledged.values().filter(kept) {
            let Ok(removal) = Event::parse(&event.line) else { continue };
            let afterwards = |digest| self.is_after(event, digest);
            let deleted = [
                (STAYS_DELETED, seen.of_deleted_message(&removal, &afterwards)),
                (THREAD_STAYS_DELETED, seen.of_deleted_thread(&removal, &afterwards)),
            ];
            for (checker, shown) in deleted {
                let Some(shown) = shown else { continue };
                findings.violated(checker, || {
                    let text = format!("{id} shows {shown} in spite of `{}`", event.line);
                    violation(checker, now, vec![id], "what was deleted stays deleted", text)
                });
            }
            if seen.stands(&removal) {
                findings.violated(STAYS_REMOVED, || {
                    let text = format!("{id} shows what was removed by `{}`", event.line);
                    violation(STAYS_REMOVED, now, vec![id], "what was removed stays removed", text)
                });
            }
        }
        if let Some((machine, seq)) = seen.reused() {
            findings.violated(USED_ONCE, || {
                let text = format!("{id} reads two events of {machine} with number {seq}");
                violation(USED_ONCE, now, vec![id], "a sequence number is used once", text)
            });
        }
        let edits = self
            .acknowledged
            .iter()
            .filter_map(|((_, _, digest), event)| Some((edited(&event.line)?, *digest, event)));
        let edits: Vec<_> = edits.collect();
        for (message, digest, event) in &edits {
            let outdone = edits.iter().find(|(other, _, after)| {
                after.replica == event.replica && after.nth > event.nth && other == message
            });
            let Some((_, _, later)) = outdone else { continue };
            if kept(event) && seen.shows_edit(*digest) {
                findings.violated(PROGRAM_ORDER, || {
                    let text =
                        format!("{id} shows `{}`, which its writer followed by `{}`", event.line, later.line);
                    violation(
                        PROGRAM_ORDER,
                        now,
                        vec![event.replica],
                        "the later word of a machine stands",
                        text,
                    )
                });
            }
        }
        if let Some(text) = seen.overtaken() {
            findings.violated(PROGRAM_ORDER, || {
                violation(PROGRAM_ORDER, now, vec![id], "the later word of a machine stands", text)
            });
        }
    }
}
