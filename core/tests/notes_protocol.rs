//! Instances of the hardened design on files in memory.

use cloudchamber_core::kit::identity::Place;
use cloudchamber_core::notes::lines::activity_log;
use cloudchamber_core::notes::snapshot::SEAL_BYTES;
use cloudchamber_core::notes::{Change, Command, Event, Kind, Notes, State};
use cloudchamber_core::{Content, Design, Draw, Entry, Fs, FsError, Input, MemoryFs, Path, Root};
use notes_support::{Replica, carry, exchange};

mod notes_support;

const A: &str = "instaaaaaaaaaaaaaaaaaa";
const B: &str = "instbbbbbbbbbbbbbbbbbb";
const NOTE: &str = "note-1";

fn pair(kind: Kind) -> [Replica; 2] {
    [A, B].map(|id| Replica::started(Design::Hardened, kind, id))
}

/// Two that empty their trash of what has lain there for ten minutes.
fn pair_with_trash() -> [Replica; 2] {
    pair(Kind::Records).map(|mut replica| {
        replica.config.timing.trash_ms = Some(600_000);
        replica
    })
}

fn texts(replicas: &[Replica]) -> Vec<String> {
    replicas.iter().map(|replica| replica.text(NOTE).unwrap_or_default()).collect()
}

fn note(note: &str) -> String {
    note.to_owned()
}

#[test]
fn what_one_types_the_other_reads() {
    for kind in [Kind::Yjs, Kind::Records] {
        let mut both = pair(kind);
        let told = both[0].create(NOTE, "Hello");
        assert!(matches!(told[..], [Event::Written { seq: 1, .. }]), "{told:?}");
        exchange(&mut both);
        assert_eq!(texts(&both), ["Hello", "Hello"]);
        both[0].append(NOTE, " world");
        both[1]
            .command(Command::Edit { note: note(NOTE), change: Change::Append("!\nTwo lines".to_owned()) });
        exchange(&mut both);
        let [a, b] = &texts(&both)[..] else { panic!("two") };
        assert_eq!(a, b);
        assert!(a.contains(" world") && a.contains("Two lines"), "{a:?}");
        assert!(both.iter().all(|one| one.notes().awaited().is_empty()));
        assert_eq!(both[1].notes().problems(&both[1].config), vec![]);
    }
}

#[test]
fn texts_are_edited_in_any_place() {
    let mut one = Replica::started(Design::Hardened, Kind::Yjs, A);
    one.create(NOTE, "one\ntwo\nthree");
    let edit = |one: &mut Replica, change: Change| one.command(Command::Edit { note: note(NOTE), change });
    edit(&mut one, Change::Insert { at: 3, text: " and a half".to_owned() });
    assert_eq!(one.text(NOTE).unwrap(), "one and a half\ntwo\nthree");
    edit(&mut one, Change::Remove { at: 3, len: 12 });
    assert_eq!(one.text(NOTE).unwrap(), "onetwo\nthree");
    edit(&mut one, Change::Insert { at: 3, text: "\nnew\n𝄞".to_owned() });
    assert_eq!(one.text(NOTE).unwrap(), "one\nnew\n𝄞two\nthree");
    edit(&mut one, Change::Remove { at: 8, len: 2 });
    assert_eq!(one.text(NOTE).unwrap(), "one\nnew\nwo\nthree");
    edit(&mut one, Change::Set(String::new()));
    assert_eq!(one.text(NOTE).unwrap(), "");
    edit(&mut one, Change::Append("last".to_owned()));
    assert_eq!(one.text(NOTE).unwrap(), "last");
    let told = edit(&mut one, Change::Set("last".to_owned()));
    assert_eq!(told, [Event::Unchanged { note: NOTE.into() }]);
    let told = edit(&mut one, Change::Insert { at: 9, text: "x".to_owned() });
    assert!(matches!(&told[..], [Event::Refused(why)] if why.contains("4 characters")), "{told:?}");
}

