//! A run as it is drawn: who was up, what travelled when, what went wrong.

use std::collections::BTreeMap;

use cloudchamber_core::Path;
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::checks::Violation;
use cloudchamber_folder::trace::{Outcome, Step, Trace};
use cloudchamber_folder::world::{Choice, ChoiceOf};

use crate::known::Known;
use crate::story;

/// Everything that a page shows of a run. Times are in ms of world time.
#[derive(Debug)]
pub(crate) struct Timeline {
    pub(crate) lanes: Vec<Lane>,
    pub(crate) travels: Vec<Travel>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) rows: Vec<Row>,
    pub(crate) end_ms: u64,
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

impl Standing {
    /// All, with what they are called on the page.
    pub(crate) const ALL: [(Self, &str); 5] = [
        (Self::Prominent, "active"),
        (Self::Up, "up"),
        (Self::Away, "cut off"),
        (Self::Asleep, "asleep"),
        (Self::Down, "down"),
    ];

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        let known = Self::ALL.iter().find(|(standing, _)| *standing == self);
        known.map_or("", |(_, name)| name)
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

impl Timeline {
    /// Replays a trace and takes down what is to be drawn.
    ///
    /// # Errors
    /// The first choice that the world does not allow, counted from 0, and why.
    pub(crate) fn of<S: Known>(trace: &Trace<S>) -> Result<(Self, Outcome), (usize, String)> {
        let replicas = ReplicaId::all(trace.scenario.replica.len());
        let lanes = replicas.map(|replica| Lane { replica, spans: Vec::new() }).collect();
        let mut timeline =
            Self { lanes, travels: vec![], marks: vec![], rows: vec![], end_ms: trace.end.at_ms };
        let mut journey = Journeys::default();
        let outcome = story::tell(trace, |line| {
            timeline.stand(&line.step);
            journey.go_on(&line.step, &mut timeline.travels);
            let (ms, choice) = (line.step.at.ms, &line.step.at.choice);
            if let Some(replica) = choice.replica().filter(|_| is_mark::<S>(choice)) {
                timeline.marks.push(Mark { replica, ms, text: line.text.clone() });
            }
            if line.counts {
                let (replica, violations) = (choice.replica(), line.violations.to_vec());
                timeline.rows.push(Row { ms, replica, text: line.text, violations });
            }
        })?;
        timeline.end(&outcome);
        Ok((timeline, outcome))
    }

    /// Takes down how the replicas stand.
    fn stand<S: Known>(&mut self, step: &Step<'_, S>) {
        for lane in &mut self.lanes {
            let replica = step.world.replica(lane.replica);
            let standing = if replica.process().is_none() {
                Standing::Down
            } else if !replica.machine().awake {
                Standing::Asleep
            } else if S::stands_out(step.setup, step.world, lane.replica) {
                Standing::Prominent
            } else if replica.syncs() {
                Standing::Up
            } else {
                Standing::Away
            };
            let now = step.at.ms;
            match lane.spans.last_mut() {
                Some(last) if last.standing == standing => last.to_ms = now,
                last => {
                    let from_ms = last.map_or(0, |last| {
                        last.to_ms = now;
                        now
                    });
                    lane.spans.push(Span { from_ms, to_ms: now, standing });
                }
            }
        }
    }

    /// Everything lasts until the end, and what was only seen there is told last.
    fn end(&mut self, outcome: &Outcome) {
        self.end_ms = self.end_ms.max(1);
        for span in self.lanes.iter_mut().filter_map(|lane| lane.spans.last_mut()) {
            span.to_ms = self.end_ms;
        }
        let told: usize = self.rows.iter().map(|row| row.violations.len()).sum();
        let late = outcome.findings.violations.iter().skip(told);
        let ms = self.end_ms;
        self.rows.extend(late.map(|violation| Row {
            ms,
            replica: None,
            text: violation.to_string(),
            violations: vec![violation.clone()],
        }));
    }
}

/// Whether a choice is a fault, or somebody's wish.
fn is_mark<S: Known>(choice: &ChoiceOf<S>) -> bool {
    choice.fault().is_some() || matches!(choice, Choice::Command { .. })
}

/// Versions on their way.
#[derive(Default)]
struct Journeys {
    /// When each replica last wrote each file.
    written: BTreeMap<(ReplicaId, Path), u64>,
    /// Where each version is in the list.
    known: BTreeMap<(Path, u32), usize>,
}

impl Journeys {
    fn go_on<S: Known>(&mut self, step: &Step<'_, S>, travels: &mut Vec<Travel>) {
        let now = step.at.ms;
        if let Choice::Download { replica, path, back, .. } = &step.at.choice {
            let version = step.world.cloud().latest(path).saturating_sub(*back);
            if let Some(&at) = self.known.get(&(path.clone(), version)) {
                travels[at].arrivals.push((*replica, now));
            }
        }
        if let Some(replica) = step.at.choice.replica() {
            for path in &step.effects.touched {
                self.written.insert((replica, path.clone()), now);
            }
        }
        for commit in &step.effects.committed {
            let written_ms = self.written.get(&(commit.author, commit.path.clone())).copied().unwrap_or(now);
            self.known.insert((commit.path.clone(), commit.version), travels.len());
            travels.push(Travel {
                path: commit.path.clone(),
                version: commit.version,
                author: commit.author,
                written_ms,
                taken_ms: now,
                arrivals: Vec::new(),
            });
        }
    }
}
