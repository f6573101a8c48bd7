//! Notes: loading a long one, discovering a few new ones among many, snapshots; beside `yrs` alone where it does the
//! same.
//!
//! A record is what the notes' own code makes of one keystroke: a letter, or one letter less, and the time of the
//! change. Several instances type bursts of them into paragraphs of their own and hear of each other's after each.
//! Ours begins with the bytes of their log files and ends with the text; it looks at every update before the decoder
//! does, and finds what is missing, cut or used twice. `yrs` alone is handed the updates, cut out of the files
//! already, trusts them, and stops when they are applied.

use std::path::Path as OsPath;

use cloudchamber_core::notes::crdt_log::{LOG_HEADER, log_record};
use cloudchamber_core::notes::document::{Author, Deed, Parts};
use cloudchamber_core::notes::load::{Loaded, Log, Snapshot};
use cloudchamber_core::notes::names::{log_file_name, logs_dir};
use cloudchamber_core::notes::snapshot::{ClockEntry, sealed_snapshot};
use cloudchamber_core::notes::{Config, Document, Form, Kind, Notes};
use cloudchamber_core::{Content, Design, FsMut as _, FsOp, Input, Path};
use cloudchamber_host::{Lock, OsFs, Runner};
use yrs::updates::decoder::Decode as _;
use yrs::{
    Doc, GetString as _, Map as _, MapRef, Options, ReadTxn as _, StateVector, Text as _, Transact as _,
    TransactionMut, Update, XmlElementPrelim, XmlFragment as _, XmlFragmentRef, XmlTextPrelim, XmlTextRef,
};

use super::counted::Counted;
pub use super::delta::SyncError;
use super::{Files, Timed, done};

/// What is measured.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Load {
    /// Records of the long note, over all instances.
    pub records: usize,
    /// Instances that wrote it.
    pub instances: usize,
    /// Notes in the folder.
    pub notes: usize,
    /// How many of them are new.
    pub new: usize,
}

impl Load {
    /// A hundred thousand records of four instances; ten new notes in ten thousand.
    pub const FULL: Self = Self { records: 100_000, instances: 4, notes: 10_000, new: 10 };
}

/// The tasks, as the report calls them.
pub mod task {
    /// From log files to a text.
    pub const LOAD: &str = "load a note from its logs";
    /// From log files of which one lacks an early record.
    pub const HOLE: &str = "load a note of which one record is missing";
    /// New notes are found in the folder.
    pub const DISCOVER: &str = "discover new notes";
    /// Nothing is new.
    pub const IDLE: &str = "look, and nothing is new";
    /// A merged state becomes the bytes of a file.
    pub const WRITE: &str = "snapshot: write";
    /// The bytes of a file become a text.
    pub const READ: &str = "snapshot: read";
}

/// Who does it, as the report calls them.
pub mod by {
    /// Ours.
    pub const OURS: &str = "cloudchamber";
    /// The `yrs` crate, all updates in one transaction.
    pub const YRS: &str = "yrs alone, in one transaction";
    /// The `yrs` crate, as a program does that hears of one update after the other.
    pub const YRS_EACH: &str = "yrs alone, a transaction each";
    /// The `yrs` crate, encoding or applying a merged state.
    pub const YRS_STATE: &str = "yrs alone";
}

/// Bursts after which instances hear of each other, in records.
const BURST: usize = 100;

fn instance(number: usize) -> String {
    format!("instance{number:014}")
}

fn doc(client: u64) -> Doc {
    Doc::with_options(Options {
        offset_kind: yrs::OffsetKind::Utf16,
        ..Options::with_guid_and_client_id("note".into(), yrs::ClientID::new(client))
    })
}

fn roots(doc: &Doc) -> (MapRef, XmlFragmentRef) {
    (doc.get_or_insert_map("metadata"), doc.get_or_insert_xml_fragment("content"))
}

fn apply(doc: &Doc, update: &[u8]) {
    let update = Update::decode_v1(update).expect("what was written is read");
    doc.transact_mut().apply_update(update).expect("what was written is applied");
}

/// How long a paragraph gets: `yrs` looks for a place from the front of a text on.
const PARAGRAPH: u32 = 400;

/// One who types into paragraphs of his own.
struct Typist {
    doc: Doc,
    content: XmlFragmentRef,
    text: XmlTextRef,
    metadata: MapRef,
    draws: u64,
    now_ms: u64,
}

