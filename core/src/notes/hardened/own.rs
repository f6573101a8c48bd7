//! What an instance has written itself: who it is, its numbers, and its files made whole before it writes again.
//!
//! Beside each own log lies a *shadow*, a copy in the local folder. A record goes to the shadow first and is flushed
//! there, so the shadow tells which numbers were used, whatever a crash, an eviction or an older tree that a client
//! brings back did to the shared file. Where the shared file has records that the shadow lacks, somebody else has
//! this identity or the local folder is an older one: then the instance goes on as another one, whose numbers begin
//! with 1, and writes again under its new id what only the shadow has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::kit::guard::{Lack, Limit, Tally};
use crate::kit::identity::Place;
use crate::notes::checked::CheckedLog;
use crate::notes::config::Config;
use crate::notes::crdt_log::{LOG_END, LOG_HEADER, LogFile, LogHeader, LogTail, ROTATE_BYTES, log_record};
use crate::notes::document::{Kind, client};
use crate::notes::lines::{self, LineEnd, Oddity, deletion_log};
use crate::notes::load::Log;
use crate::notes::names::{
    ACTIVITY, DELETED, Form, Owner, is_id, line_log_file_name, log_file_name, log_name, logs_dir, new_id,
    shadows, snapshot_name, snapshots_dir,
};
use crate::notes::shelf::{NoteFiles, Shelf};
use crate::{Content, EntryKind, Fs, FsError, FsOp, Path, Rng, WallMs};

/// Who this instance is.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub(super) struct Identity {
    /// Its id.
    pub(super) instance: String,
    /// The ids that it had before.
    #[serde(default)]
    pub(super) before: Vec<String>,
    /// Where the local directory lay when it took the last one; `None` if that was not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<Place>,
}

fn identity_path() -> Path {
    Path::local("notes/identity.json")
}

/// The deletions that this instance knows of, its own and others'.
pub(super) fn tombstones_path() -> Path {
    Path::local("notes/deleted.log")
}

/// One own log file, as the shadow has it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct OwnFile {
    /// Its name.
    name: String,
    /// Where the shared file is.
    path: Path,
    /// What it holds.
    pub(super) content: Content,
    /// Whether nothing will be added.
    is_closed: bool,
}

/// A shared log under an earlier id, as it was when the own files were opened.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Left {
    /// Its length in the folder.
    pub(super) len: u64,
    /// What was read of it; `None` if nothing was.
    pub(super) digest: Option<u64>,
}

/// The own logs of one note.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct OwnNote {
    pub(super) files: Vec<OwnFile>,
    /// The last number used.
    seq: u64,
    /// Records since the last snapshot of this process.
    since_snapshot: u32,
    /// When the last snapshot of this process was made, as its name says.
    snapshot_ms: u64,
}

/// A record that was planned.
pub(super) struct Appended {
    /// Its number.
    pub(super) seq: u64,
    /// What puts it on disk.
    pub(super) ops: Vec<FsOp>,
}

/// What an instance has written itself.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Own {
    pub(super) identity: Identity,
    /// The Yjs client of this process.
    pub(super) client: u64,
    pub(super) notes: BTreeMap<Arc<str>, OwnNote>,
    /// The latest time that a record of its own has, in ms since 1970.
    pub(super) latest_ms: u64,
    /// Whether the local folder says that something was written to the shared one.
    has_begun: bool,
    /// Notes that the own deletion log names.
    pub(super) told_deleted: BTreeSet<Arc<str>>,
    /// What stands before the next line of the activity log.
    activity_gap: bool,
    deleted_gap: bool,
    /// The largest number of each note that the own activity log names.
    pub(super) hinted: BTreeMap<Arc<str>, u64>,
    /// The files under the ids that it had before, and how long they were when it was made sure that nothing lacks of them.
    pub(super) left: BTreeMap<Path, Left>,
}

/// What opening the own files came to.
pub(super) enum Settled {
    /// They are whole, or become so by these ops, in words.
    Owned(Box<Own>, Vec<FsOp>, Vec<String>),
    /// The instance becomes another one: the ops, the new id, and why.
    Moves(Vec<FsOp>, String, String),
    /// So much of them lacks that nothing is written.
    Lacks(Lack),
}

/// Why the own files cannot be opened now.
pub(super) type Away = (Path, FsError);

