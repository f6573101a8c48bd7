//! The protocols on a real directory.
//!
//! [`OsFs`] is the port of `cloudchamber-core` to a directory of the operating system; [`failover`] runs a command on
//! exactly one of several machines; [`appender`] is the one writer of a machine's journals, and [`database`] keeps what
//! the journals say together in SQLite. The binary `cloudchamber-agent` gives all of it to people and scripts.
//! Deliberately absent: the simulator and the model checker, of which nothing here knows.

pub mod appender;
pub mod clock;
pub mod database;
pub mod failover;
pub mod runner;
pub mod small;
pub mod throughput;

mod os;

pub use os::{Lock, OsFs};
pub use runner::Runner;
