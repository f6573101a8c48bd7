//! Entities on a real folder, for programs that keep what they know in one: the protocol of the core, run by a
//! [`Runner`].
//!
//! A [`Replica`] is opened on the shared folder, and on a local directory that never leaves this machine. Changes are
//! on disk when they are acknowledged, whether the folder can be reached or not; a sync exchanges them with the others.
//! What was written and did not come to count is a [`Conflict`], listed until somebody restores or dismisses it, or
//! writes the field anew.
//!
//! ```no_run
//! use std::ops::ControlFlow;
//! use std::time::Duration;
//!
//! use cloudchamber_core::delta::Change;
//! use cloudchamber_host::delta::Replica;
//!
//! let mut tasks = Replica::open("/home/ann/Sync/tasks")?;
//! tasks.put("task", "t1", r#"{"title": "Buy milk", "tags": ["shop"]}"#)?;
//! tasks.change(vec![Change::put("project", "p1", r#"{"name": "Home"}"#), Change::delete("task", "t0")])?;
//!
//! let synced = tasks.sync()?;
//! println!("{}", synced.report);
//! for key in &synced.report.received {
//!     println!("{key} was changed elsewhere");
//! }
//! for task in tasks.entities().filter(|shown| &*shown.key.kind == "task") {
//!     println!("{}: {:?}", task.key.id, task.fields.get("title"));
//! }
//! for conflict in &synced.conflicts {
//!     println!("{} was overwritten: {:?}", conflict.key, conflict.fields);
//!     tasks.restore(&conflict.id())?;
//! }
//!
//! // Or be told of what happens, from now on.
//! tasks.watch(Duration::from_secs(30), &mut |tasks, synced| {
//!     match synced {
//!         Ok(synced) => println!("{}: {} entities", synced.report, tasks.entities().count()),
//!         Err(error) => println!("{error}"),
//!     }
//!     ControlFlow::Continue(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The lock
//! While a replica is open, no other process of this machine can open it: the commands wait. One that only waits gives
//! the lock back with [`Replica::rest`]; [`Replica::watch`] does.

mod place;

use std::ops::ControlFlow;
use std::path::Path as OsPath;
use std::time::Duration;

use cloudchamber_core::delta::{
    Change, Command, Config, Conflict, Delta, Design, Dot, Event, Fields, Key, Problem, Report, Shown,
};
use cloudchamber_core::kit::json::Flaw;
use cloudchamber_core::{FsError, Input};

pub use self::place::{Options, Place};
use crate::changes::Changes;
use crate::database::Progress;
use crate::runner::{self, Advance, OpFailed};
use crate::{Lock, OsFs, Runner};

/// How often a folder that is gone is looked for, at most.
const AWAY: Duration = Duration::from_secs(5);
/// After how many files it tells how far it is.
const FILES: usize = 250;

/// Why a replica did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DeltaError {
    /// The folder or the local directory cannot be used.
    #[error("{0:#}")]
    Place(anyhow::Error),
    /// It does not do this: the folder is away, a name is not allowed, there is no such conflict.
    #[error("{0}")]
    Refused(String),
    /// A file could not be written. What was to be done may have been done in part.
    #[error("{0}: give the command again: what is done already is not done twice")]
    Op(OpFailed),
    /// What is to be set is no JSON object.
    #[error("the fields are no JSON object: {0}: write them as {{\"title\": \"Buy milk\"}}")]
    Fields(#[from] Flaw),
}

/// What became of a change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Done {
    /// The entity.
    pub key: Key,
    /// The write; None if the change says what was there already.
    pub dot: Option<Dot>,
}

/// What a sync did.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Synced {
    /// What was received and sent, and what is wrong with files.
    pub report: Report,
    /// The conflicts that came up.
    pub conflicts: Vec<Conflict>,
    /// What else is to be told, in words: a new identity, or what was dropped after a long absence.
    pub said: Vec<String>,
}

/// What an import took over.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Imported {
    /// How many entities there were.
    pub found: u64,
    /// How many of them said something new.
    pub new: u64,
    /// What is wrong with the rest.
    pub problems: Vec<Problem>,
}

/// What hears of each sync while a replica watches, and says whether it goes on. It may use the replica meanwhile.
pub type Watching<'a> = dyn FnMut(&mut Replica, Result<Synced, DeltaError>) -> ControlFlow<()> + 'a;

