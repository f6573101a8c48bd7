//! Two probes, and between them a client of which everything is known.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use cloudchamber_folder::profile::{
    CreateConflict, DeleteConflict, EditConflict, Mtime, Naming, Profile, Tag, Temporary, Visible,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use support::copier::{self, Copier};
use support::{agent, files, said};

mod support;

/// What a copier takes until a version is at the other side.
const DELAY: Duration = Duration::from_millis(300);
/// How far what is measured may be off what the copier did, in ms: the machine has other things to do.
const OFF_MAX: i64 = 150;

fn start(folder: &Path, name: &str, args: &[&str]) -> Child {
    let mut command = agent();
    command
        .args(["probe", "--json", "--largest", "1", "--folder"])
        .arg(folder)
        .args(["--name", name])
        .args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn two(dir: &Path) -> [PathBuf; 2] {
    ["a", "b"].map(|name| {
        let folder = dir.join(name);
        std::fs::create_dir(&folder).unwrap();
        folder
    })
}

fn ended(child: Child) -> Value {
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    support::json(&output)
}

fn ms(value: &Value) -> i64 {
    value.as_i64().unwrap_or_else(|| panic!("{value} is no time")) / 1_000
}

#[test]
fn what_is_measured_is_what_the_client_does() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = two(dir.path());
    // One that is dead has left its first message.
    let dead = a.join("cloudchamber-probe/dead/say-hello-1.json");
    let hello = json!({
        "started_us": 1, "client": "x", "system": "x", "machine": "x", "folder": 1, "rounds": 1, "largest_bytes": 1,
    });
    let message = json!({ "probe": "1", "at_us": 1, "least_us": {}, "body": hello }).to_string();
    std::fs::create_dir_all(dead.parent().unwrap()).unwrap();
    std::fs::write(&dead, &message).unwrap();
    let copier = Copier::start([&a, &b], DELAY);
    let profile = dir.path().join("copier.toml");
    let args = ["--rounds", "3", "--client", "Copier 1", "--profile", profile.to_str().unwrap()];
    let one = start(&a, "one", &args);
    let two = start(&b, "two", &args[..4]);
    let (one, two) = (ended(one), ended(two));
    expect_nothing_left([&a, &b]);
    let took = copier.end();
    assert_eq!(one["results"], two["results"], "both have the reports of both");
    assert_eq!(one["results"]["clocks"][0][2]["known"], "same");
    for way in one["results"]["ways"].as_array().unwrap() {
        for kind in ["new", "replaced", "rewritten", "appended", "removed"] {
            let median = ms(&way[kind]["median_us"]);
            let least = i64::try_from(DELAY.as_millis()).unwrap();
            assert!((least..least + OFF_MAX * 2).contains(&median), "{kind}: {median} ms");
        }
        let (new, took) = (ms(&way["new"]["max_us"]), took.iter().max().unwrap());
        assert!((new - took).abs() < OFF_MAX * 2, "{new} ms, and the copier took up to {took} ms");
        assert_eq!(way["new"]["n"], 3);
        assert_eq!(way["new"]["p90_us"], Value::Null, "three samples have no percentile");
        assert_eq!(way["batch"]["arrived"], way["batch"]["written"]);
        assert_eq!(way["missing"], 0, "{way:#}");
        assert_eq!(way["small"]["broken"]["prefix"], 0);
        let odd = way["odd"].as_array().unwrap();
        let came = |what: &str| odd.iter().find(|odd| odd[0] == what).unwrap()[1].clone();
        assert_eq!(came("a symbolic link"), "missing");
        assert_eq!(came("an executable file"), "not executable");
        assert_eq!(came("a name in NFD"), "same");
    }
    assert!(ms(&one["results"]["ways"][0]["large"]["big-replaced"]["median_us"]) >= 300);
    expect_profile(&profile);
    assert_eq!(std::fs::read_to_string(dead).unwrap(), message, "nobody else's files are touched");
}

