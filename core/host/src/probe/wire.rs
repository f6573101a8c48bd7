//! What probes tell each other, through the folder itself.
//!
//! Every message is a file of its own that is written once, in the directory of whoever says it: so no client makes a
//! conflict of it, and none waits for it to come to rest. A reader passes over what is not whole yet, and over what an
//! earlier run left.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::content::Header;

/// A message, and around it what every message tells.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Message {
    /// The run that says it.
    pub(super) probe: String,
    /// When, by its writer's steady clock.
    pub(super) at_us: i64,
    /// Of the messages of each other probe up to then: the least time from its writer's clock to this one's.
    pub(super) least_us: BTreeMap<String, i64>,
    pub(super) body: Value,
}

impl Message {
    /// None if it says something else.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Option<T> {
        T::deserialize(&self.body).ok()
    }
}

/// The file of a message.
pub(super) fn file_name(kind: &str) -> String {
    format!("say-{kind}.json")
}

/// The kind of a message, from its file's name; None if it is another file.
pub(super) fn kind(name: &str) -> Option<&str> {
    let kind = name.strip_prefix("say-")?.strip_suffix(".json")?;
    is_plain(kind).then_some(kind)
}

/// Whether a name has only characters that no client changes.
pub(super) fn is_plain(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !name.is_empty() && name.len() <= 40 && name.bytes().all(is_plain)
}

/// Whether a name is one of a probe's data files.
pub(super) fn is_data(name: &str) -> bool {
    name.strip_suffix(".dat").is_some_and(is_plain)
}

/// The first message: who is there.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Hello {
    pub(super) started_us: i64,
    pub(super) client: String,
    /// Such as `linux x86_64, ext4`.
    pub(super) system: String,
    /// Two with the same one are on the same machine, and have one clock; empty where that is not known.
    pub(super) machine: String,
    /// Two with the same one on one machine are in the same directory.
    pub(super) folder: u64,
    pub(super) rounds: u32,
    pub(super) largest_bytes: u64,
}

/// Whom a probe has met: the run of each.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Ready {
    pub(super) met: BTreeMap<String, String>,
}

/// What is measured, as the first of the probes decides for all.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Plan {
    pub(super) rounds: u32,
    /// What a file took at most on its first ways.
    pub(super) typical_us: i64,
    /// The mean time between two writes into an idle folder.
    pub(super) gap_us: i64,
    /// For how long a file is rewritten every second.
    pub(super) hot_us: i64,
    /// How many files are written at one instant.
    pub(super) batch: u32,
    pub(super) largest_bytes: u64,
}

impl Plan {
    pub(super) fn new(rounds: u32, typical_us: i64, largest_bytes: u64) -> Self {
        Self {
            rounds,
            typical_us,
            gap_us: typical_us.clamp(300_000, 60_000_000),
            // A client that waits for a file to rest gives up after six times as long (Syncthing's aggregator).
            hot_us: (typical_us * 8).clamp(5_000_000, 120_000_000),
            batch: (rounds * 5).clamp(10, 200),
            largest_bytes,
        }
    }

    /// How long is waited for what may never come, once everything else is there.
    pub(super) fn late_us(&self) -> i64 {
        self.typical_us * 6 + 3_000_000
    }
}

/// How a version is written.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum How {
    /// A file of a name that was never there.
    New,
    /// Another file is written and renamed over it.
    Replace,
    /// It is emptied and filled.
    Rewrite,
    /// Bytes are written at its end.
    Append,
}

/// A version that was written.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Wrote {
    pub(super) file: String,
    pub(super) version: u64,
    pub(super) how: How,
    /// When the last byte was written, by its writer's steady clock.
    pub(super) at_us: i64,
    pub(super) mtime_ns: i64,
}

/// A file that was removed.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Removed {
    pub(super) file: String,
    pub(super) at_us: i64,
}

/// The end of a phase at its writer.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Done {
    pub(super) wrote: Vec<Wrote>,
    pub(super) removed: Vec<Removed>,
    /// Its time is over: no further phase begins.
    pub(super) stop: bool,
}

