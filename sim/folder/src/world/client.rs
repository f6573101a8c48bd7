//! The sync client of a replica: what it sends, what it puts on the disk, and what it does about conflicts.

use cloudchamber_core::{Content, Path, Root, WallMs};

use super::cloud::{Cloud, Version};
use super::disk::{Body, Disk, Presence, Slot};
use super::{Commit, Conflict, Effects, Refused};
use crate::ReplicaId;
use crate::profile::{Arrival, CreateConflict, DeleteConflict, EditConflict, Mtime, Naming, Rules};

/// One client at work: the two copies it keeps in line, and who and when it is.
pub(crate) struct Client<'a, P: cloudchamber_core::Protocol> {
    pub(crate) id: ReplicaId,
    pub(crate) host: &'a str,
    pub(crate) rules: &'a Rules,
    pub(crate) wall: WallMs,
    pub(crate) disk: &'a mut Disk,
    pub(crate) cloud: &'a mut Cloud,
    pub(crate) effects: &'a mut Effects<P>,
}

/// What to do about a file that was changed on both sides.
enum Resolution {
    /// The file here goes to the server.
    Local,
    /// The server's version comes here; the file here becomes a copy.
    ServerAndCopy,
    /// The file here goes to the server; the server's version becomes a copy.
    LocalAndCopy,
    /// The server's version will come here; the file here disappears without a trace.
    ServerLater,
    /// Each becomes a copy, and the name goes.
    BothCopies,
    /// Both, in one file.
    Markers,
    /// Nothing goes anywhere: each side keeps its own.
    EachKeeps,
}

