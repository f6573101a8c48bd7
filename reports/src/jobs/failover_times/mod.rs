//! `bench failover`: how long it takes until one replica is active again, and what that costs.
//!
//! - [`sample`]: one run with one event in it,
//! - [`meter`]: what is measured in a run,
//! - [`quiet`]: runs in which nothing happens, and in which every failover is a mistake,
//! - [`bound`]: what no failure detector can beat on the same folder,
//! - [`curve`]: other heartbeats and time-outs.

mod bound;
mod cell;
mod curve;
mod meter;
mod quiet;
mod sample;
mod subject;

use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::trace::COMMIT;
use cloudchamber_folder::{Variant, mistake};
use indicatif::ProgressBar;

use crate::failure::Failure;
use crate::jobs::progress;
use crate::report::failover_times::{BenchReport, Mode};

use subject::Subject;

/// What is measured.
pub(crate) struct Order {
    /// Which providers.
    pub(crate) profiles: Vec<String>,
    /// Which designs, each with its policy.
    pub(crate) designs: Vec<Variant>,
    /// Which kinds of event.
    pub(crate) modes: Vec<Mode>,
    /// How many seeds each kind of event gets, the same ones for every cell.
    pub(crate) seeds: u64,
    /// How many runs go on side by side.
    pub(crate) jobs: usize,
    /// The providers on which other heartbeats and time-outs are tried.
    pub(crate) curves: Vec<String>,
}

/// On which providers other heartbeats and time-outs are tried where none is named: the one that was measured and
/// the one that the documents are written for.
pub(crate) const CURVES: [&str; 2] = ["syncthing", "icloud"];

/// Measures everything that was ordered.
///
/// # Errors
/// Where a profile is unknown, or settings do not fit together.
pub(crate) fn measure(order: &Order) -> Result<BenchReport, Failure> {
    for profile in order.profiles.iter().chain(&order.curves) {
        if Profile::named(profile).is_none() {
            return Err(Failure::new(mistake::unknown("profile", profile, Profile::names())));
        }
    }
    let bar = bar(order);
    let mut cells = Vec::new();
    for profile in &order.profiles {
        // The published design's mistakes are what the bound is allowed, so it is always measured.
        let reference = quiet::measure(&Subject::published(profile), order.seeds, order.jobs, &bar);
        for variant in &order.designs {
            let subject = Subject::of(profile, *variant);
            cells.push(cell::measure(&subject, &reference, order, &bar));
        }
    }
    let mut curves = Vec::new();
    for profile in &order.curves {
        curves.push(curve::measure(profile, order.seeds, order.jobs, &bar)?);
    }
    bar.finish_and_clear();
    Ok(BenchReport { commit: COMMIT.into(), seeds: order.seeds, cells, curves })
}

fn bar(order: &Order) -> ProgressBar {
    let count = |number: usize| u64::try_from(number).expect("a small number");
    let quiet = quiet::runs(order.seeds);
    let designs = count(order.designs.len());
    let cells =
        count(order.profiles.len()) * (quiet + designs * (quiet + count(order.modes.len()) * order.seeds));
    let points = count(order.curves.len()) * curve::POINTS * curve::runs(order.seeds);
    progress::bar("bench failover", cells + points)
}
