//! How long failovers take. Times are whole milliseconds.

use serde::{Deserialize, Serialize};

use crate::report::distribution::Distribution;

/// What `bench failover --json` prints, and the `bench` of a check.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct BenchReport {
    /// The commit it was built from.
    pub(crate) commit: String,
    /// How many seeds each kind of event got.
    pub(crate) seeds: u64,
    /// One for each provider and design.
    pub(crate) cells: Vec<Cell>,
    /// Other heartbeats and time-outs.
    pub(crate) curves: Vec<Curve>,
}

/// One provider and one design.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Cell {
    pub(crate) profile: String,
    pub(crate) design: String,
    pub(crate) policy: Option<String>,
    /// How soon one heartbeat of the active replica may follow another.
    pub(crate) heartbeat_ms: u64,
    /// How long without a sign of it the active replica is taken for alive, at least.
    pub(crate) timeout_ms: u64,
    pub(crate) quiet: Quiet,
    /// `None` if no active replica was seen.
    pub(crate) bounds: Option<Bounds>,
    pub(crate) events: Vec<Figures>,
}

/// What happens to the active replica.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// A person asks it to make another one active.
    Activation,
    /// Its process dies.
    Crash,
    /// Its machine falls asleep, and wakes 15 minutes later.
    Sleep,
}

impl Mode {
    pub(crate) const ALL: [Self; 3] = [Self::Crash, Self::Sleep, Self::Activation];

    /// What it is called.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Activation => "manual activation",
            Self::Crash => "crash",
            Self::Sleep => "sleep",
        }
    }
}

/// What was measured of one kind of event.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Figures {
    pub(crate) event: Mode,
    /// To exactly one active.
    pub(crate) one: Distribution,
    /// To exactly one active that every replica in reach names. A run that did not get there counts with the time it
    /// was watched.
    pub(crate) agreed: Distribution,
    /// How many runs did not get there.
    pub(crate) never: u64,
    /// In how many runs there was not exactly one active when the event came; they give no sample.
    pub(crate) unsettled: u64,
    /// Time with two active, of the runs in which there were.
    pub(crate) overlap: Distribution,
    pub(crate) noticed: Noticed,
    /// What no detector beats, until all agree.
    pub(crate) bound_ms: Option<u64>,
    /// The median until all agree, as a multiple of the bound; `None` if the bound is nothing. A design that makes
    /// more mistakes than the published one can be below 1.
    pub(crate) ratio: Option<f64>,
    /// The same beside a detector that makes as many mistakes as the design itself.
    pub(crate) ratio_of_own_mistakes: Option<f64>,
}

/// How the event was noticed and what it cost; of the runs that give a sample, and until all agree.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Noticed {
    /// From the event until the first replica suspects it.
    pub(crate) first: Distribution,
    /// In how many runs two replicas did within half a second of each other, the published design's wait before it
    /// verifies a claim.
    pub(crate) together: u64,
    /// In how many runs one replica took over, no other did, and never two were active.
    pub(crate) clean: u64,
    /// In how many runs two replicas changed a file apart from each other.
    pub(crate) conflicts: u64,
    /// How often that was a device's own file.
    pub(crate) device_conflicts: u64,
}

/// What was measured while nothing happened.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Quiet {
    /// For how long, times the replicas.
    pub(crate) replica_days: f64,
    /// How often a replica became active although nothing had happened to the one that was.
    pub(crate) false_failovers: u64,
    pub(crate) false_failovers_per_replica_day: f64,
    /// Time with two active, ms of a day.
    pub(crate) overlap_ms_per_day: u64,
    /// Files in the shared folder.
    pub(crate) writes_per_replica_hour: f64,
    /// Of these, those that active replicas wrote.
    pub(crate) writes_per_hour_of_active: f64,
    /// Of all writes, those within a second after one of another replica's, in percent.
    pub(crate) writes_together_percent: f64,
    /// Of all versions that reached the server, those that had been made apart from another, in percent.
    pub(crate) conflicts_percent: f64,
    /// How many of these were of a device's own file.
    pub(crate) device_conflicts: u64,
}

/// What the best failure detectors would need on the same folder, with as many writes as the design's active replica
/// makes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Bounds {
    /// With as many mistakes as the published design makes there.
    pub(crate) as_published: Bound,
    /// With as many mistakes as the design itself makes there.
    pub(crate) as_itself: Bound,
}

/// What one of them would need.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Bound {
    /// The time between two heartbeats that so many writes allow.
    pub(crate) period_ms: u64,
    /// How long after a heartbeat is due the detector waits for it.
    pub(crate) timeout_ms: u64,
    /// The median time until a heartbeat, or a later one, is with a reader.
    pub(crate) travel_ms: u64,
    /// The median until the loss is noticed: the time-out and half a period.
    pub(crate) noticed_ms: u64,
    /// The same until all agree: one way more.
    pub(crate) agreed_ms: u64,
}

/// One provider under other heartbeats and time-outs. The only event is the crash.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Curve {
    pub(crate) profile: String,
    pub(crate) points: Vec<Cell>,
    /// Settings that the design refuses, and why.
    pub(crate) refused: Vec<String>,
}
