//! Who a replica is, where its memory may be older than what it did.
//!
//! A local directory that comes back from a backup, or is copied to a second machine, makes two histories of one
//! identity, and both go on counting from the same number. Then one dot may name two writes. A replica keeps the last
//! times that it wrote its meta file, each with a number that was drawn, and says them in that file; so two histories
//! are told apart, and where they parted is known: at the last time that both have.
//!
//! # What it does
//! It goes on under another id. Its own writes since the histories parted, and those of the other history as far as
//! its files are here, are written again under the new id, so that nobody depends on which of two writes with one dot
//! he had seen. The new meta file says in whose place it stands: nobody waits for the old id any more.
//!
//! # When it finds out
//! - Its own meta file, or a copy of it, is of a history that it does not remember.
//! - Another replica has seen more of its writes than it remembers to have made.
//! - It is called otherwise than when it got its id: a copy on another machine.

use std::collections::BTreeSet;

use super::entity::{Death, Entity};
use super::event::Event;
use super::layout::{entities_dir, entity_file_name, replica_dir, replica_id, replicas};
use super::look::{self, Found, Members};
use super::merge::absorb;
use super::meta::{Beat, Meta};
use super::store::{Own, Peer, Published, Record};
use super::sync::{Sync, Trust};
use super::vector::{Dot, ReplicaId, Vector};
use crate::{Entry, Fs, Path, Rng};

/// How a meta file under the own id stands to what is remembered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    /// It is the last one, or the one that was about to be written.
    Last,
    /// It is an older one.
    Older,
    /// It is of another history.
    Foreign,
}

fn standing(own: &Own, meta: &Meta) -> Standing {
    let there = (meta.beat, meta.nonce);
    if there == own.intended || there == own.written {
        return Standing::Last;
    }
    let is_known = own.beats.iter().any(|beat| (beat.beat, beat.nonce) == there);
    let is_before = own.beats.first().is_some_and(|first| meta.beat < first.beat && first.beat > 1);
    if is_known || is_before { Standing::Older } else { Standing::Foreign }
}

/// Up to which write two histories are one; 0 if that is not known.
fn common(one: &[Beat], two: &[Beat]) -> u64 {
    one.iter().filter(|beat| two.contains(beat)).map(|beat| beat.head).max().unwrap_or(0)
}

/// What of the own writes may be a second one with its dot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Parted {
    /// Those after this one.
    After(u64),
    /// Those that were not published yet.
    Unpublished,
}

