//! What real folders were seen to hold, beside the folder model.

use std::path::PathBuf;

use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::trace::COMMIT;
use cloudchamber_host::record::parse;
use cloudchamber_live::observed::{Model, Observed, judge as judged};

use crate::failure::Failure;
use crate::files;
use crate::report::observed::ObservedReport;

/// Judges histories of the replicas of one folder.
///
/// # Errors
/// Where a file is no history, with its line; where there is no such profile; where the histories do not go together.
pub(crate) fn judge(
    histories: &[PathBuf],
    profile: Option<&str>,
    clock_error_ms: u64,
) -> Result<ObservedReport, Failure> {
    let profile = profile.map(Profile::find).transpose().map_err(Failure::new)?;
    let read = |file: &PathBuf| {
        let name = file.display().to_string();
        let history = parse(&files::read(file)?)
            .map_err(|bad| Failure::new(format!("{name}:{}: {}", bad.line, bad.why)))?;
        Ok(Observed { file: name, history })
    };
    let all = histories.iter().map(read).collect::<Result<Vec<_>, Failure>>()?;
    let judged =
        judged(&all, &Model { profile, clock_error_ms }).map_err(|error| Failure::new(error.to_string()))?;
    Ok(ObservedReport { commit: COMMIT.into(), judged })
}
