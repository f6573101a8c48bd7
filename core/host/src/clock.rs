//! The real clocks, and randomness that no other process shares.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use cloudchamber_core::failover::Asleep;
use cloudchamber_core::{Draw, Mono, Now, WallMs};
use rustix::time::{ClockId, clock_gettime};

/// What the monotonic clock of [`now`] does while the machine sleeps: Linux's `CLOCK_BOOTTIME` and Apple's
/// `CLOCK_MONOTONIC` go on; of others it is not known, and what the wall clock gains counts as sleep.
pub const ASLEEP: Asleep = if cfg!(any(target_os = "android", target_os = "linux", target_vendor = "apple")) {
    Asleep::Counted
} else {
    Asleep::Missed
};

/// One sample of both clocks.
#[must_use]
pub fn now() -> Now {
    #[cfg(any(target_os = "android", target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
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

/// A time as people and programs read it, such as `2026-11-29T06:02:03Z`, of milliseconds since 1970.
#[must_use]
pub fn utc(ms: i64) -> String {
    let (days, rest_ms) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Days in eras of 400 years that begin in March, as in Hinnant's "chrono-compatible low-level date algorithms".
    let shifted = days.saturating_add(719_468);
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = match month < 10 {
        true => (year + era * 400, month + 3),
        false => (year + era * 400 + 1, month - 9),
    };
    let s = rest_ms / 1_000;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", s / 3_600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date() {
        for (ms, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_795_932_123_456, "2026-11-29T06:02:03Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(ms), date);
        }
        assert!(!utc(i64::MAX).is_empty() && !utc(i64::MIN).is_empty());
    }
}
