//! One replica's disk: the files of both roots, what of them would survive a power cut, and what the sync
//! client remembers of each.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use cloudchamber_core::{Content, Entry, EntryKind, FsError, FsOp, Path, Root, WallMs};

use crate::profile::Placeholder;
use crate::stable_hash::StableHasher;
use crate::world::choice::{Loss, Part};

/// After this long even unflushed data is on the disk. Measured: ext4 and xfs keep appended and created data in
/// memory for 32 to 40 s.
const WRITTEN_BACK_MS: u64 = 40_000;

/// The files of one replica.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    slots: Arc<BTreeMap<Path, Slot>>,
    /// The wrapping sum of the digests of all slots, kept up to date by every change.
    digest: u64,
}

impl PartialEq for Disk {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest && (Arc::ptr_eq(&self.slots, &other.slots) || self.slots == other.slots)
    }
}

impl Eq for Disk {}

impl Hash for Disk {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

/// One name on a disk: a file, or the client's memory of one.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Slot {
    /// What is there; nothing where the file was removed and the client has yet to tell the server.
    pub body: Option<Body>,
    /// The server's version that the client last brought in line with this file; 0 for none.
    pub seen: u32,
    /// Whether the file was changed or removed here since.
    pub dirty: bool,
    /// When it was last changed or removed, in the opinion of the clock that said so.
    pub modified: WallMs,
    /// What a power cut may make of it; nothing where it is safe.
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

/// Where the bytes of a file are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Presence {
    /// Elsewhere: the name and the length are here, a read fails.
    Dataless,
    /// On this disk.
    Here,
    /// Elsewhere, and a placeholder `.name.icloud` stands in for the name.
    Stub,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Unflushed {
    /// What the last flush, or the time since, made safe.
    before: Option<Content>,
    how: How,
    /// World time of the first change since, in ms.
    since: u64,
}

/// In order of how much can go wrong.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
enum How {
    Removed,
    Appended,
    /// The name moved, from or to; `key` ties both ends together so that a rename happens wholly or not.
    Renamed {
        key: u64,
    },
    Rewritten,
}

impl Disk {
    /// The running digest of everything on the disk.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// All slots, in order of their paths.
    pub fn slots(&self) -> impl Iterator<Item = (&Path, &Slot)> {
        self.slots.iter()
    }

    /// The slot of a path.
    #[must_use]
    pub fn slot(&self, path: &Path) -> Option<&Slot> {
        self.slots.get(path)
    }

    pub(crate) fn put(&mut self, path: &Path, slot: Option<Slot>) {
        let slots = Arc::make_mut(&mut self.slots);
        let old = match slot {
            Some(slot) => {
                self.digest = self.digest.wrapping_add(StableHasher::of(&(path, &slot)));
                match slots.get_mut(path) {
                    Some(place) => Some(std::mem::replace(place, slot)),
                    None => slots.insert(path.clone(), slot),
                }
            }
            None => slots.remove(path),
        };
        if let Some(old) = old {
            self.digest = self.digest.wrapping_sub(StableHasher::of(&(path, &old)));
        }
    }

    /// What a process that reads the path gets.
    pub(crate) fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        match self.slots.get(path).and_then(|slot| slot.body.as_ref()) {
            Some(Body { content, presence: Presence::Here }) => Ok(content.tail(from)),
            Some(Body { presence: Presence::Dataless, .. }) => Err(FsError::NotLocal),
            Some(Body { presence: Presence::Stub, .. }) => Err(FsError::NotFound),
            None if self.is_dir(path) => Err(FsError::Refused),
            None => Err(FsError::NotFound),
        }
    }

    fn is_dir(&self, path: &Path) -> bool {
        self.slots
            .range(path.clone()..)
            .any(|(other, slot)| slot.body.is_some() && other.below(path).is_some())
    }

