use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Which replica, counted from 0; written as a letter from `a` to `z`, and then as two from `aa` on.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReplicaId(pub u8);

/// The letters there are.
const LETTERS: u8 = 26;

impl ReplicaId {
    /// How many replicas a world can have.
    pub const COUNT_MAX: usize = 256;

    /// Its place in lists that hold one entry a replica.
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// The ids of a world of `count` replicas, in order.
    ///
    /// # Panics
    /// Where there are more than [`ReplicaId::COUNT_MAX`].
    pub fn all(count: usize) -> impl Iterator<Item = Self> {
        assert!(count <= Self::COUNT_MAX, "a world has at most {} replicas, not {count}", Self::COUNT_MAX);
        (0..=u8::MAX).map(Self).take(count)
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |number: u8| char::from(b'a' + number);
        if let Some(first) = (self.0 / LETTERS).checked_sub(1) {
            write!(f, "{}", letter(first))?;
        }
        write!(f, "{}", letter(self.0 % LETTERS))
    }
}

impl FromStr for ReplicaId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let letter = |byte: &u8| byte.is_ascii_lowercase().then(|| u16::from(byte - b'a'));
        let number = match text.as_bytes() {
            [only] => letter(only),
            [first, second] => letter(first)
                .zip(letter(second))
                .map(|(first, second)| (first + 1) * u16::from(LETTERS) + second),
            _ => None,
        };
        let id = number.and_then(|number| u8::try_from(number).ok());
        id.map(Self).ok_or_else(|| {
            let last = Self(u8::MAX);
            format!(
                "`{text}` is not a replica; replicas are called a, b, c and so on, after z aa, ab to {last}"
            )
        })
    }
}

impl Serialize for ReplicaId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ReplicaId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_replica_has_a_name_of_its_own_and_the_first_ones_a_letter() {
        let names: Vec<_> = ReplicaId::all(ReplicaId::COUNT_MAX).map(|id| id.to_string()).collect();
        assert_eq!((&*names[0], &*names[25], &*names[26], &*names[255]), ("a", "z", "aa", "iv"));
        for (number, name) in names.iter().enumerate() {
            assert_eq!(name.parse::<ReplicaId>().map(ReplicaId::index), Ok(number), "{name}");
            let written = serde_json::to_string(&name.parse::<ReplicaId>().unwrap()).unwrap();
            assert_eq!(written, format!("\"{name}\""));
            assert_eq!(serde_json::from_str::<ReplicaId>(&written).unwrap().to_string(), *name);
        }
    }

    #[test]
    fn what_names_no_replica_is_refused_with_the_names_there_are() {
        for bad in ["", "A", "1", "iw", "zz", "aaa", "é"] {
            let why = bad.parse::<ReplicaId>().unwrap_err();
            assert!(why.contains("is not a replica") && why.contains("to iv"), "{bad}: {why}");
        }
    }
}
