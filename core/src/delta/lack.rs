//! What the folder lacks of what this replica knows to have been there.
//!
//! # What is counted
//! Entities that live, by the replica whose files hold them: the own ones by what was published, those of others by what
//! was read of them. One is gone if its file is; of a replica in the split-lite layout, if its files are. It is older if
//! the meta file that is there is, and names no write as late as the one that is known.
//!
//! How many files of another replica were there is remembered ([`Peer::files`](super::store::Peer::files)): what was heard
//! of through a third one, and has not arrived yet, is no loss.
//!
//! # What follows
//! Where more lacks than the [`Limit`](crate::kit::guard::Limit) allows, nothing is written. Where less does, owners write
//! their files again. A person who accepts the folder as it is has this replica write again what it knows, also of the
//! entities of others whose files are gone: their owners may be gone too.

use super::Layout;
use super::codec::says_write;
use super::entity::Key;
use super::identity::{Standing, standing};
use super::layout::{entities_dir, entity_file_name, is_entity_file_name, replica_dir};
use super::look::{Listings, Members};
use super::meta::Meta;
use super::store::{Record, Store};
use super::sync::Sync;
use super::vector::ReplicaId;
use crate::kit::guard::Tally;
use crate::{Entry, FsError};

/// The files of one replica, by name.
pub(super) struct Files<'a> {
    /// Those of single entities, sorted.
    entities: Vec<(&'a str, u64)>,
    /// How many there are, of either layout.
    all: u64,
}

impl<'a> Files<'a> {
    pub(super) fn of(id: &ReplicaId, listed: &'a [Entry]) -> Self {
        let dir = entities_dir(&replica_dir(id));
        let of_one = |entry: &&Entry| entry.path.parent().as_ref() == Some(&dir);
        let mut entities: Vec<_> = listed
            .iter()
            .filter(of_one)
            .filter(|entry| is_entity_file_name(entry.name()))
            .map(|entry| (entry.name(), entry.len))
            .collect();
        entities.sort_unstable();
        Self { entities, all: listed.len() as u64 }
    }

    /// The length of an entity's file; `None` if it is not there.
    pub(super) fn len(&self, key: &Key) -> Option<u64> {
        let name = entity_file_name(key);
        let at = self.entities.binary_search_by(|(known, _)| (*known).cmp(&name)).ok()?;
        Some(self.entities[at].1)
    }

    pub(super) fn has_parts(&self) -> bool {
        self.all > self.entities.len() as u64
    }
}

/// The files of a replica; `None` if that is unknown now.
pub(super) fn listed<'a>(listings: &'a Listings, id: &ReplicaId) -> Option<&'a [Entry]> {
    match listings.get(id) {
        Some(Ok(entries)) => Some(entries),
        Some(Err(FsError::NotFound)) | None => Some(&[]),
        // What cannot be listed is unknown.
        Some(Err(_)) => None,
    }
}

/// How many files of a replica are there, for the next time.
pub(super) fn files(listings: &Listings, id: &ReplicaId) -> Option<u64> {
    listed(listings, id).map(|entries| entries.len() as u64)
}

/// What lacks of all that is known.
pub(super) fn tally(store: &Store, members: &Members, own: Option<&Meta>, listings: &Listings) -> Tally {
    let others = store.base.peers.iter().filter(|(id, peer)| {
        peer.files > 0
            && Some(*id) != store.own.id.as_ref()
            && store.own.retired.get(&id.0) < peer.beat.max(1)
    });
    let others = others.map(|(id, _)| of_other(store, members, id, listings));
    others.fold(of_own(store, own, listings), Tally::and)
}

