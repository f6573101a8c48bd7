//! What real folders were seen to hold, beside the folder model.

use cloudchamber_live::observed::Judged;
use serde::Serialize;

/// What `replay --observed --json` prints.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ObservedReport {
    /// The commit it was built from.
    pub(crate) commit: String,
    #[serde(flatten)]
    pub(crate) judged: Judged,
}
