//! A folder that goes away and comes back, and files that come back from an earlier time.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudchamber_core::{Content, FsError, FsOp, Path, Protocol, Root, WallMs};

use super::disk::{Body, Disk, Presence, Slot};
use super::view::View;
use super::{Effects, Machine, Refused, Replica, Setup, World};
use crate::{ReplicaId, System};

/// What stands in a folder's place while its mount is away: an empty directory, and what is made in it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Beneath {
    pub(super) disk: Disk,
    /// Whether the folder is away, so that this is what its processes find.
    pub(super) shows: bool,
    /// Whether the replica had worked in the folder before it went.
    pub(super) knew: bool,
    /// Whether the directory became the folder: it is another one than the replica had worked in.
    pub(super) strange: bool,
}

/// A folder's files as a backup keeps them, each with its modification time.
pub(super) type Kept = BTreeMap<Path, (Content, WallMs)>;

impl<P: Protocol> Replica<P> {
    /// Whether an empty directory stands in the shared folder's place, because its mount is away.
    #[must_use]
    pub fn is_hollow(&self) -> bool {
        self.beneath.as_ref().is_some_and(|beneath| beneath.shows)
    }

    /// The files that a backup of its folder would put back; none where nobody has made one.
    pub fn kept(&self) -> impl Iterator<Item = &Path> {
        self.kept.iter().flat_map(|kept| kept.keys())
    }

    /// Whether the backup has another content of a file than the folder.
    #[must_use]
    pub fn differs_from_kept(&self, path: &Path) -> bool {
        let here = self.disk.slot(path).and_then(|slot| slot.body.as_ref()).map(|body| &body.content);
        let kept = self.kept.as_ref().and_then(|kept| kept.get(path)).map(|(content, _)| content);
        here != kept
    }

    /// A digest of all files that its processes may ever find.
    #[must_use]
    pub fn files_digest(&self) -> u64 {
        match &self.beneath {
            None => self.disk.digest(),
            Some(beneath) => self.disk.digest() ^ beneath.disk.digest().rotate_left(17) ^ 1,
        }
    }

    /// Whether what its processes write to the shared root gets there. Where `guarded`, an empty directory that is another
    /// one than they had worked in is not written to.
    pub(super) fn can_write(&self, guarded: bool) -> bool {
        let is_another = |beneath: &Arc<Beneath>| beneath.knew && (beneath.shows || beneath.strange);
        let another = self.beneath.as_ref().filter(|_| guarded).is_some_and(is_another);
        let is_file = |(path, slot): (&Path, &Slot)| path.root() == Root::Shared && slot.body.is_some();
        let found = || match &self.beneath {
            Some(beneath) if beneath.shows => &beneath.disk,
            _ => &self.disk,
        };
        self.machine.folder_reachable && (!another || found().slots().any(is_file))
    }

    /// What its process gets from an op that does not reach its file.
    pub(super) fn reaches(&self, op: &FsOp, guarded: bool) -> Result<(), FsError> {
        unreachable(op.path(), self.can_write(guarded))?;
        match op {
            FsOp::Append { path, .. } => readable(&self.disk, path, self.machine.local_readable),
            _ => Ok(()),
        }
    }

    /// The directory in the folder's place is the folder from now on, since something was written there or a person says so.
    pub(super) fn note_folder(&mut self) {
        if let Some(beneath) = self.beneath.as_mut().filter(|beneath| beneath.strange && !beneath.shows) {
            Arc::make_mut(beneath).strange = false;
            self.beneath = self.beneath.take().filter(|beneath| beneath.disk.slots().next().is_some());
        }
    }

    /// The files of a root as its processes find them now, to be changed.
    pub(super) fn found_mut(&mut self, root: Root) -> &mut Disk {
        match &mut self.beneath {
            Some(beneath) if beneath.shows && root == Root::Shared => &mut Arc::make_mut(beneath).disk,
            _ => &mut self.disk,
        }
    }
}

/// What a process finds of a replica's files, if it can reach the folder; `guarded`: as an agent does.
pub(super) fn view<'a>(
    disk: &'a Disk,
    beneath: Option<&'a Arc<Beneath>>,
    machine: &Machine,
    guarded: bool,
) -> View<'a> {
    let shared = beneath.filter(|beneath| beneath.shows).map_or(disk, |beneath| &beneath.disk);
    let Machine { folder_reachable: reachable, local_readable, .. } = *machine;
    View { shared, local: disk, reachable, local_readable, guarded }
}

impl<S: System> World<S> {
    /// The mount of a replica's shared folder goes, or is back. What was made in its place lies beneath it then, and is
    /// found again should it go once more.
    pub(super) fn mount(&mut self, id: ReplicaId, mounted: bool) -> Result<(), Refused> {
        if self.replica(id).is_hollow() != mounted {
            return Err(Refused(format!("replica {id}'s folder is already so")));
        }
        let replica = self.replica_mut(id);
        if mounted {
            let something = |beneath: &Arc<Beneath>| beneath.strange || beneath.disk.slots().next().is_some();
            replica.beneath = replica.beneath.take().filter(something);
            if let Some(beneath) = &mut replica.beneath {
                Arc::make_mut(beneath).shows = false;
            }
            return Ok(());
        }
        let local = |(path, slot): (&Path, &Slot)| path.root() == Root::Local && slot.body.is_some();
        let knew = replica.disk.slots().any(local);
        let beneath = Arc::make_mut(replica.beneath.get_or_insert_default());
        (beneath.shows, beneath.knew) = (true, knew);
        Ok(())
    }

