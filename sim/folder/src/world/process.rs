//! What can happen to a replica's process.

use std::sync::Arc;

use cloudchamber_core::{Draw, Driver, FsError, FsOp, Input, Path, Protocol, Root};

use super::away::view;
use super::choice::{Loss, Part, Refused};
use super::running::Running;
use super::view::told;
use super::{Effects, Replica, Setup, World};
use crate::{ReplicaId, Service, System};

impl<S: System> World<S> {
    pub(super) fn open(
        &mut self,
        setup: &Setup<S>,
        id: ReplicaId,
        draw: Draw,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), Refused> {
        let now = self.clocks(setup, id);
        let replica = self.replica(id);
        if replica.process.is_some() || !replica.machine.awake {
            return Err(Refused(format!(
                "replica {id}'s process cannot start: it is up, or the machine sleeps"
            )));
        }
        let guarded = setup.replicas[id.index()].guarded;
        let view = view(&replica.disk, replica.beneath.as_ref(), &replica.machine, guarded);
        let config = &setup.replicas[id.index()].config;
        let process = Driver::open(config, now, draw, &view, &mut effects.events);
        let replica = self.replica_mut(id);
        replica.process = Some(Running::new(process));
        replica.changed = false;
        Ok(())
    }

    pub(super) fn timer(
        &mut self,
        setup: &Setup<S>,
        id: ReplicaId,
        draw: Draw,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), Refused> {
        if self.timer_due(setup, id).is_none_or(|due| due > self.now) {
            return Err(Refused(format!("replica {id}'s timer is not due at {} ms", self.now)));
        }
        self.feed(setup, id, Input::Timer, draw, effects)
    }

    pub(super) fn command(
        &mut self,
        setup: &Setup<S>,
        id: ReplicaId,
        command: <S::Protocol as Protocol>::Command,
        draw: Draw,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), Refused> {
        self.can_feed(id)?;
        if S::acceptance().as_ref() == Some(&command) {
            self.replica_mut(id).note_folder();
        }
        self.feed(setup, id, Input::Command(command), draw, effects)
    }

    pub(super) fn watch(
        &mut self,
        setup: &Setup<S>,
        id: ReplicaId,
        lost: bool,
        draw: Draw,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), Refused> {
        if !self.replica(id).changed {
            return Err(Refused(format!("replica {id} has nothing to be told of")));
        }
        if !lost {
            self.feed(setup, id, Input::Changed, draw, effects)?;
        }
        self.replica_mut(id).changed = false;
        Ok(())
    }

    pub(super) fn serve(&mut self, id: ReplicaId) -> Result<(), Refused> {
        let replica = self.replica(id);
        let awaits = |process: &Running<S::Protocol>| !process.calls().is_empty();
        if !replica.runs() || !replica.machine.online || !replica.process.as_ref().is_some_and(awaits) {
            return Err(Refused(format!("replica {id} has no call that could go out")));
        }
        let process = self.replica_mut(id).process.as_mut();
        let call =
            process.and_then(|process| process.driver_mut().take_call()).expect("a call was seen to wait");
        self.service.call(id, call, self.now);
        Ok(())
    }

    pub(super) fn reply(
        &mut self,
        setup: &Setup<S>,
        id: ReplicaId,
        draw: Draw,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), Refused> {
        self.can_feed(id)?;
        if !self.service.ready(id, self.now) || !self.replica(id).machine.online {
            return Err(Refused(format!("no answer can reach replica {id}")));
        }
        let reply = self.service.reply(id, self.now);
        self.feed(setup, id, Input::Reply(reply), draw, effects)
    }

    /// Whether anything but the result of an op may be fed.
    fn can_feed(&self, id: ReplicaId) -> Result<(), Refused> {
        let replica = self.replica(id);
        match &replica.process {
            _ if !replica.machine.awake => Err(Refused(format!("replica {id}'s machine sleeps"))),
            None => Err(Refused(format!("replica {id}'s process is down"))),
            Some(process) if process.pending_op().is_some() => {
                Err(Refused(format!("replica {id} waits for an op to be applied")))
            }
            Some(_) => Ok(()),
        }
    }

    fn feed(
        &mut self,
        setup: &Setup<S>,
        id: ReplicaId,
        input: Input<S::Protocol>,
        draw: Draw,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), Refused> {
        self.can_feed(id)?;
        let now = self.clocks(setup, id);
        let config = &setup.replicas[id.index()].config;
        let replica = Arc::make_mut(&mut self.replicas[id.index()]);
        let guarded = setup.replicas[id.index()].guarded;
        let view = view(&replica.disk, replica.beneath.as_ref(), &replica.machine, guarded);
        let process = replica.process.as_mut().expect("a process that can be fed is up");
        process.driver_mut().feed(config, input, now, draw, &view, &mut effects.events);
        Ok(())
    }

