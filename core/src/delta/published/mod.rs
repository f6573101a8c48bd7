//! The plan to the letter (super-productivity, "Per-Entity Delta Sync", 3 and 4), with the faults it has.
//!
//! Entities carry a version that grows by one with each local update. `meta.json` maps ids to versions; a sync compares
//! them with its own and with those of the last sync, downloads what is newer there, uploads what is newer here, and
//! merges what changed on both sides against a copy of the last sync. Entities are written before `meta.json`.
//!
//! # What the plan leaves open, and what is taken here
//! - **Delete against edit**: three readings are possible. Here a deletion is a field like any other (`isDeleted`),
//!   merged against the base: of a deletion on one side and an edit of the title on the other both count, and the
//!   entity is deleted with the new title. Where only one side has changed by the version numbers, its version counts.
//! - **The base copy** is the entity as it was when the last sync ended, in a local file apart from the data.
//! - **Ties** of `lastModifiedAt` in one field: one's own value counts.
//! - **Tombstones** are dropped once they are older than the retention, by whoever syncs.
//! - **The lock** is the optimistic one: `meta.json` is read again before it is replaced, and the sync begins anew if its
//!   `globalUpdateCount` has changed. What is written between the two is overwritten. With [`Locking::File`] there is a
//!   file `lock` too, with the name of whoever syncs: made at the beginning, if none is there, and removed at the end.
//!   Whoever finds another's does not sync. Nobody breaks it.
//! - **A file that cannot be read** is one that is not there. Without a `meta.json` there is no remote yet.
//! - **Who compacts** (split-lite): whoever finds more than so many deltas; `deltas/` is cleared afterwards.
//!
//! # Known faults
//! Equal versions with different content are never compared; `meta.json` loses updates; its version is taken for a
//! file's; a version that was written without its meta file is overwritten; ids of two kinds share one entry; the wall
//! clock decides; the merge is not associative; conflict copies of files are not read; a restored replica counts from
//! where it was. Each is a scenario.

mod files;
mod item;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher};

pub use item::{Item, merge};

use self::files::{Meta, Remote, entity_path};
use self::item::{items, read_lost, write_items, write_lost};
use super::entity::{Conflict, Fields, Key, Reason, Shown};
use super::event::{Change, Report};
use super::vector::{Dot, ReplicaId};
use super::{Config, Layout, Locking};
use crate::kit::hlc::Hybrid;
use crate::kit::json::Node;
use crate::{Content, Fs, FsError, FsOp, Now, Path};

fn data_path() -> Path {
    Path::local("delta/local.json")
}

fn synced_path() -> Path {
    Path::local("delta/synced.json")
}

/// What a sync is doing.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Step {
    /// The lock is being made.
    Locking,
    /// Entities are being written; then the meta file is looked at again.
    Uploading { read: Option<Meta>, tries: u32 },
    /// The meta file is being written, and what is synced now.
    Ending,
    /// The snapshot is being written; then the deltas go.
    Compacting,
    /// The deltas go.
    Clearing,
    /// The lock is being removed.
    Unlocking,
}

/// One replica's data.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Local {
    /// The entities.
    items: BTreeMap<Key, Item>,
    /// As they were when the last sync ended.
    synced: BTreeMap<Key, Item>,
    /// The count of the meta file at that time.
    count: u64,
    /// Values that lost.
    lost: Vec<Conflict>,
    step: Option<Step>,
    report: Report,
}

/// What comes next in a sync.
#[derive(Debug)]
pub(super) enum Next {
    /// These ops, and then [`Local::go_on`].
    Ops(Vec<FsOp>),
    /// It is done.
    Done(Report),
}

