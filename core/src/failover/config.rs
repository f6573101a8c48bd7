//! What does not change while a replica runs: who it is, its timing, and which of the known behaviours it has.

use serde::{Deserialize, Serialize};

use super::device::Identity;
use super::hardened::constants::{Hardened, Policy, Provider};
use crate::kit::identity::Place;
use crate::{Design, Rng};

/// Everything that is fixed when a replica starts.
///
/// There is no default: [`Config::document`] and [`Config::upstream`] give the two published sets of constants,
/// and tests change single fields of those.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Who this replica is.
    pub identity: Identity,
    /// The thread of the chat that it mirrors; `None` for all of them. Only carried in its file.
    pub thread_id: Option<i64>,
    /// The id of this process on its own machine. Only carried in its file, until somebody removes the device.
    pub process_id: u32,
    /// What tells the hardened design's local directory from a copy of it ([`Place::number`]); None if not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_number: Option<u64>,
    /// Which algorithm decides who is active.
    pub design: Design,
    /// All durations.
    pub timing: Timing,
    /// What becomes of the colon of a device id in its published file name.
    pub colon: Colon,
    /// What a replica that has just become active does with updates older than that.
    pub updates_before_activation: UpdatesBeforeActivation,
    /// Where the id of the last handled update is kept.
    pub offset_kept: OffsetKept,
    /// What becomes of the heartbeat deadlines when a replica becomes active or standby.
    pub timers_on_change: TimersOnChange,
    /// Whether a device that was not seen for long may be made active by hand.
    pub stale_targets: StaleTargets,
    /// What the hardened design can be told besides.
    pub hardened: Hardened,
}

/// What becomes of the colon of a device id in its published file name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colon {
    /// It stays, as in the examples of the document (upstream opencode-telegram-mirror, docs/CONFLICT_FIX.md).
    Keep,
    /// It becomes `-`, as in the code of upstream opencode-telegram-mirror 085f00e.
    Replace,
}

/// What a replica that has just become active does with updates that were sent before.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdatesBeforeActivation {
    /// It handles them: the document says nothing of dropping.
    Handle,
    /// It drops them, comparing the update's date (whole seconds) with the moment at which the check began that
    /// made it active: before the jitter and the verify sleep, so all that was sent while nobody led is lost.
    /// Upstream opencode-telegram-mirror cc25762 added it, against commands that were executed again.
    Drop,
}

/// Where the id of the last handled update is kept.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OffsetKept {
    /// In the shared `state.json`, written about every [`Timing::last_update_id_every_ms`] after handling, and
    /// taken over from there by the replica that becomes active (document).
    Shared,
    /// In each device's own store, written for a whole poll at once, before the first of its updates is handled
    /// (upstream opencode-telegram-mirror 085f00e: a local database). What the device polled and did not handle
    /// before a crash is lost; what another device handled is handled again.
    Local,
}

/// What becomes of the heartbeat deadlines when a replica becomes active or standby.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimersOnChange {
    /// They stay as they are (document). One that becomes active after a long standby finds its heartbeat due and
    /// writes the state again at once.
    Keep,
    /// They start anew (upstream opencode-telegram-mirror 085f00e).
    Restart,
}

/// Whether a device that was not seen for long may be made active by hand.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StaleTargets {
    /// It may: any listed device will do (document).
    Accept,
    /// It may not: a standby last seen over [`Timing::standby_stale_ms`] ago, or the active one over
    /// [`Timing::stale_ms`] (upstream opencode-telegram-mirror 085f00e).
    Refuse,
}

