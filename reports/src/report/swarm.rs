//! What a swarm found.

use std::collections::BTreeMap;

use cloudchamber_folder::checks::{Kind, Violation};
use cloudchamber_sim::Shape;
use serde::{Deserialize, Serialize};

use crate::report::distribution::Distribution;
use crate::report::words::written_ms;

/// What `swarm --json` prints, and one entry of a check's `swarms`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct SwarmReport {
    pub(crate) system: String,
    pub(crate) design: String,
    pub(crate) policy: Option<String>,
    pub(crate) profile: String,
    /// The commit it was built from.
    pub(crate) commit: String,
    /// Faults that were switched on or off whatever the profile says.
    pub(crate) faults: BTreeMap<String, bool>,
    /// How large the runs were, where it was not drawn.
    #[serde(default, skip_serializing_if = "is_drawn")]
    pub(crate) shape: Shape,
    pub(crate) seeds: Seeds,
    /// The trace hashes of all seeds together, 16 hexadecimal digits: the same for the same seeds and the same code.
    pub(crate) hash: String,
    /// Virtual time of all runs.
    pub(crate) simulated_s: f64,
    /// Real time; of shards, the sum.
    pub(crate) wall_s: f64,
    pub(crate) runs_per_s: f64,
    /// Processor time, of all cores together.
    #[serde(default)]
    pub(crate) cpu_s: f64,
    /// How much virtual time goes by in a second of processor time: runs are of different lengths.
    #[serde(default)]
    pub(crate) simulated_s_per_cpu_s: f64,
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
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Seeds {
    pub(crate) from: u64,
    /// The one after the last.
    pub(crate) to: u64,
    /// How many were run.
    pub(crate) run: u64,
    /// In how many of them something failed.
    #[serde(default)]
    pub(crate) failed: u64,
}

/// What one checker said.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Verdict {
    pub(crate) checker: String,
    pub(crate) kind: Kind,
    /// What it means, for a person.
    #[serde(default)]
    pub(crate) about: String,
    /// Whether the variant gives it up for something else, and says so: it is told, and fails nothing.
    #[serde(default)]
    pub(crate) conceded: bool,
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

impl SwarmExpect {
    /// Whether a violation of a checker is as expected.
    pub(crate) fn allows(&self, checker: &String) -> bool {
        self.violates.contains(checker) || self.may_violate.contains(checker)
    }
}

impl Verdict {
    /// Whether some run violated it, and it is not just counted.
    pub(crate) fn is_violated(&self) -> bool {
        !matches!(self.kind, Kind::Reached | Kind::Counted) && self.violated > 0
    }

    /// Whether some run violated it, and it has to hold.
    pub(crate) fn has_failed(&self) -> bool {
        self.is_violated() && !self.conceded
    }
}

fn is_drawn(shape: &Shape) -> bool {
    *shape == Shape::default()
}

impl SwarmReport {
    /// Which swarm it is, in the words of the command.
    pub(crate) fn name(&self) -> String {
        let policy = self.policy.iter().map(|policy| format!("{policy} ")).collect::<String>();
        format!("{} {} {policy}{}", self.system, self.design, self.profile)
    }

    /// What was not left to the draw, in words: faults that are on or off, and how large the runs are.
    pub(crate) fn fixed(&self) -> Vec<String> {
        let on = |on: bool| if on { "on" } else { "off" };
        let range = |from: String, to: String| if from == to { from } else { format!("{from} to {to}") };
        let faults = self.faults.iter().map(|(name, is_on)| format!("{name} {}", on(*is_on)));
        let replicas = self
            .shape
            .replicas
            .map(|[from, to]| format!("{} replicas", range(from.to_string(), to.to_string())));
        let runs = self
            .shape
            .run_ms
            .map(|[from, to]| format!("runs of {}", range(written_ms(from), written_ms(to))));
        faults.chain(replicas).chain(runs).collect()
    }

    /// Whether nothing failed: no property that has to hold, and no second run.
    pub(crate) fn held(&self) -> bool {
        !self.verdicts.iter().any(Verdict::has_failed)
            && self.determinism.mismatches == 0
            && self.missed.is_empty()
    }
}
