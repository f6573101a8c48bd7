//! Notes in a real folder, for programs: the protocol of the core, run by a [`Runner`].
//!
//! A [`Notebook`] is one instance on one machine. What it acknowledges is on this machine's disk, in its own files
//! alone; the folder's client brings it to the others. What others have written is there once it has arrived:
//! [`Notebook::wait`] tells of it. [`look`] reads without writing anything, not even the local directory.
//!
//! ```no_run
//! use std::path::Path;
//! use std::time::Duration;
//!
//! use cloudchamber_core::notes::Change;
//! use cloudchamber_host::notes::{Notebook, Options};
//!
//! let folder = Path::new("/home/ann/Sync/notes");
//! let mut notebook = Notebook::open(folder, &Options::default())?;
//! let note = notebook.create("Milk\nBread")?.note;
//! notebook.edit(&note, Change::Append(", Butter".to_owned()))?;
//! assert_eq!(notebook.view().text(&note).as_deref(), Some("Milk\nBread, Butter"));
//! for found in notebook.search("bread")? {
//!     println!("{}: {}", found.note, found.line);
//! }
//! loop {
//!     for news in notebook.wait(Duration::from_secs(60))? {
//!         println!("{news}");
//!     }
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), cloudchamber_host::notes::NotesError>(())
//! ```

mod index;
mod news;
mod turn;

use std::fmt;
use std::path::{Path as OsPath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cloudchamber_core::notes::names::{ACTIVITY, is_id, new_id};
use cloudchamber_core::notes::problem::Problem;
use cloudchamber_core::notes::{Change, Command, Config, Done, Kind, Note, Notes, State};
use cloudchamber_core::{Design, FsMut, Input};

use self::index::Index;
pub use self::index::{Found, Synced};
use self::news::Heard;
pub use self::news::News;
use self::turn::Turn;
use crate::changes::Changes;
use crate::local::{self, Synced as Copied};
use crate::runner::{self, OpFailed};
use crate::{Lock, OsFs, Runner, clock, place, small};

/// The file of the local directory that keeps the profile.
const PROFILE: &str = "profile";

/// How a notebook is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The directory that never leaves this machine; `None` for the folder's own among the user's data.
    pub local: Option<PathBuf>,
    /// Whose the instance is, an id that a person's instances share; `None` for the one that it had, or a new one.
    pub profile: Option<String>,
    /// How often the folder is looked at without being told, in ms; `None` for every 10 s.
    pub scan_ms: Option<u64>,
    /// After how many own records of a note a snapshot of it is written; `None` for never.
    pub snapshot_records: Option<u32>,
    /// Whether the folder is taken as it is, although it is empty or lacks much of what this machine has written: a person
    /// says that it is meant so. It is written again then.
    pub accept: bool,
}

/// Why a notebook did not do what it was asked.
#[derive(Debug)]
pub enum NotesError {
    /// The folder, the local directory or the index cannot be used: where, why, and the way out.
    Place(String),
    /// It does not do it: why, and the way out. Nothing was written.
    Refused(String),
    /// A file could not be written, and what was to be written is nowhere.
    Undone(OpFailed),
    /// A file could not be written, and what was to be written may be there.
    Unsure(OpFailed),
}

impl fmt::Display for NotesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place(why) | Self::Refused(why) => f.write_str(why),
            Self::Undone(failed) => write!(f, "{failed}: nothing was changed: try again"),
            Self::Unsure(failed) => {
                write!(
                    f,
                    "{failed}: the change may be kept: look at the note with show before it is made again"
                )
            }
        }
    }
}

impl std::error::Error for NotesError {}

impl NotesError {
    fn place(error: impl fmt::Display) -> Self {
        // An error of several causes is told whole.
        Self::Place(format!("{error:#}"))
    }
}

/// A record that is on this machine's disk.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written {
    /// The note.
    pub note: Arc<str>,
    /// What it does.
    pub done: Done,
    /// Whose record it is: this instance's id.
    pub instance: Arc<str>,
    /// Its number among those of this instance and note.
    pub seq: u64,
}

/// The notes, as they are known at this moment.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    config: &'a Config,
    notes: &'a Notes,
}