fn of_own(store: &Store, there: Option<&Meta>, listings: &Listings) -> Tally {
    let Some(id) = &store.own.id else { return Tally::default() };
    let Some(entries) = listed(listings, id) else { return Tally::default() };
    let live = |record: &&Record| record.published.count > 0 && record.published.alive;
    let records = || store.records.iter().map(|(key, record)| (key, &**record));
    let known = records().filter(|(_, record)| live(record)).count() as u64;
    let mut parts: Vec<_> = store.own.snapshot.iter().chain(&store.own.deltas).collect();
    if !parts.is_empty() {
        if store.own.intended != store.own.written {
            // The last sync was interrupted: whether its file came to be is not known, so it cannot lack.
            parts.pop();
        }
        let dir = replica_dir(id);
        let is_there = |name: &str| entries.iter().any(|entry| entry.path.below(&dir) == Some(name));
        let gone = parts.iter().filter(|part| !is_there(&part.name)).count() as u64;
        return Tally { known, gone: known.saturating_mul(gone) / parts.len().max(1) as u64, older: 0 };
    }
    let files = Files::of(id, entries);
    let is_older = |meta: &&Meta| standing(&store.own, meta) == Standing::Older;
    let head = there.filter(is_older).map_or(u64::MAX, |meta| meta.head);
    let mut tally = Tally { known, ..Tally::default() };
    for (key, record) in records().filter(|(_, record)| live(record)) {
        let count = record.published.count;
        match files.len(key) {
            None => tally.gone += 1,
            Some(len) => tally.older += u64::from(count > head && !says_write(len, count)),
        }
    }
    tally
}

/// The lives of another replica that are known from its own files, with its last write to each.
fn known<'a>(store: &'a Store, id: &'a ReplicaId) -> impl Iterator<Item = (&'a Key, u64)> {
    let applied = store.base.peers.get(id).map_or(0, |peer| peer.applied);
    let live = store.records.iter().filter(|(_, record)| !record.entity.is_deleted());
    let counted = live.map(|(key, record)| (key, record.entity.seen.get(&id.0)));
    counted.filter(move |(_, count)| (1..=applied).contains(count))
}

fn of_other(store: &Store, members: &Members, id: &ReplicaId, listings: &Listings) -> Tally {
    let Some(entries) = listed(listings, id) else { return Tally::default() };
    let (files, meta) = (Files::of(id, entries), members.peers.get(id).and_then(Option::as_ref));
    let peer = store.base.peers.get(id).copied().unwrap_or_default();
    let in_parts = files.has_parts() || meta.is_some_and(|meta| meta.layout == Layout::SplitLite);
    let head = meta.filter(|meta| meta.beat < peer.beat).map_or(u64::MAX, |meta| meta.head);
    let mut tally = Tally::default();
    for (key, count) in known(store, id) {
        tally.known += 1;
        let is_there = if in_parts { files.all > 0 } else { files.len(key).is_some() };
        tally.gone += u64::from(!is_there);
        tally.older += u64::from(is_there && count > head);
    }
    if files.all > 0 && !in_parts {
        // More than there ever were cannot be gone.
        tally.gone = tally.gone.min(peer.files.saturating_sub(files.all));
    }
    tally
}

impl Sync<'_> {
    /// A person takes the folder as it is: what it lacks of others' entities is said by this replica, and what is there
    /// counts as all that there was.
    pub(super) fn accept(&mut self, members: &Members) {
        let peers: Vec<ReplicaId> = self.base.peers.keys().filter(|id| **id != self.id).cloned().collect();
        for id in peers {
            let unsaid = {
                let Some(entries) = listed(self.listings, &id) else { continue };
                let files = Files::of(&id, entries);
                let meta = members.peers.get(&id).and_then(Option::as_ref);
                let head = meta.map_or(u64::MAX, |meta| meta.head);
                let is_there = |key: &Key| files.has_parts() || files.len(key).is_some();
                let counts = self.records().map(|(key, record)| (key, record.entity.seen.get(&id.0)));
                let unsaid = counts.filter(|(key, count)| {
                    *count > 0 && (!is_there(key) || *count > head) && !self.own.upheld.contains(&id, *count)
                });
                unsaid.map(|(key, count)| (key.clone(), count)).collect::<Vec<_>>()
            };
            self.take_up(&id, unsaid);
            if let Some(peer) = self.base.peers.get_mut(&id) {
                peer.files = 0;
            }
        }
    }
}
