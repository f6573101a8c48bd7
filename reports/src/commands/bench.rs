//! `bench failover`: how long a failover takes, beside the bound; `bench journal`: how fast journals are.

use std::path::Path;

use cloudchamber_folder::profile::Profile;

use crate::commands::cli::{BenchArgs, JournalBenchArgs};
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::bench::journal::EVENTS;
use crate::jobs::bench::{self, CURVES, DESIGNS, Order};
use crate::jobs::known::{DesignName, PolicyName};
use crate::jobs::workers;
use crate::report::failover_times::Mode;
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
        designs: designs(args.design, args.policy)?,
        modes: Mode::ALL.into(),
        seeds: args.seeds.unwrap_or(SEEDS[usize::from(args.quick)]),
        jobs: workers(args.jobs),
        curves,
    };
    let report = bench::measure(&order)?;
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
    let report = bench::journal::run(events, args.machines)?;
    let data = files::to_json(&report);
    if let Some(dir) = &args.out {
        leave(dir, "bench-journal", &data, &html::journal_page(&report))?;
    }
    let shown = text::journal::text(&report);
    files::print(if json { &data } else { &shown });
    Ok(Verdict::AsExpected)
}

/// Leaves a report as data and as a page.
fn leave(dir: &Path, name: &str, data: &str, page: &str) -> Result<(), Failure> {
    files::write(&dir.join(format!("{name}.json")), data)?;
    files::write(&dir.join(format!("{name}.html")), page)
}

/// The designs that are meant.
fn designs(
    design: Option<DesignName>,
    policy: Option<PolicyName>,
) -> Result<Vec<(DesignName, Option<PolicyName>)>, Failure> {
    if design == Some(DesignName::Published) && policy.is_some() {
        return Err(Failure::new(
            "the published design has no policies; leave `--policy` out, or ask for `--design hardened`",
        ));
    }
    let meant = |entry: &&(DesignName, Option<PolicyName>)| {
        design.is_none_or(|design| entry.0 == design) && policy.is_none_or(|policy| entry.1 == Some(policy))
    };
    Ok(DESIGNS.iter().filter(meant).copied().collect())
}
