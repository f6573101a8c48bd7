//! Entities as the plan has them: flat objects with a version.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::super::entity::{Conflict, Fields, Key, RESERVED, Reason, Shown};
use super::super::vector::{Dot, ReplicaId};
use crate::kit::hlc::Hybrid;
use crate::kit::json::{Json, Node, quote};

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
    pub(super) fn of(node: &Node) -> Self {
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
    pub(super) fn text(&self, key: &Key, with_kind: bool) -> String {
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

    pub(super) fn same_content(&self, other: &Self) -> bool {
        let has =
            |(name, value): (&Arc<str>, &Json)| other.fields.get(name).is_some_and(|known| known.same(value));
        self.deleted == other.deleted
            && self.fields.0.len() == other.fields.0.len()
            && self.fields.0.iter().all(has)
    }

    /// It as people see it.
    pub(super) fn shown(&self, key: &Key) -> Shown {
        Shown {
            key: key.clone(),
            version: self.version,
            dot: None,
            last_modified_ms: self.at,
            deleted: self.deleted,
            fields: if self.deleted { Fields::default() } else { self.fields.clone() },
        }
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

pub(super) fn items(node: &Node) -> Option<BTreeMap<Key, Item>> {
    let one =
        |node: &Node| Some((Key::new(node.get("kind")?.text()?, node.get("id")?.text()?), Item::of(node)));
    node.list()?.iter().map(one).collect()
}

pub(super) fn write_items(items: &BTreeMap<Key, Item>) -> String {
    let all: Vec<_> = items.iter().map(|(key, item)| item.text(key, true)).collect();
    format!("[\n{}\n]", all.join(",\n"))
}

/// A value that lost, as an entity of what it said.
pub(super) fn write_lost(conflict: &Conflict) -> String {
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

pub(super) fn read_lost(node: &Node) -> Option<Conflict> {
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
