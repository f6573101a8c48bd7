//! Notes: every instance appends to logs of its own, and all that have the same records show the same texts.

mod checks;
mod seen;
mod settings;
mod telling;
mod work;

use cloudchamber_core::notes::{Command, Config, Event, Notes};
use cloudchamber_core::{Design, Rng};

pub use self::checks::{NotesChecks, name};
pub use self::settings::{Settings, Shares, Switches};
use crate::scenario::Scenario;
use crate::telling::Telling;
use crate::world::{Choice, ChoiceOf, Setup, World};
use crate::{NoService, ReplicaId, Sample, System, Variant};

/// The notes' protocol and its checkers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct NotesSystem;

impl System for NotesSystem {
    const NAME: &'static str = "notes";
    const DESIGNS: &'static [Variant] =
        &[Variant::plain(Design::Published), Variant::plain(Design::Hardened)];
    const SAMPLES: &'static [Sample] = &[
        Sample { name: name::ARRIVAL_MS, words: "read by another" },
        Sample { name: name::SPREAD_MS, words: "read by everybody" },
    ];
    const PROMINENT: Option<&'static str> = Some("waits for a record");
    type Protocol = Notes;
    type Service = NoService;
    type Checks = NotesChecks;
    type Settings = Settings;

    fn settings(variant: Variant) -> Settings {
        Settings { design: variant.design, ..Settings::default() }
    }

    fn variant(settings: &Settings) -> Variant {
        Variant::plain(settings.design)
    }

    fn config(scenario: &Scenario<Self>, replica: ReplicaId) -> Result<Config, String> {
        scenario.settings.check()?;
        scenario.settings.config(replica)
    }

    fn telling(event: &Event) -> Telling {
        telling::telling(event)
    }

    fn checks(scenario: &Scenario<Self>, _: &Setup<Self>) -> NotesChecks {
        NotesChecks::new(scenario.settings.at_rest, !scenario.file.is_empty())
    }

    fn workload(scenario: &Scenario<Self>, rng: &mut dyn Rng) -> Vec<(u64, ChoiceOf<Self>)> {
        work::workload(scenario, rng)
    }

    fn whim(scenario: &Scenario<Self>, asked: ReplicaId, rng: &mut dyn Rng) -> Option<ChoiceOf<Self>> {
        let note = work::note(rng.up_to(u64::from(scenario.settings.notes()).saturating_sub(1)));
        let command = match rng.up_to(1) {
            0 => Command::Snapshot { note },
            _ => Command::Sync,
        };
        Some(Choice::Command { replica: asked, command, draw: Default::default() })
    }

    fn stands_out(_: &Setup<Self>, world: &World<Self>, replica: ReplicaId) -> bool {
        world.replica(replica).protocol().is_some_and(|notes| !notes.awaited().is_empty())
    }

    fn acceptance() -> Option<Command> {
        Some(Command::Accept)
    }

    fn draw(scenario: &mut Scenario<Self>, rng: &mut dyn Rng) {
        let mut one_of = |from: [Option<u64>; 4]| from[usize::try_from(rng.up_to(3)).expect("0 to 3")];
        let settings = &mut scenario.settings;
        settings.edit_every_ms = one_of([Some(5_000), Some(15_000), Some(15_000), Some(60_000)]);
        settings.trash_ms = one_of([None, None, None, Some(600_000)]);
        settings.snapshot_records =
            one_of([None, None, Some(4), Some(12)]).and_then(|n| u32::try_from(n).ok());
        settings.absences = one_of([Some(0), Some(0), Some(1), Some(2)]).and_then(|n| u32::try_from(n).ok());
        settings.scan_ms = Some(5_000);
        settings.full_scan_ms = Some(120_000);
        scenario.settings.edit_every_ms =
            scenario.settings.edit_every_ms.map(|every_ms| scenario.stretched(every_ms));
        // One passage for what was written last, one for what it is repaired with; then every file is read once more.
        let travel = scenario.profile().timing.calm_bound_ms();
        scenario.settle_ms = 2 * travel + 3 * 120_000 + 60_000;
    }
}