impl Typist {
    /// The next keystroke, as the update that it makes.
    fn type_on(&mut self) -> Vec<u8> {
        self.draws =
            self.draws.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.now_ms += 120;
        let mut txn = self.doc.transact_mut();
        if self.text.len(&txn) >= PARAGRAPH {
            self.text = paragraph(&mut txn, &self.content);
        }
        let (draw, len) = ((self.draws >> 33) as u32, self.text.len(&txn));
        match draw % 10 {
            0 if len > 0 => self.text.remove_range(&mut txn, draw / 10 % len, 1),
            1 | 2 if len > 0 => self.text.insert(&mut txn, draw / 10 % len, "x"),
            _ => self.text.insert(&mut txn, len, if draw.is_multiple_of(6) { " " } else { "e" }),
        }
        self.metadata.insert(&mut txn, "modified", self.now_ms as f64);
        txn.encode_update_v1()
    }
}

/// A new paragraph behind all that are there.
fn paragraph(txn: &mut TransactionMut<'_>, content: &XmlFragmentRef) -> XmlTextRef {
    let at = content.len(txn);
    let block = content.insert(txn, at, XmlElementPrelim::empty("paragraph"));
    block.insert(txn, 0, XmlTextPrelim::new(""))
}

/// The updates of a long note in the order in which they were made, each with the number of its instance.
#[must_use]
pub fn typed(load: Load) -> Vec<(usize, Vec<u8>)> {
    let mut all = Vec::new();
    let mut typists: Vec<Typist> = (0..load.instances)
        .map(|number| {
            let doc = doc(1_000 + number as u64);
            let (metadata, content) = roots(&doc);
            let mut txn = doc.transact_mut();
            if number == 0 {
                metadata.insert(&mut txn, "id", "note");
            }
            let text = paragraph(&mut txn, &content);
            all.push((number, txn.encode_update_v1()));
            drop(txn);
            Typist { doc, content, text, metadata, draws: number as u64, now_ms: 1_764_374_400_000 }
        })
        .collect();
    let mut left = load.records - load.instances;
    let mut heard = 0;
    loop {
        // Each hears of what the others have done since.
        for (number, typist) in typists.iter().enumerate() {
            let of_others = all[heard..].iter().filter(|(other, _)| *other != number);
            of_others.for_each(|(_, update)| apply(&typist.doc, update));
        }
        heard = all.len();
        if left == 0 {
            return all;
        }
        for (number, typist) in typists.iter_mut().enumerate() {
            let burst = BURST.min(left);
            left -= burst;
            all.extend((0..burst).map(|_| (number, typist.type_on())));
        }
    }
}

/// A long note as files, and its updates as `yrs` wants them.
#[derive(Clone, Debug)]
pub struct Long {
    /// In the order in which they were made.
    written: Vec<(usize, Vec<u8>)>,
    instances: Vec<String>,
    names: Vec<String>,
}

impl Long {
    /// Has it typed.
    #[must_use]
    pub fn new(load: Load) -> Self {
        let instances: Vec<_> = (0..load.instances).map(instance).collect();
        let names =
            instances.iter().map(|instance| log_file_name(Form::Dots, "profAAAAAAAAAAAAAAAAAA", instance, 1));
        Self { written: typed(load), names: names.collect(), instances }
    }

    /// The updates of an instance.
    fn of(&self, number: usize) -> impl Iterator<Item = &Vec<u8>> {
        self.written.iter().filter(move |(of, _)| *of == number).map(|(_, update)| update)
    }

    /// The bytes of its log files.
    #[must_use]
    pub fn files(&self) -> Vec<Vec<u8>> {
        self.files_without(0)
    }

    /// The bytes of its log files without the record of this number in the first of them.
    #[must_use]
    pub fn files_without(&self, missing: u64) -> Vec<Vec<u8>> {
        let file = |number| {
            let records = (1..).zip(self.of(number)).filter(|(seq, _)| number > 0 || *seq != missing);
            let records = records.flat_map(|(seq, data)| log_record(1_764_374_400_000, seq, data));
            LOG_HEADER.into_iter().chain(records).collect()
        };
        (0..self.instances.len()).map(file).collect()
    }

