//! How the published design reads a note: its cached row or the newest snapshot, and then what logs have beyond that.
//!
//! All of it as upstream's code does it (drewcsillag/notecove at 2f4f888, note-storage-manager.ts and
//! crdt-log readers), faults included:
//! - The newest snapshot by its file name is taken, if its status byte says that it is complete. Where it cannot be
//!   read then, the load fails; no other one is tried. With a cached row no snapshot is looked at.
//! - Of an instance's logs the one that the clock names is read from where the clock stands, and one whose name does
//!   not come after it is skipped, whatever it holds.
//! - Of a log the records beyond the clock's number are taken, and the largest number becomes the clock's, whether or
//!   not all before it were there.
//! - A record that is cut fails the whole load; a length that is cut does not.

use super::super::crdt_log::{LOG_HEADER, LogRecord};
use super::super::document::Kind;
use super::super::names::{Dated, log_name, logs_dir, snapshot_name, snapshots_dir};
use super::super::snapshot::{SnapshotFile, status};
use super::super::varint::{Varint, read_varint};
use super::row::{Read, Row};
use crate::{Content, EntryKind, Fs, FsError, Path};

/// Loads a note beyond what is cached of it.
///
/// # Errors
/// What was thrown, in words.
pub(super) fn load(fs: &dyn Fs, kind: Kind, note: &str, cached: Option<&Row>) -> Result<Row, String> {
    let mut row = match cached {
        Some(cached) => cached.clone(),
        None => newest_snapshot(fs, kind, note)?.unwrap_or_default(),
    };
    for (path, name) in logs(fs, note) {
        let instance = name.owner.instance;
        let file = path.file_name().to_owned();
        let clock = row.clock.get(&instance).cloned();
        let (from, start) = match &clock {
            None => (None, 0),
            Some(clock) if clock.file == file => (Some(clock.offset), clock.seq),
            Some(clock) if file <= clock.file => continue,
            Some(clock) => (None, clock.seq),
        };
        let content = match fs.read(&path, 0) {
            Ok(content) => content,
            Err(FsError::NotFound) => continue,
            Err(error) => return Err(format!("{path}: {error}")),
        };
        let bytes = content.bytes();
        if bytes.len() < LOG_HEADER.len() || !bytes.starts_with(&LOG_HEADER) {
            return Err(format!("{path}: Invalid log file: Truncated header"));
        }
        let at = from.and_then(|from| usize::try_from(from).ok()).unwrap_or(LOG_HEADER.len());
        let mut read = Read { seq: start, offset: at as u64, file };
        for record in records(bytes, at) {
            let record = record.map_err(|error| format!("{path}: {error}"))?;
            read.offset = record.data.end as u64;
            if record.seq > start {
                read.seq = read.seq.max(record.seq);
                let data = &bytes[record.data];
                // What Yjs cannot decode it throws, and the load with it.
                kind.taken(data).map_err(|why| format!("{path}: number {}: {why}", record.seq))?;
                row.records.insert((instance.clone(), record.seq), Content::new(data));
            }
        }
        row.clock.insert(instance, read);
    }
    Ok(row)
}

/// The largest number of an instance's records of a note.
pub(super) fn largest(fs: &dyn Fs, note: &str, instance: &str) -> u64 {
    let logs = logs(fs, note).into_iter().filter(|(_, name)| name.owner.instance == instance);
    let contents = logs.filter_map(|(path, _)| fs.read(&path, 0).ok());
    let seqs = contents.flat_map(|content| {
        let found: Vec<_> = records(content.bytes(), LOG_HEADER.len()).map_while(Result::ok).collect();
        found.into_iter().map(|record| record.seq)
    });
    seqs.max().unwrap_or(0)
}

/// The log files of a note, in the order of their names. Conflict copies are none.
pub(super) fn logs(fs: &dyn Fs, note: &str) -> Vec<(Path, Dated)> {
    let entries = fs.list(&logs_dir(note)).unwrap_or_default();
    let files = entries.into_iter().filter(|entry| entry.kind == EntryKind::File);
    let named = files.filter_map(|entry| log_name(entry.name()).map(|name| (entry.path, name)));
    named.filter(|(_, name)| !name.is_copy).collect()
}

/// The newest snapshot whose status byte says that it is complete; `None` if there is none.
fn newest_snapshot(fs: &dyn Fs, kind: Kind, note: &str) -> Result<Option<Row>, String> {
    let entries = fs.list(&snapshots_dir(note)).unwrap_or_default();
    let mut named: Vec<_> = entries
        .into_iter()
        .filter_map(|entry| snapshot_name(entry.name()).map(|name| (name.time_ms, entry.path)))
        .collect();
    named.sort();
    for (_, path) in named.into_iter().rev() {
        let Ok(content) = fs.read(&path, 0) else { continue };
        let bytes = content.bytes();
        if status(bytes) != Ok(true) {
            continue;
        }
        let file = SnapshotFile::read(bytes).map_err(|error| format!("{path}: {error}"))?;
        // A decoder stops where the update ends, and takes zeros for an update that says nothing.
        let state = &bytes[file.state];
        let taken = kind.taken(state).map_err(|why| format!("{path}: {why}"))?;
        let mut row = Row { states: vec![Content::new(&state[..taken])], ..Row::default() };
        for entry in file.clock {
            let read = Read { seq: entry.seq, offset: entry.offset, file: entry.file };
            row.clock.insert(entry.instance, read);
        }
        return Ok(Some(row));
    }
    Ok(None)
}

/// The records of a log from an offset on, up to the first that ends it or is thrown.
fn records(bytes: &[u8], from: usize) -> impl Iterator<Item = Result<LogRecord, &'static str>> + '_ {
    let mut at = from;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..).filter(|rest| !rest.is_empty())?;
        // A length that is cut is logged and ignored, as is one that cannot be counted.
        let Varint::Number(len, prefix) = read_varint(rest) else { return None };
        if len == 0 {
            return None;
        }
        let whole = usize::try_from(len).ok().and_then(|len| len.checked_add(prefix));
        let Some(body) = whole.and_then(|whole| rest.get(prefix..whole)) else {
            at = bytes.len();
            return Some(Err("Truncated record"));
        };
        let (time, body) = body.split_first_chunk::<8>()?;
        let Varint::Number(seq, seq_len) = read_varint(body) else { return None };
        let start = at + prefix + time.len() + seq_len;
        let record = LogRecord {
            at: at as u64,
            time_ms: u64::from_be_bytes(*time),
            seq,
            data: start..at + prefix + len as usize,
        };
        at = record.data.end;
        Some(Ok(record))
    })
}
