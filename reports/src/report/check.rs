//! What a whole check found.

use serde::{Deserialize, Serialize};

use crate::report::bench::Bench;
use crate::report::model::ModelReport;
use crate::report::profile::ProfileReport;
use crate::report::run::ScenarioReport;
use crate::report::swarm::SwarmReport;

/// The version of `report.json`. It grows where a reader of the version before would read something else than it says.
pub(crate) const SCHEMA: u32 = 1;

/// What `check` leaves as `report.json`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct CheckReport {
    /// The version of this form, [`SCHEMA`].
    pub(crate) schema: u32,
    pub(crate) commit: String,
    pub(crate) quick: bool,
    pub(crate) scenarios: Vec<ScenarioReport>,
    pub(crate) regressions: Vec<ScenarioReport>,
    pub(crate) swarms: Vec<SwarmReport>,
    pub(crate) models: Vec<ModelReport>,
    pub(crate) benches: Vec<Bench>,
    /// What was measured on a real client beside what is simulated.
    pub(crate) syncthing: Vec<MeasuredRow>,
    /// How far what is simulated was measured.
    pub(crate) profiles: Vec<ProfileReport>,
    pub(crate) wall_s: f64,
    pub(crate) ok: bool,
}

/// One figure measured on a real client, and the same of its simulation.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct MeasuredRow {
    pub(crate) what: String,
    /// Of what the numbers count: ms, % or versions.
    pub(crate) unit: String,
    pub(crate) measured: u64,
    pub(crate) simulated: u64,
    /// The greatest difference that is accepted, in percent of what was measured.
    pub(crate) tolerance_percent: u64,
    pub(crate) ok: bool,
}
