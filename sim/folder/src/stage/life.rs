//! What a replica's process does next, and when: the one driver loop, as a value.

use cloudchamber_core::{Draw, Driver, FsOp, Rng as _};

use super::ambush::Ambush;
use super::plan::Doom;
use super::{Stage, Watcher};
use crate::streams::{Purpose, Stream};
use crate::world::{Choice, Part};
use crate::{ReplicaId, Service as _, System};

/// What belongs to a replica besides its world.
#[derive(Clone, Debug)]
pub(super) struct Life {
    steps: Stream,
    disk: Stream,
    calls: Stream,
    /// The death that waits for the next op.
    pub(super) doom: Option<Doom>,
    /// What is to go wrong soon after one of the next things that it does.
    pub(super) ambush: Option<Ambush>,
    pub(super) next: Next,
    /// Whether its machine is awake.
    pub(super) awake: bool,
    /// Whether the notice of a change came while the process could not take it, and none has come since.
    pub(super) missed_notice: bool,
    /// Since when it may have something to do before the time that it waits for; `None` if it was not told so.
    rung: Option<u64>,
}

/// What a replica's process does next. Times are ms of world time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Nothing: it is down.
    Nothing,
    /// It starts.
    Open { at: u64 },
    /// Its op begins, and goes on `half_ms` later.
    Begin { at: u64, half_ms: u64 },
    /// Its op is applied, or what is left of it.
    Apply { at: u64 },
    /// Its call goes out.
    Call { at: u64 },
    /// It waits to be rung: its call could not go out, because of something that rings.
    Bell,
    /// It takes the answer to its call.
    Reply { at: u64 },
    /// It waits to be rung, and for its timer or an answer; `until` is `None` if it awaits neither.
    Wait { since: u64, until: Option<u64> },
}

impl Life {
    /// Draws whatever is not drawn yet for another seed.
    pub(super) fn redraw(&mut self, seed: u64, id: ReplicaId) {
        let Self { steps, disk, calls, .. } = Self::new(seed, id);
        (self.steps, self.disk, self.calls, self.ambush) = (steps, disk, calls, None);
    }

    pub(super) fn new(seed: u64, id: ReplicaId) -> Self {
        let stream = |purpose| Stream::new(seed, purpose, id.0);
        Self {
            steps: stream(Purpose::Steps),
            disk: stream(Purpose::Disk),
            calls: stream(Purpose::Calls),
            doom: None,
            ambush: None,
            next: Next::Nothing,
            awake: true,
            missed_notice: false,
            rung: None,
        }
    }

    /// Fresh randomness for a step.
    pub(super) fn draw(&mut self) -> Draw {
        Draw::Seed(self.steps.bits())
    }

    /// When it does what is next; `None` if nothing is, or the machine sleeps.
    pub(super) fn due(&self) -> Option<u64> {
        match self.next {
            Next::Nothing => None,
            // It is tried, and a machine that sleeps starts nothing.
            Next::Open { at } => Some(at),
            _ if !self.awake => None,
            Next::Begin { at, .. } | Next::Apply { at } | Next::Call { at } | Next::Reply { at } => Some(at),
            Next::Bell => self.rung,
            Next::Wait { until, .. } => self.rung.into_iter().chain(until).min(),
        }
    }

    /// Notes that it may have something to do. Returns whether this makes it due.
    pub(super) fn ring(&mut self, now: u64) -> bool {
        let first = self.rung.is_none();
        self.rung.get_or_insert(now);
        first && self.hears()
    }

    /// Whether it is due as soon as it is rung.
    pub(super) fn hears(&self) -> bool {
        matches!(self.next, Next::Bell | Next::Wait { .. })
    }
}

impl<S: System> Stage<S> {
    /// Lets a replica's process do what is next for it.
    pub(super) fn live(&mut self, now: u64, id: ReplicaId, watcher: &mut Watcher<'_, S>) {
        let draw = Draw::default();
        match std::mem::replace(&mut self.lives[id.index()].next, Next::Nothing) {
            Next::Nothing => return,
            Next::Open { .. } => {
                self.take(now, Choice::Open { replica: id, draw }, watcher);
            }
            Next::Begin { half_ms, .. } => {
                self.apply(now, id, Part::Begin, watcher);
                self.lives[id.index()].next = Next::Apply { at: now + half_ms };
                return;
            }
            Next::Apply { .. } => {
                if self.watched.world.replica(id).process().is_none() {
                    return;
                }
                self.apply(now, id, Part::Whole, watcher);
            }
            Next::Call { .. } => {
                if !self.take(now, Choice::Serve { replica: id }, watcher) {
                    self.lives[id.index()].next = Next::Bell;
                    return;
                }
            }
            Next::Bell => self.lives[id.index()].rung = None,
            Next::Reply { .. } => {
                self.take(now, Choice::Reply { replica: id, draw }, watcher);
            }
            Next::Wait { since, until } => {
                // Where the time had come already, it did not wait: the bell is still to be heard.
                if until.is_none_or(|until| until > since) {
                    self.lives[id.index()].rung = None;
                }
                let timer = self.watched.world.timer_due(&self.watched.setup, id);
                if timer.is_some_and(|due| due <= now) {
                    self.take(now, Choice::Timer { replica: id, draw }, watcher);
                }
            }
        }
        self.lives[id.index()].next = self.next(now, id);
    }

    /// What a replica's process does next, as the world stands.
    fn next(&mut self, now: u64, id: ReplicaId) -> Next {
        let world = &self.watched.world;
        let replica = world.replica(id);
        let Some(process) = replica.process() else { return Next::Nothing };
        let life = &mut self.lives[id.index()];
        let online = replica.machine().online;
        if let Some(op) = process.pending_op() {
            let slow = self.latency && life.disk.chance(1, 2);
            let at = now + if slow { life.disk.between(1, 20) } else { 0 };
            let half = self.latency && matches!(op, FsOp::Overwrite { .. }) && life.disk.chance(1, 16);
            if half { Next::Begin { at, half_ms: life.disk.between(1, 50) } } else { Next::Apply { at } }
        } else if online && !process.calls().is_empty() {
            Next::Call { at: now + if self.latency { life.calls.between(20, 200) } else { 0 } }
        } else if online && world.service().ready(id, now) {
            Next::Reply { at: now }
        } else {
            let timer = world.timer_due(&self.watched.setup, id);
            let answer = world.service().due(id).filter(|_| online);
            Next::Wait { since: now, until: timer.into_iter().chain(answer).min() }
        }
    }

    /// The op of a replica's is about to be applied: it may be the moment to die.
    fn apply(&mut self, now: u64, id: ReplicaId, part: Part, watcher: &mut Watcher<'_, S>) {
        let draw = Draw::default();
        let Some(Doom { torn_percent, loss }) = self.lives[id.index()].doom.take() else {
            self.take(now, Choice::Apply { replica: id, part, draw }, watcher);
            return;
        };
        let op = self.watched.world.replica(id).process().and_then(Driver::pending_op);
        if torn_percent.is_some() && part == Part::Whole && matches!(op, Some(FsOp::Overwrite { .. })) {
            // It dies after the truncation: the file is empty until whatever was torn is written.
            self.take(now, Choice::Apply { replica: id, part: Part::Begin, draw }, watcher);
        }
        let torn_percent = torn_percent.unwrap_or(0);
        self.take(now, Choice::Crash { replica: id, torn_percent, loss }, watcher);
    }
}
