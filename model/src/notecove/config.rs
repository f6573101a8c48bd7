//! What one run of the specification is about.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most replicas that a state has room for.
pub const REPLICAS_MAX: u8 = 5;
/// The most notes that a state has room for.
pub const NOTES_MAX: u8 = 8;
/// The most updates that a state has room for.
pub const UPDATES_MAX: u8 = 8;

/// The constants of the specification, and which of its versions is meant.
///
/// The names in brackets are the specification's own.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many replicas there are (`Node`).
    pub replicas: u8,
    /// How many notes there are (`NoteId`).
    pub notes: u8,
    /// How many updates are written in all, edits and soft deletions together (`MaxUpdates`).
    pub updates_max: u8,
    /// Above how many entries an activity log may be compacted, to half as many (`MaxLogSize`).
    pub log_max: u8,
    /// How an entry gets into an activity log (`ActivityMode`).
    pub activity: ActivityMode,
    /// Whether notes are deleted: the specification of 2026-01-03; without, its first version.
    pub deletions: bool,
    /// By which number a replica goes on after a restart.
    pub numbering: Numbering,
}

/// How an entry gets into an activity log.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActivityMode {
    /// After those that are there.
    Append,
    /// In place of what is there.
    Replace,
}

/// By which number a replica goes on after a restart.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Numbering {
    /// By the one after the last in its own log, as the specification says.
    FromLog,
    /// By 1, as NoteCove did before its commit 090d951. The specification has no such thing: it is here so that its
    /// invariants are seen to be violated.
    FromOne,
}

impl ActivityMode {
    /// Its name on the command line.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Replace => "replace",
        }
    }
}

impl Config {
    /// What the specification comes with: two replicas, one note, three updates, deletions.
    pub const DEFAULT: Self = Self {
        replicas: 2,
        notes: 1,
        updates_max: 3,
        log_max: 5,
        activity: ActivityMode::Append,
        deletions: true,
        numbering: Numbering::FromLog,
    };

    /// Whether a state has room for it.
    ///
    /// # Errors
    /// A sentence that names the value and its limits.
    pub fn check(&self) -> Result<(), String> {
        let within = |what: &str, value: u8, least: u8, most: u8| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(format!("{what} is {value}; write a number from {least} to {most}")),
        };
        within("the number of replicas", self.replicas, 1, REPLICAS_MAX)?;
        within("the number of notes", self.notes, 1, NOTES_MAX)?;
        within("the number of updates", self.updates_max, 0, UPDATES_MAX)
    }
}

impl fmt::Display for Config {
    /// As in `2 replicas, 1 note, 3 updates, log of 5, append, deletions`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { replicas, notes, updates_max, log_max, activity, deletions, numbering } = *self;
        let many = |count: u8, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
        write!(
            f,
            "{}, {}, {}, log of {log_max}, {}, {}",
            many(replicas, "replica"),
            many(notes, "note"),
            many(updates_max, "update"),
            activity.text(),
            if deletions { "deletions" } else { "no deletions" },
        )?;
        match numbering {
            Numbering::FromLog => Ok(()),
            Numbering::FromOne => f.write_str(", numbers from 1 after a restart"),
        }
    }
}
