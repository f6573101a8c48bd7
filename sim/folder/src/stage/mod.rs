//! A run in progress: the watched world, the courier, and the randomness of everything that is not the folder.

use std::collections::VecDeque;
use std::sync::Arc;

use cloudchamber_core::{Draw, Driver, FsOp, Path, Rng as _};
use cloudchamber_folder::scenario::{At, Scenario};
use cloudchamber_folder::trace::Watched;
use cloudchamber_folder::world::{Choice, ChoiceOf, Part, Presence};
use cloudchamber_folder::{ReplicaId, Service as _, System};
use tokio::sync::Notify;

use crate::plan::{Doom, Moment, with_draw};
use crate::run::Watcher;
use cloudchamber_folder::courier::{Courier, Movement, Touch};
use cloudchamber_folder::streams::{Purpose, Stream};

/// Shared by all tasks of a run; every access is one short critical section of one thread.
pub(crate) struct Lab<S: System> {
    pub(crate) watched: Watched<S>,
    courier: Courier,
    /// The choices so far, where they are wanted.
    pub(crate) trace: Option<Vec<At<ChoiceOf<S>>>>,
    watcher: Option<Watcher<S>>,
    replicas: Vec<Bench>,
    /// Rung when the courier has something due earlier than it thought.
    pub(crate) courier_bell: Arc<Notify>,
    /// When the courier's task will look next, in ms.
    courier_sleeps_until: Option<u64>,
    /// Whether disks and calls take time at all.
    latency: bool,
}

/// What belongs to a replica besides its world.
struct Bench {
    steps: Stream,
    disk: Stream,
    calls: Stream,
    doom: Option<Doom>,
    /// Rung when the replica may have something to do.
    bell: Arc<Notify>,
}

/// What a replica's task does next.
pub(crate) enum Next {
    /// Applies its op, after some time.
    Op { after_ms: u64, half_ms: Option<u64> },
    /// Lets a call out, after some time.
    Call { after_ms: u64 },
    /// Takes the answer to its call.
    Reply,
    /// Waits for its bell, and for its timer or an answer at a world time in ms.
    Wait { until_ms: Option<u64> },
}

impl<S: System> Lab<S> {
    pub(crate) fn new(scenario: &Scenario<S>, traced: bool, watcher: Option<Watcher<S>>) -> Self {
        let latency = scenario.profile != "perfect" || scenario.delay_ms.is_some();
        let bench = |id: ReplicaId| Bench {
            steps: Stream::new(scenario.seed, Purpose::Steps, id.0),
            disk: Stream::new(scenario.seed, Purpose::Disk, id.0),
            calls: Stream::new(scenario.seed, Purpose::Calls, id.0),
            doom: None,
            bell: Arc::new(Notify::new()),
        };
        let count = scenario.replica.len();
        let mut lab = Self {
            watched: Watched::new(scenario),
            courier: Courier::new(scenario.profile(), count, scenario.seed),
            trace: traced.then(Vec::new),
            watcher,
            replicas: ReplicaId::all(count).map(bench).collect(),
            courier_bell: Arc::new(Notify::new()),
            courier_sleeps_until: None,
            latency,
        };
        for id in ReplicaId::all(count) {
            let slots = lab.watched.world.replica(id).disk().slots();
            let dirty: Vec<_> = slots.filter(|(_, slot)| slot.dirty).map(|(path, _)| path.clone()).collect();
            for path in dirty {
                lab.courier.touched(0, id.0, &path, Touch::Written);
            }
        }
        lab
    }

    pub(crate) fn bell(&self, id: ReplicaId) -> Arc<Notify> {
        Arc::clone(&self.replicas[id.index()].bell)
    }

    /// Fresh randomness for a step of a replica's.
    fn draw(&mut self, id: ReplicaId) -> Draw {
        Draw::Seed(self.replicas[id.index()].steps.bits())
    }

    /// Makes one thing happen at `now`, and everything of the courier's that is due with it. Returns whether the
    /// world allowed it.
    pub(crate) fn take(&mut self, now: u64, choice: ChoiceOf<S>) -> bool {
        let taken = self.take_one(now, choice);
        self.movements(now);
        taken
    }

