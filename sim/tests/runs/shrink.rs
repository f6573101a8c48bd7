//! Shrinking: what is left of a run still fails in the same way, for the same reason, and none of it could go.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

use std::path::Path;

use cloudchamber_folder::System;
use cloudchamber_folder::checks::Violation;
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::shrink::{Options, Rule, Shrunk, Size, Unshrinkable, shrink};
use cloudchamber_folder::systems::delta::DeltaSystem;
use cloudchamber_folder::systems::failover::{FailoverSystem, name};
use cloudchamber_folder::systems::journal::JournalSystem;
use cloudchamber_folder::systems::notes::NotesSystem;
use cloudchamber_folder::trace::{Trace, Watched};
use cloudchamber_folder::world::{Choice, ChoiceOf};

/// The trace of a published scenario.
fn recorded<S: System>(file: &str) -> Trace<S> {
    let file = Path::new("../scenarios").join(S::NAME).join(file);
    #[expect(clippy::disallowed_methods, reason = "the scenarios of the tests are real files")]
    let text = std::fs::read_to_string(&file).unwrap();
    run(&Scenario::<S>::parse(&file, &text).unwrap())
}

fn run<S: System>(scenario: &Scenario<S>) -> Trace<S> {
    cloudchamber_sim::run(scenario, true).trace.unwrap()
}

fn with_new_runs<'r, S: System>() -> Options<'r, S> {
    Options { again: Some(Box::new(run::<S>)), ..Options::default() }
}

fn shrunk<S: System>(trace: &Trace<S>, options: Options<'_, S>) -> Shrunk<S> {
    shrink(trace, options, &mut |_| {}).unwrap()
}

fn refused<S: System>(trace: &Trace<S>, options: Options<'_, S>) -> Unshrinkable {
    shrink(trace, options, &mut |_| {}).unwrap_err()
}

/// What is left is a trace by itself: it can be written, read and replayed, ends as it says, and shows the violation.
#[track_caller]
fn stands_by_itself<S: System>(shrunk: &Shrunk<S>) {
    let read = Trace::<S>::parse(Path::new("shrunk.trace"), &shrunk.trace.to_text()).unwrap();
    assert_eq!(read, shrunk.trace);
    let outcome = read.replay(|_| {}).unwrap();
    assert_eq!(format!("{:016x}", outcome.hash), read.end.hash);
    assert_eq!(outcome.at_ms, read.end.at_ms);
    assert_eq!(outcome.findings.violations, read.end.violations);
    assert_eq!(outcome.findings.violation(&shrunk.violation.checker), Some(&shrunk.violation));
    assert_eq!(Size::of(&read), shrunk.after);
}

/// Whether a choice begins a fault.
fn is_fault<S: System>(choice: &ChoiceOf<S>) -> bool {
    match choice {
        Choice::Clock { .. } | Choice::Crash { .. } | Choice::Evict { .. } | Choice::Sleep { .. } => true,
        Choice::Disk { full, .. } => *full,
        Choice::Folder { reachable, .. } => !*reachable,
        Choice::Network { online, .. } => !*online,
        _ => false,
    }
}

/// Without any single choice its checker is not violated for the same reason, where whatever the world then refuses is left
/// out as well.
/// The faults are those that explain why; without them, or before they came, it would be another failure.
#[track_caller]
fn is_one_minimal<S: System>(shrunk: &Shrunk<S>) {
    let choices = &shrunk.trace.choices;
    let explained_ms = choices.iter().rfind(|at| is_fault::<S>(&at.choice)).map_or(0, |at| at.ms);
    for (left_out, at) in choices.iter().enumerate().filter(|(_, at)| !is_fault::<S>(&at.choice)) {
        let mut run = Watched::new(&shrunk.trace.scenario);
        for (_, at) in choices.iter().enumerate().filter(|(index, _)| *index != left_out) {
            run.advance(at.ms);
            drop(run.take(&at.choice));
        }
        let found = run.findings.violation(&shrunk.violation.checker);
        let found = found.filter(|violation| violation.explanation() == shrunk.violation.explanation());
        assert!(
            found.is_none_or(|violation| violation.at_ms < explained_ms),
            "choice {left_out} could go: {:?}",
            at.choice
        );
    }
}

#[test]
fn a_run_shrinks_to_what_matters_and_no_choice_of_it_could_go() {
    for (file, checker) in [
        ("c01-split-by-delay.toml", name::AT_MOST_ONE),
        ("c07-state-not-yet-here.toml", name::LAST_ID),
        ("c17-busy-leader.toml", name::AT_MOST_ONE),
    ] {
        let trace = recorded::<FailoverSystem>(file);
        for options in [Options::default(), with_new_runs()] {
            let small = shrunk(&trace, options);
            stands_by_itself(&small);
            assert_eq!((&*small.violation.checker, small.rule), (checker, Rule::Anything), "{file}");
            assert!(small.after.choices * 8 < small.before.choices, "{file}: {:?}", small.after);
            is_one_minimal(&small);
        }
    }
}

