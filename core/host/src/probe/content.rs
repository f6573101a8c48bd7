//! What a probe writes into its files, and what a reader makes of the bytes it finds.
//!
//! A file says in its first line whose it is, which of its versions it is and how long that is; one letter fills the rest.
//! So a reader tells a whole version from a part of one, from two versions mixed, and from bytes that are not there.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The shortest version of a file, in bytes: its first line fits in.
pub(super) const LEN_MIN: u64 = 200;

/// The first line of every version.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Header {
    /// The run of the probe that wrote it.
    pub(super) probe: String,
    pub(super) file: String,
    pub(super) version: u64,
    /// Of this version, the line included, in bytes.
    pub(super) len: u64,
}

/// What a look at a file shows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Look {
    Missing,
    Empty,
    /// All of it, or a part, is NUL.
    Nul,
    /// The first bytes of a version.
    Prefix,
    /// Bytes of two versions, or more bytes than a version has.
    Mixed,
    /// Nothing that this run of the peer wrote.
    Foreign,
    /// The bytes did not come within the time that a look may take.
    Blocked,
    Whole(u64),
}

/// Another one for the next version, and for most other files: git takes a file that is much like one that is gone for
/// the same.
fn letter(header: &Header) -> u8 {
    let of_file = xxh3_64(header.file.as_bytes()).wrapping_add(xxh3_64(header.probe.as_bytes()));
    b'A' + u8::try_from(of_file.wrapping_add(header.version) % 26).unwrap_or(0)
}

/// One version of a file. A file that is appended to has several, one after another.
pub(super) fn make(run: &str, file: &str, version: u64, len: u64) -> Vec<u8> {
    let len = len.max(LEN_MIN);
    let header = Header { probe: run.to_owned(), file: file.to_owned(), version, len };
    let mut bytes = serde_json::to_vec(&header).unwrap_or_default();
    bytes.push(b'\n');
    let whole = usize::try_from(len).unwrap_or(usize::MAX).max(bytes.len() + 1);
    bytes.resize(whole - 1, letter(&header));
    bytes.push(b'\n');
    bytes
}

/// What the bytes of a file are: its length, its first bytes, and some of the bytes after them.
pub(super) fn judge(run: &str, file: &str, len: u64, head: &[u8], parts: &[Vec<u8>]) -> Look {
    if len == 0 || head.is_empty() {
        return Look::Empty;
    }
    let Some(end) = head.iter().position(|byte| *byte == b'\n') else {
        return if head.contains(&0) { Look::Nul } else { unfinished(head) };
    };
    let Ok(header) = serde_json::from_slice::<Header>(&head[..end]) else {
        return if head[..end].contains(&0) { Look::Nul } else { Look::Foreign };
    };
    if header.probe != run || header.file != file {
        return Look::Foreign;
    }
    let fill = letter(&header);
    let after = head[end + 1..].iter().chain(parts.iter().flatten());
    let mut is_other = false;
    for byte in after {
        match *byte {
            0 => return Look::Nul,
            byte if byte != fill && byte != b'\n' => is_other = true,
            _ => {}
        }
    }
    match len.cmp(&header.len) {
        std::cmp::Ordering::Less => Look::Prefix,
        std::cmp::Ordering::Equal if !is_other => Look::Whole(header.version),
        _ => Look::Mixed,
    }
}

/// A first line that has no end: the beginning of one of ours, or something else.
fn unfinished(head: &[u8]) -> Look {
    const BEGIN: &[u8] = b"{\"probe\":";
    let both = head.len().min(BEGIN.len());
    if head[..both] == BEGIN[..both] { Look::Prefix } else { Look::Foreign }
}

/// What the bytes of a file that is appended to are: the last whole version, or why there is none.
pub(super) fn judge_appended(run: &str, file: &str, bytes: &[u8]) -> Look {
    if bytes.is_empty() {
        return Look::Empty;
    }
    let mut rest = bytes;
    let mut last = None;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let header = serde_json::from_slice::<Header>(&rest[..end]);
        let len = header.as_ref().map_or(rest.len(), |header| usize::try_from(header.len).unwrap_or(0));
        let entry = &rest[..len.min(rest.len())];
        match judge(run, file, entry.len() as u64, entry, &[]) {
            Look::Whole(version) => last = Some(version),
            other => return other,
        }
        rest = &rest[entry.len()..];
    }
    last.map_or(Look::Foreign, Look::Whole)
}

/// Every version that a text holds, also where somebody has put several together, and whether there is anything beside.
pub(super) fn versions(text: &[u8]) -> (Vec<Header>, bool) {
    let (mut found, mut is_more) = (Vec::new(), false);
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice::<Header>(line) {
            Ok(header) => found.push(header),
            Err(_) => is_more |= line.iter().any(|byte| !byte.is_ascii_uppercase()),
        }
    }
    (found, is_more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_a_file_is_told_from_the_others() {
        let (old, new) = (make("r", "f", 1, 400), make("r", "f", 2, 300));
        let look = |bytes: &[u8]| judge("r", "f", bytes.len() as u64, bytes, &[]);
        assert_eq!((look(&old), look(&new)), (Look::Whole(1), Look::Whole(2)));
        assert_eq!(look(b""), Look::Empty);
        assert_eq!(look(&[0; 300]), Look::Nul);
        for cut in 1..new.len() {
            assert_eq!(look(&new[..cut]), Look::Prefix, "{cut}");
        }
        assert_eq!(look(&[&new[..], &old[300..]].concat()), Look::Mixed);
        assert_eq!(look(&[&new[..150], &old[150..300]].concat()), Look::Mixed);
        assert_eq!(look(&[&new[..150], &[0; 150]].concat()), Look::Nul);
        assert_eq!(look(b"somebody's"), Look::Foreign);
        assert_eq!(look(b"somebody's\n"), Look::Foreign);
        assert_eq!(judge("another", "f", 300, &new, &[]), Look::Foreign);
        assert_eq!(judge("r", "f", 300, &new[..200], &[vec![0; 9]]), Look::Nul);
    }

    #[test]
    fn a_file_that_is_appended_to_shows_its_last_whole_version_or_is_torn() {
        let one = make("r", "f", 1, 200);
        let both = [&one[..], &make("r", "f", 2, 200)].concat();
        assert_eq!(judge_appended("r", "f", &one), Look::Whole(1));
        assert_eq!(judge_appended("r", "f", &both), Look::Whole(2));
        assert_eq!(judge_appended("r", "f", &both[..300]), Look::Prefix);
        assert_eq!(judge_appended("r", "f", &[&one[..], &[0; 200]].concat()), Look::Nul);
        assert_eq!(judge_appended("r", "f", b""), Look::Empty);
    }

    #[test]
    fn what_was_merged_is_found_with_its_marks() {
        let (a, b) = (make("a", "f", 1, 200), make("b", "f", 1, 200));
        assert_eq!(versions(&a).0.len(), 1);
        assert!(!versions(&a).1);
        let merged = [b"<<<<<<< ours\n", &a[..], b"=======\n", &b[..], b">>>>>>> theirs\n"].concat();
        let (found, is_more) = versions(&merged);
        assert_eq!((found.len(), is_more), (2, true));
    }
}
