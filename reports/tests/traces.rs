//! What is done with a trace or a scenario beside running it: replayed, drawn, compared, explored from, explained.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

#[allow(dead_code, reason = "other tests need the rest of it")]
mod common;

use common::{File, call, code, err, json, out, refused};
use serde_json::Value;

const FAILS: &str = "scenarios/failover/c02-zombie-leader.toml";
const SPLIT: &str = "scenarios/failover/c01-split-by-delay.toml";

#[test]
fn a_trace_replays_and_a_bad_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.jsonl");
    let trace = path.to_str().unwrap();
    assert_eq!(code(&call(&["run", FAILS, "--trace", trace])), 0);
    let run = json(&call(&["run", FAILS, "--json"]));
    let output = call(&["replay", trace, "--json"]);
    let replay = json(&output);
    assert_eq!(code(&output), 0, "{}", err(&output));
    for key in ["hash", "violations", "choices", "at_ms", "counts", "samples", "ok"] {
        assert_eq!(replay[key], run[key], "{key}");
    }
    let story = call(&["replay", trace, "--story"]);
    let told = out(&story);
    let lines: Vec<_> = told.lines().collect();
    assert!(lines[0].starts_with("0.000 s  a starts") && lines.len() > 20, "{told}");
    let violated =
        |line: &&&str| line.contains("  a wakes up. ") && line.contains(". at_most_one_active at ");
    assert_eq!(lines.iter().filter(violated).count(), 1, "{told}");
    refused(&["replay", trace, "--story", "--json"], "cannot be used with");

    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let change = |text: &str| std::fs::write(&path, text).unwrap();
    change(&lines[..lines.len() - 1].join("\n"));
    refused(&["replay", trace], &format!("run.jsonl:{}: the trace is cut off", lines.len() - 1));
    change(&text[..text.len() / 2]);
    refused(&["replay", trace], "run.jsonl:");
    change("{\"hello\":1}\n");
    refused(&["replay", trace], "run.jsonl:1: this is not a trace");
    change("");
    refused(&["replay", trace], "this is not a trace");
    change(&text.replacen("\"cloudchamber_trace\":1", "\"cloudchamber_trace\":9", 1));
    refused(&["replay", trace], "the trace is of version 9 and this program reads version 1");
    let mut twice = lines.clone();
    twice.insert(2, lines[1]);
    change(&(twice.join("\n") + "\n"));
    refused(&["replay", trace], "run.jsonl:3: the world does not allow this choice: ");
    refused(&["replay", "no/such/trace.jsonl"], "cannot be read");
}

#[test]
fn a_replay_that_ends_in_another_way_says_in_which() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.jsonl");
    let trace = path.to_str().unwrap();
    call(&["run", FAILS, "--trace", trace]);
    let text = std::fs::read_to_string(&path).unwrap();
    let end = text.find("{\"end\"").unwrap();
    let foot: Value = serde_json::from_str(&text[end..]).unwrap();
    let recorded = foot["end"]["hash"].as_str().unwrap();
    let other = "0123456789abcdef";
    std::fs::write(&path, text.replace(recorded, other)).unwrap();
    let output = call(&["replay", trace]);
    assert_eq!(code(&output), 1);
    assert!(
        out(&output).contains(&format!("the recorded hash is {other} and the replay's {recorded}")),
        "{}",
        out(&output)
    );

    let mut foot = foot;
    foot["end"]["violations"] = Value::Array(vec![]);
    std::fs::write(&path, format!("{}{foot}\n", &text[..end])).unwrap();
    let output = call(&["replay", trace]);
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("happened and was not recorded"), "{}", out(&output));
}

#[test]
fn a_timeline_is_one_page_that_needs_nothing_else_and_is_the_same_every_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (trace, page, again) = (path("run.jsonl"), path("page.html"), path("again.html"));
    let recorded = call(&["run", "scenarios/failover/c01-split-by-delay.toml", "--trace", &trace]);
    assert_eq!(code(&recorded), 0, "{}", err(&recorded));
    let drawn = call(&["timeline", &trace, "-o", &page]);
    assert_eq!(code(&drawn), 0, "{}", err(&drawn));
    assert_eq!(out(&drawn), format!("{page}: violates at_most_one_active as expected\n"));
    assert_eq!(json(&call(&["--json", "timeline", &trace, "-o", &again]))["ok"], true);
    let text = std::fs::read_to_string(&page).unwrap();
    assert_eq!(text, std::fs::read_to_string(&again).unwrap());
    assert!(!text.contains("://") && !text.contains(" src="), "the page needs nothing from elsewhere");
    assert!(text.contains("<li id=\"row-") && text.contains("class=\"violates\""));
    assert!(text.contains("b suspects a after "), "the story is there without any script");
    let run = text.split("type=\"application/json\">").nth(1).unwrap().split("</script>").next().unwrap();
    let run: Value = serde_json::from_str(run).unwrap();
    let of = |key: &str| run[key].as_array().unwrap().clone();
    assert_eq!(
        of("lanes").iter().map(|lane| lane["host"].clone()).collect::<Vec<_>>(),
        ["mac-a", "mac-b", "mac-c"]
    );
    assert_eq!(of("overlaps").len(), 1);
    assert!(of("travels").iter().any(|travel| travel["lost"].is_string() && travel["content"].is_u64()));
    // A world that does not allow a choice says where.
    let cut: Vec<_> = std::fs::read_to_string(&trace).unwrap().lines().map(str::to_owned).collect();
    let without: Vec<_> =
        cut.iter().enumerate().filter(|(at, _)| *at != 1).map(|(_, line)| &**line).collect();
    std::fs::write(&trace, without.join("\n")).unwrap();
    refused(&["timeline", &trace, "-o", &page], "run.jsonl:2: the world does not allow this choice");
}

