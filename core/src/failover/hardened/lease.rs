//! The lease: until when this replica may act as the leader of its term, and the beats that it counts from.

use std::collections::VecDeque;
use std::sync::Arc;

use super::constants::{Hardened, Policy};
use super::record::{Lapsed, Life, PACES_MAX, Role, Visit};
use super::{Context, Replica};
use crate::Mono;
use crate::failover::{Config, StandbyBecause};

/// How many beats are remembered for acknowledgements that come late. A lease is shorter than these.
const WRITTEN_MAX: usize = 16;

/// After how many renewals a leader that goes by votes knows how long a lease has to be; before, it asks for the longest.
const RENEWALS_MIN: u8 = 12;

/// A beat of this replica's.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Written {
    beat: u64,
    /// When it was decided.
    at: Mono,
    /// How long it lets this replica act where a majority acknowledges it, in ms.
    lease_ms: u64,
}

/// A lease.
///
/// *Invariants:* it never reaches beyond what the others' patience ([`Policy::Available`]) or a majority's promises
/// ([`Policy::Majority`]) leave, counted from the decision to write a beat and not from its arrival; and a beat moves
/// its end only later, never sooner. What ends it early is a gap ([`Lease::slept`], [`Lease::doubt_last_beat`]) or the
/// replica itself ([`Lease::end`]).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Lease {
    /// Its end; 0 while no beat of this claim is on the disk, and where there is none.
    until: Mono,
    /// Where it ended before the last beat. That one counts only if it left this machine in time.
    before: Mono,
    /// A beat that may have left this machine late.
    doubtful: Option<u64>,
    /// The newest beats.
    written: VecDeque<Written>,
    /// The last beat before this claim. Of a vote that names one no later the lease is longer: the claim has to reach
    /// the voters.
    claimed_after: u64,
    /// When the newest beat was decided that a majority acknowledged; `None` before the first of the term, and where
    /// the length of leases is fixed.
    acknowledged_at: Option<Mono>,
    /// How often a newer one took its place in this term, at the most [`RENEWALS_MIN`] times.
    renewals: u8,
    /// How long a lease has to be by that, in ms: half as much again and a look more than the age that such a beat
    /// reached, of which what exceeds the shortest lease is forgotten by a sixty-fourth with every renewal. With less
    /// room a leader pauses more often than one with a fixed lease does.
    needs_ms: u64,
}

/// What the support of a majority is worth.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Lent {
    /// Until when it lets this replica act.
    pub(super) until: Mono,
    /// When the beat was decided that it is for.
    pub(super) at: Mono,
}

impl Lease {
    pub(super) fn none() -> Self {
        Self {
            until: Mono(0),
            before: Mono(0),
            doubtful: None,
            written: VecDeque::new(),
            claimed_after: 0,
            acknowledged_at: None,
            renewals: 0,
            needs_ms: 0,
        }
    }

    /// Its end.
    pub(super) fn until(&self) -> Mono {
        self.until
    }

    /// Whether no beat has begun it.
    pub(super) fn is_unbegun(&self) -> bool {
        self.until == Mono(0)
    }

    /// Ends it.
    pub(super) fn end(&mut self) {
        self.until = Mono(0);
    }

    /// Remembers when one that was not prolonged ended.
    pub(super) fn ended_at(&mut self, at: Mono) {
        self.until = at;
    }

    /// Makes ready for a claim after this beat. Where votes decide, one may name a beat from before it; else only beats
    /// of the new term count.
    pub(super) fn begin_term(&mut self, last_beat: u64, votes: bool) {
        self.until = Mono(0);
        self.claimed_after = last_beat;
        (self.acknowledged_at, self.renewals, self.needs_ms) = (None, 0, 0);
        if !votes {
            self.written.clear();
        }
    }

    /// The last beat before this claim.
    pub(super) fn claimed_after(&self) -> u64 {
        self.claimed_after
    }

    /// Forgets the beats that were decided before this.
    pub(super) fn forget_before(&mut self, at: Mono) {
        self.written.retain(|written| written.at >= at);
    }

