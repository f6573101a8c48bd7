//! Entities: what every replica may have written about one thing, and what that comes to.
//!
//! # What is kept
//! An entity is a set of writes. Each has a dot, a stamp of the hybrid clock, and the fields it set or unset that no
//! later write has overwritten since. A write belongs to a life of the entity, which is named by the dot that began
//! it. A deletion ends the lives that it had seen; it says how much it had seen, and the writes of an ended life stay
//! until every replica knows of its end.
//!
//! # What that comes to
//! - A field has the value of the write that had seen the others. Of writes that had not seen each other the one in
//!   the elder life counts, within one life the later stamp, and then the larger replica id.
//! - Every other value is a [`Conflict`], unless it is the same value. It stays until a write has seen it: a put of
//!   the field, a restore or a dismissal.
//! - **Delete wins.** A write to a life that somebody ended without having seen it is a conflict. Where another life goes
//!   on, that is so of a field that it unset, too.
//! - A decision on a write to an ended life is about that write alone: what its replica wrote there before is another one.
//! - A put after a deletion that was seen begins a new life, without the fields of the old one.
//! - Two replicas that made one id without having heard of each other made two lives: both count, the fields are
//!   merged, and a device that comes with defaults of its own does not overwrite what was there before.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::import::Imported;
use super::vector::{Dot, ReplicaId, Vector};
use crate::kit::hlc::Hybrid;
use crate::kit::json::{Flaw, Json, Node};

/// Which entity: kind and id together. A task and a project may have one id.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The kind, such as `task`.
    pub kind: Arc<str>,
    /// The id within the kind.
    pub id: Arc<str>,
}

impl Key {
    /// The key of a kind and an id.
    #[must_use]
    pub fn new(kind: &str, id: &str) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

/// Names that the plan keeps for itself (per-entity delta sync plan, 3.1.1): no field of a person's may have them.
pub const RESERVED: [&str; 5] = ["id", "isDeleted", "lastModifiedAt", "lastModifiedBy", "version"];

/// Fields and their values. In scenarios and traces the text of a JSON object, so that every digit is kept.
#[derive(Clone, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fields(pub BTreeMap<Arc<str>, Json>);

impl Fields {
    /// The fields of an object; `None` if it is none.
    #[must_use]
    pub fn of(node: &Node) -> Option<Self> {
        let fields = node.object()?.iter().map(|(name, value)| (name.as_str().into(), value.json()));
        Some(Self(fields.collect()))
    }

    /// A field's value; `None` if it is absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }

    /// The fields as one object.
    #[must_use]
    pub fn json(&self) -> Json {
        Json::object(self.0.iter().map(|(name, value)| (&**name, value)))
    }
}

impl FromStr for Fields {
    type Err = Flaw;

    fn from_str(text: &str) -> Result<Self, Flaw> {
        Self::of(&Node::parse(text.as_bytes())?).ok_or(Flaw::At(0))
    }
}

impl From<Fields> for String {
    fn from(fields: Fields) -> Self {
        fields.json().to_string()
    }
}

impl TryFrom<String> for Fields {
    type Error = Flaw;

    fn try_from(text: String) -> Result<Self, Flaw> {
        text.parse()
    }
}

/// One write, as far as nothing has overwritten it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Write {
    /// When, by the writer's hybrid clock.
    pub at: Hybrid,
    /// The life it belongs to.
    pub life: Dot,
    /// Which version of the entity it made: one more than the writer had seen.
    pub version: u64,
    /// What it set; `None` for a field that it unset.
    pub fields: BTreeMap<Arc<str>, Option<Json>>,
}

/// The end of a life.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Death {
    /// The deletion; of several the one with the latest stamp.
    pub dot: Dot,
    /// When.
    pub at: Hybrid,
    /// The writes that those who deleted had seen.
    pub seen: Vector,
    /// Writes that came after the life had been buried, and are conflicts: see [`graves`](super::graves).
    pub late: BTreeSet<Dot>,
}

/// All that is known of one entity.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Entity {
    /// The writes and deletions that were seen, whatever is left of them.
    pub seen: Vector,
    /// Its lives, and when each began.
    pub births: BTreeMap<Dot, Hybrid>,
    /// Those that ended.
    pub deaths: BTreeMap<Dot, Death>,
    /// What was written and not overwritten.
    pub writes: BTreeMap<Dot, Write>,
}

