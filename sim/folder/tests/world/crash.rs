//! What a power cut leaves. The states are those measured with ext4 (data=ordered) and xfs on kernel 6.18, cut
//! off by their shutdown ioctl without a flush of the log.

use std::collections::BTreeSet;

use cloudchamber_core::{Content, Draw, FsError, Path};
use cloudchamber_folder::profile::Arrival;
use cloudchamber_folder::world::{Choice, Loss, Part};
use proptest::prelude::*;

use crate::common::{A, B, Deed, Stage, rules};

fn append(name: &str, text: &str) -> Deed {
    Deed::Append { path: Path::shared(name), text: text.into() }
}

fn create(name: &str, text: &str) -> Deed {
    Deed::Create { path: Path::shared(name), text: text.into() }
}

fn flush(name: &str) -> Deed {
    Deed::Flush { path: Path::shared(name) }
}

fn overwrite(name: &str, text: &str) -> Deed {
    Deed::Overwrite { path: Path::shared(name), text: text.into() }
}

fn remove(name: &str) -> Deed {
    Deed::Remove { path: Path::shared(name) }
}

fn rename(from: &str, to: &str) -> Deed {
    Deed::Rename { from: Path::shared(from), to: Path::shared(to) }
}

fn replace(name: &str, text: &str) -> Deed {
    Deed::Replace { path: Path::shared(name), text: text.into() }
}

fn losses() -> impl Iterator<Item = Loss> {
    [Loss::Kept, Loss::Old, Loss::Empty, Loss::Nul].into_iter().chain((0..200).map(Loss::Mixed))
}

