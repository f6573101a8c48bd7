//! What no failure detector can beat on a folder.
//!
//! Chen, Toueg and Aguilera ("On the quality of service of failure detectors", IEEE Transactions on Computers 51(5),
//! 2002): of all detectors that get a heartbeat every period, the one that suspects when neither the heartbeat that was
//! due a time-out ago nor any later one has come (NFD-S) is the best trade of detection time against mistakes. A crash
//! at a random moment is noticed after the time-out and half a period in the median, and the word of it takes one way
//! more to reach everybody.
//!
//! The time-out follows from how late heartbeats are, and that is asked of the profile itself: its courier carries a
//! file that is rewritten every period for some weeks, without hazards. So versions that travel together, or are
//! never sent because a newer one came first, count as they do in a run.

use std::sync::Arc;

use cloudchamber_core::Path;
use cloudchamber_folder::profile::{Hazards, Profile};
use cloudchamber_sim::courier::{Courier, Movement, Touch};

use super::report::{Bound, Quiet};
use super::sample::REPLICAS;

/// How long heartbeats are carried, ms.
const CARRIED_MS: u64 = 30 * DAY_MS;

const DAY_MS: u64 = 86_400_000;

/// The seed of the courier; the bound is a property of the profile, and weeks of heartbeats level out the rest.
const SEED: u64 = 1;

/// The bound for a design that writes like `own`, and makes mistakes like `reference`.
pub(super) fn of(profile: &str, own: &Quiet, reference: &Quiet) -> Bound {
    let profile = Profile::named(profile).expect("the profile was looked up before");
    let period_ms = period_ms(own.writes_per_hour_of_active);
    let lateness = lateness(&profile, period_ms);
    let timeout_ms = timeout_ms(&lateness, reference);
    let travel_ms = lateness[lateness.len() / 2];
    let noticed_ms = timeout_ms + period_ms / 2;
    Bound { period_ms, timeout_ms, travel_ms, noticed_ms, agreed_ms: noticed_ms + travel_ms }
}

/// The time between two heartbeats where so many files are written in an hour, ms.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive figure far below 2^53, and fractions of a millisecond do not count"
)]
fn period_ms(writes_per_hour: f64) -> u64 {
    (3_600_000.0 / writes_per_hour.max(1.0)).round() as u64
}

/// The shortest time-out that does not make more mistakes than the reference, ms.
///
/// Every standby has a detector of its own, so each is allowed its share. Where the reference made none, one in as
/// long as it was watched is allowed: no more is known of it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "numbers of heartbeats of some weeks"
)]
fn timeout_ms(lateness: &[u64], reference: &Quiet) -> u64 {
    let days = reference.replica_days / f64::from(REPLICAS);
    let allowed_per_day = reference.false_failovers.max(1) as f64 / days / f64::from(REPLICAS - 1);
    let allowed = (allowed_per_day * (CARRIED_MS / DAY_MS) as f64) as usize;
    lateness[lateness.len().saturating_sub(1 + allowed)]
}

/// How late each heartbeat is, or the first later one that comes before it: what decides whether a detector takes
/// its sender for dead. Sorted, ms.
fn lateness(profile: &Profile, period_ms: u64) -> Vec<u64> {
    let calm = Profile { hazards: Hazards::none(), ..profile.clone() };
    let mut reader = Reader {
        courier: Courier::new(Arc::new(calm), 2, SEED),
        path: Path::shared("devices/a.json"),
        period_ms,
        carried: vec![0],
        seen: 0,
        lateness: Vec::new(),
    };
    let beats = CARRIED_MS / period_ms;
    for beat in 1..=beats {
        let now = beat * period_ms;
        reader.carry(now, beat - 1);
        reader.courier.touched(now, 0, &reader.path, Touch::Written);
    }
    reader.lateness.sort_unstable();
    reader.lateness
}