impl View<'_> {
    /// A note; `None` if nothing is known of it.
    #[must_use]
    pub fn note(&self, id: &str) -> Option<Note> {
        self.notes.note(self.config, id)
    }

    /// All notes but those that are deleted for good, by id.
    #[must_use]
    pub fn notes(&self) -> Vec<Note> {
        self.notes.list(self.config)
    }

    /// The ids of all notes that anything is known of, deleted ones among them.
    #[must_use]
    pub fn ids(&self) -> Vec<Arc<str>> {
        self.notes.ids()
    }

    /// The text of a note; `None` if there is none to show.
    #[must_use]
    pub fn text(&self, id: &str) -> Option<String> {
        self.notes.text(self.config, id)
    }

    /// Whether a note is deleted for good.
    #[must_use]
    pub fn is_deleted(&self, id: &str) -> bool {
        self.notes.is_deleted(id)
    }

    /// This instance's id; `None` while it has none.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        self.notes.instance()
    }

    /// What is wrong with the files of the folder, conflict copies among it.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        self.notes.problems(self.config)
    }

    /// Records that others have told of and that are not here: note, instance and number.
    #[must_use]
    pub fn awaited(&self) -> Vec<(Arc<str>, Arc<str>, u64)> {
        self.notes.awaited()
    }
}

/// Where a notebook is.
#[derive(Clone, Debug)]
struct Place {
    folder: PathBuf,
    local: PathBuf,
}

impl Place {
    fn of(folder: &OsPath, options: &Options) -> anyhow::Result<Self> {
        let folder = local::real(folder)?;
        let local = match &options.local {
            Some(local) => local.clone(),
            None => local::default(&folder, None)?.join("notes"),
        };
        local::refuse_inside(&local, &folder, Copied::Everything)?;
        Ok(Self { folder, local })
    }

    /// The profile that is to be used: given, kept, or a new one.
    fn profile(&self, options: &Options) -> anyhow::Result<String> {
        let kept = std::fs::read_to_string(self.local.join(PROFILE)).ok();
        let kept = kept.map(|kept| kept.trim().to_owned()).filter(|kept| is_id(kept));
        let profile = options.profile.clone().or(kept);
        let profile = profile.unwrap_or_else(|| new_id(&mut clock::draw().rng()));
        if !is_id(&profile) {
            anyhow::bail!("`{profile}` is no profile: give 1 to 64 letters, digits, `_` and `-`");
        }
        Ok(profile)
    }

    fn config(&self, options: &Options) -> anyhow::Result<Config> {
        let mut config = Config::new(Design::Hardened, Kind::Yjs, &self.profile(options)?);
        config.timing.scan_ms = options.scan_ms.unwrap_or(10_000).max(1);
        config.timing.full_scan_ms = config.timing.full_scan_ms.max(config.timing.scan_ms);
        config.snapshot_records = options.snapshot_records;
        // Of no local directory: then nobody is that could have been copied.
        config.place = place::place(&self.local);
        config.check()?;
        Ok(config)
    }

    fn fs(&self) -> OsFs {
        OsFs::new(&self.folder, &self.local)
    }
}

/// The notes of a folder, read once, without writing anything.
#[derive(Debug)]
pub struct Reading {
    config: Config,
    notes: Notes,
    place: Place,
    /// Whether a notebook that is opened now would write something of its own, such as what a crash has left undone.
    pub is_due: bool,
}

/// Reads the notes of a folder, without writing anything and whoever else writes meanwhile.
///
/// # Errors
/// Where the folder is not there or cannot be read, or the local directory would lie inside it.
pub fn look(folder: &OsPath, options: &Options) -> Result<Reading, NotesError> {
    let place = Place::of(folder, options).map_err(NotesError::place)?;
    let config = place.config(options).map_err(NotesError::place)?;
    let (notes, events, is_due) = runner::look::<Notes>(&config, &place.fs());
    let mut heard = Heard::default();
    events.iter().for_each(|event| heard.hear(event));
    match heard.away.take() {
        Some(why) => Err(NotesError::Place(format!("{}: {why}", place.folder.display()))),
        None => Ok(Reading { config, notes, place, is_due }),
    }
}

impl Reading {
    /// What was read.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { config: &self.config, notes: &self.notes }
    }

    /// What a sync would receive and send: what differs from the last one.
    ///
    /// # Errors
    /// Where the index is there and cannot be read.
    pub fn unsynced(&self) -> Result<Synced, NotesError> {
        Index::glance(&self.place.local, self.view())
    }
}

