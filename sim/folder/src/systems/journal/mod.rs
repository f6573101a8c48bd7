//! Journals: every machine appends to its own files, and all that have the same events see the same.

mod calls;
mod checks;
mod claims;
mod given;
mod lines;
mod seen;
mod settings;
mod shown;
mod telling;
mod work;

use cloudchamber_core::journal::protocol::{Command, Journal, Manage, Settings as Config, Told};
use cloudchamber_core::{Design, Rng};

pub use self::checks::{JournalChecks, name};
pub use self::settings::{Settings, Shares, Switches};
use crate::scenario::Scenario;
use crate::telling::Telling;
use crate::world::{ChoiceOf, Setup};
use crate::{NoService, ReplicaId, Sample, System, Variant};

/// The journals' protocol and its checkers.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct JournalSystem;

impl System for JournalSystem {
    const NAME: &'static str = "journal";
    const DESIGNS: &'static [Variant] =
        &[Variant::plain(Design::Published), Variant::plain(Design::Hardened)];
    const SAMPLES: &'static [Sample] = &[
        Sample { name: name::ARRIVAL_MS, words: "read by another" },
        Sample { name: name::SPREAD_MS, words: "read by everybody" },
    ];
    type Protocol = Journal;
    type Service = NoService;
    type Checks = JournalChecks;
    type Settings = Settings;

    fn settings(variant: Variant) -> Settings {
        Settings { design: variant.design, ..Settings::default() }
    }

    fn variant(settings: &Settings) -> Variant {
        Variant::plain(settings.design)
    }

    fn config(scenario: &Scenario<Self>, replica: ReplicaId) -> Result<Config, String> {
        let config = scenario.settings.config(replica)?;
        scenario.settings.check()?;
        Ok(config)
    }

    fn telling(event: &Told) -> Telling {
        telling::telling(event)
    }

    fn checks(scenario: &Scenario<Self>, _: &Setup<Self>) -> JournalChecks {
        JournalChecks::new(scenario.settings.at_rest, &scenario.file)
    }

    fn workload(scenario: &Scenario<Self>, rng: &mut dyn Rng) -> Vec<(u64, ChoiceOf<Self>)> {
        work::workload(scenario, rng)
    }

    fn acceptance() -> Option<Command> {
        Some(Command::Manage(Manage::Accept))
    }

    fn accepts_older() -> bool {
        true
    }

    fn draw(scenario: &mut Scenario<Self>, rng: &mut dyn Rng) {
        let every_ms = [5_000, 20_000, 60_000][usize::try_from(rng.up_to(2)).expect("0 to 2")];
        scenario.settings.append_every_ms = Some(scenario.stretched(every_ms));
        // One passage for what was written last, one for what it is repaired with.
        let travel = scenario.profile().timing.calm_bound_ms();
        let scan_ms = scenario.settings.scan_ms();
        scenario.settle_ms = 2 * travel + 4 * scan_ms + 60_000;
        if scenario.settings.design == Design::Hardened {
            // One more for how long something lacks before it is said again, and one for that.
            scenario.settings.uphold_ms = Some(travel + 4 * scan_ms);
            scenario.settle_ms += 2 * travel + 8 * scan_ms;
        }
    }
}
