//! Rows that upstream's programs answered, where the rule is the same, and the fixtures of its migration
//! (`data/super-productivity`). Every difference is named and counted.

#![allow(clippy::unwrap_used, reason = "what is not there fails the test")]

#[path = "support/replicas.rs"]
mod replicas;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use cloudchamber_core::delta::merge::join;
use cloudchamber_core::delta::vector::Causality;
use cloudchamber_core::delta::{Command, Config, Design, Dot, Entity, Event, Key, ReplicaId, Vector};
use cloudchamber_core::kit::hlc::Hybrid;
use cloudchamber_core::kit::json::{Json, Node};
use replicas::{Client, Site, converge};

#[allow(clippy::disallowed_methods, reason = "test data are real files")]
fn bytes(name: &str) -> Vec<u8> {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/super-productivity").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn rows(name: &str) -> Node {
    Node::parse(&bytes(name)).unwrap_or_else(|flaw| panic!("{name}: {flaw}"))
}

/// A clock, and whether it names a replica with the count 0.
fn clock(node: &Node) -> (Vector, bool) {
    let entries = node
        .object()
        .unwrap()
        .iter()
        .map(|(id, count)| (ReplicaId::from(id.as_str()), count.count().unwrap()));
    let entries: Vec<_> = entries.collect();
    let zero = entries.iter().any(|(_, count)| *count == 0);
    (entries.into_iter().collect(), zero)
}

#[test]
fn vectors_compare_and_merge_as_upstream_has_it() {
    let (mut zeros, mut empty) = (0, 0);
    let rows = rows("vector-clock-compare-merge.json");
    for row in rows.list().unwrap() {
        let [(a, zero_a), (b, zero_b), (merged, _)] =
            ["a", "b", "merge"].map(|key| clock(row.get(key).unwrap()));
        let compared = match a.compare(&b) {
            Causality::Concurrent => "CONCURRENT",
            Causality::Equal => "EQUAL",
            Causality::Greater => "GREATER_THAN",
            Causality::Less => "LESS_THAN",
        };
        let wanted = row.get("compare").unwrap().text().unwrap();
        // Upstream: two clocks without any entry are concurrent, as nothing is known of either. Here a vector that has
        // seen nothing equals another that has seen nothing: an entity without writes is nobody's.
        if a.is_empty() && b.is_empty() && wanted == "CONCURRENT" {
            empty += 1;
        } else {
            assert_eq!(compared, wanted, "{row:?}");
        }
        // Upstream keeps entries with the count 0 apart from missing ones in a merge; here both are missing.
        zeros += usize::from(zero_a || zero_b);
        let mut joined = a.clone();
        joined.join(&b);
        assert_eq!(joined, merged, "{row:?}");
    }
    assert_eq!((rows.list().unwrap().len(), zeros > 0), (750, true));
    println!("{empty} rows of two empty clocks differ, {zeros} rows have zeros");
}

#[test]
fn a_vector_is_limited_as_upstream_has_it() {
    let rows = rows("vector-clock-limit20.json");
    let size = usize::try_from(rows.get("MAX_VECTOR_CLOCK_SIZE").unwrap().count().unwrap()).unwrap();
    let mut shortened = 0;
    for row in rows.get("cases").and_then(Node::list).unwrap() {
        let kept = row
            .get("preserve")
            .and_then(Node::list)
            .unwrap()
            .iter()
            .map(|id| ReplicaId::from(id.text().unwrap()));
        let (full, _) = clock(row.get("clock").unwrap());
        let limited = full.limited(size, &kept.collect::<Vec<_>>());
        assert_eq!(limited, clock(row.get("limited").unwrap()).0, "{row:?}");
        shortened += usize::from(limited != full);
    }
    assert!(shortened > 100, "{shortened}");
}

/// What one side of a row did to an entity that both knew.
struct Side {
    entity: Entity,
    archives: bool,
    deletes: bool,
    delete_wins: bool,
}

fn side(ops: &Node, known: &Entity, name: &str) -> Side {
    let mut side = Side { entity: known.clone(), archives: false, deletes: false, delete_wins: false };
    let mut latest = 0;
    for (count, op) in (1..).zip(ops.list().unwrap()) {
        let [client, kind, action, at] = op.list().unwrap() else { panic!("{op:?}") };
        // Upstream decides by the latest time of a side's operations.
        latest = latest.max(at.int().unwrap());
        let dot = Dot { replica: ReplicaId::from(client.text().unwrap()), count };
        let stamp = Hybrid { ms: latest, count: 0 };
        side.archives |= action.text().unwrap().contains("archive");
        side.deletes |= kind.text() == Some("DEL");
        if side.delete_wins {
            // Upstream takes a side with such an operation for a deletion, whatever comes after it; here a put after a
            // deletion begins a new life.
            continue;
        }
        if action.text().unwrap().contains("delete-wins") {
            side.delete_wins = true;
            side.entity.delete(&dot, stamp);
        } else {
            let set = BTreeMap::from([(Arc::from("winner"), Json::text(&format!("{name} {count}")))]);
            side.entity.put(&dot, stamp, &set, &BTreeSet::new());
        }
    }
    side
}

