//! Appending to one's own journals: numbers that are never used twice, and events that are never lost.
//!
//! Beside each shared file a machine keeps a *shadow*, a copy in the local folder. An event goes to the shadow
//! first and is flushed there, then to the shared file. So the shadow tells which numbers were used, whatever a
//! crash, an eviction or an older copy brought back by the sync client did to the shared file, and every open
//! makes the shared file whole again from it.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use xxhash_rust::xxh3::xxh3_64;

use super::clock::Hybrid;
use super::event::{Event, Writing};
use super::file::{File, LINE_MAX, Reading, Stop};
use super::folder::{Folder, LEGACY, MACHINES, SENTINEL};
use super::names::{are_of, is_machine_id};
use super::owner::{Claim, Nonce};
use super::schema::Log;
use super::{Checksums, Design};
use crate::{Content, Fs, FsError, FsOp, Now, Path};

/// Who this machine is, as `local:machine-id` holds it (upstream specification, "Machine ID Stability").
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Identity {
    /// The machine's id.
    pub id: String,
    /// The last sequence number it used, as far as this file knows.
    #[serde(default)]
    pub seq: i64,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub created_at: i64,
    /// What tells this machine from another that chose the same id; nothing in identities that were made before
    /// there were owners.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Nonce>,
}

impl Identity {
    /// Its file's content.
    pub(super) fn content(&self) -> Content {
        Content::from(format!("{}\n", serde_json::to_string(self).expect("plain fields")))
    }

    /// The ops that make it this machine's, the copy first.
    pub(super) fn ops(&self) -> [FsOp; 2] {
        let content = self.content();
        [identity_copy_path(), identity_path()].map(|path| FsOp::Replace { path, content: content.clone() })
    }
}

/// What one file was when its checksum was taken.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Seal {
    /// SHA-256 of the first `bytes` bytes, in hexadecimal.
    pub sha256: String,
    /// Lines in them.
    pub lines: u64,
    /// How many bytes.
    #[serde(default)]
    pub bytes: u64,
    /// When, in milliseconds since 1970; upstream puts the file's modification time here.
    #[serde(default)]
    pub mtime: i64,
}

impl Seal {
    /// The seal of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8], at_ms: i64) -> Self {
        let digest = Sha256::digest(bytes);
        Self {
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            lines: memchr::memchr_iter(b'\n', bytes).count() as u64,
            bytes: bytes.len() as u64,
            mtime: at_ms,
        }
    }
}

/// Why a machine cannot write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// This machine has written events here, and none of its journals is here.
    Absent(String),
    /// The folder has the layout before machines, and events there would be lost to the other machines.
    Legacy(String),
    /// This machine has no identity here.
    NoIdentity,
    /// The event does not say what it is about, or is of no shared kind.
    Event(String),
    /// A file could not be read.
    Fs(Path, FsError),
    /// The identity cannot be used.
    Identity(String),
    /// The id is another machine's, and so is the one to go on under.
    Lost {
        /// The claim of the other machine.
        file: String,
        /// The id.
        old: String,
        /// What it was to go on under.
        new: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent(machine) => write!(
                f,
                "{MACHINES}/{machine}: it had events and none are here: wait until the folder has arrived, or \
                 choose a new id"
            ),
            Self::Legacy(file) => {
                write!(f, "{file} has the layout before machines: migrate first (journal init --migrate)")
            }
            Self::NoIdentity => {
                f.write_str("this machine has no id in the folder: run journal init --machine ID")
            }
            Self::Event(what) => f.write_str(what),
            Self::Fs(path, error) => {
                write!(f, "{path}: {error}: have it downloaded or made readable, then try again")
            }
            Self::Identity(what) => {
                write!(f, "local:machine-id: {what}: choose a new id with journal init --machine ID")
            }
            Self::Lost { file, old, new } => write!(
                f,
                "{file}: `{old}` belongs to another machine that chose it too, and `{new}` is taken: give this one \
                 another name with journal rename {old} NAME"
            ),
        }
    }
}

impl std::error::Error for Refusal {}

/// The path of the identity.
#[must_use]
pub fn identity_path() -> Path {
    Path::local("machine-id")
}

/// A second copy of the identity, written once: what is left when a crash empties the first.
#[must_use]
pub fn identity_copy_path() -> Path {
    Path::local("identity.json")
}

/// The path of the note that this machine has begun to migrate the folder: the id it does that under.
#[must_use]
pub fn migration_path() -> Path {
    Path::local("migration")
}

/// The path of a machine's journal.
#[must_use]
pub fn journal_path(machine: &str, log: Log) -> Path {
    Path::shared(MACHINES).join(machine).join(log.file_name())
}

/// The path of the shadow of an own journal.
#[must_use]
pub fn shadow_path(machine: &str, log: Log) -> Path {
    Path::local("shadow").join(machine).join(log.file_name())
}

