//! Scenario files: what a run is made of, and what is expected of it.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use cloudchamber_core::{Content, Path};
use serde::{Deserialize, Serialize};

use crate::checks::{Kind, checkers};
use crate::profile::{Hazards, Placeholder, Profile, Timing};
use crate::world::{ChoiceOf, MachineSetup, World};
use crate::{ReplicaId, System, mistake};

/// Everything that decides a run except its seed's own draws: read from a TOML file, drawn by a swarm, or taken
/// from the head of a trace.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Scenario<S: System> {
    /// What it shows, for a person.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// The system, by name. Kept in the file so that a reader and the command know what follows.
    pub system: String,
    /// The provider profile, by name, or the path of one's own, which ends with `.toml`.
    #[serde(default = "perfect")]
    pub profile: String,
    /// Every version takes exactly this long to reach every other replica, in place of the profile's delays, ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u64>,
    /// What stands for a file whose bytes are elsewhere, in place of the profile's rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placeholder: Option<Placeholder>,
    /// Whether the profile's own hazards happen: stalls, partial files, evictions, lost notices.
    #[serde(default)]
    pub hazards: bool,
    /// What everything random follows from.
    #[serde(default)]
    pub seed: u64,
    /// How long faults may happen, ms.
    pub run_ms: u64,
    /// How long after that the system may take to settle, ms; 0 for no second phase. A run ends earlier once
    /// everything that is due in the end has come and lasted for a good part of it.
    #[serde(default)]
    pub settle_ms: u64,
    /// The replicas, in order: a, b, c and so on.
    pub replica: Vec<ReplicaSpec>,
    /// Files that are there before anything runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub file: Vec<FileSpec>,
    /// What the system itself can be told.
    #[serde(default)]
    pub settings: S::Settings,
    /// Faults that happen at random.
    #[serde(default, skip_serializing_if = "Faults::is_none")]
    pub faults: Faults,
    /// What happens at given times.
    #[serde(default = "Vec::new", skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<At<ChoiceOf<S>>>,
    /// What the checkers are expected to say.
    #[serde(default)]
    pub expect: Expect,
}

fn perfect() -> String {
    "perfect".into()
}

/// One replica of a scenario.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReplicaSpec {
    /// What its user calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its machine's name; `mac-a`, `mac-b` and so on where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The directory it works for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// When it starts, ms.
    pub start_ms: u64,
    /// Its clocks.
    #[serde(flatten)]
    pub machine: MachineSetup,
}

/// A file that is there before anything runs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileSpec {
    /// Which file, as `shared:…` or `local:…`.
    pub path: Path,
    /// What it holds.
    pub text: String,
    /// On whose disk, as if its application had just written it; where it is absent, on every disk and on the
    /// server, all in line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replica: Option<ReplicaId>,
}

/// Something that happens at a given time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct At<C> {
    /// World time, ms.
    pub ms: u64,
    /// What happens. Randomness in it is drawn anew from the run's seed.
    #[serde(flatten)]
    pub choice: C,
}

/// Faults that happen at random. Each is off unless it is written.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// A machine is struck soon after it has done or heard something: what is listed of crashes, power cuts, sleep and
    /// networks that go, for `for_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ambush: Option<Outage>,
    /// Several machines are struck within `for_ms`: what is listed of crashes, power cuts, sleep and networks that go falls on
    /// some of them at nearly the same time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<Outage>,
    /// Wall clocks are set, by up to `for_ms` either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clock: Option<Outage>,
    /// Processes die, at any op or in the middle of one, and start again after `for_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crash: Option<Outage>,
    /// Disks are full for `for_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<Outage>,
    /// The shared folder cannot be reached for `for_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<Outage>,
    /// What replicas keep on their own machines cannot be read for `for_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local: Option<Outage>,
    /// The shared folder's mount goes for `for_ms` and leaves an empty directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount: Option<Outage>,
    /// Machines are without a network for `for_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offline: Option<Outage>,
    /// Files, or all of them, come back as they were `for_ms` ago, to one disk or to all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub older: Option<Outage>,
    /// Machines lose power, and what was not flushed, and start again after `for_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<Outage>,
    /// Machines sleep for `for_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sleep: Option<Outage>,
    /// People ask something of a replica, whatever comes into their heads: [`System::whim`]. Files of failover call it
    /// `activate`.
    #[serde(alias = "activate", skip_serializing_if = "Option::is_none")]
    pub whim: Option<Outage>,
    /// The shared folder's mount goes, and after `for_ms` its client takes the empty directory for the folder and removes
    /// everything everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wipe: Option<Outage>,
    /// Replicas that go down when faults stop, and never come back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gone_for_good: Vec<ReplicaId>,
}

