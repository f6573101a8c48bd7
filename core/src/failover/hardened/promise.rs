//! What this replica, as a voter, has promised.

use std::sync::Arc;

use super::constants::Hardened;
use super::evidence::Evidence;
use super::record::{Said, Visit, Vote};
use crate::Mono;

/// What lease a beat lends to its sender.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lends {
    /// The longer one of a beat with which its sender had not said that it leads, or wants to, in this term.
    Early,
    /// One of so many ms; `None` for as long as the settings say.
    Ms(Option<u64>),
}

/// Until when a voter is bound to the candidate of one vote.
///
/// *Invariant:* both ends only move later, until the whole is put aside.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
struct Bond {
    /// For beats with which that candidate led, or said that it wants to.
    until: Mono,
    /// For a beat before that, which lends a longer lease.
    early_until: Mono,
}

impl Bond {
    fn end(&self) -> Mono {
        self.until.max(self.early_until)
    }

    /// Binds for the lease that a beat lends which was decided at `sent`, at the latest.
    fn extend(&mut self, sent: Mono, lends: Lends, hardened: &Hardened) {
        match lends {
            Lends::Early => {
                self.early_until = self.early_until.max(sent.plus(hardened.early_promise_ms()));
            }
            Lends::Ms(lease_ms) => {
                self.until = self.until.max(sent.plus(hardened.promise_for(lease_ms)));
            }
        }
    }
}

/// What this replica, as a voter, has promised.
///
/// *Invariant:* until the end of a bond it supports nobody but the candidate of that vote, unless that is told as a
/// deferred vote beside the vote that binds; and before `from` nobody at all. A promise is taken back only where its
/// candidate itself gave up in that term.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Promise {
    /// By its vote.
    vote: Bond,
    /// By its deferred vote.
    deferred: Bond,
    /// Before this it votes for nobody: whatever an earlier life promised, and may have forgotten, is over then.
    from: Mono,
}

impl Promise {
    /// That of one that has just started.
    pub(super) fn new(now: Mono, hardened: &Hardened) -> Self {
        Self { vote: Bond::default(), deferred: Bond::default(), from: now.plus(hardened.early_promise_ms()) }
    }

    /// Before when it votes for nobody; `None` if it may.
    pub(super) fn silent_until(&self, now: Mono) -> Option<Mono> {
        (now < self.from).then_some(self.from)
    }

    /// Until when it is bound to another than `candidate`; `None` if it is free.
    pub(super) fn bound_until(&self, own: &Said, candidate: &Arc<str>, now: Mono) -> Option<Mono> {
        let bonds = [(&own.vote, self.vote), (&own.deferred, self.deferred)];
        let another = |vote: &Option<Vote>| vote.as_ref().is_some_and(|vote| vote.candidate != *candidate);
        let ends = bonds.into_iter().filter(|(vote, _)| another(vote)).map(|(_, bond)| bond.end());
        ends.max().filter(|end| now < *end)
    }

    /// Whether it may support itself.
    pub(super) fn is_free(&self, own: &Said, now: Mono) -> bool {
        self.silent_until(now).is_none() && self.bound_until(own, &own.id, now).is_none()
    }

    /// Whether what binds it to the candidate of its vote is over.
    pub(super) fn is_vote_over(&self, now: Mono) -> bool {
        now >= self.vote.end()
    }

    /// Whether all that binds it to the candidate of its vote is for beats with which that one led or wanted to: only
    /// of such leases does a deferred vote tell when they are over.
    pub(super) fn may_defer(&self, now: Mono) -> bool {
        now >= self.vote.early_until
    }

    /// Binds it by its vote, for a beat that was decided at `sent`, at the latest.
    pub(super) fn give(&mut self, sent: Mono, lends: Lends, hardened: &Hardened) {
        self.vote.extend(sent, lends, hardened);
    }

    /// Binds it by its deferred vote.
    pub(super) fn defer(&mut self, sent: Mono, lends: Lends, hardened: &Hardened) {
        self.deferred.extend(sent, lends, hardened);
    }

    /// Puts the vote aside: nothing binds it to that candidate any more.
    pub(super) fn put_aside(&mut self) {
        self.vote = Bond::default();
    }

    /// The deferred vote takes the place of the vote.
    pub(super) fn promote(&mut self, own: &mut Said) {
        if let Some(vote) = own.deferred.take() {
            own.vote = Some(vote);
            self.vote = std::mem::take(&mut self.deferred);
        }
    }

