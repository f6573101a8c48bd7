//! [`Kind::Records`](super::document::Kind::Records): documents that are their records.
//!
//! A record is its author, a logical clock, a body and a digest of it all. Texts stand in the order of their clocks, ties
//! by author; what was removed is named by the record it came with; of trash and restore the later one holds. A record
//! of an author waits until all before it are here, as an update of a Yjs client does. The author stands in the record
//! as well as in the log, so one that is there under another instance too counts once.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use xxhash_rust::xxh3::xxh3_64;

use super::document::{Author, Change, Deed, Document, EditError, Parts, Step, steps};
use super::varint::{Varint, read_varint, write_varint};
use crate::kit::watermark::Numbers;

/// The bytes of a record's digest.
const DIGEST_BYTES: usize = 4;

/// What one record does.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Deeds<'a> {
    /// The note is made.
    Made { id: &'a str, created_ms: u64 },
    /// The note lies in the trash, or does not any more.
    Trashed(bool),
    /// Text away and text more, in this order.
    Text { gone: Vec<Gone<'a>>, more: Cow<'a, str> },
}

/// Characters that are gone: of which record, from where, and how many.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Gone<'a> {
    instance: &'a str,
    seq: u64,
    from: u64,
    len: u64,
}

/// A record, read.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Plain<'a> {
    instance: &'a str,
    seq: u64,
    lamport: u64,
    now_ms: u64,
    deeds: Vec<Deeds<'a>>,
}

const MADE: u8 = 1;
const TRASHED: u8 = 2;
const RESTORED: u8 = 3;
const TEXT: u8 = 4;

pub(super) fn check(data: &[u8]) -> Result<(), &'static str> {
    read(data).map(|_| ())
}

pub(super) fn check_state(data: &[u8]) -> Result<(), &'static str> {
    state_parts(data).map(|_| ())
}

fn sealed(mut bytes: Vec<u8>) -> Vec<u8> {
    let digest = xxh3_64(&bytes).to_be_bytes();
    bytes.extend(&digest[..DIGEST_BYTES]);
    bytes
}

fn opened(data: &[u8]) -> Result<&[u8], &'static str> {
    let at = data.len().checked_sub(DIGEST_BYTES).ok_or("the record is cut")?;
    let (body, digest) = data.split_at(at);
    if xxh3_64(body).to_be_bytes()[..DIGEST_BYTES] == *digest {
        Ok(body)
    } else {
        Err("the record is not what was written")
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Result<u64, &'static str> {
        let Varint::Number(number, len) = read_varint(self.0) else { return Err("the record is cut") };
        self.0 = &self.0[len..];
        Ok(number)
    }

    fn bytes(&mut self) -> Result<&'a [u8], &'static str> {
        let len = usize::try_from(self.number()?).map_err(|_| "the record is cut")?;
        let (taken, rest) = self.0.split_at_checked(len).ok_or("the record is cut")?;
        self.0 = rest;
        Ok(taken)
    }

    fn text(&mut self) -> Result<&'a str, &'static str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a text of the record is no text")
    }
}

fn put(bytes: &mut Vec<u8>, text: &[u8]) {
    write_varint(bytes, text.len() as u64);
    bytes.extend(text);
}

fn read(data: &[u8]) -> Result<Plain<'_>, &'static str> {
    let mut reader = Reader(opened(data)?);
    let mut plain = Plain {
        instance: reader.text()?,
        seq: reader.number()?,
        lamport: reader.number()?,
        now_ms: reader.number()?,
        deeds: Vec::new(),
    };
    while let Some((&kind, rest)) = reader.0.split_first() {
        reader.0 = rest;
        plain.deeds.push(match kind {
            MADE => Deeds::Made { id: reader.text()?, created_ms: reader.number()? },
            TRASHED => Deeds::Trashed(true),
            RESTORED => Deeds::Trashed(false),
            TEXT => {
                let mut gone = Vec::new();
                for _ in 0..reader.number()? {
                    gone.push(Gone {
                        instance: reader.text()?,
                        seq: reader.number()?,
                        from: reader.number()?,
                        len: reader.number()?,
                    });
                }
                Deeds::Text { gone, more: reader.text()?.into() }
            }
            _ => return Err("the record has content of a kind that is not known"),
        });
    }
    Ok(plain)
}

