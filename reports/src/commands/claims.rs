//! `claims`: what the documents claim beside what was measured.

use cloudchamber_folder::System as _;
use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::systems::failover::FailoverSystem;
use serde::Serialize;

use crate::commands::cli::ClaimsArgs;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::claims::{documents, failover_success};
use crate::jobs::failover_times::{self, Order};
use crate::jobs::out::Out;
use crate::jobs::workers;
use crate::report::claims::{ClaimTable, DocumentClaim};
use crate::report::failover_times::{BenchReport, Mode};
use crate::show::{html, text};

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
    let jobs = workers(args.jobs);
    let seeds = args.seeds.unwrap_or(SEEDS);
    let profiles = match &args.profile {
        Some(name) => vec![name.clone()],
        None => Profile::names().map(str::to_owned).collect(),
    };
    let modes = vec![Mode::Crash, Mode::Activation];
    let order =
        Order { profiles, designs: FailoverSystem::DESIGNS.to_vec(), modes, seeds, jobs, curves: vec![] };
    let BenchReport { commit, cells, .. } = failover_times::measure(&order)?;
    let documents = documents::of(&cells);
    let success = failover_success(seeds, jobs, &Out { dir: &args.out, draw: html::timeline_page })?;
    if json {
        files::print(&files::to_json(&Report { commit, seeds, documents, success }));
    } else {
        files::print(&text::claims::text(&documents, &success));
    }
    Ok(Verdict::AsExpected)
}
