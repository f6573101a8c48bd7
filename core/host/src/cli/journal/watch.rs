//! `journal watch`.

use std::path::Path as OsPath;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::Context;
use cloudchamber_core::journal::protocol::{Joining, Told};
use cloudchamber_core::journal::refusal::Refusal;
use cloudchamber_host::Lock;
use cloudchamber_host::machine::Machine;
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use serde_json::json;

use super::super::say;
use super::place::{Place, Roots};
use super::rebuild::rebuild;
use super::{DesignName, report, warn};

/// Notices come in heaps: it waits until none has come for so long.
const HEAP: Duration = Duration::from_millis(100);

pub(super) fn run(place: &Place, every: u64) -> anyhow::Result<ExitCode> {
    let (roots, every) = (place.writing(None)?, Duration::from_secs(every.max(1)));
    let mut changes = Changes::of(&roots.folder)?;
    let mut heard = Heard::default();
    let lock = Lock::wait(&roots.local)?;
    let mut machine = Machine::open(roots.fs.clone(), &roots.local, lock, Joining::AsKnown, &mut |told| {
        heard.hear(told);
    })?;
    machine.look(&mut |told| heard.hear(told))?;
    loop {
        machine.rest();
        if std::mem::take(&mut heard.looked) && !show(place, &roots)? {
            return Ok(ExitCode::SUCCESS);
        }
        changes.wait(every);
        if !roots.folder.is_dir() {
            eprintln!("warning: {}: the shared folder is gone: waiting for it", roots.folder.display());
            while !roots.folder.is_dir() {
                std::thread::sleep(every.min(Duration::from_secs(5)));
            }
            eprintln!("{}: the shared folder is back", roots.folder.display());
            changes = Changes::of(&roots.folder)?;
        }
        machine.resume(Lock::wait(&roots.local)?);
        if let Err(error) = machine.look(&mut |told| heard.hear(told)) {
            // What others write is taken in all the same.
            eprintln!("warning: {error}");
        }
    }
}

/// Brings the view up to date and says what changed; whether somebody still listens.
fn show(place: &Place, roots: &Roots) -> anyhow::Result<bool> {
    if !roots.folder.is_dir() {
        return Ok(true);
    }
    let (_, rebuilt) = rebuild(roots, false, DesignName::Hardened)?;
    report(&rebuilt.problems);
    if rebuilt.records == 0 {
        return Ok(true);
    }
    let line = json!({ "records": rebuilt.records, "full": rebuilt.full });
    Ok(match place.json {
        true => say(&line.to_string()),
        false => say(&format!("took in {} records", rebuilt.records)),
    })
}

/// What the machine told.
#[derive(Default)]
struct Heard {
    /// Whether it has looked.
    looked: bool,
    /// Why it cannot write, as told last.
    refused: Option<Refusal>,
}

impl Heard {
    fn hear(&mut self, told: &Told) {
        match told {
            Told::Looked => self.looked = true,
            // One that has no id here only watches.
            Told::Refused(Refusal::NoIdentity) => {}
            // It stops whoever appends; what others write is taken in all the same.
            Told::Refused(refusal) if self.refused.as_ref() != Some(refusal) => {
                eprintln!("warning: {refusal}");
                self.refused = Some(refusal.clone());
            }
            told => warn(told),
        }
    }
}

/// Notices of changes below a folder. They are hints: they come late, in heaps or not at all.
struct Changes {
    notices: Receiver<notify::Result<notify::Event>>,
    _watcher: RecommendedWatcher,
}

impl Changes {
    fn of(folder: &OsPath) -> anyhow::Result<Self> {
        let (sender, notices) = channel();
        let mut watcher = notify::recommended_watcher(move |notice| {
            // Whoever waits is gone only when the process ends.
            let _ = sender.send(notice);
        })?;
        let shared = folder.join("shared");
        watcher
            .watch(&shared, RecursiveMode::Recursive)
            .with_context(|| format!("{}: it cannot be watched: run journal init first", shared.display()))?;
        Ok(Self { notices, _watcher: watcher })
    }

    /// Waits for a notice, at most so long.
    fn wait(&self, most: Duration) {
        if self.notices.recv_timeout(most).is_ok() {
            while self.notices.recv_timeout(HEAP).is_ok() {}
        }
    }
}
