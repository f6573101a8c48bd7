//! `journal append`.

use std::io::BufRead;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::address::Mention;
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::protocol::{Command, Joining, Journal, Manage, Told};
use cloudchamber_core::journal::schema::{Field, Kind};
use cloudchamber_host::Lock;
use cloudchamber_host::machine::Machine;
use serde_json::json;

use super::super::{print_json, say};
use super::place::Place;
use super::warn;

pub(super) fn said(body: &str, from: &str, home: &str) -> Event {
    Event::new(Kind::Message)
        .with_raw("channel_id", "null")
        .with_text(Field::Home, home)
        .with_text(Field::FromAgent, from)
        .with_text(Field::Body, body)
        .with_raw("mentions", "[]")
        .with_text(Field::MessageType, "agent")
        .with_raw("reply_to", "null")
        .with_raw("edited_at", "null")
        .with_raw("archived_at", "null")
}

pub(super) fn run(place: &Place, events: &[String], said: Option<Event>) -> anyhow::Result<ExitCode> {
    let roots = place.writing(None)?;
    let lock = Lock::wait(&roots.local)?;
    let mut refused = None;
    let mut machine = Machine::open(roots.fs.clone(), &roots.local, lock, Joining::AsKnown, &mut |told| {
        warn(told);
        if let Told::Refused(refusal) = told {
            refused = Some(refusal.clone());
        }
    })?;
    let Some(own) = machine.journal().identity().map(|own| own.id.clone()) else {
        return Err(anyhow!(
            refused.map_or("this machine cannot write".to_owned(), |why| roots.explain(&why))
        ));
    };
    let mut acknowledged = Vec::new();
    let mut append = |event: Event| -> anyhow::Result<()> {
        let event = addressed(event, machine.journal(), &own)?;
        machine.command(event, &mut |told| match told {
            Told::Acknowledged { seq, line, path, .. } if place.json => {
                acknowledged.push(json!({ "seq": seq, "file": path.name(), "line": line }));
            }
            Told::Acknowledged { seq, line, path, .. } => {
                say(&format!("{seq} {} {line}", path.name()));
            }
            Told::Kept { seq, line, path, .. } if place.json => {
                acknowledged.push(json!({ "seq": seq, "file": path.name(), "line": line, "kept": true }));
            }
            told => warn(told),
        })?;
        Ok(())
    };
    // What comes before a bad event counts, and whoever asked is told so.
    let result = every_event(events, said, &mut append);
    let sealed = machine.command(Command::Manage(Manage::Seal), &mut warn);
    if place.json {
        print_json(&json!({ "machine": own, "events": acknowledged }));
    }
    if let Err(error) = sealed {
        eprintln!("warning: the checksums are as they were: {error}");
    }
    result?;
    Ok(ExitCode::SUCCESS)
}

/// A message with its mentions. One without a machine means this one: it is written down so that every machine knows.
fn addressed(event: Event, journal: &Journal, own: &str) -> anyhow::Result<Event> {
    let unsaid = event.raw(Field::Mentions).is_none_or(|raw| raw == "[]");
    let body = event.text(Field::Body).filter(|_| event.kind() == Kind::Message && unsaid);
    let Some(body) = body else { return Ok(event) };
    let mentions = Mention::all_in(&body, own, journal.aliases(), Design::HARDENED.following);
    let stored: Vec<_> = mentions.iter().map(Mention::stored).collect();
    let stored = serde_json::to_string(&stored)?;
    Ok(event.with_raw("mentions", stored))
}

/// Reads an event from an argument or a line of input.
fn event(text: &str, line: usize) -> anyhow::Result<Event> {
    let place = if line == 0 { "the event".to_owned() } else { format!("standard input, line {line}") };
    let parsed = Event::parse(text);
    parsed.map_err(|kind| anyhow!("{place}: {kind}: give a JSON object with a \"type\", such as {{\"type\":\"thread\",\"name\":\"design\"}}"))
}

/// Hands on the events of a command line, and of standard input where that is named.
fn every_event(
    events: &[String],
    said: Option<Event>,
    append: &mut dyn FnMut(Event) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if let Some(said) = said {
        append(said)?;
    }
    for text in events {
        if text != "-" {
            append(event(text, 0)?)?;
            continue;
        }
        for (at, line) in std::io::stdin().lock().lines().enumerate() {
            let line = line.with_context(|| format!("standard input, line {}", at + 1))?;
            if !line.trim().is_empty() {
                append(event(&line, at + 1)?)?;
            }
        }
    }
    Ok(())
}
