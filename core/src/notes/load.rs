//! From files to what they say of one note: which records are here, which are missing, and what cannot count.
//!
//! It is a function of the set of versions that files have: the order in which they came, what they are called, and
//! how often a record is there, make no difference.
//!
//! # What counts
//! - Every complete record of every log whose update can be read. A number that is missing is a gap, also where later
//!   ones are here; two different records with one number both count, and are told.
//! - A snapshot only where logs lack what it says that it holds: then its state counts if it is sealed, or, being
//!   upstream's, if its update is whole, ends where the file ends and holds no NUL text. Numbers are taken from a
//!   sealed one only, since upstream's may claim more than they hold.

use std::collections::{BTreeMap, BTreeSet};

use super::crdt_log::{LogFile, LogHeader, LogRecord, LogTail};
use super::document::{Kind, Part, Parts};
use super::lines::{LineEnd, LineFile, Oddity};
use super::problem::{Problem, ProblemKind};
use super::snapshot::{Seal, SnapshotFile, SnapshotFlaw};
use super::update::{self, Struct};
use super::yjs;
use crate::Content;
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
}

/// So many zeros at the end of a file are taken for bytes that have not come. An update may end with zeros of its own:
/// an empty list of deletions after a time in ms, which as a float ends with two. In one of 2^20 times there are more,
/// and such a record counts once another one follows it. With fewer zeros a time may be wrong by 4 seconds.
pub const ZEROS_MAX: usize = 5;

fn ends_in_zeros(bytes: &[u8]) -> bool {
    bytes.len() >= ZEROS_MAX && bytes[bytes.len() - ZEROS_MAX..].iter().all(|&byte| byte == 0)
}

impl CheckedLog {
    /// Reads a log and looks at each update.
    #[must_use]
    pub fn read(kind: Kind, bytes: &[u8]) -> Self {
        let file = LogFile::read(bytes);
        let bad =
            file.records.iter().enumerate().filter_map(|(at, record)| {
                kind.check(&bytes[record.data.clone()]).err().map(|why| (at, why))
            });
        let bad = bad.collect();
        let last = file.records.last().filter(|_| kind == Kind::Yjs && ends_in_zeros(bytes));
        let is_last_doubtful = last.is_some_and(|last| {
            let end = last.data.end;
            bytes[..end].ends_with(&[0]) && bytes[end..].iter().all(|&byte| byte == 0)
        });
        Self { file, bad, is_last_doubtful }
    }

    /// How a content is parsed, for [`Content::parsed`].
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

/// One version of a log file.
#[derive(Clone, Debug)]
pub struct Log<'a> {
    /// What it is called, relative to the folder.
    pub name: &'a str,
    /// Whose records it holds.
    pub instance: &'a str,
    /// Its bytes.
    pub content: &'a Content,
    /// When it was begun, as its name says, in ms since 1970.
    pub time_ms: u64,
    /// Whether it is a conflict copy.
    pub is_copy: bool,
}

/// One version of a snapshot file.
#[derive(Clone, Debug)]
pub struct Snapshot<'a> {
    /// What it is called, relative to the folder.
    pub name: &'a str,
    /// Its bytes.
    pub content: &'a Content,
    /// Whether it is a conflict copy.
    pub is_copy: bool,
}

/// What the files say of one note.
#[derive(Clone, Debug, Default)]
pub struct Loaded<'a> {
    /// What counts.
    pub parts: Parts<'a>,
    /// The numbers of each instance that are here.
    pub numbers: BTreeMap<String, Numbers>,
    /// The newest log file of each instance, and the offset behind its last record. Copies are left out.
    pub ends: BTreeMap<String, End>,
    /// What is wrong with the files.
    pub problems: Vec<Problem>,
}

/// Where the last record of an instance stands.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct End {
    /// When the file was begun, as its name says.
    time_ms: u64,
    /// The file's name.
    pub file: String,
    /// The offset behind the record.
    pub offset: u64,
}

