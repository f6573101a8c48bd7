//! [`MemoryFs`]: both roots in memory, for tests, examples and experiments.
//!
//! # Guarantees
//! It passes the conformance cases that the simulated disk and a real directory pass (`cloudchamber-folder`'s
//! `conformance`, in its tests). A directory lives as long as a file is in it. Every op happens at once and as a
//! whole. Nothing is ever lost in a crash, and nobody else writes: for that there is `cloudchamber-folder`'s world.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::{Content, Entry, EntryKind, Fs, FsError, FsMut, FsOp, Path, Root, WallMs};

/// Files in memory. Some of them may be made to refuse.
///
/// ```
/// use cloudchamber_core::{Fs, FsMut, FsOp, MemoryFs, Path};
///
/// let mut fs = MemoryFs::default().with("shared:a/b.txt", "one\n");
/// let path = Path::shared("a/b.txt");
/// fs.apply(&FsOp::Append { path: path.clone(), bytes: "two\n".into() })?;
/// assert_eq!(fs.read(&path, 4)?.bytes(), b"two\n");
/// assert_eq!(fs.list(&Path::shared(""))?[0].name(), "a");
/// # Ok::<(), cloudchamber_core::FsError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct MemoryFs {
    /// What each file holds.
    pub files: BTreeMap<Path, Content>,
    /// Files and directories that cannot be read, and why. A root stands for everything below it.
    pub unreadable: BTreeMap<Path, FsError>,
    /// Files that cannot be written, and why.
    pub unwritable: BTreeMap<Path, FsError>,
}

/// When every file was changed last: this file system keeps no times.
const MODIFIED: WallMs = WallMs(1);

impl MemoryFs {
    /// Adds a file, or puts it in place of one.
    ///
    /// # Panics
    /// If `path` is not written as [`Path`]s are, such as `shared:a/b.txt`.
    #[must_use]
    pub fn with(mut self, path: &str, content: impl Into<Content>) -> Self {
        let path = path.parse().unwrap_or_else(|error| panic!("{error}"));
        self.files.insert(path, content.into());
        self
    }

    /// The text of a file.
    ///
    /// # Panics
    /// If there is no such file, or it holds no UTF-8.
    #[must_use]
    pub fn text(&self, path: &str) -> String {
        let parsed: Path = path.parse().unwrap_or_else(|error| panic!("{error}"));
        let content = self.files.get(&parsed).unwrap_or_else(|| panic!("there is no file {path}"));
        String::from_utf8(content.bytes().to_vec()).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// The files of one root.
    pub fn of(&self, root: Root) -> impl Iterator<Item = (&Path, &Content)> {
        self.files.iter().filter(move |(path, _)| path.root() == root)
    }

    fn readable(&self, path: &Path) -> Result<(), FsError> {
        let root = Path::new(path.root(), "").expect("a root is a path");
        [path, &root]
            .into_iter()
            .find_map(|path| self.unreadable.get(path))
            .map_or(Ok(()), |error| Err(*error))
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.parent().is_none() || self.files.keys().any(|file| file.below(path).is_some())
    }

    /// Whether something of this name can be read or removed, but for the bytes.
    fn exists(&self, path: &Path) -> Result<(), FsError> {
        match self.files.contains_key(path) {
            true => Ok(()),
            false if self.is_dir(path) => Err(FsError::Refused),
            false => Err(FsError::NotFound),
        }
    }

    /// Whether a file can get this name: no directory has it, and no file stands where a directory must be.
    fn can_hold(&self, path: &Path) -> Result<(), FsError> {
        let above = std::iter::successors(path.parent(), Path::parent);
        let blocked = self.is_dir(path) || above.into_iter().any(|dir| self.files.contains_key(&dir));
        if blocked { Err(FsError::Refused) } else { Ok(()) }
    }
}

impl Fs for MemoryFs {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        self.readable(path)?;
        self.exists(path)?;
        Ok(self.files[path].tail(from))
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        self.readable(dir)?;
        if self.files.contains_key(dir) {
            return Err(FsError::Refused);
        }
        let mut entries = BTreeMap::new();
        for (path, content) in &self.files {
            let Some(below) = path.below(dir) else { continue };
            let (name, kind, len) = match below.split_once('/') {
                Some((name, _)) => (name, EntryKind::Dir, 0),
                None => (below, EntryKind::File, content.len()),
            };
            let len = u64::try_from(len).unwrap_or(u64::MAX);
            entries.insert(name, Entry { path: dir.join(name), kind, len, modified: MODIFIED });
        }
        if entries.is_empty() && dir.parent().is_some() {
            return Err(FsError::NotFound);
        }
        Ok(entries.into_values().collect())
    }

    fn digest(&self, dir: &Path) -> Option<u64> {
        let below =
            self.files.iter().filter_map(|(path, content)| Some((path.below(dir)?, content.digest())));
        let bytes = below.flat_map(|(name, digest)| [name.as_bytes(), &[0], &digest.to_be_bytes()].concat());
        let bytes: Vec<u8> = bytes.collect();
        self.unreadable.is_empty().then(|| xxh3_64(&bytes))
    }
}

impl FsMut for MemoryFs {
    fn apply(&mut self, op: &FsOp) -> Result<(), FsError> {
        if let Some(error) = self.unwritable.get(op.path()) {
            return Err(*error);
        }
        match op {
            FsOp::Append { path, bytes } => {
                self.can_hold(path)?;
                let grown = self.files.get(path).map_or_else(|| bytes.clone(), |old| old.grown(bytes));
                self.files.insert(path.clone(), grown);
            }
            FsOp::CreateNew { path, .. } if self.exists(path) != Err(FsError::NotFound) => {
                return Err(FsError::Exists);
            }
            FsOp::CreateNew { path, content }
            | FsOp::Overwrite { path, content }
            | FsOp::Replace { path, content } => {
                self.can_hold(path)?;
                self.files.insert(path.clone(), content.clone());
            }
            FsOp::Flush { path } => self.exists(path)?,
            FsOp::Remove { path } => {
                self.exists(path)?;
                self.files.remove(path);
            }
            FsOp::Rename { from, to } => {
                self.exists(from)?;
                if from.root() != to.root() {
                    return Err(FsError::Refused);
                }
                self.can_hold(to)?;
                if let Some(content) = self.files.remove(from) {
                    self.files.insert(to.clone(), content);
                }
            }
        }
        Ok(())
    }
}

impl FromIterator<(Path, Content)> for MemoryFs {
    fn from_iter<T: IntoIterator<Item = (Path, Content)>>(files: T) -> Self {
        Self { files: files.into_iter().collect(), ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_refuses_refuses_until_it_is_allowed() {
        let path = Path::shared("a");
        let mut fs = MemoryFs::default().with("shared:a", "1");
        fs.unreadable.insert(Path::shared(""), FsError::Unavailable);
        fs.unwritable.insert(path.clone(), FsError::NoSpace);
        assert_eq!(fs.read(&path, 0), Err(FsError::Unavailable));
        assert_eq!(fs.list(&Path::shared("")), Err(FsError::Unavailable));
        assert_eq!(fs.list(&Path::local("")), Ok(vec![]));
        let op = FsOp::Append { path: path.clone(), bytes: "2".into() };
        assert_eq!(fs.apply(&op), Err(FsError::NoSpace));
        fs.unreadable.clear();
        fs.unwritable.clear();
        assert_eq!(fs.apply(&op), Ok(()));
        assert_eq!(fs.text("shared:a"), "12");
    }
}
