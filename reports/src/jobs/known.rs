//! What the command has to know of a system beyond what the harness knows.

use clap::ValueEnum;
use cloudchamber_core::failover::{Design, Policy};
use cloudchamber_folder::systems::failover::{self, FailoverSystem};
use cloudchamber_folder::systems::journal::{self, JournalSystem};
use cloudchamber_folder::world::{Setup, World};
use cloudchamber_folder::{ReplicaId, System};

use crate::failure::Failure;

/// A system, by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum SystemName {
    /// Entities with versions.
    Delta,
    /// Which replica is active.
    Failover,
    /// Event logs of machines.
    Journal,
    /// CRDT logs of notes.
    Notes,
}

impl SystemName {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Delta => "delta",
            Self::Failover => "failover",
            Self::Journal => "journal",
            Self::Notes => "notes",
        }
    }
}

/// A design, by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum DesignName {
    /// As the documents state it, faults included.
    Published,
    /// With the faults repaired.
    Hardened,
}

impl DesignName {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Hardened => "hardened",
        }
    }
}

/// A policy of the hardened failover, by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum PolicyName {
    /// A lone survivor may act.
    Available,
    /// Only who has a majority may act.
    Majority,
}

impl PolicyName {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Majority => "majority",
        }
    }
}

/// A system that the command knows.
pub(crate) trait Known: System {
    /// The samples of [`Harvest`](cloudchamber_sim::Harvest) that say how long it takes to come together again.
    const CONVERGENCE: &'static str;
    /// As [`Known::CONVERGENCE`], until all agree.
    const AGREEMENT: &'static str;

    /// The settings of a design, as far as they do not say what every other run has too.
    ///
    /// # Errors
    /// Where the design or the policy is not there.
    fn settings(design: DesignName, policy: Option<PolicyName>) -> Result<Self::Settings, Failure>;

    /// The design and the policy that some settings mean.
    fn design(settings: &Self::Settings) -> (DesignName, Option<PolicyName>);

    /// Whether somebody who looks at a run looks for this replica: in failover the active one.
    fn stands_out(setup: &Setup<Self>, world: &World<Self>, replica: ReplicaId) -> bool {
        let _ = (setup, world, replica);
        false
    }
}

impl Known for FailoverSystem {
    const CONVERGENCE: &'static str = failover::name::FAILOVER_MS;
    const AGREEMENT: &'static str = failover::name::AGREED_MS;

    fn settings(design: DesignName, policy: Option<PolicyName>) -> Result<failover::Settings, Failure> {
        let design = match design {
            DesignName::Published => Design::Published,
            DesignName::Hardened => Design::Hardened,
        };
        if design == Design::Published && policy.is_some() {
            return Err(Failure::new(
                "the published design has no policies; leave `--policy` out, or ask for `--design hardened`",
            ));
        }
        let policy = policy.map(|policy| match policy {
            PolicyName::Available => Policy::Available,
            PolicyName::Majority => Policy::Majority,
        });
        Ok(failover::Settings { design: Some(design), policy, ..failover::Settings::default() })
    }

    fn design(settings: &failover::Settings) -> (DesignName, Option<PolicyName>) {
        match (settings.design, settings.policy) {
            (None | Some(Design::Published), _) => (DesignName::Published, None),
            (Some(Design::Hardened), Some(Policy::Majority)) => {
                (DesignName::Hardened, Some(PolicyName::Majority))
            }
            (Some(Design::Hardened), _) => (DesignName::Hardened, Some(PolicyName::Available)),
        }
    }

    fn stands_out(setup: &Setup<Self>, world: &World<Self>, replica: ReplicaId) -> bool {
        failover::acts(setup, world, replica)
    }
}

impl Known for JournalSystem {
    const CONVERGENCE: &'static str = journal::name::ARRIVAL_MS;
    const AGREEMENT: &'static str = journal::name::SPREAD_MS;

    fn settings(design: DesignName, policy: Option<PolicyName>) -> Result<journal::Settings, Failure> {
        if policy.is_some() {
            return Err(Failure::new("journals have no policies; leave `--policy` out"));
        }
        let design = match design {
            DesignName::Published => journal::DesignName::Published,
            DesignName::Hardened => journal::DesignName::Hardened,
        };
        Ok(journal::Settings { design, ..journal::Settings::default() })
    }

    fn design(settings: &journal::Settings) -> (DesignName, Option<PolicyName>) {
        let design = match settings.design {
            journal::DesignName::Published => DesignName::Published,
            journal::DesignName::Hardened => DesignName::Hardened,
        };
        (design, None)
    }
}

/// Work that is done for one system or another.
pub(crate) trait Work {
    /// What comes of it.
    type Output;

    /// Does it.
    fn on<S: Known>(self) -> Result<Self::Output, Failure>;
}

/// Does a piece of work for the system of a name.
///
/// # Errors
/// Where there is no such system, and where the work fails.
pub(crate) fn with_system<W: Work>(name: &str, work: W) -> Result<W::Output, Failure> {
    match name {
        failover if failover == FailoverSystem::NAME => work.on::<FailoverSystem>(),
        journal if journal == JournalSystem::NAME => work.on::<JournalSystem>(),
        "delta" | "notes" => Err(Failure::not_yet_built(&format!("the system `{name}`"))),
        _ => Err(Failure::new(format!(
            "there is no system `{name}`; there are delta, failover, journal and notes"
        ))),
    }
}

/// As [`with_system`], for a system of the command line.
pub(crate) fn with_system_name<W: Work>(name: SystemName, work: W) -> Result<W::Output, Failure> {
    with_system(name.text(), work)
}
