//! Votes and the lease that they are: who supports whom, for how long, and who the voters are.

use std::sync::Arc;

use super::canonical::Visit;
use super::constants::Policy;
use super::evidence::Peer;
use super::record::{Life, Role, Said, Vote, Voters};
use super::{Context, Replica, stands_for};
use crate::Mono;
use crate::failover::{Config, Event, RefusedBecause, VoterChange};

/// What this replica, as a voter, has promised.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Promise {
    /// Until when it supports nobody but the candidate of its vote.
    until: Mono,
    /// Before this it votes for nobody: whatever an earlier life promised, and may have forgotten, is over then.
    from: Mono,
}

impl Promise {
    pub(super) fn new(from: Mono) -> Self {
        Self { until: Mono(0), from }
    }

    pub(super) fn visit(&mut self, visit: &mut dyn Visit) {
        visit.deadline(&mut self.until);
        visit.deadline(&mut self.from);
    }
}

/// How many beats are remembered for acknowledgements that come late. A lease is shorter than these.
const WRITTEN_MAX: usize = 16;

impl Replica {
    /// Whether this replica is one that may lead: any under `available`, a voter under `majority`.
    pub(super) fn may_lead(&self, config: &Config) -> bool {
        config.hardened.policy == Policy::Available || self.is_voter()
    }

    fn is_voter(&self) -> bool {
        let voters = self.said.voters.as_deref();
        voters.is_some_and(|voters| {
            voters.members.iter().any(|member| stands_for(member, &self.said.id, &self.name))
        })
    }

    /// Whether the replica of this id is a voter, as far as is known.
    pub(super) fn votes(&self, id: &str, name: &str) -> bool {
        let voters = self.said.voters.as_deref();
        voters.is_some_and(|voters| voters.members.iter().any(|member| stands_for(member, id, name)))
    }

    /// The voters of the configuration, until others are heard of.
    pub(super) fn first_voters(config: &Config) -> Option<Arc<Voters>> {
        (config.hardened.policy == Policy::Majority).then(|| {
            let members = config.hardened.voters.iter().map(|voter| voter.as_str().into()).collect();
            Arc::new(Voters { term: 0, change: 0, members })
        })
    }

    /// Acknowledges the newest beat of whom it supports, or supports another once it is free to.
    pub(super) fn vote(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        if self.said.leaving || !self.is_voter() {
            return;
        }
        self.take_back();
        if now < self.promise.from {
            let from = self.promise.from;
            self.decide_at(from);
            return;
        }
        let Some((choice, sent)) = self.choice(config, now) else { return };
        let bound = self.said.vote.as_ref().filter(|_| now < self.promise.until);
        if bound.is_some_and(|vote| vote.candidate != choice.id) {
            let until = self.promise.until;
            self.decide_at(until);
            return;
        }
        let vote =
            Vote { term: choice.term, candidate: choice.id.clone(), life: choice.life, beat: choice.beat };
        if self.said.vote.as_ref() != Some(&vote) {
            self.said.vote = Some(vote);
            // The lease counts from when the beat was sent; this is on the late side of that.
            self.promise.until = sent.plus(config.hardened.promise_ms);
            self.urgent = true;
        }
    }

    /// One that says in the same life that it leads no longer, or no longer wants to, in the term of the vote needs no
    /// promise any more: it stopped before it wrote that, and begins another term before it leads again. (A later
    /// life proves nothing: it may be a copy's.)
    fn take_back(&mut self) {
        let Some(vote) = &self.said.vote else { return };
        let given_up = |said: &Said| {
            let wants = matches!(said.role, Role::Active | Role::Candidate);
            said.life == vote.life && said.term >= vote.term && !wants
        };
        let candidate = self.peers.get(&vote.candidate).map(|peer| &*peer.said);
        let candidate = candidate.or_else(|| (vote.candidate == self.said.id).then_some(&self.said));
        if candidate.is_some_and(given_up) {
            self.promise.until = Mono(0);
        }
    }

    /// Whether voters support others in this candidate's term, or a later one, and those who show signs of life and do
    /// not are no majority.
    pub(super) fn is_outvoted(&self, config: &Config, now: Mono) -> bool {
        let Some(voters) = self.said.voters.as_deref() else { return false };
        let elsewhere = |said: &Said| {
            let vote = said.vote.as_ref();
            vote.is_some_and(|vote| vote.term >= self.said.term && vote.candidate != self.said.id)
        };
        let (mut lost, mut left) = (false, 0);
        for member in &voters.members {
            let own = stands_for(member, &self.said.id, &self.name);
            let gone = self.holders(member).any(|peer| elsewhere(&peer.said));
            lost |= gone;
            left += usize::from(own || !gone && self.holders(member).any(|peer| peer.is_live(config, now)));
        }
        lost && left <= voters.members.len() / 2
    }

    /// Whom it would support: the highest that leads or wants to, is heard of, carries no older voters than this
    /// replica does, and asks for a term in which nobody else was supported.
    fn choice(&self, config: &Config, now: Mono) -> Option<(Arc<Said>, Mono)> {
        let stamp = self.said.voters.as_deref().map(Voters::stamp);
        let voted = self.said.vote.as_ref();
        let own = (self.said.term, &self.said.id);
        let claims = self.peers.iter().filter(|(id, peer)| {
            let said = &peer.said;
            let wants = matches!(said.role, Role::Active | Role::Candidate) && !said.leaving;
            let heard = now.since(peer.progress) <= config.hardened.suspect_ms_max;
            let current = said.voters.as_deref().map(Voters::stamp) >= stamp;
            let free = voted.is_none_or(|vote| {
                said.term > vote.term || (said.term == vote.term && vote.candidate == **id)
            });
            // One that leads or wants to itself supports nobody below it.
            let above = !matches!(self.said.role, Role::Active | Role::Candidate) || (said.term, *id) > own;
            wants && heard && current && free && above
        });
        // A leader that is not silent stays, whoever suspects it.
        let stays = |(id, peer): &(&Arc<str>, &Peer)| {
            let patience_ms = peer.said.lead.as_ref().map_or(0, |lead| lead.suspect_ms);
            let supported = voted.is_some_and(|vote| vote.candidate == **id && vote.life == peer.said.life);
            supported && peer.said.role == Role::Active && now < peer.base.plus(patience_ms)
        };
        let highest = claims.max_by_key(|found| (stays(found), found.1.said.term, found.0.clone()));
        highest.map(|(_, peer)| (Arc::clone(&peer.said), peer.sent))
    }

