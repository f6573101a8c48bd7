//! The one loop on files that fail.

use std::cell::Cell;
use std::rc::Rc;

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::protocol::{Command, Joining, Journal, Manage, Settings, Told, Viewing};
use cloudchamber_core::journal::refusal::Refusal;
use cloudchamber_core::journal::schema::{Field, Kind};
use cloudchamber_core::journal::uphold::UPHOLD_MS;
use cloudchamber_core::{Content, Entry, Fs, FsError, FsMut, FsOp, Input, MemoryFs, Path};
use cloudchamber_host::runner::Advance;
use cloudchamber_host::{Lock, Runner};

/// Files in memory on a disk with room for so many more ops.
#[derive(Clone)]
struct Disk {
    files: MemoryFs,
    room: Rc<Cell<u32>>,
}

impl Fs for Disk {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        self.files.read(path, from)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        self.files.list(dir)
    }
}

impl FsMut for Disk {
    fn apply(&mut self, op: &FsOp) -> Result<(), FsError> {
        let left = self.room.get().checked_sub(1).ok_or(FsError::NoSpace)?;
        self.room.set(left);
        self.files.apply(op)
    }
}

fn settings(joining: Joining) -> Settings {
    Settings {
        design: Design::HARDENED,
        joining,
        scan_ms: 10_000,
        uphold_ms: UPHOLD_MS,
        viewing: Viewing::Beside,
        place: None,
    }
}

fn said(body: &str) -> Input<Journal> {
    let event =
        Event::new(Kind::Message).with_text(Field::Id, &format!("msg-{body}")).with_text(Field::Body, body);
    Input::Command(Command::from(event))
}

#[test]
fn an_event_is_acknowledged_only_when_every_op_was_applied_and_a_full_disk_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut failed = 0;
    for room in 0.. {
        let disk = Disk { files: MemoryFs::default(), room: Rc::new(Cell::new(u32::MAX)) };
        let mut told = Vec::new();
        let mut heard = |_: &Journal, event: &Told| told.push(event.clone());
        let lock = Lock::wait(dir.path()).unwrap();
        let joining = Joining::Under("laptop".to_owned());
        let mut runner = Runner::open(settings(joining), disk.clone(), lock, &mut heard);
        runner.settle(&mut heard).unwrap();
        runner.feed(said("one"), &mut heard);
        runner.settle(&mut heard).unwrap();
        disk.room.set(room);
        runner.feed(said("two"), &mut heard);
        let result = runner.settle(&mut heard);
        // There is room again, and the next event comes after whatever the failure left.
        disk.room.set(u32::MAX);
        runner.feed(said("three"), &mut heard);
        runner.settle(&mut heard).unwrap();
        let acknowledged: Vec<_> = told
            .iter()
            .filter_map(|told| match told {
                Told::Acknowledged { seq, line, path, .. } => Some((*seq, line.clone(), path.clone())),
                _ => None,
            })
            .collect();
        let content = runner.fs().read(&acknowledged[0].2, 0).unwrap();
        let text = String::from_utf8(content.bytes().to_vec()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(acknowledged.iter().all(|(_, line, _)| lines.contains(&line.as_str())), "{room}: {text}");
        let seqs: Vec<_> = acknowledged.iter().map(|(seq, ..)| *seq).collect();
        assert!(seqs.is_sorted_by(|one, other| one < other), "{room}: {seqs:?}");
        if result.is_ok() {
            assert_eq!((seqs.len(), failed), (3, room), "every op may fail");
            break;
        }
        failed += 1;
        assert_eq!(result.unwrap_err().error, FsError::NoSpace);
        let became = |told: &Told| matches!(told, Told::Failed | Told::Kept { .. } | Told::Unsure { .. });
        assert_eq!((seqs.len(), told.iter().any(became)), (2, true), "{room}: {told:?}");
    }
    assert!(failed >= 5, "an append has five ops: {failed}");
}

#[test]
fn it_does_one_thing_at_a_time_and_says_which() {
    let dir = tempfile::tempdir().unwrap();
    let lock = Lock::wait(dir.path()).unwrap();
    let mut heard = |_: &Journal, _: &Told| {};
    let joining = Joining::Under("laptop".to_owned());
    let mut runner = Runner::open(settings(joining), MemoryFs::default(), lock, &mut heard);
    let mut ops = 0;
    while runner.pending_op().is_some() {
        assert_eq!(runner.advance(&mut heard), Advance::Op(Ok(())));
        ops += 1;
    }
    assert!(ops > 3, "{ops}");
    assert_eq!(runner.advance(&mut heard), Advance::Idle);
    // It is due to look, and then not for a while.
    assert!(runner.tick(&mut heard) && !runner.tick(&mut heard));
    runner.rest();
    let other = Lock::attempt(dir.path()).unwrap();
    assert!(other.is_some(), "while it rests others may write");
    drop(other);
    runner.resume(Lock::wait(dir.path()).unwrap());
    assert!(Lock::attempt(dir.path()).unwrap().is_none());
    assert_eq!(runner.advance(&mut heard), Advance::Idle);
}

#[test]
fn one_that_has_no_id_takes_none_and_may_still_give_names() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = MemoryFs::default();
    files.files.insert(Path::shared("shared/machines/laptop/messages.jsonl"), Content::new([]));
    let mut told = Vec::new();
    let mut heard = |_: &Journal, event: &Told| told.push(event.clone());
    let lock = Lock::wait(dir.path()).unwrap();
    let mut runner = Runner::open(settings(Joining::AsKnown), files, lock, &mut heard);
    runner.settle(&mut heard).unwrap();
    let rename = Manage::Rename { old: "laptop".to_owned(), new: "desk".to_owned() };
    runner.feed(Input::Command(Command::Manage(rename)), &mut heard);
    runner.settle(&mut heard).unwrap();
    assert_eq!(runner.protocol().aliases().get("laptop"), Some(Some("desk")));
    assert_eq!((runner.protocol().identity(), &told[0]), (None, &Told::Refused(Refusal::NoIdentity)));
}
