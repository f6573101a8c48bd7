//! The hardened design: every file has one writer, clocks of others decide nothing, and a claim is never believed
//! because the own disk shows it.
//!
//! What decides is in each replica's own file ([`record`]); `state.json` is written for other programs and never
//! read. A peer lives as long as its `(life, beat)` moves on, on the observer's own monotonic clock.
//!
//! Two things make silence tell sooner. Every beat says how long after the ones before it was written, so an observer
//! that got one of them quickly knows when the others were written although they took longer: patience counts from
//! there. And what decides is written in several files by turns (`places`), so that a client which holds one file
//! up does not silence a leader. (That freshness points should follow from sending times, not from arrivals: Chen,
//! Toueg and Aguilera, On the Quality of Service of Failure Detectors, IEEE Trans. Computers 51(5), 2002.)
//!
//! # Policy `available`
//! The leader tells with every beat after which silence it is to be suspected and who succeeds it in which order.
//! It acts only while nobody can have lost patience: from the moment at which it *decided* to write its last beat
//! (not from when the write was reported done, which may be later than others read it) until a little less than
//! that time later. Successor number j may claim in slot j, and acts as soon as the claim is on its disk.
//!
//! Why no two act, where every version arrives within `settle`, observers look every `look`, and an op takes less
//! than `look`: two observers that were awake for `settle` saw the leader's last beat at most `settle + look`
//! apart. A claim decided in slot j (no later than `look` after its start) is on the disk `look` later and with
//! everybody `settle` after that; slots are `2 settle + 3 look` apart or more, so whoever comes next reads it
//! before it claims. A claim that reaches the disk too late becomes a candidacy.
//! Whoever is not in the order, or did not see the last beat itself (it started, slept or stalled since), becomes a
//! candidate: it writes that, waits `2 settle + 3 look` or more, and gives way to any leader of its term or a later
//! one, to any sign of life of a leader, and to a higher candidate. Each of two that cross sees the other in time.
//! A beat that is not with everybody before somebody can have lost patience with the one before does not prolong the
//! lease. Then, and after a restart, a stall or an absence of the folder, the one that led writes *released* with its
//! last beat as a leader, and the others go on counting from that, as if it were silent; who missed that beat becomes
//! a candidate. A release that counts from its own arrival, for a hand-over or a leave, is only written while a beat
//! that everybody has by then forbids all suspicion.
//!
//! # Policy `majority`
//! The same, except that nobody acts because of its claim: it acts while a majority of the voters acknowledged a
//! beat of this life and term that it decided to write less than `lease` ago. A voter that acknowledged supports
//! nobody else for `promise`, counted from no sooner than that beat was decided; neither does one that has just
//! started. A leader that a voter hears in time keeps its support, whoever suspects it. Two
//! majorities share a voter, so their leases are apart on its clock. Delays do not enter.
//!
//! - [`record`]: the file; [`constants`]: the constants and why they hold together,
//! - `places`: in which files; `evidence`: reading the view, evidence, the estimate of delays,
//! - `succession`: who claims when; `votes`: votes, leases, voters,
//! - `requests`: activation by hand, leaving, removal,
//! - `work`: the updates; `outbox`: the files.

mod canonical;
pub mod constants;
mod evidence;
mod outbox;
pub(super) mod places;
pub mod record;
mod requests;
mod succession;
mod votes;
mod work;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub use self::canonical::{BEATS_APART_MAX, Visit};

use self::constants::{Asleep, Fallback, Policy};
use self::evidence::{OwnClock, Peer};
use self::outbox::Did;
use self::places::Places;
use self::record::{Life, Nomination, Role, Said, Voters};
use self::requests::Errand;
use self::votes::Promise;
use self::work::Work;
use super::records::ProblemKind;
use super::{ActiveBecause, Command, Config, Event, Failover, StandbyBecause};
use crate::{Cx, FsError, Input, Mono, Now, Path};

/// What a step of this machine may use.
type Context<'a> = Cx<'a, Failover>;

