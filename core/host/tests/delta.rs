//! The delta commands as users meet them, on real folders.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use support::{Running, agent, command, copy, files, json, ok, said};

mod support;

/// A folder, and the local directories of those that work on it.
struct Case {
    dir: tempfile::TempDir,
}

impl Case {
    fn new() -> Self {
        let case = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(case.folder()).unwrap();
        case
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("folder")
    }

    fn local(&self, who: &str) -> PathBuf {
        self.dir.path().join(format!("local-{who}"))
    }

    fn command(&self, who: &str, args: &[&str]) -> std::process::Command {
        let mut command = command("delta", &self.folder(), &self.local(who), args);
        command.args(["--name", who]);
        command
    }

    fn run(&self, who: &str, args: &[&str]) -> Output {
        self.command(who, args).output().unwrap()
    }

    fn ok(&self, who: &str, args: &[&str]) -> String {
        ok(&self.run(who, args))
    }

    /// The last line of a sync.
    fn sync(&self, who: &str) -> String {
        self.ok(who, &["sync"]).lines().last().unwrap().to_owned()
    }

    /// Gives changes on standard input.
    fn give(&self, who: &str, lines: &str) -> Output {
        let mut command = self.command(who, &["put", "-"]);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// What all replicas have to agree on: entities with their fields, and conflicts.
    fn picture(&self, who: &str) -> (Vec<Value>, Vec<Value>) {
        let entities = json(&self.run(who, &["list", "--json"]))["entities"].as_array().unwrap().clone();
        let conflicts =
            json(&self.run(who, &["conflicts", "--json"]))["conflicts"].as_array().unwrap().clone();
        (entities, conflicts)
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data").join(name)
}

#[test]
fn what_one_machine_puts_the_other_lists_and_each_sync_says_what_moved() {
    let case = Case::new();
    for id in ["t1", "t2"] {
        let told = case.ok("one", &["put", "task", id, "title=Buy milk", "tags:=[\"shop\"]"]);
        assert!(told.starts_with(&format!("task {id} acknowledged as ")), "{told}");
    }
    case.ok("one", &["put", "project", "t1", "name=Home"]);
    assert_eq!(case.sync("one"), "1 project, 2 tasks sent");
    assert_eq!(case.sync("two"), "1 project, 2 tasks received");
    assert_eq!(case.picture("one"), case.picture("two"));
    let listed = case.ok("two", &["list", "--kind", "task"]);
    let line = r#"task t1 v1 {"tags":["shop"],"title":"Buy milk"}"#;
    assert_eq!(listed.lines().next().unwrap(), line);
    assert_eq!(listed.lines().count(), 2);
    case.ok("two", &["put", "task", "t1", "done:=true", "--unset", "tags"]);
    assert!(case.ok("two", &["put", "task", "t1", "done:=true"]).contains("task t1 unchanged"));
    case.ok("two", &["delete", "task", "t2"]);
    assert_eq!(case.sync("two"), "2 tasks sent");
    assert!(case.ok("two", &["list", "--deleted"]).contains("task t2 v2 deleted"));
    // Both have heard of the deletion now.
    assert_eq!(case.sync("one"), "2 tasks received; 1 tombstone collected");
    let listed = case.ok("one", &["list", "--kind", "task"]);
    assert_eq!(listed, "task t1 v2 {\"done\":true,\"title\":\"Buy milk\"}\n");
    // Each has heard that the other has heard: the tombstone goes, and then nothing is left to do.
    for who in ["two", "one", "two", "one"] {
        case.sync(who);
    }
    assert_eq!((case.sync("one"), case.sync("two")), ("nothing to do".into(), "nothing to do".into()));
}

#[test]
fn a_dry_run_says_what_would_move_and_writes_nothing() {
    let case = Case::new();
    case.ok("one", &["put", "task", "t1", "title=a"]);
    case.sync("one");
    case.ok("two", &["put", "task", "t2", "title=b"]);
    let before = (files(&case.folder()), files(&case.local("two")));
    let told = case.ok("two", &["sync", "--dry-run"]);
    assert_eq!(told, "task t1 would be received\ntask t2 would be sent\n1 task received; 1 task sent\n");
    let told = json(&case.run("two", &["sync", "--dry-run", "--json"]));
    assert_eq!(told["dryRun"], true);
    assert_eq!(told["received"], json!([{ "kind": "task", "id": "t1" }]));
    assert_eq!(told["counts"], json!({ "received": { "task": 1 }, "sent": { "task": 1 } }));
    // A layout is for good, so it is not for a sync that is not done.
    let refused = case.run("two", &["sync", "--dry-run", "--layout", "split-lite"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(&refused).contains("--layout"), "{refused:?}");
    assert_eq!((files(&case.folder()), files(&case.local("two"))), before);
    assert_eq!(case.sync("two"), "1 task received; 1 task sent");
}

/// Two edits of one field, of which neither had seen the other.
fn conflict() -> Case {
    let case = Case::new();
    case.ok("one", &["put", "task", "t1", "title=first", "note=same"]);
    case.sync("one");
    case.sync("two");
    case.ok("one", &["put", "task", "t1", "title=of one"]);
    case.ok("two", &["put", "task", "t1", "title=of two", "note=other"]);
    case.sync("one");
    let told = case.ok("two", &["sync"]);
    assert_eq!(told, "1 task sent; 1 conflict kept\n");
    case.sync("one");
    assert_eq!(case.picture("one"), case.picture("two"));
    case
}

#[test]
fn the_edit_that_lost_is_listed_everywhere_and_restored_by_anybody() {
    let case = conflict();
    let (entities, conflicts) = case.picture("one");
    assert_eq!(entities[0]["fields"], json!({ "note": "other", "title": "of two" }));
    let lost = &conflicts[0];
    assert_eq!((conflicts.len(), &lost["set"]), (1, &json!({ "title": "of one" })));
    assert_eq!((&lost["reason"], &lost["now"]), (&"same-field".into(), &json!({ "title": "of two" })));
    let id = lost["conflict"].as_str().unwrap();
    let told = case.ok("two", &["conflicts"]);
    assert!(told.contains(id) && told.contains("title: \"of one\"   now: \"of two\""), "{told}");
    let unknown = case.run("two", &["restore", "c00"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(said(&unknown).contains("there is no conflict `c00`: delta conflicts lists"), "{unknown:?}");
    assert!(case.ok("two", &["restore", id]).starts_with("task t1 restored"));
    case.sync("two");
    case.sync("one");
    let (entities, conflicts) = case.picture("one");
    assert_eq!(entities[0]["fields"], json!({ "note": "other", "title": "of one" }));
    assert_eq!((conflicts, case.picture("two").1), (vec![], vec![]));
    assert!(case.ok("one", &["conflicts"]).contains("no conflicts"));
}

#[test]
fn what_is_dismissed_is_a_conflict_nowhere() {
    let case = conflict();
    let id = case.picture("one").1[0]["conflict"].as_str().unwrap().to_owned();
    case.ok("one", &["restore", "--dismiss", &id]);
    case.sync("one");
    case.sync("two");
    assert_eq!(case.picture("two").1, Vec::<Value>::new());
    assert_eq!(case.picture("two").0[0]["fields"]["title"], "of two");
}

#[test]
fn an_edit_of_what_was_deleted_meanwhile_can_be_restored_whole() {
    let case = Case::new();
    case.ok("one", &["put", "task", "t1", "title=t", "note=n"]);
    case.sync("one");
    case.sync("two");
    case.ok("one", &["delete", "task", "t1"]);
    case.ok("two", &["put", "task", "t1", "title=edited"]);
    case.sync("one");
    case.sync("two");
    case.sync("one");
    assert_eq!(case.picture("one"), case.picture("two"));
    let (entities, conflicts) = case.picture("one");
    assert_eq!((entities, &conflicts[0]["reason"]), (vec![], &"deleted".into()));
    case.ok("one", &["restore", conflicts[0]["conflict"].as_str().unwrap()]);
    case.sync("one");
    case.sync("two");
    assert_eq!(case.picture("two").0[0]["fields"], json!({ "note": "n", "title": "edited" }));
}

#[test]
fn values_keep_every_digit() {
    let case = Case::new();
    let exact =
        ["123456789012345678901234567890", "9007199254740993", "1.0", "1e400", "null", "\"\u{1f600}\""];
    let fields: Vec<String> = exact.iter().enumerate().map(|(at, value)| format!("f{at}:={value}")).collect();
    let mut args = vec!["put", "metric", "m 1/é"];
    args.extend(fields.iter().map(String::as_str));
    case.ok("one", &args);
    case.sync("one");
    case.sync("two");
    for told in [case.ok("two", &["list", "--json"]), case.ok("two", &["list"])] {
        for (at, value) in exact.iter().enumerate() {
            assert!(told.contains(&format!("\"f{at}\":{value}")), "{value}: {told}");
        }
    }
}

#[test]
fn changes_from_standard_input_count_up_to_the_bad_one() {
    let case = Case::new();
    let mut lines: Vec<String> =
        (0..25).map(|n| format!(r#"{{"kind":"task","id":"t{n}","set":{{"n":{n}}}}}"#)).collect();
    lines.push(r#"{"kind":"task","id":"t0","delete":true}"#.to_owned());
    lines.push(r#"{"kind":"task","id":"t1","title":"x"}"#.to_owned());
    let told = case.give("one", &lines.join("\n"));
    assert_eq!(told.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&told.stdout).lines().count(), 26, "{told:?}");
    let why = "standard input, line 27: `title` is no part of a change, fields go into `set`: write {";
    assert!(said(&told).contains(why), "{told:?}");
    assert_eq!(case.picture("one").0.len(), 24);
    for (line, why) in [
        ("nonsense", "line 1: it is no JSON"),
        (r#"{"id":"a"}"#, "it has no text `kind`"),
        (r#"{"kind":"task","id":"a","set":[]}"#, "`set` is no JSON object"),
        (r#"{"kind":"task","id":"a","set":{"version":7}}"#, "the folder itself keeps `version`"),
        (r#"{"kind":"task","id":"a","set":{"b":1},"delete":true}"#, "it deletes and sets at once"),
    ] {
        let told = case.give("one", line);
        assert_eq!(told.status.code(), Some(2), "{line}");
        assert!(said(&told).contains(why), "{line}: {}", said(&told));
    }
    assert_eq!(case.picture("one").0.len(), 24);
}

#[test]
fn wrong_usage_says_what_and_the_way_out() {
    let case = Case::new();
    for (args, why) in [
        (vec!["put", "task"], "give an ID"),
        (vec!["put", "task", "t1", "title"], "`title` has no `=`: write a field as NAME=TEXT"),
        (vec!["put", "task", "t1", "n:=x"], "a text goes after `=` alone: n=x"),
        (vec!["put", "task", "t1", "id=x"], "the folder itself keeps `id`"),
        (vec!["put", "task", "t1", "a=1", "--unset", "a"], "`a` is set and unset"),
        (vec!["put", "", "t1", "a=1"], "no kind"),
        (vec!["import", "--state", "/nowhere/main.json"], "/nowhere/main.json"),
    ] {
        let told = case.run("one", &args);
        assert_eq!(told.status.code(), Some(2), "{args:?}: {told:?}");
        assert!(said(&told).contains(why), "{args:?}: {}", said(&told));
    }
    let none = case.run("one", &["delete", "task", "t9"]);
    assert_eq!(none.status.code(), Some(1), "{none:?}");
    assert!(said(&none).contains("task t9: there is none here"), "{none:?}");
    let never = case.run("never", &["list"]);
    assert_eq!(never.status.code(), Some(2));
    assert!(said(&never).contains("no replica there yet: run delta sync first"), "{never:?}");
    assert!(!case.local("never").exists(), "whoever only looks makes nothing");
}

#[test]
fn every_command_teaches_with_an_example() {
    for name in ["list", "put", "delete", "sync", "watch", "conflicts", "restore", "import"] {
        let help = ok(&agent().args(["delta", name, "--help"]).output().unwrap());
        assert!(help.contains("Example"), "{name}");
        assert!(help.contains(&format!("cloudchamber-agent delta {name} --folder")), "{name}");
    }
}

#[test]
fn a_folder_that_is_gone_or_emptied_is_said_and_nothing_is_written() {
    let case = Case::new();
    case.ok("one", &["put", "task", "t1", "title=t"]);
    case.sync("one");
    let (folder, aside) = (case.folder(), case.dir.path().join("aside"));
    let local = files(&case.local("one"));
    std::fs::rename(&folder, &aside).unwrap();
    let gone = case.run("one", &["sync"]);
    assert_eq!(gone.status.code(), Some(2));
    assert!(said(&gone).contains("the folder is away ("), "{gone:?}");
    assert!(!folder.exists());
    std::fs::create_dir(&folder).unwrap();
    for args in [&["sync"][..], &["sync", "--dry-run"]] {
        let away = case.run("one", args);
        assert_eq!(away.status.code(), Some(2));
        assert!(said(&away).contains("the folder is away"), "{away:?}");
        assert!(said(&away).contains("nothing is written until it is back"), "{away:?}");
    }
    assert_eq!((files(&folder), files(&case.local("one"))), (BTreeMap::new(), local));
    // What is put meanwhile is kept, and sent when the folder is back.
    case.ok("one", &["put", "task", "t2", "title=meanwhile"]);
    std::fs::remove_dir(&folder).unwrap();
    case.ok("one", &["put", "task", "t3", "title=meanwhile"]);
    let list = case.run("one", &["list"]);
    assert!(ok(&list).contains("task t3"), "{list:?}");
    assert!(said(&list).contains("folder: the folder is away; until it is back, this machine"), "{list:?}");
    let import = case.run("one", &["import"]);
    assert_eq!(import.status.code(), Some(2), "nothing was found because nothing was seen: {import:?}");
    assert!(said(&import).contains("error: the folder is away ("), "{import:?}");
    // Who never was there, and a directory that nobody has, are told apart from that.
    for args in [&["list"][..], &["put", "task", "t4", "title=t"], &["sync"]] {
        let never = case.run("other", args);
        assert_eq!(never.status.code(), Some(2));
        assert!(
            said(&never).contains("folder: there is no such directory: give the shared folder"),
            "{never:?}"
        );
    }
    assert!(!folder.exists() && !case.local("other").exists());
    std::fs::rename(&aside, &folder).unwrap();
    assert_eq!(case.sync("one"), "2 tasks sent");
}

#[test]
fn a_local_directory_inside_the_folder_is_refused() {
    let case = Case::new();
    let inside = case.folder().join("local");
    for args in [&["sync"][..], &["put", "task", "t1", "a=1"], &["list"]] {
        let told = command("delta", &case.folder(), &inside, args).output().unwrap();
        assert_eq!(told.status.code(), Some(2));
        assert!(said(&told).contains("it is inside the shared folder"), "{told:?}");
    }
    assert_eq!(files(&case.folder()), BTreeMap::new());
}

#[test]
fn files_that_are_no_entities_are_named_and_harm_nobody() {
    let case = Case::new();
    for id in ["t1", "t2", "t3"] {
        case.ok("one", &["put", "task", id, "title=t"]);
    }
    case.sync("one");
    let shared = files(&case.folder());
    let of = |name: &str| {
        let name = shared.keys().find(|path| path.ends_with(name)).unwrap();
        case.folder().join(name)
    };
    let (first, second, meta) = (of("task_t1.json"), of("task_t2.json"), of("meta.json"));
    let whole = std::fs::read(&meta).unwrap();
    std::fs::write(&first, vec![b'{'; 50 << 20]).unwrap();
    std::fs::write(&second, format!("{}1", "[".repeat(100_000))).unwrap();
    let told = case.run("two", &["sync"]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    for (name, kind) in [("task_t1.json", "file-too-large"), ("task_t2.json", "not-sound")] {
        assert!(
            said(&told).lines().any(|line| line.contains(name) && line.contains(kind)),
            "{}",
            said(&told)
        );
    }
    assert!(
        ok(&told).ends_with("1 task received; 1 task sent; 2 files still to come\n")
            || ok(&told).contains("2 files still to come"),
        "{}",
        ok(&told)
    );
    for bad in [&whole[..whole.len() / 2], b"", br#"{"schema":99}"#] {
        std::fs::write(&meta, bad).unwrap();
        let told = json(&case.run("two", &["sync", "--json"]));
        let problems = told["problems"].as_array().unwrap().iter();
        let named: Vec<_> =
            problems.filter(|problem| problem["file"].as_str().unwrap().ends_with("meta.json")).collect();
        assert!(named.len() == 1 && !named[0]["advice"].as_str().unwrap().is_empty(), "{told}");
    }
    // Its owner mends all of it, and the next sync finishes.
    std::fs::write(&meta, whole).unwrap();
    for name in ["task_t1.json", "task_t2.json"] {
        let path = shared.keys().find(|path| path.ends_with(name)).unwrap();
        std::fs::write(case.folder().join(path), &shared[path]).unwrap();
    }
    assert_eq!(case.sync("two"), "2 tasks received");
    assert_eq!(case.picture("one").0, case.picture("two").0);
}

#[test]
fn a_replica_keeps_its_layout_and_machines_with_different_ones_understand_each_other() {
    let case = Case::new();
    case.ok("one", &["put", "task", "t1", "title=t"]);
    case.ok("one", &["sync", "--layout", "split-lite"]);
    case.ok("one", &["put", "task", "t2", "title=t"]);
    case.sync("one");
    let names: Vec<String> = files(&case.folder()).keys().map(|path| path.display().to_string()).collect();
    assert!(names.iter().all(|name| !name.contains("task_")), "{names:?}");
    case.ok("two", &["put", "task", "t3", "title=t"]);
    assert_eq!(case.sync("two"), "2 tasks received; 1 task sent");
    assert_eq!(case.sync("one"), "1 task received");
    assert_eq!(case.picture("one"), case.picture("two"));
    case.ok("one", &["sync", "--layout", "split"]);
    assert!(files(&case.folder()).keys().any(|path| path.ends_with("task_t1.json")));
    assert_eq!(case.picture("one"), case.picture("two"));
}

#[test]
fn a_copy_of_a_local_directory_is_another_replica() {
    let case = Case::new();
    let on = |local: &Path, args: &[&str]| command("delta", &case.folder(), local, args).output().unwrap();
    let (first, second) = (case.local("first"), case.local("second"));
    ok(&on(&first, &["put", "task", "t1", "title=t"]));
    ok(&on(&first, &["sync"]));
    copy(&first, &second);
    ok(&on(&first, &["put", "task", "t2", "title=of the original"]));
    ok(&on(&second, &["put", "task", "t2", "title=of the copy"]));
    ok(&on(&first, &["sync"]));
    let told = on(&second, &["sync"]);
    ok(&told);
    assert!(said(&told).contains("its local directory was copied"), "{told:?}");
    ok(&on(&first, &["sync"]));
    let list = |local: &Path| {
        let entities = json(&on(local, &["list", "--json"]))["entities"].clone();
        (entities, json(&on(local, &["conflicts", "--json"]))["conflicts"].clone())
    };
    assert_eq!(list(&first), list(&second));
    let all = format!("{:?}", list(&first));
    assert!(all.contains("of the original") && all.contains("of the copy"), "{all}");
}

#[test]
fn what_others_left_is_taken_over_once_and_their_files_stay_as_they_are() {
    let case = Case::new();
    let entities = case.folder().join("entities");
    std::fs::create_dir(&entities).unwrap();
    std::fs::write(
        entities.join("task_a_b.json"),
        r#"{"id":"a_b","version":4,"lastModifiedAt":1733000000000,"lastModifiedBy":"x","title":"old","n":1.0}"#,
    )
    .unwrap();
    std::fs::write(entities.join("task_c.json"), r#"{"id":"#).unwrap();
    let before = files(&case.folder());
    let told = case.run("one", &["import"]);
    assert_eq!(ok(&told), "1 entity found, 1 of them new\n");
    assert!(said(&told).contains("entities/task_c.json: not-sound"), "{told:?}");
    assert_eq!(case.ok("one", &["list"]), "task a_b v4 {\"n\":1.0,\"title\":\"old\"}\n");
    assert_eq!(case.ok("one", &["import"]), "1 entity found, 0 of them new\n");
    assert_eq!(files(&case.folder()), before);
    assert_eq!(case.sync("one"), "1 task sent");
    for side in ["a", "b"] {
        let state = data(&format!("super-productivity/legacy-migration-collision-{side}.json"));
        let told = json(&case.run("one", &["import", "--json", "--state", state.to_str().unwrap()]));
        assert!(told["new"].as_u64() > Some(0), "{told}");
    }
    // Both were migrated on their own and use the same ids: the content of both is there.
    let (entities, conflicts) = case.picture("one");
    let all = json!([entities, conflicts]).to_string();
    for side in ["a", "b"] {
        let state = data(&format!("super-productivity/legacy-migration-collision-{side}.json"));
        let state: Value = serde_json::from_slice(&std::fs::read(state).unwrap()).unwrap();
        for (id, task) in state["data"]["task"]["entities"].as_object().unwrap() {
            assert!(all.contains(&task["title"].to_string()), "{side}: {id}");
        }
    }
}

#[test]
fn what_a_watch_tells_has_a_time() {
    let case = Case::new();
    case.ok("one", &["put", "task", "t1", "title=before"]);
    case.sync("one");
    let mut command = case.command("two", &["watch", "--every", "1"]);
    let mut watch = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let line = BufReader::new(watch.0.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let (time, told) = line.split_once(' ').unwrap();
    assert_eq!(told, "1 task received");
    assert!(time.len() == "2026-11-29T06:02:03Z".len() && time.ends_with('Z'), "{line}");
}

#[test]
fn a_dry_run_says_that_the_replica_would_go_on_under_another_id() {
    let case = Case::new();
    case.ok("one", &["put", "task", "t1", "title=a"]);
    case.sync("one");
    // The local directory is restored from a backup after it has written more.
    let backup = case.dir.path().join("backup");
    copy(&case.local("one"), &backup);
    case.ok("one", &["put", "task", "t1", "title=b"]);
    case.sync("one");
    std::fs::remove_dir_all(case.local("one")).unwrap();
    copy(&backup, &case.local("one"));
    case.ok("one", &["put", "task", "t1", "title=c"]);
    let before = json(&case.run("one", &["sync", "--dry-run", "--json"]));
    let said = before["said"][0].as_str().unwrap();
    assert!(said.contains("would go on under another id"), "{said}");
    let after = json(&case.run("one", &["sync", "--json"]));
    assert_eq!(after["said"].as_array().unwrap().len(), 1);
    assert_ne!(after["replica"], before["replica"]);
}

#[test]
fn watch_tells_what_moves_and_lets_others_write() {
    let case = Case::new();
    case.ok("one", &["put", "task", "t1", "title=before"]);
    case.sync("one");
    let mut command = case.command("two", &["watch", "--json", "--every", "1"]);
    let mut watch = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap()).unwrap();
    assert_eq!(next()["summary"], "1 task received");
    case.ok("one", &["put", "task", "t2", "title=meanwhile"]);
    case.sync("one");
    assert_eq!(next()["received"], json!([{ "kind": "task", "id": "t2" }]));
    // The same machine puts something while its watch is running, which sends it.
    case.ok("two", &["put", "task", "t3", "title=own"]);
    assert_eq!(next()["sent"], json!([{ "kind": "task", "id": "t3" }]));
    // A folder that goes and comes back is waited for.
    let aside = case.dir.path().join("aside");
    std::fs::rename(case.folder(), &aside).unwrap();
    std::fs::rename(&aside, case.folder()).unwrap();
    case.ok("one", &["put", "task", "t4", "title=after"]);
    case.sync("one");
    assert_eq!(next()["received"], json!([{ "kind": "task", "id": "t4" }]));
    drop(watch);
    case.sync("one");
    assert_eq!(case.picture("one"), case.picture("two"));
}
