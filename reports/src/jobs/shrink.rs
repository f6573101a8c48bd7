//! A smaller trace that fails in the same way.

use std::path::Path;

use cloudchamber_folder::System;
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::shrink::{self, Options, Progress};
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::trace::{self, COMMIT, Trace};
use cloudchamber_live::LiveSystem;

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_system;
use crate::jobs::{progress, reproduce};
use crate::report::shrink::ShrinkReport;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Whose violation is to stay; where it is absent, the first one that the scenario does not expect, or else that it
    /// does.
    pub(crate) checker: Option<String>,
    /// How many replays it may take.
    pub(crate) replays_max: u64,
}

/// Shrinks the trace of a file into another file.
///
/// # Errors
/// Where the file is not a trace that fails, or the other one cannot be written.
pub(crate) fn shrink<L: Systems>(file: &Path, output: &Path, order: Order) -> Result<ShrinkReport, Failure> {
    let text = files::read(file)?;
    let system = trace::system_of(file, &text)?;
    if system == LiveSystem::NAME && !L::NAMES.contains(&&*system) {
        return Err(Failure::new(format!(
            "{0}: is a recording of real directories, in which nothing fails, so there is nothing to shrink; `cloudchamber \
             timeline {0} -o FILE.html` draws it, `cloudchamber replay {0} --story` tells it",
            file.display()
        )));
    }
    with_system::<L, _, _>(&system, Shrink { file, text: &text, output, order })
}

struct Shrink<'a> {
    file: &'a Path,
    text: &'a str,
    output: &'a Path,
    order: Order,
}

impl Work for Shrink<'_> {
    type Output = Result<ShrinkReport, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let Self { file, text, output, order } = self;
        let trace = Trace::<S>::parse(file, text)?;
        let bar = progress::bar("shrinking", order.replays_max);
        let mut tell = |progress: Progress| {
            bar.set_position(progress.replays);
            bar.set_message(format!("{} choices left", progress.choices));
        };
        let again = |scenario: &Scenario<S>| {
            cloudchamber_sim::run(scenario, true).trace.expect("a trace was asked for")
        };
        let options =
            Options { checker: order.checker, replays_max: order.replays_max, again: Some(Box::new(again)) };
        let shrunk = shrink::shrink(&trace, options, &mut tell);
        bar.finish_and_clear();
        let shrunk = shrunk.map_err(|why| Failure::new(format!("{}: {why}", file.display())))?;
        files::write(output, &shrunk.trace.to_text())?;
        Ok(ShrinkReport {
            commit: COMMIT.into(),
            system: S::NAME.into(),
            file: file.display().to_string(),
            output: output.display().to_string(),
            checker: shrunk.violation.checker.clone(),
            violation: shrunk.violation,
            rule: shrunk.rule,
            new_runs: shrunk.new_runs,
            before: shrunk.before,
            after: shrunk.after,
            replays: shrunk.replays,
            spent: shrunk.spent,
            reproduce: reproduce::replay(output),
        })
    }
}