/// Reads who this instance is; `None` if it is nobody yet, or what is there cannot be used.
fn identity(fs: &dyn Fs) -> Result<Option<Identity>, Away> {
    match fs.read(&identity_path(), 0) {
        Ok(content) => {
            Ok(serde_json::from_slice(content.bytes()).ok().filter(|own: &Identity| is_id(&own.instance)))
        }
        Err(FsError::NotFound) => Ok(None),
        Err(error) => Err((identity_path(), error)),
    }
}

fn become_op(identity: &Identity) -> FsOp {
    let text = serde_json::to_string(identity).expect("plain fields");
    FsOp::Replace { path: identity_path(), content: Content::from(format!("{text}\n")) }
}

/// An id that nobody has: drawn, and mixed with who asks and when, where draws are few.
fn another_id(old: &str, wall: WallMs, rng: &mut dyn Rng) -> String {
    struct Mixed<'a>(&'a mut dyn Rng, u64);
    impl Rng for Mixed<'_> {
        fn up_to(&mut self, max: u64) -> u64 {
            self.0.up_to(max)
        }

        fn bits(&mut self) -> u64 {
            self.1 = xxh3_64(&self.1.to_be_bytes());
            self.0.bits() ^ self.1
        }
    }
    let mix = xxh3_64_with_seed(old.as_bytes(), u64::from_ne_bytes(wall.0.to_ne_bytes()));
    new_id(&mut Mixed(rng, mix))
}

/// The file that says that this machine has written to the folder, so that an empty one is not the right one.
pub(super) fn begun_path() -> Path {
    Path::local("notes/begun")
}

/// What opening needs to know of the folder.
pub(super) struct Opening<'a> {
    pub(super) fs: &'a dyn Fs,
    pub(super) config: &'a Config,
    pub(super) shelf: &'a Shelf,
    pub(super) is_gone: &'a dyn Fn(&str) -> bool,
    pub(super) wall: WallMs,
    /// How much of its own files may lack.
    pub(super) limit: Limit,
}

/// Finds out who this instance is, compares its files with their shadows, and plans what makes them whole.
pub(super) fn settle(opening: &Opening<'_>, rng: &mut dyn Rng) -> Result<Settled, Away> {
    let Opening { fs, config, shelf, .. } = *opening;
    let Some(identity) = identity(fs)? else {
        let wanted = config.instance.as_ref().map(ToString::to_string);
        // An id whose files are here already had a life that this one does not know.
        let free = wanted.filter(|id| !has_files(shelf, id));
        let fresh = free.is_some() || config.instance.is_none();
        let base = config.instance.as_deref().unwrap_or("");
        let instance = free.unwrap_or_else(|| another_id(base, opening.wall, rng));
        let why =
            if fresh { String::new() } else { format!("files of {base} are here, and nothing local is") };
        let op = become_op(&Identity {
            instance: instance.clone(),
            before: Vec::new(),
            place: config.place.clone(),
        });
        return Ok(Settled::Moves(vec![op], instance, why));
    };
    let client = client(&identity.instance, rng);
    let mut own = Own {
        identity,
        client,
        notes: BTreeMap::new(),
        latest_ms: 0,
        has_begun: fs.read(&begun_path(), 0).is_ok(),
        told_deleted: BTreeSet::new(),
        activity_gap: false,
        deleted_gap: false,
        hinted: BTreeMap::new(),
        left: BTreeMap::new(),
    };
    let mut repair =
        Repair { opening, ops: Vec::new(), words: Vec::new(), outdone: None, tally: Tally::default() };
    if let (Some(here), Some(there)) = (&config.place, &own.identity.place)
        && !here.is(there)
    {
        repair.outdone = Some(format!("the local directory is a copy of {there}"));
    }
    own.open_shadows(&mut repair)?;
    if let Some(lack) = opening.limit.lack(repair.tally) {
        return Ok(Settled::Lacks(lack));
    }
    own.open_strangers(&mut repair);
    repair.outdone = repair.outdone.take().or_else(|| own.read_lines(shelf));
    if let Some(why) = repair.outdone {
        let old = own.identity.instance.clone();
        let instance = another_id(&old, opening.wall, rng);
        let mut before = own.identity.before.clone();
        before.push(old);
        let op = become_op(&Identity { instance: instance.clone(), before, place: config.place.clone() });
        return Ok(Settled::Moves(vec![op], instance, why));
    }
    own.republish(&mut repair)?;
    let Repair { ops, words, .. } = repair;
    Ok(Settled::Owned(Box::new(own), ops, words))
}

