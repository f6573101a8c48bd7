//! The server's copy.

use std::collections::VecDeque;

use cloudchamber_core::{Content, Path, WallMs};

use super::path_map::PathMap;
use crate::ReplicaId;

/// How many versions of a file the server keeps on their way. A version that falls behind is never seen by
/// those who had not got it: clients transfer the last version, not every one.
const VERSIONS_MAX: usize = 8;

/// All files as the server has them, each with its latest versions.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Cloud {
    files: PathMap<ServerFile>,
}

/// One file on the server.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ServerFile {
    latest: u32,
    /// Newest first.
    versions: VecDeque<Version>,
}

/// One version of a file.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Version {
    /// What it holds; `None` if the file was removed.
    pub content: Option<Content>,
    /// The modification time its author's machine gave it.
    pub modified: WallMs,
    /// Whose client sent it.
    pub author: ReplicaId,
}

impl ServerFile {
    /// The number of the newest version; versions count from 1.
    #[must_use]
    pub fn latest(&self) -> u32 {
        self.latest
    }

    /// The newest version.
    #[must_use]
    pub fn newest(&self) -> &Version {
        &self.versions[0]
    }

    /// The version `back` before the newest, while the server still has it on its way.
    #[must_use]
    pub fn version(&self, back: u32) -> Option<&Version> {
        self.versions.get(usize::try_from(back).ok()?)
    }

    /// How many versions the server has on their way.
    #[must_use]
    pub fn versions_kept(&self) -> u32 {
        u32::try_from(self.versions.len()).expect("at most VERSIONS_MAX")
    }
}

impl Cloud {
    /// The running digest of everything on the server.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.files.digest()
    }

    /// All files, in order of their paths.
    pub fn files(&self) -> impl Iterator<Item = (&Path, &ServerFile)> {
        self.files.iter()
    }

    /// One file.
    #[must_use]
    pub fn file(&self, path: &Path) -> Option<&ServerFile> {
        self.files.get(path)
    }

    /// The number of the newest version of a file, 0 where there is none.
    #[must_use]
    pub fn latest(&self, path: &Path) -> u32 {
        self.files.get(path).map_or(0, ServerFile::latest)
    }

    /// Looks up one file after another, each later in order than the one before.
    pub(super) fn files_in_order<'a>(&'a self) -> impl FnMut(&Path) -> Option<&'a ServerFile> {
        self.files.in_order()
    }

    /// Takes a version as the newest, and returns its number.
    pub(crate) fn commit(&mut self, path: &Path, version: Version) -> u32 {
        let mut version = Some(version);
        let next = self.files.edit(path, |file| {
            file.latest += 1;
            file.versions.truncate(VERSIONS_MAX - 1);
            file.versions.extend(version.take());
            file.versions.rotate_right(1);
            file.latest
        });
        next.unwrap_or_else(|| {
            let versions = version.into_iter().collect();
            self.files.put(path, Some(ServerFile { latest: 1, versions }));
            1
        })
    }

    /// Forgets the versions up to `seen`, but for the newest.
    pub(crate) fn forget_versions(&mut self, path: &Path, seen: u32) {
        let left = |file: &ServerFile| usize::try_from(file.latest - seen).unwrap_or(usize::MAX).max(1);
        if self.files.get(path).is_some_and(|file| file.versions.len() > left(file)) {
            self.files.edit(path, |file| file.versions.truncate(left(file)));
        }
    }

    /// The digest, computed afresh.
    #[cfg(test)]
    pub(super) fn digest_afresh(&self) -> u64 {
        self.files.digest_afresh()
    }
}
