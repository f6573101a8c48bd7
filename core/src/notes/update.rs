//! Yjs updates, looked at before a decoder sees them.
//!
//! A decoder of untrusted bytes may be asked by a length for more memory than there is, by nested values for more stack
//! than there is, and by what stands twice to go round without end; none of that can be caught. So [`check`] walks over
//! an update (the v1 encoding of Yjs 13) without taking more memory than its bytes do: what it lets pass is complete, ends
//! where the bytes end, holds nothing deeper than [`DEPTH_MAX`], no number outside what Yjs can count to, nothing that
//! refers to itself or to what comes after it, and what a client wrote in one place only.
//!
//! # What it finds of a damaged file
//! No proper prefix of an update is one. An update whose end is zeros instead of its own bytes is refused, but where
//! the zeros were its own bytes or stand for the end of a number that is no text: text with NUL characters, empty
//! ranges and padded numbers are refused, since no Yjs writes them.

use std::ops::Range;

use super::varint::{Varint, read_varint, varint_len};

/// How deep values may be nested.
pub const DEPTH_MAX: usize = 64;

/// The first client id that JavaScript cannot count to.
const CLIENT_END: u64 = 1 << 53;

/// Why bytes are no update that a decoder should see.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, thiserror::Error)]
pub enum Flaw {
    /// It ends within.
    #[error("the update is cut")]
    Cut,
    /// A number has more than 64 bits, or is written longer than needed.
    #[error("a number of the update is not written as Yjs writes it")]
    Number,
    /// A text is not UTF-8, or holds NUL characters.
    #[error("a text of the update is no text")]
    Text,
    /// It has content of a kind that there is not, or that is not supported.
    #[error("the update has content of kind {0}, which is not known")]
    Content(u8),
    /// Values are nested deeper than [`DEPTH_MAX`].
    #[error("values of the update are nested too deep")]
    Depth,
    /// A client is beyond what can be counted.
    #[error("a client of the update is beyond 2^53")]
    Client,
    /// A clock is beyond what can be counted.
    #[error("a clock of the update is beyond 2^32")]
    Clock,
    /// An item refers to itself or to what its client wrote later.
    #[error("an item of the update refers to itself")]
    Itself,
    /// What one client wrote stands in two places. A decoder may take it in twice, and then never come to an end.
    #[error("what client {0} wrote stands twice in the update")]
    Twice(u64),
    /// A range or a skip is empty.
    #[error("a range of the update is empty")]
    Empty,
    /// Something follows it.
    #[error("{0} bytes follow the update")]
    Rest(usize),
}

/// One struct of an update: what one client wrote at one place of its clock.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Struct {
    /// The client.
    pub client: u64,
    /// Its clock where the struct begins.
    pub clock: u64,
    /// How far the clock goes on.
    pub len: u64,
    /// The kind of its content; `None` if it has none, being collected garbage or a gap.
    pub kind: Option<u8>,
    /// Where its content stands.
    pub content: Range<usize>,
}

impl Struct {
    /// Its text; `None` if it holds something else. `bytes` is the update that it stands in.
    #[must_use]
    pub fn text<'a>(&self, bytes: &'a [u8]) -> Option<&'a str> {
        let content = bytes.get(self.content.clone()).filter(|_| self.kind == Some(info::STRING))?;
        Walk::new(content, true).text().ok()
    }

    /// Whether this and another one may be what one client wrote, where their clocks meet: what each says there is the
    /// same, or one of them does not say it any more. `bytes` and `others` are the updates that they stand in.
    #[must_use]
    pub fn agrees(&self, bytes: &[u8], other: &Self, others: &[u8]) -> bool {
        let (Some(kind), Some(other_kind)) = (self.kind, other.kind) else { return true };
        if kind == info::DELETED || other_kind == info::DELETED {
            return true;
        }
        if kind != other_kind {
            return false;
        }
        let (content, other_content) = (&bytes[self.content.clone()], &others[other.content.clone()]);
        if kind != info::STRING {
            return (self.clock, self.len) != (other.clock, other.len) || content == other_content;
        }
        // One may be a part of the other.
        let (from, to) = (self.clock.max(other.clock), (self.clock + self.len).min(other.clock + other.len));
        let units = |one: &Self, content: &[u8]| -> Vec<u16> {
            let text = Walk::new(content, true).text().unwrap_or("");
            let skipped = usize::try_from(from - one.clock).unwrap_or(usize::MAX);
            let len = usize::try_from(to.saturating_sub(from)).unwrap_or(0);
            text.encode_utf16().skip(skipped).take(len).collect()
        };
        units(self, content) == units(other, other_content)
    }
}

