//! What is asked for, and which directories are refused.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::{ReplicaId, mistake};

use crate::action::Timed;
use crate::error::LiveError;

/// How long a file may be that travels, bytes, where nobody says.
pub const FILE_BYTES_MAX: u64 = 16 << 20;

/// What a run is to be.
#[derive(Clone, Debug)]
pub struct Options {
    /// The provider.
    pub profile: String,
    /// What everything random follows from.
    pub seed: u64,
    /// Whether what the profile says goes wrong does go wrong.
    pub hazards: bool,
    /// The directories: a, b, c and so on.
    pub folders: Vec<PathBuf>,
    /// Where everything is kept that must not get lost; beside the first directory where it is absent.
    pub state: Option<PathBuf>,
    /// How many seconds of the world go by in one of ours.
    pub speed: u64,
    /// Whether directories that hold something are taken as they are.
    pub adopt: bool,
    /// The longest file that travels, bytes.
    pub file_bytes_max: u64,
    /// What happens when.
    pub script: Vec<Timed>,
    /// Ends when nothing is on its way any more and nobody has changed anything for a while.
    pub until_quiet: bool,
    /// Ends after so long.
    pub for_time: Option<Duration>,
    /// A program that is run meanwhile, with its arguments; quiet is looked for when it has ended.
    pub program: Vec<std::ffi::OsString>,
    /// Whether standard output is somebody else's, so that what the program writes there goes to standard error.
    pub output_is_taken: bool,
}

/// What `.cloudchamber-live` is called beside the first folder.
pub(crate) const STATE: &str = ".cloudchamber-live";

/// What real clients leave in the directories that they copy.
const MARKERS: [(&str, &str); 8] = [
    (".dropbox", "Dropbox"),
    (".dropbox.cache", "Dropbox"),
    (".maestral.cache", "Maestral"),
    (".stfolder", "Syncthing"),
    (".stversions", "Syncthing"),
    (".tmp.drivedownload", "Google Drive"),
    (".tmp.driveupload", "Google Drive"),
    (".sync_journal.db", "Nextcloud or ownCloud"),
];

/// The directory in whose path iCloud Drive keeps everything.
const ICLOUD: &str = "com~apple~CloudDocs";

impl Options {
    /// The directories as they really are, where they can be used at all.
    ///
    /// # Errors
    /// The first one that is refused, and why.
    pub(crate) fn checked_folders(&self) -> Result<Vec<PathBuf>, LiveError> {
        if Profile::named(&self.profile).is_none() {
            return Err(LiveError::new(mistake::unknown("profile", &self.profile, Profile::names())));
        }
        if self.folders.len() < 2 || self.folders.len() > ReplicaId::COUNT_MAX {
            let most = ReplicaId::COUNT_MAX;
            return Err(LiveError::new(format!(
                "{} directories: name 2 to {most}, one a machine",
                self.folders.len()
            )));
        }
        let mut real = Vec::new();
        for folder in &self.folders {
            let there =
                folder.canonicalize().map_err(|error| LiveError::io(folder, "is not there", &error))?;
            if !there.is_dir() {
                return Err(LiveError::new(format!(
                    "{}: is not a directory; name one that is",
                    folder.display()
                )));
            }
            if there.to_str().is_none() {
                return Err(LiveError::new(format!(
                    "{there:?}: its name, or one above it, is not UTF-8, and cannot be written down; give it another name"
                )));
            }
            self.refuse_foreign(&there)?;
            real.push(there);
        }
        for (place, one) in real.iter().enumerate() {
            for other in &real[place + 1..] {
                if one.starts_with(other) || other.starts_with(one) {
                    let (one, other) = (one.display(), other.display());
                    return Err(LiveError::new(format!(
                        "{one} and {other} are the same, or one lies in the other; name directories beside each other"
                    )));
                }
            }
        }
        Ok(real)
    }

    /// Refuses a directory that a real client works in: two clients would copy each other's work.
    fn refuse_foreign(&self, folder: &Path) -> Result<(), LiveError> {
        let refuse = |whose: &str, at: &Path| {
            Err(LiveError::new(format!(
                "{}: {whose} works in it ({} is there), and two clients would undo each other's work; name a directory that none works in",
                folder.display(),
                at.display()
            )))
        };
        for above in folder.ancestors() {
            if above.file_name().is_some_and(|name| name == ICLOUD) {
                return refuse("iCloud Drive", above);
            }
            for (marker, whose) in MARKERS {
                let at = above.join(marker);
                // In a home directory `.dropbox` is where the client keeps its own things.
                if at.exists() && (above == folder || marker != ".dropbox") {
                    return refuse(whose, &at);
                }
            }
        }
        let git = folder.join(".git");
        if self.profile == "git" && git.exists() {
            return refuse("git", &git);
        }
        let entries =
            fs::read_dir(folder).map_err(|error| LiveError::io(folder, "cannot be listed", &error))?;
        for name in entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
            if name.starts_with(".sync_") && name.ends_with(".db") {
                return refuse("Nextcloud or ownCloud", &folder.join(name));
            }
        }
        Ok(())
    }

    /// The state directory, outside all folders.
    ///
    /// # Errors
    /// Where it lies in a folder, or a folder lies in it.
    pub(crate) fn state_dir(&self, folders: &[PathBuf]) -> Result<PathBuf, LiveError> {
        let beside = || folders[0].parent().unwrap_or(&folders[0]).join(STATE);
        let dir = self.state.clone().unwrap_or_else(beside);
        // First where it would be: what is refused leaves nothing behind.
        Self::refuse_state(&really(&dir)?, folders)?;
        let made = fs::create_dir_all(&dir).and_then(|()| dir.canonicalize());
        let real = made.map_err(|error| LiveError::io(&dir, "cannot be made", &error))?;
        Self::refuse_state(&real, folders)?;
        Ok(real)
    }

    fn refuse_state(real: &Path, folders: &[PathBuf]) -> Result<(), LiveError> {
        let meets = |folder: &&PathBuf| real.starts_with(folder) || folder.starts_with(real);
        folders.iter().find(meets).map_or(Ok(()), |folder| {
            Err(LiveError::new(format!(
                "{}: what is kept there would travel, or get into the way of {}; give --state a directory outside the folders",
                real.display(),
                folder.display()
            )))
        })
    }

    /// Refuses directories that hold something, unless they are to be taken as they are.
    pub(crate) fn refuse_full(&self, folders: &[PathBuf]) -> Result<(), LiveError> {
        for folder in folders.iter().filter(|_| !self.adopt) {
            let entries =
                fs::read_dir(folder).map_err(|error| LiveError::io(folder, "cannot be listed", &error))?;
            let mut names: Vec<_> =
                entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            if let Some(first) = names.first() {
                let (folder, count) = (folder.display(), names.len());
                let things = if count == 1 { "entry" } else { "entries" };
                return Err(LiveError::new(format!(
                    "{folder}: it is not empty ({count} {things}, such as {first}), and its files would go to all others; \
                     give --adopt if they may"
                )));
            }
        }
        Ok(())
    }
}

/// What a directory's path really is, also where some of it is not there yet.
fn really(dir: &Path) -> Result<PathBuf, LiveError> {
    let whole = std::path::absolute(dir).map_err(|error| LiveError::io(dir, "cannot be made", &error))?;
    let there = whole.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    Ok(match there {
        Some((above, real)) => {
            whole.strip_prefix(above).map_or_else(|_| real.clone(), |rest| real.join(rest))
        }
        None => whole,
    })
}
