//! What must hold of entities.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::Hasher as _;
use std::sync::Arc;

use cloudchamber_core::delta::entity::Write;
use cloudchamber_core::delta::{
    Change, Command, Delta, Dot, Event, Fields, Key, Merging, ReplicaId as Author,
};
use cloudchamber_core::kit::json::Json;
use cloudchamber_core::kit::memo::Memo;
use cloudchamber_core::kit::watermark::Watermarks;

use super::DeltaSystem;
use super::ledger::{Known, Ledger, Said};
use super::picture::Picture;
use super::stamps;
use crate::checks::{Checker, Checks, Findings, Kind, Violation};
use crate::world::{Choice, ChoiceOf, Effects, Setup, World};
use crate::{ReplicaId, StableHasher};

/// The checkers' names, so that no text is written twice.
pub mod name {
    #![allow(missing_docs, reason = "each is explained where it is listed, in `CHECKERS`")]
    pub const QUIET_AGREE: &str = "quiet_replicas_agree";
    pub const KEPT: &str = "an_acknowledged_change_is_kept";
    pub const ONE_CONTENT: &str = "a_version_names_one_content";
    pub const STAYS_DELETED: &str = "what_was_deleted_stays_deleted";
    pub const OVERWRITTEN: &str = "what_was_overwritten_does_not_come_back";
    pub const NO_CONFLICT: &str = "what_was_overwritten_is_no_conflict";
    pub const SAME_ENTITY: &str = "the_same_changes_give_the_same_entity";
    pub const FILES_COUNT: &str = "what_an_entity_file_says_counts";
    pub const STAMPS_GROW: &str = "a_stamp_is_later_than_what_was_seen";
    pub const SILENT: &str = "who_hears_nothing_new_writes_nothing";
    pub const ALL_SENT: &str = "everything_is_sent_in_the_end";
    pub const TRAVELS: &str = "a_change_reaches_another_replica";
    pub const MEET: &str = "concurrent_changes_meet";
    pub const CONFLICT: &str = "a_conflict_is_kept";
    pub const COLLECTED: &str = "a_tombstone_is_collected";
    pub const REBUILT: &str = "a_replica_is_rebuilt";
    pub const RESTS: &str = "everything_comes_to_rest_after_a_change";
    /// Samples: from the acknowledgement of a change until another replica shows or lists it.
    pub const ARRIVAL_MS: &str = "arrival_ms";
    /// Samples: from the acknowledgement of a change until every running replica does.
    pub const SPREAD_MS: &str = "spread_ms";
}

use name::*;

/// Everything that watches a run of delta.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct DeltaChecks {
    /// What was acknowledged.
    pub(super) ledger: Ledger,
    /// What each replica knew when it last told something.
    pub(super) known: BTreeMap<ReplicaId, BTreeMap<Key, Known>>,
    /// What each replica was asked and has not answered.
    asked: BTreeMap<ReplicaId, VecDeque<Asked>>,
    /// What was asked and interrupted: it may have happened, and whoever asked was not told.
    doubtful: BTreeMap<ReplicaId, VecDeque<Asked>>,
    /// What the versions of entities were, and on whom that was seen.
    versions: BTreeMap<(Key, u64), (ReplicaId, u64)>,
    /// Lives that somebody has buried.
    graves: Watermarks<Author>,
    /// Replicas whose files changed since they last began a sync that ended.
    stale: BTreeSet<ReplicaId>,
    /// Those of them that have begun another one, and whose files have not changed since.
    syncing: BTreeSet<ReplicaId>,
    /// What wall clocks that were set showed more than the world's before and afterwards, ms.
    pub(super) set_clocks: BTreeMap<ReplicaId, BTreeSet<i64>>,
    /// Replicas to which nothing new has come: how many syncs in a row have written to the folder, and whether this one has.
    pub(super) unasked: BTreeMap<ReplicaId, (u32, bool)>,
    /// Whether faults have stopped.
    calm: bool,
    /// Whether to look at every rest.
    at_rest: bool,
    /// What each replica showed when it was last looked at, and where that was all that it should be.
    looked: Memo<BTreeMap<ReplicaId, Looked>>,
}

