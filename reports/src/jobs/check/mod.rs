//! The main job: every scenario, every regression, every swarm, every bounded model, and what is measured beside them.

mod regressions;
mod scenarios;
pub(crate) mod swarms;
mod syncthing;

use std::path::{Path, PathBuf};
use std::time::Instant;

use cloudchamber_folder::profile::{Profile, Tag};
use cloudchamber_folder::systems::Systems;
use cloudchamber_folder::trace::COMMIT;
use cloudchamber_host::throughput::timed;
use cloudchamber_model::notecove::Config;

use crate::failure::Failure;
use crate::files;
use crate::jobs::benches::{self, Size};
use crate::jobs::models::{self, Keep, Wanted};
use crate::jobs::out::Out;
use crate::jobs::specification;
use crate::jobs::{longest_first, progress, side_by_side};
use crate::report::check::{CheckReport, Part, SCHEMA, Shards};
use crate::report::model::ModelReport;
use crate::report::profile::ProfileReport;
use crate::report::run::ScenarioReport;

/// Seeds of each swarm, without and with `--quick`.
const SEEDS: [u64; 2] = [2_000, 100];

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
    /// Only this one of so many equal parts, counted from 1; all where it is absent.
    pub(crate) shard: Option<(u64, u64)>,
}

impl Order<'_> {
    /// What of a list is to be done.
    fn own<T>(&self, all: impl IntoIterator<Item = T>) -> Vec<T> {
        let (part, of) = self.shard.unwrap_or((1, 1));
        (0_u64..).zip(all).filter(|(at, _)| at % of == part - 1).map(|(_, one)| one).collect()
    }
}

/// Where the time goes.
#[derive(Default)]
struct Clock(Vec<Part>);

impl Clock {
    /// Does a part of a check.
    fn part<T>(&mut self, name: &str, work: impl FnOnce() -> T) -> T {
        let (spent, done) = timed("a part", 1, work);
        let (cpu_s, wall_s) = (spent.cpu.as_secs_f64(), spent.wall.as_secs_f64());
        match self.0.iter_mut().find(|part| part.name == name) {
            Some(part) => (part.cpu_s, part.wall_s) = (part.cpu_s + cpu_s, part.wall_s + wall_s),
            None => self.0.push(Part { name: name.into(), cpu_s, wall_s }),
        }
        done
    }
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
    let mut clock = Clock::default();
    let scenarios = clock.part("scenarios", || each_scenario::<L>(&order, &systems, out))?;
    let mut ok = scenarios.iter().all(|report| report.ok);
    let mut regressions = Vec::new();
    if goes_on(ok) {
        regressions = clock.part("regressions", || each_regression::<L>(&order, &has, out))?;
        ok &= regressions.iter().all(|report| report.ok);
    }
    let mut swarms = Vec::new();
    let entries = swarms::read(&dir.join("swarms.toml"))?;
    for entry in order.own(entries.iter().filter(|entry| has(entry.system()))) {
        if goes_on(ok) {
            let seeds = order.seeds.unwrap_or(SEEDS[size]);
            swarms.push(clock.part(&entry.part(), || swarms::check::<L>(entry, seeds, jobs, out))?);
            ok &= swarms.last().is_none_or(|swarm| swarm.missed.is_empty());
        }
    }
    let mut benches = Vec::new();
    for bench in order.own(benches::ALL.iter().filter(|bench| has(bench.system))) {
        if goes_on(ok) {
            benches.push(clock.part("benches", || (bench.run)(&Size { quick, jobs }, out))?);
        }
    }
    let is_first = order.shard.is_none_or(|(part, _)| part == 1);
    let syncthing = if is_first { clock.part("syncthing", syncthing::table) } else { vec![] };
    ok &= syncthing.iter().all(|row| row.ok);
    let mut models = Vec::new();
    if goes_on(ok) {
        models = clock.part("models", || each_model::<L>(&order, &systems, out))?;
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
        parts: clock.0,
        shards: order
            .shard
            .map(|(part, of)| Shards { of, parts: vec![part] })
            .filter(|shards| !shards.is_whole()),
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
    order: &Order<'_>,
    systems: &[&str],
    out: &Out<'_>,
) -> Result<Vec<ScenarioReport>, Failure> {
    let mut paths = Vec::new();
    for system in systems {
        paths.extend(files::toml_files(&order.scenarios.join(system))?);
    }
    let paths = order.own(paths);
    let bar = progress::bar("scenarios", u64::try_from(paths.len()).expect("a number of files"));
    let checked = side_by_side(order.jobs, &paths, |path| {
        let report = scenarios::check::<L>(path, out);
        bar.inc(1);
        report
    });
    bar.finish_and_clear();
    checked.into_iter().collect()
}

/// Every regression of the systems that are meant.
fn each_regression<L: Systems>(
    order: &Order<'_>,
    is_meant: &impl Fn(&str) -> bool,
    out: &Out<'_>,
) -> Result<Vec<ScenarioReport>, Failure> {
    let file = order.scenarios.join("regressions.toml");
    let mut kept = Vec::new();
    for entry in regressions::read(&file)? {
        if is_meant(&regressions::system(&file, &entry.1)?) {
            kept.push(entry);
        }
    }
    let kept = order.own(kept);
    let kept = side_by_side(order.jobs, &kept, |entry| regressions::check::<L>(&file, entry, out));
    kept.into_iter().collect()
}

/// A model to be checked.
enum ToCheck {
    /// One of a file.
    Bounded(PathBuf),
    /// The specification with given constants.
    Specification(Config),
}

/// The bounded models of some systems, and the specification. Each is checked on one thread, so that what is found does not
/// depend on how threads meet, and several side by side.
fn each_model<L: Systems>(
    order: &Order<'_>,
    systems: &[&str],
    out: &Out<'_>,
) -> Result<Vec<ModelReport>, Failure> {
    let quick = order.quick;
    let mut all = Vec::new();
    for system in systems {
        let wanted = Wanted { system, design: None, policy: None, quick };
        all.extend(models::files::<L>(order.scenarios, wanted)?.into_iter().map(ToCheck::Bounded));
    }
    if systems.contains(&specification::SYSTEM) {
        all.extend(specification::rows(quick).into_iter().map(ToCheck::Specification));
    }
    let size = |model: &ToCheck| match model {
        ToCheck::Bounded(file) => models::size(file),
        ToCheck::Specification(config) => specification::size(*config),
    };
    let checked = longest_first(order.jobs, order.own(all), size, |model| match model {
        ToCheck::Bounded(file) => models::check::<L>(file, 1, Keep::Beside(out)),
        ToCheck::Specification(config) => specification::check(*config, 1, None).map(|counted| counted.model),
    });
    // What is told of memory is told of the whole process.
    let alone = order.jobs == 1;
    let weighed = |model: ModelReport| ModelReport {
        bytes_per_state: model.bytes_per_state.filter(|_| alone && model.design != specification::DESIGN),
        ..model
    };
    checked.into_iter().map(|model| model.map(weighed)).collect()
}
