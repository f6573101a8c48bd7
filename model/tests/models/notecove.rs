//! NoteCove's specification: as many states as TLC counts, invariants that can fail, and what they do not say.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

use std::collections::{BTreeMap, HashSet};

use cloudchamber_model::notecove::{
    Action, ActivityMode, Config, Counted, NoteCove, Numbering, Row, State, Weakness, count,
};
use stateright::Model as _;

/// Two replicas, one note, one update, deletions.
const SMALL: Config = Config { updates_max: 1, ..Config::DEFAULT };

fn counted(config: Config) -> Counted {
    count(config, 1, None).unwrap()
}

/// What a row of the file says: the constants, then every number by its name.
struct Line {
    config: Config,
    numbers: BTreeMap<String, u64>,
    per_action: BTreeMap<String, u64>,
}

impl Line {
    /// Reads a row, which takes three lines.
    fn read(lines: &[&str]) -> Self {
        let mut numbers = BTreeMap::new();
        let (mut append, mut deletions) = (true, true);
        for word in lines[0].split(' ').chain(lines[1].split(' ')) {
            match word.split_once('=') {
                Some(("append", value)) => append = value == "true",
                Some(("del", value)) => deletions = value == "true",
                Some((name, value)) => {
                    numbers.insert(name.to_owned(), value.parse().unwrap());
                }
                None => {}
            }
        }
        let of = |name: &str| u8::try_from(numbers[name]).unwrap();
        let config = Config {
            replicas: of("nodes"),
            notes: of("notes"),
            updates_max: of("maxUpdates"),
            log_max: of("maxLog"),
            activity: if append { ActivityMode::Append } else { ActivityMode::Replace },
            deletions,
            numbering: Numbering::FromLog,
        };
        let kinds = lines[2].split_once('[').unwrap().1.trim_end_matches(")]").split("), ");
        let per_action = kinds.map(|kind| {
            let (name, count) = kind.trim_start_matches('(').split_once(", ").unwrap();
            (name.trim_matches('"').to_owned(), count.parse().unwrap())
        });
        let per_action = per_action.collect();
        Self { config, numbers, per_action }
    }

    fn all() -> Vec<Self> {
        let text = include_str!("../data/notecove/tla-counts.txt");
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        lines.chunks(3).map(Self::read).collect()
    }
}

#[test]
fn every_row_of_the_file_is_counted_to_the_last_step() {
    let rows = Line::all();
    assert_eq!(rows.len(), 6);
    for Line { config, numbers, per_action } in rows {
        let counted = counted(config);
        for (name, found) in [
            ("generated", counted.generated),
            ("distinct", counted.distinct),
            ("depth", counted.depth),
            ("edit-after-own-permDelete", counted.edits_after_deletion),
            ("vectorClock-decrease", counted.clock_decreases),
        ] {
            assert_eq!(found, numbers[name], "{config}: {name}");
        }
        let found = Action::NAMES.iter().zip(counted.per_action).filter(|(_, count)| *count > 0);
        let found: BTreeMap<_, _> = found.map(|(name, count)| ((*name).to_owned(), count)).collect();
        assert_eq!(found, per_action, "{config}");
        assert_eq!(counted.judge(), Ok(()), "{config}");
        assert!(counted.published().is_some() && counted.fully_synced > 0, "{config}");
    }
}

#[test]
fn every_quick_row_is_counted() {
    let in_file: Vec<_> = Line::all().into_iter().map(|line| line.config).collect();
    for row in Row::ALL.iter().filter(|row| row.quick && !in_file.contains(&row.config)) {
        assert_eq!(counted(row.config).judge(), Ok(()), "{}", row.config);
    }
}

#[test]
fn two_threads_count_the_same() {
    let config = Config { updates_max: 2, deletions: false, ..Config::DEFAULT };
    let (one, two) = (counted(config), count(config, 2, None).unwrap());
    assert_eq!((one.generated, one.distinct), (two.generated, two.distinct));
    assert_eq!((one.per_action, one.fully_synced), (two.per_action, two.fully_synced));
    assert_eq!(two.judge(), Ok(()));
}