/// What one replica showed.
#[derive(Clone, Debug)]
struct Looked {
    /// The digest of all that it knew, and how many changes had been acknowledged.
    of: (u64, usize),
    /// What there was of each entity.
    entities: Arc<BTreeMap<Key, LookedAt>>,
    /// Whether there was nothing to complain of.
    is_sound: bool,
}

/// What one replica showed of one entity.
#[derive(Clone, Copy, Debug, Default)]
struct LookedAt {
    /// The digest of all that it knew of it, and how many changes of it had been acknowledged; `None` where it knows only
    /// what it shows, and is looked at again each time.
    of: Option<(u64, usize)>,
    /// Whether it listed a conflict.
    conflict: bool,
    /// Whether it had seen two changes of which neither had seen the other.
    meet: bool,
}

/// What may be acknowledged.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Asked {
    /// One change.
    Change(Change),
    /// What is to become of a conflict: the write that it is about and its fields, where that is known.
    Decision(Option<(Dot, BTreeSet<Arc<str>>)>),
}

impl Checks<DeltaSystem> for DeltaChecks {
    const CHECKERS: &'static [Checker] = &[
        Checker {
            name: QUIET_AGREE,
            kind: Kind::Liveness,
            about: "Once faults have stopped and everything has travelled, all replicas show the same entities and list the same conflicts. Those that still know of a deletion say the same of who made it, and when.",
        },
        Checker {
            name: KEPT,
            kind: Kind::Liveness,
            about: "In the end a change that was acknowledged on a replica that is not lost is there on all replicas, or was overwritten by somebody who had seen it, or is listed as a conflict. A conflict that somebody restored or dismissed is not listed again. That something is there already, as somebody is told who says it again, is an acknowledgement too; and what was taken over from others is not only listed, unless somebody who had seen it wrote something else.",
        },
        Checker {
            name: ONE_CONTENT,
            kind: Kind::Safety,
            about: "A version has one content: as published the version number of an entity, hardened the name of a write.",
        },
        Checker {
            name: STAYS_DELETED,
            kind: Kind::Safety,
            about: "An entity that somebody deleted is not shown in the end because of somebody who had not heard of it: only what was made anew is.",
        },
        Checker {
            name: OVERWRITTEN,
            kind: Kind::Safety,
            about: "A value is not shown in the end if somebody who had seen it gave the field another one, or deleted the entity.",
        },
        Checker {
            name: NO_CONFLICT,
            kind: Kind::Safety,
            about: "A value is not listed as a conflict in the end if somebody who had seen it gave the field another one, or deleted the entity.",
        },
        Checker {
            name: SAME_ENTITY,
            kind: Kind::Safety,
            about: "Two replicas to which the same changes of an entity have come show the same, in whatever order these came, unless one of its lives is being buried.",
        },
        Checker {
            name: FILES_COUNT,
            kind: Kind::Liveness,
            about: "In the end a replica shows or lists what a file on its disk says of an entity, unless it was overwritten, whatever metas say of it.",
        },
        Checker {
            name: STAMPS_GROW,
            kind: Kind::Safety,
            about: "A write has a later stamp than every earlier one of its writer, and than every other one that its writer had seen and whose clock was within the bound. No stamp is more than a day ahead of its writer's clock because of the clocks of others, except by way of clocks that lie less than a day apart.",
        },
        Checker {
            name: SILENT,
            kind: Kind::Safety,
            about: "A replica that is asked for nothing, and to whose disk nothing new comes, soon stops writing to the folder.",
        },
        Checker {
            name: ALL_SENT,
            kind: Kind::Liveness,
            about: "Once faults have stopped, every replica that runs can be written to, and no change waits to be sent.",
        },
        Checker {
            name: TRAVELS,
            kind: Kind::Reached,
            about: "A change that was made on one replica is seen on another.",
        },
        Checker {
            name: MEET,
            kind: Kind::Reached,
            about: "A replica has seen two changes of an entity of which neither had seen the other.",
        },
        Checker { name: CONFLICT, kind: Kind::Reached, about: "A replica lists a conflict." },
        Checker {
            name: COLLECTED,
            kind: Kind::Reached,
            about: "A tombstone that everybody has seen is dropped.",
        },
        Checker {
            name: REBUILT,
            kind: Kind::Reached,
            about: "A replica that was away for longer than the retention looks at everything anew.",
        },
        Checker {
            name: RESTS,
            kind: Kind::Reached,
            about: "All that was changed has reached everybody, and nothing is under way.",
        },
    ];

    fn after(
        &mut self,
        setup: &Setup<DeltaSystem>,
        world: &World<DeltaSystem>,
        choice: &ChoiceOf<DeltaSystem>,
        effects: &Effects<Delta>,
        findings: &mut Findings,
    ) {
        let Some(id) = choice.replica() else { return };
        if effects.files_changed {
            self.stale.insert(id);
            self.syncing.remove(&id);
        }
        if matches!(choice, Choice::Command { .. })
            && let Some(delta) = world.replica(id).protocol().filter(|_| joins(setup, id))
        {
            // Where its store could not be read before, it was read in this step, and nothing is made yet of what was asked.
            self.look(setup, world, id, delta, findings);
        }
        match choice {
            Choice::Crash { .. } => {
                self.interrupted(id);
                self.syncing.remove(&id);
                self.stale.insert(id);
            }
            Choice::Command { command, .. } => self.asked(world, id, command),
            Choice::Timer { .. } => drop(self.syncing.insert(id)),
            _ => {}
        }
        if let Choice::Clock { by_ms, .. } = choice {
            let ahead = stamps::ahead(setup, world, id);
            self.set_clocks.entry(id).or_default().extend([ahead.saturating_sub(*by_ms), ahead]);
        }
        self.note_writing(id, choice, effects);
        let tells = !effects.events.is_empty() || matches!(choice, Choice::Open { .. });
        if tells && let Some(delta) = world.replica(id).protocol() {
            for event in &effects.events {
                self.told(setup, world, id, event, findings);
            }
            if self.doubtful.contains_key(&id) {
                self.find_out(world, id, &Picture::of(delta));
            }
            self.look(setup, world, id, delta, findings);
            if delta.is_idle() {
                self.asked.remove(&id);
            }
        }
        if self.at_rest && self.rests(world) {
            self.settled(setup, world, false, findings);
            self.note_rest(findings);
        }
    }

    /// What versions were is needed by [`ONE_CONTENT`] and [`SAME_ENTITY`] alone.
    fn forget(&mut self, checker: &str, fresh: &Self) {
        if checker != ONE_CONTENT && checker != SAME_ENTITY {
            self.versions.clone_from(&fresh.versions);
            self.graves.clone_from(&fresh.graves);
        }
        if checker != STAMPS_GROW {
            self.set_clocks.clone_from(&fresh.set_clocks);
        }
        if checker != SILENT {
            self.unasked.clone_from(&fresh.unasked);
        }
    }

    fn calm(&mut self, _: &Setup<DeltaSystem>, _: &World<DeltaSystem>) {
        self.calm = true;
    }

    fn is_content(&mut self, setup: &Setup<DeltaSystem>, world: &World<DeltaSystem>) -> bool {
        let mut findings = Findings::default();
        if self.calm {
            self.all_sent(setup, world, &mut findings);
        }
        if self.calm && findings.violations.is_empty() {
            self.settled(setup, world, true, &mut findings);
        }
        findings.violations.is_empty()
    }

    fn end(&self, setup: &Setup<DeltaSystem>, world: &World<DeltaSystem>, findings: &mut Findings) {
        if !self.calm {
            return;
        }
        self.all_sent(setup, world, findings);
        self.settled(setup, world, false, findings);
        if self.rests(world) {
            self.note_rest(findings);
        }
    }
}

