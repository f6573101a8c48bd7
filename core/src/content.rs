//! The bytes of a file: shared, digested once, parsed once.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// Immutable bytes of a file, or of one record of it.
///
/// A clone shares the bytes. The digest (XXH3, 64 bits) is computed when somebody asks for it, and the first parsed form
/// is kept beside the bytes, so that a version which a hundred replicas read is digested and parsed once. What a content
/// [grows](Content::grown) by is kept beside what it was, and digested by itself. Equality and order look at the bytes;
/// hashing looks at the digest.
#[derive(Clone)]
pub struct Content(Arc<Inner>);

struct Inner {
    len: usize,
    bytes: Bytes,
    digest: OnceLock<u64>,
    parsed: OnceLock<Box<dyn Any + Send + Sync>>,
}

enum Bytes {
    Whole(Box<[u8]>),
    Grown(Box<Grown>),
}

/// A content that others were appended to.
struct Grown {
    /// In order. The first is the longest mostly, and none has grown itself.
    pieces: Vec<Content>,
    /// The digest up to the end, to be gone on with.
    hasher: Xxh3,
    /// All bytes, once somebody has asked for them in one piece.
    whole: OnceLock<Box<[u8]>>,
}

/// From so many bytes on a content grows by pieces; a shorter one is copied faster.
const GROWN_LEN_MIN: usize = 2_048;

/// After so many pieces all are put together.
const PIECES_MAX: usize = 64;

impl Content {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self::of(bytes.len(), Bytes::Whole(bytes))
    }

    fn of(len: usize, bytes: Bytes) -> Self {
        Self(Arc::new(Inner { len, bytes, digest: OnceLock::new(), parsed: OnceLock::new() }))
    }

    /// These bytes and then those. What they were is shared, so that a long file which grows by short records is neither
    /// copied nor digested as a whole with each.
    #[must_use]
    pub fn grown(&self, more: &Self) -> Self {
        if self.is_empty() || more.is_empty() {
            return if self.is_empty() { more.clone() } else { self.clone() };
        }
        let len = self.len() + more.len();
        if len < GROWN_LEN_MIN {
            return Self::new([self.bytes(), more.bytes()].concat());
        }
        let (mut pieces, mut hasher) = match &self.0.bytes {
            Bytes::Grown(grown) if grown.pieces.len() < PIECES_MAX => {
                (grown.pieces.clone(), grown.hasher.clone())
            }
            Bytes::Grown(grown) => (vec![Self::new(self.joined())], grown.hasher.clone()),
            Bytes::Whole(bytes) => {
                let mut hasher = Xxh3::new();
                hasher.update(bytes);
                (vec![self.clone()], hasher)
            }
        };
        match &more.0.bytes {
            Bytes::Whole(bytes) => {
                hasher.update(bytes);
                pieces.push(more.clone());
            }
            Bytes::Grown(grown) => {
                grown.pieces.iter().for_each(|piece| hasher.update(piece.bytes()));
                pieces.extend(grown.pieces.iter().cloned());
            }
        }
        Self::of(len, Bytes::Grown(Box::new(Grown { pieces, hasher, whole: OnceLock::new() })))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match &self.0.bytes {
            Bytes::Whole(bytes) => bytes,
            Bytes::Grown(grown) => grown.whole.get_or_init(|| self.joined().into()),
        }
    }

    /// A copy of the bytes.
    fn joined(&self) -> Vec<u8> {
        let mut joined = Vec::with_capacity(self.len());
        self.pieces().iter().for_each(|piece| joined.extend_from_slice(piece.bytes()));
        joined
    }

    /// The bytes in the pieces in which they lie.
    fn pieces(&self) -> &[Self] {
        match &self.0.bytes {
            Bytes::Grown(grown) if grown.whole.get().is_none() => &grown.pieces,
            _ => std::slice::from_ref(self),
        }
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// The 64-bit XXH3 digest of the bytes.
    #[must_use]
    pub fn digest(&self) -> u64 {
        *self.0.digest.get_or_init(|| match &self.0.bytes {
            Bytes::Whole(bytes) => xxh3_64(bytes),
            Bytes::Grown(grown) => grown.hasher.digest(),
        })
    }

    /// The bytes from `from` on; empty if `from` is past the end.
    #[must_use]
    pub fn tail(&self, from: u64) -> Self {
        match usize::try_from(from) {
            Ok(0) => self.clone(),
            Ok(from) if from < self.len() => self.part(from, self.len()),
            _ => Self::new([]),
        }
    }

    /// The first `len` bytes, or all of them where there are fewer.
    #[must_use]
    pub fn prefix(&self, len: usize) -> Self {
        if len >= self.len() { self.clone() } else { self.part(0, len) }
    }

    /// The bytes from one offset to another. What was appended in one piece is shared.
    fn part(&self, from: usize, to: usize) -> Self {
        let mut part = Vec::new();
        let mut begins = 0;
        for piece in self.pieces() {
            let ends = begins + piece.len();
            if (begins, ends) == (from, to) {
                return piece.clone();
            }
            if begins < to && from < ends {
                part.extend_from_slice(&piece.bytes()[from.max(begins) - begins..to.min(ends) - begins]);
            }
            begins = ends;
        }
        Self::new(part)
    }

    /// The parsed form, made by `parse` at the first call on any clone and shared from then on.
    ///
    /// `parse` must be a function of the bytes alone. A content that is asked for in two forms keeps the first
    /// and parses again for the other.
    pub fn parsed<T: Any + Send + Sync>(&self, parse: fn(&[u8]) -> T) -> Parsed<'_, T> {
        let kept = self.0.parsed.get_or_init(|| Box::new(parse(self.bytes())));
        match kept.downcast_ref() {
            Some(form) => Parsed::Kept(form),
            None => Parsed::Made(Box::new(parse(self.bytes()))),
        }
    }
}

