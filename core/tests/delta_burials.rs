//! Delta: what is late, what was decided and what nobody named, where a life is buried before all have heard of it.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/replicas.rs"]
mod replicas;

use std::collections::BTreeSet;

use cloudchamber_core::delta::{Change, Command, Config, Design, Event, Key};
use cloudchamber_core::{Content, FsError, Path};
use replicas::Site;

fn site(name: &str) -> Site {
    Site::new(Config::new(Design::HARDENED, name))
}

/// The directory of a replica's own files.
fn home(site: &mut Site) -> Path {
    let id = site.delta().id().unwrap().clone();
    Path::shared("replicas").join(&id.0)
}

/// A replica's own files, as they are now.
fn own(site: &mut Site) -> Vec<(Path, Content)> {
    let dir = home(site);
    site.shared().into_iter().filter(|(path, _)| path.below(&dir).is_some()).collect()
}

/// One of its own files.
fn file(site: &mut Site, name: &str) -> (Path, Content) {
    let path = home(site).join(name);
    let content = site.shared()[&path].clone();
    (path, content)
}

/// One file comes to somebody.
fn bring((path, content): (Path, Content), to: &mut Site) {
    to.fs.disk.files.insert(path, content);
}

/// All that one wrote comes to another one, and what it removed goes there.
fn carry(from: &mut Site, to: &mut Site) {
    let dir = home(from);
    to.fs.disk.files.retain(|path, _| path.below(&dir).is_none());
    own(from).into_iter().for_each(|file| bring(file, to));
}

/// Everybody syncs and hears of everybody until nothing is new.
fn rest(sites: &mut [&mut Site]) {
    for _ in 0..8 {
        for at in 0..sites.len() {
            sites[at].sync();
            let files = own(sites[at]);
            let dir = home(sites[at]);
            for (_, to) in sites.iter_mut().enumerate().filter(|(to, _)| *to != at) {
                to.fs.disk.files.retain(|path, _| path.below(&dir).is_none());
                files.iter().cloned().for_each(|file| bring(file, to));
            }
        }
    }
}

fn unset(id: &str, field: &str) -> Change {
    Change::Put { key: Key::new("task", id), set: Default::default(), unset: BTreeSet::from([field.into()]) }
}

/// The conflict that says this, dismissed.
fn dismiss(site: &mut Site, words: &str) {
    let key = |said: &str| words.contains(said);
    let conflict = site.delta().conflicts().find(|conflict| {
        conflict.fields.iter().all(|(name, value)| {
            key(&format!("{name}={}", value.as_ref().map_or("-", |value| value.as_str())))
        })
    });
    let id = conflict.unwrap().id();
    let told = site.ask(Command::Dismiss(id));
    assert!(told.iter().any(|event| matches!(event, Event::Acknowledged { .. })), "{told:?}");
}

