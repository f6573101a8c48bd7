//! What no failure detector can beat on a folder.
//!
//! Chen, Toueg and Aguilera ("On the quality of service of failure detectors", IEEE Transactions on Computers 51(5),
//! 2002): of all detectors that get a heartbeat every period, the one that suspects when neither the heartbeat that was
//! due a time-out ago nor any later one has come (NFD-S) is the best trade of detection time against mistakes. A crash
//! at a random moment is noticed after the time-out and half a period in the median, and the word of it takes one way
//! more to reach everybody.
//!
//! That holds for detectors that hear of the active replica through its own file. One that also asks what the others
//! have seen of it makes fewer mistakes with the same time-out, and can be a little below the bound for its own.
//!
//! The time-out follows from how late heartbeats are, and that is asked of the profile itself: its courier carries a
//! file that is rewritten every period for some weeks, without hazards. So versions that travel together, or are
//! never sent because a newer one came first, count as they do in a run.

use std::sync::Arc;

use cloudchamber_core::{Never, Path};
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::courier::{Courier, Folder, Touch};
use cloudchamber_folder::profile::{Hazards, Profile};
use cloudchamber_folder::world::Choice;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::subject::REPLICAS;
use crate::report::failover_times::{Bound, Bounds, Quiet};

/// How long heartbeats are carried, ms.
const CARRIED_MS: u64 = 14 * DAY_MS;

const DAY_MS: u64 = 86_400_000;

/// Who writes heartbeats; the other replica reads them.
const WRITER: ReplicaId = ReplicaId(0);

/// The seed of the courier; the bound is a property of the profile, and weeks of heartbeats level out the rest.
const SEED: u64 = 1;

/// Periods that are tried, in percent of the one that the writes allow: on a folder that holds back what is rewritten
/// often, fewer heartbeats are seen sooner.
const PERIODS_PERCENT: [u64; 4] = [100, 125, 150, 200];

/// The bounds for a design that writes like `own`: with as many mistakes as `reference` makes, and with as many as it
/// makes itself. There are none for a design of which no active replica was seen.
pub(super) fn of(profile: &str, own: &Quiet, reference: &Quiet) -> Option<Bounds> {
    let profile = Profile::named(profile).expect("the profile was looked up before");
    let shortest_ms = period_ms(own.writes_per_hour_of_active)?;
    let carried = PERIODS_PERCENT.map(|percent| {
        let period_ms = shortest_ms * percent / 100;
        (period_ms, carry(&profile, period_ms))
    });
    let least = |mistakes| {
        let bounds = carried.iter().map(|(period_ms, heartbeats)| best(*period_ms, heartbeats, mistakes));
        bounds.min_by_key(|bound| bound.agreed_ms)
    };
    Some(Bounds { as_published: least(reference)?, as_itself: least(own)? })
}

/// The best detector with this period.
fn best(period_ms: u64, heartbeats: &[Heartbeat], reference: &Quiet) -> Bound {
    let timeout_ms = timeout_ms(heartbeats, reference);
    let mut late_ms: Vec<u64> = heartbeats.iter().map(|heartbeat| heartbeat.late_ms).collect();
    late_ms.sort_unstable();
    let travel_ms = late_ms[late_ms.len() / 2];
    let noticed_ms = timeout_ms + period_ms / 2;
    Bound { period_ms, timeout_ms, travel_ms, noticed_ms, agreed_ms: noticed_ms + travel_ms }
}

/// The time between two heartbeats where so many files are written in an hour, ms; `None` if hardly any are.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a positive figure far below 2^53, and fractions of a millisecond do not count"
)]
fn period_ms(writes_per_hour: f64) -> Option<u64> {
    (writes_per_hour >= 1.0).then(|| (3_600_000.0 / writes_per_hour).round() as u64)
}

