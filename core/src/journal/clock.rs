//! The hybrid logical clock that hardened records carry.

use std::fmt;

use crate::WallMs;

/// A point in causal time: wall milliseconds as far as they go, and a count where they do not
/// (Kulkarni, Demirbas et al., "Logical Physical Clocks", OPODIS 2014).
///
/// A record written after another was seen has the larger one, whatever the wall clocks say. In a record it is
/// `"hlc":[ms,count]`.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Hybrid {
    /// Milliseconds since 1970-01-01 UTC, of the fastest clock among the records seen.
    pub ms: i64,
    /// How many records share the millisecond and came before.
    pub count: u32,
}

impl Hybrid {
    /// The clock after one more record, written at `wall` by somebody who had seen `self`.
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

    /// Reads `[ms,count]`; nothing where it is so late that nothing could come after it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (ms, count) = text.trim().strip_prefix('[')?.strip_suffix(']')?.split_once(',')?;
        let ms = ms.trim().parse().ok().filter(|&ms| ms < LATEST_MS)?;
        Some(Self { ms, count: count.trim().parse().ok()? })
    }
}

/// A clock from here on is none: whoever saw it could write nothing that comes after it.
const LATEST_MS: i64 = i64::MAX / 2;
/// As late as a record without a clock may be. So far below [`LATEST_MS`] that nobody counts from here to there.
const OLD_LATEST_MS: i64 = i64::MAX / 4;

impl fmt::Display for Hybrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{},{}]", self.ms, self.count)
    }
}

/// What a time of an old record is in milliseconds: upstream writes some times in seconds and some in
/// milliseconds, and takes anything above 10^10 for milliseconds (`normalizeTimestamp` at 04cca61).
#[must_use]
pub fn normal_ms(time: i64) -> i64 {
    let ms = if time > 10_000_000_000 { time } else { time.saturating_mul(1_000) };
    ms.min(OLD_LATEST_MS)
}

#[cfg(test)]
mod tests {
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
    }

    #[test]
    fn seconds_and_milliseconds_meet() {
        assert_eq!(normal_ms(1_767_137_342), 1_767_137_342_000);
        assert_eq!(normal_ms(1_767_137_342_123), 1_767_137_342_123);
        assert_eq!(normal_ms(0), 0);
    }

    #[test]
    fn no_record_stops_the_clock() {
        for text in ["[9223372036854775807,4294967295]", "[4611686018427387903,0]"] {
            assert_eq!(Hybrid::parse(text), None, "{text}");
        }
        let latest = Hybrid { ms: normal_ms(i64::MAX), count: u32::MAX };
        let next = latest.next(WallMs(1));
        assert!(next > latest);
        assert_eq!(Hybrid::parse(&next.to_string()), Some(next));
    }
}
