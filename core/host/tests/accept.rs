//! A shared folder that was emptied, or lost much of what it held, on real folders: what every system says and leaves alone,
//! and what a person's word does.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use support::{command, files, json, ok, run_group, said};

mod support;

/// A folder, and the local directories of those that work on it.
struct Case {
    dir: tempfile::TempDir,
    group: &'static str,
}

impl Case {
    fn new(group: &'static str) -> Self {
        let case = Self { dir: tempfile::tempdir().unwrap(), group };
        std::fs::create_dir(case.folder()).unwrap();
        case
    }

    fn folder(&self) -> PathBuf {
        self.dir.path().join("folder")
    }

    fn run(&self, who: &str, args: &[&str]) -> Output {
        run_group(self.group, &self.folder(), &self.dir.path().join(who), args)
    }

    fn ok(&self, who: &str, args: &[&str]) -> String {
        ok(&self.run(who, args))
    }

    /// That the command ends with 2, writes nothing into the folder, and says the way out.
    fn refused(&self, who: &str, args: &[&str], way_out: &str) -> String {
        let before = files(&self.folder());
        let output = self.run(who, args);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert_eq!(files(&self.folder()), before, "{args:?}: nothing is written");
        let said = said(&output);
        assert!(said.contains("nothing is written until it is back") && said.contains(way_out), "{said}");
        said
    }

    /// Takes everything out of the folder, into a directory beside it.
    fn empty(&self) -> PathBuf {
        let aside = self.dir.path().join("aside");
        std::fs::create_dir(&aside).unwrap();
        for entry in self.folder().read_dir().unwrap().map(Result::unwrap) {
            std::fs::rename(entry.path(), aside.join(entry.file_name())).unwrap();
        }
        aside
    }
}

fn tasks(case: &Case, who: &str) -> usize {
    json(&case.run(who, &["list", "--json"]))["entities"].as_array().unwrap().len()
}

/// Removes so many of the files in a directory whose names begin so.
fn remove(dir: &Path, count: usize) {
    let mut names: Vec<PathBuf> = dir.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= count, "{names:?}");
    names[..count].iter().for_each(|file| std::fs::remove_file(file).unwrap());
}

#[test]
fn entities_of_an_emptied_folder_are_written_again_once_somebody_accepts_it() {
    let case = Case::new("delta");
    for who in ["one", "two"] {
        case.ok(who, &["put", "--name", who, "task", who, "title=t"]);
    }
    for who in ["one", "two", "one", "two"] {
        case.ok(who, &["sync", "--name", who]);
    }
    case.empty();
    for args in [&["sync", "--name", "one"][..], &["sync", "--name", "one", "--dry-run"]] {
        let said = case.refused("one", args, "delta sync --accept");
        assert!(said.contains("nothing of what it held is there"), "{said}");
    }
    assert_eq!(case.ok("one", &["sync", "--name", "one", "--accept"]).trim(), "2 tasks sent");
    // Two never comes back; who is new gets everything all the same.
    assert_eq!(case.ok("three", &["sync", "--name", "three"]).trim(), "2 tasks received");
    assert_eq!((tasks(&case, "one"), tasks(&case, "three")), (2, 2));
    assert_eq!(case.ok("one", &["sync", "--name", "one"]).trim(), "nothing to do");
    assert_eq!(case.ok("two", &["sync", "--name", "two"]).trim(), "1 task sent");
}

#[test]
fn a_folder_that_lost_much_at_once_is_left_alone_until_it_is_back_or_accepted() {
    let case = Case::new("delta");
    for at in 0..20 {
        case.ok("one", &["put", "--name", "one", "task", &format!("t{at:02}"), "title=t"]);
    }
    case.ok("one", &["sync", "--name", "one"]);
    let replica = case.folder().join("replicas").read_dir().unwrap().next().unwrap().unwrap().path();
    let whole = files(&case.folder());
    remove(&replica.join("entities"), 15);
    let said = case.refused("one", &["sync", "--name", "one"], "delta sync --accept");
    assert!(said.contains("of 20 files that were known here 15 are gone"), "{said}");
    case.ok("one", &["put", "--name", "one", "task", "new", "title=kept"]);
    for (name, bytes) in &whole {
        std::fs::write(case.folder().join(name), bytes).unwrap();
    }
    assert_eq!(case.ok("one", &["sync", "--name", "one"]).trim(), "1 task sent", "it goes on by itself");
    remove(&replica.join("entities"), 15);
    case.refused("one", &["sync", "--name", "one"], "delta sync --accept");
    case.ok("one", &["sync", "--name", "one", "--accept"]);
    assert_eq!(case.ok("two", &["sync", "--name", "two"]).trim(), "21 tasks received");
}

