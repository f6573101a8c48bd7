//! Log files: `NCLG`, a version, and records `length, time, sequence, update`; a length of 0 closes the file.
//!
//! The format is upstream's (drewcsillag/notecove at 2f4f888, STORAGE-FORMAT-DESIGN): lengths and sequences are
//! LEB128, times are 8 bytes, the highest first, in milliseconds. A record has no checksum, so a reader looks at the
//! update as well before it counts (see [`update`](super::update)).
//!
//! *Crash:* a file ends anywhere, or in NUL bytes. *Elsewhere:* any prefix. Neither is an error: [`LogFile`] has the
//! complete records, and says how the file ends.

use std::ops::Range;

use super::varint::{Varint, read_varint, varint_len, write_varint};
use crate::kit::log::{Front, Rest, read};

/// How every log file begins.
pub const LOG_HEADER: [u8; 5] = *b"NCLG\x01";

/// What closes a file to which nothing will be added.
pub const LOG_END: u8 = 0;

/// From this length on a writer closes its file and begins another, in bytes (STORAGE-FORMAT-DESIGN).
pub const ROTATE_BYTES: u64 = 10 * 1024 * 1024;

/// The bytes of a record's time.
const TIME_BYTES: usize = 8;

/// One complete record of a file, as places in its bytes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct LogRecord {
    /// Where it begins.
    pub at: u64,
    /// When it was written, in ms since 1970, in the opinion of its writer.
    pub time_ms: u64,
    /// Its number among those of its instance and note.
    pub seq: u64,
    /// Where its update stands.
    pub data: Range<usize>,
}

/// What stands at the beginning of a log file.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LogHeader {
    /// The header.
    Whole,
    /// A part of it, or nothing, or NUL bytes: the file has not come yet.
    Cut,
    /// Something else: the file is no log, or of a version that is not known.
    Foreign,
}

/// What a log file ends with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LogTail {
    /// A whole record, or the header.
    Open,
    /// The mark that nothing will be added.
    Closed,
    /// The beginning of a record.
    Cut,
    /// NUL bytes, as a crash leaves them.
    Nul,
}

/// A log file, read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LogFile {
    /// What it begins with.
    pub header: LogHeader,
    /// Its complete records, in the order of the file.
    pub records: Vec<LogRecord>,
    /// Pieces that are no record and never will be: offset and length.
    pub foreign: Vec<(u64, u64)>,
    /// The offset behind the last record: where the next one belongs. 0 if the header is not whole.
    pub good_end: u64,
    /// What it ends with.
    pub tail: LogTail,
}

impl LogFile {
    /// Reads a file, whatever it holds.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        let none = |header| Self {
            header,
            records: Vec::new(),
            foreign: Vec::new(),
            good_end: 0,
            tail: LogTail::Cut,
        };
        let Some((header, rest)) = bytes.split_at_checked(LOG_HEADER.len()) else {
            let begins = LOG_HEADER.starts_with(bytes) || bytes.iter().all(|&byte| byte == 0);
            return none(if begins { LogHeader::Cut } else { LogHeader::Foreign });
        };
        if header != LOG_HEADER {
            let empty = bytes.iter().all(|&byte| byte == 0);
            return none(if empty { LogHeader::Cut } else { LogHeader::Foreign });
        }
        let found = read(rest, LOG_HEADER.len() as u64, record);
        let mut good_end = LOG_HEADER.len() as u64;
        let mut records = Vec::with_capacity(found.records.len());
        for (at, (record, len)) in found.records {
            let start = usize::try_from(at).expect("an offset within the bytes");
            good_end = at + len as u64;
            let data = start + record.data.start..start + record.data.end;
            records.push(LogRecord { at, data, ..record });
        }
        let tail = match found.rest {
            Rest::None => LogTail::Open,
            Rest::Cut(_) => LogTail::Cut,
            Rest::Nul(1) => LogTail::Closed,
            Rest::Nul(_) => LogTail::Nul,
        };
        Self { header: LogHeader::Whole, records, foreign: found.foreign, good_end, tail }
    }

    /// Whether a writer may append to it: it is whole up to its end, and open.
    #[must_use]
    pub fn can_grow(&self) -> bool {
        self.header == LogHeader::Whole && self.tail == LogTail::Open && self.foreign.is_empty()
    }
}

