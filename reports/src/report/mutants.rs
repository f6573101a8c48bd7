//! What planted faults came to.

use serde::{Deserialize, Serialize};

/// Planted faults, as `mutants --json` prints them.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct MutantsReport {
    pub(crate) commit: String,
    /// How many seeds each swarm had.
    pub(crate) seeds: u64,
    pub(crate) mutants: Vec<MutantReport>,
    pub(crate) wall_s: f64,
}

/// One planted fault.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct MutantReport {
    pub(crate) name: String,
    /// What is wrong with the code, in a sentence.
    pub(crate) about: String,
    /// Where it is planted, from the root of the sources.
    pub(crate) file: String,
    pub(crate) systems: Vec<String>,
    /// Why nobody could be hurt, where nothing notices it.
    pub(crate) harmless: Option<String>,
    /// Whether its place in the code was come to at all while it was in force.
    pub(crate) is_reached: bool,
    /// The properties that fell, the most frequent first; empty if it survived.
    pub(crate) caught_by: Vec<String>,
    pub(crate) scenarios: Noticed,
    pub(crate) models: Noticed,
    pub(crate) swarms: Noticed,
    /// Seeds until a swarm noticed it, the median of all swarms; `None` if fewer than half of them did.
    pub(crate) seeds_median: Option<u64>,
    /// Steps of the shortest counterexample; `None` if no model has one.
    pub(crate) model_steps: Option<u64>,
    /// What shows it, as a command of the planted program; `None` if nothing does.
    pub(crate) reproduce: Option<String>,
    pub(crate) wall_s: f64,
}

/// How many of some places noticed a fault.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Noticed {
    pub(crate) by: usize,
    /// Of how many that were looked at.
    pub(crate) of: usize,
}

impl MutantReport {
    /// Whether a property fell, or somebody said why none could.
    pub(crate) fn is_accounted_for(&self) -> bool {
        !self.caught_by.is_empty() || self.harmless.is_some()
    }
}

impl MutantsReport {
    /// Whether every fault is accounted for.
    pub(crate) fn ok(&self) -> bool {
        self.mutants.iter().all(MutantReport::is_accounted_for)
    }
}
