//! What asks a process to end.

use std::io;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Calls `heard` for each signal that asks the process to end, until it says that nobody listens any more. The process
/// no longer ends by itself.
pub(super) fn heed(heard: impl Fn() -> bool + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::spawn(move || signals.forever().all(|_| heard()));
    Ok(())
}
