//! The published design: the algorithm of upstream's documents with its faults, as a machine.
//!
//! The original is one sequential loop: look who is active (and claim, asleep for up to ten seconds), write
//! heartbeats that are due, remove old files, then either sleep or poll and handle updates one by one. Polling,
//! handling, claims and sleeps block each other, so a slow handler delays the heartbeat (nothing else watches
//! it). Every place where the original waits is a [`Phase`] here.
//!
//! - `cycle`: the loop: the look, heartbeats, cleanup,
//! - `claim`: jitter, claim, verify,
//! - `work`: polling, handling, the last update's id,
//! - `requests`: what people ask for, and the removal of files.

mod claim;
mod cycle;
mod requests;
mod work;

use std::collections::VecDeque;
use std::sync::Arc;

use self::requests::Errand;
use super::records::{self, DeviceRecord, LEGACY_DEVICES, ProblemKind, STATE, StateRecord};
use super::{
    ActiveBecause, Command, Config, DroppedBecause, Event, Failover, OffsetKept, Reply, Update, device,
};
use crate::{Cx, FsError, FsOp, Input, Mono, Now, Path, WallMs};

/// What a step of this machine may use.
type Context<'a> = Cx<'a, Failover>;

/// A replica of the published design.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Published {
    phase: Phase,
    /// What goes on beside the loop, between two of its moments. Boxed, because it is rare.
    errand: Option<Box<Errand>>,
    /// What was asked and must wait.
    waiting: VecDeque<Command>,
    /// Whom the last look found named.
    leader: Option<Arc<str>>,
    active: bool,
    /// Since when it is active; only where older updates are dropped.
    active_since: Option<WallMs>,
    /// Works without the shared folder, for good.
    local_only: bool,
    due: Due,
    /// The update up to which all is taken for handled.
    last_update_id: i64,
    /// Whether `last_update_id` is not written yet.
    unsaved: bool,
    /// What is wrong with `state.json`, so that it is told once and not at every look.
    trouble: Option<ProblemKind>,
}

/// Deadlines that the loop compares with the *wall* clock, as the original does with `Date.now()`: a clock that
/// is set back keeps a healthy active replica silent until it has caught up.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
struct Due {
    device: WallMs,
    active: WallMs,
    cleanup: WallMs,
    last_update_id: WallMs,
}

/// Where the loop stands. `since` is the wall clock at the beginning of the turn, from which the original counts
/// its next deadlines and the activation.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Phase {
    /// Writes the first `state.json`.
    Creating,
    /// Writes its own file for the first time.
    Registering,
    /// Sleeps until the next turn.
    Sleeping { until: Mono },
    /// Sleeps before it claims.
    Jitter { until: Mono, since: WallMs },
    /// Writes its claim.
    Claiming { since: WallMs },
    /// Sleeps before it looks whether the claim stood.
    Verifying { until: Mono, since: WallMs },
    /// Writes its own file.
    DeviceBeat { since: WallMs },
    /// Writes its heartbeat into `state.json`.
    ActiveBeat { since: WallMs },
    /// Removes old files, as an errand of the loop.
    Cleaning,
    /// Waits for updates.
    Polling,
    /// Waits until the update at `next` is handled.
    Handling { updates: Arc<[Update]>, next: usize },
    /// Writes the last update's id; goes on with the update at `next`.
    Saving { updates: Arc<[Update]>, next: usize },
}

impl Phase {
    /// Whether it waits for an op, so that nothing else may ask for ops.
    fn awaits_op(&self) -> bool {
        matches!(
            self,
            Self::Creating
                | Self::Registering
                | Self::Claiming { .. }
                | Self::DeviceBeat { .. }
                | Self::ActiveBeat { .. }
                | Self::Cleaning
                | Self::Saving { .. }
        )
    }

    /// Whether it waits for an answer, so that nothing else may call.
    fn awaits_reply(&self) -> bool {
        matches!(self, Self::Polling | Self::Handling { .. })
    }
}

