//! The protocols on a real directory.
//!
//! [`OsFs`] is the port of `cloudchamber-core` to a directory of the operating system; [`failover`] runs a command on
//! exactly one of several machines; [`machine`] is a machine with its journals, and [`database`] keeps what the journals
//! say together in SQLite; [`delta`] keeps entities in a folder for programs, and [`notes`] is a storage directory of
//! notes. [`doctor`] says what is wrong with any folder, [`probe`] measures what a client does to one, and [`record`] writes
//! down what one was seen to hold. All that run the core's protocols do so through one loop, the [`runner`]. The binary
//! `cloudchamber-agent` gives all of it to people and scripts.
//! Deliberately absent: the simulator and the model checker, of which nothing here knows.

pub mod changes;
pub mod clock;
pub mod database;
pub mod delta;
pub mod doctor;
pub mod failover;
pub mod halves;
pub mod local;
pub mod log;
pub mod machine;
pub mod notes;
pub mod options;
pub mod place;
pub mod probe;
pub mod record;
pub mod runner;
pub mod service;
pub mod small;
pub mod throughput;

mod os;

pub use os::{Lock, OsFs};
pub use runner::Runner;