/// A replica of the hardened design.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Replica {
    /// The device id.
    name: Arc<str>,
    /// Its own files.
    places: Places,
    /// What its file says, or will say when it is next written.
    said: Said,
    /// When it took its present role; for a candidate, when it last began to wait.
    since: Mono,
    /// Until when it may act as the leader of its term.
    lease_until: Mono,
    /// Where the lease ended before its last beat. That one counts only if it left this machine in time.
    lease_before: Mono,
    /// A beat that may have left this machine late.
    doubtful: Option<u64>,
    /// Whether it has told that it is active.
    acting: bool,
    /// Its newest beats, and when it decided to write each.
    written: VecDeque<(u64, Mono)>,
    peers: BTreeMap<Arc<str>, Peer>,
    clock: OwnClock,
    /// Since when it has run without sleeping or stalling.
    awake_since: Mono,
    /// The time-out that the delays seen so far ask for, in ms.
    wants_ms: u64,
    /// Not before this does it become a candidate.
    not_before: Mono,
    /// Whom it told to suspect, so that it tells once.
    suspected: Option<(Arc<str>, u64)>,
    promise: Promise,
    due: Due,
    /// Whether its file is to be written as soon as may be.
    urgent: bool,
    /// In how many more of its places its new role is to be told, each as soon as may be.
    untold: u8,
    /// What the ops of the last batch were for.
    doing: VecDeque<Did>,
    /// Why it works without the shared folder.
    away: Option<FsError>,
    /// The offer that it made, since when.
    offered: Mono,
    waiting: VecDeque<Command>,
    errand: Option<Box<Errand>>,
    work: Work,
    /// The highest acknowledged update that it knew of when it became active.
    floor: i64,
    /// Whether the last step called somebody: if one of its ops fails, the call was never made.
    called: bool,
    /// What is wrong with files, so that it is told once.
    troubles: BTreeMap<Path, ProblemKind>,
}

/// When what is to be done next.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
struct Due {
    beat: Mono,
    look: Mono,
    state: Mono,
    cleanup: Mono,
    /// The earliest next write of its own file.
    write: Mono,
    /// The next moment at which a decision may fall.
    decision: Option<Mono>,
}

impl Replica {
    pub(super) fn open(config: &Config, cx: &mut Context<'_>) -> Self {
        let now = cx.now();
        let (identity, fresh) = outbox::Identity::read_or_draw(config, cx);
        let name = config.identity.device_id();
        let id: Arc<str> = format!("{name}#{}", identity.random).into();
        let mut replica = Self {
            places: Places::new(&id, config.hardened.places),
            name,
            said: Said::new(id, Life::default()),
            since: now.mono,
            lease_until: Mono(0),
            lease_before: Mono(0),
            doubtful: None,
            acting: false,
            written: VecDeque::new(),
            peers: BTreeMap::new(),
            clock: OwnClock::new(&config.hardened, now),
            awake_since: now.mono,
            wants_ms: config.hardened.suspect_ms_min,
            not_before: now.mono,
            suspected: None,
            promise: Promise::new(now.mono.plus(config.hardened.promise_ms)),
            due: Due {
                look: now.mono,
                cleanup: now.mono.plus(config.timing.cleanup_every_ms),
                ..Due::default()
            },
            urgent: true,
            untold: 0,
            doing: VecDeque::new(),
            away: None,
            offered: Mono(0),
            waiting: VecDeque::new(),
            errand: None,
            work: Work::default(),
            floor: 0,
            called: false,
            troubles: BTreeMap::new(),
        };
        replica.resume(&identity, fresh, config, cx);
        cx.event(Event::Started {
            fallback: matches!(cx.list(&Path::shared("")), Err(error) if is_away(error)),
        });
        replica.turn(true, config, cx);
        replica
    }

    pub(super) fn is_active(&self, now: Now) -> bool {
        self.act_until(now).is_some_and(|until| now.mono < until)
    }

    /// Until when it may act.
    pub(super) fn act_until(&self, now: Now) -> Option<Mono> {
        match self.away {
            Some(_) => self.acting.then_some(Mono(u64::MAX)),
            // Nor while it is unknown whether it slept: its next step will tell.
            None => (self.said.role == Role::Active && self.clock.is_awake(now))
                .then(|| Mono(self.lease_until.0.saturating_sub(self.clock.slept_ms(now)))),
        }
    }

    pub(super) fn leader(&self) -> Option<&str> {
        self.top().filter(|top| top.role == Role::Active).map(|top| &**top.name)
    }

    pub(super) fn is_local_only(&self) -> bool {
        self.away.is_some()
    }

    pub(super) fn last_update_id(&self) -> i64 {
        self.said.acked
    }

    pub(super) fn id(&self) -> &Arc<str> {
        &self.said.id
    }

