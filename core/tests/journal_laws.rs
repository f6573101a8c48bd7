//! Laws of the journals' merge: it is a function of the set of records, cut files contradict nothing, what is
//! deleted stays deleted; and of the writer: nothing is lost and no number is used twice, whatever a crash left.

#![expect(clippy::unwrap_used, reason = "a test stops where its data is not what it says")]

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::clock::Hybrid;
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::folder::Folder;
use cloudchamber_core::journal::init::init;
use cloudchamber_core::journal::layout::{journal_path, shadow_path};
use cloudchamber_core::journal::problem::ProblemKind;
use cloudchamber_core::journal::schema::{Field, Kind, Log};
use cloudchamber_core::journal::verify::verify;
use cloudchamber_core::journal::write::Writer;
use cloudchamber_core::kit::identity::Nonce;
use cloudchamber_core::{Content, Fs as _, FsMut as _, FsOp, MemoryFs, Mono, Now, Path, WallMs};
use proptest::prelude::*;
use serde_json::Value;
use support::Journals as _;

mod support;

const MACHINES: [&str; 3] = ["alpha", "beta", "gamma"];

/// A line of one of the four logs; times are small so that many are equal, and some are missing.
fn line() -> impl Strategy<Value = (Log, String)> {
    let id = 0..3_u8;
    let time =
        prop_oneof![Just(None), (1..6_i64).prop_map(Some), (1..6_i64).prop_map(|s| Some(s * 10_000_000_000))];
    (0..16_u8, id, time, 0..3_u8, proptest::option::of(1..9_i64)).prop_map(
        |(kind, id, time, value, hybrid)| {
            let event = match kind {
                0 | 1 => Event::new(Kind::Message)
                    .with_text(Field::Id, &format!("msg-{id}"))
                    .with_text(Field::Body, &format!("b{value}")),
                2 => Event::new(Kind::MessageUpdate)
                    .with_text(Field::Id, &format!("msg-{id}"))
                    .with_text(Field::Body, &format!("e{value}")),
                3 => Event::new(Kind::MessageDelete).with_text(Field::Id, &format!("msg-{id}")),
                4 => Event::new(Kind::MessageMove)
                    .with_text(Field::MessageGuid, &format!("msg-{id}"))
                    .with_text(Field::NewHome, &format!("t{value}")),
                5 => Event::new(Kind::Reaction)
                    .with_text(Field::MessageGuid, &format!("msg-{id}"))
                    .with_text(Field::Emoji, &format!("{value}")),
                6 => Event::new(Kind::Thread)
                    .with_text(Field::Guid, &format!("thrd-{id}"))
                    .with_text(Field::Name, &format!("n{value}")),
                7 => Event::new(Kind::ThreadUpdate)
                    .with_text(Field::Guid, &format!("thrd-{id}"))
                    .with_text(Field::Name, &format!("r{value}")),
                8 => Event::new(Kind::ThreadDelete).with_text(Field::ThreadId, &format!("thrd-{id}")),
                9 => Event::new(Kind::Question)
                    .with_text(Field::Guid, &format!("q-{id}"))
                    .with_text(Field::Status, "open"),
                10 => Event::new(Kind::QuestionUpdate)
                    .with_text(Field::Guid, &format!("q-{id}"))
                    .with_text(Field::Status, ["answered", "closed", "open"][usize::from(value)]),
                11 => Event::new(Kind::ThreadSubscribe)
                    .with_text(Field::ThreadGuid, &format!("thrd-{id}"))
                    .with_text(Field::AgentId, &format!("agent {value}")),
                12 => Event::new(Kind::ThreadMessage)
                    .with_text(Field::ThreadGuid, &format!("thrd-{value}"))
                    .with_text(Field::MessageGuid, &format!("msg-{id}")),
                13 => Event::new([Kind::MessagePin, Kind::MessageUnpin][usize::from(value / 2)])
                    .with_text(Field::MessageGuid, &format!("msg-{id}"))
                    .with_text(Field::ThreadGuid, &format!("thrd-{value}")),
                14 => Event::new(Kind::MessageUpdate)
                    .with_text(Field::Id, &format!("msg-{id}"))
                    .with_raw("reactions", format!("{{\"e{value}\":[\"ann\"]}}")),
                _ => {
                    let kind = [Kind::AgentFave, Kind::FaveRemove, Kind::AgentUnfave][usize::from(value)];
                    Event::new(kind)
                        .with_text(Field::AgentId, "opus")
                        .with_text(Field::ItemType, "thread")
                        .with_text(Field::ItemGuid, &format!("thrd-{id}"))
                }
            };
            let log = event.log().unwrap();
            let event = match time {
                Some(time) => {
                    let field = event.kind().times()[0];
                    event.with_int(field, time)
                }
                None => event,
            };
            let event = match hybrid {
                Some(count) => event
                    .with_raw("hlc", Hybrid { ms: 3_000, count: u32::try_from(count).unwrap() }.to_string()),
                None => event,
            };
            (log, event.line())
        },
    )
}

