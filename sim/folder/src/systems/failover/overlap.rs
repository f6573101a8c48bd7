//! Two that are active at the same time: whether late files excuse it, and whether it ends once they have come.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock};

use cloudchamber_core::Path;
use cloudchamber_core::failover::hardened::record::{Found, Record, Role, Said};
use cloudchamber_core::failover::{Event, Failover};

use super::checks::name::{ENDS, EXCUSED};
use super::checks::{Look, bits};
use super::settings::Bounds;
use crate::ReplicaId;
use crate::checks::Findings;
use crate::world::Choice;

/// Where the devices' files lie.
static DEVICES: LazyLock<Path> = LazyLock::new(|| Path::shared("devices"));

/// How many beats of a replica are remembered; those of ten minutes.
const BEATS_MAX: usize = 64;

/// A nap that is no longer than this passes for a slow step, ms: nobody begins to watch anew after it.
const NAP_MS: u64 = 1_000;

/// How many naps of a replica are remembered; files that are older than as many are late anyhow.
const NAPS_MAX: usize = 16;

/// What is remembered for it. Only the hardened design is watched: its files tell who is active since when.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Overlap {
    /// When each replica wrote its newest beats of this life, ms, and by which id.
    beaten_ms: BTreeMap<ReplicaId, (Arc<str>, VecDeque<u64>)>,
    /// Since when each replica has run, ms.
    opened_ms: BTreeMap<ReplicaId, u64>,
    /// Since when each one that sleeps has done so, ms.
    asleep_ms: BTreeMap<ReplicaId, u64>,
    /// The newest times each replica slept, from when and until when, ms.
    naps: BTreeMap<ReplicaId, VecDeque<(u64, u64)>>,
    /// The newest beat that each replica's disk has shown of each other one, in that one's newest life.
    shown: BTreeMap<(ReplicaId, ReplicaId), u64>,
    /// When a file that had been late last came, ms.
    came_late_ms: Option<u64>,
    /// Who became active while files were late, one bit a replica.
    excused: u32,
    /// Since when a replica that is active could have read that another is in its place, ms, and which.
    told_ms: BTreeMap<ReplicaId, (u64, ReplicaId)>,
}

impl Overlap {
    /// Takes note of a choice, given who is active after it and was before.
    pub(super) fn after(
        &mut self,
        look: &Look<'_>,
        active: u32,
        before: u32,
        bounds: &Bounds,
        findings: &mut Findings,
    ) {
        let Some(me) = look.choice.replica() else { return };
        self.remember(me, look);
        self.arrived(look, bounds);
        self.excused &= active;
        for newer in bits(active & !before) {
            self.became_active(newer, look, active, bounds, findings);
        }
        self.ends(look, active, bounds, findings);
    }

    fn remember(&mut self, me: ReplicaId, look: &Look<'_>) {
        match look.choice {
            Choice::Sleep { .. } => _ = self.asleep_ms.insert(me, look.now),
            Choice::Wake { .. } => {
                if let Some(since) = self.asleep_ms.remove(&me).filter(|since| look.now - since > NAP_MS) {
                    let naps = self.naps.entry(me).or_default();
                    naps.push_front((since, look.now));
                    naps.truncate(NAPS_MAX);
                }
            }
            _ => {}
        }
        let Some(id) = look.world.replica(me).protocol().and_then(Failover::id) else { return };
        if matches!(look.choice, Choice::Open { .. }) {
            self.beaten_ms.remove(&me);
            self.shown.retain(|(from, _), _| *from != me);
        }
        if matches!(look.choice, Choice::Open { .. }) {
            self.opened_ms.insert(me, look.now);
        }
        let beats =
            |event: &Event| matches!(event, Event::HeartbeatWritten { path } if path.name() != "state.json");
        if look.effects.events.iter().any(beats) {
            let (of, times) = self.beaten_ms.entry(me).or_insert_with(|| (id.clone(), VecDeque::new()));
            if of != id {
                (*of, *times) = (id.clone(), VecDeque::new());
            }
            times.push_front(look.now);
            times.truncate(BEATS_MAX);
        }
    }

    /// Notes how late the first of the beats was that a file which has just come tells of.
    fn arrived(&mut self, look: &Look<'_>, bounds: &Bounds) {
        let Choice::Download { replica: to, path, .. } = look.choice else { return };
        if path.below(&DEVICES).is_none() {
            return;
        }
        let Some(content) = look.world.replica(*to).disk().read(path, 0).ok() else { return };
        let Found::Record(record, _) = &*content.parsed(Record::parse) else { return };
        let said = &record.coordination;
        let of = self.beaten_ms.iter().find(|(from, (id, _))| **from != *to && *id == said.id);
        let Some((from, (id, times))) = of else { return };
        let newest = self::said(look, id, *from);
        let Some(newest) = newest.filter(|newest| newest.life == said.life) else { return };
        let shown = self.shown.entry((*from, *to)).or_default();
        let first = newest.beat.saturating_sub(*shown).checked_sub(1);
        let written = first.and_then(|first| times.get(usize::try_from(first).ok()?));
        let is_new = *shown < said.beat;
        let written = written.copied();
        *shown = said.beat.max(*shown);
        if is_new
            && written.is_some_and(|written| self.awaited_ms(*to, written, look.now) > bounds.late_ms_min)
        {
            self.came_late_ms = Some(look.now);
        }
    }

