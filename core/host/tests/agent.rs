//! The agent as users and scripts meet it, on real folders.

#![expect(clippy::print_stdout, reason = "how many kills there were is a figure for people")]
#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use support::{Running, agent, copy, data, json, ok, run};

mod support;

#[test]
fn two_machines_meet_in_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, laptop, server) =
        (dir.path().join("folder"), dir.path().join("laptop"), dir.path().join("server"));
    ok(&run(&folder, &laptop, &["init", "--machine", "laptop"]));
    let taken = run(&folder, &server, &["init", "--machine", "laptop"]);
    assert_eq!(taken.status.code(), Some(2));
    assert_eq!(String::from_utf8_lossy(&taken.stderr).lines().count(), 1);
    ok(&run(&folder, &server, &["init", "--machine", "server"]));
    ok(&run(
        &folder,
        &laptop,
        &[
            "append",
            r#"{"type":"message","id":"msg-1","from_agent":"opus","body":"hi @dev","ts":9999999999}"#,
        ],
    ));
    ok(&run(&folder, &server, &["show"]));
    ok(&run(
        &folder,
        &server,
        &["append", r#"{"type":"message_update","id":"msg-1","body":"seen and changed"}"#],
    ));
    let shown = json(&run(&folder, &laptop, &["show", "--json"]));
    assert_eq!(shown["messages"][0]["body"], "seen and changed");
    ok(&run(&folder, &laptop, &["rename", "laptop", "desk"]));
    ok(&run(&folder, &laptop, &["append", "--from", "opus", "--say", "under a new name"]));
    assert!(folder.join("shared/machines/desk/messages.jsonl").exists());
    ok(&run(&folder, &laptop, &["verify"]));
    let marks = json(&run(&folder, &laptop, &["verify", "--json"]))["machines"].clone();
    assert_eq!(marks[0]["machine"], "desk");
    assert_eq!((&marks[0]["contiguous"], &marks[0]["max"]), (&2.into(), &2.into()));
}

#[test]
fn wrong_usage_says_what_and_where_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local) = (dir.path().join("folder"), dir.path().join("local"));
    let nowhere = run(&folder, &local, &["show"]);
    assert_eq!(nowhere.status.code(), Some(2));
    ok(&run(&folder, &local, &["init", "--machine", "laptop"]));
    for event in
        ["nonsense", "{}", r#"{"type":"agent","agent_id":"x"}"#, r#"{"type":"reaction","emoji":"+1"}"#]
    {
        let output = run(&folder, &local, &["append", event]);
        assert_eq!(output.status.code(), Some(2), "{event}");
        assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1, "{event}");
    }
    assert_eq!(json(&run(&folder, &local, &["verify", "--json"]))["ok"], true);
}

#[test]
fn a_folder_of_the_old_layout_is_migrated_once_and_written_to_only_then() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local) = (dir.path().join("folder"), dir.path().join("local"));
    copy(&data("dogfood"), &folder);
    let before = json(&run(&folder, &local, &["show", "--json"]));
    let refused = run(&folder, &local, &["append", "--from", "opus", "--say", "hi"]);
    assert_eq!(refused.status.code(), Some(2), "{refused:?}");
    assert_eq!(run(&folder, &local, &["init", "--machine", "desktop"]).status.code(), Some(2));
    ok(&run(&folder, &local, &["init", "--machine", "desktop", "--migrate"]));
    ok(&run(&folder, &local, &["init", "--machine", "desktop", "--migrate"]));
    let after = json(&run(&folder, &local, &["show", "--json"]));
    for section in ["messages", "threads", "questions", "reactions"] {
        assert_eq!(
            after[section].as_array().unwrap().len(),
            before[section].as_array().unwrap().len(),
            "{section}"
        );
    }
    ok(&run(&folder, &local, &["append", "--from", "opus", "--say", "hi"]));
    assert_eq!(json(&run(&folder, &local, &["verify", "--json"]))["problems"], Value::Array(vec![]));
}

