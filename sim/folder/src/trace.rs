//! Traces: the choices a run took, with their times, in a file that can be replayed.
//!
//! The first line says what the run was, each line after it is one choice, the last line says how it ended:
//! ```text
//! {"cloudchamber_trace":1,"system":"failover","commit":"…","scenario":{…}}
//! {"ms":0,"do":"open","replica":"a","draw":{"seed":7}}
//! …
//! {"end":{"at_ms":600000,"hash":"91c2…","violations":[…]}}
//! ```

use std::fmt::Write as _;
use std::path::Path as FilePath;

use cloudchamber_core::Draw;
use serde::{Deserialize, Serialize};

use crate::System;
use crate::checks::{Checks, Findings, Violation, look};
use crate::scenario::{At, Scenario, ScenarioError};
use crate::stable_hash::StableHasher;
use crate::world::{Choice, ChoiceOf, Effects, Menu, Setup, World};

/// The version of the format that is written, and the only one that is read.
pub const VERSION: u32 = 1;

/// The commit this was built from, where the build knew; traces name it because a choice list is only as good
/// as the code it was taken with.
pub const COMMIT: &str = match option_env!("CLOUDCHAMBER_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

/// A run as a list of choices.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace<S: System> {
    /// The run's settings.
    pub scenario: Scenario<S>,
    /// The commit that it was recorded with.
    pub commit: String,
    /// What happened, in order.
    pub choices: Vec<At<ChoiceOf<S>>>,
    /// How it ended.
    pub end: End,
}

/// How a run ended.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// When faults stopped, in ms of world time, where the run came so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calm_ms: Option<u64>,
    /// World time in ms.
    pub at_ms: u64,
    /// The trace hash, 16 hexadecimal digits.
    pub hash: String,
    /// What the checkers found.
    pub violations: Vec<Violation>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, bound = "")]
struct Head<S: System> {
    cloudchamber_trace: u32,
    system: String,
    commit: String,
    scenario: Scenario<S>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Foot {
    end: End,
}

/// The system that a trace is of, without reading the rest.
///
/// # Errors
/// Where the first line is not the head of a trace of [`VERSION`].
pub fn system_of(file: &FilePath, text: &str) -> Result<String, ScenarioError> {
    #[derive(Deserialize)]
    struct Any {
        cloudchamber_trace: Option<u64>,
        system: Option<String>,
    }
    let fault = |message: String| ScenarioError { file: file.into(), line: Some(1), message };
    let line = text.lines().next().unwrap_or("");
    let foreign = || {
        fault(
            "this is not a trace; a trace begins with {\"cloudchamber_trace\":1,…} and is written by \
             `cloudchamber run --trace FILE`"
                .into(),
        )
    };
    let any: Any = serde_json::from_str(line).map_err(|_| foreign())?;
    let version = any.cloudchamber_trace.ok_or_else(foreign)?;
    if version != u64::from(VERSION) {
        return Err(fault(format!(
            "the trace is of version {version} and this program reads version {VERSION}; record it again from \
             its seed with this program, or replay it with the one that wrote it"
        )));
    }
    any.system.ok_or_else(foreign)
}

impl<S: System> Trace<S> {
    /// The trace of a run of this scenario that took these choices and ended so.
    #[must_use]
    pub fn recorded(scenario: &Scenario<S>, choices: Vec<At<ChoiceOf<S>>>, outcome: &Outcome) -> Self {
        Self {
            scenario: scenario.clone(),
            commit: COMMIT.into(),
            choices,
            end: End {
                calm_ms: (scenario.settle_ms > 0).then_some(scenario.run_ms),
                at_ms: outcome.at_ms,
                hash: format!("{:016x}", outcome.hash),
                violations: outcome.findings.violations.clone(),
            },
        }
    }

