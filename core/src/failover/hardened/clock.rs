//! The own clocks: whether this replica ran all the time, and how long it did not.

use super::constants::{Asleep, Hardened};
use super::record::Visit;
use crate::{Mono, Now};

/// How much later than asked for a step may come without being noted, ms.
pub(super) const LATE_MS: u64 = 200;

/// How much later a step may come before the replica is taken to be asleep, ms.
const STALL_MS: u64 = 1_000;

/// What the own clocks said at the last step.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct OwnClock {
    last: Mono,
    /// How long after that it would have taken another step, had it run, in ms.
    step_ms: u64,
    /// By how much the wall clock is ahead of the monotonic one; `None` if the monotonic clock counts sleep.
    ahead_ms: Option<i64>,
}

/// How long a replica did not run before a step, in ms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Gap {
    /// How long the monotonic clock stood still meanwhile.
    pub(super) slept_ms: u64,
    /// How much later than asked for the step came, sleep included.
    pub(super) late_ms: u64,
}

fn ahead_ms(now: Now) -> i64 {
    now.wall.0.saturating_sub(i64::try_from(now.mono.0).unwrap_or(i64::MAX))
}

impl OwnClock {
    pub(super) fn new(hardened: &Hardened, now: Now) -> Self {
        let ahead_ms = (hardened.asleep == Asleep::Missed).then(|| ahead_ms(now));
        Self { last: now.mono, step_ms: hardened.look_ms + STALL_MS, ahead_ms }
    }

    /// Takes the clocks of a step, and says how long the replica did not run before it. It asks to be woken at every
    /// look.
    pub(super) fn tick(&mut self, hardened: &Hardened, now: Now) -> Gap {
        let slept_ms = self.slept_ms(now);
        let late_ms = now.mono.since(self.last).saturating_sub(hardened.look_ms).max(slept_ms);
        *self = Self::new(hardened, now);
        Gap { slept_ms, late_ms }
    }

    /// Whether the replica can be taken to have been awake since its last step.
    pub(super) fn is_awake(&self, now: Now) -> bool {
        now.mono.since(self.last).saturating_add(self.slept_ms(now)) <= self.step_ms
    }

    /// When it took its last step.
    pub(super) fn last(&self) -> Mono {
        self.last
    }

    /// How long the monotonic clock has stood still since the last step, by the wall clock's word.
    pub(super) fn slept_ms(&self, now: Now) -> u64 {
        let before = self.ahead_ms.unwrap_or(i64::MAX);
        u64::try_from(ahead_ms(now).saturating_sub(before)).unwrap_or(0)
    }

    pub(super) fn visit(&mut self, visit: &mut dyn Visit) {
        visit.last(&mut self.last);
    }
}
