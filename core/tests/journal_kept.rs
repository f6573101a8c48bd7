//! What a machine keeps of journals: copies, backups, journals that vanish, and what cannot be read.

#![expect(clippy::unwrap_used, reason = "a test stops where its surroundings are not what it needs")]

use std::collections::BTreeSet;

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::folder::Folder;
use cloudchamber_core::journal::merge::merge;
use cloudchamber_core::journal::protocol::{Settings, Told, own_path};
use cloudchamber_core::journal::schema::{Field, Kind, Log};
use cloudchamber_core::journal::show::Shown;
use cloudchamber_core::journal::uphold::UPHOLD_MS;
use cloudchamber_core::journal::verify::verify;
use cloudchamber_core::kit::identity::Place;
use cloudchamber_core::{FsError, Input, MemoryFs, Path, Root, WallMs};
use machine::{Machine, copy, settings};

#[path = "support/machine.rs"]
mod machine;

/// A local directory that was copied to a second computer claims with the nonce of the first.
#[test]
fn a_copy_of_a_local_directory_is_not_gone_on_with() {
    let place = |host: &str, number| Place { host: host.to_owned(), directory: "/local".to_owned(), number };
    let at = |place| Settings { place: Some(place), ..settings(Design::HARDENED, "laptop") };
    // Where directories have no numbers, the claim tells.
    let mut first = Machine::open(at(place("desk", None)), MemoryFs::default());
    first.say("msg-1", "one");
    first.work();
    let refused = |machine: &Machine| {
        let refused = machine.told.iter().filter(|told| matches!(told, Told::Refused(_)));
        refused.map(|told| format!("{told:?}")).collect::<Vec<_>>()
    };
    let mut copy = Machine::open(at(place("server", None)), first.files.clone());
    copy.say("msg-2", "two");
    copy.work();
    assert_eq!(copy.acknowledged(), 0);
    assert!(refused(&copy)[0].contains("/local on desk"), "{:?}", refused(&copy));
    // A computer that changed its name is the same machine still.
    let mut first = Machine::open(at(place("desk", Some(1))), MemoryFs::default());
    first.say("msg-1", "one");
    first.work();
    let mut again = Machine::open(at(place("desk.lan", Some(1))), first.files.clone());
    again.say("msg-2", "two");
    again.work();
    assert_eq!((again.acknowledged(), refused(&again).len()), (1, 0));
}

