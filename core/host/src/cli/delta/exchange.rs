//! `delta sync`, `delta watch` and `delta import`.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path as OsPath;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use cloudchamber_core::delta::{Conflict, Key, Report};
use cloudchamber_host::delta::Synced;
use cloudchamber_host::log::Log;
use serde_json::{Value, json};

use super::super::{Bar, print_json, say, say_news, tell_once};
use super::{LayoutName, Place, id_of, rows, warn, warnings};

/// How a sync is done.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum How {
    /// With the folder as it is.
    Accepting,
    /// Only planned.
    Dry,
    /// As it is with any folder that is here.
    Usual,
}

impl How {
    pub(super) fn of(accepts: bool) -> Self {
        if accepts { Self::Accepting } else { Self::Usual }
    }
}

pub(super) fn sync(place: &Place, how: How, layout: Option<LayoutName>) -> anyhow::Result<ExitCode> {
    let mut replica = place.open(layout)?;
    replica.show(Box::new(Bar::new()));
    let dry_run = how == How::Dry;
    let synced = match how {
        How::Accepting => replica.accept()?,
        How::Dry => replica.dry_run()?,
        How::Usual => replica.sync()?,
    };
    synced.said.iter().for_each(|said| eprintln!("{said}"));
    if place.json {
        let mut document = document(&synced);
        document["replica"] = id_of(replica.delta()).into();
        document["dryRun"] = dry_run.into();
        print_json(&document);
        return Ok(ExitCode::SUCCESS);
    }
    warn(&synced.report.problems);
    if dry_run {
        list("would be received", &synced.report.received);
        list("would be sent", &synced.report.sent);
    }
    synced.conflicts.iter().for_each(|conflict| {
        eprintln!("conflict {}: {}: delta conflicts tells more", conflict.id(), conflict.key);
    });
    say(&synced.report.to_string());
    Ok(ExitCode::SUCCESS)
}

fn list(what: &str, keys: &BTreeSet<Key>) {
    for key in keys {
        if !say(&format!("{key} {what}")) {
            return;
        }
    }
}

/// What a sync did, as JSON.
fn document(synced: &Synced) -> Value {
    let Report { received, sent, conflicts, collected, waiting, problems } = &synced.report;
    let keys = |keys: &BTreeSet<Key>| -> Value {
        keys.iter().map(|key| json!({ "kind": &*key.kind, "id": &*key.id })).collect()
    };
    json!({
        "received": keys(received),
        "sent": keys(sent),
        "counts": { "received": Report::by_kind(received), "sent": Report::by_kind(sent) },
        "conflicts": conflicts,
        "newConflicts": synced.conflicts.iter().map(Conflict::id).collect::<Vec<_>>(),
        "collected": collected,
        "waiting": waiting,
        "problems": rows(problems),
        "said": synced.said,
        "summary": synced.report.to_string(),
    })
}

pub(super) fn watch(place: &Place, every: u64, accept: bool) -> anyhow::Result<ExitCode> {
    let mut replica = place.open(None)?;
    replica.show(Box::new(Bar::new()));
    let mut log = Log::default();
    if accept {
        tell(place, &replica.accept()?, &mut log);
    }
    let mut fails = false;
    replica.watch(Duration::from_secs(every.max(1)), &mut |_, synced| {
        let synced = match synced {
            Ok(synced) => synced,
            Err(error) => {
                tell_once(&mut log, &format!("warning: {error}"));
                fails = true;
                return ControlFlow::Continue(());
            }
        };
        if std::mem::take(&mut fails) {
            eprintln!("{}", Log::line("it syncs again"));
        }
        let listens = tell(place, &synced, &mut log);
        if listens { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Says what a sync did, if it did anything; whether somebody still listens.
fn tell(place: &Place, synced: &Synced, log: &mut Log) -> bool {
    synced.said.iter().for_each(|said| eprintln!("{}", Log::line(said)));
    warnings(&synced.report.problems).for_each(|warning| tell_once(log, &warning));
    let news = Report { problems: Vec::new(), waiting: 0, ..synced.report.clone() };
    news == Report::default() || say_news(place.json, || document(synced), || synced.report.to_string())
}

pub(super) fn import(place: &Place, state: Option<&OsPath>) -> anyhow::Result<ExitCode> {
    let mut replica = place.open(None)?;
    replica.show(Box::new(Bar::new()));
    let before = replica.conflicts().count();
    let imported = match state {
        Some(file) => {
            let text = std::fs::read(file)
                .with_context(|| format!("{}: give a file that can be read with --state", file.display()))?;
            let text = String::from_utf8(text)
                .with_context(|| format!("{}: give a state that is JSON text", file.display()))?;
            replica.import_state(&text).with_context(|| file.display().to_string())?
        }
        None => replica.import()?,
    };
    let conflicts = replica.conflicts().count().saturating_sub(before);
    if place.json {
        print_json(&json!({
            "replica": id_of(replica.delta()),
            "found": imported.found,
            "new": imported.new,
            "conflicts": conflicts,
            "problems": rows(&imported.problems),
        }));
        return Ok(ExitCode::SUCCESS);
    }
    warn(&imported.problems);
    let entities = |count: u64| format!("{count} {}", if count == 1 { "entity" } else { "entities" });
    let mut said = format!("{} found, {} of them new", entities(imported.found), imported.new);
    if conflicts > 0 {
        said.push_str(&format!("; {conflicts} in conflict with what is known: delta conflicts lists them"));
    }
    say(&said);
    Ok(ExitCode::SUCCESS)
}
