//! Who claims when.

use std::sync::Arc;

use super::constants::Policy;
use super::record::{Lapsed, Lead, Role, Said};
use super::{Context, Replica};
use crate::Mono;
use crate::failover::{Config, Event, GivenUpBecause, StandbyBecause};

/// The leader as this replica sees it: of all that lead, or did and were not succeeded, the one with the highest
/// term, and of two the one with the higher id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Top<'a> {
    pub(super) id: &'a Arc<str>,
    pub(super) name: &'a Arc<str>,
    pub(super) role: Role,
    pub(super) term: u64,
    lead: Option<&'a Lead>,
    progress: Mono,
    base: Mono,
    witnessed: bool,
}

impl Top<'_> {
    pub(super) fn rank(&self) -> (u64, &Arc<str>) {
        (self.term, self.id)
    }
}

fn leads(said: &Said) -> bool {
    matches!(said.role, Role::Active | Role::Released)
}

impl Replica {
    /// The leader among all, this replica included.
    pub(super) fn top(&self) -> Option<Top<'_>> {
        let own = leads(&self.said).then_some(Top {
            id: &self.said.id,
            name: &self.name,
            role: self.said.role,
            term: self.said.term,
            lead: self.said.lead.as_ref(),
            progress: self.since,
            base: self.since,
            witnessed: false,
        });
        own.into_iter().chain(self.top_peer()).max_by(|one, other| one.rank().cmp(&other.rank()))
    }

    /// The leader among the others.
    pub(super) fn top_peer(&self) -> Option<Top<'_>> {
        let peers = self.peers.iter().filter(|(_, peer)| leads(&peer.said));
        let tops = peers.map(|(id, peer)| Top {
            id,
            name: &peer.name,
            role: peer.said.role,
            term: peer.said.term,
            lead: peer.said.lead.as_ref(),
            progress: peer.progress,
            base: peer.base,
            witnessed: peer.witnessed,
        });
        tops.max_by(|one, other| one.rank().cmp(&other.rank()))
    }

    /// How long a candidate's silence leaves its candidacy standing.
    fn candidacy_ms(config: &Config) -> u64 {
        let hardened = &config.hardened;
        let objections = hardened.wait_ms + hardened.settle_ms + 3 * hardened.look_ms;
        match hardened.policy {
            Policy::Available => objections,
            Policy::Majority => objections.max(hardened.suspect_ms_min),
        }
    }

    /// The highest candidate among the others that may still come through, and until when.
    fn rival(&self, config: &Config, now: Mono) -> Option<(u64, Arc<str>, Mono)> {
        let lasting = Self::candidacy_ms(config);
        let rivals = self.peers.iter().filter(|(_, peer)| peer.said.role == Role::Candidate);
        rivals
            .map(|(id, peer)| (peer.said.term, id.clone(), peer.progress.plus(lasting)))
            .filter(|(_, _, until)| now < *until)
            .max_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)))
    }

    /// The highest term that anybody is known to have claimed.
    fn term_max(&self) -> u64 {
        let others = self.peers.values().flat_map(|peer| {
            std::iter::once(peer.said.term).chain(peer.said.saw.values().map(|saw| saw.term))
        });
        let voted = self.said.vote.as_ref().map_or(0, |vote| vote.term);
        others.fold(self.said.term.max(voted), u64::max)
    }

    /// Stops leading, or wanting to, where another has the better claim.
    pub(super) fn give_way(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        let own = (self.said.term, &self.said.id);
        let top = self.top_peer();
        let to = match self.said.role {
            Role::Standby => return,
            Role::Active | Role::Released => top.filter(|top| top.rank() > own).map(|top| top.id.clone()),
            Role::Candidate => {
                let lives = |top: &Top<'_>| top.role == Role::Active && top.progress > self.since;
                let led = top.filter(|top| top.term >= own.0 || lives(top)).map(|top| top.id.clone());
                led.or_else(|| {
                    let rival = self.rival(config, now).filter(|rival| (rival.0, &rival.1) > own);
                    rival.map(|rival| rival.1)
                })
            }
        };
        let Some(to) = to else { return };
        if self.said.role == Role::Candidate {
            cx.event(Event::ClaimLost { to: Some(to) });
        } else {
            self.stop(StandbyBecause::FoundAnotherNamed, cx);
        }
        self.take_role(Role::Standby, now);
    }

    /// A leader whose lease is over has no longer the right to say that it leads.
    pub(super) fn lapse(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        if self.said.role != Role::Active {
            return;
        }
        if self.is_active(cx.now()) {
            // Under `available` the next beat has to be with everybody before anybody has lost patience with the last
            // one. It no longer can be: whoever comes next is asked to, while nobody else may act.
            let late = now.plus(config.hardened.settle_ms) > self.lease_until;
            if config.hardened.policy == Policy::Available && late {
                self.release(StandbyBecause::LeaseOver, config, cx);
            }
            return;
        }
        if config.hardened.policy == Policy::Available && self.lease_until == Mono(0) {
            // A claim that is not written yet. Too late, it would meet the next one in the order.
            let end = self.since.plus(config.hardened.look_ms);
            if now <= end {
                self.decide_at(end.plus(1));
            } else {
                self.take_role(Role::Candidate, now);
            }
            return;
        }
        let patience_ms = match config.hardened.policy {
            Policy::Available => 0,
            // Votes may come back: the lease does not depend on what the others think of the silence.
            Policy::Majority => config.hardened.promise_ms,
        };
        let over = self.lease_until.max(self.since).plus(patience_ms);
        if now < over {
            self.stop(StandbyBecause::LeaseOver, cx);
            self.decide_at(over);
            // The time counts from the moment at which it ended.
            self.lease_until = Mono(over.0.saturating_sub(patience_ms));
            return;
        }
        self.release(StandbyBecause::LeaseOver, config, cx);
    }

    /// Whether a release is with everybody before anybody can have lost patience.
    pub(super) fn can_release(&self, config: &Config, now: Mono) -> bool {
        let hardened = &config.hardened;
        // Whoever is about to claim reads once more, so that it has to be there is enough.
        let reached = self.due.write.max(now).plus(hardened.arrival_ms());
        match hardened.policy {
            Policy::Available => reached <= self.lease_until,
            Policy::Majority => true,
        }
    }

    /// Stops leading and asks to be succeeded, in the order that all have seen: at once, or, where somebody may be
    /// about to, as if it were silent.
    pub(super) fn release(&mut self, because: StandbyBecause, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        let in_time = self.can_release(config, now);
        let (life, last) = (self.said.life, self.said.beat);
        self.stop(because, cx);
        self.take_role(Role::Released, now);
        let doubtful = self.doubtful == Some(last);
        if let Some(lead) = self.said.lead.as_mut().filter(|_| !in_time || doubtful) {
            // No beat has the number 0, so nobody has witnessed it.
            lead.lapsed = Some(Lapsed { life, beat: if doubtful { 0 } else { last } });
        }
    }

    /// Claims, or becomes a candidate, where that is due. The view was read in this step.
    pub(super) fn claim_if_due(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        match self.said.role {
            Role::Active => {}
            Role::Candidate => self.wait_for_objections(config, cx),
            _ if self.said.leaving || !self.may_lead(config) => {}
            Role::Standby | Role::Released => {
                if let Some((_, _, until)) =
                    self.rival(config, now).filter(|rival| self.top().is_none_or(|top| top.term < rival.0))
                {
                    self.decide_at(until);
                    return;
                }
                self.take_turn(config, cx);
            }
        }
    }

    /// The candidate's wait is over, or was missed.
    fn wait_for_objections(&mut self, config: &Config, cx: &mut Context<'_>) {
        let (now, hardened) = (cx.now().mono, &config.hardened);
        if hardened.policy == Policy::Majority {
            // Several came forward at once, and the votes were spread before all but the highest gave way: those
            // who voted are free for it in the next term, not in this one.
            if self.is_outvoted(config, now) {
                self.claim(Role::Candidate, cx);
            }
            let give_up = self.since.plus(2 * (hardened.promise_ms + hardened.settle_ms));
            if now < give_up {
                self.decide_at(give_up);
                return;
            }
            cx.event(Event::ClaimGivenUp { because: GivenUpBecause::NoMajority });
            self.take_role(Role::Standby, now);
            // It may be the one whom no file reaches: the others are let pass first.
            self.not_before = now.plus(hardened.slot_ms + cx.rng().up_to(hardened.slot_ms));
            return;
        }
        let end = self.since.plus(hardened.wait_ms);
        if now < end {
            self.decide_at(end);
        } else if now > end.plus(hardened.look_ms) {
            // The others no longer count on it: it begins anew.
            self.take_role(Role::Candidate, now);
        } else {
            self.take_role(Role::Active, now);
            self.lease_until = Mono(0);
        }
    }

    /// Stands in the order of succession, or outside.
    fn take_turn(&mut self, config: &Config, cx: &mut Context<'_>) {
        let (now, hardened) = (cx.now().mono, &config.hardened);
        let Some(top) = self.top() else {
            // Nobody leads and nobody did.
            if now >= self.not_before {
                self.become_candidate(config, cx);
            } else {
                self.decide_at(self.not_before);
            }
            return;
        };
        let nobody: &[Arc<str>] = &[];
        let (suspect_ms, slot_ms, successors) = match top.lead {
            Some(lead) => (lead.suspect_ms, lead.slot_ms.max(1), &lead.successors[..]),
            None => (hardened.suspect_ms_max, hardened.slot_ms, nobody),
        };
        let lapsed = top.lead.is_some_and(|lead| lead.lapsed.is_some());
        let at_once = top.role == Role::Released && !lapsed;
        let start = if at_once { top.base } else { top.base.plus(suspect_ms) };
        let listed = successors.iter().position(|id| *id == self.said.id).filter(|_| top.witnessed);
        let count = u64::try_from(successors.len()).unwrap_or(u64::MAX);
        let claims = match listed.and_then(|rank| u64::try_from(rank).ok()) {
            // Votes decide: slots keep claims apart mostly, and a late one harms nobody.
            Some(rank) if hardened.policy == Policy::Majority => {
                (start.plus(rank.saturating_mul(slot_ms)).max(self.not_before), Role::Candidate)
            }
            Some(rank) => {
                let first = start.plus(rank.saturating_mul(slot_ms));
                // Its slots come again and again, one round of all successors and an empty slot apart.
                let round_ms = (count + 1).saturating_mul(slot_ms);
                let late_ms = now.since(first).saturating_sub(hardened.look_ms);
                let slot = first.plus(late_ms.div_ceil(round_ms).saturating_mul(round_ms));
                (slot, Role::Active)
            }
            // A candidate harms nobody at any time. The first successor is let pass, but for those who did not see
            // when its time began, after a leader that says that it has stopped.
            None => {
                let own = *top.id == self.said.id;
                let first = successors.first() == Some(&self.said.id);
                let stopped = top.role == Role::Released && !own && (lapsed || first);
                let from = if top.role == Role::Released { top.base } else { start };
                let passing_ms = match (stopped, own) {
                    (true, _) => 0,
                    // It has had its time: the others have to hear of that first, and may be about to claim.
                    (false, true) => count.min(1).saturating_mul(suspect_ms.saturating_add(slot_ms)),
                    (false, false) => count.min(1).saturating_mul(slot_ms),
                };
                (from.plus(passing_ms).max(self.not_before), Role::Candidate)
            }
        };
        let (leader, term) = (top.id.clone(), top.term);
        let silent_ms = i64::try_from(now.since(top.progress)).ok();
        if now >= start && self.suspected.as_ref() != Some(&(leader.clone(), term)) {
            self.suspected = Some((leader.clone(), term));
            cx.event(Event::Suspected { leader: Some(leader), silent_ms });
        }
        match claims {
            (at, _) if now < at => self.decide_at(at.min(if now < start { start } else { at })),
            (_, Role::Active) => self.claim(Role::Active, cx),
            _ => self.become_candidate(config, cx),
        }
    }

    fn become_candidate(&mut self, config: &Config, cx: &mut Context<'_>) {
        self.claim(Role::Candidate, cx);
        if config.hardened.policy == Policy::Available {
            self.decide_at(self.since.plus(config.hardened.wait_ms));
        }
    }

    /// Begins a term of its own.
    fn claim(&mut self, role: Role, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        self.said.term = self.term_max() + 1;
        self.lease_until = Mono(0);
        self.written.clear();
        self.said.accept = None;
        self.said.lead = None;
        self.take_role(role, now);
        cx.event(Event::ClaimStarted { jitter_ms: 0 });
    }
}