impl DeltaChecks {
    /// Whether nothing waits to be sent.
    fn all_sent(&self, setup: &Setup<DeltaSystem>, world: &World<DeltaSystem>, findings: &mut Findings) {
        for (id, delta) in running(world) {
            let waits = delta.dirty().next();
            let is_nobody = joins(setup, id) && delta.id().is_none();
            if is_nobody || !delta.is_idle() || waits.is_some() {
                findings.violated(ALL_SENT, || {
                    let seen = match waits {
                        Some(key) => format!("{id} has not sent its change of {key}"),
                        None => format!("{id} cannot be written to, or has not finished"),
                    };
                    violation(ALL_SENT, world.now(), vec![id], "nothing waits to be sent in the end", seen)
                });
            }
        }
    }
}

pub(super) fn running(world: &World<DeltaSystem>) -> impl Iterator<Item = (ReplicaId, &Delta)> {
    world.replicas().filter_map(|(id, replica)| Some((id, replica.protocol()?)))
}

/// Whether a replica's design says what it has seen.
pub(super) fn joins(setup: &Setup<DeltaSystem>, id: ReplicaId) -> bool {
    setup.replicas[id.index()].config.design.merging == Merging::Join
}

pub(super) fn violation(
    checker: &str,
    at_ms: u64,
    replicas: Vec<ReplicaId>,
    expected: &str,
    seen: String,
) -> Violation {
    Violation { checker: checker.into(), at_ms, replicas, expected: expected.into(), seen }
}

