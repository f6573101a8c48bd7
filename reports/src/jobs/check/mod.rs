//! The main job: every scenario, every regression, every swarm, every bounded model, and what is measured beside them.

mod regressions;
mod scenarios;
pub(crate) mod swarms;
mod syncthing;

use std::path::Path;
use std::time::Instant;

use cloudchamber_folder::profile::{Profile, Tag};
use cloudchamber_folder::systems::Systems;
use cloudchamber_folder::trace::COMMIT;

use crate::failure::Failure;
use crate::files;
use crate::jobs::benches::{self, Size};
use crate::jobs::models::{self, Keep, Wanted};
use crate::jobs::out::Out;
use crate::jobs::specification;
use crate::jobs::{progress, side_by_side};
use crate::report::check::{CheckReport, SCHEMA};
use crate::report::model::ModelReport;
use crate::report::profile::ProfileReport;
use crate::report::run::ScenarioReport;

/// Seeds of each swarm, without and with `--quick`.
const SEEDS: [u64; 2] = [2_000, 200];

/// What is to be checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<'a> {
    /// Whether with fewer seeds.
    pub(crate) quick: bool,
    /// Only this system; all where it is absent.
    pub(crate) system: Option<&'a str>,
    /// Seeds of each swarm; the check's own number where it is absent.
    pub(crate) seeds: Option<u64>,
    /// How many runs go on side by side.
    pub(crate) jobs: usize,
    /// Where the scenarios are.
    pub(crate) scenarios: &'a Path,
    /// Whether what comes after something that is not as expected is left out.
    pub(crate) fail_fast: bool,
}

/// Checks everything.
///
/// # Errors
/// Where a file is not what it should be, or a trace cannot be written.
pub(crate) fn check<L: Systems>(order: Order<'_>, out: &Out<'_>) -> Result<CheckReport, Failure> {
    let began = Instant::now();
    let systems = match order.system {
        Some(system) => vec![system],
        None => L::NAMES.to_vec(),
    };
    let has = |name: &str| systems.contains(&name);
    let Order { quick, jobs, scenarios: dir, .. } = order;
    let size = usize::from(quick);
    let goes_on = |ok: bool| ok || !order.fail_fast;
    let scenarios = each_scenario::<L>(dir, &systems, jobs, out)?;
    let mut ok = scenarios.iter().all(|report| report.ok);
    let mut regressions = Vec::new();
    if goes_on(ok) {
        regressions = each_regression::<L>(dir, &has, jobs, out)?;
        ok &= regressions.iter().all(|report| report.ok);
    }
    let mut swarms = Vec::new();
    for entry in swarms::read(&dir.join("swarms.toml"))?.iter().filter(|entry| has(entry.system())) {
        if goes_on(ok) {
            swarms.push(swarms::check::<L>(entry, order.seeds.unwrap_or(SEEDS[size]), jobs, out)?);
            ok &= swarms.last().is_none_or(|swarm| swarm.missed.is_empty());
        }
    }
    let mut benches = Vec::new();
    for bench in benches::ALL.iter().filter(|bench| has(bench.system) && goes_on(ok)) {
        benches.push((bench.run)(&Size { quick, jobs }, out)?);
    }
    let syncthing = syncthing::table();
    ok &= syncthing.iter().all(|row| row.ok);
    let mut models = Vec::new();
    if goes_on(ok) {
        models = bounded::<L>(dir, &systems, quick, out)?;
    }
    if has(specification::SYSTEM) && goes_on(ok) {
        for config in specification::rows(quick) {
            let counted = specification::check(config, 1, None)?.model;
            models.push(ModelReport { bytes_per_state: None, ..counted });
        }
    }
    ok &= models.iter().all(|model| model.ok);
    Ok(CheckReport {
        schema: SCHEMA,
        commit: COMMIT.into(),
        quick,
        scenarios,
        regressions,
        swarms,
        models,
        benches,
        syncthing,
        profiles: profiles(),
        wall_s: began.elapsed().as_secs_f64(),
        ok,
    })
}

/// How far each provider's values were measured.
fn profiles() -> Vec<ProfileReport> {
    let built_in = Profile::names().filter_map(Profile::named);
    let share = |profile: &Profile| {
        let count = |tag: Tag| profile.facts.iter().filter(|fact| fact.tag == tag).count();
        ProfileReport {
            name: profile.name.clone(),
            about: profile.about.clone(),
            measured: count(Tag::Measured),
            documented: count(Tag::Documented),
            reported: count(Tag::Reported),
            assumed: count(Tag::Assumed),
        }
    };
    built_in.map(|profile| share(&profile)).collect()
}

/// Every scenario file of some systems.
fn each_scenario<L: Systems>(
    dir: &Path,
    systems: &[&str],
    jobs: usize,
    out: &Out<'_>,
) -> Result<Vec<ScenarioReport>, Failure> {
    let mut paths = Vec::new();
    for system in systems {
        paths.extend(files::toml_files(&dir.join(system))?);
    }
    let bar = progress::bar("scenarios", u64::try_from(paths.len()).expect("a number of files"));
    let checked = side_by_side(jobs, &paths, |path| {
        let report = scenarios::check::<L>(path, out);
        bar.inc(1);
        report
    });
    bar.finish_and_clear();
    checked.into_iter().collect()
}

/// Every regression of the systems that are meant.
fn each_regression<L: Systems>(
    dir: &Path,
    is_meant: &impl Fn(&str) -> bool,
    jobs: usize,
    out: &Out<'_>,
) -> Result<Vec<ScenarioReport>, Failure> {
    let file = dir.join("regressions.toml");
    let kept = regressions::read(&file)?;
    let kept = side_by_side(jobs, &kept, |entry| regressions::check::<L>(&file, entry, out));
    let kept = kept.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(kept.into_iter().filter(|report| is_meant(&report.system)).collect())
}

/// The bounded models of some systems.
fn bounded<L: Systems>(
    scenarios: &Path,
    systems: &[&str],
    quick: bool,
    out: &Out<'_>,
) -> Result<Vec<ModelReport>, Failure> {
    let mut reports = Vec::new();
    for system in systems {
        let wanted = Wanted { system, design: None, policy: None, quick };
        for file in models::files::<L>(scenarios, wanted)? {
            reports.push(models::check::<L>(&file, 1, Keep::Beside(out))?);
        }
    }
    Ok(reports)
}
