//! What the driver sees in real directories, and what it does there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use cloudchamber_core::kit::stub::stub_of;
use cloudchamber_core::{Content, Draw, Driver, Path, WallMs};
use cloudchamber_folder::profile::{Mtime, Naming};
use cloudchamber_folder::world::{Choice, Part};
use cloudchamber_folder::{ReplicaId, System as _};

use super::Live;
use crate::error::LiveError;
use crate::form::{Form, Wanted, wanted};
use crate::real::{Found, Outcome, Stat, Way};
use crate::state::Line;
use crate::system::{Bytes, Command, LiveSystem};

/// How often a directory is gone through in a row in which others work at the same moment.
const ROUNDS_MAX: usize = 8;

/// What was seen, or has to be taken for it: a file's new content, or that it is gone.
pub(super) struct Change {
    pub(super) content: Option<Content>,
    /// The file's modification time, ns since 1970.
    pub(super) modified_ns: i128,
}

/// A file that somebody saved at the very moment at which it was to be replaced or removed.
pub(super) struct Raced {
    id: ReplicaId,
    name: String,
    path: Path,
    content: Content,
    stat: Stat,
    pub(super) is_replaced: bool,
    is_removal: bool,
}

// What is seen.
impl Live<'_> {
    /// Looks at all directories whose machines are awake, and takes what was changed.
    pub(super) fn look(&mut self, tell: &mut dyn FnMut(&str)) -> Result<(), LiveError> {
        let untidy = std::mem::take(&mut self.untidy);
        let is_left =
            |(id, name, other): &(ReplicaId, String, PathBuf)| self.folders[id.index()].tidy(name, other);
        self.untidy = untidy.into_iter().filter(is_left).collect();
        for id in self.replicas() {
            let folder = &mut self.folders[id.index()];
            if !folder.is_there() {
                let dir = folder.dir.display();
                return Err(LiveError::new(format!(
                    "{dir}: it is gone, or another directory is in its place; nothing was removed elsewhere for that. Put \
                     it back and start again"
                )));
            }
            if !self.stage.watched().world.replica(id).machine().awake {
                continue;
            }
            let found = folder.scan(&mut |line| tell(&line));
            let found = found.map_err(|error| LiveError::io(&folder.dir, "cannot be listed", &error))?;
            for found in found {
                self.saw(id, found, tell)?;
            }
        }
        self.looked = Instant::now();
        Ok(())
    }

    /// Takes a change that was seen.
    fn saw(&mut self, id: ReplicaId, found: Found, tell: &mut dyn FnMut(&str)) -> Result<(), LiveError> {
        let Found { name, now } = found;
        let stat = now.as_ref().map(|(_, stat)| *stat);
        let modified_ns = stat.map_or(0, |stat| stat.modified_ns);
        if self.refused.contains(&(id, name.clone(), modified_ns)) {
            return Ok(());
        }
        let known = self.folders[id.index()].known.get(&name).map(|known| known.form.clone());
        let mut path = Path::shared(&name);
        if let (Some(Form::Stub(_)), None) = (known, &now) {
            // Who removes what stands in for a file means the file.
            let Some((of, _)) = stub_of(path.file_name(), 0) else { return Ok(()) };
            path = path.parent().unwrap_or(Path::shared("")).join(of);
            if !self.order(Choice::Fetch { replica: id, path: path.clone() })? {
                return Ok(());
            }
        }
        let content = now.map(|(content, _)| content);
        self.moved = Instant::now();
        self.tally.saves += 1;
        let taken = self.change(id, &path, &Change { content: content.clone(), modified_ns })?;
        let folder = &mut self.folders[id.index()];
        match (content, stat) {
            (Some(content), Some(stat)) if taken => {
                self.blocked.remove(&(id, name.clone()));
                folder.learn(&name, Form::File(content), stat);
            }
            (Some(_), _) => {
                let real = folder.path(&name);
                self.refused.insert((id, name, modified_ns));
                tell(&format!(
                    "{}: a directory or a file of another machine has this name; it stays here",
                    real.display()
                ));
            }
            (None, _) => folder.forget(&name),
        }
        self.settle(tell)
    }

    /// Tells the world of a change. Returns whether the world has it now.
    pub(super) fn change(&mut self, id: ReplicaId, path: &Path, change: &Change) -> Result<bool, LiveError> {
        let ms = self.before_due();
        self.note_advance()?;
        let content = change.content.as_ref().map(|content| self.state.keep(content)).transpose()?;
        let modified_us = i64::try_from(change.modified_ns / 1_000).unwrap_or(0);
        self.state.note(&Line::Saw { ms, replica: id, path: path.clone(), content, modified_us })?;
        Ok(self.take_change(ms, id, path, change))
    }

    /// The same, of what is written down.
    pub(super) fn take_change(&mut self, ms: u64, id: ReplicaId, path: &Path, change: &Change) -> bool {
        let draw = Draw::default();
        let path = path.clone();
        let command = match &change.content {
            Some(content) => Command::Save { path: path.clone(), content: Bytes(content.clone()) },
            None => Command::Remove { path: path.clone() },
        };
        self.take(ms, Choice::Command { replica: id, command, draw });
        while self.world().replica(id).process().and_then(Driver::pending_op).is_some() {
            if !self.take(ms, Choice::Apply { replica: id, part: Part::Whole, draw }) {
                break;
            }
        }
        let slot = self.world().replica(id).disk().slot(&path);
        let body = slot.and_then(|slot| slot.body.as_ref()).map(|body| &body.content);
        let taken = body == change.content.as_ref();
        if let (Some(slot), true) = (slot.filter(|slot| slot.body.is_some()), taken) {
            let modified = slot.modified;
            let mut floored = modified;
            if let Mtime::Kept { granularity_ms } = self.stage.watched().setup.rules.mtime {
                let grain = i64::try_from(granularity_ms.max(1)).unwrap_or(i64::MAX);
                floored.0 -= floored.0.rem_euclid(grain);
            }
            self.times.insert((modified, path.clone()), change.modified_ns);
            self.times.insert((floored, path), change.modified_ns);
        }
        taken
    }
}

