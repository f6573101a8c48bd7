//! The cloud folder and everything around it, as one pure state machine.
//!
//! A [`World`] is a value: the server's files, each replica's disk, process and machine, and the service that
//! the protocol calls. It does nothing by itself. [`World::choices`] says what may happen next, and
//! [`World::take`] makes one of these things happen. The simulator decides by drawn delays when each happens;
//! the model checker tries them all; a replay takes them from a file.
//!
//! # What a world can do to a file
//! | fault | choice |
//! |---|---|
//! | a change travels late, other files overtake it, versions between are never seen | `Upload` and `Download`, taken late, in any order, or for the newest version only |
//! | two replicas changed the same file | `Upload` resolves it by the provider's [rules](crate::profile::Rules) |
//! | a file is there in part, empty, full of NUL bytes, or missing for a moment | `Download` with another [arrival](crate::profile::Arrival) than whole |
//! | the bytes are elsewhere | `Evict` and `Fetch`, or a download that arrives as a placeholder |
//! | a removed file comes back | `ResetIndex` |
//! | the folder's mount goes and leaves an empty directory | `Mount` |
//! | a client takes that for the folder, and removes everything everywhere | `Wipe` |
//! | an older version, or a whole older tree, comes back to one disk or to all | `Keep`, `Restore` |
//! | the process dies between two ops or in the middle of one; the machine loses what was not flushed | `Crash` |
//! | an op fails | `Fail`, `Disk`, `Folder` |
//! | the machine sleeps, is cut off, or has its clock set | `Sleep`, `Network`, `Clock` |
//!
//! # What it assumes never happens
//! A file whose bytes are mixed from two versions under its final name (none seen in 1.95 million reads of a
//! real client), and damage to bytes on the disk or on the way.

mod away;
mod choice;
mod choices;
mod client;
mod cloud;
mod disk;
mod machine;
mod path_map;
mod process;
mod running;
mod unflushed;
mod view;

use std::fmt;
use std::sync::Arc;

use cloudchamber_core::{Content, Driver, Now, Path, Protocol, Root};

use self::away::{Beneath, Kept};
pub use self::choice::{Choice, FAULTS, Loss, Part, Refused};
pub use self::choices::Menu;
pub use self::cloud::{Cloud, ServerFile, Version};
pub use self::disk::{Body, Disk, Presence, Slot};
pub use self::machine::{EPOCH, Machine, MachineSetup};
pub(crate) use self::running::Essence;
use self::running::Running;
pub use self::view::LocalView;
use crate::profile::{Placeholder, Rules};
use crate::{ReplicaId, Service, System};

/// A choice of a system's world.
pub type ChoiceOf<S> =
    Choice<<<S as System>::Protocol as Protocol>::Command, <<S as System>::Service as Service>::Act>;

/// What does not change while a world runs.
#[derive(Clone, Debug)]
pub struct Setup<S: System> {
    /// One entry a replica.
    pub replicas: Vec<ReplicaSetup<S>>,
    /// What the sync clients do.
    pub rules: Rules,
}

/// What does not change about a replica.
#[derive(Clone, Debug)]
pub struct ReplicaSetup<S: System> {
    /// The protocol's configuration.
    pub config: <S::Protocol as Protocol>::Config,
    /// The machine's.
    pub machine: MachineSetup,
    /// What the machine is called, as conflict copies name it.
    pub host: String,
    /// Whether an op of its processes fails while another directory, an empty one, is in the folder's place, as the agent's
    /// do, and whether a stub counts as the file that it stands for, not here yet, as it does for them. Upstream's programs
    /// write there, and see stubs as the files that they are.
    pub guarded: bool,
}

/// The whole state.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct World<S: System> {
    now: u64,
    cloud: Cloud,
    replicas: Vec<Arc<Replica<S::Protocol>>>,
    service: S::Service,
}

/// One replica: a process, a disk, a machine.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Replica<P: Protocol> {
    process: Option<Running<P>>,
    /// Whether the pending op has begun.
    begun: bool,
    /// Whether files changed of which the process has not been told.
    changed: bool,
    disk: Disk,
    machine: Machine,
    /// What stands in the folder's place while its mount is away, and lies beneath it otherwise; `None` if nothing does.
    beneath: Option<Arc<Beneath>>,
    /// The folder as somebody kept it aside; `None` if nobody did.
    kept: Option<Arc<Kept>>,
}

