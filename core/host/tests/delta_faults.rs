//! Every op of every delta command fails in every way: what was told is what is there. And how few files a sync
//! touches, on a real folder.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::delta::{Change, Command, Config, Delta, Design, Event, Layout};
use cloudchamber_core::{Content, Entry, Fs, FsError, FsMut, FsOp, Input, MemoryFs, Path, Root};
use cloudchamber_host::{Lock, OsFs, Runner};
use support::disk::{Disk, ERRORS, Fault, Part};

mod support;

/// A process of a replica, from its start to its end.
struct Process<F: FsMut> {
    told: Vec<Event>,
    failed: bool,
    _lock: tempfile::TempDir,
    runner: Runner<Delta, F>,
}

impl<F: FsMut> Process<F> {
    fn start(fs: F, name: &str, layout: Layout) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::wait(dir.path()).unwrap();
        let config = Config { deltas_max: 2, ..Config::new(Design::HARDENED.in_layout(layout), name) };
        let mut told = Vec::new();
        let mut runner = Runner::open(config, fs, lock, &mut |_, event: &Event| told.push(event.clone()));
        let failed = runner.settle(&mut |_, event: &Event| told.push(event.clone())).is_err();
        Self { told, failed, _lock: dir, runner }
    }

    fn give(&mut self, command: Command) -> Vec<Event> {
        let mut told = Vec::new();
        self.runner.feed(Input::Command(command), &mut |_, event| told.push(event.clone()));
        self.failed |= self.runner.settle(&mut |_, event| told.push(event.clone())).is_err();
        self.told.extend(told.iter().cloned());
        told
    }

    /// The entities as they are, by kind and id; None for those that are deleted.
    fn shows(&self) -> BTreeMap<String, Option<String>> {
        let shown = self.runner.protocol().all();
        shown
            .map(|shown| (shown.key.to_string(), (!shown.deleted).then(|| shown.fields.json().to_string())))
            .collect()
    }

    fn conflicts(&self) -> BTreeSet<String> {
        self.runner.protocol().conflicts().map(|conflict| conflict.id()).collect()
    }
}

/// The folder of a disk, with no local files: what another machine gets to see.
fn folder(disk: &Disk) -> MemoryFs {
    let mut files = disk.files.borrow().clone();
    files.files.retain(|path, _| path.root() == Root::Shared);
    files
}

