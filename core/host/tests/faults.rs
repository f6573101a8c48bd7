//! Every op of every journal command fails in every way: what was told is what is there.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::collections::BTreeMap;

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::protocol::{Command, Joining, Journal, Manage, Settings, Told, Viewing};
use cloudchamber_core::journal::schema::{Field, Kind};
use cloudchamber_core::journal::uphold::UPHOLD_MS;
use cloudchamber_core::{Input, MemoryFs, Root};
use cloudchamber_host::{Lock, Runner, clock};
use support::disk::{Disk, ERRORS, Fault, Part};

mod support;

/// A process of the machine, from its start to its end.
struct Process {
    told: Vec<Told>,
    failed: bool,
    _lock: tempfile::TempDir,
    runner: Runner<Journal, Disk>,
}

impl Process {
    fn start(disk: &Disk, joining: Joining) -> Self {
        let settings = Settings {
            design: Design::HARDENED,
            joining,
            scan_ms: 10_000,
            uphold_ms: UPHOLD_MS,
            viewing: Viewing::Beside,
            place: None,
        };
        let dir = tempfile::tempdir().unwrap();
        let mut told = Vec::new();
        let lock = Lock::wait(dir.path()).unwrap();
        let mut runner =
            Runner::open(settings, disk.clone(), lock, &mut |_, event: &Told| told.push(event.clone()));
        let failed = runner.settle(&mut |_, event: &Told| told.push(event.clone())).is_err();
        Self { told, failed, _lock: dir, runner }
    }

    fn give(&mut self, input: Input<Journal>) {
        let Self { told, runner, .. } = self;
        runner.feed(input, &mut |_, event| told.push(event.clone()));
        self.failed |= runner.settle(&mut |_, event| told.push(event.clone())).is_err();
    }

    /// The numbers of events that were said to be there for good, by id.
    fn promised(&self) -> BTreeMap<String, i64> {
        let promised = |told: &Told| match told {
            Told::Acknowledged { seq, line, .. } | Told::Kept { seq, line, .. } => {
                let event = Event::parse(line).unwrap();
                let id = event.text(Field::Id).or_else(|| event.text(Field::Guid)).unwrap();
                Some((id.to_string(), *seq))
            }
            _ => None,
        };
        self.told.iter().filter_map(promised).collect()
    }
}

/// How often an event of this id stands in the journals of all machines.
fn stands(disk: &Disk, id: &str) -> usize {
    let files = disk.files.borrow();
    let journals =
        files.files.iter().filter(|(path, _)| path.root() == Root::Shared && path.name().ends_with(".jsonl"));
    let lines = journals.flat_map(|(_, content)| content.bytes().split(|&byte| byte == b'\n'));
    let id = format!("id\":\"{id}\"");
    lines.filter(|line| std::str::from_utf8(line).is_ok_and(|line| line.contains(&id))).count()
}

/// The numbers of all lines of the journals, in the order in which they are listed.
fn numbers(disk: &Disk) -> Vec<i64> {
    let files = disk.files.borrow();
    let journals =
        files.files.iter().filter(|(path, _)| path.root() == Root::Shared && path.name().ends_with(".jsonl"));
    let lines = journals.flat_map(|(_, content)| content.bytes().split(|&byte| byte == b'\n'));
    let number = |line| serde_json::from_slice::<serde_json::Value>(line).ok()?["seq"].as_i64();
    lines.filter_map(number).collect()
}

fn event(kind: Kind, id: &str) -> Event {
    let field = if kind == Kind::Message { Field::Id } else { Field::Guid };
    Event::new(kind).with_text(field, id)
}

/// What a command is tried on, what it is given, and under which id it starts.
struct Tried {
    files: MemoryFs,
    joining: Joining,
    given: Vec<Command>,
    /// Ids of events that are there before.
    before: Vec<&'static str>,
}

/// Tries a command with each op failing in each way; `judge` is told what is there after a sound start that follows.
/// Returns how many ways there were.
fn every_way(tried: &Tried, judge: &dyn Fn(&Process, &Process, &Disk, Fault)) -> u32 {
    let mut ways = 0;
    for error in ERRORS {
        for part in [Part::Nothing, Part::Half, Part::Everything] {
            for at in 0.. {
                let (disk, fault) = (Disk::of(tried.files.clone()), Fault { at, error, part });
                disk.fault.set(Some(fault));
                let mut process = Process::start(&disk, tried.joining.clone());
                for command in &tried.given {
                    process.give(Input::Command(command.clone()));
                }
                disk.fault.set(None);
                let unharmed = disk.tried.get() <= at;
                let mut next = Process::start(&disk, tried.joining.clone());
                next.give(Input::Command(event(Kind::Message, "msg-last").into()));
                assert!(next.promised().contains_key("msg-last"), "{fault:?}: {:?}", next.told);
                for id in &tried.before {
                    assert_eq!(stands(&disk, id), 1, "{fault:?}: {id}");
                }
                let mut seqs = numbers(&disk);
                seqs.sort_unstable();
                assert!(
                    seqs.windows(2).all(|two| two[0] != two[1]),
                    "{fault:?}: a number was used twice: {seqs:?}"
                );
                judge(&process, &next, &disk, fault);
                if unharmed {
                    assert!(!process.failed && at > 0, "{fault:?}");
                    break;
                }
                assert!(process.failed, "{fault:?}");
                ways += 1;
            }
        }
    }
    ways
}

fn joined() -> MemoryFs {
    let disk = Disk::of(MemoryFs::default());
    let mut process = Process::start(&disk, Joining::Under("laptop".to_owned()));
    process.give(Input::Command(event(Kind::Message, "msg-first").into()));
    assert!(!process.failed && stands(&disk, "msg-first") == 1);
    disk.files.take()
}

