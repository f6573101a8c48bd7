//! Every op of every failover command fails in every way: nobody acts whose file does not say so, what is told is what is
//! there, and it goes on by itself.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use cloudchamber_core::failover::{
    ActiveBecause, Call, Command, Config, Event, Failover, Identity, Policy, ProblemKind, Provider, Reply,
    Update, VoterChange,
};
use cloudchamber_core::{
    Content, Draw, Driver, Entry, Fs, FsError, FsMut, FsOp, Input, MemoryFs, Mono, Now, Path, Root, WallMs,
};
use serde_json::Value;
use support::disk::{ERRORS, Fault, Part, named, part_of};

mod support;

/// One machine's view of the folder that all share at once, and its own files.
#[derive(Clone, Default)]
struct View {
    shared: Rc<RefCell<MemoryFs>>,
    local: Rc<RefCell<MemoryFs>>,
    fault: Rc<Cell<Option<Fault>>>,
    tried: Rc<Cell<u32>>,
    /// The op that failed: what it was, and on what.
    hit: Rc<RefCell<Option<String>>>,
    /// Its client gave the directory of the others the name of a copy, and theirs gave that name to its own.
    is_half: bool,
}

/// The copy that a client makes of the directory of the device files.
const COPY: &str = "devices (1)";

impl View {
    /// Where what this machine calls so lies.
    fn at(&self, path: &Path) -> Path {
        let name = path.name();
        let (first, rest) = name.split_once('/').map_or((name, None), |(first, rest)| (first, Some(rest)));
        let other = match first {
            "devices" => COPY,
            COPY => "devices",
            _ => return path.clone(),
        };
        if !self.is_half || path.root() == Root::Local {
            return path.clone();
        }
        let dir = Path::shared(other);
        rest.map_or(dir.clone(), |rest| dir.join(rest))
    }

    /// An op on what this machine calls so.
    fn op_at(&self, op: &FsOp) -> FsOp {
        let mut op = op.clone();
        match &mut op {
            FsOp::Append { path, .. }
            | FsOp::CreateNew { path, .. }
            | FsOp::Flush { path }
            | FsOp::Overwrite { path, .. }
            | FsOp::Remove { path }
            | FsOp::Replace { path, .. } => *path = self.at(path),
            FsOp::Rename { from, to } => (*from, *to) = (self.at(from), self.at(to)),
        }
        op
    }

    fn of(&self, root: Root) -> &RefCell<MemoryFs> {
        match root {
            Root::Shared => &self.shared,
            Root::Local => &self.local,
        }
    }
}

impl Fs for View {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        self.of(path.root()).borrow().read(&self.at(path), from)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        let there = self.of(dir.root()).borrow().list(&self.at(dir))?;
        let mut entries: Vec<_> =
            there.into_iter().map(|entry| Entry { path: self.at(&entry.path), ..entry }).collect();
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }
}

impl FsMut for View {
    fn apply(&mut self, op: &FsOp) -> Result<(), FsError> {
        let at = self.tried.replace(self.tried.get() + 1);
        let files = self.of(op.path().root());
        match self.fault.get().filter(|fault| fault.at == at) {
            None => files.borrow_mut().apply(&self.op_at(op)),
            Some(fault) => {
                if let Some(op) = part_of(op, fault.part) {
                    let _ = files.borrow_mut().apply(&self.op_at(&op));
                }
                self.hit.replace(Some(named(op)));
                Err(fault.error)
            }
        }
    }
}

struct Node {
    config: Config,
    view: View,
    driver: Option<Driver<Failover>>,
    /// A run of the command that is under way.
    work: Option<i64>,
    told: Vec<Event>,
}

/// Machines over one folder, in virtual time.
struct World {
    nodes: Vec<Node>,
    now: u64,
    draws: u64,
    /// What somebody who looked on would complain of.
    wrong: Vec<String>,
}

const HOUR_MS: u64 = 3_600_000;
const START_MS: i64 = 1_795_932_000_000;

