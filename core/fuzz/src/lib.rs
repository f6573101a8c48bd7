//! What the fuzz targets ask of the files of notes: no panic, no memory that only a length asks for, no wrong record.
//!
//! How to run them is in the folder's README. Memory is libFuzzer's to watch (`-malloc_limit_mb`). A *wrong record* is
//! one that the bytes do not say: what is read is compared with what the same bytes say in another way, by a reader
//! that is as simple as the format, by their parts, or by writing it down again.

use std::panic;
use std::sync::Once;

use cloudchamber_core::Content;
use cloudchamber_core::notes::Kind;
use cloudchamber_core::notes::checked::CheckedLog;
use cloudchamber_core::notes::crdt_log::{LOG_HEADER, LogFile, LogHeader, LogRecord, LogTail, log_record};
use cloudchamber_core::notes::lines::{
    By, LineFile, activity_line, activity_log as read_activity_log, deletion_line,
    deletion_log as read_deletion_log, old_activity_line,
};
use cloudchamber_core::notes::load::{Loaded, Log, Snapshot};
use cloudchamber_core::notes::names::is_id;
use cloudchamber_core::notes::snapshot::{
    SEAL_BYTES, SEAL_MARK, Seal, SnapshotFile, sealed_snapshot, snapshot as plain_snapshot,
};

/// Has a panic end the process, but for one of the decoder of Yjs: the notes' own code catches that, and has to go on.
fn only_the_decoder_may_panic() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|at| at.file().contains("/yrs-")) {
                // libFuzzer's own hook: it tells what happened, and ends the process.
                before(info);
            }
        }));
    });
}

/// A number between 0 and `most`, made of the last two bytes of the input.
fn place(bytes: &[u8], most: usize) -> usize {
    let last = bytes.iter().rev().take(2).fold(0_usize, |all, &byte| all << 8 | usize::from(byte));
    last % (most + 1)
}

/// A `.crdtlog` file: its records are those that a simple reader finds, those of a part of it are the first of them, and
/// a document can be made of them.
pub fn crdt_log(bytes: &[u8]) {
    only_the_decoder_may_panic();
    let with_header = [&LOG_HEADER[..], bytes].concat();
    for bytes in [bytes, &with_header] {
        let file = LogFile::read(bytes);
        assert!(file.good_end <= bytes.len() as u64);
        let simple = simple_records(bytes);
        let same = file.records.iter().zip(&simple).take_while(|(one, other)| one == other).count();
        // Behind the first piece that is no record the reader looks for more, which a simple one does not.
        assert!(same == simple.len(), "{:?} and {simple:?}", file.records);
        assert!(same == file.records.len() || !file.foreign.is_empty(), "{:?}: {simple:?}", file.records);
        if file.header != LogHeader::Whole {
            assert!(file.records.is_empty());
        }
        for record in &file.records {
            let data = &bytes[record.data.clone()];
            let again = [&LOG_HEADER[..], &log_record(record.time_ms, record.seq, data)].concat();
            let read = LogFile::read(&again);
            let [only] = &read.records[..] else { panic!("{record:?} is written and not read") };
            assert_eq!((only.time_ms, only.seq, &again[only.data.clone()]), (record.time_ms, record.seq, data));
        }
        let cut = place(bytes, bytes.len());
        let part = LogFile::read(&bytes[..cut]);
        if file.foreign.is_empty() {
            assert!(file.records.starts_with(&part.records), "cut at {cut}");
        }
        if part.tail == LogTail::Open && part.foreign.is_empty() && part.header == LogHeader::Whole {
            assert_eq!(part.good_end, cut as u64);
        }
        for kind in [Kind::Records, Kind::Yjs] {
            let checked = CheckedLog::read(kind, bytes);
            assert!(checked.good().all(|record| file.records.contains(record)));
        }
        let content = Content::new(bytes);
        let log =
            Log { name: "notes/n/logs/p.i.1.crdtlog", instance: "i", content: &content, time_ms: 1, is_copy: false };
        let loaded = Loaded::of(Kind::Yjs, [log], []);
        let document = Kind::Yjs.document(&loaded.parts);
        assert!(document.refused.len() <= loaded.parts.records.len());
    }
}

/// The records before the first piece that is none, read as the format is told in one sentence.
fn simple_records(bytes: &[u8]) -> Vec<LogRecord> {
    let mut found = Vec::new();
    let Some(mut rest) = bytes.strip_prefix(&LOG_HEADER) else { return found };
    loop {
        let at = bytes.len() - rest.len();
        let Some((len, after)) = simple_number(rest) else { return found };
        let Some(body) = usize::try_from(len).ok().and_then(|len| after.get(..len)).filter(|_| len > 0) else {
            return found;
        };
        let Some((time, after_time)) = body.split_first_chunk::<8>() else { return found };
        let Some((seq, data)) = simple_number(after_time) else { return found };
        rest = &after[body.len()..];
        let end = bytes.len() - rest.len();
        let time_ms = u64::from_be_bytes(*time);
        found.push(LogRecord { at: at as u64, time_ms, seq, data: end - data.len()..end });
    }
}

/// A LEB128 number of at most 64 bits in at most ten bytes, and what follows it.
fn simple_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().take(10).position(|byte| byte & 0x80 == 0)?;
    let mut number = 0_u128;
    for (place, byte) in bytes[..=end].iter().enumerate() {
        number |= u128::from(byte & 0x7f) << (7 * place);
    }
    Some((u64::try_from(number).ok()?, &bytes[end + 1..]))
}

