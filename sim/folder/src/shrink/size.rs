//! How large a trace is, in what makes it hard to understand.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::ReplicaId;
use crate::System;
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
            if let Some((kind, true)) = at.choice.fault() {
                *size.faults.entry(kind.into()).or_insert(0) += 1;
            }
        }
        size
    }
}
