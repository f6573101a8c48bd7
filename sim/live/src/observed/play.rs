//! A world that is led by the hand: choices in it, and what each takes to be explained.

use std::collections::BTreeSet;
use std::sync::Arc;

use cloudchamber_core::{Content, Draw, Path, WallMs};
use cloudchamber_folder::profile::{Arrival, Hazard, Hazards, Rules};
use cloudchamber_folder::world::{
    Choice, ChoiceOf, Disk, Effects, MachineSetup, Part, Presence, ReplicaSetup, Setup, World,
};
use cloudchamber_folder::{NoService, ReplicaId};

use super::family::{Shows, is_nul_of, length};
use crate::system::{Bytes, Command, LiveSystem};

/// What is done in a world on the way to what was seen.
pub(super) struct Play {
    setup: Setup<LiveSystem>,
}

/// A world, and how it came to be so.
#[derive(Clone, Debug)]
pub(super) struct Scene {
    pub(super) world: World<LiveSystem>,
    pub(super) steps: Option<Arc<Step>>,
}

/// One choice that was taken, and all before it.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) choice: ChoiceOf<LiveSystem>,
    /// Whether it found a conflict.
    pub(super) is_conflict: bool,
    pub(super) before: Option<Arc<Self>>,
}

impl Drop for Step {
    /// Long chains are let go of one by one, and not each within the other.
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(step) = next {
            next = Arc::try_unwrap(step).ok().and_then(|mut step| step.before.take());
        }
    }
}

impl Scene {
    /// The steps, the last one first.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        std::iter::successors(self.steps.as_deref(), |step| step.before.as_deref())
    }

    /// What had to go wrong on the way.
    pub(super) fn hazards(&self) -> BTreeSet<Hazard> {
        self.steps().flat_map(|step| step.choice.hazards()).copied().collect()
    }

    pub(super) fn disk(&self, replica: ReplicaId) -> &Disk {
        self.world.replica(replica).disk()
    }

    /// The bytes under a path of a replica, if they are there.
    pub(super) fn content(&self, replica: ReplicaId, path: &Path) -> Option<&Content> {
        let body = self.disk(replica).slot(path)?.body.as_ref()?;
        (body.presence == Presence::Here).then_some(&body.content)
    }

    /// Whether a replica's disk shows what was seen.
    pub(super) fn shows(&self, replica: ReplicaId, path: &Path, shows: &Shows) -> bool {
        let body = self.disk(replica).slot(path).and_then(|slot| slot.body.as_ref());
        let presence = body.map(|body| body.presence);
        match shows {
            Shows::Gone => presence.is_none_or(Presence::is_stub),
            Shows::File(content) | Shows::Nul(content) => self.content(replica, path) == Some(content),
            Shows::Elsewhere(len) => {
                body.is_some_and(|body| body.presence == Presence::Dataless && length(&body.content) == *len)
            }
            Shows::Stub(by) => presence == Some(Presence::Stub(*by)),
            Shows::NoStub => !presence.is_some_and(Presence::is_stub),
        }
    }
}

impl Play {
    pub(super) fn new(rules: &Rules, names: &[String]) -> Self {
        let replica = |name: &String| ReplicaSetup {
            config: (),
            machine: MachineSetup::default(),
            host: name.clone(),
            guarded: false,
        };
        Self { setup: Setup { replicas: names.iter().map(replica).collect(), rules: rules.clone() } }
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.setup.rules
    }

    /// A world in which nothing has happened yet.
    pub(super) fn begin(&self) -> Scene {
        let replicas = self.setup.replicas.len();
        let mut scene = Scene { world: World::new(replicas, NoService), steps: None };
        for replica in ReplicaId::all(replicas) {
            let draw = Draw::default();
            self.take(&mut scene, Choice::Open { replica, draw });
        }
        scene.steps = None;
        scene
    }

    /// Takes a choice, and tells whether the world allowed it.
    pub(super) fn take(&self, scene: &mut Scene, choice: ChoiceOf<LiveSystem>) -> bool {
        let mut effects = Effects::default();
        if scene.world.take(&self.setup, &choice, &mut effects).is_err() {
            return false;
        }
        let is_conflict = !effects.conflicts.is_empty();
        scene.steps = Some(Arc::new(Step { choice, is_conflict, before: scene.steps.take() }));
        true
    }

    /// The same in a copy; `None` if the world does not allow it.
    pub(super) fn taken(&self, scene: &Scene, choice: ChoiceOf<LiveSystem>) -> Option<Scene> {
        let mut scene = scene.clone();
        self.take(&mut scene, choice).then_some(scene)
    }

    /// Somebody on a machine writes a file, or removes it.
    pub(super) fn write(
        &self,
        scene: &mut Scene,
        replica: ReplicaId,
        path: &Path,
        content: Option<&Content>,
        modified: WallMs,
    ) -> bool {
        // A file's time is that of the clock when it is written.
        let wall = scene.world.clocks(&self.setup, replica).wall;
        let by_ms = modified.since(wall);
        if by_ms != 0 {
            self.take(scene, Choice::Clock { replica, by_ms });
        }
        let path = path.clone();
        let command = match content {
            Some(content) => Command::Save { path, content: Bytes(content.clone()) },
            None => Command::Remove { path },
        };
        let draw = Draw::default();
        self.take(scene, Choice::Command { replica, command, draw })
            && self.take(scene, Choice::Apply { replica, part: Part::Whole, draw })
    }

    /// In which states a version arrives so that it may look as it was seen; the hazards have to allow it.
    pub(super) fn arrivals(
        &self,
        version: Option<&Content>,
        shows: &Shows,
        hazards: &Hazards,
    ) -> Vec<Arrival> {
        let Some(version) = version else {
            return if *shows == Shows::Gone { vec![Arrival::Whole] } else { vec![] };
        };
        let mut arrivals = match shows {
            Shows::Gone => vec![Arrival::Gap, Arrival::Stub],
            Shows::NoStub => vec![Arrival::Whole],
            Shows::Stub(_) | Shows::Elsewhere(_) => vec![Arrival::Stub],
            Shows::File(shown) | Shows::Nul(shown) if shown == version => vec![Arrival::Whole],
            Shows::Nul(shown) if length(shown) == length(version) => vec![Arrival::Nul],
            Shows::Nul(_) => vec![],
            Shows::File(shown) => broken(shown, version),
        };
        arrivals.retain(|arrival| {
            self.setup.rules.shows(*arrival) && arrival.hazards().iter().all(|hazard| hazards.has(*hazard))
        });
        arrivals
    }
}

/// The broken forms of a version that look so.
fn broken(shown: &Content, version: &Content) -> Vec<Arrival> {
    let mut arrivals = Vec::new();
    let is_cut = shown.len() < version.len() && version.bytes().starts_with(shown.bytes());
    if shown.is_empty() {
        arrivals.push(Arrival::Empty);
    }
    if is_cut && !super::family::is_large(version) {
        // The world cuts at whole percents, a client anywhere: what was seen counts as the cut below it.
        let percent = u8::try_from(shown.len() * 100 / version.len()).unwrap_or(99);
        arrivals.extend([Arrival::Prefix { percent }, Arrival::Cut { percent }]);
    }
    if is_nul_of(shown, version) {
        arrivals.push(Arrival::Nul);
    }
    arrivals
}
