//! Drawing a run: what a page shows of a trace.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use cloudchamber_core::Path;
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::System;
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::trace::{self, COMMIT, Outcome, Step, Trace};
use cloudchamber_folder::world::{Choice, ChoiceOf};

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_system;
use crate::jobs::replay::refused;
use crate::jobs::run::judged;
use crate::jobs::{reproduce, story};
use crate::report::run::RunReport;
use crate::report::timeline::{Lane, Mark, Row, Span, Standing, Timeline, Travel};

/// What is to be drawn of the trace of a file, and what there is to say of it.
///
/// # Errors
/// Where the file is not a trace, or the world does not allow one of its choices.
pub(crate) fn of_file<L: Systems>(file: &FilePath) -> Result<(Timeline, RunReport), Failure> {
    let text = files::read(file)?;
    let system = trace::system_of(file, &text)?;
    with_system::<L, _, _>(&system, Draw { file, text: &text })
}

struct Draw<'a> {
    file: &'a FilePath,
    text: &'a str,
}

impl Work for Draw<'_> {
    type Output = Result<(Timeline, RunReport), Failure>;

    fn on<S: System>(self) -> Self::Output {
        of(&Trace::<S>::parse(self.file, self.text)?, self.file)
    }
}

/// What is to be drawn of a trace that lies in `file`, and what there is to say of it.
///
/// # Errors
/// Where the world does not allow a choice of the trace.
pub(crate) fn of<S: System>(trace: &Trace<S>, file: &FilePath) -> Result<(Timeline, RunReport), Failure> {
    let drawn = timeline_of(trace);
    let (timeline, outcome) = drawn.map_err(|(index, why)| refused(file, &trace.commit, index, &why))?;
    let report = RunReport {
        commit: COMMIT.into(),
        run: judged(&trace.scenario, file, &outcome, reproduce::replay(file), None),
        profile: trace.scenario.profile.clone(),
        choices: outcome.choices,
        at_ms: outcome.at_ms,
        counts: outcome.findings.counts,
        samples: outcome.findings.samples,
        differs: None,
    };
    Ok((timeline, report))
}

/// Replays a trace and takes down what is to be drawn.
///
/// # Errors
/// The first choice that the world does not allow, counted from 0, and why.
fn timeline_of<S: System>(trace: &Trace<S>) -> Result<(Timeline, Outcome), (usize, String)> {
    let replicas = ReplicaId::all(trace.scenario.replica.len());
    let lanes = replicas.map(|replica| Lane { replica, spans: Vec::new() }).collect();
    let (travels, marks, rows) = (vec![], vec![], vec![]);
    let mut timeline =
        Timeline { lanes, travels, marks, rows, end_ms: trace.end.at_ms, prominent: S::PROMINENT };
    let mut journey = Journeys::default();
    let outcome = story::tell(trace, |line| {
        stand(&mut timeline, &line.step);
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
    end(&mut timeline, &outcome);
    Ok((timeline, outcome))
}

/// Takes down how the replicas stand.
fn stand<S: System>(timeline: &mut Timeline, step: &Step<'_, S>) {
    for lane in &mut timeline.lanes {
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
fn end(timeline: &mut Timeline, outcome: &Outcome) {
    timeline.end_ms = timeline.end_ms.max(1);
    for span in timeline.lanes.iter_mut().filter_map(|lane| lane.spans.last_mut()) {
        span.to_ms = timeline.end_ms;
    }
    let told: usize = timeline.rows.iter().map(|row| row.violations.len()).sum();
    let late = outcome.findings.violations.iter().skip(told);
    let ms = timeline.end_ms;
    timeline.rows.extend(late.map(|violation| Row {
        ms,
        replica: None,
        text: violation.to_string(),
        violations: vec![violation.clone()],
    }));
}

/// Whether a choice is a fault, or somebody's wish.
fn is_mark<S: System>(choice: &ChoiceOf<S>) -> bool {
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
    fn go_on<S: System>(&mut self, step: &Step<'_, S>, travels: &mut Vec<Travel>) {
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