/// Looks at an update.
///
/// # Errors
/// The first flaw.
pub fn check(bytes: &[u8]) -> Result<(), Flaw> {
    walk_over(bytes, &mut |_| {})
}

/// Looks at an update, and hands over each struct that comes before the first flaw.
pub(super) fn walk_over(bytes: &[u8], seen: &mut dyn FnMut(Struct)) -> Result<(), Flaw> {
    match walk(bytes, false, seen)? {
        0 => Ok(()),
        rest => Err(Flaw::Rest(rest)),
    }
}

/// How many bytes of these a decoder of Yjs takes for an update: it asks for neither the shortest numbers nor for text
/// without NUL characters, and does not look at what follows. What could harm it is refused all the same.
///
/// # Errors
/// The first flaw that it has, too.
pub fn taken(bytes: &[u8]) -> Result<usize, Flaw> {
    walk(bytes, true, &mut |_| {}).map(|rest| bytes.len() - rest)
}

/// The structs of an update.
///
/// # Errors
/// As [`check`].
pub fn structs(bytes: &[u8]) -> Result<Vec<Struct>, Flaw> {
    let mut found = Vec::new();
    walk(bytes, true, &mut |one| found.push(one))?;
    Ok(found)
}

/// What an update writes and what it refers to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Links {
    /// What its clients have written: client, and from which clock to which.
    pub(super) writes: Vec<(u64, u64, u64)>,
    /// What its items refer to: client and clock.
    pub(super) needs: Vec<(u64, u64)>,
    /// The last of what each of its deletions deletes: client and clock.
    pub(super) deletes: Vec<(u64, u64)>,
}

impl Links {
    /// Whether it writes something at a client's clock.
    pub(super) fn writes(&self, (client, clock): (u64, u64)) -> bool {
        self.writes.iter().any(|&(of, from, to)| of == client && (from..to).contains(&clock))
    }
}

/// What an update writes and refers to; nothing of one that is flawed.
pub(super) fn links(bytes: &[u8]) -> Links {
    let mut walker = Walk { refers: Some(Refers::default()), ..Walk::new(bytes, true) };
    let mut writes: Vec<(u64, u64, u64)> = Vec::new();
    let walked = walker.all(&mut |one| match writes.last_mut() {
        Some((client, _, to)) if (*client, *to) == (one.client, one.clock) => *to = one.clock + one.len,
        _ => writes.push((one.client, one.clock, one.clock + one.len)),
    });
    let Refers { mut needs, deletes } = walker.refers.take().unwrap_or_default();
    match walked {
        Ok(_) => {
            // What the items of an update refer to within it is there, in the order in which it is written.
            if let [(only, from, to)] = writes[..] {
                needs.retain(|&(client, clock)| client != only || !(from..to).contains(&clock));
            }
            Links { writes, needs, deletes }
        }
        Err(_) => Links::default(),
    }
}

/// What was referred to: client and clock.
#[derive(Default)]
struct Refers {
    needs: Vec<(u64, u64)>,
    deletes: Vec<(u64, u64)>,
}

/// Returns how many bytes are left.
fn walk(bytes: &[u8], is_lax: bool, seen: &mut dyn FnMut(Struct)) -> Result<usize, Flaw> {
    Walk::new(bytes, is_lax).all(seen)
}

struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Whether it takes what Yjs takes.
    is_lax: bool,
    /// What was referred to; `None` if nobody asks.
    refers: Option<Refers>,
}

impl<'a> Walk<'a> {
    fn new(bytes: &'a [u8], is_lax: bool) -> Self {
        Self { bytes, at: 0, is_lax, refers: None }
    }

