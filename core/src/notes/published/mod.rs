//! The machine of the published design, faults included.
//!
//! It does what the document says (drewcsillag/notecove at 2f4f888, website/architecture/sync-mechanism.md), and where
//! that is silent what upstream's code does. Its person has every note open, so a note that is in the database is one
//! that a reload reaches.
//!
//! # Known faults
//! - A snapshot counts because of its status byte, and the newest one by its name is the only one.
//! - A log whose name does not come after the one that the clock names is never read.
//! - The largest number stands for all numbers before it.
//! - How many lines of an activity log were seen is the only mark of what is new in it.
//! - A record that does not come within ten attempts is stale until the next start, and its line counts as seen.
//! - The activity and deletion logs are written as a whole, and a file that cannot be read counts as absent.
//! - A deletion is an event: it is carried out once a process, and nothing of it is asked when a note is loaded.
//! - Discovery comes 5 s after a wake, and finds only notes that are not in the database.
//! - A note that cannot be loaded is an empty one, and its numbers begin with 1 again.
//! - A deletion for good removes everybody's files, and trash is emptied by one's own view of it.

mod load;
mod row;
mod write;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use row::Row;
use xxhash_rust::xxh3::xxh3_64;

use super::Notes;
use super::config::{Config, Heeded};
use super::document::{Document, client};
use super::lines::{By, LineEnd, activity_log, deletion_log};
use super::names::{ACTIVITY, DELETED, DELETIONS, NOTES, line_log_name, note_of};
use super::protocol::{Command, Event, Note, State};
use crate::kit::memo::Memo;
use crate::kit::watermark::Numbers;
use crate::{Content, Cx, EntryKind, FsError, Input, Mono, Path};

type Context<'a, 'b> = &'a mut Cx<'b, Notes>;

/// After which times a note that cannot be loaded is loaded again before it counts as empty, in ms (upstream's
/// loadNoteWithRetry).
const LOAD_RETRY_MS: [u64; 7] = [100, 200, 500, 1_000, 2_000, 3_000, 5_000];

/// How long deletion logs are left alone, in ms (upstream's deletion poll).
const DELETIONS_MS: u64 = 10_000;

/// A record that a line has told of, and that is looked for.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Poll {
    note: Arc<str>,
    instance: Arc<str>,
    seq: u64,
    /// How often it was looked for.
    attempts: u32,
    /// When it is looked for next, or given up.
    next: Mono,
}

/// What the instance is doing.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Phase {
    /// It can write.
    Ready,
    /// It writes: what is told once all is on disk.
    Writing(Vec<Event>),
}

/// An instance of the published design.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Published {
    instance: Arc<str>,
    /// The Yjs client of this process.
    client: u64,
    /// The database.
    rows: BTreeMap<Arc<str>, Row>,
    /// Rows that the disk does not have yet.
    unsaved: BTreeSet<Arc<str>>,
    /// How many lines of each activity log were seen.
    seen: BTreeMap<Path, u32>,
    /// The digests of the directories of activity and deletion logs when each was last looked at: there is nothing new in
    /// what is as it was.
    looked: Memo<[Option<u64>; 2]>,
    polls: Vec<Poll>,
    stale: BTreeSet<(Arc<str>, Arc<str>, u64)>,
    /// Deletions that were carried out, or seen where there was nothing to delete.
    processed: BTreeSet<Arc<str>>,
    /// The log that this process writes for each note.
    writers: BTreeMap<Arc<str>, Path>,
    phase: Phase,
    queue: VecDeque<Command>,
    /// How often the first command's note could not be loaded, and when it is tried again.
    loading: Option<(usize, Mono)>,
    next_look: Mono,
    next_deletions: Mono,
    /// When notes are discovered because the machine woke.
    discovery: Option<Mono>,
}

impl Published {
    pub(super) fn open(config: &Config, cx: Context<'_, '_>) -> Self {
        let now = cx.now().mono;
        let mut instance = Self {
            instance: "".into(),
            client: 0,
            rows: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            seen: BTreeMap::new(),
            looked: Memo::default(),
            polls: Vec::new(),
            stale: BTreeSet::new(),
            processed: BTreeSet::new(),
            writers: BTreeMap::new(),
            phase: Phase::Ready,
            queue: VecDeque::new(),
            loading: None,
            next_look: now.plus(config.timing.scan_ms),
            next_deletions: now,
            discovery: None,
        };
        instance.become_somebody(config, cx);
        instance.client = client(&instance.instance, cx.rng());
        instance.read_rows(cx);
        cx.event(Event::Started { instance: instance.instance.clone() });
        for note in instance.rows.keys().cloned().collect::<Vec<_>>() {
            instance.reload(config, &note, cx);
        }
        instance.discover(config, cx);
        instance.look(config, cx);
        instance.empty_trash(config, cx);
        instance.go_on(config, cx);
        instance
    }

