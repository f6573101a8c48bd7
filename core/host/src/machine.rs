//! A machine with its journals on a real folder: the protocol of the core, run by a [`Runner`].

use std::fmt;
use std::path::Path as OsPath;
use std::time::Duration;

use cloudchamber_core::Input;
use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::protocol::{Command, Joining, Journal, Settings, Told, Viewing};
use cloudchamber_core::journal::refusal::Refusal;
use cloudchamber_core::journal::uphold::UPHOLD_MS;

use crate::runner::OpFailed;
use crate::{Lock, OsFs, Runner, place};

/// How often it looks without being told, where nobody says.
const LOOK: Duration = Duration::from_secs(30);

/// Why a machine did not do what it was asked.
#[derive(Debug)]
pub enum MachineError {
    /// It may not write, or not this.
    Refused(Refusal),
    /// A file could not be written.
    Op(OpFailed, Outcome),
}

/// What became of a command of which an op failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Nothing was to be appended, or it is nowhere: the command may be given again.
    Undone,
    /// The event is safe under this number, and comes to its journal with the next append or start.
    Kept(i64),
    /// The event may be there under this number.
    Unsure(i64),
}

impl fmt::Display for MachineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Op(failed, Outcome::Undone) => {
                write!(f, "{failed}: nothing was changed that the next command does not repair: try again")
            }
            Self::Op(failed, Outcome::Kept(seq)) => write!(
                f,
                "{failed}: the event is kept as number {seq}; the next append or watch brings it to its journal, so do \
                 not append it again"
            ),
            Self::Op(failed, Outcome::Unsure(seq)) => write!(
                f,
                "{failed}: the event may be kept as number {seq}: look for it with journal show before you append it again"
            ),
        }
    }
}

impl std::error::Error for MachineError {}

/// A machine with its journals; while it does not rest, no other process of this machine writes.
#[derive(Debug)]
pub struct Machine(Runner<Journal>);

impl Machine {
    /// Starts it as the hardened design has it: it gives up an id that is another machine's, and repairs what a crash left.
    /// What it tells goes to `heard`; a refusal to write is told, too, and no error here.
    ///
    /// # Errors
    /// Where a file can be neither read nor written.
    pub fn open(
        fs: OsFs,
        local: &OsPath,
        lock: Lock,
        joining: Joining,
        heard: &mut dyn FnMut(&Told),
    ) -> Result<Self, MachineError> {
        let settings = Settings {
            design: Design::HARDENED,
            joining,
            scan_ms: u64::try_from(LOOK.as_millis()).expect("half a minute"),
            uphold_ms: UPHOLD_MS,
            viewing: Viewing::Beside,
            place: place::place(local),
        };
        let mut machine = Self(Runner::open(settings, fs, lock, &mut |_, told| heard(told)));
        machine.settle(heard)?;
        Ok(machine)
    }

    /// Has it do something.
    ///
    /// # Errors
    /// [`MachineError::Refused`] where it does not do it, [`MachineError::Op`] where it cannot.
    pub fn command(
        &mut self,
        command: impl Into<Command>,
        heard: &mut dyn FnMut(&Told),
    ) -> Result<(), MachineError> {
        let (mut refused, mut outcome) = (None, Outcome::Undone);
        let mut listen = |told: &Told| match told {
            Told::Refused(refusal) => refused = Some(refusal.clone()),
            told => {
                match told {
                    Told::Kept { seq, .. } => outcome = Outcome::Kept(*seq),
                    Told::Unsure { seq } => outcome = Outcome::Unsure(*seq),
                    _ => {}
                }
                heard(told);
            }
        };
        self.0.feed(Input::Command(command.into()), &mut |_, told| listen(told));
        let settled = self.0.settle(&mut |_, told| listen(told));
        match (refused, settled) {
            (Some(refusal), _) => Err(MachineError::Refused(refusal)),
            (None, Err(failed)) => Err(MachineError::Op(failed, outcome)),
            (None, Ok(())) => Ok(()),
        }
    }

    /// Has it look at the folder, where files may have changed, also its own by another process while it rested.
    ///
    /// # Errors
    /// Where a file could not be written.
    pub fn look(&mut self, heard: &mut dyn FnMut(&Told)) -> Result<(), MachineError> {
        self.0.feed(Input::Changed, &mut |_, told| heard(told));
        self.settle(heard)
    }

    fn settle(&mut self, heard: &mut dyn FnMut(&Told)) -> Result<(), MachineError> {
        self.0.settle(&mut |_, told| heard(told)).map_err(|failed| MachineError::Op(failed, Outcome::Undone))
    }

    /// Its state.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        self.0.protocol()
    }

    /// Lets other processes of this machine write. It is told to [`look`](Machine::look) once it has the lock again.
    pub fn rest(&mut self) {
        self.0.rest();
    }

    /// Goes on after a rest.
    pub fn resume(&mut self, lock: Lock) {
        self.0.resume(lock);
    }
}