    fn pending_op(&self, id: ReplicaId) -> Result<&FsOp, Refused> {
        let replica = self.replica(id);
        let op = replica.process().and_then(Driver::pending_op).filter(|_| replica.machine.awake);
        op.ok_or_else(|| Refused(format!("replica {id} has no op to apply, or its machine sleeps")))
    }

    pub(super) fn apply(
        &mut self,
        setup: &Setup<S>,
        id: ReplicaId,
        part: Part,
        draw: Draw,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), Refused> {
        let op = self.pending_op(id)?;
        let begun = self.replica(id).begun;
        if part == Part::Begin && (begun || !matches!(op, FsOp::Overwrite { .. })) {
            return Err(Refused(format!("replica {id}'s op has begun, or happens all at once")));
        }
        let op = op.clone();
        let (now, wall) = (self.now, self.clocks(setup, id).wall);
        let replica = self.replica_mut(id);
        let full = replica.machine.disk_full;
        let guarded = setup.replicas[id.index()].guarded;
        let result = replica.reaches(&op, guarded).and_then(|()| {
            let disk = replica.found_mut(op.path().root());
            disk.apply(&op, part, full, wall, now).map_err(|error| told(disk, op.path(), error, guarded))
        });
        if result.is_ok() || (full && matches!(op, FsOp::Overwrite { .. })) {
            touch(replica, &op, effects);
            if op.path().root() == Root::Shared {
                replica.note_folder();
            }
        }
        if part == Part::Begin && result.is_ok() {
            replica.begun = true;
            return Ok(());
        }
        self.report(setup, id, result, draw, effects);
        Ok(())
    }

    pub(super) fn fail(
        &mut self,
        setup: &Setup<S>,
        id: ReplicaId,
        error: FsError,
        draw: Draw,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), Refused> {
        self.pending_op(id)?;
        self.report(setup, id, Err(error), draw, effects);
        Ok(())
    }

    fn report(
        &mut self,
        setup: &Setup<S>,
        id: ReplicaId,
        result: Result<(), FsError>,
        draw: Draw,
        effects: &mut Effects<S::Protocol>,
    ) {
        let now = self.clocks(setup, id);
        let config = &setup.replicas[id.index()].config;
        let replica = Arc::make_mut(&mut self.replicas[id.index()]);
        replica.begun = false;
        let guarded = setup.replicas[id.index()].guarded;
        let view = view(&replica.disk, replica.beneath.as_ref(), &replica.machine, guarded);
        let process = replica.process.as_mut().expect("an op is pending in a process that is up");
        process.driver_mut().applied(config, result, now, draw, &view, &mut effects.events);
    }

    pub(super) fn crash(
        &mut self,
        setup: &Setup<S>,
        id: ReplicaId,
        torn_percent: u8,
        loss: Loss,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), Refused> {
        if self.replica(id).process.is_none() {
            return Err(Refused(format!("replica {id}'s process is down already")));
        }
        let (now, wall) = (self.now, self.clocks(setup, id).wall);
        let replica = self.replica_mut(id);
        let process = replica.process.take().expect("seen to be up");
        let before = replica.disk.clone();
        let begun = std::mem::take(&mut replica.begun);
        if let Some(op) = process.pending_op()
            && replica.reaches(op, setup.replicas[id.index()].guarded).is_ok()
            && !replica.machine.disk_full
        {
            replica.found_mut(op.path().root()).tear(op, torn_percent.min(100), begun, wall, now);
        }
        replica.disk.lose(loss, now);
        // What waited to be sent waits as it did: a client does not notice that an application dies.
        let changed = replica.disk.slots().filter(|(path, slot)| {
            let was = before.slot(path).map(|was| (was.dirty, &was.body, was.modified));
            slot.dirty && was != Some((true, &slot.body, slot.modified))
        });
        effects.touched.extend(changed.map(|(path, _)| path.clone()));
        self.service.hang_up(id);
        Ok(())
    }
}

/// Notes which shared files an op changed: those of the folder, which its client will want to send, or those that it
/// made in the folder's place although the replica could have known that it is not the folder.
fn touch<P: Protocol>(replica: &Replica<P>, op: &FsOp, effects: &mut Effects<P>) {
    let hollow = replica.beneath.as_ref().filter(|beneath| beneath.shows);
    let mut add = |path: &Path| match hollow {
        _ if path.root() == Root::Local => {}
        None => effects.touched.push(path.clone()),
        Some(beneath) if beneath.knew => effects.beneath.push(path.clone()),
        Some(_) => {}
    };
    match op {
        FsOp::Flush { .. } => {}
        FsOp::Rename { from, to } => {
            add(from);
            add(to);
        }
        _ => add(op.path()),
    }
}
