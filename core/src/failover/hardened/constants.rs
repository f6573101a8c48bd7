//! The constants of the hardened design, and the relations between them that its promises rest on.

use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::failover::{ConfigError, Every};

/// What the hardened design can be told. Durations in milliseconds.
///
/// There is no default: [`Hardened::over`] derives a set that holds together from the bound on propagation, and
/// [`Hardened::at`] knows that bound for the providers.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Hardened {
    /// What is given up when delays have no bound: that at most one acts, or that somebody does.
    pub policy: Policy,
    /// How often the leader writes its file.
    pub beat: Every,
    /// How often everybody else does. Under [`Policy::Majority`] a voter also writes at every beat it supports.
    pub standby_beat: Every,
    /// The bound on propagation: how long after a version was written every running replica can read it, or a
    /// later one. Under [`Policy::Available`] "at most one active" rests on it.
    pub propagation_ms: u64,
    /// The shortest and the default time without a sign of the leader after which it is suspected.
    pub suspect_ms_min: u64,
    /// The longest, however late its beats have been.
    pub suspect_ms_max: u64,
    /// How often it looks at its own view, at the latest: being told of changes is only a hint.
    pub look_ms: u64,
    /// The distance of two slots in the order of succession.
    pub slot_ms: u64,
    /// How long a candidate outside the order waits for objections ([`Policy::Available`]).
    pub wait_ms: u64,
    /// How long the newest beat that a majority acknowledged lets its sender act, from when it decided to write
    /// it ([`Policy::Majority`]): at the longest. A leader that is answered soon asks for less in its beats.
    pub lease_ms: u64,
    /// How long a voter supports nobody else after it acknowledged a beat ([`Policy::Majority`]), where that beat asks
    /// for the longest lease; as much shorter as the lease is.
    pub promise_ms: u64,
    /// No update is handed out with less of the lease left.
    pub act_margin_ms: u64,
    /// How many millionths a monotonic clock may run fast or slow.
    pub drift_ppm_max: u32,
    /// What the monotonic clock does while the machine sleeps.
    pub asleep: Asleep,
    /// The first set of voters, by device id ([`Policy::Majority`]). A device id that two replicas have counts for
    /// neither of them.
    pub voters: Vec<String>,
    /// What it does while the shared folder cannot be reached.
    pub fallback: Fallback,
    /// How often `state.json` is written for other programs; nothing here reads it.
    pub state_every_ms: u64,
    /// The shortest time between two writes of its own file.
    pub write_gap_ms: u64,
    /// In how many files by turns it writes what decides something: 1 for its device file alone, at most 9. With
    /// more, a client that holds one file up holds up no more than one beat in so many.
    pub places: u8,
    /// How long a version that decides something is left alone: a client that waits for a file to come to rest would
    /// not send it before the next one, and the bound on propagation would not hold for it.
    pub rest_ms: u64,
}

/// The settings that all replicas of one folder have to share, as each says them in its file: what two of them conclude
/// from the same silence rests on these.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// What is given up when delays have no bound.
    pub policy: Policy,
    /// The bound on propagation, in ms.
    pub propagation_ms: u64,
    /// A digest of the other constants that must agree.
    pub digest: u32,
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = match self.policy {
            Policy::Available => "available",
            Policy::Majority => "majority",
        };
        write!(
            f,
            "policy {policy}, made for delays of up to {} ms, other constants {:08x}",
            self.propagation_ms, self.digest
        )
    }
}

/// What is given up when delays have no bound.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// A lone survivor may act. At most one is active while every version arrives within the bound; beyond it two
    /// may be, until a file arrives.
    Available,
    /// Never two active, whatever the folder does. Nobody acts without a majority of the voters.
    Majority,
}

/// What the monotonic clock does while the machine sleeps.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Asleep {
    /// It goes on (Linux `CLOCK_BOOTTIME`, macOS continuous time): the wall clock is not looked at.
    Counted,
    /// It stands still (`std::time::Instant` on Linux and macOS). What the wall clock gains on it counts as sleep
    /// and takes from the lease; one that is set forward costs a lease, one that is set back during a sleep hides it.
    Missed,
}

/// What a replica does while the shared folder cannot be reached.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fallback {
    /// It acts alone, beside any other that does. For those who know that nobody does.
    Act,
    /// It waits for the folder.
    StandBy,
}