    /// How long a beat that is decided now may let its sender act where a majority acknowledges it, in ms: as long as
    /// leases have had to be lately, but never so that its lease would end before that of an earlier beat.
    pub(super) fn asks_ms(&self, hardened: &Hardened, now: Mono) -> u64 {
        if self.renewals < RENEWALS_MIN {
            return hardened.lease_ms;
        }
        let offered = self.written.iter().filter(|written| written.beat > self.claimed_after);
        let last_end = offered.map(|written| written.at.plus(written.lease_ms)).max();
        let least_ms = hardened.lease_ms_min().max(last_end.map_or(0, |end| end.since(now)));
        self.needs_ms.max(least_ms).min(hardened.lease_ms)
    }

    /// Beats of another identity count for nothing.
    pub(super) fn forget_beats(&mut self) {
        self.written.clear();
    }

    /// Takes back the time that the clock did not count, in ms. A beat that was decided before the clock began is
    /// forgotten: nothing on that clock says how long ago it was.
    pub(super) fn slept(&mut self, slept_ms: u64) {
        if !self.is_unbegun() {
            self.until = Mono(self.until.0.saturating_sub(slept_ms).max(1));
        }
        self.written.retain_mut(|Written { at, .. }| {
            let before = at.0.checked_sub(slept_ms).map(Mono);
            *at = before.unwrap_or(*at);
            before.is_some()
        });
        self.acknowledged_at = self.acknowledged_at.and_then(|at| at.0.checked_sub(slept_ms).map(Mono));
    }

    /// Remembers when a beat was decided, and how long it lets this replica act where a majority acknowledges it.
    pub(super) fn remember(&mut self, beat: u64, at: Mono, lease_ms: u64) {
        if self.written.len() == WRITTEN_MAX {
            self.written.pop_front();
        }
        self.written.push_back(Written { beat, at, lease_ms });
    }

    /// When the newest beat was decided; `None` before the first.
    pub(super) fn newest_beat_at(&self) -> Option<Mono> {
        self.written.back().map(|written| written.at)
    }

    /// What the support of a majority of voters for this beat is worth; `None` if the beat is too old.
    pub(super) fn lent(&self, beat: u64, hardened: &Hardened) -> Option<Lent> {
        let Written { at, lease_ms, .. } = *self.written.iter().find(|written| written.beat == beat)?;
        let lease_ms = if beat > self.claimed_after { lease_ms } else { hardened.early_lease_ms() };
        Some(Lent { until: at.plus(lease_ms), at })
    }

    /// The times between the newest beats, one that is decided `now` included, newest first, in ms.
    pub(super) fn paces(&self, now: Mono) -> Vec<u64> {
        let mut after = now;
        let pace = |written: &Written| {
            let before = std::mem::replace(&mut after, written.at);
            before.since(written.at)
        };
        self.written.iter().rev().take(PACES_MAX).map(pace).collect()
    }

    /// A beat decided at `at` is on the own disk. Under `available` that is what a leader may act by, for a time that
    /// counts from the decision: the others may have read it since, and lose patience `suspect_ms` after they did.
    /// `newest` says whether no later one was decided.
    pub(super) fn beaten(&mut self, at: Mono, newest: bool, suspect_ms: u64, hardened: &Hardened, now: Mono) {
        let in_time = self.is_unbegun() || now.plus(hardened.propagation_ms) <= self.until;
        if newest && in_time {
            self.before = self.until;
            self.until = self.until.max(at.plus(hardened.lease_under(suspect_ms)));
        }
    }

    /// A majority supports it. Says whether that prolongs the lease.
    pub(super) fn acknowledged(&mut self, lent: Lent, hardened: &Hardened, now: Mono) -> bool {
        let prolongs = lent.until > now && lent.until > self.until;
        if prolongs {
            self.until = lent.until;
        }
        if hardened.lease_ms_min() < hardened.lease_ms
            && self.acknowledged_at.is_none_or(|at| at < lent.at)
            && let Some(before) = self.acknowledged_at.replace(lent.at)
        {
            self.renewed(now.since(before), hardened);
        }
        prolongs
    }