#[test]
fn the_last_writer_wins_as_upstream_has_it() {
    let key = Key::new("task", "t");
    let mut known = Entity::default();
    let base = Dot { replica: ReplicaId::from("base"), count: 1 };
    known.put(
        &base,
        Hybrid::default(),
        &BTreeMap::from([(Arc::from("winner"), Json::text("nobody"))]),
        &BTreeSet::new(),
    );
    let (mut same, mut archives, mut deletions) = (0, 0, 0);
    let rows = rows("lww-plan.json");
    for row in rows.list().unwrap() {
        let [local, remote, winner, reason] = row.list().unwrap() else { panic!("{row:?}") };
        let (mine, theirs) = (side(local, &known, "local"), side(remote, &known, "remote"));
        if mine.archives || theirs.archives || reason.text().unwrap().contains("archive") {
            // Upstream has an operation that archives, and it wins whatever else happened, also for the other
            // entities of its operation. There is none here.
            archives += 1;
            continue;
        }
        let joined = join(&mine.entity, &theirs.entity);
        assert_eq!(joined, join(&theirs.entity, &mine.entity), "{row:?}");
        let shown = joined.shown(&key);
        if mine.delete_wins || theirs.delete_wins {
            // A deletion that is marked so wins upstream too. Where the other side wins it has deleted as well.
            assert!(shown.deleted, "{row:?}");
            deletions += 1;
            continue;
        }
        // A plain deletion is an operation like any other upstream: by its time it wins or loses. Here it is not used:
        // each one wins, as the marked ones do.
        let value = shown.fields.get("winner").unwrap().to_string();
        assert!(value.contains(winner.text().unwrap()), "{value}: {row:?}");
        let lost = joined.conflicts(&key);
        assert_eq!(lost.len(), 1, "the other is kept: {lost:?}");
        same += 1;
    }
    assert_eq!(same + archives + deletions, rows.list().unwrap().len());
    assert!(same > 150 && deletions > 40, "{same} {archives} {deletions}");
}

#[test]
fn migrations_that_collide_keep_both_contents() {
    let names = ["legacy-migration-collision-a.json", "legacy-migration-collision-b.json"];
    let texts = names.map(|name| String::from_utf8(bytes(name)).unwrap());
    // Each on a replica of its own, and both on one.
    let (mut a, mut b, mut client) = (site("a"), site("b"), Client::default());
    import(&mut a, &texts[0]);
    import(&mut b, &texts[1]);
    converge(&mut client, &mut [&mut a, &mut b]);
    assert_eq!(a.picture(), b.picture());
    let mut one = site("c");
    import(&mut one, &texts[0]);
    import(&mut one, &texts[1]);
    for site in [&mut a, &mut one] {
        let all = site.picture().join("\n");
        for (name, text) in names.iter().zip(&texts) {
            let node = Node::parse(text.as_bytes()).unwrap();
            let data = node.get("data").and_then(Node::object).unwrap();
            for (kind, model) in data {
                for (id, entity) in model.get("entities").and_then(Node::object).into_iter().flatten() {
                    let shown = site.delta().get(kind, id).unwrap_or_else(|| panic!("{name}: {kind} {id}"));
                    let lost: Vec<_> = site
                        .delta()
                        .conflicts()
                        .filter(|conflict| *conflict.key.kind == **kind && *conflict.key.id == **id)
                        .collect();
                    for (field, value) in entity.object().unwrap().iter().filter(|(field, _)| *field != "id")
                    {
                        let value = value.json();
                        let counts = shown.fields.get(field) == Some(&value);
                        let kept = lost
                            .iter()
                            .any(|lost| lost.fields.get(field.as_str()) == Some(&Some(value.clone())));
                        assert!(counts || kept, "{name}: {kind} {id} {field}: {value} is lost");
                    }
                }
            }
        }
        assert!(all.contains("Version A") && all.contains("Version B"), "{all}");
        assert!(site.conflicts().len() >= 2);
    }
    // Importing again is no change.
    let told = one.ask(Command::ImportState(texts[0].clone()));
    assert!(matches!(&told[..], [Event::Imported { new: 0, .. }]), "{told:?}");
}

fn site(name: &str) -> Site {
    Site::new(Config::new(Design::HARDENED, name))
}

fn import(site: &mut Site, text: &str) {
    let told = site.ask(Command::ImportState(text.to_owned()));
    assert!(
        matches!(&told[..], [Event::Imported { found, new, .. }] if found >= new && *new > 0),
        "{told:?}"
    );
}
