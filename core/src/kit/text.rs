//! Bytes that programs put into text files of others and that mean nothing: a byte order mark in front, and carriage
//! returns at the ends of lines.
//!
//! git writes every line of a text file with a carriage return at each checkout if it is told to
//! (`core.autocrlf`), and some editors put the mark of UTF-8 in front. Neither is an edit: what a file says is the same,
//! and its owner has no reason to write it anew.

use std::borrow::Cow;

use memchr::memchr;

/// The byte order mark of UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// The bytes without a byte order mark in front.
#[must_use]
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(MARK).unwrap_or(bytes)
}

/// The bytes without a byte order mark in front and without the carriage returns that end lines, also one that ends the
/// bytes: its newline may not be here yet. Borrowed if there is nothing of that.
#[must_use]
pub fn plain(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = without_mark(bytes);
    let Some(first) = memchr(b'\r', bytes) else { return Cow::Borrowed(bytes) };
    let mut plain = bytes[..first].to_vec();
    for (at, &byte) in bytes.iter().enumerate().skip(first) {
        if byte != b'\r' || bytes.get(at + 1).is_some_and(|&next| next != b'\n') {
            plain.push(byte);
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_nothing_goes() {
        for (bytes, expected) in [
            ("a\nb", "a\nb"),
            ("\u{feff}a\r\nb\r\n", "a\nb\n"),
            ("a\rb\r\r\n", "a\rb\r\n"),
            ("a\r", "a"),
            ("\u{feff}\u{feff}a", "\u{feff}a"),
            ("", ""),
        ] {
            assert_eq!(plain(bytes.as_bytes()), expected.as_bytes(), "{bytes:?}");
        }
        assert!(matches!(plain(b"\xef\xbb\xbfa\n"), Cow::Borrowed(b"a\n")));
    }
}
