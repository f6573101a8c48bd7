//! How large a trace is, in what makes it hard to understand.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ReplicaId;
use crate::System;
use crate::profile::Arrival;
use crate::trace::Trace;
use crate::world::Choice;

/// How large a trace is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Size {
    /// How many choices it has.
    pub choices: usize,
    /// Whose processes start in it, in order.
    pub replicas: BTreeSet<ReplicaId>,
    /// How many faults there are in it, by kind. What ends a fault is not counted.
    pub faults: BTreeMap<String, u64>,
    /// When it ends, in ms of world time.
    pub end_ms: u64,
}

impl Size {
    /// The size of a trace.
    #[must_use]
    pub fn of<S: System>(trace: &Trace<S>) -> Self {
        let mut size = Self {
            choices: trace.choices.len(),
            replicas: BTreeSet::new(),
            faults: BTreeMap::new(),
            end_ms: trace.end.at_ms,
        };
        for at in &trace.choices {
            if let Choice::Open { replica, .. } = at.choice {
                size.replicas.insert(replica);
            }
            if let Some((kind, true)) = fault(&at.choice) {
                *size.faults.entry(kind.into()).or_insert(0) += 1;
            }
        }
        size
    }
}

/// The kinds of faults, in the order in which they are left out.
pub(super) const FAULTS: [&str; 12] = [
    "clock set",
    "disk full",
    "file broken",
    "file evicted",
    "folder lost",
    "index reset",
    "network lost",
    "notice lost",
    "op failed",
    "process died",
    "machine lost power",
    "machine slept",
];

/// Which kind of fault a choice belongs to, and whether it begins one, as opposed to ending it.
pub(super) fn fault<C, A>(choice: &Choice<C, A>) -> Option<(&'static str, bool)> {
    Some(match choice {
        Choice::Clock { .. } => ("clock set", true),
        Choice::Crash { loss: crate::world::Loss::Kept, .. } => ("process died", true),
        Choice::Crash { .. } => ("machine lost power", true),
        Choice::Disk { full, .. } => ("disk full", *full),
        Choice::Download { arrival, .. } if *arrival != Arrival::Whole => ("file broken", true),
        Choice::Evict { .. } => ("file evicted", true),
        Choice::Fetch { .. } => ("file evicted", false),
        Choice::Fail { .. } => ("op failed", true),
        Choice::Folder { reachable, .. } => ("folder lost", !*reachable),
        Choice::Network { online, .. } => ("network lost", !*online),
        Choice::ResetIndex { .. } => ("index reset", true),
        Choice::Sleep { .. } => ("machine slept", true),
        Choice::Wake { .. } => ("machine slept", false),
        Choice::Watch { lost: true, .. } => ("notice lost", true),
        _ => return None,
    })
}
