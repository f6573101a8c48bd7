//! Reading the view: the files of the others become evidence, and its own files are compared with what it wrote.

use super::clock::LATE_MS;
use super::places::{self, Place};
use super::record::{Found, Life, Record, Role, Said};
use super::{Context, Replica, is_away};
use crate::failover::records::{LEN_MAX, ProblemKind};
use crate::failover::{Config, Event, StandbyBecause, device};
use crate::kit::own_file::{self, Standing};
use crate::{Entry, EntryKind, FsError, Mono, Path};

/// What the directory of the device files is.
enum Devices {
    /// The files in it; empty if nobody has written yet.
    Listed(Vec<Entry>),
    /// The folder itself cannot be reached.
    Away(FsError),
    /// The folder is there, and the directory cannot be listed.
    Unreadable(FsError),
}

impl Devices {
    fn list(cx: &Context<'_>) -> Self {
        match cx.list(&device::devices_dir()) {
            Ok(entries) => Self::Listed(entries),
            Err(error) if is_away(error) => Self::Away(error),
            Err(FsError::NotFound) => match cx.list(&Path::shared("")) {
                Err(error) if is_away(error) => Self::Away(error),
                _ => Self::Listed(Vec::new()),
            },
            Err(error) => Self::Unreadable(error),
        }
    }
}

/// After which silence one whose file was removed is nobody's peer, in ms.
fn silent_ms_max(config: &Config) -> u64 {
    config.timing.device_unseen_ms.saturating_mul(2)
}

impl Replica {
    /// Compares the clocks with those of the last step. After a gap nothing that was seen before counts.
    pub(super) fn note_time(&mut self, config: &Config, cx: &mut Context<'_>) {
        let (now, hardened) = (cx.now(), &config.hardened);
        let gap = self.evidence.tick(hardened, now);
        self.lease.slept(gap.slept_ms);
        self.own.slept(gap.slept_ms);
        self.outbox.slept(gap.slept_ms);
        if gap.late_ms > LATE_MS && self.own.said.role == Role::Active {
            self.lease.doubt_last_beat(self.own.said.beat, gap.late_ms, hardened, now.mono);
        }
        if gap.late_ms > hardened.look_ms {
            self.watch_anew(now.mono);
        } else if gap.late_ms > LATE_MS {
            self.evidence.discount(gap.late_ms, hardened, now.mono);
        }
    }

    /// Gathers all evidence anew, and waits for objections anew.
    pub(super) fn watch_anew(&mut self, now: Mono) {
        self.evidence.forget(now);
        if matches!(self.own.said.role, Role::Candidate | Role::Released) {
            self.take_role(self.own.said.role, now);
        }
    }

    /// Reads all device files, unless that would find what the last looks found.
    pub(super) fn look(&mut self, config: &Config, cx: &mut Context<'_>) {
        let digest = cx.fs().digest(&Path::shared(""));
        let forgets = self.evidence.is_anybody_silent(silent_ms_max(config), cx.now().mono);
        if !(self.away.is_none() && self.looked.knows(digest) && !forgets) {
            self.looked.reads(digest);
            self.look_in_full(config, cx);
        }
    }

    fn look_in_full(&mut self, config: &Config, cx: &mut Context<'_>) {
        let entries = match Devices::list(cx) {
            Devices::Listed(entries) => entries,
            Devices::Away(error) => return self.fall_back(error, cx),
            Devices::Unreadable(error) => {
                self.looked.forget();
                return self.troubles.found(&device::devices_dir(), ProblemKind::Unreadable(error), cx);
            }
        };
        if !self.is_home(&entries) {
            return self.fall_back(FsError::NotFound, cx);
        }
        self.come_back(config, cx);
        let mut own_there = 0;
        for entry in &entries {
            if entry.kind != EntryKind::File || !places::may_be_one(&entry.path) {
                continue;
            }
            let own = self.outbox.place(&entry.path).cloned();
            own_there += usize::from(own.as_ref().is_some_and(|place| place.beat > 0));
            match own {
                _ if entry.len > LEN_MAX => self.look_at_too_large(&entry.path, own.is_some(), config, cx),
                Some(place) => self.look_at_own(&place, config, cx),
                None => self.look_at_other(&entry.path, config, cx),
            }
        }
        self.look_at_copies(config, cx);
        if own_there < self.outbox.written_places() {
            // Removed, or gone for the moment in which a client replaces it: the owner writes it again.
            self.looked.forget();
            self.outbox.urge();
        }
        self.own.said.wants_ms = self.evidence.wants_ms();
        self.forget_the_removed(&entries, config, cx.now().mono);
    }

