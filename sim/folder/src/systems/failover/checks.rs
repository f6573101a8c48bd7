//! What must hold of failover.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudchamber_core::Path;
use cloudchamber_core::failover::hardened::record::Role;
use cloudchamber_core::failover::{Command, Config, Design, Event, Failover, Policy};

use super::FailoverSystem;
use super::overlap::{self, Overlap};
use super::settings::Bounds;
use super::terms::Terms;
use super::updates::Updates;
use crate::ReplicaId;
use crate::checks::{Checker, Checks, Findings, Kind, Violation};
use crate::world::{Choice, ChoiceOf, Effects, Replica, Setup, World};

/// The checkers' names, so that no text is written twice.
pub mod name {
    #![allow(missing_docs, reason = "each is explained where it is listed, in `CHECKERS`")]
    pub const AT_MOST_ONE: &str = "at_most_one_active";
    pub const EXCUSED: &str = "two_are_active_only_where_files_are_late";
    pub const ENDS: &str = "two_are_active_until_the_files_have_come";
    pub const EVENTUALLY_ONE: &str = "eventually_one_active";
    pub const NEVER_LONG_WITHOUT: &str = "never_long_without_an_active";
    pub const ACTIVATION: &str = "manual_activation_takes_effect";
    pub const TERMS_GO_ON: &str = "no_earlier_term_acts_after_a_later_one";
    pub const NO_FILE_CONFLICT: &str = "device_files_never_conflict";
    pub const ONE_WRITER: &str = "a_device_file_has_one_writer";
    pub const LIVE_DEVICE: &str = "a_live_device_is_never_removed";
    pub const NO_STRANGER: &str = "nobody_kills_a_stranger";
    pub const LAST_ID: &str = "last_update_id_never_goes_back";
    pub const HANDLED: &str = "every_update_is_handled";
    pub const ONCE: &str = "an_update_takes_effect_once";
    pub const KEEPS_PLACE: &str = "a_healthy_active_keeps_its_place";
    pub const IN_TIME: &str = "a_heartbeat_comes_in_its_time";
    pub const FAILOVER_HAPPENS: &str = "a_failover_happens";
    pub const HANDLING_HAPPENS: &str = "an_update_is_handled";
    /// Samples: from the loss of the active one to exactly one active.
    pub const FAILOVER_MS: &str = "failover_ms";
    /// Samples: from the loss of the active one to one active that every reachable replica names.
    pub const AGREED_MS: &str = "agreed_ms";
    /// Count: total time with two or more active, ms.
    pub const OVERLAP_MS: &str = "overlap_ms";
}

use name::*;

/// Everything that watches a run of failover.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct FailoverChecks {
    bounds: Bounds,
    /// Who is active, one bit a replica.
    active: u32,
    /// World time of the last look, ms.
    looked_ms: u64,
    /// Since when each active replica has been so without any trouble of its machine; nothing for the others.
    healthy_since: BTreeMap<ReplicaId, u64>,
    /// The loss of an active one that nobody has made good yet, ms.
    lost_ms: Option<u64>,
    /// Who was lost then, one bit a replica.
    lost: u32,
    /// As `lost_ms`, until all that are reachable name the same one.
    disagreed_ms: Option<u64>,
    /// Since when there has been none active although somebody could be, ms.
    without_ms: Option<u64>,
    /// A hand-over that was accepted and is not over.
    hand_over: Option<HandOver>,
    /// When each replica was last in trouble, ms, as far as a hand-over to it may not know of that.
    troubled_ms: BTreeMap<ReplicaId, u64>,
    /// Whose client has forgotten what it had synced, or took for changes made here what somebody else did to the files,
    /// one bit a replica.
    reset: u32,
    /// Who wrote each device file first.
    writers: BTreeMap<Path, ReplicaId>,
    /// When each replica's last heartbeat was written, ms.
    beats: BTreeMap<ReplicaId, u64>,
    overlap: Overlap,
    terms: Terms,
    updates: Updates,
    /// Ids written before faults stopped; all of them have to be handled in the end.
    due_ids: Option<i64>,
}

