//! Activity logs (`noteId|profileId|seq`, before `noteId|instanceId_seq`) and deletion logs (`noteId|ms`).
//!
//! The formats are upstream's (drewcsillag/notecove at 2f4f888; the older form of an activity line is its
//! sync-mechanism document's). Lines that an editor or a checkout has touched are read as well: a byte order mark,
//! carriage returns, blank lines, white space around fields, NUL bytes before a line.
//!
//! What a line means is certain once it has its newline. The last line without one may be cut: in an activity line the
//! number, in a deletion line the time, and those do not count then; an id is whole once a `|` follows it.

use std::sync::Arc;

use super::names::{is_certain_id, is_id};
use crate::kit::log::{Line, Lines, Place};
use crate::kit::text::without_mark;

/// A hint: an instance has written a record about a note.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Activity {
    /// The note.
    pub note: Arc<str>,
    /// Who wrote it, as the line says: an instance in the older form, a profile in the newer one.
    pub by: By,
    /// The record's number.
    pub seq: u64,
}

/// Who wrote a record, as an activity line says.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum By {
    /// The instance: `noteId|instanceId_seq`.
    Instance(Arc<str>),
    /// The profile: `noteId|profileId|seq`. Which instance that is, the file's name says.
    Profile(Arc<str>),
}

/// A note is gone for good.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Deletion {
    /// The note.
    pub note: Arc<str>,
    /// When, in ms since 1970, in the opinion of who wrote it; `None` if that cannot be read.
    pub time_ms: Option<u64>,
}

/// Lines that were read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LineFile<T> {
    /// Those that mean something, each with its number, counted from 1.
    pub entries: Vec<(u32, T)>,
    /// Lines that are something else, or not all right: their numbers and what they hold.
    pub odd: Vec<(u32, Oddity)>,
    /// How many lines there are that end with a newline, blank ones included.
    pub lines: u32,
    /// What the last line is.
    pub end: LineEnd,
}

/// What is odd about a line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Oddity {
    /// It holds NUL bytes, as a crash leaves them.
    Nul,
    /// It is no line of this log.
    Foreign(String),
    /// The whole file is UTF-16, which no program of this folder writes: nothing of it is read.
    Utf16,
}

/// What a file of lines ends with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum LineEnd {
    /// A newline, or the file is empty.
    Whole,
    /// A line without its newline.
    Cut,
    /// NUL bytes without a newline.
    Nul,
}

/// A line's meaning, and what is odd about it.
type Reading<T> = (Vec<T>, Option<Oddity>);

/// Reads the lines of an activity log.
#[must_use]
pub fn activity_log(bytes: &[u8]) -> LineFile<Activity> {
    read(bytes, |text, whole| match activity(text) {
        Some(activity) if whole => (vec![activity], None),
        // A number may be cut.
        _ if !whole => (vec![], None),
        _ => (vec![], Some(foreign(text))),
    })
}

/// Reads the lines of a deletion log.
#[must_use]
pub fn deletion_log(bytes: &[u8]) -> LineFile<Deletion> {
    read(bytes, |text, whole| {
        let (found, sound) = deletions(text, whole);
        let odd = (!sound && whole).then(|| foreign(text));
        (found, odd)
    })
}

fn read<T>(bytes: &[u8], meaning: impl Fn(&str, bool) -> Reading<T>) -> LineFile<T> {
    let mut found = LineFile { entries: Vec::new(), odd: Vec::new(), lines: 0, end: LineEnd::Whole };
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        found.odd.push((0, Oddity::Utf16));
        return found;
    }
    let bytes = without_mark(bytes);
    let mut take = |line: Line<'_>, whole| {
        let text = line.text.trim_ascii();
        let (clean, nul) = without_nul(text);
        if nul {
            found.odd.push((line.number, Oddity::Nul));
        }
        if clean.is_empty() {
            return;
        }
        let (entries, odd) = match std::str::from_utf8(clean) {
            Ok(text) => meaning(text, whole),
            Err(_) => (Vec::new(), Some(Oddity::Foreign(String::from_utf8_lossy(clean).into_owned()))),
        };
        found.entries.extend(entries.into_iter().map(|entry| (line.number, entry)));
        found.odd.extend(odd.map(|odd| (line.number, odd)));
    };
    let mut lines = Lines::after(Place::default(), bytes);
    lines.by_ref().for_each(|line| take(line, true));
    let (cut, last) = (lines.cut(), lines.cut_line());
    let count = lines.place().lines;
    if let Some(line) = last {
        take(line, false);
    }
    found.lines = count;
    found.end = match cut {
        [] => LineEnd::Whole,
        cut if cut.iter().all(|&byte| byte == 0) => LineEnd::Nul,
        _ => LineEnd::Cut,
    };
    found
}

