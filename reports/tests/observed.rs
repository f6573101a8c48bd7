//! Observed histories under the command, as a person meets them.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

mod common;

use common::{File, call, code, err, json, out, refused, workspace};

const ONE: &str = "sim/live/tests/data/observed/syncthing-one.jsonl";
const TWO: &str = "sim/live/tests/data/observed/syncthing-two.jsonl";

fn two() -> String {
    std::fs::read_to_string(workspace().join(TWO)).unwrap()
}

#[test]
fn what_a_real_client_did_is_allowed_and_told() {
    let output =
        call(&["replay", "--observed", ONE, TWO, "--profile", "syncthing", "--clock-error", "500ms"]);
    assert_eq!(code(&output), 0, "{}{}", out(&output), err(&output));
    let said = out(&output);
    assert!(
        said.starts_with("ok    one, two: the folder model allows this with profile `syncthing`\n"),
        "{said}"
    );
    for part in ["syncthing-two.jsonl: two, Syncthing 1.19.2", "conflict copies", "to explain it: gap\n"] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert!(said.lines().all(|line| line.chars().count() <= 100), "{said}");
    let output = call(&["--json", "replay", "--observed", ONE, TWO]);
    let report = json(&output);
    assert_eq!((code(&output), &report["ok"], &report["any_hazard"]), (0, &true.into(), &true.into()));
    assert_eq!((&report["profile"], &report["hazards"]), (&"syncthing".into(), &serde_json::json!(["gap"])));
    assert!(
        report["counts"]["conflict_copies"].as_u64() > Some(1) && report["refused"].is_null(),
        "{report:#}"
    );
}

#[test]
fn the_first_line_that_no_run_explains_is_named_with_what_is_allowed() {
    let text = two();
    let line = 1 + text.lines().position(|line| line.contains("version 4 by one")).unwrap();
    let file = File::new("two.jsonl", &text.replacen("version 4 by one", "version 4 by two", 1));
    let output = call(&["replay", "--observed", ONE, file.path(), "--profile", "syncthing"]);
    assert_eq!(code(&output), 0, "the client's temporary file is nobody's: {}", out(&output));
    let text = text.replace("version 4 by one", "version 4 by two");
    let file = File::new("two.jsonl", &text);
    let output = call(&["--json", "replay", "--observed", ONE, file.path(), "--profile", "syncthing"]);
    assert_eq!(code(&output), 1, "{}{}", out(&output), err(&output));
    let refusal = &json(&output)["refused"];
    assert_eq!((&refusal["file"], &refusal["path"]), (&file.path().into(), &"one/note.txt".into()));
    assert!(refusal["line"].as_u64().unwrap() > line as u64, "{refusal:#}");
    assert!(
        refusal["allowed"][0].is_string()
            && refusal["why"].as_str().unwrap().contains("nobody has written it")
    );
    let output = call(&["replay", "--observed", ONE, file.path(), "--profile", "syncthing"]);
    assert!(out(&output).starts_with("FAIL  one, two: the folder model does not allow"), "{}", out(&output));
    // No provider's rules without a gap allow it.
    let output = call(&["replay", "--observed", ONE, TWO, "--profile", "perfect"]);
    assert_eq!(code(&output), 1, "{}", out(&output));
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    let mut lines: Vec<String> = two().lines().map(str::to_owned).collect();
    lines[3] = "{\"ms\":".into();
    let file = File::new("two.jsonl", &lines.join("\n"));
    refused(&["replay", "--observed", ONE, file.path()], "two.jsonl:4: ");
    refused(&["replay", "--observed", ONE, "Cargo.toml"], "Cargo.toml:1: this is no observed history");
    refused(&["replay", "--observed", ONE, "nowhere.jsonl"], "nowhere.jsonl: cannot be read");
    refused(&["replay", "--observed", ONE, ONE], "it is of replica one, and so is");
    refused(&["replay", "--observed", ONE, TWO, "--profile", "syncthin"], "did you mean `syncthing`?");
    refused(&["replay", "--observed", ONE, "--clock-error", "2"], "write a number and a unit");
    refused(&["replay", "--profile", "git", "trace.jsonl"], "cannot be used with");
    refused(&["replay"], "required");
}