/// A replica of the entities in a folder.
#[derive(Debug)]
pub struct Replica {
    runner: Runner<Delta>,
    place: Place,
    progress: Box<dyn Progress + Send>,
}

impl Replica {
    /// Opens the replica of this machine on a folder, with the usual [`Options`].
    ///
    /// # Errors
    /// As [`Options::open`].
    pub fn open(folder: impl AsRef<OsPath>) -> Result<Self, DeltaError> {
        Options::new(folder).open()
    }

    fn start(place: Place, lock: Lock) -> Result<Self, DeltaError> {
        let fs = OsFs::new(&place.folder, &place.local);
        let mut told = Vec::new();
        let runner = Runner::open(place.config(), fs, lock, &mut |_, event: &Event| told.push(event.clone()));
        let mut replica = Self { runner, place, progress: Box::new(Silent) };
        replica.go_on(&mut told)?;
        Ok(replica)
    }

    /// Tells from now on how far a command is.
    pub fn show(&mut self, progress: Box<dyn Progress + Send>) {
        self.progress = progress;
    }

    /// Has it do something, and gives what it told.
    fn command(&mut self, command: Command) -> Result<Vec<Event>, DeltaError> {
        let mut told = Vec::new();
        self.runner.feed(Input::Command(command), &mut |_, event| told.push(event.clone()));
        let done = self.go_on(&mut told);
        self.progress.done();
        done.map(|()| told)
    }

    /// Applies what is pending.
    fn go_on(&mut self, told: &mut Vec<Event>) -> Result<(), DeltaError> {
        let mut failed = None;
        for at in 0.. {
            if at % FILES == 0 && self.runner.pending_ops() > FILES {
                self.progress.step("steps to go", self.runner.pending_ops() as u64);
            }
            match self.runner.advance(&mut |_, event| told.push(event.clone())) {
                Advance::Op(result) => failed = failed.or(result.err()),
                Advance::Call(never) => match never {},
                Advance::Idle => break,
            }
        }
        match failed {
            Some(failed) => Err(DeltaError::Op(failed)),
            None => refused(told).map_or(Ok(()), Err),
        }
    }

    /// Makes changes: all of them are acknowledged, or none. The answers are in the order of the changes.
    ///
    /// # Errors
    /// [`DeltaError::Refused`] where a change is none, [`DeltaError::Op`] where it cannot be written.
    pub fn change(&mut self, changes: Vec<Change>) -> Result<Vec<Done>, DeltaError> {
        let told = self.command(Command::Change(changes))?;
        let done = told.into_iter().filter_map(|event| match event {
            Event::Acknowledged { key, dot } => Some(Done { key, dot }),
            Event::Unchanged(key) => Some(Done { key, dot: None }),
            _ => None,
        });
        Ok(done.collect())
    }

    /// Sets fields of an entity, given as a JSON object; the entity is made if there is none. False if it says so
    /// already.
    ///
    /// # Errors
    /// As [`Replica::change`]; [`DeltaError::Fields`] where it is no object.
    pub fn put(&mut self, kind: &str, id: &str, set: &str) -> Result<bool, DeltaError> {
        let set: Fields = set.parse()?;
        let change = Change::Put { key: Key::new(kind, id), set, unset: [].into() };
        Ok(self.change(vec![change])?.iter().any(|done| done.dot.is_some()))
    }

    /// Deletes an entity. False if there is none.
    ///
    /// # Errors
    /// As [`Replica::change`].
    pub fn delete(&mut self, kind: &str, id: &str) -> Result<bool, DeltaError> {
        let done = self.change(vec![Change::delete(kind, id)])?;
        Ok(done.iter().any(|done| done.dot.is_some()))
    }

    /// An entity; None if there is none, or it is deleted.
    #[must_use]
    pub fn get(&self, kind: &str, id: &str) -> Option<Shown> {
        self.delta().get(kind, id).filter(|shown| !shown.deleted)
    }

