//! Folders as people reported them: each gives the right value. The inputs were made from the mechanisms of public
//! reports (`data/reports`, with what each is).

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::path::{Path, PathBuf};

use cloudchamber_core::{MemoryFs, journal};
use cloudchamber_folder::profile::Naming;
use serde_json::Value;
use support::{agent, copy, files, json, ok, run, run_group, said};

mod support;

/// A report's folder, to be worked on.
struct Case {
    dir: tempfile::TempDir,
}

impl Case {
    fn new(name: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(&data(name).join("folder"), &dir.path().join("folder"));
        Self { dir }
    }

    /// A folder of one machine that wrote three messages.
    fn of_laptop() -> Self {
        let case = Self { dir: tempfile::tempdir().unwrap() };
        std::fs::create_dir(case.folder()).unwrap();
        ok(&case.run(&["init", "--machine", "laptop"]));
        for body in ["body-1", "body-2", "body-3"] {
            ok(&case.run(&["append", "--from", "x", "--say", body]));
        }
        case
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("folder")
    }

    fn run(&self, args: &[&str]) -> std::process::Output {
        run(&self.folder(), &self.dir.path().join("local"), args)
    }

    fn messages(&self) -> Vec<Value> {
        json(&self.run(&["show", "--json"]))["messages"].as_array().unwrap().clone()
    }

    fn bodies(&self) -> Vec<String> {
        let mut bodies: Vec<_> =
            self.messages().iter().map(|message| message["body"].as_str().unwrap().to_owned()).collect();
        bodies.sort();
        bodies
    }

