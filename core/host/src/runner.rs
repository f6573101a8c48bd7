//! The one loop between a protocol and real files.
//!
//! Everything that runs on a real folder is a [`Runner`] and somebody who feeds it: the failover agent, which minds a
//! guard between any two ops, and the commands of the journals. So the order of steps that runs is the order that was
//! simulated and modelled: nobody else applies an op.
//!
//! # The loop
//! [`Runner::advance`] does one thing at a time and says which: it applied an op and reported what came of it, it lets
//! out a call, or there is nothing to do at this moment. Then it is fed: [`Runner::tick`] feeds the timer where that is
//! due, [`Runner::feed`] a command, a reply, or that files may have changed. A notice of a change is a hint; the timer
//! is what the protocol relies on.
//!
//! # The lock
//! Of the processes that share a local directory one at a time may run a protocol. A runner holds that right as a
//! [`Lock`]; one that only waits may give it back with [`Runner::rest`] and goes on with [`Runner::resume`].
//!
//! ```no_run
//! use std::path::Path;
//!
//! use cloudchamber_core::journal::Design;
//! use cloudchamber_core::journal::protocol::{Joining, Journal, Settings, Viewing};
//! use cloudchamber_core::journal::uphold::UPHOLD_MS;
//! use cloudchamber_host::{Lock, OsFs, Runner};
//!
//! let local = Path::new("/home/ann/.local/state/team");
//! let fs = OsFs::new("/home/ann/Sync/team", local);
//! let settings = Settings {
//!     design: Design::HARDENED,
//!     joining: Joining::Under("laptop".to_owned()),
//!     scan_ms: 10_000,
//!     uphold_ms: UPHOLD_MS,
//!     viewing: Viewing::Beside,
//!     place: None,
//! };
//! let mut told = Vec::new();
//! let mut journal =
//!     Runner::<Journal>::open(settings, fs, Lock::wait(local)?, &mut |_, event| told.push(event.clone()));
//! journal.settle(&mut |_, event| told.push(event.clone()))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::time::Duration;

use cloudchamber_core::{Driver, Fs, FsError, FsMut, FsOp, Input, Never, Path, Protocol};

use crate::{Lock, OsFs, clock};

/// What hears a protocol's events: its state after the step, and the event.
pub type Heard<'a, P> = &'a mut dyn FnMut(&P, &<P as Protocol>::Event);

/// What [`Runner::advance`] did.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Advance<P: Protocol> {
    /// It applied an op, or tried to, and the protocol knows what came of it.
    Op(Result<(), OpFailed>),
    /// The protocol asks the world outside for something. The answer, where there is one, is fed as a reply.
    Call(P::Call),
    /// Nothing is left to do at this moment.
    Idle,
}

/// An op that could not be applied. The protocol was told, and what it says then is what counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpFailed {
    /// The file.
    pub path: Path,
    /// Why.
    pub error: FsError,
    /// The call that failed, in words; None if the files tell no more than the error.
    pub call: Option<String>,
}

