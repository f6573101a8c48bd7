//! `replay`: a trace, choice by choice.

use std::path::Path;

use cloudchamber_folder::systems::Systems;

use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs;
use crate::show::text;

/// Replays the trace of a file, and with `story` tells it on the way.
pub(crate) fn run<L: Systems>(file: &Path, story: bool, json: bool) -> Result<Verdict, Failure> {
    let tell = |line: &str| files::print(&format!("{line}\n"));
    let report = jobs::replay::replay::<L>(file, story.then_some(&tell))?;
    files::print(&if json { files::to_json(&report) } else { text::run::text(&report) });
    Ok(Verdict::of(report.run.ok))
}