    /// The text of the trace's file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let json = |result: serde_json::Result<String>| {
            result.expect("names and numbers serialise, and maps have text keys")
        };
        let head = Head {
            cloudchamber_trace: VERSION,
            system: S::NAME.into(),
            commit: self.commit.clone(),
            scenario: self.scenario.clone(),
        };
        let mut text = json(serde_json::to_string(&head));
        for at in &self.choices {
            write!(text, "\n{}", json(serde_json::to_string(at))).expect("writing to a string works");
        }
        let foot = json(serde_json::to_string(&Foot { end: self.end.clone() }));
        writeln!(text, "\n{foot}").expect("writing to a string works");
        text
    }

    /// Reads the text of a trace's file.
    ///
    /// # Errors
    /// Where a line is not what the format says, or the last one is missing.
    pub fn parse(file: &FilePath, text: &str) -> Result<Self, ScenarioError> {
        let fault = |index: usize, message: String| ScenarioError {
            file: file.into(),
            line: Some(index + 1),
            message,
        };
        let system = system_of(file, text)?;
        if system != S::NAME {
            return Err(fault(0, format!("this is a trace of `{system}`, not of `{}`", S::NAME)));
        }
        let mut lines = text.lines().enumerate();
        let (_, first) = lines.next().expect("a head was found");
        let head: Head<S> = serde_json::from_str(first).map_err(|error| fault(0, one_line(&error)))?;
        head.scenario
            .check()
            .map_err(|(key, message)| fault(0, format!("in the trace's scenario, {key}: {message}")))?;
        let mut choices: Vec<At<ChoiceOf<S>>> = Vec::new();
        let mut now = 0;
        for (index, line) in lines {
            if line.starts_with("{\"end\"") {
                let foot: Foot =
                    serde_json::from_str(line).map_err(|error| fault(index, one_line(&error)))?;
                if let Some(more) = text.lines().nth(index + 1) {
                    return Err(fault(index + 1, format!("{more:?} follows the end of the trace")));
                }
                let Head { commit, scenario, .. } = head;
                return Ok(Self { scenario, commit, choices, end: foot.end });
            }
            let at: At<ChoiceOf<S>> =
                serde_json::from_str(line).map_err(|error| fault(index, one_line(&error)))?;
            if at.ms < now {
                return Err(fault(index, format!("time goes back from {now} to {} ms", at.ms)));
            }
            now = at.ms;
            choices.push(at);
        }
        let lines = text.lines().count();
        Err(fault(
            lines.saturating_sub(1),
            "the trace is cut off: its last line is not {\"end\":…}; record it again from its seed".into(),
        ))
    }

    /// Takes the choices one by one in a fresh world, with the checkers watching.
    ///
    /// # Errors
    /// Where the world does not allow a choice: its index, and why.
    pub fn replay(&self, mut watch: impl FnMut(Step<'_, S>)) -> Result<Outcome, (usize, String)> {
        let mut run = Watched::new(&self.scenario);
        let mut calm = self.end.calm_ms;
        for (index, at) in self.choices.iter().enumerate() {
            if let Some(ms) = calm.take_if(|ms| *ms <= at.ms) {
                run.calm(ms);
            }
            run.advance(at.ms);
            run.take(&at.choice).map_err(|refused| (index, refused.to_string()))?;
            let Watched { setup, world, effects, findings, .. } = &run;
            watch(Step { index, at, setup, world, effects, findings });
        }
        run.advance(self.end.at_ms);
        if let Some(ms) = calm {
            run.calm(ms);
        }
        Ok(run.finish())
    }
}

/// How far apart the moments are at which files travel where a run goes on, ms.
const TRAVEL_MS: u64 = 2_000;

/// How many choices a run goes on for at the most.
const CHOICES_MAX: usize = 5_000;

impl<S: System> Trace<S> {
    /// The same run as it might go on for `more_ms`, if nothing else goes wrong: who runs goes on, files travel every two
    /// seconds, and who is down or asleep stays so. For who looks at what comes after a violation; the hash and the
    /// violations at its end are those of this trace.
    ///
    /// # Errors
    /// As [`Trace::replay`].
    pub fn continued(&self, more_ms: u64) -> Result<Self, (usize, String)> {
        let mut run = Watched::new(&self.scenario);
        for (index, at) in self.choices.iter().enumerate() {
            run.advance(at.ms);
            run.take(&at.choice).map_err(|refused| (index, refused.to_string()))?;
        }
        run.advance(self.end.at_ms);
        let mut more = self.clone();
        let until = self.end.at_ms.saturating_add(more_ms);
        let mut travels = self.end.at_ms.saturating_add(TRAVEL_MS);
        while more.choices.len() < self.choices.len() + CHOICES_MAX {
            let travel = run.world.now() >= travels;
            let Some(choice) = run.next_calm(more.choices.len(), travel) else {
                if travel {
                    travels = run.world.now().saturating_add(TRAVEL_MS);
                }
                let timers = run.world.replicas().filter(|(_, replica)| replica.runs());
                let timers = timers.filter_map(|(id, _)| run.world.timer_due(&run.setup, id));
                let next = timers.fold(travels, u64::min).max(run.world.now() + 1);
                if next > until {
                    break;
                }
                run.advance(next);
                continue;
            };
            if run.take(&choice).is_err() {
                break;
            }
            more.choices.push(At { ms: run.world.now(), choice });
        }
        more.end.at_ms = until;
        Ok(more)
    }
}

