//! What does not change while an instance runs.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::document::Kind;
use super::names::{Form, is_id};
use crate::Design;
use crate::kit::identity::Place;

/// What does not change while an instance runs.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Config {
    /// Which design runs.
    pub design: Design,
    /// What records hold.
    pub kind: Kind,
    /// Whose the instance is: an id that a person's instances share.
    pub profile: Arc<str>,
    /// The id that the instance takes when it starts for the first time; drawn if `None`.
    pub instance: Option<Arc<str>>,
    /// Where the local directory lies, which tells a copy of it from the original; `None` if that is not known.
    pub place: Option<Place>,
    /// All durations.
    pub timing: Timing,
    /// How many lines an activity log keeps (1000: upstream, drewcsillag/notecove, sync-mechanism).
    pub activity_lines_max: u32,
    /// How many own records lie between two snapshots; none are written by themselves if `None`.
    pub snapshot_records: Option<u32>,
    /// How published names its logs, and so whether it goes on in a file of an earlier process.
    pub form: Form,
    /// Where published looks for the deletions that its discovery heeds.
    pub heeded: Heeded,
}

/// Where published looks for the deletions that its discovery heeds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heeded {
    /// In the deletion logs, as the document says.
    Deleted,
    /// In `deletions/`, where nobody writes any, as upstream's code does (note-discovery.ts at 2f4f888).
    Deletions,
}

/// All durations, in milliseconds.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Timing {
    /// How often the folder is looked at without being told.
    pub scan_ms: u64,
    /// How often the directories of all notes are listed without being told; at least as long as `scan_ms`. In between
    /// only hints are looked at, and what they tell of.
    pub list_ms: u64,
    /// How often every file is read again, whatever its length and time say.
    pub full_scan_ms: u64,
    /// How long after a record was hinted at its log is looked for first; each time twice as long.
    pub retry_ms: u64,
    /// The longest time between two such looks.
    pub retry_ms_max: u64,
    /// After how many looks published gives a hint up.
    pub attempts_max: u32,
    /// How long after waking the folder is looked at.
    pub wake_ms: u64,
    /// How late a timer has to be for the machine to have slept.
    pub asleep_ms: u64,
    /// How long a note lies in the trash before it is deleted for good; for ever if `None`.
    pub trash_ms: Option<u64>,
}

impl Timing {
    /// As upstream's document has it (sync-mechanism: 10 attempts from 500 ms, doubled up to 60 s, 5 s after a wake),
    /// its code where the document has no number (drewcsillag/notecove at 2f4f888: activity is looked at every 3 s, trash
    /// is emptied after 30 days); a listing every 30 s and a full scan every 10 minutes are ours.
    pub const UPSTREAM: Self = Self {
        scan_ms: 3_000,
        list_ms: 30_000,
        full_scan_ms: 600_000,
        retry_ms: 500,
        retry_ms_max: 60_000,
        attempts_max: 10,
        wake_ms: 5_000,
        asleep_ms: 15_000,
        trash_ms: Some(30 * 24 * 3_600_000),
    };

    /// How long the look after `attempts` others waits.
    #[must_use]
    pub fn retry_after(&self, attempts: u32) -> u64 {
        let doubled = self.retry_ms.saturating_mul(1_u64.checked_shl(attempts).unwrap_or(u64::MAX));
        doubled.min(self.retry_ms_max)
    }
}

/// Which relation between the values of a configuration is broken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// A design with upstream's durations and sizes.
    #[must_use]
    pub fn new(design: Design, kind: Kind, profile: &str) -> Self {
        Self {
            design,
            kind,
            profile: profile.into(),
            instance: None,
            place: None,
            timing: Timing::UPSTREAM,
            activity_lines_max: 1_000,
            snapshot_records: None,
            form: Form::Dots,
            heeded: Heeded::Deleted,
        }
    }

    /// Checks that the values fit.
    ///
    /// # Errors
    /// The first that does not.
    pub fn check(&self) -> Result<(), ConfigError> {
        let wrong = |what: &str| Err(ConfigError(what.to_owned()));
        let ids = [Some(&self.profile), self.instance.as_ref()];
        if let Some(id) = ids.into_iter().flatten().find(|id| !is_id(id)) {
            return Err(ConfigError(format!("`{id}` is no id: 1 to 64 letters, digits, `_` and `-`")));
        }
        let Timing { scan_ms, full_scan_ms, retry_ms, retry_ms_max, .. } = self.timing;
        if scan_ms == 0 || retry_ms == 0 {
            return wrong("scan_ms and retry_ms have to be at least 1");
        }
        if full_scan_ms < scan_ms {
            return wrong("full_scan_ms has to be at least scan_ms");
        }
        if retry_ms_max < retry_ms {
            return wrong("retry_ms_max has to be at least retry_ms");
        }
        if self.activity_lines_max == 0 {
            return wrong("activity_lines_max has to be at least 1");
        }
        Ok(())
    }
}
