//! The one writer of this machine's journals.

use std::fmt;
use std::path::Path as OsPath;

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::clock::Hybrid;
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::folder::Folder;
use cloudchamber_core::journal::identity::{Identity, Nonce, identity};
use cloudchamber_core::journal::owner::{self, Move, Settled};
use cloudchamber_core::journal::refusal::{Refusal, refuse_legacy};
use cloudchamber_core::journal::write::{Appended, Writer};
use cloudchamber_core::{Content, Fs, FsError, FsMut, FsOp, Path};

use crate::{Lock, OsFs, clock};

/// Why an event was not appended.
#[derive(Debug)]
pub enum AppendError {
    /// The machine may not write, or not this.
    Refused(Refusal),
    /// A file could not be written. The event may or may not be there; the next append repairs the files.
    Fs(Path, FsError),
    /// The lock could not be taken.
    Lock(std::io::Error),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Fs(path, error) => write!(f, "{path}: {error}: the event may be lost, append it again"),
            Self::Lock(error) => {
                write!(f, "local:lock: {error}: check the permissions of the local directory")
            }
        }
    }
}

impl std::error::Error for AppendError {}

impl From<Refusal> for AppendError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Appends events until it is dropped; meanwhile no other process of this machine can.
#[derive(Debug)]
pub struct Appender {
    fs: OsFs,
    design: Design,
    writer: Writer,
    moved: Option<Move>,
    _lock: Lock,
}

impl Appender {
    /// Waits for the lock, gives up an id that is another machine's, reads how the own files end and repairs what a
    /// crash left.
    ///
    /// # Errors
    /// Where the machine may not write there, or a file can be neither read nor repaired.
    pub fn open(mut fs: OsFs, local: &OsPath, design: Design) -> Result<Self, AppendError> {
        let lock = Lock::wait(local).map_err(AppendError::Lock)?;
        let moved = settle(&mut fs, &design)?;
        let (writer, repairs) = Writer::open(&fs, &design, seen(&fs))?;
        apply(&mut fs, &repairs)?;
        Ok(Self { fs, design, writer, moved, _lock: lock })
    }

    /// Who appends.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        self.writer.identity()
    }

    /// How it came to another id when it was opened, where it did.
    #[must_use]
    pub fn moved(&self) -> Option<&Move> {
        self.moved.as_ref()
    }

    /// What was repaired when it was opened.
    #[must_use]
    pub fn repaired(&self) -> &[String] {
        &self.writer.repaired
    }

    /// Appends one event. When this returns it is on this machine's disk, twice.
    ///
    /// # Errors
    /// Where the event cannot be written, or a file could not be.
    pub fn append(&mut self, event: Event) -> Result<Appended, AppendError> {
        let now = clock::now();
        let event = event.named(&mut clock::draw().rng());
        let (ops, appended) = self.writer.append(&event, now)?;
        apply(&mut self.fs, &ops)?;
        Ok(appended)
    }

    /// Brings the checksums up to date where that is due.
    ///
    /// # Errors
    /// Where they could not be written; the events are safe all the same.
    pub fn seal(&mut self) -> Result<(), AppendError> {
        match self.writer.seal(&self.fs, &self.design, clock::now()) {
            Some(op) => apply(&mut self.fs, &[op]),
            None => Ok(()),
        }
    }
}

/// Says in the folder whose this machine's directory is, or gives its id up where that is another's and tells how. Only
/// who holds the lock may ask.
///
/// # Errors
/// As [`owner::settle`], and where a file could not be written.
pub fn settle(fs: &mut OsFs, design: &Design) -> Result<Option<Move>, AppendError> {
    // Before the question who this is: a migration gives that answer too.
    refuse_legacy(fs)?;
    let own = identity(fs)?;
    let nonce = own.owner.unwrap_or_else(nonce);
    let folder = names(fs, design);
    match owner::settle(fs, design, &folder, &own, nonce)? {
        Settled::Owned(ops) => apply(fs, &ops).map(|()| None),
        Settled::Moves(leaving) => apply(fs, &leaving.ops).map(|()| Some(leaving)),
    }
}

/// A machine's nonce, drawn anew.
#[must_use]
pub fn nonce() -> Nonce {
    Nonce::draw(&mut clock::draw().rng())
}

/// What the folder says without its journals: who is who.
#[must_use]
pub fn names(fs: &OsFs, design: &Design) -> Folder {
    Folder::find(fs, design, &mut |_, _| Err(FsError::NotFound))
}

/// Applies ops in order.
///
/// # Errors
/// The first op that failed, by its path.
pub fn apply(fs: &mut OsFs, ops: &[FsOp]) -> Result<(), AppendError> {
    ops.iter().try_for_each(|op| fs.apply(op).map_err(|error| AppendError::Fs(op.path().clone(), error)))
}

fn clock_path() -> Path {
    Path::local("clock.json")
}

/// The largest clock that this machine has seen in anybody's journals.
#[must_use]
pub fn seen(fs: &OsFs) -> Hybrid {
    let content = fs.read(&clock_path(), 0).ok();
    let text = content.as_ref().and_then(|content| std::str::from_utf8(content.bytes()).ok());
    text.and_then(Hybrid::parse).unwrap_or_default()
}

/// Takes note of a clock that was seen, so that whatever is appended from now on comes after it.
///
/// # Errors
/// Where it could not be written.
pub fn see(fs: &mut OsFs, clock: Hybrid) -> Result<(), AppendError> {
    if clock <= seen(fs) {
        return Ok(());
    }
    let content = Content::from(format!("{clock}\n"));
    apply(fs, &[FsOp::Replace { path: clock_path(), content }])
}