impl World {
    fn new(policy: Policy, count: usize) -> Self {
        let shared = Rc::new(RefCell::new(MemoryFs::default()));
        let names: Vec<_> = (0..count).map(|at| format!("m{at}:/sync")).collect();
        let node = |at: usize| {
            let identity = Identity { name: None, host: format!("m{at}"), directory: "/sync".to_owned() };
            let mut config = Config::hardened_at(identity, Provider::Perfect, policy);
            config.local_number = Some(at as u64);
            if policy == Policy::Majority {
                config.hardened.voters = names.clone();
            }
            config.check().unwrap();
            let view = View { shared: Rc::clone(&shared), ..View::default() };
            Node { config, view, driver: None, work: None, told: Vec::new() }
        };
        Self { nodes: (0..count).map(node).collect(), now: 1_000, draws: 0, wrong: Vec::new() }
    }

    /// A second world in the same state.
    fn twin(&self) -> Self {
        let shared = Rc::new(RefCell::new(self.nodes[0].view.shared.borrow().clone()));
        let node = |node: &Node| Node {
            config: node.config.clone(),
            view: View {
                shared: Rc::clone(&shared),
                local: Rc::new(RefCell::new(node.view.local.borrow().clone())),
                is_half: node.view.is_half,
                ..View::default()
            },
            driver: node.driver.clone(),
            work: node.work,
            told: Vec::new(),
        };
        Self {
            nodes: self.nodes.iter().map(node).collect(),
            now: self.now,
            draws: self.draws,
            wrong: Vec::new(),
        }
    }

    fn draw(&mut self) -> Draw {
        self.draws += 1;
        Draw::Seed(self.draws)
    }

    fn now(&self) -> Now {
        Now { mono: Mono(self.now), wall: WallMs(START_MS + i64::try_from(self.now).unwrap()) }
    }

    /// A process starts, or starts again.
    fn open(&mut self, at: usize) {
        let (now, draw) = (self.now(), self.draw());
        let node = &mut self.nodes[at];
        let mut events = Vec::new();
        node.driver = Some(Driver::open(&node.config, now, draw, &node.view, &mut events));
        node.work = None;
        self.hear(at, events);
        self.settle(at);
    }

    fn feed(&mut self, at: usize, input: Input<Failover>) {
        let (now, draw) = (self.now(), self.draw());
        let node = &mut self.nodes[at];
        let mut events = Vec::new();
        let driver = node.driver.as_mut().unwrap();
        driver.feed(&node.config, input, now, draw, &node.view, &mut events);
        self.hear(at, events);
        self.settle(at);
    }

    /// Applies what is pending, and lets the command run and end as an agent does.
    fn settle(&mut self, at: usize) {
        loop {
            let (now, draw) = (self.now(), self.draw());
            let node = &mut self.nodes[at];
            let driver = node.driver.as_mut().unwrap();
            let mut events = Vec::new();
            if let Some(op) = driver.pending_op().cloned() {
                let result = node.view.apply(&op);
                driver.applied(&node.config, result, now, draw, &node.view, &mut events);
                self.hear(at, events);
                continue;
            }
            let acts = driver.protocol().active_until(now).is_some() && !driver.protocol().is_handing_over();
            if let Some(id) = node.work.filter(|_| !acts) {
                node.work = None;
                driver.feed(
                    &node.config,
                    Input::Reply(Reply::Handled { id }),
                    now,
                    draw,
                    &node.view,
                    &mut events,
                );
                self.hear(at, events);
                continue;
            }
            let Some(call) = driver.take_call() else { break };
            let reply = match call {
                Call::GetUpdates { offset, .. } => {
                    Reply::Updates([Update { id: offset, sent: now.wall }].into())
                }
                Call::Handle { update, .. } => {
                    node.work = Some(update.id);
                    continue;
                }
                Call::Kill { .. } => Reply::Killed { found: false },
            };
            driver.feed(&node.config, Input::Reply(reply), now, draw, &node.view, &mut events);
            self.hear(at, events);
        }
        self.look(at);
    }