/// The path of a machine's checksums, or of everybody's.
#[must_use]
pub fn checksums_path(design: &Design, machine: &str) -> Path {
    match design.checksums {
        Checksums::PerMachine => Path::shared(MACHINES).join(machine).join("checksums.json"),
        Checksums::Shared => Path::shared("shared/checksums.json"),
    }
}

/// The path of the names that a machine has given to others and to itself: old to new.
#[must_use]
pub fn aliases_path(machine: &str) -> Path {
    Path::shared(MACHINES).join(machine).join("aliases.json")
}

/// Reads the identity.
///
/// # Errors
/// [`Refusal::NoIdentity`] where there is none, [`Refusal::Identity`] where neither copy can be used.
pub fn identity(fs: &dyn Fs) -> Result<Identity, Refusal> {
    let read = |path: &Path| match fs.read(path, 0) {
        Ok(content) => Ok(serde_json::from_slice::<Identity>(content.bytes()).ok()),
        Err(FsError::NotFound) => Ok(None),
        Err(error) => Err(Refusal::Fs(path.clone(), error)),
    };
    let first = read(&identity_path())?;
    let found = match first {
        Some(identity) => identity,
        None => match read(&identity_copy_path())? {
            Some(identity) => identity,
            None if fs.read(&identity_path(), 0).is_err() => return Err(Refusal::NoIdentity),
            None => return Err(Refusal::Identity("it is torn and there is no copy".to_owned())),
        },
    };
    if is_machine_id(&found.id) {
        let owner = match found.owner {
            Some(owner) => Some(owner),
            // Upstream's programs write the first file without what they do not know.
            None => {
                read(&identity_copy_path())?.filter(|copy| copy.id == found.id).and_then(|copy| copy.owner)
            }
        };
        Ok(Identity { owner, ..found })
    } else {
        Err(Refusal::Identity(format!("`{}` is no machine id (1 to 20 of a-z, 0-9 and -)", found.id)))
    }
}

/// The ops that give this machine an identity and the folder the layout with machines. With an `owner`, drawn for
/// this, the directory tells whose it is.
///
/// # Errors
/// [`Refusal::Legacy`] where the folder has to be migrated first. [`Refusal::Identity`] where the id is malformed or taken as far as this replica can see, or this machine has
/// another already. *Elsewhere:* another machine may take the same id before either sees the other: then one of them
/// gives it up ([`settle`](super::owner::settle)).
pub fn init(fs: &dyn Fs, id: &str, now: Now, owner: Option<Nonce>) -> Result<Vec<FsOp>, Refusal> {
    refuse_legacy(fs)?;
    found(fs, id, now, owner)
}

/// As [`init`], also where the folder has the layout before machines.
pub(super) fn found(fs: &dyn Fs, id: &str, now: Now, owner: Option<Nonce>) -> Result<Vec<FsOp>, Refusal> {
    if !is_machine_id(id) {
        return Err(Refusal::Identity(format!(
            "`{id}` is no machine id (1 to 20 of a-z, 0-9 and -, not `all`)"
        )));
    }
    match identity(fs) {
        Ok(own) if own.id == id => return Ok(sentinel(fs)),
        Ok(own) => {
            return Err(Refusal::Identity(format!(
                "this machine is `{}` already; use journal rename {} {id}",
                own.id, own.id
            )));
        }
        Err(Refusal::NoIdentity | Refusal::Identity(_)) => {}
        Err(refusal) => return Err(refusal),
    }
    let machines = fs.list(&Path::shared(MACHINES)).unwrap_or_default();
    let begun = super::migrate::begun(fs).is_some_and(|known| known == id);
    if !begun && are_of(&machines, id) {
        return Err(Refusal::Identity(format!("`{id}` is taken by another machine")));
    }
    let created_at = now.wall.0.div_euclid(1_000);
    let identity = Identity { id: id.to_owned(), seq: 0, created_at, owner };
    let [copy, named] = identity.ops();
    let mut ops = vec![copy];
    // Whoever has written there has a claim there.
    ops.extend(owner.map(|owner| Claim::of(&identity, owner).op(id)));
    ops.push(FsOp::Replace { path: journal_path(id, Log::Messages), content: Content::new([]) });
    ops.push(named);
    ops.extend(sentinel(fs));
    Ok(ops)
}

