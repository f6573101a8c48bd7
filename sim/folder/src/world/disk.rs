//! One replica's disk: the files of both roots, what of them would survive a power cut, and what the sync
//! client remembers of each.

use cloudchamber_core::kit::stub::StubBy;
use cloudchamber_core::{Content, Entry, EntryKind, FsError, FsOp, Path, Root, WallMs};

use super::choice::{Loss, Part};
use super::path_map::PathMap;
use super::unflushed::{Data, Unflushed};
use crate::profile::Placeholder;
use crate::stable_hash::StableHasher;

/// The files of one replica.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Disk {
    slots: PathMap<Slot>,
}

/// One name on a disk: a file, or the client's memory of one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Slot {
    /// What is there; `None` if the file was removed and the client has yet to tell the server.
    pub body: Option<Body>,
    /// The server's version that the client last brought in line with this file; 0 for none.
    pub seen: u32,
    /// Whether the file was changed or removed here since.
    pub dirty: bool,
    /// When it was last changed or removed, in the opinion of the clock that said so.
    pub modified: WallMs,
    /// What a power cut may make of it; `None` if it is safe.
    pub(super) unflushed: Option<Unflushed>,
}

/// The bytes under a name.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Body {
    /// The bytes that the file has, here or elsewhere.
    pub content: Content,
    /// Where they are.
    pub presence: Presence,
}

impl Body {
    /// Bytes on this disk.
    pub(super) fn here(content: Content) -> Self {
        Self { content, presence: Presence::Here }
    }
}

/// Where the bytes of a file are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Presence {
    /// Elsewhere: the name and the length are here, a read fails.
    Dataless,
    /// On this disk.
    Here,
    /// Elsewhere, and a file that this client leaves stands in for the name.
    Stub(StubBy),
}

impl Presence {
    /// Whether another file stands in for the name.
    #[must_use]
    pub fn is_stub(self) -> bool {
        matches!(self, Self::Stub(_))
    }
}

impl Slot {
    /// Whether it says anything: there is a file, or the client knows of one, or a power cut may bring one back.
    fn means_something(&self) -> bool {
        self.body.is_some() || self.dirty || self.seen > 0 || self.unflushed.is_some()
    }

    /// The bytes that may leave the disk at world time `now`, as far as the disk is concerned.
    pub(super) fn can_leave(&self, now: u64) -> Option<&Content> {
        let live = self.unflushed.as_ref().is_some_and(|risk| risk.is_live(now));
        let body =
            self.body.as_ref().filter(|body| body.presence == Presence::Here && !self.dirty && !live)?;
        Some(&body.content)
    }

    /// Whether a power cut may make something else of it.
    pub(crate) fn is_at_risk(&self) -> bool {
        self.unflushed.is_some()
    }

    /// What is under the name itself: a placeholder's name is free.
    fn file(&self) -> Option<&Body> {
        self.body.as_ref().filter(|body| !matches!(body.presence, Presence::Stub(_)))
    }
}

