//! Runs that build on each other, and the traces of those that fail.

use std::path::Path;
use std::time::Instant;

use cloudchamber_folder::System;
use cloudchamber_folder::checks::{Kind, checker};
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::trace::COMMIT;
use cloudchamber_sim::{Explored, Swarm, breaks, explore, retraced};

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_system;
use crate::jobs::swarm::Order;
use crate::jobs::{progress, reproduce, side_by_side};
use crate::report::explore::{BrokenReport, ExploreReport};

/// Explorations of so many runs each go on side by side and know nothing of each other: so what is found does not hang
/// on how many jobs there are.
const RUNS_OF_ONE: u64 = 500;

/// Explores with as many runs as the order has seeds. The trace of the first run that violates a checker goes into `dir`.
///
/// # Errors
/// As a swarm, and where a trace cannot be written.
pub(crate) fn run<L: Systems>(system: &str, order: &Order, dir: &Path) -> Result<ExploreReport, Failure> {
    with_system::<L, _, _>(system, Command { order, dir })
}

struct Command<'a> {
    order: &'a Order,
    dir: &'a Path,
}

impl Work for Command<'_> {
    type Output = Result<ExploreReport, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let Self { order, dir } = self;
        let began = Instant::now();
        let swarm = order.swarm::<S>()?;
        let seeds = &order.seeds;
        let bar = progress::bar(&format!("exploring {}", S::NAME), seeds.end - seeds.start);
        let starts: Vec<u64> =
            (seeds.start..seeds.end).step_by(usize::try_from(RUNS_OF_ONE).expect("a few")).collect();
        let parts = side_by_side(order.jobs, &starts, |start| {
            let end = seeds.end.min(start + RUNS_OF_ONE);
            explore(&swarm, *start..end, &|| bar.inc(1))
        });
        bar.finish_and_clear();
        let whole = parts.into_iter().reduce(Explored::and).unwrap_or_default();
        Ok(ExploreReport {
            commit: COMMIT.into(),
            system: S::NAME.into(),
            design: order.design.text().into(),
            policy: order.policy.clone(),
            profile: order.profile.clone(),
            runs: whole.runs,
            branched: whole.branched,
            failed: whole.failed,
            seen: whole.seen.len(),
            broken: broken(&swarm, &whole, dir)?,
            marks: whole.marks,
            #[allow(clippy::cast_precision_loss, reason = "a figure for people")]
            simulated_s: whole.simulated_ms as f64 / 1_000.0,
            wall_s: began.elapsed().as_secs_f64(),
        })
    }
}

/// What the checkers of a kind that may fail found, with the trace of the first run of each.
fn broken<S: System>(swarm: &Swarm<S>, whole: &Explored, dir: &Path) -> Result<Vec<BrokenReport>, Failure> {
    let variant = S::variant(&swarm.settings);
    let mut reports = Vec::new();
    for (name, broken) in &whole.found {
        let Some(kind) = checker::<S>(name).map(|checker| checker.kind) else { continue };
        if !matches!(kind, Kind::Safety | Kind::Liveness) {
            continue;
        }
        let trace = dir.join(format!("{}-{name}.jsonl", S::NAME));
        files::write(&trace, &retraced(swarm, &broken.way).0.to_text())?;
        reports.push(BrokenReport {
            checker: name.clone(),
            kind,
            fails: breaks::<S>(variant, name),
            runs: broken.runs,
            after: broken.after,
            first: broken.first.clone(),
            turns: broken.way.turns.len(),
            reproduce: reproduce::replay(&trace),
            trace: trace.display().to_string(),
        });
    }
    Ok(reports)
}
