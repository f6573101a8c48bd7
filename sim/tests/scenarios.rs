//! Every scenario file: it is the same run under madsim, does what it says, and replays in the world without the simulator.

use std::path::Path;

use cloudchamber_folder::System;
use cloudchamber_folder::scenario::{self, Scenario};
use cloudchamber_folder::systems::{BuiltIn, Systems, Work};
use cloudchamber_folder::trace::Trace;

type Checked = Result<(), Box<dyn std::error::Error>>;

fn a_scenario_does_what_it_says(file: &Path, text: String) -> Checked {
    let system = scenario::system_of(file, &text)?;
    let done = BuiltIn::with(&system, Check { file, text: &text });
    done.unwrap_or_else(|| Err(format!("{}: there is no system `{system}`", file.display()).into()))
}

struct Check<'a> {
    file: &'a Path,
    text: &'a str,
}

impl Work for Check<'_> {
    type Output = Checked;

    fn on<S: System>(self) -> Checked {
        check::<S>(self.file, self.text)
    }
}

fn check<S: System>(file: &Path, text: &str) -> Checked {
    let scenario = Scenario::<S>::parse(file, text)?;
    let first = cloudchamber_sim::run(&scenario, true);
    let second = cloudchamber_sim::reference(&scenario);
    if first.outcome != second {
        return Err(format!("under madsim the run is another:\n{:?}\n{second:?}", first.outcome).into());
    }
    scenario.judge(&first.outcome.findings)?;
    let recorded = first.trace.ok_or("a trace was asked for")?;
    let read = Trace::<S>::parse(file, &recorded.to_text())?;
    if read != recorded {
        return Err("a trace that was written and read is another".into());
    }
    let replayed =
        read.replay(|_| {}).map_err(|(index, why)| format!("choice {index} was refused: {why}"))?;
    if replayed.hash != first.outcome.hash
        || replayed.findings.violations != first.outcome.findings.violations
    {
        return Err(format!("the replay differs:\n{:?}\n{replayed:?}", first.outcome).into());
    }
    Ok(())
}

/// Every file in a directory that is called like a system.
fn of_systems() -> String {
    format!(r"^({})/.*\.toml$", BuiltIn::NAMES.join("|"))
}

datatest_stable::harness! {
    { test = a_scenario_does_what_it_says, root = "../scenarios", pattern = of_systems() },
}