/// What is wrong with the lines of an activity or deletion log.
pub fn line_problems<T>(name: &str, is_copy: bool, file: &LineFile<T>) -> Vec<Problem> {
    let mut problems: Vec<_> =
        is_copy.then(|| Problem::of(name, ProblemKind::ConflictCopy, "")).into_iter().collect();
    for (line, odd) in &file.odd {
        let (kind, detail) = match odd {
            Oddity::Nul => (ProblemKind::NulBytes, String::new()),
            Oddity::Foreign(text) => (ProblemKind::ForeignLine, text.clone()),
            Oddity::Utf16 => (ProblemKind::Foreign, "it is UTF-16".to_owned()),
        };
        problems.push(Problem { line: *line, ..Problem::of(name, kind, detail) });
    }
    match file.end {
        LineEnd::Whole => {}
        LineEnd::Cut => problems.push(Problem::of(name, ProblemKind::Torn, "the last line")),
        LineEnd::Nul => problems.push(Problem::of(name, ProblemKind::NulBytes, "at the end")),
    }
    problems
}

impl<'a> Loaded<'a> {
    /// Puts together what the files say.
    #[must_use]
    pub fn of(
        kind: Kind,
        logs: impl IntoIterator<Item = Log<'a>>,
        snapshots: impl IntoIterator<Item = Snapshot<'a>>,
    ) -> Self {
        let mut loaded = Self::default();
        let mut by_number: BTreeMap<(&str, u64), BTreeMap<&[u8], &str>> = BTreeMap::new();
        for log in logs {
            loaded.take(kind, &log, &mut by_number);
        }
        for ((instance, seq), versions) in &by_number {
            if versions.len() > 1 {
                let files: BTreeSet<_> = versions.values().copied().collect();
                let detail = format!("{} records have number {seq} of {instance}", versions.len());
                files.into_iter().for_each(|name| loaded.tell(name, ProblemKind::SequenceReuse, &detail));
            }
        }
        if kind == Kind::Yjs {
            loaded.find_reused_clients(&by_number);
            loaded.find_two_notes(&by_number);
        }
        loaded.take_snapshots(kind, snapshots.into_iter().collect());
        loaded
    }

    fn tell(&mut self, name: &str, kind: ProblemKind, detail: &str) {
        self.problems.push(Problem::of(name, kind, detail));
    }

