//! The files of a storage directory as an instance holds them: found through the ports, read where they changed.
//!
//! # What a look reads
//! A quick look lists directories and reads the files whose length or time is not what it was. A full one reads every
//! file, since a client may bring a longer file with its old time, or another one of the same length.
//!
//! # What is kept
//! What was read once is kept while the process lives: a file that is missing, evicted, empty, torn or shorter than it
//! was says nothing about what it held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::document::Kind;
use super::load::{Loaded, Log, Snapshot};
use super::names::{
    ACTIVITY, DELETED, Dated, NOTES, Owner, Plain, line_log_name, log_name, note_of, snapshot_name,
};
use super::problem::{Problem, ProblemKind};
use crate::kit::clients::{is_litter, unfinished};
use crate::kit::copies::copies_of_dir;
use crate::kit::names::split_extension;
use crate::{Content, Entry, EntryKind, Fs, FsError, Path, WallMs};

/// The longest log or snapshot that is read, in bytes: more than six times what makes a writer begin another file.
pub const BINARY_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The longest activity or deletion log that is read, in bytes.
pub const LINES_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A file that was read.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Held {
    /// Its bytes: the most that was seen of it.
    pub content: Content,
    /// The length that its directory told when it was read last.
    len: u64,
    /// The time that its directory told.
    modified: WallMs,
}

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
}

impl NoteFiles {
    /// None.
    pub const EMPTY: Self = Self {
        logs: BTreeMap::new(),
        snapshots: BTreeMap::new(),
        copies: BTreeSet::new(),
        unread: BTreeMap::new(),
    };

    /// Numbers that change with the bytes of the files.
    pub fn digests(&self) -> impl Iterator<Item = u64> {
        self.logs.values().chain(self.snapshots.values()).map(|file| file.held.content.digest())
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

/// An activity or deletion log.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct LineLog {
    /// Whose it is.
    pub owner: Owner,
    /// Whether it is a conflict copy.
    pub is_copy: bool,
    /// What it holds.
    pub held: Held,
}

/// The files of a storage directory, as this instance holds them.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Shelf {
    /// The files of each note.
    pub notes: BTreeMap<Arc<str>, Arc<NoteFiles>>,
    /// Activity logs.
    pub activity: BTreeMap<Path, LineLog>,
    /// Deletion logs.
    pub deleted: BTreeMap<Path, LineLog>,
    /// What is wrong with directories and with files that cannot be read.
    pub problems: Vec<Problem>,
}

/// What a look found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Look {
    /// Notes whose files changed.
    pub notes: BTreeSet<Arc<str>>,
    /// Whether an activity log changed.
    pub activity: bool,
    /// Whether a deletion log changed.
    pub deleted: bool,
    /// Whether an own log has not the length that the instance gave it, or, in a full look, is missing.
    pub own: bool,
    /// How many own logs are there.
    own_count: usize,
}

/// How a look reads.
#[derive(Clone, Copy)]
pub struct Looking<'a> {
    /// Whether every file is read again.
    pub full: bool,
    /// Whether conflict copies count.
    pub copies: bool,
    /// Files whose lengths the instance knows, since it has written them.
    pub own: &'a BTreeMap<Path, u64>,
    /// The instance. Of its activity and deletion logs the newest version is held, not the longest.
    pub me: Option<&'a str>,
    /// Whether a note's files are of no interest: it is deleted.
    pub is_gone: &'a dyn Fn(&str) -> bool,
}

impl Shelf {
    /// Looks at the folder.
    ///
    /// # Errors
    /// If the notes cannot be listed. Where there never were any, that is no error.
    pub fn look(&mut self, fs: &dyn Fs, looking: &Looking<'_>) -> Result<Look, FsError> {
        let mut look = Look::default();
        self.problems.clear();
        self.look_at_notes(fs, looking, &mut look)?;
        look.own |= looking.full && look.own_count < looking.own.len();
        let (mut activity, mut deleted) =
            (std::mem::take(&mut self.activity), std::mem::take(&mut self.deleted));
        look.activity = self.look_at_lines(fs, looking, ACTIVITY, &mut activity);
        look.deleted = self.look_at_lines(fs, looking, DELETED, &mut deleted);
        (self.activity, self.deleted) = (activity, deleted);
        Ok(look)
    }

