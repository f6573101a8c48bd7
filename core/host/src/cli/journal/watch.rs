//! `journal watch`.

use std::path::Path as OsPath;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use cloudchamber_core::journal::protocol::{Command, Joining, Manage, Told};
use cloudchamber_core::journal::refusal::Refusal;
use cloudchamber_host::Lock;
use cloudchamber_host::changes::Changes;
use cloudchamber_host::log::Log;
use cloudchamber_host::machine::Machine;
use serde_json::json;

use super::super::{say_news, tell_once};
use super::place::{Place, Roots};
use super::rebuild::rebuild;
use super::{DesignName, warn, warning};

pub(super) fn run(place: &Place, every: u64, accept: bool) -> anyhow::Result<ExitCode> {
    let (roots, every) = (place.writing(None)?, Duration::from_secs(every.max(1)));
    let mut notices = changes(&roots.folder)?;
    let mut heard = Heard::default();
    let lock = Lock::wait(&roots.local)?;
    let mut machine = Machine::open(roots.fs.clone(), &roots.local, lock, Joining::AsKnown, &mut |told| {
        heard.hear(told);
    })?;
    if accept {
        roots.fs.accept_folder();
        machine.command(Command::Manage(Manage::Accept), &mut |told| heard.hear(told))?;
    }
    machine.look(&mut |told| heard.hear(told))?;
    loop {
        machine.rest();
        if std::mem::take(&mut heard.looked) && !show(place, &roots, &mut heard.log)? {
            return Ok(ExitCode::SUCCESS);
        }
        notices.wait(every);
        if !roots.folder.is_dir() {
            let gone =
                format!("warning: {}: the shared folder is gone: waiting for it", roots.folder.display());
            eprintln!("{}", Log::line(&gone));
            while !roots.folder.is_dir() {
                std::thread::sleep(every.min(Duration::from_secs(5)));
            }
            eprintln!("{}", Log::line(&format!("{}: the shared folder is back", roots.folder.display())));
            notices = changes(&roots.folder)?;
        }
        machine.resume(Lock::wait(&roots.local)?);
        if let Err(error) = machine.look(&mut |told| heard.hear(told)) {
            // What others write is taken in all the same.
            tell_once(&mut heard.log, &format!("warning: {error}"));
        }
    }
}

/// Brings the view up to date and says what changed; whether somebody still listens.
fn show(place: &Place, roots: &Roots, log: &mut Log) -> anyhow::Result<bool> {
    if !roots.folder.is_dir() {
        return Ok(true);
    }
    let (_, rebuilt) = rebuild(roots, false, DesignName::Hardened)?;
    for problem in &rebuilt.problems {
        tell_once(log, &warning(problem));
    }
    if rebuilt.records == 0 {
        return Ok(true);
    }
    let document = || json!({ "records": rebuilt.records, "full": rebuilt.full });
    Ok(say_news(place.json, document, || format!("took in {} records", rebuilt.records)))
}

/// What the machine told.
#[derive(Default)]
struct Heard {
    /// Whether it has looked.
    looked: bool,
    /// Why it cannot write, as told last.
    refused: Option<Refusal>,
    /// What was told lately.
    log: Log,
}

impl Heard {
    fn hear(&mut self, told: &Told) {
        match told {
            Told::Looked => self.looked = true,
            // One that has no id here only watches.
            Told::Refused(Refusal::NoIdentity) => {}
            // It stops whoever appends; what others write is taken in all the same.
            Told::Refused(refusal) if self.refused.as_ref() != Some(refusal) => {
                eprintln!("{}", Log::line(&format!("warning: {refusal}")));
                self.refused = Some(refusal.clone());
            }
            told => warn(told),
        }
    }
}

/// Notices of what is written in the shared directory.
fn changes(folder: &OsPath) -> anyhow::Result<Changes> {
    let shared = folder.join("shared");
    Changes::of(&shared)
        .with_context(|| format!("{}: it cannot be watched: run journal init first", shared.display()))
}
