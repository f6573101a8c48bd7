//! What a note's records say together: the port behind which the CRDT stands.
//!
//! A document is a pure function of the set of its records: they are applied in an order that follows from the set, so
//! the order in which files came does not matter, and a record that is there twice counts once. Nothing of a document
//! is kept in a protocol's state, which holds records only.
//!
//! # Two kinds
//! [`Kind::Yjs`] is what upstream writes. [`Kind::Records`] stands for it where the question is which records
//! reach whom and not how texts are woven: a record holds a piece of text and a logical clock, and the pieces stand in
//! the order of their clocks. Both answer alike what is live, what is in the trash and which words are there.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{plain, yjs};
use crate::Rng;

/// What records hold.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Pieces of text with logical clocks, which stand for themselves.
    Records,
    /// Updates of Yjs documents.
    Yjs,
}

/// One record: the change that an instance made, and its number among those of its instance and note.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Part<'a> {
    /// Who made it.
    pub instance: &'a str,
    /// Its number.
    pub seq: u64,
    /// What it changes.
    pub data: &'a [u8],
}

/// What is known of a note: merged states of snapshots, and records.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Parts<'a> {
    /// Merged states.
    pub states: BTreeSet<&'a [u8]>,
    /// Records, sorted, each once. Two of one number are two lives of one instance.
    pub records: Vec<Part<'a>>,
}

impl Parts<'_> {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.states.is_empty() && self.records.is_empty()
    }
}

/// A note, as its records say.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Document {
    /// The id that it says it has; `None` if it says none.
    pub id: Option<String>,
    /// Its text, a line each paragraph.
    pub text: String,
    /// Whether it lies in the trash.
    pub is_trashed: bool,
    /// When it was made, in ms since 1970; `None` if it does not say.
    pub created_ms: Option<u64>,
    /// When it was changed last, in ms since 1970; `None` if it does not say.
    pub modified_ms: Option<u64>,
    /// Whether anything was applied.
    pub is_begun: bool,
    /// Whether something waits for records that are not here.
    pub waits: bool,
    /// Records that could not be applied: instance and number. They are passed over.
    pub refused: Vec<(String, u64)>,
}

/// A change that a person makes to a note. Places and lengths count characters of its text.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// Text at the end.
    Append(String),
    /// Text at a place.
    Insert {
        /// Where.
        at: usize,
        /// What.
        text: String,
    },
    /// Text away.
    Remove {
        /// Where.
        at: usize,
        /// How much.
        len: usize,
    },
    /// Another text, by the smallest change.
    Set(String),
}

/// What is done to a note.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Deed<'a> {
    /// It is made, with this id and text.
    Create(&'a str, &'a str),
    /// Its text changes.
    Edit(&'a Change),
    /// It goes to the trash.
    Trash,
    /// It comes back from there.
    Restore,
}

impl Deed<'_> {
    /// Whether text that it brings holds NUL characters.
    pub(super) fn holds_nul(&self) -> bool {
        match self {
            Self::Create(_, text) => text.contains('\0'),
            Self::Edit(Change::Append(text) | Change::Insert { text, .. } | Change::Set(text)) => {
                text.contains('\0')
            }
            _ => false,
        }
    }
}

/// Who does it, and when.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Author<'a> {
    /// The instance.
    pub instance: &'a str,
    /// The number of the record.
    pub seq: u64,
    /// The Yjs client, below 2^53. A client must not be used again by a process that may not know all that the first
    /// one wrote.
    pub client: u64,
    /// The time, in ms since 1970.
    pub now_ms: u64,
}

/// The Yjs client of a process: drawn, below 2^53, and another one for each instance, however few draws there are.
#[must_use]
pub fn client(instance: &str, rng: &mut dyn Rng) -> u64 {
    1 + (xxh3_64_with_seed(instance.as_bytes(), rng.bits()) >> 12)
}

