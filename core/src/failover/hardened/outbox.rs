//! The outbox: in which file this replica says something next, when, and what the ops under way are for.

use std::collections::VecDeque;
use std::sync::Arc;

use super::constants::{Hardened, Policy};
use super::places::{Place, Places};
use super::record::{Life, Record, Role, Saw, Visit};
use super::troubles::Troubles;
use super::{Context, Replica, installation, is_away};
use crate::failover::records::{ProblemKind, STATE, StateRecord, is_too_large};
use crate::failover::{Config, Event, GivenUpBecause};
use crate::{Content, FsError, FsOp, Mono, Path};

/// How soon a write that failed is tried again, ms.
const AGAIN_MS: u64 = 2_000;

/// What an op was for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Did {
    /// One of its own files, decided at this moment.
    Own { at: Mono, beat: u64, path: Path },
    /// `state.json`, which decides nothing, or who this replica is, which is written again before anything is said.
    Aside(Path),
    /// The log of handled updates: one line, then the flush that makes it last.
    Log { last: bool },
    /// A device's file goes.
    Removal(Path),
}

/// What is written, and when.
///
/// *Invariants:* nothing is written before the file's last version had time to leave (`write_at`, and each place's
/// rest), and a new role is told in every place before the replica falls silent for a beat.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Outbox {
    /// Its own files.
    places: Places,
    /// What the ops of the last batch are for, in their order.
    batch: VecDeque<Did>,
    /// When the next beat is due.
    beat_at: Mono,
    /// The earliest next write of its own file.
    write_at: Mono,
    /// When `state.json` is due.
    state_at: Mono,
    /// Whether its file is to be written as soon as may be.
    urgent: bool,
    /// Own files that do not announce the new role yet.
    untold: u8,
}

impl Outbox {
    pub(super) fn new(id: &str, hardened: &Hardened) -> Self {
        Self {
            places: Places::new(id, hardened.places),
            batch: VecDeque::new(),
            beat_at: Mono(0),
            write_at: Mono(0),
            state_at: Mono(0),
            urgent: true,
            untold: 0,
        }
    }

    /// Its own files.
    pub(super) fn places(&self) -> &Places {
        &self.places
    }

    /// Writes as somebody else from now on, at once.
    pub(super) fn rename(&mut self, id: &str, hardened: &Hardened, now: Mono) {
        self.places = Places::new(id, hardened.places);
        self.write_at = now;
    }

    /// Asks for a write as soon as may be.
    pub(super) fn urge(&mut self) {
        self.urgent = true;
    }

    /// Asks for a write at once, however long ago the last one was.
    pub(super) fn urge_at_once(&mut self, now: Mono) {
        self.urgent = true;
        self.write_at = now;
    }

    /// Asks that a new role be told, in every place.
    pub(super) fn announce(&mut self) {
        self.urgent = true;
        self.untold = self.places.count();
    }

    /// A write failed: it is tried again, a little later. Returns when.
    pub(super) fn put_off(&mut self, now: Mono) -> Mono {
        self.urgent = true;
        self.write_at = now.plus(AGAIN_MS);
        self.write_at
    }

    /// Asks for `state.json` at once.
    pub(super) fn urge_state(&mut self, now: Mono) {
        self.state_at = now;
    }

    /// Whether `state.json` is due.
    pub(super) fn is_state_due(&self, now: Mono) -> bool {
        now >= self.state_at
    }

    /// Whether something is to be said at the next opportunity.
    pub(super) fn is_beat_due(&self, now: Mono) -> bool {
        self.urgent || now >= self.beat_at
    }

    /// Whether its own file is to be written now.
    pub(super) fn is_due(&self, now: Mono) -> bool {
        now >= self.write_at && self.is_beat_due(now)
    }

    /// The earliest next write of its own file.
    pub(super) fn write_at(&self) -> Mono {
        self.write_at
    }

    /// When its own file is written next, if nothing else happens.
    pub(super) fn next_at(&self) -> Mono {
        if self.urgent { self.write_at } else { self.beat_at.max(self.write_at) }
    }

    /// Takes the file for a beat that is decided now, as a replica in this role; `gap_ms` later the next one is due.
    pub(super) fn take_place(
        &mut self,
        beat: u64,
        role: Role,
        gap_ms: u64,
        hardened: &Hardened,
        now: Mono,
    ) -> Path {
        let decides = hardened.decides(role);
        let (path, rests_until) = self.places.take(beat, decides, now, hardened.rest_ms);
        self.batch.push_back(Did::Own { at: now, beat, path: path.clone() });
        self.beat_at = now.plus(gap_ms);
        self.write_at = rests_until.max(now.plus(hardened.write_gap_ms));
        if let Some(room_ms) = hardened.room_before_beat_ms(role) {
            // Whatever is written next, a place has to have rested when the beat after it is due.
            let second = self.places.second_rests_until();
            self.write_at = self.write_at.max(Mono(second.0.saturating_sub(room_ms)));
        }
        // A new role is told in all places, if they have rested again when the next beat is due: whichever file comes
        // first tells of it.
        let spreads = decides && hardened.rest_ms <= hardened.beat.base_ms;
        self.untold = if spreads { self.untold.saturating_sub(1) } else { 0 };
        self.urgent = self.untold > 0;
        path
    }