impl Faults {
    /// Whether nothing is on.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// How often something goes wrong at each replica, and for how long.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// Mean time between two, ms.
    pub every_ms: u64,
    /// The shortest and the longest, ms.
    pub for_ms: [u64; 2],
}

/// What the checkers are expected to say of a run.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Expect {
    /// Checkers that must find a violation. None: the run must hold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub violates: Vec<String>,
    /// Checkers that must find none, whatever is expected of the others. This is how a scenario insists on one
    /// that is only counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<String>,
    /// Checkers that may find one as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub may_violate: Vec<String>,
}

/// A file that is not a scenario, and what to do about it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}{}: {}", file.display(), line.map_or(String::new(), |line| format!(":{line}")), one_line(message))]
pub struct ScenarioError {
    /// Which file.
    pub file: PathBuf,
    /// Which line, from 1, where one is to blame.
    pub line: Option<usize>,
    /// What is wrong and what to do, in one line.
    pub message: String,
}

/// The same text in one line: names from a file may hold anything, and an error quotes them.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The system that a scenario file is for, without looking at the rest.
///
/// # Errors
/// Where the text is not TOML or names no system.
pub fn system_of(file: &FilePath, text: &str) -> Result<String, ScenarioError> {
    #[derive(Deserialize)]
    struct Head {
        system: String,
    }
    if text.trim().is_empty() {
        let message = "the file is empty; a scenario names at least `system`, `run_ms` and one `[[replica]]`";
        return Err(ScenarioError { file: file.into(), line: None, message: message.into() });
    }
    let head: Head = toml::from_str(text).map_err(|error| blame(file, text, &error))?;
    Ok(head.system)
}

