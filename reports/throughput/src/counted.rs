//! Files that count what is done to them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use cloudchamber_core::{Content, Entry, Fs, FsError, FsMut, FsOp, Path};

use super::Files;

/// Files that count how often one is opened, which are written, and how much.
#[derive(Debug)]
pub struct Counted<F> {
    fs: F,
    opened: Cell<u64>,
    written: RefCell<BTreeSet<Path>>,
    bytes: Cell<u64>,
}

impl<F> Counted<F> {
    /// Counts from now on.
    #[must_use]
    pub fn new(fs: F) -> Self {
        Self { fs, opened: Cell::default(), written: RefCell::default(), bytes: Cell::default() }
    }

    /// What was counted since the start, or since this was asked last.
    #[must_use]
    pub fn take(&self) -> Files {
        let written = self.written.take().len() as u64;
        Files { opened: self.opened.take(), written, bytes: self.bytes.take() }
    }
}

impl<F: Fs> Fs for Counted<F> {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        self.opened.set(self.opened.get() + 1);
        self.fs.read(path, from)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        self.fs.list(dir)
    }
}

impl<F: FsMut> FsMut for Counted<F> {
    fn apply(&mut self, op: &FsOp) -> Result<(), FsError> {
        let bytes = match op {
            FsOp::Append { bytes, .. } => bytes.len(),
            FsOp::CreateNew { content, .. }
            | FsOp::Overwrite { content, .. }
            | FsOp::Replace { content, .. } => content.len(),
            FsOp::Flush { .. } | FsOp::Remove { .. } | FsOp::Rename { .. } => 0,
        };
        if !matches!(op, FsOp::Flush { .. }) {
            self.written.get_mut().insert(op.path().clone());
        }
        *self.bytes.get_mut() += bytes as u64;
        self.fs.apply(op)
    }

    fn failure(&self) -> Option<String> {
        self.fs.failure()
    }
}
