//! What is asked of a replica, and what it tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::entity::{Fields, Key};
use super::problem::Problem;
use super::vector::Dot;

/// One change that a person or an application makes.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// To set and unset fields of an entity, which is made if there is none.
    Put {
        /// Which entity.
        #[serde(flatten)]
        key: Key,
        /// The fields that are set, as a JSON object.
        #[serde(default)]
        set: Fields,
        /// The names of those that are unset.
        #[serde(default)]
        unset: BTreeSet<Arc<str>>,
    },
    /// To delete an entity.
    Delete {
        /// Which entity.
        #[serde(flatten)]
        key: Key,
    },
}

impl Change {
    /// A change that sets fields, given as a JSON object.
    ///
    /// # Panics
    /// If `set` is none.
    #[must_use]
    pub fn put(kind: &str, id: &str, set: &str) -> Self {
        let set = set.parse().unwrap_or_else(|flaw| panic!("{set}: {flaw}"));
        Self::Put { key: Key::new(kind, id), set, unset: BTreeSet::new() }
    }

    /// A change that deletes an entity.
    #[must_use]
    pub fn delete(kind: &str, id: &str) -> Self {
        Self::Delete { key: Key::new(kind, id) }
    }

    /// The entity it is about.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put { key, .. } | Self::Delete { key } => key,
        }
    }
}

/// What is asked of a replica.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// To make changes. All of them are acknowledged at once, or none.
    Change(Vec<Change>),
    /// To bring back what a conflict says.
    Restore(String),
    /// To say that what a conflict says is not wanted.
    Dismiss(String),
    /// To take over what the folder holds in the published layout.
    Import,
    /// To take over a whole state as the plan's predecessor kept it: its text.
    ImportState(String),
    /// To exchange with the folder.
    Sync,
    /// To say what a sync would do, and to do nothing.
    DryRun,
    /// To sync with the folder as it is, also if it was emptied or much of it is gone: a person says that it is meant so.
    Accept,
}

impl From<Change> for Command {
    fn from(change: Change) -> Self {
        Self::Change(vec![change])
    }
}

/// What a sync did, or would do.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Report {
    /// Entities that others changed.
    pub received: BTreeSet<Key>,
    /// Entities whose own changes others can see from now on.
    pub sent: BTreeSet<Key>,
    /// Conflicts that came up.
    pub conflicts: u64,
    /// Tombstones that every replica has seen, and that are dropped.
    pub collected: u64,
    /// Files that have not arrived or cannot be read: the next sync asks for them again.
    pub waiting: u64,
    /// What is wrong with files.
    pub problems: Vec<Problem>,
}

impl Report {
    pub(super) fn receive(&mut self, key: &Key) {
        self.received.insert(key.clone());
    }

    pub(super) fn send(&mut self, key: &Key) {
        self.sent.insert(key.clone());
    }

    /// How many entities of each kind.
    #[must_use]
    pub fn by_kind(keys: &BTreeSet<Key>) -> BTreeMap<&str, u64> {
        let mut counts = BTreeMap::new();
        for key in keys {
            *counts.entry(&*key.kind).or_insert(0) += 1;
        }
        counts
    }
}

impl fmt::Display for Report {
    /// Such as `5 tasks, 1 project received; 2 tasks sent; 1 conflict kept`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = |count: u64, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let entities = |keys: &BTreeSet<Key>, what: &str| {
            let counts = Self::by_kind(keys);
            let counts: Vec<_> = counts.into_iter().map(|(kind, count)| some(count, kind)).collect();
            (!counts.is_empty()).then(|| format!("{} {what}", counts.join(", ")))
        };
        let counted =
            |count: u64, what: &str, done: &str| (count > 0).then(|| format!("{} {done}", some(count, what)));
        let parts = [
            entities(&self.received, "received"),
            entities(&self.sent, "sent"),
            counted(self.conflicts, "conflict", "kept"),
            counted(self.collected, "tombstone", "collected"),
            counted(self.waiting, "file", "still to come"),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        f.write_str(&if parts.is_empty() { "nothing to do".to_owned() } else { parts.join("; ") })
    }
}

/// What a replica tells.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Event {
    /// A change is on this replica's disk: from now on it may not be lost.
    Acknowledged {
        /// The entity.
        key: Key,
        /// The write; `None` in the published design, which does not name writes.
        dot: Option<Dot>,
    },
    /// What a sync would do.
    DryRun {
        /// What it would move.
        report: Report,
        /// What else it would tell: that this replica goes on under another id, or looks at everything anew.
        events: Vec<Self>,
    },
    /// An op failed; what it belongs to may or may not have happened.
    Failed(String),
    /// What others had left was taken over.
    Imported {
        /// How many entities there were.
        found: u64,
        /// How many of them said something new.
        new: u64,
        /// What is wrong with the rest.
        problems: Vec<Problem>,
    },
    /// This replica goes on under another id, because its identity was copied or a backup was restored.
    NewIdentity {
        /// The id it had.
        old: String,
        /// The id it has.
        new: String,
    },
    /// It was away for longer than the retention, and has looked at everything anew.
    Rebuilt {
        /// How many entities are gone that it still had.
        dropped: u64,
    },
    /// It cannot do what was asked, and why.
    Refused(String),
    /// A sync is done.
    Synced(Report),
    /// A change says what is there already.
    Unchanged(Key),
}
