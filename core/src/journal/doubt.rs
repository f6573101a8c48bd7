//! What wall clocks prove about which of two old records is the later one.

use std::collections::BTreeMap;

/// Within this span wall clocks of two machines prove nothing, unless what the machines said about each other's things
/// does: clocks are wrong by whole hours more often than by any other amount (measured HTTP dates, engineered.at).
pub const CLOCK_DOUBT_MS: i64 = 3_600_000;

/// For a machine and another one, how much the clock of the first can be ahead of the second's at most, in ms: who says
/// something about what another made does so later, so its clock is ahead by no more than the time in between shows.
///
/// Only what is below [`CLOCK_DOUBT_MS`] is kept.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Doubts(BTreeMap<(String, String), i64>);

impl Doubts {
    /// A machine said something about what another made, so much later by both clocks.
    pub fn note(&mut self, machine: &str, maker: &str, later_ms: i64) {
        if machine == maker || later_ms >= CLOCK_DOUBT_MS {
            return;
        }
        let known = self.0.entry((machine.to_owned(), maker.to_owned())).or_insert(CLOCK_DOUBT_MS);
        *known = later_ms.min(*known);
    }

    /// Notes all that others prove.
    pub fn extend(&mut self, others: &Self) {
        others.iter().for_each(|(machine, maker, later_ms)| self.note(machine, maker, later_ms));
    }

    /// How much the clock of a machine may be ahead of another one's, in ms.
    #[must_use]
    pub fn ahead_ms_max(&self, machine: &str, of: &str) -> i64 {
        self.0.get(&(machine.to_owned(), of.to_owned())).copied().unwrap_or(CLOCK_DOUBT_MS)
    }

    /// All that is known: the machine, the one it spoke about, and the bound in ms.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, i64)> {
        self.0.iter().map(|((machine, maker), ms)| (machine.as_str(), maker.as_str(), *ms))
    }
}

impl<'a> FromIterator<(&'a str, &'a str, i64)> for Doubts {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str, i64)>>(all: I) -> Self {
        let mut doubts = Self::default();
        all.into_iter().for_each(|(machine, maker, later_ms)| doubts.note(machine, maker, later_ms));
        doubts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_bounds_how_far_a_clock_is_ahead() {
        let mut doubts = Doubts::default();
        assert_eq!(doubts.ahead_ms_max("b", "a"), CLOCK_DOUBT_MS);
        doubts.note("b", "a", 9_000);
        doubts.note("b", "a", 20_000);
        doubts.note("b", "b", 1);
        doubts.note("a", "b", 2 * CLOCK_DOUBT_MS);
        assert_eq!((doubts.ahead_ms_max("b", "a"), doubts.ahead_ms_max("a", "b")), (9_000, CLOCK_DOUBT_MS));
        // A clock that is behind answers before it was asked.
        doubts.extend(&[("b", "a", -5)].into_iter().collect());
        assert_eq!(doubts.iter().collect::<Vec<_>>(), [("b", "a", -5)]);
    }
}
