//! What all journals say together.

use std::borrow::Cow;

use super::address::Aliases;
use super::clock::Hybrid;
use super::doubt::Doubts;
use super::file::{File, Record};
use super::line::Text;
use super::problem::Problem;
use super::schema::{Field, Kind, Log};
use super::{Copies, Design};

/// What a deleted message says, and what upstream wrote into one before there were records of deletions.
pub const DELETED: &str = "[deleted]";

/// One file of one machine, as the merge takes it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The file, relative to the folder.
    pub name: &'a str,
    /// The directory it lies in.
    pub directory: &'a str,
    /// The machine whose file it is: the directory without what a sync client added, under its present name.
    pub machine: &'a str,
    /// The log it holds; `None` if it holds records of every kind (the layout before machines).
    pub log: Option<Log>,
    /// The bytes.
    pub text: Text<'a>,
    /// What was read from the bytes.
    pub file: &'a File,
    /// Names that machines had.
    pub aliases: &'a Aliases,
}

impl<'a> Source<'a> {
    /// The machine that a record says it comes from, or whose file it stands in. Where copies are versions of one
    /// file, names are versions of one machine, and it is the present one; and a message that does not say comes
    /// from nowhere known: it is older than machines, and the machine that migrated it did not write it.
    #[must_use]
    pub fn origin(&self, design: &Design, record: &Record) -> Cow<'a, str> {
        let said = self.text(record, Field::Origin).filter(|origin| !origin.is_empty());
        match (design.copies, said) {
            (Copies::Foreign, said) => said.unwrap_or(Cow::Borrowed(self.directory)),
            (Copies::Versions, None) if record.kind == Kind::Message => Cow::Borrowed(""),
            (Copies::Versions, None) => Cow::Borrowed(self.machine),
            (Copies::Versions, Some(said)) => match self.aliases.get(&said) {
                Some(_) => Cow::Owned(self.aliases.resolve(&said, design.following).to_owned()),
                None => said,
            },
        }
    }

    /// The text of a record's line.
    #[must_use]
    pub fn line(&self, record: &Record) -> &'a [u8] {
        record.line.of(self.text.bytes())
    }

    /// The text of a field that is a string.
    #[must_use]
    pub fn text(&self, record: &Record, field: Field) -> Option<Cow<'a, str>> {
        self.file.text(self.text, record, field)
    }

    /// The number of a field that is one.
    #[must_use]
    pub fn int(&self, record: &Record, field: Field) -> Option<i64> {
        self.file.int(self.text, record, field)
    }

    /// The JSON text of a field; `None` if it is absent or `null`.
    #[must_use]
    pub fn raw(&self, record: &Record, field: Field) -> Option<&'a str> {
        self.file.raw(self.text, record, field)
    }
}

/// A record among those of all sources.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct At {
    /// The source, counted from 0.
    pub source: u32,
    /// The record in it, counted from 0.
    pub record: u32,
}

/// One value: where it stands.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Cell {
    /// The record.
    pub at: At,
    /// The field of it.
    pub field: Field,
}

/// What the order of two records depends on.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key {
    /// The time.
    pub stamp: Hybrid,
    /// The rank of its machine's name.
    pub machine: u32,
    /// The sequence number, or the index where there is none.
    pub seq: i64,
    /// The index of the line; 0 where a hybrid clock and a number say enough.
    pub index: u32,
}

/// A message.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Message {
    /// When it first appeared.
    pub key: Key,
    /// The record that made it.
    pub created: At,
    /// Where it is now; `None` if its record does not say and it was not moved.
    pub home: Option<Cell>,
    /// What it says; `None` if it was deleted.
    pub body: Option<Cell>,
    /// When it was edited, in the unit of its record.
    pub edited_at: Option<i64>,
    /// When it was archived or deleted, in the unit of its record.
    pub archived_at: Option<i64>,
    /// Reactions in the form before reaction records.
    pub reactions: Option<Cell>,
    /// How many edits were applied.
    pub edits: u32,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// Somebody who follows a thread, or a message put into one, or somebody who muted it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Member {
    /// The agent or the message.
    pub who: String,
    /// Who added it, as JSON.
    pub by: Option<Cell>,
    /// Since when, in the unit of its record.
    pub since: i64,
    /// Until when, where that is limited.
    pub until: Option<i64>,
}

