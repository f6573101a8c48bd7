//! `replay`: a trace, choice by choice; or what real folders were seen to hold, beside the folder model.

use std::path::PathBuf;

use clap::Args;
use cloudchamber_folder::systems::Systems;

use crate::commands::values::short_time_ms;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs;
use crate::show::text;

#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// A trace, a shrunk trace or a model counterexample.
    #[arg(required_unless_present = "observed", conflicts_with = "observed")]
    file: Option<PathBuf>,
    /// Tells it on the way, a sentence a choice; what came to nothing is left out.
    #[arg(long, conflicts_with_all = ["json", "observed"])]
    story: bool,
    /// Asks instead whether the folder model allows what the replicas of a real folder were seen to hold, together: a
    /// history of each, as `cloudchamber-agent record` writes them. 1 if it does not, with the first line that no run of the
    /// model explains, and what it would have allowed there.
    #[arg(long, value_name = "HISTORY.jsonl", num_args = 1..)]
    observed: Vec<PathBuf>,
    /// By whose rules and hazards histories are judged: a built-in profile, or a file. Where it is absent, by the rules of
    /// any that fit, and every hazard that any has.
    #[arg(long, conflicts_with = "file")]
    profile: Option<String>,
    /// By how much the clocks of two replicas may be apart, with how late a change may be seen.
    #[arg(long, value_name = "TIME", conflicts_with = "file", default_value = "2s", value_parser = short_time_ms)]
    clock_error: u64,
}

/// Replays the trace of a file, and with `story` tells it on the way; or judges histories.
pub(crate) fn run<L: Systems>(args: &ReplayArgs, json: bool) -> Result<Verdict, Failure> {
    if let Some(file) = &args.file {
        let tell = |line: &str| files::print(&format!("{line}\n"));
        let report = jobs::replay::replay::<L>(file, args.story.then_some(&tell))?;
        files::print(&if json { files::to_json(&report) } else { text::run::text(&report) });
        return Ok(Verdict::of(report.run.ok));
    }
    let report = jobs::observed::judge(&args.observed, args.profile.as_deref(), args.clock_error)?;
    files::print(&if json { files::to_json(&report) } else { text::observed::text(&report) });
    Ok(Verdict::of(report.judged.ok))
}
