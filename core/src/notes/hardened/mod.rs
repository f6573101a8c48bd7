//! The machine of the hardened design.
//!
//! # What it writes, and when it says so
//! A change is a record: first in the shadow, flushed, then in the own log, flushed, then a line of the activity log;
//! only then it is told as written. A deletion for good is a line of the local list of deletions, flushed, then one of
//! the own deletion log, flushed. Whoever learns of a deletion writes it down in both as well, and only then tells of it,
//! so that no single file has to survive for a note to stay deleted, and removes his own files of the note, never
//! others'.
//!
//! # What it reads, and when
//! Hints shorten waiting and decide nothing: while a hinted record is not here, its note is looked at again after
//! 500 ms, doubled each time up to the usual time between looks; nothing is ever given up. Where somebody says that the
//! folder changed, and by itself every 30 s, the directories of all notes are listed; every file is read again in a full
//! scan, which is slow, and after a wake.

mod hints;
mod own;
mod uphold;
mod write;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use own::{Opening, Own, Settled, tombstones_path};
use xxhash_rust::xxh3::xxh3_64;

use super::Notes;
use super::config::Config;
use super::document::Document;
use super::kept::Kept;
use super::lines::{self, activity_log, deletion_log};
use super::load::Loaded;
use super::names::{ACTIVITY, DELETED, FOLDERS, NOTES, SD_ID};
use super::problem::{Problem, ProblemKind};
use super::protocol::{Command, Event, Note, State};
use super::shelf::{Look, Looking, NoteFiles, Shelf};
use crate::kit::guard::{Lack, Limit};
use crate::kit::memo::Memo;
use crate::kit::watermark::Numbers;
use crate::{Content, Cx, FsError, Input, Mono, Path};

/// What the instance is doing.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Phase {
    /// It cannot write now; it tries again at the next look.
    Closed,
    /// Its own files are being made whole.
    Settling,
    /// It can write.
    Ready,
    /// It writes: what is told once all is on disk.
    Writing(Vec<Event>),
}

/// An instance of the hardened design.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Instance {
    shelf: Shelf,
    own: Option<Box<Own>>,
    /// Notes that are deleted for good, and when, as far as that can be read.
    gone: BTreeMap<Arc<str>, Option<u64>>,
    /// Those of them that the local list names.
    gone_saved: BTreeSet<Arc<str>>,
    /// Those of them whose own files are removed.
    gone_cleaned: BTreeSet<Arc<str>>,
    /// Whether the local list ends without a newline.
    gone_gap: bool,
    phase: Phase,
    queue: VecDeque<Command>,
    /// The numbers of each note and instance that are here.
    known: BTreeMap<Arc<str>, BTreeMap<String, Numbers>>,
    /// The largest numbers that hints tell of, by note and instance.
    hinted: BTreeMap<(Arc<str>, Arc<str>), u64>,
    /// Those of them whose records are not all here.
    open: BTreeSet<(Arc<str>, Arc<str>)>,
    /// Notes of whose files something is missing: a number, a file that cannot be read, or all of them.
    holed: BTreeSet<Arc<str>>,
    /// Notes of which the folder lacks what was read of others or in a snapshot alone, and since when.
    lacking: BTreeMap<Arc<str>, Mono>,
    /// The files that the ops of this batch are about.
    writing: Vec<Path>,
    /// Files that could not be written. What can wait is not tried again until the next full scan.
    blocked: BTreeSet<Path>,
    /// Looks for hinted records without a change.
    attempts: u32,
    next_look: Mono,
    next_list: Mono,
    next_full: Mono,
    /// When the folder is looked at because the machine woke.
    wake_look: Option<Mono>,
    /// Whether trash was looked through since the last full scan.
    is_purged: bool,
    /// Why it cannot write, as it was told.
    away: Option<String>,
    /// Whether a person takes the folder as it is; until it works in it again.
    accepted: bool,
    /// The document of the note that was changed last.
    kept: Memo<Kept>,
}

