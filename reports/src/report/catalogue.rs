//! The catalogue of the published designs' flaws, and what found each.

use serde::{Deserialize, Serialize};

/// The catalogue, as `catalogue --json` prints it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct CatalogueReport {
    pub(crate) commit: String,
    pub(crate) flaws: Vec<FlawReport>,
}

/// One flaw.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct FlawReport {
    pub(crate) system: String,
    /// Its number in the catalogue.
    pub(crate) number: String,
    /// What goes wrong, in a sentence.
    pub(crate) about: String,
    pub(crate) found: Found,
}

/// What found a flaw.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub(crate) enum Found {
    /// A bounded model.
    Model {
        checker: String,
        file: String,
        /// How many steps the shortest way to it has; `None` if the model did not show it.
        steps: Option<usize>,
        reproduce: String,
    },
    /// Nothing can.
    Neither { why: String },
    /// Random seeds.
    Swarm {
        checker: String,
        /// How many seeds were run, from 0 on.
        runs: u64,
        /// How many of them showed it.
        failed: u64,
        /// The lowest of them; `None` if none did.
        first_seed: Option<u64>,
        reproduce: String,
    },
}

impl Found {
    /// Whether it was found, or cannot be.
    fn is_as_said(&self) -> bool {
        match self {
            Self::Model { steps, .. } => steps.is_some(),
            Self::Neither { .. } => true,
            Self::Swarm { first_seed, .. } => first_seed.is_some(),
        }
    }

    /// What found it, in a few words.
    pub(crate) fn by(&self) -> String {
        match self {
            Self::Model { steps: Some(steps), .. } => format!("a model, in {steps} steps"),
            Self::Model { .. } => "no model".into(),
            Self::Neither { .. } => "neither".into(),
            Self::Swarm { first_seed: Some(seed), failed, runs, .. } => {
                format!("seed {seed}; {failed} of {runs}")
            }
            Self::Swarm { runs, .. } => format!("none of {runs} seeds"),
        }
    }
}

impl CatalogueReport {
    /// Whether every flaw was found that can be.
    pub(crate) fn is_as_said(&self) -> bool {
        self.flaws.iter().all(|flaw| flaw.found.is_as_said())
    }

    /// How many flaws were found by random seeds, how many in bounded models, and how many in neither.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let count = |is: fn(&Found) -> bool| self.flaws.iter().filter(|flaw| is(&flaw.found)).count();
        [
            count(|found| matches!(found, Found::Swarm { first_seed: Some(_), .. })),
            count(|found| matches!(found, Found::Model { steps: Some(_), .. })),
            count(|found| {
                !matches!(
                    found,
                    Found::Swarm { first_seed: Some(_), .. } | Found::Model { steps: Some(_), .. }
                )
            }),
        ]
    }
}
