//! The `Protocol` trait, and the context of a step.

use std::fmt::Debug;
use std::hash::Hash;

use crate::{Content, Entry, Fs, FsError, FsOp, Mono, Now, Path, Rng};

/// A protocol: a state, and how an input changes it.
///
/// The state is a value: cloned by the model checker, hashed, compared. So it holds no floats, no hash maps
/// and no handles. Reads are calls on [`Cx`]; writes, calls to the outside and events are data left there.
/// A step cannot fail: whatever goes wrong outside is an input like any other.
pub trait Protocol: Clone + Debug + Eq + Hash + Sized {
    /// What does not change while the process lives. Passed in, never stored.
    type Config;
    /// What a person or another program may ask of a running replica.
    type Command: Clone + Debug + Eq + Hash;
    /// What the protocol tells about itself: for logs, checkers and reports. Nothing depends on it.
    type Event: Clone + Debug + Eq + Hash;
    /// What the protocol asks of the world outside the folder.
    type Call: Clone + Debug + Eq + Hash;
    /// What the world outside the folder answers.
    type Reply: Clone + Debug + Eq + Hash;

    /// Starts, or starts again after a crash, from what the files say.
    fn open(config: &Self::Config, cx: &mut Cx<'_, Self>) -> Self;

    /// Takes one input.
    fn step(&mut self, config: &Self::Config, input: Input<Self>, cx: &mut Cx<'_, Self>);

    /// When it wants [`Input::Timer`] next; `None` if it only waits for others.
    fn wake_at(&self) -> Option<Mono>;
}

/// What a driver feeds to a protocol.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Input<P: Protocol> {
    /// Every op of the last batch was applied.
    Applied,
    /// Files may have changed. A hint: it may come late, not at all, or for nothing.
    Changed,
    /// Somebody asks for something.
    Command(P::Command),
    /// An op of the last batch failed; the ops after it were not tried.
    Failed {
        /// Which op of the batch, counted from 0.
        op: u32,
        /// Why.
        error: FsError,
    },
    /// The world outside answered a call.
    Reply(P::Reply),
    /// The time that [`Protocol::wake_at`] named has come, or passed long ago.
    Timer,
}

/// What a step may use: the view, the time, randomness, and where it leaves its output.
pub struct Cx<'a, P: Protocol> {
    pub(crate) fs: &'a dyn Fs,
    pub(crate) now: Now,
    pub(crate) rng: &'a mut dyn Rng,
    pub(crate) ops: Vec<FsOp>,
    pub(crate) calls: Vec<P::Call>,
    pub(crate) events: &'a mut Vec<P::Event>,
}

impl<'a, P: Protocol> Cx<'a, P> {
    /// The one sample of both clocks for this step.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// Reads a whole file. See [`Fs::read`].
    ///
    /// # Errors
    /// As [`Fs::read`].
    pub fn read(&self, path: &Path) -> Result<Content, FsError> {
        self.fs.read(path, 0)
    }

    /// The view itself, for functions that read on a step's behalf.
    #[must_use]
    pub fn fs(&self) -> &'a dyn Fs {
        self.fs
    }

    /// Lists a directory. See [`Fs::list`].
    ///
    /// # Errors
    /// As [`Fs::list`].
    pub fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        self.fs.list(dir)
    }

    /// The step's source of randomness.
    pub fn rng(&mut self) -> &mut dyn Rng {
        self.rng
    }

    /// Asks for a change to the files, after those asked for before.
    pub fn op(&mut self, op: FsOp) {
        self.ops.push(op);
    }

    /// How many changes this step has asked for so far.
    #[must_use]
    pub fn ops_asked(&self) -> u32 {
        u32::try_from(self.ops.len()).expect("no step asks for billions of changes")
    }

    /// Asks something of the world outside, once this step's ops have been applied.
    pub fn call(&mut self, call: P::Call) {
        self.calls.push(call);
    }

    /// Tells something.
    pub fn event(&mut self, event: P::Event) {
        self.events.push(event);
    }
}

/// A type without values, for protocols that take no commands or make no calls.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Deserialize, serde::Serialize)]
pub enum Never {}
