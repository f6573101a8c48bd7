//! Everything that is in a folder, by name and by what the file system tells of it.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use cloudchamber_core::kit::clients::client_of_mark;
use rustix::io::Errno;

use super::{Finding, Kind};
use crate::os::bounded::within;
use crate::os::leads_out;

/// How many entries are looked at.
const ENTRIES_MAX: usize = 2_000_000;
/// How deep directories are looked into.
const DEPTH_MAX: usize = 64;

/// What an entry is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum What {
    Dir,
    File,
    /// A link that stays within the folder.
    Link,
    /// A link that leads out, or to nothing.
    LinkOut,
    Special,
}

/// One entry of a directory.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// The path relative to the folder. What is not UTF-8 in it is replaced by a mark.
    pub(crate) path: String,
    pub(crate) real: PathBuf,
    pub(crate) what: What,
    pub(crate) len: u64,
    pub(crate) blocks: u64,
    pub(crate) modified_ms: i64,
    pub(crate) is_utf8: bool,
}

impl Item {
    /// The name within its directory.
    pub(super) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }

    /// The directory that it is in; empty for the folder itself.
    pub(super) fn dir(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(dir, _)| dir)
    }
}

/// Everything in a folder, by directory, each sorted by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) dirs: BTreeMap<String, Vec<Item>>,
    /// What was amiss on the way.
    pub(crate) findings: Vec<Finding>,
}

impl Tree {
    /// Reads all directories. What belongs to a client or to git is not looked into.
    pub(crate) fn read(folder: &Path, patience: Duration) -> anyhow::Result<Self> {
        let mut tree = Self::default();
        let mut count = 0;
        let mut waiting = vec![(folder.to_owned(), String::new(), 0)];
        while let Some((real, path, depth)) = waiting.pop() {
            let asked = (folder.to_owned(), real.clone(), path.clone());
            let listed = within(patience, &real, move || list(&asked.0, &asked.1, &asked.2));
            let items = match listed {
                Some(Ok(items)) => items,
                failed if path.is_empty() => {
                    let why = failed.map_or_else(|| "it does not answer".to_owned(), told);
                    bail!("{}: it cannot be read: {why}: give a folder that can be", folder.display());
                }
                Some(Err(error)) => {
                    tree.findings.push(unread(&path, &error));
                    continue;
                }
                None => {
                    tree.findings.push(Finding::of(Kind::Blocked, path, "the directory does not answer"));
                    continue;
                }
            };
            count += items.len();
            for item in items.iter().filter(|item| item.what == What::Dir) {
                if depth == DEPTH_MAX || count > ENTRIES_MAX {
                    let detail = format!("over {DEPTH_MAX} levels, or {ENTRIES_MAX} entries");
                    tree.findings.push(Finding::of(Kind::NotAll, &item.path, detail));
                } else if client_of_mark(item.name()).is_none() {
                    waiting.push((item.real.clone(), item.path.clone(), depth + 1));
                }
            }
            tree.dirs.insert(path, items);
        }
        Ok(tree)
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.dirs.values().flatten()
    }

    pub(super) fn files(&self) -> impl Iterator<Item = &Item> {
        self.items().filter(|item| item.what == What::File)
    }

    pub(super) fn directories(&self) -> impl Iterator<Item = &Item> {
        self.items().filter(|item| item.what == What::Dir)
    }

    /// The entries of a directory; none if there is no such directory.
    pub(super) fn of(&self, dir: &str) -> &[Item] {
        self.dirs.get(dir).map_or(&[], Vec::as_slice)
    }

    /// An entry by its path.
    pub(super) fn find(&self, path: &str) -> Option<&Item> {
        let dir = path.rsplit_once('/').map_or("", |(dir, _)| dir);
        self.of(dir).iter().find(|item| item.path == path)
    }

    /// How many files are below a directory.
    pub(super) fn count_below(&self, dir: &str) -> usize {
        let below = format!("{dir}/");
        let dirs = self.dirs.range(below.clone()..).take_while(|(name, _)| name.starts_with(&below));
        let own = self.of(dir);
        dirs.flat_map(|(_, items)| items).chain(own).filter(|item| item.what == What::File).count()
    }
}

fn told(result: io::Result<Vec<Item>>) -> String {
    result.map_or_else(|error| error.to_string(), |_| String::new())
}

fn unread(path: &str, error: &io::Error) -> Finding {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    let kind = match number {
        Some(Errno::DEADLK | Errno::AGAIN | Errno::TIMEDOUT) => Kind::Placeholder,
        _ => Kind::UnreadableDirectory,
    };
    Finding::of(kind, path, error.to_string())
}

fn list(folder: &Path, real: &Path, path: &str) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for entry in fs::read_dir(real)? {
        let entry = entry?;
        let name = entry.file_name();
        // What goes while it is listed is gone.
        let Ok(metadata) = entry.metadata() else { continue };
        let shown = name.to_string_lossy();
        let path = if path.is_empty() { shown.into_owned() } else { format!("{path}/{shown}") };
        items.push(item(folder, entry.path(), path, name.to_str().is_some(), &metadata));
    }
    items.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(items)
}

fn item(folder: &Path, real: PathBuf, path: String, is_utf8: bool, metadata: &Metadata) -> Item {
    let kind = metadata.file_type();
    let what = if kind.is_dir() {
        What::Dir
    } else if kind.is_file() {
        What::File
    } else if kind.is_symlink() {
        if leads_out(folder, &real) || real.symlink_metadata().is_ok() && !real.exists() {
            What::LinkOut
        } else {
            What::Link
        }
    } else {
        What::Special
    };
    let modified_ms =
        metadata.mtime().saturating_mul(1_000).saturating_add(metadata.mtime_nsec() / 1_000_000);
    Item { path, real, what, len: metadata.len(), blocks: metadata.blocks(), modified_ms, is_utf8 }
}

/// A small file of the folder, whole; None if it is not there, too large, or does not come.
pub(super) fn small(item: &Item, patience: Duration) -> Option<Vec<u8>> {
    const SMALL_MAX: u64 = 1 << 20;
    if item.len > SMALL_MAX {
        return None;
    }
    let real = item.real.clone();
    within(patience, &item.real, move || {
        use io::Read;
        let mut bytes = Vec::new();
        crate::os::open(&real)?.take(SMALL_MAX).read_to_end(&mut bytes)?;
        Ok::<_, io::Error>(bytes)
    })?
    .context("read")
    .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_directory_cannot_be_read_is_told_apart() {
        let kind = |number: Errno| unread("a", &number.into()).kind;
        assert_eq!(kind(Errno::ACCESS), Kind::UnreadableDirectory);
        assert_eq!(kind(Errno::DEADLK), Kind::Placeholder);
        let nowhere = Tree::read(Path::new("/nowhere/at/all"), Duration::from_secs(5)).unwrap_err();
        assert!(nowhere.to_string().contains("/nowhere/at/all: it cannot be read"), "{nowhere}");
    }

    #[test]
    fn what_belongs_to_a_client_is_not_looked_into() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".git", ".stversions", "mine"] {
            fs::create_dir(dir.path().join(name)).unwrap();
            fs::write(dir.path().join(name).join("a"), "").unwrap();
        }
        let tree = Tree::read(dir.path(), Duration::from_secs(5)).unwrap();
        let files: Vec<_> = tree.files().map(|item| item.path.as_str()).collect();
        assert_eq!((files, tree.directories().count()), (vec!["mine/a"], 3));
        assert_eq!(tree.count_below("mine"), 1);
    }
}
