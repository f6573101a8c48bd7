//! Appending to one's own journals: numbers that are never used twice, and events that are never lost.
//!
//! Beside each shared file a machine keeps a *shadow*, a copy in the local folder. An event goes to the shadow
//! first and is flushed there, then to the shared file. So the shadow tells which numbers were used, whatever a
//! crash, an eviction or an older copy brought back by the sync client did to the shared file, and every open
//! makes the shared file whole again from it.

use std::collections::BTreeSet;

use xxhash_rust::xxh3::xxh3_64;

use super::clock::{Hybrid, followed_ms, latest};
use super::event::{Event, Writing};
use super::file::{File, LINE_MAX, Reading, Stop};
use super::identity::{Identity, identity, is_absent};
use super::kept::lack;
use super::layout::{MACHINES, checksums_path, identity_path, journal_path, shadow_path};
use super::refusal::{Refusal, bytes, len, refuse_legacy};
use super::schema::Log;
use super::seal::{Seal, seals};
use super::{Checksums, Design};
use crate::kit::text::plain;
use crate::{Content, Fs, FsError, FsOp, Now, Path, WallMs};

/// One of the own journals, as far as an appender must know it.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Tail {
    /// Its length in bytes.
    len: u64,
    /// The digest of its last line that is not blank.
    last: Option<u64>,
    /// Bytes that its checksum covers.
    sealed: u64,
}

/// A machine that appends to its own journals. Whoever holds one is the only writer of these files.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Writer {
    identity: Identity,
    /// The latest stamp that its clock followed when it was opened, in ms since 1970.
    followed_ms: i64,
    clock: Hybrid,
    /// The part of it that its own journals tell.
    own_clock: Hybrid,
    tails: [Tail; 4],
    /// What was wrong with the own files when they were opened, in words.
    pub repaired: Vec<String>,
}

/// What an append was.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Appended {
    /// Its file.
    pub path: Path,
    /// Its number.
    pub seq: i64,
    /// Its place in causal time.
    pub hybrid: Hybrid,
    /// Its line, without the newline.
    pub line: String,
}

/// How much of a file's end is looked at first.
const TAIL_BYTES: u64 = 64 * 1024;
/// A file up to this length is sealed at every append; a longer one when it has grown by [`TAIL_BYTES`].
const SEAL_EACH_MAX: u64 = 256 * 1024;

impl Writer {
    /// Reads who this machine is and how its files end. The ops make them whole; they are applied before any
    /// append. `seen` is the largest clock that it noted.
    ///
    /// # Errors
    /// Where the machine has no identity, the folder has the layout before machines, or an own file cannot be
    /// read: a file that is not here is no empty file.
    pub fn open(
        fs: &dyn Fs,
        design: &Design,
        seen: Hybrid,
        wall: WallMs,
    ) -> Result<(Self, Vec<FsOp>), Refusal> {
        let (writer, ops) = Self::open_anyway(fs, design, seen, wall)?;
        if design.checksums == Checksums::PerMachine && writer.is_away(fs)? {
            return Err(Refusal::Absent(writer.identity.id));
        }
        if design.checksums == Checksums::PerMachine
            && let Some(lack) = lack(fs)
        {
            return Err(Refusal::Lacks(lack));
        }
        Ok((writer, ops))
    }

    /// As [`Writer::open`], also in a folder that has nothing of this machine any more, or lacks much of what was known: the
    /// ops write its journals anew.
    ///
    /// # Errors
    /// As [`Writer::open`].
    pub fn open_anyway(
        fs: &dyn Fs,
        design: &Design,
        seen: Hybrid,
        wall: WallMs,
    ) -> Result<(Self, Vec<FsOp>), Refusal> {
        refuse_legacy(fs)?;
        let identity = identity(fs)?;
        let followed_ms = followed_ms(wall, identity.created_at);
        let mut writer = Self {
            identity,
            followed_ms,
            clock: latest([seen].into_iter(), followed_ms),
            own_clock: Hybrid::default(),
            tails: Default::default(),
            repaired: Vec::new(),
        };
        let mut ops = Vec::new();
        for (at, log) in Log::SHARED.into_iter().enumerate() {
            let tail = match design.checksums {
                Checksums::PerMachine => writer.repair(fs, log, &mut ops)?,
                Checksums::Shared => {
                    Tail { len: len(fs, &journal_path(&writer.identity.id, log))?, ..Tail::default() }
                }
            };
            writer.tails[at] = tail;
        }
        if design.checksums == Checksums::PerMachine {
            let seals = seals(fs, &checksums_path(design, &writer.identity.id));
            for (at, log) in Log::SHARED.into_iter().enumerate() {
                writer.tails[at].sealed = seals.get(log.file_name()).map_or(0, |seal| seal.bytes);
            }
        }
        Ok((writer, ops))
    }

