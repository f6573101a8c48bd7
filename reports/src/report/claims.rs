//! What documents claim, beside what was measured.

use serde::{Deserialize, Serialize};

/// One claim beside what was measured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct DocumentClaim {
    /// What it is about.
    pub(crate) claim: String,
    /// What the documents say.
    pub(crate) said: String,
    /// What was measured, in one sentence.
    pub(crate) measured_as: String,
    pub(crate) values: Vec<Value>,
}

/// A claim in one provider's folder, for one design.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Value {
    pub(crate) profile: String,
    pub(crate) design: String,
    pub(crate) policy: Option<String>,
    /// For people; a dash where there was nothing to measure.
    pub(crate) text: String,
}

impl DocumentClaim {
    /// A row for each design and a column for each provider, with their names.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        let mut profiles: Vec<&str> = Vec::new();
        let mut designs: Vec<&str> = Vec::new();
        for value in &self.values {
            if !profiles.contains(&&*value.profile) {
                profiles.push(&value.profile);
            }
            if !designs.contains(&value.name()) {
                designs.push(value.name());
            }
        }
        let text = |design: &str, profile: &str| {
            let found = self.values.iter().find(|value| value.name() == design && value.profile == profile);
            found.map_or_else(|| "-".into(), |value| value.text.clone())
        };
        let head = [""].iter().chain(&profiles).map(|name| (*name).to_owned()).collect();
        let rows = designs.iter().map(|design| {
            let cells = profiles.iter().map(|profile| text(design, profile));
            [(*design).to_owned()].into_iter().chain(cells).collect()
        });
        [head].into_iter().chain(rows).collect()
    }
}

impl Value {
    /// What the design is called beside the others: the hardened one by its policy.
    fn name(&self) -> &str {
        self.policy.as_deref().unwrap_or(&self.design)
    }
}

/// A claim of a document beside what was measured.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct ClaimTable {
    /// Its name.
    pub(crate) claim: String,
    /// Who says so, and what was done to see.
    pub(crate) about: String,
    pub(crate) cells: Vec<ClaimCell>,
}

/// One measurement of a claim.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct ClaimCell {
    pub(crate) standbys: u64,
    pub(crate) delay_ms: u64,
    pub(crate) seeds: u64,
    /// In how many runs it went as claimed.
    pub(crate) good: u64,
    /// In how many of the others two were active at once.
    pub(crate) overlapped: u64,
    /// As a share of all runs, in percent with one decimal.
    pub(crate) measured_percent: f64,
    /// The same by a calculation from the constants alone, in percent with one decimal.
    pub(crate) calculated_percent: f64,
    /// Why the two differ, where they do by more than 5 %.
    pub(crate) reason: Option<String>,
    /// A seed in which it did not go as claimed.
    pub(crate) reproduce: Option<String>,
}