impl Published {
    pub(super) fn open(config: &Config, cx: &mut Context<'_>) -> Self {
        let mut machine = Self {
            phase: Phase::Registering,
            errand: None,
            waiting: VecDeque::new(),
            leader: None,
            active: false,
            active_since: None,
            local_only: false,
            due: Due::default(),
            last_update_id: 0,
            unsaved: false,
            trouble: None,
        };
        let unreachable = match cx.list(&Path::shared("")) {
            Err(error @ (FsError::Unavailable | FsError::Refused)) => Some(error),
            _ => None,
        };
        cx.event(Event::Started { fallback: unreachable.is_some() });
        if let Some(error) = unreachable {
            machine.fall_back(error, cx);
            return machine;
        }
        if config.offset_kept == OffsetKept::Local {
            machine.read_own_offset(cx);
        }
        // Only whether the file is there is asked, never whether it makes sense: torn, it stays torn; not yet
        // arrived, or behind a stub, it is written anew over whatever the others have.
        if matches!(cx.read(&STATE), Err(FsError::NotFound)) {
            machine.phase = Phase::Creating;
            let content = StateRecord::initial(cx.now().wall).serialise();
            cx.op(FsOp::Overwrite { path: STATE.clone(), content });
        } else {
            machine.register(config, cx);
        }
        machine
    }

    /// While it claims it does not act, even where the original goes on calling itself active.
    pub(super) fn is_active(&self, _: Now) -> bool {
        let claiming =
            matches!(self.phase, Phase::Jitter { .. } | Phase::Claiming { .. } | Phase::Verifying { .. });
        self.active && !claiming
    }

