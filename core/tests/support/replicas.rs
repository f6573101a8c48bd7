//! Replicas of a delta folder, each with a disk of its own in memory, and the client that carries files among them.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::delta::{Change, Command, Config, Delta, Event, Report};
use cloudchamber_core::{
    Content, Draw, Driver, Entry, Fs, FsError, FsMut, FsOp, Input, MemoryFs, Mono, Now, Path, Root, WallMs,
};

/// A disk that counts how often a file is opened, a directory listed, and something written.
#[derive(Clone, Default)]
pub(crate) struct Counted {
    pub(crate) disk: MemoryFs,
    pub(crate) opened: Cell<u64>,
    pub(crate) listed: Cell<u64>,
    pub(crate) written: u64,
    /// Whether its directories have digests.
    pub(crate) digests: bool,
}

impl Fs for Counted {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        self.opened.set(self.opened.get() + 1);
        self.disk.read(path, from)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        self.listed.set(self.listed.get() + 1);
        self.disk.list(dir)
    }

    fn digest(&self, dir: &Path) -> Option<u64> {
        self.disk.digest(dir).filter(|_| self.digests)
    }
}

impl FsMut for Counted {
    fn apply(&mut self, op: &FsOp) -> Result<(), FsError> {
        self.written += u64::from(!matches!(op, FsOp::Flush { .. }));
        self.disk.apply(op)
    }
}

/// One replica: its process, its disk, its clock.
pub(crate) struct Site {
    pub(crate) config: Config,
    pub(crate) fs: Counted,
    pub(crate) wall: i64,
    pub(crate) driver: Option<Driver<Delta>>,
    pub(crate) events: Vec<Event>,
    /// The machine, to the client.
    pub(crate) machine: String,
    seed: u64,
}

/// The wall clock that replicas begin with.
pub(crate) const WALL: i64 = 1_764_374_400_000;

#[allow(dead_code, reason = "each test file uses what it needs")]
impl Site {
    /// A replica that has never run.
    pub(crate) fn new(config: Config) -> Self {
        let seed = config.replica.bytes().fold(7_u64, |seed, byte| seed * 31 + u64::from(byte));
        let machine = config.replica.clone();
        Self { config, fs: Counted::default(), wall: WALL, driver: None, events: Vec::new(), machine, seed }
    }

    /// Another machine with the same disk.
    pub(crate) fn twin(&self, machine: &str) -> Self {
        let named = Config { replica: machine.to_owned(), ..self.config.clone() };
        let fs = Counted { disk: self.fs.disk.clone(), digests: self.fs.digests, ..Counted::default() };
        Self { config: self.config.clone(), fs, wall: self.wall + 500, ..Self::new(named) }
    }

    /// Has what was local as it was then.
    pub(crate) fn restore(&mut self, backup: &MemoryFs) {
        self.crash();
        self.fs.disk.files.retain(|path, _| path.root() == Root::Shared);
        self.fs
            .disk
            .files
            .extend(backup.of(Root::Local).map(|(path, content)| (path.clone(), content.clone())));
    }

    fn now(&mut self) -> (Now, Draw) {
        self.wall += 1;
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (
            Now { mono: Mono(u64::try_from(self.wall).unwrap_or(0)), wall: WallMs(self.wall) },
            Draw::Seed(self.seed),
        )
    }

    /// Starts the process, if it does not run.
    pub(crate) fn open(&mut self) {
        if self.driver.is_some() {
            return;
        }
        let (now, draw) = self.now();
        self.driver = Some(Driver::open(&self.config, now, draw, &self.fs, &mut self.events));
        self.settle(usize::MAX);
    }

    /// Applies ops until none is left, or `ops` were applied. False if some are left.
    pub(crate) fn settle(&mut self, ops: usize) -> bool {
        for _ in 0..ops {
            let Some(op) = self.driver.as_ref().and_then(|driver| driver.pending_op().cloned()) else {
                return true;
            };
            let result = self.fs.apply(&op);
            let (now, draw) = self.now();
            let driver = self.driver.as_mut().expect("it runs");
            driver.applied(&self.config, result, now, draw, &self.fs, &mut self.events);
        }
        self.driver.as_ref().is_none_or(|driver| driver.pending_op().is_none())
    }

    /// Has the next op fail, with nothing of it done.
    pub(crate) fn fail(&mut self, error: FsError) {
        let (now, draw) = self.now();
        let driver = self.driver.as_mut().expect("it runs");
        driver.applied(&self.config, Err(error), now, draw, &self.fs, &mut self.events);
    }

    /// Asks for something and lets it happen. Returns what was told.
    pub(crate) fn ask(&mut self, command: impl Into<Command>) -> Vec<Event> {
        self.feed(command);
        self.settle(usize::MAX);
        std::mem::take(&mut self.events)
    }

    /// Asks for something, and lets none of it happen yet.
    pub(crate) fn feed(&mut self, command: impl Into<Command>) {
        self.open();
        self.events.clear();
        let (now, draw) = self.now();
        let driver = self.driver.as_mut().expect("it runs");
        driver.feed(&self.config, Input::Command(command.into()), now, draw, &self.fs, &mut self.events);
    }

    /// Dies; what was not applied is lost.
    pub(crate) fn crash(&mut self) {
        self.driver = None;
    }