    /// Who is silent for long and whose file was removed is nobody's peer. While its file is there it is remembered: an
    /// old file that nobody remembers looks like the first word of somebody who lives.
    fn forget_the_removed(&mut self, entries: &[Entry], config: &Config, now: Mono) {
        let is_there = |id: &str| {
            let file = device::file_name(id);
            entries.iter().any(|entry| places::belongs(entry.name(), &file))
        };
        if self.evidence.forget_silent(silent_ms_max(config), now, |id| !is_there(id)) {
            self.looked.forget();
        }
    }

    /// Reads what lies in copies of the directory: of two halves neither would see the other.
    fn look_at_copies(&mut self, config: &Config, cx: &mut Context<'_>) {
        for dir in device::copies_of_devices(cx.fs()) {
            self.looked.forget();
            self.troubles.found(&dir, ProblemKind::DirectoryCopy, cx);
            for entry in cx.list(&dir).unwrap_or_default() {
                let is_file = entry.kind == EntryKind::File && places::may_be_one(&entry.path);
                if !is_file || entry.len > LEN_MAX {
                    continue;
                }
                let Ok(content) = cx.read(&entry.path) else { continue };
                if let Found::Record(record, its) = &*content.parsed(Record::parse)
                    && places::belongs(entry.name(), its)
                    && record.coordination.id != self.own.said.id
                {
                    self.own.adopt_voters(record.coordination.voters.as_ref());
                    self.evidence.hear(record, &self.own, &config.hardened, cx.now().mono);
                }
            }
        }
    }

    /// Whether this is the folder that the replica worked in, by a file of its own or of a replica that it knows. A
    /// file system that was unmounted leaves an empty directory of the same name, and one that is mounted in its place
    /// has other files.
    ///
    /// A folder in which no life of this identity has written anything is taken as it is: the first start in an empty
    /// folder. A life that has yet to write, and knows nobody, knows the folder by the file of any replica.
    fn is_home(&self, entries: &[Entry]) -> bool {
        let expects_own = self.outbox.expects_own(&self.troubles);
        let known = |entry: &Entry| {
            let is_of = |id: &str| places::belongs(entry.name(), &device::file_name(id));
            self.outbox.place(&entry.path).is_some()
                || self.evidence.peers().any(|(id, _)| is_of(id))
                || (!expects_own && places::may_be_one(&entry.path))
        };
        let knows_it = expects_own || self.own.wrote_here;
        !knows_it || entries.iter().any(|entry| entry.kind == EntryKind::File && known(entry))
    }

    /// A file that no replica writes: it is not read, and one of its own is written anew.
    fn look_at_too_large(&mut self, path: &Path, own: bool, config: &Config, cx: &mut Context<'_>) {
        self.looked.forget();
        if own {
            self.outbox.urge();
        } else {
            self.unreadable(FsError::NotLocal, config);
        }
        self.troubles.found(path, ProblemKind::TooLarge, cx);
    }

