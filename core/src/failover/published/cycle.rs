//! One turn of the loop: who is active, the heartbeats that are due, old files; then sleep or work.

use std::sync::Arc;

use super::{ActiveBecause, Context, Phase, Published, later, unwritten, write_state};
use crate::failover::records::{DeviceRecord, ProblemKind, STATE};
use crate::failover::{
    Config, Event, OffsetKept, StandbyBecause, TimersOnChange, UpdatesBeforeActivation, device,
};
use crate::{FsError, FsOp, WallMs};

/// What a look at the state says.
enum Seen {
    /// This replica is named. The age of its own heartbeat is not looked at: a replica that slept through its
    /// own succession finds itself named until the other's write arrives, and writes over it.
    Me { last_update_id: i64 },
    /// Another one is, with a heartbeat young enough on this wall clock.
    Another,
    /// Nobody is, or another one whose heartbeat is older than the limit *on this wall clock*.
    Stale { leader: Option<Arc<str>>, silent_ms: Option<i64> },
}

impl Published {
    /// Begins a turn.
    pub(super) fn turn(&mut self, config: &Config, cx: &mut Context<'_>) {
        let since = cx.now().wall;
        if self.local_only {
            self.become_active(ActiveBecause::LocalOnly, None, since, config, cx);
            self.poll(config, cx);
            return;
        }
        let stale_ms = config.timing.stale_ms;
        let seen = self.look(cx, |state| match &state.active_device {
            Some(id) if config.identity.is(id) => Seen::Me { last_update_id: state.last_update_id },
            Some(id) => {
                let silent_ms = since.since(state.active_device_heartbeat);
                if over(silent_ms, stale_ms) {
                    Seen::Stale { leader: Some(id.clone()), silent_ms: Some(silent_ms) }
                } else {
                    Seen::Another
                }
            }
            None => Seen::Stale { leader: None, silent_ms: None },
        });
        match seen {
            Some(Seen::Another) => self.stand_by(StandbyBecause::FoundAnotherNamed, since, config, cx),
            Some(Seen::Me { last_update_id }) => {
                let because = ActiveBecause::FoundItselfNamed;
                self.become_active(because, Some(last_update_id), since, config, cx);
                self.device_beat(since, config, cx);
            }
            Some(Seen::Stale { leader, silent_ms }) => {
                cx.event(Event::Suspected { leader, silent_ms });
                self.wait_to_claim(since, config, cx);
            }
            // Unreadable is neither fresh nor stale: nobody ever claims while it lasts.
            None => self.stand_by(StandbyBecause::StateUnreadable, since, config, cx),
        }
    }

    /// Notes that it is active. `shared_id` is the last update's id in the state that made it so.
    pub(super) fn become_active(
        &mut self,
        because: ActiveBecause,
        shared_id: Option<i64>,
        since: WallMs,
        config: &Config,
        cx: &mut Context<'_>,
    ) {
        if self.active {
            return;
        }
        self.active = true;
        cx.event(Event::BecameActive { because });
        if let (OffsetKept::Shared, Some(id)) = (config.offset_kept, shared_id) {
            self.last_update_id = id;
            self.unsaved = false;
        }
        if config.updates_before_activation == UpdatesBeforeActivation::Drop {
            self.active_since = Some(since);
        }
        if config.timers_on_change == TimersOnChange::Restart {
            self.due.device = later(since, config.timing.device_heartbeat_active.draw(cx.rng()));
            self.due.active = later(since, config.timing.active_heartbeat.draw(cx.rng()));
        }
    }

    /// Notes that it is standby and goes on with the turn.
    pub(super) fn stand_by(
        &mut self,
        because: StandbyBecause,
        since: WallMs,
        config: &Config,
        cx: &mut Context<'_>,
    ) {
        if self.active {
            self.active = false;
            self.active_since = None;
            cx.event(Event::BecameStandby { because });
            if config.timers_on_change == TimersOnChange::Restart {
                self.due.device = later(since, config.timing.device_heartbeat.draw(cx.rng()));
            }
        }
        self.device_beat(since, config, cx);
    }

