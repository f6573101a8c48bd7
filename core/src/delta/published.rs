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
//!   `globalUpdateCount` has changed. What is written between the two is overwritten.
//! - **A file that cannot be read** is one that is not there. Without a `meta.json` there is no remote yet.
//! - **Who compacts** (split-lite): whoever finds more than so many deltas; `deltas/` is cleared afterwards.
//!
//! # Known faults
//! Equal versions with different content are never compared; `meta.json` loses updates; its version is taken for a
//! file's; a version that was written without its meta file is overwritten; ids of two kinds share one entry; the wall
//! clock decides; the merge is not associative; conflict copies of files are not read; a restored replica counts from
//! where it was. Each is a scenario.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::entity::{Conflict, Fields, Key, RESERVED, Reason, Shown};
use super::event::{Change, Report};
use super::vector::{Dot, ReplicaId};
use super::{Config, Layout};
use crate::kit::hlc::Hybrid;
use crate::kit::json::{Json, Node, quote};
use crate::{Content, Fs, FsError, FsOp, Now, Path};

/// An entity with the plan's metadata.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Item {
    /// Grows by one with each local update.
    pub version: u64,
    /// The wall clock of the last update, in ms since 1970.
    pub at: i64,
    /// Who made it.
    pub by: Arc<str>,
    /// Whether it is deleted.
    pub deleted: bool,
    /// Its other fields.
    pub fields: Fields,
}

impl Item {
    fn of(node: &Node) -> Self {
        let fields = Fields::of(node).unwrap_or_default().0.into_iter();
        Self {
            version: node.get("version").and_then(Node::count).unwrap_or(1),
            at: node.get("lastModifiedAt").and_then(Node::int).unwrap_or(0),
            by: node.get("lastModifiedBy").and_then(Node::text).unwrap_or("").into(),
            deleted: node.get("isDeleted").and_then(Node::bool).unwrap_or(false),
            fields: Fields(
                fields.filter(|(name, _)| !RESERVED.contains(&&**name) && &**name != "kind").collect(),
            ),
        }
    }

    /// The entity as one flat object, as the plan has it; with its kind where no file name tells that.
    fn text(&self, key: &Key, with_kind: bool) -> String {
        let mut out = "{".to_owned();
        if with_kind {
            out.push_str("\"kind\":");
            quote(&mut out, &key.kind);
            out.push(',');
        }
        out.push_str("\"id\":");
        quote(&mut out, &key.id);
        out.push_str(&format!(
            ",\"version\":{},\"lastModifiedAt\":{},\"lastModifiedBy\":",
            self.version, self.at
        ));
        quote(&mut out, &self.by);
        if self.deleted {
            out.push_str(",\"isDeleted\":true");
        }
        for (name, value) in &self.fields.0 {
            out.push(',');
            quote(&mut out, name);
            out.push(':');
            out.push_str(value.as_str());
        }
        out.push('}');
        out
    }

    fn same_content(&self, other: &Self) -> bool {
        let has =
            |(name, value): (&Arc<str>, &Json)| other.fields.get(name).is_some_and(|known| known.same(value));
        self.deleted == other.deleted
            && self.fields.0.len() == other.fields.0.len()
            && self.fields.0.iter().all(has)
    }
}

