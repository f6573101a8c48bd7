//! Calls that may never come back: reading a file whose bytes a client has first to fetch.
//!
//! A read of an evicted file blocks until its client has brought it, which may be never, and nothing can call it back. So
//! such a call is made by a thread of its own, and whoever wants its answer waits for a while and then goes on. While a
//! call on a file is out, no other one is made on it: a thread is lost to each.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many calls may be out at once before no further one is made: each holds a thread.
const OUT_MAX: usize = 16;

/// How long is waited at most while a call on a file nearby is out: who hangs on one file hangs on the next.
const NEXT_MAX: Duration = Duration::from_millis(500);

type Job = Box<dyn FnOnce() + Send>;

/// The threads that wait for work, and the files on which a call is out that nobody waits for any more.
#[derive(Default)]
struct Pool {
    idle: Vec<Sender<Job>>,
    out: BTreeSet<PathBuf>,
}

static POOL: LazyLock<Mutex<Pool>> = LazyLock::new(Mutex::default);

fn pool() -> MutexGuard<'static, Pool> {
    // No call is made while it is held, so nothing in it can be half done.
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a call on a file gives; None if it has not come back in this time, or one that was made before has not.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    file: &Path,
    made: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (worker, limit) = {
        let mut pool = pool();
        if pool.out.contains(file) || pool.out.len() >= OUT_MAX {
            return None;
        }
        let hangs = pool.out.iter().any(|out| are_near(out, file));
        let limit = if hangs { limit.min(NEXT_MAX) } else { limit };
        (pool.idle.pop(), limit)
    };
    let worker = worker.unwrap_or_else(begin);
    let (tell, told) = channel();
    let (own, back) = (file.to_owned(), worker.clone());
    let job = move || {
        let value = made();
        let mut pool = pool();
        pool.out.remove(&own);
        pool.idle.push(back);
        // Told while the pool is held, so that whoever gives up knows whether it came.
        let _ = tell.send(value);
    };
    // A thread ends only with the process.
    worker.send(Box::new(job)).expect("a thread that waits for work");
    if let Ok(value) = told.recv_timeout(limit) {
        return Some(value);
    }
    let mut pool = pool();
    match told.try_recv() {
        Ok(value) => Some(value),
        Err(_) => {
            pool.out.insert(file.to_owned());
            None
        }
    }
}

/// Whether two files may be in one folder: they have the first three parts of their paths in common.
fn are_near(one: &Path, other: &Path) -> bool {
    one.components().zip(other.components()).take_while(|(one, other)| one == other).count() >= 3
}

fn begin() -> Sender<Job> {
    let (worker, jobs) = channel::<Job>();
    std::thread::spawn(move || jobs.into_iter().for_each(|job| job()));
    worker
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_does_not_come_back_is_waited_for_once() {
        let file = Path::new("/nowhere/evicted");
        let (release, held) = channel::<()>();
        let blocks = move || held.recv().is_err();
        assert_eq!(within(Duration::from_millis(20), file, blocks), None);
        // No second thread is lost to it, however often it is asked for.
        for _ in 0..2 * OUT_MAX {
            assert_eq!(within(Duration::from_secs(60), file, || true), None);
        }
        assert_eq!(within(Duration::from_secs(60), Path::new("/nowhere/other"), || 7), Some(7));
        drop(release);
        // It has come back, so it may be asked for again.
        let again = |_| {
            std::thread::yield_now();
            within(Duration::from_secs(60), file, || ()).is_some()
        };
        assert!((0..10_000_000).any(again));
    }

    #[test]
    fn threads_are_used_again() {
        let who =
            |_| within(Duration::from_secs(60), Path::new("/nowhere/a"), || std::thread::current().id());
        let threads: BTreeSet<_> = (0..50).filter_map(who).map(|id| format!("{id:?}")).collect();
        // Other tests use the pool at the same time.
        assert!(threads.len() < 10, "{threads:?}");
    }
}
