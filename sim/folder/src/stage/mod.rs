//! The stage: a world in time. It knows what is due when, and makes it happen.
//!
//! A [`World`](crate::world::World) says what may happen, a [`Courier`] when the sync clients do their part, a
//! [`Scenario`] what is done to the replicas. The stage puts the three together and adds what a replica does next and
//! when. It is a plain value without a clock, a thread or a task of its own: its driver asks when something is
//! [due](Stage::due), waits until then, by whatever means, and lets it [happen](Stage::advance).
//!
//! ```
//! use cloudchamber_folder::scenario::Scenario;
//! use cloudchamber_folder::stage::Stage;
//! use cloudchamber_folder::systems::failover::FailoverSystem;
//!
//! let text = "system = 'failover'\nprofile = 'icloud'\nrun_ms = 60000\nreplica = [{}, {}]\n";
//! let scenario = Scenario::<FailoverSystem>::parse("two.toml".as_ref(), text)?;
//! let mut stage = Stage::new(&scenario);
//! while let Some(due) = stage.due() {
//!     // A driver in real time would sleep until `due` here.
//!     stage.advance(due, &mut |_, _| {});
//! }
//! let outcome = stage.finish();
//! assert_eq!(outcome.at_ms, 60_000);
//! # Ok::<(), cloudchamber_folder::scenario::ScenarioError>(())
//! ```
//!
//! # Ties
//! What is due at one moment happens in the order of [`Actor`]: the director, the replicas from a to z, the courier. One
//! act may make another due at the same moment, which then takes its turn before time goes on. So [`Stage::advance`]
//! depends on nothing but the scenario: called at every due time or once a second, by any driver, it makes the same
//! choices at the same times.
//!
//! A driver with a task for each actor lets each [act](Stage::act) when it is its [turn](Stage::turn), and hears from
//! [signals](Stage::signals) whom to wake before it is [due](Stage::rest). Who acts out of turn makes another run.

mod ambush;
mod held;
mod life;
mod outside;
mod plan;

use std::collections::VecDeque;

use cloudchamber_core::Path;

use self::life::{Life, Next};
use self::plan::{Deed, plan};
use crate::courier::{Courier, Touch};
use crate::profile::Placeholder;
use crate::scenario::Scenario;
use crate::streams::another;
use crate::trace::{Outcome, Watched};
use crate::world::{Choice, ChoiceOf, EPOCH, Presence, Want};
use crate::{ReplicaId, Service as _, System};

/// A run in progress: the watched world, the courier, the plan, and what each replica does next.
#[derive(Clone)]
pub struct Stage<S: System> {
    watched: Watched<S>,
    courier: Courier,
    /// When the courier was due when its driver last asked or was signalled.
    courier_told: Option<u64>,
    lives: Vec<Life>,
    /// What the courier brought while something lay in its way, in the order in which it came.
    held: Vec<(ReplicaId, Path)>,
    deeds: VecDeque<(u64, Deed<S>)>,
    close: Close,
    signals: Vec<Signal>,
    /// When faults stop, ms.
    run_ms: u64,
    /// How long the system may take to settle after that, ms.
    settle_ms: u64,
    gone_for_good: Vec<ReplicaId>,
    /// Whether disks and calls take time at all.
    latency: bool,
}

/// Who makes things happen. The order is that of ties.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Actor {
    /// Carries out the plan: people, faults, the end.
    Director,
    /// The process of a replica.
    Replica(ReplicaId),
    /// The sync clients of all replicas.
    Courier,
}

/// What a driver with a task for each actor has to know of what the others did.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Signal {
    /// The actor is due earlier than it was when it began to rest.
    Due(Actor),
    /// The replica's process starts: a new life begins, the last one is over.
    Opened(ReplicaId),
    /// The replica's machine fell asleep.
    Slept(ReplicaId),
    /// The replica's machine woke up.
    Woke(ReplicaId),
}

/// Who looks at the world after each choice: what was just taken, and the world after it.
pub type Watcher<'w, S> = dyn FnMut(&Watched<S>, &ChoiceOf<S>) + 'w;

