//! Folders as people have reported them: what an instance of the hardened design says of each.
//!
//! `core/tests/data/notes-cases/SOURCE` says where they come from.

#![expect(clippy::unwrap_used, reason = "a test stops where its data is not what it says")]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cloudchamber_core::notes::crdt_log::{LogFile, LogHeader, LogTail};
use cloudchamber_core::notes::{Change, Command, Event, Kind};
use cloudchamber_core::{Content, Design, Path};
use notes_support::{Replica, carry};
use serde_json::Value;

mod notes_support;

static EXPECTED: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("data/notes-cases/expected.json")).unwrap());
static TABLES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("data/notes-cases/tables.json")).unwrap());
static FILES: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| {
    let all: Value = serde_json::from_str(include_str!("data/notes-cases/files.json")).unwrap();
    let hex = |text: &str| {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    };
    let files = all["files"].as_object().unwrap();
    files.iter().map(|(name, text)| (name.clone(), hex(text.as_str().unwrap()))).collect()
});

const NOTE: &str = "noteNNNNNNNNNNNNNNNNNN";

/// An instance that finds the folder of a case, or a part of it.
fn finds(case: &str, which: impl Fn(&str) -> bool) -> Replica {
    let mut replica = Replica::new(Design::Hardened, Kind::Yjs, "instzzzzzzzzzzzzzzzzzz");
    put(&mut replica, case, which);
    replica.start();
    replica
}

fn put(replica: &mut Replica, case: &str, which: impl Fn(&str) -> bool) {
    let root = format!("{case}/folder/");
    for (name, bytes) in FILES.iter() {
        if let Some(name) = name.strip_prefix(&root).filter(|name| which(name)) {
            replica.put(&format!("shared:{name}"), bytes.clone());
        }
    }
}

fn problems(replica: &Replica) -> String {
    let problems = replica.notes().problems(&replica.config);
    problems.iter().map(|problem| format!("{problem}\n")).collect()
}

fn list(value: &Value) -> Vec<&str> {
    value.as_array().map(|all| all.iter().map(|one| one.as_str().unwrap()).collect()).unwrap_or_default()
}

/// Checks what is expected of one note.
fn check_note(replica: &Replica, case: &str, id: &str, expected: &Value) {
    let note = replica.notes().note(&replica.config, id);
    let state = note.as_ref().map_or("not-yet", |note| note.state.text());
    assert_eq!(state, expected["state"].as_str().unwrap(), "{case}: {id}: {}", problems(replica));
    let text = replica.text(id).unwrap_or_default();
    if let Some(expected) = expected["text"].as_str() {
        assert_eq!(text, expected, "{case}: {id}");
    }
    for part in list(&expected["contains"]) {
        assert!(text.contains(part), "{case}: {id}: {text:?} lacks {part:?}: {}", problems(replica));
    }
    for part in list(&expected["not_contains"]) {
        assert!(!text.contains(part), "{case}: {id}: {text:?} has {part:?}");
    }
    let one_of = list(&expected["one_of"]);
    assert!(one_of.is_empty() || one_of.contains(&&*text), "{case}: {id}: {text:?}");
    if expected["say_incomplete"].as_bool() == Some(true) {
        assert!(note.unwrap().is_incomplete, "{case}: {id}");
    }
    if expected["not_text"].is_string() {
        assert_eq!(replica.text(id), None, "{case}: {id}");
    }
}

fn check_case(replica: &Replica, case: &str, expected: &Value) {
    for (id, expected) in expected["notes"].as_object().unwrap() {
        check_note(replica, case, id, expected);
    }
    for (id, states) in expected["notes_either"].as_object().into_iter().flatten() {
        let state = replica.notes().note(&replica.config, id).map_or("not-yet", |note| note.state.text());
        assert!(list(states).contains(&state), "{case}: {id} is {state}");
    }
    for (instance, up_to) in expected["contiguous"].as_object().into_iter().flatten() {
        let note = replica.notes().note(&replica.config, NOTE).unwrap();
        assert_eq!(Some(note.numbers[instance].contiguous()), up_to.as_u64(), "{case}");
    }
    let told = problems(replica);
    for name in list(&expected["verify_names"]) {
        let named = match name {
            "lines 3, 4, 7 and 8" => [":3:", ":4:", ":7:", ":8:"].iter().all(|line| told.contains(line)),
            "the glued line" => told.contains(".log:2:"),
            "either client 7, or both log files" => told.contains("client 7"),
            name => told.contains(name),
        };
        assert!(named, "{case}: {name} is not named in {told}");
    }
}

/// An instance that has its own files there too changes nothing of others'.
fn unchanged(replica: &Replica, case: &str) {
    let root = format!("{case}/folder/");
    for (name, bytes) in FILES.iter() {
        if let Some(name) = name.strip_prefix(&root) {
            let path = Path::shared(name);
            assert_eq!(replica.fs.files.get(&path), Some(&Content::new(bytes.clone())), "{case}: {name}");
        }
    }
}

