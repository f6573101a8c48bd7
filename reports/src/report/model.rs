//! What a bounded model came to.

use serde::{Deserialize, Serialize};

/// One bounded model, as `model check --json` prints it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct ModelReport {
    pub(crate) file: String,
    pub(crate) about: String,
    pub(crate) system: String,
    pub(crate) design: String,
    pub(crate) policy: Option<String>,
    pub(crate) replicas: usize,
    /// States that differ.
    pub(crate) unique_states: usize,
    /// States reached, each as often as it was.
    pub(crate) generated_states: usize,
    /// Generated states.
    pub(crate) states_per_s: u64,
    /// The memory that the search took beside what was there before, for each state that differs; `None` if it
    /// cannot be told, or where there are too few states to tell.
    pub(crate) bytes_per_state: Option<u64>,
    /// The longest path that was looked at, in states.
    pub(crate) depth: usize,
    /// Whether every state within the bounds was looked at.
    pub(crate) complete: bool,
    pub(crate) properties: Vec<Property>,
    pub(crate) wall_s: f64,
    /// In a word or a sentence how it came out.
    pub(crate) outcome: String,
    pub(crate) ok: bool,
    /// The shortest way to the violation, a line a step.
    pub(crate) story: Vec<String>,
    pub(crate) reproduce: String,
    /// The counterexample's trace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
}

/// One property of a model.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) holds: bool,
    /// How many steps the shortest way to a violation has.
    pub(crate) path_len: Option<usize>,
}