/// A `.snapshot` file: what is read of it is written to the same meaning, no byte of a sealed one can change, no part of
/// one is sound, and a document can be made of it.
pub fn snapshot(bytes: &[u8]) {
    only_the_decoder_may_panic();
    let with_header = [b"NCSS\x01\x01", bytes].concat();
    for bytes in [bytes, &with_header] {
        if let Ok(file) = SnapshotFile::read(bytes) {
            let state = &bytes[file.state.clone()];
            let sealed = sealed_snapshot(&file.clock, state);
            let again = SnapshotFile::read(&sealed).expect("what was written is read");
            assert_eq!((&again.clock, again.seal, again.is_complete), (&file.clock, Seal::Sound, true));
            assert_eq!(&sealed[again.state], state);
            let plain = plain_snapshot(file.is_complete, &file.clock, state);
            assert_eq!(SnapshotFile::read(&plain).expect("what was written is read").clock, file.clock);
            is_sound_as_it_is_only(&sealed, bytes);
            if file.seal == Seal::Sound {
                is_sound_as_it_is_only(bytes, bytes);
            }
        }
        let content = Content::new(bytes);
        let snapshot = Snapshot { name: "notes/n/snapshots/i_1.snapshot", content: &content, is_copy: false };
        let loaded = Loaded::of(Kind::Yjs, [], [snapshot]);
        assert!(loaded.parts.states.len() <= 1);
        let document = Kind::Yjs.document(&loaded.parts);
        assert!(document.refused.is_empty(), "there are no records to refuse");
    }
}

/// No other bytes that come of a sealed file by a cut, by zeros or by another byte have a sound seal.
fn is_sound_as_it_is_only(sealed: &[u8], input: &[u8]) {
    let sound = |bytes: &[u8]| SnapshotFile::read(bytes).is_ok_and(|file| file.seal == Seal::Sound);
    let body = &sealed[..sealed.len() - SEAL_BYTES];
    if body.windows(SEAL_MARK.len()).any(|part| part == SEAL_MARK) {
        // An update that has a whole sealed file in it was made to be one, and is that file where it is cut behind it.
        return;
    }
    let at = place(input, sealed.len() - 1);
    assert!(!sound(&sealed[..at]), "cut at {at}");
    let mut other = sealed.to_vec();
    other[at..].fill(0);
    assert!(other == sealed || !sound(&other), "zeros from {at} on");
    other.copy_from_slice(sealed);
    other[at] ^= 1 + input.first().copied().unwrap_or(0) % 255;
    assert!(!sound(&other), "another byte at {at}");
}

/// An activity log: entries are ids and numbers that their lines hold, and say the same when they are written again.
pub fn activity_log(bytes: &[u8]) {
    only_the_decoder_may_panic();
    let file = read_activity_log(bytes);
    for (line, entry) in &file.entries {
        let by = match &entry.by {
            By::Instance(instance) => instance,
            By::Profile(profile) => profile,
        };
        assert!(is_id(&entry.note) && is_id(by), "{entry:?}");
        // The zeros before a number are no part of it.
        holds(bytes, *line, &[&entry.note, by, &entry.seq.to_string()]);
        let again = match &entry.by {
            By::Instance(instance) => old_activity_line(&entry.note, instance, entry.seq),
            By::Profile(profile) => activity_line(&entry.note, profile, entry.seq),
        };
        assert_eq!(read_activity_log(again.as_bytes()).entries, [(1, entry.clone())]);
    }
    of_parts(bytes, &file, read_activity_log);
}

/// A deletion log: entries are ids that their lines hold, and say the same when they are written again.
pub fn deletion_log(bytes: &[u8]) {
    only_the_decoder_may_panic();
    let file = read_deletion_log(bytes);
    for (line, entry) in &file.entries {
        assert!(is_id(&entry.note), "{entry:?}");
        holds(bytes, *line, &[&entry.note]);
        if let Some(time_ms) = entry.time_ms {
            holds(bytes, *line, &[&time_ms.to_string()]);
            let again = deletion_line(&entry.note, time_ms);
            assert_eq!(read_deletion_log(again.as_bytes()).entries, [(1, entry.clone())]);
        }
    }
    of_parts(bytes, &file, read_deletion_log);
}

/// Whether a line holds some texts, one after the other.
fn holds(bytes: &[u8], line: u32, texts: &[&str]) {
    let number = usize::try_from(line).expect("a line's number") - 1;
    let mut rest = bytes.split(|&byte| byte == b'\n').nth(number).expect("there is such a line");
    for text in texts {
        let at = rest.windows(text.len()).position(|part| part == text.as_bytes());
        rest = &rest[at.unwrap_or_else(|| panic!("line {line} does not hold {text}")) + text.len()..];
    }
}

/// The entries of a file are those of its lines up to any of them, and then those of the rest.
fn of_parts<T: Clone + PartialEq + std::fmt::Debug>(
    bytes: &[u8],
    file: &LineFile<T>,
    read: impl Fn(&[u8]) -> LineFile<T>,
) {
    let ends: Vec<usize> = (1..=bytes.len()).filter(|end| bytes[end - 1] == b'\n').collect();
    assert!(file.lines as usize == ends.len() || file.odd.iter().any(|(line, _)| *line == 0), "{}", file.lines);
    let Some(&end) = ends.get(place(bytes, ends.len())) else { return };
    let (first, second) = bytes.split_at(end);
    // A mark at the front is one of the file, and not of what comes later.
    let marks: [&[u8]; 3] = [b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"];
    if marks.iter().any(|mark| first.starts_with(mark) || second.starts_with(mark)) {
        return;
    }
    let (first, second) = (read(first), read(second));
    let later = second.entries.into_iter().map(|(line, entry)| (line + first.lines, entry));
    let all: Vec<_> = first.entries.into_iter().chain(later).collect();
    assert_eq!(file.entries, all, "cut at {end}");
}
