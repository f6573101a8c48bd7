//! Two real Syncthing instances between two instances of the notes.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::path::Path;

use serde_json::Value;
use support::syncthing::Pair;
use support::{json, ok, run_group};

mod support;

/// What a machine shows of all notes: state and text by id.
fn shown(folder: &Path, local: &Path) -> Vec<(String, String, String)> {
    let listed = json(&run_group("notes", folder, local, &["list", "--all", "--json"]));
    let text = |note: &Value, key: &str| note[key].as_str().unwrap_or("?").to_owned();
    let rows = listed["notes"].as_array().unwrap().iter();
    let mut rows: Vec<_> =
        rows.map(|note| (text(note, "note"), text(note, "state"), text(note, "text"))).collect();
    rows.sort();
    rows
}

#[test]
fn both_type_while_disconnected_and_a_deleted_note_stays_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut pair) = Pair::start(dir.path()) else { return };
    let locals = ["a", "b"].map(|name| dir.path().join("local").join(name));
    let notes = |at: usize, args: &[&str]| ok(&run_group("notes", &pair.folders[at], &locals[at], args));
    for id in ["shared-note", "doomed-note"] {
        notes(0, &["new", "--id", id, "Begun together"]);
    }
    pair.settle();
    assert_eq!(notes(1, &["sync"]).trim(), "2 notes received");
    pair.part();
    for n in 0..5 {
        notes(0, &["edit", "shared-note", "--append", &format!("\nfrom a {n}")]);
        notes(1, &["edit", "shared-note", "--append", &format!("\nfrom b {n}")]);
    }
    notes(0, &["edit", "doomed-note", "--append", "\nstill typing here"]);
    notes(1, &["delete", "--for-good", "doomed-note"]);
    notes(0, &["new", "--id", "new-on-a", "A"]);
    notes(1, &["new", "--id", "new-on-b", "B"]);
    pair.join();
    pair.settle();
    // Whoever learns of the deletion passes it on, which travels in its turn.
    for at in [0, 1] {
        notes(at, &["sync"]);
    }
    pair.settle();
    let expect = |pair: &Pair| {
        let both = [0, 1].map(|at| shown(&pair.folders[at], &locals[at]));
        assert_eq!(both[0], both[1]);
        let of = |id: &str| both[0].iter().find(|(note, ..)| note == id).unwrap();
        let text = &of("shared-note").2;
        for n in 0..5 {
            assert!(text.contains(&format!("from a {n}")) && text.contains(&format!("from b {n}")), "{text}");
        }
        assert_eq!((&*of("doomed-note").1, &*of("doomed-note").2), ("deleted", ""));
        assert_eq!((&*of("new-on-a").2, &*of("new-on-b").2), ("A", "B"));
    };
    expect(&pair);
    pair.restart();
    let notes = |at: usize, args: &[&str]| ok(&run_group("notes", &pair.folders[at], &locals[at], args));
    for at in [0, 1] {
        notes(at, &["sync"]);
    }
    pair.settle();
    expect(&pair);
    for at in [0, 1] {
        let verified = run_group("notes", &pair.folders[at], &locals[at], &["verify", "--json"]);
        assert_eq!(
            json(&verified)["problems"],
            Value::Array(vec![]),
            "one writer a file: no conflict copies"
        );
    }
}