    /// What a process that lists the directory gets. Names of directories come from the files below them.
    pub(crate) fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        let mut entries: BTreeMap<Arc<str>, Entry> = BTreeMap::new();
        for (path, slot) in self.slots.range(dir.clone()..) {
            let Some(name) = path.below(dir) else {
                if path.root() != dir.root() || !path.name().starts_with(dir.name()) {
                    break;
                }
                continue;
            };
            let Some(body) = &slot.body else { continue };
            let entry = match name.split_once('/') {
                Some((child, _)) => {
                    Entry { name: child.into(), kind: EntryKind::Dir, len: 0, modified: WallMs(0) }
                }
                None => Entry {
                    name: match body.presence {
                        Presence::Stub => format!(".{name}.icloud").into(),
                        _ => name.into(),
                    },
                    kind: EntryKind::File,
                    len: body.content.len() as u64,
                    modified: slot.modified,
                },
            };
            entries.entry(entry.name.clone()).or_insert(entry);
        }
        if entries.is_empty() && !dir.name().is_empty() {
            return Err(FsError::NotFound);
        }
        Ok(entries.into_values().collect())
    }

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
        if self.slots.get(path).is_none_or(|slot| slot.body.is_none()) && self.is_dir(path) {
            return Err(FsError::Refused);
        }
        let old = self.content(path)?;
        match op {
            FsOp::Append { bytes, .. } => {
                let content = match old {
                    _ if full => return Err(FsError::NoSpace),
                    Some(old) => Content::new([old.bytes(), bytes.bytes()].concat()),
                    None => bytes.clone(),
                };
                self.write(path, content, How::Appended, wall, now);
            }
            FsOp::CreateNew { .. } if old.is_some() => return Err(FsError::Exists),
            FsOp::CreateNew { content, .. } => {
                if full {
                    return Err(FsError::NoSpace);
                }
                self.write(path, content.clone(), How::Rewritten, wall, now);
            }
            FsOp::Flush { .. } => {
                let Some(slot) = self.slots.get(path).filter(|slot| slot.body.is_some()) else {
                    return Err(FsError::NotFound);
                };
                if slot.unflushed.is_some() {
                    self.put(path, Some(Slot { unflushed: None, ..slot.clone() }));
                }
            }
            FsOp::Overwrite { content, .. } => {
                let done = if part == Part::Begin || full { Content::new([]) } else { content.clone() };
                self.write(path, done, How::Rewritten, wall, now);
                if full {
                    return Err(FsError::NoSpace);
                }
            }
            FsOp::Remove { .. } => {
                if old.is_none() {
                    return Err(FsError::NotFound);
                }
                self.remove(path, How::Removed, wall, now);
            }
            FsOp::Rename { to, .. } => {
                let Some(content) = old else { return Err(FsError::NotFound) };
                let key = StableHasher::of(&(path, now));
                self.remove(path, How::Renamed { key }, wall, now);
                self.write(to, content, How::Renamed { key }, wall, now);
            }
            FsOp::Replace { content, .. } => {
                if full {
                    return Err(FsError::NoSpace);
                }
                self.write(path, content.clone(), How::Rewritten, wall, now);
                let slot = self.slots[path].clone();
                self.put(path, Some(Slot { unflushed: None, ..slot }));
            }
        }
        Ok(())
    }

    /// The content that an op meets. A placeholder's name is free; an evicted file's bytes cannot be had.
    fn content(&self, path: &Path) -> Result<Option<Content>, FsError> {
        match self.slots.get(path).and_then(|slot| slot.body.as_ref()) {
            Some(Body { content, presence: Presence::Here }) => Ok(Some(content.clone())),
            Some(Body { content, presence: Presence::Dataless }) => Ok(Some(content.clone())),
            Some(Body { presence: Presence::Stub, .. }) | None => Ok(None),
        }
    }

    fn write(&mut self, path: &Path, content: Content, how: How, wall: WallMs, now: u64) {
        let body = Some(Body { content, presence: Presence::Here });
        self.change(path, body, how, wall, now);
    }

    fn remove(&mut self, path: &Path, how: How, wall: WallMs, now: u64) {
        self.change(path, None, how, wall, now);
    }

    fn change(&mut self, path: &Path, body: Option<Body>, how: How, modified: WallMs, now: u64) {
        let old = self.slots.get(path);
        let unflushed = match old.and_then(|slot| slot.unflushed.clone()) {
            Some(earlier) if now.saturating_sub(earlier.since) < WRITTEN_BACK_MS => {
                Unflushed { how: earlier.how.max(how), ..earlier }
            }
            _ => Unflushed {
                before: old.and_then(|slot| slot.body.as_ref()).map(|body| body.content.clone()),
                how,
                since: now,
            },
        };
        let (seen, dirty) = (old.map_or(0, |slot| slot.seen), path.root() == Root::Shared);
        self.put(path, Some(Slot { body, seen, dirty, modified, unflushed: Some(unflushed) }));
    }

    /// How much of the pending op still happens when the process dies in the middle of it.
    pub(crate) fn tear(&mut self, op: &FsOp, percent: u8, begun: bool, wall: WallMs, now: u64) {
        let cut = |content: &Content| content.prefix(content.len() * usize::from(percent) / 100);
        match op {
            FsOp::Append { path, bytes } if percent > 0 => {
                let torn = FsOp::Append { path: path.clone(), bytes: cut(bytes) };
                // Where there is nothing to append to, nothing is torn.
                let _ = self.apply(&torn, Part::Whole, false, wall, now);
            }
            FsOp::Overwrite { path, content } if percent > 0 || begun => {
                self.write(path, cut(content), How::Rewritten, wall, now);
            }
            _ => {}
        }
    }

    /// What a power cut leaves.
    pub(crate) fn lose(&mut self, loss: Loss, now: u64) {
        if loss == Loss::Kept {
            return;
        }
        let at_risk: Vec<_> = self
            .slots
            .iter()
            .filter_map(|(path, slot)| Some((path.clone(), slot.clone(), slot.unflushed.clone()?)))
            .collect();
        for (path, slot, unflushed) in at_risk {
            let body = if now.saturating_sub(unflushed.since) >= WRITTEN_BACK_MS {
                slot.body.as_ref().map(|body| body.content.clone())
            } else {
                unflushed.after(slot.body.as_ref().map(|body| &body.content), loss, &path)
            };
            let body = body.map(|content| Body { content, presence: Presence::Here });
            // The client finds the file changed, unless the disk is back at what the client had synced.
            let dirty = slot.dirty || body != slot.body;
            let gone = body.is_none() && slot.seen == 0;
            let slot = Slot { body, dirty: dirty && path.root() == Root::Shared, unflushed: None, ..slot };
            self.put(&path, Some(slot).filter(|_| !gone));
        }
    }

    pub(crate) fn evict(&mut self, path: &Path, placeholder: Placeholder) -> bool {
        let presence = match placeholder {
            Placeholder::None => return false,
            Placeholder::Dataless => Presence::Dataless,
            Placeholder::Stub => Presence::Stub,
        };
        self.move_body(path, presence, |slot| !slot.dirty && slot.unflushed.is_none())
    }

    pub(crate) fn fetch(&mut self, path: &Path) -> bool {
        self.move_body(path, Presence::Here, |_| true)
    }

    fn move_body(&mut self, path: &Path, to: Presence, allowed: fn(&Slot) -> bool) -> bool {
        let Some(slot) = self.slots.get(path).filter(|slot| allowed(slot)) else { return false };
        let Some(body) = slot.body.as_ref().filter(|body| body.presence != to) else { return false };
        let body = Some(Body { presence: to, ..body.clone() });
        let slot = Slot { body, ..slot.clone() };
        self.put(path, Some(slot));
        true
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
        self.put(path, Some(Slot { body, seen, dirty, modified, unflushed: None }));
    }
}

