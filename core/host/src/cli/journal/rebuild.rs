//! `journal rebuild`, and the view that `watch` keeps.

use std::process::ExitCode;
use std::time::Duration;

use cloudchamber_core::journal::clock::Hybrid;
use cloudchamber_core::journal::protocol::{Command, Joining, Manage};
use cloudchamber_core::journal::seen::seen;
use cloudchamber_host::database::{Database, Rebuilt};
use cloudchamber_host::machine::Machine;
use cloudchamber_host::{Lock, clock, small};
use serde_json::json;

use super::super::{Bar, print_json, say};
use super::place::{Place, Roots};
use super::{DesignName, problems, report, warn};

/// How long it waits for the lock to note what was shown.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn run(place: &Place, full: bool, design: DesignName) -> anyhow::Result<ExitCode> {
    let roots = place.writing(None)?;
    let (database, rebuilt) = rebuild(&roots, full, design)?;
    report(&rebuilt.problems);
    let view = roots.local.join(design.database());
    if place.json {
        print_json(&json!({
            "full": rebuilt.full,
            "records": rebuilt.records,
            "digest": format!("{:016x}", database.digest()?),
            "problems": problems(&rebuilt.problems),
            "view": view,
        }));
    } else {
        let done = match rebuilt.full {
            Some(why) => format!("rebuilt {} records anew: {why}", rebuilt.records),
            None => format!("took in {} new records", rebuilt.records),
        };
        say(&format!("{done}; {}", view.display()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Brings a view up to date with the files.
pub(super) fn rebuild(roots: &Roots, full: bool, design: DesignName) -> anyhow::Result<(Database, Rebuilt)> {
    // One process at a time makes a view; writers of events have a lock of their own.
    let _lock = Lock::wait(&roots.local.join("tmp"))?;
    keep(roots)?;
    let mut database = Database::open(&roots.local.join(design.database()), design.design())?;
    let rebuilt = database.rebuild(&roots.fs, full, &Bar::new())?;
    note(roots, database.clock())?;
    let collisions =
        json!({ "updated_at": clock::now().wall.0.div_euclid(1_000), "collisions": database.collisions()? });
    let has = collisions["collisions"].as_array().is_some_and(|list| !list.is_empty());
    let file = roots.local.join("collisions.json");
    match has {
        true => small::put(&roots.local, &file, format!("{collisions:#}\n").as_bytes())?,
        false => small::remove(&file)?,
    }
    Ok((database, rebuilt))
}

/// Keeps what the journals have now, so that what one lacks that had it before stays in the view. Where another process
/// of this machine is at work, that one does it.
fn keep(roots: &Roots) -> anyhow::Result<()> {
    let lock = if roots.writable { Lock::attempt(&roots.local)? } else { None };
    if let Some(lock) = lock {
        let (fs, looking) = (roots.fs.clone(), Joining::OnlyLooking);
        Machine::open(fs, &roots.local, lock, looking, &mut warn)?.look(&mut warn)?;
    }
    Ok(())
}

/// Takes note of a clock that was shown, so that whatever is appended from now on comes after it.
pub(super) fn note(roots: &Roots, clock: Hybrid) -> anyhow::Result<()> {
    if !roots.writable || seen(&roots.fs).is_ok_and(|seen| clock <= seen) {
        return Ok(());
    }
    let Some(lock) = patiently(roots)? else {
        eprintln!(
            "warning: {}: another process of this machine is writing: what it appends may be taken to be older than what is \
             shown",
            roots.local.display()
        );
        return Ok(());
    };
    let (fs, looking) = (roots.fs.clone(), Joining::OnlyLooking);
    let mut machine = Machine::open(fs, &roots.local, lock, looking, &mut warn)?;
    machine.command(Command::Manage(Manage::Saw { ms: clock.ms, count: clock.count }), &mut warn)?;
    Ok(())
}

/// The lock, if it is free before long.
fn patiently(roots: &Roots) -> anyhow::Result<Option<Lock>> {
    const LOOK: Duration = Duration::from_millis(20);
    let mut left = PATIENCE;
    loop {
        if let Some(lock) = Lock::attempt(&roots.local)? {
            return Ok(Some(lock));
        }
        let Some(less) = left.checked_sub(LOOK) else { return Ok(None) };
        left = less;
        std::thread::sleep(LOOK);
    }
}
