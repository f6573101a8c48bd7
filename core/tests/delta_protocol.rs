//! Replicas of a delta folder in memory: what they tell, what they write, and what they make of what arrives.

#[path = "support/replicas.rs"]
mod replicas;

use cloudchamber_core::delta::{Change, Command, Config, Design, Event};
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
