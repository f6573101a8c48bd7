//! The largest clock that a machine has seen in anybody's journals, which it remembers when its process ends.
//!
//! Whatever a machine appends comes after what it has seen. Its own records tell it how far it had counted itself; of the
//! records of others this file tells, so that a machine that starts need not read every journal before it appends.

use super::clock::Hybrid;
use super::layout::clock_path;
use super::refusal::{Refusal, bytes};
use crate::{Content, Fs, FsOp};

/// The clock that was noted; the least one where none was, or the note is none.
///
/// # Errors
/// Where it was noted and cannot be read now.
pub fn seen(fs: &dyn Fs) -> Result<Hybrid, Refusal> {
    let noted = bytes(fs, &clock_path(), 0)?;
    Ok(std::str::from_utf8(noted.bytes()).ok().and_then(Hybrid::parse).unwrap_or_default())
}

/// The op that notes a clock.
#[must_use]
pub fn note(clock: Hybrid) -> FsOp {
    FsOp::Replace { path: clock_path(), content: Content::from(format!("{clock}\n")) }
}
