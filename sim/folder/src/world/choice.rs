//! The things a world may do.

use std::fmt;

use cloudchamber_core::{Draw, FsError, Path};
use serde::{Deserialize, Serialize};

use crate::ReplicaId;
use crate::profile::{Arrival, Hazard};

/// One thing the world may do next. A trace is a list of them; a counterexample is a list of them; the faults
/// of a scenario are some of them.
///
/// `C` is the protocol's command, `A` what happens in the world outside the folder.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Choice<C, A> {
    // The process of a replica.
    /// The next op of its batch is applied, or begins.
    Apply {
        /// Whose.
        replica: ReplicaId,
        /// How much of it.
        #[serde(default)]
        part: Part,
        /// Randomness for the step that follows the batch's last op.
        #[serde(default)]
        draw: Draw,
    },
    /// Somebody asks a running replica for something.
    Command {
        /// Whom.
        replica: ReplicaId,
        /// What.
        command: C,
        /// Randomness for the step.
        #[serde(default)]
        draw: Draw,
    },
    /// The process dies, or its machine does.
    Crash {
        /// Whose.
        replica: ReplicaId,
        /// How much of the op it was about to apply still happened, in percent; for appends and overwrites.
        #[serde(default)]
        torn_percent: u8,
        /// What happens to what was not flushed.
        #[serde(default)]
        loss: Loss,
    },
    /// The next op of its batch fails, and nothing of it happens.
    Fail {
        /// Whose.
        replica: ReplicaId,
        /// How it fails.
        error: FsError,
        /// Randomness for the step.
        #[serde(default)]
        draw: Draw,
    },
    /// The process starts.
    Open {
        /// Whose.
        replica: ReplicaId,
        /// Randomness for the step.
        #[serde(default)]
        draw: Draw,
    },
    /// The answer to a call reaches the process.
    Reply {
        /// Whose.
        replica: ReplicaId,
        /// Randomness for the step.
        #[serde(default)]
        draw: Draw,
    },
    /// The process's next call reaches the world outside.
    Serve {
        /// Whose.
        replica: ReplicaId,
    },
    /// The process's timer fires.
    Timer {
        /// Whose.
        replica: ReplicaId,
        /// Randomness for the step.
        #[serde(default)]
        draw: Draw,
    },
    /// The process is told that files may have changed, or the notice gets lost.
    Watch {
        /// Whose.
        replica: ReplicaId,
        /// Whether it gets lost.
        #[serde(default)]
        lost: bool,
        /// Randomness for the step.
        #[serde(default)]
        draw: Draw,
    },

    // The sync client of a replica.
    /// A version that the server has is put on the replica's disk.
    Download {
        /// Whose disk.
        replica: ReplicaId,
        /// Which file.
        path: Path,
        /// Which version: 0 is the server's newest, 1 the one before.
        #[serde(default)]
        back: u32,
        /// In what state it becomes visible.
        #[serde(default)]
        arrival: Arrival,
    },
    /// The file's bytes leave the disk; its name stays, or a placeholder's.
    Evict {
        /// Whose disk.
        replica: ReplicaId,
        /// Which file.
        path: Path,
    },
    /// The bytes of an evicted file come back.
    Fetch {
        /// Whose disk.
        replica: ReplicaId,
        /// Which file.
        path: Path,
    },
    /// The client forgets what it had synced and takes every file here for new.
    ResetIndex {
        /// Whose client.
        replica: ReplicaId,
    },
    /// The client reads a changed file now and the server takes it, or finds a conflict.
    Upload {
        /// Whose client.
        replica: ReplicaId,
        /// Which file.
        path: Path,
    },

    // The machine of a replica.
    /// Its wall clock is set forward, or back where negative.
    Clock {
        /// Whose.
        replica: ReplicaId,
        /// By how many milliseconds.
        by_ms: i64,
    },
    /// Its disk or quota fills up, or has room again.
    Disk {
        /// Whose.
        replica: ReplicaId,
        /// Whether it is full from now on.
        full: bool,
    },
    /// The shared folder can no longer be reached from the replica, or can again.
    Folder {
        /// Whose.
        replica: ReplicaId,
        /// Whether it can be reached from now on.
        reachable: bool,
    },
    /// The machine has no network any more, or has it again.
    Network {
        /// Whose.
        replica: ReplicaId,
        /// Whether it has it from now on.
        online: bool,
    },
    /// The machine falls asleep.
    Sleep {
        /// Whose.
        replica: ReplicaId,
    },
    /// The machine wakes up.
    Wake {
        /// Whose.
        replica: ReplicaId,
    },

    // The world outside the folder.
    /// Something happens out there.
    Act {
        /// What.
        act: A,
    },

    // Again the machine of a replica. The order is part of what hashes mean: new ones come last.
    /// The shared folder is a mount, which goes and leaves an empty directory in its place, or is back.
    Mount {
        /// Whose.
        replica: ReplicaId,
        /// Whether it is there from now on.
        mounted: bool,
    },
    /// The client takes the empty directory in the folder's place for the folder, whose files were all removed.
    Wipe {
        /// Whose client.
        replica: ReplicaId,
    },
    /// Somebody keeps the folder aside as it lies here now: a backup, a snapshot, an old machine.
    Keep {
        /// Whose folder.
        replica: ReplicaId,
    },
    /// What was kept aside comes back.
    Restore {
        /// Whose folder.
        replica: ReplicaId,
        /// Which file; `None` if it is the whole tree, in which case files that came later go.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        path: Option<Path>,
        /// Whether the client takes it for a change, which goes to all. Otherwise only this disk shows it, until the
        /// client has brought the newest version again.
        sent: bool,
    },
    /// What it keeps on its own machine cannot be read any more, or can again: its bytes were moved elsewhere, or another
    /// program holds it.
    Local {
        /// Whose.
        replica: ReplicaId,
        /// Whether it can be read from now on.
        readable: bool,
    },
}

