//! Values that several commands read.

use std::time::Duration;

/// A time with its unit.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let units = [("s", 1), ("m", 60), ("h", 3_600)];
    let read =
        |(unit, seconds): &(&str, u64)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*seconds);
    match units.iter().find_map(read) {
        Some(seconds @ 1..=2_592_000) => Ok(Duration::from_secs(seconds)),
        _ => Err("write a number and a unit, from 1s to 30 days, such as 90s, 10m or 2h".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(time("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(time("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(time("2h"), Ok(Duration::from_secs(7_200)));
        for bad in ["", "10", "m", "0s", "-1s", "1.5h", "18446744073709551615h", "721h"] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