/// One heartbeat.
#[derive(Clone, Copy, Debug)]
struct Heartbeat {
    /// When it was written, ms.
    sent_ms: u64,
    /// How long after that it came, or the first later one that came before it, ms.
    late_ms: u64,
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
fn timeout_ms(heartbeats: &[Heartbeat], reference: &Quiet) -> u64 {
    let days = reference.replica_days / f64::from(REPLICAS);
    let allowed_per_day = reference.false_failovers.max(1) as f64 / days / f64::from(REPLICAS - 1);
    let allowed = (allowed_per_day * (CARRIED_MS / DAY_MS) as f64) as usize;
    let mut low = 0;
    let mut high = heartbeats.iter().map(|heartbeat| heartbeat.late_ms).max().unwrap_or(0);
    while low < high {
        let middle = low + (high - low) / 2;
        if mistakes(heartbeats, middle) > allowed { low = middle + 1 } else { high = middle }
    }
    high
}

/// How often a detector with this time-out begins to suspect: a heartbeat is overdue, and the one before it, or this
/// one's absence, had not been held against the sender already.
fn mistakes(heartbeats: &[Heartbeat], timeout_ms: u64) -> usize {
    let begins = |pair: &&[Heartbeat]| {
        let (before, this) = (pair[0], pair[1]);
        this.late_ms > timeout_ms && before.sent_ms + before.late_ms <= this.sent_ms + timeout_ms
    };
    heartbeats.windows(2).filter(begins).count()
}

/// Lets the profile's courier carry heartbeats. Each comes up to a sixteenth of the period sooner or later than the
/// period says, so that they fall into step with no timer of the client's.
fn carry(profile: &Profile, period_ms: u64) -> Vec<Heartbeat> {
    let calm = Profile { hazards: Hazards::none(), ..profile.clone() };
    let mut reader = Reader {
        courier: Courier::new(Arc::new(calm), 2, SEED),
        path: Path::shared("devices/a.json"),
        sent_ms: vec![0],
        carried: vec![0],
        seen: 0,
        heartbeats: Vec::new(),
    };
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut now = 0;
    while now < CARRIED_MS {
        now += period_ms - period_ms / 16 + rng.next_u64() % (period_ms / 8 + 1);
        reader.carry(now);
        reader.courier.touched(now, WRITER, &reader.path, Touch::Written);
        reader.sent_ms.push(now);
    }
    reader.heartbeats
}

/// A writer's heartbeats on their way to one reader.
struct Reader {
    courier: Courier,
    path: Path,
    /// When each heartbeat was written, from 1 on.
    sent_ms: Vec<u64>,
    /// Which heartbeat each version carries, from 1 on.
    carried: Vec<usize>,
    /// The newest heartbeat that has come.
    seen: usize,
    /// Those that have come, in the order in which they were written.
    heartbeats: Vec<Heartbeat>,
}

/// The file of the heartbeats, of which there are so many versions.
struct Heartbeats(u32);

impl Folder for Heartbeats {
    fn latest(&self, _: &Path) -> u32 {
        self.0
    }

    fn is_there(&self, _: ReplicaId, _: &Path) -> bool {
        self.0 > 0
    }
}

impl Reader {
    /// Moves everything that is due by `until`.
    fn carry(&mut self, until: u64) {
        while let Some(due) = self.courier.due().filter(|due| *due <= until) {
            let latest = u32::try_from(self.carried.len()).expect("few enough versions") - 1;
            let choice: Option<Choice<Never, Never>> = self.courier.next(due, &Heartbeats(latest));
            match choice {
                Some(Choice::Upload { .. }) => {
                    self.carried.push(self.sent_ms.len() - 1);
                    let folder = Heartbeats(latest + 1);
                    self.courier.committed(due, WRITER, &self.path, latest + 1, false, &folder);
                }
                Some(Choice::Download { back, .. }) => self.arrived(due, latest - back),
                _ => {}
            }
        }
    }