#[test]
fn the_trash_gives_back_and_a_deletion_for_good_does_not() {
    for kind in [Kind::Yjs, Kind::Records] {
        let mut both = pair(kind);
        both[0].create(NOTE, "Hello");
        exchange(&mut both);
        both[1].command(Command::Delete { note: note(NOTE) });
        exchange(&mut both);
        let state = |one: &Replica| one.notes().note(&one.config, NOTE).unwrap().state;
        assert_eq!([state(&both[0]), state(&both[1])], [State::Trashed; 2]);
        both[0].command(Command::Restore { note: note(NOTE) });
        exchange(&mut both);
        assert_eq!([state(&both[0]), state(&both[1])], [State::Live; 2]);
        let late = both[0].shared();
        let told = both[1].command(Command::PermanentlyDelete { note: note(NOTE) });
        assert!(told.contains(&Event::Deleted { note: NOTE.into() }));
        assert!(both[0].append(NOTE, " more").iter().any(|event| matches!(event, Event::Written { .. })));
        exchange(&mut both);
        exchange(&mut both);
        assert_eq!([state(&both[0]), state(&both[1])], [State::Deleted; 2]);
        for one in &mut both {
            // All the files come back, and every process starts again.
            for (path, content) in &late {
                one.fs.files.insert(path.clone(), content.clone());
            }
            one.fs.files.retain(|path, _| !path.name().starts_with("deleted/"));
            one.start();
            one.sync();
            assert_eq!(one.text(NOTE), None);
            assert!(one.append(NOTE, "x").iter().any(|event| matches!(event, Event::Refused(_))));
            let own = one.notes().instance().unwrap().to_owned();
            let left: Vec<_> =
                one.fs.files.keys().filter(|path| path.name().starts_with("notes/note-1/logs")).collect();
            assert!(left.iter().all(|path| !path.name().contains(&own)), "{left:?}");
        }
    }
}

/// The folder comes back as it was before a deletion, while the process runs: the deletion is told once more.
#[test]
fn a_deletion_whose_line_is_lost_is_told_again() {
    for is_whole_file_lost in [false, true] {
        let mut both = pair(Kind::Yjs);
        both[0].create(NOTE, "Hello");
        both[0].create("note-2", "Hello");
        both[0].command(Command::PermanentlyDelete { note: note("note-2") });
        exchange(&mut both);
        let before = both[0].shared().into_iter().filter(|(path, _)| path.name().starts_with("deleted/"));
        let before: Vec<_> = before.collect();
        both[0].command(Command::PermanentlyDelete { note: note(NOTE) });
        for (path, content) in before {
            match is_whole_file_lost {
                true => drop(both[0].fs.files.remove(&path)),
                false => both[0].put(&path.to_string(), content.bytes()),
            }
        }
        both[0].pass(600_000);
        exchange(&mut both);
        let state = both[1].notes().note(&both[1].config, NOTE).map(|note| note.state);
        assert!(state.is_none_or(|state| state == State::Deleted), "{is_whole_file_lost}: it is {state:?}");
    }
}

#[test]
fn an_empty_folder_is_away_and_nothing_is_written_to_it() {
    let mut one = Replica::started(Design::Hardened, Kind::Yjs, A);
    one.create(NOTE, "Hello");
    let all = one.fs.clone();
    one.fs.files.retain(|path, _| path.root() == Root::Local);
    one.start();
    assert!(matches!(one.events.last(), Some(Event::Away(_))), "{:?}", one.events);
    assert!(matches!(one.append(NOTE, "x")[..], [Event::Refused(_)]));
    assert_eq!(one.shared(), vec![]);
    one.fs.files = all.files;
    one.pass(5_000);
    one.append(NOTE, " again");
    assert_eq!(one.text(NOTE).unwrap(), "Hello again");
}

