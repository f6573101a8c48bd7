//! How much memory something takes.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use crate::files;

/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Does something that takes memory, and tells how much it took at the most beside what was there before, in bytes,
/// where the system tells. `shown` is told how many bytes there are now, again and again.
pub(crate) fn weighed<T>(shown: impl Fn(u64) + Sync, work: impl FnOnce() -> T) -> (T, Option<u64>) {
    let before = resident_bytes();
    let most = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let now = resident_bytes().unwrap_or(0);
                most.fetch_max(now, Ordering::Relaxed);
                shown(now);
                std::thread::park_timeout(LOOK);
            }
        });
        // However the work ends, the onlooker must stop, or nobody would ever hear of it.
        let _stop = Stop(&done);
        let result = work();
        most.fetch_max(resident_bytes().unwrap_or(0), Ordering::Relaxed);
        result
    });
    (result, before.map(|before| most.into_inner().saturating_sub(before)))
}

/// Sets a flag when it goes.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The memory that this process has in use, as Linux tells it (proc(5), `statm`): its pages are of 4 KiB on the
/// machines that this is built for. Nothing elsewhere.
fn resident_bytes() -> Option<u64> {
    const PAGE_BYTES: u64 = 4_096;
    let statm = files::read(Path::new("/proc/self/statm")).ok()?;
    statm.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * PAGE_BYTES)
}
