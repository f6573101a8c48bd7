//! The two clocks, as types that cannot be mistaken for each other.

use serde::{Deserialize, Serialize};

/// A monotonic instant in milliseconds, from an origin that only this process knows.
///
/// It never goes back and survives nothing: two replicas, or two lives of one, have nothing in common. A host
/// whose platform allows it counts the time asleep (Linux `CLOCK_BOOTTIME`, macOS continuous time).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct Mono(pub u64);

impl Mono {
    /// The instant `ms` milliseconds later, at most the largest there is.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The milliseconds from `earlier` to this instant, 0 where `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// What a wall clock says: milliseconds since 1970-01-01 UTC, in the opinion of one machine.
///
/// It may be wrong by years, jump either way and differ between replicas.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct WallMs(pub i64);

impl WallMs {
    /// The reading `ms` milliseconds later (earlier where negative), at most the largest there is.
    #[must_use]
    pub const fn plus(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The signed milliseconds from `earlier` to this reading.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// One sample of both clocks, taken by the driver for one step.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Now {
    /// The monotonic clock.
    pub mono: Mono,
    /// The wall clock.
    pub wall: WallMs,
}
