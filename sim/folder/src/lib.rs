//! The cloud folder as a pure state machine, and everything that is said about it.

pub mod profile;
