use std::fmt;

use serde::{Deserialize, Serialize};

/// Which replica, counted from 0; written as a letter from `a` on.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(into = "char", try_from = "char")]
pub struct ReplicaId(pub u8);

impl ReplicaId {
    /// How many replicas a world can have: one for each letter.
    pub const COUNT_MAX: usize = 26;

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
        (0..u8::try_from(count).expect("at most 26")).map(Self)
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", char::from(*self))
    }
}

impl From<ReplicaId> for char {
    fn from(id: ReplicaId) -> Self {
        Self::from(b'a' + id.0)
    }
}

impl TryFrom<char> for ReplicaId {
    type Error = String;

    fn try_from(letter: char) -> Result<Self, String> {
        match letter {
            'a'..='z' => Ok(Self(u8::try_from(u32::from(letter) - u32::from('a')).expect("one of 26"))),
            _ => Err(format!("`{letter}` is not a replica; replicas are called a, b, c and so on")),
        }
    }
}
