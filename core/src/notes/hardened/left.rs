//! What this instance wrote under the ids that it had before.
//!
//! It writes those files no more, and nobody else does, so an older one that comes back stays. What the folder lacks of
//! what the shadows hold, and of what was read while the process lives, is written again under the id of now: whoever reads
//! the folder for the first time would not hear of it. The lengths of the files are kept, as those of the files of now are,
//! so that a look finds what changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::own::{Away, Own, Repair, list};
use crate::notes::checked::CheckedLog;
use crate::notes::crdt_log::LogFile;
use crate::notes::document::Kind;
use crate::notes::names::{log_name, logs_dir, shadows};
use crate::notes::shelf::{NoteFile, NoteFiles};
use crate::{Content, EntryKind, Fs, FsError, Path, WallMs};

/// A record that was written under an earlier id.
struct Left {
    /// The file that it is remembered from.
    file: Path,
    time_ms: u64,
    seq: u64,
    data: Vec<u8>,
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
                let left = left(fs, config.kind, &note, &before, files)?;
                let mut there = there(fs, config.kind, files)?;
                for own in self.notes.get(&note).into_iter().flat_map(|own| &own.files) {
                    let bytes = own.content.bytes();
                    there
                        .extend(LogFile::read(bytes).records.into_iter().map(|one| bytes[one.data].to_vec()));
                }
                for record in left {
                    if there.insert(record.data.clone()) {
                        let time = WallMs(i64::try_from(record.time_ms).unwrap_or(0));
                        let written = self.append(&config.profile, &note, &record.data, time);
                        repair.ops.extend(written.ops);
                        repair.words.push(format!(
                            "{}: number {} is written again as {}",
                            record.file, record.seq, written.seq
                        ));
                    }
                }
                self.note_left(fs, &note, &before)?;
            }
        }
        Ok(())
    }

    /// Takes note of how long the files of a note under an earlier id are.
    fn note_left(&mut self, fs: &dyn Fs, note: &str, before: &str) -> Result<(), Away> {
        let dir = logs_dir(note);
        let entries = match fs.list(&dir) {
            Ok(entries) => entries,
            Err(FsError::NotFound) => return Ok(()),
            Err(error) => return Err((dir, error)),
        };
        let is_left =
            |name: &str| log_name(name).is_some_and(|name| !name.is_copy && name.owner.instance == before);
        let left = entries.into_iter().filter(|entry| entry.kind == EntryKind::File && is_left(entry.name()));
        self.left.extend(left.map(|entry| (entry.path, entry.len)));
        Ok(())
    }

    /// Forgets the files of a note under earlier ids.
    pub(super) fn forget_left(&mut self, note: &str) {
        let dir = logs_dir(note);
        self.left.retain(|path, _| path.parent().as_ref() != Some(&dir));
    }
}

/// The files of a note that were written under an id.
fn files_of<'a>(files: &'a NoteFiles, id: &'a str) -> impl Iterator<Item = (&'a Path, &'a NoteFile)> {
    files.logs.iter().filter(move |(_, file)| file.name.owner.instance == id)
}

/// What is remembered of a note under an earlier id: by its shadow, and by the files as they were read.
fn left(
    fs: &dyn Fs,
    kind: Kind,
    note: &str,
    before: &str,
    files: Option<&NoteFiles>,
) -> Result<Vec<Left>, Away> {
    let mut all = Vec::new();
    for shadow in list(fs, &shadows(before).join(note))? {
        let content = fs.read(&shadow, 0).map_err(|error| (shadow.clone(), error))?;
        let bytes = content.bytes();
        all.extend(LogFile::read(bytes).records.into_iter().map(|record| Left {
            file: shadow.clone(),
            time_ms: record.time_ms,
            seq: record.seq,
            data: bytes[record.data].to_vec(),
        }));
    }
    for (path, file) in files.into_iter().flat_map(|files| files_of(files, before)) {
        let checked = file.held.content.parsed(CheckedLog::parser(kind));
        let bytes = file.held.content.bytes();
        all.extend(checked.good().map(|record| Left {
            file: path.clone(),
            time_ms: record.time_ms,
            seq: record.seq,
            data: bytes[record.data.clone()].to_vec(),
        }));
    }
    Ok(all)
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
