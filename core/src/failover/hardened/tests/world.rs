//! Many replicas over maps, with schedules drawn at random: delays, crashes, sleeps, clocks that are off.
//!
//! An independent oracle: it shares no line with the world of the simulator and the model checker, which has rules of
//! its own for what a folder may do. What both find to hold does not hang on a mistake in one of them; and a change of
//! the protocol is tried here without any other crate.

use std::collections::{BTreeMap, VecDeque};

use super::super::constants::{Asleep, Policy, Provider};
use crate::failover::testing::{Files, START};
use crate::failover::{Call, Command, Config, Event, Failover, Hardened, Identity, Reply, Update};
use crate::{Content, Draw, Driver, FsError, FsMut as _, FsOp, Input, Mono, Now, Path, Rng, Root, WallMs};

/// What a schedule may do. Times in ms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weather {
    pub(super) policy: Policy,
    pub(super) replicas: usize,
    /// How long a version may take to each of the others.
    pub(super) delay_ms: [u64; 2],
    /// One version in so many takes up to twenty minutes; 0 for none.
    pub(super) late_one_in: u64,
    /// How long faults may happen.
    pub(super) run_ms: u64,
    /// One fault in about so many ms; 0 for none.
    pub(super) fault_every_ms: u64,
    /// How much the clocks may be off, in millionths.
    pub(super) drift_ppm: i64,
    pub(super) asleep: Asleep,
    /// Whether people make others active meanwhile.
    pub(super) people: bool,
    /// A new update in about so many ms; 0 for none.
    pub(super) update_every_ms: u64,
}

impl Weather {
    pub(super) fn calm(policy: Policy) -> Self {
        Self {
            policy,
            replicas: 3,
            delay_ms: [3_000, 15_000],
            late_one_in: 0,
            run_ms: 0,
            fault_every_ms: 0,
            drift_ppm: 0,
            asleep: Asleep::Counted,
            people: false,
            update_every_ms: 0,
        }
    }

    /// Faults all the time, delays within the bound.
    pub(super) fn stormy(policy: Policy, fault_every_ms: u64) -> Self {
        Self {
            run_ms: 1_800_000,
            fault_every_ms,
            drift_ppm: 100,
            delay_ms: [0, 15_000],
            update_every_ms: 20_000,
            ..Self::calm(policy)
        }
    }
}

struct Node {
    config: Config,
    files: Files,
    driver: Option<Driver<Failover>>,
    /// World time until which it sleeps; 0 while awake.
    asleep_until: u64,
    asleep_since: u64,
    /// How long its monotonic clock has stood still.
    stopped_ms: u64,
    drift_ppm: i64,
    /// When its pending op is done.
    op_at: Option<u64>,
    /// When its next start is.
    open_at: Option<u64>,
    reply: Option<(u64, Reply)>,
    told: bool,
}

/// A version on its way.
struct Parcel {
    at: u64,
    from: usize,
    /// When it leaves the machine on which it was written.
    leaves: u64,
    to: usize,
    path: Path,
    version: u64,
    content: Option<Content>,
}

pub(super) struct World {
    pub(super) now: u64,
    pub(super) weather: Weather,
    nodes: Vec<Node>,
    parcels: Vec<Parcel>,
    /// The newest version that each replica has of each file.
    have: BTreeMap<(usize, Path), u64>,
    version: u64,
    seed: u64,
    /// Updates that wait at the service, and how often each took effect.
    queue: VecDeque<Update>,
    pub(super) last_id: i64,
    /// Whether it hands out everything again and again, whatever was confirmed.
    pub(super) forgetful: bool,
    pub(super) effects: BTreeMap<i64, u32>,
    pub(super) confirmed: Vec<i64>,
    pub(super) writes: u64,
    /// The most that were active at once.
    pub(super) active_max: usize,
    /// Whom and when more than one was seen active.
    pub(super) overlap: Option<(u64, Vec<usize>)>,
    pub(super) terms: Vec<(u64, u64)>,
    log: Vec<String>,
}