/// Why a change cannot be made.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum EditError {
    /// The place is behind the end: the length of the text, in characters.
    BehindTheEnd(usize),
    /// The text holds NUL characters.
    Nul,
    /// The document could not be changed.
    Broken,
}

impl fmt::Display for EditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BehindTheEnd(len) => write!(f, "the text has {len} characters: give a place within"),
            Self::Nul => f.write_str("the text holds NUL characters: leave them out"),
            Self::Broken => f.write_str("the document cannot be changed: look at its problems with verify"),
        }
    }
}

impl std::error::Error for EditError {}

impl Kind {
    /// Looks at a record before it counts.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn check(self, data: &[u8]) -> Result<(), String> {
        match self {
            Self::Records => plain::check(data).map_err(str::to_owned),
            Self::Yjs => super::update::check(data).map_err(|flaw| flaw.to_string()),
        }
    }

    /// How many bytes of these a decoder takes for a record or a merged state, whatever follows: what a reader asks
    /// that trusts its files.
    ///
    /// # Errors
    /// What the decoder throws, in words.
    pub fn taken(self, data: &[u8]) -> Result<usize, String> {
        match self {
            Self::Records => {
                let known = plain::check(data).or_else(|_| plain::check_state(data));
                known.map(|()| data.len()).map_err(str::to_owned)
            }
            Self::Yjs => super::update::taken(data).map_err(|flaw| flaw.to_string()),
        }
    }

    /// Looks at a merged state before it counts.
    ///
    /// # Errors
    /// As [`Kind::check`].
    pub fn check_state(self, data: &[u8]) -> Result<(), String> {
        match self {
            Self::Records => plain::check_state(data).map_err(str::to_owned),
            Self::Yjs => super::update::check(data).map_err(|flaw| flaw.to_string()),
        }
    }

    /// The document of these parts. Each was let pass by [`Kind::check`] or [`Kind::check_state`].
    #[must_use]
    pub fn document(self, parts: &Parts<'_>) -> Document {
        match self {
            Self::Records => plain::document(parts),
            Self::Yjs => yjs::document(parts),
        }
    }

    /// Which of some records the document of these parts lacks, as places in their order: those that are not there, and
    /// those that wait for others.
    #[must_use]
    pub fn lacks(self, parts: &Parts<'_>, records: &[&[u8]]) -> Vec<usize> {
        match self {
            Self::Records => plain::lacks(parts, records),
            Self::Yjs => yjs::lacks(parts, records),
        }
    }

    /// The record that makes a change; `None` if it changes nothing.
    ///
    /// # Errors
    /// If the change does not fit the text.
    pub fn record(
        self,
        parts: &Parts<'_>,
        author: &Author<'_>,
        deed: Deed<'_>,
    ) -> Result<Option<Vec<u8>>, EditError> {
        if deed.holds_nul() {
            return Err(EditError::Nul);
        }
        match self {
            Self::Records => plain::record(parts, author, deed),
            Self::Yjs => yjs::record(parts, author, deed),
        }
    }

    /// The merged state of these parts, what waits among it; `None` if something was refused.
    #[must_use]
    pub fn state_with_pending(self, parts: &Parts<'_>) -> Option<Vec<u8>> {
        match self {
            Self::Records => Some(plain::state_with_pending(parts)),
            Self::Yjs => yjs::state_with_pending(parts),
        }
    }

    /// The merged state of these parts; `None` if something waits or was refused, since an encoder may drop it.
    #[must_use]
    pub fn state(self, parts: &Parts<'_>) -> Option<Vec<u8>> {
        match self {
            Self::Records => plain::state(parts),
            Self::Yjs => yjs::state(parts),
        }
    }
}

/// A change as removals and insertions, in the order in which they are made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Step<'a> {
    /// Text at a place.
    Insert(usize, &'a str),
    /// Text away: where, and how much.
    Remove(usize, usize),
}