#[test]
fn notes_of_an_emptied_folder_are_written_again_once_somebody_accepts_it() {
    let case = Case::new("notes");
    let id = case.ok("one", &["new", "Milk"]).trim().to_owned();
    case.empty();
    case.refused("one", &["sync"], "notes sync --accept");
    case.refused("one", &["edit", &id, "--append", " and bread"], "notes sync --accept");
    case.ok("one", &["sync", "--accept"]);
    case.ok("one", &["edit", &id, "--append", " and bread"]);
    assert_eq!(case.ok("two", &["sync"]).trim(), "1 note received");
    assert_eq!(case.ok("two", &["show", &id]).trim(), "Milk and bread");
}

#[test]
fn a_folder_that_lost_many_notes_at_once_is_left_alone_until_they_are_back_or_it_is_accepted() {
    let case = Case::new("notes");
    let ids: Vec<String> =
        (0..12).map(|at| case.ok("one", &["new", &format!("note {at}")]).trim().to_owned()).collect();
    let aside = case.dir.path().join("aside");
    std::fs::create_dir(&aside).unwrap();
    let moved = |from: &Path, to: &Path| {
        ids[..11].iter().for_each(|id| std::fs::rename(from.join(id), to.join(id)).unwrap());
    };
    let notes = case.folder().join("notes");
    moved(&notes, &aside);
    let said = case.refused("one", &["sync"], "notes sync --accept");
    assert!(said.contains("of 12 files that were known here 11 are gone"), "{said}");
    moved(&aside, &notes);
    case.ok("one", &["sync"]);
    moved(&notes, &aside);
    case.refused("one", &["sync"], "notes sync --accept");
    case.ok("one", &["sync", "--accept"]);
    assert_eq!(case.ok("two", &["sync"]).trim(), "12 notes received");
}

/// Has a machine watch until a file is there.
fn watch_until(case: &Case, who: &str, args: &[&str], there: &Path) {
    let mut watch = command("journal", &case.folder(), &case.dir.path().join(who), args);
    let mut child = watch.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let late = Instant::now() + Duration::from_secs(60);
    while !there.exists() {
        assert!(Instant::now() < late, "{} is not there after a minute", there.display());
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_machine_appends_nothing_where_most_journals_are_gone_until_they_are_back_or_it_is_accepted() {
    let case = Case::new("journal");
    let event =
        |id: &str| format!("{{\"type\":\"message\",\"id\":\"{id}\",\"from_agent\":\"ann\",\"body\":\"x\"}}");
    case.ok("one", &["init", "--machine", "one"]);
    case.ok("one", &["append", &event("msg-one")]);
    let machines = case.folder().join("shared/machines");
    let others: Vec<String> = (10..22).map(|at| format!("m{at}")).collect();
    for other in &others {
        std::fs::create_dir(machines.join(other)).unwrap();
        let line =
            event(&format!("msg-{other}")).replace('}', &format!(",\"origin\":\"{other}\",\"seq\":1}}\n"));
        std::fs::write(machines.join(other).join("messages.jsonl"), line).unwrap();
    }
    let kept = case.dir.path().join("one/kept");
    watch_until(&case, "one", &["watch"], &kept.join("m21/messages.jsonl"));
    let aside = case.dir.path().join("aside");
    std::fs::create_dir(&aside).unwrap();
    let moved = |from: &Path, to: &Path| {
        others[..11].iter().for_each(|other| std::fs::rename(from.join(other), to.join(other)).unwrap());
    };
    moved(&machines, &aside);
    let said = case.refused("one", &["append", &event("msg-two")], "journal watch --accept");
    assert!(said.contains("of 13 files that were known here 11 are gone"), "{said}");
    moved(&aside, &machines);
    case.ok("one", &["append", &event("msg-two")]);
    moved(&machines, &aside);
    case.refused("one", &["append", &event("msg-three")], "journal watch --accept");
    watch_until(&case, "one", &["watch", "--accept"], &kept.join("accepted"));
    case.ok("one", &["append", &event("msg-three")]);
    let shown = case.ok("one", &["show", "--json"]);
    assert!(others.iter().all(|other| shown.contains(&format!("msg-{other}"))), "the view keeps what it had");
}
