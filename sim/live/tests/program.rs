//! The program that is run meanwhile is ended with the run, and so is everything that it has started.

#![cfg(unix)]

mod support;

use std::ffi::OsString;
use std::time::{Duration, Instant};

use cloudchamber_live::{Options, run};
use support::Folders;

/// A shell script that is run meanwhile, with the first directory as its working directory.
fn program(folders: &Folders, script: &str) -> Vec<OsString> {
    let script = format!("cd '{}' && {script}", folders.dir(0).display());
    ["sh".into(), "-c".into(), script.into()].to_vec()
}

/// That nobody writes into a file any more that a process wrote again and again.
fn is_still(folders: &Folders, name: &str) {
    let before = folders.read(0, name).expect("it was written");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(folders.read(0, name), Some(before), "somebody writes still");
}

const WRITES: &str = "n=0; while :; do n=$((n+1)); echo $n > x; sleep .1; done";

#[test]
fn what_the_program_has_started_ends_with_the_run() {
    let folders = Folders::new(2);
    let program = program(&folders, &format!("( {WRITES} ) & wait"));
    let for_time = Some(Duration::from_secs(2));
    let end = run(&Options { program, for_time, ..folders.options("perfect") }, &mut |_| {}).unwrap();
    assert_eq!(end.summary.program.as_deref(), Some("the program had not ended, and was ended"));
    is_still(&folders, "x");
}

#[test]
fn what_a_program_leaves_that_ended_is_ended_too_and_may_tidy_up() {
    let folders = Folders::new(2);
    let tidies = format!("( trap 'echo tidy > ../tidied; exit' TERM; {WRITES} ) & sleep .5; exit 3");
    let program = program(&folders, &tidies);
    let for_time = Some(Duration::from_secs(3));
    let end = run(&Options { program, for_time, ..folders.options("perfect") }, &mut |_| {}).unwrap();
    assert_eq!(end.summary.program.as_deref(), Some("the program ended with exit status: 3"));
    is_still(&folders, "x");
    assert!(folders.dir(0).with_file_name("tidied").exists(), "it was not asked before it was killed");
}

#[test]
fn who_does_not_listen_is_killed_also_when_the_run_fails() {
    let folders = Folders::new(2);
    // What the run looks at goes away, which is an error.
    let deaf = format!("trap '' TERM; mv ../B ../gone; {WRITES}");
    let program = program(&folders, &deaf);
    let began = Instant::now();
    let why = run(&Options { program, ..folders.options("perfect") }, &mut |_| {}).unwrap_err().to_string();
    assert!(why.contains("it is gone"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(60));
    is_still(&folders, "x");
}