    /// Every entity that is not deleted, by kind and id.
    pub fn entities(&self) -> impl Iterator<Item = Shown> + '_ {
        self.delta().entities()
    }

    /// What was written and does not count.
    pub fn conflicts(&self) -> impl Iterator<Item = Conflict> + '_ {
        self.delta().conflicts()
    }

    /// Everything that is known.
    #[must_use]
    pub fn delta(&self) -> &Delta {
        self.runner.protocol()
    }

    /// Where it lies.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Brings back what a conflict says, and says of which entity.
    ///
    /// # Errors
    /// [`DeltaError::Refused`] where there is no such conflict; as [`Replica::change`] otherwise.
    pub fn restore(&mut self, conflict: &str) -> Result<Key, DeltaError> {
        self.decide(Command::Restore(conflict.to_owned()))
    }

    /// Says that what a conflict says is not wanted, and says of which entity.
    ///
    /// # Errors
    /// As [`Replica::restore`].
    pub fn dismiss(&mut self, conflict: &str) -> Result<Key, DeltaError> {
        self.decide(Command::Dismiss(conflict.to_owned()))
    }

    fn decide(&mut self, command: Command) -> Result<Key, DeltaError> {
        let told = self.command(command)?;
        let key = told.into_iter().find_map(|event| match event {
            Event::Acknowledged { key, .. } => Some(key),
            _ => None,
        });
        key.ok_or_else(|| DeltaError::Refused("it was not told what became of the conflict".to_owned()))
    }

    /// Exchanges with the folder what is new.
    ///
    /// # Errors
    /// [`DeltaError::Refused`] where the folder is away, lacks much of what it held, or an own file cannot be read: nothing
    /// was written then. [`Replica::accept`] says that what lacks is meant to.
    /// [`DeltaError::Op`] where a file cannot be written: the next sync does the rest.
    pub fn sync(&mut self) -> Result<Synced, DeltaError> {
        self.exchange(Command::Sync)
    }

    /// Syncs with the folder as it is: a person says that it was emptied, or lost much of what it
    /// held, on purpose or for good. What this replica knows it writes again, also of what others wrote whose files are
    /// gone.
    ///
    /// # Errors
    /// As [`Replica::sync`], of a folder that is not there.
    pub fn accept(&mut self) -> Result<Synced, DeltaError> {
        self.runner.fs().accept_folder();
        self.exchange(Command::Accept)
    }

    fn exchange(&mut self, command: Command) -> Result<Synced, DeltaError> {
        self.progress.step("looking at the folder", 0);
        let before: Vec<String> = self.conflicts().map(|conflict| conflict.id()).collect();
        let mut synced = Synced::default();
        for event in self.command(command)? {
            synced.said.extend(said(&event));
            if let Event::Synced(report) = event {
                synced.report = report;
            }
        }
        let new = self.conflicts().filter(|conflict| !before.contains(&conflict.id()));
        synced.conflicts = new.collect();
        Ok(synced)
    }

    /// What a sync would do. Nothing is written.
    ///
    /// # Errors
    /// As [`Replica::sync`].
    pub fn dry_run(&mut self) -> Result<Synced, DeltaError> {
        let mut synced = Synced::default();
        for event in self.command(Command::DryRun)? {
            let Event::DryRun { report, events } = event else { continue };
            synced.report = report;
            synced.said.extend(events.iter().filter_map(would_be_said));
        }
        Ok(synced)
    }

    /// Takes over what the folder holds in the published layout, whose files stay as they are.
    ///
    /// # Errors
    /// As [`Replica::change`].
    pub fn import(&mut self) -> Result<Imported, DeltaError> {
        self.take_over(Command::Import)
    }

    /// Takes over a whole state as the predecessor of the published plan kept it: the text of its `main.json`.
    ///
    /// # Errors
    /// [`DeltaError::Refused`] where it is no such state; as [`Replica::change`] otherwise.
    pub fn import_state(&mut self, state: &str) -> Result<Imported, DeltaError> {
        self.take_over(Command::ImportState(state.to_owned()))
    }

    fn take_over(&mut self, command: Command) -> Result<Imported, DeltaError> {
        self.progress.step("reading what is taken over", 0);
        let told = self.command(command)?;
        let imported = told.into_iter().find_map(|event| match event {
            Event::Imported { found, new, problems } => Some(Imported { found, new, problems }),
            _ => None,
        });
        Ok(imported.unwrap_or_default())
    }

    /// Syncs now, whenever something changes in the folder or locally, and at least every so often, until `heard`
    /// breaks. A folder that is gone is waited for. Between syncs other processes of this machine may write.
    ///
    /// # Errors
    /// Where the folder cannot be watched, or the local directory is gone. What a sync ends with goes to `heard`.
    pub fn watch(&mut self, every: Duration, heard: &mut Watching<'_>) -> Result<(), DeltaError> {
        let mut changes = None;
        loop {
            let synced = self.sync();
            if heard(self, synced).is_break() {
                return Ok(());
            }
            self.rest();
            let Place { folder, local, .. } = &self.place;
            if folder.is_dir() {
                let watched = match changes.take() {
                    Some(changes) => changes,
                    None => {
                        Changes::of(folder).and_then(|of| of.and(&local.join("delta"))).map_err(|error| {
                            DeltaError::Place(anyhow::anyhow!(
                                "{}: it cannot be watched: {error}: run sync now and then instead",
                                folder.display()
                            ))
                        })?
                    }
                };
                changes.insert(watched).wait(every);
            } else {
                // Its watch went with it.
                changes = None;
                std::thread::sleep(every.min(AWAY));
            }
            self.resume()?;
        }
    }

    /// Lets other processes of this machine write. Nothing may be asked of it before [`Replica::resume`].
    pub fn rest(&mut self) {
        self.runner.rest();
    }

    /// Goes on after a rest, from what is on disk by now.
    ///
    /// # Errors
    /// Where the local directory cannot be read any more.
    pub fn resume(&mut self) -> Result<(), DeltaError> {
        self.runner.rest();
        let lock = Lock::wait(&self.place.local).map_err(|error| self.place.unusable(error))?;
        let mut told = Vec::new();
        self.runner.resume(lock);
        self.runner.reopen(&mut |_, event| told.push(event.clone()));
        self.go_on(&mut told)
    }
}

