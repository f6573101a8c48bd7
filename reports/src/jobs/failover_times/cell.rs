//! One provider and one design.

use std::collections::BTreeMap;

use cloudchamber_core::failover::{Design, Timing};
use indicatif::ProgressBar;

use super::meter::Meter;
use super::sample::{WATCHED_MS, take};
use super::subject::Subject;
use super::{Order, bound, quiet};
use crate::jobs::side_by_side;
use crate::report::distribution::Distribution;
use crate::report::failover_times::{Bound, Bounds, Cell, Figures, Mode, Noticed, Quiet};

/// Measures every kind of event that was ordered. `reference` is what the published design does while nothing happens.
pub(super) fn measure(subject: &Subject, reference: &Quiet, order: &Order, bar: &ProgressBar) -> Cell {
    let Order { modes, seeds, jobs, .. } = order;
    let own = quiet::measure(subject, *seeds, *jobs, bar);
    let bounds = bound::of(&subject.profile, &own, reference);
    let events = modes.iter().map(|mode| events(subject, *mode, bounds, *seeds, *jobs, bar));
    cell(subject, own, bounds, events.collect())
}

/// Measures one kind of event.
pub(super) fn events(
    subject: &Subject,
    mode: Mode,
    bounds: Option<Bounds>,
    seeds: u64,
    jobs: usize,
    bar: &ProgressBar,
) -> Figures {
    let all: Vec<u64> = (0..seeds).collect();
    let samples = side_by_side(jobs, &all, |seed| {
        let sample = take(subject, mode, *seed);
        bar.inc(1);
        sample
    });
    figures(mode, bounds, &samples)
}

/// Puts the parts together.
pub(super) fn cell(subject: &Subject, quiet: Quiet, bounds: Option<Bounds>, events: Vec<Figures>) -> Cell {
    let config = subject.config().expect("the settings were checked before anything ran");
    let (heartbeat_ms, timeout_ms) = match config.design {
        Design::Hardened => (config.hardened.beat.base_ms, config.hardened.suspect_ms_min),
        Design::Published => (config.timing.active_heartbeat.base_ms, config.timing.stale_ms),
    };
    Cell {
        profile: subject.profile.clone(),
        design: subject.variant.design.text().into(),
        policy: subject.variant.policy.map(str::to_owned),
        heartbeat_ms,
        timeout_ms,
        quiet,
        bounds,
        events,
    }
}

fn figures(event: Mode, bounds: Option<Bounds>, samples: &[Option<Meter>]) -> Figures {
    let (mut one, mut agreed, mut overlap) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let (mut never, mut unsettled) = (0, 0);
    for sample in samples {
        let Some(seen) = sample else {
            unsettled += 1;
            continue;
        };
        never += u64::from(seen.agreed_ms.is_none());
        *one.entry(seen.one_ms.unwrap_or(WATCHED_MS)).or_insert(0) += 1;
        *agreed.entry(seen.agreed_ms.unwrap_or(WATCHED_MS)).or_insert(0) += 1;
        if seen.overlap_ms > 0 {
            *overlap.entry(seen.overlap_ms).or_insert(0) += 1;
        }
    }
    let limit_ms = |bound: Bound| match event {
        // The word itself has to travel, and no more.
        Mode::Activation => bound.travel_ms,
        Mode::Crash | Mode::Sleep => bound.agreed_ms,
    };
    let bound_ms = bounds.map(|bounds| limit_ms(bounds.as_published));
    let own_ms = bounds.map(|bounds| limit_ms(bounds.as_itself));
    let agreed = Distribution::new(agreed);
    let over = |bound_ms: Option<u64>| {
        agreed.p50_ms.zip(bound_ms).filter(|(_, bound)| *bound > 0).map(|(p50, bound)| ratio(p50, bound))
    };
    let (ratio, ratio_of_own_mistakes) = (over(bound_ms), over(own_ms));
    let (one, overlap) = (Distribution::new(one), Distribution::new(overlap));
    let noticed = Noticed::of(samples);
    Figures { event, one, agreed, never, unsettled, overlap, noticed, bound_ms, ratio, ratio_of_own_mistakes }
}

