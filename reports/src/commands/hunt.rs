//! `hunt`: whatever the hardened designs violate.

use std::path::PathBuf;

use clap::Args;
use cloudchamber_folder::systems::Systems;

use crate::commands::values;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::hunt::{Order, hunt};
use crate::jobs::workers;
use crate::show::text;

#[derive(Args, Debug)]
pub(crate) struct HuntArgs {
    /// Only this system.
    #[arg(long)]
    system: Option<String>,
    /// How many seeds each swarm gets.
    #[arg(long, value_name = "N", default_value_t = 200)]
    seeds: u64,
    /// Leaves the other scenarios alone once one has failed, and the other models once one has.
    #[arg(long)]
    first: bool,
    /// Searches the models that take minutes as well.
    #[arg(long)]
    thorough: bool,
    /// How many runs go on side by side; as many as there are cores where it is absent.
    #[arg(long, value_name = "N", value_parser = values::jobs)]
    jobs: Option<usize>,
    /// The directory with the scenarios; the nearest `scenarios` upwards where it is absent.
    #[arg(long, value_name = "DIR")]
    scenarios: Option<PathBuf>,
}

/// Hunts and tells what fell.
pub(crate) fn run<L: Systems>(args: &HuntArgs, json: bool) -> Result<Verdict, Failure> {
    let scenarios = files::scenarios_dir(args.scenarios.as_deref())?;
    let report = hunt::<L>(Order {
        system: args.system.as_deref(),
        seeds: args.seeds,
        first: args.first,
        thorough: args.thorough,
        jobs: workers(args.jobs),
        scenarios: &scenarios,
    })?;
    files::print(&if json { files::to_json(&report) } else { text::hunt::text(&report) });
    Ok(Verdict::of(report.held()))
}
