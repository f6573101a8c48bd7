//! What is measured of systems, beside whether they hold.

use serde::{Deserialize, Serialize};

use crate::report::claims::{ClaimTable, DocumentClaim};
use crate::report::failover_times::BenchReport;
use crate::report::journals::JournalReport;
use crate::report::throughput::ThroughputReport;

/// One bench of a check. A new one is a variant here, a line in the list of `jobs::benches`, and an arm where reports
/// are shown.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bench {
    /// Failover times, and what the documents on them claim.
    Failover(Box<FailoverBench>),
    /// How fast journals are read, merged and rebuilt.
    Journal(JournalReport),
    /// How fast entities are merged and synced, and what their plan claims.
    Delta(TaskBench),
    /// How fast notes are loaded and found, and what their document claims.
    Notes(TaskBench),
}

/// What is measured of failover.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct FailoverBench {
    /// How long failovers take, of some seeds.
    pub(crate) times: BenchReport,
    /// Every figure of the documents beside what was measured.
    pub(crate) documents: Vec<DocumentClaim>,
    /// The claim on failover success, by the delay of files.
    pub(crate) success: ClaimTable,
}

/// What is measured of entities or notes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct TaskBench {
    pub(crate) throughput: ThroughputReport,
    /// What the document says beside what was measured.
    pub(crate) documents: Vec<DocumentClaim>,
}

impl Bench {
    /// Whether two benches measure the same thing.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}
