//! The driver: what stands between a protocol and the program that runs it.

use std::collections::VecDeque;

use crate::{Cx, Draw, Fs, FsError, FsOp, Input, Mono, Now, Protocol};

/// One running process of a protocol: its state, the ops it waits for, the calls it may let out.
///
/// The rules a caller keeps are in the [crate's documentation](crate#the-drivers-contract); breaking one is a
/// bug of the caller and panics.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Driver<P: Protocol> {
    protocol: P,
    /// Ops of the last step that have not been applied, first one next.
    ops: VecDeque<FsOp>,
    /// How many ops of the last step were applied.
    ops_done: u32,
    /// Calls that wait for the ops of their step.
    held: Vec<P::Call>,
    /// Calls that may go out.
    calls: VecDeque<P::Call>,
}

impl<P: Protocol> Driver<P> {
    /// Starts the process.
    pub fn open(config: &P::Config, now: Now, draw: Draw, fs: &dyn Fs, events: &mut Vec<P::Event>) -> Self {
        let mut rng = draw.rng();
        let mut cx = Cx { fs, now, rng: &mut rng, ops: Vec::new(), calls: Vec::new(), events };
        let protocol = P::open(config, &mut cx);
        let Cx { ops, calls, .. } = cx;
        let mut driver = Self { protocol, ops: ops.into(), ops_done: 0, held: calls, calls: VecDeque::new() };
        driver.let_out();
        driver
    }

    /// The protocol's state.
    #[must_use]
    pub fn protocol(&self) -> &P {
        &self.protocol
    }

    /// The op to apply next; while there is one, nothing but its result may be fed.
    #[must_use]
    pub fn pending_op(&self) -> Option<&FsOp> {
        self.ops.front()
    }

    /// The ops that are still to be applied, first one next, and how many of their step were.
    #[must_use]
    pub fn ops(&self) -> (&VecDeque<FsOp>, u32) {
        (&self.ops, self.ops_done)
    }

    /// The calls that wait for these ops.
    #[must_use]
    pub fn held(&self) -> &[P::Call] {
        &self.held
    }

    /// When the protocol wants its timer; `None` while ops are pending.
    #[must_use]
    pub fn wake_at(&self) -> Option<Mono> {
        if self.ops.is_empty() { self.protocol.wake_at() } else { None }
    }

    /// Takes the next call that may go out.
    pub fn take_call(&mut self) -> Option<P::Call> {
        self.calls.pop_front()
    }

    /// The calls that may go out, first one next.
    #[must_use]
    pub fn calls(&self) -> &VecDeque<P::Call> {
        &self.calls
    }

    /// Reports what became of [`Driver::pending_op`]. After the last op, or the first that fails, the protocol
    /// takes a step.
    ///
    /// # Panics
    /// Where no op was pending.
    pub fn applied(
        &mut self,
        config: &P::Config,
        result: Result<(), FsError>,
        now: Now,
        draw: Draw,
        fs: &dyn Fs,
        events: &mut Vec<P::Event>,
    ) {
        assert!(!self.ops.is_empty(), "a result was reported although no op was pending");
        let op = self.ops_done;
        self.ops_done += 1;
        let input = match result {
            Ok(()) => {
                self.ops.pop_front();
                if !self.ops.is_empty() {
                    return;
                }
                self.let_out();
                Input::Applied
            }
            Err(error) => {
                self.ops.clear();
                self.held.clear();
                Input::Failed { op, error }
            }
        };
        self.step(config, input, now, draw, fs, events);
    }

    /// Feeds a command, a change, a reply or the timer.
    ///
    /// # Panics
    /// Where an op is pending, or the input is a report of an op.
    pub fn feed(
        &mut self,
        config: &P::Config,
        input: Input<P>,
        now: Now,
        draw: Draw,
        fs: &dyn Fs,
        events: &mut Vec<P::Event>,
    ) {
        assert!(self.ops.is_empty(), "{input:?} was fed while an op was pending");
        assert!(
            !matches!(input, Input::Applied | Input::Failed { .. }),
            "{input:?} is reported with `applied`, not fed"
        );
        self.step(config, input, now, draw, fs, events);
    }

    fn step(
        &mut self,
        config: &P::Config,
        input: Input<P>,
        now: Now,
        draw: Draw,
        fs: &dyn Fs,
        events: &mut Vec<P::Event>,
    ) {
        let mut rng = draw.rng();
        let mut cx = Cx { fs, now, rng: &mut rng, ops: Vec::new(), calls: Vec::new(), events };
        self.protocol.step(config, input, &mut cx);
        let Cx { ops, calls, .. } = cx;
        self.ops = ops.into();
        self.ops_done = 0;
        self.held = calls;
        if self.ops.is_empty() {
            self.let_out();
        }
    }

    fn let_out(&mut self) {
        if self.ops.is_empty() {
            self.calls.extend(self.held.drain(..));
        }
    }
}