/// How a run comes to its end, once all deeds are done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Close {
    /// The checkers are asked at this time, for the how many-th time in a row after they were content.
    Look { at: u64, times: u32 },
    /// Nothing happens but that time runs out.
    Last { at: u64 },
    /// It ended at this time.
    Over { at: u64 },
}

/// Into how many parts the time to settle is divided; the checkers are asked at the end of each.
const SETTLE_PARTS: u64 = 32;

/// After how many times in a row that nothing was left to be desired a run ends before its time.
const SETTLED_TIMES: u32 = 3;

// What a driver asks.
impl<S: System> Stage<S> {
    /// The beginning of a checked scenario's run.
    ///
    /// # Panics
    /// Where the scenario was not checked.
    #[must_use]
    pub fn new(scenario: &Scenario<S>) -> Self {
        let count = scenario.replica.len();
        let mut stage = Self {
            watched: Watched::new(scenario),
            courier: Courier::new(scenario.profile(), count, scenario.seed),
            courier_told: None,
            lives: ReplicaId::all(count).map(|id| Life::new(scenario.seed, id)).collect(),
            held: Vec::new(),
            deeds: plan(scenario).into(),
            close: Close::Over { at: 0 },
            signals: Vec::new(),
            run_ms: scenario.run_ms,
            settle_ms: scenario.settle_ms,
            gone_for_good: scenario.faults.gone_for_good.clone(),
            latency: scenario.profile != "perfect" || scenario.delay_ms.is_some(),
        };
        stage.close = stage.close_from(0, 0);
        for id in ReplicaId::all(count) {
            stage.lives[id.index()].awake = stage.watched.world.replica(id).machine().awake;
            let slots = stage.watched.world.replica(id).disk().slots();
            let dirty: Vec<_> = slots.filter(|(_, slot)| slot.dirty).map(|(path, _)| path.clone()).collect();
            for path in dirty {
                stage.courier.touched(0, id, &path, Touch::Written);
            }
        }
        stage
    }

    /// The same moment with another future: what was under way ends as it was to, and everything else is drawn for another
    /// seed. `scenario` is that of this run.
    #[must_use]
    pub fn with_future(&self, scenario: &Scenario<S>, seed: u64) -> Self {
        let now = self.watched.world.now();
        let mut stage = self.clone();
        stage.courier.redraw(seed);
        for (life, id) in stage.lives.iter_mut().zip(ReplicaId::all(self.lives.len())) {
            life.redraw(seed, id);
        }
        let planned = plan(&Scenario { seed, ..scenario.clone() });
        stage.deeds.retain(|(_, deed)| deed.is_end());
        stage.deeds.extend(planned.into_iter().filter(|(ms, _)| *ms > now));
        stage.deeds.make_contiguous().sort_by_key(|(ms, _)| *ms);
        stage
    }

    /// The world, its checkers and what they found so far.
    #[must_use]
    pub fn watched(&self) -> &Watched<S> {
        &self.watched
    }

