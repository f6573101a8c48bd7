//! The journals' protocol, driven op by op over folders in memory.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::collections::BTreeSet;

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::address::{Mention, Scope};
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::file::LINE_MAX;
use cloudchamber_core::journal::protocol::{
    Command, Joining, Journal, Manage, Settings, Told, Viewing, own_path,
};
use cloudchamber_core::journal::schema::{Field, Kind, Log};
use cloudchamber_core::journal::verify::verify;
use cloudchamber_core::{Content, Draw, Driver, FsError, FsMut as _, Input, MemoryFs, Path, Root, WallMs};
use machine::{Machine, at, copy, settings};
use support::Journals as _;

#[path = "support/machine.rs"]
mod machine;
mod support;

#[test]
fn hardened_loses_nothing_in_a_crash_and_published_loses_the_next_event() {
    let lives = |design| {
        let mut machine = Machine::start(design, "laptop", MemoryFs::default());
        machine.say("msg-1", "one");
        machine.work();
        machine.say("msg-2", "two");
        machine = machine.die_in_append();
        machine.say("msg-3", "three");
        machine.work();
        machine.say("msg-4", "four");
        machine.work();
        (machine.bodies(), machine.acknowledged())
    };
    // The second was never acknowledged; hardened completes it all the same.
    assert_eq!(lives(Design::HARDENED), (["one", "two", "three", "four"].map(String::from).to_vec(), 3));
    assert_eq!(lives(Design::PUBLISHED), (["one", "four"].map(String::from).to_vec(), 3));
}

#[test]
fn a_torn_number_file_stops_published_for_good_and_hardened_not_at_all() {
    let lives = |design| {
        let mut machine = Machine::start(design, "laptop", MemoryFs::default());
        machine.say("msg-1", "one");
        machine.work();
        let mut files = machine.files;
        files.files.insert(Path::local("machine-id"), Content::new([]));
        if design == Design::PUBLISHED {
            // Upstream keeps no second copy.
            files.files.remove(&Path::local("identity.json"));
        }
        let mut machine = Machine::start(design, "laptop", files);
        machine.say("msg-2", "two");
        machine.work();
        machine.acknowledged()
    };
    assert_eq!((lives(Design::HARDENED), lives(Design::PUBLISHED)), (1, 0));
}

#[test]
fn machines_that_have_seen_each_other_agree_and_the_last_who_saw_wins() {
    let mut laptop = Machine::start(Design::HARDENED, "laptop", MemoryFs::default());
    let mut server = Machine::start(Design::HARDENED, "server", MemoryFs::default());
    laptop.time = 3_600_000;
    laptop.say("msg-1", "from a fast clock");
    laptop.work();
    copy(&laptop, &mut server);
    server.edit("msg-1", "seen and changed");
    server.work();
    copy(&server, &mut laptop);
    assert_eq!(laptop.bodies(), ["seen and changed"]);
    let digest = |machine: &Machine| machine.driver.protocol().view_digest(&machine.settings);
    assert_eq!(digest(&laptop), digest(&server));
    assert!(
        laptop.driver.protocol().is_idle() && laptop.driver.protocol().problems(&laptop.settings).is_empty()
    );
}

/// A folder of the layout before machines, with something in each of its files.
fn legacy() -> MemoryFs {
    let mut files = MemoryFs::default();
    files
        .put("messages.jsonl", "{\"type\":\"message\",\"id\":\"msg-1\",\"from_agent\":\"ann\",\"body\":\"one\",\"ts\":5}\n")
        .put("threads.jsonl", "{\"type\":\"thread\",\"guid\":\"thrd-1\",\"name\":\"plans\",\"created_at\":6}\n")
        .put("questions.jsonl", "{\"type\":\"question\",\"guid\":\"qstn-1\",\"re\":\"why\",\"created_at\":7}\n")
        .put(
            "agents.jsonl",
            "{\"type\":\"agent\",\"agent_id\":\"ann\"}\n{\"type\":\"agent_descriptor\",\"agent_id\":\"ann\",\"ts\":8}\n",
        );
    files
}

