//! The commands that only read.

use std::process::ExitCode;

use anyhow::bail;
use cloudchamber_core::notes::{Note, State};
use cloudchamber_host::notes::{Synced, has_text, title};
use serde_json::{Value, json};

use super::super::{print_json, say, verdict};
use super::{Place, find, note, problems, warn};

pub(super) fn list(place: &Place, all: bool) -> anyhow::Result<ExitCode> {
    let reading = place.look()?;
    let view = reading.view();
    let mut notes = view.notes();
    if all {
        notes.extend(view.ids().into_iter().filter(|id| view.is_deleted(id)).filter_map(|id| view.note(&id)));
    } else {
        notes.retain(|note| note.state != State::Trashed);
    }
    // The newest first; what says no time comes last.
    notes.sort_by(|a, b| (b.document.modified_ms, &a.id).cmp(&(a.document.modified_ms, &b.id)));
    if place.json {
        print_json(&json!({ "notes": notes.iter().map(note).collect::<Value>() }));
        return Ok(ExitCode::SUCCESS);
    }
    for note in &notes {
        let mark =
            if note.is_incomplete && note.state != State::NotYet { "  (something is missing)" } else { "" };
        let state = format!("{:<8}", note.state.text());
        let state = if all || note.state == State::NotYet { state } else { String::new() };
        if !say(format!("{}  {state}{}{mark}", note.id, title(&note.document.text)).trim_end()) {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn search(place: &Place, words: &str, all: bool) -> anyhow::Result<ExitCode> {
    let mut notebook = place.open(&place.options())?;
    warn(&notebook.take_news());
    let mut found = notebook.search(words)?;
    found.retain(|found| all || !found.is_trashed);
    if place.json {
        let rows = found.iter().map(|found| {
            json!({
                "note": found.note,
                "state": if found.is_trashed { State::Trashed.text() } else { State::Live.text() },
                "title": found.title,
                "line": found.line,
                "modified_ms": found.modified_ms,
            })
        });
        print_json(&json!({ "notes": rows.collect::<Value>() }));
        return Ok(ExitCode::SUCCESS);
    }
    for found in &found {
        let line = if found.line == found.title { String::new() } else { format!(": {}", found.line) };
        if !say(&format!("{}  {}{line}", found.note, found.title)) {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn show(place: &Place, first: &str) -> anyhow::Result<ExitCode> {
    let reading = place.look()?;
    let id = find(reading.view(), first)?;
    let Some(found) = reading.view().note(&id) else { bail!("{id}: there is no such note here") };
    if place.json {
        print_json(&note(&found));
        return Ok(ExitCode::SUCCESS);
    }
    shown(&found)?;
    for problem in &found.problems {
        eprintln!("warning: {problem}: {}", problem.kind.advice());
    }
    say(&found.document.text);
    Ok(ExitCode::SUCCESS)
}

fn shown(note: &Note) -> anyhow::Result<()> {
    let id = &note.id;
    match note.state {
        State::Deleted => bail!("{id}: it is deleted for good"),
        State::NotYet => {
            bail!("{id}: nothing of it that can be shown has arrived: wait, or look at notes verify")
        }
        State::Trashed => eprintln!("{id}: it is in the trash"),
        State::Live => {}
    }
    debug_assert!(has_text(note));
    if note.is_incomplete {
        eprintln!("warning: {id}: something of it has not arrived");
    }
    Ok(())
}

pub(super) fn dry_run(place: &Place) -> anyhow::Result<ExitCode> {
    let reading = place.look()?;
    let synced = reading.unsynced()?;
    if place.json {
        let mut document = synced_json(&synced);
        document["dry_run"] = true.into();
        document["writes"] = reading.is_due.into();
        print_json(&document);
        return Ok(ExitCode::SUCCESS);
    }
    if reading.is_due {
        say("this machine's own files would be written: a new instance, or what a crash has left undone");
    }
    for (what, notes) in [("receive", &synced.received), ("send", &synced.sent), ("delete", &synced.deleted)]
    {
        for id in notes {
            let text = reading.view().text(id).unwrap_or_default();
            say(format!("would {what} {id}  {}", title(&text)).trim_end());
        }
    }
    say(&format!("{synced}; nothing was written"));
    Ok(ExitCode::SUCCESS)
}

/// What a sync has brought, as JSON.
pub(super) fn synced_json(synced: &Synced) -> Value {
    json!({
        "received": synced.received,
        "sent": synced.sent,
        "deleted": synced.deleted,
        "waiting": synced.waiting,
        "copies": synced.copies,
        "problems": synced.problems,
    })
}

pub(super) fn verify(place: &Place) -> anyhow::Result<ExitCode> {
    let reading = place.look()?;
    let view = reading.view();
    let found = view.problems();
    let notes = view.ids().into_iter().filter(|id| !view.is_deleted(id)).count();
    let awaited = view.awaited();
    if place.json {
        let awaited = awaited
            .iter()
            .map(|(note, instance, seq)| json!({ "note": note, "instance": instance, "seq": seq }));
        print_json(&json!({
            "ok": found.is_empty(),
            "instance": view.instance(),
            "notes": notes,
            "deleted": view.ids().len() - notes,
            "awaited": awaited.collect::<Value>(),
            "problems": problems(&found),
        }));
    } else {
        for problem in &found {
            say(&format!("{problem}: {}", problem.kind.advice()));
        }
        for (note, instance, seq) in &awaited {
            say(&format!("{note}: record {seq} of {instance} has not arrived yet"));
        }
        say(&format!("{notes} notes, {} problems", found.len()));
    }
    Ok(verdict(!found.is_empty()))
}