    /// Compares what is told with what is there.
    fn hear(&mut self, at: usize, events: Vec<Event>) {
        let node = &self.nodes[at];
        let id = node.driver.as_ref().unwrap().protocol().id().unwrap().to_string();
        for event in &events {
            match event {
                Event::HeartbeatWritten { path } if path.name() != "state.json" => {
                    let there = record(&node.view.shared.borrow(), &node.view.at(path));
                    if there.is_none_or(|there| there["coordination"]["id"] != *id) {
                        self.wrong.push(format!("{id} told of {path}, which does not say so"));
                    }
                }
                Event::BecameActive { because } if *because == ActiveBecause::LocalOnly => {
                    self.wrong.push(format!("{id} is active without the folder"));
                }
                _ => {}
            }
        }
        self.nodes[at].told.extend(events);
    }

    /// Nobody acts beside another, nor without its file claiming the term.
    fn look(&mut self, at: usize) {
        let now = self.now();
        let acting = |node: &Node| {
            node.driver.as_ref().filter(|driver| driver.protocol().active_until(now).is_some()).is_some()
        };
        if self.nodes.iter().filter(|node| acting(node)).count() > 1 {
            self.wrong.push(format!("two act at {}", self.now));
        }
        let node = &self.nodes[at];
        // It may hold its lease a moment before its command runs.
        if acting(node) && node.work.is_some() {
            let protocol = node.driver.as_ref().unwrap().protocol();
            let shared = node.view.shared.borrow();
            let said = shared.files.keys().filter_map(|path| record(&shared, path)).any(|there| {
                let said = &there["coordination"];
                said["id"] == **protocol.id().unwrap()
                    && said["term"] == protocol.term()
                    && (said["role"] == "active" || said["role"] == "candidate")
            });
            if !said {
                let id = protocol.id().unwrap();
                self.wrong.push(format!("{id} acts in term {} and no file says so", protocol.term()));
            }
        }
    }

    /// Goes on until something is so; says whether it came to be within an hour.
    fn until(&mut self, is_so: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + HOUR_MS;
        while !is_so(self) {
            let wakes = self
                .nodes
                .iter()
                .enumerate()
                .filter_map(|(at, node)| Some((node.driver.as_ref()?.wake_at()?.0.max(self.now), at)));
            let Some((when, at)) = wakes.min().filter(|(when, _)| *when <= end) else { return false };
            // Nothing has to be done twice at one moment.
            self.now = when.max(self.now + 1);
            self.feed(at, Input::Timer);
        }
        true
    }

    fn is_active(&self, at: usize) -> bool {
        let driver = self.nodes[at].driver.as_ref();
        driver.is_some_and(|driver| driver.protocol().active_until(self.now()).is_some())
    }

    fn is_any_active(&self) -> bool {
        (0..self.nodes.len()).any(|at| self.is_active(at))
    }

    fn id(&self, at: usize) -> String {
        self.nodes[at].driver.as_ref().unwrap().protocol().id().unwrap().to_string()
    }

    /// Whether one sees another's file.
    fn leader(&self, at: usize) -> Option<String> {
        self.nodes[at].driver.as_ref()?.protocol().leader().map(str::to_owned)
    }

    fn told(&self, at: usize, is: impl Fn(&Event) -> bool) -> bool {
        self.nodes[at].told.iter().any(is)
    }
}

fn record(files: &MemoryFs, path: &Path) -> Option<Value> {
    serde_json::from_slice(files.files.get(path)?.bytes()).ok()
}

/// What a person has done: each goes on until what it is for has come, and says whether it did.
type Act = fn(&mut World) -> bool;

/// A start alone; the others join.
fn start(world: &mut World) -> bool {
    world.open(0);
    (1..world.nodes.len()).for_each(|at| world.open(at));
    world.until(World::is_any_active)
}

fn other(world: &World) -> usize {
    (0..world.nodes.len()).find(|&at| !world.is_active(at)).unwrap()
}

