//! Every op of every command on notes fails in every way: what was told is what is there. And what a look reads is counted.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::collections::BTreeSet;

use cloudchamber_core::notes::crdt_log::LogFile;
use cloudchamber_core::notes::{Change, Config, Kind};
use cloudchamber_core::{Design, FsMut, FsOp, MemoryFs, Path, Root};
use cloudchamber_host::notes::{News, Notebook, NotesError};
use support::disk::{Disk, ERRORS, Fault, Part};

mod support;

fn config(instance: &str) -> Config {
    let mut config = Config::new(Design::Hardened, Kind::Yjs, "profile");
    config.instance = Some(instance.into());
    config
}

/// A process of a machine, with what lies beside its files.
struct Process(
    Notebook<Disk>,
    #[expect(dead_code, reason = "it lies there as long as the process lives")] tempfile::TempDir,
);

impl Process {
    fn start(disk: &Disk, instance: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self(Notebook::on(disk.clone(), config(instance), dir.path(), dir.path()).unwrap(), dir)
    }
}

/// What became of a command, as it was told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Told {
    Done,
    Nowhere,
    Unsure,
}

fn told<T>(result: &Result<T, NotesError>) -> Told {
    match result {
        Ok(_) => Told::Done,
        Err(NotesError::Refused(_) | NotesError::Undone(_) | NotesError::Place(_)) => Told::Nowhere,
        Err(NotesError::Unsure(_)) => Told::Unsure,
    }
}

/// What is there before each command.
fn begun() -> Disk {
    let disk = Disk::of(MemoryFs::default());
    let Process(notebook, _) = &mut Process::start(&disk, "one");
    notebook.create_as("kept", "first").unwrap();
    notebook.create_as("trashed", "away").unwrap();
    notebook.delete("trashed").unwrap();
    disk
}

type Act = fn(&mut Notebook<Disk>) -> Told;
type Holds = fn(&Notebook<Disk>) -> bool;

/// What is done, and how one sees that it was.
const ACTS: [(&str, Act, Holds); 7] = [
    ("new", |one| told(&one.create_as("fresh", "made")), |one| text(one, "fresh") == "made"),
    ("edit", |one| told(&one.edit("kept", more(" more"))), |one| text(one, "kept") == "first more"),
    ("delete", |one| told(&one.delete("kept")), |one| is(one, "kept", "trashed")),
    ("restore", |one| told(&one.restore("trashed")), |one| is(one, "trashed", "live")),
    ("delete for good", |one| told(&one.delete_for_good("kept")), |one| one.view().is_deleted("kept")),
    ("snapshot", |one| told(&one.snapshot("kept")), |one| text(one, "kept") == "first"),
    ("sync", |one| told(&one.sync()), |one| text(one, "kept") == "first"),
];

fn more(text: &str) -> Change {
    Change::Append(text.to_owned())
}

fn text(one: &Notebook<Disk>, note: &str) -> String {
    one.view().text(note).unwrap_or_default()
}

fn is(one: &Notebook<Disk>, note: &str, state: &str) -> bool {
    one.view().note(note).is_some_and(|note| note.state.text() == state)
}

/// No instance has two different records of one note with one number.
fn no_number_twice(disk: &Disk, fault: Fault) {
    let files = disk.files.borrow();
    let mut seen = BTreeSet::new();
    let logs = files.files.iter().filter(|(path, _)| path.root() == Root::Shared);
    for (path, content) in logs.filter(|(path, _)| path.name().ends_with(".crdtlog")) {
        let parts: Vec<_> = path.name().split('/').collect();
        let instance = parts[3].split('.').nth(1).unwrap();
        for record in LogFile::read(content.bytes()).records {
            let number = (parts[1].to_owned(), instance.to_owned(), record.seq);
            assert!(seen.insert(number.clone()), "{fault:?}: {number:?} was used twice");
        }
    }
}

