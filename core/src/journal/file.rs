//! A journal file: lines in, records and problems out. What a line is and where reading goes on is
//! [`log`](mod@crate::kit::log)'s; what it says is here.

use std::borrow::Cow;
use std::str::Utf8Error;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::clock::{AHEAD_MS_MAX, Hybrid, normal_ms};
use super::line::{Fields, Span, Text, fits, text as string};
use super::problem::ProblemKind;
use super::schema::{Field, Kind, Subject};
use crate::kit::log::{self, Lines, Place};
use crate::kit::text::without_mark;

/// A line of this many bytes or more is not read: upstream's scanner gives up there (`jsonl_read_common.go` at
/// 83c8ef6).
pub const LINE_MAX: usize = 10 * 1024 * 1024;

/// How a file's bytes become lines.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading {
    /// A last line without its newline is dropped, a line that is no record is skipped (published).
    Skip,
    /// A complete last line counts, and records glued to a torn one are found again (hardened).
    Salvage,
}

/// One record: where its line and fields are, and what the order needs to know.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Whether it carries a hybrid clock.
    pub causal: bool,
    /// Whether it tells a time of its own.
    pub timed: bool,
    /// The number of its line, counted from 1.
    pub number: u32,
    /// How many lines that are not blank come before it.
    pub index: u32,
    /// Its text, without the white space around it.
    pub line: Span,
    /// The time as it is written, 0 where there is none.
    pub time: i64,
    /// The hybrid clock; for a record without one its time in milliseconds, and for one without a time the last
    /// time before it in the file.
    pub stamp: Hybrid,
    /// The sequence number.
    pub seq: Option<i64>,
    /// A number that it shares with every record about the same subject, and by chance with others.
    pub about: u64,
    slots: u32,
    /// Whether its line is too long for places in it to be told by 16 bits.
    wide: bool,
}

/// A file read as published. A form of its own, because a [`crate::Content`] keeps one form per type.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Skipped(pub File);

impl Skipped {
    /// Reads a whole file: a plain function of the bytes, for [`crate::Content::parsed`].
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        Self(File::read(bytes, Reading::Skip))
    }
}

/// A file read as hardened.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Salvaged(pub File);

impl Salvaged {
    /// Reads a whole file: a plain function of the bytes, for [`crate::Content::parsed`].
    #[must_use]
    pub fn read(bytes: &[u8]) -> Self {
        Self(File::read(bytes, Reading::Salvage))
    }
}

/// Something wrong with a line.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct LineProblem {
    /// The number of the line, counted from 1.
    pub line: u32,
    /// What is wrong.
    pub kind: ProblemKind,
    /// What was found.
    pub detail: String,
}

/// Where reading a file stopped, so that it can go on when the file has grown.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Stop {
    /// Bytes read: always the end of a line.
    pub at: u64,
    /// Lines read.
    pub lines: u32,
    /// Lines read that are not blank.
    pub index: u32,
    /// The last time a record told, in milliseconds.
    pub carry_ms: i64,
    /// The digest of the last line that is not blank, as far as it is known.
    pub last: Option<u64>,
}

impl Stop {
    fn place(self) -> Place {
        Place { at: self.at, lines: self.lines, index: self.index, last: self.last }
    }

    fn set(&mut self, place: Place) {
        Place { at: self.at, lines: self.lines, index: self.index, last: self.last } = place;
    }
}

/// The records of one file, in the order of its lines. Holds no bytes: it is read beside them.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct File {
    /// The records.
    pub records: Vec<Record>,
    /// What is wrong.
    pub problems: Vec<LineProblem>,
    /// Where the last complete line ends.
    pub stop: Stop,
    /// Whether a record tells a time over a day before that of a record before it: its machine's clock was ahead for a
    /// while, or lines were written again.
    pub turned_back: bool,
    /// Where the values of each record stand, counted from the start of its line: start and length.
    slots: Vec<[u16; 2]>,
    /// The same of the lines that are too long for that.
    wide: Vec<[u32; 2]>,
}

impl File {
    /// Reads a whole file.
    #[must_use]
    pub fn read(bytes: &[u8], reading: Reading) -> Self {
        let mut file = Self::default();
        // A line of upstream's dogfood log has 570 bytes in the mean; a short one of ours about 200.
        file.records.reserve(bytes.len() / 400);
        file.slots.reserve(bytes.len() / 20);
        file.resume(bytes, 0, reading);
        if file.turned_back && reading == Reading::Salvage {
            file.set_right();
        }
        file
    }

