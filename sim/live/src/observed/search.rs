//! Whether a world can have shown all that was seen of a family of files, in an order that the clocks allow.

use std::collections::HashSet;
use std::rc::Rc;

use cloudchamber_core::Path;
use cloudchamber_folder::StableHasher;

use super::explain::{Explain, State, digest};
use super::family::{Family, Sight};

/// How many states are looked at before it is given up.
const STATES_MAX: usize = 40_000;

/// How a search ended.
pub(super) enum Found {
    /// A world can have shown it: one that has.
    Allowed(State),
    /// None can: how far one came, and the line that it cannot explain.
    Refused(State, Sight),
    /// There is too much to try.
    Undecided(Sight),
}

/// Searches, with no more going wrong than may.
pub(super) fn search(explain: &Explain<'_>, clock_error_ms: i64) -> Found {
    let family = explain.family;
    let first = Rc::new(explain.begin());
    let mut best = Rc::clone(&first);
    let mut known = HashSet::from([key(&first)]);
    // Each with the place of the replica whose line is tried next, of those whose line may come next.
    let mut open = vec![(first, 0)];
    while let Some((state, place)) = open.pop() {
        let next = next(family, &state, clock_error_ms);
        let Some(sight) = next.get(place) else {
            if next.is_empty() {
                return Found::Allowed(Rc::unwrap_or_clone(state));
            }
            continue;
        };
        if known.len() > STATES_MAX {
            return Found::Undecided((*sight).clone());
        }
        open.push((Rc::clone(&state), place + 1));
        // Of two ways to one state the better one comes first.
        let after = explain.after(&state, sight).into_iter().filter(|state| known.insert(key(state)));
        let after: Vec<_> = after.map(Rc::new).collect();
        for state in after.into_iter().rev() {
            if explained(&state) > explained(&best) {
                best = Rc::clone(&state);
            }
            open.push((state, 0));
        }
    }
    let stuck = next(family, &best, clock_error_ms);
    let sight = (*stuck.first().expect("whoever has explained all lines is allowed")).clone();
    drop(open);
    Found::Refused(Rc::unwrap_or_clone(best), sight)
}

fn explained(state: &State) -> usize {
    state.at.iter().sum()
}

fn key(state: &State) -> (Vec<usize>, u64, Vec<(Path, Path)>) {
    let copies = state.copies.iter().map(|(seen, real)| (seen.clone(), real.clone())).collect();
    (state.at.clone(), StableHasher::of(&digest(&state.scene)), copies)
}

/// The lines that may come next, the earliest first: none of another replica comes before it for certain.
fn next<'f>(family: &'f Family, state: &State, clock_error_ms: i64) -> Vec<&'f Sight> {
    let sights = family.seen.iter().zip(&state.at);
    let mut next: Vec<&Sight> = sights.filter_map(|(sights, at)| sights.get(*at)).collect();
    next.sort_by_key(|sight| (sight.at_ms, sight.replica));
    let first_ms = next.first().map_or(0, |sight| sight.at_ms);
    next.retain(|sight| sight.at_ms <= first_ms.saturating_add(clock_error_ms));
    next
}
