//! Shrinking: the fewest faults, replicas and steps of a trace that still fail in the same way.
//!
//! It goes in two stages. The first runs the trace's scenario again, with fewer faults and fewer replicas: a fault
//! that is not needed goes, and what would have happened without it happens. It is there where a trace is what its
//! scenario comes to, which those of a model and those already shrunk are not. The second leaves choices out of the
//! trace, replays the rest, and keeps what is smaller and still fails: whole replicas, whole kinds of faults, single
//! faults, and then anything, by delta debugging. A choice that the world refuses at its moment is left out as well.
//! What remains keeps its times, and is 1-minimal: with any single choice less it would not fail in the same way.
//!
//! # In the same way
//! The same checker is violated, and at a choice or in the end as before. That alone would not be honest. A world
//! does nothing by itself and lateness is always allowed, so a list of choices with one left out is in most cases a
//! list that the world allows, but not always one that says why it failed. Six rules keep the reason:
//!
//! - The violation explains itself in the same words, numbers and names left aside: one that came of a claim which had been
//!   read does not become one of a claim that is on its way.
//! - A fault for which the scenario asks at a certain time goes by a new run or with its replica. Where the run without
//!   it does not fail, a trace without it fails only because something else became late in its place.
//! - Nobody runs who did not run. Where a process had crashed or its machine slept, it may not be up and awake in
//!   what remains: what it would have done in that time is not in the trace, so leaving the fault out would not undo
//!   it but put in its place a process that stands still for no reason. Such a fault goes in the first stage, or
//!   with its replica, or with whatever brought the process back.
//! - What is due is missed for the same cause: the violation is about the same replicas. That nobody is active, and
//!   that two are, are two failures of one checker.
//! - What is due has to have its chance. Of a checker that says that something bad never happens any choice may be
//!   left out, since the shorter list is a run of the same world that came to something bad
//!   ([`Rule::Anything`]). A checker that says that something good happens in time is violated by every list in
//!   which nobody does anything. There no choice may be left out at all: only the scenario is run again with fewer
//!   faults ([`Rule::NewRun`]), and a trace that is no run of its scenario is refused. Nor does anybody go then who
//!   asks for something or could do it: requests and replicas stay, for a request to nobody is never met. What is only
//!   counted may count how late a process is, so none may become later than any was ([`Rule::Punctual`]).
//! - The end has to be an end. What is missing in the end may be on its way. So where everything had come to rest it
//!   has to come to rest again: every process that runs has nothing to do, every client has moved everything. What
//!   happened after faults had stopped stays, and no process becomes later in that time ([`Rule::AtRest`]). This is how
//!   the models judge convergence, too: quiet implies converged. Where the trace does not end at rest, only new runs
//!   are left.
//!
//! # Deliberately absent
//! Clocks and randomness: the same trace gives the same bytes. New numbers for replicas: a replica that is left out
//! keeps its letter, because names of machines and directories follow from it.

mod budget;
mod ddmin;
mod new_run;
mod rule;
mod search;
mod size;
mod subject;

use crate::System;
use crate::checks::{Findings, Violation};
use crate::scenario::{Expect, Scenario};
use crate::trace::{COMMIT, End, Trace};

use self::budget::Budget;
pub use self::budget::Progress;
use self::new_run::NewRuns;
pub use self::rule::Rule;
use self::search::Search;
pub use self::size::Size;
use self::subject::Subject;

/// Runs a scenario from its seed and records it.
pub type Again<'r, S> = dyn FnMut(&Scenario<S>) -> Trace<S> + 'r;

/// How many replays a search takes where nobody says. Most traces take a few hundred; those in which no process may
/// become later take about as many as they have choices.
pub const REPLAYS_MAX: u64 = 20_000;

/// What came of shrinking.
#[derive(Clone, Debug, PartialEq)]
pub struct Shrunk<S: System> {
    /// What is left, as a trace with an end of its own.
    pub trace: Trace<S>,
    /// The violation that it shows.
    pub violation: Violation,
    /// What could be left out.
    pub rule: Rule,
    /// Whether the scenario was run again with less in it.
    pub new_runs: bool,
    /// How large it was.
    pub before: Size,
    /// How large it is.
    pub after: Size,
    /// How many replays and new runs that took.
    pub replays: u64,
    /// Whether it ended because no more were allowed, so that more might go.
    pub spent: bool,
}