/// The files of three machines.
fn folder() -> impl Strategy<Value = MemoryFs> {
    proptest::collection::vec(proptest::collection::vec(line(), 0..14), 3).prop_map(|machines| {
        let mut texts: BTreeMap<(&str, Log), String> = BTreeMap::new();
        for (machine, lines) in MACHINES.into_iter().zip(machines) {
            for (log, line) in lines {
                *texts.entry((machine, log)).or_default() += &format!("{line}\n");
            }
        }
        let mut files = MemoryFs::default();
        files.put("shared/.v2", "");
        for ((machine, log), text) in texts {
            files.put(&format!("shared/machines/{machine}/{}", log.file_name()), text);
        }
        files
    })
}

fn journals(files: &MemoryFs) -> Vec<Path> {
    files.files.keys().filter(|path| path.name().ends_with(".jsonl")).cloned().collect()
}

/// Every file cut somewhere: what another machine may see meanwhile.
fn cut(files: &MemoryFs, cuts: &[proptest::sample::Index]) -> MemoryFs {
    let mut cut = files.clone();
    for (path, at) in journals(files).iter().zip(cuts.iter().cycle()) {
        let content = &files.files[path];
        cut.files.insert(path.clone(), content.prefix(at.index(content.len() + 1)));
    }
    cut
}

fn names(shown: &Value, section: &str, key: &str) -> BTreeSet<String> {
    shown[section].as_array().unwrap().iter().map(|row| row[key].as_str().unwrap().to_owned()).collect()
}

