//! What holds of notes whatever comes: any order, part and number of files, and a crash at any op.

#![expect(clippy::unwrap_used, reason = "a test stops where its data is not what it says")]

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::notes::crdt_log::LogFile;
use cloudchamber_core::notes::{Change, Command, Event, Kind, State};
use cloudchamber_core::{Content, Design, FsOp, Input, Path};
use notes_support::{Replica, exchange};
use proptest::prelude::*;

mod notes_support;

const IDS: [&str; 3] = ["instaaaaaaaaaaaaaaaaaa", "instbbbbbbbbbbbbbbbbbb", "instcccccccccccccccccc"];
const NOTES: [&str; 2] = ["note-1", "note-2"];

/// One thing that happens to three instances.
#[derive(Clone, Debug)]
enum Act {
    /// An instance makes a note, or writes on in it.
    Type(usize, usize),
    /// It puts a note into the trash, or takes it out.
    Trash(usize, usize, bool),
    /// It deletes a note for good.
    Delete(usize, usize),
    Snapshot(usize, usize),
    /// A file of one comes to another: which, and how much of it; the rest may be zeros.
    Carry(usize, usize, prop::sample::Index, prop::sample::Index, Part),
    Restart(usize),
    Pass(usize, u64),
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Whole,
    Prefix,
    Nul,
    /// Under the name of a conflict copy.
    Copy,
}

fn acts(len: usize) -> impl Strategy<Value = Vec<Act>> {
    let (who, note) = (0..3_usize, 0..2_usize);
    let part = prop_oneof![Just(Part::Whole), Just(Part::Prefix), Just(Part::Nul), Just(Part::Copy)];
    let carry = (who.clone(), who.clone(), any::<prop::sample::Index>(), any::<prop::sample::Index>(), part);
    let act = prop_oneof![
        6 => (who.clone(), note.clone()).prop_map(|(who, note)| Act::Type(who, note)),
        1 => (who.clone(), note.clone(), any::<bool>()).prop_map(|(who, note, trash)| Act::Trash(who, note, trash)),
        1 => (who.clone(), note.clone()).prop_map(|(who, note)| Act::Snapshot(who, note)),
        10 => carry.prop_map(|(from, to, which, cut, part)| Act::Carry(from, to, which, cut, part)),
        1 => who.clone().prop_map(Act::Restart),
        1 => (who.clone(), 0..700_000_u64).prop_map(|(who, ms)| Act::Pass(who, ms)),
    ];
    // A deletion ends what can be said of a note, so it comes late and seldom.
    (prop::collection::vec(act, 0..len), prop::option::of((who, note))).prop_map(|(mut acts, delete)| {
        acts.extend(delete.map(|(who, note)| Act::Delete(who, note)));
        acts
    })
}

/// Three instances, and what their people have been promised.
struct Three {
    replicas: Vec<Replica>,
    /// The words that were acknowledged, by note.
    words: BTreeMap<usize, Vec<String>>,
    deleted: BTreeSet<usize>,
    /// The bytes of every record that was ever seen, by note, instance and number.
    records: BTreeMap<(String, String, u64), Vec<u8>>,
    count: usize,
}

impl Three {
    fn new(kind: Kind) -> Self {
        let replicas = IDS.map(|id| Replica::started(Design::Hardened, kind, id)).into();
        Self {
            replicas,
            words: BTreeMap::new(),
            deleted: BTreeSet::new(),
            records: BTreeMap::new(),
            count: 0,
        }
    }

    fn act(&mut self, act: &Act) {
        match act {
            Act::Type(who, note) => {
                self.count += 1;
                let word = format!("word{};", self.count);
                let replica = &mut self.replicas[*who];
                let known = replica.notes().note(&replica.config, NOTES[*note]);
                let told = match known {
                    None => replica.create(NOTES[*note], &word),
                    Some(_) => replica.append(NOTES[*note], &word),
                };
                if told.iter().any(|event| matches!(event, Event::Written { .. })) {
                    self.words.entry(*note).or_default().push(word);
                }
            }
            Act::Trash(who, note, trash) => {
                let note = NOTES[*note].to_owned();
                let command = if *trash { Command::Delete { note } } else { Command::Restore { note } };
                self.replicas[*who].command(command);
            }
            Act::Delete(who, note) => {
                let told =
                    self.replicas[*who].command(Command::PermanentlyDelete { note: NOTES[*note].to_owned() });
                if told.iter().any(|event| matches!(event, Event::Deleted { .. })) {
                    self.deleted.insert(*note);
                }
            }
            Act::Snapshot(who, note) => {
                self.replicas[*who].command(Command::Snapshot { note: NOTES[*note].to_owned() });
            }
            Act::Carry(from, to, which, cut, part) => self.carry(*from, *to, *which, *cut, *part),
            Act::Restart(who) => self.replicas[*who].start(),
            Act::Pass(who, ms) => self.replicas[*who].pass(*ms),
        }
        self.check();
    }

