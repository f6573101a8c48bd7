//! One run with one event in it: three replicas, no other fault, no hazard, at a random moment after all has settled.

use std::sync::{Arc, Mutex, PoisonError};

use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::scenario::{At, Scenario};
use cloudchamber_folder::systems::failover::{FailoverSystem, activate};
use cloudchamber_folder::world::{Choice, ChoiceOf, Loss};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::meter::Meter;
use super::subject::{REPLICAS, Subject, calm};
use crate::report::failover_times::Mode;

/// How long replicas have to find each other, ms.
pub(super) const SETTLED_MS: u64 = 600_000;

/// Within how much time after that the event falls, ms: more than the period of any timer there is.
const MOMENT_MS: u64 = 120_000;

/// How long the run goes on after the event, ms.
pub(super) const WATCHED_MS: u64 = 1_200_000;

/// How long a replica sleeps that falls asleep, ms; then it wakes, and may believe that it is still active.
const ASLEEP_MS: u64 = 900_000;

/// Runs one seed of one kind of event; `None` if there was not exactly one active when the event came.
pub(super) fn take(subject: &Subject, mode: Mode, seed: u64) -> Option<Meter> {
    // Who is active when the event comes is known only then. Up to that moment every run of a seed is the same, so
    // that a second one hits whom the first one missed.
    let mut victim = ReplicaId(0);
    for _ in 0..2 {
        let (scenario, meter) = scenario(subject, mode, seed, victim);
        let seen = watch(&scenario, meter);
        let leader = seen.event.and_then(|event| event.leader())?;
        if leader == victim {
            return Some(seen);
        }
        victim = leader;
    }
    None
}

/// Runs a scenario under a meter.
pub(super) fn watch(scenario: &Scenario<FailoverSystem>, meter: Meter) -> Meter {
    let meter = Arc::new(Mutex::new(meter));
    let shared = Arc::clone(&meter);
    let _ = cloudchamber_sim::watch(scenario, move |run, choice| {
        shared.lock().expect("only the run looks").look(run, choice);
    });
    let seen = meter.lock().unwrap_or_else(PoisonError::into_inner);
    seen.clone()
}

/// The scenario of a seed in which the event happens to `victim`, and what looks at it.
fn scenario(
    subject: &Subject,
    mode: Mode,
    seed: u64,
    victim: ReplicaId,
) -> (Scenario<FailoverSystem>, Meter) {
    let mut moment = ChaCha8Rng::seed_from_u64(seed);
    let at_ms = SETTLED_MS + moment.next_u64() % MOMENT_MS;
    let mut scenario = calm(subject, seed, at_ms + WATCHED_MS);
    let other = ReplicaId((victim.0 + 1) % REPLICAS);
    let target = (mode == Mode::Activation).then_some(other);
    let at = |ms: u64, choice: ChoiceOf<FailoverSystem>| At { ms, choice };
    scenario.at = match mode {
        Mode::Activation => {
            vec![at(at_ms, activate(&scenario, victim, other))]
        }
        Mode::Crash => {
            vec![at(at_ms, Choice::Crash { replica: victim, torn_percent: 0, loss: Loss::Kept })]
        }
        Mode::Sleep => vec![
            at(at_ms, Choice::Sleep { replica: victim }),
            at(at_ms + ASLEEP_MS, Choice::Wake { replica: victim }),
        ],
    };
    (scenario, Meter::of(at_ms, victim, target, mode == Mode::Sleep))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_changes_nothing() {
        let subject = Subject::published("icloud");
        let (scenario, _) = scenario(&subject, Mode::Sleep, 5, ReplicaId(0));
        let mut looks = 0;
        let watched = cloudchamber_sim::watch(&scenario, move |run, _| {
            looks += 1;
            assert_eq!(run.world.replicas().count(), 3, "look {looks}");
        });
        assert_eq!(watched, cloudchamber_sim::run(&scenario, false).outcome);
    }
}
