//! `delta conflicts` and `delta restore`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use cloudchamber_core::delta::{Conflict, Delta, Reason};
use cloudchamber_core::kit::json::Json;
use cloudchamber_host::clock;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::super::{print_exact, print_json, say};
use super::{Place, exact, id_of};

#[derive(Serialize)]
struct Listed {
    replica: String,
    conflicts: Vec<Row>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    conflict: String,
    kind: String,
    id: String,
    reason: Reason,
    written_by: String,
    written_at: i64,
    /// What it said.
    set: BTreeMap<String, Box<RawValue>>,
    /// The fields that it unset.
    unset: Vec<String>,
    /// What the same fields say now, as far as they are there.
    now: BTreeMap<String, Box<RawValue>>,
}

impl Row {
    fn of(conflict: &Conflict, delta: &Delta) -> anyhow::Result<Self> {
        let shown = delta.get(&conflict.key.kind, &conflict.key.id);
        let (mut set, mut unset, mut now) = (BTreeMap::new(), Vec::new(), BTreeMap::new());
        for (name, value) in &conflict.fields {
            match value {
                Some(value) => drop(set.insert(name.to_string(), exact(value)?)),
                None => unset.push(name.to_string()),
            }
            if let Some(value) = shown.as_ref().and_then(|shown| shown.fields.get(name)) {
                now.insert(name.to_string(), exact(value)?);
            }
        }
        Ok(Self {
            conflict: conflict.id(),
            kind: conflict.key.kind.to_string(),
            id: conflict.key.id.to_string(),
            reason: conflict.reason,
            written_by: conflict.dot.replica.to_string(),
            written_at: conflict.at.ms,
            set,
            unset,
            now,
        })
    }
}

pub(super) fn list(place: &Place) -> anyhow::Result<ExitCode> {
    let delta = place.look()?;
    let all: Vec<Conflict> = delta.conflicts().collect();
    if place.json {
        let conflicts =
            all.iter().map(|conflict| Row::of(conflict, &delta)).collect::<anyhow::Result<_>>()?;
        print_exact(&Listed { replica: id_of(&delta), conflicts })?;
        return Ok(ExitCode::SUCCESS);
    }
    for conflict in &all {
        if !say(&told(conflict, &delta)) {
            return Ok(ExitCode::SUCCESS);
        }
    }
    match all.len() {
        0 => say("no conflicts"),
        _ => say("restore brings back what one says, restore --dismiss says that it is not wanted"),
    };
    Ok(ExitCode::SUCCESS)
}

fn told(conflict: &Conflict, delta: &Delta) -> String {
    let why = match conflict.reason {
        Reason::Deleted => "was deleted by somebody who had not seen this edit",
        Reason::SameField => "another edit of the same field won",
    };
    let (by, at) = (&conflict.dot.replica, clock::utc(conflict.at.ms));
    let mut text = format!("{}  {}: {why}\n    by {by}, {at}", conflict.id(), conflict.key);
    let shown = delta.get(&conflict.key.kind, &conflict.key.id);
    let word = |value: Option<&Json>| value.map_or("(unset)".to_owned(), ToString::to_string);
    for (name, said) in &conflict.fields {
        text.push_str(&format!("\n    {name}: {}", word(said.as_ref())));
        if conflict.reason == Reason::SameField {
            let now = shown.as_ref().and_then(|shown| shown.fields.get(name));
            text.push_str(&format!("   now: {}", word(now)));
        }
    }
    text
}

pub(super) fn decide(place: &Place, conflicts: &[String], dismiss: bool) -> anyhow::Result<ExitCode> {
    let mut replica = place.open(None)?;
    let mut rows = Vec::new();
    let mut failed = Ok(());
    for id in conflicts {
        let decided = if dismiss { replica.dismiss(id) } else { replica.restore(id) };
        match decided {
            Ok(key) => {
                let done = if dismiss { "dismissed" } else { "restored" };
                if !place.json {
                    say(&format!("{key} {done}: delta sync tells the others"));
                }
                rows.push(json!({ "conflict": id, "kind": &*key.kind, "id": &*key.id, "done": done }));
            }
            Err(error) => {
                failed = Err(error);
                break;
            }
        }
    }
    if place.json {
        print_json(&json!({ "replica": id_of(replica.delta()), "conflicts": rows }));
    }
    failed?;
    Ok(ExitCode::SUCCESS)
}
