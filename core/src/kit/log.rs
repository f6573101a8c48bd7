//! Append logs: records in a file that only grows at its end, read by machines that get it in pieces.
//!
//! Framing only. What a record means is the system's: it hands in a function that takes one record off the front of
//! the bytes ([`read`]), or goes through lines ([`Lines`]). Both resume where they stopped, so that a reader of a
//! file that has grown looks at the new bytes alone.
//!
//! # Crash
//! A file that was not flushed ends anywhere: in the middle of a record ([`Rest::Cut`], a line without its newline),
//! or in NUL bytes of the right length ([`Rest::Nul`]). Neither counts, neither is an error: the writer looks at the
//! end of its file before it appends again. One that did not glued a record to a torn one ([`glued`] finds it).
//!
//! # Elsewhere
//! Any prefix of the file, cut anywhere, and prefixes of different lengths one after the other. What was read of a
//! prefix is read of every longer one: [`Place`] is always the end of a whole record.

use memchr::memchr;
use xxhash_rust::xxh3::xxh3_64;

/// What stands at the front of some bytes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Front<T> {
    /// A record, and how many bytes it takes; at least one.
    Record(T, usize),
    /// Bytes that are no record and never will be, and how many; at least one.
    Foreign(usize),
    /// The beginning of a record, as far as one can tell: more may come.
    Cut,
}

/// What stands behind the last whole record of a file.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Rest {
    /// Nothing.
    None,
    /// The beginning of a record: how many bytes.
    Cut(usize),
    /// NUL bytes only, as a crash leaves them: how many.
    Nul(usize),
}

/// What was read of a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Read<T> {
    /// The records with the offset at which each begins.
    pub records: Vec<(u64, T)>,
    /// Bytes that are no record: offset and length of each piece.
    pub foreign: Vec<(u64, u64)>,
    /// The offset behind the last record or foreign piece: where to go on when the file has grown.
    pub at: u64,
    /// What stands behind that.
    pub rest: Rest,
}

/// Reads records off bytes that begin at offset `from` of their file.
///
/// `front` looks at the bytes that are left, which are never empty. It must not take a length from them on trust:
/// a record longer than what is left is [`Front::Cut`].
///
/// # Panics
/// If `front` takes no byte, or more than there are.
pub fn read<'a, T>(bytes: &'a [u8], from: u64, mut front: impl FnMut(&'a [u8]) -> Front<T>) -> Read<T> {
    let mut found = Read { records: Vec::new(), foreign: Vec::new(), at: from, rest: Rest::None };
    let mut left = bytes;
    while !left.is_empty() {
        // A record may begin with a zero byte; a file does not go on with zero bytes only.
        if left[0] == 0 && left.iter().all(|&byte| byte == 0) {
            found.rest = Rest::Nul(left.len());
            break;
        }
        let len = match front(left) {
            Front::Record(record, len) => {
                found.records.push((found.at, record));
                len
            }
            Front::Foreign(len) => {
                found.foreign.push((found.at, len as u64));
                len
            }
            Front::Cut => {
                found.rest = Rest::Cut(left.len());
                break;
            }
        };
        assert!(0 < len && len <= left.len(), "{len} of {} bytes cannot be taken", left.len());
        left = &left[len..];
        found.at += len as u64;
    }
    found
}

/// Where reading lines stopped: always the end of a line.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Place {
    /// Bytes read.
    pub at: u64,
    /// Lines read.
    pub lines: u32,
    /// Lines read that are not blank.
    pub index: u32,
    /// The digest of the last line that is not blank, as far as it is known.
    pub last: Option<u64>,
}

/// One line that is not blank, and its place in the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Line<'a> {
    /// All of it, without the newline and the carriage return before it: what a chain digests.
    pub whole: &'a [u8],
    /// The same without the white space around it.
    pub text: &'a [u8],
    /// Its number, counted from 1.
    pub number: u32,
    /// How many lines that are not blank come before it.
    pub index: u32,
    /// The line before it that is not blank; `None` if it was read another time.
    before: Option<&'a [u8]>,
    /// Its digest, as far as it is known from another time.
    last: Option<u64>,
}

