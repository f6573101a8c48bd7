//! The command as users and scripts meet it.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

mod common;
#[path = "common/schema.rs"]
mod schema;

use assert_cmd::Command;
use common::{File, call, code, err, json, out, refused, whole, workspace};
use serde_json::Value;

const SWARM: [&str; 7] = ["swarm", "--system", "failover", "--design", "published", "--profile", "icloud"];

fn swarm<'a>(more: &[&'a str]) -> Vec<&'a str> {
    SWARM.iter().chain(more).copied().collect()
}

const HOLDS: &str = "scenarios/failover/automatic-failover.toml";
const FAILS: &str = "scenarios/failover/c02-zombie-leader.toml";

#[test]
fn every_level_helps_with_an_example() {
    for subcommand in [
        "bench failover",
        "bench journal",
        "check",
        "claims",
        "live",
        "live ctl",
        "merge",
        "model check",
        "model explore",
        "model spec",
        "replay",
        "run",
        "shrink",
        "swarm",
        "compare",
        "moment",
        "scenario explain",
        "scenario new",
        "timeline",
    ] {
        let arguments: Vec<_> = subcommand.split(' ').chain(["--help"]).collect();
        let output = call(&arguments);
        assert_eq!(code(&output), 0, "{subcommand}");
        assert!(out(&output).contains(&format!("Example: cloudchamber {subcommand}")), "{}", out(&output));
    }
    assert!(out(&call(&["--help"])).contains("Exit status"));
}

#[test]
fn what_is_not_there_says_so() {
    refused(
        &["model", "check", "telepathy"],
        "invalid value 'telepathy' for '<SYSTEM>' [possible values: failover, journal, delta, notes]",
    );
    refused(&["model", "check", "journal", "--policy", "majority"], "there is no such model of `journal`");
    refused(
        &["bench", "failover", "--profile", "icloudy"],
        "there is no profile `icloudy`; did you mean `icloud`? There are icloud",
    );
    refused(&["bench", "journal", "--events", "10"], "write a number of events from 1000 to 20000000");
    refused(
        &["bench", "failover", "--design", "published", "--policy", "majority"],
        "the published design has no policies",
    );
    refused(&["swarm", "--system", "telepathy", "--design", "published"], "invalid value 'telepathy'");
    refused(&["swarm", "--system", "journal", "--policy", "majority"], "`journal` has no policies");
    refused(
        &["swarm", "--system", "failover", "--policy", "quorum"],
        "the hardened design has no policy `quorum`; there are available and majority",
    );
    refused(&swarm(&["--policy", "majority"]), "the published design has no policies");
    refused(&["check", "--system", "telepathy"], "invalid value 'telepathy'");
}

#[test]
fn a_model_of_another_system_is_refused() {
    let (failover, journal) = (
        "scenarios/models/published-first-claim.toml",
        "scenarios/models/journal-published-torn-append.toml",
    );
    for (asked, file, found) in [("journal", failover, "failover"), ("failover", journal, "journal")] {
        let says = format!(
            "{file}: it is a model of `{found}`, not of `{asked}`; ask for `{found}`, or name a model"
        );
        refused(&["model", "check", asked, "--bounds", file], &says);
        refused(&["model", "explore", asked, "--bounds", file, "--port", "0"], &says);
    }
}

#[test]
fn usage_is_refused_in_one_line() {
    refused(&["swarm"], "--system");
    refused(&["frobnicate"], "frobnicate");
    refused(&[], "subcommand");
    refused(&swarm(&["--seeds", "7..3"]), "0..1000");
    refused(&swarm(&["--shard", "0/4"]), "2/4");
    refused(&swarm(&["--jobs", "0"]), "number of jobs");
    refused(&swarm(&["--fault", "sleep"]), "sleep=off");
    refused(&swarm(&["--fault", "ghosts=on"]), "there is no fault `ghosts`; there are all, ambush");
    refused(
        &["swarm", "--system", "failover", "--design", "published", "--profile", "icloudy"],
        "there is no profile `icloudy`; did you mean `icloud`? There are icloud",
    );
}

