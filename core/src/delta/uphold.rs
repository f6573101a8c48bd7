//! What is said again of replicas that write no more, or may not.
//!
//! Nobody writes the files of an id that was left, so nobody mends them: an older one that comes back stays. Those who had
//! read the later one remember it, and whoever comes later would not hear of it. So whoever remembers says it again, under
//! its own id and once.
//!
//! The machine of another replica may be gone for good as well, before its client had sent all that its meta file names, or
//! before an older file came back. That shows in somebody who has read less of it than this replica, long after it wrote
//! last.
//!
//! # What lacks
//! - A write after the last one that the meta file names: nobody looks for it.
//! - An entity whose file is gone, is not sound, or is of an earlier write; in the split-lite layout, one whose file of
//!   many entities is gone. Only of writes that were read there: what was heard of through others may be on its way.
//!
//! A file that cannot be read now, or is of a later format, is unknown and lacks nothing.

use std::collections::BTreeSet;

use super::Layout;
use super::codec::{Wrong, parse_entity_file, says_write};
use super::entity::Key;
use super::lack::{Files, listed};
use super::layout::{entities_dir, entity_file_name, replica_dir};
use super::look::{Found, Members};
use super::meta::Meta;
use super::sync::Sync;
use super::vector::ReplicaId;
use crate::{Entry, FsError, WallMs};

impl Sync<'_> {
    /// Says again what is known of replicas that write no more, and what their files do not tell.
    pub(super) fn uphold(&mut self, members: &Members) {
        let metas = members.peers.values().flatten();
        let mut left: BTreeSet<ReplicaId> =
            metas.flat_map(|meta| &meta.replaces).chain(&self.own.replaces).cloned().collect();
        left.extend(
            members.peers.keys().filter(|id| self.is_silent(id) && self.is_missed(id, members)).cloned(),
        );
        left.remove(&self.id);
        for id in left {
            let meta = members.peers.get(&id).and_then(Option::as_ref);
            let untold = self.untold(&id, meta);
            self.take_up(&id, untold);
        }
    }

    /// Whether a replica has written nothing for so long that it may not come back.
    fn is_silent(&self, id: &ReplicaId) -> bool {
        self.base.peers.get(id).is_some_and(|peer| {
            u64::try_from(self.now.wall.since(WallMs(peer.since_ms)))
                .is_ok_and(|ms| ms >= self.config.uphold_ms)
        })
    }

    /// Whether somebody has read less of a replica than this one.
    fn is_missed(&self, id: &ReplicaId, members: &Members) -> bool {
        let applied = self.base.peers.get(id).map_or(0, |peer| peer.applied);
        let mut others =
            members.peers.values().flatten().filter(|meta| meta.replica != *id && !self.is_gone(meta));
        others.any(|meta| meta.seen.get(&id.0) < applied)
    }

    /// What is known of a replica that writes no more, is not told by its files, and was not said again before.
    fn untold(&mut self, id: &ReplicaId, meta: Option<&Meta>) -> Vec<(Key, u64)> {
        let known = self.records().map(|(key, record)| (key, record.entity.seen.get(&id.0)));
        let known = known.filter(|(_, count)| *count > 0 && !self.own.upheld.contains(id, *count));
        let known: Vec<(Key, u64)> = known.map(|(key, count)| (key.clone(), count)).collect();
        if known.is_empty() {
            return known;
        }
        let head = meta.map_or(u64::MAX, |meta| meta.head);
        let applied = self.base.peers.get(id).map_or(0, |peer| peer.applied);
        let there = listed(self.listings, id).map(|entries| There::of(id, entries, meta));
        let mut found = Found::default();
        let untold = known.into_iter().filter(|(key, count)| {
            let mut lacks =
                || there.as_ref().is_some_and(|there| !self.is_told(id, there, key, *count, &mut found));
            *count > head || *count <= applied && lacks()
        });
        let untold = untold.collect();
        self.absorb(&mut found);
        untold
    }

    /// Whether a write of `id` to an entity is told by the files that are there, as far as that can be known.
    fn is_told(&self, id: &ReplicaId, there: &There<'_>, key: &Key, count: u64, found: &mut Found) -> bool {
        if there.is_in_parts {
            return there.has_part(count);
        }
        let Some(len) = there.files.len(key) else { return false };
        if says_write(len, count) {
            return true;
        }
        let path = entities_dir(&replica_dir(id)).join(&entity_file_name(key));
        match self.fs.read(&path, 0) {
            Ok(content) => match &*content.parsed(parse_entity_file) {
                Ok(entity) => {
                    found.entities.push(entity.clone());
                    entity.0 == *key && entity.1.seen.get(&id.0) >= count
                }
                Err(wrong) => matches!(wrong, Wrong::Schema(_)),
            },
            Err(error) => error != FsError::NotFound,
        }
    }

    /// Says entities as they are known here, each with the last write of `gone` to it.
    pub(super) fn take_up(&mut self, gone: &ReplicaId, unread: Vec<(Key, u64)>) {
        for (key, count) in unread {
            let mut record = self.record(&key).cloned().unwrap_or_default();
            self.own.head += 1;
            record.entity.seen.see(&self.id, self.own.head);
            self.changed.insert(key, record);
            self.own.upheld.add(gone, count..=count);
        }
    }
}

/// The files of a replica that are there.
struct There<'a> {
    files: Files<'a>,
    /// Whether its entities are in files of many.
    is_in_parts: bool,
    /// Those that its meta file names: up to which write each goes, and whether it is there.
    parts: Vec<(u64, bool)>,
}

impl<'a> There<'a> {
    fn of(id: &ReplicaId, entries: &'a [Entry], meta: Option<&Meta>) -> Self {
        let files = Files::of(id, entries);
        let dir = replica_dir(id);
        let is_there = |name: &str| entries.iter().any(|entry| entry.path.below(&dir) == Some(name));
        let named = meta.into_iter().flat_map(|meta| meta.snapshot.iter().chain(&meta.deltas));
        let parts = named.map(|part| (part.to, is_there(&part.name))).collect();
        let is_in_parts = meta.map_or(files.has_parts(), |meta| meta.layout == Layout::SplitLite);
        Self { files, is_in_parts, parts }
    }

    /// Whether the file with this write is there. Which one that is, only the meta file says.
    fn has_part(&self, count: u64) -> bool {
        self.parts.iter().find(|(to, _)| *to >= count).is_none_or(|(_, is_there)| *is_there)
    }
}
