//! What may happen, by the specification's own names.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One step of the specification.
///
/// Replicas and notes count from 0. Where the specification asks whether there is an entry, or a log, that makes the
/// step possible, TLC counts a successor for each that there is; so the one that did is part of the step. What the step
/// leads to does not depend on it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "do")]
pub enum Action {
    /// A person changes a note: an update goes into the replica's log and an entry into its activity log, both on its
    /// own disk.
    Edit {
        /// Who.
        replica: u8,
        /// Which note.
        note: u8,
    },
    /// A person moves a note to the deleted ones: an update like an edit.
    SoftDelete {
        /// Who.
        replica: u8,
        /// Which note.
        note: u8,
    },
    /// A person deletes a soft-deleted note for good: an entry goes into the replica's deletion log.
    PermanentDelete {
        /// Who.
        replica: u8,
        /// Which note.
        note: u8,
    },
    /// The oldest update that waits in a replica's log becomes readable for all.
    CloudSyncLog {
        /// Whose log.
        origin: u8,
    },
    /// The oldest entry that waits in a replica's activity log becomes readable for all.
    CloudSyncActivity {
        /// Whose log.
        origin: u8,
    },
    /// The oldest entry that waits in a replica's deletion log becomes readable for all.
    CloudSyncDeletion {
        /// Whose log.
        origin: u8,
    },
    /// A replica reads all logs, because one has something new.
    ReloadDirect {
        /// Who.
        replica: u8,
        /// Whose log has something new.
        origin: u8,
    },
    /// A replica looks at the activity logs of the others and remembers the highest number in each.
    PollActivity {
        /// Who.
        replica: u8,
        /// Whose activity log has something new.
        origin: u8,
        /// Which entry of it is new, the first being 0.
        entry: u8,
    },
    /// A replica reads all logs, because an activity log told it of something new and the logs have all that they told.
    ReloadFromActivity {
        /// Who.
        replica: u8,
        /// Whose activity log told of something that is not read yet.
        origin: u8,
    },
    /// A replica looks at the deletion logs of the others and remembers the highest number in each.
    PollDeletion {
        /// Who.
        replica: u8,
        /// Whose deletion log has something new.
        origin: u8,
        /// Which entry of it is new, the first being 0.
        entry: u8,
    },
    /// A replica deletes for good what the others' deletion logs say.
    ProcessDeletionLog {
        /// Who.
        replica: u8,
        /// Whose deletion log names something that is still there.
        origin: u8,
    },
    /// The older half of an activity log is dropped.
    CompactActivity {
        /// Whose log.
        origin: u8,
    },
    /// A replica reads all logs, because entries are missing from an activity log.
    FullScanFallback {
        /// Who.
        replica: u8,
        /// In whose activity log entries are missing.
        origin: u8,
    },
    /// A replica saves what it knows.
    SaveSnapshot {
        /// Who.
        replica: u8,
    },
    /// A process dies.
    Crash {
        /// Whose.
        replica: u8,
    },
    /// A process starts again, from its snapshot, all that is readable and what waits in its own logs.
    Restart {
        /// Whose.
        replica: u8,
    },
}

impl Action {
    /// The names of all kinds of steps, in the order of the specification's next-state relation.
    pub const NAMES: [&'static str; 16] = [
        "Edit",
        "SoftDelete",
        "PermanentDelete",
        "CloudSyncLog",
        "CloudSyncActivity",
        "CloudSyncDeletion",
        "ReloadDirect",
        "PollActivity",
        "ReloadFromActivity",
        "PollDeletion",
        "ProcessDeletionLog",
        "CompactActivity",
        "FullScanFallback",
        "SaveSnapshot",
        "Crash",
        "Restart",
    ];

