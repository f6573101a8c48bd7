//! The text of entities: in shared files, and in the lines of the local store.
//!
//! What is ours stands beside the person's fields and never among them: a field may be called `dot`, `stamp` or
//! `deleted`. One line a write, so that a person can read what each replica said.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::entity::{Death, Entity, Key, Write};
use super::scan;
use super::vector::{Dot, ReplicaId, Vector};
use crate::kit::hlc::{Hybrid, LATEST_MS};
use crate::kit::json::{Flaw, Node, quote};
use crate::kit::own_file;
use crate::kit::watermark::Watermarks;

/// The version of the formats that are written. A file of a later one is not read.
pub const SCHEMA: u64 = 1;

/// A longer file is not parsed, in bytes.
pub const FILE_MAX: usize = 16 << 20;

/// A longer file with many entities is not parsed, in bytes.
pub const LIST_MAX: usize = 1 << 30;

/// Why bytes are no file of ours.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Wrong {
    /// It is not as its owner wrote it.
    #[error("it is empty, cut or changed: its length and digest do not fit")]
    Check,
    /// It is no JSON.
    #[error("{0}")]
    Json(Flaw),
    /// It is longer than is read.
    #[error("it has {0} bytes, and so many are not read")]
    Large(usize),
    /// It is of a later version of the format.
    #[error("it is of format {0}, and this program reads {SCHEMA}: update the program")]
    Schema(u64),
    /// Something is missing or of another kind.
    #[error("`{0}` is missing or of the wrong kind")]
    Field(&'static str),
}

impl From<Flaw> for Wrong {
    fn from(flaw: Flaw) -> Self {
        Self::Json(flaw)
    }
}

/// Checks length, digest and format of a sealed file, and takes it apart.
///
/// # Errors
/// What is wrong with it.
pub fn open(bytes: &[u8]) -> Result<Node, Wrong> {
    parse(&sealed(bytes, FILE_MAX)?)
}

/// The text of a sealed file, if length and digest fit.
fn sealed(bytes: &[u8], most: usize) -> Result<Cow<'_, str>, Wrong> {
    if bytes.len() > most {
        return Err(Wrong::Large(bytes.len()));
    }
    own_file::open(bytes).map_err(|_| Wrong::Check)
}

fn parse(text: &str) -> Result<Node, Wrong> {
    let node = Node::parse_once(text.as_bytes())?;
    match node.get("schema").and_then(Node::count) {
        Some(SCHEMA) => Ok(node),
        Some(other) => Err(Wrong::Schema(other)),
        None => Err(Wrong::Field("schema")),
    }
}

fn member(out: &mut String, name: &str) {
    quote(out, name);
    out.push(':');
}

fn each<T>(
    out: &mut String,
    ends: [char; 2],
    items: impl IntoIterator<Item = T>,
    mut one: impl FnMut(&mut String, T),
) {
    out.push(ends[0]);
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        one(out, item);
    }
    out.push(ends[1]);
}

fn push(out: &mut String, what: impl std::fmt::Display) {
    write!(out, "{what}").expect("a string takes any text");
}

/// Writes a vector as an object.
pub fn write_vector(out: &mut String, vector: &Vector) {
    each(out, ['{', '}'], vector.iter(), |out, (replica, count)| {
        member(out, &replica.0);
        push(out, count);
    });
}

/// Writes the fields of an entity's object, one line each, without braces.
fn write_members(out: &mut String, key: &Key, entity: &Entity, line: &str) {
    out.push_str("\"kind\":");
    quote(out, &key.kind);
    out.push_str(",\"id\":");
    quote(out, &key.id);
    push(out, format_args!(",{line}\"seen\":"));
    write_vector(out, &entity.seen);
    push(out, format_args!(",{line}\"births\":"));
    each(out, ['{', '}'], &entity.births, |out, (birth, at)| {
        member(out, &birth.to_string());
        push(out, at);
    });
    if !entity.deaths.is_empty() {
        push(out, format_args!(",{line}\"deaths\":"));
        each(out, ['{', '}'], &entity.deaths, |out, (birth, death)| {
            member(out, &birth.to_string());
            out.push_str("{\"dot\":");
            quote(out, &death.dot.to_string());
            push(out, format_args!(",\"at\":{},\"seen\":", death.at));
            write_vector(out, &death.seen);
            if !death.late.is_empty() {
                out.push_str(",\"late\":");
                each(out, ['[', ']'], &death.late, |out, dot| quote(out, &dot.to_string()));
            }
            out.push('}');
        });
    }
    push(out, format_args!(",{line}\"writes\":"));
    each(out, ['[', ']'], &entity.writes, |out, (dot, write)| {
        out.push_str(line);
        out.push_str("{\"dot\":");
        quote(out, &dot.to_string());
        push(out, format_args!(",\"at\":{},\"version\":{},\"life\":", write.at, write.version));
        quote(out, &write.life.to_string());
        out.push_str(",\"set\":");
        let set = write.fields.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
        each(out, ['{', '}'], set, |out, (name, value)| {
            member(out, name);
            out.push_str(value.as_str());
        });
        let unset = write.fields.iter().filter(|(_, value)| value.is_none()).map(|(name, _)| name);
        if unset.clone().next().is_some() {
            out.push_str(",\"unset\":");
            each(out, ['[', ']'], unset, |out, name| quote(out, name));
        }
        out.push('}');
    });
}

