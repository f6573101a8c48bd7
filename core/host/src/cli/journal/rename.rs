//! `journal rename`.

use std::process::ExitCode;

use anyhow::bail;
use cloudchamber_core::journal::protocol::{Command, Joining, Manage};
use cloudchamber_host::Lock;
use cloudchamber_host::machine::Machine;
use serde_json::json;

use super::super::{print_json, say};
use super::place::Place;
use super::warn;

pub(super) fn run(place: &Place, old: &str, new: &str) -> anyhow::Result<ExitCode> {
    let roots = place.writing(None)?;
    let lock = Lock::wait(&roots.local)?;
    let fs = roots.fs.clone();
    let mut machine = Machine::open(fs, &roots.local, lock, Joining::AsKnown, &mut warn)?;
    let rename = Manage::Rename { old: old.to_owned(), new: new.to_owned() };
    machine.command(Command::Manage(rename), &mut warn)?;
    let own = machine.journal().identity().map(|own| own.id.as_str());
    if place.json {
        print_json(&json!({ "old": old, "new": new }));
    } else if machine.journal().aliases().get(old).is_some() {
        say(&format!("{old} is called {new} now; its directory keeps its name"));
    } else if own == Some(new) {
        say(&format!("this machine is {new} now; {old} belongs to another one that chose it too"));
    } else {
        bail!("{old} was not renamed: try again");
    }
    Ok(ExitCode::SUCCESS)
}