/// A hand-over on its way.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct HandOver {
    /// To whom.
    target: ReplicaId,
    /// The replica id of the one that led.
    from: Arc<str>,
    /// Until when it is due, ms.
    due: u64,
    /// Who claimed a later term without having read that it has a successor, one bit a replica: if one of these wins, the
    /// wish is spent.
    crossed: u32,
}

impl FailoverChecks {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            active: 0,
            looked_ms: 0,
            healthy_since: BTreeMap::new(),
            lost_ms: None,
            lost: 0,
            disagreed_ms: None,
            without_ms: Some(0),
            hand_over: None,
            troubled_ms: BTreeMap::new(),
            reset: 0,
            writers: BTreeMap::new(),
            beats: BTreeMap::new(),
            overlap: Overlap::default(),
            terms: Terms::default(),
            updates: Updates::default(),
            due_ids: None,
        }
    }
}

/// Whether a replica would act now: its process runs, its machine is awake, and it believes it may.
#[must_use]
pub fn acts(setup: &Setup<FailoverSystem>, world: &World<FailoverSystem>, id: ReplicaId) -> bool {
    let replica = world.replica(id);
    replica.machine().awake
        && replica.protocol().is_some_and(|failover| failover.is_active(world.clocks(setup, id)))
}

/// Whether every replica that runs and is connected names `one` as the active one.
#[must_use]
pub fn agreed_on(setup: &Setup<FailoverSystem>, world: &World<FailoverSystem>, one: ReplicaId) -> bool {
    let device = &config(setup, one).identity;
    world.replicas().filter(|(id, replica)| *id != one && replica.runs() && replica.syncs()).all(
        |(_, replica)| {
            replica
                .protocol()
                .is_some_and(|failover| failover.leader().is_some_and(|leader| device.is(leader)))
        },
    )
}

fn config(setup: &Setup<FailoverSystem>, id: ReplicaId) -> &Config {
    &setup.replicas[id.index()].config
}

/// How many replicas a failover can have: who is active is one bit a replica, and nobody has so many machines.
pub(super) const REPLICAS_MAX: usize = 26;

pub(super) fn bits(active: u32) -> impl Iterator<Item = ReplicaId> {
    ReplicaId::all(REPLICAS_MAX).filter(move |id| active >> id.0 & 1 == 1)
}

/// A look at one choice, with everything it needs.
pub(super) struct Look<'a> {
    pub(super) setup: &'a Setup<FailoverSystem>,
    pub(super) world: &'a World<FailoverSystem>,
    pub(super) choice: &'a ChoiceOf<FailoverSystem>,
    pub(super) effects: &'a Effects<Failover>,
    pub(super) now: u64,
}

impl Look<'_> {
    /// Whether a replica runs the hardened design.
    pub(super) fn is_hardened(&self, id: ReplicaId) -> bool {
        config(self.setup, id).design == Design::Hardened
    }

    /// The policy of a replica of the hardened design.
    pub(super) fn policy(&self, id: ReplicaId) -> Policy {
        config(self.setup, id).hardened.policy
    }

    pub(super) fn violation(
        &self,
        checker: &str,
        replicas: Vec<ReplicaId>,
        expected: &str,
        seen: String,
    ) -> Violation {
        Violation { checker: checker.into(), at_ms: self.now, replicas, expected: expected.into(), seen }
    }
}

