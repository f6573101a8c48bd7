//! [`Kind::Yjs`](super::document::Kind::Yjs): documents as upstream's editor keeps them.
//!
//! A document has a map `metadata` (`id, created, modified, folderId, deleted`) and an XML fragment `content` of blocks
//! (drewcsillag/notecove, packages/shared/src/crdt/note-doc.ts). A line of the text is a block that holds text, or a
//! block that holds nothing; blocks of blocks, as lists are, are gone into.
//!
//! The client of a change is given. What is not given, `yrs` would draw, so every document here has its client and its
//! id from the caller; nothing else of a document depends on chance.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use yrs::updates::decoder::Decode;
use yrs::{
    Any, ClientID, Doc, Map as _, MapRef, Number, OffsetKind, Options, Out, ReadTxn, StateVector, Text as _,
    Transact, TransactionMut, Update, XmlElementPrelim, XmlFragment, XmlFragmentRef, XmlOut, XmlTextPrelim,
    XmlTextRef,
};

use super::document::{Author, Deed, Document, EditError, Parts, Step, steps};
use super::order::{Order, order};
use super::update;

const METADATA: &str = "metadata";
const CONTENT: &str = "content";

/// The client of documents that are only read.
const READER: u64 = 0;

/// How many records are passed over because the decoder cannot take them, before a document is given up.
const REFUSED_MAX: usize = 16;

/// What stands in an update where a note is given its id: the map, the key, one value, a text.
const ID_IS: &[u8] = b"\x08metadata\x02id\x01w";

/// The ids that an update gives to its note.
pub(super) fn ids(data: &[u8]) -> impl Iterator<Item = &str> {
    memchr::memmem::find_iter(data, ID_IS).filter_map(|at| {
        let rest = &data[at + ID_IS.len()..];
        let (len, text) = rest.split_first()?;
        std::str::from_utf8(text.get(..usize::from(*len))?).ok()
    })
}

fn empty(client: u64) -> Doc {
    let options = Options {
        // Offsets as JavaScript counts them.
        offset_kind: OffsetKind::Utf16,
        ..Options::with_guid_and_client_id("note".into(), ClientID::new(client))
    };
    Doc::with_options(options)
}

/// What was made of some parts.
struct Woven {
    doc: Doc,
    /// Records that the decoder cannot take, as places in their order.
    refused: Vec<usize>,
    /// Records that were not applied, since they refer to what is nowhere.
    waiting: Vec<usize>,
}

/// The document of some parts, as far as they are here.
fn load(parts: &Parts<'_>, client: u64) -> Woven {
    let Order { now, waiting } = order(parts);
    let records = parts.records.iter().map(|part| part.data);
    let all: Vec<&[u8]> = parts.states.iter().copied().chain(records).collect();
    let (waiting, torn): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|&at| {
        let decode = || Update::decode_v1(all[at]).is_ok();
        catch_unwind(decode).unwrap_or(false)
    });
    let all: Vec<_> = now.iter().map(|&at| all[at]).collect();
    let records = |places: Vec<usize>| {
        places.into_iter().filter_map(|at| at.checked_sub(parts.states.len())).collect::<Vec<_>>()
    };
    let mut refused = Vec::new();
    loop {
        match try_load(&all, &refused, client, all.len()) {
            Some((doc, more)) => {
                refused.extend(more);
                let refused = refused.into_iter().map(|at: usize| now[at]).chain(torn).collect();
                return Woven { doc, refused: records(refused), waiting: records(waiting) };
            }
            None if refused.len() >= REFUSED_MAX => {
                let refused = (0..parts.records.len()).collect();
                return Woven { doc: empty(client), refused, waiting: Vec::new() };
            }
            // One of them is more than the decoder can take: with all before it, it still is.
            None => {
                let (mut low, mut high) = (0, all.len());
                while low + 1 < high {
                    let middle = low.midpoint(high);
                    if try_load(&all, &refused, client, middle).is_some() {
                        low = middle
                    } else {
                        high = middle
                    }
                }
                refused.push(high - 1);
            }
        }
    }
}

/// How many updates share a transaction. With more a document has many small pieces, which are joined at its end; with
/// fewer the ends take the time.
const BATCH: usize = 64;

/// Applies the first of the updates; `None` if the decoder cannot take it.
fn try_load(all: &[&[u8]], without: &[usize], client: u64, first: usize) -> Option<(Doc, Vec<usize>)> {
    let apply = || {
        let doc = empty(client);
        let mut refused = Vec::new();
        for (batch, from) in all[..first].chunks(BATCH).zip((0..).step_by(BATCH)) {
            let mut txn = doc.transact_mut();
            for (bytes, at) in batch.iter().zip(from..).filter(|(_, at)| !without.contains(at)) {
                let applied = Update::decode_v1(bytes).ok().map(|update| txn.apply_update(update));
                if !matches!(applied, Some(Ok(()))) {
                    refused.push(at);
                }
            }
        }
        (doc, refused)
    };
    // The document that a panic leaves behind is dropped, and nothing else was touched.
    catch_unwind(AssertUnwindSafe(apply)).ok()
}

