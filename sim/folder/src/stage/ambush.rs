//! Faults that strike where it hurts: not at any time, but as soon as a replica has just done or heard something.
//!
//! Whether a machine that wrote a claim and fell asleep acts on it an hour later, nobody learns from a sleep at any of a
//! hundred thousand moments. So an ambush is laid at some time, and springs after one of the next things that the replica
//! does: the more of them a run has, the more often something strikes between two of them.

use super::plan::{Deed, open};
use super::{Actor, Signal, Stage};
use crate::scenario::Faults;
use crate::streams::Stream;
use crate::world::{Choice, ChoiceOf, Loss};
use crate::{ReplicaId, System};
use cloudchamber_core::Rng as _;

/// What strikes a machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Strike {
    Crash,
    Power,
    Sleep,
    Offline,
}

impl Strike {
    /// Of crashes, power cuts, sleep and networks that go those that happen by themselves as well.
    pub(super) fn drawn(faults: &Faults) -> Vec<Self> {
        let Faults { crash, power, sleep, offline, .. } = faults;
        let kinds =
            [(crash, Self::Crash), (power, Self::Power), (sleep, Self::Sleep), (offline, Self::Offline)];
        kinds.into_iter().filter(|(own, _)| own.is_some()).map(|(_, kind)| kind).collect()
    }

    /// One of them.
    pub(super) fn one_of(kinds: &[Self], stream: &mut Stream) -> Self {
        let last = u64::try_from(kinds.len() - 1).expect("at most four");
        kinds[usize::try_from(stream.up_to(last)).expect("one of a few")]
    }

    /// How it begins and how it ends.
    pub(super) fn choices<S: System>(self, replica: ReplicaId, drawn: u64) -> (ChoiceOf<S>, ChoiceOf<S>) {
        let dies = |loss| Choice::Crash { replica, torn_percent: 0, loss };
        match self {
            Self::Crash => (dies(Loss::Kept), open::<S>(replica)),
            Self::Power => (dies(Loss::Mixed(drawn >> 1)), open::<S>(replica)),
            Self::Sleep => (Choice::Sleep { replica }, Choice::Wake { replica }),
            Self::Offline => {
                (Choice::Network { replica, online: false }, Choice::Network { replica, online: true })
            }
        }
    }
}

/// After what an ambush springs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Moment {
    /// The replica changed a file.
    Written,
    /// A file of another one came to its disk.
    Arrived,
    /// Its client sent a file.
    Sent,
    /// A call went out, or its answer came back.
    Called,
}

impl Moment {
    const ALL: [Self; 4] = [Self::Written, Self::Arrived, Self::Sent, Self::Called];

    /// What has just happened; `None` if it is nothing of that kind.
    fn of<C, A>(choice: &Choice<C, A>) -> Option<Self> {
        match choice {
            Choice::Apply { .. } => Some(Self::Written),
            Choice::Download { .. } => Some(Self::Arrived),
            Choice::Upload { .. } => Some(Self::Sent),
            Choice::Serve { .. } | Choice::Reply { .. } => Some(Self::Called),
            _ => None,
        }
    }
}

/// Something that is to go wrong soon after a moment that has yet to come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ambush {
    pub(super) replica: ReplicaId,
    strike: Strike,
    after: Moment,
    /// How many such moments pass by before.
    passes: u64,
    /// How long after the moment it strikes, ms.
    delay_ms: u64,
    /// How long it lasts, ms.
    for_ms: u64,
    drawn: u64,
}

impl Ambush {
    pub(super) fn drawn(replica: ReplicaId, kinds: &[Strike], for_ms: u64, stream: &mut Stream) -> Self {
        let strike = Strike::one_of(kinds, stream);
        let after = Moment::ALL[usize::try_from(stream.up_to(3)).expect("one of four")];
        let passes = stream.up_to(3);
        // At once, within an op or two, before the client has sent it, or while it is under way.
        let longest = [0, 50, 3_000, 20_000][usize::try_from(stream.up_to(3)).expect("one of four")];
        Self { replica, strike, after, passes, delay_ms: stream.up_to(longest), for_ms, drawn: stream.bits() }
    }
}

impl<S: System> Stage<S> {
    /// Springs the ambush that is laid for a replica, if this choice is the moment.
    pub(super) fn spring(&mut self, now: u64, id: ReplicaId, choice: &ChoiceOf<S>) {
        let laid = &mut self.lives[id.index()].ambush;
        let Some(ambush) = laid.as_mut().filter(|ambush| Moment::of(choice) == Some(ambush.after)) else {
            return;
        };
        if ambush.passes > 0 {
            ambush.passes -= 1;
            return;
        }
        let Ambush { strike, delay_ms, for_ms, drawn, .. } = *ambush;
        *laid = None;
        let (from, until) = (now + delay_ms, now + delay_ms + for_ms.max(1));
        if from >= self.run_ms {
            return;
        }
        let (begins, ends) = strike.choices::<S>(id, drawn);
        self.insert(from, Deed::Take(begins));
        // As with every other fault, its end must not bring back who is gone for good.
        let stays_down = until >= self.run_ms && self.gone_for_good.contains(&id);
        if !stays_down && until < self.run_ms.saturating_add(self.settle_ms) {
            self.insert(until, Deed::Take(ends));
        }
        self.signals.push(Signal::Due(Actor::Director));
    }

    /// Adds a deed to those that are planned: after those of the same time.
    fn insert(&mut self, ms: u64, deed: Deed<S>) {
        let place = self.deeds.partition_point(|(other, _)| *other <= ms);
        self.deeds.insert(place, (ms, deed));
    }
}