    fn carry(
        &mut self,
        from: usize,
        to: usize,
        which: prop::sample::Index,
        cut: prop::sample::Index,
        part: Part,
    ) {
        let files: Vec<_> = self.replicas[from]
            .shared()
            .into_iter()
            .filter(|(path, _)| path.name().contains(IDS[from]))
            .collect();
        if from == to || files.is_empty() {
            return;
        }
        let (path, content) = &files[which.index(files.len())];
        let cut = cut.index(content.len() + 1);
        let (path, bytes) = match part {
            Part::Whole => (path.clone(), content.clone()),
            Part::Prefix => (path.clone(), content.prefix(cut)),
            Part::Nul => {
                let zeros = vec![0; content.len() - cut];
                (path.clone(), Content::new([content.prefix(cut).bytes(), &zeros].concat()))
            }
            Part::Copy => {
                let (stem, ext) = path.file_name().rsplit_once('.').unwrap();
                (path.parent().unwrap().join(&format!("{stem} (1).{ext}")), content.prefix(cut))
            }
        };
        self.replicas[to].fs.files.insert(path, bytes);
        self.replicas[to].feed(Input::Changed);
        self.replicas[to].settle();
    }

    /// What holds at any moment.
    fn check(&mut self) {
        for (who, replica) in self.replicas.iter().enumerate() {
            for (note, id) in NOTES.iter().enumerate() {
                let text = replica.text(id).unwrap_or_default();
                for word in text.split_inclusive(';').map(str::trim_start) {
                    assert!(
                        self.words[&note].iter().any(|known| known == word),
                        "{word:?} was never written: {text:?}"
                    );
                }
                if self.deleted.contains(&note) && replica.notes().is_deleted(id) {
                    assert_eq!(replica.text(id), None);
                }
            }
            for (path, content) in replica.shared() {
                // Own files are never torn here, so each record in them was written by their owner.
                if path.name().ends_with(".crdtlog") && path.name().contains(IDS[who]) {
                    let note = path.name().split('/').nth(1).unwrap().to_owned();
                    for record in LogFile::read(content.bytes()).records {
                        let key = (note.clone(), IDS[who].to_owned(), record.seq);
                        let data = content.bytes()[record.data].to_vec();
                        let first = self.records.entry(key.clone()).or_insert_with(|| data.clone());
                        assert_eq!(*first, data, "{key:?} names two contents");
                    }
                }
            }
        }
    }

