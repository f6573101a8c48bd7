//! Succession: who claims when, by the order that the leader's file names.

use std::sync::Arc;

use super::constants::{Hardened, Policy};
use super::evidence::Evidence;
use super::own::Own;
use super::record::{Role, Said, Visit};
use super::{Context, Replica, votes};
use crate::Mono;
use crate::failover::{Config, Event, GivenUpBecause, StandbyBecause};

/// What a replica remembers of successions.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Succession {
    /// Not before this does it become a candidate.
    not_before: Mono,
    /// Whom it told to suspect, and in which term, so that it tells once.
    suspected: Option<(Arc<str>, u64)>,
}

/// This replica's turn to succeed a leader, as far as the evidence goes now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Turn {
    /// When the leader counts as gone.
    pub(super) start: Mono,
    /// When this replica may claim, if nothing changes until then.
    pub(super) at: Mono,
    /// As what: a successor in its slot becomes the leader, anybody else a candidate.
    pub(super) role: Role,
}

impl Succession {
    pub(super) fn new(not_before: Mono) -> Self {
        Self { not_before, suspected: None }
    }

    pub(super) fn not_before(&self) -> Mono {
        self.not_before
    }

    /// Lets the others pass until then.
    pub(super) fn wait_until(&mut self, at: Mono) {
        self.not_before = at;
    }

    /// Whether it is new that this leader is suspected in this term.
    pub(super) fn suspects(&mut self, leader: &Arc<str>, term: u64) -> bool {
        let suspect = Some((leader.clone(), term));
        let new = self.suspected != suspect;
        self.suspected = suspect;
        new
    }

    pub(super) fn visit(&mut self, visit: &mut dyn Visit) {
        let Self { not_before, suspected } = self;
        visit.deadline(not_before);
        if let Some((_, term)) = suspected {
            visit.term(term);
        }
    }
}

/// When this replica may claim: in its slot of the order of succession, or outside it as a candidate. `None` if
/// nobody leads and nobody did, so that there is nobody to succeed.
pub(super) fn turn(
    own: &Own,
    evidence: &Evidence,
    not_before: Mono,
    hardened: &Hardened,
    now: Mono,
) -> Option<Turn> {
    let top = evidence.top(own)?;
    let nobody: &[Arc<str>] = &[];
    let (suspect_ms, slot_ms, successors) = match top.lead {
        Some(lead) => (lead.suspect_ms, lead.slot_ms.max(1), &lead.successors[..]),
        None => (hardened.suspect_ms_max, hardened.slot_ms, nobody),
    };
    let lapsed = top.lead.is_some_and(|lead| lead.lapsed.is_some());
    let at_once = top.role == Role::Released && !lapsed;
    let start = if at_once { top.base } else { top.base.plus(suspect_ms) };
    let listed = successors.iter().position(|id| *id == own.said.id).filter(|_| top.witnessed);
    let count = u64::try_from(successors.len()).unwrap_or(u64::MAX);
    let (at, role) = match listed.and_then(|rank| u64::try_from(rank).ok()) {
        // Votes decide: slots keep claims apart mostly, and a late one harms nobody.
        Some(rank) if hardened.policy == Policy::Majority => {
            (start.plus(rank.saturating_mul(slot_ms)).max(not_before), Role::Candidate)
        }
        Some(rank) => {
            let first = start.plus(rank.saturating_mul(slot_ms));
            // Its slots come again and again, one round of all successors and an empty slot apart.
            let round_ms = (count + 1).saturating_mul(slot_ms);
            let late_ms = now.since(first).saturating_sub(hardened.look_ms);
            (first.plus(late_ms.div_ceil(round_ms).saturating_mul(round_ms)), Role::Active)
        }
        // A candidate harms nobody at any time. The first successor is let pass, but for those who did not see when
        // its time began, after a leader that says that it has stopped.
        None => {
            let itself = *top.id == own.said.id;
            let first = successors.first() == Some(&own.said.id);
            let stopped = top.role == Role::Released && !itself && (lapsed || first);
            let from = if top.role == Role::Released { top.base } else { start };
            let passing_ms = match (stopped, itself) {
                (true, _) => 0,
                // It has had its time: the others have to hear of that first, and may be about to claim.
                (false, true) => count.min(1).saturating_mul(suspect_ms.saturating_add(slot_ms)),
                (false, false) => count.min(1).saturating_mul(slot_ms),
            };
            (from.plus(passing_ms).max(not_before), Role::Candidate)
        }
    };
    Some(Turn { start, at, role })
}

/// Another candidate that may still come through.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Rival {
    pub(super) term: u64,
    pub(super) id: Arc<str>,
    /// Until when its silence leaves its candidacy standing.
    pub(super) until: Mono,
}

impl Rival {
    pub(super) fn rank(&self) -> (u64, &Arc<str>) {
        (self.term, &self.id)
    }
}

/// The highest candidate among the others; `None` if none may still come through.
pub(super) fn rival(evidence: &Evidence, hardened: &Hardened, now: Mono) -> Option<Rival> {
    let lasting_ms = hardened.candidacy_ms();
    let rivals = evidence.peers().filter(|(_, peer)| peer.said.role == Role::Candidate);
    rivals
        .map(|(id, peer)| Rival {
            term: peer.said.term,
            id: id.clone(),
            until: peer.progress.plus(lasting_ms),
        })
        .filter(|rival| now < rival.until)
        .max_by(|one, other| one.rank().cmp(&other.rank()))
}

/// Whether another that lives runs by other settings. Two that conclude different things from the same silence must not
/// take over beside each other: the one whose settings are those of the leader, or of who led last, may, and the other
/// waits for a person; without any leader both do. One that leads already goes on.
pub(super) fn is_at_odds(own: &Own, evidence: &Evidence, hardened: &Hardened, now: Mono) -> bool {
    let differs = |said: &Said| own.said.at_odds(said).is_some();
    evidence.live(hardened, now).any(|(_, peer)| differs(&peer.said))
        && evidence.top(own).is_none_or(|top| differs(top.said))
}

