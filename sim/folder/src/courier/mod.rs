//! When the sync clients do what they do.
//!
//! The [world](crate::world) says what may happen to a folder; the courier says when it does, for one
//! provider's [`Profile`] and one seed. It is a list of planned [choices](Choice) and no more: it holds no content, knows
//! no protocol and starts nothing, and what a [`Folder`] says it asks. Whoever runs a world tells it what changed and does what it says:
//!
//! ```
//! use cloudchamber_core::{Never, Path};
//! use cloudchamber_folder::ReplicaId;
//! use cloudchamber_folder::courier::{Courier, Folder, Touch};
//! use cloudchamber_folder::profile::{Arrival, Profile};
//! use cloudchamber_folder::world::Choice;
//!
//! /// A folder of one file, of which there are so many versions. In a run it is the world.
//! struct File(u32);
//! impl Folder for File {
//!     fn latest(&self, _: &Path) -> u32 {
//!         self.0
//!     }
//!     fn is_there(&self, _: ReplicaId, _: &Path) -> bool {
//!         self.0 > 0
//!     }
//! }
//!
//! let [a, b] = [ReplicaId(0), ReplicaId(1)];
//! let mut courier = Courier::new(Profile::named("syncthing").unwrap(), 2, 1);
//! let path = Path::shared("devices/a.json");
//! courier.touched(20_000, a, &path, Touch::Written);
//! let due = courier.due().unwrap();
//! assert_eq!(due, 30_000);
//! let up: Choice<Never, Never> = Choice::Upload { replica: a, path: path.clone() };
//! assert_eq!(courier.next(due, &File(0)), Some(up));
//! courier.committed(due, a, &path, 1, false, &File(1));
//! let due = courier.due().unwrap();
//! let down: Choice<Never, Never> =
//!     Choice::Download { replica: b, path, back: 0, arrival: Arrival::Whole };
//! assert_eq!(courier.next(due, &File(1)), Some(down));
//! ```
//!
//! # Time
//! Times are milliseconds since the folders were opened (Syncthing's timer starts with its folder, so the
//! origin matters). They never go back from call to call. Take choices until there is none before telling of
//! later changes.
//!
//! # Randomness
//! Each replica has a stream of numbers for each purpose, so that leaving out a stall, a hazard or a replica
//! leaves every other delay as it was.

mod aggregator;
pub mod measured;
mod queue;
mod state;
mod streams;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use cloudchamber_core::{Draw, Path, Root};

use self::aggregator::{Aggregator, Kind};
use self::queue::{Event, Queue, What};
use self::state::{Client, Slot, next_tick, queued};
use self::streams::Streams;
use crate::profile::{Arrival, BatchOrder, Debounce, Delay, Profile, Removals, Timing};
use crate::streams::{Purpose, another};
use crate::world::{Choice, World};
use crate::{ReplicaId, System};

/// What an application, or a crash, did to a file.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Touch {
    /// It is there, with other content or a new name.
    Written,
    /// It is gone.
    Removed,
}

/// What the courier asks of the folder that it serves, and keeps nothing of.
pub trait Folder {
    /// The number of a file's newest version on the server; 0 if there is none.
    fn latest(&self, path: &Path) -> u32;

    /// Whether a replica's disk has a file of this name, with its bytes or without.
    fn is_there(&self, replica: ReplicaId, path: &Path) -> bool;
}

impl<S: System> Folder for World<S> {
    fn latest(&self, path: &Path) -> u32 {
        self.cloud().latest(path)
    }

    fn is_there(&self, replica: ReplicaId, path: &Path) -> bool {
        self.replica(replica).disk().slot(path).is_some_and(|slot| slot.body.is_some())
    }
}