/// Why there is a conflict.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The entity was deleted by somebody who had not seen the write.
    Deleted,
    /// Another write that had not seen it won.
    SameField,
}

/// What a write said that did not come to count: it can be restored or dismissed.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Conflict {
    /// The entity.
    pub key: Key,
    /// The write that lost.
    pub dot: Dot,
    /// When it was made.
    pub at: Hybrid,
    /// Why it lost.
    pub reason: Reason,
    /// What it said; `None` for a field that it unset.
    pub fields: BTreeMap<Arc<str>, Option<Json>>,
}

impl Conflict {
    /// What it is called: the same on every replica, as it follows from what it says.
    #[must_use]
    pub fn id(&self) -> String {
        let mut text = format!("{}\0{}\0{:?}", self.key.kind, self.key.id, self.reason);
        for (name, value) in &self.fields {
            text.extend(["\0", name, "\0", value.as_ref().map_or("", Json::as_str)]);
        }
        format!("c{:016x}", xxh3_64(text.as_bytes()))
    }
}

/// An entity as people see it.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Shown {
    /// Which entity.
    pub key: Key,
    /// How many times it was written, in the longest chain of writes that saw each other.
    pub version: u64,
    /// The last write or deletion.
    pub dot: Option<Dot>,
    /// When that was, in ms since 1970.
    pub last_modified_ms: i64,
    /// Whether it is deleted.
    pub deleted: bool,
    /// Its fields; none if it is deleted.
    pub fields: Fields,
}

impl Entity {
    /// Lives that go on, the eldest first.
    fn alive(&self) -> impl Iterator<Item = &Dot> {
        let mut alive: Vec<_> =
            self.births.iter().filter(|(birth, _)| !self.deaths.contains_key(*birth)).collect();
        alive.sort_by_key(|&(birth, at)| (*at, birth));
        alive.into_iter().map(|(birth, _)| birth)
    }

    /// Whether no life of it goes on.
    #[must_use]
    pub fn is_deleted(&self) -> bool {
        self.births.keys().all(|birth| self.deaths.contains_key(birth))
    }