    /// Counts acknowledgements and moves the lease.
    pub(super) fn extend_lease(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        if !matches!(self.said.role, Role::Active | Role::Candidate) {
            return;
        }
        let Some(since) = self.supported_since(now) else { return };
        let until = since.plus(config.hardened.lease_ms);
        if until <= now || until <= self.lease_until {
            return;
        }
        self.lease_until = until;
        if self.said.role == Role::Candidate {
            let term = self.said.term;
            self.take_role(Role::Active, now);
            // The set of voters is confirmed in the new term before anybody may change it.
            if let Some(voters) = &mut self.said.voters {
                Arc::make_mut(voters).term = term;
            }
        }
        if self.is_voter() {
            self.support_itself(config, now);
        }
    }

    fn support_itself(&mut self, config: &Config, now: Mono) {
        let said = &mut self.said;
        let beat = said.beat;
        said.vote = Some(Vote { term: said.term, candidate: said.id.clone(), life: said.life, beat });
        self.promise.until = now.plus(config.hardened.promise_ms);
    }

    /// When it decided to write the newest beat that a majority of the voters acknowledged, itself included where it
    /// is one and is free to.
    fn supported_since(&self, now: Mono) -> Option<Mono> {
        let voters = self.said.voters.as_deref()?;
        let mut beats: Vec<Mono> = Vec::with_capacity(voters.members.len());
        for member in &voters.members {
            beats.extend(self.support_of(member, now));
        }
        // The newest first: the one at the majority's place is acknowledged by a majority.
        beats.sort_unstable_by(|one, other| other.cmp(one));
        beats.get(voters.members.len() / 2).copied()
    }

    /// The others that a member of the voters stands for.
    fn holders<'a>(&'a self, member: &'a str) -> impl Iterator<Item = &'a Peer> {
        self.peers.iter().filter(move |(id, peer)| stands_for(member, id, &peer.name)).map(|(_, peer)| peer)
    }

    /// When it decided to write the newest beat that a member acknowledged.
    fn support_of(&self, member: &str, now: Mono) -> Option<Mono> {
        let mut holders = self.holders(member);
        if stands_for(member, &self.said.id, &self.name) {
            // Somebody else who lives under its name makes the member ambiguous.
            let alone = !holders.any(|peer| peer.moved);
            let free = now >= self.promise.from
                && (now >= self.promise.until
                    || self.said.vote.as_ref().is_none_or(|vote| vote.candidate == self.said.id));
            return self.written.back().filter(|_| alone && free).map(|(_, at)| *at);
        }
        let mut living = holders.filter(|peer| peer.moved);
        let peer = living.next()?;
        if living.next().is_some() {
            return None;
        }
        let vote = peer.said.vote.as_ref()?;
        let own: (u64, &Arc<str>, Life) = (self.said.term, &self.said.id, self.said.life);
        if (vote.term, &vote.candidate, vote.life) != own {
            return None;
        }
        self.written.iter().find(|(beat, _)| *beat == vote.beat).map(|(_, at)| *at)
    }

    pub(super) fn remember_written(&mut self, beat: u64, at: Mono) {
        if self.written.len() == WRITTEN_MAX {
            self.written.pop_front();
        }
        self.written.push_back((beat, at));
    }

    /// Adds or removes a voter, one at a time, and only once a majority carries the set that this leader confirmed
    /// in its own term: two sets whose majorities may miss each other are never in use together (the rule for
    /// single-server changes in Raft: Ongaro's thesis, section 4.1, and his correction of 2015).
    pub(super) fn change_voters(&mut self, change: &VoterChange, cx: &mut Context<'_>) {
        let refused = |because| Event::VotersRefused { because };
        let Some(voters) = self.said.voters.clone() else {
            return cx.event(refused(RefusedBecause::Unknown));
        };
        if !self.is_active(cx.now()) {
            return cx.event(refused(RefusedBecause::NotActive));
        }
        let carries = |member: &&Arc<str>| {
            let own = stands_for(member, &self.said.id, &self.name);
            own || self.holders(member).any(|peer| peer.said.voters.as_deref() == Some(&*voters))
        };
        let count = voters.members.iter().filter(carries).count();
        if voters.term != self.said.term || count <= voters.members.len() / 2 {
            return cx.event(refused(RefusedBecause::ChangePending));
        }
        let mut next = Voters::clone(&voters);
        next.change += 1;
        match change {
            VoterChange::Add { replica } if !next.members.iter().any(|member| **member == **replica) => {
                next.members.push(replica.as_str().into());
            }
            VoterChange::Remove { replica } if next.members.iter().any(|member| **member == **replica) => {
                next.members.retain(|member| **member != **replica);
            }
            _ => return cx.event(refused(RefusedBecause::Unknown)),
        }
        if next.members.len() < 2 {
            return cx.event(refused(RefusedBecause::LastVoters));
        }
        cx.event(Event::VotersWritten { change: next.change });
        self.said.voters = Some(Arc::new(next));
        self.urgent = true;
    }
}
