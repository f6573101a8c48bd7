//! `explore`: runs that build on each other.

use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use cloudchamber_folder::systems::Systems;

use crate::commands::runs::RunsArgs;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::explore;
use crate::show::text;

#[derive(Args, Debug)]
pub(crate) struct ExploreArgs {
    #[command(flatten)]
    what: RunsArgs,
    /// How many runs; of each 500 the later ones build on the earlier ones.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = RangedU64ValueParser::<u64>::new().range(1..=1_000_000_000))]
    runs: u64,
    /// The first seed: another one explores elsewhere.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = RangedU64ValueParser::<u64>::new().range(0..=1_000_000_000_000))]
    seed: u64,
    /// Where the trace of the first run goes that violates a checker, for `replay`, `timeline` and `compare`.
    #[arg(short, long, value_name = "DIR", default_value = "target/cloudchamber/explored")]
    output: PathBuf,
}

/// Explores as the command line says.
pub(crate) fn run<L: Systems>(args: &ExploreArgs, json: bool) -> Result<Verdict, Failure> {
    let order = args.what.order(args.seed..args.seed + args.runs)?;
    let report = explore::run::<L>(&args.what.system, &order, &args.output)?;
    files::print(&if json { files::to_json(&report) } else { text::explore::text(&report) });
    Ok(Verdict::of(report.held()))
}
