//! What somebody outside the plan does: whoever drives a stage and has hands of their own.

use super::{Stage, Watcher};
use crate::System;
use crate::world::ChoiceOf;

impl<S: System> Stage<S> {
    /// Makes something happen at `now` that no plan knows of, before anything else that is due then. Returns whether the
    /// world allowed it.
    ///
    /// A run to which this was done follows from its scenario and from what was done when, between which
    /// [advances](Stage::advance).
    ///
    /// # Panics
    /// Where `now` is before the world's time.
    pub fn order(&mut self, now: u64, choice: ChoiceOf<S>, watcher: &mut Watcher<'_, S>) -> bool {
        self.take(now, choice, watcher)
    }

    /// From `now` on the clients do nothing wrong, and what is stalled, broken or evicted is mended soon: what
    /// [`calm`](crate::courier::Courier::calm) says. Machines stay as they are.
    ///
    /// # Panics
    /// Where `now` is before the world's time.
    pub fn soothe(&mut self, now: u64, watcher: &mut Watcher<'_, S>) {
        self.courier.calm(now);
        self.watched.calm(now);
        self.movements(now, watcher);
    }
}