impl Sync<'_> {
    /// Finds out whether the own files are of the own history, and becomes somebody else if they are not.
    pub(super) fn settle(&mut self, there: Option<&Meta>, members: &Members, rng: &mut dyn Rng) -> Trust {
        let copies = look::own_meta_copies(self.fs, &self.id);
        let foreign: Vec<&Meta> = there
            .into_iter()
            .chain(&copies)
            .filter(|meta| standing(&self.own, meta) == Standing::Foreign)
            .collect();
        let knows_more =
            |meta: &Meta| meta.seen.get(&self.id.0).max(meta.heard.get(&self.id.0)) > self.own.head;
        let parted =
            if let Some(least) = foreign.iter().map(|meta| common(&self.own.beats, &meta.beats)).min() {
                Some(Parted::After(least))
            } else if members.peers.values().flatten().any(knows_more) {
                Some(Parted::After(0))
            } else if self.wrote_more() {
                // What was about to be published and is not known to be there may be of either history.
                let written = self.own.beats.iter().find(|beat| (beat.beat, beat.nonce) == self.own.written);
                Some(Parted::After(written.map_or(0, |beat| beat.head)))
            } else if self.own.name != self.config.replica {
                Some(Parted::Unpublished)
            } else {
                None
            };
        if let Some(parted) = parted {
            self.become_new(parted, rng);
            return Trust::Whole;
        }
        match there.map(|meta| ((meta.beat, meta.nonce), standing(&self.own, meta))) {
            None if self.own.written.0 == 0 => Trust::Whole,
            Some((there, Standing::Last)) => {
                self.own.written = there;
                Trust::Whole
            }
            None | Some(_) => Trust::Older,
        }
    }

    /// Whether an own file holds own writes that this history never was about to publish.
    fn wrote_more(&self) -> bool {
        let intended = self.own.beats.iter().map(|beat| beat.head).max().unwrap_or(0);
        let dir = replica_dir(&self.id);
        let published = self.store.records.iter().filter(|(_, record)| record.published.count > 0);
        let mut known: BTreeSet<Path> =
            published.map(|(key, _)| entities_dir(&dir).join(&entity_file_name(key))).collect();
        let parts = self.own.snapshot.iter().chain(&self.own.deltas);
        known.extend(parts.map(|part| dir.join(&part.name)));
        let listed = look::listed(self.fs, &dir).unwrap_or_default().into_iter();
        let is_new = |entry: &Entry| self.base.read_once.get(entry.path.name()) != Some(&entry.len);
        let mut strays = listed.filter(|entry| !known.contains(&entry.path) && is_new(entry));
        strays.any(|entry| {
            let mut found = Found::default();
            look::entity(self.fs, &entry.path, &mut found);
            found.entities.iter().any(|(_, entity)| entity.seen.get(&self.id.0) > intended)
        })
    }

    /// Goes on as another replica.
    fn become_new(&mut self, parted: Parted, rng: &mut dyn Rng) {
        let old = self.id.clone();
        let intended = self.own.beats.iter().map(|beat| beat.head).max().unwrap_or(0);
        let taken: Vec<ReplicaId> = self.own.replaces.iter().cloned().chain([old.clone()]).collect();
        let new = fresh(self.fs, &self.config.replica, &taken, rng);
        for (key, record) in &self.store.records {
            if !record.entity.is_of(&old) {
                continue;
            }
            let after = match parted {
                Parted::After(count) => count,
                Parted::Unpublished => record.published.count,
            };
            let mut entity = renamed(&record.entity, &old, after, &new, 0);
            if parted == Parted::Unpublished {
                // A crash may have kept it from noting what it had published, and others have that.
                say_again(&mut entity, &record.entity, &old, intended, &new);
            }
            self.changed.insert(key.clone(), Record { entity, published: Published::default() });
        }
        if let Parted::After(after) = parted {
            self.take_over(&old, after, &new);
        }
        let applied = match parted {
            Parted::After(count) => count,
            Parted::Unpublished => self.own.beats.last().map_or(0, |beat| beat.head),
        };
        self.base.peers.insert(old.clone(), Peer { applied, since_ms: self.now.wall.0, ..Peer::default() });
        self.own.replaces.push(old.clone());
        self.own.name.clone_from(&self.config.replica);
        (self.own.written, self.own.intended) = ((0, 0), (0, 0));
        self.own.beats.clear();
        self.own.snapshot = None;
        self.own.deltas.clear();
        self.own.id = Some(new.clone());
        self.id = new.clone();
        self.events.push(Event::NewIdentity { old: old.to_string(), new: new.to_string() });
    }

    /// Writes again what the other history wrote, as far as its files are here.
    fn take_over(&mut self, old: &ReplicaId, after: u64, new: &ReplicaId) {
        let offset = self.own.head;
        let mut found = Found::default();
        for entry in look::listed(self.fs, &replica_dir(old)).unwrap_or_default() {
            look::entity(self.fs, &entry.path, &mut found);
        }
        for (key, entity) in &found.entities {
            if entity.seen.get(&old.0) <= after {
                continue;
            }
            let known = self.store.records.get(key);
            if known.is_some_and(|known| known.entity == *entity) {
                if let Some(record) = self.changed.get_mut(key) {
                    cover(&mut record.entity, entity, old);
                }
                continue;
            }
            let theirs = renamed(entity, old, after, new, offset);
            self.own.head = self.own.head.max(theirs.seen.get(&new.0));
            let mut record = self
                .changed
                .get(key)
                .cloned()
                .or_else(|| known.map(|known| Record::clone(known)))
                .unwrap_or_default();
            // Two that each have writes of the new id which the other lacks have not seen each other's.
            let before = theirs.seen.get(&new.0);
            join_apart(&mut record.entity, &theirs, new, before);
            cover(&mut record.entity, entity, old);
            record.published = Published::default();
            self.changed.insert(key.clone(), record);
        }
    }
}

