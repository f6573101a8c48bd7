//! The world as a stateright model.

use std::fmt;
use std::hash::Hash;

use cloudchamber_folder::checks::{Checks as _, Findings};
use cloudchamber_folder::profile::Arrival;
use cloudchamber_folder::world::{Choice, ChoiceOf, Effects, Menu, Setup, World};
use cloudchamber_folder::{Service as _, System};
use stateright::{Model, Property};

use crate::spec::{Bounds, ModelSpec};

/// A world, a menu and bounds.
#[derive(Clone, Debug)]
pub struct FolderModel<S: System> {
    /// What was asked for.
    pub spec: ModelSpec<S>,
    pub(crate) setup: Setup<S>,
    menu: Menu<S>,
}

/// One state: everything that decides what may come next, and whether the property was violated on the way.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct State<S: System> {
    /// The world.
    pub world: World<S>,
    /// What the checkers remember.
    pub checks: S::Checks,
    /// How often what may still happen.
    pub budget: Budget,
    /// Whether the checker that is asked has found a violation.
    pub violated: bool,
}

/// How often what may still happen.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Budget {
    crashes: u8,
    sleeps: u8,
    failures: u8,
    commands: u8,
    acts: u8,
    arrivals: u8,
}

/// One step of the model.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Action<S: System> {
    /// Time passes until this moment of the world's time, ms.
    Pass(u64),
    /// The world takes a choice.
    Take(ChoiceOf<S>),
}

impl<S: System> fmt::Debug for State<S> {
    /// What a person needs who looks at states in the explorer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "at {} ms{}", self.world.now(), if self.violated { ", VIOLATED" } else { "" })?;
        for (id, replica) in self.world.replicas() {
            let state = match (replica.machine().awake, replica.process()) {
                (false, _) => "asleep".into(),
                (true, None) => "down".into(),
                (true, Some(process)) => format!("{:?}", process.protocol()),
            };
            writeln!(f, "{id}: {state}")?;
            for (path, slot) in replica.disk().slots() {
                let dirty = if slot.dirty { ", not sent" } else { "" };
                let body = slot.body.as_ref().map(|body| &body.content);
                writeln!(f, "   {path} v{}{dirty}: {body:?}", slot.seen)?;
            }
        }
        for (path, file) in self.world.cloud().files() {
            writeln!(f, "server {path} v{}", file.latest())?;
        }
        write!(f, "{:?}", self.budget)
    }
}

impl<S: System> FolderModel<S> {
    /// The model of a checked specification.
    ///
    /// # Panics
    /// Where it was not checked.
    #[must_use]
    pub fn new(spec: ModelSpec<S>) -> Self {
        let setup = S::setup(&spec.scenario).unwrap_or_else(|error| panic!("an unchecked model: {error}"));
        let menu = spec.menu();
        Self { spec, setup, menu }
    }

    fn fresh_checks(&self) -> S::Checks {
        S::checks(&self.spec.scenario, &self.setup)
    }

    /// Whether a choice is within the budget, and what is left after it.
    fn spend(&self, budget: Budget, choice: &ChoiceOf<S>) -> Option<Budget> {
        let mut left = budget;
        let purse = match choice {
            Choice::Crash { .. } => &mut left.crashes,
            Choice::Sleep { .. } => &mut left.sleeps,
            Choice::Fail { .. } => &mut left.failures,
            Choice::Command { .. } => &mut left.commands,
            Choice::Act { .. } => &mut left.acts,
            Choice::Download { arrival, .. } if *arrival != Arrival::Whole => &mut left.arrivals,
            _ => return Some(left),
        };
        *purse = purse.checked_sub(1)?;
        Some(left)
    }

    /// The moment to which time may pass: the next at which a timer or an answer falls due. None while a process
    /// has something to do, when nothing will ever fall due, or past the horizon.
    fn next_moment(&self, state: &State<S>) -> Option<u64> {
        let (world, now) = (&state.world, state.world.now());
        let mut next: Option<u64> = None;
        for (id, replica) in world.replicas() {
            if !replica.machine().awake {
                continue;
            }
            let Some(process) = replica.process() else {
                // A process that never ran is started before time passes; one that died starts when it likes.
                if state.world.now() == 0 {
                    return None;
                }
                continue;
            };
            if process.pending_op().is_some() || !process.calls().is_empty() {
                return None;
            }
            for due in world.timer_due(&self.setup, id).into_iter().chain(world.service().due(id)) {
                if due <= now {
                    return None;
                }
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        next.filter(|next| *next <= self.spec.bounds.horizon_ms)
    }
}

impl<S: System> Model for FolderModel<S> {
    type State = State<S>;
    type Action = Action<S>;

    fn init_states(&self) -> Vec<State<S>> {
        let mut world = S::world(&self.spec.scenario, &self.setup);
        self.spec.scenario.seed_files(&mut world);
        let Bounds { crashes, sleeps, failures, commands, acts, arrivals, .. } = self.spec.bounds;
        let budget = Budget { crashes, sleeps, failures, commands, acts, arrivals };
        vec![State { world, checks: self.fresh_checks(), budget, violated: false }]
    }

    fn actions(&self, state: &State<S>, actions: &mut Vec<Action<S>>) {
        let mut choices = Vec::new();
        state.world.choices(&self.setup, &self.menu, &mut choices);
        choices.retain(|choice| self.spend(state.budget, choice).is_some());
        actions.extend(choices.into_iter().map(Action::Take));
        actions.extend(self.next_moment(state).map(Action::Pass));
    }

    fn next_state(&self, state: &State<S>, action: Action<S>) -> Option<State<S>> {
        let mut next = state.clone();
        match action {
            Action::Pass(to) => next.world.advance(to),
            Action::Take(choice) => {
                next.budget = self.spend(state.budget, &choice)?;
                let mut effects = Effects::default();
                next.world.take(&self.setup, &choice, &mut effects).ok()?;
                let mut findings = Findings::default();
                next.checks.after(&self.setup, &next.world, &choice, &effects, &mut findings);
                next.violated |= findings.violation(&self.spec.property).is_some();
                if self.spec.bounds.forget {
                    next.checks = self.fresh_checks();
                }
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("the checker finds nothing", |_, state: &State<S>| !state.violated)]
    }
}
