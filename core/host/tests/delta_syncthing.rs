//! Two machines whose folders two real Syncthing instances copy.

use serde_json::{Value, json};
use support::syncthing::Pair;
use support::{command, json, ok};

mod support;

const NAMES: [&str; 2] = ["one", "two"];

#[test]
fn what_both_edit_while_parted_is_equal_afterwards_and_the_conflict_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut pair) = Pair::start(dir.path()) else { return };
    let folders = pair.folders.clone();
    let run = |at: usize, args: &[&str]| {
        let mut command = command("delta", &folders[at], &dir.path().join(NAMES[at]), args);
        let output = command.args(["--name", NAMES[at]]).output().unwrap();
        ok(&output);
        output
    };
    let shows = |at: usize| {
        let list = json(&run(at, &["list", "--json"]))["entities"].clone();
        (list, json(&run(at, &["conflicts", "--json"]))["conflicts"].clone())
    };
    // Each syncs, Syncthing carries it, and each takes in what came.
    let exchange = |pair: &Pair| {
        for _ in 0..2 {
            for at in [0, 1] {
                run(at, &["sync"]);
            }
            pair.settle();
        }
        for at in [0, 1] {
            run(at, &["sync"]);
        }
    };
    for id in ["t1", "t2", "t3"] {
        run(0, &["put", "task", id, "title=first", "note=n"]);
    }
    exchange(&pair);
    assert_eq!(shows(0), shows(1));
    assert_eq!(shows(1).0.as_array().unwrap().len(), 3);

    pair.part();
    run(0, &["put", "task", "t1", "title=of one"]);
    run(1, &["put", "task", "t1", "title=of two", "done:=true"]);
    run(0, &["delete", "task", "t2"]);
    run(1, &["put", "project", "t1", "name=made while parted"]);
    run(0, &["put", "task", "t3", "title=by one"]);
    run(1, &["put", "task", "t3", "note=by two"]);
    for at in [0, 1] {
        run(at, &["sync"]);
    }
    assert_ne!(shows(0), shows(1));

    pair.join();
    exchange(&pair);
    let (entities, conflicts) = shows(0);
    assert_eq!((&entities, &conflicts), (&shows(1).0, &shows(1).1));
    let fields: Vec<&Value> = entities.as_array().unwrap().iter().map(|entity| &entity["fields"]).collect();
    assert_eq!(fields[0], &json!({ "name": "made while parted" }));
    let titles = [fields[1]["title"].as_str(), conflicts[0]["set"]["title"].as_str()].map(Option::unwrap);
    assert!(titles == ["of one", "of two"] || titles == ["of two", "of one"], "{titles:?}");
    assert_eq!((&fields[1]["done"], conflicts.as_array().unwrap().len()), (&true.into(), 1));
    assert_eq!(fields[2], &json!({ "title": "by one", "note": "by two" }));
    assert_eq!(fields.len(), 3, "what was deleted is gone on both");

    pair.restart();
    exchange(&pair);
    assert_eq!(shows(0), (entities, conflicts));
    assert_eq!(shows(0), shows(1));
}