/// Merges two versions of an entity field by field against the one of the last sync, and says which values lost.
///
/// A field that only one side changed since takes that side's value; one that both changed takes the value of the
/// later `lastModifiedAt`, one's own if those are equal. Without a base every field that differs was changed on both
/// sides. The version is one more than the larger of both.
#[must_use]
pub fn merge(
    base: Option<&Item>,
    mine: &Item,
    theirs: &Item,
    by: &str,
) -> (Item, BTreeMap<Arc<str>, Option<Json>>) {
    let mut merged = BTreeMap::new();
    let mut lost = BTreeMap::new();
    let names: BTreeSet<&Arc<str>> = mine.fields.0.keys().chain(theirs.fields.0.keys()).collect();
    for name in names {
        let (one, two) = (mine.fields.get(name), theirs.fields.get(name));
        let was = base.map(|base| base.fields.get(name));
        let (value, other) = if one == two || was == Some(two) {
            (one, None)
        } else if was == Some(one) {
            (two, None)
        } else if theirs.at > mine.at {
            (two, Some(one))
        } else {
            (one, Some(two))
        };
        if let Some(value) = value {
            merged.insert(name.clone(), value.clone());
        }
        if let Some(other) = other {
            lost.insert(name.clone(), other.cloned());
        }
    }
    let deleted = match base.map(|base| base.deleted) {
        Some(was) if was == theirs.deleted => mine.deleted,
        Some(was) if was == mine.deleted => theirs.deleted,
        _ if theirs.at > mine.at => theirs.deleted,
        _ => mine.deleted,
    };
    let version = mine.version.max(theirs.version).saturating_add(1);
    let item = Item { version, at: mine.at.max(theirs.at), by: by.into(), deleted, fields: Fields(merged) };
    (item, lost)
}

/// `meta.json`.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Meta {
    count: u64,
    versions: BTreeMap<String, u64>,
}

impl Meta {
    /// What stands there. What cannot be read is not there.
    fn read(fs: &dyn Fs) -> Option<Self> {
        let node = Node::parse(fs.read(&meta_path(), 0).ok()?.bytes()).ok()?;
        let versions = node.get("entityVersions")?.object()?.iter();
        let versions = versions.filter_map(|(id, version)| Some((id.clone(), version.count()?))).collect();
        Some(Self { count: node.get("globalUpdateCount")?.count()?, versions })
    }

    fn op(&self, now: Now) -> FsOp {
        let text = json!({
            "globalUpdateCount": self.count, "entityVersions": self.versions, "lastSyncTimestamp": now.wall.0,
        });
        FsOp::Replace { path: meta_path(), content: Content::from(format!("{text:#}\n")) }
    }
}

fn meta_path() -> Path {
    Path::shared("meta.json")
}

/// The file of an entity: `entities/<kind>_<id>.json`, without the letters that would lead elsewhere.
fn entity_path(key: &Key) -> Path {
    let name = format!("{}_{}.json", key.kind, key.id).replace(['/', '\0'], "-");
    Path::shared("entities").join(&name)
}

fn data_path() -> Path {
    Path::local("delta/local.json")
}

fn synced_path() -> Path {
    Path::local("delta/synced.json")
}

/// What a sync is doing.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Step {
    /// Entities are being written; then the meta file is looked at again.
    Uploading { read: Option<Meta>, tries: u32 },
    /// The meta file is being written, and what is synced now.
    Ending,
    /// The snapshot is being written; then the deltas go.
    Compacting,
    /// The deltas go.
    Clearing,
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

fn items(node: &Node) -> Option<BTreeMap<Key, Item>> {
    let one =
        |node: &Node| Some((Key::new(node.get("kind")?.text()?, node.get("id")?.text()?), Item::of(node)));
    node.list()?.iter().map(one).collect()
}

fn write_items(items: &BTreeMap<Key, Item>) -> String {
    let all: Vec<_> = items.iter().map(|(key, item)| item.text(key, true)).collect();
    format!("[\n{}\n]", all.join(",\n"))
}

/// A value that lost, as an entity of what it said.
fn write_lost(conflict: &Conflict) -> String {
    let set = conflict.fields.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
    let item = Item {
        version: conflict.dot.count,
        at: conflict.at.ms,
        by: conflict.dot.replica.0.clone(),
        deleted: false,
        fields: Fields(set.collect()),
    };
    let unset: Vec<_> =
        conflict.fields.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
    format!("[{},{}]", item.text(&conflict.key, true), json!(unset))
}

