//! Votes: who supports whom, for how long, and which beats a majority of the voters acknowledged.

use std::sync::Arc;

use super::constants::{Hardened, Policy};
use super::evidence::Evidence;
use super::lease::Lease;
use super::own::{Own, stands_for};
use super::peer::Peer;
use super::record::{Life, Role, Said, Visit, Vote, Voters};
use super::{Context, Replica};
use crate::Mono;
use crate::failover::{Config, Event, RefusedBecause, VoterChange};

/// What this replica, as a voter, has promised.
///
/// *Invariant:* until `until` it supports nobody but the candidate of its vote, and before `from` nobody at all; a
/// promise is taken back only where that candidate itself gave up in that term.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Promise {
    /// Until when it supports nobody but the candidate of its vote.
    until: Mono,
    /// Before this it votes for nobody: whatever an earlier life promised, and may have forgotten, is over then.
    from: Mono,
}

impl Promise {
    /// That of one that has just started.
    pub(super) fn new(now: Mono, hardened: &Hardened) -> Self {
        Self { until: Mono(0), from: now.plus(hardened.promise_ms) }
    }

    /// Before when it votes for nobody; `None` if it may.
    pub(super) fn silent_until(&self, now: Mono) -> Option<Mono> {
        (now < self.from).then_some(self.from)
    }

    /// Until when it is bound to another than `candidate`; `None` if it is free.
    pub(super) fn bound_until(&self, vote: Option<&Vote>, candidate: &Arc<str>, now: Mono) -> Option<Mono> {
        let bound = now < self.until && vote.is_some_and(|vote| vote.candidate != *candidate);
        bound.then_some(self.until)
    }

    /// Promises to support nobody else, counted from no sooner than the beat was decided.
    pub(super) fn give(&mut self, decided_by: Mono, hardened: &Hardened) {
        self.until = decided_by.plus(hardened.promise_ms);
    }

    /// One that says in the same life that it leads no longer, or no longer wants to, in the term of the vote needs no
    /// promise any more: it stopped before it wrote that, and begins another term before it leads again. (A later
    /// life proves nothing: it may be a copy's.)
    pub(super) fn take_back_if_given_up(&mut self, own: &Said, evidence: &Evidence) {
        let Some(vote) = &own.vote else { return };
        let given_up = |said: &Said| {
            let wants = matches!(said.role, Role::Active | Role::Candidate);
            said.life == vote.life && said.term >= vote.term && !wants
        };
        let candidate = evidence.get(&vote.candidate).map(|peer| &*peer.said);
        let candidate = candidate.or_else(|| (vote.candidate == own.id).then_some(own));
        if candidate.is_some_and(given_up) {
            self.until = Mono(0);
        }
    }

    pub(super) fn visit(&mut self, visit: &mut dyn Visit) {
        let Self { until, from } = self;
        visit.deadline(until);
        visit.deadline(from);
    }
}

/// The others that a member of the voters stands for.
pub(super) fn holders<'a>(evidence: &'a Evidence, member: &'a str) -> impl Iterator<Item = &'a Peer> {
    evidence.peers().filter(move |(id, peer)| stands_for(member, id, &peer.name)).map(|(_, peer)| peer)
}

