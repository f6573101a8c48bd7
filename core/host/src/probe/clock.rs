//! A clock that is never set, and how far two such clocks on two machines are apart.
//!
//! A file that A writes and B sees tells B's clock minus A's, and the time on the way, as one sum; a file the other way
//! tells the difference of the two. No way takes less than no time, so the least sum of each way encloses the
//! difference of the clocks (Cristian 1989; the filter for the least is NTP's, RFC 5905). The middle is the estimate and
//! half the width is what remains unknown: how a round trip is divided between its two ways cannot be measured by it.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// The wall clock as it was at the start, gone on by the monotonic clock: what sets the wall clock does not move it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steady {
    /// The wall clock minus the monotonic one, in microseconds.
    ahead_us: i64,
}

impl Steady {
    pub(super) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { ahead_us: i64::try_from(wall.as_micros()).unwrap_or(0) - monotonic_us() }
    }

    /// Microseconds since 1970.
    pub(super) fn now_us(self) -> i64 {
        self.ahead_us + monotonic_us()
    }
}

fn monotonic_us() -> i64 {
    #[cfg(any(target_os = "android", target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "android", target_os = "linux")))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let at = clock_gettime(CLOCK);
    at.tv_sec.saturating_mul(1_000_000).saturating_add(at.tv_nsec / 1_000)
}

/// What is known of two clocks before anything is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Known {
    /// Nothing: only echoes tell.
    Nothing,
    /// They are one clock: both probes run on one machine.
    Same,
    /// They agree within so many microseconds, as somebody says.
    WithinUs(i64),
}

/// A file on its way: when it was written by its writer's clock, and seen by its reader's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Sample {
    pub(super) sent_us: i64,
    pub(super) seen_us: i64,
}

/// How far one clock is ahead of another.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Offset {
    /// Of the first clock, when this begins to hold; 0 for the first of all.
    pub(super) from_us: i64,
    /// The second clock minus the first.
    pub(super) ahead_us: i64,
    /// The true value lies no further from it than this.
    pub(super) error_us: i64,
}

/// How far B's clock is ahead of A's, over the time of a measurement.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Between {
    pub(super) known: Known,
    /// In the order of time; never empty.
    pub(super) offsets: Vec<Offset>,
}

/// Clocks drift, by 20 ppm often: 24 ms within this time.
const WINDOW_US: i64 = 20 * 60 * 1_000_000;
/// How many samples of each way a window holds at least, if there are as many.
const WINDOW_SAMPLES_MIN: usize = 5;

impl Between {
    /// From the files that went from A to B (`there`), and back.
    pub(super) fn estimate(known: Known, there: &[Sample], back: &[Sample]) -> Self {
        let one =
            |ahead_us, error_us| Self { known, offsets: vec![Offset { from_us: 0, ahead_us, error_us }] };
        if known == Known::Same {
            return one(0, 0);
        }
        // By A's clock.
        let times = there.iter().map(|s| s.sent_us).chain(back.iter().map(|s| s.seen_us));
        let (Some(first), Some(last)) = (times.clone().min(), times.max()) else {
            let error_us = if let Known::WithinUs(us) = known { us } else { i64::MAX / 4 };
            return one(0, error_us);
        };
        let windows = (last - first) / WINDOW_US + 1;
        let mut offsets: Vec<Offset> = (0..windows)
            .map(|n| first + n * WINDOW_US)
            .map(|from_us| within(known, (from_us, from_us + WINDOW_US), there, back))
            .collect();
        offsets[0].from_us = 0;
        Self { known, offsets }
    }

    /// B's clock minus A's at a time of A's clock.
    pub(super) fn at(&self, a_us: i64) -> Offset {
        let later = self.offsets.partition_point(|offset| offset.from_us <= a_us);
        self.offsets[later.saturating_sub(1)]
    }

    /// The largest uncertainty.
    pub(super) fn error_us(&self) -> i64 {
        self.offsets.iter().map(|offset| offset.error_us).max().unwrap_or(0)
    }
}

