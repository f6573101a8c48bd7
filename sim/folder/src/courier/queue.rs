//! What is going to happen, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::ReplicaId;
use crate::profile::Arrival;

/// Something that is due at a time. Equal times are told apart by the order in which they were planned.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Event {
    pub(super) at: u64,
    pub(super) sequence: u64,
    pub(super) replica: ReplicaId,
    pub(super) what: What,
}

/// What is due.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum What {
    Download {
        file: u32,
        version: u32,
        arrival: Arrival,
    },
    /// Not where the file changed after `since`.
    Evict {
        file: u32,
        since: u64,
    },
    Fetch {
        file: u32,
    },
    ResetIndex,
    /// A file may have come to rest. The application sees nothing of it.
    Settle {
        file: u32,
    },
    /// The client's timer fires. The application sees nothing of it.
    Tick,
    Upload {
        file: u32,
    },
    Watch {
        lost: bool,
    },
}

impl What {
    /// Whether it happens within the client, seen by nobody else.
    pub(super) fn is_internal(self) -> bool {
        matches!(self, Self::Settle { .. } | Self::Tick)
    }
}

/// Everything that is planned.
#[derive(Clone, Debug)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Event>>,
    sequence: u64,
    /// What waits for each replica to be reachable; `None` if it is.
    parked: Vec<Option<Vec<Event>>>,
}

impl Queue {
    pub(super) fn new(replicas: usize) -> Self {
        Self { heap: BinaryHeap::with_capacity(64), sequence: 0, parked: vec![None; replicas] }
    }

    pub(super) fn plan(&mut self, at: u64, replica: ReplicaId, what: What) {
        self.sequence += 1;
        let event = Event { at, sequence: self.sequence, replica, what };
        match &mut self.parked[replica.index()] {
            Some(parked) if !what.is_internal() => parked.push(event),
            _ => self.heap.push(Reverse(event)),
        }
    }

    pub(super) fn due(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(event)| event.at)
    }

    pub(super) fn pop(&mut self, now: u64) -> Option<Event> {
        if self.due()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(event)| event)
    }

    pub(super) fn is_reachable(&self, replica: ReplicaId) -> bool {
        self.parked[replica.index()].is_none()
    }

    /// From now on what is due at this replica waits, except what its client does by itself.
    pub(super) fn park(&mut self, replica: ReplicaId) {
        let theirs = |event: &Event| event.replica == replica && !event.what.is_internal();
        let (mut parked, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.heap).into_iter().map(|Reverse(event)| event).partition(theirs);
        parked.sort_unstable();
        self.heap = kept.into_iter().map(Reverse).collect();
        self.parked[replica.index()] = Some(parked);
    }

    /// What waited is due again, nothing of it before `not_before`, in the order it was due.
    pub(super) fn resume(&mut self, replica: ReplicaId, not_before: u64) {
        let mut parked = self.parked[replica.index()].take().unwrap_or_default();
        parked.sort_unstable();
        for event in parked {
            self.plan(event.at.max(not_before), replica, event.what);
        }
    }

    /// Whether anything of the kind is planned for a replica, now or for when it is reachable.
    pub(super) fn has(&self, replica: ReplicaId, is: impl Fn(What) -> bool) -> bool {
        let parked = self.parked[replica.index()].iter().flatten();
        let planned = self.heap.iter().map(|Reverse(event)| event).filter(|event| event.replica == replica);
        planned.chain(parked).any(|event| is(event.what))
    }

    /// Changes or drops everything that is planned.
    pub(super) fn rearrange(&mut self, mut change: impl FnMut(Event) -> Option<Event>) {
        let heap = std::mem::take(&mut self.heap).into_iter();
        self.heap = heap.filter_map(|Reverse(event)| change(event)).map(Reverse).collect();
        for parked in self.parked.iter_mut().flatten() {
            *parked = parked.drain(..).filter_map(&mut change).collect();
        }
    }
}