    /// Walks over the whole update, and returns how many bytes are left.
    fn all(&mut self, seen: &mut dyn FnMut(Struct)) -> Result<usize, Flaw> {
        let sections = self.number()?;
        let mut clients = Vec::new();
        for _ in 0..sections {
            let structs = self.number()?;
            let client = self.client()?;
            if sections > 1 {
                clients.push(client);
            }
            let mut clock = self.clock()?;
            for _ in 0..structs {
                let (len, kind, from) = self.one_struct(client, clock)?;
                seen(Struct { client, clock, len, kind, content: from..self.at });
                clock =
                    clock.checked_add(len).filter(|&end| end <= u64::from(u32::MAX)).ok_or(Flaw::Clock)?;
            }
        }
        clients.sort_unstable();
        if let Some(pair) = clients.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Flaw::Twice(pair[0]));
        }
        for _ in 0..self.number()? {
            let client = self.client()?;
            for _ in 0..self.number()? {
                let (clock, len) = (self.clock()?, self.clock()?);
                if len == 0 && !self.is_lax {
                    return Err(Flaw::Empty);
                }
                if clock + len > u64::from(u32::MAX) {
                    return Err(Flaw::Clock);
                }
                let last = (clock + len).saturating_sub(1);
                self.refers.iter_mut().for_each(|refers| refers.deletes.push((client, last)));
            }
        }
        Ok(self.bytes.len() - self.at)
    }

    fn byte(&mut self) -> Result<u8, Flaw> {
        let byte = self.bytes.get(self.at).copied().ok_or(Flaw::Cut)?;
        self.at += 1;
        Ok(byte)
    }

    #[inline]
    fn number(&mut self) -> Result<u64, Flaw> {
        match read_varint(&self.bytes[self.at..]) {
            Varint::Number(number, len) if self.is_lax || len == varint_len(number) => {
                self.at += len;
                Ok(number)
            }
            Varint::Number(..) | Varint::Overflow => Err(Flaw::Number),
            Varint::Cut => Err(Flaw::Cut),
        }
    }

    fn client(&mut self) -> Result<u64, Flaw> {
        Some(self.number()?).filter(|&client| client < CLIENT_END).ok_or(Flaw::Client)
    }

    fn clock(&mut self) -> Result<u64, Flaw> {
        Some(self.number()?).filter(|&clock| clock <= u64::from(u32::MAX)).ok_or(Flaw::Clock)
    }

    fn take(&mut self, len: u64) -> Result<&'a [u8], Flaw> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(len).ok().and_then(|len| rest.get(..len)).ok_or(Flaw::Cut)?;
        self.at += taken.len();
        Ok(taken)
    }

    fn text(&mut self) -> Result<&'a str, Flaw> {
        let len = self.number()?;
        let text = self.take(len)?;
        if !self.is_lax && memchr::memchr(0, text).is_some() {
            return Err(Flaw::Text);
        }
        std::str::from_utf8(text).map_err(|_| Flaw::Text)
    }

    /// A reference of the item at `clock` of `client`.
    fn reference(&mut self, client: u64, clock: u64) -> Result<(), Flaw> {
        let (to, at) = (self.client()?, self.clock()?);
        self.refers.iter_mut().for_each(|refers| refers.needs.push((to, at)));
        if to == client && at >= clock { Err(Flaw::Itself) } else { Ok(()) }
    }

    /// Returns how far the struct's clock goes on, the kind of its content, and where that begins.
    fn one_struct(&mut self, client: u64, clock: u64) -> Result<(u64, Option<u8>, usize), Flaw> {
        let info = self.byte()?;
        if matches!(info, info::GC | info::SKIP) {
            let len = Some(self.clock()?).filter(|&len| len > 0).ok_or(Flaw::Empty)?;
            return Ok((len, None, self.at));
        }
        if info & info::ORIGIN != 0 {
            self.reference(client, clock)?;
        }
        if info & info::RIGHT_ORIGIN != 0 {
            self.reference(client, clock)?;
        }
        if info & (info::ORIGIN | info::RIGHT_ORIGIN) == 0 {
            match self.number()? {
                1 => drop(self.text()?),
                0 => self.reference(client, clock)?,
                _ => return Err(Flaw::Number),
            }
            if info & info::PARENT_SUB != 0 {
                self.text()?;
            }
        }
        let (kind, from) = (info & info::CONTENT, self.at);
        self.content(kind).map(|len| (len, Some(kind), from))
    }

    fn content(&mut self, kind: u8) -> Result<u64, Flaw> {
        match kind {
            info::DELETED => Some(self.clock()?).filter(|&len| len > 0).ok_or(Flaw::Empty),
            info::BINARY => {
                let len = self.number()?;
                self.take(len)?;
                Ok(1)
            }
            // Yjs counts as JavaScript does.
            info::STRING => Ok(self.text()?.encode_utf16().count() as u64),
            info::EMBED => self.text().map(|_| 1),
            info::FORMAT => {
                self.text()?;
                self.text().map(|_| 1)
            }
            info::TYPE => {
                match self.byte()? {
                    0 | 1 | 2 | 4 | 6 => {}
                    // An element and a hook have a name.
                    3 | 5 => drop(self.text()?),
                    _ => return Err(Flaw::Content(kind)),
                }
                Ok(1)
            }
            info::ANY => {
                let len = self.clock()?;
                for _ in 0..len {
                    self.any(0)?;
                }
                Ok(len)
            }
            info::DOC => {
                self.text()?;
                self.any(0)?;
                Ok(1)
            }
            // Among them 2, the JSON of Yjs before 13, which decoders disagree on.
            _ => Err(Flaw::Content(kind)),
        }
    }

    fn any(&mut self, depth: usize) -> Result<(), Flaw> {
        if depth > DEPTH_MAX {
            return Err(Flaw::Depth);
        }
        let kind = self.byte()?;
        match kind {
            // undefined, null, and the truth values
            127 | 126 | 121 | 120 => {}
            // an integer, its sign in the second highest bit of its first byte
            125 => while self.byte()? & 0x80 != 0 {},
            124 => drop(self.take(4)?),
            123 | 122 => drop(self.take(8)?),
            119 => drop(self.text()?),
            118 => {
                for _ in 0..self.number()? {
                    self.text()?;
                    self.any(depth + 1)?;
                }
            }
            117 => {
                for _ in 0..self.number()? {
                    self.any(depth + 1)?;
                }
            }
            116 => {
                let len = self.number()?;
                self.take(len)?;
            }
            _ => return Err(Flaw::Content(kind)),
        }
        Ok(())
    }
}

