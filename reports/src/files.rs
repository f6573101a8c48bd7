//! Files, with failures that say what to do.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use cloudchamber_folder::mistake;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Reads a text file whole.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::file(path, "cannot be read", &error))
}

/// Reads a text as TOML. `help` says where the form of such a file is described.
///
/// # Errors
/// With the line, where the text is not of that form.
pub(crate) fn parse_toml<T: DeserializeOwned>(path: &Path, text: &str, help: &str) -> Result<T, Failure> {
    toml::from_str(text).map_err(|error| {
        let (line, message) = mistake::told(text, &error);
        Failure::new(format!("{}:{}: {message}; {help}", path.display(), line.unwrap_or(1)))
    })
}

/// Writes a file, and the directories it lies in.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::file(path, "cannot be written", &error);
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}

/// A value as indented JSON, ending with a newline.
pub(crate) fn to_json(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("reports have text keys and finite numbers");
    text + "\n"
}

/// Writes to standard output. A reader that has gone away is nobody's mistake.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// The directory with the scenarios: the one named, or the nearest upwards from the current directory.
pub(crate) fn scenarios_dir(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(dir) = named {
        return match dir.is_dir() {
            true => Ok(dir.into()),
            false => Err(Failure::new(format!(
                "{}: is not a directory; name the one with the scenarios",
                dir.display()
            ))),
        };
    }
    let here = std::env::current_dir().map_err(|error| {
        Failure::new(format!("the current directory is gone: {error}; change to another"))
    })?;
    let found = here.ancestors().position(|dir| dir.join("scenarios").is_dir());
    // Written relative, so that paths in reports and commands are short and the same on every machine.
    let up = found.map(|levels| [".."].repeat(levels).iter().collect::<PathBuf>().join("scenarios"));
    up.ok_or_else(|| {
        Failure::new("there is no directory `scenarios` here or above; name it with --scenarios DIR")
    })
}

/// The files below `dir` that end with `.toml`, by name.
pub(crate) fn toml_files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error: std::io::Error| Failure::file(dir, "cannot be listed", &error);
    if !dir.is_dir() {
        return Ok(vec![]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