#[test]
fn a_lost_and_a_torn_file_are_made_whole_from_the_shadow() {
    let mut one = Replica::started(Design::Hardened, Kind::Yjs, A);
    one.create(NOTE, "Hello");
    one.append(NOTE, " world");
    let (path, whole) = one.shared().into_iter().find(|(path, _)| path.name().ends_with(".crdtlog")).unwrap();
    let len = whole.len();
    for cut in 0..len {
        let nul = [whole.prefix(cut).bytes(), &vec![0; len - cut]].concat();
        for bytes in [whole.prefix(cut).bytes().to_vec(), nul] {
            one.put(&path.to_string(), bytes);
            one.start();
            assert_eq!(
                one.fs.files[&path],
                whole,
                "cut at {cut}: {:?}",
                one.events.iter().filter(|e| matches!(e, Event::Moved { .. })).collect::<Vec<_>>()
            );
        }
    }
    one.fs.files.remove(&path);
    one.start();
    assert_eq!(one.fs.files[&path], whole);
    one.append(NOTE, "!");
    assert_eq!(one.text(NOTE).unwrap(), "Hello world!");
    assert!(!one.events.iter().any(|event| matches!(event, Event::Moved { .. })));
}

#[test]
fn a_restored_backup_goes_on_as_another_instance_and_loses_nothing() {
    for kind in [Kind::Yjs, Kind::Records] {
        let mut both = pair(kind);
        both[0].create(NOTE, "Hello");
        let backup: Vec<_> = both[0].fs.files.clone().into_iter().collect();
        both[0].append(NOTE, " world");
        exchange(&mut both);
        // The local folder is an older one, and so is the shared one until the client has brought the rest.
        both[0].fs.files = backup.into_iter().collect();
        both[0].start();
        both[0].append(NOTE, " again");
        let lost: Vec<_> = both[1].shared().into_iter().filter(|(path, _)| path.name().contains(A)).collect();
        for (path, content) in lost {
            both[0].fs.files.insert(path, content);
        }
        both[0].sync();
        assert!(
            both[0].events.iter().any(|event| matches!(event, Event::Moved { .. })),
            "{:?}",
            both[0].events
        );
        exchange(&mut both);
        exchange(&mut both);
        let [a, b] = &texts(&both)[..] else { panic!("two") };
        assert_eq!(a, b, "{kind:?}");
        for word in ["Hello", " world", " again"] {
            assert!(a.contains(word), "{kind:?}: {a:?} lacks {word:?}");
        }
    }
}

#[test]
fn a_record_that_is_hinted_at_is_awaited_without_an_end() {
    let mut both = pair(Kind::Yjs);
    both[0].create(NOTE, "Hello");
    let [a, b] = &mut both;
    carry(a, b, |name| name.starts_with("activity/"));
    b.sync();
    assert_eq!(b.notes().awaited(), [(NOTE.into(), A.into(), 1)]);
    b.pass(3_600_000);
    assert_eq!(b.notes().awaited().len(), 1);
    carry(a, b, |name| name.starts_with("notes/"));
    b.pass(3_000);
    assert_eq!((b.text(NOTE).as_deref(), b.notes().awaited()), (Some("Hello"), vec![]));
}

#[test]
fn a_snapshot_is_written_where_nothing_is_missing_and_read_where_logs_are() {
    for kind in [Kind::Yjs, Kind::Records] {
        let mut both = pair(kind);
        both[0].create(NOTE, "Hello");
        both[0].append(NOTE, " world");
        let told = both[0].command(Command::Snapshot { note: note(NOTE) });
        assert_eq!(told, [Event::SnapshotWritten { note: NOTE.into() }]);
        let [a, b] = &mut both;
        carry(a, b, |name| name.contains("snapshots"));
        b.sync();
        assert_eq!(b.text(NOTE).as_deref(), Some("Hello world"));
        let snapshot = Path::shared(&format!("notes/{NOTE}/snapshots"));
        let path = b.fs.files.keys().find(|path| path.below(&snapshot).is_some()).unwrap().clone();
        let whole = b.fs.files[&path].clone();
        for cut in 0..whole.len() {
            let nul = [whole.prefix(cut).bytes(), &vec![0; whole.len() - cut]].concat();
            for bytes in [whole.prefix(cut).bytes().to_vec(), nul] {
                let mut c = Replica::started(Design::Hardened, kind, B);
                c.put(&path.to_string(), bytes);
                c.sync();
                // Without its seal it is as upstream writes it, and whole.
                let text = c.text(NOTE);
                assert!(
                    text.is_none()
                        || text.as_deref() == Some("Hello world") && cut == whole.len() - SEAL_BYTES
                );
            }
        }
    }
}

