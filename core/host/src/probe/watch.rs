//! What arrives: a look every few milliseconds, and beside it the system's notices.
//!
//! A look tells what a reader would read. Only notices tell what happened in less time than there is between two looks:
//! that a name was unlinked, or renamed from another.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cloudchamber_core::kit::clients::unfinished;
use notify::event::{EventKind, ModifyKind, RenameMode};
use notify::{Config, Event, RecommendedWatcher, RecursiveMode, Watcher};

use super::clock::{Sample, Steady};
use super::content::{self, Look};
use super::place::mtime_ns;
use super::wire::{self, Broken, Message, Notices, Seen, SeenOf, Shared, Sighting, Strange, StrangeOf};
use crate::os::bounded::within;

/// The time between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(3);
/// How long a look at one file may take.
const READ_MAX: Duration = Duration::from_secs(5);
/// Of larger files some parts are read, and not all.
const WHOLE_MAX: u64 = 128 << 10;
/// How many parts, and how large each is, in bytes.
const PARTS: u64 = 16;
const PART: usize = 256;
/// How long before a look a notice may have told of what the look shows, in microseconds. One that is older is of an
/// earlier version, and came after the look at that.
const NOTICE_MAX_US: i64 = 100_000;
/// How long after a look a notice may still be of what it showed, in microseconds.
const LATE_MAX_US: i64 = 500_000;

/// What a notice says of one name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Happened {
    Created,
    Modified,
    MovedIn,
    Removed,
    /// Something, or it was renamed away.
    Other,
}

type Heard = Arc<Mutex<Vec<(i64, Happened, PathBuf)>>>;

/// What tells two looks at one file apart without reading it.
type Stamp = (u64, u64, i64, i64, i64);

fn stamp(metadata: &Metadata) -> Stamp {
    (metadata.ino(), metadata.len(), mtime_ns(metadata), metadata.ctime(), metadata.ctime_nsec())
}

/// One file of a peer.
#[derive(Debug)]
struct Track {
    seen: Seen,
    stamp: Option<Stamp>,
    look: Look,
    missing_us: Option<i64>,
    /// The first notice since the last sighting, and the last one that told of a whole file.
    notice_us: Option<i64>,
    whole_us: Option<i64>,
    removed_us: Option<i64>,
    /// When a version was last seen first.
    seen_us: i64,
}

/// Everything that is seen of the others.
pub(super) struct Watch {
    root: PathBuf,
    clock: Steady,
    me: String,
    /// The run of each peer, once it is known.
    pub(super) peers: BTreeMap<String, String>,
    tracks: BTreeMap<(String, String), Track>,
    strange: BTreeMap<(String, String), Strange>,
    messages: BTreeMap<(String, String), (i64, Message)>,
    heard: Heard,
    /// None where the system gives no notices.
    watcher: Option<RecommendedWatcher>,
    /// When something of each peer was last seen.
    pub(super) heard_us: BTreeMap<String, i64>,
}

impl Watch {
    pub(super) fn new(root: &Path, me: &str, clock: Steady) -> Self {
        let heard = Heard::default();
        let into = Arc::clone(&heard);
        let notice = move |event: notify::Result<Event>| {
            let Ok(event) = event else { return };
            let (at_us, happened) = (clock.now_us(), happened(event.kind));
            let Some(happened) = happened else { return };
            let mut into = into.lock().unwrap_or_else(PoisonError::into_inner);
            into.extend(event.paths.into_iter().map(|path| (at_us, happened, path)));
        };
        let watcher = RecommendedWatcher::new(notice, Config::default().with_follow_symlinks(false)).ok();
        let watcher = watcher
            .and_then(|mut watcher| watcher.watch(root, RecursiveMode::Recursive).is_ok().then_some(watcher));
        Self {
            root: root.to_owned(),
            clock,
            me: me.to_owned(),
            peers: BTreeMap::new(),
            tracks: BTreeMap::new(),
            strange: BTreeMap::new(),
            messages: BTreeMap::new(),
            heard,
            watcher,
            heard_us: BTreeMap::new(),
        }
    }

    pub(super) fn has_notices(&self) -> bool {
        self.watcher.is_some()
    }

    /// Forgets what was seen of a peer.
    pub(super) fn forget(&mut self, peer: &str) {
        self.tracks.retain(|(of, _), _| of != peer);
        self.strange.retain(|(of, _), _| of != peer);
        self.messages.retain(|(of, _), _| of != peer);
    }

