//! What is said again, under the own id of now, of files that nobody writes any more.
//!
//! A file that nobody writes is mended by nobody, so an older one that comes back stays. Whoever had read the later one
//! shows more than those who read the folder for the first time, until it is said again. Its bytes are the same, so it
//! counts once, however many say it.
//!
//! # What is said again, and when
//! - What this instance wrote under the ids that it had before: at once, when the own files are opened. The shadows
//!   remember it, and what was read while the process lives. What the files were is kept, as that of the files of now is, so
//!   that a look finds what changed.
//! - What was read of others' logs while the process lives and the folder has not: once it has lacked for as long as lies
//!   between two full scans, in which an owner that runs writes it again. Of several who remember it each waits a little
//!   longer than the one before it by id, so that one usually does it.
//! - What a snapshot alone held, be it one's own or another's: as a snapshot of all that is here, after the same time.
//! - Where most of the others' logs lack at once, the folder is not the one that was read, and nothing is said again.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::own::{Away, Left, Own, Repair, list};
use super::{Context, Depth, Instance};
use crate::kit::guard::{Limit, Tally};
use crate::notes::checked::CheckedLog;
use crate::notes::config::Config;
use crate::notes::crdt_log::{LogFile, LogRecord};
use crate::notes::document::Kind;
use crate::notes::names::{log_name, logs_dir, shadows};
use crate::notes::protocol::Event;
use crate::notes::shelf::{NoteFile, NoteFiles};
use crate::{Content, EntryKind, Fs, FsError, FsOp, Path, WallMs};

/// Into so many parts the time between two full scans is divided: so much longer each one waits than the one before it.
const TURNS: u64 = 8;

/// A record that is remembered.
struct Remembered {
    /// The file that it is remembered from.
    file: Path,
    time_ms: u64,
    seq: u64,
    data: Vec<u8>,
}

impl Remembered {
    fn of(file: &Path, content: &Content, record: &LogRecord) -> Self {
        let data = content.bytes()[record.data.clone()].to_vec();
        Self { file: file.clone(), time_ms: record.time_ms, seq: record.seq, data }
    }
}

/// What is written again.
#[derive(Default)]
struct Again {
    ops: Vec<FsOp>,
    /// Each record in words.
    words: Vec<String>,
    /// The numbers that they get.
    numbers: Vec<u64>,
}

impl Own {
    /// Plans to write again what was written under earlier ids and the folder lacks.
    pub(super) fn republish(&mut self, repair: &mut Repair<'_>) -> Result<(), Away> {
        let opening = repair.opening;
        let (fs, shelf, config) = (opening.fs, opening.shelf, opening.config);
        for before in self.identity.before.clone() {
            let shadowed = list(fs, &shadows(&before))?;
            let shadowed = shadowed.iter().map(|directory| Arc::from(directory.file_name()));
            let read = shelf.notes.iter().filter(|(_, files)| files_of(files, &before).next().is_some());
            let notes: BTreeSet<Arc<str>> = shadowed.chain(read.map(|(note, _)| note.clone())).collect();
            for note in notes.into_iter().filter(|note| !(opening.is_gone)(note)) {
                let files = shelf.notes.get(&note).map(|files| &**files);
                let remembered = remembered(fs, config.kind, &note, &before, files)?;
                let again = self.say_again(fs, config, &note, files, remembered)?;
                repair.ops.extend(again.ops);
                repair.words.extend(again.words);
                self.note_left(fs, &note, &before, files)?;
            }
        }
        Ok(())
    }

    /// Plans to write what the folder lacks of what is remembered of a note.
    fn say_again(
        &mut self,
        fs: &dyn Fs,
        config: &Config,
        note: &Arc<str>,
        files: Option<&NoteFiles>,
        remembered: Vec<Remembered>,
    ) -> Result<Again, Away> {
        let mut there = there(fs, config.kind, files)?;
        for own in self.notes.get(note).into_iter().flat_map(|own| &own.files) {
            let bytes = own.content.bytes();
            there.extend(LogFile::read(bytes).records.into_iter().map(|one| bytes[one.data].to_vec()));
        }
        let mut again = Again::default();
        for Remembered { file, time_ms, seq, data } in remembered {
            if there.insert(data.clone()) {
                let time = WallMs(i64::try_from(time_ms).unwrap_or(0));
                let written = self.append(&config.profile, note, &data, time);
                again.ops.extend(written.ops);
                again.words.push(format!("{file}: number {seq} is written again as {}", written.seq));
                again.numbers.push(written.seq);
            }
        }
        Ok(again)
    }