/// The plan of every sync client of a folder.
#[derive(Clone, Debug)]
pub struct Courier {
    profile: Arc<Profile>,
    /// The numbers of the files, in the order in which they were first named.
    files: BTreeMap<Path, u32>,
    paths: Vec<Path>,
    /// One for each file and replica: all replicas of file 0, then those of file 1, and so on.
    slots: Vec<Slot>,
    clients: Vec<Client>,
    queue: Queue,
    streams: Streams,
    calm: bool,
    /// A batch on its way out, kept to reuse its room.
    batch: Vec<(u32, Kind)>,
}

/// The chance that a file which lies idle is evicted counts over a day.
const DAY_MS: u64 = 86_400_000;

impl Courier {
    /// Draws whatever is not drawn yet for another seed.
    pub(crate) fn redraw(&mut self, seed: u64) {
        self.streams = Streams::new(seed, self.clients.len());
    }

    /// The plan for `replicas` clients whose folders are opened at time 0.
    ///
    /// # Panics
    /// Where there are more than [`ReplicaId::COUNT_MAX`] replicas.
    #[must_use]
    pub fn new(profile: Arc<Profile>, replicas: usize, seed: u64) -> Self {
        let mut streams = Streams::new(seed, replicas);
        let mut client = |replica: ReplicaId| {
            let mut client = Client::default();
            match profile.timing.debounce {
                Debounce::Aggregator { delay_ms, timeout_ms } => {
                    client.aggregator = Some(Aggregator::new(delay_ms, timeout_ms));
                }
                Debounce::Timer { every_ms } => {
                    let drawn = streams.draw(replica, Purpose::Debounce);
                    client.phase = Delay::between(0, every_ms - 1, drawn);
                }
                Debounce::None | Debounce::Fixed { .. } | Debounce::Uniform { .. } => {}
            }
            client
        };
        Self {
            clients: ReplicaId::all(replicas).map(&mut client).collect(),
            files: BTreeMap::new(),
            paths: Vec::new(),
            slots: Vec::new(),
            queue: Queue::new(replicas),
            streams,
            calm: false,
            batch: Vec::new(),
            profile,
        }
    }

    /// The profile it plans by.
    #[must_use]
    pub fn profile(&self) -> &Arc<Profile> {
        &self.profile
    }

    /// A file was changed on a replica's disk, by its application or by a crash.
    ///
    /// What the clients themselves put there is told with [`Courier::placed`]. Local files never move.
    pub fn touched(&mut self, now: u64, replica: ReplicaId, path: &Path, kind: Touch) {
        if path.root() == Root::Local {
            return;
        }
        let file = self.number(path);
        let slot = self.slot(file, replica);
        slot.changed = now;
        slot.evicted = false;
        slot.wedged = false;
        slot.broken = 0;
        if slot.uploading {
            return;
        }
        let kind = if kind == Touch::Written { Kind::Written } else { Kind::Removed };
        match self.profile.timing.debounce {
            Debounce::None => self.upload(now, replica, file),
            Debounce::Fixed { ms, longest_ms } => self.settle(now, replica, file, ms, longest_ms),
            Debounce::Uniform { min_ms, max_ms, longest_ms } => {
                let drawn = self.streams.draw(replica, Purpose::Debounce);
                self.settle(now, replica, file, Delay::between(min_ms, max_ms, drawn), longest_ms);
            }
            Debounce::Aggregator { .. } => {
                let aggregator = self.clients[replica.index()].aggregator.as_mut();
                let aggregator = aggregator.expect("made with the courier");
                if let Some(at) = aggregator.touched(now, file, kind) {
                    self.queue.plan(at, replica, What::Tick);
                }
            }
            Debounce::Timer { every_ms } => {
                let client = &mut self.clients[replica.index()];
                if let Some(known) = client.waiting.iter_mut().find(|(known, _)| *known == file) {
                    known.1 = kind;
                    return;
                }
                client.waiting.push((file, kind));
                if client.waiting.len() == 1 {
                    let at = next_tick(now, every_ms, client.phase);
                    self.queue.plan(at, replica, What::Tick);
                }
            }
        }
    }

