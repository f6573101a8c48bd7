//! Two machines that chose one id, as their users meet it: the agent on two folders and a client between them.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use support::{copy, data, files, json, ok, run, said};

mod support;

/// A machine and its folder.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Machine {
    /// The name of its claim's file: of two of one length the lesser one holds.
    claim: String,
    owner: String,
    folder: PathBuf,
    local: PathBuf,
}

impl Machine {
    /// A machine that chose `laptop` and appended before it heard of any other.
    fn init(dir: &Path, name: &str) -> Self {
        let (folder, local) = (dir.join(name), dir.join(format!("local-{name}")));
        let made = json(&run(&folder, &local, &["init", "--machine", "laptop", "--json"]));
        ok(&run(&folder, &local, &["append", "--from", "opus", "--say", &format!("before {name}")]));
        let claims = files(&folder.join("shared/machines/laptop")).into_keys();
        let mut claims = claims.filter(|file| file.to_str().unwrap().starts_with("owner-"));
        let claim = claims.next().unwrap().to_str().unwrap().to_owned();
        assert_eq!(claims.next(), None);
        let owner = made["owner"].as_str().unwrap().to_owned();
        assert!(claim.ends_with(&format!("-{owner}.json")), "{claim}");
        Self { claim, owner, folder, local }
    }

    fn run(&self, args: &[&str]) -> Output {
        run(&self.folder, &self.local, args)
    }

    /// Whose the id is, as `verify` tells it once the other one goes on as `fresh`.
    fn tells_what_became(&self, winner: &Self, loser: &Self, fresh: &str) {
        let verified = json(&self.run(&["verify", "--json"]));
        assert_eq!(texts(&verified["problems"], "kind"), BTreeSet::from(["conflict-copy"]), "{verified}");
        let row = |row: &Value| ["machine", "owner", "moved"].map(|key| row[key].as_str().map(str::to_owned));
        let told: Vec<_> = verified["owners"].as_array().unwrap().iter().map(row).collect();
        let expected = [
            ("laptop", &winner.owner, None),
            ("laptop", &loser.owner, Some(fresh.to_owned())),
            (fresh, &loser.owner, None),
        ];
        let expected =
            expected.map(|(machine, owner, moved)| [Some(machine.to_owned()), Some(owner.clone()), moved]);
        assert_eq!(told, expected, "{verified}");
        let output = self.run(&["verify"]);
        assert_eq!(output.status.code(), Some(1), "the conflict copies are still there");
        let text = String::from_utf8(output.stdout).unwrap();
        let sentence =
            format!("laptop belongs to {}; {} chose it too, and is {fresh} now", winner.owner, loser.owner);
        assert!(text.contains(&sentence), "{text}");
    }
}

/// What rows of JSON have under a key.
fn texts<'a>(rows: &'a Value, key: &str) -> BTreeSet<&'a str> {
    rows.as_array().unwrap().iter().map(|row| row[key].as_str().unwrap()).collect()
}

/// What a sync client makes of two folders that were in step when both had `before`: where both changed a file the first
/// one's version stays, and of a journal the other one's becomes a conflict copy.
fn sync(folders: [&Path; 2], before: &BTreeMap<PathBuf, Vec<u8>>) -> BTreeMap<PathBuf, Vec<u8>> {
    let [mut stays, other] = folders.map(files);
    for (name, bytes) in other {
        let (first, known) = (stays.get(&name), before.get(&name));
        if known == Some(&bytes) || first == Some(&bytes) {
            continue;
        }
        if first == known {
            stays.insert(name, bytes);
        } else if name.extension().is_some_and(|extension| extension == "jsonl") {
            let stem = name.file_stem().unwrap().to_str().unwrap();
            let copy = format!("{stem} (conflicted copy 2026-01-01).jsonl");
            stays.insert(name.with_file_name(copy), bytes);
        }
    }
    for (folder, (name, bytes)) in
        folders.iter().flat_map(|folder| stays.iter().map(move |file| (folder, file)))
    {
        std::fs::create_dir_all(folder.join(name).parent().unwrap()).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    }
    stays
}

/// Two machines that chose one id and have just met, the one that keeps it first. The version of the one at `stays`
/// stays in the folder.
fn met(dir: &Path, stays: usize) -> ([Machine; 2], BTreeMap<PathBuf, Vec<u8>>) {
    let mut machines = ["a", "b"].map(|name| Machine::init(dir, name));
    // Both within a second or in two: the elder one, and then the lower nonce. The times have as many digits.
    machines.sort();
    let together = sync(in_order(&machines, stays), &BTreeMap::new());
    (machines, together)
}

fn in_order(machines: &[Machine; 2], stays: usize) -> [&Path; 2] {
    [stays, 1 - stays].map(|at| &*machines[at].folder)
}

