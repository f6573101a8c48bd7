//! Reading the view: what the others say, and how long they have been silent on this replica's clock.

use std::sync::Arc;

use super::canonical::Visit;
use super::constants::{Hardened, Policy};
use super::places::{self, Place};
use super::record::{Found, Life, Record, Role, Said};
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
    /// When it decided to write that at the latest: when it arrived, or sooner where its beats before tell.
    pub(super) sent: Mono,
    /// From when its succession counts: when it sent its last sign of life, or the arrival of its release.
    pub(super) base: Mono,
    /// Whether this replica was awake long enough for the base to be an arrival in time.
    pub(super) witnessed: bool,
    /// By how much the base was moved on since, for stalls of this replica's own, in ms.
    stalled_ms: u64,
    /// Whether it moved on while this replica watched.
    pub(super) moved: bool,
}

impl Peer {
    pub(super) fn heard(&self) -> (Life, u64) {
        self.heard
    }

    /// Whether it can be counted on.
    pub(super) fn is_live(&self, config: &Config, now: Mono) -> bool {
        self.was_heard_within(config.hardened.live_ms(), now)
    }

    /// Whether it is worth asking: a client may have held up one of a standby's beats, and an offer harms nobody
    /// until it is taken.
    pub(super) fn may_live(&self, config: &Config, now: Mono) -> bool {
        self.was_heard_within(2 * config.hardened.live_ms(), now)
    }

    /// Whether it has shown a sign of life in the last `ms`, and does not mean to go.
    fn was_heard_within(&self, ms: u64, now: Mono) -> bool {
        !self.said.leaving && now.since(self.progress) <= ms
    }

    pub(super) fn visit(&mut self, id: &Arc<str>, visit: &mut dyn Visit) {
        Arc::make_mut(&mut self.said).visit(visit);
        visit.beat(id, self.heard.0, &mut self.heard.1);
        visit.instant(&mut self.progress);
        visit.instant(&mut self.sent);
        visit.instant(&mut self.base);
    }

    /// When it decided to write this beat, at the latest. When it arrived says so; and so does when it wrote an
    /// earlier one at the latest, and how long after that it wrote this one. That counts on both clocks running at
    /// the same rate, for which an allowance is made; and not beyond the bound on propagation, lest a clock that is
    /// wrong make everything look old.
    fn sent_at(&self, heard: (Life, u64), paces: &[u64], hardened: &Hardened, now: Mono) -> Mono {
        let missed = heard.1.checked_sub(self.heard.1).filter(|_| heard.0 == self.heard.0);
        let paces = missed.and_then(|count| paces.get(..usize::try_from(count).ok()?));
        let Some(paces) = paces.filter(|_| self.heard.1 > 0) else { return now };
        let later_ms = paces.iter().fold(0, |sum: u64, pace| sum.saturating_add(*pace));
        let told = self.sent.plus(later_ms.saturating_add(hardened.drift_ms(later_ms)));
        let earliest = Mono(now.0.saturating_sub(hardened.settle_ms));
        told.clamp(earliest, now)
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
        visit.last(&mut self.last);
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
        let mut own_there = 0;
        for entry in entries {
            if entry.kind != EntryKind::File || !places::may_be_one(&entry.path) {
                continue;
            }
            if let Some(place) = self.places.at(&entry.path) {
                own_there += usize::from(place.beat > 0);
                self.look_at_own(&place.clone(), config, cx);
                continue;
            }
            self.look_at_other(&entry.path, config, cx);
        }
        if own_there < self.places.iter().filter(|place| place.beat > 0).count() {
            // Removed, or gone for the moment in which a client replaces it: the owner writes it again.
            self.urgent = true;
        }
        self.said.wants_ms = self.wants_ms;
        self.forget_the_dead(config, cx.now().mono);
    }

