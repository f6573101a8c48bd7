//! Who writes to the folder although nothing new has come.

use cloudchamber_core::delta::{Command, Delta};

use super::DeltaSystem;
use super::checks::name::SILENT;
use super::checks::{DeltaChecks, violation};
use crate::ReplicaId;
use crate::checks::Findings;
use crate::world::{Choice, ChoiceOf, Effects, World};

/// How many syncs may write one after the other although nothing new has come: what was asked for before is sent, what
/// came back older is found out little by little, and others become silent at one time or another.
const SYNCS_MAX: u32 = 12;

impl DeltaChecks {
    /// Notes whether a replica writes to the folder, and whether something new has come to it.
    pub(super) fn note_writing(
        &mut self,
        id: ReplicaId,
        choice: &ChoiceOf<DeltaSystem>,
        effects: &Effects<Delta>,
    ) {
        let is_asked = match choice {
            Choice::Command { command, .. } => !matches!(command, Command::Sync | Command::DryRun),
            Choice::Apply { .. }
            | Choice::Keep { .. }
            | Choice::Timer { .. }
            | Choice::Upload { .. }
            | Choice::Watch { .. } => false,
            // A version of one's own that comes back changes nothing.
            Choice::Download { .. } => effects.files_changed,
            _ => true,
        };
        if is_asked {
            self.unasked.remove(&id);
        } else if matches!(choice, Choice::Apply { .. }) && !effects.touched.is_empty() {
            self.unasked.entry(id).or_default().1 = true;
        }
    }

    /// Whether a replica goes on writing of which nobody wants anything.
    pub(super) fn synced(&mut self, world: &World<DeltaSystem>, id: ReplicaId, findings: &mut Findings) {
        let Some((count, wrote)) = self.unasked.get_mut(&id) else { return };
        if !*wrote {
            self.unasked.remove(&id);
            return;
        }
        (*count, *wrote) = (*count + 1, false);
        let count = *count;
        if count > SYNCS_MAX {
            findings.violated(SILENT, || {
                let seen = format!(
                    "{id} has written to the folder in {count} syncs, and nothing new has come meanwhile"
                );
                violation(SILENT, world.now(), vec![id], "who hears nothing new writes nothing", seen)
            });
        }
    }
}