fn written(plain: &Plain<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, plain.instance.as_bytes());
    write_varint(&mut bytes, plain.seq);
    write_varint(&mut bytes, plain.lamport);
    write_varint(&mut bytes, plain.now_ms);
    for deeds in &plain.deeds {
        match deeds {
            Deeds::Made { id, created_ms } => {
                bytes.push(MADE);
                put(&mut bytes, id.as_bytes());
                write_varint(&mut bytes, *created_ms);
            }
            Deeds::Trashed(trashed) => bytes.push(if *trashed { TRASHED } else { RESTORED }),
            Deeds::Text { gone, more } => {
                bytes.push(TEXT);
                write_varint(&mut bytes, gone.len() as u64);
                for one in gone {
                    put(&mut bytes, one.instance.as_bytes());
                    [one.seq, one.from, one.len]
                        .into_iter()
                        .for_each(|number| write_varint(&mut bytes, number));
                }
                put(&mut bytes, more.as_bytes());
            }
        }
    }
    sealed(bytes)
}

/// The records of a merged state.
fn state_parts(data: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let mut reader = Reader(opened(data)?);
    let mut found = Vec::new();
    while !reader.0.is_empty() {
        let data = reader.bytes()?;
        check(data)?;
        found.push(data);
    }
    Ok(found)
}

/// The merged state, with what waits.
pub(super) fn state_with_pending(parts: &Parts<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    Woven::all(parts).iter().for_each(|data| put(&mut bytes, data));
    sealed(bytes)
}

/// The merged state; `None` if something waits.
pub(super) fn state(parts: &Parts<'_>) -> Option<Vec<u8>> {
    let woven = Woven::of(parts);
    let mut bytes = Vec::new();
    woven.applied.iter().for_each(|data| put(&mut bytes, data));
    (!woven.document.waits).then(|| sealed(bytes))
}

/// A character of the text: of which record, and its place there.
#[derive(Clone, Debug)]
struct Letter<'a> {
    letter: char,
    instance: &'a str,
    seq: u64,
    at: u64,
}

/// All that records say.
struct Woven<'a> {
    applied: BTreeSet<&'a [u8]>,
    lamport: u64,
    document: Document,
    letters: Vec<Letter<'a>>,
}