fn dead(shown: &Value) -> BTreeSet<String> {
    let deleted = |row: &&Value| row["body"] == "[deleted]";
    shown["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(deleted)
        .map(|row| format!("{} of {}", row["id"], row["origin"]))
        .collect()
}

/// What the events of a kind name in a field.
fn removed(files: &MemoryFs, kind: Kind, field: Field) -> BTreeSet<String> {
    let texts = journals(files)
        .into_iter()
        .map(|path| String::from_utf8(files.files[&path].bytes().to_vec()).unwrap());
    let events =
        texts.flat_map(|text| text.lines().map(|line| Event::parse(line).unwrap()).collect::<Vec<_>>());
    events.filter(|event| event.kind() == kind).map(|event| event.text(field).unwrap().into_owned()).collect()
}

/// What is shown of messages and threads that are deleted, where no other has their name.
fn leaks(shown: &Value) -> Vec<String> {
    let rows = |section: &str| shown[section].as_array().unwrap().clone();
    let mut found = Vec::new();
    let only = |section: &str, key: &str, name: &Value| {
        rows(section).iter().filter(|row| row[key] == *name).count() == 1
    };
    for message in rows("messages").iter().filter(|row| row["body"] == "[deleted]") {
        let id = &message["id"];
        if !message["reactions"].is_null() {
            found.push(format!("reactions in {message}"));
        }
        let about = rows("reactions").into_iter().find(|reaction| reaction[0] == *id);
        found.extend(about.filter(|_| only("messages", "id", id)).map(|reaction| reaction.to_string()));
        found.extend(rows("thread_members").iter().filter(|row| row[2] == *id).map(ToString::to_string));
        let pinned = shown["message_pins"].as_object().unwrap().keys();
        let prefix = format!("{}|", id.as_str().unwrap());
        found.extend(pinned.filter(|key| key.starts_with(&prefix)).cloned());
    }
    for thread in rows("threads").iter().filter(|row| row["status"] == "archived") {
        let guid = &thread["guid"];
        let members = rows("thread_members").into_iter().find(|row| row[0] == *guid);
        found.extend(members.filter(|_| only("threads", "guid", guid)).map(|row| row.to_string()));
    }
    found
}

fn config() -> ProptestConfig {
    let kept = proptest::test_runner::FileFailurePersistence::WithSource("proptest-regressions");
    ProptestConfig { cases: 300, failure_persistence: Some(Box::new(kept)), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn copies_cut_anywhere_and_directories_twice_change_nothing(
        files in folder(), cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 1..6), twice in 0..3_usize,
    ) {
        let (shown, _) = files.shown(&Design::HARDENED);
        let mut more = files.clone();
        for (path, content) in cut(&files, &cuts).files {
            let name = path.name().to_owned();
            let Some(stem) = name.strip_suffix(".jsonl") else { continue };
            more.put(&format!("{stem} 2.jsonl"), content.bytes());
            more.put(&format!("{stem}.sync-conflict-20261120-113332-EWX4TBX.jsonl"), content.bytes());
            let machine = MACHINES[twice];
            if name.contains(machine) {
                more.put(&name.replace(machine, &format!("{machine} 2")), content.bytes());
            }
        }
        prop_assert_eq!(more.shown(&Design::HARDENED).0, shown);
    }

    #[test]
    fn the_order_in_which_files_are_read_does_not_matter(files in folder(), turn in 0..12_usize) {
        for design in [Design::PUBLISHED, Design::HARDENED] {
            let folder = Folder::read(&files, &design);
            let mut turned = folder.clone();
            let len = turned.files.len();
            turned.files.rotate_left(turn.min(len));
            turned.files[..len / 2].reverse();
            let json = |folder: &Folder| folder.with_sources(&design, |sources| {
                let view = cloudchamber_core::journal::merge::merge(&design, sources);
                cloudchamber_core::journal::show::Shown { design: &design, sources, view: &view }.json()
            });
            prop_assert_eq!(json(&turned), json(&folder));
        }
    }

    #[test]
    fn a_prefix_contradicts_nothing(files in folder(), cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 1..6)) {
        let (whole, part) = (files.shown(&Design::HARDENED).0, cut(&files, &cuts).shown(&Design::HARDENED).0);
        for (section, key) in [("messages", "id"), ("threads", "guid"), ("questions", "guid")] {
            prop_assert!(names(&part, section, key).is_subset(&names(&whole, section, key)), "{}", section);
        }
        // What was deleted meanwhile has no reactions any more.
        let gone = removed(&files, Kind::MessageDelete, Field::Id);
        let reactions = |shown: &Value| shown["reactions"].as_array().unwrap().iter()
            .filter(|row| !gone.contains(row[0].as_str().unwrap())).map(ToString::to_string).collect::<BTreeSet<_>>();
        prop_assert!(reactions(&part).is_subset(&reactions(&whole)));
    }

    #[test]
    fn what_is_deleted_stays_deleted(files in folder(), late in proptest::collection::vec(line(), 0..8)) {
        let before = files.shown(&Design::HARDENED).0;
        let removed_faves = removed(&files, Kind::FaveRemove, Field::ItemGuid);
        let mut more = files.clone();
        let mut text = String::new();
        for (log, line) in late.iter().filter(|(log, _)| *log != Log::Questions) {
            // A machine that was away writes what it likes: it does not make new messages and threads of its own.
            if !line.contains("\"type\":\"message\"") && !line.contains("\"type\":\"thread\"") {
                let path = format!("shared/machines/late/{}", log.file_name());
                text = more.files.get(&Path::shared(&path)).map_or(String::new(), |c| String::from_utf8(c.bytes().to_vec()).unwrap());
                text += line;
                text += "\n";
                more.put(&path, text.clone());
            }
        }
        let after = more.shown(&Design::HARDENED).0;
        prop_assert!(dead(&before).is_subset(&dead(&after)), "{text}");
        prop_assert_eq!(leaks(&after), Vec::<String>::new(), "{}", text);
        for fave in &removed_faves {
            prop_assert!(after["faves"].get(format!("opus|thread|{fave}")).is_none(), "{}", fave);
        }
    }

    /// A process that dies between any two ops, or in the middle of an append, and a shared file that the sync
    /// client set back to any earlier state.
    #[test]
    fn no_acknowledged_event_is_lost_and_no_number_is_used_twice(
        deaths in proptest::collection::vec((0..6_usize, any::<proptest::sample::Index>(), any::<bool>(), 0..9_u8), 1..25),
    ) {
        let mut files = MemoryFs::default();
        let mut wall = 1_767_137_342_000;
        for op in init(&files, "laptop", now(wall), Some(Nonce(42))).unwrap() {
            files.apply(&op).unwrap();
        }
        let mut acknowledged = BTreeMap::new();
        for (survived, cut, shared_dies, what) in deaths {
            wall += 10;
            let (mut writer, repairs) = Writer::open(&files, &Design::HARDENED, Hybrid::default(), WallMs(0)).unwrap();
            for op in repairs {
                files.apply(&op).unwrap();
            }
            let event = Event::new(Kind::MessageMove)
                .with_text(Field::MessageGuid, "msg-1").with_text(Field::NewHome, &format!("room {wall}"));
            let (ops, appended) = writer.append(&event, now(wall)).unwrap();
            for (at, op) in ops.iter().enumerate() {
                match op {
                    FsOp::Append { path, bytes } if at == survived => {
                        let bytes = bytes.prefix(cut.index(bytes.len()));
                        files.apply(&FsOp::Append { path: path.clone(), bytes }).unwrap();
                    }
                    op if at < survived => files.apply(op).unwrap(),
                    _ => {}
                }
            }
            // Acknowledged is what reached the shared file and was flushed there.
            if survived > 3 {
                prop_assert_eq!(acknowledged.insert(appended.seq, appended.line.clone()), None, "a number twice");
            }
            let journal = journal_path("laptop", Log::Messages);
            match what {
                0 if shared_dies => { let whole = files.files[&journal].clone(); files.files.insert(journal, whole.prefix(cut.index(whole.len() + 1))); }
                1 => { files.files.insert(Path::local("machine-id"), Content::new([])); }
                2 => { files.files.remove(&Path::local("machine-id")); }
                _ => {}
            }
        }
        let (_, repairs) = Writer::open(&files, &Design::HARDENED, Hybrid::default(), WallMs(0)).unwrap();
        for op in repairs {
            files.apply(&op).unwrap();
        }
        let text = String::from_utf8(files.read(&journal_path("laptop", Log::Messages), 0).unwrap().bytes().to_vec()).unwrap();
        for line in acknowledged.values() {
            prop_assert_eq!(text.lines().filter(|known| known == line).count(), 1);
        }
        let folder = Folder::read(&files, &Design::HARDENED);
        prop_assert_eq!(verify(&files, &Design::HARDENED, &folder, WallMs(2_000_000_000_000)), vec![]);
        prop_assert_eq!(files.read(&shadow_path("laptop", Log::Messages), 0).map(|c| c.bytes().to_vec()).unwrap_or_default(), text.into_bytes());
    }
}

