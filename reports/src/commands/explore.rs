//! `explore`: runs that build on each other.

use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use cloudchamber_core::Design;
use cloudchamber_folder::systems::Systems;
use cloudchamber_sim::Shape;

use crate::commands::values::{self, designs, replicas, run_ms, switch};
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::explore;
use crate::jobs::swarm::{Order, switches};
use crate::jobs::workers;
use crate::show::text;

#[derive(Args, Debug)]
pub(crate) struct ExploreArgs {
    /// Which system.
    #[arg(long)]
    system: String,
    /// Which design of it.
    #[arg(long, value_parser = designs(), default_value = "hardened")]
    design: Design,
    /// Which variant of the design, in the system's words: of the hardened failover available or majority.
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// Which provider, as `swarm` takes it.
    #[arg(long, default_value = "icloud")]
    profile: String,
    /// How many runs; of each 500 the later ones build on the earlier ones.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = RangedU64ValueParser::<u64>::new().range(1..=1_000_000_000))]
    runs: u64,
    /// The first seed: another one explores elsewhere.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = RangedU64ValueParser::<u64>::new().range(0..=1_000_000_000_000))]
    seed: u64,
    /// A kind of fault that is on or off whatever the profile says; `all` for every kind.
    #[arg(long, value_name = "NAME=on|off", value_parser = switch)]
    fault: Vec<(String, bool)>,
    /// How many replicas there are; where it is absent two to five, and now and then a crowd.
    #[arg(long, value_name = "N|A-B", value_parser = replicas)]
    replicas: Option<[u64; 2]>,
    /// How long faults happen and people work in a run, such as 20m or 10m-2h; where it is absent ten minutes, and now and
    /// then hours or days.
    #[arg(long, value_name = "TIME|A-B", value_parser = run_ms)]
    run: Option<[u64; 2]>,
    /// How many explorations go on side by side; as many as there are cores where it is absent.
    #[arg(long, value_name = "N", value_parser = values::jobs)]
    jobs: Option<usize>,
    /// Where the trace of the first run goes that violates a checker, for `replay`, `timeline` and `compare`.
    #[arg(short, long, value_name = "DIR", default_value = "target/cloudchamber/explored")]
    output: PathBuf,
}

/// Explores as the command line says.
pub(crate) fn run<L: Systems>(args: &ExploreArgs, json: bool) -> Result<Verdict, Failure> {
    let order = Order {
        design: args.design,
        policy: args.policy.clone(),
        profile: args.profile.clone(),
        faults: switches(&args.fault)?,
        shape: Shape { replicas: args.replicas, run_ms: args.run },
        seeds: args.seed..args.seed + args.runs,
        jobs: workers(args.jobs),
        keep_going: true,
        recheck_every: 0,
    };
    let report = explore::run::<L>(&args.system, &order, &args.output)?;
    files::print(&if json { files::to_json(&report) } else { text::explore::text(&report) });
    Ok(Verdict::of(report.held()))
}