pub(super) fn document(parts: &Parts<'_>) -> Document {
    let Woven { doc, refused, waiting } = load(parts, READER);
    let refused: BTreeSet<_> = refused.into_iter().collect();
    let refused = refused.into_iter().map(|at| &parts.records[at]);
    let refused = refused.map(|part| (part.instance.to_owned(), part.seq)).collect();
    let (metadata, content) = roots(&doc);
    let txn = doc.transact();
    let get = |key| match metadata.get(&txn, key) {
        Some(Out::Any(value)) => value,
        _ => Any::Undefined,
    };
    Document {
        id: match get("id") {
            Any::String(id) => Some(id.to_string()),
            _ => None,
        },
        text: text(&lines(&txn, &content)),
        is_trashed: matches!(get("deleted"), Any::Bool(true)),
        created_ms: ms(&get("created")),
        modified_ms: ms(&get("modified")),
        is_begun: !txn.state_vector().is_empty(),
        waits: txn.has_missing_updates() || !waiting.is_empty(),
        refused,
    }
}

/// A record that only removes text is there if it is one of the parts' records, or if there is a merged state, which does
/// not tell.
pub(super) fn lacks(parts: &Parts<'_>, records: &[&[u8]]) -> Vec<usize> {
    let Woven { doc, .. } = load(parts, READER);
    let here = doc.transact().state_vector();
    let lacks = |data: &[u8]| match update::structs(data) {
        Ok(structs) if structs.is_empty() => {
            parts.states.is_empty() && !parts.records.iter().any(|part| part.data == data)
        }
        Ok(structs) => structs
            .iter()
            .any(|one| u64::from(here.get(&ClientID::new(one.client))) < one.clock.saturating_add(one.len)),
        Err(_) => true,
    };
    records.iter().enumerate().filter(|(_, data)| lacks(data)).map(|(at, _)| at).collect()
}

/// The merged state, with what waits, as Yjs encodes it.
pub(super) fn state_with_pending(parts: &Parts<'_>) -> Option<Vec<u8>> {
    let Woven { doc, refused, waiting } = load(parts, READER);
    let apply = || {
        let mut txn = doc.transact_mut();
        waiting.iter().all(|&at| {
            let update = Update::decode_v1(parts.records[at].data);
            update.is_ok_and(|update| txn.apply_update(update).is_ok())
        })
    };
    let whole = refused.is_empty() && catch_unwind(AssertUnwindSafe(apply)).unwrap_or(false);
    whole.then(|| doc.transact().encode_state_as_update_v1(&StateVector::default()))
}

pub(super) fn state(parts: &Parts<'_>) -> Option<Vec<u8>> {
    let Woven { doc, refused, waiting } = load(parts, READER);
    let txn = doc.transact();
    let whole = refused.is_empty() && waiting.is_empty() && !txn.has_missing_updates();
    whole.then(|| txn.encode_state_as_update_v1(&StateVector::default()))
}

pub(super) fn record(
    parts: &Parts<'_>,
    author: &Author<'_>,
    deed: Deed<'_>,
) -> Result<Option<Vec<u8>>, EditError> {
    Draft::of(parts, author.client).record(author, deed)
}

/// A document that changes are made in.
pub(super) struct Draft {
    doc: Doc,
    is_whole: bool,
}

impl Draft {
    /// The document of some parts, as far as they are here, with the client of who changes it.
    pub(super) fn of(parts: &Parts<'_>, client: u64) -> Self {
        let Woven { doc, refused, waiting } = load(parts, client);
        let is_whole = refused.is_empty() && waiting.is_empty() && !doc.transact().has_missing_updates();
        Self { doc, is_whole }
    }

    /// Whether every part is applied and nothing waits.
    pub(super) const fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Takes in more updates, in their order. False if one of them is not one that can simply be applied: the draft is of
    /// no use then.
    pub(super) fn take_in(&mut self, updates: &[&[u8]]) -> bool {
        let apply = || {
            updates.iter().all(|bytes| {
                let mut txn = self.doc.transact_mut();
                let here = txn.state_vector();
                let has = |client: u64, clock: u64| u64::from(here.get(&ClientID::new(client))) > clock;
                let links = update::links(bytes);
                let needs = links.needs.iter().chain(&links.deletes);
                let mut needs = needs.filter(|&&place| !links.writes(place));
                let follows = needs.all(|&(client, clock)| has(client, clock))
                    && links.writes.iter().all(|&(client, from, _)| {
                        // What is here already in other words is for the order of all records to decide.
                        (from == 0 || has(client, from - 1)) && !has(client, from)
                    });
                follows
                    && Update::decode_v1(bytes).is_ok_and(|update| txn.apply_update(update).is_ok())
                    && !txn.has_missing_updates()
            })
        };
        self.is_whole = catch_unwind(AssertUnwindSafe(apply)).unwrap_or(false);
        self.is_whole
    }

