//! `mutants`: faults planted on purpose, and who notices.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::commands::values;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::mutants::{self, Order};
use crate::jobs::workers;
use crate::show::text;

/// Seeds of each swarm, without and with `--quick`.
const SEEDS: [u64; 2] = [500, 40];

#[derive(Args, Debug)]
pub(crate) struct MutantsArgs {
    /// Only a few faults, with fewer seeds.
    #[arg(long)]
    quick: bool,
    /// Only the faults that this system has to notice.
    #[arg(long)]
    system: Option<String>,
    /// Only the faults that have this in their name.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// How many seeds each swarm gets; 500 where it is absent, 40 with `--quick`.
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
    /// Searches the models that take minutes as well, for each fault.
    #[arg(long)]
    thorough: bool,
    /// How many faults are tried side by side; as many as there are cores where it is absent.
    #[arg(long, value_name = "N", value_parser = values::jobs)]
    jobs: Option<usize>,
    /// After how many seconds a hunt is ended: a fault may keep a run from ever coming to rest.
    #[arg(long, value_name = "S", default_value_t = 1_800)]
    limit_s: u64,
    /// The directory with the scenarios, beside the sources; the nearest `scenarios` upwards where it is absent.
    #[arg(long, value_name = "DIR")]
    scenarios: Option<PathBuf>,
}

/// Plants, hunts, and tells what survived.
pub(crate) fn run(args: &MutantsArgs, json: bool) -> Result<Verdict, Failure> {
    let scenarios = files::scenarios_dir(args.scenarios.as_deref())?;
    let report = mutants::run(Order {
        quick: args.quick,
        system: args.system.as_deref(),
        only: args.only.as_deref(),
        seeds: args.seeds.unwrap_or(SEEDS[usize::from(args.quick)]),
        thorough: args.thorough,
        jobs: workers(args.jobs),
        limit: Duration::from_secs(args.limit_s),
        scenarios: &scenarios,
    })?;
    files::print(&if json { files::to_json(&report) } else { text::mutants::text(&report) });
    Ok(Verdict::of(report.ok()))
}
