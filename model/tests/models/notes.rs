//! Notes: the published design's faults as shortest counterexamples, and what the hardened design keeps.

use crate::support::{counterexample, holds};
use cloudchamber_folder::systems::notes::{NotesSystem, name};

#[test]
fn published_cannot_load_a_note_with_a_torn_record() {
    insta::assert_snapshot!(counterexample::<NotesSystem>("published-torn-append"));
}

#[test]
fn published_cannot_load_a_note_from_a_cut_file() {
    insta::assert_snapshot!(counterexample::<NotesSystem>("published-cut-file"));
}

#[test]
fn published_tells_nobody_of_a_record_before_a_crash() {
    insta::assert_snapshot!(counterexample::<NotesSystem>("published-edit-not-told"));
}

#[test]
fn hardened_loses_nothing_in_a_crash() {
    holds::<NotesSystem>("hardened-torn-append", &[]);
}

#[test]
fn hardened_waits_for_the_rest_of_what_is_cut() {
    holds::<NotesSystem>("hardened-cut-file", &[name::QUIET_AGREE, name::HOLDS_CLAIMS]);
}

#[test]
fn three_hardened_instances_agree() {
    holds::<NotesSystem>("hardened-three-instances", &[name::QUIET_AGREE, name::COME_IS_LOADED]);
}