    /// The highest version among its writes.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.writes.values().map(|write| write.version).max().unwrap_or(0)
    }

    /// Writes: sets and unsets fields, and begins a life where none goes on. False, and nothing happens, if it says
    /// what is there already.
    pub fn put(
        &mut self,
        dot: &Dot,
        at: Hybrid,
        set: &BTreeMap<Arc<str>, Json>,
        unset: &BTreeSet<Arc<str>>,
    ) -> bool {
        let values = set.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
        let holes = unset.iter().filter(|name| !set.contains_key(*name)).map(|name| (name.clone(), None));
        let mut fields: BTreeMap<_, _> = values.chain(holes).collect();
        let life = self.alive().next().cloned();
        if life.is_none() && set.is_empty() && !unset.is_empty() {
            // Where nothing is, nothing can be unset.
            return false;
        }
        if life.is_some() {
            fields.retain(|name, value| !self.says(name, value.as_ref()));
            if fields.is_empty() {
                return false;
            }
        }
        self.write(dot, at, life, fields);
        true
    }

    /// Whether a field has just this value and nothing else was said of it.
    fn says(&self, name: &str, value: Option<&Json>) -> bool {
        let mut said = self.writes.values().filter(|write| !self.deaths.contains_key(&write.life));
        let mut said = said.by_ref().filter_map(|write| write.fields.get(name));
        match (said.next(), said.next()) {
            (None, _) => value.is_none(),
            (Some(only), None) => only.as_ref() == value,
            _ => false,
        }
    }

    fn write(&mut self, dot: &Dot, at: Hybrid, life: Option<Dot>, fields: BTreeMap<Arc<str>, Option<Json>>) {
        let version = self.version().saturating_add(1);
        let deaths = &self.deaths;
        for write in self.writes.values_mut().filter(|write| !deaths.contains_key(&write.life)) {
            write.fields.retain(|name, _| !fields.contains_key(name));
        }
        self.writes.retain(|_, write| !write.fields.is_empty());
        let life = life.unwrap_or_else(|| {
            self.births.insert(dot.clone(), at);
            dot.clone()
        });
        if !fields.is_empty() {
            self.writes.insert(dot.clone(), Write { at, life, version, fields });
        }
        self.seen.see(&dot.replica, dot.count);
    }

    /// Takes in what somebody else wrote, as a version of its own beside what is known. It counts as older than
    /// everything that was made here. False, and nothing happens, if all of it is known.
    pub fn import(&mut self, dot: &Dot, imported: &Imported) -> bool {
        let said = |name: &Arc<str>, value: &Json| {
            let mut values = self.writes.values().filter_map(|write| write.fields.get(name)?.as_ref());
            values.any(|known| known.same(value))
        };
        let is_new = self.births.is_empty();
        let fields = imported.fields.0.iter().filter(|(name, value)| is_new || !said(name, value));
        let fields: BTreeMap<_, _> =
            fields.map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
        if !is_new && (fields.is_empty() || imported.deleted) {
            return false;
        }
        self.births.insert(dot.clone(), Hybrid::default());
        self.seen.see(&dot.replica, dot.count);
        if !fields.is_empty() {
            let (at, version) = (imported.at, imported.version);
            self.writes.insert(dot.clone(), Write { at, life: dot.clone(), version, fields });
        }
        if imported.deleted {
            let (at, seen) = (imported.at, self.seen.clone());
            self.deaths.insert(dot.clone(), Death { dot: dot.clone(), at, seen, late: BTreeSet::new() });
        }
        true
    }

    /// Ends every life that goes on. False, and nothing happens, if none does.
    pub fn delete(&mut self, dot: &Dot, at: Hybrid) -> bool {
        let alive: Vec<_> = self.alive().cloned().collect();
        if alive.is_empty() {
            return false;
        }
        self.seen.see(&dot.replica, dot.count);
        for life in alive {
            self.deaths
                .insert(life, Death { dot: dot.clone(), at, seen: self.seen.clone(), late: BTreeSet::new() });
        }
        true
    }

    /// How a write ranks among those that had not seen it: larger wins.
    fn rank<'a>(&self, dot: &'a Dot, write: &Write) -> (Reverse<Hybrid>, Hybrid, &'a Dot) {
        let birth = self.births.get(&write.life).copied().unwrap_or_default();
        (Reverse(birth), write.at, dot)
    }

    /// For each field of the writes that `of` accepts, the write that counts.
    fn winners(&self, of: impl Fn(&Write) -> bool) -> BTreeMap<&Arc<str>, (&Dot, &Write)> {
        let mut winners: BTreeMap<&Arc<str>, (&Dot, &Write)> = BTreeMap::new();
        for (dot, write) in self.writes.iter().filter(|(_, write)| of(write)) {
            for name in write.fields.keys() {
                let best = winners.entry(name).or_insert((dot, write));
                if self.rank(best.0, best.1) < self.rank(dot, write) {
                    *best = (dot, write);
                }
            }
        }
        winners
    }

    fn lives_on(&self, write: &Write) -> bool {
        !self.deaths.contains_key(&write.life)
    }

    /// What it comes to.
    #[must_use]
    pub fn shown(&self, key: &Key) -> Shown {
        let winners = self.winners(|write| self.lives_on(write));
        let fields = winners
            .into_iter()
            .filter_map(|(name, (_, write))| Some((name.clone(), write.fields.get(name)?.clone()?)));
        let writes = self.writes.iter().map(|(dot, write)| (write.at, dot));
        let deaths = self.deaths.values().map(|death| (death.at, &death.dot));
        let births = self.births.iter().map(|(dot, at)| (*at, dot));
        let last = writes.chain(deaths).chain(births).max();
        let ended = u64::from(self.is_deleted());
        Shown {
            key: key.clone(),
            version: self.version().saturating_add(ended),
            last_modified_ms: last.map_or(0, |(at, _)| at.ms),
            dot: last.map(|(_, dot)| dot.clone()),
            deleted: self.is_deleted(),
            fields: Fields(fields.collect()),
        }
    }

    /// What was written and does not count, by the writes' dots.
    #[must_use]
    pub fn conflicts(&self, key: &Key) -> Vec<Conflict> {
        if self.writes.len() < 2 && self.deaths.is_empty() {
            return Vec::new();
        }
        let mut conflicts: Vec<Conflict> = Vec::new();
        for (dot, reason, fields) in self.lost() {
            // Of several writes that said the same the first one says enough.
            let same = |known: &Conflict| known.reason == reason && known.fields == fields;
            if !conflicts.iter().any(same) {
                let at = self.writes[dot].at;
                conflicts.push(Conflict { key: key.clone(), dot: dot.clone(), at, reason, fields });
            }
        }
        conflicts
    }

    /// What of each write does not count, and why.
    fn lost(&self) -> impl Iterator<Item = (&Dot, Reason, BTreeMap<Arc<str>, Option<Json>>)> {
        let winners = self.winners(|write| self.lives_on(write));
        self.writes.iter().filter_map(move |(dot, write)| {
            let reason = match self.deaths.get(&write.life) {
                Some(death) if death.seen.covers(dot) => return None,
                Some(_) => Reason::Deleted,
                None => Reason::SameField,
            };
            let value =
                |name: &Arc<str>| winners.get(name).and_then(|(_, write)| write.fields[name].as_ref());
            let lost = write.fields.iter().filter(|(name, said)| match (value(name), said) {
                (Some(one), Some(two)) => !one.same(two),
                // Where nothing is shown, as in an entity that is gone, there is nothing to unset.
                (None, None) => false,
                _ => true,
            });
            let fields: BTreeMap<_, _> = lost.map(|(name, said)| (name.clone(), said.clone())).collect();
            (!fields.is_empty()).then_some((dot, reason, fields))
        })
    }

    /// Whether [`Entity::conflicts`] finds any.
    #[must_use]
    pub fn has_conflicts(&self, key: &Key) -> bool {
        !self.conflicts(key).is_empty()
    }

    /// Brings back what a conflict says. Of one whose entity was deleted that is the whole entity as its writer had
    /// it, in a new life if none goes on; of another one its fields. Returns the writes to ended lives that are decided on.
    pub fn restore(&mut self, conflict: &Conflict, dot: &Dot, at: Hybrid) -> Vec<Dot> {
        let mut fields = BTreeMap::new();
        if conflict.reason == Reason::Deleted
            && let Some(life) = self.writes.get(&conflict.dot).map(|write| write.life.clone())
        {
            let winners = self.winners(|write| write.life == life);
            let kept =
                winners.into_iter().map(|(name, (_, write))| (name.clone(), write.fields[name].clone()));
            fields.extend(kept.filter(|(_, value)| value.is_some()));
        }
        fields.extend(conflict.fields.clone());
        // What else is brought back with it is settled too.
        let is_brought =
            |said: &BTreeMap<Arc<str>, _>| said.iter().all(|(name, value)| fields.get(name) == Some(value));
        let settled = self.settle(conflict, is_brought);
        let life = self.alive().next().cloned();
        self.write(dot, at, life, fields);
        settled
    }

    /// Says that what a conflict says is not wanted. Returns the writes to ended lives that are decided on.
    pub fn dismiss(&mut self, conflict: &Conflict, dot: &Dot, at: Hybrid) -> Vec<Dot> {
        let settled = self.settle(conflict, |said| *said == conflict.fields);
        if conflict.reason == Reason::SameField {
            let winners = self.winners(|write| self.lives_on(write));
            let kept = winners.into_iter().filter(|(name, _)| conflict.fields.contains_key(*name));
            let fields = kept.map(|(name, (_, write))| (name.clone(), write.fields[name].clone())).collect();
            let life = self.alive().next().cloned();
            self.write(dot, at, life, fields);
        } else {
            self.seen.see(&dot.replica, dot.count);
        }
        settled
    }

    /// Takes a conflict's write to a life that ended away, and others of which the same can be said: they were seen by now. The
    /// vector of what the deletion had seen stays as it is, as it would cover what their writers had written before.
    fn settle(
        &mut self,
        conflict: &Conflict,
        is_said: impl Fn(&BTreeMap<Arc<str>, Option<Json>>) -> bool,
    ) -> Vec<Dot> {
        if conflict.reason != Reason::Deleted {
            return Vec::new();
        }
        let lost = self.lost().filter(|(_, reason, said)| *reason == conflict.reason && is_said(said));
        let settled: Vec<Dot> = lost.map(|(dot, ..)| dot.clone()).collect();
        settled.iter().for_each(|dot| drop(self.writes.remove(dot)));
        settled
    }

    /// Whether a replica wrote any of it.
    #[must_use]
    pub fn is_of(&self, replica: &ReplicaId) -> bool {
        self.seen.get(&replica.0) > 0
    }
}
