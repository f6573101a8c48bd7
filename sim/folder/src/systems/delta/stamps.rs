//! What stamps have to be.

use cloudchamber_core::WallMs;
use cloudchamber_core::delta::{Delta, Dot};
use cloudchamber_core::kit::hlc::{AHEAD_MS_MAX, Hybrid};

use super::DeltaSystem;
use super::checks::name::STAMPS_GROW;
use super::checks::{DeltaChecks, violation};
use crate::ReplicaId;
use crate::checks::Findings;
use crate::world::{EPOCH, Setup, World};

/// World time as a right clock shows it.
fn right(at_ms: u64) -> WallMs {
    EPOCH.plus(i64::try_from(at_ms).unwrap_or(i64::MAX))
}

/// By how many milliseconds a replica's wall clock is ahead of a right one now.
pub(super) fn ahead(setup: &Setup<DeltaSystem>, world: &World<DeltaSystem>, id: ReplicaId) -> i64 {
    world.clocks(setup, id).wall.0.saturating_sub(right(world.now()).0)
}

impl DeltaChecks {
    /// Compares the stamp of a write that was just acknowledged with all that its writer knows.
    pub(super) fn stamped(
        &self,
        setup: &Setup<DeltaSystem>,
        world: &World<DeltaSystem>,
        id: ReplicaId,
        delta: &Delta,
        dot: &Dot,
        findings: &mut Findings,
    ) {
        let Some((_, at)) = delta.stamps().find(|(known, _)| *known == dot) else { return };
        let least = self.clocks(setup, world, id).into_iter().min().unwrap_or(0);
        let bound = setup.replicas[id.index()].config.ahead_ms_max;
        let bound = i64::try_from(bound).unwrap_or(i64::MAX);
        let is_due = |other: &Dot, its: Hybrid| {
            // What was taken over, and what is told under another name by now, has a time of its own.
            let Some((_, said)) = self.ledger.of_dot(other).filter(|(_, said)| !said.imported) else {
                return false;
            };
            if other.replica == dot.replica {
                return other.count < dot.count;
            }
            // Nobody had seen it before it was written; the clock has not been further behind since than it ever was.
            its.ms <= right(said.at_ms).0.saturating_add(least).saturating_add(bound)
        };
        let later = delta.stamps().find(|(other, its)| *its >= at && *other != dot && is_due(other, *its));
        if let Some((other, its)) = later {
            findings.violated(STAMPS_GROW, || {
                let seen = format!("{id} stamps {dot} {at} and had seen {other}, which is {its}");
                violation(STAMPS_GROW, world.now(), vec![id], "a stamp is later than what was seen", seen)
            });
        }
        // What was there before the run began may be as far ahead.
        let reach = self.reach(setup, world, id).saturating_add(AHEAD_MS_MAX);
        if at.ms > right(world.now()).0.saturating_add(reach)
            && !self.ledger.all().any(|(_, said)| said.imported)
        {
            findings.violated(STAMPS_GROW, || {
                let ahead_ms = at.ms.saturating_sub(world.clocks(setup, id).wall.0);
                let seen = format!("{id} stamps {dot} {at}, which is {ahead_ms} ms ahead of its clock");
                let expected = "nobody follows a clock that is more than a day ahead";
                violation(STAMPS_GROW, world.now(), vec![id], expected, seen)
            });
        }
    }

    /// By how much a replica's clock has been ahead: at first, before and after it was set, and now. Between these it may
    /// only have drifted.
    fn clocks(&self, setup: &Setup<DeltaSystem>, world: &World<DeltaSystem>, id: ReplicaId) -> Vec<i64> {
        let first = setup.replicas[id.index()].machine.clock_offset_ms;
        let set = self.set_clocks.get(&id).into_iter().flatten().copied();
        set.chain([first, ahead(setup, world, id)]).collect()
    }

    /// How far ahead a replica's stamps may be: as far as its own clock ever was, and as those that lie within a day of
    /// each other from there on. A stamp that arrives late is less far ahead than its clock is, at most by the time
    /// that has passed; as much a clock may have drifted.
    fn reach(&self, setup: &Setup<DeltaSystem>, world: &World<DeltaSystem>, id: ReplicaId) -> i64 {
        let now = i64::try_from(world.now()).unwrap_or(i64::MAX);
        let bound = AHEAD_MS_MAX.saturating_add(now.saturating_mul(2));
        let mut clocks: Vec<i64> =
            world.replicas().flat_map(|(other, _)| self.clocks(setup, world, other)).collect();
        clocks.sort_unstable();
        let own = self.clocks(setup, world, id).into_iter().max().unwrap_or(0);
        clocks.into_iter().fold(own, |reach, ahead| {
            if ahead <= reach.saturating_add(bound) { reach.max(ahead) } else { reach }
        })
    }
}