// What a process finds.
impl Disk {
    /// The running digest of everything on the disk.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.slots.digest()
    }

    /// All slots, in order of their paths.
    pub fn slots(&self) -> impl Iterator<Item = (&Path, &Slot)> {
        self.slots.iter()
    }

    /// Looks up one slot after another, each later in order than the one before.
    pub(super) fn slots_in_order<'a>(&'a self) -> impl FnMut(&Path) -> Option<&'a Slot> {
        self.slots.in_order()
    }

    /// The slot of a path.
    #[must_use]
    pub fn slot(&self, path: &Path) -> Option<&Slot> {
        self.slots.get(path)
    }

    /// What a process that reads the path gets.
    pub(crate) fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        match self.file(path) {
            Some(Body { content, presence: Presence::Here }) => Ok(content.tail(from)),
            Some(_) => Err(FsError::NotLocal),
            None if self.is_dir(path) => Err(FsError::Refused),
            None => Err(FsError::NotFound),
        }
    }

    /// What a process that lists the directory gets. Names of directories come from the files below them.
    pub(crate) fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        self.list_with(dir, false)
    }

    /// The same; `own_names`: what a stub stands for is told, and not the stub's own name.
    pub(super) fn list_with(&self, dir: &Path, own_names: bool) -> Result<Vec<Entry>, FsError> {
        let mut entries: Vec<Entry> = Vec::new();
        // Files come in order of their paths. Placeholders and directories do not sort as their paths do.
        let mut sorted = true;
        for (path, name, slot) in self.slots.within(dir, |slot| slot.body.is_some()) {
            let Some(body) = &slot.body else { continue };
            let last = entries.last();
            let entry = match name.split_once('/') {
                Some((child, _)) => {
                    if last.is_some_and(|last| last.kind == EntryKind::Dir && last.name() == child) {
                        continue;
                    }
                    Entry { path: dir.join(child), kind: EntryKind::Dir, len: 0, modified: WallMs(0) }
                }
                None => Entry {
                    path: match body.presence {
                        Presence::Stub(by) if !own_names => dir.join(&by.stub(name)),
                        _ => path.clone(),
                    },
                    kind: EntryKind::File,
                    len: body.content.len() as u64,
                    modified: slot.modified,
                },
            };
            sorted &= last.is_none_or(|last| last.path < entry.path);
            entries.push(entry);
        }
        if !sorted {
            entries.sort_by(|one, other| one.path.cmp(&other.path));
            entries.dedup_by(|next, one| next.path == one.path);
        }
        match entries.is_empty() && !dir.name().is_empty() {
            true if self.file(dir).is_some() => Err(FsError::Refused),
            true => Err(FsError::NotFound),
            false => Ok(entries),
        }
    }

    /// The contents of all files below a directory whose bytes are here, in order of their paths.
    pub(crate) fn here_below<'a>(&'a self, dir: &'a Path) -> impl Iterator<Item = &'a Content> {
        let bodies = self.slots.below(dir).filter_map(|(_, _, slot)| slot.body.as_ref());
        bodies.filter(|body| body.presence == Presence::Here).map(|body| &body.content)
    }

    /// A number that changes with whatever is below a directory.
    pub(crate) fn digest_below(&self, dir: &Path) -> u64 {
        self.slots.digest_below(dir)
    }

    /// What is under the name itself.
    fn file(&self, path: &Path) -> Option<&Body> {
        self.slots.get(path).and_then(Slot::file)
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.name().is_empty() || self.slots.below(path).any(|(_, _, slot)| slot.body.is_some())
    }

    /// Whether no file can come to be under this name: it is a directory, or would lie below a file.
    pub(crate) fn is_obstructed(&self, path: &Path) -> bool {
        let mut above = path.name();
        while let Some((dir, _)) = above.rsplit_once('/') {
            if self.slots.get_name(path.root(), dir).and_then(Slot::file).is_some() {
                return true;
            }
            above = dir;
        }
        self.is_dir(path)
    }
}

// What a process does.
impl Disk {
    /// Applies an op of the application's, or its beginning.
    pub(crate) fn apply(
        &mut self,
        op: &FsOp,
        part: Part,
        full: bool,
        wall: WallMs,
        now: u64,
    ) -> Result<(), FsError> {
        let path = op.path();
        let old = self.file(path);
        if old.is_none() {
            self.can_be_missing(op)?;
        }
        if full && matches!(op, FsOp::Append { .. } | FsOp::CreateNew { .. } | FsOp::Replace { .. }) {
            return Err(if matches!(op, FsOp::CreateNew { .. }) && old.is_some() {
                FsError::Exists
            } else {
                FsError::NoSpace
            });
        }
        match op {
            FsOp::Append { bytes, .. } => {
                let (content, data) = match old {
                    // The system would have to fetch the bytes first.
                    Some(Body { presence: Presence::Dataless, .. }) => return Err(FsError::NotLocal),
                    Some(Body { content: old, .. }) => {
                        (old.grown(bytes), self.data(path, now).appended(old.len()))
                    }
                    None => (bytes.clone(), Data::Appended { kept: 0 }),
                };
                self.change(path, Some(Body::here(content)), data, wall, now);
            }
            FsOp::CreateNew { .. } if old.is_some() => return Err(FsError::Exists),
            FsOp::CreateNew { content, .. } => {
                self.change(path, Some(Body::here(content.clone())), Data::Created, wall, now);
            }
            FsOp::Flush { .. } => {
                self.secure(path, |_| {});
            }
            FsOp::Overwrite { content, .. } => {
                let done = if part == Part::Begin || full { Content::new([]) } else { content.clone() };
                self.change(path, Some(Body::here(done)), Data::Rewritten, wall, now);
                if full {
                    return Err(FsError::NoSpace);
                }
            }
            FsOp::Remove { .. } => self.change(path, None, Data::Safe, wall, now),
            FsOp::Rename { to, .. } => {
                if path.root() != to.root() || (to != path && self.is_obstructed(to)) {
                    return Err(FsError::Refused);
                }
                if path != to {
                    self.rename(path, to, wall, now);
                }
            }
            FsOp::Replace { content, .. } => self.replace(path, content, wall),
        }
        Ok(())
    }

