//! `check`: the main job.

use std::path::Path;
use std::time::Instant;

use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::trace::COMMIT;
use cloudchamber_host::throughput::Load;

use crate::bench::report::{BenchReport, Mode};
use crate::bench::{self, DESIGNS, Order};
use crate::check::models::{Keep, Wanted};
use crate::check::{Out, models, regressions, scenarios, side_by_side, swarms, syncthing};
use crate::claims::{self, documents};
use crate::cli::{CheckArgs, SystemName};
use crate::commands::jobs;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::html;
use crate::json::{CheckReport, ModelReport, ScenarioReport};
use crate::known::{Known, Work, with_system_name};
use crate::progress;
use crate::tables;

/// Seeds of each swarm, without and with `--quick`.
const SEEDS: [u64; 2] = [2_000, 200];

/// Seeds of each cell of a claim's table, without and with `--quick`.
const CLAIM_SEEDS: [u64; 2] = [4_000, 1_000];

/// Seeds of each failover time, without and with `--quick`.
const BENCH_SEEDS: [u64; 2] = [50, 4];

/// The systems that there are.
const SYSTEMS: [SystemName; 2] = [SystemName::Failover, SystemName::Journal];

/// Checks everything and leaves the report.
pub(crate) fn run(args: &CheckArgs, json: bool) -> Result<Verdict, Failure> {
    let began = Instant::now();
    let systems = match args.system {
        Some(system) => {
            with_system_name(system, Exists)?;
            vec![system]
        }
        None => SYSTEMS.to_vec(),
    };
    let has = |name: &str| systems.iter().any(|system| system.text() == name);
    let dir = files::scenarios_dir(args.scenarios.as_deref())?;
    let out = Out { dir: &args.out };
    let jobs = jobs(args.jobs);
    let size = usize::from(args.quick);

    let mut paths = Vec::new();
    for system in &systems {
        paths.extend(files::toml_files(&dir.join(system.text()))?);
    }
    let bar = progress::bar("scenarios", u64::try_from(paths.len()).expect("a number of files"));
    let checked = side_by_side(jobs, &paths, |path| {
        let report = scenarios::check(path, &out);
        bar.inc(1);
        report
    });
    bar.finish_and_clear();
    let scenarios = checked.into_iter().collect::<Result<Vec<_>, _>>()?;

    let file = dir.join("regressions.toml");
    let kept = regressions::read(&file)?;
    let kept = side_by_side(jobs, &kept, |entry| regressions::check(&file, entry, &out));
    let kept = kept.into_iter().collect::<Result<Vec<_>, _>>()?;
    let kept: Vec<ScenarioReport> = kept.into_iter().filter(|report| has(&report.system)).collect();

    let mut found = Vec::new();
    for entry in swarms::read(&dir.join("swarms.toml"))?.iter().filter(|entry| has(entry.system())) {
        found.push(swarms::check(entry, args.seeds.unwrap_or(SEEDS[size]), jobs, &out)?);
    }
    let claims = match has(SystemName::Failover.text()) {
        true => vec![claims::failover_success(CLAIM_SEEDS[size], jobs, &out)?],
        false => vec![],
    };
    let bench = match has(SystemName::Failover.text()) {
        true => vec![failover_times(BENCH_SEEDS[size], jobs, args.quick)?],
        false => vec![],
    };
    let journals = match has(SystemName::Journal.text()) {
        true => vec![bench::journal::run(super::bench::EVENTS[size], Load::MILLION.machines)?],
        false => vec![],
    };
    let syncthing = syncthing::table();

    let models = bounded(&dir, &systems, args.quick, &out)?;
    let ok = models.iter().all(|model| model.ok)
        && scenarios.iter().chain(&kept).all(|report| report.ok)
        && found.iter().all(|swarm| swarm.missed.is_empty())
        && syncthing.iter().all(|row| row.ok);
    let report = CheckReport {
        commit: COMMIT.into(),
        quick: args.quick,
        scenarios,
        regressions: kept,
        swarms: found,
        models,
        documents: bench.iter().flat_map(|measured| documents::of(&measured.cells)).collect(),
        bench,
        journals,
        claims,
        syncthing,
        wall_s: began.elapsed().as_secs_f64(),
        ok,
    };
    let text = files::to_json(&report);
    out.write("report.json", &text)?;
    out.write("report.html", &html::page(&report))?;
    if json {
        files::print(&text);
    } else {
        tables::check(&report);
        files::print(&format!("      {}\n", out.path("report.html").display()));
    }
    Ok(Verdict::of(report.ok))
}

/// How long failovers take: in every provider's folder, or in those that have curves and without these.
fn failover_times(seeds: u64, jobs: usize, quick: bool) -> Result<BenchReport, Failure> {
    let few = super::bench::CURVES.map(str::to_owned).to_vec();
    let (profiles, curves) = match quick {
        true => (few, vec![]),
        false => (Profile::names().map(str::to_owned).collect(), few),
    };
    let (designs, modes) = (DESIGNS.into(), Mode::ALL.into());
    bench::measure(&Order { profiles, designs, modes, seeds, jobs, curves })
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
