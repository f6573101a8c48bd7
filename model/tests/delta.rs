//! Delta: the published design's faults as shortest counterexamples, and what the hardened design keeps.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests read the model files and fail where they cannot"
)]

use std::path::Path;

use cloudchamber_folder::systems::delta::{DeltaSystem, name};
use cloudchamber_model::{Checked, ModelSpec, check};

fn spec(name: &str) -> ModelSpec<DeltaSystem> {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/models").join(format!("delta-{name}.toml"));
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

fn replays(checked: &Checked<DeltaSystem>) {
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
fn published_gives_one_version_two_contents() {
    insta::assert_snapshot!(counterexample("published-one-version-two-contents"));
}

#[test]
fn published_takes_old_content_for_the_version_that_meta_names() {
    insta::assert_snapshot!(counterexample("published-meta-before-the-entity"));
}

#[test]
fn published_split_lite_does_the_same() {
    insta::assert_snapshot!(counterexample("published-split-lite"));
}

#[test]
fn hardened_joins_concurrent_edits() {
    holds("hardened-concurrent-edits", &[name::QUIET_AGREE]);
}

#[test]
fn hardened_loses_nothing_in_a_crash() {
    holds("hardened-a-crash-anywhere", &[name::ONE_CONTENT]);
}

#[test]
fn hardened_keeps_an_edit_of_what_was_deleted() {
    holds("hardened-deletion-against-edit", &[name::KEPT]);
}

#[test]
fn hardened_takes_what_has_not_arrived_for_unknown() {
    holds("hardened-torn-arrivals", &[]);
}

#[test]
fn hardened_collects_what_everybody_has_seen() {
    holds("hardened-collection", &[]);
}

#[test]
fn hardened_rebuilds_whoever_was_away() {
    holds("hardened-rebuilt", &[]);
}

#[test]
fn hardened_split_lite_loses_nothing_in_a_crash() {
    holds("hardened-split-lite", &[]);
}