/// Whether the folder has files of this instance.
fn has_files(shelf: &Shelf, instance: &str) -> bool {
    let lines = shelf.activity.values().chain(shelf.deleted.values());
    lines.map(|log| &log.owner).any(|owner| owner.instance == instance)
        || shelf.notes.values().any(|files| {
            let all = files.logs.values().chain(files.snapshots.values());
            all.into_iter().any(|file| file.name.owner.instance == instance)
        })
}

pub(super) struct Repair<'a> {
    pub(super) opening: &'a Opening<'a>,
    pub(super) ops: Vec<FsOp>,
    pub(super) words: Vec<String>,
    /// Why the identity is somebody else's too.
    outdone: Option<String>,
    /// How many of the own files are as they were written.
    tally: Tally,
}

impl Own {
    /// The id.
    pub(super) fn instance(&self) -> &str {
        &self.identity.instance
    }

    /// Whether this is, or was, its id.
    pub(super) fn is_mine(&self, instance: &str) -> bool {
        self.identity.instance == instance || self.identity.before.iter().any(|before| before == instance)
    }

    /// Reads the shadows, and makes each shared file what its shadow says.
    fn open_shadows(&mut self, repair: &mut Repair<'_>) -> Result<(), Away> {
        let fs = repair.opening.fs;
        let root = shadows(self.instance());
        for directory in list(fs, &root)? {
            let note: Arc<str> = directory.file_name().into();
            let mut own = OwnNote::default();
            for shadow in list(fs, &directory)? {
                let content = fs.read(&shadow, 0).map_err(|error| (shadow.clone(), error))?;
                let Some(content) = whole_shadow(&shadow, &content, repair) else { continue };
                let file = LogFile::read(content.bytes());
                own.seq = own.seq.max(file.records.iter().map(|record| record.seq).max().unwrap_or(0));
                let latest_ms = file.records.iter().map(|record| record.time_ms).max().unwrap_or(0);
                self.latest_ms = self.latest_ms.max(latest_ms);
                let name = shadow.file_name().to_owned();
                let path = logs_dir(&note).join(&name);
                let gone = (repair.opening.is_gone)(&note);
                let can_grow = gone || repair.compare(&path, &content)?;
                let is_closed = file.tail == LogTail::Closed || !can_grow;
                own.files.push(OwnFile { name, path, content, is_closed });
            }
            own.files.sort_by_key(|file| log_name(&file.name).map(|name| name.time_ms));
            self.notes.insert(note, own);
        }
        Ok(())
    }

    /// Looks for records of this instance in files that it has no shadow of, conflict copies among them.
    fn open_strangers(&self, repair: &mut Repair<'_>) {
        let Opening { shelf, config, .. } = *repair.opening;
        for (note, files) in &shelf.notes {
            for (path, file) in
                files.logs.iter().filter(|(_, file)| file.name.owner.instance == self.instance())
            {
                if self.knows(note, config.kind, &file.held.content) {
                    continue;
                }
                repair
                    .outdone
                    .get_or_insert_with(|| format!("{path} has records that this machine did not write"));
            }
        }
    }

    /// Whether an own log, or one of an earlier id, was read as something else than it should be, though it has its length.
    pub(super) fn is_altered(&self, note: &str, files: &NoteFiles) -> bool {
        let read = |path: &Path| files.logs.get(path).map(|file| &file.held.content);
        let own = self.notes.get(note).into_iter().flat_map(|own| &own.files);
        let left = files.logs.keys().filter_map(|path| Some((path, self.left.get(path)?)));
        // What was appended since is not read back, so what was read may be shorter.
        let is_other = |content: &Content, own: &Content| content.len() == own.len() && content != own;
        own.into_iter().any(|file| read(&file.path).is_some_and(|content| is_other(content, &file.content)))
            || left.into_iter().any(|(path, left)| left.digest != read(path).map(Content::digest))
    }

    /// Whether every record of some own file is one that this instance wrote.
    pub(super) fn knows(&self, note: &str, kind: Kind, content: &Content) -> bool {
        let checked = content.parsed(CheckedLog::parser(kind));
        if checked.file.records.is_empty() {
            return true;
        }
        let own = self.notes.get(note).map(|own| &own.files[..]).unwrap_or_default();
        if own.iter().any(|file| file.content == *content) {
            return true;
        }
        let mut written = BTreeSet::new();
        for file in own {
            let bytes = file.content.bytes();
            written.extend(LogFile::read(bytes).records.into_iter().map(|one| (one.seq, &bytes[one.data])));
        }
        checked.good().all(|record| written.contains(&(record.seq, &content.bytes()[record.data.clone()])))
    }

