//! Why a machine cannot write.

use std::fmt;

use super::layout::{LEGACY, MACHINES, SENTINEL, migration_path};
use crate::kit::guard::Lack;
use crate::{Content, Fs, FsError, Path};

/// Why a machine cannot write.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Refusal {
    /// This machine has written events here, and none of its journals is here.
    Absent(String),
    /// The claim of this machine was made in another place: its local directory was copied, or moved.
    Copied {
        /// The claim.
        file: String,
        /// The place it tells.
        place: String,
    },
    /// The folder has the layout before machines, and events there would be lost to the other machines.
    Legacy(String),
    /// The folder lacks so much of what was known that nothing is written into it.
    Lacks(Lack),
    /// This machine has no identity here.
    NoIdentity,
    /// The event does not say what it is about, or is of no shared kind.
    Event(String),
    /// A file could not be read.
    Fs(Path, FsError),
    /// The identity cannot be used.
    Identity(String),
    /// The id is another machine's, and so is the one to go on under.
    Lost {
        /// The claim of the other machine.
        file: String,
        /// The id.
        old: String,
        /// What it was to go on under.
        new: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(machine) => write!(
                f,
                "{MACHINES}/{machine}: it had events and none are here: wait until the folder has arrived or is mounted; \
                 or, if it was emptied for good, have the events written anew with journal watch --accept"
            ),
            Self::Copied { file, place } => write!(
                f,
                "{file}: this local directory is a copy, and the machine it was made for works with {place}: give this \
                 machine a local directory and an id of its own with journal init --machine ID --local DIR; or remove the \
                 file if that was only moved"
            ),
            Self::Legacy(file) => {
                write!(f, "{file} has the layout before machines: migrate first (journal init --migrate)")
            }
            Self::Lacks(lack) => write!(
                f,
                "much of the folder is away ({lack}): nothing is written until it is back; if it is meant to be so, journal \
                 watch --accept takes it as it is"
            ),
            Self::NoIdentity => {
                f.write_str("this machine has no id in the folder: run journal init --machine ID")
            }
            Self::Event(what) => f.write_str(what),
            Self::Fs(path, error) => {
                write!(f, "{path}: {error}: have it downloaded or made readable, then try again")
            }
            Self::Identity(what) => {
                write!(f, "local:machine-id: {what}: choose a new id with journal init --machine ID")
            }
            Self::Lost { file, old, new } => write!(
                f,
                "{file}: `{old}` belongs to another machine that chose it too, and `{new}` is taken: give this one \
                 another name with journal rename {old} NAME"
            ),
        }
    }
}

impl std::error::Error for Refusal {}

/// The machine to whose directory this machine began to move the files of the layout before machines; `None` if it did not.
///
/// # Errors
/// Where it noted one and cannot read that now.
pub fn migration_begun(fs: &dyn Fs) -> Result<Option<String>, Refusal> {
    let noted = bytes(fs, &migration_path(), 0)?;
    let machine = std::str::from_utf8(noted.bytes()).unwrap_or_default().trim();
    Ok((!machine.is_empty()).then(|| machine.to_owned()))
}

/// Refuses a folder of the layout before machines: its files are read by nobody once it is migrated. One whose
/// migration this machine has not finished is such a folder still.
///
/// # Errors
/// [`Refusal::Legacy`] with the name of the file.
pub fn refuse_legacy(fs: &dyn Fs) -> Result<(), Refusal> {
    if migration_begun(fs)?.is_some() {
        return Err(Refusal::Legacy("a migration was interrupted; the folder".to_owned()));
    }
    if fs.read(&Path::shared(SENTINEL), 0).is_ok() || fs.list(&Path::shared(MACHINES)).is_ok() {
        return Ok(());
    }
    match LEGACY.into_iter().find(|name| fs.read(&Path::shared(name), 0).is_ok()) {
        Some(name) => Err(Refusal::Legacy(name.to_owned())),
        None => Ok(()),
    }
}

pub(super) fn len(fs: &dyn Fs, path: &Path) -> Result<u64, Refusal> {
    let dir = path.parent().expect("a file lies in a directory");
    match fs.list(&dir) {
        Ok(entries) => Ok(entries.iter().find(|entry| entry.path == *path).map_or(0, |entry| entry.len)),
        Err(FsError::NotFound) => Ok(0),
        Err(error) => Err(Refusal::Fs(dir, error)),
    }
}

pub(super) fn bytes(fs: &dyn Fs, path: &Path, from: u64) -> Result<Content, Refusal> {
    match fs.read(path, from) {
        Ok(content) => Ok(content),
        Err(FsError::NotFound) => Ok(Content::new([])),
        Err(error) => Err(Refusal::Fs(path.clone(), error)),
    }
}
