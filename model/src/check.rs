//! Running a model: what it found, and whether that was expected.

use std::net::ToSocketAddrs;
use std::time::{Duration, Instant};

use cloudchamber_folder::System;
use cloudchamber_folder::scenario::At;
use cloudchamber_folder::trace::{COMMIT, End, Trace, Watched};
use stateright::{Checker, CheckerBuilder, Model as _};

use crate::folder_model::{Action, FolderModel};
use crate::spec::{Expect, Horizon, ModelSpec};
use crate::story;

/// What a run of the model checker said.
#[derive(Clone, Debug)]
pub struct Checked<S: System> {
    /// Number of distinct states.
    pub unique_states: usize,
    /// Number of states generated; one that is reached again counts again.
    pub generated_states: usize,
    /// The longest path that was looked at, in states.
    pub depth: usize,
    /// Whether every state within the bounds was looked at.
    pub complete: bool,
    /// How many threads searched.
    pub threads: usize,
    /// How long it took, on a wall clock.
    pub elapsed: Duration,
    /// The shortest way to a violation; `None` if there is none. With several threads it may be longer.
    pub counterexample: Option<Vec<Action<S>>>,
    model: FolderModel<S>,
}

/// Explores a model until it is done, a violation is found, or so many states were generated.
///
/// Where a violation is expected, and where time has no end, it looks breadth first, so that the first violation is one
/// of the shortest. Where none is expected and time ends, depth first: that needs a tenth of the memory, because only
/// digests are kept of states that were left. If there is one all the same, it looks again, breadth first.
#[must_use]
pub fn check<S: System>(spec: ModelSpec<S>, threads: usize, states_max: Option<usize>) -> Checked<S> {
    let ends = spec.bounds.horizon_ms != Horizon::UNBOUNDED;
    let model = FolderModel::new(spec);
    if ends && model.spec.expect == Expect::Holds {
        let builder = builder(&model, threads, states_max);
        let checked = finish(&model, (threads, states_max), move || builder.spawn_dfs().join());
        if checked.counterexample.is_none() {
            return checked;
        }
    }
    let builder = builder(&model, threads, states_max);
    finish(&model, (threads, states_max), move || builder.spawn_bfs().join())
}

fn builder<S: System>(
    model: &FolderModel<S>,
    threads: usize,
    states_max: Option<usize>,
) -> CheckerBuilder<FolderModel<S>> {
    let builder = model.clone().checker().threads(threads);
    match states_max {
        Some(most) => builder.target_state_count(most),
        None => builder,
    }
}

fn finish<S: System, C: Checker<FolderModel<S>>>(
    model: &FolderModel<S>,
    (threads, states_max): (usize, Option<usize>),
    search: impl FnOnce() -> C,
) -> Checked<S> {
    #[expect(clippy::disallowed_methods, reason = "how long it took is reported and decides nothing")]
    let began = Instant::now();
    let checker = search();
    let elapsed = began.elapsed();
    let counterexample = checker.discoveries().into_values().next().map(|path| path.into_actions());
    Checked {
        unique_states: checker.unique_state_count(),
        generated_states: checker.state_count(),
        depth: checker.max_depth(),
        complete: counterexample.is_none() && states_max.is_none_or(|most| checker.state_count() < most),
        threads,
        elapsed,
        counterexample,
        model: model.clone(),
    }
}

/// Serves stateright's Explorer for a model until the process ends.
pub fn explore<S: System>(spec: ModelSpec<S>, address: impl ToSocketAddrs) {
    FolderModel::new(spec).checker().serve(address);
}

impl<S: System> Checked<S> {
    /// What was asked.
    #[must_use]
    pub fn spec(&self) -> &ModelSpec<S> {
        &self.model.spec
    }

    /// Generated states a second, rounded down.
    #[must_use]
    pub fn states_per_s(&self) -> u128 {
        let us = self.elapsed.as_micros().max(1);
        self.generated_states as u128 * 1_000_000 / us
    }

