use std::path::Path;

use super::*;
use crate::scenario::At;
use crate::systems::failover::FailoverSystem;
use crate::systems::journal::JournalSystem;
use crate::trace::Trace;

/// How a scenario ends, and the choices that it takes, where its stage advances at every due time.
pub(super) fn played<S: System>(scenario: &Scenario<S>) -> (Outcome, Vec<At<ChoiceOf<S>>>) {
    played_by(scenario, |stage| stage.due())
}

/// The same where it advances to whatever time `next` says.
fn played_by<S: System>(
    scenario: &Scenario<S>,
    mut next: impl FnMut(&Stage<S>) -> Option<u64>,
) -> (Outcome, Vec<At<ChoiceOf<S>>>) {
    let mut stage = Stage::new(scenario);
    let mut choices = Vec::new();
    while let Some(now) = next(&stage) {
        stage.advance(now, &mut |watched, choice| {
            choices.push(At { ms: watched.world.now(), choice: choice.clone() });
        });
    }
    (stage.finish(), choices)
}

fn parsed<S: System>(text: &str) -> Scenario<S> {
    Scenario::parse(Path::new("stage.toml"), text).unwrap()
}

/// Everything that can go wrong goes wrong, and then stops.
const STORM: &str = "
system = 'failover'
profile = 'icloud'
hazards = true
run_ms = 600000
settle_ms = 300000
replica = [{}, { start_ms = 700, clock_drift_ppm = 40 }, { mono_counts_sleep = false }]
[settings]
design = 'hardened'
[faults]
ambush = { every_ms = 60000, for_ms = [100, 90000] }
crash = { every_ms = 100000, for_ms = [500, 60000] }
power = { every_ms = 200000, for_ms = [500, 60000] }
sleep = { every_ms = 100000, for_ms = [1000, 90000] }
offline = { every_ms = 100000, for_ms = [1000, 90000] }
folder = { every_ms = 200000, for_ms = [1000, 9000] }
disk = { every_ms = 200000, for_ms = [1000, 9000] }
gone_for_good = ['c']
";

#[test]
fn however_often_it_is_advanced_the_same_happens_at_the_same_times() {
    for seed in 0..4 {
        let scenario = Scenario { seed, ..parsed::<FailoverSystem>(STORM) };
        let (outcome, choices) = played(&scenario);
        assert!(choices.len() > 1_000, "{} choices", choices.len());
        let mut now = 0;
        let by_seconds = |stage: &Stage<FailoverSystem>| {
            now += 1_000;
            stage.ended().is_none().then_some(now)
        };
        assert_eq!(played_by(&scenario, by_seconds), (outcome.clone(), choices.clone()), "seed {seed}");
        let trace = Trace::recorded(&scenario, choices, &outcome);
        assert_eq!(trace.replay(|_| {}), Ok(outcome), "seed {seed}");
    }
}

#[test]
fn a_run_ends_when_it_says_and_nothing_is_due_after_that() {
    let text =
        "system = 'journal'\nprofile = 'dropbox'\nrun_ms = 90000\nsettle_ms = 900000\nreplica = [{}, {}]\n";
    let mut stage = Stage::new(&parsed::<JournalSystem>(text));
    while let Some(due) = stage.due() {
        assert_eq!(stage.ended(), None);
        stage.advance(due, &mut |_, _| {});
    }
    let ended = stage.ended().unwrap();
    assert!((90_000..990_000).contains(&ended), "{ended} ms");
    stage.advance(u64::MAX, &mut |_, _| panic!("something happened after the end"));
    assert_eq!(stage.finish().at_ms, ended);
}

#[test]
fn a_task_that_rests_is_signalled_when_it_is_due_earlier() {
    let text = "system = 'failover'\nprofile = 'perfect'\nrun_ms = 60000\nreplica = [{}, {}]\n";
    let mut stage = Stage::new(&parsed::<FailoverSystem>(text));
    let [a, b] = [ReplicaId(0), ReplicaId(1)].map(Actor::Replica);
    assert_eq!((stage.rest(a), stage.rest(b)), (None, None));
    let act = |stage: &mut Stage<FailoverSystem>, actor| {
        while stage.rest(actor) == Some(0) {
            stage.act(actor, 0, &mut |_, _| {});
        }
        stage.signals().collect::<Vec<_>>()
    };
    let opened = ReplicaId::all(2).map(Signal::Opened);
    assert!(act(&mut stage, Actor::Director).into_iter().eq(opened));
    act(&mut stage, a);
    assert!(stage.rest(a).is_some_and(|due| due > 0), "it waits for its timer");
    // What one writes is with the other at once, and the other is told.
    assert!(act(&mut stage, b).contains(&Signal::Due(a)));
    assert_eq!(stage.rest(a), Some(0));
}

#[test]
fn a_courier_that_forgets_is_found_out() {
    let text = "system = 'failover'\nprofile = 'icloud'\nrun_ms = 60000\nreplica = [{}, {}]\n";
    let scenario = parsed::<FailoverSystem>(text);
    let until = |ms: u64| {
        let mut stage = Stage::new(&scenario);
        stage.advance(ms, &mut |_, _| {});
        stage
    };
    let forgetful = |ms: u64| {
        let mut stage = until(ms);
        assert_eq!(stage.drift(), None);
        stage.courier = Courier::new(scenario.profile(), 2, 1);
        stage
    };
    // Files were just written, are on their way, and have just arrived.
    let drifts: Vec<_> =
        (1..60).map(|second| forgetful(second * 1_000)).filter_map(|stage| stage.drift()).collect();
    for what in ["has to go up", "has to come down", "to tell its process"] {
        assert!(drifts.iter().any(|drift| drift.contains(what)), "nothing {what}: {drifts:?}");
    }
    // A run panics with it at its end. What is forgotten sooner may be written anew until then.
    let late = (1..100).rev().map(|at| forgetful(50_000 + at * 100)).find(|stage| stage.drift().is_some());
    let mut stage = late.expect("something is on its way in the last ten seconds");
    let drift = stage.drift().unwrap();
    let run = std::panic::AssertUnwindSafe(|| stage.advance(60_000, &mut |_, _| {}));
    let panic = std::panic::catch_unwind(run).unwrap_err();
    let sentence = panic.downcast_ref::<String>().unwrap();
    assert!(sentence.starts_with("courier and world have drifted apart"), "{sentence}, not {drift}");
}

#[test]
fn futures_of_one_moment_share_its_past_and_differ_by_their_seeds() {
    let scenario = Scenario { seed: 3, ..parsed::<FailoverSystem>(STORM) };
    let mut moment = Stage::new(&scenario);
    moment.advance(250_000, &mut |_, _| {});
    let (past, asleep) =
        (moment.watched().hash(), moment.deeds.iter().filter(|(_, deed)| deed.is_end()).count());
    assert!(asleep > 0, "something is under way");
    let end = |mut stage: Stage<FailoverSystem>| {
        assert_eq!(stage.watched().hash(), past);
        stage.advance(u64::MAX, &mut |_, _| {});
        stage.finish()
    };
    let [one, other, again] = [7, 8, 7].map(|seed| end(moment.with_future(&scenario, seed)));
    assert_ne!(one.hash, other.hash);
    assert_eq!(one, again);
    let own = end(moment);
    assert_ne!(own.hash, one.hash);
    assert_eq!(own, played(&scenario).0, "to look at futures changes nothing");
}
