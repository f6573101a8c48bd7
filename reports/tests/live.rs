//! Real directories under the command, as a person without Rust uses it.

#![expect(clippy::print_stderr, reason = "a test that tried nothing says so")]
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
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains("conflicted copy"));
    // Updates were lost, and a recording has no verdict.
    let said = out(&drawn);
    assert!(
        said.contains("a recording: ") && said.contains(" conflict") && !said.contains("holds"),
        "{said}"
    );
    let (_, shown) = page.split_once("</style>").unwrap();
    assert!(
        !shown.contains("published") && !shown.contains("> holds") && !shown.contains(">holds"),
        "no verdict"
    );
    let shrunk = call(&["shrink", text(&record)]);
    assert_eq!(code(&shrunk), 2);
    assert!(err(&shrunk).contains("is a recording of real directories"), "{}", err(&shrunk));
}

#[test]
fn what_a_program_says_is_not_in_the_document_and_a_record_without_a_directory_is_refused() {
    let (dir, folders) = folders();
    let names = [text(&folders[0]), text(&folders[1])];
    let live = ["live", "--profile", "perfect", names[0], names[1]];
    let record = dir.path().join("nosuch/x.jsonl");
    let refused = call(&[&live[..], &["--record", text(&record), "--for", "1s"]].concat());
    assert!(code(&refused) == 2 && err(&refused).contains("is not there"), "{}", err(&refused));
    assert!(!record.parent().unwrap().exists());
    let output = call(&[&live[..], &["--json", "--", "sh", "-c", "echo said"]].concat());
    assert_eq!(code(&output), 0, "{}", err(&output));
    let document: serde_json::Value = serde_json::from_str(&out(&output)).unwrap();
    assert!(document["versions"] == 0 && err(&output).contains("said"));
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

#[test]
fn a_script_says_what_goes_wrong_and_when() {
    let (dir, folders) = folders();
    let script = dir.path().join("script.toml");
    let text_of = |ms: u32, done: &str| format!("[[at]]\nms = {ms}\n{done}\n\n");
    let script_text = [
        text_of(0, "do = \"offline\"\nreplica = \"b\""),
        text_of(60_000, "do = \"lose\"\nreplica = \"a\"\npath = \"lost\""),
        text_of(90_000, "do = \"lose\"\nreplica = \"a\"\npath = \"never-there\""),
        text_of(120_000, "do = \"quiet\""),
        text_of(180_000, "do = \"end\""),
    ];
    fs::write(&script, script_text.concat()).unwrap();
    fs::write(folders[0].join("lost"), "one").unwrap();
    fs::write(folders[0].join("kept"), "two").unwrap();
    let mut arguments =
        vec!["live", "--profile", "onedrive", "--seed", "7", "--speed", "100", "--adopt", "--script"];
    arguments.push(text(&script));
    arguments.extend(folders.iter().map(|folder| text(folder)));
    let run = start(&arguments);
    wait("c has both", || ["lost", "kept"].iter().all(|name| folders[2].join(name).exists()));
    assert!(!folders[1].join("kept").exists(), "b is offline");
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("at 90000 ms of the script") && said.contains("never-there"), "{said}");
    for folder in &folders {
        assert!(!folder.join("lost").exists(), "it was lost for all");
        assert_eq!(fs::read_to_string(folder.join("kept")).unwrap(), "two");
    }
}

/// Tries a program on two or three live folders by one of the scripts in `sim/live/examples/applications`. Returns the exit
/// status and what was said; `None` if something that it needs is not here.
fn application(script: &str, needs: &[&str], machines: usize) -> Option<(i32, String)> {
    let is_here = |program: &&&str| {
        Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
    };
    if let Some(missing) = needs.iter().find(is_here) {
        eprintln!("skipped: {script}, because there is no {missing}; install it to try it");
        return None;
    }
    let (_dir, folders) = folders();
    let script = workspace().join("sim/live/examples/applications").join(script);
    let mut arguments = vec!["live", "--profile", "dropbox", "--seed", "7", "--speed", "20"];
    let folders: Vec<_> = folders.iter().take(machines).map(|folder| text(folder)).collect();
    arguments.extend(&folders);
    arguments.extend(["--", "sh", text(&script)]);
    arguments.extend(&folders);
    let output = call(&arguments);
    Some((code(&output), out(&output) + &err(&output)))
}

/// What a program that was not made for it does in a synced folder is seen, and told in a sentence.
#[test]
fn programs_that_people_use_are_tried() {
    for (script, needs, name) in [("sqlite.sh", "sqlite3", "SQLite: of "), ("git.sh", "git", "git: ")] {
        if let Some((status, said)) = application(script, &[needs], 2) {
            assert!(said.lines().any(|line| line.starts_with(name)), "{said}");
            assert!([0, 1].contains(&status) && said.contains("dropbox, seed 7, "), "{said}");
        }
    }
}

#[test]
fn the_agent_loses_nothing_when_it_is_killed_on_live_folders() {
    let agent = assert_cmd::cargo::cargo_bin!("cloudchamber").with_file_name("cloudchamber-agent");
    if let Some((status, said)) = application("agent.sh", &[text(&agent), "timeout"], 3) {
        assert!(said.contains("; 0 are missing somewhere, 0 machines show something else"), "{said}");
        assert_eq!(status, 0, "{said}");
    }
}
