//! The notes commands as users and scripts meet them, on real folders.

#![expect(clippy::print_stdout, reason = "how many kills there were is a figure for people")]
#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use cloudchamber_core::notes::Change;
use cloudchamber_core::notes::crdt_log::LogFile;
use cloudchamber_host::notes::{News, Notebook, NotesError, Options};
use serde_json::Value;
use support::{Running, agent, files, json, ok, run_group, said};

mod support;

fn notes(folder: &Path, local: &Path, args: &[&str]) -> Output {
    run_group("notes", folder, local, args)
}

/// A folder and two local directories.
struct Folder {
    dir: tempfile::TempDir,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        Self { dir }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("folder")
    }

    fn local(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self, machine: &str, args: &[&str]) -> Output {
        notes(&self.path(), &self.local(machine), args)
    }

    fn ok(&self, machine: &str, args: &[&str]) -> String {
        ok(&self.run(machine, args)).trim_end().to_owned()
    }

    fn text(&self, machine: &str, note: &str) -> String {
        self.ok(machine, &["show", note])
    }

    /// An error: exit 2 and one line.
    fn refused(&self, machine: &str, args: &[&str]) -> String {
        let output = self.run(machine, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        let said = said(&output);
        assert_eq!(said.lines().count(), 1, "{said}");
        said
    }
}

#[test]
fn two_machines_type_into_one_note() {
    let folder = Folder::new();
    let id = folder.ok("laptop", &["new", "Milk\nBread"]);
    assert_eq!(folder.ok("server", &["sync"]), "1 note received");
    assert_eq!(folder.ok("server", &["sync"]), "nothing new");
    folder.ok("laptop", &["edit", &id, "--insert", "0", "Butter\n"]);
    folder.ok("server", &["edit", &id[..6], "--append", "\nEggs"]);
    folder.ok("server", &["edit", &id, "--set", "Butter\nMilk\nRye bread\nEggs"]);
    folder.ok("laptop", &["edit", &id, "--remove", "0", "7"]);
    for machine in ["laptop", "server"] {
        assert_eq!(folder.text(machine, &id), "Milk\nRye bread\nEggs", "{machine}");
    }
    assert_eq!(folder.ok("laptop", &["edit", &id, "--append", ""]), format!("{id}: it says that already"));
    let synced = json(&folder.run("laptop", &["sync", "--json"]));
    assert_eq!((&synced["received"][0], &synced["sent"][0]), (&id.clone().into(), &id.clone().into()));
    let shown = json(&folder.run("server", &["show", &id, "--json"]));
    assert_eq!((&shown["state"], &shown["title"]), (&"live".into(), &"Milk".into()));
    assert_eq!(shown["instances"].as_array().unwrap().len(), 2);
    ok(&folder.run("server", &["verify"]));
}

#[test]
fn what_is_deleted_for_good_stays_so_on_every_machine() {
    let folder = Folder::new();
    for (id, text) in [("first", "one"), ("second", "two"), ("third", "three")] {
        assert_eq!(folder.ok("laptop", &["new", "--id", id, text]), id);
    }
    folder.ok("server", &["sync"]);
    assert_eq!(folder.ok("server", &["delete", "first"]), "first: in the trash now");
    assert_eq!(folder.ok("server", &["delete", "first"]), "first: in the trash already");
    let listed = |machine: &str| folder.ok(machine, &["list"]).lines().count();
    assert_eq!((listed("laptop"), listed("server")), (2, 2));
    assert_eq!(folder.ok("laptop", &["restore", "first"]), "first: restored");
    assert_eq!(listed("server"), 3);
    let before = files(&folder.path());
    assert_eq!(folder.ok("server", &["delete", "--for-good", "first", "second"]).lines().count(), 2);
    folder.ok("laptop", &["sync"]);
    // A client brings back what it had, and somebody types on who has not heard of it.
    for (name, bytes) in before {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        if !file.exists() {
            std::fs::write(file, bytes).unwrap();
        }
    }
    for machine in ["laptop", "server"] {
        folder.ok(machine, &["sync"]);
        let listed = json(&folder.run(machine, &["list", "--all", "--json"]));
        let rows = listed["notes"].as_array().unwrap();
        let states: BTreeMap<_, _> =
            rows.iter().map(|row| (row["note"].as_str().unwrap(), row["state"].as_str().unwrap())).collect();
        assert_eq!(states, BTreeMap::from([("first", "deleted"), ("second", "deleted"), ("third", "live")]));
        assert!(folder.refused(machine, &["show", "first"]).contains("deleted for good"));
        assert!(folder.refused(machine, &["edit", "first", "--append", "x"]).contains("deleted for good"));
        assert!(folder.refused(machine, &["restore", "second"]).contains("deleted for good"));
    }
}

