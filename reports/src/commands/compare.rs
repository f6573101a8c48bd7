//! `compare`: two traces side by side.

use std::path::PathBuf;

use cloudchamber_folder::systems::Systems;

use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::compare::compare;
use crate::show::text;

/// Compares two traces. That they could be compared is what was asked, whatever differs.
pub(crate) fn run<L: Systems>(traces: [PathBuf; 2], json: bool) -> Result<Verdict, Failure> {
    let report = compare::<L>(&traces)?;
    files::print(&if json { files::to_json(&report) } else { text::compare::text(&report) });
    Ok(Verdict::AsExpected)
}