/// All durations, in milliseconds.
///
/// Sleeps are measured on the monotonic clock. Deadlines that the main loop compares (heartbeats, cleanup, the
/// last update's id) and the age of a heartbeat are measured on the wall clock in the published design.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Timing {
    /// How long a standby sleeps between two looks at the state: 5 s + 0..3 s in the document, 5 s + 0..2 s
    /// upstream (35e9aa2; 30 s + 0..10 s before).
    pub standby_check: Every,
    /// How often a standby writes its own file: 30 s + 0..10 s in the document, 300 s + 0..60 s upstream.
    pub device_heartbeat: Every,
    /// How often the active device writes its own file: 30 s + 0..10 s in both.
    pub device_heartbeat_active: Every,
    /// How often the active device writes `state.json`: 30 s + 0..10 s in both.
    pub active_heartbeat: Every,
    /// How long a replica that found the active one stale waits before it looks again and claims: 0..10 s in both.
    pub failover_jitter: Every,
    /// After which age of its heartbeat the active device counts as gone: 90 s in the document, 120 s upstream
    /// since 791b4c7, because delays of the folder caused false failovers.
    pub stale_ms: u64,
    /// After which time unseen a standby counts as stale in the status and for [`StaleTargets::Refuse`]: the
    /// document has no such figure and its one threshold of 90 s is used; 450 s upstream.
    pub standby_stale_ms: u64,
    /// How long a claimant waits between its write and the look that decides: 500 ms in both.
    pub verify_ms: u64,
    /// How often at most the last handled update's id is written: about 5 s in the document. Upstream never
    /// writes it.
    pub last_update_id_every_ms: u64,
    /// After which time unseen a device's file may be removed: 24 h in both. The published design does it by itself, the
    /// hardened one only when somebody asks.
    pub device_unseen_ms: u64,
    /// How often the active device of the published design removes such files, and how long after its start first:
    /// 24 h upstream; the document says "automatic".
    pub cleanup_every_ms: u64,
    /// How long the active loop sleeps between two polls: 1 s in both.
    pub active_pause_ms: u64,
    /// How long it sleeps after a poll that did not reach the service: 5 s upstream; the document gives none and
    /// the same is used.
    pub error_pause_ms: u64,
    /// How long a poll may wait for updates on the service's side: 30 s upstream; the document gives none: 0.
    pub poll_wait_ms: u64,
}

impl Timing {
    /// The constants of the document (upstream opencode-telegram-mirror, docs/CONFLICT_FIX.md and
    /// docs/FINAL_SUMMARY.md).
    #[must_use]
    pub const fn document() -> Self {
        Self {
            standby_check: Every::new(5_000, 3_000),
            device_heartbeat: Every::new(30_000, 10_000),
            device_heartbeat_active: Every::new(30_000, 10_000),
            active_heartbeat: Every::new(30_000, 10_000),
            failover_jitter: Every::new(0, 10_000),
            stale_ms: 90_000,
            standby_stale_ms: 90_000,
            verify_ms: 500,
            last_update_id_every_ms: 5_000,
            device_unseen_ms: 24 * 60 * 60 * 1_000,
            cleanup_every_ms: 24 * 60 * 60 * 1_000,
            active_pause_ms: 1_000,
            error_pause_ms: 5_000,
            poll_wait_ms: 0,
        }
    }

    /// The constants of the code (upstream opencode-telegram-mirror 085f00e).
    #[must_use]
    pub const fn upstream() -> Self {
        Self {
            standby_check: Every::new(5_000, 2_000),
            device_heartbeat: Every::new(300_000, 60_000),
            stale_ms: 120_000,
            standby_stale_ms: 450_000,
            poll_wait_ms: 30_000,
            ..Self::document()
        }
    }
}

/// A base and a uniformly random addition, both in milliseconds: the one randomising function of all timers.
///
/// In a file it is a table of both, or a number: a timer without jitter.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(from = "Spelt")]
pub struct Every {
    /// The shortest.
    pub base_ms: u64,
    /// What is added at most.
    pub jitter_ms: u64,
}

/// How an [`Every`] is written.
#[derive(Deserialize)]
#[serde(untagged, expecting = "milliseconds, or a table of base_ms and jitter_ms")]
enum Spelt {
    Plain(u64),
    Jittered { base_ms: u64, jitter_ms: u64 },
}

