//! A folder in memory, for the tests of this crate.

use std::collections::BTreeMap;

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::folder::Folder;
use cloudchamber_core::journal::show::Shown;
use cloudchamber_core::{Content, Entry, EntryKind, Fs, FsError, FsMut, FsOp, Path, WallMs};
use serde_json::Value;

/// A folder in memory.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Files(pub(crate) BTreeMap<Path, Content>);

#[allow(dead_code, reason = "each test file uses what it needs")]
impl Files {
    /// Puts a file into the shared root.
    pub(crate) fn put(&mut self, path: &str, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.0.insert(Path::shared(path), Content::new(bytes.into()));
        self
    }

    /// The view as JSON, and every problem.
    pub(crate) fn shown(&self, design: &Design) -> (Value, Vec<String>) {
        let folder = Folder::read(self, design);
        folder.with_sources(design, |sources| {
            let mut view = cloudchamber_core::journal::merge::merge(design, sources);
            folder.complete(design, sources, &mut view);
            let problems = view.problems.iter().map(ToString::to_string).collect();
            (Shown { design, sources, view: &view }.json(), problems)
        })
    }
}

impl Fs for Files {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        self.0.get(path).map(|content| content.tail(from)).ok_or(FsError::NotFound)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        let mut entries = BTreeMap::new();
        for (path, content) in &self.0 {
            let Some(rest) = path.below(dir) else { continue };
            let (name, kind) =
                rest.split_once('/').map_or((rest, EntryKind::File), |(name, _)| (name, EntryKind::Dir));
            let len = if kind == EntryKind::File { content.len() as u64 } else { 0 };
            entries.insert(name, Entry { path: dir.join(name), kind, len, modified: WallMs(0) });
        }
        if entries.is_empty() { Err(FsError::NotFound) } else { Ok(entries.into_values().collect()) }
    }
}

impl FsMut for Files {
    fn apply(&mut self, op: &FsOp) -> Result<(), FsError> {
        match op {
            FsOp::Append { path, bytes } => {
                let mut whole = self.0.get(path).map(|content| content.bytes().to_vec()).unwrap_or_default();
                whole.extend_from_slice(bytes.bytes());
                self.0.insert(path.clone(), Content::new(whole));
            }
            FsOp::CreateNew { path, .. } if self.0.contains_key(path) => return Err(FsError::Exists),
            FsOp::CreateNew { path, content }
            | FsOp::Overwrite { path, content }
            | FsOp::Replace { path, content } => {
                self.0.insert(path.clone(), content.clone());
            }
            FsOp::Flush { .. } => {}
            FsOp::Remove { path } => drop(self.0.remove(path).ok_or(FsError::NotFound)?),
            FsOp::Rename { from, to } => {
                let content = self.0.remove(from).ok_or(FsError::NotFound)?;
                self.0.insert(to.clone(), content);
            }
        }
        Ok(())
    }
}
