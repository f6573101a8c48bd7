//! Journals: each machine appends events to its own files, everybody merges all of them.
//!
//! The layout is upstream fray's (docs/MULTI-MACHINE-SYNC-SPEC.md at e921f28): `shared/machines/<id>/` holds
//! `messages.jsonl`, `threads.jsonl`, `questions.jsonl` and `agent-state.jsonl` of one machine, written by that
//! machine alone; `runtime.jsonl` and the machine's identity lie in the local folder and never leave it. Which machine
//! that is where two chose one id is told by claims beside the journals ([`owner`]).
//!
//! # From bytes to a view
//! [`file::File`] turns the bytes of one file into records and problems, copying nothing: a record is a handful
//! of spans. [`merge::merge`] sorts the records of all files by what they are about, orders those of one subject
//! and folds them into a [`view::View`], which again only says where each value stands. Bad bytes are problems,
//! never errors: the rest of the file and every other machine's events are merged all the same.
//!
//! # Two designs
//! [`Design::PUBLISHED`] merges as upstream's code does, faults included; [`Design::HARDENED`] repairs them. Both
//! are values of one struct whose switches name behaviours, and run through the same code.
//!
//! # How hardened orders old records
//! New records carry a hybrid logical clock, so a record written after another was seen comes after it. Records
//! of upstream's programs do not, and some have no time at all. They are ordered by these rules:
//! 1. Times are compared in milliseconds, whichever unit they were written in.
//! 2. A record without a time has the last time told before it in its own file.
//! 3. Records of one file about one subject keep their order, whatever their times say; new records say theirs.
//! 4. A question's status does not go back (unasked, open, answered, closed) because of another machine's record
//!    without a time.
//! 5. Within an hour, wall clocks of two machines prove nothing: an old edit by another machine does not replace
//!    one made on the machine the message comes from. The hour is shorter where a machine spoke about what the other had
//!    just made: by more than the shortest such time its clock cannot be ahead.
//! 6. A change to `[deleted]` that archives is a deletion, as upstream wrote it before there was a record for that.
//! 7. Ties go by machine, sequence number, line (new records leave that out), and at last by the text of the line.
//!
//! Which faults of the published design are known, and what shows each, is listed in `docs/journal.md`.

pub mod address;
mod append;
pub mod claims;
pub mod clock;
pub mod doubt;
pub mod event;
pub mod file;
pub mod folder;
pub mod identity;
pub mod init;
mod interface;
pub mod kept;
pub mod layout;
pub mod line;
pub mod merge;
pub mod migrate;
pub mod names;
pub mod owner;
pub mod problem;
pub mod protocol;
mod recognise;
pub mod refusal;
pub mod sample;
pub mod schema;
pub mod seal;
pub mod seen;
pub mod show;
pub mod uphold;
pub mod verify;
pub mod view;
pub mod write;

mod fold;

pub use file::Reading;
use serde::{Deserialize, Serialize};

/// How journals are read, merged and written: one switch for each thing the two designs do differently.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Design {
    /// How files become lines.
    pub reading: Reading,
    /// What decides which record is later.
    pub order: Ordering,
    /// Whether a removed fave, role or cursor may come back by itself.
    pub tombstones: Tombstones,
    /// What the deletion of a message or thread takes away.
    pub deletions: Deletions,
    /// What tells two subjects apart.
    pub keying: Keying,
    /// What is done with the copies that sync clients make.
    pub copies: Copies,
    /// What a record that is there twice does.
    pub duplicates: Duplicates,
    /// What a thread does whose parent is not there.
    pub parents: Parents,
    /// What makes a view out of date.
    pub trigger: Trigger,
    /// Where checksums are kept.
    pub checksums: Checksums,
    /// How far aliases are followed.
    pub following: address::Following,
    /// How a machine gets another name.
    pub renaming: Renaming,
    /// Whose a machine's directory is.
    pub owning: Owning,
    /// What is shown of a journal that comes back shorter or older, or not at all.
    pub remembering: Remembering,
}

