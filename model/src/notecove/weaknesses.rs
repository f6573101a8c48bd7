//! Runs that the specification takes although NoteCove would lose, keep or never learn something.
//!
//! The specification holds in all of them; what each shows is that it cannot speak of the thing that goes wrong. Each is
//! data, so that the same people's deeds can be played in a world that can.

use serde::Serialize;

use super::action::Action;
use super::config::{ActivityMode, Config};

/// One weakness and a run that shows it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Weakness {
    /// What it is called in tests and on the command line.
    pub name: &'static str,
    /// What is weak.
    pub about: &'static str,
    /// What the run shows.
    pub shows: &'static str,
    /// What a folder does there that the specification has no word for, and what NoteCove's code makes of it.
    pub elsewhere: &'static str,
    /// The specification's constants.
    pub config: Config,
    /// The steps, from the first state on.
    pub steps: &'static [Action],
}

const A: u8 = 0;
const B: u8 = 1;
const C: u8 = 2;

/// Two replicas, one note, no deletions.
const TWO: Config = Config { deletions: false, ..Config::DEFAULT };

const fn edit(replica: u8, note: u8) -> Action {
    Action::Edit { replica, note }
}

const fn log(origin: u8) -> Action {
    Action::CloudSyncLog { origin }
}

const fn activity(origin: u8) -> Action {
    Action::CloudSyncActivity { origin }
}

const fn deletion(origin: u8) -> Action {
    Action::CloudSyncDeletion { origin }
}

const fn read(replica: u8, origin: u8) -> Action {
    Action::ReloadDirect { replica, origin }
}

const fn poll(replica: u8, origin: u8) -> Action {
    Action::PollActivity { replica, origin, entry: 0 }
}

const fn read_what_was_told(replica: u8, origin: u8) -> Action {
    Action::ReloadFromActivity { replica, origin }
}

const fn poll_deletion(replica: u8, origin: u8) -> Action {
    Action::PollDeletion { replica, origin, entry: 0 }
}

const fn delete_what_was_told(replica: u8, origin: u8) -> Action {
    Action::ProcessDeletionLog { replica, origin }
}

const fn soft_delete(replica: u8) -> Action {
    Action::SoftDelete { replica, note: 0 }
}

const fn delete(replica: u8) -> Action {
    Action::PermanentDelete { replica, note: 0 }
}

const fn save(replica: u8) -> Action {
    Action::SaveSnapshot { replica }
}

const fn crash(replica: u8) -> Action {
    Action::Crash { replica }
}

const fn restart(replica: u8) -> Action {
    Action::Restart { replica }
}