impl Checks<FailoverSystem> for FailoverChecks {
    const CHECKERS: &'static [Checker] = &[
        Checker {
            name: AT_MOST_ONE,
            kind: Kind::Safety,
            about: "No two replicas that run and are awake believe at the same time that they may act.",
        },
        Checker {
            name: EXCUSED,
            kind: Kind::Safety,
            about: "In the hardened design two are active only where a file is later than the bound on propagation.",
        },
        Checker {
            name: ENDS,
            kind: Kind::Safety,
            about: "In the hardened design two are active no longer than until the file that tells of it has come.",
        },
        Checker {
            name: EVENTUALLY_ONE,
            kind: Kind::Liveness,
            about: "Once faults have stopped, exactly one replica is active in bounded time, and all that run name it; under \
                    the policy majority where voters for one are left.",
        },
        Checker {
            name: NEVER_LONG_WITHOUT,
            kind: Kind::Liveness,
            about: "There is never nobody active for longer than the bound while a replica could be: one runs, is connected and \
                    can write, and under the policy majority the voters for it as well.",
        },
        Checker {
            name: ACTIVATION,
            kind: Kind::Liveness,
            about: "A replica that was made active by hand, and whose machine stays well, is active in bounded time, if \
                    under the policy majority the voters for that run and are connected meanwhile, unless one that \
                    had not read of it claims a later term and wins.",
        },
        Checker {
            name: TERMS_GO_ON,
            kind: Kind::Safety,
            about: "Under the policy majority nobody acts in an earlier term than one in which somebody has acted.",
        },
        Checker {
            name: NO_FILE_CONFLICT,
            kind: Kind::Safety,
            about: "No device file is ever changed at two replicas apart from each other.",
        },
        Checker {
            name: ONE_WRITER,
            kind: Kind::Safety,
            about: "No device file is ever written by two replicas.",
        },
        Checker {
            name: LIVE_DEVICE,
            kind: Kind::Safety,
            about: "The file of a device whose process runs is never removed.",
        },
        Checker {
            name: NO_STRANGER,
            kind: Kind::Safety,
            about: "No process is killed on another machine than the one the device file names.",
        },
        Checker {
            name: LAST_ID,
            kind: Kind::Safety,
            about: "The server's state.json never shows a lower lastUpdateId than it has shown, but where a client \
                    brings what was written before that, or in the hardened design by one whom that had not reached.",
        },
        Checker {
            name: HANDLED,
            kind: Kind::Safety,
            about: "No update is confirmed to the service before it took effect, and none is left at the end.",
        },
        Checker {
            name: ONCE,
            kind: Kind::Counted,
            about: "Updates that took effect more than once. Nothing in a folder can rule it out.",
        },
        Checker {
            name: KEEPS_PLACE,
            kind: Kind::Counted,
            about: "Takeovers from an active replica that was well, awake and connected all the time.",
        },
        Checker {
            name: IN_TIME,
            kind: Kind::Counted,
            about: "Heartbeats of a process that was left alone and that came earlier or later than its timers say.",
        },
        Checker {
            name: FAILOVER_HAPPENS,
            kind: Kind::Reached,
            about: "An active replica is lost and another takes over.",
        },
        Checker { name: HANDLING_HAPPENS, kind: Kind::Reached, about: "An update takes effect." },
    ];

    fn after(
        &mut self,
        setup: &Setup<FailoverSystem>,
        world: &World<FailoverSystem>,
        choice: &ChoiceOf<FailoverSystem>,
        effects: &Effects<Failover>,
        findings: &mut Findings,
    ) {
        let look = Look { setup, world, choice, effects, now: world.now() };
        self.activity(&look, findings);
        self.absence(&look, findings);
        if !effects.events.is_empty() {
            self.told(&look, findings);
        }
        for conflict in &effects.conflicts {
            // A client that forgot what it had synced finds its own earlier version, or sends its copy of another's
            // file as if somebody had written it there: one writer all the same. So does one that finds files restored, or
            // gone with their mount.
            let forgot = |id: ReplicaId| self.reset >> id.0 & 1 == 1;
            let apart =
                conflict.winner != conflict.loser && !forgot(conflict.winner) && !forgot(conflict.loser);
            if apart && conflict.path.below(&Path::shared("devices")).is_some() {
                findings.violated(NO_FILE_CONFLICT, || {
                    let seen = format!(
                        "{} was changed at {} and at {} apart from each other",
                        conflict.path, conflict.winner, conflict.loser
                    );
                    let who = vec![conflict.winner, conflict.loser];
                    look.violation(NO_FILE_CONFLICT, who, "a device file has one writer", seen)
                });
            }
        }
        self.updates.after(&look, findings);
        self.looked_ms = look.now;
    }

    fn forget(&mut self, checker: &str, fresh: &Self) {
        let kept = std::mem::replace(self, fresh.clone());
        self.active = kept.active;
        // That an active one was lost counts for `a_failover_happens`; when it was, only for how long that took.
        self.lost_ms = kept.lost_ms.map(|_| 0);
        self.lost = kept.lost;
        self.updates = kept.updates.only(checker);
        match checker {
            NEVER_LONG_WITHOUT => self.without_ms = kept.without_ms,
            ACTIVATION => (self.hand_over, self.troubled_ms) = (kept.hand_over, kept.troubled_ms),
            NO_FILE_CONFLICT => self.reset = kept.reset,
            TERMS_GO_ON => self.terms = kept.terms,
            ONE_WRITER | LIVE_DEVICE => self.writers = kept.writers,
            KEEPS_PLACE => self.healthy_since = kept.healthy_since.into_keys().map(|id| (id, 0)).collect(),
            IN_TIME => self.beats = kept.beats,
            _ => {}
        }
    }

    fn calm(&mut self, _: &Setup<FailoverSystem>, world: &World<FailoverSystem>) {
        self.due_ids = Some(world.service().last_id());
    }

    fn awaits_something(&self) -> bool {
        self.hand_over.is_some()
    }

    fn end(&self, setup: &Setup<FailoverSystem>, world: &World<FailoverSystem>, findings: &mut Findings) {
        let Some(due_ids) = self.due_ids else { return };
        // People may have taken voters out until those that are left are gone for good.
        let mut runs = world.replicas().filter(|(_, replica)| replica.runs());
        if !runs.all(|(id, _)| has_voters(setup, world, id)) {
            return;
        }
        let now = world.now();
        let active: Vec<_> =
            world.replicas().map(|(id, _)| id).filter(|&id| acts(setup, world, id)).collect();
        let names_it = |(id, failover): (ReplicaId, &Failover)| match &active[..] {
            [one] if *one == id => true,
            [one] => failover.leader().is_some_and(|leader| config(setup, *one).identity.is(leader)),
            _ => false,
        };
        let running = || world.replicas().filter_map(|(id, replica)| Some((id, replica.protocol()?)));
        if running().next().is_some() && !running().all(names_it) {
            findings.violated(EVENTUALLY_ONE, || {
                let named: Vec<_> = running()
                    .map(|(id, failover)| format!("{id} names {}", failover.leader().unwrap_or("nobody")))
                    .collect();
                Violation {
                    checker: EVENTUALLY_ONE.into(),
                    at_ms: now,
                    expected: "exactly one replica is active after faults stopped, and all name it".into(),
                    seen: format!("{} are active; {}", active.len(), named.join("; ")),
                    replicas: active.clone(),
                }
            });
        }
        let waiting = world.service().waiting().filter(|&id| id <= due_ids);
        let left: Vec<_> = waiting.filter(|&id| world.service().effect(id).is_none()).collect();
        if let Some(first) = left.first() {
            findings.violated(HANDLED, || Violation {
                checker: HANDLED.into(),
                at_ms: now,
                replicas: vec![],
                expected: "every update written before faults stopped is handled in the end".into(),
                seen: format!("{} still wait, the first is {first}", left.len()),
            });
        }
    }
}

