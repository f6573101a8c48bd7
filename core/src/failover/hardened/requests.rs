//! What people ask for, and what a leader does for the others: the order of succession, hand-overs, old files.

use std::collections::VecDeque;
use std::sync::Arc;

use super::constants::Policy;
use super::outbox::Did;
use super::record::{Accept, Found, Lead, Nomination, Record, Role};
use super::{Context, Replica, higher, places};
use crate::failover::{Call, Command, Config, Event, RefusedBecause, StandbyBecause, device};
use crate::{FsError, FsOp, Mono, Path};

/// What waits for an op or an answer.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Errand {
    /// Removes device files one by one.
    Removing { device: Arc<str>, then: VecDeque<(Arc<str>, Path)> },
    /// Waits until a process has ended.
    Killing { device: Arc<str>, files: VecDeque<(Arc<str>, Path)>, host: Arc<str>, process_id: u32 },
}

impl Errand {
    fn kills(&self) -> bool {
        matches!(self, Self::Killing { .. })
    }
}

impl Replica {
    /// What a leader does besides the work: it says who succeeds it and when, hands over, and cleans up.
    pub(super) fn lead(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        self.answer_offer();
        self.drop_nomination();
        if !matches!(self.said.role, Role::Active | Role::Candidate) {
            return;
        }
        let lead = self.order(config, now);
        if self.said.lead.is_none() {
            self.said.lead = Some(lead);
        } else if self.urgent || now >= self.due.beat {
            // It changes with beats only, so that what is here is what the others have, or will have.
            self.said.lead = Some(lead);
        }
        if self.said.role == Role::Active && self.acting {
            self.hand_over(config, cx);
            if now >= self.due.cleanup && self.errand.is_none() {
                self.due.cleanup = now.plus(config.timing.cleanup_every_ms);
                self.clean_up(config, cx);
            }
        }
    }

    /// The order of succession: whoever lives and may lead, by id; and a patience that suits all of them.
    fn order(&self, config: &Config, now: Mono) -> Lead {
        let hardened = &config.hardened;
        let live = || self.peers.iter().filter(|(_, peer)| peer.is_live(config, now));
        let asked = live().map(|(_, peer)| peer.said.wants_ms).max().unwrap_or(0);
        let may = |id: &str, name: &str| hardened.policy == Policy::Available || self.votes(id, name);
        Lead {
            suspect_ms: asked.clamp(hardened.suspect_ms_min, hardened.suspect_ms_max),
            slot_ms: hardened.slot_ms,
            successors: live().filter(|(id, peer)| may(id, &peer.name)).map(|(id, _)| id.clone()).collect(),
            lapsed: None,
        }
    }

    /// The highest number of a nomination that anybody is done with.
    fn obeyed(&self) -> u64 {
        self.peers.values().map(|peer| peer.said.obeyed).fold(self.said.obeyed, u64::max)
    }

    /// Takes the offer of the leader, where it is made to this replica.
    fn answer_offer(&mut self) {
        let accept = self.top_peer().filter(|top| top.role == Role::Active).and_then(|top| {
            let offer = self.peers[top.id].said.offer.as_ref()?;
            (offer.target == self.said.id).then_some(Accept { number: offer.number, term: top.term })
        });
        if accept.is_some() && self.said.accept != accept && !self.said.leaving {
            self.said.accept = accept;
            self.urgent = true;
        }
    }

    /// A nomination that was obeyed is not repeated.
    fn drop_nomination(&mut self) {
        if self.said.nominate.as_ref().is_some_and(|wish| wish.number <= self.obeyed()) {
            self.said.nominate = None;
        }
        self.said.obeyed = self.obeyed();
    }

