//! What machines show, and have to go on showing.

use std::collections::{BTreeMap, BTreeSet};

use super::JournalSystem;
use crate::ReplicaId;
use crate::world::{Choice, ChoiceOf, Loss, World};

/// The acknowledged events that each machine shows. What a machine keeps of them is not flushed: a power failure may take
/// it, and a full disk keep it from it; the next look tries again.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Shown {
    /// By machine: the digests of the lines, each with whether what the machine does to keep it is done.
    lines: BTreeMap<ReplicaId, BTreeMap<u64, bool>>,
    /// Who shows something new and has ops under way.
    showing: BTreeSet<ReplicaId>,
}

impl Shown {
    /// Notes what a machine has kept, or lost.
    pub(super) fn after(
        &mut self,
        world: &World<JournalSystem>,
        id: ReplicaId,
        choice: &ChoiceOf<JournalSystem>,
    ) {
        let Some(lines) = self.lines.get_mut(&id) else { return };
        match choice {
            Choice::Crash { loss, .. } => lines.retain(|_, kept| *kept && *loss == Loss::Kept),
            Choice::Apply { .. } if self.showing.contains(&id) => {
                let replica = world.replica(id);
                let is_done = replica.process().is_some_and(|process| process.pending_op().is_none());
                if is_done && !replica.machine().disk_full {
                    self.showing.remove(&id);
                    lines.values_mut().for_each(|kept| *kept = true);
                }
            }
            _ => {}
        }
    }

    /// Takes what a machine sees now of these events, and says which one it showed and does not see; `is_done`: without
    /// doing anything to keep what is new.
    pub(super) fn look<I: Iterator<Item = u64>>(
        &mut self,
        id: ReplicaId,
        events: impl Fn() -> I,
        seen: &BTreeSet<u64>,
        is_done: bool,
    ) -> Option<u64> {
        let lines = self.lines.entry(id).or_default();
        let lacking = events().find(|event| lines.get(event) == Some(&true) && !seen.contains(event));
        for event in events() {
            match (seen.contains(&event), lines.get(&event)) {
                (true, None) => {
                    lines.insert(event, is_done);
                    self.showing.insert(id);
                }
                // It was never kept.
                (false, Some(false)) => _ = lines.remove(&event),
                _ => {}
            }
        }
        lacking
    }
}