#[test]
fn what_is_told_is_what_is_there_whatever_fails() {
    let begun = begun();
    let (mut ways, mut triples) = (0, BTreeSet::new());
    for (name, act, holds) in ACTS {
        for error in ERRORS {
            for part in [Part::Nothing, Part::Half, Part::Everything] {
                for at in 0.. {
                    let (disk, fault) = (Disk::of(begun.files.borrow().clone()), Fault { at, error, part });
                    let mut process = Process::start(&disk, "one");
                    let one = &mut process.0;
                    disk.tried.set(0);
                    disk.fault.set(Some(fault));
                    let result = act(one);
                    disk.fault.set(None);
                    let unharmed = disk.tried.get() <= at;
                    drop(process);
                    let Process(next, _) = &mut Process::start(&disk, "one");
                    match result {
                        Told::Done => assert!(holds(next), "{name}, {fault:?}: it was told and is not so"),
                        Told::Nowhere if matches!(name, "snapshot" | "sync") => {}
                        Told::Nowhere => {
                            assert!(!holds(next), "{name}, {fault:?}: it was told to be nowhere")
                        }
                        Told::Unsure => assert!(!unharmed, "{name}, {fault:?}"),
                    }
                    // Nothing else is lost, and whoever goes on can, once.
                    if !next.view().is_deleted("kept") {
                        assert!(text(next, "kept").starts_with("first"), "{name}, {fault:?}");
                        next.edit("kept", more("!")).unwrap().unwrap();
                        assert_eq!(text(next, "kept").matches('!').count(), 1, "{name}, {fault:?}");
                        assert!(text(next, "kept").matches(" more").count() <= 1, "{name}, {fault:?}");
                    }
                    no_number_twice(&disk, fault);
                    // Another machine sees the same.
                    let shared = MemoryFs {
                        files: disk
                            .files
                            .borrow()
                            .files
                            .iter()
                            .filter(|(path, _)| path.root() == Root::Shared)
                            .map(|(path, content)| (path.clone(), content.clone()))
                            .collect(),
                        ..MemoryFs::default()
                    };
                    let Process(other, _) = &Process::start(&Disk::of(shared), "two");
                    for id in ["kept", "trashed", "fresh"] {
                        assert_eq!(text(other, id), text(next, id), "{name}, {fault:?}: {id}");
                        assert_eq!(
                            other.view().is_deleted(id),
                            next.view().is_deleted(id),
                            "{name}, {fault:?}: {id}"
                        );
                    }
                    if unharmed {
                        assert_eq!(result, Told::Done, "{name}, {fault:?}");
                        assert!(at > 0 || name == "sync", "{name} writes nothing");
                        break;
                    }
                    ways += 1;
                    triples.insert((name, disk.hit.take(), error));
                }
            }
        }
    }
    assert!(
        ways >= 6 * 3 * 20 && triples.len() >= 6 * 15,
        "{ways} ways, {} triples: {triples:?}",
        triples.len()
    );
}

/// A failure is told once: what was not begun by then is not carried out later.
#[test]
fn a_command_that_was_told_to_have_failed_is_not_carried_out_by_the_next_one() {
    let begun = begun();
    // The own log is cut, so that it is repaired before anything is written.
    let log = begun
        .files
        .borrow()
        .files
        .keys()
        .find(|path| path.name().starts_with("notes/kept/logs/"))
        .cloned()
        .unwrap();
    for error in ERRORS {
        let disk = Disk::of(begun.files.borrow().clone());
        let Process(one, _) = &mut Process::start(&disk, "one");
        let whole = disk.files.borrow().files[&log].clone();
        let cut = FsOp::Replace { path: log.clone(), content: whole.prefix(whole.len() - 1) };
        disk.files.borrow_mut().apply(&cut).unwrap();
        disk.tried.set(0);
        disk.fault.set(Some(Fault { at: 0, error, part: Part::Nothing }));
        // The look notices the cut, and cannot repair it.
        assert!(one.sync().is_err());
        disk.tried.set(0);
        let result = told(&one.edit("kept", more(" once")));
        disk.fault.set(None);
        let again = told(&one.edit("kept", more(" once")));
        assert_eq!((result, again), (Told::Nowhere, Told::Done), "{error:?}");
        assert_eq!(text(one, "kept"), "first once", "{error:?}");
    }
}

/// Discovery over 10,000 notes of which 10 are new reads the files of those 10, and the activity log that tells of them.
#[test]
fn a_look_reads_only_what_is_new() {
    let disk = Disk::of(MemoryFs::default());
    // Another machine has made them.
    Process::start(&disk, "two").0.create_as("n00000", "a note").unwrap();
    let log = disk
        .files
        .borrow()
        .files
        .iter()
        .find(|(path, _)| path.name().starts_with("notes/n00000/logs/"))
        .map(|(path, content)| (path.file_name().to_owned(), content.clone()))
        .unwrap();
    let put = |disk: &Disk, note: usize| {
        let path = Path::shared("notes").join(&format!("n{note:05}")).join("logs").join(&log.0);
        disk.files.borrow_mut().apply(&FsOp::CreateNew { path, content: log.1.clone() }).unwrap();
    };
    // What stands for this machine alone.
    let own = |path: &Path| path.root() == Root::Local;
    disk.files.borrow_mut().files.retain(|path, _| !own(path));
    (1..9_990).for_each(|note| put(&disk, note));
    let Process(one, _) = &mut Process::start(&disk, "one");
    assert_eq!(one.view().ids().len(), 9_990);
    disk.read.borrow_mut().clear();
    one.look().unwrap();
    let idle = disk.read.borrow().iter().filter(|path| path.root() == Root::Shared).count();
    assert!(idle <= 3, "{idle} files were read where nothing is new");
    (9_990..10_000).for_each(|note| put(&disk, note));
    disk.read.borrow_mut().clear();
    let news = one.look().unwrap();
    assert_eq!(news.iter().filter(|news| matches!(news, News::Changed { .. })).count(), 10);
    let read = disk.read.borrow().clone();
    let shared: Vec<_> = read.iter().filter(|path| path.root() == Root::Shared).collect();
    assert!((10..=13).contains(&shared.len()), "{} files were read: {shared:?}", shared.len());
    let none = |note: &str| one.view().text(note).is_none();
    assert!(!(9_990..10_000).any(|note| none(&format!("n{note:05}"))));
}
