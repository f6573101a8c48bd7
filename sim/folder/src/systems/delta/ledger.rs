//! What was acknowledged, who had seen it, and what of it nobody has overwritten.
//!
//! Whether a replica has seen a change is told from what it shows and lists, not from what it keeps in its files: a
//! value that no person could see there was not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloudchamber_core::delta::{Dot, Key};
use cloudchamber_core::kit::json::Json;

use super::picture::Picture;
use crate::ReplicaId;

/// A change that may not be lost.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Said {
    /// Where.
    pub(super) replica: ReplicaId,
    /// The entity.
    pub(super) key: Key,
    /// The write; `None` in a design that does not name writes.
    pub(super) dot: Option<Dot>,
    /// What it set, or unset for `None`; `None` altogether for a deletion.
    pub(super) fields: Option<BTreeMap<Arc<str>, Option<Json>>>,
    /// The fields that nobody who had seen this has written since.
    pub(super) open: BTreeSet<Arc<str>>,
    /// The earlier changes of the entity that had been seen there.
    pub(super) past: BTreeSet<usize>,
    /// Which changes began the lives of the entity that it belongs to; none if these were there from the start.
    pub(super) lives: BTreeSet<usize>,
    /// When, ms of world time.
    pub(super) at_ms: u64,
    /// Whether another replica has seen it.
    pub(super) arrived: bool,
    /// Whether every replica that ran has.
    pub(super) spread: bool,
    /// Whether it was taken over from others, and not made here.
    pub(super) imported: bool,
}

impl Said {
    /// A change of which nothing is known but what it says.
    pub(super) fn new(
        replica: ReplicaId,
        key: &Key,
        dot: Option<Dot>,
        fields: Option<BTreeMap<Arc<str>, Option<Json>>>,
        at_ms: u64,
    ) -> Self {
        let open = fields.iter().flat_map(BTreeMap::keys).cloned().collect();
        let (past, lives) = (BTreeSet::new(), BTreeSet::new());
        let (arrived, spread, imported) = (false, false, false);
        Self { replica, key: key.clone(), dot, fields, open, past, lives, at_ms, arrived, spread, imported }
    }

    pub(super) fn is_deletion(&self) -> bool {
        self.fields.is_none()
    }

    /// Whether it set the field to this value.
    pub(super) fn sets(&self, field: &str, value: Option<&Json>) -> bool {
        let said = self.fields.as_ref().and_then(|fields| fields.get(field));
        said.is_some_and(|said| super::picture::same(said.as_ref(), value))
    }

    /// Whether it says something else of a field, or ends the entity.
    pub(super) fn is_over(&self, field: &str) -> bool {
        self.fields.as_ref().is_none_or(|fields| fields.contains_key(field))
    }

    /// It in a few words.
    pub(super) fn text(&self) -> String {
        let what = match &self.fields {
            None => "the deletion".to_owned(),
            Some(fields) => {
                let one = |(name, value): (&Arc<str>, &Option<Json>)| {
                    format!("{name} = {}", value.as_ref().map_or("nothing", Json::as_str))
                };
                fields.iter().map(one).collect::<Vec<_>>().join(", ")
            }
        };
        format!("{what} of {} ({} at {})", self.key, self.replica, crate::checks::time(self.at_ms))
    }
}

/// What a replica knows of one entity, by what it shows and lists.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Known {
    /// Whether it lives there.
    pub(super) alive: bool,
    /// The changes that were seen: those that can be seen, and what their writers had seen.
    pub(super) seen: BTreeSet<usize>,
    /// Which changes began the lives that go on.
    pub(super) lives: BTreeSet<usize>,
}

/// Everything that was acknowledged, in order.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Ledger {
    said: Vec<Arc<Said>>,
    by_key: BTreeMap<Key, Vec<usize>>,
    /// The first change of each name.
    by_dot: BTreeMap<Dot, usize>,
    /// The writes of which somebody has decided what becomes of them, and where.
    decided: BTreeMap<Dot, ReplicaId>,
}