/// A provider whose delays are known, or judged.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Dropbox: median 3 s, 99 % within 20 s (a judgement).
    Dropbox,
    /// Google Drive: 4 s until it looks, median 15 s, 99 % within 120 s (a judgement).
    GDrive,
    /// git, rclone or Unison, started every minute on both sides, which both may have to be waited for (a judgement).
    Git,
    /// iCloud Drive: 1 to 3 s until it looks, median 6 s, 99 % within 60 s (a judgement).
    ICloud,
    /// OneDrive: 10 s until it looks, median 6 s, 99 % within 180 s (a judgement).
    OneDrive,
    /// A folder that is one and the same for all.
    Perfect,
    /// Syncthing: 5 to 15 s until its watcher reports, and nothing to speak of after that (measured with 1.19.2).
    Syncthing,
}

impl Provider {
    /// The provider of that name, as profiles are called.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "dropbox" => Self::Dropbox,
            "gdrive" => Self::GDrive,
            // Timers, too, that people set to a minute.
            "git" | "rclone" | "unison" => Self::Git,
            "icloud" => Self::ICloud,
            "onedrive" => Self::OneDrive,
            "perfect" => Self::Perfect,
            "syncthing" => Self::Syncthing,
            _ => return None,
        })
    }

    /// How long its client may wait for a file to come to rest, in ms.
    const fn rest_ms(self) -> u64 {
        match self {
            Self::Dropbox | Self::Git | Self::Perfect => 1_000,
            Self::GDrive => 4_200,
            Self::ICloud => 3_000,
            Self::OneDrive => 10_500,
            Self::Syncthing => 15_000,
        }
    }

    /// The bound on propagation that its set of constants is made for, in ms. For Syncthing it is the measured worst,
    /// for git a push and a pull that were both just missed. For the others it is a quantile: a single version may take
    /// longer, but the leader is suspected only if the next ones do as well. For Dropbox and iCloud Drive it is the
    /// smallest, in steps of 2 s, with which leaders were suspected in error no more often than with the published
    /// design in simulated weeks of three replicas; for Google Drive and OneDrive a judgement between that and the time
    /// that a failover takes.
    const fn propagation_ms(self) -> u64 {
        match self {
            Self::Dropbox => 28_000,
            Self::GDrive => 60_000,
            Self::Git => 126_000,
            Self::ICloud => 26_000,
            Self::OneDrive => 75_000,
            Self::Perfect => 4_000,
            Self::Syncthing => 15_200,
        }
    }

    /// In how many files by turns what decides is written: several where one file can be held up by itself.
    const fn places(self) -> u8 {
        match self {
            Self::Git | Self::Perfect => 1,
            Self::Dropbox | Self::Syncthing => 2,
            Self::GDrive | Self::ICloud | Self::OneDrive => 3,
        }
    }
}

impl Hardened {
    /// A set of constants for a provider.
    #[must_use]
    pub fn at(provider: Provider, policy: Policy) -> Self {
        Self::bounded(provider, provider.propagation_ms(), policy)
    }

    /// The same for another bound on propagation, in ms.
    #[must_use]
    pub fn bounded(provider: Provider, propagation_ms: u64, policy: Policy) -> Self {
        Self { places: provider.places(), ..Self::resting(propagation_ms, provider.rest_ms(), policy) }
    }

    /// A set of constants for a bound on propagation, in ms, and clients that send a file at once.
    #[must_use]
    pub fn over(propagation_ms: u64, policy: Policy) -> Self {
        Self::resting(propagation_ms, 1_000, policy)
    }

    fn resting(propagation_ms: u64, rest_ms: u64, policy: Policy) -> Self {
        // With two standbys that is as much written as in the published design, whose active replica writes two files
        // every 30 to 40 s, and each of the others one. Under a majority each voter answers each beat.
        let beat = match policy {
            Policy::Available => Every::new(10_800, 1_000),
            Policy::Majority => Every::new(27_500, 2_000),
        };
        let look_ms = 1_000;
        // A beat may be late by its own jitter, by the way, by the reader's next look and by a slow disk.
        let suspect_ms_min = beat.max_ms() + propagation_ms + look_ms + SLOW_DISK_MS;
        // There and back, a beat that was just missed, and a moment at both ends.
        let lease_ms = 2 * propagation_ms + beat.max_ms() + 2 * look_ms + 2 * SLOW_DISK_MS;
        Self {
            policy,
            beat,
            standby_beat: Every::new(120_000, 10_000),
            propagation_ms,
            suspect_ms_min,
            suspect_ms_max: 4 * suspect_ms_min,
            look_ms,
            slot_ms: 2 * propagation_ms + 4 * look_ms,
            wait_ms: 2 * propagation_ms + 4 * look_ms,
            lease_ms,
            promise_ms: lease_ms + 1_000,
            act_margin_ms: 1_500,
            drift_ppm_max: 500,
            asleep: Asleep::Counted,
            voters: Vec::new(),
            fallback: Fallback::StandBy,
            state_every_ms: 300_000,
            write_gap_ms: 1_000,
            places: 1,
            rest_ms,
        }
    }

