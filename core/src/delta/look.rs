//! What a sync sees of the folder: who is there, what they say of themselves, and what they wrote.
//!
//! Nothing follows from what is not there: a file that is missing, evicted, torn or of a later format is not known,
//! and is neither deleted nor empty. It is named as a problem, and asked for again at the next sync.

use std::collections::BTreeMap;

use super::Layout;
use super::codec::{Wrong, parse_entity_file, parse_list_file, says_write};
use super::entity::{Entity, Key};
use super::layout::{
    deltas_dir, entities_dir, entity_file_name, is_entity_file_name, is_replica_id, meta_path, part_to,
    replica_dir, replicas,
};
use super::meta::Meta;
use super::problem::{Problem, ProblemKind};
use super::store::Store;
use super::vector::ReplicaId;
use crate::kit::copies::copies_of_dir;
use crate::kit::guard::Lack;
use crate::kit::names::copy_of;
use crate::{Content, Entry, EntryKind, Fs, FsError, Path};

/// What was found, and what is wrong with the rest.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Entities, as files say they are, in the order in which they were read.
    pub(super) entities: Vec<(Key, Entity)>,
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
    /// How many files have to be asked for again.
    pub(super) waiting: u64,
    /// Files to be remembered as read.
    pub(super) read_once: BTreeMap<String, u64>,
}

/// Who is in the folder.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// The others, and what they say of themselves; `None` if that cannot be read now.
    pub(super) peers: BTreeMap<ReplicaId, Option<Meta>>,
    /// Directories that are copies of replicas', by name.
    pub(super) copies: Vec<Path>,
    /// Whether there is any replica that was there before, or none was.
    pub(super) is_known: bool,
}

/// What replicas' directories hold, by replica. Of those that are not there nothing is said.
pub(super) type Listings = BTreeMap<ReplicaId, Result<Vec<Entry>, FsError>>;

/// Why nothing can be done with the folder now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Away {
    /// It cannot be reached.
    Folder(FsError),
    /// It is there, and lacks what it held.
    Lacks(Lack),
    /// A file of one's own cannot be read.
    Own(Path, FsError),
    /// A file of one's own is of this later format: this program is older than one that worked here.
    Later(Path, u64),
}

fn problem(path: &Path, kind: ProblemKind, detail: impl ToString) -> Problem {
    Problem::of(path.name(), kind, detail.to_string())
}

fn unreadable(path: &Path, error: FsError) -> Problem {
    let kind = match error {
        FsError::NotLocal => ProblemKind::NotLocal,
        _ => ProblemKind::Unreadable,
    };
    problem(path, kind, error)
}

fn unsound(path: &Path, wrong: &Wrong) -> Problem {
    let kind = match wrong {
        Wrong::Large(_) => ProblemKind::FileTooLarge,
        Wrong::Schema(_) => ProblemKind::LaterFormat,
        Wrong::Check | Wrong::Json(_) | Wrong::Field(_) => ProblemKind::NotSound,
    };
    problem(path, kind, wrong)
}

/// Finds out who is in the folder. `known` are the replicas that were there before.
///
/// # Errors
/// That the folder cannot be reached.
pub(super) fn members(fs: &dyn Fs, store: &Store, found: &mut Found) -> Result<Members, FsError> {
    fs.list(&Path::shared(""))?;
    let entries = match fs.list(&replicas()) {
        Ok(entries) => entries,
        Err(FsError::NotFound) => Vec::new(),
        Err(error) => return Err(error),
    };
    let entries = entries.into_iter().chain(doubled(fs, found));
    let mut members = Members::default();
    let own = store.own.id.as_ref();
    let mut is_known = store.own.written.0 == 0 && store.base.peers.is_empty();
    for entry in entries.filter(|entry| entry.kind == EntryKind::Dir) {
        let id = ReplicaId::from(entry.name());
        if entry.path.parent() != Some(replicas()) {
            // What lies below a copy is no replica's word of itself, and still counts.
            members.copies.push(entry.path);
            continue;
        }
        is_known |= own == Some(&id) || store.base.peers.contains_key(&id);
        if own == Some(&id) {
            continue;
        }
        if is_replica_id(&id.0) {
            let meta = read_meta(fs, &id, &entry.path, found);
            members.peers.insert(id, meta);
        } else {
            members.copies.push(entry.path);
        }
    }
    members.is_known = is_known;
    Ok(members)
}