/// The first byte of a struct (yjs 13, `src/structs/Item.js`).
mod info {
    pub(super) const GC: u8 = 0;
    pub(super) const SKIP: u8 = 10;
    pub(super) const CONTENT: u8 = 0x1f;
    pub(super) const PARENT_SUB: u8 = 0x20;
    pub(super) const RIGHT_ORIGIN: u8 = 0x40;
    pub(super) const ORIGIN: u8 = 0x80;

    pub(super) const DELETED: u8 = 1;
    pub(super) const BINARY: u8 = 3;
    pub(super) const STRING: u8 = 4;
    pub(super) const EMBED: u8 = 5;
    pub(super) const FORMAT: u8 = 6;
    pub(super) const TYPE: u8 = 7;
    pub(super) const ANY: u8 = 8;
    pub(super) const DOC: u8 = 9;
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use yrs::updates::decoder::Decode;
    use yrs::{Doc, Options, ReadTxn, StateVector, Text, Transact};

    use super::*;

    fn sample() -> Vec<u8> {
        let doc = Doc::with_options(Options::with_guid_and_client_id("doc".into(), yrs::ClientID::new(7)));
        let text = doc.get_or_insert_text("t");
        let mut txn = doc.transact_mut();
        text.insert(&mut txn, 0, "hello");
        text.remove_range(&mut txn, 1, 2);
        text.insert(&mut txn, 3, "é");
        drop(txn);
        doc.transact().encode_state_as_update_v1(&StateVector::default())
    }

    #[test]
    fn an_update_is_let_pass_and_no_part_of_it() {
        let bytes = sample();
        assert_eq!(check(&bytes), Ok(()));
        for cut in 0..bytes.len() {
            assert_eq!(check(&bytes[..cut]), Err(Flaw::Cut), "{cut}");
        }
        assert_eq!(check(&[&bytes[..], &[0]].concat()), Err(Flaw::Rest(1)));
        let found = structs(&bytes).unwrap();
        assert_eq!(found.iter().map(|one| one.len).sum::<u64>(), 6);
        assert!(found.iter().all(|one| one.client == 7));
    }

    #[test]
    fn an_update_whose_end_is_zeros_is_refused() {
        let bytes = sample();
        for cut in 0..bytes.len() {
            let zeroed = [&bytes[..cut], &vec![0; bytes.len() - cut]].concat();
            assert!(zeroed == bytes || check(&zeroed).is_err(), "{cut}");
        }
    }

    /// No Yjs writes such an update, and `yrs` takes its items in twice: some orders of its hash maps make a ring of them.
    #[test]
    fn what_one_client_wrote_stands_in_one_place() {
        let section = |client: u8| [1, client, 1, 0x41, 1, 7, 1];
        let update = |clients: &[u8]| {
            let sections: Vec<u8> = clients.iter().copied().flat_map(section).collect();
            [&[clients.len() as u8], &sections[..], &[0]].concat()
        };
        assert_eq!(check(&update(&[9, 4, 5])), Ok(()));
        assert_eq!(check(&update(&[9, 4, 9])), Err(Flaw::Twice(9)));
    }

    proptest! {
        /// Whatever is let pass, a decoder takes without harm, or says why not.
        #[test]
        fn what_is_let_pass_does_no_harm(
            bytes in prop::collection::vec(prop_oneof![0..12_u8, any::<u8>()], 0..40), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut changed = sample();
            let at = at.index(changed.len());
            changed[at] = byte;
            for bytes in [bytes, changed] {
                if check(&bytes).is_ok() {
                    let _ = yrs::Update::decode_v1(&bytes);
                }
            }
        }
    }
}
