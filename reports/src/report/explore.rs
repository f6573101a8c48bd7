//! What runs found that build on each other.

use std::collections::BTreeMap;

use cloudchamber_folder::checks::{Kind, Violation};
use serde::Serialize;

/// What `explore --json` prints.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ExploreReport {
    /// The commit it was built from.
    pub(crate) commit: String,
    pub(crate) system: String,
    pub(crate) design: String,
    pub(crate) policy: Option<String>,
    pub(crate) profile: String,
    pub(crate) runs: u64,
    /// How many of them began where another one had come to something new.
    pub(crate) branched: u64,
    /// In how many something failed that has to hold.
    pub(crate) failed: u64,
    /// In how many runs each kind of event came about.
    pub(crate) marks: BTreeMap<String, u64>,
    /// How many kinds of events, pairs of them, and kinds of events after a kind of fault were seen, in all explorations
    /// together.
    pub(crate) seen: usize,
    /// What was violated, in the order of the checkers' names.
    pub(crate) broken: Vec<BrokenReport>,
    /// Virtual time of all runs.
    pub(crate) simulated_s: f64,
    pub(crate) wall_s: f64,
}

/// What one checker found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BrokenReport {
    pub(crate) checker: String,
    pub(crate) kind: Kind,
    /// Whether it fails the design.
    pub(crate) fails: bool,
    /// In how many runs.
    pub(crate) runs: u64,
    /// After how many runs of its exploration for the first time, that one counted.
    pub(crate) after: u64,
    /// What was seen then.
    pub(crate) first: Violation,
    /// How often the future of that run was drawn anew on its way.
    pub(crate) turns: usize,
    /// Its trace.
    pub(crate) trace: String,
    /// The command that replays it.
    pub(crate) reproduce: String,
}

impl ExploreReport {
    /// Whether everything held that has to.
    pub(crate) fn held(&self) -> bool {
        self.failed == 0
    }
}
