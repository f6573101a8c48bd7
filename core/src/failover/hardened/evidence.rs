//! Evidence: what the others say, and how long they have been silent on this replica's clock.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::clock::{Gap, OwnClock};
use super::constants::Hardened;
use super::own::Own;
use super::peer::Peer;
use super::record::{Lead, Life, Record, Role, Said, Visit, Vote};
use crate::{Mono, Now};

/// What this replica has seen of the others since it last had reason to doubt its own watch.
///
/// *Invariants:* nobody is silent for longer than this replica has watched (`progress` and `base` of every peer are
/// no earlier than `awake_since` after [`Evidence::forget`]), and what a peer said only gets newer.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Evidence {
    peers: BTreeMap<Arc<str>, Peer>,
    clock: OwnClock,
    /// Since when it has run without sleeping or stalling.
    awake_since: Mono,
    /// The time-out that the delays seen so far ask for, in ms.
    wants_ms: u64,
}

/// The leader as this replica sees it: of all that lead, or did and were not succeeded, the one with the highest
/// term, and of two the one with the higher id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Top<'a> {
    pub(super) id: &'a Arc<str>,
    pub(super) name: &'a Arc<str>,
    pub(super) role: Role,
    pub(super) term: u64,
    pub(super) lead: Option<&'a Lead>,
    pub(super) said: &'a Said,
    pub(super) progress: Mono,
    pub(super) base: Mono,
    pub(super) witnessed: bool,
}

impl Top<'_> {
    pub(super) fn rank(&self) -> (u64, &Arc<str>) {
        (self.term, self.id)
    }
}

/// A sign of life.
struct Sign<'a> {
    heard: (Life, u64),
    /// How long before it those before it were written, newest first, in ms.
    paces: &'a [u64],
    /// Whether it led before: standbys are silent for long, so only the silence of a leader teaches patience.
    led: bool,
}

fn leads(said: &Said) -> bool {
    matches!(said.role, Role::Active | Role::Released)
}

impl Evidence {
    pub(super) fn new(hardened: &Hardened, now: Now) -> Self {
        Self {
            peers: BTreeMap::new(),
            clock: OwnClock::new(hardened, now),
            awake_since: now.mono,
            wants_ms: hardened.suspect_ms_min,
        }
    }

    /// All others, by id.
    pub(super) fn peers(&self) -> impl Iterator<Item = (&Arc<str>, &Peer)> {
        self.peers.iter()
    }

    /// What all others said last.
    pub(super) fn said(&self) -> impl Iterator<Item = &Arc<Said>> {
        self.peers.values().map(|peer| &peer.said)
    }

    /// The replica of this id; `None` if it was never heard of.
    pub(super) fn get(&self, id: &str) -> Option<&Peer> {
        self.peers.get(id)
    }

    pub(super) fn clock(&self) -> &OwnClock {
        &self.clock
    }

    /// Since when this replica has watched without a gap.
    pub(super) fn awake_since(&self) -> Mono {
        self.awake_since
    }

    /// After which silence it would have the leader suspected, in ms.
    pub(super) fn wants_ms(&self) -> u64 {
        self.wants_ms
    }

    /// The others that can be counted on.
    pub(super) fn live(&self, hardened: &Hardened, now: Mono) -> impl Iterator<Item = (&Arc<str>, &Peer)> {
        self.peers.iter().filter(move |(_, peer)| peer.is_live(hardened, now))
    }

    /// The leader among all, this replica included; `None` if nobody leads or did.
    pub(super) fn top<'a>(&'a self, own: &'a Own) -> Option<Top<'a>> {
        let itself = leads(&own.said).then_some(Top {
            id: &own.said.id,
            name: &own.name,
            role: own.said.role,
            term: own.said.term,
            lead: own.said.lead.as_ref(),
            said: &own.said,
            progress: own.since,
            base: own.since,
            witnessed: false,
        });
        itself.into_iter().chain(self.top_peer()).max_by(|one, other| one.rank().cmp(&other.rank()))
    }