    /// Where its kind stands in [`NAMES`](Self::NAMES).
    #[must_use]
    pub fn kind(self) -> usize {
        match self {
            Self::Edit { .. } => 0,
            Self::SoftDelete { .. } => 1,
            Self::PermanentDelete { .. } => 2,
            Self::CloudSyncLog { .. } => 3,
            Self::CloudSyncActivity { .. } => 4,
            Self::CloudSyncDeletion { .. } => 5,
            Self::ReloadDirect { .. } => 6,
            Self::PollActivity { .. } => 7,
            Self::ReloadFromActivity { .. } => 8,
            Self::PollDeletion { .. } => 9,
            Self::ProcessDeletionLog { .. } => 10,
            Self::CompactActivity { .. } => 11,
            Self::FullScanFallback { .. } => 12,
            Self::SaveSnapshot { .. } => 13,
            Self::Crash { .. } => 14,
            Self::Restart { .. } => 15,
        }
    }

    /// Whether it says what made it possible, so that one step may be there several times.
    #[must_use]
    pub fn has_witness(self) -> bool {
        matches!(
            self,
            Self::ReloadDirect { .. }
                | Self::PollActivity { .. }
                | Self::ReloadFromActivity { .. }
                | Self::PollDeletion { .. }
                | Self::ProcessDeletionLog { .. }
                | Self::FullScanFallback { .. }
        )
    }

    /// Whether the specification is fair to it: what is possible for ever happens in the end.
    #[must_use]
    pub fn is_fair(self) -> bool {
        matches!(
            self,
            Self::CloudSyncLog { .. }
                | Self::CloudSyncActivity { .. }
                | Self::CloudSyncDeletion { .. }
                | Self::ReloadDirect { .. }
                | Self::PollActivity { .. }
                | Self::ReloadFromActivity { .. }
                | Self::PollDeletion { .. }
                | Self::ProcessDeletionLog { .. }
                | Self::FullScanFallback { .. }
        )
    }
}

/// A replica's name: a, b, c and so on.
#[must_use]
pub fn name(replica: u8) -> char {
    char::from(b'a' + replica)
}

impl fmt::Display for Action {
    /// A sentence; notes and entries are counted from 1 as people do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Edit { replica, note } => write!(f, "{} edits note {}", name(replica), note + 1),
            Self::SoftDelete { replica, note } => {
                write!(f, "{} soft-deletes note {}", name(replica), note + 1)
            }
            Self::PermanentDelete { replica, note } => {
                write!(f, "{} deletes note {} for good", name(replica), note + 1)
            }
            Self::CloudSyncLog { origin } => {
                write!(f, "the next update of {}'s log reaches everybody", name(origin))
            }
            Self::CloudSyncActivity { origin } => {
                write!(f, "the next entry of {}'s activity log reaches everybody", name(origin))
            }
            Self::CloudSyncDeletion { origin } => {
                write!(f, "the next entry of {}'s deletion log reaches everybody", name(origin))
            }
            Self::ReloadDirect { replica, origin } => {
                write!(f, "{} reads all logs: {}'s has something new", name(replica), name(origin))
            }
            Self::PollActivity { replica, origin, entry } => {
                write!(
                    f,
                    "{} looks at the activity logs: entry {} of {}'s is new",
                    name(replica),
                    u16::from(entry) + 1,
                    name(origin)
                )
            }
            Self::ReloadFromActivity { replica, origin } => write!(
                f,
                "{} reads all logs: {}'s activity log told of something new",
                name(replica),
                name(origin)
            ),
            Self::PollDeletion { replica, origin, entry } => {
                write!(
                    f,
                    "{} looks at the deletion logs: entry {} of {}'s is new",
                    name(replica),
                    u16::from(entry) + 1,
                    name(origin)
                )
            }
            Self::ProcessDeletionLog { replica, origin } => {
                write!(f, "{} deletes for good what {}'s deletion log names", name(replica), name(origin))
            }
            Self::CompactActivity { origin } => write!(f, "{}'s activity log is compacted", name(origin)),
            Self::FullScanFallback { replica, origin } => {
                write!(
                    f,
                    "{} reads all logs: entries of {}'s activity log are missing",
                    name(replica),
                    name(origin)
                )
            }
            Self::SaveSnapshot { replica } => write!(f, "{} saves a snapshot", name(replica)),
            Self::Crash { replica } => write!(f, "{}'s process dies", name(replica)),
            Self::Restart { replica } => write!(f, "{}'s process starts again", name(replica)),
        }
    }
}