#[test]
fn every_folder_is_told_as_it_should_be() {
    let cases = EXPECTED.as_object().unwrap();
    assert!(cases.len() > 35, "{}", cases.len());
    for (case, expected) in cases {
        let mut replica = finds(case, |_| true);
        check_case(&replica, case, expected);
        unchanged(&replica, case);
        replica.pass(700_000);
        check_case(&replica, case, expected);
        replica.start();
        check_case(&replica, case, expected);
        unchanged(&replica, case);
    }
}

#[test]
fn the_order_in_which_files_come_makes_no_difference() {
    for (case, expected) in EXPECTED.as_object().unwrap() {
        let names: Vec<_> =
            FILES.keys().filter(|name| name.starts_with(&format!("{case}/folder/"))).collect();
        let whole = finds(case, |_| true);
        for last in &names {
            let mut replica = finds(case, |name| !last.ends_with(&format!("/folder/{name}")));
            put(&mut replica, case, |_| true);
            replica.pass(replica.config.timing.list_ms + 1_000);
            check_case(&replica, case, expected);
            for id in expected["notes"].as_object().unwrap().keys() {
                assert_eq!(replica.text(id), whole.text(id), "{case}: {id}, {last} came late");
            }
        }
    }
}

#[test]
fn of_a_log_that_is_cut_exactly_the_complete_records_count() {
    let table = &TABLES["n01-torn-at-every-byte"];
    let whole = &FILES["n01-torn-at-every-byte/full.crdtlog"];
    let path = format!("shared:{}", table["file"].as_str().unwrap());
    let rows = table["rows"].as_array().unwrap();
    assert!(rows.len() > 500);
    for (count, row) in rows.iter().enumerate() {
        let number = |key: &str| row[key].as_u64().unwrap();
        let cut = usize::try_from(number("cut")).unwrap();
        let file = LogFile::read(&whole[..cut]);
        assert_eq!(file.header == LogHeader::Whole, row["header"].as_bool().unwrap(), "{row}");
        assert_eq!(
            (file.records.len() as u64, file.good_end),
            (number("records"), number("good_end")),
            "{row}"
        );
        assert_eq!(
            file.header == LogHeader::Whole && file.tail == LogTail::Open,
            row["whole"].as_bool().unwrap()
        );
        // Documents of all rows would take long and show no more.
        if count % 10 == 0 || cut < 130 {
            let mut replica = Replica::new(Design::Hardened, Kind::Yjs, "instzzzzzzzzzzzzzzzzzz");
            replica.put(&path, whole[..cut].to_vec());
            replica.start();
            let text = replica.text(NOTE).filter(|text| !text.is_empty());
            let begins = text.as_ref().map(|text| text.chars().take(20).collect::<String>());
            let expected = row["text_first_20"].as_str().filter(|text| !text.is_empty());
            assert_eq!(begins.as_deref(), expected, "{row}");
            let len = row["text_length"].as_u64().filter(|len| *len > 0);
            assert_eq!(text.map(|text| text.encode_utf16().count() as u64), len, "{row}");
        }
    }
}

#[test]
fn numbers_that_overflow_or_never_end_hide_nothing_before_them() {
    let table = &TABLES["n02-leb128"];
    let path = format!("shared:{}", table["into"].as_str().unwrap());
    for row in table["rows"].as_array().unwrap() {
        let name = row["file"].as_str().unwrap();
        let bytes = &FILES[&format!("n02-leb128/{name}")];
        let file = LogFile::read(bytes);
        assert!(file.records.len() as u64 >= row["records_at_least"].as_u64().unwrap(), "{name}: {file:?}");
        let mut replica = Replica::new(Design::Hardened, Kind::Yjs, "instzzzzzzzzzzzzzzzzzz");
        replica.put(&path, bytes.clone());
        replica.start();
        let text = replica.text(NOTE).unwrap();
        for part in list(&row["text_contains"]) {
            assert!(text.contains(part), "{name}: {text:?}");
        }
        let told = problems(&replica);
        let odd = file.records.len() == 2;
        assert!(!odd || told.contains(".crdtlog: "), "{name}: {told}");
    }
    let seqs = |name: &str| {
        let file = LogFile::read(&FILES[&format!("n02-leb128/{name}")]);
        file.records.iter().map(|record| record.seq).max().unwrap()
    };
    assert_eq!(seqs("seq-2pow53-plus-1.crdtlog"), (1 << 53) + 1);
    assert_eq!(seqs("seq-2pow64-minus-1.crdtlog"), u64::MAX);
}

