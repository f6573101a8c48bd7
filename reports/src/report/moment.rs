//! When a run became likely to fail.

use cloudchamber_folder::checks::Violation;
use serde::Serialize;

/// What `moment --json` prints.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MomentReport {
    /// The commit it was built from.
    pub(crate) commit: String,
    pub(crate) system: String,
    pub(crate) file: String,
    pub(crate) seed: u64,
    /// The violation of the run itself.
    pub(crate) violation: Violation,
    /// How many futures were drawn at each moment.
    pub(crate) futures: u64,
    /// In order of time. The first is the beginning, the last the violation.
    pub(crate) moments: Vec<Moment>,
    /// Between which two moments the share grew most; `None` if it grew nowhere by more than chance explains.
    pub(crate) jump: Option<Jump>,
    /// The command that makes this report.
    pub(crate) reproduce: String,
}

/// A moment of the run, and how many of its futures fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Moment {
    pub(crate) ms: u64,
    /// How many of the futures violate the same checker.
    pub(crate) fail: u64,
}

/// Where the share of futures that fail grew most.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Jump {
    /// The moment before it.
    pub(crate) from: Moment,
    /// The moment after it.
    pub(crate) to: Moment,
    /// What happened between them, a sentence each.
    pub(crate) happened: Vec<String>,
}
