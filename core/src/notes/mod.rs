//! Notes: CRDT documents, of which each instance appends its own changes to its own logs.
//!
//! The layout is upstream NoteCove's (drewcsillag/notecove at 2f4f888): `notes/<id>/logs/` holds a log per instance and
//! session, `notes/<id>/snapshots/` merged states, `activity/` hints that somebody wrote, `deleted/` the notes that are
//! gone for good. Files of ours are read by its programs, and theirs by ours.
//!
//! # From bytes to a note
//! [`crdt_log`], [`snapshot`] and [`lines`] turn the bytes of one file into what stands in it, [`names`] its name into
//! whose it is, and [`update`] looks at each change before a decoder does. Bad bytes are [`problem`]s, never errors.
//! [`load::Loaded`] puts together what all files of a note say: which records are here, which numbers are missing.
//! [`document`] makes the text of them.
//!
//! # What is guaranteed
//! - **A note is a function of the set of its records.** In which order files come, how often a record is there, in
//!   which of several copies and under which name: none of it makes a difference.
//! - **Any part of a file is safe.** Of a prefix the complete records count, of a file whose end is zeros none that may
//!   lack its end. Missing, empty, torn, evicted and zeroed all mean *not yet*.
//! - **A number names one record.** It is used once, across crashes, and an instance whose files were restored from a
//!   backup, or whose machine was copied, goes on under another id.
//! - **What was told as written is kept**: it is flushed in a local file and in the shared one before it is told, and
//!   is written again where a client has brought back an older tree.
//! - **What is deleted for good stays deleted**: it is asked when a note is loaded, and every instance that has heard of
//!   it keeps it in a file of its own.
//! - **Nothing is given up.** A hint makes the next look come sooner, and no hint is needed for a record to be found.
//! - **No file of others is written or removed.**
//!
//! These hold of the hardened design. The published one is the documents' and upstream's code, faults included; what is
//! known of them is listed in its module, and `core/tests/notes_published.rs` shows each.
//!
//! # What is not
//! A record has no checksum of its own, since upstream's format has no room for one: [`update`] says what damage it
//! finds, and [`checked::ZEROS_MAX`] what may remain of it. A deletion without a newline counts once its id is whole. Logs
//! are never removed while their note lives: upstream's readers with a cached state would miss what they held.

pub mod checked;
pub mod config;
pub mod crdt_log;
pub mod document;
pub mod lines;
pub mod load;
pub mod names;
pub mod problem;
pub mod shelf;
pub mod snapshot;
pub mod update;
pub mod varint;

mod hardened;
mod kept;
mod order;
mod plain;
mod protocol;
mod published;
mod yjs;

pub use config::{Config, ConfigError, Heeded, Timing};
pub use document::{Change, Document, Kind};
pub use names::Form;
pub use protocol::{Command, Done, Event, Note, Notes, State};