impl Local {
    /// Reads the local files. Where there are none, nothing is known.
    ///
    /// # Errors
    /// That a file is there and cannot be read.
    pub(super) fn read(fs: &dyn Fs) -> Result<Self, FsError> {
        let read = |path: &Path| match fs.read(path, 0) {
            Ok(content) => Ok(Node::parse(content.bytes()).ok()),
            Err(FsError::NotFound) => Ok(None),
            Err(error) => Err(error),
        };
        let (data, synced) = (read(&data_path())?, read(&synced_path())?);
        let of = |node: &Option<Node>| {
            node.as_ref().and_then(|node| items(node.get("entities")?)).unwrap_or_default()
        };
        let count = synced.as_ref().and_then(|node| node.get("globalUpdateCount")?.count()).unwrap_or(0);
        let lost = data.as_ref().and_then(|node| node.get("lost")?.list()?.iter().map(read_lost).collect());
        let lost = lost.unwrap_or_default();
        Ok(Self { items: of(&data), synced: of(&synced), count, lost, ..Self::default() })
    }

    fn save(&self) -> FsOp {
        let lost: Vec<_> = self.lost.iter().map(write_lost).collect();
        let text = format!("{{\"entities\":{},\"lost\":[{}]}}", write_items(&self.items), lost.join(","));
        FsOp::Replace { path: data_path(), content: Content::from(text) }
    }

    fn save_synced(&self) -> FsOp {
        let text =
            format!("{{\"globalUpdateCount\":{},\"entities\":{}}}", self.count, write_items(&self.synced));
        FsOp::Replace { path: synced_path(), content: Content::from(text) }
    }

    /// Makes changes. Returns the entities that changed and the op that keeps them.
    pub(super) fn change(&mut self, changes: &[Change], by: &str, now: Now) -> (Vec<Key>, Option<FsOp>) {
        let mut changed = Vec::new();
        for change in changes {
            let key = change.key();
            let known = self.items.get(key).cloned();
            let mut item = known.clone().unwrap_or(Item {
                version: 0,
                at: 0,
                by: "".into(),
                deleted: false,
                fields: Fields::default(),
            });
            match change {
                Change::Put { set, unset, .. } => {
                    item.deleted = false;
                    item.fields.0.retain(|name, _| !unset.contains(name));
                    item.fields.0.extend(set.0.clone());
                }
                Change::Delete { .. } if known.is_none() => continue,
                Change::Delete { .. } => item.deleted = true,
            }
            if known.as_ref() == Some(&item) {
                continue;
            }
            (item.version, item.at, item.by) = (item.version.saturating_add(1), now.wall.0, by.into());
            self.items.insert(key.clone(), item);
            changed.push(key.clone());
        }
        let op = (!changed.is_empty()).then(|| self.save());
        (changed, op)
    }

    /// Begins a sync.
    pub(super) fn begin(&mut self, config: &Config, fs: &dyn Fs, now: Now) -> Next {
        self.report = Report::default();
        if config.design.locking == Locking::File {
            let holder = files::lock_holder(fs);
            if holder.as_ref().is_some_and(|holder| *holder != config.replica) {
                self.report.waiting += 1;
                return Next::Done(std::mem::take(&mut self.report));
            }
            if holder.is_none() {
                self.step = Some(Step::Locking);
                return Next::Ops(vec![files::lock(&config.replica)]);
            }
        }
        self.plan(config, fs, now, 0)
    }

    /// Ends a sync.
    fn done(&mut self, config: &Config, fs: &dyn Fs) -> Next {
        let is_mine = || files::lock_holder(fs).is_some_and(|holder| holder == config.replica);
        if config.design.locking == Locking::File && is_mine() {
            self.step = Some(Step::Unlocking);
            return Next::Ops(vec![files::unlock()]);
        }
        Next::Done(std::mem::take(&mut self.report))
    }

    fn is_dirty(&self, key: &Key) -> bool {
        let version = |items: &BTreeMap<Key, Item>| items.get(key).map_or(0, |item| item.version);
        version(&self.items) != version(&self.synced)
    }