    /// All files come, and what then holds.
    fn converge(mut self) -> Vec<(Option<String>, Option<State>)> {
        for _ in 0..3 {
            exchange(&mut self.replicas);
        }
        self.check();
        let mut result = Vec::new();
        for (note, id) in NOTES.iter().enumerate() {
            let all: Vec<_> = self
                .replicas
                .iter()
                .map(|replica| {
                    (replica.text(id), replica.notes().note(&replica.config, id).map(|note| note.state))
                })
                .collect();
            assert!(all.windows(2).all(|pair| pair[0] == pair[1]), "{id}: {all:?}");
            let (text, state) = all[0].clone();
            assert_eq!(state == Some(State::Deleted), self.deleted.contains(&note), "{id}");
            if state != Some(State::Deleted) {
                for word in self.words.get(&note).into_iter().flatten() {
                    assert_eq!(
                        text.as_ref().unwrap().matches(word.as_str()).count(),
                        1,
                        "{id}: {word} in {text:?}"
                    );
                }
            }
            result.push((text, state));
        }
        for replica in &self.replicas {
            assert_eq!(replica.notes().awaited(), vec![]);
            assert!(!replica.events.iter().any(|event| matches!(event, Event::Moved { .. } | Event::Failed)));
            for id in NOTES {
                let note = replica.notes().note(&replica.config, id);
                assert!(note.is_none_or(|note| !note.is_incomplete || note.state == State::Deleted));
            }
        }
        result
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_came_before_all_become_one(acts in acts(40), yjs in any::<bool>()) {
        let mut three = Three::new(if yjs { Kind::Yjs } else { Kind::Records });
        acts.iter().for_each(|act| three.act(act));
        three.converge();
    }

    /// Where the documents stand for themselves, the verdicts are those of Yjs: at any moment which records are here,
    /// which are waited for and what is deleted, and at the end that every word is there, once and for all alike. In
    /// between Yjs may show less, since a change waits for what it was made on.
    #[test]
    fn both_kinds_of_documents_give_one_verdict(acts in acts(30)) {
        let [yjs, records] = [Kind::Yjs, Kind::Records].map(|kind| {
            let mut three = Three::new(kind);
            let mut seen = Vec::new();
            for act in &acts {
                // Bytes differ in length, so a part of a file is another part.
                if !matches!(act, Act::Carry(.., Part::Prefix | Part::Nul | Part::Copy)) {
                    three.act(act);
                }
                for replica in &three.replicas {
                    for id in NOTES {
                        let note = replica.notes().note(&replica.config, id);
                        let numbers = note.map(|note| (note.state == State::Deleted, note.numbers));
                        seen.push((numbers, replica.notes().awaited()));
                    }
                }
            }
            (seen, three.converge().into_iter().map(|(_, state)| state.map(is_here)).collect::<Vec<_>>())
        });
        prop_assert_eq!(yjs, records);
    }
}

/// A note is here, also in the trash: whether it lies there after two did different things at once, Yjs decides by the
/// clients' numbers.
fn is_here(state: State) -> State {
    if state == State::Trashed { State::Live } else { state }
}

/// How much of an op may have happened when the machine loses power in the middle of it.
fn parts(op: &FsOp) -> Vec<Option<FsOp>> {
    let mut parts = vec![None];
    if let FsOp::Append { path, bytes } = op {
        for cut in [1, bytes.len() / 2, bytes.len().saturating_sub(1)] {
            parts.push(Some(FsOp::Append { path: path.clone(), bytes: bytes.prefix(cut) }));
        }
        parts.push(Some(FsOp::Append { path: path.clone(), bytes: Content::new(vec![0; bytes.len()]) }));
    }
    if let FsOp::CreateNew { path, content } = op {
        for bytes in
            [Content::new([]), content.prefix(content.len() / 2), Content::new(vec![0; content.len()])]
        {
            parts.push(Some(FsOp::CreateNew { path: path.clone(), content: bytes }));
        }
    }
    parts.push(Some(op.clone()));
    parts
}

/// A script of one instance; its process dies at op `at`, of which `part` has happened.
fn run_until(kind: Kind, at: usize, part: usize) -> Option<(Replica, Vec<String>, bool)> {
    let script = [
        Command::Create { note: Some("note-1".to_owned()), text: "one;".to_owned() },
        Command::Edit { note: "note-1".to_owned(), change: Change::Append("two;".to_owned()) },
        Command::Create { note: Some("note-2".to_owned()), text: "gone;".to_owned() },
        Command::Snapshot { note: "note-1".to_owned() },
        Command::PermanentlyDelete { note: "note-2".to_owned() },
        Command::Edit { note: "note-1".to_owned(), change: Change::Append("three;".to_owned()) },
    ];
    let words = ["one;", "two;", "", "", "", "three;"];
    let mut replica = Replica::new(Design::Hardened, kind, IDS[0]);
    replica.open();
    let (mut done, mut acknowledged, mut deleted) = (0, Vec::new(), false);
    for (command, word) in
        std::iter::once(None).chain(script.into_iter().map(Some)).zip(std::iter::once("").chain(words))
    {
        let told = replica.events.len();
        if let Some(command) = command {
            replica.feed(Input::Command(command));
        }
        while let Some(op) = replica.pending() {
            if done == at {
                let parts = parts(&op);
                let op = parts.get(part)?;
                if let Some(op) = op {
                    cloudchamber_core::FsMut::apply(&mut replica.fs, op).unwrap();
                }
                replica.driver = None;
                return Some((replica, acknowledged, deleted));
            }
            replica.apply(None);
            done += 1;
        }
        let told = &replica.events[told..];
        if !word.is_empty() && told.iter().any(|event| matches!(event, Event::Written { .. })) {
            acknowledged.push(word.to_owned());
        }
        deleted |= told.iter().any(|event| matches!(event, Event::Deleted { .. }));
    }
    None
}

#[test]
fn a_crash_at_any_op_loses_nothing_and_uses_no_number_twice() {
    for kind in [Kind::Yjs, Kind::Records] {
        let (mut at, mut crashes) = (0, 0);
        loop {
            let mut part = 0;
            while let Some((mut replica, words, deleted)) = run_until(kind, at, part) {
                let case = format!("{kind:?}, op {at}, part {part}");
                let before = records(&replica);
                replica.start();
                replica.pass(10_000);
                let text = replica.text("note-1").unwrap_or_default();
                for word in &words {
                    assert!(text.contains(word.as_str()), "{case}: {text:?} lacks {word}");
                }
                assert!(!deleted || replica.notes().is_deleted("note-2"), "{case}");
                if replica.text("note-1").is_none() {
                    replica.create("note-1", "after;");
                } else {
                    replica.append("note-1", "after;");
                }
                let text = replica.text("note-1").unwrap_or_default();
                assert!(text.ends_with("after;"), "{case}: {text:?}, {:?}", replica.events);
                assert!(!replica.events.iter().any(|event| matches!(event, Event::Moved { .. })), "{case}");
                let after = records(&replica);
                for (key, data) in before {
                    let now = after.get(&key);
                    assert!(
                        now == Some(&data) || key.0 == "note-2" && now.is_none(),
                        "{case}: {key:?} has changed"
                    );
                }
                // What it has on disk is what another one reads.
                let mut other = Replica::started(Design::Hardened, kind, IDS[1]);
                notes_support::carry(&replica, &mut other, |_| true);
                other.sync();
                assert_eq!(other.text("note-1"), replica.text("note-1"), "{case}");
                assert_eq!(
                    other.notes().is_deleted("note-2"),
                    replica.notes().is_deleted("note-2"),
                    "{case}"
                );
                crashes += 1;
                part += 1;
            }
            if part == 0 {
                break;
            }
            at += 1;
        }
        assert!(at > 25 && crashes > 100, "{at} ops, {crashes} crashes");
    }
}

/// The records of an instance's own shared logs.
fn records(replica: &Replica) -> BTreeMap<(String, u64), Vec<u8>> {
    let mut found = BTreeMap::new();
    for (path, content) in replica.shared().into_iter().filter(|(path, _)| path.name().ends_with(".crdtlog"))
    {
        let note = path.name().split('/').nth(1).unwrap().to_owned();
        for record in LogFile::read(content.bytes()).records {
            found.insert((note.clone(), record.seq), content.bytes()[record.data].to_vec());
        }
    }
    found
}

proptest! {
    /// Foreign bytes in any file: nothing panics, the own note is there, and nobody's file is touched.
    #[test]
    fn bytes_of_nobody_harm_nobody(
        files in prop::collection::vec((0..6_usize, prop::collection::vec(prop_oneof![Just(0_u8), Just(b'|'), Just(b'\n'), 0..12_u8, any::<u8>()], 0..120), any::<bool>()), 1..6),
    ) {
        let mut replica = Replica::started(Design::Hardened, Kind::Yjs, IDS[0]);
        replica.create("own", "mine");
        let mut theirs = Vec::new();
        for (at, (which, bytes, whole)) in files.into_iter().enumerate() {
            let (name, header): (String, &[u8]) = match which {
                0 => (format!("notes/n{at}/logs/p.{}.{at}.crdtlog", IDS[1]), b"NCLG\x01"),
                1 => (format!("notes/n{at}/snapshots/{}_{at}.snapshot", IDS[1]), b"NCSS\x01\x01"),
                2 => (format!("activity/p.{}.log", IDS[1]), b""),
                3 => (format!("deleted/p.{}.log", IDS[1]), b""),
                4 => (format!("notes/own/logs/p.{}.{at}.crdtlog", IDS[1]), b"NCLG\x01"),
                _ => (format!("notes/own/snapshots/{}_{at}.snapshot", IDS[1]), b"NCSS\x01\x01"),
            };
            let bytes = if whole { [header, &bytes].concat() } else { bytes };
            let path = Path::shared(&name);
            theirs.retain(|(known, _)| *known != path);
            theirs.push((path, Content::new(bytes.clone())));
            replica.put(&format!("shared:{name}"), bytes);
        }
        replica.sync();
        let _ = replica.notes().list(&replica.config);
        let _ = replica.notes().problems(&replica.config);
        prop_assert!(replica.text("own").unwrap().contains("mine"));
        replica.append("own", "!");
        replica.start();
        replica.pass(1_000_000);
        prop_assert!(replica.text("own").unwrap().contains("mine"));
        for (path, content) in theirs {
            prop_assert_eq!(replica.fs.files.get(&path), Some(&content), "{}", path);
        }
        let mut published = Replica::new(Design::Published, Kind::Yjs, IDS[2]);
        notes_support::carry(&replica, &mut published, |_| true);
        published.start();
        published.pass(20_000);
    }
}