    /// How long a leader may act after it decided to write a beat that tells the others to suspect it after
    /// `suspect_ms`: shorter, so that on no two clocks within the drift the lease outlives the patience.
    #[must_use]
    pub(super) fn lease_under(&self, suspect_ms: u64) -> u64 {
        suspect_ms.saturating_sub(self.drift_ms(suspect_ms)).saturating_sub(GUARD_MS)
    }

    /// How far two clocks can come apart while `ms` pass, in ms, rounded up.
    pub(super) fn drift_ms(&self, ms: u64) -> u64 {
        ms.saturating_mul(2 * u64::from(self.drift_ppm_max)).div_ceil(1_000_000)
    }

    /// How long after the decision to write it a version is with everybody, in ms.
    pub(super) fn arrival_ms(&self) -> u64 {
        self.propagation_ms.saturating_add(SLOW_DISK_MS)
    }

    /// How long after a beat the next one may be decided at the latest for it to be with everybody before anybody loses
    /// patience with the first ([`Policy::Available`]), in ms.
    pub(super) fn room_ms(&self) -> u64 {
        let lease_ms = self.lease_under(self.suspect_ms_min);
        lease_ms.saturating_sub(self.propagation_ms).saturating_sub(2 * self.look_ms)
    }

    /// How long a candidate's silence leaves its candidacy standing, in ms.
    pub(super) fn candidacy_ms(&self) -> u64 {
        let objections_ms = self.wait_ms + self.propagation_ms + 3 * self.look_ms;
        match self.policy {
            Policy::Available => objections_ms,
            Policy::Majority => objections_ms.max(self.suspect_ms_min),
        }
    }

    /// The shortest lease that a leader asks for under votes, in ms, however soon its beats are acknowledged: it covers a
    /// beat that was just missed, the bound on propagation for the way there and back, and a moment at both ends.
    #[must_use]
    pub(super) fn lease_ms_min(&self) -> u64 {
        let round_trip_ms =
            self.propagation_ms.saturating_add(2 * self.look_ms).saturating_add(2 * SLOW_DISK_MS);
        let least_ms = round_trip_ms.max(2 * self.look_ms + self.act_margin_ms);
        self.beat.max_ms().saturating_add(least_ms).min(self.lease_ms)
    }

    /// How long a voter supports nobody else after it acknowledged a beat that lends this lease, in ms; the longest
    /// where the beat says nothing of it.
    pub(super) fn promise_for(&self, lease_ms: Option<u64>) -> u64 {
        let lease_ms = lease_ms.unwrap_or(self.lease_ms).min(self.lease_ms);
        self.promise_ms - (self.lease_ms - lease_ms)
    }

    /// How long a vote for one that had not said yet that it wants to lead lets it act, from when it decided to write
    /// the beat that the vote names, in ms: until the votes for the claim that it makes then can be back.
    #[must_use]
    pub fn early_lease_ms(&self) -> u64 {
        self.lease_ms.saturating_add(self.propagation_ms)
    }

    /// How long such a vote binds the voter, in ms: longer by what two clocks can come apart meanwhile.
    #[must_use]
    pub fn early_promise_ms(&self) -> u64 {
        let lease_ms = self.early_lease_ms();
        let beyond_ms = self.promise_ms.saturating_sub(self.lease_ms);
        let apart_ms = self.drift_ms(lease_ms.saturating_add(beyond_ms).saturating_mul(2));
        lease_ms.saturating_add(beyond_ms.max(apart_ms))
    }

    /// How long after the end of its lease a leader may still get it back, in ms: votes may come late, while others
    /// that lost patience have not.
    pub(super) fn votes_return_ms(&self) -> u64 {
        match self.policy {
            Policy::Available => 0,
            Policy::Majority => self.promise_ms,
        }
    }

    /// How old the last sign of a standby may be for it to be counted on, in ms.
    pub fn live_ms(&self) -> u64 {
        self.standby_beat.max_ms() + self.propagation_ms + 3 * self.look_ms
    }

