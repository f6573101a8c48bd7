//! Model files: a scenario's head, what is on the menu, and how far to look.

use std::path::Path as FilePath;

use cloudchamber_core::{Draw, FsError, Protocol};
use cloudchamber_folder::profile::Arrival;
use cloudchamber_folder::scenario::{Scenario, ScenarioError};
use cloudchamber_folder::world::{Loss, Menu};
use cloudchamber_folder::{Service, System};
use serde::{Deserialize, Serialize};

/// A model, as a TOML file says it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct ModelSpec<S: System> {
    /// The replicas, their settings and their files; what happens at given times in it is ignored.
    pub scenario: Scenario<S>,
    /// The checker that is asked.
    pub property: String,
    /// What may happen.
    #[serde(default)]
    pub menu: MenuSpec<S>,
    /// How far to look.
    pub bounds: Bounds,
}

/// What may happen besides steps, ops, and files that travel whole.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, bound = "")]
pub struct MenuSpec<S: System> {
    /// With which randomness steps are taken, as 255ths of each draw's maximum.
    pub draws: Vec<u8>,
    /// In which states versions arrive.
    pub arrivals: Vec<Arrival>,
    /// Whether versions older than the newest are delivered as well.
    pub older_versions: bool,
    /// Whether an overwrite is seen half done.
    pub halves: bool,
    /// How much of an op a crash leaves, in percent.
    pub torn_percents: Vec<u8>,
    /// What crashes lose.
    pub losses: Vec<Loss>,
    /// How ops fail.
    pub failures: Vec<FsError>,
    /// What people ask.
    pub commands: Vec<<S::Protocol as Protocol>::Command>,
    /// What happens outside.
    pub acts: Vec<<S::Service as Service>::Act>,
}

impl<S: System> Default for MenuSpec<S> {
    fn default() -> Self {
        Self {
            draws: vec![0],
            arrivals: vec![Arrival::Whole],
            older_versions: false,
            halves: false,
            torn_percents: vec![0],
            losses: vec![],
            failures: vec![],
            commands: vec![],
            acts: vec![],
        }
    }
}

/// How far to look. What is not written never happens; a change may be on its way
/// without bound.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Bounds {
    /// World time at which time ends, ms.
    pub horizon_ms: u64,
    /// How often a process may die, over all replicas.
    pub crashes: u8,
    /// How often a machine may fall asleep, over all replicas.
    pub sleeps: u8,
    /// How often an op may fail.
    pub failures: u8,
    /// How often people may ask for something.
    pub commands: u8,
    /// How often something may happen outside.
    pub acts: u8,
    /// How often a file may arrive in another state than whole.
    pub arrivals: u8,
    /// Whether checkers forget everything from one choice to the next. What they remember is part of the state
    /// and multiplies it; those that look at one moment need no memory.
    pub forget: bool,
}

impl<S: System> ModelSpec<S> {
    /// Reads the text of a model file. `file` is named in errors.
    ///
    /// # Errors
    /// Where a key is missing, unknown or of another type, or values contradict each other.
    pub fn parse(file: &FilePath, text: &str) -> Result<Self, ScenarioError> {
        let fault = |line, message: String| ScenarioError { file: file.into(), line, message };
        let spec: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| text[..span.start].lines().count().max(1));
            fault(line, error.message().lines().collect::<Vec<_>>().join(" "))
        })?;
        spec.scenario.check().map_err(|(key, message)| fault(None, format!("scenario.{key}: {message}")))?;
        spec.check().map_err(|message| fault(None, message))?;
        Ok(spec)
    }

    fn check(&self) -> Result<(), String> {
        use cloudchamber_folder::checks::Checks as _;
        if !S::Checks::CHECKERS.iter().any(|checker| checker.name == self.property) {
            let names: Vec<_> = S::Checks::CHECKERS.iter().map(|checker| checker.name).collect();
            return Err(format!("there is no checker `{}`; there are {}", self.property, names.join(", ")));
        }
        if self.bounds.horizon_ms == 0 {
            return Err("bounds.horizon_ms is 0, so nothing could happen; say how far to look".into());
        }
        if self.menu.draws.is_empty() || self.menu.arrivals.is_empty() {
            return Err("menu.draws and menu.arrivals need one entry at least".into());
        }
        Ok(())
    }

    /// The menu that the world is offered.
    #[must_use]
    pub fn menu(&self) -> Menu<S> {
        let MenuSpec {
            draws,
            arrivals,
            older_versions,
            halves,
            torn_percents,
            losses,
            failures,
            commands,
            acts,
        } = self.menu.clone();
        Menu {
            draws: draws.into_iter().map(Draw::Fraction).collect(),
            arrivals,
            older_versions,
            halves,
            torn_percents,
            losses,
            failures,
            evictions: false,
            sleep: self.bounds.sleeps > 0,
            network: false,
            commands,
            acts,
        }
    }
}