#[test]
fn bad_scenarios_are_named_with_their_line() {
    let good = std::fs::read_to_string(workspace().join(HOLDS)).unwrap();
    let refuse = |text: &str, says: &str| {
        let file = File::new("bad.toml", text);
        refused(&["run", file.path()], says);
    };
    refused(&["run", "no/such/file.toml"], "no/such/file.toml: cannot be read");
    refused(&["run", "scenarios"], "scenarios: cannot be read");
    refuse("", "bad.toml: the file is empty");
    refuse("system = [", "bad.toml:1: ");
    refuse(&format!("colour = 3\n{good}"), "bad.toml:1: unknown field `colour`");
    refuse(&good.replace("run_ms = ", "run_ms = true #"), "invalid type: boolean");
    refuse("system = 'failover'\nrun_ms = 0\nreplica = [{}]\n", "bad.toml:2: run_ms + settle_ms");
    refuse(
        "system = 'failover'\nprofile = 'icloudy'\nrun_ms = 5\nreplica = [{}]\n",
        "bad.toml:2: there is no profile `icloudy`",
    );
    refuse(
        "system = 'telepathy'\nrun_ms = 5\nreplica = [{}]\n",
        "there is no system `telepathy`; there are failover, journal, delta, notes",
    );
}

#[test]
fn a_run_says_how_it_came_out() {
    let output = call(&["run", HOLDS]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert!(out(&output).starts_with("ok  ") && !out(&output).contains('\u{1b}'), "{}", out(&output));
    assert_eq!(err(&output), "");
    let output = call(&["run", FAILS, "--json"]);
    let report = json(&output);
    assert_eq!(
        (code(&output), &report["ok"]),
        (0, &Value::Bool(true)),
        "an expected violation is as expected"
    );
    let violations = report["violations"].as_array().unwrap();
    assert!(violations.iter().any(|violation| violation["checker"] == "at_most_one_active"), "{report:#}");
    let output = call(&["run", FAILS, "--json", "--seed", "77"]);
    assert_eq!(json(&output)["seed"], 77);
}

#[test]
fn a_missed_expectation_prints_the_command_that_repeats_it() {
    let text = std::fs::read_to_string(workspace().join(FAILS)).unwrap();
    let expect = text.find("[expect]").unwrap();
    let file = File::new("unexpected.toml", &text[..expect]);
    let output = call(&["run", file.path(), "--seed", "1"]);
    let said = out(&output);
    assert_eq!(code(&output), 1, "{said}");
    assert!(
        whole(&said).contains(&format!(
            "again: cargo run --release --bin cloudchamber -- run {} --seed 1",
            file.path()
        )),
        "{said}"
    );
    let said = whole(&said);
    assert!(said.contains("at_most_one_active at ") && said.contains(", but "), "{said}");
}

#[test]
fn a_swarm_stops_at_its_first_failure_and_repeats_it_at_the_same_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("first.jsonl");
    let output = call(&swarm(&[
        "--seeds",
        "0..40",
        "--json",
        "--fault",
        "sleep=off",
        "--trace",
        path.to_str().unwrap(),
    ]));
    assert_eq!(code(&output), 1);
    let report = json(&output);
    let failed: Vec<_> = report["verdicts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|verdict| verdict["first"].is_object())
        .collect();
    let first = failed[0];
    let command = first["reproduce"].as_str().unwrap();
    let arguments = command.strip_prefix("cargo run --release --bin cloudchamber -- ").unwrap();
    assert!(arguments.contains("--fault sleep=off"), "{arguments}");
    let arguments: Vec<_> = arguments.split(' ').chain(["--json"]).collect();
    let again = json(&call(&arguments));
    let verdicts = again["verdicts"].as_array().unwrap();
    let same = verdicts.iter().find(|verdict| verdict["checker"] == first["checker"]).unwrap();
    assert_eq!(same["first"], first["first"]);

    let replay = call(&["replay", path.to_str().unwrap(), "--json"]);
    assert_eq!(code(&replay), 1, "a drawn scenario has to hold, and this one does not");
    assert!(json(&replay)["violations"].as_array().unwrap().contains(&first["first"]));
}

#[test]
fn a_swarm_of_a_perfect_folder_holds() {
    let arguments = [
        "swarm",
        "--system",
        "failover",
        "--design",
        "published",
        "--profile",
        "perfect",
        "--seeds",
        "0..30",
        "--json",
    ];
    let output = call(&arguments);
    let report = json(&output);
    assert_eq!(code(&output), 0, "{report:#}");
    assert_eq!(report["seeds"], serde_json::json!({ "from": 0, "to": 30, "run": 30, "failed": 0 }));
    assert_eq!(report["determinism"], serde_json::json!({ "checked": 2, "mismatches": 0 }));
    for key in [
        "system",
        "design",
        "policy",
        "profile",
        "commit",
        "simulated_s",
        "wall_s",
        "runs_per_s",
        "cpu_s",
        "simulated_s_per_cpu_s",
        "convergence",
    ] {
        assert!(report.get(key).is_some(), "{key}");
    }
}

#[test]
fn a_check_leaves_a_report_and_the_traces_it_speaks_of() {
    let dir = tempfile::tempdir().unwrap();
    let output = call(&["check", "--quick", "--seeds", "2", "--out", dir.path().to_str().unwrap(), "--json"]);
    let report = json(&output);
    assert_eq!(code(&output), 0, "{:#}", report["scenarios"]);
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&read("report.json")).unwrap(), report);
    assert_eq!(report["ok"], true);
    let form = std::fs::read_to_string(workspace().join("reports/report.schema.json")).unwrap();
    let form: Value = serde_json::from_str(&form).unwrap();
    assert_eq!(schema::differences(&form, &report), [""; 0]);
    let mut other = report.clone();
    (other["scenarios"][0]["seed"], other["swarms"][0]["verdicts"][0]["mood"]) = ("7".into(), 7.into());
    other.as_object_mut().unwrap().remove("models");
    assert_eq!(schema::differences(&form, &other).len(), 3, "a report of another form is told");
    let models = report["models"].as_array().unwrap();
    assert!(models.iter().any(|model| model["properties"][0]["holds"] == false), "{models:?}");
    let (failover, journals) = (&report["benches"][0]["failover"], &report["benches"][1]["journal"]);
    assert_eq!(failover["documents"].as_array().unwrap().len(), 9);
    assert_eq!(failover["times"]["cells"].as_array().unwrap().len(), 6);
    assert_eq!(failover["success"]["cells"].as_array().unwrap().len(), 12);
    assert!(report["syncthing"].as_array().unwrap().len() > 10);
    assert_eq!(journals["events"], 40_000);
    let lists = [&report["scenarios"], &report["regressions"]];
    let runs: Vec<_> = lists.iter().flat_map(|list| list.as_array().unwrap()).collect();
    assert!(runs.len() > 20);
    for run in &runs {
        assert_eq!(run["trace"].is_string(), !run["violations"].as_array().unwrap().is_empty(), "{run}");
    }
    let traces = runs.iter().filter_map(|run| run["trace"].as_str());
    for trace in traces {
        assert!(read(trace).ends_with("}\n"), "{trace}");
    }
    let page = read("report.html");
    let links: Vec<_> = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    let files = links.iter().filter(|link| !link.starts_with('#'));
    assert!(files.clone().any(|file| file.ends_with("c01-split-by-delay.html")), "{links:?}");
    for file in files {
        assert!(dir.path().join(file).is_file(), "{file} is spoken of and not there");
    }
    assert!(page.contains("automatic-failover.toml") && page.contains("failover success 95 %"), "{page}");
    assert!(!page.contains(" src=") && !page.contains("<link"), "the page needs nothing else");
}