fn read_lost(node: &Node) -> Option<Conflict> {
    let [said, unset] = node.list()? else { return None };
    let item = Item::of(said);
    let set = item.fields.0.into_iter().map(|(name, value)| (name, Some(value)));
    let unset = unset.list()?.iter().map(|name| Some((Arc::from(name.text()?), None)));
    let fields = set.map(Some).chain(unset).collect::<Option<_>>()?;
    Some(Conflict {
        key: Key::new(said.get("kind")?.text()?, said.get("id")?.text()?),
        dot: Dot { replica: ReplicaId(item.by), count: item.version },
        at: Hybrid { ms: item.at, count: 0 },
        reason: Reason::SameField,
        fields,
    })
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
        self.plan(config, fs, now, 0)
    }

    fn is_dirty(&self, key: &Key) -> bool {
        let version = |items: &BTreeMap<Key, Item>| items.get(key).map_or(0, |item| item.version);
        version(&self.items) != version(&self.synced)
    }

    fn plan(&mut self, config: &Config, fs: &dyn Fs, now: Now, tries: u32) -> Next {
        let meta = Meta::read(fs);
        let is_dirty = self.items.keys().any(|key| self.is_dirty(key));
        if !is_dirty && meta.as_ref().is_some_and(|meta| meta.count == self.count) {
            return Next::Done(std::mem::take(&mut self.report));
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
            Some(Step::Clearing) | None => Next::Done(std::mem::take(&mut self.report)),
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
            return Next::Done(std::mem::take(&mut self.report));
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
        self.items.get(key).map(|item| shown(key, item))
    }

    /// Every entity, deleted ones too.
    pub(super) fn all(&self) -> impl Iterator<Item = Shown> + '_ {
        self.items.iter().map(|(key, item)| shown(key, item))
    }

    /// Values that lost at this replica.
    pub(super) fn conflicts(&self) -> impl Iterator<Item = Conflict> + '_ {
        self.lost.iter().cloned()
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

fn shown(key: &Key, item: &Item) -> Shown {
    Shown {
        key: key.clone(),
        version: item.version,
        dot: None,
        last_modified_ms: item.at,
        deleted: item.deleted,
        fields: if item.deleted { Fields::default() } else { item.fields.clone() },
    }
}

/// What the folder holds.
struct Remote {
    meta: Meta,
    layout: Layout,
    /// Entities that the meta file has a version of.
    keys: Vec<Key>,
    /// In the split-lite layout: everything.
    whole: BTreeMap<Key, Item>,
}

impl Remote {
    fn look(layout: Layout, fs: &dyn Fs, meta: Meta) -> Self {
        let mut remote = Self { meta, layout, keys: Vec::new(), whole: BTreeMap::new() };
        if layout == Layout::SplitLite {
            let deltas = fs.list(&Path::shared("deltas")).unwrap_or_default().into_iter();
            for path in [Path::shared("data.json")].into_iter().chain(deltas.map(|entry| entry.path)) {
                let Ok(content) = fs.read(&path, 0) else { continue };
                let found =
                    Node::parse(content.bytes()).ok().and_then(|node| items(&node)).unwrap_or_default();
                for (key, item) in found {
                    let older = remote.whole.get(&key).is_none_or(|known| known.version <= item.version);
                    if older {
                        remote.whole.insert(key, item);
                    }
                }
            }
            remote.keys = remote.whole.keys().cloned().collect();
            return remote;
        }
        for entry in fs.list(&Path::shared("entities")).unwrap_or_default() {
            // Of `task_a_b.json` the kind is taken to be what comes before the first underscore.
            let name = entry.name().strip_suffix(".json").and_then(|name| name.split_once('_'));
            if let Some((kind, id)) = name.filter(|(_, id)| remote.meta.versions.contains_key(*id)) {
                remote.keys.push(Key::new(kind, id));
            }
        }
        remote
    }

    /// An entity as the folder has it; `None` if it cannot be read.
    fn item(&self, key: &Key, fs: &dyn Fs) -> Option<Item> {
        match self.layout {
            Layout::SplitLite => self.whole.get(key).cloned(),
            Layout::Split => {
                let node = Node::parse(fs.read(&entity_path(key), 0).ok()?.bytes()).ok()?;
                node.object().map(|_| Item::of(&node))
            }
        }
    }
}
