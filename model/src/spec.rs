//! Model files: a scenario's head, what is on the menu, and how far to look.

use std::path::Path as FilePath;

use cloudchamber_core::{Draw, FsError, Path, Protocol};
use cloudchamber_folder::checks::{Kind, checkers};
use cloudchamber_folder::profile::Arrival;
use cloudchamber_folder::scenario::{ReplicaSpec, Scenario, ScenarioError};
use cloudchamber_folder::world::{Loss, Menu};
use cloudchamber_folder::{Service, System, mistake};
use serde::{Deserialize, Serialize};

/// A model, as a TOML file says it.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct ModelSpec<S: System> {
    /// The replicas, their settings and their files; what happens at given times in it is ignored.
    pub scenario: Scenario<S>,
    /// The checker that is asked.
    pub property: String,
    /// What its answer has to be.
    pub expect: Expect,
    /// What some run within the bounds has to reach, so that nothing holds in vain: checkers of the kind `reached`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<String>,
    /// The pinned number of distinct states: a change of the protocol or of the world shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_states: Option<usize>,
    /// The pinned length of the shortest way to the violation, in steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<usize>,
    /// Whether it takes no more than a few seconds, so that the tests and quick checks run it.
    #[serde(default)]
    pub quick: bool,
    /// What may happen.
    #[serde(default)]
    pub menu: MenuSpec<S>,
    /// How far to look.
    pub bounds: Bounds,
    /// Which states and orders are left out because others stand for them.
    #[serde(default)]
    pub economy: Economy,
}

/// What a model's answer has to be.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// No run within the bounds violates the property.
    Holds,
    /// Some run does.
    Violates,
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
    /// Whether processes are told of changes. Without, they find them when they look.
    pub notices: bool,
    /// Whether an overwrite is seen half done.
    pub halves: bool,
    /// How much of an op a crash leaves, in percent.
    pub torn_percents: Vec<u8>,
    /// What crashes lose.
    pub losses: Vec<Loss>,
    /// How ops fail.
    pub failures: Vec<FsError>,
    /// By how many milliseconds wall clocks are set.
    pub clocks_ms: Vec<i64>,
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
            notices: true,
            halves: false,
            torn_percents: vec![0],
            losses: vec![],
            failures: vec![],
            clocks_ms: vec![],
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
    /// World time at which time ends, ms, or `"unbounded"`.
    pub horizon_ms: Horizon,
    /// How often a process may die, over all replicas.
    pub crashes: u8,
    /// How often a machine may fall asleep, over all replicas.
    pub sleeps: u8,
    /// How often the shared folder may be lost to a replica, over all replicas. It can be found again at any time.
    pub folders: u8,
    /// How often a wall clock may be set.
    pub clocks: u8,
    /// How often an op may fail.
    pub failures: u8,
    /// How often people may ask for something.
    pub commands: u8,
    /// How often something may happen outside.
    pub acts: u8,
    /// How often a file may arrive in another state than whole.
    pub arrivals: u8,
    /// Until when all is well, ms: every file travels at once and nothing fails. So a model can begin where somebody
    /// is active, without all the ways to get there.
    pub calm_ms: u64,
    /// How long a change may take from one disk to another whose machine is awake, ms; without bound where it is
    /// absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_ms_max: Option<u64>,
    /// Whether checkers forget from one choice to the next what neither the property nor anything that is to be
    /// reached needs. What they remember is part of the state and multiplies it.
    pub forget: bool,
}

/// When time ends.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Horizon {
    /// World time in ms.
    Ms(u64),
    /// Never: the model has finitely many states all the same, because ever the same ones come again.
    Word(Unbounded),
}

/// The one word that [`Horizon::Word`] has.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unbounded {
    /// Time does not end.
    Unbounded,
}

impl Default for Horizon {
    fn default() -> Self {
        Self::Ms(0)
    }
}

impl Horizon {
    /// Time does not end.
    pub const UNBOUNDED: Self = Self::Word(Unbounded::Unbounded);

    /// Whether this moment of world time, ms, comes.
    #[must_use]
    pub fn reaches(self, at: u64) -> bool {
        match self {
            Self::Ms(horizon_ms) => at <= horizon_ms,
            Self::Word(_) => true,
        }
    }
}

