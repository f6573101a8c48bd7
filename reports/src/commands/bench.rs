//! `bench failover`: how long a failover takes, beside the bound; `bench journal`: how fast journals are.

use cloudchamber_folder::profile::Profile;
use cloudchamber_host::throughput::Load;

use crate::bench::report::Mode;
use crate::bench::{self, DESIGNS, Order};
use crate::check::Out;
use crate::cli::{BenchArgs, DesignName, JournalBenchArgs, PolicyName};
use crate::commands::jobs;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::html;
use crate::tables;

/// Seeds of each kind of event, without and with `--quick`.
const SEEDS: [u64; 2] = [100, 4];

/// On which providers other heartbeats and time-outs are tried where none is named: the one that was measured and
/// the one that the documents are written for.
pub(super) const CURVES: [&str; 2] = ["syncthing", "icloud"];

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
        jobs: jobs(args.jobs),
        curves,
    };
    let report = bench::measure(&order)?;
    let text = files::to_json(&report);
    if let Some(dir) = &args.out {
        let out = Out { dir };
        out.write("bench.json", &text)?;
        out.write("bench.html", &html::bench_page(&report))?;
    }
    if json {
        files::print(&text);
    } else {
        files::print(&tables::bench::text(&report));
    }
    Ok(Verdict::AsExpected)
}

/// How many events the journals have, without and with `--quick`.
pub(super) const EVENTS: [usize; 2] = [Load::MILLION.events, 40_000];

/// Measures journals as the command line says.
pub(crate) fn journal(args: &JournalBenchArgs, json: bool) -> Result<Verdict, Failure> {
    let events = args.events.unwrap_or(EVENTS[usize::from(args.quick)]);
    let report = bench::journal::run(events, args.machines)?;
    let text = files::to_json(&report);
    if let Some(dir) = &args.out {
        let out = Out { dir };
        out.write("bench-journal.json", &text)?;
        out.write("bench-journal.html", &html::journal_page(&report))?;
    }
    if json {
        files::print(&text);
    } else {
        files::print(&tables::journal::text(&report));
    }
    Ok(Verdict::AsExpected)
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
