//! The world as a stateright model.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cloudchamber_core::kit::memo::Memo;
use cloudchamber_core::{Draw, Driver, Path};
use cloudchamber_folder::StableHasher;
use cloudchamber_folder::checks::{Checks as _, Findings, look};
use cloudchamber_folder::profile::Arrival;
use cloudchamber_folder::world::{Choice, ChoiceOf, Effects, Menu, Part, Replica, Setup, World};
use cloudchamber_folder::{ReplicaId, Service as _, System};
use stateright::{Model, Property};

use crate::deadlines::Late;
use crate::spec::{Bounds, Horizon, ModelSpec};
use crate::step_cache::Steps;

/// A world, a menu and bounds.
#[derive(Clone, Debug)]
pub struct FolderModel<S: System> {
    /// What was asked for.
    pub spec: ModelSpec<S>,
    pub(crate) setup: Setup<S>,
    menu: Menu<S>,
    /// Checkers that have seen nothing.
    fresh: S::Checks,
    /// One bit for each entry of `spec.reaches` that some run reached.
    reached: Arc<AtomicU64>,
    steps: Arc<Steps<S>>,
}

/// One state: everything that decides what may come next, and whether the property was violated on the way.
#[derive(Clone, Eq, PartialEq)]
pub struct State<S: System> {
    /// The world.
    pub world: World<S>,
    /// What the checkers remember.
    pub checks: S::Checks,
    /// How often each fault may still happen.
    pub budget: Budget,
    /// Until when changes have to arrive, where delays are bounded.
    pub late: Late,
    /// Whether the checker that is asked has found a violation.
    pub violated: bool,
    /// The digest that all states which behave alike share; `None` if only equal states do.
    alike: Option<u64>,
    /// What may happen next, where that was found out on the way here.
    ways: Memo<Option<Arc<[Action<S>]>>>,
}

impl<S: System> Hash for State<S> {
    /// States that behave alike have one hash: the checker goes on from the first of them.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { world, checks, budget, late, violated, alike, ways: _ } = self;
        match alike {
            Some(alike) => alike.hash(state),
            None => world.hash(state),
        }
        (checks, budget, violated).hash(state);
        if alike.is_none() {
            late.hash(state);
        }
    }
}

/// How often each fault may still happen.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Budget {
    crashes: u8,
    sleeps: u8,
    folders: u8,
    clocks: u8,
    failures: u8,
    commands: u8,
    acts: u8,
    arrivals: u8,
}

impl Budget {
    fn new(bounds: &Bounds) -> Self {
        let Bounds { crashes, sleeps, folders, clocks, failures, commands, acts, arrivals, .. } = *bounds;
        Self { crashes, sleeps, folders, clocks, failures, commands, acts, arrivals }
    }