impl<S: System> Watched<S> {
    /// What happens next by itself: a step of a process, or where files `travel`, one of these.
    fn next_calm(&self, number: usize, travel: bool) -> Option<ChoiceOf<S>> {
        let seed = u64::try_from(number).expect("as many as fit into memory");
        let menu = Menu { draws: vec![Draw::Seed(seed)], older_versions: false, ..Menu::calm() };
        let mut choices = Vec::new();
        self.world.choices(&self.setup, &menu, &mut choices);
        choices.into_iter().find(|choice| match choice {
            Choice::Apply { .. }
            | Choice::Reply { .. }
            | Choice::Serve { .. }
            | Choice::Timer { .. }
            | Choice::Watch { .. } => true,
            Choice::Download { .. } | Choice::Fetch { .. } | Choice::Upload { .. } => travel,
            _ => false,
        })
    }
}

/// What a replay shows after each choice.
pub struct Step<'a, S: System> {
    /// Which choice of the trace.
    pub index: usize,
    /// The choice and its time.
    pub at: &'a At<ChoiceOf<S>>,
    /// What does not change.
    pub setup: &'a Setup<S>,
    /// The world after it.
    pub world: &'a World<S>,
    /// What it brought about.
    pub effects: &'a Effects<S::Protocol>,
    /// What was found so far.
    pub findings: &'a Findings,
}

/// How a run or a replay ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Outcome {
    /// The hash of everything that happened, in order.
    pub hash: u64,
    /// How many choices were taken.
    pub choices: u64,
    /// World time at the end, ms.
    pub at_ms: u64,
    /// What was found.
    pub findings: Findings,
}

/// A world with its checkers watching and every choice hashed. The simulator and replays both run one, so that
/// a replay has the hash of the run it repeats.
pub struct Watched<S: System> {
    /// What does not change.
    pub setup: Setup<S>,
    /// The world.
    pub world: World<S>,
    /// What the last choice brought about.
    pub effects: Effects<S::Protocol>,
    /// What was found so far.
    pub findings: Findings,
    checks: S::Checks,
    hash: u64,
    choices: u64,
}

impl<S: System> Clone for Watched<S> {
    /// The same state; what the last choice brought about is not part of it.
    fn clone(&self) -> Self {
        Self {
            setup: self.setup.clone(),
            world: self.world.clone(),
            effects: Effects::default(),
            findings: self.findings.clone(),
            checks: self.checks.clone(),
            hash: self.hash,
            choices: self.choices,
        }
    }
}

impl<S: System> Watched<S> {
    /// A fresh world of a checked scenario.
    ///
    /// # Panics
    /// Where the scenario was not checked.
    #[must_use]
    pub fn new(scenario: &Scenario<S>) -> Self {
        let setup = S::setup(scenario).unwrap_or_else(|error| panic!("an unchecked scenario: {error}"));
        let mut world = S::world(scenario, &setup);
        scenario.seed_files(&mut world);
        let checks = S::checks(scenario, &setup);
        Self {
            setup,
            world,
            effects: Effects::default(),
            findings: Findings::default(),
            checks,
            hash: 0,
            choices: 0,
        }
    }

    /// Lets time pass.
    pub fn advance(&mut self, now: u64) {
        self.world.advance(now);
    }

    /// Makes one thing happen.
    ///
    /// # Errors
    /// Where the world does not allow it; nothing is hashed then.
    pub fn take(&mut self, choice: &ChoiceOf<S>) -> Result<(), crate::world::Refused> {
        self.world.take(&self.setup, choice, &mut self.effects)?;
        let disk = choice.replica().map_or(0, |id| self.world.replica(id).files_digest());
        let step =
            (self.hash, self.world.now(), choice, &self.effects.events, disk, self.world.cloud().digest());
        self.hash = StableHasher::of(&step);
        self.choices += 1;
        look(&mut self.checks, &self.setup, &self.world, choice, &self.effects, &mut self.findings);
        Ok(())
    }

    /// Faults have stopped, at world time `ms`.
    pub fn calm(&mut self, ms: u64) {
        self.world.advance(ms.max(self.world.now()));
        self.checks.calm(&self.setup, &self.world);
    }

    /// Whether the checkers would have nothing to say if the run ended at world time `ms`, and await nothing.
    pub fn is_settled(&mut self, ms: u64) -> bool {
        self.world.advance(ms.max(self.world.now()));
        self.checks.is_content(&self.setup, &self.world)
    }

    /// The hash of everything so far.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Asks the checkers for their last word.
    #[must_use]
    pub fn finish(mut self) -> Outcome {
        self.checks.end(&self.setup, &self.world, &mut self.findings);
        Outcome { hash: self.hash, choices: self.choices, at_ms: self.world.now(), findings: self.findings }
    }
}

fn one_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    format!("{}; the line is not of this format", text.split(" at line ").next().unwrap_or(&text))
}