    /// One that says in the same life that it leads no longer, or no longer wants to, in the term of the vote needs no
    /// promise any more: it stopped before it wrote that, and begins another term before it leads again. (A later
    /// life proves nothing: it may be a copy's.)
    ///
    /// A deferred vote that is given back by one that never led in its term is as if it had not been given, so that the
    /// leader of the vote before it may be acknowledged again. Where one that led by it gives up, or the leader of the
    /// vote before it, nothing is deferred any longer: no leader of an earlier term may act after it.
    pub(super) fn take_back_if_given_up(&mut self, own: &mut Said, evidence: &Evidence) {
        let (vote, deferred) =
            (has_given_up(own, &own.vote, evidence), has_given_up(own, &own.deferred, evidence));
        let unused = |vote: &Vote| {
            let peer = evidence.get(&vote.candidate);
            peer.is_some_and(|peer| peer.said.voters.as_deref().is_none_or(|voters| voters.term < vote.term))
        };
        if deferred && own.deferred.as_ref().is_some_and(unused) {
            own.deferred = None;
            self.deferred = Bond::default();
        } else if deferred || vote {
            self.promote(own);
        }
        if has_given_up(own, &own.vote, evidence) {
            self.put_aside();
        }
    }

    pub(super) fn visit(&mut self, visit: &mut dyn Visit) {
        let Self { vote, deferred, from } = self;
        for bond in [vote, deferred] {
            visit.deadline(&mut bond.until);
            visit.deadline(&mut bond.early_until);
        }
        visit.deadline(from);
    }
}

/// Whether the candidate of this vote, who may be this replica itself, has given up in that term.
fn has_given_up(own: &Said, vote: &Option<Vote>, evidence: &Evidence) -> bool {
    let Some(vote) = vote else { return false };
    evidence.has_given_up(vote) || (vote.candidate == own.id && own.gives_up(vote))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::Policy;
    use crate::failover::hardened::record::Life;

    fn said(vote: &Vote) -> Said {
        Said { vote: Some(vote.clone()), ..Said::new("h:/v#9".into(), Life::default()) }
    }

    fn vote(candidate: &Arc<str>, term: u64) -> Vote {
        Vote { term, candidate: candidate.clone(), life: Life::default(), beat: 3 }
    }

    #[test]
    fn a_promise_binds_to_one_candidate_until_it_is_over() {
        let hardened = Hardened::over(15_000, Policy::Majority);
        let mut promise = Promise::new(Mono(0), &hardened);
        let started = Mono(hardened.early_promise_ms());
        assert_eq!(promise.silent_until(Mono(1)), Some(started), "an earlier life may have promised");
        assert_eq!(promise.silent_until(started), None);
        let (one, other): (Arc<str>, Arc<str>) = ("h:/a#1".into(), "h:/b#2".into());
        let own = said(&vote(&one, 1));
        promise.give(started, Lends::Ms(None), &hardened);
        let over = started.plus(hardened.promise_ms);
        assert_eq!(promise.bound_until(&own, &one, started), None);
        assert_eq!(promise.bound_until(&own, &other, started), Some(over));
        assert_eq!(promise.bound_until(&own, &other, over), None);
        assert!(promise.may_defer(started));
    }

    #[test]
    fn a_deferred_vote_binds_beside_the_vote_before_it() {
        let hardened = Hardened::over(15_000, Policy::Majority);
        let [one, other, third]: [Arc<str>; 3] = ["h:/a#1", "h:/b#2", "h:/c#3"].map(Into::into);
        let mut own = said(&vote(&one, 1));
        let mut promise = Promise::new(Mono(0), &hardened);
        let (beat, early) = (Mono(200_000), Mono(210_000));
        promise.give(beat, Lends::Ms(None), &hardened);
        own.deferred = Some(vote(&other, 2));
        promise.defer(early, Lends::Early, &hardened);
        let (first, last) = (beat.plus(hardened.promise_ms), early.plus(hardened.early_promise_ms()));
        assert_eq!(promise.bound_until(&own, &other, early), Some(first));
        assert_eq!(promise.bound_until(&own, &third, early), Some(last));
        assert_eq!(promise.bound_until(&own, &one, early), Some(last), "it acknowledges no more");
        promise.promote(&mut own);
        assert_eq!((own.vote.as_ref(), own.deferred.as_ref()), (Some(&vote(&other, 2)), None));
        assert_eq!(promise.bound_until(&own, &third, early), Some(last));
        assert!(!promise.may_defer(early) && promise.may_defer(last));
    }
}