    pub(super) fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }

    pub(super) fn is_local_only(&self) -> bool {
        self.local_only
    }

    pub(super) fn last_update_id(&self) -> i64 {
        self.last_update_id
    }

    pub(super) fn wake_at(&self) -> Option<Mono> {
        match self.phase {
            _ if self.errand.is_some() => None,
            Phase::Sleeping { until } | Phase::Jitter { until, .. } | Phase::Verifying { until, .. } => {
                Some(until)
            }
            _ => None,
        }
    }

    pub(super) fn step(&mut self, config: &Config, input: Input<Failover>, cx: &mut Context<'_>) {
        match input {
            Input::Applied => self.written(Ok(()), config, cx),
            Input::Failed { error, .. } => self.written(Err(error), config, cx),
            Input::Timer => self.woken(config, cx),
            Input::Reply(reply) => self.answered(reply, config, cx),
            Input::Command(command) => self.waiting.push_back(command),
            // The original watches no files.
            Input::Changed => {}
        }
        if !self.waiting.is_empty() {
            self.serve(config, cx);
        }
    }

    fn woken(&mut self, config: &Config, cx: &mut Context<'_>) {
        if self.wake_at().is_none_or(|at| cx.now().mono < at) {
            return;
        }
        match self.phase {
            Phase::Sleeping { .. } => self.turn(config, cx),
            Phase::Jitter { since, .. } => self.claim(since, config, cx),
            Phase::Verifying { since, .. } => self.verify(since, config, cx),
            _ => unreachable!("only phases that sleep have a time to wake at"),
        }
    }

    /// Goes on after an op.
    fn written(&mut self, result: Result<(), FsError>, config: &Config, cx: &mut Context<'_>) {
        if self.errand.is_some() {
            self.errand_written(result, config, cx);
            return;
        }
        match (&self.phase, result) {
            // What fails at the start makes the original go on without the folder.
            (Phase::Creating | Phase::Registering, Err(error)) => self.fall_back(error, cx),
            (Phase::Creating, Ok(())) => self.register(config, cx),
            (Phase::Registering, Ok(())) => self.begin(config, cx),
            (&Phase::Claiming { since }, _) => self.claimed(result, since, config, cx),
            (&Phase::DeviceBeat { since }, _) => self.device_beaten(result, since, config, cx),
            (&Phase::ActiveBeat { since }, _) => self.active_beaten(result, since, config, cx),
            (Phase::Saving { updates, next }, _) => {
                let (updates, next) = (updates.clone(), *next);
                self.saved(result, updates, next, config, cx);
            }
            (phase, _) => unreachable!("no op is pending in {phase:?}"),
        }
    }

    /// Goes on after an answer. One that nobody waits for is of an earlier life.
    fn answered(&mut self, reply: Reply, config: &Config, cx: &mut Context<'_>) {
        match (&self.phase, reply) {
            (_, Reply::Killed { found }) => self.killed(found, config, cx),
            (Phase::Polling, Reply::Updates(updates)) => self.polled(updates, config, cx),
            (Phase::Polling, Reply::Conflict) => {
                cx.event(Event::PollRefused);
                self.polled(Arc::new([]), config, cx);
            }
            (Phase::Polling, Reply::Unreachable) => {
                cx.event(Event::PollFailed);
                self.sleep(config.timing.error_pause_ms, cx);
            }
            (Phase::Handling { updates, next }, Reply::Handled { id }) if updates[*next].id == id => {
                cx.event(Event::UpdateHandled { id, term: 0 });
                let (updates, next) = (updates.clone(), next + 1);
                self.took(id, updates, next, config, cx);
            }
            (Phase::Handling { updates, next }, Reply::Refused { id }) if updates[*next].id == id => {
                cx.event(Event::UpdateDropped { id, because: DroppedBecause::NotHandled });
                let (updates, next) = (updates.clone(), next + 1);
                self.took(id, updates, next, config, cx);
            }
            _ => {}
        }
    }

    /// Goes on without the shared folder: always active, until the process ends. Nothing tells the others.
    fn fall_back(&mut self, error: FsError, cx: &mut Context<'_>) {
        self.local_only = true;
        self.read_own_offset(cx);
        self.phase = Phase::Sleeping { until: cx.now().mono };
        cx.event(Event::FellBack { error });
    }

    fn register(&mut self, config: &Config, cx: &mut Context<'_>) {
        let id = config.identity.device_id();
        let path = device::published_path(&id, config.colon);
        self.notice_migration(&path, config, cx);
        let record = DeviceRecord {
            name: id,
            thread_id: config.thread_id,
            last_seen: cx.now().wall,
            hostname: config.identity.host.as_str().into(),
            directory: config.identity.directory.as_str().into(),
            process_id: Some(config.process_id),
            rest: serde_json::Map::new(),
        };
        cx.op(FsOp::Overwrite { path, content: record.serialise() });
        self.phase = Phase::Registering;
    }

    /// Migration is nothing but registering: the old file stays, and its other devices register themselves.
    fn notice_migration(&self, own: &Path, config: &Config, cx: &mut Context<'_>) {
        let Ok(old) = cx.read(&LEGACY_DEVICES) else { return };
        if cx.read(own) != Err(FsError::NotFound) {
            return;
        }
        let (devices, problems) = records::parse_legacy_devices(old.bytes());
        for malformed in problems {
            let kind = ProblemKind::Corrupt(malformed);
            cx.event(Event::ProblemFound { path: LEGACY_DEVICES.clone(), kind });
        }
        let found_itself = devices.iter().any(|record| config.identity.is(&record.name));
        let listed = devices.len().try_into().expect("a count of records fits in 64 bits");
        cx.event(Event::Migrated { listed, found_itself });
    }

    /// Sets the first deadlines and begins the loop.
    fn begin(&mut self, config: &Config, cx: &mut Context<'_>) {
        cx.event(Event::HeartbeatWritten {
            path: device::published_path(&config.identity.device_id(), config.colon),
        });
        let wall = cx.now().wall;
        let timing = &config.timing;
        self.due = Due {
            device: later(wall, timing.device_heartbeat.draw(cx.rng())),
            active: later(wall, timing.active_heartbeat.draw(cx.rng())),
            cleanup: later(wall, timing.cleanup_every_ms),
            last_update_id: wall,
        };
        self.turn(config, cx);
    }

    fn sleep(&mut self, ms: u64, cx: &Context<'_>) {
        self.phase = Phase::Sleeping { until: cx.now().mono.plus(ms) };
    }

    /// Reads `state.json` and hands it to `look`; `None` if it cannot be read, which is told when it changes.
    fn look<T>(&mut self, cx: &mut Context<'_>, look: impl FnOnce(&StateRecord) -> T) -> Option<T> {
        let (found, trouble) = match cx.read(&STATE) {
            Ok(content) => match &*content.parsed(StateRecord::parse) {
                Ok(record) => {
                    if self.leader != record.active_device {
                        self.leader.clone_from(&record.active_device);
                    }
                    (Some(look(record)), None)
                }
                Err(malformed) => (None, Some(ProblemKind::Corrupt(*malformed))),
            },
            Err(error) => (None, Some(ProblemKind::Unreadable(error))),
        };
        if self.trouble != trouble {
            self.trouble = trouble;
            if let Some(kind) = trouble {
                cx.event(Event::ProblemFound { path: STATE.clone(), kind });
            }
        }
        found
    }
}

