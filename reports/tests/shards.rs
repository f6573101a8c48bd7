//! Shards of a swarm and of a check merge into what one run would have said.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

mod common;

use common::{call, code, err, json, out, refused, workspace};
use serde_json::Value;

/// What of a report depends on the machine that it was made on.
const TIMES: [&str; 6] =
    ["wall_s", "runs_per_s", "cpu_s", "simulated_s_per_cpu_s", "states_per_s", "bytes_per_state"];

fn forget_times(entry: &mut Value) {
    let entry = entry.as_object_mut().unwrap();
    TIMES.iter().for_each(|key| drop(entry.remove(*key)));
}

#[test]
fn shards_merge_into_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let report = |more: &[&str]| {
        let swarm = ["swarm", "--system", "failover", "--design", "published", "--profile", "icloud"];
        let seeds = ["--seeds", "0..31", "--keep-going", "--json"];
        json(&call(&[&swarm[..], &seeds, more].concat()))
    };
    let whole = report(&[]);
    for part in ["1/3", "2/3", "3/3"] {
        let file = path(&format!("{}.json", &part[..1]));
        std::fs::write(file, report(&["--shard", part]).to_string()).unwrap();
    }
    let (one, two, three, merged) = (path("1.json"), path("2.json"), path("3.json"), path("merged.json"));
    let output = call(&["merge", &one, &two, &three, "-o", &merged]);
    assert_eq!(code(&output), 1, "the published design fails: {}", err(&output));
    let mut merged: Value = serde_json::from_str(&std::fs::read_to_string(&merged).unwrap()).unwrap();
    let mut whole = whole;
    [&mut merged, &mut whole].into_iter().for_each(forget_times);
    assert_eq!(merged, whole);

    let output = path("again.json");
    refused(&["merge", &one, &one, "-o", &output], "were counted already");
    refused(&["merge", &one, &three, "-o", &output], "do not touch");
    let text = std::fs::read_to_string(&two).unwrap();
    std::fs::write(&two, text.replacen("\"commit\":\"", "\"commit\":\"x", 1)).unwrap();
    refused(&["merge", &one, &two, "-o", &output], "make all shards with one program");
    std::fs::write(&two, text.replace("icloud", "dropbox")).unwrap();
    refused(&["merge", &one, &two, "-o", &output], "another one");
    std::fs::write(&two, "{}").unwrap();
    refused(&["merge", &one, &two, "-o", &output], "this is not a report");
    refused(&["merge", "no/such/report.json", "-o", &output], "cannot be read");
}

/// A few scenarios, swarms and models of journals.
fn small_scenarios(dir: &std::path::Path) {
    let from = workspace().join("scenarios");
    let copy = |name: &str| {
        let to = dir.join(name);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(from.join(name), to).unwrap();
    };
    for name in [
        "journal/f02-last-line-without-its-newline-hardened.toml",
        "journal/f02-last-line-without-its-newline.toml",
        "journal/f03-events-without-a-time.toml",
        "models/journal-hardened-torn-append.toml",
        "models/journal-published-number-reused.toml",
    ] {
        copy(name);
    }
    let swarm = |profile: &str| {
        format!("[[swarm]]\ncall = {{ system = 'journal', design = 'hardened', profile = '{profile}' }}\n")
    };
    let swarms: String = ["syncthing", "dropbox", "perfect"].map(swarm).concat();
    std::fs::write(dir.join("swarms.toml"), swarms).unwrap();
}

/// What of a check's report does not depend on the machine that it was made on.
fn without_times(mut report: Value) -> Value {
    let benches = report["benches"].as_array().unwrap().len();
    report["benches"] = benches.into();
    for list in ["swarms", "models", "parts"] {
        report[list].as_array_mut().unwrap().iter_mut().for_each(forget_times);
    }
    forget_times(&mut report);
    report
}

#[test]
fn shards_of_a_check_merge_into_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let scenarios = path("scenarios");
    small_scenarios(scenarios.as_ref());
    let check = |name: &str, more: &[&str]| {
        let out = path(name);
        let quick = ["check", "--quick", "--system", "journal", "--seeds", "2", "--scenarios", &scenarios];
        let arguments: Vec<_> = quick.iter().chain(&["--out", &out]).chain(more).copied().collect();
        let output = call(&arguments);
        assert_eq!(code(&output), 0, "{}{}", crate::out(&output), err(&output));
        format!("{out}/report.json")
    };
    let read = |file: &str| serde_json::from_str::<Value>(&std::fs::read_to_string(file).unwrap()).unwrap();
    let whole = without_times(read(&check("whole", &[])));
    let count = |list: &str| whole[list].as_array().unwrap().len();
    assert_eq!([count("scenarios"), count("swarms"), count("models")], [3, 3, 2]);
    assert!(whole.get("shards").is_none());

    let shards = ["3/3", "1/3", "2/3"].map(|shard| check(&shard[..1], &["--shard", shard]));
    let [three, one, two] = &shards;
    assert_eq!(read(one)["shards"], serde_json::json!({ "of": 3, "parts": [1] }));
    let (merged, output) = (path("merged.json"), path("again.json"));
    let done = call(&["merge", three, one, two, "-o", &merged]);
    assert_eq!(code(&done), 0, "{}", err(&done));
    assert_eq!(without_times(read(&merged)), whole);
    refused(&["merge", one, two, one, "-o", &output], "shard 1/3 was counted already");
}