    fn look_at_notes(&mut self, fs: &dyn Fs, looking: &Looking<'_>, look: &mut Look) -> Result<(), FsError> {
        let mut directories = match fs.list(&Path::shared(NOTES)) {
            Ok(entries) => entries,
            Err(FsError::NotFound) => Vec::new(),
            Err(error) => return Err(error),
        };
        for copy in self.copies_of(fs, looking, NOTES) {
            match fs.list(&copy) {
                Ok(entries) => directories.extend(entries),
                Err(error) => self.problems.push(unread(&copy, error)),
            }
        }
        let mut folded: BTreeMap<String, String> = BTreeMap::new();
        for entry in directories {
            let Some((note, is_copy)) = note_of(entry.name()).filter(|_| entry.kind == EntryKind::Dir) else {
                if entry.kind == EntryKind::Dir {
                    self.problems.push(Problem::of(
                        entry.path.name(),
                        ProblemKind::Foreign,
                        "no note's directory",
                    ));
                }
                continue;
            };
            if is_copy && !looking.copies {
                continue;
            }
            let is_copy = is_copy || entry.path.parent() != Some(Path::shared(NOTES));
            if !is_copy && let Some(other) = folded.insert(note.to_lowercase(), note.clone()) {
                for (one, other) in [(&note, &other), (&other, &note)] {
                    let name = format!("{NOTES}/{one}");
                    self.problems.push(Problem::of(name, ProblemKind::CaseClash, format!("and {other}")));
                }
            }
            if (looking.is_gone)(&note) {
                continue;
            }
            let note: Arc<str> = note.into();
            let mut files = self.notes.get(&note).cloned().unwrap_or_default();
            let mut changed = false;
            if is_copy && !files.copies.contains(&entry.path) {
                Arc::make_mut(&mut files).copies.insert(entry.path.clone());
                changed = true;
            }
            for (directory, is_log) in [("logs", true), ("snapshots", false)] {
                changed |=
                    self.look_at_note(fs, looking, &entry.path.join(directory), is_log, &mut files, look);
            }
            if changed || !self.notes.contains_key(&note) {
                look.notes.insert(note.clone());
                self.notes.insert(note, files);
            }
        }
        Ok(())
    }

    /// The copies that clients have made of a directory of the root.
    fn copies_of(&self, fs: &dyn Fs, looking: &Looking<'_>, name: &str) -> Vec<Path> {
        if !looking.copies {
            return Vec::new();
        }
        copies_of_dir(fs, &Path::shared(""), name)
    }

    /// Looks at the logs or the snapshots of a note, and says whether any changed.
    fn look_at_note(
        &mut self,
        fs: &dyn Fs,
        looking: &Looking<'_>,
        dir: &Path,
        is_log: bool,
        files: &mut Arc<NoteFiles>,
        look: &mut Look,
    ) -> bool {
        let entries = match fs.list(dir) {
            Ok(entries) => entries,
            Err(FsError::NotFound) => return false,
            Err(error) => return note_unread(files, dir, Err(error)),
        };
        let mut changed = note_unread(files, dir, Ok(()));
        let named = |name: &str| if is_log { log_name(name) } else { snapshot_name(name) };
        let near = |name: &str| {
            Some(Dated {
                is_copy: true,
                ..named(original_within(name, &entries, |of| named(of).is_some_and(|of| !of.is_copy))?)?
            })
        };
        let names: Vec<_> =
            entries.iter().map(|entry| named(entry.name()).or_else(|| near(entry.name()))).collect();
        for (entry, name) in entries.into_iter().zip(names) {
            if name.is_none() && looking.copies {
                self.note_foreign(&entry);
            }
            let Some(name) = name.filter(|name| looking.copies || !name.is_copy) else { continue };
            if entry.kind == EntryKind::Dir {
                let what = "a directory where a file should be";
                self.problems.push(Problem::of(entry.path.name(), ProblemKind::Foreign, what));
                continue;
            }
            if let Some(&len) = looking.own.get(&entry.path) {
                look.own |= len != entry.len;
                look.own_count += 1;
            }
            let held = if is_log { &files.logs } else { &files.snapshots };
            let held = held.get(&entry.path).map(|file| &file.held);
            match self.read(fs, looking, &entry, BINARY_BYTES_MAX, held, false) {
                Ok(None) => changed |= note_unread(files, &entry.path, Ok(())),
                Ok(Some(held)) => {
                    note_unread(files, &entry.path, Ok(()));
                    let files = Arc::make_mut(files);
                    let map = if is_log { &mut files.logs } else { &mut files.snapshots };
                    map.insert(entry.path, NoteFile { name, held });
                    changed = true;
                }
                Err(error) => changed |= note_unread(files, &entry.path, Err(error)),
            }
        }
        changed
    }