    /// A beat by which it acted had become so old, in ms, when a newer one took its place.
    fn renewed(&mut self, age_ms: u64, hardened: &Hardened) {
        let beyond_ms = self.needs_ms.saturating_sub(hardened.lease_ms_min());
        let fading_ms = self.needs_ms - beyond_ms.div_ceil(64);
        let needs_ms = age_ms.saturating_add(age_ms / 2).saturating_add(hardened.look_ms);
        self.needs_ms = fading_ms.max(needs_ms).min(hardened.lease_ms);
        self.renewals = self.renewals.saturating_add(1).min(RENEWALS_MIN);
    }

    /// A beat that was on its way out when the leader stalled or slept may have stayed: what it added is void, unless
    /// it was early enough for that not to matter. Acknowledgements tell by themselves what arrived.
    pub(super) fn doubt_last_beat(&mut self, beat: u64, late_ms: u64, hardened: &Hardened, now: Mono) {
        if hardened.policy == Policy::Majority || self.is_unbegun() {
            return;
        }
        let Some(at) = self.newest_beat_at() else { return };
        let way_ms = hardened.propagation_ms + late_ms;
        if now.since(at) < way_ms && at.plus(way_ms) > self.before {
            self.until = self.before.max(Mono(1));
            // Who got it late counts from then; nobody is to go on counting from it.
            self.doubtful = Some(beat);
        }
    }

    /// Whether this beat may have left late.
    pub(super) fn is_doubtful(&self, beat: u64) -> bool {
        self.doubtful == Some(beat)
    }

    /// Whether a beat that is decided now would be with everybody only after somebody can have lost patience. Votes
    /// do not depend on patience.
    pub(super) fn is_past_prolonging(&self, hardened: &Hardened, now: Mono) -> bool {
        hardened.policy == Policy::Available && now.plus(hardened.propagation_ms) > self.until
    }

    /// Whether a release that can be written at `write_at` is with everybody before anybody can have lost patience.
    pub(super) fn covers_release(&self, write_at: Mono, hardened: &Hardened) -> bool {
        match hardened.policy {
            // One that is about to claim reads once more, so it is enough that the release is there.
            Policy::Available => write_at.plus(hardened.arrival_ms()) <= self.until,
            Policy::Majority => true,
        }
    }

    /// Forgets what no later step reads of a replica in this role.
    pub(super) fn forget_spent(&mut self, role: Role, acting: bool, votes: bool) {
        if !matches!(role, Role::Active | Role::Candidate) {
            self.claimed_after = 0;
            (self.acknowledged_at, self.renewals, self.needs_ms) = (None, 0, 0);
            if !votes {
                // A claim begins with none.
                self.written.clear();
            }
        }
        if role != Role::Active && !acting {
            (self.until, self.before) = (Mono(0), Mono(0));
        }
    }

    pub(super) fn visit(&mut self, id: &Arc<str>, life: Life, visit: &mut dyn Visit) {
        let Self {
            until,
            before,
            doubtful,
            written,
            claimed_after,
            acknowledged_at,
            renewals: _,
            needs_ms: _,
        } = self;
        visit.beat(id, life, claimed_after);
        visit.instant(until);
        visit.instant(before);
        if let Some(beat) = doubtful {
            visit.beat(id, life, beat);
        }
        for Written { beat, at, lease_ms: _ } in written {
            visit.beat(id, life, beat);
            visit.instant(at);
        }
        if let Some(at) = acknowledged_at {
            visit.instant(at);
        }
    }
}

