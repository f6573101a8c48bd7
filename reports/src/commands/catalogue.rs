//! `catalogue`: every known flaw of the published designs, found without the scenario that was made for it.

use std::path::PathBuf;

use clap::Args;
use cloudchamber_folder::systems::Systems;

use crate::commands::values;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::catalogue::{Order, catalogue};
use crate::jobs::workers;
use crate::show::text;

#[derive(Args, Debug)]
pub(crate) struct CatalogueArgs {
    /// Only this system's.
    #[arg(long)]
    system: Option<String>,
    /// Only the flaw of this number, such as C2.
    #[arg(long, value_name = "NUMBER")]
    only: Option<String>,
    /// How many seeds each swarm gets; fewer where a run takes long.
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    seeds: u64,
    /// Prints tables in Markdown.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// How many runs go on side by side; as many as there are cores where it is absent.
    #[arg(long, value_name = "N", value_parser = values::jobs)]
    jobs: Option<usize>,
    /// The directory with the scenarios; the nearest `scenarios` upwards where it is absent.
    #[arg(long, value_name = "DIR")]
    scenarios: Option<PathBuf>,
}

/// Looks for the flaws and tells what found them.
pub(crate) fn run<L: Systems>(args: &CatalogueArgs, json: bool) -> Result<Verdict, Failure> {
    let scenarios = files::scenarios_dir(args.scenarios.as_deref())?;
    let report = catalogue::<L>(Order {
        system: args.system.as_deref(),
        only: args.only.as_deref(),
        seeds: args.seeds,
        jobs: workers(args.jobs),
        scenarios: &scenarios,
    })?;
    files::print(&match (json, args.markdown) {
        (true, _) => files::to_json(&report),
        (false, true) => text::catalogue::markdown(&report),
        (false, false) => text::catalogue::text(&report),
    });
    Ok(Verdict::of(report.is_as_said()))
}
