//! The hardened design: every file has one writer, clocks of others decide nothing, and a claim is never believed
//! because the own disk shows it.
//!
//! # The essence
//! 1. Each replica rewrites one file of its own ([`record`]): its life, the number of this beat, its role and term.
//! 2. A peer lives while its `(life, beat)` moves on, on *this* replica's monotonic clock (`evidence`).
//! 3. The leader's file names its successors and a patience; successor j claims in slot j, and slots are wider than two
//!    propagation bounds (`succession`).
//! 4. Under the policy `available` the leader acts until just before that patience runs out, counted from when it
//!    *decided* its last beat (`lease`).
//! 5. Under `majority` it acts while most voters acknowledged a beat that is younger than the lease, and a voter's
//!    promise outlasts that lease (`votes`, `promise`). A voter that loses patience votes for a successor before its
//!    promise is over, and says after which beat: the successor waits until the lease of that beat is over.
//! 6. One that slept, stalled, was copied or was cut off stops, releases its place, and gathers evidence anew (`view`).
//!
//! Why no two act, and under which assumptions: `docs/failover.md`.
//!
//! # The parts
//! A `Replica` is these values, each with an invariant of its own, and the order in which a step asks them
//! (`Replica::turn`):
//! - `own`: what its file says, or will say; `evidence` (`peer`, `clock`): what the others said, and when,
//! - `succession`: when it may claim; `lease`: until when it may act,
//! - `votes`: whom it supports, and who supports it; `promise`: what it promised as a voter,
//! - `outbox` (`places`): what it writes, where and when; `troubles`: what is wrong with files,
//! - `requests`: what people asked; `handover`: what a leader does about it; `work`: the updates,
//! - `view` (`looked`): how files become evidence; `installation`: who it is and which life this is; `waiting`: until
//!   that can be read,
//! - [`record`]: the file; [`constants`] (`cadence`): the durations, and why they hold together,
//! - `canonical`: what only a model checker needs.
//!
//! # The rest
//! Two things make silence tell sooner. Every beat says how long after the ones before it was written, so an observer
//! that got one of them quickly knows when the others were written although they took longer: patience counts from
//! there. And what decides is written in several files by turns (`places`), so that a client which holds one file
//! up does not silence a leader. (That freshness points should follow from sending times, not from arrivals: Chen,
//! Toueg and Aguilera, On the Quality of Service of Failure Detectors, IEEE Trans. Computers 51(5), 2002.)
//! `state.json` is written for other programs and never read.

mod cadence;
mod canonical;
mod clock;
pub mod constants;
mod evidence;
mod handover;
mod installation;
mod lease;
mod looked;
mod outbox;
mod own;
mod peer;
pub(super) mod places;
mod promise;
pub mod record;
mod requests;
mod succession;
mod troubles;
mod view;
mod votes;
mod waiting;
mod work;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::canonical::Canonical;
pub use self::installation::kept_place;
pub use self::record::{BEATS_APART_MAX, Visit};
pub(super) use self::waiting::Waiting;

use self::constants::Fallback;
use self::evidence::Evidence;
use self::installation::Installation;
use self::lease::Lease;
use self::looked::Looked;
use self::outbox::Outbox;
use self::own::Own;
use self::promise::Promise;
use self::record::Role;
use self::requests::Requests;
use self::succession::Succession;
use self::troubles::Troubles;
use self::work::Work;
use super::{ActiveBecause, Command, Config, Event, Failover, StandbyBecause};
use crate::{Cx, FsError, Input, Mono, Now, Path};

/// What a step of this machine may use.
type Context<'a> = Cx<'a, Failover>;

/// A replica of the hardened design.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Replica {
    own: Own,
    /// Whether it has told that it is active.
    acting: bool,
    /// Why it works without the shared folder; `None` while it uses it.
    away: Option<FsError>,
    evidence: Evidence,
    succession: Succession,
    lease: Lease,
    promise: Promise,
    outbox: Outbox,
    requests: Requests,
    work: Work,
    due: Due,
    troubles: Troubles,
    looked: Looked,
}