    /// Notes that `state.json` is written now.
    pub(super) fn take_state(&mut self, path: Path, hardened: &Hardened, now: Mono) {
        self.state_at = now.plus(hardened.state_every_ms);
        self.batch.push_back(Did::Aside(path));
    }

    /// Notes that the next op writes a file that says nothing to the others.
    pub(super) fn note_aside(&mut self, path: Path) {
        self.batch.push_back(Did::Aside(path));
    }

    /// Notes that the next op is one of the log's, and whether it is the one that makes the line last.
    pub(super) fn note_log(&mut self, last: bool) {
        self.batch.push_back(Did::Log { last });
    }

    /// Notes that the next op removes a device's file.
    pub(super) fn note_removal(&mut self, path: Path) {
        self.batch.push_back(Did::Removal(path));
    }

    /// Takes back the time that the clock did not count, in ms: what is under way was decided so much earlier.
    pub(super) fn slept(&mut self, slept_ms: u64) {
        for did in &mut self.batch {
            if let Did::Own { at, .. } = did {
                *at = Mono(at.0.saturating_sub(slept_ms));
            }
        }
    }

    /// How many ops are under way.
    pub(super) fn under_way(&self) -> usize {
        self.batch.len()
    }

    /// Takes what the ops of the last batch were for.
    fn take_batch(&mut self) -> VecDeque<Did> {
        std::mem::take(&mut self.batch)
    }

    /// How many of its own files it has written in this life.
    pub(super) fn written_places(&self) -> usize {
        self.places.iter().filter(|place| place.beat > 0).count()
    }

    /// Takes its own files for not written yet.
    pub(super) fn forget_written(&mut self) {
        self.places.forget_written();
    }

    /// Whether a look has to find a file of its own: one was written in this life, and that did not fail.
    pub(super) fn expects_own(&self, troubles: &Troubles) -> bool {
        self.is_on_disk_after(0, troubles)
    }

    /// Whether a file of its own with a later beat than this is on its disk, as far as writes tell.
    pub(super) fn is_on_disk_after(&self, beat: u64, troubles: &Troubles) -> bool {
        let under_way = |path: &Path| {
            self.batch.iter().any(|did| matches!(did, Did::Own { path: other, .. } if other == path))
        };
        let failed = |path: &Path| matches!(troubles.of(path), Some(ProblemKind::Unwritten(_)));
        let written = |place: &Place| place.beat > beat && !failed(&place.path) && !under_way(&place.path);
        self.places.iter().any(written)
    }

    /// The place that this file is; `None` if it is not one of its own.
    pub(super) fn place(&self, path: &Path) -> Option<&Place> {
        self.places.at(path)
    }

    pub(super) fn visit(&mut self, id: &Arc<str>, life: Life, visit: &mut dyn Visit) {
        let Self { places, batch, beat_at, write_at, state_at, urgent: _, untold: _ } = self;
        for deadline in [beat_at, write_at, state_at] {
            visit.deadline(deadline);
        }
        for did in batch {
            if let Did::Own { at, beat, .. } = did {
                visit.instant(at);
                visit.beat(id, life, beat);
            }
        }
        places.visit(id, life, visit);
    }
}

impl Replica {
    /// Writes its own file if that is due, and `state.json`.
    pub(super) fn write(&mut self, config: &Config, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        if self.away.is_some() {
            // What it wrote into a folder that only looks like its own would make that its own.
            return;
        }
        // An op of an earlier decision of this step goes first, and nothing waits behind it.
        if self.outbox.is_due(now) {
            self.write_own(config, cx);
        }
        let known = self.work.is_known(self.evidence.seen_by_all(&self.own.said));
        if self.acting && self.outbox.is_state_due(now) && known {
            self.write_state(config, cx);
        }
    }

