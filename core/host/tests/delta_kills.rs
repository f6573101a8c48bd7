//! Delta commands that are killed at random moments lose nothing that was acknowledged.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Stdio};

use serde_json::Value;
use support::{command, json, ok};

mod support;

/// What was tried with one entity, in order (its value, or None for a deletion), and the last of it that was
/// acknowledged.
#[derive(Default)]
struct Tried {
    all: Vec<Option<u64>>,
    acknowledged: Option<usize>,
}

const MACHINES: [&str; 2] = ["one", "two"];
/// How many entities each machine writes that no other does, and how many both write.
const OWN: u64 = 24;
const BOTH: u64 = 4;

fn delta(dir: &Path, machine: &str, args: &[&str]) -> std::process::Command {
    let local = dir.join(format!("local-{machine}"));
    let mut command = command("delta", &dir.join("folder"), &local, args);
    command.args(["--name", machine]);
    command
}

/// A process that puts one round of changes.
fn writer(dir: &Path, machine: &str, kill: u64, tried: &mut BTreeMap<String, Tried>) -> Child {
    let mut command = delta(dir, machine, &["put", "-"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for n in 0..OWN {
        let id = format!("{machine}-{n}");
        let is_deleted = n % 6 == 0 && kill % 3 == 2;
        let line = match is_deleted {
            true => format!(r#"{{"kind":"task","id":"{id}","delete":true}}"#),
            false => {
                let more = "x".repeat(usize::try_from(n).unwrap() * 20);
                format!(r#"{{"kind":"task","id":"{id}","set":{{"round":{kill},"more":"{more}"}}}}"#)
            }
        };
        tried.entry(id).or_default().all.push((!is_deleted).then_some(kill));
        // It may be gone already.
        let _ = writeln!(input, "{line}");
    }
    for n in 0..BOTH {
        let _ = writeln!(input, r#"{{"kind":"both","id":"b{n}","set":{{"by":"{machine} {kill}"}}}}"#);
    }
    child
}

/// Takes note of what a process acknowledged.
fn acknowledged(child: &mut Child, tried: &mut BTreeMap<String, Tried>) -> u64 {
    let mut count = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        let Some(rest) = line.strip_prefix("task ") else { continue };
        let Some((id, told)) = rest.split_once(' ') else { continue };
        if told.starts_with("acknowledged as ") || told == "unchanged" {
            let tried = tried.get_mut(id).unwrap();
            tried.acknowledged = Some(tried.all.len() - 1);
            count += 1;
        }
    }
    count
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }

    /// Kills processes at a moment that is drawn: from before they began to after they are done.
    fn kill(&mut self, children: &mut [Child], most_us: u64) {
        let spins = self.below(most_us);
        let started = std::time::Instant::now();
        while u64::try_from(started.elapsed().as_micros()).unwrap() < spins {
            std::thread::yield_now();
        }
        for child in children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

/// `CLOUDCHAMBER_KILLS` sets how many kills (1000 take some minutes).
#[test]
fn killed_puts_and_syncs_lose_nothing_and_both_machines_agree() {
    let kills: u64 = std::env::var("CLOUDCHAMBER_KILLS").map_or(24, |kills| kills.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::create_dir(dir.join("folder")).unwrap();
    ok(&delta(dir, "two", &["sync", "--layout", "split-lite"]).output().unwrap());
    let (mut tried, mut random, mut count) = (BTreeMap::new(), Random(0x9e37_79b9_7f4a_7c15), 0);
    for kill in 0..kills.div_ceil(2) {
        let mut writers = MACHINES.map(|machine| writer(dir, machine, kill, &mut tried));
        random.kill(&mut writers, 80_000);
        writers.iter_mut().for_each(|child| count += acknowledged(child, &mut tried));
        let mut syncs = MACHINES.map(|machine| {
            let mut command = delta(dir, machine, &["sync"]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        });
        random.kill(&mut syncs, 80_000);
    }
    for machine in MACHINES.iter().cycle().take(6) {
        let synced = delta(dir, machine, &["sync", "--json"]).output().unwrap();
        assert_eq!(json(&synced)["problems"], Value::Array(vec![]), "{machine}");
    }
    let show = |machine: &str| {
        let list = |what: &str| json(&delta(dir, machine, &[what, "--json"]).output().unwrap());
        (list("list")["entities"].clone(), list("conflicts")["conflicts"].clone())
    };
    let (entities, conflicts) = show("one");
    assert_eq!(show("two"), (entities.clone(), conflicts.clone()));
    let there: BTreeMap<&str, u64> = (entities.as_array().unwrap().iter())
        .filter(|entity| entity["kind"] == "task")
        .map(|entity| (entity["id"].as_str().unwrap(), entity["fields"]["round"].as_u64().unwrap()))
        .collect();
    for (id, tried) in &tried {
        let Some(acknowledged) = tried.acknowledged else { continue };
        let is = there.get(id.as_str()).copied();
        assert!(
            tried.all[acknowledged..].contains(&is),
            "{id} is {is:?}, and {:?} was acknowledged: {:?}",
            tried.all[acknowledged],
            tried.all
        );
    }
    // Only what both write may be a conflict.
    assert!(conflicts.as_array().unwrap().iter().all(|conflict| conflict["kind"] == "both"), "{conflicts}");
    assert!(count > kills, "{count} acknowledged changes for {kills} kills prove little");
}
