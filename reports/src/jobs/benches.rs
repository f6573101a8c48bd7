//! The benches that a check runs, each for one system.

use cloudchamber_folder::System as _;
use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_folder::systems::journal::JournalSystem;
use cloudchamber_host::throughput::Load;

use crate::failure::Failure;
use crate::jobs::claims::{documents, failover_success};
use crate::jobs::failover_times::{self, CURVES};
use crate::jobs::journals;
use crate::jobs::out::Out;
use crate::report::bench::{Bench, FailoverBench};
use crate::report::failover_times::Mode;

/// Seeds of each failover time, without and with `--quick`.
const TIME_SEEDS: [u64; 2] = [50, 4];

/// Seeds of each cell of a claim's table, without and with `--quick`.
const CLAIM_SEEDS: [u64; 2] = [4_000, 1_000];

/// A bench.
pub(crate) struct Entry {
    /// The system of which it measures something.
    pub(crate) system: &'static str,
    /// Measures it.
    pub(crate) run: fn(&Size, &Out<'_>) -> Result<Bench, Failure>,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Whether with fewer seeds and events.
    pub(crate) quick: bool,
    /// How many runs go on side by side.
    pub(crate) jobs: usize,
}

/// All benches.
pub(crate) const ALL: [Entry; 2] = [
    Entry { system: FailoverSystem::NAME, run: failover },
    Entry { system: JournalSystem::NAME, run: journal },
];

/// How long failovers take, in every provider's folder or in those that have curves and without these; and what the
/// documents say of it.
fn failover(size: &Size, out: &Out<'_>) -> Result<Bench, Failure> {
    let Size { quick, jobs } = *size;
    let success = failover_success(CLAIM_SEEDS[usize::from(quick)], jobs, out)?;
    let few = CURVES.map(str::to_owned).to_vec();
    let (profiles, curves) = match quick {
        true => (few, vec![]),
        false => (Profile::names().map(str::to_owned).collect(), few),
    };
    let (designs, modes) = (FailoverSystem::DESIGNS.to_vec(), Mode::ALL.into());
    let seeds = TIME_SEEDS[usize::from(quick)];
    let times =
        failover_times::measure(&failover_times::Order { profiles, designs, modes, seeds, jobs, curves })?;
    let documents = documents::of(&times.cells);
    Ok(Bench::Failover(Box::new(FailoverBench { times, documents, success })))
}

/// How fast journals are.
fn journal(size: &Size, _: &Out<'_>) -> Result<Bench, Failure> {
    journals::run(journals::EVENTS[usize::from(size.quick)], Load::MILLION.machines).map(Bench::Journal)
}