    /// Reads the own activity and deletion logs. Returns why they are somebody else's too, if they are.
    pub(super) fn read_lines(&mut self, shelf: &Shelf) -> Option<String> {
        let mut outdone = None;
        self.hinted.clear();
        (self.activity_gap, self.deleted_gap) = (false, false);
        let mine = |owner: &Owner| owner.instance == self.identity.instance;
        for log in shelf.activity.values().filter(|log| mine(&log.owner)) {
            let file = lines::activity_log(log.held.content.bytes());
            self.activity_gap |= file.end != LineEnd::Whole && !log.is_copy;
            if file.odd.iter().any(|(_, odd)| *odd == Oddity::Utf16) {
                outdone = Some("its activity log was written anew as UTF-16".to_owned());
            }
            for (_, entry) in file.entries {
                let seq = self.hinted.entry(entry.note).or_default();
                *seq = (*seq).max(entry.seq);
            }
        }
        for log in shelf.deleted.values().filter(|log| mine(&log.owner)) {
            let file = deletion_log(log.held.content.bytes());
            self.deleted_gap |= file.end != LineEnd::Whole && !log.is_copy;
            if file.odd.iter().any(|(_, odd)| *odd == Oddity::Utf16) {
                outdone = Some("its deletion log was written anew as UTF-16".to_owned());
            }
        }
        self.told_deleted = self.deleted_in(shelf);
        outdone
    }

    /// The notes that the own deletion logs name. A line without its newline is written again.
    fn deleted_in(&self, shelf: &Shelf) -> BTreeSet<Arc<str>> {
        let mine = shelf.deleted.values().filter(|log| log.owner.instance == self.identity.instance);
        let entries = mine.flat_map(|log| deletion_log(log.held.content.bytes()).entries);
        entries.filter(|(_, entry)| entry.time_ms.is_some()).map(|(_, entry)| entry.note).collect()
    }

    /// Whether the own deletion logs name less than was told: they came back as they were before anybody looked at them.
    pub(super) fn has_told_more(&self, shelf: &Shelf) -> bool {
        !self.told_deleted.is_empty() && !self.told_deleted.is_subset(&self.deleted_in(shelf))
    }

