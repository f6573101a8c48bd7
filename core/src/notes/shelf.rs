//! The files of a storage directory as an instance holds them: found through the ports, read where they changed.
//!
//! # What a look reads
//! - A look at hints lists the activity and deletion logs, and the directories of the notes that it is told, and reads
//!   the files whose length or time is not what it was. What it costs does not depend on how many notes there are.
//! - A listing does the same with the directories of all notes.
//! - A full look reads every file, since a client may bring a longer file with its old time, or another one of the same
//!   length.
//!
//! # What is kept
//! What was read once is kept while the process lives: a file that is missing, evicted, empty, torn, shorter than it was
//! or full of zeros says nothing about what it held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use self::note_files::{NoteFile, NoteFiles};
use self::note_files::{note_lacking, note_unread};
use super::names::{
    ACTIVITY, DELETED, Dated, NOTES, Owner, Plain, line_log_name, log_name, note_of, snapshot_name,
};
use super::problem::{Problem, ProblemKind};
use crate::kit::clients::{is_litter, unfinished};
use crate::kit::copies::copies_of_dir;
use crate::kit::memo::Memo;
use crate::kit::names::split_extension;
use crate::{Content, Entry, EntryKind, Fs, FsError, Path, WallMs};

mod note_files;

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
    /// Whether the folder had less of it when it was read last.
    is_more: bool,
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
    /// Directories that were looked at.
    seen: Seen,
    /// What was wrong at the look before, while one is under way.
    old_problems: Vec<Problem>,
}

/// Directories that were looked at, all of whose files could be read, and the digest of each then.
///
/// It spares looks and says nothing that the files do not, so it does not count where shelves are compared.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Seen(Memo<Arc<BTreeMap<Path, u64>>>);

impl Seen {
    fn has(&self, dir: &Path, digest: Option<u64>) -> bool {
        digest.is_some() && self.0.get(dir).copied() == digest
    }

    fn note(&mut self, dir: &Path, digest: Option<u64>) {
        match digest {
            Some(digest) => drop(Arc::make_mut(&mut self.0).insert(dir.clone(), digest)),
            None if self.0.contains_key(dir) => drop(Arc::make_mut(&mut self.0).remove(dir)),
            None => {}
        }
    }
}

/// What a look found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Look {
    /// Notes whose files changed.
    pub notes: BTreeSet<Arc<str>>,
    /// Activity logs that changed.
    pub activity: BTreeSet<Path>,
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

/// What the name of a file in a directory says.
enum Named<T> {
    /// What it said at the look before.
    Before,
    /// This.
    Now(T),
    /// Nothing: it is no file of ours.
    Not,
}

impl<T> Named<T> {
    fn of(name: Option<T>) -> Self {
        name.map_or(Self::Not, Self::Now)
    }
}

impl Shelf {
    /// Looks at the folder.
    ///
    /// # Errors
    /// If the notes cannot be listed. Where there never were any, that is no error.
    pub fn look(&mut self, fs: &dyn Fs, looking: &Looking<'_>) -> Result<Look, FsError> {
        let mut look = Look::default();
        self.old_problems = std::mem::take(&mut self.problems);
        let looked = self.look_at_notes(fs, looking, &mut look);
        if let Err(error) = looked {
            self.old_problems.clear();
            return Err(error);
        }
        look.own |= looking.full && look.own_count < looking.own.len();
        self.look_at_logs(fs, looking, &mut look);
        self.old_problems.clear();
        Ok(look)
    }

    /// Looks at activity and deletion logs, and at no note.
    pub fn look_at_hints(&mut self, fs: &dyn Fs, looking: &Looking<'_>) -> Look {
        let mut look = Look::default();
        self.old_problems = std::mem::take(&mut self.problems);
        self.look_at_logs(fs, looking, &mut look);
        self.keep_other_problems(&[ACTIVITY, DELETED].map(Path::shared));
        look
    }

