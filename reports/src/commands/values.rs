//! Values that several commands read.

use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser as _, ValueParser};
use cloudchamber_core::Design;
use cloudchamber_sim::Shape;

use crate::report::words::read_ms;

/// A time with its unit.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    match read_ms(text) {
        Some(ms @ 1_000..=2_592_000_000) => Ok(Duration::from_millis(ms)),
        _ => Err("write a number and a unit, from 1s to 30 days, such as 90s, 10m or 2h".into()),
    }
}

/// A time that may be short, with its unit, in ms.
pub(super) fn short_time_ms(text: &str) -> Result<u64, String> {
    let ms = read_ms(text).filter(|ms| *ms <= 3_600_000);
    ms.ok_or_else(|| "write a number and a unit, up to 1h, such as 50ms, 2s or 1m".into())
}

/// How many replicas, such as 3 or 2-5.
pub(super) fn replicas(text: &str) -> Result<[u64; 2], String> {
    range(text, &|number| number.parse().ok())
        .and_then(|replicas| {
            Shape { replicas: Some(replicas), run_ms: None }.validate().ok().map(|()| replicas)
        })
        .ok_or_else(|| {
            format!("write how many, or from and to, between 1 and {}, such as 3 or 2-5", Shape::REPLICAS_MAX)
        })
}

/// How long a run lasts, ms, such as 20m or 10m-2h.
pub(super) fn run_ms(text: &str) -> Result<[u64; 2], String> {
    range(text, &read_ms)
        .and_then(|run_ms| Shape { replicas: None, run_ms: Some(run_ms) }.validate().ok().map(|()| run_ms))
        .ok_or_else(|| "write a time, or from and to, between 2m and 2160h, such as 20m or 10m-2h".into())
}

fn range(text: &str, read: &dyn Fn(&str) -> Option<u64>) -> Option<[u64; 2]> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some([read(from)?, read(to)?])
}

/// How many runs go on side by side.
pub(super) fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs @ 1..=1_024) => Ok(jobs),
        _ => Err("write a number of jobs from 1 to 1024".into()),
    }
}

/// Designs, by name.
pub(super) fn designs() -> ValueParser {
    let about = |design: Design| match design {
        Design::Hardened => "With the faults repaired",
        Design::Published => "As the documents state it, faults included",
    };
    let values = Design::ALL.map(|design| PossibleValue::new(design.text()).help(about(design)));
    PossibleValuesParser::new(values)
        .map(|name| Design::named(&name).expect("only the designs' names are let through"))
        .into()
}

/// A fault that is on or off.
pub(super) fn switch(text: &str) -> Result<(String, bool), String> {
    match text.split_once('=') {
        Some((name, "on")) => Ok((name.into(), true)),
        Some((name, "off")) => Ok((name.into(), false)),
        _ => Err("write a fault's name and on or off, such as sleep=off".into()),
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

    #[test]
    fn a_shape_is_a_number_or_a_range() {
        assert_eq!((replicas("3"), replicas("2-5")), (Ok([3, 3]), Ok([2, 5])));
        assert_eq!((run_ms("20m"), run_ms("10m-2h")), (Ok([1_200_000; 2]), Ok([600_000, 7_200_000])));
        for bad in ["", "0", "17", "5-2", "2-", "-2", "a"] {
            assert!(replicas(bad).is_err(), "{bad}");
        }
        for bad in ["", "20", "1s", "2h-10m", "9999h"] {
            assert!(run_ms(bad).is_err(), "{bad}");
        }
    }
}
