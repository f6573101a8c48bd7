//! What is said again of logs that nobody writes any more.

use cloudchamber_core::kit::identity::Place;
use cloudchamber_core::notes::Command;
use cloudchamber_core::notes::Kind;
use cloudchamber_core::notes::problem::ProblemKind;
use cloudchamber_core::{Content, Design, Path, Root};
use notes_support::{Replica, carry};

mod notes_support;

const A: &str = "instaaaaaaaaaaaaaaaaaa";
const B: &str = "instbbbbbbbbbbbbbbbbbb";
const C: &str = "instcccccccccccccccccc";
const NOTE: &str = "note-1";

#[test]
fn an_older_file_of_an_id_that_was_left_takes_nothing_from_who_comes_later() {
    for (is_restored, is_gone) in [(false, false), (false, true), (true, false), (true, true)] {
        let what = format!("restored: {is_restored}, gone: {is_gone}");
        let place = |host: &str| {
            Some(Place { host: host.to_owned(), directory: "/home/ann".to_owned(), number: None })
        };
        let mut one = Replica::new(Design::Hardened, Kind::Yjs, A);
        one.config.place = place("mac");
        one.start();
        one.create(NOTE, "Hello");
        let before = one.fs.files.clone();
        one.append(NOTE, " world");
        let (path, _) = one.shared().into_iter().find(|(path, _)| path.name().ends_with(".crdtlog")).unwrap();
        if is_restored {
            // What it wrote since is in the folder alone.
            one.fs.files.retain(|path, _| path.root() == Root::Shared);
            let local = before.iter().filter(|(path, _)| path.root() == Root::Local);
            one.fs.files.extend(local.map(|(path, content)| (path.clone(), content.clone())));
        } else {
            one.config.place = place("other");
        }
        one.start();
        assert_ne!(one.notes().instance(), Some(A), "{what}");
        // The file of the old id is an older one again, or is gone, while the process runs.
        match is_gone {
            true => drop(one.fs.files.remove(&path)),
            false => drop(one.fs.files.insert(path.clone(), before[&path].clone())),
        }
        one.pass(one.config.timing.full_scan_ms + 1);
        let mut later = Replica::new(Design::Hardened, Kind::Yjs, B);
        carry(&one, &mut later, |_| true);
        later.start();
        assert_eq!(later.text(NOTE).as_deref(), Some("Hello world"), "{what}");
        // It is written again once.
        let files = one.shared();
        one.pass(2 * one.config.timing.full_scan_ms);
        one.start();
        assert_eq!(one.shared(), files, "{what}");
        assert_eq!(one.text(NOTE).as_deref(), Some("Hello world"), "{what}");
    }
}

/// What becomes of a log whose owner never comes back.
#[derive(Clone, Copy, Debug)]
enum Lost {
    Older,
    Gone,
    /// With the directory of its note.
    WithItsNote,
}

impl Lost {
    fn strike(self, replica: &mut Replica, path: &Path, before: &Content) {
        match self {
            Self::Older => drop(replica.fs.files.insert(path.clone(), before.clone())),
            Self::Gone => drop(replica.fs.files.remove(path)),
            Self::WithItsNote => {
                let note = Path::shared(&format!("notes/{NOTE}"));
                replica.fs.files.retain(|path, _| path.below(&note).is_none());
            }
        }
    }
}

/// Two that have read what a third one wrote, which never comes back, and its log as it was before the last record.
fn readers_of_a_log(kind: Kind) -> (Replica, Replica, Path, Content) {
    let mut gone = Replica::started(Design::Hardened, kind, A);
    gone.create(NOTE, "Hello");
    let (path, before) =
        gone.shared().into_iter().find(|(path, _)| path.name().ends_with(".crdtlog")).expect("it has a log");
    gone.append(NOTE, " world");
    let mut readers = [B, C].map(|id| {
        let mut reader = Replica::new(Design::Hardened, kind, id);
        carry(&gone, &mut reader, |_| true);
        reader.start();
        assert_eq!(reader.text(NOTE).as_deref(), Some("Hello world"));
        reader
    });
    readers.iter_mut().for_each(|reader| drop(reader.create("another", "words")));
    let [one, other] = readers;
    (one, other, path, before)
}

