//! What the benches of entities and notes do: ours, and beside it what others do with the same.
//!
//! The reports measure each once ([`Timed`]); criterion measures the same functions again and again (`benches/`). Times
//! are compared within one run: what a machine does beside is in all of them.
//!
//! # Deliberately absent
//! Anything that an agent or the simulator links: `automerge` is here and nowhere else.

pub mod counted;
pub mod delta;
pub mod merge;
pub mod notes;

use std::time::Duration;

use cloudchamber_host::throughput::{Stage, timed};

/// What one of several did with a task.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timed {
    /// The task, the same for all who did it.
    pub task: &'static str,
    /// Who did it, and how.
    pub by: &'static str,
    /// How many things it was done to.
    pub things: usize,
    /// By the wall clock.
    pub wall: Duration,
    /// On all processors together.
    pub cpu: Duration,
    /// Which files it took, where it took any.
    pub files: Option<Files>,
}

impl Timed {
    /// How many things a second of processor time it was done to.
    #[must_use]
    pub fn per_cpu_s(&self) -> u64 {
        let us = self.cpu.as_micros().max(1);
        u64::try_from(self.things as u128 * 1_000_000 / us).unwrap_or(u64::MAX)
    }
}

/// Files that something took.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Files {
    /// How many were opened to be read, each time counted.
    pub opened: u64,
    /// How many were written.
    pub written: u64,
    /// How many bytes were written.
    pub bytes: u64,
}

/// Does a task and says what it took.
pub(crate) fn done<T>(
    task: &'static str,
    by: &'static str,
    things: usize,
    work: impl FnOnce() -> T,
) -> (Timed, T) {
    let (Stage { wall, cpu, .. }, result) = timed(task, things, work);
    (Timed { task, by, things, wall, cpu, files: None }, result)
}
