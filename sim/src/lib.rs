//! The simulator.
pub mod courier;
