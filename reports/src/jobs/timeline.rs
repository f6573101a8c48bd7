//! Drawing a run: what a page shows of a trace.

use std::path::Path as FilePath;

use cloudchamber_core::Root;
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::trace::{self, COMMIT, Outcome, Step, Trace};
use cloudchamber_folder::world::{Choice, ChoiceOf};
use cloudchamber_folder::{ReplicaId, System};

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_traced;
use crate::jobs::journeys::Journeys;
use crate::jobs::replay::refused;
use crate::jobs::run::{is_judged, judged};
use crate::jobs::{reproduce, story};
use crate::report::run::RunReport;
use crate::report::timeline::{Belief, Lane, Mark, Row, Span, Standing, Timeline};

/// A run that ends so soon after a violation goes on, so that what follows from it is seen, and for how long. ms.
const SOON_MS: u64 = 5_000;
const GOES_ON_MS: u64 = 60_000;

/// How many files a replica is told to be behind with.
const BEHIND_MAX: usize = 4;

/// What is to be drawn of the trace of a file, and what there is to say of it.
///
/// # Errors
/// Where the file is not a trace, or the world does not allow one of its choices.
pub(crate) fn of_file<L: Systems>(file: &FilePath) -> Result<(Timeline, RunReport), Failure> {
    let text = files::read(file)?;
    let system = trace::system_of(file, &text)?;
    with_traced::<L, _, _>(&system, Draw { file, text: &text })
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
    let outcome = trace.replay(|_| {}).map_err(|(index, why)| refused(file, &trace.commit, index, &why))?;
    drawn(trace, &outcome, file)
}

/// As [`of`], where it is known how the trace's run ended.
///
/// # Errors
/// As [`of`].
pub(crate) fn drawn<S: System>(
    trace: &Trace<S>,
    outcome: &Outcome,
    file: &FilePath,
) -> Result<(Timeline, RunReport), Failure> {
    let not_allowed = |(index, why): (usize, String)| refused(file, &trace.commit, index, &why);
    let timeline = timeline_of(trace, outcome, file).map_err(not_allowed)?;
    let report = RunReport {
        commit: COMMIT.into(),
        run: judged(&trace.scenario, file, outcome, reproduce::replay(file), None),
        profile: trace.scenario.profile.clone(),
        choices: outcome.choices,
        at_ms: outcome.at_ms,
        counts: outcome.findings.counts.clone(),
        samples: outcome.findings.samples.clone(),
        differs: None,
    };
    Ok((timeline, report))
}

/// Replays a trace and takes down what is to be drawn.
///
/// # Errors
/// The first choice that the world does not allow, counted from 0, and why.
fn timeline_of<S: System>(
    trace: &Trace<S>,
    outcome: &Outcome,
    file: &FilePath,
) -> Result<Timeline, (usize, String)> {
    let ends_at_once = |at_ms: u64| at_ms + SOON_MS >= trace.end.at_ms;
    let goes_on = outcome.findings.violations.last().is_some_and(|last| ends_at_once(last.at_ms));
    let drawn = if goes_on { &trace.continued(GOES_ON_MS)? } else { trace };
    let recorded = trace.choices.len();
    let mut timeline = Timeline {
        lanes: lanes(trace),
        travels: vec![],
        marks: vec![],
        rows: vec![],
        beliefs: vec![],
        contents: vec![],
        end_ms: if goes_on { trace.end.at_ms + GOES_ON_MS } else { trace.end.at_ms.max(1) },
        recorded_ms: goes_on.then_some(trace.end.at_ms),
        prominent: S::PROMINENT,
        overlaps: vec![],
        judged: is_judged::<S>(),
        caption: shrunk(file).then(|| caption(trace, outcome)),
    };
    let mut journeys = Journeys::default();
    story::tell(drawn, |line| {
        stand(&mut timeline, &line.step);
        journeys.go_on(&line.step, &mut timeline.travels);
        let (ms, choice) = (line.step.at.ms, &line.step.at.choice);
        // What the checkers say of what was added to a run is nobody's finding.
        let is_recorded = line.step.index < recorded;
        let violations = if is_recorded { line.violations.to_vec() } else { vec![] };
        if let Some(replica) = choice.replica() {
            timeline.marks.extend(marks::<S>(&line, replica));
        }
        if !violations.is_empty() {
            timeline.beliefs.push(beliefs(&line.step));
        }
        if line.counts {
            let fails = violations.iter().any(|violation| cloudchamber_sim::fails::<S>(&violation.checker));
            let text = if is_recorded { line.whole() } else { line.text.clone() };
            let replica = choice.replica();
            timeline.rows.push(Row { ms, replica, text, violations, fails });
        }
    })?;
    end::<S>(&mut timeline, outcome);
    let around: Vec<u64> = outcome.findings.violations.iter().map(|violation| violation.at_ms).collect();
    timeline.contents = journeys.contents(&mut timeline.travels, &around);
    timeline.find_overlaps();
    Ok(timeline)
}

