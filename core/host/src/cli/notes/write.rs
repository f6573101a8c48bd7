//! The commands that write.

use std::io::{BufRead, Read};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use cloudchamber_core::notes::Change as Edit;
use cloudchamber_host::notes::{Notebook, NotesError, Options, Written};
use serde_json::{Value, json};

use super::super::{print_json, say};
use super::read::synced_json;
use super::{Change, Place, find, warn};

/// The text of an argument, or standard input where that is `-`. A last newline of input is no part of it.
fn text(argument: &str) -> anyhow::Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).context("standard input: a note's text is UTF-8")?;
    if text.ends_with('\n') {
        text.pop();
    }
    Ok(text)
}

fn written_json(written: &Written) -> Value {
    json!({ "note": &*written.note, "instance": &*written.instance, "seq": written.seq, "written": true })
}

/// Opens the notes and says what the instance tells of itself.
fn open(place: &Place, options: &Options) -> anyhow::Result<Notebook> {
    let mut notebook = place.open(options)?;
    warn(&notebook.take_news());
    Ok(notebook)
}

pub(super) fn new(place: &Place, argument: &str, id: Option<&str>) -> anyhow::Result<ExitCode> {
    let text = text(argument)?;
    let mut notebook = open(place, &place.options())?;
    let written = match id {
        Some(id) => notebook.create_as(id, &text),
        None => notebook.create(&text),
    }?;
    warn(&notebook.take_news());
    if place.json {
        print_json(&written_json(&written));
    } else {
        say(&written.note);
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn edit(
    place: &Place,
    first: &str,
    change: &Change,
    snapshot_every: Option<u32>,
) -> anyhow::Result<ExitCode> {
    let options = Options { snapshot_records: snapshot_every, ..place.options() };
    let edit = match (change.append.as_deref(), change.set.as_deref(), &change.insert[..], &change.remove[..])
    {
        (Some(more), ..) => Some(Edit::Append(text(more)?)),
        (_, Some(new), ..) => Some(Edit::Set(text(new)?)),
        (.., [at, text], _) => {
            let at =
                at.parse().with_context(|| format!("`{at}`: give the place as a number of characters"))?;
            Some(Edit::Insert { at, text: text.clone() })
        }
        (.., [at, len]) => Some(Edit::Remove { at: *at, len: *len }),
        _ => None,
    };
    let mut notebook = open(place, &options)?;
    let id = find(notebook.view(), first)?;
    let Some(edit) = edit else { return lines(place, &mut notebook, &id) };
    let written = notebook.edit(&id, edit)?;
    warn(&notebook.take_news());
    match written {
        Some(written) if place.json => print_json(&written_json(&written)),
        None if place.json => print_json(&json!({ "note": &*id, "written": false })),
        Some(written) => drop(say(&format!("{id}: written as number {}", written.seq))),
        None => drop(say(&format!("{id}: it says that already"))),
    }
    Ok(ExitCode::SUCCESS)
}

/// Each line of standard input becomes a record, and is acknowledged once that is on disk.
fn lines(place: &Place, notebook: &mut Notebook, id: &str) -> anyhow::Result<ExitCode> {
    let mut all = Vec::new();
    for (at, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line.with_context(|| format!("standard input, line {}", at + 1))?;
        let before = if notebook.view().text(id).is_none_or(|text| text.is_empty()) { "" } else { "\n" };
        let written = notebook
            .edit(id, Edit::Append(format!("{before}{line}")))
            .with_context(|| format!("standard input, line {}", at + 1));
        warn(&notebook.take_news());
        match written {
            Ok(None) => {}
            Ok(Some(written)) if place.json => all.push(written_json(&written)),
            // Whoever has gone away still has what it asked for.
            Ok(Some(written)) => drop(say(&format!("{} {} {line}", written.instance, written.seq))),
            Err(error) => {
                // What comes before counts, and whoever asked is told so.
                if place.json {
                    print_json(&json!({ "note": id, "records": all }));
                }
                return Err(error);
            }
        }
    }
    if place.json {
        print_json(&json!({ "note": id, "records": all }));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn delete(place: &Place, firsts: &[String], for_good: bool) -> anyhow::Result<ExitCode> {
    let how = if for_good { How::DeleteForGood } else { How::Delete };
    each(place, firsts, how)
}

pub(super) fn restore(place: &Place, firsts: &[String]) -> anyhow::Result<ExitCode> {
    each(place, firsts, How::Restore)
}

/// What is done to each of some notes.
#[derive(Clone, Copy)]
enum How {
    Delete,
    DeleteForGood,
    Restore,
}

impl How {
    fn act(self, notebook: &mut Notebook, id: &str) -> Result<bool, NotesError> {
        match self {
            Self::Delete => notebook.delete(id).map(|written| written.is_some()),
            Self::DeleteForGood => notebook.delete_for_good(id),
            Self::Restore => notebook.restore(id).map(|written| written.is_some()),
        }
    }

    /// What was done, and what was so before.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Delete => ("in the trash now", "in the trash already"),
            Self::DeleteForGood => ("deleted for good", "deleted for good already"),
            Self::Restore => ("restored", "not in the trash"),
        }
    }
}

fn each(place: &Place, firsts: &[String], how: How) -> anyhow::Result<ExitCode> {
    let mut notebook = open(place, &place.options())?;
    // One that is not there leaves the others as they are.
    let found: anyhow::Result<Vec<Arc<str>>> =
        firsts.iter().map(|first| find(notebook.view(), first)).collect();
    let mut rows = Vec::new();
    let mut failed = None;
    for id in found? {
        match how.act(&mut notebook, &id) {
            Ok(changed) => {
                let (now, before) = how.words();
                if !place.json {
                    say(&format!("{id}: {}", if changed { now } else { before }));
                }
                rows.push(json!({ "note": &*id, "written": changed }));
            }
            Err(error) => {
                failed = Some(error);
                break;
            }
        }
        warn(&notebook.take_news());
    }
    if place.json {
        print_json(&json!({ "notes": rows }));
    }
    match failed {
        Some(error) => bail!(error),
        None => Ok(ExitCode::SUCCESS),
    }
}

pub(super) fn sync(place: &Place, accept: bool) -> anyhow::Result<ExitCode> {
    // Opening reads every file, and does what is to be done.
    let mut notebook = open(place, &Options { accept, ..place.options() })?;
    let synced = notebook.synced()?;
    if place.json {
        print_json(&synced_json(&synced));
    } else {
        say(&synced.to_string());
    }
    Ok(ExitCode::SUCCESS)
}
