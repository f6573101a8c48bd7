//! A folder in memory, for the tests of this crate.

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::folder::Folder;
use cloudchamber_core::journal::show::Shown;
use cloudchamber_core::{Content, MemoryFs, Path};
use serde_json::Value;

/// What the tests of journals do with a folder.
#[allow(dead_code, reason = "each test file uses what it needs")]
pub(crate) trait Journals {
    /// Puts a file into the shared root.
    fn put(&mut self, path: &str, bytes: impl Into<Vec<u8>>) -> &mut Self;

    /// The view as JSON, and every problem.
    fn shown(&self, design: &Design) -> (Value, Vec<String>);
}

impl Journals for MemoryFs {
    fn put(&mut self, path: &str, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.files.insert(Path::shared(path), Content::new(bytes.into()));
        self
    }

    fn shown(&self, design: &Design) -> (Value, Vec<String>) {
        let folder = Folder::read(self, design);
        folder.with_sources(design, |sources| {
            let mut view = cloudchamber_core::journal::merge::merge(design, sources);
            folder.complete(design, sources, &mut view);
            let problems = view.problems.iter().map(ToString::to_string).collect();
            (Shown { design, sources, view: &view }.json(), problems)
        })
    }
}