    /// Whether the folder has nothing of what it wrote: an append would make its directory anew in the place of a folder
    /// that has not arrived, or is not mounted.
    ///
    /// # Errors
    /// If its shadow cannot be read.
    pub fn is_away(&self, fs: &dyn Fs) -> Result<bool, Refusal> {
        is_absent(fs, &self.identity)
    }

    /// Who it is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The largest clock it has seen.
    #[must_use]
    pub fn clock(&self) -> Hybrid {
        self.clock
    }

    /// The largest clock among the records at the end of its own journals.
    #[must_use]
    pub fn own_clock(&self) -> Hybrid {
        self.own_clock
    }

    /// Whether one of its own journals is here.
    #[must_use]
    pub fn is_here(&self, fs: &dyn Fs) -> bool {
        let entries = fs.list(&Path::shared(MACHINES).join(&self.identity.id)).unwrap_or_default();
        entries.iter().any(|entry| Log::from_file_name(entry.name()).is_some())
    }

    /// Whether somebody else changed an own journal or the identity since they were opened, as far as their ends tell, or
    /// removed a journal while others of its own are here. Where none is, the folder may be away, and what cannot be read is
    /// no change: the next open finds out.
    #[must_use]
    pub fn is_outdone(&self, fs: &dyn Fs) -> bool {
        let changed = |(tail, log): (&Tail, Log)| {
            let from = tail.len.saturating_sub(TAIL_BYTES);
            let path = journal_path(&self.identity.id, log);
            let mut end = match fs.read(&path, from) {
                Ok(end) => end,
                Err(FsError::NotFound) => return tail.len > 0 && self.is_here(fs),
                Err(_) => return false,
            };
            if from + end.len() as u64 != tail.len {
                return true;
            }
            if from > 0 && !end.bytes().trim_ascii_end().contains(&b'\n') {
                let Ok(whole) = fs.read(&path, 0) else { return false };
                end = whole;
            }
            let mut lines = end.bytes().rsplit(|&byte| byte == b'\n');
            let last = lines.find(|line| !line.trim_ascii().is_empty());
            last.map(|line| xxh3_64(line.strip_suffix(b"\r").unwrap_or(line))) != tail.last
        };
        let renamed = identity(fs)
            .is_ok_and(|found| (&found.id, found.owner) != (&self.identity.id, self.identity.owner));
        renamed || self.tails.iter().zip(Log::SHARED).any(changed)
    }

    /// Forgets a clock that is ahead of everything that may be followed now: this machine's wall clock was ahead for a
    /// while and is right again.
    pub(super) fn forget_ahead(&mut self, wall: WallMs) {
        let followed_ms = followed_ms(wall, self.identity.created_at);
        for clock in [&mut self.clock, &mut self.own_clock] {
            *clock = latest([*clock].into_iter(), followed_ms);
        }
    }

    /// Takes note of a record that was seen.
    pub fn see(&mut self, seen: Hybrid) {
        self.clock = self.clock.max(seen);
    }