/// What a put says of each field.
fn fields_of(set: &Fields, unset: &BTreeSet<Arc<str>>) -> BTreeMap<Arc<str>, Option<Json>> {
    let holes = unset.iter().map(|name| (name.clone(), None));
    holes.chain(set.0.iter().map(|(name, value)| (name.clone(), Some(value.clone())))).collect()
}

/// The two, or the one that they are.
pub(super) fn both(one: ReplicaId, two: ReplicaId) -> Vec<ReplicaId> {
    if one == two { vec![one] } else { vec![one, two] }
}

impl DeltaChecks {
    /// A watcher that has seen nothing. `at_rest`: whether it looks at every rest for what is due in the end.
    pub(super) fn new(at_rest: bool) -> Self {
        Self { at_rest, ..Self::default() }
    }

    /// Whether nothing moves: every process is up and has done all it was asked, every disk has what the server has,
    /// and every replica has synced since.
    fn rests(&self, world: &World<DeltaSystem>) -> bool {
        self.stale.is_empty()
            && world.replicas().all(|(id, replica)| {
                replica.process().is_some_and(|process| process.pending_op().is_none())
                    && replica
                        .protocol()
                        .is_some_and(|delta| delta.is_idle() && delta.dirty().next().is_none())
                    && world.is_in_step(id)
            })
    }

    fn note_rest(&self, findings: &mut Findings) {
        if !self.ledger.is_empty() {
            findings.count(RESTS, 1);
        }
    }

    fn interrupted(&mut self, id: ReplicaId) {
        if let Some(asked) = self.asked.remove(&id) {
            self.doubtful.entry(id).or_default().extend(asked);
        }
    }

    /// Finds out which of the changes that were interrupted have happened. Nobody was told of them, so they need not be
    /// kept, but they overwrite what had been seen.
    fn find_out(&mut self, world: &World<DeltaSystem>, id: ReplicaId, picture: &Picture<'_>) {
        for asked in self.doubtful.remove(&id).into_iter().flatten() {
            let Asked::Change(change) = asked else { continue };
            let key = change.key();
            let known = self.known.entry(id).or_default().entry(key.clone()).or_default();
            let entity = picture.entity(key);
            let is_new = |dot: &&Dot| self.ledger.of_dot(dot).is_none();
            let (fields, dot) = match &change {
                Change::Delete { .. } => {
                    if !known.alive || picture.is_alive(key) {
                        continue;
                    }
                    let mut deaths = entity.into_iter().flat_map(|entity| entity.deaths.values());
                    (None, deaths.find_map(|death| Some(&death.dot).filter(is_new)).cloned())
                }
                Change::Put { set, unset, .. } => {
                    let is_there = |(name, value): (&Arc<str>, &Json)| {
                        picture.shows(key, name, Some(value)) || picture.lists(key, name, Some(value))
                    };
                    let said = |name: &Arc<str>| set.0.contains_key(name) || unset.contains(name);
                    let mut writes = entity.into_iter().flat_map(|entity| &entity.writes);
                    let dot = writes.find(|(dot, write)| is_new(dot) && write.fields.keys().all(said));
                    let dot = dot.map(|(dot, _)| dot.clone());
                    if !set.0.iter().any(is_there) && dot.is_none() {
                        continue;
                    }
                    (Some(fields_of(set, unset)), dot)
                }
            };
            let said = Said::new(id, key, dot, fields, world.now());
            *known = self.ledger.add(Said { open: BTreeSet::new(), arrived: true, ..said }, known);
        }
    }