    /// The logs of some contents, as the shelf hands them over.
    pub fn logs<'a>(&'a self, contents: &'a [Content]) -> impl Iterator<Item = Log<'a>> {
        let named = self.names.iter().zip(&self.instances).zip(contents);
        named.map(|((name, instance), content)| Log { name, instance, content, time_ms: 1, is_copy: false })
    }

    /// Ours: from the bytes of the files to the note.
    #[must_use]
    pub fn load(&self, files: Vec<Vec<u8>>) -> Document {
        let contents: Vec<_> = files.into_iter().map(Content::new).collect();
        let loaded = Loaded::of(Kind::Yjs, self.logs(&contents), []);
        Kind::Yjs.document(&loaded.parts)
    }

    /// `yrs`: the updates in one transaction, in the order in which they were made: none has to wait for another.
    ///
    /// # Panics
    /// If it refuses one.
    #[must_use]
    pub fn apply(&self) -> Doc {
        let doc = doc(1);
        let mut txn = doc.transact_mut();
        for (_, update) in &self.written {
            let update = Update::decode_v1(update).expect("what was written is read");
            txn.apply_update(update).expect("what was written is applied");
        }
        drop(txn);
        doc
    }

    /// `yrs`: a transaction for each update.
    #[must_use]
    pub fn apply_each(&self) -> Doc {
        let doc = doc(1);
        self.written.iter().for_each(|(_, update)| apply(&doc, update));
        doc
    }

    /// The sealed snapshot of the whole note.
    ///
    /// # Panics
    /// If something of it is missing.
    #[must_use]
    pub fn snapshot(&self, parts: &Parts<'_>) -> Vec<u8> {
        let state = Kind::Yjs.state(parts).expect("nothing is missing");
        let clock = self.instances.iter().zip(&self.names).enumerate();
        let clock = clock.map(|(number, (instance, file))| ClockEntry {
            instance: instance.clone(),
            seq: self.of(number).count() as u64,
            offset: 0,
            file: file.clone(),
        });
        sealed_snapshot(&clock.collect::<Vec<_>>(), &state)
    }

    /// The note, from the bytes of a snapshot alone.
    #[must_use]
    pub fn read_snapshot(&self, bytes: Vec<u8>) -> Document {
        let content = Content::new(bytes);
        let snapshot = Snapshot { name: "snapshot", content: &content, is_copy: false };
        let loaded = Loaded::of(Kind::Yjs, [], [snapshot]);
        Kind::Yjs.document(&loaded.parts)
    }
}