#[test]
fn a_migration_that_was_interrupted_is_finished_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local) = (dir.path().join("folder"), dir.path().join("local"));
    copy(&data("dogfood"), &folder);
    let before = json(&run(&folder, &local, &["show", "--json"]));
    // What is there when the process dies after its second op: the note, and the first file of the new layout.
    let made = folder.join("shared/machines/desktop");
    std::fs::create_dir_all(&made).unwrap();
    std::fs::create_dir_all(&local).unwrap();
    std::fs::write(local.join("migration"), "desktop\n").unwrap();
    std::fs::copy(folder.join("messages.jsonl"), made.join("messages.jsonl")).unwrap();
    let other = run(&folder, &local, &["init", "--machine", "laptop", "--migrate"]);
    assert!(String::from_utf8_lossy(&other.stderr).contains("finish it under that name"), "{other:?}");
    ok(&run(&folder, &local, &["append", "--from", "opus", "--say", "hi"]));
    let after = json(&run(&folder, &local, &["show", "--json"]));
    for (section, more) in [("messages", 1), ("threads", 0), ("questions", 0), ("reactions", 0)] {
        let (after, before) = (after[section].as_array().unwrap(), before[section].as_array().unwrap());
        assert_eq!(after.len(), before.len() + more, "{section}");
    }
    let last = after["messages"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["body"], &last["origin"]), (&"hi".into(), &"desktop".into()));
    ok(&run(&folder, &local, &["init", "--machine", "desktop", "--migrate"]));
    assert!(!local.join("migration").exists());
}

#[test]
fn a_reader_that_goes_away_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local) = (dir.path().join("folder"), dir.path().join("local"));
    ok(&run(&folder, &local, &["init", "--machine", "laptop"]));
    let lines: String = (0..50).map(|n| format!("{{\"type\":\"thread\",\"name\":\"{n}\"}}\n")).collect();
    let journal = ["journal", "append", "-", "--folder"];
    let mut child = agent()
        .args(journal)
        .arg(&folder)
        .arg("--local")
        .arg(&local)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let shown = json(&run(&folder, &local, &["show", "--json"]));
    assert_eq!(shown["threads"].as_array().unwrap().len(), 50);
}

#[test]
fn what_came_before_a_bad_event_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local) = (dir.path().join("folder"), dir.path().join("local"));
    ok(&run(&folder, &local, &["init", "--machine", "laptop"]));
    let good = "{\"type\":\"thread\",\"name\":\"one\"}";
    let output = run(&folder, &local, &["append", "--json", good, "{\"type\":"]);
    assert_eq!(output.status.code(), Some(2));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["events"].as_array().unwrap().len(), 1, "{told}");
    assert_eq!(json(&run(&folder, &local, &["verify", "--json"]))["problems"], Value::Array(vec![]));
}

#[test]
fn rebuilds_agree_however_they_were_made() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local, other) =
        (dir.path().join("folder"), dir.path().join("local"), dir.path().join("other"));
    copy(&data("multi/dogfood-3"), &folder);
    // Everything arrives in pieces, cut anywhere; the view is brought up to date after each.
    let machines = folder.join("shared/machines");
    let mut whole = BTreeMap::new();
    for machine in ["desktop", "laptop", "server"] {
        for entry in machines.join(machine).read_dir().unwrap().map(Result::unwrap) {
            whole.insert(entry.path(), std::fs::read(entry.path()).unwrap());
        }
    }
    for part in [0, 3, 4, 7, 9] {
        for (path, bytes) in &whole {
            std::fs::write(path, &bytes[..bytes.len() * part / 10]).unwrap();
        }
        ok(&run(&folder, &local, &["rebuild"]));
    }
    for (path, bytes) in whole.iter().rev() {
        let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
        file.write_all(&bytes[bytes.len() * 9 / 10..]).unwrap();
        drop(file);
        ok(&run(&folder, &local, &["rebuild"]));
    }
    let updated = json(&run(&folder, &local, &["rebuild", "--json"]));
    assert_eq!(updated["full"], Value::Null);
    let full = json(&run(&folder, &other, &["rebuild", "--full", "--json"]));
    assert_eq!(updated["digest"], full["digest"]);
    // A damaged database is made again, a shortened file is noticed.
    std::fs::write(local.join("view.db"), "no database").unwrap();
    assert_eq!(json(&run(&folder, &local, &["rebuild", "--json"]))["digest"], full["digest"]);
    let (path, bytes) = whole.iter().next().unwrap();
    std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    let shorter = json(&run(&folder, &local, &["rebuild", "--json"]));
    assert_eq!(shorter["full"], "a file was replaced, shortened or removed");
    assert_ne!(shorter["digest"], full["digest"]);
}