    fn asked(&mut self, world: &World<DeltaSystem>, id: ReplicaId, command: &Command) {
        // The hardened design lists it until the decision is on disk.
        let about = |conflict_id: &str| {
            let delta = world.replica(id).protocol()?;
            let mut conflicts = delta.conflicts();
            let conflict = conflicts.find(|conflict| conflict.id() == conflict_id)?;
            Some((conflict.dot, conflict.fields.into_keys().collect()))
        };
        let asked = self.asked.entry(id).or_default();
        match command {
            Command::Change(changes) => asked.extend(changes.iter().cloned().map(Asked::Change)),
            Command::Restore(conflict) | Command::Dismiss(conflict) => {
                asked.push_back(Asked::Decision(about(conflict)));
            }
            Command::Sync | Command::Accept => drop(self.syncing.insert(id)),
            Command::DryRun | Command::Import | Command::ImportState(_) => {}
        }
    }

    fn told(
        &mut self,
        setup: &Setup<DeltaSystem>,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        event: &Event,
        findings: &mut Findings,
    ) {
        match event {
            Event::Acknowledged { key, dot } => {
                self.acknowledged(setup, world, id, (key, dot.as_ref()), findings)
            }
            Event::Unchanged(key) => self.is_there(world, id, key),
            Event::Failed(_) => self.interrupted(id),
            Event::Rebuilt { .. } => findings.count(REBUILT, 1),
            Event::Synced(report) => {
                findings.count(COLLECTED, report.collected);
                if self.syncing.remove(&id) {
                    self.stale.remove(&id);
                }
                self.synced(world, id, findings);
            }
            Event::Imported { .. } => self.imported(world, id),
            Event::DryRun { .. } | Event::NewIdentity { .. } | Event::Refused(_) => {}
        }
    }

    /// The first thing asked of a replica that an answer about this entity can be to.
    fn answer(&mut self, id: ReplicaId, key: &Key) -> Option<Asked> {
        let asked = self.asked.get_mut(&id)?;
        let is_change = |asked: &Asked| matches!(asked, Asked::Change(change) if change.key() == key);
        let is_decision = |asked: &Asked| matches!(asked, Asked::Decision(_));
        let at = asked.iter().position(is_change).or_else(|| asked.iter().position(is_decision))?;
        asked.remove(at)
    }

    /// A change says what is there already: so what is there may not be lost.
    fn is_there(&mut self, world: &World<DeltaSystem>, id: ReplicaId, key: &Key) {
        let Some(Asked::Change(Change::Put { set, unset, .. })) = self.answer(id, key) else { return };
        let entity = world.replica(id).protocol().and_then(|delta| delta.entity(key));
        let Some(entity) = entity else { return };
        for (name, value) in fields_of(&set, &unset) {
            let says = |write: &Write| write.fields.get(&name).is_some_and(|said| *said == value);
            let mut writes =
                entity.writes.iter().filter(|(_, write)| !entity.deaths.contains_key(&write.life));
            if let Some((dot, _)) = writes.find(|(_, write)| says(write)) {
                self.ledger.confirm(dot, &name);
            }
        }
    }

    /// Notes what a replica has taken over: each of it begins a life, and nobody was told of it by its name.
    fn imported(&mut self, world: &World<DeltaSystem>, id: ReplicaId) {
        let Some(delta) = world.replica(id).protocol() else { return };
        for key in delta.all().map(|shown| shown.key) {
            let writes = delta.entity(&key).into_iter().flat_map(|entity| &entity.writes);
            let new = writes.filter(|(dot, write)| {
                Some(&dot.replica) == delta.id() && write.life == **dot && self.ledger.of_dot(dot).is_none()
            });
            for (dot, write) in new.collect::<Vec<_>>() {
                let fields = Some(write.fields.clone());
                self.ledger.take_over(Said::new(id, &key, Some(dot.clone()), fields, world.now()));
            }
        }
    }

