//! How far a provider's profile was measured.

use serde::{Deserialize, Serialize};

/// One provider: how many of its values come from where.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct ProfileReport {
    pub(crate) name: String,
    pub(crate) about: String,
    /// Measured on real clients.
    pub(crate) measured: usize,
    /// Said by the vendor, the source code or a paper.
    pub(crate) documented: usize,
    /// Said by users in public.
    pub(crate) reported: usize,
    /// A judgement.
    pub(crate) assumed: usize,
}

impl ProfileReport {
    /// How many values it has.
    pub(crate) fn values(&self) -> usize {
        self.measured + self.documented + self.reported + self.assumed
    }
}
