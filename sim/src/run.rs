//! One run: a scenario in virtual time.

use cloudchamber_folder::System;
use cloudchamber_folder::scenario::{At, Scenario};
use cloudchamber_folder::stage::Stage;
use cloudchamber_folder::trace::{Outcome, Trace, Watched};
use cloudchamber_folder::world::ChoiceOf;

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Run<S: System> {
    /// How it ended.
    pub outcome: Outcome,
    /// What happened, where that was asked for.
    pub trace: Option<Trace<S>>,
}

/// Runs a checked scenario: the stage advances to its end.
///
/// # Panics
/// Where the run panicked, with the seed that did it.
#[must_use]
pub fn run<S: System>(scenario: &Scenario<S>, traced: bool) -> Run<S> {
    if !traced {
        return Run { outcome: watch(scenario, |_, _| {}), trace: None };
    }
    let mut choices = Vec::new();
    let outcome = watch(scenario, |watched, choice| {
        choices.push(At { ms: watched.world.now(), choice: choice.clone() });
    });
    let trace = Trace::recorded(scenario, choices, &outcome);
    Run { outcome, trace: Some(trace) }
}

/// As [`run`], with a watcher that looks at the world after every choice: for measurements that no checker makes.
/// Looking changes nothing, so the run is the same as without.
///
/// # Panics
/// As [`run`].
#[must_use]
pub fn watch<S: System>(
    scenario: &Scenario<S>,
    mut watcher: impl FnMut(&Watched<S>, &ChoiceOf<S>),
) -> Outcome {
    let _named = Named(scenario);
    let mut stage = Stage::new(scenario);
    stage.advance(u64::MAX, &mut watcher);
    stage.finish()
}

/// Names the seed where a run panics: the panic's own message does not.
pub(crate) struct Named<'a, S: System>(pub(crate) &'a Scenario<S>);

impl<S: System> Drop for Named<'_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[allow(clippy::print_stderr, reason = "beside the panic's own message, which has no seed")]
            {
                eprintln!("seed {} panicked in a run of `{}`", self.0.seed, S::NAME);
            }
        }
    }
}
