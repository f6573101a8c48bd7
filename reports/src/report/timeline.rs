//! A run as it is drawn: who was up, what travelled when, what went wrong.

use cloudchamber_core::Path;
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::checks::Violation;
use serde::{Serialize, Serializer};

/// Everything that a page shows of a run. Times are in ms of world time.
#[derive(Debug, Serialize)]
pub(crate) struct Timeline {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) travels: Vec<Travel>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) rows: Vec<Row>,
    pub(crate) beliefs: Vec<Belief>,
    /// What files held, each content once.
    pub(crate) contents: Vec<String>,
    pub(crate) end_ms: u64,
    /// Where the recorded run ends and what might follow begins; `None` if nothing was added.
    pub(crate) recorded_ms: Option<u64>,
    /// What a replica is called that stands out; `None` if none ever does.
    pub(crate) prominent: Option<&'static str>,
    /// Stretches in which more than one stands out.
    pub(crate) overlaps: Vec<(u64, u64)>,
    /// Whether it has a verdict, as opposed to a recording of real directories.
    pub(crate) judged: bool,
    /// How a shrunk run came to be; `None` if it was not shrunk.
    pub(crate) caption: Option<String>,
}

/// One replica.
#[derive(Debug, Serialize)]
pub(crate) struct Lane {
    pub(crate) replica: ReplicaId,
    /// What its machine is called.
    pub(crate) host: String,
    pub(crate) spans: Vec<Span>,
}

/// A time in which a replica stood as it did.
#[derive(Debug, Serialize)]
pub(crate) struct Span {
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    pub(crate) standing: Standing,
}

/// How a replica stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
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

impl Standing {
    /// The name that a style sheet knows.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Asleep => "asleep",
            Self::Away => "away",
            Self::Down => "down",
            Self::Prominent => "prominent",
            Self::Up => "up",
        }
    }
}

impl Timeline {
    /// How replicas stand somewhere in this run, with what that is called.
    pub(crate) fn standings(&self) -> Vec<(Standing, &'static str)> {
        let prominent = self.prominent.map(|name| (Standing::Prominent, name));
        let others = [
            (Standing::Up, "up"),
            (Standing::Away, "cut off"),
            (Standing::Asleep, "asleep"),
            (Standing::Down, "down"),
        ];
        let seen =
            |standing| self.lanes.iter().flat_map(|lane| &lane.spans).any(|span| span.standing == standing);
        prominent.into_iter().chain(others).filter(|(standing, _)| seen(*standing)).collect()
    }

    /// Finds the stretches in which more than one stands out.
    pub(crate) fn find_overlaps(&mut self) {
        let spans = self.lanes.iter().flat_map(|lane| &lane.spans);
        let spans = spans.filter(|span| span.standing == Standing::Prominent && span.to_ms > span.from_ms);
        let mut turns: Vec<(u64, i32)> =
            spans.flat_map(|span| [(span.from_ms, 1), (span.to_ms, -1)]).collect();
        // Who steps back at the very moment at which another comes does not overlap it.
        turns.sort_unstable();
        let (mut count, mut from_ms) = (0, None);
        for (ms, turn) in turns {
            count += turn;
            match from_ms {
                None if count > 1 => from_ms = Some(ms),
                Some(from) if count < 2 => {
                    self.overlaps.push((from, ms));
                    from_ms = None;
                }
                _ => {}
            }
        }
    }
}

/// A version of a file on its way: from the disk where it was written over the server to others.
#[derive(Debug, Serialize)]
pub(crate) struct Travel {
    #[serde(serialize_with = "named")]
    pub(crate) path: Path,
    /// Its number; 0 if the server did not take it.
    pub(crate) version: u32,
    pub(crate) author: ReplicaId,
    /// When the author's disk had it.
    pub(crate) written_ms: u64,
    /// When the server took it, or refused it.
    pub(crate) taken_ms: u64,
    /// When it reached whose disk.
    pub(crate) arrivals: Vec<(ReplicaId, u64)>,
    /// Where it went instead, if another had changed the file meanwhile; `None` if it goes on under its name.
    pub(crate) lost: Option<String>,
    /// Whether it is a removal.
    pub(crate) removed: bool,
    /// Which of the contents it is; `None` if it is not shown.
    pub(crate) content: Option<usize>,
}

/// What is shared is called by its name alone.
fn named<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(path.name())
}

/// A fault, something somebody did, or something that a replica told.
#[derive(Debug, Serialize)]
pub(crate) struct Mark {
    pub(crate) replica: ReplicaId,
    pub(crate) ms: u64,
    pub(crate) glyph: char,
    /// What marks of this kind are.
    pub(crate) name: &'static str,
    /// Whether it comes from outside the program: a fault, a person.
    pub(crate) outside: bool,
    pub(crate) text: String,
}

/// A line of the story.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) ms: u64,
    pub(crate) replica: Option<ReplicaId>,
    pub(crate) text: String,
    /// What was first seen to be violated here.
    #[serde(serialize_with = "said")]
    pub(crate) violations: Vec<Violation>,
    /// Whether something fails by it, as opposed to being counted.
    pub(crate) fails: bool,
}

fn said<S: Serializer>(violations: &[Violation], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(violations.iter().map(ToString::to_string))
}

/// What replicas believed at a moment.
#[derive(Debug, Serialize)]
pub(crate) struct Belief {
    pub(crate) ms: u64,
    /// For each replica, a sentence each.
    pub(crate) each: Vec<(ReplicaId, Vec<String>)>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_stands_out_at_the_same_time_overlaps() {
        let lane = |replica, spans: &[(u64, u64)]| Lane {
            replica: ReplicaId(replica),
            host: String::new(),
            spans: spans
                .iter()
                .map(|(from_ms, to_ms)| Span {
                    from_ms: *from_ms,
                    to_ms: *to_ms,
                    standing: Standing::Prominent,
                })
                .collect(),
        };
        let mut timeline = Timeline {
            lanes: vec![lane(0, &[(0, 10), (30, 50)]), lane(1, &[(10, 20), (40, 60)]), lane(2, &[(45, 48)])],
            travels: vec![],
            marks: vec![],
            rows: vec![],
            beliefs: vec![],
            contents: vec![],
            end_ms: 60,
            recorded_ms: None,
            prominent: Some("active"),
            overlaps: vec![],
            judged: true,
            caption: None,
        };
        timeline.find_overlaps();
        assert_eq!(timeline.overlaps, [(40, 50)]);
    }
}
