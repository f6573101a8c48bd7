//! How a command ends.

use std::fmt;
use std::path::Path;

use cloudchamber_folder::scenario::ScenarioError;

/// What a command that could do its work came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Everything was as expected: exit status 0.
    AsExpected,
    /// A property was violated or an expectation missed: exit status 1.
    Missed,
}

impl Verdict {
    pub(crate) fn of(ok: bool) -> Self {
        if ok { Self::AsExpected } else { Self::Missed }
    }
}

/// Why a command could not do its work, in one line: exit status 2.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    /// What is wrong and what to do.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        let message: String = message.into();
        Self(message.lines().map(str::trim).collect::<Vec<_>>().join(" "))
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(path: &Path, what: &str, error: &std::io::Error) -> Self {
        let advice = match error.kind() {
            std::io::ErrorKind::NotFound => "check the path",
            std::io::ErrorKind::PermissionDenied => "check its permissions",
            std::io::ErrorKind::InvalidData => "it has to be UTF-8 text",
            std::io::ErrorKind::IsADirectory => "name a file, not a directory",
            _ => "check the path and the disk",
        };
        Self::new(format!("{}: {what}: {error}; {advice}", path.display()))
    }
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        Self::new(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line() {
        let failure = Failure::new("one\n  two\nthree");
        assert_eq!(failure.to_string(), "one two three");
    }
}