impl Noticed {
    fn of(samples: &[Option<Meter>]) -> Self {
        let count = |good: &dyn Fn(&Meter) -> bool| {
            u64::try_from(samples.iter().flatten().filter(|seen| good(seen)).count())
                .expect("fewer than seeds")
        };
        let firsts: Vec<u64> =
            samples.iter().flatten().filter_map(|seen| seen.suspected_ms.values().min().copied()).collect();
        let together = |seen: &Meter| {
            let (first, last) = (seen.suspected_ms.values().min(), seen.suspected_ms.values().max());
            let all = seen.suspected_ms.len() > 1;
            all && first.zip(last).is_some_and(|(first, last)| last - first <= Timing::document().verify_ms)
        };
        Self {
            first: Distribution::of(&firsts),
            together: count(&together),
            clean: count(&|seen| seen.agreed_ms.is_some() && seen.overlap_ms == 0 && seen.activations == 1),
            conflicts: count(&|seen| seen.conflicts > 0),
            device_conflicts: samples.iter().flatten().map(|seen| seen.device_conflicts).sum(),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "durations of a run stay far below 2^53 ms")]
fn ratio(measured: u64, bound: u64) -> f64 {
    (measured as f64 / bound as f64 * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use cloudchamber_folder::Variant;

    use super::*;

    #[test]
    fn a_crash_in_a_folder_that_is_one_takes_as_long_as_the_constants_say() {
        let published = Subject::published("perfect");
        for seed in 0..20 {
            let seen = take(&published, Mode::Crash, seed).expect("one was active");
            let (one, agreed) = (seen.one_ms.unwrap(), seen.agreed_ms.unwrap());
            // Stale after 90 s, of which up to 40 s had passed; a look within 8 s, a jitter up to 10 s, half a second.
            assert!((50_500..=108_600).contains(&one), "seed {seed}: {one}");
            assert!((one..one + 8_100).contains(&agreed), "seed {seed}: {agreed}");
            assert_eq!((seen.overlap_ms, seen.activations), (0, 1), "seed {seed}");
        }
    }

    #[test]
    fn an_overlap_is_seen() {
        let published = Subject::published("icloud");
        let overlapped =
            |seed: &u64| take(&published, Mode::Crash, *seed).is_some_and(|seen| seen.overlap_ms > 0);
        assert!((0..10).filter(overlapped).count() >= 5);
    }

    #[test]
    fn the_event_hits_whoever_is_active() {
        let hardened = Subject::of("perfect", Variant::of(Design::Hardened, "available"));
        for mode in Mode::ALL {
            let seen = take(&hardened, mode, 3).expect("one was active");
            assert!(seen.agreed_ms > Some(0), "{mode:?}: {seen:?}");
        }
    }

    #[test]
    fn whoever_does_not_get_there_counts_with_the_time_it_was_watched() {
        let bound = Bound { period_ms: 2, timeout_ms: 3, travel_ms: 0, noticed_ms: 4, agreed_ms: 4 };
        let bounds = Some(Bounds { as_published: bound, as_itself: Bound { agreed_ms: 2, ..bound } });
        let seen = |agreed_ms, overlap_ms| {
            let mut meter = Meter::quiet(0);
            (meter.one_ms, meter.agreed_ms, meter.overlap_ms) = (Some(5), agreed_ms, overlap_ms);
            Some(meter)
        };
        let (never, there) = (seen(None, 0), seen(Some(8), 7));
        let figures = figures(Mode::Crash, bounds, &[never, there.clone(), there.clone(), None]);
        assert_eq!((figures.never, figures.unsettled, figures.ratio), (1, 1, Some(2.0)));
        assert_eq!(figures.ratio_of_own_mistakes, Some(4.0));
        assert_eq!((figures.agreed.max_ms, figures.overlap.samples), (Some(WATCHED_MS), 2));
        let activation = super::figures(Mode::Activation, bounds, &[there]);
        assert_eq!((activation.bound_ms, activation.ratio), (Some(0), None));
    }
}
