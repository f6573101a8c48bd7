//! States that are taken to behave alike do: whatever one of them can do next, the other can, and it leads to states
//! that are alike again.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests read the model files")]

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use cloudchamber_folder::StableHasher;
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_model::{FolderModel, Horizon, ModelSpec, State};
use stateright::Model as _;

type Spec = ModelSpec<FailoverSystem>;

fn named(name: &str) -> Spec {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/models").join(name).with_extension("toml");
    ModelSpec::parse(&file, &std::fs::read_to_string(&file).unwrap())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// What a state looks like from outside, and what it leads to: each way on in its order, as what it leads to.
fn behaviour(model: &FolderModel<FailoverSystem>, state: &State<FailoverSystem>) -> Vec<(bool, u64)> {
    let mut ways = Vec::new();
    model.actions(state, &mut ways);
    let leads_to = |way| model.next_state(state, way).map(|next| (next.violated, StableHasher::of(&next)));
    ways.into_iter().filter_map(leads_to).collect()
}

/// Walks through the first states of a model, and compares each with the first one that it is taken to be like. Says
/// how many states there were and how many differed from the one they were like.
fn compare(spec: Spec, states_max: usize) -> (usize, usize) {
    let model = FolderModel::new(spec);
    let mut first: BTreeMap<u64, State<FailoverSystem>> = BTreeMap::new();
    let mut next: VecDeque<_> = model.init_states().into();
    let mut differed = 0;
    while let Some(state) = next.pop_front().filter(|_| first.len() < states_max) {
        match first.get(&StableHasher::of(&state)) {
            Some(same) if *same == state => {}
            Some(like) => {
                differed += 1;
                assert_eq!(behaviour(&model, like), behaviour(&model, &state), "{like:?}\n{state:?}");
            }
            None => {
                let mut ways = Vec::new();
                model.actions(&state, &mut ways);
                next.extend(ways.into_iter().filter_map(|way| model.next_state(&state, way)));
                first.insert(StableHasher::of(&state), state);
            }
        }
    }
    (first.len(), differed)
}

#[test]
fn in_endless_time_whatever_comes_again_behaves_as_it_did() {
    let mut calm = named("majority-unbounded");
    calm.bounds.crashes = 0;
    let (states, differed) = compare(calm, usize::MAX);
    assert!(states < 1_000 && differed > 0, "{states} states, {differed} differed");
    let (states, differed) = compare(named("majority-unbounded"), 20_000);
    assert!(states == 20_000 && differed > 1_000, "{states} states, {differed} differed");
}

#[test]
fn what_nobody_can_read_any_more_makes_no_difference() {
    let models =
        [("majority-quick", 20_000, 10), ("majority-drift", 100_000, 100), ("majority-sleep", 20_000, 100)];
    for (name, states_max, least) in models {
        let mut spec = named(name);
        spec.economy.alike = true;
        let (_, differed) = compare(spec, states_max);
        assert!(differed > least, "{name}: {differed} differed");
    }
}

#[test]
fn without_a_word_on_what_is_alike_time_does_not_come_again() {
    let mut calm = named("majority-unbounded");
    (calm.bounds.crashes, calm.economy.alike) = (0, false);
    (calm.bounds.horizon_ms, calm.bounds.calm_ms) = (Horizon::Ms(200_000), 3_000);
    let (states, differed) = compare(calm, usize::MAX);
    assert!(states > 5 * 64 && differed == 0, "{states} states, {differed} differed");
}
