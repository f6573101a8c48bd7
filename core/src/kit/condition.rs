//! In which state a file's bytes are, as far as its name and its bytes tell: whole, empty, zeros, or cut.
//!
//! A crash leaves zeros or nothing where a file was, a copy that was interrupted leaves a beginning, and a merge of
//! texts leaves marks. None of that is a file that somebody wrote so. What a format does not tell is not guessed: of a
//! file of an unknown kind only zeros are said.

use memchr::memmem;
use serde::de::IgnoredAny;

use super::names::split_extension;
use super::text::without_mark;

/// What is wrong with the bytes of a file.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Condition {
    /// It has no bytes, and files of its kind have some.
    Empty,
    /// Every byte is zero.
    Nul,
    /// A text with zeros in it or at its end.
    NulWithin,
    /// It ends before it should.
    Cut,
    /// It is not what its name says: bytes of something else, or of two versions.
    Damaged,
    /// The marks that a merge of texts leaves where it could not decide.
    Unmerged,
}

/// A condition, and the line where it shows, counted from 1; 0 if it is about the whole file.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Found {
    /// What is wrong.
    pub condition: Condition,
    /// Where.
    pub line: u32,
}

/// What a file's name says of its bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Format {
    Json,
    JsonLines,
    Text,
    Pdf,
    Png,
    Sqlite,
    Zip,
    Unknown,
}

fn format(name: &str) -> Format {
    let extension = split_extension(name).1.to_ascii_lowercase();
    match extension.trim_start_matches('.') {
        "json" => Format::Json,
        "jsonl" | "ndjson" => Format::JsonLines,
        "txt" | "md" | "markdown" | "csv" | "tsv" | "toml" | "yaml" | "yml" | "ini" | "ics" | "vcf"
        | "org" | "tex" | "html" | "xml" | "css" | "js" | "ts" | "py" | "rs" | "sh" | "log" => Format::Text,
        "pdf" => Format::Pdf,
        "png" => Format::Png,
        "sqlite" | "sqlite3" | "db" => Format::Sqlite,
        "zip" | "docx" | "xlsx" | "pptx" | "odt" | "ods" | "odp" | "epub" | "jar" => Format::Zip,
        _ => Format::Unknown,
    }
}

/// Whether a file of this name may have no bytes: what is a mark, a lock or a list may.
fn may_be_empty(name: &str, format: Format) -> bool {
    let hidden = name.starts_with('.') || name.starts_with("__");
    match format {
        Format::Json | Format::Pdf | Format::Png | Format::Zip => hidden,
        Format::JsonLines | Format::Text | Format::Sqlite | Format::Unknown => true,
    }
}

/// Whether the bytes of a file of this name tell more than whether they are zeros.
#[must_use]
pub fn is_known_kind(name: &str) -> bool {
    format(name) != Format::Unknown
}

/// What is wrong with a file of this name and these bytes. `whole` says that these are all bytes of it, and not only
/// its beginning. At most one finding of each kind: the first place where it shows.
#[must_use]
pub fn conditions(name: &str, bytes: &[u8], whole: bool) -> Vec<Found> {
    let format = format(name);
    let of = |condition| vec![Found { condition, line: 0 }];
    if bytes.is_empty() {
        return if may_be_empty(name, format) { Vec::new() } else { of(Condition::Empty) };
    }
    if bytes.iter().all(|&byte| byte == 0) {
        return of(Condition::Nul);
    }
    let mut found = match format {
        Format::Json => json(bytes, whole),
        Format::JsonLines => json_lines(bytes, whole),
        Format::Text => text(bytes),
        Format::Pdf => ends(bytes, whole, b"%PDF-", |bytes| has_near_end(bytes, b"%%EOF", 2_048)),
        Format::Png => ends(bytes, whole, b"\x89PNG", |bytes| has_near_end(bytes, b"IEND", 64)),
        Format::Zip => ends(bytes, whole, b"PK", |bytes| has_near_end(bytes, b"PK\x05\x06", 66_000)),
        Format::Sqlite => ends(bytes, whole, b"SQLite format 3\0", sqlite_is_whole),
        Format::Unknown => Vec::new(),
    };
    if matches!(format, Format::Json | Format::JsonLines | Format::Text)
        && let Some(line) = unmerged(bytes)
    {
        found.retain(|found| found.condition != Condition::Damaged);
        found.push(Found { condition: Condition::Unmerged, line });
    }
    found.sort();
    found.dedup_by_key(|found| found.condition);
    found
}

fn line_of(bytes: &[u8], at: usize) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', &bytes[..at]).count() + 1).unwrap_or(u32::MAX)
}

fn is_utf16(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff])
}

fn text(bytes: &[u8]) -> Vec<Found> {
    match memchr::memchr(0, bytes).filter(|_| !is_utf16(bytes)) {
        Some(at) => vec![Found { condition: Condition::NulWithin, line: line_of(bytes, at) }],
        None => Vec::new(),
    }
}

