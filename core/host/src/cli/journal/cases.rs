//! `journal show --cases`.

use std::path::Path as OsPath;
use std::process::ExitCode;

use anyhow::{Context, bail};
use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::folder::Folder;
use cloudchamber_core::journal::problem::ProblemKind;
use cloudchamber_core::{Content, Entry, Fs, FsError, Path};
use serde_json::{Value, json};

use super::super::print_json;
use super::problems;
use super::show::shown;

/// A folder made of one case.
struct Case<'a>(&'a serde_json::Map<String, Value>);

impl Fs for Case<'_> {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        if path.name() == "shared/.v2" {
            return Ok(Content::new([]));
        }
        let name = path.name().strip_prefix("shared/machines/").ok_or(FsError::NotFound)?;
        let text = name.split_once('/').and_then(|(machine, file)| self.0.get(machine)?.get(file)?.as_str());
        text.map(|text| Content::from(text).tail(from)).ok_or(FsError::NotFound)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        use cloudchamber_core::{EntryKind, WallMs};
        let entry = |name: &String, kind| Entry { path: dir.join(name), kind, len: 0, modified: WallMs(0) };
        let mut entries: Vec<_> = match dir.name() {
            "shared/machines" => self.0.keys().map(|name| entry(name, EntryKind::Dir)).collect(),
            name => {
                let machine = name.strip_prefix("shared/machines/").and_then(|machine| self.0.get(machine));
                let files = machine.and_then(Value::as_object).ok_or(FsError::NotFound)?;
                files.keys().map(|name| entry(name, EntryKind::File)).collect()
            }
        };
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }
}

pub(super) fn run(path: &OsPath) -> anyhow::Result<ExitCode> {
    let text = std::fs::read(path).with_context(|| format!("{}: give a file of cases", path.display()))?;
    let cases: Vec<Value> = serde_json::from_slice(&text)
        .with_context(|| format!("{}: it is no list of cases", path.display()))?;
    let mut results = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let Some(machines) = case["machines"].as_object() else {
            bail!("{}: case {}: it has no `machines`", path.display(), at + 1);
        };
        let result = |design: Design| {
            let folder = Folder::read(&Case(machines), &design);
            let (json, found, _) = shown(&folder, &design);
            let found: Vec<_> =
                found.into_iter().filter(|problem| problem.kind != ProblemKind::ConflictCopy).collect();
            (json, problems(&found))
        };
        let (published, _) = result(Design::PUBLISHED);
        let (hardened, problems) = result(Design::HARDENED);
        results.push(
            json!({ "id": case["id"], "published": published, "hardened": hardened, "problems": problems }),
        );
    }
    print_json(&Value::Array(results));
    Ok(ExitCode::SUCCESS)
}
