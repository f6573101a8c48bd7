//! A system that nothing in cloudchamber knows of goes through everything that the command does.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

/// A program with a system of its own.
struct Own {
    /// Its example's name, and the system's.
    name: &'static str,
    /// What the published design violates.
    checker: &'static str,
    /// The scenario in which it does; another of this name with `-hardened` holds.
    scenario: &'static str,
    /// What the story of that run says.
    told: [&'static str; 2],
    /// The models: one with a counterexample, one that holds.
    models: [&'static str; 2],
    /// How many swarms a check has.
    swarms: usize,
    /// What a drawing names.
    file: &'static str,
}

const ALL: [Own; 3] = [
    Own {
        name: "tally",
        checker: "every_addition_counts",
        scenario: "two-add-at-once",
        told: ["somebody asks a: add", "counts 1"],
        models: ["published-lost-addition", "hardened-every-addition-counts"],
        swarms: 2,
        file: "counts/all",
    },
    Own {
        name: "lease",
        checker: "at_most_one_holder",
        scenario: "two-ask-at-once",
        told: ["somebody asks b: lock", "holds the lock"],
        models: ["published-two-holders", "hardened-one-holder"],
        swarms: 3,
        file: "lock",
    },
    Own {
        name: "preferences",
        checker: "what_one_alone_changed_stays",
        scenario: "two-change-at-once",
        told: ["has set font to 2", "data.json"],
        models: ["published-lost-change", "hardened-every-change-stays"],
        swarms: 2,
        file: "data.json",
    },
];

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().into()
}

impl Own {
    /// Its command. `cargo test` builds it along; where only this test was asked for, it is built here.
    fn program(&self) -> PathBuf {
        static BUILT: OnceLock<PathBuf> = OnceLock::new();
        let built = BUILT.get_or_init(|| {
            let deps = std::env::current_exe().unwrap();
            let profile = deps.parent().unwrap().parent().unwrap();
            let mut cargo = Command::new(env!("CARGO"));
            cargo.current_dir(workspace()).args(["build", "--quiet", "--offline"]);
            // Of the whole workspace, as `cargo test` builds it: one package alone would have other features, and all of
            // its dependencies be built once more.
            cargo.arg("--workspace");
            for own in ALL {
                cargo.args(["--example", own.name]);
            }
            cargo.arg("--target-dir").arg(profile.parent().unwrap());
            if profile.ends_with("release") {
                cargo.arg("--release");
            }
            assert!(cargo.status().unwrap().success(), "the examples are not built");
            profile.join("examples")
        });
        built.join(self.name)
    }

    fn scenarios(&self) -> String {
        format!("reports/examples/{}/scenarios", self.name)
    }

    fn call(&self, arguments: &[&str]) -> Output {
        let mut program = Command::new(self.program());
        program.current_dir(workspace()).env("NO_COLOR", "1").args(arguments).output().unwrap()
    }

    /// What a command prints, which ends with a code.
    #[track_caller]
    fn out(&self, arguments: &[&str], code: i32) -> String {
        let output = self.call(arguments);
        let (out, err) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "{} {arguments:?}: {out}\n{err}", self.name);
        out
    }

    #[track_caller]
    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let arguments: Vec<_> = arguments.iter().chain(&["--json"]).copied().collect();
        serde_json::from_str(&self.out(&arguments, code)).unwrap()
    }

    /// Calls again as a report says.
    #[track_caller]
    fn again(&self, command: &Value, code: i32) -> Value {
        let command = command.as_str().unwrap().replace("cargo run --release ", "cargo run ");
        let words = command.strip_prefix(&format!("cargo run --example {} -- ", self.name)).unwrap();
        self.json(&words.split(' ').collect::<Vec<_>>(), code)
    }

    fn violates(&self, report: &Value) -> bool {
        report["violations"].as_array().unwrap().iter().any(|found| found["checker"] == self.checker)
    }
}

#[test]
fn its_scenarios_run_replay_shrink_and_are_drawn() {
    for own in ALL {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).display().to_string();
        let (trace, small, page) = (path("run.jsonl"), path("small.jsonl"), path("page.html"));
        let file = format!("{}/{}/{}.toml", own.scenarios(), own.name, own.scenario);
        let run = own.json(&["run", &file, "--trace", &trace], 0);
        assert!(own.violates(&run) && run["system"] == own.name, "{run:#}");
        assert!(own.violates(&own.again(&run["reproduce"], 0)));
        own.out(&["run", &file.replace(".toml", "-hardened.toml")], 0);

        let replay = own.json(&["replay", &trace], 0);
        assert_eq!((replay.get("differs"), &replay["hash"]), (None, &run["hash"]));

        let shrunk = own.json(&["shrink", &trace, "-o", &small], 0);
        assert!(shrunk["after"]["choices"].as_u64() < shrunk["before"]["choices"].as_u64(), "{shrunk:#}");
        assert_eq!(
            shrunk["after"]["faults"],
            serde_json::json!({}),
            "{}: no fault had to do with it",
            own.name
        );
        assert!(own.violates(&own.again(&shrunk["reproduce"], 0)));
        let story = own.out(&["replay", &small, "--story"], 0);
        assert!(own.told.iter().all(|told| story.contains(told)), "{}: {story}", own.name);

        own.out(&["timeline", &trace, "-o", &page], 0);
        let page = std::fs::read_to_string(page).unwrap();
        assert!(page.contains("\"replica\":\"b\"") && page.contains(own.file), "{page}");
        let prominent = page.contains("\"standing\":\"prominent\"");
        assert_eq!(prominent, own.name == "lease", "{}: who stands out", own.name);
    }
}

