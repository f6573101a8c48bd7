//! What a sync client does to files, as rules without times.

use serde::{Deserialize, Serialize};

use super::Naming;

/// The rules of one provider: everything the world needs, nothing about when.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Rules {
    /// The most conflict copies that one file keeps before the oldest is deleted; `None` if all are kept.
    pub conflict_copies_max: Option<u32>,
    /// What the copies are called.
    pub conflict_naming: Naming,
    /// Two replicas create the same name.
    pub create_conflict: CreateConflict,
    /// One replica deletes a file that another edits.
    pub delete_conflict: DeleteConflict,
    /// Two replicas edit the same version of a file.
    pub edit_conflict: EditConflict,
    /// What a file's modification time says on another replica.
    pub mtime: Mtime,
    /// Whether a reader may see the time of the download first and the kept one a moment later.
    pub mtime_set_late: bool,
    /// What arrives together.
    pub order: ArrivalOrder,
    /// What stands for a file whose bytes are elsewhere.
    pub placeholder: Placeholder,
    /// How a rename travels.
    pub rename: Rename,
    /// How a new version takes the old one's place on a reader's disk.
    pub replace: Replace,
}

/// In what state a version becomes visible on a replica's disk.
///
/// All but [`Arrival::Whole`] are followed by a whole arrival, unless the file is wedged.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Arrival {
    /// As it was sent.
    #[default]
    Whole,
    /// Its first bytes only.
    Prefix {
        /// How much of it, from 0 to 99 percent.
        percent: u8,
    },
    /// A file of no length.
    Empty,
    /// The full length, and every byte a NUL.
    Nul,
    /// No file: the old version has gone and the new one has not come.
    Gap,
    /// A placeholder in the file's place.
    Stub,
}

/// What becomes of two edits of one version.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EditConflict {
    /// The loser becomes a version that no file shows (iCloud: an unresolved `NSFileVersion`).
    LoserInvisible,
    /// The edit that the server gets later becomes the copy (Dropbox).
    LaterSavedIsCopied,
    /// The edit with the older modification time becomes the copy; of equal times the device ids decide
    /// (Syncthing).
    OlderMtimeIsCopied,
    /// Both end up in one file, between markers (git).
    MergeMarkers,
}

/// What becomes of two files created under one name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CreateConflict {
    /// The one that the server gets later takes another name, with its replica's knowledge.
    NewIsRenamed,
    /// The same as with two edits.
    SameAsEdit,
}

/// What becomes of a delete that meets an edit.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeleteConflict {
    /// The file stays, edited.
    EditWins,
    /// The file goes.
    DeleteWins,
    /// The later of the two by wall clock.
    NewerWins,
}

/// What a file's modification time says on a replica that downloaded it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mtime {
    /// When the author's machine says it was written.
    Kept {
        /// What it is rounded down to, in milliseconds.
        granularity_ms: u64,
    },
    /// When it was put on this disk.
    Arrival,
}

/// What arrives together.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArrivalOrder {
    /// Nothing: every file travels alone.
    None,
    /// The files of one commit.
    Commit,
}

/// What stands for a file whose bytes are elsewhere.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Placeholder {
    /// Nothing does: the bytes are always here.
    None,
    /// The name with its length; reading it fails or blocks.
    Dataless,
    /// A small hidden file `.name.icloud` in the name's place.
    Stub,
}

/// How a rename travels.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rename {
    /// As one step.
    Atomic,
    /// As a file deleted and another created.
    DeleteAndCreate,
}

/// How a new version takes the old one's place on a reader's disk.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replace {
    /// In one step.
    Atomic,
    /// After a moment in which the name is gone.
    Gap,
}
