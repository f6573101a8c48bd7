//! What a leader does for the others besides the work: it names its successors, and hands over on a person's word.

use std::sync::Arc;

use super::evidence::Evidence;
use super::own::Own;
use super::record::{Accept, Lead, Nomination, Role};
use super::{Context, Replica};
use crate::Mono;
use crate::failover::{Config, Event, RefusedBecause, StandbyBecause};

/// The higher of two wishes.
fn higher<'a>(one: Option<&'a Nomination>, other: Option<&'a Nomination>) -> Option<&'a Nomination> {
    one.into_iter().chain(other).max_by_key(|wish| (wish.number, wish.target.clone()))
}

/// The highest wish that nobody is done with; `None` if there is none.
fn open_wish(own: &Own, evidence: &Evidence) -> Option<Nomination> {
    let wishes = evidence.said().map(|said| said.nominate.as_ref());
    let highest = wishes.fold(own.said.nominate.as_ref(), higher);
    highest.filter(|wish| wish.number > own.said.obeyed).cloned()
}

/// Whether the offer that this leader makes has been taken.
fn is_offer_taken(own: &Own, evidence: &Evidence) -> bool {
    let taken = |offer: &Nomination| {
        let accept = Some(Accept { number: offer.number, term: own.said.term });
        evidence.get(&offer.target).is_some_and(|peer| peer.said.accept == accept)
    };
    own.said.offer.as_ref().is_some_and(taken)
}

impl Replica {
    /// What a leader does besides the work: it says who succeeds it and when, and hands over.
    pub(super) fn lead(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        self.answer_offer();
        self.drop_nomination();
        if !matches!(self.own.said.role, Role::Active | Role::Candidate) {
            return;
        }
        // It changes with beats only, so that what is here is what the others have, or will have.
        if self.own.said.lead.is_none() || self.outbox.is_beat_due(now) {
            self.own.said.lead = Some(self.order(config, now));
        }
        if self.own.said.role == Role::Active && self.acting {
            self.hand_over(config, cx);
        }
    }

    /// The order of succession: all that live and may lead, by id; and a patience that suits all of them.
    fn order(&self, config: &Config, now: Mono) -> Lead {
        let hardened = &config.hardened;
        let live = || self.evidence.live(hardened, now);
        let asked = live().map(|(_, peer)| peer.said.wants_ms).max().unwrap_or(0);
        let may_lead = live().filter(|(id, peer)| self.may_other_lead(id, peer, config));
        let lease_ms =
            Some(self.lease.asks_ms(hardened, now)).filter(|lease_ms| *lease_ms < hardened.lease_ms);
        Lead {
            suspect_ms: asked.clamp(hardened.suspect_ms_min, hardened.suspect_ms_max),
            slot_ms: hardened.slot_ms,
            successors: may_lead.map(|(id, _)| id.clone()).collect(),
            lapsed: None,
            lease_ms,
        }
    }

    /// Takes the offer of the leader, if it is made to this replica.
    fn answer_offer(&mut self) {
        let said = &self.own.said;
        let top = self.evidence.top_peer().filter(|top| top.role == Role::Active);
        let accept = top.and_then(|top| {
            let offer = self.evidence.get(top.id)?.said.offer.as_ref()?;
            (offer.target == said.id).then_some(Accept { number: offer.number, term: top.term })
        });
        if accept.is_some() && said.accept != accept && !said.leaving {
            self.own.said.accept = accept;
            self.outbox.urge();
        }
    }

    /// A nomination that was obeyed is not repeated.
    fn drop_nomination(&mut self) {
        let obeyed = self.evidence.obeyed(&self.own.said);
        let said = &mut self.own.said;
        if said.nominate.as_ref().is_some_and(|wish| wish.number <= obeyed) {
            said.nominate = None;
        }
        said.obeyed = obeyed;
    }

    /// Two phases: an offer that must be taken, then the release. Until then it goes on.
    fn hand_over(&mut self, config: &Config, cx: &mut Context<'_>) {
        let (now, hardened) = (cx.now().mono, &config.hardened);
        let Some(wish) = open_wish(&self.own, &self.evidence) else {
            self.own.said.offer = None;
            return;
        };
        if wish.target == self.own.said.id {
            return self.obey(wish.number);
        }
        let target = self.evidence.get(&wish.target).filter(|peer| peer.may_live(hardened, now));
        let Some(peer) = target.filter(|peer| self.may_other_lead(&wish.target, peer, config)) else {
            return self.refuse_wish(&wish, cx);
        };
        let name = peer.name.clone();
        if self.own.said.offer.as_ref() != Some(&wish) {
            self.own.said.offer = Some(wish);
            self.requests.offer_made(now);
            self.outbox.urge();
            return;
        }
        let due = self.requests.offered().plus(2 * hardened.wait_ms);
        if now >= due {
            return self.refuse_wish(&wish, cx);
        }
        self.decide_at(due);
        // What was written last is left alone until it has arrived.
        let write_at = self.outbox.write_at();
        if !self.is_handing_over() || self.work.is_busy() || now < write_at {
            self.decide_at(write_at.max(due.min(now.plus(hardened.look_ms))));
            return;
        }
        if !self.can_release(config, now) {
            // A beat first: else somebody may lose patience with it and follow the order of the last one.
            self.outbox.urge();
            return;
        }
        let mut lead = self.order(config, now);
        let others = lead.successors.iter().filter(|id| **id != wish.target).cloned();
        lead.successors = std::iter::once(wish.target.clone()).chain(others).collect::<Arc<[_]>>();
        self.release(StandbyBecause::HandedOver, config, cx);
        self.own.said.lead = Some(lead);
        self.vote_for_successor(&wish.target, config, now);
        self.obey(wish.number);
        cx.event(Event::ActivationWritten { target: name });
    }

    /// Whether a hand-over waits only for the update that is being handled.
    pub(in crate::failover) fn is_handing_over(&self) -> bool {
        is_offer_taken(&self.own, &self.evidence)
    }

    fn obey(&mut self, number: u64) {
        self.own.said.obeyed = number;
        self.own.said.offer = None;
        self.outbox.urge();
    }

    fn refuse_wish(&mut self, wish: &Nomination, cx: &mut Context<'_>) {
        let because = match self.evidence.get(&wish.target) {
            Some(peer) if self.own.said.at_odds(&peer.said).is_some() => RefusedBecause::OtherSettings,
            Some(_) => RefusedBecause::Stale,
            None => RefusedBecause::Unknown,
        };
        cx.event(Event::ActivationRefused { target: wish.target.clone(), because });
        self.obey(wish.number);
    }

    /// Writes a wish down; the leader sees to it.
    pub(super) fn nominate(&mut self, target: &Arc<str>) {
        let obeyed = self.evidence.obeyed(&self.own.said);
        let wishes = self.evidence.said().filter_map(|said| said.nominate.as_ref());
        let highest = wishes.chain(&self.own.said.nominate).map(|wish| wish.number).max();
        let number = highest.unwrap_or(0).max(obeyed) + 1;
        self.own.said.nominate = Some(Nomination { target: target.clone(), number });
        self.outbox.urge();
    }
}