    /// Two phases: an offer that must be taken, then the release. Until then it goes on.
    fn hand_over(&mut self, config: &Config, cx: &mut Context<'_>) {
        let (now, hardened) = (cx.now().mono, &config.hardened);
        let wish = self
            .peers
            .values()
            .map(|peer| peer.said.nominate.as_ref())
            .fold(self.said.nominate.as_ref(), higher)
            .filter(|wish| wish.number > self.said.obeyed)
            .cloned();
        let Some(wish) = wish else {
            self.said.offer = None;
            return;
        };
        if wish.target == self.said.id {
            return self.obey(wish.number);
        }
        let target = self.peers.get(&wish.target).filter(|peer| peer.may_live(config, now));
        let may_lead = |name: &str| hardened.policy == Policy::Available || self.votes(&wish.target, name);
        let Some(peer) = target.filter(|peer| may_lead(&peer.name)) else {
            return self.refuse_wish(&wish, cx);
        };
        let name = peer.name.clone();
        if self.said.offer.as_ref() != Some(&wish) {
            self.said.offer = Some(wish);
            self.offered = now;
            self.urgent = true;
            return;
        }
        let accepted = peer.said.accept == Some(Accept { number: wish.number, term: self.said.term });
        let due = self.offered.plus(2 * hardened.wait_ms);
        if now >= due {
            return self.refuse_wish(&wish, cx);
        }
        self.decide_at(due);
        // What was written last is left alone until it has arrived.
        if !accepted || self.work.is_busy() || now < self.due.write {
            let at = self.due.write.max(due.min(now.plus(hardened.look_ms)));
            self.decide_at(at);
            return;
        }
        let mut lead = self.order(config, now);
        let others = lead.successors.iter().filter(|id| **id != wish.target).cloned();
        lead.successors = std::iter::once(wish.target.clone()).chain(others).collect();
        if !self.can_release(config, now) {
            // A beat first: else somebody may lose patience with it and follow the order of the last one.
            self.urgent = true;
            return;
        }
        self.release(StandbyBecause::HandedOver, config, cx);
        self.said.lead = Some(lead);
        self.obey(wish.number);
        cx.event(Event::ActivationWritten { target: name });
    }

    /// Whether a hand-over waits only for the update that is being handled.
    pub(in crate::failover) fn is_handing_over(&self) -> bool {
        let taken = |offer: &Nomination| {
            let accept = Some(Accept { number: offer.number, term: self.said.term });
            self.peers.get(&offer.target).is_some_and(|peer| peer.said.accept == accept)
        };
        self.said.offer.as_ref().is_some_and(taken)
    }

    fn obey(&mut self, number: u64) {
        self.said.obeyed = number;
        self.said.offer = None;
        self.urgent = true;
    }

    fn refuse_wish(&mut self, wish: &Nomination, cx: &mut Context<'_>) {
        let because = match self.peers.contains_key(&wish.target) {
            true => RefusedBecause::Stale,
            false => RefusedBecause::Unknown,
        };
        cx.event(Event::ActivationRefused { target: wish.target.clone(), because });
        self.obey(wish.number);
    }

    /// Serves what was asked.
    pub(super) fn serve(&mut self, config: &Config, cx: &mut Context<'_>) {
        while self.errand.is_none()
            && let Some(command) = self.waiting.pop_front()
        {
            if matches!(command, Command::Remove { .. }) && self.work.is_out() {
                self.waiting.push_front(command);
                return;
            }
            match command {
                Command::Activate { device } => self.activate(&device, config, cx),
                Command::Cleanup => self.clean_up(config, cx),
                Command::Leave => self.leave(config, cx),
                Command::Remove { device } => self.remove(&device, config, cx),
                Command::Voters { change } => self.change_voters(&change, cx),
            }
        }
    }

    /// The replica of this id, or the one that lives of those with this device id.
    fn find(&self, device: &str) -> Option<Arc<str>> {
        if device == &*self.said.id || device == &*self.name {
            return Some(self.said.id.clone());
        }
        if self.peers.contains_key(device) {
            return Some(device.into());
        }
        let named = self.peers.iter().filter(|(_, peer)| *peer.name == *device);
        named.max_by_key(|(_, peer)| peer.progress).map(|(id, _)| id.clone())
    }

    /// Writes the wish down; the leader sees to it.
    fn activate(&mut self, device: &str, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        let refused = |target: Arc<str>, because| Event::ActivationRefused { target, because };
        let Some(target) = self.find(device) else {
            return cx.event(refused(device.into(), RefusedBecause::Unknown));
        };
        let stale = self.peers.get(&target).is_some_and(|peer| !peer.may_live(config, now));
        if stale {
            return cx.event(refused(target, RefusedBecause::Stale));
        }
        let wishes = self.peers.values().filter_map(|peer| peer.said.nominate.as_ref());
        let highest = wishes.chain(&self.said.nominate).map(|wish| wish.number).max();
        let number = highest.unwrap_or(0).max(self.obeyed()) + 1;
        self.said.nominate = Some(Nomination { target: target.clone(), number });
        self.urgent = true;
        cx.event(Event::Nominated { target });
    }