/// How much of the folder is looked at.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Depth {
    /// Hints, deletions and the notes of which something is missing.
    Hints,
    /// What has changed in any directory.
    Listing,
    /// Every file.
    Full,
}

/// From so many looks on the time between two of them does not grow.
const ATTEMPTS_MAX: u32 = 32;

type Context<'a, 'b> = &'a mut Cx<'b, Notes>;

impl Instance {
    pub(super) fn open(config: &Config, cx: Context<'_, '_>) -> Self {
        let now = cx.now().mono;
        let mut instance = Self {
            shelf: Shelf::default(),
            own: None,
            gone: BTreeMap::new(),
            gone_saved: BTreeSet::new(),
            gone_cleaned: BTreeSet::new(),
            gone_gap: false,
            phase: Phase::Closed,
            queue: VecDeque::new(),
            known: BTreeMap::new(),
            hinted: BTreeMap::new(),
            open: BTreeSet::new(),
            holed: BTreeSet::new(),
            lacking: BTreeMap::new(),
            writing: Vec::new(),
            blocked: BTreeSet::new(),
            attempts: 0,
            next_look: now,
            next_list: now,
            next_full: now,
            wake_look: None,
            is_purged: false,
            away: None,
            accepted: false,
            kept: Memo::default(),
        };
        instance.start(config, cx);
        instance
    }

    pub(super) fn step(&mut self, config: &Config, input: Input<Notes>, cx: Context<'_, '_>) {
        match input {
            Input::Applied => match std::mem::replace(&mut self.phase, Phase::Ready) {
                Phase::Writing(events) => {
                    for event in events {
                        self.note_written(&event);
                        cx.event(event);
                    }
                    self.go_on(config, cx);
                }
                _ => self.start(config, cx),
            },
            Input::Failed { op, .. } => self.failed(op, cx),
            Input::Changed => {
                self.look(config, Depth::Listing, cx);
                self.after_look(config, cx);
            }
            Input::Timer => self.timer(config, cx),
            Input::Command(command) => {
                self.accepted |= command == Command::Accept;
                if self.phase == Phase::Closed {
                    self.start(config, cx);
                }
                match &self.phase {
                    Phase::Closed => {
                        let why = self.away.clone().unwrap_or_else(|| "the folder is not here".to_owned());
                        cx.event(Event::Refused(why));
                    }
                    _ => self.queue.push_back(command),
                }
                self.go_on(config, cx);
            }
            Input::Reply(never) => match never {},
        }
    }

    /// A record is known once it is on disk: one that could not be written is not there.
    fn note_written(&mut self, event: &Event) {
        if let Event::Written { note, instance, seq, .. } = event {
            let known = self.known.entry(note.clone()).or_default();
            known.entry(instance.to_string()).or_default().insert(*seq);
        }
    }

    pub(super) fn wake_at(&self) -> Option<Mono> {
        [Some(self.next_look), Some(self.next_full), self.wake_look].into_iter().flatten().min()
    }

    /// What is on disk now is found out by opening the files anew, at the next look.
    ///
    /// Commands that were not begun are refused, so that none is carried out after whoever gave it was told of a failure.
    fn failed(&mut self, op: u32, cx: Context<'_, '_>) {
        cx.event(Event::Failed);
        for _ in self.queue.drain(..) {
            cx.event(Event::Refused(
                "a file could not be written before this was begun: try again".to_owned(),
            ));
        }
        let path = usize::try_from(op).ok().and_then(|op| self.writing.get(op));
        self.blocked.extend(path.cloned());
        self.phase = Phase::Closed;
    }

    fn timer(&mut self, config: &Config, cx: Context<'_, '_>) {
        let (now, timing) = (cx.now().mono, &config.timing);
        let due = self.wake_at().unwrap_or(now);
        if now.since(due) >= timing.asleep_ms {
            cx.event(Event::Woke);
            self.wake_look = Some(now.plus(timing.wake_ms));
        }
        let woken = self.wake_look.is_some_and(|at| at <= now);
        if woken {
            self.wake_look = None;
        }
        let depth = match () {
            () if woken || self.next_full <= now => Depth::Full,
            // Who he is and what is his is found out from all that there is.
            () if self.next_list <= now || self.phase == Phase::Closed => Depth::Listing,
            () => Depth::Hints,
        };
        if depth == Depth::Full {
            self.blocked.clear();
        }
        self.look(config, depth, cx);
        self.after_look(config, cx);
    }