/// A thread.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Thread {
    /// When it first appeared.
    pub key: Key,
    /// The record that made it; `None` if only pins and mutes of it are known.
    pub created: Option<At>,
    /// Its GUID.
    pub guid: Cell,
    /// Its name.
    pub name: Option<Cell>,
    /// The thread it belongs to.
    pub parent: Option<Cell>,
    /// Its status; `None` if it is not said, which means open.
    pub status: Option<Cell>,
    /// Its type.
    pub thread_type: Option<Cell>,
    /// The message it hangs on.
    pub anchor: Option<Cell>,
    /// Whether that message is hidden.
    pub anchor_hidden: Option<Cell>,
    /// When something last happened, in the unit of its record.
    pub last_activity_at: Option<i64>,
    /// Who follows it, by name.
    pub subscribers: Vec<Member>,
    /// Messages put into it, by GUID.
    pub messages: Vec<Member>,
    /// Who muted it, by name.
    pub mutes: Vec<Member>,
    /// The record that pinned it.
    pub pinned: Option<At>,
    /// Whether it was deleted.
    pub deleted: bool,
}

/// A question.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Question {
    /// When it first appeared.
    pub key: Key,
    /// The record that made it.
    pub created: At,
    /// Its status; `None` if it is not said.
    pub status: Option<Cell>,
    /// To whom it goes.
    pub to: Option<Cell>,
    /// Its thread.
    pub thread: Option<Cell>,
    /// The message it was asked in.
    pub asked_in: Option<Cell>,
    /// The message it was answered in.
    pub answered_in: Option<Cell>,
}

/// A record that stands for itself: the one that wrote a fave, a role, a cursor, a reaction, a pin.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Entry {
    /// When it was written.
    pub key: Key,
    /// The record.
    pub at: At,
}

/// An agent as this machine runs it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Agent {
    /// The record that registered it.
    pub created: At,
    /// Every later value: the field and where it stands.
    pub values: Vec<(Field, Cell)>,
}

/// Records that name their subject alike and come from different machines.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Collision {
    /// `message`, `question` or `thread`.
    pub kind: &'static str,
    /// The name they share.
    pub guid: String,
    /// The machines and the records, sorted by machine.
    pub entries: Vec<(String, At)>,
}

/// What all journals say together: the same for the same records, in whatever order files were read.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct View {
    /// Messages, in the order they appeared.
    pub messages: Vec<Message>,
    /// Threads, in the order they appeared.
    pub threads: Vec<Thread>,
    /// Questions, in the order they appeared.
    pub questions: Vec<Question>,
    /// Reactions, in order.
    pub reactions: Vec<Entry>,
    /// Faves.
    pub faves: Vec<Entry>,
    /// Roles that are held.
    pub roles: Vec<Entry>,
    /// Roles that are played.
    pub session_roles: Vec<Entry>,
    /// Ghost cursors.
    pub cursors: Vec<Entry>,
    /// Agents' descriptors.
    pub descriptors: Vec<Entry>,
    /// Messages that are pinned.
    pub pins: Vec<Entry>,
    /// Agents of this machine.
    pub agents: Vec<Agent>,
    /// Sessions of this machine: the last record of each.
    pub sessions: Vec<Entry>,
    /// Names that are used twice.
    pub collisions: Vec<Collision>,
    /// What the merge found to be wrong, beside what each file says.
    pub problems: Vec<Problem>,
    /// The largest clock among the records.
    pub clock: Hybrid,
    /// What records without hybrid clocks prove about wall clocks.
    pub doubts: Doubts,
    /// Records of unknown kinds.
    pub unknown: u64,
    /// Records that were merged.
    pub records: u64,
    /// Why upstream's rebuild fails on these records; `None` if it does not.
    pub rebuild_error: Option<&'static str>,
}
