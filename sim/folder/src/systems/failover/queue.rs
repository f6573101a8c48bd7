//! The work that being active is for: an update queue with the semantics of Telegram's `getUpdates`.
//!
//! An update stays in the queue until a poll names a higher offset; until then every poll hands it out again. A
//! poll that finds nothing waits as long as it asked to. While one poller's request is open, another's is
//! refused with HTTP 409. (Telegram Bot API, `getUpdates`.)

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use cloudchamber_core::failover::{Call, Reply, Update};
use serde::{Deserialize, Serialize};

use crate::world::EPOCH;
use crate::{ReplicaId, Service};

/// The most updates that one answer holds (Telegram's default `limit`).
const UPDATES_MAX: usize = 100;

/// The queue, its pollers, and the effects that handlers had.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct UpdateQueue {
    /// Updates that no poll has confirmed, oldest first.
    waiting: VecDeque<Update>,
    /// How long the effect of each takes, in ms, where it takes any time.
    takes_ms: BTreeMap<i64, u64>,
    /// The id of the last update that was written; ids count from 1.
    last_id: i64,
    /// What each replica waits for.
    open: BTreeMap<ReplicaId, Open>,
    /// How often each update took effect, and for whom first.
    effects: BTreeMap<i64, Effect>,
}

/// What became of one update out there.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Effect {
    /// How often it took effect.
    pub times: u32,
    /// Who let it take effect first.
    pub first: ReplicaId,
    /// Who let it take effect last.
    pub last: ReplicaId,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Open {
    /// A poll that waits for an update with this id or a later one, until a world time in ms.
    Poll { offset: i64, until: u64 },
    /// An answer that is ready at a world time in ms.
    Answer { reply: Reply, at: u64 },
}

/// What happens out there.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(tag = "what", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Act {
    /// A person writes a message.
    Write {
        /// How long its handler takes, in ms.
        #[serde(default, rename = "takes-ms")]
        takes_ms: u64,
    },
}

impl UpdateQueue {
    /// The id of the last update that was written; 0 before the first.
    #[must_use]
    pub fn last_id(&self) -> i64 {
        self.last_id
    }

    /// What became of an update; `None` if no handler has let it take effect.
    #[must_use]
    pub fn effect(&self, id: i64) -> Option<Effect> {
        self.effects.get(&id).copied()
    }

    /// The update that a replica's handler is at, or has just handled; `None` if it waits for none.
    #[must_use]
    pub fn handling(&self, replica: ReplicaId) -> Option<i64> {
        match self.open.get(&replica) {
            Some(Open::Answer { reply: Reply::Handled { id }, .. }) => Some(*id),
            _ => None,
        }
    }

    /// The ids that no poll has confirmed.
    pub fn waiting(&self) -> impl Iterator<Item = i64> {
        self.waiting.iter().map(|update| update.id)
    }

    /// Hashes it so that when it is does not count: only how long answers still take. From `never_ms` on they never
    /// come.
    pub(super) fn hash_from(&self, now: u64, never_ms: u64, hasher: &mut impl Hasher) {
        let Self { waiting, takes_ms, last_id, open, effects } = self;
        (waiting, takes_ms, last_id, effects, open.len()).hash(hasher);
        for (replica, open) in open {
            let left = |at: u64| at.saturating_sub(now).min(never_ms);
            match open {
                Open::Poll { offset, until } => (replica, offset, left(*until)).hash(hasher),
                Open::Answer { reply, at } => (replica, reply, left(*at)).hash(hasher),
            }
        }
    }

    fn batch(&self, offset: i64) -> Option<Reply> {
        let updates: Vec<_> =
            self.waiting.iter().filter(|update| update.id >= offset).take(UPDATES_MAX).copied().collect();
        (!updates.is_empty()).then(|| Reply::Updates(Arc::from(updates)))
    }
}

impl Service for UpdateQueue {
    type Call = Call;
    type Reply = Reply;
    type Act = Act;

    fn call(&mut self, from: ReplicaId, call: Call, now: u64) {
        let ready = |reply| Open::Answer { reply, at: now };
        let open = match call {
            Call::GetUpdates { offset, wait_ms } => {
                let polled = |(replica, open): (&ReplicaId, &Open)| {
                    *replica != from && matches!(open, Open::Poll { until, .. } if *until > now)
                };
                if self.open.iter().any(polled) {
                    ready(Reply::Conflict)
                } else {
                    while self.waiting.front().is_some_and(|update| update.id < offset) {
                        self.waiting.pop_front();
                    }
                    match self.batch(offset) {
                        Some(reply) => ready(reply),
                        None => Open::Poll { offset, until: now + wait_ms },
                    }
                }
            }
            Call::Handle { update, .. } => {
                let effect = self.effects.entry(update.id);
                let effect = effect.or_insert(Effect { times: 0, first: from, last: from });
                effect.times += 1;
                effect.last = from;
                let at = now + self.takes_ms.get(&update.id).copied().unwrap_or(0);
                Open::Answer { reply: Reply::Handled { id: update.id }, at }
            }
            Call::Kill { .. } => ready(Reply::Killed { found: true }),
        };
        self.open.insert(from, open);
    }