    pub(super) fn term(&self) -> u64 {
        self.said.term
    }

    pub(super) fn wake_at(&self) -> Option<Mono> {
        let due = &self.due;
        if self.away.is_some() {
            let work = self.work.due().filter(|at| self.acting && *at > self.clock.last());
            return Some(work.map_or(due.look, |at| at.min(due.look)));
        }
        let mut at = due.look.min(due.beat.max(due.write));
        if self.urgent {
            at = at.min(due.write);
        }
        let others = [due.decision, self.work.due(), self.acting.then_some(self.lease_until)];
        // An acting replica without the folder has no lease that ends.
        let others = others.into_iter().flatten().filter(|at| *at > self.clock.last());
        Some(others.fold(at, Mono::min).max(self.clock.last().plus(1)))
    }

    pub(super) fn step(&mut self, config: &Config, input: Input<Failover>, cx: &mut Context<'_>) {
        self.note_time(config, cx);
        let mut look = cx.now().mono >= self.due.look;
        let called = std::mem::take(&mut self.called);
        match input {
            Input::Applied => self.written(self.doing.len(), None, config, cx),
            Input::Failed { op, error } => {
                if called {
                    self.take_call_back(cx);
                }
                self.written(usize::try_from(op).unwrap_or(usize::MAX), Some(error), config, cx);
            }
            Input::Timer | Input::Changed => look = true,
            Input::Command(command) => self.waiting.push_back(command),
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
            if config.hardened.policy == Policy::Majority {
                self.vote(config, cx);
                self.extend_lease(config, cx);
            }
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
            self.due.state = cx.now().mono;
            self.floor = self.said.acked;
        }
        if !active && self.acting {
            self.stop(StandbyBecause::LeaseOver, cx);
        }
    }

    /// Stops acting, and says why once.
    fn stop(&mut self, because: StandbyBecause, cx: &mut Context<'_>) {
        self.lease_until = Mono(0);
        if std::mem::take(&mut self.acting) {
            cx.event(Event::BecameStandby { because });
        }
    }

    fn take_role(&mut self, role: Role, now: Mono) {
        self.said.role = role;
        self.since = now;
        self.urgent = true;
        self.untold = self.places.count();
        if role != Role::Active {
            self.said.offer = None;
        }
        if role == Role::Standby {
            self.said.lead = None;
        }
    }

    /// Asks for a decision no later than this.
    fn decide_at(&mut self, at: Mono) {
        self.due.decision = Some(self.due.decision.map_or(at, |due| due.min(at)));
    }

    fn problem(&mut self, path: &Path, kind: ProblemKind, cx: &mut Context<'_>) {
        if self.troubles.get(path) != Some(&kind) {
            self.troubles.insert(path.clone(), kind);
            cx.event(Event::ProblemFound { path: path.clone(), kind });
        }
    }

    /// Goes on without the shared folder.
    fn fall_back(&mut self, error: FsError, cx: &mut Context<'_>) {
        if self.away.is_none() {
            self.stop(StandbyBecause::FolderAway, cx);
            self.away = Some(error);
            cx.event(Event::FellBack { error });
        }
    }

    /// The folder is back: whatever was seen before is old.
    fn come_back(&mut self, config: &Config, cx: &mut Context<'_>) {
        if self.away.take().is_some() {
            self.stop(StandbyBecause::FolderBack, cx);
            cx.event(Event::Returned);
            self.forget_evidence(cx.now().mono);
            if self.said.role == Role::Active {
                self.release(StandbyBecause::FolderBack, config, cx);
            }
            self.urgent = true;
            self.due.write = cx.now().mono;
            self.not_before = cx.now().mono.plus(config.hardened.look_ms);
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

/// Whether the clock's kind asks for the wall clock.
fn watches_wall(asleep: Asleep) -> bool {
    asleep == Asleep::Missed
}

/// The higher of two wishes.
fn higher<'a>(one: Option<&'a Nomination>, other: Option<&'a Nomination>) -> Option<&'a Nomination> {
    one.into_iter().chain(other).max_by_key(|wish| (wish.number, wish.target.clone()))
}

/// Whether a member of the voters stands for this replica.
fn stands_for(member: &str, id: &str, name: &str) -> bool {
    member == id || member == name
}

impl Voters {
    /// How new it is.
    fn stamp(&self) -> (u64, u64) {
        (self.term, self.change)
    }
}
