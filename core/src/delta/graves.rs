//! The end of tombstones.
//!
//! A life that was ended stays in its entity's state, so that whoever has not heard of the end learns of it. Once every
//! registered replica has, its name (the dot that began it) goes among the graves, which are ranges of numbers and
//! take a few bytes, and everything else of it is dropped. Whatever comes late with a life from a grave stays dead; a
//! write to it that nobody had seen is kept as a conflict.

use std::collections::BTreeSet;

use super::entity::{Death, Entity};
use super::vector::{Dot, ReplicaId, Vector};
use crate::kit::watermark::Watermarks;

/// Somebody who says which lives are in graves.
#[derive(Clone, Copy, Debug)]
pub struct Declarer<'a> {
    /// The lives, by the replica that began them.
    pub graves: &'a Watermarks<ReplicaId>,
    /// The writes it had seen.
    pub seen: &'a Vector,
}

/// What is left of an entity.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Buried {
    /// The entity without the lives that are in graves. It is nothing at all if it has no life left.
    pub entity: Entity,
    /// Whether writes turned up that nobody had seen when their life was buried.
    pub is_late: bool,
}

/// Takes the lives that are in graves out of an entity; `None` if it has none of them.
///
/// A write to such a life is dropped if those who deleted had seen it, or those who buried. Any other is late: it is
/// marked so, for good, and its life stays as an ended one with a conflict. A vector of what somebody has seen only
/// grows, so it says what was seen at a burial only to whoever has everything that its owner published: what the owner
/// saw later is marked there.
#[must_use]
pub fn bury(entity: &Entity, declarers: &[Declarer<'_>]) -> Option<Buried> {
    let is_dead = |life: &Dot, declarer: &Declarer<'_>| declarer.graves.contains(&life.replica, life.count);
    let is_in_grave = |life: &&Dot| declarers.iter().any(|declarer| is_dead(life, declarer));
    let dead: Vec<&Dot> = entity.births.keys().filter(is_in_grave).collect();
    if dead.is_empty() {
        return None;
    }
    let mut left = entity.clone();
    let mut is_late = false;
    for life in dead {
        let death = entity.deaths.get(life);
        let was_seen = |dot: &Dot| {
            let at_burial = declarers.iter().filter(|declarer| is_dead(life, declarer));
            let mut at_burial = at_burial.map(|declarer| declarer.seen);
            death.is_some_and(|death| death.seen.covers(dot))
                || death.is_none_or(|death| !death.late.contains(dot))
                    && at_burial.any(|seen| seen.covers(dot))
        };
        let writes = entity.writes.iter().filter(|(_, write)| write.life == *life);
        let unseen: BTreeSet<Dot> =
            writes.map(|(dot, _)| dot).filter(|dot| !was_seen(dot)).cloned().collect();
        if unseen.is_empty() {
            left.births.remove(life);
            left.deaths.remove(life);
            left.writes.retain(|_, write| write.life != *life);
            continue;
        }
        let end = left.deaths.entry(life.clone()).or_insert_with(|| Death {
            dot: life.clone(),
            at: entity.births[life],
            seen: Vector::default(),
            late: BTreeSet::new(),
        });
        for (dot, _) in
            entity.writes.iter().filter(|(dot, write)| write.life == *life && !unseen.contains(*dot))
        {
            end.seen.see(&dot.replica, dot.count);
        }
        is_late |= !end.late.is_superset(&unseen);
        end.late.extend(unseen);
    }
    (left != *entity).then_some(Buried { entity: left, is_late })
}