    /// Whether an op can go ahead although no file has its name.
    fn can_be_missing(&self, op: &FsOp) -> Result<(), FsError> {
        let path = op.path();
        match op {
            FsOp::Append { .. } | FsOp::Overwrite { .. } | FsOp::Replace { .. } => {
                if self.is_obstructed(path) { Err(FsError::Refused) } else { Ok(()) }
            }
            FsOp::CreateNew { .. } if self.is_dir(path) => Err(FsError::Exists),
            FsOp::CreateNew { .. } if self.is_obstructed(path) => Err(FsError::Refused),
            FsOp::CreateNew { .. } => Ok(()),
            FsOp::Flush { .. } | FsOp::Remove { .. } | FsOp::Rename { .. } => {
                Err(if self.is_dir(path) { FsError::Refused } else { FsError::NotFound })
            }
        }
    }

    fn replace(&mut self, path: &Path, content: &Content, modified: WallMs) {
        let dirty = path.root() == Root::Shared;
        let body = || Some(Body::here(content.clone()));
        let known = self.secure(path, |slot| {
            *slot =
                Slot { body: body(), seen: known(slot), dirty, modified, unflushed: slot.unflushed.take() };
        });
        if !known {
            self.slots.put(path, Some(Slot { body: body(), seen: 0, dirty, modified, unflushed: None }));
        }
    }

    fn change(&mut self, path: &Path, body: Option<Body>, data: Data, modified: WallMs, now: u64) {
        let old = self.slots.get(path);
        let unflushed = match old.and_then(|slot| slot.unflushed.as_ref()).filter(|risk| risk.is_live(now)) {
            Some(earlier) => Unflushed { data, ..earlier.clone() },
            None => {
                let before = old.and_then(|slot| Some((slot.file()?.clone(), slot.modified)));
                Unflushed { before, data, group: 0, since: now }
            }
        };
        let seen = old.map_or(0, known);
        // Nobody else knows of a file that comes and goes before the client has sent it.
        let dirty = path.root() == Root::Shared && (body.is_some() || seen > 0);
        self.slots.put(path, Some(Slot { body, seen, dirty, modified, unflushed: Some(unflushed) }));
    }

    fn rename(&mut self, from: &Path, to: &Path, wall: WallMs, now: u64) {
        let (body, data) = (self.file(from).cloned(), self.data(from, now).renamed());
        // A modification time goes with the file.
        let modified = self.slots.get(from).map_or(wall, |slot| slot.modified);
        self.change(from, None, Data::Safe, wall, now);
        self.change(to, body, data, modified, now);
        self.tie(from, to, now);
    }

    /// Makes two names, and all that were tied to either before, share one fate.
    fn tie(&mut self, from: &Path, to: &Path, now: u64) {
        let risk = |path: &Path| self.slots.get(path).and_then(|slot| slot.unflushed.as_ref());
        let groups = [from, to].map(|path| risk(path).map_or(0, |risk| risk.group));
        let mut ends = vec![from.clone(), to.clone()];
        if groups != [0, 0] {
            let tied = |slot: &Slot| {
                let risk = slot.unflushed.as_ref().filter(|risk| risk.is_live(now));
                risk.is_some_and(|risk| risk.group != 0 && groups.contains(&risk.group))
            };
            ends.extend(self.slots.iter().filter(|(_, slot)| tied(slot)).map(|(path, _)| path.clone()));
        }
        // One time for all, so that all are safe at once.
        let since = ends.iter().filter_map(risk).map(|risk| risk.since).min().unwrap_or(now);
        let group = match groups {
            [0, 0] => StableHasher::of(&(from, now)).max(1),
            [0, group] | [group, _] => group,
        };
        for path in ends {
            self.slots.edit(&path, |slot| {
                if let Some(risk) = &mut slot.unflushed {
                    (risk.group, risk.since) = (group, since);
                }
            });
        }
    }

    /// How safe the bytes of a file are.
    fn data(&self, path: &Path, now: u64) -> Data {
        let risk = self.slots.get(path).and_then(|slot| slot.unflushed.as_ref());
        risk.filter(|risk| risk.is_live(now)).map_or(Data::Safe, |risk| risk.data)
    }

    /// Changes a slot and makes it safe; false where there is none. The other ends of its renames stay as they
    /// are.
    fn secure(&mut self, path: &Path, change: impl FnOnce(&mut Slot)) -> bool {
        let risk = self.slots.edit(path, |slot| {
            change(slot);
            slot.unflushed.take()
        });
        if let Some(Some(Unflushed { group: group @ 1.., .. })) = risk {
            self.release(group);
        }
        risk.is_some()
    }

