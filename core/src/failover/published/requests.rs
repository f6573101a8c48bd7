//! Errands: what people ask for, and the removal of files. They happen between two moments of the loop and leave
//! its phase as it is.

use std::collections::VecDeque;
use std::sync::Arc;

use super::cycle::over;
use super::{Context, Phase, Published, unwritten, write_state};
use crate::failover::records::{self, Listed, STATE, StateRecord};
use crate::failover::{Call, Command, Config, Event, RefusedBecause, StaleTargets, device};
use crate::{FsError, FsOp, Path};

/// What waits for an op or an answer beside the loop.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Errand {
    /// Writes another device in as active.
    Activating { target: Arc<str> },
    /// Removes files one by one: for each a batch of its own, since one that fails must not keep the others.
    Removing { device: Arc<str>, then: VecDeque<Arc<str>> },
    /// Waits until a process has ended.
    Killing { device: Arc<str>, listed_host: Arc<str>, process_id: u32 },
}

impl Published {
    /// Serves what was asked and can be done now: nothing while an op is pending, and no second call beside one
    /// that is out.
    pub(super) fn serve(&mut self, config: &Config, cx: &mut Context<'_>) {
        while self.errand.is_none() && !self.phase.awaits_op() {
            let calls = |command: &Command| matches!(command, Command::Remove { .. });
            let busy = self.phase.awaits_reply();
            let Some(at) = self.waiting.iter().position(|command| !(busy && calls(command))) else { return };
            match self.waiting.remove(at).expect("the position was just found") {
                Command::Activate { device } => self.activate(device.into(), config, cx),
                Command::Cleanup if !self.local_only => self.start_cleanup(config, cx),
                // This design knows none of them; a process of it just ends.
                Command::Accept | Command::Cleanup | Command::Leave | Command::Voters { .. } => {}
                Command::Remove { device } => self.remove(device.into(), config, cx),
            }
        }
    }

    fn activate(&mut self, target: Arc<str>, config: &Config, cx: &mut Context<'_>) {
        let wall = cx.now().wall;
        let refused = if self.local_only {
            Some(RefusedBecause::LocalOnly)
        } else {
            match read_devices(cx).remove(&target) {
                None => Some(RefusedBecause::Unknown),
                Some(listed) if config.stale_targets == StaleTargets::Refuse => {
                    let active = self.look(cx, |state| state.active_device.as_ref() == Some(&target));
                    let timing = &config.timing;
                    let limit_ms =
                        if active == Some(true) { timing.stale_ms } else { timing.standby_stale_ms };
                    over(wall.since(listed.record.last_seen), limit_ms).then_some(RefusedBecause::Stale)
                }
                Some(_) => None,
            }
        };
        let state = match refused {
            Some(because) => Err(because),
            None => self.look(cx, StateRecord::clone).ok_or(RefusedBecause::StateUnreadable),
        };
        match state {
            Err(because) => cx.event(Event::ActivationRefused { target, because }),
            Ok(mut state) => {
                state.active_device = Some(target.clone());
                state.active_device_heartbeat = wall;
                write_state(state, target.clone(), cx);
                self.errand = Some(Box::new(Errand::Activating { target }));
            }
        }
    }

    /// Begins to remove the files of devices not seen for long. Which file that is follows from the *name in the
    /// file*: where a conflict copy stands for the device, the live file goes and the copy stays.
    pub(super) fn start_cleanup(&mut self, config: &Config, cx: &mut Context<'_>) {
        let wall = cx.now().wall;
        let unseen_ms = config.timing.device_unseen_ms;
        let mut doomed: VecDeque<_> = read_devices(cx)
            .into_iter()
            .filter(|(_, listed)| over(wall.since(listed.record.last_seen), unseen_ms))
            .map(|(name, _)| name)
            .collect();
        if let Some(device) = doomed.pop_front() {
            self.unlink(device, doomed, config, cx);
        }
    }

