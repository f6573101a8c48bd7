//! The server's copy.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use cloudchamber_core::{Content, Path, WallMs};

use crate::ReplicaId;
use crate::stable_hash::StableHasher;

/// How many versions of a file the server keeps on their way. A version that falls behind is never seen by
/// those who had not got it: clients transfer the last version, not every one.
const VERSIONS_MAX: usize = 8;

/// All files as the server has them, each with its latest versions.
#[derive(Clone, Debug, Default)]
pub struct Cloud {
    files: Arc<BTreeMap<Path, ServerFile>>,
    digest: u64,
}

impl PartialEq for Cloud {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && (Arc::ptr_eq(&self.files, &other.files) || self.files == other.files)
    }
}

impl Eq for Cloud {}

impl Hash for Cloud {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
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
    /// What it holds; nothing where the file was removed.
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
        self.digest
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

    pub(crate) fn commit(&mut self, path: &Path, version: Version) -> u32 {
        let files = Arc::make_mut(&mut self.files);
        if let Some(file) = files.get_mut(path) {
            self.digest = self.digest.wrapping_sub(StableHasher::of(&(path, &*file)));
            file.latest += 1;
            file.versions.truncate(VERSIONS_MAX - 1);
            file.versions.push_front(version);
            self.digest = self.digest.wrapping_add(StableHasher::of(&(path, &*file)));
            file.latest
        } else {
            let file = ServerFile { latest: 1, versions: VecDeque::from([version]) };
            self.digest = self.digest.wrapping_add(StableHasher::of(&(path, &file)));
            files.insert(path.clone(), file);
            1
        }
    }
}