    fn plan(&mut self, config: &Config, fs: &dyn Fs, now: Now, tries: u32) -> Next {
        let meta = Meta::read(fs);
        let is_dirty = self.items.keys().any(|key| self.is_dirty(key));
        if !is_dirty && meta.as_ref().is_some_and(|meta| meta.count == self.count) {
            return self.done(config, fs);
        }
        let remote = Remote::look(config.design.layout, fs, meta.clone().unwrap_or_default());
        let keys: BTreeSet<Key> = self.items.keys().chain(remote.keys.iter()).cloned().collect();
        let mut uploads = Vec::new();
        for key in keys {
            let mine = self.items.get(&key);
            let there = remote.meta.versions.get(&*key.id).copied().unwrap_or(0);
            let here = mine.map_or(0, |item| item.version);
            let synced = self.synced.get(&key).map_or(0, |item| item.version);
            if there != here && there != synced && here != synced && mine.is_some() && there > 0 {
                self.meet(&key, &remote, fs, &config.replica);
                uploads.push(key);
            } else if there > here {
                // The version is the one that the meta file says.
                if let Some(item) = remote.item(&key, fs) {
                    self.items.insert(key.clone(), Item { version: there, ..item });
                    self.report.receive(&key);
                }
            } else if here > there {
                self.report.send(&key);
                uploads.push(key);
            }
        }
        let expired = self.expire(config, fs, now);
        let mut ops = vec![self.save()];
        ops.extend(self.upload(config, &uploads, now));
        ops.extend(expired);
        self.step = Some(Step::Uploading { read: meta, tries });
        Next::Ops(ops)
    }

    /// Merges what changed on both sides.
    fn meet(&mut self, key: &Key, remote: &Remote, fs: &dyn Fs, by: &str) {
        let Some(mine) = self.items.get(key).cloned() else { return };
        let Some(theirs) = remote.item(key, fs) else { return };
        let (item, lost) = merge(self.synced.get(key), &mine, &theirs, by);
        if !lost.is_empty() {
            let loser = if theirs.at > mine.at { &mine } else { &theirs };
            let replica = ReplicaId(loser.by.clone());
            self.lost.push(Conflict {
                key: key.clone(),
                dot: Dot { replica, count: loser.version },
                at: Hybrid { ms: loser.at, count: 0 },
                reason: Reason::SameField,
                fields: lost,
            });
            self.report.conflicts += 1;
        }
        self.report.receive(key);
        self.report.send(key);
        self.items.insert(key.clone(), item);
    }

    /// Drops tombstones that are older than the retention, and their files.
    fn expire(&mut self, config: &Config, fs: &dyn Fs, now: Now) -> Vec<FsOp> {
        let is_old = |item: &Item| {
            let age = now.wall.0.saturating_sub(item.at);
            item.deleted && u64::try_from(age).is_ok_and(|age| age > config.retention_ms)
        };
        let old: Vec<Key> =
            self.items.iter().filter(|(_, item)| is_old(item)).map(|(key, _)| key.clone()).collect();
        for key in &old {
            self.items.remove(key);
            self.synced.remove(key);
            self.report.collected += 1;
        }
        let is_there = |path: &Path| {
            fs.list(&Path::shared("entities")).is_ok_and(|all| all.iter().any(|entry| entry.path == *path))
        };
        let paths = old.iter().map(entity_path).filter(is_there);
        paths.map(|path| FsOp::Remove { path }).collect()
    }

    fn upload(&self, config: &Config, keys: &[Key], now: Now) -> Vec<FsOp> {
        let known = keys.iter().filter_map(|key| Some((key, self.items.get(key)?)));
        match config.design.layout {
            Layout::Split => known
                .map(|(key, item)| {
                    let content = Content::from(item.text(key, false));
                    FsOp::Replace { path: entity_path(key), content }
                })
                .collect(),
            Layout::SplitLite => {
                let all: BTreeMap<Key, Item> = known.map(|(key, item)| (key.clone(), item.clone())).collect();
                if all.is_empty() {
                    return Vec::new();
                }
                let name = format!("deltas/delta_{}_{}.json", config.replica.replace('/', "-"), now.wall.0);
                vec![FsOp::Replace { path: Path::shared(&name), content: Content::from(write_items(&all)) }]
            }
        }
    }