/// Of each event that was given: said to be there, it is there once; said to be nowhere, it is nowhere; never twice.
fn told_is_there(ids: &[&str], process: &Process, disk: &Disk, fault: Fault) {
    let promised = process.promised();
    let unsure = process.told.iter().any(|told| matches!(told, Told::Unsure { .. }));
    for id in ids {
        let stands = stands(disk, id);
        match promised.contains_key(*id) {
            true => assert_eq!(stands, 1, "{fault:?}: {id} was said to be kept"),
            false if unsure => assert!(stands <= 1, "{fault:?}: {id}"),
            false => assert_eq!(stands, 0, "{fault:?}: {id} was said to be nowhere: {:?}", process.told),
        }
    }
}

#[test]
fn an_event_that_is_said_to_be_kept_is_there_once_and_one_that_is_said_to_be_nowhere_is_nowhere() {
    let mut ways = 0;
    for (kind, id) in [(Kind::Message, "msg-a"), (Kind::Thread, "thrd-a"), (Kind::Question, "qstn-a")] {
        let given = vec![event(kind, id).into(), event(kind, "msg-b").into()];
        let tried = Tried { files: joined(), joining: Joining::AsKnown, given, before: vec!["msg-first"] };
        ways += every_way(&tried, &|process, _, disk, fault| {
            told_is_there(&[id, "msg-b"], process, disk, fault);
        });
    }
    assert!(ways >= 3 * 6 * 3 * 10, "two events have ten ops: {ways}");
}

#[test]
fn a_start_that_fails_is_gone_on_with() {
    let given = vec![event(Kind::Message, "msg-a").into()];
    let joining = Joining::Under("laptop".to_owned());
    let tried = Tried { files: MemoryFs::default(), joining, given, before: Vec::new() };
    let ways = every_way(&tried, &|process, next, disk, fault| {
        told_is_there(&["msg-a"], process, disk, fault);
        assert_eq!(next.runner.protocol().identity().map(|own| &*own.id), Some("laptop"), "{fault:?}");
    });
    assert!(ways >= 6 * 3 * 8, "{ways}");
}

#[test]
fn a_rename_that_fails_leaves_one_machine_with_all_its_events() {
    let rename = Command::Manage(Manage::Rename { old: "laptop".to_owned(), new: "desk".to_owned() });
    let given = vec![rename, event(Kind::Message, "msg-a").into()];
    let tried = Tried { files: joined(), joining: Joining::AsKnown, given, before: vec!["msg-first"] };
    let ways = every_way(&tried, &|process, next, disk, fault| {
        told_is_there(&["msg-a"], process, disk, fault);
        let id = next.runner.protocol().identity().map(|own| own.id.clone()).unwrap();
        assert!(["laptop", "desk"].contains(&&*id), "{fault:?}: {id}");
        // What it was called before still leads to it, wherever between the two names it was stopped.
        let named = |name| next.runner.protocol().aliases().resolve(name, Design::HARDENED.following);
        assert_eq!(named("laptop"), named(&id), "{fault:?}");
    });
    assert!(ways >= 6 * 3 * 5, "{ways}");
}

#[test]
fn checksums_and_clocks_that_cannot_be_written_harm_no_event() {
    // Clocks that are a little ahead are followed.
    let now = clock::now().wall.0;
    let saw = |ahead_ms| Command::Manage(Manage::Saw { ms: now + ahead_ms, count: 0 });
    let given = vec![
        saw(3_600_000),
        event(Kind::Message, "msg-a").into(),
        Command::Manage(Manage::Seal),
        saw(7_200_000),
    ];
    let tried = Tried { files: joined(), joining: Joining::AsKnown, given, before: vec!["msg-first"] };
    let ways = every_way(&tried, &|process, _, disk, fault| told_is_there(&["msg-a"], process, disk, fault));
    assert!(ways >= 6 * 3 * 7, "{ways}");
}

#[test]
fn a_migration_that_fails_is_finished_with_every_event_once() {
    let files = MemoryFs::default()
        .with(
            "shared:messages.jsonl",
            "{\"type\":\"message\",\"id\":\"msg-old\",\"body\":\"x\",\"ts\":1700000000}\n",
        )
        .with("shared:threads.jsonl", "{\"type\":\"thread\",\"id\":\"thrd-old\",\"name\":\"t\"}\n");
    let mut ways = 0;
    for error in ERRORS {
        for part in [Part::Nothing, Part::Half, Part::Everything] {
            for at in 0.. {
                let (disk, fault) = (Disk::of(files.clone()), Fault { at, error, part });
                disk.fault.set(Some(fault));
                let joining = Joining::Under("laptop".to_owned());
                let mut process = Process::start(&disk, joining.clone());
                process.give(Input::Command(Command::Manage(Manage::Migrate)));
                let failed = process.failed;
                disk.fault.set(None);
                let mut next = Process::start(&disk, joining);
                next.give(Input::Command(Command::Manage(Manage::Migrate)));
                next.give(Input::Command(event(Kind::Message, "msg-last").into()));
                for id in ["msg-old", "thrd-old", "msg-last"] {
                    let moved = disk
                        .files
                        .borrow()
                        .files
                        .iter()
                        .filter(|(path, content)| {
                            path.name().starts_with("shared/machines/")
                                && path.name().ends_with(".jsonl")
                                && String::from_utf8_lossy(content.bytes())
                                    .contains(&format!("\"id\":\"{id}\""))
                        })
                        .count();
                    assert_eq!(moved, 1, "{fault:?}: {id}: {:?} {:?}", process.told, next.told);
                }
                if !failed {
                    assert!(at > 5, "{fault:?}");
                    break;
                }
                ways += 1;
            }
        }
    }
    assert!(ways >= 6 * 3 * 6, "{ways}");
}
