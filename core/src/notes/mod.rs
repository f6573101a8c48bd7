//! Notes: CRDT logs, one per instance and note, with hints, deletions and snapshots beside them.
pub mod config;
pub mod crdt_log;
pub mod document;
pub mod hardened;
pub mod lines;
pub mod load;
pub mod names;
pub mod problem;
pub mod shelf;
pub mod snapshot;
pub mod update;
pub mod varint;

mod plain;
mod protocol;
mod published;
mod yjs;

pub use config::{Config, ConfigError, Heeded, Timing};
pub use document::{Change, Document, Kind};
pub use names::Form;
pub use protocol::{Command, Done, Event, Note, Notes, State};
