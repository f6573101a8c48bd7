//! Votes: who supports whom, for how long, and which beats a majority of the voters acknowledged.

use std::sync::Arc;

use super::constants::{Hardened, Policy};
use super::evidence::Evidence;
use super::lease::{Lease, Lent};
use super::own::{Own, stands_for};
use super::peer::Peer;
use super::promise::{Lends, Promise};
use super::record::{Life, Role, Said, Vote, Voters};
use super::{Context, Replica};
use crate::Mono;
use crate::failover::{Config, Event, RefusedBecause, VoterChange};

/// The others that a member of the voters stands for.
pub(super) fn holders<'a>(evidence: &'a Evidence, member: &'a str) -> impl Iterator<Item = &'a Peer> {
    evidence.peers().filter(move |(id, peer)| stands_for(member, id, &peer.name)).map(|(_, peer)| peer)
}

/// Support that a voter may give: the acknowledgement of a beat.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Support {
    vote: Vote,
    /// The latest time at which that beat can have been decided.
    sent: Mono,
    /// What lease it lends.
    lends: Lends,
}

impl Support {
    /// For the newest beat of one that leads or wants to.
    fn for_claim(peer: &Peer) -> Self {
        let Said { term, ref id, life, beat, .. } = *peer.said;
        Self {
            vote: Vote { term, candidate: id.clone(), life, beat },
            sent: peer.sent,
            lends: Lends::Ms(peer.said.lease_ms()),
        }
    }

    /// For the newest beat of one that is to lead in this term.
    fn early(peer: &Peer, term: u64) -> Self {
        let Self { vote, sent, .. } = Self::for_claim(peer);
        Self { vote: Vote { term, ..vote }, sent, lends: Lends::Early }
    }
}

/// Whether another runs by the same settings, and carries no older voters than this replica does.
fn counts_alike(own: &Said, other: &Said) -> bool {
    let stamp = |said: &Said| said.voters.as_deref().map(Voters::stamp);
    own.at_odds(other).is_none() && stamp(other) >= stamp(own)
}

/// Whom this voter would support: the highest that leads or wants to, is heard of, carries no older voters than this
/// replica does, and asks for a term in which nobody else was supported. `None` if there is none.
fn choice(own: &Own, evidence: &Evidence, hardened: &Hardened, now: Mono) -> Option<Support> {
    let voted = own.said.standing();
    let claims = evidence.peers().filter(|(id, peer)| {
        let said = &peer.said;
        let wants = said.wants() && !said.leaving;
        let heard = now.since(peer.progress) <= hardened.suspect_ms_max;
        let free = voted
            .is_none_or(|vote| said.term > vote.term || (said.term == vote.term && vote.candidate == **id));
        // One that leads or wants to itself supports nobody below it.
        let above = !own.said.wants() || (said.term, *id) > own.rank();
        wants && heard && counts_alike(&own.said, said) && free && above
    });
    // A leader that is not silent stays, whoever suspects it.
    let stays = |(id, peer): &(&Arc<str>, &Peer)| {
        let supported = voted.is_some_and(|vote| vote.candidate == **id && vote.life == peer.said.life);
        supported && peer.said.role == Role::Active && now < gone_at(peer)
    };
    let highest = claims.max_by_key(|found| (stays(found), found.1.said.term, found.0.clone()));
    highest.map(|(_, peer)| Support::for_claim(peer))
}

/// When one that leads or led counts as gone, by what its file tells.
fn gone_at(peer: &Peer) -> Mono {
    let patience_ms = peer.said.lead.as_ref().map_or(0, |lead| lead.suspect_ms);
    if peer.said.role == Role::Released { peer.base } else { peer.base.plus(patience_ms) }
}