#[test]
fn what_somebody_gone_for_good_wrote_is_said_again_by_whoever_read_it() {
    for kind in [Kind::Yjs, Kind::Records] {
        for lost in [Lost::Older, Lost::Gone, Lost::WithItsNote] {
            let (mut one, mut other, path, before) = readers_of_a_log(kind);
            let what = format!("{kind:?}, {lost:?}");
            lost.strike(&mut one, &path, &before);
            let full_scan_ms = one.config.timing.full_scan_ms;
            one.pass(full_scan_ms / 2);
            let kept = |replica: &Replica| {
                let problems = replica.notes().problems(&replica.config);
                problems.iter().filter(|problem| problem.kind == ProblemKind::KeptRecords).count()
            };
            one.pass(full_scan_ms * 3);
            assert_eq!(kept(&one), 1, "{what}");
            let mut later = Replica::new(Design::Hardened, kind, "instDDDDDDDDDDDDDDDDDD");
            carry(&one, &mut later, |_| true);
            later.start();
            assert_eq!(later.text(NOTE).as_deref(), Some("Hello world"), "{what}");
            // It counts once, and is said once: also by somebody who remembers it and reads that it was said.
            let files = one.shared();
            one.pass(full_scan_ms * 3);
            assert_eq!(one.shared(), files, "{what}");
            lost.strike(&mut other, &path, &before);
            carry(&one, &mut other, |name| !name.contains(A));
            let files = other.shared();
            other.pass(full_scan_ms * 4);
            assert_eq!(other.shared(), files, "{what}");
            for reader in [&one, &other] {
                assert_eq!(reader.text(NOTE).as_deref(), Some("Hello world"), "{what}");
            }
        }
    }
}

#[test]
fn what_comes_back_in_time_is_not_said_again() {
    for lost in [Lost::Older, Lost::Gone, Lost::WithItsNote] {
        let (mut one, other, path, before) = readers_of_a_log(Kind::Yjs);
        let whole = other.shared();
        let files = one.shared();
        lost.strike(&mut one, &path, &before);
        one.pass(one.config.timing.full_scan_ms - 1);
        one.fs.files.extend(whole.into_iter().filter(|(path, _)| path.name().contains(A)));
        one.pass(one.config.timing.full_scan_ms * 4);
        assert_eq!(one.shared(), files, "{lost:?}");
    }
}

/// A folder that lacks most of what was there is another one, or not here yet.
#[test]
fn where_most_of_what_others_wrote_is_gone_nothing_is_said_again() {
    for (lost, is_said) in [(9, true), (10, false)] {
        let mut gone = Replica::started(Design::Hardened, Kind::Records, A);
        (0..12).for_each(|at| drop(gone.create(&format!("note-{at}"), "words")));
        let mut reader = Replica::new(Design::Hardened, Kind::Records, B);
        carry(&gone, &mut reader, |_| true);
        reader.start();
        reader.create("another", "words");
        for at in 0..lost {
            let dir = Path::shared(&format!("notes/note-{at}/logs"));
            reader.fs.files.retain(|path, _| path.below(&dir).is_none());
        }
        let files = reader.shared();
        reader.pass(reader.config.timing.full_scan_ms * 4);
        assert_eq!(reader.shared() != files, is_said, "{lost}");
        assert_eq!(reader.text("note-0").as_deref(), Some("words"));
    }
}

