//! What a scenario file can say about failover.

use cloudchamber_core::Design;
use cloudchamber_core::failover::{
    Asleep, Config, Every, Fallback, Hardened, Identity, OffsetKept, Policy, Provider, StaleTargets,
    UpdatesBeforeActivation,
};
use cloudchamber_core::kit::overlay::Overlay;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::FailoverSystem;
use crate::scenario::Scenario;
use crate::{ReplicaId, System as _};

/// The `[settings]` of a failover scenario. What is not written is as the constants say.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Which algorithm decides who is active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub design: Option<Design>,
    /// Which set of constants is the base.
    pub constants: Constants,
    /// In place of the constant of the published design: how soon after one heartbeat of the active replica the next
    /// may come, ms; the jitter is added as before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_ms: Option<u64>,
    /// In place of the constant: after which age of its heartbeat the active device counts as gone, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_ms: Option<u64>,
    /// In place of the constant: how long a claimant waits before the look that decides, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_ms: Option<u64>,
    /// In place of the constant: how long a poll may wait for updates, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub poll_wait_ms: Option<u64>,
    /// In place of the constants: after how long unseen a device's file is removed, and how often such files are looked
    /// for, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen_ms: Option<u64>,
    /// In place of the constant: what a new active replica does with updates from before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updates_before_activation: Option<UpdatesBeforeActivation>,
    /// In place of the constant: where the id of the last handled update is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset_kept: Option<OffsetKept>,
    /// In place of the constant: whether a device that was not seen for long may be made active by hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stale_targets: Option<StaleTargets>,
    /// Of the hardened design: what is given up when delays have no bound; availability is kept where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Policy>,
    /// Of the hardened design: the bound on propagation that its constants are made for, ms; the provider's, or a
    /// little more than `delay_ms`, where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub propagation_ms: Option<u64>,
    /// Of the hardened design, in place of what follows from the bound on propagation: the longest time without a
    /// sign of the leader after which it is suspected, ms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspect_ms_max: Option<u64>,
    /// Of the hardened design, in place of what follows from the bound on propagation: single constants by the names
    /// of [`Hardened`]'s fields, for models that need coarse ones. The relations that its promises rest on are checked
    /// whatever is written here.
    #[serde(deserialize_with = "constants", skip_serializing_if = "Overlay::is_empty")]
    pub coarse: Overlay,
    /// Of the hardened design: what a replica does while the folder cannot be reached; it waits where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// Of the hardened design: the first voters; all replicas where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voters: Option<Vec<ReplicaId>>,
    /// Mean time between two updates that people write, ms; none are written where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_every_ms: Option<u64>,
    /// The id that the process has on every machine; its own number for each replica where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_id: Option<u32>,
    /// How long there may be nobody active although somebody could be, ms; computed where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub without_ms_max: Option<u64>,
    /// How long two may be active after the files that tell of it have come, ms; computed where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap_ms_max: Option<u64>,
    /// How late a file has to be to excuse that two are active, ms; the bound on propagation where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub late_ms_min: Option<u64>,
    /// How long a hand-over may take, ms; computed where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hand_over_ms_max: Option<u64>,
}

/// Reads an overlay of [`Hardened`]'s constants.
fn constants<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Overlay, D::Error> {
    let given = Overlay::deserialize(deserializer)?;
    given.over(&Hardened::at(Provider::ICloud, Policy::Available)).map_err(D::Error::custom)?;
    Ok(given)
}

/// A set of constants.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Constants {
    /// Those of the design documents.
    #[default]
    Document,
    /// Those of the program at its last known commit.
    Upstream,
}

