//! The main job: every scenario, every regression, every swarm, every bounded model, and what is measured beside them.

mod regressions;
mod scenarios;
mod swarms;
mod syncthing;

use std::path::Path;
use std::time::Instant;

use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::trace::COMMIT;
use cloudchamber_host::throughput::Load;

use crate::failure::Failure;
use crate::files;
use crate::jobs::bench::{self, CURVES, DESIGNS, journal};
use crate::jobs::claims::{self, documents};
use crate::jobs::known::{Known, SystemName, Work, with_system_name};
use crate::jobs::models::{self, Keep, Wanted};
use crate::jobs::out::Out;
use crate::jobs::{progress, side_by_side};
use crate::report::check::CheckReport;
use crate::report::failover_times::{BenchReport, Mode};
use crate::report::model::ModelReport;
use crate::report::run::ScenarioReport;

/// Seeds of each swarm, without and with `--quick`.
const SEEDS: [u64; 2] = [2_000, 200];

/// Seeds of each cell of a claim's table, without and with `--quick`.
const CLAIM_SEEDS: [u64; 2] = [4_000, 1_000];

/// Seeds of each failover time, without and with `--quick`.
const BENCH_SEEDS: [u64; 2] = [50, 4];

/// The systems that there are.
const SYSTEMS: [SystemName; 2] = [SystemName::Failover, SystemName::Journal];

/// What is to be checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<'a> {
    /// Whether with fewer seeds.
    pub(crate) quick: bool,
    /// Only this system; all where it is absent.
    pub(crate) system: Option<SystemName>,
    /// Seeds of each swarm; the check's own number where it is absent.
    pub(crate) seeds: Option<u64>,
    /// How many runs go on side by side.
    pub(crate) jobs: usize,
    /// Where the scenarios are.
    pub(crate) scenarios: &'a Path,
}

/// Checks everything.
///
/// # Errors
/// Where a file is not what it should be, or a trace cannot be written.
pub(crate) fn check(order: Order<'_>, out: &Out<'_>) -> Result<CheckReport, Failure> {
    let began = Instant::now();
    let systems = match order.system {
        Some(system) => {
            with_system_name(system, Exists)?;
            vec![system]
        }
        None => SYSTEMS.to_vec(),
    };
    let has = |name: &str| systems.iter().any(|system| system.text() == name);
    let Order { quick, jobs, scenarios: dir, .. } = order;
    let size = usize::from(quick);
    let scenarios = each_scenario(dir, &systems, jobs, out)?;
    let regressions = each_regression(dir, &has, jobs, out)?;
    let mut swarms = Vec::new();
    for entry in swarms::read(&dir.join("swarms.toml"))?.iter().filter(|entry| has(entry.system())) {
        swarms.push(swarms::check(entry, order.seeds.unwrap_or(SEEDS[size]), jobs, out)?);
    }
    let claims = match has(SystemName::Failover.text()) {
        true => vec![claims::failover_success(CLAIM_SEEDS[size], jobs, out)?],
        false => vec![],
    };
    let bench = match has(SystemName::Failover.text()) {
        true => vec![failover_times(BENCH_SEEDS[size], jobs, quick)?],
        false => vec![],
    };
    let journals = match has(SystemName::Journal.text()) {
        true => vec![journal::run(journal::EVENTS[size], Load::MILLION.machines)?],
        false => vec![],
    };
    let syncthing = syncthing::table();
    let models = bounded(dir, &systems, quick, out)?;
    let ok = models.iter().all(|model| model.ok)
        && scenarios.iter().chain(&regressions).all(|report| report.ok)
        && swarms.iter().all(|swarm| swarm.missed.is_empty())
        && syncthing.iter().all(|row| row.ok);
    Ok(CheckReport {
        commit: COMMIT.into(),
        quick,
        scenarios,
        regressions,
        swarms,
        models,
        documents: bench.iter().flat_map(|measured| documents::of(&measured.cells)).collect(),
        bench,
        journals,
        claims,
        syncthing,
        wall_s: began.elapsed().as_secs_f64(),
        ok,
    })
}

/// Every scenario file of some systems.
fn each_scenario(
    dir: &Path,
    systems: &[SystemName],
    jobs: usize,
    out: &Out<'_>,
) -> Result<Vec<ScenarioReport>, Failure> {
    let mut paths = Vec::new();
    for system in systems {
        paths.extend(files::toml_files(&dir.join(system.text()))?);
    }
    let bar = progress::bar("scenarios", u64::try_from(paths.len()).expect("a number of files"));
    let checked = side_by_side(jobs, &paths, |path| {
        let report = scenarios::check(path, out);
        bar.inc(1);
        report
    });
    bar.finish_and_clear();
    checked.into_iter().collect()
}

/// Every regression of the systems that are meant.
fn each_regression(
    dir: &Path,
    is_meant: &impl Fn(&str) -> bool,
    jobs: usize,
    out: &Out<'_>,
) -> Result<Vec<ScenarioReport>, Failure> {
    let file = dir.join("regressions.toml");
    let kept = regressions::read(&file)?;
    let kept = side_by_side(jobs, &kept, |entry| regressions::check(&file, entry, out));
    let kept = kept.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(kept.into_iter().filter(|report| is_meant(&report.system)).collect())
}

/// How long failovers take: in every provider's folder, or in those that have curves and without these.
fn failover_times(seeds: u64, jobs: usize, quick: bool) -> Result<BenchReport, Failure> {
    let few = CURVES.map(str::to_owned).to_vec();
    let (profiles, curves) = match quick {
        true => (few, vec![]),
        false => (Profile::names().map(str::to_owned).collect(), few),
    };
    let (designs, modes) = (DESIGNS.into(), Mode::ALL.into());
    bench::measure(&bench::Order { profiles, designs, modes, seeds, jobs, curves })
}

/// The bounded models of some systems.
fn bounded(
    scenarios: &Path,
    systems: &[SystemName],
    quick: bool,
    out: &Out<'_>,
) -> Result<Vec<ModelReport>, Failure> {
    let mut reports = Vec::new();
    for system in systems {
        let wanted = Wanted { system: *system, design: None, policy: None, quick };
        for file in models::files(scenarios, wanted)? {
            reports.push(models::check(&file, 1, Keep::Beside(out))?);
        }
    }
    Ok(reports)
}

/// Whether a system is there at all.
struct Exists;

impl Work for Exists {
    type Output = ();

    fn on<S: Known>(self) -> Result<(), Failure> {
        Ok(())
    }
}
