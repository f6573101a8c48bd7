//! What a hunt through the hardened designs of a system found.

use serde::{Deserialize, Serialize};

/// A hunt, as `hunt --json` prints it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct HuntReport {
    pub(crate) commit: String,
    pub(crate) systems: Vec<String>,
    /// Where it looked, in order: scenarios, then bounded models, then swarms.
    pub(crate) places: Vec<Place>,
    pub(crate) wall_s: f64,
}

/// One place that was looked at.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Place {
    pub(crate) kind: PlaceKind,
    /// A file, or what a swarm is called.
    pub(crate) name: String,
    /// How many runs were made; of a bounded model, how many states were generated. 0 if it was passed over, because
    /// another place of its kind had found something and only the first was asked for.
    pub(crate) tried: u64,
    /// `None` if everything that has to hold did.
    pub(crate) found: Option<Found>,
}

/// What kind of place it is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PlaceKind {
    Model,
    Scenario,
    Swarm,
}

/// A property that fell.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Found {
    /// Its name; [`PANIC`] where the code gave up by itself.
    pub(crate) checker: String,
    /// Of a swarm, how many seeds it took, the failing one included; of a model, how many steps the counterexample has;
    /// of a scenario 1.
    pub(crate) after: u64,
    /// What was seen.
    pub(crate) what: String,
    /// The command that shows it again.
    pub(crate) reproduce: String,
}

/// The name of what falls where code panics.
pub(crate) const PANIC: &str = "panic";

impl HuntReport {
    /// Whether everything held.
    pub(crate) fn held(&self) -> bool {
        self.places.iter().all(|place| place.found.is_none())
    }
}