impl World {
    pub(super) fn new(weather: Weather, seed: u64) -> Self {
        let voters: Vec<_> = (0..weather.replicas).map(|at| format!("h{at}:/x")).collect();
        let node = |at: usize| {
            let identity = Identity { name: None, host: format!("h{at}"), directory: "/x".into() };
            let mut config = Config::hardened_at(identity, Provider::Syncthing, weather.policy);
            config.hardened =
                Hardened { voters: voters.clone(), asleep: weather.asleep, ..config.hardened.clone() };
            config.check().unwrap();
            Node {
                config,
                files: Files::default(),
                driver: None,
                asleep_until: 0,
                asleep_since: 0,
                stopped_ms: 0,
                drift_ppm: 0,
                op_at: None,
                open_at: None,
                reply: None,
                told: false,
            }
        };
        let mut world = Self {
            now: 0,
            weather,
            nodes: (0..weather.replicas).map(node).collect(),
            parcels: Vec::new(),
            have: BTreeMap::new(),
            version: 0,
            seed,
            queue: VecDeque::new(),
            last_id: 0,
            forgetful: false,
            effects: BTreeMap::new(),
            confirmed: Vec::new(),
            writes: 0,
            active_max: 0,
            overlap: None,
            terms: Vec::new(),
            log: Vec::new(),
        };
        for at in 0..weather.replicas {
            let drift = world.up_to(u64::try_from(2 * weather.drift_ppm).unwrap());
            world.nodes[at].drift_ppm = i64::try_from(drift).unwrap() - weather.drift_ppm;
            world.nodes[at].open_at = Some(world.up_to(20_000));
        }
        world
    }

    fn up_to(&mut self, max: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Draw::Seed(self.seed).rng().up_to(max)
    }

    fn between(&mut self, [least, most]: [u64; 2]) -> u64 {
        least + self.up_to(most - least)
    }

    fn clocks(&self, at: usize) -> Now {
        let node = &self.nodes[at];
        let now = i128::from(self.now);
        let elapsed = u64::try_from(now + now * i128::from(node.drift_ppm) / 1_000_000).unwrap();
        let asleep = if node.asleep_until > 0 { self.now - node.asleep_since } else { 0 };
        let stopped = match self.weather.asleep {
            Asleep::Counted => 0,
            Asleep::Missed => node.stopped_ms + asleep,
        };
        let wall = WallMs(START).plus(i64::try_from(elapsed).unwrap());
        Now { mono: Mono(elapsed.saturating_sub(stopped) + 1), wall }
    }

    /// The first world time at which a replica's monotonic clock shows that much.
    fn world_time(&self, at: usize, mono: Mono) -> u64 {
        let ahead = mono.since(self.clocks(at).mono);
        let ppm = i128::from(self.nodes[at].drift_ppm);
        self.now + u64::try_from(i128::from(ahead) * (1_000_000 - ppm) / 1_000_000).unwrap()
    }

    /// The replicas that could take a step: their settings, files, states and clocks.
    pub(super) fn could_step(&self) -> impl Iterator<Item = (&Config, &Files, &Failover, Now)> {
        self.nodes.iter().enumerate().filter_map(|(at, node)| {
            let driver = node.driver.as_ref().filter(|driver| driver.pending_op().is_none())?;
            (node.asleep_until == 0).then(|| (&node.config, &node.files, driver.protocol(), self.clocks(at)))
        })
    }

    pub(super) fn is_active(&self, at: usize) -> bool {
        let node = &self.nodes[at];
        node.asleep_until == 0
            && node.driver.as_ref().is_some_and(|driver| driver.protocol().is_active(self.clocks(at)))
    }

