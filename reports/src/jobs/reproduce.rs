//! The one command that shows a failure again.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use cloudchamber_model::notecove::{Config, Numbering};
use cloudchamber_sim::{Fault, Shape};
use serde::Deserialize;

use crate::called;
use crate::report::words::written_ms;

/// How the program is called.
static CALL: OnceLock<String> = OnceLock::new();

/// Says once, before anything is reported, how the program is called.
pub(crate) fn called(call: &str) {
    CALL.get_or_init(|| call.to_owned());
}

/// How the program is called: as it said, or as it can be told where nobody did, as in a test.
fn call() -> &'static str {
    CALL.get_or_init(called::here)
}

/// Runs a scenario file with a seed.
pub(crate) fn run(scenario: &Path, seed: u64) -> String {
    format!("{} run {} --seed {seed}", call(), word(&scenario.display().to_string()))
}

/// Looks for the moment from which on the run of a trace, or of a scenario file, was likely to fail.
pub(crate) fn moment(file: &Path, options: &str) -> String {
    format!("{} moment {}{options}", call(), word(&file.display().to_string()))
}

/// Checks a model file.
pub(crate) fn model(system: &str, file: &Path) -> String {
    format!("{} model check {system} --bounds {}", call(), word(&file.display().to_string()))
}

/// Counts the states of NoteCove's specification with the same constants.
pub(crate) fn specification(config: &Config) -> String {
    let Config { replicas, notes, updates_max, log_max, activity, deletions, numbering } = *config;
    let mut line = format!(
        "{} model spec --replicas {replicas} --notes {notes} --updates {updates_max} --log {log_max} --activity {}",
        call(),
        activity.text()
    );
    if !deletions {
        line.push_str(" --no-deletions");
    }
    if numbering == Numbering::FromOne {
        line.push_str(" --numbers-from-one");
    }
    line
}

/// Replays a trace.
pub(crate) fn replay(trace: &Path) -> String {
    format!("{} replay {}", call(), word(&trace.display().to_string()))
}

/// What a swarm was called with, as far as it decides what its seeds do.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct SwarmCall {
    pub(crate) system: String,
    pub(crate) design: String,
    pub(crate) policy: Option<String>,
    pub(crate) profile: String,
    #[serde(default)]
    pub(crate) faults: BTreeMap<String, bool>,
    #[serde(default)]
    pub(crate) shape: Shape,
}

impl SwarmCall {
    /// Runs some of the swarm's seeds.
    pub(crate) fn seeds(&self, seeds: Range<u64>) -> String {
        let Self { system, design, policy, profile, .. } = self;
        let policy = policy.iter().map(|policy| format!(" --policy {policy}")).collect::<String>();
        let faults: String = self.switches().iter().map(|switch| format!(" --fault {switch}")).collect();
        let shape: String = self.shape().iter().map(|option| format!(" {option}")).collect();
        let Range { start, end } = seeds;
        let call = call();
        format!(
            "{call} swarm --system {system} --design {design}{policy} --profile {profile}{faults}{shape} --seeds \
             {start}..{end}"
        )
    }

    /// Runs some of the swarm's seeds twice each.
    pub(crate) fn twice(&self, seeds: Range<u64>) -> String {
        format!("{} --recheck 1 --keep-going", self.seeds(seeds))
    }

    /// How large the runs are, as written on a command line; nothing where the swarm draws it.
    pub(crate) fn shape(&self) -> Vec<String> {
        let range = |[from, to]: [u64; 2], written: &dyn Fn(u64) -> String| {
            if from == to { written(from) } else { format!("{}-{}", written(from), written(to)) }
        };
        let replicas =
            self.shape.replicas.map(|many| format!("--replicas {}", range(many, &|count| count.to_string())));
        let run = self.shape.run_ms.map(|long| format!("--run {}", range(long, &written_ms)));
        replicas.into_iter().chain(run).collect()
    }

    /// The switches as written on a command line; `all` first where every fault is switched.
    fn switches(&self) -> Vec<String> {
        let text = |on: bool| if on { "on" } else { "off" };
        let mut base = None;
        let mut written = Vec::new();
        if self.faults.len() == Fault::ALL.len() {
            let on = self.faults.values().filter(|on| **on).count();
            let most = on * 2 > self.faults.len();
            base = Some(most);
            written.push(format!("all={}", text(most)));
        }
        let others = self.faults.iter().filter(|(_, on)| base != Some(**on));
        written.extend(others.map(|(name, on)| format!("{name}={}", text(*on))));
        written
    }
}

/// A word that a shell takes as one.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(faults: BTreeMap<String, bool>) -> SwarmCall {
        let (system, design, profile) = ("failover".into(), "published".into(), "icloud".into());
        SwarmCall { system, design, policy: None, profile, faults, shape: Shape::default() }
    }

    #[test]
    fn a_swarm_names_everything_that_decides() {
        let faults = BTreeMap::from([("sleep".to_owned(), false), ("crash".to_owned(), true)]);
        called("cloudchamber");
        insta::assert_snapshot!(call(faults).seeds(17..18), @"cloudchamber swarm --system failover --design published --profile icloud --fault crash=on --fault sleep=off --seeds 17..18");
    }

    #[test]
    fn a_swarm_says_how_large_its_runs_are() {
        let shape = Shape { replicas: Some([3, 3]), run_ms: Some([90_000, 7_200_000]) };
        let call = SwarmCall { shape, ..call(BTreeMap::new()) };
        assert_eq!(call.shape(), ["--replicas 3", "--run 90s-2h"]);
    }

    #[test]
    fn all_faults_are_one_word() {
        let mut faults: BTreeMap<_, _> =
            Fault::ALL.iter().map(|(name, _)| ((*name).to_owned(), false)).collect();
        faults.insert("crash".into(), true);
        assert_eq!(call(faults).switches(), ["all=off", "crash=on"]);
    }

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        assert_eq!(word("scenarios/a.toml"), "scenarios/a.toml");
        assert_eq!(word("my files/it's.toml"), r"'my files/it'\''s.toml'");
    }
}
