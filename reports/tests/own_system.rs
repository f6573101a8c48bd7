//! A system that nothing in cloudchamber knows of goes through everything that the command does.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

const SCENARIOS: &str = "reports/examples/tally/scenarios";
const CHECKER: &str = "every_addition_counts";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

/// The example's command. `cargo test` builds it along; where only this test was asked for, it is built here.
fn tally() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let deps = std::env::current_exe().unwrap();
        let profile = deps.parent().unwrap().parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(workspace()).args(["build", "--quiet", "--offline", "--example", "tally"]);
        cargo.args(["--package", "cloudchamber-reports", "--target-dir"]).arg(profile.parent().unwrap());
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the example is not built");
        profile.join("examples/tally")
    })
}

fn call(arguments: &[&str]) -> Output {
    Command::new(tally()).current_dir(workspace()).env("NO_COLOR", "1").args(arguments).output().unwrap()
}

/// What a command prints, which ends with a code.
#[track_caller]
fn out(arguments: &[&str], code: i32) -> String {
    let output = call(arguments);
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}\n{err}");
    out
}

#[track_caller]
fn json(arguments: &[&str], code: i32) -> Value {
    let arguments: Vec<_> = arguments.iter().chain(&["--json"]).copied().collect();
    serde_json::from_str(&out(&arguments, code)).unwrap()
}

/// Calls again as a report says.
#[track_caller]
fn again(command: &Value, code: i32) -> Value {
    let words = command.as_str().unwrap().strip_prefix("cargo run --release --example tally -- ").unwrap();
    json(&words.split(' ').collect::<Vec<_>>(), code)
}

fn violates(report: &Value) -> bool {
    report["violations"].as_array().unwrap().iter().any(|violation| violation["checker"] == CHECKER)
}

#[test]
fn its_scenarios_run_replay_shrink_and_are_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (trace, small, page) = (path("run.jsonl"), path("small.jsonl"), path("page.html"));
    let file = format!("{SCENARIOS}/tally/two-add-at-once.toml");
    let run = json(&["run", &file, "--trace", &trace], 0);
    assert!(violates(&run) && run["system"] == "tally", "{run:#}");
    assert!(violates(&again(&run["reproduce"], 0)));
    out(&["run", &format!("{SCENARIOS}/tally/two-add-at-once-hardened.toml")], 0);

    let replay = json(&["replay", &trace], 0);
    assert_eq!((replay.get("differs"), &replay["hash"]), (None, &run["hash"]));

    let shrunk = json(&["shrink", &trace, "-o", &small], 0);
    assert!(shrunk["after"]["choices"].as_u64() < shrunk["before"]["choices"].as_u64(), "{shrunk:#}");
    assert_eq!(shrunk["after"]["faults"], serde_json::json!({}), "the sleep had nothing to do with it");
    assert!(violates(&again(&shrunk["reproduce"], 0)));
    let story = out(&["replay", &small, "--story"], 0);
    assert!(story.contains("somebody asks a: add") && story.contains("counts 1"), "{story}");

    out(&["timeline", &trace, "-o", &page], 0);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("\"replica\":\"b\"") && page.contains("counts/all"), "{page}");
    assert!(!page.contains("\"standing\":\"prominent\""), "nobody stands out in this system");
}

#[test]
fn its_swarms_find_the_fault_of_one_design_and_none_of_the_other() {
    let swarm = |design: &'static str| ["swarm", "--system", "tally", "--design", design, "--seeds", "0..40"];
    let found = json(&swarm("published"), 1);
    let verdict = found["verdicts"].as_array().unwrap().iter().find(|verdict| verdict["checker"] == CHECKER);
    let verdict = verdict.unwrap();
    let repeated = again(&verdict["reproduce"], 1);
    assert_eq!(repeated["verdicts"][0]["first"], verdict["first"]);
    let held = json(&swarm("hardened"), 0);
    assert_eq!(held["seeds"]["run"], 40);
    assert!(held["verdicts"].as_array().unwrap().iter().all(|verdict| verdict["violated"] == 0), "{held:#}");
    assert_eq!(held["determinism"]["mismatches"], 0);
    assert!(!out(&swarm("hardened"), 0).contains("active"), "another system's words");
}

#[test]
fn its_models_show_the_shortest_way_to_the_fault() {
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("found.jsonl").display().to_string();
    let model = |name: &str| format!("{SCENARIOS}/models/{name}.toml");
    let published = model("published-lost-addition");
    let report = json(&["model", "check", "tally", "--bounds", &published, "--export", &trace], 0);
    let (report, property) = (&report[0], &report[0]["properties"][0]);
    assert_eq!((&property["name"], &property["holds"]), (&CHECKER.into(), &false.into()), "{report:#}");
    let replay = json(&["replay", &trace], 1);
    assert!(violates(&replay) && replay.get("differs").is_none(), "{replay:#}");
    let held = json(&["model", "check", "tally", "--bounds", &model("hardened-every-addition-counts")], 0);
    assert_eq!(
        (&held[0]["complete"], &held[0]["properties"][0]["holds"]),
        (&true.into(), &true.into()),
        "{held:#}"
    );
}

#[test]
fn a_check_reports_it_beside_the_built_in_systems() {
    let dir = tempfile::tempdir().unwrap();
    let out_dir = dir.path().display().to_string();
    let arguments = ["check", "--quick", "--system", "tally", "--scenarios", SCENARIOS, "--out", &out_dir];
    let report = json(&arguments, 0);
    let count = |list: &str| report[list].as_array().unwrap().len();
    assert_eq!((count("scenarios"), count("swarms"), count("models"), count("benches")), (2, 2, 2, 0));
    let page = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(page.contains("tally published icloud") && page.contains("every addition counts"), "{page}");
    assert!(dir.path().join("traces/tally/two-add-at-once.html").is_file());

    out(&["run", "scenarios/failover/automatic-failover.toml"], 0);
    let refused = call(&["check", "--system", "telepathy"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("[possible values: failover, journal, tally]"), "{said}");
}
