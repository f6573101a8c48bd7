//! Runs one replica over files in memory and writes down what it does.

use std::fmt::Write as _;

use super::{Call, Command, Config, Event, Failover, Identity, Reply, Update};
use crate::{Draw, Driver, FsMut, FsOp, Input, Mono, Now, WallMs};

pub(super) use crate::MemoryFs as Files;

/// One replica with its files and clocks. What it does goes to a transcript, one line each, with the
/// milliseconds on the monotonic clock before it.
pub(super) struct Bench {
    pub(super) config: Config,
    pub(super) files: Files,
    pub(super) now: Now,
    /// The randomness of every step: the shortest of all times, unless changed.
    pub(super) draw: Draw,
    driver: Driver<Failover>,
    outstanding: Option<Call>,
    transcript: String,
}

/// What the wall clock says when a bench starts.
pub(super) const START: i64 = 1_000_000;

pub(super) fn identity(directory: &str) -> Identity {
    Identity { name: None, host: "h".into(), directory: directory.into() }
}

/// A `state.json` in which `active` was last heard at `heartbeat`.
pub(super) fn state(active: &str, heartbeat: i64, last_update_id: i64) -> String {
    format!(
        r#"{{"activeDevice":"{active}","activeDeviceHeartbeat":{heartbeat},"lastUpdateId":{last_update_id},"lastModified":{heartbeat},"modifiedBy":"{active}"}}"#
    )
}

/// The file of a device that was last seen at `seen`, with a process of this machine's.
pub(super) fn device(name: &str, host: &str, seen: i64) -> String {
    format!(
        r#"{{"name":"{name}","threadId":3,"lastSeen":{seen},"hostname":"{host}","directory":"/","pid":4242}}"#
    )
}

impl Bench {
    /// Starts `h:/a` with the document's constants.
    pub(super) fn document(files: Files) -> Self {
        Self::start(Config::document(identity("/a")), files)
    }

    /// Starts `h:/a` with upstream's constants.
    pub(super) fn upstream(files: Files) -> Self {
        Self::start(Config::upstream(identity("/a")), files)
    }

    pub(super) fn start(config: Config, files: Files) -> Self {
        config.check().unwrap();
        let now = Now { mono: Mono(0), wall: WallMs(START) };
        let draw = Draw::Fraction(0);
        let mut events = Vec::new();
        let driver = Driver::open(&config, now, draw, &files, &mut events);
        let mut bench =
            Self { config, files, now, draw, driver, outstanding: None, transcript: String::new() };
        bench.settle(events);
        bench
    }

    /// The replica.
    pub(super) fn replica(&self) -> &Failover {
        self.driver.protocol()
    }

    pub(super) fn is_active(&self) -> bool {
        self.replica().is_active(self.now)
    }

    /// Lets both clocks go on by `ms`, waking the replica whenever it wants.
    pub(super) fn pass(&mut self, ms: u64) {
        let until = self.now.mono.plus(ms);
        while let Some(at) = self.driver.wake_at().filter(|at| *at <= until) {
            self.clocks_to(at);
            self.feed(Input::Timer);
        }
        self.clocks_to(until);
    }

    /// Lets both clocks go on to the next time that the replica wants, and wakes it.
    pub(super) fn wake(&mut self) {
        let at = self.driver.wake_at().expect("the replica sleeps");
        self.clocks_to(at);
        self.feed(Input::Timer);
    }

    /// Sets the wall clock forward, or back.
    pub(super) fn set_wall(&mut self, ms: i64) {
        self.now.wall = self.now.wall.plus(ms);
    }

    pub(super) fn reply(&mut self, reply: Reply) {
        assert!(self.outstanding.take().is_some(), "an answer needs a call");
        self.feed(Input::Reply(reply));
    }

    /// Answers a poll with updates sent at these times on the wall clock.
    pub(super) fn updates(&mut self, updates: &[(i64, i64)]) {
        let updates = updates.iter().map(|&(id, sent)| Update { id, sent: WallMs(sent) }).collect();
        self.reply(Reply::Updates(updates));
    }

    pub(super) fn command(&mut self, command: Command) {
        self.feed(Input::Command(command));
    }

    pub(super) fn activate(&mut self, device: &str) {
        self.command(Command::Activate { device: device.into() });
    }

    /// Feeds anything.
    pub(super) fn feed(&mut self, input: Input<Failover>) {
        let mut events = Vec::new();
        self.driver.feed(&self.config, input, self.now, self.draw, &self.files, &mut events);
        self.settle(events);
    }

    /// What it asked of the world outside and has no answer to.
    pub(super) fn outstanding(&self) -> Option<&Call> {
        self.outstanding.as_ref()
    }

    /// The process dies and starts again over the same files.
    pub(super) fn restart(&mut self) {
        let mut events = Vec::new();
        self.outstanding = None;
        self.driver = Driver::open(&self.config, self.now, self.draw, &self.files, &mut events);
        self.settle(events);
    }

    /// When the replica wants to be woken, in ms on the monotonic clock; never is the largest.
    pub(super) fn replica_wakes_at(&self) -> u64 {
        self.driver.wake_at().map_or(u64::MAX, |at| at.0)
    }

    /// What was written down since the last time, but for polls.
    pub(super) fn take_but_polls(&mut self) -> String {
        let all = self.take();
        all.lines().filter(|line| !line.contains("GetUpdates")).collect::<Vec<_>>().join("\n")
    }

    /// What was written down since the last time.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.transcript)
    }

    /// Forgets what was written down so far.
    pub(super) fn forget(&mut self) -> &mut Self {
        self.transcript.clear();
        self
    }

    fn clocks_to(&mut self, mono: Mono) {
        let ms = i64::try_from(mono.since(self.now.mono)).unwrap();
        self.now = Now { mono: mono.max(self.now.mono), wall: self.now.wall.plus(ms) };
    }

    /// Applies what is pending and writes all down.
    fn settle(&mut self, mut events: Vec<Event>) {
        loop {
            for event in events.drain(..) {
                self.note(&serde_json::to_string(&event).unwrap().replace('"', ""));
            }
            let Some(op) = self.driver.pending_op().cloned() else { break };
            let result = self.files.apply(&op);
            let what = match &op {
                FsOp::Overwrite { path, content } => {
                    let text = String::from_utf8(content.bytes().to_vec()).unwrap();
                    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
                    format!("overwrite {path} {}", line.replace('"', ""))
                }
                FsOp::Remove { path } => format!("remove {path}"),
                other => format!("{other:?}"),
            };
            match result {
                Ok(()) => self.note(&what),
                Err(error) => self.note(&format!("{what}: {error}")),
            }
            self.driver.applied(&self.config, result, self.now, self.draw, &self.files, &mut events);
        }
        while let Some(call) = self.driver.take_call() {
            self.note(&format!("{call:?}"));
            assert_eq!(self.outstanding.replace(call), None, "one call at a time");
        }
    }

    fn note(&mut self, line: &str) {
        writeln!(self.transcript, "{:>6} {line}", self.now.mono.0).expect("a String takes all");
    }
}