/// How long things may take before a checker calls them stuck, ms.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Bounds {
    /// How long there may be nobody active although somebody could be.
    pub without_ms_max: u64,
    /// How long a hand-over may take.
    pub hand_over_ms_max: u64,
    /// How long a replica may be in trouble before whoever makes it active has to know.
    pub unknown_ms_max: u64,
    /// How long two may be active after the files that tell of it have come.
    pub overlap_ms_max: u64,
    /// How late a file has to be to excuse that two are active.
    pub late_ms_min: u64,
    /// For how long after it came, ms: what was concluded from its absence is done by then.
    pub excuse_ms: u64,
    /// The shortest time between two heartbeats of one process.
    pub beat_ms_min: u64,
    /// The longest.
    pub beat_ms_max: u64,
}

impl Settings {
    /// The configuration of one replica.
    pub(super) fn config(&self, scenario: &Scenario<FailoverSystem>, id: ReplicaId) -> Config {
        let mut config = match self.constants {
            Constants::Document => Config::document(identity(scenario, id)),
            Constants::Upstream => Config::upstream(identity(scenario, id)),
        };
        config.hardened = self.hardened(scenario, id);
        config.process_id = self.process_id.unwrap_or(1_000 + u32::from(id.0));
        let put = |place: &mut u64, value: Option<u64>| *place = value.unwrap_or(*place);
        put(&mut config.timing.device_heartbeat_active.base_ms, self.heartbeat_ms);
        put(&mut config.timing.active_heartbeat.base_ms, self.heartbeat_ms);
        put(&mut config.timing.stale_ms, self.stale_ms);
        put(&mut config.timing.verify_ms, self.verify_ms);
        put(&mut config.timing.poll_wait_ms, self.poll_wait_ms);
        put(&mut config.timing.device_unseen_ms, self.unseen_ms);
        put(&mut config.timing.cleanup_every_ms, self.unseen_ms);
        config.design = self.design.unwrap_or(config.design);
        config.updates_before_activation =
            self.updates_before_activation.unwrap_or(config.updates_before_activation);
        config.offset_kept = self.offset_kept.unwrap_or(config.offset_kept);
        config.stale_targets = self.stale_targets.unwrap_or(config.stale_targets);
        config
    }

    /// The constants of the hardened design for one replica.
    fn hardened(&self, scenario: &Scenario<FailoverSystem>, id: ReplicaId) -> Hardened {
        let policy = self.policy.unwrap_or(Policy::Available);
        let provider = Provider::named(&scenario.profile).unwrap_or(Provider::ICloud);
        let mut hardened = match (self.propagation_ms, scenario.delay_ms) {
            (Some(propagation_ms), None) => Hardened::bounded(provider, propagation_ms, policy),
            (Some(propagation_ms), Some(_)) => Hardened::over(propagation_ms, policy),
            // A constant delay is known to the millisecond; the notice of a change and the disk take a moment more.
            (None, Some(delay_ms)) => Hardened::over(delay_ms + 3_000, policy),
            (None, None) => Hardened::at(provider, policy),
        };
        // The keys and kinds were looked at when the scenario was read.
        hardened = self.coarse.over(&hardened).unwrap_or_else(|error| panic!("settings.coarse: {error}"));
        hardened.suspect_ms_max = self.suspect_ms_max.unwrap_or(hardened.suspect_ms_max);
        hardened.fallback = self.fallback.unwrap_or(hardened.fallback);
        hardened.asleep = match scenario.replica[id.index()].machine.mono_counts_sleep {
            true => Asleep::Counted,
            false => Asleep::Missed,
        };
        if policy == Policy::Majority {
            let all = || ReplicaId::all(scenario.replica.len()).collect();
            let voters: Vec<_> = self.voters.clone().unwrap_or_else(all);
            let ids = voters.iter().map(|voter| identity(scenario, *voter).device_id().to_string());
            hardened.voters = ids.collect();
        }
        hardened
    }

    /// The bounds that the checkers hold the run to: those written, or what the timers and the profile's
    /// ordinary delays add up to.
    pub(super) fn bounds(&self, scenario: &Scenario<FailoverSystem>, config: &Config) -> Bounds {
        match config.design {
            Design::Hardened => self.bounds_of_hardened(scenario, &config.hardened),
            Design::Published => self.bounds_of_published(scenario, config),
        }
    }

