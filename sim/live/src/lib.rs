//! The simulated cloud folder over real directories, in real time: a sync client for tests of any program, in any language.
//!
//! Each directory is the folder of one machine. What a program does in one is seen (notices of the system are a hint, a
//! look at everything is the guarantee), becomes a version by the provider's rules, travels after delays that are drawn
//! from a seed, and arrives in the others as the provider's client would bring it: whole, cut, empty, after a gap, as a
//! placeholder, as a conflict copy. World, courier, stage and profiles are those of [`cloudchamber_folder`]; a replica is
//! a directory in place of a protocol ([`LiveSystem`]).
//!
//! # How it works
//! 1. Every name of a directory is known as it was last seen or put. What differs is a change, and is told to
//!    the world as a command.
//! 2. The world's choices change the replicas' simulated disks. The real directories are made equal to them, name by
//!    name, and only where a name is still as it is known. What somebody changed in between is kept under the name of a
//!    conflict copy.
//! 3. A run follows from its first line and from what was done to it. Both are written down before anything happens, so a
//!    run whose process was killed goes on where it was, and every content that was ever seen is kept.
//!
//! # The other way round
//! [`observed`] asks whether the same world allows what the replicas of a real client's folder were seen to hold.
//!
//! # Deliberately absent
//! The simulator's runtime, the model checker, reads that block. A plain directory cannot make a reader wait, so an
//! evicted file is one that takes no room, or a stub.

mod action;
mod clock;
mod control;
mod error;
mod form;
mod live;
pub mod observed;
mod options;
mod real;
mod state;
mod system;
mod tally;

pub use action::{Action, Timed, script};
pub use control::ask;
pub use error::LiveError;
pub use live::{End, run};
pub use options::{FILE_BYTES_MAX, Options};
pub use system::{Bytes, Command, Hand, LiveChecks, LiveSystem, Settings};
pub use tally::{Slowest, Summary};
