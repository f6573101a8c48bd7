//! Replicas whose memory is older than what they did: restored backups and copied directories.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/replicas.rs"]
mod replicas;

use std::collections::BTreeSet;

use cloudchamber_core::delta::{Change, Command, Config, Design, Event, Fields, Key, Layout};
use cloudchamber_core::{Content, MemoryFs, Path};
use replicas::{Client, Site, converge};

fn hardened(name: &str) -> Site {
    Site::new(Config::new(Design::HARDENED, name))
}

/// Two replicas that agree on one entity, and what a backup of the first one's local directory holds then.
fn backed_up(layout: Layout) -> (Site, Site, Client, MemoryFs) {
    let mut a = Site::new(Config::new(Design::HARDENED.in_layout(layout), "a"));
    let (mut b, mut client) = (hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    let backup = a.fs.disk.clone();
    (a, b, client, backup)
}

fn is_new(told: &[Event]) -> bool {
    told.iter().any(|event| matches!(event, Event::NewIdentity { .. }))
}

/// Both roots are as they were then, and the client keeps beside them what the cloud has.
fn restore_both(site: &mut Site, backup: &MemoryFs) {
    let shown = site.shared();
    site.crash();
    site.fs.disk = backup.clone();
    for (path, content) in shown {
        match site.fs.disk.files.get(&path) {
            Some(now) if *now == content => {}
            Some(_) => drop(copy(site, &path, content)),
            None => drop(site.fs.disk.files.insert(path, content)),
        }
    }
}

/// A client leaves a copy of a file, under a name that nothing has.
fn copy(site: &mut Site, of: &Path, content: Content) -> Path {
    let copies = (2..).map(|at| Path::shared(&of.name().replace(".json", &format!(" {at}.json"))));
    let free = copies.into_iter().find(|copy| !site.fs.disk.files.contains_key(copy)).unwrap();
    site.fs.disk.files.insert(free.clone(), content);
    free
}

#[test]
fn a_restored_backup_of_the_local_directory_goes_on_under_another_id() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    let backup = a.fs.disk.clone();
    a.put("task", "t1", r#"{"title":"a"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    let old = a.delta().id().unwrap().clone();
    // The local directory is the old one again, and somebody works with it before it syncs.
    a.restore(&backup);
    a.put("task", "t1", r#"{"title":"restored"}"#);
    a.put("task", "t2", r#"{"title":"new"}"#);
    let told = a.ask(Command::Sync);
    assert!(is_new(&told), "{told:?}");
    assert_ne!(*a.delta().id().unwrap(), old);
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(a.picture(), b.picture());
    let all = a.picture().join("\n");
    assert!(["\"a\"", "\"restored\"", "\"new\""].iter().all(|value| all.contains(value)), "{all}");
    // The old id does not keep tombstones from being collected.
    a.delete("task", "t2");
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(b.show("task", "t2"), "absent");
}

#[test]
fn two_machines_with_one_local_directory_become_two() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t","x":1}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    let mut twin = a.twin("twin");
    twin.config.replica = "twin".to_owned();
    client.carry(&mut [&mut a, &mut b, &mut twin]);
    a.put("task", "t1", r#"{"title":"a"}"#);
    twin.put("task", "t1", r#"{"x":2}"#);
    twin.put("task", "t3", r#"{"title":"twin"}"#);
    for site in [&mut a, &mut b, &mut twin] {
        site.sync();
    }
    converge(&mut client, &mut [&mut a, &mut b, &mut twin]);
    assert_ne!(a.delta().id(), twin.delta().id());
    assert_eq!(a.picture(), b.picture());
    assert_eq!(a.picture(), twin.picture());
    assert_eq!(a.show("task", "t3"), r#"{"title":"twin"}"#);
    let all = a.picture().join("\n");
    assert!(all.contains("\"a\"") && all.contains('2'), "{all}");
}

#[test]
fn an_edit_after_a_restore_is_not_lost_to_a_deletion_of_the_other_history() {
    for layout in [Layout::Split, Layout::SplitLite] {
        let (mut a, mut b, mut client, backup) = backed_up(layout);
        a.put("task", "t1", r#"{"title":"later"}"#);
        a.delete("task", "t1");
        converge(&mut client, &mut [&mut a, &mut b]);
        a.restore(&backup);
        a.put("task", "t1", r#"{"title":"restored"}"#);
        assert!(is_new(&a.ask(Command::Sync)));
        converge(&mut client, &mut [&mut a, &mut b]);
        assert_eq!(a.picture(), b.picture());
        assert_eq!(a.conflicts(), ["task t1 title=\"restored\""]);
        assert_eq!(a.show("task", "t1"), "deleted");
    }
}

#[test]
fn an_edit_that_a_sync_had_begun_to_show_before_the_restore_is_shown_by_all() {
    for layout in [Layout::Split, Layout::SplitLite] {
        let (mut a, mut b, mut client, backup) = backed_up(layout);
        a.put("task", "t1", r#"{"title":"a"}"#);
        a.feed(Command::Sync);
        let before = a.names().len();
        let is_shown = |site: &Site| {
            let mut files = site.shared().into_values();
            files.any(|content| String::from_utf8_lossy(content.bytes()).contains("\"a\""))
        };
        while !is_shown(&a) {
            assert!(!a.settle(1), "{before}");
        }
        a.restore(&backup);
        a.put("task", "t2", r#"{"title":"restored"}"#);
        assert!(is_new(&a.ask(Command::Sync)), "{layout:?}");
        // One that comes later reads every file, the others only what metas name.
        let mut c = hardened("c");
        converge(&mut client, &mut [&mut a, &mut b, &mut c]);
        assert_eq!(a.picture(), ["task t1: {\"title\":\"a\"}", "task t2: {\"title\":\"restored\"}"]);
        assert_eq!(a.picture(), b.picture());
        assert_eq!(a.picture(), c.picture());
    }
}

#[test]
fn two_machines_that_write_under_one_id_before_they_meet_lose_nothing() {
    for layout in [Layout::Split, Layout::SplitLite] {
        let mut a = Site::new(Config::new(Design::HARDENED.in_layout(layout), "a"));
        let (mut b, mut c, mut client) = (hardened("b"), hardened("c"), Client::default());
        a.put("task", "t1", r#"{"title":"t"}"#);
        a.put("task", "t2", r#"{"title":"t"}"#);
        converge(&mut client, &mut [&mut a, &mut b, &mut c]);
        let mut twin = a.twin("twin");
        client.carry(&mut [&mut twin]);
        // Each has shown its own to one of the others before they meet.
        a.put("task", "t1", r#"{"title":"a"}"#);
        a.delete("task", "t2");
        a.sync();
        client.carry(&mut [&mut a, &mut b]);
        b.sync();
        twin.put("task", "t2", r#"{"title":"twin"}"#);
        twin.put("task", "t1", r#"{"title":"twin too"}"#);
        twin.sync();
        c.fs.disk.files.extend(twin.shared());
        c.sync();
        converge(&mut client, &mut [&mut a, &mut b, &mut c, &mut twin]);
        assert_ne!(a.delta().id(), twin.delta().id());
        let all = a.picture().join("\n");
        assert!(["\"a\"", "\"twin\"", "\"twin too\""].iter().all(|value| all.contains(value)), "{all}");
        for site in [&mut b, &mut c, &mut twin] {
            assert_eq!(site.picture(), a.picture(), "{}", site.machine);
        }
        // And they stay alike when one of them writes over all of it.
        b.put("task", "t1", r#"{"title":"b"}"#);
        converge(&mut client, &mut [&mut a, &mut b, &mut c, &mut twin]);
        assert_eq!(a.show("task", "t1"), r#"{"title":"b"}"#);
        for site in [&mut b, &mut c, &mut twin] {
            assert_eq!(site.picture(), a.picture(), "{}", site.machine);
        }
    }
}

#[test]
fn what_a_copy_does_after_its_original_went_on_is_its_own() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t"}"#);
    // It is copied with a change that nobody has seen.
    let mut twin = a.twin("twin");
    twin.config.replica = "twin".to_owned();
    a.delete("task", "t1");
    converge(&mut client, &mut [&mut a, &mut b]);
    client.carry(&mut [&mut twin]);
    assert!(is_new(&twin.ask(Command::Sync)));
    converge(&mut client, &mut [&mut a, &mut b, &mut twin]);
    assert_eq!(a.picture(), b.picture());
    assert_eq!(a.picture(), twin.picture());
    let own = Path::shared("replicas").join(&a.delta().id().unwrap().0);
    assert!(a.shared().keys().any(|path| path.below(&own).is_some()));
}

#[test]
fn a_sync_after_a_restore_may_be_interrupted_anywhere() {
    for layout in [Layout::Split, Layout::SplitLite] {
        for ops in 0..16 {
            let mut a = Site::new(Config::new(Design::HARDENED.in_layout(layout), "a"));
            let (mut b, mut client) = (hardened("b"), Client::default());
            b.put("task", "t3", r#"{"title":"three"}"#);
            b.sync();
            a.put("task", "t1", r#"{"title":"one"}"#);
            a.put("task", "t2", r#"{"title":"two"}"#);
            let backup = a.fs.disk.clone();
            a.sync();
            a.restore(&backup);
            a.delete("task", "t1");
            a.put("task", "t2", r#"{"title":"restored"}"#);
            a.feed(Command::Sync);
            a.settle(ops);
            a.crash();
            let mut c = hardened("c");
            c.fs.disk.files.extend(a.shared());
            c.sync();
            converge(&mut client, &mut [&mut a, &mut b, &mut c]);
            assert_eq!(a.picture(), b.picture(), "{layout:?} {ops}");
            assert_eq!(a.picture(), c.picture(), "{layout:?} {ops}");
            let all = a.picture().join("\n");
            assert!(!all.contains("one") && all.contains("\"restored\""), "{layout:?} {ops}: {all}");
        }
    }
}

#[test]
fn a_replica_that_is_restored_twice_takes_up_what_the_first_time_left_unfinished() {
    for ops in 0..12 {
        let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
        a.put("task", "t1", r#"{"title":"one"}"#);
        let backup = a.fs.disk.clone();
        a.sync();
        a.restore(&backup);
        a.put("task", "t1", r#"{"title":"two"}"#);
        assert!(is_new(&a.ask(Command::Sync)));
        client.carry(&mut [&mut a, &mut b]);
        b.sync();
        a.put("task", "t1", r#"{"title":"three"}"#);
        a.feed(Command::Sync);
        a.settle(ops);
        a.restore(&backup);
        assert!(is_new(&a.ask(Command::Sync)));
        converge(&mut client, &mut [&mut a, &mut b]);
        assert_eq!(a.picture(), b.picture(), "{ops}");
    }
}

#[test]
fn an_old_backup_brings_back_nothing_that_was_overwritten_since() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    for id in ["t1", "t2", "t3"] {
        a.put("task", id, r#"{"title":"t"}"#);
    }
    converge(&mut client, &mut [&mut a, &mut b]);
    let backup = a.fs.disk.clone();
    for n in 0..100 {
        a.put("task", ["t1", "t2"][n % 2], &format!("{{\"title\":{n}}}"));
        a.sync();
    }
    converge(&mut client, &mut [&mut a, &mut b]);
    a.restore(&backup);
    a.put("task", "t3", r#"{"title":"restored"}"#);
    assert!(is_new(&a.ask(Command::Sync)));
    converge(&mut client, &mut [&mut a, &mut b]);
    let all = [r#"task t1: {"title":98}"#, r#"task t2: {"title":99}"#, r#"task t3: {"title":"restored"}"#];
    assert_eq!(a.picture(), all);
    assert_eq!(b.picture(), all);
}

#[test]
fn what_others_have_seen_is_there_though_the_folder_was_restored_too() {
    let (mut a, mut b, mut c) = (hardened("a"), hardened("b"), hardened("c"));
    let mut client = Client::default();
    a.put("task", "t1", r#"{"title":"one"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    let backup = a.fs.disk.clone();
    a.put("task", "t1", r#"{"title":"two"}"#);
    a.sync();
    let own = Path::shared("replicas").join(&a.delta().id().unwrap().0);
    let later = a.shared()[&own.join("meta.json")].clone();
    // B alone gets to see this before files and memory are the old ones again.
    client.carry(&mut [&mut a, &mut b]);
    b.sync();
    a.crash();
    a.fs.disk = backup;
    a.fs.disk.files.insert(own.join("meta 2.json"), later);
    assert!(is_new(&a.ask(Command::Sync)));
    converge(&mut client, &mut [&mut a, &mut b, &mut c]);
    for site in [&mut a, &mut b, &mut c] {
        assert_eq!(site.show("task", "t1"), r#"{"title":"two"}"#, "{}", site.machine);
    }
    // It is said once.
    b.fs.written = 0;
    b.sync();
    assert_eq!(b.fs.written, 0);
}

#[test]
fn what_stands_only_in_a_copy_after_the_folder_was_restored_too_is_said_again() {
    for (first, then) in [(r#"{"x":1}"#, r#"{"x":2}"#), (r#"{"y":1}"#, r#"{"x":2}"#)] {
        let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
        a.put("task", "t1", first);
        a.feed(Command::Sync);
        assert!(!a.settle(3), "the entity is written, and the meta file is not");
        a.crash();
        if first.contains('y') {
            let (key, unset) = (Key::new("task", "t1"), BTreeSet::from(["y".into()]));
            a.ask(Change::Put { key, set: Fields::default(), unset });
        }
        a.put("task", "t1", then);
        let backup = a.fs.disk.clone();
        a.sync();
        restore_both(&mut a, &backup);
        assert!(is_new(&a.ask(Command::Sync)));
        // The copy is gone before anybody else has read it.
        a.fs.disk.files.retain(|path, _| !path.name().contains(' '));
        converge(&mut client, &mut [&mut a, &mut b]);
        assert_eq!(a.picture(), b.picture());
        assert_eq!(b.show("task", "t1"), then);
    }
}

#[test]
fn what_stands_only_in_a_copy_is_found_among_copies_of_older_versions() {
    for layout in [Layout::Split, Layout::SplitLite] {
        for older in 0..4 {
            let mut a = Site::new(Config::new(Design::HARDENED.in_layout(layout), "a"));
            let (mut b, mut client) = (hardened("b"), Client::default());
            a.put("task", "t1", r#"{"title":"one"}"#);
            a.sync();
            let backup = a.fs.disk.clone();
            a.put("task", "t1", r#"{"title":"two"}"#);
            a.sync();
            restore_both(&mut a, &backup);
            // The client copies what stands there now too, before or after that is found.
            let now = a.shared().into_iter().filter(|(path, _)| !path.name().contains(' '));
            for (path, content) in now.collect::<Vec<_>>() {
                let is_meta = path.name().ends_with("meta.json");
                if older & 1 == 1 && is_meta || older & 2 == 2 && !is_meta {
                    copy(&mut a, &path, content);
                }
            }
            assert!(is_new(&a.ask(Command::Sync)), "{layout:?} {older}");
            converge(&mut client, &mut [&mut a, &mut b]);
            for site in [&mut a, &mut b] {
                assert_eq!(site.show("task", "t1"), r#"{"title":"two"}"#, "{layout:?} {older}");
            }
        }
    }
}

#[test]
fn a_replica_whose_folder_and_then_whose_memory_is_an_older_one_finds_what_it_wrote() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"one"}"#);
    a.put("task", "t2", r#"{"title":"one"}"#);
    let first = a.fs.disk.clone();
    a.sync();
    a.put("task", "t1", r#"{"title":"two"}"#);
    let second = a.fs.disk.clone();
    a.sync();
    let own = Path::shared("replicas").join(&a.delta().id().unwrap().0).join("entities/task_t1.json");
    restore_both(&mut a, &second);
    a.restore(&first);
    let older = second.files[&own].clone();
    copy(&mut a, &own, older);
    assert!(is_new(&a.ask(Command::Sync)));
    converge(&mut client, &mut [&mut a, &mut b]);
    let all = [r#"task t1: {"title":"two"}"#, r#"task t2: {"title":"one"}"#];
    assert_eq!(a.picture(), all);
    assert_eq!(b.picture(), all);
}

#[test]
fn an_id_that_somebody_stands_in_place_of_writes_no_more() {
    let (mut a, mut b, mut client, backup) = backed_up(Layout::Split);
    a.put("task", "t1", r#"{"title":"later"}"#);
    a.sync();
    let last = a.fs.disk.clone();
    let old = a.delta().id().unwrap().clone();
    a.restore(&backup);
    assert!(is_new(&a.ask(Command::Sync)));
    converge(&mut client, &mut [&mut a, &mut b]);
    // The memory is now the one from just before the id was left: all that the files under it say is known to it.
    a.restore(&last);
    a.put("task", "t1", r#"{"title":"last"}"#);
    assert!(is_new(&a.ask(Command::Sync)), "nobody waits for {old}, and it would go on");
    let meta = Path::shared("replicas").join(&old.0).join("meta.json");
    let left = a.shared()[&meta].clone();
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(a.shared()[&meta], left);
    for site in [&mut a, &mut b] {
        assert_eq!(site.picture(), [r#"task t1: {"title":"last"}"#]);
    }
    // It goes on under that one.
    a.put("task", "t1", r#"{"title":"again"}"#);
    assert!(!is_new(&a.ask(Command::Sync)));
    assert!(!is_new(&a.ask(Command::Sync)));
}

#[test]
fn an_older_file_of_an_id_that_writes_no_more_takes_nothing_from_who_comes_later() {
    for (layout, remembers) in
        [(Layout::Split, "a"), (Layout::Split, "b"), (Layout::SplitLite, "a"), (Layout::SplitLite, "b")]
    {
        for is_gone in [false, true] {
            let what = format!("{layout:?} {remembers} {is_gone}");
            let (mut a, mut b, mut client, backup) = backed_up(layout);
            let old = Path::shared("replicas").join(&a.delta().id().unwrap().0);
            let before = a.shared();
            a.put("task", "t1", r#"{"title":"later"}"#);
            a.sync();
            client.carry(&mut [&mut a, &mut b]);
            a.restore(&backup);
            assert!(is_new(&a.ask(Command::Sync)));
            converge(&mut client, &mut [&mut a, &mut b]);
            // All files of the old id but its meta file are the older ones again, everywhere, or are gone.
            let of_old = |path: &Path| path.below(&old).is_some_and(|name| name != "meta.json");
            for site in [&mut a, &mut b] {
                site.crash();
                site.fs.disk.files.retain(|path, _| !of_old(path));
                if !is_gone {
                    let older = before.iter().filter(|(path, _)| of_old(path));
                    site.fs.disk.files.extend(older.map(|(path, content)| (path.clone(), content.clone())));
                }
            }
            let one = if remembers == "a" { &mut a } else { &mut b };
            one.sync();
            let mut c = hardened("c");
            c.fs.disk.files.extend(one.shared());
            c.sync();
            assert_eq!(c.show("task", "t1"), r#"{"title":"later"}"#, "{what}");
            // It is said once.
            one.fs.written = 0;
            one.sync();
            one.sync();
            assert_eq!(one.fs.written, 0, "{what}");
        }
    }
}
