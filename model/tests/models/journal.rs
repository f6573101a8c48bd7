//! Journals: the published design's faults as shortest counterexamples, and what the hardened design keeps.

use crate::support::{counterexample, holds};
use cloudchamber_folder::systems::journal::{JournalSystem, name};

#[test]
fn published_loses_the_event_behind_a_torn_one() {
    insta::assert_snapshot!(counterexample::<JournalSystem>("published-torn-append"));
}

#[test]
fn published_uses_a_number_twice() {
    insta::assert_snapshot!(counterexample::<JournalSystem>("published-number-reused"));
}

#[test]
fn published_undoes_a_removal() {
    insta::assert_snapshot!(counterexample::<JournalSystem>("published-removal-undone"));
}

#[test]
fn published_cannot_rebuild_after_a_rename() {
    insta::assert_snapshot!(counterexample::<JournalSystem>("published-renamed-while-away"));
}

#[test]
fn published_ignores_a_conflict_copy() {
    insta::assert_snapshot!(counterexample::<JournalSystem>("published-conflict-copy"));
}

#[test]
fn hardened_loses_nothing_in_a_crash() {
    holds::<JournalSystem>("hardened-torn-append", &[]);
}

#[test]
fn hardened_agrees_whatever_part_of_a_file_came_first() {
    holds::<JournalSystem>("hardened-torn-upload", &[]);
}

#[test]
fn hardened_keeps_a_removal() {
    holds::<JournalSystem>("hardened-removal-stays", &[name::QUIET_AGREE]);
}

#[test]
fn hardened_keeps_the_history_of_a_renamed_machine() {
    holds::<JournalSystem>("hardened-renamed-while-away", &[]);
}

#[test]
fn hardened_reads_a_conflict_copy() {
    holds::<JournalSystem>("hardened-conflict-copy", &[name::STAYS_DELETED]);
}

#[test]
fn three_hardened_machines_lose_nothing() {
    holds::<JournalSystem>("hardened-three-machines", &[name::QUIET_AGREE]);
}

#[test]
fn published_has_two_of_one_id_answer() {
    insta::assert_snapshot!(counterexample::<JournalSystem>("published-one-id"));
}

#[test]
fn hardened_shows_nothing_of_what_was_deleted() {
    holds::<JournalSystem>("hardened-deletion-stays", &[name::QUIET_AGREE]);
}

#[test]
fn without_its_rule_an_edit_brings_a_deleted_message_back() {
    insta::assert_snapshot!(counterexample::<JournalSystem>("planted-edit-after-deletion"));
}

#[test]
fn published_leaves_a_reaction_to_a_deleted_message() {
    insta::assert_snapshot!(counterexample::<JournalSystem>("published-deletion-leaves-a-reaction"));
}
