//! What a model checker has to shift, and what it may forget, so that a finite number of states is enough.

use std::sync::Arc;

use super::Replica;
use super::outbox::PACES_MAX;
use super::record::{Life, Role, Said, Saw};
use crate::Mono;

/// Sees every value of a state or a record that grows for ever, and may change it.
///
/// Only differences between instants, and only the order of terms and of beats, matter to the protocol; so a model
/// can replace instants by ages and beats by ranks. A replica's own beats and the copies of them that others hold
/// have to be changed alike, and so have all terms.
///
/// Two beats of one life that are [`BEATS_APART_MAX`] or more apart are as good as any two that are. The next term is
/// one higher than the highest that is known, so terms can be moved all together and not apart.
pub trait Visit {
    /// An instant on the replica's own monotonic clock, whose distance from others matters; 0 where it stands for
    /// "never".
    fn instant(&mut self, instant: &mut Mono);
    /// An instant on the same clock of which only matters whether it is over, and when it will be. One at or before
    /// the replica's last step is over; 0 is as well.
    fn deadline(&mut self, instant: &mut Mono);
    /// The replica's last step, on the same clock.
    fn last(&mut self, instant: &mut Mono);
    /// A term; 0 stands for "none".
    fn term(&mut self, term: &mut u64);
    /// The number of a beat within this life of this replica; 0 stands for "none".
    fn beat(&mut self, whose: &Arc<str>, life: Life, beat: &mut u64);
}

/// How far two beats of one life are apart at the most as far as anybody can tell: a beat says how long after the ones
/// before it was written, and no more than so many of them.
pub const BEATS_APART_MAX: u64 = PACES_MAX as u64 + 1;

impl Said {
    /// Lets a visitor see and change the terms and beats. There are no instants: what is in a file has no clock.
    pub fn visit(&mut self, visit: &mut dyn Visit) {
        let Self { id, life, beat, lead, vote, saw, .. } = self;
        visit.beat(id, *life, beat);
        if let Some(lapsed) = lead.as_mut().and_then(|lead| lead.lapsed.as_mut()) {
            visit.beat(id, lapsed.life, &mut lapsed.beat);
        }
        if let Some(vote) = vote {
            visit.term(&mut vote.term);
            visit.beat(&vote.candidate, vote.life, &mut vote.beat);
        }
        for (id, saw) in saw {
            visit.term(&mut saw.term);
            visit.beat(id, saw.life, &mut saw.beat);
        }
        visit.term(&mut self.term);
        if let Some(accept) = &mut self.accept {
            visit.term(&mut accept.term);
        }
        // The set that the configuration names has the term 0, and most have.
        if let Some(voters) = self.voters.as_mut().filter(|voters| voters.term > 0) {
            visit.term(&mut Arc::make_mut(voters).term);
        }
    }

    /// Forgets what nobody reads who knew this beat, or a later one, before: the times between beats, and which beats
    /// of others it had seen. Of those the highest term counts.
    pub fn forget_heard(&mut self) {
        let highest = self.saw.values().map(|saw| saw.term).max().unwrap_or(0);
        self.paces.clear();
        self.saw.clear();
        if highest > self.term {
            self.saw.insert(self.id.clone(), Saw { life: Life::default(), beat: 0, term: highest });
        }
    }
}

impl Replica {
    pub(in crate::failover) fn last_step(&self) -> Mono {
        self.clock.last()
    }

    /// How new the newest is that it has read of a replica.
    pub(in crate::failover) fn has_read(&self, id: &str) -> Option<(Life, u64)> {
        self.peers.get(id).map(|peer| peer.said.age())
    }

    /// The newest beat of a replica that anybody told of whom this one has read.
    pub(in crate::failover) fn has_heard_of(&self, id: &str) -> Option<(Life, u64)> {
        self.peers.get(id).map(super::evidence::Peer::heard)
    }

    /// Forgets what no later step reads.
    pub(in crate::failover) fn forget_spent(&mut self) {
        // Both are made anew for the next beat.
        self.said.paces.clear();
        self.said.saw.clear();
        for peer in self.peers.values_mut() {
            if !peer.said.paces.is_empty() || !peer.said.saw.is_empty() {
                Arc::make_mut(&mut peer.said).forget_heard();
            }
        }
        if !matches!(self.said.role, Role::Active | Role::Candidate) {
            // A claim begins with none.
            self.written.clear();
        }
        if self.said.role != Role::Active && !self.acting {
            (self.lease_until, self.lease_before) = (Mono(0), Mono(0));
        }
        if self.said.role == Role::Standby {
            self.since = Mono(0);
        }
        if self.said.offer.is_none() {
            self.offered = Mono(0);
        }
    }

    pub(in crate::failover) fn visit(&mut self, visit: &mut dyn Visit) {
        self.clock.visit(visit);
        self.said.visit(visit);
        for instant in [
            &mut self.since,
            &mut self.lease_until,
            &mut self.lease_before,
            &mut self.awake_since,
            &mut self.offered,
        ] {
            visit.instant(instant);
        }
        let due = &mut self.due;
        for deadline in [
            &mut self.not_before,
            &mut due.beat,
            &mut due.look,
            &mut due.state,
            &mut due.cleanup,
            &mut due.write,
        ] {
            visit.deadline(deadline);
        }
        if let Some(deadline) = &mut due.decision {
            visit.deadline(deadline);
        }
        let (id, life) = (&self.said.id, self.said.life);
        for (beat, at) in &mut self.written {
            visit.beat(id, life, beat);
            visit.instant(at);
        }
        if let Some(beat) = &mut self.doubtful {
            visit.beat(id, life, beat);
        }
        for did in &mut self.doing {
            did.visit(id, life, visit);
        }
        self.places.visit(id, life, visit);
        if let Some((_, term)) = &mut self.suspected {
            visit.term(term);
        }
        for (id, peer) in &mut self.peers {
            peer.visit(id, visit);
        }
        self.promise.visit(visit);
        self.work.visit(visit);
    }
}