#[test]
fn new_events_are_taken_in_without_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local, other) =
        (dir.path().join("folder"), dir.path().join("local"), dir.path().join("other"));
    copy(&data("multi/dogfood-3"), &folder);
    ok(&run(&folder, &local, &["init", "--machine", "phone"]));
    ok(&run(&folder, &local, &["rebuild"]));
    let events = [
        r#"{"type":"message_update","id":"msg-3gbx9ezi","body":"changed"}"#,
        r#"{"type":"message_delete","id":"msg-392d3iha"}"#,
        r#"{"type":"reaction","message_guid":"msg-3gbx9ezi","agent_id":"adam","emoji":"+1"}"#,
        r#"{"type":"thread_update","guid":"thrd-mx1cqk9r","name":"changed"}"#,
        r#"{"type":"thread_subscribe","thread_guid":"thrd-mx1cqk9r","agent_id":"new"}"#,
        r#"{"type":"question_update","guid":"qstn-urc2ttcu","status":"closed"}"#,
        r#"{"type":"fave_remove","agent_id":"adam","item_type":"thread","item_guid":"thrd-xqk7zq3q"}"#,
        r#"{"type":"message","id":"msg-3gbx9ezi","from_agent":"other","body":"of the same name"}"#,
    ];
    for event in events {
        ok(&run(&folder, &local, &["append", event]));
        assert_eq!(json(&run(&folder, &local, &["rebuild", "--json"]))["full"], Value::Null, "{event}");
    }
    let updated = json(&run(&folder, &local, &["rebuild", "--json"]))["digest"].clone();
    assert_eq!(json(&run(&folder, &other, &["rebuild", "--json"]))["digest"], updated);
    assert!(local.join("collisions.json").exists());
}