impl Ledger {
    /// Every change, in order.
    pub(super) fn all(&self) -> impl Iterator<Item = (usize, &Said)> {
        self.said.iter().map(|said| &**said).enumerate()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// How many changes there are.
    pub(super) fn len(&self) -> usize {
        self.said.len()
    }

    /// The changes of an entity, in order.
    pub(super) fn of(&self, key: &Key) -> impl DoubleEndedIterator<Item = (usize, &Said)> {
        self.by_key.get(key).into_iter().flatten().map(|at| (*at, &*self.said[*at]))
    }

    pub(super) fn get(&self, at: usize) -> &Said {
        &self.said[at]
    }

    pub(super) fn get_mut(&mut self, at: usize) -> &mut Said {
        Arc::make_mut(&mut self.said[at])
    }

    /// The write of a name; `None` if nobody was told of it.
    pub(super) fn of_dot(&self, dot: &Dot) -> Option<(usize, &Said)> {
        self.by_dot.get(dot).map(|at| (*at, self.get(*at)))
    }

    /// Somebody was told that a change which is listed as a conflict is restored or dismissed: it is not due any more.
    pub(super) fn decide(&mut self, dot: Dot, decided: &BTreeSet<Arc<str>>, replica: ReplicaId) {
        if let Some(at) = self.by_dot.get(&dot).copied() {
            let (key, fields) = (self.get(at).key.clone(), self.get(at).fields.clone());
            let same: Vec<usize> =
                self.of(&key).filter(|(_, said)| said.fields == fields).map(|(at, _)| at).collect();
            // Who lost the answer to a change may have said it once more.
            for at in same {
                self.get_mut(at).open.retain(|name| !decided.contains(name));
            }
        }
        self.decided.insert(dot, replica);
    }

    /// Somebody was told that a value is there already: from now on it may not be lost, whether its writer was told so or not.
    pub(super) fn confirm(&mut self, dot: &Dot, field: &Arc<str>) {
        let Some(at) = self.by_dot.get(dot).copied().filter(|_| !self.decided.contains_key(dot)) else {
            return;
        };
        let is_over = |(_, later): (usize, &Said)| later.past.contains(&at) && later.is_over(field);
        if !self.get(at).open.contains(field) && !self.of(&self.get(at).key).any(is_over) {
            self.get_mut(at).open.insert(field.clone());
        }
    }

    /// Adds what was taken over from others: it has seen nothing and overwrites nothing.
    pub(super) fn take_over(&mut self, said: Said) {
        self.add(Said { arrived: true, spread: true, imported: true, ..said }, &Known::default());
    }

    /// The writes that were decided on, and where.
    pub(super) fn decided(&self) -> impl Iterator<Item = (&Dot, ReplicaId)> {
        self.decided.iter().map(|(dot, replica)| (dot, *replica))
    }

    /// Adds a change that was acknowledged to somebody who knew so much. Returns what is known there now.
    pub(super) fn add(&mut self, mut said: Said, known: &Known) -> Known {
        let at = self.said.len();
        said.past.clone_from(&known.seen);
        said.lives = if known.alive { known.lives.clone() } else { BTreeSet::from([at]) };
        let mut now =
            Known { alive: !said.is_deletion(), seen: known.seen.clone(), lives: said.lives.clone() };
        now.seen.insert(at);
        for earlier in &said.past {
            let earlier = Arc::make_mut(&mut self.said[*earlier]);
            match &said.fields {
                None => earlier.open.clear(),
                Some(fields) => earlier.open.retain(|name| !fields.contains_key(name)),
            }
        }
        self.by_key.entry(said.key.clone()).or_default().push(at);
        if let Some(dot) = &said.dot {
            self.by_dot.entry(dot.clone()).or_insert(at);
        }
        self.said.push(Arc::new(said));
        now
    }

    /// The changes that one value of one entity goes back to: of several that said the same, those that the replica
    /// itself takes it from, where it says so.
    fn sources<'a>(
        &'a self,
        picture: &'a Picture<'_>,
        key: &'a Key,
        field: &'a str,
        value: Option<&'a Json>,
    ) -> Vec<usize> {
        let all: Vec<_> = self.of(key).filter(|(_, said)| said.sets(field, value)).collect();
        let writes = picture.entity(key).map(|entity| &entity.writes);
        let named = all.iter().filter(|(_, said)| {
            said.dot.as_ref().is_some_and(|dot| writes.is_some_and(|writes| writes.contains_key(dot)))
        });
        let named: Vec<_> = named.map(|(at, _)| *at).collect();
        if named.is_empty() { all.into_iter().map(|(at, _)| at).collect() } else { named }
    }