/// Whether a file's name says that its trace was shrunk, as `shrink` names them.
fn shrunk(file: &FilePath) -> bool {
    file.file_name().is_some_and(|name| name.to_string_lossy().contains(".shrunk."))
}

/// What a shrunk run shows, in a sentence or two.
fn caption<S: System>(trace: &Trace<S>, outcome: &Outcome) -> String {
    let faults = trace.choices.iter().filter(|at| at.choice.fault().is_some()).count();
    let (choices, replicas) = (trace.choices.len(), trace.scenario.replica.len());
    let fails = |name: &str| cloudchamber_sim::fails::<S>(name);
    let first = outcome.findings.violations.iter().find(|violation| fails(&violation.checker));
    let why = first.map_or(String::new(), |violation| format!(" {}.", violation.seen));
    format!(
        "The fewest steps that still go wrong: {choices} choices of {replicas} machines, {faults} of them faults. \
         Whatever is not drawn does not matter.{why}"
    )
}

fn lanes<S: System>(trace: &Trace<S>) -> Vec<Lane> {
    let lane = |replica| Lane { replica, host: S::host(&trace.scenario, replica), spans: Vec::new() };
    ReplicaId::all(trace.scenario.replica.len()).map(lane).collect()
}

/// What is marked of a choice: that it is a fault or somebody's wish, and what its replica told.
fn marks<'a, S: System>(line: &'a story::Line<'_, S>, replica: ReplicaId) -> impl Iterator<Item = Mark> + 'a {
    let (ms, choice) = (line.step.at.ms, &line.step.at.choice);
    let outside = is_mark::<S>(choice).then_some(('\u{25bc}', "a fault, or a person", true));
    let told = line.marks.iter().map(|mark| (mark.glyph, mark.name, false));
    let lost = line.step.effects.conflicts.iter().map(|_| ('\u{2717}', "a change that lost", false));
    outside.into_iter().chain(told).chain(lost).map(move |(glyph, name, outside)| Mark {
        replica,
        ms,
        glyph,
        name,
        outside,
        text: line.text.clone(),
    })
}

/// Whether a choice is a fault, or somebody's wish.
fn is_mark<S: System>(choice: &ChoiceOf<S>) -> bool {
    choice.fault().is_some() || matches!(choice, Choice::Command { .. })
}

/// What everybody believes, and how far everybody's files are behind.
fn beliefs<S: System>(step: &Step<'_, S>) -> Belief {
    let names = S::aliases(step.setup);
    let each = step.world.replicas().map(|(id, replica)| {
        let mut lines: Vec<String> = match (replica.process(), replica.machine().awake) {
            (None, _) => vec!["is down".to_owned()],
            (_, false) => vec!["is asleep".to_owned()],
            _ => S::beliefs(step.setup, step.world, id),
        };
        for line in &mut lines {
            for (name, whose) in &names {
                let meant = if *whose == id { "it".to_owned() } else { whose.to_string() };
                *line = line.replace(name, &meant);
            }
        }
        lines.extend(behind(step, id));
        (id, lines)
    });
    Belief { ms: step.at.ms, each: each.collect() }
}

/// Which files of a replica are not what the server has.
fn behind<S: System>(step: &Step<'_, S>, id: ReplicaId) -> Vec<String> {
    let disk = step.world.replica(id).disk();
    let unsent = disk.slots().filter(|(path, slot)| slot.dirty && path.root() == Root::Shared);
    let unsent = unsent.map(|(path, _)| format!("what it wrote to {} has not left it", path.name()));
    let older = step.world.cloud().files().filter_map(|(path, file)| {
        let seen = disk.slot(path).map_or(0, |slot| slot.seen);
        let is_behind = seen < file.latest() && !disk.slot(path).is_some_and(|slot| slot.dirty);
        let has = if seen == 0 { "has not seen".to_owned() } else { format!("has version {seen} of") };
        is_behind.then(|| format!("{has} {}, the cloud has version {}", path.name(), file.latest()))
    });
    let mut lines: Vec<String> = unsent.chain(older).collect();
    if lines.len() > BEHIND_MAX {
        let more = lines.len() - BEHIND_MAX;
        lines.truncate(BEHIND_MAX);
        lines.push(format!("and {more} more files are not the cloud's"));
    }
    lines
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
fn end<S: System>(timeline: &mut Timeline, outcome: &Outcome) {
    for span in timeline.lanes.iter_mut().filter_map(|lane| lane.spans.last_mut()) {
        span.to_ms = timeline.end_ms;
    }
    let told: usize = timeline.rows.iter().map(|row| row.violations.len()).sum();
    let late = outcome.findings.violations.iter().skip(told);
    let rows = late.map(|violation| Row {
        ms: outcome.at_ms,
        replica: None,
        text: violation.to_string(),
        violations: vec![violation.clone()],
        fails: cloudchamber_sim::fails::<S>(&violation.checker),
    });
    timeline.rows.extend(rows);
    timeline.rows.sort_by_key(|row| row.ms);
}
