//! Reports as data. Times are whole milliseconds unless a key ends in `_s`.

use std::collections::BTreeMap;

use cloudchamber_folder::checks::{Kind, Violation};
use cloudchamber_folder::scenario::Expect;
use serde::{Deserialize, Serialize};

use crate::bench::journal::JournalReport;
use crate::bench::report::BenchReport;
use crate::claims::{ClaimTable, DocumentClaim};

/// What `swarm --json` prints, and one entry of a check's `swarms`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct SwarmReport {
    pub(crate) system: String,
    pub(crate) design: String,
    pub(crate) policy: Option<String>,
    pub(crate) profile: String,
    /// The commit it was built from.
    pub(crate) commit: String,
    /// Faults that were switched on or off whatever the profile says.
    pub(crate) faults: BTreeMap<String, bool>,
    pub(crate) seeds: Seeds,
    /// The trace hashes of all seeds together, 16 hexadecimal digits: the same for the same seeds and the same code.
    pub(crate) hash: String,
    /// Virtual time of all runs.
    pub(crate) simulated_s: f64,
    /// Real time; of shards, the sum.
    pub(crate) wall_s: f64,
    pub(crate) runs_per_s: f64,
    pub(crate) verdicts: Vec<Verdict>,
    /// What is counted and fails nothing.
    pub(crate) counted: Vec<Verdict>,
    pub(crate) determinism: Determinism,
    /// The command that runs the first seed that differed once more, twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recheck: Option<String>,
    /// From a loss until the system works again.
    pub(crate) convergence: Distribution,
    /// From a loss until all agree.
    pub(crate) agreement: Distribution,
    /// Whatever else was counted, by name.
    pub(crate) counts: BTreeMap<String, u64>,
    /// What a check expected of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expect: Option<SwarmExpect>,
    /// How that came out; empty where as expected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) missed: Vec<String>,
}

/// Which seeds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Seeds {
    pub(crate) from: u64,
    /// The one after the last.
    pub(crate) to: u64,
    /// How many were run.
    pub(crate) run: u64,
}

/// What one checker said.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) checker: String,
    pub(crate) kind: Kind,
    /// In how many runs it was violated; of a `reached` checker, 1 where it was not reached at all.
    pub(crate) violated: u64,
    /// The lowest seed that violates it.
    pub(crate) first_seed: Option<u64>,
    /// What was seen there.
    pub(crate) first: Option<Violation>,
    /// The command that shows it again.
    pub(crate) reproduce: Option<String>,
    /// The trace that shows it, relative to the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
}

/// Whether second runs were the same as the first.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Determinism {
    pub(crate) checked: u64,
    pub(crate) mismatches: u64,
    /// The seeds that differed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) seeds: Vec<u64>,
}

/// What a check expects of a swarm.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SwarmExpect {
    /// Checkers that some seed must violate.
    pub(crate) violates: Vec<String>,
    /// Checkers that seeds may violate as well.
    pub(crate) may_violate: Vec<String>,
    /// What some seed must reach.
    pub(crate) reaches: Vec<String>,
}

/// A distribution of durations in ms, exact: a value and how often it was seen.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Distribution {
    pub(crate) samples: u64,
    pub(crate) p50_ms: Option<u64>,
    pub(crate) p90_ms: Option<u64>,
    pub(crate) p99_ms: Option<u64>,
    pub(crate) max_ms: Option<u64>,
    /// Each duration with how often it was seen, so that shards add up to the whole.
    pub(crate) seen: BTreeMap<u64, u64>,
}

impl Distribution {
    /// Of durations and how often each was seen.
    pub(crate) fn new(seen: BTreeMap<u64, u64>) -> Self {
        let samples = seen.values().sum();
        let mut distribution =
            Self { samples, max_ms: seen.keys().next_back().copied(), seen, ..Self::default() };
        distribution.p50_ms = distribution.percentile(50);
        distribution.p90_ms = distribution.percentile(90);
        distribution.p99_ms = distribution.percentile(99);
        distribution
    }

    /// Of durations as they came.
    pub(crate) fn of(samples: &[u64]) -> Self {
        let mut seen = BTreeMap::new();
        for sample in samples {
            *seen.entry(*sample).or_insert(0) += 1;
        }
        Self::new(seen)
    }

    /// Both together.
    pub(crate) fn with(mut self, other: &Self) -> Self {
        for (ms, times) in &other.seen {
            *self.seen.entry(*ms).or_insert(0) += times;
        }
        Self::new(self.seen)
    }

    /// The shortest duration that at least `percent` of the samples do not exceed (nearest rank).
    pub(crate) fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (self.samples * percent).div_ceil(100).max(1);
        let mut below = 0;
        self.seen.iter().find_map(|(ms, times)| {
            below += times;
            (below >= rank).then_some(*ms)
        })
    }
}

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
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct ScenarioReport {
    pub(crate) file: String,
    pub(crate) system: String,
    pub(crate) about: String,
    pub(crate) expect: Expect,
    /// In a word or a sentence how it came out.
    pub(crate) outcome: String,
    pub(crate) ok: bool,
    pub(crate) seed: u64,
    /// The trace hash, 16 hexadecimal digits.
    pub(crate) hash: String,
    pub(crate) violations: Vec<Violation>,
    pub(crate) reproduce: String,
    /// The trace, relative to the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace: Option<String>,
}

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
    /// The memory that the search took beside what was there before, for each state that differs; none where it
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

/// What `check` leaves as `report.json`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct CheckReport {
    pub(crate) commit: String,
    pub(crate) quick: bool,
    pub(crate) scenarios: Vec<ScenarioReport>,
    pub(crate) regressions: Vec<ScenarioReport>,
    pub(crate) swarms: Vec<SwarmReport>,
    pub(crate) models: Vec<ModelReport>,
    /// How long failovers take, of some seeds.
    pub(crate) bench: Vec<BenchReport>,
    /// How fast journals are read, merged and rebuilt.
    pub(crate) journals: Vec<JournalReport>,
    /// What the failover documents claim.
    pub(crate) documents: Vec<DocumentClaim>,
    pub(crate) claims: Vec<ClaimTable>,
    /// What was measured on a real client beside what is simulated.
    pub(crate) syncthing: Vec<MeasuredRow>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_seen_values() {
        let distribution = Distribution::of(&[40, 10, 30, 20]);
        assert_eq!(
            (distribution.p50_ms, distribution.p90_ms, distribution.max_ms),
            (Some(20), Some(40), Some(40))
        );
        assert_eq!(Distribution::of(&[]).p50_ms, None);
        assert_eq!(Distribution::of(&[7]).p99_ms, Some(7));
    }

    #[test]
    fn shards_add_up_to_the_whole() {
        let samples: Vec<u64> = (0..500).map(|n| n * 37 % 101).collect();
        let (left, right) = samples.split_at(123);
        assert_eq!(Distribution::of(left).with(&Distribution::of(right)), Distribution::of(&samples));
    }
}
