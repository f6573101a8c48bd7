//! The files of one note, as an instance holds them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Held, unread};
use crate::kit::watermark::Numbers;
use crate::notes::checked::CheckedLog;
use crate::notes::document::Kind;
use crate::notes::load::{Loaded, Log, Snapshot};
use crate::notes::names::Dated;
use crate::notes::problem::{Problem, ProblemKind};
use crate::notes::snapshot::{ClockEntry, SnapshotFile};
use crate::{Content, FsError, Path};

/// A log or a snapshot of a note.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct NoteFile {
    /// What its name says.
    pub name: Dated,
    /// What it holds.
    pub held: Held,
}

/// The files of one note.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct NoteFiles {
    /// Logs, copies among them.
    pub logs: BTreeMap<Path, NoteFile>,
    /// Snapshots, copies among them.
    pub snapshots: BTreeMap<Path, NoteFile>,
    /// Directories that are copies of the note's.
    pub copies: BTreeSet<Path>,
    /// What cannot be read, and why.
    pub unread: BTreeMap<Path, FsError>,
    /// Logs and snapshots of which the folder has less than was read, or nothing.
    pub lacking: BTreeSet<Path>,
}

impl NoteFiles {
    /// None.
    pub const EMPTY: Self = Self {
        logs: BTreeMap::new(),
        snapshots: BTreeMap::new(),
        copies: BTreeSet::new(),
        unread: BTreeMap::new(),
        lacking: BTreeSet::new(),
    };

    /// Numbers that change with the bytes of the files.
    pub fn digests(&self) -> impl Iterator<Item = u64> {
        self.logs.values().chain(self.snapshots.values()).map(|file| file.held.content.digest())
    }

    /// The snapshots of which the folder has less than was read and that hold something beside what every other file does.
    /// Upstream's are left out, since their clocks may claim more than they hold.
    pub fn alone(&self, kind: Kind) -> impl Iterator<Item = &Path> {
        let mut lost = self.lacking.iter().filter_map(|path| self.snapshots.get_key_value(path)).peekable();
        let mut here: BTreeMap<String, Numbers> = BTreeMap::new();
        if lost.peek().is_some() {
            for file in self.logs.values() {
                let checked = file.held.content.parsed(CheckedLog::parser(kind));
                here.entry(file.name.owner.instance.clone()).or_default().join(&checked.numbers);
            }
            let rest = self.snapshots.iter().filter(|(path, _)| !self.lacking.contains(*path));
            for entry in rest.flat_map(|(_, file)| sealed_clock(&file.held.content)) {
                here.entry(entry.instance).or_default().join(&Numbers::up_to(entry.seq));
            }
        }
        let held = move |entry: &ClockEntry| here.get(&entry.instance).map_or(0, Numbers::contiguous);
        let is_alone = move |file: &NoteFile| {
            sealed_clock(&file.held.content).iter().any(|entry| entry.seq > held(entry))
        };
        lost.filter(move |(_, file)| is_alone(file)).map(|(path, _)| path)
    }

    /// Forgets sealed snapshots that are gone from the folder, if other files hold all that they held: their owners have
    /// put later ones in their place.
    pub(in crate::notes) fn forget_replaced(files: &mut Arc<Self>, kind: Kind) {
        let lost = files.lacking.iter().filter_map(|path| files.snapshots.get_key_value(path));
        let gone =
            lost.filter(|(_, file)| !file.held.is_more && !sealed_clock(&file.held.content).is_empty());
        let mut gone: BTreeSet<Path> = gone.map(|(path, _)| path.clone()).collect();
        if gone.is_empty() {
            return;
        }
        for path in files.alone(kind) {
            gone.remove(path);
        }
        if !gone.is_empty() {
            let files = Arc::make_mut(files);
            files.snapshots.retain(|path, _| !gone.contains(path));
            files.lacking.retain(|path| !gone.contains(path));
        }
    }

    /// What the files say of the note, with more logs beside them.
    #[must_use]
    pub fn load<'a>(&'a self, kind: Kind, more: impl IntoIterator<Item = Log<'a>>) -> Loaded<'a> {
        let logs = self.logs.iter().map(|(path, file)| Log {
            name: path.name(),
            instance: &file.name.owner.instance,
            content: &file.held.content,
            time_ms: file.name.time_ms,
            is_copy: file.name.is_copy,
        });
        let snapshots = self.snapshots.iter().map(|(path, file)| Snapshot {
            name: path.name(),
            content: &file.held.content,
            is_copy: file.name.is_copy,
        });
        let mut loaded = Loaded::of(kind, logs.chain(more), snapshots);
        loaded.problems.extend(self.unread.iter().map(|(path, error)| unread(path, *error)));
        let copy =
            |path: &Path| Problem::of(path.name(), ProblemKind::ConflictCopy, "a copy of a note's directory");
        loaded.problems.extend(self.copies.iter().map(copy));
        loaded
    }
}

/// What a sealed snapshot holds; nothing of one that has no seal or a broken one.
fn sealed_clock(content: &Content) -> Vec<ClockEntry> {
    SnapshotFile::sealed(content.bytes()).map(|file| file.clock).unwrap_or_default()
}

/// Takes note of whether a file could be read, and says whether that is new.
pub(super) fn note_unread(files: &mut Arc<NoteFiles>, path: &Path, result: Result<(), FsError>) -> bool {
    match result {
        Ok(()) if !files.unread.contains_key(path) => false,
        Ok(()) => Arc::make_mut(files).unread.remove(path).is_some(),
        Err(error) if files.unread.get(path) == Some(&error) => false,
        Err(error) => {
            Arc::make_mut(files).unread.insert(path.clone(), error);
            true
        }
    }
}

/// Takes note of which logs or snapshots in a directory are less than what was read of them, and says whether that is new.
/// `there` is what the directory has.
pub(super) fn note_lacking(files: &mut Arc<NoteFiles>, dir: &Path, there: &[Path]) -> bool {
    let lacks = |(path, file): &(&Path, &NoteFile)| {
        let is_here = path.below(dir).is_some() && !file.name.is_copy;
        is_here && (file.held.is_more || !there.contains(*path))
    };
    let now = files.logs.iter().chain(&files.snapshots).filter(lacks).map(|(path, _)| path.clone());
    let elsewhere = files.lacking.iter().filter(|path| path.below(dir).is_none()).cloned();
    let all: BTreeSet<Path> = now.chain(elsewhere).collect();
    let is_new = all != files.lacking;
    if is_new {
        Arc::make_mut(files).lacking = all;
    }
    is_new
}
