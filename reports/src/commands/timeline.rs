//! `timeline`: a trace as one page.

use std::path::Path;

use cloudchamber_folder::trace::{self, COMMIT, Trace};

use crate::commands::replay::refused;
use crate::commands::run::judged;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::html;
use crate::json::RunReport;
use crate::known::{Known, Work, with_system};
use crate::reproduce;
use crate::timeline::Timeline;

/// Draws the trace of a file. That the page could be drawn is what was asked for, whatever it shows.
pub(crate) fn run(file: &Path, output: &Path, json: bool) -> Result<Verdict, Failure> {
    let text = files::read(file)?;
    let system = trace::system_of(file, &text)?;
    let (page, report) = with_system(&system, Draw { file, text: &text })?;
    files::write(output, &page)?;
    if json {
        files::print(&files::to_json(&report));
    } else {
        files::print(&format!("{}: {}\n", output.display(), report.run.outcome));
    }
    Ok(Verdict::AsExpected)
}

struct Draw<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Work for Draw<'_> {
    type Output = (String, RunReport);

    fn on<S: Known>(self) -> Result<Self::Output, Failure> {
        let trace = Trace::<S>::parse(self.file, self.text)?;
        draw(&trace, self.file)
    }
}

/// The page of a trace that lies in `file`, and what there is to say of it.
///
/// # Errors
/// Where the world does not allow a choice of the trace.
pub(crate) fn draw<S: Known>(trace: &Trace<S>, file: &Path) -> Result<(String, RunReport), Failure> {
    let drawn = Timeline::of(trace);
    let (timeline, outcome) = drawn.map_err(|(index, why)| refused(file, &trace.commit, index, &why))?;
    let report = RunReport {
        commit: COMMIT.into(),
        run: judged(&trace.scenario, file, &outcome, reproduce::replay(file), None),
        profile: trace.scenario.profile.clone(),
        choices: outcome.choices,
        at_ms: outcome.at_ms,
        counts: outcome.findings.counts,
        samples: outcome.findings.samples,
        differs: None,
    };
    Ok((html::timeline_page(&timeline, &report), report))
}
