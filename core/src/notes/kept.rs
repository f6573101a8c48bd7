//! The document of the last change, kept so that the next change of the same note need not make it anew.
//!
//! A kept document is of use only as long as the note's parts are those that it was made of, and some more. Whether they
//! are is found out each time from the digests of all of them, and where they are not, or anything of a note waits, is
//! refused or cannot be applied, the document is made anew from the parts. So what is kept spares time and decides nothing.

use std::fmt;
use std::sync::Arc;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::document::{Author, Deed, EditError, Kind, Part, Parts};
use super::yjs::Draft;

/// The document of the last change, if it is kept.
///
/// No copy has it.
#[derive(Default)]
pub(super) struct Kept(Option<Box<Open>>);

/// So many records that have come since are applied; of more the document is made anew, which orders them.
const NEW_MAX: usize = 64;

/// A document, and what it was made of.
struct Open {
    note: Arc<str>,
    client: u64,
    draft: Draft,
    /// The digests of the merged states, in their order.
    states: Vec<u128>,
    /// The digests of the records, in their order.
    records: Vec<u128>,
}

impl Clone for Kept {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.0.as_ref().map(|open| &open.note)).finish()
    }
}

fn digest(part: &Part<'_>) -> u128 {
    let mut hasher = Xxh3::new();
    hasher.update(part.instance.as_bytes());
    hasher.update(&[0]);
    hasher.update(&part.seq.to_be_bytes());
    hasher.update(part.data);
    hasher.digest128()
}

impl Kept {
    /// The record that makes a change of a note: just that of [`Kind::record`].
    ///
    /// # Errors
    /// As [`Kind::record`].
    pub(super) fn record(
        &mut self,
        kind: Kind,
        note: &Arc<str>,
        parts: &Parts<'_>,
        author: &Author<'_>,
        deed: Deed<'_>,
    ) -> Result<Option<Vec<u8>>, EditError> {
        if kind != Kind::Yjs || deed.holds_nul() {
            return kind.record(parts, author, deed);
        }
        let states: Vec<u128> = parts.states.iter().map(|state| xxh3_128(state)).collect();
        let records: Vec<u128> = parts.records.iter().map(digest).collect();
        let kept = self
            .0
            .take()
            .filter(|open| open.note == *note && open.client == author.client && open.states == states);
        let grown = kept.and_then(|open| {
            let new = new_places(&open.records, &records)?;
            let new: Vec<&[u8]> = new.into_iter().map(|at| parts.records[at].data).collect();
            let mut draft = open.draft;
            draft.take_in(&new).then_some(draft)
        });
        let mut draft = grown.unwrap_or_else(|| Draft::of(parts, author.client));
        let data = draft.record(author, deed)?;
        if draft.is_whole() {
            let mut open = Open { note: note.clone(), client: author.client, draft, states, records };
            if let Some(data) = &data {
                let made = Part { instance: author.instance, seq: author.seq, data };
                let at = parts.records.partition_point(|part| *part < made);
                open.records.insert(at, digest(&made));
            }
            self.0 = Some(Box::new(open));
        }
        Ok(data)
    }
}