    /// The own logs of a note that the folder does not have as they are here.
    pub(super) fn logs<'a>(
        &'a self,
        note: &str,
        files: Option<&'a NoteFiles>,
    ) -> impl Iterator<Item = Log<'a>> {
        let own = self.notes.get(note).into_iter().flat_map(|own| &own.files);
        let shared = move |file: &&OwnFile| {
            let shared = files.and_then(|files| files.logs.get(&file.path));
            shared.is_none_or(|shared| shared.held.content != file.content)
        };
        own.filter(shared).map(|file| Log {
            name: file.path.name(),
            instance: &self.identity.instance,
            content: &file.content,
            time_ms: log_name(&file.name).map_or(0, |name| name.time_ms),
            is_copy: false,
        })
    }

    /// The notes that it has written to.
    pub(super) fn notes(&self) -> impl Iterator<Item = (&Arc<str>, u64)> {
        self.notes.iter().map(|(note, own)| (note, own.seq))
    }

    /// The next number of a note.
    pub(super) fn next_seq(&self, note: &str) -> u64 {
        self.notes.get(note).map_or(0, |own| own.seq) + 1
    }

    /// The lengths of the own files that nobody else should have changed, those of earlier identities among them.
    pub(super) fn lengths(&self) -> BTreeMap<Path, u64> {
        let files = self.notes.values().flat_map(|own| &own.files);
        let files = files.map(|file| (file.path.clone(), file.content.len() as u64));
        let left = self.left.iter().map(|(path, left)| (path.clone(), left.len));
        left.chain(files).collect()
    }

    /// How many records of a note were written since its last snapshot.
    pub(super) fn since_snapshot(&self, note: &str) -> u32 {
        self.notes.get(note).map_or(0, |own| own.since_snapshot)
    }

    /// The time of one more snapshot of a note: later than that of any own one, the last of which the folder has at
    /// `last_ms`.
    pub(super) fn snapshot_time(&mut self, note: &Arc<str>, now_ms: u64, last_ms: Option<u64>) -> u64 {
        let own = self.notes.entry(note.clone()).or_default();
        own.since_snapshot = 0;
        let last_ms = last_ms.unwrap_or(0).max(own.snapshot_ms);
        own.snapshot_ms = now_ms.max(last_ms.saturating_add(1));
        own.snapshot_ms
    }

    /// Plans one more record.
    ///
    /// *Crash:* before the flush of the shadow the record may be lost and its number is free; after it the next open
    /// completes the record, acknowledged or not.
    /// *Elsewhere:* any prefix of the shared file.
    pub(super) fn append(&mut self, profile: &str, note: &Arc<str>, data: &[u8], wall: WallMs) -> Appended {
        let time_ms = u64::try_from(wall.0).unwrap_or(0);
        let shadow_dir = shadows(&self.identity.instance).join(note);
        self.latest_ms = self.latest_ms.max(time_ms);
        let own = self.notes.entry(note.clone()).or_default();
        own.seq += 1;
        own.since_snapshot = own.since_snapshot.saturating_add(1);
        let record = log_record(time_ms, own.seq, data);
        let mut ops = Vec::new();
        let mut grow = |file: &mut OwnFile, bytes: Vec<u8>| {
            let shadow = shadow_dir.join(&file.name);
            let bytes = Content::new(bytes);
            ops.extend([
                FsOp::Append { path: shadow.clone(), bytes: bytes.clone() },
                FsOp::Flush { path: shadow },
                FsOp::Append { path: file.path.clone(), bytes: bytes.clone() },
                FsOp::Flush { path: file.path.clone() },
            ]);
            file.content = Content::new([file.content.bytes(), bytes.bytes()].concat());
        };
        let full = |file: &OwnFile| file.content.len() as u64 >= ROTATE_BYTES;
        if let Some(last) = own.files.last_mut().filter(|last| !last.is_closed && full(last)) {
            grow(last, vec![LOG_END]);
            last.is_closed = true;
        }
        match own.files.last_mut().filter(|last| !last.is_closed) {
            Some(last) => grow(last, record),
            None => {
                let taken = own.files.iter().filter_map(|file| log_name(&file.name));
                let after = taken.map(|name| name.time_ms.saturating_add(1)).max().unwrap_or(0);
                let name = log_file_name(Form::Dots, profile, &self.identity.instance, time_ms.max(after));
                let path = logs_dir(note).join(&name);
                let mut file = OwnFile { name, path, content: Content::new([]), is_closed: false };
                grow(&mut file, [&LOG_HEADER[..], &record].concat());
                own.files.push(file);
            }
        }
        Appended { seq: own.seq, ops }
    }

    /// The op that says that something was written to the folder; nothing if that was said before.
    pub(super) fn begin(&mut self) -> Option<FsOp> {
        let begun = std::mem::replace(&mut self.has_begun, true);
        let content = Content::from("this machine has written notes to its folder\n");
        (!begun).then(|| FsOp::Replace { path: begun_path(), content })
    }

    /// Plans a line of the activity log.
    pub(super) fn hint(&mut self, profile: &str, note: &Arc<str>, seq: u64) -> FsOp {
        self.hinted.insert(note.clone(), seq);
        let gap = if std::mem::take(&mut self.activity_gap) { "\n" } else { "" };
        let line = format!("{gap}{}", lines::activity_line(note, profile, seq));
        FsOp::Append { path: self.lines_path(ACTIVITY, profile), bytes: Content::from(line) }
    }

    /// Plans lines of the deletion log.
    pub(super) fn tell_deleted(&mut self, profile: &str, notes: &[(Arc<str>, u64)]) -> Vec<FsOp> {
        let gap = if std::mem::take(&mut self.deleted_gap) { "\n" } else { "" };
        let lines: String = notes.iter().map(|(note, ms)| lines::deletion_line(note, *ms)).collect();
        self.told_deleted.extend(notes.iter().map(|(note, _)| note.clone()));
        let path = self.lines_path(DELETED, profile);
        let bytes = Content::from(format!("{gap}{lines}"));
        vec![FsOp::Append { path: path.clone(), bytes }, FsOp::Flush { path }]
    }

    /// Where the own activity or deletion log lies.
    pub(super) fn lines_path(&self, dir: &str, profile: &str) -> Path {
        Path::shared(dir).join(&line_log_file_name(profile, &self.identity.instance))
    }

    /// Plans to remove the own files of a note that is deleted, those of earlier identities among them.
    pub(super) fn remove(&mut self, fs: &dyn Fs, note: &str) -> Vec<FsOp> {
        let mut ops = Vec::new();
        let ids: Vec<_> = self.identity.before.iter().chain([&self.identity.instance]).collect();
        let mine = |owner: &Owner| ids.contains(&&owner.instance);
        for dir in [logs_dir(note), snapshots_dir(note)] {
            for entry in fs.list(&dir).unwrap_or_default() {
                let name = log_name(entry.name()).or_else(|| snapshot_name(entry.name()));
                if name.is_some_and(|name| mine(&name.owner)) && entry.kind == EntryKind::File {
                    ops.push(FsOp::Remove { path: entry.path });
                }
            }
        }
        // The shadows go last: what is left of the shared files is known to be one's own until then.
        for id in ids {
            let files = fs.list(&shadows(id).join(note)).unwrap_or_default();
            ops.extend(files.into_iter().map(|entry| FsOp::Remove { path: entry.path }));
        }
        self.notes.remove(note);
        self.forget_left(note);
        ops
    }
}