    fn acknowledged(
        &mut self,
        setup: &Setup<DeltaSystem>,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        (key, dot): (&Key, Option<&Dot>),
        findings: &mut Findings,
    ) {
        let delta = world.replica(id).protocol().expect("it has just told something");
        let (fields, decided) = match self.answer(id, key) {
            Some(Asked::Change(Change::Delete { .. })) => (None, None),
            Some(Asked::Change(Change::Put { set, unset, .. })) => (Some(fields_of(&set, &unset)), None),
            // What a decision says is what stands there now.
            other => {
                let write = dot.and_then(|dot| delta.entity(key)?.writes.get(dot));
                let about = match other {
                    Some(Asked::Decision(about)) => about,
                    _ => None,
                };
                (Some(write.map(|write| write.fields.clone()).unwrap_or_default()), about)
            }
        };
        let said = Said::new(id, key, dot.cloned(), fields, world.now());
        let said = Said { arrived: setup.replicas.len() == 1, ..said };
        if let Some((_, other)) = dot.and_then(|dot| self.ledger.of_dot(dot)) {
            findings.violated(ONE_CONTENT, || {
                let seen = format!("{} and {} have one name", other.text(), said.text());
                violation(ONE_CONTENT, world.now(), both(other.replica, id), "a name is given once", seen)
            });
        }
        if let Some(dot) = dot {
            self.stamped(setup, world, id, delta, dot, findings);
        }
        let known = self.known.entry(id).or_default().entry(key.clone()).or_default();
        *known = self.ledger.add(said, known);
        if let Some((dot, fields)) = decided {
            self.ledger.decide(dot, &fields, id);
        }
    }

    /// Looks at what a replica shows after it has told something. Where that is what it was, and nobody has been told of
    /// another change meanwhile, there is nothing new to be found.
    fn look(
        &mut self,
        setup: &Setup<DeltaSystem>,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        delta: &Delta,
        findings: &mut Findings,
    ) {
        let mut hasher = StableHasher::default();
        delta.hash_known(&mut hasher);
        let of = (hasher.finish(), self.ledger.len());
        self.graves.join(delta.graves());
        let earlier = self.looked.remove(&id).filter(|looked| looked.is_sound);
        let looked = match earlier {
            Some(looked) if looked.of == of => looked,
            earlier => {
                let earlier = earlier.map(|looked| looked.entities).unwrap_or_default();
                let before = complaints(findings);
                let entities = self.look_at(setup, world, id, delta, &earlier, findings);
                Looked { of, entities: Arc::new(entities), is_sound: complaints(findings) == before }
            }
        };
        let entities = looked.entities.values();
        let (conflict, meet) = entities.fold((false, false), |(conflict, meet), looked| {
            (conflict || looked.conflict, meet || looked.meet)
        });
        self.looked.insert(id, looked);
        if conflict {
            findings.count(CONFLICT, 1);
        }
        if meet {
            findings.count(MEET, 1);
        }
        self.spread(world, id, findings);
    }

    /// Looks at what a replica shows of the entities of which something is new since earlier.
    fn look_at(
        &mut self,
        setup: &Setup<DeltaSystem>,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        delta: &Delta,
        earlier: &BTreeMap<Key, LookedAt>,
        findings: &mut Findings,
    ) -> BTreeMap<Key, LookedAt> {
        let mut entities = BTreeMap::new();
        let mut new = BTreeMap::new();
        for (key, entity) in delta.joined() {
            let of = (StableHasher::of(entity), self.ledger.of(key).count());
            match earlier.get(key).filter(|looked| looked.of == Some(of)) {
                Some(looked) => drop(entities.insert(key.clone(), *looked)),
                None => drop(new.insert(key.clone(), of)),
            }
        }
        let picture = match setup.replicas[id.index()].config.design.merging {
            Merging::Join => Picture::of_some(delta, new.keys().cloned()),
            _ => Picture::of(delta),
        };
        let known = self.known.entry(id).or_default();
        known.retain(|key, _| entities.contains_key(key));
        let apart = |one: &usize, two: &usize| one < two && !self.ledger.get(*two).past.contains(one);
        for (key, _) in picture.entities() {
            let its = self.ledger.known(&picture, key);
            let meet = its.seen.iter().any(|one| its.seen.iter().any(|two| apart(one, two)));
            let of = new.get(key).copied();
            entities.insert(key.clone(), LookedAt { of, conflict: false, meet });
            known.insert(key.clone(), its);
        }
        for conflict in picture.all_conflicts() {
            // As published, one may be listed of an entity that is not there.
            entities.entry(conflict.key.clone()).or_default().conflict = true;
        }
        for (key, _) in picture.entities() {
            self.name(world, id, &picture, key, findings);
        }
        entities
    }

