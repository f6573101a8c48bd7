//! Who an installation is: a number that was drawn for it, and the place where its local directory lies.
//!
//! A name alone does not tell who somebody is: two people choose one name before either has heard of the other, and a
//! local directory is copied to a second computer or restored from a backup. A [`Nonce`] tells the first, a [`Place`]
//! the second as far as anything can.
//!
//! # Crash
//! A nonce is kept in the local directory before it is shown to anybody, so that nothing in the folder belongs to a
//! number that nobody knows to be his.
//!
//! # Elsewhere
//! A copy of a local directory has the nonce of the original. Both go on as one until either has seen that the other
//! tells another place.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Rng;

/// What tells two installations of one name apart: a number that was drawn, eight digits in hexadecimal.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Nonce(pub u32);

impl Nonce {
    /// Draws one.
    pub fn draw(rng: &mut dyn Rng) -> Self {
        Self(u32::try_from(rng.up_to(u64::from(u32::MAX))).expect("no more than was asked for"))
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl FromStr for Nonce {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let sound = text.len() == 8 && text.bytes().all(digit);
        let number = u32::from_str_radix(text, 16).ok().filter(|_| sound);
        number.map(Self).ok_or("an owner is eight digits of 0-9 and a-f")
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> Self {
        nonce.to_string()
    }
}

impl TryFrom<String> for Nonce {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// Where a local directory lies. Two places that go by one nonce are a directory and its copy.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Place {
    /// The computer's name, which may change.
    pub host: String,
    /// The path that it goes by: its own, or that of the shared folder it belongs to.
    pub directory: String,
    /// A number that stays when the computer or the directory is renamed, and that a copy does not share; None if that
    /// is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
}

impl Place {
    /// Whether both are one directory, as far as that can be told: a computer may change its name, and a directory may be
    /// moved or restored, but not both at once.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        (self.number.is_some() && self.number == other.number)
            || (&self.host, &self.directory) == (&other.host, &other.directory)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.directory, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_has_one_spelling() {
        assert_eq!("0000002a".parse(), Ok(Nonce(42)));
        assert_eq!(Nonce(42).to_string(), "0000002a");
        for other in ["2a", "0000002A", "+000002a", "0000002a0", ""] {
            assert!(other.parse::<Nonce>().is_err(), "{other}");
        }
    }

    #[test]
    fn a_place_may_change_its_computers_name_or_be_moved_but_not_both() {
        let place = |host: &str, directory: &str, number| Place {
            host: host.to_owned(),
            directory: directory.to_owned(),
            number,
        };
        let here = place("mac", "/home/ann/state", Some(7));
        for (other, same) in [
            (place("mac-2", "/home/ann/state", Some(7)), true),
            (place("mac", "/Users/ann/state", Some(7)), true),
            (place("mac", "/home/ann/state", Some(8)), true),
            (place("mac", "/home/ann/state", None), true),
            (place("mac-2", "/home/ann/state", Some(8)), false),
            (place("mac-2", "/home/ann/state", None), false),
        ] {
            assert_eq!((here.is(&other), other.is(&here)), (same, same), "{other:?}");
        }
    }
}
