//! When a folder lacks so much of what it held that nothing is written into it, until it is back or a person says that it
//! is as it should be.
//!
//! A mount that is away, a client that has not fetched everything, and a folder that was emptied or set back look alike
//! from inside. Whoever goes on writing there makes what is left look like a folder, which its client then sends to
//! everybody. So whoever remembers what a folder held counts what is not there as it was, and asks here whether to go on.
//!
//! # Guarantees
//! - Nothing of what was known is there: nothing is written, however little that was ([`Lack::Everything`]).
//! - More than a share of it is gone or older at once ([`Limit`]): nothing is written either. Less than the least number
//!   is not: single files come and go, and their owners write them again.
//! - Nothing is decided for good. What is back counts again at the next look, and what a person accepted does not count
//!   until more is lacking.
//!
//! Failover knows its folder by its own files alone, and takes one without them for away: peers that are gone are no loss
//! there, but somebody who is silent.
//!
//! # Crash
//! A person's word that is not kept has to be given again.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many of the things that were known a folder does not have as they were. What is counted is up to who counts.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Tally {
    /// All that were known.
    pub known: u64,
    /// Those that are not there.
    pub gone: u64,
    /// Those that are there as they were before.
    pub older: u64,
}

impl Tally {
    /// How many are not as they were.
    #[must_use]
    pub const fn lacking(&self) -> u64 {
        self.gone.saturating_add(self.older)
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            known: self.known.saturating_add(other.known),
            gone: self.gone.saturating_add(other.gone),
            older: self.older.saturating_add(other.older),
        }
    }

    /// Without so many that lack and that a person has accepted.
    #[must_use]
    pub const fn without(self, accepted: u64) -> Self {
        let gone = self.gone.saturating_sub(accepted);
        let older = self.older.saturating_sub(accepted.saturating_sub(self.gone));
        Self { known: self.known.saturating_sub(self.lacking() - gone - older), gone, older }
    }
}

/// How much may lack before nothing is written any more.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The share of what was known, in percent: more than that is too much.
    pub percent: u8,
    /// The least number of things that is too much.
    pub least: u64,
}

impl Limit {
    /// Half of what was known, and ten things at least.
    pub const USUAL: Self = Self { percent: 50, least: 10 };

    /// Whatever lacks, but for everything.
    pub const NONE: Self = Self { percent: 100, least: u64::MAX };

    /// What a folder lacks, if it is too much.
    #[must_use]
    pub fn lack(&self, tally: Tally) -> Option<Lack> {
        let (lacking, known) = (u128::from(tally.lacking()), u128::from(tally.known));
        let is_much = lacking >= u128::from(self.least) && lacking * 100 > known * u128::from(self.percent);
        is_much.then_some(Lack::Much(tally))
    }
}

/// What a folder lacks that is too much to go on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Lack {
    /// There is nothing by which it could be known.
    Everything,
    /// Much of what it held.
    Much(Tally),
}

impl fmt::Display for Lack {
    /// Such as `of 120 files that were known here 80 are gone and 3 are older than they were`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Much(Tally { known, gone, older }) = self else {
            return f.write_str("nothing of what it held is there");
        };
        write!(f, "of {known} files that were known here ")?;
        match (gone, older) {
            (gone, 0) => write!(f, "{gone} are gone"),
            (0, older) => write!(f, "{older} are older than they were"),
            (gone, older) => write!(f, "{gone} are gone and {older} are older than they were"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(known: u64, gone: u64, older: u64) -> Tally {
        Tally { known, gone, older }
    }

    #[test]
    fn more_than_the_share_and_no_less_than_the_least_number_is_too_much() {
        let much = |known, gone, older| Limit::USUAL.lack(tally(known, gone, older)).is_some();
        assert!(much(20, 11, 0) && much(20, 5, 6) && much(10, 0, 10));
        assert!(!much(20, 10, 0) && !much(20, 5, 5), "half is not more than half");
        assert!(!much(9, 9, 0) && !much(0, 0, 0), "few are not many");
        assert!(much(u64::MAX, u64::MAX, u64::MAX) && Limit::NONE.lack(tally(99, 99, 0)).is_none());
    }

    #[test]
    fn what_was_accepted_does_not_count_until_more_is_lacking() {
        assert_eq!(tally(100, 60, 20).without(80), tally(20, 0, 0));
        assert_eq!(tally(100, 60, 20).without(70), tally(30, 0, 10));
        assert_eq!(tally(100, 60, 20).without(500), tally(20, 0, 0));
        assert_eq!(tally(5, 1, 0).and(tally(7, 2, 3)), tally(12, 3, 3));
    }

    #[test]
    fn it_is_told_in_words() {
        let told = |known, gone, older| Lack::Much(tally(known, gone, older)).to_string();
        assert_eq!(
            told(120, 80, 3),
            "of 120 files that were known here 80 are gone and 3 are older than they were"
        );
        assert_eq!(told(12, 11, 0), "of 12 files that were known here 11 are gone");
        assert_eq!(told(12, 0, 11), "of 12 files that were known here 11 are older than they were");
        assert_eq!(Lack::Everything.to_string(), "nothing of what it held is there");
    }
}