/// What the directories of replicas hold.
pub(super) fn listings<'a>(fs: &dyn Fs, ids: impl Iterator<Item = &'a ReplicaId>) -> Listings {
    ids.map(|id| (id.clone(), listed(fs, &replica_dir(id)))).collect()
}

/// What lies in copies of the directory of all replicas, which are told.
fn doubled(fs: &dyn Fs, found: &mut Found) -> Vec<Entry> {
    let mut entries = Vec::new();
    for copy in copies_of_dir(fs, &Path::shared(""), replicas().name()) {
        found.problems.push(problem(
            &copy,
            ProblemKind::ConflictCopy,
            "a copy of replicas, with replicas in it",
        ));
        match fs.list(&copy) {
            Ok(listed) => entries.extend(listed),
            Err(error) => {
                found.problems.push(unreadable(&copy, error));
                found.waiting += 1;
            }
        }
    }
    entries
}

fn read_meta(fs: &dyn Fs, id: &ReplicaId, dir: &Path, found: &mut Found) -> Option<Meta> {
    let path = meta_path(dir);
    match fs.read(&path, 0) {
        Ok(content) => match &*content.parsed(Meta::parse) {
            Ok(meta) if meta.replica == *id => return Some(meta.clone()),
            Ok(meta) => found.problems.push(problem(
                &path,
                ProblemKind::ForeignName,
                format!("it is of {}", meta.replica),
            )),
            Err(wrong) => found.problems.push(unsound(&path, wrong)),
        },
        Err(FsError::NotFound) => {}
        Err(error) => found.problems.push(unreadable(&path, error)),
    }
    found.waiting += 1;
    None
}

/// The own meta file: what stands there; `None` if it has to be written anew.
pub(super) fn own_meta(fs: &dyn Fs, id: &ReplicaId) -> Result<Option<Meta>, Away> {
    let path = meta_path(&replica_dir(id));
    match fs.read(&path, 0) {
        Ok(content) => match &*content.parsed(Meta::parse) {
            Ok(meta) => Ok(Some(meta.clone())),
            Err(Wrong::Schema(format)) => Err(Away::Later(path, *format)),
            Err(_) => Ok(None),
        },
        Err(FsError::NotFound) => Ok(None),
        Err(error) => Err(Away::Own(path, error)),
    }
}

/// Versions of the own meta file under names that a client gave them.
pub(super) fn own_meta_copies(fs: &dyn Fs, id: &ReplicaId) -> Vec<Meta> {
    let dir = replica_dir(id);
    let entries = fs.list(&dir).unwrap_or_default().into_iter();
    let copies =
        entries.filter(|entry| entry.kind == EntryKind::File && copy_of(entry.name(), "meta.json").is_some());
    copies
        .filter_map(|entry| fs.read(&entry.path, 0).ok()?.parsed(Meta::parse).as_ref().ok().cloned())
        .collect()
}

/// Reads one entity's file. False if it has to be asked for again.
pub(super) fn entity(fs: &dyn Fs, path: &Path, found: &mut Found) -> bool {
    match fs.read(path, 0) {
        Ok(content) => take(path, &content, found),
        Err(error) => {
            // It may have gone since it was listed, or not have come yet.
            if error != FsError::NotFound {
                found.problems.push(unreadable(path, error));
            }
            found.waiting += 1;
            false
        }
    }
}

fn take(path: &Path, content: &Content, found: &mut Found) -> bool {
    let is_single = path.parent().is_some_and(|dir| dir.file_name() == "entities");
    let wrong = if is_single {
        match &*content.parsed(parse_entity_file) {
            Ok(entity) => {
                found.entities.push(entity.clone());
                return true;
            }
            Err(wrong) => wrong.clone(),
        }
    } else {
        match &*content.parsed(parse_list_file) {
            Ok(entities) => {
                found.entities.extend(entities.iter().cloned());
                return true;
            }
            Err(wrong) => wrong.clone(),
        }
    };
    found.problems.push(unsound(path, &wrong));
    found.waiting += 1;
    false
}