    /// Looks at all there is, and opens the own files.
    fn start(&mut self, config: &Config, cx: Context<'_, '_>) {
        self.phase = Phase::Closed;
        self.look(config, Depth::Full, cx);
        self.after_look(config, cx);
    }

    /// Opens the own files if they are not open, and goes on.
    fn after_look(&mut self, config: &Config, cx: Context<'_, '_>) {
        if self.phase == Phase::Closed && self.away.is_none() {
            self.settle(config, cx);
        }
        self.go_on(config, cx);
    }

    fn settle(&mut self, config: &Config, cx: Context<'_, '_>) {
        let gone = &self.gone;
        let fs = cx.fs();
        let opening = Opening {
            fs,
            config,
            limit: if self.accepted { Limit::NONE } else { Limit::USUAL },
            shelf: &self.shelf,
            is_gone: &|note| gone.contains_key(note),
            wall: cx.now().wall,
        };
        match own::settle(&opening, cx.rng()) {
            Ok(Settled::Owned(own, ops, words)) => {
                words.into_iter().for_each(|what| cx.event(Event::Repaired(what)));
                if ops.is_empty() {
                    cx.event(Event::Started { instance: own.instance().into() });
                    self.phase = Phase::Ready;
                    self.own = Some(own);
                    self.recount_own(config);
                } else {
                    ops.into_iter().for_each(|op| cx.op(op));
                    self.phase = Phase::Settling;
                }
            }
            Ok(Settled::Moves(ops, instance, why)) => {
                if !why.is_empty() {
                    cx.event(Event::Moved { instance: instance.into(), why });
                }
                ops.into_iter().for_each(|op| cx.op(op));
                self.phase = Phase::Settling;
            }
            Ok(Settled::Lacks(lack)) => self.be_away(told(lack), cx),
            Err((path, error)) => self.be_away(format!("{path}: {error}"), cx),
        }
    }

    /// Takes note that the folder cannot be used, and tells it once.
    fn be_away(&mut self, why: String, cx: Context<'_, '_>) {
        if self.away.as_ref() != Some(&why) {
            cx.event(Event::Away(why.clone()));
        }
        self.away = Some(why);
        if !matches!(self.phase, Phase::Writing(_) | Phase::Settling) {
            self.phase = Phase::Closed;
        }
    }

    /// Looks at the folder.
    fn look(&mut self, config: &Config, depth: Depth, cx: Context<'_, '_>) {
        let (now, timing) = (cx.now().mono, &config.timing);
        if depth == Depth::Full {
            self.next_full = now.plus(timing.full_scan_ms);
            self.is_purged = false;
        }
        if depth >= Depth::Listing {
            self.next_list = now.plus(timing.list_ms.max(timing.scan_ms));
        }
        let before = self.open.len();
        match self.look_at_files(config, depth, cx) {
            Ok(()) => self.away = None,
            Err(why) => self.be_away(why, cx),
        }
        let awaited = self.open.len();
        let waits_on = awaited > 0 && awaited == before;
        self.attempts = if waits_on { (self.attempts + 1).min(ATTEMPTS_MAX) } else { 0 };
        let again = if awaited > 0 { timing.retry_after(self.attempts) } else { u64::MAX };
        self.next_look = now.plus(again.min(timing.scan_ms));
    }