    /// The directories of others, by name.
    pub(super) fn others(&self) -> Vec<String> {
        let names = names(&self.root).into_iter().filter(|name| wire::is_plain(name));
        names.filter(|name| *name != self.me && name != super::place::SHARED).collect()
    }

    /// One look at everything of those peers whose run is known.
    pub(super) fn look(&mut self) {
        let notices = std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        notices.into_iter().for_each(|(at_us, happened, path)| self.note(at_us, happened, &path));
        for (peer, run) in self.peers.clone() {
            let dir = self.root.join(&peer);
            let here: BTreeSet<String> = names(&dir).into_iter().collect();
            for name in &here {
                if let Some(kind) = wire::kind(name) {
                    self.read_message(&dir, &peer, kind);
                } else if wire::is_data(name) {
                    self.look_at(&peer, &run, name);
                } else if !name.starts_with("odd-") {
                    self.see_strange(&peer, name, true);
                }
            }
            self.miss(&peer, &run, &here);
        }
    }

    fn note(&mut self, at_us: i64, happened: Happened, path: &Path) {
        let Ok(below) = path.strip_prefix(&self.root) else { return };
        let mut parts = below.iter().map(|part| part.to_string_lossy().into_owned());
        let (Some(peer), Some(name), None) = (parts.next(), parts.next(), parts.next()) else { return };
        if !self.peers.contains_key(&peer) || wire::kind(&name).is_some() || name.starts_with("odd-") {
            return;
        }
        if !wire::is_data(&name) {
            return self.see_strange(&peer, &name, false);
        }
        let track = self.tracks.entry((peer, name)).or_default();
        let notices = &mut track.seen.notices;
        match happened {
            Happened::Created => notices.created += 1,
            Happened::Modified => notices.modified += 1,
            Happened::MovedIn => notices.moved_in += 1,
            Happened::Removed => notices.removed += 1,
            Happened::Other => {}
        }
        match track.seen.sightings.last_mut() {
            // It was looked at before the system told of it.
            Some(last) if last.notice_us.is_none() && at_us - last.at_us < LATE_MAX_US => {
                last.notice_us = Some(at_us)
            }
            _ => track.notice_us = track.notice_us.or(Some(at_us)),
        }
        match happened {
            Happened::MovedIn => track.whole_us = Some(at_us),
            Happened::Removed => track.removed_us = Some(at_us),
            _ => {}
        }
        if matches!(happened, Happened::MovedIn | Happened::Created)
            && let Some(removed_us) = track.removed_us.take()
        {
            track.seen.gaps_us.push(at_us - removed_us);
        }
    }

    fn see_strange(&mut self, peer: &str, name: &str, is_seen: bool) {
        let now_us = self.clock.now_us();
        let first = || Strange { name: name.to_owned(), first_us: now_us, last_us: now_us, stays: false };
        let strange = self.strange.entry((peer.to_owned(), name.to_owned())).or_insert_with(first);
        strange.last_us = now_us;
        strange.stays = is_seen;
    }

    fn read_message(&mut self, dir: &Path, peer: &str, kind: &str) {
        let key = (peer.to_owned(), kind.to_owned());
        if self.messages.contains_key(&key) {
            return;
        }
        let path = dir.join(wire::file_name(kind));
        let own = path.clone();
        let Some(Ok(bytes)) = within(READ_MAX, &path, move || fs::read(&own)) else { return };
        // Not whole yet, or an earlier run's.
        let Ok(message) = serde_json::from_slice::<Message>(&bytes) else { return };
        if self.peers.get(peer) == Some(&message.probe) {
            let now_us = self.clock.now_us();
            self.heard_us.insert(peer.to_owned(), now_us);
            self.messages.insert(key, (now_us, message));
        }
    }

    fn look_at(&mut self, peer: &str, run: &str, name: &str) {
        let path = self.root.join(peer).join(name);
        let track = self.tracks.entry((peer.to_owned(), name.to_owned())).or_default();
        let Ok(metadata) = path.symlink_metadata() else { return };
        let stamp = stamp(&metadata);
        let is_same = track.stamp == Some(stamp);
        if is_same && matches!(track.look, Look::Whole(_) | Look::Foreign) {
            return;
        }
        let look = read(&path, run, name.trim_end_matches(".dat"), metadata.len());
        let now_us = self.clock.now_us();
        track.stamp = Some(stamp);
        if track.take(look, now_us, &metadata) {
            self.heard_us.insert(peer.to_owned(), now_us);
        }
    }