/// The text of a line behind NUL bytes, and whether there are any. A line with NUL bytes elsewhere has no text.
fn without_nul(text: &[u8]) -> (&[u8], bool) {
    let from = text.iter().position(|&byte| byte != 0).unwrap_or(text.len());
    let clean = text[from..].trim_ascii();
    match clean.iter().position(|&byte| byte == 0) {
        Some(_) => (&[], true),
        None => (clean, from > 0),
    }
}

fn foreign(text: &str) -> Oddity {
    Oddity::Foreign(text.chars().take(DETAIL_MAX).collect())
}

/// How many characters of a foreign line are told.
const DETAIL_MAX: usize = 80;

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn activity(text: &str) -> Option<Activity> {
    let mut fields = text.split('|').map(str::trim);
    let note = fields.next().filter(|note| is_id(note))?.into();
    let second = fields.next()?;
    let (by, seq) = match fields.next() {
        Some(seq) => (By::Profile(Some(second).filter(|id| is_id(id))?.into()), number(seq)?),
        None => {
            let (instance, seq) = second.rsplit_once('_')?;
            (By::Instance(Some(instance).filter(|id| is_id(id))?.into()), number(seq)?)
        }
    };
    Some(Activity { note, by, seq })
}

/// The deletions of a line, and whether it is as a writer writes it. `whole` says that it has its newline.
fn deletions(text: &str, whole: bool) -> (Vec<Deletion>, bool) {
    let Some((note, rest)) = text.split_once('|') else { return (Vec::new(), false) };
    let note = note.trim();
    if !is_id(note) {
        return (Vec::new(), false);
    }
    let time = rest.split('|').next().unwrap_or("").trim();
    if let Some(time_ms) = number(time) {
        let time_ms = Some(time_ms).filter(|_| whole || rest.contains('|'));
        return (vec![Deletion { note: note.into(), time_ms }], true);
    }
    // The id is whole and somebody meant it to go. If a line is glued to it, that counts as well.
    let mut found = vec![Deletion { note: note.into(), time_ms: None }];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if digits >= MS_DIGITS {
        found.extend(deletions(&rest[MS_DIGITS..], whole).0);
    } else if let Some(line) = last_id(time).and_then(|id| rest.get(rest.find(id)?..)) {
        // The time is cut, and may end with digits that begin the id which is glued to it.
        found.extend(deletions(line, whole).0);
    }
    (found, false)
}

/// The id, in a form that upstream makes, that a text ends with.
fn last_id(text: &str) -> Option<&str> {
    let ends = [36, 22].map(|len| text.len().checked_sub(len).and_then(|at| text.get(at..)));
    ends.into_iter().flatten().find(|id| is_certain_id(id))
}

/// The digits of a time in ms between 2001 and 2286.
const MS_DIGITS: usize = 13;

/// An activity line in the newer form.
#[must_use]
pub fn activity_line(note: &str, profile: &str, seq: u64) -> String {
    format!("{note}|{profile}|{seq}\n")
}

/// An activity line in the older form.
#[must_use]
pub fn old_activity_line(note: &str, instance: &str, seq: u64) -> String {
    format!("{note}|{instance}_{seq}\n")
}

