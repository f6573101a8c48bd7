//! A job for whichever system is named.

use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::{System as _, mistake};
use cloudchamber_live::LiveSystem;

use crate::failure::Failure;

/// Does a piece of work for the system of a name.
///
/// # Errors
/// If there is no such system, and if the work fails.
pub(crate) fn with_system<L: Systems, W, T>(name: &str, work: W) -> Result<T, Failure>
where
    W: Work<Output = Result<T, Failure>>,
{
    L::with(name, work)
        .unwrap_or_else(|| Err(Failure::new(mistake::unknown("system", name, L::NAMES.iter().copied()))))
}

/// Does a piece of work for the system that a trace is of: one of the list's, or real directories.
///
/// # Errors
/// As [`with_system`].
pub(crate) fn with_traced<L: Systems, W, T>(name: &str, work: W) -> Result<T, Failure>
where
    W: Work<Output = Result<T, Failure>>,
{
    if name == LiveSystem::NAME && !L::NAMES.contains(&name) {
        return work.on::<LiveSystem>();
    }
    with_system::<L, W, T>(name, work)
}