    pub(super) fn step(&mut self, config: &Config, input: Input<Notes>, cx: Context<'_, '_>) {
        match input {
            Input::Applied => {
                if let Phase::Writing(events) = std::mem::replace(&mut self.phase, Phase::Ready) {
                    events.into_iter().for_each(|event| cx.event(event));
                }
            }
            Input::Failed { .. } => {
                cx.event(Event::Failed);
                self.phase = Phase::Ready;
            }
            Input::Changed => {
                self.next_deletions = cx.now().mono;
                self.look(config, cx);
            }
            Input::Timer => self.timer(config, cx),
            Input::Command(Command::Sync | Command::Accept) => {
                self.next_deletions = cx.now().mono;
                self.look(config, cx);
            }
            Input::Command(command) => self.queue.push_back(command),
            Input::Reply(never) => match never {},
        }
        self.go_on(config, cx);
    }

    pub(super) fn wake_at(&self) -> Option<Mono> {
        let polls = self.polls.iter().map(|poll| poll.next);
        let others = [Some(self.next_look), self.discovery, self.loading.map(|(_, at)| at)];
        polls.chain(others.into_iter().flatten()).min()
    }

    fn timer(&mut self, config: &Config, cx: Context<'_, '_>) {
        let (now, timing) = (cx.now().mono, &config.timing);
        if now.since(self.wake_at().unwrap_or(now)) >= timing.asleep_ms {
            cx.event(Event::Woke);
            self.discovery = Some(now.plus(timing.wake_ms));
        }
        if self.next_look <= now {
            self.look(config, cx);
        }
        self.poll(config, cx);
        if self.discovery.is_some_and(|at| at <= now) {
            self.discovery = None;
            self.discover(config, cx);
        }
    }

    /// Looks at the activity and deletion logs.
    fn look(&mut self, config: &Config, cx: Context<'_, '_>) {
        let now = cx.now().mono;
        self.next_look = now.plus(config.timing.scan_ms);
        self.look_at_activity(config, cx);
        if self.next_deletions <= now {
            self.next_deletions = now.plus(DELETIONS_MS);
            self.look_at_deletions(cx);
        }
        self.poll(config, cx);
    }

    /// Whether a directory of logs is as it was when it was last looked at, and notes that it is about to be.
    fn is_as_it_was(&mut self, which: usize, dir: &str, cx: Context<'_, '_>) -> bool {
        let digest = cx.fs().digest(&Path::shared(dir));
        digest.is_some() && std::mem::replace(&mut self.looked[which], digest) == digest
    }

    fn look_at_activity(&mut self, config: &Config, cx: Context<'_, '_>) {
        let now = cx.now().mono;
        if self.is_as_it_was(0, ACTIVITY, cx) {
            return;
        }
        for (path, owner) in line_logs(ACTIVITY, cx) {
            if owner == *self.instance {
                continue;
            }
            let Ok(content) = cx.read(&path) else { continue };
            let file = activity_log(content.bytes());
            let seen = self.seen.get(&path).copied().unwrap_or(0);
            // What comes behind is new, before any of it has come.
            self.seen.insert(path, file.lines);
            if file.lines < seen {
                // It was compacted: every note that is open is read again.
                for note in self.rows.keys().cloned().collect::<Vec<_>>() {
                    self.reload(config, &note, cx);
                }
                continue;
            }
            for (_, entry) in file.entries.into_iter().filter(|(line, _)| *line > seen) {
                let instance: Arc<str> = match entry.by {
                    By::Instance(instance) => instance,
                    By::Profile(_) => owner.as_str().into(),
                };
                let key = (entry.note, instance, entry.seq);
                if !self.stale.contains(&key) {
                    let (note, instance, seq) = key;
                    self.polls.push(Poll { note, instance, seq, attempts: 0, next: now });
                }
            }
        }
    }

    /// Looks for the records that lines have told of.
    fn poll(&mut self, config: &Config, cx: Context<'_, '_>) {
        let (now, timing) = (cx.now().mono, config.timing);
        let mut polls = std::mem::take(&mut self.polls);
        polls.retain_mut(|poll| {
            if poll.next > now {
                return true;
            }
            if poll.attempts >= timing.attempts_max {
                let key = (poll.note.clone(), poll.instance.clone(), poll.seq);
                cx.event(Event::Stale { note: key.0.clone(), instance: key.1.clone(), seq: key.2 });
                self.stale.insert(key);
                return false;
            }
            if load::largest(cx.fs(), &poll.note, &poll.instance) >= poll.seq
                && self.reload(config, &poll.note, cx)
            {
                return false;
            }
            poll.next = now.plus(timing.retry_after(poll.attempts));
            poll.attempts += 1;
            true
        });
        self.polls = polls;
    }

    /// Reads a note again, and says whether that went well.
    fn reload(&mut self, config: &Config, note: &Arc<str>, cx: Context<'_, '_>) -> bool {
        let cached = self.rows.get(note);
        match load::load(cx.fs(), config.kind, note, cached) {
            Ok(row) if row.is_empty() => true,
            Ok(row) => {
                if cached != Some(&row) {
                    let before = cached.map(numbers).unwrap_or_default();
                    let up_to =
                        numbers(&row).into_iter().filter(|(instance, now)| before.get(instance) != Some(now));
                    let up_to = up_to.map(|(instance, now)| (instance.into(), now.contiguous())).collect();
                    cx.event(Event::Loaded { note: note.clone(), up_to });
                    let mut merged = cached.cloned().unwrap_or_default();
                    merged.merge(row);
                    self.rows.insert(note.clone(), merged);
                    self.unsaved.insert(note.clone());
                }
                true
            }
            Err(why) => {
                cx.event(Event::LoadFailed { note: note.clone(), why });
                false
            }
        }
    }

