//! Notes: the published design's faults as shortest counterexamples, and what the hardened design keeps.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests read the model files and fail where they cannot"
)]

use std::path::Path;

use cloudchamber_folder::systems::notes::{NotesSystem, name};
use cloudchamber_model::{Checked, ModelSpec, check};

fn spec(name: &str) -> ModelSpec<NotesSystem> {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/models").join(format!("notes-{name}.toml"));
    ModelSpec::parse(&file, &std::fs::read_to_string(&file).unwrap())
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Finds the shortest way to a violation, which replays, and tells it.
fn counterexample(name: &str) -> String {
    let checked = check(spec(name), 1, None);
    println!("{name}: {} states, {} steps, {:?}", checked.unique_states, checked.steps(), checked.elapsed);
    checked.judge().unwrap_or_else(|error| panic!("{name}: {error}"));
    replays(&checked);
    checked.story().join("\n")
}

fn replays(checked: &Checked<NotesSystem>) {
    let trace = checked.trace().expect("there is a counterexample");
    let property = &checked.spec().property;
    assert!(trace.end.violations.iter().any(|violation| violation.checker == *property));
    let outcome = trace.replay(|_| {}).unwrap();
    assert_eq!(format!("{:016x}", outcome.hash), trace.end.hash);
    assert_eq!(outcome.findings.violations, trace.end.violations);
}

/// The file's property holds, in as many states as the file says and not in vain; and so do others.
fn holds(name: &str, others: &[&str]) {
    let spec = spec(name);
    let checked = check(spec.clone(), 1, None);
    println!(
        "{name}: {} states, {} generated, {:?}",
        checked.unique_states, checked.generated_states, checked.elapsed
    );
    checked.judge().unwrap_or_else(|error| panic!("{name}: {error}"));
    for &property in others {
        let other = ModelSpec { property: property.to_owned(), unique_states: None, ..spec.clone() };
        check(other, 1, None).judge().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn published_cannot_load_a_note_with_a_torn_record() {
    insta::assert_snapshot!(counterexample("published-torn-append"));
}

#[test]
fn published_cannot_load_a_note_from_a_cut_file() {
    insta::assert_snapshot!(counterexample("published-cut-file"));
}

#[test]
fn published_tells_nobody_of_a_record_before_a_crash() {
    insta::assert_snapshot!(counterexample("published-edit-not-told"));
}

#[test]
fn hardened_loses_nothing_in_a_crash() {
    holds("hardened-torn-append", &[]);
}

#[test]
fn hardened_waits_for_the_rest_of_what_is_cut() {
    holds("hardened-cut-file", &[name::QUIET_AGREE, name::HOLDS_CLAIMS]);
}

#[test]
fn three_hardened_instances_agree() {
    holds("hardened-three-instances", &[name::QUIET_AGREE, name::COME_IS_LOADED]);
}
