//! The merge of many entities of which two replicas edited a tenth: ours, with `automerge`, and with `yrs`.
//!
//! # What is the same for all
//! An entity is a map of eight text fields. One replica made all of them and the other knows them; then each edits the
//! same tenth, an edit each, in every second of them the same field. Afterwards the first one takes in what the second
//! has, and both edits of each entity have to be there.
//!
//! # What is not
//! `automerge` and `yrs` keep one document with a map of maps, know what the other side lacks, and exchange only that;
//! ours compares all entities, as a replica does that trusts no hint. `yrs` has to encode and decode what it exchanges,
//! since its documents meet in no other way; `automerge` and ours take it from memory. From files all three read
//! everything that the second replica has, as one that was away does: ours the text that its files hold. Ours keeps
//! when and by whom each field was written and lists conflicts; `automerge` keeps all of history; `yrs` forgets the
//! value that lost. `automerge` is built without its own debug assertions, ours with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use automerge::transaction::Transactable as _;
use automerge::{ActorId, AutoCommit, ObjType, ReadDoc as _};
use cloudchamber_core::delta::codec::{list_file, parse_list_file};
use cloudchamber_core::delta::merge::absorb;
use cloudchamber_core::delta::{Conflict, Dot, Entity, Key, ReplicaId};
use cloudchamber_core::kit::hlc::Hybrid;
use cloudchamber_core::kit::json::Json;
use yrs::updates::decoder::Decode as _;
use yrs::{Doc, Map as _, MapPrelim, Options, ReadTxn as _, StateVector, Transact as _, Update};

use super::{Timed, done};

/// How many entities there are.
pub const ENTITIES: usize = 100_000;

/// One in so many was edited on both sides.
const EDITED: usize = 10;

/// The fields of an entity.
const FIELDS: usize = 8;

/// The tasks, as the report calls them.
pub mod task {
    /// Both states are in memory.
    pub const MEMORY: &str = "merge in memory, a tenth edited on both sides";
    /// What the other one has is read from files first.
    pub const FILES: &str = "read what another replica has, and merge";
}

/// Who does it, as the report calls them.
pub mod by {
    /// Ours.
    pub const OURS: &str = "cloudchamber";
    /// The `automerge` crate.
    pub const AUTOMERGE: &str = "automerge maps";
    /// The `yrs` crate.
    pub const YRS: &str = "yrs maps";
}

fn id(at: usize) -> String {
    format!("entity-{at:06}")
}

fn name(field: usize) -> String {
    format!("field {field}")
}

fn value(at: usize, field: usize) -> String {
    format!("value {at} {field}")
}

/// The entities that a side edits: each with the field and its new value.
fn edits(entities: usize, side: usize) -> impl Iterator<Item = (usize, usize, String)> {
    (0..entities).step_by(EDITED).map(move |at| {
        let field = if (at / EDITED).is_multiple_of(2) { 0 } else { side };
        (at, field, format!("new {side} {at}"))
    })
}

/// Two replicas of ours.
#[derive(Clone, Debug)]
pub struct Ours {
    mine: BTreeMap<Key, Entity>,
    theirs: BTreeMap<Key, Entity>,
}

impl Ours {
    /// Both replicas, after their edits.
    #[must_use]
    pub fn new(entities: usize) -> Self {
        let replicas = ["laptop-00000001", "phone-00000002"].map(ReplicaId::from);
        let texts = |of: &mut dyn Iterator<Item = (usize, String)>| -> BTreeMap<Arc<str>, Json> {
            of.map(|(field, text)| (name(field).into(), Json::text(&text))).collect()
        };
        let put = |entity: &mut Entity, side: usize, count: usize, set| {
            let dot = Dot { replica: replicas[side].clone(), count: count as u64 };
            entity.put(&dot, Hybrid { ms: 1 + count as i64, count: 0 }, &set, &BTreeSet::new());
        };
        let first = |at| {
            let mut entity = Entity::default();
            put(&mut entity, 0, at + 1, texts(&mut (0..FIELDS).map(|field| (field, value(at, field)))));
            (Key::new("task", &id(at)), entity)
        };
        let made: BTreeMap<_, _> = (0..entities).map(first).collect();
        let edited = |side| {
            let mut all = made.clone();
            for (at, field, text) in edits(entities, side) {
                let entity = all.get_mut(&Key::new("task", &id(at))).expect("it was made");
                put(entity, side, entities + at + 1, texts(&mut [(field, text)].into_iter()));
            }
            all
        };
        Self { mine: edited(0), theirs: edited(1) }
    }

    /// Takes in what the other one has; says how many entities changed.
    pub fn merge(&mut self) -> usize {
        take(&mut self.mine, self.theirs.iter())
    }