#[test]
fn a_migration_that_a_crash_interrupts_is_finished_before_anything_is_appended() {
    let migrated = |crash: Option<usize>| {
        let mut machine = Machine::start(Design::HARDENED, "alpha", legacy());
        assert!(!machine.driver.protocol().can_write());
        machine.feed(Input::Command(Command::Manage(Manage::Migrate)));
        for _ in 0..crash.unwrap_or(usize::MAX) {
            let Some(op) = machine.driver.pending_op().cloned() else { break };
            machine.time += 1;
            let result = machine.files.apply(&op);
            let now = at(machine.time);
            let draw = Draw::Seed(machine.time);
            machine.driver.applied(&machine.settings, result, now, draw, &machine.files, &mut machine.told);
        }
        let finished = machine.driver.pending_op().is_none();
        let mut machine = Machine::start(Design::HARDENED, "alpha", machine.files);
        if crash == Some(0) {
            // Nothing of it had happened, so it has to be asked for again.
            machine.feed(Input::Command(Command::Manage(Manage::Migrate)));
            machine.work();
        }
        machine.say("msg-2", "two");
        machine.work();
        let json = machine.driver.protocol().json(&machine.settings);
        let left: Vec<_> = machine.files.files.keys().map(ToString::to_string).collect();
        (
            finished,
            machine.acknowledged(),
            machine.bodies(),
            json["threads"].clone(),
            json["questions"].clone(),
            left,
        )
    };
    let whole = migrated(None);
    assert_eq!((whole.1, &whole.2), (1, &vec!["one".to_owned(), "two".to_owned()]));
    let mut crashes = 0;
    for crash in 0.. {
        let one = migrated(Some(crash));
        assert_eq!(
            (one.1, &one.2, &one.3, &one.4, &one.5),
            (whole.1, &whole.2, &whole.3, &whole.4, &whole.5),
            "{crash}"
        );
        if one.0 {
            break;
        }
        crashes += 1;
    }
    assert!(crashes > 10, "every op is a place to die: {crashes}");
}

#[test]
fn a_folder_that_was_migrated_is_not_migrated_again() {
    let mut machine = Machine::start(Design::HARDENED, "alpha", legacy());
    machine.feed(Input::Command(Command::Manage(Manage::Migrate)));
    machine.work();
    machine.say("msg-2", "two");
    machine.work();
    // A program that knows nothing of machines writes to the old file again, and somebody migrates again.
    machine
        .files
        .put("messages.jsonl", "{\"type\":\"message\",\"id\":\"msg-9\",\"body\":\"late\",\"ts\":9}\n");
    machine.feed(Input::Command(Command::Manage(Manage::Migrate)));
    machine.work();
    assert_eq!(machine.bodies(), ["one", "two"]);
    assert!(
        machine
            .told
            .iter()
            .any(|told| matches!(told, Told::Refused(why) if why.to_string().contains("migrated already")))
    );
}