/// A disk on which a replica has put two entities, synced them, and received one of another machine.
fn begun(layout: Layout) -> MemoryFs {
    let other = Disk::of(MemoryFs::default());
    let mut process = Process::start(other.clone(), "other", layout);
    process.give(Change::put("task", "theirs", r#"{"title":"theirs"}"#).into());
    process.give(Command::Sync);
    let disk = Disk::of(folder(&other));
    let mut process = Process::start(disk.clone(), "one", layout);
    process.give(Change::put("task", "old", r#"{"title":"old"}"#).into());
    process.give(Change::put("task", "gone", r#"{"title":"gone"}"#).into());
    process.give(Command::Sync);
    assert_eq!(process.shows().len(), 3);
    disk.files.take()
}

/// The commands that are tried, and what is there once all of them are done.
fn commands() -> (Vec<Command>, BTreeMap<String, Option<String>>) {
    let both = vec![
        Change::put("task", "new", r#"{"title":"new"}"#),
        Change::put("task", "old", r#"{"note":"n","title":"changed"}"#),
    ];
    let commands = vec![
        Command::Change(both),
        Change::delete("task", "gone").into(),
        Command::Sync,
        Change::put("task", "late", r#"{"title":"late"}"#).into(),
        Command::Sync,
    ];
    let shows = [
        ("task gone", None),
        ("task late", Some(r#"{"title":"late"}"#)),
        ("task new", Some(r#"{"title":"new"}"#)),
        ("task old", Some(r#"{"note":"n","title":"changed"}"#)),
        ("task theirs", Some(r#"{"title":"theirs"}"#)),
    ];
    (commands, shows.map(|(key, shown)| (key.to_owned(), shown.map(str::to_owned))).into())
}

/// What was acknowledged or said to be so already, by kind and id.
fn promised(told: &[Event]) -> BTreeSet<String> {
    let promised = told.iter().filter_map(|event| match event {
        Event::Acknowledged { key, .. } | Event::Unchanged(key) => Some(key.to_string()),
        _ => None,
    });
    promised.collect()
}

#[test]
fn what_is_acknowledged_is_there_and_the_commands_given_again_do_the_rest() {
    for layout in [Layout::Split, Layout::SplitLite] {
        let (files, (commands, right)) = (begun(layout), commands());
        let (mut ways, mut triples) = (0, BTreeSet::new());
        for error in ERRORS {
            for part in [Part::Nothing, Part::Half, Part::Everything] {
                for at in 0.. {
                    let (disk, fault) = (Disk::of(files.clone()), Fault { at, error, part });
                    disk.fault.set(Some(fault));
                    let mut process = Process::start(disk.clone(), "one", layout);
                    commands.iter().for_each(|command| drop(process.give(command.clone())));
                    disk.fault.set(None);
                    let unharmed = disk.tried.get() <= at;
                    assert_eq!(process.failed, !unharmed, "{layout:?} {fault:?}");
                    let synced = process.told.iter().any(|event| matches!(event, Event::Synced(_)));
                    let kept = process.shows();

                    // The process ends, and the next one finds what was acknowledged.
                    let mut next = Process::start(disk.clone(), "one", layout);
                    assert_eq!(
                        next.shows(),
                        kept,
                        "{layout:?} {fault:?}: what it showed is not what it kept"
                    );
                    for key in promised(&process.told) {
                        assert_eq!(next.shows().get(&key), right.get(&key), "{layout:?} {fault:?}: {key}");
                    }
                    commands.iter().for_each(|command| drop(next.give(command.clone())));
                    assert!(!next.failed && synced | !unharmed, "{layout:?} {fault:?}");
                    assert_eq!(
                        (next.shows(), next.conflicts()),
                        (right.clone(), [].into()),
                        "{layout:?} {fault:?}"
                    );

                    // And another machine gets to see it.
                    let mut third = Process::start(Disk::of(folder(&disk)), "third", layout);
                    third.give(Command::Sync);
                    assert_eq!(
                        (third.shows(), third.conflicts()),
                        (right.clone(), [].into()),
                        "{layout:?} {fault:?}"
                    );
                    if unharmed {
                        break;
                    }
                    ways += 1;
                    triples.insert((disk.hit.take(), error));
                }
            }
        }
        assert!(ways >= 6 * 3 * 12 && triples.len() >= 6 * 5, "{layout:?}: {ways} ways, {triples:?}");
    }
}

/// A disk of a replica that has a conflict: another one gave the same field another value.
fn in_conflict(layout: Layout) -> MemoryFs {
    let disk = Disk::of(begun(layout));
    let other = Disk::of(folder(&disk));
    let mut process = Process::start(other.clone(), "second", layout);
    process.give(Command::Sync);
    process.give(Change::put("task", "old", r#"{"title":"from the second"}"#).into());
    process.give(Command::Sync);
    let mut process = Process::start(disk.clone(), "one", layout);
    process.give(Change::put("task", "old", r#"{"title":"from the first"}"#).into());
    let from_there = folder(&other).files;
    disk.files.borrow_mut().files.extend(from_there);
    process.give(Command::Sync);
    assert_eq!(process.conflicts().len(), 1);
    let mut files = disk.files.take();
    // What an application of the published layout has left.
    files = files.with("shared:entities/task_a.json", r#"{"id":"a","version":4,"title":"left"}"#);
    files
}

/// What is acknowledged of every command on conflicts and of every import is there, and once it is given again all is as
/// if nothing had failed.
#[test]
fn conflicts_and_imports_are_done_once_whatever_fails() {
    let state = r#"{"task":{"ids":["s"],"entities":{"s":{"id":"s","title":"of a state"}}}}"#;
    let mut triples = BTreeSet::new();
    for layout in [Layout::Split, Layout::SplitLite] {
        let files = in_conflict(layout);
        let conflict =
            Process::start(Disk::of(files.clone()), "one", layout).conflicts().pop_first().unwrap();
        for (name, command) in [
            ("restore", Command::Restore(conflict.clone())),
            ("dismiss", Command::Dismiss(conflict.clone())),
            ("import", Command::Import),
            ("import a state", Command::ImportState(state.to_owned())),
        ] {
            let given = [command, Command::Sync];
            let clean = Disk::of(files.clone());
            let mut process = Process::start(clean.clone(), "one", layout);
            given.iter().for_each(|command| drop(process.give(command.clone())));
            assert!(!process.failed && clean.tried.get() > 1, "{layout:?} {name}");
            let (right, conflicts) = (process.shows(), process.conflicts());
            for error in ERRORS {
                for part in [Part::Nothing, Part::Half, Part::Everything] {
                    for at in 0..clean.tried.get() {
                        let (disk, fault) = (Disk::of(files.clone()), Fault { at, error, part });
                        let case = format!("{layout:?} {name} {fault:?}");
                        disk.fault.set(Some(fault));
                        let mut process = Process::start(disk.clone(), "one", layout);
                        given.iter().for_each(|command| drop(process.give(command.clone())));
                        disk.fault.set(None);
                        assert!(process.failed, "{case}");
                        let kept = (process.shows(), process.conflicts());
                        let mut next = Process::start(disk.clone(), "one", layout);
                        assert_eq!(
                            (next.shows(), next.conflicts()),
                            kept,
                            "{case}: what it showed is not kept"
                        );
                        given.iter().for_each(|command| drop(next.give(command.clone())));
                        assert_eq!(
                            (next.shows(), next.conflicts()),
                            (right.clone(), conflicts.clone()),
                            "{case}"
                        );
                        let mut third = Process::start(Disk::of(folder(&disk)), "third", layout);
                        third.give(Command::Sync);
                        assert_eq!(third.shows(), right, "{case}: another machine");
                        triples.insert((name, disk.hit.take(), error));
                    }
                }
            }
        }
    }
    assert!(triples.len() >= 4 * 3 * 6, "{} triples: {triples:?}", triples.len());
}

#[test]
fn a_process_that_goes_on_after_a_failure_keeps_its_word() {
    let (files, (commands, right)) = (begun(Layout::Split), commands());
    for error in ERRORS {
        for part in [Part::Nothing, Part::Half, Part::Everything] {
            for at in 0.. {
                let (disk, fault) = (Disk::of(files.clone()), Fault { at, error, part });
                disk.fault.set(Some(fault));
                let mut process = Process::start(disk.clone(), "one", Layout::Split);
                for command in commands.iter().chain(&commands) {
                    process.give(command.clone());
                }
                assert_eq!(process.shows(), right, "{fault:?}");
                let mut third = Process::start(Disk::of(folder(&disk)), "third", Layout::Split);
                third.give(Command::Sync);
                assert_eq!((third.shows(), third.conflicts()), (right.clone(), [].into()), "{fault:?}");
                if disk.tried.get() <= at {
                    break;
                }
            }
        }
    }
}

/// A real folder that counts how many files are opened and written.
struct Counting {
    fs: OsFs,
    opened: Cell<u64>,
    written: BTreeSet<Path>,
}

impl Fs for Counting {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        self.opened.set(self.opened.get() + 1);
        self.fs.read(path, from)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        self.fs.list(dir)
    }
}

impl FsMut for Counting {
    fn apply(&mut self, op: &FsOp) -> Result<(), FsError> {
        self.written.insert(op.path().clone());
        self.fs.apply(op)
    }

    fn failure(&self) -> Option<String> {
        self.fs.failure()
    }
}

/// `CLOUDCHAMBER_ENTITIES` sets how many entities there are (10000 in split write as many files).
#[test]
fn a_sync_of_ten_entities_among_many_opens_and_writes_few_files() {
    let many: u32 = std::env::var("CLOUDCHAMBER_ENTITIES").map_or(1_000, |many| many.parse().unwrap());
    for (layout, entities) in [(Layout::Split, many), (Layout::SplitLite, many.max(10_000))] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        let start = |name: &str| {
            let fs = OsFs::new(dir.path().join("folder"), dir.path().join(name));
            Process::start(Counting { fs, opened: Cell::new(0), written: BTreeSet::new() }, name, layout)
        };
        let changes = |title: &str, ids: std::ops::Range<u32>| {
            let put = |id| Change::put("task", &format!("t{id}"), &format!("{{\"title\":\"{title} {id}\"}}"));
            Command::Change(ids.map(put).collect())
        };
        let synced = |process: &mut Process<Counting>| {
            let told = process.give(Command::Sync);
            told.iter().find_map(|event| match event {
                Event::Synced(report) => Some(report.to_string()),
                _ => None,
            })
        };
        let mut one = start("one");
        one.give(changes("first", 0..entities));
        for name in ["one", "two", "one", "two"] {
            synced(&mut start(name));
        }
        // Each command is a process of its own, which reads what it kept: that counts.
        start("one").give(changes("second", 500..510));
        for (name, said) in [("one", "10 tasks sent"), ("two", "10 tasks received")] {
            let mut process = start(name);
            assert_eq!(synced(&mut process).as_deref(), Some(said), "{layout:?}");
            let Counting { opened, written, .. } = process.runner.fs();
            assert!(opened.get() <= 40 && written.len() <= 25, "{layout:?}: {written:?}");
        }
        for name in ["one", "two", "one", "two"] {
            synced(&mut start(name));
        }
        for name in ["one", "two"] {
            let mut process = start(name);
            assert_eq!(synced(&mut process).as_deref(), Some("nothing to do"));
            let Counting { opened, written, .. } = process.runner.fs();
            assert!(opened.get() <= 3 * 2 && written.is_empty(), "{layout:?}: {written:?}");
        }
    }
}
