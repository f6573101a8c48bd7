//! A run whose process is killed again and again goes on each time, and nothing that was ever saved gets lost.
//!
//! The test starts itself anew as the process that is killed. `CLOUDCHAMBER_LIVE_ROUNDS` says how often, where it is to be
//! done more often than in every test run.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it as the test itself may")]

mod support;

use std::collections::BTreeSet;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use cloudchamber_live::{Options, run};
use support::Folders;

/// How often the process is killed.
const ROUNDS: u64 = 12;

/// What tells the process that it is the one that is killed.
const PLAYS: &str = "CLOUDCHAMBER_LIVE_PLAYS";

fn options(profile: &str, folders: Vec<std::path::PathBuf>, state: std::path::PathBuf) -> Options {
    let folders_of = Folders::new(0);
    Options {
        folders,
        state: Some(state),
        speed: 1_000,
        adopt: true,
        for_time: None,
        ..folders_of.options(profile)
    }
}

/// Plays `live` until it is killed, or, where the last argument says so, until all is quiet.
fn play(profile: &str) {
    let mut arguments = env::args().skip(1);
    let state = arguments.next().expect("a state directory").into();
    let until_quiet = arguments.next().expect("whether it ends") == "quiet";
    let folders = arguments.map(Into::into).collect();
    let options = Options { until_quiet, ..options(profile, folders, state) };
    let end = run(&options, &mut |_| {}).unwrap_or_else(|error| panic!("{error}"));
    assert!(end.summary.is_well(), "{}", end.summary);
}

fn start(folders: &Folders, profile: &str, until: &str) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.arg(folders.state()).arg(until).args((0..3).map(|n| folders.dir(n)));
    command.env(PLAYS, profile).stdout(Stdio::null()).spawn().unwrap()
}

/// A number that looks random, of a place.
fn drawn(place: u64) -> u64 {
    let mut number = place.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number ^ (number >> 29)
}

fn main() {
    if let Ok(profile) = env::var(PLAYS) {
        return play(&profile);
    }
    let rounds =
        env::var("CLOUDCHAMBER_LIVE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    for profile in ["dropbox", "rclone", "git"] {
        kill_again_and_again(profile, rounds.div_ceil(3));
    }
}

fn kill_again_and_again(profile: &str, rounds: u64) {
    let folders = Folders::new(3);
    let (mut saved, mut times) = (BTreeSet::new(), 0);
    for round in 0..rounds {
        let mut child = start(&folders, profile, "never");
        let began = Instant::now();
        let lives = Duration::from_millis(100 + drawn(round) % 900);
        let mut place = 0;
        while began.elapsed() < lives {
            place += 1;
            let number = drawn(round * 10_000 + place);
            let (n, name) = ((number % 3) as usize, format!("f{}", number / 3 % 4));
            // What the program itself replaces is its own loss.
            if let Some(own) = folders.read(n, &name) {
                saved.remove(&own);
            }
            if number.is_multiple_of(11) {
                drop(fs::remove_file(folders.dir(n).join(&name)));
            } else {
                // Replaced as a whole: nobody sees half of what is saved here.
                let text = format!("{profile} {round} {place} {}\n", "x".repeat(number as usize % 70_000));
                let new = folders.dir(n).parent().unwrap().join("new");
                fs::write(&new, &text).unwrap();
                fs::rename(&new, folders.dir(n).join(&name)).unwrap();
                saved.insert(text);
                times += 1;
            }
            std::thread::sleep(Duration::from_millis(10 + number % 40));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let status = start(&folders, profile, "quiet").wait().unwrap();
    assert!(status.success(), "{profile}: the last run ended with {status}");
    let texts = |dir: &std::path::Path| -> Vec<(String, String)> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
        let text = |path: &std::path::Path| String::from_utf8(fs::read(path).unwrap()).unwrap();
        entries.map(|entry| (entry.file_name().into_string().unwrap(), text(&entry.path()))).collect()
    };
    let [mut a, mut b, mut c] = [0, 1, 2].map(|n| texts(&folders.dir(n)));
    [&mut a, &mut b, &mut c].into_iter().for_each(|all| all.sort());
    assert!(a == b && b == c, "{profile}: the folders differ in the end");
    // What a client replaced or removed is in the state directory, or in a folder under another name.
    let kept: BTreeSet<String> =
        texts(&folders.state().join("contents")).into_iter().map(|(_, text)| text).collect();
    let held: BTreeSet<String> =
        texts(&folders.state().join("aside")).into_iter().map(|(_, text)| text).collect();
    let all: BTreeSet<&str> =
        a.iter().map(|(_, text)| &**text).chain(kept.iter().chain(&held).map(|text| &**text)).collect();
    let lost: Vec<_> = saved.iter().filter(|text| !all.contains(&***text)).collect();
    let count = saved.len();
    assert!(
        lost.is_empty(),
        "{profile}: {} of {count} contents are nowhere, such as {:.40}",
        lost.len(),
        lost[0]
    );
    assert!(times > rounds, "{profile}: hardly anything was saved");
}