impl<'a> Woven<'a> {
    /// Every record, those of merged states among them.
    fn all(parts: &Parts<'a>) -> BTreeSet<&'a [u8]> {
        let mut all: BTreeSet<&[u8]> = parts.records.iter().map(|part| part.data).collect();
        for state in &parts.states {
            all.extend(state_parts(state).unwrap_or_default());
        }
        all
    }

    fn of(parts: &Parts<'a>) -> Self {
        let all = Self::all(parts);
        let mut read: Vec<_> =
            all.into_iter().filter_map(|data| read(data).ok().map(|plain| (plain, data))).collect();
        let mut numbers: BTreeMap<&str, Numbers> = BTreeMap::new();
        for (plain, _) in &read {
            numbers.entry(plain.instance).or_default().insert(plain.seq);
        }
        // A number 0 is before every other one.
        let comes =
            |plain: &Plain<'_>| plain.seq <= numbers.get(plain.instance).map_or(0, Numbers::contiguous);
        let come: Vec<_> = read.iter().map(|(plain, _)| comes(plain)).collect();
        let waits = come.contains(&false);
        let mut come = come.into_iter();
        read.retain(|_| come.next() == Some(true));
        let applied = read.iter().map(|(_, data)| *data).collect();
        let document = Document { waits, ..Document::default() };
        let mut woven = Self { applied, lamport: 0, document, letters: Vec::new() };
        woven.weave(read);
        woven
    }

    fn weave(&mut self, mut read: Vec<(Plain<'a>, &'a [u8])>) {
        read.sort_by(|(a, a_data), (b, b_data)| {
            (a.lamport, a.instance, a.seq, a_data).cmp(&(b.lamport, b.instance, b.seq, b_data))
        });
        let mut gone = BTreeSet::new();
        for (plain, _) in read {
            let Plain { instance, seq, lamport, .. } = plain;
            self.lamport = self.lamport.max(lamport);
            let document = &mut self.document;
            document.is_begun = true;
            document.modified_ms = document.modified_ms.max(Some(plain.now_ms));
            for deeds in plain.deeds {
                match deeds {
                    Deeds::Made { id, created_ms } => {
                        document.id = Some(id.to_owned());
                        document.created_ms = Some(created_ms);
                    }
                    Deeds::Trashed(trashed) => document.is_trashed = trashed,
                    Deeds::Text { gone: away, more } => {
                        for one in away {
                            let end = one.from.saturating_add(one.len.min(1 << 20));
                            gone.extend((one.from..end).map(|at| (one.instance, one.seq, at)));
                        }
                        let letters = more.chars().zip(0..);
                        self.letters.extend(letters.map(|(letter, at)| Letter { letter, instance, seq, at }));
                    }
                }
            }
        }
        if !gone.is_empty() {
            self.letters.retain(|one| !gone.contains(&(one.instance, one.seq, one.at)));
        }
        self.document.text = self.letters.iter().map(|one| one.letter).collect();
    }
}

pub(super) fn document(parts: &Parts<'_>) -> Document {
    Woven::of(parts).document
}

pub(super) fn lacks(parts: &Parts<'_>, records: &[&[u8]]) -> Vec<usize> {
    let woven = Woven::of(parts);
    let missing = records.iter().enumerate().filter(|(_, data)| !woven.applied.contains(*data));
    missing.map(|(at, _)| at).collect()
}

pub(super) fn record(
    parts: &Parts<'_>,
    author: &Author<'_>,
    deed: Deed<'_>,
) -> Result<Option<Vec<u8>>, EditError> {
    let woven = Woven::of(parts);
    let deeds = match deed {
        Deed::Create(id, text) => vec![
            Deeds::Made { id, created_ms: author.now_ms },
            Deeds::Text { gone: Vec::new(), more: text.into() },
        ],
        Deed::Trash if woven.document.is_trashed => return Ok(None),
        Deed::Restore if !woven.document.is_trashed => return Ok(None),
        Deed::Trash => vec![Deeds::Trashed(true)],
        Deed::Restore => vec![Deeds::Trashed(false)],
        Deed::Edit(change) => match woven.edit(change)? {
            Some(deeds) => vec![deeds],
            None => return Ok(None),
        },
    };
    let (instance, lamport) = (author.instance, woven.lamport.saturating_add(1));
    let seq = next(parts, instance);
    Ok(Some(written(&Plain { instance, seq, lamport, now_ms: author.now_ms, deeds })))
}

/// The number of an author's next record, one more than the largest that is here. It is not its number in the log, where what
/// another author wrote may stand before it, said again.
fn next(parts: &Parts<'_>, author: &str) -> u64 {
    let all = Woven::all(parts);
    let own = all.into_iter().filter_map(|data| read(data).ok()).filter(|plain| plain.instance == author);
    own.map(|plain| plain.seq).max().unwrap_or(0).saturating_add(1)
}

impl<'a> Woven<'a> {
    /// Text comes at the end, wherever it was put: where pieces stand is not the question here.
    fn edit(&self, change: &Change) -> Result<Option<Deeds<'a>>, EditError> {
        let (mut gone, mut more): (Vec<Gone<'a>>, _) = (Vec::new(), String::new());
        let steps = steps(&self.document.text, change)?;
        if steps.is_empty() {
            return Ok(None);
        }
        for step in steps {
            match step {
                Step::Insert(_, text) => more.push_str(text),
                Step::Remove(at, len) => {
                    for one in &self.letters[at..at + len] {
                        match gone.last_mut() {
                            Some(last)
                                if (last.instance, last.seq, last.from + last.len)
                                    == (one.instance, one.seq, one.at) =>
                            {
                                last.len += 1;
                            }
                            _ => {
                                gone.push(Gone { instance: one.instance, seq: one.seq, from: one.at, len: 1 })
                            }
                        }
                    }
                }
            }
        }
        Ok(Some(Deeds::Text { gone, more: more.into() }))
    }
}
