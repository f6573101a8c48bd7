//! What a run or a replay came to.

use std::collections::BTreeMap;

use cloudchamber_folder::checks::Violation;
use cloudchamber_folder::scenario::Expect;
use serde::{Deserialize, Serialize};

/// What `run --json` and `replay --json` print.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunReport {
    pub(crate) commit: String,
    #[serde(flatten)]
    pub(crate) run: ScenarioReport,
    pub(crate) profile: String,
    pub(crate) choices: u64,
    pub(crate) at_ms: u64,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) samples: BTreeMap<&'static str, Vec<u64>>,
    /// The first difference between a replay and what was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) differs: Option<String>,
}

/// One scenario of a check.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct ScenarioReport {
    pub(crate) file: String,
    pub(crate) system: String,
    pub(crate) design: String,
    pub(crate) policy: Option<String>,
    pub(crate) about: String,
    pub(crate) expect: Expect,
    /// In a word or a sentence how it came out.
    pub(crate) outcome: String,
    pub(crate) ok: bool,
    /// The checkers that failed, as opposed to those that only count.
    pub(crate) violated: Vec<String>,
    pub(crate) seed: u64,
    /// The trace hash, 16 hexadecimal digits.
    pub(crate) hash: String,
    pub(crate) violations: Vec<Violation>,
    pub(crate) reproduce: String,
    /// The trace, relative to the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
}
