//! `timeline`: a trace as one page.

use std::path::Path;

use cloudchamber_folder::systems::Systems;

use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs;
use crate::show::html;

/// Draws the trace of a file. That the page could be drawn is what was asked for, whatever it shows.
pub(crate) fn run<L: Systems>(file: &Path, output: &Path, json: bool) -> Result<Verdict, Failure> {
    let (timeline, report) = jobs::timeline::of_file::<L>(file)?;
    files::write(output, &html::timeline_page(&timeline, &report))?;
    if json {
        files::print(&files::to_json(&report));
    } else {
        files::print(&format!("{}: {}\n", output.display(), report.run.outcome));
    }
    Ok(Verdict::AsExpected)
}