impl Unflushed {
    fn after(&self, now: Option<&Content>, loss: Loss, path: &Path) -> Option<Content> {
        let fate = match loss {
            Loss::Mixed(seed) => match &self.how {
                How::Renamed { key } => StableHasher::of(&(seed, key)) % 2,
                _ => StableHasher::of(&(seed, path)) % 4,
            },
            Loss::Old => 0,
            Loss::Kept => 1,
            Loss::Empty => 2,
            Loss::Nul => 3,
        };
        let (old, new) = (|| self.before.clone(), || now.cloned());
        match (&self.how, fate) {
            (_, 0) => old(),
            (_, 1) | (How::Removed, _) => new(),
            // An append is cut somewhere; measured: the old length, never NUL bytes.
            (How::Appended, _) => now.map(|now| {
                let kept = self.before.as_ref().map_or(0, Content::len);
                let more = now.len().saturating_sub(kept);
                let part = match loss {
                    Loss::Mixed(seed) => {
                        (StableHasher::of(&(seed, path, "cut")) % (more as u64 + 1)) as usize
                    }
                    _ => 0,
                };
                now.prefix(kept + part)
            }),
            (How::Renamed { .. } | How::Rewritten, 2) => now.map(|_| Content::new([])),
            (How::Renamed { .. } | How::Rewritten, _) => now.map(|now| Content::new(vec![0; now.len()])),
        }
    }
}
