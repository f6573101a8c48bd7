//! What is due once everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::delta::Key;
use cloudchamber_core::kit::json::Json;
use cloudchamber_core::{Path, Root};
use memchr::memmem::Finder;

use super::DeltaSystem;
use super::checks::name::*;
use super::checks::{DeltaChecks, both, joins, running, violation};
use super::ledger::Said;
use super::picture::{Picture, same};
use crate::ReplicaId;
use crate::checks::Findings;
use crate::world::{Presence, Setup, World};

impl DeltaChecks {
    /// Looks at a world in which everything has come to rest. `any`: no further than to the first violation.
    pub(super) fn settled(
        &self,
        setup: &Setup<DeltaSystem>,
        world: &World<DeltaSystem>,
        any: bool,
        findings: &mut Findings,
    ) {
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
            if others.is_other_end(picture) {
                findings.violated(QUIET_AGREE, || {
                    let seen = format!("{other} and {id} say otherwise who deleted an entity, or when");
                    violation(QUIET_AGREE, world.now(), vec![other, *id], "all replicas say the same", seen)
                });
            }
            let checks =
                [Self::kept, Self::overwritten, Self::stays_deleted, Self::decided, Self::no_conflict];
            for check in checks {
                if any && !findings.violations.is_empty() {
                    return;
                }
                check(self, world, *id, picture, findings);
            }
        }
        if any && !findings.violations.is_empty() {
            return;
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
            let Some(name) = lost else {
                self.taken_over(world, id, picture, said, findings);
                continue;
            };
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

    /// Whether what was taken over from others is hidden by what had not seen it.
    fn taken_over(
        &self,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        picture: &Picture<'_>,
        said: &Said,
        findings: &mut Findings,
    ) {
        let (Some(fields), Some(dot), true) = (&said.fields, &said.dot, said.imported) else { return };
        let goes_on = picture
            .entity(&said.key)
            .is_some_and(|entity| entity.births.contains_key(dot) && !entity.deaths.contains_key(dot));
        let shown = self.ledger.shown(picture, &said.key);
        let by_import = |name: &str| {
            let mut sources = shown.iter().filter(|(shown, _)| **shown == *name).flat_map(|(_, said)| said);
            sources.any(|at| self.ledger.get(*at).imported)
        };
        let hidden = said.open.iter().find(|name| {
            goes_on && !picture.shows(&said.key, name, fields[*name].as_ref()) && !by_import(name)
        });
        if hidden.is_some() {
            findings.violated(KEPT, || {
                let seen = format!(
                    "{id} only lists {}, which was taken over: it shows {}",
                    said.text(),
                    picture.say(&said.key)
                );
                let expected = "what was taken over is hidden by nothing that had not seen it";
                violation(KEPT, world.now(), both(said.replica, id), expected, seen)
            });
        }
    }

    /// Whether what is listed as a conflict was overwritten by somebody who had seen it.
    fn no_conflict(
        &self,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        picture: &Picture<'_>,
        findings: &mut Findings,
    ) {
        for conflict in picture.all_conflicts() {
            let key = &conflict.key;
            for (name, value) in &conflict.fields {
                let over = match picture.entity(key).and_then(|entity| entity.writes.get(&conflict.dot)) {
                    Some(write) => {
                        let at = self.ledger.of_dot(&conflict.dot).map(|(at, _)| at);
                        let life = self.ledger.of_dot(&write.life).map(|(life, _)| life);
                        at.zip(life).and_then(|(at, life)| self.over(world, key, at, Some(life), name))
                    }
                    // The published design names no writes. Each value is written once.
                    None => {
                        let mut said =
                            self.ledger.of(key).filter(|(_, said)| said.sets(name, value.as_ref()));
                        match (said.next(), said.next()) {
                            (Some((at, _)), None) => self.over(world, key, at, None, name),
                            _ => None,
                        }
                    }
                };
                let Some(over) = over else { continue };
                findings.violated(NO_CONFLICT, || {
                    let value = value.as_ref().map_or("nothing", Json::as_str);
                    let seen = format!(
                        "{id} lists {name} = {value} of {key} as a conflict, and {} had seen it",
                        over.text()
                    );
                    let expected = "what was overwritten is no conflict";
                    violation(NO_CONFLICT, world.now(), both(over.replica, id), expected, seen)
                });
            }
        }
    }

    /// A change by somebody who had seen another one of the same life, said something else of a field or deleted the entity,
    /// and is not lost.
    fn over(
        &self,
        world: &World<DeltaSystem>,
        key: &Key,
        at: usize,
        life: Option<usize>,
        field: &str,
    ) -> Option<&Said> {
        let mut later = self.ledger.of(key).map(|(_, later)| later);
        later.find(|later| {
            later.past.contains(&at)
                && later.is_over(field)
                // A put after a deletion leaves what is listed of the ended life to be decided on.
                && life.is_none_or(|life| later.lives.contains(&life))
                && world.replica(later.replica).process().is_some()
        })
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
        let at = |other: &Said| std::ptr::eq(other, said);
        let index = self.ledger.of(&said.key).find(|(_, other)| at(other)).map(|(index, _)| index);
        let later =
            self.ledger.of(&said.key).filter(|(_, later)| index.is_some_and(|at| later.past.contains(&at)));
        later
            .map(|(_, later)| later)
            .filter(|later| later.is_over(name))
            .all(|later| world.replica(later.replica).process().is_none())
    }

    /// Whether a conflict that somebody decided on is still listed.
    fn decided(
        &self,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        picture: &Picture<'_>,
        findings: &mut Findings,
    ) {
        let runs = |(_, by): &(_, ReplicaId)| world.replica(*by).process().is_some();
        for (dot, by) in self.ledger.decided().filter(runs) {
            let mut listed = picture.all_conflicts();
            let Some(conflict) = listed.find(|conflict| conflict.dot == *dot) else { continue };
            findings.violated(KEPT, || {
                let key = &conflict.key;
                let seen =
                    format!("{id} lists a change of {key} again, of which {by} was told that it is decided");
                violation(KEPT, world.now(), both(by, id), "a decision that was acknowledged is kept", seen)
            });
        }
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
    let text = Finder::new(text);
    let mut files = world.replica(id).disk().slots().filter(|(path, _)| path.root() == Root::Shared);
    let found = files.find(|(_, slot)| {
        slot.body
            .as_ref()
            .is_some_and(|body| body.presence == Presence::Here && text.find(body.content.bytes()).is_some())
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
