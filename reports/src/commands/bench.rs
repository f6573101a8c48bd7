//! `bench failover`: how long a failover takes, beside the bound; `bench journal`, `bench delta` and `bench notes`: how
//! fast journals, entities and notes are.

use std::path::Path;

use cloudchamber_core::Design;
use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_folder::{System as _, Variant, find};

use crate::commands::cli::{BenchArgs, JournalBenchArgs, ThroughputArgs};
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::failover_times::{self, CURVES, Order};
use crate::jobs::journals::{self, EVENTS};
use crate::jobs::workers;
use crate::report::failover_times::Mode;
use crate::report::throughput::ThroughputReport;
use crate::show::{html, text};

/// Seeds of each kind of event, without and with `--quick`.
const SEEDS: [u64; 2] = [100, 4];

/// Measures as the command line says.
pub(crate) fn run(args: &BenchArgs, json: bool) -> Result<Verdict, Failure> {
    let profiles = match &args.profile {
        Some(name) => vec![name.clone()],
        None => Profile::names().map(str::to_owned).collect(),
    };
    let curves = match &args.profile {
        _ if args.quick => vec![],
        Some(name) => vec![name.clone()],
        None => CURVES.map(str::to_owned).to_vec(),
    };
    let order = Order {
        profiles,
        designs: designs(args.design, args.policy.as_deref())?,
        modes: Mode::ALL.into(),
        seeds: args.seeds.unwrap_or(SEEDS[usize::from(args.quick)]),
        jobs: workers(args.jobs),
        curves,
    };
    let report = failover_times::measure(&order)?;
    let data = files::to_json(&report);
    if let Some(dir) = &args.out {
        leave(dir, "bench", &data, &html::bench_page(&report))?;
    }
    let shown = text::bench::text(&report);
    files::print(if json { &data } else { &shown });
    Ok(Verdict::AsExpected)
}

/// Measures journals as the command line says.
pub(crate) fn journal(args: &JournalBenchArgs, json: bool) -> Result<Verdict, Failure> {
    let events = args.events.unwrap_or(EVENTS[usize::from(args.quick)]);
    let report = journals::run(events, args.machines)?;
    let data = files::to_json(&report);
    if let Some(dir) = &args.out {
        leave(dir, "bench-journal", &data, &html::journal_page(&report))?;
    }
    let shown = text::journal::text(&report);
    files::print(if json { &data } else { &shown });
    Ok(Verdict::AsExpected)
}

/// Measures entities or notes as the command line says.
pub(crate) fn throughput(
    args: &ThroughputArgs,
    what: &str,
    measure: fn(bool) -> Result<ThroughputReport, Failure>,
    json: bool,
) -> Result<Verdict, Failure> {
    let report = measure(args.quick)?;
    let data = files::to_json(&report);
    if let Some(dir) = &args.out {
        leave(dir, &format!("bench-{what}"), &data, &html::throughput_page(&report))?;
    }
    let shown = text::throughput::text(&report);
    files::print(if json { &data } else { &shown });
    Ok(Verdict::AsExpected)
}

/// Leaves a report as data and as a page.
fn leave(dir: &Path, name: &str, data: &str, page: &str) -> Result<(), Failure> {
    files::write(&dir.join(format!("{name}.json")), data)?;
    files::write(&dir.join(format!("{name}.html")), page)
}

/// The designs that are meant.
fn designs(design: Option<Design>, policy: Option<&str>) -> Result<Vec<Variant>, Failure> {
    if let Some(policy) = policy {
        let variant = find::<FailoverSystem>(design.unwrap_or(Design::Hardened), Some(policy));
        return Ok(vec![variant.map_err(Failure::new)?]);
    }
    let meant = |variant: &&Variant| design.is_none_or(|design| variant.design == design);
    Ok(FailoverSystem::DESIGNS.iter().filter(meant).copied().collect())
}
