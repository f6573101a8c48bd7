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
    /// The newest beats, and when each was decided.
    written: VecDeque<(u64, Mono)>,
}

impl Lease {
    pub(super) fn none() -> Self {
        Self { until: Mono(0), before: Mono(0), doubtful: None, written: VecDeque::new() }
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

    /// Makes ready for a claim: only beats of the new term count.
    pub(super) fn begin_term(&mut self) {
        self.until = Mono(0);
        self.written.clear();
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
        self.written.retain_mut(|(_, at)| {
            let before = at.0.checked_sub(slept_ms).map(Mono);
            *at = before.unwrap_or(*at);
            before.is_some()
        });
    }

    /// Remembers when a beat was decided.
    pub(super) fn remember(&mut self, beat: u64, at: Mono) {
        if self.written.len() == WRITTEN_MAX {
            self.written.pop_front();
        }
        self.written.push_back((beat, at));
    }

    /// When the newest beat was decided; `None` before the first of the term.
    pub(super) fn newest_beat_at(&self) -> Option<Mono> {
        self.written.back().map(|(_, at)| *at)
    }

    /// When this beat was decided; `None` if that is too long ago, or in another term.
    pub(super) fn beat_at(&self, beat: u64) -> Option<Mono> {
        self.written.iter().find(|(number, _)| *number == beat).map(|(_, at)| *at)
    }

    /// The times between the newest beats, one that is decided `now` included, newest first, in ms.
    pub(super) fn paces(&self, now: Mono) -> Vec<u64> {
        let mut after = now;
        let pace = |(_, at): &(u64, Mono)| {
            let before = std::mem::replace(&mut after, *at);
            before.since(*at)
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

    /// A majority acknowledged a beat that was decided at `since`. Says whether that prolongs the lease.
    pub(super) fn acknowledged(&mut self, since: Mono, hardened: &Hardened, now: Mono) -> bool {
        let until = since.plus(hardened.lease_ms);
        let prolongs = until > now && until > self.until;
        if prolongs {
            self.until = until;
        }
        prolongs
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
    pub(super) fn forget_spent(&mut self, role: Role, acting: bool) {
        if !matches!(role, Role::Active | Role::Candidate) {
            // A claim begins with none.
            self.written.clear();
        }
        if role != Role::Active && !acting {
            (self.until, self.before) = (Mono(0), Mono(0));
        }
    }

    pub(super) fn visit(&mut self, id: &Arc<str>, life: Life, visit: &mut dyn Visit) {
        let Self { until, before, doubtful, written } = self;
        visit.instant(until);
        visit.instant(before);
        if let Some(beat) = doubtful {
            visit.beat(id, life, beat);
        }
        for (beat, at) in written {
            visit.beat(id, life, beat);
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
        lease.remember(1, Mono(100_000));
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
            lease.remember(beat, Mono(at));
            lease.beaten(Mono(at), true, hardened.suspect_ms_min, &hardened, Mono(at));
        }
        let second = lease.until();
        lease.doubt_last_beat(2, 20_000, &hardened, Mono(112_000));
        assert_eq!(lease.until(), Mono(second.0 - 11_000));
        assert!(lease.is_doubtful(2) && !lease.is_doubtful(1));
    }

    #[test]
    fn what_the_clock_did_not_count_is_taken_back() {
        let hardened = Hardened::over(15_000, Policy::Majority);
        let mut lease = Lease::none();
        lease.remember(1, Mono(100_000));
        assert!(lease.acknowledged(Mono(100_000), &hardened, Mono(101_000)));
        assert!(!lease.acknowledged(Mono(100_000), &hardened, Mono(101_000)), "nothing new");
        let until = lease.until();
        lease.slept(30_000);
        assert_eq!((lease.until(), lease.beat_at(1)), (Mono(until.0 - 30_000), Some(Mono(70_000))));
    }

    #[test]
    fn a_beat_from_before_the_clock_began_is_forgotten() {
        let hardened = Hardened::over(15_000, Policy::Majority);
        let mut lease = Lease::none();
        lease.remember(1, Mono(40_000));
        lease.remember(2, Mono(46_000));
        assert!(lease.acknowledged(Mono(40_000), &hardened, Mono(47_000)));
        // It slept for longer than the machine had run.
        lease.slept(80_000);
        assert_eq!((lease.beat_at(1), lease.beat_at(2), lease.newest_beat_at()), (None, None, None));
        assert!(lease.until() < Mono(47_000) && !lease.is_unbegun(), "it is over, and it was one");
    }
}