/// What says that the folder has the layout with machines, where nothing says so yet.
fn sentinel(fs: &dyn Fs) -> Vec<FsOp> {
    match fs.read(&Path::shared(SENTINEL), 0) {
        Ok(_) => Vec::new(),
        Err(_) => vec![FsOp::Replace { path: Path::shared(SENTINEL), content: Content::new([]) }],
    }
}

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
    clock: Hybrid,
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
    /// append.
    ///
    /// # Errors
    /// Where the machine has no identity, the folder has the layout before machines, or an own file cannot be
    /// read: a file that is not here is no empty file.
    pub fn open(fs: &dyn Fs, design: &Design, seen: Hybrid) -> Result<(Self, Vec<FsOp>), Refusal> {
        refuse_legacy(fs)?;
        let identity = identity(fs)?;
        let mut writer = Self { identity, clock: seen, tails: Default::default(), repaired: Vec::new() };
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
            if is_absent(fs, &writer.identity)? {
                return Err(Refusal::Absent(writer.identity.id));
            }
            let seals = seals(fs, &checksums_path(design, &writer.identity.id));
            for (at, log) in Log::SHARED.into_iter().enumerate() {
                writer.tails[at].sealed = seals.get(log.file_name()).map_or(0, |seal| seal.bytes);
            }
        }
        Ok((writer, ops))
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

    /// Whether somebody else changed an own journal since it was opened, as far as its end tells. What is not here or
    /// cannot be read is no change: the next open finds out.
    #[must_use]
    pub fn is_outdone(&self, folder: &Folder) -> bool {
        self.tails.iter().zip(Log::SHARED).any(|(tail, log)| {
            let path = journal_path(&self.identity.id, log);
            let held = folder.files.iter().find(|held| *held.name == *path.name());
            held.is_some_and(|held| {
                let bytes = held.content.bytes();
                let last = bytes.rsplit(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty());
                bytes.len() as u64 != tail.len || last.map(xxh3_64) != tail.last
            })
        })
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
        (self.clock, self.identity.seq) = (clock, seq);
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
                tail.sealed = seal.bytes;
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
        let (mut ours, mut copy) = (ours.bytes().to_vec(), copy.bytes().to_vec());
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
                self.repaired.push(format!("{name}: the last line lacked its newline"));
            }
            if !ours.starts_with(&copy) {
                self.unite(&shared, &mut ours, &copy, ops);
            }
            ops.push(FsOp::Flush { path: shared });
            ops.push(FsOp::Replace { path: shadow, content: Content::new(ours.clone()) });
        }
        debug_assert!(common <= ours.len(), "nothing of the shared file is dropped");
        let (last, seq) = self.read_tail(&ours, 0);
        self.identity.seq = self.identity.seq.max(seq.unwrap_or(0));
        Ok(Tail { len: ours.len() as u64, last, sealed: 0 })
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
        self.clock = own.filter(|record| record.causal).map(|record| record.stamp).fold(self.clock, Ord::max);
        (file.stop.last, seq)
    }
}

/// Refuses a folder of the layout before machines: its files are read by nobody once it is migrated. One whose
/// migration this machine has not finished is such a folder still.
///
/// # Errors
/// [`Refusal::Legacy`] with the name of the file.
pub fn refuse_legacy(fs: &dyn Fs) -> Result<(), Refusal> {
    if super::migrate::begun(fs).is_some() {
        return Err(Refusal::Legacy("a migration was interrupted; the folder".to_owned()));
    }
    if fs.read(&Path::shared(SENTINEL), 0).is_ok() || fs.list(&Path::shared(MACHINES)).is_ok() {
        return Ok(());
    }
    match LEGACY.into_iter().find(|name| fs.read(&Path::shared(name), 0).is_ok()) {
        Some(name) => Err(Refusal::Legacy(name.to_owned())),
        None => Ok(()),
    }
}

/// Whether events were written and neither a journal nor a shadow is here: then the folder has not arrived yet, and
/// numbers that this machine does not know of are used.
pub(super) fn is_absent(fs: &dyn Fs, own: &Identity) -> Result<bool, Refusal> {
    if own.seq == 0 {
        return Ok(false);
    }
    let entries = fs.list(&Path::shared(MACHINES).join(&own.id)).unwrap_or_default();
    if entries.iter().any(|entry| Log::from_file_name(entry.name()).is_some()) {
        return Ok(false);
    }
    for log in Log::SHARED {
        if len(fs, &shadow_path(&own.id, log))? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The seals of a checksum file, by file name; none where it cannot be read.
#[must_use]
pub fn seals(fs: &dyn Fs, path: &Path) -> std::collections::BTreeMap<String, Seal> {
    let content = fs.read(path, 0).ok();
    content.and_then(|content| serde_json::from_slice(content.bytes()).ok()).unwrap_or_default()
}

fn len(fs: &dyn Fs, path: &Path) -> Result<u64, Refusal> {
    let dir = path.parent().expect("a file lies in a directory");
    match fs.list(&dir) {
        Ok(entries) => Ok(entries.iter().find(|entry| entry.path == *path).map_or(0, |entry| entry.len)),
        Err(FsError::NotFound) => Ok(0),
        Err(error) => Err(Refusal::Fs(dir, error)),
    }
}

pub(super) fn bytes(fs: &dyn Fs, path: &Path, from: u64) -> Result<Content, Refusal> {
    match fs.read(path, from) {
        Ok(content) => Ok(content),
        Err(FsError::NotFound) => Ok(Content::new([])),
        Err(error) => Err(Refusal::Fs(path.clone(), error)),
    }
}