    /// Compares the content of a version with what it was elsewhere.
    fn name(
        &mut self,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        picture: &Picture<'_>,
        key: &Key,
        findings: &mut Findings,
    ) {
        let (checker, version) = match picture.entity(key) {
            Some(entity) => {
                for (dot, write) in &entity.writes {
                    let Some((_, said)) = self.ledger.of_dot(dot) else { continue };
                    let differs = write.fields.iter().find(|(name, value)| !said.sets(name, value.as_ref()));
                    if let Some((name, _)) =
                        differs.or(write.fields.iter().next().filter(|_| said.key != *key))
                    {
                        findings.violated(ONE_CONTENT, || {
                            let seen = format!("{id} has another `{name}` for {}", said.text());
                            violation(
                                ONE_CONTENT,
                                world.now(),
                                both(said.replica, id),
                                "a write stays as it is",
                                seen,
                            )
                        });
                    }
                }
                // Who buries a life forgets what was seen of it. What he makes anew of that entity has names after those
                // that are forgotten, so it seems to have seen them, until the others have buried it too.
                if entity.births.keys().any(|life| self.graves.contains(&life.replica, life.count)) {
                    return;
                }
                let lives: Vec<_> = entity.births.keys().chain(entity.deaths.keys()).collect();
                (SAME_ENTITY, StableHasher::of(&(&entity.seen, lives)))
            }
            None => (ONE_CONTENT, picture.get(key).map_or(0, |shown| shown.version)),
        };
        let digest = picture.shown_digest(key);
        let (other, its) = *self.versions.entry((key.clone(), version)).or_insert((id, digest));
        if its != digest {
            findings.violated(checker, || {
                let seen = format!(
                    "{other} showed something else in version {version} of {key} than {id}, which shows {}",
                    picture.say(key)
                );
                violation(checker, world.now(), both(other, id), "it has one content", seen)
            });
        }
    }

    /// Notes which changes have arrived.
    fn spread(&mut self, world: &World<DeltaSystem>, id: ReplicaId, findings: &mut Findings) {
        let known = &self.known[&id];
        let travels = |(at, said): &(usize, &Said)| {
            let has = || known.get(&said.key).is_some_and(|known| known.seen.contains(at));
            !said.spread && said.replica != id && has()
        };
        let seen: Vec<usize> = self.ledger.all().filter(travels).map(|(at, _)| at).collect();
        let now = world.now();
        for at in seen {
            let said = self.ledger.get(at);
            if !said.arrived {
                findings.sample(ARRIVAL_MS, now - said.at_ms);
                findings.count(TRAVELS, 1);
                self.ledger.get_mut(at).arrived = true;
            }
            let said = self.ledger.get(at);
            let has = |id: ReplicaId| {
                let known = self.known.get(&id).and_then(|known| known.get(&said.key));
                id == said.replica || known.is_some_and(|known| known.seen.contains(&at))
            };
            if running(world).all(|(id, _)| has(id)) {
                findings.sample(SPREAD_MS, now - said.at_ms);
                self.ledger.get_mut(at).spread = true;
            }
        }
    }
}

/// How often it was complained of what a replica showed.
fn complaints(findings: &Findings) -> [u64; 2] {
    [ONE_CONTENT, SAME_ENTITY].map(|name| findings.counts.get(name).copied().unwrap_or(0))
}