/// Which states and orders are left out because others stand for them. Each is sound where what it says is so; see
/// the crate's documentation for the reasons.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Economy {
    /// A directory in which every file has one writer. Its files are sent as soon as they are written, and brought
    /// when a replica is about to read them: that is when it shows. Asks for `menu.older_versions`, so that a version
    /// that is late at one replica may still come when another has got the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_files: Option<Path>,
    /// Whether these files are read only by steps that a timer, a notice or a start begins, not by those that follow an
    /// op or an answer: they are then not brought before the latter.
    pub own_files_read_when_woken: bool,
    /// Files that nobody reads to decide anything. They are never sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub idle_files: Vec<Path>,
    /// Whether processes die and machines fall asleep only when the process has something to do. What is left out are
    /// processes that die and start again between two of their steps.
    pub busy_faults: bool,
    /// Whether a timer that is due comes before anything else. What is left out is what happens between a start and the
    /// first look, for processes that look as soon as they have started.
    pub timers_first: bool,
    /// Whether states that differ in nothing that can still matter are looked at once: see
    /// [`System::essence`].
    pub alike: bool,
    /// Whether moments with one way on are passed over. A counterexample has the fewest choices where there is a
    /// choice, but perhaps not the fewest at all.
    pub merge: bool,
}

impl<S: System> ModelSpec<S> {
    /// Reads the text of a model file. `file` is named in errors.
    ///
    /// # Errors
    /// Where a key is missing, unknown or of another type, or values contradict each other.
    pub fn parse(file: &FilePath, text: &str) -> Result<Self, ScenarioError> {
        let fault = |line, message: String| ScenarioError { file: file.into(), line, message };
        let spec: Self = toml::from_str(text).map_err(|error| {
            let (line, message) = mistake::told(text, &error);
            fault(line, message)
        })?;
        spec.scenario.check().map_err(|(key, message)| fault(None, format!("scenario.{key}: {message}")))?;
        spec.check().map_err(|message| fault(None, message))?;
        Ok(spec)
    }

    fn check(&self) -> Result<(), String> {
        if !checkers::<S>().any(|checker| checker.name == self.property) {
            let names = checkers::<S>().map(|checker| checker.name);
            return Err(mistake::unknown("checker", &self.property, names));
        }
        let reached = |name: &&String| {
            checkers::<S>().any(|checker| checker.name == **name && checker.kind == Kind::Reached)
        };
        if let Some(name) = self.reaches.iter().find(|name| !reached(name)) {
            let all = checkers::<S>().filter(|checker| checker.kind == Kind::Reached);
            let names: Vec<_> = all.map(|checker| checker.name).collect();
            return Err(format!(
                "nothing that can be reached is called `{name}`; there are {}",
                names.join(", ")
            ));
        }
        if self.bounds.horizon_ms == Horizon::UNBOUNDED {
            let shifts = |of: &ReplicaSpec| {
                let machine = &of.machine;
                machine.clock_drift_ppm == 0 && machine.mono_counts_sleep && machine.wall_stands_still
            };
            if !self.economy.alike || !self.scenario.replica.iter().all(shifts) {
                return Err("bounds.horizon_ms = \"unbounded\" asks for economy.alike = true and for clocks that do \
                     not drift, do not stop in sleep and show one wall time: otherwise no moment is like an earlier one"
                    .into());
            }
        }
        if self.bounds.horizon_ms == Horizon::Ms(0) {
            return Err("bounds.horizon_ms is 0, so nothing could happen; say how far to look".into());
        }
        if self.economy.own_files.is_some() && !self.menu.older_versions {
            return Err("economy.own_files asks for menu.older_versions = true: a version that is late at one replica \
                 has to be there for it when another has got the next"
                .into());
        }
        if self.reaches.len() > 64 {
            return Err("reaches names more than 64 things".into());
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
            notices: _,
            halves,
            torn_percents,
            losses,
            failures,
            clocks_ms,
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
            folder: self.bounds.folders > 0,
            network: false,
            clocks_ms,
            commands,
            acts,
        }
    }
}
