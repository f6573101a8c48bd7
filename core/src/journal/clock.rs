//! The times of records: the hybrid clock of new ones ([`Hybrid`]), and what the times of old ones mean.
//!
//! A record carries its stamp as `"hlc":[ms,count]`.

pub use crate::kit::hlc::Hybrid;

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
    use crate::WallMs;

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