    /// Files that are not there any more.
    fn miss(&mut self, peer: &str, run: &str, here: &BTreeSet<String>) {
        let now_us = self.clock.now_us();
        let known: Vec<String> =
            self.tracks.keys().filter(|key| key.0 == peer).map(|key| key.1.clone()).collect();
        for name in known.iter().filter(|name| !here.contains(*name)) {
            // A list of names may leave out one that is replaced meanwhile.
            if self.root.join(peer).join(name).symlink_metadata().is_ok() {
                self.look_at(peer, run, name);
            } else if let Some(track) = self.tracks.get_mut(&(peer.to_owned(), name.clone()))
                && track.look != Look::Missing
            {
                track.look = Look::Missing;
                track.stamp = None;
                track.missing_us = Some(now_us);
                self.heard_us.insert(peer.to_owned(), now_us);
            }
        }
        for ((_, name), strange) in self.strange.iter_mut().filter(|((of, _), _)| of == peer) {
            strange.stays &= here.contains(name);
        }
    }

    /// A message of a peer; None if it has not come.
    pub(super) fn message(&self, peer: &str, kind: &str) -> Option<&Message> {
        self.messages.get(&(peer.to_owned(), kind.to_owned())).map(|(_, message)| message)
    }

    /// The messages of a peer, as samples of the clocks.
    pub(super) fn samples(&self, peer: &str) -> Vec<Sample> {
        let of = self.messages.iter().filter(|((name, _), _)| name == peer);
        of.map(|(_, (seen_us, message))| Sample { sent_us: message.at_us, seen_us: *seen_us }).collect()
    }

    /// What came back of this probe's messages to a peer, as that one says: the least time from clock to clock.
    pub(super) fn least_back_us(&self, peer: &str) -> Option<i64> {
        let of = self.messages.iter().filter(|((name, _), _)| name == peer);
        of.filter_map(|(_, (_, message))| message.least_us.get(&self.me).copied()).min()
    }

    /// Whether a version of a peer's file, or a later one, has been seen.
    pub(super) fn has(&self, peer: &str, file: &str, version: u64) -> bool {
        let track = self.tracks.get(&(peer.to_owned(), format!("{file}.dat")));
        let last = track.and_then(|track| track.seen.sightings.last());
        last.is_some_and(|sighting| sighting.version >= version)
    }

    /// Whether a peer's file is not there.
    pub(super) fn is_gone(&self, peer: &str, file: &str) -> bool {
        let track = self.tracks.get(&(peer.to_owned(), format!("{file}.dat")));
        track.is_none_or(|track| track.look == Look::Missing)
    }

    /// What is in the directory into which all write, without what a client gathers there.
    pub(super) fn shared(&self) -> Vec<Shared> {
        let dir = self.root.join(super::place::SHARED);
        let shared = |name: String| {
            let path = dir.join(&name);
            let own = path.clone();
            let bytes = within(READ_MAX, &path, move || fs::read(own))?.ok()?;
            let (versions, is_more) = content::versions(&bytes);
            let mtime_ns = mtime_ns(&path.symlink_metadata().ok()?);
            Some(Shared { name, versions, is_more, mtime_ns })
        };
        let is_file = |name: &String| unfinished(name).is_none() && name != super::place::TEMPORARY;
        names(&dir).into_iter().filter(is_file).filter_map(shared).collect()
    }

    /// All that was seen, by peer: of files, and of names that no probe wrote.
    pub(super) fn seen(&self) -> (SeenOf, StrangeOf) {
        let mut seen: SeenOf = BTreeMap::new();
        for ((peer, name), track) in &self.tracks {
            let mut one = track.seen.clone();
            one.gone_us = track.missing_us;
            let file = name.trim_end_matches(".dat").to_owned();
            seen.entry(peer.clone()).or_default().insert(file, one);
        }
        let mut strange: StrangeOf = BTreeMap::new();
        for ((peer, _), one) in &self.strange {
            strange.entry(peer.clone()).or_default().push(one.clone());
        }
        (seen, strange)
    }

    /// Messages with their times: by whom, when sent, when seen.
    pub(super) fn message_times(&self) -> Vec<(String, i64, i64)> {
        self.messages
            .iter()
            .map(|((peer, _), (seen, message))| (peer.clone(), message.at_us, *seen))
            .collect()
    }
}

impl Default for Track {
    fn default() -> Self {
        Self {
            seen: Seen::default(),
            stamp: None,
            look: Look::Missing,
            missing_us: None,
            notice_us: None,
            whole_us: None,
            removed_us: None,
            seen_us: i64::MIN,
        }
    }
}