impl FailoverChecks {
    /// Who is active, and what follows from its change.
    fn activity(&mut self, look: &Look<'_>, findings: &mut Findings) {
        let Look { setup, world, choice, now, .. } = *look;
        if self.active.count_ones() > 1 {
            findings.count(OVERLAP_MS, now - self.looked_ms);
        }
        let mut active = 0_u32;
        for (id, _) in world.replicas() {
            active |= u32::from(acts(setup, world, id)) << id.0;
        }
        if let Some(id) = choice.replica()
            && troubles(choice)
        {
            // Whatever happens to it from here on is not a healthy one's fate. A clock that is set leaves its
            // process well.
            if !matches!(choice, Choice::Clock { .. }) {
                self.healthy_since.remove(&id);
                self.beats.remove(&id);
            }
            if self.hand_over.as_ref().is_some_and(|hand_over| hand_over.target == id) {
                self.hand_over = None;
            }
            if self.bounds.unknown_ms_max > 0 {
                self.troubled_ms.insert(id, now);
            }
        }
        // A candidate that came forward meanwhile in a later term may win when the voters are back.
        if self.hand_over.as_ref().is_some_and(|hand_over| !has_voters(setup, world, hand_over.target)) {
            self.hand_over = None;
        }
        if let Some(replica) = choice.replica().filter(|_| choice.is_taken_for_a_change()) {
            self.reset |= 1 << replica.0;
        }
        let before = self.active;
        self.active = active;
        if active != before {
            self.changed(look, before, findings);
            self.terms.after(look, active & !before, findings);
        }
        self.overlap.after(look, active, before, &self.bounds, findings);
        if let Some(lost) = self.disagreed_ms
            && active.count_ones() == 1
            && bits(active).all(|one| agreed_on(setup, world, one))
        {
            self.disagreed_ms = None;
            findings.sample(AGREED_MS, now - lost);
        }
    }