    fn take(
        &mut self,
        kind: Kind,
        log: &Log<'a>,
        by_number: &mut BTreeMap<(&'a str, u64), BTreeMap<&'a [u8], &'a str>>,
    ) {
        let bytes = log.content.bytes();
        let checked = log.content.parsed(CheckedLog::parser(kind));
        let file = &checked.file;
        if log.is_copy {
            self.tell(log.name, ProblemKind::ConflictCopy, "");
        }
        match file.header {
            LogHeader::Whole => {}
            LogHeader::Cut => return self.tell(log.name, ProblemKind::Torn, "its header has not come"),
            LogHeader::Foreign => return self.tell(log.name, ProblemKind::Foreign, "no log of version 1"),
        }
        let mut numbers = Numbers::default();
        for record in checked.good() {
            let data = &bytes[record.data.clone()];
            numbers.insert(record.seq);
            self.parts.records.insert(Part { instance: log.instance, seq: record.seq, data });
            by_number.entry((log.instance, record.seq)).or_default().entry(data).or_insert(log.name);
        }
        if numbers != Numbers::default() {
            self.numbers.entry(log.instance.to_owned()).or_default().join(&numbers);
        }
        if !log.is_copy {
            let file = log.name.rsplit('/').next().unwrap_or("").to_owned();
            let end = End { time_ms: log.time_ms, file, offset: checked.file.good_end };
            let newest = self.ends.entry(log.instance.to_owned()).or_default();
            *newest = end.max(std::mem::take(newest));
        }
        for (&at, why) in &checked.bad {
            let record = &file.records[at];
            let detail = format!("number {} at byte {}: {why}", record.seq, record.at);
            self.tell(log.name, ProblemKind::BadRecord, &detail);
        }
        for (at, len) in &file.foreign {
            self.tell(log.name, ProblemKind::Damaged, &format!("{len} bytes from {at} on are no record"));
        }
        match file.tail {
            _ if checked.is_last_doubtful => {
                self.tell(log.name, ProblemKind::Torn, "zeros where the last record should end");
            }
            LogTail::Open | LogTail::Closed => {}
            LogTail::Cut => self.tell(log.name, ProblemKind::Torn, &format!("after byte {}", file.good_end)),
            LogTail::Nul => {
                self.tell(log.name, ProblemKind::Torn, &format!("NUL bytes after byte {}", file.good_end));
            }
        }
    }

    /// Tells where one Yjs client wrote two different things at one place of its clock.
    fn find_reused_clients(&mut self, by_number: &BTreeMap<(&'a str, u64), BTreeMap<&'a [u8], &'a str>>) {
        let updates: BTreeMap<&[u8], &str> =
            by_number.values().flatten().map(|(data, name)| (*data, *name)).collect();
        let mut all = Vec::new();
        for (data, name) in updates {
            let structs = update::structs(data).unwrap_or_default();
            let items = structs.into_iter().filter(|one| one.kind.is_some());
            all.extend(items.map(|one| (one, data, name)));
        }
        all.sort_by_key(|(one, _, _)| (one.client, one.clock));
        let mut told = BTreeSet::new();
        let mut furthest: Option<&(Struct, &[u8], &str)> = None;
        for now in &all {
            let (one, data, name) = now;
            let meets = |(before, _, _): &&(Struct, &[u8], &str)| {
                before.client == one.client && one.clock < before.clock + before.len
            };
            if let Some((before, before_data, before_name)) = furthest.filter(meets) {
                if !one.agrees(data, before, before_data) {
                    let texts = [before.text(before_data), one.text(data)];
                    let texts: Vec<_> = texts.into_iter().flatten().map(|text| format!("{text:?}")).collect();
                    let detail = format!("client {} wrote {}", one.client, texts.join(" and "));
                    told.extend([(*before_name, detail.clone()), (*name, detail)]);
                }
                if one.clock + one.len <= before.clock + before.len {
                    continue;
                }
            }
            furthest = Some(now);
        }
        for (name, detail) in told {
            self.tell(name, ProblemKind::ClientReuse, &detail);
        }
    }

    /// Tells where records name more than one note.
    fn find_two_notes(&mut self, by_number: &BTreeMap<(&'a str, u64), BTreeMap<&'a [u8], &'a str>>) {
        let mut ids: BTreeMap<&str, &str> = BTreeMap::new();
        for (data, name) in by_number.values().flatten() {
            for id in yjs::ids(data) {
                ids.entry(id).or_insert(name);
            }
        }
        if ids.len() > 1 {
            let all: Vec<_> = ids.keys().copied().collect();
            let detail = format!("records of {}", all.join(" and of "));
            ids.values().for_each(|name| self.tell(name, ProblemKind::TwoNotes, &detail));
        }
    }

    fn take_snapshots(&mut self, kind: Kind, snapshots: Vec<Snapshot<'a>>) {
        for snapshot in snapshots {
            let bytes = snapshot.content.bytes();
            if snapshot.is_copy {
                self.tell(snapshot.name, ProblemKind::ConflictCopy, "");
            }
            let file = match SnapshotFile::read(bytes) {
                Ok(file) => file,
                Err(flaw) => {
                    let kind = match flaw {
                        SnapshotFlaw::Foreign | SnapshotFlaw::Status => ProblemKind::Foreign,
                        _ => ProblemKind::BadSnapshot,
                    };
                    self.tell(snapshot.name, kind, &flaw.to_string());
                    continue;
                }
            };
            if !file.is_complete {
                self.tell(snapshot.name, ProblemKind::UnfinishedSnapshot, "");
                continue;
            }
            let state = &bytes[file.state.clone()];
            let sound = match file.seal {
                Seal::Broken => Err("its seal does not fit".to_owned()),
                Seal::None if ends_in_zeros(bytes) => Err("zeros stand where its end should be".to_owned()),
                Seal::Sound | Seal::None => kind.check_state(state),
            };
            if let Err(why) = sound {
                self.tell(snapshot.name, ProblemKind::BadSnapshot, &why);
                continue;
            }
            let held = |instance: &str| self.numbers.get(instance).map_or(0, Numbers::contiguous);
            let adds = file.clock.iter().any(|entry| entry.seq > held(&entry.instance));
            if !adds && !file.clock.is_empty() {
                continue;
            }
            self.parts.states.insert(state);
            if file.seal == Seal::Sound {
                for entry in file.clock {
                    self.numbers.entry(entry.instance).or_default().join(&Numbers::up_to(entry.seq));
                }
            }
        }
    }
}
