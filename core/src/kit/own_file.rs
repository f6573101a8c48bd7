//! The envelope of an own file: written by one replica alone, always as a whole, and readable by people.
//!
//! The file is one JSON object. Its last key, `check`, is the length and the digest of everything before it, so that
//! a torn file, NUL bytes and foreign bytes are told apart from what the owner wrote.
//!
//! # Crash
//! The file is put in place with [`FsOp::Replace`](crate::FsOp::Replace): the old one or the new one. Whatever else a
//! disk leaves, [`open`] refuses it.
//!
//! # Elsewhere
//! Any version, also an older one after a newer: a client may bring back what it had ([`compare`]). Nothing follows
//! from the absence of a file.

use std::borrow::Cow;

use xxhash_rust::xxh3::xxh3_64;

use super::text::plain;

/// What comes between the body and its length.
const CHECK: &str = ",\n  \"check\": \"";

/// Why bytes are no own file.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Flaw {
    /// There are none: a writer died between truncating and writing, or half an upload.
    Empty,
    /// They hold NUL bytes: a crash before the data reached the disk.
    Nul,
    /// They are not UTF-8.
    NotText,
    /// They do not end with a length and a digest that fit: cut, changed by somebody else, or another kind of file.
    Check,
}

/// The text of an own file, made of an indented JSON object with at least one field.
///
/// # Panics
/// If `object` does not end as `serde_json` writes an indented object with fields.
#[must_use]
pub fn seal(object: &str) -> String {
    let body = object.strip_suffix("\n}").expect("an indented object with fields ends so");
    format!("{body}{}", ending(body))
}

/// The text of an own file whose length and digest fit: a JSON object, `check` included. What some program put into it
/// that means nothing ([`plain`]) is passed over.
///
/// # Errors
/// The first flaw.
pub fn open(bytes: &[u8]) -> Result<Cow<'_, str>, Flaw> {
    if bytes.is_empty() {
        return Err(Flaw::Empty);
    }
    if bytes.contains(&0) {
        return Err(Flaw::Nul);
    }
    let text = match plain(bytes) {
        Cow::Borrowed(bytes) => Cow::Borrowed(std::str::from_utf8(bytes).map_err(|_| Flaw::NotText)?),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8(bytes).map_err(|_| Flaw::NotText)?),
    };
    let sealed = text.rfind(CHECK).is_some_and(|at| text[at..] == ending(&text[..at]));
    if sealed { Ok(text) } else { Err(Flaw::Check) }
}

/// What follows a body: its length, its digest, and the end of the object.
fn ending(body: &str) -> String {
    format!("{CHECK}{}-{:016x}\"\n}}", body.len(), xxh3_64(body.as_bytes()))
}

/// What an own file that is there says of its owner's memory of it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Standing {
    /// It is the version that was written last.
    Same,
    /// It is an older version of this life, or one of an earlier life: it is written over.
    Older,
    /// Nobody can have written it but another process with this identity: the identity was copied.
    Foreign,
}

/// Compares the version of an own file that is there with the one that was written last. A version is a life, which
/// is a number that grows with each start and a random part, and a count within the life.
#[must_use]
pub fn compare<N: PartialEq>(there: ((u64, N), u64), written: ((u64, N), u64)) -> Standing {
    let ((there_life, there_nonce), there_count) = there;
    let ((life, nonce), count) = written;
    let same_life = there_life == life && there_nonce == nonce;
    if same_life && there_count == count {
        Standing::Same
    } else if same_life && there_count < count || there_life < life {
        Standing::Older
    } else {
        Standing::Foreign
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OBJECT: &str = "{\n  \"a\": 1\n}";

    #[test]
    fn a_sealed_object_is_an_object() {
        let text = seal(OBJECT);
        insta::assert_snapshot!(text, @r#"
        {
          "a": 1,
          "check": "10-49deff743e816cb4"
        }
        "#);
        assert_eq!(open(text.as_bytes()).as_deref(), Ok(&*text));
        let checked_out = format!("\u{feff}{}", text.replace('\n', "\r\n"));
        assert_eq!(open(checked_out.as_bytes()).as_deref(), Ok(&*text));
        assert!(serde_json::from_str::<serde_json::Value>(&text).is_ok());
    }

    #[test]
    fn every_flaw_has_a_name() {
        assert_eq!(open(b""), Err(Flaw::Empty));
        assert_eq!(open(b"{\0}"), Err(Flaw::Nul));
        assert_eq!(open(b"\xff"), Err(Flaw::NotText));
        assert_eq!(open(OBJECT.as_bytes()), Err(Flaw::Check));
        assert_eq!(open(seal(OBJECT).replace('1', "2").as_bytes()), Err(Flaw::Check));
    }

    #[test]
    fn an_older_version_that_came_back_is_no_copy_of_the_identity() {
        let written = ((3, 77), 10);
        for (there, standing) in [
            (((3, 77), 10), Standing::Same),
            (((3, 77), 9), Standing::Older),
            (((2, 5), 99), Standing::Older),
            (((3, 77), 11), Standing::Foreign),
            (((3, 5), 1), Standing::Foreign),
            (((4, 5), 0), Standing::Foreign),
        ] {
            assert_eq!(compare(there, written), standing, "{there:?}");
        }
    }

    proptest! {
        #[test]
        fn no_part_of_a_file_is_a_file(cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let text = seal(OBJECT);
            let cut = &text.as_bytes()[..cut.index(text.len())];
            prop_assert!(open(cut).is_err());
            let mut changed = text.clone().into_bytes();
            let at = at.index(changed.len());
            prop_assume!(changed[at] != byte);
            changed[at] = byte;
            prop_assert!(open(&changed).is_err());
        }

        #[test]
        fn bytes_of_nobody_are_no_file(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert!(open(&bytes).is_err());
        }
    }
}
