//! The known faults of the published design, each beside what the hardened one makes of the same files.

use cloudchamber_core::notes::crdt_log::LogFile;
use cloudchamber_core::notes::{Change, Command, Event, Form, Heeded, Kind, State};
use cloudchamber_core::{Content, Design, FsError, Path};
use notes_support::{Replica, carry};

mod notes_support;

const A: &str = "instaaaaaaaaaaaaaaaaaa";
const B: &str = "instbbbbbbbbbbbbbbbbbb";
const NOTE: &str = "note-1";
const DAY_MS: u64 = 24 * 3_600_000;

fn pair(design: Design) -> [Replica; 2] {
    [A, B].map(|id| Replica::started(design, Kind::Yjs, id))
}

fn all(_: &str) -> bool {
    true
}

fn logs(replica: &Replica) -> Vec<(Path, Content)> {
    replica.shared().into_iter().filter(|(path, _)| path.name().ends_with(".crdtlog")).collect()
}

fn forever(design: Design, text: Option<&str>) -> Option<String> {
    let hardened = design == Design::Hardened;
    text.filter(|_| hardened).map(str::to_owned)
}

#[test]
fn what_one_types_the_other_reads() {
    for kind in [Kind::Yjs, Kind::Records] {
        let [mut a, mut b] = [A, B].map(|id| Replica::started(Design::Published, kind, id));
        a.create(NOTE, "Hello");
        carry(&a, &mut b, all);
        b.sync();
        assert_eq!(b.text(NOTE).as_deref(), Some("Hello"));
        b.append(NOTE, " world");
        carry(&b, &mut a, all);
        a.sync();
        assert_eq!(a.text(NOTE).as_deref(), Some("Hello world"));
        a.jump(5);
        a.start();
        assert_eq!(a.text(NOTE).as_deref(), Some("Hello world"));
        a.append(NOTE, "!");
        a.command(Command::Snapshot { note: NOTE.to_owned() });
        let mut c = Replica::started(Design::Published, kind, "c");
        carry(&a, &mut c, all);
        c.start();
        assert_eq!(c.text(NOTE).as_deref(), Some("Hello world!"));
        assert_eq!(logs(&a).len(), 3, "every process begins a file of its own");
    }
}

/// The status byte says that every part of a snapshot is complete, and no other one is tried.
#[test]
fn a_torn_snapshot_is_chosen() {
    let [mut a, _] = pair(Design::Published);
    a.create(NOTE, "a text of some length");
    a.command(Command::Snapshot { note: NOTE.to_owned() });
    let (path, whole) = a.shared().into_iter().find(|(path, _)| path.name().ends_with(".snapshot")).unwrap();
    let (mut failed, mut other) = (0, 0);
    for cut in 6..whole.len() {
        for nul in [false, true] {
            let mut bytes = whole.prefix(cut).bytes().to_vec();
            if nul {
                bytes.resize(whole.len(), 0);
            }
            if bytes == whole.bytes() {
                continue;
            }
            for design in Design::ALL {
                let mut b = Replica::new(design, Kind::Yjs, B);
                b.put(&path.to_string(), bytes.clone());
                b.start();
                let text = b.text(NOTE);
                if design == Design::Hardened {
                    assert!(
                        text.is_none() || text.as_deref() == Some("a text of some length"),
                        "{cut}: {text:?}"
                    );
                } else if b.events.iter().any(|event| matches!(event, Event::LoadFailed { .. })) {
                    failed += 1;
                } else if text.is_some_and(|text| text != "a text of some length") {
                    other += 1;
                }
            }
        }
    }
    assert!(failed >= whole.len() - 6, "{failed} of {}", whole.len());
    assert!(other > 50, "{other}");
}

