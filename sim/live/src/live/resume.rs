//! How a run goes on whose process was killed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use cloudchamber_core::{Content, Path};
use cloudchamber_folder::ReplicaId;

use super::hands::Change;
use super::{Live, RUN_MS};
use crate::error::LiveError;
use crate::form::{Form, Wanted, wanted};
use crate::state::Line;

/// The latest time that a line can have, ms of world time: what comes after it has to be a number still.
const MS_MAX: u64 = 1_000 * RUN_MS;

type Names = BTreeMap<String, Wanted>;

impl Live<'_> {
    /// Does once more what is written down, in memory, and recognises what lies in the directories. Returns the world time
    /// at which it goes on.
    ///
    /// Everything was put in place that came of all lines but the last: each line is written when nothing of those before
    /// it is left to be done. So a name is as it should be, or as it should have been before the last line, or cut in the
    /// middle of that, or somebody has changed it since.
    ///
    /// # Errors
    /// Where the world does not become what it was, or another directory lies in a folder's place.
    pub(super) fn resume(&mut self, lines: &[Line]) -> Result<u64, LiveError> {
        let mut at_ms = 0;
        let mut before = self.all_wanted();
        for (place, line) in lines.iter().enumerate() {
            if place + 1 == lines.len() {
                before = self.all_wanted();
            }
            self.refuse_damaged(place, line)?;
            at_ms = at_ms.max(self.redo(place, line)?);
            if let (Line::Saw { replica, path, .. }, true) = (line, place + 1 == lines.len()) {
                // It was there already.
                let after = wanted(self.world().replica(*replica).disk());
                let own = &mut before[replica.index()];
                match after.get(path.name()) {
                    Some(now) => drop(own.insert(path.name().to_owned(), now.clone())),
                    None => drop(own.remove(path.name())),
                }
            }
        }
        self.tally.moved.clear();
        let after = self.all_wanted();
        self.refuse_others(&before, &after)?;
        for (id, (before, after)) in self.replicas().zip(before.iter().zip(&after)) {
            self.recognise(id, before, after)?;
        }
        Ok(at_ms.max(self.world().now()))
    }

    /// Refuses a folder that is another directory than it was and has nothing of what was put there. Its mount has gone, or
    /// somebody moved it: who takes that for an empty folder removes everything from the others.
    fn refuse_others(&self, before: &[Names], after: &[Names]) -> Result<(), LiveError> {
        let ids: Vec<_> = self.folders.iter().map(crate::real::Real::id).collect();
        let known = self.state.roots()?.unwrap_or_else(|| ids.clone());
        for (folder, (known, (before, after))) in
            self.folders.iter().zip(known.iter().zip(before.iter().zip(after)))
        {
            let mut names = before.keys().chain(after.keys());
            let is_there = |name: &String| fs::symlink_metadata(folder.path(name)).is_ok();
            if folder.id() != *known && !after.is_empty() && !names.any(is_there) {
                return Err(LiveError::new(format!(
                    "{}: it is another directory than it was, and of {} files that were there it has none. Mount it or \
                     put it back; or, if that is meant to be all there is, {}",
                    folder.dir.display(),
                    after.len(),
                    self.state.way_out()
                )));
            }
        }
        self.state.note_roots(&ids)
    }

    fn all_wanted(&self) -> Vec<Names> {
        self.replicas().map(|id| wanted(self.world().replica(id).disk())).collect()
    }

    /// Refuses a line that this program cannot have written after those before it. `place` counts from 0, without the head.
    fn refuse_damaged(&self, place: usize, line: &Line) -> Result<(), LiveError> {
        let (ms, replica) = match line {
            Line::Saw { ms, replica, .. } => (Some(*ms), Some(*replica)),
            Line::Order { ms, choice } => (Some(*ms), choice.replica()),
            Line::Soothe { ms } | Line::To { ms, .. } => (Some(*ms), None),
            Line::Blocked { replica, .. } => (None, Some(*replica)),
        };
        let now = self.world().now();
        let why = match (ms, replica) {
            (Some(ms), _) if ms < now => format!("{ms} ms is before {now} ms, which was reached before it"),
            (Some(ms), _) if ms > MS_MAX => format!("{ms} ms is longer than any run goes on"),
            (_, Some(replica)) if replica.index() >= self.folders.len() => {
                format!("there are {} folders, and none is {replica}", self.folders.len())
            }
            _ => return Ok(()),
        };
        Err(self.state.damaged(place, &format!("{why}: it, or a line before it, was changed")))
    }

    /// Does what a line says, and returns its time. `place` counts from 0, without the head.
    fn redo(&mut self, place: usize, line: &Line) -> Result<u64, LiveError> {
        match line {
            Line::Saw { ms, replica, path, content, modified_us } => {
                let content = content.as_ref().map(|name| self.state.kept(name)).transpose()?;
                self.tally.saves += 1;
                let change = Change { content, modified_ns: i128::from(*modified_us) * 1_000 };
                self.take_change(*ms, *replica, path, &change);
                Ok(*ms)
            }
            Line::Order { ms, choice } => {
                self.take(*ms, choice.clone());
                Ok(*ms)
            }
            Line::Soothe { ms } => {
                self.soothe(*ms);
                Ok(*ms)
            }
            Line::To { ms, hash } => {
                self.advance(*ms);
                let now = format!("{:016x}", self.stage.watched().hash());
                if now != *hash {
                    let why =
                        format!("done once more, the run is another one from {ms} ms on ({now}, not {hash})");
                    return Err(self.state.damaged(place, &why));
                }
                Ok(*ms)
            }
            Line::Blocked { replica, name } => {
                self.blocked.insert((*replica, name.clone()), "it could not be done before".into());
                Ok(0)
            }
        }
    }

    /// Takes what lies in a directory for known, where it is what was put there or was to be. The rest was changed since,
    /// and is seen at the first look.
    fn recognise(&mut self, id: ReplicaId, before: &Names, after: &Names) -> Result<(), LiveError> {
        let folder = &mut self.folders[id.index()];
        let failed = |folder: &crate::real::Real, error: &std::io::Error| {
            LiveError::io(&folder.dir, "cannot be read", error)
        };
        // Nothing is known yet, so everything that is there is found.
        let found = folder.scan(&mut |_| {}).map_err(|error| failed(folder, &error))?;
        let same = |name: &str| {
            before.get(name).map(|wanted| &wanted.form) == after.get(name).map(|wanted| &wanted.form)
        };
        let temporaries = temporaries(&self.stage.watched().setup.rules, before, after);
        let mut there = BTreeSet::new();
        for (name, content, stat) in found
            .into_iter()
            .filter_map(|found| Some((found.name, found.now?)))
            .map(|(name, (content, stat))| (name, content, stat))
        {
            there.insert(name.clone());
            let is = |names: &Names| {
                names
                    .get(&name)
                    .filter(|wanted| wanted.form.is(&name, &content))
                    .map(|wanted| wanted.form.clone())
            };
            if let Some(form) = is(after).or_else(|| is(before)) {
                folder.learn(&name, form, stat);
            } else if !same(&name)
                && after.get(&name).is_some_and(|wanted| begins(&wanted.form.bytes(&name), &content))
            {
                // It was being written.
                folder.learn(&name, Form::File(content), stat);
            } else if temporaries.get(&name).is_some_and(|of| of.holds(&content)) {
                fs::remove_file(folder.path(&name)).map_err(|error| failed(folder, &error))?;
            }
        }
        for (name, wanted) in after.iter().filter(|(name, _)| !there.contains(*name)) {
            let is_blocked = self.blocked.contains_key(&(id, name.clone()));
            if same(name) && !is_blocked {
                folder.learn_gone(name, &wanted.form);
            }
        }
        Ok(())
    }
}