    /// Everything of the courier's that is due.
    pub(crate) fn movements(&mut self, now: u64) {
        while let Some(movement) = self.courier.next(now) {
            let choice = match movement {
                Movement::Upload { replica, path } => Choice::Upload { replica: ReplicaId(replica), path },
                Movement::Download { replica, path, version, arrival } => {
                    let latest = self.watched.world.cloud().latest(&path);
                    let back = latest.saturating_sub(version);
                    Choice::Download { replica: ReplicaId(replica), path, back, arrival }
                }
                Movement::Evict { replica, path } => Choice::Evict { replica: ReplicaId(replica), path },
                Movement::Fetch { replica, path } => Choice::Fetch { replica: ReplicaId(replica), path },
                Movement::ResetIndex { replica } => Choice::ResetIndex { replica: ReplicaId(replica) },
                Movement::Watch { replica, lost } => {
                    Choice::Watch { replica: ReplicaId(replica), lost, draw: Draw::default() }
                }
            };
            // A movement that the world no longer allows (a newer version came first, the file was changed
            // here meanwhile, the process is down) is one that a client drops too.
            self.take_one(now, choice);
        }
        if let Some(due) = self.courier.due()
            && self.courier_sleeps_until.is_none_or(|until| due < until)
        {
            self.courier_bell.notify_one();
        }
    }

    /// When the courier's task should look next. It promises to look then.
    pub(crate) fn courier_due(&mut self) -> Option<u64> {
        self.courier_sleeps_until = self.courier.due();
        self.courier_sleeps_until
    }

    fn take_one(&mut self, now: u64, choice: ChoiceOf<S>) -> bool {
        self.watched.advance(now);
        let choice = match choice.replica() {
            Some(id) => {
                let draw = self.draw(id);
                with_draw::<S>(choice, draw)
            }
            None => choice,
        };
        if self.watched.take(&choice).is_err() {
            return false;
        }
        self.report(now, &choice);
        if let Some(watcher) = &mut self.watcher {
            watcher(&self.watched, &choice);
        }
        if let Some(trace) = &mut self.trace {
            trace.push(At { ms: now, choice });
        }
        true
    }

    /// Tells the courier and the replicas' tasks what a choice changed.
    fn report(&mut self, now: u64, choice: &ChoiceOf<S>) {
        let effects = &self.watched.effects;
        let world = &self.watched.world;
        if let Some(id) = choice.replica() {
            for path in &effects.touched {
                let gone = world.replica(id).disk().slot(path).is_none_or(|slot| slot.body.is_none());
                self.courier.touched(now, id.0, path, if gone { Touch::Removed } else { Touch::Written });
            }
            if effects.files_changed
                && let Some(path) = moved(choice)
            {
                self.courier.placed(now, id.0, path);
            }
        }
        for commit in &effects.committed {
            self.courier.committed(now, commit.author.0, &commit.path, commit.version, commit.removed);
        }
        for (id, path, version) in &effects.owed {
            let file = world.cloud().file(path);
            let removed = file.is_some_and(|file| file.newest().content.is_none());
            self.courier.owed(now, id.0, path, *version, removed);
        }
        match choice {
            Choice::Folder { replica, .. }
            | Choice::Network { replica, .. }
            | Choice::Sleep { replica }
            | Choice::Wake { replica } => {
                let syncs = world.replica(*replica).syncs();
                self.courier.reachable(now, replica.0, syncs);
                self.replicas[replica.index()].bell.notify_one();
            }
            Choice::Timer { replica, .. } => {
                // An application that looks at its files wants the bytes of those that are elsewhere.
                for (path, slot) in world.replica(*replica).disk().slots() {
                    if slot.body.as_ref().is_some_and(|body| body.presence != Presence::Here) {
                        self.courier.wanted(now, replica.0, path);
                    }
                }
            }
            Choice::Command { replica, .. } | Choice::Watch { replica, .. } => {
                self.replicas[replica.index()].bell.notify_one();
            }
            Choice::Act { .. } | Choice::Serve { .. } => {
                for (id, bench) in ReplicaId::all(self.replicas.len()).zip(&self.replicas) {
                    if world.service().ready(id, now) {
                        bench.bell.notify_one();
                    }
                }
            }
            _ => {}
        }
    }