    /// The record that makes a change, which is made.
    pub(super) fn record(
        &mut self,
        author: &Author<'_>,
        deed: Deed<'_>,
    ) -> Result<Option<Vec<u8>>, EditError> {
        let change = || {
            let (metadata, content) = roots(&self.doc);
            let mut txn = self.doc.transact_mut();
            let changed = act(&mut txn, &metadata, &content, author, deed)?;
            Ok(changed.then(|| txn.encode_update_v1()))
        };
        catch_unwind(AssertUnwindSafe(change)).unwrap_or(Err(EditError::Broken))
    }
}

fn roots(doc: &Doc) -> (MapRef, XmlFragmentRef) {
    (doc.get_or_insert_map(METADATA), doc.get_or_insert_xml_fragment(CONTENT))
}

/// Does it, and says whether anything changed.
fn act(
    txn: &mut TransactionMut<'_>,
    metadata: &MapRef,
    content: &XmlFragmentRef,
    author: &Author<'_>,
    deed: Deed<'_>,
) -> Result<bool, EditError> {
    let trashed =
        |txn: &TransactionMut<'_>| matches!(metadata.get(txn, "deleted"), Some(Out::Any(Any::Bool(true))));
    match deed {
        Deed::Create(id, text) => {
            metadata.insert(txn, "id", id);
            metadata.insert(txn, "created", time(author.now_ms));
            metadata.insert(txn, "folderId", Any::Null);
            metadata.insert(txn, "deleted", false);
            insert(txn, content, 0, text);
        }
        Deed::Trash | Deed::Restore => {
            let trash = deed == Deed::Trash;
            if trashed(txn) == trash {
                return Ok(false);
            }
            metadata.insert(txn, "deleted", trash);
        }
        Deed::Edit(change) => {
            let before = text(&lines(txn, content));
            let steps = steps(&before, change)?;
            if steps.is_empty() {
                return Ok(false);
            }
            for step in steps {
                match step {
                    Step::Insert(at, text) => insert(txn, content, at, text),
                    Step::Remove(at, len) => remove(txn, content, at, len),
                }
            }
        }
    }
    metadata.insert(txn, "modified", time(author.now_ms));
    Ok(true)
}

fn time(ms: u64) -> Any {
    Any::Number(Number::Int(i64::try_from(ms).unwrap_or(i64::MAX).min(Number::I64_MAX_SAFE_INTEGER)))
}

fn ms(value: &Any) -> Option<u64> {
    match value {
        Any::Number(Number::Int(ms)) => u64::try_from(*ms).ok(),
        // JavaScript counts so; below 2^53 nothing is lost.
        Any::Number(Number::Float(ms)) if *ms >= 0.0 && *ms < 9_007_199_254_740_992.0 => Some(*ms as u64),
        _ => None,
    }
}

/// One line: a block that holds text or nothing.
struct Line {
    /// What it lies in.
    parent: XmlFragmentRef,
    /// Where it lies there.
    index: u32,
    /// What holds its text; `None` if that is the line itself, without a block around it.
    block: Option<XmlFragmentRef>,
    /// Its texts.
    texts: Vec<XmlTextRef>,
    /// Its characters: in which text, and where there, in UTF-16 units.
    letters: Vec<(char, usize, u32)>,
}

fn text(lines: &[Line]) -> String {
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        text.extend(line.letters.iter().map(|(letter, ..)| letter));
    }
    text
}

fn lines<T: ReadTxn>(txn: &T, content: &XmlFragmentRef) -> Vec<Line> {
    let mut found = Vec::new();
    gather(txn, content, 0, &mut found);
    found
}

/// How deep blocks are gone into.
const BLOCKS_DEEP_MAX: usize = 64;

fn gather<T: ReadTxn>(txn: &T, parent: &XmlFragmentRef, depth: usize, found: &mut Vec<Line>) {
    for (child, index) in parent.children(txn).zip(0..) {
        let (block, texts) = match child {
            XmlOut::Text(text) => (None, vec![text]),
            XmlOut::Fragment(_) => continue,
            XmlOut::Element(element) => {
                let block: &XmlFragmentRef = element.as_ref();
                let (mut texts, mut others) = (Vec::new(), 0);
                for child in block.children(txn) {
                    match child {
                        XmlOut::Text(text) => texts.push(text),
                        _ => others += 1,
                    }
                }
                if texts.is_empty() && others > 0 {
                    if depth < BLOCKS_DEEP_MAX {
                        gather(txn, block, depth + 1, found);
                    }
                    continue;
                }
                (Some(block.clone()), texts)
            }
        };
        let letters = texts.iter().enumerate().flat_map(|(at, text)| {
            letters(txn, text).into_iter().map(move |(letter, offset)| (letter, at, offset))
        });
        let letters = letters.collect();
        found.push(Line { parent: parent.clone(), index, block, texts, letters });
    }
}