/// What a file may hold that was made ready beside another one.
struct Temporary {
    /// What was to be put in place: all of it, or what was written.
    new: Content,
    /// What was in its place, which changed names with it.
    old: Option<Content>,
}

impl Temporary {
    fn holds(&self, content: &Content) -> bool {
        begins(&self.new, content) || self.old.as_ref() == Some(content)
    }
}

/// The names under which what was to be put in place was gathered, with what they may hold.
fn temporaries(
    rules: &cloudchamber_folder::profile::Rules,
    before: &Names,
    after: &Names,
) -> BTreeMap<String, Temporary> {
    let changed = after
        .iter()
        .filter(|(name, wanted)| before.get(*name).is_none_or(|before| before.form != wanted.form));
    let beside = changed.filter_map(|(name, wanted)| {
        let path = Path::shared(name);
        let beside = path.parent()?.join(&rules.temporary.beside(path.file_name())?);
        let old = before.get(name).map(|before| before.form.bytes(name));
        Some((beside.name().to_owned(), Temporary { new: wanted.form.bytes(name), old }))
    });
    beside.filter(|(name, _)| !after.contains_key(name) && !before.contains_key(name)).collect()
}

/// Whether a content is another's beginning, or all of it.
fn begins(whole: &Content, content: &Content) -> bool {
    content.len() <= whole.len() && whole.bytes().starts_with(content.bytes())
}
