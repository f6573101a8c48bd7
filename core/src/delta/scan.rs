//! Entities as this crate writes them, read in one pass: without taking the text apart first, and with names shared.
//!
//! `None` everywhere says that something is written otherwise. It is read the long way then ([`read_entity`]), which takes
//! every order and spelling of the same JSON and says what is wrong with the rest. What is read here is what is read there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::codec::{SCHEMA, read_entity};
use super::entity::{Death, Entity, Key, Write};
use super::store::{Published, Record};
use super::vector::{Dot, ReplicaId, Vector};
use crate::kit::hlc::{Hybrid, LATEST_MS};
use crate::kit::json::scan::{Scan, leading_count};

/// How many names are kept for others to share.
const NAMES_MAX: usize = 64;

/// Names that were read, so that each is held in memory once. They mostly come in the same order again.
#[derive(Debug, Default)]
struct Names {
    known: Vec<Arc<str>>,
    next: usize,
}

impl Names {
    fn shared(&mut self, text: &str) -> Arc<str> {
        let is_it = |at: usize| self.known.get(at).is_some_and(|name| **name == *text);
        let at = if is_it(self.next) { Some(self.next) } else { (0..self.known.len()).find(|at| is_it(*at)) };
        match at {
            Some(at) => {
                self.next = if at + 1 < self.known.len() { at + 1 } else { 0 };
                self.known[at].clone()
            }
            None => {
                let name: Arc<str> = text.into();
                if self.known.len() < NAMES_MAX {
                    self.known.push(name.clone());
                }
                name
            }
        }
    }
}

/// What reads entities.
#[derive(Debug)]
struct Reader<'a> {
    scan: Scan<'a>,
    kinds: Names,
    replicas: Names,
    fields: Names,
}

/// Reads the text of an entity's file.
pub(super) fn file(text: &str) -> Option<(Key, Entity)> {
    let mut reader = Reader::new(text);
    reader.begin()?;
    reader.scan.mark(b',')?;
    let found = reader.members(1)?;
    reader.end()?;
    Some(found)
}

/// Reads the text of a file with many entities. One that is written otherwise is read the long way by itself.
pub(super) fn list(text: &str) -> Option<Vec<(Key, Entity)>> {
    let mut reader = Reader::new(text);
    reader.begin()?;
    reader.scan.mark(b',')?;
    reader.scan.name("to")?;
    reader.scan.count()?;
    reader.scan.mark(b',')?;
    reader.scan.name("entities")?;
    reader.scan.mark(b'[')?;
    let mut found = Vec::new();
    while reader.scan.goes_on(b']', found.is_empty())? {
        let before = reader.scan;
        let entity = match reader.object(2) {
            Some(entity) => entity,
            None => {
                reader.scan = before;
                read_entity(&reader.scan.node(2)?).ok()?
            }
        };
        found.push(entity);
    }
    reader.end()?;
    Some(found)
}