impl fmt::Display for OpFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.error)?;
        match &self.call {
            Some(call) => write!(f, " ({call})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for OpFailed {}

/// A protocol that runs on real files.
///
/// `F` is what the files are: a real directory, or in tests anything that fails where it should.
#[derive(Debug)]
pub struct Runner<P: Protocol, F: FsMut = OsFs> {
    config: P::Config,
    fs: F,
    driver: Driver<P>,
    /// None while it rests.
    lock: Option<Lock>,
}

impl<P: Protocol, F: FsMut> Runner<P, F> {
    /// Starts the protocol from what the files say. Nothing is written yet: that is [`Runner::advance`]'s.
    pub fn open(config: P::Config, fs: F, lock: Lock, heard: Heard<'_, P>) -> Self {
        let mut events = Vec::new();
        let driver = Driver::open(&config, clock::now(), clock::draw(), &fs, &mut events);
        let runner = Self { config, fs, driver, lock: Some(lock) };
        runner.tell(&events, heard);
        runner
    }

    /// Starts the protocol again from what the files say, as another process would: where another one wrote while this one
    /// rested, and what is known of the files may be wrong.
    ///
    /// # Panics
    /// If it rests, or an op is pending.
    pub fn reopen(&mut self, heard: Heard<'_, P>) {
        assert!(
            self.lock.is_some() && self.driver.pending_op().is_none(),
            "a runner was to start again at work"
        );
        let mut events = Vec::new();
        self.driver = Driver::open(&self.config, clock::now(), clock::draw(), &self.fs, &mut events);
        self.tell(&events, heard);
    }

    /// Does the next thing that is to be done before anything may be fed.
    ///
    /// # Panics
    /// If it rests.
    pub fn advance(&mut self, heard: Heard<'_, P>) -> Advance<P> {
        assert!(self.lock.is_some(), "a runner that rests was to go on");
        let Some(op) = self.driver.pending_op().cloned() else {
            return self.driver.take_call().map_or(Advance::Idle, Advance::Call);
        };
        let result = self.fs.apply(&op);
        let mut events = Vec::new();
        let Self { config, fs, driver, .. } = self;
        driver.applied(config, result, clock::now(), clock::draw(), fs, &mut events);
        self.tell(&events, heard);
        let call = result.is_err().then(|| self.fs.failure()).flatten();
        Advance::Op(result.map_err(|error| OpFailed { path: op.path().clone(), error, call }))
    }

    /// Feeds a command, a reply, a change or the timer. Ops that are pending are applied first.
    ///
    /// # Panics
    /// If it rests, or an op is pending.
    pub fn feed(&mut self, input: Input<P>, heard: Heard<'_, P>) {
        assert!(self.lock.is_some(), "a runner that rests was fed {input:?}");
        let mut events = Vec::new();
        let Self { config, fs, driver, .. } = self;
        driver.feed(config, input, clock::now(), clock::draw(), fs, &mut events);
        self.tell(&events, heard);
    }

    /// Feeds the timer where it is due, and says whether it was.
    ///
    /// # Panics
    /// As [`Runner::feed`].
    pub fn tick(&mut self, heard: Heard<'_, P>) -> bool {
        let due = self.driver.wake_at().is_some_and(|at| at <= clock::now().mono);
        if due {
            self.feed(Input::Timer, heard);
        }
        due
    }

    /// How long nothing has to be fed, at most `most`. A sleep does not count the time in which the machine was asleep,
    /// so `most` is also how late the timer may be after waking.
    #[must_use]
    pub fn nap(&self, most: Duration) -> Duration {
        let due = self.driver.wake_at().map(|at| at.since(clock::now().mono));
        due.map_or(most, |ms| Duration::from_millis(ms).min(most))
    }

    /// The op that [`Runner::advance`] applies next.
    #[must_use]
    pub fn pending_op(&self) -> Option<&FsOp> {
        self.driver.pending_op()
    }

    /// How many ops are still to be applied, as far as is known by now.
    #[must_use]
    pub fn pending_ops(&self) -> usize {
        self.driver.ops().0.len()
    }

    /// The protocol's state.
    #[must_use]
    pub fn protocol(&self) -> &P {
        self.driver.protocol()
    }

    /// What it was configured with.
    #[must_use]
    pub fn config(&self) -> &P::Config {
        &self.config
    }

    /// Its files, to read them.
    #[must_use]
    pub fn fs(&self) -> &F {
        &self.fs
    }

    /// Gives the lock back, so that other processes of this machine may write meanwhile.
    ///
    /// # Panics
    /// If an op is pending.
    pub fn rest(&mut self) {
        assert!(self.driver.pending_op().is_none(), "a runner was to rest while an op was pending");
        self.lock = None;
    }

    /// Goes on after a rest. Other processes may have written its own files meanwhile: it is fed that they may have
    /// changed before it is fed anything that writes.
    pub fn resume(&mut self, lock: Lock) {
        self.lock = Some(lock);
    }

    fn tell(&self, events: &[P::Event], heard: Heard<'_, P>) {
        events.iter().for_each(|event| heard(self.driver.protocol(), event));
    }
}

/// What a protocol makes of the files, without writing anything: its state, what it tells, and whether it would write.
pub fn look<P: Protocol>(config: &P::Config, fs: &dyn Fs) -> (P, Vec<P::Event>, bool) {
    let mut events = Vec::new();
    let driver = Driver::<P>::open(config, clock::now(), clock::draw(), fs, &mut events);
    (driver.protocol().clone(), events, driver.pending_op().is_some())
}

impl<P: Protocol<Call = Never>, F: FsMut> Runner<P, F> {
    /// Applies what is pending until nothing is left to do at this moment.
    ///
    /// # Errors
    /// The first op that failed; what the protocol did about it was done all the same.
    ///
    /// # Panics
    /// If it rests.
    pub fn settle(&mut self, heard: Heard<'_, P>) -> Result<(), OpFailed> {
        let mut first = Ok(());
        loop {
            match self.advance(heard) {
                Advance::Op(result) => first = first.and(result),
                Advance::Call(never) => match never {},
                Advance::Idle => return first,
            }
        }
    }
}
