//! What a scenario file can say about delta.

use cloudchamber_core::delta::{Config, Design, Layout, Locking, Merging};
use cloudchamber_core::kit::guard::Limit;
use cloudchamber_core::{Design as DesignName, Rng};
use serde::{Deserialize, Serialize};

use super::DeltaSystem;
use crate::ReplicaId;
use crate::scenario::Scenario;

/// The `[settings]` of a delta scenario.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How entities are read, merged and written.
    pub design: DesignName,
    /// What is done otherwise than the design does it: one behaviour changed shows what it is there for.
    #[serde(skip_serializing_if = "Switches::is_empty")]
    pub switch: Switches,
    /// How often a replica syncs without being asked, ms; 10 s where it is absent, never where it is 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_ms: Option<u64>,
    /// How long a replica may be silent before tombstones no longer wait for it, ms; 90 days where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retention_ms: Option<u64>,
    /// How far ahead of its own clock a replica follows the stamps of others, ms; a day where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead_ms_max: Option<u64>,
    /// Every how many syncs everything is looked at, whatever the metas say; 256 where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan_every: Option<u64>,
    /// How long after another replica wrote last a replica says again what others could not read of it, ms; an hour where
    /// it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uphold_ms: Option<u64>,
    /// In the split-lite layout: how many delta files there may be before a snapshot is made of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deltas_max: Option<usize>,
    /// How much of what the folder held may lack before nothing is written into it; the usual limit where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guard: Option<Limit>,
    /// Mean time between two changes that people make, on all replicas together, ms; none happen by themselves where
    /// it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change_every_ms: Option<u64>,
    /// Whether what is due in the end is looked for at every moment at which nothing moves any more, and not only
    /// when a run is over. Model checkers know no end of a run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub at_rest: bool,
}

impl Default for Settings {
    /// Of the hardened design, with nothing happening by itself but syncs.
    fn default() -> Self {
        Self {
            design: DesignName::Hardened,
            switch: Switches::default(),
            sync_ms: None,
            retention_ms: None,
            ahead_ms_max: None,
            scan_every: None,
            uphold_ms: None,
            deltas_max: None,
            guard: None,
            change_every_ms: None,
            at_rest: false,
        }
    }
}

/// Single behaviours of a design, each as the field of [`Design`] of that name has it; `None` leaves it as it is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
#[allow(missing_docs, reason = "each is explained where it belongs, in `Design`")]
pub struct Switches {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub merging: Option<Merging>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locking: Option<Locking>,
}

impl Switches {
    /// The design with these behaviours changed.
    fn on(&self, design: Design) -> Design {
        // Every field is named, so that a switch which `Design` gets is missed here.
        Design {
            merging: self.merging.unwrap_or(design.merging),
            layout: self.layout.unwrap_or(design.layout),
            locking: self.locking.unwrap_or(design.locking),
        }
    }

    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Settings {
    /// The configuration of one replica.
    ///
    /// # Errors
    /// A sentence that says which values do not fit together.
    pub(super) fn config(&self, id: ReplicaId) -> Result<Config, String> {
        if self.change_every_ms == Some(0) {
            return Err("change_every_ms must be 1 ms or more".to_owned());
        }
        let design = match self.design {
            DesignName::Hardened => Design::HARDENED,
            DesignName::Published => Design::PUBLISHED,
        };
        let usual = Config::new(self.switch.on(design), &id.to_string());
        let config = Config {
            sync_ms: Some(self.sync_ms()).filter(|ms| *ms > 0),
            retention_ms: self.retention_ms.unwrap_or(usual.retention_ms),
            ahead_ms_max: self.ahead_ms_max.unwrap_or(usual.ahead_ms_max),
            scan_every: self.scan_every.unwrap_or(usual.scan_every),
            uphold_ms: self.uphold_ms.unwrap_or(usual.uphold_ms),
            deltas_max: self.deltas_max.unwrap_or(usual.deltas_max),
            guard: self.guard.unwrap_or(usual.guard),
            ..usual
        };
        config.check()?;
        Ok(config)
    }

    pub(super) fn sync_ms(&self) -> u64 {
        self.sync_ms.unwrap_or(10_000)
    }
}

/// Draws what a swarm leaves to the system.
pub(super) fn draw(scenario: &mut Scenario<DeltaSystem>, rng: &mut dyn Rng) {
    let travel = scenario.profile().timing.calm_bound_ms();
    let mut one_of = |values: [u64; 3]| values[usize::try_from(rng.up_to(2)).expect("0 to 2")];
    let settings = &mut scenario.settings;
    settings.change_every_ms = Some(one_of([4_000, 15_000, 40_000]));
    settings.sync_ms = Some(one_of([5_000, 10_000, 30_000]));
    settings.scan_every = Some(one_of([4, 16, 256]));
    settings.uphold_ms = Some(travel + 4 * settings.sync_ms());
    settings.deltas_max = usize::try_from(one_of([1, 4, 32])).ok();
    // A short one, so that replicas which were away are rebuilt; longer than files travel, or everybody always is.
    let retention_ms = one_of([60_000, 240_000, 90 * 86_400_000]).max(travel + 4 * settings.sync_ms());
    let retention_ms = *settings.retention_ms.get_or_insert(retention_ms);
    settings.ahead_ms_max = Some(retention_ms.min(86_400_000 * 2) / 2);
    let every_ms = scenario.settings.change_every_ms;
    scenario.settings.change_every_ms = every_ms.map(|every_ms| scenario.stretched(every_ms));
    // One passage for what was written last, one for what it is answered with, one for what comes of a late burial; and
    // where somebody misses what another one has read, as long again until that is said, and a passage for it.
    scenario.settle_ms = 5 * travel + 12 * scenario.settings.sync_ms() + 60_000;
}
