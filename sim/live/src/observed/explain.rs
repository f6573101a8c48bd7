//! How a world may come to show what was seen: every way, and no other than the world's own choices.

use std::collections::{BTreeMap, HashSet};

use cloudchamber_core::Path;
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::profile::{Arrival, Hazard, Hazards};
use cloudchamber_folder::world::{Choice, ChoiceOf};

use super::family::{Family, Shows, Sight};
use super::play::{Play, Scene};
use crate::system::LiveSystem;

/// How many things that nobody sees may happen before one that somebody does: files that are sent, or taken for new ones.
const UNSEEN_MAX: usize = 3;

/// A world, and which of its names stand for which that were seen: what a copy is called follows from times and hosts that
/// nobody can see.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) scene: Scene,
    pub(super) copies: BTreeMap<Path, Path>,
    /// How many lines of each replica are explained.
    pub(super) at: Vec<usize>,
    /// How many of them are explained by what is hard to believe.
    pub(super) doubts: usize,
}

/// A way to explain a line.
pub(super) struct Way {
    pub(super) scene: Scene,
    /// Where what was seen lies in the world.
    pub(super) path: Path,
    /// Whether it is hard to believe.
    pub(super) is_doubtful: bool,
}

/// Looks for ways within what may go wrong.
pub(super) struct Explain<'a> {
    pub(super) play: &'a Play,
    pub(super) family: &'a Family,
    pub(super) hazards: &'a Hazards,
    /// Whether what is hard to believe counts.
    pub(super) doubts: bool,
}