impl<P: cloudchamber_core::Protocol> Client<'_, P> {
    /// Reads a changed file and brings it to the server, or finds that it was changed there too.
    pub(crate) fn upload(&mut self, path: &Path) -> Result<(), Refused> {
        let slot = self.disk.slot(path).filter(|slot| slot.dirty && path.root() == Root::Shared);
        let Some(slot) = slot.cloned() else {
            return Err(Refused(format!("{path} was not changed at replica {}", self.id)));
        };
        let latest = self.cloud.latest(path);
        if slot.seen == latest {
            self.send(path, slot);
            return Ok(());
        }
        let server = self.cloud.file(path).expect("a version newer than the one seen is on the server");
        let server = server.newest().clone();
        let local = slot.body.as_ref().map(|body| &body.content);
        if local == server.content.as_ref() {
            self.settle(path, slot, latest);
            return Ok(());
        }
        let resolution = self.resolve(&slot, &server);
        let lost_here = matches!(
            resolution,
            Resolution::ServerAndCopy | Resolution::ServerLater | Resolution::BothCopies
        );
        let mut conflict = Conflict {
            path: path.clone(),
            copy: None,
            winner_as: None,
            winner: server.author,
            loser: server.author,
        };
        *(if lost_here { &mut conflict.loser } else { &mut conflict.winner }) = self.id;
        match resolution {
            Resolution::Local => self.send(path, slot),
            Resolution::ServerAndCopy => {
                let content = local.cloned().expect("a removal has nothing to copy");
                conflict.copy = Some(self.copy(path, content, slot.modified, server.author));
                self.bring(path, &server, latest, Arrival::Whole);
            }
            Resolution::LocalAndCopy => {
                let content = server.content.clone().expect("a removal has nothing to copy");
                conflict.copy = Some(self.copy(path, content, server.modified, self.id));
                self.send(path, slot);
            }
            Resolution::BothCopies => {
                let both = [(server.content.as_ref(), server.modified), (local, slot.modified)];
                let [winner, loser] = both.map(|(content, modified)| {
                    let content = content.cloned().expect("a removal has nothing to copy");
                    self.copy(path, content, modified, server.author)
                });
                (conflict.winner_as, conflict.copy) = (Some(winner), Some(loser));
                self.send(path, Slot { body: None, ..slot });
            }
            Resolution::ServerLater => {
                // The file here stays what a process here reads until the server's version arrives: that one
                // or a later one, none before.
                self.disk.settle(path, latest - 1);
                self.effects.owed.push((self.id, path.clone(), latest));
            }
            // It counts as settled: whichever side changes it next sends that.
            Resolution::EachKeeps => self.settle(path, slot, latest),
            Resolution::Markers => {
                let text =
                    |content: Option<&Content>| content.map_or(vec![], |content| content.bytes().to_vec());
                let merged = [
                    b"<<<<<<< ours\n".to_vec(),
                    text(local),
                    b"\n=======\n".to_vec(),
                    text(server.content.as_ref()),
                    b"\n>>>>>>> theirs\n".to_vec(),
                ]
                .concat();
                let body = Some(Body { content: Content::new(merged), presence: Presence::Here });
                self.send(path, Slot { body, ..slot });
            }
        }
        self.effects.conflicts.push(conflict);
        Ok(())
    }

    fn resolve(&self, slot: &Slot, server: &Version) -> Resolution {
        match (self.rules.conflict_naming, self.resolve_by_rules(slot, server)) {
            // Whose conflicts never make copies keeps the loser in its history only.
            (Naming::Git, Resolution::ServerAndCopy | Resolution::BothCopies) => Resolution::ServerLater,
            (Naming::Git, Resolution::LocalAndCopy) => Resolution::Local,
            (_, resolution) => resolution,
        }
    }

    fn resolve_by_rules(&self, slot: &Slot, server: &Version) -> Resolution {
        let newer_here = (slot.modified, self.id) > (server.modified, server.author);
        match (&slot.body, &server.content) {
            (None, _) | (_, None) => {
                let removed_here = slot.body.is_none();
                let keep_here = match self.rules.delete_conflict {
                    DeleteConflict::EachKeeps => return Resolution::EachKeeps,
                    DeleteConflict::EditWins => !removed_here,
                    DeleteConflict::DeleteWins => removed_here,
                    DeleteConflict::NewerWins => newer_here,
                };
                match (keep_here, removed_here) {
                    (true, _) => Resolution::Local,
                    (false, true) => Resolution::ServerLater,
                    // The edit gives way to the removal and survives as a copy.
                    (false, false) => Resolution::ServerAndCopy,
                }
            }
            (Some(_), Some(_)) => {
                if slot.seen == 0 && self.rules.create_conflict == CreateConflict::NewIsRenamed {
                    return Resolution::ServerAndCopy;
                }
                match self.rules.edit_conflict {
                    EditConflict::LoserInvisible => Resolution::ServerLater,
                    EditConflict::LaterSavedIsCopied => Resolution::ServerAndCopy,
                    EditConflict::OlderMtimeIsCopied if newer_here => Resolution::LocalAndCopy,
                    EditConflict::OlderMtimeIsCopied => Resolution::ServerAndCopy,
                    EditConflict::BothAreCopied => Resolution::BothCopies,
                    EditConflict::MergeMarkers => Resolution::Markers,
                    EditConflict::EachKeeps => Resolution::EachKeeps,
                }
            }
        }
    }

    /// The server takes what is in the slot as the newest version.
    fn send(&mut self, path: &Path, slot: Slot) {
        if slot.body.is_none() && self.cloud.latest(path) == 0 {
            self.disk.put(path, None);
            return;
        }
        let content = slot.body.as_ref().map(|body| body.content.clone());
        let removed = content.is_none();
        let version = Version { content, modified: self.kept(slot.modified), author: self.id };
        let number = self.cloud.commit(path, version);
        self.effects.committed.push(Commit { path: path.clone(), version: number, author: self.id, removed });
        self.settle(path, slot, number);
    }

    /// The slot is in line with the server's version.
    fn settle(&mut self, path: &Path, slot: Slot, seen: u32) {
        self.disk.put(path, Some(Slot { seen, dirty: false, ..slot }));
    }

    /// Keeps a losing content under another name, here and on the server. `winner` is who goes on under the
    /// old name.
    fn copy(&mut self, path: &Path, content: Content, modified: WallMs, winner: ReplicaId) -> Path {
        let dir = path.parent().expect("a file lies in a directory");
        let copies = self.copies(&dir, path.file_name());
        if let Some(most) = self.rules.conflict_copies_max {
            let surplus = (copies.len() + 1).saturating_sub(usize::try_from(most).unwrap_or(usize::MAX));
            for old in copies.iter().take(surplus) {
                if let Some(slot) = self.disk.slot(old).cloned() {
                    self.send(old, Slot { body: None, dirty: true, ..slot });
                }
            }
        }
        let taken = |name: &str| {
            let path = dir.join(name);
            self.disk.slot(&path).is_some()
                || self.cloud.file(&path).is_some()
                || self.disk.is_obstructed(&path)
        };
        let editor = match self.rules.conflict_naming {
            Naming::Syncthing => winner.to_string(),
            _ => self.host.to_owned(),
        };
        let number = u32::try_from(copies.len()).unwrap_or(u32::MAX);
        let naming = &self.rules.conflict_naming;
        let name = naming.conflict_name(path.file_name(), self.wall, &editor, number, &taken);
        let copy = dir.join(&name);
        let body = Some(Body { content, presence: Presence::Here });
        self.disk.place(&copy, body, 0, true, modified);
        let slot = self.disk.slot(&copy).cloned().expect("placed just now");
        self.send(&copy, slot);
        self.effects.files_changed = true;
        copy
    }

    /// The copies of a file that are on this disk, oldest first.
    fn copies(&self, dir: &Path, file_name: &str) -> Vec<Path> {
        let naming = self.rules.conflict_naming;
        let of_this = |name: &str| naming.is_copy_of(name, file_name);
        let mut copies: Vec<_> = self
            .disk
            .slots()
            .filter(|(path, slot)| slot.body.is_some() && path.below(dir).is_some_and(of_this))
            .map(|(path, slot)| (slot.modified, path.clone()))
            .collect();
        copies.sort();
        copies.into_iter().map(|(_, path)| path).collect()
    }

    /// Puts a version of the server's on the disk.
    pub(crate) fn download(&mut self, path: &Path, back: u32, arrival: Arrival) -> Result<(), Refused> {
        let id = self.id;
        let Some(file) = self.cloud.file(path) else {
            return Err(Refused(format!("the server has no {path}")));
        };
        let Some(version) = file.version(back).cloned() else {
            return Err(Refused(format!(
                "version {back} before the newest of {path} is no longer on its way"
            )));
        };
        let number = file.latest() - back;
        let slot = self.disk.slot(path);
        if slot.is_some_and(|slot| slot.dirty) {
            return Err(Refused(format!(
                "{path} was changed at replica {id} and goes up before it comes down"
            )));
        }
        if slot.map_or(0, |slot| slot.seen) >= number {
            return Err(Refused(format!("replica {id} has version {number} of {path} or a newer one")));
        }
        if version.content.is_some() && self.disk.is_obstructed(path) {
            return Err(Refused(format!("a file and a directory meet in {path} at replica {id}")));
        }
        self.bring(path, &version, number, arrival);
        Ok(())
    }

    fn bring(&mut self, path: &Path, version: &Version, number: u32, arrival: Arrival) {
        let modified = match self.rules.mtime {
            Mtime::Kept { .. } => version.modified,
            Mtime::Arrival => self.wall,
        };
        if let (Arrival::Beside { percent, stays }, Some(content)) = (arrival, &version.content) {
            self.gather(path, content, percent, stays);
            return;
        }
        self.drop_temporary(path);
        let seen = self.disk.slot(path).map_or(0, |slot| slot.seen);
        let here = |content: Content, presence| Some(Body { content, presence });
        let cut = |content: &Content, percent: u8| {
            content.prefix(content.len() * usize::from(percent.min(100)) / 100)
        };
        let (body, seen) = match (&version.content, arrival) {
            (None, _) => (None, number),
            (Some(content), Arrival::Whole) => (here(content.clone(), Presence::Here), number),
            (Some(content), Arrival::Stub) => {
                let presence = self.rules.placeholder.stub().map_or(Presence::Dataless, Presence::Stub);
                (here(content.clone(), presence), number)
            }
            // The rest is still to come: the client does not count the version as brought.
            (Some(_), Arrival::Gap) => (None, seen),
            (Some(_), Arrival::Empty) => (here(Content::new([]), Presence::Here), seen),
            (Some(content), Arrival::Nul) => {
                (here(Content::new(vec![0; content.len()]), Presence::Here), seen)
            }
            (Some(content), Arrival::Prefix { percent } | Arrival::Beside { percent, .. }) => {
                (here(cut(content, percent), Presence::Here), seen)
            }
            // Its index says that the version is here, and the file is another one.
            (Some(content), Arrival::Cut { percent }) => {
                (here(cut(content, percent), Presence::Here), number)
            }
        };
        let changed = version.content.is_some() && matches!(arrival, Arrival::Cut { .. });
        if changed {
            self.effects.touched.push(path.clone());
        }
        self.disk.place(path, body, seen, changed, if changed { self.wall } else { modified });
        self.effects.files_changed = true;
    }

    /// The temporary file in which the client gathers a version; `None` if it has none, or the name is somebody else's.
    fn temporary(&self, path: &Path) -> Option<Path> {
        self.beside(path).filter(|beside| self.is_own(beside))
    }

    /// What the temporary file would be called.
    fn beside(&self, path: &Path) -> Option<Path> {
        Some(path.parent()?.join(&self.rules.temporary.beside(path.file_name())?))
    }

    /// Whether nobody else has this name for a file.
    fn is_own(&self, beside: &Path) -> bool {
        self.disk.slot(beside).is_none_or(|slot| !slot.dirty && slot.seen == 0)
            && self.cloud.file(beside).is_none()
            && !self.disk.is_obstructed(beside)
    }

    /// Puts the first bytes of a version into the temporary file beside it. Where it `stays`, the client was killed and will
    /// take it for a file of the user's.
    fn gather(&mut self, path: &Path, content: &Content, percent: u8, stays: bool) {
        let Some(beside) = self.temporary(path) else { return };
        let some = content.prefix(content.len() * usize::from(percent.min(100)) / 100);
        let body = Some(Body { content: some, presence: Presence::Here });
        self.disk.place(&beside, body, 0, stays, self.wall);
        if stays {
            self.effects.touched.push(beside);
        }
        self.effects.files_changed = true;
    }

    /// What was gathered becomes the version itself.
    fn drop_temporary(&mut self, path: &Path) {
        if let Some(beside) = self.beside(path)
            && self.disk.slot(&beside).is_some()
            && self.is_own(&beside)
        {
            self.disk.put(&beside, None);
        }
    }

    /// Takes every file here for new and forgets removals. Placeholders are asked for again.
    pub(crate) fn reset_index(&mut self) {
        let slots: Vec<_> = self.disk.slots().map(|(path, slot)| (path.clone(), slot.clone())).collect();
        for (path, slot) in slots.into_iter().filter(|(path, _)| path.root() == Root::Shared) {
            match &slot.body {
                Some(body) if body.presence == Presence::Here || slot.dirty => {
                    self.effects.touched.push(path.clone());
                    self.disk.put(&path, Some(Slot { seen: 0, dirty: true, ..slot }));
                }
                Some(_) => self.disk.place(&path, None, 0, false, slot.modified),
                None => self.disk.put(&path, Some(Slot { seen: 0, dirty: false, ..slot })),
            }
        }
        for (path, file) in self.cloud.files() {
            self.effects.owed.push((self.id, path.clone(), file.latest()));
        }
    }

    fn kept(&self, modified: WallMs) -> WallMs {
        match self.rules.mtime {
            Mtime::Kept { granularity_ms } => {
                let grain = i64::try_from(granularity_ms.max(1)).unwrap_or(i64::MAX);
                WallMs(modified.0 - modified.0.rem_euclid(grain))
            }
            Mtime::Arrival => modified,
        }
    }
}