    /// What a replica's task does next, as the world stands; nothing where its process is down.
    pub(crate) fn next(&mut self, now: u64, id: ReplicaId) -> Option<Next> {
        let world = &self.watched.world;
        let replica = world.replica(id);
        let process = replica.process()?;
        let bench = &mut self.replicas[id.index()];
        let online = replica.machine().online;
        Some(if let Some(op) = process.pending_op() {
            let slow = self.latency && bench.disk.chance(1, 2);
            let after_ms = if slow { bench.disk.between(1, 20) } else { 0 };
            let half = self.latency && matches!(op, FsOp::Overwrite { .. }) && bench.disk.chance(1, 16);
            Next::Op { after_ms, half_ms: half.then(|| bench.disk.between(1, 50)) }
        } else if online && !process.calls().is_empty() {
            Next::Call { after_ms: if self.latency { bench.calls.between(20, 200) } else { 0 } }
        } else if online && world.service().ready(id, now) {
            Next::Reply
        } else {
            let timer = world.timer_due(&self.watched.setup, id);
            let answer = world.service().due(id).filter(|_| online);
            Next::Wait { until_ms: timer.into_iter().chain(answer).min() }
        })
    }

    /// When a replica wants its timer, ms.
    pub(crate) fn timer_due(&self, id: ReplicaId) -> Option<u64> {
        self.watched.world.timer_due(&self.watched.setup, id)
    }

    /// What happens to the op of a replica's that is about to be applied: it may be the moment to die.
    pub(crate) fn apply(&mut self, now: u64, id: ReplicaId, part: Part) {
        if let Some(doom) = self.replicas[id.index()].doom {
            let op = self.watched.world.replica(id).process().and_then(Driver::pending_op);
            let in_op = doom.moment == Moment::InOp;
            if in_op && part == Part::Whole && matches!(op, Some(FsOp::Overwrite { .. })) {
                // It dies after the truncation: the file is empty until whatever was torn is written.
                let begin = Choice::Apply { replica: id, part: Part::Begin, draw: Draw::default() };
                self.take(now, begin);
            }
            self.die(now, id, Doom { torn_percent: if in_op { doom.torn_percent } else { 0 }, ..doom });
            return;
        }
        self.take(now, Choice::Apply { replica: id, part, draw: Draw::default() });
    }

    /// Lets a replica's process die now, or remembers that it dies at its next op.
    pub(crate) fn doom(&mut self, now: u64, id: ReplicaId, doom: Doom) {
        match doom.moment {
            Moment::Now => self.die(now, id, Doom { torn_percent: 0, ..doom }),
            Moment::BeforeOp | Moment::InOp => self.replicas[id.index()].doom = Some(doom),
        }
    }

    fn die(&mut self, now: u64, id: ReplicaId, doom: Doom) {
        self.replicas[id.index()].doom = None;
        let Doom { torn_percent, loss, .. } = doom;
        self.take(now, Choice::Crash { replica: id, torn_percent, loss });
    }

    /// Forgets a death that has not come yet.
    pub(crate) fn spare(&mut self, id: ReplicaId) {
        self.replicas[id.index()].doom = None;
    }

    /// Faults stop: clocks are set right, machines work, clients are no longer slow.
    pub(crate) fn calm(&mut self, now: u64, gone_for_good: &[ReplicaId]) {
        let mut mend: VecDeque<ChoiceOf<S>> = VecDeque::new();
        for (replica, state) in self.watched.world.replicas() {
            let machine = state.machine();
            if gone_for_good.contains(&replica) {
                continue;
            }
            let wrong = self.watched.world.clocks(&self.watched.setup, replica).wall;
            let right = cloudchamber_folder::world::EPOCH.plus(i64::try_from(now).unwrap_or(i64::MAX));
            if wrong != right {
                mend.push_back(Choice::Clock { replica, by_ms: right.since(wrong) });
            }
            if machine.disk_full {
                mend.push_back(Choice::Disk { replica, full: false });
            }
            if !machine.folder_reachable {
                mend.push_back(Choice::Folder { replica, reachable: true });
            }
            if !machine.online {
                mend.push_back(Choice::Network { replica, online: true });
            }
        }
        for choice in mend {
            self.take(now, choice);
        }
        self.courier.calm(now);
        self.watched.calm(now);
        self.movements(now);
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