    /// The counter that a choice is paid from; `None` if it is free.
    fn purse<C, A>(&mut self, choice: &Choice<C, A>) -> Option<&mut u8> {
        match choice {
            Choice::Crash { .. } => Some(&mut self.crashes),
            Choice::Sleep { .. } => Some(&mut self.sleeps),
            Choice::Folder { reachable: false, .. } => Some(&mut self.folders),
            Choice::Clock { .. } => Some(&mut self.clocks),
            Choice::Fail { .. } => Some(&mut self.failures),
            Choice::Command { .. } => Some(&mut self.commands),
            Choice::Act { .. } => Some(&mut self.acts),
            Choice::Download { arrival, .. } if *arrival != Arrival::Whole => Some(&mut self.arrivals),
            _ => None,
        }
    }
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
        let fresh = S::checks(&spec.scenario, &setup);
        Self { spec, setup, menu, fresh, reached: Arc::default(), steps: Arc::default() }
    }

    /// Which of `spec.reaches` no run has reached so far.
    pub(crate) fn unreached(&self) -> Vec<&str> {
        let reached = self.reached.load(Ordering::Relaxed);
        let names = self.spec.reaches.iter().enumerate();
        names.filter(|(bit, _)| reached >> bit & 1 == 0).map(|(_, name)| name.as_str()).collect()
    }

    fn note_reached(&self, findings: &Findings) {
        if findings.counts.is_empty() {
            return;
        }
        for (bit, name) in self.spec.reaches.iter().enumerate() {
            if findings.counts.contains_key(name.as_str()) {
                self.reached.fetch_or(1 << bit, Ordering::Relaxed);
            }
        }
    }

    /// When a process that never ran starts, ms. One that died starts when it likes.
    fn start_ms(&self, id: ReplicaId) -> u64 {
        self.spec.scenario.replica[id.index()].start_ms
    }

    /// The moment to which time may pass: the next at which a timer or an answer falls due, or a process starts.
    /// `None` while a process has something to do, if nothing will ever fall due, or past the horizon.
    fn next_moment(&self, state: &State<S>) -> Option<u64> {
        let (world, now) = (&state.world, state.world.now());
        let mut next: Option<u64> = None;
        let mut due = |at: u64| next = Some(next.map_or(at, |next| next.min(at)));
        for (id, replica) in world.replicas() {
            let start_ms = self.start_ms(id);
            if now < start_ms {
                due(start_ms);
                continue;
            }
            if !replica.machine().awake {
                continue;
            }
            let Some(process) = replica.process() else {
                if now == start_ms {
                    return None;
                }
                continue;
            };
            if process.pending_op().is_some() || !process.calls().is_empty() {
                return None;
            }
            for at in world.timer_due(&self.setup, id).into_iter().chain(world.service().due(id)) {
                if at <= now {
                    return None;
                }
                due(at);
            }
        }
        let next = next.filter(|next| self.spec.bounds.horizon_ms.reaches(*next))?;
        (!state.late.is_overdue(world, next)).then_some(next)
    }

    /// Whether a choice that the world allows is on offer in this model.
    fn is_offered(&self, state: &State<S>, choice: &ChoiceOf<S>) -> bool {
        let mut budget = state.budget;
        if budget.purse(choice).is_some_and(|purse| *purse == 0) {
            return false;
        }
        let (world, now) = (&state.world, state.world.now());
        let Some(id) = choice.replica() else { return true };
        let economy = &self.spec.economy;
        match choice {
            _ if now < self.start_ms(id) => false,
            Choice::Upload { path, .. } if economy.idle_files.contains(path) => false,
            Choice::Download { path, .. } if self.is_own(path) => {
                self.is_about_to_read(world, id) || state.late.presses(id, path, u64::MAX)
            }
            Choice::Clock { .. } | Choice::Crash { .. } | Choice::Sleep { .. } | Choice::Folder { .. }
                if self.is_calm(world) =>
            {
                false
            }
            Choice::Crash { .. } | Choice::Sleep { .. } | Choice::Folder { reachable: false, .. }
                if economy.busy_faults =>
            {
                self.is_busy(world, id)
            }
            _ => true,
        }
    }

    /// Whether a file is one that only its owner writes.
    fn is_own(&self, path: &Path) -> bool {
        self.spec.economy.own_files.as_ref().is_some_and(|dir| path.below(dir).is_some())
    }

    /// What a state has in common with all that behave alike.
    fn alike(&self, state: &State<S>) -> Option<u64> {
        if !self.spec.economy.alike {
            return None;
        }
        let world = &state.world;
        let essence = S::essence(&self.setup, world, state.budget.crashes > 0)?;
        let starts = self.spec.scenario.replica.iter().map(|replica| replica.start_ms);
        let settled = world.now() >= self.spec.bounds.calm_ms && starts.max() < Some(world.now());
        // Where time ends, or something is still to happen at a given time, it counts when it is.
        let endless = settled && self.spec.bounds.horizon_ms == Horizon::UNBOUNDED;
        let mut hasher = StableHasher::default();
        (essence, (!endless).then_some(world.now())).hash(&mut hasher);
        state.late.hash_from(world, &mut hasher);
        Some(hasher.finish())
    }

    /// Whether nothing goes wrong yet.
    fn is_calm(&self, world: &World<S>) -> bool {
        world.now() < self.spec.bounds.calm_ms
    }

    /// Whether a replica may take a step at this moment that reads others' files: only then does it matter what its
    /// disk holds.
    fn is_about_to_read(&self, world: &World<S>, id: ReplicaId) -> bool {
        let steps = |process: &Driver<S::Protocol>| {
            world.replica(id).changed()
                || world.timer_due(&self.setup, id).is_some_and(|due| due <= world.now())
                || (process.pending_op().is_some() && !self.spec.economy.own_files_read_when_woken)
        };
        world.replica(id).process().is_none_or(steps)
    }

    /// Whether a replica may do anything at this moment.
    fn is_busy(&self, world: &World<S>, id: ReplicaId) -> bool {
        let replica = world.replica(id);
        let Some(process) = replica.process() else { return true };
        replica.machine().awake
            && (process.pending_op().is_some()
                || replica.changed()
                || world.timer_due(&self.setup, id).is_some_and(|due| due <= world.now())
                || world.service().ready(id, world.now()))
    }

    /// The one choice that stands for all others: a file that only its owner writes goes to the server; while all is
    /// well, everything travels.
    fn goes_first(&self, state: &State<S>, choices: &[ChoiceOf<S>]) -> Option<usize> {
        let calm = self.is_calm(&state.world);
        let idle = |path| self.spec.economy.idle_files.contains(path);
        choices.iter().position(|choice| match choice {
            Choice::Upload { path, .. } => (calm && !idle(path)) || self.is_own(path),
            Choice::Download { arrival: Arrival::Whole, back: 0, .. } => calm,
            _ => false,
        })
    }

    /// An op that is applied before anything else: it concerns one disk, what follows it reads nothing that others
    /// wrote, and nothing may prevent it.
    fn op_first(&self, state: &State<S>) -> Option<ChoiceOf<S>> {
        let Budget { crashes, sleeps, folders, failures, .. } = state.budget;
        let prevented = crashes > 0 || sleeps > 0 || folders > 0 || failures > 0;
        if !self.spec.economy.own_files_read_when_woken || (prevented && !self.is_calm(&state.world)) {
            return None;
        }
        let [draw] = self.menu.draws[..] else { return None };
        let waits = |(_, replica): &(ReplicaId, &Replica<S::Protocol>)| {
            replica.runs() && replica.process().is_some_and(|process| process.pending_op().is_some())
        };
        let (replica, _) = state.world.replicas().find(waits)?;
        (!self.menu.halves).then_some(Choice::Apply { replica, part: Part::Whole, draw })
    }

    /// What may happen in a state: one action only, if that stands for all.
    fn ways_on(&self, state: &State<S>, actions: &mut Vec<Action<S>>) {
        if let Some(first) = self.op_first(state) {
            actions.push(Action::Take(first));
            return;
        }
        let mut choices = Vec::with_capacity(16);
        state.world.choices(&self.setup, &self.menu, &mut choices);
        if let Some(first) = self.goes_first(state, &choices) {
            actions.push(Action::Take(choices.swap_remove(first)));
            return;
        }
        let timer =
            |choice: &ChoiceOf<S>| matches!(choice, Choice::Timer { .. }) && self.is_offered(state, choice);
        if self.spec.economy.timers_first
            && let Some(first) = choices.iter().position(timer)
        {
            actions.push(Action::Take(choices.swap_remove(first)));
            return;
        }
        actions.extend(choices.into_iter().filter(|choice| self.is_offered(state, choice)).map(Action::Take));
        actions.extend(self.next_moment(state).map(Action::Pass));
    }

    /// Takes an action, and, where moments with one way on are passed over, all that follow up to the next one with
    /// several. Tells each before it is taken. `None` if the world refuses.
    pub(crate) fn advance(
        &self,
        state: &mut State<S>,
        action: Action<S>,
        tell: &mut impl FnMut(u64, &Action<S>),
    ) -> Option<()> {
        let mut action = action;
        let mut ways = Vec::new();
        *state.ways = None;
        loop {
            self.take(state, &action, tell)?;
            if !self.spec.economy.merge || state.violated {
                return Some(());
            }
            ways.clear();
            self.ways_on(state, &mut ways);
            match ways.pop() {
                Some(way) if ways.is_empty() => action = way,
                last => {
                    ways.extend(last);
                    *state.ways = Some(ways.into());
                    return Some(());
                }
            }
        }
    }

    fn take(
        &self,
        state: &mut State<S>,
        action: &Action<S>,
        tell: &mut impl FnMut(u64, &Action<S>),
    ) -> Option<()> {
        tell(state.world.now(), action);
        match action {
            Action::Pass(to) => state.world.advance(*to),
            Action::Take(choice) => {
                if let Some(purse) = state.budget.purse(choice) {
                    *purse = purse.checked_sub(1)?;
                }
                let effects = self.steps.take(&self.setup, &mut state.world, choice)?;
                self.look(state, choice, &effects);
                if let Choice::Download { path, .. } | Choice::Upload { path, .. } = choice
                    && self.is_own(path)
                {
                    state.world.forget_versions(path);
                }
                if let Some(id) = choice.replica().filter(|_| !self.spec.menu.notices)
                    && state.world.replica(id).changed()
                {
                    self.lose_notice(state, id, tell);
                }
                if let Some(delay_ms) = self.spec.bounds.delay_ms_max {
                    let idle = &self.spec.economy.idle_files[..];
                    state.late.note(&state.world, choice, &effects, (delay_ms, idle));
                }
            }
        }
        Some(())
    }

    /// The process is never told that its files changed.
    fn lose_notice(&self, state: &mut State<S>, replica: ReplicaId, tell: &mut impl FnMut(u64, &Action<S>)) {
        let lost = Choice::Watch { replica, lost: true, draw: Draw::default() };
        let lost = Action::Take(lost);
        self.take(state, &lost, tell).expect("a notice that waits can get lost");
    }

    /// Lets the checkers look.
    fn look(&self, state: &mut State<S>, choice: &ChoiceOf<S>, effects: &Effects<S::Protocol>) {
        let mut findings = Findings::default();
        look(&mut state.checks, &self.setup, &state.world, choice, effects, &mut findings);
        state.violated |= findings.violation(&self.spec.property).is_some();
        self.note_reached(&findings);
        if self.spec.bounds.forget {
            state.checks.forget(&self.spec.property, &self.fresh);
        }
    }
}

impl<S: System> Model for FolderModel<S> {
    type State = State<S>;
    type Action = Action<S>;

    fn init_states(&self) -> Vec<State<S>> {
        let mut world = S::world(&self.spec.scenario, &self.setup);
        self.spec.scenario.seed_files(&mut world);
        let budget = Budget::new(&self.spec.bounds);
        let late = Late::default();
        let mut state = State {
            world,
            checks: self.fresh.clone(),
            budget,
            late,
            violated: false,
            alike: None,
            ways: Memo(None),
        };
        state.alike = self.alike(&state);
        vec![state]
    }

    fn actions(&self, state: &State<S>, actions: &mut Vec<Action<S>>) {
        match &*state.ways {
            Some(ways) => actions.extend(ways.iter().cloned()),
            None => self.ways_on(state, actions),
        }
    }

    fn next_state(&self, state: &State<S>, action: Action<S>) -> Option<State<S>> {
        let mut next = state.clone();
        self.advance(&mut next, action, &mut |_, _| {})?;
        next.alike = self.alike(&next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("the checker finds nothing", |_, state: &State<S>| !state.violated)]
    }
}