impl<P: Protocol> Replica<P> {
    /// The process; none while it is down.
    #[must_use]
    pub fn process(&self) -> Option<&Driver<P>> {
        self.process.as_deref()
    }

    /// The protocol's state; none while the process is down.
    #[must_use]
    pub fn protocol(&self) -> Option<&P> {
        self.process().map(Driver::protocol)
    }

    /// The files.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The machine.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Whether the process is up and its machine awake, so that it can do anything.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.process.is_some() && self.machine.awake
    }

    /// Whether the client moves files: the machine is awake and connected and has its folder.
    #[must_use]
    pub fn syncs(&self) -> bool {
        self.machine.awake && self.machine.online && self.machine.folder_reachable && !self.is_hollow()
    }

    /// What of the process still matters, as `find` says it, which must depend on nothing else; nothing while it is
    /// down.
    pub(crate) fn essence(&self, find: impl FnOnce(&Driver<P>) -> Essence) -> Option<&Essence> {
        self.process.as_ref().map(|process| process.essence(find))
    }

    /// Whether the pending op has begun.
    pub(crate) fn begun(&self) -> bool {
        self.begun
    }

    /// Whether files changed of which the process has not been told.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.changed
    }
}

/// What a choice brought about, beyond the new state.
#[derive(Debug)]
pub struct Effects<P: Protocol> {
    /// What the replica of the choice told.
    pub events: Vec<P::Event>,
    /// Shared files that the replica's process or a crash changed, so that its client will want to send them.
    pub touched: Vec<Path>,
    /// Versions that the server took.
    pub committed: Vec<Commit>,
    /// Conflicts that were resolved.
    pub conflicts: Vec<Conflict>,
    /// Versions that a client now has to fetch although nothing new was committed: replica, file, version.
    pub owed: Vec<(ReplicaId, Path, u32)>,
    /// Whether a client changed files of the replica of the choice.
    pub files_changed: bool,
    /// Shared files that the replica's process made in an empty directory, in the place of a folder that it had worked
    /// in and that was away.
    pub beneath: Vec<Path>,
}

impl<P: Protocol> Default for Effects<P> {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            touched: Vec::new(),
            committed: Vec::new(),
            conflicts: Vec::new(),
            owed: Vec::new(),
            files_changed: false,
            beneath: Vec::new(),
        }
    }
}

impl<P: Protocol> Effects<P> {
    fn clear(&mut self) {
        self.events.clear();
        self.touched.clear();
        self.committed.clear();
        self.conflicts.clear();
        self.owed.clear();
        self.files_changed = false;
        self.beneath.clear();
    }
}

/// A version that the server took.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Commit {
    /// The file.
    pub path: Path,
    /// The number of the version.
    pub version: u32,
    /// Whose client sent it.
    pub author: ReplicaId,
    /// Whether it is a removal.
    pub removed: bool,
}

/// What keeps a replica from being in step.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Want<'w> {
    /// A file that was changed there has to go up.
    Up(&'w Path),
    /// The server's newest version has to come down.
    Down(&'w Path, u32),
    /// The process has to be told that files changed.
    Notice,
}

/// A file that was changed at two replicas apart from each other.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Conflict {
    /// The file.
    pub path: Path,
    /// Where the losing content went; `None` if it disappeared.
    pub copy: Option<Path>,
    /// Where the winning content went as well; `None` if it goes on under the name.
    pub winner_as: Option<Path>,
    /// Whose content goes on.
    pub winner: ReplicaId,
    /// Whose does not.
    pub loser: ReplicaId,
}

impl fmt::Display for Conflict {
    /// Whose change goes on, and where the other one's is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, copy, winner_as, winner, loser } = self;
        write!(f, "{winner} and {loser} had both changed {}: {winner}'s goes on", path.name())?;
        if let Some(name) = winner_as {
            write!(f, " as {}", name.name())?;
        }
        match copy {
            Some(copy) => write!(f, ", {loser}'s is kept as {}", copy.name()),
            None => write!(f, ", {loser}'s is gone"),
        }
    }
}

impl<S: System> World<S> {
    /// A world at time 0 with empty disks, where no process runs yet.
    #[must_use]
    pub fn new(replicas: usize, service: S::Service) -> Self {
        let replica = Replica {
            process: None,
            begun: false,
            changed: false,
            disk: Disk::default(),
            machine: Machine::new(),
            beneath: None,
            kept: None,
        };
        Self {
            now: 0,
            cloud: Cloud::default(),
            replicas: ReplicaId::all(replicas).map(|_| Arc::new(replica.clone())).collect(),
            service,
        }
    }

