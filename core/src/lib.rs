//! Coordination and merge for applications that sync through a folder which somebody else's client copies.
//!
//! Everything here is a state machine over *ports*. A protocol reads through [`Fs`], is told the time as one
//! sample of both clocks ([`Now`]), draws randomness from a value it is handed ([`Draw`]), and leaves its
//! writes behind as data ([`FsOp`]). It never touches a file, a clock, a thread or the environment. So the
//! same compiled code runs on a real directory, in the simulated cloud folder and in the model checker, and
//! every point at which a process may die between two writes is a value one can see.
//!
//! # The driver's contract
//! [`Driver`] holds it, and every caller of a driver keeps it:
//! 1. [`Driver::open`] once per start of the process; the state before a crash is gone.
//! 2. While a batch is pending, its next op is applied, and its result reported with [`Driver::applied`],
//!    before anything else is fed. The process may die between any two ops, or in the middle of one.
//! 3. An op that fails ends its batch: the rest is dropped and the protocol is told which op failed and how.
//! 4. Calls to the outside ([`Protocol::Call`]) are let out only after the batch of the same step has been
//!    applied: what a step wrote is on disk before its effect can be seen.
//! 5. Otherwise the driver is fed a command, a change, a reply, or its timer once [`Driver::wake_at`] is due.
//!    Being late is always allowed; being early never is.
//!
//! # Deliberately absent
//! Input and output, clocks, threads, async, the environment, randomness of its own, `cfg`.
//!
//! # A protocol of one's own
//! ```
//! use cloudchamber_core::{
//!     Content, Cx, Draw, Driver, FsMut, FsOp, Input, MemoryFs, Mono, Never, Now, Path, Protocol, WallMs,
//! };
//!
//! /// Writes down once a minute that it is alive.
//! #[derive(Clone, Debug, Eq, Hash, PartialEq)]
//! struct Pulse { next: Mono }
//!
//! impl Protocol for Pulse {
//!     type Config = ();
//!     type Command = Never;
//!     type Event = &'static str;
//!     type Call = Never;
//!     type Reply = Never;
//!     fn open(_: &(), cx: &mut Cx<'_, Self>) -> Self { Self { next: cx.now().mono } }
//!     fn step(&mut self, _: &(), input: Input<Self>, cx: &mut Cx<'_, Self>) {
//!         if matches!(input, Input::Timer) {
//!             cx.op(FsOp::Replace { path: Path::shared("pulse"), content: Content::from("alive") });
//!             cx.event("beat");
//!             self.next = cx.now().mono.plus(60_000);
//!         }
//!     }
//!     fn wake_at(&self) -> Option<Mono> { Some(self.next) }
//! }
//!
//! let at = Now { mono: Mono(5), wall: WallMs(1_000) };
//! let (mut fs, mut events) = (MemoryFs::default(), Vec::new());
//! let mut driver = Driver::<Pulse>::open(&(), at, Draw::Seed(7), &fs, &mut events);
//! driver.feed(&(), Input::Timer, at, Draw::Seed(8), &fs, &mut events);
//! while let Some(op) = driver.pending_op().cloned() {
//!     let result = fs.apply(&op);
//!     driver.applied(&(), result, at, Draw::Seed(9), &fs, &mut events);
//! }
//! assert_eq!(events, ["beat"]);
//! assert_eq!(fs.text("shared:pulse"), "alive");
//! ```

mod clock;
mod content;
mod design;
mod draw;
mod driver;
mod fs;
mod path;
mod protocol;

pub mod delta;
pub mod failover;
pub mod journal;
pub mod kit;
pub mod notes;

pub use clock::{Mono, Now, WallMs};
pub use content::{Content, Parsed};
pub use design::Design;
pub use draw::{Draw, Rng};
pub use driver::Driver;
pub use fs::{Entry, EntryKind, Fs, FsError, FsMut, FsOp};
pub use kit::memory::MemoryFs;
pub use path::{Path, PathError, Root};
pub use protocol::{Cx, Input, Never, Protocol};