#[test]
fn failover_times_stand_beside_their_bound() {
    let dir = tempfile::tempdir().unwrap();
    let out_dir = dir.path().to_str().unwrap();
    let arguments =
        ["bench", "failover", "--profile", "syncthing", "--seeds", "2", "--json", "--out", out_dir];
    let output = call(&arguments);
    let report = json(&output);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let cells = report["cells"].as_array().unwrap();
    let designs: Vec<_> = cells.iter().map(|cell| (&cell["design"], &cell["policy"])).collect();
    assert_eq!(designs.len(), 3, "{designs:?}");
    for cell in cells {
        assert!(cell["quiet"]["writes_per_replica_hour"].as_f64().unwrap() > 50.0, "{cell:#}");
        for event in cell["events"].as_array().unwrap() {
            let samples = event["agreed"]["samples"].as_u64().unwrap() + event["unsettled"].as_u64().unwrap();
            assert_eq!(samples, 2, "{event:#}");
            assert!(event["bound_ms"].as_u64().unwrap() > 5_000, "{event:#}");
        }
    }
    assert_eq!(report["curves"][0]["profile"], "syncthing");
    assert!(
        report["curves"][0]["points"].as_array().unwrap().len() > 6,
        "{:#}",
        report["curves"][0]["refused"]
    );
    let page = std::fs::read_to_string(dir.path().join("bench.html")).unwrap();
    assert!(page.contains("<h3>crash</h3>") && page.contains("circle"), "{page}");
}

