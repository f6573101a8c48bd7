//! What the published design keeps of a note in its local database: the merged records, and how far each log was read.
//!
//! Upstream keeps the encoded document; here it is the set of its records, in whose place the document can be computed.

use std::collections::BTreeMap;

use super::super::document::{Document, Kind, Part, Parts};
use super::super::varint::{Varint, read_varint, write_varint};
use crate::Content;

/// How a row's file begins.
const HEADER: &[u8] = b"notes row 1\n";

/// How far the logs of an instance were read.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Read {
    /// The largest number that was seen.
    pub(super) seq: u64,
    /// The offset behind the last record.
    pub(super) offset: u64,
    /// The file.
    pub(super) file: String,
}

/// A row of the database.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Row {
    /// How far the logs of each instance were read.
    pub(super) clock: BTreeMap<String, Read>,
    /// Merged states of snapshots.
    pub(super) states: Vec<Content>,
    /// Records: instance, number and update.
    pub(super) records: BTreeMap<(String, u64), Content>,
}

impl Row {
    pub(super) fn parts(&self) -> Parts<'_> {
        let states = self.states.iter().map(Content::bytes).collect();
        let records = self.records.iter();
        let records = records.map(|((instance, seq), data)| Part { instance, seq: *seq, data: data.bytes() });
        Parts { states, records: records.collect() }
    }

    pub(super) fn document(&self, kind: Kind) -> Document {
        kind.document(&self.parts())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.states.is_empty() && self.records.is_empty()
    }

    /// Takes over what another load has found.
    pub(super) fn merge(&mut self, other: Self) {
        self.clock.extend(other.clock);
        for state in other.states {
            if !self.states.contains(&state) {
                self.states.push(state);
            }
        }
        self.records.extend(other.records);
    }

    pub(super) fn bytes(&self) -> Content {
        let mut bytes = HEADER.to_vec();
        let put = |bytes: &mut Vec<u8>, part: &[u8]| {
            write_varint(bytes, part.len() as u64);
            bytes.extend(part);
        };
        write_varint(&mut bytes, self.clock.len() as u64);
        for (instance, read) in &self.clock {
            put(&mut bytes, instance.as_bytes());
            write_varint(&mut bytes, read.seq);
            write_varint(&mut bytes, read.offset);
            put(&mut bytes, read.file.as_bytes());
        }
        write_varint(&mut bytes, self.states.len() as u64);
        self.states.iter().for_each(|state| put(&mut bytes, state.bytes()));
        write_varint(&mut bytes, self.records.len() as u64);
        for ((instance, seq), data) in &self.records {
            put(&mut bytes, instance.as_bytes());
            write_varint(&mut bytes, *seq);
            put(&mut bytes, data.bytes());
        }
        Content::new(bytes)
    }

    /// `None` if the bytes are not what [`Row::bytes`] makes.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes.strip_prefix(HEADER)?);
        let mut row = Self::default();
        for _ in 0..reader.number()? {
            let instance = reader.text()?;
            let read = Read { seq: reader.number()?, offset: reader.number()?, file: reader.text()? };
            row.clock.insert(instance, read);
        }
        for _ in 0..reader.number()? {
            row.states.push(Content::new(reader.bytes()?));
        }
        for _ in 0..reader.number()? {
            let key = (reader.text()?, reader.number()?);
            row.records.insert(key, Content::new(reader.bytes()?));
        }
        reader.0.is_empty().then_some(row)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn number(&mut self) -> Option<u64> {
        let Varint::Number(number, len) = read_varint(self.0) else { return None };
        self.0 = &self.0[len..];
        Some(number)
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn text(&mut self) -> Option<String> {
        std::str::from_utf8(self.bytes()?).ok().map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_survives_its_bytes_and_no_part_of_it_is_one() {
        let read = Read { seq: 7, offset: 300, file: "a.b.1.crdtlog".to_owned() };
        let row = Row {
            clock: BTreeMap::from([("b".to_owned(), read)]),
            states: vec![Content::from("state")],
            records: BTreeMap::from([(("b".to_owned(), 7), Content::from("data"))]),
        };
        let bytes = row.bytes();
        assert_eq!(Row::read(bytes.bytes()), Some(row));
        for cut in 0..bytes.len() {
            assert_eq!(Row::read(&bytes.bytes()[..cut]), None);
        }
    }
}
