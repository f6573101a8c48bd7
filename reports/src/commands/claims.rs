//! `claims`: what the documents claim beside what was measured.

use cloudchamber_folder::profile::Profile;
use serde::Serialize;

use crate::bench::report::{BenchReport, Mode};
use crate::bench::{self, DESIGNS, Order};
use crate::check::Out;
use crate::claims::{ClaimTable, DocumentClaim, documents, failover_success};
use crate::cli::ClaimsArgs;
use crate::commands::jobs;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::tables;

/// Seeds of each measurement where nobody says.
const SEEDS: u64 = 50;

/// What `claims --json` prints.
#[derive(Serialize)]
struct Report {
    commit: String,
    seeds: u64,
    documents: Vec<DocumentClaim>,
    success: ClaimTable,
}

/// Measures and prints.
pub(crate) fn run(args: &ClaimsArgs, json: bool) -> Result<Verdict, Failure> {
    let jobs = jobs(args.jobs);
    let seeds = args.seeds.unwrap_or(SEEDS);
    let profiles = match &args.profile {
        Some(name) => vec![name.clone()],
        None => Profile::names().map(str::to_owned).collect(),
    };
    let modes = vec![Mode::Crash, Mode::Activation];
    let order = Order { profiles, designs: DESIGNS.into(), modes, seeds, jobs, curves: vec![] };
    let BenchReport { commit, cells, .. } = bench::measure(&order)?;
    let documents = documents::of(&cells);
    let success = failover_success(seeds, jobs, &Out { dir: &args.out })?;
    if json {
        files::print(&files::to_json(&Report { commit, seeds, documents, success }));
    } else {
        files::print(&tables::claims::text(&documents, &success));
    }
    Ok(Verdict::AsExpected)
}