    fn arrived(&mut self, now: u64, version: u32) {
        let newest = self.carried[version as usize];
        for sent_ms in self.sent_ms.iter().take(newest + 1).skip(self.seen + 1) {
            self.heartbeats.push(Heartbeat { sent_ms: *sent_ms, late_ms: now - sent_ms });
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
            writes_together_percent: 0.0,
            conflicts_percent: 0.0,
            device_conflicts: 0,
        }
    }

    fn bound(profile: &str, mistakes: u64) -> Bound {
        let quiet = quiet(mistakes, 6.0);
        of(profile, &quiet, &quiet).unwrap().as_published
    }

    #[test]
    fn a_folder_that_is_one_costs_half_a_period() {
        let bound = bound("perfect", 0);
        assert_eq!((bound.timeout_ms, bound.travel_ms, bound.agreed_ms), (0, 0, 8_750));
    }

    #[test]
    fn syncthing_is_done_within_its_timer() {
        // Its watcher reports 10 s after the first write to a folder at rest, and the way is 5 ms in the median, 19 ms at
        // the 99th percentile; a file that is written again within 15 s may wait for another round.
        let bound = bound("syncthing", 0);
        assert!((10_000..10_200).contains(&bound.timeout_ms), "{bound:?}");
        assert!((10_000..10_020).contains(&bound.travel_ms), "{bound:?}");
        assert!((17_500..=26_250).contains(&bound.period_ms), "{bound:?}");
    }

    #[test]
    fn more_mistakes_allow_an_earlier_verdict() {
        let (few, many) = (bound("icloud", 1), bound("icloud", 100));
        assert!(many.timeout_ms < few.timeout_ms, "{many:?} {few:?}");
    }

    #[test]
    fn a_design_is_held_to_its_own_mistakes_as_well() {
        let (own, reference) = (quiet(100, 6.0), quiet(1, 6.0));
        let bounds = of("icloud", &own, &reference).unwrap();
        assert!(bounds.as_itself.agreed_ms < bounds.as_published.agreed_ms, "{bounds:?}");
    }

    #[test]
    fn without_an_active_replica_there_is_no_bound() {
        let none = Quiet { writes_per_hour_of_active: 0.0, ..quiet(0, 6.0) };
        assert_eq!(of("git", &none, &none), None);
    }

    #[test]
    fn a_long_silence_is_one_mistake() {
        let beat = |sent_ms, late_ms| Heartbeat { sent_ms, late_ms };
        // The second one is stuck for 50 s, and with it the two after it.
        let stuck = [beat(0, 1), beat(10, 50), beat(20, 40), beat(30, 30), beat(60, 1), beat(70, 20)];
        assert_eq!([0, 15, 25, 45, 50].map(|timeout_ms| mistakes(&stuck, timeout_ms)), [3, 2, 1, 1, 0]);
    }

    #[test]
    fn heartbeats_are_as_late_as_the_delays_say() {
        // Dropbox neither waits for files to come to rest nor holds one back for another, and at most of its delays no
        // heartbeat meets the one before it on its way.
        let profile = Profile::named("dropbox").unwrap();
        let heartbeats = carry(&profile, 60_000);
        let measured = |ms: u64| {
            heartbeats.iter().filter(|beat| beat.late_ms > ms).count() as f64 / heartbeats.len() as f64
        };
        let (up, down) = (&profile.timing.commit, &profile.timing.deliver);
        let sums: Vec<u64> = (0..400_u64)
            .flat_map(|one| (0..400_u64).map(move |two| (one, two)))
            .map(|(one, two)| up.at(u64::MAX / 400 * one) + down.at(u64::MAX / 400 * two))
            .collect();
        let calculated = |ms: u64| sums.iter().filter(|sum| **sum > ms).count() as f64 / sums.len() as f64;
        for ms in [2_000, 3_000, 8_000, 15_000] {
            let (measured, calculated) = (measured(ms), calculated(ms));
            assert!((measured - calculated).abs() < 0.02, "{ms}: {measured} and {calculated}");
        }
    }
}
