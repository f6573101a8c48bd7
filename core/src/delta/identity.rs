//! Who a replica is, where its memory may be older than what it did.
//!
//! A local directory that comes back from a backup, or is copied to a second machine, makes two histories of one
//! identity, and both go on counting from the same number: one dot then names two writes.
//!
//! # What holds
//! 1. *An id names one history.* No two writes that anybody can read have one dot.
//! 2. *An id that somebody stands in place of writes no more*, so that nobody has to wait for it.
//! 3. *What was shown under an id is not lost with it.* Whoever leaves it says again what its files do not tell, and so does
//!    whoever else remembers ([`uphold`](super::uphold)).
//!
//! # Why
//! Nothing is shown before the own files were compared with what is remembered: each sync begins so. And in the own files
//! everything is found that was ever shown under the id. Nobody else writes them; a client that brings older ones back
//! keeps the later ones as copies, and a copy is written over by nobody. So a memory that is older than the files finds
//! what it does not know at its first sync, while nobody has seen what it wrote since.
//!
//! It takes memory and folder both to be older, without copies, for two histories to become one: then only what others say
//! to have seen tells of it, and only where that is more than is remembered by now.
//!
//! # The signs of another history
//! | sign | they are one up to | seen of this one since |
//! |---|---|---|
//! | the own meta file, or a copy of it, has a beat that is not remembered | the last beat that both have | nothing, if that is the last one that is remembered |
//! | another replica, or what was read of one, has seen more of the own writes than were made | nobody knows | perhaps something |
//! | an own file, or a copy, holds more than was ever about to be shown | the last beat | nothing |
//! | another replica stands in place of this one | the last beat | nothing |
//! | it is called otherwise than when it got its id: a copy on another machine | the last beat | nothing |
//!
//! A sync ends with the meta file, which has a number that was drawn then and lists those of the syncs before ([`Beat`]). It
//! is in the local store before anything is shown, so what a crash left of a sync is remembered. One that a restored backup
//! does not remember is told by the names of its files, and by their lengths ([`says_write`]).
//!
//! # What follows
//! - *Nothing was seen: the old id is left to the other history.* What this one wrote since becomes writes of the new id.
//!   What the files under the old id tell is taken in, and said again where nobody looks for it: what their meta file does
//!   not name, and what is only in copies. So it is with those of a history that stands in place of the old id: that one may
//!   have ended in the middle of a sync too.
//! - *Something may have been seen: both are said again.* Whoever has seen a write that is of either history cannot tell of
//!   which. So what either wrote since, and nobody overwrote or dismissed, is written again under the new id, and the new
//!   states say that all of the old id was seen. Neither history had seen the other: what one deleted and the other wrote
//!   is a conflict. Lives keep their names, as others may have written to them, or ended them.
//! - *The new meta file says in whose place it stands.* That of a copy does not, as its original goes on; one that cannot be
//!   told from a copy does, and the original then leaves the id as well.
//!
//! # What may happen, and why it holds
//! - *The memory is older.* The files are as they were last shown: the first sign, or the third where a sync was interrupted.
//! - *The files are older, too.* What was later is in copies, and gives the same signs. What a copy holds is said again, as
//!   copies come and go.
//! - *The files alone are older.* The meta file has a beat that is remembered, and nothing holds more than was about to be
//!   shown: no sign, and what is older is written again.
//! - *It happens again.* The files under each id that was left stay, so the same is found again; what a later history said
//!   meanwhile is under an id of its own.
//! - *A sync is interrupted,* be it one that takes a new id: that is in the local store, with all that it renames in one
//!   batch, before anything is written into the folder.
//! - *Files are compacted.* A file of many entities has a name that says what it holds. One that is not remembered is read
//!   before it is removed, and gives the third sign.

use std::collections::{BTreeMap, BTreeSet};

use super::codec::says_write;
use super::entity::{Death, Entity, Key};
use super::event::Event;
use super::layout::{entities_dir, entity_file_name, replica_dir, replica_id, replicas};
use super::look::{self, Found, Members};
use super::merge::absorb;
use super::meta::{Beat, Meta};
use super::store::{Own, Peer, Published, Record};
use super::sync::{Sync, Trust};
use super::vector::{Dot, ReplicaId, Vector};
use crate::kit::identity::Nonce;
use crate::{Entry, Fs, Path, Rng};

/// How a meta file under the own id stands to what is remembered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// It is the last one, or the one that was about to be written.
    Last,
    /// It is an older one.
    Older,
    /// It is of another history.
    Foreign,
}