/// A parsed form, borrowed from the content or made for this caller.
pub enum Parsed<'a, T> {
    /// Shared with every other reader.
    Kept(&'a T),
    /// Made now, because the content keeps another form.
    Made(Box<T>),
}

impl<T> Deref for Parsed<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Kept(form) => form,
            Self::Made(form) => form,
        }
    }
}

impl<T: Into<String>> From<T> for Content {
    fn from(text: T) -> Self {
        Self::new(text.into().into_bytes())
    }
}

impl PartialEq for Content {
    fn eq(&self, other: &Self) -> bool {
        let digests = || (self.0.digest.get(), other.0.digest.get());
        Arc::ptr_eq(&self.0, &other.0)
            || (self.len() == other.len()
                && !matches!(digests(), (Some(one), Some(two)) if one != two)
                && self.bytes() == other.bytes())
    }
}

impl Eq for Content {}

impl PartialOrd for Content {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Content {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes().cmp(other.bytes())
    }
}

impl Hash for Content {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest());
    }
}

impl fmt::Debug for Content {
    /// Text as text, anything else as its length and digest: this is what a person reads in a trace.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match std::str::from_utf8(self.bytes()) {
            Ok(text) if text.len() <= 400 && !text.contains('\0') => write!(f, "{text:?}"),
            _ => write!(f, "{} bytes, digest {:016x}", self.len(), self.digest()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_shares_the_parsed_form() {
        let content = Content::from("12");
        let other = content.clone();
        let parse = |bytes: &[u8]| bytes.len();
        let (first, second) = (content.parsed(parse), other.parsed(parse));
        assert_eq!(*first, 2);
        assert!(std::ptr::eq(&*first, &*second));
    }

    #[test]
    fn a_second_form_is_parsed_afresh() {
        let content = Content::from("12");
        assert_eq!(*content.parsed(|bytes| bytes.len()), 2);
        assert_eq!(*content.parsed(|bytes| bytes.first().copied()), Some(b'1'));
        assert_eq!(*content.parsed(|bytes| bytes.len()), 2);
    }

    /// Records of many lengths, and the file that they make.
    fn file(count: usize) -> (Vec<Vec<u8>>, Content) {
        let record =
            |at: usize| (0..at * 37 % 700 + 1).map(|byte| (byte * at % 251) as u8).collect::<Vec<_>>();
        let records: Vec<_> = (0..count).map(record).collect();
        let grown = |file: Content, record: &Vec<u8>| file.grown(&Content::new(record.clone()));
        let file = records.iter().fold(Content::new([]), grown);
        (records, file)
    }

    #[test]
    fn what_has_grown_is_what_would_have_been_written_at_once() {
        for count in [0, 1, 2, 5, 20, PIECES_MAX - 1, PIECES_MAX, 3 * PIECES_MAX + 7] {
            let (records, grown) = file(count);
            let whole = Content::new(records.concat());
            assert_eq!(grown.len(), whole.len());
            assert_eq!(grown.digest(), whole.digest(), "{count} records");
            for at in [0, 1, whole.len() / 3, whole.len() / 2, whole.len().saturating_sub(1), whole.len()] {
                let from = u64::try_from(at).unwrap();
                assert_eq!(
                    grown.tail(from).bytes(),
                    whole.tail(from).bytes(),
                    "from {at} of {}",
                    whole.len()
                );
                assert_eq!(grown.prefix(at).bytes(), whole.prefix(at).bytes(), "up to {at}");
            }
            assert_eq!(grown, whole);
            assert_eq!(grown.grown(&grown).digest(), xxh3_64(&records.concat().repeat(2)));
            assert_eq!(grown.bytes(), whole.bytes());
        }
    }

    #[test]
    fn a_long_file_shares_what_was_appended_and_keeps_few_pieces() {
        let (_, mut grown) = file(50);
        for number in 0..4 * PIECES_MAX {
            let record = Content::from(format!("record {number}\n"));
            let from = u64::try_from(grown.len()).unwrap();
            grown = grown.grown(&record);
            assert!(Arc::ptr_eq(&grown.tail(from).0, &record.0), "who reads on reads the record itself");
            assert!(grown.pieces().len() <= PIECES_MAX + 1);
        }
    }

    #[test]
    fn cuts_never_leave_the_bytes() {
        let content = Content::from("abc");
        assert_eq!(content.tail(1), Content::from("bc"));
        assert_eq!(content.tail(9), Content::new([]));
        assert_eq!(content.tail(u64::MAX), Content::new([]));
        assert_eq!(content.prefix(2), Content::from("ab"));
        assert_eq!(content.prefix(9), content);
    }
}
