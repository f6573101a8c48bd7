//! Counting the states of the specification.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use stateright::{Checker as _, Model};

use super::action::Action;
use super::config::Config;
use super::model::NoteCove;
use super::published::Row;

/// What all states of the specification, with given constants, came to.
#[derive(Clone, Debug)]
pub struct Counted {
    /// The constants.
    pub config: Config,
    /// How many states were generated, the first one included; one that is reached again counts again, as TLC counts.
    pub generated: u64,
    /// How many distinct states there are.
    pub distinct: u64,
    /// How many states the longest of the shortest ways has; with several threads it may be more.
    pub depth: u64,
    /// How often each kind of step was taken, in the order of [`Action::NAMES`]. Unlike in `generated`, a step that
    /// several entries or logs make possible counts once.
    pub per_action: [u64; Action::NAMES.len()],
    /// How many steps edit a note that the replica had deleted for good.
    pub edits_after_deletion: u64,
    /// After how many steps somebody's clock says less than before.
    pub clock_decreases: u64,
    /// How many states with updates there are in which everybody has read everything.
    pub fully_synced: u64,
    /// Every invariant, in the specification's order.
    pub invariants: Vec<Invariant>,
    /// Whether every state was looked at.
    pub complete: bool,
    /// How many threads searched.
    pub threads: usize,
    /// How long it took, on a wall clock.
    pub elapsed: Duration,
}

/// One invariant, and what came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Invariant {
    /// The specification's name for it.
    pub name: &'static str,
    /// A shortest way to a violation; `None` if it holds.
    pub violation: Option<Vec<Action>>,
}

/// Counts the states of the specification, or so many of them.
///
/// # Errors
/// Where a state has no room for the constants.
pub fn count(config: Config, threads: usize, states_max: Option<usize>) -> Result<Counted, String> {
    config.check()?;
    Ok(match config.replicas {
        1 => explore::<1>(config, threads, states_max),
        2 => explore::<2>(config, threads, states_max),
        3 => explore::<3>(config, threads, states_max),
        4 => explore::<4>(config, threads, states_max),
        5 => explore::<5>(config, threads, states_max),
        more => unreachable!("{more} replicas were refused"),
    })
}

fn explore<const N: usize>(config: Config, threads: usize, states_max: Option<usize>) -> Counted {
    let model = NoteCove::<N>::new(config);
    let mut builder = model.clone().checker().threads(threads);
    if let Some(most) = states_max {
        builder = builder.target_state_count(most);
    }
    #[expect(clippy::disallowed_methods, reason = "how long it took is reported and decides nothing")]
    let began = Instant::now();
    let checker = builder.spawn_bfs().join();
    let elapsed = began.elapsed();
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let tally = model.tally();
    let (generated, distinct) = (checker.state_count(), checker.unique_state_count());
    let mut counted = Counted {
        config,
        generated: number(generated),
        distinct: number(distinct),
        depth: number(checker.max_depth()),
        per_action: tally.kinds.each_ref().map(read),
        edits_after_deletion: read(&tally.edits_after_deletion),
        clock_decreases: read(&tally.clock_decreases),
        fully_synced: read(&tally.fully_synced),
        invariants: vec![],
        complete: states_max.is_none_or(|most| generated < most),
        threads,
        elapsed,
    };
    // Asked for all at once, stateright keeps the last violation that it met; asked for one, the first.
    let violated = checker.discoveries();
    counted.invariants = model
        .properties()
        .iter()
        .map(|property| property.name)
        .map(|name| Invariant {
            name,
            violation: violated.contains_key(name).then(|| shortest(&model, name)),
        })
        .collect();
    counted
}

/// A shortest way to a violation of an invariant that is known to be violated.
fn shortest<const N: usize>(model: &NoteCove<N>, invariant: &'static str) -> Vec<Action> {
    let checker = model.only(invariant).checker().threads(1).spawn_bfs().join();
    let path =
        checker.discovery(invariant).expect("it was violated before, and breadth first every state is met");
    path.into_actions()
}

fn number(count: usize) -> u64 {
    u64::try_from(count).expect("no more than a u64 counts")
}

impl Counted {
    /// Generated states a second, rounded down.
    #[must_use]
    pub fn states_per_s(&self) -> u64 {
        let us = self.elapsed.as_micros().max(1);
        u64::try_from(u128::from(self.generated) * 1_000_000 / us).unwrap_or(u64::MAX)
    }

    /// What is known of these constants from elsewhere; `None` if nothing is.
    #[must_use]
    pub fn published(&self) -> Option<&'static Row> {
        Row::of(&self.config)
    }

    /// Whether every invariant holds, and all numbers are those that are known. The error says what is not.
    ///
    /// # Errors
    /// Where an invariant is violated, where not every state was looked at, or where a number is another.
    pub fn judge(&self) -> Result<(), String> {
        for Invariant { name, violation } in &self.invariants {
            if let Some(way) = violation {
                return Err(format!("`{name}` is violated in {} steps", way.len()));
            }
        }
        if !self.complete {
            return Err(format!(
                "the invariants held in the first {} states; there are more",
                self.generated
            ));
        }
        let Some(row) = self.published() else { return Ok(()) };
        let numbers = [
            ("states generated", row.generated, self.generated),
            ("distinct states", row.distinct, self.distinct),
            ("as depth", row.depth, self.depth),
        ];
        // With several threads a search is not quite breadth first.
        let known = if self.threads == 1 { 3 } else { 2 };
        match numbers.into_iter().take(known).find(|(_, published, found)| published != found) {
            Some((what, published, found)) => Err(format!("{found} {what}, where TLC counts {published}")),
            None => Ok(()),
        }
    }
}
