//! `swarm`: many seeds, each with a configuration of its own drawing.

use std::ops::Range;

use cloudchamber_folder::systems::Systems;

use crate::commands::cli::SwarmArgs;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::swarm::{self, Order, switches};
use crate::jobs::workers;
use crate::show::text;

/// Runs a swarm as the command line says.
pub(crate) fn run<L: Systems>(args: &SwarmArgs, json: bool) -> Result<Verdict, Failure> {
    let seeds = match args.shard {
        Some((part, of)) => shard(&args.seeds, part, of),
        None => args.seeds.clone(),
    };
    let order = Order {
        design: args.design,
        policy: args.policy.clone(),
        profile: args.profile.clone(),
        faults: switches(&args.fault)?,
        seeds,
        jobs: workers(args.jobs),
        keep_going: args.keep_going,
        recheck_every: args.recheck,
    };
    let report = swarm::run::<L>(&args.system, &order, args.trace.as_deref())?;
    files::print(&if json { files::to_json(&report) } else { text::swarm::text(&report) });
    Ok(Verdict::of(report.held()))
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
