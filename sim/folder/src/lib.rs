//! The cloud folder as a pure state machine, and everything that is said about it.

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
pub use system::{NoService, Service, System};
