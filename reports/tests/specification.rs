//! `model spec`: NoteCove's specification on the command line.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

mod common;

use common::{call, code, json, out, refused};
use serde_json::json;

#[test]
fn constants_are_counted_and_compared_with_tlc() {
    let output = call(&[
        "model",
        "spec",
        "--updates",
        "2",
        "--log",
        "1",
        "--no-deletions",
        "--activity",
        "replace",
        "--json",
    ]);
    assert_eq!(code(&output), 0);
    let reports = json(&output);
    let [report] = &reports.as_array().unwrap()[..] else { panic!("{reports:#}") };
    assert_eq!(report["tlc"], json!(null));
    assert_eq!((&report["outcome"], &report["complete"]), (&json!("holds"), &json!(true)));
    assert_eq!(report["constants"]["activity"], "replace");

    let output = call(&["model", "spec", "--updates", "1", "--json"]);
    let report = &json(&output)[0];
    let tlc = json!({"generated_states": 23_029, "unique_states": 5_212, "depth": 16});
    assert_eq!(report["tlc"], tlc);
    for number in ["generated_states", "unique_states", "depth"] {
        assert_eq!(report[number], tlc[number], "{number}");
    }
    assert_eq!(report["outcome"], "holds, and TLC counts as many");
    assert_eq!(report["per_action"]["ProcessDeletionLog"], 216);
    assert!(report["properties"].as_array().unwrap().iter().all(|property| property["holds"] == true));
    assert!(report["reproduce"].as_str().unwrap().ends_with("--updates 1 --log 5 --activity append"));
}

#[test]
fn all_that_is_quick_is_counted_without_constants() {
    let output = call(&["model", "spec", "--quick"]);
    assert_eq!(code(&output), 0, "{}", out(&output));
    let said = out(&output);
    assert_eq!(said.matches("holds, and TLC counts as many").count(), 12, "{said}");
    assert!(said.contains("98612 states, 538557 generated"), "{said}");
}

#[test]
fn a_violated_invariant_is_told_step_by_step() {
    let output = call(&["model", "spec", "--updates", "2", "--no-deletions", "--numbers-from-one"]);
    let said = out(&output);
    assert_eq!(code(&output), 1, "{said}");
    for part in [
        "`ConvergenceInvariant` is violated in 9 steps",
        "  4  a's process dies",
        "--no-deletions --numbers-from-one",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_search_that_was_stopped_is_not_as_expected() {
    let output = call(&["model", "spec", "--states-max", "2000", "--replicas", "3", "--json"]);
    assert_eq!(code(&output), 1);
    let report = &json(&output)[0];
    assert_eq!(report["complete"], false);
    assert!(report["outcome"].as_str().unwrap().ends_with("there are more"));
}

#[test]
fn weaknesses_are_told_with_their_runs() {
    let said = out(&call(&["model", "spec", "--weaknesses"]));
    assert!(said.contains("5  an-edit-after-the-deletion") && said.contains("6  b edits note 1"), "{said}");
    let weaknesses = json(&call(&["model", "spec", "--weaknesses", "--json"]));
    assert_eq!(weaknesses.as_array().unwrap().len(), 9);
    assert_eq!(weaknesses[8]["steps"][1], json!({"do": "edit", "replica": 0, "note": 1}));
}

#[test]
fn what_cannot_be_counted_is_refused() {
    refused(&["model", "spec", "--replicas", "6"], "the number of replicas is 6; write a number from 1 to 5");
    refused(&["model", "spec", "--notes", "0"], "the number of notes is 0; write a number from 1 to 8");
    refused(&["model", "spec", "--updates", "9"], "the number of updates is 9; write a number from 0 to 8");
    refused(&["model", "spec", "--activity", "both"], "append");
    refused(&["model", "spec", "--quick", "--notes", "2"], "--quick");
    refused(&["model", "spec", "--weaknesses", "--quick"], "--weaknesses");
}