#[test]
fn entities_and_notes_are_measured_beside_what_others_take() {
    let dir = tempfile::tempdir().unwrap();
    let out_dir = dir.path().to_str().unwrap();
    for (what, rows, others) in [
        ("delta", 20, ["automerge maps", "yrs maps"]),
        ("notes", 10, ["yrs alone, in one transaction", "yrs alone"]),
    ] {
        let output = call(&["bench", what, "--quick", "--json", "--out", out_dir]);
        let report = json(&output);
        assert_eq!(code(&output), 0, "{}", err(&output));
        let all = report["rows"].as_array().unwrap();
        assert_eq!(all.len(), rows, "{report:#}");
        for other in others {
            let of_others = all.iter().filter(|row| row["by"] == other);
            assert!(of_others.clone().next().is_some(), "{other} is not measured: {report:#}");
            for row in of_others {
                assert!(row["of_ours"].as_f64().is_some() && row["cpu_us"].as_u64().unwrap() > 0, "{row:#}");
            }
        }
        assert_eq!(all.iter().filter(|row| !row["is_met"].is_null()).count(), 1, "{report:#}");
        let page = std::fs::read_to_string(dir.path().join(format!("bench-{what}.html"))).unwrap();
        assert!(page.contains(others[0]) && page.contains("aim: "), "{page}");
    }
    let text = out(&call(&["bench", "delta", "--quick"]));
    assert!(text.starts_with("Entities: ") && text.contains("split-lite"), "{text}");
}

