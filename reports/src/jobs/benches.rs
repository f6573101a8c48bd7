//! The benches that a check runs, each for one system.

use cloudchamber_folder::System as _;
use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::systems::delta::DeltaSystem;
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_folder::systems::journal::JournalSystem;
use cloudchamber_folder::systems::notes::NotesSystem;
use cloudchamber_host::throughput::Load;

use crate::failure::Failure;
use crate::jobs::claims::{self, documents, entities, failover_success};
use crate::jobs::failover_times::{self, CURVES};
use crate::jobs::journals;
use crate::jobs::out::Out;
use crate::jobs::throughput;
use crate::report::bench::{Bench, FailoverBench, TaskBench};
use crate::report::failover_times::Mode;

/// Seeds of each failover time, without and with `--quick`.
const TIME_SEEDS: [u64; 2] = [50, 4];

/// Seeds of each cell of a claim's table, without and with `--quick`.
const CLAIM_SEEDS: [u64; 2] = [4_000, 1_000];

/// Seeds of each share of runs that a claim of entities or notes is about, without and with `--quick`.
const SHARE_SEEDS: [u64; 2] = [200, 20];

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

impl Size {
    /// In whose folders what is claimed is measured.
    fn profiles(&self) -> Vec<String> {
        match self.quick {
            true => CURVES.map(str::to_owned).to_vec(),
            false => Profile::names().map(str::to_owned).collect(),
        }
    }

    /// Seeds of each share of runs.
    fn share_seeds(&self) -> u64 {
        SHARE_SEEDS[usize::from(self.quick)]
    }
}

/// All benches.
pub(crate) const ALL: [Entry; 4] = [
    Entry { system: FailoverSystem::NAME, run: failover },
    Entry { system: JournalSystem::NAME, run: journal },
    Entry { system: DeltaSystem::NAME, run: delta },
    Entry { system: NotesSystem::NAME, run: notes },
];

/// How long failovers take, in every provider's folder or in those that have curves and without these; and what the
/// documents say of it.
fn failover(size: &Size, out: &Out<'_>) -> Result<Bench, Failure> {
    let Size { quick, jobs } = *size;
    let success = failover_success(CLAIM_SEEDS[usize::from(quick)], jobs, out)?;
    let profiles = size.profiles();
    let curves = if quick { vec![] } else { CURVES.map(str::to_owned).to_vec() };
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

/// How fast entities are, and what their plan claims.
fn delta(size: &Size, _: &Out<'_>) -> Result<Bench, Failure> {
    let throughput = throughput::delta(size.quick)?;
    let documents = entities::claims(&size.profiles(), size.share_seeds(), size.jobs, &throughput)?;
    Ok(Bench::Delta(TaskBench { throughput, documents }))
}

/// How fast notes are, and what their document claims.
fn notes(size: &Size, _: &Out<'_>) -> Result<Bench, Failure> {
    let throughput = throughput::notes(size.quick)?;
    let documents = claims::notes::claims(&size.profiles(), size.share_seeds(), size.jobs)?;
    Ok(Bench::Notes(TaskBench { throughput, documents }))
}
