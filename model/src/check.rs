//! Running a model and what it says.

use std::net::ToSocketAddrs;

use cloudchamber_folder::System;
use cloudchamber_folder::scenario::At;
use cloudchamber_folder::trace::{COMMIT, End, Trace, Watched};
use stateright::{Checker as _, Model as _};

use crate::folder_model::{Action, FolderModel};
use crate::spec::ModelSpec;

/// What a run of the model checker said.
#[derive(Clone, Debug)]
pub struct Checked<S: System> {
    /// States that differ.
    pub unique_states: usize,
    /// States reached, each as often as it was.
    pub generated_states: usize,
    /// The longest path that was looked at, in states.
    pub depth: usize,
    /// Whether every state within the bounds was looked at.
    pub complete: bool,
    /// The shortest way to a violation; none where there is none.
    pub counterexample: Option<Vec<Action<S>>>,
    model: FolderModel<S>,
}

/// Explores a model breadth first until it is done, a violation is found, or so many states were generated.
#[must_use]
pub fn check<S: System>(spec: ModelSpec<S>, threads: usize, states_max: Option<usize>) -> Checked<S> {
    let model = FolderModel::new(spec);
    let mut builder = model.clone().checker().threads(threads);
    if let Some(most) = states_max {
        builder = builder.target_state_count(most);
    }
    let checker = builder.spawn_bfs().join();
    let counterexample = checker.discoveries().into_values().next().map(|path| path.into_actions());
    let unique_states = checker.unique_state_count();
    Checked {
        unique_states,
        generated_states: checker.state_count(),
        depth: checker.max_depth(),
        complete: counterexample.is_none() && states_max.is_none_or(|most| checker.state_count() < most),
        counterexample,
        model,
    }
}

/// Serves stateright's Explorer for a model until the process ends.
pub fn explore<S: System>(spec: ModelSpec<S>, address: impl ToSocketAddrs) {
    FolderModel::new(spec).checker().serve(address);
}

impl<S: System> Checked<S> {
    /// The counterexample in the simulator's format, with the hash and the violations that a replay has to show.
    ///
    /// # Panics
    /// Where the world refuses a choice that the model took, which would be a bug of the model.
    #[must_use]
    pub fn trace(&self) -> Option<Trace<S>> {
        let actions = self.counterexample.as_ref()?;
        let scenario = self.model.spec.scenario.clone();
        let mut run = Watched::new(&scenario);
        let mut choices = Vec::new();
        for action in actions {
            match action {
                Action::Pass(to) => run.advance(*to),
                Action::Take(choice) => {
                    run.take(choice).unwrap_or_else(|refused| panic!("the model took {choice:?}: {refused}"));
                    choices.push(At { ms: run.world.now(), choice: choice.clone() });
                }
            }
        }
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

    /// The counterexample for a person: a line a step.
    #[must_use]
    pub fn story(&self) -> Vec<String> {
        let actions = self.counterexample.iter().flatten();
        actions
            .map(|action| match action {
                Action::Pass(to) => format!("time passes until {to} ms"),
                Action::Take(choice) => format!("{choice:?}"),
            })
            .collect()
    }
}
