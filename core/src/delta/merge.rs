//! The merge of two states of an entity: a join.
//!
//! An entity's state is a function of the set of writes and deletions it has seen; the join of two states is the
//! state of the union. So it is commutative, associative and idempotent, nothing depends on the order in which files
//! arrive, and a file that is read twice, late, or in an older version after a newer does no harm.
//!
//! The rule is that of dotted version vectors (Preguica, Baquero et al., "Dotted Version Vectors", 2010): a write that
//! one side has and the other lacks is new to the other if its vector does not cover it; if it does, the other has
//! seen it and overwritten it.
//!
//! What a deletion had seen ([`Death::seen`]) only grows, and joins by maximum. A write to an ended life that somebody
//! decided on is overwritten like any other.

use std::collections::BTreeMap;

use super::entity::{Death, Entity, Write};
use super::vector::{Causality, Dot, Vector};

/// The state that has seen what either of two has.
#[must_use]
pub fn join(one: &Entity, two: &Entity) -> Entity {
    let mut joined = one.clone();
    absorb(&mut joined, two);
    joined
}

/// Makes `one` the state that has seen what either has. False if it had seen all that `other` has.
pub fn absorb(one: &mut Entity, other: &Entity) -> bool {
    match one.seen.compare(&other.seen) {
        // Equal vectors mean equal states.
        Causality::Equal | Causality::Greater => return false,
        Causality::Less => {
            one.clone_from(other);
            return true;
        }
        Causality::Concurrent => {}
    }
    for (birth, at) in &other.births {
        match one.births.get_mut(birth) {
            Some(known) => *known = (*known).min(*at),
            None => {
                one.births.insert(birth.clone(), *at);
            }
        }
    }
    for (birth, death) in &other.deaths {
        match one.deaths.get_mut(birth) {
            Some(known) => later(known, death),
            None => {
                one.deaths.insert(birth.clone(), death.clone());
            }
        }
    }
    keep(&mut one.writes, &one.seen, &other.writes, &other.seen);
    one.seen.join(&other.seen);
    true
}

/// What both know of one end.
fn later(known: &mut Death, death: &Death) {
    if (known.at, &known.dot) < (death.at, &death.dot) {
        (known.at, known.dot) = (death.at, death.dot.clone());
    }
    known.seen.join(&death.seen);
    known.late.extend(death.late.iter().cloned());
}

/// The writes that both have, and those of each that the other has not seen.
fn keep(
    writes: &mut BTreeMap<Dot, Write>,
    seen: &Vector,
    others: &BTreeMap<Dot, Write>,
    others_seen: &Vector,
) {
    writes.retain(|dot, write| match others.get(dot) {
        Some(other) => {
            write.fields.retain(|name, _| other.fields.contains_key(name));
            !write.fields.is_empty()
        }
        None => !others_seen.covers(dot),
    });
    let new = others.iter().filter(|(dot, _)| !seen.covers(dot));
    writes.extend(new.map(|(dot, write)| (dot.clone(), write.clone())));
}