#[test]
fn journals_are_measured_beside_their_aims_and_sqlite_alone() {
    let dir = tempfile::tempdir().unwrap();
    let out_dir = dir.path().to_str().unwrap();
    let output =
        call(&["bench", "journal", "--events", "4000", "--machines", "3", "--json", "--out", out_dir]);
    let report = json(&output);
    assert_eq!(code(&output), 0, "{}", err(&output));
    assert_eq!((&report["events"], &report["machines"]), (&4_000.into(), &3.into()));
    let stages = report["stages"].as_array().unwrap();
    let aims: Vec<_> = stages
        .iter()
        .map(|stage| {
            assert!(stage["events_per_cpu_s"].as_u64().unwrap() > 0, "{stage:#}");
            (stage["name"].as_str().unwrap(), stage["aim"].to_string())
        })
        .collect();
    let [none, read, rebuilt, updated] =
        ["null", r#"{"events_per_cpu_s":1000000}"#, r#"{"events_per_cpu_s":300000}"#, r#"{"wall_ms":50}"#]
            .map(str::to_owned);
    assert_eq!(
        aims,
        [
            ("read the lines", none.clone()),
            ("merge", none.clone()),
            ("read and merge", read),
            ("whole rebuild into SQLite", rebuilt),
            ("whole rebuild over an older view", none.clone()),
            ("SQLite alone, without folding", none.clone()),
            ("update, new events of one machine", updated),
            ("update, new events of every machine", none),
        ]
    );
    let page = std::fs::read_to_string(dir.path().join("bench-journal.html")).unwrap();
    assert!(page.contains(">merge</td>"), "{page}");
    let text = out(&call(&["bench", "journal", "--events", "1000"]));
    assert!(text.starts_with("Journals: 1000 events of 8 machines") && text.contains("50 ms"), "{text}");
}

#[test]
fn claims_stand_beside_what_was_measured() {
    let dir = tempfile::tempdir().unwrap();
    let out_dir = dir.path().to_str().unwrap();
    let claims = |system: &str| {
        let arguments =
            ["claims", "--system", system, "--profile", "syncthing", "--seeds", "2", "--out", out_dir];
        let output = call(&arguments);
        assert_eq!(code(&output), 0, "{}", err(&output));
        out(&output)
    };
    for (system, texts) in [
        ("failover", ["failover success: the documents say 70 %", "  measured: of all crashes", "majority"]),
        ("delta", ["orphaned, but harmless", "of 2", "one whole main.json"]),
        ("notes", ["no multi-writer conflicts", "of 2", "ignored until fully synced"]),
    ] {
        let said = claims(system);
        for text in texts {
            assert!(said.contains(text), "{text}: {said}");
        }
        // One file that is written whole knows no look that finds nothing.
        let mut measured = said.lines().filter(|line| !line.contains("one whole main.json"));
        assert!(measured.all(|line| !line.contains(" - ")), "everything was measured: {said}");
    }
}

#[test]
fn a_counterexample_of_a_model_is_replayed_step_by_step() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("found.jsonl");
    let trace = path.to_str().unwrap();
    let model = "scenarios/models/published-first-claim.toml";
    let output = call(&["model", "check", "failover", "--bounds", model, "--export", trace, "--json"]);
    let report = json(&output);
    assert_eq!(code(&output), 0, "an expected violation is as expected: {report:#}");
    let (model, property) = (&report[0], &report[0]["properties"][0]);
    assert_eq!((&property["name"], &property["holds"]), (&"at_most_one_active".into(), &false.into()));
    assert!(model["unique_states"].as_u64() < model["generated_states"].as_u64(), "{model:#}");
    let story = model["story"].as_array().unwrap();
    assert!(story[0].as_str().unwrap().contains("starts"), "{story:#?}");
    assert!(story.last().unwrap().as_str().unwrap().contains("at_most_one_active"), "{story:#?}");

    let output = call(&["replay", trace, "--json"]);
    let replay = json(&output);
    assert_eq!(
        code(&output),
        1,
        "nothing is expected of the model's scenario, and it is violated: {replay:#}"
    );
    assert_eq!(replay.get("differs"), None, "{replay:#}");
    assert_eq!(replay["choices"].as_u64().unwrap(), story.len() as u64);
    let text = std::fs::read_to_string(&path).unwrap();
    let foot: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!((&replay["hash"], &replay["violations"]), (&foot["end"]["hash"], &foot["end"]["violations"]));
    assert!(
        replay["violations"].as_array().unwrap().iter().any(|found| found["checker"] == "at_most_one_active"),
        "{replay:#}"
    );
}

#[test]
fn settings_that_do_not_fit_together_are_refused_with_the_relation() {
    let refuse = |settings: &str, says: &str| {
        let text = format!(
            "system = 'failover'\nrun_ms = 60000\nreplica = [{{}}, {{}}, {{}}]\n[settings]\n{settings}\n"
        );
        let file = File::new("misfit.toml", &text);
        refused(&["run", file.path()], says);
    };
    // A heartbeat above the time-out.
    refuse(
        "heartbeat_ms = 95000",
        "after 90000 ms the active replica counts as gone; raise stale_ms over 106000 or shorten the heartbeat",
    );
    refuse(
        "design = 'hardened'\ncoarse = { beat = 40000 }",
        "has to cover the longest beat, propagation_ms and look_ms",
    );
    // A window that is none, or below zero.
    refuse(
        "design = 'hardened'\npropagation_ms = 0",
        "propagation_ms is 0 ms and has to cover any propagation at all",
    );
    refuse("design = 'hardened'\npropagation_ms = -1", "invalid value: integer `-1`");
    refuse("verify_ms = 90000", "a claim is verified after 90000 ms, and after 90000 ms it counts as gone");
    // A drift over the bound.
    refuse(
        "design = 'hardened'\ncoarse = { drift_ppm_max = 20000 }",
        "drift_ppm_max is 20000, and leases are not made for more than 2000 millionths",
    );
    // One voter.
    refuse(
        "design = 'hardened'\npolicy = 'majority'\nvoters = ['a']",
        "the policy majority has 1 voters and needs two at least, three to survive the loss of one",
    );
}

#[test]
fn a_check_without_scenarios_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::cargo_bin("cloudchamber").unwrap();
    let output = command.current_dir(dir.path()).args(["check", "--quick"]).output().unwrap();
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("no directory `scenarios`"), "{}", err(&output));
}
