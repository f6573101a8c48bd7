//! Small files in the local directory that are no protocol's: requests, answers, and what upstream's programs read.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::os::replace;

/// Writes a file below the local directory: all of it or, after a crash, none.
///
/// # Errors
/// Where it cannot be written.
pub fn put(local: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(local))?;
    Ok(replace(local, file, bytes)?)
}

/// Removes a file, which need not be there.
///
/// # Errors
/// Where it is there and cannot be removed.
pub fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The files of a directory by name, sorted; empty if there is no directory.
pub(crate) fn list(dir: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    let named = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.path())));
    let mut files: Vec<_> = named.collect();
    files.sort();
    files
}
