//! The times of records: the hybrid clock of new ones ([`Hybrid`]), and what the times of old ones mean.
//!
//! A record carries its stamp as `"hlc":[ms,count]`.

use crate::WallMs;
pub use crate::kit::hlc::{AHEAD_MS_MAX, Hybrid};

/// The latest stamp that a machine's clock follows at this wall time, in ms since 1970. `since` is when the machine was
/// made, in seconds since 1970: a wall clock that is before that is wrong itself, and takes nobody for odd.
#[must_use]
pub fn followed_ms(wall: WallMs, since: i64) -> i64 {
    if wall.0 < since.saturating_mul(1_000) { i64::MAX } else { wall.0.saturating_add(AHEAD_MS_MAX) }
}

/// The largest of the stamps up to `followed_ms`; the least one if there is none.
#[must_use]
pub fn latest(stamps: impl Iterator<Item = Hybrid>, followed_ms: i64) -> Hybrid {
    stamps.filter(|stamp| stamp.ms <= followed_ms).max().unwrap_or_default()
}

/// As late as a record without a clock may be. So far below [`LATEST_MS`](crate::kit::hlc::LATEST_MS) that nobody
/// counts from here to there.
const OLD_LATEST_MS: i64 = i64::MAX / 4;

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
    fn seconds_and_milliseconds_meet() {
        assert_eq!(normal_ms(1_767_137_342), 1_767_137_342_000);
        assert_eq!(normal_ms(1_767_137_342_123), 1_767_137_342_123);
        assert_eq!(normal_ms(0), 0);
    }

    #[test]
    fn no_old_record_stops_the_clock() {
        let latest = Hybrid { ms: normal_ms(i64::MAX), count: u32::MAX };
        let next = latest.next(WallMs(1));
        assert!(next > latest);
        assert_eq!(Hybrid::parse(&next.to_string()), Some(next));
    }
}
