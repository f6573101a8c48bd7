//! Requests: what people ask of this replica, the removal of files among it. It removes none on its own initiative.

use std::collections::VecDeque;
use std::sync::Arc;

use super::constants::Hardened;
use super::evidence::Evidence;
use super::own::Own;
use super::record::{Found, Record, Role, Visit};
use super::{Context, Replica, places};
use crate::failover::{Call, Command, Config, Event, RefusedBecause, StandbyBecause, device};
use crate::{FsOp, Mono, Path};

/// A removal under way: it waits for an op or an answer.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Removal {
    /// Removes device files one by one.
    Unlinking { device: Arc<str>, then: VecDeque<(Arc<str>, Path)> },
    /// Waits until a process has ended.
    Killing { device: Arc<str>, files: VecDeque<(Arc<str>, Path)>, host: Arc<str>, process_id: u32 },
}

/// What was asked, and what is under way.
///
/// *Invariant:* there is one removal at a time, and no request is served while there is one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Requests {
    /// What was asked and waits.
    waiting: VecDeque<Command>,
    removal: Option<Box<Removal>>,
    /// When the offer that its file makes was made.
    offered: Mono,
}

impl Requests {
    pub(super) fn none() -> Self {
        Self { waiting: VecDeque::new(), removal: None, offered: Mono(0) }
    }

    pub(super) fn ask(&mut self, command: Command) {
        self.waiting.push_back(command);
    }

    /// Whether a removal is under way.
    pub(super) fn is_removing(&self) -> bool {
        self.removal.is_some()
    }

    /// Gives the removal up.
    pub(super) fn give_up_removal(&mut self) {
        self.removal = None;
    }

    pub(super) fn offer_made(&mut self, now: Mono) {
        self.offered = now;
    }

    pub(super) fn offered(&self) -> Mono {
        self.offered
    }

    /// The call to end a process was never made: it is asked for again.
    pub(super) fn take_kill_back(&mut self) {
        let kills = |removal: &mut Box<Removal>| matches!(**removal, Removal::Killing { .. });
        if let Some(Removal::Killing { device, .. }) = self.removal.take_if(kills).as_deref() {
            self.waiting.push_front(Command::Remove { device: device.to_string() });
        }
    }

    /// Forgets what no later step reads.
    pub(super) fn forget_offered(&mut self) {
        self.offered = Mono(0);
    }

    pub(super) fn visit(&mut self, visit: &mut dyn Visit) {
        let Self { waiting: _, removal: _, offered } = self;
        visit.instant(offered);
    }
}

/// The replica of this id, or the one that lives of those with this device id; `None` if there is none.
fn find(own: &Own, evidence: &Evidence, device: &str) -> Option<Arc<str>> {
    if own.is(device) {
        return Some(own.said.id.clone());
    }
    if evidence.get(device).is_some() {
        return Some(device.into());
    }
    let named = evidence.peers().filter(|(_, peer)| *peer.name == *device);
    named.max_by_key(|(_, peer)| peer.progress).map(|(id, _)| id.clone())
}

/// All files of a replica that are there, the device file last: while it is there, the others can be found.
fn files_of(
    id: &str,
    device: &Arc<str>,
    hardened: &Hardened,
    cx: &Context<'_>,
) -> impl Iterator<Item = (Arc<str>, Path)> {
    // Listed, not read: however large somebody made it.
    let there = |path: &Path| {
        let listed = cx.list(&device::devices_dir());
        listed.map_or(true, |entries| entries.iter().any(|entry| entry.path == *path))
    };
    let beside = (1..usize::from(hardened.places)).map(|place| places::path(id, place)).filter(there);
    let files: Vec<_> = beside.chain([places::path(id, 0)]).map(|path| (device.clone(), path)).collect();
    files.into_iter()
}

impl Replica {
    /// Serves what was asked.
    pub(super) fn serve(&mut self, config: &Config, cx: &mut Context<'_>) {
        while !self.requests.is_removing()
            && let Some(command) = self.requests.waiting.pop_front()
        {
            match command {
                Command::Accept => {}
                Command::Activate { device } => self.activate(&device, config, cx),
                Command::Cleanup => self.clean_up(config, cx),
                Command::Leave => self.leave(config, cx),
                Command::Remove { device } => {
                    if !self.remove(&device, config, cx) {
                        return self.requests.waiting.push_front(Command::Remove { device });
                    }
                }
                Command::Voters { change } => self.change_voters(&change, cx),
            }
        }
    }

