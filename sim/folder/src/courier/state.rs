//! What the courier knows of files and clients.
//!
//! It is what the courier plans by, and nothing that the world could tell it instead. Three entries look like that and
//! are not: `arrived` counts versions that came broken or were refused, which the disk does not count as seen, and
//! keeps older ones from being tried; `evicted` tells a file whose bytes left from one that arrived as a placeholder
//! and is about to be mended; `coming` is of the future.

use super::aggregator::{Aggregator, Kind};

/// What is known of one file on one replica.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slot {
    /// An upload is planned.
    pub(super) uploading: bool,
    /// Whether the file, at rest or not, has a settling time planned, and since when and until when.
    pub(super) settling: Option<(u64, u64)>,
    /// When the file last changed on this disk.
    pub(super) changed: u64,
    /// The newest version that arrived, whole or not; 0 where none did.
    pub(super) arrived: u32,
    /// The newest version on its way, and when it is due.
    pub(super) coming: (u32, u64),
    /// Its bytes were evicted.
    pub(super) evicted: bool,
    /// A fetch is planned.
    pub(super) fetching: bool,
    /// Its bytes were evicted and reads of it do not come back.
    pub(super) wedged: bool,
    /// The version that arrived broken, or will, and that nothing mends; 0 where there is none.
    pub(super) broken: u32,
}

/// What is known of one replica's client.
#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    pub(super) aggregator: Option<Aggregator>,
    /// How far this client's timer runs before the others', in milliseconds.
    pub(super) phase: u64,
    /// Files that wait for the timer, in the order of their first change.
    pub(super) waiting: Vec<(u32, Kind)>,
    /// The pull that was planned last, and when its files are there.
    pub(super) pull: (u64, u64),
    /// Until when the queue of files takes, on the way up and on the way down.
    pub(super) up_free: u64,
    pub(super) down_free: u64,
    /// When the last file arrived, where none may overtake another.
    pub(super) down_last: u64,
    /// When the next notice is due, where one is planned that will not be lost.
    pub(super) notice: Option<u64>,
}

/// When something is through that takes `way_ms` by itself, behind a queue in which each takes `bulk_ms`.
pub(super) fn queued(free: &mut u64, now: u64, way_ms: u64, bulk_ms: u64) -> u64 {
    let at = (now + way_ms).max(*free);
    *free = (*free).max(now) + bulk_ms;
    at
}

/// The first time after `now` at which a timer fires.
pub(super) fn next_tick(now: u64, every_ms: u64, phase: u64) -> u64 {
    (now + every_ms - phase) / every_ms * every_ms + phase
}