/// Takes one record off the front of some bytes.
fn record(bytes: &[u8]) -> Front<(LogRecord, usize)> {
    let (len, prefix) = match read_varint(bytes) {
        // Not a closing mark, since something stands behind it, and none of a record is so short.
        Varint::Number(0, _) | Varint::Overflow => return Front::Foreign(bytes.len()),
        Varint::Cut => return Front::Cut,
        Varint::Number(len, prefix) => (len, prefix),
    };
    let whole = usize::try_from(len).ok().and_then(|len| len.checked_add(prefix));
    let Some(whole) = whole.filter(|&whole| whole <= bytes.len()) else { return Front::Cut };
    let body = &bytes[prefix..whole];
    let Some((time, body)) = body.split_first_chunk::<TIME_BYTES>() else { return Front::Foreign(whole) };
    let Varint::Number(seq, seq_len) = read_varint(body) else { return Front::Foreign(whole) };
    let data = prefix + TIME_BYTES + seq_len..whole;
    Front::Record((LogRecord { at: 0, time_ms: u64::from_be_bytes(*time), seq, data }, whole), whole)
}

/// The bytes of one record.
#[must_use]
pub fn log_record(time_ms: u64, seq: u64, data: &[u8]) -> Vec<u8> {
    let len = TIME_BYTES + varint_len(seq) + data.len();
    let mut bytes = Vec::with_capacity(len + VARINT_ROOM);
    write_varint(&mut bytes, len as u64);
    bytes.extend(time_ms.to_be_bytes());
    write_varint(&mut bytes, seq);
    bytes.extend(data);
    bytes
}

/// Room for the length of a record.
const VARINT_ROOM: usize = super::varint::VARINT_BYTES_MAX;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_says_how_it_ends() {
        let mut bytes = LOG_HEADER.to_vec();
        let tail = |bytes: &[u8]| {
            let file = LogFile::read(bytes);
            (file.header, file.records.len(), file.tail, file.foreign.len())
        };
        assert_eq!(tail(b""), (LogHeader::Cut, 0, LogTail::Cut, 0));
        assert_eq!(tail(b"NCL"), (LogHeader::Cut, 0, LogTail::Cut, 0));
        assert_eq!(tail(&[0; 40]), (LogHeader::Cut, 0, LogTail::Cut, 0));
        assert_eq!(tail(b"NCLG\x02"), (LogHeader::Foreign, 0, LogTail::Cut, 0));
        assert_eq!(tail(b"NCX"), (LogHeader::Foreign, 0, LogTail::Cut, 0));
        assert_eq!(tail(&bytes), (LogHeader::Whole, 0, LogTail::Open, 0));
        bytes.extend(log_record(7, 1, b"ab"));
        assert_eq!(tail(&bytes), (LogHeader::Whole, 1, LogTail::Open, 0));
        assert_eq!(tail(&[&bytes[..], &[0]].concat()), (LogHeader::Whole, 1, LogTail::Closed, 0));
        assert_eq!(tail(&[&bytes[..], &[0; 9]].concat()), (LogHeader::Whole, 1, LogTail::Nul, 0));
        assert_eq!(tail(&[&bytes[..], &[0, 1]].concat()), (LogHeader::Whole, 1, LogTail::Open, 1));
        assert_eq!(tail(&bytes[..bytes.len() - 1]), (LogHeader::Whole, 0, LogTail::Cut, 0));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_at_every_cut(
            records in prop::collection::vec((any::<u64>(), any::<u64>(), prop::collection::vec(any::<u8>(), 0..300)), 0..6),
        ) {
            let mut bytes = LOG_HEADER.to_vec();
            let mut ends = vec![bytes.len()];
            for (time_ms, seq, data) in &records {
                bytes.extend(log_record(*time_ms, *seq, data));
                ends.push(bytes.len());
            }
            for cut in 0..=bytes.len() {
                let file = LogFile::read(&bytes[..cut]);
                let whole = ends.iter().filter(|&&end| end <= cut).count().saturating_sub(1);
                prop_assert_eq!(file.records.len(), whole);
                prop_assert_eq!(file.good_end, if cut < 5 { 0 } else { ends[whole] as u64 });
                prop_assert_eq!(file.foreign, vec![]);
                for (found, (time_ms, seq, data)) in file.records.iter().zip(&records) {
                    prop_assert_eq!((found.time_ms, found.seq), (*time_ms, *seq));
                    prop_assert_eq!(&bytes[found.data.clone()], &data[..]);
                }
            }
        }

        #[test]
        fn bytes_of_nobody_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..200), whole in any::<bool>()) {
            let bytes = if whole { [&LOG_HEADER[..], &bytes].concat() } else { bytes };
            let file = LogFile::read(&bytes);
            for record in &file.records {
                prop_assert!(record.data.end <= bytes.len() && record.data.start <= record.data.end);
            }
            prop_assert!(file.good_end <= bytes.len() as u64);
        }
    }
}
