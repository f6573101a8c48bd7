//! Plants small faults into the code under test, one after another, and sees which checker notices.
//!
//! The sources are copied and all faults planted at once, each behind a switch, so that one build serves for all. A
//! process with the fault in force then hunts through the hardened designs. Only properties count, as in any hunt.

mod faults;
mod plant;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cloudchamber_folder::trace::COMMIT;

use self::faults::Mutant;
use crate::failure::Failure;
use crate::jobs::{progress, side_by_side};
use crate::report::hunt::{HuntReport, Place, PlaceKind};
use crate::report::mutants::{MutantReport, MutantsReport, Noticed};

/// The name of what falls where a hunt does not end in time.
const ENDLESS: &str = "does not end";

/// Which faults are tried, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<'a> {
    /// Only the few that are marked as quick.
    pub(crate) quick: bool,
    /// Only those that this system is to notice.
    pub(crate) system: Option<&'a str>,
    /// Only those whose name has this in it.
    pub(crate) only: Option<&'a str>,
    /// How many seeds each swarm gets.
    pub(crate) seeds: u64,
    /// Whether models that take minutes are searched as well.
    pub(crate) thorough: bool,
    /// How many faults are tried side by side.
    pub(crate) jobs: usize,
    /// After how long a hunt is ended.
    pub(crate) limit: Duration,
    /// Where the scenarios are; the sources are beside it.
    pub(crate) scenarios: &'a Path,
}

/// Plants and hunts.
///
/// # Errors
/// Where the sources are not there, a fault does not fit into them, or they do not build with the faults.
pub(crate) fn run(order: Order<'_>) -> Result<MutantsReport, Failure> {
    let began = Instant::now();
    let all = faults::read(order.scenarios)?;
    let is_meant = |mutant: &Mutant| {
        (mutant.quick || !order.quick)
            && order.system.is_none_or(|system| mutant.systems.iter().any(|named| named == system))
            && order.only.is_none_or(|only| mutant.name.contains(only))
    };
    // A fault's number is its place among all, so that another choice of faults does not build anew.
    let meant: Vec<(u32, &Mutant)> = (1..).zip(&all).filter(|(_, mutant)| is_meant(mutant)).collect();
    if meant.is_empty() {
        return Err(Failure::new(format!(
            "no fault is meant; there are {} in {}",
            all.len(),
            order.scenarios.join("mutants").display()
        )));
    }
    let root = order.scenarios.join("..");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let program = built(&root, &target, &all)?;
    let bar = progress::bar("mutants", u64::try_from(meant.len()).expect("a number of faults"));
    let tried = side_by_side(order.jobs, &meant, |(number, mutant)| {
        let report = tried(&program, *number, mutant, order);
        bar.inc(1);
        report
    });
    bar.finish_and_clear();
    Ok(MutantsReport {
        commit: COMMIT.into(),
        seeds: order.seeds,
        mutants: tried.into_iter().collect::<Result<_, _>>()?,
        wall_s: began.elapsed().as_secs_f64(),
    })
}