    /// Writes its own file where that is due.
    pub(super) fn device_beat(&mut self, since: WallMs, config: &Config, cx: &mut Context<'_>) {
        if since < self.due.device {
            self.active_beat(since, config, cx);
            return;
        }
        let id = config.identity.device_id();
        let path = device::published_path(&id, config.colon);
        let read = match cx.read(&path) {
            Ok(content) => match &*content.parsed(DeviceRecord::parse) {
                Ok(record) => Ok(record.clone()),
                Err(malformed) => Err(ProblemKind::Corrupt(*malformed)),
            },
            Err(error) => Err(ProblemKind::Unreadable(error)),
        };
        let mut record = read.unwrap_or_else(|kind| {
            cx.event(Event::ProblemFound { path: path.clone(), kind });
            // The original knows no more here than the id: the thread is forgotten, and of a directory with a
            // colon only the part before it stays.
            DeviceRecord {
                thread_id: None,
                last_seen: WallMs(0),
                hostname: config.identity.host.as_str().into(),
                directory: id.split(':').nth(1).unwrap_or("").into(),
                process_id: Some(config.process_id),
                rest: serde_json::Map::new(),
                name: id,
            }
        });
        // Only the time is changed: where two devices share a file, each keeps the other's name alive.
        record.last_seen = cx.now().wall;
        cx.op(FsOp::Overwrite { path, content: record.serialise() });
        self.phase = Phase::DeviceBeat { since };
    }

    pub(super) fn device_beaten(
        &mut self,
        result: Result<(), FsError>,
        since: WallMs,
        config: &Config,
        cx: &mut Context<'_>,
    ) {
        let path = device::published_path(&config.identity.device_id(), config.colon);
        match result {
            Ok(()) => cx.event(Event::HeartbeatWritten { path }),
            Err(error) => unwritten(path, error, cx),
        }
        let timing = &config.timing;
        let every = if self.active { timing.device_heartbeat_active } else { timing.device_heartbeat };
        self.due.device = later(since, every.draw(cx.rng()));
        self.active_beat(since, config, cx);
    }

    /// Writes its heartbeat into the state, where it is active, that is due, and it is still named.
    fn active_beat(&mut self, since: WallMs, config: &Config, cx: &mut Context<'_>) {
        if self.active && since >= self.due.active {
            let named = self.look(cx, |state| {
                let me = state.active_device.clone().filter(|id| config.identity.is(id))?;
                Some((state.clone(), me))
            });
            if let Some(Some((mut state, me))) = named {
                state.active_device_heartbeat = cx.now().wall;
                write_state(state, me, cx);
                self.phase = Phase::ActiveBeat { since };
                return;
            }
            self.due.active = later(since, config.timing.active_heartbeat.draw(cx.rng()));
        }
        self.clean(since, config, cx);
    }

    pub(super) fn active_beaten(
        &mut self,
        result: Result<(), FsError>,
        since: WallMs,
        config: &Config,
        cx: &mut Context<'_>,
    ) {
        match result {
            Ok(()) => cx.event(Event::HeartbeatWritten { path: STATE.clone() }),
            Err(error) => unwritten(STATE.clone(), error, cx),
        }
        self.due.active = later(since, config.timing.active_heartbeat.draw(cx.rng()));
        self.clean(since, config, cx);
    }

    /// Removes old files, where it is active and that is due.
    fn clean(&mut self, since: WallMs, config: &Config, cx: &mut Context<'_>) {
        if self.active && since >= self.due.cleanup {
            self.due.cleanup = later(since, config.timing.cleanup_every_ms);
            self.start_cleanup(config, cx);
            if self.errand.is_some() {
                self.phase = Phase::Cleaning;
                return;
            }
        }
        self.end_turn(config, cx);
    }

    /// Works where it is active, and sleeps where not.
    pub(super) fn end_turn(&mut self, config: &Config, cx: &mut Context<'_>) {
        if self.active {
            self.poll(config, cx);
        } else {
            let ms = config.timing.standby_check.draw(cx.rng());
            self.sleep(ms, cx);
        }
    }
}