    /// The server took a version from `author` (it counts a path's versions from 1 up): plans its way to every
    /// other replica.
    pub fn committed(
        &mut self,
        now: u64,
        author: ReplicaId,
        path: &Path,
        version: u32,
        removed: bool,
        folder: &impl Folder,
    ) {
        let file = self.number(path);
        self.slot(file, author).arrived = version;
        for replica in ReplicaId::all(self.clients.len()) {
            if replica != author {
                self.download(now, replica, file, version, removed, folder);
            }
        }
    }

    /// A version that `replica` was sent before has to reach it once more: its client passed it over, or lost
    /// a conflict to it.
    pub fn owed(
        &mut self,
        now: u64,
        replica: ReplicaId,
        path: &Path,
        version: u32,
        removed: bool,
        folder: &impl Folder,
    ) {
        let file = self.number(path);
        let slot = self.slot(file, replica);
        slot.arrived = slot.arrived.min(version);
        self.download(now, replica, file, version, removed, folder);
    }

    /// What the courier brought has no room on a replica's disk: none of it is there that could be broken. Whoever says so
    /// has it brought again.
    pub fn turned_away(&mut self, replica: ReplicaId, path: &Path, version: u32) {
        let file = self.number(path);
        let slot = self.slot(file, replica);
        if slot.broken == version {
            slot.broken = 0;
        }
    }

    /// A client put a file on a replica's disk, or took one away: plans when its application hears of it.
    pub fn placed(&mut self, now: u64, replica: ReplicaId, path: &Path, folder: &impl Folder) {
        let file = self.number(path);
        let slot = self.slot(file, replica);
        slot.changed = now;
        self.notify(now, replica);
        self.plan_eviction(now, replica, file, folder);
    }

    /// An application tried to read a file whose bytes are elsewhere: plans their return, unless the file is
    /// wedged.
    pub fn wanted(&mut self, now: u64, replica: ReplicaId, path: &Path) {
        let file = self.number(path);
        let drawn = self.streams.draw(replica, Purpose::Fetch);
        let fetch_ms = self.delay(|timing| &timing.fetch, drawn);
        let slot = self.slot(file, replica);
        if slot.evicted && !slot.fetching && !slot.wedged {
            slot.fetching = true;
            self.queue.plan(now + fetch_ms, replica, What::Fetch { file });
        }
    }

    /// A replica lost its connection or fell asleep, or is back. What falls due meanwhile waits.
    pub fn reachable(&mut self, now: u64, replica: ReplicaId, yes: bool) {
        if self.queue.is_reachable(replica) == yes {
            return;
        }
        if !yes {
            self.queue.park(replica);
            return;
        }
        let drawn = self.streams.draw(replica, Purpose::Resume);
        let resume_ms = self.delay(|timing| &timing.resume, drawn);
        self.queue.resume(replica, now + resume_ms);
        if !self.calm && self.profile.hazards.stale_upload.hits(another(drawn, 0)) {
            self.queue.plan(now + resume_ms, replica, What::ResetIndex);
        }
    }