/// The text of a document of `yrs`, a paragraph a line.
fn text(doc: &Doc) -> String {
    let (_, content) = roots(doc);
    let txn = doc.transact();
    let lines = content.children(&txn).map(|block| match block {
        yrs::XmlOut::Element(block) => {
            let texts = block.children(&txn).map(|child| match child {
                yrs::XmlOut::Text(text) => text.get_string(&txn),
                _ => String::new(),
            });
            texts.collect::<String>()
        }
        _ => String::new(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Loads, writes and reads one long note.
///
/// # Panics
/// If any of it gives another text.
#[must_use]
pub fn measure_long(load: Load) -> Vec<Timed> {
    let long = Long::new(load);
    let expected = text(&long.apply());
    let files = long.files();
    let same = |document: Document, by: &str| {
        assert_eq!(document.text, expected, "{by}: the text");
        assert!(!document.waits && document.refused.is_empty(), "{by}: all is applied");
    };
    let (ours, document) = done(task::LOAD, by::OURS, load.records, || long.load(files.clone()));
    same(document, by::OURS);
    // A few keystrokes after the beginning, so that most of what the first one wrote waits, and what others did upon it.
    let holed = long.files_without(9);
    let (hole, document) = done(task::HOLE, by::OURS, load.records, || long.load(holed));
    assert!(document.waits && document.refused.is_empty(), "what is beyond the hole waits");
    let (one, doc) = done(task::LOAD, by::YRS, load.records, || long.apply());
    assert_eq!(text(&doc), expected, "{}: the text", by::YRS);
    let each = done(task::LOAD, by::YRS_EACH, load.records, || long.apply_each()).0;
    let contents: Vec<_> = files.into_iter().map(Content::new).collect();
    let loaded = Loaded::of(Kind::Yjs, long.logs(&contents), []);
    let (write, snapshot) = done(task::WRITE, by::OURS, load.records, || long.snapshot(&loaded.parts));
    let (encode, state) = done(task::WRITE, by::YRS_STATE, load.records, || {
        long.apply().transact().encode_state_as_update_v1(&StateVector::default())
    });
    let (read, document) = done(task::READ, by::OURS, load.records, || long.read_snapshot(snapshot));
    same(document, by::OURS);
    let (decode, ()) = done(task::READ, by::YRS_STATE, load.records, || apply(&self::doc(1), &state));
    vec![ours, one, each, hole, write, encode, read, decode]
}

/// An instance whose files count.
pub struct Site(Runner<Notes, Counted<OsFs>>);

impl Site {
    /// An instance that starts on a folder.
    ///
    /// # Errors
    /// Where its directories cannot be used.
    pub fn open(folder: &OsPath, local: &OsPath) -> Result<Self, SyncError> {
        std::fs::create_dir_all(folder)?;
        std::fs::create_dir_all(local)?;
        let config = Config::new(Design::Hardened, Kind::Yjs, "profAAAAAAAAAAAAAAAAAA");
        let fs = Counted::new(OsFs::new(folder, local));
        let mut site = Self(Runner::open(config, fs, Lock::wait(local)?, &mut |_, _| {}));
        site.0.settle(&mut |_, _| {}).map_err(SyncError::Op)?;
        Ok(site)
    }

    /// Looks at the folder, as on a notice that something changed there. Says which files that took.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub fn look(&mut self) -> Result<Files, SyncError> {
        let _before = self.0.fs().take();
        self.0.feed(Input::Changed, &mut |_, _| {});
        self.0.settle(&mut |_, _| {}).map_err(SyncError::Op)?;
        Ok(self.0.fs().take())
    }

    /// How many notes it knows.
    #[must_use]
    pub fn notes(&self) -> usize {
        self.0.protocol().ids().len()
    }
}

/// Puts a note of somebody else's into a folder.
///
/// # Errors
/// Where it cannot be written.
///
/// # Panics
/// If a note cannot be made.
pub fn put(fs: &mut OsFs, number: usize) -> Result<(), SyncError> {
    let (note, instance) = (format!("note{number:018}"), instance(0));
    let author = Author { instance: &instance, seq: 1, client: 7, now_ms: 1_764_374_400_000 };
    let deed = Deed::Create(&note, "some words");
    let record = Kind::Yjs.record(&Parts::default(), &author, deed).ok().flatten().expect("a note is made");
    let name = log_file_name(Form::Dots, "profBBBBBBBBBBBBBBBBBB", &instance, 1);
    let path: Path = logs_dir(&note).join(&name);
    let bytes = [&LOG_HEADER[..], &log_record(1_764_374_400_000, 1, &record)].concat();
    let op = FsOp::Overwrite { path: path.clone(), content: Content::new(bytes) };
    let call = None;
    fs.apply(&op).map_err(|error| SyncError::Op(cloudchamber_host::runner::OpFailed { path, error, call }))
}

/// Discovers new notes in a folder, in an empty directory.
///
/// # Errors
/// Where the directory cannot be written.
///
/// # Panics
/// If it opens other files than those of the new notes.
pub fn measure_discovery(dir: &OsPath, load: Load) -> Result<Vec<Timed>, SyncError> {
    let folder = dir.join("folder");
    let mut others = OsFs::new(&folder, dir.join("other"));
    std::fs::create_dir_all(&folder)?;
    let old = load.notes - load.new;
    (0..old).try_for_each(|number| put(&mut others, number))?;
    let mut site = Site::open(&folder, &dir.join("local"))?;
    assert_eq!(site.notes(), old, "notes at the start");
    let (idle, files) = done(task::IDLE, by::OURS, old, || site.look());
    let idle = Timed { files: Some(files?), ..idle };
    (old..load.notes).try_for_each(|number| put(&mut others, number))?;
    let (found, files) = done(task::DISCOVER, by::OURS, load.notes, || site.look());
    let found = Timed { files: Some(files?), ..found };
    assert_eq!(site.notes(), load.notes, "notes afterwards");
    for (row, new) in [(&idle, 0), (&found, load.new as u64)] {
        let Files { opened, written, .. } = row.files.unwrap_or_default();
        // Beside the new logs: what says who this instance is.
        assert!((new..=new + 3).contains(&opened), "{}: {opened} files were opened", row.task);
        assert_eq!(written, 0, "{}: files were written", row.task);
    }
    Ok(vec![found, idle])
}
