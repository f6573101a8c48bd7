//! A job for whichever system is named.

use cloudchamber_folder::systems::{Systems, Work};

use crate::failure::Failure;

/// Does a piece of work for the system of a name.
///
/// # Errors
/// If there is no such system, and if the work fails.
pub(crate) fn with_system<L: Systems, W, T>(name: &str, work: W) -> Result<T, Failure>
where
    W: Work<Output = Result<T, Failure>>,
{
    L::with(name, work).unwrap_or_else(|| {
        let names = L::NAMES.join(", ");
        Err(Failure::new(format!("there is no system `{name}`; there are {names}")))
    })
}
