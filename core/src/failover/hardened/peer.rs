//! What is known of one other replica, and how sure that is.

use std::sync::Arc;

use super::constants::Hardened;
use super::record::{Life, Role, Said, Visit};
use crate::Mono;

/// Another replica. Only `Evidence` changes it.
///
/// *Invariant:* `heard` only grows, and `base` and `sent` are never later than now.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Peer {
    /// Its device id.
    pub(super) name: Arc<str>,
    /// The newest that it said.
    pub(super) said: Arc<Said>,
    /// The newest of its beats that anybody told of.
    pub(super) heard: (Life, u64),
    /// When that was, or when all evidence was last discarded.
    pub(super) progress: Mono,
    /// The latest time at which the newest beat can have been decided.
    pub(super) sent: Mono,
    /// From when its succession counts: when it sent its last sign of life, or the arrival of its release.
    pub(super) base: Mono,
    /// Whether this replica was awake long enough for the base to be an arrival in time.
    pub(super) witnessed: bool,
    /// By how much the base was moved on since, for stalls of this replica's own, in ms.
    pub(super) stalled_ms: u64,
    /// Whether it moved on while this replica watched.
    pub(super) moved: bool,
    /// Where it told of a deferred vote: when the lease before that is over, on this replica's clock.
    pub(super) deferred_until: Mono,
}

impl Peer {
    /// One that is heard of for the first time.
    pub(super) fn new(name: &Arc<str>, said: &Arc<Said>, now: Mono) -> Self {
        Self {
            name: Arc::clone(name),
            said: Arc::clone(said),
            heard: (Life::default(), 0),
            progress: now,
            sent: now,
            base: now,
            witnessed: false,
            stalled_ms: 0,
            moved: false,
            deferred_until: Mono(0),
        }
    }

    /// Whether it can be counted on.
    pub(super) fn is_live(&self, hardened: &Hardened, now: Mono) -> bool {
        self.was_heard_within(hardened.live_ms(), now)
    }

    /// Whether it is worth asking: a client may have held up one of a standby's beats, and an offer harms nobody
    /// until it is taken.
    pub(super) fn may_live(&self, hardened: &Hardened, now: Mono) -> bool {
        self.was_heard_within(2 * hardened.live_ms(), now)
    }

    /// Whether it has shown a sign of life in the last `ms`, and does not mean to go.
    fn was_heard_within(&self, ms: u64, now: Mono) -> bool {
        !self.said.leaving && now.since(self.progress) <= ms
    }

    /// The latest time at which it can have decided to write this beat. When it arrived is one bound; another follows
    /// from an earlier beat and how long after that it says that it wrote this one. That counts on both clocks running
    /// at the same rate, for which an allowance is made; and not beyond the bound on propagation, lest a clock that is
    /// wrong make everything look old.
    pub(super) fn sent_at(&self, heard: (Life, u64), paces: &[u64], hardened: &Hardened, now: Mono) -> Mono {
        let missed = heard.1.checked_sub(self.heard.1).filter(|_| heard.0 == self.heard.0);
        let paces = missed.and_then(|count| paces.get(..usize::try_from(count).ok()?));
        let Some(paces) = paces.filter(|_| self.heard.1 > 0) else { return now };
        let later_ms = paces.iter().fold(0, |sum: u64, pace| sum.saturating_add(*pace));
        let told = self.sent.plus(later_ms.saturating_add(hardened.drift_ms(later_ms)));
        let earliest = Mono(now.0.saturating_sub(hardened.propagation_ms));
        told.clamp(earliest, now)
    }

    /// For a release: whether the succession keeps counting silence from the old base, and if so, whether that base
    /// was witnessed. `None` if it counts from what was just said.
    pub(super) fn keeps_base(&self, said: &Said) -> Option<bool> {
        if said.role != Role::Released || said.term != self.said.term {
            return None;
        }
        let lapsed = said.lead.as_ref().and_then(|lead| lead.lapsed);
        match (self.said.role, lapsed) {
            (Role::Released, _) => Some(self.witnessed),
            (Role::Active, Some(last)) => Some(self.witnessed && self.heard == (last.life, last.beat)),
            (_, Some(_)) => Some(false),
            _ => None,
        }
    }

    pub(super) fn visit(&mut self, id: &Arc<str>, visit: &mut dyn Visit) {
        Arc::make_mut(&mut self.said).visit(visit);
        visit.beat(id, self.heard.0, &mut self.heard.1);
        visit.instant(&mut self.progress);
        visit.instant(&mut self.sent);
        visit.instant(&mut self.base);
        visit.deadline(&mut self.deferred_until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::Policy;

    #[test]
    fn a_late_beat_counts_from_when_it_was_sent() {
        let life = Life { number: 1, nonce: 0 };
        let mut hardened = Hardened::over(30_000, Policy::Available);
        hardened.drift_ppm_max = 500;
        let mut peer = Peer::new(&"h:/a".into(), &Said::new("h:/a#1".into(), life).into(), Mono(100_000));
        peer.heard = (life, 7);
        let paces = [10_000, 12_000, 11_000];
        let sent = |peer: &Peer, beat, now| peer.sent_at((life, beat), &paces, &hardened, Mono(now)).0;
        // 22 s after beat 7, and what two clocks may come apart meanwhile.
        assert_eq!(sent(&peer, 9, 140_000), 122_022);
        assert_eq!(sent(&peer, 9, 121_000), 121_000, "no later than it arrived");
        assert_eq!(sent(&peer, 9, 200_000), 170_000, "nor so early that only a wrong clock explains it");
        assert_eq!(sent(&peer, 11, 150_000), 150_000, "too many were missed");
        peer.heard = (Life { number: 1, nonce: 1 }, 7);
        assert_eq!(sent(&peer, 9, 140_000), 140_000, "another life says nothing of this one");
    }
}
