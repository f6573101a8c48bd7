//! The parts of the main job.

pub(crate) mod models;
pub(crate) mod regressions;
pub(crate) mod scenarios;
pub(crate) mod swarms;
pub(crate) mod syncthing;

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloudchamber_folder::trace::Trace;

use crate::commands::timeline::draw;
use crate::failure::Failure;
use crate::files;
use crate::known::Known;

/// Where a check leaves what it found.
pub(crate) struct Out<'a> {
    pub(crate) dir: &'a Path,
}

impl Out<'_> {
    /// Writes a file below the directory. Returns its name relative to the report.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<String, Failure> {
        files::write(&self.path(name), text)?;
        Ok(name.to_owned())
    }

    /// Writes a trace, and beside it the page that draws it. Returns the trace's name relative to the report.
    pub(crate) fn trace<S: Known>(&self, name: &str, trace: &Trace<S>) -> Result<String, Failure> {
        let (page, _) = draw(trace, &self.path(name))?;
        self.write(&page_of(name), &page)?;
        self.write(name, &trace.to_text())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }
}

/// The name of the page that draws a trace.
pub(crate) fn page_of(trace: &str) -> String {
    format!("{}.html", trace.strip_suffix(".jsonl").unwrap_or(trace))
}

/// Does the same to each of several things, `jobs` side by side; the results are in the order of the things.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    jobs: usize,
    things: &[T],
    each: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, things.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    let Some(thing) = things.get(place) else { return };
                    let result = each(thing);
                    done.lock().expect("no worker panics while it files").push((place, result));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("all workers are done");
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_the_order_of_the_things() {
        let things: Vec<u64> = (0..100).collect();
        for jobs in [1, 3, 200] {
            assert_eq!(side_by_side(jobs, &things, |n| n * 2), (0..100).map(|n| n * 2).collect::<Vec<_>>());
        }
        assert!(side_by_side(3, &[] as &[u64], |n| *n).is_empty());
    }
}
