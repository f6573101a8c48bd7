//! The four systems: for each the world outside the folder, its checkers, and what scenario files can say.

pub mod failover;
pub mod journal;
