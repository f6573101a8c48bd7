//! One scenario, run and judged.

use std::path::Path;

use cloudchamber_folder::scenario::{self, Scenario};
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::trace::{COMMIT, Outcome};
use cloudchamber_folder::{System, Variant};

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
    ScenarioReport {
        file: file.display().to_string(),
        system: S::NAME.into(),
        design: design.text().into(),
        policy: policy.map(str::to_owned),
        about: scenario.about.clone(),
        expect: scenario.expect.clone(),
        ok: judgement.is_ok(),
        outcome: match judgement {
            Ok(()) if violated.is_empty() => "holds".into(),
            Ok(()) => format!("violates {} as expected", violated.join(", ")),
            Err(missed) => missed,
        },
        violated,
        seed: scenario.seed,
        hash: format!("{:016x}", outcome.hash),
        violations: outcome.findings.violations.clone(),
        reproduce,
        trace,
    }
}
