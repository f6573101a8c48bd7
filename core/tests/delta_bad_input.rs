//! Files that are not as they should be, and values as people and programs write them: what is wrong is named with the
//! way out, nothing is overwritten, and the next sync finishes.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/replicas.rs"]
mod replicas;

use std::collections::BTreeSet;

use cloudchamber_core::delta::{Change, Command, Config, Design, Event, Fields, Key, Layout, ProblemKind};
use cloudchamber_core::kit::own_file;
use cloudchamber_core::{Content, FsError, Path, Root};
use replicas::{Client, Site, converge};

fn hardened(name: &str) -> Site {
    Site::new(Config::new(Design::HARDENED, name))
}

fn text(content: &Content) -> String {
    String::from_utf8(content.bytes().to_vec()).unwrap()
}

/// What makes another text of a file's.
type Rewrite<'a> = &'a dyn Fn(&str) -> String;

/// The same text with a seal that fits.
fn sealed(text: &str) -> Content {
    let body = text.rfind(",\n  \"check\"").map_or(text, |at| &text[..at]);
    Content::from(own_file::seal(&format!("{body}\n}}")))
}

/// The same text with another value of a member.
fn with(text: &str, name: &str, value: &str) -> String {
    let start = text.find(&format!("\"{name}\":")).unwrap() + name.len() + 3;
    let end = start + text[start..].find([',', '\n']).unwrap();
    format!("{}{value}{}", &text[..start], &text[end..])
}

fn refusal(told: &[Event]) -> String {
    let why = told.iter().find_map(|event| match event {
        Event::Refused(why) => Some(why.clone()),
        _ => None,
    });
    why.unwrap_or_else(|| panic!("{told:?} refuses nothing"))
}