#[test]
fn a_snapshot_whose_end_is_zeros_is_used_only_if_it_is_whole() {
    let table = &TABLES["n30-snapshot-with-a-nul-tail"];
    let whole = &FILES["n30-snapshot-with-a-nul-tail/whole.snapshot"];
    let path = format!("shared:notes/{NOTE}/snapshots/instAAAAAAAAAAAAAAAAAA_1764374400009.snapshot");
    let shown = |bytes: Vec<u8>| {
        let mut replica = Replica::new(Design::Hardened, Kind::Yjs, "instzzzzzzzzzzzzzzzzzz");
        replica.put(&path, bytes);
        replica.start();
        replica.text(NOTE)
    };
    let right = shown(whole.clone());
    assert_eq!(right.as_deref(), Some("a text of some length, so that a cut falls within a string\nond"));
    let (mut refused, mut used) = (0, 0);
    for row in table["rows"].as_array().unwrap() {
        let kept = usize::try_from(row["kept"].as_u64().unwrap()).unwrap();
        let zeroed = [&whole[..kept], &vec![0; whole.len() - kept]].concat();
        let same = zeroed == *whole;
        match shown(zeroed) {
            None => refused += 1,
            text => {
                assert_eq!(text, right, "{row}");
                used += 1;
            }
        }
        assert!(same || shown(whole[..kept].to_vec()).is_none(), "{row}");
    }
    assert!(refused > 300 && used < 10, "{refused} refused, {used} used");
}

#[test]
fn a_line_is_never_glued_to_one_that_is_cut() {
    let case = "n09-deletion-log-crlf-bom/last-line-without-end";
    let mut replica = Replica::new(Design::Hardened, Kind::Yjs, "instzzzzzzzzzzzzzzzzzz");
    // Its own file, written by a life that a crash ended.
    replica.start();
    replica.create("noteXXXXXXXXXXXXXXXXXX", "own");
    put(&mut replica, case, |name| name.starts_with("notes/"));
    let own = "shared:deleted/profAAAAAAAAAAAAAAAAAA.instzzzzzzzzzzzzzzzzzz.log";
    let theirs = &FILES[&format!("{case}/folder/deleted/profAAAAAAAAAAAAAAAAAA.instAAAAAAAAAAAAAAAAAA.log")];
    replica.put(own, theirs.clone());
    replica.start();
    replica.command(Command::PermanentlyDelete { note: "notedddddddddddddddddd".to_owned() });
    let text = replica.fs.text(own);
    let deleted: Vec<_> =
        text.lines().filter_map(|line| line.split_once('|')).map(|(note, _)| note).collect();
    for letter in ["a", "b", "c", "d"] {
        let id = format!("note{}", letter.repeat(18));
        assert!(deleted.contains(&&*id), "{text}");
        replica.start();
        assert!(replica.notes().is_deleted(&id), "{id}");
    }
    assert!(text.ends_with('\n'));
}

#[test]
fn a_file_that_comes_late_with_an_old_time_is_read() {
    let [mut a, mut b] = ["instaaaaaaaaaaaaaaaaaa", "instbbbbbbbbbbbbbbbbbb"]
        .map(|id| Replica::started(Design::Hardened, Kind::Yjs, id));
    a.create("x", "old words");
    b.create("y", "own");
    carry(&a, &mut b, |name| name.starts_with("notes/x/"));
    b.sync();
    assert_eq!(b.text("x").as_deref(), Some("old words"));
    a.append("x", " same size");
    let (path, newer) =
        a.shared().into_iter().find(|(path, _)| path.name().starts_with("notes/x/logs")).unwrap();
    let len = b.fs.files[&path].len();
    // These files in memory tell one time for ever, so of the first only the bytes change.
    b.fs.files.insert(path.clone(), newer.prefix(len));
    b.pass(b.config.timing.list_ms);
    b.fs.files.insert(path, newer);
    b.pass(b.config.timing.list_ms);
    assert_eq!(b.text("x").as_deref(), Some("old words same size"));
}

#[test]
fn another_file_of_the_same_length_and_time_is_read_by_the_full_scan() {
    let mut a = Replica::started(Design::Hardened, Kind::Yjs, "instaaaaaaaaaaaaaaaaaa");
    let mut b = Replica::started(Design::Hardened, Kind::Yjs, "instbbbbbbbbbbbbbbbbbb");
    a.create("x", "1");
    let (path, whole) =
        a.shared().into_iter().find(|(path, _)| path.name().starts_with("notes/x/logs")).unwrap();
    let nul = [whole.prefix(20).bytes(), &vec![0; whole.len() - 20]].concat();
    b.put(&path.to_string(), nul);
    b.sync();
    assert_eq!(b.text("x"), None);
    b.fs.files.insert(path, whole);
    b.pass(b.config.timing.full_scan_ms - 1_000);
    assert_eq!(b.text("x"), None);
    b.pass(2_000);
    assert_eq!(b.text("x").as_deref(), Some("1"));
}

#[test]
fn own_ids_are_safe_without_case() {
    let mut replica = Replica::new(Design::Hardened, Kind::Yjs, "x");
    replica.config.instance = None;
    replica.start();
    let told = replica.command(Command::Create { note: None, text: "a".to_owned() });
    let [Event::Written { note, instance, .. }] = &told[..] else { panic!("{told:?}") };
    for id in [note, instance] {
        assert_eq!(**id, id.to_lowercase());
        assert_eq!(id.len(), 36);
    }
    replica.command(Command::Edit { note: note.to_string(), change: Change::Append("b".to_owned()) });
    assert_eq!(replica.text(note).as_deref(), Some("ab"));
}