    fn bounds_of_hardened(&self, scenario: &Scenario<FailoverSystem>, hardened: &Hardened) -> Bounds {
        let travel = scenario.profile().timing.calm_bound_ms();
        let count = u64::try_from(scenario.replica.len()).expect("at most 256");
        // Everybody listed is let pass once, then a candidate waits, and another that crossed it.
        let candidacy = hardened.wait_ms + hardened.propagation_ms + 3 * hardened.look_ms;
        let succession = hardened.suspect_ms_max + (count + 1) * hardened.slot_ms + 2 * candidacy;
        let votes = match hardened.policy {
            Policy::Available => 0,
            // A voter that has just started, a candidate that gave up, and one that came through.
            Policy::Majority => 4 * (hardened.early_promise_ms() + hardened.propagation_ms),
        };
        let failover = succession + votes + 2 * travel + 5_000;
        Bounds {
            without_ms_max: self.without_ms_max.unwrap_or(failover),
            // If the one that accepted is lost, its successor sees to it.
            hand_over_ms_max: self.hand_over_ms_max.unwrap_or(failover + 4 * travel),
            unknown_ms_max: hardened.live_ms() + travel,
            // Whoever is active looks at least that often, and a slow op may stand in between.
            overlap_ms_max: self.overlap_ms_max.unwrap_or(3 * hardened.look_ms),
            late_ms_min: self.late_ms_min.unwrap_or(hardened.propagation_ms),
            excuse_ms: succession,
            // One that took its time is followed by the next that much sooner.
            beat_ms_min: hardened.write_gap_ms.saturating_sub(500),
            beat_ms_max: hardened.standby_beat.max_ms().max(hardened.beat.max_ms()) + 5_000,
        }
    }

    fn bounds_of_published(&self, scenario: &Scenario<FailoverSystem>, config: &Config) -> Bounds {
        let timing = &config.timing;
        let travel = scenario.profile().timing.calm_bound_ms();
        let longest = |every: Every| every.base_ms + every.jitter_ms;
        let beats = [timing.device_heartbeat, timing.device_heartbeat_active];
        // A poll, a slow handler and an op may stand between two looks of a sequential loop.
        let slack = 5_000 + timing.poll_wait_ms;
        let look = longest(timing.standby_check) + slack;
        let failover =
            timing.stale_ms + look + longest(timing.failover_jitter) + timing.verify_ms + travel + slack;
        Bounds {
            // Two rounds: one for the loss itself, one for a claim that was lost to another that died.
            without_ms_max: self.without_ms_max.unwrap_or(2 * failover),
            hand_over_ms_max: self.hand_over_ms_max.unwrap_or(look + 2 * travel + slack),
            // It makes anybody active whose device file is there, and that is a fault of it.
            unknown_ms_max: 0,
            overlap_ms_max: self.overlap_ms_max.unwrap_or(u64::MAX),
            late_ms_min: self.late_ms_min.unwrap_or(0),
            excuse_ms: 0,
            // Writing takes some milliseconds of which the timer knows nothing.
            beat_ms_min: beats
                .iter()
                .map(|every| every.base_ms)
                .min()
                .expect("two timers")
                .saturating_sub(100),
            beat_ms_max: beats.iter().map(|every| longest(*every)).max().expect("two timers") + look,
        }
    }
}

/// Who a replica is.
fn identity(scenario: &Scenario<FailoverSystem>, id: ReplicaId) -> Identity {
    let spec = &scenario.replica[id.index()];
    Identity {
        name: spec.name.clone(),
        host: FailoverSystem::host(scenario, id),
        directory: spec.directory.clone().unwrap_or_else(|| format!("/home/me/{id}")),
    }
}
