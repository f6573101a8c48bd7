//! The real clocks, and randomness that no other process shares.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use cloudchamber_core::{Draw, Mono, Now, WallMs};
use rustix::time::{ClockId, clock_gettime};

/// One sample of both clocks. The monotonic one goes on while the machine sleeps.
#[must_use]
pub fn now() -> Now {
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let mono = clock_gettime(CLOCK);
    let mono_ms = mono.tv_sec.saturating_mul(1_000).saturating_add(mono.tv_nsec / 1_000_000);
    let wall_ms = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
    };
    Now { mono: Mono(u64::try_from(mono_ms).unwrap_or(0)), wall: WallMs(wall_ms) }
}

/// A seed from the system's randomness.
#[must_use]
pub fn draw() -> Draw {
    Draw::Seed(RandomState::new().hash_one(std::process::id()))
}