    fn changed(&mut self, look: &Look<'_>, before: u32, findings: &mut Findings) {
        let Look { setup, world, now, .. } = *look;
        let active = self.active;
        for id in bits(active & !before) {
            if let Some((&healthy, _)) = self.healthy_since.iter().find(|(other, _)| **other != id)
                && self.hand_over.as_ref().is_none_or(|hand_over| hand_over.target != id)
            {
                findings.violated(KEEPS_PLACE, || {
                    let seen = format!("{id} took over from {healthy}, {}", cause(setup, world, id, healthy));
                    look.violation(
                        KEEPS_PLACE,
                        vec![healthy, id],
                        "a healthy active one keeps its place",
                        seen,
                    )
                });
            }
        }
        self.healthy_since.retain(|id, _| active >> id.0 & 1 == 1);
        for id in bits(active & !before) {
            self.healthy_since.insert(id, now);
        }
        if active.count_ones() > 1 && (active & !before) != 0 {
            findings.violated(AT_MOST_ONE, || {
                let who: Vec<_> = bits(active).collect();
                let newer = bits(active & !before).next().expect("somebody became active");
                let older = who.iter().copied().find(|id| *id != newer).expect("there are two");
                let seen =
                    format!("{newer} became active beside {older}: {}", cause(setup, world, newer, older));
                look.violation(AT_MOST_ONE, who, "at most one replica is active", seen)
            });
        }
        if active == 0 && before != 0 {
            // Lost by accident, not handed over or given up.
            if matches!(look.choice, Choice::Crash { .. } | Choice::Sleep { .. }) {
                self.lost_ms = Some(now);
                self.lost = before;
                self.disagreed_ms = Some(now);
            }
        } else if active.count_ones() == 1
            && let Some(lost) = self.lost_ms.take()
        {
            findings.sample(FAILOVER_MS, now - lost);
            if active & std::mem::take(&mut self.lost) == 0 {
                findings.count(FAILOVER_HAPPENS, 1);
            }
        }
        let ends = |hand_over: &HandOver| {
            active >> hand_over.target.0 & 1 == 1 || active & !before & hand_over.crossed != 0
        };
        if self.hand_over.as_ref().is_some_and(ends) {
            self.hand_over = None;
        }
    }