impl Explain<'_> {
    fn has(&self, hazards: &[Hazard]) -> bool {
        hazards.iter().all(|hazard| self.hazards.has(*hazard))
    }

    /// Every state in which one line more is explained, those first for which least has to go wrong.
    pub(super) fn after(&self, state: &State, sight: &Sight) -> Vec<State> {
        let mut ways = Vec::new();
        for (kept, start) in self.starts(state, sight) {
            let mut found = self.client(&start, state, sight);
            if sight.is_own && (self.doubts || !sight.is_doubtful) {
                found.extend(self.written(&start, state, sight));
            }
            ways.extend(found.into_iter().map(|way| (kept, way)));
        }
        // Somebody who keeps a file aside is not needed for what comes without.
        // And two things that go wrong are still more likely than what is hard to believe.
        let cost = |(kept, way): &(bool, Way)| {
            (way.scene.hazards().len() + if way.is_doubtful { 3 } else { 0 }, *kept)
        };
        ways.sort_by_cached_key(cost);
        let next = |(_, way): (bool, Way)| {
            let doubts = state.doubts + usize::from(way.is_doubtful);
            let mut next =
                State { scene: way.scene, copies: state.copies.clone(), at: state.at.clone(), doubts };
            next.at[sight.replica.index()] += 1;
            if way.path != sight.path {
                next.copies.insert(sight.path.clone(), way.path);
            }
            next
        };
        ways.into_iter().map(next).collect()
    }

    /// The world as it is; and where what is there now comes again later, one in which it is kept aside.
    fn starts(&self, state: &State, sight: &Sight) -> Vec<(bool, Scene)> {
        let mut starts = vec![(false, state.scene.clone())];
        if sight.is_kept && self.has(&[Hazard::OlderFiles]) {
            let kept = self.play.taken(&state.scene, Choice::Keep { replica: sight.replica });
            starts.extend(kept.map(|scene| (true, scene)));
        }
        starts
    }

    /// What clients may have done.
    fn client(&self, start: &Scene, state: &State, sight: &Sight) -> Vec<Way> {
        let mut ways = Vec::new();
        for base in self.unseen(start) {
            for path in self.places(&base, state, sight) {
                if base.shows(sight.replica, &path, &sight.shows) {
                    ways.push(Way { scene: base.clone(), path, is_doubtful: false });
                    continue;
                }
                let found = self.brought(&base, sight, &path);
                ways.extend(found.into_iter().map(|scene| Way {
                    scene,
                    path: path.clone(),
                    is_doubtful: false,
                }));
            }
        }
        ways
    }

    /// The worlds that may have come of this one by what nobody sees where it happens.
    fn unseen(&self, start: &Scene) -> Vec<Scene> {
        let mut all = vec![start.clone()];
        let mut known = HashSet::from([digest(start)]);
        let mut from = 0;
        for depth in 0..UNSEEN_MAX {
            let to = all.len();
            for at in from..to {
                for choice in self.hidden(&all[at], depth == 0) {
                    let next = self.play.taken(&all[at], choice);
                    all.extend(next.filter(|next| known.insert(digest(next))));
                }
            }
            from = to;
        }
        all
    }

    /// `is_first`: a client that forgets what it had does so before anything else; later ones are of later lines.
    fn hidden(&self, scene: &Scene, is_first: bool) -> Vec<ChoiceOf<LiveSystem>> {
        let mut choices = Vec::new();
        for (replica, state) in scene.world.replicas() {
            let dirty = state.disk().slots().filter(|(_, slot)| slot.dirty);
            choices.extend(dirty.map(|(path, _)| Choice::Upload { replica, path: path.clone() }));
            if is_first && self.hazards.has(Hazard::StaleUpload) {
                choices.push(Choice::ResetIndex { replica });
            }
        }
        choices
    }

    /// Where in the world a path may lie that was seen.
    fn places(&self, scene: &Scene, state: &State, sight: &Sight) -> Vec<Path> {
        if let Some(path) = state.copies.get(&sight.path) {
            return vec![path.clone()];
        }
        let naming = self.play.rules().conflict_naming;
        let is_copy = |path: &Path| {
            let of = |original: &&Path| naming.is_copy_of(path.file_name(), original.file_name());
            self.family.paths.iter().filter(of).any(|original| {
                original.parent() == sight.path.parent()
                    && naming.is_copy_of(sight.path.file_name(), original.file_name())
            })
        };
        let is_free = |path: &Path| {
            !self.family.paths.contains(path) && !state.copies.values().any(|taken| taken == path)
        };
        let mut places = vec![sight.path.clone()];
        let files = scene.world.cloud().files().map(|(path, _)| path);
        places.extend(files.filter(|path| is_free(path) && is_copy(path)).cloned());
        places
    }

    /// What the client of a replica may have done to one file last.
    fn brought(&self, base: &Scene, sight: &Sight, path: &Path) -> Vec<Scene> {
        let (replica, shows) = (sight.replica, &sight.shows);
        let mut ways = self.downloads(base, sight, path);
        let then = |choice: ChoiceOf<LiveSystem>| {
            let possible = self.has(choice.hazards()).then(|| self.play.taken(base, choice)).flatten();
            possible.filter(|scene| scene.shows(replica, path, shows))
        };
        ways.extend(then(Choice::Fetch { replica, path: path.clone() }));
        ways.extend(then(Choice::Evict { replica, path: path.clone() }));
        for sent in [false, true] {
            ways.extend(then(Choice::Restore { replica, path: Some(path.clone()), sent }));
        }
        if *shows == Shows::Gone && sight.is_emptied && self.has(&[Hazard::FolderHollow, Hazard::FolderWiped])
        {
            let mut scene = base.clone();
            let all = [Choice::Mount { replica, mounted: false }, Choice::Wipe { replica }];
            let is_done = all.into_iter().all(|choice| self.play.take(&mut scene, choice));
            ways.extend(Some(scene).filter(|scene| is_done && scene.shows(replica, path, shows)));
        }
        ways
    }

    fn downloads(&self, base: &Scene, sight: &Sight, path: &Path) -> Vec<Scene> {
        let (replica, shows) = (sight.replica, &sight.shows);
        let Some(file) = base.world.cloud().file(path) else { return Vec::new() };
        let mut ways = Vec::new();
        for back in 0..self.kept(base, replica, path) {
            let version = file.version(back).and_then(|version| version.content.as_ref());
            let bring = |arrival| Choice::Download { replica, path: path.clone(), back, arrival };
            for arrival in self.play.arrivals(version, shows, self.hazards) {
                ways.extend(match arrival {
                    Arrival::Cut { .. } => self.cut(base, sight, path, bring(Arrival::Whole)),
                    _ => self.play.taken(base, bring(arrival)),
                });
            }
            // Between two looks it came, and went elsewhere again.
            if self.has(&[Hazard::EvictADay]) && matches!(shows, Shows::Elsewhere(_) | Shows::Stub(_)) {
                let evict = Choice::Evict { replica, path: path.clone() };
                let came = self.play.taken(base, bring(Arrival::Whole));
                let went = came.and_then(|scene| self.play.taken(&scene, evict));
                ways.extend(went.filter(|scene| scene.shows(replica, path, shows)));
            }
        }
        ways
    }

    /// How many of the server's versions may still come to a replica. To one whose client forgot what it had, the newest
    /// alone: that is what it asks for.
    fn kept(&self, scene: &Scene, replica: ReplicaId, path: &Path) -> u32 {
        let kept = scene.world.cloud().file(path).map_or(0, |file| file.versions_kept());
        let seen = scene.disk(replica).slot(path).map_or(0, |slot| slot.seen);
        let forgot = || {
            scene
                .steps()
                .any(|step| matches!(step.choice, Choice::ResetIndex { replica: one } if one == replica))
        };
        if seen == 0 && self.hazards.has(Hazard::StaleUpload) && forgot() { kept.min(1) } else { kept }
    }

    /// A version that was cut where the client was killed, and that it takes for a change made here: the bytes are those
    /// that were seen, to the last one, since others may get them.
    fn cut(&self, base: &Scene, sight: &Sight, path: &Path, bring: ChoiceOf<LiveSystem>) -> Option<Scene> {
        let Shows::File(shown) = &sight.shows else { return None };
        let Choice::Download { replica, back, .. } = &bring else { return None };
        let cut = Choice::Download {
            replica: *replica,
            path: path.clone(),
            back: *back,
            arrival: Arrival::Cut { percent: 0 },
        };
        let mut scene = self.play.taken(base, cut)?;
        self.play.write(&mut scene, *replica, path, Some(shown), sight.modified).then_some(scene)
    }

    /// What somebody on the machine may have done.
    fn written(&self, start: &Scene, state: &State, sight: &Sight) -> Vec<Way> {
        let replica = sight.replica;
        let path = state.copies.get(&sight.path).unwrap_or(&sight.path);
        let content = match &sight.shows {
            Shows::File(content) => Some(content),
            Shows::Gone => None,
            Shows::Nul(_) | Shows::Elsewhere(_) | Shows::Stub(_) | Shows::NoStub => return Vec::new(),
        };
        let mut before = Vec::new();
        let slot = start.disk(replica).slot(path);
        // What was written before may have been sent before it was written over.
        let is_sent = slot.filter(|slot| slot.dirty).is_some_and(|slot| match &slot.body {
            Some(body) => self.family.is_needed(&body.content, replica, &state.at),
            None => true,
        });
        if is_sent {
            before.extend(self.play.taken(start, Choice::Upload { replica, path: path.clone() }));
        }
        before.push(start.clone());
        // And what others wrote may have come unseen, a moment before.
        let bring = Choice::Download { replica, path: path.clone(), back: 0, arrival: Arrival::Whole };
        let came: Vec<_> = before.iter().filter_map(|scene| self.play.taken(scene, bring.clone())).collect();
        before.extend(came);
        let mut ways = Vec::new();
        for mut scene in before {
            if self.play.write(&mut scene, replica, path, content, sight.modified) {
                ways.push(Way { scene, path: path.clone(), is_doubtful: sight.is_doubtful });
            }
        }
        ways
    }

    /// Puts what was there when the recorders began into a world, however it had come there.
    pub(super) fn begin(&self) -> State {
        let mut scene = self.play.begin();
        let mut there: Vec<&Sight> = self.family.there.iter().collect();
        there.sort_by_key(|sight| (sight.modified, sight.replica));
        let mut done: HashSet<(&Path, Vec<u8>)> = HashSet::new();
        for sight in &there {
            let Shows::File(content) = &sight.shows else { continue };
            if !done.insert((&sight.path, content.bytes().to_vec())) {
                continue;
            }
            let (replica, path) = (sight.replica, &sight.path);
            let bring =
                |replica| Choice::Download { replica, path: path.clone(), back: 0, arrival: Arrival::Whole };
            self.play.take(&mut scene, bring(replica));
            self.play.write(&mut scene, replica, path, Some(content), sight.modified);
            self.play.take(&mut scene, Choice::Upload { replica, path: path.clone() });
            for other in there.iter().filter(|other| other.path == *path && other.shows == sight.shows) {
                self.play.take(&mut scene, bring(other.replica));
            }
        }
        for sight in there.iter().filter(|sight| !matches!(sight.shows, Shows::File(_))) {
            let (replica, path) = (sight.replica, sight.path.clone());
            let bring = Choice::Download { replica, path: path.clone(), back: 0, arrival: Arrival::Whole };
            self.play.take(&mut scene, bring);
            self.play.take(&mut scene, Choice::Evict { replica, path });
        }
        // However that came to be is nothing that was seen.
        scene.steps = None;
        State { scene, copies: BTreeMap::new(), at: vec![0; self.family.seen.len()], doubts: 0 }
    }

    /// What a replica's file might have shown in place of what was seen: every version that may be on its way, what is there,
    /// and what only a hazard would explain.
    pub(super) fn possible(&self, state: &State, replica: ReplicaId, path: &Path) -> Vec<Shows> {
        let mut possible = Vec::new();
        let mut add = |content: Option<&cloudchamber_core::Content>| {
            let shows = content.cloned().map_or(Shows::Gone, Shows::File);
            if !possible.contains(&shows) {
                possible.push(shows);
            }
        };
        let path = state.copies.get(path).unwrap_or(path);
        add(state.scene.content(replica, path));
        for base in self.unseen(&state.scene) {
            add(base.content(replica, path));
            let Some(file) = base.world.cloud().file(path) else { continue };
            for back in 0..self.kept(&base, replica, path) {
                let bring = Choice::Download { replica, path: path.clone(), back, arrival: Arrival::Whole };
                if self.play.taken(&base, bring).is_some() {
                    add(file.version(back).and_then(|version| version.content.as_ref()));
                }
            }
        }
        possible
    }
}

/// A number by which worlds are told apart.
pub(super) fn digest(scene: &Scene) -> u64 {
    cloudchamber_folder::StableHasher::of(&scene.world)
}
