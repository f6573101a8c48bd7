//! One instance on files in memory, with a clock that a test turns.

#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]
#![expect(clippy::unwrap_used, reason = "a test stops where its data is not what it says")]

use cloudchamber_core::notes::{Command, Config, Event, Kind, Notes};
use cloudchamber_core::{
    Content, Design, Draw, Driver, FsError, FsMut, FsOp, Input, MemoryFs, Mono, Now, Path, Root, WallMs,
};

/// 2025-11-29, in ms since 1970.
pub const START_MS: i64 = 1_764_374_400_000;

/// One instance, its disk and its clock.
#[derive(Clone)]
pub struct Replica {
    pub config: Config,
    pub fs: MemoryFs,
    pub driver: Option<Driver<Notes>>,
    pub events: Vec<Event>,
    pub now: Now,
    seed: u64,
}

impl Replica {
    /// An instance that has not started yet.
    pub fn new(design: Design, kind: Kind, instance: &str) -> Self {
        let config =
            Config { instance: Some(instance.into()), ..Config::new(design, kind, "profAAAAAAAAAAAAAAAAAA") };
        config.check().unwrap();
        let now = Now { mono: Mono(1_000), wall: WallMs(START_MS) };
        let seed =
            instance.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(u64::from(byte)));
        Self { config, fs: MemoryFs::default(), driver: None, events: Vec::new(), now, seed }
    }

    /// The same, started on an empty folder.
    pub fn started(design: Design, kind: Kind, instance: &str) -> Self {
        let mut replica = Self::new(design, kind, instance);
        replica.start();
        replica
    }

    fn draw(&mut self) -> Draw {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Draw::Seed(self.seed)
    }

    /// Starts the process, or starts it again, and lets it write what it wants to.
    pub fn start(&mut self) {
        self.open();
        self.settle();
    }

    /// Starts the process; nothing is applied yet.
    pub fn open(&mut self) {
        let draw = self.draw();
        let mut events = Vec::new();
        self.driver = Some(Driver::open(&self.config, self.now, draw, &self.fs, &mut events));
        self.events.extend(events);
    }

    /// The op that is applied next.
    pub fn pending(&self) -> Option<FsOp> {
        self.driver.as_ref().and_then(|driver| driver.pending_op().cloned())
    }

    /// Applies the next op, or reports that it failed.
    pub fn apply(&mut self, fail: Option<FsError>) -> bool {
        let Some(op) = self.pending() else { return false };
        let result = fail.map_or_else(|| self.fs.apply(&op), Err);
        let draw = self.draw();
        let mut events = Vec::new();
        let driver = self.driver.as_mut().expect("it runs");
        driver.applied(&self.config, result, self.now, draw, &self.fs, &mut events);
        self.events.extend(events);
        true
    }

    /// Applies all ops.
    pub fn settle(&mut self) {
        let mut ops = 0;
        while self.apply(None) {
            ops += 1;
            assert!(ops < 10_000, "it never comes to rest: {:?}", self.pending());
        }
    }

    pub fn feed(&mut self, input: Input<Notes>) {
        let draw = self.draw();
        let mut events = Vec::new();
        let driver = self.driver.as_mut().expect("it runs");
        driver.feed(&self.config, input, self.now, draw, &self.fs, &mut events);
        self.events.extend(events);
    }

    /// Gives a command and lets it be carried out; returns what was told meanwhile.
    pub fn command(&mut self, command: Command) -> Vec<Event> {
        let from = self.events.len();
        self.feed(Input::Command(command));
        self.settle();
        self.events[from..].to_vec()
    }

    pub fn sync(&mut self) -> Vec<Event> {
        self.command(Command::Sync)
    }

    /// Lets time pass, with every timer that falls due.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now.mono.plus(ms);
        let mut at_once = 0;
        loop {
            let due = self.driver.as_ref().and_then(Driver::wake_at).filter(|due| *due <= end);
            let Some(due) = due else { break };
            at_once = if due > self.now.mono { 0 } else { at_once + 1 };
            assert!(at_once < 1_000, "it wakes again and again");
            self.jump(due.since(self.now.mono));
            self.feed(Input::Timer);
            self.settle();
        }
        self.jump(end.since(self.now.mono));
    }

    /// Lets time pass in which nothing runs.
    pub fn jump(&mut self, ms: u64) {
        self.now.mono = self.now.mono.plus(ms);
        self.now.wall = self.now.wall.plus(i64::try_from(ms).unwrap());
    }

    pub fn notes(&self) -> &Notes {
        self.driver.as_ref().expect("it runs").protocol()
    }

    pub fn text(&self, note: &str) -> Option<String> {
        self.notes().text(&self.config, note)
    }

    pub fn put(&mut self, path: &str, bytes: impl Into<Box<[u8]>>) {
        self.fs.files.insert(path.parse().unwrap(), Content::new(bytes));
    }

    /// The shared files, by name.
    pub fn shared(&self) -> Vec<(Path, Content)> {
        self.fs.of(Root::Shared).map(|(path, content)| (path.clone(), content.clone())).collect()
    }

    pub fn create(&mut self, note: &str, text: &str) -> Vec<Event> {
        self.command(Command::Create { note: Some(note.to_owned()), text: text.to_owned() })
    }

    pub fn append(&mut self, note: &str, text: &str) -> Vec<Event> {
        let change = cloudchamber_core::notes::Change::Append(text.to_owned());
        self.command(Command::Edit { note: note.to_owned(), change })
    }
}

/// Copies the shared files of one instance to another that `which` names.
pub fn carry(from: &Replica, to: &mut Replica, which: impl Fn(&str) -> bool) {
    for (path, content) in from.shared() {
        if which(path.name()) {
            to.fs.files.insert(path, content);
        }
    }
}

/// Copies each file to the others by its owner, which is named in it, and lets all look.
pub fn exchange(replicas: &mut [Replica]) {
    let ids: Vec<String> =
        replicas.iter().map(|replica| replica.notes().instance().unwrap_or_default().to_owned()).collect();
    for from in 0..replicas.len() {
        let files = replicas[from].shared();
        for to in (0..replicas.len()).filter(|&to| to != from) {
            for (path, content) in files.iter().filter(|(path, _)| path.name().contains(&ids[from])) {
                replicas[to].fs.files.insert(path.clone(), content.clone());
            }
            // What its owner has removed is gone.
            replicas[to].fs.files.retain(|path, _| {
                path.root() == Root::Local
                    || !path.name().contains(&ids[from])
                    || files.iter().any(|(file, _)| file == path)
            });
        }
    }
    replicas.iter_mut().for_each(|replica| drop(replica.sync()));
}