    /// What of it all replicas of a folder have to share. How a replica writes, waits for its disk, sleeps and falls
    /// back is its own affair.
    #[must_use]
    pub fn rules(&self) -> Rules {
        let shared = [
            self.beat.base_ms,
            self.beat.jitter_ms,
            self.standby_beat.base_ms,
            self.standby_beat.jitter_ms,
            self.suspect_ms_min,
            self.suspect_ms_max,
            self.look_ms,
            self.slot_ms,
            self.wait_ms,
            self.lease_ms,
            self.promise_ms,
            u64::from(self.drift_ppm_max),
        ];
        let bytes: Vec<u8> = shared.iter().flat_map(|value| value.to_le_bytes()).collect();
        let digest = u32::try_from(xxh3_64(&bytes) >> 32).expect("32 bits are left");
        Rules { policy: self.policy, propagation_ms: self.propagation_ms, digest }
    }

    /// Checks the relations between the values.
    ///
    /// # Errors
    /// The first relation that does not hold, with the values and the way out.
    pub(in crate::failover) fn check(&self) -> Result<(), ConfigError> {
        let never_zero = [
            ("beat", self.beat.base_ms),
            ("standby_beat", self.standby_beat.base_ms),
            ("look_ms", self.look_ms),
            ("state_every_ms", self.state_every_ms),
            ("write_gap_ms", self.write_gap_ms),
            ("rest_ms", self.rest_ms),
            ("places", u64::from(self.places)),
        ];
        if let Some((what, _)) = never_zero.into_iter().find(|(_, ms)| *ms == 0) {
            return Err(ConfigError::Zero { what });
        }
        let over = |what, value, than, least| {
            if value < least { Err(ConfigError::Short { what, value, than, least }) } else { Ok(()) }
        };
        over("propagation_ms", self.propagation_ms, "any propagation at all", 1)?;
        let (look, propagation, beat) = (self.look_ms, self.propagation_ms, self.beat.max_ms());
        over(
            "suspect_ms_min",
            self.suspect_ms_min,
            "the longest beat, propagation_ms and look_ms",
            beat + propagation + look,
        )?;
        over("suspect_ms_max", self.suspect_ms_max, "suspect_ms_min", self.suspect_ms_min)?;
        over(
            "slot_ms",
            self.slot_ms,
            "twice propagation_ms and three times look_ms",
            2 * propagation + 3 * look,
        )?;
        over(
            "wait_ms",
            self.wait_ms,
            "twice propagation_ms and three times look_ms",
            2 * propagation + 3 * look,
        )?;
        over("standby_beat", self.standby_beat.base_ms, "write_gap_ms", self.write_gap_ms)?;
        let round_ms = self.beat.base_ms.saturating_mul(u64::from(self.places));
        over("beat", round_ms, "rest_ms in each of its places", self.rest_ms)?;
        if self.drift_ppm_max > DRIFT_PPM_MAX {
            return Err(ConfigError::Drift { drift_ppm_max: self.drift_ppm_max, most: DRIFT_PPM_MAX });
        }
        let lease_ms = match self.policy {
            Policy::Available => self.lease_under(self.suspect_ms_min),
            Policy::Majority => self.lease_ms,
        };
        over(
            "the lease",
            lease_ms,
            "the longest beat, twice look_ms and act_margin_ms",
            beat + 2 * look + self.act_margin_ms,
        )?;
        if self.policy == Policy::Available {
            // Else no release could ever be with everybody before somebody loses patience.
            let others_ms = self.beat.base_ms.saturating_mul(u64::from(self.places) - 1);
            let least = self.rest_ms.saturating_sub(others_ms) + self.arrival_ms();
            over(
                "the lease",
                lease_ms,
                "rest_ms in its place, propagation_ms and half a second for the disk",
                least,
            )?;
        }
        if self.policy == Policy::Majority {
            let least = self.lease_ms.saturating_add(self.drift_ms(self.lease_ms + self.promise_ms));
            over(
                "promise_ms",
                self.promise_ms,
                "lease_ms and what two clocks can come apart meanwhile",
                least,
            )?;
            self.check_voters()?;
        }
        Ok(())
    }

    fn check_voters(&self) -> Result<(), ConfigError> {
        let count = self.voters.len();
        if count < 2 {
            return Err(ConfigError::Voters { count });
        }
        let twice = self.voters.iter().enumerate().find(|(at, voter)| self.voters[..*at].contains(voter));
        match twice {
            Some((_, voter)) => Err(ConfigError::VoterTwice { voter: voter.clone() }),
            None => Ok(()),
        }
    }
}

/// What a slow disk may take for a small file; an allowance, not a promise.
const SLOW_DISK_MS: u64 = 500;

/// How much sooner than it can be suspected a leader stops, beside what its clock may be off.
const GUARD_MS: u64 = 500;

