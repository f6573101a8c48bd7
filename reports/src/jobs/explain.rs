//! What a scenario file will do, in words.

use std::path::Path;

use cloudchamber_folder::checks::{checkers, time};
use cloudchamber_folder::scenario::{FileSpec, Outage, ReplicaSpec, Scenario, system_of};
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::telling::words;
use cloudchamber_folder::{ReplicaId, System};
use serde_json::Value;

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_system;
use crate::jobs::{reproduce, skeleton, story};
use crate::report::scenario::{ScenarioReport, Section};

/// Explains a scenario file.
///
/// # Errors
/// Where it is none.
pub(crate) fn explain<L: Systems>(file: &Path) -> Result<ScenarioReport, Failure> {
    let text = files::read(file)?;
    let system = system_of(file, &text)?;
    with_system::<L, _, _>(&system, Explained { file, text: &text })
}

struct Explained<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Work for Explained<'_> {
    type Output = Result<ScenarioReport, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let scenario = Scenario::<S>::parse(self.file, self.text)?;
        let all = [
            section("the folder", folder(&scenario)),
            section("the replicas", replicas(&scenario)),
            section("settings", settings(&scenario)),
            section("files that are there from the start", seeded(&scenario)),
            section(&format!("at random, until {}", time(scenario.run_ms)), faults(&scenario)),
            section("at given times", given(&scenario)),
            section("the end", end(&scenario)),
            section("what the checkers are to say", expected(&scenario)),
        ];
        Ok(ScenarioReport {
            file: self.file.display().to_string(),
            system: S::NAME.into(),
            about: scenario.about.clone(),
            sections: all.into_iter().filter(|section| !section.lines.is_empty()).collect(),
            run: reproduce::run(self.file, scenario.seed),
        })
    }
}

fn section(heading: &str, lines: Vec<String>) -> Section {
    Section { heading: heading.to_owned(), lines }
}

fn folder<S: System>(scenario: &Scenario<S>) -> Vec<String> {
    let profile = scenario.profile();
    let mut lines = vec![format!("profile {}: {}", scenario.profile, profile.about)];
    if let Some(ms) = scenario.delay_ms {
        let whose = "in place of the profile's delays";
        lines.push(format!("every version takes {} to each other replica, {whose}", time(ms)));
    }
    if let Some(placeholder) = scenario.placeholder {
        let name = words(&placeholder);
        lines.push(format!("a file whose bytes are elsewhere: {name}, in place of the profile's rule"));
    }
    lines.push(match scenario.hazards {
        true => "what the profile's client does wrong by itself happens, as often as the profile says".into(),
        false => "the client does nothing wrong by itself (`hazards = true` lets it)".into(),
    });
    lines.push(format!("everything random follows from the seed {}", scenario.seed));
    lines
}

fn replicas<S: System>(scenario: &Scenario<S>) -> Vec<String> {
    let line = |(id, spec): (ReplicaId, &ReplicaSpec)| {
        let ReplicaSpec { name, host, directory, start_ms, machine } = spec;
        let mut line = format!("{id} starts at {}", time(*start_ms));
        for (what, value) in [("called", name), ("on the machine", host), ("for the directory", directory)] {
            if let Some(value) = value {
                line += &format!(", {what} {value}");
            }
        }
        if machine.clock_offset_ms != 0 {
            let by = time(machine.clock_offset_ms.unsigned_abs());
            line +=
                &format!(", its clock {by} {}", if machine.clock_offset_ms > 0 { "ahead" } else { "behind" });
        }
        if machine.clock_drift_ppm != 0 {
            line += &format!(", its clocks drift by {} millionths", machine.clock_drift_ppm);
        }
        if !machine.mono_counts_sleep {
            line += ", its monotonic clock stands still in sleep";
        }
        if machine.wall_stands_still {
            line += ", its wall clock always shows the same time";
        }
        line
    };
    ReplicaId::all(scenario.replica.len()).zip(&scenario.replica).map(line).collect()
}

fn settings<S: System>(scenario: &Scenario<S>) -> Vec<String> {
    let value = serde_json::to_value(&scenario.settings).expect("settings were read from a file");
    let Value::Object(fields) = value else { return Vec::new() };
    let said = |value: Value| match value {
        Value::String(text) => text,
        other => other.to_string(),
    };
    fields.into_iter().map(|(key, value)| format!("{key}: {}", said(value))).collect()
}

fn seeded<S: System>(scenario: &Scenario<S>) -> Vec<String> {
    let file = |file: &FileSpec| {
        let bytes = file.text.len();
        match file.replica {
            Some(replica) => format!("{}, {bytes} bytes, at {replica}, not sent yet", file.path),
            None => format!("{}, {bytes} bytes, at all replicas and on the server", file.path),
        }
    };
    scenario.file.iter().map(file).collect()
}

fn faults<S: System>(scenario: &Scenario<S>) -> Vec<String> {
    let value = serde_json::to_value(&scenario.faults).expect("faults were read from a file");
    let Value::Object(fields) = value else { return Vec::new() };
    let line = |(name, value): (String, Value)| {
        let Outage { every_ms, for_ms: [shortest, longest] } = serde_json::from_value(value).ok()?;
        let range = match shortest == longest {
            true => time(shortest),
            false => format!("{} to {}", time(shortest), time(longest)),
        };
        let says = skeleton::fault(&name).map_or("", |example| example.says);
        Some(format!("{name}: every {} on average at each replica, {range}. {says}", time(every_ms)))
    };
    fields.into_iter().filter_map(line).collect()
}

fn given<S: System>(scenario: &Scenario<S>) -> Vec<String> {
    let mut at: Vec<_> = scenario.at.iter().collect();
    at.sort_by_key(|at| at.ms);
    at.into_iter().map(|at| format!("{}  {}", time(at.ms), story::sentence::<S>(&at.choice))).collect()
}

fn end<S: System>(scenario: &Scenario<S>) -> Vec<String> {
    let mut lines = Vec::new();
    for id in &scenario.faults.gone_for_good {
        lines.push(format!("{id} goes down at {} and never comes back", time(scenario.run_ms)));
    }
    lines.push(match scenario.settle_ms {
        0 => format!("it ends at {}, whatever is still due", time(scenario.run_ms)),
        ms => format!(
            "faults stop at {}, and what is due has {} to come; the run ends sooner once it has",
            time(scenario.run_ms),
            time(ms)
        ),
    });
    lines
}

fn expected<S: System>(scenario: &Scenario<S>) -> Vec<String> {
    let expect = &scenario.expect;
    let about = |name: &String| {
        let known = checkers::<S>().find(|checker| checker.name == name);
        known.map_or(String::new(), |checker| format!(": {}", checker.about))
    };
    let list = |names: &Vec<String>, what: &str| -> Vec<String> {
        names.iter().map(|name| format!("{name} {what}{}", about(name))).collect()
    };
    let mut lines = list(&expect.violates, "has to be violated");
    lines.extend(list(&expect.holds, "has to hold"));
    lines.extend(list(&expect.may_violate, "may be violated"));
    lines.push(match expect.violates.is_empty() && expect.may_violate.is_empty() {
        true => "every checker has to hold".into(),
        false => "every other checker has to hold".into(),
    });
    lines
}
