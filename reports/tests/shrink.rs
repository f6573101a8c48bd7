//! `shrink` as users and scripts meet it.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

mod common;

use std::path::Path;

use common::{call, code, err, json, out, refused, whole, workspace};
use serde_json::Value;

const FAILS: &str = "scenarios/failover/c02-zombie-leader.toml";

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_trace_shrinks_beside_itself_and_tells_its_story() {
    let dir = tempfile::tempdir().unwrap();
    let (trace, small) = (dir.path().join("run.jsonl"), dir.path().join("run.shrunk.jsonl"));
    assert_eq!(code(&call(&["run", FAILS, "--trace", text(&trace)])), 0);
    let recorded = std::fs::read(&trace).unwrap();
    let output = call(&["shrink", text(&trace)]);
    let said = out(&output);
    assert_eq!((code(&output), err(&output)), (0, String::new()), "{said}");
    assert!(said.contains("at_most_one_active at 600.000 s") && said.contains("machine slept  1"), "{said}");
    let again = format!("again: cargo run --release --bin cloudchamber -- replay {} --story", text(&small));
    assert!(whole(&said).contains(&again), "{said}");
    assert_eq!(std::fs::read(&trace).unwrap(), recorded, "the trace itself stays as it is");

    let story = call(&["replay", text(&small), "--story"]);
    assert_eq!(code(&story), 0, "the scenario expects this violation: {}", out(&story));
    let told = out(&story).replace(text(&small), "run.shrunk.jsonl");
    let told: Vec<_> = told.lines().take_while(|line| line.contains(" s  ")).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    0.000 s  a starts
    0.013 s  a has written its heartbeat to devices/mac-a:-home-me-a.json, finds nobody named as the active one, will claim in 4.5 s unless it hears of somebody
    1.500 s  a's client sends state.json
    3.000 s  state.json reaches b
    30.000 s  b starts
    30.011 s  b has written its heartbeat to devices/mac-b:-home-me-b.json, finds nobody named as the active one, will claim in 4.7 s unless it hears of somebody
    32.755 s  a writes state.json, claims to be the active one
    33.877 s  a becomes active: it reads its own claim back, so it takes it for won
    60.000 s  a falls asleep
    63.705 s  b writes state.json, claims to be the active one
    597.740 s  b becomes active: it reads its own claim back, so it takes it for won
    600.000 s  a wakes up. a_healthy_active_keeps_its_place at 600.000 s (replicas b, a): a healthy active one keeps its place, but a took over from b, what a wrote to state.json has not left its machine, so b has not seen it. at_most_one_active at 600.000 s (replicas a, b): at most one replica is active, but a became active beside b: what a wrote to state.json has not left its machine, so b has not seen it
    ");
}

#[test]
fn a_shrunk_trace_is_reported_as_data() {
    let dir = tempfile::tempdir().unwrap();
    let (trace, small) = (dir.path().join("run.jsonl"), dir.path().join("small.jsonl"));
    call(&["run", FAILS, "--trace", text(&trace)]);
    let output = call(&["shrink", text(&trace), "-o", text(&small), "--json"]);
    let report = json(&output);
    assert_eq!((code(&output), err(&output)), (0, String::new()), "{report:#}");
    assert_eq!(report["checker"], "at_most_one_active");
    assert_eq!((&report["rule"], &report["spent"]), (&"anything".into(), &false.into()));
    assert_eq!(report["before"]["faults"], serde_json::json!({ "machine slept": 1, "network lost": 1 }));
    assert_eq!(report["after"]["faults"], serde_json::json!({ "machine slept": 1 }));
    assert_eq!(report["after"]["replicas"], serde_json::json!(["a", "b"]));
    assert_eq!(report["output"], text(&small));
    let replay = json(&call(&["replay", text(&small), "--json"]));
    assert_eq!(replay.get("differs"), None, "{replay:#}");
    assert_eq!(replay["choices"], report["after"]["choices"]);
    assert!(replay["violations"].as_array().unwrap().contains(&report["violation"]), "{replay:#}");

    // Once more, with nothing left to leave out.
    let again = json(&call(&["shrink", text(&small), "--json"]));
    assert_eq!((&again["before"], &again["after"]), (&report["after"], &report["after"]));
    let said = out(&call(&["shrink", text(&small)]));
    assert!(said.contains("it was minimal already"), "{said}");
    let said = out(&call(&["shrink", text(&trace), "-o", text(&small), "--replays", "3"]));
    assert!(said.contains("ended after 3 replays, and more might go; allow more with --replays"), "{said}");
}

