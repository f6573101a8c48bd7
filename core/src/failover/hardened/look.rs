//! Reading the view: what the others say, and how long they have been silent on this replica's clock.

use std::sync::Arc;

use super::record::{Found, Life, Record, Role, Said};
use super::settings::{Hardened, Policy};
use super::visit::Visit;
use super::{Context, Replica, is_away, watches_wall};
use crate::failover::records::ProblemKind;
use crate::failover::{Config, Event, StandbyBecause, device};
use crate::{EntryKind, FsError, Mono, Now, Path};

/// How much later than asked for a step may come without being noted, ms.
const LATE_MS: u64 = 200;

/// How much later a step may come before the replica is taken to be asleep, ms.
const STALL_MS: u64 = 1_000;

/// Another replica.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Peer {
    /// Its device id.
    pub(super) name: Arc<str>,
    /// The newest that it said.
    pub(super) said: Arc<Said>,
    /// The newest of its beats that anybody told of.
    heard: (Life, u64),
    /// When that was, or when all evidence was last discarded.
    pub(super) progress: Mono,
    /// From when its succession counts: its last sign of life, or the arrival of its release.
    pub(super) base: Mono,
    /// Whether this replica was awake long enough for the base to be an arrival in time.
    pub(super) witnessed: bool,
    /// By how much the base was moved on since, for stalls of this replica's own, in ms.
    stalled_ms: u64,
    /// Whether it moved on while this replica watched.
    pub(super) moved: bool,
}

impl Peer {
    pub(super) fn visit(&mut self, visit: &mut dyn Visit) {
        Arc::make_mut(&mut self.said).visit(visit);
        visit.beat(&mut self.heard.1);
        visit.instant(&mut self.progress);
        visit.instant(&mut self.base);
    }
}

/// What the own clocks said last.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct OwnClock {
    last: Mono,
    /// How long after that it would have taken another step, had it run, in ms.
    step_ms: u64,
    /// By how much the wall clock is ahead of the monotonic one, where that is watched.
    ahead_ms: Option<i64>,
}

fn ahead_ms(now: Now) -> i64 {
    now.wall.0.saturating_sub(i64::try_from(now.mono.0).unwrap_or(i64::MAX))
}

impl OwnClock {
    pub(super) fn new(hardened: &Hardened, now: Now) -> Self {
        let ahead_ms = watches_wall(hardened.asleep).then(|| ahead_ms(now));
        Self { last: now.mono, step_ms: hardened.look_ms + STALL_MS, ahead_ms }
    }

    /// Whether it can be taken to have been awake since its last step.
    pub(super) fn is_awake(&self, now: Now) -> bool {
        now.mono.since(self.last).saturating_add(self.slept_ms(now)) <= self.step_ms
    }

    pub(super) fn last(&self) -> Mono {
        self.last
    }

    /// How long the monotonic clock has stood still since the last step, by the wall clock's word.
    pub(super) fn slept_ms(&self, now: Now) -> u64 {
        let before = self.ahead_ms.unwrap_or(i64::MAX);
        u64::try_from(ahead_ms(now).saturating_sub(before)).unwrap_or(0)
    }

    pub(super) fn visit(&mut self, visit: &mut dyn Visit) {
        visit.instant(&mut self.last);
    }
}

/// Whether the succession goes on counting from where it did although something new was said, and if so, whether
/// what it counts from was witnessed.
fn keeps_base(peer: &Peer, said: &Said) -> Option<bool> {
    if said.role != Role::Released || said.term != peer.said.term {
        return None;
    }
    let lapsed = said.lead.as_ref().and_then(|lead| lead.lapsed);
    match (peer.said.role, lapsed) {
        (Role::Released, _) => Some(peer.witnessed),
        (Role::Active, Some(last)) => Some(peer.witnessed && peer.heard == (last.life, last.beat)),
        (_, Some(_)) => Some(false),
        _ => None,
    }
}

impl Replica {
    /// Compares the clocks with those of the last step. After a gap nothing that was seen before counts.
    pub(super) fn note_time(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now();
        let slept_ms = self.clock.slept_ms(now);
        self.lease_until = Mono(self.lease_until.0.saturating_sub(slept_ms));
        for (_, at) in &mut self.written {
            *at = Mono(at.0.saturating_sub(slept_ms));
        }
        // It asks to be woken at every look.
        let late_ms = now.mono.since(self.clock.last).saturating_sub(config.hardened.look_ms).max(slept_ms);
        self.clock = OwnClock::new(&config.hardened, now);
        if late_ms > LATE_MS {
            self.doubt_last_beat(late_ms, config, now.mono);
        }
        if late_ms > config.hardened.look_ms {
            self.forget_evidence(now.mono);
        } else if late_ms > LATE_MS {
            self.discount(late_ms, config, now.mono);
        }
    }