impl Track {
    /// Takes what a look showed, and tells whether that is news.
    fn take(&mut self, look: Look, now_us: i64, metadata: &Metadata) -> bool {
        let before = std::mem::replace(&mut self.look, look);
        if let Some(missing_us) = self.missing_us.take()
            && look != Look::Missing
            && !self.seen.sightings.is_empty()
        {
            self.seen.broken.missing += 1;
            // Where notices came, they know better how long it was.
            if self.seen.notices == Notices::default() {
                self.seen.gaps_us.push(now_us - missing_us);
            }
        }
        let Look::Whole(version) = look else {
            if before != look {
                count(&mut self.seen.broken, look);
            }
            return before != look;
        };
        match self.seen.sightings.last_mut() {
            // The same version: only its time of modification may have been set since.
            Some(last) if last.version == version => {
                last.mtime_ns = mtime_ns(metadata);
                false
            }
            _ => {
                let seen_us = std::mem::replace(&mut self.seen_us, now_us);
                let recent = |at_us: &i64| now_us - at_us < NOTICE_MAX_US && *at_us > seen_us;
                self.seen.sightings.push(Sighting {
                    version,
                    at_us: self.whole_us.take().filter(recent).unwrap_or(now_us),
                    notice_us: self.notice_us.take().filter(recent),
                    mtime_first_ns: mtime_ns(metadata),
                    mtime_ns: mtime_ns(metadata),
                    inode: metadata.ino(),
                });
                true
            }
        }
    }
}

fn count(broken: &mut Broken, look: Look) {
    match look {
        Look::Empty => broken.empty += 1,
        Look::Nul => broken.nul += 1,
        Look::Prefix => broken.prefix += 1,
        Look::Mixed => broken.mixed += 1,
        Look::Foreign => broken.foreign += 1,
        Look::Blocked => broken.blocked += 1,
        Look::Missing | Look::Whole(_) => {}
    }
}

/// None if nothing happened to the file.
fn happened(kind: EventKind) -> Option<Happened> {
    Some(match kind {
        EventKind::Access(_) => return None,
        // It says the same as the two before it.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => return None,
        EventKind::Create(_) => Happened::Created,
        EventKind::Remove(_) => Happened::Removed,
        EventKind::Modify(ModifyKind::Data(_)) => Happened::Modified,
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Happened::MovedIn,
        _ => Happened::Other,
    })
}

/// The names in a directory; none if it is not there.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// One look at the bytes of a file.
fn read(path: &Path, run: &str, file: &str, len: u64) -> Look {
    let (own, run, file) = (path.to_owned(), run.to_owned(), file.to_owned());
    let looked = within(READ_MAX, path, move || {
        if file.contains("append") {
            return fs::read(&own).map(|bytes| content::judge_appended(&run, &file, &bytes));
        }
        if len <= WHOLE_MAX {
            return fs::read(&own).map(|bytes| content::judge(&run, &file, bytes.len() as u64, &bytes, &[]));
        }
        let (len, head, parts) = sample(&own)?;
        Ok(content::judge(&run, &file, len, &head, &parts))
    });
    match looked {
        None => Look::Blocked,
        Some(Ok(look)) => look,
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Look::Missing,
        Some(Err(_)) => Look::Blocked,
    }
}

/// The length of a large file, its first bytes, and parts of the rest up to its end.
fn sample(path: &Path) -> io::Result<(u64, Vec<u8>, Vec<Vec<u8>>)> {
    let mut file = File::open(path)?;
    let mut head = vec![0; PART];
    let read = file.read(&mut head)?;
    head.truncate(read);
    let len = file.metadata()?.len();
    let mut parts = Vec::new();
    for part in 1..=PARTS {
        let at = (len * part / PARTS).saturating_sub(PART as u64).max(read as u64);
        let mut bytes = vec![0; PART];
        let read = file.read_at(&mut bytes, at)?;
        bytes.truncate(read);
        parts.push(bytes);
    }
    Ok((len, head, parts))
}

#[cfg(test)]
mod tests {
    use super::super::place::{self, Place};
    use super::super::wire::How;
    use super::*;

    fn watched() -> (tempfile::TempDir, Place, Watch) {
        let dir = tempfile::tempdir().unwrap();
        let b = Place::make(dir.path(), "b", false).unwrap();
        let mut watch = Watch::new(&b.root, "a", Steady::start());
        watch.peers.insert("b".to_owned(), "run".to_owned());
        watch.look();
        (dir, b, watch)
    }

