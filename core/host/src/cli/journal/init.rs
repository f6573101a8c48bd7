//! `journal init`.

use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use cloudchamber_core::journal::init::init;
use cloudchamber_core::journal::migrate;
use cloudchamber_core::journal::protocol::{Command, Joining, Manage, Told};
use cloudchamber_host::machine::Machine;
use cloudchamber_host::{Lock, clock};
use serde_json::json;

use super::super::{print_json, say};
use super::place::Place;
use super::warn;

pub(super) fn run(place: &Place, machine: &str, migrating: bool) -> anyhow::Result<ExitCode> {
    // What lies above it is there or the folder is meant to be elsewhere, such as on a disk that is not mounted.
    match std::fs::create_dir(&place.folder) {
        Err(error) if !place.folder.is_dir() => {
            return Err(error).with_context(|| {
                format!("{}: give a folder that is there, or that can be made in one", place.folder.display())
            });
        }
        _ => {}
    }
    let roots = place.writing(Some(machine))?;
    let lock = Lock::wait(&roots.local)?;
    let due = migrate::is_due(&roots.fs);
    if due && !migrating {
        bail!("{}: it has the layout before machines: add --migrate", roots.folder.display());
    }
    // A plan tells what stands against it: the machine has another id, or the id is taken.
    let made = due || !init(&roots.fs, machine, clock::now(), None)?.is_empty();
    let mut refused = None;
    let mut heard = |told: &Told| {
        warn(told);
        if let Told::Refused(refusal) = told {
            refused = Some(refusal.clone());
        }
    };
    let joining = Joining::Under(machine.to_owned());
    let mut joined = Machine::open(roots.fs.clone(), &roots.local, lock, joining, &mut heard)?;
    if migrate::is_due(&roots.fs) {
        joined.command(Command::Manage(Manage::Migrate), &mut heard)?;
    }
    let Some(own) = joined.journal().identity() else {
        return Err(anyhow!(
            refused.map_or("this machine cannot write".to_owned(), |why| roots.explain(&why))
        ));
    };
    if place.json {
        let owner = own.owner.map(|owner| owner.to_string());
        print_json(&json!({ "machine": own.id, "owner": owner, "made": made }));
    } else {
        say(&format!("this machine is {}", own.id));
    }
    Ok(ExitCode::SUCCESS)
}
