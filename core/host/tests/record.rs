//! The recorder beside a real directory.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use cloudchamber_host::record::{By, History, Kind, Written, parse};
use rustix::process::{Pid, Signal, kill_process};
use support::{agent, files, said};

mod support;

/// A recorder that has taken its first look.
struct Recorder {
    child: Child,
    _told: BufReader<ChildStderr>,
}

fn start(folder: &Path, output: &Path, args: &[&str]) -> Recorder {
    let mut command = agent();
    command.args(["record", "--name", "one", "--folder"]).arg(folder).arg("--output").arg(output).args(args);
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("is watched") {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "it ended before it watched");
    }
    Recorder { child, _told: told }
}

impl Recorder {
    fn end(mut self) -> ExitStatus {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        self.child.wait().unwrap()
    }
}

/// Waits until a history has a line of which something is so.
fn wait_for(output: &Path, what: &str, is: impl Fn(&History) -> bool) {
    let began = Instant::now();
    while !fs::read_to_string(output).is_ok_and(|text| parse(&text).is_ok_and(|history| is(&history))) {
        assert!(began.elapsed() < Duration::from_secs(60), "never {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn count(history: &History) -> usize {
    history.seen.len()
}

#[test]
fn what_comes_changes_and_goes_is_recorded_with_what_it_held() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, output) = (dir.path().join("folder"), dir.path().join("one.jsonl"));
    fs::create_dir_all(folder.join(".stfolder")).unwrap();
    fs::write(folder.join("old.txt"), "old").unwrap();
    let recorder = start(
        &folder,
        &output,
        &["--own", "mine/**", "--client", "C 1", "--folder-id", "x", "--content-max", "9"],
    );
    wait_for(&output, "what was there", |history| count(history) == 1);
    fs::create_dir(folder.join("mine")).unwrap();
    fs::write(folder.join("mine/new.bin"), b"\xff\x00").unwrap();
    wait_for(&output, "a file in a new directory", |history| {
        history.seen.last().is_some_and(|(_, seen)| seen.path == "mine/new.bin" && seen.len == Some(2))
    });
    fs::write(dir.path().join("next"), vec![0; 5_000]).unwrap();
    fs::rename(dir.path().join("next"), folder.join("old.txt")).unwrap();
    wait_for(&output, "a rename over a file", |history| {
        history.seen.iter().any(|(_, seen)| seen.len == Some(5_000))
    });
    // What belongs to a client or to a system is nobody's file, and links lead elsewhere.
    fs::write(folder.join(".stfolder/marker"), "x").unwrap();
    fs::write(folder.join(".DS_Store"), "x").unwrap();
    std::os::unix::fs::symlink("old.txt", folder.join("link")).unwrap();
    let before = files(&folder);
    fs::remove_file(folder.join("mine/new.bin")).unwrap();
    wait_for(&output, "a removal", |history| history.seen.iter().any(|(_, seen)| seen.seen == Kind::Gone));
    assert!(recorder.end().success());

    let history = parse(&fs::read_to_string(&output).unwrap()).unwrap();
    assert!(history.is_whole);
    assert_eq!((&*history.header.name, history.header.folder.as_deref()), ("one", Some("x")));
    assert!(history.seen.iter().all(|(_, seen)| ["old.txt", "mine/new.bin"].contains(&&*seen.path)));
    let (_, there) = &history.seen[0];
    assert_eq!((there.seen, &there.content), (Kind::There, &Some(Written::Text("old".into()))));
    let of = |path: &str, kind| {
        let mut all = history.seen.iter().map(|(_, seen)| seen);
        all.rfind(|seen| seen.path == path && seen.seen == kind).unwrap()
    };
    let last =
        history.seen.iter().rfind(|(_, seen)| seen.path == "mine/new.bin" && seen.len == Some(2)).unwrap();
    assert_eq!((last.1.by, &last.1.content), (Some(By::Here), &Some(Written::Hex("ff00".into()))));
    let large = of("old.txt", Kind::Changed);
    assert_eq!((large.by, large.nul, &large.content), (None, true, &None));
    assert_eq!(large.sha256.as_ref().map(String::len), Some(64));
    assert_eq!(of("mine/new.bin", Kind::Gone).by, Some(By::Here));
    let mut after = files(&folder);
    after.insert("mine/new.bin".into(), before[Path::new("mine/new.bin")].clone());
    assert_eq!(after, before, "the recorder touched the folder");
}

#[test]
fn it_ends_by_itself_and_its_history_is_whole_without_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let output = agent()
        .args(["record", "--name", "one", "--for", "200ms", "--folder"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let history = parse(&String::from_utf8(output.stdout).unwrap()).unwrap();
    assert!(history.is_whole && history.seen.is_empty());
}

#[test]
fn a_recorder_that_is_killed_leaves_lines_that_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, output) = (dir.path().join("folder"), dir.path().join("one.jsonl"));
    fs::create_dir(&folder).unwrap();
    let mut recorder = start(&folder, &output, &[]);
    fs::write(folder.join("a"), "x").unwrap();
    wait_for(&output, "a file", |history| count(history) > 0);
    recorder.child.kill().unwrap();
    recorder.child.wait().unwrap();
    let text = fs::read_to_string(&output).unwrap();
    assert!(!parse(&text).unwrap().is_whole);
    for len in text.find('\n').unwrap()..text.len() {
        assert!(parse(&text[..len]).is_ok(), "cut at {len}");
    }
}

#[test]
fn a_folder_that_is_lost_is_no_folder_of_which_all_files_were_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, output) = (dir.path().join("folder"), dir.path().join("one.jsonl"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("a"), "x").unwrap();
    let mut recorder = start(&folder, &output, &[]);
    fs::rename(&folder, dir.path().join("elsewhere")).unwrap();
    fs::create_dir(&folder).unwrap();
    assert_eq!(recorder.child.wait().unwrap().code(), Some(1));
    let history = parse(&fs::read_to_string(&output).unwrap()).unwrap();
    assert!(history.is_whole && history.seen.iter().all(|(_, seen)| seen.seen != Kind::Gone), "{history:?}");
}

#[test]
fn an_output_in_the_folder_or_over_another_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    fs::create_dir_all(folder.join("below")).unwrap();
    let there = dir.path().join("there.jsonl");
    fs::write(&there, "mine").unwrap();
    for (output, says) in [
        (folder.join("x.jsonl"), "it lies in the folder"),
        (folder.join("below/../x.jsonl"), "it lies in the folder"),
        (there.clone(), "it is there already"),
        (dir.path().join("nowhere/x.jsonl"), "its directory is not there"),
    ] {
        let refused = agent()
            .args(["record", "--name", "one", "--folder"])
            .arg(&folder)
            .arg("--output")
            .arg(&output)
            .output();
        let refused = refused.unwrap();
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(said(&refused).contains(says), "{}", said(&refused));
    }
    assert_eq!(fs::read_to_string(&there).unwrap(), "mine");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    for args in [&["--own", "/abs"][..], &["--for", "7"], &["--name", ""]] {
        let mut command = agent();
        command.args(["record", "--folder"]).arg(&folder).args(args);
        if args[0] != "--name" {
            command.args(["--name", "one"]);
        }
        assert_eq!(command.output().unwrap().status.code(), Some(2), "{args:?}");
    }
}
