//! Delta: entities in a folder, each synced on its own, and no edit is lost.

mod checks;
mod ledger;
mod picture;
mod quiet;
mod rest;
mod settings;
mod stamps;
mod telling;
mod work;

use cloudchamber_core::delta::{Command, Config, Delta, Event, Layout};
use cloudchamber_core::{Design, Rng};

pub use self::checks::{DeltaChecks, name};
pub use self::settings::{Settings, Switches};
use crate::scenario::Scenario;
use crate::telling::Telling;
use crate::world::{Choice, ChoiceOf, Setup};
use crate::{NoService, ReplicaId, Sample, System, Variant};

/// The variant with the plan's other layout.
const SPLIT_LITE: &str = Layout::SplitLite.name();

/// The protocol of entities and its checkers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct DeltaSystem;

impl System for DeltaSystem {
    const NAME: &'static str = "delta";
    const DESIGNS: &'static [Variant] = &[
        Variant::plain(Design::Published),
        Variant::of(Design::Published, SPLIT_LITE),
        Variant::plain(Design::Hardened),
        Variant::of(Design::Hardened, SPLIT_LITE),
    ];
    const SAMPLES: &'static [Sample] = &[
        Sample { name: name::ARRIVAL_MS, words: "seen by another" },
        Sample { name: name::SPREAD_MS, words: "seen by everybody" },
    ];
    type Protocol = Delta;
    type Service = NoService;
    type Checks = DeltaChecks;
    type Settings = Settings;

    fn settings(variant: Variant) -> Settings {
        let layout = (variant.policy == Some(SPLIT_LITE)).then_some(Layout::SplitLite);
        Settings {
            design: variant.design,
            switch: Switches { layout, ..Switches::default() },
            ..Settings::default()
        }
    }

    fn variant(settings: &Settings) -> Variant {
        match settings.switch.layout {
            Some(Layout::SplitLite) => Variant::of(settings.design, SPLIT_LITE),
            Some(Layout::Split) | None => Variant::plain(settings.design),
        }
    }

    fn config(scenario: &Scenario<Self>, replica: ReplicaId) -> Result<Config, String> {
        scenario.settings.config(replica)
    }

    fn telling(event: &Event) -> Telling {
        telling::telling(event)
    }

    fn checks(scenario: &Scenario<Self>, _: &Setup<Self>) -> DeltaChecks {
        DeltaChecks::new(scenario.settings.at_rest)
    }

    fn workload(scenario: &Scenario<Self>, rng: &mut dyn Rng) -> Vec<(u64, ChoiceOf<Self>)> {
        work::workload(scenario, rng)
    }

    /// Somebody syncs by hand, or looks at what a sync would do.
    fn whim(_: &Scenario<Self>, asked: ReplicaId, rng: &mut dyn Rng) -> Option<ChoiceOf<Self>> {
        let command = if rng.up_to(3) == 0 { Command::DryRun } else { Command::Sync };
        Some(Choice::Command { replica: asked, command, draw: Default::default() })
    }

    fn acceptance() -> Option<Command> {
        Some(Command::Accept)
    }

    fn accepts_older() -> bool {
        true
    }

    fn draw(scenario: &mut Scenario<Self>, rng: &mut dyn Rng) {
        settings::draw(scenario, rng);
    }
}