    /// A replica that becomes active beside another has to have an excuse: a file that is later than the bound which the
    /// constants were made for, on its way to a replica that runs, or that came a moment ago.
    fn became_active(
        &mut self,
        newer: ReplicaId,
        look: &Look<'_>,
        active: u32,
        bounds: &Bounds,
        findings: &mut Findings,
    ) {
        let watched = || look.world.replicas().map(|(id, _)| id).filter(|id| is_watched(look, *id));
        let writers = || self.beaten_ms.keys().copied();
        let late =
            writers().any(|from| watched().any(|to| from != to && self.is_late(look, from, to, bounds)));
        let came_late = self.came_late_ms.is_some_and(|at| look.now - at <= bounds.excuse_ms);
        if late || came_late {
            self.excused |= 1 << newer.0;
        }
        let older = bits(active & !(1 << newer.0)).find(|older| is_watched(look, *older));
        let excused = self.excused & active != 0;
        let Some(older) = older.filter(|_| !excused && is_watched(look, newer)) else { return };
        findings.violated(EXCUSED, || {
            let seen = format!(
                "{newer} became active beside {older}, and no file was later than {} ms",
                bounds.late_ms_min
            );
            look.violation(EXCUSED, vec![older, newer], "two are active only where files are late", seen)
        });
    }

    /// Whether what one replica wrote has been missing on another's disk for longer than the bound. What one that
    /// sleeps or is gone wrote counts where a third has it: else it never left.
    fn is_late(&self, look: &Look<'_>, from: ReplicaId, to: ReplicaId, bounds: &Bounds) -> bool {
        let Some((id, times)) = self.beaten_ms.get(&from) else { return false };
        let Some(own) = said(look, id, from) else { return false };
        let beat_on = |on: ReplicaId| {
            said(look, id, on).filter(|there| there.life == own.life).map_or(0, |there| there.beat)
        };
        let left = match is_watched(look, from) {
            true => own.beat,
            false => look
                .world
                .replicas()
                .map(|(id, _)| id)
                .filter(|id| is_watched(look, *id))
                .map(beat_on)
                .max()
                .unwrap_or(0),
        };
        let there = beat_on(to);
        if left <= there {
            return false;
        }
        let first = usize::try_from(own.beat - there).unwrap_or(usize::MAX).min(times.len());
        let Some(written) = first.checked_sub(1).map(|first| times[first]) else { return false };
        self.awaited_ms(to, written, look.now) > bounds.late_ms_min
    }

    /// For how long a replica has run and been awake since something was written elsewhere, ms: a file is not late while
    /// nobody could have read it, and a short nap makes none younger.
    fn awaited_ms(&self, to: ReplicaId, written_ms: u64, now_ms: u64) -> u64 {
        let since = written_ms.max(self.opened_ms.get(&to).copied().unwrap_or(0));
        let naps = self.naps.get(&to).into_iter().flatten().copied();
        let naps = naps.chain(self.asleep_ms.get(&to).map(|&since| (since, now_ms)));
        let slept: u64 = naps.map(|(from, until)| until.saturating_sub(from.max(since))).sum();
        now_ms.saturating_sub(since).saturating_sub(slept)
    }

    /// Of two that are active, the one whose place the other took has to stop once it can read that.
    fn ends(&mut self, look: &Look<'_>, active: u32, bounds: &Bounds, findings: &mut Findings) {
        for (lower, (since, higher)) in &self.told_ms {
            if look.now - since > bounds.overlap_ms_max {
                findings.violated(ENDS, || {
                    let seen =
                        format!("{lower} had the claim of {higher} on its disk for {} ms", look.now - since);
                    let who = vec![*lower, *higher];
                    look.violation(
                        ENDS,
                        who,
                        "two are active until the files that tell of it have come",
                        seen,
                    )
                });
            }
        }
        let before = std::mem::take(&mut self.told_ms);
        if active.count_ones() < 2 {
            return;
        }
        for lower in bits(active).filter(|id| is_watched(look, *id)) {
            let Some(own) = rank(look, lower) else { continue };
            let told = |higher: &ReplicaId| {
                let theirs = rank(look, *higher).filter(|theirs| *theirs > own);
                let said = theirs.and_then(|(_, id)| said(look, &id, lower));
                said.is_some_and(|said| said.role == Role::Active && (said.term, &said.id) > (own.0, &own.1))
            };
            if let Some(higher) = bits(active).find(told) {
                let since = before.get(&lower).map_or(look.now, |(since, _)| *since);
                self.told_ms.insert(lower, (since, higher));
            }
        }
    }
}

/// Which of two that are active has the better claim: the one with the higher term, and of two the higher id.
fn rank(look: &Look<'_>, id: ReplicaId) -> Option<(u64, Arc<str>)> {
    let failover = look.world.replica(id).protocol()?;
    Some((failover.term(), failover.id()?.clone()))
}

/// Whether it runs the hardened design, and within the folder.
fn is_watched(look: &Look<'_>, id: ReplicaId) -> bool {
    let replica = look.world.replica(id);
    replica.runs()
        && replica.protocol().is_some_and(|failover| failover.id().is_some() && !failover.is_local_only())
}

/// The newest that the replica of this id says, as far as a disk shows it.
pub(super) fn said(look: &Look<'_>, id: &str, on: ReplicaId) -> Option<Arc<Said>> {
    let files = look.world.replica(on).disk().here_below(&DEVICES);
    let records = files.filter_map(|content| match &*content.parsed(Record::parse) {
        Found::Record(record, _) if *record.coordination.id == *id => Some(Arc::clone(&record.coordination)),
        _ => None,
    });
    records.max_by_key(|said| said.age())
}
