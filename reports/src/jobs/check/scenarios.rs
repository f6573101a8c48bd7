//! Every scenario file: run twice on different threads, judged once.

use std::path::Path;

use cloudchamber_folder::System;
use cloudchamber_folder::scenario::{self, Scenario};
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_sim::Run;

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_system;
use crate::jobs::out::Out;
use crate::jobs::reproduce;
use crate::jobs::run::judged;
use crate::report::run::ScenarioReport;

/// Runs the scenario of a file twice, the second time under madsim, and leaves a trace where it violates anything.
///
/// # Errors
/// Where the file is not a scenario, or the trace cannot be written.
pub(crate) fn check<L: Systems>(file: &Path, out: &Out<'_>) -> Result<ScenarioReport, Failure> {
    let text = files::read(file)?;
    let system = scenario::system_of(file, &text)?;
    with_system::<L, _, _>(&system, Checked { file, text: &text, out })
}

struct Checked<'a> {
    file: &'a Path,
    text: &'a str,
    out: &'a Out<'a>,
}

impl Work for Checked<'_> {
    type Output = Result<ScenarioReport, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let scenario = Scenario::<S>::parse(self.file, self.text)?;
        let stem = self.file.file_stem().map_or_else(|| "scenario".into(), |stem| stem.to_string_lossy());
        let trace = format!("traces/{}/{stem}.jsonl", S::NAME);
        twice(&scenario, self.file, reproduce::run(self.file, scenario.seed), self.out, &trace)
    }
}

/// Runs a scenario twice, the second time under madsim, and judges it.
pub(crate) fn twice<S: System>(
    scenario: &Scenario<S>,
    file: &Path,
    reproduce: String,
    out: &Out<'_>,
    trace: &str,
) -> Result<ScenarioReport, Failure> {
    let first: Run<S> = cloudchamber_sim::run(scenario, true);
    let second = cloudchamber_sim::reference(scenario);
    let mut report = judged(scenario, file, &first.outcome, reproduce, None);
    if first.outcome != second {
        report.ok = false;
        let (one, two) = (first.outcome.hash, second.hash);
        report.outcome =
            format!("a second run of seed {} is another: {one:016x}, then {two:016x}", scenario.seed);
    }
    if let Some(recorded) = &first.trace
        && (!report.ok || !report.violations.is_empty())
    {
        report.trace = Some(out.trace(trace, recorded, Some(&first.outcome))?);
    }
    Ok(report)
}
