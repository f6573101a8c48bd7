//! `moment`: when a failing run became likely to fail.

use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;
use cloudchamber_folder::systems::Systems;

use crate::commands::values;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::moment::{Order, moment};
use crate::jobs::workers;
use crate::show::text;

#[derive(Args, Debug)]
pub(crate) struct MomentArgs {
    /// A trace of a run, or a scenario. Of a trace it is the scenario's run that is looked at, so one that was shrunk may
    /// not do.
    file: PathBuf,
    /// Another seed than the file's.
    #[arg(long)]
    seed: Option<u64>,
    /// Whose violation it is about. Where it is absent, the first one of the run that fails it and that its scenario does
    /// not expect, or else that it does.
    #[arg(long, value_name = "NAME")]
    checker: Option<String>,
    /// Into how many parts the time up to the violation is divided.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = RangedU64ValueParser::<u64>::new().range(1..=1_000))]
    parts: u64,
    /// How many futures are drawn at each moment.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = RangedU64ValueParser::<u64>::new().range(1..=100_000))]
    futures: u64,
    /// How many of them run side by side; as many as there are cores where it is absent.
    #[arg(long, value_name = "N", value_parser = values::jobs)]
    jobs: Option<usize>,
}

/// Looks for the moment. That it was looked for is what was asked, whatever came of it.
pub(crate) fn run<L: Systems>(args: &MomentArgs, json: bool) -> Result<Verdict, Failure> {
    let MomentArgs { file, seed, checker, parts, futures, jobs } = args;
    let order = Order {
        checker: checker.clone(),
        seed: *seed,
        parts: *parts,
        futures: *futures,
        jobs: workers(*jobs),
    };
    let report = moment::<L>(file, &order)?;
    files::print(&if json { files::to_json(&report) } else { text::moment::text(&report) });
    Ok(Verdict::AsExpected)
}