/// A writer's heartbeats on their way to one reader.
struct Reader {
    courier: Courier,
    path: Path,
    period_ms: u64,
    /// Which heartbeat each version carries.
    carried: Vec<u64>,
    /// The newest heartbeat that has come.
    seen: u64,
    lateness: Vec<u64>,
}

impl Reader {
    /// Moves everything that is due by `until`; `sent` is the newest heartbeat written.
    fn carry(&mut self, until: u64, sent: u64) {
        while let Some(due) = self.courier.due().filter(|due| *due <= until) {
            while let Some(movement) = self.courier.next(due) {
                match movement {
                    Movement::Upload { .. } => {
                        let version = u32::try_from(self.carried.len()).expect("fewer versions than a u32 counts");
                        self.carried.push(sent);
                        self.courier.committed(due, 0, &self.path, version, false);
                    }
                    Movement::Download { version, .. } => self.arrived(due, version),
                    _ => {}
                }
            }
        }
    }

    fn arrived(&mut self, now: u64, version: u32) {
        let newest = self.carried[version as usize];
        for beat in self.seen + 1..=newest {
            self.lateness.push(now - beat * self.period_ms);
        }
        self.seen = self.seen.max(newest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(false_failovers: u64, replica_days: f64) -> Quiet {
        Quiet {
            replica_days,
            false_failovers,
            false_failovers_per_replica_day: 0.0,
            overlap_ms_per_day: 0,
            writes_per_replica_hour: 0.0,
            writes_per_hour_of_active: 3_600_000.0 / 17_500.0,
        }
    }

    fn bound(profile: &str, mistakes: u64) -> Bound {
        let quiet = quiet(mistakes, 6.0);
        of(profile, &quiet, &quiet)
    }

    #[test]
    fn a_folder_that_is_one_costs_half_a_period() {
        let bound = bound("perfect", 0);
        assert_eq!((bound.timeout_ms, bound.travel_ms, bound.agreed_ms), (0, 0, 8_750));
    }

    #[test]
    fn syncthing_is_done_within_its_timer() {
        // Its watcher reports 5 to 15 s after a write, and the way is 5 ms, 19 ms at the 99th percentile.
        let bound = bound("syncthing", 0);
        assert!((14_900..15_200).contains(&bound.timeout_ms), "{bound:?}");
        assert!((9_000..11_000).contains(&bound.travel_ms), "{bound:?}");
    }

    #[test]
    fn more_mistakes_allow_an_earlier_verdict() {
        let (few, many) = (bound("icloud", 1), bound("icloud", 100));
        assert!(many.timeout_ms < few.timeout_ms, "{many:?} {few:?}");
        assert_eq!(many.travel_ms, few.travel_ms);
    }

    #[test]
    fn heartbeats_that_travel_apart_are_as_late_as_the_formula_says() {
        // Dropbox neither waits for files to rest nor holds one back for another, so the chance that a heartbeat and
        // all later ones are more than T late is the product of P(D > T - j * period); its delay is lognormal.
        let profile = Profile::named("dropbox").unwrap();
        let lateness = lateness(&profile, 17_500);
        let over = |ms: u64| lateness.iter().filter(|late| **late > ms).count() as f64 / lateness.len() as f64;
        let (up, down) = (&profile.timing.commit, &profile.timing.deliver);
        let sums: Vec<u64> = (0..400_u64)
            .flat_map(|one| (0..400_u64).map(move |two| (one, two)))
            .map(|(one, two)| up.at(u64::MAX / 400 * one) + down.at(u64::MAX / 400 * two))
            .collect();
        let late = |ms: u64| sums.iter().filter(|sum| **sum > ms).count() as f64 / sums.len() as f64;
        for ms in [3_000, 8_000, 15_000] {
            assert!((over(ms) - late(ms)).abs() < 0.02, "{ms}: {} and {}", over(ms), late(ms));
        }
        let product = late(25_000) * late(7_500);
        assert!(over(25_000) < 2.0 * product + 1e-4, "{} and {product}", over(25_000));
    }
}