/// The first replica with one entity, which the second one knows too, and what the first one said since.
fn two() -> (Site, Site, Client) {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"title":"t"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    a.put("task", "t1", r#"{"title":"a"}"#);
    a.sync();
    (a, b, client)
}

fn entity_path(site: &mut Site, name: &str) -> Path {
    let id = site.delta().id().unwrap().clone();
    Path::shared("replicas").join(&id.0).join("entities").join(name)
}

fn meta_path(site: &mut Site) -> Path {
    let id = site.delta().id().unwrap().clone();
    Path::shared("replicas").join(&id.0).join("meta.json")
}

#[test]
fn what_an_entity_file_says_wrong_is_named_and_changes_nothing() {
    let bad: [(&str, Rewrite<'_>, ProblemKind, &str); 8] = [
        (
            "two ids",
            &|t| t.replace("\"id\":\"t1\"", "\"id\":\"t1\",\"id\":\"t2\""),
            ProblemKind::NotSound,
            "twice",
        ),
        (
            "one id twice",
            &|t| t.replace("\"id\":\"t1\"", "\"id\":\"t1\",\"id\":\"t1\""),
            ProblemKind::NotSound,
            "twice",
        ),
        ("no id", &|t| t.replace("\"id\":\"t1\"", "\"id\":\"\""), ProblemKind::NotSound, "`id`"),
        ("an id of another kind", &|t| t.replace("\"id\":\"t1\"", "\"id\":1"), ProblemKind::NotSound, "`id`"),
        ("no JSON", &|t| t.replace("\"kind\":", "\"kind\""), ProblemKind::NotSound, "no JSON"),
        ("no writes", &|t| t.replace("\"writes\":", "\"wrote\":"), ProblemKind::NotSound, "`writes`"),
        ("a dot of nobody", &|t| t.replace("\"dot\":\"2@", "\"dot\":\"@"), ProblemKind::NotSound, "`dot`"),
        (
            "a later format",
            &|t| t.replace("\"schema\":1", "\"schema\":9"),
            ProblemKind::LaterFormat,
            "format 9",
        ),
    ];
    for (what, change, kind, says) in bad {
        let (mut a, mut b, mut client) = two();
        let path = entity_path(&mut a, "task_t1.json");
        let whole = a.shared();
        let changed = change(&text(&whole[&path]));
        assert_ne!(changed, text(&whole[&path]), "{what}");
        b.fs.disk.files.extend(whole.clone());
        b.fs.disk.files.insert(path.clone(), sealed(&changed));
        let before = b.picture();
        let report = b.sync();
        assert_eq!(b.picture(), before, "{what}");
        let [problem] = &report.problems[..] else { panic!("{what}: {:?}", report.problems) };
        assert_eq!((&*problem.file, problem.kind), (path.name(), kind), "{what}");
        assert!(problem.to_string().contains(says), "{what}: {problem}");
        assert!(report.waiting > 0, "{what}");
        assert_eq!(b.shared()[&path], sealed(&changed), "{what}: it is not ours to write");
        b.fs.disk.files.extend(whole);
        converge(&mut client, &mut [&mut a, &mut b]);
        assert_eq!(b.show("task", "t1"), r#"{"title":"a"}"#, "{what}");
    }
}

#[test]
fn a_file_about_another_entity_is_taken_for_what_it_says_and_named() {
    let (mut a, mut b, mut client) = two();
    let (path, other) = (entity_path(&mut a, "task_t1.json"), entity_path(&mut a, "task_t9.json"));
    let content = a.shared()[&path].clone();
    // The same entity under two names: it is one.
    b.fs.disk.files.extend(a.shared());
    b.fs.disk.files.insert(other.clone(), content);
    let report = b.sync();
    let named: Vec<_> = report.problems.iter().map(|problem| (&*problem.file, problem.kind)).collect();
    assert_eq!(named, [(other.name(), ProblemKind::ForeignName)]);
    assert_eq!(b.picture(), ["task t1: {\"title\":\"a\"}"]);
    b.fs.disk.files.remove(&other);
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(a.picture(), b.picture());
}

#[test]
fn what_a_meta_file_says_wrong_delays_and_loses_nothing() {
    let bad: [(&str, Rewrite<'_>); 8] = [
        ("a later format", &|t| t.replace("\"schema\":1", "\"schema\":2")),
        ("no beat", &|t| t.replace("\"beat\":", "\"bear\":")),
        ("two heads", &|t| {
            t.replace("\"globalUpdateCount\":2", "\"globalUpdateCount\":2,\"globalUpdateCount\":1")
        }),
        ("more writes than there are", &|t| t.replace("\"globalUpdateCount\":2", "\"globalUpdateCount\":9")),
        ("fewer writes than there are", &|t| t.replace("\"globalUpdateCount\":2", "\"globalUpdateCount\":1")),
        ("the year 9999", &|t| with(t, "lastSyncTimestamp", "253402300799000")),
        ("another digest", &|t| with(t, "digest", "\"0123456789abcdef\"")),
        ("an entity that is not there", &|t| {
            t.replace("\"changes\":[", "\"changes\":[\n    [1,\"task\",\"t7\"],")
        }),
    ];
    for (what, change) in bad {
        for comes_late in [false, true] {
            let (mut a, mut b, mut client) = two();
            let path = meta_path(&mut a);
            let whole = a.shared();
            let changed = change(&text(&whole[&path]));
            assert_ne!(changed, text(&whole[&path]), "{what}");
            b.fs.disk.files.extend(whole.clone());
            b.fs.disk.files.insert(path.clone(), sealed(&changed));
            if comes_late {
                // The entities have not come yet.
                b.fs.disk.files.retain(|path, _| !path.name().contains("/entities/"));
            }
            b.sync();
            b.sync();
            b.fs.disk.files.extend(whole);
            a.put("task", "t2", r#"{"title":"two"}"#);
            converge(&mut client, &mut [&mut a, &mut b]);
            assert_eq!(b.picture(), ["task t1: {\"title\":\"a\"}", "task t2: {\"title\":\"two\"}"], "{what}");
            assert_eq!(a.picture(), b.picture(), "{what}");
        }
    }
}

#[test]
fn an_own_meta_file_of_a_later_format_is_not_written_over() {
    let (mut a, _, _) = two();
    let path = meta_path(&mut a);
    let later = sealed(&text(&a.shared()[&path]).replace("\"schema\":1", "\"schema\":2"));
    a.fs.disk.files.insert(path.clone(), later.clone());
    a.put("task", "t2", r#"{"title":"two"}"#);
    let why = refusal(&a.ask(Command::Sync));
    assert!(why.contains(path.name()) && why.contains("update the program"), "{why}");
    assert_eq!(a.shared()[&path], later);
    // Cut, empty or no JSON, it is one that was not written to its end, and its owner writes it anew.
    for bad in [Content::new([]), later.prefix(40), Content::from("{"), Content::new(vec![0; 300])] {
        a.fs.disk.files.insert(path.clone(), bad);
        a.sync();
        assert!(text(&a.shared()[&path]).contains("\"schema\":1"));
    }
}

#[test]
fn a_folder_that_vanishes_in_the_middle_of_a_sync_is_written_to_the_end_by_the_next_one() {
    for layout in [Layout::Split, Layout::SplitLite] {
        for ops in 0..12 {
            let mut a = Site::new(Config::new(Design::HARDENED.in_layout(layout), "a"));
            let (mut b, mut client) = (hardened("b"), Client::default());
            a.put("task", "t1", r#"{"title":"t"}"#);
            converge(&mut client, &mut [&mut a, &mut b]);
            a.put("task", "t1", r#"{"title":"a"}"#);
            a.put("task", "t2", r#"{"title":"two"}"#);
            a.feed(Command::Sync);
            if a.settle(ops) {
                continue;
            }
            let held = a.shared();
            a.fs.disk.files.retain(|path, _| path.root() == Root::Local);
            a.fs.disk.unreadable.insert(Path::shared(""), FsError::Unavailable);
            a.fail(FsError::Unavailable);
            a.settle(usize::MAX);
            let why = refusal(&a.ask(Command::Sync));
            assert!(why.starts_with("the folder is away"), "{why}");
            assert!(a.shared().is_empty(), "nothing is written to where the folder was");
            a.fs.disk.unreadable.clear();
            a.fs.disk.files.extend(held);
            converge(&mut client, &mut [&mut a, &mut b]);
            assert_eq!(b.picture(), ["task t1: {\"title\":\"a\"}", "task t2: {\"title\":\"two\"}"]);
        }
    }
}

#[test]
fn an_imported_file_of_two_ids_is_named_and_left_alone() {
    let mut a = hardened("a");
    for (name, content) in [
        ("entities/task_t1.json", r#"{"id":"t1","title":"one","id":"t2"}"#),
        ("entities/task_t2.json", r#"{"id":"t1","title":"two","id":"t2"}"#),
        ("entities/task_t3.json", r#"{"id":"t3","title":"old","title":"new"}"#),
    ] {
        a.fs.disk.files.insert(Path::shared(name), Content::from(content));
    }
    let before = a.shared();
    let told = a.ask(Command::Import);
    let problems = told.iter().find_map(|event| match event {
        Event::Imported { problems, .. } => Some(problems.clone()),
        _ => None,
    });
    let named: Vec<_> =
        problems.unwrap().into_iter().map(|problem| (problem.file.clone(), problem.kind)).collect();
    let wrong = |name: &str| (name.into(), ProblemKind::NotSound);
    assert_eq!(named, [wrong("entities/task_t1.json"), wrong("entities/task_t2.json")]);
    assert_eq!(a.picture(), ["task t3: {\"title\":\"new\"}"]);
    assert_eq!(a.shared(), before);
}

#[test]
fn an_older_log_under_a_newer_base_hears_again_of_what_it_lost() {
    let (mut a, mut b, mut client) = two();
    converge(&mut client, &mut [&mut a, &mut b]);
    let older = b.fs.disk.files[&Path::local("delta/store.log")].clone();
    a.put("task", "t1", r#"{"title":"later"}"#);
    a.put("task", "t2", r#"{"title":"two"}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    // Only the log comes back: what the last sync had come to says that all of this was read.
    b.crash();
    b.fs.disk.files.insert(Path::local("delta/store.log"), older);
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(b.picture(), ["task t1: {\"title\":\"later\"}", "task t2: {\"title\":\"two\"}"]);
    assert_eq!(a.picture(), b.picture());
}

/// Two replicas that each say something of one field before they hear of each other: what counts is one of both on both
/// sides, and whether the other one is a conflict.
fn parted(one: Option<&str>, two: Option<&str>) -> (String, usize) {
    let (mut a, mut b, mut client) = (hardened("a"), hardened("b"), Client::default());
    a.put("task", "t1", r#"{"f":"before","g":1}"#);
    converge(&mut client, &mut [&mut a, &mut b]);
    for (site, said) in [(&mut a, one), (&mut b, two)] {
        match said {
            Some(value) => drop(site.put("task", "t1", &format!("{{\"f\":{value}}}"))),
            None => {
                let (key, unset) = (Key::new("task", "t1"), BTreeSet::from(["f".into()]));
                drop(site.ask(Change::Put { key, set: Fields::default(), unset }));
            }
        }
    }
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(a.picture(), b.picture());
    let shown = a.delta().get("task", "t1").unwrap();
    assert_eq!(shown.fields.get("g").map(ToString::to_string).as_deref(), Some("1"));
    (shown.fields.get("f").map_or("absent".to_owned(), ToString::to_string), a.conflicts().len())
}

#[test]
fn values_are_the_same_or_not_by_what_they_are() {
    let same = [
        ("null", "null"),
        ("1", "1.0"),
        ("1", "1e0"),
        ("100", "1E+2"),
        ("0", "-0"),
        ("0", "0.000"),
        ("12345678901234567890123456789", "12345678901234567890123456789.0"),
        ("\"\\u00e9\"", "\"é\""),
        ("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}"),
        ("[1.0,2]", "[1, 2.0]"),
        ("1e400", "10e399"),
        ("\"\\/\"", "\"/\""),
    ];
    for (one, two) in same {
        let (_, conflicts) = parted(Some(one), Some(two));
        assert_eq!(conflicts, 0, "{one} and {two} are one value");
    }
    let other = [
        ("null", "false"),
        ("null", "\"\""),
        ("null", "0"),
        ("1", "\"1\""),
        ("1", "true"),
        ("[]", "{}"),
        ("[1,2]", "[2,1]"),
        ("12345678901234567890123456789", "12345678901234567890123456788"),
        ("9007199254740993", "9007199254740992"),
        ("0.1", "0.10000000000000001"),
        ("\"e\u{301}\"", "\"é\""),
        ("\"a\"", "\"A\""),
        ("\" a\"", "\"a\""),
        ("[\"a\"]", "[\"a\",\"b\"]"),
        ("\"\\ud800\"", "\"\\ud801\""),
        ("1e400", "1e401"),
    ];
    for (one, two) in other {
        let (shown, conflicts) = parted(Some(one), Some(two));
        assert_eq!(conflicts, 1, "{one} and {two} are two values, and {shown} counts");
    }
    for value in ["null", "0", "\"\"", "[]"] {
        let (shown, conflicts) = parted(Some(value), None);
        assert_eq!(conflicts, 1, "{value} is not absence: {shown}");
    }
    assert_eq!(parted(None, None), ("absent".to_owned(), 0));
}

#[test]
fn kinds_and_ids_are_told_apart_whatever_letters_they_have() {
    let long = "x".repeat(1_000);
    let keys = [
        ("task", "t1"),
        ("Task", "t1"),
        ("task", "T1"),
        ("tag", "t1"),
        ("task", "t1 "),
        ("task", "t1.json"),
        ("task", "t1 2"),
        ("task", "a/b"),
        ("task", "a\\b"),
        ("task", "a:b"),
        ("task_a", "b"),
        ("task", "a_b"),
        ("task", ".."),
        ("task", "."),
        ("task", "CON"),
        ("task", "nul"),
        ("task", "é"),
        ("task", "e\u{301}"),
        ("task", "\u{1f980}"),
        ("task", "a\nb"),
        ("task", "a\0b"),
        ("task", "*?<>|\""),
        ("task", long.as_str()),
        ("task", "meta"),
        ("..", "t1"),
        ("task", "t1~"),
        ("task", "ſ"),
        ("task", "s"),
        ("task", "İ"),
        ("task", "i"),
        ("task", "ß"),
        ("task", "ss"),
    ];
    for layout in [Layout::Split, Layout::SplitLite] {
        let mut a = Site::new(Config::new(Design::HARDENED.in_layout(layout), "a"));
        let (mut b, mut client) = (hardened("b"), Client::default());
        for (at, (kind, id)) in keys.iter().enumerate() {
            a.put(kind, id, &format!("{{\"n\":{at}}}"));
        }
        converge(&mut client, &mut [&mut a, &mut b]);
        for (at, (kind, id)) in keys.iter().enumerate() {
            assert_eq!(b.show(kind, id), format!("{{\"n\":{at}}}"), "{kind:?} {id:?}");
            b.put(kind, id, &format!("{{\"n\":{}}}", at + 1_000));
        }
        converge(&mut client, &mut [&mut a, &mut b]);
        for (at, (kind, id)) in keys.iter().enumerate() {
            assert_eq!(a.show(kind, id), format!("{{\"n\":{}}}", at + 1_000), "{kind:?} {id:?}");
        }
        // No name of a file leads anywhere else, and none is folded into another one.
        let names = b.names();
        let folded: BTreeSet<_> = names.iter().map(|name| name.to_lowercase()).collect();
        assert_eq!(folded.len(), names.len());
        assert!(names.iter().all(|name| name.starts_with("replicas/") && !name.contains("..//")));
    }
    let mut a = hardened("a");
    for (kind, id) in [("", "t1"), ("task", ""), ("task", "x".repeat(1_001).as_str())] {
        let why = refusal(&a.put(kind, id, "{}"));
        assert!(why.contains("1 to 1000 bytes"), "{why}");
    }
}

#[test]
fn after_a_deletion_a_put_begins_anew_and_a_restore_brings_back_what_was_lost() {
    for layout in [Layout::Split, Layout::SplitLite] {
        let mut a = Site::new(Config::new(Design::HARDENED.in_layout(layout), "a"));
        let (mut b, mut c, mut client) = (hardened("b"), hardened("c"), Client::default());
        a.put("task", "t1", r#"{"title":"t","note":"n"}"#);
        converge(&mut client, &mut [&mut a, &mut b, &mut c]);
        // One deletes and makes it anew, one edits meanwhile, and one is away for all of it.
        a.delete("task", "t1");
        a.put("task", "t1", r#"{"title":"again"}"#);
        b.put("task", "t1", r#"{"note":"edited"}"#);
        converge(&mut client, &mut [&mut a, &mut b]);
        assert_eq!(
            b.show("task", "t1"),
            r#"{"title":"again"}"#,
            "nothing of the old life is among the new one"
        );
        assert_eq!(b.conflicts(), ["task t1 note=\"edited\""]);
        let conflict = b.delta().conflicts().next().unwrap().id();
        b.ask(Command::Restore(conflict.clone()));
        converge(&mut client, &mut [&mut a, &mut b, &mut c]);
        for site in [&mut a, &mut b, &mut c] {
            let shown = site.show("task", "t1");
            assert!(shown.contains("\"note\":\"edited\""), "{shown}");
            assert!(
                site.conflicts().iter().all(|conflict| !conflict.contains("edited")),
                "{:?}",
                site.conflicts()
            );
        }
        assert!(refusal(&a.ask(Command::Restore(conflict))).contains("there is no conflict"));
        // Twice deleted, on two sides, and made anew on one of them.
        a.delete("task", "t1");
        b.delete("task", "t1");
        b.put("task", "t1", r#"{"title":"third"}"#);
        converge(&mut client, &mut [&mut a, &mut b, &mut c]);
        assert_eq!([a.show("task", "t1"), c.show("task", "t1")], [r#"{"title":"third"}"#; 2]);
    }
}