impl From<Spelt> for Every {
    fn from(spelt: Spelt) -> Self {
        match spelt {
            Spelt::Plain(base_ms) => Self::new(base_ms, 0),
            Spelt::Jittered { base_ms, jitter_ms } => Self::new(base_ms, jitter_ms),
        }
    }
}

impl Every {
    /// From `base_ms` to `base_ms + jitter_ms`, both included.
    #[must_use]
    pub const fn new(base_ms: u64, jitter_ms: u64) -> Self {
        Self { base_ms, jitter_ms }
    }

    /// The longest, in milliseconds.
    #[must_use]
    pub const fn max_ms(self) -> u64 {
        self.base_ms.saturating_add(self.jitter_ms)
    }

    /// Draws one, in milliseconds.
    pub fn draw(self, rng: &mut dyn Rng) -> u64 {
        if self.jitter_ms == 0 {
            return self.base_ms;
        }
        self.base_ms.saturating_add(rng.up_to(self.jitter_ms))
    }
}

impl Config {
    /// Where this replica lives.
    #[must_use]
    pub fn place(&self) -> Place {
        let Identity { host, directory, .. } = self.identity.clone();
        Place { host, directory, number: self.local_number }
    }

    /// The published design as the document states it, for process 1 without a thread.
    #[must_use]
    pub fn document(identity: Identity) -> Self {
        Self {
            identity,
            thread_id: None,
            process_id: 1,
            local_number: None,
            design: Design::Published,
            timing: Timing::document(),
            colon: Colon::Keep,
            updates_before_activation: UpdatesBeforeActivation::Handle,
            offset_kept: OffsetKept::Shared,
            timers_on_change: TimersOnChange::Keep,
            stale_targets: StaleTargets::Accept,
            hardened: Hardened::at(Provider::ICloud, Policy::Available),
        }
    }

    /// The hardened design with the widest of the common bounds on propagation, for process 1 without a thread.
    /// Voters have to be added for [`Policy::Majority`].
    #[must_use]
    pub fn hardened(identity: Identity, policy: Policy) -> Self {
        Self::hardened_at(identity, Provider::ICloud, policy)
    }

    /// The hardened design with the constants for a provider.
    #[must_use]
    pub fn hardened_at(identity: Identity, provider: Provider, policy: Policy) -> Self {
        Self {
            design: Design::Hardened,
            hardened: Hardened::at(provider, policy),
            ..Self::document(identity)
        }
    }

    /// The published design as the code has it (upstream opencode-telegram-mirror 085f00e), for process 1 without
    /// a thread.
    ///
    /// Known and left out: that code adds a list `foreignChatIds` to a state without one, on any device, on read.
    #[must_use]
    pub fn upstream(identity: Identity) -> Self {
        Self {
            timing: Timing::upstream(),
            colon: Colon::Replace,
            updates_before_activation: UpdatesBeforeActivation::Drop,
            offset_kept: OffsetKept::Local,
            timers_on_change: TimersOnChange::Restart,
            stale_targets: StaleTargets::Refuse,
            ..Self::document(identity)
        }
    }

    /// Checks the relations between the values.
    ///
    /// # Errors
    /// The first relation that does not hold, with the values and the way out.
    pub fn check(&self) -> Result<(), ConfigError> {
        let identity = [("host", &self.identity.host), ("directory", &self.identity.directory)];
        if let Some((part, _)) = identity.into_iter().find(|(_, text)| text.is_empty()) {
            return Err(ConfigError::Nameless { part });
        }
        self.timing.check(self.stale_targets)?;
        match self.design {
            Design::Hardened => self.hardened.check(),
            Design::Published => Ok(()),
        }
    }
}

