//! This replica itself: who it is, and what it is now.

use std::sync::Arc;

use super::record::{Life, Role, Said, Voters};
use crate::Mono;

/// What this replica's file says, or will say when it is next written, and since when it is what it is.
///
/// *Invariant:* only one that leads or wants to carries an order of succession that may grow, and only a leader makes
/// an offer: a change of role goes through [`Own::take_role`].
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Own {
    /// The device id.
    pub(super) name: Arc<str>,
    /// What its file says.
    pub(super) said: Said,
    /// When it took its present role; for a candidate, when it last began to wait.
    pub(super) since: Mono,
    /// Whether a life of this identity has written into the folder: one that shows no replica's file is not it.
    pub(super) wrote_here: bool,
}

impl Own {
    pub(super) fn new(name: Arc<str>, id: Arc<str>, now: Mono) -> Self {
        Self { name, said: Said::new(id, Life::default()), since: now, wrote_here: false }
    }

    /// The order among leaders and candidates: by term, and within a term by id.
    pub(super) fn rank(&self) -> (u64, &Arc<str>) {
        (self.said.term, &self.said.id)
    }

    /// Whether a member of the voters stands for this replica.
    pub(super) fn is(&self, member: &str) -> bool {
        stands_for(member, &self.said.id, &self.name)
    }

    /// Whether it is a voter.
    pub(super) fn is_voter(&self) -> bool {
        self.said.voters.as_deref().is_some_and(|voters| voters.members.iter().any(|member| self.is(member)))
    }

    /// Whether the replica of this id is a voter, as far as is known.
    pub(super) fn counts_as_voter(&self, id: &str, name: &str) -> bool {
        let voters = self.said.voters.as_deref();
        voters.is_some_and(|voters| voters.members.iter().any(|member| stands_for(member, id, name)))
    }

    /// Takes over a newer set of voters than its own.
    pub(super) fn adopt_voters(&mut self, voters: Option<&Arc<Voters>>) {
        let Some(voters) = voters else { return };
        if self.said.voters.as_ref().is_none_or(|own| own.stamp() < voters.stamp()) {
            self.said.voters = Some(Arc::clone(voters));
        }
    }

    /// Takes back the time that the clock did not count, in ms: it took its role so much earlier.
    pub(super) fn slept(&mut self, slept_ms: u64) {
        self.since = Mono(self.since.0.saturating_sub(slept_ms));
    }

    /// Becomes that, or begins anew to be it.
    pub(super) fn take_role(&mut self, role: Role, now: Mono) {
        self.said.role = role;
        self.since = now;
        if role != Role::Active {
            self.said.offer = None;
        }
        if role == Role::Standby {
            self.said.lead = None;
        }
    }

    /// Begins a term of its own.
    pub(super) fn begin_term(&mut self, term: u64, role: Role, now: Mono) {
        self.said.term = term;
        self.said.accept = None;
        self.said.lead = None;
        self.take_role(role, now);
    }
}

/// Whether a member of the voters stands for the replica of this id and device id.
pub(super) fn stands_for(member: &str, id: &str, name: &str) -> bool {
    member == id || member == name
}