/// Builds the program with all faults in it, none in force.
fn built(root: &Path, target: &Path, all: &[Mutant]) -> Result<PathBuf, Failure> {
    // Inside the sources' own directory, because cargo reads its settings from the directories above.
    let copy = root.join("target/mutants");
    std::fs::create_dir_all(&copy).map_err(|error| Failure::file(&copy, "cannot be made", &error))?;
    plant::plant(root, &copy, all)?;
    let bar = progress::spinner("building with the planted faults");
    let manifest = copy.join("Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ended = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--bin", plant::COMMAND, "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(target)
        .stdout(Stdio::null())
        .status()
        .map_err(|error| {
            Failure::new(format!("cargo cannot be started: {error}; this command builds, so it needs Rust"))
        })?;
    bar.finish_and_clear();
    if !ended.success() {
        return Err(Failure::new(format!(
            "{}: does not build; the lines above name a file of the copy, and the fault that was planted there",
            copy.display()
        )));
    }
    Ok(target.join("release").join(plant::COMMAND))
}

/// Tries one fault with every system that is to notice it.
fn tried(program: &Path, number: u32, mutant: &Mutant, order: Order<'_>) -> Result<MutantReport, Failure> {
    let began = Instant::now();
    let mut places = Vec::new();
    let mut endless = false;
    // The process writes into it where it comes to the fault.
    let reached =
        tempfile::NamedTempFile::new().map_err(|error| Failure::file(program, "cannot be run", &error))?;
    for system in mutant.systems.iter().filter(|named| order.system.is_none_or(|system| *named == system)) {
        match hunted(program, number, system, reached.path(), order)? {
            Some(report) => places.extend(report.places),
            None => endless = true,
        }
    }
    let is_reached = reached.as_file().metadata().is_ok_and(|about| about.len() > 0);
    Ok(report(mutant, &places, is_reached, endless, began.elapsed().as_secs_f64()))
}

/// What a hunt with the fault in force found; `None` if it did not end in time.
fn hunted(
    program: &Path,
    number: u32,
    system: &str,
    reached: &Path,
    order: Order<'_>,
) -> Result<Option<HuntReport>, Failure> {
    let failed = |error: std::io::Error| Failure::file(program, "cannot be run", &error);
    // Into a file, since nobody reads a pipe while it is waited for.
    let out = tempfile::tempfile().map_err(failed)?;
    let mut child = Command::new(program)
        .args(["hunt", "--first", "--json", "--jobs", "1", "--system", system, "--seeds"])
        .arg(order.seeds.to_string())
        .arg("--scenarios")
        .arg(order.scenarios)
        .args(order.thorough.then_some("--thorough"))
        .env(plant::VARIABLE, number.to_string())
        .env(plant::REACHED, reached)
        .stdin(Stdio::null())
        .stdout(out.try_clone().map_err(failed)?)
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    if !ended(&mut child, order.limit).map_err(failed)? {
        return Ok(None);
    }
    let mut out = out;
    std::io::Seek::rewind(&mut out).map_err(failed)?;
    let read: Result<HuntReport, _> = serde_json::from_reader(out);
    read.map(Some).map_err(|error| {
        Failure::new(format!(
            "{VARIABLE}={number} {} hunt --system {system}: wrote no report: {error}; run it to see why",
            program.display(),
            VARIABLE = plant::VARIABLE
        ))
    })
}

/// Waits for a process; one that does not end in time is killed, and `false` comes back.
fn ended(child: &mut Child, limit: Duration) -> std::io::Result<bool> {
    let began = Instant::now();
    while child.try_wait()?.is_none() {
        if began.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(true)
}

fn report(mutant: &Mutant, places: &[Place], is_reached: bool, endless: bool, wall_s: f64) -> MutantReport {
    let of = |kind: PlaceKind| places.iter().filter(move |place| place.kind == kind && place.tried > 0);
    let noticed =
        |kind| Noticed { by: of(kind).filter(|place| place.found.is_some()).count(), of: of(kind).count() };
    let finds = |kind| of(kind).filter_map(|place| place.found.as_ref());
    let mut named: BTreeMap<&str, usize> = BTreeMap::new();
    for place in places.iter().filter_map(|place| place.found.as_ref()) {
        *named.entry(&place.checker).or_default() += 1;
    }
    let mut caught_by: Vec<(&str, usize)> = named.into_iter().collect();
    caught_by.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut caught_by: Vec<String> = caught_by.into_iter().map(|(name, _)| name.to_owned()).collect();
    if endless {
        caught_by.push(ENDLESS.to_owned());
    }
    // A swarm that noticed nothing would have taken longer than any that did.
    let mut seeds: Vec<Option<u64>> =
        of(PlaceKind::Swarm).map(|place| place.found.as_ref().map(|found| found.after)).collect();
    seeds.sort_by_key(|seeds| seeds.unwrap_or(u64::MAX));
    MutantReport {
        name: mutant.name.clone(),
        about: mutant.about.clone(),
        file: mutant.file.clone(),
        systems: mutant.systems.clone(),
        harmless: mutant.harmless.clone(),
        is_reached,
        caught_by,
        scenarios: noticed(PlaceKind::Scenario),
        models: noticed(PlaceKind::Model),
        swarms: noticed(PlaceKind::Swarm),
        seeds_median: seeds.get(seeds.len() / 2).copied().flatten(),
        model_steps: finds(PlaceKind::Model).map(|found| found.after).min(),
        reproduce: places.iter().find_map(|place| place.found.as_ref()).map(|found| found.reproduce.clone()),
        wall_s,
    }
}