    /// Puts a file on a replica's disk before anything runs, as if its application had written it.
    pub fn seed_file(&mut self, replica: ReplicaId, path: &Path, content: Content) {
        let body = Some(Body { content, presence: Presence::Here });
        let dirty = path.root() == Root::Shared;
        self.replica_mut(replica).disk.place(path, body, 0, dirty, EPOCH);
    }

    /// Puts a file on every disk, and on the server where it is a shared one, before anything runs.
    pub fn seed_everywhere(&mut self, path: &Path, content: Content) {
        let shared = path.root() == Root::Shared;
        let first = ReplicaId(0);
        let seen = if shared {
            let version = Version { content: Some(content.clone()), modified: EPOCH, author: first };
            self.cloud.commit(path, version)
        } else {
            0
        };
        for replica in ReplicaId::all(self.replicas.len()) {
            let body = Some(Body { content: content.clone(), presence: Presence::Here });
            self.replica_mut(replica).disk.place(path, body, seen, false, EPOCH);
        }
    }

    /// World time in milliseconds since the start.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Lets time pass until `now`.
    ///
    /// # Panics
    /// Where `now` is in the past.
    pub fn advance(&mut self, now: u64) {
        assert!(now >= self.now, "time cannot go back from {} to {now} ms", self.now);
        self.now = now;
    }

