//! Figures as people read them, on a terminal and on a page alike.

use crate::report::run::ScenarioReport;

/// Milliseconds for people.
pub(crate) fn duration(ms: u64) -> String {
    let tenths = (ms + 50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

/// How many scenarios came out as expected.
pub(crate) fn tally(scenarios: &[ScenarioReport]) -> String {
    let good = scenarios.iter().filter(|line| line.ok).count();
    format!("{good} of {} as expected", scenarios.len())
}

/// A name that a link may lead to: words of small letters and digits with dashes between them.
pub(crate) fn slug(parts: &[&str]) -> String {
    let mut name = String::new();
    for c in parts.join(" ").chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => name.push(c),
            _ if name.ends_with('-') || name.is_empty() => {}
            _ => name.push('-'),
        }
    }
    name.trim_end_matches('-').to_owned()
}

/// The units of a time, each with its length in ms. One that ends as another one does stands behind it.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("ms", 1), ("s", 1_000)];

/// A time that is written with its unit, in ms; `None` if it is not one.
pub(crate) fn read_ms(text: &str) -> Option<u64> {
    let read = |(unit, ms): &(&str, u64)| text.strip_suffix(unit)?.parse::<u64>().ok()?.checked_mul(*ms);
    UNITS.iter().find_map(read)
}

/// A time as it is written, in the longest unit that says it exactly.
pub(crate) fn written_ms(ms: u64) -> String {
    let fits = UNITS.iter().filter(|(_, unit)| ms.is_multiple_of(*unit)).max_by_key(|(_, unit)| *unit);
    let (unit, length) = fits.expect("everything is whole in ms");
    format!("{}{unit}", ms / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_rounded() {
        assert_eq!(
            (duration(0), duration(49), duration(50), duration(83_960)),
            ("0.0 s".into(), "0.0 s".into(), "0.1 s".into(), "84.0 s".into())
        );
    }

    #[test]
    fn a_time_is_written_as_it_is_read() {
        for text in ["90s", "10m", "2h", "1501ms", "2160h"] {
            assert_eq!(written_ms(read_ms(text).unwrap()), text);
        }
        assert_eq!(written_ms(120 * 60_000), "2h");
    }
}