/// Reads a JSON text for nothing but its form: the line and the kind of what is wrong with it.
fn wrong(text: &[u8]) -> Option<(usize, Condition)> {
    let error = serde_json::from_slice::<IgnoredAny>(text).err()?;
    let condition = if error.is_eof() { Condition::Cut } else { Condition::Damaged };
    Some((error.line(), condition))
}

fn json(bytes: &[u8], whole: bool) -> Vec<Found> {
    let found = text(bytes);
    // Nested or commented as some programs write their settings, it is nobody's damage.
    let commented = || memmem::find(bytes, b"//").or_else(|| memmem::find(bytes, b"/*")).is_some();
    match wrong(without_mark(bytes)) {
        _ if !found.is_empty() || is_utf16(bytes) => found,
        Some((_, Condition::Cut)) if !whole => found,
        Some((_, Condition::Damaged)) if commented() => found,
        // A document a line, as some programs write them under this name.
        Some((_, Condition::Damaged)) if json_lines(bytes, whole).is_empty() => found,
        Some((line, condition)) => {
            vec![Found { condition, line: u32::try_from(line).unwrap_or(u32::MAX) }]
        }
        None => found,
    }
}

fn json_lines(bytes: &[u8], whole: bool) -> Vec<Found> {
    let mut found = text(bytes);
    let zeros = found.first().map(|found| found.line);
    let bytes = without_mark(bytes);
    let ended = bytes.ends_with(b"\n");
    let mut lines = bytes.split(|&byte| byte == b'\n').zip(1_u32..).peekable();
    while let Some((line, number)) = lines.next() {
        let last = lines.peek().is_none();
        if line.trim_ascii().is_empty() || Some(number) == zeros {
            continue;
        }
        match wrong(line) {
            // What was read of it ends here.
            Some((_, Condition::Cut)) if last && !ended && !whole => {}
            Some((_, Condition::Cut)) if last && !ended => {
                found.push(Found { condition: Condition::Cut, line: number });
            }
            Some(_) => found.push(Found { condition: Condition::Damaged, line: number }),
            None => {}
        }
    }
    found
}

/// A file that begins with `magic` and whose end can be recognised.
fn ends(bytes: &[u8], whole: bool, magic: &[u8], is_whole: impl Fn(&[u8]) -> bool) -> Vec<Found> {
    let condition = match bytes.starts_with(magic) {
        // Another kind of file under this extension is a matter of taste; a beginning of zeros is not.
        false if bytes.len() >= magic.len() && bytes[..magic.len()].iter().all(|&byte| byte == 0) => {
            Condition::Damaged
        }
        true if whole && !is_whole(bytes) => Condition::Cut,
        _ => return Vec::new(),
    };
    vec![Found { condition, line: 0 }]
}

fn has_near_end(bytes: &[u8], mark: &[u8], within: usize) -> bool {
    memmem::find(&bytes[bytes.len().saturating_sub(within)..], mark).is_some()
}

/// Whether a database has all the pages that its header tells of (sqlite.org/fileformat2.html, 1.3).
fn sqlite_is_whole(bytes: &[u8]) -> bool {
    let be32 = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let Some(header) = bytes.get(16..18) else { return false };
    let page = match u64::from(u16::from_be_bytes([header[0], header[1]])) {
        1 => 65_536,
        page => page,
    };
    match (be32(28), be32(24), be32(92)) {
        (Some(pages), Some(changed), Some(valid)) if changed == valid => {
            bytes.len() as u64 >= page * u64::from(pages)
        }
        (_, _, Some(_)) => true,
        _ => false,
    }
}

/// The line of the first mark of a merge, if all three marks stand there in their order.
fn unmerged(bytes: &[u8]) -> Option<u32> {
    let starts = |mark: &[u8], from: usize| {
        memmem::find_iter(&bytes[from..], mark)
            .map(|at| from + at)
            .find(|&at| at == 0 || bytes[at - 1] == b'\n')
    };
    let ours = starts(b"<<<<<<< ", 0)?;
    let between = starts(b"=======", ours)?;
    starts(b">>>>>>> ", between)?;
    Some(line_of(bytes, ours))
}

/// What a copy of a file has that the file has not.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Relation {
    /// Nothing: the bytes are the same.
    Same,
    /// Nothing: every line of it stands in the file too.
    Contained,
    /// This many lines.
    More(u32),
    /// It is no text, and another version.
    Other,
}

