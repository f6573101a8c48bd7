//! Runs of every system, under both drivers, shrunk, and with what is planted in them.
//!
//! One program: what a run needs of a system is then built once, not once for each file of tests.

mod activation;
mod checkers;
mod determinism;
mod drivers;
mod notes;
mod planted;
mod settling;
mod shrink;