/// One instance with its notes on a real folder. No other process of this machine writes there while it lives, but while
/// it waits ([`Notebook::wait`]).
///
/// `F` is what the files are: a real folder, or in tests anything that fails where it should.
#[derive(Debug)]
pub struct Notebook<F: FsMut = OsFs> {
    runner: Runner<Notes, F>,
    place: Place,
    heard: Heard,
    turn: Turn,
    index: Option<Index>,
    changes: Option<Changes>,
}

impl Notebook {
    /// Starts the instance, and repairs what a crash left of its own files. The folder is never made.
    ///
    /// # Errors
    /// Where the folder is not there or cannot be used, or the local directory lies inside it or cannot be written.
    pub fn open(folder: &OsPath, options: &Options) -> Result<Self, NotesError> {
        let place = Place::of(folder, options).map_err(NotesError::place)?;
        let local =
            local::make(&place.local, &place.folder, Copied::Everything).map_err(NotesError::place)?;
        if let (None, Some(of_folder)) = (&options.local, local.parent()) {
            local::remember(of_folder, &place.folder, None).map_err(NotesError::place)?;
        }
        let place = Place { local, ..place };
        let lock = place.lock()?;
        let config = place.config(options).map_err(NotesError::place)?;
        let profile = place.local.join(PROFILE);
        if std::fs::read_to_string(&profile).ok().as_deref() != Some(&*config.profile) {
            small::put(&place.local, &profile, config.profile.as_bytes())
                .map_err(|error| NotesError::Place(format!("{}: {error}", profile.display())))?;
        }
        let fs = place.fs();
        if options.accept {
            fs.accept_folder();
        }
        Self::start(fs, config, lock, place, options.accept)
    }
}

impl<F: FsMut> Notebook<F> {
    /// Starts the instance on any files; `folder` is where notices of changes come from.
    ///
    /// # Errors
    /// As [`Notebook::open`].
    pub fn on(fs: F, config: Config, folder: &OsPath, local: &OsPath) -> Result<Self, NotesError> {
        let place = Place { folder: folder.to_owned(), local: local.to_owned() };
        let lock = place.lock()?;
        Self::start(fs, config, lock, place, false)
    }

    fn start(fs: F, config: Config, lock: Lock, place: Place, accepts: bool) -> Result<Self, NotesError> {
        let mut heard = Heard::default();
        let runner = Runner::open(config, fs, lock, &mut |_, event| heard.hear(event));
        let turn = Turn::of(&place.local);
        let mut notebook = Self { runner, place, heard, turn, index: None, changes: None };
        notebook.settle()?.map_err(NotesError::Undone)?;
        if accepts {
            notebook.give("", Command::Accept)?;
        }
        // What was there before is no news.
        notebook.heard.news.retain(News::is_of_the_instance);
        match notebook.away() {
            Some(why) => Err(NotesError::Place(format!("{}: {why}", notebook.place.folder.display()))),
            None => Ok(notebook),
        }
    }