#[test]
fn another_number_is_noticed() {
    let judged = |change: fn(&mut Counted)| {
        let mut counted = counted(SMALL);
        change(&mut counted);
        counted.judge().unwrap_err()
    };
    insta::assert_snapshot!(judged(|it| it.generated += 1), @"23030 states generated, where TLC counts 23029");
    insta::assert_snapshot!(judged(|it| it.distinct -= 1), @"5211 distinct states, where TLC counts 5212");
    insta::assert_snapshot!(judged(|it| it.depth = 3), @"3 as depth, where TLC counts 16");
}

#[test]
fn a_search_that_was_cut_short_counts_nothing() {
    let counted = count(Config::DEFAULT, 1, Some(1_000)).unwrap();
    assert!(!counted.complete);
    assert!(counted.judge().unwrap_err().ends_with("there are more"));
}

#[test]
fn what_a_state_has_no_room_for_is_refused() {
    let refused = |change: fn(&mut Config)| {
        let mut config = Config::DEFAULT;
        change(&mut config);
        count(config, 1, None).unwrap_err()
    };
    insta::assert_snapshot!(refused(|it| it.replicas = 0), @"the number of replicas is 0; write a number from 1 to 5");
    insta::assert_snapshot!(refused(|it| it.notes = 9), @"the number of notes is 9; write a number from 1 to 8");
    insta::assert_snapshot!(refused(|it| it.updates_max = 200), @"the number of updates is 200; write a number from 0 to 8");
}

/// Every state there is, whole, in the order in which it is met first.
fn reachable<const N: usize>(model: &NoteCove<N>) -> Vec<State<N>> {
    let mut met: Vec<State<N>> = model.init_states();
    let mut known: HashSet<State<N>> = met.iter().cloned().collect();
    let mut at = 0;
    while at < met.len() {
        for action in offered(model, &met[at]) {
            let next = model.next_state(&met[at], action).unwrap();
            if known.insert(next.clone()) {
                met.push(next);
            }
        }
        at += 1;
    }
    met
}

fn offered<const N: usize>(model: &NoteCove<N>, state: &State<N>) -> Vec<Action> {
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    actions
}

/// The checker keeps digests; compared whole, there are as many states.
#[test]
fn states_compared_whole_are_as_many() {
    let replace = Config { activity: ActivityMode::Replace, log_max: 0, ..SMALL };
    for config in [SMALL, Config { notes: 2, ..SMALL }, replace] {
        let states = reachable(&NoteCove::<2>::new(config));
        assert_eq!(counted(config).distinct, u64::try_from(states.len()).unwrap(), "{config}");
    }
}

/// What made a step possible is told, and changes nothing.
#[test]
fn witnesses_of_a_step_lead_to_one_state() {
    let model = NoteCove::<2>::new(Config { updates_max: 2, deletions: false, ..Config::DEFAULT });
    let mut several = 0;
    for state in reachable(&model) {
        let mut polls = offered(&model, &state);
        polls.retain(|action| matches!(action, Action::PollActivity { replica: 0, .. }));
        let next: HashSet<_> =
            polls.iter().map(|action| model.next_state(&state, *action).unwrap()).collect();
        assert!(next.len() <= 1, "{state:?}");
        several += usize::from(polls.len() > 1);
    }
    assert_eq!(several, 60);
}

#[test]
fn steps_of_nobody_are_refused() {
    let model = NoteCove::<2>::new(SMALL);
    let first = model.init_states().remove(0);
    for action in [
        Action::Edit { replica: 2, note: 0 },
        Action::Edit { replica: 0, note: 1 },
        Action::PermanentDelete { replica: 0, note: 9 },
        Action::CloudSyncLog { origin: 200 },
        Action::PollActivity { replica: 0, origin: 0, entry: 0 },
        Action::PollDeletion { replica: 0, origin: 1, entry: 255 },
        Action::FullScanFallback { replica: 0, origin: 7 },
        Action::Restart { replica: 0 },
        Action::Restart { replica: 5 },
    ] {
        assert_eq!(model.next_state(&first, action), None, "{action}");
    }
}

