//! The two designs that every protocol comes in.

use serde::{Deserialize, Serialize};

/// Which of a protocol's designs runs.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Design {
    /// With the faults of the published one repaired.
    Hardened,
    /// As documents or programs state it, faults included.
    Published,
}

impl Design {
    /// Both, the published one first.
    pub const ALL: [Self; 2] = [Self::Published, Self::Hardened];

    /// What files and commands call it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Hardened => "hardened",
            Self::Published => "published",
        }
    }

    /// The design of a name; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|design| design.text() == name)
    }
}