    /// When something is due next, in ms of world time; `None` if the run is over. It may turn out then that there is
    /// nothing to do: clients have timers of their own, and a process may have died meanwhile.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.first().map(|(at, _)| at)
    }

    /// Lets everything happen that is due up to `now`, each at its time and ties in the order of [`Actor`]. `watcher`
    /// looks at the world after each choice.
    pub fn advance(&mut self, now: u64, watcher: &mut Watcher<'_, S>) {
        while let Some((at, actor)) = self.turn(now) {
            self.act(actor, at, watcher);
            self.signals.clear();
        }
    }

    /// Whose turn it is at `now`, and the time for which it acts; `None` if nobody is due.
    #[must_use]
    pub fn turn(&self, now: u64) -> Option<(u64, Actor)> {
        let (at, actor) = self.first().filter(|(at, _)| *at <= now)?;
        Some((at.max(self.watched.world.now()), actor))
    }

    /// The actor that is due first, and when.
    fn first(&self) -> Option<(u64, Actor)> {
        if self.ended().is_some() {
            return None;
        }
        let mut first = self.due_of(Actor::Director).map(|at| (at, Actor::Director));
        let mut compare = |due: Option<u64>, actor| {
            if let Some(at) = due
                && first.is_none_or(|(first, _)| at < first)
            {
                first = Some((at, actor));
            }
        };
        for id in ReplicaId::all(self.lives.len()) {
            compare(self.due_of(Actor::Replica(id)), Actor::Replica(id));
        }
        compare(self.courier.due(), Actor::Courier);
        first
    }

    /// When an actor is due; `None` if only another one's act can change that.
    #[must_use]
    pub fn due_of(&self, actor: Actor) -> Option<u64> {
        match actor {
            Actor::Director => match (self.deeds.front(), self.close) {
                (Some((ms, _)), _) => Some(*ms),
                (None, Close::Look { at, .. } | Close::Last { at }) => Some(at),
                (None, Close::Over { .. }) => None,
            },
            Actor::Replica(id) => self.lives[id.index()].due(),
            Actor::Courier => self.courier.due(),
        }
    }

    /// When an actor is due that has a task of its own. The task promises to act then, or when it is signalled, and
    /// not to wait for anything else.
    pub fn rest(&mut self, actor: Actor) -> Option<u64> {
        let due = self.due_of(actor);
        if actor == Actor::Courier {
            self.courier_told = due;
        }
        due
    }

    /// Whether a signal may come for an actor that rests. Who is busy acts when it is due and not before.
    #[must_use]
    pub fn hears(&self, actor: Actor) -> bool {
        match actor {
            // What strikes at a moment that nobody can plan.
            Actor::Director => true,
            Actor::Replica(id) => self.lives[id.index()].hears(),
            Actor::Courier => true,
        }
    }

    /// Whether a replica's process is down, so that nothing but an opening gives it something to do.
    #[must_use]
    pub fn is_down(&self, id: ReplicaId) -> bool {
        self.lives[id.index()].next == Next::Nothing
    }

    /// What the acts since the last call mean for the tasks of actors, in the order in which it came about.
    pub fn signals(&mut self) -> impl Iterator<Item = Signal> + '_ {
        self.signals.drain(..)
    }

    /// Lets one actor do what is next for it.
    ///
    /// # Panics
    /// Where `now` is before the world's time.
    pub fn act(&mut self, actor: Actor, now: u64, watcher: &mut Watcher<'_, S>) {
        match actor {
            Actor::Director => self.direct(now, watcher),
            Actor::Replica(id) => self.live(now, id, watcher),
            Actor::Courier => self.movements(now, watcher),
        }
    }

    /// When the run ended; `None` if it goes on.
    #[must_use]
    pub fn ended(&self) -> Option<u64> {
        match self.close {
            Close::Over { at } if self.deeds.is_empty() => Some(at),
            _ => None,
        }
    }

    /// How the run ended, with the checkers' last word.
    #[must_use]
    pub fn finish(mut self) -> Outcome {
        self.watched.advance(self.ended().unwrap_or(self.watched.world.now()));
        self.watched.finish()
    }
}

// The director.
impl<S: System> Stage<S> {
    /// Does the next deed, or looks whether the run can end.
    fn direct(&mut self, now: u64, watcher: &mut Watcher<'_, S>) {
        if let Some((_, deed)) = self.deeds.pop_front() {
            match deed {
                Deed::Take(choice) => self.take_deed(now, choice, watcher),
                Deed::CrashAtOp { replica, doom } => self.lives[replica.index()].doom = Some(doom),
                Deed::Ambush(ambush) => self.lives[ambush.replica.index()].ambush = Some(ambush),
                Deed::Restore { replica, drawn } => self.restore(now, replica, drawn, watcher),
                Deed::Calm => self.calm(now, watcher),
            }
            if self.deeds.is_empty() {
                self.close = self.close_from(now, 0);
            }
            return;
        }
        self.must_agree();
        self.close = match self.close {
            Close::Look { times, .. } => {
                let times = if self.watched.is_settled(now) { times + 1 } else { 0 };
                self.close_from(now, times)
            }
            Close::Last { .. } => Close::Over { at: now },
            Close::Over { at } => Close::Over { at },
        };
    }

