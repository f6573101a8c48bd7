//! Where a probe writes: one directory of the folder, and in it one directory of its own.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cloudchamber_core::kit::clients::{client_of_mark, is_litter, unfinished};

use super::content::{self, Header};
use super::wire;

/// The directory below which probes write.
pub(super) const ROOT: &str = "cloudchamber-probe";
/// The directory in it into which all write.
pub(super) const SHARED: &str = "shared";

/// The directories of one probe.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) root: PathBuf,
    pub(super) own: PathBuf,
    pub(super) shared: PathBuf,
}

impl Place {
    /// Makes the directories of a probe in a folder.
    ///
    /// # Errors
    /// Where the folder is not there, has something else in it, or cannot be written.
    pub(super) fn make(folder: &Path, name: &str, is_beside: bool) -> anyhow::Result<Self> {
        let folder = crate::local::real(folder)?;
        if !is_beside {
            refuse_foreign(&folder)?;
        }
        let root = folder.join(ROOT);
        let place = Self { own: root.join(name), shared: root.join(SHARED), root };
        for dir in [&place.own, &place.shared] {
            fs::create_dir_all(dir)
                .with_context(|| format!("{}: give a folder that can be written", dir.display()))?;
        }
        Ok(place)
    }

    /// Whether the folder is still there, with what this probe made in it.
    pub(super) fn is_there(&self) -> bool {
        self.own.is_dir()
    }

    /// Writes a file that is read only once, with its name from the beginning.
    pub(super) fn say(&self, kind: &str, bytes: &[u8]) -> io::Result<()> {
        fs::write(self.own.join(wire::file_name(kind)), bytes)
    }

    /// Removes this probe's files that an earlier run left, and its messages. Nobody else's, and no file that it does not
    /// know for its own.
    pub(super) fn clear(&self) -> io::Result<Vec<PathBuf>> {
        let mut left = Vec::new();
        // What was not written is not there.
        ODD.iter().for_each(|(_, name)| drop(fs::remove_file(self.own.join(name))));
        for path in fs::read_dir(&self.own)?.filter_map(Result::ok).map(|entry| entry.path()) {
            match is_ours(&path) {
                true => fs::remove_file(&path)?,
                false => left.push(path),
            }
        }
        Ok(left)
    }

    /// Removes what this run wrote, and the directories that are empty then.
    pub(super) fn remove(&self, run: &str) -> io::Result<Vec<PathBuf>> {
        let mut left = self.clear()?;
        for entry in fs::read_dir(&self.shared).into_iter().flatten().filter_map(Result::ok) {
            let (found, is_more) = content::versions(&fs::read(entry.path()).unwrap_or_default());
            let of_run = found.first().is_some_and(|header| header.probe == run);
            let is_client = unfinished(&entry.file_name().to_string_lossy()).is_some();
            match of_run && !is_client && (!is_more || found.len() > 1) {
                true => fs::remove_file(entry.path())?,
                // The others remove theirs.
                false if found.is_empty() || is_client => left.push(entry.path()),
                false => {}
            }
        }
        // Whoever is the last removes what all have in common; a directory that is not empty stays.
        for dir in [&self.own, &self.shared, &self.root] {
            let _ = fs::remove_dir(dir);
        }
        left.retain(|path| path.symlink_metadata().is_ok());
        Ok(left)
    }
}

/// Whether a file is one that a probe wrote, by its name or its first line.
fn is_ours(path: &Path) -> bool {
    let mut head = [0; 1024];
    let is_file = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
    if !is_file {
        return false;
    }
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    if wire::kind(name).is_some() || wire::is_data(name) || name == TEMPORARY {
        return true;
    }
    let read = File::open(path).and_then(|mut file| file.read(&mut head)).unwrap_or(0);
    let line = head[..read].split(|byte| *byte == b'\n').next().unwrap_or_default();
    serde_json::from_slice::<Header>(line).is_ok()
}

/// The file that is written and renamed over another.
pub(super) const TEMPORARY: &str = ".next";

/// Whether something stands in a folder that is neither a probe's nor a client's.
fn refuse_foreign(folder: &Path) -> anyhow::Result<()> {
    let entries = fs::read_dir(folder)
        .with_context(|| format!("{}: give a folder that can be read with --folder", folder.display()))?;
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name != ROOT && client_of_mark(&name).is_none() && !is_litter(&name) {
            bail!(
                "{}: there is {name} in it, and a probe writes and removes hundreds of files: give an empty folder that the \
                 client copies, or --subfolder to use {ROOT} beside what is there",
                folder.display()
            );
        }
    }
    Ok(())
}