/// Of old records an answer within seconds proves what wall clocks alone do not, also about other messages.
#[test]
fn what_is_learnt_about_clocks_reaches_what_was_taken_in_before() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local, other) =
        (dir.path().join("folder"), dir.path().join("local"), dir.path().join("other"));
    let put = |machine: &str, lines: &[&str]| {
        let path = folder.join("shared/machines").join(machine);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("messages.jsonl"), lines.join("\n") + "\n").unwrap();
    };
    std::fs::create_dir_all(folder.join("shared")).unwrap();
    std::fs::write(folder.join("shared/.v2"), "").unwrap();
    let made = r#"{"type":"message","id":"msg-1","from_agent":"a","origin":"desk","seq":1,"body":"one","ts":1767225600}"#;
    let edited = r#"{"type":"message_update","id":"msg-1","body":"two","edited_at":1767232500}"#;
    put("desk", &[made, edited]);
    put("lap", &[r#"{"type":"message_update","id":"msg-1","body":"three","edited_at":1767233100}"#]);
    ok(&run(&folder, &local, &["init", "--machine", "phone"]));
    let body = || json(&run(&folder, &local, &["show", "--json"]))["messages"][0]["body"].clone();
    ok(&run(&folder, &local, &["rebuild"]));
    assert_eq!(body(), "two", "ten minutes later by a clock that may be an hour ahead");
    let asked = r#"{"type":"message","id":"msg-2","from_agent":"a","origin":"desk","seq":2,"body":"?","ts":1767234500}"#;
    put("desk", &[made, edited, asked]);
    let answered = r#"{"type":"reaction","message_guid":"msg-2","agent_id":"b","emoji":"+1","reacted_at":1767234505000}"#;
    put(
        "lap",
        &[r#"{"type":"message_update","id":"msg-1","body":"three","edited_at":1767233100}"#, answered],
    );
    let updated = json(&run(&folder, &local, &["rebuild", "--json"]));
    assert_eq!(updated["full"], "clocks are known better");
    assert_eq!(body(), "three", "that clock is at most five seconds ahead");
    let full = json(&run(&folder, &other, &["rebuild", "--full", "--json"]));
    assert_eq!(updated["digest"], full["digest"]);
}

#[test]
fn nothing_of_what_was_deleted_is_in_the_database_however_it_was_made() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local, other) =
        (dir.path().join("folder"), dir.path().join("local"), dir.path().join("other"));
    ok(&run(&folder, &local, &["init", "--machine", "phone"]));
    let rows = |of: &str, query: &str| -> Vec<String> {
        let database = rusqlite::Connection::open(dir.path().join(of).join("view.db")).unwrap();
        let mut statement = database.prepare(query).unwrap();
        let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let events = [
        r#"{"type":"message","id":"msg-1","from_agent":"ann","body":"secret","reactions":{"old":["ben"]}}"#,
        r#"{"type":"message","id":"msg-2","from_agent":"ann","body":"kept"}"#,
        r#"{"type":"thread","guid":"thrd-1","name":"one","subscribed":["ann"]}"#,
        r#"{"type":"thread","guid":"thrd-2","name":"two","subscribed":["ann"]}"#,
        r#"{"type":"reaction","message_guid":"msg-1","agent_id":"ben","emoji":"+1"}"#,
        r#"{"type":"message_pin","message_guid":"msg-1","thread_guid":"thrd-1"}"#,
        r#"{"type":"message_pin","message_guid":"msg-2","thread_guid":"thrd-1"}"#,
        r#"{"type":"message_pin","message_guid":"msg-2","thread_guid":"thrd-2"}"#,
        r#"{"type":"thread_message","thread_guid":"thrd-1","message_guid":"msg-1"}"#,
        r#"{"type":"thread_message","thread_guid":"thrd-1","message_guid":"msg-2"}"#,
        r#"{"type":"message_delete","id":"msg-1"}"#,
        r#"{"type":"message_update","id":"msg-1","body":"secret again","reactions":{"new":["eve"]}}"#,
        r#"{"type":"reaction","message_guid":"msg-1","agent_id":"eve","emoji":"-1"}"#,
        r#"{"type":"message_pin","message_guid":"msg-1","thread_guid":"thrd-1"}"#,
        r#"{"type":"thread_message","thread_guid":"thrd-1","message_guid":"msg-1"}"#,
        r#"{"type":"thread_update","guid":"thrd-1","name":"one more"}"#,
        r#"{"type":"thread_delete","thread_id":"thrd-2"}"#,
        r#"{"type":"thread_subscribe","thread_guid":"thrd-2","agent_id":"eve"}"#,
        r#"{"type":"message_pin","message_guid":"msg-2","thread_guid":"thrd-2"}"#,
    ];
    ok(&run(&folder, &local, &["rebuild"]));
    for (at, event) in events.iter().enumerate() {
        ok(&run(&folder, &local, &["append", event]));
        let updated = json(&run(&folder, &local, &["rebuild", "--json"]));
        assert_eq!(updated["full"], Value::Null, "{event}");
        let full = json(&run(&folder, &other, &["rebuild", "--full", "--json"]));
        assert_eq!(updated["digest"], full["digest"], "{event}");
        if at == 9 {
            assert_eq!(
                rows("local", "SELECT who FROM thread_members ORDER BY 1"),
                ["ann", "ann", "msg-1", "msg-2"]
            );
        }
    }
    for of in ["local", "other"] {
        assert_eq!(rows(of, "SELECT body FROM messages ORDER BY guid"), ["[deleted]", "kept"], "{of}");
        let nothing = ["reactions FROM messages WHERE reactions NOT NULL", "message FROM reactions"];
        for what in nothing {
            assert_eq!(rows(of, &format!("SELECT {what}")), [""; 0], "{of}: {what}");
        }
        let pins = "SELECT one || ' in ' || two FROM registers WHERE kind = 'pin'";
        assert_eq!(rows(of, pins), ["msg-2 in thrd-1"], "{of}");
        let members = "SELECT guid || ' ' || who FROM thread_members ORDER BY 1";
        assert_eq!(rows(of, members), ["thrd-1 ann", "thrd-1 msg-2"], "{of}");
        assert_eq!(rows(of, "SELECT name FROM threads ORDER BY guid"), ["one more", "two"], "{of}");
    }
}

#[test]
fn foreign_things_in_the_folder_are_named_and_harm_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local) = (dir.path().join("folder"), dir.path().join("local"));
    copy(&data("multi/dogfood-3"), &folder);
    let machines = folder.join("shared/machines");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::create_dir_all(machines.join(name).parent().unwrap()).unwrap();
        std::fs::write(machines.join(name), bytes).unwrap();
    };
    write("Foreign Name/messages.jsonl", b"{\"type\":\"message\",\"id\":\"m\"}\n");
    write("nul/messages.jsonl", &[0; 4096]);
    write("torn/messages.jsonl", b"{\"type\":\"message\",\"id\":\"m1\"}\n{\"type\":\"mess");
    write("latin/messages.jsonl", b"{\"type\":\"message\",\"id\":\"\xe9\"}\n");
    write(
        "long/messages.jsonl",
        format!("{{\"type\":\"message\",\"id\":\"{}\"}}\n", "x".repeat(10 << 20)).as_bytes(),
    );
    write(
        "deep/agent-state.jsonl",
        format!(
            "{{\"type\":\"agent_descriptor\",\"agent_id\":\"a\",\"capabilities\":{}{}}}\n",
            "[".repeat(100_000),
            "]".repeat(100_000)
        )
        .as_bytes(),
    );
    write("dir/messages.jsonl/inside", b"");
    let output = run(&folder, &local, &["verify", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found = json(&output);
    let kinds: BTreeSet<_> = found["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| {
            (
                problem["file"].as_str().unwrap().trim_start_matches("shared/machines/").to_owned(),
                problem["line"].as_u64().unwrap(),
                problem["kind"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    for (file, line, kind) in [
        ("Foreign Name", 0, "foreign-directory"),
        ("nul/messages.jsonl", 1, "nul-block"),
        ("torn/messages.jsonl", 2, "torn-tail"),
        ("latin/messages.jsonl", 1, "not-utf8"),
        ("long/messages.jsonl", 1, "line-too-long"),
        ("deep/agent-state.jsonl", 1, "deep-nesting"),
        ("dir/messages.jsonl", 0, "unreadable"),
    ] {
        assert!(
            kinds.contains(&(file.to_owned(), line, kind.to_owned())),
            "{file}:{line} {kind} in {kinds:?}"
        );
    }
    let shown = json(&run(&folder, &local, &["show", "--json"]));
    assert_eq!(shown["messages"].as_array().unwrap().len(), 1_614 + 2);
}

/// What `verify` finds: file (below the machines' directory), line and kind.
fn found(folder: &Path, local: &Path) -> BTreeSet<(String, u64, String)> {
    let output = run(folder, local, &["verify", "--json"]);
    let found = json(&output);
    let row = |problem: &Value| {
        let file = problem["file"].as_str().unwrap().trim_start_matches("shared/machines/").to_owned();
        (file, problem["line"].as_u64().unwrap(), problem["kind"].as_str().unwrap().to_owned())
    };
    found["problems"].as_array().unwrap().iter().map(row).collect()
}

/// Every kind of damage that a file can suffer, each by itself, seen from another machine: named by file, line and
/// kind, and nothing else is said.
#[test]
fn verify_names_file_line_and_kind_of_every_damage() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, laptop, server) =
        (dir.path().join("folder"), dir.path().join("laptop"), dir.path().join("server"));
    ok(&run(&folder, &laptop, &["init", "--machine", "laptop"]));
    ok(&run(&folder, &server, &["init", "--machine", "server"]));
    for n in 1..=5 {
        let event = format!(r#"{{"type":"message","id":"msg-{n}","from_agent":"opus","body":"number {n}"}}"#);
        ok(&run(&folder, &server, &["append", &event]));
    }
    let machines = folder.join("shared/machines");
    let journal = machines.join("server/messages.jsonl");
    let whole = std::fs::read_to_string(&journal).unwrap();
    let lines: Vec<_> = whole.lines().collect();
    assert_eq!((lines.len(), found(&folder, &laptop).len()), (5, 0));
    let without = |at: usize| {
        let kept = lines.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, line)| *line);
        kept.collect::<Vec<_>>().join("\n") + "\n"
    };
    let nuls = format!("{whole}{}\n", "\0".repeat(64));
    for (damaged, line, kind) in [
        (format!("{whole}{}", &lines[0][..30]), 6, "torn-tail"),
        (nuls, 6, "nul-block"),
        (whole.replace("number 3", "number 8"), 3, "edited-line"),
        (without(2), 3, "removed-line"),
        (lines[..3].join("\n") + "\n", 0, "shortened-file"),
    ] {
        std::fs::write(&journal, damaged).unwrap();
        let found = found(&folder, &laptop);
        assert!(
            found.contains(&("server/messages.jsonl".to_owned(), line, kind.to_owned())),
            "{kind}: {found:?}"
        );
        assert!(found.iter().all(|(file, ..)| file == "server/messages.jsonl"), "{kind}: {found:?}");
    }
    std::fs::write(&journal, &whole).unwrap();
    let third = machines.join("third");
    std::fs::create_dir(&third).unwrap();
    let line = |id: &str, seq: u64| {
        format!(
            r#"{{"type":"message","id":"{id}","from_agent":"a","origin":"third","seq":{seq},"body":"b","ts":1}}"#
        )
    };
    for (text, at, kind) in [
        (format!("{}\n", line("msg-1", 1)), 1, "duplicate-guid"),
        (format!("{}\n{}\n", line("msg-a", 1), line("msg-b", 3)), 2, "sequence-gap"),
        (format!("{}\n{}\n", line("msg-a", 1), line("msg-b", 1)), 2, "sequence-reuse"),
    ] {
        std::fs::write(third.join("messages.jsonl"), text).unwrap();
        let found = found(&folder, &laptop);
        let place = |(file, line, found): &(String, u64, String)| {
            (file.ends_with("/messages.jsonl") && found == kind).then_some(*line)
        };
        assert_eq!(found.iter().filter_map(place).collect::<Vec<_>>(), [at], "{kind}: {found:?}");
        assert_eq!(found.len(), 1, "{kind}: {found:?}");
    }
    std::fs::remove_dir_all(&third).unwrap();
    std::fs::create_dir(machines.join("Not A Machine")).unwrap();
    let foreign = ("Not A Machine".to_owned(), 0, "foreign-directory".to_owned());
    assert_eq!(found(&folder, &laptop), BTreeSet::from([foreign]));
}

/// A pipe, a link that leads to itself and a directory, each where a journal should be: named, not waited for, and
/// no other machine's event is missing. This is so for the superuser too, whom no permission stops.
#[test]
fn what_cannot_be_read_is_named_and_waited_for_by_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local) = (dir.path().join("folder"), dir.path().join("local"));
    ok(&run(&folder, &local, &["init", "--machine", "laptop"]));
    ok(&run(&folder, &local, &["append", "--from", "opus", "--say", "hello"]));
    ok(&run(&folder, &local, &["rebuild"]));
    let machines = folder.join("shared/machines");
    for machine in ["pipe", "loop", "dir"] {
        std::fs::create_dir(machines.join(machine)).unwrap();
    }
    let made = Command::new("mkfifo").arg(machines.join("pipe/messages.jsonl")).status().unwrap();
    assert!(made.success());
    std::os::unix::fs::symlink("messages.jsonl", machines.join("loop/messages.jsonl")).unwrap();
    std::fs::create_dir(machines.join("dir/messages.jsonl")).unwrap();
    let unreadable = |machine: &str| (format!("{machine}/messages.jsonl"), 0, "unreadable".to_owned());
    assert_eq!(found(&folder, &local), ["pipe", "loop", "dir"].map(unreadable).into());
    let shown = run(&folder, &local, &["show", "--json"]);
    assert_eq!(json(&shown)["messages"].as_array().unwrap().len(), 1);
    let said = String::from_utf8(shown.stderr).unwrap();
    assert!(said.lines().any(|line| line.contains("pipe/messages.jsonl: unreadable")), "{said}");
    for full in [false, true] {
        let args = if full { vec!["rebuild", "--full", "--json"] } else { vec!["rebuild", "--json"] };
        let rebuilt = json(&run(&folder, &local, &args));
        assert_eq!(rebuilt["problems"].as_array().unwrap().len(), 3, "{rebuilt}");
    }
    ok(&run(&folder, &local, &["append", "--from", "opus", "--say", "and on"]));
}

