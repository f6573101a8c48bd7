//! Replicas of a delta folder in memory: what they tell, what they write, and what they make of what arrives.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/replicas.rs"]
mod replicas;

use cloudchamber_core::delta::{Change, Command, Config, Design, Event, Layout};
use cloudchamber_core::{Content, FsError, Path, Root};
use replicas::{Client, Site, converge};

fn hardened(name: &str) -> Site {
    Site::new(Config::new(Design::HARDENED, name))
}

#[test]
fn a_change_goes_from_one_to_the_other() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    let told = a.put("task", "t1", r#"{"title":"milk","n":1.0}"#);
    assert!(
        matches!(&told[..], [Event::Acknowledged { key, .. }] if key.to_string() == "task t1"),
        "{told:?}"
    );
    assert_eq!(a.sync().to_string(), "1 task sent");
    client.carry(&mut [&mut a, &mut b]);
    assert_eq!(b.show("task", "t1"), "absent");
    assert_eq!(b.sync().to_string(), "1 task received");
    assert_eq!(b.show("task", "t1"), r#"{"n":1.0,"title":"milk"}"#);
    let id = a.delta().id().unwrap().to_string();
    let names = ["entities/task_t1.json", "meta.json"].map(|name| format!("replicas/{id}/{name}"));
    assert_eq!(a.names(), names);
}

#[test]
fn edits_of_two_fields_are_both_there() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t","note":"n"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    a.put("task", "t1", r#"{"title":"a"}"#);
    b.put("task", "t1", r#"{"note":"b"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(a.picture(), b.picture());
    assert_eq!(a.picture(), [r#"task t1: {"note":"b","title":"a"}"#]);
}

#[test]
fn of_two_edits_of_one_field_the_loser_is_kept_and_can_be_restored() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    a.put("task", "t1", r#"{"title":"a"}"#);
    b.wall += 1_000;
    b.put("task", "t1", r#"{"title":"b"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(a.picture(), b.picture());
    assert_eq!(
        (a.show("task", "t1"), a.conflicts()),
        (r#"{"title":"b"}"#.to_owned(), vec!["task t1 title=\"a\"".to_owned()])
    );
    let id = a.delta().conflicts().next().unwrap().id();
    a.ask(Command::Restore(id.clone()));
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(b.picture(), [r#"task t1: {"title":"a"}"#]);
    let told = b.ask(Command::Restore(id));
    assert!(matches!(&told[..], [Event::Refused(why)] if why.contains("there is no conflict")), "{told:?}");
}

#[test]
fn a_delete_wins_and_the_edit_is_kept_whole() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t","x":1}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    a.delete("task", "t1");
    b.put("task", "t1", r#"{"title":"b"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    for site in [&mut a, &mut b] {
        assert_eq!(
            (site.show("task", "t1"), site.conflicts()),
            ("deleted".to_owned(), vec!["task t1 title=\"b\"".to_owned()])
        );
    }
    let id = b.delta().conflicts().next().unwrap().id();
    b.ask(Command::Restore(id));
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(a.picture(), [r#"task t1: {"title":"b","x":1}"#]);
    assert_eq!(a.picture(), b.picture());
}

#[test]
fn tombstones_are_collected_once_everybody_has_seen_them_and_stay_dead() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t"}"#);
    b.put("task", "t2", r#"{"title":"u"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    let old = b.shared();
    a.delete("task", "t1");
    a.delete("task", "t2");
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!((a.show("task", "t1"), b.show("task", "t2")), ("absent".to_owned(), "absent".to_owned()));
    assert!(!a.names().iter().any(|name| name.contains("entities")), "{:?}", a.names());
    // An old tree comes back: nobody is alive again, and nothing is left of it.
    for (path, content) in old {
        a.fs.disk.files.insert(path, content);
    }
    client.carry(&mut [&mut a, &mut b]);
    converge(&mut client, &mut [&mut a, &mut b]);
    assert!(a.picture().is_empty() && b.picture().is_empty(), "{:?}", a.picture());
}

#[test]
fn an_idle_sync_writes_nothing() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    converge(&mut client, &mut [&mut a, &mut b]);
    for site in [&mut a, &mut b] {
        (site.fs.written, site.fs.opened) = (0, 0.into());
        for _ in 0..3 {
            assert_eq!(site.sync().to_string(), "nothing to do");
        }
        assert_eq!(site.fs.written, 0);
        assert!(site.fs.opened.get() <= 3 * 6, "{}", site.fs.opened.get());
    }
}

#[test]
fn what_is_the_folders_own_is_refused_by_name() {
    let mut a = hardened("a");
    let told = a.put("task", "t1", r#"{"version":99}"#);
    let why = "task t1: the folder itself keeps `version`: give the field another name";
    assert_eq!(told, [Event::Refused(why.to_owned())]);
    assert!(matches!(&a.ask(Change::delete("", "t1"))[..], [Event::Refused(_)]));
    assert_eq!(a.show("task", "t1"), "absent");
}

#[test]
fn who_was_away_for_longer_than_the_retention_is_rebuilt() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    for id in ["t1", "t2", "t3"] {
        a.put("task", id, r#"{"title":"t"}"#);
    }
    converge(&mut client, &mut [&mut a, &mut b]);
    // B is away, and edits what A deletes.
    b.put("task", "t1", r#"{"title":"b"}"#);
    b.put("task", "t4", r#"{"title":"four"}"#);
    a.delete("task", "t1");
    a.delete("task", "t2");
    client.carry(&mut [&mut a]);
    a.sync();
    assert_eq!(a.show("task", "t1"), "deleted");
    a.wall += 91 * 86_400_000;
    a.sync();
    a.sync();
    assert_eq!((a.show("task", "t1"), a.show("task", "t2")), ("absent".to_owned(), "absent".to_owned()));
    client.carry(&mut [&mut a]);
    // B comes back, a little after A.
    b.wall = a.wall;
    client.carry(&mut [&mut a, &mut b]);
    let told = b.ask(Command::Sync);
    assert!(told.iter().any(|event| matches!(event, Event::Rebuilt { dropped: 1 })), "{told:?}");
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(a.picture(), b.picture());
    assert_eq!(a.show("task", "t2"), "absent");
    assert_eq!(a.show("task", "t4"), r#"{"title":"four"}"#);
    assert_eq!(a.conflicts(), ["task t1 title=\"b\""]);
    // From here on it is waited for again.
    a.delete("task", "t3");
    a.sync();
    client.carry(&mut [&mut a]);
    a.sync();
    assert_eq!(a.show("task", "t3"), "deleted");
    // What was kept can be brought back.
    let id = b.delta().conflicts().next().unwrap().id();
    b.ask(Command::Restore(id));
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(a.show("task", "t1"), r#"{"title":"b"}"#);
    assert!(a.conflicts().is_empty() && b.conflicts().is_empty());
}

#[test]
fn copies_of_files_and_directories_are_versions() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    // What a third replica wrote is there only under names of clients' making.
    let mut c = hardened("c");
    c.fs.disk = b.fs.disk.clone();
    c.fs.disk.files.retain(|path, _| path.root() == Root::Shared);
    c.put("task", "t1", r#"{"title":"c"}"#);
    c.put("task", "t5", r#"{"title":"five"}"#);
    c.sync();
    let id = c.delta().id().unwrap().to_string();
    let dir = Path::shared("replicas").join(&id);
    for (path, content) in c.shared() {
        let Some(name) = path.below(&dir) else { continue };
        let copy = match name {
            "entities/task_t1.json" => {
                format!("replicas/{}/entities/task_t1 (1).json", b.delta().id().unwrap())
            }
            name => format!("replicas/{id} 2/{name}"),
        };
        b.fs.disk.files.insert(Path::shared(&copy), content);
    }
    let report = b.sync();
    assert_eq!(report.received.len(), 2, "{report}");
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.to_string().ends_with("task_t1 (1).json: conflict-copy")),
        "{:?}",
        report.problems
    );
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(a.picture(), b.picture());
    assert_eq!(
        (a.show("task", "t1"), a.show("task", "t5")),
        (r#"{"title":"c"}"#.to_owned(), r#"{"title":"five"}"#.to_owned())
    );
}

#[test]
fn what_cannot_be_read_is_neither_gone_nor_empty() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    a.put("task", "t1", r#"{"title":"a"}"#);
    a.put("task", "t2", r#"{"title":"two"}"#);
    a.sync();
    let before = b.picture();
    let whole = a.shared();
    for cut in ["empty", "nul", "torn", "large", "later", "deep", "evicted", "gone"] {
        b.fs.disk.unreadable.clear();
        for (path, content) in &whole {
            // Its own files are not written over where a later program wrote them: it stops, and says so.
            if cut == "later" && path.name().starts_with("replicas/b-") {
                continue;
            }
            let text = String::from_utf8(content.bytes().to_vec()).unwrap();
            let bad = match cut {
                "empty" => Content::new([]),
                "nul" => Content::new(vec![0; content.len()]),
                "torn" => content.prefix(content.len() / 2),
                "large" => Content::new(vec![b' '; 50 << 20]),
                "later" => Content::from(seal(&text.replace("\"schema\":1", "\"schema\":2"))),
                "deep" => Content::from(seal(&text.replace(
                    "\"schema\":1",
                    &format!("\"schema\":1,\"x\":{}{}", "[".repeat(5_000), "]".repeat(5_000)),
                ))),
                _ => content.clone(),
            };
            b.fs.disk.files.insert(path.clone(), bad);
            if cut == "evicted" {
                b.fs.disk.unreadable.insert(path.clone(), FsError::NotLocal);
            }
            if cut == "gone" && path.name().contains("entities") {
                b.fs.disk.files.remove(path);
            }
        }
        let own = Path::shared("replicas").join(&b.delta().id().unwrap().0);
        b.fs.disk.unreadable.retain(|path, _| path.below(&own).is_none());
        let report = b.sync();
        assert!(report.waiting > 0 && report.sent.is_empty(), "{cut}: {report}");
        assert!(cut == "gone" || !report.problems.is_empty(), "{cut}");
        for problem in &report.problems {
            assert!(problem.file.starts_with("replicas/a-"), "{problem}");
        }
        assert_eq!(b.picture(), before, "{cut}");
    }
    b.fs.disk.unreadable.clear();
    b.fs.disk.files.extend(whole);
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(b.show("task", "t2"), r#"{"title":"two"}"#);
}

fn seal(text: &str) -> String {
    let body = text.rfind(",\n  \"check\"").map_or(text, |at| &text[..at]);
    cloudchamber_core::kit::own_file::seal(&format!("{body}\n}}"))
}

#[test]
fn nothing_is_written_into_a_folder_that_is_away() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    a.put("task", "t1", r#"{"title":"a"}"#);
    let whole = a.shared();
    a.fs.disk.files.retain(|path, _| path.root() == Root::Local);
    let told = a.ask(Command::Sync);
    assert!(matches!(&told[..], [Event::Refused(why)] if why.starts_with("the folder is away")), "{told:?}");
    assert!(a.shared().is_empty());
    a.fs.disk.unreadable.insert(Path::shared(""), FsError::Unavailable);
    assert!(matches!(&a.ask(Command::Sync)[..], [Event::Refused(_)]));
    a.fs.disk.unreadable.clear();
    a.fs.disk.files.extend(whole);
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(b.show("task", "t1"), r#"{"title":"a"}"#);
}

#[test]
fn a_dry_run_says_what_would_move_and_moves_nothing() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    a.put("task", "t1", r#"{"title":"a"}"#);
    a.put("project", "p1", r#"{"title":"p"}"#);
    b.put("task", "t1", r#"{"title":"b"}"#);
    a.sync();
    client.carry(&mut [&mut a, &mut b]);
    let before = b.fs.disk.clone();
    let told = b.ask(Command::DryRun);
    let [Event::DryRun { report, events: _ }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(report.to_string(), "1 project, 1 task received; 1 task sent; 1 conflict kept");
    assert!(before == b.fs.disk);
    assert_eq!(b.sync().to_string(), report.to_string());
}

#[test]
fn a_sync_of_ten_among_ten_thousand_touches_few_files() {
    for layout in [Layout::Split, Layout::SplitLite] {
        let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
        for site in [&mut a, &mut b] {
            site.config.design = Design::HARDENED.in_layout(layout);
        }
        let all = |title: &str, range: std::ops::Range<u32>| {
            range
                .map(|id| Change::put("task", &format!("t{id}"), &format!("{{\"title\":\"{title} {id}\"}}")))
                .collect::<Vec<_>>()
        };
        a.ask(Command::Change(all("first", 0..10_000)));
        converge(&mut client, &mut [&mut a, &mut b]);
        assert_eq!(b.delta().entities().count(), 10_000);
        a.ask(Command::Change(all("second", 500..510)));
        for site in [&mut a, &mut b] {
            (site.fs.opened, site.fs.written) = (0.into(), 0);
        }
        a.sync();
        client.carry(&mut [&mut a, &mut b]);
        assert_eq!(b.sync().to_string(), "10 tasks received");
        for (name, site, opened, written) in [("a", &a, 40, 25), ("b", &b, 40, 25)] {
            println!("{layout:?} {name}: {} opened, {} written", site.fs.opened.get(), site.fs.written);
            assert!(site.fs.opened.get() <= opened && site.fs.written <= written, "{name}");
        }
        converge(&mut client, &mut [&mut a, &mut b]);
        for site in [&mut a, &mut b] {
            site.crash();
            (site.fs.opened, site.fs.written) = (0.into(), 0);
            site.sync();
            println!("{layout:?} idle: {} opened, {} written", site.fs.opened.get(), site.fs.written);
            assert!(site.fs.opened.get() <= 3 * 2 && site.fs.written == 0);
        }
    }
}

#[test]
fn split_lite_makes_a_snapshot_of_its_deltas_now_and_then() {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    for site in [&mut a, &mut b] {
        site.config.design = Design::HARDENED.in_layout(Layout::SplitLite);
        site.config.deltas_max = 2;
    }
    let mut seen = Vec::new();
    for round in 0..6 {
        a.put("task", &format!("t{}", round % 3), &format!("{{\"n\":{round}}}"));
        a.sync();
        let own = a.names().into_iter().filter(|name| !name.contains("meta")).count();
        seen.push(own);
        client.carry(&mut [&mut a, &mut b]);
        b.sync();
    }
    // What a snapshot replaces goes two rounds later: then it is known that somebody has read the snapshot.
    assert_eq!(seen, [1, 2, 3, 4, 3, 4]);
    assert_eq!(a.picture(), b.picture());
    // Who comes later reads the snapshot; who changes the layout leaves nothing behind.
    let mut c = hardened("c");
    client.carry(&mut [&mut a, &mut b, &mut c]);
    c.sync();
    assert_eq!(c.picture(), a.picture());
    for layout in [Layout::Split, Layout::SplitLite] {
        a.crash();
        a.config.design = Design::HARDENED.in_layout(layout);
        a.put("task", "t9", &format!("{{\"layout\":\"{layout:?}\"}}"));
        converge(&mut client, &mut [&mut a, &mut b, &mut c]);
        assert_eq!(a.picture(), b.picture());
        assert_eq!(a.picture(), c.picture());
        let own = a.delta().id().unwrap().to_string();
        let names: Vec<_> = a.names().into_iter().filter(|name| name.contains(&own)).collect();
        let split = names.iter().filter(|name| name.contains("/entities/")).count();
        let lite = names.iter().filter(|name| name.contains("delta") || name.contains("data")).count();
        assert_eq!(
            (split > 0, lite > 0),
            (layout == Layout::Split, layout == Layout::SplitLite),
            "{names:?}"
        );
    }
}

#[test]
fn a_write_of_which_a_part_came_to_disk_shares_its_number_with_no_later_one() {
    let store = Path::local("delta/store.log");
    let mut a = hardened("a");
    a.put("task", "t1", r#"{"title":"first"}"#);
    a.sync();
    let before = a.fs.disk.files[&store].len();
    a.put("task", "t2", r#"{"title":"torn"}"#);
    let whole = a.fs.disk.files[&store].clone();
    for len in before..=whole.len() {
        let (mut a, mut b, mut client) = (resumed(&a), hardened("b"), Client::default());
        // The process died while it wrote, and what is there of it may be sent.
        a.fs.disk.files.insert(store.clone(), whole.prefix(len));
        converge(&mut client, &mut [&mut a, &mut b]);
        a.put("task", "t2", r#"{"title":"later"}"#);
        a.put("task", "t1", r#"{"title":"second"}"#);
        converge(&mut client, &mut [&mut a, &mut b]);
        assert_eq!(a.picture(), b.picture(), "{len}");
        assert_eq!(b.show("task", "t2"), r#"{"title":"later"}"#, "{len}");
        assert_eq!(b.show("task", "t1"), r#"{"title":"second"}"#, "{len}");
    }
}

/// The same replica after its machine started anew.
fn resumed(site: &Site) -> Site {
    let mut again = Site::new(site.config.clone());
    again.fs.disk = site.fs.disk.clone();
    again.wall = site.wall;
    again
}

#[test]
fn a_change_that_is_there_without_having_been_flushed_is_flushed_before_it_is_said_to_be_there() {
    let mut a = hardened("a");
    a.put("task", "t1", r#"{"title":"t"}"#);
    a.feed(Change::put("task", "t1", r#"{"title":"u"}"#));
    // The append is done, and its flush fails.
    a.settle(1);
    a.fail(FsError::Unavailable);
    assert_eq!(a.show("task", "t1"), r#"{"title":"u"}"#);
    a.fs.written = 0;
    assert!(matches!(&a.put("task", "t1", r#"{"title":"u"}"#)[..], [Event::Unchanged(_)]));
    assert_eq!(a.fs.written, 1, "the log is written anew");
    a.put("task", "t1", r#"{"title":"u"}"#);
    assert_eq!(a.fs.written, 1, "once");
}

#[test]
fn what_a_meta_file_lists_is_there_whenever_syncs_were_interrupted() {
    for (first, second) in (0..8).flat_map(|first| (0..8).map(move |second| (first, second))) {
        let mut config = Config::new(Design::HARDENED.in_layout(Layout::SplitLite), "a");
        config.deltas_max = 2;
        let mut a = Site::new(config);
        a.put("task", "t1", r#"{"title":"one"}"#);
        a.sync();
        a.put("task", "t1", r#"{"title":"two"}"#);
        for ops in [first, second] {
            a.feed(Command::Sync);
            a.settle(ops);
            a.crash();
        }
        a.sync();
        let dir = Path::shared("replicas").join(&a.delta().id().unwrap().0);
        let files = a.shared();
        let meta = String::from_utf8(files[&dir.join("meta.json")].bytes().to_vec()).unwrap();
        let listed: Vec<&str> =
            meta.split('"').filter(|text| text.starts_with("deltas/") || text.starts_with("data_")).collect();
        assert!(!listed.is_empty(), "{first} {second}");
        for name in listed {
            assert!(files.contains_key(&dir.join(name)), "{first} {second}: {name}");
        }
    }
}

/// The own files of `from` that are not entities or the meta file, by name.
fn parts(from: &mut Site) -> Vec<String> {
    let own = from.delta().id().unwrap().to_string();
    from.names().into_iter().filter(|name| name.contains(&own) && !name.contains("meta")).collect()
}

#[test]
fn what_a_snapshot_replaces_stays_until_somebody_has_read_the_snapshot() {
    let lite = |name: &str| {
        let mut config = Config::new(Design::HARDENED.in_layout(Layout::SplitLite), name);
        config.deltas_max = 1;
        Site::new(config)
    };
    let (mut a, mut b, mut c, mut client) = (lite("a"), lite("b"), hardened("c"), Client::default());
    for title in ["older", "old"] {
        a.put("task", "t1", &format!("{{\"title\":\"{title}\"}}"));
        converge(&mut client, &mut [&mut a, &mut b, &mut c]);
    }
    a.put("task", "t1", r#"{"title":"new"}"#);
    a.sync();
    client.carry(&mut [&mut a, &mut b, &mut c]);
    b.sync();
    let before = a.shared();
    // The client of `a` sends what was removed and the meta file, and its machine is gone before the snapshot is sent.
    a.put("task", "t2", r#"{"title":"lost with the machine"}"#);
    a.sync();
    let after = a.shared();
    for (path, content) in &after {
        if before.contains_key(path) {
            c.fs.disk.files.insert(path.clone(), content.clone());
        }
    }
    c.fs.disk.files.retain(|path, _| after.contains_key(path) || !before.contains_key(path));
    c.sync();
    assert_eq!(c.show("task", "t1"), r#"{"title":"new"}"#);
    // Once somebody has read it, what it replaces goes.
    client.carry(&mut [&mut a, &mut b]);
    b.sync();
    client.carry(&mut [&mut a, &mut b]);
    a.sync();
    assert_eq!(parts(&mut a).len(), 1);
}

#[test]
fn of_snapshots_that_nobody_reads_the_last_two_stay() {
    let mut config = Config::new(Design::HARDENED.in_layout(Layout::SplitLite), "a");
    config.deltas_max = 1;
    let (mut a, mut b, mut client) = (Site::new(config), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"first"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    let mut most = 0;
    for round in 0..20 {
        a.put("task", "t1", &format!("{{\"title\":{round}}}"));
        a.sync();
        most = most.max(parts(&mut a).len());
    }
    assert_eq!(most, 4, "a snapshot and the changes after it, twice");
    converge(&mut client, &mut [&mut a, &mut b]);
    a.sync();
    assert!(parts(&mut a).len() <= 2, "{:?}", parts(&mut a));
    assert_eq!(a.picture(), b.picture());
}
