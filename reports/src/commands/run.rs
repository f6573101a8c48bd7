//! `run`: one scenario file.

use std::path::Path;

use cloudchamber_folder::scenario::{self, Scenario};
use cloudchamber_folder::trace::{COMMIT, Outcome};
use cloudchamber_sim::run as simulate;

use crate::failure::{Failure, Verdict};
use crate::files;
use crate::json::{RunReport, ScenarioReport};
use crate::known::{Known, Work, with_system};
use crate::reproduce;
use crate::tables;

/// Runs the scenario of a file.
pub(crate) fn run(
    file: &Path,
    seed: Option<u64>,
    trace: Option<&Path>,
    json: bool,
) -> Result<Verdict, Failure> {
    let text = files::read(file)?;
    let system = scenario::system_of(file, &text)?;
    let report = with_system(&system, One { file, text: &text, seed, trace })?;
    if json {
        files::print(&files::to_json(&report));
    } else {
        tables::run(&report);
    }
    Ok(Verdict::of(report.run.ok))
}

struct One<'a> {
    file: &'a Path,
    text: &'a str,
    seed: Option<u64>,
    trace: Option<&'a Path>,
}

impl Work for One<'_> {
    type Output = RunReport;

    fn on<S: Known>(self) -> Result<RunReport, Failure> {
        let mut scenario = Scenario::<S>::parse(self.file, self.text)?;
        scenario.seed = self.seed.unwrap_or(scenario.seed);
        let run = simulate(&scenario, self.trace.is_some());
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

/// A scenario's outcome beside its expectation.
pub(crate) fn judged<S: Known>(
    scenario: &Scenario<S>,
    file: &Path,
    outcome: &Outcome,
    reproduce: String,
    trace: Option<String>,
) -> ScenarioReport {
    let judgement = scenario.judge(&outcome.findings);
    let fails = |name: &&str| cloudchamber_sim::fails::<S>(name);
    let names = outcome.findings.violations.iter().map(|violation| &*violation.checker);
    let violated: Vec<_> = names.filter(fails).collect();
    ScenarioReport {
        file: file.display().to_string(),
        system: S::NAME.into(),
        about: scenario.about.clone(),
        expect: scenario.expect.clone(),
        ok: judgement.is_ok(),
        outcome: match judgement {
            Ok(()) if violated.is_empty() => "holds".into(),
            Ok(()) => format!("violates {} as expected", violated.join(", ")),
            Err(missed) => missed,
        },
        seed: scenario.seed,
        hash: format!("{:016x}", outcome.hash),
        violations: outcome.findings.violations.clone(),
        reproduce,
        trace,
    }
}