/// The disk is full at one of the ops that a command takes.
fn fails_at(one: &mut Replica, command: Command, op: usize) {
    one.feed(Input::Command(command));
    for _ in 0..op {
        one.apply(None);
    }
    one.apply(Some(FsError::NoSpace));
    one.settle();
    assert!(one.events.contains(&Event::Failed));
    one.pass(10_000);
}

#[test]
fn a_failed_op_is_told_and_leaves_no_hole() {
    let mut one = Replica::started(Design::Hardened, Kind::Yjs, A);
    one.create(NOTE, "Hello");
    for at in 0..5 {
        fails_at(&mut one, Command::Edit { note: note(NOTE), change: Change::Append(format!(" {at}")) }, at);
        let numbers = one.notes().note(&one.config, NOTE).unwrap().numbers[A].clone();
        assert_eq!(numbers.contiguous(), numbers.max());
    }
    assert_eq!(one.notes().problems(&one.config), vec![]);
}

#[test]
fn a_note_that_could_not_be_made_is_made_later() {
    for at in 0..4 {
        let mut one = Replica::started(Design::Hardened, Kind::Yjs, A);
        let make = || Command::Create { note: Some(note(NOTE)), text: "Hello".into() };
        fails_at(&mut one, make(), at);
        // What reached the shadow was kept, and comes by itself; else it is made as if for the first time.
        if one.text(NOTE).is_none() {
            one.feed(Input::Command(make()));
            one.settle();
        }
        assert_eq!(one.text(NOTE).as_deref(), Some("Hello"), "{at}: {:?}", one.events);
        one.append(NOTE, " world");
        assert_eq!(one.text(NOTE).as_deref(), Some("Hello world"), "{at}");
    }
}

#[test]
fn a_copy_of_the_local_directory_goes_on_as_another_instance() {
    let place =
        |host: &str| Some(Place { host: host.to_owned(), directory: "/home/ann".to_owned(), number: None });
    let mut one = Replica::new(Design::Hardened, Kind::Yjs, A);
    one.config.place = place("mac");
    one.start();
    one.create(NOTE, "Hello");
    one.start();
    assert_eq!(one.notes().instance(), Some(A));
    one.config.place = place("other");
    one.start();
    assert_ne!(one.notes().instance(), Some(A));
    one.append(NOTE, " world");
    one.start();
    assert_eq!(one.text(NOTE).as_deref(), Some("Hello world"));
    let moves = one.events.iter().filter(|event| matches!(event, Event::Moved { .. })).count();
    assert_eq!(moves, 1);
}

#[test]
fn copies_of_upper_directories_count() {
    let mut a = Replica::started(Design::Hardened, Kind::Yjs, A);
    a.create(NOTE, "Hello");
    a.create("note-2", "x");
    a.command(Command::PermanentlyDelete { note: note("note-2") });
    let mut b = Replica::started(Design::Hardened, Kind::Yjs, B);
    b.create("note-2", "y");
    for (path, content) in a.shared() {
        let (upper, rest) = path.name().split_once('/').unwrap();
        b.put(&format!("shared:{upper} 2/{rest}"), content.bytes());
    }
    b.sync();
    assert_eq!(b.text(NOTE).as_deref(), Some("Hello"));
    assert!(b.notes().is_deleted("note-2"));
    let told = b.notes().problems(&b.config);
    assert!(told.iter().any(|problem| problem.file.starts_with("notes 2/")), "{told:?}");
}

/// Files that count how often they are read.
struct Counted<'a> {
    fs: &'a MemoryFs,
    read: std::cell::RefCell<Vec<Path>>,
    listed: std::cell::RefCell<Vec<Path>>,
}

impl<'a> Counted<'a> {
    fn new(fs: &'a MemoryFs) -> Self {
        Self { fs, read: std::cell::RefCell::default(), listed: std::cell::RefCell::default() }
    }
}

impl Fs for Counted<'_> {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        self.read.borrow_mut().push(path.clone());
        self.fs.read(path, from)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        self.listed.borrow_mut().push(dir.clone());
        self.fs.list(dir)
    }
}