/// Each removes its own files, and the client does so at the other side.
fn expect_nothing_left(folders: [&Path; 2]) {
    let from = Instant::now();
    loop {
        let left: Vec<String> = folders.iter().flat_map(|folder| copier::files(folder).into_keys()).collect();
        let left: Vec<String> = left.into_iter().filter(|file| !file.contains("/dead/")).collect();
        if left.is_empty() {
            return;
        }
        assert!(from.elapsed() < Duration::from_secs(60), "{left:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn expect_profile(file: &Path) {
    let profile = Profile::load(file).unwrap();
    assert_eq!(profile.name, "copier");
    let rules = &profile.rules;
    assert_eq!(rules.conflict_naming, Naming::Dropbox);
    assert_eq!(rules.edit_conflict, EditConflict::OlderMtimeIsCopied);
    assert_eq!(rules.create_conflict, CreateConflict::SameAsEdit);
    assert_eq!(rules.delete_conflict, DeleteConflict::EditWins);
    assert_eq!(rules.mtime, Mtime::Kept { granularity_ms: 1 });
    let fact = |key: &str| {
        let found = profile.facts.iter().find(|fact| fact.key == key);
        found.unwrap_or_else(|| panic!("the profile has no {key}")).clone()
    };
    if cfg!(target_os = "linux") {
        assert_eq!((rules.visible, rules.temporary), (Visible::TempAndRename, Temporary::None));
        assert_eq!(fact("rules.visible").tag, Tag::Measured);
    }
    let least = fact("timing.delay.min_ms");
    assert!(
        least.tag == Tag::Measured && least.source.contains("Copier 1, cloudchamber-agent probe 20"),
        "{least:?}"
    );
    assert!((300..300 + 2 * OFF_MAX).contains(&least.value.parse().unwrap()), "{least:?}");
    // What it cannot measure keeps what the nearest says, and is marked.
    assert_eq!(fact("timing.stall.max_ms").tag, Tag::Assumed);
    let text = std::fs::read_to_string(file).unwrap();
    let stall = text.lines().skip_while(|line| *line != "[timing.stall]").nth(1).unwrap();
    assert!(stall.ends_with("} # not measured"), "{stall}");
}

#[test]
fn a_probe_that_is_killed_and_started_again_is_met_again_and_clocks_are_told_by_echoes() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = two(dir.path());
    let copier = Copier::start([&a, &b], DELAY);
    let args = ["--rounds", "1", "--client", "Copier 1", "--clocks-by-echo", "--like", "dropbox"];
    let one = start(&a, "one", &args);
    let mut two = start(&b, "two", &args);
    let begun = b.join("cloudchamber-probe/two/say-done-steps.json");
    let from = Instant::now();
    while !begun.exists() {
        assert!(from.elapsed() < Duration::from_secs(120), "they have not met");
        std::thread::sleep(Duration::from_millis(20));
    }
    two.kill().unwrap();
    two.wait().unwrap();
    let two = start(&b, "two", &args);
    let (one, two) = (ended(one), ended(two));
    expect_nothing_left([&a, &b]);
    copier.end();
    assert_eq!(one["results"], two["results"]);
    let clocks = &one["results"]["clocks"][0][2];
    let (ahead, error) = (ms(&clocks["offsets"][0]["ahead_us"]), ms(&clocks["offsets"][0]["error_us"]));
    // Each way takes 300 ms at least, so it is not known better; in truth they are one clock.
    assert!((300 - OFF_MAX..300 + 2 * OFF_MAX).contains(&error), "{clocks}");
    assert!(ahead.abs() <= error, "{clocks}");
}

#[test]
fn without_another_probe_it_ends_and_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let child = start(dir.path(), "one", &["--patience", "1"]);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = said(&output);
    assert!(said.contains("no other probe was seen for 1 s: start one in the same folder"), "{said}");
    assert_eq!(support::json(&output)["ok"], false);
    assert_eq!(files(dir.path()).len(), 0);
}

/// Ends a probe that waits for others by what is done to it, and gives what it said.
fn ended_by(done: impl FnOnce(&Path, &Child)) -> String {
    let dir = tempfile::tempdir().unwrap();
    let child = start(dir.path(), "one", &["--patience", "60"]);
    let begun = dir.path().join("cloudchamber-probe/one");
    let from = Instant::now();
    // Its first message.
    while !begun.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        assert!(from.elapsed() < Duration::from_secs(60), "it has not begun");
        std::thread::sleep(Duration::from_millis(10));
    }
    done(dir.path(), &child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert_eq!(files(dir.path()).len(), 0);
    said(&output)
}