/// A writes one file, starts again and writes another; the second comes first.
#[test]
fn an_older_file_that_comes_later_is_never_read() {
    for design in Design::ALL {
        let [mut a, mut b] = pair(design);
        a.create(NOTE, "one");
        if design == Design::Published {
            a.start();
            a.jump(5);
        }
        a.append(NOTE, " two");
        let logs = logs(&a);
        let (first, last) = (&logs[0], logs.last().unwrap());
        // Hardened goes on in one file, which here is cut in two.
        if design == Design::Hardened {
            let file = LogFile::read(first.1.bytes());
            let head = first.1.prefix(usize::try_from(file.records[1].at).unwrap());
            let tail = [&b"NCLG\x01"[..], &first.1.bytes()[head.len()..]].concat();
            let name = first.0.to_string();
            let later = name.replace("1764374400000", "1764374400005");
            b.put(&later, tail);
            b.sync();
            assert_eq!(b.text(NOTE), None);
            assert!(b.notes().note(&b.config, NOTE).unwrap().is_incomplete);
            b.put(&name, head.bytes());
        } else {
            b.fs.files.insert(last.0.clone(), last.1.clone());
            carry(&a, &mut b, |name| name.starts_with("activity/"));
            b.sync();
            b.fs.files.insert(first.0.clone(), first.1.clone());
        }
        b.pass(DAY_MS / 24);
        b.start();
        let text = b.text(NOTE).filter(|text| !text.is_empty());
        assert_eq!(text, forever(design, Some("one two")), "{design:?}");
    }
}

/// `.` sorts before `_`, so what is written after the change of names seems to be older.
#[test]
fn edits_after_the_change_of_names_are_never_read() {
    for design in Design::ALL {
        let [mut a, mut b] = pair(Design::Published);
        a.config.form = Form::Underscores;
        a.create(NOTE, "one");
        b.config.design = design;
        b.driver = None;
        b.start();
        carry(&a, &mut b, all);
        b.sync();
        assert_eq!(b.text(NOTE).as_deref(), Some("one"));
        a.config.form = Form::Dots;
        a.start();
        a.append(NOTE, " two");
        carry(&a, &mut b, all);
        b.pass(DAY_MS / 24);
        let expected = if design == Design::Hardened { "one two" } else { "one" };
        assert_eq!(b.text(NOTE).as_deref(), Some(expected), "{design:?}");
    }
}

/// A log of hints that was compacted and has grown again has as many lines as before, and other ones.
#[test]
fn a_count_of_lines_does_not_tell_what_is_new() {
    for design in Design::ALL {
        let [mut a, mut b] = pair(Design::Published);
        a.config.activity_lines_max = 4;
        b.config.design = design;
        b.start();
        a.create("note-a", "1");
        a.create("note-b", "1");
        for _ in 0..3 {
            a.append("note-a", ".");
        }
        carry(&a, &mut b, all);
        b.sync();
        for (note, count) in [("note-b", 1), ("note-a", 5)] {
            (0..count).for_each(|_| drop(a.append(note, ".")));
        }
        assert!(
            !a.fs
                .text("shared:activity/profAAAAAAAAAAAAAAAAAA.instaaaaaaaaaaaaaaaaaa.log")
                .contains("note-b")
        );
        carry(&a, &mut b, all);
        b.pass(DAY_MS / 24);
        let expected = if design == Design::Hardened { "1." } else { "1" };
        assert_eq!(b.text("note-b").as_deref(), Some(expected), "{design:?}");
    }
}

/// The hint comes, and the log 244 s later.
#[test]
fn a_record_that_takes_long_is_stale_until_the_next_start() {
    for design in Design::ALL {
        let [mut a, mut b] = pair(design);
        a.create(NOTE, "Hello");
        carry(&a, &mut b, |name| name.starts_with("activity/"));
        b.sync();
        b.pass(243_499);
        let stale = |b: &Replica| b.events.iter().any(|event| matches!(event, Event::Stale { .. }));
        assert!(!stale(&b));
        b.pass(2);
        assert_eq!(stale(&b), design == Design::Published);
        carry(&a, &mut b, all);
        b.pass(DAY_MS / 24);
        assert_eq!(b.text(NOTE), forever(design, Some("Hello")), "{design:?}");
        b.start();
        assert_eq!(b.text(NOTE).as_deref(), Some("Hello"));
    }
}

