//! A trace, choice by choice, in a world without a simulator.

use std::path::Path;

use cloudchamber_folder::System;
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::trace::{self, COMMIT, End, Outcome, Trace};

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_traced;
use crate::jobs::run::judged;
use crate::jobs::{reproduce, story};
use crate::report::run::RunReport;

/// Replays the trace of a file. `tell` is told each choice of which something came, in a sentence.
///
/// # Errors
/// Where the file is not a trace, or the world does not allow one of its choices.
pub(crate) fn replay<L: Systems>(file: &Path, tell: Option<&dyn Fn(&str)>) -> Result<RunReport, Failure> {
    let text = files::read(file)?;
    let system = trace::system_of(file, &text)?;
    with_traced::<L, _, _>(&system, Replay { file, text: &text, tell })
}

struct Replay<'a> {
    file: &'a Path,
    text: &'a str,
    tell: Option<&'a dyn Fn(&str)>,
}

impl Work for Replay<'_> {
    type Output = Result<RunReport, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let file = self.file;
        let trace = Trace::<S>::parse(file, self.text)?;
        if trace.commit != COMMIT {
            let recorded = &trace.commit;
            eprintln!(
                "cloudchamber: {}: recorded at commit {recorded}, replayed at {COMMIT}",
                file.display()
            );
        }
        let replayed = match self.tell {
            None => trace.replay(|_| {}),
            Some(tell) => story::tell(&trace, |line| {
                if line.counts {
                    tell(&line.to_string());
                }
            }),
        };
        let outcome = replayed.map_err(|(index, why)| refused(file, &trace.commit, index, &why))?;
        let differs = difference(&trace.end, &outcome);
        let mut run = judged(&trace.scenario, file, &outcome, reproduce::replay(file), None);
        if let Some(difference) = &differs {
            run.ok = false;
            run.outcome.clone_from(difference);
        }
        Ok(RunReport {
            commit: COMMIT.into(),
            run,
            profile: trace.scenario.profile,
            choices: outcome.choices,
            at_ms: outcome.at_ms,
            counts: outcome.findings.counts,
            samples: outcome.findings.samples,
            differs,
        })
    }
}

/// That the world does not allow a choice of a trace, which another commit recorded.
pub(crate) fn refused(file: &Path, commit: &str, index: usize, why: &str) -> Failure {
    // The head is the first line, so the first choice stands on the second.
    let line = index + 2;
    Failure::new(format!(
        "{}:{line}: the world does not allow this choice: {why}; record the trace again from its seed, or replay it at \
         commit {commit}",
        file.display()
    ))
}

/// The first thing in which a replay is not what was recorded.
fn difference(end: &End, outcome: &Outcome) -> Option<String> {
    let (recorded, found) = (&end.violations, &outcome.findings.violations);
    for index in 0..recorded.len().max(found.len()) {
        match (recorded.get(index), found.get(index)) {
            (Some(recorded), Some(found)) if recorded == found => {}
            (Some(recorded), Some(found)) => {
                return Some(format!(
                    "violation {} was recorded as `{recorded}` and is `{found}`",
                    index + 1
                ));
            }
            (Some(recorded), None) => return Some(format!("`{recorded}` was recorded and did not happen")),
            (None, Some(found)) => return Some(format!("`{found}` happened and was not recorded")),
            (None, None) => {}
        }
    }
    if end.at_ms != outcome.at_ms {
        return Some(format!(
            "the recorded run ends at {} ms and the replay at {} ms",
            end.at_ms, outcome.at_ms
        ));
    }
    let hash = format!("{:016x}", outcome.hash);
    (end.hash != hash).then(|| {
        format!(
            "the recorded hash is {} and the replay's {hash}: the same choices did something else",
            end.hash
        )
    })
}