/// NoteCove's repair 090d951: before it, numbers began at 1 again after a restart. The invariant named after contiguous
/// numbers compares sets, and a number that comes twice is in a set once: it sees nothing. That updates are lost is
/// seen where all have read all.
#[test]
fn numbers_used_twice_are_seen_as_what_they_lead_to() {
    let counted = counted(Config {
        updates_max: 3,
        deletions: false,
        numbering: Numbering::FromOne,
        ..Config::DEFAULT
    });
    let violated = counted.invariants.iter().filter_map(|it| it.violation.as_ref().map(|way| (it.name, way)));
    let violated: Vec<_> = violated.collect();
    let [("ConvergenceInvariant", way)] = violated[..] else { panic!("{violated:?}") };
    let way: Vec<_> = way.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(way.join("\n"), @r"
    a edits note 1
    the next update of a's log reaches everybody
    the next entry of a's activity log reaches everybody
    a's process dies
    a's process starts again
    a edits note 1
    the next entry of a's activity log reaches everybody
    b reads all logs: a's has something new
    the next update of a's log reaches everybody
    ");
    assert!(counted.clock_decreases > 0);
    assert_eq!(
        counted.judge().unwrap_err(),
        format!("`ConvergenceInvariant` is violated in {} steps", way.len())
    );
}

/// Takes fair steps until none is left, always the first or always the last.
fn settled<const N: usize>(model: &NoteCove<N>, state: &State<N>, last: bool) -> State<N> {
    let mut state = state.clone();
    for _ in 0..100 {
        let fair: Vec<_> = offered(model, &state).into_iter().filter(|action| action.is_fair()).collect();
        let Some(next) = (if last { fair.last() } else { fair.first() }) else { return state };
        state = model.next_state(&state, *next).unwrap();
    }
    panic!("fair steps do not end: {state:?}");
}

/// The specification's temporal property of deletions, and the one that it does not state: where nobody dies any more
/// and all run, everybody has everything in the end. Fair steps only add to what is known, so their order decides
/// nothing but the way; two orders are tried.
#[test]
fn fair_steps_bring_everything_to_all_who_run() {
    let compacted = Config { updates_max: 2, log_max: 1, deletions: false, ..Config::DEFAULT };
    for config in [SMALL, compacted] {
        let model = NoteCove::<2>::new(config);
        for state in reachable(&model) {
            for last in [false, true] {
                let end = settled(&model, &state, last);
                for (one, other) in [(0, 1), (1, 0)].into_iter().filter(|(_, other)| end.is_running(*other)) {
                    let promised = end.synced_deletions(one);
                    assert_eq!(promised & !end.known(other).deleted, 0, "{state:?}");
                }
                let mut all_run = state.clone();
                for replica in 0..2 {
                    all_run = model.next_state(&all_run, Action::Restart { replica }).unwrap_or(all_run);
                }
                let end = settled(&model, &all_run, last);
                assert!(end.fully_synced(&config) && end.converged(), "{state:?}");
            }
        }
    }
}

/// The states of a run, from the first to the last. Every step is possible, and every invariant holds in every state.
fn played<const N: usize>(name: &str) -> (NoteCove<N>, Vec<State<N>>) {
    let Weakness { config, steps, .. } = Weakness::named(name).unwrap();
    let model = NoteCove::<N>::new(config);
    let mut states = model.init_states();
    for step in steps {
        let next = model.next_state(states.last().unwrap(), *step);
        let next = next.unwrap_or_else(|| panic!("{name}: the specification refuses: {step}"));
        for property in model.properties() {
            assert!((property.condition)(&model, &next), "{name}: {} after: {step}", property.name);
        }
        states.push(next);
    }
    (model, states)
}

/// The steps that read something new.
fn reads<const N: usize>(model: &NoteCove<N>, state: &State<N>, replica: u8) -> Vec<Action> {
    let mut actions = offered(model, state);
    actions.retain(|action| {
        matches!(
            action,
            Action::ReloadDirect { replica: who, .. }
            | Action::ReloadFromActivity { replica: who, .. }
            | Action::PollActivity { replica: who, .. }
            | Action::FullScanFallback { replica: who, .. } if *who == replica
        )
    });
    actions
}

fn is_well<const N: usize>(model: &NoteCove<N>, state: &State<N>) -> bool {
    state.fully_synced(model.config()) && state.converged()
}

#[test]
fn weaknesses_have_names_of_their_own() {
    let names: HashSet<_> = Weakness::ALL.iter().map(|weakness| weakness.name).collect();
    assert_eq!(names.len(), Weakness::ALL.len());
    assert!(Weakness::named("none").is_none());
}

/// One synced log stands for what is on every disk: there is no state in which b could read an update that c could
/// not, so neither a slow receiver nor one that gets the second file first can be said.
#[test]
fn weakness_1_one_cloud_for_all() {
    let (model, states) = played::<3>("one-cloud-for-all");
    let can_read = |state: &State<3>, replica| !reads(&model, state, replica).is_empty();
    // The update of the third step can be read by both after it, by neither before it.
    assert!(!can_read(&states[2], 1) && !can_read(&states[2], 2));
    assert!(can_read(&states[3], 1) && can_read(&states[3], 2));
    let numbers = |state: &State<3>| state.synced_log(0).map(|update| update.seq()).collect::<Vec<_>>();
    let ways: Vec<_> = states.iter().map(numbers).collect();
    assert!(ways.iter().all(|way| [1, 2].starts_with(way)), "{ways:?}");
    assert!(is_well(&model, states.last().unwrap()));
    // Nor is there one anywhere else: whoever has read as much can read as much.
    let model = NoteCove::<3>::new(Config { updates_max: 1, ..*model.config() });
    for state in reachable(&model).iter().filter(|it| it.is_running(1) && it.is_running(2)) {
        let direct = |replica| Action::ReloadDirect { replica, origin: 0 };
        if state.known(1).clock == state.known(2).clock {
            let (b, c) = (model.next_state(state, direct(1)), model.next_state(state, direct(2)));
            assert_eq!(b.is_some(), c.is_some(), "{state:?}");
        }
    }
}

/// One log and one count of numbers for all notes and all sessions: there is no older file to be skipped.
#[test]
fn weakness_2_one_log_for_a_replica() {
    let (model, states) = played::<2>("one-log-for-a-replica");
    let end = states.last().unwrap();
    let log: Vec<_> = end.log(0).map(|update| (update.seq(), update.note())).collect();
    assert_eq!(log, [(1, 0), (2, 1), (3, 0)]);
    assert_eq!(end.known(1).clock, [3, 0]);
    assert!(is_well(&model, end));
}

/// With the activity log compacted to nothing, b has no step left but the one that reads all logs unasked. That step is
/// fair, so no property can fail whatever activity logs, watermarks and compaction do.
#[test]
fn weakness_3_reading_repairs_everything() {
    let (model, states) = played::<2>("reading-repairs-everything");
    let [.., before, end] = &states[..] else { panic!("too short") };
    assert_eq!(reads(&model, before, 1), [Action::ReloadDirect { replica: 1, origin: 0 }]);
    assert_eq!(before.synced_activity(0).count(), 0);
    assert!(is_well(&model, end));
    assert_eq!((end.known(1).doc, end.watermark(1)), (0b11, &[0, 0]));
}

/// A process dies right after it saved and wrote. What it finds is what it knew: no step leaves a part of anything.
#[test]
fn weakness_4_nothing_is_ever_cut() {
    let (_, states) = played::<2>("nothing-is-ever-cut");
    let [_, edited, saved, again, _, restarted] = &states[..] else { panic!("another length") };
    assert_eq!(saved.snapshot(0), edited.known(0));
    assert_eq!(restarted.snapshot(0), edited.known(0));
    assert_eq!(restarted.known(0), again.known(0));
    assert_eq!(restarted.log(0).count(), 2);
}

/// b edits a note that it has deleted for good, because the soft deletion is all that an edit looks at. In the end all
/// agree that the note is deleted and that it has the edit; no invariant looks at both. Of the steps of the small
/// configurations none is such an edit with one update, 288 are with two.
#[test]
fn weakness_5_an_edit_after_the_deletion() {
    let (model, states) = played::<2>("an-edit-after-the-deletion");
    let before = &states[5];
    assert!(before.known(1).deleted == 1 && before.can_edit(1, 0));
    let end = states.last().unwrap();
    assert!(is_well(&model, end));
    for replica in 0..2 {
        assert_eq!((end.known(replica).deleted, end.known(replica).doc), (1, 0b10));
    }
    let row = counted(Config { updates_max: 2, ..Config::DEFAULT });
    assert_eq!((row.edits_after_deletion, row.judge()), (288, Ok(())));
}

/// The deleted note's text is in b's document before and after a restart that has to read it from the logs once more.
/// Nowhere is there a text without the mark: the two are kept side by side, so no note can come back.
#[test]
fn weakness_6_a_deletion_takes_nothing_away() {
    let (_, states) = played::<2>("a-deletion-takes-nothing-away");
    let [.., before, _, after] = &states[..] else { panic!("too short") };
    for state in [before, after] {
        assert_eq!((state.known(1).doc, state.known(1).deleted), (1, 1));
    }
    assert_eq!(after.snapshot(1).doc, 0, "it was read from the log again");
    let forgets = |two: &[State<2>]| two[0].known(1).deleted & !two[1].known(1).deleted != 0;
    assert!(!states.windows(2).any(forgets));
}

/// b is down and does not know of the deletion; no fair step is left, so a run may stay there. The promise that the
/// deletion reaches all who run is kept, and that everything is synced is promised nowhere.
#[test]
fn weakness_7_a_deletion_that_one_never_hears_of() {
    let (model, states) = played::<2>("a-deletion-that-one-never-hears-of");
    let end = states.last().unwrap();
    assert_eq!((end.known(0).deleted, end.synced_deletions(0)), (1, 1));
    assert!(!end.is_running(1) && end.known(1).deleted == 0);
    assert!(!offered(&model, end).into_iter().any(Action::is_fair));
    assert!(!end.fully_synced(model.config()));
}

/// However early a dies, the update and the entry that tells of it are both there: after every step the activity log
/// tells of as many updates as there are.
#[test]
fn weakness_8_an_edit_is_one_step() {
    let (model, states) = played::<2>("an-edit-is-one-step");
    for state in &states {
        let told =
            state.synced_activity(0).count() + state.pending_activity(0, model.config().activity).count();
        assert_eq!(told, state.log(0).count(), "{state:?}");
    }
    assert!(is_well(&model, states.last().unwrap()));
}

/// The entry of the first note is overwritten before anybody has seen it. b is told of the second note only and has
/// both, because a reload does not ask which note was named.
#[test]
fn weakness_9_a_lost_entry_goes_unnoticed() {
    let (model, states) = played::<2>("a-lost-entry-goes-unnoticed");
    let told: HashSet<_> = states.iter().flat_map(|it| it.synced_activity(0)).map(|it| it.note()).collect();
    assert_eq!(told, HashSet::from([1]));
    let end = states.last().unwrap();
    assert_eq!(end.known(1).doc, 0b11);
    assert!(is_well(&model, end));
}
