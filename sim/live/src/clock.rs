//! The world's time by the machine's clock.

use std::time::{Duration, Instant};

/// World time, ms, which goes on while the process lives, so many times as fast as real time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    base_ms: u64,
    speed: u64,
}

impl Clock {
    /// World time is `base_ms` now.
    pub(crate) fn start(base_ms: u64, speed: u64) -> Self {
        Self { origin: Instant::now(), base_ms, speed: speed.max(1) }
    }

    pub(crate) fn now(&self) -> u64 {
        let us = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.base_ms.saturating_add(us.saturating_mul(self.speed) / 1_000)
    }

    /// How long it is until a world time.
    pub(crate) fn until(&self, ms: u64) -> Duration {
        let left = ms.saturating_sub(self.now());
        Duration::from_micros(left.saturating_mul(1_000).div_ceil(self.speed))
    }
}