/// Thousands of machines that wrote one event each (a hundred thousand took 73 s in a debug build beside other work).
#[test]
fn thousands_of_machines_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local) = (dir.path().join("folder"), dir.path().join("local"));
    ok(&run(&folder, &local, &["init", "--machine", "laptop"]));
    let count: usize = std::env::var("CLOUDCHAMBER_MACHINES").map_or(2_000, |count| count.parse().unwrap());
    for n in 0..count {
        let machine = folder.join(format!("shared/machines/m{n}"));
        std::fs::create_dir(&machine).unwrap();
        let line = format!(
            r#"{{"type":"message","id":"msg-{n}","from_agent":"a","origin":"m{n}","seq":1,"body":"b","ts":{n}}}"#
        );
        std::fs::write(machine.join("messages.jsonl"), line + "\n").unwrap();
    }
    let rebuilt = json(&run(&folder, &local, &["rebuild", "--json"]));
    assert_eq!((&rebuilt["records"], &rebuilt["problems"]), (&count.into(), &Value::Array(vec![])));
    ok(&run(&folder, &local, &["append", "--from", "opus", "--say", "one more"]));
    let updated = json(&run(&folder, &local, &["rebuild", "--json"]));
    assert_eq!((&updated["records"], &updated["full"]), (&1.into(), &Value::Null));
    ok(&run(&folder, &local, &["verify"]));
}