    /// What is known now.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { config: self.runner.config(), notes: self.runner.protocol() }
    }

    /// Why the folder cannot be used at this moment; `None` if it can.
    #[must_use]
    pub fn away(&self) -> Option<&str> {
        self.heard.away.as_deref()
    }

    /// What is new since the last call that told.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.heard.news)
    }

    /// The local directory.
    #[must_use]
    pub fn local(&self) -> &OsPath {
        &self.place.local
    }

    /// Makes a note with this text.
    ///
    /// # Errors
    /// As [`Notebook::edit`].
    pub fn create(&mut self, text: &str) -> Result<Written, NotesError> {
        let id = new_id(&mut clock::draw().rng());
        self.create_as(&id, text)
    }

    /// Makes a note with this id and text. Ids that differ in case only are one directory on macOS and Windows.
    ///
    /// # Errors
    /// As [`Notebook::edit`]; refused where the note is there already or the id is none.
    pub fn create_as(&mut self, id: &str, text: &str) -> Result<Written, NotesError> {
        if !self.view().ids().iter().any(|other| **other == *id)
            && let Some(other) = self.view().ids().iter().find(|other| other.eq_ignore_ascii_case(id))
        {
            return Err(NotesError::Refused(format!(
                "{id} differs from {other} in case only, which is one directory on macOS and Windows: give another id"
            )));
        }
        let command = Command::Create { note: Some(id.to_owned()), text: text.to_owned() };
        let written = self.write(id, command)?;
        written.ok_or_else(|| NotesError::Refused(format!("{id} is there already: edit it")))
    }

    /// Changes a note's text; `None` if that changes nothing.
    ///
    /// # Errors
    /// [`NotesError::Refused`] where the note is not here, is deleted for good, or the change does not fit;
    /// [`NotesError::Undone`] and [`NotesError::Unsure`] where a file could not be written.
    pub fn edit(&mut self, id: &str, change: Change) -> Result<Option<Written>, NotesError> {
        self.write(id, Command::Edit { note: id.to_owned(), change })
    }

    /// Puts a note into the trash; `None` if it lies there.
    ///
    /// # Errors
    /// As [`Notebook::edit`].
    pub fn delete(&mut self, id: &str) -> Result<Option<Written>, NotesError> {
        self.write(id, Command::Delete { note: id.to_owned() })
    }

    /// Takes a note out of the trash; `None` if it does not lie there.
    ///
    /// # Errors
    /// As [`Notebook::edit`].
    pub fn restore(&mut self, id: &str) -> Result<Option<Written>, NotesError> {
        self.write(id, Command::Restore { note: id.to_owned() })
    }

    /// Deletes a note for good, on every machine; false if it is deleted already. It never comes back.
    ///
    /// # Errors
    /// As [`Notebook::edit`].
    pub fn delete_for_good(&mut self, id: &str) -> Result<bool, NotesError> {
        let before = self.view().is_deleted(id);
        match self.give(id, Command::PermanentlyDelete { note: id.to_owned() }) {
            // It is tried again at once.
            Err(NotesError::Unsure(_)) if self.look_again()?.is_ok() && self.view().is_deleted(id) => {}
            result => drop(result?),
        }
        Ok(!before)
    }

    /// Writes a snapshot of a note, from which it can be read faster.
    ///
    /// # Errors
    /// As [`Notebook::edit`]; refused while records of the note are missing.
    pub fn snapshot(&mut self, id: &str) -> Result<(), NotesError> {
        self.give(id, Command::Snapshot { note: id.to_owned() }).map(drop)
    }

    /// Reads every file again, whatever its length and time say, and tells what is new since the last call that told.
    ///
    /// # Errors
    /// Where an own file could not be written.
    pub fn sync(&mut self) -> Result<Vec<News>, NotesError> {
        self.give("", Command::Sync)?;
        Ok(std::mem::take(&mut self.heard.news))
    }

    /// Looks at what has changed, by length and time, and tells what is new since the last call that told.
    ///
    /// # Errors
    /// Where an own file could not be written.
    pub fn look(&mut self) -> Result<Vec<News>, NotesError> {
        self.look_again()?.map_err(NotesError::Undone)?;
        Ok(self.take_news())
    }

    /// Waits until something has changed, at most so long, and tells what is new. Other processes of this machine may write
    /// meanwhile.
    ///
    /// # Errors
    /// Where an own file could not be written. What others have written is taken in all the same, and the next call goes on.
    pub fn wait(&mut self, most: Duration) -> Result<Vec<News>, NotesError> {
        // Where the system gives no notices, the timer is what it goes by.
        if self.changes.is_none() {
            self.changes = Changes::of(&self.place.folder).ok();
        }
        let nap = self.runner.nap(most);
        self.runner.rest();
        match &self.changes {
            Some(changes) => drop(changes.wait(nap)),
            None => std::thread::sleep(nap),
        }
        if !self.place.folder.is_dir() {
            // Notices of one that comes back in its place have to be asked for anew.
            self.changes = None;
        }
        self.runner.resume(self.place.lock()?);
        if self.turn.is_anothers() {
            // Another process of this machine has written as this instance.
            self.heard.is_reopening = true;
            self.runner.reopen(&mut |_, event| self.heard.hear(event));
            self.turn = Turn::of(&self.place.local);
        } else if !self.runner.tick(&mut |_, event| self.heard.hear(event)) {
            self.runner.feed(Input::Changed, &mut |_, event| self.heard.hear(event));
        }
        let settled = self.settle()?;
        self.heard.is_reopening = false;
        settled.map_err(NotesError::Undone)?;
        Ok(std::mem::take(&mut self.heard.news))
    }

    /// What has changed since the last sync, which this is from now on.
    ///
    /// # Errors
    /// Where the index cannot be written.
    pub fn synced(&mut self) -> Result<Synced, NotesError> {
        self.indexed(|index, view| index.sync(view))
    }

    /// The notes in whose text each of the words stands, those in the trash among them; newest first. Case does not count.
    ///
    /// # Errors
    /// Where the index cannot be written.
    pub fn search(&mut self, words: &str) -> Result<Vec<Found>, NotesError> {
        self.indexed(|index, view| {
            index.update(view)?;
            index.search(words)
        })
    }

    fn indexed<T>(
        &mut self,
        act: impl FnOnce(&mut Index, View<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, NotesError> {
        let mut index = match self.index.take() {
            Some(index) => index,
            None => Index::open(&self.place.local)?,
        };
        let result = act(&mut index, self.view()).map_err(|error| index.told(&error));
        self.index = Some(index);
        result
    }

    /// Writes a record, and finds out what became of it where a file could not be written.
    fn write(&mut self, id: &str, command: Command) -> Result<Option<Written>, NotesError> {
        let next = |notes: &Notes| Some((notes.instance()?.to_owned(), notes.next_seq(id)?));
        let (before, done) = (next(self.runner.protocol()), done(&command));
        let failed = match self.give(id, command) {
            Err(NotesError::Unsure(failed)) => failed,
            result => return result,
        };
        // The files tell: a record that is in the shadow is completed.
        let settled = self.look_again()?;
        let after = next(self.runner.protocol());
        match (before, after, settled) {
            (Some(before), Some(after), Ok(())) if before == after => Err(NotesError::Undone(failed)),
            // The hint comes after the record, which is flushed by then.
            (Some((was, seq)), Some((is, next)), _)
                if was == is && next > seq && failed.path.name().starts_with(ACTIVITY) =>
            {
                self.heard.news.push(News::Unhinted(failed.to_string()));
                Ok(Some(Written { note: id.into(), done, instance: is.into(), seq }))
            }
            _ => Err(NotesError::Unsure(failed)),
        }
    }

    fn look_again(&mut self) -> Result<Result<(), OpFailed>, NotesError> {
        self.runner.feed(Input::Changed, &mut |_, event| self.heard.hear(event));
        self.settle()
    }

    fn give(&mut self, id: &str, command: Command) -> Result<Option<Written>, NotesError> {
        self.heard.answer(id);
        self.runner.feed(Input::Command(command), &mut |_, event| self.heard.hear(event));
        let settled = self.settle()?;
        let (refused, written) = (self.heard.refused.take(), self.heard.written.take());
        match (settled, written, refused) {
            // What fails after it was told does not undo it.
            (_, Some(written), _) => Ok(Some(written)),
            (Err(failed), None, Some(_)) => Err(NotesError::Undone(failed)),
            (Err(failed), None, None) => Err(NotesError::Unsure(failed)),
            (Ok(()), None, Some(why)) => Err(NotesError::Refused(why)),
            (Ok(()), None, None) => Ok(None),
        }
    }

    /// Applies what is pending; another process that rests is to know that something was written.
    fn settle(&mut self) -> Result<Result<(), OpFailed>, NotesError> {
        if self.runner.pending_op().is_some() {
            self.turn.take()?;
        }
        Ok(self.runner.settle(&mut |_, event| self.heard.hear(event)))
    }
}

impl Place {
    fn lock(&self) -> Result<Lock, NotesError> {
        Lock::wait(&self.local).map_err(|error| {
            NotesError::Place(format!(
                "{}: {error}: give a local directory that can be written",
                self.local.display()
            ))
        })
    }
}

/// What a command does to a note.
fn done(command: &Command) -> Done {
    match command {
        Command::Create { .. } => Done::Created,
        Command::Delete { .. } => Done::Trashed,
        Command::Restore { .. } => Done::Restored,
        _ => Done::Edited,
    }
}

/// The first line of a note's text that is not blank: its title.
#[must_use]
pub fn title(text: &str) -> &str {
    text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("")
}

/// Whether a note's text can be shown.
#[must_use]
pub fn has_text(note: &Note) -> bool {
    matches!(note.state, State::Live | State::Trashed)
}
