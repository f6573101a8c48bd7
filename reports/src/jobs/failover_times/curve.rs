//! Failover time against mistakes and writes, for several heartbeats and time-outs.

use cloudchamber_core::Design;
use cloudchamber_core::failover::{Hardened, Policy, Provider};
use cloudchamber_folder::Variant;
use indicatif::ProgressBar;

use super::cell::{cell, events};
use super::subject::Subject;
use super::{bound, quiet};
use crate::failure::Failure;
use crate::report::failover_times::{Cell, Curve, Mode, Quiet};

/// Heartbeats of the published design, ms, each with a time after which the active replica counts as gone, ms.
/// The document's own are 30 s and 90 s, the code's 30 s and 120 s.
const PUBLISHED: [(u64, u64); 6] = [
    (10_000, 45_000),
    (10_000, 90_000),
    (30_000, 60_000),
    (30_000, 90_000),
    (30_000, 120_000),
    (60_000, 180_000),
];

/// Heartbeats of the hardened design, ms, each with the bound on propagation that its time-outs are made for, in
/// percent of the provider's. Its own are 15 s and 100 %.
const HARDENED: [(u64, u64); 6] =
    [(5_000, 100), (15_000, 50), (15_000, 100), (15_000, 200), (30_000, 50), (30_000, 100)];

/// The hardened design whose settings are tried.
const AVAILABLE: Variant = Variant::of(Design::Hardened, "available");

/// How many settings are tried on each provider.
pub(super) const POINTS: u64 = 12;

/// How many runs each of them gets beside so many seeds of a cell.
pub(super) fn runs(seeds: u64) -> u64 {
    quiet::runs(few(seeds)) + few(seeds)
}

/// A shape needs fewer seeds than a percentile.
fn few(seeds: u64) -> u64 {
    seeds.div_ceil(4)
}

/// Tries every setting on one provider.
///
/// # Errors
/// Where the provider has no constants.
pub(super) fn measure(profile: &str, seeds: u64, jobs: usize, bar: &ProgressBar) -> Result<Curve, Failure> {
    let seeds = few(seeds);
    let reference = quiet::measure(&Subject::published(profile), seeds, jobs, &ProgressBar::hidden());
    let (mut points, mut refused) = (Vec::new(), Vec::new());
    for (heartbeat_ms, subject) in subjects(profile)? {
        if let Err(why) = subject.config() {
            refused.push(format!(
                "{} with a heartbeat every {heartbeat_ms} ms: {why}",
                subject.variant.design.text()
            ));
            bar.inc(quiet::runs(seeds) + seeds);
            continue;
        }
        points.push(point(&subject, &reference, seeds, jobs, bar));
    }
    Ok(Curve { profile: profile.into(), points, refused })
}

fn point(subject: &Subject, reference: &Quiet, seeds: u64, jobs: usize, bar: &ProgressBar) -> Cell {
    let own = quiet::measure(subject, seeds, jobs, bar);
    let bounds = bound::of(&subject.profile, &own, reference);
    let figures = events(subject, Mode::Crash, bounds, seeds, jobs, bar);
    cell(subject, own, bounds, vec![figures])
}

fn subjects(profile: &str) -> Result<Vec<(u64, Subject)>, Failure> {
    let mut subjects = Vec::new();
    for (heartbeat_ms, stale_ms) in PUBLISHED {
        let mut subject = Subject::published(profile);
        subject.settings.heartbeat_ms = Some(heartbeat_ms);
        subject.settings.stale_ms = Some(stale_ms);
        subjects.push((heartbeat_ms, subject));
    }
    let provider = Provider::named(profile)
        .ok_or_else(|| Failure::new(format!("the hardened design has no constants for `{profile}`")))?;
    let usual = Hardened::at(provider, Policy::Available);
    for (heartbeat_ms, percent) in HARDENED {
        let mut subject = Subject::of(profile, AVAILABLE);
        let propagation_ms = usual.propagation_ms * percent / 100;
        // As long as with the provider's own constants, for another heartbeat and another bound.
        let suspect_ms_min =
            usual.suspect_ms_min - usual.beat.base_ms - usual.propagation_ms + heartbeat_ms + propagation_ms;
        subject.settings.coarse.set("beat", heartbeat_ms);
        subject.settings.coarse.set("suspect_ms_min", suspect_ms_min);
        subject.settings.propagation_ms = (percent != 100).then_some(propagation_ms);
        subject.settings.suspect_ms_max = Some(4 * suspect_ms_min);
        subjects.push((heartbeat_ms, subject));
    }
    Ok(subjects)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_knows_how_many_points_there_are() {
        assert_eq!(u64::try_from(PUBLISHED.len() + HARDENED.len()), Ok(POINTS));
    }

    #[test]
    fn the_usual_constants_are_among_the_points() {
        for profile in ["icloud", "syncthing", "onedrive"] {
            let usual = Subject::of(profile, AVAILABLE);
            let usual = usual.config().unwrap().hardened;
            let mut all =
                subjects(profile).unwrap().into_iter().filter_map(|(_, subject)| subject.config().ok());
            let same = |hardened: &Hardened| {
                (hardened.beat.base_ms, hardened.suspect_ms_min, hardened.suspect_ms_max)
                    == (usual.beat.base_ms, usual.suspect_ms_min, usual.suspect_ms_max)
            };
            assert!(all.any(|config| same(&config.hardened)), "{profile}");
        }
    }
}
