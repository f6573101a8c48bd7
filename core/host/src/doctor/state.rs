//! What should not be in a folder that a client copies: state of one machine, databases, repositories, another client.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use cloudchamber_core::kit::clients::client_of_mark;
use serde_json::Value;

use super::walk::{Tree, What, small};
use super::{Finding, Kind};

/// How long reading a small file may take.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn look(tree: &Tree, local: Option<&Path>, only_shared_is_synced: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for dir in tree.dirs.keys() {
        // Where the client copies `shared` alone, what lies beside it stays here.
        let is_copied = !only_shared_is_synced || dir.starts_with("shared") || dir.contains("/shared");
        if let Some(whose) = state_in(tree, dir).filter(|_| is_copied) {
            found.push(Finding::of(Kind::StateInFolder, dir, whose));
        }
    }
    if let Some(local) = local
        && let Some(root) = tree.of("").first().and_then(|item| item.real.parent())
        && !only_shared_is_synced
        && local.canonicalize().is_ok_and(|local| local.starts_with(root))
        && found.is_empty()
    {
        found.push(Finding::of(Kind::StateInFolder, "", format!("{} is in it", local.display())));
    }
    databases(tree, &mut found);
    clients(tree, &mut found);
    found
}

/// Whose local directory this is, as its files say; None if it is none.
fn state_in(tree: &Tree, dir: &str) -> Option<String> {
    let path = |name: &str| if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") };
    let json = |name: &str| -> Option<Value> {
        let item = tree.find(&path(name)).filter(|item| item.what == What::File)?;
        serde_json::from_slice(&small(item, PATIENCE)?).ok()
    };
    let text = |value: &Value, key: &str| value.get(key)?.as_str().map(str::to_owned);
    for name in ["machine-id", "identity.json"] {
        let Some(value) = json(name) else { continue };
        // Of journals, as our agent writes it: upstream's has no owner.
        if let (Some(id), Some(_)) = (text(&value, "id"), value.get("owner")) {
            return Some(format!("the local directory of the machine `{id}` of the journals"));
        }
        if let (Some(_), Some(_)) = (value.get("random"), value.get("lives")) {
            let host = text(&value, "host").unwrap_or_default();
            return Some(format!("the local directory of an agent that ran on {host}"));
        }
        if name == "machine-id" && value.get("seq").is_some() && tree.find(&path("runtime.jsonl")).is_some() {
            let id = text(&value, "id").unwrap_or_default();
            return Some(format!("what upstream's program keeps of the machine `{id}` alone"));
        }
    }
    if tree.find(&path("store.log")).is_some() && (dir == "delta" || dir.ends_with("/delta")) {
        return Some("the store of a replica of delta".to_owned());
    }
    let belongs =
        json("folder.json").filter(|value| value.get("directory").is_some() && value.get("number").is_some());
    belongs.map(|value| {
        format!("a local directory of the folder {}", text(&value, "directory").unwrap_or_default())
    })
}

fn databases(tree: &Tree, found: &mut Vec<Finding>) {
    for item in tree.files() {
        let beside = |end: &str| item.path.strip_suffix(end).and_then(|of| tree.find(of));
        let of = ["-wal", "-shm", "-journal"].iter().find_map(|end| beside(end));
        if let Some(of) = of.filter(|of| of.what == What::File) {
            found.push(Finding::of(Kind::Database, &of.path, format!("{} belongs to it", item.name())));
        }
    }
    let mut known = BTreeSet::new();
    found.retain(|finding| finding.kind != Kind::Database || known.insert(finding.file.clone()));
}

fn clients(tree: &Tree, found: &mut Vec<Finding>) {
    let mut marks: BTreeMap<&str, &str> = BTreeMap::new();
    for item in tree.of("") {
        if let Some(client) = client_of_mark(item.name()) {
            marks.entry(client).or_insert(item.name());
        }
    }
    if marks.len() > 1 {
        let said: Vec<_> = marks.iter().map(|(client, name)| format!("{client} ({name})")).collect();
        found.push(Finding::of(Kind::SeveralClients, "", said.join(", ")));
    }
    for item in tree.items().filter(|item| item.name() == ".git" && !item.dir().is_empty()) {
        found.push(Finding::of(Kind::Repository, &item.path, ""));
    }
}