    /// The server's files.
    #[must_use]
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }

    /// The world outside the folder.
    #[must_use]
    pub fn service(&self) -> &S::Service {
        &self.service
    }

    /// One replica.
    ///
    /// # Panics
    /// Where there is no such replica.
    #[must_use]
    pub fn replica(&self, id: ReplicaId) -> &Replica<S::Protocol> {
        &self.replicas[id.index()]
    }

    /// Whether the replica's client is connected, has moved everything there is, and its process was told so.
    #[must_use]
    pub fn is_in_step(&self, id: ReplicaId) -> bool {
        let replica = self.replica(id);
        let seen = |path| replica.disk().slot(path).map_or(0, |slot| slot.seen);
        replica.syncs()
            && !replica.changed()
            && replica.disk().slots().all(|(_, slot)| !slot.dirty)
            && self.cloud.files().all(|(path, file)| seen(path) == file.latest())
    }

    /// Whether a replica is [in step](Self::is_in_step) and its process up with nothing under way: whatever it was told, it
    /// has done.
    #[must_use]
    pub fn is_at_rest(&self, id: ReplicaId) -> bool {
        let idle = self.replica(id).process().is_some_and(|process| process.pending_op().is_none());
        idle && self.is_in_step(id)
    }

    /// Whether a replica lacks the newest version of a file because something is in its way: a directory has the file's name,
    /// or a file that of a directory above it.
    #[must_use]
    pub fn is_held_up(&self, id: ReplicaId, path: &Path) -> bool {
        let disk = self.replica(id).disk();
        let seen = disk.slot(path).map_or(0, |slot| slot.seen);
        let file = self.cloud.file(path);
        file.is_some_and(|file| seen < file.latest() && file.newest().content.is_some())
            && disk.is_obstructed(path)
    }

    /// What has yet to happen before a replica whose client is at work [is in step](Self::is_in_step).
    pub(crate) fn wants(&self, id: ReplicaId) -> impl Iterator<Item = Want<'_>> {
        let replica = self.replica(id);
        let disk = replica.disk();
        let up = disk.slots().filter(|(_, slot)| slot.dirty).map(|(path, _)| Want::Up(path));
        let mut on_disk = disk.slots_in_order();
        let down = self.cloud.files().filter_map(move |(path, file)| {
            let slot = on_disk(path);
            let behind = slot.map_or(0, |slot| slot.seen) < file.latest();
            // A file and a directory of one name: the client brings neither over the other.
            let possible = || file.newest().content.is_none() || !disk.is_obstructed(path);
            let is_wanted = behind && !slot.is_some_and(|slot| slot.dirty) && possible();
            is_wanted.then(|| Want::Down(path, file.latest()))
        });
        let notice = replica.changed() && replica.process().is_some();
        let wants = up.chain(down).chain(notice.then_some(Want::Notice));
        wants.filter(move |_| replica.syncs())
    }

    /// All replicas, in order.
    pub fn replicas(&self) -> impl Iterator<Item = (ReplicaId, &Replica<S::Protocol>)> {
        ReplicaId::all(self.replicas.len()).zip(self.replicas.iter().map(AsRef::as_ref))
    }

    /// Lets the server forget the versions of a file that no replica can still get. What it keeps of them tells
    /// worlds apart that are alike to all that follows.
    pub fn forget_versions(&mut self, path: &Path) {
        let seen = |replica: &Arc<Replica<S::Protocol>>| replica.disk.slot(path).map_or(0, |slot| slot.seen);
        let seen_by_all = self.replicas.iter().map(seen).min().unwrap_or(0);
        self.cloud.forget_versions(path, seen_by_all);
    }

    /// Both clocks of a replica's machine.
    #[must_use]
    pub fn clocks(&self, setup: &Setup<S>, id: ReplicaId) -> Now {
        self.replica(id).machine.now(&setup.replicas[id.index()].machine, self.now)
    }

    /// When a replica's process wants its timer, in world time; `None` if it wants none, or is down or asleep.
    #[must_use]
    pub fn timer_due(&self, setup: &Setup<S>, id: ReplicaId) -> Option<u64> {
        let replica = self.replica(id);
        let mono = replica.process().filter(|_| replica.machine.awake)?.wake_at()?;
        Some(replica.machine.world_time(&setup.replicas[id.index()].machine, mono))
    }

    /// One replica, to be kept beside this world.
    #[must_use]
    pub fn shared_replica(&self, id: ReplicaId) -> Arc<Replica<S::Protocol>> {
        Arc::clone(&self.replicas[id.index()])
    }

    /// Replaces a replica. For a caller that knows from another world what a step makes of it.
    pub fn put_replica(&mut self, id: ReplicaId, replica: Arc<Replica<S::Protocol>>) {
        self.replicas[id.index()] = replica;
    }

    fn replica_mut(&mut self, id: ReplicaId) -> &mut Replica<S::Protocol> {
        Arc::make_mut(&mut self.replicas[id.index()])
    }

    /// Makes one thing happen. `effects` is emptied first and then told what it brought about.
    ///
    /// # Errors
    /// Where the world as it stands does not allow it; the world is then unchanged.
    pub fn take(
        &mut self,
        setup: &Setup<S>,
        choice: &ChoiceOf<S>,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), Refused> {
        effects.clear();
        if let Some(id) = choice.replica()
            && id.index() >= self.replicas.len()
        {
            return Err(Refused(format!("there is no replica {id}")));
        }
        match choice {
            Choice::Apply { replica, part, draw } => self.apply(setup, *replica, *part, *draw, effects),
            Choice::Command { replica, command, draw } => {
                self.command(setup, *replica, command.clone(), *draw, effects)
            }
            Choice::Crash { replica, torn_percent, loss } => {
                self.crash(setup, *replica, *torn_percent, *loss, effects)
            }
            Choice::Fail { replica, error, draw } => self.fail(setup, *replica, *error, *draw, effects),
            Choice::Open { replica, draw } => self.open(setup, *replica, *draw, effects),
            Choice::Reply { replica, draw } => self.reply(setup, *replica, *draw, effects),
            Choice::Serve { replica } => self.serve(*replica),
            Choice::Timer { replica, draw } => self.timer(setup, *replica, *draw, effects),
            Choice::Watch { replica, lost, draw } => self.watch(setup, *replica, *lost, *draw, effects),
            Choice::Download { replica, path, back, arrival } => {
                self.client(setup, *replica, effects, |client| client.download(path, *back, *arrival))
            }
            Choice::Upload { replica, path } => {
                self.client(setup, *replica, effects, |client| client.upload(path))
            }
            Choice::ResetIndex { replica } => self.client(setup, *replica, effects, |client| {
                client.reset_index();
                Ok(())
            }),
            Choice::Evict { replica, path } => self.evict(setup, *replica, path),
            Choice::Fetch { replica, path } => self.fetch(*replica, path, effects),
            Choice::Mount { replica, mounted } => self.mount(*replica, *mounted),
            Choice::Wipe { replica } => self.wipe(setup, *replica, effects),
            Choice::Keep { replica } => self.keep(*replica),
            Choice::Restore { replica, path, sent } => {
                self.restore(setup, *replica, path.as_ref(), *sent, effects)
            }
            Choice::Act { act } => {
                self.service.act(act, self.now);
                Ok(())
            }
            Choice::Clock { .. }
            | Choice::Disk { .. }
            | Choice::Folder { .. }
            | Choice::Local { .. }
            | Choice::Network { .. }
            | Choice::Sleep { .. }
            | Choice::Wake { .. } => self.switch(setup, choice),
        }
    }

    /// Changes about the machine, each refused where it would change nothing.
    fn switch(&mut self, setup: &Setup<S>, choice: &ChoiceOf<S>) -> Result<(), Refused> {
        let id = choice.replica().expect("a machine is a replica's");
        let now = self.now;
        let machine = &mut self.replica_mut(id).machine;
        let set = |place: &mut bool, to: bool| std::mem::replace(place, to) != to;
        let changed = match choice {
            Choice::Clock { by_ms, .. } => {
                machine.clock_set_ms = machine.clock_set_ms.saturating_add(*by_ms);
                *by_ms != 0
            }
            Choice::Disk { full, .. } => set(&mut machine.disk_full, *full),
            Choice::Folder { reachable, .. } => set(&mut machine.folder_reachable, *reachable),
            Choice::Local { readable, .. } => set(&mut machine.local_readable, *readable),
            Choice::Network { online, .. } => set(&mut machine.online, *online),
            Choice::Sleep { .. } if machine.awake => {
                machine.sleep(now);
                true
            }
            Choice::Wake { .. } if !machine.awake => {
                machine.wake(&setup.replicas[id.index()].machine, now);
                true
            }
            _ => false,
        };
        changed.then_some(()).ok_or_else(|| Refused(format!("replica {id}'s machine is already so")))
    }

    /// Whether a file's bytes may leave a replica's disk: the server has them, and the disk does not need them.
    fn is_evictable(&self, setup: &Setup<S>, slot: &Slot, file: Option<&ServerFile>) -> bool {
        let version = || file?.version(file?.latest().checked_sub(slot.seen)?)?.content.as_ref();
        setup.rules.placeholder != Placeholder::None
            && slot.can_leave(self.now).is_some_and(|content| Some(content) == version())
    }

    fn evict(&mut self, setup: &Setup<S>, id: ReplicaId, path: &Path) -> Result<(), Refused> {
        let Replica { disk, machine, .. } = self.replica(id);
        let evictable = |slot: &Slot| self.is_evictable(setup, slot, self.cloud.file(path));
        if !machine.awake || self.replica(id).is_hollow() || !disk.slot(path).is_some_and(evictable) {
            return Err(Refused(format!("{path} cannot be evicted at replica {id}")));
        }
        let replica = self.replica_mut(id);
        replica.disk.evict(path, setup.rules.placeholder);
        // To a watcher, a placeholder in a file's place is a file that went and another that came.
        replica.changed |= setup.rules.placeholder.stub().is_some();
        Ok(())
    }

    fn fetch(
        &mut self,
        id: ReplicaId,
        path: &Path,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), Refused> {
        if !self.replica(id).syncs() || !self.replica_mut(id).disk.fetch(path) {
            return Err(Refused(format!("{path} cannot be fetched at replica {id}")));
        }
        self.replica_mut(id).changed = true;
        effects.files_changed = true;
        Ok(())
    }

    fn client(
        &mut self,
        setup: &Setup<S>,
        id: ReplicaId,
        effects: &mut Effects<S::Protocol>,
        work: impl FnOnce(&mut client::Client<'_, S::Protocol>) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        if !self.replica(id).syncs() {
            return Err(Refused(format!("replica {id}'s client is not at work")));
        }
        let wall = self.clocks(setup, id).wall;
        let replica = Arc::make_mut(&mut self.replicas[id.index()]);
        let mut client = client::Client {
            id,
            host: &setup.replicas[id.index()].host,
            rules: &setup.rules,
            wall,
            disk: &mut replica.disk,
            cloud: &mut self.cloud,
            effects,
        };
        work(&mut client)?;
        replica.changed |= effects.files_changed;
        Ok(())
    }
}

#[cfg(test)]
#[path = "../../tests/common/mod.rs"]
mod common;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::common::Stage;
    use super::common::walk::{any_rules, step, walks};

    proptest! {
        #[test]
        fn running_digests_are_those_computed_afresh(rules in any_rules(), walk in walks()) {
            let mut stage = Stage::new(2, rules);
            for number in walk {
                step(&mut stage, number, &mut |_, _| {});
            }
            prop_assert_eq!(stage.world.cloud().digest(), stage.world.cloud().digest_afresh());
            for (_, replica) in stage.world.replicas() {
                prop_assert_eq!(replica.disk().digest(), replica.disk().digest_afresh());
            }
        }
    }
}