/// `a`, which has deleted an entity and, being alone, buried it; and the entity's file before that.
fn buried() -> (Site, (Path, Content)) {
    let mut a = site("a");
    a.put("task", "t1", r#"{"x":1}"#);
    a.sync();
    let before = file(&mut a, "entities/task_t1.json");
    a.put("task", "t0", r#"{"x":2}"#);
    a.delete("task", "t1");
    a.sync();
    (a, before)
}

/// `b` writes to an entity that `a` alone has deleted and buried, and lists that as conflicts.
fn late(sets: &[&str]) -> (Site, Site) {
    let (mut a, before) = buried();
    let mut b = site("b");
    bring(before, &mut b);
    b.sync();
    sets.iter().for_each(|set| drop(b.put("task", "t1", set)));
    carry(&mut a, &mut b);
    b.sync();
    assert_eq!(b.conflicts().len(), sets.len());
    (a, b)
}

#[test]
fn what_is_dismissed_and_buried_at_once_is_dismissed_everywhere() {
    let (mut a, mut b) = late(&[r#"{"x":4}"#]);
    // The conflict gets to `a`, and the decision is buried before it is sent.
    let old = file(&mut b, "entities/task_t1.json");
    bring(old.clone(), &mut a);
    a.sync();
    assert_eq!(a.conflicts(), ["task t1 x=4"]);
    dismiss(&mut b, "x=4");
    b.sync();
    rest(&mut [&mut a, &mut b]);
    assert_eq!((a.conflicts(), b.conflicts()), (vec![], vec![]));
    assert_eq!(a.picture(), b.picture());
    // And no old file brings it back.
    bring(old.clone(), &mut a);
    bring(old, &mut b);
    rest(&mut [&mut a, &mut b]);
    assert_eq!((a.conflicts(), b.conflicts()), (vec![], vec![]));
}

#[test]
fn what_is_restored_and_buried_at_once_is_settled_everywhere() {
    let (mut a, mut b) = late(&[r#"{"x":4}"#, r#"{"y":5}"#]);
    bring(file(&mut b, "entities/task_t1.json"), &mut a);
    a.sync();
    let id = b.delta().conflicts().next().unwrap().id();
    b.ask(Command::Restore(id));
    b.sync();
    rest(&mut [&mut a, &mut b]);
    for site in [&mut a, &mut b] {
        assert_eq!((site.show("task", "t1"), site.conflicts()), (r#"{"x":4,"y":5}"#.to_owned(), vec![]));
    }
    // The whole was restored: what replaces a part of it later replaces what is seen.
    a.put("task", "t1", r#"{"y":6}"#);
    rest(&mut [&mut a, &mut b]);
    for site in [&mut a, &mut b] {
        assert_eq!((site.show("task", "t1"), site.conflicts()), (r#"{"x":4,"y":6}"#.to_owned(), vec![]));
    }
}

#[test]
fn one_conflict_is_dismissed_and_the_others_of_its_writer_stay() {
    let (mut a, mut b) = late(&[r#"{"x":4}"#, r#"{"y":5}"#]);
    dismiss(&mut b, "y=5");
    assert_eq!(b.conflicts(), ["task t1 x=4"]);
    rest(&mut [&mut a, &mut b]);
    assert_eq!(a.conflicts(), ["task t1 x=4"]);
    assert_eq!(a.picture(), b.picture());

    // So it is where nothing is buried yet, and where the one that is dismissed is somebody else's.
    let (mut a, mut b, mut c) = (site("a"), site("b"), site("c"));
    a.put("task", "t1", r#"{"x":1}"#);
    rest(&mut [&mut a, &mut b, &mut c]);
    a.delete("task", "t1");
    b.put("task", "t1", r#"{"x":2}"#);
    b.put("task", "t1", r#"{"y":3}"#);
    c.put("task", "t1", r#"{"z":4}"#);
    rest(&mut [&mut a, &mut b, &mut c]);
    assert_eq!(b.conflicts(), ["task t1 x=2", "task t1 y=3", "task t1 z=4"]);
    dismiss(&mut b, "z=4");
    rest(&mut [&mut a, &mut b, &mut c]);
    assert_eq!(c.conflicts(), ["task t1 x=2", "task t1 y=3"]);
    dismiss(&mut c, "y=3");
    rest(&mut [&mut a, &mut b, &mut c]);
    assert_eq!(a.conflicts(), ["task t1 x=2"]);
    dismiss(&mut a, "x=2");
    rest(&mut [&mut a, &mut b, &mut c]);
    assert_eq!(c.conflicts(), Vec::<String>::new());
}

#[test]
fn what_came_late_to_one_is_late_to_whoever_hears_of_the_grave_from_another() {
    let (mut a, mut b, mut c, mut d) = (site("a"), site("b"), site("c"), site("d"));
    a.put("task", "t1", r#"{"x":1}"#);
    a.put("task", "t0", r#"{"x":1}"#);
    a.sync();
    // `d` has all of it, and nobody has heard of `d`, so that `a` buries the entity without it.
    let before = file(&mut a, "entities/task_t1.json");
    carry(&mut a, &mut d);
    d.sync();
    bring(before, &mut b);
    b.sync();
    a.delete("task", "t1");
    a.sync();
    b.put("task", "t1", r#"{"y":2}"#);
    b.put("task", "t1", r#"{"z":3}"#);
    b.sync();
    // `a` marks it as late. `c` hears of both from `a`, and of the writes from `b`.
    carry(&mut b, &mut a);
    a.sync();
    carry(&mut a, &mut c);
    carry(&mut b, &mut c);
    c.sync();
    assert_eq!(c.conflicts(), ["task t1 y=2", "task t1 z=3"]);
    // `d` writes to it as well, has what `b` and `c` wrote, and of `a` nothing new.
    d.put("task", "t1", r#"{"w":4}"#);
    carry(&mut b, &mut d);
    carry(&mut c, &mut d);
    d.sync();
    rest(&mut [&mut a, &mut b, &mut c, &mut d]);
    for site in [&mut a, &mut b, &mut c, &mut d] {
        assert_eq!(site.conflicts(), ["task t1 y=2", "task t1 z=3", "task t1 w=4"]);
    }
}

#[test]
fn a_field_unset_in_a_life_that_ended_is_listed_where_another_life_shows_it() {
    let (mut a, mut b, mut c) = (site("a"), site("b"), site("c"));
    a.put("task", "t1", r#"{"note":"old","title":"one"}"#);
    rest(&mut [&mut a, &mut b]);
    // At once: it is deleted, unset, and made by somebody who had not heard of it.
    a.delete("task", "t1");
    b.ask(unset("t1", "note"));
    c.put("task", "t1", r#"{"note":"new"}"#);
    rest(&mut [&mut a, &mut b, &mut c]);
    for site in [&mut a, &mut b, &mut c] {
        assert_eq!(site.show("task", "t1"), r#"{"note":"new"}"#);
        assert_eq!(site.conflicts(), ["task t1 note=-"]);
    }
    dismiss(&mut b, "note=-");
    rest(&mut [&mut a, &mut b, &mut c]);
    assert_eq!(c.conflicts(), Vec::<String>::new());

    // Where nothing is shown, nothing lacks.
    let (mut a, mut b) = (site("a"), site("b"));
    a.put("task", "t1", r#"{"note":"old","title":"one"}"#);
    rest(&mut [&mut a, &mut b]);
    a.delete("task", "t1");
    b.ask(unset("t1", "note"));
    rest(&mut [&mut a, &mut b]);
    assert_eq!((a.show("task", "t1"), a.conflicts()), (b.show("task", "t1"), vec![]));
}

#[test]
fn a_file_that_no_meta_tells_of_is_seen_by_those_that_know_an_older_one() {
    let (mut a, mut b) = (site("a"), site("b"));
    a.put("task", "t1", r#"{"x":1}"#);
    rest(&mut [&mut a, &mut b]);
    // `a` dies for good between the entity's file and its meta file.
    a.put("task", "t1", r#"{"y":2}"#);
    a.feed(Command::Sync);
    let meta = file(&mut a, "meta.json");
    while !a.shared().values().any(|content| String::from_utf8_lossy(content.bytes()).contains("\"y\":2")) {
        assert!(!a.settle(1));
    }
    assert_eq!(file(&mut a, "meta.json"), meta);
    a.crash();
    carry(&mut a, &mut b);
    b.sync();
    assert_eq!(b.show("task", "t1"), r#"{"x":1,"y":2}"#);
    // It is read once.
    b.fs.opened.set(0);
    b.sync();
    let once = b.fs.opened.get();
    carry(&mut a, &mut b);
    b.fs.opened.set(0);
    b.sync();
    assert_eq!(b.fs.opened.get(), once);

    // An older one that comes back says nothing new, and is read once as well.
    let (mut a, mut b) = (site("a"), site("b"));
    a.put("task", "t1", r#"{"x":1}"#);
    rest(&mut [&mut a, &mut b]);
    let old = file(&mut a, "entities/task_t1.json");
    a.put("task", "t1", r#"{"x":2}"#);
    rest(&mut [&mut a, &mut b]);
    b.fs.opened.set(0);
    b.sync();
    let usual = b.fs.opened.get();
    bring(old.clone(), &mut b);
    // One that is elsewhere is nothing to wait for: what it said is known.
    b.fs.disk.unreadable.insert(old.0.clone(), FsError::NotLocal);
    let report = b.sync();
    assert_eq!((report.waiting, report.problems), (0, vec![]));
    b.fs.disk.unreadable.clear();
    b.fs.opened.set(0);
    b.sync();
    assert_eq!(b.fs.opened.get(), usual + 1);
    b.fs.opened.set(0);
    b.sync();
    assert_eq!((b.fs.opened.get(), b.show("task", "t1")), (usual, r#"{"x":2}"#.to_owned()));
}

#[test]
fn a_file_that_no_meta_tells_of_is_seen_while_an_earlier_write_is_waited_for() {
    let (mut a, mut b) = (site("a"), site("b"));
    a.put("task", "t1", r#"{"x":1}"#);
    a.put("task", "t2", r#"{"x":1}"#);
    a.sync();
    // Of the first write nothing arrives, ever.
    bring(file(&mut a, "meta.json"), &mut b);
    bring(file(&mut a, "entities/task_t2.json"), &mut b);
    b.sync();
    assert_eq!((b.show("task", "t1"), b.show("task", "t2")), ("absent".into(), r#"{"x":1}"#.into()));
    a.put("task", "t2", r#"{"y":2}"#);
    a.sync();
    bring(file(&mut a, "entities/task_t2.json"), &mut b);
    b.sync();
    assert_eq!(b.show("task", "t2"), r#"{"x":1,"y":2}"#);
}

#[test]
fn what_others_missed_of_a_machine_that_is_gone_is_said_again_after_a_while() {
    for is_older in [false, true] {
        let (mut a, mut b, mut c) = (site("a"), site("b"), site("c"));
        a.put("task", "t1", r#"{"x":1}"#);
        rest(&mut [&mut a, &mut b, &mut c]);
        let old = file(&mut a, "entities/task_t1.json");
        a.put("task", "t1", r#"{"y":2}"#);
        a.sync();
        carry(&mut a, &mut b);
        b.sync();
        // The machine of `a` is gone for good. Before anybody else had read what it wrote last, its file came back as it
        // had been, or is torn for ever; its meta file says that there is more.
        bring(file(&mut a, "meta.json"), &mut c);
        let torn = (old.0.clone(), Content::from(String::from_utf8_lossy(&old.1.bytes()[..40]).into_owned()));
        let (wrong, hour_ms) = (if is_older { old } else { torn }, 3_600_000);
        for site in [&mut b, &mut c] {
            bring(wrong.clone(), site);
            site.sync();
            site.wall += hour_ms / 2;
        }
        let mut carry_both = |ms: i64| {
            for _ in 0..4 {
                b.sync();
                carry(&mut b, &mut c);
                c.sync();
                carry(&mut c, &mut b);
            }
            (b.wall, c.wall) = (b.wall + ms, c.wall + ms);
            (b.show("task", "t1"), c.show("task", "t1"))
        };
        let (both, first) = (r#"{"x":1,"y":2}"#, r#"{"x":1}"#);
        // It may be on its way.
        assert_eq!(carry_both(hour_ms), (both.into(), first.into()), "{is_older}");
        assert_eq!(carry_both(0), (both.into(), both.into()), "{is_older}");
        // It is said once.
        b.sync();
        b.fs.written = 0;
        b.sync();
        assert_eq!(b.fs.written, 0);
    }
}

/// `b` writes to an entity, `c` deletes it having seen that, and `a` alone has deleted and buried it without.
fn deleted_by_two() -> (Site, Site, Site) {
    let (a, before) = buried();
    let (mut b, mut c) = (site("b"), site("c"));
    bring(before.clone(), &mut b);
    b.sync();
    b.put("task", "t1", r#"{"x":4}"#);
    b.sync();
    bring(before, &mut c);
    carry(&mut b, &mut c);
    c.sync();
    c.delete("task", "t1");
    c.sync();
    (a, b, c)
}

#[test]
fn what_one_deletion_had_seen_is_late_to_nobody_in_the_end() {
    // `a` has marked the write as late before `c` hears of its burial, or marks it afterwards.
    for is_marked_first in [true, false] {
        let (mut a, mut b, mut c) = deleted_by_two();
        if is_marked_first {
            carry(&mut b, &mut a);
            a.sync();
            assert_eq!(a.conflicts(), ["task t1 x=4"]);
        }
        carry(&mut a, &mut c);
        c.sync();
        assert!(c.conflicts().is_empty(), "{:?}", c.conflicts());
        if !is_marked_first {
            carry(&mut b, &mut a);
            a.sync();
            assert_eq!(a.conflicts(), ["task t1 x=4"]);
        }
        // The deletion itself went with the life.
        rest(&mut [&mut b, &mut a, &mut c]);
        let all = [&mut a, &mut b, &mut c].map(|site| (site.conflicts(), site.picture()));
        assert!(all.iter().all(|one| one.0.is_empty() && *one == all[0]), "{is_marked_first}: {all:?}");
    }
}
