//! `swarm`: many seeds, each with a configuration of its own drawing.

use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use cloudchamber_folder::systems::Systems;

use crate::commands::cli::SwarmArgs;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::merge;
use crate::jobs::swarm::{self, Order};
use crate::report::swarm::SwarmReport;
use crate::show::text;

/// Runs a swarm as the command line says.
pub(crate) fn run<L: Systems>(args: &SwarmArgs, json: bool) -> Result<Verdict, Failure> {
    let seeds = match args.shard {
        Some((part, of)) => shard(&args.seeds, part, of),
        None => args.seeds.clone(),
    };
    let order = args.runs.order(seeds)?;
    let order = Order { keep_going: args.keep_going, recheck_every: args.recheck, ..order };
    let system = &*args.runs.system;
    let report = match args.for_time {
        None => swarm::run::<L>(system, &order, args.trace.as_deref())?,
        Some(time) => for_a_while::<L>(system, &order, args.trace.as_deref(), time)?,
    };
    files::print(&match (json, args.quiet) {
        (true, _) => files::to_json(&report),
        (false, true) => text::swarm::quiet(&report),
        (false, false) => text::swarm::text(&report),
    });
    Ok(Verdict::of(report.held()))
}

/// How many seeds each worker gets at a time where time counts.
const SEEDS_AT_A_TIME: u64 = 8;

/// Runs seeds from the first one on until the time is over, or one fails and nobody wants the others.
fn for_a_while<L: Systems>(
    system: &str,
    order: &Order,
    trace: Option<&Path>,
    time: Duration,
) -> Result<SwarmReport, Failure> {
    let began = Instant::now();
    let count = SEEDS_AT_A_TIME * u64::try_from(order.jobs).expect("at most a thousand");
    let mut seeds = order.seeds.start..order.seeds.start.saturating_add(count);
    let mut report = swarm::run::<L>(system, &Order { seeds: seeds.clone(), ..order.clone() }, trace)?;
    while began.elapsed() < time && (order.keep_going || report.held()) && seeds.end < u64::MAX {
        seeds = seeds.end..seeds.end.saturating_add(count);
        let trace = trace.filter(|_| report.verdicts.iter().all(|verdict| verdict.trace.is_none()));
        let next = swarm::run::<L>(system, &Order { seeds: seeds.clone(), ..order.clone() }, trace)?;
        report = merge::swarms(report, next).map_err(Failure::new)?;
    }
    Ok(report)
}

/// The seeds of one of several equal parts. Each seed is in exactly one part.
fn shard(seeds: &Range<u64>, part: u64, of: u64) -> Range<u64> {
    let cut = |part: u64| {
        let count = u128::from(seeds.end - seeds.start);
        seeds.start + u64::try_from(count * u128::from(part) / u128::from(of)).expect("at most the count")
    };
    cut(part - 1)..cut(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_every_seed_once() {
        for of in 1..9 {
            let parts: Vec<u64> = (1..=of).flat_map(|part| shard(&(10..37), part, of)).collect();
            assert_eq!(parts, (10..37).collect::<Vec<_>>(), "{of}");
        }
        assert_eq!(shard(&(0..u64::MAX), 2, 2).end, u64::MAX);
    }
}