    fn look_at_other(&mut self, path: &Path, config: &Config, cx: &mut Context<'_>) {
        let content = match cx.read(path) {
            Ok(content) => content,
            Err(error) => {
                self.unreadable(error, config);
                return self.problem(path, ProblemKind::Unreadable(error), cx);
            }
        };
        let kind = match &*content.parsed(Record::parse) {
            Found::Record(record, its) if places::belongs(path.file_name(), its) => {
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
        let later = |(id, peer): (&Arc<str>, &Peer)| {
            let saw = said.saw.get(id).filter(|_| peer.said.role == Role::Active)?;
            let later = peer.heard.0 == saw.life && peer.heard.1 < saw.beat;
            later.then(|| (id.clone(), (saw.life, saw.beat)))
        };
        let told: Vec<_> = self.peers.iter().filter_map(later).collect();
        for (id, heard) in told {
            self.progressed(&id, heard, &[], true, config, now);
        }
        if let Some(voters) = &said.voters
            && self.said.voters.as_ref().is_none_or(|own| own.stamp() < voters.stamp())
        {
            self.said.voters = Some(Arc::clone(voters));
        }
        let led = self.peers.get(&said.id).is_some_and(|peer| peer.said.role == Role::Active);
        let known = match self.peers.get_mut(&said.id) {
            Some(peer) if peer.said.age() < said.age() => {
                let kept = keeps_base(peer, said);
                if peer.heard >= said.age() && said.role == Role::Released {
                    // Others told of this beat, and could not tell that it is a release: that counts from now.
                    peer.base = now;
                }
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
                    sent: now,
                    base: now,
                    witnessed: false,
                    stalled_ms: 0,
                    moved: false,
                };
                self.peers.insert(said.id.clone(), peer);
                None
            }
        };
        self.progressed(&said.id, said.age(), &said.paces, led, config, now);
        if let Some(((base, stalled_ms), witnessed)) = known {
            let peer = self.peers.get_mut(&said.id).expect("just heard of");
            (peer.base, peer.stalled_ms, peer.witnessed) = (base, stalled_ms, witnessed);
        }
    }

    /// Notes a sign of life, and what its distance from the last one says about the delays.
    /// Only the silence of one that `led` before it and leads still counts: standbys are silent for long.
    fn progressed(
        &mut self,
        id: &Arc<str>,
        heard: (Life, u64),
        paces: &[u64],
        led: bool,
        config: &Config,
        now: Mono,
    ) {
        let leads = led && self.top().is_some_and(|top| top.role == Role::Active && top.id == id);
        let hardened = &config.hardened;
        // A version that arrives this long after waking was not written long before.
        let witnessed = now.since(self.awake_since) >= hardened.settle_ms + hardened.look_ms;
        let peer = self.peers.get_mut(id).expect("the caller knows it");
        if peer.heard >= heard {
            return;
        }
        let silent_ms = now.since(peer.base);
        let counts = leads && peer.heard.0 == heard.0 && peer.witnessed;
        peer.moved |= peer.heard.1 > 0;
        peer.sent = peer.sent_at(heard, paces, hardened, now);
        peer.heard = heard;
        peer.progress = now;
        peer.base = peer.sent;
        peer.stalled_ms = 0;
        peer.witnessed = witnessed;
        if counts {
            self.estimate(silent_ms, config);
        }
    }

    /// The time-out that the leader's beats ask for: a sixteenth more than the longest silence that ended by itself,
    /// of which what exceeds the shortest time-out is forgotten by a sixty-fourth with every beat. So a delay that
    /// comes back within some minutes is no mistake the second time, and a single one is soon forgotten.
    fn estimate(&mut self, silent_ms: u64, config: &Config) {
        let (min, max) = (config.hardened.suspect_ms_min, config.hardened.suspect_ms_max);
        let fading = self.wants_ms - self.wants_ms.saturating_sub(min).div_ceil(64);
        self.wants_ms = fading.max(silent_ms.saturating_add(silent_ms / 16)).clamp(min, max);
    }

    /// Its own file, as its own disk shows it.
    fn look_at_own(&mut self, place: &Place, config: &Config, cx: &mut Context<'_>) {
        let path = &place.path;
        let kind = match cx.read(path) {
            Ok(content) => match &*content.parsed(Record::parse) {
                Found::Record(record, _) if record.coordination.id == self.said.id => {
                    if !matches!(self.troubles.get(path), Some(ProblemKind::Unwritten(_))) {
                        self.troubles.remove(path);
                    }
                    return self.compare_own(&record.coordination, place, config, cx);
                }
                Found::Record(..) | Found::Other => ProblemKind::NameMismatch,
                Found::Broken(malformed) => ProblemKind::Corrupt(*malformed),
            },
            // Evicted: what the file says is what was written last.
            Err(FsError::NotLocal) => return,
            Err(error) => ProblemKind::Unreadable(error),
        };
        self.urgent = true;
        self.problem(path, kind, cx);
    }

    /// An older version of its own came back: it is written over. A version that this life did not write, and none
    /// before it: a copy of this identity lives elsewhere, and both take a new one.
    fn compare_own(&mut self, there: &Said, place: &Place, config: &Config, cx: &mut Context<'_>) {
        if there.age() == (self.said.life, place.beat) {
            return;
        }
        let older = there.life == self.said.life && there.beat < place.beat;
        if older || there.life.number < self.said.life.number {
            // Of an earlier life, beside the device file, it harms nobody: the newest counts.
            self.urgent |= place.beat > 0 || place.path == *self.places.device_file();
            return;
        }
        self.stop(StandbyBecause::IdentityCopied, cx);
        cx.event(Event::IdentityCopied { path: place.path.clone() });
        self.take_new_identity(config, cx);
    }

    /// Forgets those who have been silent for as long as it takes to lose one's file.
    fn forget_the_dead(&mut self, config: &Config, now: Mono) {
        let unseen_ms = config.timing.device_unseen_ms.saturating_mul(2);
        self.peers.retain(|_, peer| now.since(peer.progress) <= unseen_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_beat_counts_from_when_it_was_sent() {
        let life = Life { number: 1, nonce: 0 };
        let mut hardened = Hardened::over(30_000, Policy::Available);
        hardened.drift_ppm_max = 500;
        let mut peer = Peer {
            name: "h:/a".into(),
            said: Said::new("h:/a#1".into(), life).into(),
            heard: (life, 7),
            progress: Mono(100_000),
            sent: Mono(100_000),
            base: Mono(100_000),
            witnessed: true,
            stalled_ms: 0,
            moved: true,
        };
        let paces = [10_000, 12_000, 11_000];
        let sent = |peer: &Peer, beat, now| peer.sent_at((life, beat), &paces, &hardened, Mono(now)).0;
        // 22 s after beat 7, and what two clocks may come apart meanwhile.
        assert_eq!(sent(&peer, 9, 140_000), 122_022);
        assert_eq!(sent(&peer, 9, 121_000), 121_000, "no later than it arrived");
        assert_eq!(sent(&peer, 9, 200_000), 170_000, "nor so early that only a wrong clock explains it");
        assert_eq!(sent(&peer, 11, 150_000), 150_000, "too many were missed");
        peer.heard = (Life { number: 1, nonce: 1 }, 7);
        assert_eq!(sent(&peer, 9, 140_000), 140_000, "another life says nothing of this one");
    }
}