/// F8: a file that a sync client brings with the time it was written, which is before the view was made.
#[test]
fn a_file_that_arrives_with_an_old_time_is_noticed_only_when_hardened() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local) = (dir.path().join("folder"), dir.path().join("local"));
    copy(&data("multi/dogfood-3"), &folder);
    let records = |design: &str| {
        json(&run(&folder, &local, &["rebuild", "--json", "--design", design]))["records"].as_u64().unwrap()
    };
    assert!(records("published") > 0 && records("hardened") > 0);
    let path = folder.join("shared/machines/server/messages.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
    writeln!(
        file,
        r#"{{"type":"message","id":"msg-late","from_agent":"a","origin":"server","body":"late","ts":1}}"#
    )
    .unwrap();
    let written = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    for log in ["messages", "threads", "questions", "agent-state"] {
        for machine in ["desktop", "laptop", "server"] {
            let path = folder.join(format!("shared/machines/{machine}/{log}.jsonl"));
            std::fs::File::options().append(true).open(path).unwrap().set_modified(written).unwrap();
        }
    }
    assert_eq!((records("published"), records("hardened")), (0, 1));
}

/// A program that reads the view meanwhile keeps what it has begun to read, and sees the new view afterwards.
#[test]
fn a_view_is_made_anew_beside_a_reader() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local) = (dir.path().join("folder"), dir.path().join("local"));
    copy(&data("multi/dogfood-3"), &folder);
    ok(&run(&folder, &local, &["rebuild"]));
    let reader = rusqlite::Connection::open(local.join("view.db")).unwrap();
    let count = || reader.query_row("SELECT count(*) FROM messages", [], |row| row.get::<_, i64>(0)).unwrap();
    let before = count();
    reader.execute_batch("BEGIN; SELECT 1 FROM messages LIMIT 1;").unwrap();
    count();
    ok(&run(&folder, &local, &["init", "--machine", "phone"]));
    ok(&run(&folder, &local, &["append", "--from", "opus", "--say", "hi"]));
    let full = json(&run(&folder, &local, &["rebuild", "--full", "--json"]));
    assert_eq!(count(), before);
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(count(), before + 1);
    drop(reader);
    let alone = json(&run(&folder, &local, &["rebuild", "--full", "--json"]));
    assert_eq!(alone["digest"], full["digest"]);
    let left: Vec<_> = local.read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("-new")), "{left:?}");
}