/// The places of `now` that `before` has not; `None` if `before` has more, or too many are new. Both have one order.
fn new_places(before: &[u128], now: &[u128]) -> Option<Vec<usize>> {
    let mut known = before.iter().peekable();
    let mut new = Vec::new();
    for (at, digest) in now.iter().enumerate() {
        if known.next_if(|known| *known == digest).is_none() {
            new.push(at);
            if new.len() > NEW_MAX {
                return None;
            }
        }
    }
    known.next().is_none().then_some(new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::notes::Change;

    /// What comes between two changes.
    #[derive(Clone, Debug)]
    enum Turn {
        /// A change at a place; what it writes comes to be among the records, or fails.
        Change { at: usize, text: String, fails: bool },
        /// A change of somebody else who has seen everything, which comes at once or later.
        Other { at: usize, late: bool },
        /// What was late comes.
        Come,
        /// A record of somebody else is gone again. Those of one's own have a shadow.
        Lose(prop::sample::Index),
    }

    fn turns() -> impl Strategy<Value = Vec<Turn>> {
        let turn = prop_oneof![
            4 => (0..40_usize, "[a-c\n]{1,3}", prop::bool::weighted(0.2)).prop_map(|(at, text, fails)| Turn::Change { at, text, fails }),
            3 => (0..40_usize, any::<bool>()).prop_map(|(at, late)| Turn::Other { at, late }),
            1 => Just(Turn::Come),
            1 => any::<prop::sample::Index>().prop_map(Turn::Lose),
        ];
        prop::collection::vec(turn, 1..30)
    }

    type Record = (&'static str, u64, Vec<u8>);

    fn parts(records: &[Record]) -> Parts<'_> {
        let mut all: Vec<_> =
            records.iter().map(|(instance, seq, data)| Part { instance, seq: *seq, data }).collect();
        all.sort();
        Parts { records: all, ..Parts::default() }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Whatever comes between, a change is the one that it is without anything kept, and so is the document.
        #[test]
        fn a_change_is_what_it_is_without_what_was_kept(turns in turns()) {
            let (mut kept, note) = (Kept::default(), Arc::from("note"));
            let me = |seq, client| Author { instance: "ann", seq, client, now_ms: seq };
            let first = Kind::Yjs.record(&Parts::default(), &me(1, 7), Deed::Create("note", "words")).unwrap().unwrap();
            let mut here: Vec<Record> = vec![("ann", 1, first)];
            let mut late: Vec<Record> = Vec::new();
            let (mut seq, mut others, mut client) = (1, 0, 7);
            for turn in turns {
                match turn {
                    Turn::Change { at, text, fails } => {
                        let parts = parts(&here);
                        let len = Kind::Yjs.document(&parts).text.chars().count();
                        let change = Change::Insert { at: at.min(len), text };
                        let author = me(seq + 1, client);
                        let made = kept.record(Kind::Yjs, &note, &parts, &author, Deed::Edit(&change));
                        prop_assert_eq!(&made, &Kind::Yjs.record(&parts, &author, Deed::Edit(&change)));
                        if fails {
                            // A process that goes on after a failure draws another client.
                            client += 1;
                        } else if let Ok(Some(data)) = made {
                            seq += 1;
                            here.push(("ann", seq, data));
                        }
                    }
                    Turn::Other { at, late: is_late } => {
                        let all: Vec<Record> = here.iter().chain(&late).cloned().collect();
                        let parts = parts(&all);
                        let len = Kind::Yjs.document(&parts).text.chars().count();
                        let change = Change::Insert { at: at.min(len), text: "-".to_owned() };
                        others += 1;
                        let author = Author { instance: "bob", seq: others, client: 1_000, now_ms: others };
                        if let Ok(Some(data)) = Kind::Yjs.record(&parts, &author, Deed::Edit(&change)) {
                            if is_late { late.push(("bob", others, data)) } else { here.push(("bob", others, data)) }
                        }
                    }
                    Turn::Come => here.append(&mut late),
                    Turn::Lose(index) => {
                        let of_others: Vec<_> = (0..here.len()).filter(|at| here[*at].0 == "bob").collect();
                        if !of_others.is_empty() {
                            late.push(here.remove(*index.get(&of_others)));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_document_is_kept_and_grows() {
        let (mut kept, note) = (Kept::default(), Arc::from("note"));
        let author = |instance, seq, client| Author { instance, seq, client, now_ms: seq };
        let create = Deed::Create("note", "words");
        let first =
            kept.record(Kind::Yjs, &note, &Parts::default(), &author("ann", 1, 7), create).unwrap().unwrap();
        let append = Change::Append("!".to_owned());
        let mut here: Vec<Record> = vec![("ann", 1, first)];
        let other =
            Kind::Yjs.record(&parts(&here), &author("bob", 1, 9), Deed::Edit(&append)).unwrap().unwrap();
        here.push(("bob", 1, other));
        let digests: Vec<_> = parts(&here).records.iter().map(digest).collect();
        let open = kept.0.as_ref().expect("it is kept");
        assert_eq!(new_places(&open.records, &digests), Some(vec![1]));
        kept.record(Kind::Yjs, &note, &parts(&here), &author("ann", 2, 7), Deed::Edit(&append))
            .unwrap()
            .unwrap();
        assert_eq!(kept.0.as_ref().expect("it is kept").records.len(), 3);
        // What was written and is not there is in no document: another one is made.
        assert_eq!(new_places(&kept.0.as_ref().expect("it is kept").records, &digests), None);
        // Another process knows nothing of it.
        assert!(kept.clone().0.is_none());
    }
}