    /// Looks at the files of some notes.
    pub fn look_at<'a>(
        &mut self,
        fs: &dyn Fs,
        looking: &Looking<'_>,
        notes: impl IntoIterator<Item = &'a Arc<str>>,
    ) -> Look {
        let mut look = Look::default();
        self.old_problems = std::mem::take(&mut self.problems);
        let mut directories = Vec::new();
        for note in notes.into_iter().filter(|note| !(looking.is_gone)(note)) {
            let mut files = self.notes.get(note).cloned().unwrap_or_default();
            let main = Path::shared(NOTES).join(note);
            let mut changed = false;
            for directory in std::iter::once(main).chain(files.copies.clone()) {
                changed |= self.look_at_directory(fs, looking, &directory, &mut files, &mut look);
                directories.push(directory);
            }
            if changed {
                look.notes.insert(note.clone());
                self.notes.insert(note.clone(), files);
            }
        }
        self.keep_other_problems(&directories);
        look
    }

    /// Keeps what is known to be wrong elsewhere than below some directories, which were looked at.
    fn keep_other_problems(&mut self, directories: &[Path]) {
        let old = std::mem::take(&mut self.old_problems);
        let is_other = |problem: &Problem| !directories.iter().any(|dir| is_below(problem, dir));
        self.problems.extend(old.into_iter().filter(is_other));
    }

    fn look_at_logs(&mut self, fs: &dyn Fs, looking: &Looking<'_>, look: &mut Look) {
        let (mut activity, mut deleted) =
            (std::mem::take(&mut self.activity), std::mem::take(&mut self.deleted));
        look.activity = self.look_at_lines(fs, looking, ACTIVITY, &mut activity);
        look.deleted = !self.look_at_lines(fs, looking, DELETED, &mut deleted).is_empty();
        (self.activity, self.deleted) = (activity, deleted);
    }

    /// Looks at the logs and snapshots in one directory of a note, and says whether any changed.
    fn look_at_directory(
        &mut self,
        fs: &dyn Fs,
        looking: &Looking<'_>,
        directory: &Path,
        files: &mut Arc<NoteFiles>,
        look: &mut Look,
    ) -> bool {
        let digest = fs.digest(directory);
        if !looking.full && self.seen.has(directory, digest) {
            self.keep_problems(directory);
            return false;
        }
        let logs = self.look_at_note(fs, looking, &directory.join("logs"), true, files, look);
        let snapshots = self.look_at_note(fs, looking, &directory.join("snapshots"), false, files, look);
        // A listing of all notes finds again what was found here.
        self.seen.note(&Path::shared(NOTES), None);
        self.seen.note(directory, digest.filter(|_| files.unread.is_empty() && !look.own));
        logs || snapshots
    }

    fn look_at_notes(&mut self, fs: &dyn Fs, looking: &Looking<'_>, look: &mut Look) -> Result<(), FsError> {
        let main = Path::shared(NOTES);
        let copies = self.copies_of(fs, looking, NOTES);
        let digest = fs.digest(&main).filter(|_| copies.is_empty());
        if !looking.full && self.seen.has(&main, digest) {
            self.keep_problems(&main);
            return Ok(());
        }
        let mut directories = match fs.list(&main) {
            Ok(entries) => entries,
            Err(FsError::NotFound) => Vec::new(),
            Err(error) => return Err(error),
        };
        for copy in copies {
            match fs.list(&copy) {
                Ok(entries) => directories.extend(entries),
                Err(error) => self.problems.push(unread(&copy, error)),
            }
        }
        let mut is_whole = true;
        let mut there: BTreeSet<Arc<str>> = BTreeSet::new();
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
            changed |= self.look_at_directory(fs, looking, &entry.path, &mut files, look);
            is_whole &= files.unread.is_empty();
            there.insert(note.clone());
            if changed || !self.notes.contains_key(&note) {
                look.notes.insert(note.clone());
                self.notes.insert(note, files);
            }
        }
        if looking.full {
            for (note, files) in self.notes.iter_mut().filter(|(note, _)| !there.contains(*note)) {
                for dir in ["logs", "snapshots"] {
                    if note_lacking(files, &main.join(note).join(dir), &[]) {
                        look.notes.insert(note.clone());
                    }
                }
            }
        }
        self.seen.note(&main, digest.filter(|_| is_whole && !look.own));
        Ok(())
    }

    /// Keeps what is known to be wrong below a directory that is as it was.
    fn keep_problems(&mut self, dir: &Path) {
        self.problems.extend(self.old_problems.iter().filter(|problem| is_below(problem, dir)).cloned());
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
            Err(FsError::NotFound) => return note_lacking(files, dir, &[]),
            Err(error) => return note_unread(files, dir, Err(error)),
        };
        let mut changed = note_unread(files, dir, Ok(()));
        let there: Vec<Path> = entries.iter().map(|entry| entry.path.clone()).collect();
        let named = |name: &str| if is_log { log_name(name) } else { snapshot_name(name) };
        let near = |name: &str| {
            Some(Dated {
                is_copy: true,
                ..named(original_within(name, &entries, |of| named(of).is_some_and(|of| !of.is_copy))?)?
            })
        };
        // What a file is called says the same as long as it is called so.
        let known = if is_log { &files.logs } else { &files.snapshots };
        let found = |entry: &Entry| match known.contains_key(&entry.path) {
            true => Named::Before,
            false => Named::of(named(entry.name()).or_else(|| near(entry.name()))),
        };
        let names: Vec<_> = entries.iter().map(found).collect();
        for (entry, name) in entries.into_iter().zip(names) {
            match &name {
                Named::Not if looking.copies => self.note_foreign(&entry),
                Named::Now(name) if name.is_copy && !looking.copies => continue,
                _ => {}
            }
            if matches!(name, Named::Not) {
                continue;
            }
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
                    match (name, map.get_mut(&entry.path)) {
                        (Named::Now(name), _) => drop(map.insert(entry.path, NoteFile { name, held })),
                        (_, Some(file)) => file.held = held,
                        (_, None) => {}
                    }
                    changed = true;
                }
                Err(error) => changed |= note_unread(files, &entry.path, Err(error)),
            }
        }
        changed | note_lacking(files, dir, &there)
    }

    fn look_at_lines(
        &mut self,
        fs: &dyn Fs,
        looking: &Looking<'_>,
        dir: &str,
        logs: &mut BTreeMap<Path, LineLog>,
    ) -> BTreeSet<Path> {
        let main = Path::shared(dir);
        let copies = self.copies_of(fs, looking, dir);
        let digest = fs.digest(&main).filter(|_| copies.is_empty());
        if !looking.full && self.seen.has(&main, digest) {
            self.keep_problems(&main);
            return BTreeSet::new();
        }
        let mut entries = Vec::new();
        let mut is_whole = true;
        for dir in std::iter::once(main.clone()).chain(copies) {
            match fs.list(&dir) {
                Ok(found) => entries.extend(found),
                Err(FsError::NotFound) => {}
                Err(error) => {
                    is_whole = false;
                    self.problems.push(unread(&dir, error));
                }
            }
        }
        let mut changed = BTreeSet::new();
        if is_whole {
            let there: BTreeSet<_> = entries.iter().map(|entry| &entry.path).collect();
            // What others have told counts once it was read. An own file that is gone tells nobody anything.
            let is_mine = |log: &LineLog| !log.is_copy && looking.me == Some(&log.owner.instance);
            let lost = logs.iter().filter(|(path, log)| is_mine(log) && !there.contains(path));
            changed.extend(lost.map(|(path, _)| path.clone()));
            changed.iter().for_each(|path| drop(logs.remove(path)));
        }
        let near = |name: &str| {
            let is_own = |of: &str| line_log_name(of).is_some_and(|of| !of.is_copy);
            let of = line_log_name(original_within(name, &entries, is_own)?)?;
            Some(Plain { is_copy: true, ..of })
        };
        let found = |entry: &Entry| match logs.contains_key(&entry.path) {
            true => Named::Before,
            false => Named::of(line_log_name(entry.name()).or_else(|| near(entry.name()))),
        };
        let names: Vec<_> = entries.iter().map(found).collect();
        for (entry, name) in entries.into_iter().zip(names).filter(|(entry, _)| entry.kind == EntryKind::File)
        {
            let new = match name {
                Named::Before => None,
                Named::Now(name) if looking.copies || !name.is_copy => {
                    let is_copy = name.is_copy || entry.path.parent().as_ref() != Some(&main);
                    Some((name.owner, is_copy))
                }
                Named::Now(_) => continue,
                Named::Not => {
                    if looking.copies {
                        self.note_foreign(&entry);
                    }
                    continue;
                }
            };
            let log = logs.get(&entry.path);
            let owner = new.as_ref().map(|(owner, is_copy)| (owner, *is_copy));
            let owner = owner.or_else(|| log.map(|log| (&log.owner, log.is_copy)));
            let mine = owner.is_some_and(|(owner, is_copy)| looking.me == Some(&owner.instance) && !is_copy);
            match self.read(fs, looking, &entry, LINES_BYTES_MAX, log.map(|log| &log.held), mine) {
                Ok(None) => {}
                Ok(Some(held)) => {
                    changed.insert(entry.path.clone());
                    match (new, logs.get_mut(&entry.path)) {
                        (Some((owner, is_copy)), _) => {
                            logs.insert(entry.path, LineLog { owner, is_copy, held });
                        }
                        (None, Some(log)) => log.held = held,
                        (None, None) => {}
                    }
                }
                Err(error) => {
                    is_whole = false;
                    self.problems.push(unread(&entry.path, error));
                }
            }
        }
        self.seen.note(&main, digest.filter(|_| is_whole));
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
            return Ok(Some(Held { content, len: entry.len, modified: entry.modified, is_more: false }));
        };
        let is_same = content == old.content;
        // Zeros in place of an own file are found by their being there, and written over.
        let is_own = looking.own.contains_key(&entry.path);
        let may_be_part =
            content.len() < old.content.len() || content.len() == old.content.len() && !is_own && !is_same;
        let less = !newest && may_be_part && is_part(content.bytes(), old.content.bytes());
        let content = if less || is_same { old.content.clone() } else { content };
        let new = Held { content, len: entry.len, modified: entry.modified, is_more: less };
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

/// Whether a problem is one of a file below a directory.
fn is_below(problem: &Problem, dir: &Path) -> bool {
    problem.file.strip_prefix(dir.name()).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether some bytes are a beginning of others, but for zeros at their end.
fn is_part(bytes: &[u8], whole: &[u8]) -> bool {
    let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
    whole.starts_with(&bytes[..end])
}

/// What a file that could not be read is called.
#[must_use]
pub fn unread(path: &Path, error: FsError) -> Problem {
    let kind = if error == FsError::NotLocal { ProblemKind::NotLocal } else { ProblemKind::Unreadable };
    Problem::of(path.name(), kind, error.to_string())
}