fn now(wall: i64) -> Now {
    Now { mono: Mono(0), wall: WallMs(wall) }
}

/// A folder with five events of one machine, as the writer leaves it.
fn written() -> MemoryFs {
    written_up_to(5)
}

/// A folder with so many events of one machine, as the writer leaves it.
fn written_up_to(events: i64) -> MemoryFs {
    let mut files = MemoryFs::default();
    for op in init(&files, "laptop", now(1_767_137_342_000), Some(Nonce(42))).unwrap() {
        files.apply(&op).unwrap();
    }
    let (mut writer, repairs) =
        Writer::open(&files, &Design::HARDENED, Hybrid::default(), WallMs(0)).unwrap();
    assert_eq!(repairs, []);
    for n in 1..=events {
        let event = Event::new(Kind::Message)
            .with_text(Field::Id, &format!("msg-{n}"))
            .with_text(Field::Body, "hello");
        let (ops, appended) = writer.append(&event, now(1_767_137_342_000)).unwrap();
        assert_eq!(appended.seq, n);
        for op in ops {
            files.apply(&op).unwrap();
        }
        let seal = writer.seal(&files, &Design::HARDENED, now(1_767_137_342_000)).unwrap();
        files.apply(&seal).unwrap();
    }
    files
}

fn found(files: &MemoryFs) -> Vec<(String, u32, ProblemKind)> {
    let folder = Folder::read(files, &Design::HARDENED);
    verify(files, &Design::HARDENED, &folder, WallMs(2_000_000_000_000))
        .into_iter()
        .map(|problem| (problem.file.rsplit('/').next().unwrap().to_owned(), problem.line, problem.kind))
        .collect()
}