    /// Plans one append. The event counts once every op is applied; after a failed op the writer is opened anew.
    ///
    /// *Crash:* before the flush of the shadow the event may be lost and its number is free; after it the next
    /// open completes the event, acknowledged or not.
    /// *Elsewhere:* any prefix of the shared file.
    ///
    /// # Errors
    /// [`Refusal::Event`] where the event is of no shared kind, does not say what it is about, or is longer than a
    /// reader takes ([`LINE_MAX`]).
    pub fn append(&mut self, event: &Event, now: Now) -> Result<(Vec<FsOp>, Appended), Refusal> {
        let log = event.log().filter(|log| Log::SHARED.contains(log)).ok_or_else(|| {
            Refusal::Event(
                "the event is of no shared kind: give a `type` such as message or thread_update".to_owned(),
            )
        })?;
        if let Some(field) = event.lacks() {
            return Err(Refusal::Event(format!("a {} needs `{}`", event.kind().name(), field.name())));
        }
        let at = Log::SHARED.iter().position(|&known| known == log).expect("the log is a shared one");
        let (clock, seq) = (self.clock.next(now.wall), self.identity.seq + 1);
        let writing = Writing {
            origin: &self.identity.id,
            seq,
            hybrid: clock,
            wall: now.wall,
            prev: self.tails[at].last,
            owner: self.identity.owner,
        };
        let line = event.clone().dated(now).hardened(&writing);
        if line.len() >= LINE_MAX {
            return Err(Refusal::Event(format!(
                "the event's line would have {} bytes, and no reader takes {LINE_MAX}: put the text into a file and \
                 say where it is",
                line.len()
            )));
        }
        (self.clock, self.own_clock, self.identity.seq) = (clock, clock, seq);
        let bytes = Content::from(format!("{line}\n"));
        let (shadow, shared) = (shadow_path(&self.identity.id, log), journal_path(&self.identity.id, log));
        let identity = serde_json::to_string(&self.identity).expect("plain fields");
        let ops = vec![
            FsOp::Append { path: shadow.clone(), bytes: bytes.clone() },
            FsOp::Flush { path: shadow },
            FsOp::Append { path: shared.clone(), bytes: bytes.clone() },
            FsOp::Flush { path: shared.clone() },
            FsOp::Replace { path: identity_path(), content: Content::from(format!("{identity}\n")) },
        ];
        self.tails[at].len += bytes.len() as u64;
        self.tails[at].last = Some(xxh3_64(line.as_bytes()));
        Ok((ops, Appended { path: shared, seq: self.identity.seq, hybrid: self.clock, line }))
    }

    /// Plans new checksums of the own files, where they are due; to be asked for once the appends are applied.
    pub fn seal(&mut self, fs: &dyn Fs, design: &Design, now: Now) -> Option<FsOp> {
        let due = |tail: &Tail| {
            tail.len > tail.sealed && (tail.len <= SEAL_EACH_MAX || tail.len - tail.sealed >= TAIL_BYTES)
        };
        if !self.tails.iter().any(due) {
            return None;
        }
        let path = checksums_path(design, &self.identity.id);
        let mut seals = seals(fs, &path);
        for (tail, log) in self.tails.iter_mut().zip(Log::SHARED) {
            if let Some(content) = Some(&*tail)
                .filter(|tail| due(tail))
                .and_then(|_| fs.read(&journal_path(&self.identity.id, log), 0).ok())
            {
                let seal = Seal::of(content.bytes(), now.wall.0);
                tail.sealed = content.len() as u64;
                seals.insert(log.file_name().to_owned(), seal);
            }
        }
        let text = serde_json::to_string_pretty(&seals).expect("plain fields");
        Some(FsOp::Replace { path, content: Content::from(format!("{text}\n")) })
    }