    fn look_at_files(&mut self, config: &Config, depth: Depth, cx: Context<'_, '_>) -> Result<(), String> {
        let fs = cx.fs();
        self.read_gone(cx).map_err(|error| format!("{}: {error}", tombstones_path()))?;
        let root = fs.list(&Path::shared("")).map_err(|error| format!("the folder: {error}"))?;
        let marks = [NOTES, ACTIVITY, DELETED, FOLDERS, SD_ID];
        let has_own = fs.read(&own::begun_path(), 0).is_ok();
        let is_known = root.iter().any(|entry| marks.contains(&entry.name()));
        if has_own && !is_known && !self.accepted {
            return Err(told(Lack::Everything));
        }
        if is_known && self.phase == Phase::Ready {
            self.accepted = false;
        }
        let lengths = self.own.as_ref().map(|own| own.lengths()).unwrap_or_default();
        if depth == Depth::Hints {
            let look = self.look_with(&lengths, false, |shelf, looking| shelf.look_at_hints(fs, looking));
            self.take_in(config, &look, depth, cx);
            let awaited = self.open.iter().map(|(note, _)| note).chain(&self.holed);
            let awaited: BTreeSet<_> = awaited.cloned().collect();
            let look = self.look_with(&lengths, false, |shelf, looking| shelf.look_at(fs, looking, &awaited));
            self.take_in(config, &look, depth, cx);
        }
        if depth > Depth::Hints || self.phase == Phase::Closed {
            let full = depth == Depth::Full;
            let look = self.look_with(&lengths, full, |shelf, looking| shelf.look(fs, looking));
            let look = look.map_err(|error| format!("{NOTES}: {error}"))?;
            self.take_in(config, &look, depth, cx);
        }
        Ok(())
    }