/// Stamps a state that was just read and changed, and writes it back: a truncation and a write in place, over
/// whatever arrives in between.
fn write_state(mut record: StateRecord, by: Arc<str>, cx: &mut Context<'_>) {
    record.last_modified = cx.now().wall;
    record.modified_by = by;
    cx.op(FsOp::Overwrite { path: STATE.clone(), content: record.serialise() });
}

/// Tells of a write that failed. The original logs it and goes on.
fn unwritten(path: Path, error: FsError, cx: &mut Context<'_>) {
    cx.event(Event::ProblemFound { path, kind: ProblemKind::Unwritten(error) });
}

fn later(wall: WallMs, ms: u64) -> WallMs {
    wall.plus(i64::try_from(ms).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::failover::testing::{Bench, Files, START, device, state};
    use crate::failover::{Call, Command, Reply};
    use crate::{Draw, FsError, Input, Path};

    /// Anything that may happen to a replica.
    #[derive(Clone, Debug)]
    enum Happening {
        Pass(u64),
        SetWall(i64),
        Draw(u8),
        /// An answer that fits what is asked, with that many updates.
        Answer(i64),
        /// An answer that perhaps nobody waits for.
        Stray(i64),
        Command(Command),
        Arrives(usize, usize),
        Vanishes(usize),
        Unreadable(usize, FsError),
        Unwritable(usize, FsError),
        Healed,
        Restart,
    }

    const PATHS: [&str; 7] = [
        "shared:state.json",
        "shared:devices/h:-a.json",
        "shared:devices/h--a.json",
        "shared:devices/h:-b.json",
        "shared:devices/h:-b 2.json",
        "shared:devices.json",
        "local:offset.json",
    ];

    fn contents() -> Vec<String> {
        vec![
            String::new(),
            "\0\0\0\0".into(),
            "{".into(),
            "{}".into(),
            "[]".into(),
            state("h:/a", START, 7),
            state("h:/b", START - 500_000, 9),
            state("h:/b", START + 500_000, i64::MAX),
            device("h:/a", "h", START),
            device("h:/b", "m2", START - 100_000_000),
            r#"{"lastUpdateId":-9223372036854775808,"activeDevice":null}"#.into(),
        ]
    }

    fn happening() -> impl Strategy<Value = Happening> {
        let path = 0..PATHS.len();
        let error = prop::sample::select(vec![
            FsError::NoSpace,
            FsError::NotFound,
            FsError::NotLocal,
            FsError::Refused,
            FsError::Unavailable,
        ]);
        let target = prop::sample::select(vec!["h:/a", "h:/b", "h:/nowhere", ""]);
        let command = prop_oneof![
            target.clone().prop_map(|device| Command::Activate { device: device.into() }),
            target.prop_map(|device| Command::Remove { device: device.into() }),
            Just(Command::Cleanup),
        ];
        prop_oneof![
            6 => (0_u64..120_000).prop_map(Happening::Pass),
            6 => (0_i64..4).prop_map(Happening::Answer),
            2 => command.prop_map(Happening::Command),
            2 => (path.clone(), 0..contents().len()).prop_map(|(at, what)| Happening::Arrives(at, what)),
            1 => any::<i64>().prop_map(Happening::SetWall),
            1 => (-90_000_000_i64..90_000_000).prop_map(Happening::SetWall),
            1 => any::<u8>().prop_map(Happening::Draw),
            1 => (0_i64..4).prop_map(Happening::Stray),
            1 => path.clone().prop_map(Happening::Vanishes),
            1 => (path.clone(), error.clone()).prop_map(|(at, error)| Happening::Unreadable(at, error)),
            1 => (path, error).prop_map(|(at, error)| Happening::Unwritable(at, error)),
            1 => Just(Happening::Healed),
            1 => Just(Happening::Restart),
        ]
    }

    fn path(at: usize) -> Path {
        PATHS[at].parse().unwrap()
    }

    fn updates(offset: i64, count: i64, sent: i64) -> Vec<(i64, i64)> {
        (0..count).map(|n| (offset.saturating_add(n), sent)).collect()
    }

    fn happen(bench: &mut Bench, happening: Happening) {
        match happening {
            Happening::Pass(ms) => bench.pass(ms),
            Happening::SetWall(ms) => bench.set_wall(ms),
            Happening::Draw(part) => bench.draw = Draw::Fraction(part),
            Happening::Answer(count) => match bench.outstanding().cloned() {
                None => {}
                Some(Call::Kill { .. }) => bench.reply(Reply::Killed { found: count > 1 }),
                Some(Call::Handle { update, .. }) if count == 0 => {
                    bench.reply(Reply::Refused { id: update.id });
                }
                Some(Call::Handle { update, .. }) => bench.reply(Reply::Handled { id: update.id }),
                Some(Call::GetUpdates { offset, .. }) => {
                    bench.updates(&updates(offset, count, bench.now.wall.0));
                }
            },
            Happening::Stray(id) => {
                // No phase takes one of these for its own: ids of updates here are over 4 or negative.
                bench.feed(Input::Reply(Reply::Refused { id: i64::MIN + 100 + id }));
                bench.feed(Input::Timer);
                bench.feed(Input::Changed);
            }
            Happening::Command(command) => bench.command(command),
            Happening::Arrives(at, what) => {
                bench.files.files.insert(path(at), contents()[what].as_str().into());
            }
            Happening::Vanishes(at) => drop(bench.files.files.remove(&path(at))),
            Happening::Unreadable(at, error) => drop(bench.files.unreadable.insert(path(at), error)),
            Happening::Unwritable(at, error) => drop(bench.files.unwritable.insert(path(at), error)),
            Happening::Healed => {
                bench.files.unreadable.clear();
                bench.files.unwritable.clear();
            }
            Happening::Restart => bench.restart(),
        }
    }

    proptest! {
        /// The bench itself checks that no op is asked for twice at once and that one call is out at most.
        #[test]
        fn whatever_happens_a_replica_sleeps_or_waits_for_an_answer(
            upstream: bool, happenings in prop::collection::vec(happening(), 0..60),
        ) {
            let mut bench = if upstream { Bench::upstream(Files::default()) } else { Bench::document(Files::default()) };
            for happening in happenings {
                happen(&mut bench, happening);
                prop_assert!(bench.outstanding().is_some() || bench.replica_wakes_at() < u64::MAX);
            }
        }

        /// Once all can be read and written, somebody is active: here the only one.
        #[test]
        fn a_lone_replica_becomes_active_once_its_faults_end(
            upstream: bool, happenings in prop::collection::vec(happening(), 0..30),
        ) {
            let mut bench = if upstream { Bench::upstream(Files::default()) } else { Bench::document(Files::default()) };
            for happening in happenings {
                happen(&mut bench, happening);
            }
            happen(&mut bench, Happening::Healed);
            // A torn state stops it for good, and a heartbeat from the future for as long as it takes.
            bench.files = bench.files.clone().with("shared:state.json", state("h:/gone", 0, 7));
            bench.now.wall = crate::WallMs(START);
            for _ in 0..400 {
                happen(&mut bench, Happening::Answer(1));
                bench.pass(1_000);
            }
            prop_assert!(bench.is_active());
        }
    }
}