#[test]
fn watch_takes_in_what_others_write() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, laptop, server) =
        (dir.path().join("folder"), dir.path().join("laptop"), dir.path().join("server"));
    ok(&run(&folder, &laptop, &["init", "--machine", "laptop"]));
    ok(&run(&folder, &server, &["init", "--machine", "server"]));
    ok(&run(&folder, &server, &["append", "--from", "opus", "--say", "before"]));
    let mut command = agent();
    command
        .args(["journal", "watch", "--json", "--every", "1", "--folder"])
        .arg(&folder)
        .arg("--local")
        .arg(&laptop);
    let mut watch = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = || {
        let mut line: Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
        let time = line.as_object_mut().unwrap().remove("time").unwrap();
        assert!(time.as_str().unwrap().ends_with('Z'), "{time}");
        line
    };
    assert_eq!(next(), serde_json::json!({ "records": 1, "full": "there is no view yet" }));
    ok(&run(&folder, &server, &["append", "--from", "opus", "--say", "meanwhile"]));
    assert_eq!(next(), serde_json::json!({ "records": 1, "full": null }));
    drop(watch);
    let rebuilt = json(&run(&folder, &laptop, &["rebuild", "--json"]));
    assert_eq!((&rebuilt["records"], &rebuilt["full"]), (&0.into(), &Value::Null));
}