pub(super) fn standing(own: &Own, meta: &Meta) -> Standing {
    let there = (meta.beat, meta.nonce);
    if there == own.intended || there == own.written {
        return Standing::Last;
    }
    let is_known = own.beats.iter().any(|beat| (beat.beat, beat.nonce) == there);
    let is_before = own.beats.first().is_some_and(|first| meta.beat < first.beat && first.beat > 1);
    if is_known || is_before { Standing::Older } else { Standing::Foreign }
}

/// Up to which write two histories are one, and whether that is all that the first one has shown.
///
/// Only the last beats are kept. Where those of the other history begin after the last one of the first, it is taken to
/// have been in the other one too: a backup that old is common, and a copy that shows something for that long without
/// being met is not.
fn common(beats: &[Beat], others: &[Beat]) -> (u64, bool) {
    let Some(last) = beats.last() else { return (0, true) };
    if others.contains(last) || others.first().is_some_and(|first| last.beat < first.beat) {
        return (last.head, true);
    }
    let common = beats.iter().filter(|beat| others.contains(beat)).map(|beat| beat.head).max();
    (common.unwrap_or(0), false)
}

/// Two histories of one id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Fork {
    /// They are one up to this write.
    after: u64,
    /// Whether nobody has seen anything that this one wrote since.
    is_unseen: bool,
    /// Whether the other one may go on.
    is_copy: bool,
}

