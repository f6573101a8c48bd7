//! `run`: one scenario file.

use std::path::Path;

use cloudchamber_folder::systems::Systems;

use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs;
use crate::show::text;

/// Runs the scenario of a file.
pub(crate) fn run<L: Systems>(
    file: &Path,
    seed: Option<u64>,
    trace: Option<&Path>,
    json: bool,
) -> Result<Verdict, Failure> {
    let report = jobs::run::run::<L>(file, seed, trace)?;
    files::print(&if json { files::to_json(&report) } else { text::run::text(&report) });
    Ok(Verdict::of(report.run.ok))
}