/// Quartz clocks are off by 20 to 100 millionths; twice the tenfold of it is no clock any more.
const DRIFT_PPM_MAX: u32 = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn majority() -> Hardened {
        let voters = ["h:/a", "h:/b", "h:/c"].map(String::from).to_vec();
        Hardened { voters, ..Hardened::at(Provider::Syncthing, Policy::Majority) }
    }

    #[test]
    fn every_set_of_constants_holds_together() {
        for name in
            ["dropbox", "gdrive", "git", "icloud", "onedrive", "perfect", "rclone", "syncthing", "unison"]
        {
            let provider = Provider::named(name).unwrap();
            assert_eq!(Hardened::at(provider, Policy::Available).check(), Ok(()), "{name}");
            let voters = majority().voters;
            let majority = Hardened { voters, ..Hardened::at(provider, Policy::Majority) };
            assert_eq!(majority.check(), Ok(()), "{name}");
        }
        assert_eq!(Provider::named("carrier-pigeon"), None);
    }

    #[test]
    fn a_broken_relation_is_named_with_its_values() {
        let broken = |change: fn(&mut Hardened)| {
            let mut hardened = majority();
            change(&mut hardened);
            hardened.check().unwrap_err().to_string()
        };
        insta::assert_snapshot!(broken(|h| h.beat = Every::new(40_000, 0)), @"suspect_ms_min is 46200 ms and has to cover the longest beat, propagation_ms and look_ms, which is 56200 ms; raise it, or shorten the others");
        insta::assert_snapshot!(broken(|h| h.propagation_ms = 0), @"propagation_ms is 0 ms and has to cover any propagation at all, which is 1 ms; raise it, or shorten the others");
        insta::assert_snapshot!(broken(|h| h.wait_ms = 0), @"wait_ms is 0 ms and has to cover twice propagation_ms and three times look_ms, which is 33400 ms; raise it, or shorten the others");
        insta::assert_snapshot!(broken(|h| h.slot_ms = 30_000), @"slot_ms is 30000 ms and has to cover twice propagation_ms and three times look_ms, which is 33400 ms; raise it, or shorten the others");
        insta::assert_snapshot!(broken(|h| h.drift_ppm_max = 20_000), @"drift_ppm_max is 20000, and leases are not made for more than 2000 millionths; mend the clock");
        insta::assert_snapshot!(broken(|h| h.promise_ms = h.lease_ms), @"promise_ms is 62900 ms and has to cover lease_ms and what two clocks can come apart meanwhile, which is 63026 ms; raise it, or shorten the others");
        insta::assert_snapshot!(broken(|h| h.lease_ms = 15_000), @"the lease is 15000 ms and has to cover the longest beat, twice look_ms and act_margin_ms, which is 33000 ms; raise it, or shorten the others");
        insta::assert_snapshot!(broken(|h| h.voters.truncate(1)), @"the policy majority has 1 voters and needs two at least, three to survive the loss of one; list them in voters, or take the policy available");
        insta::assert_snapshot!(broken(|h| h.voters.clear()), @"the policy majority has 0 voters and needs two at least, three to survive the loss of one; list them in voters, or take the policy available");
        insta::assert_snapshot!(broken(|h| h.voters[1] = h.voters[0].clone()), @"the voter h:/a is listed twice; every voter needs a device id of its own");
    }

    #[test]
    fn rules_are_what_two_replicas_have_to_share() {
        let one = Hardened::at(Provider::ICloud, Policy::Available);
        let own_affairs = Hardened {
            asleep: Asleep::Missed,
            fallback: Fallback::Act,
            places: 1,
            rest_ms: 1,
            write_gap_ms: 2,
            ..one.clone()
        };
        assert_eq!(own_affairs.rules(), one.rules());
        for provider in [Provider::Dropbox, Provider::GDrive, Provider::OneDrive, Provider::Syncthing] {
            assert_ne!(Hardened::at(provider, Policy::Available).rules(), one.rules(), "{provider:?}");
        }
        assert_ne!(Hardened::at(Provider::ICloud, Policy::Majority).rules(), one.rules());
        assert_ne!(Hardened { look_ms: 900, ..one.clone() }.rules(), one.rules());
    }

    #[test]
    fn a_lease_ends_before_anybodys_patience_on_the_worst_clocks() {
        let hardened = Hardened::at(Provider::ICloud, Policy::Available);
        for suspect_ms in [hardened.suspect_ms_min, hardened.suspect_ms_max] {
            let slow_holder = hardened.lease_under(suspect_ms) * 1_000_000 / (1_000_000 - 500);
            let fast_observer = suspect_ms * 1_000_000 / (1_000_000 + 500);
            assert!(slow_holder < fast_observer);
        }
    }
}