/// What `verify` says after the lines of the journal were changed, on its own machine and on another one.
fn after(change: impl Fn(&mut Vec<String>)) -> [Vec<(String, u32, ProblemKind)>; 2] {
    let mut own = written();
    let path = journal_path("laptop", Log::Messages);
    let text = String::from_utf8(own.files[&path].bytes().to_vec()).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    own.files.insert(path, Content::from(lines.join("\n") + "\n"));
    let mut other = own.clone();
    other.files.retain(|path, _| path.root() == cloudchamber_core::Root::Shared);
    [found(&own), found(&other)]
}

/// The folder after its machine was restored to what it had when it had written three events, and wrote some more; its
/// checksum, and the shadow, are those of before.
fn gone_on_from_an_older_version(events: i64) -> MemoryFs {
    let (mut restored, path) = (written_up_to(3), journal_path("laptop", Log::Messages));
    let (mut writer, _) = Writer::open(&restored, &Design::HARDENED, Hybrid::default(), WallMs(0)).unwrap();
    for n in 1..=events {
        let id = format!("msg-again-{n}");
        let event = Event::new(Kind::Message).with_text(Field::Id, &id).with_text(Field::Body, "again");
        let (ops, appended) = writer.append(&event, now(1_767_223_742_000)).unwrap();
        assert_eq!(appended.seq, 3 + n);
        for op in ops {
            restored.apply(&op).unwrap();
        }
    }
    let mut known = written();
    known.files.insert(path.clone(), restored.files[&path].clone());
    known
}

#[test]
fn verify_tells_a_restored_file_from_an_edited_one() {
    let own = found(&gone_on_from_an_older_version(1));
    let named = |line, kind| ("messages.jsonl".to_owned(), line, kind);
    assert!(own.contains(&named(4, ProblemKind::RestoredFile)), "{own:?}");
    // Another machine has the checksum alone.
    let mut other = gone_on_from_an_older_version(6);
    other.files.retain(|path, _| path.root() == cloudchamber_core::Root::Shared);
    let other = found(&other);
    assert!(other.contains(&named(0, ProblemKind::RestoredFile)), "{other:?}");
    for found in [own, other] {
        assert!(found.iter().all(|(.., kind)| *kind != ProblemKind::EditedLine), "{found:?}");
    }
}

#[test]
fn verify_names_file_line_and_kind() {
    use ProblemKind::*;
    let at = |line, kind| ("messages.jsonl".to_owned(), line, kind);
    assert_eq!(found(&written()), []);
    let edited = after(|lines| lines[1] = lines[1].replace("hello", "HELLO"));
    // What the line said stands only in the shadow of its own machine.
    assert_eq!(edited, [vec![at(0, KeptRecords), at(2, EditedLine)], vec![at(2, EditedLine)]]);
    let removed = after(|lines| drop(lines.remove(1)));
    for found in removed {
        assert!(found.contains(&at(2, RemovedLine)) && found.contains(&at(2, SequenceGap)), "{found:?}");
    }
    let first = after(|lines| drop(lines.remove(0)));
    assert!(first.iter().all(|found| found.contains(&at(1, RemovedLine))), "{first:?}");
    let shortened = after(|lines| lines.truncate(3));
    assert!(shortened.iter().all(|found| found.contains(&at(0, ShortenedFile))), "{shortened:?}");
    let reused = after(|lines| {
        let again = lines[4].replace("hello", "again");
        lines.push(again);
    });
    assert!(reused[1].contains(&at(6, SequenceReuse)), "{reused:?}");
}
