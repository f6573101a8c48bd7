//! Entities that others left: a folder in the published layout, or the whole state of the plan's predecessor.
//!
//! # Rules
//! - The kind is told by the file's name and the id by what is in it, and the two have to fit together: of
//!   `task_a_b.json` with the id `a_b` the kind is `task`. The keys of `meta.json` are bare ids and tell nothing.
//! - An entity keeps its version; one without any gets version 1 (the plan, phase 0).
//! - What is imported counts as older than what was made here, whatever its times say: an application that comes with
//!   defaults of its own does not hide what was there.
//! - An entity that is known here with other content is not overwritten: what is imported is one more version, and
//!   what does not come to count is listed as a conflict. What is known already makes no change, so that importing
//!   twice, or the same content in other bytes, is importing once.
//! - Nothing is removed from the folder, and no file of it is changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::codec::FILE_MAX;
use super::entity::{Fields, Key, RESERVED};
use super::problem::{Problem, ProblemKind};
use crate::kit::hlc::{Hybrid, LATEST_MS};
use crate::kit::json::{Flaw, Node};
use crate::kit::names::originals;
use crate::{Content, EntryKind, Fs, FsError, Path};

/// An entity as somebody else wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Imported {
    /// Which entity.
    pub key: Key,
    /// Its version; 1 if it has none.
    pub version: u64,
    /// When it was changed last.
    pub at: Hybrid,
    /// By whom; empty if it does not say.
    pub by: Arc<str>,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Its other fields.
    pub fields: Fields,
}

impl Imported {
    /// An entity of an object that holds the plan's metadata beside the fields.
    #[must_use]
    pub fn of(key: Key, node: &Node) -> Self {
        let ms = node.get("lastModifiedAt").and_then(Node::int).unwrap_or(0).min(LATEST_MS - 1);
        let fields = Fields::of(node).unwrap_or_default().0;
        let fields = fields.into_iter().filter(|(name, _)| !RESERVED.contains(&&**name));
        Self {
            key,
            version: node.get("version").and_then(Node::count).unwrap_or(1),
            at: Hybrid { ms, count: 0 },
            by: node.get("lastModifiedBy").and_then(Node::text).unwrap_or("").into(),
            deleted: node.get("isDeleted").and_then(Node::bool).unwrap_or(false),
            fields: Fields(fields.collect()),
        }
    }
}

/// What of a name's end is an entity's id: the kind before it; `None` if the two do not fit.
fn kind_of(name: &str, id: &str) -> Option<Arc<str>> {
    let kind = name.strip_suffix(".json")?.strip_suffix(id)?.strip_suffix('_')?;
    (!kind.is_empty()).then(|| kind.into())
}

/// Reads one entity's file of the published layout.
///
/// # Errors
/// What is wrong with it.
pub fn entity_file(path: &Path, content: &Content) -> Result<Imported, Problem> {
    let problem = |kind, detail: String| Err(Problem::of(path.name(), kind, detail));
    if content.len() > FILE_MAX {
        return problem(ProblemKind::FileTooLarge, format!("{} bytes", content.len()));
    }
    let node = match Node::parse_once(content.bytes()) {
        // Of a field that is there twice the last one counts, as JavaScript has it; of two ids neither does.
        Err(Flaw::Twice(at)) if !content.bytes()[at..].starts_with(b"\"id\"") => Node::parse(content.bytes()),
        parsed => parsed,
    };
    let node = match node {
        Ok(node) => node,
        Err(flaw) => return problem(ProblemKind::NotSound, flaw.to_string()),
    };
    let Some(id) = node.get("id").and_then(Node::text).filter(|id| !id.is_empty()) else {
        return problem(ProblemKind::NotSound, "it has no `id`".to_owned());
    };
    let name = path.file_name();
    let copies = originals(name).into_iter().find_map(|original| kind_of(&original.name, id));
    let Some(kind) = kind_of(name, id).or(copies) else {
        return problem(
            ProblemKind::ForeignName,
            format!("it is about `{id}`, and its name does not end so"),
        );
    };
    Ok(Imported::of(Key { kind, id: id.into() }, &node))
}

