//! The hybrid logical clock: one order of events for machines whose wall clocks disagree.
//!
//! # Guarantees
//! - A stamp made after another was seen is the larger one, whatever the wall clocks say ([`Clock::tick`]).
//! - Stamps order records for every replica alike: the order is a function of the stamps and asks no clock.
//! - A machine whose clock is years ahead does not drag the others along. A stamp further ahead of the reader's
//!   clock than its bound is not followed: [`Clock::see`] answers [`Ahead`], which is told, and the stamps that this
//!   machine makes stay near its own time. The record with the odd stamp keeps its place in the order, so merging
//!   is the same on every replica, and for records that come after it the first guarantee does not hold: whether
//!   one record had seen another has to be told by other means there, such as version vectors.
//!
//! # Crash
//! [`Clock::last`] has to be kept with what it stamped, or be found again from it. The clock goes on from what is
//! handed to [`Clock::after`] without a bound: own stamps have to grow, whatever the clock said when they were made.
//!
//! # Elsewhere
//! Two machines may make one stamp. Ties need a second key, such as the machine's id.

use std::fmt;

use crate::WallMs;

/// How far ahead of a machine's own wall clock a stamp may be that its clock follows, in ms: a day. Clocks are wrong by
/// whole hours often, and by months and years where somebody set them so; by a day and more hardly ever by accident.
pub const AHEAD_MS_MAX: i64 = 86_400_000;

/// A point in causal time: wall milliseconds as far as they go, and a count where they do not
/// (Kulkarni, Demirbas et al., "Logical Physical Clocks", OPODIS 2014).
///
/// Written `[ms,count]`, as in JSON.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hybrid {
    /// Milliseconds since 1970-01-01 UTC, of the fastest clock among the records seen.
    pub ms: i64,
    /// How many records share the millisecond and came before.
    pub count: u32,
}

impl Hybrid {
    /// The stamp of one more record, written at `wall` by somebody who had seen `self`.
    #[must_use]
    pub fn next(self, wall: WallMs) -> Self {
        if wall.0 > self.ms {
            return Self { ms: wall.0, count: 0 };
        }
        match self.count.checked_add(1) {
            Some(count) => Self { ms: self.ms, count },
            None => Self { ms: self.ms.saturating_add(1), count: 0 },
        }
    }

    /// Reads `[ms,count]`; `None` if it is so late that nothing could come after it ([`LATEST_MS`]).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (ms, count) = text.trim().strip_prefix('[')?.strip_suffix(']')?.split_once(',')?;
        let ms = ms.trim().parse().ok().filter(|&ms| ms < LATEST_MS)?;
        Some(Self { ms, count: count.trim().parse().ok()? })
    }
}

/// A stamp from here on is none, in ms: a machine that saw it could write nothing that comes after it.
pub const LATEST_MS: i64 = i64::MAX / 2;

impl fmt::Display for Hybrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{},{}]", self.ms, self.count)
    }
}

/// The clock of one machine: the largest stamp it made or follows, and how far ahead of its own time it follows.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Clock {
    last: Hybrid,
    ahead_ms_max: u64,
}

/// A stamp that a clock does not follow.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[error(
    "its time {stamp} is {ahead_ms} ms ahead of this machine's, and more than {ahead_ms_max} ms are not followed: set \
     the clock of the machine that wrote it, or this one's"
)]
pub struct Ahead {
    /// The stamp.
    pub stamp: Hybrid,
    /// How far ahead it is, in ms.
    pub ahead_ms: u64,
    /// How far ahead it may be, in ms.
    pub ahead_ms_max: u64,
}

impl Clock {
    /// Follows every stamp, however far ahead it is.
    pub const UNBOUNDED_MS: u64 = u64::MAX;

    /// A clock that goes on after `last`, which this machine made or followed before, and follows stamps up to
    /// `ahead_ms_max` ms ahead of its own time.
    #[must_use]
    pub const fn after(last: Hybrid, ahead_ms_max: u64) -> Self {
        Self { last, ahead_ms_max }
    }

    /// The largest stamp that it made or follows.
    #[must_use]
    pub const fn last(&self) -> Hybrid {
        self.last
    }

