//! What machines show, and have to go on showing.

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::journal::protocol::Journal;

use super::JournalSystem;
use crate::ReplicaId;
use crate::world::{Choice, ChoiceOf, Loss, World};

/// The acknowledged events that each machine shows. What a machine keeps of them is not flushed: a power failure may take
/// it, and a full disk keep it from it; the next look tries again.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Shown {
    /// By machine: the digests of the lines, each with what the machine has done to keep it.
    lines: BTreeMap<ReplicaId, BTreeMap<u64, Keeping>>,
    /// Who shows something new and has ops under way.
    showing: BTreeSet<ReplicaId>,
}

/// How far a machine is with what it does to keep a line.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Keeping {
    /// All is done.
    Done,
    /// Ops of it are under way.
    UnderWay,
    /// One of them failed. What the machine does before it looks again keeps nothing of others' journals.
    Failed,
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
        let replica = world.replica(id);
        let is_done = || replica.process().is_some_and(|process| process.pending_op().is_none());
        let mut become_all = |from: Keeping, to: Keeping| {
            lines.values_mut().filter(|keeping| **keeping == from).for_each(|keeping| *keeping = to);
        };
        match choice {
            Choice::Crash { loss, .. } => {
                lines.retain(|_, keeping| *keeping == Keeping::Done && *loss == Loss::Kept);
            }
            Choice::Fail { .. } if self.showing.remove(&id) => {
                become_all(Keeping::UnderWay, Keeping::Failed);
            }
            Choice::Apply { .. } if self.showing.contains(&id) && is_done() => {
                self.showing.remove(&id);
                let has_failed = replica.machine().disk_full;
                become_all(Keeping::UnderWay, if has_failed { Keeping::Failed } else { Keeping::Done });
            }
            // It looks, and keeps what it finds. One whose view waits until something is put aside does not.
            Choice::Timer { .. } | Choice::Watch { lost: false, .. }
                if !is_done() && replica.protocol().is_some_and(Journal::has_looked) =>
            {
                self.showing.insert(id);
                become_all(Keeping::Failed, Keeping::UnderWay);
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
        let lacking =
            events().find(|event| lines.get(event) == Some(&Keeping::Done) && !seen.contains(event));
        for event in events() {
            match (seen.contains(&event), lines.get(&event)) {
                (true, None) => {
                    lines.insert(event, if is_done { Keeping::Done } else { Keeping::UnderWay });
                    self.showing.insert(id);
                }
                // It was never kept.
                (false, Some(Keeping::UnderWay | Keeping::Failed)) => _ = lines.remove(&event),
                _ => {}
            }
        }
        lacking
    }
}
