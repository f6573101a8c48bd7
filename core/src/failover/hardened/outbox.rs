//! The files that a replica writes: its own, `state.json` for others, and who it is.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::canonical::Visit;
use super::constants::Policy;
use super::places::{Place, Places};
use super::record::{Found, Lapsed, Lead, Life, Record, Role, Said, Saw};
use super::{Context, Replica, is_away};
use crate::failover::records::{Malformed, ProblemKind, STATE, StateRecord};
use crate::failover::{Config, Event, GivenUpBecause};
use crate::{Content, FsError, FsOp, Mono, Path};

/// How soon a write that failed is tried again, ms.
const AGAIN_MS: u64 = 2_000;

/// How many beats may be missed before the next one's age is unknown.
pub(super) const PACES_MAX: usize = 8;

/// What an op was for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Did {
    /// One of its own files, decided at this moment.
    Own { at: Mono, beat: u64, path: Path },
    /// Another file whose result changes nothing.
    Aside(Path),
    /// The log of handled updates: one line, then the flush that makes it last.
    Log { last: bool },
    /// A device's file goes.
    Removal(Path),
}

impl Did {
    pub(super) fn visit(&mut self, id: &Arc<str>, life: Life, visit: &mut dyn Visit) {
        if let Self::Own { at, beat, .. } = self {
            visit.instant(at);
            visit.beat(id, life, beat);
        }
    }
}

/// Who this replica is, in the folder that never leaves the machine.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Identity {
    /// The random part of its id.
    pub(super) random: String,
    /// The machine on which it was drawn: a copy of the folder on another one draws its own.
    host: String,
    /// The directory for which it was drawn.
    directory: String,
    /// How often the process was started.
    pub(super) lives: u64,
}

fn identity_path() -> Path {
    Path::local("identity.json")
}

impl Identity {
    fn draw(config: &Config, cx: &mut Context<'_>) -> Self {
        let random = format!("{:08x}", cx.rng().bits() & 0xffff_ffff);
        Self {
            random,
            host: config.identity.host.clone(),
            directory: config.identity.directory.clone(),
            lives: 0,
        }
    }

    /// Its identity, and whether it is a new one.
    pub(super) fn read_or_draw(config: &Config, cx: &mut Context<'_>) -> (Self, bool) {
        let path = identity_path();
        match cx.read(&path) {
            Ok(content) => match serde_json::from_slice::<Self>(content.bytes()) {
                Ok(identity)
                    if identity.host == config.identity.host
                        && identity.directory == config.identity.directory =>
                {
                    return (identity, false);
                }
                Ok(_) => {}
                Err(_) => {
                    cx.event(Event::ProblemFound { path, kind: ProblemKind::Corrupt(Malformed::NotJson) });
                }
            },
            Err(FsError::NotFound) => {}
            Err(error) => cx.event(Event::ProblemFound { path, kind: ProblemKind::Unreadable(error) }),
        }
        (Self::draw(config, cx), true)
    }
}

impl Replica {
    /// Takes up where an earlier life of the same identity ended.
    pub(super) fn resume(&mut self, identity: &Identity, fresh: bool, config: &Config, cx: &mut Context<'_>) {
        self.said.voters = Self::first_voters(config);
        let mut lives = identity.lives;
        if let Some(before) = self.said_before(cx).filter(|_| !fresh) {
            lives = lives.max(before.life.number);
            self.said.term = before.term;
            self.said.acked = before.acked;
            self.said.obeyed = before.obeyed;
            self.said.vote = before.vote.clone();
            if before.voters.as_ref().map(|voters| voters.stamp())
                > self.said.voters.as_ref().map(|voters| voters.stamp())
            {
                self.said.voters = before.voters.clone();
            }
            if matches!(before.role, Role::Active | Role::Released) {
                // Whoever was to succeed it is asked to, in the order that all have seen.
                self.said.lead = before.lead.clone();
                if let Some(lead) = &mut self.said.lead
                    && config.hardened.policy == Policy::Available
                    && before.role == Role::Active
                {
                    lead.lapsed = Some(Lapsed { life: before.life, beat: before.beat });
                }
                self.said.role = Role::Released;
            }
        }
        let nonce = u32::try_from(cx.rng().bits() & 0xffff_ffff).expect("32 bits");
        self.said.life = Life { number: lives + 1, nonce };
        self.read_log(cx);
        self.write_identity(config, cx);
    }

    /// The newest that its files hold of an earlier life.
    fn said_before(&self, cx: &Context<'_>) -> Option<Arc<Said>> {
        let said = |place: &Place| match &*cx.read(&place.path).ok()?.parsed(Record::parse) {
            Found::Record(record, _) => Some(Arc::clone(&record.coordination)),
            _ => None,
        };
        let own = self.places.iter().filter_map(said).filter(|said| said.id == self.said.id);
        own.max_by_key(|said| said.age())
    }