#[test]
fn a_run_that_fails_tells_when_it_became_likely_to() {
    let told = call(&["moment", SPLIT, "--parts", "4", "--futures", "64", "--json"]);
    assert_eq!(code(&told), 0, "{told:?}");
    let report = json(&told);
    assert_eq!(report["violation"]["checker"], "at_most_one_active", "and not one that is only counted");
    let moments = report["moments"].as_array().unwrap();
    let fail = |at: usize| moments[at]["fail"].as_u64().unwrap();
    assert!(fail(0) < fail(moments.len() - 1) && fail(moments.len() - 1) == 64, "{moments:?}");
    let happened = report["jump"]["happened"].to_string();
    assert!(happened.contains("c suspects a"), "{happened}");
    let again = report["reproduce"].as_str().unwrap();
    assert!(again.ends_with("--parts 4 --futures 64"), "{again}");
    refused(&["moment", SPLIT, "--seed", "7"], "violates nothing");
    refused(&["moment", SPLIT, "--checker", "it_rains"], "`it_rains` holds in this run, which violates");
}

#[test]
fn two_traces_are_compared_by_what_was_chosen_and_what_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let [one, other] = ["2", "7"].map(|seed| {
        call(&["run", SPLIT, "--seed", seed, "--trace", &path(seed)]);
        path(seed)
    });
    let same = json(&call(&["compare", &one, &one, "--json"]));
    assert_eq!(
        (&same["settings"], &same["choices"]),
        (&Value::Array(vec![]), &serde_json::json!([null, null]))
    );
    let report = json(&call(&["compare", &one, &other, "--json"]));
    assert_eq!(report["settings"], serde_json::json!([{ "key": "seed", "values": ["2", "7"] }]));
    assert_eq!(
        report["violates"]
            .as_array()
            .unwrap()
            .iter()
            .map(|all| all.as_array().unwrap().len())
            .collect::<Vec<_>>(),
        [2, 0]
    );
    let told = report["told"][0][0]["text"].as_str().unwrap();
    assert!(report["told"][1][0]["text"].as_str().unwrap() != told, "{told}");
}

#[test]
fn a_scenario_is_explained_and_one_to_begin_with_is_written_once() {
    let told = out(&call(&["scenario", "explain", SPLIT]));
    for says in
        ["60.000 s  a's process dies", "every version takes 5.000 s", "at_most_one_active has to be violated"]
    {
        assert!(told.contains(says), "{told}");
    }
    let faults = File::new(
        "f.toml",
        "system = 'failover'\nrun_ms = 9\nreplica = [{}]\n[faults]\nsleep = { every_ms = 5000, for_ms = [1, 2] }\n",
    );
    let told = out(&call(&["scenario", "explain", faults.path()]));
    assert!(
        told.contains("sleep: every 5.000 s on average at each replica, 0.001 s to 0.002 s. Machines"),
        "{told}"
    );
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    let new = ["scenario", "new", "--system", "journal", "-o", file.to_str().unwrap()];
    assert_eq!(code(&call(&new)), 0);
    assert_eq!(code(&call(&["run", file.to_str().unwrap()])), 0);
    refused(&new, "is there already; name another file");
}

#[test]
fn what_an_exploration_finds_is_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let explore = ["explore", "--system", "failover", "--design", "published", "--profile", "syncthing"];
    let here = ["--replicas", "3", "--runs", "40", "-o", dir.path().to_str().unwrap()];
    let said = call(&[&explore[..], &here, &["--json"]].concat());
    assert_eq!(code(&said), 1);
    let report = json(&said);
    assert_eq!((&report["runs"], report["held"].as_bool()), (&Value::from(40), None));
    assert!(report["branched"].as_u64().unwrap() > 10 && report["marks"].as_object().unwrap().len() > 5);
    let broken = report["broken"].as_array().unwrap();
    for broken in broken {
        let replayed = call(&["replay", broken["trace"].as_str().unwrap()]);
        let checker = broken["checker"].as_str().unwrap();
        assert!(out(&replayed).contains(checker), "{checker}: {}", out(&replayed));
    }
    assert!(broken.iter().any(|broken| broken["turns"].as_u64().unwrap() > 0), "{broken:?}");
    let told = out(&call(&[&explore[..], &here].concat()));
    assert!(told.contains("again: ") && told.contains("40 runs, "), "{told}");
}