    pub(super) fn active(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|at| self.is_active(*at)).collect()
    }

    pub(super) fn leader(&self, at: usize) -> Option<String> {
        self.nodes[at].driver.as_ref()?.protocol().leader().map(Into::into)
    }

    pub(super) fn crash(&mut self, at: usize, for_ms: u64) {
        let node = &mut self.nodes[at];
        node.driver = None;
        node.op_at = None;
        node.reply = None;
        node.open_at = Some(self.now + for_ms);
        self.note(at, "dies");
    }

    pub(super) fn sleep(&mut self, at: usize, for_ms: u64) {
        let now = self.now;
        let node = &mut self.nodes[at];
        if node.asleep_until == 0 {
            node.asleep_since = now;
            node.asleep_until = now + for_ms;
            for parcel in self.parcels.iter_mut().filter(|parcel| parcel.from == at && parcel.leaves > now) {
                parcel.at += for_ms;
                parcel.leaves += for_ms;
            }
            self.note(at, "sleeps");
        }
    }

    /// Changes the constants of all, before anybody starts.
    pub(super) fn configure(&mut self, change: impl Fn(&mut Config)) {
        for node in &mut self.nodes {
            change(&mut node.config);
            node.config.check().unwrap();
        }
    }

    /// Changes the constants of one, before it starts.
    pub(super) fn configure_one(&mut self, at: usize, change: impl Fn(&mut Config)) {
        let config = &mut self.nodes[at].config;
        change(config);
        config.check().unwrap();
    }

    /// A person writes an update.
    pub(super) fn write_update(&mut self) {
        self.last_id += 1;
        self.queue.push_back(Update { id: self.last_id, sent: WallMs(START) });
    }

    /// How often anybody told something of this kind.
    pub(super) fn told(&self, what: &str) -> usize {
        self.log.iter().filter(|line| line.contains(what)).count()
    }

    /// The names of the shared files on a replica's disk.
    pub(super) fn files(&self, at: usize) -> Vec<String> {
        let shared = self.nodes[at].files.files.keys().filter(|path| path.root() == Root::Shared);
        shared.map(|path| path.file_name().to_owned()).collect()
    }

    /// The only one that is active.
    pub(super) fn only_active(&self) -> usize {
        let [one] = self.active()[..] else { panic!("{:?} are active: {}", self.active(), self.story()) };
        one
    }

    pub(super) fn last_update_id(&self, at: usize) -> i64 {
        self.nodes[at].driver.as_ref().map_or(0, |driver| driver.protocol().last_update_id())
    }

    pub(super) fn command(&mut self, at: usize, command: Command) {
        let idle = |driver: &Driver<Failover>| driver.pending_op().is_none();
        if self.nodes[at].asleep_until == 0 && self.nodes[at].driver.as_ref().is_some_and(idle) {
            self.feed(at, Input::Command(command));
        }
    }

    fn note(&mut self, at: usize, what: &str) {
        if self.log.len() < 20_000 {
            self.log.push(format!("{:>8} {at} {what}", self.now));
        }
    }

    /// Lets the world go on until a time.
    pub(super) fn until(&mut self, end: u64) {
        while self.now < end {
            let next = self.next_time().min(end).max(self.now);
            self.now = next;
            self.deliver();
            for at in 0..self.nodes.len() {
                self.turn(at);
            }
            if self.now == next && self.next_time() <= next {
                continue;
            }
            if next == end {
                return;
            }
        }
    }

    fn next_time(&self) -> u64 {
        let parcels = self.parcels.iter().map(|parcel| parcel.at.max(self.nodes[parcel.to].asleep_until));
        let nodes = self.nodes.iter().enumerate().flat_map(|(at, node)| {
            if node.asleep_until > 0 {
                return [Some(node.asleep_until), None, None];
            }
            let timer = node.driver.as_ref().and_then(Driver::wake_at);
            let timer = timer.map(|mono| self.world_time(at, mono).max(self.now));
            let timer = timer.map(|time| if time == self.now && !self.is_due(at) { time + 1 } else { time });
            let reply = node.reply.as_ref().map(|(time, _)| (*time).max(self.now));
            let reply = reply.filter(|_| node.op_at.is_none());
            [node.op_at.or(timer), node.open_at, reply]
        });
        parcels.chain(nodes.flatten()).min().unwrap_or(u64::MAX)
    }

    fn is_due(&self, at: usize) -> bool {
        let wake = self.nodes[at].driver.as_ref().and_then(Driver::wake_at);
        wake.is_some_and(|mono| mono <= self.clocks(at).mono)
    }

    fn deliver(&mut self) {
        let mut at = 0;
        while at < self.parcels.len() {
            let parcel = &self.parcels[at];
            if parcel.at > self.now || self.nodes[parcel.to].asleep_until > self.now {
                at += 1;
                continue;
            }
            let parcel = self.parcels.swap_remove(at);
            let have = self.have.entry((parcel.to, parcel.path.clone())).or_default();
            if *have >= parcel.version {
                continue;
            }
            *have = parcel.version;
            let node = &mut self.nodes[parcel.to];
            match parcel.content {
                Some(content) => node.files.files.insert(parcel.path, content),
                None => node.files.files.remove(&parcel.path),
            };
            node.told = true;
        }
    }

    fn turn(&mut self, at: usize) {
        let now = self.now;
        let node = &mut self.nodes[at];
        if node.asleep_until > 0 {
            if node.asleep_until > now {
                return;
            }
            let long = now - node.asleep_since > 4_000;
            node.stopped_ms += now - node.asleep_since;
            node.asleep_until = 0;
            self.note(at, "wakes");
            self.look_at_all();
            // What came meanwhile takes its time once more, after more than a nap.
            for index in 0..self.parcels.len() {
                if long && self.parcels[index].to == at {
                    let delay = self.between([0, self.weather.delay_ms[1]]);
                    self.parcels[index].at = self.parcels[index].at.max(now + delay);
                }
            }
            return;
        }
        if node.open_at.is_some_and(|time| time <= now) {
            node.open_at = None;
            if node.driver.is_none() {
                self.open(at);
            }
        }
        if self.nodes[at].op_at.is_some_and(|time| time <= now) {
            self.apply(at);
        }
        let node = &mut self.nodes[at];
        if node.driver.is_none() || node.op_at.is_some() {
            return;
        }
        if node.reply.as_ref().is_some_and(|(time, _)| *time <= now) {
            let (_, reply) = node.reply.take().unwrap();
            self.feed(at, Input::Reply(reply));
        } else if std::mem::take(&mut node.told) {
            self.feed(at, Input::Changed);
        } else if self.is_due(at) {
            self.feed(at, Input::Timer);
        }
    }

    fn open(&mut self, at: usize) {
        let draw = Draw::Seed(self.up_to(u64::MAX));
        let (now, node) = (self.clocks(at), &mut self.nodes[at]);
        let mut events = Vec::new();
        node.driver = Some(Driver::open(&node.config, now, draw, &node.files, &mut events));
        self.after(at, events);
    }

    fn feed(&mut self, at: usize, input: Input<Failover>) {
        let draw = Draw::Seed(self.up_to(u64::MAX));
        let now = self.clocks(at);
        let Node { config, files, driver, .. } = &mut self.nodes[at];
        let mut events = Vec::new();
        driver.as_mut().unwrap().feed(config, input, now, draw, files, &mut events);
        self.after(at, events);
    }

    fn apply(&mut self, at: usize) {
        self.nodes[at].op_at = None;
        let op = self.nodes[at].driver.as_ref().unwrap().pending_op().unwrap().clone();
        let result = self.perform(at, &op);
        let draw = Draw::Seed(self.up_to(u64::MAX));
        let now = self.clocks(at);
        let Node { config, files, driver, .. } = &mut self.nodes[at];
        let mut events = Vec::new();
        driver.as_mut().unwrap().applied(config, result, now, draw, files, &mut events);
        self.after(at, events);
    }

    fn perform(&mut self, at: usize, op: &FsOp) -> Result<(), FsError> {
        self.nodes[at].files.apply(op)?;
        if op.path().root() == Root::Local {
            return Ok(());
        }
        self.writes += 1;
        self.version += 1;
        let path = op.path().clone();
        self.have.insert((at, path.clone()), self.version);
        let leaves = self.up_to(self.weather.delay_ms[0].max(self.weather.delay_ms[1] / 2));
        for to in 0..self.nodes.len() {
            if to == at {
                continue;
            }
            let late = self.weather.late_one_in > 0 && self.up_to(self.weather.late_one_in - 1) == 0;
            let delay = if late {
                self.up_to(1_200_000)
            } else {
                self.between([self.weather.delay_ms[0].max(leaves), self.weather.delay_ms[1]])
            };
            let content = self.nodes[at].files.files.get(&path).cloned();
            let (time, version) = (self.now + delay, self.version);
            let leaves = (self.now + leaves).min(time);
            self.parcels.push(Parcel {
                at: time,
                from: at,
                leaves,
                to,
                path: path.clone(),
                version,
                content,
            });
        }
        Ok(())
    }

    fn after(&mut self, at: usize, events: Vec<Event>) {
        for event in events {
            if !matches!(event, Event::HeartbeatWritten { .. }) {
                self.note(at, &serde_json::to_string(&event).unwrap());
            }
            if matches!(event, Event::BecameActive { .. }) {
                let term = self.nodes[at].driver.as_ref().unwrap().protocol().term();
                self.terms.push((self.now, term));
            }
        }
        let latency = self.up_to(300);
        let node = &mut self.nodes[at];
        let driver = node.driver.as_mut().unwrap();
        if driver.pending_op().is_some() {
            node.op_at = Some(self.now + latency);
        } else if let Some(call) = driver.take_call() {
            assert!(node.reply.is_none(), "the world outside answers one call at a time");
            let reply = self.answer(at, call);
            self.nodes[at].reply = Some((self.now + latency, reply));
        }
        self.look_at_all();
    }

    fn answer(&mut self, _: usize, call: Call) -> Reply {
        match call {
            Call::GetUpdates { offset, .. } => {
                while !self.forgetful && self.queue.front().is_some_and(|update| update.id < offset) {
                    self.confirmed.push(self.queue.pop_front().unwrap().id);
                }
                Reply::Updates(self.queue.iter().copied().collect())
            }
            Call::Handle { update, .. } => {
                *self.effects.entry(update.id).or_default() += 1;
                Reply::Handled { id: update.id }
            }
            Call::Kill { .. } => Reply::Killed { found: true },
        }
    }

    fn look_at_all(&mut self) {
        let active = self.active();
        self.active_max = self.active_max.max(active.len());
        if active.len() > 1 && self.overlap.is_none() {
            self.overlap = Some((self.now, active));
        }
    }

    /// Draws faults and people until the end of the run, then heals everything.
    pub(super) fn storm(&mut self) {
        let weather = self.weather;
        let mut next_update = weather.update_every_ms;
        while self.now < weather.run_ms {
            let step = 1 + self.up_to(weather.fault_every_ms.max(1) * 2);
            let end = (self.now + step).min(weather.run_ms);
            while weather.update_every_ms > 0 && next_update < end {
                self.until(next_update);
                self.write_update();
                next_update += 1 + self.up_to(2 * weather.update_every_ms);
            }
            self.until(end);
            let at = usize::try_from(self.up_to(u64::try_from(weather.replicas - 1).unwrap())).unwrap();
            let for_ms = match self.up_to(2) {
                0 => self.up_to(3_000),
                1 => self.up_to(90_000),
                _ => self.up_to(600_000),
            };
            match self.up_to(if weather.people { 3 } else { 1 }) {
                0 => self.crash(at, for_ms),
                1 => self.sleep(at, for_ms),
                _ => {
                    let target = self.up_to(u64::try_from(weather.replicas - 1).unwrap());
                    self.command(at, Command::Activate { device: format!("h{target}:/x") });
                }
            }
        }
    }

    pub(super) fn story(&self) -> String {
        let from = self.log.len().saturating_sub(60);
        let cut = self.overlap.as_ref().map_or(u64::MAX, |(at, _)| *at);
        let told: Vec<_> = self
            .log
            .iter()
            .filter(|line| line[..8].trim().parse::<u64>().unwrap() <= cut)
            .map(String::as_str)
            .collect();
        let from = from.min(told.len().saturating_sub(60));
        format!("{:?}\n{}", self.overlap, told[from..].join("\n"))
    }

    /// Waits for the time that all have to be of one mind by, and looks.
    pub(super) fn settle(&mut self) {
        let hardened = &self.nodes[0].config.hardened;
        let round = hardened.suspect_ms_max + 4 * hardened.slot_ms + 2 * hardened.wait_ms;
        let sleepers = 1_300_000;
        let end = self.now + sleepers + 3 * round + 2 * hardened.promise_ms;
        self.until(end);
    }
}
