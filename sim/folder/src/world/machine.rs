//! The machine a replica runs on: awake or not, connected or not, and its clocks.

use std::hash::{Hash, Hasher};

use cloudchamber_core::{Mono, Now, WallMs};
use serde::{Deserialize, Serialize};

/// World time 0 as a right wall clock shows it: 2026-01-01 00:00 UTC.
pub const EPOCH: WallMs = WallMs(1_767_225_600_000);

/// What does not change about a machine.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields, rename_all = "snake_case")]
pub struct MachineSetup {
    /// By how many milliseconds its wall clock is ahead (behind where negative) at the start.
    pub clock_offset_ms: i64,
    /// By how many millionths both its clocks run fast (slow where negative).
    pub clock_drift_ppm: i32,
    /// Whether its monotonic clock goes on while it sleeps. `CLOCK_BOOTTIME` and macOS's continuous time do;
    /// Rust's `Instant` on Linux and macOS does not.
    pub mono_counts_sleep: bool,
    /// Whether its wall clock always shows the same time. For models of protocols whose decisions do not depend on
    /// it: the stamps that they write for people would tell states apart that are alike.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub wall_stands_still: bool,
}

impl Default for MachineSetup {
    fn default() -> Self {
        Self { clock_offset_ms: 0, clock_drift_ppm: 0, mono_counts_sleep: true, wall_stands_still: false }
    }
}

/// What does change about a machine.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Machine {
    /// Whether it is awake.
    pub awake: bool,
    /// Whether it has a network.
    pub online: bool,
    /// Whether its processes can reach the shared folder.
    pub folder_reachable: bool,
    /// Whether its disk or quota is full.
    pub disk_full: bool,
    /// Whether its processes can read what they keep on it.
    pub local_readable: bool,
    /// By how much its wall clock was set since the start, in ms.
    pub clock_set_ms: i64,
    /// How long its monotonic clock has stood still, in ms.
    stopped_ms: u64,
    /// World time at which it fell asleep, in ms; 0 while awake.
    asleep_since: u64,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self {
            awake: true,
            online: true,
            folder_reachable: true,
            disk_full: false,
            local_readable: true,
            clock_set_ms: 0,
            stopped_ms: 0,
            asleep_since: 0,
        }
    }

    pub(crate) fn sleep(&mut self, now: u64) {
        self.awake = false;
        self.asleep_since = now;
    }

    pub(crate) fn wake(&mut self, setup: &MachineSetup, now: u64) {
        if !setup.mono_counts_sleep {
            self.stopped_ms += now - self.asleep_since;
        }
        self.awake = true;
        self.asleep_since = 0;
    }

    /// Hashes it so that when it is does not count: only how long it has slept.
    pub(crate) fn hash_from(&self, now: u64, hasher: &mut impl Hasher) {
        let slept_ms = if self.awake { 0 } else { now - self.asleep_since };
        Self { asleep_since: slept_ms, ..*self }.hash(hasher);
    }

    /// Both clocks at world time `now`.
    #[must_use]
    pub fn now(&self, setup: &MachineSetup, now: u64) -> Now {
        let elapsed = local(now, setup.clock_drift_ppm);
        let shown = if setup.wall_stands_still { 0 } else { elapsed };
        Now {
            mono: Mono(elapsed.saturating_sub(self.stopped_ms)),
            wall: EPOCH
                .plus(i64::try_from(shown).unwrap_or(i64::MAX))
                .plus(setup.clock_offset_ms)
                .plus(self.clock_set_ms),
        }
    }

    /// The first world time at which its monotonic clock shows `mono` or more.
    #[must_use]
    pub fn world_time(&self, setup: &MachineSetup, mono: Mono) -> u64 {
        let elapsed = mono.0.saturating_add(self.stopped_ms);
        if setup.clock_drift_ppm == 0 {
            return elapsed;
        }
        let rate = 1_000_000 + i64::from(setup.clock_drift_ppm);
        let guess = match u64::try_from(rate) {
            Ok(rate @ 1..) if elapsed < 1 << 40 => elapsed * 1_000_000 / rate,
            _ => {
                let guess = i128::from(elapsed) * 1_000_000 / i128::from(rate);
                u64::try_from(guess).unwrap_or(u64::MAX)
            }
        };
        let mut time = guess.saturating_sub(1);
        while local(time, setup.clock_drift_ppm) < elapsed {
            time += 1;
        }
        time
    }
}

/// How many milliseconds a clock that runs `drift_ppm` millionths fast counts while `now` pass.
fn local(now: u64, drift_ppm: i32) -> u64 {
    // Asked at every step, and division of the wider type is slow.
    if drift_ppm == 0 {
        return now;
    }
    match i64::try_from(now) {
        // Three weeks, whose product with any drift has room.
        Ok(short) if now < 1 << 31 => {
            u64::try_from(short + short * i64::from(drift_ppm) / 1_000_000).unwrap_or(u64::MAX)
        }
        _ => {
            let drift = i128::from(now) * i128::from(drift_ppm) / 1_000_000;
            u64::try_from(i128::from(now) + drift).unwrap_or(u64::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn world_time_is_the_first_that_is_late_enough() {
        for drift in [-500, -3, 0, 7, 100] {
            let setup = MachineSetup { clock_drift_ppm: drift, ..MachineSetup::default() };
            let machine = Machine::new();
            for mono in [0, 1, 999, 1_000_000, 987_654_321, (1 << 31) + 7, (1 << 40) + 9] {
                let time = machine.world_time(&setup, Mono(mono));
                assert!(machine.now(&setup, time).mono >= Mono(mono));
                assert!(time == 0 || machine.now(&setup, time - 1).mono < Mono(mono));
            }
        }
    }

    #[test]
    fn a_clock_that_stops_in_sleep_is_behind_afterwards() {
        for (mono_counts_sleep, mono) in [(true, 5_000), (false, 2_000)] {
            let setup = MachineSetup { mono_counts_sleep, ..MachineSetup::default() };
            let mut machine = Machine::new();
            machine.sleep(1_000);
            machine.wake(&setup, 4_000);
            let now = machine.now(&setup, 5_000);
            assert_eq!((now.mono, now.wall), (Mono(mono), EPOCH.plus(5_000)));
            assert_eq!(machine.world_time(&setup, Mono(mono)), 5_000);
        }
    }
}
