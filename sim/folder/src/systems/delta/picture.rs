//! What one replica shows at one moment, in the form that checkers compare.

use std::collections::BTreeMap;
use std::sync::Arc;

use cloudchamber_core::delta::{Conflict, Delta, Dot, Entity, Key, ReplicaId, Shown};
use cloudchamber_core::kit::json::Json;
use cloudchamber_core::kit::watermark::Watermarks;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

/// The entities of one replica, and what it lists as conflicts.
pub(super) struct Picture<'a> {
    delta: &'a Delta,
    entities: BTreeMap<Key, Shown>,
    conflicts: BTreeMap<Key, Vec<Conflict>>,
}

impl<'a> Picture<'a> {
    /// Looks at a replica.
    pub(super) fn of(delta: &'a Delta) -> Self {
        let entities = delta.all().map(|shown| (shown.key.clone(), shown)).collect();
        let mut conflicts: BTreeMap<Key, Vec<Conflict>> = BTreeMap::new();
        for conflict in delta.conflicts() {
            conflicts.entry(conflict.key.clone()).or_default().push(conflict);
        }
        Self { delta, entities, conflicts }
    }

    /// Looks at some entities of a replica of the hardened design only.
    pub(super) fn of_some(delta: &'a Delta, keys: impl Iterator<Item = Key>) -> Self {
        let (mut entities, mut conflicts) = (BTreeMap::new(), BTreeMap::new());
        for (key, entity) in keys.filter_map(|key| delta.entity(&key).map(|entity| (key, entity))) {
            let listed = entity.conflicts(&key);
            if !listed.is_empty() {
                conflicts.insert(key.clone(), listed);
            }
            entities.insert(key.clone(), entity.shown(&key));
        }
        Self { delta, entities, conflicts }
    }

    /// Every entity that is known, deleted or not.
    pub(super) fn entities(&self) -> impl Iterator<Item = (&Key, &Shown)> {
        self.entities.iter()
    }

    /// An entity; `None` if nothing is known of it.
    pub(super) fn get(&self, key: &Key) -> Option<&Shown> {
        self.entities.get(key)
    }

    /// The conflicts of an entity.
    pub(super) fn conflicts(&self, key: &Key) -> &[Conflict] {
        self.conflicts.get(key).map_or(&[], Vec::as_slice)
    }

    /// The conflicts of all entities.
    pub(super) fn all_conflicts(&self) -> impl Iterator<Item = &Conflict> {
        self.conflicts.values().flatten()
    }

    /// All that is known of an entity, in the design that keeps more than it shows.
    pub(super) fn entity(&self, key: &Key) -> Option<&'a Entity> {
        self.delta.entity(key)
    }

    /// Lives that it has buried.
    pub(super) fn graves(&self) -> &'a Watermarks<ReplicaId> {
        self.delta.graves()
    }

    /// Whether two replicas that both know of the end of a life say otherwise who ended it, or when. Of a life that one of
    /// them has buried only that is said which came late.
    pub(super) fn is_other_end(&self, other: &Self) -> bool {
        let is_buried = |life: &Dot| {
            [self, other].into_iter().any(|picture| picture.graves().contains(&life.replica, life.count))
        };
        self.entities.keys().any(|key| {
            let (Some(one), Some(two)) = (self.entity(key), other.entity(key)) else { return false };
            one.deaths.iter().any(|(life, death)| {
                let its = two.deaths.get(life);
                its.is_some_and(|its| (&its.dot, its.at) != (&death.dot, death.at)) && !is_buried(life)
            })
        })
    }

    /// Whether an entity lives.
    pub(super) fn is_alive(&self, key: &Key) -> bool {
        self.get(key).is_some_and(|shown| !shown.deleted)
    }

    /// Whether a field of a living entity has this value, or is absent for `None`.
    pub(super) fn shows(&self, key: &Key, field: &str, value: Option<&Json>) -> bool {
        self.get(key).is_some_and(|shown| !shown.deleted && same(shown.fields.get(field), value))
    }

    /// Whether a conflict says that a field has this value, or was unset for `None`.
    pub(super) fn lists(&self, key: &Key, field: &Arc<str>, value: Option<&Json>) -> bool {
        let mut said = self.conflicts(key).iter().filter_map(|conflict| conflict.fields.get(field));
        said.any(|said| same(said.as_ref(), value))
    }

    /// The digest of one entity, without its conflicts.
    pub(super) fn shown_digest(&self, key: &Key) -> u64 {
        self.get(key).map_or(0, |shown| {
            let seed = if shown.deleted { 1 } else { 2 };
            xxh3_64_with_seed(shown.fields.json().as_str().as_bytes(), seed)
        })
    }

    /// The digest of one entity, as far as people see it.
    pub(super) fn digest_of(&self, key: &Key) -> u64 {
        self.conflicts(key).iter().fold(self.shown_digest(key), |seed, conflict| {
            let said: Vec<_> = conflict
                .fields
                .iter()
                .map(|(name, value)| (name, value.as_ref().map(Json::as_str)))
                .collect();
            xxh3_64_with_seed(format!("{} {said:?}", conflict.id()).as_bytes(), seed)
        })
    }

    /// The digest of all that people see: entities that live, and conflicts, if these are to be the same everywhere.
    pub(super) fn digest(&self, conflicts: bool) -> u64 {
        let listed = self.conflicts.keys().filter(|key| conflicts && !self.is_alive(key));
        let keys = self.entities.keys().filter(|key| self.is_alive(key)).chain(listed);
        keys.fold(0, |sum: u64, key| {
            let name = xxh3_64(format!("{}\0{}", key.kind, key.id).as_bytes());
            // Of an entity that does not live only the conflicts count: its tombstone may be collected.
            let digest = if conflicts { self.digest_of(key) } else { self.shown_digest(key) };
            sum.wrapping_add(xxh3_64_with_seed(&digest.to_le_bytes(), name))
        })
    }

    /// The entity in a few words.
    pub(super) fn say(&self, key: &Key) -> String {
        let what = match self.get(key) {
            None => "nothing".to_owned(),
            Some(shown) if shown.deleted => "that it is deleted".to_owned(),
            Some(shown) => format!("{}", shown.fields.json()),
        };
        let conflicts = self.conflicts(key).len();
        if conflicts == 0 { what } else { format!("{what} and {conflicts} conflicts") }
    }
}

/// Whether two values are one, or both are absent.
pub(super) fn same(one: Option<&Json>, two: Option<&Json>) -> bool {
    match (one, two) {
        (Some(one), Some(two)) => one.same(two),
        (None, None) => true,
        _ => false,
    }
}
