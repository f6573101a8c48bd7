//! Notices that something below a folder has changed.

use std::path::Path as OsPath;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};

/// Notices come in heaps: it waits until none has come for so long.
const HEAP: Duration = Duration::from_millis(100);
/// How long a heap may grow.
const HEAP_MAX: u32 = 20;

/// Notices of changes below a folder. They are hints: they come late, in heaps or not at all.
#[derive(Debug)]
pub struct Changes {
    notices: Receiver<notify::Result<notify::Event>>,
    watcher: RecommendedWatcher,
}

impl Changes {
    /// Of everything below this folder.
    ///
    /// # Errors
    /// Where the system gives no notices of it, such as for too many directories.
    pub fn of(folder: &OsPath) -> notify::Result<Self> {
        let (sender, notices) = channel();
        let mut watcher = notify::recommended_watcher(move |notice: notify::Result<notify::Event>| {
            // Being read changes nothing.
            if notice.as_ref().is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            // Whoever waits is gone only when the process ends.
            let _ = sender.send(notice);
        })?;
        watcher.watch(folder, RecursiveMode::Recursive)?;
        Ok(Self { notices, watcher })
    }

    /// And of everything below this one.
    ///
    /// # Errors
    /// As [`Changes::of`].
    pub fn and(mut self, dir: &OsPath) -> notify::Result<Self> {
        self.watcher.watch(dir, RecursiveMode::Recursive)?;
        Ok(self)
    }

    /// Waits for a notice, at most so long, and says whether one came.
    pub fn wait(&self, most: Duration) -> bool {
        let came = self.notices.recv_timeout(most).is_ok();
        let mut heap = 0;
        while came && heap < HEAP_MAX && self.notices.recv_timeout(HEAP).is_ok() {
            heap += 1;
        }
        came
    }
}
