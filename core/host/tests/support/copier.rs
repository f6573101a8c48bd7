//! A sync client of which everything is known: it copies between two directories after a time.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

pub(crate) type Stamp = (u64, i64, i64, u64);

/// What it has seen of one directory, and what it is to do.
#[derive(Default)]
struct Side {
    dir: PathBuf,
    /// What it has seen last.
    known: BTreeMap<String, Stamp>,
    /// What both sides had last.
    base: BTreeMap<String, Stamp>,
    due: BTreeMap<String, Instant>,
}

/// It runs until it is dropped.
pub(crate) struct Copier {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<i64>>>,
}

impl Copier {
    /// Copies each version this long after it is seen: to another file first, which is renamed. A conflict's older side
    /// becomes `NAME (x's conflicted copy 2026-11-29).EXT`. Links are left out, and so are modes.
    pub(crate) fn start(dirs: [&Path; 2], delay: Duration) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let sides = dirs.map(|dir| Side { dir: dir.to_owned(), ..Side::default() });
        let until = Arc::clone(&stop);
        let thread = std::thread::spawn(move || run(sides, delay, &until));
        Self { stop, thread: Some(thread) }
    }

    /// Ends it, and gives how long after their writing new files of the probe were renamed to their names, in ms.
    pub(crate) fn end(mut self) -> Vec<i64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Copier {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn run(mut sides: [Side; 2], delay: Duration, stop: &AtomicBool) -> Vec<i64> {
    let mut took = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        for from in [0, 1] {
            let now = files(&sides[from].dir);
            let side = &mut sides[from];
            let gone = side.known.keys().filter(|name| !now.contains_key(*name)).cloned();
            let changed = now.iter().filter(|(name, stamp)| side.known.get(*name) != Some(*stamp));
            let news: Vec<String> = gone.chain(changed.map(|(name, _)| name.clone())).collect();
            for name in news {
                match now.get(&name) {
                    Some(stamp) => side.known.insert(name.clone(), *stamp),
                    None => side.known.remove(&name),
                };
                side.due.insert(name, Instant::now() + delay);
            }
            let due = side.due.iter().filter(|(_, at)| **at <= Instant::now());
            let due: Vec<String> = due.map(|(name, _)| name.clone()).collect();
            for name in due {
                sides[from].due.remove(&name);
                // What is gone again before it was copied comes with its next change.
                took.extend(copy(&mut sides, from, &name).unwrap_or_default());
            }
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    took
}

fn copy(sides: &mut [Side; 2], from: usize, name: &str) -> std::io::Result<Option<i64>> {
    let [source, target] = [from, 1 - from].map(|side| sides[side].dir.join(name));
    let other = &mut sides[1 - from];
    let is_own_change = stamp(&target) != other.base.get(name).copied();
    if !source.exists() {
        if !is_own_change && target.exists() {
            other.known.remove(name);
            fs::remove_file(target)?;
            for side in sides {
                side.base.remove(name);
            }
        }
        return Ok(None);
    }
    let (sent, bytes, modified) = (stamp(&source), fs::read(&source)?, source.metadata()?.modified()?);
    if is_own_change && target.exists() {
        if target.metadata()?.modified()? >= modified {
            return Ok(None);
        }
        let (stem, ext) = name.rsplit_once('.').unwrap_or((name, "x"));
        fs::rename(&target, other.dir.join(format!("{stem} (x's conflicted copy 2026-11-29).{ext}")))?;
    }
    let parent = target.parent().unwrap();
    fs::create_dir_all(parent)?;
    let next = parent.join(format!(".copier-{}.tmp", name.rsplit('/').next().unwrap()));
    fs::write(&next, bytes)?;
    File::options().write(true).open(&next)?.set_modified(modified)?;
    fs::rename(&next, &target)?;
    let took = SystemTime::now().duration_since(modified).unwrap_or_default().as_millis();
    let entry = |stamp: Option<Stamp>| stamp.map(|stamp| (name.to_owned(), stamp));
    other.known.extend(entry(stamp(&target)));
    other.base.extend(entry(stamp(&target)));
    sides[from].base.extend(entry(sent));
    Ok(name.contains("/new-").then(|| i64::try_from(took).unwrap()))
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = path.symlink_metadata().ok().filter(fs::Metadata::is_file)?;
    Some((metadata.len(), metadata.mtime(), metadata.mtime_nsec(), metadata.ino()))
}

/// The files below a directory, also while they go and come.
pub(crate) fn files(root: &Path) -> BTreeMap<String, Stamp> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            if path.is_dir() {
                dirs.push(path);
            } else if !entry.file_name().to_string_lossy().starts_with(".copier-") {
                let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
                found.extend(stamp(&path).map(|stamp| (name, stamp)));
            }
        }
    }
    found
}
