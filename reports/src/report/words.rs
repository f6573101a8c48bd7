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
}