    /// Has records count at the time of a later one of their machine that tells a time over a day earlier: their clock
    /// was ahead, as the later one shows, for it was made by somebody who had seen them. So what was written while a
    /// clock was years ahead does not win for years over what comes after it.
    fn set_right(&mut self) {
        let numbered = |record: &&mut Record| record.causal && record.seq.is_some();
        let mut records: Vec<_> = self.records.iter_mut().filter(numbered).collect();
        records.sort_by_key(|record| record.seq);
        let mut later = i64::MAX;
        for record in records.into_iter().rev() {
            if record.stamp.ms > later.saturating_add(AHEAD_MS_MAX) {
                record.stamp = Hybrid { ms: later, count: 0 };
            }
            later = later.min(record.stamp.ms);
        }
    }

    /// A file of which nothing is known but where reading it stopped.
    #[must_use]
    pub fn after(stop: Stop) -> Self {
        Self { stop, ..Self::default() }
    }

    /// Reads on in a file that has grown: `bytes` starts at offset `from` of the file, and [`Stop::at`] is not
    /// before it. Spans are relative to `bytes`.
    pub fn resume(&mut self, bytes: &[u8], from: u64, reading: Reading) {
        if u32::try_from(bytes.len()).is_err() {
            let detail = format!("{} bytes", bytes.len());
            self.problems.push(LineProblem { line: 0, kind: ProblemKind::FileTooLarge, detail });
            return;
        }
        if reading == Reading::Salvage && self.stop.at == 0 && from == 0 {
            self.stop.at = (bytes.len() - without_mark(bytes).len()) as u64;
        }
        let start = usize::try_from(self.stop.at.saturating_sub(from)).expect("a file of 4 GiB was refused");
        let mut lines = Lines::after(self.stop.place(), bytes.get(start..).unwrap_or_default());
        let mut reader = Reader { file: self, text: Text::new(bytes), reading, fields: Fields::default() };
        for line in lines.by_ref() {
            reader.line(&line);
        }
        reader.file.stop.set(lines.place());
        reader.tail(&lines);
    }

    /// Takes one complete line of a file, with what its surroundings told when they were read.
    ///
    /// So a few lines of a long file can be merged without the rest.
    pub fn push_line(&mut self, text: Text<'_>, line: Span, before: Stop, reading: Reading) {
        self.stop = before;
        let mut reader = Reader { file: self, text, reading, fields: Fields::default() };
        if let Some(line) = log::Line::after(before.place(), line.of(text.bytes())) {
            reader.line(&line);
        }
    }

    /// The JSON text of a field; `None` if it is absent or `null`.
    #[must_use]
    pub fn raw<'a>(&self, text: Text<'a>, record: &Record, field: Field) -> Option<&'a str> {
        self.written(text, record, field).filter(|&raw| raw != "null")
    }

    /// The JSON text of a field, `null` included; `None` if it is absent.
    #[must_use]
    pub fn written<'a>(&self, text: Text<'a>, record: &Record, field: Field) -> Option<&'a str> {
        let slot = record.slots as usize + record.kind.slot(field)?;
        let [start, len] =
            if record.wide { *self.wide.get(slot)? } else { self.slots.get(slot)?.map(u32::from) };
        if len == 0 {
            return None;
        }
        let span = Span { start: record.line.start + start, len };
        Some(text.part(span).expect("the line was checked when it was read"))
    }

    /// The text of a field that is a string.
    #[must_use]
    pub fn text<'a>(&self, bytes: Text<'a>, record: &Record, field: Field) -> Option<Cow<'a, str>> {
        self.raw(bytes, record, field).and_then(string)
    }

    /// The number of a field that is one.
    #[must_use]
    pub fn int(&self, text: Text<'_>, record: &Record, field: Field) -> Option<i64> {
        self.raw(text, record, field)?.parse().ok()
    }
}

