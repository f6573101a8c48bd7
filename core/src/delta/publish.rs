//! What a sync writes into the folder: own files only, and the meta file last.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Layout;
use super::codec::{entity_file, list_file};
use super::entity::{Entity, Key};
use super::layout::{
    entities_dir, entity_file_name, is_snapshot_name, meta_path, part_name, part_to, replica_dir,
};
use super::meta::{CHANGES_MAX, Meta, Part};
use super::store::{Published, Record, Update};
use super::sync::{Plan, Sync};
use super::vector::Vector;
use crate::{Content, FsOp, Path, Rng};

/// What is published of an entity now, and whether there are own writes among it that were not before.
type Publishing = BTreeMap<Key, (Published, bool)>;

impl Sync<'_> {
    /// What has to be written.
    pub(super) fn finish(
        &mut self,
        standing: Option<Meta>,
        is_there: &BTreeSet<Path>,
        rebuilt: bool,
        rng: &mut dyn Rng,
    ) -> Plan {
        let dir = replica_dir(&self.id);
        let gone: Vec<Key> = self
            .changed
            .iter()
            .filter(|(_, record)| record.entity.births.is_empty())
            .map(|(key, _)| key.clone())
            .collect();
        let mut published = Publishing::new();
        for (key, record) in self.records().filter(|(_, record)| self.is_due(record)) {
            let count = record.entity.seen.get(&self.id.0);
            let now = Published { count, alive: !record.entity.is_deleted() };
            published.insert(key.clone(), (now, count > record.published.count));
        }
        let mut shared = match self.config.design.layout {
            Layout::Split => self.split(&dir, &published),
            Layout::SplitLite => self.split_lite(&dir, &published),
        };
        let mut removed = self.replaced(&dir);
        for (key, (_, is_new)) in &published {
            if *is_new {
                self.report.send(key);
            }
        }
        if self.config.design.layout == Layout::Split {
            let names = gone.iter().map(|key| entities_dir(&dir).join(&entity_file_name(key)));
            removed.extend(names.filter(|path| is_there.contains(path)));
        }
        removed.retain(|path| is_there.contains(path));
        let removed = removed.into_iter().map(|path| FsOp::Remove { path }).collect();
        let meta = self.meta(&gone);
        let writes_meta =
            rebuilt || standing.is_none_or(|there| !there.says_the_same(&meta)) || !shared.is_empty();
        // Whoever only looks does not become a member of the folder.
        let writes_meta = writes_meta && (self.own.head > 0 || !self.base.peers.is_empty());
        if writes_meta {
            let beat = self.own.written.0.max(self.own.intended.0) + 1;
            self.own.intend(beat, rng.bits() >> 12);
            shared.push(self.write_meta(meta));
        }
        self.plan(shared, removed, &published, &gone, writes_meta)
    }

    /// Writes the own meta file, as of this sync.
    fn write_meta(&self, meta: Meta) -> FsOp {
        let (beat, nonce) = self.own.intended;
        let meta = Meta { beat, nonce, beats: self.own.beats.clone(), last_sync_ms: self.now.wall.0, ..meta };
        let content = Content::from(meta.text());
        FsOp::Replace { path: meta_path(&replica_dir(&self.id)), content }
    }

    /// A file for each entity.
    fn split(&mut self, dir: &Path, published: &Publishing) -> Vec<FsOp> {
        let one = |key: &Key| {
            let entity = self.record(key).map(|record| record.entity.clone()).unwrap_or_default();
            let count = entity.seen.get(&self.id.0);
            let content = Content::from(entity_file(key, &entity, count));
            FsOp::Replace { path: entities_dir(dir).join(&entity_file_name(key)), content }
        };
        let shared = published.keys().map(one).collect();
        (self.own.snapshot, self.own.deltas) = (None, Vec::new());
        shared
    }

    /// One file for all changes, and now and then one for all own entities in place of what there was.
    fn split_lite(&mut self, dir: &Path, published: &Publishing) -> Vec<FsOp> {
        if published.is_empty() {
            return Vec::new();
        }
        let compacts = self.own.deltas.len() >= self.config.deltas_max;
        let id = self.id.clone();
        let of = |key: &Key, record: &Record| {
            if compacts { record.entity.is_of(&id) } else { published.contains_key(key) }
        };
        let entities: Vec<(Key, Entity)> = self
            .records()
            .filter(|(key, record)| !record.entity.births.is_empty() && of(key, record))
            .map(|(key, record)| (key.clone(), record.entity.clone()))
            .collect();
        let text = list_file(self.own.head, &entities);
        let part = Part { to: self.own.head, name: part_name(compacts, self.own.head, text.as_bytes()) };
        let content = Content::from(text);
        let write = FsOp::Replace { path: dir.join(&part.name), content };
        if compacts {
            (self.own.snapshot, self.own.deltas) = (Some(part), Vec::new());
        } else if !self.own.deltas.contains(&part) {
            self.own.deltas.push(part);
        }
        vec![write]
    }

    /// Own files in whose place others stand that have left this machine: a client may send a removal before the file that
    /// makes it right, and then never send that. Somebody has read the others, or nobody else is there. Until then a file
    /// of changes stays, but not beyond the snapshot of another one that stays.
    fn replaced(&self, dir: &Path) -> BTreeSet<Path> {
        let parts = || self.own.snapshot.iter().chain(&self.own.deltas);
        // What an interrupted sync had left may have the name of what is written now.
        let now: BTreeSet<Path> = parts().map(|part| dir.join(&part.name)).collect();
        let until_now = self.store.own.snapshot.iter().chain(&self.store.own.deltas);
        let until_now = until_now.map(|part| dir.join(&part.name));
        let mut left: BTreeSet<Path> = self.leftovers.iter().cloned().chain(until_now).collect();
        left.retain(|path| !now.contains(path));
        let of = |path: &Path| {
            let name = path.below(dir).unwrap_or_default();
            (part_to(name), is_snapshot_name(name))
        };
        let snapshots = left.iter().map(of).filter(|(_, is_snapshot)| *is_snapshot);
        let last = snapshots.filter_map(|(to, _)| to).max();
        let may_go = |path: &Path| {
            let (to, is_snapshot) = of(path);
            let stands = match self.config.design.layout {
                Layout::Split => Some(self.own.head),
                Layout::SplitLite => parts().map(|part| part.to).find(|now| *now >= to.unwrap_or(0)),
            };
            let is_older = to.zip(last).is_some_and(|(to, last)| to < last || to == last && !is_snapshot);
            is_older || stands.is_some_and(|stands| stands <= self.acknowledged)
        };
        left.retain(may_go);
        left
    }

    fn plan(
        &mut self,
        shared: Vec<FsOp>,
        removed: Vec<FsOp>,
        published: &Publishing,
        gone: &[Key],
        writes_meta: bool,
    ) -> Plan {
        self.base.read_once = std::mem::take(&mut self.found.read_once);
        self.report.waiting = self.found.waiting;
        self.report.problems = std::mem::take(&mut self.found.problems);
        let records = std::mem::take(&mut self.changed);
        let first = Update {
            own: self.own.clone(),
            records: records
                .iter()
                .map(|(key, record)| (key.clone(), (!gone.contains(key)).then(|| Arc::new(record.clone()))))
                .collect(),
            base: None,
        };
        let mut own = self.own.clone();
        if writes_meta {
            own.written = own.intended;
        }
        if self.base != self.store.base || !own.knows(self.base.of) {
            self.base.of = own.written;
        }
        let mut last = Update { own, records: BTreeMap::new(), base: None };
        for (key, (published, _)) in published {
            let record = records.get(key).or_else(|| self.store.records.get(key).map(|record| &**record));
            if let Some(record) = record {
                last.records
                    .insert(key.clone(), Some(Arc::new(Record { published: *published, ..record.clone() })));
            }
        }
        last.base = (self.base != self.store.base).then(|| self.base.clone());
        Plan {
            first,
            shared,
            last,
            removed,
            report: std::mem::take(&mut self.report),
            events: std::mem::take(&mut self.events),
            same_until: self.same_until(),
        }
    }

    /// Whether an entity's own file has to be written.
    fn is_due(&self, record: &Record) -> bool {
        let own = record.entity.seen.get(&self.id.0);
        let is_there = !record.entity.births.is_empty();
        let is_ended = record.published.alive && record.entity.is_deleted();
        is_there && (own > record.published.count || is_ended)
    }

    /// Writes of others beyond those up to which all are applied.
    fn heard(&self) -> Vector {
        let mut heard = Vector::default();
        for (_, record) in self.records() {
            heard.join(&record.entity.seen);
        }
        let seen = self.seen();
        let more = heard.iter().filter(|(id, count)| **id != self.id && *count > seen.get(&id.0));
        more.map(|(id, count)| (id.clone(), count)).collect()
    }

    /// What this replica says of itself, but for when.
    fn meta(&self, gone: &[Key]) -> Meta {
        let mut changes: Vec<(u64, Key)> = self
            .records()
            .filter(|(key, record)| record.entity.is_of(&self.id) && !gone.contains(key))
            .map(|(key, record)| (record.entity.seen.get(&self.id.0), key.clone()))
            .collect();
        changes.sort();
        let count = changes.len() as u64;
        let digest =
            changes.iter().fold(0_u64, |sum, (count, key)| sum.wrapping_add(Meta::digest_of(key, *count)));
        let cut = changes.len().saturating_sub(CHANGES_MAX);
        let since = cut.checked_sub(1).map_or(0, |at| changes[at].0);
        changes.drain(..cut);
        Meta {
            replica: self.id.clone(),
            beat: 0,
            nonce: 0,
            beats: Vec::new(),
            head: self.own.head,
            layout: self.config.design.layout,
            count,
            digest,
            changes,
            since,
            heard: self.heard(),
            seen: self.seen(),
            graves: self.own.graves.clone(),
            retired: self.own.retired.clone(),
            replaces: self.own.replaces.clone(),
            snapshot: self.own.snapshot.clone(),
            deltas: self.own.deltas.clone(),
            last_sync_ms: 0,
        }
    }
}