    /// How a run goes on that has been content for so many times: to its end, or, once faults have stopped, until
    /// everything that is due in the end has come and lasted for a good part of the time that it may take. At most
    /// times nothing else would happen.
    fn close_from(&self, now: u64, times: u32) -> Close {
        let end_ms = self.run_ms + self.settle_ms;
        let part_ms = self.settle_ms.div_ceil(SETTLE_PARTS);
        match times {
            SETTLED_TIMES.. => Close::Over { at: now },
            _ if self.settle_ms > 0 && now < end_ms => Close::Look { at: end_ms.min(now + part_ms), times },
            _ => Close::Last { at: end_ms },
        }
    }

    fn take_deed(&mut self, now: u64, choice: ChoiceOf<S>, watcher: &mut Watcher<'_, S>) {
        match choice {
            Choice::Open { replica, .. } => self.open(now, replica),
            Choice::Crash { replica, .. } => {
                self.lives[replica.index()].doom = None;
                self.take(now, choice, watcher);
            }
            Choice::Sleep { replica } => {
                if self.take(now, choice, watcher) {
                    self.signals.push(Signal::Slept(replica));
                }
            }
            Choice::Wake { replica } => {
                if self.take(now, choice, watcher) {
                    self.signals.push(Signal::Woke(replica));
                }
            }
            _ => {
                self.take(now, choice, watcher);
            }
        }
    }

    /// A replica's process is to start, unless it is up. It is the first thing that it does in its new life.
    fn open(&mut self, now: u64, id: ReplicaId) {
        let life = &mut self.lives[id.index()];
        life.doom = None;
        if self.watched.world.replica(id).process().is_none() {
            life.next = Next::Open { at: now };
            self.signals.push(Signal::Opened(id));
        }
    }

    /// Faults stop: whoever is not gone for good is awake, mended and up.
    fn calm(&mut self, now: u64, watcher: &mut Watcher<'_, S>) {
        let gone = self.gone_for_good.clone();
        for replica in ReplicaId::all(self.lives.len()) {
            (self.lives[replica.index()].doom, self.lives[replica.index()].ambush) = (None, None);
            if gone.contains(&replica) {
                let crash = Choice::Crash { replica, torn_percent: 0, loss: Default::default() };
                self.take(now, crash, watcher);
            } else {
                self.take_deed(now, Choice::Wake { replica }, watcher);
            }
        }
        for choice in self.mendings(now, &gone) {
            self.take(now, choice, watcher);
        }
        self.courier.calm(now);
        self.watched.calm(now);
        self.movements(now, watcher);
        for id in ReplicaId::all(self.lives.len()).filter(|id| !gone.contains(id)) {
            self.open(now, id);
        }
    }

    /// Something comes back that was kept aside: in one of four cases the whole tree, and in one of two to this disk
    /// alone.
    fn restore(&mut self, now: u64, replica: ReplicaId, drawn: u64, watcher: &mut Watcher<'_, S>) {
        let state = self.watched.world.replica(replica);
        let older: Vec<_> = state.kept().filter(|path| state.differs_from_kept(path)).cloned().collect();
        let path = match older.len() as u64 {
            0 => return,
            _ if another(drawn, 0).is_multiple_of(4) => None,
            count => older.into_iter().nth(usize::try_from(another(drawn, 1) % count).expect("an index")),
        };
        let sent = another(drawn, 2).is_multiple_of(2);
        self.take(now, Choice::Restore { replica, path, sent }, watcher);
    }

    /// What sets clocks right and makes machines work.
    fn mendings(&self, now: u64, gone: &[ReplicaId]) -> Vec<ChoiceOf<S>> {
        let world = &self.watched.world;
        let mut mend = Vec::new();
        for (replica, state) in world.replicas().filter(|(replica, _)| !gone.contains(replica)) {
            let machine = state.machine();
            let wrong = world.clocks(&self.watched.setup, replica).wall;
            let right = EPOCH.plus(i64::try_from(now).unwrap_or(i64::MAX));
            if wrong != right {
                mend.push(Choice::Clock { replica, by_ms: right.since(wrong) });
            }
            if machine.disk_full {
                mend.push(Choice::Disk { replica, full: false });
            }
            if !machine.folder_reachable {
                mend.push(Choice::Folder { replica, reachable: true });
            }
            if !machine.local_readable {
                mend.push(Choice::Local { replica, readable: true });
            }
            if state.is_hollow() {
                mend.push(Choice::Mount { replica, mounted: true });
            }
            if !machine.online {
                mend.push(Choice::Network { replica, online: true });
            }
        }
        mend
    }
}

