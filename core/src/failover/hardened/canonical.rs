//! One form for all states that behave alike: what a model checker may shift, and what it may forget.
//!
//! Only the unbounded model of `majority` (`scenarios/models/majority-unbounded.toml`, `alike = true`) needs this: with
//! it, a state space in which time has no end is finite. Nothing here decides anything. Each part of a replica shows
//! what of it grows for ever, beside its fields; here they are put together.

use std::sync::Arc;

use super::Replica;
use super::record::{Life, Role, Said, Saw, Visit};
use crate::Mono;
use crate::failover::{Failover, Machine};

/// What a model checker has to know of a replica to tell whether two of its states behave alike. The published design
/// shows nothing: its instants are bound to wall clocks.
pub trait Canonical {
    /// Lets a visitor see and change whatever grows for ever.
    fn visit(&mut self, visit: &mut dyn Visit);

    /// Forgets what no later step reads, so that states which differ in nothing else are equal.
    fn forget_spent(&mut self);

    /// When it took its last step, on its monotonic clock; 0 in the published design.
    fn last_step(&self) -> Mono;

    /// The newest of its own beats that the replica has told of by itself in a file that this one has read; `None` if
    /// it has read none, and in the published design.
    fn has_read(&self, replica: &str) -> Option<(Life, u64)>;

    /// The newest beat of the replica that this one knows of from anybody's file; `None` if it has read none of its
    /// own, and in the published design.
    fn has_heard_of(&self, replica: &str) -> Option<(Life, u64)>;
}

impl Canonical for Failover {
    fn visit(&mut self, visit: &mut dyn Visit) {
        if let Machine::Hardened(replica) = &mut self.0 {
            replica.visit(visit);
        }
    }

    fn forget_spent(&mut self) {
        if let Machine::Hardened(replica) = &mut self.0 {
            replica.forget_spent();
        }
    }

    fn last_step(&self) -> Mono {
        match &self.0 {
            Machine::Hardened(replica) => replica.evidence.clock().last(),
            Machine::Published(_) | Machine::Waiting(_) => Mono(0),
        }
    }

    fn has_read(&self, id: &str) -> Option<(Life, u64)> {
        let Machine::Hardened(replica) = &self.0 else { return None };
        replica.evidence.get(id).map(|peer| peer.said.age())
    }

    fn has_heard_of(&self, id: &str) -> Option<(Life, u64)> {
        let Machine::Hardened(replica) = &self.0 else { return None };
        replica.evidence.get(id).map(|peer| peer.heard)
    }
}

impl Said {
    /// Lets a visitor see and change the terms and beats. There are no instants: what is in a file has no clock.
    pub fn visit(&mut self, visit: &mut dyn Visit) {
        let Self { id, life, beat, lead, vote, deferred, saw, .. } = self;
        visit.beat(id, *life, beat);
        if let Some(lapsed) = lead.as_mut().and_then(|lead| lead.lapsed.as_mut()) {
            visit.beat(id, lapsed.life, &mut lapsed.beat);
        }
        for vote in [vote, deferred].into_iter().flatten() {
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
    fn forget_spent(&mut self) {
        let said = &mut self.own.said;
        // Both are made anew for the next beat.
        said.paces.clear();
        said.saw.clear();
        let offers = said.offer.is_some();
        self.evidence.forget_spent();
        self.lease.forget_spent(said.role, self.acting, said.voters.is_some());
        if said.role == Role::Standby {
            self.own.since = Mono(0);
        }
        if !offers {
            self.requests.forget_offered();
        }
    }

    fn visit(&mut self, visit: &mut dyn Visit) {
        let Self {
            own,
            acting: _,
            away: _,
            evidence,
            succession,
            lease,
            promise,
            outbox,
            requests,
            work,
            due,
            troubles: _,
            looked: _,
        } = self;
        // The clock first: the other instants are told from it.
        evidence.visit_clock(visit);
        own.said.visit(visit);
        visit.instant(&mut own.since);
        let (id, life) = (&own.said.id, own.said.life);
        evidence.visit(visit);
        succession.visit(visit);
        lease.visit(id, life, visit);
        promise.visit(visit);
        outbox.visit(id, life, visit);
        requests.visit(visit);
        work.visit(visit);
        visit.deadline(&mut due.look);
        if let Some(deadline) = &mut due.decision {
            visit.deadline(deadline);
        }
    }
}
