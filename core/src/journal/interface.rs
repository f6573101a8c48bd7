//! What a machine with journals is told, and what it tells.

use serde::{Deserialize, Serialize};

use super::Design;
use super::event::Event;
use super::layout::journal_path;
use super::refusal::Refusal;
use super::schema::Log;
use crate::Path;
use crate::kit::identity::Place;

/// What does not change while a machine runs.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Settings {
    /// How it reads, merges and writes.
    pub design: Design,
    /// Which id it has.
    pub joining: Joining,
    /// How often it looks at the folder without being told, in milliseconds.
    pub scan_ms: u64,
    /// How long something is kept of others' journals that those lack before it is said again, in milliseconds.
    pub uphold_ms: u64,
    /// Where the view of all journals is kept.
    pub viewing: Viewing,
    /// Where this machine's local directory lies; None if that is not known. It tells a copied one from the original.
    pub place: Option<Place>,
}

/// Which id a machine has.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Joining {
    /// The one it has; this one if it starts for the first time.
    Under(String),
    /// The one it has; without one it cannot append.
    AsKnown,
    /// It only looks: it claims, repairs and appends nothing, and notes no more than what it has seen.
    OnlyLooking,
}

/// Where the view of all journals is kept.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Viewing {
    /// In the machine's state: a look reads every journal.
    Within,
    /// In something beside it that reads the journals whenever the machine says that it [`Told::Looked`], such as a
    /// database; the clock that it then shows comes back as [`Manage::Saw`].
    Beside,
}

/// What a person asks of a machine. In a scenario a line of JSON is an event; anything else is a word or a table.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Command {
    /// To append an event.
    Append(Event),
    /// To change who is who.
    Manage(Manage),
}

/// What a person asks of a machine beside events.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Manage {
    /// To take the folder as it is now for the right one, although nothing of this machine is in it: its journals are
    /// written anew.
    Accept,
    /// To move the files of the layout before machines to its own directory.
    Migrate,
    /// To give a machine another name.
    Rename {
        /// The name it has.
        old: String,
        /// The name it gets.
        new: String,
    },
    /// To take note that records up to this clock were shown: what it appends from now on comes after them.
    Saw {
        /// The clock's milliseconds since 1970.
        ms: i64,
        /// The clock's count within the millisecond.
        count: u32,
    },
    /// To bring the checksums up to date.
    Seal,
}

impl From<Event> for Command {
    fn from(event: Event) -> Self {
        Self::Append(event)
    }
}

/// What a machine tells.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Told {
    /// An event is on this machine's disk: from now on it may not be lost.
    Acknowledged {
        /// Its machine.
        machine: String,
        /// Its number.
        seq: i64,
        /// Its line, without the newline.
        line: String,
        /// The file that it was appended to.
        path: Path,
    },
    /// An op failed, and the event that was to be appended is nowhere: it may be appended again.
    Failed,
    /// The machine cannot write, or not this.
    Refused(Refusal),
    /// What a crash had left was repaired.
    Repaired(String),
    /// Its id is another machine's, and it goes on under another one: what happened, in words.
    Moved(String),
    /// It has looked at the folder: the view that is kept beside it is to be brought up to date.
    Looked,
    /// An op failed after the event was safe in this machine's shadow: the next append or start brings it to its journal,
    /// and appended again it would be there twice.
    Kept {
        /// Its machine.
        machine: String,
        /// Its number.
        seq: i64,
        /// Its line, without the newline.
        line: String,
        /// The file that it will be in.
        path: Path,
    },
    /// An op failed while the event was put into the shadow, and it is not known whether it will be there after a power
    /// cut, or at all: the next start tells.
    Unsure {
        /// The number that it has, if it is there.
        seq: i64,
    },
}

/// Where the journals of a machine lie whose settings name it.
///
/// # Panics
/// If they do not.
#[must_use]
pub fn own_path(settings: &Settings, log: Log) -> Path {
    match &settings.joining {
        Joining::Under(machine) => journal_path(machine, log),
        Joining::AsKnown | Joining::OnlyLooking => panic!("no machine is named in {settings:?}"),
    }
}