impl<'a> Line<'a> {
    /// The line of these bytes that comes next after `place`; `None` if it is blank.
    #[must_use]
    pub fn after(place: Place, whole: &'a [u8]) -> Option<Self> {
        let whole = whole.strip_suffix(b"\r").unwrap_or(whole);
        let text = whole.trim_ascii();
        let line =
            Self { whole, text, number: place.lines + 1, index: place.index, before: None, last: place.last };
        (!text.is_empty()).then_some(line)
    }

    /// The digest of the line before it that is not blank; `None` if that is not known.
    ///
    /// A writer that says it in each line makes a chain: a line that was changed or removed later shows.
    #[must_use]
    pub fn previous(&self) -> Option<u64> {
        self.before.map_or(self.last, |before| Some(digest(before)))
    }
}

/// The digest of a line, by which the next one names it (XXH3, 64 bits).
#[must_use]
pub fn digest(line: &[u8]) -> u64 {
    xxh3_64(line)
}

/// The lines of a file that end with a newline and are not blank.
#[derive(Clone, Debug)]
pub struct Lines<'a> {
    /// What is left.
    left: &'a [u8],
    place: Place,
    before: Option<&'a [u8]>,
}

impl<'a> Lines<'a> {
    /// The lines after `place`, of which `bytes` are the bytes from there on.
    #[must_use]
    pub fn after(place: Place, bytes: &'a [u8]) -> Self {
        Self { left: bytes, place, before: None }
    }

    /// Where it has come to.
    #[must_use]
    pub fn place(&self) -> Place {
        Place { last: self.before.map_or(self.place.last, |before| Some(digest(before))), ..self.place }
    }

    /// What is left once every line has been taken: the last one, without its newline. Empty if the file ends well.
    #[must_use]
    pub fn cut(&self) -> &'a [u8] {
        self.left
    }

    /// The last line, without its newline, as if it had one; `None` if it is blank.
    #[must_use]
    pub fn cut_line(&self) -> Option<Line<'a>> {
        Line::after(self.place, self.left).map(|line| Line { before: self.before, ..line })
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Line<'a>;

    #[inline]
    fn next(&mut self) -> Option<Line<'a>> {
        loop {
            let len = memchr(b'\n', self.left)?;
            let line = Line::after(self.place, &self.left[..len]);
            self.left = &self.left[len + 1..];
            self.place.at += len as u64 + 1;
            self.place.lines += 1;
            if let Some(line) = line {
                self.place.index += 1;
                let line = Line { before: self.before, ..line };
                self.before = Some(line.whole);
                return Some(line);
            }
        }
    }
}

/// How many places at which a record may begin are tried in one line.
const GLUED_MAX: usize = 64;