fn activate(world: &mut World) -> bool {
    let target = other(world);
    let from = (0..world.nodes.len()).find(|&at| world.is_active(at)).unwrap_or(target);
    let device = world.id(target);
    // Whom nobody has heard of cannot be made active yet.
    for _ in 0..20 {
        world.feed(from, Input::Command(Command::Activate { device: device.clone() }));
        let patience = world.now + 60_000;
        if world.until(|world| world.is_active(target) || world.now > patience) && world.is_active(target) {
            return true;
        }
    }
    false
}

fn leave(world: &mut World) -> bool {
    let Some(active) = (0..world.nodes.len()).find(|&at| world.is_active(at)) else { return false };
    world.feed(active, Input::Command(Command::Leave));
    // The process ends as soon as its file says so, or after a while.
    let patience = world.now + 60_000;
    world.until(|world| {
        let shared = world.nodes[active].view.shared.borrow();
        let said = shared.files.keys().filter_map(|path| record(&shared, path)).any(|there| {
            there["coordination"]["id"] == world.id(active) && there["coordination"]["leaving"] == true
        });
        said || world.now > patience
    });
    world.nodes[active].driver = None;
    let found = world.until(World::is_any_active);
    world.open(active);
    found
}

/// A crash of whoever acts: the process starts again at once.
fn restart(world: &mut World) -> bool {
    let Some(active) = (0..world.nodes.len()).find(|&at| world.is_active(at)) else { return false };
    let before = (world.id(active), world.nodes[active].driver.as_ref().unwrap().protocol().term());
    world.open(active);
    let after = (world.id(active), world.nodes[active].driver.as_ref().unwrap().protocol().term());
    if before.0 != after.0 || after.1 < before.1 {
        world.wrong.push(format!("{before:?} is {after:?} after a start"));
    }
    world.until(World::is_any_active)
}

fn cleanup(world: &mut World) -> bool {
    let Some(active) = (0..world.nodes.len()).find(|&at| world.is_active(at)) else { return false };
    world.feed(active, Input::Command(Command::Cleanup));
    world.until(World::is_any_active)
}

/// Asks for the removal of one that is gone for good. The files of one that lives are not touched.
fn remove(world: &mut World) -> bool {
    let Some(active) = (0..world.nodes.len()).find(|&at| world.is_active(at)) else { return false };
    let gone = other(world);
    let device = world.id(gone);
    world.nodes[gone].driver = None;
    let later = world.now + 5 * 60_000;
    world.until(|world| world.now > later);
    if !world.is_active(active) {
        return world.until(World::is_any_active);
    }
    world.feed(active, Input::Command(Command::Remove { device }));
    world.until(World::is_any_active)
}

/// Adds a voter that is there already, and one that is not.
fn voters(world: &mut World) -> bool {
    let Some(active) = (0..world.nodes.len()).find(|&at| world.is_active(at)) else { return false };
    let change = VoterChange::Add { replica: "m9:/sync".to_owned() };
    world.feed(active, Input::Command(Command::Voters { change }));
    let told = |world: &World| {
        world.told(active, |event| matches!(event, Event::VotersWritten { .. } | Event::VotersRefused { .. }))
    };
    let patience = world.now + 60_000;
    world.until(|world| told(world) || world.now > patience);
    world.until(World::is_any_active)
}

const ACTS: [(&str, Act); 7] = [
    ("start", start),
    ("activate", activate),
    ("leave", leave),
    ("restart", restart),
    ("cleanup", cleanup),
    ("remove", remove),
    ("voters", voters),
];

/// What is done before each command: a folder in which one acts and the others have been heard of.
fn begun(policy: Policy, name: &str) -> World {
    let count = if policy == Policy::Majority { 3 } else { 2 };
    let mut world = World::new(policy, count);
    if name != "start" {
        assert!(start(&mut world), "{policy:?}");
        let all_follow =
            |world: &World| (0..count).all(|at| world.is_active(at) || world.leader(at).is_some());
        assert!(world.until(all_follow), "{policy:?}");
        let settled = world.now + 60_000;
        world.until(|world| world.now > settled);
    }
    world
}

/// Later ops of a command are beats like those before.
const OPS_MAX: u32 = 24;

