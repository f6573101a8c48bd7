//! Two traces side by side.

use cloudchamber_folder::ReplicaId;
use serde::Serialize;

/// What `compare --json` prints. Of each pair the first is of the first trace.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CompareReport {
    /// The commit it was built from.
    pub(crate) commit: String,
    pub(crate) system: String,
    pub(crate) files: [String; 2],
    /// What of their scenarios is not the same, by key.
    pub(crate) settings: Vec<Differing>,
    /// How many choices they have in common from the beginning on, randomness left aside.
    pub(crate) common: usize,
    /// The first choices that are not the same; `None` where a trace ends.
    pub(crate) choices: [Option<Said>; 2],
    /// What was last told before `told` in both, the latest last.
    pub(crate) before: Vec<Said>,
    /// From where on a replica tells something else, and the next things that anybody tells; empty if they tell the same.
    pub(crate) told: [Vec<Said>; 2],
    /// What each violates.
    pub(crate) violates: [Vec<String>; 2],
}

/// A value that is not the same.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Differing {
    pub(crate) key: String,
    /// As JSON; `None` where the key is absent.
    pub(crate) values: [Option<String>; 2],
}

/// Something that happened, in a sentence.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Said {
    pub(crate) ms: u64,
    /// Who did it; `None` if nobody in particular.
    pub(crate) replica: Option<ReplicaId>,
    pub(crate) text: String,
}