/// When it steps by itself next.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Due {
    /// The next look at the view.
    look: Mono,
    /// The next moment at which a decision may fall; `None` if only news can bring one.
    decision: Option<Mono>,
}

impl Replica {
    /// Begins a life of an installation, which is new if `fresh`. `asked` is what people have asked already.
    fn open(
        kept: &Installation,
        fresh: bool,
        asked: Vec<Command>,
        config: &Config,
        cx: &mut Context<'_>,
    ) -> Self {
        let (now, hardened) = (cx.now(), &config.hardened);
        let name = config.identity.device_id();
        let id: Arc<str> = format!("{name}#{}", kept.random).into();
        let mut replica = Self {
            outbox: Outbox::new(&id, hardened),
            own: Own::new(name, id, now.mono),
            acting: false,
            away: None,
            evidence: Evidence::new(hardened, now),
            succession: Succession::new(now.mono),
            lease: Lease::none(),
            promise: Promise::new(now.mono, hardened),
            requests: Requests::none(),
            work: Work::default(),
            due: Due { look: now.mono, decision: None },
            troubles: Troubles::default(),
            looked: Looked::default(),
        };
        replica.own.said.rules = Some(hardened.rules());
        replica.resume(kept, fresh, config, cx);
        cx.event(Event::Started {
            fallback: matches!(cx.list(&Path::shared("")), Err(error) if is_away(error)),
        });
        for command in asked {
            // Nobody can tell yet what there is to accept.
            if command != Command::Accept {
                replica.requests.ask(command);
            }
        }
        replica.turn(true, config, cx);
        replica
    }

    pub(super) fn is_active(&self, now: Now) -> bool {
        self.act_until(now).is_some_and(|until| now.mono < until)
    }

    /// Until when it may act.
    pub(super) fn act_until(&self, now: Now) -> Option<Mono> {
        let clock = self.evidence.clock();
        match self.away {
            Some(_) => self.acting.then_some(Mono(u64::MAX)),
            // Nor while it is unknown whether it slept: its next step will tell.
            None => (self.own.said.role == Role::Active && clock.is_awake(now))
                .then(|| Mono(self.lease.until().0.saturating_sub(clock.slept_ms(now)))),
        }
    }

    /// Who leads, as far as files tell: who says so, or whom the votes say that are here.
    pub(super) fn leader(&self) -> Option<&str> {
        let elected = || votes::elected(&self.own, &self.evidence, self.promise);
        let top = || self.evidence.top(&self.own).filter(|top| top.role == Role::Active);
        elected().or_else(|| top().map(|top| &**top.name))
    }

    pub(super) fn is_local_only(&self) -> bool {
        self.away.is_some()
    }

    pub(super) fn last_update_id(&self) -> i64 {
        self.own.said.acked
    }

    pub(super) fn id(&self) -> &Arc<str> {
        &self.own.said.id
    }

    pub(super) fn voters(&self) -> Option<&[Arc<str>]> {
        self.own.said.voters.as_deref().map(|voters| &*voters.members)
    }

    pub(super) fn term(&self) -> u64 {
        self.own.said.term
    }

    pub(super) fn wake_at(&self) -> Option<Mono> {
        let (due, last) = (&self.due, self.evidence.clock().last());
        if self.away.is_some() {
            let work = self.work.due().filter(|at| self.acting && *at > last);
            return Some(work.map_or(due.look, |at| at.min(due.look)));
        }
        let at = due.look.min(self.outbox.next_at());
        // An acting replica without the folder has no lease that ends.
        let others = [due.decision, self.work.due(), self.acting.then_some(self.lease.until())];
        let others = others.into_iter().flatten().filter(|at| *at > last);
        Some(others.fold(at, Mono::min).max(last.plus(1)))
    }

