//! Looks for anything that the hardened designs of some systems violate. Only properties count: no pinned number, no
//! trace hash, no expectation of a published design.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use cloudchamber_core::Design;
use cloudchamber_folder::System;
use cloudchamber_folder::checks::Violation;
use cloudchamber_folder::scenario::{Expect, Scenario};
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::trace::COMMIT;
use cloudchamber_model::ModelSpec;

use crate::failure::Failure;
use crate::files;
use crate::jobs::check::swarms::{self, Entry};
use crate::jobs::dispatch::with_system;
use crate::jobs::models::{self, Wanted};
use crate::jobs::{progress, reproduce, side_by_side};
use crate::report::hunt::{Found, HuntReport, PANIC, Place, PlaceKind};

/// After how many generated states the search of a model is given up, of one that takes seconds and of any other. Sound
/// code has fewer by far in each; code that does something else than it should may have many more.
const STATES_MAX: [usize; 2] = [3_000_000, 40_000_000];

/// What is hunted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<'a> {
    /// Only this system; all where it is absent.
    pub(crate) system: Option<&'a str>,
    /// How many seeds each swarm gets.
    pub(crate) seeds: u64,
    /// Whether scenarios, and models, are left alone once one of their kind has found something. A swarm always ends
    /// with its first find.
    pub(crate) first: bool,
    /// Whether models that take minutes are searched as well.
    pub(crate) thorough: bool,
    /// How many places are looked at side by side.
    pub(crate) jobs: usize,
    /// Where the scenarios are.
    pub(crate) scenarios: &'a Path,
}

/// Hunts.
///
/// # Errors
/// Where a file is not what it should be.
pub(crate) fn hunt<L: Systems>(order: Order<'_>) -> Result<HuntReport, Failure> {
    let began = Instant::now();
    let systems: Vec<&str> = order.system.map_or_else(|| L::NAMES.to_vec(), |system| vec![system]);
    let mut places = Vec::new();
    for system in &systems {
        places.extend(with_system::<L, _, _>(system, Listed { order })?);
    }
    for system in &systems {
        let wanted = Wanted { system, design: Some(Design::Hardened), policy: None, quick: !order.thorough };
        let found = models::files::<L>(order.scenarios, wanted)?;
        places.extend(found.into_iter().map(|file| Aim::Model((*system).to_owned(), file)));
    }
    let entries = swarms::read(&order.scenarios.join("swarms.toml"))?;
    let meant = |entry: &Entry| systems.contains(&entry.system()) && entry.is_of(Design::Hardened);
    places.extend(entries.into_iter().filter(meant).map(Aim::Swarm));
    let bar = progress::bar("hunt", u64::try_from(places.len()).expect("a number of places"));
    let enough = [AtomicBool::new(false), AtomicBool::new(false)];
    let looked = side_by_side(order.jobs, &places, |aim| {
        let place = aim.look::<L>(order, &enough);
        bar.inc(1);
        place
    });
    bar.finish_and_clear();
    Ok(HuntReport {
        commit: COMMIT.into(),
        systems: systems.into_iter().map(str::to_owned).collect(),
        places: looked.into_iter().collect::<Result<_, _>>()?,
        wall_s: began.elapsed().as_secs_f64(),
    })
}

/// A place to look at.
enum Aim {
    /// The file of a bounded model of a system.
    Model(String, PathBuf),
    /// The file of a scenario of a system.
    Scenario(String, PathBuf),
    Swarm(Entry),
}

impl Aim {
    /// Looks there, unless `enough` was found by its kind: by scenarios, by models.
    fn look<L: Systems>(&self, order: Order<'_>, enough: &[AtomicBool; 2]) -> Result<Place, Failure> {
        let (system, kind, name) = match self {
            Self::Scenario(system, file) => (&**system, PlaceKind::Scenario, file.display().to_string()),
            Self::Model(system, file) => (&**system, PlaceKind::Model, file.display().to_string()),
            Self::Swarm(entry) => (entry.system(), PlaceKind::Swarm, entry.name()),
        };
        let enough = match self {
            Self::Scenario(..) => Some(&enough[0]),
            Self::Model(..) => Some(&enough[1]),
            Self::Swarm(_) => None,
        };
        if order.first && enough.is_some_and(|enough| enough.load(Ordering::Relaxed)) {
            return Ok(Place { kind, name, tried: 0, found: None });
        }
        let (tried, found) = with_system::<L, _, _>(system, Looked { aim: self, seeds: order.seeds })?;
        if found.is_some()
            && let Some(enough) = enough
        {
            enough.store(true, Ordering::Relaxed);
        }
        Ok(Place { kind, name, tried, found })
    }
}