/// Reads a record of the local store's log.
pub(super) fn record(text: &str) -> Option<(Key, Record)> {
    let mut reader = Reader::new(text);
    reader.scan.mark(b'{')?;
    reader.scan.name("published")?;
    reader.scan.mark(b'[')?;
    let count = reader.scan.count()?;
    reader.scan.mark(b',')?;
    let alive = reader.scan.bool()?;
    reader.scan.mark(b']')?;
    reader.scan.mark(b',')?;
    reader.scan.name("entity")?;
    let (key, entity) = reader.object(1)?;
    reader.scan.mark(b'}')?;
    reader.scan.is_at_end().then_some((key, Record { entity, published: Published { count, alive } }))
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Self {
        let [kinds, replicas, fields] = [(); 3].map(|()| Names::default());
        Self { scan: Scan::new(text), kinds, replicas, fields }
    }

    /// What a shared file begins with.
    fn begin(&mut self) -> Option<()> {
        self.scan.mark(b'{')?;
        self.scan.name("schema")?;
        (self.scan.count()? == SCHEMA).then_some(())
    }

    /// What a shared file ends with.
    fn end(&mut self) -> Option<()> {
        self.scan.mark(b',')?;
        self.scan.name("check")?;
        self.scan.text()?;
        self.scan.mark(b'}')?;
        self.scan.is_at_end().then_some(())
    }

    /// An entity's object, which is a value at this depth of nesting.
    fn object(&mut self, depth: usize) -> Option<(Key, Entity)> {
        self.scan.mark(b'{')?;
        let found = self.members(depth + 1)?;
        self.scan.mark(b'}')?;
        Some(found)
    }

    /// The members of an entity's object, whose values are at this depth.
    fn members(&mut self, depth: usize) -> Option<(Key, Entity)> {
        self.scan.name("kind")?;
        let kind = self.scan.text().filter(|kind| !kind.is_empty())?;
        let kind = self.kinds.shared(kind);
        self.scan.mark(b',')?;
        self.scan.name("id")?;
        let id = self.scan.text().filter(|id| !id.is_empty())?.into();
        self.scan.mark(b',')?;
        let seen = self.vector()?;
        self.scan.mark(b',')?;
        self.scan.name("births")?;
        let births = self.dots(|reader| reader.stamp())?;
        let deaths = match self.scan.has_name("deaths") {
            true => self.dots(|reader| reader.death())?,
            false => BTreeMap::new(),
        };
        let mut entity = Entity { seen, births, deaths, writes: BTreeMap::new() };
        self.scan.mark(b',')?;
        self.scan.name("writes")?;
        self.writes(&mut entity, depth)?;
        Some((Key { kind, id }, entity))
    }

    fn vector(&mut self) -> Option<Vector> {
        self.scan.name("seen")?;
        self.scan.mark(b'{')?;
        let mut entries = Vec::new();
        while self.scan.goes_on(b'}', entries.is_empty())? {
            let replica = ReplicaId(self.replicas.shared(self.scan.text()?));
            self.scan.mark(b':')?;
            entries.push((replica, self.scan.count()?));
        }
        Vector::sorted(entries)
    }

    fn dot(&mut self) -> Option<Dot> {
        let text = self.scan.text()?;
        let (count, len) = leading_count(text.as_bytes())?;
        let replica = text[len..].strip_prefix('@').filter(|replica| !replica.is_empty())?;
        (count > 0).then(|| Dot { replica: ReplicaId(self.replicas.shared(replica)), count })
    }

    /// An object by dots, which have to be in their order.
    fn dots<T>(&mut self, mut value: impl FnMut(&mut Self) -> Option<T>) -> Option<BTreeMap<Dot, T>> {
        self.scan.mark(b'{')?;
        let mut entries: Vec<(Dot, T)> = Vec::new();
        while self.scan.goes_on(b'}', entries.is_empty())? {
            let dot = self.dot()?;
            self.scan.mark(b':')?;
            let value = value(self)?;
            if entries.last().is_some_and(|(last, _)| *last >= dot) {
                return None;
            }
            entries.push((dot, value));
        }
        Some(entries.into_iter().collect())
    }

    fn stamp(&mut self) -> Option<Hybrid> {
        self.scan.mark(b'[')?;
        let ms = i64::try_from(self.scan.count()?).ok()?.min(LATEST_MS - 1);
        self.scan.mark(b',')?;
        let count = u32::try_from(self.scan.count()?).ok()?;
        self.scan.mark(b']')?;
        Some(Hybrid { ms, count })
    }

    /// The members that a death and a write begin with, and the comma after them.
    fn dot_and_stamp(&mut self) -> Option<(Dot, Hybrid)> {
        self.scan.name("dot")?;
        let dot = self.dot()?;
        self.scan.mark(b',')?;
        self.scan.name("at")?;
        let at = self.stamp()?;
        self.scan.mark(b',')?;
        Some((dot, at))
    }

    fn death(&mut self) -> Option<Death> {
        self.scan.mark(b'{')?;
        let (dot, at) = self.dot_and_stamp()?;
        let seen = self.vector()?;
        let mut late = BTreeSet::new();
        if self.scan.has_name("late") {
            self.scan.mark(b'[')?;
            while self.scan.goes_on(b']', late.is_empty())? {
                late.insert(self.dot()?);
            }
        }
        self.scan.mark(b'}')?;
        Some(Death { dot, at, seen, late })
    }

    fn writes(&mut self, entity: &mut Entity, depth: usize) -> Option<()> {
        self.scan.mark(b'[')?;
        let mut writes: Vec<(Dot, Write)> = Vec::new();
        while self.scan.goes_on(b']', writes.is_empty())? {
            let (dot, write) = self.write(depth + 2)?;
            if writes.last().is_some_and(|(last, _)| *last >= dot) {
                return None;
            }
            // Who wrote it had seen it.
            entity.seen.see(&dot.replica, dot.count);
            writes.push((dot, write));
        }
        entity.writes = writes.into_iter().collect();
        Some(())
    }

    /// A write, whose members' values are at this depth.
    fn write(&mut self, depth: usize) -> Option<(Dot, Write)> {
        self.scan.mark(b'{')?;
        let (dot, at) = self.dot_and_stamp()?;
        self.scan.name("version")?;
        let version = self.scan.count()?;
        self.scan.mark(b',')?;
        self.scan.name("life")?;
        let life = self.dot()?;
        self.scan.mark(b',')?;
        self.scan.name("set")?;
        self.scan.mark(b'{')?;
        let mut fields: Vec<(Arc<str>, _)> = Vec::new();
        while self.scan.goes_on(b'}', fields.is_empty())? {
            let name = self.fields.shared(self.scan.text()?);
            self.scan.mark(b':')?;
            let value = self.scan.value(depth + 1)?;
            if fields.last().is_some_and(|(last, _)| *last >= name) {
                return None;
            }
            fields.push((name, Some(value)));
        }
        let mut fields: BTreeMap<_, _> = fields.into_iter().collect();
        if self.scan.has_name("unset") {
            self.scan.mark(b'[')?;
            let mut is_first = true;
            while self.scan.goes_on(b']', is_first)? {
                is_first = false;
                fields.insert(self.fields.shared(self.scan.text()?), None);
            }
        }
        self.scan.mark(b'}')?;
        Some((dot, Write { at, life, version, fields }))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::delta::codec::{entity_file, list_file, read_file, read_list, write_entity};
    use crate::delta::entity::Fields;

    /// An entity with all that one can have: fields that need escapes, unset ones, ended lives and late writes.
    fn entity() -> (Key, Entity) {
        let mut entity = Entity::default();
        let dot = |replica: &str, count| Dot { replica: ReplicaId::from(replica), count };
        let at = |ms| Hybrid { ms, count: 3 };
        let set = |text: &str| text.parse::<Fields>().unwrap().0;
        entity.put(
            &dot("a-00000001", 1),
            at(5),
            &set(r#"{"title":"one","note":"a\"b\n"}"#),
            &BTreeSet::new(),
        );
        entity.delete(&dot("b-00000002", 7), at(9));
        entity.put(
            &dot("a-00000001", 12),
            at(11),
            &set(r#"{"é \"x\"":[1.50,{"a":null,"b":"\u0007"}],"due":"\ud83d"}"#),
            &BTreeSet::new(),
        );
        entity.put(&dot("b-00000002", 9), at(12), &set(r#"{"title":"two"}"#), &["due".into()].into());
        let late = dot("c-00000003", 4);
        entity.deaths.values_mut().for_each(|death| death.late.extend([late.clone()]));
        (Key::new("task", "t1"), entity)
    }

    fn plain() -> (Key, Entity) {
        let mut entity = Entity::default();
        let dot = Dot { replica: ReplicaId::from("a-00000001"), count: 20 };
        let set = r#"{"title":"one","tags":["x",{"y":1}]}"#.parse::<Fields>().unwrap().0;
        entity.put(&dot, Hybrid { ms: 1_700_000_000_000, count: 0 }, &set, &BTreeSet::new());
        (Key::new("project", "päivä"), entity)
    }

    fn odd() -> (Key, Entity) {
        (Key::new("task", "a \"quoted\" id"), plain().1)
    }

    #[test]
    fn what_is_written_is_read_in_one_pass() {
        let all = [plain(), odd(), entity(), plain()];
        let text = list_file(7, &all);
        assert_eq!(list(&text).unwrap(), all);
        assert_eq!(read_list(&text).unwrap(), all);
        assert_eq!(file(&entity_file(&all[0].0, &all[0].1, 20)).unwrap(), all[0]);
        let mut line = "{\"published\":[4,true],\"entity\":".to_owned();
        write_entity(&mut line, &all[0].0, &all[0].1);
        line.push('}');
        let published = Published { count: 4, alive: true };
        assert_eq!(
            record(&line).unwrap(),
            (all[0].0.clone(), Record { entity: all[0].1.clone(), published })
        );
        let shared = |found: &[(Key, Entity)]| {
            let names: Vec<_> = found.iter().map(|(key, _)| key.kind.clone()).collect();
            Arc::ptr_eq(&names[0], &names[3])
        };
        assert!(shared(&list(&text).unwrap()), "one name is held once");
    }

    #[test]
    fn what_is_written_otherwise_is_left_to_the_long_way() {
        let (key, one) = plain();
        let text = entity_file(&key, &one, 20);
        for other in [
            text.replacen("\"kind\":\"project\",", "", 1),
            text.replacen("\"schema\":1", "\"schema\":2", 1),
            text.replacen("\"version\":1", "\"version\":1.0", 1),
            text.replacen("20@", "020@", 1),
            text.replacen("\"seen\"", "\"also\":1,\"seen\"", 1),
            text.replacen("{\"a-00000001\":20}", "{\"a-00000001\":0}", 1),
            format!("{text}x"),
        ] {
            assert_ne!(other, text);
            assert_eq!(file(&other), None, "{other}");
        }
    }

    proptest! {
        /// Whatever becomes of a text: what is read in one pass is what is read the long way.
        #[test]
        fn one_pass_gives_what_the_long_way_gives(
            changes in prop::collection::vec((any::<prop::sample::Index>(), "[\"\\\\{}\\[\\],:0-9@a-c .eE\n-]{0,3}", 0..3_usize), 0..4)
        ) {
            let change = |mut text: String| {
                for (at, put, less) in &changes {
                    let at = at.index(text.len());
                    let end = (at + less).min(text.len());
                    if text.is_char_boundary(at) && text.is_char_boundary(end) {
                        text.replace_range(at..end, put);
                    }
                }
                text
            };
            let (key, one) = entity();
            let text = change(entity_file(&key, &one, 12));
            if let Some(found) = file(&text) {
                prop_assert_eq!(Ok(found), read_file(&text));
            }
            let text = change(list_file(7, &[plain(), entity()]));
            if let Some(found) = list(&text) {
                prop_assert_eq!(Ok(found), read_list(&text));
            }
        }
    }
}