/// An entity as an object in one line.
pub fn write_entity(out: &mut String, key: &Key, entity: &Entity) {
    out.push('{');
    write_members(out, key, entity, "");
    out.push('}');
}

/// The text of an entity's shared file, filled with spaces so that its length tells its owner's last write in it: see
/// [`says_write`].
#[must_use]
pub fn entity_file(key: &Key, entity: &Entity, count: u64) -> String {
    let mut text = format!("{{\n  \"schema\":{SCHEMA},\n  ");
    write_members(&mut text, key, entity, "\n  ");
    loop {
        let file = own_file::seal(&format!("{text}\n}}"));
        let missing = (count % MARKS + MARKS - file.len() as u64 % MARKS) % MARKS;
        if missing == 0 {
            return file;
        }
        text.extend((0..missing).map(|_| ' '));
    }
}

/// How many writes in a row the length of a file tells apart.
const MARKS: u64 = 64;

/// Whether a file of this length can be one whose owner's last write is this one. Who lists a directory so sees which of
/// its files are not those that he remembers, and reads no other.
#[must_use]
pub const fn says_write(len: u64, count: u64) -> bool {
    len % MARKS == count % MARKS
}

/// Reads an entity's shared file.
///
/// # Errors
/// What is wrong with it.
pub fn parse_entity_file(bytes: &[u8]) -> Result<(Key, Entity), Wrong> {
    let text = sealed(bytes, FILE_MAX)?;
    match scan::file(&text) {
        Some(found) => Ok(found),
        None => read_file(&text),
    }
}

/// Reads the text of an entity's shared file the long way.
pub(super) fn read_file(text: &str) -> Result<(Key, Entity), Wrong> {
    read_entity(&parse(text)?)
}

/// The text of a file with many entities: those as of the own write `to`.
#[must_use]
pub fn list_file(to: u64, entities: &[(Key, Entity)]) -> String {
    let mut text = format!("{{\n  \"schema\":{SCHEMA},\n  \"to\":{to},\n  \"entities\":");
    each(&mut text, ['[', ']'], entities, |out, (key, entity)| {
        out.push_str("\n  ");
        write_entity(out, key, entity);
    });
    text.push_str("\n}");
    own_file::seal(&text)
}

/// Reads a file with many entities.
///
/// # Errors
/// What is wrong with it: it is read as a whole, or not at all.
pub fn parse_list_file(bytes: &[u8]) -> Result<Vec<(Key, Entity)>, Wrong> {
    let text = sealed(bytes, LIST_MAX)?;
    match scan::list(&text) {
        Some(found) => Ok(found),
        None => read_list(&text),
    }
}

/// Reads the text of a file with many entities the long way.
pub(super) fn read_list(text: &str) -> Result<Vec<(Key, Entity)>, Wrong> {
    let node = parse(text)?;
    let entities = node.get("entities").and_then(Node::list).ok_or(Wrong::Field("entities"))?;
    entities.iter().map(read_entity).collect()
}

fn dots<T>(
    node: &Node,
    name: &'static str,
    mut value: impl FnMut(&Node) -> Result<T, Wrong>,
) -> Result<BTreeMap<Dot, T>, Wrong> {
    let Some(found) = node.get(name) else { return Ok(BTreeMap::new()) };
    let fields = found.object().ok_or(Wrong::Field(name))?;
    fields
        .iter()
        .map(|(dot, inner)| Ok((dot.parse().map_err(|_| Wrong::Field(name))?, value(inner)?)))
        .collect()
}

/// Reads a stamp. One that is so late that nothing could come after it counts as the latest that there can be.
#[must_use]
pub fn read_stamp(node: &Node) -> Option<Hybrid> {
    let [ms, count] = node.list()? else { return None };
    let count = u32::try_from(count.count()?).ok()?;
    Some(Hybrid { ms: ms.int()?.min(LATEST_MS - 1), count })
}