    fn write_identity(&mut self, config: &Config, cx: &mut Context<'_>) {
        let random = self.said.id.rsplit_once('#').map_or("", |(_, random)| random);
        let identity = Identity {
            random: random.into(),
            host: config.identity.host.clone(),
            directory: config.identity.directory.clone(),
            lives: self.said.life.number,
        };
        let bytes = serde_json::to_vec_pretty(&identity).expect("an identity has text keys and plain values");
        cx.op(FsOp::Replace { path: identity_path(), content: Content::new(bytes) });
        self.doing.push_back(Did::Aside(identity_path()));
    }

    /// Becomes somebody else, because a copy of this identity lives.
    pub(super) fn take_new_identity(&mut self, config: &Config, cx: &mut Context<'_>) {
        let identity = Identity::draw(config, cx);
        let nonce = u32::try_from(cx.rng().bits() & 0xffff_ffff).expect("32 bits");
        let id = format!("{}#{}", self.name, identity.random);
        let old = std::mem::replace(&mut self.said, Said::new(id.into(), Life { number: 1, nonce }));
        self.said.acked = old.acked;
        self.said.obeyed = old.obeyed;
        self.said.voters = old.voters;
        self.places = Places::new(&self.said.id, config.hardened.places);
        self.written.clear();
        self.promise = super::Promise::new(cx.now().mono.plus(config.hardened.promise_ms));
        self.take_role(Role::Standby, cx.now().mono);
        self.due.write = cx.now().mono;
        self.write_identity(config, cx);
    }

    /// Writes its own file where that is due, and `state.json`.
    pub(super) fn write(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        let due = self.urgent || now >= self.due.beat;
        // An op of an earlier decision of this step goes first, and nothing waits behind it.
        if due && now >= self.due.write && (self.away.is_none() || now >= self.due.beat) {
            self.write_own(config, cx);
        }
        let told = self.seen_by_all() >= self.floor;
        if self.acting && self.away.is_none() && now >= self.due.state && told {
            self.due.state = now.plus(config.hardened.state_every_ms);
            self.write_state(cx);
        }
    }

    fn write_own(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now();
        let hardened = &config.hardened;
        if self.troubles.contains_key(&identity_path()) {
            // Nothing is said in a life whose number is not kept: the next one would take it for a copy's.
            self.write_identity(config, cx);
        }
        self.said.beat += 1;
        self.said.paces = self.paces(now.mono);
        self.said.saw = self
            .peers
            .iter()
            .map(|(id, peer)| {
                let said = &peer.said;
                (id.clone(), Saw { life: said.life, beat: said.beat, term: said.term })
            })
            .collect();
        let record = Record {
            name: self.name.clone(),
            thread_id: config.thread_id,
            last_seen: now.wall,
            hostname: config.identity.host.as_str().into(),
            directory: config.identity.directory.as_str().into(),
            process_id: config.process_id,
            coordination: self.said.clone().into(),
        };
        // A standby's file may be followed by its claim at once.
        let decides = self.said.role != Role::Standby || hardened.policy == Policy::Majority;
        let (path, rests_until) = self.places.take(self.said.beat, decides, now.mono, hardened.rest_ms);
        cx.op(FsOp::Replace { path: path.clone(), content: record.serialise() });
        self.doing.push_back(Did::Own { at: now.mono, beat: self.said.beat, path });
        self.remember_written(self.said.beat, now.mono);
        let leads = match hardened.policy {
            Policy::Available => self.said.role == Role::Active,
            Policy::Majority => matches!(self.said.role, Role::Active | Role::Candidate),
        };
        let every = if leads { hardened.beat } else { hardened.standby_beat };
        self.due.beat = now.mono.plus(every.draw(cx.rng()));
        self.due.write = rests_until.max(now.mono.plus(hardened.write_gap_ms));
        if leads && hardened.policy == Policy::Available && hardened.places > 1 {
            // Whatever is written next, a place has to have rested when the beat after it is due.
            let room_ms = hardened.room_ms();
            let second = self.places.second_rests_until();
            self.due.write = self.due.write.max(Mono(second.0.saturating_sub(room_ms)));
        }
        // A new role is told in all places, where they have rested again when the next beat is due: whichever file
        // comes first tells of it.
        let spreads = decides && hardened.rest_ms <= hardened.beat.base_ms;
        self.untold = if spreads { self.untold.saturating_sub(1) } else { 0 };
        self.urgent = self.untold > 0;
    }

    /// The times between its newest beats, this one included; nothing where it does not lead or want to.
    fn paces(&self, now: Mono) -> Vec<u64> {
        if !matches!(self.said.role, Role::Active | Role::Candidate) {
            return Vec::new();
        }
        let mut after = now;
        let pace = |(_, at): &(u64, Mono)| {
            let before = std::mem::replace(&mut after, *at);
            before.since(*at)
        };
        self.written.iter().rev().take(PACES_MAX).map(pace).collect()
    }