/// For whom this voter votes before that one asks for it: the first whom the leader that it supports named, once that
/// leader is gone. `None` if that is this replica itself, or one that has shown no sign of life since.
fn successor(own: &Own, evidence: &Evidence, hardened: &Hardened, now: Mono) -> Option<Support> {
    let (said, vote) = (&own.said, own.said.vote.as_ref()?);
    let top = evidence.top_peer()?;
    let leader = evidence.get(top.id)?;
    let supported = vote.of() == (top.term, top.id, top.said.life) && said.deferred.is_none();
    let lead = top.lead?;
    let first = lead.successors.first().filter(|first| **first != said.id)?;
    let peer = evidence.get(first)?;
    // What is on its way to this replica may be held up as a whole: then it is the leader's silence that deceives.
    let heard = (top.role == Role::Released || peer.progress >= leader.progress)
        && now.since(peer.sent) <= lead.suspect_ms.saturating_add(hardened.propagation_ms);
    let able = peer.said.role == Role::Standby
        && !peer.said.leaving
        && counts_alike(said, &peer.said)
        && own.counts_as_voter(first, &peer.name);
    let due = said.role == Role::Standby && supported && now >= gone_at(leader);
    let term = || next_term(said, evidence, first, peer.said.life);
    (due && able && heard).then(|| Support::early(peer, term()))
}

/// Whether the candidate of this vote may still lead by it, as far as its silence tells. One whose process was started
/// anew does not.
fn may_still_lead(evidence: &Evidence, vote: &Vote, hardened: &Hardened, now: Mono) -> bool {
    evidence.get(&vote.candidate).filter(|peer| peer.said.life == vote.life).is_some_and(|peer| {
        match peer.said.role {
            Role::Active => now < gone_at(peer),
            Role::Candidate => now < peer.progress.plus(hardened.candidacy_ms()),
            Role::Released | Role::Standby => false,
        }
    })
}

/// All votes that are known of, deferred ones among them.
fn all_votes<'a>(own: &'a Said, evidence: &'a Evidence) -> impl Iterator<Item = &'a Vote> {
    let all = std::iter::once(own).chain(evidence.said().map(|said| &**said));
    all.flat_map(|said| said.vote.iter().chain(&said.deferred))
}

/// The highest term in which anybody supports this life of this replica; 0 if nobody ever did.
fn asked_term(own: &Said, evidence: &Evidence, id: &Arc<str>, life: Life) -> u64 {
    let votes = all_votes(own, evidence).filter(|vote| vote.candidate == *id && vote.life == life);
    votes.map(|vote| vote.term).max().unwrap_or(0)
}

/// The next term for this life of this replica: one in which it is asked to lead, or one that nobody has claimed or is
/// asked to claim.
pub(super) fn next_term(own: &Said, evidence: &Evidence, id: &Arc<str>, life: Life) -> u64 {
    let others = all_votes(own, evidence).filter(|vote| vote.candidate != *id || vote.life != life);
    let taken = others.map(|vote| vote.term).fold(evidence.term_max(own), u64::max);
    asked_term(own, evidence, id, life).max(taken + 1)
}

/// The device id of whom a majority of the voters supports in a later term than that of who leads or led, by the votes
/// that are here: it may act as soon as they have reached it as well. `None` if there is nobody.
pub(super) fn elected<'a>(own: &'a Own, evidence: &'a Evidence, promise: Promise) -> Option<&'a str> {
    let voters = own.said.voters.as_deref()?;
    let led = evidence.top(own).map_or(0, |top| top.term);
    let at = evidence.clock().last();
    let term = |id: &Arc<str>, said: &Said| {
        let claimed = if said.wants() { said.term } else { 0 };
        claimed.max(asked_term(&own.said, evidence, id, said.life))
    };
    let open = evidence.peers().filter(|(id, peer)| {
        let (term, said) = (term(id, &peer.said), &peer.said);
        term > led && !said.leaving && (said.term < term || said.wants())
    });
    let elected = open.filter(|(id, peer)| {
        let whom = (term(id, &peer.said), *id, peer.said.life);
        let for_it = |vote: &Option<Vote>| vote.as_ref().is_some_and(|vote| vote.of() == whom);
        let says = |said: &Said, over: bool| for_it(&said.vote) || (over && for_it(&said.deferred));
        let supports = |member: &&Arc<str>| {
            let itself = stands_for(member, id, &peer.name) && peer.said.wants() && peer.said.term == whom.0;
            let others = || holders(evidence, member);
            itself
                || (own.is(member) && says(&own.said, promise.is_vote_over(at)))
                || others().any(|other| says(&other.said, at >= other.deferred_until))
        };
        voters.members.iter().filter(supports).count() > voters.members.len() / 2
    });
    elected.max_by_key(|(id, peer)| term(id, &peer.said)).map(|(_, peer)| &*peer.name)
}