    fn look_with<T>(
        &mut self,
        own: &BTreeMap<Path, u64>,
        full: bool,
        look: impl FnOnce(&mut Shelf, &Looking<'_>) -> T,
    ) -> T {
        let gone = &self.gone;
        let me = self.own.as_ref().map(|own| own.instance());
        let looking = Looking { full, copies: true, own, me, is_gone: &|note| gone.contains_key(note) };
        look(&mut self.shelf, &looking)
    }

    /// Reads the local list of deletions, once.
    fn read_gone(&mut self, cx: Context<'_, '_>) -> Result<(), FsError> {
        if self.phase != Phase::Closed {
            return Ok(());
        }
        let content = match cx.read(&tombstones_path()) {
            Ok(content) => content,
            Err(FsError::NotFound) => Content::new([]),
            Err(error) => return Err(error),
        };
        let file = deletion_log(content.bytes());
        self.gone_gap = file.end != lines::LineEnd::Whole;
        self.gone_saved = file.entries.iter().map(|(_, entry)| entry.note.clone()).collect();
        for (_, entry) in file.entries {
            self.gone.entry(entry.note).or_insert(entry.time_ms);
        }
        Ok(())
    }

    /// Takes over what a look has found.
    fn take_in(&mut self, config: &Config, look: &Look, depth: Depth, cx: Context<'_, '_>) {
        let is_listed = depth > Depth::Hints && self.phase == Phase::Ready;
        if let Some(own) = &mut self.own
            && (look.deleted || !look.activity.is_empty() || is_listed && own.has_told_more(&self.shelf))
        {
            own.read_lines(&self.shelf);
        }
        if look.deleted {
            for log in self.shelf.deleted.values() {
                for (_, entry) in deletion_log(log.held.content.bytes()).entries {
                    self.gone.entry(entry.note).or_insert(entry.time_ms);
                }
            }
        }
        let gone: Vec<_> =
            self.shelf.notes.keys().filter(|note| self.gone.contains_key(*note)).cloned().collect();
        for note in gone {
            self.shelf.notes.remove(&note);
            self.known.remove(&note);
        }
        if look.deleted {
            self.open.retain(|(note, _)| !self.gone.contains_key(note));
            self.holed.retain(|note| !self.gone.contains_key(note));
        }
        for note in &look.notes {
            if self.shelf.notes.contains_key(note) {
                self.recount(config, note, cx);
            }
        }
        self.read_hints(&look.activity, depth);
        self.note_lacking(config, depth, cx);
        if (look.own || self.is_outdone(config, look)) && self.phase == Phase::Ready {
            // What stands in an own file is not what was written there.
            self.phase = Phase::Closed;
        }
    }

    /// Whether a file of this instance, or one that has its id, holds something else than it wrote.
    fn is_outdone(&self, config: &Config, look: &Look) -> bool {
        let Some(own) = &self.own else { return false };
        let files = look.notes.iter().filter_map(|note| self.shelf.notes.get_key_value(note));
        files.into_iter().any(|(note, files)| {
            let mut mine = files.logs.values().filter(|file| file.name.owner.instance == own.instance());
            own.is_altered(note, files) || mine.any(|file| !own.knows(note, config.kind, &file.held.content))
        })
    }

    /// Counts a note's records, and tells what came.
    fn recount(&mut self, config: &Config, note: &Arc<str>, cx: Context<'_, '_>) {
        if let Some(files) = self.shelf.notes.get_mut(note) {
            NoteFiles::forget_replaced(files, config.kind);
        }
        let numbers = self.loaded(config, note).numbers;
        let before = self.known.get(note);
        let up_to: Vec<(Arc<str>, u64)> = numbers
            .iter()
            .filter(|(instance, now)| before.and_then(|before| before.get(*instance)) != Some(now))
            .map(|(instance, now)| (Arc::from(&**instance), now.contiguous()))
            .collect();
        if !up_to.is_empty() {
            cx.event(Event::Loaded { note: note.clone(), up_to });
        }
        self.know(note, numbers);
    }

    /// What was here once counts as here: it is kept.
    fn know(&mut self, note: &Arc<str>, numbers: BTreeMap<String, Numbers>) {
        let known = self.known.entry(note.clone()).or_default();
        for (instance, numbers) in numbers {
            known.entry(instance).or_default().join(&numbers);
        }
        let is_whole = !known.is_empty()
            && known.values().all(|numbers| numbers.missing().next().is_none())
            && self.shelf.notes.get(note).is_none_or(|files| files.unread.is_empty());
        if is_whole {
            self.holed.remove(note)
        } else {
            self.holed.insert(note.clone())
        };
        self.reopen(note);
    }

    fn recount_own(&mut self, config: &Config) {
        let own = self.own.as_ref().map(|own| own.notes().map(|(note, _)| note.clone()).collect::<Vec<_>>());
        for note in own.into_iter().flatten().filter(|note| !self.gone.contains_key(note)).collect::<Vec<_>>()
        {
            let numbers = self.loaded(config, &note).numbers;
            self.know(&note, numbers);
        }
    }

    /// What the files and the own shadows say of a note.
    fn loaded(&self, config: &Config, note: &str) -> Loaded<'_> {
        static NONE: NoteFiles = NoteFiles::EMPTY;
        let files = self.shelf.notes.get(note).map(|files| &**files);
        let own = self.own.iter().flat_map(|own| own.logs(note, files));
        files.unwrap_or(&NONE).load(config.kind, own)
    }

    pub(super) fn note(&self, config: &Config, id: &str) -> Option<Note> {
        if let Some((id, _)) = self.gone.get_key_value(id) {
            return Some(Note {
                id: id.clone(),
                state: State::Deleted,
                document: Document::default(),
                is_incomplete: false,
                numbers: BTreeMap::new(),
                problems: Vec::new(),
            });
        }
        let loaded = self.loaded(config, id);
        if loaded.numbers.is_empty() && !self.shelf.notes.contains_key(id) {
            return None;
        }
        let document = config.kind.document(&loaded.parts);
        let state = match (document.is_begun, document.is_trashed) {
            (false, _) => State::NotYet,
            (true, true) => State::Trashed,
            (true, false) => State::Live,
        };
        let Loaded { numbers, mut problems, .. } = loaded;
        let name = format!("{NOTES}/{id}");
        for (instance, numbers) in &numbers {
            let gaps = numbers.missing().map(|gap| {
                Problem::of(
                    name.as_str(),
                    ProblemKind::SequenceGap,
                    format!("{} to {} of {instance} are not here", gap.start(), gap.end()),
                )
            });
            problems.extend(gaps);
        }
        if document.waits {
            problems.push(Problem::of(name.as_str(), ProblemKind::Waits, ""));
        }
        for (instance, seq) in &document.refused {
            let detail = format!("number {seq} of {instance} cannot be applied");
            problems.push(Problem::of(name.as_str(), ProblemKind::BadRecord, detail));
        }
        let files = self.shelf.notes.get(id).into_iter();
        let kept = files.flat_map(|files| self.lacking_of(files)).map(|(path, _)| {
            Problem::of(path.name(), ProblemKind::KeptRecords, "the folder has less of it than was read")
        });
        problems.extend(kept);
        problems.sort();
        problems.dedup();
        let id: Arc<str> = id.into();
        let from = (id.clone(), Arc::from(""));
        let awaited = self.open.range(from..).next().is_some_and(|(note, _)| *note == id);
        let gaps = numbers.values().any(|numbers| numbers.missing().next().is_some());
        let is_incomplete = state == State::NotYet || document.waits || awaited || gaps;
        Some(Note { id, state, document, is_incomplete, numbers, problems })
    }