    /// Tells other programs who is active. The update id is one that everybody who may succeed has seen, and not
    /// before that is all that this leader knew when it began: so nobody's `state.json` shows a lower one than was
    /// there.
    fn write_state(&mut self, cx: &mut Context<'_>) {
        let before = match cx.read(&STATE) {
            Ok(content) => match &*content.parsed(StateRecord::parse) {
                Ok(record) => record.clone(),
                Err(_) => StateRecord::initial(cx.now().wall),
            },
            Err(_) => StateRecord::initial(cx.now().wall),
        };
        let wall = cx.now().wall;
        let record = StateRecord {
            active_device: Some(self.name.clone()),
            active_device_heartbeat: wall,
            last_update_id: before.last_update_id.max(self.seen_by_all()),
            last_modified: wall,
            modified_by: self.name.clone(),
            ..before
        };
        cx.op(FsOp::Replace { path: STATE.clone(), content: record.serialise() });
        self.doing.push_back(Did::Aside(STATE.clone()));
    }

    /// Goes on after `done` ops of the last batch, and perhaps one that failed.
    pub(super) fn written(
        &mut self,
        done: usize,
        failed: Option<FsError>,
        config: &Config,
        cx: &mut Context<'_>,
    ) {
        let batch = std::mem::take(&mut self.doing);
        for (index, did) in batch.into_iter().enumerate() {
            match failed.filter(|_| index >= done) {
                None => self.succeeded(did, config, cx),
                Some(error) => self.failed(did, error, cx),
            }
        }
    }

    fn succeeded(&mut self, did: Did, config: &Config, cx: &mut Context<'_>) {
        match did {
            Did::Own { at, beat, path } => {
                self.troubles.remove(&path);
                cx.event(Event::HeartbeatWritten { path });
                self.beaten(at, beat, config, cx);
            }
            Did::Aside(path) => {
                self.troubles.remove(&path);
                if path == *STATE {
                    cx.event(Event::HeartbeatWritten { path });
                }
            }
            Did::Log { last } => self.logged(last, cx),
            Did::Removal(path) => self.removed(path, cx),
        }
    }

    /// Its own file is on its disk. Under `available` that is what a leader may act by, for a time that counts from
    /// the decision to write: the others may have read it since.
    fn beaten(&mut self, at: Mono, beat: u64, config: &Config, cx: &mut Context<'_>) {
        if config.hardened.policy != Policy::Available || self.said.role != Role::Active || at < self.since {
            return;
        }
        let now = cx.now().mono;
        if self.lease_until == Mono(0) && now > self.since.plus(config.hardened.look_ms) {
            // Too late for its place in the order.
            self.take_role(Role::Candidate, now);
            return;
        }
        let in_time = self.lease_until == Mono(0) || now.plus(config.hardened.settle_ms) <= self.lease_until;
        if beat == self.said.beat && in_time {
            let suspect_ms = self.said.lead.as_ref().map_or(0, |lead: &Lead| lead.suspect_ms);
            self.lease_before = self.lease_until;
            self.lease_until = self.lease_until.max(at.plus(config.hardened.lease_under(suspect_ms)));
        }
    }

    fn failed(&mut self, did: Did, error: FsError, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        match did {
            Did::Own { path, .. } => {
                self.urgent = true;
                self.due.write = now.plus(AGAIN_MS);
                self.problem(&path, ProblemKind::Unwritten(error), cx);
                if self.said.role == Role::Active && self.lease_until == Mono(0) {
                    cx.event(Event::ClaimGivenUp { because: GivenUpBecause::StateUnwritten });
                    self.take_role(Role::Standby, now);
                }
                if is_away(error) {
                    self.fall_back(error, cx);
                }
            }
            Did::Aside(path) => self.problem(&path, ProblemKind::Unwritten(error), cx),
            Did::Log { .. } => self.unlogged(error, cx),
            Did::Removal(path) => {
                self.errand = None;
                self.problem(&path, ProblemKind::Unwritten(error), cx);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::testing::{Bench, Files, identity};
    use crate::failover::{Design, Hardened};

    fn full() -> Files {
        let mut files = Files::default();
        files.unwritable.insert(identity_path(), FsError::NoSpace);
        files
    }

    fn is_told(files: &Files) -> bool {
        files.files.keys().any(|path| path.below(&Path::shared("devices")).is_some())
    }

    #[test]
    fn nothing_is_said_in_a_life_that_is_not_kept() {
        let mut config = Config::document(identity("/a"));
        config.design = Design::Hardened;
        config.hardened = Hardened::over(4_000, Policy::Available);
        let mut bench = Bench::start(config, full());
        bench.pass(60_000);
        assert!(!is_told(&bench.files), "{:?}", bench.files);
        // There is room again.
        bench.files.unwritable.clear();
        bench.pass(60_000);
        assert!(is_told(&bench.files) && bench.files.text("local:identity.json").contains("\"lives\": 1"));
        // A later life that starts without the folder knows the number, and later its own file.
        let away = Path::shared("");
        bench.files.unreadable.insert(away.clone(), FsError::Unavailable);
        bench.restart();
        bench.files.unreadable.remove(&away);
        bench.forget().pass(60_000);
        let told = bench.take();
        assert!(told.contains("event:returned") && !told.contains("identity-copied"), "{told}");
    }
}