/// What decides which record is later.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ordering {
    /// The time as it is written, seconds and milliseconds mixed, 0 where there is none.
    AsWritten,
    /// Causal: hybrid clocks, and for old records the rules of the module's documentation.
    Causal,
}

/// Whether a removed fave, role or cursor may come back by itself.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tombstones {
    /// The last writer wins, whatever it saw.
    LastWriter,
    /// It stays removed until a record that saw the removal says `again`.
    Sticky,
}

/// What the deletion of a message or thread takes away.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deletions {
    /// What was there so far: a change that is ordered after the deletion shows, as the last writer's.
    LastWriter,
    /// The text of a message, for good. Reactions, members and pins stay.
    Text,
    /// All that was said about it and will be, for good: text, later places, reactions, members, mutes and pins.
    /// What stays is that there was one: who made it, when, where, and of a thread the name.
    Whole,
}

/// What tells two subjects apart.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keying {
    /// The GUID alone: of two messages that chance made alike the later one overwrites the other.
    Guid,
    /// The machine it comes from and the GUID: both are kept.
    OriginAndGuid,
}

/// What is done with the copies that sync clients make.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Copies {
    /// A copied file is not read; a copied directory counts as one more machine.
    Foreign,
    /// They are more versions of what they are copies of, and merged with it.
    Versions,
}

/// What a record that is there twice does.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// A reaction that is there twice aborts the whole rebuild.
    Abort,
    /// Nothing.
    Harmless,
}

/// What a thread does whose parent is not there: it was written on another machine, and its file has not come.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parents {
    /// It aborts the whole rebuild: `fray_threads.parent_thread` is a foreign key (upstream's `schema.go`).
    Required,
    /// It is shown, and names its parent.
    Awaited,
}

/// What makes a view out of date.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A file's length or content differs from what the view was made of.
    LengthAndHash,
    /// A file's modification time is later than the view's.
    ModificationTime,
}

/// Where checksums are kept.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Checksums {
    /// In one file per machine, written by that machine.
    PerMachine,
    /// In one file for everybody, which everybody writes.
    Shared,
}

/// How a machine gets another name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Renaming {
    /// By an alias, which the machine that gives it keeps in a file of its own.
    Alias,
    /// By an alias in the configuration that everybody writes, and a new name for the machine's directory.
    Directory,
}

/// Whose a machine's directory is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Owning {
    /// It is told by claims in it, and one of them holds: see [`owner`].
    Claimed,
    /// Whoever has its id takes it to be his, and two that chose one id both do.
    Assumed,
}

/// What is shown of a journal that comes back shorter or older, or not at all.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Remembering {
    /// What is in the folder now.
    Nothing,
    /// Everything that this machine has read in it: see [`kept`].
    AllSeen,
}

impl Design {
    /// As upstream's code does it, faults included.
    pub const PUBLISHED: Self = Self {
        reading: Reading::Skip,
        order: Ordering::AsWritten,
        tombstones: Tombstones::LastWriter,
        deletions: Deletions::Text,
        keying: Keying::Guid,
        copies: Copies::Foreign,
        duplicates: Duplicates::Abort,
        parents: Parents::Required,
        trigger: Trigger::ModificationTime,
        checksums: Checksums::Shared,
        following: address::Following::OneStep,
        renaming: Renaming::Directory,
        owning: Owning::Assumed,
        remembering: Remembering::Nothing,
    };

    /// The same job with the faults repaired.
    pub const HARDENED: Self = Self {
        reading: Reading::Salvage,
        order: Ordering::Causal,
        tombstones: Tombstones::Sticky,
        deletions: Deletions::Whole,
        keying: Keying::OriginAndGuid,
        copies: Copies::Versions,
        duplicates: Duplicates::Harmless,
        parents: Parents::Awaited,
        trigger: Trigger::LengthAndHash,
        checksums: Checksums::PerMachine,
        following: address::Following::ToTheEnd,
        renaming: Renaming::Alias,
        owning: Owning::Claimed,
        remembering: Remembering::AllSeen,
    };
}