#[test]
fn what_is_acknowledged_is_one_line_that_every_reader_takes() {
    let mut machine = Machine::start(Design::HARDENED, "alpha", MemoryFs::default());
    let append = |machine: &mut Machine, text: &str| {
        machine.feed(Input::Command(Event::parse(text).unwrap().into()));
        machine.work();
    };
    append(
        &mut machine,
        "{\"type\":\"message\",\r\n \"id\":\"msg-1\",\n \"body\":\"one\",\n \"mentions\":[\n\"a\",\n\"b\"\r\n]\n}",
    );
    append(
        &mut machine,
        r#"{"type":"message","id":"msg-2","body":"two","seq":7,"seq":9,"origin":"x","origin":"y"}"#,
    );
    let long = format!(r#"{{"type":"message","id":"msg-3","body":"{}"}}"#, "x".repeat(LINE_MAX));
    append(&mut machine, &long);
    assert!(
        matches!(machine.told.last(), Some(Told::Refused(why)) if why.to_string().contains("no reader takes 10485760"))
    );
    append(&mut machine, r#"{"type":"message","id":"msg-4","body":"four"}"#);
    assert_eq!(machine.bodies(), ["one", "two", "four"]);
    let seqs: Vec<_> = machine
        .told
        .iter()
        .filter_map(|told| match told {
            Told::Acknowledged { machine, seq, .. } => Some((machine.as_str(), *seq)),
            _ => None,
        })
        .collect();
    assert_eq!(seqs, [("alpha", 1), ("alpha", 2), ("alpha", 3)]);
    assert_eq!(machine.driver.protocol().problems(&machine.settings), []);
    let folder = machine.driver.protocol().folder();
    assert_eq!(
        verify(&machine.files, &Design::HARDENED, folder, WallMs(2_000_000_000_000)),
        [],
        "numbers and checksums are sound"
    );
}

/// A machine that has got an id, and this nonce for it, and has appended one message.
fn owner(nonce: u32, body: &str) -> Machine {
    let mut files = MemoryFs::default();
    let identity = format!(r#"{{"id":"laptop","seq":0,"created_at":1767137000,"owner":"{nonce:08x}"}}"#);
    files.files.insert(Path::local("machine-id"), Content::from(identity));
    let mut machine = Machine::start(Design::HARDENED, "laptop", files);
    machine.say(&format!("msg-{body}"), body);
    machine.work();
    machine
}

/// Brings the shared files of one machine to another. Where both have one the first one's stays, and nothing is left of
/// the other's, as iCloud does with the edit that comes second.
fn overwrite(from: &Machine, to: &mut Machine) {
    let shared = from.files.files.iter().filter(|(path, _)| path.root() == Root::Shared);
    to.files.files.extend(shared.map(|(path, content)| (path.clone(), content.clone())));
}

#[test]
fn whoever_loses_an_id_loses_nothing_else_wherever_it_dies() {
    let told = |machine: &Machine| {
        let told = machine.told.iter().filter(|told| matches!(told, Told::Moved(_)));
        told.cloned().collect::<Vec<_>>()
    };
    let to = |machine: &Machine, id: &str| {
        let mention = Mention { agent: "opus".to_owned(), scope: Scope::Machine(id.to_owned()) };
        machine.driver.protocol().is_meant(&machine.settings, &mention)
    };
    let mut crashes = 0;
    for crash in 0.. {
        let (mut winner, mut loser) = (owner(1, "one"), owner(2, "two"));
        assert_eq!((to(&winner, "laptop"), to(&loser, "laptop")), (Some(true), Some(true)));
        overwrite(&winner, &mut loser);
        loser.feed(Input::Changed);
        assert_eq!((told(&loser).len(), to(&loser, "laptop")), (1, None), "it stops at once");
        let mut applied = 0;
        while let Some(op) = loser.driver.pending_op().cloned().filter(|_| applied < crash) {
            loser.files.apply(&op).unwrap();
            let now = at(100 + crash);
            loser.driver.applied(&loser.settings, Ok(()), now, Draw::Seed(0), &loser.files, &mut loser.told);
            applied += 1;
        }
        let died = loser.driver.pending_op().is_some();
        loser = Machine::start(Design::HARDENED, "laptop", loser.files);
        loser.say("msg-three", "three");
        loser.work();
        assert!(
            matches!(&loser.told[..], [.., Told::Acknowledged { machine, seq: 1, .. }] if machine == "laptop-00000002"),
            "{crash}: {:?}",
            loser.told
        );
        overwrite(&loser, &mut winner);
        winner.feed(Input::Changed);
        winner.work();
        for machine in [&winner, &loser] {
            let bodies: BTreeSet<_> = machine.bodies().into_iter().collect();
            assert_eq!(bodies, ["one", "two", "three"].map(String::from).into(), "{crash}");
            assert_eq!(machine.driver.protocol().problems(&machine.settings), [], "{crash}");
            let folder = machine.driver.protocol().folder();
            assert_eq!(
                verify(&machine.files, &Design::HARDENED, folder, WallMs(2_000_000_000_000)),
                [],
                "{crash}"
            );
        }
        assert_eq!((to(&winner, "laptop"), to(&loser, "laptop")), (Some(true), Some(false)));
        assert_eq!(
            (to(&winner, "laptop-00000002"), to(&loser, "laptop-00000002")),
            (Some(false), Some(true))
        );
        if !died {
            break;
        }
        crashes += 1;
    }
    assert!(crashes > 4, "every op is a place to die: {crashes}");
}

/// The claim of the elder arrives while the younger one appends, and the next event comes before it looks.
#[test]
fn whoever_learns_while_it_appends_that_it_lost_its_id_appends_under_another_one_next() {
    let (winner, mut loser) = (owner(1, "one"), owner(2, "two"));
    loser.say("msg-three", "three");
    overwrite(&winner, &mut loser);
    loser.work();
    loser.say("msg-four", "four");
    loser.work();
    let told = loser.told.iter().filter_map(|told| match told {
        Told::Acknowledged { machine, seq, .. } => Some((machine.as_str(), *seq)),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [("laptop", 1), ("laptop", 2), ("laptop-00000002", 1)]);
    let bodies: BTreeSet<_> = loser.bodies().into_iter().collect();
    assert_eq!(bodies, ["one", "two", "three", "four"].map(String::from).into());
}

#[test]
fn an_elder_owner_is_not_displaced_and_writes_again_what_the_other_one_overwrote() {
    let (mut elder, newcomer) = (owner(1, "one"), owner(2, "two"));
    overwrite(&newcomer, &mut elder);
    elder.feed(Input::Changed);
    elder.work();
    assert_eq!(elder.told.iter().filter(|told| matches!(told, Told::Moved(_))).count(), 0);
    let journal = elder.files.files[&own_path(&elder.settings, Log::Messages)].clone();
    let text = String::from_utf8(journal.bytes().to_vec()).unwrap();
    assert_eq!(text.lines().count(), 2, "{text}");
    elder.say("msg-three", "three");
    elder.work();
    // Both were said at one time under one number, and their order is that of their lines wherever those stand.
    assert_eq!(elder.bodies(), ["one", "two", "three"]);
}

#[test]
fn whoever_lost_an_id_gives_no_name_to_it() {
    let (winner, mut loser) = (owner(1, "one"), owner(2, "two"));
    // It has not looked yet when a person gives it another name.
    overwrite(&winner, &mut loser);
    let rename = Manage::Rename { old: "laptop".to_owned(), new: "desk".to_owned() };
    loser.feed(Input::Command(Command::Manage(rename)));
    loser.work();
    loser.say("msg-three", "three");
    loser.work();
    let told = loser.told.last();
    assert!(
        matches!(told, Some(Told::Acknowledged { machine, seq: 1, .. }) if machine == "desk"),
        "{told:?}"
    );
    assert_eq!(loser.driver.protocol().aliases().iter().count(), 0, "the old name is the winner's");
    let bodies: BTreeSet<_> = loser.bodies().into_iter().collect();
    assert_eq!(bodies, ["one", "two", "three"].map(String::from).into());
}

/// What is appended after a restart comes after what had been seen before it, although nothing foreign is read first.
#[test]
fn a_machine_that_starts_again_remembers_the_largest_clock_it_saw() {
    let mut laptop = Machine::start(Design::HARDENED, "laptop", MemoryFs::default());
    let mut server = Machine::start(Design::HARDENED, "server", MemoryFs::default());
    laptop.time = 3_600_000;
    laptop.say("msg-1", "from a fast clock");
    laptop.work();
    copy(&laptop, &mut server);
    let noted = String::from_utf8(server.files.files[&Path::local("clock.json")].bytes().to_vec()).unwrap();
    assert!(noted.starts_with("[1767140942"), "{noted}");
    // The foreign journal is not here when it starts again, and the edit is appended before it looks at anything.
    let foreign = own_path(&laptop.settings, Log::Messages);
    let mut files = server.files;
    files.files.remove(&foreign);
    let mut server = Machine::open(server.settings, files);
    server.edit("msg-1", "seen and changed");
    server.work();
    copy(&server, &mut laptop);
    assert_eq!(laptop.bodies(), ["seen and changed"]);
}

/// Files of which the journals of one machine must not be read.
struct Closed<'a>(&'a MemoryFs, &'a str);

impl cloudchamber_core::Fs for Closed<'_> {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        let foreign = path.name().contains(self.1) && path.name().ends_with(".jsonl");
        assert!(!foreign, "{path} was read");
        self.0.read(path, from)
    }

    fn list(&self, dir: &Path) -> Result<Vec<cloudchamber_core::Entry>, FsError> {
        self.0.list(dir)
    }
}

#[test]
fn no_foreign_journal_is_read_to_append() {
    let laptop = {
        let mut laptop = Machine::start(Design::HARDENED, "laptop", MemoryFs::default());
        laptop.say("msg-1", "one");
        laptop.work();
        laptop
    };
    let mut server = Machine::start(Design::HARDENED, "server", MemoryFs::default());
    copy(&laptop, &mut server);
    let (settings, mut files, mut told) = (server.settings, server.files, Vec::new());
    let closed = |files: &MemoryFs, step: &mut dyn FnMut(&Closed<'_>)| step(&Closed(files, "laptop"));
    let mut driver = None;
    closed(&files, &mut |fs| {
        driver = Some(Driver::<Journal>::open(&settings, at(0), Draw::Seed(1), fs, &mut told));
    });
    let mut driver = driver.unwrap();
    let event = Event::new(Kind::Message).with_text(Field::Id, "msg-2").with_text(Field::Body, "two");
    closed(&files, &mut |fs| {
        let input = Input::Command(event.clone().into());
        driver.feed(&settings, input, at(1), Draw::Seed(2), fs, &mut told);
    });
    while let Some(op) = driver.pending_op().cloned() {
        files.apply(&op).unwrap();
        closed(&files, &mut |fs| driver.applied(&settings, Ok(()), at(2), Draw::Seed(3), fs, &mut told));
    }
    assert!(matches!(told.last(), Some(Told::Acknowledged { .. })), "{told:?}");
}

#[test]
fn one_that_only_looks_writes_nothing_but_the_clock_that_was_shown() {
    let mut files = MemoryFs::default();
    files.put("shared/machines/laptop/messages.jsonl", "");
    let looking = Settings { joining: Joining::OnlyLooking, ..settings(Design::HARDENED, "unused") };
    let mut machine = Machine::open(Settings { viewing: Viewing::Beside, ..looking }, files);
    machine.feed(Input::Changed);
    assert_eq!((machine.driver.pending_op(), machine.told.last()), (None, Some(&Told::Looked)));
    for (ms, noted) in [(7, true), (7, false), (6, false), (8, true)] {
        machine.feed(Input::Command(Command::Manage(Manage::Saw { ms, count: 0 })));
        assert_eq!(machine.driver.pending_op().is_some(), noted, "{ms}");
        machine.apply();
    }
    let written: Vec<_> = machine.files.files.keys().filter(|path| path.root() == Root::Local).collect();
    assert_eq!(written, [&Path::local("clock.json")]);
    assert_eq!(machine.files.files[&Path::local("clock.json")], Content::from("[8,0]\n"));
}
