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
    /// Where the time went.
    #[serde(default)]
    pub(crate) parts: Vec<Part>,
    /// Which shards of a check this is; absent if it is a whole one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shards: Option<Shards>,
    pub(crate) wall_s: f64,
    pub(crate) ok: bool,
}

/// A part of a check, and how long it took.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// Processor time, of all cores together.
    pub(crate) cpu_s: f64,
    pub(crate) wall_s: f64,
}

impl Part {
    /// The part that the swarms of a design are.
    pub(crate) fn of_swarms(system: &str, design: &str) -> String {
        format!("swarms of {system}, {design}")
    }
}

/// Some of the equal parts of a check. Of each list of a report a part has every `of`-th entry, the first part from the
/// first one on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Shards {
    /// Into how many parts it was divided.
    pub(crate) of: u64,
    /// Which of them these are, counted from 1, in order.
    pub(crate) parts: Vec<u64>,
}

impl Shards {
    /// Where in the list of a whole report the entry of this place belongs.
    ///
    /// # Panics
    /// If there are no parts.
    pub(crate) fn place(&self, at: usize) -> u64 {
        let part = self.parts[at % self.parts.len()];
        let round = u64::try_from(at / self.parts.len()).expect("entries that lie in memory");
        round * self.of + part - 1
    }

    /// Whether together they are the whole.
    pub(crate) fn is_whole(&self) -> bool {
        self.parts.iter().copied().eq(1..=self.of)
    }
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