impl<S: System> Scenario<S> {
    /// Reads the text of a scenario file. `file` is named in errors.
    ///
    /// # Errors
    /// Where a key is missing, unknown or of another type, or values contradict each other.
    pub fn parse(file: &FilePath, text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| blame(file, text, &error))?;
        scenario.check().map_err(|(key, message)| ScenarioError {
            file: file.into(),
            line: line_of_key(text, key),
            message,
        })?;
        Ok(scenario)
    }

    /// Whether the values fit together. The error names the key to blame and says what to do.
    ///
    /// # Errors
    /// The first contradiction found.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        let count = self.replica.len();
        if self.system != S::NAME {
            return Err(("system", format!("this is a scenario of `{}`, not of `{}`", self.system, S::NAME)));
        }
        if count == 0 || count > ReplicaId::COUNT_MAX {
            let most = ReplicaId::COUNT_MAX;
            return Err(("replica", format!("{count} replicas; write one to {most} `[[replica]]` tables")));
        }
        if self.run_ms == 0 || self.run_ms.saturating_add(self.settle_ms) > TIME_MAX_MS {
            let most = TIME_MAX_MS;
            return Err(("run_ms", format!("run_ms + settle_ms must be 1 to {most} ms (400 days)")));
        }
        Profile::find(&self.profile).map_err(|message| ("profile", message))?;
        for at in &self.at {
            if at.ms >= self.run_ms + self.settle_ms {
                let end = self.run_ms + self.settle_ms;
                return Err(("at", format!("something happens at {} ms, after the end at {end} ms", at.ms)));
            }
            if let Some(id) = at.choice.replica()
                && id.index() >= count
            {
                return Err(("at", format!("something happens at replica {id}, but there are only {count}")));
            }
        }
        for outage in self.faults.clone().outages_mut() {
            let [shortest, longest] = outage.for_ms;
            if outage.every_ms == 0 || shortest > longest {
                let message = "a fault needs every_ms above 0 and for_ms = [shortest, longest] in this order";
                return Err(("faults", message.into()));
            }
        }
        if self.faults.gone_for_good.iter().any(|id| id.index() >= count) {
            return Err(("faults", format!("gone_for_good names a replica beyond the {count} there are")));
        }
        if let Some(id) = self.file.iter().filter_map(|file| file.replica).find(|id| id.index() >= count) {
            return Err(("file", format!("a file is at replica {id}, but there are only {count}")));
        }
        let known = |name: &String| checkers::<S>().any(|checker| checker.name == name);
        let Expect { violates, holds, may_violate } = &self.expect;
        if let Some(name) = violates.iter().find(|name| holds.contains(name) || may_violate.contains(name)) {
            return Err(("expect", format!("`{name}` is expected in two ways; name it once")));
        }
        if let Some(name) = violates.iter().chain(holds).chain(may_violate).find(|name| !known(name)) {
            let names = checkers::<S>().map(|checker| checker.name);
            return Err(("expect", mistake::unknown("checker", name, names)));
        }
        S::setup(self).map(|_| ()).map_err(|message| ("settings", message))
    }

    /// How far apart, ms, things happen in a drawn run that do so every `every_ms` in one of the usual length: in one of days
    /// there are not more of them.
    #[must_use]
    pub fn stretched(&self, every_ms: u64) -> u64 {
        every_ms * (self.run_ms / DRAWN_MS).max(1)
    }

    /// The profile that the run uses: the named one, with the scenario's delay and without what it leaves out.
    ///
    /// # Panics
    /// Where the scenario was not checked.
    #[must_use]
    pub fn profile(&self) -> Arc<Profile> {
        let named = Profile::find(&self.profile).expect("a checked scenario names a profile");
        if self.delay_ms.is_none() && self.placeholder.is_none() && self.hazards {
            return named;
        }
        let mut profile = Profile::clone(&named);
        if let Some(ms) = self.delay_ms {
            profile.timing = Timing::constant(ms);
        }
        if let Some(placeholder) = self.placeholder {
            profile.rules.placeholder = placeholder;
        }
        if !self.hazards {
            profile.hazards = Hazards::none();
        }
        Arc::new(profile)
    }

    /// Puts the scenario's files into a fresh world.
    pub fn seed_files(&self, world: &mut World<S>) {
        for file in &self.file {
            let content = Content::from(file.text.as_str());
            match file.replica {
                Some(replica) => world.seed_file(replica, &file.path, content),
                None => world.seed_everywhere(&file.path, content),
            }
        }
    }

    /// Whether what the checkers found is what was expected. The error says what is missing or too much.
    ///
    /// # Errors
    /// Where an expected violation did not happen or another one did.
    pub fn judge(&self, findings: &crate::checks::Findings) -> Result<(), String> {
        for name in &self.expect.violates {
            if findings.violation(name).is_none() {
                return Err(format!("`{name}` was expected to be violated and held"));
            }
        }
        if let Some(violation) = self.expect.holds.iter().find_map(|name| findings.violation(name)) {
            return Err(violation.to_string());
        }
        for violation in &findings.violations {
            let counted = checkers::<S>()
                .any(|checker| checker.name == violation.checker && checker.kind == Kind::Counted);
            let foreseen = [&self.expect.violates, &self.expect.may_violate]
                .iter()
                .any(|names| names.contains(&violation.checker));
            if !counted && !foreseen {
                return Err(violation.to_string());
            }
        }
        Ok(())
    }
}

/// How long faults may happen in a drawn run of the usual length, ms.
pub const DRAWN_MS: u64 = 600_000;

/// The longest run, ms: 400 days.
const TIME_MAX_MS: u64 = 400 * 24 * 3_600_000;

impl Faults {
    /// Every kind that happens now and then.
    pub fn outages_mut(&mut self) -> impl Iterator<Item = &mut Outage> {
        let Self {
            ambush,
            burst,
            clock,
            crash,
            disk,
            folder,
            local,
            mount,
            offline,
            older,
            power,
            sleep,
            whim,
            wipe,
            gone_for_good: _,
        } = self;
        let all = [
            ambush, burst, clock, crash, disk, folder, local, mount, offline, older, power, sleep, whim, wipe,
        ];
        all.into_iter().flatten()
    }
}

fn blame(file: &FilePath, text: &str, error: &toml::de::Error) -> ScenarioError {
    let (line, message) = mistake::told(text, error);
    ScenarioError { file: file.into(), line, message }
}

/// The first line that sets a key or opens a table of that name.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let sets = |line: &str| {
        let line = line.trim_start().trim_start_matches('[');
        line.strip_prefix(key).is_some_and(|rest| rest.trim_start().starts_with(['=', ']', '.']))
    };
    text.lines().position(sets).map(|index| index + 1)
}
