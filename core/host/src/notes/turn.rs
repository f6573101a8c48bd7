//! Whether another process of this machine has written while this one rested.
//!
//! Each process that is about to write counts a number in the local directory on. It need not survive the machine, whose
//! processes it is about.

use std::fs;
use std::path::{Path, PathBuf};

use super::NotesError;

#[derive(Debug)]
pub(super) struct Turn {
    file: PathBuf,
    number: u64,
}

impl Turn {
    /// The number as it is now.
    pub(super) fn of(local: &Path) -> Self {
        let file = local.join("turn");
        let number = read(&file);
        Self { file, number }
    }

    /// Whether another process has counted on.
    pub(super) fn is_anothers(&self) -> bool {
        read(&self.file) != self.number
    }

    /// Counts on.
    pub(super) fn take(&mut self) -> Result<(), NotesError> {
        self.number = read(&self.file).wrapping_add(1);
        fs::write(&self.file, self.number.to_string()).map_err(|error| {
            NotesError::Place(format!(
                "{}: {error}: give a local directory that can be written",
                self.file.display()
            ))
        })
    }
}

/// A number that cannot be read is none that was taken.
fn read(file: &Path) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.parse().unwrap_or(0)
}