    /// The entries of `reaches` that no run reached.
    #[must_use]
    pub fn unreached(&self) -> Vec<&str> {
        self.model.unreached()
    }

    /// Whether the answer is the one that the model file expects. The error says what is not.
    ///
    /// # Errors
    /// Where the property holds and was expected to be violated, or the other way round; where not every state was
    /// looked at; where nothing reached what has to be reached; where a pinned number is another.
    pub fn judge(&self) -> Result<(), String> {
        let spec = self.spec();
        let property = &spec.property;
        match (spec.expect, &self.counterexample) {
            (Expect::Holds, Some(_)) => {
                return Err(format!(
                    "`{property}` was expected to hold and is violated in {} steps",
                    self.steps()
                ));
            }
            (Expect::Holds, None) if !self.complete => {
                let states = self.generated_states;
                return Err(format!("`{property}` held in the first {states} states; there are more"));
            }
            (Expect::Violates, None) => {
                return Err(format!("`{property}` was expected to be violated and held"));
            }
            _ => {}
        }
        if spec.expect == Expect::Holds
            && let Some(name) = self.unreached().first()
        {
            return Err(format!("`{property}` holds in vain: nothing reached `{name}`"));
        }
        let pinned = |what: &str, pinned: Option<usize>, found: usize| match pinned {
            Some(pinned) if pinned != found => Err(format!("{found} {what}, where the file says {pinned}")),
            _ => Ok(()),
        };
        // Where a search ends early, how far it came depends on the threads, and so does which violation it met.
        if self.counterexample.is_none() {
            return pinned("states that differ", spec.unique_states, self.unique_states);
        }
        if self.threads == 1 { pinned("steps", spec.steps, self.steps()) } else { Ok(()) }
    }

    /// How many steps the counterexample has, choices and passing times counted alike; 0 where there is none.
    #[must_use]
    pub fn steps(&self) -> usize {
        let mut steps = 0;
        self.walk(&mut |_, _| steps += 1);
        steps
    }

    /// Walks along the counterexample and tells every step with the world time before it.
    fn walk(&self, tell: &mut impl FnMut(u64, &Action<S>)) {
        let mut state = self.model.init_states().pop().expect("one initial state");
        for action in self.counterexample.iter().flatten() {
            self.model.advance(&mut state, action.clone(), tell).expect("the model took this before");
        }
    }

    /// The counterexample in the simulator's format, with the hash and the violations that a replay has to show.
    ///
    /// # Panics
    /// Where the world refuses a choice that the model took, which would be a bug of the model.
    #[must_use]
    pub fn trace(&self) -> Option<Trace<S>> {
        self.counterexample.as_ref()?;
        let scenario = self.spec().scenario.clone();
        let mut run = Watched::new(&scenario);
        let mut choices = Vec::new();
        self.walk(&mut |_, action| match action {
            Action::Pass(to) => run.advance(*to),
            Action::Take(choice) => {
                run.take(choice).unwrap_or_else(|refused| panic!("the model took {choice:?}: {refused}"));
                choices.push(At { ms: run.world.now(), choice: choice.clone() });
            }
        });
        let outcome = run.finish();
        Some(Trace {
            scenario,
            commit: COMMIT.into(),
            choices,
            end: End {
                calm_ms: None,
                at_ms: outcome.at_ms,
                hash: format!("{:016x}", outcome.hash),
                violations: outcome.findings.violations,
            },
        })
    }

    /// The counterexample for a person: a line a step, which says when, who and what.
    #[must_use]
    pub fn story(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.walk(&mut |now, action| {
            lines.push(match action {
                Action::Pass(to) => format!("{now:>7} ms: time passes until {to} ms"),
                Action::Take(choice) => format!("{now:>7} ms: {}", story::line(choice)),
            });
        });
        lines
    }
}
