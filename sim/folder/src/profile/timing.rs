//! When things happen, in whole milliseconds.

use serde::{Deserialize, Serialize};

use super::Quantiles;

/// The delays of one provider.
///
/// A change takes: the debounce, the way up, the way down, and the notice to the application. The way up ends
/// when the client reads the file and the server takes the version: both are one moment here.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Timing {
    /// In which order the files of one batch are sent.
    pub batch_order: BatchOrder,
    /// How long one file keeps a client busy, each way: more files than that queue up.
    pub bulk_ms_per_file: u64,
    /// From the end of the debounce to the server's new version: the way up.
    pub commit: Delay,
    /// How long a client waits for a file to come to rest.
    pub debounce: Debounce,
    /// From the server's new version to a replica's disk: the way down.
    pub deliver: Delay,
    /// From a read that failed to the evicted file's bytes.
    pub fetch: Delay,
    /// How long the name is gone where a replace shows a gap.
    pub gap: Delay,
    /// From a broken arrival to the whole one.
    pub mend: Delay,
    /// When the removals of a batch are sent.
    pub removals: Removals,
    /// How much later than other changes a removal arrives.
    pub removal_lag_ms: u64,
    /// From a replica's return to the first thing that moves.
    pub resume: Delay,
    /// How long a stalled version is stuck, in place of its delay.
    pub stall: Delay,
    /// From a change on disk to the application's knowledge of it.
    pub watch: Delay,
    /// The same where the notice comes late.
    pub watch_late: Delay,
}

impl Timing {
    /// Every change takes exactly this long from disk to disk, ms: half of it on the way up, so that a client
    /// learns of a conflict no sooner than its own change could have been taken.
    #[must_use]
    pub fn constant(ms: u64) -> Self {
        let none = Delay::none;
        Self {
            batch_order: BatchOrder::Sorted,
            bulk_ms_per_file: 0,
            commit: Delay::uniform(ms / 2, ms / 2),
            debounce: Debounce::None,
            deliver: Delay::uniform(ms - ms / 2, ms - ms / 2),
            fetch: none(),
            gap: none(),
            mend: none(),
            removals: Removals::Among,
            removal_lag_ms: 0,
            resume: none(),
            stall: none(),
            watch: none(),
            watch_late: none(),
        }
    }

    /// The most time, in milliseconds, from the last change to a file until every reachable replica has it and
    /// its application was told, while nothing goes wrong and the courier is calm.
    ///
    /// It does not count evicted files that nobody asked for.
    #[must_use]
    pub fn calm_bound_ms(&self) -> u64 {
        let pull = if let Debounce::Timer { every_ms } = self.debounce { every_ms } else { 0 };
        let up = self.debounce.bound_ms() + self.commit.p99_ms();
        let down = pull + self.deliver.p99_ms() + self.removal_lag_ms;
        up + down + self.resume.p99_ms() + self.watch.p99_ms()
    }
}

/// How long a client waits for a file to come to rest.
///
/// Where a write restarts the wait (as the deferment of IMC 2014, Li et al., does), `longest_ms` after the
/// first write the file is sent although it still changes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Debounce {
    /// It does not wait.
    None,
    /// The same time after every last write.
    Fixed {
        /// After the last write.
        ms: u64,
        /// After the first write.
        longest_ms: u64,
    },
    /// Some time after the last write.
    Uniform {
        /// At least.
        min_ms: u64,
        /// At most.
        max_ms: u64,
        /// After the first write.
        longest_ms: u64,
    },
    /// One timer for the whole folder sends what has come to rest (Syncthing).
    Aggregator {
        /// The timer's period; a file is at rest when it did not change for half of it.
        delay_ms: u64,
        /// When a file is sent although it changes, and a removal although other files change.
        timeout_ms: u64,
    },
    /// A timer sends and gets everything (git in a script).
    Timer {
        /// The timer's period.
        every_ms: u64,
    },
}

impl Debounce {
    /// The longest a change can wait, in milliseconds.
    #[must_use]
    pub fn bound_ms(&self) -> u64 {
        match *self {
            Self::None => 0,
            Self::Fixed { ms, longest_ms } => ms.max(longest_ms),
            Self::Uniform { max_ms, longest_ms, .. } => max_ms.max(longest_ms),
            // The timer looks once a period, so a time-out is seen up to one period late.
            Self::Aggregator { delay_ms, timeout_ms } => {
                timeout_ms.saturating_add(delay_ms.saturating_mul(2))
            }
            Self::Timer { every_ms } => every_ms,
        }
    }
}

/// In which order the files of one batch are sent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BatchOrder {
    /// In any.
    Random,
    /// By name, and one never overtakes another.
    Sorted,
}

/// When the removals of a batch are sent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Removals {
    /// In the order of everything else.
    Among,
    /// Before everything else (git's checkout).
    First,
    /// After it (Syncthing, rclone, Unison).
    Last,
}

/// A distribution of delays.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Delay {
    table: Quantiles,
    median_ms: u64,
    p99_ms: u64,
}

impl Delay {
    /// No time at all.
    #[must_use]
    pub fn none() -> Self {
        Self::of(Quantiles::constant(0))
    }

    /// A lognormal with this median and 99th percentile.
    ///
    /// # Panics
    /// As [`Quantiles::lognormal`].
    #[must_use]
    pub fn lognormal(median_ms: u64, p99_ms: u64) -> Self {
        Self { table: Quantiles::lognormal(median_ms, p99_ms), median_ms, p99_ms }
    }

    /// One of two equal, independent delays whose sum has this median and 99th percentile.
    ///
    /// # Panics
    /// As [`Quantiles::lognormal`].
    #[must_use]
    pub fn half_of(median_ms: u64, p99_ms: u64) -> Self {
        Self::of(Quantiles::half_of(median_ms, p99_ms))
    }

    /// Any time from `min_ms` to `max_ms`.
    #[must_use]
    pub fn uniform(min_ms: u64, max_ms: u64) -> Self {
        Self::of(Quantiles::uniform(min_ms, max_ms))
    }

    /// A delay from `min_ms` to `max_ms`, both included, for a number drawn from all of u64.
    #[must_use]
    pub fn between(min_ms: u64, max_ms: u64, random: u64) -> u64 {
        let range = u128::from(max_ms - min_ms) + 1;
        min_ms + u64::try_from((u128::from(random) * range) >> 64).expect("at most the range")
    }

    fn of(table: Quantiles) -> Self {
        let (median_ms, p99_ms) = (table.percentile(50), table.percentile(99));
        Self { table, median_ms, p99_ms }
    }

    /// The delay, in milliseconds, for a number drawn from all of u64.
    #[must_use]
    pub fn at(&self, random: u64) -> u64 {
        self.table.at(random)
    }

    /// The median, in milliseconds.
    #[must_use]
    pub fn median_ms(&self) -> u64 {
        self.median_ms
    }

    /// The 99th percentile, in milliseconds.
    #[must_use]
    pub fn p99_ms(&self) -> u64 {
        self.p99_ms
    }
}
