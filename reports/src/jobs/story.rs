//! A trace as a story: a plain sentence for each choice, with what it led to.

use std::fmt;

use cloudchamber_core::{Path, Root};
use cloudchamber_folder::checks::{Violation, time};
use cloudchamber_folder::profile::Arrival;
use cloudchamber_folder::telling::{Mark, words};
use cloudchamber_folder::trace::{Outcome, Step, Trace};
use cloudchamber_folder::world::{Choice, ChoiceOf, Part, Setup};
use cloudchamber_folder::{ReplicaId, System};

/// The sentences, one a choice.
///
/// # Panics
/// Where the world does not allow a choice of the trace, which was recorded with this program.
pub(crate) fn of<S: System>(trace: &Trace<S>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Err((index, why)) = tell(trace, |line| lines.push(line.to_string())) {
        panic!("choice {index} of a trace that was just recorded is not allowed: {why}");
    }
    lines
}

/// What is told of one choice.
pub(crate) struct Line<'a, S: System> {
    /// The choice, and the world after it.
    pub(crate) step: Step<'a, S>,
    /// What happened, without the time and without what it violates.
    pub(crate) text: String,
    /// The marks of what its replica told.
    pub(crate) marks: Vec<Mark>,
    /// Whether anything came of it that is worth telling where there are thousands.
    pub(crate) counts: bool,
    /// The violations that were seen with it for the first time.
    pub(crate) violations: &'a [Violation],
}

impl<S: System> Line<'_, S> {
    /// What happened, with what was first seen to be violated by it.
    pub(crate) fn whole(&self) -> String {
        let violations = self.violations.iter().map(|violation| format!(". {violation}"));
        self.text.clone() + &violations.collect::<String>()
    }
}

impl<S: System> fmt::Display for Line<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", time(self.step.at.ms), self.whole())
    }
}