    fn ready(&self, to: ReplicaId, now: u64) -> bool {
        self.due(to).is_some_and(|due| due <= now)
    }

    fn due(&self, to: ReplicaId) -> Option<u64> {
        match self.open.get(&to)? {
            Open::Answer { at, .. } => Some(*at),
            Open::Poll { offset, .. } if self.waiting.back().is_some_and(|last| last.id >= *offset) => {
                Some(0)
            }
            Open::Poll { until, .. } => Some(*until),
        }
    }

    fn reply(&mut self, to: ReplicaId, _: u64) -> Reply {
        match self.open.remove(&to).expect("the caller saw that an answer is ready") {
            Open::Answer { reply, .. } => reply,
            Open::Poll { offset, .. } => self.batch(offset).unwrap_or_else(|| Reply::Updates(Arc::from([]))),
        }
    }

    fn hang_up(&mut self, replica: ReplicaId) {
        self.open.remove(&replica);
    }

    fn act(&mut self, act: &Act, now: u64) {
        match act {
            Act::Write { takes_ms } => {
                self.last_id += 1;
                let sent = EPOCH.plus(i64::try_from(now).unwrap_or(i64::MAX));
                self.waiting.push_back(Update { id: self.last_id, sent });
                if *takes_ms > 0 {
                    self.takes_ms.insert(self.last_id, *takes_ms);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: ReplicaId = ReplicaId(0);
    const B: ReplicaId = ReplicaId(1);

    fn ids(reply: &Reply) -> Vec<i64> {
        match reply {
            Reply::Updates(updates) => updates.iter().map(|update| update.id).collect(),
            other => panic!("updates were asked for, not {other:?}"),
        }
    }

    #[test]
    fn an_update_is_handed_out_until_a_poll_passes_it() {
        let mut queue = UpdateQueue::default();
        queue.act(&Act::Write { takes_ms: 0 }, 5);
        for _ in 0..2 {
            queue.call(A, Call::GetUpdates { offset: 0, wait_ms: 0 }, 10);
            assert_eq!(ids(&queue.reply(A, 10)), [1]);
        }
        queue.call(A, Call::GetUpdates { offset: 2, wait_ms: 0 }, 20);
        assert_eq!(ids(&queue.reply(A, 20)), [0_i64; 0]);
        queue.call(B, Call::GetUpdates { offset: 0, wait_ms: 0 }, 30);
        assert_eq!(ids(&queue.reply(B, 30)), [0_i64; 0], "what was confirmed is gone for everybody");
    }

    #[test]
    fn a_second_poller_is_refused_while_the_first_waits() {
        let mut queue = UpdateQueue::default();
        queue.call(A, Call::GetUpdates { offset: 0, wait_ms: 1_000 }, 0);
        queue.call(B, Call::GetUpdates { offset: 0, wait_ms: 1_000 }, 10);
        assert_eq!(queue.reply(B, 10), Reply::Conflict);
        assert!(!queue.ready(A, 500));
        queue.act(&Act::Write { takes_ms: 0 }, 600);
        assert!(queue.ready(A, 600));
        assert_eq!(ids(&queue.reply(A, 600)), [1]);
    }

    #[test]
    fn a_slow_handler_answers_late_and_counts_at_once() {
        let mut queue = UpdateQueue::default();
        queue.act(&Act::Write { takes_ms: 700 }, 0);
        let update = Update { id: 1, sent: EPOCH };
        queue.call(A, Call::Handle { update, term: 0 }, 10);
        assert_eq!((queue.due(A), queue.ready(A, 709), queue.ready(A, 710)), (Some(710), false, true));
        queue.call(B, Call::Handle { update, term: 0 }, 20);
        assert_eq!(queue.effect(1), Some(Effect { times: 2, first: A, last: B }));
        assert_eq!((queue.handling(B), queue.handling(ReplicaId(2))), (Some(1), None));
    }

    #[test]
    fn a_dead_poller_blocks_nobody() {
        let mut queue = UpdateQueue::default();
        queue.call(A, Call::GetUpdates { offset: 0, wait_ms: 30_000 }, 0);
        queue.hang_up(A);
        queue.call(B, Call::GetUpdates { offset: 0, wait_ms: 0 }, 10);
        assert_eq!(ids(&queue.reply(B, 10)), [0_i64; 0]);
    }
}
