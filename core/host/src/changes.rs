//! Notices that something below a folder has changed.

use std::path::{Path as OsPath, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use notify::{Config, RecommendedWatcher, RecursiveMode, Watcher};

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
        let heard = move |notice: notify::Result<notify::Event>| {
            // Being read changes nothing.
            if notice.as_ref().is_ok_and(|event| event.kind.is_access()) {
                return;
            }
            // Whoever waits is gone only when the process ends.
            let _ = sender.send(notice);
        };
        // A link may lead out of the folder, and to everything that there is.
        let config = Config::default().with_follow_symlinks(false);
        let mut watcher = RecommendedWatcher::new(heard, config)?;
        watcher.watch(folder.canonicalize().as_deref().unwrap_or(folder), RecursiveMode::Recursive)?;
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

    /// Waits for a notice, at most so long, and gives the real paths of all that have come by then. A path may be told
    /// twice, and of what changed in a new directory none may be.
    #[must_use]
    pub fn heard(&self, most: Duration) -> Vec<PathBuf> {
        let first = self.notices.recv_timeout(most).ok();
        let all = first.into_iter().chain(self.notices.try_iter());
        all.filter_map(Result::ok).flat_map(|event| event.paths).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_behind_a_link_is_not_watched_and_the_folder_may_be_one() {
        let dir = tempfile::tempdir().unwrap();
        let (real, folder, outside) =
            (dir.path().join("real"), dir.path().join("folder"), dir.path().join("outside"));
        std::fs::create_dir(&real).unwrap();
        std::fs::create_dir(&outside).unwrap();
        std::os::unix::fs::symlink(&real, &folder).unwrap();
        std::os::unix::fs::symlink(&outside, real.join("out")).unwrap();
        let changes = Changes::of(&folder).unwrap();
        std::fs::write(outside.join("a"), "x").unwrap();
        assert!(!changes.wait(Duration::from_millis(300)), "a change outside was told");
        std::fs::write(real.join("a"), "x").unwrap();
        assert!(changes.wait(Duration::from_secs(30)), "a change in the folder was not told");
    }
}