/// Writes a version of a file, and gives its modification time.
pub(super) fn write(path: &Path, how: wire::How, bytes: &[u8]) -> io::Result<i64> {
    match how {
        wire::How::New => File::create_new(path)?.write_all(bytes)?,
        wire::How::Rewrite => File::create(path)?.write_all(bytes)?,
        wire::How::Append => fs::OpenOptions::new().append(true).create(true).open(path)?.write_all(bytes)?,
        wire::How::Replace => {
            let next = path.with_file_name(TEMPORARY);
            fs::write(&next, bytes)?;
            fs::rename(&next, path)?;
        }
    }
    path.symlink_metadata().map(|metadata| mtime_ns(&metadata))
}

/// In nanoseconds since 1970.
pub(super) fn mtime_ns(metadata: &fs::Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

/// Names and kinds of files that clients treat differently: what each is called in a report, and its name.
const ODD: [(&str, &str); 10] = [
    ("an empty file", "odd-empty"),
    ("an executable file", "odd-run.sh"),
    ("a symbolic link", "odd-link"),
    ("a name in NFC", "odd-caf\u{e9}"),
    ("a name in NFD", "odd-tre\u{301}"),
    ("a name in upper case", "odd-CASE"),
    ("the same in lower case", "odd-case"),
    ("a dot at the end", "odd-dot."),
    ("a space at the end", "odd-space "),
    ("a colon", "odd-a:b"),
];

/// Writes them, and says which its own file system took.
pub(super) fn write_odd(dir: &Path, run: &str) -> Vec<String> {
    let mut written = Vec::new();
    for (what, name) in ODD {
        let path = dir.join(name);
        let bytes = if name == "odd-empty" { Vec::new() } else { content::make(run, "odd", 1, 0) };
        let made = match name {
            "odd-link" => std::os::unix::fs::symlink("odd-run.sh", &path),
            // A file system for which two of the names are one refuses the second.
            _ => write(&path, wire::How::New, &bytes).map(drop),
        };
        let mode = || fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755));
        let made = if name == "odd-run.sh" { made.and_then(|()| mode()) } else { made };
        if made.is_ok() {
            written.push(what.to_owned());
        }
    }
    written
}

/// What came of a peer's.
pub(super) fn look_odd(dir: &Path) -> Vec<wire::Odd> {
    let names: Vec<String> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let odd = |(what, name): &(&str, &str)| {
        let came = match dir.join(name).symlink_metadata() {
            _ if name.contains('\u{301}') && names.iter().any(|found| found == "odd-tr\u{e9}") => "in NFC",
            _ if !names.iter().any(|found| found == name) => "missing",
            Err(_) => "missing",
            Ok(metadata) => match *name {
                "odd-link" if !metadata.is_symlink() => "a file",
                "odd-run.sh" if metadata.mode() & 0o111 == 0 => "not executable",
                _ => "same",
            },
        };
        wire::Odd { what: (*what).to_owned(), came: came.to_owned() }
    };
    ODD.iter().map(odd).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_something_in_it_is_refused_and_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".stfolder")).unwrap();
        Place::make(dir.path(), "a", false).unwrap();
        fs::write(dir.path().join("letter.txt"), "x").unwrap();
        fs::remove_dir_all(dir.path().join(ROOT)).unwrap();
        let refused = Place::make(dir.path(), "a", false).unwrap_err().to_string();
        assert!(refused.contains("there is letter.txt in it"), "{refused}");
        assert!(!dir.path().join(ROOT).exists());
        Place::make(dir.path(), "a", true).unwrap();
    }

    #[test]
    fn what_is_not_its_own_stays() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::make(dir.path(), "a", false).unwrap();
        let b = Place::make(dir.path(), "b", false).unwrap();
        for (path, bytes) in [
            (place.own.join("new-1.dat"), content::make("run", "new-1", 1, 0)),
            (place.own.join("new-1 (1).dat"), content::make("run", "new-1", 1, 0)),
            (place.own.join("somebody's"), b"x".to_vec()),
            (b.own.join("new-1.dat"), content::make("other", "new-1", 1, 0)),
            (place.shared.join("edit-0.txt"), content::make("run", "shared/edit-0", 1, 0)),
            (place.shared.join("edit-1.txt"), content::make("other", "shared/edit-1", 1, 0)),
            (place.shared.join("theirs.txt"), b"y".to_vec()),
        ] {
            fs::write(path, bytes).unwrap();
        }
        assert_eq!(write_odd(&place.own, "run").len(), 10);
        let left = place.remove("run").unwrap();
        assert_eq!(left, [place.own.join("somebody's"), place.shared.join("theirs.txt")]);
        assert!(b.own.join("new-1.dat").exists() && !place.shared.join("edit-0.txt").exists());
        b.remove("other").unwrap();
        assert!(!b.own.exists() && !place.shared.join("edit-1.txt").exists() && place.own.exists());
    }
}
