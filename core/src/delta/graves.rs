//! The end of tombstones.
//!
//! A life that was ended stays in its entity's state, so that whoever has not heard of the end learns of it. Once every
//! registered replica has, its name (the dot that began it) goes among the graves, which are ranges of numbers and
//! take a few bytes, and everything else of it is dropped. Whatever comes late with a life from a grave stays dead; a
//! write to it that nobody had seen is kept as a conflict.
//!
//! # What was seen at a burial
//! A grave does not say which writes had been seen when it was made. What is said instead:
//! - *The vector of whoever names the grave.* It only grows, so it covers what came after the burial too.
//! - *What came after it is marked as late* ([`Death::late`]) by everybody who names the grave, each in a file of its own,
//!   before its vector covers that. So whoever has all that one of them published has the marks that belong to its vector.
//! - *Late writes that somebody restored or dismissed have graves of their own.* The decision itself goes with the rest of
//!   the life, perhaps before others have heard of it, and no vector says it to those that hold the write for late.

use std::collections::BTreeSet;

use super::entity::{Death, Entity};
use super::vector::{Dot, ReplicaId, Vector};
use crate::kit::watermark::Watermarks;

/// Somebody who says which lives are in graves.
#[derive(Clone, Copy, Debug)]
pub struct Declarer<'a> {
    /// The lives, by the replica that began them, and late writes that somebody decided on.
    pub graves: &'a Watermarks<ReplicaId>,
    /// The writes it had seen.
    pub seen: &'a Vector,
}

impl Declarer<'_> {
    fn names(&self, dot: &Dot) -> bool {
        self.graves.contains(&dot.replica, dot.count)
    }
}

/// Takes the lives that are in graves out of an entity; `None` if that changes nothing. What is left is nothing at all if it
/// has no other life.
///
/// A write to such a life is dropped if those who deleted had seen it, or those who buried, or if somebody has decided on
/// it. Any other is late: it is marked so, for good, and its life stays as an ended one with a conflict.
#[must_use]
pub fn bury(entity: &Entity, declarers: &[Declarer<'_>]) -> Option<Entity> {
    let is_in_grave = |dot: &Dot| declarers.iter().any(|declarer| declarer.names(dot));
    let dead: Vec<&Dot> = entity.births.keys().filter(|life| is_in_grave(life)).collect();
    if dead.is_empty() {
        return None;
    }
    let mut left = entity.clone();
    for life in dead {
        let death = entity.deaths.get(life);
        let was_seen = |dot: &Dot| {
            let mut at_burial = declarers.iter().filter(|declarer| declarer.names(life));
            is_in_grave(dot)
                || death.is_some_and(|death| death.seen.covers(dot))
                || death.is_none_or(|death| !death.late.contains(dot))
                    && at_burial.any(|declarer| declarer.seen.covers(dot))
        };
        let of_life = entity.writes.iter().filter(|(_, write)| write.life == *life).map(|(dot, _)| dot);
        let (seen, unseen): (BTreeSet<&Dot>, BTreeSet<&Dot>) = of_life.partition(|dot| was_seen(dot));
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
        for dot in seen {
            let hides = |late: &&Dot| late.replica == dot.replica && late.count < dot.count;
            if is_in_grave(dot) || unseen.iter().any(hides) {
                left.writes.remove(dot);
            } else {
                end.seen.see(&dot.replica, dot.count);
            }
        }
        end.late.extend(unseen.into_iter().cloned());
    }
    (left != *entity).then_some(left)
}