    /// Takes note of what the files of a note under an earlier id are.
    fn note_left(
        &mut self,
        fs: &dyn Fs,
        note: &str,
        before: &str,
        files: Option<&NoteFiles>,
    ) -> Result<(), Away> {
        let dir = logs_dir(note);
        let entries = match fs.list(&dir) {
            Ok(entries) => entries,
            Err(FsError::NotFound) => return Ok(()),
            Err(error) => return Err((dir, error)),
        };
        let is_left =
            |name: &str| log_name(name).is_some_and(|name| !name.is_copy && name.owner.instance == before);
        let left = entries.into_iter().filter(|entry| entry.kind == EntryKind::File && is_left(entry.name()));
        let digest =
            |path: &Path| files.and_then(|files| files.logs.get(path)).map(|file| file.held.content.digest());
        let left = left.map(|entry| {
            let left = Left { len: entry.len, digest: digest(&entry.path) };
            (entry.path, left)
        });
        self.left.extend(left);
        Ok(())
    }

    /// Forgets the files of a note under earlier ids.
    pub(super) fn forget_left(&mut self, note: &str) {
        let dir = logs_dir(note);
        self.left.retain(|path, _| path.parent().as_ref() != Some(&dir));
    }
}

impl Instance {
    /// Takes note of the notes of which the folder lacks what was read of others or in a snapshot alone.
    pub(super) fn note_lacking(&mut self, config: &Config, depth: Depth, cx: Context<'_, '_>) {
        if depth == Depth::Hints {
            return;
        }
        let now = cx.now().mono;
        let lacks = |files: &NoteFiles| {
            self.lacking_of(files).next().is_some() || files.alone(config.kind).next().is_some()
        };
        let lacking = self.shelf.notes.iter().filter(|(_, files)| lacks(files));
        let since = |note: &Arc<str>| self.lacking.get(note).copied().unwrap_or(now);
        self.lacking = lacking.map(|(note, _)| (note.clone(), since(note))).collect();
    }

