//! Delta: entities with versions, each synced on its own, so that no edit is lost.
//!
//! The plan it goes back to (super-productivity, "Per-Entity Delta Sync") keeps one file per entity, counts versions,
//! and compares them in one `meta.json`. [`Design::PUBLISHED`] does just that, faults included; [`Design::HARDENED`]
//! does the same job so that it holds when files arrive late, in any order, cut, twice, or in an older version.
//!
//! # What hardened guarantees
//! - A change that was acknowledged is there, or was overwritten by one that had seen it, or is listed as a conflict
//!   that can be restored ([`entity`] has the rules).
//! - Replicas that have seen the same files show the same entities and list the same conflicts.
//! - What was deleted does not come back because of a replica that had not heard of it ([`graves`]).
//! - Nothing follows from a file that is missing, evicted, torn or of a later format. Into a folder that holds nothing of
//!   what it held, or lacks much of it, nothing is written until it is back or a person accepts it (`lack`).
//! - Values are kept to the last digit ([`kit::json`](crate::kit::json)), and fields may have any name but the five
//!   that the plan keeps for itself ([`entity::RESERVED`]).
//!
//! # How
//! Every shared file has one writer ([`layout`]). A replica publishes the entities it wrote itself, as states that are
//! joined ([`merge`]); what it says of itself in its meta file is a hint ([`meta`]). A sync is planned as a whole, and
//! may be interrupted between any two writes. A replica whose memory is older than what it did, because a backup was
//! restored or its local directory copied, finds that out and goes on under another id.

pub mod codec;
pub mod entity;
pub mod event;
pub mod examine;
pub mod graves;
pub mod import;
pub mod layout;
pub mod merge;
pub mod meta;
pub mod problem;
pub mod protocol;
pub mod published;
pub mod store;
mod sync;
pub mod vector;

mod identity;
mod lack;
mod look;
mod publish;
mod scan;
mod uphold;

pub use entity::{Conflict, Entity, Fields, Key, Reason, Shown};
pub use event::{Change, Command, Event, Report};
pub use problem::{Problem, ProblemKind};
pub use protocol::Delta;
use serde::{Deserialize, Serialize};
pub use vector::{Dot, ReplicaId, Vector};

use crate::kit::guard::Limit;
use crate::kit::hlc::AHEAD_MS_MAX;

/// Where entities lie in the shared folder.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// A file for each entity (the plan's option A).
    Split,
    /// A snapshot of all, and a file for the changes of each sync since (the plan's "Split-Lite").
    SplitLite,
}

impl Layout {
    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::SplitLite => "split-lite",
        }
    }

    /// The layout of a name; `None` if there is none.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Split, Self::SplitLite].into_iter().find(|layout| layout.name() == name)
    }
}

/// What decides between two versions of an entity.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merging {
    /// A join of what was written, by dots and version vectors.
    Join,
    /// Version numbers, a base of the last sync, and the wall clock.
    AgainstBase,
}

/// What keeps two replicas from writing at once.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Locking {
    /// Nothing has to: every file has one writer.
    None,
    /// The revision of `meta.json` is compared before it is replaced (the plan, 7.3).
    Revision,
    /// A file that is there while somebody syncs (the plan's other proposal), and the revision too.
    File,
}

/// How a folder is read, merged and written: one switch for each thing the two designs do differently.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Design {
    /// What decides between two versions.
    pub merging: Merging,
    /// Where entities lie.
    pub layout: Layout,
    /// What keeps two replicas from writing at once.
    pub locking: Locking,
}

impl Design {
    /// As the plan has it, faults included.
    pub const PUBLISHED: Self =
        Self { merging: Merging::AgainstBase, layout: Layout::Split, locking: Locking::Revision };

    /// The same job with the faults repaired.
    pub const HARDENED: Self = Self { merging: Merging::Join, layout: Layout::Split, locking: Locking::None };

    /// The same design in another layout.
    #[must_use]
    pub const fn in_layout(self, layout: Layout) -> Self {
        Self { layout, ..self }
    }
}

/// What does not change while a replica runs.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Config {
    /// How it reads, merges and writes.
    pub design: Design,
    /// What it is called. Its id is made of this and of what is drawn at its first start.
    pub replica: String,
    /// How often it syncs without being asked, in milliseconds; `None` if only when asked.
    pub sync_ms: Option<u64>,
    /// How long a replica may be silent before tombstones no longer wait for it, in milliseconds.
    pub retention_ms: u64,
    /// How far ahead of its own clock it follows the stamps of others, in milliseconds.
    pub ahead_ms_max: u64,
    /// Every how many syncs it looks at all files, whatever the metas say; 0 for never.
    pub scan_every: u64,
    /// How long after another replica wrote last this one says again what others could not read of it, in milliseconds.
    pub uphold_ms: u64,
    /// In the split-lite layout: how many delta files it leaves before it makes a snapshot of them.
    pub deltas_max: usize,
    /// How much of what the folder held may lack before nothing is written into it.
    pub guard: Limit,
}

impl Config {
    /// The configuration of a design with the usual values: a retention of 90 days, a day ahead, everything looked at
    /// once in 256 syncs, an hour until what others miss is said again, 16 deltas, the usual limit of what may lack, and no sync that was not asked for.
    #[must_use]
    pub fn new(design: Design, replica: &str) -> Self {
        Self {
            design,
            replica: replica.to_owned(),
            sync_ms: None,
            retention_ms: 90 * 86_400_000,
            ahead_ms_max: AHEAD_MS_MAX.unsigned_abs(),
            scan_every: 256,
            uphold_ms: 3_600_000,
            deltas_max: 16,
            guard: Limit::USUAL,
        }
    }

    /// Checks that the values fit together.
    ///
    /// # Errors
    /// A sentence that says which do not, and what to do.
    pub fn check(&self) -> Result<(), String> {
        if self.retention_ms <= self.ahead_ms_max {
            return Err(
                "retention_ms has to be more than ahead_ms_max: clocks that are followed are not absence"
                    .to_owned(),
            );
        }
        if self.sync_ms == Some(0) || self.deltas_max == 0 {
            return Err("sync_ms and deltas_max have to be at least 1".to_owned());
        }
        Ok(())
    }
}