    /// A beat that was on its way out when the replica stalled or slept may have stayed: what it added to the lease is
    /// void, unless it was early enough for that not to matter.
    fn doubt_last_beat(&mut self, late_ms: u64, config: &Config, now: Mono) {
        let settle_ms = config.hardened.settle_ms;
        let Some((_, at)) = self.written.back().copied() else { return };
        let on_its_way = now.since(at) < settle_ms + late_ms;
        let too_late = at.plus(settle_ms + late_ms) > self.lease_before;
        let counts = config.hardened.policy == Policy::Available && self.said.role == Role::Active;
        if counts && self.lease_until > Mono(0) && on_its_way && too_late {
            self.lease_until = self.lease_before.max(Mono(1));
            // Who got it late counts from then; nobody is to go on counting from it.
            self.doubtful = Some(self.said.beat);
        }
    }

    /// A time in which it did not run is nobody's silence. Moved too far, a base no longer agrees with the others'.
    fn discount(&mut self, late_ms: u64, config: &Config, now: Mono) {
        for peer in self.peers.values_mut() {
            peer.base = peer.base.plus(late_ms).min(now);
            peer.stalled_ms += late_ms;
            peer.witnessed &= peer.stalled_ms <= config.hardened.look_ms;
        }
    }

    /// Gathers all evidence anew: nobody is silent before it was listened to.
    pub(super) fn forget_evidence(&mut self, now: Mono) {
        self.awake_since = now;
        for peer in self.peers.values_mut() {
            peer.progress = now;
            peer.base = now;
            peer.witnessed = false;
        }
        if matches!(self.said.role, Role::Candidate | Role::Released) {
            self.take_role(self.said.role, now);
        }
    }

    /// Reads all device files.
    pub(super) fn look(&mut self, config: &Config, cx: &mut Context<'_>) {
        let dir = device::devices_dir();
        let entries = match cx.list(&dir) {
            Ok(entries) => entries,
            Err(error) if is_away(error) => return self.fall_back(error, cx),
            // A folder in which nobody has written yet.
            Err(FsError::NotFound) if cx.list(&Path::shared("")).is_ok_and(|_| true) => Vec::new(),
            Err(FsError::NotFound) => match cx.list(&Path::shared("")) {
                Err(error) if is_away(error) => return self.fall_back(error, cx),
                _ => Vec::new(),
            },
            Err(error) => {
                self.problem(&dir, ProblemKind::Unreadable(error), cx);
                return;
            }
        };
        self.come_back(config, cx);
        let own = self.path.clone();
        let own = own.file_name();
        let mut own_there = false;
        for entry in entries {
            if entry.kind != EntryKind::File || !entry.name.ends_with(".json") {
                continue;
            }
            if *entry.name == *own {
                own_there = true;
                self.look_at_own(config, cx);
                continue;
            }
            self.look_at_other(&dir.join(&entry.name), &entry.name, config, cx);
        }
        if !own_there && self.said.beat > 0 {
            // Removed, or gone for the moment in which a client replaces it: the owner writes it again.
            self.urgent = true;
        }
        self.said.wants_ms = self.wants_ms;
        self.forget_the_dead(config, cx.now().mono);
    }

    fn look_at_other(&mut self, path: &Path, name: &str, config: &Config, cx: &mut Context<'_>) {
        let content = match cx.read(path) {
            Ok(content) => content,
            Err(error) => {
                self.unreadable(error, config);
                return self.problem(path, ProblemKind::Unreadable(error), cx);
            }
        };
        let kind = match &*content.parsed(Record::parse) {
            Found::Record(record, its) if **its == *name => {
                if !self.troubles.is_empty() {
                    self.troubles.remove(path);
                }
                return self.hear(record, config, cx.now().mono);
            }
            Found::Record(..) => ProblemKind::NameMismatch,
            Found::Other => return,
            Found::Broken(malformed) => {
                self.unreadable(FsError::NotLocal, config);
                ProblemKind::Corrupt(*malformed)
            }
        };
        self.problem(path, kind, cx);
    }

    /// Something is there that cannot be read yet: nobody who has just started founds a new succession meanwhile,
    /// unless it takes long.
    fn unreadable(&mut self, error: FsError, config: &Config) {
        if error != FsError::NotFound && self.top().is_none() {
            self.not_before = self.not_before.max(self.awake_since.plus(config.hardened.wait_ms));
        }
    }

