//! What tells two worlds of the hardened design apart for all that may follow.
//!
//! A model checker that knows this looks at one of all worlds that behave alike, and where time has no end finds that
//! they are finitely many. Left out or brought into one form are:
//! - instants: how long before or after the replica's last step they lie counts, and of deadlines that are over
//!   nothing. Beyond the longest time that any decision looks back, older is as good as old;
//! - numbers of beats: their order counts, and how far they are apart as far as anybody can tell
//!   ([`BEATS_APART_MAX`]); numbers of versions likewise;
//! - what no later step reads ([`Canonical::forget_spent`](cloudchamber_core::failover::Canonical::forget_spent)), and
//!   of a file what its possible readers have read.
//!
//! Terms and lives stay as they are: a claim takes the next number, so what lies between two of them counts.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use cloudchamber_core::failover::hardened::record::{Found, Life, Record, Said};
use cloudchamber_core::failover::{BEATS_APART_MAX, Canonical as _, Config, Design, Failover, Policy, Visit};
use cloudchamber_core::{Content, Driver, FsOp, Mono};

use super::FailoverSystem;
use crate::ReplicaId;
use crate::stable_hash::StableHasher;
use crate::world::{Essence, Machine, Replica, ReplicaSetup, Setup, Slot, World};

/// From this on a time in ms stands for "never": a hundred thousand years.
const NEVER_MS: u64 = 1 << 52;

/// As many versions as the server has on their way at the most: a replica that has missed more has missed that many.
const VERSIONS_MISSED_MAX: u32 = 9;

/// A digest that two worlds share which behave alike from here on, whenever they are reached; `None` if that is
/// not known. `dies` says whether processes may still die.
pub(super) fn canonical(
    setup: &Setup<FailoverSystem>,
    world: &World<FailoverSystem>,
    dies: bool,
) -> Option<u64> {
    if setup.replicas.iter().any(|replica| replica.config.design != Design::Hardened) {
        return None;
    }
    // A replica that forgets another reads its file as if for the first time.
    let forgets = |of: &ReplicaSetup<FailoverSystem>| world.now() > of.config.timing.device_unseen_ms;
    let dies = dies || setup.replicas.iter().any(forgets);
    let mut sink = Sink::default();
    for (id, replica) in world.replicas() {
        sink.replica(setup, world, (id, replica), dies);
    }
    for (path, file) in world.cloud().files() {
        path.hash(&mut sink.hasher);
        sink.hasher.write_u32(file.versions_kept());
        for back in 0..file.versions_kept() {
            let version = file.version(back).expect("one of those kept");
            (version.modified, version.author).hash(&mut sink.hasher);
            sink.content(version.content.as_ref(), &|_| Reader::New);
        }
    }
    world.service().hash_from(world.now(), NEVER_MS, &mut sink.hasher);
    Some(sink.finish())
}

/// The longest time in ms for which any decision of the hardened design remembers what it saw.
fn memory_ms(config: &Config) -> u64 {
    let (hardened, unseen_ms) = (&config.hardened, config.timing.device_unseen_ms);
    if hardened.policy == Policy::Available {
        // Slots come again and again, and which one it is depends on how long ago the first was.
        return NEVER_MS;
    }
    let voters = u64::try_from(hardened.voters.len()).unwrap_or(u64::MAX);
    let slots_ms = hardened.slot_ms.saturating_mul(voters);
    let claim_ms = hardened.suspect_ms_max.saturating_mul(2).saturating_add(slots_ms);
    let votes_ms = (hardened.early_promise_ms().saturating_add(hardened.propagation_ms)).saturating_mul(3);
    let live_ms = 2 * (hardened.live_ms() + hardened.look_ms);
    let longest = claim_ms.max(votes_ms).max(live_ms).max(hardened.lease_ms).max(hardened.wait_ms);
    // Who was not heard of for long is forgotten, unless that is never.
    if unseen_ms < NEVER_MS { longest.max(unseen_ms.saturating_mul(3)) } else { longest }
}

/// Who may still read a content.
enum Reader<'a> {
    /// Somebody who has read nothing of its author since that.
    New,
    /// A process that has yet to start: what is told in relation to other beats tells it nothing.
    Restarted,
    /// This process, which has read it before.
    Same(&'a Failover),
}

/// What is hashed: everything but the numbers of beats in one digest, and these in a list of their own, to be numbered
/// anew once all are known.
#[derive(Default)]
struct Sink {
    hasher: StableHasher,
    /// Of which life, and the number.
    beats: Vec<(u64, u64)>,
}

impl Sink {
    fn replica(
        &mut self,
        setup: &Setup<FailoverSystem>,
        world: &World<FailoverSystem>,
        (id, replica): (ReplicaId, &Replica<Failover>),
        dies: bool,
    ) {
        let of = &setup.replicas[id.index()];
        Machine::hash_from(replica.machine(), world.now(), &mut self.hasher);
        (replica.begun(), replica.changed(), replica.process().is_some()).hash(&mut self.hasher);
        let memory_ms = memory_ms(&of.config);
        let find = |process: &Driver<Failover>| {
            let mut sink = Self::default();
            sink.process(process, memory_ms);
            Essence { digest: sink.hasher.finish(), numbers: sink.beats }
        };
        if let (Some(essence), Some(failover)) = (replica.essence(find), replica.protocol()) {
            self.beats.extend_from_slice(&essence.numbers);
            let since_ms = world.clocks(setup, id).mono.since(failover.last_step());
            (essence.digest, since_ms.min(memory_ms)).hash(&mut self.hasher);
        }
        for (path, slot) in replica.disk().slots() {
            path.hash(&mut self.hasher);
            let latest = world.cloud().latest(path);
            let missed = latest.saturating_sub(slot.seen).min(VERSIONS_MISSED_MAX);
            (slot.seen > 0, missed, slot.dirty, slot.modified).hash(&mut self.hasher);
            if slot.is_at_risk() {
                // Rare here: the design replaces its files.
                (world.now(), slot).hash(&mut self.hasher);
            }
            self.slot(slot, replica.protocol(), dies);
        }
    }