/// Reads what a folder holds in the published layout, split and split-lite: entities by name, and what is wrong.
#[must_use]
pub fn folder(fs: &dyn Fs) -> (Vec<Imported>, Vec<Problem>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    let mut read = |path: &Path, take: &mut dyn FnMut(&Content) -> Result<Vec<Imported>, Problem>| match fs
        .read(path, 0)
    {
        Ok(content) => match take(&content) {
            Ok(mut entities) => found.append(&mut entities),
            Err(problem) => problems.push(problem),
        },
        Err(FsError::NotFound) => {}
        Err(FsError::NotLocal) => problems.push(Problem::of(path.name(), ProblemKind::NotLocal, "")),
        Err(error) => problems.push(Problem::of(path.name(), ProblemKind::Unreadable, error.to_string())),
    };
    let files = |dir: &str| -> Vec<Path> {
        let entries = fs.list(&Path::shared(dir)).unwrap_or_default().into_iter();
        entries.filter(|entry| entry.kind == EntryKind::File).map(|entry| entry.path).collect()
    };
    for path in files("entities") {
        read(&path, &mut |content| entity_file(&path, content).map(|entity| vec![entity]));
    }
    for path in [Path::shared("data.json")].into_iter().chain(files("deltas")) {
        read(&path, &mut |content| list_file(&path, content));
    }
    (found, problems)
}

/// Reads a file with many entities of the published layout: an array of objects with `kind` and `id`, or an object
/// with such an array as `entities`.
///
/// # Errors
/// What is wrong with it.
pub fn list_file(path: &Path, content: &Content) -> Result<Vec<Imported>, Problem> {
    let problem = |detail: String| Problem::of(path.name(), ProblemKind::NotSound, detail);
    let node = Node::parse(content.bytes()).map_err(|flaw| problem(flaw.to_string()))?;
    let list = node.list().or_else(|| node.get("entities")?.list());
    let list = list.ok_or_else(|| problem("it has no list of entities".to_owned()))?;
    let one = |node: &Node| {
        let (kind, id) = (node.get("kind")?.text()?, node.get("id")?.text()?);
        let mut entity = Imported::of(Key::new(kind, id), node);
        entity.fields.0.remove("kind");
        Some(entity)
    };
    list.iter()
        .map(one)
        .collect::<Option<_>>()
        .ok_or_else(|| problem("an entity has no `kind` or `id`".to_owned()))
}

/// Reads a whole state as the plan's predecessor kept it: `{"data":{"task":{"ids":[],"entities":{}}}}`, with or
/// without `data`. A model without entities becomes one entity of that kind, with the id `all`.
///
/// A field whose name the folder keeps for itself gets an underscore before it.
///
/// # Errors
/// Why the bytes are no such state.
pub fn state(bytes: &[u8]) -> Result<Vec<Imported>, String> {
    let node = Node::parse(bytes).map_err(|flaw| flaw.to_string())?;
    let models = node.get("data").unwrap_or(&node).object().ok_or("it is no object")?;
    let at = node.get("lastUpdate").and_then(Node::int).unwrap_or(0).min(LATEST_MS - 1);
    let mut found = Vec::new();
    for (kind, model) in models {
        let add = |found: &mut Vec<Imported>, id: &str, entity: &Node| {
            let fields: BTreeMap<Arc<str>, _> = match entity.object() {
                Some(fields) => fields
                    .iter()
                    .filter(|(name, _)| *name != "id")
                    .map(|(name, value)| match RESERVED.contains(&name.as_str()) {
                        true => (format!("_{name}").into(), value.json()),
                        false => (name.as_str().into(), value.json()),
                    })
                    .collect(),
                None => [("value".into(), entity.json())].into(),
            };
            let key = Key::new(kind, id);
            let at = Hybrid { ms: at, count: 0 };
            found.push(Imported {
                key,
                version: 1,
                at,
                by: "".into(),
                deleted: false,
                fields: Fields(fields),
            });
        };
        match model.get("entities").and_then(Node::object) {
            Some(entities) => entities.iter().for_each(|(id, entity)| add(&mut found, id, entity)),
            None => add(&mut found, "all", model),
        }
    }
    Ok(found)
}
