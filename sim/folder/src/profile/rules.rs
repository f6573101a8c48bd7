//! What a sync client does to files, as rules without times.

use cloudchamber_core::kit::stub::StubBy;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{Hazard, Naming};

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
    /// What stands for a file whose bytes are elsewhere.
    pub placeholder: Placeholder,
    /// What the client calls the file in which it gathers a version beside the one that it brings.
    pub temporary: Temporary,
    /// How a new version becomes visible on a reader's disk.
    pub visible: Visible,
}

impl Rules {
    /// Whether a version may become visible in this state at all, however rarely.
    #[must_use]
    pub fn shows(&self, arrival: Arrival) -> bool {
        match arrival {
            Arrival::Gap => self.visible.shows_a_gap(),
            Arrival::Stub => self.placeholder.stub().is_some(),
            _ => true,
        }
    }
}

/// In what state a version becomes visible on a replica's disk.
///
/// All but [`Arrival::Whole`] and [`Arrival::Cut`] are followed by a whole arrival, unless the file is wedged.
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
    /// The old version; the first bytes of the new one lie in the client's temporary file beside it.
    Beside {
        /// How much of it, from 0 to 99 percent.
        percent: u8,
        /// Whether that file stays, since the client was killed, and is sent as one of the user's.
        stays: bool,
    },
    /// Its first bytes only, since the client was killed. When it runs again it takes them for a change made here, and
    /// sends them over the whole version.
    Cut {
        /// How much of it, from 0 to 99 percent.
        percent: u8,
    },
}

impl Arrival {
    /// What has to go wrong for it, together.
    #[must_use]
    pub fn hazards(self) -> &'static [Hazard] {
        match self {
            Self::Whole => &[],
            Self::Prefix { .. } => &[Hazard::Prefix],
            Self::Empty => &[Hazard::Empty],
            Self::Nul => &[Hazard::Nul],
            Self::Gap => &[Hazard::Gap],
            Self::Stub => &[Hazard::Stub],
            Self::Beside { stays: false, .. } => &[Hazard::Beside],
            Self::Beside { stays: true, .. } => &[Hazard::Beside, Hazard::BesideSent],
            Self::Cut { .. } => &[Hazard::Prefix, Hazard::CutSent],
        }
    }

    /// Whether the client will take what it left for something that was changed here.
    #[must_use]
    pub fn is_taken_for_a_change(self) -> bool {
        matches!(self, Self::Cut { .. } | Self::Beside { stays: true, .. })
    }
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
    /// Both become copies, and nothing goes on under the name (rclone bisync, where nobody told it whom to prefer).
    BothAreCopied,
    /// Both end up in one file, between markers (git).
    MergeMarkers,
    /// Nothing: each side keeps its own, and neither learns of the other's until it changes again (Unison).
    EachKeeps,
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
    /// Nothing: it is gone on one side and edited on the other, until it changes again (Unison).
    EachKeeps,
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
    /// A file of one byte, `name.nextcloud`, in the name's place.
    StubNextcloud,
    /// The same, `name.owncloud`.
    StubOwncloud,
}

impl Placeholder {
    /// Who leaves such files in the names' places; `None` if nobody does.
    #[must_use]
    pub fn stub(self) -> Option<StubBy> {
        match self {
            Self::None | Self::Dataless => None,
            Self::Stub => Some(StubBy::ICloud),
            Self::StubNextcloud => Some(StubBy::Nextcloud),
            Self::StubOwncloud => Some(StubBy::OwnCloud),
        }
    }
}

/// How a new version becomes visible on a reader's disk.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Visible {
    /// The file itself is emptied and filled: a reader may see none of its bytes, or the first.
    InPlace,
    /// It is unlinked, made anew and filled: a reader may also see no file.
    UnlinkAndCreate,
    /// Another file is filled and renamed: a reader sees the old version or the new one.
    TempAndRename,
    /// Another file is filled, the old one unlinked, the other renamed: a reader may see no file.
    UnlinkThenRename,
}

impl Visible {
    /// Whether the name may be gone for a moment.
    #[must_use]
    pub fn shows_a_gap(self) -> bool {
        matches!(self, Self::UnlinkAndCreate | Self::UnlinkThenRename)
    }

    /// Whether a version is gathered in another file.
    #[must_use]
    pub fn gathers_elsewhere(self) -> bool {
        matches!(self, Self::TempAndRename | Self::UnlinkThenRename)
    }
}

/// What a client calls the file in which it gathers a version, beside the one that it brings.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Temporary {
    /// There is none, or it lies elsewhere.
    None,
    /// `NAME.HASH8.partial`, which keeps no extension and is not hidden (rclone).
    Partial,
    /// `.syncthing.NAME.tmp`.
    Syncthing,
    /// `.unison.NAME.HASH32.unison.tmp`.
    Unison,
}

impl Temporary {
    /// The name beside a file's; `None` if there is none.
    #[must_use]
    pub fn beside(self, file_name: &str) -> Option<String> {
        let digest = xxh3_64(file_name.as_bytes());
        Some(match self {
            Self::None => return None,
            Self::Partial => format!("{file_name}.{:08x}.partial", digest >> 32),
            Self::Syncthing => format!(".syncthing.{file_name}.tmp"),
            Self::Unison => format!(".unison.{file_name}.{digest:016x}{digest:016x}.unison.tmp"),
        })
    }
}

#[cfg(test)]
mod tests {
    use cloudchamber_core::kit::clients::unfinished;

    use super::*;

    #[test]
    fn every_temporary_is_known_for_what_it_is() {
        for temporary in [Temporary::Partial, Temporary::Syncthing, Temporary::Unison] {
            let name = temporary.beside("messages.jsonl").unwrap();
            assert!(unfinished(&name).is_some(), "{name}");
        }
        assert_eq!(Temporary::None.beside("messages.jsonl"), None);
    }
}
