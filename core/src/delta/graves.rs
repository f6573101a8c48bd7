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
//! - *So have those that some hold for late and others had seen when they deleted,* as whoever finds both says: the
//!   deletion goes with the life, too.

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

/// What a burial comes to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Burial {
    /// What is left of the entity: nothing at all if it has no other life.
    pub left: Entity,
    /// Writes that somebody holds for late and that were decided on: they need graves of their own.
    pub decided: BTreeSet<Dot>,
}

/// Takes the lives that are in graves out of an entity; `None` if that changes nothing.
///
/// A write to such a life is dropped if those who deleted had seen it, or those who buried, or if somebody has decided on
/// it. Any other is late: it is marked so, for good, and its life stays as an ended one with a conflict. `had_seen` says
/// whether this replica had a write of a life when it buried that, whoever holds it for late.
#[must_use]
pub fn bury(
    entity: &Entity,
    declarers: &[Declarer<'_>],
    had_seen: impl Fn(&Dot, &Dot) -> bool,
) -> Option<Burial> {
    let is_in_grave = |dot: &Dot| declarers.iter().any(|declarer| declarer.names(dot));
    let dead: Vec<&Dot> = entity.births.keys().filter(|life| is_in_grave(life)).collect();
    if dead.is_empty() {
        return None;
    }
    let mut left = entity.clone();
    let mut decided = BTreeSet::new();
    for life in dead {
        let death = entity.deaths.get(life);
        let was_seen = |dot: &Dot| {
            let mut at_burial = declarers.iter().filter(|declarer| declarer.names(life));
            is_in_grave(dot)
                || death.is_some_and(|death| death.seen.covers(dot))
                || had_seen(life, dot)
                || death.is_none_or(|death| !death.late.contains(dot))
                    && at_burial.any(|declarer| declarer.seen.covers(dot))
        };
        let of_life = entity.writes.iter().filter(|(_, write)| write.life == *life).map(|(dot, _)| dot);
        let (seen, unseen): (BTreeSet<&Dot>, BTreeSet<&Dot>) = of_life.partition(|dot| was_seen(dot));
        let is_late = |dot: &&Dot| death.is_some_and(|death| death.late.contains(*dot)) && !is_in_grave(dot);
        decided.extend(seen.iter().copied().filter(is_late).cloned());
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
    (left != *entity).then_some(Burial { left, decided })
}