/// Somebody's log is an older one and its owner gone for good; what it held beside is in a snapshot alone, which an older
/// tree takes away.
#[test]
fn what_a_snapshot_alone_held_is_said_again_when_the_folder_loses_it() {
    for (kind, is_own) in
        [Kind::Yjs, Kind::Records].into_iter().flat_map(|kind| [(kind, true), (kind, false)])
    {
        let what = format!("{kind:?}, own: {is_own}");
        let (mut one, mut other, path, before) = readers_of_a_log(kind);
        one.command(Command::Snapshot { note: NOTE.into() });
        let is_snapshot = |(path, _): &(Path, Content)| path.name().ends_with(".snapshot");
        let (snapshot, content) = one.shared().into_iter().find(is_snapshot).expect("it has one");
        for replica in [&mut one, &mut other] {
            replica.fs.files.insert(path.clone(), before.clone());
            replica.fs.files.insert(snapshot.clone(), content.clone());
            replica.start();
            assert_eq!(replica.text(NOTE).as_deref(), Some("Hello world"), "{what}");
        }
        let rememberer = if is_own { &mut one } else { &mut other };
        let full_scan_ms = rememberer.config.timing.full_scan_ms;
        rememberer.fs.files.remove(&snapshot);
        rememberer.pass(full_scan_ms * 3);
        let mut later = Replica::new(Design::Hardened, kind, "instDDDDDDDDDDDDDDDDDD");
        carry(rememberer, &mut later, |_| true);
        later.start();
        assert_eq!(later.text(NOTE).as_deref(), Some("Hello world"), "{what}");
        // Once.
        let files = rememberer.shared();
        rememberer.pass(full_scan_ms * 4);
        assert_eq!(rememberer.shared(), files, "{what}");
    }
}

/// A snapshot that its owner replaced by a later one is nothing that the folder lacks.
#[test]
fn a_snapshot_that_was_replaced_is_not_said_again() {
    let (mut one, mut other, ..) = readers_of_a_log(Kind::Records);
    for text in [" one", " two", " three"] {
        one.append(NOTE, text);
        one.command(Command::Snapshot { note: NOTE.into() });
        let gone: Vec<_> = other.fs.files.keys().filter(|path| path.name().contains(B)).cloned().collect();
        gone.into_iter().for_each(|path| drop(other.fs.files.remove(&path)));
        carry(&one, &mut other, |name| name.contains(B));
        other.sync();
    }
    let files = other.shared();
    other.pass(other.config.timing.full_scan_ms * 4);
    assert_eq!(other.shared(), files);
    assert_eq!(other.text(NOTE).as_deref(), Some("Hello world one two three"));
}

/// An own file comes back with other records of the same length, or with zeros, while the process runs.
#[test]
fn an_own_file_of_the_same_length_is_looked_at_in_a_full_scan() {
    for kind in [Kind::Yjs, Kind::Records] {
        for is_left in [false, true] {
            let what = format!("{kind:?}, of an earlier id: {is_left}");
            let mut one = Replica::new(Design::Hardened, kind, A);
            let place = |host: &str| {
                Some(Place { host: host.to_owned(), directory: "/home/ann".to_owned(), number: None })
            };
            one.config.place = place("mac");
            one.start();
            one.create(NOTE, "Hello");
            one.append(NOTE, " world");
            let (path, whole) =
                one.shared().into_iter().find(|(path, _)| path.name().ends_with(".crdtlog")).unwrap();
            if is_left {
                one.config.place = place("other");
                one.start();
                assert_ne!(one.notes().instance(), Some(A), "{what}");
            }
            let mut bytes = whole.bytes().to_vec();
            let end = bytes.len();
            bytes[end - 8..].fill(0);
            one.fs.files.insert(path.clone(), Content::new(bytes));
            one.pass(2 * one.config.timing.full_scan_ms);
            let mut later = Replica::new(Design::Hardened, kind, B);
            carry(&one, &mut later, |_| true);
            later.start();
            assert_eq!(later.text(NOTE).as_deref(), Some("Hello world"), "{what}");
            let files = one.shared();
            one.pass(2 * one.config.timing.full_scan_ms);
            assert_eq!(one.shared(), files, "{what}");
        }
    }
}
