//! Journals: the published design's faults as shortest counterexamples, and what the hardened design keeps.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests read the model files and fail where they cannot"
)]

use std::path::Path;

use cloudchamber_folder::systems::journal::{JournalSystem, name};
use cloudchamber_model::{Checked, ModelSpec, check};

fn spec(name: &str) -> ModelSpec<JournalSystem> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../scenarios/models")
        .join(format!("journal-{name}.toml"));
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

fn replays(checked: &Checked<JournalSystem>) {
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
fn published_loses_the_event_behind_a_torn_one() {
    insta::assert_snapshot!(counterexample("published-torn-append"));
}

#[test]
fn published_uses_a_number_twice() {
    insta::assert_snapshot!(counterexample("published-number-reused"));
}

#[test]
fn published_undoes_a_removal() {
    insta::assert_snapshot!(counterexample("published-removal-undone"));
}

#[test]
fn published_cannot_rebuild_after_a_rename() {
    insta::assert_snapshot!(counterexample("published-renamed-while-away"));
}

#[test]
fn published_ignores_a_conflict_copy() {
    insta::assert_snapshot!(counterexample("published-conflict-copy"));
}

#[test]
fn hardened_loses_nothing_in_a_crash() {
    holds("hardened-torn-append", &[]);
}

#[test]
fn hardened_agrees_whatever_part_of_a_file_came_first() {
    holds("hardened-torn-upload", &[]);
}

#[test]
fn hardened_keeps_a_removal() {
    holds("hardened-removal-stays", &[name::QUIET_AGREE]);
}

#[test]
fn hardened_keeps_the_history_of_a_renamed_machine() {
    holds("hardened-renamed-while-away", &[]);
}

#[test]
fn hardened_reads_a_conflict_copy() {
    holds("hardened-conflict-copy", &[name::STAYS_DELETED]);
}

#[test]
fn three_hardened_machines_lose_nothing() {
    holds("hardened-three-machines", &[name::QUIET_AGREE]);
}

#[test]
fn published_has_two_of_one_id_answer() {
    insta::assert_snapshot!(counterexample("published-one-id"));
}

#[test]
fn hardened_shows_nothing_of_what_was_deleted() {
    holds("hardened-deletion-stays", &[name::QUIET_AGREE]);
}

#[test]
fn without_its_rule_an_edit_brings_a_deleted_message_back() {
    insta::assert_snapshot!(counterexample("planted-edit-after-deletion"));
}

#[test]
fn published_leaves_a_reaction_to_a_deleted_message() {
    insta::assert_snapshot!(counterexample("published-deletion-leaves-a-reaction"));
}