/// Replays a trace and tells it.
///
/// # Errors
/// The first choice that the world does not allow, counted from 0, and why.
pub(crate) fn tell<S: System>(
    trace: &Trace<S>,
    mut listen: impl FnMut(Line<'_, S>),
) -> Result<Outcome, (usize, String)> {
    let mut found = 0;
    let mut names: Option<Vec<(String, ReplicaId)>> = None;
    trace.replay(|step| {
        let names = names.get_or_insert_with(|| aliases::<S>(step.setup));
        let routine = is_routine::<S>(&step.at.choice);
        let violations = &step.findings.violations[found..];
        found = step.findings.violations.len();
        let silent = step.effects.events.is_empty() && violations.is_empty();
        let tellings: Vec<_> = step.effects.events.iter().map(S::telling).collect();
        let mut told: Vec<_> =
            tellings.iter().map(|telling| telling.text.clone()).filter(|text| !text.is_empty()).collect();
        let choice = &step.at.choice;
        let mut text = match (choice.replica(), choice) {
            (Some(replica), Choice::Apply { part: Part::Whole, .. }) => {
                // What it told may say of itself which file it has written.
                if let Some(path) = step.effects.touched.first()
                    && !told.iter().any(|text| text.contains(path.name()))
                {
                    told.insert(0, format!("writes {}", name(path)));
                }
                subject(replica, &told, "writes its next file")
            }
            (Some(replica), Choice::Timer { .. }) => subject(replica, &told, "looks"),
            (Some(replica), Choice::Reply { .. }) => subject(replica, &told, "gets an answer"),
            (Some(replica), Choice::Watch { lost: false, .. }) => {
                subject(replica, &told, "is told that files have changed")
            }
            _ => {
                told.insert(0, sentence::<S>(choice));
                told.join("; ")
            }
        };
        for conflict in &step.effects.conflicts {
            text += &format!("; {conflict}");
        }
        for (alias, replica) in names.iter() {
            text = text.replace(&format!("\"{alias}\""), &replica.to_string());
            text = text.replace(alias, &replica.to_string());
        }
        let marks = tellings.into_iter().filter_map(|telling| telling.mark).collect();
        listen(Line { step, text, marks, counts: !(routine && silent), violations });
    })
}

/// Whether a choice is one of thousands that say nothing unless something came of it.
fn is_routine<S: System>(choice: &ChoiceOf<S>) -> bool {
    matches!(
        choice,
        Choice::Apply { .. }
            | Choice::Reply { .. }
            | Choice::Serve { .. }
            | Choice::Timer { .. }
            | Choice::Watch { lost: false, .. }
    )
}

/// What replicas are called, the longest names first: one may be the beginning of another.
fn aliases<S: System>(setup: &Setup<S>) -> Vec<(String, ReplicaId)> {
    let mut names = S::aliases(setup);
    names.sort_by_key(|(name, _)| std::cmp::Reverse(name.len()));
    names
}

/// A replica with all that it did, or with what it does otherwise.
fn subject(replica: ReplicaId, did: &[String], otherwise: &str) -> String {
    match did {
        [] => format!("{replica} {otherwise}"),
        did => format!("{replica} {}", did.join(", ")),
    }
}

/// A path as people write it: what is shared goes without saying.
fn name(path: &Path) -> String {
    match path.root() {
        Root::Shared => path.name().to_owned(),
        Root::Local => path.to_string(),
    }
}

/// What a choice is, in a sentence.
pub(crate) fn sentence<S: System>(choice: &ChoiceOf<S>) -> String {
    match choice {
        Choice::Act { act } => format!("outside: {}", words(act)),
        Choice::Apply { replica, part: Part::Begin, .. } => {
            format!("{replica} begins to write its next file")
        }
        Choice::Apply { replica, part: Part::Whole, .. } => format!("{replica} writes its next file"),
        Choice::Clock { replica, by_ms } => format!("{replica}'s clock is set by {by_ms} ms"),
        Choice::Command { replica, command, .. } => format!("somebody asks {replica}: {}", words(command)),
        Choice::Crash { replica, torn_percent: 0, .. } => format!("{replica}'s process dies"),
        Choice::Crash { replica, torn_percent, .. } => {
            format!("{replica}'s process dies with {torn_percent} % of its next file written")
        }
        Choice::Local { replica, readable: false } => {
            format!("what {replica} keeps on its machine cannot be read")
        }
        Choice::Local { replica, readable: true } => {
            format!("what {replica} keeps on its machine can be read again")
        }
        Choice::Disk { replica, full: true } => format!("{replica}'s disk fills up"),
        Choice::Disk { replica, full: false } => format!("{replica}'s disk has room again"),
        Choice::Download { replica, path, back, arrival } => {
            let age = match back {
                0 => String::new(),
                back => format!(", {back} behind the newest"),
            };
            format!("{} reaches {replica}{age}{}", name(path), state(*arrival))
        }
        Choice::Evict { replica, path } => format!("the bytes of {} leave {replica}'s disk", name(path)),
        Choice::Fail { replica, error, .. } => format!("{replica} cannot write its next file: {error}"),
        Choice::Fetch { replica, path } => format!("the bytes of {} come back to {replica}", name(path)),
        Choice::Folder { replica, reachable: true } => format!("{replica} can reach the folder again"),
        Choice::Folder { replica, reachable: false } => format!("{replica} cannot reach the folder any more"),
        Choice::Keep { replica } => format!("{replica}'s folder is kept aside as it is"),
        Choice::Mount { replica, mounted: true } => format!("{replica}'s folder is mounted again"),
        Choice::Mount { replica, mounted: false } => {
            format!("{replica}'s folder is unmounted, and an empty directory is left")
        }
        Choice::Network { replica, online: true } => format!("{replica} is online again"),
        Choice::Network { replica, online: false } => format!("{replica} is cut off"),
        Choice::Open { replica, .. } => format!("{replica} starts"),
        Choice::Reply { replica, .. } => format!("{replica} gets an answer"),
        Choice::ResetIndex { replica } => format!("{replica}'s client takes its old files for new ones"),
        Choice::Restore { replica, path, sent } => {
            let what = path.as_ref().map_or("its whole folder".to_owned(), name);
            let whose = if *sent { ", and its client takes that for a change" } else { "" };
            format!("at {replica} {what} is as it was when it was kept aside{whose}")
        }
        Choice::Serve { replica } => format!("{replica}'s call arrives"),
        Choice::Sleep { replica } => format!("{replica} falls asleep"),
        Choice::Timer { replica, .. } => format!("{replica} looks"),
        Choice::Upload { replica, path } => format!("{replica}'s client sends {}", name(path)),
        Choice::Wake { replica } => format!("{replica} wakes up"),
        Choice::Watch { replica, lost: false, .. } => format!("{replica} is told that files have changed"),
        Choice::Watch { replica, lost: true, .. } => format!("{replica} is not told that files have changed"),
        Choice::Wipe { replica } => {
            format!(
                "{replica}'s client takes the empty directory for the folder, and removes everything everywhere"
            )
        }
    }
}

fn state(arrival: Arrival) -> String {
    match arrival {
        Arrival::Whole => String::new(),
        Arrival::Prefix { percent } => format!(", {percent} % of it"),
        other => format!(", {}", words(&other)),
    }
}
