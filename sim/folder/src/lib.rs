//! The cloud folder as a pure state machine, and everything that is said about it.

pub mod profile;
mod replica_id;
mod stable_hash;
mod system;
pub mod world;

pub use replica_id::ReplicaId;
pub use stable_hash::StableHasher;
pub use system::{NoService, Service, System};