/// Whom this voter would support, and the latest time at which its newest beat can have been decided: the highest that
/// leads or wants to, is heard of, carries no older voters than this replica does, and asks for a term in which nobody
/// else was supported. `None` if there is none.
pub(super) fn choice(
    own: &Own,
    evidence: &Evidence,
    hardened: &Hardened,
    now: Mono,
) -> Option<(Arc<Said>, Mono)> {
    let stamp = own.said.voters.as_deref().map(Voters::stamp);
    let voted = own.said.vote.as_ref();
    let claims = evidence.peers().filter(|(id, peer)| {
        let said = &peer.said;
        let wants = matches!(said.role, Role::Active | Role::Candidate) && !said.leaving;
        let heard = now.since(peer.progress) <= hardened.suspect_ms_max;
        let agrees = own.said.at_odds(said).is_none();
        let current = said.voters.as_deref().map(Voters::stamp) >= stamp;
        let free = voted
            .is_none_or(|vote| said.term > vote.term || (said.term == vote.term && vote.candidate == **id));
        // One that leads or wants to itself supports nobody below it.
        let above = !matches!(own.said.role, Role::Active | Role::Candidate) || (said.term, *id) > own.rank();
        wants && heard && agrees && current && free && above
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

/// Whether voters support others in this candidate's term, or a later one, and those who show signs of life and do
/// not are no majority.
pub(super) fn is_outvoted(own: &Own, evidence: &Evidence, hardened: &Hardened, now: Mono) -> bool {
    let Some(voters) = own.said.voters.as_deref() else { return false };
    let elsewhere = |said: &Said| {
        let vote = said.vote.as_ref();
        vote.is_some_and(|vote| vote.term >= own.said.term && vote.candidate != own.said.id)
    };
    let (mut lost, mut left) = (false, 0);
    for member in &voters.members {
        let gone = holders(evidence, member).any(|peer| elsewhere(&peer.said));
        lost |= gone;
        let lives = || holders(evidence, member).any(|peer| peer.is_live(hardened, now));
        left += usize::from(own.is(member) || !gone && lives());
    }
    lost && left <= voters.members.len() / 2
}

/// When the newest beat was decided that a majority of the voters acknowledged, this replica included if it is one and
/// is free to. `None` if there is no such beat.
pub(super) fn supported_since(
    own: &Own,
    evidence: &Evidence,
    lease: &Lease,
    promise: Promise,
    now: Mono,
) -> Option<Mono> {
    let voters = own.said.voters.as_deref()?;
    let mut beats: Vec<Mono> = Vec::with_capacity(voters.members.len());
    for member in &voters.members {
        beats.extend(match own.is(member) {
            true => own_support(own, evidence, lease, promise, member, now),
            false => support_of(own, evidence, lease, member),
        });
    }
    // The newest first: the one at the majority's place is acknowledged by a majority.
    beats.sort_unstable_by(|one, other| other.cmp(one));
    beats.get(voters.members.len() / 2).copied()
}

/// When the newest beat was decided that this replica supports as the voter `member`.
fn own_support(
    own: &Own,
    evidence: &Evidence,
    lease: &Lease,
    promise: Promise,
    member: &str,
    now: Mono,
) -> Option<Mono> {
    // Somebody else who lives under its name makes the member ambiguous.
    let alone = !holders(evidence, member).any(|peer| peer.moved);
    let vote = own.said.vote.as_ref();
    let free = promise.silent_until(now).is_none() && promise.bound_until(vote, &own.said.id, now).is_none();
    lease.newest_beat_at().filter(|_| alone && free)
}

/// When the newest beat was decided that the voter `member`, another replica, acknowledged.
fn support_of(own: &Own, evidence: &Evidence, lease: &Lease, member: &str) -> Option<Mono> {
    let mut living = holders(evidence, member).filter(|peer| peer.moved);
    let peer = living.next()?;
    if living.next().is_some() {
        return None;
    }
    // By other settings its promise may be shorter than this lease.
    let vote = peer.said.vote.as_ref().filter(|_| own.said.at_odds(&peer.said).is_none())?;
    let own: (u64, &Arc<str>, Life) = (own.said.term, &own.said.id, own.said.life);
    if (vote.term, &vote.candidate, vote.life) != own {
        return None;
    }
    lease.beat_at(vote.beat)
}

/// The voters of the configuration, until others are heard of; `None` if votes decide nothing.
pub(super) fn first_voters(hardened: &Hardened) -> Option<Arc<Voters>> {
    (hardened.policy == Policy::Majority).then(|| {
        let members = hardened.voters.iter().map(|voter| voter.as_str().into()).collect();
        Arc::new(Voters { term: 0, change: 0, members })
    })
}

impl Replica {
    /// Whether this replica is one that may lead: any under `available`, a voter under `majority`.
    pub(super) fn may_lead(&self, config: &Config) -> bool {
        config.hardened.policy == Policy::Available || self.own.is_voter()
    }

    /// Whether another may: one that runs by the same settings.
    pub(super) fn may_other_lead(&self, id: &str, peer: &Peer, config: &Config) -> bool {
        let agrees = self.own.said.at_odds(&peer.said).is_none();
        agrees && (config.hardened.policy == Policy::Available || self.own.counts_as_voter(id, &peer.name))
    }

    /// What voters do: acknowledges the beats of others, and counts acknowledgements of its own. Does nothing if votes
    /// decide nothing.
    pub(super) fn vote_and_count(&mut self, config: &Config, cx: &mut Context<'_>) {
        if config.hardened.policy == Policy::Majority {
            self.vote(config, cx.now().mono);
            self.count_votes(config, cx.now().mono);
        }
    }

    /// Acknowledges the newest beat of whom it supports, or supports another once it is free to.
    fn vote(&mut self, config: &Config, now: Mono) {
        let hardened = &config.hardened;
        if self.own.said.leaving || !self.own.is_voter() {
            return;
        }
        self.promise.take_back_if_given_up(&self.own.said, &self.evidence);
        if let Some(from) = self.promise.silent_until(now) {
            self.decide_at(from);
            return;
        }
        let Some((choice, sent)) = choice(&self.own, &self.evidence, hardened, now) else { return };
        if let Some(until) = self.promise.bound_until(self.own.said.vote.as_ref(), &choice.id, now) {
            self.decide_at(until);
            return;
        }
        let vote =
            Vote { term: choice.term, candidate: choice.id.clone(), life: choice.life, beat: choice.beat };
        if self.own.said.vote.as_ref() != Some(&vote) {
            self.own.said.vote = Some(vote);
            // The lease counts from when the beat was decided; this is on the late side of that.
            self.promise.give(sent, hardened);
            self.outbox.urge();
        }
    }

    /// Counts acknowledgements and moves the lease.
    fn count_votes(&mut self, config: &Config, now: Mono) {
        if !matches!(self.own.said.role, Role::Active | Role::Candidate) {
            return;
        }
        let since = supported_since(&self.own, &self.evidence, &self.lease, self.promise, now);
        if !since.is_some_and(|since| self.lease.acknowledged(since, &config.hardened, now)) {
            return;
        }
        if self.own.said.role == Role::Candidate {
            let term = self.own.said.term;
            self.take_role(Role::Active, now);
            // The set of voters is confirmed in the new term before anybody may change it.
            if let Some(voters) = &mut self.own.said.voters {
                Arc::make_mut(voters).term = term;
            }
        }
        if self.own.is_voter() {
            let Said { term, life, beat, ref id, .. } = self.own.said;
            self.own.said.vote = Some(Vote { term, candidate: id.clone(), life, beat });
            self.promise.give(now, &config.hardened);
        }
    }

    /// Adds or removes a voter, one at a time, and only once a majority carries the set that this leader confirmed
    /// in its own term: two sets whose majorities may miss each other are never in use together (the rule for
    /// single-server changes in Raft: Ongaro's thesis, section 4.1, and his correction of 2015).
    pub(super) fn change_voters(&mut self, change: &VoterChange, cx: &mut Context<'_>) {
        let refused = |because| Event::VotersRefused { because };
        let Some(voters) = self.own.said.voters.clone() else {
            return cx.event(refused(RefusedBecause::Unknown));
        };
        if !self.is_active(cx.now()) {
            return cx.event(refused(RefusedBecause::NotActive));
        }
        let carries = |member: &&Arc<str>| {
            let others = || holders(&self.evidence, member);
            self.own.is(member) || others().any(|peer| peer.said.voters.as_deref() == Some(&*voters))
        };
        let count = voters.members.iter().filter(carries).count();
        if voters.term != self.own.said.term || count <= voters.members.len() / 2 {
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
        self.own.said.voters = Some(Arc::new(next));
        self.outbox.urge();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_binds_to_one_candidate_until_it_is_over() {
        let hardened = Hardened::over(15_000, Policy::Majority);
        let mut promise = Promise::new(Mono(0), &hardened);
        let started = Mono(hardened.promise_ms);
        assert_eq!(promise.silent_until(Mono(1)), Some(started), "an earlier life may have promised");
        assert_eq!(promise.silent_until(started), None);
        let (one, other): (Arc<str>, Arc<str>) = ("h:/a#1".into(), "h:/b#2".into());
        let vote = Vote { term: 1, candidate: one.clone(), life: Life::default(), beat: 3 };
        promise.give(started, &hardened);
        let over = started.plus(hardened.promise_ms);
        assert_eq!(promise.bound_until(Some(&vote), &one, started), None);
        assert_eq!(promise.bound_until(Some(&vote), &other, started), Some(over));
        assert_eq!(promise.bound_until(Some(&vote), &other, over), None);
    }
}