/// The files with entities in a replica's directory, of either layout.
pub(super) fn listed(fs: &dyn Fs, dir: &Path) -> Result<Vec<Entry>, FsError> {
    let mut files = Vec::new();
    for (at, of) in [dir.clone(), entities_dir(dir), deltas_dir(dir)].into_iter().enumerate() {
        match fs.list(&of) {
            Ok(entries) => {
                let wanted = |entry: &Entry| at > 0 || entry.name().starts_with("data_");
                files.extend(
                    entries.into_iter().filter(|entry| entry.kind == EntryKind::File && wanted(entry)),
                );
            }
            Err(FsError::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// Files that need not be read to find out what they are: for those that were read before, the owner's last write in them.
/// An owner that died before its meta file was written has left others than its meta file tells of.
pub(super) type Expected = BTreeMap<Path, Option<u64>>;

/// What is there of one other replica, and how far that brings its reader.
pub(super) struct Reading<'a> {
    pub(super) fs: &'a dyn Fs,
    pub(super) store: &'a Store,
    pub(super) listings: &'a Listings,
    /// The names that the entities of the store have.
    pub(super) names: &'a BTreeMap<Key, String>,
    /// Whether everything is read, whatever is known.
    pub(super) whole: bool,
}

impl Reading<'_> {
    /// Reads what a replica wrote since the last sync. Returns up to which of its writes all are applied.
    pub(super) fn peer(&self, id: &ReplicaId, meta: Option<&Meta>, found: &mut Found) -> u64 {
        let dir = replica_dir(id);
        let applied =
            if self.whole { 0 } else { self.store.base.peers.get(id).map_or(0, |peer| peer.applied) };
        let listed = match self.listings.get(id) {
            Some(Ok(listed)) => &listed[..],
            Some(Err(error)) => {
                found.problems.push(unreadable(&entities_dir(&dir), *error));
                found.waiting += 1;
                &[]
            }
            None => &[],
        };
        let mut expected = Expected::new();
        let entities = entities_dir(&dir);
        for (key, record) in &self.store.records {
            if record.entity.is_of(id) {
                expected.insert(entities.join(&self.names[key]), Some(record.entity.seen.get(&id.0)));
            }
        }
        let Some(meta) = meta else {
            self.strays(listed, &expected, found);
            return applied;
        };
        let changes: Vec<_> = meta
            .changes
            .iter()
            .map(|(count, key)| (*count, key, entities.join(&entity_file_name(key))))
            .collect();
        let by_name = meta.layout == Layout::Split && !self.whole && applied >= meta.since;
        let reached = match meta.layout {
            Layout::SplitLite => self.parts(&dir, applied, meta, found),
            Layout::Split if !self.whole && applied >= meta.head => applied,
            Layout::Split if by_name => self.changes(&changes, applied, meta, found),
            Layout::Split => self.all(listed, applied, meta, found),
        };
        if by_name || meta.layout == Layout::SplitLite {
            for (count, _, path) in changes {
                let write = expected.entry(path).or_insert(None);
                if count > applied && write.is_none_or(|known| known < count) {
                    // It was read just now.
                    *write = None;
                }
            }
            let parts = meta.snapshot.iter().chain(&meta.deltas);
            expected.extend(parts.map(|part| (dir.join(&part.name), None)));
            self.strays(listed, &expected, found);
        }
        reached
    }

    /// Reads the files with many entities that are new.
    fn parts(&self, dir: &Path, applied: u64, meta: &Meta, found: &mut Found) -> u64 {
        let mut reached = applied;
        let mut is_whole = true;
        for part in meta.snapshot.iter().chain(&meta.deltas) {
            if part.to <= applied && !self.whole {
                continue;
            }
            is_whole &= entity(self.fs, &dir.join(&part.name), found);
            if is_whole {
                reached = reached.max(part.to);
            }
        }
        if is_whole { reached.max(meta.head) } else { reached }
    }

    /// Reads the files of the writes that are new.
    fn changes(&self, changes: &[(u64, &Key, Path)], applied: u64, meta: &Meta, found: &mut Found) -> u64 {
        let mut reached = meta.head;
        for (count, key, path) in changes.iter().filter(|(count, ..)| *count > applied) {
            let known =
                self.store.records.get(*key).map_or(0, |record| record.entity.seen.get(&meta.replica.0));
            if known >= *count {
                continue;
            }
            let from = found.entities.len();
            let read = entity(self.fs, path, found);
            let new = found.entities[from..].iter();
            let is_there = read
                && new
                    .clone()
                    .any(|(found, entity)| found == *key && entity.seen.get(&meta.replica.0) >= *count);
            if read && !is_there {
                // An older version: the one that is meant is still under way.
                found.waiting += 1;
            }
            if !is_there {
                // An earlier write to the same entity may be missing too: only the last one is listed.
                reached = reached.min(known);
            }
        }
        reached.max(applied)
    }

    /// Reads every file. All of its writes are applied if they are just those that it says it made.
    fn all(&self, listed: &[Entry], applied: u64, meta: &Meta, found: &mut Found) -> u64 {
        let (mut count, mut digest) = (0, 0_u64);
        for entry in listed {
            let from = found.entities.len();
            entity(self.fs, &entry.path, found);
            for (key, entity) in &found.entities[from..] {
                if entity_file_name(key) == entry.name() {
                    count += 1;
                    let last = entity.seen.get(&meta.replica.0);
                    digest = digest.wrapping_add(Meta::digest_of(key, last));
                } else {
                    found.problems.push(stray(entry));
                    found.read_once.insert(entry.path.name().to_owned(), entry.len);
                }
            }
        }
        if (count, digest) == (meta.count, meta.digest) {
            return meta.head;
        }
        found.waiting += meta.count.saturating_sub(count).max(1);
        applied
    }

    /// Reads files that nobody lists: copies, those that are not as they are known, and whatever else is there. Each once.
    pub(super) fn strays(&self, listed: &[Entry], expected: &Expected, found: &mut Found) {
        let is_expected = |entry: &&Entry| {
            let write = expected.get(&entry.path);
            write.is_some_and(|write| write.is_none_or(|count| says_write(entry.len, count)))
        };
        for entry in listed.iter().filter(|entry| !is_expected(entry)) {
            let known = self.store.base.read_once.get(entry.path.name()) == Some(&entry.len);
            let from = found.entities.len();
            let mut read = || match expected.contains_key(&entry.path) {
                // Of what was read before nothing lacks where it is elsewhere now, and a stub has a length of its own.
                true => self.fs.read(&entry.path, 0).is_ok_and(|content| take(&entry.path, &content, found)),
                false => entity(self.fs, &entry.path, found),
            };
            if known && !self.whole || read() {
                found.read_once.insert(entry.path.name().to_owned(), entry.len);
            }
            let mut keys = found.entities[from..].iter().map(|(key, _)| entity_file_name(key));
            let of = entry.path.parent();
            let of = of.as_ref().map_or("", Path::file_name);
            let is_named = match of {
                "entities" => is_entity_file_name(entry.name()) && keys.all(|name| name == entry.name()),
                "deltas" => part_to(&format!("deltas/{}", entry.name())).is_some(),
                _ => part_to(entry.name()).is_some(),
            };
            if !is_named {
                found.problems.push(stray(entry));
            }
        }
    }
}

/// Whether a file has the name that its owner gives to one with this entity. Others are copies.
pub(super) fn is_own_name(entry: &Entry, key: &Key) -> bool {
    let dir = entry.path.parent();
    match dir.as_ref().map_or("", Path::file_name) {
        "entities" => entry.name() == entity_file_name(key),
        "deltas" => part_to(&format!("deltas/{}", entry.name())).is_some(),
        _ => part_to(entry.name()).is_some(),
    }
}

fn stray(entry: &Entry) -> Problem {
    let kind = match is_entity_file_name(entry.name()) {
        true => ProblemKind::ForeignName,
        false => ProblemKind::ConflictCopy,
    };
    problem(&entry.path, kind, "")
}