#[test]
fn who_lost_an_id_says_so_and_goes_on_under_another() {
    for stays in [0, 1] {
        let dir = tempfile::tempdir().unwrap();
        let (machines, _) = met(dir.path(), stays);
        let [winner, loser] = &machines;
        let verified = loser.run(&["verify", "--json"]);
        assert_eq!(verified.status.code(), Some(1));
        let problems = json(&verified)["problems"].clone();
        let contested: Vec<_> =
            problems.as_array().unwrap().iter().filter(|problem| problem["kind"] == "contested-id").collect();
        let detail = contested[0]["detail"].as_str().unwrap();
        assert!(
            contested.len() == 1 && detail.contains(&winner.owner) && detail.contains(&loser.owner),
            "{problems}"
        );
        assert!(!texts(&problems, "kind").contains("sequence-reuse"));
        for (command, told) in [("verify", &verified), ("show", &loser.run(&["show"]))] {
            let said = said(told);
            assert!(
                said.contains(&winner.claim) && said.contains("belongs to another machine"),
                "{command}: {said}"
            );
        }
        let fresh = format!("laptop-{}", loser.owner);
        let appended = loser.run(&["append", "--json", "--from", "opus", "--say", "after @dev"]);
        let told = said(&appended);
        assert!([&winner.claim, &fresh, "rename"].iter().all(|word| told.contains(*word)), "{told}");
        let appended = json(&appended);
        assert_eq!(appended["machine"], *fresh);
        let line = appended["events"][0]["line"].as_str().unwrap();
        assert!(line.contains(&format!("dev@{fresh}")), "{line}");
    }
}

#[test]
fn two_machines_that_chose_one_id_settle_whose_it_is() {
    for stays in [0, 1] {
        let dir = tempfile::tempdir().unwrap();
        let (machines, together) = met(dir.path(), stays);
        let [winner, loser] = &machines;
        let fresh = format!("laptop-{}", loser.owner);
        ok(&loser.run(&["append", "--from", "opus", "--say", "after @dev"]));
        let appended = winner.run(&["append", "--from", "opus", "--say", "after"]);
        assert!(ok(&appended).contains("shared/machines/laptop/messages.jsonl"));
        sync(in_order(&machines, stays), &together);
        machines.iter().for_each(|machine| machine.tells_what_became(winner, loser, &fresh));

        // What the other one kept lies beside: the conflict copies can go.
        for folder in in_order(&machines, stays) {
            let names = files(folder).into_keys();
            for name in names.filter(|name| name.to_str().unwrap().contains("conflicted")) {
                std::fs::remove_file(folder.join(name)).unwrap();
            }
        }
        for machine in &machines {
            ok(&machine.run(&["verify"]));
            let shown = json(&machine.run(&["show", "--json"]));
            let bodies = BTreeSet::from(["before a", "before b", "after @dev", "after"]);
            assert_eq!(texts(&shown["messages"], "body"), bodies);
        }

        // The way back is closed, and the one to a better name is open.
        let again = loser.run(&["init", "--machine", "laptop"]);
        assert!(again.status.code() == Some(2) && said(&again).contains(&fresh), "{again:?}");
        ok(&loser.run(&["rename", &fresh, "desk"]));
        let appended = ok(&loser.run(&["append", "--from", "opus", "--say", "named"]));
        assert!(appended.contains("shared/machines/desk/messages.jsonl"), "{appended}");
        ok(&loser.run(&["verify"]));
    }
}

#[test]
fn a_machine_that_was_there_before_there_were_owners_claims_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local) = (dir.path().join("folder"), dir.path().join("local"));
    copy(&data("multi/dogfood-3"), &folder);
    std::fs::create_dir_all(&local).unwrap();
    std::fs::write(local.join("machine-id"), r#"{"id":"laptop","seq":0,"created_at":1767137000}"#).unwrap();
    let machine = folder.join("shared/machines/laptop");
    let before = files(&machine);
    ok(&run(&folder, &local, &["show"]));
    assert_eq!(files(&machine), before, "who only looks changes nothing");
    ok(&run(&folder, &local, &["append", "--from", "opus", "--say", "hi"]));
    let made: Vec<_> = files(&machine).into_keys().filter(|name| !before.contains_key(name)).collect();
    let claim = made.iter().find_map(|name| name.to_str()?.strip_prefix("owner-1767137000-")).unwrap();
    let identity: Value = serde_json::from_slice(&std::fs::read(local.join("machine-id")).unwrap()).unwrap();
    assert_eq!(format!("{}.json", identity["owner"].as_str().unwrap()), claim);
    // Programs that know nothing of owners write the identity without: the copy knows it.
    let seq = identity["seq"].as_i64().unwrap();
    let text = format!(r#"{{"id":"laptop","seq":{seq},"created_at":1767137000}}"#);
    std::fs::write(local.join("machine-id"), text).unwrap();
    let again = run(&folder, &local, &["append", "--from", "opus", "--say", "again"]);
    assert!(ok(&again).contains("shared/machines/laptop/") && said(&again).is_empty(), "{again:?}");
    assert_eq!(made.len(), files(&machine).len() - before.len());
    // A newcomer that has not heard of it gives way, whatever its nonce.
    let (other, other_local) = (dir.path().join("other"), dir.path().join("other-local"));
    ok(&run(&other, &other_local, &["init", "--machine", "laptop"]));
    copy(&folder, &other);
    let newcomer = run(&other, &other_local, &["append", "--from", "opus", "--say", "hi"]);
    assert!(ok(&newcomer).contains("shared/machines/laptop-") && !said(&newcomer).is_empty(), "{newcomer:?}");
}