fn stamp(node: &Node, name: &'static str) -> Result<Hybrid, Wrong> {
    node.get(name).and_then(read_stamp).ok_or(Wrong::Field(name))
}

fn dot(node: &Node, name: &'static str) -> Result<Dot, Wrong> {
    node.get(name).and_then(Node::text).and_then(|text| text.parse().ok()).ok_or(Wrong::Field(name))
}

/// Reads a vector; empty if there is none.
///
/// # Errors
/// That it is of another kind.
pub fn read_vector(node: &Node, name: &'static str) -> Result<Vector, Wrong> {
    let Some(found) = node.get(name) else { return Ok(Vector::default()) };
    let entries = found.object().ok_or(Wrong::Field(name))?;
    let count = |(replica, count): (&String, &Node)| {
        Ok((ReplicaId::from(replica.as_str()), count.count().ok_or(Wrong::Field(name))?))
    };
    entries.iter().map(count).collect()
}

/// Reads an entity's object.
///
/// # Errors
/// What is missing or wrong.
pub fn read_entity(node: &Node) -> Result<(Key, Entity), Wrong> {
    let text = |name| node.get(name).and_then(Node::text).filter(|text| !text.is_empty());
    let kind = text("kind").ok_or(Wrong::Field("kind"))?;
    let id = text("id").ok_or(Wrong::Field("id"))?;
    let mut entity = Entity {
        seen: read_vector(node, "seen")?,
        births: dots(node, "births", |at| read_stamp(at).ok_or(Wrong::Field("births")))?,
        deaths: dots(node, "deaths", |death| {
            let late = death.get("late").and_then(Node::list).unwrap_or_default().iter();
            let late = late
                .map(|dot| dot.text()?.parse().ok())
                .collect::<Option<_>>()
                .ok_or(Wrong::Field("late"))?;
            Ok(Death {
                dot: dot(death, "dot")?,
                at: stamp(death, "at")?,
                seen: read_vector(death, "seen")?,
                late,
            })
        })?,
        writes: BTreeMap::new(),
    };
    for write in node.get("writes").and_then(Node::list).ok_or(Wrong::Field("writes"))? {
        let at = dot(write, "dot")?;
        // Who wrote it had seen it: otherwise every merge would take it for a new one.
        entity.seen.see(&at.replica, at.count);
        entity.writes.insert(at, read_write(write)?);
    }
    Ok((Key::new(kind, id), entity))
}

fn read_write(node: &Node) -> Result<Write, Wrong> {
    let set = node.get("set").and_then(Node::object).ok_or(Wrong::Field("set"))?;
    let mut fields: BTreeMap<_, _> =
        set.iter().map(|(name, value)| (name.as_str().into(), Some(value.json()))).collect();
    for name in node.get("unset").and_then(Node::list).unwrap_or_default() {
        fields.insert(name.text().ok_or(Wrong::Field("unset"))?.into(), None);
    }
    let version = node.get("version").and_then(Node::count).ok_or(Wrong::Field("version"))?;
    Ok(Write { at: stamp(node, "at")?, life: dot(node, "life")?, version, fields })
}

/// Writes numbers by replica as ranges: `{"a":[[1,3],[7,7]]}`.
pub fn write_ranges(out: &mut String, marks: &Watermarks<ReplicaId>) {
    each(out, ['{', '}'], marks.iter(), |out, (replica, numbers)| {
        member(out, &replica.0);
        each(out, ['[', ']'], numbers.ranges(), |out, range| {
            push(out, format_args!("[{},{}]", range.start(), range.end()));
        });
    });
}

/// Reads numbers by replica; empty if there are none.
///
/// # Errors
/// That they are of another kind.
pub fn read_ranges(node: &Node, name: &'static str) -> Result<Watermarks<ReplicaId>, Wrong> {
    let mut marks = Watermarks::default();
    let Some(found) = node.get(name) else { return Ok(marks) };
    for (replica, ranges) in found.object().ok_or(Wrong::Field(name))? {
        let replica = ReplicaId::from(replica.as_str());
        for range in ranges.list().ok_or(Wrong::Field(name))? {
            let [first, last] = range.list().ok_or(Wrong::Field(name))? else {
                return Err(Wrong::Field(name));
            };
            let (first, last) =
                (first.count().ok_or(Wrong::Field(name))?, last.count().ok_or(Wrong::Field(name))?);
            marks.add(&replica, first..=last);
        }
    }
    Ok(marks)
}