/// A file that is evicted for a moment is written as if it were not there.
#[test]
fn a_read_error_wipes_the_list_of_deletions() {
    for design in Design::ALL {
        let mut a = Replica::started(design, Kind::Yjs, A);
        for count in 0..5 {
            a.create(&format!("note-{count}"), "x");
        }
        for count in 0..4 {
            a.command(Command::PermanentlyDelete { note: format!("note-{count}") });
        }
        let path = Path::shared("deleted/profAAAAAAAAAAAAAAAAAA.instaaaaaaaaaaaaaaaaaa.log");
        a.fs.unreadable.insert(path.clone(), FsError::NotLocal);
        a.command(Command::PermanentlyDelete { note: "note-4".to_owned() });
        a.fs.unreadable.clear();
        let lines = a.fs.text(&path.to_string()).lines().count();
        assert_eq!(lines, if design == Design::Hardened { 5 } else { 1 }, "{design:?}");
    }
}

/// A deletion is carried out once; files that come later make the note again.
#[test]
fn a_deleted_note_comes_back() {
    for (design, heeded) in [
        (Design::Published, Heeded::Deleted),
        (Design::Published, Heeded::Deletions),
        (Design::Hardened, Heeded::Deleted),
    ] {
        let [mut a, mut b] = pair(design);
        b.config.heeded = heeded;
        a.create(NOTE, "Hello");
        let early = a.shared();
        a.command(Command::PermanentlyDelete { note: NOTE.to_owned() });
        carry(&a, &mut b, |name| name.starts_with("deleted/"));
        b.sync();
        for (path, content) in early.into_iter().filter(|(path, _)| path.name().starts_with("notes/")) {
            b.fs.files.entry(path).or_insert(content);
        }
        // The machine sleeps and wakes.
        b.jump(3_600_000);
        b.pass(20_000);
        assert!(b.events.contains(&Event::Woke));
        let back = design == Design::Published && heeded == Heeded::Deletions;
        assert_eq!(b.text(NOTE).is_some(), back, "{design:?} {heeded:?}");
    }
    // Where the logs are heeded at discovery, a line about an edit brings the note back all the same.
    for design in Design::ALL {
        let [mut a, mut b] = pair(design);
        let mut c = Replica::started(design, Kind::Yjs, "instcccccccccccccccccc");
        a.create(NOTE, "Hello");
        for other in [&mut b, &mut c] {
            carry(&a, other, all);
            other.sync();
        }
        c.append(NOTE, " from c");
        a.command(Command::PermanentlyDelete { note: NOTE.to_owned() });
        carry(&a, &mut b, all);
        b.sync();
        carry(&c, &mut b, |name| name.contains("instccc"));
        b.sync();
        assert_eq!(b.text(NOTE).is_some(), design == Design::Published, "{design:?}");
    }
}

/// A log that is cut fails the load; then the note is empty, and its numbers begin again.
#[test]
fn a_note_that_cannot_be_loaded_is_an_empty_one() {
    let [mut a, mut b] = pair(Design::Published);
    a.create(NOTE, "Hello");
    carry(&a, &mut b, all);
    b.sync();
    b.append(NOTE, " from b");
    // The local database is lost, and of A's log a part is here.
    b.fs.files.retain(|path, _| !path.name().starts_with("notes/rows"));
    let (path, whole) = logs(&a).remove(0);
    b.fs.files.insert(path.clone(), whole.prefix(whole.len() - 3));
    b.start();
    let change = Change::Append("more".to_owned());
    b.command(Command::Edit { note: NOTE.to_owned(), change });
    b.pass(12_000);
    let seqs = |replica: &Replica| -> Vec<u64> {
        let own = logs(replica).into_iter().filter(|(path, _)| path.name().contains(B));
        own.flat_map(|(_, content)| LogFile::read(content.bytes()).records).map(|record| record.seq).collect()
    };
    assert_eq!(seqs(&b), [1, 1], "a number is used twice");
    // Hardened takes the records that are there, and counts on from its shadow.
    let [mut a, mut b] = pair(Design::Hardened);
    a.create(NOTE, "Hello");
    carry(&a, &mut b, all);
    b.sync();
    b.append(NOTE, " from b");
    let (path, whole) = logs(&a).remove(0);
    b.fs.files.insert(path, whole.prefix(whole.len() - 3));
    b.start();
    assert!(b.append(NOTE, "more").iter().any(|event| matches!(event, Event::Written { seq: 2, .. })));
    assert_eq!(seqs(&b), [1, 2]);
}

