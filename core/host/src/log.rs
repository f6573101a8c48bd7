//! Lines for people who read what a process says that runs for long: each has its time, and none is told again and again.

use std::collections::BTreeMap;

use cloudchamber_core::{Mono, Now};

use crate::clock;

/// How long what was told is not told again, ms.
pub const QUIET_MS: u64 = 600_000;

/// How many lines are remembered; the one that was told the longest ago is forgotten first.
const KNOWN_MAX: usize = 1_000;

/// What was told, and how often it would have been since.
#[derive(Clone, Copy, Debug)]
struct Told {
    at: Mono,
    times: u64,
}

/// Says when something was told last.
#[derive(Debug, Default)]
pub struct Log {
    known: BTreeMap<String, Told>,
}

impl Log {
    /// A line for something that is told whenever it happens.
    #[must_use]
    pub fn line(text: &str) -> String {
        Self::line_at(clock::now(), text)
    }

    /// A line for something that may happen all the time; `None` if it was told within the last ten minutes. Told again, it
    /// says how often it happened meanwhile.
    #[must_use]
    pub fn once(&mut self, text: &str) -> Option<String> {
        self.once_at(clock::now(), text)
    }

    /// The moment that it is, as a line has it.
    #[must_use]
    pub fn time() -> String {
        clock::utc(clock::now().wall.0)
    }

    fn line_at(now: Now, text: &str) -> String {
        format!("{} {text}", clock::utc(now.wall.0))
    }

    fn once_at(&mut self, now: Now, text: &str) -> Option<String> {
        let Some(told) = self.known.get_mut(text) else {
            if self.known.len() >= KNOWN_MAX
                && let Some(oldest) =
                    self.known.iter().min_by_key(|(_, told)| told.at).map(|(text, _)| text.clone())
            {
                self.known.remove(&oldest);
            }
            self.known.insert(text.to_owned(), Told { at: now.mono, times: 0 });
            return Some(Self::line_at(now, text));
        };
        told.times += 1;
        let passed_ms = now.mono.since(told.at);
        if passed_ms < QUIET_MS {
            return None;
        }
        let times = std::mem::take(&mut told.times);
        told.at = now.mono;
        let again = format!("{text} ({times} times in {} min)", passed_ms / 60_000);
        Some(Self::line_at(now, &again))
    }
}

#[cfg(test)]
mod tests {
    use cloudchamber_core::WallMs;

    use super::*;

    fn at(ms: u64) -> Now {
        let wall = i64::try_from(ms).unwrap();
        Now { mono: Mono(ms), wall: WallMs(1_795_932_123_456 + wall) }
    }

    #[test]
    fn what_goes_on_is_told_once_and_then_with_a_count() {
        let mut log = Log::default();
        let mut told = Vec::new();
        for second in 0..1_300 {
            told.extend(log.once_at(at(second * 1_000), "the disk is full"));
        }
        assert_eq!(
            told,
            [
                "2026-11-29T06:02:03Z the disk is full",
                "2026-11-29T06:12:03Z the disk is full (600 times in 10 min)",
                "2026-11-29T06:22:03Z the disk is full (600 times in 10 min)",
            ]
        );
        assert!(log.once_at(at(1_300_000), "something else").is_some());
    }

    #[test]
    fn lines_that_differ_without_end_take_no_memory_without_end() {
        let mut log = Log::default();
        for number in 0..2 * u64::try_from(KNOWN_MAX).unwrap() {
            assert!(log.once_at(at(number), &number.to_string()).is_some());
        }
        assert_eq!(log.known.len(), KNOWN_MAX);
        assert_eq!(log.once_at(at(9_999), "1999"), None);
    }
}