/// To whom this replica has to give way: another has the better claim. `None` if nobody has.
pub(super) fn better(own: &Own, evidence: &Evidence, hardened: &Hardened, now: Mono) -> Option<Arc<str>> {
    let rank = own.rank();
    let top = evidence.top_peer();
    match own.said.role {
        Role::Standby => None,
        Role::Active | Role::Released => top.filter(|top| top.rank() > rank).map(|top| top.id.clone()),
        Role::Candidate => {
            let led = top
                .filter(|top| top.term >= rank.0 || (top.role == Role::Active && top.progress > own.since));
            led.map(|top| top.id.clone()).or_else(|| {
                rival(evidence, hardened, now).filter(|rival| rival.rank() > rank).map(|rival| rival.id)
            })
        }
    }
}

impl Replica {
    /// Stops leading, or wanting to, where another has the better claim.
    pub(super) fn give_way(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        let Some(to) = better(&self.own, &self.evidence, &config.hardened, now) else { return };
        if self.own.said.role == Role::Candidate {
            cx.event(Event::ClaimLost { to: Some(to) });
        } else {
            self.stop(StandbyBecause::FoundAnotherNamed, cx);
        }
        self.take_role(Role::Standby, now);
    }

    /// Claims, or becomes a candidate, where that is due. The view was read in this step.
    pub(super) fn claim_if_due(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        match self.own.said.role {
            Role::Active => {}
            role if is_at_odds(&self.own, &self.evidence, &config.hardened, now) => {
                if role == Role::Candidate {
                    cx.event(Event::ClaimGivenUp { because: GivenUpBecause::OtherSettings });
                    self.take_role(Role::Standby, now);
                }
            }
            Role::Candidate => self.wait_for_objections(config, cx),
            _ if self.own.said.leaving || !self.may_lead(config) => {}
            Role::Standby | Role::Released => {
                let top = self.evidence.top(&self.own);
                let rival = rival(&self.evidence, &config.hardened, now);
                match rival.filter(|rival| top.is_none_or(|top| top.term < rival.term)) {
                    Some(rival) => self.decide_at(rival.until),
                    None => self.take_turn(config, cx),
                }
            }
        }
    }

    /// The candidate's wait is over, or was missed.
    fn wait_for_objections(&mut self, config: &Config, cx: &mut Context<'_>) {
        let (now, hardened) = (cx.now().mono, &config.hardened);
        if hardened.policy == Policy::Majority {
            return self.wait_for_votes(config, cx);
        }
        let end = self.own.since.plus(hardened.wait_ms);
        if now < end {
            self.decide_at(end);
        } else if now > end.plus(hardened.look_ms) {
            // The others no longer count on it: it begins anew.
            self.take_role(Role::Candidate, now);
        } else {
            self.take_role(Role::Active, now);
            self.lease.end();
        }
    }

    fn wait_for_votes(&mut self, config: &Config, cx: &mut Context<'_>) {
        let (now, hardened) = (cx.now().mono, &config.hardened);
        // Several came forward at once, and the votes were spread before all but the highest gave way: those who voted
        // are free for it in the next term, not in this one.
        if votes::is_outvoted(&self.own, &self.evidence, hardened, now) {
            self.claim(Role::Candidate, cx);
        }
        let give_up = self.own.since.plus(2 * (hardened.promise_ms + hardened.propagation_ms));
        if now < give_up {
            self.decide_at(give_up);
            return;
        }
        cx.event(Event::ClaimGivenUp { because: GivenUpBecause::NoMajority });
        self.take_role(Role::Standby, now);
        // It may be the one whom no file reaches: the others are let pass first.
        self.succession.wait_until(now.plus(hardened.slot_ms + cx.rng().up_to(hardened.slot_ms)));
    }

    /// Stands in the order of succession, or outside.
    fn take_turn(&mut self, config: &Config, cx: &mut Context<'_>) {
        let (now, not_before) = (cx.now().mono, self.succession.not_before());
        let turn = turn(&self.own, &self.evidence, not_before, &config.hardened, now);
        let (Some(turn), Some(top)) = (turn, self.evidence.top(&self.own)) else {
            if now >= not_before {
                self.become_candidate(config, cx);
            } else {
                self.decide_at(not_before);
            }
            return;
        };
        if now >= turn.start && self.succession.suspects(top.id, top.term) {
            let silent_ms = i64::try_from(now.since(top.progress)).ok();
            cx.event(Event::Suspected { leader: Some(top.id.clone()), silent_ms });
        }
        if now < turn.at {
            self.decide_at(if now < turn.start { turn.at.min(turn.start) } else { turn.at });
        } else if turn.role == Role::Active {
            self.claim(Role::Active, cx);
        } else {
            self.become_candidate(config, cx);
        }
    }

    fn become_candidate(&mut self, config: &Config, cx: &mut Context<'_>) {
        self.claim(Role::Candidate, cx);
        if config.hardened.policy == Policy::Available {
            self.decide_at(self.own.since.plus(config.hardened.wait_ms));
        }
    }

    /// Begins a term of its own.
    fn claim(&mut self, role: Role, cx: &mut Context<'_>) {
        let Said { id, life, beat, voters, .. } = &self.own.said;
        let term = votes::next_term(&self.own.said, &self.evidence, id, *life);
        self.lease.begin_term(*beat, voters.is_some());
        self.own.begin_term(term, role, cx.now().mono);
        self.outbox.announce();
        cx.event(Event::TermClaimed { term });
    }
}