/// Every state that a power cut can leave `after_ms` after the deeds, in a folder where `f` said "old".
fn states(deeds: &[Deed], after_ms: u64) -> String {
    let mut stage = Stage::new(1, rules());
    stage.write(A, "f", "old");
    stage.ask(A, deeds).expect("nothing stands in the way");
    stage.pass(after_ms);
    let states: BTreeSet<String> = losses()
        .map(|loss| {
            let mut stage = stage.clone();
            stage.take(Choice::Crash { replica: A, torn_percent: 0, loss });
            let files = stage.shared_files(A);
            let files = files.iter().map(|(path, content)| match content.bytes() {
                [] => format!("{} empty", path.name()),
                bytes if bytes.iter().all(|&byte| byte == 0) => format!("{} NUL", path.name()),
                bytes => format!("{} {}", path.name(), String::from_utf8_lossy(bytes)),
            });
            format!("[{}]", files.collect::<Vec<_>>().join(", "))
        })
        .collect();
    states.into_iter().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_power_cut_leaves_what_was_measured() {
    let rows: &[(&str, &[Deed], &str)] = &[
        (
            "replace by a file that was not flushed",
            &[create("tmp", "new"), rename("tmp", "f")],
            "[f NUL] [f empty] [f n] [f ne] [f new] [f old]",
        ),
        (
            "replace by an appended file that was not flushed",
            &[append("tmp", "new"), rename("tmp", "f")],
            "[f NUL] [f empty] [f n] [f ne] [f new] [f old]",
        ),
        ("truncate and write", &[overwrite("f", "new")], "[f NUL] [f empty] [f n] [f ne] [f new] [f old]"),
        ("a new file", &[create("g", "new")], "[f old, g empty] [f old, g new] [f old]"),
        ("append", &[append("f", "+1")], "[f old+1] [f old+] [f old]"),
        ("remove", &[remove("f")], "[] [f old]"),
        (
            "flush the temporary file, rename, no flush of the directory",
            &[create("tmp", "new"), flush("tmp"), rename("tmp", "f")],
            "[f new] [f old, tmp new]",
        ),
        ("flush the temporary file, rename, flush the directory", &[replace("f", "new")], "[f new]"),
        ("append and flush", &[append("f", "+1"), flush("f")], "[f old+1]"),
        (
            "append, then create and flush another file that points to it",
            &[append("f", "+1"), create("pointer", "4"), flush("pointer")],
            "[f old+, pointer 4] [f old+1, pointer 4] [f old, pointer 4]",
        ),
        (
            "a new file in a new directory, flushed",
            &[create("d/e/g", "new"), flush("d/e/g")],
            "[d/e/g new, f old]",
        ),
        ("move, with bytes that are safe", &[rename("f", "g")], "[f old] [g old]"),
        ("append and move", &[append("f", "+1"), rename("f", "g")], "[f old] [g old+1] [g old+] [g old]"),
        ("move and append", &[rename("f", "g"), append("g", "+1")], "[f old] [g old+1] [g old+] [g old]"),
        ("move twice", &[rename("f", "g"), rename("g", "h")], "[f old] [h old]"),
        ("move, then flush under the new name", &[rename("f", "g"), flush("g")], "[g old]"),
        (
            "move, append and flush under the new name",
            &[rename("f", "g"), append("g", "+1"), flush("g")],
            "[g old+1]",
        ),
        (
            "replace twice through one temporary name",
            &[
                create("tmp", "1"),
                flush("tmp"),
                rename("tmp", "f"),
                create("tmp", "2"),
                flush("tmp"),
                rename("tmp", "f"),
            ],
            "[f 1, tmp 2] [f 2]",
        ),
    ];
    for (name, deeds, left) in rows {
        assert_eq!(&states(deeds, 0), left, "{name}");
        assert_eq!(&states(deeds, 49_999), left, "{name}, 50 s less 1 ms later");
        let [kept, after_a_minute] = [&states(deeds, 50_000), &states(deeds, 60_000)];
        assert_eq!(kept, after_a_minute, "{name}");
        assert!(!kept.contains("] ["), "{name}: after 50 s everything is on the disk, not one of {kept}");
        assert!(left.contains(kept.as_str()), "{name}");
    }
}

#[test]
fn a_rename_counts_from_the_earliest_change_of_what_it_ties() {
    let mut stage = Stage::new(1, rules());
    stage.write(A, "f", "old");
    stage.pass(100_000);
    stage.ask(A, &[append("f", "+")]).unwrap();
    stage.pass(30_000);
    stage.ask(A, &[rename("f", "g")]).unwrap();
    for (more_ms, safe) in [(19_999, false), (1, true)] {
        stage.pass(more_ms);
        for loss in losses() {
            let mut stage = stage.clone();
            stage.take(Choice::Crash { replica: A, torn_percent: 0, loss });
            assert_eq!(stage.shared_files(A).len(), 1, "{loss:?}: one name, not none and not two");
            assert!(!safe || stage.text(A, "g").as_deref() == Some("old+"), "{loss:?}");
        }
    }
}

#[test]
fn a_torn_op_leaves_a_part() {
    let torn = |deed: Deed, begun: bool, torn_percent: u8| {
        let mut stage = Stage::new(1, rules());
        stage.write(A, "f", "old");
        stage.take(Choice::Command { replica: A, command: vec![deed], draw: Draw::default() });
        if begun {
            stage.take(Choice::Apply { replica: A, part: Part::Begin, draw: Draw::default() });
        }
        stage.take(Choice::Crash { replica: A, torn_percent, loss: Loss::Kept });
        stage.text(A, "f").unwrap()
    };
    let ten = "0123456789";
    for (percent, left) in [(0, "old"), (30, "old012"), (99, "old012345678"), (100, "old0123456789")] {
        assert_eq!(torn(append("f", ten), false, percent), left);
    }
    for (begun, percent, left) in
        [(false, 0, "old"), (true, 0, ""), (false, 30, "012"), (true, 100, "0123456789")]
    {
        assert_eq!(torn(overwrite("f", ten), begun, percent), left);
    }
    assert_eq!(torn(replace("f", ten), false, 50), "old");
    assert_eq!(torn(create("g", ten), false, 50), "old");
    // What cannot be written cannot be torn.
    assert_eq!(torn(append("f/g", ten), false, 50), "old");
    assert_eq!(torn(overwrite("f/g", ten), false, 50), "old");
}

#[test]
fn a_process_that_dies_alone_loses_nothing() {
    let mut stage = Stage::new(1, rules());
    stage.ask(A, &[create("a", "1"), append("b", "2"), overwrite("c", "3"), rename("a", "d")]).unwrap();
    let before = stage.shared_files(A);
    stage.take(Choice::Crash { replica: A, torn_percent: 0, loss: Loss::Kept });
    assert_eq!(stage.shared_files(A), before);
}

#[test]
fn what_waits_to_be_sent_is_not_changed_by_a_crash() {
    let mut stage = Stage::new(1, rules());
    stage.write(A, "waiting", "text");
    stage.ask(A, &[append("torn", "text")]).unwrap();
    let torn = {
        let mut stage = stage.clone();
        let command = vec![append("torn", "0123456789")];
        stage.take(Choice::Command { replica: A, command, draw: Draw::default() });
        stage.take(Choice::Crash { replica: A, torn_percent: 50, loss: Loss::Kept }).touched
    };
    assert_eq!(torn, [Path::shared("torn")]);
    let lost = stage.clone().take(Choice::Crash { replica: A, torn_percent: 0, loss: Loss::Empty }).touched;
    assert_eq!(lost, [Path::shared("torn")], "only what was not flushed");
    let killed = stage.take(Choice::Crash { replica: A, torn_percent: 0, loss: Loss::Kept });
    assert!(killed.touched.is_empty(), "{:?}", killed.touched);
}

#[test]
fn a_client_sends_what_a_power_cut_brought_back() {
    let mut stage = Stage::new(2, rules());
    stage.write(A, "f", "old");
    stage.settle();
    stage.ask(A, &[append("f", "+1")]).unwrap();
    stage.settle();
    assert_eq!(stage.text(B, "f").as_deref(), Some("old+1"));
    let effects = stage.take(Choice::Crash { replica: A, torn_percent: 0, loss: Loss::Old });
    assert_eq!(effects.touched, [Path::shared("f")]);
    stage.settle();
    assert_eq!(stage.text(B, "f").as_deref(), Some("old"));
}

#[test]
fn what_a_client_brought_survives_a_power_cut() {
    let mut stage = Stage::new(2, rules());
    stage.ask(B, &[append("f", "mine")]).unwrap();
    stage.up(B, "f");
    stage.write(A, "g", "text");
    stage.up(A, "g");
    stage.down(B, "g");
    stage.down(A, "f");
    stage.write(A, "f", "theirs");
    stage.up(A, "f");
    stage.down(B, "f");
    for loss in losses() {
        let mut stage = stage.clone();
        stage.take(Choice::Crash { replica: B, torn_percent: 0, loss });
        assert_eq!(stage.text(B, "f").as_deref(), Some("theirs"), "{loss:?}");
        assert_eq!(stage.text(B, "g").as_deref(), Some("text"), "{loss:?}");
    }
}

#[test]
fn a_part_that_arrived_is_no_version() {
    let mut stage = Stage::new(2, rules());
    stage.write(A, "f", "0123456789");
    stage.up(A, "f");
    let states = [
        (Arrival::Prefix { percent: 50 }, Some("01234")),
        (Arrival::Empty, Some("")),
        (Arrival::Nul, Some("\0\0\0\0\0\0\0\0\0\0")),
        (Arrival::Gap, None),
        (Arrival::Stub, None),
        (Arrival::Whole, Some("0123456789")),
    ];
    for (arrival, text) in states {
        let mut stage = stage.clone();
        stage.arrive(B, "f", arrival);
        assert_eq!(stage.text(B, "f").as_deref(), text, "{arrival:?}");
        stage.settle();
        assert_eq!(stage.text(B, "f").as_deref(), Some("0123456789"), "{arrival:?}");
    }
}

#[test]
fn what_is_gathered_in_another_file_lies_beside_the_old_version_and_goes() {
    let mut stage = Stage::new(2, rules());
    stage.write(A, "f", "old");
    stage.settle();
    stage.write(A, "f", "0123456789");
    stage.up(A, "f");
    stage.arrive(B, "f", Arrival::Beside { percent: 50, stays: false });
    assert_eq!(stage.text(B, "f").as_deref(), Some("old"));
    assert_eq!(stage.text(B, ".syncthing.f.tmp").as_deref(), Some("01234"));
    stage.settle();
    assert_eq!(stage.text(B, "f").as_deref(), Some("0123456789"));
    assert_eq!(stage.text(B, ".syncthing.f.tmp"), None);
    assert_eq!(stage.text(A, ".syncthing.f.tmp"), None);
}

#[test]
fn a_client_that_was_killed_sends_what_it_had_gathered() {
    let mut stage = Stage::new(2, rules());
    stage.write(A, "f", "0123456789");
    stage.up(A, "f");
    stage.arrive(B, "f", Arrival::Beside { percent: 50, stays: true });
    stage.settle();
    for replica in [A, B] {
        assert_eq!(stage.text(replica, "f").as_deref(), Some("0123456789"));
        assert_eq!(stage.text(replica, ".syncthing.f.tmp").as_deref(), Some("01234"));
    }
}

#[test]
fn a_client_that_was_killed_sends_a_cut_file_over_the_whole_one() {
    let mut stage = Stage::new(2, rules());
    stage.write(A, "f", "0123456789");
    stage.up(A, "f");
    stage.arrive(B, "f", Arrival::Cut { percent: 50 });
    assert_eq!(stage.text(A, "f").as_deref(), Some("0123456789"));
    stage.settle();
    for replica in [A, B] {
        assert_eq!(stage.text(replica, "f").as_deref(), Some("01234"));
    }
}

/// Four logs that are appended to, flushed and moved about.
fn log_deed() -> impl Strategy<Value = (Deed, u64)> {
    let name = || prop::sample::select(vec!["p", "q", "r", "s", "d/t"]);
    let deed = prop_oneof![
        3 => name().prop_map(|at| append(at, "")),
        3 => name().prop_map(flush),
        3 => (name(), name()).prop_map(|(from, to)| rename(from, to)),
        1 => name().prop_map(|at| create(at, "")),
        1 => name().prop_map(remove),
    ];
    (deed, prop::sample::select(vec![0, 0, 1, 20_000, 60_000]))
}

/// A log as the test knows it: its records, and how many of its bytes must be on the disk.
#[derive(Clone, Debug)]
struct Log {
    bytes: Vec<u8>,
    flushed: usize,
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn flushed_bytes_are_under_one_name_after_any_power_cut(
        deeds in prop::collection::vec(log_deed(), 0..25),
        seeds in prop::collection::vec(any::<u64>(), 8),
    ) {
        let mut stage = Stage::new(1, rules());
        let mut logs: std::collections::BTreeMap<Path, Log> = Default::default();
        for (number, (deed, ms)) in deeds.into_iter().enumerate() {
            stage.pass(ms);
            // Every record is its own, so that no log can be taken for another.
            let record = format!("<{number}>");
            let deed = match deed {
                Deed::Append { path, .. } => Deed::Append { path, text: record.clone() },
                Deed::Create { path, .. } => Deed::Create { path, text: record.clone() },
                other => other,
            };
            let done = stage.ask(A, std::slice::from_ref(&deed));
            match (deed, done) {
                (Deed::Append { path, .. } | Deed::Create { path, .. }, Ok(())) => {
                    let log = logs.entry(path).or_insert(Log { bytes: vec![], flushed: 0 });
                    log.bytes.extend(record.bytes());
                }
                (Deed::Flush { path }, Ok(())) => {
                    let log = logs.get_mut(&path).unwrap();
                    log.flushed = log.bytes.len();
                }
                (Deed::Remove { path }, Ok(())) => drop(logs.remove(&path).unwrap()),
                (Deed::Rename { from, to }, Ok(())) => {
                    let log = logs.remove(&from).unwrap();
                    logs.insert(to, log);
                }
                (_, Ok(())) => unreachable!("no other deeds are drawn"),
                (_, Err(error)) => prop_assert!(matches!(error, FsError::Exists | FsError::NotFound)),
            }
        }
        let losses = [Loss::Old, Loss::Empty, Loss::Nul].into_iter().chain(seeds.into_iter().map(Loss::Mixed));
        for loss in losses {
            let mut stage = stage.clone();
            stage.take(Choice::Crash { replica: A, torn_percent: 0, loss });
            let left = stage.shared_files(A);
            for log in logs.values().filter(|log| log.flushed > 0) {
                let holds = |content: &Content| content.bytes().starts_with(&log.bytes[..log.flushed]);
                let places: Vec<_> = left.iter().filter(|(_, content)| holds(content)).collect();
                prop_assert_eq!(places.len(), 1, "{:?} after {:?} in {:?}", log, loss, left);
                prop_assert!(log.bytes.starts_with(places[0].1.bytes()), "no NUL bytes, nothing else's");
            }
        }
    }
}