    fn slot(&mut self, slot: &Slot, process: Option<&Failover>, dies: bool) {
        slot.body.as_ref().map(|body| body.presence).hash(&mut self.hasher);
        let content = slot.body.as_ref().map(|body| &body.content);
        self.content(content, &|said| {
            let Some(failover) = process else { return Reader::Restarted };
            let own = failover.id() == Some(&said.id);
            // A version that is on its way from here is read by others.
            let read = own || failover.has_read(&said.id).is_some_and(|age| age >= said.age());
            match (read && !slot.dirty, dies) {
                (false, _) => Reader::New,
                (true, true) => Reader::Restarted,
                (true, false) => Reader::Same(failover),
            }
        });
    }

    fn process(&mut self, process: &Driver<Failover>, memory_ms: u64) {
        let mut failover = process.protocol().clone();
        failover.forget_spent();
        let mut relative = Relative { last: Mono(0), memory_ms, beats: &mut self.beats };
        failover.visit(&mut relative);
        (failover, process.held(), process.calls()).hash(&mut self.hasher);
        let (ops, done) = process.ops();
        (ops.len(), done).hash(&mut self.hasher);
        for op in ops {
            if let FsOp::Replace { path, content } = op {
                path.hash(&mut self.hasher);
                self.content(Some(content), &|_| Reader::New);
            } else {
                op.hash(&mut self.hasher);
            }
        }
    }

    fn content<'a>(&mut self, content: Option<&Content>, reader: &impl Fn(&Said) -> Reader<'a>) {
        let Some(content) = content else { return self.hasher.write_u8(0) };
        let parsed = content.parsed(Record::parse);
        let Found::Record(record, name) = &*parsed else {
            return (1_u8, content).hash(&mut self.hasher);
        };
        let mut said = Said::clone(&record.coordination);
        match reader(&said) {
            Reader::New => {}
            Reader::Restarted => said.paces.clear(),
            Reader::Same(failover) => {
                // It compares the number of its own, and counts what others have seen where that is more than it has.
                said.saw
                    .retain(|id, saw| failover.has_heard_of(id).is_none_or(|age| age < (saw.life, saw.beat)));
                let saw = std::mem::take(&mut said.saw);
                let mut left = Said::new(said.id, said.life);
                (left.beat, left.saw) = (said.beat, saw);
                said = left;
            }
        }
        said.visit(&mut Relative { last: Mono(0), memory_ms: 0, beats: &mut self.beats });
        let Record { name: device, thread_id, last_seen, hostname, directory, process_id, .. } = record;
        (2_u8, said, name).hash(&mut self.hasher);
        (device, thread_id, last_seen, hostname, directory, process_id).hash(&mut self.hasher);
    }

    /// Numbers the beats of each life anew, in their order.
    fn finish(mut self) -> u64 {
        let mut sorted = self.beats.clone();
        sorted.sort_unstable();
        sorted.dedup();
        let mut anew = Vec::with_capacity(sorted.len());
        let mut before: Option<((u64, u64), u64)> = None;
        for next in sorted {
            let number = match before {
                Some((last, number)) if last.0 == next.0 => number + (next.1 - last.1).min(BEATS_APART_MAX),
                _ => 1,
            };
            anew.push((next, number));
            before = Some((next, number));
        }
        for beat in &self.beats {
            let at = anew.binary_search_by_key(beat, |(beat, _)| *beat).expect("every beat is among them");
            self.hasher.write_u64(anew[at].1);
        }
        self.hasher.finish()
    }
}

/// Replaces instants by their distance from the replica's last step, and takes the numbers of beats out.
struct Relative<'a> {
    last: Mono,
    memory_ms: u64,
    beats: &'a mut Vec<(u64, u64)>,
}

impl Visit for Relative<'_> {
    fn instant(&mut self, instant: &mut Mono) {
        if *instant == Mono(0) {
            return;
        }
        *instant = match instant.0.checked_sub(self.last.0) {
            Some(ahead_ms) => Mono(NEVER_MS + ahead_ms.min(NEVER_MS)),
            None => Mono(NEVER_MS - self.last.since(*instant).min(self.memory_ms)),
        };
    }

    fn deadline(&mut self, instant: &mut Mono) {
        *instant = Mono(instant.since(self.last).min(NEVER_MS));
    }

    fn last(&mut self, instant: &mut Mono) {
        self.last = std::mem::replace(instant, Mono(0));
    }

    fn term(&mut self, _: &mut u64) {}

    fn beat(&mut self, whose: &Arc<str>, life: Life, beat: &mut u64) {
        if *beat > 0 {
            self.beats.push((StableHasher::of(&(whose, life)), *beat));
            *beat = 1;
        }
    }
}
