//! The files a protocol sees, and what it asks to be done to them.

use serde::{Deserialize, Serialize};

use crate::{Content, Path, WallMs};

/// What a protocol may read: this replica's own view of the two roots.
///
/// Within one step a view does not change. What a view shows of another replica's files is some earlier
/// state of each file on its own: no file's arrival says anything about another's.
pub trait Fs {
    /// Returns the bytes of a file from offset `from` on.
    ///
    /// # Errors
    /// [`FsError::NotFound`] where nothing has this name, [`FsError::NotLocal`] where the name is there and
    /// the bytes are elsewhere, [`FsError::Unavailable`] where the root cannot be reached,
    /// [`FsError::Refused`] where the name is a directory or the system will not let us.
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError>;

    /// Returns what a directory holds, sorted by name.
    ///
    /// # Errors
    /// As [`Fs::read`]. A directory that was never made is [`FsError::NotFound`], not empty.
    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError>;

    /// A number that is another one whenever a name, a time, a length or a byte below a directory is another one, so that
    /// who has looked there need not look again. `None` if that cannot be told without a look, as of directories that
    /// others write to.
    fn digest(&self, _dir: &Path) -> Option<u64> {
        None
    }
}

/// Files that can be changed. Held by drivers only; a protocol leaves [`FsOp`]s instead.
pub trait FsMut: Fs {
    /// Applies one op.
    ///
    /// # Errors
    /// As the op's own documentation says.
    fn apply(&mut self, op: &FsOp) -> Result<(), FsError>;

    /// What made the last op fail, in words for a person: such as the call, the real path and the system's error. None
    /// if there is no more to tell than the error.
    fn failure(&self) -> Option<String> {
        None
    }
}

/// One entry of a directory.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Entry {
    /// Where it is: what was listed, and the name within it.
    pub path: Path,
    /// What it is.
    pub kind: EntryKind,
    /// The length in bytes that the file system tells, also where the bytes are not local.
    pub len: u64,
    /// The modification time that the file system tells. Sync clients keep, round, replace or delay it.
    pub modified: WallMs,
}

impl Entry {
    /// The name within the directory.
    #[must_use]
    pub fn name(&self) -> &str {
        self.path.file_name()
    }
}

/// What a directory entry is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum EntryKind {
    /// A directory.
    Dir,
    /// A file.
    File,
}

/// One change to the files, applied by a driver after the step that asked for it.
///
/// Every op makes the directories above its path as needed. *Crash* says what may remain when the machine
/// loses power during or soon after the op; *Elsewhere* says what other replicas may see of it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum FsOp {
    /// Writes at the end of the file, creating it where there is none.
    ///
    /// *Crash:* the old length or any prefix of the new bytes, until [`FsOp::Flush`].
    /// *Elsewhere:* any prefix, cut anywhere.
    Append {
        /// The file.
        path: Path,
        /// What is written.
        bytes: Content,
    },
    /// Creates the file with this content; fails with [`FsError::Exists`] where the name is taken *here*.
    ///
    /// *Crash:* absent, empty, or whole, until [`FsOp::Flush`].
    /// *Elsewhere:* another replica may have created the same name; both succeed and conflict later.
    CreateNew {
        /// The file.
        path: Path,
        /// What it holds.
        content: Content,
    },
    /// Makes everything written to the file so far survive a power cut (`fsync`; `F_FULLFSYNC` on macOS).
    ///
    /// *Elsewhere:* nothing changes.
    Flush {
        /// The file.
        path: Path,
    },
    /// Truncates the file and writes it anew in place, as most programs save.
    ///
    /// *Crash:* old, empty, NUL bytes of the full length, or a prefix; an application that dies in mid-write
    /// leaves it empty or cut.
    /// *Elsewhere:* the empty and the cut state can be copied to other replicas.
    Overwrite {
        /// The file.
        path: Path,
        /// What it holds afterwards.
        content: Content,
    },
    /// Removes the file; fails with [`FsError::NotFound`] where there is none.
    ///
    /// *Crash:* the file may be back.
    /// *Elsewhere:* clients send deletions last, and an edit made elsewhere may win over them.
    Remove {
        /// The file.
        path: Path,
    },
    /// Gives a file another name, replacing what had it.
    ///
    /// *Crash:* the old name or the new one; the content only as far as it was flushed.
    /// *Elsewhere:* neither name or both for a while.
    Rename {
        /// The name it has.
        from: Path,
        /// The name it gets, in the same root.
        to: Path,
    },
    /// Puts a whole file in place of another: temporary file, flush, rename, flush of the directory.
    ///
    /// *Crash:* the old file or the new one, nothing between.
    /// *Elsewhere:* the old file, the new one, or for a moment none.
    Replace {
        /// The file.
        path: Path,
        /// What it holds afterwards.
        content: Content,
    },
}

impl FsOp {
    /// The path the op is about; for a rename the name that goes.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Append { path, .. }
            | Self::CreateNew { path, .. }
            | Self::Flush { path }
            | Self::Overwrite { path, .. }
            | Self::Remove { path }
            | Self::Rename { from: path, .. }
            | Self::Replace { path, .. } => path,
        }
    }
}

/// Why a port could not do what it was asked. A fact of operation that protocols branch on, not a bug.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, thiserror::Error,
)]
#[serde(rename_all = "kebab-case")]
pub enum FsError {
    /// The name is taken.
    #[error("the name is taken")]
    Exists,
    /// The disk or the quota is full.
    #[error("no space is left")]
    NoSpace,
    /// Nothing has this name here. Never proof that it was deleted, nor that it is nowhere.
    #[error("there is no such file here")]
    NotFound,
    /// The name is here and the bytes are not: evicted, a placeholder, or a read that did not come back.
    #[error("the file's bytes are not on this machine")]
    NotLocal,
    /// The system will not let us, or the name is of the other kind.
    #[error("the system refused")]
    Refused,
    /// The root itself cannot be reached.
    #[error("the folder cannot be reached")]
    Unavailable,
}
