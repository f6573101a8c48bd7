//! `delta put` and `delta delete`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use cloudchamber_core::delta::{Change, Fields, Key};
use cloudchamber_core::kit::json::{Json, Node};
use cloudchamber_host::delta::{Done, Replica};
use serde_json::json;

use super::super::{print_json, say, verdict};
use super::{Place, id_of};

/// How many changes are acknowledged at once.
const BATCH: usize = 20;

/// Says what became of changes: each as it is acknowledged, or all of them in the end.
struct Answers<'a> {
    place: &'a Place,
    done: Vec<Done>,
}

impl<'a> Answers<'a> {
    fn new(place: &'a Place) -> Self {
        Self { place, done: Vec::new() }
    }

    fn give(&mut self, replica: &mut Replica, changes: Vec<Change>) -> anyhow::Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let done = replica.change(changes)?;
        if !self.place.json {
            done.iter().for_each(|done| {
                say(&match &done.dot {
                    Some(dot) => format!("{} acknowledged as {dot}", done.key),
                    None => format!("{} unchanged", done.key),
                });
            });
        }
        self.done.extend(done);
        Ok(())
    }

    fn print(&self, replica: &Replica) {
        if !self.place.json {
            return;
        }
        let row = |done: &Done| {
            json!({
                "kind": &*done.key.kind,
                "id": &*done.key.id,
                "changed": done.dot.is_some(),
                "write": done.dot.as_ref().map(ToString::to_string),
            })
        };
        let changes: Vec<_> = self.done.iter().map(row).collect();
        print_json(&json!({ "replica": id_of(replica.delta()), "changes": changes }));
    }
}

pub(super) fn put(place: &Place, key: Key, fields: &[String], unset: &[String]) -> anyhow::Result<ExitCode> {
    let set: BTreeMap<Arc<str>, Json> =
        fields.iter().map(|text| field(text)).collect::<anyhow::Result<_>>()?;
    let unset: BTreeSet<Arc<str>> = unset.iter().map(|name| name.as_str().into()).collect();
    if let Some(both) = unset.iter().find(|name| set.contains_key(*name)) {
        bail!("`{both}` is set and unset: leave out one of them");
    }
    let mut replica = place.open(None)?;
    let mut answers = Answers::new(place);
    answers.give(&mut replica, vec![Change::Put { key, set: Fields(set), unset }])?;
    answers.print(&replica);
    Ok(ExitCode::SUCCESS)
}

/// Reads `NAME=TEXT` or `NAME:=JSON`.
fn field(text: &str) -> anyhow::Result<(Arc<str>, Json)> {
    let way_out = "write a field as NAME=TEXT, or as NAME:=JSON";
    let (name, value) = text.split_once('=').ok_or_else(|| anyhow!("`{text}` has no `=`: {way_out}"))?;
    let (name, value) = match name.strip_suffix(':') {
        Some(name) => {
            let json = Json::parse(value);
            (
                name,
                json.map_err(|flaw| {
                    anyhow!("`{text}`: {flaw}: a text goes after `=` alone: {name}={value}")
                })?,
            )
        }
        None => (name, Json::text(value)),
    };
    if name.is_empty() {
        bail!("`{text}` names no field: {way_out}");
    }
    Ok((name.into(), value))
}

pub(super) fn delete(place: &Place, kind: &str, ids: &[String]) -> anyhow::Result<ExitCode> {
    let mut replica = place.open(None)?;
    let mut answers = Answers::new(place);
    answers.give(&mut replica, ids.iter().map(|id| Change::delete(kind, id)).collect())?;
    answers.print(&replica);
    let missing: Vec<_> = answers.done.iter().filter(|done| done.dot.is_none()).collect();
    for done in &missing {
        eprintln!("{}: there is none here: delta list shows those that there are", done.key);
    }
    Ok(verdict(!missing.is_empty()))
}

/// Changes from standard input, in batches. What comes before a bad line counts, and whoever asked is told so.
pub(super) fn from_input(place: &Place) -> anyhow::Result<ExitCode> {
    let mut replica = place.open(None)?;
    let mut answers = Answers::new(place);
    let given = (|| {
        let mut batch = Vec::with_capacity(BATCH);
        for (at, line) in std::io::stdin().lock().lines().enumerate() {
            let read = line.map_err(anyhow::Error::from).and_then(|line| match line.trim().is_empty() {
                true => Ok(None),
                false => change(&line).map(Some),
            });
            match read.with_context(|| format!("standard input, line {}", at + 1)) {
                Ok(change) => batch.extend(change),
                Err(error) => {
                    answers.give(&mut replica, std::mem::take(&mut batch))?;
                    return Err(error);
                }
            }
            if batch.len() == BATCH {
                answers.give(&mut replica, std::mem::take(&mut batch))?;
            }
        }
        answers.give(&mut replica, batch)
    })();
    answers.print(&replica);
    given.map(|()| ExitCode::SUCCESS)
}

/// Reads a change from a line of input.
fn change(line: &str) -> anyhow::Result<Change> {
    let way_out = r#"write {"kind": "task", "id": "t1", "set": {"title": "Buy milk"}, "unset": []}, or "delete": true instead"#;
    let node = Node::parse(line.as_bytes()).map_err(|flaw| anyhow!("{flaw}: {way_out}"))?;
    let object = node.object().ok_or_else(|| anyhow!("it is no JSON object: {way_out}"))?;
    let text = |name: &str| {
        let text = node.get(name).and_then(Node::text);
        text.ok_or_else(|| anyhow!("it has no text `{name}`: {way_out}"))
    };
    let key = Key::new(text("kind")?, text("id")?);
    if let Some(odd) =
        object.keys().find(|name| !["kind", "id", "set", "unset", "delete"].contains(&name.as_str()))
    {
        bail!("`{odd}` is no part of a change, fields go into `set`: {way_out}");
    }
    let set = match node.get("set") {
        Some(set) => Fields::of(set).ok_or_else(|| anyhow!("`set` is no JSON object: {way_out}"))?,
        None => Fields::default(),
    };
    let unset: BTreeSet<Arc<str>> = match node.get("unset") {
        Some(unset) => {
            let names =
                unset.list().and_then(|names| names.iter().map(Node::text).collect::<Option<Vec<_>>>());
            let names = names.ok_or_else(|| anyhow!("`unset` is no list of names: {way_out}"))?;
            names.into_iter().map(Into::into).collect()
        }
        None => BTreeSet::new(),
    };
    match node.get("delete").map(Node::bool) {
        None | Some(Some(false)) => Ok(Change::Put { key, set, unset }),
        Some(Some(true)) if set.0.is_empty() && unset.is_empty() => Ok(Change::Delete { key }),
        Some(Some(true)) => bail!("it deletes and sets at once: {way_out}"),
        Some(None) => bail!("`delete` is neither true nor false: {way_out}"),
    }
}
