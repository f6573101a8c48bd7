//! What is measured, and the folder in which it is: three replicas to which nothing happens.

use cloudchamber_core::Design;
use cloudchamber_core::failover::Config;
use cloudchamber_folder::scenario::{Expect, Faults, ReplicaSpec, Scenario};
use cloudchamber_folder::systems::failover::{FailoverSystem, Settings};
use cloudchamber_folder::{System as _, Variant};

/// How many replicas there are.
pub(super) const REPLICAS: u8 = 3;

/// What is measured: a design with its settings, in a provider's folder.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(super) profile: String,
    pub(super) variant: Variant,
    pub(super) settings: Settings,
}

impl Subject {
    /// A design with its own constants.
    pub(super) fn of(profile: &str, variant: Variant) -> Self {
        Self { profile: profile.into(), variant, settings: FailoverSystem::settings(variant) }
    }

    /// The published design with its own constants.
    pub(super) fn published(profile: &str) -> Self {
        Self::of(profile, Variant::plain(Design::Published))
    }

    /// The configuration of the first replica.
    ///
    /// # Errors
    /// The relation between settings that does not hold.
    pub(super) fn config(&self) -> Result<Config, String> {
        let setup = FailoverSystem::setup(&calm(self, 0, 1))?;
        Ok(setup.replicas[0].config.clone())
    }
}

/// Three replicas to which nothing happens: the first starts at once, the others a minute later.
pub(super) fn calm(subject: &Subject, seed: u64, run_ms: u64) -> Scenario<FailoverSystem> {
    let replica =
        |id: u8| ReplicaSpec { start_ms: if id == 0 { 0 } else { 60_000 }, ..ReplicaSpec::default() };
    Scenario {
        about: String::new(),
        system: FailoverSystem::NAME.into(),
        profile: subject.profile.clone(),
        delay_ms: None,
        placeholder: None,
        hazards: false,
        seed,
        run_ms,
        settle_ms: 0,
        replica: (0..REPLICAS).map(replica).collect(),
        file: vec![],
        settings: subject.settings.clone(),
        faults: Faults::default(),
        at: vec![],
        expect: Expect::default(),
    }
}