impl Sync<'_> {
    /// Finds out whether the own files are of the own history, and becomes somebody else if they are not.
    pub(super) fn settle(&mut self, there: Option<&Meta>, members: &Members, rng: &mut dyn Rng) -> Trust {
        if let Some(fork) = self.fork(there, members) {
            self.become_new(fork, there, members, rng);
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

    /// The other history of the own id; `None` if there is no sign of one.
    fn fork(&self, there: Option<&Meta>, members: &Members) -> Option<Fork> {
        let copies = look::own_meta_copies(self.fs, &self.id);
        let metas = there.into_iter().chain(&copies);
        let foreign: Vec<&Meta> =
            metas.filter(|meta| standing(&self.own, meta) == Standing::Foreign).collect();
        let is_copy = self.own.name != self.config.replica;
        let common: Vec<(u64, bool)> =
            foreign.iter().map(|meta| common(&self.own.beats, &meta.beats)).collect();
        if let Some(after) = common.iter().map(|(after, _)| *after).min() {
            let is_unseen = common.iter().all(|(_, is_unseen)| *is_unseen);
            return Some(Fork { after, is_unseen, is_copy });
        }
        let knows_more =
            |meta: &Meta| meta.seen.get(&self.id.0).max(meta.heard.get(&self.id.0)) > self.own.head;
        let says_more = |record: &Record| record.entity.seen.get(&self.id.0) > self.own.head;
        let is_told = members.peers.values().flatten().any(knows_more)
            || self.store.records.values().any(|record| says_more(record));
        if is_told {
            return Some(Fork { after: 0, is_unseen: false, is_copy });
        }
        let after = self.own.beats.last().map_or(0, |beat| beat.head);
        let mut replaced = members.peers.values().flatten().flat_map(|meta| &meta.replaces);
        let is_left = replaced.any(|replaced| *replaced == self.id);
        (is_copy || is_left || self.has_shown_more(after)).then_some(Fork { after, is_unseen: true, is_copy })
    }

    /// Whether an own file holds own writes after the last that this history was about to show.
    fn has_shown_more(&self, intended: u64) -> bool {
        let dir = replica_dir(&self.id);
        let parts = self.own.snapshot.iter().chain(&self.own.deltas);
        let parts: BTreeSet<Path> = parts.map(|part| dir.join(&part.name)).collect();
        let published = self.store.records.iter().filter(|(_, record)| record.published.count > 0);
        let written: BTreeMap<Path, u64> = published
            .map(|(key, record)| (entities_dir(&dir).join(&entity_file_name(key)), record.published.count))
            .collect();
        let is_known = |entry: &Entry| {
            parts.contains(&entry.path)
                || written.get(&entry.path).is_some_and(|count| says_write(entry.len, *count))
                || self.base.read_once.get(entry.path.name()) == Some(&entry.len)
        };
        let listed = look::listed(self.fs, &dir).unwrap_or_default().into_iter();
        let mut unknown = listed.filter(|entry| !is_known(entry));
        unknown.any(|entry| {
            let mut found = Found::default();
            look::entity(self.fs, &entry.path, &mut found);
            found.entities.iter().any(|(_, entity)| entity.seen.get(&self.id.0) > intended)
        })
    }

    /// Goes on as another replica.
    fn become_new(&mut self, fork: Fork, there: Option<&Meta>, members: &Members, rng: &mut dyn Rng) {
        let old = self.id.clone();
        let taken: Vec<ReplicaId> = self.own.replaces.iter().cloned().chain([old.clone()]).collect();
        let new = fresh(self.fs, &self.config.replica, &taken, rng);
        let (mut found, named) = self.files_of(&old);
        let after = if fork.is_unseen { self.common_write(&found, &old) } else { 0 };
        let fork = Fork { after: fork.after.max(after), ..fork };
        let renaming = Renaming { old: &old, after: fork.after, new: &new, lives: fork.is_unseen };
        for (key, record) in self.store.records.iter().filter(|(_, record)| record.entity.is_of(&old)) {
            let entity = renaming.entity(&record.entity);
            self.changed.insert(key.clone(), Record { entity, published: Published::default() });
        }
        self.id = new.clone();
        if fork.is_unseen {
            self.leave(&old, there.map_or(0, |meta| meta.head), &named, &mut found);
        } else {
            self.say_again(&old, fork.after, found);
        }
        let metas = members.peers.values().flatten();
        for heir in metas.filter(|meta| meta.replaces.contains(&old)) {
            let (mut found, named) = self.files_of(&heir.replica);
            self.leave(&heir.replica, heir.head, &named, &mut found);
        }
        let known = Peer { applied: fork.after, since_ms: self.now.wall.0, ..Peer::default() };
        self.base.peers.insert(old.clone(), known);
        if !fork.is_copy {
            self.own.replaces.push(old.clone());
        }
        self.own.name.clone_from(&self.config.replica);
        (self.own.written, self.own.intended) = ((0, 0), (0, 0));
        self.own.beats.clear();
        self.own.snapshot = None;
        self.own.deltas.clear();
        self.own.id = Some(new.clone());
        self.events.push(Event::NewIdentity { old: old.to_string(), new: new.to_string() });
    }

    /// What the files of an id hold, and up to which of its writes to each entity those under their own names go.
    fn files_of(&self, id: &ReplicaId) -> (Found, BTreeMap<Key, u64>) {
        let (mut found, mut named) = (Found::default(), BTreeMap::new());
        for entry in look::listed(self.fs, &replica_dir(id)).unwrap_or_default() {
            let from = found.entities.len();
            look::entity(self.fs, &entry.path, &mut found);
            for (key, state) in &found.entities[from..] {
                if look::is_own_name(&entry, key) {
                    let count = named.entry(key.clone()).or_insert(0);
                    *count = state.seen.get(&id.0).max(*count);
                }
            }
        }
        (found, named)
    }

    /// The last of the writes of the old id that its files and the own memory have alike: all before it are of both, if
    /// the files are of the other history.
    fn common_write(&self, found: &Found, old: &ReplicaId) -> u64 {
        let mut common = 0;
        for (key, state) in &found.entities {
            let Some(record) = self.store.records.get(key) else { continue };
            for (dot, write) in state.writes.iter().filter(|(dot, _)| dot.replica == *old) {
                let is_it = record.entity.writes.get(dot).is_some_and(|known| {
                    let same = known.fields.iter().any(|(name, value)| write.fields.get(name) == Some(value));
                    same && (known.at, known.version, &known.life) == (write.at, write.version, &write.life)
                });
                common = common.max(if is_it { dot.count } else { 0 });
            }
        }
        common
    }

    /// Leaves an id to its history, whose meta file names its writes up to `head`, and whose files are as of those that
    /// are `named`: takes in what is there, and says again what others do not come to read there.
    fn leave(&mut self, old: &ReplicaId, head: u64, named: &BTreeMap<Key, u64>, found: &mut Found) {
        self.absorb(found);
        let read = |key: &Key| named.get(key).copied().unwrap_or(0).min(head);
        let unread = self.records().map(|(key, record)| (key.clone(), record.entity.seen.get(&old.0)));
        let unread: Vec<(Key, u64)> = unread.filter(|(key, count)| *count > read(key)).collect();
        self.take_up(old, unread);
    }

    /// Writes again what the other history wrote, as far as its files are here, and says that all of both was seen.
    fn say_again(&mut self, old: &ReplicaId, after: u64, found: Found) {
        let before = |key: &Key| self.store.records.get(key).map(|record| &record.entity);
        let mut states: BTreeMap<Key, Vec<Entity>> = BTreeMap::new();
        for (key, state) in found.entities {
            let known = states.entry(key).or_default();
            if !known.contains(&state) {
                known.push(state);
            }
        }
        let keys: BTreeSet<Key> = states.keys().chain(self.changed.keys()).cloned().collect();
        for key in keys {
            let mut entity = self.record(&key).map(|record| record.entity.clone()).unwrap_or_default();
            let mut seen = before(&key).map_or(0, |entity| entity.seen.get(&old.0));
            let mut others = Vec::new();
            for state in states.remove(&key).unwrap_or_default() {
                seen = seen.max(state.seen.get(&old.0));
                if before(&key) == Some(&state) {
                    continue;
                }
                // A stand-in has seen nothing of what the new id wrote, and the other way round.
                let other = ReplicaId::from(format!("{}~{}", self.id, others.len()).as_str());
                let renaming = Renaming { old, after, new: &other, lives: false };
                absorb(&mut entity, &renaming.entity(&state));
                others.push(other);
            }
            adopt(&mut entity, &others, &self.id, &mut self.own.head);
            entity.seen.see(old, seen);
            if before(&key) != Some(&entity) {
                self.changed.insert(key, Record { entity, published: Published::default() });
            }
        }
    }
}

/// Makes what stand-ins wrote writes of `new`, each with a count of its own after `head`.
fn adopt(entity: &mut Entity, others: &[ReplicaId], new: &ReplicaId, head: &mut u64) {
    if !others.iter().any(|other| entity.is_of(other)) {
        return;
    }
    let mut names: BTreeMap<Dot, Dot> = BTreeMap::new();
    let mut name = |dot: &Dot| {
        if !others.contains(&dot.replica) {
            return dot.clone();
        }
        let fresh = || {
            *head += 1;
            Dot { replica: new.clone(), count: *head }
        };
        names.entry(dot.clone()).or_insert_with(fresh).clone()
    };
    let forget = |seen: &Vector| -> Vector {
        let known = seen.iter().filter(|(replica, _)| !others.contains(replica));
        known.map(|(replica, count)| (replica.clone(), count)).collect()
    };
    let writes = std::mem::take(&mut entity.writes);
    for (dot, write) in writes {
        let is_dismissed = entity.deaths.get(&write.life).is_some_and(|death| death.seen.covers(&dot));
        let is_there = || entity.writes.values().any(|known| *known == write);
        if !others.contains(&dot.replica) || !is_dismissed && !is_there() {
            let name = name(&dot);
            entity.writes.insert(name, write);
        }
    }
    for death in entity.deaths.values_mut() {
        death.dot = name(&death.dot);
        death.seen = forget(&death.seen);
        death.late = death.late.iter().map(&mut name).collect();
    }
    entity.seen = forget(&entity.seen);
    *head += 1;
    entity.seen.see(new, *head);
}

/// What `old` wrote after its write `after`, said to be of `new`, with the same counts.
struct Renaming<'a> {
    old: &'a ReplicaId,
    after: u64,
    new: &'a ReplicaId,
    /// Whether lives that began with such a write get the new name too.
    lives: bool,
}