    /// Goes on after the ops of a step were applied.
    pub(super) fn go_on(&mut self, config: &Config, fs: &dyn Fs, now: Now) -> Next {
        match self.step.take() {
            Some(Step::Locking) => self.plan(config, fs, now, 0),
            Some(Step::Uploading { read, tries }) => {
                let there = Meta::read(fs);
                let revision = |meta: &Option<Meta>| meta.as_ref().map(|meta| meta.count);
                if revision(&there) != revision(&read) && tries < 3 {
                    return self.plan(config, fs, now, tries + 1);
                }
                self.end(read, now)
            }
            Some(Step::Ending) => self.compact(config, fs),
            Some(Step::Compacting) => {
                let deltas = fs.list(&Path::shared("deltas")).unwrap_or_default();
                self.step = Some(Step::Clearing);
                Next::Ops(deltas.into_iter().map(|entry| FsOp::Remove { path: entry.path }).collect())
            }
            Some(Step::Clearing) => self.done(config, fs),
            Some(Step::Unlocking) | None => Next::Done(std::mem::take(&mut self.report)),
        }
    }

    fn end(&mut self, read: Option<Meta>, now: Now) -> Next {
        let mut meta = read.unwrap_or_default();
        let before = meta.clone();
        // Tombstones that were dropped here are dropped there.
        meta.versions.retain(|id, _| self.items.keys().any(|key| *key.id == **id) || !self.was_known(id));
        for (key, item) in &self.items {
            meta.versions.insert(key.id.to_string(), item.version);
        }
        let mut ops = Vec::new();
        if meta != before || before.count == 0 {
            meta.count += 1;
            ops.push(meta.op(now));
        }
        self.count = meta.count;
        self.synced = self.items.clone();
        ops.push(self.save_synced());
        self.step = Some(Step::Ending);
        Next::Ops(ops)
    }

    /// Whether an id of the meta file is one that this replica dropped in this sync.
    fn was_known(&self, id: &str) -> bool {
        self.report.collected > 0 && !self.items.keys().any(|key| *key.id == *id)
    }

    fn compact(&mut self, config: &Config, fs: &dyn Fs) -> Next {
        let deltas = fs.list(&Path::shared("deltas")).unwrap_or_default();
        if config.design.layout != Layout::SplitLite || deltas.len() <= config.deltas_max {
            return self.done(config, fs);
        }
        self.step = Some(Step::Compacting);
        let content = Content::from(write_items(&self.items));
        Next::Ops(vec![FsOp::Replace { path: Path::shared("data.json"), content }])
    }

    /// What the sync that was begun has come to so far.
    pub(super) fn report(&self) -> &Report {
        &self.report
    }

    /// Whether a sync waits for ops.
    pub(super) fn is_syncing(&self) -> bool {
        self.step.is_some()
    }

    /// An entity; `None` if nothing is known of it.
    pub(super) fn get(&self, key: &Key) -> Option<Shown> {
        self.items.get(key).map(|item| item.shown(key))
    }

    /// Every entity, deleted ones too.
    pub(super) fn all(&self) -> impl Iterator<Item = Shown> + '_ {
        self.items.iter().map(|(key, item)| item.shown(key))
    }

    /// Values that lost at this replica.
    pub(super) fn conflicts(&self) -> impl Iterator<Item = Conflict> + '_ {
        self.lost.iter().cloned()
    }

    /// Hashes what it shows and lists.
    pub(super) fn hash_known<H: Hasher>(&self, state: &mut H) {
        (&self.items, &self.lost).hash(state);
    }

    /// Takes a conflict off the list.
    pub(super) fn settle(&mut self, id: &str) -> Option<Conflict> {
        let at = self.lost.iter().position(|conflict| conflict.id() == id)?;
        Some(self.lost.remove(at))
    }

    /// Takes over an entity that others left.
    pub(super) fn import(&mut self, key: &Key, item: Item) -> bool {
        match self.items.get(key) {
            Some(known) if known.same_content(&item) || known.version >= item.version => false,
            _ => {
                self.items.insert(key.clone(), item);
                true
            }
        }
    }

    /// The op that keeps the data.
    pub(super) fn keep(&self) -> FsOp {
        self.save()
    }

    /// Entities that the last sync did not see so.
    pub(super) fn dirty(&self) -> impl Iterator<Item = &Key> + '_ {
        self.items.keys().filter(|key| self.is_dirty(key))
    }
}
