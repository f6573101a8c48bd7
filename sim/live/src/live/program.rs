//! The program that is run meanwhile, with whatever it starts.
//!
//! It has a process group of its own, and all that is left in it is ended with the run, however that ends. What a terminal
//! sends goes to `live` alone, which ends the program then. Nothing of a terminal can be read from another group, so there
//! the program has no standard input.

use std::io::{self, IsTerminal as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process_group, test_kill_process_group, waitid,
};

use crate::error::LiveError;
use crate::options::Options;

/// How long the program has between being asked to end and being killed.
const GRACE: Duration = Duration::from_secs(5);

/// How long those that were killed may take to be gone.
const GONE: Duration = Duration::from_secs(1);

/// How often it is looked whether they are gone.
const NAP: Duration = Duration::from_millis(10);

/// A program that was started. It ends with this value at the latest.
pub(super) struct Program {
    child: Child,
    group: Pid,
    /// Whether its process was waited for, so that nothing is left to be ended.
    is_reaped: bool,
}

impl Program {
    /// Starts the program that is asked for, if any.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub(super) fn start(options: &Options, state: &Path) -> Result<Option<Self>, LiveError> {
        let Some((name, arguments)) = options.program.split_first() else { return Ok(None) };
        let mut command = Command::new(name);
        command.args(arguments).env("CLOUDCHAMBER_LIVE", state).process_group(0);
        if let Ok(own) = std::env::current_exe() {
            command.env("CLOUDCHAMBER", own);
        }
        if io::stdin().is_terminal() {
            command.stdin(Stdio::null());
        }
        if options.output_is_taken {
            command.stdout(io::stderr());
        }
        let child = command.spawn().map_err(|error| {
            LiveError::new(format!("{}: cannot be run: {error}; check its name", name.to_string_lossy()))
        })?;
        let group = Pid::from_child(&child);
        Ok(Some(Self { child, group, is_reaped: false }))
    }

    /// Whether its own process has ended. What that has left goes on, and its number is nobody else's until it is waited
    /// for.
    ///
    /// # Errors
    /// Where the system does not know its process.
    pub(super) fn has_ended(&self) -> Result<bool, LiveError> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        match waitid(WaitId::Pid(self.group), options) {
            Ok(status) => Ok(status.is_some()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => {
                Err(LiveError::new(format!("the program cannot be waited for: {error}; start it again")))
            }
        }
    }

    /// Asks all that is left of it to end, and kills what has not done so a while later. Returns how its own process
    /// ended.
    ///
    /// # Errors
    /// Where the system does not know its process.
    pub(super) fn end(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::TERM);
        // One that was stopped would not hear that.
        self.signal(Signal::CONT);
        if !self.is_gone_within(GRACE)? {
            self.signal(Signal::KILL);
            self.is_gone_within(GONE)?;
        }
        self.is_reaped = true;
        self.child.wait()
    }

    /// Waits until nothing is left of it. Returns whether that came to be in time.
    fn is_gone_within(&mut self, most: Duration) -> io::Result<bool> {
        let began = Instant::now();
        loop {
            // Only once it was waited for its own process does not count as one of the group.
            if self.child.try_wait()?.is_some() && test_kill_process_group(self.group).is_err() {
                return Ok(true);
            }
            if began.elapsed() >= most {
                return Ok(false);
            }
            std::thread::sleep(NAP);
        }
    }

    /// Sends a signal to all of them. Where none is left, none needs it.
    fn signal(&self, signal: Signal) {
        kill_process_group(self.group, signal).unwrap_or_default();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if !self.is_reaped {
            // What is amiss with the run is told already.
            drop(self.end());
        }
    }
}
