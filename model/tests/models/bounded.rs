//! Every quick model file does what it says, and every counterexample replays.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read the model files and fail where they cannot"
)]

use std::path::{Path, PathBuf};

use crate::support::{dir, read, replays};
use cloudchamber_folder::System;
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_folder::systems::{BuiltIn, Systems as _, Work};
use cloudchamber_model::{Expect, Horizon, ModelSpec, check};

type Spec = ModelSpec<FailoverSystem>;

fn named(name: &str) -> Spec {
    read(&dir().join(name).with_extension("toml"))
}

/// All model files, in order, each with the system that it is of.
fn files() -> Vec<(PathBuf, String)> {
    let mut files: Vec<_> = std::fs::read_dir(dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let system = |file: PathBuf| {
        let table: toml::Table = std::fs::read_to_string(&file).unwrap().parse().unwrap();
        let system = table["scenario"]["system"].as_str().unwrap().to_owned();
        (file, system)
    };
    files.into_iter().map(system).collect()
}

fn stem(file: &Path) -> String {
    file.file_stem().unwrap().to_str().unwrap().to_owned()
}

/// All model files of failover by name, in order.
fn all() -> Vec<(String, Spec)> {
    let of_failover = files().into_iter().filter(|(_, system)| system == FailoverSystem::NAME);
    of_failover.map(|(file, _)| (stem(&file), read(&file))).collect()
}

/// Whether a model file of some system says what it costs.
struct Pinned<'a>(&'a Path);

impl Work for Pinned<'_> {
    type Output = bool;

    fn on<S: System>(self) -> bool {
        let spec = ModelSpec::<S>::parse(self.0, &std::fs::read_to_string(self.0).unwrap())
            .unwrap_or_else(|error| panic!("{error}"));
        match spec.expect {
            Expect::Holds => spec.unique_states.is_some() && (!spec.reaches.is_empty() || !spec.quick),
            Expect::Violates => spec.steps.is_some(),
        }
    }
}

#[test]
fn every_model_says_what_it_costs() {
    for (file, system) in files() {
        let name = stem(&file);
        let pinned = BuiltIn::with(&system, Pinned(&file)).unwrap_or_else(|| panic!("{name}: no {system}"));
        assert!(
            pinned,
            "{name}: one that holds pins its states and, where it is quick, names what it reaches; the others pin their steps"
        );
    }
}

#[test]
fn quick_models_do_what_they_say() {
    for (name, spec) in all().into_iter().filter(|(_, spec)| spec.quick) {
        let checked = check(spec, 1, None);
        checked.judge().unwrap_or_else(|error| panic!("{name}: {error}"));
        if checked.counterexample.is_some() {
            replays(&checked);
            let violation = checked.trace().unwrap().end.violations.pop().unwrap();
            insta::assert_snapshot!(name, told(&checked.story(), &violation.to_string()));
        }
    }
}

/// A story up to 39 lines as it is; of a longer one, whose length its file pins, how it ends.
fn told(story: &[String], violation: &str) -> String {
    let (left_out, shown) = match story.len() {
        0..40 => (String::new(), story),
        len => (format!("{} steps before\n", len - 1), &story[len - 1..]),
    };
    format!("{left_out}{}\n{violation}\n", shown.join("\n"))
}

#[test]
fn two_threads_find_the_same_states() {
    let spec = named("majority-quick");
    let (one, two) = (check(spec.clone(), 1, None), check(spec, 2, None));
    assert_eq!((one.unique_states, one.generated_states), (two.unique_states, two.generated_states));
    two.judge().unwrap();
}

#[test]
fn a_model_that_is_not_as_expected_says_so() {
    let judged = |change: fn(&mut Spec)| {
        let mut spec = named("published-conflict-copy");
        spec.bounds.horizon_ms = Horizon::Ms(1);
        change(&mut spec);
        check(spec, 1, None).judge().unwrap_err()
    };
    insta::assert_snapshot!(judged(|spec| spec.expect = Expect::Holds), @"`a_live_device_is_never_removed` was expected to hold and is violated in 5 steps");
    insta::assert_snapshot!(judged(|spec| spec.steps = Some(3)), @"5 steps, where the file says 3");
    insta::assert_snapshot!(judged(|spec| spec.bounds.commands = 0), @"`a_live_device_is_never_removed` was expected to be violated and held");
    insta::assert_snapshot!(judged(|spec| {
        (spec.expect, spec.bounds.commands) = (Expect::Holds, 0);
        spec.reaches = vec!["a_failover_happens".into()];
    }), @"`a_live_device_is_never_removed` holds in vain: nothing reached `a_failover_happens`");
    let other = judged(|spec| {
        (spec.expect, spec.bounds.commands, spec.unique_states) = (Expect::Holds, 0, Some(1));
    });
    assert!(other.ends_with("states that differ, where the file says 1"), "{other}");
}

#[test]
fn a_search_that_was_cut_short_holds_nothing() {
    let checked = check(named("majority-quick"), 1, Some(500));
    assert!(!checked.complete && checked.judge().is_err());
}

#[test]
fn the_response_bound_can_be_missed() {
    let mut spec = named("available-response");
    spec.scenario.settings.without_ms_max = Some(3_000);
    spec.expect = Expect::Violates;
    spec.steps = None;
    let checked = check(spec, 1, None);
    checked.judge().unwrap();
    replays(&checked);
}