    /// How long there has been nobody, and whether a hand-over is overdue.
    fn absence(&mut self, look: &Look<'_>, findings: &mut Findings) {
        let Look { world, now, .. } = *look;
        let mut able = world.replicas().filter(|(_, replica)| is_well(replica));
        let could = self.active == 0 && able.any(|(id, _)| has_voters(look.setup, world, id));
        let is_change = matches!(look.choice, Choice::Command { command: Command::Voters { .. }, .. });
        if !could || is_change || troubles(look.choice) {
            // The bound counts from the last trouble: each may cost a whole round.
            self.without_ms = could.then_some(now);
        } else if let Some(since) = self.without_ms {
            let bound = self.bounds.without_ms_max;
            if now - since > bound {
                findings.violated(NEVER_LONG_WITHOUT, || {
                    let seen = format!("there has been none since {since} ms, longer than {bound} ms");
                    look.violation(
                        NEVER_LONG_WITHOUT,
                        vec![],
                        "somebody is active while somebody could be",
                        seen,
                    )
                });
                self.without_ms = None;
            }
        } else {
            self.without_ms = Some(now);
        }
        if let Some(HandOver { target, .. }) = self.hand_over.take_if(|hand_over| now > hand_over.due) {
            findings.violated(ACTIVATION, || {
                let bound = self.bounds.hand_over_ms_max;
                let seen = format!("it is not {bound} ms after the request was accepted");
                look.violation(ACTIVATION, vec![target], "the replica made active by hand is active", seen)
            });
        }
    }

    /// What the replica of the choice told.
    fn told(&mut self, look: &Look<'_>, findings: &mut Findings) {
        let Some(me) = look.choice.replica() else { return };
        for event in &look.effects.events {
            match event {
                Event::ActivationWritten { target } => {
                    let named = |id: &ReplicaId| config(look.setup, *id).identity.is(target);
                    let target = look.world.replicas().map(|(id, _)| id).find(named);
                    let lately = |id: &ReplicaId| {
                        let at = self.troubled_ms.get(id);
                        at.is_some_and(|at| look.now - at <= self.bounds.unknown_ms_max)
                    };
                    let from = look.world.replica(me).protocol().and_then(Failover::id).cloned();
                    let due = look.now + self.bounds.hand_over_ms_max;
                    let hand_over =
                        |target| HandOver { target, from: from.unwrap_or_default(), due, crossed: 0 };
                    self.hand_over =
                        target.filter(|id| self.active >> id.0 & 1 == 0 && !lately(id)).map(hand_over);
                }
                Event::TermClaimed { .. } => {
                    // One that has read of the hand-over claims only what its leader leaves to it.
                    let has_read = |hand_over: &HandOver| {
                        overlap::said(look, &hand_over.from, me)
                            .is_some_and(|said| said.role == Role::Released)
                    };
                    let crosses = |hand_over: &&mut HandOver| hand_over.target != me && !has_read(hand_over);
                    if let Some(hand_over) = self.hand_over.as_mut().filter(crosses) {
                        hand_over.crossed |= 1 << me.0;
                    }
                }
                Event::HeartbeatWritten { path } if path.below(&Path::shared("devices")).is_some() => {
                    self.beat(me, look, findings);
                    let first = *self.writers.entry(path.clone()).or_insert(me);
                    if first != me {
                        findings.violated(ONE_WRITER, || {
                            let seen = format!("{path} is written by both");
                            look.violation(
                                ONE_WRITER,
                                vec![first, me],
                                "each device has a file of its own",
                                seen,
                            )
                        });
                    }
                }
                Event::DeviceRemoved { path, .. } => {
                    let owner = self.writers.get(path).copied();
                    if let Some(owner) = owner.filter(|&id| look.world.replica(id).runs()) {
                        findings.violated(LIVE_DEVICE, || {
                            let seen = format!("{me} removed {path}, whose owner {owner} runs");
                            look.violation(LIVE_DEVICE, vec![owner, me], "a live device keeps its file", seen)
                        });
                    }
                }
                Event::ProcessKilled { process_id, listed_host, own_host } if listed_host != own_host => {
                    findings.violated(NO_STRANGER, || {
                        let seen = format!(
                            "{me} killed process {process_id} on {own_host}, but the device file means {listed_host}"
                        );
                        look.violation(NO_STRANGER, vec![me], "a process is killed on its own machine", seen)
                    });
                }
                Event::UpdateHandled { .. } => findings.count(HANDLING_HAPPENS, 1),
                _ => {}
            }
        }
    }

