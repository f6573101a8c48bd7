//! Files that change faster than clients send them.

use std::collections::BTreeMap;
use std::time::Duration;

use super::walk::{Item, Tree};
use super::{Finding, Kind};
use crate::clock;

/// A file that was not changed for this long, in ms, is not watched.
const RECENT_MS: i64 = 15_000;
/// How often a watched file is looked at.
const EVERY: Duration = Duration::from_millis(100);
/// How many files are watched.
const WATCHED_MAX: usize = 1_000;
/// How often a file has to change while it is watched.
const CHANGES_MIN: u32 = 2;

/// Watches the files that were changed just now.
pub(super) fn look(tree: &Tree, watch: Duration) -> Vec<Finding> {
    let now = clock::now();
    let recent = |item: &&Item| (-RECENT_MS..=RECENT_MS).contains(&(now.wall.0 - item.modified_ms));
    let watched: Vec<_> = tree.files().filter(recent).take(WATCHED_MAX).collect();
    let until = now.mono.plus(u64::try_from(watch.as_millis()).unwrap_or(u64::MAX));
    let mut states: BTreeMap<&str, (Option<State>, u32)> = BTreeMap::new();
    while !watched.is_empty() {
        for item in &watched {
            let state = state(item);
            let (before, changes) = states.entry(&item.path).or_insert((state, 0));
            if *before != state {
                (*before, *changes) = (state, *changes + 1);
            }
        }
        if clock::now().mono >= until {
            break;
        }
        std::thread::sleep(EVERY);
    }
    let often = states.into_iter().filter(|(_, (_, changes))| *changes >= CHANGES_MIN);
    often
        .map(|(path, (_, changes))| {
            let detail = format!("{changes} times in {} s", watch.as_secs().max(1));
            Finding::of(Kind::TooOften, path, detail)
        })
        .collect()
}

type State = (i64, u64);

fn state(item: &Item) -> Option<State> {
    use std::os::unix::fs::MetadataExt;
    let metadata = item.real.symlink_metadata().ok()?;
    let nanos = metadata.mtime().wrapping_mul(1_000_000_000).wrapping_add(metadata.mtime_nsec());
    Some((nanos, metadata.len()))
}
