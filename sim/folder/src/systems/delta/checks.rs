//! What must hold of entities.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use cloudchamber_core::delta::{Change, Command, Delta, Dot, Event, Fields, Key, Merging};
use cloudchamber_core::kit::json::Json;
use cloudchamber_core::{Path, Root};

use super::DeltaSystem;
use super::ledger::{Known, Ledger, Said};
use super::picture::{Picture, same};
use crate::checks::{Checker, Checks, Findings, Kind, Violation};
use crate::world::{Choice, ChoiceOf, Effects, Presence, Setup, World};
use crate::{ReplicaId, StableHasher};

/// The checkers' names, so that no text is written twice.
pub mod name {
    #![allow(missing_docs, reason = "each is explained where it is listed, in `CHECKERS`")]
    pub const QUIET_AGREE: &str = "quiet_replicas_agree";
    pub const KEPT: &str = "an_acknowledged_change_is_kept";
    pub const ONE_CONTENT: &str = "a_version_names_one_content";
    pub const STAYS_DELETED: &str = "what_was_deleted_stays_deleted";
    pub const OVERWRITTEN: &str = "what_was_overwritten_does_not_come_back";
    pub const SAME_ENTITY: &str = "the_same_changes_give_the_same_entity";
    pub const FILES_COUNT: &str = "what_an_entity_file_says_counts";
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
    ledger: Ledger,
    /// What each replica knew when it last told something.
    known: BTreeMap<ReplicaId, BTreeMap<Key, Known>>,
    /// What each replica was asked and has not answered.
    asked: BTreeMap<ReplicaId, VecDeque<Asked>>,
    /// What was asked and interrupted: it may have happened, and whoever asked was not told.
    doubtful: BTreeMap<ReplicaId, VecDeque<Asked>>,
    /// What the versions of entities were, and on whom that was seen.
    versions: BTreeMap<(Key, u64), (ReplicaId, u64)>,
    /// Replicas whose files changed since they last began a sync that ended.
    stale: BTreeSet<ReplicaId>,
    /// Those of them that have begun another one, and whose files have not changed since.
    syncing: BTreeSet<ReplicaId>,
    /// Whether faults have stopped.
    calm: bool,
    /// Whether to look at every rest.
    at_rest: bool,
}

/// What may be acknowledged.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Asked {
    /// One change.
    Change(Change),
    /// What is to become of a conflict.
    Decision,
}

impl Checks<DeltaSystem> for DeltaChecks {
    const CHECKERS: &'static [Checker] = &[
        Checker {
            name: QUIET_AGREE,
            kind: Kind::Liveness,
            about: "Once faults have stopped and everything has travelled, all replicas show the same entities and list the same conflicts.",
        },
        Checker {
            name: KEPT,
            kind: Kind::Liveness,
            about: "In the end a change that was acknowledged on a replica that is not lost is there on all replicas, or was overwritten by somebody who had seen it, or is listed as a conflict.",
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
            name: SAME_ENTITY,
            kind: Kind::Safety,
            about: "Two replicas to which the same changes of an entity have come show the same, in whatever order these came.",
        },
        Checker {
            name: FILES_COUNT,
            kind: Kind::Liveness,
            about: "In the end a replica shows or lists what a file on its disk says of an entity, unless it was overwritten, whatever metas say of it.",
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
        match choice {
            Choice::Crash { .. } => {
                self.interrupted(id);
                self.syncing.remove(&id);
                self.stale.insert(id);
            }
            Choice::Command { command, .. } => self.asked(id, command),
            Choice::Timer { .. } => drop(self.syncing.insert(id)),
            _ => {}
        }
        let tells = !effects.events.is_empty() || matches!(choice, Choice::Open { .. });
        if tells && let Some(delta) = world.replica(id).protocol() {
            for event in &effects.events {
                self.told(setup, world, id, event, findings);
            }
            let picture = Picture::of(delta);
            self.find_out(world, id, &picture);
            self.look(setup, world, id, &picture, findings);
            if delta.is_idle() {
                self.asked.remove(&id);
            }
        }
        if self.at_rest && self.rests(world) {
            self.settled(setup, world, findings);
            self.note_rest(findings);
        }
    }

    /// What versions were is needed by [`ONE_CONTENT`] and [`SAME_ENTITY`] alone.
    fn forget(&mut self, checker: &str, fresh: &Self) {
        if checker != ONE_CONTENT && checker != SAME_ENTITY {
            self.versions.clone_from(&fresh.versions);
        }
    }

    fn calm(&mut self, _: &Setup<DeltaSystem>, _: &World<DeltaSystem>) {
        self.calm = true;
    }

    fn end(&self, setup: &Setup<DeltaSystem>, world: &World<DeltaSystem>, findings: &mut Findings) {
        if !self.calm {
            return;
        }
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
        self.settled(setup, world, findings);
        if self.rests(world) {
            self.note_rest(findings);
        }
    }
}