/// Kills writers at random moments: every acknowledged event is there, no number is used twice, and the files
/// are sound after the next append. `CLOUDCHAMBER_KILLS` sets how many kills (1000 take a few minutes).
#[test]
fn killed_writers_lose_nothing_that_was_acknowledged() {
    let kills: u64 = std::env::var("CLOUDCHAMBER_KILLS").map_or(24, |kills| kills.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    let machines = ["one", "two"];
    let local = |machine: &str| dir.path().join(format!("local-{machine}"));
    for machine in machines {
        ok(&run(&folder, &local(machine), &["init", "--machine", machine]));
    }
    let mut acknowledged: BTreeMap<(usize, u64), String> = BTreeMap::new();
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    for kill in 0..kills {
        let mut writers: Vec<_> = machines
            .iter()
            .map(|machine| {
                let mut command = agent();
                command
                    .args(["journal", "append", "--folder"])
                    .arg(&folder)
                    .arg("--local")
                    .arg(local(machine))
                    .arg("-");
                let mut child = command
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                let mut input = child.stdin.take().unwrap();
                for n in 0..40 {
                    writeln!(
                        input,
                        r#"{{"type":"message","from_agent":"a","body":"{kill} {n} {}"}}"#,
                        "x".repeat(n * 20)
                    )
                    .unwrap();
                }
                drop(input);
                child
            })
            .collect();
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The moment of the kill is the point of this test: from before the first event to after the last.
        let spins = (random >> 33) % 60_000;
        let started = std::time::Instant::now();
        while u64::try_from(started.elapsed().as_micros()).unwrap() < spins {
            std::thread::yield_now();
        }
        for (machine, child) in writers.iter_mut().enumerate() {
            child.kill().unwrap();
            child.wait().unwrap();
            for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
                // A line without its end was not acknowledged.
                let Some((seq, event)) = line
                    .split_once(' ')
                    .and_then(|(seq, rest)| Some((seq.parse().ok()?, rest.split_once(' ')?.1)))
                else {
                    continue;
                };
                if serde_json::from_str::<Value>(event).is_ok() {
                    let before = acknowledged.insert((machine, seq), event.to_owned());
                    assert_eq!(before, None, "number {seq} was used twice");
                }
            }
        }
    }
    for machine in machines {
        ok(&run(&folder, &local(machine), &["append", "--from", "a", "--say", "the last word"]));
    }
    let output = run(&folder, &local("one"), &["verify", "--json"]);
    assert_eq!(json(&output)["problems"], Value::Array(vec![]));
    for (at, machine) in machines.iter().enumerate() {
        let text = std::fs::read_to_string(folder.join(format!("shared/machines/{machine}/messages.jsonl")))
            .unwrap();
        let lines: BTreeSet<_> = text.lines().collect();
        let lost: Vec<_> = acknowledged
            .iter()
            .filter(|((of, _), event)| *of == at && !lines.contains(event.as_str()))
            .collect();
        assert_eq!(lost, [], "of {machine}");
        assert_eq!(lines.len(), text.lines().count(), "a line is there twice");
    }
    assert!(
        acknowledged.len() as u64 > kills,
        "{} events for {kills} kills prove little",
        acknowledged.len()
    );
    println!("{kills} kills, {} acknowledged events", acknowledged.len());
}
