//! A trace as a story: a plain sentence for each choice, with what it led to.

use std::fmt::{self, Debug};

use cloudchamber_folder::System;
use cloudchamber_folder::checks::{Violation, time};
use cloudchamber_folder::profile::Arrival;
use cloudchamber_folder::trace::{Outcome, Step, Trace};
use cloudchamber_folder::world::{Choice, ChoiceOf, Part};

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
    /// What happened, without the time.
    pub(crate) text: String,
    /// Whether anything came of it that is worth telling where there are thousands.
    pub(crate) counts: bool,
    /// The violations that were seen with it for the first time.
    pub(crate) violations: &'a [Violation],
}

impl<S: System> fmt::Display for Line<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}", time(self.step.at.ms), self.text)
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
    trace.replay(|step| {
        let routine = matches!(
            step.at.choice,
            Choice::Apply { .. }
                | Choice::Reply { .. }
                | Choice::Serve { .. }
                | Choice::Timer { .. }
                | Choice::Watch { lost: false, .. }
        );
        let violations = &step.findings.violations[found..];
        found = step.findings.violations.len();
        let silent = step.effects.events.is_empty() && violations.is_empty();
        let mut text = sentence::<S>(&step.at.choice);
        if matches!(step.at.choice, Choice::Apply { part: Part::Whole, .. })
            && let Some(path) = step.effects.touched.first()
        {
            text += &format!(", {path}");
        }
        for event in &step.effects.events {
            text += &format!("; {}", words(event));
        }
        for conflict in &step.effects.conflicts {
            text +=
                &format!("; {} was changed at {} and at {}", conflict.path, conflict.winner, conflict.loser);
        }
        for violation in violations {
            text += &format!(". {violation}");
        }
        listen(Line { step, text, counts: !(routine && silent), violations });
    })
}

/// What a choice is, in a sentence.
fn sentence<S: System>(choice: &ChoiceOf<S>) -> String {
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
        Choice::Disk { replica, full: true } => format!("{replica}'s disk fills up"),
        Choice::Disk { replica, full: false } => format!("{replica}'s disk has room again"),
        Choice::Download { replica, path, back, arrival } => {
            let age = match back {
                0 => String::new(),
                back => format!(", {back} behind the newest"),
            };
            format!("{path} reaches {replica}{age}{}", state(*arrival))
        }
        Choice::Evict { replica, path } => format!("the bytes of {path} leave {replica}'s disk"),
        Choice::Fail { replica, error, .. } => format!("{replica} cannot write its next file: {error}"),
        Choice::Fetch { replica, path } => format!("the bytes of {path} come back to {replica}"),
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
            let what = path.as_ref().map_or("its whole folder".to_owned(), ToString::to_string);
            let whose = if *sent { ", and its client takes that for a change" } else { "" };
            format!("at {replica} {what} is as it was when it was kept aside{whose}")
        }
        Choice::Serve { replica } => format!("{replica}'s call arrives"),
        Choice::Sleep { replica } => format!("{replica} falls asleep"),
        Choice::Timer { replica, .. } => format!("{replica} looks"),
        Choice::Upload { replica, path } => format!("{replica}'s client sends {path}"),
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

/// A value's debug form in words: `BecameActive { because: WonClaim }` is "became active (because: won claim)".
fn words(value: &impl Debug) -> String {
    let mut text = String::new();
    let (mut quoted, mut last) = (false, ' ');
    for c in paths(&format!("{value:?}")).chars() {
        quoted ^= c == '"';
        match c {
            _ if quoted => text.push(c),
            '"' => text.push(c),
            '{' => text.push('('),
            '}' => text.push(')'),
            '_' => text.push(' '),
            _ if c.is_uppercase() => {
                if last.is_lowercase() {
                    text.push(' ');
                }
                text.extend(c.to_lowercase());
            }
            _ => text.push(c),
        }
        last = c;
    }
    text.replace("( ", "(").replace(" )", ")")
}

/// The same with paths as people write them.
fn paths(debug: &str) -> String {
    let shared = debug.replace("Path { root: Shared, name: \"", "\"shared:");
    let both = shared.replace("Path { root: Local, name: \"", "\"local:");
    both.replace("\" }, ", "\", ").replace("\" } }", "\" }")
}

#[cfg(test)]
mod tests {
    use cloudchamber_core::Path;
    use cloudchamber_core::failover::Event;

    use super::*;

    #[derive(Debug)]
    #[expect(dead_code, reason = "it is only shown")]
    enum Told {
        BecameActive { because: Why },
        Named { path: &'static str, some_ms: u64 },
    }

    #[derive(Debug)]
    enum Why {
        WonClaim,
    }

    #[test]
    fn a_value_is_told_in_words() {
        assert_eq!(
            words(&Told::BecameActive { because: Why::WonClaim }),
            "became active (because: won claim)"
        );
        let named = Told::Named { path: "Mac-A:/x", some_ms: 7 };
        assert_eq!(words(&named), "named (path: \"Mac-A:/x\", some ms: 7)");
        let written = Event::HeartbeatWritten { path: Path::shared("devices/A.json") };
        assert_eq!(words(&written), "heartbeat written (path: \"shared:devices/A.json\")");
    }
}