impl Weakness {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self {
            name: "one-cloud-for-all",
            about: "What one replica can read all can, at once and in the order in which it was written.",
            shows: "Each update reaches b and c in the same step, the first before the second. No step brings it to one \
                    of them, and none brings the second before the first.",
            elsewhere: "A provider brings a file to each receiver on its own, late and out of order. Where b gets a's \
                        second log file before its first, it skips the first for ever, because its name sorts before \
                        that of the one it has read.",
            config: Config { replicas: 3, updates_max: 2, ..TWO },
            steps: &[
                edit(A, 0),
                edit(A, 0),
                log(A),
                read(B, A),
                read(C, A),
                log(A),
                activity(A),
                activity(A),
                read(B, A),
                read(C, A),
            ],
        },
        Self {
            name: "one-log-for-a-replica",
            about: "A replica has one log, whatever the note and however often it starts; numbers are counted in it.",
            shows: "a edits two notes, dies, starts and edits again: the numbers are 1, 2 and 3, all in one log, and \
                    one number in b's clock stands for both notes.",
            elsewhere: "A file for each note and each session, numbers for each note: whether there is a newer file, \
                        which of two is older and where one was rotated are questions that a reader can get wrong.",
            config: Config { notes: 2, ..TWO },
            steps: &[
                edit(A, 0),
                edit(A, 1),
                crash(A),
                restart(A),
                edit(A, 0),
                log(A),
                log(A),
                log(A),
                activity(A),
                activity(A),
                activity(A),
                read(B, A),
            ],
        },
        Self {
            name: "reading-repairs-everything",
            about: "Any replica may read all logs at any time, and does so in the end; activity logs cannot fail.",
            shows: "a's activity log is compacted to nothing before b has looked: b can neither poll, nor reload, nor \
                    find a gap. It reads the logs all the same, and all is well.",
            elsewhere: "Notes are read when the activity log tells of them, and folders only are watched. An entry that \
                        was compacted away, or given up after ten attempts, leaves the edit unseen until the next one.",
            config: Config { updates_max: 2, log_max: 1, ..TWO },
            steps: &[
                edit(A, 0),
                edit(A, 0),
                log(A),
                log(A),
                activity(A),
                activity(A),
                Action::CompactActivity { origin: A },
                read(B, A),
            ],
        },
        Self {
            name: "nothing-is-ever-cut",
            about: "A snapshot, an update and an entry are there whole or not at all.",
            shows: "a saves a snapshot, edits, dies at once and starts again: the snapshot is what it knew when it \
                    saved, the update is in its log, and it goes on with both.",
            elsewhere: "A crash leaves half a record at the end of a log, and the next append makes it swallow the one \
                        after it. A receiver gets a prefix of a snapshot, whose status byte says that it is complete.",
            config: Config { updates_max: 2, ..TWO },
            steps: &[edit(A, 0), save(A), edit(A, 0), crash(A), restart(A)],
        },
        Self {
            name: "an-edit-after-the-deletion",
            about: "A note that a replica has deleted for good can be edited there, unless it is soft-deleted there too.",
            shows: "b hears of the deletion before it hears of the soft deletion, which travels in another log, and edits \
                    the note. In the end all have the edit and all have the note deleted, which counts as converged.",
            elsewhere: "The note's directory is removed; the edit makes a new one with a log that lacks its beginning, \
                        and it is nobody's rule whether the note is there.",
            config: Config { updates_max: 2, ..Config::DEFAULT },
            steps: &[
                soft_delete(A),
                delete(A),
                deletion(A),
                poll_deletion(B, A),
                delete_what_was_told(B, A),
                edit(B, 0),
                log(A),
                activity(A),
                log(B),
                activity(B),
                read(A, B),
                read(B, A),
            ],
        },
        Self {
            name: "a-deletion-takes-nothing-away",
            about: "Deleting a note for good sets a mark; updates, logs and snapshots stay, and the mark is found again.",
            shows: "b has deleted the note for good, dies and starts again: it reads the deleted note from a's log once \
                    more, and has the mark as well. A note that comes back without its mark is no state at all.",
            elsewhere: "The directory is removed. A replica that slept brings it back, and a wake-up looks for the marks \
                        in another directory than the one they are in: the note is a live one again.",
            config: Config { updates_max: 2, ..Config::DEFAULT },
            steps: &[
                edit(A, 0),
                soft_delete(A),
                delete(A),
                log(A),
                log(A),
                activity(A),
                activity(A),
                deletion(A),
                read(B, A),
                poll_deletion(B, A),
                delete_what_was_told(B, A),
                crash(B),
                restart(B),
            ],
        },
        Self {
            name: "a-deletion-that-one-never-hears-of",
            about: "That a deletion reaches all is asked of those that run, at one moment, and nobody has to start again.",
            shows: "b dies before it hears of the deletion. The promise is kept, since b does not run, and no fair step \
                    is left: the specification may stay so for ever, and nothing says that all is ever synced.",
            elsewhere: "The laptop that was closed is opened after a month, with the note in its database.",
            config: Config { updates_max: 1, ..Config::DEFAULT },
            steps: &[soft_delete(A), delete(A), log(A), activity(A), deletion(A), crash(B)],
        },
        Self {
            name: "an-edit-is-one-step",
            about: "An edit writes the log and the activity log in one step, and a restart goes on with the next number.",
            shows: "a edits and dies at once: the update and the entry that tells of it both wait, and b hears of it.",
            elsewhere: "A crash between the two leaves an update that no activity log tells of: the others do not learn \
                        of it until the note is edited again. A restored backup uses numbers a second time. Clocks, \
                        entries given up as stale and watermarks that count lines are outside too.",
            config: Config { updates_max: 1, ..TWO },
            steps: &[
                edit(A, 0),
                crash(A),
                activity(A),
                log(A),
                poll(B, A),
                read_what_was_told(B, A),
                restart(A),
            ],
        },
        Self {
            name: "a-lost-entry-goes-unnoticed",
            about: "In replace mode entries of the activity log are lost, and a reload reads all notes whichever is named.",
            shows: "a edits both notes before its activity log travels: b is told of the second only, and has both.",
            elsewhere: "A reload reads the note that the entry names; the other stays as it was.",
            config: Config { notes: 2, updates_max: 2, activity: ActivityMode::Replace, ..TWO },
            steps: &[
                edit(A, 0),
                edit(A, 1),
                activity(A),
                log(A),
                log(A),
                poll(B, A),
                read_what_was_told(B, A),
            ],
        },
    ];

    /// The one of this name; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|weakness| weakness.name == name)
    }
}