/// A local directory with its shadow and the folder come back from a backup, on the same computer: what was written
/// since is known to others only, and its numbers are used.
#[test]
fn a_restored_machine_uses_no_number_again_and_keeps_all_that_it_had() {
    let place =
        |number| Place { host: "desk".to_owned(), directory: "/local".to_owned(), number: Some(number) };
    let at = |number| Settings { place: Some(place(number)), ..settings(Design::HARDENED, "laptop") };
    let mut first = Machine::open(at(1), MemoryFs::default());
    first.say("msg-1", "one");
    first.work();
    let backup = first.files.clone();
    first.say("msg-2", "two");
    first.work();
    // Once with the folder as it was, and once before it has arrived.
    for arrived in [true, false] {
        let mut files = backup.clone();
        if !arrived {
            files.files.retain(|path, _| path.root() == Root::Local);
        }
        let mut restored = Machine::open(at(2), files);
        restored.say("msg-3", "three");
        restored.work();
        assert_eq!(restored.acknowledged(), usize::from(arrived), "{:?}", restored.told);
        // The folder arrives, with what was written since.
        let shared = first.files.files.iter().filter(|(path, _)| path.root() == Root::Shared);
        for (path, content) in shared {
            restored.files.files.insert(path.clone(), content.clone());
        }
        restored.feed(Input::Changed);
        restored.work();
        restored.say("msg-4", "four");
        restored.work();
        let own = restored.driver.protocol().identity().unwrap().clone();
        assert!(own.id.starts_with("laptop-"), "{own:?}");
        let folder = Folder::read(&restored.files, &Design::HARDENED);
        let problems = verify(&restored.files, &Design::HARDENED, &folder, WallMs(2_000_000_000_000));
        assert!(problems.iter().all(|problem| problem.kind.name() == "conflict-copy"), "{problems:?}");
        let expected = if arrived { vec!["four", "one", "three", "two"] } else { vec!["four", "one", "two"] };
        let bodies = folder.with_sources(&Design::HARDENED, |sources| {
            let view = merge(&Design::HARDENED, sources);
            let shown = Shown { design: &Design::HARDENED, sources, view: &view }.json();
            let messages = shown["messages"].as_array().unwrap().iter();
            messages.map(|message| message["body"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
        });
        assert_eq!(bodies.into_iter().collect::<Vec<_>>(), expected, "{arrived}");
    }
}

/// A client that takes an older tree for a change removes what came later, here one journal of two.
#[test]
fn an_own_journal_that_vanishes_is_written_again_while_others_are_here() {
    let mut laptop = Machine::start(Design::HARDENED, "laptop", MemoryFs::default());
    laptop.say("msg-1", "one");
    laptop.work();
    let thread = Event::new(Kind::Thread).with_text(Field::Guid, "thrd-1").with_text(Field::Name, "one");
    laptop.feed(Input::Command(thread.into()));
    laptop.work();
    let [messages, threads] = [Log::Messages, Log::Threads].map(|log| own_path(&laptop.settings, log));
    let whole = laptop.files.files.clone();
    for (gone, is_written_again) in
        [(vec![&threads], true), (vec![&messages], true), (vec![&messages, &threads], false)]
    {
        laptop.files.files = whole.clone();
        for path in &gone {
            laptop.files.files.remove(*path);
        }
        laptop.feed(Input::Changed);
        laptop.work();
        for path in gone {
            let content = laptop.files.files.get(path);
            assert_eq!(content, whole.get(path).filter(|_| is_written_again), "{path}");
        }
    }
}

/// An older file of a machine that does not come back takes from the folder what this one has read of it.
#[test]
fn what_another_machine_lost_is_said_again_after_long_and_once() {
    let mut laptop = Machine::start(Design::HARDENED, "laptop", MemoryFs::default());
    laptop.say("msg-1", "one");
    laptop.work();
    let mut server = Machine::start(Design::HARDENED, "server", MemoryFs::default());
    server.say("msg-2", "two");
    server.work();
    let older = server.files.files[&own_path(&server.settings, Log::Messages)].clone();
    server.say("msg-3", "three");
    server.work();
    copy(&server, &mut laptop);
    laptop.files.files.insert(own_path(&server.settings, Log::Messages), older);
    let said = Path::shared("shared/machines/laptop/messages.of-server.jsonl");
    let mut look = |at: u64| {
        laptop.time = at;
        laptop.feed(Input::Timer);
        laptop.work();
        laptop.files.files.contains_key(&said)
    };
    let first = 1_000_000;
    let looks = [0, 600_000, UPHOLD_MS - 1, UPHOLD_MS, UPHOLD_MS + 10_000].map(|after| look(first + after));
    assert_eq!(looks, [false, false, false, true, true]);
    let text = String::from_utf8(laptop.files.files[&said].bytes().to_vec()).unwrap();
    assert!(text.contains("msg-3") && !text.contains("msg-2"), "{text}");
    assert_eq!(laptop.bodies(), ["one", "two", "three"]);
    // Who never read the server hears of it, and says nothing himself.
    let mut phone = Machine::start(Design::HARDENED, "phone", MemoryFs::default());
    copy(&laptop, &mut phone);
    assert_eq!(phone.bodies(), ["one", "two", "three"]);
}

#[test]
fn what_a_machine_keeps_and_cannot_read_now_is_missing_nowhere() {
    let mut laptop = Machine::start(Design::HARDENED, "laptop", MemoryFs::default());
    let mut server = Machine::start(Design::HARDENED, "server", MemoryFs::default());
    server.time = 3_600_000;
    server.say("msg-1", "from a fast clock");
    server.work();
    copy(&server, &mut laptop);
    laptop.feed(Input::Changed);
    laptop.work();
    assert_eq!(laptop.bodies(), ["from a fast clock"]);
    // The journal is gone, so that it stands only in what was kept of it, which cannot be read.
    let whole = laptop.files.files.clone();
    laptop.files.files.retain(|path, _| !path.name().contains("machines/server"));
    let kept: Vec<Path> =
        laptop.files.files.keys().filter(|path| path.root() == Root::Local).cloned().collect();
    let hold = |machine: &mut Machine| {
        machine.files.unreadable.extend(kept.iter().map(|path| (path.clone(), FsError::NotLocal)));
    };
    hold(&mut laptop);
    laptop.feed(Input::Changed);
    laptop.work();
    assert_eq!(laptop.bodies(), ["from a fast clock"], "it goes on showing what it showed");
    // One that starts then neither appends nor forgets the clock that it had noted.
    let mut again = Machine::start(Design::HARDENED, "laptop", laptop.files.clone());
    again.say("msg-2", "refused");
    again.work();
    assert_eq!(again.acknowledged(), 0, "{:?}", again.told);
    again.files.unreadable.clear();
    again.files.files.extend(whole.into_iter().filter(|(path, _)| path.root() == Root::Shared));
    again.edit("msg-1", "seen and changed");
    again.work();
    again.feed(Input::Changed);
    again.work();
    assert_eq!(again.bodies(), ["seen and changed"], "what it had seen comes before what it appends");
}
