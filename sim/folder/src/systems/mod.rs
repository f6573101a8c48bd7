//! The built-in systems: for each the world outside the folder, its checkers, and what scenario files can say.
//!
//! A new one is a module here and a word in [`BuiltIn`]; commands, helps, the check and the tests follow that list.

pub mod delta;
pub mod failover;
pub mod journal;
pub mod notes;
mod registry;

pub use registry::{Systems, Work};

crate::systems! {
    /// The systems that come with cloudchamber.
    pub BuiltIn: failover::FailoverSystem, journal::JournalSystem, delta::DeltaSystem, notes::NotesSystem
}
