//! The published design: what it does, and each of its known faults that needs no simulated folder to be seen.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/replicas.rs"]
mod replicas;

use cloudchamber_core::delta::published::{Item, merge};
use cloudchamber_core::delta::{Change, Command, Config, Design, Event, Fields, Layout};
use cloudchamber_core::{Content, MemoryFs, Path, Root};
use replicas::{Client, Site};

fn published(name: &str) -> Site {
    Site::new(Config::new(Design::PUBLISHED, name))
}

/// Both sync and are carried, a few times.
fn exchange(client: &mut Client, sites: &mut [&mut Site]) {
    for _ in 0..4 {
        for at in 0..sites.len() {
            sites[at].sync();
            client.carry(sites);
        }
    }
}

fn both(layout: Layout) -> (Site, Site, Client) {
    let site = |name| Site::new(Config::new(Design::PUBLISHED.in_layout(layout), name));
    (site("a"), site("b"), Client::default())
}

#[test]
fn one_after_the_other_it_works() {
    for layout in [Layout::Split, Layout::SplitLite] {
        let (mut a, mut b, mut client) = both(layout);
        a.put("task", "t1", r#"{"title":"t","n":30000000000000000000001}"#);
        assert_eq!(a.sync().to_string(), "1 task sent");
        client.carry(&mut [&mut a, &mut b]);
        assert_eq!(b.sync().to_string(), "1 task received");
        b.put("task", "t1", r#"{"title":"b"}"#);
        exchange(&mut client, &mut [&mut a, &mut b]);
        assert_eq!(a.show("task", "t1"), r#"{"n":30000000000000000000001,"title":"b"}"#);
        a.delete("task", "t1");
        exchange(&mut client, &mut [&mut a, &mut b]);
        assert_eq!(b.show("task", "t1"), "deleted");
        let before = (a.fs.disk.clone(), a.fs.written);
        assert_eq!(a.sync().to_string(), "nothing to do");
        assert!(before == (a.fs.disk.clone(), a.fs.written));
    }
}

#[test]
fn files_are_those_of_the_plan() {
    let mut a = published("a");
    a.put("task", "t1", r#"{"title":"t","isDone":false}"#);
    a.sync();
    assert_eq!(a.names(), ["entities/task_t1.json", "meta.json"]);
    assert_eq!(
        a.fs.disk.text("shared:entities/task_t1.json"),
        format!(
            r#"{{"id":"t1","version":1,"lastModifiedAt":{},"lastModifiedBy":"a","isDone":false,"title":"t"}}"#,
            1_764_374_400_002_i64
        )
    );
    let meta = a.fs.disk.text("shared:meta.json");
    assert!(meta.contains("\"globalUpdateCount\": 1") && meta.contains("\"t1\": 1"), "{meta}");
}

#[test]
fn fields_of_two_versions_are_merged_against_the_base() {
    let (mut a, mut b, mut client) = both(Layout::Split);
    a.put("task", "t1", r#"{"title":"t","note":"n"}"#);
    exchange(&mut client, &mut [&mut a, &mut b]);
    a.put("task", "t1", r#"{"title":"a"}"#);
    a.sync();
    b.put("task", "t1", r#"{"note":"b"}"#);
    b.put("task", "t1", r#"{"x":1}"#);
    client.carry(&mut [&mut a, &mut b]);
    b.sync();
    assert_eq!(b.show("task", "t1"), r#"{"note":"b","title":"a","x":1}"#);
    assert_eq!(b.delta().get("task", "t1").unwrap().version, 4);
}

#[test]
fn the_loser_of_one_field_is_kept_where_it_lost() {
    let (mut a, mut b, mut client) = both(Layout::Split);
    a.put("task", "t1", r#"{"title":"t"}"#);
    exchange(&mut client, &mut [&mut a, &mut b]);
    a.put("task", "t1", r#"{"title":"a"}"#);
    a.sync();
    b.wall += 1_000;
    b.put("task", "t1", r#"{"title":"b","x":1}"#);
    b.put("task", "t1", r#"{"title":"bb"}"#);
    client.carry(&mut [&mut a, &mut b]);
    assert_eq!(b.sync().conflicts, 1);
    assert_eq!(b.conflicts(), ["task t1 title=\"a\""]);
    // It survives a restart, and can be restored.
    b.crash();
    let id = b.delta().conflicts().next().unwrap().id();
    b.ask(Command::Restore(id));
    assert_eq!((b.show("task", "t1"), b.conflicts().len()), (r#"{"title":"a","x":1}"#.to_owned(), 0));
}

#[test]
fn equal_versions_with_other_content_stay_so() {
    let (mut a, mut b, mut client) = both(Layout::Split);
    a.put("task", "t1", r#"{"title":"t"}"#);
    exchange(&mut client, &mut [&mut a, &mut b]);
    a.put("task", "t1", r#"{"title":"a"}"#);
    b.put("task", "t1", r#"{"title":"b"}"#);
    exchange(&mut client, &mut [&mut a, &mut b]);
    assert_ne!(a.show("task", "t1"), b.show("task", "t1"));
    assert!(a.conflicts().is_empty() && b.conflicts().is_empty());
}

#[test]
fn two_migrations_are_never_compared() {
    let (mut a, mut b, mut client) = both(Layout::Split);
    a.put("task", "t1", r#"{"title":"a"}"#);
    b.put("task", "t1", r#"{"title":"b"}"#);
    exchange(&mut client, &mut [&mut a, &mut b]);
    assert_ne!(a.show("task", "t1"), b.show("task", "t1"));
}

#[test]
fn a_meta_file_that_was_cut_is_no_remote_and_everything_is_uploaded() {
    let (mut a, mut b, mut client) = both(Layout::Split);
    a.put("task", "t1", r#"{"title":"t"}"#);
    exchange(&mut client, &mut [&mut a, &mut b]);
    b.put("task", "t1", r#"{"title":"b"}"#);
    b.put("task", "t1", r#"{"title":"bb"}"#);
    exchange(&mut client, &mut [&mut b]);
    client.carry(&mut [&mut a, &mut b]);
    let meta = Path::shared("meta.json");
    let whole = a.fs.disk.files[&meta].clone();
    a.fs.disk.files.insert(meta, whole.prefix(20));
    a.put("task", "t2", r#"{"title":"two"}"#);
    a.sync();
    // What B wrote is gone from the folder.
    assert!(a.fs.disk.text("shared:entities/task_t1.json").contains("\"title\":\"t\""));
}

#[test]
fn a_crash_between_entity_and_meta_loses_the_edit() {
    let (mut a, mut b, mut client) = both(Layout::Split);
    a.put("task", "t1", r#"{"title":"t"}"#);
    exchange(&mut client, &mut [&mut a, &mut b]);
    a.put("task", "t1", r#"{"title":"a"}"#);
    a.feed(Command::Sync);
    assert!(!a.settle(2), "the entity is there, the meta file is not");
    a.crash();
    client.carry(&mut [&mut a, &mut b]);
    b.put("task", "t1", r#"{"title":"b"}"#);
    b.sync();
    client.carry(&mut [&mut a, &mut b]);
    exchange(&mut client, &mut [&mut a, &mut b]);
    assert!(b.fs.disk.text("shared:entities/task_t1.json").contains("\"title\":\"b\""));
    assert!(!b.picture().join("").contains("\"a\"") && b.conflicts().is_empty());
}

#[test]
fn a_tombstone_that_expired_comes_back_with_who_was_away() {
    let (mut a, mut b, mut client) = both(Layout::Split);
    a.put("task", "t1", r#"{"title":"t"}"#);
    exchange(&mut client, &mut [&mut a, &mut b]);
    a.delete("task", "t1");
    a.sync();
    a.wall += 91 * 86_400_000;
    a.put("task", "t2", r#"{"title":"two"}"#);
    a.sync();
    assert_eq!(a.show("task", "t1"), "absent");
    client.carry(&mut [&mut a, &mut b]);
    b.wall = a.wall;
    exchange(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(a.show("task", "t1"), r#"{"title":"t"}"#);
}

#[test]
fn two_kinds_with_one_id_share_an_entry() {
    let (mut a, mut b, mut client) = both(Layout::Split);
    a.put("task", "t1", r#"{"title":"task"}"#);
    a.put("task", "t1", r#"{"title":"task 2"}"#);
    a.put("project", "t1", r#"{"title":"project"}"#);
    exchange(&mut client, &mut [&mut a, &mut b]);
    // The entry of the task is in the place of the project's: the version of one says nothing of the other.
    b.put("project", "t1", r#"{"title":"project 2"}"#);
    exchange(&mut client, &mut [&mut a, &mut b]);
    let same = ["task", "project"].map(|kind| a.show(kind, "t1") == b.show(kind, "t1"));
    assert_ne!(same, [true, true]);
}

#[test]
fn a_copy_that_a_client_made_is_not_read() {
    let (mut a, mut b, mut client) = both(Layout::Split);
    a.put("task", "t1", r#"{"title":"t"}"#);
    exchange(&mut client, &mut [&mut a, &mut b]);
    let copy = r#"{"id":"t1","version":9,"lastModifiedAt":9,"lastModifiedBy":"c","title":"copy"}"#;
    a.fs.disk.files.insert(Path::shared("entities/task_t1 2.json"), Content::from(copy));
    exchange(&mut client, &mut [&mut a, &mut b]);
    assert_eq!((a.show("task", "t1"), a.delta().all().count()), (r#"{"title":"t"}"#.to_owned(), 1));
}

fn item(version: u64, at: i64, by: &str, fields: &str) -> Item {
    Item { version, at, by: by.into(), deleted: false, fields: fields.parse::<Fields>().unwrap() }
}

#[test]
fn the_merge_is_not_associative() {
    let base = item(1, 0, "o", r#"{"title":"o"}"#);
    let a = item(2, 10, "a", r#"{"title":"a"}"#);
    let b = item(2, 20, "b", r#"{"title":"o","done":true}"#);
    let c = item(2, 15, "c", r#"{"title":"c"}"#);
    let merged = |one: &Item, two: &Item| merge(Some(&base), one, two, "x").0;
    let left = merged(&merged(&a, &b), &c);
    let right = merged(&merged(&a, &c), &b);
    assert_ne!(left.fields, right.fields);
}

#[test]
fn ties_swap_the_values() {
    let base = item(1, 0, "o", r#"{"title":"o"}"#);
    let (a, b) = (item(2, 10, "a", r#"{"title":"a"}"#), item(3, 10, "b", r#"{"title":"b"}"#));
    assert_ne!(merge(Some(&base), &a, &b, "a").0.fields, merge(Some(&base), &b, &a, "b").0.fields);
}

#[test]
fn without_a_base_both_sides_changed_everything() {
    let (a, b) =
        (item(2, 10, "a", r#"{"title":"y","note":"n"}"#), item(2, 20, "b", r#"{"title":"x","note":"m"}"#));
    let (merged, lost) = merge(None, &a, &b, "a");
    assert_eq!((merged.fields, lost.len()), (b.fields, 2));
}

#[test]
fn a_deletion_is_a_field_like_any_other() {
    let base = item(1, 0, "o", r#"{"title":"o"}"#);
    let deleted = Item { deleted: true, ..item(2, 10, "a", r#"{"title":"o"}"#) };
    let edited = item(3, 20, "b", r#"{"title":"b"}"#);
    let (merged, lost) = merge(Some(&base), &deleted, &edited, "a");
    assert!(merged.deleted && lost.is_empty());
    assert_eq!(merged.fields.get("title").unwrap().as_str(), "\"b\"");
}

#[test]
fn another_meta_file_in_the_meantime_is_seen_before_it_is_replaced() {
    let (mut a, mut b, mut client) = both(Layout::Split);
    a.put("task", "t1", r#"{"title":"t"}"#);
    exchange(&mut client, &mut [&mut a, &mut b]);
    b.put("task", "t2", r#"{"title":"two"}"#);
    b.sync();
    a.put("task", "t3", r#"{"title":"three"}"#);
    a.feed(Command::Sync);
    // B's files arrive after A has read the meta file, and before it writes it.
    for (path, content) in b.shared() {
        a.fs.disk.files.insert(path, content);
    }
    assert!(a.settle(usize::MAX));
    assert_eq!(a.show("task", "t2"), r#"{"title":"two"}"#);
    let meta = a.fs.disk.text("shared:meta.json");
    assert!(
        meta.contains("\"t2\": 1") && meta.contains("\"t3\": 1") && meta.contains("\"globalUpdateCount\": 3"),
        "{meta}"
    );
}

#[test]
fn a_delta_that_arrives_while_they_are_cleared_is_deleted_unread() {
    let (mut a, mut b, mut client) = both(Layout::SplitLite);
    a.config.deltas_max = 1;
    a.put("task", "t1", r#"{"title":"t"}"#);
    exchange(&mut client, &mut [&mut a, &mut b]);
    b.put("task", "t2", r#"{"title":"two"}"#);
    b.sync();
    a.put("task", "t3", r#"{"title":"three"}"#);
    a.feed(Command::Sync);
    while a.driver.as_ref().unwrap().pending_op().is_some_and(|op| op.path().name() != "data.json") {
        a.settle(1);
    }
    let deltas = b.shared().into_iter().filter(|(path, _)| path.name().starts_with("deltas/delta_b"));
    let arrived: MemoryFs = deltas.collect();
    assert!(arrived.of(Root::Shared).count() > 0);
    a.fs.disk.files.extend(arrived.files);
    assert!(a.settle(usize::MAX));
    assert!(!a.names().iter().any(|name| name.starts_with("deltas/")), "{:?}", a.names());
    assert!(!a.fs.disk.text("shared:data.json").contains("two"));
    assert_eq!(a.show("task", "t2"), "absent");
}

#[test]
fn a_dry_run_moves_nothing() {
    let (mut a, mut b, mut client) = both(Layout::Split);
    a.put("task", "t1", r#"{"title":"t"}"#);
    a.sync();
    client.carry(&mut [&mut a, &mut b]);
    b.put("tag", "x", r#"{"title":"x"}"#);
    let before = b.fs.disk.clone();
    let told = b.ask(Command::DryRun);
    assert!(
        matches!(&told[..], [Event::DryRun { report, .. }] if report.to_string() == "1 task received; 1 tag sent"),
        "{told:?}"
    );
    assert!(before == b.fs.disk);
    assert!(matches!(&b.ask(Change::put("tag", "x", r#"{"id":1}"#))[..], [Event::Refused(_)]));
}