#[test]
fn a_counterexample_of_a_model_does_not_get_longer() {
    let dir = tempfile::tempdir().unwrap();
    let (trace, small) = (dir.path().join("found.jsonl"), dir.path().join("small.jsonl"));
    let export = |system: &str, model: &str| {
        let model = format!("scenarios/models/{model}");
        let output = call(&["model", "check", system, "--bounds", &model, "--export", text(&trace)]);
        assert_eq!(code(&output), 0, "{}", err(&output));
    };
    // What is due cannot be shrunk without new runs.
    export("notes", "notes-published-edit-not-told.toml");
    refused(&["shrink", text(&trace), "-o", text(&small)], "asks for something that is due");
    assert!(!small.exists());
    for (system, model) in
        [("failover", "published-first-claim.toml"), ("journal", "journal-published-removal-undone.toml")]
    {
        export(system, model);
        let output = call(&["shrink", text(&trace), "-o", text(&small), "--json"]);
        assert_eq!((code(&output), err(&output)), (0, String::new()), "{system}");
        let report = json(&output);
        let size = |which: &str| report[which]["choices"].as_u64().unwrap();
        assert!(size("after") > 5 && size("after") <= size("before"), "{report:#}");
        assert_eq!(report["new_runs"], false);
        let replay = json(&call(&["replay", text(&small), "--json"]));
        assert_eq!(replay.get("differs"), None, "{replay:#}");
    }
}

#[test]
fn what_cannot_be_shrunk_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("run.jsonl");
    let file = text(&trace);
    let holds = "scenarios/failover/c02-zombie-leader-hardened-majority.toml";
    call(&["run", holds, "--trace", file]);
    refused(&["shrink", file], "run.jsonl: nothing is violated in this trace");
    assert!(!dir.path().join("run.shrunk.jsonl").exists());
    refused(&["shrink", "no/such/trace.jsonl"], "no/such/trace.jsonl: cannot be read");
    refused(&["shrink", &workspace().join(FAILS).display().to_string()], "this is not a trace");

    call(&["run", FAILS, "--trace", file]);
    refused(&["shrink", file, "-o", file], "run.jsonl: is the trace itself, which stays as it is");
    refused(&["shrink", file, "--checker", "it_rains"], "there is no checker `it_rains`; there are at_most");
    refused(
        &["shrink", file, "--checker", "every_update_is_handled"],
        "`every_update_is_handled` is not violated in this trace; name one of a_healthy_active_keeps_its_place",
    );
    refused(&["shrink", file, "--replays", "0"], "--replays");

    let recorded = std::fs::read_to_string(&trace).unwrap();
    let mut lines: Vec<_> = recorded.lines().collect();
    lines.insert(2, lines[1]);
    std::fs::write(&trace, lines.join("\n") + "\n").unwrap();
    refused(&["shrink", file], "run.jsonl: the world does not allow choice 2 of this trace: ");
    std::fs::write(&trace, &recorded[..recorded.len() / 2]).unwrap();
    refused(&["shrink", file], "run.jsonl:");
}

#[test]
fn what_a_swarm_found_shrinks_to_a_few_steps() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("first.jsonl");
    let swarm =
        ["swarm", "--system", "failover", "--design", "published", "--profile", "icloud", "--seeds", "7..8"];
    let output = call(&[&swarm[..], &["--trace", text(&trace)]].concat());
    assert_eq!(code(&output), 1);
    let report = json(&call(&["shrink", text(&trace), "--json"]));
    let size = |which: &str| &report[which];
    assert!(size("before")["choices"].as_u64().unwrap() > 1_000, "{report:#}");
    assert!(size("after")["choices"].as_u64().unwrap() < 20, "{report:#}");
    assert_eq!(size("after")["faults"], Value::Object(serde_json::Map::new()));
    assert_eq!(size("after")["replicas"].as_array().unwrap().len(), 2);
}
