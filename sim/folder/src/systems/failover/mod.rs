//! Failover: one active replica, and the updates that it is active for.

mod canonical;
mod checks;
mod overlap;
mod queue;
mod settings;
mod telling;
mod terms;
mod updates;

use cloudchamber_core::failover::{Command, Config, Event, Failover, Policy, VoterChange};
use cloudchamber_core::{Design, Rng};

pub use self::checks::{FailoverChecks, acts, agreed_on, name};
pub use self::queue::{Act, Effect, UpdateQueue};
pub use self::settings::{Bounds, Constants, Settings};
use crate::scenario::Scenario;
use crate::telling::Telling;
use crate::world::{Choice, ChoiceOf, Setup, World};
use crate::{ReplicaId, Sample, System, Variant};

/// The policy under which a lone survivor may act.
const AVAILABLE: &str = "available";

/// The policy under which only who has a majority may act.
const MAJORITY: &str = "majority";

/// The failover protocol, its update queue and its checkers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct FailoverSystem;

impl System for FailoverSystem {
    const NAME: &'static str = "failover";
    const DESIGNS: &'static [Variant] = &[
        Variant::plain(Design::Published),
        Variant::of(Design::Hardened, AVAILABLE),
        Variant::of(Design::Hardened, MAJORITY),
    ];
    const SAMPLES: &'static [Sample] = &[
        Sample { name: name::FAILOVER_MS, words: "back to one active" },
        Sample { name: name::AGREED_MS, words: "all agree on it" },
    ];
    const PROMINENT: Option<&'static str> = Some("active");
    type Protocol = Failover;
    type Service = UpdateQueue;
    type Checks = FailoverChecks;
    type Settings = Settings;

    fn settings(variant: Variant) -> Settings {
        let policy = variant.policy.map(|policy| match policy {
            MAJORITY => Policy::Majority,
            _ => Policy::Available,
        });
        Settings { design: Some(variant.design), policy, ..Settings::default() }
    }

    fn variant(settings: &Settings) -> Variant {
        match (settings.design, settings.policy) {
            (None | Some(Design::Published), _) => Variant::plain(Design::Published),
            (Some(Design::Hardened), Some(Policy::Majority)) => Variant::of(Design::Hardened, MAJORITY),
            (Some(Design::Hardened), _) => Variant::of(Design::Hardened, AVAILABLE),
        }
    }

    fn config(scenario: &Scenario<Self>, replica: ReplicaId) -> Result<Config, String> {
        let count = scenario.replica.len();
        if count > checks::REPLICAS_MAX {
            let most = checks::REPLICAS_MAX;
            return Err(format!("{count} replicas; of failover write one to {most} `[[replica]]` tables"));
        }
        let config = scenario.settings.config(scenario, replica);
        config.check().map_err(|error| error.to_string())?;
        Ok(config)
    }

    /// A lone survivor may act, so whoever is cut off for longer than files travel acts beside it.
    fn concedes(variant: Variant) -> &'static [&'static str] {
        match (variant.design, variant.policy) {
            (Design::Hardened, Some(AVAILABLE) | None) => &[name::AT_MOST_ONE, name::LAST_ID],
            _ => &[],
        }
    }

    fn telling(event: &Event) -> Telling {
        telling::telling(event)
    }

    fn aliases(setup: &Setup<Self>) -> Vec<(String, ReplicaId)> {
        let ids = ReplicaId::all(setup.replicas.len()).zip(&setup.replicas);
        ids.map(|(id, replica)| (replica.config.identity.device_id().to_string(), id)).collect()
    }

    fn beliefs(setup: &Setup<Self>, world: &World<Self>, replica: ReplicaId) -> Vec<String> {
        telling::beliefs(setup, world, replica)
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

    fn whim(scenario: &Scenario<Self>, asked: ReplicaId, rng: &mut dyn Rng) -> Option<ChoiceOf<Self>> {
        let last = u64::try_from(scenario.replica.len() - 1).expect("at most 256");
        let target = ReplicaId(u8::try_from(rng.up_to(last)).expect("one of 256"));
        let majority = scenario.settings.policy == Some(Policy::Majority);
        let change = rng.up_to(3);
        if !majority || change > 1 {
            return Some(activate(scenario, asked, target));
        }
        let replica = scenario.settings.config(scenario, target).identity.device_id().to_string();
        let change = if change == 0 { VoterChange::Add { replica } } else { VoterChange::Remove { replica } };
        Some(Choice::Command {
            replica: asked,
            command: Command::Voters { change },
            draw: Default::default(),
        })
    }

    fn essence(setup: &Setup<Self>, world: &World<Self>, dies: bool) -> Option<u64> {
        canonical::canonical(setup, world, dies)
    }

    fn stands_out(setup: &Setup<Self>, world: &World<Self>, replica: ReplicaId) -> bool {
        acts(setup, world, replica)
    }

    fn acceptance() -> Option<Command> {
        Some(Command::Accept)
    }

    fn draw(scenario: &mut Scenario<Self>, rng: &mut dyn Rng) {
        scenario.settings.update_every_ms = match rng.up_to(3) {
            0 => None,
            1 => Some(60_000),
            2 => Some(20_000),
            _ => Some(5_000),
        };
        let every_ms = scenario.settings.update_every_ms;
        scenario.settings.update_every_ms = every_ms.map(|every_ms| scenario.stretched(every_ms));
        // Upstream's program at its last commit beats and looks more often than its documents say.
        let upstream = rng.up_to(3) == 0 && !scenario.profile().hazards.machine.is_empty();
        if upstream && scenario.settings.design != Some(Design::Hardened) {
            scenario.settings.constants = Constants::Upstream;
        }
        let setup = Self::setup(scenario).expect("a drawn scenario starts from constants that were checked");
        let bounds = scenario.settings.bounds(scenario, &setup.replicas[0].config);
        scenario.settle_ms = 2 * bounds.without_ms_max;
    }
}

/// Somebody asks a replica to make another one active.
#[must_use]
pub fn activate(
    scenario: &Scenario<FailoverSystem>,
    asked: ReplicaId,
    target: ReplicaId,
) -> ChoiceOf<FailoverSystem> {
    let device = scenario.settings.config(scenario, target).identity.device_id().to_string();
    Choice::Command { replica: asked, command: Command::Activate { device }, draw: Default::default() }
}