impl Timing {
    fn check(&self, stale_targets: StaleTargets) -> Result<(), ConfigError> {
        let never_zero = [
            ("standby_check", self.standby_check.base_ms),
            ("device_heartbeat", self.device_heartbeat.base_ms),
            ("device_heartbeat_active", self.device_heartbeat_active.base_ms),
            ("active_heartbeat", self.active_heartbeat.base_ms),
            ("active_pause_ms", self.active_pause_ms),
            ("error_pause_ms", self.error_pause_ms),
            ("cleanup_every_ms", self.cleanup_every_ms),
        ];
        if let Some((what, _)) = never_zero.into_iter().find(|(_, ms)| *ms == 0) {
            return Err(ConfigError::Zero { what });
        }
        // The loop is sequential: a poll and a pause sit between a deadline and the look at it.
        let gap_ms = self
            .active_heartbeat
            .max_ms()
            .saturating_add(self.poll_wait_ms)
            .saturating_add(self.active_pause_ms);
        if gap_ms >= self.stale_ms {
            return Err(ConfigError::HeartbeatOverStale { gap_ms, stale_ms: self.stale_ms });
        }
        if self.verify_ms >= self.stale_ms {
            return Err(ConfigError::VerifyOverStale { verify_ms: self.verify_ms, stale_ms: self.stale_ms });
        }
        let beat_ms = self.device_heartbeat.max_ms().max(self.device_heartbeat_active.max_ms());
        if beat_ms >= self.device_unseen_ms {
            return Err(ConfigError::HeartbeatOverUnseen { beat_ms, unseen_ms: self.device_unseen_ms });
        }
        if stale_targets == StaleTargets::Refuse && self.device_heartbeat.max_ms() >= self.standby_stale_ms {
            return Err(ConfigError::HeartbeatOverStandbyStale {
                beat_ms: self.device_heartbeat.max_ms(),
                standby_stale_ms: self.standby_stale_ms,
            });
        }
        Ok(())
    }
}