impl Renaming<'_> {
    fn dot(&self, dot: &Dot) -> Dot {
        match dot.replica == *self.old && dot.count > self.after {
            true => Dot { replica: self.new.clone(), count: dot.count },
            false => dot.clone(),
        }
    }

    fn life(&self, life: &Dot) -> Dot {
        if self.lives { self.dot(life) } else { life.clone() }
    }

    fn vector(&self, seen: &Vector) -> Vector {
        let cut = |(replica, count): (&ReplicaId, u64)| {
            let kept = if replica == self.old { count.min(self.after) } else { count };
            (replica.clone(), kept)
        };
        let mut renamed: Vector = seen.iter().map(cut).collect();
        if seen.get(&self.old.0) > self.after {
            renamed.see(self.new, seen.get(&self.old.0));
        }
        renamed
    }

    fn death(&self, death: &Death) -> Death {
        Death {
            dot: self.dot(&death.dot),
            at: death.at,
            seen: self.vector(&death.seen),
            late: death.late.iter().map(|dot| self.dot(dot)).collect(),
        }
    }

    fn entity(&self, entity: &Entity) -> Entity {
        let writes = entity.writes.iter().map(|(dot, write)| {
            let mut write = write.clone();
            write.life = self.life(&write.life);
            (self.dot(dot), write)
        });
        Entity {
            seen: self.vector(&entity.seen),
            births: entity.births.iter().map(|(life, at)| (self.life(life), *at)).collect(),
            deaths: entity.deaths.iter().map(|(life, end)| (self.life(life), self.death(end))).collect(),
            writes: writes.collect(),
        }
    }
}

/// An id that nobody in the folder has.
pub(super) fn fresh(fs: &dyn Fs, name: &str, taken: &[ReplicaId], rng: &mut dyn Rng) -> ReplicaId {
    let entries = fs.list(&replicas()).unwrap_or_default();
    let there: BTreeSet<&str> = entries.iter().map(|entry| entry.name()).collect();
    let mut drawn = Nonce::draw(rng);
    loop {
        let id = replica_id(name, drawn);
        if !there.contains(&*id.0) && !taken.contains(&id) {
            return id;
        }
        drawn = Nonce(drawn.0.wrapping_add(1));
    }
}
