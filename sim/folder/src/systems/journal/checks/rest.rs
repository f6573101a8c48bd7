//! What must hold of journals once everything has come to rest.

use std::collections::BTreeSet;

use cloudchamber_core::journal::event::Event;

use super::name::*;
use super::{Acknowledged, Found, JournalChecks, SURELY_READ_MS, has_finished, violation};
use crate::checks::Findings;
use crate::systems::journal::JournalSystem;
use crate::systems::journal::lines::follows;
use crate::systems::journal::seen::{Seen, folder_digest, see};
use crate::world::{Setup, World};
use crate::{ReplicaId, StableHasher};

/// The digest of what is seen; `made`: that of the view that was made last, by what it was made of.
fn digest_of(made: &mut Option<(u64, u64)>, seen: &Seen<'_>) -> u64 {
    let key = seen.view_key();
    let (_, digest) = match *made {
        Some(known) if known.0 == key => known,
        _ => *made.insert((key, seen.view_digest())),
    };
    digest
}

impl JournalChecks {
    /// Looks at a world in which everything has come to rest.
    pub(super) fn settled(
        &self,
        setup: &Setup<JournalSystem>,
        world: &World<JournalSystem>,
        findings: &mut Findings,
    ) {
        let mut first: Option<(ReplicaId, u64)> = None;
        let mut made = None;
        for (id, replica) in world.replicas() {
            let Some(journal) = replica.protocol() else { continue };
            let design = &setup.replicas[id.index()].config.design;
            let view = see(design, journal.folder(), |seen| {
                self.ended(world, id, seen, findings);
                digest_of(&mut made, seen)
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

    /// Whether [`Checks::end`](crate::checks::Checks::end) would find nothing, once faults have stopped. A machine that
    /// reads what it read when this was last asked, where nobody has told anything or gone since, is not asked again.
    pub(super) fn is_sound(&mut self, setup: &Setup<JournalSystem>, world: &World<JournalSystem>) -> bool {
        let journals = || world.replicas().filter_map(|(id, replica)| Some((id, replica.protocol()?)));
        if !journals().all(|(_, journal)| has_finished(journal)) {
            return false;
        }
        let up: Vec<_> = world.replicas().map(|(_, replica)| replica.process().is_some()).collect();
        let told = StableHasher::of(&(&self.acknowledged, &self.given, up));
        let mut views = BTreeSet::new();
        let mut made = self.view.take();
        for (id, journal) in journals() {
            let of = StableHasher::of(&(told, folder_digest(journal.folder())));
            let found = match self.found.get(&id).filter(|found| found.of == of) {
                Some(found) => *found,
                None => {
                    let design = &setup.replicas[id.index()].config.design;
                    let mut findings = Findings::default();
                    let view = see(design, journal.folder(), |seen| {
                        self.ended(world, id, seen, &mut findings);
                        digest_of(&mut made, seen)
                    });
                    Found { of, is_sound: findings.violations.is_empty(), view }
                }
            };
            self.found.insert(id, found);
            *self.view = made;
            views.insert(found.view);
            if !found.is_sound || views.len() > 1 {
                return false;
            }
        }
        let mut findings = Findings::default();
        self.mentions(setup, world, &mut findings);
        findings.violations.is_empty()
    }

    /// Looks for mentions that several machines, or none, take to be theirs, and for those that no daemon or several have
    /// handed over.
    fn mentions(&self, setup: &Setup<JournalSystem>, world: &World<JournalSystem>, findings: &mut Findings) {
        for (key, mention) in self.calls.mentions() {
            let meant = world.replicas().filter(|(id, replica)| {
                let config = &setup.replicas[id.index()].config;
                replica.protocol().and_then(|journal| journal.is_meant(config, mention)) == Some(true)
            });
            let meant: Vec<_> = meant.map(|(id, _)| id).collect();
            // Whom it is for may be gone for good.
            if meant.is_empty() && world.replicas().any(|(_, replica)| replica.process().is_none()) {
                continue;
            }
            let [one] = meant[..] else {
                findings.violated(ONE_HANDLER, || {
                    let text = format!("@{} is for {} machines", mention.stored(), meant.len());
                    violation(ONE_HANDLER, world.now(), meant, "a mention is for one machine", text)
                });
                continue;
            };
            let is_read = self.acknowledged.get(key).is_some_and(|event| event.read.contains_key(&one));
            if let Some(amiss) = self.calls.amiss(key, mention, one, &self.claims).filter(|_| is_read) {
                findings.violated(HANDED_ONCE, || {
                    let expected = "a mention is handed over once";
                    violation(HANDED_ONCE, world.now(), amiss.replicas, expected, amiss.seen)
                });
            }
        }
    }

    /// Whether the event whose line has this digest was surely told by somebody who knew of another one: the same
    /// replica told both in this order, or it had long read the earlier one and followed its clock.
    fn is_after(&self, known: &Acknowledged, digest: u64) -> bool {
        let later = self.acknowledged.iter().filter(|((_, _, its), _)| *its == digest);
        later.map(|(_, later)| later).any(|later| {
            let told_both = later.replica == known.replica && later.nth > known.nth;
            let read = known.read.get(&later.replica).is_some_and(|read| read + SURELY_READ_MS < later.at_ms);
            told_both || (read && follows(&later.line, &known.line))
        })
    }

    /// Looks at what one replica sees when everything has come to rest.
    fn ended(&self, world: &World<JournalSystem>, id: ReplicaId, seen: &Seen<'_>, findings: &mut Findings) {
        let now = world.now();
        // What stands only on a machine that is gone for good, nobody can know.
        let by_known = |(by, line): &(ReplicaId, u64)| {
            seen.events.contains(line) || world.replica(*by).process().is_some()
        };
        for ((machine, _, digest), event) in &self.acknowledged {
            if event.superseded.iter().any(by_known) && seen.shows_edit(*digest) {
                findings.violated(LATER_WORD, || {
                    let text = format!("{id} shows `{}`, which somebody had read and changed", event.line);
                    violation(LATER_WORD, now, vec![id], "what was read and changed stays changed", text)
                });
            }
            if is_kept(world, event) && !seen.has(machine, *digest, &event.says.makes) {
                findings.violated(REACHES_EVERYBODY, || {
                    let text = format!("{id} does not see `{}` of {machine}", event.line);
                    let who = if event.replica == id { vec![id] } else { vec![event.replica, id] };
                    violation(REACHES_EVERYBODY, now, who, "an acknowledged event reaches everybody", text)
                });
            }
        }
        if let Some(line) = self.given.lacking(world, &seen.events) {
            findings.violated(REACHES_EVERYBODY, || {
                let text = format!("{id} does not see `{line}`, which was there from the start");
                violation(REACHES_EVERYBODY, now, vec![id], "what journals began with stays", text)
            });
        }
        if let Some(line) = self.given.overtaken(|digest| seen.shows_edit(digest), by_known) {
            findings.violated(LATER_WORD, || {
                let text = format!("{id} shows `{line}`, which somebody had read and changed");
                violation(LATER_WORD, now, vec![id], "what was read and changed stays changed", text)
            });
        }
        self.removed(world, id, seen, findings);
        if let Some((machine, seq)) = seen.reused() {
            findings.violated(USED_ONCE, || {
                let text = format!("{id} reads two events of {machine} with number {seq}");
                violation(USED_ONCE, now, vec![id], "a sequence number is used once", text)
            });
        }
        self.overtaken(world, id, seen, findings);
    }

    /// Looks whether what was deleted or removed is still there.
    fn removed(&self, world: &World<JournalSystem>, id: ReplicaId, seen: &Seen<'_>, findings: &mut Findings) {
        let now = world.now();
        for ((_, _, digest), event) in &self.acknowledged {
            if !event.says.removes || !is_kept(world, event) {
                continue;
            }
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
            // Of what nobody acknowledged, nobody can say who knew of it.
            let is_before = |earlier| {
                let known = self.acknowledged.iter().find(|((_, _, its), _)| *its == earlier);
                known.is_some_and(|(_, known)| self.is_after(known, *digest))
            };
            if seen.stands(&removal, &is_before) {
                findings.violated(STAYS_REMOVED, || {
                    let text = format!("{id} shows what was removed by `{}`", event.line);
                    violation(STAYS_REMOVED, now, vec![id], "what was removed stays removed", text)
                });
            }
        }
    }

    /// Looks for words of machines that they took back themselves.
    fn overtaken(
        &self,
        world: &World<JournalSystem>,
        id: ReplicaId,
        seen: &Seen<'_>,
        findings: &mut Findings,
    ) {
        let now = world.now();
        let edits = self
            .acknowledged
            .iter()
            .filter_map(|((_, _, digest), event)| Some((event.says.edits.as_ref()?, *digest, event)));
        let edits: Vec<_> = edits.collect();
        for (edited, digest, event) in &edits {
            let outdone = edits.iter().find(|(other, _, after)| {
                after.replica == event.replica && after.nth > event.nth && other == edited
            });
            let Some((_, _, later)) = outdone else { continue };
            if is_kept(world, event) && seen.shows_edit(*digest) {
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

/// Whether the machine that told an event is not gone for good.
fn is_kept(world: &World<JournalSystem>, event: &Acknowledged) -> bool {
    world.replica(event.replica).process().is_some()
}