fn running(world: &World<DeltaSystem>) -> impl Iterator<Item = (ReplicaId, &Delta)> {
    world.replicas().filter_map(|(id, replica)| Some((id, replica.protocol()?)))
}

/// Whether a replica's design says what it has seen.
fn joins(setup: &Setup<DeltaSystem>, id: ReplicaId) -> bool {
    setup.replicas[id.index()].config.design.merging == Merging::Join
}

fn violation(checker: &str, at_ms: u64, replicas: Vec<ReplicaId>, expected: &str, seen: String) -> Violation {
    Violation { checker: checker.into(), at_ms, replicas, expected: expected.into(), seen }
}

/// What a put says of each field.
fn fields_of(set: &Fields, unset: &BTreeSet<Arc<str>>) -> BTreeMap<Arc<str>, Option<Json>> {
    let holes = unset.iter().map(|name| (name.clone(), None));
    holes.chain(set.0.iter().map(|(name, value)| (name.clone(), Some(value.clone())))).collect()
}

/// The two, or the one that they are.
fn both(one: ReplicaId, two: ReplicaId) -> Vec<ReplicaId> {
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

    fn asked(&mut self, id: ReplicaId, command: &Command) {
        let asked = self.asked.entry(id).or_default();
        match command {
            Command::Change(changes) => asked.extend(changes.iter().cloned().map(Asked::Change)),
            Command::Restore(_) | Command::Dismiss(_) => asked.push_back(Asked::Decision),
            Command::Sync => drop(self.syncing.insert(id)),
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
            Event::Unchanged(key) => drop(self.answer(id, key)),
            Event::Failed(_) => self.interrupted(id),
            Event::Rebuilt { .. } => findings.count(REBUILT, 1),
            Event::Synced(report) => {
                findings.count(COLLECTED, report.collected);
                if self.syncing.remove(&id) {
                    self.stale.remove(&id);
                }
            }
            Event::DryRun(_) | Event::Imported { .. } | Event::NewIdentity { .. } | Event::Refused(_) => {}
        }
    }

    /// The first thing asked of a replica that an answer about this entity can be to.
    fn answer(&mut self, id: ReplicaId, key: &Key) -> Option<Asked> {
        let asked = self.asked.get_mut(&id)?;
        let is_change = |asked: &Asked| matches!(asked, Asked::Change(change) if change.key() == key);
        let is_decision = |asked: &Asked| matches!(asked, Asked::Decision);
        let at = asked.iter().position(is_change).or_else(|| asked.iter().position(is_decision))?;
        asked.remove(at)
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
        let fields = match self.answer(id, key) {
            Some(Asked::Change(Change::Delete { .. })) => None,
            Some(Asked::Change(Change::Put { set, unset, .. })) => Some(fields_of(&set, &unset)),
            // What a decision says is what stands there now.
            Some(Asked::Decision) | None => {
                let write = dot.and_then(|dot| delta.entity(key)?.writes.get(dot));
                Some(write.map(|write| write.fields.clone()).unwrap_or_default())
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
        let known = self.known.entry(id).or_default().entry(key.clone()).or_default();
        *known = self.ledger.add(said, known);
    }

    /// Looks at what a replica shows after it has told something.
    fn look(
        &mut self,
        setup: &Setup<DeltaSystem>,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        picture: &Picture<'_>,
        findings: &mut Findings,
    ) {
        let known: BTreeMap<Key, Known> =
            picture.entities().map(|(key, _)| (key.clone(), self.ledger.known(picture, key))).collect();
        let merging = setup.replicas[id.index()].config.design.merging;
        for key in known.keys() {
            self.name(world, id, picture, key, merging, findings);
        }
        if picture.has_conflicts() {
            findings.count(CONFLICT, 1);
        }
        let apart = |one: &usize, two: &usize| one < two && !self.ledger.get(*two).past.contains(one);
        let meet = |known: &Known| known.seen.iter().any(|one| known.seen.iter().any(|two| apart(one, two)));
        if known.values().any(meet) {
            findings.count(MEET, 1);
        }
        self.known.insert(id, known);
        self.spread(world, id, findings);
    }

    /// Compares the content of a version with what it was elsewhere.
    fn name(
        &mut self,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        picture: &Picture<'_>,
        key: &Key,
        merging: Merging,
        findings: &mut Findings,
    ) {
        let (checker, version) = match (merging, picture.entity(key)) {
            (Merging::Join, Some(entity)) => {
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
                // What was buried is gone, and what was seen of it with it: whoever has not buried it yet differs.
                let lives: Vec<_> = entity.births.keys().chain(entity.deaths.keys()).collect();
                (SAME_ENTITY, StableHasher::of(&(&entity.seen, lives)))
            }
            _ => (ONE_CONTENT, picture.get(key).map_or(0, |shown| shown.version)),
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
        let seen: Vec<usize> = self.known[&id].values().flat_map(|known| &known.seen).copied().collect();
        let now = world.now();
        for at in seen {
            let said = self.ledger.get(at);
            if said.spread || said.replica == id {
                continue;
            }
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

    /// Looks at a world in which everything has come to rest.
    fn settled(&self, setup: &Setup<DeltaSystem>, world: &World<DeltaSystem>, findings: &mut Findings) {
        let pictures: Vec<_> = running(world).map(|(id, delta)| (id, Picture::of(delta))).collect();
        let mut first: Option<(ReplicaId, u64, &Picture<'_>)> = None;
        for (id, picture) in &pictures {
            let digest = picture.digest(joins(setup, *id));
            let (other, its, others) = *first.get_or_insert((*id, digest, picture));
            if digest != its {
                findings.violated(QUIET_AGREE, || {
                    let seen = differing(other, others, *id, picture);
                    violation(QUIET_AGREE, world.now(), vec![other, *id], "all replicas show the same", seen)
                });
            }
            self.kept(world, *id, picture, findings);
            self.overwritten(world, *id, picture, findings);
            self.stays_deleted(world, *id, picture, findings);
        }
        if pictures.iter().any(|(id, _)| !joins(setup, *id)) {
            self.same_files(world, &pictures, findings);
        }
    }

    /// Whether a replica still has, or may miss, every change.
    fn kept(
        &self,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        picture: &Picture<'_>,
        findings: &mut Findings,
    ) {
        for (at, said) in self.ledger.all() {
            if world.replica(said.replica).process().is_none() {
                continue;
            }
            let Some(fields) = &said.fields else { continue };
            let lost = said.open.iter().find(|name| {
                let value = fields[*name].as_ref();
                let is_there = picture.shows(&said.key, name, value) || picture.lists(&said.key, name, value);
                // In what is deleted there is nothing to unset.
                let is_moot = value.is_none()
                    && (!picture.is_alive(&said.key) || self.ledger.deleted_by(at, &|_| true).is_some());
                !is_there && !is_moot
            });
            let Some(name) = lost else { continue };
            findings.violated(KEPT, || {
                let seen = format!(
                    "{id} neither shows nor lists {}: it shows {}",
                    said.text(),
                    picture.say(&said.key)
                );
                violation(KEPT, world.now(), both(said.replica, id), "an acknowledged change is kept", seen)
            });
            if let Some(path) = holder(world, id, fields[name].as_ref()) {
                findings.violated(FILES_COUNT, || {
                    let seen =
                        format!("{id} shows {}, and {path} says {}", picture.say(&said.key), said.text());
                    violation(FILES_COUNT, world.now(), vec![id], "what a file says counts", seen)
                });
            }
        }
    }

    /// Whether a value that somebody replaced knowingly is still replaced.
    fn overwritten(
        &self,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        picture: &Picture<'_>,
        findings: &mut Findings,
    ) {
        for key in picture.entities().map(|(key, _)| key) {
            for (name, sources) in self.ledger.shown(picture, key) {
                let sources: Vec<&Said> = sources.iter().map(|at| self.ledger.get(*at)).collect();
                let is_over = !sources.is_empty() && sources.iter().all(|said| !said.open.contains(&name));
                if !is_over || sources.iter().any(|said| self.is_by_the_lost(world, said, &name)) {
                    continue;
                }
                findings.violated(OVERWRITTEN, || {
                    let seen = format!(
                        "{id} shows {name} of {}, which somebody who had seen it changed",
                        sources[0].text()
                    );
                    violation(
                        OVERWRITTEN,
                        world.now(),
                        both(sources[0].replica, id),
                        "what was overwritten is gone",
                        seen,
                    )
                });
            }
        }
    }

    /// Whether all who overwrote a field are lost, perhaps before anybody heard of it.
    fn is_by_the_lost(&self, world: &World<DeltaSystem>, said: &Said, name: &str) -> bool {
        let over = |later: &Said| later.fields.as_ref().is_none_or(|fields| fields.contains_key(name));
        let at = |other: &Said| std::ptr::eq(other, said);
        let index = self.ledger.of(&said.key).find(|(_, other)| at(other)).map(|(index, _)| index);
        let later =
            self.ledger.of(&said.key).filter(|(_, later)| index.is_some_and(|at| later.past.contains(&at)));
        later
            .map(|(_, later)| later)
            .filter(|later| over(later))
            .all(|later| world.replica(later.replica).process().is_none())
    }

    /// Whether what was deleted is still deleted.
    fn stays_deleted(
        &self,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        picture: &Picture<'_>,
        findings: &mut Findings,
    ) {
        let counts = |death: &Said| world.replica(death.replica).process().is_some();
        for (key, shown) in picture.entities().filter(|(_, shown)| !shown.deleted) {
            let fields = self.ledger.shown(picture, key);
            let dead = |at: &usize| self.ledger.deleted_by(*at, &counts);
            let ended = match picture.entity(key) {
                // Every field says which write it is of.
                Some(_) => fields.iter().find_map(|(_, said)| {
                    let deaths: Option<Vec<_>> = said.iter().map(dead).collect();
                    deaths?.first().copied()
                }),
                None => {
                    let deaths: Option<Vec<_>> = fields.iter().flat_map(|(_, said)| said).map(dead).collect();
                    let any = || {
                        self.ledger
                            .of(key)
                            .map(|(_, said)| said)
                            .find(|said| said.is_deletion() && counts(said))
                    };
                    let revived = || {
                        self.ledger.of(key).any(|(at, said)| !said.is_deletion() && said.lives.contains(&at))
                    };
                    match deaths {
                        Some(deaths) if deaths.is_empty() && !revived() => any(),
                        Some(deaths) => deaths.first().copied(),
                        None => None,
                    }
                }
            };
            let Some(death) = ended else { continue };
            findings.violated(STAYS_DELETED, || {
                let seen =
                    format!("{id} shows {} of {key} in spite of {}", shown.fields.json(), death.text());
                violation(
                    STAYS_DELETED,
                    world.now(),
                    both(death.replica, id),
                    "what was deleted stays deleted",
                    seen,
                )
            });
        }
    }

    /// Whether replicas on whose disks the same changes lie show the same. For the design that does not say what it
    /// has seen: what it read is taken to be what lies there.
    fn same_files(
        &self,
        world: &World<DeltaSystem>,
        pictures: &[(ReplicaId, Picture<'_>)],
        findings: &mut Findings,
    ) {
        let keys: BTreeSet<&Key> = self.ledger.all().map(|(_, said)| &said.key).collect();
        for key in keys {
            let mut first: BTreeMap<BTreeSet<usize>, (ReplicaId, u64)> = BTreeMap::new();
            for (id, picture) in pictures {
                let mut read = self
                    .known
                    .get(id)
                    .and_then(|known| known.get(key))
                    .map(|known| known.seen.clone())
                    .unwrap_or_default();
                read.extend(
                    self.ledger.of(key).filter(|(_, said)| lies_there(world, *id, said)).map(|(at, _)| at),
                );
                let digest = picture.shown_digest(key);
                let (other, its) = *first.entry(read).or_insert((*id, digest));
                if digest != its {
                    findings.violated(SAME_ENTITY, || {
                        let seen = format!("{other} and {id} have the same changes of {key} on their disks, and {id} shows {}", picture.say(key));
                        violation(SAME_ENTITY, world.now(), vec![other, *id], "the same changes give the same entity", seen)
                    });
                }
            }
        }
    }
}

/// Whether some file on a replica's disk holds a value that a change set.
fn lies_there(world: &World<DeltaSystem>, id: ReplicaId, said: &Said) -> bool {
    let mut values = said.fields.iter().flat_map(BTreeMap::values).flatten();
    values.any(|value| holder(world, id, Some(value)).is_some())
}

/// A shared file on a replica's disk that holds a value, if it is a text: those are written once in a run.
fn holder<'w>(world: &'w World<DeltaSystem>, id: ReplicaId, value: Option<&Json>) -> Option<&'w Path> {
    let text = value.map(Json::as_str).filter(|text| text.starts_with('"'))?.as_bytes();
    let holds = |bytes: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    let mut files = world.replica(id).disk().slots().filter(|(path, _)| path.root() == Root::Shared);
    let found = files.find(|(_, slot)| {
        slot.body.as_ref().is_some_and(|body| body.presence == Presence::Here && holds(body.content.bytes()))
    });
    found.map(|(path, _)| path)
}

/// The first entity that two replicas show otherwise, in words.
fn differing(one: ReplicaId, ones: &Picture<'_>, two: ReplicaId, twos: &Picture<'_>) -> String {
    let keys: BTreeSet<&Key> = ones.entities().chain(twos.entities()).map(|(key, _)| key).collect();
    let differs = |key: &&Key| {
        let fields = |picture: &Picture<'_>| {
            picture.get(key).filter(|shown| !shown.deleted).map(|shown| shown.fields.json())
        };
        let conflicts = |picture: &Picture<'_>| picture.conflicts(key).len();
        !same(fields(ones).as_ref(), fields(twos).as_ref()) || conflicts(ones) != conflicts(twos)
    };
    match keys.into_iter().find(differs) {
        Some(key) => format!("{one} shows {} of {key} and {two} {}", ones.say(key), twos.say(key)),
        None => format!("the conflicts of {one} and {two} differ"),
    }
}
