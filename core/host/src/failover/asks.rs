//! How people reach the agent of their machine: a request is a file in the local directory, and so is its answer.
//!
//! Files, because they work on every file system and for paths of any length, and because only who may write there may
//! ask.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloudchamber_core::failover::{Command, Event, RefusedBecause};
use serde::{Deserialize, Serialize};

use crate::{clock, small};

/// How often an answer is looked for.
const LOOK: Duration = Duration::from_millis(50);

/// What the agent said to a request.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "answer", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// It is written down, and the active one will see to it.
    Written,
    /// It waits for something else first.
    Waits,
    /// It was refused.
    Refused {
        /// Why, in words.
        because: String,
    },
}

impl Answer {
    /// What the events of the step that took a request say about it.
    #[must_use]
    pub fn of(events: &[Event]) -> Self {
        let answer = events.iter().find_map(|event| match event {
            Event::Nominated { .. }
            | Event::ActivationWritten { .. }
            | Event::Returned
            | Event::VotersWritten { .. } => Some(Self::Written),
            Event::ActivationRefused { because, .. }
            | Event::RemovalRefused { because, .. }
            | Event::VotersRefused { because } => Some(Self::Refused { because: words(*because).into() }),
            _ => None,
        });
        answer.unwrap_or(Self::Waits)
    }
}

/// Why a wish was refused, and the way out.
#[must_use]
pub fn words(because: RefusedBecause) -> &'static str {
    match because {
        RefusedBecause::Unknown => "no device file names it: `status` lists all that are known",
        RefusedBecause::Stale => "it was not seen for too long: see that its agent runs and its client syncs",
        RefusedBecause::LocalOnly => "the shared folder cannot be reached from here",
        RefusedBecause::StateUnreadable => "state.json cannot be read",
        RefusedBecause::StateUnwritten => "state.json cannot be written",
        RefusedBecause::Alive => "it lives, and on another machine: end it there",
        RefusedBecause::ChangePending => {
            "the last change of the voters has not reached a majority: try again later"
        }
        RefusedBecause::LastVoters => "fewer than two voters would be left",
        RefusedBecause::OtherSettings => {
            "it runs with other settings than the active one: `status` shows which"
        }
        RefusedBecause::NotActive => "only the active one can do it: ask on its machine",
    }
}

fn asks(local: &Path) -> PathBuf {
    local.join("asks")
}

fn answers(local: &Path) -> PathBuf {
    local.join("answers")
}

/// Asks the agent of this machine, and waits for its answer; None if none came in time.
///
/// # Errors
/// Where the local directory cannot be written.
pub fn ask(local: &Path, command: &Command, wait: Duration) -> io::Result<Option<Answer>> {
    let name = format!("{}-{}.json", clock::now().mono.0, std::process::id());
    let (question, answer) = (asks(local).join(&name), answers(local).join(&name));
    let content = serde_json::to_vec(command).expect("a request has text keys");
    small::put(local, &question, &content)?;
    let mut left = wait;
    loop {
        if let Ok(content) = fs::read(&answer) {
            fs::remove_file(&answer)?;
            return Ok(serde_json::from_slice(&content).ok());
        }
        let Some(less) = left.checked_sub(LOOK) else {
            // An agent that reads it later would do what nobody waits for any more.
            small::remove(&question)?;
            return Ok(None);
        };
        left = less;
        std::thread::sleep(LOOK);
    }
}

/// Takes the requests that are there: the name to answer to, and what is asked.
pub fn take(local: &Path) -> Vec<(String, Result<Command, String>)> {
    let taken = small::list(&asks(local)).into_iter().filter_map(|(name, path)| {
        let content = fs::read(&path).ok()?;
        // What cannot be removed would be done again and again.
        fs::remove_file(path).ok()?;
        let command = serde_json::from_slice(&content).map_err(|error| error.to_string());
        Some((name, command))
    });
    taken.collect()
}

/// Drops what was asked of an earlier process, and what it answered: nobody waits for that any more.
pub fn forget(local: &Path) {
    take(local);
    for (_, path) in small::list(&answers(local)) {
        // One that stays is in nobody's way.
        small::remove(&path).unwrap_or_default();
    }
}

/// Answers a request.
///
/// # Errors
/// Where the local directory cannot be written.
pub fn answer(local: &Path, name: &str, answer: &Answer) -> io::Result<()> {
    let content = serde_json::to_vec(answer).expect("an answer has text keys");
    small::put(local, &answers(local).join(name), &content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_once_and_its_answer_read_once() {
        let dir = tempfile::tempdir().unwrap();
        let local = dir.path().join("local");
        assert_eq!(take(&local), []);
        let asking = local.clone();
        let command = Command::Activate { device: "h:/x".into() };
        let asked = command.clone();
        let asker = std::thread::spawn(move || ask(&asking, &asked, Duration::from_secs(60)));
        let (name, taken) = loop {
            if let Some(taken) = take(&local).pop() {
                break taken;
            }
            std::thread::yield_now();
        };
        assert_eq!(taken, Ok(command.clone()));
        assert_eq!(take(&local), []);
        let refused = Answer::of(&[Event::ActivationRefused {
            target: "h:/x".into(),
            because: RefusedBecause::Unknown,
        }]);
        answer(&local, &name, &refused).unwrap();
        assert_eq!(asker.join().unwrap().unwrap(), Some(refused));
        assert_eq!(small::list(&answers(&local)), []);
        answer(&local, "nobody-waits.json", &Answer::Written).unwrap();
        forget(&local);
        assert_eq!(small::list(&answers(&local)), []);
        assert_eq!(ask(&local, &command, Duration::ZERO).unwrap(), None);
        assert_eq!(take(&local), []);
    }

    #[test]
    fn what_a_step_tells_is_the_answer() {
        assert_eq!(Answer::of(&[Event::Nominated { target: "a".into() }]), Answer::Written);
        assert_eq!(Answer::of(&[Event::Returned]), Answer::Written);
        assert_eq!(Answer::of(&[]), Answer::Waits);
    }
}