    /// For each field that a replica shows of an entity, the changes that its value goes back to.
    pub(super) fn shown(&self, picture: &Picture<'_>, key: &Key) -> Vec<(Arc<str>, Vec<usize>)> {
        let Some(shown) = picture.get(key).filter(|shown| !shown.deleted) else { return vec![] };
        let fields = shown.fields.0.iter();
        fields.map(|(name, value)| (name.clone(), self.sources(picture, key, name, Some(value)))).collect()
    }

    /// What a replica knows of an entity.
    pub(super) fn known(&self, picture: &Picture<'_>, key: &Key) -> Known {
        let alive = picture.is_alive(key);
        let shown: Vec<usize> = self.shown(picture, key).into_iter().flat_map(|(_, said)| said).collect();
        let lives = match picture.entity(key) {
            // One that goes on may have lost every field.
            Some(entity) => {
                let alive = entity.births.keys().filter(|birth| !entity.deaths.contains_key(*birth));
                alive.filter_map(|birth| self.of_dot(birth)).map(|(at, _)| at).collect()
            }
            None => shown.iter().flat_map(|at| self.get(*at).lives.iter().copied()).collect(),
        };
        let mut seen: BTreeSet<usize> = shown.into_iter().collect();
        for conflict in picture.conflicts(key) {
            match self.of(key).find(|(_, said)| said.dot.as_ref() == Some(&conflict.dot)) {
                Some((at, _)) => seen.extend([at]),
                None => {
                    let fields = conflict.fields.iter();
                    seen.extend(
                        fields.flat_map(|(name, value)| self.sources(picture, key, name, value.as_ref())),
                    );
                }
            }
        }
        seen.extend(self.holes_and_ends(picture, key));
        let past: Vec<usize> = seen.iter().flat_map(|at| &self.get(*at).past).copied().collect();
        seen.extend(past);
        Known { alive, seen, lives }
    }

    /// Deletions and unset fields that a replica shows by not showing something.
    fn holes_and_ends(&self, picture: &Picture<'_>, key: &Key) -> Vec<usize> {
        let is_shown = |said: &Said| match (&said.fields, &said.dot, picture.entity(key)) {
            (None, Some(dot), Some(entity)) => entity.deaths.values().any(|death| death.dot == *dot),
            (None, ..) => picture.get(key).is_some_and(|shown| shown.deleted),
            (Some(fields), Some(dot), Some(entity)) => {
                fields.values().any(Option::is_none) && entity.writes.contains_key(dot)
            }
            (Some(fields), ..) => {
                let mut holes = fields.iter().filter(|(_, value)| value.is_none());
                holes.any(|(name, _)| picture.shows(key, name, None))
            }
        };
        self.of(key).filter(|(_, said)| is_shown(said)).map(|(at, _)| at).collect()
    }

    /// A deletion of every life that a change belongs to, by somebody the change had not heard of; `None` if there is
    /// none.
    pub(super) fn deleted_by(&self, at: usize, counts: &impl Fn(&Said) -> bool) -> Option<&Said> {
        let said = self.get(at);
        let ends = |(end, death): &(usize, &Said)| {
            death.is_deletion()
                && counts(death)
                && !said.past.contains(end)
                && *end != at
                && death.past.is_superset(&said.lives)
        };
        self.of(&said.key).find(ends).map(|(_, death)| death)
    }
}
