//! What stands in the files of a world, for checkers to compare with what instances say.

use std::sync::Arc;

use cloudchamber_core::notes::checked::CheckedLog;
use cloudchamber_core::notes::names::{
    NOTES, line_log_name, log_name, logs_dir, note_of, shadows, snapshot_name, snapshots_dir,
};
use cloudchamber_core::notes::snapshot::SnapshotFile;
use cloudchamber_core::notes::{Config, Kind};
use cloudchamber_core::{Content, Path, Root};

use super::NotesSystem;
use crate::ReplicaId;
use crate::world::{Disk, World};

/// A record as it stands in a log.
pub(super) struct Found {
    /// Its number.
    pub(super) seq: u64,
    /// When it was written, in its author's opinion, in ms since 1970.
    pub(super) time_ms: u64,
    /// What it changes.
    pub(super) data: Content,
}

/// The whole records of a log.
fn records(kind: Kind, log: &Content) -> Vec<Found> {
    let checked = log.parsed(CheckedLog::parser(kind));
    let found = |record: &cloudchamber_core::notes::crdt_log::LogRecord| Found {
        seq: record.seq,
        time_ms: record.time_ms,
        data: Content::new(&log.bytes()[record.data.clone()]),
    };
    checked.good().map(found).collect()
}

/// The logs that can be read in a directory of a disk: whose each is, and what it holds.
fn logs(disk: &Disk, directory: &Path) -> Vec<(String, Content)> {
    let entries = disk.list(directory).unwrap_or_default();
    let named = entries.into_iter().filter_map(|entry| Some((log_name(entry.name())?, entry.path)));
    named.filter_map(|(name, path)| Some((name.owner.instance, disk.read(&path, 0).ok()?))).collect()
}

/// The record of this number on a disk, in a log or, where an older log has come in its place, in its author's shadow; `None`
/// if nobody can read it there.
pub(super) fn record(disk: &Disk, kind: Kind, note: &str, instance: &str, seq: u64) -> Option<Found> {
    let directories = [logs_dir(note), shadows(instance).join(note)];
    let own =
        directories.iter().flat_map(|directory| logs(disk, directory)).filter(|(owner, _)| owner == instance);
    own.flat_map(|(_, log)| records(kind, &log)).find(|found| found.seq == seq)
}

/// Whether a record can be read on a disk, in whatever log.
pub(super) fn is_on_disk(disk: &Disk, kind: Kind, note: &str, data: &Content) -> bool {
    logs(disk, &logs_dir(note))
        .iter()
        .any(|(_, log)| records(kind, log).iter().any(|found| found.data == *data))
}

/// Whether anything in the folder on a disk is an instance's.
pub(super) fn knows_of(disk: &Disk, instance: &str) -> bool {
    let owner = |name: &str| {
        let dated = log_name(name).or_else(|| snapshot_name(name)).map(|name| name.owner);
        dated.or_else(|| line_log_name(name).map(|name| name.owner))
    };
    let shared = disk.slots().map(|(path, _)| path).filter(|path| path.root() == Root::Shared);
    shared.into_iter().any(|path| owner(path.file_name()).is_some_and(|owner| owner.instance == instance))
}

/// The note and the instance that a path is a log of; `None` if it is none.
pub(super) fn log_of(path: &Path) -> Option<(Arc<str>, Arc<str>)> {
    let (directory, file) = path.below(&Path::shared(NOTES))?.split_once("/logs/")?;
    let (note, _) = note_of(directory)?;
    Some((note.into(), log_name(file)?.owner.instance.into()))
}

/// The records of a log as the server has it.
pub(super) fn on_server(world: &World<NotesSystem>, kind: Kind, path: &Path) -> Vec<Found> {
    let newest = world.cloud().file(path).and_then(|file| file.newest().content.as_ref());
    newest.map(|log| records(kind, log)).unwrap_or_default()
}

/// What the newest snapshot of an instance claims to hold, and the state it holds; `None` if it cannot be read.
pub(super) struct Claimed {
    /// Instances, and the number up to which it claims each one's records.
    pub(super) clock: Vec<(String, u64)>,
    /// The merged state.
    pub(super) state: Content,
}

/// The newest snapshot that an instance has of a note on its disk.
pub(super) fn newest_snapshot(disk: &Disk, note: &str, instance: &str) -> Option<Claimed> {
    let entries = disk.list(&snapshots_dir(note)).ok()?;
    let named = entries.into_iter().filter_map(|entry| Some((snapshot_name(entry.name())?, entry.path)));
    let own = named.filter(|(name, _)| name.owner.instance == instance && !name.is_copy);
    let (_, path) = own.max_by_key(|(name, _)| name.time_ms)?;
    let content = disk.read(&path, 0).ok()?;
    let file = SnapshotFile::read(content.bytes()).ok()?;
    let clock = file.clock.into_iter().map(|entry| (entry.instance, entry.seq)).collect();
    Some(Claimed { clock, state: Content::new(&content.bytes()[file.state]) })
}

/// The configuration of a replica.
pub(super) fn config(setup: &crate::world::Setup<NotesSystem>, id: ReplicaId) -> &Config {
    &setup.replicas[id.index()].config
}