/// A look by itself lists the notes of which something is awaited, however many there are, and now and then all.
#[test]
fn a_look_at_hints_lists_what_they_tell_of() {
    let mut a = Replica::started(Design::Hardened, Kind::Records, A);
    (0..50).for_each(|count| drop(a.create(&format!("note-{count}"), "x")));
    let mut b = Replica::started(Design::Hardened, Kind::Records, B);
    carry(&a, &mut b, |_| true);
    b.sync();
    a.append("note-7", " y");
    let look = |b: &mut Replica, after_ms: u64| {
        b.jump(after_ms);
        let counted = Counted::new(&b.fs);
        let driver = b.driver.as_mut().unwrap();
        driver.feed(&b.config, Input::Timer, b.now, Draw::Seed(1), &counted, &mut b.events);
        let mut listed = counted.listed.into_inner();
        listed.retain(|path| path.name().starts_with("notes/") && path.root() == Root::Shared);
        listed
    };
    assert_eq!(look(&mut b, 3_000), []);
    // The hint comes first, then what it tells of.
    carry(&a, &mut b, |name| name.starts_with("activity/"));
    let note_7 = ["notes/note-7/logs", "notes/note-7/snapshots"].map(Path::shared);
    assert_eq!(look(&mut b, 3_000), note_7);
    assert_eq!(b.notes().awaited().len(), 1);
    carry(&a, &mut b, |_| true);
    assert_eq!(look(&mut b, 500), note_7);
    assert_eq!((b.text("note-7").as_deref(), b.notes().awaited()), (Some("x y"), vec![]));
    assert_eq!(look(&mut b, 3_000), []);
    let list_ms = b.config.timing.list_ms;
    assert_eq!(look(&mut b, list_ms).len(), 100);
}

/// Of many notes those are read that are new, and in the full scan every file once.
#[test]
fn a_look_reads_only_what_it_must() {
    let mut a = Replica::started(Design::Hardened, Kind::Records, A);
    (0..200).for_each(|count| drop(a.create(&format!("note-{count}"), "x")));
    let mut b = Replica::started(Design::Hardened, Kind::Records, B);
    carry(&a, &mut b, |_| true);
    b.sync();
    (200..210).for_each(|count| drop(a.create(&format!("note-{count}"), "x")));
    carry(&a, &mut b, |_| true);
    let count = |b: &mut Replica, input: Input<Notes>| {
        let counted = Counted::new(&b.fs);
        let driver = b.driver.as_mut().unwrap();
        driver.feed(&b.config, input, b.now, Draw::Seed(1), &counted, &mut b.events);
        let mut read = counted.read.into_inner();
        read.retain(|path| path.root() == Root::Shared);
        read.len()
    };
    // Ten logs, and the one that hints at them.
    assert_eq!(count(&mut b, Input::Changed), 11);
    assert_eq!(count(&mut b, Input::Changed), 0);
    assert_eq!(b.text("note-209").as_deref(), Some("x"));
    assert_eq!(count(&mut b, Input::Command(Command::Sync)), 211);
}

/// Whoever deletes has a clock that is behind: what others write afterwards has a later time all the same, so the trash is
/// not emptied as long as that may be on its way.
#[test]
fn times_are_in_the_order_of_what_had_seen_what() {
    const HOUR_MS: i64 = 3_600_000;
    let [a, b] = &mut pair_with_trash();
    // What was written before its clock is set back is later than anything that comes next.
    a.create("other", "words");
    a.now.wall = a.now.wall.plus(-HOUR_MS);
    a.create(NOTE, "Hello");
    carry(a, b, |_| true);
    b.now.wall = b.now.wall.plus(-2 * HOUR_MS);
    b.sync();
    b.command(Command::Delete { note: note(NOTE) });
    // The other one writes again, and that does not come.
    a.append(NOTE, " again");
    b.now.wall = b.now.wall.plus(2 * HOUR_MS);
    b.pass(660_000);
    assert!(!b.events.iter().any(|event| matches!(event, Event::Deleted { .. })), "{:?}", b.events);
    carry(a, b, |_| true);
    b.sync();
    assert_eq!(b.text(NOTE).as_deref(), Some("Hello again"));
}

