//! `delta list`.

use std::io::IsTerminal;
use std::process::ExitCode;

use cloudchamber_core::delta::Shown;
use serde::Serialize;
use serde_json::value::RawValue;

use super::super::{print_exact, say};
use super::{Place, exact, id_of};

/// How wide a line on a terminal is.
const COLUMNS: usize = 100;

#[derive(Serialize)]
struct Listed {
    replica: String,
    entities: Vec<Row>,
    /// How many of them no sync has sent yet.
    unsent: usize,
    conflicts: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    kind: String,
    id: String,
    version: u64,
    last_modified_at: i64,
    last_modified_by: Option<String>,
    is_deleted: bool,
    fields: Box<RawValue>,
}

impl Row {
    fn of(shown: &Shown) -> anyhow::Result<Self> {
        Ok(Self {
            kind: shown.key.kind.to_string(),
            id: shown.key.id.to_string(),
            version: shown.version,
            last_modified_at: shown.last_modified_ms,
            last_modified_by: shown.dot.as_ref().map(|dot| dot.replica.to_string()),
            is_deleted: shown.deleted,
            fields: exact(&shown.fields.json())?,
        })
    }
}

pub(super) fn run(place: &Place, kind: Option<&str>, deleted: bool) -> anyhow::Result<ExitCode> {
    let delta = place.look()?;
    let wanted =
        |shown: &Shown| (deleted || !shown.deleted) && kind.is_none_or(|kind| kind == &*shown.key.kind);
    let shown: Vec<Shown> = delta.all().filter(wanted).collect();
    let unsent = delta.dirty().count();
    let conflicts = delta.conflicts().count();
    if place.json {
        let entities = shown.iter().map(Row::of).collect::<anyhow::Result<_>>()?;
        print_exact(&Listed { replica: id_of(&delta), entities, unsent, conflicts })?;
        return Ok(ExitCode::SUCCESS);
    }
    for shown in &shown {
        if !say(&line(shown)) {
            return Ok(ExitCode::SUCCESS);
        }
    }
    if shown.is_empty() {
        eprintln!("no entities are known here: delta sync fetches those of the folder");
    }
    if unsent > 0 {
        eprintln!("{unsent} not sent yet: delta sync sends them");
    }
    if conflicts > 0 {
        eprintln!("{conflicts} in conflict: delta conflicts lists what does not count");
    }
    Ok(ExitCode::SUCCESS)
}

/// Such as `task t1 v3 {"title":"Buy milk"}`, on a terminal as much of it as fits.
fn line(shown: &Shown) -> String {
    let fields = match shown.deleted {
        true => "deleted".to_owned(),
        false => shown.fields.json().to_string(),
    };
    let line = format!("{} v{} {fields}", shown.key, shown.version);
    if !std::io::stdout().is_terminal() || line.chars().count() <= COLUMNS {
        return line;
    }
    line.chars().take(COLUMNS - 1).chain(['…']).collect()
}