    pub(crate) fn put(&mut self, kind: &str, id: &str, set: &str) -> Vec<Event> {
        self.ask(Change::put(kind, id, set))
    }

    pub(crate) fn delete(&mut self, kind: &str, id: &str) -> Vec<Event> {
        self.ask(Change::delete(kind, id))
    }

    /// Syncs, and says what came of it.
    pub(crate) fn sync(&mut self) -> Report {
        let events = self.ask(Command::Sync);
        let report = events.iter().find_map(|event| match event {
            Event::Synced(report) => Some(report.clone()),
            _ => None,
        });
        report.unwrap_or_else(|| panic!("{events:?}"))
    }

    pub(crate) fn delta(&mut self) -> &Delta {
        self.open();
        self.driver.as_ref().expect("it runs").protocol()
    }

    /// The fields of an entity as JSON; `deleted` if it is, `absent` if nothing is known of it.
    pub(crate) fn show(&mut self, kind: &str, id: &str) -> String {
        match self.delta().get(kind, id) {
            None => "absent".to_owned(),
            Some(shown) if shown.deleted => "deleted".to_owned(),
            Some(shown) => shown.fields.json().to_string(),
        }
    }

    /// Every entity with its fields, and every conflict: what has to be equal on all replicas.
    pub(crate) fn picture(&mut self) -> Vec<String> {
        let delta = self.delta();
        let entities = delta.entities().map(|shown| format!("{}: {}", shown.key, shown.fields.json()));
        let conflicts = delta.conflicts().map(|conflict| {
            format!("{} {}: {:?} {:?}", conflict.id(), conflict.key, conflict.reason, conflict.fields)
        });
        let conflicts: BTreeSet<_> = conflicts.collect();
        entities.chain(conflicts).collect()
    }

    /// Each conflict in a few words.
    pub(crate) fn conflicts(&mut self) -> Vec<String> {
        let one = |conflict: cloudchamber_core::delta::Conflict| {
            let fields: Vec<_> = conflict
                .fields
                .iter()
                .map(|(name, value)| format!("{name}={}", value.as_ref().map_or("-", |value| value.as_str())))
                .collect();
            format!("{} {}", conflict.key, fields.join(" "))
        };
        self.delta().conflicts().map(one).collect()
    }

    /// The files of the shared folder.
    pub(crate) fn shared(&self) -> BTreeMap<Path, Content> {
        self.fs.disk.of(Root::Shared).map(|(path, content)| (path.clone(), content.clone())).collect()
    }

    /// The names of the files of the shared folder.
    pub(crate) fn names(&self) -> Vec<String> {
        self.shared().keys().map(|path| path.name().to_owned()).collect()
    }
}

/// A client that makes folders equal: what one side changed goes over, what both changed leaves a conflict copy, and
/// an unchanged file that is gone on one side is removed.
#[derive(Default)]
pub(crate) struct Client {
    /// What the server holds.
    server: BTreeMap<Path, Content>,
    /// What each site had when it was carried last.
    last: BTreeMap<String, BTreeMap<Path, Content>>,
}

#[allow(dead_code, reason = "each test file uses what it needs")]
impl Client {
    pub(crate) fn carry(&mut self, sites: &mut [&mut Site]) {
        let mut server = self.server.clone();
        for site in sites.iter_mut() {
            let mine = site.shared();
            let last = self.last.get(&site.machine).cloned().unwrap_or_default();
            let names: BTreeSet<Path> = mine.keys().chain(last.keys()).cloned().collect();
            for path in names {
                let (before, now) = (last.get(&path), mine.get(&path));
                if now == before {
                    continue;
                }
                let there = server.get(&path).cloned();
                match now {
                    _ if there.as_ref() == now => {}
                    // Only this side changed it.
                    Some(content) if there.as_ref() == before => {
                        server.insert(path, content.clone());
                    }
                    None if there.as_ref() == before => {
                        server.remove(&path);
                    }
                    // Both did.
                    Some(content) => {
                        let name = path.name();
                        let (stem, ext) = name.rsplit_once('.').unwrap_or((name, ""));
                        let copies = (2..).map(|at| Path::shared(&format!("{stem} {at}.{ext}")));
                        let free = copies
                            .into_iter()
                            .find(|path| !server.contains_key(path))
                            .expect("there are many names");
                        server.insert(free, content.clone());
                    }
                    None => {}
                }
            }
        }
        for site in sites {
            site.fs.disk.files.retain(|path, _| path.root() == Root::Local);
            site.fs.disk.files.extend(server.clone());
            self.last.insert(site.machine.clone(), server.clone());
        }
        self.server = server;
    }
}

/// Lets two or more replicas sync and be carried until nothing changes.
#[allow(dead_code, reason = "each test file uses what it needs")]
pub(crate) fn converge(client: &mut Client, sites: &mut [&mut Site]) {
    for _ in 0..12 {
        let before: Vec<_> = sites.iter().map(|site| site.shared()).collect();
        sites.iter_mut().for_each(|site| drop(site.sync()));
        client.carry(sites);
        if before == sites.iter().map(|site| site.shared()).collect::<Vec<_>>() {
            return;
        }
    }
    let names: Vec<_> = sites.iter().map(|site| site.names()).collect();
    panic!("the folder does not come to rest: {names:#?}");
}