#[test]
fn pieces_of_words_are_found_in_what_is_there_now() {
    let folder = Folder::new();
    folder.ok("laptop", &["new", "--id", "shopping", "Shopping\nMilk and Würstchen"]);
    folder.ok("server", &["new", "--id", "recipe", "Pancakes\nmilk, eggs, flour\n100 %"]);
    let found = |machine: &str, words: &str| {
        let found = json(&folder.run(machine, &["list", "--json", "--search", words]));
        let rows = found["notes"].as_array().unwrap().iter();
        rows.map(|row| row["note"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let both = BTreeSet::from(["recipe".to_owned(), "shopping".to_owned()]);
    for machine in ["laptop", "server"] {
        assert_eq!(found(machine, "MILK"), both);
        assert_eq!(found(machine, "ilk wÜrst"), BTreeSet::from(["shopping".to_owned()]));
        assert_eq!(found(machine, "0 %"), BTreeSet::from(["recipe".to_owned()]));
        assert_eq!(found(machine, "milk \"OR"), BTreeSet::new());
    }
    folder.ok("laptop", &["edit", "recipe", "--set", "Pancakes\nsoy drink"]);
    folder.ok("laptop", &["delete", "shopping"]);
    assert_eq!(found("server", "milk"), BTreeSet::new());
    assert_eq!(folder.ok("server", &["list", "--search", "soy"]), "recipe  Pancakes: soy drink");
    // The index is a cache.
    std::fs::write(folder.local("server").join("index.db"), "nonsense").unwrap();
    assert_eq!(found("server", "soy"), BTreeSet::from(["recipe".to_owned()]));
    folder.ok("laptop", &["delete", "--for-good", "recipe"]);
    assert_eq!(found("server", "soy"), BTreeSet::new());
}

#[test]
fn a_dry_run_says_what_a_sync_would_do_and_writes_nothing() {
    let folder = Folder::new();
    folder.ok("laptop", &["new", "--id", "first", "one"]);
    let before = files(folder.dir.path());
    let dry = folder.ok("server", &["sync", "--dry-run"]);
    assert!(dry.contains("would receive first  one"), "{dry}");
    assert!(dry.ends_with("1 note received; nothing was written"), "{dry}");
    for reading in [&["list"][..], &["show", "first"], &["verify"], &["sync", "--dry-run", "--json"]] {
        ok(&folder.run("server", reading));
    }
    assert_eq!(files(folder.dir.path()), before);
    assert!(!folder.local("server").exists());
    assert_eq!(folder.ok("server", &["sync"]), "1 note received");
    assert_eq!(folder.ok("server", &["sync", "--dry-run"]), "nothing new; nothing was written");
}

#[test]
fn wrong_usage_says_what_and_where_in_one_line() {
    let folder = Folder::new();
    folder.ok("laptop", &["new", "--id", "note-a", "a"]);
    folder.ok("laptop", &["new", "--id", "note-b", "b"]);
    for (args, says) in [
        (&["show", "nowhere"][..], "there is no such note"),
        (&["show", "note-"], "2 notes begin with it"),
        (&["new", "--id", "no id", "x"], "is no id"),
        (&["new", "--id", "note-a", "x"], "is there already"),
        (&["new", "--id", "NOTE-A", "x"], "in case only"),
        (&["edit", "note-a", "--insert", "9", "x"], "has 1 characters"),
        (&["edit", "note-a", "--insert", "x", "x"], "number of characters"),
        (&["delete", "note-a", "nowhere"], "there is no such note"),
    ] {
        let said = folder.refused("laptop", args);
        assert!(said.contains(says), "{args:?}: {said}");
    }
    assert_eq!(folder.run("laptop", &["edit", "note-a"]).status.code(), Some(2));
    let inside = notes(&folder.path(), &folder.path().join("local"), &["new", "x"]);
    assert!(said(&inside).contains("inside the shared folder"), "{inside:?}");
    assert_eq!(folder.ok("laptop", &["list"]).lines().count(), 2, "what was refused changed something");
    for group in ["list", "new", "edit", "show", "delete", "restore", "sync", "watch", "verify"] {
        let help = ok(&agent().args(["notes", group, "--help"]).output().unwrap());
        assert!(help.contains("Example"), "{group}");
    }
}

#[test]
fn a_folder_that_is_gone_or_empty_is_said_and_never_made() {
    let folder = Folder::new();
    folder.ok("laptop", &["new", "--id", "first", "one"]);
    let (path, aside) = (folder.path(), folder.dir.path().join("unmounted"));
    std::fs::rename(&path, &aside).unwrap();
    for args in [&["new", "x"][..], &["list"], &["sync"], &["delete", "--for-good", "first"], &["verify"]] {
        let said = folder.refused("laptop", args);
        assert!(said.contains("no such directory"), "{said}");
    }
    assert!(!path.exists());
    // A mount point without its disk.
    std::fs::create_dir(&path).unwrap();
    for args in [&["new", "x"][..], &["sync"], &["list"], &["edit", "first", "--append", "x"]] {
        let said = folder.refused("laptop", args);
        assert!(said.contains("the folder is empty"), "{said}");
    }
    assert_eq!(files(&path), BTreeMap::new());
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    assert_eq!(folder.text("laptop", "first"), "one");
}

#[test]
fn a_copy_of_the_local_directory_goes_on_as_another_instance() {
    let folder = Folder::new();
    folder.ok("laptop", &["new", "--id", "first", "one"]);
    support::copy(&folder.local("laptop"), &folder.local("restored"));
    let output = folder.run("restored", &["edit", "first", "--append", " two"]);
    assert!(said(&output).contains("this instance is") && said(&output).contains("copy"), "{output:?}");
    folder.ok("laptop", &["edit", "first", "--append", " three"]);
    let shown = json(&folder.run("laptop", &["show", "first", "--json"]));
    assert_eq!(shown["instances"].as_array().unwrap().len(), 2);
    let text = shown["text"].as_str().unwrap();
    assert!(text.contains("two") && text.contains("three"), "{text}");
    no_number_twice(&folder.path());
}

#[test]
fn what_is_wrong_with_the_files_is_named_and_costs_nothing() {
    let folder = Folder::new();
    folder.ok("laptop", &["new", "--id", "first", "one"]);
    folder.ok("server", &["edit", "first", "--append", " two"]);
    let logs = folder.path().join("notes/first/logs");
    let own = |machine: &str| {
        let verified = json(&folder.run(machine, &["verify", "--json"]));
        verified["instance"].as_str().unwrap().to_owned()
    };
    let log = |machine: &str| {
        let instance = own(machine);
        let mut all = logs.read_dir().unwrap().map(|entry| entry.unwrap().path());
        all.find(|path| path.to_string_lossy().contains(&instance)).unwrap()
    };
    let (laptop, server) = (log("laptop"), log("server"));
    let whole = std::fs::read(&server).unwrap();
    let name = server.file_stem().unwrap().to_string_lossy().into_owned();
    let copy = logs.join(format!("{name}.sync-conflict-20261120-113332-EWX4TBX.crdtlog"));
    std::fs::write(&copy, &whole).unwrap();
    std::fs::write(&server, &whole[..whole.len() - 3]).unwrap();
    let verified = folder.run("laptop", &["verify", "--json"]);
    assert_eq!(verified.status.code(), Some(1));
    let problems = json(&verified)["problems"].clone();
    let kinds: BTreeSet<_> =
        problems.as_array().unwrap().iter().map(|problem| problem["kind"].as_str().unwrap()).collect();
    assert!(kinds.is_superset(&BTreeSet::from(["conflict-copy", "torn"])), "{problems}");
    assert_eq!(folder.text("laptop", "first"), "one two", "what a copy holds counts");
    std::fs::remove_file(copy).unwrap();
    // Its owner repairs it.
    assert!(said(&folder.run("server", &["sync"])).contains("repaired"));
    assert_eq!(std::fs::read(&server).unwrap(), whole);
    // Another's is left alone.
    let other = std::fs::read(&laptop).unwrap();
    std::fs::write(&laptop, [&other[..], b"junk"].concat()).unwrap();
    folder.ok("server", &["sync"]);
    assert_eq!(std::fs::read(&laptop).unwrap(), [&other[..], b"junk"].concat());
    assert_eq!(folder.text("server", "first"), "one two");
}

#[test]
fn watch_tells_what_others_write_while_this_machine_writes_too() {
    let folder = Folder::new();
    folder.ok("laptop", &["new", "--id", "first", "one"]);
    let mut command = agent();
    command.args(["notes", "watch", "--json", "--every", "1", "--folder"]).arg(folder.path());
    command.arg("--local").arg(folder.local("laptop"));
    let mut watch = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(watch.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap()).unwrap();
    assert_eq!(next()["sent"][0], "first");
    folder.ok("server", &["new", "--id", "second", "two"]);
    let told = next();
    assert_eq!(
        (&told["news"], &told["note"], &told["title"]),
        (&"changed".into(), &"second".into(), &"two".into())
    );
    // A command of the same machine does not wait for the one that watches.
    folder.ok("laptop", &["edit", "second", "--append", " three"]);
    let told = next();
    assert_eq!((&told["note"], &told["title"]), (&"second".into(), &"two three".into()));
    folder.ok("server", &["delete", "--for-good", "second"]);
    let told = next();
    assert_eq!((&told["news"], &told["note"]), (&"deleted".into(), &"second".into()));
    drop(watch);
    folder.ok("laptop", &["sync"]);
    assert_eq!(json(&folder.run("laptop", &["verify", "--json"]))["problems"], Value::Array(vec![]));
}

#[test]
fn a_program_is_told_of_what_others_do() {
    let folder = Folder::new();
    let open = |name: &str| {
        let options = Options { local: Some(folder.local(name)), scan_ms: Some(50), ..Options::default() };
        Notebook::open(&folder.path(), &options).unwrap()
    };
    let (mut one, mut two) = (open("one"), open("two"));
    let note = one.create("hello").unwrap().note;
    let until = |notebook: &mut Notebook, is: &dyn Fn(&News) -> bool| {
        let started = Instant::now();
        while !notebook.wait(Duration::from_millis(200)).unwrap().iter().any(is) {
            assert!(started.elapsed() < Duration::from_secs(20), "it was not told");
        }
    };
    until(&mut two, &|news| matches!(news, News::Changed { note: changed, .. } if *changed == note));
    let written = two.edit(&note, Change::Append(" world".to_owned())).unwrap().unwrap();
    assert_eq!((&*written.note, written.seq), (&*note, 1));
    assert_eq!(two.edit(&note, Change::Append(String::new())).unwrap(), None);
    until(&mut one, &|news| matches!(news, News::Changed { by, .. } if by.contains(&written.instance)));
    assert_eq!(one.view().text(&note).as_deref(), Some("hello world"));
    assert_eq!(one.search("world").unwrap().len(), 1);
    assert!(matches!(one.edit("nowhere", Change::Append("x".to_owned())), Err(NotesError::Refused(_))));
    assert!(one.delete_for_good(&note).unwrap() && !one.delete_for_good(&note).unwrap());
    until(&mut two, &|news| *news == News::Deleted { note: note.clone() });
    assert!(two.view().is_deleted(&note) && two.search("world").unwrap().is_empty());
    assert!(matches!(two.edit(&note, Change::Append("x".to_owned())), Err(NotesError::Refused(_))));
    assert_eq!(two.view().problems(), []);
}

/// One machine: a program of it that types, and one that makes and deletes notes.
fn spawn(folder: &Path, local: &Path, args: &[&str]) -> Child {
    let mut command = agent();
    command.arg("notes").arg(args[0]).arg("--folder").arg(folder).arg("--local").arg(local).args(&args[1..]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

/// Whole lines that a program has said before it was killed, behind what was read of it already.
fn lines_of(mut said: String, out: &mut BufReader<ChildStdout>) -> Vec<String> {
    while out.read_line(&mut said).is_ok_and(|read| read > 0) {}
    let whole = said.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| line.trim_end().to_owned()).collect()
}

/// Kills programs of two machines in mid-append, mid-snapshot and mid-deletion: every acknowledged line is there, no number
/// is used twice, what was deleted stays deleted, and both show the same. `CLOUDCHAMBER_KILLS` sets how many kills.
#[test]
fn killed_writers_lose_nothing_that_was_acknowledged() {
    let kills: u64 = std::env::var("CLOUDCHAMBER_KILLS").map_or(24, |kills| kills.parse().unwrap());
    let folder = Folder::new();
    folder.ok("one", &["new", "--id", "diary", "begun"]);
    folder.ok("two", &["sync"]);
    let mut typed: BTreeMap<(String, u64), String> = BTreeMap::new();
    let (mut made, mut deleted) = (BTreeSet::<String>::new(), BTreeSet::<String>::new());
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    for kill in 0..kills {
        // The diary grows; a new page from time to time keeps each start short.
        let page = format!("diary-{}", kill / 50);
        if kill % 50 == 0 {
            folder.ok("one", &["new", "--id", &page, "a page"]);
        }
        let doomed = made.iter().next_back().cloned();
        let id = format!("note-{kill}");
        let mut writers = vec![
            spawn(&folder.path(), &folder.local("one"), &["edit", &page, "--lines", "--snapshot-every", "3"]),
            spawn(&folder.path(), &folder.local("two"), &["edit", &page, "--lines", "--snapshot-every", "3"]),
            spawn(&folder.path(), &folder.local("two"), &["new", "--id", &id, "made to be deleted"]),
        ];
        if let Some(doomed) = &doomed {
            writers.push(spawn(&folder.path(), &folder.local("one"), &["delete", "--for-good", doomed]));
        }
        for writer in &mut writers[..2] {
            let mut input = writer.stdin.take().unwrap();
            for n in 0..12 {
                writeln!(input, "{kill} {n} {}", "x".repeat(n * 9 + 1)).unwrap();
            }
        }
        let mut outs: Vec<_> =
            writers.iter_mut().map(|writer| BufReader::new(writer.stdout.take().unwrap())).collect();
        let mut first = String::new();
        if kill % 2 == 1 {
            // Half of the kills come while lines are written, however slow the machine is.
            outs[0].read_line(&mut first).unwrap();
        }
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // The moment of the kill is the point of this test: from before the first record to after the last.
        let spins = (random >> 33) % 120_000;
        let started = Instant::now();
        while u64::try_from(started.elapsed().as_micros()).unwrap() < spins {
            std::thread::yield_now();
        }
        for writer in &mut writers {
            writer.kill().unwrap();
            writer.wait().unwrap();
        }
        let mut said: Vec<_> = outs.iter_mut().map(|out| lines_of(std::mem::take(&mut first), out)).collect();
        for line in said[..2].iter().flatten() {
            let mut parts = line.splitn(3, ' ');
            let (instance, seq) = (parts.next().unwrap().to_owned(), parts.next().unwrap().parse().unwrap());
            let before = typed.insert((format!("{page} {instance}"), seq), parts.next().unwrap().to_owned());
            assert_eq!(before, None, "number {seq} of {instance} was used twice");
        }
        made.extend(std::mem::take(&mut said[2]).into_iter().filter(|said| *said == id));
        if said.get(3).is_some_and(|lines| lines.iter().any(|said| said.contains("deleted for good"))) {
            let doomed = doomed.unwrap();
            made.remove(&doomed);
            deleted.insert(doomed);
        }
    }
    nothing_is_lost(&folder, &typed, &made, &deleted);
    assert!(typed.len() as u64 > kills, "{} lines for {kills} kills prove little", typed.len());
    println!("{kills} kills, {} lines, {} deletions acknowledged", typed.len(), deleted.len());
}

/// After all kills: every line that was acknowledged stands in its note, every note that was made is known, what was deleted
/// is, and both machines show the same.
fn nothing_is_lost(
    folder: &Folder,
    typed: &BTreeMap<(String, u64), String>,
    made: &BTreeSet<String>,
    deleted: &BTreeSet<String>,
) {
    for machine in ["one", "two", "one", "two"] {
        folder.ok(machine, &["sync"]);
    }
    let listed = ["one", "two"].map(|machine| json(&folder.run(machine, &["list", "--all", "--json"])));
    assert_eq!(listed[0], listed[1], "the two show different things");
    let verified = json(&folder.run("one", &["verify", "--json"]));
    // A snapshot that was cut is not used, and nobody waits for it.
    let cut = |problem: &&Value| {
        ["bad-snapshot", "unfinished-snapshot"].contains(&problem["kind"].as_str().unwrap())
    };
    let others: Vec<_> =
        verified["problems"].as_array().unwrap().iter().filter(|problem| !cut(problem)).collect();
    assert!(others.is_empty(), "{others:?}");
    let rows: BTreeMap<_, _> = listed[0]["notes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (row["note"].as_str().unwrap(), (row["state"].as_str().unwrap(), row["text"].as_str().unwrap()))
        })
        .collect();
    for ((whose, seq), line) in typed {
        let page = whose.split(' ').next().unwrap();
        assert!(rows[page].1.lines().any(|one| one == line), "{whose}: number {seq} is lost");
    }
    for id in deleted {
        assert_eq!(rows[id.as_str()].0, "deleted", "{id} came back");
    }
    // The last one's deletion may have been carried out and not been told.
    let lost: Vec<_> = made.iter().filter(|id| !rows.contains_key(id.as_str())).collect();
    assert!(lost.is_empty(), "{lost:?}");
    no_number_twice(&folder.path());
}

/// No instance has two records of one note with one number.
fn no_number_twice(folder: &Path) {
    let mut seen = BTreeSet::new();
    for (name, bytes) in files(folder) {
        let name = name.to_string_lossy().into_owned();
        let Some(log) = name.strip_suffix(".crdtlog") else { continue };
        let instance = log.split('.').nth(1).unwrap();
        let note = name.split('/').nth(1).unwrap();
        for record in LogFile::read(&bytes).records {
            let number = (note.to_owned(), instance.to_owned(), record.seq);
            assert!(seen.insert(number.clone()), "{number:?} was used twice");
        }
    }
    assert!(!seen.is_empty());
}

/// A text of the agent's own time zone, locale or terminal has no part in any of this.
#[test]
fn standard_input_is_taken_as_it_is() {
    let folder = Folder::new();
    let mut child = spawn(&folder.path(), &folder.local("laptop"), &["new", "--id", "piped", "-"]);
    child.stdin.take().unwrap().write_all("äöü\n\nlast\n".as_bytes()).unwrap();
    ok(&child.wait_with_output().unwrap());
    assert_eq!(folder.text("laptop", "piped"), "äöü\n\nlast");
    let mut child = spawn(&folder.path(), &folder.local("laptop"), &["edit", "piped", "--set", "-"]);
    child.stdin.take().unwrap().write_all(b"\xff\xfe").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(folder.text("laptop", "piped"), "äöü\n\nlast");
    let nowhere = Command::new(agent().get_program()).args(["notes", "list"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
}