    /// The leader among the others; `None` if none of them leads or did.
    pub(super) fn top_peer(&self) -> Option<Top<'_>> {
        let peers = self.peers.iter().filter(|(_, peer)| leads(&peer.said));
        let tops = peers.map(|(id, peer)| Top {
            id,
            name: &peer.name,
            role: peer.said.role,
            term: peer.said.term,
            lead: peer.said.lead.as_ref(),
            said: &peer.said,
            progress: peer.progress,
            base: peer.base,
            witnessed: peer.witnessed,
        });
        tops.max_by(|one, other| one.rank().cmp(&other.rank()))
    }

    /// The highest term that anybody is known to have claimed.
    pub(super) fn term_max(&self, own: &Said) -> u64 {
        let others = self
            .said()
            .flat_map(|said| std::iter::once(said.term).chain(said.saw.values().map(|saw| saw.term)));
        others.fold(own.term, u64::max)
    }

    /// Whether the candidate of this vote says that it leads no longer, or no longer wants to, in that term.
    pub(super) fn has_given_up(&self, vote: &Vote) -> bool {
        self.get(&vote.candidate).is_some_and(|peer| peer.said.gives_up(vote))
    }

    /// When the lease is over that a majority's acknowledgement of the beat of this vote lends, on this replica's clock.
    /// Of a beat that it has read, or a later one of that life, it knows by when it was decided and how long it lends;
    /// the lease of a later one never ends sooner.
    fn lease_over(&self, vote: &Vote, hardened: &Hardened, now: Mono) -> Mono {
        let peer = self.get(&vote.candidate).filter(|peer| peer.heard.0 == vote.life);
        let sent = peer.filter(|peer| peer.heard.1 >= vote.beat).map_or(now, |peer| peer.sent);
        let read = peer.map(|peer| &peer.said).filter(|said| said.age() >= (vote.life, vote.beat));
        sent.plus(hardened.promise_for(read.and_then(|said| said.lease_ms())))
    }

    /// When the lease is over on this replica's clock after which the deferred vote counts that another tells of now; 0
    /// where it tells of none. Once known it stays, as long as the same is told.
    fn deferred_until(&self, said: &Said, hardened: &Hardened, now: Mono) -> Mono {
        let (Some(vote), Some(deferred)) = (&said.vote, &said.deferred) else { return Mono(0) };
        let known = self.get(&said.id).filter(|peer| {
            let before = (&peer.said.vote, peer.said.deferred.as_ref().map(Vote::of));
            before == (&said.vote, Some(deferred.of()))
        });
        known.map_or_else(|| self.lease_over(vote, hardened, now), |peer| peer.deferred_until)
    }

    /// The highest update id up to which all are handled, as far as anybody says.
    pub(super) fn acked_by_all(&self, own: &Said) -> i64 {
        self.said().map(|said| said.acked).fold(own.acked, i64::max)
    }

    /// The id up to which everybody who may succeed this leader has seen that all are handled.
    pub(super) fn seen_by_all(&self, own: &Said) -> i64 {
        let Some(lead) = &own.lead else { return 0 };
        let acked = lead.successors.iter().filter_map(|id| self.get(id)).map(|peer| peer.said.acked);
        acked.min().unwrap_or(own.acked).min(own.acked)
    }

    /// The highest number of a nomination that anybody is done with.
    pub(super) fn obeyed(&self, own: &Said) -> u64 {
        self.said().map(|said| said.obeyed).fold(own.obeyed, u64::max)
    }

    /// Compares the clocks with those of the last step.
    pub(super) fn tick(&mut self, hardened: &Hardened, now: Now) -> Gap {
        self.clock.tick(hardened, now)
    }

    /// A time in which it did not run is nobody's silence. Moved too far, a base no longer agrees with the others'.
    pub(super) fn discount(&mut self, late_ms: u64, hardened: &Hardened, now: Mono) {
        for peer in self.peers.values_mut() {
            peer.base = peer.base.plus(late_ms).min(now);
            peer.stalled_ms += late_ms;
            peer.witnessed &= peer.stalled_ms <= hardened.look_ms;
        }
    }

    /// Begins to watch anew: nobody is silent before it was listened to.
    pub(super) fn forget(&mut self, now: Mono) {
        self.awake_since = now;
        for peer in self.peers.values_mut() {
            peer.progress = now;
            peer.base = now;
            peer.witnessed = false;
        }
    }

    /// Whether anybody has been silent for longer than this, in ms.
    pub(super) fn is_anybody_silent(&self, silent_ms_max: u64, now: Mono) -> bool {
        self.peers.values().any(|peer| now.since(peer.progress) > silent_ms_max)
    }

    /// Forgets those who have been silent for longer than this, in ms, and of whom this is true. Returns whether there
    /// was one.
    pub(super) fn forget_silent(&mut self, silent_ms_max: u64, now: Mono, of: impl Fn(&str) -> bool) -> bool {
        let count = self.peers.len();
        self.peers.retain(|id, peer| now.since(peer.progress) <= silent_ms_max || !of(id));
        self.peers.len() < count
    }

    /// Forgets the replicas of these ids.
    pub(super) fn forget_those(&mut self, of: impl Fn(&str) -> bool) {
        self.peers.retain(|id, _| !of(id));
    }

    /// Takes what another said, if it is newer than what it said before; and what it saw of others that lead.
    pub(super) fn hear(&mut self, record: &Record, own: &Own, hardened: &Hardened, now: Mono) {
        let said = &record.coordination;
        let later = |(id, peer): (&Arc<str>, &Peer)| {
            let saw = Some(&said.saw).filter(|_| peer.said.role == Role::Active)?.get(id)?;
            let later = peer.heard.0 == saw.life && peer.heard.1 < saw.beat;
            later.then(|| (id.clone(), (saw.life, saw.beat)))
        };
        let told: Vec<_> = self.peers.iter().filter_map(later).collect();
        for (id, heard) in told {
            self.progressed(&id, &Sign { heard, paces: &[], led: true }, own, hardened, now);
        }
        let led = self.peers.get(&said.id).is_some_and(|peer| peer.said.role == Role::Active);
        let deferred_until = self.deferred_until(said, hardened, now);
        let kept = match self.peers.get_mut(&said.id) {
            Some(peer) if peer.said.age() < said.age() => {
                let kept = peer.keeps_base(said);
                if peer.heard >= said.age() && said.role == Role::Released {
                    // Others told of this beat, and could not tell that it is a release: that counts from now.
                    peer.base = now;
                }
                let base = (peer.base, peer.stalled_ms);
                peer.said = Arc::clone(said);
                peer.deferred_until = deferred_until;
                kept.map(|witnessed| (base, witnessed))
            }
            Some(_) => return,
            None => {
                let peer = Peer { deferred_until, ..Peer::new(&record.name, said, now) };
                self.peers.insert(said.id.clone(), peer);
                None
            }
        };
        let sign = Sign { heard: said.age(), paces: &said.paces, led };
        self.progressed(&said.id, &sign, own, hardened, now);
        if let Some(((base, stalled_ms), witnessed)) = kept {
            let peer = self.peers.get_mut(&said.id).expect("just heard of");
            (peer.base, peer.stalled_ms, peer.witnessed) = (base, stalled_ms, witnessed);
        }
    }

    /// Notes a sign of life, and what its distance from the last one says about the delays.
    fn progressed(&mut self, id: &Arc<str>, sign: &Sign<'_>, own: &Own, hardened: &Hardened, now: Mono) {
        let leads = sign.led && self.top(own).is_some_and(|top| top.role == Role::Active && top.id == id);
        // A version that arrives this long after waking was not written long before.
        let witnessed = now.since(self.awake_since) >= hardened.propagation_ms + hardened.look_ms;
        let peer = self.peers.get_mut(id).expect("the caller knows it");
        if peer.heard >= sign.heard {
            return;
        }
        let silent_ms = now.since(peer.base);
        let counts = leads && peer.heard.0 == sign.heard.0 && peer.witnessed;
        peer.moved |= peer.heard.1 > 0;
        peer.sent = peer.sent_at(sign.heard, sign.paces, hardened, now);
        peer.heard = sign.heard;
        peer.progress = now;
        peer.base = peer.sent;
        peer.stalled_ms = 0;
        peer.witnessed = witnessed;
        if counts {
            self.estimate(silent_ms, hardened);
        }
    }

    /// The time-out that the leader's beats ask for: a sixteenth more than the longest silence that ended by itself,
    /// of which what exceeds the shortest time-out is forgotten by a sixty-fourth with every beat. So a delay that
    /// comes back within some minutes is no mistake the second time, and a single one is soon forgotten.
    fn estimate(&mut self, silent_ms: u64, hardened: &Hardened) {
        let (min, max) = (hardened.suspect_ms_min, hardened.suspect_ms_max);
        let fading = self.wants_ms - self.wants_ms.saturating_sub(min).div_ceil(64);
        self.wants_ms = fading.max(silent_ms.saturating_add(silent_ms / 16)).clamp(min, max);
    }

    /// Forgets what of the others' words no later step reads.
    pub(super) fn forget_spent(&mut self) {
        for peer in self.peers.values_mut() {
            if !peer.said.paces.is_empty() || !peer.said.saw.is_empty() {
                Arc::make_mut(&mut peer.said).forget_heard();
            }
        }
    }

    pub(super) fn visit(&mut self, visit: &mut dyn Visit) {
        let Self { peers, clock: _, awake_since, wants_ms: _ } = self;
        visit.instant(awake_since);
        for (id, peer) in peers {
            peer.visit(id, visit);
        }
    }

    pub(super) fn visit_clock(&mut self, visit: &mut dyn Visit) {
        self.clock.visit(visit);
    }
}
