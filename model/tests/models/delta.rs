//! Delta: the published design's faults as shortest counterexamples, and what the hardened design keeps.

use crate::support::{counterexample, holds};
use cloudchamber_folder::systems::delta::{DeltaSystem, name};

#[test]
fn published_gives_one_version_two_contents() {
    insta::assert_snapshot!(counterexample::<DeltaSystem>("published-one-version-two-contents"));
}

#[test]
fn published_takes_old_content_for_the_version_that_meta_names() {
    insta::assert_snapshot!(counterexample::<DeltaSystem>("published-meta-before-the-entity"));
}

#[test]
fn published_split_lite_does_the_same() {
    insta::assert_snapshot!(counterexample::<DeltaSystem>("published-split-lite"));
}

#[test]
fn hardened_joins_concurrent_edits() {
    holds::<DeltaSystem>("hardened-concurrent-edits", &[name::QUIET_AGREE]);
}

#[test]
fn hardened_loses_nothing_in_a_crash() {
    holds::<DeltaSystem>("hardened-a-crash-anywhere", &[name::ONE_CONTENT]);
}

#[test]
fn hardened_keeps_an_edit_of_what_was_deleted() {
    holds::<DeltaSystem>("hardened-deletion-against-edit", &[name::KEPT]);
}

#[test]
fn hardened_takes_what_has_not_arrived_for_unknown() {
    holds::<DeltaSystem>("hardened-torn-arrivals", &[]);
}

#[test]
fn hardened_collects_what_everybody_has_seen() {
    holds::<DeltaSystem>("hardened-collection", &[]);
}

#[test]
fn hardened_rebuilds_whoever_was_away() {
    holds::<DeltaSystem>("hardened-rebuilt", &[]);
}

#[test]
fn hardened_split_lite_loses_nothing_in_a_crash() {
    holds::<DeltaSystem>("hardened-split-lite", &[]);
}