    /// The text of the file that the other one leaves.
    #[must_use]
    pub fn file(&self) -> String {
        let all = self.theirs.iter().map(|(key, entity)| (key.clone(), entity.clone()));
        list_file(0, &all.collect::<Vec<_>>())
    }

    /// Reads the other one's file and takes in what it says; says how many entities changed.
    ///
    /// # Panics
    /// If it is no such file.
    pub fn read(&mut self, file: &str) -> usize {
        let read = parse_list_file(file.as_bytes()).expect("what was written is read");
        take(&mut self.mine, read.iter().map(|(key, entity)| (key, entity)))
    }

    /// How many entities have both edits, of which one may be a conflict.
    #[must_use]
    pub fn both(&self) -> usize {
        let has = |(at, field, text): (usize, usize, String)| {
            let key = Key::new("task", &id(at));
            let (entity, said) = (&self.mine[&key], Some(Json::text(&text)));
            let lost = |lost: &Conflict| lost.fields.get(&*name(field)) == Some(&said);
            entity.shown(&key).fields.get(&name(field)) == said.as_ref()
                || entity.conflicts(&key).iter().any(lost)
        };
        let edited = edits(self.mine.len(), 0).zip(edits(self.mine.len(), 1));
        edited.filter(|(one, two)| has(one.clone()) && has(two.clone())).count()
    }
}

/// Joins what is known with what another replica says, both in the order of their keys.
fn take<'a>(mine: &mut BTreeMap<Key, Entity>, theirs: impl Iterator<Item = (&'a Key, &'a Entity)>) -> usize {
    let mut changed = 0;
    let mut known = mine.iter_mut().peekable();
    let mut new = Vec::new();
    for (key, entity) in theirs {
        while known.next_if(|(here, _)| *here < key).is_some() {}
        match known.next_if(|(here, _)| *here == key) {
            Some((_, one)) => changed += usize::from(absorb(one, entity)),
            None => new.push((key.clone(), entity.clone())),
        }
    }
    changed += new.len();
    mine.extend(new);
    changed
}

/// Two documents of `automerge`.
#[derive(Clone, Debug)]
pub struct Automerge {
    mine: AutoCommit,
    theirs: AutoCommit,
}

impl Automerge {
    /// Both replicas, after their edits.
    ///
    /// # Panics
    /// If `automerge` refuses what it documents.
    #[must_use]
    pub fn new(entities: usize) -> Self {
        let mut mine = AutoCommit::new().with_actor(ActorId::from([1; 16]));
        for at in 0..entities {
            let entity = mine.put_object(automerge::ROOT, id(at), ObjType::Map).expect("a map of maps");
            for field in 0..FIELDS {
                mine.put(&entity, name(field), value(at, field)).expect("a text");
            }
        }
        mine.commit();
        let mut theirs = mine.fork().with_actor(ActorId::from([2; 16]));
        for (side, doc) in [&mut mine, &mut theirs].into_iter().enumerate() {
            for (at, field, text) in edits(entities, side) {
                let (_, entity) = doc.get(automerge::ROOT, id(at)).expect("it is read").expect("it was made");
                doc.put(&entity, name(field), text).expect("a text");
                doc.commit();
            }
        }
        Self { mine, theirs }
    }

    /// Takes in what the other one has; says how many changes came.
    ///
    /// # Panics
    /// If `automerge` refuses it.
    pub fn merge(&mut self) -> usize {
        self.mine.merge(&mut self.theirs).expect("they have one beginning").len()
    }

    /// The bytes of the file that the other one leaves.
    #[must_use]
    pub fn file(&mut self) -> Vec<u8> {
        self.theirs.save()
    }

    /// Reads the other one's file and takes in what it says; says how many heads came.
    ///
    /// # Panics
    /// If `automerge` refuses it.
    pub fn read(&mut self, file: &[u8]) -> usize {
        let mut read = AutoCommit::load(file).expect("what was written is read");
        self.mine.merge(&mut read).expect("they have one beginning").len()
    }

    /// How many entities have both edits, of which one may be a conflict.
    ///
    /// # Panics
    /// If `automerge` cannot be read.
    #[must_use]
    pub fn both(&self, entities: usize) -> usize {
        let has = |(at, field, text): (usize, usize, String)| {
            let (_, entity) =
                self.mine.get(automerge::ROOT, id(at)).expect("it is read").expect("it was made");
            let all = self.mine.get_all(&entity, name(field)).expect("it is read");
            all.iter().any(|(value, _)| value.as_str() == Some(&text))
        };
        edits(entities, 0)
            .zip(edits(entities, 1))
            .filter(|(one, two)| has(one.clone()) && has(two.clone()))
            .count()
    }
}

/// Two documents of `yrs`.
#[derive(Debug)]
pub struct Yrs {
    mine: Doc,
    theirs: Doc,
}