#[test]
fn the_same_trace_gives_the_same_bytes_and_what_is_shrunk_stays_as_it_is() {
    let trace = recorded::<FailoverSystem>("c01-split-by-delay.toml");
    let small = shrunk(&trace, with_new_runs());
    assert_eq!(small.trace.to_text(), shrunk(&trace, with_new_runs()).trace.to_text());
    let again = shrunk(&small.trace, with_new_runs());
    assert_eq!(again.trace.to_text(), small.trace.to_text());
    assert!(!again.new_runs, "a trace without some of its choices is no run of its scenario");
}

#[test]
fn a_fault_that_is_not_needed_goes_and_one_that_explains_a_silence_stays() {
    // The leader's machine sleeps; that it comes back without a network is not what makes two active.
    let trace = recorded::<FailoverSystem>("c02-zombie-leader.toml");
    let faults = |size: &Size| size.faults.keys().cloned().collect::<Vec<_>>();
    let small = shrunk(&trace, with_new_runs());
    stands_by_itself(&small);
    assert_eq!(faults(&small.before), ["machine slept", "network lost"]);
    assert_eq!(faults(&small.after), ["machine slept"]);
    // Without a new run nobody knows what would have been without them.
    assert_eq!(shrunk(&trace, Options::default()).after.faults, small.before.faults);
}

#[test]
fn what_happens_at_random_is_left_out_one_by_one() {
    // Two faults of which only the sleep of the leader matters, among those of half an hour.
    let text = "system = 'failover'\nprofile = 'syncthing'\nseed = 5\nrun_ms = 1800000\nreplica = [{}, {}]\n\
                [settings]\ndesign = 'published'\n[faults]\n\
                clock = { every_ms = 200000, for_ms = [1000, 5000] }\n\
                sleep = { every_ms = 400000, for_ms = [120000, 200000] }\n";
    let scenario = Scenario::<FailoverSystem>::parse(Path::new("drawn.toml"), text).unwrap();
    let trace = run(&scenario);
    let small = shrunk(&trace, with_new_runs());
    stands_by_itself(&small);
    assert!(small.new_runs);
    let count = |size: &Size| size.faults.values().sum::<u64>();
    assert!(count(&small.before) > 5 && count(&small.after) <= 1, "{:?} {:?}", small.before, small.after);
    assert!(small.trace.scenario.faults.is_none(), "{:?}", small.trace.scenario.faults);
}

#[test]
fn what_is_due_is_shrunk_by_new_runs_only() {
    let trace = recorded::<FailoverSystem>("c14-hand-over-to-a-sleeper.toml");
    let due = Unshrinkable::Due { checker: name::ACTIVATION.into() };
    assert_eq!(refused(&trace, Options::default()), due);
    let small = shrunk(&trace, with_new_runs());
    stands_by_itself(&small);
    assert_eq!((small.rule, small.after.replicas.len()), (Rule::NewRun, 3));
    assert!(small.after.choices < small.before.choices);
    // Nothing was left out of what happened: it is how the smaller scenario begins.
    assert!(run(&small.trace.scenario).choices.starts_with(&small.trace.choices));
    // Which a trace without its steps is not.
    let mut idle = trace;
    let is_step = |choice: &ChoiceOf<FailoverSystem>| matches!(choice, Choice::Upload { .. });
    let last = idle.choices.iter().rposition(|at| is_step(&at.choice)).unwrap();
    idle.choices.remove(last);
    let refused = shrink(&idle, with_new_runs(), &mut |_| {}).map(|small| small.rule);
    assert!(matches!(refused, Err(Unshrinkable::Due { .. } | Unshrinkable::Refused { .. })), "{refused:?}");
}

#[test]
fn what_is_counted_is_not_counted_because_a_process_became_late() {
    let trace = recorded::<FailoverSystem>("c16-duplicate-effects.toml");
    let small = shrunk(&trace, with_new_runs());
    stands_by_itself(&small);
    assert_eq!((&*small.violation.checker, small.rule), (name::ONCE, Rule::Punctual));
    assert!(small.after.choices < small.before.choices / 2, "{:?}", small.after);
    // Without a beat the next would come late, so all are there.
    assert_eq!(small.trace.end.violations.len(), 1, "{:?}", small.trace.end.violations);
}

#[test]
fn a_trace_of_journals_shrinks_at_a_choice() {
    let small = shrunk(&recorded::<JournalSystem>("f09-checksums-of-everybody.toml"), with_new_runs());
    stands_by_itself(&small);
    assert_eq!(small.rule, Rule::Anything);
    assert!(small.after.choices * 3 < small.before.choices, "{:?}", small.after);
    is_one_minimal(&small);
}

#[test]
fn what_is_missing_in_the_end_is_missing_when_everything_has_come_to_rest() {
    let small =
        shrunk(&recorded::<JournalSystem>("f01-torn-tail-swallows-the-next-event.toml"), with_new_runs());
    stands_by_itself(&small);
    assert_eq!(small.rule, Rule::AtRest);
    assert!(small.after.choices < small.before.choices, "{:?}", small.after);
    let mut world = None;
    small.trace.replay(|step| world = Some(step.world.clone())).unwrap();
    let world = world.unwrap();
    for (id, replica) in world.replicas() {
        let sent = replica.disk().slots().all(|(_, slot)| !slot.dirty);
        let seen = |path| replica.disk().slot(path).map_or(0, |slot| slot.seen);
        let got = world.cloud().files().all(|(path, file)| seen(path) == file.latest());
        assert!(!replica.runs() || sent && got, "{id} has not come to rest");
    }
}

