//! The end of tombstones.
//!
//! A life that was ended stays in its entity's state, so that whoever has not heard of the end learns of it. Once every
//! registered replica has, its name (the dot that began it) goes among the graves, which are ranges of numbers and
//! take a few bytes, and everything else of it is dropped. Whatever comes late with a life from a grave stays dead; a
//! write to it that nobody had seen is kept as a conflict.

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

/// An entity without the lives that are in graves; `None` if it has none of them. It is nothing at all if it has no
/// life left.
#[must_use]
pub fn bury(entity: &Entity, declarers: &[Declarer<'_>]) -> Option<Entity> {
    let is_dead = |life: &Dot, declarer: &Declarer<'_>| declarer.graves.contains(&life.replica, life.count);
    let dead: Vec<&Dot> = entity
        .births
        .keys()
        .filter(|life| declarers.iter().any(|declarer| is_dead(life, declarer)))
        .collect();
    let mut left = entity.clone();
    for life in dead {
        let mut seen = entity.deaths.get(life).map(|death| death.seen.clone()).unwrap_or_default();
        for declarer in declarers.iter().filter(|declarer| is_dead(life, declarer)) {
            seen.join(declarer.seen);
        }
        let unseen = entity.writes.iter().any(|(dot, write)| write.life == *life && !seen.covers(dot));
        if unseen {
            let at = entity.births[life];
            left.deaths.entry(life.clone()).or_insert_with(|| Death { dot: life.clone(), at, seen });
        } else {
            left.births.remove(life);
            left.deaths.remove(life);
            left.writes.retain(|_, write| write.life != *life);
        }
    }
    (left != *entity).then_some(left)
}