    /// Compares one own journal with its shadow, and plans what makes both whole and equal.
    fn repair(&mut self, fs: &dyn Fs, log: Log, ops: &mut Vec<FsOp>) -> Result<Tail, Refusal> {
        let (shared, shadow) = (journal_path(&self.identity.id, log), shadow_path(&self.identity.id, log));
        let (shared_len, shadow_len) = (len(fs, &shared)?, len(fs, &shadow)?);
        let from = shared_len.min(shadow_len).saturating_sub(TAIL_BYTES);
        let (ours, copy) = (bytes(fs, &shared, from)?, bytes(fs, &shadow, from)?);
        let (ours, copy) = (ours.bytes(), copy.bytes());
        let common = ours.len().min(copy.len());
        let whole = copy.is_empty() || copy.ends_with(b"\n");
        if ours.len() == copy.len() && ours == copy && whole {
            let mut tail = self.read_tail(ours, from);
            if tail.1.is_none() && from > 0 {
                tail = self.read_tail(bytes(fs, &shared, 0)?.bytes(), 0);
            }
            self.identity.seq = self.identity.seq.max(tail.1.unwrap_or(0));
            return Ok(Tail { len: shared_len, last: tail.0, sealed: 0 });
        }
        // Something happened: look at both files whole.
        let (ours, copy) = (bytes(fs, &shared, 0)?, bytes(fs, &shadow, 0)?);
        let mut grown = ours.len() as u64;
        let (mut ours, mut copy) = (plain(ours.bytes()).into_owned(), copy.bytes().to_vec());
        let name = shared.name();
        if !copy.is_empty() && !copy.ends_with(b"\n") {
            // A crash cut the shadow's last event, which so was never acknowledged.
            let keep = memchr::memrchr(b'\n', &copy).map_or(0, |at| at + 1);
            copy.truncate(keep);
            ops.push(FsOp::Replace { path: shadow.clone(), content: Content::new(copy.clone()) });
            self.repaired
                .push(format!("{name}: an event that was cut by a crash before it counted is dropped"));
        }
        let common = common.min(copy.len()).min(ours.len());
        if copy.starts_with(&ours) {
            if copy.len() > ours.len() {
                let missing = Content::new(&copy[ours.len()..]);
                grown += missing.len() as u64;
                ops.extend([
                    FsOp::Append { path: shared.clone(), bytes: missing },
                    FsOp::Flush { path: shared.clone() },
                ]);
                self.repaired.push(format!(
                    "{name}: {} bytes that were missing are written again",
                    copy.len() - ours.len()
                ));
            }
            ours = copy;
        } else {
            if !ours.ends_with(b"\n") && !ours.is_empty() {
                ops.push(FsOp::Append { path: shared.clone(), bytes: Content::from("\n") });
                ours.push(b'\n');
                grown += 1;
                self.repaired.push(format!("{name}: the last line lacked its newline"));
            }
            if !ours.starts_with(&copy) {
                let before = ours.len();
                self.unite(&shared, &mut ours, &copy, ops);
                grown += (ours.len() - before) as u64;
            }
            ops.push(FsOp::Flush { path: shared });
            ops.push(FsOp::Replace { path: shadow, content: Content::new(ours.clone()) });
        }
        debug_assert!(common <= ours.len(), "nothing of the shared file is dropped");
        let (last, seq) = self.read_tail(&ours, 0);
        self.identity.seq = self.identity.seq.max(seq.unwrap_or(0));
        Ok(Tail { len: grown, last, sealed: 0 })
    }

    /// Writes lines again that the shadow has and the shared file lost.
    fn unite(&mut self, shared: &Path, ours: &mut Vec<u8>, copy: &[u8], ops: &mut Vec<FsOp>) {
        let mut missing = Vec::new();
        let mut lost = 0;
        {
            let known: BTreeSet<&[u8]> = ours.split(|&byte| byte == b'\n').collect();
            for line in
                copy.split(|&byte| byte == b'\n').filter(|line| !line.is_empty() && !known.contains(line))
            {
                missing.extend_from_slice(line);
                missing.push(b'\n');
                lost += 1;
            }
        }
        if lost > 0 {
            self.repaired
                .push(format!("{}: {lost} lines that somebody removed are written again", shared.name()));
            ops.push(FsOp::Append { path: shared.clone(), bytes: Content::new(missing.clone()) });
            ours.extend(missing);
        }
    }

    /// The digest of the last line and the largest number of its own among lines that start after the first
    /// newline (or at the start of the file).
    fn read_tail(&mut self, bytes: &[u8], from: u64) -> (Option<u64>, Option<i64>) {
        let start = if from == 0 { 0 } else { memchr::memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1) };
        let mut file = File::after(Stop { at: start as u64, ..Stop::default() });
        file.resume(bytes, 0, Reading::Salvage);
        let own = file.records.iter();
        let seq = own.clone().filter_map(|record| record.seq).max();
        let stamps = own.filter(|record| record.causal).map(|record| record.stamp);
        self.own_clock = self.own_clock.max(latest(stamps, self.followed_ms));
        self.clock = self.clock.max(self.own_clock);
        (file.stop.last, seq)
    }
}