impl Repair<'_> {
    /// Plans to make a shared file what its shadow says, and says whether it can be appended to.
    fn compare(&mut self, path: &Path, shadow: &Content) -> Result<bool, Away> {
        let whole = shadow.bytes();
        self.tally.known += 1;
        match self.opening.fs.read(path, 0) {
            Ok(shared) => {
                let bytes = shared.bytes();
                let end = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
                if bytes == whole {
                } else if whole.starts_with(bytes) {
                    self.tally.older += 1;
                    self.ops
                        .push(FsOp::Append { path: path.clone(), bytes: shadow.tail(bytes.len() as u64) });
                    self.ops.push(FsOp::Flush { path: path.clone() });
                    self.words.push(format!(
                        "{path}: {} bytes that were missing are written again",
                        whole.len() - bytes.len()
                    ));
                } else if whole.starts_with(&bytes[..end]) {
                    self.ops.push(FsOp::Replace { path: path.clone(), content: shadow.clone() });
                    self.words.push(format!("{path}: NUL bytes are replaced by what was written"));
                } else {
                    self.outdone.get_or_insert_with(|| format!("{path} is not what this machine wrote"));
                }
                Ok(true)
            }
            Err(FsError::NotFound) => {
                self.tally.gone += 1;
                self.ops.push(FsOp::Append { path: path.clone(), bytes: shadow.clone() });
                self.ops.push(FsOp::Flush { path: path.clone() });
                self.words.push(format!("{path}: it was missing and is written again"));
                Ok(true)
            }
            Err(FsError::NotLocal) => {
                let dir = path.parent().expect("a file lies in a directory");
                let entries = self.opening.fs.list(&dir).map_err(|error| (dir.clone(), error))?;
                let len = entries.iter().find(|entry| entry.path == *path).map_or(0, |entry| entry.len);
                match len.cmp(&(whole.len() as u64)) {
                    // It is there, elsewhere: the next record goes to another file.
                    std::cmp::Ordering::Equal => Ok(false),
                    std::cmp::Ordering::Less => Err((path.clone(), FsError::NotLocal)),
                    std::cmp::Ordering::Greater => {
                        self.outdone
                            .get_or_insert_with(|| format!("{path} is longer than what this machine wrote"));
                        Ok(false)
                    }
                }
            }
            Err(error) => Err((path.clone(), error)),
        }
    }
}

/// What of a shadow counts: its whole records; `None` if it has none. What a crash has left behind them was never
/// acknowledged.
fn whole_shadow(path: &Path, content: &Content, repair: &mut Repair<'_>) -> Option<Content> {
    let file = LogFile::read(content.bytes());
    if file.header != LogHeader::Whole || file.records.is_empty() {
        repair.ops.push(FsOp::Remove { path: path.clone() });
        return None;
    }
    let end = match file.tail {
        LogTail::Open | LogTail::Closed if file.foreign.is_empty() => return Some(content.clone()),
        _ => usize::try_from(file.good_end).expect("an offset within the bytes"),
    };
    let whole = content.prefix(end);
    repair.ops.push(FsOp::Replace { path: path.clone(), content: whole.clone() });
    repair.words.push(format!("{path}: a record that was cut by a crash before it counted is dropped"));
    Some(whole)
}

/// What a local directory holds; nothing if it was never made.
pub(super) fn list(fs: &dyn Fs, dir: &Path) -> Result<Vec<Path>, Away> {
    match fs.list(dir) {
        Ok(entries) => Ok(entries.into_iter().map(|entry| entry.path).collect()),
        Err(FsError::NotFound) => Ok(Vec::new()),
        Err(error) => Err((dir.clone(), error)),
    }
}