/// A clock was ahead for a while, and what was written then says nothing of what came since.
#[test]
fn a_clock_that_was_ahead_does_not_stand_for_what_came_since() {
    const DAYS_MS: i64 = 10 * 86_400_000;
    let [a, b] = &mut pair_with_trash();
    a.create("other", "words");
    a.now.wall = a.now.wall.plus(-DAYS_MS);
    b.now.wall = b.now.wall.plus(-DAYS_MS);
    a.create(NOTE, "Hello");
    carry(a, b, |_| true);
    b.sync();
    b.command(Command::Delete { note: note(NOTE) });
    // It is taken out of the trash, and that does not come before the clocks are right again.
    carry(b, a, |_| true);
    a.sync();
    a.command(Command::Restore { note: note(NOTE) });
    b.now.wall = b.now.wall.plus(DAYS_MS);
    b.pass(660_000);
    assert!(!b.events.iter().any(|event| matches!(event, Event::Deleted { .. })), "{:?}", b.events);
    carry(a, b, |_| true);
    b.sync();
    assert_eq!(b.notes().note(&b.config, NOTE).map(|note| note.state), Some(State::Live));
    // Whoever had written nothing else since is waited for no longer once he writes.
    a.now.wall = a.now.wall.plus(DAYS_MS);
    b.command(Command::Delete { note: note(NOTE) });
    carry(b, a, |_| true);
    a.pass(2 * 660_000);
    a.append("other", " more");
    carry(a, b, |_| true);
    b.pass(2 * 660_000);
    assert!(b.events.iter().any(|event| matches!(event, Event::Deleted { .. })), "{:?}", b.events);
}

/// The last line of an activity log names what was done last, also when the log was made shorter.
#[test]
fn a_shorter_activity_log_keeps_its_order() {
    let mut a = Replica::new(Design::Hardened, Kind::Records, A);
    a.config.activity_lines_max = 4;
    a.start();
    for id in ["z", "b", "a", "c"] {
        a.create(id, "words");
    }
    for id in ["b", "z", "c", "a", "b", "z"] {
        a.append(id, " more");
    }
    a.sync();
    let is_log = |(path, _): &(Path, Content)| path.name().starts_with("activity/");
    let (_, log) = a.shared().into_iter().find(is_log).expect("it has one");
    let lines = activity_log(log.bytes()).entries;
    let order: Vec<_> = lines.iter().map(|(_, entry)| &*entry.note).collect();
    assert!(order.len() < 10, "{order:?}");
    assert_eq!(order.last(), Some(&"z"), "{order:?}");
    let at = |id: &str| order.iter().rposition(|one| *one == id);
    assert!(at("c") < at("a") && at("a") < at("b") && at("b") < at("z"), "{order:?}");
}

/// A deletion is told once it would survive a crash and an older folder.
#[test]
fn a_deletion_is_told_when_it_is_written_down() {
    let [mut a, mut b] = pair(Kind::Records);
    a.create(NOTE, "Hello");
    carry(&a, &mut b, |_| true);
    b.sync();
    let before = b.fs.files.clone();
    a.command(Command::PermanentlyDelete { note: note(NOTE) });
    carry(&a, &mut b, |_| true);
    let is_told = |replica: &Replica| replica.events.iter().any(|event| matches!(event, Event::Gone { .. }));
    // The process dies after so many ops, and an older folder comes back.
    let mut told = Vec::new();
    for ops in 0..6 {
        let mut one = b.clone();
        one.events.clear();
        one.feed(Input::Changed);
        for _ in 0..ops {
            if one.pending().is_some() {
                one.apply(None);
            }
        }
        told.push(is_told(&one));
        one.fs.files.retain(|path, _| path.root() == Root::Local);
        let shared = before.iter().filter(|(path, _)| path.root() == Root::Shared);
        one.fs.files.extend(shared.map(|(path, content)| (path.clone(), content.clone())));
        let was_told = is_told(&one);
        one.start();
        assert!(!was_told || one.text(NOTE).is_none(), "after {ops} ops it was told and is shown again");
    }
    assert!(!told[0] && told[5], "{told:?}");
}