    /// The kinds of what `verify` names, with the files.
    fn named(&self) -> Vec<(String, String)> {
        let told = json(&self.run(&["verify", "--json"]));
        let problems = told["problems"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        problems.map(|problem| (text(&problem["kind"]), text(&problem["file"]))).collect()
    }
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reports").join(name)
}

const ALL: [&str; 4] = ["body-1", "body-2", "body-3", "server-1"];

#[test]
fn a_byte_order_mark_is_no_edit_and_hides_no_name() {
    let case = Case::new("byte-order-mark");
    assert_eq!(case.bodies(), ALL);
    let origins: Vec<_> = case.messages().iter().map(|message| message["origin"].clone()).collect();
    assert_eq!(origins.iter().filter(|origin| **origin == "desk").count(), 3, "{origins:?}");
    assert_eq!(case.named(), []);
}

#[test]
fn a_byte_order_mark_and_carriage_returns_do_not_make_the_owner_write_anything_again() {
    let case = Case::of_laptop();
    let journal = case.folder().join("shared/machines/laptop/messages.jsonl");
    let read = || std::fs::read_to_string(&journal).unwrap();
    for round in 1..=6 {
        // What git does at a checkout with core.autocrlf, and what some editors put in front.
        let text = read().replace("\r\n", "\n").replace('\n', "\r\n");
        let mark = if round % 2 == 0 { "\u{feff}" } else { "" };
        std::fs::write(&journal, format!("{mark}{}", text.trim_start_matches('\u{feff}'))).unwrap();
        let told = case.run(&["append", "--from", "x", "--say", &format!("round-{round}")]);
        ok(&told);
        assert!(!said(&told).contains("repaired"), "{}", said(&told));
    }
    assert_eq!((read().lines().count(), case.messages().len()), (9, 9));
    assert_eq!(case.named(), []);
}

#[test]
fn a_clock_of_2098_is_named_and_moves_nobodys_clock() {
    let case = Case::new("clock-of-2098");
    assert!(case.bodies().contains(&"from 2098".to_owned()));
    let named = case.named();
    let third = "shared/machines/third/messages.jsonl".to_owned();
    assert_eq!(named, [("clock-ahead".to_owned(), third)]);
    ok(&case.run(&["init", "--machine", "reader"]));
    ok(&case.run(&["rebuild"]));
    let told = case.run(&["append", "--json", r#"{"type":"thread","name":"t"}"#]);
    let line: Value = serde_json::from_str(json(&told)["events"][0]["line"].as_str().unwrap()).unwrap();
    let (ts, hlc) = (line["ts"].as_i64().unwrap(), line["hlc"][0].as_i64().unwrap());
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()).unwrap();
    assert!((now - ts).abs() < 600 && (now - hlc / 1_000).abs() < 600, "{line}");
}

#[test]
fn copies_under_every_clients_name_are_merged_or_named() {
    let names = std::fs::read_to_string(data("conflict-copy-names/names.tsv")).unwrap();
    let mut tried = 0;
    for line in names.lines().skip(1) {
        let [who, name, right] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let case = Case::new("conflict-copy-names");
        let laptop = case.folder().join("shared/machines/laptop");
        std::fs::copy(data("conflict-copy-names/copy.jsonl"), laptop.join(name)).unwrap();
        let file = format!("shared/machines/laptop/{name}");
        assert!(case.named().iter().any(|(_, named)| *named == file), "{who}: {name}: {:?}", case.named());
        if right == "merged" {
            assert_eq!(case.bodies(), ALL, "{who}: {name}");
        }
        tried += 1;
    }
    assert!(tried > 20, "{tried}");
}

#[test]
fn upper_directories_that_were_doubled_count() {
    let doubled = |from: &str, to: &str| {
        let case = Case::new("upper-directories-doubled");
        let folder = case.folder();
        std::fs::create_dir_all(folder.join(to).parent().unwrap()).unwrap();
        std::fs::rename(folder.join("shared 2"), folder.join("aside")).unwrap();
        std::fs::rename(folder.join("aside").join(from), folder.join(to)).unwrap();
        (case.bodies(), case.named())
    };
    for (from, to, copy) in [
        ("", "shared 2", "shared 2"),
        ("", "shared (1)", "shared (1)"),
        ("", "Shared", "Shared"),
        ("machines", "shared/machines 2", "shared/machines 2"),
        ("machines", "shared/machines (1)", "shared/machines (1)"),
        ("machines", "shared/Machines", "shared/Machines"),
        ("machines/server", "shared/machines/server (1)", "shared/machines/server (1)"),
    ] {
        let (bodies, named) = doubled(from, to);
        assert_eq!(bodies, ALL, "{to}");
        assert!(named.iter().any(|(kind, file)| kind == "conflict-copy" && file == copy), "{to}: {named:?}");
    }
}

#[test]
fn text_that_was_cut_within_an_emoji_is_readable() {
    let case = Case::new("text-cut-within-an-emoji");
    assert_eq!(case.bodies(), ["before \u{fffd} after", "lone in the id"]);
    assert!(case.messages().iter().all(|message| message["id"].is_string()));
    ok(&case.run(&["init", "--machine", "reader"]));
    ok(&case.run(&["append", r#"{"type":"message","body":"half \ud83d","from_agent":"x"}"#]));
    assert!(case.bodies().contains(&"half \u{fffd}".to_owned()));
}

#[test]
fn an_id_that_some_system_cannot_have_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let ids = std::fs::read_to_string(data("machine-ids-no-windows-has/ids.txt")).unwrap();
    for id in ids.lines() {
        let refused = run(dir.path(), &dir.path().join("../none"), &["init", &format!("--machine={id}")]);
        assert_eq!(refused.status.code(), Some(2), "{id}: {refused:?}");
        assert!(said(&refused).contains(id) && !dir.path().join("shared").exists(), "{id}: {refused:?}");
    }
    assert!(ids.lines().count() > 5);
}

/// A folder in memory: that of the report on names, with further files.
fn in_memory(more: &[(&str, &str)]) -> MemoryFs {
    let root = data("conflict-copy-names/folder");
    let mut fs = MemoryFs::default();
    for (name, bytes) in files(&root) {
        fs = fs.with(&format!("shared:{}", name.to_str().unwrap()), String::from_utf8(bytes).unwrap());
    }
    more.iter().fold(fs, |fs, (name, text)| fs.with(&format!("shared:{name}"), *text))
}

/// The bodies that a folder shows, and the files that its problems name.
fn shown(fs: &MemoryFs) -> (Vec<String>, Vec<(&'static str, String)>) {
    let design = journal::Design::HARDENED;
    let folder = journal::folder::Folder::read(fs, &design);
    let json = folder.with_sources(&design, |sources| {
        let view = journal::merge::merge(&design, sources);
        journal::show::Shown { design: &design, sources, view: &view }.json()
    });
    let messages = json["messages"].as_array().unwrap().iter();
    let mut bodies: Vec<_> = messages.map(|message| message["body"].as_str().unwrap().to_owned()).collect();
    bodies.sort();
    let problems =
        journal::verify::verify(fs, &design, &folder, cloudchamber_core::WallMs(1_795_932_000_000));
    (bodies, problems.iter().map(|problem| (problem.kind.name(), problem.file.to_string())).collect())
}

#[test]
fn a_copy_of_a_journal_counts_under_the_name_of_every_provider_and_under_any_other() {
    let copy = std::fs::read_to_string(data("conflict-copy-names/copy.jsonl")).unwrap();
    let providers = [Naming::ICloud, Naming::Dropbox, Naming::GDrive, Naming::OneDrive, Naming::Syncthing];
    let editors = ["Ann", "Ann's MacBook Pro (2)", "ann-marie.local", "Zoë 王", "DESKTOP-4F", ""];
    let mut names = Vec::new();
    for provider in providers {
        for (n, editor) in editors.iter().enumerate() {
            let at =
                cloudchamber_core::WallMs(1_700_000_000_000 + 86_400_000 * 97 * i64::try_from(n).unwrap());
            let once =
                provider.conflict_name("messages.jsonl", at, editor, u32::try_from(n).unwrap(), &|_| false);
            names.push(provider.conflict_name(&once, at, editor, 0, &|_| false));
            names.push(once);
        }
    }
    let of_people = [
        "backup",
        "messages.jsonl~",
        "messages.jsonl.bak",
        "Copy of messages.jsonl",
        "Kopie von messages.jsonl",
        "messages - Kopie.jsonl",
        "messages copy 3.jsonl",
        "old stuff.txt",
        "сообщения.jsonl",
    ];
    names.extend(of_people.map(str::to_owned));
    for name in &names {
        let file = format!("shared/machines/laptop/{name}");
        let (bodies, problems) = shown(&in_memory(&[(&file, &copy)]));
        assert_eq!(bodies, ALL, "{name}");
        assert!(
            problems.iter().any(|(kind, named)| *kind == "conflict-copy" && *named == file),
            "{name}: {problems:?}"
        );
    }
    assert!(names.len() > 60);
}

#[test]
fn a_foreign_file_beside_the_journals_is_left_alone() {
    let (bodies, problems) = shown(&in_memory(&[]));
    for (name, text) in [
        ("notes about messages.jsonl", "buy milk\n"),
        ("todo.txt", "{\"type\":\"message\"}\n"),
        (
            "recipes.jsonl",
            "{\"type\":\"message\",\"id\":\"msg-x\",\"body\":\"x\",\"origin\":\"server\",\"seq\":9}\n",
        ),
    ] {
        let file = format!("shared/machines/laptop/{name}");
        let (with, more) = shown(&in_memory(&[(&file, text)]));
        assert_eq!(with, bodies, "{name}");
        let new: Vec<_> = more.iter().filter(|problem| !problems.contains(problem)).collect();
        assert!(new.iter().all(|(kind, _)| *kind == "unknown-copy"), "{name}: {new:?}");
    }
}

#[test]
fn a_machines_directory_that_was_copied_under_another_name_is_that_machines() {
    let whole = in_memory(&[]);
    let below = "shared/machines/server/";
    let of_server: Vec<_> = whole
        .files
        .iter()
        .filter_map(|(path, content)| Some((path.name().strip_prefix(below)?.to_owned(), content.clone())))
        .collect();
    let (bodies, _) = shown(&whole);
    assert!(bodies.contains(&"server-1".to_owned()));
    for name in [
        "server backup",
        "server-copy",
        "Kopie von server",
        "server.old",
        "SERVER",
        "server (1)",
        "backup-2026",
    ] {
        for moved in [false, true] {
            let mut fs = whole.clone();
            if moved {
                fs.files.retain(|path, _| !path.name().starts_with(below));
            }
            for (file, content) in &of_server {
                let path = cloudchamber_core::Path::shared(&format!("shared/machines/{name}/{file}"));
                fs.files.insert(path, content.clone());
            }
            let (now, problems) = shown(&fs);
            assert_eq!(now, bodies, "{name}, moved: {moved}");
            let bad = ["sequence-reuse", "contested-id", "duplicate-guid"];
            assert!(
                !problems.iter().any(|(kind, _)| bad.contains(kind)),
                "{name}, moved: {moved}: {problems:?}"
            );
            // Moved to a name that a machine may have, it is that machine's from now on.
            let is_named = problems.iter().any(|(_, file)| *file == format!("shared/machines/{name}"));
            let is_id = moved && journal::names::is_machine_id(name);
            assert!(is_named || is_id, "{name}, moved: {moved}: {problems:?}");
        }
    }
}

#[test]
fn halves_of_what_other_systems_keep_count_and_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, local) = (dir.path().join("folder"), dir.path().join("local"));
    for copy in ["replicas (1)", "replicas 2", "Replicas"] {
        let folder = dir.path().join(copy).join("folder");
        std::fs::create_dir_all(&folder).unwrap();
        let other = dir.path().join(copy).join("other");
        for id in ["t1", "t2"] {
            ok(&run_group("delta", &folder, &other, &["put", "task", id, "title=theirs"]));
        }
        ok(&run_group("delta", &folder, &other, &["sync"]));
        std::fs::rename(folder.join("replicas"), folder.join(copy)).unwrap();
        let own = dir.path().join(copy).join("own");
        ok(&run_group("delta", &folder, &own, &["put", "task", "own", "title=mine"]));
        ok(&run_group("delta", &folder, &own, &["sync"]));
        let synced = run_group("delta", &folder, &own, &["sync"]);
        let listed = ok(&run_group("delta", &folder, &own, &["list"]));
        assert_eq!(listed.lines().count(), 3, "{copy}: {listed}");
        assert!(said(&synced).contains(copy), "{copy}: {synced:?}");
    }
    std::fs::create_dir(&folder).unwrap();
    let other = dir.path().join("other");
    ok(&run_group("notes", &folder, &other, &["new", "Theirs"]));
    std::fs::rename(folder.join("notes"), folder.join("notes 2")).unwrap();
    ok(&run_group("notes", &folder, &local, &["new", "Mine"]));
    let listed = run_group("notes", &folder, &local, &["list"]);
    assert!(ok(&listed).contains("Theirs") && ok(&listed).contains("Mine"), "{listed:?}");
}

/// Names that are not UTF-8, and links that lead out: named, and not followed, in every system.
#[test]
fn what_cannot_be_asked_for_is_named_in_every_system() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let garbled = |end: &str| std::ffi::OsStr::from_bytes(&[b"caf\xe9", end.as_bytes()].concat()).to_owned();
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    std::fs::create_dir(&folder).unwrap();
    let outside = dir.path().join("outside");
    std::fs::create_dir_all(outside.join("logs")).unwrap();
    let outside_file = outside.join("messages.jsonl");
    let line = r#"{"type":"message","id":"msg-out","body":"outside","origin":"out","seq":1}"#;
    std::fs::write(&outside_file, format!("{line}\n")).unwrap();

    let local = dir.path().join("journal");
    ok(&run(&folder, &local, &["init", "--machine", "laptop"]));
    ok(&run(&folder, &local, &["append", "--from", "x", "--say", "one"]));
    let machines = folder.join("shared/machines");
    symlink(&outside, machines.join("out")).unwrap();
    std::fs::create_dir(machines.join(garbled(""))).unwrap();
    std::fs::write(machines.join("laptop").join(garbled(".jsonl")), "x").unwrap();
    symlink(&outside_file, machines.join("laptop/messages (1).jsonl")).unwrap();
    let verified = String::from_utf8(run(&folder, &local, &["verify"]).stdout).unwrap();
    for name in ["machines/out", "machines/caf\u{fffd}", "laptop/messages (1).jsonl"] {
        assert!(verified.contains(name), "{name}: {verified}");
    }
    let shown = ok(&run(&folder, &local, &["show"]));
    assert!(!shown.contains("outside"), "{shown}");

    let local = dir.path().join("delta");
    ok(&run_group("delta", &folder, &local, &["put", "task", "t1", "title=x"]));
    ok(&run_group("delta", &folder, &local, &["sync"]));
    let replica = std::fs::read_dir(folder.join("replicas")).unwrap().next().unwrap().unwrap().path();
    let other = folder.join("replicas/other-0000002a");
    std::fs::create_dir_all(other.join("entities")).unwrap();
    std::fs::write(other.join("entities").join(garbled(".json")), "{}").unwrap();
    symlink(&outside_file, other.join("meta.json")).unwrap();
    assert!(replica.is_dir());
    let synced = run_group("delta", &folder, &local, &["sync"]);
    for name in ["entities/caf\u{fffd}.json", "other-0000002a/meta.json"] {
        assert!(said(&synced).contains(name), "{name}: {synced:?}");
    }

    let local = dir.path().join("notes");
    ok(&run_group("notes", &folder, &local, &["new", "Mine"]));
    std::fs::create_dir(folder.join("notes").join(garbled(""))).unwrap();
    symlink(&outside, folder.join("notes/linked")).unwrap();
    let verified = String::from_utf8(run_group("notes", &folder, &local, &["verify"]).stdout).unwrap();
    for name in ["notes/caf\u{fffd}", "notes/linked"] {
        assert!(verified.contains(name), "{name}: {verified}");
    }

    let devices = folder.join("devices");
    std::fs::create_dir(&devices).unwrap();
    std::fs::write(devices.join(garbled(".json")), "{}").unwrap();
    symlink(&outside_file, devices.join("d-out.json")).unwrap();
    let status =
        agent().args(["status", "--folder"]).arg(&folder).arg("--local").arg(&local).output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&status.stdout), said(&status));
    for name in ["devices/caf\u{fffd}.json", "devices/d-out.json"] {
        assert!(told.contains(name), "{name}: {told}");
    }
}