    fn look_at_other(&mut self, path: &Path, config: &Config, cx: &mut Context<'_>) {
        let content = match cx.read(path) {
            Ok(content) => content,
            Err(error) => {
                self.looked.forget();
                self.unreadable(error, config);
                return self.troubles.found(path, ProblemKind::Unreadable(error), cx);
            }
        };
        let kind = match &*content.parsed(Record::parse) {
            Found::Record(record, its) if places::belongs(path.file_name(), its) => {
                match self.own.said.at_odds(&record.coordination).filter(|_| **its == *path.file_name()) {
                    Some((theirs, ours)) => {
                        self.troubles.found(path, ProblemKind::OtherSettings { theirs, ours }, cx);
                    }
                    None => self.troubles.solved(path),
                }
                self.own.adopt_voters(record.coordination.voters.as_ref());
                self.evidence.hear(record, &self.own, &config.hardened, cx.now().mono);
                let saw = record.coordination.saw.get(&self.own.said.id);
                if saw.is_some_and(|saw| self.is_anothers(saw.life)) {
                    self.was_copied(path, config, cx);
                }
                return;
            }
            Found::Record(..) => ProblemKind::NameMismatch,
            Found::Other => return,
            Found::Broken(malformed) => {
                self.unreadable(FsError::NotLocal, config);
                ProblemKind::Corrupt(*malformed)
            }
        };
        self.looked.forget();
        self.troubles.found(path, kind, cx);
    }

    /// Something is there that cannot be read yet: nobody who has just started founds a new succession meanwhile,
    /// unless it takes long.
    fn unreadable(&mut self, error: FsError, config: &Config) {
        if error != FsError::NotFound && self.evidence.top(&self.own).is_none() {
            let at = self.evidence.awake_since().plus(config.hardened.wait_ms);
            self.succession.wait_until(at.max(self.succession.not_before()));
        }
    }

    /// Whether nobody but a copy of this identity can have had that life.
    fn is_anothers(&self, life: Life) -> bool {
        own_file::compare(version(life, 0), version(self.own.said.life, 0)) == Standing::Foreign
    }

    /// A copy of this identity lives elsewhere, as a file shows, and this one takes a new one.
    fn was_copied(&mut self, path: &Path, config: &Config, cx: &mut Context<'_>) {
        self.looked.forget();
        self.stop(StandbyBecause::IdentityCopied, cx);
        cx.event(Event::IdentityCopied { path: path.clone() });
        self.take_new_identity(config, cx);
    }

    /// Its own file, as its own disk shows it.
    fn look_at_own(&mut self, place: &Place, config: &Config, cx: &mut Context<'_>) {
        let path = &place.path;
        let kind = match cx.read(path) {
            Ok(content) => match &*content.parsed(Record::parse) {
                Found::Record(record, _) if record.coordination.id == self.own.said.id => {
                    if !matches!(self.troubles.of(path), Some(ProblemKind::Unwritten(_))) {
                        self.troubles.solved(path);
                    }
                    return self.compare_own(&record.coordination, place, config, cx);
                }
                Found::Record(..) | Found::Other => ProblemKind::NameMismatch,
                Found::Broken(malformed) => ProblemKind::Corrupt(*malformed),
            },
            // Evicted: what the file says is what was written last.
            Err(FsError::NotLocal) => return,
            Err(error) => ProblemKind::Unreadable(error),
        };
        self.looked.forget();
        self.outbox.urge();
        self.troubles.found(path, kind, cx);
    }

    /// An older version of its own came back: it is written over. A version that this life did not write, and none
    /// before it: a copy of this identity lives elsewhere, and both take a new one.
    fn compare_own(&mut self, there: &Said, place: &Place, config: &Config, cx: &mut Context<'_>) {
        match own_file::compare(version(there.life, there.beat), version(self.own.said.life, place.beat)) {
            Standing::Same => {}
            Standing::Older => {
                self.looked.forget();
                // Of an earlier life, beside the device file, it harms nobody: the newest counts.
                if place.beat > 0 || place.path == *self.outbox.places().device_file() {
                    self.outbox.urge();
                }
            }
            Standing::Foreign => self.was_copied(&place.path, config, cx),
        }
    }
}

/// A version of an own file, as [`own_file::compare`] takes it.
fn version(life: Life, beat: u64) -> ((u64, u32), u64) {
    ((life.number, life.nonce), beat)
}