    /// From now on nothing goes wrong and no delay exceeds its 99th percentile; what is stalled, broken,
    /// wedged or evicted is mended within as much. Replicas that are not reachable stay so.
    pub fn calm(&mut self, now: u64) {
        self.calm = true;
        let timing = &self.profile.timing;
        let pull_ms = if let Debounce::Timer { every_ms } = timing.debounce { every_ms } else { 0 };
        let down_ms = pull_ms + timing.deliver.p99_ms() + timing.removal_lag_ms;
        let (up_ms, fetch_ms, watch_ms) =
            (timing.commit.p99_ms(), timing.fetch.p99_ms(), timing.watch.p99_ms());
        self.queue.rearrange(|event| {
            let (most_ms, what) = match event.what {
                What::Download { file, version, .. } => {
                    (down_ms, What::Download { file, version, arrival: Arrival::Whole })
                }
                What::Evict { .. } | What::ResetIndex => return None,
                What::Fetch { .. } => (fetch_ms, event.what),
                What::Upload { .. } => (up_ms, event.what),
                What::Watch { .. } => (watch_ms, What::Watch { lost: false }),
                What::Settle { .. } | What::Tick => return Some(event),
            };
            Some(Event { at: event.at.min(now + most_ms), what, ..event })
        });
        for client in &mut self.clients {
            client.notice = client.notice.map(|at| at.min(now + watch_ms));
            client.down_last = client.down_last.min(now + down_ms);
            (client.up_free, client.down_free, client.pull) = (0, 0, (0, 0));
        }
        let replicas = self.clients.len();
        let places = (0..).flat_map(|file| ReplicaId::all(replicas).map(move |replica| (file, replica)));
        for ((file, replica), slot) in places.zip(&mut self.slots) {
            slot.coming.1 = slot.coming.1.min(now + down_ms);
            if slot.evicted && !slot.fetching {
                slot.fetching = true;
                self.queue.plan(now + fetch_ms, replica, What::Fetch { file });
            } else if slot.broken > 0 && slot.broken == slot.arrived {
                let whole = What::Download { file, version: slot.broken, arrival: Arrival::Whole };
                self.queue.plan(now + down_ms, replica, whole);
            }
            slot.wedged = false;
            slot.broken = 0;
        }
    }

