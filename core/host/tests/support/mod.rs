//! What the agent's tests have in common: running it, and the folders that it runs on.

#![allow(dead_code, reason = "each test program uses its part")]
#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

pub(crate) mod copier;
pub(crate) mod disk;
pub(crate) mod syncthing;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output};

use serde_json::Value;

/// Constants with which everything happens within seconds.
pub(crate) const FAST: &str = "
beat = { base_ms = 300, jitter_ms = 100 }
standby_beat = { base_ms = 1000, jitter_ms = 200 }
propagation_ms = 300
look_ms = 100
rest_ms = 100
write_gap_ms = 100
act_margin_ms = 900
suspect_ms_min = 3000
suspect_ms_max = 6000
slot_ms = 1000
wait_ms = 2000
lease_ms = 3000
promise_ms = 3100
places = 1
";

/// Kills a program when the test ends, however it ends.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap_or_default();
        self.0.wait().map(drop).unwrap_or_default();
    }
}

pub(crate) fn agent() -> Command {
    Command::new(assert_cmd::cargo::cargo_bin!("cloudchamber-agent"))
}

pub(crate) fn run(folder: &Path, local: &Path, args: &[&str]) -> Output {
    run_group("journal", folder, local, args)
}

/// Runs a command of a group.
pub(crate) fn run_group(group: &str, folder: &Path, local: &Path, args: &[&str]) -> Output {
    command(group, folder, local, args).output().unwrap()
}

/// A command of a group, such as `journal`, on a folder and a local directory.
pub(crate) fn command(group: &str, folder: &Path, local: &Path, args: &[&str]) -> Command {
    let mut command = agent();
    command.arg(group).arg(args[0]).arg("--folder").arg(folder).arg("--local").arg(local).args(&args[1..]);
    command
}

pub(crate) fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/fray").join(name)
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every file below a directory, by its path within.
pub(crate) fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in dir.read_dir().unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                dirs.push(entry.path());
            } else {
                let name = entry.path().strip_prefix(root).unwrap().to_owned();
                found.insert(name, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    found
}