    /// Ends a device's process on *this* machine, wherever it runs, then removes its file.
    fn remove(&mut self, device: Arc<str>, config: &Config, cx: &mut Context<'_>) {
        let listed = if self.local_only { None } else { read_devices(cx).remove(&device) };
        match listed {
            None => {
                let because =
                    if self.local_only { RefusedBecause::LocalOnly } else { RefusedBecause::Unknown };
                cx.event(Event::RemovalRefused { device, because });
            }
            Some(Listed { record, .. }) => match record.process_id {
                Some(process_id) => {
                    cx.call(Call::Kill { process_id });
                    let listed_host = record.hostname;
                    self.errand = Some(Box::new(Errand::Killing { device, listed_host, process_id }));
                }
                None => self.unlink(device, VecDeque::new(), config, cx),
            },
        }
    }

    pub(super) fn killed(&mut self, found: bool, config: &Config, cx: &mut Context<'_>) {
        let Some(Errand::Killing { device, listed_host, process_id }) = self.errand.as_deref().cloned()
        else {
            return;
        };
        if found {
            let own_host = config.identity.host.as_str().into();
            cx.event(Event::ProcessKilled { process_id, listed_host, own_host });
        }
        self.unlink(device, VecDeque::new(), config, cx);
    }

    fn unlink(&mut self, device: Arc<str>, then: VecDeque<Arc<str>>, config: &Config, cx: &mut Context<'_>) {
        cx.op(FsOp::Remove { path: device::published_path(&device, config.colon) });
        self.errand = Some(Box::new(Errand::Removing { device, then }));
    }

    /// Goes on after an errand's op; with the loop where the errand was the loop's own.
    pub(super) fn errand_written(
        &mut self,
        result: Result<(), FsError>,
        config: &Config,
        cx: &mut Context<'_>,
    ) {
        let errand = self.errand.take().expect("the caller saw an errand");
        match (*errand, result) {
            (Errand::Activating { target }, Ok(())) => cx.event(Event::ActivationWritten { target }),
            (Errand::Activating { target }, Err(error)) => {
                unwritten(STATE.clone(), error, cx);
                let because = RefusedBecause::StateUnwritten;
                cx.event(Event::ActivationRefused { target, because });
            }
            (Errand::Removing { device, mut then }, result) => {
                let path = device::published_path(&device, config.colon);
                match result {
                    Ok(()) => cx.event(Event::DeviceRemoved { path, device }),
                    Err(error) => unwritten(path, error, cx),
                }
                if let Some(device) = then.pop_front() {
                    self.unlink(device, then, config, cx);
                    return;
                }
            }
            (Errand::Killing { .. }, _) => unreachable!("a process is ended by a call, not by an op"),
        }
        if self.phase == Phase::Cleaning {
            self.end_turn(config, cx);
        }
    }
}

/// Reads all device files and tells what is wrong with them.
fn read_devices(cx: &mut Context<'_>) -> std::collections::BTreeMap<Arc<str>, Listed> {
    let mut problems: Vec<(Path, _)> = Vec::new();
    let devices = records::read_devices(cx.fs(), u64::MAX, |path, kind| problems.push((path.clone(), kind)));
    for (path, kind) in problems {
        cx.event(Event::ProblemFound { path, kind });
    }
    devices
}

#[cfg(test)]
mod tests {
    use crate::failover::testing::{Bench, Files, START, device, state};
    use crate::failover::{Command, Reply};
    use crate::{FsError, Path};

    const DAY: i64 = 24 * 60 * 60 * 1_000;

    fn folder() -> Files {
        Files::default()
            .with("shared:state.json", state("h:/b", START, 7))
            .with("shared:devices/h:-b.json", device("h:/b", "h", START))
            .with("shared:devices/m2:-c.json", device("m2:/c", "m2", START - 440_000))
    }

    fn remove(bench: &mut Bench, device: &str) {
        bench.command(Command::Remove { device: device.into() });
    }

