//! How a local directory is found again when the computer, the folder or a directory above it has got another name.
//!
//! A directory is known by a number that no renaming changes and no copy shares: made of the computer's own id, of what
//! the file system numbers the directory with, and of when it was made, because file systems use their numbers again.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use cloudchamber_core::kit::identity::Place;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use crate::small;

/// The number of a directory; None if it is not there, or its file system does not say when it was made.
#[must_use]
pub fn number(dir: &Path) -> Option<u64> {
    let metadata = dir.metadata().ok()?;
    let made = metadata.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    // A disk that was cloned has all numbers of the original; a cloned computer gets an id of its own.
    let computer =
        ["/etc/machine-id", "/var/lib/dbus/machine-id"].iter().find_map(|file| fs::read(file).ok());
    let parts = [metadata.ino().to_le_bytes().as_slice(), &made.as_nanos().to_le_bytes()].concat();
    Some(xxh3_64(&[computer.unwrap_or_default(), parts].concat()))
}

/// The name of this computer, which may change.
#[must_use]
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Where a local directory lies; None if its path cannot be told.
#[must_use]
pub fn place(local: &Path) -> Option<Place> {
    let directory = local.canonicalize().ok()?.to_str()?.to_owned();
    Some(Place { host: host(), directory, number: number(local) })
}

/// Which folder a local directory belongs to, as `folder.json` in it tells.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Belongs {
    /// The folder's path.
    directory: PathBuf,
    /// The folder's number; None if it has none.
    number: Option<u64>,
    /// The name of the replica, where one computer has several.
    name: Option<String>,
}

impl Belongs {
    const FILE: &'static str = "folder.json";

    fn read(local: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(local.join(Self::FILE)).ok()?).ok()
    }

    fn of(folder: &Path, name: Option<&str>) -> Self {
        Self { directory: folder.to_owned(), number: number(folder), name: name.map(str::to_owned) }
    }

    /// Whether the folder is still where it was.
    fn stands(&self) -> bool {
        self.number.is_some() && number(&self.directory) == self.number
    }

    /// Whether a local directory of this one may be used for that: it is the same folder, or the one that was there is
    /// gone from its path and another has taken its place, such as one that was restored.
    fn serves(&self, other: &Self) -> bool {
        let same = self.number.is_some() && self.number == other.number;
        self.name == other.name && (same || (self.directory == other.directory && !self.stands()))
    }
}

/// The local directory of a folder among those in `all`: the one at the `usual` path, or the one that the folder had
/// under an earlier path. Nothing is made.
#[must_use]
pub fn find(all: &Path, usual: &Path, folder: &Path, name: Option<&str>) -> PathBuf {
    let sought = Belongs::of(folder, name);
    let told = Belongs::read(usual);
    if usual.is_dir() && told.as_ref().is_none_or(|told| told.serves(&sought)) {
        return usual.to_owned();
    }
    let mut others = small::list(all).into_iter().map(|(_, path)| path);
    let moved = others.find(|path| {
        Belongs::read(path).is_some_and(|told| {
            told.number.is_some()
                && told.number == sought.number
                && told.name == sought.name
                && !told.stands()
                || told.directory == sought.directory && told.serves(&sought)
        })
    });
    moved.unwrap_or_else(|| match (usual.exists(), sought.number) {
        (true, Some(number)) => {
            let mut other = usual.as_os_str().to_owned();
            other.push(format!("-{number:016x}"));
            other.into()
        }
        _ => usual.to_owned(),
    })
}

/// Notes in a local directory which folder it belongs to, and says the path that the folder had, if it has another now.
///
/// # Errors
/// Where it cannot be written.
pub fn remember(local: &Path, folder: &Path, name: Option<&str>) -> std::io::Result<Option<PathBuf>> {
    let (before, now) = (Belongs::read(local), Belongs::of(folder, name));
    if before.as_ref() == Some(&now) {
        return Ok(None);
    }
    let text = serde_json::to_vec_pretty(&now)?;
    small::put(local, &local.join(Belongs::FILE), &text)?;
    Ok(before.map(|before| before.directory).filter(|directory| *directory != now.directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The local directory of a folder, with what was said of a move.
    fn local(all: &Path, folder: &Path) -> (PathBuf, Option<PathBuf>) {
        let usual = all.join(format!("{:x}", xxh3_64(folder.as_os_str().as_encoded_bytes())));
        let local = find(all, &usual, folder, None);
        fs::create_dir_all(&local).unwrap();
        let moved = remember(&local, folder, None).unwrap();
        (local, moved)
    }

    #[test]
    fn a_folder_that_is_moved_keeps_its_local_directory_and_one_in_its_place_gets_another() {
        let dir = tempfile::tempdir().unwrap();
        let (all, old, new) = (dir.path().join("state"), dir.path().join("old"), dir.path().join("new"));
        fs::create_dir_all(&all).unwrap();
        fs::create_dir(&old).unwrap();
        let (first, moved) = local(&all, &old);
        assert_eq!(moved, None);
        fs::rename(&old, &new).unwrap();
        assert_eq!(local(&all, &new), (first.clone(), Some(old.clone())));
        assert_eq!(local(&all, &new), (first.clone(), None));
        fs::create_dir(&old).unwrap();
        let (second, _) = local(&all, &old);
        assert_ne!(second, first, "two folders would have one identity");
        assert_eq!((local(&all, &old).0, local(&all, &new).0), (second, first));
    }

    #[test]
    fn a_folder_that_is_made_anew_in_its_place_keeps_its_local_directory() {
        let dir = tempfile::tempdir().unwrap();
        let (all, folder) = (dir.path().join("state"), dir.path().join("folder"));
        fs::create_dir_all(&all).unwrap();
        fs::create_dir(&folder).unwrap();
        let (first, _) = local(&all, &folder);
        // The new one is there before the old one goes, so that it cannot get its number.
        fs::create_dir(dir.path().join("restored")).unwrap();
        fs::remove_dir(&folder).unwrap();
        fs::rename(dir.path().join("restored"), &folder).unwrap();
        assert_eq!(local(&all, &folder), (first, None));
    }

    #[test]
    fn no_copy_has_the_number_of_the_original() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (dir.path().join("one"), dir.path().join("other"));
        fs::create_dir(&one).unwrap();
        fs::create_dir(&other).unwrap();
        let before = number(&one);
        assert!(before.is_some() && before != number(&other));
        fs::rename(&one, dir.path().join("renamed")).unwrap();
        assert_eq!(number(&dir.path().join("renamed")), before);
    }
}
