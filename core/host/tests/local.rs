//! Where an agent keeps what must not leave its machine, as its users meet it.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use support::{FAST, agent, copy, data, files, json, ok, said};

mod support;

/// A user's home and a shared folder in it.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("team")
    }

    /// The directory that the agent makes for the folder's journals.
    fn local(&self) -> PathBuf {
        let all = self.dir.path().join("state/cloudchamber");
        let mut dirs: Vec<_> = all.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(dirs.len(), 1, "{dirs:?}");
        dirs.remove(0).join("journal")
    }

    /// A command without `--local`.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = agent();
        command.arg("journal").arg(args[0]).arg("--folder").arg(self.folder()).args(&args[1..]);
        command.env("HOME", self.dir.path()).env("XDG_STATE_HOME", self.dir.path().join("state"));
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Puts the local directory where earlier versions had it by default.
    fn leave_inside(&self) -> PathBuf {
        let inner = self.folder().join("local");
        std::fs::rename(self.local(), &inner).unwrap();
        inner
    }
}

fn refused(output: &Output, words: &[&str]) {
    let told = said(output);
    assert!(output.status.code() == Some(2) && words.iter().all(|word| told.contains(word)), "{output:?}");
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn nothing_local_lies_in_the_shared_folder() {
    let home = Home::new();
    ok(&home.run(&["init", "--machine", "laptop"]));
    ok(&home.run(&["append", "--from", "opus", "--say", "hi"]));
    ok(&home.run(&["rebuild"]));
    ok(&home.run(&["show"]));
    ok(&home.run(&["verify"]));
    let shared = files(&home.folder());
    assert!(shared.keys().all(|name| name.starts_with("shared")), "{:?}", shared.keys());
    assert!(home.local().join("view.db").is_file() && home.local().join("machine-id").is_file());
    for inside in ["local", "shared/local", "shared/machines/laptop/local"] {
        let inside = home.folder().join(inside);
        let given = inside.to_str().unwrap();
        for command in ["append", "rebuild", "show", "verify", "watch"] {
            let mut args = vec![command, "--local", given];
            args.extend(if command == "append" { &["--from", "opus", "--say", "hi"][..] } else { &[] });
            refused(&home.run(&args), &[given, "inside the shared folder", "--local"]);
        }
        assert!(!inside.exists(), "who is refused makes nothing");
    }
}

#[test]
fn a_local_directory_that_was_left_inside_is_moved_and_nothing_is_lost() {
    let home = Home::new();
    ok(&home.run(&["init", "--machine", "laptop"]));
    for word in ["one", "two"] {
        ok(&home.run(&["append", "--from", "opus", "--say", word]));
    }
    let before = files(&home.local());
    let inner = home.leave_inside();
    // Who only looks says it, and moves nothing.
    let shown = home.run(&["show"]);
    assert!(ok(&shown).contains("one") && said(&shown).contains("client copies"), "{shown:?}");
    assert_eq!(files(&inner), before);
    let appended = home.run(&["append", "--json", "--from", "opus", "--say", "three"]);
    let told = said(&appended);
    assert!(told.starts_with("moved: ") && told.contains("inside the shared folder"), "{told}");
    assert_eq!(json(&appended)["events"][0]["seq"], 3);
    assert!(!inner.exists());
    let after = files(&home.local());
    let shadow = Path::new("shadow/laptop/messages.jsonl");
    assert!(after[shadow].starts_with(&before[shadow]) && after[shadow].len() > before[shadow].len());
    let owner = |files: &std::collections::BTreeMap<PathBuf, Vec<u8>>| {
        let identity: Value = serde_json::from_slice(&files[Path::new("machine-id")]).unwrap();
        (identity["id"].clone(), identity["owner"].clone())
    };
    assert_eq!(owner(&before), owner(&after));
    assert_eq!(json(&home.run(&["verify", "--json"]))["problems"], Value::Array(vec![]));
    assert!(said(&home.run(&["append", "--from", "opus", "--say", "four"])).is_empty());
}

#[test]
fn a_local_directory_of_another_machine_is_taken_over_by_nobody() {
    let home = Home::new();
    ok(&home.run(&["init", "--machine", "laptop"]));
    ok(&home.run(&["append", "--from", "opus", "--say", "one"]));
    let inner = home.leave_inside();
    refused(&home.run(&["init", "--machine", "desk"]), &["laptop", "journal init --machine laptop"]);
    assert!(inner.exists());
    // Where this machine has one of its own, the other one stays and is told.
    let own = home.dir.path().join("own");
    copy(&inner, &own);
    std::fs::write(own.join("machine-id"), r#"{"id":"desk","seq":0,"created_at":1,"owner":"00000007"}"#)
        .unwrap();
    let given = own.to_str().unwrap();
    let appended = home.run(&["append", "--local", given, "--from", "opus", "--say", "hi"]);
    assert!(ok(&appended).contains("shared/machines/desk/"), "{appended:?}");
    assert!(said(&appended).contains("it is not used"), "{appended:?}");
    assert!(inner.join("machine-id").exists());
}

/// A copy of a local directory is no second way into the same machine: it goes on as another one.
#[test]
fn a_copy_of_a_local_directory_becomes_a_machine_of_its_own() {
    let home = Home::new();
    ok(&home.run(&["init", "--machine", "laptop"]));
    ok(&home.run(&["append", "--from", "opus", "--say", "one"]));
    let own = home.dir.path().join("copy");
    copy(&home.local(), &own);
    let append = ["append", "--local", own.to_str().unwrap(), "--from", "opus", "--say", "two", "--json"];
    let copied = home.run(&append);
    ok(&copied);
    assert!(said(&copied).contains("was copied or restored from a backup"), "{copied:?}");
    assert!(json(&copied)["machine"].as_str().unwrap().starts_with("laptop-"), "{copied:?}");
    let original = home.run(&["append", "--from", "opus", "--say", "three", "--json"]);
    assert_eq!(json(&original)["machine"], "laptop");
    let show = json(&home.run(&["show", "--json"]));
    assert_eq!(show["messages"].as_array().unwrap().len(), 3, "{show}");
}

#[test]
fn a_folder_that_is_moved_keeps_its_machine() {
    let home = Home::new();
    std::fs::create_dir(home.folder()).unwrap();
    ok(&home.run(&["init", "--machine", "laptop"]));
    ok(&home.run(&["append", "--from", "opus", "--say", "one"]));
    let moved = home.dir.path().join("elsewhere");
    std::fs::rename(home.folder(), &moved).unwrap();
    let append = |folder: &Path| {
        let mut command = agent();
        command
            .args(["journal", "append", "--from", "opus", "--say", "two", "--json", "--folder"])
            .arg(folder);
        command.env("HOME", home.dir.path()).env("XDG_STATE_HOME", home.dir.path().join("state"));
        command.stdin(Stdio::null()).output().unwrap()
    };
    let again = append(&moved);
    ok(&again);
    assert!(said(&again).contains("this folder was"), "{again:?}");
    let told = json(&again);
    assert_eq!((&told["machine"], &told["events"][0]["seq"]), (&Value::from("laptop"), &Value::from(2)));
    // Another folder in the old place is another one: nothing of this machine is there.
    std::fs::create_dir_all(home.folder().join("shared/machines")).unwrap();
    refused(&append(&home.folder()), &["journal init"]);
}

/// Upstream's programs keep a local directory beside `shared`, which is all that they have copied.
#[test]
fn what_upstream_keeps_beside_the_shared_directory_is_read_and_left_alone() {
    let home = Home::new();
    copy(&data("multi/dogfood-3"), &home.folder());
    let inner = home.folder().join("local");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(inner.join("machine-id"), r#"{"id":"laptop","seq":0,"created_at":1767137000}"#).unwrap();
    std::fs::write(inner.join("runtime.jsonl"), "nonsense\n").unwrap();
    let before = files(&home.folder());
    json(&home.run(&["show", "--json"]));
    let verified = json(&home.run(&["verify", "--json"]))["problems"].to_string();
    assert!(
        verified.contains("local/runtime.jsonl"),
        "what upstream's programs keep locally is read: {verified}"
    );
    assert_eq!(files(&home.folder()), before);
    assert!(!home.dir.path().join("state").exists());
    refused(&home.run(&["append", "--from", "opus", "--say", "hi"]), &["--only-shared-is-synced"]);
    let append = ["append", "--only-shared-is-synced", "--from", "opus", "--say", "hi"];
    assert!(ok(&home.run(&append)).contains("shared/machines/laptop/"));
    assert!(inner.join("shadow/laptop/messages.jsonl").is_file());
    let beneath = home.folder().join("shared/local");
    let given = ["show", "--only-shared-is-synced", "--local", beneath.to_str().unwrap()];
    refused(&home.run(&given), &["beside `shared`"]);
}

#[test]
fn a_folder_is_made_by_init_alone_and_only_in_one_that_is_there() {
    let home = Home::new();
    let disk = home.dir.path().join("disk");
    let place = disk.join("team");
    let run = |args: &[&str]| {
        let mut command = agent();
        command.args(["journal", args[0], "--folder"]).arg(&place).args(&args[1..]);
        command.arg("--local").arg(home.dir.path().join("local")).stdin(Stdio::null()).output().unwrap()
    };
    refused(&run(&["init", "--machine", "laptop"]), &["disk/team", "can be made in one"]);
    assert!(!disk.exists());
    std::fs::create_dir(&disk).unwrap();
    ok(&run(&["init", "--machine", "laptop"]));
    std::fs::remove_dir_all(&place).unwrap();
    for args in [&["append", "--from", "opus", "--say", "hi"][..], &["rebuild"], &["watch"], &["show"]] {
        refused(&run(args), &["there is no such directory"]);
    }
    assert!(!place.exists());
}

#[test]
fn an_agent_of_a_folder_that_is_not_there_makes_nothing() {
    let home = Home::new();
    let place = |name: &str| home.dir.path().join(name);
    for (command, more) in
        [("run", &["--", "true"][..]), ("activate", &["a"]), ("leave", &[]), ("status", &[])]
    {
        let mut agent = agent();
        agent.args([command, "--folder"]).arg(place("nowhere")).arg("--local").arg(place("local")).args(more);
        refused(&agent.stdin(Stdio::null()).output().unwrap(), &["there is no such directory"]);
        assert!(!place("nowhere").exists() && !place("local").exists(), "{command}");
    }
}

/// Starts an agent in a user's directory, and gives what it says up to who it is; it is ended then.
fn who(home: &Path, more: &[&str]) -> Vec<String> {
    use std::io::{BufRead, BufReader};
    std::fs::write(home.join("fast.toml"), FAST).unwrap();
    let mut command = agent();
    command
        .arg("run")
        .arg("--folder")
        .arg(home.join("Sync/team"))
        .arg("--settings")
        .arg(home.join("fast.toml"));
    command.args(more).args(["--", "true"]);
    command.env("HOME", home).env("XDG_STATE_HOME", home.join("state"));
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut said = Vec::new();
    for line in lines {
        let is_who = line.contains("this replica is");
        said.push(line);
        if is_who {
            break;
        }
    }
    // It has to be there for a moment, so that its files say who it is.
    let beat = home.join("Sync/team/devices");
    while !beat.is_dir() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    said
}

#[test]
fn a_voter_is_found_again_when_the_users_directory_gets_another_name_and_nobody_waits_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (dir.path().join("ann"), dir.path().join("anna"));
    std::fs::create_dir_all(old.join("Sync/team")).unwrap();
    let id = |said: &[String]| said.last().unwrap().rsplit(' ').next().unwrap().to_owned();
    let first = id(&who(&old, &[]));
    let voter = first.rsplit_once('#').map_or(first.clone(), |(voter, _)| voter.to_owned());
    assert!(voter.contains("/ann/"), "{voter}");
    std::fs::rename(&old, &new).unwrap();
    let voters = ["--policy", "majority", "--voter", &voter, "--voter", "other:/sync"];
    let said = who(&new, &voters);
    assert_eq!(id(&said), first, "{said:?}");
    assert!(said.iter().any(|line| line.contains("it goes on under the name it has")), "{said:?}");
    assert!(!said.iter().any(|line| line.contains("not among the voters")), "{said:?}");
    // One that nobody counts as a voter is told so, and how to go on.
    let said = who(&new, &["--policy", "majority", "--voter", "third:/sync", "--voter", "other:/sync"]);
    let told = said.iter().find(|line| line.contains("is not among the voters")).unwrap();
    assert!(told.contains("voters add") && told.contains("--local"), "{told}");
}