/// What a record of this kind is about, in the parts that [`Kind::key`] names, from the texts of its fields.
pub(super) fn subject_of<'a>(
    kind: Kind,
    mut text: impl FnMut(Field) -> Option<Cow<'a, str>>,
) -> [Cow<'a, str>; 3] {
    let mut parts = [const { Cow::Borrowed("") }; 3];
    for (part, &field) in parts.iter_mut().zip(kind.key()) {
        *part = text(field).unwrap_or_default();
    }
    if kind == Kind::ThreadDelete && parts[0].is_empty() {
        parts[0] = text(Field::Guid).unwrap_or_default();
    }
    parts
}

fn hash(subject: Subject, parts: &[Cow<'_, str>; 3]) -> u64 {
    parts
        .iter()
        .filter(|part| !part.is_empty())
        .fold(subject as u64, |seed, part| xxh3_64_with_seed(part.as_bytes(), seed))
}

/// A place in a file or a line, or a count of fields: a file of 4 GiB was refused, and has fewer fields than bytes.
fn narrow<T: TryFrom<usize>>(number: usize) -> T {
    T::try_from(number).ok().expect("the length was looked at before")
}

struct Reader<'f, 'a> {
    file: &'f mut File,
    text: Text<'a>,
    reading: Reading,
    fields: Fields<'a>,
}

impl<'a> Reader<'_, 'a> {
    /// Takes a last line that has no newline.
    fn tail(&mut self, lines: &Lines<'a>) {
        if lines.cut().is_empty() {
            return;
        }
        let file = &mut *self.file;
        let detail = format!("{} bytes without a newline", lines.cut().len());
        let torn = LineProblem { line: file.stop.lines + 1, kind: ProblemKind::TornTail, detail };
        let cut = lines.cut_line();
        if self.reading == Reading::Skip {
            // Upstream drops the last line that is not blank, whichever that is.
            if cut.is_none() && file.records.last().is_some_and(|record| record.index + 1 == file.stop.index)
            {
                file.records.pop();
            }
            file.problems.push(torn);
        } else if let Some(cut) = cut {
            let (stop, problems, records) = (file.stop, file.problems.len(), file.records.len());
            self.line(&cut);
            let file = &mut *self.file;
            file.stop = stop;
            if file.problems.len() == problems {
                file.problems.push(LineProblem { kind: ProblemKind::MissingNewline, ..torn });
            } else {
                // What is cut may still change: nothing of it counts yet.
                file.records.truncate(records);
                let nul =
                    file.problems.drain(problems..).find(|problem| problem.kind == ProblemKind::NulBlock);
                file.problems.push(nul.unwrap_or(torn));
            }
        }
    }

    fn line(&mut self, line: &log::Line<'a>) {
        if line.text.len() >= LINE_MAX {
            self.problem(line.number, ProblemKind::LineTooLong, format!("{} bytes", line.text.len()));
            return;
        }
        match self.text.part(self.span(line.text)) {
            Ok(text) => match self.fields.read(text) {
                Ok(()) => self.record(text, line),
                Err(error) => self.broken(text, line, &error),
            },
            Err(error) => self.no_text(line, error),
        }
    }

    /// A line that is not text all through: behind one that was cut in the middle of a letter there may be whole records.
    fn no_text(&mut self, line: &log::Line<'a>, error: Utf8Error) {
        let salvages = self.reading == Reading::Salvage;
        let pieces = line.text.utf8_chunks().filter(|_| salvages);
        match pieces.map(|piece| self.glued(piece.valid(), line)).sum() {
            0_usize => {
                self.problem(line.number, ProblemKind::NotUtf8, format!("at byte {}", error.valid_up_to()));
            }
            found => self.found(found, line),
        }
    }

    /// A line that is no JSON object: torn and built upon, or foreign.
    fn broken(&mut self, text: &'a str, line: &log::Line<'a>, error: &serde_json::Error) {
        let nul = text.bytes().filter(|&byte| byte == 0).count();
        if nul > 0 {
            self.problem(line.number, ProblemKind::NulBlock, format!("{nul} zero bytes"));
        }
        let found = if self.reading == Reading::Salvage { self.glued(text, line) } else { 0 };
        if found > 0 {
            self.found(found, line);
        } else if nul == 0 {
            self.problem(line.number, ProblemKind::NotARecord, error.to_string());
        }
    }

    fn found(&mut self, records: usize, line: &log::Line<'a>) {
        self.problem(line.number, ProblemKind::GluedLine, format!("{records} records found in it"));
    }

    /// Takes the records that stand behind a torn one in the same line. A quotation mark within a JSON string is
    /// escaped, so the pattern can only be found where an object starts.
    fn glued(&mut self, text: &'a str, line: &log::Line<'a>) -> usize {
        log::glued(text, "{\"type\":", |rest| {
            let mut values =
                serde_json::Deserializer::from_str(rest).into_iter::<&serde_json::value::RawValue>();
            let value = values.next()?.ok().filter(|value| self.fields.read(value.get()).is_ok())?;
            self.record(value.get(), line);
            Some(value.get().len())
        })
    }

    /// Takes the fields that were read from `text`, all of a line or a part of it.
    fn record(&mut self, text: &'a str, line: &log::Line<'a>) {
        let number = line.number;
        let Some(kind) = self.fields.kind.and_then(string) else {
            self.problem(number, ProblemKind::NotARecord, "an object without a `type`".to_owned());
            return;
        };
        let kind = Kind::from_name(&kind);
        let wide = u16::try_from(text.len()).is_err();
        let slots = if wide { self.file.wide.len() } else { self.file.slots.len() };
        if wide {
            self.file.wide.resize(slots + kind.slots(), [0; 2]);
        } else {
            self.file.slots.resize(slots + kind.slots(), [0; 2]);
        }
        for &(field, raw) in &self.fields.pairs {
            let Some(slot) = kind.slot(field) else { continue };
            if let Err(problem) = fits(kind, field, raw) {
                self.file.slots.truncate(if wide { usize::MAX } else { slots });
                self.file.wide.truncate(if wide { slots } else { usize::MAX });
                self.problem(number, problem, format!("`{}` of a {}", field.name(), kind.name()));
                return;
            }
            let start = raw.as_ptr() as usize - text.as_ptr() as usize;
            let place = [start, raw.len()];
            if wide {
                self.file.wide[slots + slot] = place.map(narrow);
            } else {
                self.file.slots[slots + slot] = place.map(narrow);
            }
        }
        let mut record = Record {
            kind,
            causal: false,
            timed: false,
            number,
            index: line.index,
            line: self.span(text.as_bytes()),
            time: 0,
            stamp: Hybrid::default(),
            seq: None,
            about: 0,
            slots: narrow(slots),
            wide,
        };
        self.order(&mut record, line);
        self.file.records.push(record);
    }

    /// Works out what the order needs to know, and whether the record follows the line it says it follows.
    fn order(&mut self, record: &mut Record, line: &log::Line<'a>) {
        let file = &mut *self.file;
        // The fields are at hand still: no need to look them up by their slots.
        let raw = |field| record.kind.slot(field).and_then(|_| self.fields.get(field));
        let time = record.kind.times().iter().find_map(|&field| raw(field)?.parse().ok());
        // Upstream reads a `null` as 0 (`parseSeq`, `jsonl_read_common.go` at 83c8ef6).
        let seq = raw(Field::Seq).and_then(|raw| if raw == "null" { Some(0) } else { raw.parse().ok() });
        let hybrid = raw(Field::Hlc).and_then(Hybrid::parse);
        let prev = raw(Field::Prev).and_then(string);
        record.about =
            hash(record.kind.subject(), &subject_of(record.kind, |field| raw(field).and_then(string)));
        record.timed = time.is_some();
        record.time = time.unwrap_or(0);
        record.seq = seq;
        if let Some(hybrid) = hybrid {
            file.turned_back |= file.stop.carry_ms > hybrid.ms.saturating_add(AHEAD_MS_MAX);
            record.causal = true;
            record.stamp = hybrid;
            file.stop.carry_ms = hybrid.ms;
        } else {
            if let Some(time) = time {
                file.stop.carry_ms = normal_ms(time);
            }
            record.stamp = Hybrid { ms: file.stop.carry_ms, count: 0 };
        }
        let Some(prev) = prev else { return };
        if record.index == 0 {
            self.problem(
                record.number,
                ProblemKind::RemovedLine,
                "the line it says it followed is gone".to_owned(),
            );
        }
        if line.previous().is_some_and(|last| format!("{last:016x}") != *prev) {
            // Which of the two it is, the sequence numbers tell once the file is whole.
            let line = record.number.saturating_sub(1);
            self.problem(line, ProblemKind::EditedLine, "the next line says it followed another".to_owned());
        }
    }

    fn span(&self, part: &[u8]) -> Span {
        let start = part.as_ptr() as usize - self.text.bytes().as_ptr() as usize;
        Span { start: narrow(start), len: narrow(part.len()) }
    }

    fn problem(&mut self, line: u32, kind: ProblemKind, detail: String) {
        self.file.problems.push(LineProblem { line, kind, detail });
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    fn salvage(bytes: &[u8]) -> File {
        File::read(bytes, Reading::Salvage)
    }

    fn shown(text: &str, reading: Reading) -> Vec<String> {
        let file = File::read(text.as_bytes(), reading);
        let mut lines: Vec<_> = file
            .records
            .iter()
            .map(|record| {
                let id = file.text(Text::new(text.as_bytes()), record, Field::Id).unwrap_or_default();
                format!("{}: {} {id} {}", record.number, record.kind.name(), record.stamp)
            })
            .collect();
        lines.extend(
            file.problems
                .iter()
                .map(|problem| format!("{}: {} ({})", problem.line, problem.kind, problem.detail)),
        );
        lines
    }

    const ONE: &str = r#"{"type":"message","id":"msg-1","ts":1}"#;
    const TWO: &str = r#"{"type":"message","id":"msg-2","ts":2}"#;

    #[test]
    fn a_torn_tail_is_dropped_and_named() {
        let text = format!("{ONE}\n{}", &TWO[..20]);
        for reading in [Reading::Skip, Reading::Salvage] {
            assert_eq!(
                shown(&text, reading),
                ["1: message msg-1 [1000,0]", "2: torn-tail (20 bytes without a newline)"]
            );
        }
    }

    #[test]
    fn a_complete_last_line_counts_only_when_hardened() {
        let text = format!("{ONE}\n{TWO}");
        assert_eq!(
            shown(&text, Reading::Skip),
            ["1: message msg-1 [1000,0]", "2: torn-tail (38 bytes without a newline)"]
        );
        assert_eq!(
            shown(&text, Reading::Salvage),
            [
                "1: message msg-1 [1000,0]",
                "2: message msg-2 [2000,0]",
                "2: missing-newline (38 bytes without a newline)"
            ]
        );
    }

    #[test]
    fn published_drops_the_last_line_before_trailing_blanks() {
        assert_eq!(
            shown(&format!("{ONE}\n{TWO}\n  "), Reading::Skip),
            ["1: message msg-1 [1000,0]", "3: torn-tail (2 bytes without a newline)"]
        );
    }

    #[test]
    fn a_record_glued_to_a_torn_one_is_found_only_when_hardened() {
        let text = format!("{}{TWO}\n{ONE}{TWO}\n", &ONE[..25]);
        assert_eq!(
            shown(&text, Reading::Salvage),
            [
                "1: message msg-2 [2000,0]",
                "2: message msg-1 [1000,0]",
                "2: message msg-2 [2000,0]",
                "1: glued-line (1 records found in it)",
                "2: glued-line (2 records found in it)",
            ]
        );
        assert_eq!(shown(&text, Reading::Skip).len(), 2);
    }

    #[test]
    fn a_record_glued_to_one_that_was_cut_within_a_letter_is_found() {
        let cut = [b"{\"type\":\"message\",\"body\":\"caf\xc3".as_slice(), TWO.as_bytes(), b"\n"].concat();
        let file = salvage(&cut);
        let id = file.text(Text::new(&cut), &file.records[0], Field::Id);
        assert_eq!((file.records.len(), id.as_deref()), (1, Some("msg-2")));
        let kinds = |file: &File| file.problems.iter().map(|problem| problem.kind).collect::<Vec<_>>();
        assert_eq!(kinds(&file), [ProblemKind::GluedLine]);
        let published = File::read(&cut, Reading::Skip);
        assert_eq!((published.records.len(), kinds(&published)), (0, vec![ProblemKind::NotUtf8]));
        // What is still on its way does not count yet.
        let file = salvage(cut.strip_suffix(b"\n").unwrap());
        assert_eq!((file.records.len(), kinds(&file)), (0, vec![ProblemKind::TornTail]));
    }

    #[test]
    fn foreign_lines_harm_no_other() {
        let long = format!("{{\"type\":\"message\",\"id\":\"{}\"}}", "x".repeat(LINE_MAX));
        let mut bytes = format!("nonsense\n[1]\n{{\"id\":1}}\n{{\"type\":\"message\",\"id\":5}}\n{long}\n");
        bytes += "\0\0\0\0\n{\"type\":\"later\"}\n";
        let mut bytes = bytes.into_bytes();
        bytes.extend(b"{\"type\":\"\xff\"}\n");
        bytes.extend(ONE.as_bytes());
        bytes.push(b'\n');
        let file = salvage(&bytes);
        let kinds: Vec<_> = file.problems.iter().map(|problem| (problem.line, problem.kind)).collect();
        assert_eq!(
            kinds,
            [
                (1, ProblemKind::NotARecord),
                (2, ProblemKind::NotARecord),
                (3, ProblemKind::NotARecord),
                (4, ProblemKind::WrongField),
                (5, ProblemKind::LineTooLong),
                (6, ProblemKind::NulBlock),
                (8, ProblemKind::NotUtf8),
            ]
        );
        let records: Vec<_> = file.records.iter().map(|record| (record.number, record.kind)).collect();
        assert_eq!(records, [(7, Kind::Unknown), (9, Kind::Message)]);
        let id = file.text(Text::new(&bytes), &file.records[1], Field::Id);
        assert_eq!(id.as_deref(), Some("msg-1"), "what stands behind bytes that are no text can be read");
    }

    #[test]
    fn the_fields_of_a_line_of_any_length_are_found() {
        for len in [10, 65_400, 65_535, 65_600, 1_000_000] {
            let body = "é".repeat(len / 2);
            let line = format!("{{\"type\":\"message\",\"id\":\"msg-3\",\"body\":\"{body}\",\"ts\":3}}");
            let bad = format!("{{\"type\":\"message\",\"body\":\"{body}\",\"ts\":\"late\"}}");
            let bytes = format!("{ONE}\n{bad}\n{line}\n{TWO}\n").into_bytes();
            let file = salvage(&bytes);
            let text = Text::new(&bytes);
            let ids: Vec<_> = file.records.iter().map(|record| file.text(text, record, Field::Id)).collect();
            assert_eq!(ids, ["msg-1", "msg-3", "msg-2"].map(|id| Some(id.into())), "{len}");
            assert_eq!(file.text(text, &file.records[1], Field::Body).as_deref(), Some(&*body), "{len}");
            assert_eq!(file.int(text, &file.records[1], Field::Ts), Some(3), "{len}");
            assert_eq!(file.raw(text, &file.records[1], Field::Home), None, "{len}");
            assert_eq!(file.problems.len(), 1, "{len}");
        }
    }

    #[test]
    fn reading_on_equals_reading_at_once() {
        let text = format!("{ONE}\n\n{{\"type\":\"question_update\",\"guid\":\"q\"}}\n{TWO}\n{}", &ONE[..9]);
        let bytes = text.as_bytes();
        let whole = salvage(bytes);
        for cut in 0..bytes.len() {
            let mut file = salvage(&bytes[..cut]);
            let kept =
                file.records.iter().filter(|record| u64::from(record.line.end()) < file.stop.at).count();
            file.records.truncate(kept);
            file.problems.clear();
            file.resume(bytes, 0, Reading::Salvage);
            let lines =
                |file: &File| file.records.iter().map(|r| (r.line, r.index, r.stamp)).collect::<Vec<_>>();
            assert_eq!(lines(&file), lines(&whole), "{cut}");
            assert_eq!((file.stop, file.problems), (whole.stop, whole.problems.clone()), "{cut}");
        }
    }

    #[test]
    fn a_chain_names_the_line_that_was_changed() {
        let mut text = format!("{ONE}\n");
        let next = format!(r#"{{"type":"message","id":"msg-2","prev":"{:016x}"}}"#, xxh3_64(ONE.as_bytes()));
        text += &next;
        text += "\n";
        assert_eq!(salvage(text.as_bytes()).problems, []);
        let edited = text.replace("\"ts\":1", "\"ts\":9");
        let problems = salvage(edited.as_bytes()).problems;
        assert_eq!((problems[0].line, problems[0].kind), (1, ProblemKind::EditedLine));
    }
}