#[test]
fn its_swarms_find_the_fault_of_one_design_and_none_of_the_other() {
    for own in ALL {
        let swarm =
            |design: &'static str| ["swarm", "--system", own.name, "--design", design, "--seeds", "0..40"];
        let found = own.json(&swarm("published"), 1);
        let verdict =
            found["verdicts"].as_array().unwrap().iter().find(|verdict| verdict["checker"] == own.checker);
        let verdict = verdict.unwrap();
        let repeated = own.again(&verdict["reproduce"], 1);
        let same =
            repeated["verdicts"].as_array().unwrap().iter().any(|other| other["first"] == verdict["first"]);
        assert!(same, "{repeated:#}");
        let held = own.json(&swarm("hardened"), 0);
        assert_eq!(held["seeds"]["run"], 40);
        assert!(
            held["verdicts"].as_array().unwrap().iter().all(|verdict| verdict["violated"] == 0),
            "{held:#}"
        );
        assert_eq!(held["determinism"]["mismatches"], 0);
        assert!(!own.out(&swarm("hardened"), 0).contains("active"), "another system's words");
    }
}

#[test]
fn a_profile_of_ones_own_is_a_file() {
    let [_, lease, _] = ALL;
    let swarm = |profile: &str| {
        lease.json(&["swarm", "--system", "lease", "--seeds", "0..5", "--profile", profile], 0)["hash"]
            .clone()
    };
    assert_eq!(swarm("dropbox"), swarm("scenarios/profiles/dropbox.toml"));
    let refused = lease.call(&["swarm", "--system", "lease", "--profile", "nowhere.toml"]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && said.contains("nowhere.toml:1: cannot be read"), "{said}");
}

#[test]
fn its_models_show_the_shortest_way_to_the_fault() {
    for own in ALL {
        let dir = tempfile::tempdir().unwrap();
        let trace = dir.path().join("found.jsonl").display().to_string();
        let [published, hardened] = own.models.map(|name| format!("{}/models/{name}.toml", own.scenarios()));
        let report = own.json(&["model", "check", own.name, "--bounds", &published, "--export", &trace], 0);
        let (report, property) = (&report[0], &report[0]["properties"][0]);
        assert_eq!(
            (&property["name"], &property["holds"]),
            (&own.checker.into(), &false.into()),
            "{report:#}"
        );
        let replay = own.json(&["replay", &trace], 1);
        assert!(own.violates(&replay) && replay.get("differs").is_none(), "{replay:#}");
        let held = own.json(&["model", "check", own.name, "--bounds", &hardened], 0);
        assert_eq!(
            (&held[0]["complete"], &held[0]["properties"][0]["holds"]),
            (&true.into(), &true.into()),
            "{held:#}"
        );
    }
}

#[test]
fn a_check_reports_it() {
    for own in ALL {
        let dir = tempfile::tempdir().unwrap();
        let out_dir = dir.path().display().to_string();
        let scenarios = own.scenarios();
        let arguments =
            ["check", "--quick", "--system", own.name, "--scenarios", &scenarios, "--out", &out_dir];
        let report = own.json(&arguments, 0);
        let count = |list: &str| report[list].as_array().unwrap().len();
        assert_eq!(
            (count("scenarios"), count("swarms"), count("models"), count("benches")),
            (2, own.swarms, 2, 0)
        );
        let page = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
        let title = format!("{} published icloud", own.name);
        assert!(page.contains(&title) && page.contains(&own.checker.replace('_', " ")), "{page}");
        let drawn = format!("traces/{}/{}.html", own.name, own.scenario);
        assert!(dir.path().join(drawn).is_file());
    }
}

#[test]
fn the_commands_of_the_page_on_adding_a_system_do_what_it_says() {
    let [_, lease, _] = ALL;
    let page = std::fs::read_to_string(workspace().join("docs/adding-a-system.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let prefix = "cargo run --release --example lease -- ";
    let mut said = Vec::new();
    for words in page.lines().filter_map(|line| line.strip_prefix(prefix)) {
        // What the page leaves below `target` is left in a directory of the test's own.
        let words: Vec<_> = words
            .split(' ')
            .map(|word| word.replace("target/", &format!("{}/", dir.path().display())))
            .collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let fails = words[0] == "swarm" && words.contains(&"published");
        let shows_it_again = words[0] == "replay";
        let code = i32::from(fails || (shows_it_again && words[1].ends_with("shortest.jsonl")));
        let out = match shows_it_again {
            // A trace of a swarm is of a scenario that expects nothing.
            true => String::from_utf8(lease.call(&words).stdout).unwrap(),
            false => lease.out(&words, code),
        };
        said.push((words[0].to_owned(), out));
    }
    let commands: Vec<_> = said.iter().map(|(command, _)| &**command).collect();
    assert_eq!(commands, ["swarm", "shrink", "replay", "timeline", "model", "replay", "swarm", "check"]);
    for (_, story) in said.iter().filter(|(command, _)| command == "replay") {
        assert!(
            story.matches("holds the lock").count() >= 2 && story.contains("at_most_one_holder"),
            "{story}"
        );
    }
    assert!(dir.path().join("small.html").is_file() && dir.path().join("lease/report.html").is_file());
}

#[test]
fn a_program_knows_the_systems_of_its_list_and_no_other() {
    let [tally, lease, _] = ALL;
    tally.out(&["run", "scenarios/failover/automatic-failover.toml"], 0);
    for (own, known) in [(&tally, "failover, journal, tally"), (&lease, "lease")] {
        let refused = own.call(&["check", "--system", "telepathy"]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains(&format!("[possible values: {known}]")), "{said}");
    }
}