    /// Takes note of a stamp that was seen when this machine's wall clock said `wall`.
    ///
    /// The own time is the later one of `wall` and what the clock has reached: a machine that starts with its wall
    /// clock at 1970 and its stamps of yesterday does not take everybody for odd.
    ///
    /// # Errors
    /// [`Ahead`] if it is further ahead than the bound; the clock is as before.
    pub fn see(&mut self, stamp: Hybrid, wall: WallMs) -> Result<(), Ahead> {
        let own_ms = wall.0.max(self.last.ms);
        let ahead_ms = u64::try_from(stamp.ms.saturating_sub(own_ms)).unwrap_or(0);
        if ahead_ms > self.ahead_ms_max {
            return Err(Ahead { stamp, ahead_ms, ahead_ms_max: self.ahead_ms_max });
        }
        self.last = self.last.max(stamp);
        Ok(())
    }

    /// Makes the stamp of one more record.
    pub fn tick(&mut self, wall: WallMs) -> Hybrid {
        self.last = self.last.next(wall);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_grows_whatever_the_wall_clock_does() {
        let mut clock = Hybrid::default();
        for wall in [5, 5, 3, i64::MIN, 6, 6] {
            let next = clock.next(WallMs(wall));
            assert!(next > clock);
            clock = next;
        }
        assert_eq!(clock, Hybrid { ms: 6, count: 1 });
        assert!(Hybrid { ms: 9, count: u32::MAX }.next(WallMs(0)) > Hybrid { ms: 9, count: u32::MAX });
    }

    #[test]
    fn it_survives_its_text() {
        let clock = Hybrid { ms: 1_767_137_342_123, count: 4 };
        assert_eq!(Hybrid::parse(&clock.to_string()), Some(clock));
        for text in ["", "[]", "[1]", "[1,-1]", "1,2", "[1,2,3]", "[a,b]"] {
            assert_eq!(Hybrid::parse(text), None, "{text}");
        }
        for text in ["[9223372036854775807,4294967295]", "[4611686018427387903,0]"] {
            assert_eq!(Hybrid::parse(text), None, "{text}");
        }
    }

    const DAY_MS: i64 = 86_400_000;

    #[test]
    fn a_clock_that_is_years_ahead_drags_nobody_along() {
        let now = WallMs(20_000 * DAY_MS);
        let mut clock = Clock::after(Hybrid::default(), 2 * DAY_MS as u64);
        let odd = Hybrid { ms: now.0 + 26_000 * DAY_MS, count: 3 };
        let refused = clock.see(odd, now).unwrap_err();
        assert_eq!((refused.stamp, refused.ahead_ms), (odd, 26_000 * DAY_MS as u64));
        insta::assert_snapshot!(refused, @"its time [3974400000000,3] is 2246400000000 ms ahead of this machine's, and more than 172800000 ms are not followed: set the clock of the machine that wrote it, or this one's");
        assert_eq!(clock.tick(now), Hybrid { ms: now.0, count: 0 });
        // A day ahead is followed, and without a bound every stamp is.
        let near = Hybrid { ms: now.0 + DAY_MS, count: 0 };
        assert_eq!(clock.see(near, now), Ok(()));
        assert!(clock.tick(now) > near);
        let mut all = Clock::after(Hybrid::default(), Clock::UNBOUNDED_MS);
        assert_eq!(all.see(odd, now), Ok(()));
        assert!(all.tick(now) > odd);
    }

    #[test]
    fn a_wall_clock_at_1970_makes_nobody_odd() {
        let yesterday = Hybrid { ms: 20_000 * DAY_MS, count: 0 };
        let mut clock = Clock::after(yesterday, 2 * DAY_MS as u64);
        assert_eq!(clock.see(Hybrid { ms: yesterday.ms + DAY_MS, count: 0 }, WallMs(0)), Ok(()));
    }

    proptest! {
        #[test]
        fn what_is_followed_is_overtaken(
            walls in prop::collection::vec((any::<i64>(), any::<i64>(), any::<u32>()), 1..20), bound in any::<u64>(),
        ) {
            let mut clock = Clock::after(Hybrid::default(), bound);
            for (wall, ms, count) in walls {
                let (stamp, wall) = (Hybrid { ms: ms.min(LATEST_MS), count }, WallMs(wall.min(LATEST_MS)));
                let before = clock.last();
                let followed = clock.see(stamp, wall);
                let next = clock.tick(wall);
                prop_assert!(next > before);
                match followed {
                    Ok(()) => prop_assert!(next > stamp),
                    Err(ahead) => {
                        prop_assert!(ahead.ahead_ms > bound);
                        prop_assert_eq!(next, before.next(wall));
                    }
                }
            }
        }
    }
}