/// The characters of a text, with their offsets.
fn letters<T: ReadTxn>(txn: &T, text: &XmlTextRef) -> Vec<(char, u32)> {
    let (mut found, mut offset) = (Vec::new(), 0);
    for chunk in text.diff(txn, yrs::types::text::YChange::identity) {
        match chunk.insert {
            Out::Any(Any::String(text)) => {
                for letter in text.chars() {
                    found.push((letter, offset));
                    offset += utf16_len(letter);
                }
            }
            // Something that is shown in the text and is no text.
            _ => offset += 1,
        }
    }
    found
}

fn utf16_len(letter: char) -> u32 {
    if letter.len_utf16() == 2 { 2 } else { 1 }
}

/// The line that a place of the text is in, and where in it.
fn place(lines: &[Line], at: usize) -> (usize, usize) {
    let mut left = at;
    for (number, line) in lines.iter().enumerate() {
        if left <= line.letters.len() {
            return (number, left);
        }
        left -= line.letters.len() + 1;
    }
    let last = lines.len().saturating_sub(1);
    (last, lines.last().map_or(0, |line| line.letters.len()))
}

fn insert(txn: &mut TransactionMut<'_>, content: &XmlFragmentRef, at: usize, text: &str) {
    let lines = lines(txn, content);
    let mut pieces = text.split('\n');
    let first = pieces.next().unwrap_or("");
    let rest: Vec<_> = pieces.collect();
    if lines.is_empty() {
        for piece in std::iter::once(first).chain(rest) {
            paragraph(txn, content, content.len(txn), piece);
        }
        return;
    }
    let (number, at) = place(&lines, at);
    let line = &lines[number];
    if rest.is_empty() {
        insert_within(txn, line, at, first);
        return;
    }
    // What follows the place goes to the last of the new lines.
    let tail: String = line.letters[at..].iter().map(|(letter, ..)| letter).collect();
    remove_within(txn, line, at, line.letters.len());
    insert_within(txn, line, at, first);
    let last = rest.len() - 1;
    for (count, piece) in rest.into_iter().enumerate() {
        let piece = if count == last { format!("{piece}{tail}") } else { piece.to_owned() };
        let index = line.index + 1 + u32::try_from(count).unwrap_or(u32::MAX);
        paragraph(txn, &line.parent, index, &piece);
    }
}

fn paragraph(txn: &mut TransactionMut<'_>, parent: &XmlFragmentRef, index: u32, text: &str) {
    let block = parent.insert(txn, index, XmlElementPrelim::empty("paragraph"));
    if !text.is_empty() {
        block.insert(txn, 0, XmlTextPrelim::new(text));
    }
}

fn insert_within(txn: &mut TransactionMut<'_>, line: &Line, at: usize, text: &str) {
    if text.is_empty() {
        return;
    }
    // Behind the character before it, so that it is written on.
    let before = at.checked_sub(1).and_then(|at| line.letters.get(at));
    match (before, line.texts.first(), &line.block) {
        (Some(&(letter, which, offset)), ..) => {
            line.texts[which].insert(txn, offset + utf16_len(letter), text);
        }
        (None, Some(first), _) => first.insert(txn, 0, text),
        (None, None, Some(block)) => drop(block.insert(txn, 0, XmlTextPrelim::new(text))),
        (None, None, None) => {}
    }
}

fn remove_within(txn: &mut TransactionMut<'_>, line: &Line, from: usize, to: usize) {
    // From the end, so that offsets hold.
    for &(letter, which, offset) in line.letters[from..to].iter().rev() {
        line.texts[which].remove_range(txn, offset, utf16_len(letter));
    }
}

fn remove(txn: &mut TransactionMut<'_>, content: &XmlFragmentRef, at: usize, len: usize) {
    let lines = lines(txn, content);
    if lines.is_empty() {
        return;
    }
    let ((first, from), (last, to)) = (place(&lines, at), place(&lines, at + len));
    if first == last {
        remove_within(txn, &lines[first], from, to);
        return;
    }
    // The rest of the last line joins the first one, and what lies between goes.
    let tail: String = lines[last].letters[to..].iter().map(|(letter, ..)| letter).collect();
    for line in lines[first + 1..=last].iter().rev() {
        line.parent.remove_range(txn, line.index, 1);
    }
    let line = &lines[first];
    remove_within(txn, line, from, line.letters.len());
    insert_within(txn, line, from, &tail);
}
