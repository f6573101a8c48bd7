//! `claims`: what the documents claim beside what was measured.

use cloudchamber_folder::System as _;
use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::systems::delta::DeltaSystem;
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_folder::systems::notes::NotesSystem;
use serde::Serialize;

use crate::commands::cli::ClaimsArgs;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::claims::{documents, entities, failover_success, notes};
use crate::jobs::failover_times::{self, Order};
use crate::jobs::out::Out;
use crate::jobs::{throughput, workers};
use crate::report::claims::{ClaimTable, DocumentClaim};
use crate::report::failover_times::{BenchReport, Mode};
use crate::show::{html, text};

/// Seeds of each measurement where nobody says.
const SEEDS: u64 = 50;

/// What `claims --json` prints.
#[derive(Default, Serialize)]
struct Report {
    commit: String,
    seeds: u64,
    /// Of failover.
    documents: Vec<DocumentClaim>,
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<ClaimTable>,
    delta: Vec<DocumentClaim>,
    notes: Vec<DocumentClaim>,
}

/// Measures and prints.
pub(crate) fn run(args: &ClaimsArgs, json: bool) -> Result<Verdict, Failure> {
    let jobs = workers(args.jobs);
    let seeds = args.seeds.unwrap_or(SEEDS);
    let profiles = match &args.profile {
        Some(name) => vec![name.clone()],
        None => Profile::names().map(str::to_owned).collect(),
    };
    let is_asked = |system: &str| args.system.as_ref().is_none_or(|asked| asked == system);
    let commit = cloudchamber_folder::trace::COMMIT.to_owned();
    let mut report = Report { commit, seeds, ..Report::default() };
    if is_asked(FailoverSystem::NAME) {
        let modes = vec![Mode::Crash, Mode::Activation];
        let designs = FailoverSystem::DESIGNS.to_vec();
        let order = Order { profiles: profiles.clone(), designs, modes, seeds, jobs, curves: vec![] };
        let BenchReport { cells, .. } = failover_times::measure(&order)?;
        report.documents = documents::of(&cells);
        let out = Out { dir: &args.out, draw: html::timeline_page };
        report.success = Some(failover_success(seeds, jobs, &out)?);
    }
    if is_asked(DeltaSystem::NAME) {
        report.delta = entities::claims(&profiles, seeds, jobs, &throughput::syncs()?)?;
    }
    if is_asked(NotesSystem::NAME) {
        report.notes = notes::claims(&profiles, seeds, jobs)?;
    }
    files::print(&if json { files::to_json(&report) } else { shown(&report) });
    Ok(Verdict::AsExpected)
}

fn shown(report: &Report) -> String {
    let mut shown = match &report.success {
        Some(success) => text::claims::text(&report.documents, success),
        None => String::new(),
    };
    for claims in [&report.delta, &report.notes] {
        shown.push_str(&text::claims::documents(claims));
    }
    shown
}