#[test]
fn who_asks_for_what_is_due_stays_and_so_does_who_could_do_it() {
    // A machine dies in its rename, and a mention of its new name is for nobody. So would be one of a machine that is
    // not there, or was never renamed, which would show nothing.
    let trace = recorded::<JournalSystem>("f12-a-rename-is-interrupted.toml");
    let small = shrunk(&trace, with_new_runs());
    stands_by_itself(&small);
    assert_eq!(small.rule, Rule::AtRest);
    let asked = |trace: &Trace<JournalSystem>| {
        let all = trace.choices.iter().map(|at| at.choice.clone());
        all.filter(|choice| matches!(choice, Choice::Command { .. })).collect::<Vec<_>>()
    };
    assert_eq!(asked(&small.trace).len(), asked(&trace).len());
    assert_eq!(small.after.replicas, small.before.replicas);
    assert_eq!(small.after.faults, small.before.faults);
    assert!(small.after.choices < small.before.choices, "{:?}", small.after);
    // What is only wrong in the end, whoever is there, needs nobody else.
    let removed = shrunk(&recorded::<JournalSystem>("x01-away-for-thirty-days.toml"), with_new_runs());
    stands_by_itself(&removed);
    assert_eq!((removed.rule, removed.after.replicas.len()), (Rule::AtRest, 1));
}

#[test]
fn what_cannot_be_shrunk_says_why() {
    let holds = recorded::<FailoverSystem>("c02-zombie-leader-hardened-majority.toml");
    assert_eq!(holds.end.violations, []);
    assert_eq!(refused(&holds, with_new_runs()), Unshrinkable::Holds);

    let trace = recorded::<FailoverSystem>("c01-split-by-delay.toml");
    let asking = |checker: &str| Options { checker: Some(checker.into()), ..Options::default() };
    let error = refused(&trace, asking(name::LAST_ID)).to_string();
    assert!(error.contains("name one of a_healthy_active_keeps_its_place, at_most_one_active"), "{error}");
    let error = refused(&trace, asking("it_never_rains")).to_string();
    assert!(error.starts_with("there is no checker `it_never_rains`; there are at_most_one"), "{error}");
    assert_eq!(shrunk(&trace, asking(name::KEEPS_PLACE)).rule, Rule::Punctual);

    let mut twice = trace;
    twice.choices.insert(1, twice.choices[0].clone());
    assert!(matches!(refused(&twice, with_new_runs()), Unshrinkable::Refused { index: 1, .. }));
}

#[test]
fn a_spent_budget_leaves_what_was_reached() {
    let trace = recorded::<FailoverSystem>("c01-split-by-delay.toml");
    let most = shrunk(&trace, with_new_runs());
    assert!(!most.spent);
    for replays_max in [1, 2, 12] {
        let some = shrunk(&trace, Options { replays_max, ..with_new_runs() });
        stands_by_itself(&some);
        assert!(some.spent && some.replays == replays_max);
        assert!(some.after.choices > most.after.choices && some.after.choices < some.before.choices);
    }
    let mut told = Vec::new();
    let replays_max = 12;
    shrink(&trace, Options { replays_max, ..with_new_runs() }, &mut |progress| told.push(progress)).unwrap();
    assert!(told.iter().map(|progress| progress.replays).eq(1..=replays_max));
}

/// A trace that shrinks fails for the same reason, and what people did and what went wrong in it are a handful.
#[track_caller]
fn keeps_its_reason<S: System>(file: &str) {
    let trace = recorded::<S>(file);
    let small = shrunk(&trace, with_new_runs());
    stands_by_itself(&small);
    let same = |violation: &&Violation| violation.checker == small.violation.checker;
    let before = trace.end.violations.iter().find(same).unwrap();
    assert_eq!(small.violation.explanation(), before.explanation(), "{file}");
    let choices = small.trace.choices.iter().map(|at| &at.choice);
    let asked =
        choices.filter(|choice| matches!(choice, Choice::Act { .. } | Choice::Command { .. })).count() as u64;
    let faults: u64 = small.after.faults.values().sum();
    assert!(asked + faults <= 10, "{file}: {asked} requests, {:?}", small.after.faults);
}

#[test]
fn a_smaller_trace_fails_for_the_same_reason() {
    for file in ["c01-split-by-delay.toml", "c02-zombie-leader.toml", "c03-slow-clock.toml"] {
        keeps_its_reason::<FailoverSystem>(file);
    }
    keeps_its_reason::<JournalSystem>("f01-torn-tail-swallows-the-next-event.toml");
    keeps_its_reason::<NotesSystem>("n01-a-read-error-wipes-the-deletion-log.toml");
    keeps_its_reason::<DeltaSystem>("d01-equal-versions.toml");
}