/// Whether voters support others in this candidate's term, or a later one, and those who show signs of life and do
/// not are no majority.
pub(super) fn is_outvoted(own: &Own, evidence: &Evidence, hardened: &Hardened, now: Mono) -> bool {
    let Some(voters) = own.said.voters.as_deref() else { return false };
    let elsewhere = |said: &Said| {
        let vote = said.standing();
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

/// What the support of a majority of the voters is worth, this replica included if it is one and is free to. `None` if
/// there is no majority.
fn support_of_majority(
    own: &Own,
    evidence: &Evidence,
    lease: &Lease,
    promise: Promise,
    hardened: &Hardened,
    now: Mono,
) -> Option<Lent> {
    let voters = own.said.voters.as_deref()?;
    let mut all: Vec<Lent> = Vec::with_capacity(voters.members.len());
    for member in &voters.members {
        let beat = match own.is(member) {
            true => own_support(own, evidence, promise, member, now),
            false => support_of(own, evidence, member, now),
        };
        all.extend(beat.and_then(|beat| lease.lent(beat, hardened)));
    }
    // The latest first: until the one at the majority's place a majority lets it act.
    all.sort_unstable_by(|one, other| other.cmp(one));
    all.get(voters.members.len() / 2).copied()
}

/// The newest beat that this replica supports as the voter `member`.
fn own_support(own: &Own, evidence: &Evidence, promise: Promise, member: &str, now: Mono) -> Option<u64> {
    // Somebody else who lives under its name makes the member ambiguous.
    let alone = !holders(evidence, member).any(|peer| peer.moved);
    Some(own.said.beat).filter(|_| alone && promise.is_free(&own.said, now))
}

/// The newest beat that the voter `member`, another replica, acknowledged.
fn support_of(own: &Own, evidence: &Evidence, member: &str, now: Mono) -> Option<u64> {
    let mut living = holders(evidence, member).filter(|peer| peer.moved);
    let peer = living.next()?;
    // By other settings its promise may be shorter than this lease.
    if living.next().is_some() || own.said.at_odds(&peer.said).is_some() {
        return None;
    }
    let said = &peer.said;
    let own = (own.said.term, &own.said.id, own.said.life);
    let for_it = |vote: &&Vote| vote.of() == own;
    // What was deferred counts once the lease before it is over, by time or by its holder's own word.
    let over =
        now >= peer.deferred_until || said.vote.as_ref().is_some_and(|before| evidence.has_given_up(before));
    let deferred = said.deferred.as_ref().filter(|_| over);
    said.vote.iter().chain(deferred).find(for_it).map(|vote| vote.beat)
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

    /// Acknowledges the newest beat of whom it supports, or supports another.
    fn vote(&mut self, config: &Config, now: Mono) {
        let hardened = &config.hardened;
        if self.own.said.leaving || !self.own.is_voter() {
            return;
        }
        self.promise.take_back_if_given_up(&mut self.own.said, &self.evidence);
        if let Some(from) = self.promise.silent_until(now) {
            self.decide_at(from);
            return;
        }
        let chosen = choice(&self.own, &self.evidence, hardened, now);
        let goes_on = |support: &Support| {
            self.own.said.standing().is_some_and(|vote| vote.candidate == support.vote.candidate)
        };
        let support = match chosen {
            Some(support) if !goes_on(&support) => Some(support),
            chosen => successor(&self.own, &self.evidence, hardened, now).or(chosen),
        };
        if let Some(support) = support {
            self.support(support, hardened, now);
        }
    }

    /// Gives support, where no promise to another stands against it. Before a promise to a leader that is gone is over,
    /// the vote is deferred: whom it is for learns from it after whose lease it counts.
    fn support(&mut self, support: Support, hardened: &Hardened, now: Mono) {
        let Support { vote, sent, lends } = support;
        let said = &mut self.own.said;
        if said.standing() == Some(&vote) {
            return;
        }
        let is_deferred = said.deferred.as_ref().is_some_and(|before| before.candidate == vote.candidate);
        if is_deferred && !self.promise.is_vote_over(now) {
            self.promise.defer(sent, lends, hardened);
            said.deferred = Some(vote);
        } else if is_deferred {
            self.promise.promote(said);
            self.promise.give(sent, lends, hardened);
            said.vote = Some(vote);
        } else if let Some(until) = self.promise.bound_until(said, &vote.candidate, now) {
            let leads = |before: &Vote| {
                before.candidate == said.id || may_still_lead(&self.evidence, before, hardened, now)
            };
            let binds = said.deferred.is_some() || said.vote.as_ref().is_none_or(leads);
            if said.role != Role::Standby || binds || !self.promise.may_defer(now) {
                self.decide_at(until);
                return;
            }
            self.promise.defer(sent, lends, hardened);
            said.deferred = Some(vote);
        } else {
            if said.vote.as_ref().is_some_and(|before| before.candidate != vote.candidate) {
                self.promise.put_aside();
            }
            self.promise.give(sent, lends, hardened);
            self.decline_below(&vote);
            self.own.said.vote = Some(vote);
        }
        self.outbox.urge();
    }

    /// One that acknowledges a leader gives back the votes that others gave it for a later term in the meantime: they
    /// are free again, and it never leads in that term.
    fn decline_below(&mut self, vote: &Vote) {
        let leads = self.evidence.get(&vote.candidate).is_some_and(|peer| peer.said.role == Role::Active);
        let said = &mut self.own.said;
        let asked = asked_term(said, &self.evidence, &said.id, said.life);
        if leads && said.role == Role::Standby && asked > vote.term {
            said.term = said.term.max(asked);
        }
    }

    /// The vote of a leader that has stopped, for the one whom it names first: that one need not ask for it.
    pub(super) fn vote_for_successor(&mut self, first: &Arc<str>, config: &Config, now: Mono) {
        let able = self.own.is_voter() && self.promise.is_free(&self.own.said, now);
        let said = &mut self.own.said;
        if let Some(peer) = self.evidence.get(first).filter(|_| able) {
            let term = next_term(said, &self.evidence, first, peer.said.life);
            let Support { vote, sent, lends } = Support::early(peer, term);
            self.promise.put_aside();
            self.promise.give(sent, lends, &config.hardened);
            (said.vote, said.deferred) = (Some(vote), None);
        }
    }

    /// Counts acknowledgements and moves the lease.
    fn count_votes(&mut self, config: &Config, now: Mono) {
        if !self.own.said.wants() {
            return;
        }
        // Votes may be there before it asked for them. It does not act before its own file says in which term.
        let is_candidate = self.own.said.role == Role::Candidate;
        if is_candidate && !self.outbox.is_on_disk_after(self.lease.claimed_after(), &self.troubles) {
            return;
        }
        let hardened = &config.hardened;
        let lent = support_of_majority(&self.own, &self.evidence, &self.lease, self.promise, hardened, now);
        if !lent.is_some_and(|lent| self.lease.acknowledged(lent, hardened, now)) {
            return;
        }
        if is_candidate {
            let term = self.own.said.term;
            self.take_role(Role::Active, now);
            // The set of voters is confirmed in the new term before anybody may change it.
            if let Some(voters) = &mut self.own.said.voters {
                Arc::make_mut(voters).term = term;
            }
        }
        if self.own.is_voter() && self.promise.is_free(&self.own.said, now) {
            let Said { term, life, beat, ref id, .. } = self.own.said;
            let vote = Vote { term, candidate: id.clone(), life, beat };
            (self.own.said.vote, self.own.said.deferred) = (Some(vote), None);
            self.promise.give(now, Lends::Ms(None), hardened);
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
