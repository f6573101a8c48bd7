//! One instance with its notes, as a protocol.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::document::{Change, Document};
use super::hardened::Instance;
use super::problem::Problem;
use super::published::Published;
use crate::kit::watermark::Numbers;
use crate::{Cx, Design, Input, Mono, Never, Protocol};

/// What a person asks of an instance.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Command {
    /// To make a note.
    Create {
        /// Its id; drawn if there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        /// Its text.
        #[serde(default)]
        text: String,
    },
    /// To change a note's text.
    Edit {
        /// The note.
        note: String,
        /// The change.
        change: Change,
    },
    /// To put a note into the trash.
    Delete {
        /// The note.
        note: String,
    },
    /// To take a note out of the trash.
    Restore {
        /// The note.
        note: String,
    },
    /// To delete a note for good, everywhere.
    PermanentlyDelete {
        /// The note.
        note: String,
    },
    /// To write a snapshot of a note.
    Snapshot {
        /// The note.
        note: String,
    },
    /// To look at the whole folder now.
    Sync,
    /// To work in the folder as it is, also if it was emptied or much of it is gone: a person says that it is meant so.
    Accept,
}

/// What was done to a note by a record.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Done {
    /// It was made.
    Created,
    /// Its text was changed.
    Edited,
    /// It was put into the trash.
    Trashed,
    /// It was taken out of the trash.
    Restored,
}

/// What an instance tells.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Event {
    /// It runs under this id.
    Started {
        /// The instance.
        instance: Arc<str>,
    },
    /// It goes on under another id, and why.
    Moved {
        /// The new id.
        instance: Arc<str>,
        /// Why, in words.
        why: String,
    },
    /// A record is on this machine's disk: from now on it may not be lost.
    Written {
        /// What it does.
        done: Done,
        /// The note.
        note: Arc<str>,
        /// Whose record it is.
        instance: Arc<str>,
        /// Its number.
        seq: u64,
    },
    /// The command changes nothing.
    Unchanged {
        /// The note.
        note: Arc<str>,
    },
    /// A note is deleted for good, by this instance: from now on it may not come back.
    Deleted {
        /// The note.
        note: Arc<str>,
    },
    /// This instance has learned that a note is deleted for good.
    Gone {
        /// The note.
        note: Arc<str>,
    },
    /// Records of a note have come: of each instance, up to which number nothing is missing.
    Loaded {
        /// The note.
        note: Arc<str>,
        /// Whose records, and up to where.
        up_to: Vec<(Arc<str>, u64)>,
    },
    /// A note could not be loaded, in words.
    LoadFailed {
        /// The note.
        note: Arc<str>,
        /// Why.
        why: String,
    },
    /// A snapshot is on this machine's disk.
    SnapshotWritten {
        /// The note.
        note: Arc<str>,
    },
    /// Published gave a hint up: the record will not be looked for until the next start.
    Stale {
        /// The note.
        note: Arc<str>,
        /// Whose record it is.
        instance: Arc<str>,
        /// Its number.
        seq: u64,
    },
    /// The command cannot be carried out, in words.
    Refused(String),
    /// An op failed; what was being written may or may not be there.
    Failed,
    /// What a crash or a client had left of the own files was repaired, in words.
    Repaired(String),
    /// The folder cannot be used now, in words. Nothing is written meanwhile.
    Away(String),
    /// The machine has slept.
    Woke,
}

/// What an instance knows of a note.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum State {
    /// It can be read and changed.
    Live,
    /// It lies in the trash.
    Trashed,
    /// It is deleted for good.
    Deleted,
    /// Its directory is here, and nothing of it that can be shown.
    NotYet,
}

impl State {
    /// What commands and reports call it.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Trashed => "trashed",
            Self::Deleted => "deleted",
            Self::NotYet => "not-yet",
        }
    }
}

/// A note, as an instance knows it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Note {
    /// Its id.
    pub id: Arc<str>,
    /// What is known of it.
    pub state: State,
    /// What its records say; empty for a deleted note.
    pub document: Document,
    /// Whether records are missing that others have, or that others wait for.
    pub is_incomplete: bool,
    /// The numbers of each instance that are here.
    pub numbers: BTreeMap<String, Numbers>,
    /// What is wrong with its files.
    pub problems: Vec<Problem>,
}

/// An instance with its notes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Notes(Machine);

/// One machine a design.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Machine {
    Hardened(Box<Instance>),
    Published(Box<Published>),
}

