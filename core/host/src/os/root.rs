//! Which directory the shared folder is: one that is mounted leaves an empty directory of its name when it goes.

use std::fs;
use std::path::Path;

use crate::place;

/// The file in the local directory that holds the number of the shared folder's directory.
const FILE: &str = ".shared-root";

/// The ending of one that is being written.
const NEW: &str = "new";

/// Whether a file of the local directory is one of this module's.
pub(super) fn is_own(name: &str) -> bool {
    name.strip_prefix(FILE).is_some_and(|rest| rest.is_empty() || rest.strip_prefix('.') == Some(NEW))
}

fn known(local: &Path) -> Option<u64> {
    u64::from_str_radix(fs::read_to_string(local.join(FILE)).ok()?.trim(), 16).ok()
}

/// Whether a directory of the shared folder's name is there, and it is another one than was written to before, and empty:
/// what was mounted there is away. False where the file system does not tell directories apart.
pub(super) fn is_away(shared: &Path, local: &Path) -> bool {
    let is_another = || Some(known(local)? != place::number(shared)?);
    let is_empty = || fs::read_dir(shared).is_ok_and(|mut entries| entries.next().is_none());
    is_another().unwrap_or(false) && is_empty()
}

/// Writes the number, whole or not at all. What power loss takes is noted again.
fn write(file: &Path, number: u64) -> std::io::Result<()> {
    let new = file.with_extension(NEW);
    if let Some(local) = file.parent() {
        fs::create_dir_all(local)?;
    }
    fs::write(&new, format!("{number:016x}\n"))?;
    fs::rename(&new, file)
}

/// A person says that the empty directory which is there now is the folder.
pub(super) fn accept(shared: &Path, local: &Path) {
    if shared.is_dir() {
        note(shared, local);
    }
}

/// Notes which directory was written to. What cannot be noted is noted with the next write.
pub(super) fn note(shared: &Path, local: &Path) {
    let number = place::number(shared);
    if let Some(number) = number.filter(|_| known(local) != number) {
        let _ = write(&local.join(FILE), number);
    }
}