/// Whether an age is over a limit; an age from the future never is.
pub(super) fn over(age_ms: i64, limit_ms: u64) -> bool {
    age_ms > i64::try_from(limit_ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use crate::failover::testing::{Bench, Files, START, device, identity, state};
    use crate::failover::{Command, Config, Event, Failover, device as names};
    use crate::{Draw, Driver, FsError, Input, Mono, Now, Path, WallMs};

    fn live(directory: &str) -> Bench {
        Bench::document(Files::default().with("shared:state.json", state(directory, START, 0)))
    }

    #[test]
    fn the_first_start_in_an_empty_folder_claims_at_once() {
        let mut bench = Bench::document(Files::default());
        bench.pass(2_000);
        insta::assert_snapshot!(bench.take(), @"
          0 {event:started,fallback:false}
          0 overwrite shared:state.json { activeDevice: null, activeDeviceHeartbeat: 0, lastUpdateId: 0, lastModified: 1000000, modifiedBy: system }
          0 overwrite shared:devices/h:-a.json { name: h:/a, threadId: null, lastSeen: 1000000, hostname: h, directory: /a, pid: 1 }
          0 {event:heartbeat-written,path:shared:devices/h:-a.json}
          0 {event:suspected,leader:null,silent_ms:null}
          0 {event:claim-started,jitter_ms:0}
          0 overwrite shared:state.json { activeDevice: h:/a, activeDeviceHeartbeat: 1000000, lastUpdateId: 0, lastModified: 1000000, modifiedBy: h:/a }
          0 {event:claim-written}
        500 {event:became-active,because:won-claim}
        500 GetUpdates { offset: 1, wait_ms: 0 }
        ");
        assert!(bench.is_active());
        assert_eq!(bench.replica().leader(), Some("h:/a"));
    }

    #[test]
    fn a_standby_that_sees_a_fresh_leader_does_nothing() {
        let mut bench = live("h:/b");
        bench.forget().pass(29_000);
        assert_eq!(bench.take(), "");
        assert!(!bench.is_active());
        assert_eq!(bench.replica().leader(), Some("h:/b"));
        bench.pass(1_000);
        insta::assert_snapshot!(bench.take(), @"
        30000 overwrite shared:devices/h:-a.json { name: h:/a, threadId: null, lastSeen: 1030000, hostname: h, directory: /a, pid: 1 }
        30000 {event:heartbeat-written,path:shared:devices/h:-a.json}
        ");
    }

    #[test]
    fn checks_are_five_to_eight_seconds_apart() {
        let mut bench = live("h:/b");
        assert_eq!(bench.replica_wakes_at(), 5_000);
        bench.draw = Draw::Fraction(255);
        bench.wake();
        assert_eq!(bench.replica_wakes_at(), 13_000);
    }

    #[test]
    fn the_active_one_writes_both_heartbeats() {
        let mut bench = live("h:/a");
        bench.updates(&[]);
        bench.pass(1_000);
        bench.forget().pass(29_000);
        bench.updates(&[]);
        bench.pass(1_000);
        insta::assert_snapshot!(bench.take(), @"
        31000 overwrite shared:devices/h:-a.json { name: h:/a, threadId: null, lastSeen: 1031000, hostname: h, directory: /a, pid: 1 }
        31000 {event:heartbeat-written,path:shared:devices/h:-a.json}
        31000 overwrite shared:state.json { activeDevice: h:/a, activeDeviceHeartbeat: 1031000, lastUpdateId: 0, lastModified: 1031000, modifiedBy: h:/a }
        31000 {event:heartbeat-written,path:shared:state.json}
        31000 GetUpdates { offset: 1, wait_ms: 0 }
        ");
    }

    /// C2: the age of its own heartbeat is not looked at, and the first thing it does is write over its successor.
    #[test]
    fn a_replica_that_slept_through_its_succession_takes_itself_for_active() {
        let mut bench = live("h:/a");
        bench.updates(&[]);
        bench.set_wall(1_000_000);
        bench.forget().wake();
        insta::assert_snapshot!(bench.take(), @"
        1000 overwrite shared:devices/h:-a.json { name: h:/a, threadId: null, lastSeen: 2001000, hostname: h, directory: /a, pid: 1 }
        1000 {event:heartbeat-written,path:shared:devices/h:-a.json}
        1000 overwrite shared:state.json { activeDevice: h:/a, activeDeviceHeartbeat: 2001000, lastUpdateId: 0, lastModified: 2001000, modifiedBy: h:/a }
        1000 {event:heartbeat-written,path:shared:state.json}
        1000 GetUpdates { offset: 1, wait_ms: 0 }
        ");
        assert!(bench.is_active());
    }

    /// C3: the age of a heartbeat is taken on the reader's own wall clock.
    #[test]
    fn a_slow_clock_elsewhere_makes_a_healthy_leader_look_gone() {
        let mut bench =
            Bench::document(Files::default().with("shared:state.json", state("h:/b", START - 90_001, 0)));
        insta::assert_snapshot!(bench.take(), @"
        0 {event:started,fallback:false}
        0 overwrite shared:devices/h:-a.json { name: h:/a, threadId: null, lastSeen: 1000000, hostname: h, directory: /a, pid: 1 }
        0 {event:heartbeat-written,path:shared:devices/h:-a.json}
        0 {event:suspected,leader:h:/b,silent_ms:90001}
        0 {event:claim-started,jitter_ms:0}
        ");
        let fast = Files::default().with("shared:state.json", state("h:/b", START + 3_600_000, 0));
        let mut bench = Bench::document(fast);
        bench.forget().pass(25_000);
        assert_eq!(bench.take(), "", "a leader whose clock is an hour ahead stays fresh long after it died");
    }

    /// C5: deadlines are compared with the wall clock.
    #[test]
    fn a_clock_set_back_keeps_a_healthy_leader_silent() {
        let mut bench = live("h:/a");
        bench.forget().set_wall(-600_000);
        for _ in 0..620 {
            bench.updates(&[]);
            bench.pass(1_000);
        }
        assert!(bench.is_active());
        assert!(!bench.take_but_polls().contains("overwrite"), "no heartbeat for ten minutes");
        for _ in 0..20 {
            bench.updates(&[]);
            bench.pass(1_000);
        }
        assert!(bench.take_but_polls().contains("overwrite shared:state.json"));
    }

    /// C6: nobody judges a state that nobody can read, nobody repairs it, and a start asks only whether it is there.
    #[test]
    fn a_torn_state_stops_everybody_for_good() {
        for torn in ["", "{\n  \"activeDevice\": \"h", "\0\0\0\0"] {
            let mut bench = Bench::document(Files::default().with("shared:state.json", torn));
            bench.pass(25_000);
            bench.activate("h:/a");
            bench.pass(3_600_000);
            let transcript = bench.take();
            assert!(!bench.is_active());
            assert!(!transcript.contains("overwrite shared:state.json"), "{transcript}");
            assert_eq!(transcript.matches("path:shared:state.json").count(), 1, "told once: {transcript}");
            assert!(transcript.contains("ActivationRefused") || transcript.contains("state-unreadable"));
        }
    }

    #[test]
    fn an_active_one_that_cannot_read_the_state_stands_by() {
        let mut bench = live("h:/a");
        bench.updates(&[]);
        bench.files.unreadable.insert(Path::shared("state.json"), FsError::NotLocal);
        bench.forget().pass(10_000);
        bench.files.unreadable.clear();
        bench.pass(5_000);
        insta::assert_snapshot!(bench.take(), @"
         1000 {event:problem-found,path:shared:state.json,kind:{unreadable:not-local}}
         1000 {event:became-standby,because:state-unreadable}
        11000 {event:became-active,because:found-itself-named}
        11000 GetUpdates { offset: 1, wait_ms: 0 }
        ");
    }

    /// C7: a start cannot tell "not there" from "not arrived".
    #[test]
    fn a_start_before_the_state_arrived_writes_a_new_one() {
        let bench = Bench::document(Files::default());
        assert_eq!(bench.files.text("shared:state.json").matches("null").count(), 1);
        let mut evicted = Files::default().with("shared:state.json", state("h:/b", START, 0));
        evicted.unreadable.insert(Path::shared("state.json"), FsError::NotLocal);
        let mut bench = Bench::document(evicted);
        assert!(!bench.take().contains("overwrite shared:state.json"), "evicted is there");
    }

    #[test]
    fn a_corrupt_own_file_is_recreated_from_the_id() {
        let mut config = Config::document(identity("/a:b"));
        config.thread_id = Some(7);
        let files = Files::default().with("shared:state.json", state("h:/b", START, 0));
        let mut bench = Bench::start(config, files);
        bench.files = bench.files.clone().with("shared:devices/h:-a:b.json", "{");
        bench.forget().pass(30_000);
        insta::assert_snapshot!(bench.take(), @"
        30000 {event:problem-found,path:shared:devices/h:-a:b.json,kind:{corrupt:not-json}}
        30000 overwrite shared:devices/h:-a:b.json { name: h:/a:b, threadId: null, lastSeen: 1030000, hostname: h, directory: /a, pid: 1 }
        30000 {event:heartbeat-written,path:shared:devices/h:-a:b.json}
        ");
    }

    /// C9: two devices, one file. Each heartbeat of one keeps the other's name alive.
    #[test]
    fn devices_with_one_file_name_keep_each_others_name_alive() {
        let files = Files::default().with("shared:state.json", state("h:/x", START, 0));
        let mut bench = Bench::start(Config::document(identity("/a b")), files);
        bench.files = bench.files.clone().with("shared:devices/h:-a-b.json", device("h:/a-b", "h", START));
        bench.forget().pass(30_000);
        insta::assert_snapshot!(bench.take(), @"
        30000 overwrite shared:devices/h:-a-b.json { name: h:/a-b, threadId: 3, lastSeen: 1030000, hostname: h, directory: /, pid: 4242 }
        30000 {event:heartbeat-written,path:shared:devices/h:-a-b.json}
        ");
        let found =
            crate::failover::status(&bench.files, bench.now.wall, &bench.config.timing, Some("h:/a b"));
        assert!(found.devices.iter().all(|device| !device.me), "the one that runs is not listed");
    }

    #[test]
    fn the_old_layout_is_migrated_by_registering() {
        let files = Files::default()
            .with("shared:state.json", state("h:/b", START, 0))
            .with("shared:devices.json", r#"{"h:/a":{"lastSeen":1},"h:/b":{"lastSeen":2}}"#);
        let mut bench = Bench::document(files);
        insta::assert_snapshot!(bench.take(), @"
        0 {event:started,fallback:false}
        0 {event:migrated,listed:2,found_itself:true}
        0 overwrite shared:devices/h:-a.json { name: h:/a, threadId: null, lastSeen: 1000000, hostname: h, directory: /a, pid: 1 }
        0 {event:heartbeat-written,path:shared:devices/h:-a.json}
        ");
        let before = bench.files.clone();
        let mut again = Bench::document(before);
        assert!(!again.take().contains("migrated"), "once is enough");
    }

    /// C19: without the folder it asks nobody, and it never looks again.
    #[test]
    fn a_start_without_the_folder_is_active_for_good() {
        let mut files = Files::default().with("local:offset.json", r#"{"lastUpdateId":40}"#);
        files.unreadable.insert(Path::shared(""), FsError::Unavailable);
        let mut bench = Bench::document(files);
        bench.pass(0);
        bench.updates(&[(41, START)]);
        bench.reply(crate::failover::Reply::Handled { id: 41 });
        bench.activate("h:/a");
        bench.command(Command::Remove { device: "h:/a".into() });
        insta::assert_snapshot!(bench.take(), @"
        0 {event:started,fallback:true}
        0 {event:fell-back,error:unavailable}
        0 {event:became-active,because:local-only}
        0 GetUpdates { offset: 41, wait_ms: 0 }
        0 overwrite local:offset.json { lastUpdateId: 41 }
        0 {event:last-update-id-written,id:41,path:local:offset.json}
        0 Handle { update: Update { id: 41, sent: WallMs(1000000) }, term: 0 }
        0 {event:update-handled,id:41,term:0}
        0 {event:activation-refused,target:h:/a,because:local-only}
        0 {event:removal-refused,device:h:/a,because:local-only}
        ");
        bench.files.unreadable.clear();
        bench.files = bench.files.clone().with("shared:state.json", state("h:/b", START, 99));
        bench.pass(1_000);
        assert!(bench.is_active() && bench.replica().is_local_only());
    }

    #[test]
    fn a_start_that_cannot_write_falls_back() {
        let mut files = Files::default();
        files.unwritable.insert(Path::shared("devices/h:-a.json"), FsError::NoSpace);
        let mut bench = Bench::document(files);
        assert!(bench.replica().is_local_only());
        assert!(bench.take().contains("{event:fell-back,error:no-space}"));
    }

    #[test]
    fn a_full_disk_is_told_and_survived() {
        let mut bench = live("h:/a");
        bench.updates(&[]);
        for path in ["shared:devices/h:-a.json", "shared:state.json"] {
            bench.files.unwritable.insert(path.parse().unwrap(), FsError::NoSpace);
        }
        bench.now.wall = WallMs(START + 40_000);
        bench.forget().wake();
        insta::assert_snapshot!(bench.take(), @"
        1000 overwrite shared:devices/h:-a.json { name: h:/a, threadId: null, lastSeen: 1041000, hostname: h, directory: /a, pid: 1 }: no space is left
        1000 {event:problem-found,path:shared:devices/h:-a.json,kind:{unwritten:no-space}}
        1000 overwrite shared:state.json { activeDevice: h:/a, activeDeviceHeartbeat: 1041000, lastUpdateId: 0, lastModified: 1041000, modifiedBy: h:/a }: no space is left
        1000 {event:problem-found,path:shared:state.json,kind:{unwritten:no-space}}
        1000 GetUpdates { offset: 1, wait_ms: 0 }
        ");
    }

    /// Upstream restarts its timers when it becomes active and writes its own file seldom while standby.
    #[test]
    fn upstream_beats_seldom_while_standby_and_often_while_active() {
        let files = Files::default().with("shared:state.json", state("h:/b", START + 400_000, 0));
        let mut bench = Bench::upstream(files);
        bench.forget().pass(299_000);
        assert_eq!(bench.take(), "");
        bench.pass(1_000);
        assert!(bench.take().contains("overwrite shared:devices/h--a.json"));
        let named = state("h:/a", START + 300_000, 0);
        bench.files = bench.files.clone().with("shared:state.json", named);
        bench.pass(5_000);
        insta::assert_snapshot!(bench.take(), @"
        305000 {event:became-active,because:found-itself-named}
        305000 GetUpdates { offset: 1, wait_ms: 30000 }
        ");
        bench.updates(&[]);
        bench.now.wall = bench.now.wall.plus(30_000);
        bench.wake();
        let transcript = bench.take();
        assert!(transcript.contains("overwrite shared:devices/h--a.json"), "{transcript}");
        assert!(transcript.contains("overwrite shared:state.json"), "{transcript}");
    }

    #[test]
    fn an_early_timer_and_a_stray_answer_change_nothing() {
        let mut bench = live("h:/b");
        let before = bench.replica().clone();
        bench.forget().feed(Input::Timer);
        bench.feed(Input::Changed);
        bench.feed(Input::Reply(crate::failover::Reply::Handled { id: 3 }));
        bench.feed(Input::Reply(crate::failover::Reply::Killed { found: true }));
        assert_eq!((bench.take().as_str(), bench.replica()), ("", &before));
    }

    #[test]
    fn the_state_of_a_replica_stays_small() {
        assert!(size_of::<Failover>() <= 192, "{} bytes", size_of::<Failover>());
    }

    #[test]
    fn a_hundred_thousand_checks_of_a_fresh_leader_leave_no_trace() {
        let config = Config::document(identity("/a"));
        let files = Files::default().with("shared:state.json", state("h:/b", i64::MAX, 0)).with(
            &names::published_path("h:/a", crate::failover::Colon::Keep).to_string(),
            device("h:/a", "h", START),
        );
        let mut events: Vec<Event> = Vec::new();
        let now = |ms: u64| Now { mono: Mono(ms), wall: WallMs(START) };
        let mut driver = Driver::<Failover>::open(&config, now(0), Draw::Seed(0), &files, &mut events);
        while driver.pending_op().is_some() {
            driver.applied(&config, Ok(()), now(0), Draw::Seed(0), &files, &mut events);
        }
        events.clear();
        for seed in 0..100_000 {
            let at = driver.wake_at().unwrap();
            driver.feed(&config, Input::Timer, now(at.0), Draw::Seed(seed), &files, &mut events);
        }
        assert!(events.is_empty() && driver.pending_op().is_none());
        assert!(!driver.protocol().is_active(now(0)));
    }
}
