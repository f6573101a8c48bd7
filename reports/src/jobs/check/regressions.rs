//! The regressions file: runs that once showed something, kept for good.

use std::path::{Path, PathBuf};

use cloudchamber_folder::scenario::{Expect, Scenario};
use cloudchamber_folder::{System, mistake};
use serde::Deserialize;

use cloudchamber_folder::systems::{Systems, Work};

use crate::failure::Failure;
use crate::files;
use crate::jobs::check::scenarios;
use crate::jobs::dispatch::with_system;
use crate::jobs::out::Out;
use crate::jobs::reproduce::{self, SwarmCall};
use crate::jobs::swarm::Order;
use crate::report::run::ScenarioReport;

/// The file's format; its header explains it to who appends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    regression: Vec<toml::Spanned<Regression>>,
}

/// One run that is kept.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Regression {
    /// What it showed.
    about: String,
    /// The scenario file, relative to the directory of the scenarios.
    scenario: Option<PathBuf>,
    /// The swarm that the seed was drawn by.
    swarm: Option<SwarmCall>,
    /// The seed; the scenario's own where it is absent.
    seed: Option<u64>,
    /// What the checkers have to say now; the scenario's own expectation where it is absent.
    expect: Option<Expect>,
}

/// Reads the regressions file; none where there is no such file. Each entry comes with its line.
///
/// # Errors
/// Where the file is not what its header says.
pub(crate) fn read(file: &Path) -> Result<Vec<(usize, Regression)>, Failure> {
    if !file.exists() {
        return Ok(vec![]);
    }
    let text = files::read(file)?;
    let parsed: File = files::parse_toml(file, &text, "the file's first lines say what an entry is")?;
    let mut regressions = Vec::new();
    for entry in parsed.regression {
        let line = mistake::line_of(&text, entry.span().start);
        let entry = entry.into_inner();
        let fault = |what: &str| Err(Failure::new(format!("{}:{line}: {what}", file.display())));
        match (&entry.scenario, &entry.swarm, entry.seed) {
            (Some(_), None, _) | (None, Some(_), Some(_)) => {}
            (None, Some(_), None) => {
                return fault("a regression of a swarm needs a seed; write the one that failed");
            }
            _ => return fault("a regression has either a scenario or a swarm; write one of them"),
        }
        let Expect { violates, holds, may_violate } = entry.expect.clone().unwrap_or_default();
        if violates.is_empty() && holds.is_empty() && !may_violate.is_empty() {
            return fault(
                "`may_violate` alone can not fail for what the entry remembers; write in `violates` what it has to show",
            );
        }
        regressions.push((line, entry));
    }
    Ok(regressions)
}

/// Runs one entry twice and judges it.
///
/// # Errors
/// Where what it names is not there.
pub(crate) fn check<L: Systems>(
    file: &Path,
    (line, entry): &(usize, Regression),
    out: &Out<'_>,
) -> Result<ScenarioReport, Failure> {
    with_system::<L, _, _>(&system(file, entry)?, Kept { file, line: *line, entry, out })
}

/// The system that an entry is of.
///
/// # Errors
/// If the scenario that it names is not there, or is none.
pub(crate) fn system(file: &Path, entry: &Regression) -> Result<String, Failure> {
    match (&entry.scenario, &entry.swarm) {
        (Some(scenario), _) => {
            let path = file.with_file_name("").join(scenario);
            Ok(cloudchamber_folder::scenario::system_of(&path, &files::read(&path)?)?)
        }
        (None, swarm) => Ok(swarm.as_ref().map(|swarm| swarm.system.clone()).unwrap_or_default()),
    }
}

struct Kept<'a> {
    file: &'a Path,
    line: usize,
    entry: &'a Regression,
    out: &'a Out<'a>,
}

impl Work for Kept<'_> {
    type Output = Result<ScenarioReport, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let Self { file, line, entry, out } = self;
        let (mut scenario, command, named) = match (&entry.scenario, &entry.swarm, entry.seed) {
            (None, Some(call), Some(seed)) => {
                let order = Order::of(call, seed..seed + 1, 1)?;
                (order.swarm::<S>()?.draw(seed), order.call::<S>().seeds(seed..seed + 1), file.to_path_buf())
            }
            (path, _, seed) => {
                let path = file.with_file_name("").join(path.as_deref().unwrap_or(Path::new("")));
                let mut scenario = Scenario::<S>::parse(&path, &files::read(&path)?)?;
                scenario.seed = seed.unwrap_or(scenario.seed);
                let command = reproduce::run(&path, scenario.seed);
                (scenario, command, path)
            }
        };
        if let Some(expect) = &entry.expect {
            scenario.expect = expect.clone();
            scenario
                .check()
                .map_err(|(key, what)| Failure::new(format!("{}:{line}: {key}: {what}", file.display())))?;
        }
        scenario.about.clone_from(&entry.about);
        let trace = format!("traces/regressions/line-{line}.jsonl");
        scenarios::twice(&scenario, &named, command, out, &trace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Vec<(usize, Regression)>, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("regressions.toml");
        std::fs::write(&file, text).unwrap();
        read(&file)
            .map_err(|failure| failure.to_string().replace(&file.display().to_string(), "regressions.toml"))
    }

    #[test]
    fn an_entry_names_its_line() {
        let text = "# header\n\n[[regression]]\nabout = \"x\"\nscenario = \"a.toml\"\n\n[[regression]]\nabout = \"y\"\nseed = 3\n\
                    swarm = { system = \"failover\", design = \"published\", profile = \"git\" }\n";
        let lines: Vec<_> = read_text(text).unwrap().iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 7]);
    }

    #[test]
    fn a_wrong_entry_is_named() {
        let both = "[[regression]]\nabout = \"x\"\n";
        insta::assert_snapshot!(read_text(both).unwrap_err(), @"regressions.toml:1: a regression has either a scenario or a swarm; write one of them");
        let vain =
            "[[regression]]\nabout = \"x\"\nscenario = \"a.toml\"\nexpect = { may_violate = [\"y\"] }\n";
        insta::assert_snapshot!(read_text(vain).unwrap_err(), @"regressions.toml:1: `may_violate` alone can not fail for what the entry remembers; write in `violates` what it has to show");
        let unknown = "[[regression]]\nabout = \"x\"\nscenery = 1\n";
        assert!(read_text(unknown).unwrap_err().starts_with("regressions.toml:3: unknown field `scenery`"));
    }
}
