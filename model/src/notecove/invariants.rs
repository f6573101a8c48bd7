//! The specification's invariants.

use super::config::Config;
use super::state::{Known, State, Update};

/// Every value is one that its variable may have.
///
/// Ids of updates are those that may be written, notes those there are. Numbers in logs are at most as many as updates.
pub(super) fn type_ok<const N: usize>(config: &Config, state: &State<N>) -> bool {
    let (updates, notes) = (low_bits(config.updates_max), low_bits(config.notes));
    let known = |known: &Known<N>| {
        known.doc & !updates == 0 && known.soft_deleted & !notes == 0 && known.deleted & !notes == 0
    };
    let update = |update: &Update| {
        update.origin() < N
            && update.note() < config.notes
            && (1..=config.updates_max).contains(&update.seq())
    };
    state.written <= config.updates_max
        && state.updates[..state.written.into()].iter().all(update)
        && state.replicas.iter().all(|replica| {
            let all_deleted = replica.deletions.bits(replica.deletions.len);
            known(&replica.known) && known(&replica.snapshot) && all_deleted & !notes == 0
        })
}

/// No clock says less than 0. That is all that the specification asks for under this name, and no state can violate it;
/// [`Counted::clock_decreases`](super::Counted::clock_decreases) counts the steps that the name speaks of.
pub(super) fn vector_clock_monotonic<const N: usize>(_: &Config, state: &State<N>) -> bool {
    state.replicas.iter().all(|replica| replica.known.clock.iter().all(|seq| i16::from(*seq) >= 0))
}

/// The numbers in each synced log are 1, 2, 3 and so on, none missing and none twice.
///
/// The specification compares sets, so of numbers that come twice it asks only that they be in a row; this does too.
pub(super) fn sequence_contiguous<const N: usize>(_: &Config, state: &State<N>) -> bool {
    (0..N).all(|origin| {
        let numbers = state.synced_log(origin).fold(0u16, |numbers, update| numbers | 1 << update.seq());
        // Bits 1 to k and no others: one more than the highest is reached by adding the lowest.
        numbers == 0 || numbers + 2 == 1 << (16 - numbers.leading_zeros())
    })
}

/// Only updates that were written are applied.
pub(super) fn valid_updates<const N: usize>(_: &Config, state: &State<N>) -> bool {
    let written = low_bits(state.written);
    state.replicas.iter().all(|replica| replica.known.doc & !written == 0)
}

/// Where everybody has read everything, all have the same.
pub(super) fn convergence<const N: usize>(config: &Config, state: &State<N>) -> bool {
    !state.fully_synced(config) || state.converged()
}

/// So many bits, the lowest ones.
fn low_bits(bits: u8) -> u8 {
    u8::try_from((1u16 << bits) - 1).expect("at most eight bits")
}

#[cfg(test)]
mod tests {
    use stateright::Model as _;

    use super::super::action::Action;
    use super::super::model::NoteCove;
    use super::*;

    const EDIT: Action = Action::Edit { replica: 0, note: 0 };
    const SYNC: Action = Action::CloudSyncLog { origin: 0 };

    /// The invariants that do not hold in what a change makes of a sound state: a has written two updates, of which one
    /// is synced.
    fn violated(change: impl FnOnce(&mut State<2>)) -> Vec<&'static str> {
        let model = NoteCove::<2>::new(Config::DEFAULT);
        let mut state = model.init_states().remove(0);
        for action in [EDIT, EDIT, SYNC] {
            state = model.next_state(&state, action).expect("the specification allows it");
        }
        change(&mut state);
        let properties = model.properties();
        properties.iter().filter(|it| !(it.condition)(&model, &state)).map(|it| it.name).collect()
    }

    #[test]
    fn a_sound_state_violates_none() {
        assert_eq!(violated(|_| ()), [""; 0]);
    }

    #[test]
    fn each_invariant_can_be_violated_but_the_vacuous_one() {
        let type_ok = ["TypeOK"];
        assert_eq!(violated(|it| it.replicas[1].known.soft_deleted = 2), type_ok);
        assert_eq!(violated(|it| it.replicas[1].known.deleted = 2), type_ok);
        assert_eq!(violated(|it| it.replicas[1].snapshot.doc = 1 << 3), type_ok);
        assert_eq!(violated(|it| it.replicas[1].deletions.push(1)), type_ok);
        assert_eq!(violated(|it| it.updates[1] = Update::new(0, 2, 1, false)), type_ok);
        assert_eq!(violated(|it| it.updates[1] = Update::new(2, 2, 0, false)), type_ok);
        assert_eq!(violated(|it| it.updates[1] = Update::new(0, 4, 0, false)), type_ok);
        assert_eq!(violated(|it| it.replicas[1].known.doc = 1 << 2), ["ValidUpdates"]);
        assert_eq!(violated(|it| it.updates[0] = Update::new(0, 2, 0, false)), ["SequenceContiguous"]);
        let gap = |it: &mut State<2>| {
            it.updates[1] = Update::new(0, 3, 0, false);
            it.replicas[0].log_synced = 2;
        };
        assert_eq!(violated(gap), ["SequenceContiguous"]);
        let lost = |it: &mut State<2>| {
            it.replicas[0].log_synced = 2;
            it.replicas[0].activity.to = 2;
            it.replicas[1].known.clock = [2, 0];
        };
        assert_eq!(violated(lost), ["ConvergenceInvariant"]);
        let read = |it: &mut State<2>| {
            lost(it);
            it.replicas[1].known.doc = 3;
        };
        assert_eq!(violated(read), [""; 0]);
        let deleted_by_one = |it: &mut State<2>| {
            read(it);
            it.replicas[1].known.soft_deleted = 1;
        };
        assert_eq!(violated(deleted_by_one), ["ConvergenceInvariant"]);
    }

    /// The specification compares sets, and a number that is there twice is in a set once.
    #[test]
    fn a_number_that_comes_twice_is_contiguous() {
        let twice = |it: &mut State<2>| {
            it.updates[1] = Update::new(0, 1, 0, false);
            it.replicas[0].log_synced = 2;
        };
        assert_eq!(violated(twice), [""; 0]);
    }
}