    fn until(watch: &mut Watch, holds: impl Fn(&Watch) -> bool) {
        let from = watch.clock.now_us();
        while !holds(watch) {
            watch.look();
            assert!(watch.clock.now_us() - from < 30_000_000, "it was not seen within 30 s");
        }
    }

    #[test]
    fn versions_are_seen_in_turn_and_how_they_came() {
        let (_dir, b, mut watch) = watched();
        let path = b.own.join("replaced.dat");
        for version in 1..=3 {
            place::write(&path, How::Replace, &content::make("run", "replaced", version, 0)).unwrap();
            until(&mut watch, |watch| watch.has("b", "replaced", version));
        }
        fs::remove_file(&path).unwrap();
        until(&mut watch, |watch| watch.is_gone("b", "replaced"));
        // Notices may come after the look.
        let moved = |watch: &Watch| watch.seen().0["b"]["replaced"].notices.moved_in;
        if watch.has_notices() && cfg!(target_os = "linux") {
            until(&mut watch, |watch| moved(watch) == 3);
        }
        let (seen, strange) = watch.seen();
        let seen = &seen["b"]["replaced"];
        assert_eq!(seen.sightings.iter().map(|one| one.version).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(seen.gone_us.is_some() && seen.broken == Broken::default(), "{seen:?}");
        // The name from which it was renamed is somebody's that is not known.
        assert!(strange.get("b").is_none_or(|strange| strange.iter().all(|one| !one.stays)), "{strange:?}");
    }

    #[test]
    fn half_files_and_gaps_are_counted_once_each() {
        let (_dir, b, mut watch) = watched();
        let path = b.own.join("new-1.dat");
        let whole = content::make("run", "new-1", 1, 400);
        for bytes in [&b""[..], &whole[..250], &whole[..250], &[0; 400], &whole[..]] {
            fs::write(&path, bytes).unwrap();
            watch.look();
        }
        fs::remove_file(&path).unwrap();
        watch.look();
        fs::write(&path, content::make("run", "new-1", 2, 400)).unwrap();
        watch.look();
        let seen = watch.seen().0.remove("b").unwrap().remove("new-1").unwrap();
        let broken = Broken { empty: 1, prefix: 1, nul: 1, missing: 1, ..Broken::default() };
        assert_eq!((seen.broken, seen.sightings.len()), (broken, 2));
    }

    #[test]
    fn a_large_file_is_whole_once_all_its_parts_are() {
        let (_dir, b, mut watch) = watched();
        let path = b.own.join("large.dat");
        let mut whole = content::make("run", "large", 1, 1 << 20);
        fs::write(&path, &whole[..1 << 19]).unwrap();
        watch.look();
        assert!(!watch.has("b", "large", 1));
        fs::write(&path, &whole).unwrap();
        watch.look();
        assert!(watch.has("b", "large", 1));
        whole[(1 << 20) - 3] = 0;
        assert_eq!(read(&b.own.join("nowhere.dat"), "run", "nowhere", 1 << 20), Look::Missing);
        fs::write(&path, &whole).unwrap();
        assert_eq!(read(&path, "run", "large", 1 << 20), Look::Nul);
    }

    #[test]
    fn a_message_counts_once_it_is_whole_and_of_the_run_that_is_met() {
        let (_dir, b, mut watch) = watched();
        let message = |probe: &str| {
            let body = serde_json::json!({ "at_us": 5 });
            let message = Message { probe: probe.to_owned(), at_us: 7, least_us: BTreeMap::new(), body };
            serde_json::to_vec(&message).unwrap()
        };
        let whole = message("run");
        b.say("at", &whole[..20]).unwrap();
        watch.look();
        b.say("old", &message("an earlier run")).unwrap();
        watch.look();
        assert!(watch.message("b", "at").is_none() && watch.message("b", "old").is_none());
        // Once it is begun anew, what was seen of it is forgotten.
        watch.peers.insert("b".to_owned(), "an earlier run".to_owned());
        watch.look();
        assert!(watch.message("b", "old").is_some());
        watch.forget("b");
        watch.peers.insert("b".to_owned(), "run".to_owned());
        watch.look();
        assert!(watch.message("b", "old").is_none());
        b.say("at", &whole).unwrap();
        watch.look();
        assert_eq!(watch.message("b", "at").unwrap().body::<wire::At>().unwrap().at_us, 5);
        assert_eq!(watch.samples("b").len(), 1);
    }
}