/// What a change does to a text.
pub(super) fn steps<'a>(text: &str, change: &'a Change) -> Result<Vec<Step<'a>>, EditError> {
    let len = text.chars().count();
    let within = |at: usize| if at <= len { Ok(()) } else { Err(EditError::BehindTheEnd(len)) };
    let found = match change {
        Change::Append(text) => vec![Step::Insert(len, text)],
        Change::Insert { at, text } => {
            within(*at)?;
            vec![Step::Insert(*at, text)]
        }
        Change::Remove { at, len: count } => {
            within(at.saturating_add(*count))?;
            vec![Step::Remove(*at, *count)]
        }
        Change::Set(new) => {
            let same = |a: &mut dyn Iterator<Item = char>, b: &mut dyn Iterator<Item = char>| {
                a.zip(b).take_while(|(a, b)| a == b).count()
            };
            let new_len = new.chars().count();
            let head = same(&mut text.chars(), &mut new.chars());
            let tail = same(&mut text.chars().rev(), &mut new.chars().rev()).min(len.min(new_len) - head);
            let byte = |at: usize| new.char_indices().nth(at).map_or(new.len(), |(byte, _)| byte);
            let middle = &new[byte(head)..byte(new_len - tail)];
            vec![Step::Remove(head, len - head - tail), Step::Insert(head, middle)]
        }
    };
    let does = |step: &Step<'_>| match step {
        Step::Insert(_, text) => !text.is_empty(),
        Step::Remove(_, len) => *len > 0,
    };
    Ok(found.into_iter().filter(does).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_text_is_the_smallest_change() {
        let steps = |text: &str, new: &str| {
            let change = Change::Set(new.to_owned());
            steps(text, &change).unwrap().iter().map(|step| format!("{step:?}")).collect::<Vec<_>>()
        };
        assert_eq!(steps("abc", "abc"), [""; 0]);
        assert_eq!(steps("aaa", "aaaa"), ["Insert(3, \"a\")"]);
        assert_eq!(steps("aäc", "aöc"), ["Remove(1, 1)", "Insert(1, \"ö\")"]);
        assert_eq!(steps("abc", ""), ["Remove(0, 3)"]);
        assert_eq!(steps("", "abc"), ["Insert(0, \"abc\")"]);
        let behind = Change::Remove { at: 1, len: usize::MAX };
        assert_eq!(super::steps("ab", &behind), Err(EditError::BehindTheEnd(2)));
    }

    /// An instance goes on under a new id, says an earlier one's records again in its own log, and writes on.
    #[test]
    fn what_is_written_behind_records_said_again_does_not_wait() {
        for kind in [Kind::Records, Kind::Yjs] {
            let author = |instance, seq, client| Author { instance, seq, client, now_ms: seq };
            let (ann, ann_again) = (|seq| author("ann", seq, 1), |seq| author("ann-again", seq, 2));
            let append = |parts: &Parts<'_>, author: &Author<'_>, text: &str| {
                let change = Change::Append(text.to_owned());
                kind.record(parts, author, Deed::Edit(&change)).unwrap().unwrap()
            };
            let made = kind.record(&Parts::default(), &ann(1), Deed::Create("note", "a")).unwrap().unwrap();
            let part = |instance, seq, data| Part { instance, seq, data };
            let mut parts = Parts { records: vec![part("ann", 1, &made)], ..Parts::default() };
            let second = append(&parts, &ann(2), "b");
            parts.records = vec![part("ann-again", 1, &made), part("ann-again", 2, &second)];
            let third = append(&parts, &ann_again(3), "c");
            parts.records.push(part("ann-again", 3, &third));
            let fourth = append(&parts, &ann_again(4), "d");
            parts.records.push(part("ann-again", 4, &fourth));
            let document = kind.document(&parts);
            assert_eq!((&*document.text, document.waits), ("abcd", false), "{kind:?}");
        }
    }
}
