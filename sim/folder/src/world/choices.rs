//! Everything a world may do next, within a menu.

use cloudchamber_core::{Draw, Driver, FsError, FsOp};

use super::choice::{Choice, Loss, Part};
use super::{ChoiceOf, Presence, Setup, World};
use crate::profile::Arrival;
use crate::{Service, System};

/// Which of the choices that the world allows are on offer. What is left out never happens.
#[derive(Clone, Debug)]
pub struct Menu<S: System> {
    /// With which randomness steps are taken.
    pub draws: Vec<Draw>,
    /// In which states versions arrive.
    pub arrivals: Vec<Arrival>,
    /// Whether versions older than the server's newest are still delivered.
    pub older_versions: bool,
    /// Whether an overwrite may be seen between its truncation and its writing.
    pub halves: bool,
    /// How much of an op a crash leaves, in percent.
    pub torn_percents: Vec<u8>,
    /// What crashes lose; none means that nothing crashes.
    pub losses: Vec<Loss>,
    /// How ops may fail.
    pub failures: Vec<FsError>,
    /// Whether files are evicted, and fetched again.
    pub evictions: bool,
    /// Whether machines fall asleep, and wake up.
    pub sleep: bool,
    /// Whether the shared folder is lost to replicas, and found again.
    pub folder: bool,
    /// Whether machines lose their network, and find it again.
    pub network: bool,
    /// By how many milliseconds wall clocks are set.
    pub clocks_ms: Vec<i64>,
    /// What people ask of replicas.
    pub commands: Vec<<S::Protocol as cloudchamber_core::Protocol>::Command>,
    /// What happens outside.
    pub acts: Vec<<S::Service as Service>::Act>,
}

impl<S: System> Menu<S> {
    /// Steps, whole and late movements of files, and nothing else.
    #[must_use]
    pub fn calm() -> Self {
        Self {
            draws: vec![Draw::Fraction(0)],
            arrivals: vec![Arrival::Whole],
            older_versions: true,
            halves: false,
            torn_percents: vec![0],
            losses: vec![],
            failures: vec![],
            evictions: false,
            sleep: false,
            folder: false,
            network: false,
            clocks_ms: vec![],
            commands: vec![],
            acts: vec![],
        }
    }
}

impl<S: System> World<S> {
    /// Adds everything on the menu that this world allows now, in an order that depends on nothing but the
    /// state.
    pub fn choices(&self, setup: &Setup<S>, menu: &Menu<S>, out: &mut Vec<ChoiceOf<S>>) {
        for (replica, state) in self.replicas() {
            if state.machine().awake {
                self.process_choices(setup, replica, menu, out);
            }
            if state.process().is_some() {
                for &loss in &menu.losses {
                    let torn = state
                        .process()
                        .and_then(Driver::pending_op)
                        .is_some_and(|op| matches!(op, FsOp::Append { .. } | FsOp::Overwrite { .. }));
                    let percents = if torn { &menu.torn_percents[..] } else { &[0] };
                    let crash = |&torn_percent| Choice::Crash { replica, torn_percent, loss };
                    out.extend(percents.iter().map(crash));
                }
            }
            if menu.sleep {
                out.push(match state.machine().awake {
                    true => Choice::Sleep { replica },
                    false => Choice::Wake { replica },
                });
            }
            if menu.folder {
                out.push(Choice::Folder { replica, reachable: !state.machine().folder_reachable });
            }
            if menu.network {
                out.push(Choice::Network { replica, online: !state.machine().online });
            }
            out.extend(menu.clocks_ms.iter().map(|&by_ms| Choice::Clock { replica, by_ms }));
            if state.syncs() {
                self.client_choices(setup, replica, menu, out);
            }
        }
        out.extend(menu.acts.iter().map(|act| Choice::Act { act: act.clone() }));
    }

    fn process_choices(
        &self,
        setup: &Setup<S>,
        replica: crate::ReplicaId,
        menu: &Menu<S>,
        out: &mut Vec<ChoiceOf<S>>,
    ) {
        let state = self.replica(replica);
        let Some(process) = state.process() else {
            out.extend(menu.draws.iter().map(|&draw| Choice::Open { replica, draw }));
            return;
        };
        if let Some(op) = process.pending_op() {
            if menu.halves && !state.begun && matches!(op, FsOp::Overwrite { .. }) {
                out.push(Choice::Apply { replica, part: Part::Begin, draw: Draw::Fraction(0) });
            }
            for &draw in &menu.draws {
                out.push(Choice::Apply { replica, part: Part::Whole, draw });
                out.extend(menu.failures.iter().map(|&error| Choice::Fail { replica, error, draw }));
            }
            return;
        }
        let online = state.machine().online;
        if online && !process.calls().is_empty() {
            out.push(Choice::Serve { replica });
        }
        for &draw in &menu.draws {
            if self.timer_due(setup, replica).is_some_and(|due| due <= self.now()) {
                out.push(Choice::Timer { replica, draw });
            }
            if online && self.service().ready(replica, self.now()) {
                out.push(Choice::Reply { replica, draw });
            }
            if state.changed() {
                out.push(Choice::Watch { replica, lost: false, draw });
            }
            let ask = |command: &_| Choice::Command { replica, command: Clone::clone(command), draw };
            out.extend(menu.commands.iter().map(ask));
        }
        if state.changed() && menu.failures.contains(&FsError::Unavailable) {
            out.push(Choice::Watch { replica, lost: true, draw: Draw::Fraction(0) });
        }
    }

    fn client_choices(
        &self,
        setup: &Setup<S>,
        replica: crate::ReplicaId,
        menu: &Menu<S>,
        out: &mut Vec<ChoiceOf<S>>,
    ) {
        let disk = self.replica(replica).disk();
        let mut on_server = self.cloud().files_in_order();
        for (path, slot) in disk.slots() {
            if slot.dirty {
                out.push(Choice::Upload { replica, path: path.clone() });
            }
            if slot.body.as_ref().is_some_and(|body| body.presence != Presence::Here) {
                out.push(Choice::Fetch { replica, path: path.clone() });
            } else if menu.evictions && self.is_evictable(setup, slot, on_server(path)) {
                out.push(Choice::Evict { replica, path: path.clone() });
            }
        }
        let mut on_disk = disk.slots_in_order();
        for (path, file) in self.cloud().files() {
            let slot = on_disk(path);
            let missing = file.latest().saturating_sub(slot.map_or(0, |slot| slot.seen));
            if missing == 0 || slot.is_some_and(|slot| slot.dirty) {
                continue;
            }
            // Where there is a file, there is no directory, and none above it is a file.
            let there = slot.is_some_and(|slot| {
                slot.body.as_ref().is_some_and(|body| !matches!(body.presence, Presence::Stub(_)))
            });
            let obstructed = !there && disk.is_obstructed(path);
            let kept = if menu.older_versions { file.versions_kept() } else { 1 };
            for back in (0..missing.min(kept)).rev() {
                let removed = file.version(back).is_none_or(|version| version.content.is_none());
                let offer = |arrival| Choice::Download { replica, path: path.clone(), back, arrival };
                // A removal has no bytes that could be late.
                match (removed, obstructed) {
                    (true, _) => out.push(offer(Arrival::Whole)),
                    (false, true) => {}
                    (false, false) => out.extend(menu.arrivals.iter().copied().map(offer)),
                }
            }
        }
    }
}
