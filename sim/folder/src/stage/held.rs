//! What a client cannot put in its place: a directory has the name of the file, or a file that of a directory above it.

use super::Stage;
use crate::System;
use crate::world::{Choice, ChoiceOf};

impl<S: System> Stage<S> {
    /// Keeps a delivery in mind that the world refused because of what lies in its way. Nothing looks for it again before
    /// that is gone: whoever waits for a file that stays for ever would wait busily.
    pub(super) fn hold(&mut self, choice: &ChoiceOf<S>) {
        let Choice::Download { replica, path, back, .. } = choice else { return };
        let world = &self.watched.world;
        if !world.replica(*replica).disk().is_obstructed(path) {
            return;
        }
        let version = world.cloud().latest(path).saturating_sub(*back);
        self.courier.turned_away(*replica, path, version);
        let held = (*replica, path.clone());
        if !self.held.contains(&held) {
            self.held.push(held);
        }
    }

    /// Has brought what nothing is in the way of any more, in the version that is the newest now.
    pub(super) fn bring_held(&mut self, now: u64) {
        let Self { courier, held, watched, .. } = self;
        let world = &watched.world;
        held.retain(|(id, path)| {
            let disk = world.replica(*id).disk();
            let Some(file) = world.cloud().file(path) else { return false };
            let slot = disk.slot(path);
            // A removal has nothing in its way.
            let lacks = slot.map_or(0, |slot| slot.seen) < file.latest() && file.newest().content.is_some();
            let waits = slot.is_some_and(|slot| slot.dirty) || disk.is_obstructed(path);
            if lacks && !waits && !courier.brings(*id, path, file.latest()) {
                courier.owed(now, *id, path, file.latest(), false, world);
            }
            lacks && waits
        });
    }
}