    /// The logs of others in a note of which the folder lacks something. The own ones are written again at once.
    pub(super) fn lacking_of<'a>(
        &'a self,
        files: &'a NoteFiles,
    ) -> impl Iterator<Item = (&'a Path, &'a NoteFile)> {
        let mine = |instance: &str| self.own.as_ref().is_none_or(|own| own.is_mine(instance));
        let lacking = files.lacking.iter().filter_map(|path| files.logs.get_key_value(path));
        lacking.filter(move |(_, file)| !mine(&file.name.owner.instance))
    }

    /// Says again what the folder has lacked for long. Says whether it writes.
    pub(super) fn uphold(&mut self, config: &Config, cx: Context<'_, '_>) -> bool {
        let now = cx.now().mono;
        let due =
            self.lacking.iter().filter(|(note, since)| now.since(**since) >= self.patience_ms(config, note));
        let due: Vec<Arc<str>> = due.map(|(note, _)| note.clone()).collect();
        if due.is_empty() || Limit::USUAL.lack(self.others_logs()).is_some() {
            return false;
        }
        for note in due {
            self.lacking.insert(note.clone(), now);
            let Some(files) = self.shelf.notes.get(&note) else { continue };
            let logs = self.lacking_of(files);
            let kind = config.kind;
            let remembered = logs.flat_map(|(path, file)| records(path, &file.held.content, kind)).collect();
            let Some(own) = &mut self.own else { return false };
            // What cannot be read now may be what lacks: it is looked at again after the same time.
            let again = own.say_again(cx.fs(), config, &note, Some(files), remembered);
            let Ok(again) = again else { continue };
            if !again.ops.is_empty() {
                let known =
                    self.known.entry(note.clone()).or_default().entry(own.instance().to_owned()).or_default();
                for number in again.numbers {
                    known.insert(number);
                }
                self.write(again.ops, again.words.into_iter().map(Event::Repaired).collect(), cx);
                return true;
            }
            let files = self.shelf.notes.get(&note);
            let is_alone = files.is_some_and(|files| files.alone(kind).next().is_some());
            // Where records are missing or wait, it is tried again after the same time.
            if is_alone && self.snapshot(config, &note, cx).is_ok() {
                return true;
            }
        }
        false
    }

    /// How long what lacks of a note is left to others.
    fn patience_ms(&self, config: &Config, note: &Arc<str>) -> u64 {
        let full_scan_ms = config.timing.full_scan_ms;
        let me = self.own.as_ref().map_or("", |own| own.instance());
        let known = self.known.get(note).into_iter().flatten();
        let turn = known.filter(|(instance, _)| instance.as_str() < me).count() as u64;
        full_scan_ms.saturating_add(full_scan_ms / TURNS * turn.min(TURNS))
    }

    /// How many logs of others were read, and how many of them the folder has not as they were.
    fn others_logs(&self) -> Tally {
        let mine = |instance: &str| self.own.as_ref().is_some_and(|own| own.is_mine(instance));
        let logs = self.shelf.notes.values().flat_map(|files| files.logs.values());
        let known = logs.filter(|file| !file.name.is_copy && !mine(&file.name.owner.instance)).count();
        let older = self.shelf.notes.values().map(|files| self.lacking_of(files).count()).sum::<usize>();
        Tally { known: known as u64, gone: 0, older: older as u64 }
    }
}

/// The files of a note that were written under an id.
fn files_of<'a>(files: &'a NoteFiles, id: &'a str) -> impl Iterator<Item = (&'a Path, &'a NoteFile)> {
    files.logs.iter().filter(move |(_, file)| file.name.owner.instance == id)
}

/// What is remembered of a note under an earlier id: by its shadow, and by the files as they were read.
fn remembered(
    fs: &dyn Fs,
    kind: Kind,
    note: &str,
    before: &str,
    files: Option<&NoteFiles>,
) -> Result<Vec<Remembered>, Away> {
    let mut all = Vec::new();
    for shadow in list(fs, &shadows(before).join(note))? {
        let content = fs.read(&shadow, 0).map_err(|error| (shadow.clone(), error))?;
        // What this machine wrote is sound, also where nobody else could tell.
        let file = LogFile::read(content.bytes());
        all.extend(file.records.iter().map(|record| Remembered::of(&shadow, &content, record)));
    }
    let read = files.into_iter().flat_map(|files| files_of(files, before));
    all.extend(read.flat_map(|(path, file)| records(path, &file.held.content, kind)));
    Ok(all)
}

/// The records of a log that can be read.
fn records(file: &Path, content: &Content, kind: Kind) -> Vec<Remembered> {
    let checked = content.parsed(CheckedLog::parser(kind));
    checked.good().map(|record| Remembered::of(file, content, record)).collect()
}

/// What the files of a note hold that are in the folder now.
fn there(fs: &dyn Fs, kind: Kind, files: Option<&NoteFiles>) -> Result<BTreeSet<Vec<u8>>, Away> {
    let mut there = BTreeSet::new();
    for (path, file) in files.into_iter().flat_map(|files| &files.logs) {
        // The shelf keeps what is gone from the folder; others have only what is there.
        let content: Content = match fs.read(path, 0) {
            Ok(content) => content,
            Err(FsError::NotLocal) => file.held.content.clone(),
            Err(FsError::NotFound) => continue,
            Err(error) => return Err((path.clone(), error)),
        };
        let checked = content.parsed(CheckedLog::parser(kind));
        let bytes = content.bytes();
        there.extend(checked.good().map(|record| bytes[record.data.clone()].to_vec()));
    }
    Ok(there)
}
