//! One scenario, run and judged.

use std::collections::BTreeMap;
use std::path::Path;

use cloudchamber_folder::scenario::{self, Expect, Scenario};
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::trace::{COMMIT, Outcome};
use cloudchamber_folder::{System, Variant};
use cloudchamber_live::LiveSystem;

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_system;
use crate::jobs::reproduce;
use crate::report::run::{RunReport, ScenarioReport};

/// Runs the scenario of a file, with another seed than the file's where one is given, and writes the trace where somebody
/// wants it.
///
/// # Errors
/// Where the file is not a scenario, or the trace cannot be written.
pub(crate) fn run<L: Systems>(
    file: &Path,
    seed: Option<u64>,
    trace: Option<&Path>,
) -> Result<RunReport, Failure> {
    let text = files::read(file)?;
    let system = scenario::system_of(file, &text)?;
    with_system::<L, _, _>(&system, One { file, text: &text, seed, trace })
}

struct One<'a> {
    file: &'a Path,
    text: &'a str,
    seed: Option<u64>,
    trace: Option<&'a Path>,
}

impl Work for One<'_> {
    type Output = Result<RunReport, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let mut scenario = Scenario::<S>::parse(self.file, self.text)?;
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        let run = cloudchamber_sim::run(&scenario, self.trace.is_some());
        if let (Some(path), Some(trace)) = (self.trace, &run.trace) {
            files::write(path, &trace.to_text())?;
        }
        let reproduce = reproduce::run(self.file, scenario.seed);
        let trace = self.trace.map(|path| path.display().to_string());
        Ok(RunReport {
            commit: COMMIT.into(),
            profile: scenario.profile.clone(),
            choices: run.outcome.choices,
            at_ms: run.outcome.at_ms,
            counts: run.outcome.findings.counts.clone(),
            samples: run.outcome.findings.samples.clone(),
            differs: None,
            run: judged(&scenario, self.file, &run.outcome, reproduce, trace),
        })
    }
}

/// What a run comes to that is not as expected: every checker that it violates, and the first thing that is amiss.
fn headline(expected: &[&str], others: &[&str], missed: &str) -> String {
    let and_as_expected = match expected {
        [] => String::new(),
        names => format!(", and {} as expected", names.join(", ")),
    };
    match others {
        // Something that was to be violated is not.
        [] if expected.is_empty() => missed.to_owned(),
        [] => format!("{missed}; violates {} as expected", expected.join(", ")),
        names => format!("violates {}{and_as_expected}: {missed}", names.join(", ")),
    }
}

/// Whether a run of a system has a verdict: of real directories nothing can fail, and what happened to them is counted.
pub(crate) fn is_judged<S: System>() -> bool {
    S::NAME != LiveSystem::NAME
}

/// What there is to say of a run that has no verdict: what was counted in it.
fn recorded(counts: &BTreeMap<&'static str, u64>) -> String {
    // A checker's name counts what is counted in words as well.
    let words = counts.iter().filter(|(name, _)| !name.contains('_'));
    let each = words.map(|(name, count)| {
        let name = if *count == 1 { name.strip_suffix('s').unwrap_or(name) } else { name };
        format!("{count} {name}")
    });
    format!("a recording: {}", each.collect::<Vec<_>>().join(", "))
}

/// A scenario's outcome beside its expectation.
pub(crate) fn judged<S: System>(
    scenario: &Scenario<S>,
    file: &Path,
    outcome: &Outcome,
    reproduce: String,
    trace: Option<String>,
) -> ScenarioReport {
    let judgement = scenario.judge(&outcome.findings);
    let Variant { design, policy } = S::variant(&scenario.settings);
    let fails = |name: &&str| cloudchamber_sim::fails::<S>(name);
    let names = outcome.findings.violations.iter().map(|violation| &*violation.checker);
    let violated: Vec<_> = names.filter(fails).map(str::to_owned).collect();
    let (expected, others): (Vec<_>, Vec<_>) = violated.iter().map(String::as_str).partition(|name| {
        let Expect { violates, may_violate, holds } = &scenario.expect;
        let is_in = |names: &[String]| names.iter().any(|other| other == name);
        (is_in(violates) || is_in(may_violate)) && !is_in(holds)
    });
    ScenarioReport {
        file: file.display().to_string(),
        system: S::NAME.into(),
        design: design.text().into(),
        policy: policy.map(str::to_owned),
        about: scenario.about.clone(),
        expect: scenario.expect.clone(),
        ok: judgement.is_ok(),
        outcome: match judgement {
            _ if !is_judged::<S>() => recorded(&outcome.findings.counts),
            Ok(()) if expected.is_empty() => "holds".into(),
            Ok(()) => format!("violates {} as expected", expected.join(", ")),
            Err(missed) => headline(&expected, &others, &missed),
        },
        violated: violated.clone(),
        seed: scenario.seed,
        hash: format!("{:016x}", outcome.hash),
        violations: outcome.findings.violations.clone(),
        reproduce,
        trace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_told_by_what_was_counted_in_it() {
        assert!(!is_judged::<LiveSystem>());
        let counts =
            [("versions", 1), ("conflicts", 3), ("broken arrivals", 0), ("what_arrives_is_whole", 2)];
        assert_eq!(recorded(&counts.into()), "a recording: 0 broken arrivals, 3 conflicts, 1 version");
    }

    #[test]
    fn the_headline_names_every_checker_that_is_violated() {
        assert_eq!(
            headline(&[], &[], "`x` was expected to be violated and held"),
            "`x` was expected to be violated and held"
        );
        assert_eq!(headline(&["a"], &[], "`x` held"), "`x` held; violates a as expected");
        assert_eq!(headline(&[], &["b", "c"], "b at 1 s"), "violates b, c: b at 1 s");
        assert_eq!(headline(&["a", "d"], &["b"], "b at 1 s"), "violates b, and a, d as expected: b at 1 s");
    }
}
