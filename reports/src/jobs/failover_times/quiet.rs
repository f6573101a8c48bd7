//! Runs in which nothing happens: a replica that takes over there makes a mistake.

use indicatif::ProgressBar;

use super::meter::Meter;
use super::sample::{SETTLED_MS, watch};
use super::subject::{REPLICAS, Subject, calm};
use crate::jobs::side_by_side;
use crate::report::failover_times::Quiet;

/// How long each run is watched, ms.
const WATCHED_MS: u64 = 6 * 3_600_000;

const HOUR_MS: f64 = 3_600_000.0;

/// How many runs there are beside so many seeds of an event: a day for fifty, and one at least.
pub(super) fn runs(seeds: u64) -> u64 {
    (seeds / 25).max(1)
}

/// Lets replicas alone and counts what they do.
pub(super) fn measure(subject: &Subject, seeds: u64, jobs: usize, bar: &ProgressBar) -> Quiet {
    let all: Vec<u64> = (0..runs(seeds)).collect();
    let seen = side_by_side(jobs, &all, |seed| {
        let scenario = calm(subject, *seed, SETTLED_MS + WATCHED_MS);
        let meter = watch(&scenario, Meter::quiet(SETTLED_MS));
        bar.inc(1);
        meter
    });
    sum(&seen)
}

#[expect(clippy::cast_precision_loss, reason = "counts of some days stay far below 2^53")]
fn sum(seen: &[Meter]) -> Quiet {
    let total = |of: fn(&Meter) -> u64| seen.iter().map(of).sum::<u64>() as f64;
    let hours = seen.len() as f64 * WATCHED_MS as f64 / HOUR_MS;
    let replica_days = hours / 24.0 * f64::from(REPLICAS);
    let false_failovers = seen.iter().map(|meter| meter.activations).sum::<u64>();
    let writes_active = total(|meter| meter.writes_active);
    let writes = writes_active + total(|meter| meter.writes_standby);
    Quiet {
        replica_days: round(replica_days),
        false_failovers,
        false_failovers_per_replica_day: round(false_failovers as f64 / replica_days),
        overlap_ms_per_day: (total(|meter| meter.overlap_ms) * 24.0 / hours).round() as u64,
        writes_per_replica_hour: round(writes / hours / f64::from(REPLICAS)),
        writes_per_hour_of_active: round(writes_active / hours),
        writes_together_percent: percent(total(|meter| meter.writes_together), writes),
        conflicts_percent: percent(total(|meter| meter.conflicts), total(|meter| meter.versions)),
        device_conflicts: seen.iter().map(|meter| meter.device_conflicts).sum(),
    }
}

fn percent(part: f64, of: f64) -> f64 {
    round(100.0 * part / of.max(1.0))
}

fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_alone(profile: &str) -> Quiet {
        measure(&Subject::published(profile), 1, 1, &ProgressBar::hidden())
    }

    #[test]
    fn a_failover_without_a_cause_is_a_mistake() {
        let quiet = left_alone("onedrive");
        assert!(quiet.false_failovers > 0 && quiet.overlap_ms_per_day > 0, "{quiet:?}");
        assert!(quiet.conflicts_percent > 0.0, "{quiet:?}");
    }

    #[test]
    fn in_a_folder_that_is_one_there_are_none() {
        let quiet = left_alone("perfect");
        assert_eq!((quiet.false_failovers, quiet.overlap_ms_per_day), (0, 0), "{quiet:?}");
        // Two files every 35 s, and one every 35 s of each of the other two.
        assert!((200.0..212.0).contains(&quiet.writes_per_hour_of_active), "{quiet:?}");
        assert!((125.0..140.0).contains(&quiet.writes_per_replica_hour), "{quiet:?}");
    }
}