    /// How long after the one before a heartbeat comes.
    fn beat(&mut self, me: ReplicaId, look: &Look<'_>, findings: &mut Findings) {
        let Some(last) = self.beats.insert(me, look.now) else { return };
        let (gap, Bounds { beat_ms_min, beat_ms_max, .. }) = (look.now - last, self.bounds);
        if gap < beat_ms_min || gap > beat_ms_max {
            findings.violated(IN_TIME, || {
                let seen = format!("{gap} ms passed, the timers allow {beat_ms_min} to {beat_ms_max} ms");
                look.violation(IN_TIME, vec![me], "a heartbeat comes when its timer says", seen)
            });
        }
    }
}

/// Whether a replica runs, is connected, and can write and read: on a full disk it can neither claim nor vote, and one that
/// cannot read who it is waits.
fn is_well(replica: &Replica<Failover>) -> bool {
    let machine = replica.machine();
    replica.runs() && replica.syncs() && !machine.disk_full && machine.local_readable
}

/// Whether as many replicas are well as it takes to make this one active. While the voters are being changed
/// there are several sets that somebody counts by, and each needs a majority.
fn has_voters(setup: &Setup<FailoverSystem>, world: &World<FailoverSystem>, one: ReplicaId) -> bool {
    let Config { design, hardened, .. } = config(setup, one);
    if *design == Design::Published || hardened.policy == Policy::Available {
        return true;
    }
    let mut sets: Vec<&[Arc<str>]> =
        world.replicas().filter_map(|(_, replica)| replica.protocol().and_then(Failover::voters)).collect();
    sets.dedup();
    let stands_for = |id: ReplicaId, failover: &Failover, member: &Arc<str>| {
        config(setup, id).identity.is(member) || failover.id() == Some(member)
    };
    let is_able = |member: &&Arc<str>| {
        world.replicas().any(|(id, replica)| {
            let process = replica.protocol().filter(|_| is_well(replica));
            process.is_some_and(|failover| stands_for(id, failover, member))
        })
    };
    sets.iter().all(|voters| voters.iter().filter(is_able).count() > voters.len() / 2)
}

/// Whether a choice is trouble for its replica's machine or process.
fn troubles(choice: &ChoiceOf<FailoverSystem>) -> bool {
    matches!(
        choice,
        Choice::Clock { .. }
            | Choice::Crash { .. }
            | Choice::Disk { .. }
            | Choice::Fail { .. }
            | Choice::Folder { .. }
            | Choice::Local { .. }
            | Choice::Mount { .. }
            | Choice::Network { .. }
            | Choice::Open { .. }
            | Choice::Restore { .. }
            | Choice::Sleep { .. }
            | Choice::Wake { .. }
            | Choice::Wipe { .. }
    )
}

/// Why two replicas are active, as far as their files and machines tell.
fn cause(
    setup: &Setup<FailoverSystem>,
    world: &World<FailoverSystem>,
    newer: ReplicaId,
    older: ReplicaId,
) -> String {
    let protocol = |id: ReplicaId| world.replica(id).protocol();
    for id in [newer, older] {
        if protocol(id).is_some_and(Failover::is_local_only) {
            return format!("{id} fell back to its local store and counts itself active");
        }
    }
    if config(setup, newer).identity == config(setup, older).identity {
        return "both have the same device id".into();
    }
    let state = Path::shared("state.json");
    let latest = world.cloud().latest(&state);
    let slot = |id: ReplicaId| world.replica(id).disk().slot(&state);
    for (id, other) in [(newer, older), (older, newer)] {
        if slot(id).is_some_and(|slot| slot.dirty) {
            return format!(
                "what {id} wrote to state.json has not left its machine, so {other} has not seen it"
            );
        }
    }
    for (id, other) in [(older, newer), (newer, older)] {
        let seen = slot(id).map_or(0, |slot| slot.seen);
        if seen < latest {
            return format!(
                "{id} has version {seen} of state.json and the server version {latest}: what {other} wrote is on its way"
            );
        }
    }
    let busy = |id: ReplicaId| world.replica(id).process().is_some_and(|process| process.wake_at().is_none());
    match busy(older) {
        true => format!("{older} has the same state.json and is busy, so it has not looked"),
        false => format!("{older} has the same state.json and has not looked at it yet"),
    }
}