/// What was to be tried again is given up with the note, and nobody wakes for it ever after.
#[test]
fn a_note_that_goes_while_it_is_loaded_leaves_its_instance_at_rest() {
    let [mut a, mut b] = pair(Design::Published);
    a.create(NOTE, "Hello");
    let (path, whole) = logs(&a).remove(0);
    b.fs.files.insert(path.clone(), whole.prefix(whole.len() - 3));
    b.start();
    b.append(NOTE, "more");
    b.fs.files.remove(&path);
    b.pass(12_000);
    assert!(
        b.events.iter().any(|event| matches!(event, Event::Refused(why) if why.ends_with("is not here")))
    );
}

/// A writer that does not look at the end of its file glues a record to one that is torn.
#[test]
fn a_record_behind_a_torn_one_is_swallowed() {
    for design in Design::ALL {
        let mut a = Replica::new(design, Kind::Yjs, A);
        a.config.form = Form::Underscores;
        a.start();
        a.create(NOTE, "Hello");
        a.append(NOTE, " world");
        let (path, whole) = logs(&a).remove(0);
        let file = LogFile::read(whole.bytes());
        let torn = whole.prefix(usize::try_from(file.records[1].at).unwrap() + 20);
        a.fs.files.insert(path, torn);
        a.fs.files.retain(|path, _| !path.name().starts_with("notes/rows"));
        a.start();
        a.append(NOTE, "!");
        a.pass(12_000);
        let mut b = Replica::started(Design::Hardened, Kind::Yjs, B);
        carry(&a, &mut b, all);
        b.sync();
        let expected = if design == Design::Hardened { "Hello world!" } else { "Hello" };
        assert_eq!(b.text(NOTE).as_deref(), Some(expected), "{design:?}");
    }
}

#[test]
fn a_deletion_for_good_removes_the_files_of_others() {
    for design in Design::ALL {
        let [mut a, mut b] = pair(design);
        a.create(NOTE, "Hello");
        carry(&a, &mut b, all);
        b.sync();
        b.command(Command::PermanentlyDelete { note: NOTE.to_owned() });
        let others = logs(&b).iter().any(|(path, _)| path.name().contains(A));
        assert_eq!(others, design == Design::Hardened);
    }
}

/// Day 0: A deletes, B sees it and sleeps. Day 20: A restores. Day 35: B starts before A's files come.
#[test]
fn trash_is_emptied_although_the_note_was_restored() {
    for design in Design::ALL {
        let [mut a, mut b] = pair(design);
        a.create(NOTE, "Hello");
        a.command(Command::Delete { note: NOTE.to_owned() });
        carry(&a, &mut b, all);
        b.sync();
        a.jump(20 * DAY_MS);
        a.command(Command::Restore { note: NOTE.to_owned() });
        b.jump(35 * DAY_MS);
        b.start();
        b.pass(1_000_000);
        assert_eq!(b.notes().is_deleted(NOTE), design == Design::Published, "{design:?}");
        if design == Design::Hardened {
            carry(&a, &mut b, all);
            b.sync();
            assert_eq!(b.notes().note(&b.config, NOTE).unwrap().state, State::Live);
        }
    }
    // Once A has been heard of after 30 days, and nothing of it is missing, the trash is emptied.
    let [mut a, mut b] = pair(Design::Hardened);
    a.create(NOTE, "Hello");
    a.command(Command::Delete { note: NOTE.to_owned() });
    a.jump(31 * DAY_MS);
    a.create("note-2", "Hello");
    carry(&a, &mut b, |name| !name.contains("note-2"));
    b.jump(35 * DAY_MS);
    b.sync();
    b.pass(1_000_000);
    assert!(!b.notes().is_deleted(NOTE));
    carry(&a, &mut b, all);
    b.pass(1_000_000);
    assert!(b.notes().is_deleted(NOTE), "{:?}", b.events);
}
