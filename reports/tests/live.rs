//! Real directories under the command, as a person without Rust uses it.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{call, code, err, out, workspace};
use tempfile::TempDir;

fn folders() -> (TempDir, Vec<PathBuf>) {
    let dir = tempfile::tempdir().unwrap();
    let folders: Vec<_> = ["A", "B", "C"].iter().map(|name| dir.path().join(name)).collect();
    folders.iter().for_each(|folder| fs::create_dir(folder).unwrap());
    (dir, folders)
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What the script's file counts.
fn count(file: &Path) -> u32 {
    fs::read_to_string(file).unwrap().split(' ').next().unwrap().parse().unwrap()
}

fn wait(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(60), "not yet: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_counter_in_a_shell_script_loses_updates_and_the_trace_tells_why() {
    let (dir, folders) = folders();
    let script = workspace().join("sim/live/examples/counter.sh");
    let record = dir.path().join("counter.jsonl");
    let names: Vec<_> = folders.iter().map(|folder| text(folder)).collect();
    let mut arguments =
        vec!["live", "--profile", "dropbox", "--seed", "7", "--speed", "20", "--record", text(&record)];
    arguments.extend(&names);
    arguments.extend(["--", "sh", text(&script)]);
    arguments.extend(&names);
    let output = call(&arguments);
    assert_eq!(code(&output), 0, "{}{}", out(&output), err(&output));
    let counts: Vec<u32> = folders.iter().map(|folder| count(&folder.join("counter"))).collect();
    assert!(
        counts.iter().all(|count| *count == counts[0] && *count < 30),
        "thirty were counted, and {counts:?} are left"
    );
    let copies =
        fs::read_dir(&folders[0]).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let copies: Vec<_> = copies.filter(|name| name.contains("conflicted copy")).collect();
    assert!(!copies.is_empty());
    let said = out(&output);
    assert!(said.contains("had both changed counter") && said.contains("cloudchamber timeline"), "{said}");

    let story = call(&["replay", text(&record), "--story"]);
    assert_eq!(code(&story), 0, "{}", err(&story));
    let story = out(&story);
    assert!(story.contains("somebody asks a: save (path: \"counter\", content: \"1 by A\\n\")"), "{story}");
    assert!(story.contains("had both changed counter") && story.contains("is kept as counter ("), "{story}");
    let page = dir.path().join("counter.html");
    let drawn = call(&["timeline", text(&record), "-o", text(&page)]);
    assert_eq!(code(&drawn), 0, "{}", err(&drawn));
    assert!(fs::read_to_string(page).unwrap().contains("conflicted copy"));
}

/// Starts the command and does not wait for it.
fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("cloudchamber"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_run_that_was_killed_goes_on_and_is_told_what_to_do_meanwhile() {
    let (dir, folders) = folders();
    let state = dir.path().join("state");
    let mut arguments =
        vec!["live", "--profile", "onedrive", "--seed", "7", "--speed", "500", "--state", text(&state)];
    arguments.extend(folders.iter().map(|folder| text(folder)));
    let ctl = |words: &[&str]| {
        let output = call(&[&["live", "ctl", text(&state)], words].concat());
        (code(&output), out(&output) + &err(&output))
    };
    let (status, said) = ctl(&["list"]);
    assert!(status == 2 && said.contains("no `live` runs there"), "{said}");

    let mut first = start(&arguments);
    wait("it listens", || ctl(&["list"]).0 == 0);
    fs::write(folders[0].join("x"), "one").unwrap();
    wait("it arrives", || folders.iter().all(|folder| folder.join("x").exists()));
    let (status, said) = ctl(&["offline", "B"]);
    assert!(status == 0 && said.contains(r#""did":"offline""#) && said.lines().count() == 1, "{said}");
    assert_eq!(ctl(&["offline", "B"]).0, 1);
    first.kill().unwrap();
    first.wait().unwrap();
    fs::write(folders[1].join("y"), "two").unwrap();

    let second = start(&arguments);
    wait("it listens again", || ctl(&["list"]).0 == 0);
    // It is offline still.
    assert_eq!(ctl(&["offline", "B"]).0, 1);
    let (status, said) = ctl(&["quiet"]);
    assert_eq!(status, 0, "{said}");
    assert!(folders.iter().all(|folder| fs::read_to_string(folder.join("y")).unwrap() == "two"));
    assert_eq!(ctl(&["end"]).0, 0);
    let output = second.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("it goes on where it was"), "{said}");
}