/// Why a trace cannot be shrunk.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unshrinkable {
    /// The checker that was asked for was not violated.
    #[error(
        "`{asked}` is not violated in this trace; {}",
        if violated.is_empty() { "nothing is".into() } else { format!("name one of {}", violated.join(", ")) }
    )]
    Held {
        /// Which.
        asked: String,
        /// Which ones were.
        violated: Vec<String>,
    },
    /// Nothing was violated.
    #[error(
        "nothing is violated in this trace, so there is nothing that a smaller one could show; record one that \
             fails, for example with `cloudchamber swarm --trace FILE`"
    )]
    Holds,
    /// Leaving choices out would be no proof, and there is no scenario that could be run again.
    #[error(
        "`{checker}` asks for something that is due, which any trace violates of which enough is left out; faults \
             can be left out of a new run only, and this trace is not what its scenario comes to at this commit; take \
             the trace of a `run` or a `swarm` of this program, or name another checker with --checker"
    )]
    Due {
        /// Whose violation it is.
        checker: String,
    },
    /// The world does not allow a choice of the trace.
    #[error("the world does not allow choice {} of this trace: {why}; record the trace again from its seed", index + 1)]
    Refused {
        /// Which choice, from 0.
        index: usize,
        /// Why.
        why: String,
    },
    /// There is no such checker.
    #[error("{}", crate::mistake::unknown("checker", asked, there_are.iter().map(String::as_str)))]
    Unknown {
        /// What was asked for.
        asked: String,
        /// What there is.
        there_are: Vec<String>,
    },
}

/// How to go about it.
pub struct Options<'r, S: System> {
    /// Whose violation is to stay. Where it is absent, the first one that the scenario does not expect; where there is no
    /// such, the first one that it expects, or that is not just counted, or else the first one of all.
    pub checker: Option<String>,
    /// How many replays and new runs it may take in all.
    pub replays_max: u64,
    /// Runs a scenario again; `None` if shrinking may only leave out choices.
    pub again: Option<Box<Again<'r, S>>>,
}

impl<S: System> Default for Options<'_, S> {
    fn default() -> Self {
        Self { checker: None, replays_max: REPLAYS_MAX, again: None }
    }
}

/// Finds a smaller trace that fails in the same way. `tell` hears after each replay how far the search has come.
///
/// # Errors
/// Where the trace does not replay, does not fail, or fails in a way of which nothing can be left out.
///
/// # Panics
/// Where what was found does not replay as it was found, which would be a fault of this module or of a system that
/// is not deterministic.
pub fn shrink<S: System>(
    trace: &Trace<S>,
    options: Options<'_, S>,
    tell: &mut dyn FnMut(Progress),
) -> Result<Shrunk<S>, Unshrinkable> {
    let Options { checker, replays_max, again } = options;
    let mut budget = Budget::new(replays_max, tell);
    let mut subject = Subject::new(trace, checker.as_deref())?;
    let before = Size::of(trace);
    let (checker, mut rule) = (subject.checker, subject.rule);
    let mut run = trace.clone();
    let mut again = again;
    let new_runs = again.as_deref_mut().and_then(|again| NewRuns::new(trace, &subject, again, &mut budget));
    let ran = new_runs.is_some();
    if let Some(new_runs) = new_runs {
        run = new_runs.run();
        subject = Subject::new(&run, Some(checker))?;
        rule = subject.rule;
    } else if rule == Rule::NewRun {
        return Err(Unshrinkable::Due { checker: checker.into() });
    }
    let end_ms = run.end.at_ms;
    let mut search = Search::new(subject, &mut budget);
    if rule != Rule::NewRun {
        search.run();
    }
    let (subject, kept) = search.into_parts();
    run.choices = kept.iter().map(|index| subject.choices[*index].clone()).collect();
    let last_ms = run.choices.last().map_or(0, |at| at.ms);
    run.end.at_ms = if subject.found.is_some() { last_ms } else { end_ms };
    run.end.calm_ms = subject.calm_ms.filter(|calm| *calm <= run.end.at_ms);
    let violation = seal(&mut run, checker);
    Ok(Shrunk {
        after: Size::of(&run),
        trace: run,
        violation,
        rule,
        new_runs: ran,
        before,
        replays: budget.spent(),
        spent: budget.is_spent(),
    })
}

/// Gives a trace the end that its choices come to, and makes sure that it is one.
fn seal<S: System>(trace: &mut Trace<S>, checker: &str) -> Violation {
    trace.commit = COMMIT.into();
    let replay = |trace: &Trace<S>| {
        trace.replay(|_| {}).unwrap_or_else(|(index, why)| panic!("choice {index} was taken before: {why}"))
    };
    let outcome = replay(trace);
    let found = &outcome.findings;
    let violation = found.violation(checker).expect("what is left was seen to fail").clone();
    expect_what_is_left(&mut trace.scenario, found, checker);
    trace.end = End {
        calm_ms: trace.end.calm_ms,
        at_ms: outcome.at_ms,
        hash: format!("{:016x}", outcome.hash),
        violations: found.violations.clone(),
    };
    assert_eq!(replay(trace), outcome, "a trace replays in one way");
    violation
}

/// What is left was made to show one violation. Others that were expected may have gone with the rest, and others may
/// have come that ask for something that is due, since nobody does it any more.
fn expect_what_is_left<S: System>(scenario: &mut Scenario<S>, found: &Findings, checker: &str) {
    let Expect { violates, holds, may_violate } = &mut scenario.expect;
    violates.retain(|name| found.violation(name).is_some());
    if !violates.iter().any(|name| name == checker) {
        return;
    }
    holds.retain(|name| found.violation(name).is_none());
    for Violation { checker: name, .. } in &found.violations {
        if !violates.contains(name) && !may_violate.contains(name) {
            may_violate.push(name.clone());
        }
    }
}