/// Says that what `old` wrote to `theirs` was seen: all of it is said again. Lives that it began stay lives, so that
/// they can end.
fn cover(entity: &mut Entity, theirs: &Entity, old: &ReplicaId) {
    entity.seen.see(old, theirs.seen.get(&old.0));
    for (birth, at) in &theirs.births {
        entity.births.entry(birth.clone()).or_insert(*at);
    }
    for (birth, death) in &theirs.deaths {
        entity.deaths.entry(birth.clone()).or_insert_with(|| death.clone());
    }
}

/// Says that those of the writes of `old` up to `intended` that are said again as writes of `new` were seen, wherever
/// they come from. Lives stay lives, so that they can end, and ended ones have ended.
fn say_again(entity: &mut Entity, before: &Entity, old: &ReplicaId, intended: u64, new: &ReplicaId) {
    entity.seen.see(old, before.seen.get(&old.0).min(intended));
    let of_old = |birth: &Dot| birth.replica == *old && birth.count <= intended;
    for (birth, at) in before.births.iter().filter(|(birth, _)| of_old(birth)) {
        entity.births.entry(birth.clone()).or_insert(*at);
        let again = Dot { replica: new.clone(), count: birth.count };
        if let Some(death) = entity.deaths.get(&again).cloned() {
            entity.deaths.entry(birth.clone()).or_insert(death);
        }
    }
}

/// Joins two states in which `new` stands for two histories: neither has seen the other's writes, whatever the counts
/// say.
fn join_apart(one: &mut Entity, two: &Entity, new: &ReplicaId, top: u64) {
    let stand_in = ReplicaId::from(format!("{new}~").as_str());
    let apart = renamed(two, new, 0, &stand_in, 0);
    absorb(one, &apart);
    *one = renamed(one, &stand_in, 0, new, 0);
    one.seen.see(new, top);
}

/// An entity in which what `old` wrote after its write `after` is said to be of `new`, with counts that are larger by
/// `offset`.
fn renamed(entity: &Entity, old: &ReplicaId, after: u64, new: &ReplicaId, offset: u64) -> Entity {
    let dot = |dot: &Dot| match dot.replica == *old && dot.count > after {
        true => Dot { replica: new.clone(), count: dot.count.saturating_add(offset) },
        false => dot.clone(),
    };
    let vector = |vector: &Vector| {
        let mut renamed: Vector = vector
            .iter()
            .map(|(replica, count)| (replica.clone(), if replica == old { count.min(after) } else { count }))
            .collect();
        if vector.get(&old.0) > after {
            renamed.see(new, vector.get(&old.0).saturating_add(offset));
        }
        renamed
    };
    let death = |death: &Death| Death {
        dot: dot(&death.dot),
        at: death.at,
        seen: vector(&death.seen),
        late: death.late.iter().map(dot).collect(),
    };
    let writes = entity.writes.iter().map(|(at, write)| {
        let mut write = write.clone();
        write.life = dot(&write.life);
        (dot(at), write)
    });
    Entity {
        seen: vector(&entity.seen),
        births: entity.births.iter().map(|(birth, at)| (dot(birth), *at)).collect(),
        deaths: entity.deaths.iter().map(|(birth, end)| (dot(birth), death(end))).collect(),
        writes: writes.collect(),
    }
}

/// An id that nobody in the folder has.
pub(super) fn fresh(fs: &dyn Fs, name: &str, taken: &[ReplicaId], rng: &mut dyn Rng) -> ReplicaId {
    let entries = fs.list(&replicas()).unwrap_or_default();
    let there: BTreeSet<&str> = entries.iter().map(|entry| entry.name()).collect();
    let mut drawn = u32::try_from(rng.up_to(u64::from(u32::MAX))).unwrap_or(0);
    loop {
        let id = replica_id(name, drawn);
        if !there.contains(&*id.0) && !taken.contains(&id) {
            return id;
        }
        drawn = drawn.wrapping_add(1);
    }
}