/// A deletion line.
#[must_use]
pub fn deletion_line(note: &str, time_ms: u64) -> String {
    format!("{note}|{time_ms}\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const A: &str = "noteaaaaaaaaaaaaaaaaaa";
    const B: &str = "notebbbbbbbbbbbbbbbbbb";

    fn deleted(text: impl AsRef<[u8]>) -> Vec<(String, Option<u64>)> {
        let file = deletion_log(text.as_ref());
        file.entries.into_iter().map(|(_, entry)| (entry.note.to_string(), entry.time_ms)).collect()
    }

    #[test]
    fn both_forms_of_an_activity_line_are_read() {
        let file = activity_log(format!("{A}|{B}|7\n{A}|{B}_8\r\n{A}|{B}|9").as_bytes());
        let (a, b): (Arc<str>, Arc<str>) = (A.into(), B.into());
        assert_eq!(
            file.entries,
            [
                (1, Activity { note: a.clone(), by: By::Profile(b.clone()), seq: 7 }),
                (2, Activity { note: a, by: By::Instance(b), seq: 8 }),
            ]
        );
        assert_eq!((file.lines, file.end), (2, LineEnd::Cut));
        let odd = activity_log(b"x\n|a|1\nnote|who|-1\nnote|who|18446744073709551616\n");
        assert_eq!((odd.entries.len(), odd.odd.len()), (0, 4));
    }

    #[test]
    fn an_instance_may_hold_an_underscore() {
        let file = activity_log(format!("{A}|in_st_8\n").as_bytes());
        assert_eq!(file.entries[0].1.by, By::Instance("in_st".into()));
    }

    #[test]
    fn a_cut_time_is_no_time_and_a_cut_id_no_deletion() {
        assert_eq!(deleted(format!("{A}|17643")), [(A.to_owned(), None)]);
        assert_eq!(deleted(format!("{A}|17643\n")), [(A.to_owned(), Some(17643))]);
        assert_eq!(deleted(A), []);
        assert_eq!(deleted(format!("{A}\n")), []);
    }

    #[test]
    fn a_glued_line_deletes_both_and_is_told() {
        let text = format!("{A}|1764374400001{B}|1764374400002\n");
        assert_eq!(deleted(&text), [(A.to_owned(), None), (B.to_owned(), Some(1_764_374_400_002))]);
        assert_eq!(deletion_log(text.as_bytes()).odd.len(), 1);
    }

    #[test]
    fn utf_16_is_not_read_at_all() {
        let file = deletion_log(b"\xff\xfea\0|\x001\0\n\0");
        assert_eq!((file.entries.len(), file.odd), (0, vec![(0, Oddity::Utf16)]));
    }

    proptest! {
        #[test]
        fn bytes_of_nobody_are_read_without_harm(bytes in prop::collection::vec(prop_oneof![Just(b'|'), Just(b'\n'), Just(0), any::<u8>()], 0..120)) {
            for (_, entry) in deletion_log(&bytes).entries {
                prop_assert!(is_id(&entry.note));
            }
            for (_, entry) in activity_log(&bytes).entries {
                prop_assert!(is_id(&entry.note));
            }
        }

        #[test]
        fn every_prefix_has_the_whole_lines(ids in prop::collection::vec("[a-zA-Z0-9_-]{22}", 1..5), cut in any::<prop::sample::Index>()) {
            let lines: Vec<_> = ids.iter().map(|id| deletion_line(id, 1_764_374_400_000)).collect();
            let text = lines.concat();
            let cut = cut.index(text.len() + 1);
            let file = deletion_log(&text.as_bytes()[..cut]);
            let mut end = 0;
            let whole = lines.iter().filter(|line| { end += line.len(); end <= cut }).count();
            prop_assert_eq!(file.lines as usize, whole);
            // Of the line that is cut the id counts once it is whole.
            prop_assert!(file.entries.len() == whole || file.entries.len() == whole + 1);
            for ((_, entry), id) in file.entries.iter().zip(&ids) {
                prop_assert_eq!(&*entry.note, id.as_str());
            }
            prop_assert!(file.odd.is_empty());
        }
    }
}