    /// Makes safe what was renamed: all names that are tied by it are what they are now.
    fn release(&mut self, group: u64) {
        let tied = |slot: &Slot| slot.unflushed.as_ref().is_some_and(|risk| risk.group == group);
        let ends = self.slots.iter().filter(|(_, slot)| tied(slot));
        for (path, mut slot) in ends.map(|(path, slot)| (path.clone(), slot.clone())).collect::<Vec<_>>() {
            let risk = slot.unflushed.take();
            slot.unflushed = risk.and_then(|risk| risk.with_safe_name(slot.body.as_ref(), slot.modified));
            self.put(&path, Some(slot));
        }
    }
}

/// The version that a changed file is an edit of. A file under a placeholder's name is a new one.
fn known(slot: &Slot) -> u32 {
    match slot.body {
        Some(Body { presence: Presence::Stub(_), .. }) => 0,
        _ => slot.seen,
    }
}

// What a crash does.
impl Disk {
    /// How much of the pending op still happens when the process dies in the middle of it.
    pub(crate) fn tear(&mut self, op: &FsOp, percent: u8, begun: bool, wall: WallMs, now: u64) {
        let cut = |content: &Content| content.prefix(content.len() * usize::from(percent) / 100);
        let torn = match op {
            FsOp::Append { path, bytes } if percent > 0 => {
                FsOp::Append { path: path.clone(), bytes: cut(bytes) }
            }
            FsOp::Overwrite { path, content } if percent > 0 || begun => {
                FsOp::Overwrite { path: path.clone(), content: cut(content) }
            }
            _ => return,
        };
        // Where the op would fail, nothing is torn.
        let _ = self.apply(&torn, Part::Whole, false, wall, now);
    }

    /// What a power cut leaves.
    pub(crate) fn lose(&mut self, loss: Loss, now: u64) {
        if loss == Loss::Kept {
            return;
        }
        let at_risk = self.slots.iter().filter(|(_, slot)| slot.unflushed.is_some());
        let at_risk: Vec<_> = at_risk.map(|(path, slot)| (path.clone(), slot.clone())).collect();
        for (path, mut slot) in at_risk {
            let Some(risk) = slot.unflushed.take().filter(|risk| risk.is_live(now)) else {
                self.put(&path, Some(slot));
                continue;
            };
            let left = risk.after(slot.body.as_ref().map(|body| (body, slot.modified)), loss, &path);
            let (body, modified) =
                left.map_or((None, slot.modified), |(body, modified)| (Some(body), modified));
            // The client finds the file changed, unless the disk is back at what the client had synced.
            let dirty = slot.dirty || body != slot.body;
            let dirty = dirty && path.root() == Root::Shared && (body.is_some() || slot.seen > 0);
            self.put(&path, Some(Slot { body, dirty, modified, ..slot }));
        }
    }
}

// What a sync client does.
impl Disk {
    /// Sets a slot, or forgets it.
    pub(crate) fn put(&mut self, path: &Path, slot: Option<Slot>) {
        self.slots.put(path, slot.filter(Slot::means_something));
    }

    /// Notes that a file is in line with a version of the server's.
    pub(crate) fn settle(&mut self, path: &Path, seen: u32) {
        self.slots.edit(path, |slot| (slot.seen, slot.dirty) = (seen, false));
    }

    /// Puts what the client brings under a name; what a client writes is safe at once.
    pub(crate) fn place(
        &mut self,
        path: &Path,
        body: Option<Body>,
        seen: u32,
        dirty: bool,
        modified: WallMs,
    ) {
        let placed = Slot { body, seen, dirty, modified, unflushed: None };
        if self.slots.get(path).is_some_and(|slot| slot.unflushed.is_some()) {
            self.secure(path, |slot| *slot = Slot { unflushed: slot.unflushed.take(), ..placed });
            if self.slots.get(path).is_some_and(|slot| !slot.means_something()) {
                self.slots.put(path, None);
            }
        } else {
            self.put(path, Some(placed));
        }
    }

    pub(crate) fn evict(&mut self, path: &Path, placeholder: Placeholder) {
        let presence = placeholder.stub().map_or(Presence::Dataless, Presence::Stub);
        self.move_body(path, presence);
    }

    /// Brings the bytes of a file back that are elsewhere, and tells whether there were any.
    pub(crate) fn fetch(&mut self, path: &Path) -> bool {
        let elsewhere = |slot: &Slot| slot.body.as_ref().is_some_and(|body| body.presence != Presence::Here);
        let fetched = self.slots.get(path).is_some_and(elsewhere);
        if fetched {
            self.move_body(path, Presence::Here);
        }
        fetched
    }

    fn move_body(&mut self, path: &Path, to: Presence) {
        self.slots.edit(path, |slot| {
            if let Some(body) = &mut slot.body {
                body.presence = to;
            }
        });
    }

    /// The digest, computed afresh.
    #[cfg(test)]
    pub(super) fn digest_afresh(&self) -> u64 {
        self.slots.digest_afresh()
    }
}
