//! A log file whose updates were looked at: which of its records count, and what they say that can be told without a
//! document.

use std::collections::{BTreeMap, BTreeSet};

use super::crdt_log::{LogFile, LogRecord};
use super::document::Kind;
use super::{update, yjs};
use crate::kit::watermark::Numbers;

/// A log file with what is wrong with its updates.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CheckedLog {
    /// The file.
    pub file: LogFile,
    /// Records that do not count, as places in the list of records, and why.
    pub bad: BTreeMap<usize, String>,
    /// Whether the last record does not count because its end may not have come.
    pub is_last_doubtful: bool,
    /// The numbers of the records that count.
    pub numbers: Numbers,
    /// What the Yjs clients have written in the records that count.
    pub(super) runs: Vec<Run>,
    /// The ids that the records give to their note.
    pub(super) ids: BTreeSet<String>,
}

/// What one Yjs client has written in one record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Run {
    /// The client.
    pub(super) client: u64,
    /// Its clock where the run begins.
    pub(super) from: u64,
    /// Its clock where the run ends.
    pub(super) to: u64,
    /// The record, as a place in the list of records.
    pub(super) record: usize,
}

/// So many zeros at the end of a file are taken for bytes that have not come. An update may end with zeros of its own:
/// an empty list of deletions after a time in ms, which as a float ends with two. In one of 2^20 times there are more,
/// and such a record counts once another one follows it. With fewer zeros a time may be wrong by 4 seconds.
pub const ZEROS_MAX: usize = 5;

pub(super) fn ends_in_zeros(bytes: &[u8]) -> bool {
    bytes.len() >= ZEROS_MAX && bytes[bytes.len() - ZEROS_MAX..].iter().all(|&byte| byte == 0)
}

impl CheckedLog {
    /// Reads a log and looks at each update.
    #[must_use]
    pub fn read(kind: Kind, bytes: &[u8]) -> Self {
        let file = LogFile::read(bytes);
        let mut log = Self {
            file,
            bad: BTreeMap::new(),
            is_last_doubtful: false,
            numbers: Numbers::default(),
            runs: Vec::new(),
            ids: BTreeSet::new(),
        };
        let last = log.file.records.last().filter(|_| kind == Kind::Yjs && ends_in_zeros(bytes));
        log.is_last_doubtful = last.is_some_and(|last| {
            let end = last.data.end;
            bytes[..end].ends_with(&[0]) && bytes[end..].iter().all(|&byte| byte == 0)
        });
        let records = std::mem::take(&mut log.file.records);
        let certain = records.len() - usize::from(log.is_last_doubtful);
        let mut range: Option<(u64, u64)> = None;
        for (at, record) in records.iter().enumerate() {
            let data = &bytes[record.data.clone()];
            let before = log.runs.len();
            let checked = match kind {
                Kind::Records => kind.check(data),
                Kind::Yjs => log.look_at(at, data),
            };
            match checked {
                Ok(()) if at < certain => match &mut range {
                    // A log nearly always counts on.
                    Some((_, last)) if last.checked_add(1) == Some(record.seq) => *last = record.seq,
                    _ => {
                        log.count(range.replace((record.seq, record.seq)));
                    }
                },
                Ok(()) => log.runs.truncate(before),
                Err(why) => {
                    log.runs.truncate(before);
                    log.bad.insert(at, why);
                }
            }
        }
        log.count(range);
        if kind == Kind::Yjs {
            log.ids = yjs::ids(bytes).map(str::to_owned).collect();
        }
        log.file.records = records;
        log
    }

    fn count(&mut self, range: Option<(u64, u64)>) {
        if let Some((first, last)) = range {
            self.numbers.add(first..=last);
        }
    }

    /// Looks at an update of Yjs, and takes note of what its clients have written.
    fn look_at(&mut self, record: usize, data: &[u8]) -> Result<(), String> {
        let runs = &mut self.runs;
        let before = runs.len();
        let checked = update::walk_over(data, &mut |one| {
            let (client, from, to) = (one.client, one.clock, one.clock + one.len);
            match runs[before..].last_mut() {
                _ if one.kind.is_none() => {}
                Some(run) if (run.client, run.to) == (client, from) => run.to = to,
                _ => runs.push(Run { client, from, to, record }),
            }
        });
        checked.map_err(|flaw| flaw.to_string())
    }

    /// How a content is parsed, for [`Content::parsed`](crate::Content::parsed).
    #[must_use]
    pub fn parser(kind: Kind) -> fn(&[u8]) -> Self {
        match kind {
            Kind::Records => |bytes| Self::read(Kind::Records, bytes),
            Kind::Yjs => |bytes| Self::read(Kind::Yjs, bytes),
        }
    }

    /// The records that count, in the order of the file.
    pub fn good(&self) -> impl Iterator<Item = &LogRecord> {
        let certain = self.file.records.len() - usize::from(self.is_last_doubtful);
        let certain = self.file.records[..certain].iter().enumerate();
        certain.filter(|(at, _)| !self.bad.contains_key(at)).map(|(_, record)| record)
    }
}
