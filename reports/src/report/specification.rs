//! What counting the states of NoteCove's specification came to.

use std::collections::BTreeMap;

use cloudchamber_model::notecove::Config;
use serde::Serialize;

use crate::report::model::ModelReport;

/// One configuration, as `model spec --json` prints it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SpecificationReport {
    /// As a bounded model.
    #[serde(flatten)]
    pub(crate) model: ModelReport,
    pub(crate) constants: Config,
    /// How often each kind of step was taken; one that several entries or logs make possible counts once.
    pub(crate) per_action: BTreeMap<String, u64>,
    /// Steps that edit a note that the replica had deleted for good.
    pub(crate) edits_after_deletion: u64,
    /// Steps after which somebody's clock says less than before.
    pub(crate) clock_decreases: u64,
    /// States with updates in which everybody has read everything.
    pub(crate) fully_synced: u64,
    /// What TLC counts; absent where it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tlc: Option<Tlc>,
}

/// What TLC counts.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Tlc {
    pub(crate) generated_states: u64,
    pub(crate) unique_states: u64,
    pub(crate) depth: u64,
}