    fn look_at_lines(
        &mut self,
        fs: &dyn Fs,
        looking: &Looking<'_>,
        dir: &str,
        logs: &mut BTreeMap<Path, LineLog>,
    ) -> bool {
        let main = Path::shared(dir);
        let mut entries = Vec::new();
        for dir in std::iter::once(main.clone()).chain(self.copies_of(fs, looking, dir)) {
            match fs.list(&dir) {
                Ok(found) => entries.extend(found),
                Err(FsError::NotFound) => {}
                Err(error) => self.problems.push(unread(&dir, error)),
            }
        }
        let mut changed = false;
        let near = |name: &str| {
            let is_own = |of: &str| line_log_name(of).is_some_and(|of| !of.is_copy);
            let of = line_log_name(original_within(name, &entries, is_own)?)?;
            Some(Plain { is_copy: true, ..of })
        };
        let names: Vec<_> =
            entries.iter().map(|entry| line_log_name(entry.name()).or_else(|| near(entry.name()))).collect();
        for (entry, name) in entries.into_iter().zip(names).filter(|(entry, _)| entry.kind == EntryKind::File)
        {
            if name.is_none() && looking.copies {
                self.note_foreign(&entry);
            }
            let Some(name) = name.filter(|name| looking.copies || !name.is_copy) else { continue };
            let held = logs.get(&entry.path).map(|log| &log.held);
            let is_copy = name.is_copy || entry.path.parent().as_ref() != Some(&main);
            let mine = looking.me == Some(&name.owner.instance) && !is_copy;
            match self.read(fs, looking, &entry, LINES_BYTES_MAX, held, mine) {
                Ok(None) => {}
                Ok(Some(held)) => {
                    logs.insert(entry.path, LineLog { owner: name.owner, is_copy, held });
                    changed = true;
                }
                Err(error) => self.problems.push(unread(&entry.path, error)),
            }
        }
        changed
    }

    /// Names a file among logs of which nobody can say whose it is. It is left alone.
    fn note_foreign(&mut self, entry: &Entry) {
        let name = entry.name();
        let passed_over = name.starts_with('.') || is_litter(name) || unfinished(name).is_some();
        if entry.kind == EntryKind::File && !passed_over {
            let what = "its name does not say whose it is, so it is not read";
            self.problems.push(Problem::of(entry.path.name(), ProblemKind::Foreign, what));
        }
    }

    /// Reads a file; `None` if what is held of it is all that there is. Of two versions the newest counts, or else the
    /// longer one if the other is a part of it.
    fn read(
        &mut self,
        fs: &dyn Fs,
        looking: &Looking<'_>,
        entry: &Entry,
        len_max: u64,
        held: Option<&Held>,
        newest: bool,
    ) -> Result<Option<Held>, FsError> {
        let known = held.is_some_and(|held| held.len == entry.len && held.modified == entry.modified);
        let own = looking.own.get(&entry.path).is_some_and(|&len| len == entry.len);
        if !looking.full && (known || own && held.is_some()) {
            return Ok(None);
        }
        if entry.len > len_max {
            self.problems.push(Problem::of(
                entry.path.name(),
                ProblemKind::TooLong,
                format!("{} bytes, and {len_max} are read", entry.len),
            ));
            return Ok(None);
        }
        let content = fs.read(&entry.path, 0)?;
        let Some(old) = held else {
            return Ok(Some(Held { content, len: entry.len, modified: entry.modified }));
        };
        let less =
            !newest && content.len() < old.content.len() && is_part(content.bytes(), old.content.bytes());
        let content = if less || content == old.content { old.content.clone() } else { content };
        let new = Held { content, len: entry.len, modified: entry.modified };
        Ok(Some(new).filter(|new| new != old))
    }
}

/// The file beside this one that it is a copy of under a name that no client gives: its name has all of the other's stem
/// in it, as in `copy of a.log` and `a.log.bak`. `is_own` says which may be originals.
fn original_within<'a>(name: &str, entries: &'a [Entry], is_own: impl Fn(&str) -> bool) -> Option<&'a str> {
    if [".tmp", ".temp", ".part"].iter().any(|end| name.ends_with(end)) || unfinished(name).is_some() {
        return None;
    }
    let stem = |of: &'a str| split_extension(of).0;
    let others = entries.iter().map(Entry::name).filter(|of| *of != name && is_own(of));
    others.filter(|of| !stem(of).is_empty() && name.contains(stem(of))).max_by_key(|of| of.len())
}

/// Whether some bytes are a beginning of others, but for zeros at their end.
fn is_part(bytes: &[u8], whole: &[u8]) -> bool {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    whole.starts_with(&bytes[..end])
}

/// Takes note of whether a file could be read, and says whether that is new.
fn note_unread(files: &mut Arc<NoteFiles>, path: &Path, result: Result<(), FsError>) -> bool {
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

/// What a file that could not be read is called.
#[must_use]
pub fn unread(path: &Path, error: FsError) -> Problem {
    let kind = if error == FsError::NotLocal { ProblemKind::NotLocal } else { ProblemKind::Unreadable };
    Problem::of(path.name(), kind, error.to_string())
}