    /// C14: the target need not be awake, and the old one steps down at once.
    #[test]
    fn any_replica_activates_any_listed_device() {
        let mut bench = Bench::document(folder());
        bench.forget().activate("m2:/c");
        insta::assert_snapshot!(bench.take(), @"
        0 overwrite shared:state.json { activeDevice: m2:/c, activeDeviceHeartbeat: 1000000, lastUpdateId: 7, lastModified: 1000000, modifiedBy: m2:/c }
        0 {event:activation-written,target:m2:/c}
        ");
        bench.activate("h:/a");
        bench.pass(5_000);
        assert!(bench.is_active());
        bench.activate("h:/b");
        bench.updates(&[]);
        bench.pass(1_000);
        assert!(!bench.is_active());
    }

    #[test]
    fn an_activation_that_cannot_be_is_refused() {
        let mut bench = Bench::document(folder());
        bench.forget().activate("h:/nowhere");
        bench.files.unwritable.insert(Path::shared("state.json"), FsError::NoSpace);
        bench.activate("m2:/c");
        bench.files.unreadable.insert(Path::shared("state.json"), FsError::NotLocal);
        bench.activate("m2:/c");
        insta::assert_snapshot!(bench.take(), @"
        0 {event:activation-refused,target:h:/nowhere,because:unknown}
        0 overwrite shared:state.json { activeDevice: m2:/c, activeDeviceHeartbeat: 1000000, lastUpdateId: 7, lastModified: 1000000, modifiedBy: m2:/c }: no space is left
        0 {event:problem-found,path:shared:state.json,kind:{unwritten:no-space}}
        0 {event:activation-refused,target:m2:/c,because:state-unwritten}
        0 {event:problem-found,path:shared:state.json,kind:{unreadable:not-local}}
        0 {event:activation-refused,target:m2:/c,because:state-unreadable}
        ");
    }

    #[test]
    fn upstream_refuses_targets_that_were_not_seen_for_long() {
        let files = Files::default()
            .with("shared:state.json", state("m2:/c", START, 7))
            .with("shared:devices/h--b.json", device("h:/b", "h", START - 450_000))
            .with("shared:devices/h--d.json", device("h:/d", "h", START - 450_001))
            .with("shared:devices/m2--c.json", device("m2:/c", "m2", START - 120_001));
        let mut bench = Bench::upstream(files);
        for target in ["h:/d", "m2:/c", "h:/b"] {
            bench.forget().activate(target);
            let refused = bench.take().contains("because:stale");
            assert_eq!(refused, target != "h:/b", "{target}");
        }
    }

    #[test]
    fn old_files_go_one_by_one_and_one_that_stays_keeps_no_other() {
        let files = folder()
            .with("shared:devices/h:-old1.json", device("h:/old1", "h", START - DAY - 1))
            .with("shared:devices/h:-old2.json", device("h:/old2", "h", START - DAY - 1))
            .with("shared:devices/h:-old3.json", device("h:/old3", "h", START - DAY));
        let mut bench = Bench::document(files);
        bench.files.unwritable.insert(Path::shared("devices/h:-old1.json"), FsError::Refused);
        bench.forget().command(Command::Cleanup);
        insta::assert_snapshot!(bench.take(), @"
        0 remove shared:devices/h:-old1.json: the system refused
        0 {event:problem-found,path:shared:devices/h:-old1.json,kind:{unwritten:refused}}
        0 remove shared:devices/h:-old2.json
        0 {event:device-removed,path:shared:devices/h:-old2.json,device:h:/old2}
        ");
    }

    #[test]
    fn the_active_one_cleans_up_once_a_day() {
        let mut bench = Bench::document(
            folder()
                .with("shared:state.json", state("h:/a", START, 7))
                .with("shared:devices/h:-old.json", device("h:/old", "h", START - DAY)),
        );
        bench.updates(&[]);
        bench.files = bench.files.clone().with("shared:devices/h:-b.json", device("h:/b", "h", START + DAY));
        bench.set_wall(DAY - 1_001);
        bench.wake();
        bench.updates(&[]);
        assert!(!bench.take().contains("remove"));
        bench.wake();
        let transcript = bench.take();
        let removed: Vec<_> = transcript.lines().filter(|line| line.contains(" remove ")).collect();
        assert_eq!(
            removed,
            ["  2000 remove shared:devices/h:-old.json", "  2000 remove shared:devices/m2:-c.json"]
        );
        assert!(transcript.contains("GetUpdates"), "and goes on with its work: {transcript}");
        bench.updates(&[]);
        bench.forget().wake();
        assert!(!bench.take().contains("remove"));
    }

    /// C11: the copy stands for the device, since it comes later in the listing, and the live file goes.
    #[test]
    fn a_conflict_copy_costs_a_live_device_its_file() {
        let copy = "shared:devices/h:-b.sync-conflict-20261120-113332-EWX4TBX.json";
        let mut bench = Bench::document(folder().with(copy, device("h:/b", "h", START - DAY - 1)));
        bench.forget().command(Command::Cleanup);
        insta::assert_snapshot!(bench.take(), @"
        0 {event:problem-found,path:shared:devices/h:-b.sync-conflict-20261120-113332-EWX4TBX.json,kind:name-mismatch}
        0 remove shared:devices/h:-b.json
        0 {event:device-removed,path:shared:devices/h:-b.json,device:h:/b}
        ");
        assert!(bench.files.files.contains_key(&copy.parse().unwrap()), "the copy stays");
    }

    /// C13: the process id is another machine's.
    #[test]
    fn removing_a_device_of_another_machine_kills_a_stranger() {
        let mut bench = Bench::document(folder());
        remove(bench.forget(), "m2:/c");
        bench.reply(Reply::Killed { found: true });
        insta::assert_snapshot!(bench.take(), @"
        0 Kill { process_id: 4242 }
        0 {event:process-killed,process_id:4242,listed_host:m2,own_host:h}
        0 remove shared:devices/m2:-c.json
        0 {event:device-removed,path:shared:devices/m2:-c.json,device:m2:/c}
        ");
    }

    #[test]
    fn removing_what_is_not_there_is_refused() {
        let mut bench = Bench::document(folder());
        remove(bench.forget(), "h:/nowhere");
        insta::assert_snapshot!(bench.take(), @"     0 {event:removal-refused,device:h:/nowhere,because:unknown}");
    }

    #[test]
    fn a_removal_waits_for_the_answer_that_is_out_and_an_activation_does_not() {
        let mut bench = Bench::document(folder().with("shared:state.json", state("h:/a", START, 7)));
        bench.forget();
        remove(&mut bench, "m2:/c");
        assert_eq!(bench.take(), "");
        bench.activate("h:/b");
        assert!(bench.take().contains("activation-written"));
        bench.updates(&[]);
        insta::assert_snapshot!(bench.take(), @"     0 Kill { process_id: 4242 }");
        assert_eq!(bench.replica_wakes_at(), u64::MAX, "the loop waits for the errand");
        bench.reply(Reply::Killed { found: false });
        bench.pass(1_000);
        insta::assert_snapshot!(bench.take(), @"
           0 remove shared:devices/m2:-c.json
           0 {event:device-removed,path:shared:devices/m2:-c.json,device:m2:/c}
        1000 {event:became-standby,because:found-another-named}
        ");
    }

    #[test]
    fn what_is_asked_during_an_errand_waits_for_it() {
        let mut bench = Bench::document(folder());
        remove(bench.forget(), "m2:/c");
        remove(&mut bench, "h:/b");
        bench.activate("h:/a");
        bench.reply(Reply::Killed { found: false });
        bench.reply(Reply::Killed { found: false });
        insta::assert_snapshot!(bench.take(), @"
        0 Kill { process_id: 4242 }
        0 remove shared:devices/m2:-c.json
        0 {event:device-removed,path:shared:devices/m2:-c.json,device:m2:/c}
        0 Kill { process_id: 4242 }
        0 remove shared:devices/h:-b.json
        0 {event:device-removed,path:shared:devices/h:-b.json,device:h:/b}
        0 overwrite shared:state.json { activeDevice: h:/a, activeDeviceHeartbeat: 1000000, lastUpdateId: 7, lastModified: 1000000, modifiedBy: h:/a }
        0 {event:activation-written,target:h:/a}
        ");
    }
}