    pub(super) fn lacks(&self, config: &Config, id: &str, records: &[&[u8]]) -> Vec<usize> {
        config.kind.lacks(&self.loaded(config, id).parts, records)
    }

    pub(super) fn ids(&self) -> Vec<Arc<str>> {
        let own = self.own.iter().flat_map(|own| own.notes()).map(|(note, _)| note);
        let all: BTreeSet<_> = self.shelf.notes.keys().chain(self.gone.keys()).chain(own).cloned().collect();
        all.into_iter().collect()
    }

    /// A number that changes with what the files say of a note; `None` if nothing is known of it.
    pub(super) fn digest(&self, id: &str) -> Option<u64> {
        if self.gone.contains_key(id) {
            return Some(0);
        }
        let files = self.shelf.notes.get(id).map(|files| &**files);
        let shared = files.into_iter().flat_map(NoteFiles::digests);
        let own = self.own.iter().flat_map(|own| own.logs(id, files)).map(|log| log.content.digest());
        let mut all: Vec<u64> = shared.chain(own).collect();
        all.sort_unstable();
        let bytes: Vec<u8> = all.iter().flat_map(|digest| digest.to_be_bytes()).collect();
        (files.is_some() || !bytes.is_empty()).then(|| xxh3_64(&bytes))
    }

    pub(super) fn next_seq(&self, id: &str) -> Option<u64> {
        self.own.as_ref().map(|own| own.next_seq(id))
    }

    pub(super) fn is_gone(&self, id: &str) -> bool {
        self.gone.contains_key(id)
    }

    pub(super) fn instance(&self) -> Option<&str> {
        self.own.as_ref().map(|own| own.instance())
    }

    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && matches!(self.phase, Phase::Ready | Phase::Closed)
    }

    pub(super) fn problems(&self, config: &Config) -> Vec<Problem> {
        let mut problems = self.shelf.problems.clone();
        for id in self.ids() {
            problems.extend(self.note(config, &id).into_iter().flat_map(|note| note.problems));
        }
        for (path, log) in &self.shelf.activity {
            problems.extend(super::load::line_problems(
                path.name(),
                log.is_copy,
                &activity_log(log.held.content.bytes()),
            ));
        }
        for (path, log) in &self.shelf.deleted {
            problems.extend(super::load::line_problems(
                path.name(),
                log.is_copy,
                &deletion_log(log.held.content.bytes()),
            ));
        }
        problems.sort();
        problems.dedup();
        problems
    }
}

/// Why nothing is written into a folder that lacks so much.
fn told(lack: Lack) -> String {
    let what = match lack {
        Lack::Everything => "the folder is empty, and this machine has written notes there",
        Lack::Much(_) => "much of what this machine has written is not in the folder",
    };
    format!(
        "{what} ({lack}): nothing is written until it is back; if it is meant to be so, notes sync --accept has this machine \
         write its own notes again"
    )
}