impl Replica {
    /// A leader whose lease is over has no longer the right to say that it leads.
    pub(super) fn lapse(&mut self, config: &Config, cx: &mut Context<'_>) {
        let (now, hardened) = (cx.now().mono, &config.hardened);
        if self.own.said.role != Role::Active {
            return;
        }
        if self.is_active(cx.now()) {
            // The next in the order is asked to take over, while nobody else may act.
            if self.lease.is_past_prolonging(hardened, now) {
                self.release(StandbyBecause::LeaseOver, config, cx);
            }
            return;
        }
        if hardened.policy == Policy::Available && self.lease.is_unbegun() {
            // A claim that is not written yet. Too late, it would meet the next one in the order.
            let end = self.own.since.plus(hardened.look_ms);
            if now <= end {
                self.decide_at(end.plus(1));
            } else {
                self.take_role(Role::Candidate, now);
            }
            return;
        }
        // Votes may come back: that lease does not depend on what the others think of the silence.
        let patience_ms = hardened.votes_return_ms();
        let over = self.lease.until().max(self.own.since).plus(patience_ms);
        if now < over {
            self.stop(StandbyBecause::LeaseOver, cx);
            self.decide_at(over);
            // The time counts from the moment at which it ended.
            self.lease.ended_at(Mono(over.0.saturating_sub(patience_ms)));
            return;
        }
        self.release(StandbyBecause::LeaseOver, config, cx);
    }

    /// Whether a release is with everybody before anybody can have lost patience.
    pub(super) fn can_release(&self, config: &Config, now: Mono) -> bool {
        self.lease.covers_release(self.outbox.write_at().max(now), &config.hardened)
    }

    /// Stops leading and asks to be succeeded, in the order that all have seen: at once, or, where somebody may be
    /// about to, as if it were silent.
    pub(super) fn release(&mut self, because: StandbyBecause, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        let in_time = self.can_release(config, now);
        let (life, last) = (self.own.said.life, self.own.said.beat);
        self.stop(because, cx);
        self.take_role(Role::Released, now);
        let doubtful = self.lease.is_doubtful(last);
        if let Some(lead) = self.own.said.lead.as_mut().filter(|_| !in_time || doubtful) {
            // No beat has the number 0, so nobody has witnessed it.
            lead.lapsed = Some(Lapsed { life, beat: if doubtful { 0 } else { last } });
        }
    }