/// When both write at once, by the clock of whoever says it.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct At {
    pub(super) at_us: i64,
}

/// The first look that showed a version.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Sighting {
    pub(super) version: u64,
    /// By the reader's steady clock: the look, or the notice before it that told of it.
    pub(super) at_us: i64,
    /// When the first notice of it came; None if a look saw it, and no notice came.
    pub(super) notice_us: Option<i64>,
    pub(super) mtime_first_ns: i64,
    /// When it was last looked at.
    pub(super) mtime_ns: i64,
    pub(super) inode: u64,
}

/// How often each thing happened to the name of a file, as the system's notices tell.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Notices {
    pub(super) created: u64,
    pub(super) modified: u64,
    pub(super) moved_in: u64,
    pub(super) removed: u64,
}

impl std::ops::AddAssign for Notices {
    fn add_assign(&mut self, other: Self) {
        self.created += other.created;
        self.modified += other.modified;
        self.moved_in += other.moved_in;
        self.removed += other.removed;
    }
}

/// How often a file was seen to turn into something that is no version.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Broken {
    pub(super) blocked: u64,
    pub(super) empty: u64,
    pub(super) foreign: u64,
    /// It was gone between two versions, as looks saw.
    pub(super) missing: u64,
    pub(super) mixed: u64,
    pub(super) nul: u64,
    pub(super) prefix: u64,
}

impl std::ops::AddAssign for Broken {
    fn add_assign(&mut self, other: Self) {
        self.blocked += other.blocked;
        self.empty += other.empty;
        self.foreign += other.foreign;
        self.missing += other.missing;
        self.mixed += other.mixed;
        self.nul += other.nul;
        self.prefix += other.prefix;
    }
}

/// Everything that was seen of one file of a peer.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(super) struct Seen {
    pub(super) sightings: Vec<Sighting>,
    /// When it was seen to be gone, and did not come back.
    pub(super) gone_us: Option<i64>,
    /// How long the name was gone, each time it came back.
    pub(super) gaps_us: Vec<i64>,
    pub(super) notices: Notices,
    pub(super) broken: Broken,
}

/// What was seen of each peer's files.
pub(super) type SeenOf = BTreeMap<String, BTreeMap<String, Seen>>;
/// The names in each peer's directory that no probe wrote.
pub(super) type StrangeOf = BTreeMap<String, Vec<Strange>>;

/// A name that no probe wrote: a client's.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Strange {
    pub(super) name: String,
    pub(super) first_us: i64,
    pub(super) last_us: i64,
    /// Whether it is still there.
    pub(super) stays: bool,
}

/// A file of the directory into which all write.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Shared {
    pub(super) name: String,
    /// The versions in it, by their writers' runs.
    pub(super) versions: Vec<Header>,
    /// Whether there is anything beside whole versions.
    pub(super) is_more: bool,
    pub(super) mtime_ns: i64,
}

/// What became of a name or a kind of file that clients treat differently.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Odd {
    pub(super) what: String,
    /// At the peer that looked for it: `same`, `missing`, or what it is instead.
    pub(super) came: String,
}

/// Everything that one probe wrote and saw.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Report {
    /// The run that wrote it.
    pub(super) run: String,
    pub(super) wrote: Vec<Wrote>,
    pub(super) removed: Vec<Removed>,
    /// By peer and file.
    pub(super) seen: SeenOf,
    pub(super) strange: StrangeOf,
    /// After everything has come to rest.
    pub(super) shared: Vec<Shared>,
    /// By peer, what came of its odd files.
    pub(super) odd: BTreeMap<String, Vec<Odd>>,
    /// Which odd files it could write.
    pub(super) odd_written: Vec<String>,
    /// Of the conflicts: those in which what the other wrote was not here yet.
    pub(super) concurrent: Vec<String>,
    /// Messages: by whom, when sent, when seen.
    pub(super) messages: Vec<(String, i64, i64)>,
    /// The phases that were measured to their end.
    pub(super) phases: Vec<String>,
}