#[test]
fn nobody_acts_unsaid_and_everything_goes_on_whatever_fails() {
    let (mut ways, mut triples) = (0, BTreeSet::new());
    for policy in [Policy::Available, Policy::Majority] {
        for (name, act) in ACTS {
            let begun = begun(policy, name);
            for node in 0..begun.nodes.len() {
                for at in 0..OPS_MAX {
                    let mut parts = vec![Part::Nothing, Part::Everything];
                    let fault = |error, part| Fault { at, error, part };
                    let first = fault(FsError::Refused, Part::Nothing);
                    let Some(op) = try_one(&begun, act, node, first, name) else { break };
                    // Of any other op half is nothing.
                    if ["Append", "CreateNew", "Overwrite"].iter().any(|half| op.starts_with(half)) {
                        parts.push(Part::Half);
                    }
                    for error in ERRORS {
                        for part in &parts {
                            let hit = try_one(&begun, act, node, fault(error, *part), name);
                            assert_eq!(hit.as_ref(), Some(&op), "it hits the same op again");
                            triples.insert((name, op.clone(), error));
                            ways += 1;
                        }
                    }
                }
            }
        }
    }
    let ops: BTreeSet<_> = triples.iter().map(|(name, op, _)| (*name, op.as_str())).collect();
    assert!(
        ways >= 1_000 && triples.len() == 6 * ops.len() && triples.len() >= 100,
        "{ways} ways, {} triples of command, op and error: {ops:?}",
        triples.len()
    );
}

/// Does something while one op fails, and says which; None if there is none of that number.
fn try_one(begun: &World, act: Act, node: usize, fault: Fault, name: &str) -> Option<String> {
    let mut world = begun.twin();
    let view = world.nodes[node].view.clone();
    view.tried.set(0);
    view.fault.set(Some(fault));
    let came = act(&mut world);
    let hit = view.hit.borrow().clone();
    let case = || format!("{name} m{node} {fault:?} {hit:?}");
    assert!(came, "{}: it did not come about", case());
    assert_eq!(world.wrong, Vec::<String>::new(), "{}", case());
    let hit = hit.clone()?;
    assert!(world.told(node, tells_of_failure), "{}: nothing was told: {:?}", case(), world.nodes[node].told);
    // It goes on for good.
    view.fault.set(None);
    let settled = world.now + 30_000;
    world.until(|world| world.now > settled);
    assert!(world.until(World::is_any_active), "{}", case());
    assert_eq!(world.wrong, Vec::<String>::new(), "{}", case());
    Some(hit)
}

/// Whether a person would know from this that something was not written.
fn tells_of_failure(event: &Event) -> bool {
    matches!(
        event,
        Event::ProblemFound { .. }
            | Event::FellBack { .. }
            | Event::RemovalRefused { .. }
            | Event::ActivationRefused { .. }
            | Event::VotersRefused { .. }
    )
}

/// Two machines made the directory of the device files at the same time, and each machine's client calls its own by its
/// name and the other's `devices (1)`: under `available` each would act for itself, unless it reads both.
#[test]
fn two_halves_that_clients_made_of_the_devices_see_each_other_and_are_told() {
    let mut world = World::new(Policy::Available, 2);
    world.nodes[1].view.is_half = true;
    assert!(start(&mut world));
    let later = world.now + 2 * HOUR_MS;
    while world.now < later {
        let soon = world.now + 60_000;
        world.until(|world| world.now > soon);
    }
    assert_eq!(world.wrong, Vec::<String>::new());
    assert_eq!((0..2).filter(|&at| world.is_active(at)).count(), 1);
    for at in 0..2 {
        assert!(
            world.told(at, |event| {
                matches!(event, Event::ProblemFound { path, kind: ProblemKind::DirectoryCopy } if path.name() == COPY)
            }),
            "m{at} says nothing of the copy"
        );
    }
    // One that stops hands over to the one in the other half.
    assert!(activate(&mut world));
    assert_eq!(world.wrong, Vec::<String>::new());
}