impl Yrs {
    fn doc(client: u64) -> Doc {
        Doc::with_options(Options::with_guid_and_client_id("bench".into(), yrs::ClientID::new(client)))
    }

    /// Both replicas, after their edits.
    ///
    /// # Panics
    /// If `yrs` refuses what it documents.
    #[must_use]
    pub fn new(entities: usize) -> Self {
        let [mine, theirs] = [1, 2].map(Self::doc);
        {
            let root = mine.get_or_insert_map("entities");
            let mut txn = mine.transact_mut();
            for at in 0..entities {
                // One after the other: a whole map would come in an order of chance.
                let entity = root.insert(&mut txn, id(at), MapPrelim::default());
                for field in 0..FIELDS {
                    entity.insert(&mut txn, name(field), value(at, field));
                }
            }
        }
        let state = mine.transact().encode_state_as_update_v1(&StateVector::default());
        apply(&theirs, &state);
        for (side, doc) in [&mine, &theirs].into_iter().enumerate() {
            let root = doc.get_or_insert_map("entities");
            for (at, field, text) in edits(entities, side) {
                let mut txn = doc.transact_mut();
                let entity = root.get(&txn, &id(at)).and_then(|out| out.cast::<yrs::MapRef>().ok());
                entity.expect("it was made").insert(&mut txn, name(field), text);
            }
        }
        Self { mine, theirs }
    }

    /// Takes in what the other one has; says how many bytes that were.
    pub fn merge(&mut self) -> usize {
        let known = self.mine.transact().state_vector();
        let new = self.theirs.transact().encode_state_as_update_v1(&known);
        apply(&self.mine, &new);
        new.len()
    }

    /// The bytes of the file that the other one leaves.
    #[must_use]
    pub fn file(&self) -> Vec<u8> {
        self.theirs.transact().encode_state_as_update_v1(&StateVector::default())
    }

    /// Reads the other one's file and takes in what it says.
    pub fn read(&mut self, file: &[u8]) -> usize {
        apply(&self.mine, file);
        file.len()
    }

    /// In how many entities an edit of both, or the one that won, is there.
    #[must_use]
    pub fn both(&self, entities: usize) -> usize {
        let root = self.mine.get_or_insert_map("entities");
        let txn = self.mine.transact();
        let has = |(at, field, text): &(usize, usize, String)| {
            let entity = root.get(&txn, &id(*at)).and_then(|out| out.cast::<yrs::MapRef>().ok());
            let entity = entity.expect("it was made");
            entity.get(&txn, &name(*field)).map(|out| out.to_string(&txn)) == Some(text.clone())
        };
        let edited = edits(entities, 0).zip(edits(entities, 1));
        edited
            .filter(|(one, two)| match one.1 == two.1 {
                true => has(one) || has(two),
                false => has(one) && has(two),
            })
            .count()
    }
}

fn apply(doc: &Doc, update: &[u8]) {
    let update = Update::decode_v1(update).expect("what was written is read");
    doc.transact_mut().apply_update(update).expect("what was written is applied");
}

/// Does each merge once, and looks that each has what it should.
///
/// # Panics
/// If one lacks an edit.
#[must_use]
pub fn measure(entities: usize) -> Vec<Timed> {
    let edited = entities.div_ceil(EDITED);
    let check = |by: &str, both: usize| assert_eq!(both, edited, "{by}: entities with both edits");
    let mut rows = Vec::new();
    {
        let ours = Ours::new(entities);
        let file = ours.file();
        let mut one = ours.clone();
        rows.push(done(task::MEMORY, by::OURS, entities, || one.merge()).0);
        check(by::OURS, one.both());
        let mut one = ours;
        rows.push(done(task::FILES, by::OURS, entities, || one.read(&file)).0);
        check(by::OURS, one.both());
    }
    {
        let mut theirs = Automerge::new(entities);
        let file = theirs.file();
        let mut one = theirs.clone();
        rows.push(done(task::MEMORY, by::AUTOMERGE, entities, || one.merge()).0);
        check(by::AUTOMERGE, one.both(entities));
        rows.push(done(task::FILES, by::AUTOMERGE, entities, || theirs.read(&file)).0);
        check(by::AUTOMERGE, theirs.both(entities));
    }
    {
        let mut one = Yrs::new(entities);
        let file = one.file();
        let mut other = Yrs::new(entities);
        rows.push(done(task::MEMORY, by::YRS, entities, || one.merge()).0);
        check(by::YRS, one.both(entities));
        rows.push(done(task::FILES, by::YRS, entities, || other.read(&file)).0);
        check(by::YRS, other.both(entities));
    }
    // Those of one task together.
    rows.sort_by_key(|row| row.task == task::FILES);
    rows
}