    fn write_own(&mut self, config: &Config, cx: &mut Context<'_>) {
        let (now, hardened) = (cx.now(), &config.hardened);
        self.looked.forget();
        if self.troubles.of(&installation::path()).is_some() {
            // Nothing is said in a life whose number is not kept: the next one would take it for a copy's.
            self.keep_identity(config, cx);
        }
        let said = &mut self.own.said;
        said.beat += 1;
        // One that does not lead or want to has no beats to be timed by.
        let leads = matches!(said.role, Role::Active | Role::Candidate);
        said.paces = if leads { self.lease.paces(now.mono) } else { Vec::new() };
        let saw = |said: &super::record::Said| Saw { life: said.life, beat: said.beat, term: said.term };
        said.saw = self.evidence.peers().map(|(id, peer)| (id.clone(), saw(&peer.said))).collect();
        let record = Record {
            name: self.own.name.clone(),
            thread_id: config.thread_id,
            last_seen: now.wall,
            hostname: config.identity.host.as_str().into(),
            directory: config.identity.directory.as_str().into(),
            process_id: config.process_id,
            coordination: self.own.said.clone().into(),
        };
        let (beat, role) = (self.own.said.beat, self.own.said.role);
        let gap_ms = hardened.beat_in(role).draw(cx.rng());
        let path = self.outbox.take_place(beat, role, gap_ms, hardened, now.mono);
        cx.op(FsOp::Replace { path, content: record.serialise() });
        let lease_ms = self.own.said.lease_ms().unwrap_or(hardened.lease_ms);
        self.lease.remember(beat, now.mono, lease_ms);
        if !leads && hardened.policy == Policy::Majority {
            // Older ones lend nothing, whoever votes for them.
            self.lease.forget_before(Mono(now.mono.0.saturating_sub(hardened.early_lease_ms())));
        }
    }

    /// Tells other programs who is active. The update id is one that everybody who may succeed has seen, and not
    /// before that is all that this leader knew when it began: so nobody's `state.json` shows a lower one than was
    /// there.
    fn write_state(&mut self, config: &Config, cx: &mut Context<'_>) {
        // One that somebody blew up is written anew, as one that cannot be read.
        let content = (!is_too_large(cx.fs(), &STATE)).then(|| cx.read(&STATE).ok()).flatten();
        let parse = |content: Content| match &*content.parsed(StateRecord::parse) {
            Ok(record) => Some(record.clone()),
            Err(_) => None,
        };
        let before = content.and_then(parse);
        let before = before.unwrap_or_else(|| StateRecord::initial(cx.now().wall));
        let wall = cx.now().wall;
        let seen = self.evidence.seen_by_all(&self.own.said);
        let record = StateRecord {
            active_device: Some(self.own.name.clone()),
            active_device_heartbeat: wall,
            last_update_id: before.last_update_id.max(seen),
            last_modified: wall,
            modified_by: self.own.name.clone(),
            ..before
        };
        cx.op(FsOp::Replace { path: STATE.clone(), content: record.serialise() });
        self.outbox.take_state(STATE.clone(), &config.hardened, cx.now().mono);
    }

    /// Goes on after `done` ops of the last batch, and perhaps one that failed.
    pub(super) fn written(
        &mut self,
        done: usize,
        failed: Option<FsError>,
        config: &Config,
        cx: &mut Context<'_>,
    ) {
        // What is on its disk is no longer what it expected there, or is so only now.
        self.looked.forget();
        for (index, did) in self.outbox.take_batch().into_iter().enumerate() {
            match failed.filter(|_| index >= done) {
                None => self.succeeded(did, config, cx),
                Some(error) => self.failed(did, error, cx),
            }
        }
    }

    fn succeeded(&mut self, did: Did, config: &Config, cx: &mut Context<'_>) {
        match did {
            Did::Own { at, beat, path } => {
                self.troubles.solved(&path);
                cx.event(Event::HeartbeatWritten { path });
                self.note_written_here(config, cx);
                self.beaten(at, beat, config, cx);
            }
            Did::Aside(path) => {
                self.troubles.solved(&path);
                if path == *STATE {
                    cx.event(Event::HeartbeatWritten { path });
                }
            }
            Did::Log { last } => self.logged(last, cx),
            Did::Removal(path) => self.removed(path, cx),
        }
    }

    fn failed(&mut self, did: Did, error: FsError, cx: &mut Context<'_>) {
        let now = cx.now().mono;
        match did {
            Did::Own { path, .. } => {
                let again = self.outbox.put_off(now);
                self.troubles.found(&path, ProblemKind::Unwritten(error), cx);
                match self.own.said.role {
                    Role::Active if self.lease.is_unbegun() => {
                        cx.event(Event::ClaimGivenUp { because: GivenUpBecause::StateUnwritten });
                        self.take_role(Role::Standby, now);
                    }
                    // Nobody can object to what nobody has heard of: it waits from when it can first be read.
                    Role::Candidate => self.take_role(Role::Candidate, again),
                    _ => {}
                }
                if is_away(error) {
                    self.fall_back(error, cx);
                }
            }
            Did::Aside(path) => self.troubles.found(&path, ProblemKind::Unwritten(error), cx),
            Did::Log { .. } => self.unlogged(error, cx),
            Did::Removal(path) => {
                self.requests.give_up_removal();
                self.troubles.found(&path, ProblemKind::Unwritten(error), cx);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failover::testing::{Bench, Files, identity};
    use crate::failover::{Design, Hardened, Policy};

    fn full() -> Files {
        let mut files = Files::default();
        files.unwritable.insert(installation::path(), FsError::NoSpace);
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