    pub(super) fn step(&mut self, config: &Config, input: Input<Failover>, cx: &mut Context<'_>) {
        self.note_time(config, cx);
        let mut look = cx.now().mono >= self.due.look;
        let called = self.work.take_call();
        match input {
            Input::Applied => self.written(self.outbox.under_way(), None, config, cx),
            Input::Failed { op, error } => {
                if called {
                    self.take_call_back(cx);
                }
                self.written(usize::try_from(op).unwrap_or(usize::MAX), Some(error), config, cx);
            }
            Input::Timer | Input::Changed => look = true,
            Input::Command(Command::Accept) => {
                self.accept_folder(cx);
                look = true;
            }
            Input::Command(command) => self.requests.ask(command),
            Input::Reply(reply) => self.answered(reply, config, cx),
        }
        self.turn(look, config, cx);
    }

    /// Looks, decides, and leaves the ops and calls that follow.
    fn turn(&mut self, look: bool, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        self.due.decision = None;
        if look {
            self.due.look = now.plus(config.hardened.look_ms);
            self.look(config, cx);
        }
        if self.away.is_none() {
            self.vote_and_count(config, cx);
            self.give_way(config, cx);
            self.lapse(config, cx);
            if look {
                self.claim_if_due(config, cx);
            } else {
                // Nobody claims without having looked in the same step.
                self.due.decision = Some(self.due.look);
            }
            self.lead(config, cx);
            self.serve(config, cx);
        }
        self.tell(config, cx);
        self.write(config, cx);
        self.go_on(config, cx);
    }

    /// Tells when it became active or stopped being so.
    fn tell(&mut self, config: &Config, cx: &mut Context<'_>) {
        if self.away.is_some() {
            self.act_alone(config, cx);
            return;
        }
        let active = self.is_active(cx.now());
        if active && !self.acting {
            self.acting = true;
            cx.event(Event::BecameActive { because: ActiveBecause::WonClaim });
            self.outbox.urge_state(cx.now().mono);
            self.work.begin(self.own.said.acked);
        }
        if !active && self.acting {
            self.stop(StandbyBecause::LeaseOver, cx);
        }
    }

    /// Stops acting, and says why once.
    fn stop(&mut self, because: StandbyBecause, cx: &mut Context<'_>) {
        self.lease.end();
        if std::mem::take(&mut self.acting) {
            cx.event(Event::BecameStandby { because });
        }
    }

    fn take_role(&mut self, role: Role, now: Mono) {
        self.own.take_role(role, now);
        self.outbox.announce();
    }

    /// Asks for a decision no later than this.
    fn decide_at(&mut self, at: Mono) {
        self.due.decision = Some(self.due.decision.map_or(at, |due| due.min(at)));
    }

    /// Goes on without the shared folder.
    fn fall_back(&mut self, error: FsError, cx: &mut Context<'_>) {
        self.looked.forget();
        if self.away.is_none() {
            self.stop(StandbyBecause::FolderAway, cx);
            self.away = Some(error);
            cx.event(Event::FellBack { error });
        }
    }

    /// The folder is back: whatever was seen before is old.
    fn come_back(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        if self.away.take().is_some() {
            self.stop(StandbyBecause::FolderBack, cx);
            cx.event(Event::Returned);
            self.watch_anew(now);
            if self.own.said.role == Role::Active {
                self.release(StandbyBecause::FolderBack, config, cx);
            }
            self.outbox.urge_at_once(now);
            self.succession.wait_until(now.plus(config.hardened.look_ms));
        }
    }

    /// While the folder is away: nothing, or everything, as configured.
    fn act_alone(&mut self, config: &Config, cx: &mut Context<'_>) {
        if config.hardened.fallback == Fallback::Act && !self.acting {
            self.acting = true;
            cx.event(Event::BecameActive { because: ActiveBecause::LocalOnly });
        }
    }
}

/// Whether an error says that the folder itself cannot be reached.
fn is_away(error: FsError) -> bool {
    matches!(error, FsError::Unavailable | FsError::Refused)
}