// What happens to the world.
impl<S: System> Stage<S> {
    /// Makes one thing happen at `now`, and everything of the courier's that is due with it. Returns whether the world
    /// allowed it.
    fn take(&mut self, now: u64, mut choice: ChoiceOf<S>, watcher: &mut Watcher<'_, S>) -> bool {
        let taken = self.take_one(now, &mut choice, watcher);
        self.movements(now, watcher);
        taken
    }

    /// Everything of the courier's that is due.
    fn movements(&mut self, now: u64, watcher: &mut Watcher<'_, S>) {
        loop {
            let Some(mut choice) = self.courier.next(now, &self.watched.world) else { break };
            if !self.take_one(now, &mut choice, watcher) {
                self.refused(&choice);
            }
        }
        if let Some(due) = self.courier.due()
            && self.courier_told.is_none_or(|told| due < told)
        {
            self.courier_told = Some(due);
            self.signals.push(Signal::Due(Actor::Courier));
        }
    }

    fn take_one(&mut self, now: u64, choice: &mut ChoiceOf<S>, watcher: &mut Watcher<'_, S>) -> bool {
        self.watched.advance(now);
        if let Some(id) = choice.replica() {
            let fresh = self.lives[id.index()].draw();
            if let Some(draw) = choice.draw_mut() {
                *draw = fresh;
            }
        }
        if self.watched.take(choice).is_err() {
            return false;
        }
        self.report(now, choice);
        self.bring_held(now);
        if let Some(id) = choice.replica() {
            self.spring(now, id, choice);
        }
        watcher(&self.watched, choice);
        true
    }

    /// What it means that the world did not allow a choice of the courier's. Most are dropped as a client drops them: a
    /// newer version came first, the file was changed here meanwhile, or is as it was, somebody needs its bytes. What
    /// has something in its way comes later.
    ///
    /// # Panics
    /// Where the courier must have lost sight of the world.
    fn refused(&mut self, choice: &ChoiceOf<S>) {
        let Some(id) = choice.replica() else { return };
        let replica = self.watched.world.replica(id);
        match choice {
            Choice::Evict { .. } => {}
            Choice::Download { .. } if replica.syncs() => self.hold(choice),
            Choice::Watch { .. } => {
                // A process that is busy with an op misses the notice, and is not told before the next one.
                self.lives[id.index()].missed_notice |= replica.changed() && replica.runs();
            }
            _ => {
                let dirty = |path| replica.disk().slot(path).is_some_and(|slot| slot.dirty);
                let drifted = match choice {
                    Choice::Upload { path, .. } => dirty(path),
                    Choice::ResetIndex { .. } => true,
                    _ => false,
                };
                let drifted = drifted || !replica.syncs();
                assert!(!drifted, "the courier lost sight of replica {id}: it was refused {choice:?}");
            }
        }
    }

    /// Where courier and world disagree about what has yet to come; `None` if they agree. What the world wants for a
    /// replica whose client is at work, the courier has planned: so as soon as the courier has nothing planned for it
    /// any more, the replica is in step. And what the courier has planned beyond that, the world will refuse.
    fn drift(&self) -> Option<String> {
        let world = &self.watched.world;
        for id in ReplicaId::all(self.lives.len()) {
            for want in world.wants(id) {
                let forgotten = match want {
                    Want::Up(path) if !self.courier.sends(id, path) => {
                        format!("that {path} was changed there and has to go up")
                    }
                    Want::Down(path, version) if !self.courier.brings(id, path, version) => {
                        format!("that version {version} of {path} has to come down")
                    }
                    Want::Notice if !self.courier.notifies(id) && !self.lives[id.index()].missed_notice => {
                        "to tell its process that files changed".into()
                    }
                    _ => continue,
                };
                let now = world.now();
                return Some(format!("at {now} ms the courier has forgotten at replica {id}: {forgotten}"));
            }
        }
        None
    }

