//! The order in which a note's records are applied makes no difference but to the time that it takes, with `yrs` as the
//! oracle.

#![expect(clippy::unwrap_used, reason = "a test stops where its data is not what it says")]

use cloudchamber_core::notes::document::{Author, Deed, Part, Parts};
use cloudchamber_core::notes::{Change, Document, Kind};
use proptest::prelude::*;
use yrs::updates::decoder::Decode as _;
use yrs::{Doc, OffsetKind, Options, ReadTxn as _, StateVector, Transact as _, Update};

const IDS: [&str; 3] = ["ann", "bob", "cy"];

/// One change, and what its author had heard of the others by then.
#[derive(Clone, Debug)]
struct Act {
    who: usize,
    deed: u8,
    at: prop::sample::Index,
    /// How much of what each has written comes to the author before.
    heard: [prop::sample::Index; 3],
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = (0..3_usize, 0..10_u8, any::<prop::sample::Index>(), any::<[prop::sample::Index; 3]>());
    prop::collection::vec(act.prop_map(|(who, deed, at, heard)| Act { who, deed, at, heard }), 1..24)
}

type Record = (usize, u64, Vec<u8>);

fn parts(records: &[Record]) -> Parts<'_> {
    let all = records.iter().map(|(who, seq, data)| Part { instance: IDS[*who], seq: *seq, data });
    let mut records: Vec<_> = all.collect();
    records.sort();
    Parts { records, ..Parts::default() }
}

/// What three write, each with a client of its own, who hear of each other now and then.
fn written(acts: &[Act]) -> Vec<Record> {
    let author = |who: usize, seq| Author { instance: IDS[who], seq, client: 100 + who as u64, now_ms: seq };
    let first = Kind::Yjs.record(&Parts::default(), &author(0, 1), Deed::Create("note", "words")).unwrap();
    let mut all: Vec<Record> = vec![(0, 1, first.unwrap())];
    let mut heard = [[1_u64, 0, 0]; 3];
    for (count, act) in acts.iter().enumerate() {
        let last = [0, 1, 2].map(|of| all.iter().filter(|(who, ..)| *who == of).count() as u64);
        for (of, last) in last.into_iter().enumerate() {
            let known = &mut heard[act.who][of];
            let more = last - *known;
            *known += if of == act.who { more } else { act.heard[of].index(more as usize + 1) as u64 };
        }
        let known = heard[act.who];
        let seen: Vec<_> = all.iter().filter(|(who, seq, _)| *seq <= known[*who]).cloned().collect();
        let parts = parts(&seen);
        let len = Kind::Yjs.document(&parts).text.chars().count();
        let at = act.at.index(len + 1);
        let change = match act.deed {
            0..=4 => Change::Insert { at, text: format!("<{count}>") },
            5 => Change::Append(format!("\nline {count}")),
            _ => Change::Remove { at, len: (len - at).min(4) },
        };
        let deed = match act.deed {
            8 => Deed::Trash,
            9 => Deed::Restore,
            _ => Deed::Edit(&change),
        };
        let seq = last[act.who] + 1;
        let record = Kind::Yjs.record(&parts, &author(act.who, seq), deed).unwrap();
        all.extend(record.map(|data| (act.who, seq, data)));
    }
    all
}

/// `yrs` with updates in this order, a transaction each, and whether an update waits then.
fn applied<'a>(updates: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, bool) {
    let options = Options {
        offset_kind: OffsetKind::Utf16,
        ..Options::with_guid_and_client_id("note".into(), yrs::ClientID::new(0))
    };
    let doc = Doc::with_options(options);
    for update in updates {
        doc.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
    }
    let txn = doc.transact();
    let waits = txn.store().pending_update().is_some();
    (txn.encode_state_as_update_v1(&StateVector::default()), waits)
}

/// The note whose merged state this is.
fn document(state: &[u8]) -> Document {
    Kind::Yjs.document(&Parts { states: [state].into(), ..Parts::default() })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Of whole notes, in any order in which nothing has to wait for what comes later.
    #[test]
    fn a_note_is_what_it_is_in_any_order(
        acts in acts(), draws in any::<[prop::sample::Index; 32]>(),
    ) {
        let all = written(&acts);
        let ours = Kind::Yjs.document(&parts(&all));
        prop_assert!(!ours.waits && ours.refused.is_empty());
        let (mut here, mut left): (Vec<&[u8]>, _) = (Vec::new(), all.iter().collect::<Vec<_>>());
        for draw in draws {
            if left.is_empty() {
                break;
            }
            let at = draw.index(left.len());
            left.rotate_left(at);
            let next = left.iter().position(|(.., data)| !applied(here.iter().copied().chain([&data[..]])).1);
            here.push(&left.remove(next.unwrap()).2);
        }
        prop_assert!(left.is_empty());
        prop_assert_eq!(ours, document(&applied(here).0));
    }

    /// Of notes of which records are missing: all that does not need them is there, and the rest waits.
    #[test]
    fn what_is_beyond_a_hole_waits_for_it_and_nothing_else_does(
        acts in acts(), missing in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
    ) {
        let all = written(&acts);
        let mut some = all.clone();
        for at in missing {
            if !some.is_empty() {
                some.remove(at.index(some.len()));
            }
        }
        // Whatever can be applied without waiting is, one after the other.
        let (mut here, mut left): (Vec<&[u8]>, _) = (Vec::new(), some.iter().collect::<Vec<_>>());
        while let Some(at) = left.iter().position(|(.., data)| {
            !applied(here.iter().copied().chain([&data[..]])).1
        }) {
            here.push(&left.remove(at).2);
        }
        let parts = parts(&some);
        let ours = Kind::Yjs.document(&parts);
        let oracle = document(&applied(here.iter().copied()).0);
        prop_assert_eq!(&ours.text, &oracle.text);
        prop_assert_eq!((&ours.id, ours.is_trashed), (&oracle.id, oracle.is_trashed));
        prop_assert!(ours.waits || left.is_empty(), "{} wait", left.len());
        prop_assert!(ours.refused.is_empty());
        // What waits is kept in a merged state that is asked to hold it: with the rest it is the whole note.
        let held = Kind::Yjs.state_with_pending(&parts).unwrap();
        let rest: Vec<_> = all.iter().filter(|record| !some.contains(record)).cloned().collect();
        let whole = Parts { states: [&held[..]].into(), ..self::parts(&rest) };
        prop_assert_eq!(Kind::Yjs.document(&whole).text, Kind::Yjs.document(&self::parts(&all)).text);
    }
}