/// What a copy has that its original has not, by lines.
#[must_use]
pub fn relation(copy: &[u8], original: &[u8]) -> Relation {
    if copy == original {
        return Relation::Same;
    }
    if memchr::memchr(0, copy).is_some() || std::str::from_utf8(copy).is_err() {
        return Relation::Other;
    }
    let lines = |bytes| {
        let plain = |line: &'_ [u8]| -> Vec<u8> { line.trim_ascii_end().to_vec() };
        <[u8]>::split(bytes, |&byte| byte == b'\n').map(plain).collect::<std::collections::BTreeSet<_>>()
    };
    let known = lines(without_mark(original));
    let more = lines(without_mark(copy)).into_iter().filter(|line| !line.is_empty() && !known.contains(line));
    match u32::try_from(more.count()).unwrap_or(u32::MAX) {
        0 => Relation::Contained,
        more => Relation::More(more),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(name: &str, bytes: &[u8]) -> Vec<(Condition, u32)> {
        conditions(name, bytes, true).into_iter().map(|found| (found.condition, found.line)).collect()
    }

    #[test]
    fn what_is_whole_is_passed_over() {
        let mut database = b"SQLite format 3\0".to_vec();
        database.extend([2, 0, 1, 1, 0, 64, 32, 32, 0, 0, 0, 9, 0, 0, 0, 2]);
        database.resize(92, 0);
        database.extend([0, 0, 0, 9]);
        database.resize(1_024, 0);
        for (name, bytes) in [
            ("a.json", b"{\"a\":[1,2]}".as_slice()),
            ("a.json", b"\xef\xbb\xbf{}\r\n"),
            ("settings.json", b"{ // why\n \"a\": 1, }"),
            ("lines.json", b"{\"a\":1}\n{\"a\":2}\n"),
            ("a.jsonl", b""),
            ("a.jsonl", b"{}\n{}"),
            ("a.jsonl", b"{}\r\n\r\n{}\r\n"),
            ("a.md", b""),
            ("a.md", b"=======\ntitle\n=======\n"),
            ("a.txt", b"\xff\xfea\0b\0"),
            (".keep", b""),
            ("a.pdf", b"%PDF-1.4 ... %%EOF\n"),
            ("a.zip", b"PK\x03\x04 ... PK\x05\x06 ..."),
            ("a.db", &database),
            ("a.db", b"Berkeley"),
            ("a.bin", b"\0\0a"),
            ("a.crdtlog", b"\0\0\x01"),
        ] {
            assert_eq!(of(name, bytes), [], "{name} {bytes:?}");
        }
        assert_eq!(of("a.db", &database[..700]), [(Condition::Cut, 0)]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        use Condition::*;
        for (name, bytes, right) in [
            ("a.json", b"".as_slice(), vec![(Empty, 0)]),
            ("a.pdf", b"", vec![(Empty, 0)]),
            ("a.json", b"\0\0\0", vec![(Nul, 0)]),
            ("anything", b"\0\0\0", vec![(Nul, 0)]),
            ("a.json", b"{\"a\":[1,", vec![(Cut, 1)]),
            ("a.json", b"{\n\"a\":1}\n}}", vec![(Damaged, 3)]),
            ("a.json", b"{\"a\":1}\0\0\0", vec![(NulWithin, 1)]),
            ("a.jsonl", b"{}\n{\"a\":", vec![(Cut, 2)]),
            ("a.jsonl", b"{}\n{\"a\":\n{}\nx\n", vec![(Damaged, 2)]),
            ("a.jsonl", b"{}\n\0\0\0{}\n{", vec![(NulWithin, 2), (Cut, 3)]),
            ("a.md", b"text\nmore\0\0", vec![(NulWithin, 2)]),
            ("a.md", b"a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> x\n", vec![(Unmerged, 2)]),
            ("a.jsonl", b"<<<<<<< HEAD\n{}\n=======\n>>>>>>> x\n", vec![(Unmerged, 1)]),
            ("a.pdf", b"%PDF-1.4 ...", vec![(Cut, 0)]),
            ("a.png", b"\0\0\0\0\0\0x", vec![(Damaged, 0)]),
        ] {
            assert_eq!(of(name, bytes), right, "{name} {:?}", String::from_utf8_lossy(bytes));
        }
        // Of a file of which only the beginning was read nothing is said about its end.
        assert_eq!(conditions("a.json", b"{\"a\":[1,", false), []);
        assert_eq!(conditions("a.jsonl", b"{}\n{\"a\":", false), []);
        assert_eq!(conditions("a.pdf", b"%PDF-1.4 ...", false), []);
        assert!(is_known_kind("A.JSON") && !is_known_kind("photo.jpg"));
    }

    #[test]
    fn what_a_copy_has_more_is_counted() {
        for (copy, original, right) in [
            ("a\nb\n", "a\nb\n", Relation::Same),
            ("a\n", "a\nb\n", Relation::Contained),
            ("\u{feff}a\r\nb\r\n", "a\nb\n", Relation::Contained),
            ("a\nc\nd\n", "a\nb\n", Relation::More(2)),
            ("a\0", "a", Relation::Other),
        ] {
            assert_eq!(relation(copy.as_bytes(), original.as_bytes()), right, "{copy:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            name in "a\\.(json|jsonl|md|pdf|png|db|zip|bin)", bytes in prop::collection::vec(any::<u8>(), 0..200), whole: bool,
        ) {
            let found = conditions(&name, &bytes, whole);
            prop_assert!(found.len() <= 4);
            prop_assert_eq!(relation(&bytes, &bytes), Relation::Same);
        }
    }
}
