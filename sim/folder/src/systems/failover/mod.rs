//! Failover: one active replica, and the updates that it is active for.

mod canonical;
mod checks;
mod overlap;
mod queue;
mod settings;
mod updates;

use cloudchamber_core::Rng;
use cloudchamber_core::failover::{Command, Failover};

pub use self::checks::{FailoverChecks, acts, agreed_on, name};
pub use self::queue::{Act, Effect, UpdateQueue};
pub use self::settings::{Bounds, Constants, Settings};
use crate::scenario::Scenario;
use crate::world::{Choice, ChoiceOf, ReplicaSetup, Setup, World};
use crate::{ReplicaId, System};

/// The failover protocol, its update queue and its checkers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FailoverSystem;

impl System for FailoverSystem {
    const NAME: &'static str = "failover";
    type Protocol = Failover;
    type Service = UpdateQueue;
    type Checks = FailoverChecks;
    type Settings = Settings;

    fn setup(scenario: &Scenario<Self>) -> Result<Setup<Self>, String> {
        let mut replicas = Vec::new();
        for (id, spec) in ReplicaId::all(scenario.replica.len()).zip(&scenario.replica) {
            let config = scenario.settings.config(scenario, id);
            config.check().map_err(|error| error.to_string())?;
            replicas.push(ReplicaSetup { config, machine: spec.machine, host: settings::host(scenario, id) });
        }
        Ok(Setup { replicas, rules: scenario.profile().rules.clone() })
    }

    fn world(scenario: &Scenario<Self>, _: &Setup<Self>) -> World<Self> {
        World::new(scenario.replica.len(), UpdateQueue::default())
    }

    fn checks(scenario: &Scenario<Self>, setup: &Setup<Self>) -> FailoverChecks {
        FailoverChecks::new(scenario.settings.bounds(scenario, &setup.replicas[0].config))
    }

    fn workload(scenario: &Scenario<Self>, rng: &mut dyn Rng) -> Vec<(u64, ChoiceOf<Self>)> {
        let Some(every_ms) = scenario.settings.update_every_ms else { return vec![] };
        let mut acts = Vec::new();
        let mut at = 0;
        loop {
            at += 1 + rng.up_to(every_ms.saturating_mul(2));
            if at >= scenario.run_ms {
                return acts;
            }
            acts.push((at, Choice::Act { act: Act::Write { takes_ms: 0 } }));
        }
    }

    fn activation(scenario: &Scenario<Self>, asked: ReplicaId, target: ReplicaId) -> Option<ChoiceOf<Self>> {
        let device = scenario.settings.config(scenario, target).identity.device_id().to_string();
        let command = Command::Activate { device };
        Some(Choice::Command { replica: asked, command, draw: Default::default() })
    }

    fn essence(setup: &Setup<Self>, world: &World<Self>, dies: bool) -> Option<u64> {
        canonical::canonical(setup, world, dies)
    }

    fn draw(scenario: &mut Scenario<Self>, rng: &mut dyn Rng) {
        scenario.settings.update_every_ms = match rng.up_to(3) {
            0 => None,
            1 => Some(60_000),
            2 => Some(20_000),
            _ => Some(5_000),
        };
        let setup = Self::setup(scenario).expect("a drawn scenario starts from constants that were checked");
        let bounds = scenario.settings.bounds(scenario, &setup.replicas[0].config);
        scenario.settle_ms = 2 * bounds.without_ms_max;
    }
}