/// Finds the records that stand behind a torn one in the same line, because their writer did not look at the end of
/// the file. Returns how many.
///
/// `start` is how every record begins, and must not be found within one. `take` is asked at each such place and
/// says how many bytes the record there takes; `None` if it is torn too.
pub fn glued<'a>(line: &'a str, start: &str, mut take: impl FnMut(&'a str) -> Option<usize>) -> usize {
    let (mut found, mut from) = (0, 0);
    for _ in 0..GLUED_MAX {
        let Some(at) = line.get(from..).and_then(|rest| rest.find(start)).map(|at| from + at) else { break };
        from = match take(&line[at..]) {
            Some(len) => {
                found += 1;
                at + len.max(1)
            }
            None => at + start.len(),
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// One byte of length, then so many bytes.
    fn record(bytes: &[u8]) -> Front<&[u8]> {
        match bytes {
            [0, ..] => Front::Foreign(1),
            [len, rest @ ..] => match rest.get(..usize::from(*len)) {
                Some(record) => Front::Record(record, 1 + record.len()),
                None => Front::Cut,
            },
            [] => Front::Cut,
        }
    }

    #[test]
    fn a_torn_or_zeroed_end_does_not_count() {
        let whole = read(b"\x02ab\x01c", 10, record);
        assert_eq!(whole.records, [(10, &b"ab"[..]), (13, &b"c"[..])]);
        assert_eq!((whole.at, whole.rest), (15, Rest::None));
        let torn = read(b"\x02ab\x05c", 0, record);
        assert_eq!((torn.records.len(), torn.at, torn.rest), (1, 3, Rest::Cut(2)));
        let zeroed = read(b"\x02ab\0\0\0", 0, record);
        assert_eq!((zeroed.records.len(), zeroed.at, zeroed.rest), (1, 3, Rest::Nul(3)));
        let foreign = read(b"\0\x01c", 0, record);
        assert_eq!((foreign.records, foreign.foreign, foreign.at), (vec![(1, &b"c"[..])], vec![(0, 1)], 3));
    }

    #[test]
    fn lines_are_numbered_and_chained() {
        let mut lines = Lines::after(Place::default(), b"one\n \n  two \nthree");
        let one = lines.next().unwrap();
        assert_eq!((one.text, one.number, one.index, one.previous()), (&b"one"[..], 1, 0, None));
        let two = lines.next().unwrap();
        assert_eq!((two.text, two.whole, two.number, two.index), (&b"two"[..], &b"  two "[..], 3, 1));
        assert_eq!(two.previous(), Some(digest(b"one")));
        assert_eq!(lines.next(), None);
        assert_eq!(lines.place(), Place { at: 13, lines: 3, index: 2, last: Some(digest(b"  two ")) });
        assert_eq!(lines.cut(), b"three");
        let cut = lines.cut_line().unwrap();
        assert_eq!((cut.number, cut.index, cut.previous()), (4, 2, Some(digest(b"  two "))));
        assert_eq!(Line::after(Place::default(), b" \t"), None);
    }

    #[test]
    fn records_behind_a_torn_one_are_found() {
        let take = |rest: &str| rest.find('}').map(|end| end + 1);
        assert_eq!(glued(r#"{"type":1{"type":2}{"type":3}"#, r#"{"type":"#, take), 2);
        assert_eq!(glued("none", r#"{"type":"#, take), 0);
        assert_eq!(glued(&"{{".repeat(1_000), "{", |_| None), 0);
    }

    proptest! {
        #[test]
        fn reading_on_equals_reading_at_once(
            bytes in prop::collection::vec(prop_oneof![Just(0), 0..5_u8, any::<u8>()], 0..60), cut in any::<prop::sample::Index>(),
        ) {
            let whole = read(&bytes, 0, record);
            let first = read(&bytes[..cut.index(bytes.len() + 1)], 0, record);
            let from = usize::try_from(first.at).unwrap();
            let second = read(&bytes[from..], first.at, record);
            let records: Vec<_> = first.records.into_iter().chain(second.records).collect();
            prop_assert_eq!(&records, &whole.records);
            prop_assert_eq!((second.at, second.rest), (whole.at, whole.rest));
        }

        #[test]
        fn lines_of_a_file_that_grew_are_the_lines_of_the_file(
            text in "[ab \n]{0,40}", cut in any::<prop::sample::Index>(),
        ) {
            let all = |place: Place, bytes: &[u8]| {
                let mut lines = Lines::after(place, bytes);
                let found: Vec<_> = lines.by_ref().map(|line| (line.text.to_vec(), line.number, line.index, line.previous())).collect();
                (found, lines.place())
            };
            let bytes = text.as_bytes();
            let (whole, end) = all(Place::default(), bytes);
            let (mut found, place) = all(Place::default(), &bytes[..cut.index(bytes.len() + 1)]);
            let (more, place) = all(place, &bytes[usize::try_from(place.at).unwrap()..]);
            found.extend(more);
            prop_assert_eq!(found, whole);
            prop_assert_eq!(place, end);
        }
    }
}