    /// The client takes what stands in the folder's place for the folder: whatever is not in it was removed, and goes
    /// everywhere.
    pub(super) fn wipe(
        &mut self,
        setup: &Setup<S>,
        id: ReplicaId,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), Refused> {
        let wall = self.clocks(setup, id).wall;
        let machine = self.replica(id).machine;
        if !self.replica(id).is_hollow() || !machine.awake || !machine.online || !machine.folder_reachable {
            return Err(Refused(format!("replica {id}'s folder is there, or its client is not at work")));
        }
        let replica = self.replica_mut(id);
        let beneath = replica.beneath.take().unwrap_or_default();
        let strange = Beneath { knew: beneath.knew, strange: true, ..Beneath::default() };
        replica.beneath = beneath.knew.then(|| Arc::new(strange));
        let shared = |(path, slot): (&Path, &Slot)| {
            (path.root() == Root::Shared && slot.body.is_some()).then(|| (path.clone(), slot.seen))
        };
        let gone: Vec<_> = replica.disk.slots().filter_map(shared).collect();
        for (path, seen) in gone {
            replica.disk.place(&path, None, seen, seen > 0, wall);
            effects.touched.push(path);
        }
        for (path, slot) in beneath.disk.slots().filter(|(_, slot)| slot.body.is_some()) {
            let seen = replica.disk.slot(path).map_or(0, |slot| slot.seen);
            replica.disk.place(path, slot.body.clone(), seen, true, slot.modified);
            effects.touched.push(path.clone());
        }
        effects.touched.sort();
        effects.touched.dedup();
        Ok(())
    }

    /// The folder as it lies at a replica is kept aside.
    pub(super) fn keep(&mut self, id: ReplicaId) -> Result<(), Refused> {
        let replica = self.replica(id);
        if !replica.machine.folder_reachable || replica.is_hollow() {
            return Err(Refused(format!("replica {id}'s folder is away")));
        }
        let here = |(path, slot): (&Path, &Slot)| {
            let body = slot.body.as_ref().filter(|body| body.presence == Presence::Here)?;
            (path.root() == Root::Shared).then(|| (path.clone(), (body.content.clone(), slot.modified)))
        };
        let kept: Kept = replica.disk.slots().filter_map(here).collect();
        self.replica_mut(id).kept = Some(Arc::new(kept));
        Ok(())
    }

    /// What was kept aside comes back: one file, or all, and then what came later goes.
    pub(super) fn restore(
        &mut self,
        setup: &Setup<S>,
        id: ReplicaId,
        path: Option<&Path>,
        sent: bool,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), Refused> {
        let wall = self.clocks(setup, id).wall;
        let replica = self.replica(id);
        let Some(kept) = replica.kept.clone().filter(|_| replica.syncs()) else {
            return Err(Refused(format!("replica {id} has no backup, or its folder is away")));
        };
        let present = || {
            let slots = replica.disk.slots();
            slots.filter(|(path, slot)| path.root() == Root::Shared && slot.body.is_some())
        };
        let mut paths: Vec<Path> = match path {
            Some(path) => kept.contains_key(path).then(|| path.clone()).into_iter().collect(),
            None => present().map(|(path, _)| path).chain(kept.keys()).cloned().collect(),
        };
        paths.sort();
        paths.dedup();
        paths.retain(|path| {
            let slot = replica.disk.slot(path);
            let is_sent = slot.is_none_or(|slot| !slot.dirty) && self.cloud.latest(path) > 0;
            let fits = slot.is_some_and(|slot| slot.body.is_some()) || !replica.disk.is_obstructed(path);
            replica.differs_from_kept(path) && (sent || is_sent) && (fits || !kept.contains_key(path))
        });
        if paths.is_empty() {
            return Err(Refused(format!("replica {id}'s folder is as its backup")));
        }
        for path in paths {
            let body = kept
                .get(&path)
                .map(|(content, _)| Body { content: content.clone(), presence: Presence::Here });
            let modified = kept.get(&path).map_or(wall, |(_, modified)| *modified);
            let latest = self.cloud.latest(&path);
            let disk = &mut self.replica_mut(id).disk;
            let seen = disk.slot(&path).map_or(0, |slot| slot.seen);
            if sent {
                let dirty = body.is_some() || seen > 0;
                disk.place(&path, body, seen, dirty, modified);
                effects.touched.push(path);
            } else {
                // The client brings the newest again.
                disk.place(&path, body, latest - 1, false, modified);
                effects.owed.push((id, path, latest));
            }
        }
        effects.files_changed = true;
        self.replica_mut(id).changed = true;
        Ok(())
    }
}

/// What the application gets from a file of its own machine that cannot be read: what a file gives whose bytes are elsewhere.
pub(super) fn readable(disk: &Disk, path: &Path, local_readable: bool) -> Result<(), FsError> {
    let is_there = || disk.slot(path).is_some_and(|slot| slot.body.is_some());
    let is_held = !local_readable && path.root() == Root::Local && is_there();
    if is_held { Err(FsError::NotLocal) } else { Ok(()) }
}

/// What the application gets from a client's folder that cannot be reached.
pub(super) fn unreachable(path: &Path, reachable: bool) -> Result<(), FsError> {
    if reachable || path.root() == Root::Local { Ok(()) } else { Err(FsError::Unavailable) }
}