/// A relation between configured values that does not hold.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConfigError {
    /// A part of the identity is empty.
    #[error("the identity's {part} is empty; every replica needs one, or two of them share a name")]
    Nameless {
        /// Which part.
        part: &'static str,
    },
    /// A duration is zero.
    #[error("{what} is 0 ms, so the replica would never sleep; make it at least 1 ms")]
    Zero {
        /// Which one.
        what: &'static str,
    },
    /// A healthy active replica would look stale.
    #[error(
        "the active heartbeat can come {gap_ms} ms after the last one (heartbeat, jitter, poll and pause), and after \
         {stale_ms} ms the active replica counts as gone; raise stale_ms over {gap_ms} or shorten the heartbeat"
    )]
    HeartbeatOverStale {
        /// The longest time between two heartbeats, handlers not counted.
        gap_ms: u64,
        /// [`Timing::stale_ms`].
        stale_ms: u64,
    },
    /// A claim would be stale before it is verified.
    #[error(
        "a claim is verified after {verify_ms} ms, and after {stale_ms} ms it counts as gone; lower verify_ms under \
         {stale_ms} or raise stale_ms"
    )]
    VerifyOverStale {
        /// [`Timing::verify_ms`].
        verify_ms: u64,
        /// [`Timing::stale_ms`].
        stale_ms: u64,
    },
    /// A live device's file would be removed.
    #[error(
        "a device may write its file only every {beat_ms} ms, and after {unseen_ms} ms the file is removed; raise \
         device_unseen_ms over {beat_ms} or shorten the device heartbeat"
    )]
    HeartbeatOverUnseen {
        /// The longest time between two heartbeats.
        beat_ms: u64,
        /// [`Timing::device_unseen_ms`].
        unseen_ms: u64,
    },
    /// A value of the hardened design is too small for what it has to cover.
    #[error(
        "{what} is {value} ms and has to cover {than}, which is {least} ms; raise it, or shorten the others"
    )]
    Short {
        /// Which value.
        what: &'static str,
        /// What it is.
        value: u64,
        /// What it has to cover.
        than: &'static str,
        /// How much that is.
        least: u64,
    },
    /// Clocks that are off by this much are none.
    #[error(
        "drift_ppm_max is {drift_ppm_max}, and leases are not made for more than {most} millionths; mend the clock"
    )]
    Drift {
        /// [`Hardened::drift_ppm_max`].
        drift_ppm_max: u32,
        /// The most that is allowed.
        most: u32,
    },
    /// There are not enough voters for a majority to mean anything.
    #[error(
        "the policy majority has {count} voters and needs two at least, three to survive the loss of one; list them \
         in voters, or take the policy available"
    )]
    Voters {
        /// How many there are.
        count: usize,
    },
    /// A voter is listed twice and would count twice.
    #[error("the voter {voter} is listed twice; every voter needs a device id of its own")]
    VoterTwice {
        /// Which one.
        voter: String,
    },
    /// A live standby could not be made active.
    #[error(
        "a standby may write its file only every {beat_ms} ms, and after {standby_stale_ms} ms it is refused as \
         stale; raise standby_stale_ms over {beat_ms} or shorten the device heartbeat"
    )]
    HeartbeatOverStandbyStale {
        /// The longest time between two heartbeats.
        beat_ms: u64,
        /// [`Timing::standby_stale_ms`].
        standby_stale_ms: u64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Draw;

    fn identity() -> Identity {
        Identity { name: None, host: "imac.local".into(), directory: "/Users/me/a".into() }
    }

    #[test]
    fn both_published_sets_of_constants_hold_together() {
        assert_eq!(Config::document(identity()).check(), Ok(()));
        assert_eq!(Config::upstream(identity()).check(), Ok(()));
    }

    #[test]
    fn a_broken_relation_is_named_with_both_values() {
        let broken = |change: fn(&mut Config)| {
            let mut config = Config::upstream(identity());
            change(&mut config);
            config.check().unwrap_err().to_string()
        };
        insta::assert_snapshot!(broken(|config| config.timing.stale_ms = 71_000), @"the active heartbeat can come 71000 ms after the last one (heartbeat, jitter, poll and pause), and after 71000 ms the active replica counts as gone; raise stale_ms over 71000 or shorten the heartbeat");
        insta::assert_snapshot!(broken(|config| config.timing.standby_stale_ms = 90_000), @"a standby may write its file only every 360000 ms, and after 90000 ms it is refused as stale; raise standby_stale_ms over 360000 or shorten the device heartbeat");
        insta::assert_snapshot!(broken(|config| config.timing.device_unseen_ms = 1), @"a device may write its file only every 360000 ms, and after 1 ms the file is removed; raise device_unseen_ms over 360000 or shorten the device heartbeat");
        insta::assert_snapshot!(broken(|config| config.timing.verify_ms = 120_000), @"a claim is verified after 120000 ms, and after 120000 ms it counts as gone; lower verify_ms under 120000 or raise stale_ms");
        insta::assert_snapshot!(broken(|config| config.timing.active_pause_ms = 0), @"active_pause_ms is 0 ms, so the replica would never sleep; make it at least 1 ms");
        insta::assert_snapshot!(broken(|config| config.identity.host.clear()), @"the identity's host is empty; every replica needs one, or two of them share a name");
    }

    #[test]
    fn every_reaches_both_ends_and_no_further() {
        let every = Every::new(5_000, 3_000);
        assert_eq!(every.draw(&mut Draw::Fraction(0).rng()), 5_000);
        assert_eq!(every.draw(&mut Draw::Fraction(255).rng()), every.max_ms());
        assert_eq!(Every::new(u64::MAX, 1).draw(&mut Draw::Fraction(255).rng()), u64::MAX);
    }

    #[test]
    fn a_config_survives_json() {
        let config = Config::upstream(identity());
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), config);
        assert_eq!(serde_json::from_str::<Every>("7").unwrap(), Every::new(7, 0));
    }
}