    /// Stops at once and asks to be succeeded; the process is about to end.
    fn leave(&mut self, config: &Config, cx: &mut Context<'_>) {
        self.said.leaving = true;
        self.urgent = true;
        match self.said.role {
            Role::Active => self.release(StandbyBecause::Left, config, cx),
            Role::Candidate => self.take_role(Role::Standby, cx.now().mono),
            Role::Released | Role::Standby => {}
        }
    }

    /// Removes the files of replicas that this one has listened for in vain for long enough, on its own clock.
    fn clean_up(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        let unseen_ms = config.timing.device_unseen_ms;
        let awake = now.since(self.awake_since) > unseen_ms;
        let dead = |peer: &super::Peer| now.since(peer.progress) > unseen_ms;
        let doomed: VecDeque<_> = self
            .peers
            .iter()
            .filter(|(_, peer)| awake && dead(peer))
            .flat_map(|(id, peer)| Self::files_of(id, &peer.name, config, cx))
            .collect();
        self.unlink(doomed, cx);
    }

    /// All files of a replica that are there, the device file last: while it is there, the others can be found.
    fn files_of(
        id: &str,
        device: &Arc<str>,
        config: &Config,
        cx: &Context<'_>,
    ) -> impl Iterator<Item = (Arc<str>, Path)> {
        let there = |path: &Path| !matches!(cx.read(path), Err(FsError::NotFound));
        let beside =
            (1..usize::from(config.hardened.places)).map(|place| places::path(id, place)).filter(there);
        let files: Vec<_> = beside.chain([places::path(id, 0)]).map(|path| (device.clone(), path)).collect();
        files.into_iter()
    }

    /// Removes files one after the other.
    fn unlink(&mut self, mut files: VecDeque<(Arc<str>, Path)>, cx: &mut Context<'_>) {
        let Some((device, path)) = files.pop_front() else { return };
        let then = files;
        cx.op(FsOp::Remove { path: path.clone() });
        self.doing.push_back(Did::Removal(path));
        self.errand = Some(Box::new(Errand::Removing { device, then }));
    }

    /// Ends a device's process where it runs on this machine, and removes its file; elsewhere only the file, and
    /// only if it is silent.
    fn remove(&mut self, device: &str, config: &Config, cx: &mut Context<'_>) {
        let refused = |because| Event::RemovalRefused { device: device.into(), because };
        let id = self.find(device).filter(|id| *id != self.said.id);
        let Some((id, peer)) = id.and_then(|id| self.peers.get(&id).map(|peer| (id, peer))) else {
            return cx.event(refused(RefusedBecause::Unknown));
        };
        let (name, live) = (peer.name.clone(), peer.is_live(config, cx.now().mono));
        let files = Self::files_of(&id, &name, config, cx).collect();
        let listed =
            cx.read(&places::path(&id, 0)).ok().and_then(|content| match &*content.parsed(Record::parse) {
                Found::Record(record, _) => Some((record.hostname.clone(), record.process_id)),
                _ => None,
            });
        match listed {
            Some((host, process_id)) if *host == *config.identity.host => {
                cx.call(Call::Kill { process_id });
                self.called = true;
                self.errand = Some(Box::new(Errand::Killing { device: name, files, host, process_id }));
            }
            _ if live => cx.event(refused(RefusedBecause::Alive)),
            _ => self.unlink(files, cx),
        }
    }

    /// The call to end a process was never made: it is asked for again.
    pub(super) fn take_kill_back(&mut self) {
        if let Some(Errand::Killing { device, .. }) = self.errand.take_if(|errand| errand.kills()).as_deref()
        {
            self.waiting.push_front(Command::Remove { device: device.to_string() });
        }
    }

    pub(super) fn killed(&mut self, found: bool, cx: &mut Context<'_>) {
        let Some(Errand::Killing { files, host, process_id, .. }) = self.errand.as_deref().cloned() else {
            return;
        };
        if found {
            let own_host = host.clone();
            cx.event(Event::ProcessKilled { process_id, listed_host: host, own_host });
        }
        self.unlink(files, cx);
    }

    pub(super) fn removed(&mut self, path: Path, cx: &mut Context<'_>) {
        let Some(Errand::Removing { device, then }) = self.errand.take().map(|errand| *errand) else {
            return;
        };
        cx.event(Event::DeviceRemoved { path: path.clone(), device });
        self.peers.retain(|id, _| device::file_name(id) != path.file_name());
        self.unlink(then, cx);
    }
}