#[test]
fn a_folder_that_is_lost_and_a_wish_to_end_are_told() {
    let lost = ended_by(|folder, _| std::fs::remove_dir_all(folder.join("cloudchamber-probe")).unwrap());
    assert!(lost.contains("is not there any more: see whether the folder is mounted"), "{lost}");
    let asked = ended_by(|_, child| {
        let pid = Pid::from_child(child);
        kill_process(pid, Signal::TERM).unwrap();
    });
    assert!(asked.contains("it was asked to end, and has removed what it wrote"), "{asked}");
}

#[test]
fn three_measure_six_ways() {
    let dir = tempfile::tempdir().unwrap();
    let [a, b] = two(dir.path());
    let c = dir.path().join("c");
    std::fs::create_dir(&c).unwrap();
    // What goes from the first to the last takes twice as long.
    let copiers = [Copier::start([&a, &b], DELAY), Copier::start([&b, &c], DELAY)];
    let args = |with| ["--rounds", "1", "--with", with, "--max-minutes", "0"];
    let one = start(&a, "one", &args("three,two"));
    let two = start(&b, "two", &args("one,three"));
    let three = start(&c, "three", &args("two,one"));
    let [one, two, three] = [one, two, three].map(ended);
    expect_nothing_left([&a, &b]);
    expect_nothing_left([&b, &c]);
    drop(copiers);
    assert!(one["results"] == two["results"] && two["results"] == three["results"]);
    // No phase began once the time was over.
    assert_eq!(one["results"]["phases"], json!(["steps"]));
    let ways = one["results"]["ways"].as_array().unwrap();
    assert_eq!(ways.len(), 6);
    for way in ways {
        let is_far = way["from"] != "two" && way["to"] != "two";
        let least = if is_far { 600 } else { 300 };
        let median = ms(&way["new"]["median_us"]);
        assert!((least..least + OFF_MAX * 2).contains(&median), "{way:#}");
    }
}

fn refused(args: &[&str], folder: &Path) -> String {
    let mut command = agent();
    let output: Output = command.args(["probe", "--folder"]).arg(folder).args(args).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    said(&output)
}

#[test]
fn a_folder_with_something_else_in_it_is_refused_and_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("letter.txt"), "dear").unwrap();
    let why = refused(&["--name", "one"], dir.path());
    assert!(why.contains("there is letter.txt in it") && why.contains("--subfolder"), "{why}");
    assert_eq!(files(dir.path()).keys().collect::<Vec<_>>(), [Path::new("letter.txt")]);
    assert_eq!(dir.path().read_dir().unwrap().count(), 1);
}

#[test]
fn what_makes_no_sense_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let name = refused(&["--name", "My Laptop"], dir.path());
    assert!(name.contains("`My Laptop` is no name for a probe: give one of small letters"), "{name}");
    let like = refused(&["--name", "one", "--like", "floppy"], dir.path());
    assert!(like.contains("`floppy` names none: give one of dropbox, "), "{like}");
    let itself = refused(&["--name", "one", "--with", "one"], dir.path());
    assert!(itself.contains("leave out one"), "{itself}");
    let nowhere = refused(&["--name", "one"], &dir.path().join("nowhere"));
    assert!(nowhere.contains("there is no such directory"), "{nowhere}");
}

#[test]
fn two_in_one_directory_would_measure_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let both = ["one", "two"].map(|name| start(dir.path(), name, &["--patience", "5"]));
    let both = both.map(|child| child.wait_with_output().unwrap());
    // Whoever sees it first ends, and the other may not have seen it by then.
    assert!(both.iter().all(|output| output.status.code() != Some(0)));
    assert!(both.iter().any(|output| said(output).contains("works in this very directory")), "{both:?}");
    assert_eq!(files(dir.path()).len(), 0);
}

#[test]
fn every_profile_that_was_measured_can_be_read() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/profiles");
    for file in dir.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
        let profile = Profile::load(&file).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(Some(&*profile.name), file.file_stem().unwrap().to_str());
        let measured = profile.facts.iter().filter(|fact| fact.tag == Tag::Measured);
        assert!(
            measured.filter(|fact| fact.source.contains("cloudchamber-agent probe")).count() > 10,
            "{file:?}"
        );
    }
}
