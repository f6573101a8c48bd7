//! When nothing is on its way any more, and what keeps a run from that.

use std::time::{Duration, Instant};

use cloudchamber_folder::ReplicaId;
use serde_json::json;

use super::drive::NAMED_MAX;
use super::{LOOK, Live};

/// How long nothing may happen before a run counts as quiet.
const QUIET: Duration = Duration::from_secs(2);

/// How long something may be waited for before that is told.
const PATIENCE: Duration = Duration::from_secs(10);

impl Live<'_> {
    /// Answers who waits for quiet. What cannot come while nobody changes anything is not waited for.
    pub(super) fn answer_waiting(&mut self) {
        if self.waiting.is_empty() || !self.has_come() {
            return;
        }
        self.waits.clear();
        let at_ms = self.world().now();
        let held_up = self.held_up();
        let answer = if held_up.is_empty() {
            json!({ "ok": true, "did": "quiet", "at_ms": at_ms })
        } else {
            json!({ "ok": false, "error": held_up.join("; "), "at_ms": at_ms })
        };
        for asked in self.waiting.drain(..) {
            // Who asked may have gone.
            drop(asked.send(answer.clone()));
        }
    }

    /// Whether nothing is on its way, and nothing has happened for a while.
    pub(super) fn is_quiet(&self) -> bool {
        self.moved.elapsed() >= QUIET && self.has_come()
    }

    /// Whether every directory that can be reached holds what the server has, but for files that something is in the way
    /// of.
    fn has_come(&self) -> bool {
        let world = self.world();
        self.connected().all(|id| {
            let replica = world.replica(id);
            let disk = replica.disk();
            let seen = |path| disk.slot(path).map_or(0, |slot| slot.seen);
            let mut files = world.cloud().files();
            !replica.changed()
                && disk.slots().all(|(_, slot)| !slot.dirty)
                && files.all(|(path, file)| seen(path) == file.latest() || world.is_held_up(id, path))
        }) && self.blocked.is_empty()
    }

    fn connected(&self) -> impl Iterator<Item = ReplicaId> {
        self.world().replicas().filter(|(_, replica)| replica.syncs()).map(|(id, _)| id)
    }

    /// The files that something is in the way of, a sentence each.
    fn held_up(&self) -> Vec<String> {
        let world = self.world();
        let held_up = |id: ReplicaId| {
            let paths = world.cloud().files().map(|(path, _)| path);
            paths.filter(move |path| world.is_held_up(id, path)).map(move |path| {
                let (path, name) = (path.name(), self.name(id));
                format!(
                    "{path} cannot come to {id} ({name}): a directory has its name there, or a file that of a directory \
                     above it; rename either"
                )
            })
        };
        self.connected().flat_map(held_up).take(NAMED_MAX).collect()
    }

    /// What is not where it should be, a sentence each.
    fn waits(&self) -> Vec<String> {
        let world = self.world();
        let mut waits = self.held_up();
        for id in self.connected() {
            let (disk, name) = (world.replica(id).disk(), self.name(id));
            let dirty = disk.slots().filter(|(_, slot)| slot.dirty);
            waits.extend(
                dirty.map(|(path, _)| format!("{}, changed at {id} ({name}), has yet to go up", path.name())),
            );
            let lacks = world.cloud().files().filter(|(path, file)| {
                let slot = disk.slot(path);
                let comes = slot.is_none_or(|slot| !slot.dirty) && !world.is_held_up(id, path);
                comes && slot.map_or(0, |slot| slot.seen) < file.latest()
            });
            waits.extend(lacks.map(|(path, _)| format!("{} has yet to come to {id} ({name})", path.name())));
        }
        waits.extend(self.blocked.iter().map(|((id, name), why)| format!("{name} at {id} {why}")));
        waits.truncate(NAMED_MAX);
        waits
    }

    /// Tells once of each thing that is waited for how it stands, where that has not changed for a while.
    pub(super) fn tell_waits(&mut self, tell: &mut dyn FnMut(&str)) {
        if self.waits_looked.elapsed() < LOOK {
            return;
        }
        self.waits_looked = Instant::now();
        let waits = if self.has_come() { vec![] } else { self.waits() };
        self.waits.retain(|wait, _| waits.contains(wait));
        for wait in waits {
            let (since, told) = self.waits.entry(wait.clone()).or_insert((self.waits_looked, false));
            if since.elapsed() >= PATIENCE && !std::mem::replace(told, true) {
                tell(&format!("waited for: {wait}"));
            }
        }
    }
}
