//! What shrinking a trace came to.

use cloudchamber_folder::checks::Violation;
use cloudchamber_folder::shrink::{Rule, Size};
use serde::Serialize;

/// What `shrink --json` prints.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ShrinkReport {
    /// The commit it was built from.
    pub(crate) commit: String,
    pub(crate) system: String,
    pub(crate) file: String,
    /// Where the shrunk trace is.
    pub(crate) output: String,
    /// Whose violation was kept.
    pub(crate) checker: String,
    /// The violation as the shrunk trace shows it.
    pub(crate) violation: Violation,
    /// What could be left out.
    pub(crate) rule: Rule,
    /// Whether the scenario was run again with fewer faults.
    pub(crate) new_runs: bool,
    pub(crate) before: Size,
    pub(crate) after: Size,
    /// How many replays and new runs it took.
    pub(crate) replays: u64,
    /// Whether it ended because no more were allowed.
    pub(crate) spent: bool,
    /// The command that replays the shrunk trace.
    pub(crate) reproduce: String,
}