    /// # Panics
    /// Where courier and world have drifted apart.
    fn must_agree(&self) {
        if let Some(drift) = self.drift() {
            panic!("courier and world have drifted apart: {drift}");
        }
    }

    /// Tells the courier and the replicas what a choice changed.
    fn report(&mut self, now: u64, choice: &ChoiceOf<S>) {
        let effects = &self.watched.effects;
        let world = &self.watched.world;
        if let Some(id) = choice.replica() {
            for path in &effects.touched {
                let slot = world.replica(id).disk().slot(path);
                let gone = slot.is_none_or(|slot| slot.body.is_none());
                self.courier.touched(now, id, path, if gone { Touch::Removed } else { Touch::Written });
                // A client that forgot what it had synced takes what is removed then for what it never had.
                let Some(file) = world.cloud().file(path).filter(|_| gone) else { continue };
                let is_behind = slot.is_none_or(|slot| !slot.dirty && slot.seen < file.latest());
                if is_behind && !self.courier.brings(id, path, file.latest()) {
                    let removed = file.newest().content.is_none();
                    self.courier.owed(now, id, path, file.latest(), removed, world);
                }
            }
            if effects.files_changed
                && let Some(path) = moved(choice)
            {
                self.courier.placed(now, id, path, world);
            }
        }
        for commit in &effects.committed {
            self.courier.committed(now, commit.author, &commit.path, commit.version, commit.removed, world);
        }
        for (id, path, version) in &effects.owed {
            let file = world.cloud().file(path);
            let removed = file.is_some_and(|file| file.newest().content.is_none());
            self.courier.owed(now, *id, path, *version, removed, world);
        }
        match choice {
            Choice::Folder { replica, .. }
            | Choice::Mount { replica, .. }
            | Choice::Network { replica, .. }
            | Choice::Sleep { replica }
            | Choice::Wake { replica }
            | Choice::Wipe { replica } => {
                let syncs = world.replica(*replica).syncs();
                self.lives[replica.index()].awake = world.replica(*replica).machine().awake;
                self.courier.reachable(now, *replica, syncs);
                self.ring(now, *replica);
            }
            // An application that looks at its files wants the bytes of those that are elsewhere.
            Choice::Timer { replica, .. } if self.watched.setup.rules.placeholder != Placeholder::None => {
                for (path, slot) in world.replica(*replica).disk().slots() {
                    if slot.body.as_ref().is_some_and(|body| body.presence != Presence::Here) {
                        self.courier.wanted(now, *replica, path);
                    }
                }
            }
            Choice::Command { replica, .. } => self.ring(now, *replica),
            Choice::Restore { replica, .. } => {
                let placed = effects.touched.iter().chain(effects.owed.iter().map(|(_, path, _)| path));
                placed.for_each(|path| self.courier.placed(now, *replica, path, world));
            }
            Choice::Watch { replica, .. } => {
                self.lives[replica.index()].missed_notice = false;
                self.ring(now, *replica);
            }
            Choice::Act { .. } | Choice::Serve { .. } => {
                for id in ReplicaId::all(self.lives.len()) {
                    if self.watched.world.service().ready(id, now) {
                        self.ring(now, id);
                    }
                }
            }
            _ => {}
        }
    }

    /// A replica may have something to do before the time that it waits for.
    fn ring(&mut self, now: u64, id: ReplicaId) {
        if self.lives[id.index()].ring(now) {
            self.signals.push(Signal::Due(Actor::Replica(id)));
        }
    }
}

/// The file that a client's movement is about.
fn moved<C, A>(choice: &Choice<C, A>) -> Option<&Path> {
    match choice {
        Choice::Download { path, .. } | Choice::Fetch { path, .. } | Choice::Upload { path, .. } => {
            Some(path)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