impl<C, A> Choice<C, A> {
    /// The replica it is about; none for what happens outside.
    #[must_use]
    pub fn replica(&self) -> Option<ReplicaId> {
        match self {
            Self::Apply { replica, .. }
            | Self::Clock { replica, .. }
            | Self::Command { replica, .. }
            | Self::Crash { replica, .. }
            | Self::Disk { replica, .. }
            | Self::Download { replica, .. }
            | Self::Evict { replica, .. }
            | Self::Fail { replica, .. }
            | Self::Fetch { replica, .. }
            | Self::Folder { replica, .. }
            | Self::Keep { replica }
            | Self::Local { replica, .. }
            | Self::Mount { replica, .. }
            | Self::Network { replica, .. }
            | Self::Open { replica, .. }
            | Self::Reply { replica, .. }
            | Self::ResetIndex { replica }
            | Self::Restore { replica, .. }
            | Self::Serve { replica }
            | Self::Sleep { replica }
            | Self::Timer { replica, .. }
            | Self::Upload { replica, .. }
            | Self::Wake { replica }
            | Self::Watch { replica, .. }
            | Self::Wipe { replica } => Some(*replica),
            Self::Act { .. } => None,
        }
    }

    /// Whether the client takes files for changed here that no process here has changed: it forgot what it had synced, was
    /// killed, finds files restored, or an empty directory in the folder's place.
    #[must_use]
    pub fn is_taken_for_a_change(&self) -> bool {
        match self {
            Self::Download { arrival, .. } => arrival.is_taken_for_a_change(),
            Self::ResetIndex { .. } | Self::Restore { .. } | Self::Wipe { .. } => true,
            _ => false,
        }
    }

    /// What a client has to do wrong for it, together; nothing for what is no client's doing, or its usual work.
    #[must_use]
    pub fn hazards(&self) -> &'static [Hazard] {
        match self {
            Self::Download { arrival, .. } => arrival.hazards(),
            Self::Evict { .. } => &[Hazard::EvictADay],
            Self::Mount { mounted: false, .. } => &[Hazard::FolderHollow],
            Self::ResetIndex { .. } => &[Hazard::StaleUpload],
            Self::Restore { .. } => &[Hazard::OlderFiles],
            Self::Wipe { .. } => &[Hazard::FolderWiped],
            _ => &[],
        }
    }

    /// The randomness of the step that it makes; `None` if it makes none.
    pub(crate) fn draw_mut(&mut self) -> Option<&mut Draw> {
        match self {
            Self::Apply { draw, .. }
            | Self::Command { draw, .. }
            | Self::Fail { draw, .. }
            | Self::Open { draw, .. }
            | Self::Reply { draw, .. }
            | Self::Timer { draw, .. }
            | Self::Watch { draw, .. } => Some(draw),
            _ => None,
        }
    }

    /// The fault of [`FAULTS`] that it belongs to, and whether it begins that fault; `None` if it belongs to no fault.
    #[must_use]
    pub fn fault(&self) -> Option<(&'static str, bool)> {
        Some(match self {
            Self::Clock { .. } => ("clock set", true),
            Self::Crash { loss: Loss::Kept, .. } => ("process died", true),
            Self::Crash { .. } => ("machine lost power", true),
            Self::Disk { full, .. } => ("disk full", *full),
            Self::Download { arrival, .. } if *arrival != Arrival::Whole => ("file broken", true),
            Self::Evict { .. } => ("file evicted", true),
            Self::Fetch { .. } => ("file evicted", false),
            Self::Fail { .. } => ("op failed", true),
            Self::Folder { reachable, .. } => ("folder lost", !*reachable),
            Self::Local { readable, .. } => ("local files unreadable", !*readable),
            Self::Mount { mounted, .. } => ("folder hollow", !*mounted),
            Self::Network { online, .. } => ("network lost", !*online),
            Self::ResetIndex { .. } => ("index reset", true),
            Self::Restore { .. } => ("older files came back", true),
            Self::Sleep { .. } => ("machine slept", true),
            Self::Wake { .. } => ("machine slept", false),
            Self::Watch { lost: true, .. } => ("notice lost", true),
            Self::Wipe { .. } => ("folder wiped", true),
            _ => return None,
        })
    }
}

/// The kinds of faults.
pub const FAULTS: [&str; 16] = [
    "clock set",
    "disk full",
    "file broken",
    "file evicted",
    "folder hollow",
    "folder lost",
    "folder wiped",
    "index reset",
    "local files unreadable",
    "network lost",
    "notice lost",
    "older files came back",
    "op failed",
    "process died",
    "machine lost power",
    "machine slept",
];

/// How much of an op happens.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// An overwrite truncates its file and has not written yet. Only overwrites have this part.
    Begin,
    /// All of it, or all that is left.
    #[default]
    Whole,
}

/// What a crash does to what was not flushed. The states are those measured on ext4 and xfs, and the ones
/// documented for crash-consistency studies (Pillai et al., OSDI 2014).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Loss {
    /// New names are there with nothing in them (xfs; ext4 for new files).
    Empty,
    /// Nothing is lost: the process died, the machine did not.
    #[default]
    Kept,
    /// Each file meets its own fate, drawn from this seed.
    Mixed(u64),
    /// New names are there with NUL bytes of the full length (ext4 after a rename without flush).
    Nul,
    /// Everything is as it was at its last flush.
    Old,
}

/// A choice that the world, as it stands, does not allow.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Refused(pub(crate) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
