//! A memo of steps: (replica, choice, time) leads to a result. Most states differ in another replica than the one that
//! steps next.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use cloudchamber_folder::world::{Choice, ChoiceOf, Effects, Replica, Setup, World};
use cloudchamber_folder::{StableHasher, System};

/// How many steps are kept; some hundred megabytes at the most.
const KEPT: usize = 1 << 17;

/// The latest steps, each in the one place that its key has. A step's result is taken over if the same process finds
/// the same disk at the same moment.
#[derive(Debug)]
pub(crate) struct Steps<S: System>(Box<[Mutex<Option<Step<S>>>]>);

#[derive(Debug)]
struct Step<S: System> {
    /// Digest of the replica before the step, the choice and the time.
    key: u64,
    replica: Arc<Replica<S::Protocol>>,
    effects: Arc<Effects<S::Protocol>>,
}

impl<S: System> Default for Steps<S> {
    fn default() -> Self {
        Self((0..KEPT).map(|_| Mutex::new(None)).collect())
    }
}

impl<S: System> Steps<S> {
    /// Takes a choice in the world; `None` if the world refuses.
    pub(crate) fn take(
        &self,
        setup: &Setup<S>,
        world: &mut World<S>,
        choice: &ChoiceOf<S>,
    ) -> Option<Arc<Effects<S::Protocol>>> {
        let fresh = |world: &mut World<S>| {
            let mut effects = Effects::default();
            world.take(setup, choice, &mut effects).ok()?;
            Some(Arc::new(effects))
        };
        // These depend on one replica and change nothing else.
        let (Choice::Apply { replica, .. } | Choice::Open { replica, .. } | Choice::Timer { replica, .. }) =
            choice
        else {
            return fresh(world);
        };
        let mut hasher = StableHasher::default();
        (world.replica(*replica), choice, world.now()).hash(&mut hasher);
        let key = hasher.finish();
        let place = usize::try_from(key % KEPT as u64).expect("less than KEPT");
        // A thread that panicked left a whole step or none.
        let mut kept = self.0[place].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(step) = kept.as_ref().filter(|step| step.key == key) {
            world.put_replica(*replica, Arc::clone(&step.replica));
            return Some(Arc::clone(&step.effects));
        }
        let effects = fresh(world)?;
        let replica = world.shared_replica(*replica);
        *kept = Some(Step { key, replica, effects: Arc::clone(&effects) });
        Some(effects)
    }
}
