//! In which order the records of a note are applied.
//!
//! A decoder of Yjs keeps what refers to something that has not come, and looks through all that it keeps whenever more
//! comes: a note that four people have typed, applied one person after the other, takes time as the square of its
//! length, and so does one of which an early record is missing. Ours (`yrs` 0.28.1) may even keep for good what nothing
//! is missing of any more. So records are applied as they may have been written, each after those that it refers to, and
//! what refers to something that is nowhere is not applied.
//!
//! The order is a function of the set of records, as the document is.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Parts;
use super::update::{Links, links};
use crate::kit::watermark::Numbers;

/// Places in the merged states of a note and, behind them, its records, which are sorted by instance and number.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Order {
    /// What can be applied, in the order in which it is.
    pub(super) now: Vec<usize>,
    /// Records that refer, themselves or by others, to something that is nowhere.
    pub(super) waiting: Vec<usize>,
}

/// In which order merged states and records are applied.
///
/// Records of one instance stay in their order, as far as they can.
pub(super) fn order(parts: &Parts<'_>) -> Order {
    let records = &parts.records;
    let states = parts.states.len();
    let mut queues: Vec<Queue> = Vec::new();
    for (at, record) in records.iter().enumerate() {
        match queues.last_mut() {
            Some(queue) if records[queue.next].instance == record.instance => queue.end = at + 1,
            _ => queues.push(Queue { next: at, end: at + 1, head: None }),
        }
    }
    let mut here = Here::default();
    let mut order = Order { now: Vec::with_capacity(states + records.len()), waiting: Vec::new() };
    // A state may hold what waits for records.
    let mut held: Vec<_> = parts.states.iter().map(|state| links(state)).enumerate().collect();
    loop {
        let before = order.now.len();
        held.retain(|(at, links)| {
            let follows = here.follows(links);
            if follows {
                here.add(links);
                order.now.push(*at);
            }
            !follows
        });
        for queue in &mut queues {
            while queue.next < queue.end {
                let head = queue.head.take().unwrap_or_else(|| links(records[queue.next].data));
                if !here.follows(&head) {
                    queue.head = Some(head);
                    break;
                }
                here.add(&head);
                order.now.push(states + queue.next);
                queue.next += 1;
            }
        }
        if order.now.len() > before {
            continue;
        }
        let Some((at, links)) = held.pop() else { break };
        here.add(&links);
        order.now.push(at);
    }
    let rest: Vec<_> = queues.iter().flat_map(|queue| queue.next..queue.end).collect();
    if !rest.is_empty() {
        beyond_holes(parts, rest, &mut here, &mut order);
    }
    order
}

/// Orders what comes after something that is missing: each record once all that it refers to is here, whatever else
/// is not.
fn beyond_holes(parts: &Parts<'_>, rest: Vec<usize>, here: &mut Here, order: &mut Order) {
    let mut all: BTreeMap<usize, Links> =
        rest.into_iter().map(|at| (at, links(parts.records[at].data))).collect();
    let mut ready: BTreeSet<usize> = all.keys().copied().collect();
    // What waits, by the client and clock that it waits for.
    let mut waiting: BTreeMap<(u64, u64), Vec<usize>> = BTreeMap::new();
    while let Some(at) = ready.pop_first() {
        let Some(links) = all.get(&at) else { continue };
        if let Some(missing) = here.missing(links) {
            waiting.entry(missing).or_default().push(at);
            continue;
        }
        here.add(links);
        for &(client, from, to) in &links.writes {
            let come: Vec<_> =
                waiting.range((client, from)..(client, to)).map(|(missing, _)| *missing).collect();
            ready.extend(come.iter().filter_map(|missing| waiting.remove(missing)).flatten());
        }
        all.remove(&at);
        order.now.push(parts.states.len() + at);
    }
    order.waiting = all.into_keys().map(|at| parts.states.len() + at).collect();
}

/// What the clients have written, by client. Clocks are counted from 1 here.
#[derive(Default)]
struct Here(BTreeMap<u64, Numbers>);

impl Here {
    fn add(&mut self, links: &Links) {
        for &(client, from, to) in &links.writes {
            self.0.entry(client).or_default().add(from + 1..=to);
        }
    }

    fn has(&self, (client, clock): (u64, u64)) -> bool {
        self.0.get(&client).is_some_and(|here| here.contains(clock + 1))
    }

    /// The first thing that is referred to and is not here.
    fn missing(&self, links: &Links) -> Option<(u64, u64)> {
        links.needs.iter().copied().find(|&need| !self.has(need) && !links.writes(need))
    }

    /// Whether everything is here that was when this was written.
    fn follows(&self, links: &Links) -> bool {
        let has = |place| self.has(place) || links.writes(place);
        self.missing(links).is_none()
            && links.deletes.iter().all(|&deleted| has(deleted))
            && links.writes.iter().all(|&(client, from, _)| from == 0 || has((client, from - 1)))
    }
}

/// The records of one instance that were not applied yet.
struct Queue {
    next: usize,
    end: usize,
    /// What the next one writes and refers to, if that was looked at.
    head: Option<Links>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notes::Kind;
    use crate::notes::document::{Author, Change, Deed, Part};

    /// What each of two instances writes that answer each other: the client of both, and the records.
    fn answers(count: u64) -> Vec<(&'static str, u64, Vec<u8>)> {
        let mut written: Vec<(&str, u64, Vec<u8>)> = Vec::new();
        for turn in 0..count {
            let (instance, client) = if turn % 2 == 0 { ("ann", 1) } else { ("bob", 2) };
            let parts = parts(&written);
            let author = Author { instance, seq: turn / 2 + 1, client, now_ms: turn };
            let append = Change::Append(format!(" {turn}"));
            let deed = if turn == 0 { Deed::Create("note", "words") } else { Deed::Edit(&append) };
            let data = Kind::Yjs.record(&parts, &author, deed).unwrap().unwrap();
            written.push((instance, turn / 2 + 1, data));
        }
        written
    }

    fn parts<'a>(written: &'a [(&'static str, u64, Vec<u8>)]) -> Parts<'a> {
        let all = written.iter().map(|(instance, seq, data)| Part { instance, seq: *seq, data });
        let mut records: Vec<_> = all.collect();
        records.sort();
        Parts { records, ..Parts::default() }
    }

    #[test]
    fn answers_come_after_what_they_answer() {
        let written = answers(6);
        let mut parts = parts(&written);
        // Ann's are the first three.
        assert_eq!(order(&parts), Order { now: vec![0, 3, 1, 4, 2, 5], waiting: vec![] });
        parts.records.truncate(3);
        assert_eq!(order(&parts), Order { now: vec![0], waiting: vec![1, 2] });
    }

    #[test]
    fn what_refers_to_something_that_is_nowhere_waits() {
        let written = answers(6);
        let mut parts = parts(&written);
        let first = parts.records.remove(0);
        assert_eq!(order(&parts), Order { now: vec![], waiting: vec![0, 1, 2, 3, 4] });
        let document = Kind::Yjs.document(&parts);
        assert!(document.waits && document.refused.is_empty(), "{document:?}");
        // In a merged state it is somewhere.
        parts.states.insert(first.data);
        assert_eq!(order(&parts).waiting, [0; 0]);
        assert!(!Kind::Yjs.document(&parts).waits);
    }
}