/// The scenarios of a system that its hardened design has to hold in.
struct Listed<'a> {
    order: Order<'a>,
}

impl Work for Listed<'_> {
    type Output = Result<Vec<Aim>, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let mut aims = Vec::new();
        for file in files::toml_files(&self.order.scenarios.join(S::NAME))? {
            let scenario = Scenario::<S>::parse(&file, &files::read(&file)?)?;
            if S::variant(&scenario.settings).design == Design::Hardened {
                aims.push(Aim::Scenario(S::NAME.into(), file));
            }
        }
        Ok(aims)
    }
}

struct Looked<'a> {
    aim: &'a Aim,
    seeds: u64,
}

impl Work for Looked<'_> {
    type Output = Result<(u64, Option<Found>), Failure>;

    fn on<S: System>(self) -> Self::Output {
        match self.aim {
            Aim::Scenario(_, file) => {
                let scenario = Scenario::<S>::parse(file, &files::read(file)?)?;
                let fallen = fallen(&scenario, &scenario.expect);
                let again = || reproduce::run(file, scenario.seed);
                Ok((1, fallen.map(|fallen| fallen.found(1, again()))))
            }
            Aim::Model(_, file) => {
                let spec = ModelSpec::<S>::parse(file, &files::read(file)?)?;
                let states_max = STATES_MAX[usize::from(!spec.quick)];
                Ok(searched(spec, states_max, file))
            }
            Aim::Swarm(entry) => {
                let order = entry.order(0..self.seeds)?;
                let swarm = order.swarm::<S>()?;
                let expect = entry.expected();
                for seed in 0..self.seeds {
                    if let Some(fallen) = fallen(&swarm.draw(seed), &expect) {
                        let again = order.call::<S>().seeds(seed..seed + 1);
                        return Ok((seed + 1, Some(fallen.found(seed + 1, again))));
                    }
                }
                Ok((self.seeds, None))
            }
        }
    }
}

/// A property that fell in a run, and what was seen.
struct Fallen {
    checker: String,
    what: String,
}

impl Fallen {
    fn found(self, after: u64, reproduce: String) -> Found {
        Found { checker: self.checker, after, what: self.what, reproduce }
    }
}

/// The first property that a run violates and that is not expected to be; `None` if there is none.
fn fallen<S: System>(scenario: &Scenario<S>, expect: &Expect) -> Option<Fallen> {
    let outcome = match catch_unwind(AssertUnwindSafe(|| cloudchamber_sim::run(scenario, false).outcome)) {
        Ok(outcome) => outcome,
        Err(panic) => return Some(Fallen { checker: PANIC.into(), what: said(&*panic) }),
    };
    let is_expected = |name: &String| expect.violates.contains(name) || expect.may_violate.contains(name);
    let counts = |found: &&Violation| {
        expect.holds.contains(&found.checker)
            || cloudchamber_sim::fails::<S>(&found.checker) && !is_expected(&found.checker)
    };
    let first = outcome.findings.violations.iter().find(counts)?;
    Some(Fallen { checker: first.checker.clone(), what: first.to_string() })
}

/// Searches a model whose property has to hold.
fn searched<S: System>(spec: ModelSpec<S>, states_max: usize, file: &Path) -> (u64, Option<Found>) {
    if spec.expect != cloudchamber_model::Expect::Holds {
        return (0, None);
    }
    let property = spec.property.clone();
    let again = || reproduce::model(S::NAME, file);
    let search = || cloudchamber_model::check(spec, 1, Some(states_max));
    match catch_unwind(AssertUnwindSafe(search)) {
        Err(panic) => (1, Some(Fallen { checker: PANIC.into(), what: said(&*panic) }.found(0, again()))),
        Ok(checked) => {
            let steps = u64::try_from(checked.steps()).expect("fewer steps than a u64 counts");
            let states = u64::try_from(checked.generated_states).expect("fewer states than a u64 counts");
            let unreached = checked.unreached();
            let what = if checked.counterexample.is_some() {
                Some(format!("{steps} steps lead there"))
            } else if checked.complete && !unreached.is_empty() {
                // What holds then holds in vain: something that has to come about does not.
                Some(format!("nothing reaches {}", unreached.join(", ")))
            } else {
                None
            };
            (states, what.map(|what| Fallen { checker: property, what }.found(steps, again())))
        }
    }
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without words").to_owned()
}