    fn activate(&mut self, device: &str, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        let refused = |target: Arc<str>, because| Event::ActivationRefused { target, because };
        let Some(target) = find(&self.own, &self.evidence, device) else {
            return cx.event(refused(device.into(), RefusedBecause::Unknown));
        };
        let stale = self.evidence.get(&target).is_some_and(|peer| !peer.may_live(&config.hardened, now));
        if stale {
            return cx.event(refused(target, RefusedBecause::Stale));
        }
        self.nominate(&target);
        cx.event(Event::Nominated { target });
    }

    /// Stops at once and asks to be succeeded; the process is about to end.
    fn leave(&mut self, config: &Config, cx: &mut Context<'_>) {
        self.own.said.leaving = true;
        self.outbox.urge();
        match self.own.said.role {
            Role::Active => {
                self.release(StandbyBecause::Left, config, cx);
                let lead = self.own.said.lead.as_ref();
                if let Some(first) = lead.and_then(|lead| lead.successors.first()).cloned() {
                    self.vote_for_successor(&first, config, cx.now().mono);
                }
            }
            Role::Candidate => self.take_role(Role::Standby, cx.now().mono),
            Role::Released | Role::Standby => {}
        }
    }

    /// Removes the files of replicas that this one has listened for in vain for long enough, on its own clock. Only
    /// because a person asks: one that is silent for a day may be asleep, or its client may be.
    fn clean_up(&mut self, config: &Config, cx: &mut Context<'_>) {
        let (now, hardened) = (cx.now().mono, &config.hardened);
        let unseen_ms = config.timing.device_unseen_ms;
        let awake = now.since(self.evidence.awake_since()) > unseen_ms;
        let dead = self.evidence.peers().filter(|(_, peer)| awake && now.since(peer.progress) > unseen_ms);
        let doomed = dead.flat_map(|(id, peer)| files_of(id, &peer.name, hardened, cx)).collect();
        self.unlink(doomed, cx);
    }

    /// Removes files one after the other.
    fn unlink(&mut self, mut files: VecDeque<(Arc<str>, Path)>, cx: &mut Context<'_>) {
        let Some((device, path)) = files.pop_front() else { return };
        cx.op(FsOp::Remove { path: path.clone() });
        self.outbox.note_removal(path);
        self.requests.removal = Some(Box::new(Removal::Unlinking { device, then: files }));
    }

    /// Ends a device's process if it runs on this machine, and removes its files; elsewhere only the files, and only if
    /// it is silent. Returns whether that is begun or refused: with another call under way no process can be ended, and
    /// for one that lives it is waited.
    fn remove(&mut self, device: &str, config: &Config, cx: &mut Context<'_>) -> bool {
        let refused = |because| Event::RemovalRefused { device: device.into(), because };
        let id = find(&self.own, &self.evidence, device).filter(|id| *id != self.own.said.id);
        let Some((id, peer)) = id.and_then(|id| self.evidence.get(&id).map(|peer| (id, peer))) else {
            cx.event(refused(RefusedBecause::Unknown));
            return true;
        };
        let (name, live) = (peer.name.clone(), peer.is_live(&config.hardened, cx.now().mono));
        let files = files_of(&id, &name, &config.hardened, cx).collect();
        let listed =
            cx.read(&places::path(&id, 0)).ok().and_then(|content| match &*content.parsed(Record::parse) {
                Found::Record(record, _) => Some((record.hostname.clone(), record.process_id)),
                _ => None,
            });
        let is_own_host = listed.as_ref().is_some_and(|(host, _)| **host == *config.identity.host);
        if is_own_host && live && self.work.is_out() {
            return false;
        }
        match listed {
            Some((host, process_id)) if is_own_host && !self.work.is_out() => {
                cx.call(Call::Kill { process_id });
                self.work.note_call();
                let killing = Removal::Killing { device: name, files, host, process_id };
                self.requests.removal = Some(Box::new(killing));
            }
            _ if live => cx.event(refused(RefusedBecause::Alive)),
            _ => self.unlink(files, cx),
        }
        true
    }

    /// The process was asked to end.
    pub(super) fn killed(&mut self, found: bool, cx: &mut Context<'_>) {
        let Some(Removal::Killing { files, host, process_id, .. }) =
            self.requests.removal.as_deref().cloned()
        else {
            return;
        };
        if found {
            let own_host = host.clone();
            cx.event(Event::ProcessKilled { process_id, listed_host: host, own_host });
        }
        self.unlink(files, cx);
    }

    /// A file is gone: on to the next one.
    pub(super) fn removed(&mut self, path: Path, cx: &mut Context<'_>) {
        let Some(Removal::Unlinking { device, then }) = self.requests.removal.take().map(|removal| *removal)
        else {
            return;
        };
        cx.event(Event::DeviceRemoved { path: path.clone(), device });
        self.evidence.forget_those(|id| device::file_name(id) == path.file_name());
        self.unlink(then, cx);
    }
}
