//! What a scenario file will do.

use serde::Serialize;

/// What `scenario explain --json` prints.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ScenarioReport {
    pub(crate) file: String,
    pub(crate) system: String,
    /// What it shows, in the words of the file.
    pub(crate) about: String,
    pub(crate) sections: Vec<Section>,
    /// The command that runs it.
    pub(crate) run: String,
}

/// Some sentences under a heading.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Section {
    pub(crate) heading: String,
    pub(crate) lines: Vec<String>,
}