    /// Its own file, with a beat decided at `at`, is on its disk.
    pub(super) fn beaten(&mut self, at: Mono, beat: u64, config: &Config, cx: &mut Context<'_>) {
        let (now, hardened) = (cx.now().mono, &config.hardened);
        let leads = self.own.said.role == Role::Active && at >= self.own.since;
        if hardened.policy != Policy::Available || !leads {
            return;
        }
        if self.lease.is_unbegun() && now > self.own.since.plus(hardened.look_ms) {
            // Too late for its place in the order.
            self.take_role(Role::Candidate, now);
            return;
        }
        let suspect_ms = self.own.said.lead.as_ref().map_or(0, |lead| lead.suspect_ms);
        self.lease.beaten(at, beat == self.own.said.beat, suspect_ms, hardened, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_counts_from_the_decision_and_only_grows() {
        let hardened = Hardened::over(15_000, Policy::Available);
        let patience_ms = hardened.suspect_ms_min;
        let mut lease = Lease::none();
        lease.remember(1, Mono(100_000), hardened.lease_ms);
        lease.beaten(Mono(100_000), true, patience_ms, &hardened, Mono(100_400));
        let first = lease.until();
        assert_eq!(first, Mono(100_000 + hardened.lease_under(patience_ms)));
        // Too late to be with everybody in time: it prolongs nothing.
        let late = Mono(first.0 - 1_000);
        lease.beaten(late, true, patience_ms, &hardened, late);
        assert_eq!(lease.until(), first);
        assert!(lease.is_past_prolonging(&hardened, late) && !lease.covers_release(late, &hardened));
        // Nor does one that was overtaken.
        lease.beaten(Mono(101_000), false, patience_ms, &hardened, Mono(101_000));
        assert_eq!(lease.until(), first);
    }

    #[test]
    fn a_beat_that_may_have_stayed_counts_for_nothing() {
        let hardened = Hardened::over(15_000, Policy::Available);
        let mut lease = Lease::none();
        for (beat, at) in [(1, 100_000), (2, 111_000)] {
            lease.remember(beat, Mono(at), hardened.lease_ms);
            lease.beaten(Mono(at), true, hardened.suspect_ms_min, &hardened, Mono(at));
        }
        let second = lease.until();
        lease.doubt_last_beat(2, 20_000, &hardened, Mono(112_000));
        assert_eq!(lease.until(), Mono(second.0 - 11_000));
        assert!(lease.is_doubtful(2) && !lease.is_doubtful(1));
    }

    #[test]
    fn a_beat_from_before_a_claim_lends_a_longer_lease() {
        let hardened = Hardened::over(15_000, Policy::Majority);
        let mut lease = Lease::none();
        lease.remember(7, Mono(100_000), hardened.lease_ms);
        lease.begin_term(7, true);
        lease.remember(8, Mono(110_000), hardened.lease_ms);
        let lent = |beat| lease.lent(beat, &hardened).map(|lent| lent.until);
        assert_eq!(lent(7), Some(Mono(100_000 + hardened.early_lease_ms())));
        assert_eq!((lent(8), lent(6)), (Some(Mono(110_000 + hardened.lease_ms)), None));
        lease.begin_term(8, false);
        assert_eq!(lease.lent(7, &hardened), None, "without votes a claim begins with none");
    }

    #[test]
    fn what_the_clock_did_not_count_is_taken_back() {
        let hardened = Hardened::over(15_000, Policy::Majority);
        let mut lease = Lease::none();
        lease.remember(1, Mono(100_000), hardened.lease_ms);
        let lent = lease.lent(1, &hardened).unwrap();
        assert_eq!(lent.until, Mono(100_000 + hardened.lease_ms));
        assert!(lease.acknowledged(lent, &hardened, Mono(101_000)));
        assert!(!lease.acknowledged(lent, &hardened, Mono(101_000)), "nothing new");
        let until = lease.until();
        lease.slept(30_000);
        assert_eq!(
            (lease.until(), lease.lent(1, &hardened).unwrap().at),
            (Mono(until.0 - 30_000), Mono(70_000))
        );
    }

    #[test]
    fn a_beat_from_before_the_clock_began_is_forgotten() {
        let hardened = Hardened::over(15_000, Policy::Majority);
        let mut lease = Lease::none();
        lease.remember(1, Mono(40_000), hardened.lease_ms);
        lease.remember(2, Mono(46_000), hardened.lease_ms);
        assert!(lease.acknowledged(lease.lent(1, &hardened).unwrap(), &hardened, Mono(47_000)));
        // It slept for longer than the machine had run.
        lease.slept(80_000);
        assert_eq!(
            (lease.lent(1, &hardened), lease.lent(2, &hardened), lease.newest_beat_at()),
            (None, None, None)
        );
        assert!(lease.until() < Mono(47_000) && !lease.is_unbegun(), "it is over, and it was one");
    }

    #[test]
    fn a_leader_that_is_answered_soon_asks_for_shorter_leases_and_none_ends_before_another() {
        let hardened = Hardened::over(15_000, Policy::Majority);
        let mut lease = Lease::none();
        let (mut end, mut shortest) = (Mono(0), u64::MAX);
        for beat in 1..=40_u64 {
            let at = Mono(100_000 + 27_500 * beat);
            let lease_ms = lease.asks_ms(&hardened, at);
            assert!(at.plus(lease_ms) >= end, "beat {beat}");
            end = at.plus(lease_ms);
            shortest = shortest.min(lease_ms);
            lease.remember(beat, at, lease_ms);
            // Each is answered within 8 s, but for one in the middle.
            let late = beat == 30;
            let lent = lease.lent(beat, &hardened).unwrap();
            lease.acknowledged(lent, &hardened, at.plus(if late { 25_000 } else { 8_000 }));
            if beat == 31 {
                assert!(lease.asks_ms(&hardened, at.plus(27_500)) > 53_000, "it learns");
            }
        }
        assert_eq!(shortest, hardened.lease_ms_min().max(35_500 + 35_500 / 2 + hardened.look_ms));
        assert!(shortest < hardened.lease_ms);
    }
}
