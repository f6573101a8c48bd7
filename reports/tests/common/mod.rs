//! What every test of the command needs.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

/// The workspace, from which paths in the tests are relative.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

pub(crate) fn call(arguments: &[&str]) -> Output {
    let mut command = Command::cargo_bin("cloudchamber").unwrap();
    command.current_dir(workspace()).env("NO_COLOR", "1").args(arguments).output().unwrap()
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

pub(crate) fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What was said, as one line: whatever was cut to fit a terminal is whole again.
#[allow(dead_code, reason = "not every test looks at long lines")]
pub(crate) fn whole(said: &str) -> String {
    said.replace(" \\\n", " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(crate) fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[allow(dead_code, reason = "not every test asks for JSON")]
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_str(&out(output))
        .unwrap_or_else(|error| panic!("{error}: {}\n{}", out(output), err(output)))
}

/// A command that cannot do its work says so in one line, and prints nothing else.
#[allow(dead_code, reason = "not every test has something refused in this form")]
#[track_caller]
pub(crate) fn refused(arguments: &[&str], says: &str) {
    let output = call(arguments);
    let said = err(&output);
    assert_eq!(code(&output), 2, "{arguments:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(said.starts_with("cloudchamber: ") && said.contains(says), "{arguments:?}: {said}");
    assert_eq!(out(&output), "", "{arguments:?}");
}

/// A file with a text, in a directory that goes away.
#[allow(dead_code, reason = "not every test has files of its own")]
pub(crate) struct File {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

#[allow(dead_code, reason = "not every test has files of its own")]
impl File {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        Self { _dir: dir, path }
    }

    pub(crate) fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }
}
