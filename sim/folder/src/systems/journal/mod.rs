//! Journals: every machine appends to its own files, and all that have the same events see the same.

mod checks;
mod claims;
mod seen;
mod settings;
mod work;

use cloudchamber_core::Rng;
use cloudchamber_core::journal::protocol::Journal;

pub use self::checks::{JournalChecks, name};
pub use self::settings::{DesignName, Settings, Shares, Switches};
use crate::scenario::Scenario;
use crate::world::{ChoiceOf, ReplicaSetup, Setup, World};
use crate::{NoService, ReplicaId, System};

/// The journals' protocol and its checkers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct JournalSystem;

impl System for JournalSystem {
    const NAME: &'static str = "journal";
    type Protocol = Journal;
    type Service = NoService;
    type Checks = JournalChecks;
    type Settings = Settings;

    fn setup(scenario: &Scenario<Self>) -> Result<Setup<Self>, String> {
        let mut replicas = Vec::new();
        for (id, spec) in ReplicaId::all(scenario.replica.len()).zip(&scenario.replica) {
            let config = scenario.settings.config(id)?;
            let host = spec.host.clone().unwrap_or_else(|| format!("mac-{id}"));
            replicas.push(ReplicaSetup { config, machine: spec.machine, host });
        }
        scenario.settings.check()?;
        Ok(Setup { replicas, rules: scenario.profile().rules.clone() })
    }

    fn world(scenario: &Scenario<Self>, _: &Setup<Self>) -> World<Self> {
        World::new(scenario.replica.len(), NoService)
    }

    fn checks(scenario: &Scenario<Self>, _: &Setup<Self>) -> JournalChecks {
        JournalChecks::new(scenario.settings.at_rest)
    }

    fn workload(scenario: &Scenario<Self>, rng: &mut dyn Rng) -> Vec<(u64, ChoiceOf<Self>)> {
        work::workload(scenario, rng)
    }

    fn activation(_: &Scenario<Self>, _: ReplicaId, _: ReplicaId) -> Option<ChoiceOf<Self>> {
        None
    }

    fn draw(scenario: &mut Scenario<Self>, rng: &mut dyn Rng) {
        let every_ms = [5_000, 20_000, 60_000][usize::try_from(rng.up_to(2)).expect("0 to 2")];
        scenario.settings.append_every_ms = Some(every_ms);
        // One passage for what was written last, one for what it is repaired with.
        let travel = scenario.profile().timing.calm_bound_ms();
        scenario.settle_ms = 2 * travel + 4 * scenario.settings.scan_ms() + 60_000;
    }
}