/// What a replica knows, without opening it: nothing is written, and no process that has it open is waited for.
///
/// # Errors
/// Where its store is there and cannot be read.
pub fn look(place: &Place) -> Result<Delta, DeltaError> {
    let fs = OsFs::new(&place.folder, &place.local);
    let (delta, told, _) = runner::look::<Delta>(&place.config(), &fs);
    refused(&told).map_or(Ok(delta), Err)
}

fn refused(told: &[Event]) -> Option<DeltaError> {
    told.iter().find_map(|event| match event {
        Event::Refused(why) => Some(DeltaError::Refused(why.clone())),
        _ => None,
    })
}

impl Place {
    fn config(&self) -> Config {
        Config::new(Design::HARDENED.in_layout(self.layout), &self.name)
    }

    fn unusable(&self, error: std::io::Error) -> DeltaError {
        let dir = self.local.display().to_string();
        DeltaError::Place(
            anyhow::Error::new(error).context(format!("{dir}: give a local directory that can be written")),
        )
    }
}

/// Nobody wants to know how far it is.
#[derive(Debug)]
struct Silent;

impl Progress for Silent {
    fn step(&self, _: &'static str, _: u64) {}
}

impl DeltaError {
    /// What the file system said, for a caller to branch on; None if no op failed.
    #[must_use]
    pub fn fs_error(&self) -> Option<FsError> {
        match self {
            Self::Op(failed) => Some(failed.error),
            _ => None,
        }
    }
}

/// Why a replica goes on under another id.
const RENEWED: &str = "its local directory was copied, or restored from a backup";

/// Why a replica looks at everything anew.
const LEFT_BEHIND: &str = "this replica was away for so long that the others went on without it";

/// What a person is told of an event beside the report; `None` if nothing.
fn said(event: &Event) -> Option<String> {
    match event {
        Event::NewIdentity { old, new } => {
            Some(format!("this replica was {old} and is {new} from now on: {RENEWED}"))
        }
        Event::Rebuilt { dropped } => Some(format!(
            "{LEFT_BEHIND}: it has looked at everything anew, and dropped {dropped} entities that they had deleted"
        )),
        _ => None,
    }
}

/// As [`said`], of what a sync would do.
fn would_be_said(event: &Event) -> Option<String> {
    match event {
        // The id itself is drawn when it is needed.
        Event::NewIdentity { old, new: _ } => {
            Some(format!("this replica is {old} and would go on under another id: {RENEWED}"))
        }
        Event::Rebuilt { dropped } => Some(format!(
            "{LEFT_BEHIND}: it would look at everything anew, and drop {dropped} entities that they have deleted"
        )),
        _ => None,
    }
}
