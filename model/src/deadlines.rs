//! Delivery deadlines under `delay_ms_max`.

use std::hash::{Hash, Hasher};

use cloudchamber_core::Path;
use cloudchamber_folder::world::{Choice, ChoiceOf, Effects, World};
use cloudchamber_folder::{ReplicaId, System};

/// What is on its way, and when it is due. Empty where delays have no bound, so that it costs no states.
///
/// The bound runs from the moment at which a file was changed on one disk to the moment at which that version or a
/// later one is on another, while both machines are awake. A machine that wakes has the whole bound before it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Late(Vec<Due>);

/// One change that has to reach one place.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Due {
    replica: ReplicaId,
    path: Path,
    /// The version that the replica has to get; 0 where it has to send the file.
    version: u32,
    /// World time, ms.
    at: u64,
}

impl Late {
    /// Whether something would be late if time passed until `next`.
    pub(crate) fn is_overdue<S: System>(&self, world: &World<S>, next: u64) -> bool {
        self.0.iter().any(|due| due.at < next && world.replica(due.replica).syncs())
    }

    /// Whether this replica has to get this file, or send it, before time passes until `next`.
    pub(crate) fn presses(&self, replica: ReplicaId, path: &Path, next: u64) -> bool {
        self.0.iter().any(|due| due.at < next && due.replica == replica && due.path == *path)
    }

    /// Notes what a choice has put on its way and what has arrived. Idle files are never sent.
    pub(crate) fn note<S: System>(
        &mut self,
        world: &World<S>,
        choice: &ChoiceOf<S>,
        effects: &Effects<S::Protocol>,
        (delay_ms, idle): (u64, &[Path]),
    ) {
        let at = world.now().saturating_add(delay_ms);
        let Some(me) = choice.replica() else { return };
        if matches!(choice, Choice::Wake { .. }) {
            for due in self.0.iter_mut().filter(|due| due.replica == me) {
                due.at = at;
            }
        }
        for path in &effects.touched {
            let dirty = world.replica(me).disk().slot(path).is_some_and(|slot| slot.dirty);
            if dirty && !idle.contains(path) && !self.sends(me, path) {
                self.0.push(Due { replica: me, path: path.clone(), version: 0, at });
            }
        }
        for commit in &effects.committed {
            let sent =
                self.0.iter().find(|due| due.version == 0 && due.replica == me && due.path == commit.path);
            let at = sent.map_or(at, |due| due.at);
            let others = world.replicas().map(|(id, _)| id).filter(|id| *id != me);
            let dues =
                others.map(|replica| Due { replica, path: commit.path.clone(), version: commit.version, at });
            self.0.extend(dues.collect::<Vec<_>>());
        }
        if !matches!(choice, Choice::Upload { .. } | Choice::Download { .. }) && effects.touched.is_empty() {
            return;
        }
        // Only the replica of the choice can have got or sent anything.
        self.0.retain(|due| {
            let slot =
                if due.replica == me { world.replica(me).disk().slot(&due.path) } else { return true };
            match due.version {
                0 => slot.is_some_and(|slot| slot.dirty),
                version => slot.is_none_or(|slot| slot.seen < version),
            }
        });
        self.0.sort_by(|one, other| {
            (one.replica, &one.path, one.version).cmp(&(other.replica, &other.path, other.version))
        });
    }

    /// Hashes it so that when it is does not count, nor how often a file was written: only how long is left, and how
    /// many versions ago the one was that has to arrive.
    pub(crate) fn hash_from<S: System>(&self, world: &World<S>, hasher: &mut impl Hasher) {
        self.0.len().hash(hasher);
        for due in &self.0 {
            let ago = (due.version > 0).then(|| world.cloud().latest(&due.path) - due.version);
            // Where the machine slept, the time is over.
            (due.replica, &due.path, ago, due.at.saturating_sub(world.now())).hash(hasher);
        }
    }

    fn sends(&self, replica: ReplicaId, path: &Path) -> bool {
        self.0.iter().any(|due| due.version == 0 && due.replica == replica && due.path == *path)
    }
}