    /// Takes what another said, where it is newer than what it said before.
    fn hear(&mut self, record: &Record, config: &Config, now: Mono) {
        let said = &record.coordination;
        for (id, saw) in &said.saw {
            if let Some(peer) = self.peers.get(id).filter(|peer| peer.heard < (saw.life, saw.beat)) {
                let (active, heard) = (peer.said.role == Role::Active, peer.heard.0 == saw.life);
                if active && heard {
                    self.progressed(&id.clone(), (saw.life, saw.beat), config, now);
                }
            }
        }
        if let Some(voters) = &said.voters
            && self.said.voters.as_ref().is_none_or(|own| own.stamp() < voters.stamp())
        {
            self.said.voters = Some(Arc::clone(voters));
        }
        let known = match self.peers.get_mut(&said.id) {
            Some(peer) if peer.said.age() < said.age() => {
                let kept = keeps_base(peer, said);
                let base = (peer.base, peer.stalled_ms);
                peer.said = Arc::clone(said);
                kept.map(|witnessed| (base, witnessed))
            }
            Some(_) => return,
            None => {
                let peer = Peer {
                    name: record.name.clone(),
                    said: Arc::clone(said),
                    heard: (Life::default(), 0),
                    progress: now,
                    base: now,
                    witnessed: false,
                    stalled_ms: 0,
                    moved: false,
                };
                self.peers.insert(said.id.clone(), peer);
                None
            }
        };
        self.progressed(&said.id, said.age(), config, now);
        if let Some(((base, stalled_ms), witnessed)) = known {
            let peer = self.peers.get_mut(&said.id).expect("just heard of");
            (peer.base, peer.stalled_ms, peer.witnessed) = (base, stalled_ms, witnessed);
        }
    }

    /// Notes a sign of life, and what its distance from the last one says about the delays.
    fn progressed(&mut self, id: &Arc<str>, heard: (Life, u64), config: &Config, now: Mono) {
        let leads = self.top().is_some_and(|top| top.role == Role::Active && top.id == id);
        let hardened = &config.hardened;
        // A version that arrives this long after waking was not written long before.
        let witnessed = now.since(self.awake_since) >= hardened.settle_ms + hardened.look_ms;
        let peer = self.peers.get_mut(id).expect("the caller knows it");
        if peer.heard >= heard {
            return;
        }
        let gap_ms = now.since(peer.progress);
        let counts = leads && peer.heard.0 == heard.0 && peer.witnessed;
        peer.moved |= peer.heard.1 > 0;
        peer.heard = heard;
        peer.progress = now;
        peer.base = now;
        peer.stalled_ms = 0;
        peer.witnessed = witnessed;
        if counts {
            self.estimate(gap_ms, config);
        }
    }

    /// The time-out that the leader's beats ask for: an eighth more than the longest distance of late ones, which
    /// is forgotten by a sixteenth of its excess with every beat. Were distances exchangeable, the next one would
    /// be the longest of 17 once in 17 times; the eighth, and the lower bound of a whole beat and the bound on
    /// propagation, make the mistakes rarer than that.
    fn estimate(&mut self, gap_ms: u64, config: &Config) {
        let (min, max) = (config.hardened.suspect_ms_min, config.hardened.suspect_ms_max);
        let fading = self.wants_ms - (self.wants_ms.saturating_sub(min)).div_ceil(16);
        self.wants_ms = fading.max(gap_ms.saturating_add(gap_ms / 8)).clamp(min, max);
    }

    /// Its own file, as its own disk shows it.
    fn look_at_own(&mut self, config: &Config, cx: &mut Context<'_>) {
        let path = self.path.clone();
        let kind = match cx.read(&path) {
            Ok(content) => match &*content.parsed(Record::parse) {
                Found::Record(record, _) if record.coordination.id == self.said.id => {
                    if !matches!(self.troubles.get(&path), Some(ProblemKind::Unwritten(_))) {
                        self.troubles.remove(&path);
                    }
                    return self.compare_own(&record.coordination, config, cx);
                }
                Found::Record(..) | Found::Other => ProblemKind::NameMismatch,
                Found::Broken(malformed) => ProblemKind::Corrupt(*malformed),
            },
            // Evicted: what the file says is what was written last.
            Err(FsError::NotLocal) => return,
            Err(error) => ProblemKind::Unreadable(error),
        };
        self.urgent = true;
        self.problem(&path, kind, cx);
    }

    /// An older version of its own came back: it is written over. A version that this life did not write, and none
    /// before it: a copy of this identity lives elsewhere, and both take a new one.
    fn compare_own(&mut self, there: &Said, config: &Config, cx: &mut Context<'_>) {
        if there.age() == self.said.age() {
            return;
        }
        let older = there.life == self.said.life && there.beat < self.said.beat;
        if older || there.life.number < self.said.life.number {
            self.urgent = true;
            return;
        }
        self.stop(StandbyBecause::IdentityCopied, cx);
        cx.event(Event::IdentityCopied { path: self.path.clone() });
        self.take_new_identity(config, cx);
    }

    /// Forgets those who have been silent for as long as it takes to lose one's file.
    fn forget_the_dead(&mut self, config: &Config, now: Mono) {
        let unseen_ms = config.timing.device_unseen_ms.saturating_mul(2);
        self.peers.retain(|_, peer| now.since(peer.progress) <= unseen_ms);
    }

    /// Whether a peer can be counted on.
    pub(super) fn is_live(&self, peer: &Peer, config: &Config, now: Mono) -> bool {
        !peer.said.leaving && now.since(peer.progress) <= config.hardened.live_ms()
    }
}
