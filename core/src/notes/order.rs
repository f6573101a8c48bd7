//! In which order the records of a note are applied.
//!
//! A decoder of Yjs keeps what refers to something that has not come, and looks through all that it keeps whenever more
//! comes: a note that four people have typed, applied one person after the other, takes time as the square of its
//! length. So records are applied as they may have been written, each after those that it refers to.
//!
//! The order is a function of the set of records, as the document is.

use std::collections::BTreeMap;

use super::document::Part;
use super::update::{Links, links};

/// The places of records in the order in which they are applied. They are sorted by instance and number.
///
/// Those of one instance stay in their order. One whose references are nowhere is applied when nothing else can be.
pub(super) fn order(records: &[Part<'_>]) -> Vec<usize> {
    let mut queues: Vec<Queue<'_>> = Vec::new();
    for (at, record) in records.iter().enumerate() {
        match queues.last_mut() {
            Some(queue) if records[queue.next].instance == record.instance => queue.end = at + 1,
            _ => queues.push(Queue { records, next: at, end: at + 1, head: None }),
        }
    }
    if queues.len() < 2 {
        return (0..records.len()).collect();
    }
    let mut here = BTreeMap::new();
    let mut order = Vec::with_capacity(records.len());
    while order.len() < records.len() {
        let before = order.len();
        for queue in &mut queues {
            while queue.is_ready(&here) {
                order.extend(queue.take(&mut here));
            }
        }
        if order.len() == before {
            let waiting = queues.iter_mut().find_map(|queue| queue.take(&mut here));
            order.extend(waiting);
        }
    }
    order
}

/// Up to where the clients have written, by client.
type Here = BTreeMap<u64, u64>;

/// The records of one instance that were not applied yet.
struct Queue<'a> {
    records: &'a [Part<'a>],
    next: usize,
    end: usize,
    /// What the next one writes and refers to, if that was looked at.
    head: Option<Links>,
}

impl Queue<'_> {
    /// Whether there is a next one, and all that it refers to is here.
    fn is_ready(&mut self, here: &Here) -> bool {
        if self.next == self.end {
            return false;
        }
        let head = self.head.get_or_insert_with(|| links(self.records[self.next].data));
        head.needs.iter().all(|(client, clock)| here.get(client).is_some_and(|end| clock < end))
    }

    /// Takes the next one; `None` if there is none.
    fn take(&mut self, here: &mut Here) -> Option<usize> {
        if self.next == self.end {
            return None;
        }
        let head = self.head.take().unwrap_or_else(|| links(self.records[self.next].data));
        for (client, end) in head.writes {
            let known = here.entry(client).or_default();
            *known = end.max(*known);
        }
        self.next += 1;
        Some(self.next - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notes::Kind;
    use crate::notes::document::{Author, Change, Deed, Parts};

    /// What each of two instances writes that answer each other: the client of both, and the records.
    fn answers(count: u64) -> Vec<(&'static str, u64, Vec<u8>)> {
        let mut written: Vec<(&str, u64, Vec<u8>)> = Vec::new();
        for turn in 0..count {
            let (instance, client) = if turn % 2 == 0 { ("ann", 1) } else { ("bob", 2) };
            let all = written.iter().map(|(instance, seq, data)| Part { instance, seq: *seq, data });
            let mut records: Vec<_> = all.collect();
            records.sort();
            let parts = Parts { records, ..Parts::default() };
            let author = Author { instance, seq: turn / 2 + 1, client, now_ms: turn };
            let append = Change::Append(format!(" {turn}"));
            let deed = if turn == 0 { Deed::Create("note", "words") } else { Deed::Edit(&append) };
            let data = Kind::Yjs.record(&parts, &author, deed).unwrap().unwrap();
            written.push((instance, turn / 2 + 1, data));
        }
        written
    }

    fn parts<'a>(written: &'a [(&'static str, u64, Vec<u8>)]) -> Vec<Part<'a>> {
        let all = written.iter().map(|(instance, seq, data)| Part { instance, seq: *seq, data });
        let mut records: Vec<_> = all.collect();
        records.sort();
        records
    }

    #[test]
    fn answers_come_after_what_they_answer() {
        let written = answers(6);
        let records = parts(&written);
        // Ann's are the first three.
        assert_eq!(order(&records), [0, 3, 1, 4, 2, 5]);
        assert_eq!(order(&records[..3]), [0, 1, 2]);
    }

    #[test]
    fn what_refers_to_something_that_is_nowhere_comes_when_nothing_else_can() {
        let written = answers(6);
        let mut records = parts(&written);
        records.remove(0);
        let order = order(&records);
        let mut all = order.clone();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4]);
        let document = Kind::Yjs.document(&Parts { records, ..Parts::default() });
        assert!(document.waits && document.refused.is_empty(), "{document:?}");
    }
}
