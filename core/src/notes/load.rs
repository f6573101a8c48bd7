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

use super::checked::{CheckedLog, ends_in_zeros};
use super::crdt_log::{LogHeader, LogTail};
use super::document::{Kind, Part, Parts};
use super::lines::{LineEnd, LineFile, Oddity};
use super::problem::{Problem, ProblemKind};
use super::snapshot::{Seal, SnapshotFile, SnapshotFlaw};
use super::update::{self, Struct};
use crate::Content;
use crate::kit::watermark::Numbers;

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
        let mut found = Vec::new();
        let mut runs = Vec::new();
        let mut ids = BTreeMap::new();
        for log in logs {
            let checked = log.content.parsed(CheckedLog::parser(kind));
            loaded.take(&log, &checked, &mut found);
            let data = |record: usize| &log.content.bytes()[checked.file.records[record].data.clone()];
            runs.extend(
                checked.runs.iter().map(|run| (run.client, run.from, run.to, data(run.record), log.name)),
            );
            for id in &checked.ids {
                ids.entry(id.clone()).or_insert(log.name);
            }
        }
        found.sort_by_key(|(part, _)| *part);
        loaded.find_reused_numbers(&found);
        let mut written: BTreeMap<u64, u64> = BTreeMap::new();
        for (client, _, to, ..) in &runs {
            let end = written.entry(*client).or_default();
            *end = (*end).max(*to);
        }
        loaded.find_reused_clients(runs);
        loaded.find_two_notes(&ids);
        loaded.parts.records = found.into_iter().map(|(part, _)| part).collect();
        loaded.parts.records.dedup();
        loaded.take_snapshots(kind, snapshots.into_iter().collect(), &written);
        loaded
    }

    fn tell(&mut self, name: &str, kind: ProblemKind, detail: &str) {
        self.problems.push(Problem::of(name, kind, detail));
    }

    fn take(&mut self, log: &Log<'a>, checked: &CheckedLog, found: &mut Vec<(Part<'a>, &'a str)>) {
        let bytes = log.content.bytes();
        let file = &checked.file;
        if log.is_copy {
            self.tell(log.name, ProblemKind::ConflictCopy, "");
        }
        match file.header {
            LogHeader::Whole => {}
            LogHeader::Cut => return self.tell(log.name, ProblemKind::Torn, "its header has not come"),
            LogHeader::Foreign => return self.tell(log.name, ProblemKind::Foreign, "no log of version 1"),
        }
        let part = |data: &'a [u8], seq| Part { instance: log.instance, seq, data };
        let good = checked.good().map(|record| (part(&bytes[record.data.clone()], record.seq), log.name));
        found.extend(good);
        if checked.numbers != Numbers::default() {
            self.numbers.entry(log.instance.to_owned()).or_default().join(&checked.numbers);
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

    /// Tells where two different records have one number. They are sorted.
    fn find_reused_numbers(&mut self, found: &[(Part<'a>, &'a str)]) {
        for pair in found.windows(2) {
            let [(one, one_name), (other, other_name)] = pair else { continue };
            if (one.instance, one.seq) == (other.instance, other.seq) && one.data != other.data {
                let detail = format!("two records have number {} of {}", one.seq, one.instance);
                for name in BTreeSet::from([one_name, other_name]) {
                    self.tell(name, ProblemKind::SequenceReuse, &detail);
                }
            }
        }
    }

    /// Tells where one Yjs client wrote two different things at one place of its clock. The runs are client, clocks,
    /// update and file.
    fn find_reused_clients(&mut self, mut runs: Vec<(u64, u64, u64, &'a [u8], &'a str)>) {
        runs.sort_by_key(|(client, from, ..)| (*client, *from));
        // Where no two different updates meet, there is nothing to look at.
        let mut meeting: BTreeMap<&[u8], &str> = BTreeMap::new();
        let mut furthest: Option<(u64, u64, &[u8], &str)> = None;
        for (client, from, to, data, name) in runs {
            if let Some((_, end, before, before_name)) =
                furthest.filter(|(before, end, ..)| *before == client && from < *end)
            {
                if before != data {
                    meeting.extend([(before, before_name), (data, name)]);
                }
                if to <= end {
                    continue;
                }
            }
            furthest = Some((client, to, data, name));
        }
        let mut all = Vec::new();
        for (data, name) in meeting {
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
    fn find_two_notes(&mut self, ids: &BTreeMap<String, &'a str>) {
        if ids.len() > 1 {
            let all: Vec<_> = ids.keys().map(String::as_str).collect();
            let detail = format!("records of {}", all.join(" and of "));
            ids.values().for_each(|name| self.tell(name, ProblemKind::TwoNotes, &detail));
        }
    }

    /// Takes in snapshots that add something to the records. `written` says how far those go, by Yjs client.
    fn take_snapshots(&mut self, kind: Kind, snapshots: Vec<Snapshot<'a>>, written: &BTreeMap<u64, u64>) {
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
            // A clock without a seal may say less than the state holds.
            let holds_more = || {
                let is_more =
                    |(client, _, to): &(u64, u64, u64)| written.get(client).is_none_or(|end| end < to);
                kind == Kind::Yjs
                    && file.seal == Seal::None
                    && update::links(state).writes.iter().any(is_more)
            };
            if !adds && !file.clock.is_empty() && !holds_more() {
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
