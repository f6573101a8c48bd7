//! The bytes of a file: shared, digested once, parsed once.

use std::any::Any;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use xxhash_rust::xxh3::xxh3_64;

/// Immutable bytes of a file, or of one record of it.
///
/// A clone shares the bytes. The digest (XXH3, 64 bits) is computed when the content is made, and the first
/// parsed form is kept beside the bytes, so that a version which a hundred replicas read is parsed once.
/// Equality and order look at the bytes; hashing looks at the digest.
#[derive(Clone)]
pub struct Content(Arc<Inner>);

struct Inner {
    bytes: Box<[u8]>,
    digest: u64,
    parsed: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Content {
    /// Takes the bytes over and digests them.
    #[must_use]
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        let bytes = bytes.into();
        let digest = xxh3_64(&bytes);
        Self(Arc::new(Inner { bytes, digest, parsed: OnceLock::new() }))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.bytes.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.bytes.is_empty()
    }

    /// The 64-bit XXH3 digest of the bytes.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.0.digest
    }

    /// The bytes from `from` on; empty if `from` is past the end.
    #[must_use]
    pub fn tail(&self, from: u64) -> Self {
        match usize::try_from(from) {
            Ok(0) => self.clone(),
            Ok(from) if from < self.len() => Self::new(&self.bytes()[from..]),
            _ => Self::new([]),
        }
    }

    /// The first `len` bytes, or all of them where there are fewer.
    #[must_use]
    pub fn prefix(&self, len: usize) -> Self {
        if len >= self.len() { self.clone() } else { Self::new(&self.bytes()[..len]) }
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
        Arc::ptr_eq(&self.0, &other.0) || (self.0.digest == other.0.digest && self.0.bytes == other.0.bytes)
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
        state.write_u64(self.0.digest);
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