    /// Carries deletions out, each once.
    fn look_at_deletions(&mut self, cx: Context<'_, '_>) {
        if self.is_as_it_was(1, DELETED, cx) {
            return;
        }
        for (path, owner) in line_logs(DELETED, cx) {
            if owner == *self.instance {
                continue;
            }
            let Ok(content) = cx.read(&path) else { continue };
            let file = deletion_log(content.bytes());
            let whole = if file.end == LineEnd::Whole { u32::MAX } else { file.lines };
            for (_, entry) in file.entries.into_iter().filter(|(line, _)| *line <= whole) {
                if !self.processed.insert(entry.note.clone()) {
                    continue;
                }
                if self.rows.remove(&entry.note).is_some() {
                    self.unsaved.insert(entry.note.clone());
                    cx.event(Event::Gone { note: entry.note });
                }
            }
        }
    }

    /// Takes in the notes that are on disk and not in the database.
    fn discover(&mut self, config: &Config, cx: Context<'_, '_>) {
        let heeded = match config.heeded {
            Heeded::Deleted => DELETED,
            Heeded::Deletions => DELETIONS,
        };
        let mut deleted = BTreeSet::new();
        for (path, _) in line_logs(heeded, cx) {
            let Ok(content) = cx.read(&path) else { continue };
            deleted.extend(deletion_log(content.bytes()).entries.into_iter().map(|(_, entry)| entry.note));
        }
        for entry in cx.list(&Path::shared(NOTES)).unwrap_or_default() {
            let Some((note, false)) = note_of(entry.name()).filter(|_| entry.kind == EntryKind::Dir) else {
                continue;
            };
            let note: Arc<str> = note.into();
            if !self.rows.contains_key(&note) && !deleted.contains(&note) {
                self.reload(config, &note, cx);
            }
        }
    }

    pub(super) fn note(&self, config: &Config, id: &str) -> Option<Note> {
        let Some((id, row)) = self.rows.get_key_value(id) else {
            let id = self.processed.get(id)?;
            return Some(Note {
                id: id.clone(),
                state: State::Deleted,
                document: Document::default(),
                is_incomplete: false,
                numbers: BTreeMap::new(),
                problems: Vec::new(),
            });
        };
        let document = row.document(config.kind);
        let state = if document.is_trashed { State::Trashed } else { State::Live };
        let numbers = numbers(row);
        Some(Note { id: id.clone(), state, document, is_incomplete: false, numbers, problems: Vec::new() })
    }

    pub(super) fn lacks(&self, config: &Config, id: &str, records: &[&[u8]]) -> Vec<usize> {
        let none = Row::default();
        config.kind.lacks(&self.rows.get(id).unwrap_or(&none).parts(), records)
    }

    pub(super) fn ids(&self) -> Vec<Arc<str>> {
        let all: BTreeSet<_> = self.rows.keys().chain(&self.processed).cloned().collect();
        all.into_iter().collect()
    }

    pub(super) fn digest(&self, id: &str) -> Option<u64> {
        let Some(row) = self.rows.get(id) else { return self.processed.contains(id).then_some(0) };
        let all: Vec<_> = row.states.iter().chain(row.records.values()).map(Content::digest).collect();
        let bytes: Vec<u8> = all.iter().flat_map(|digest| digest.to_be_bytes()).collect();
        Some(xxh3_64(&bytes))
    }

    pub(super) fn is_gone(&self, id: &str) -> bool {
        self.processed.contains(id) && !self.rows.contains_key(id)
    }

    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.phase == Phase::Ready
    }

    pub(super) fn awaited(&self) -> Vec<(Arc<str>, Arc<str>, u64)> {
        self.polls.iter().map(|poll| (poll.note.clone(), poll.instance.clone(), poll.seq)).collect()
    }
}

/// The numbers that a row holds.
fn numbers(row: &Row) -> BTreeMap<String, Numbers> {
    let mut found: BTreeMap<String, Numbers> = BTreeMap::new();
    for (instance, seq) in row.records.keys() {
        found.entry(instance.clone()).or_default().insert(*seq);
    }
    found
}

/// The activity or deletion logs, and whose they are. Conflict copies are none.
fn line_logs(dir: &str, cx: Context<'_, '_>) -> Vec<(Path, String)> {
    let entries = match cx.list(&Path::shared(dir)) {
        Ok(entries) => entries,
        Err(FsError::NotFound) => Vec::new(),
        Err(_) => return Vec::new(),
    };
    let named = entries.into_iter().filter_map(|entry| {
        let name = line_log_name(entry.name()).filter(|name| !name.is_copy)?;
        Some((entry.path, name.owner.instance))
    });
    named.collect()
}