impl Notes {
    /// A note; `None` if nothing is known of it.
    #[must_use]
    pub fn note(&self, config: &Config, id: &str) -> Option<Note> {
        match &self.0 {
            Machine::Hardened(machine) => machine.note(config, id),
            Machine::Published(machine) => machine.note(config, id),
        }
    }

    /// A number that changes whenever the files may say something else of a note: who keeps what it has read, such as an
    /// index, looks again then. `None` if nothing is known of it.
    #[must_use]
    pub fn digest(&self, id: &str) -> Option<u64> {
        match &self.0 {
            Machine::Hardened(machine) => machine.digest(id),
            Machine::Published(machine) => machine.digest(id),
        }
    }

    /// The ids of all notes that anything is known of, deleted ones among them.
    #[must_use]
    pub fn ids(&self) -> Vec<Arc<str>> {
        match &self.0 {
            Machine::Hardened(machine) => machine.ids(),
            Machine::Published(machine) => machine.ids(),
        }
    }

    /// All notes but those that are deleted for good.
    #[must_use]
    pub fn list(&self, config: &Config) -> Vec<Note> {
        let notes = self.ids().into_iter().filter_map(|id| self.note(config, &id));
        notes.filter(|note| note.state != State::Deleted).collect()
    }

    /// The text of a note; `None` if there is none to show.
    #[must_use]
    pub fn text(&self, config: &Config, id: &str) -> Option<String> {
        let note = self.note(config, id)?;
        matches!(note.state, State::Live | State::Trashed).then_some(note.document.text)
    }

    /// Which of some records of a note its text lacks here, as places in their order.
    #[must_use]
    pub fn lacks(&self, config: &Config, id: &str, records: &[&[u8]]) -> Vec<usize> {
        match &self.0 {
            Machine::Hardened(machine) => machine.lacks(config, id, records),
            Machine::Published(machine) => machine.lacks(config, id, records),
        }
    }

    /// Whether the note is deleted for good, as far as this instance knows.
    #[must_use]
    pub fn is_deleted(&self, id: &str) -> bool {
        match &self.0 {
            Machine::Hardened(machine) => machine.is_gone(id),
            Machine::Published(machine) => machine.is_gone(id),
        }
    }

    /// The id that it runs under; `None` while it is nobody yet.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        match &self.0 {
            Machine::Hardened(machine) => machine.instance(),
            Machine::Published(machine) => Some(machine.instance()),
        }
    }

    /// The number that the next own record of a note gets; `None` while it cannot write, and in the published design.
    #[must_use]
    pub fn next_seq(&self, id: &str) -> Option<u64> {
        match &self.0 {
            Machine::Hardened(machine) => machine.next_seq(id),
            Machine::Published(_) => None,
        }
    }

    /// Whether it can take a command, and nothing waits to be written.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        match &self.0 {
            Machine::Hardened(machine) => machine.is_idle(),
            Machine::Published(machine) => machine.is_idle(),
        }
    }

    /// Records that hints told of and that are not here: note, instance and number.
    #[must_use]
    pub fn awaited(&self) -> Vec<(Arc<str>, Arc<str>, u64)> {
        match &self.0 {
            Machine::Hardened(machine) => machine.awaited(),
            Machine::Published(machine) => machine.awaited(),
        }
    }

    /// What is wrong with the files of the folder; nothing in the published design, which does not look.
    #[must_use]
    pub fn problems(&self, config: &Config) -> Vec<Problem> {
        match &self.0 {
            Machine::Hardened(machine) => machine.problems(config),
            Machine::Published(_) => Vec::new(),
        }
    }
}

impl Protocol for Notes {
    type Config = Config;
    type Command = Command;
    type Event = Event;
    type Call = Never;
    type Reply = Never;

    fn open(config: &Config, cx: &mut Cx<'_, Self>) -> Self {
        match config.design {
            Design::Hardened => Self(Machine::Hardened(Box::new(Instance::open(config, cx)))),
            Design::Published => Self(Machine::Published(Box::new(Published::open(config, cx)))),
        }
    }

    fn step(&mut self, config: &Config, input: Input<Self>, cx: &mut Cx<'_, Self>) {
        match &mut self.0 {
            Machine::Hardened(machine) => machine.step(config, input, cx),
            Machine::Published(machine) => machine.step(config, input, cx),
        }
    }

    fn wake_at(&self) -> Option<Mono> {
        match &self.0 {
            Machine::Hardened(machine) => machine.wake_at(),
            Machine::Published(machine) => machine.wake_at(),
        }
    }
}
