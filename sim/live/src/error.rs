//! Why it cannot begin or go on.

use std::io;
use std::path::Path;

/// Why it cannot begin or go on, in one line that says what to do.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct LiveError(String);

impl LiveError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// That something could not be done to a file or directory.
    pub(crate) fn io(path: &Path, what: &str, error: &io::Error) -> Self {
        Self(format!("{}: {what}: {error}; check the path, its permissions and the disk", path.display()))
    }
}
