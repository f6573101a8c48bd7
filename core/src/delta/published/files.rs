//! The files of the folder as the plan has them.

use std::collections::BTreeMap;

use serde_json::json;

use super::super::Layout;
use super::super::entity::Key;
use super::item::{Item, items};
use crate::kit::json::Node;
use crate::{Content, Fs, FsOp, Now, Path};

/// `meta.json`.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Meta {
    pub(super) count: u64,
    pub(super) versions: BTreeMap<String, u64>,
}

impl Meta {
    /// What stands there. What cannot be read is not there.
    pub(super) fn read(fs: &dyn Fs) -> Option<Self> {
        let node = Node::parse(fs.read(&meta_path(), 0).ok()?.bytes()).ok()?;
        let versions = node.get("entityVersions")?.object()?.iter();
        let versions = versions.filter_map(|(id, version)| Some((id.clone(), version.count()?))).collect();
        Some(Self { count: node.get("globalUpdateCount")?.count()?, versions })
    }

    pub(super) fn op(&self, now: Now) -> FsOp {
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
pub(super) fn entity_path(key: &Key) -> Path {
    let name = format!("{}_{}.json", key.kind, key.id).replace(['/', '\0'], "-");
    Path::shared("entities").join(&name)
}

fn lock_path() -> Path {
    Path::shared("lock")
}

/// Who holds the lock; `None` if nobody does.
pub(super) fn lock_holder(fs: &dyn Fs) -> Option<String> {
    let content = fs.read(&lock_path(), 0).ok()?;
    Some(String::from_utf8_lossy(content.bytes()).into_owned())
}

/// Makes the lock.
pub(super) fn lock(by: &str) -> FsOp {
    FsOp::Replace { path: lock_path(), content: Content::from(by) }
}

/// Removes it.
pub(super) fn unlock() -> FsOp {
    FsOp::Remove { path: lock_path() }
}

/// What the folder holds.
pub(super) struct Remote {
    pub(super) meta: Meta,
    layout: Layout,
    /// Entities that the meta file has a version of.
    pub(super) keys: Vec<Key>,
    /// In the split-lite layout: everything.
    whole: BTreeMap<Key, Item>,
}

impl Remote {
    pub(super) fn look(layout: Layout, fs: &dyn Fs, meta: Meta) -> Self {
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
    pub(super) fn item(&self, key: &Key, fs: &dyn Fs) -> Option<Item> {
        match self.layout {
            Layout::SplitLite => self.whole.get(key).cloned(),
            Layout::Split => {
                let node = Node::parse(fs.read(&entity_path(key), 0).ok()?.bytes()).ok()?;
                node.object().map(|_| Item::of(&node))
            }
        }
    }
}