fn within(known: Known, (from_us, to_us): (i64, i64), there: &[Sample], back: &[Sample]) -> Offset {
    let mut wider_us = 0;
    let (up, down) = loop {
        let is_in = |at_us: i64| (from_us - wider_us..to_us + wider_us).contains(&at_us);
        let up: Vec<i64> = there.iter().filter(|s| is_in(s.sent_us)).map(|s| s.seen_us - s.sent_us).collect();
        let down: Vec<i64> =
            back.iter().filter(|s| is_in(s.seen_us)).map(|s| s.seen_us - s.sent_us).collect();
        let is_enough = |part: &[i64], all: &[Sample]| part.len() >= WINDOW_SAMPLES_MIN.min(all.len());
        if is_enough(&up, there) && is_enough(&down, back) {
            break (up, down);
        }
        wider_us += WINDOW_US / 2;
    };
    let mut most = up.into_iter().min();
    let mut least = down.into_iter().min().map(|us| -us);
    if let Known::WithinUs(us) = known {
        most = Some(most.map_or(us, |most| most.min(us)));
        least = Some(least.map_or(-us, |least| least.max(-us)));
    }
    let (ahead_us, error_us) = match (least, most) {
        (Some(least), Some(most)) => (least + (most - least) / 2, (most - least).abs() / 2),
        // Files went one way only: the clocks may be apart by anything.
        (one, other) => (one.or(other).unwrap_or(0), i64::MAX / 4),
    };
    Offset { from_us, ahead_us, error_us }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000;

    /// Files each way, each with its delay, between clocks that are apart and drift.
    fn files(ahead: &dyn Fn(i64) -> i64, delays: (&[i64], &[i64]), every: i64) -> (Vec<Sample>, Vec<Sample>) {
        let at = |n: usize| i64::try_from(n).unwrap() * every;
        let there = delays.0.iter().enumerate().map(|(n, delay)| {
            let (sent, seen) = (at(n), at(n) + delay);
            Sample { sent_us: sent, seen_us: seen + ahead(seen) }
        });
        let back = delays.1.iter().enumerate().map(|(n, delay)| {
            let (sent, seen) = (at(n), at(n) + delay);
            Sample { sent_us: sent + ahead(sent), seen_us: seen }
        });
        (there.collect(), back.collect())
    }

    #[test]
    fn clocks_that_are_40_s_apart_are_found_to_be_within_what_is_said() {
        for apart in [-40 * S, 0, 40 * S] {
            let (there, back) = files(&|_| apart, (&[3 * S, S, 2 * S], &[9 * S, 3 * S, 4 * S]), 60 * S);
            let between = Between::estimate(Known::Nothing, &there, &back);
            let offset = between.at(0);
            // The least ways are 1 s and 3 s, so the middle is 1 s off, and 2 s are said.
            assert_eq!((offset.ahead_us, offset.error_us), (apart - S, 2 * S));
            assert!((offset.ahead_us - apart).abs() <= offset.error_us);
        }
    }

    #[test]
    fn ways_that_take_the_same_are_told_exactly() {
        let (there, back) = files(&|_| 40 * S, (&[S, 5 * S], &[7 * S, S]), 60 * S);
        assert_eq!(Between::estimate(Known::Nothing, &there, &back).at(0).ahead_us, 40 * S);
    }

    #[test]
    fn clocks_that_drift_are_followed() {
        // 100 ppm over ten hours: 3.6 s.
        let ahead = |at: i64| 7 * S + at / 10_000;
        let delays = [S / 10; 600];
        let (there, back) = files(&ahead, (&delays, &delays), 60 * S);
        let between = Between::estimate(Known::Nothing, &there, &back);
        for minute in [0, 1, 100, 300, 599] {
            let at = minute * 60 * S;
            let offset = between.at(at);
            let wrong = (offset.ahead_us - ahead(at)).abs();
            assert!(wrong <= offset.error_us + 120_000, "{minute}: {wrong}");
            assert!(offset.error_us < S / 5, "{minute}: {offset:?}");
        }
    }

    #[test]
    fn what_is_known_narrows_what_is_measured() {
        let (there, back) = files(&|_| 20_000, (&[10 * S], &[10 * S]), S);
        assert_eq!(Between::estimate(Known::Nothing, &there, &back).error_us(), 10 * S);
        let within = Between::estimate(Known::WithinUs(50_000), &there, &back);
        assert_eq!((within.at(0).ahead_us, within.error_us()), (0, 50_000));
        assert_eq!(Between::estimate(Known::Same, &there, &back).error_us(), 0);
        assert_eq!(Between::estimate(Known::WithinUs(5), &[], &[]).error_us(), 5);
        assert!(Between::estimate(Known::Nothing, &there, &[]).error_us() > 1_000_000 * S);
    }

    #[test]
    fn the_steady_clock_goes_on_and_begins_at_the_wall_clock() {
        let steady = Steady::start();
        let (one, other) = (steady.now_us(), steady.now_us());
        let wall = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
        assert!(one <= other && (wall - other).abs() < 60 * S);
    }
}
