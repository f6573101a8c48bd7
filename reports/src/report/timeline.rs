//! A run as it is drawn: who was up, what travelled when, what went wrong.

use cloudchamber_core::Path;
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::checks::Violation;

/// Everything that a page shows of a run. Times are in ms of world time.
#[derive(Debug)]
pub(crate) struct Timeline {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) travels: Vec<Travel>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) rows: Vec<Row>,
    pub(crate) end_ms: u64,
    /// What a replica is called that stands out; `None` if none ever does.
    pub(crate) prominent: Option<&'static str>,
}

/// One replica.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) replica: ReplicaId,
    pub(crate) spans: Vec<Span>,
}

/// A time in which a replica stood as it did.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    pub(crate) standing: Standing,
}

/// How a replica stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Standing {
    /// Its machine sleeps.
    Asleep,
    /// It runs, and its client is cut off or its folder away.
    Away,
    /// No process.
    Down,
    /// It is the one to look for.
    Prominent,
    /// It runs.
    Up,
}

impl Timeline {
    /// How replicas may stand here, with what that is called.
    pub(crate) fn standings(&self) -> impl Iterator<Item = (Standing, &'static str)> {
        let prominent = self.prominent.map(|name| (Standing::Prominent, name));
        let others = [
            (Standing::Up, "up"),
            (Standing::Away, "cut off"),
            (Standing::Asleep, "asleep"),
            (Standing::Down, "down"),
        ];
        prominent.into_iter().chain(others)
    }

    /// What it is called to stand like this.
    pub(crate) fn name(&self, standing: Standing) -> &'static str {
        self.standings().find(|(known, _)| *known == standing).map_or("", |(_, name)| name)
    }
}

/// A version of a file on its way: from the disk where it was written over the server to others.
#[derive(Debug)]
pub(crate) struct Travel {
    pub(crate) path: Path,
    pub(crate) version: u32,
    pub(crate) author: ReplicaId,
    /// When the author's disk had it.
    pub(crate) written_ms: u64,
    /// When the server took it.
    pub(crate) taken_ms: u64,
    /// When it reached whose disk.
    pub(crate) arrivals: Vec<(ReplicaId, u64)>,
}

/// A fault, or what somebody did.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) replica: ReplicaId,
    pub(crate) ms: u64,
    pub(crate) text: String,
}

/// A line of the story.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) ms: u64,
    pub(crate) replica: Option<ReplicaId>,
    pub(crate) text: String,
    /// What was first seen to be violated here.
    pub(crate) violations: Vec<Violation>,
}
