//! Notes: CRDT logs, one per instance and note, with hints, deletions and snapshots beside them.
pub mod crdt_log;
pub mod lines;
pub mod names;
pub mod snapshot;
pub mod update;
pub mod varint;
