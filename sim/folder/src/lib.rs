//! The cloud folder as a pure state machine, and everything that is said about it.
//!
//! A [`World`](world::World) is a value: the server's files, each replica's disk, process and machine. It does nothing by
//! itself. It says what [may happen next](world::World::choices), and [makes one](world::World::take) of these things
//! happen.
//! The simulator draws which choice is taken when; the model checker takes them all; a replay reads them from a file.
//!
//! # In which order to read
//! - [`world`]: what a folder and its machines can do, as [choices](world::Choice),
//! - [`profile`]: what each provider's client does, when, and what goes wrong; every value names its origin,
//! - [`courier`]: when the clients move which version; [`stage`]: what is due when in a whole run,
//! - [`checks`]: what must hold; [`System`]: a protocol with its checkers; [`systems`]: those that are here,
//! - [`scenario`]: files that say what a run is made of; [`trace`]: runs as lists of choices; [`shrink`]: what of a
//!   trace matters,
//! - [`conformance`]: what every [`FsMut`](cloudchamber_core::FsMut), simulated or real, has to pass.
//!
//! # Deliberately absent
//! The simulator's runtime, the model checker, real files, real time.

// The tests within share their system with those in `tests`.
#[cfg(test)]
extern crate self as cloudchamber_folder;

pub mod checks;
pub mod conformance;
pub mod courier;
pub mod profile;
mod replica_id;
pub mod scenario;
pub mod shrink;
mod stable_hash;
pub mod stage;
pub mod streams;
mod system;
pub mod systems;
pub mod trace;
pub mod world;

pub use replica_id::ReplicaId;
pub use stable_hash::StableHasher;
pub use system::{NoService, Sample, Service, System, Variant, find};
