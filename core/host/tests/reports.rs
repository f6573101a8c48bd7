//! Folders as people reported them: each gives the right value. The inputs were made from the mechanisms of public
//! reports (`data/reports`, with what each is).

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{copy, json, ok, run, said};

mod support;

/// A report's folder, to be worked on.
struct Case {
    dir: tempfile::TempDir,
}

impl Case {
    fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&data(name).join("folder"), &dir.path().join("folder"));
        Self { dir }
    }

    /// A folder of one machine that wrote three messages.
    fn of_laptop() -> Self {
        let case = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(case.folder()).unwrap();
        ok(&case.run(&["init", "--machine", "laptop"]));
        for body in ["body-1", "body-2", "body-3"] {
            ok(&case.run(&["append", "--from", "x", "--say", body]));
        }
        case
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("folder")
    }

    fn run(&self, args: &[&str]) -> std::process::Output {
        run(&self.folder(), &self.dir.path().join("local"), args)
    }

    fn messages(&self) -> Vec<Value> {
        json(&self.run(&["show", "--json"]))["messages"].as_array().unwrap().clone()
    }

    fn bodies(&self) -> Vec<String> {
        let mut bodies: Vec<_> =
            self.messages().iter().map(|message| message["body"].as_str().unwrap().to_owned()).collect();
        bodies.sort();
        bodies
    }

    /// The kinds of what `verify` names, with the files.
    fn named(&self) -> Vec<(String, String)> {
        let told = json(&self.run(&["verify", "--json"]));
        let problems = told["problems"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        problems.map(|problem| (text(&problem["kind"]), text(&problem["file"]))).collect()
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reports").join(name)
}

const ALL: [&str; 4] = ["body-1", "body-2", "body-3", "server-1"];

#[test]
fn a_byte_order_mark_is_no_edit_and_hides_no_name() {
    let case = Case::new("byte-order-mark");
    assert_eq!(case.bodies(), ALL);
    let origins: Vec<_> = case.messages().iter().map(|message| message["origin"].clone()).collect();
    assert_eq!(origins.iter().filter(|origin| **origin == "desk").count(), 3, "{origins:?}");
    assert_eq!(case.named(), []);
}

#[test]
fn a_byte_order_mark_and_carriage_returns_do_not_make_the_owner_write_anything_again() {
    let case = Case::of_laptop();
    let journal = case.folder().join("shared/machines/laptop/messages.jsonl");
    let read = || std::fs::read_to_string(&journal).unwrap();
    for round in 1..=6 {
        // What git does at a checkout with core.autocrlf, and what some editors put in front.
        let text = read().replace("\r\n", "\n").replace('\n', "\r\n");
        let mark = if round % 2 == 0 { "\u{feff}" } else { "" };
        std::fs::write(&journal, format!("{mark}{}", text.trim_start_matches('\u{feff}'))).unwrap();
        let told = case.run(&["append", "--from", "x", "--say", &format!("round-{round}")]);
        ok(&told);
        assert!(!said(&told).contains("repaired"), "{}", said(&told));
    }
    assert_eq!((read().lines().count(), case.messages().len()), (9, 9));
    assert_eq!(case.named(), []);
}

#[test]
fn a_clock_of_2098_is_named_and_moves_nobodys_clock() {
    let case = Case::new("clock-of-2098");
    assert!(case.bodies().contains(&"from 2098".to_owned()));
    let named = case.named();
    let third = "shared/machines/third/messages.jsonl".to_owned();
    assert_eq!(named, [("clock-ahead".to_owned(), third)]);
    ok(&case.run(&["init", "--machine", "reader"]));
    ok(&case.run(&["rebuild"]));
    let told = case.run(&["append", "--json", r#"{"type":"thread","name":"t"}"#]);
    let line: Value = serde_json::from_str(json(&told)["events"][0]["line"].as_str().unwrap()).unwrap();
    let (ts, hlc) = (line["ts"].as_i64().unwrap(), line["hlc"][0].as_i64().unwrap());
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    assert!((now - ts).abs() < 600 && (now - hlc / 1_000).abs() < 600, "{line}");
}

#[test]
fn copies_under_every_clients_name_are_merged_or_named() {
    let names = std::fs::read_to_string(data("conflict-copy-names/names.tsv")).unwrap();
    let mut tried = 0;
    for line in names.lines().skip(1) {
        let [who, name, right] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let case = Case::new("conflict-copy-names");
        let laptop = case.folder().join("shared/machines/laptop");
        std::fs::copy(data("conflict-copy-names/copy.jsonl"), laptop.join(name)).unwrap();
        let file = format!("shared/machines/laptop/{name}");
        assert!(case.named().iter().any(|(_, named)| *named == file), "{who}: {name}: {:?}", case.named());
        if right == "merged" {
            assert_eq!(case.bodies(), ALL, "{who}: {name}");
        }
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn upper_directories_that_were_doubled_count() {
    let doubled = |from: &str, to: &str| {
        let case = Case::new("upper-directories-doubled");
        let folder = case.folder();
        std::fs::create_dir_all(folder.join(to).parent().unwrap()).unwrap();
        std::fs::rename(folder.join("shared 2"), folder.join("aside")).unwrap();
        std::fs::rename(folder.join("aside").join(from), folder.join(to)).unwrap();
        (case.bodies(), case.named())
    };
    for (from, to, copy) in [
        ("", "shared 2", "shared 2"),
        ("", "shared (1)", "shared (1)"),
        ("", "Shared", "Shared"),
        ("machines", "shared/machines 2", "shared/machines 2"),
        ("machines", "shared/machines (1)", "shared/machines (1)"),
        ("machines", "shared/Machines", "shared/Machines"),
        ("machines/server", "shared/machines/server (1)", "shared/machines/server (1)"),
    ] {
        let (bodies, named) = doubled(from, to);
        assert_eq!(bodies, ALL, "{to}");
        assert!(named.iter().any(|(kind, file)| kind == "conflict-copy" && file == copy), "{to}: {named:?}");
    }
}

#[test]
fn text_that_was_cut_within_an_emoji_is_readable() {
    let case = Case::new("text-cut-within-an-emoji");
    assert_eq!(case.bodies(), ["before \u{fffd} after", "lone in the id"]);
    assert!(case.messages().iter().all(|message| message["id"].is_string()));
    ok(&case.run(&["init", "--machine", "reader"]));
    ok(&case.run(&["append", r#"{"type":"message","body":"half \ud83d","from_agent":"x"}"#]));
    assert!(case.bodies().contains(&"half \u{fffd}".to_owned()));
}

#[test]
fn an_id_that_some_system_cannot_have_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let ids = std::fs::read_to_string(data("machine-ids-no-windows-has/ids.txt")).unwrap();
    for id in ids.lines() {
        let refused = run(dir.path(), &dir.path().join("../none"), &["init", &format!("--machine={id}")]);
        assert_eq!(refused.status.code(), Some(2), "{id}: {refused:?}");
        assert!(said(&refused).contains(id) && !dir.path().join("shared").exists(), "{id}: {refused:?}");
    }
    assert!(ids.lines().count() > 5);
}