    /// When to ask for the next choice. It may turn out that there is none: clients have timers, too.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.queue.due()
    }

    /// Takes one choice that is due at `now` or was before. Choices count versions back from
    /// the server's newest, the courier counts up.
    ///
    /// The world may refuse the choice: a newer version came first, the file was changed here meanwhile, the process is
    /// down. A client drops it then, too. Only what was [turned away](Self::turned_away) is still to come.
    pub fn next<C, A>(&mut self, now: u64, folder: &impl Folder) -> Option<Choice<C, A>> {
        loop {
            let event = self.queue.pop(now)?;
            if let Some(choice) = self.happen(event, folder) {
                return Some(choice);
            }
        }
    }

    /// Whether a changed file is going up: it comes to rest, waits for a timer, or is on its way.
    #[must_use]
    pub fn sends(&self, replica: ReplicaId, path: &Path) -> bool {
        let Some(&file) = self.files.get(path) else { return false };
        let slot = &self.slots[self.place(file, replica)];
        let client = &self.clients[replica.index()];
        let waits_for_a_tick = || match &client.aggregator {
            Some(aggregator) => aggregator.waits_for(file),
            None => client.waiting.iter().any(|(waiting, _)| *waiting == file),
        };
        slot.uploading || slot.settling.is_some() || waits_for_a_tick()
    }

    /// Whether a version is on its way to a replica. One that hazards broke for good is until calm mends it.
    #[must_use]
    pub fn brings(&self, replica: ReplicaId, path: &Path, version: u32) -> bool {
        let Some(&file) = self.files.get(path) else { return false };
        let of_it = |what| matches!(what, What::Download { file: of, version: number, .. } if (of, number) == (file, version));
        self.slots[self.place(file, replica)].broken == version || self.queue.has(replica, of_it)
    }

    /// Whether an application is going to be told that files may have changed.
    #[must_use]
    pub fn notifies(&self, replica: ReplicaId) -> bool {
        self.queue.has(replica, |what| matches!(what, What::Watch { .. }))
    }

    /// What becomes of an event whose time has come.
    fn happen<C, A>(&mut self, event: Event, folder: &impl Folder) -> Option<Choice<C, A>> {
        let Event { at, replica, what, .. } = event;
        match what {
            What::Download { file, version, arrival } => {
                let slot = self.slot(file, replica);
                let overtaken = slot.arrived > version || (slot.coming.0 > version && slot.coming.1 <= at);
                if overtaken {
                    return None;
                }
                slot.arrived = version;
                slot.evicted = false;
                let path = self.paths[file as usize].clone();
                let back = folder.latest(&path).saturating_sub(version);
                Some(Choice::Download { replica, path, back, arrival })
            }
            What::Evict { file, since } => {
                let slot = self.slot(file, replica);
                if slot.changed != since || slot.evicted || slot.uploading || slot.settling.is_some() {
                    return None;
                }
                slot.evicted = true;
                slot.wedged = false;
                if self.profile.hazards.wedged.hits(self.streams.draw(replica, Purpose::Fetch)) {
                    self.slot(file, replica).wedged = true;
                }
                Some(Choice::Evict { replica, path: self.paths[file as usize].clone() })
            }
            What::Fetch { file } => {
                let slot = self.slot(file, replica);
                slot.fetching = false;
                let evicted = std::mem::take(&mut slot.evicted);
                evicted.then(|| Choice::Fetch { replica, path: self.paths[file as usize].clone() })
            }
            What::ResetIndex => Some(Choice::ResetIndex { replica }),
            What::Settle { file } => {
                self.settled(at, replica, file);
                None
            }
            What::Tick => {
                self.tick(at, replica);
                None
            }
            What::Upload { file } => {
                self.slot(file, replica).uploading = false;
                self.plan_eviction(at, replica, file, folder);
                Some(Choice::Upload { replica, path: self.paths[file as usize].clone() })
            }
            What::Watch { lost } => {
                let notice = &mut self.clients[replica.index()].notice;
                if !lost && notice.is_some_and(|due| due <= at) {
                    *notice = None;
                }
                Some(Choice::Watch { replica, lost, draw: Draw::default() })
            }
        }
    }

    /// Begins, or prolongs, the time in which a file comes to rest.
    fn settle(&mut self, now: u64, replica: ReplicaId, file: u32, quiet_ms: u64, longest_ms: u64) {
        let slot = self.slot(file, replica);
        // An event that fires too early finds the later end here.
        if let Some((since, until)) = &mut slot.settling {
            *until = (now + quiet_ms).min(*since + longest_ms);
            return;
        }
        slot.settling = Some((now, now + quiet_ms));
        self.queue.plan(now + quiet_ms, replica, What::Settle { file });
    }

    fn settled(&mut self, at: u64, replica: ReplicaId, file: u32) {
        let slot = self.slot(file, replica);
        let Some((_, until)) = slot.settling else { return };
        if until > at {
            self.queue.plan(until, replica, What::Settle { file });
            return;
        }
        slot.settling = None;
        self.upload(at, replica, file);
    }

    /// The client's timer fires: a batch is sent.
    fn tick(&mut self, at: u64, replica: ReplicaId) {
        let mut batch = std::mem::take(&mut self.batch);
        let client = &mut self.clients[replica.index()];
        let next = match &mut client.aggregator {
            Some(aggregator) => aggregator.fire(at, &mut batch),
            None => {
                batch.append(&mut client.waiting);
                None
            }
        };
        if let Some(next) = next {
            self.queue.plan(next, replica, What::Tick);
        }
        match self.profile.timing.batch_order {
            BatchOrder::Random => self.shuffle(replica, &mut batch),
            BatchOrder::Sorted => {
                batch.sort_unstable_by(|(one, _), (other, _)| {
                    self.paths[*one as usize].cmp(&self.paths[*other as usize])
                });
            }
        }
        match self.profile.timing.removals {
            Removals::Among => {}
            Removals::First => batch.sort_by_key(|(_, kind)| Reverse(*kind)),
            Removals::Last => batch.sort_by_key(|(_, kind)| *kind),
        }
        if matches!(self.profile.timing.debounce, Debounce::Timer { .. }) {
            // One push carries the batch.
            let way_ms = self.up_ms(replica);
            for (file, _) in batch.drain(..) {
                self.slot(file, replica).uploading = true;
                self.queue.plan(at + way_ms, replica, What::Upload { file });
            }
        } else {
            for (file, _) in batch.drain(..) {
                self.upload(at, replica, file);
            }
        }
        self.batch = batch;
    }

    fn shuffle(&mut self, replica: ReplicaId, batch: &mut [(u32, Kind)]) {
        for end in (1..batch.len()).rev() {
            let drawn = self.streams.draw(replica, Purpose::Order);
            let place = (u128::from(drawn) * (end as u128 + 1)) >> 64;
            batch.swap(end, place as usize);
        }
    }

    /// The way up begins.
    fn upload(&mut self, now: u64, replica: ReplicaId, file: u32) {
        if std::mem::replace(&mut self.slot(file, replica).uploading, true) {
            return;
        }
        let way_ms = self.up_ms(replica);
        let bulk_ms = if self.calm { 0 } else { self.profile.timing.bulk_ms_per_file };
        let at = queued(&mut self.clients[replica.index()].up_free, now, way_ms, bulk_ms);
        self.queue.plan(at, replica, What::Upload { file });
    }

    fn up_ms(&mut self, replica: ReplicaId) -> u64 {
        let drawn = self.streams.draw(replica, Purpose::Up);
        let way_ms = self.delay(|timing| &timing.commit, drawn);
        self.stalled(replica).unwrap_or(way_ms)
    }

    /// The way down begins.
    fn download(
        &mut self,
        now: u64,
        replica: ReplicaId,
        file: u32,
        version: u32,
        removed: bool,
        folder: &impl Folder,
    ) {
        let drawn = self.streams.draw(replica, Purpose::Down);
        let way_ms = self.delay(|timing| &timing.deliver, drawn);
        let stall_ms = self.stalled(replica);
        let timing = &self.profile.timing;
        let way_ms = stall_ms.unwrap_or(way_ms) + if removed { timing.removal_lag_ms } else { 0 };
        let client = &mut self.clients[replica.index()];
        let mut at = if let Debounce::Timer { every_ms } = timing.debounce {
            let pull = next_tick(now, every_ms, client.phase);
            // One fetch carries all that was pushed before it began.
            if client.pull.0 != pull || stall_ms.is_some() {
                client.pull = (pull, pull + way_ms);
            }
            client.pull.1
        } else {
            let bulk_ms = if self.calm || stall_ms.is_some() { 0 } else { timing.bulk_ms_per_file };
            queued(&mut client.down_free, now, way_ms, bulk_ms)
        };
        if timing.batch_order == BatchOrder::Sorted && stall_ms.is_none() {
            at = at.max(client.down_last);
            client.down_last = at;
        }
        let slot = self.slot(file, replica);
        if version > slot.coming.0 {
            slot.coming = (version, at);
        }
        let there = folder.is_there(replica, &self.paths[file as usize]);
        let arrival = if removed { Arrival::Whole } else { self.arrival(at, replica, file, version, there) };
        self.queue.plan(at, replica, What::Download { file, version, arrival });
    }

    /// In what state a version arrives; plans the whole one where it is broken.
    fn arrival(&mut self, at: u64, replica: ReplicaId, file: u32, version: u32, there: bool) -> Arrival {
        let drawn = self.streams.draw(replica, Purpose::Arrival);
        if self.calm {
            return Arrival::Whole;
        }
        let hazards = &self.profile.hazards;
        let gap = there && self.profile.rules.visible.shows_a_gap();
        let stub = self.profile.rules.placeholder.stub().is_some();
        let percent = (another(drawn, 1) % 100) as u8;
        let arrival = if hazards.prefix.hits(another(drawn, 0)) {
            if hazards.cut_sent.hits(another(drawn, 8)) {
                return Arrival::Cut { percent };
            }
            Arrival::Prefix { percent }
        } else if hazards.empty.hits(another(drawn, 2)) {
            Arrival::Empty
        } else if hazards.nul.hits(another(drawn, 3)) {
            Arrival::Nul
        } else if stub && hazards.stub.hits(another(drawn, 4)) {
            Arrival::Stub
        } else if gap && hazards.gap.hits(another(drawn, 5)) {
            Arrival::Gap
        } else if hazards.beside.hits(another(drawn, 9)) {
            Arrival::Beside { percent, stays: hazards.beside_sent.hits(another(drawn, 10)) }
        } else {
            return Arrival::Whole;
        };
        let is_old_or_none = matches!(arrival, Arrival::Gap | Arrival::Beside { .. });
        if !is_old_or_none && hazards.wedged.hits(another(drawn, 6)) {
            self.slot(file, replica).broken = version;
            return arrival;
        }
        let timing = &self.profile.timing;
        // What is gathered beside the file is whole before it gets the file's name, a moment later.
        let delay = if is_old_or_none { &timing.gap } else { &timing.mend };
        let least_ms = u64::from(matches!(arrival, Arrival::Beside { .. }));
        let mended = at + delay.at(another(drawn, 7)).max(least_ms);
        let whole = What::Download { file, version, arrival: Arrival::Whole };
        self.queue.plan(mended, replica, whole);
        arrival
    }

    /// How long a version is stuck on this way, where it is: half of all stalls are on the way up.
    fn stalled(&mut self, replica: ReplicaId) -> Option<u64> {
        let drawn = self.streams.draw(replica, Purpose::Stall);
        let hit = another(drawn, 0) & 1 == 0 && self.profile.hazards.stall.hits(drawn);
        (hit && !self.calm).then(|| self.profile.timing.stall.at(another(drawn, 1)))
    }

    /// Plans when an application hears of a change on its disk.
    fn notify(&mut self, now: u64, replica: ReplicaId) {
        let drawn = self.streams.draw(replica, Purpose::Watch);
        let mut watch_ms = self.delay(|timing| &timing.watch, drawn);
        let hazards = &self.profile.hazards;
        let lost = !self.calm && hazards.watch_lost.hits(another(drawn, 0));
        if !self.calm && hazards.watch_late.hits(another(drawn, 1)) {
            watch_ms = self.profile.timing.watch_late.at(another(drawn, 2));
        }
        let at = now + watch_ms;
        let notice = &mut self.clients[replica.index()].notice;
        // A notice that is planned tells of this change as well.
        if notice.is_some_and(|due| due <= at) {
            return;
        }
        if !lost {
            *notice = Some(at);
        }
        self.queue.plan(at, replica, What::Watch { lost });
    }

    /// Decides whether a file that lies idle from now on is evicted within a day, and when.
    fn plan_eviction(&mut self, now: u64, replica: ReplicaId, file: u32, folder: &impl Folder) {
        let drawn = self.streams.draw(replica, Purpose::Evict);
        self.slot(file, replica).changed = now;
        let there = folder.is_there(replica, &self.paths[file as usize]);
        if there && !self.calm && self.profile.hazards.evict_a_day.hits(drawn) {
            let at = now + 1 + Delay::between(0, DAY_MS, another(drawn, 0));
            self.queue.plan(at, replica, What::Evict { file, since: now });
        }
    }

    /// A delay of the profile, at most its 99th percentile where the courier is calm.
    fn delay(&self, which: impl Fn(&Timing) -> &Delay, drawn: u64) -> u64 {
        let delay = which(&self.profile.timing);
        let ms = delay.at(drawn);
        if self.calm { ms.min(delay.p99_ms()) } else { ms }
    }

    /// The number of a file.
    fn number(&mut self, path: &Path) -> u32 {
        if let Some(file) = self.files.get(path) {
            return *file;
        }
        let file = u32::try_from(self.paths.len()).expect("fewer files than a u32 counts");
        self.files.insert(path.clone(), file);
        self.paths.push(path.clone());
        self.slots.resize(self.slots.len() + self.clients.len(), Slot::default());
        file
    }

    fn slot(&mut self, file: u32, replica: ReplicaId) -> &mut Slot {
        let place = self.place(file, replica);
        &mut self.slots[place]
    }

    fn place(&self, file: u32, replica: ReplicaId) -> usize {
        file as usize * self.clients.len() + replica.index()
    }
}

#[cfg(test)]
mod tests;