// What is done.
impl Live<'_> {
    /// Makes the directories equal to what the world has, where that has changed.
    ///
    /// What somebody saved at that very moment is told to the world when everything else is in its place: a line that is
    /// written down says that nothing of those before it is left to be done.
    pub(super) fn settle(&mut self, tell: &mut dyn FnMut(&str)) -> Result<(), LiveError> {
        for _ in 0..ROUNDS_MAX {
            while let Some(id) = self.tally.moved.pop_first() {
                self.show(id, tell)?;
            }
            // What was replaced cannot be found once more; what was not is found again in the next round.
            let replaced = self.raced.iter().position(|raced| raced.is_replaced);
            let Some(place) = replaced.or((!self.raced.is_empty()).then_some(0)) else { return Ok(()) };
            let raced = self.raced.swap_remove(place);
            self.tally.moved.extend(self.raced.iter().map(|raced| raced.id));
            self.tally.moved.insert(raced.id);
            self.raced.retain(|raced| raced.is_replaced);
            self.rescue(raced)?;
        }
        // Somebody is faster than that; the next look goes on.
        Ok(())
    }

    /// Tries once more what could not be done.
    pub(super) fn try_again(&mut self, tell: &mut dyn FnMut(&str)) -> Result<(), LiveError> {
        let again: Vec<_> = self.blocked.keys().map(|(id, _)| *id).collect();
        self.tally.moved.extend(again);
        self.settle(tell)
    }

    /// Makes one directory equal to what the world has.
    pub(super) fn show(&mut self, id: ReplicaId, tell: &mut dyn FnMut(&str)) -> Result<(), LiveError> {
        let mut blocked = BTreeMap::new();
        let wanted = wanted(self.world().replica(id).disk());
        let folder = &self.folders[id.index()];
        let surplus = folder.known.keys().filter(|name| !wanted.contains_key(*name));
        // What lies deeper goes first, so that a file can take the place of a directory.
        let surplus: Vec<String> = surplus.rev().cloned().collect();
        let differs =
            |name: &&String| folder.known.get(*name).is_none_or(|known| known.form != wanted[*name].form);
        let lacking: Vec<String> = wanted.keys().filter(differs).cloned().collect();
        if !surplus.is_empty() || !lacking.is_empty() {
            self.note_advance()?;
            self.moved = Instant::now();
        }
        for name in surplus {
            if let Err(why) = self.take_away(id, &name) {
                blocked.insert(name, why);
            }
        }
        for name in lacking {
            if let Err(why) = self.bring(id, &name, &wanted) {
                blocked.insert(name, why);
            }
        }
        // What had no place before may have one now.
        self.refused.retain(|(of, ..)| *of != id);
        self.blocked.retain(|(of, name), _| *of != id || blocked.contains_key(name));
        blocked.into_iter().try_for_each(|(name, why)| self.block(id, &name, &why, tell))
    }

    /// Notes that a directory is not what it should be, and tells it once.
    fn block(
        &mut self,
        id: ReplicaId,
        name: &str,
        why: &str,
        tell: &mut dyn FnMut(&str),
    ) -> Result<(), LiveError> {
        if self.blocked.insert((id, name.to_owned()), why.to_owned()).is_none() {
            tell(&format!("{}: {why}; it is tried again", self.folders[id.index()].path(name).display()));
            self.state.note(&Line::Blocked { replica: id, name: name.to_owned() })?;
        }
        Ok(())
    }

    fn take_away(&mut self, id: ReplicaId, name: &str) -> Result<(), String> {
        let outcome = self.folders[id.index()].remove(name, &mut self.state.aside);
        let path = Path::shared(name);
        match outcome.map_err(|error| format!("cannot be removed: {error}"))? {
            Outcome::Done => {
                let author = self.world().cloud().file(&path).map(|file| file.newest().author);
                let other = author.filter(|author| *author != id);
                let other = other.map(|author| self.folders[author.index()].dir.clone());
                if let Some(other) = other.filter(|other| self.folders[id.index()].tidy(name, other)) {
                    self.untidy.insert((id, name.to_owned(), other));
                }
            }
            outcome => self.race(id, name, path, outcome, true),
        }
        Ok(())
    }

    fn bring(&mut self, id: ReplicaId, name: &str, wanted: &BTreeMap<String, Wanted>) -> Result<(), String> {
        let Wanted { form, modified, path } = &wanted[name];
        let rules = &self.stage.watched().setup.rules;
        let file_name = name.rsplit('/').next().unwrap_or(name);
        let beside = rules.temporary.beside(file_name).filter(|_| rules.visible.gathers_elsewhere());
        let beside = beside.filter(|beside| {
            let dir = name.strip_suffix(file_name).unwrap_or("");
            !wanted.contains_key(&format!("{dir}{beside}"))
        });
        let modified_ns = match (rules.mtime, form) {
            (Mtime::Kept { granularity_ms }, Form::File(_)) => {
                let grain = i128::from(granularity_ms.max(1)) * 1_000_000;
                self.real_time(*modified, path).map(|ns| ns - ns.rem_euclid(grain))
            }
            _ => None,
        };
        let way = Way { visible: rules.visible, beside: beside.as_deref(), modified_ns };
        let outcome = self.folders[id.index()].put(name, form, way, &mut self.state.aside);
        match outcome.map_err(|error| format!("cannot be written: {error}"))? {
            Outcome::Done => {}
            outcome => self.race(id, name, path.clone(), outcome, false),
        }
        Ok(())
    }

    /// The modification time of the real file that the world knows by this one; `None` if it knows none.
    fn real_time(&self, modified: WallMs, path: &Path) -> Option<i128> {
        // A conflict copy has the time of the file that it was.
        let same =
            || self.times.range((modified, Path::local(""))..).next().filter(|((at, _), _)| *at == modified);
        self.times.get(&(modified, path.clone())).or_else(|| same().map(|(_, ns)| ns)).copied()
    }

    /// Notes that somebody saved a file at the very moment at which it was to be replaced or removed.
    fn race(&mut self, id: ReplicaId, name: &str, path: Path, outcome: Outcome, is_removal: bool) {
        let (content, stat, is_replaced) = match outcome {
            Outcome::Done => return,
            Outcome::Unseen(content, stat) => (content, stat, false),
            Outcome::Replaced(content, stat) => (content, stat, true),
        };
        self.raced.push(Raced { id, name: name.to_owned(), path, content, stat, is_replaced, is_removal });
    }

    /// Keeps what was saved at the very moment at which another version arrived, under the name of a conflict copy; what
    /// was to be removed stays.
    fn rescue(&mut self, raced: Raced) -> Result<(), LiveError> {
        let Raced { id, name, path, content, stat, is_replaced, is_removal } = raced;
        let path = if is_removal { path } else { self.copy_of(id, &path) };
        self.tally.saves += 1;
        self.change(id, &path, &Change { content: Some(content.clone()), modified_ns: stat.modified_ns })?;
        if !is_replaced {
            // What is known to be kept may be replaced, in the next round.
            self.folders[id.index()].learn(&name, Form::File(content), stat);
        }
        Ok(())
    }

    /// The name of a conflict copy that is free.
    fn copy_of(&self, id: ReplicaId, path: &Path) -> Path {
        let watched = self.stage.watched();
        let (world, setup) = (&watched.world, &watched.setup);
        let dir = path.parent().expect("a file lies in a directory");
        let folder = &self.folders[id.index()];
        let taken = |name: &str| {
            let path = dir.join(name);
            world.replica(id).disk().slot(&path).is_some()
                || world.cloud().file(&path).is_some()
                || std::fs::symlink_metadata(folder.path(path.name())).is_ok()
        };
        let host = LiveSystem::host(&self.scenario, id);
        let at = world.clocks(setup, id).wall;
        let name = match setup.rules.conflict_naming {
            // git has none.
            Naming::Git => (1..).map(|n| format!("{}~{n}", path.file_name())).find(|name| !taken(name)),
            naming => Some(naming.conflict_name(path.file_name(), at, &host, 0, &taken)),
        };
        dir.join(&name.expect("some number is free"))
    }
}
