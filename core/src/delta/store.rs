//! The local store: everything this replica knows, and the only place of what it has not sent yet.
//!
//! `store.log` is a log of lines. Each begins with its digest and replaces what an earlier line said of the same
//! thing. `base.json` says what the last sync had come to; without it the next sync looks at everything.
//!
//! # Crash
//! A put is acknowledged once its lines are flushed. The lines of one batch end with who the replica is afterwards, and
//! without that line nothing of the batch counts. A torn line, NUL bytes and lines whose digest does not fit are left
//! out, and the file is written anew before anything is added to it; where a whole line was lost so, the base is
//! forgotten too, and what others have comes back from the folder. So it is where the base is of a sync that the log knows
//! nothing of, since an older log came back without it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_64;

use super::codec::{
    Wrong, read_entity, read_ranges, read_stamp, read_vector, write_entity, write_ranges, write_vector,
};
use super::entity::{Entity, Key};
use super::event::Report;
use super::layout::{base_path, store_path};
use super::meta::{BEATS_MAX, Beat, Part, read_beats, write_beats};
use super::scan;
use super::vector::{ReplicaId, Vector};
use crate::kit::hlc::Hybrid;
use crate::kit::json::{Node, quote};
use crate::kit::memo::Memo;
use crate::kit::own_file;
use crate::kit::watermark::Watermarks;
use crate::{Content, Fs, FsError, FsOp, WallMs};

/// Who this replica is, and how far it has come.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Own {
    /// Its id; empty before its first start.
    pub id: Option<ReplicaId>,
    /// What it was called when it got its id.
    pub name: String,
    /// When it wrote its meta file, the last times, with those that were only about to happen.
    pub beats: Vec<Beat>,
    /// How many writes it has made.
    pub head: u64,
    /// The latest stamp that it made or follows.
    pub clock: Hybrid,
    /// Its own meta file as it was last known to be written: beat and nonce.
    pub written: (u64, u64),
    /// The same as it was about to be written.
    pub intended: (u64, u64),
    /// Replicas that it was before.
    pub replaces: Vec<ReplicaId>,
    /// Lives whose end every replica has seen.
    pub graves: Watermarks<ReplicaId>,
    /// All that it had seen when it last took note of such lives.
    pub buried: Vector,
    /// Writes of replicas that write no more, which this one has said again.
    pub upheld: Watermarks<ReplicaId>,
    /// Replicas that were away for longer than the retention.
    pub retired: Vector,
    /// In the split-lite layout: its snapshot.
    pub snapshot: Option<Part>,
    /// In the split-lite layout: what it wrote since.
    pub deltas: Vec<Part>,
}

impl Own {
    /// Counts the own writes in records as made: no later one may share a number with one of them. What says so may be
    /// among what was lost.
    fn count(&mut self, records: &BTreeMap<Key, Arc<Record>>) {
        let Some(id) = &self.id else { return };
        for record in records.values() {
            self.head = self.head.max(record.entity.seen.get(&id.0));
            let own = record.entity.writes.iter().filter(|(dot, _)| dot.replica == *id);
            self.clock = own.fold(self.clock, |clock, (_, write)| clock.max(write.at));
        }
    }

    /// Whether the meta file was, or may have been, written so.
    pub(super) fn knows(&self, (beat, nonce): (u64, u64)) -> bool {
        [self.written, self.intended].contains(&(beat, nonce))
            || self.beats.iter().any(|known| (known.beat, known.nonce) == (beat, nonce))
    }

    /// Takes note of how the meta file is about to be written.
    pub(super) fn intend(&mut self, beat: u64, nonce: u64) {
        self.intended = (beat, nonce);
        self.beats.push(Beat { beat, nonce, head: self.head });
        let more = self.beats.len().saturating_sub(BEATS_MAX);
        self.beats.drain(..more);
    }
}

/// What of an entity is in this replica's shared files.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Published {
    /// The last own write to it that is there.
    pub count: u64,
    /// Whether it is there as one that lives.
    pub alive: bool,
}

/// An entity, and what of it is published.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Record {
    /// What is known of it.
    pub entity: Entity,
    /// What others can know of it from here.
    pub published: Published,
}

/// What the last sync had come to with one other replica.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct Peer {
    /// All of its writes up to this one are applied.
    pub applied: u64,
    /// The beat of its meta file.
    pub beat: u64,
    /// Since when that is its beat, by this replica's wall clock.
    pub since_ms: i64,
    /// The most files of it that were there since a person last accepted the folder as it was.
    pub files: u64,
}

/// What the last sync had come to.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Base {
    /// The own meta file as it was last known to be written then: beat and nonce.
    pub of: (u64, u64),
    /// By replica.
    pub peers: BTreeMap<ReplicaId, Peer>,
    /// Files that are read once: copies and others that nobody lists, with their lengths.
    pub read_once: BTreeMap<String, u64>,
}

/// Everything this replica knows.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Store {
    /// Who it is.
    pub own: Own,
    /// What is known, by entity.
    pub records: BTreeMap<Key, Arc<Record>>,
    /// What the last sync had come to.
    pub base: Base,
    /// How long the log is, in bytes.
    pub log_len: u64,
    /// Whether the log has to be written anew before anything is added.
    pub log_torn: bool,
    /// The last sync, if it found nothing to do and nothing has changed here since.
    pub idle: Memo<Option<Idle>>,
}

/// A sync that found nothing to do. As long as the folder is as it was, the next one finds nothing either.
#[derive(Clone, Debug)]
pub struct Idle {
    /// The folder's digest.
    pub digest: u64,
    /// From then on somebody has been away for too long.
    pub until: WallMs,
    /// What it came to.
    pub report: Report,
}

/// A change to the store: first written, then made.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Update {
    /// Who it is afterwards.
    pub own: Own,
    /// Records that changed; `None` for those that go.
    pub records: BTreeMap<Key, Option<Arc<Record>>>,
    /// What the last sync had come to, if that changes.
    pub base: Option<Base>,
}

impl Update {
    /// Whether the store says all of it.
    #[must_use]
    pub fn says_nothing(&self, store: &Store) -> bool {
        let is_there =
            |(key, record): (&Key, &Option<Arc<Record>>)| store.records.get(key) == record.as_ref();
        self.own == store.own
            && self.base.as_ref().is_none_or(|base| *base == store.base)
            && self.records.iter().all(is_there)
    }
}

/// The lines of a log that was read, each with its digest. Where the log is read anew most of them stand there again, and are
/// not parsed a second time.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Vec<(u64, Line)>>);

/// A line of the log. The lines of a batch end with who the replica is afterwards.
#[derive(Clone, Debug)]
enum Line {
    Own(Arc<Own>),
    /// `None` for one that goes.
    Record(Key, Option<Arc<Record>>),
}

impl Line {
    /// Reads one, and its digest; `None` if it is not sound. `known`: the line that stood in its place.
    fn read(line: &[u8], known: Option<&(u64, Self)>) -> Option<(u64, Self)> {
        let (said, text) = line.split_at_checked(17)?;
        let digest = xxh3_64(text);
        if format!("{digest:016x} ").as_bytes() != said {
            return None;
        }
        match known {
            Some((its, line)) if *its == digest => Some((digest, line.clone())),
            _ => Some((digest, Self::parse(std::str::from_utf8(text).ok()?)?)),
        }
    }

    /// Parses what follows the digest; `None` if it is not sound.
    fn parse(text: &str) -> Option<Self> {
        if let Some((key, record)) = scan::record(text) {
            return Some(Self::Record(key, Some(Arc::new(record))));
        }
        let node = Node::parse(text.as_bytes()).ok()?;
        if let Some(own) = node.get("own") {
            return read_own(own).ok().map(|own| Self::Own(Arc::new(own)));
        }
        if let Some(gone) = node.get("gone").and_then(Node::list) {
            let [kind, id] = gone else { return None };
            return Some(Self::Record(Key::new(kind.text()?, id.text()?), None));
        }
        let (key, entity) = read_entity(node.get("entity")?).ok()?;
        let [count, alive] = node.get("published")?.list()? else { return None };
        let published = Published { count: count.count()?, alive: alive.bool()? };
        Some(Self::Record(key, Some(Arc::new(Record { entity, published }))))
    }
}

impl Store {
    /// Reads the store.
    ///
    /// # Errors
    /// That the file is there and cannot be read now.
    pub fn read(fs: &dyn Fs) -> Result<Self, FsError> {
        Self::read_again(fs, &mut Lines::default())
    }

    /// As [`Store::read`]. `lines`: those that were there when it was last read; now those that are.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub fn read_again(fs: &dyn Fs, lines: &mut Lines) -> Result<Self, FsError> {
        let mut store = Self::default();
        let content = match fs.read(&store_path(), 0) {
            Ok(content) => content,
            Err(FsError::NotFound) => return Ok(store),
            Err(error) => return Err(error),
        };
        store.log_len = content.len() as u64;
        let (mut lost, mut batch) = (false, Vec::new());
        let (mut found, mut last) = (Vec::with_capacity(lines.0.len()), None);
        let mut rest = content.bytes();
        while !rest.is_empty() {
            let Some(end) = memchr::memchr(b'\n', rest) else {
                store.log_torn = true;
                break;
            };
            let line = Line::read(&rest[..end], lines.0.get(found.len()));
            found.extend(line.clone());
            match line {
                Some((_, Line::Record(key, record))) => batch.push((key, record)),
                Some((_, Line::Own(own))) => {
                    last = Some(own);
                    store.take(&mut batch);
                }
                // A line that is lost while others follow may have been acknowledged.
                None => (store.log_torn, lost) = (true, true),
            }
            rest = &rest[end + 1..];
        }
        *lines = Lines(Arc::new(found));
        store.own = last.map(Arc::unwrap_or_clone).unwrap_or_default();
        // A batch that did not come to disk whole was not acknowledged, and nothing of it counts.
        store.log_torn |= !batch.is_empty();
        if lost {
            store.take(&mut batch);
            store.own.count(&store.records);
        }
        let base = match fs.read(&base_path(), 0) {
            Ok(base) if !lost => {
                Base::parse(base.bytes()).filter(|base| store.own.knows(base.of)).unwrap_or_default()
            }
            Err(FsError::NotFound) | Ok(_) => Base::default(),
            Err(error) => return Err(error),
        };
        store.base = base;
        Ok(store)
    }

    fn take(&mut self, batch: &mut Vec<(Key, Option<Arc<Record>>)>) {
        for (key, record) in batch.drain(..) {
            match record {
                Some(record) => self.records.insert(key, record),
                None => self.records.remove(&key),
            };
        }
    }

    /// The ops that write a change, before it is made.
    #[must_use]
    pub fn save(&self, update: &Update) -> Vec<FsOp> {
        let mut text = String::new();
        for (key, record) in &update.records {
            line(&mut text, |out| write_record(out, key, record.as_deref()));
        }
        line(&mut text, |out| write_own(out, &update.own));
        let mut ops = Vec::new();
        if self.log_torn || self.is_long(text.len()) {
            let mut after = self.clone();
            after.make(update, 0);
            ops.push(FsOp::Replace { path: store_path(), content: Content::from(after.text()) });
        } else {
            ops.push(FsOp::Append { path: store_path(), bytes: Content::from(text) });
            ops.push(FsOp::Flush { path: store_path() });
        }
        if let Some(base) = &update.base {
            ops.push(FsOp::Replace { path: base_path(), content: Content::from(base.text()) });
        }
        ops
    }

    /// Whether the log is much longer than what it says.
    fn is_long(&self, more: usize) -> bool {
        let lines = u64::try_from(self.records.len()).unwrap_or(u64::MAX).saturating_add(16);
        self.log_len.saturating_add(more as u64) > lines.saturating_mul(1_024).max(1 << 20)
    }

    /// Makes a change that was written.
    pub fn make(&mut self, update: &Update, log_len: u64) {
        *self.idle = None;
        for (key, record) in &update.records {
            match record {
                Some(record) => self.records.insert(key.clone(), record.clone()),
                None => self.records.remove(key),
            };
        }
        self.own = update.own.clone();
        if let Some(base) = &update.base {
            self.base = base.clone();
        }
        (self.log_len, self.log_torn) = (log_len, false);
    }

    /// How long the log is once these ops are applied.
    #[must_use]
    pub fn len_after(&self, ops: &[FsOp]) -> u64 {
        ops.iter().fold(self.log_len, |len, op| match op {
            FsOp::Append { path, bytes } if *path == store_path() => len + bytes.len() as u64,
            FsOp::Replace { path, content } if *path == store_path() => content.len() as u64,
            _ => len,
        })
    }

    /// The whole log, each thing once.
    fn text(&self) -> String {
        let mut text = String::new();
        for (key, record) in &self.records {
            line(&mut text, |out| write_record(out, key, Some(record)));
        }
        line(&mut text, |out| write_own(out, &self.own));
        text
    }
}

/// Adds a line with its digest before it.
fn line(out: &mut String, write: impl FnOnce(&mut String)) {
    let start = out.len();
    out.push_str("0000000000000000 ");
    write(out);
    let digest = format!("{:016x}", xxh3_64(&out.as_bytes()[start + 17..]));
    out.replace_range(start..start + 16, &digest);
    out.push('\n');
}

fn write_record(out: &mut String, key: &Key, record: Option<&Record>) {
    match record {
        Some(Record { entity, published }) => {
            write!(out, "{{\"published\":[{},{}],\"entity\":", published.count, published.alive)
                .expect("a string takes any text");
            write_entity(out, key, entity);
        }
        None => {
            out.push_str("{\"gone\":[");
            quote(out, &key.kind);
            out.push(',');
            quote(out, &key.id);
            out.push(']');
        }
    }
    out.push('}');
}

fn write_own(out: &mut String, own: &Own) {
    let Own { head, clock, written, intended, .. } = own;
    out.push_str("{\"own\":{\"id\":");
    quote(out, own.id.as_ref().map_or("", |id| &id.0));
    out.push_str(",\"name\":");
    quote(out, &own.name);
    out.push_str(",\"beats\":");
    write_beats(out, &own.beats);
    write!(
        out,
        ",\"head\":{head},\"clock\":{clock},\"written\":[{},{}],\"intended\":[{},{}],\"graves\":",
        written.0, written.1, intended.0, intended.1
    )
    .expect("a string takes any text");
    write_ranges(out, &own.graves);
    out.push_str(",\"buried\":");
    write_vector(out, &own.buried);
    out.push_str(",\"upheld\":");
    write_ranges(out, &own.upheld);
    out.push_str(",\"retired\":");
    write_vector(out, &own.retired);
    let replaces: Vec<_> = own.replaces.iter().map(|replica| &*replica.0).collect();
    let parts = |parts: &[Part]| parts.iter().map(|part| (part.to, part.name.clone())).collect::<Vec<_>>();
    let rest = serde_json::json!({
        "replaces": replaces,
        "snapshot": parts(own.snapshot.as_slice()),
        "deltas": parts(&own.deltas),
    });
    let rest = rest.to_string();
    write!(out, ",{}}}", &rest[1..]).expect("a string takes any text");
}

fn read_own(node: &Node) -> Result<Own, Wrong> {
    let pair = |name| -> Result<(u64, u64), Wrong> {
        let pair = match node.get(name).and_then(Node::list) {
            Some([beat, nonce]) => beat.count().zip(nonce.count()),
            _ => None,
        };
        pair.ok_or(Wrong::Field(name))
    };
    let list = |name| node.get(name).and_then(Node::list).ok_or(Wrong::Field(name));
    let part = |part: &Node| match part.list()? {
        [to, name] => Some(Part { to: to.count()?, name: name.text()?.to_owned() }),
        _ => None,
    };
    let parts = |name| list(name)?.iter().map(part).collect::<Option<Vec<_>>>().ok_or(Wrong::Field(name));
    let id = node.get("id").and_then(Node::text).ok_or(Wrong::Field("id"))?;
    Ok(Own {
        id: Some(ReplicaId::from(id)).filter(|_| !id.is_empty()),
        name: node.get("name").and_then(Node::text).ok_or(Wrong::Field("name"))?.to_owned(),
        beats: read_beats(node).ok_or(Wrong::Field("beats"))?,
        head: node.get("head").and_then(Node::count).ok_or(Wrong::Field("head"))?,
        clock: node.get("clock").and_then(read_stamp).ok_or(Wrong::Field("clock"))?,
        written: pair("written")?,
        intended: pair("intended")?,
        replaces: list("replaces")?.iter().filter_map(Node::text).map(ReplicaId::from).collect(),
        graves: read_ranges(node, "graves")?,
        // Logs of before they were kept are without them.
        buried: read_vector(node, "buried").unwrap_or_default(),
        upheld: read_ranges(node, "upheld").unwrap_or_default(),
        retired: read_vector(node, "retired")?,
        snapshot: parts("snapshot")?.pop(),
        deltas: parts("deltas")?,
    })
}

impl Base {
    fn text(&self) -> String {
        let peers: BTreeMap<&str, _> = self
            .peers
            .iter()
            .map(|(replica, peer)| (&*replica.0, (peer.applied, peer.beat, peer.since_ms, peer.files)))
            .collect();
        let whole = serde_json::json!({ "of": self.of, "peers": peers, "readOnce": self.read_once });
        own_file::seal(&serde_json::to_string_pretty(&whole).expect("texts and numbers are JSON"))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let node = Node::parse(own_file::open(bytes).ok()?.as_bytes()).ok()?;
        let peer = |(replica, peer): (&String, &Node)| match peer.list()? {
            [applied, beat, since, rest @ ..] => {
                let (applied, beat, since_ms) = (applied.count()?, beat.count()?, since.int()?);
                // Without the last one before it was remembered.
                let files = rest.first().map_or(Some(0), Node::count)?;
                Some((ReplicaId::from(replica.as_str()), Peer { applied, beat, since_ms, files }))
            }
            _ => None,
        };
        let read_once = node.get("readOnce")?.object()?.iter();
        let of = match node.get("of")?.list()? {
            [beat, nonce] => (beat.count()?, nonce.count()?),
            _ => return None,
        };
        Some(Self {
            of,
            peers: node.get("peers")?.object()?.iter().map(peer).collect::<Option<_>>()?,
            read_once: read_once
                .map(|(name, len)| Some((name.clone(), len.count()?)))
                .collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FsMut as _, MemoryFs};

    #[test]
    fn a_log_that_is_read_again_says_what_it_says_to_who_reads_it_first() {
        let mut fs = MemoryFs::default();
        let (mut store, mut lines) = (Store::default(), Lines::default());
        for head in 1..40 {
            let id = Some(ReplicaId::from("a"));
            let own = Own { id, head, ..store.own.clone() };
            let key = Key::new("task", &format!("{}", head % 7));
            let published = Published { count: head, alive: true };
            let record = Record { published, ..Record::default() };
            let records = BTreeMap::from([(key, (head % 5 > 0).then(|| Arc::new(record)))]);
            let update = Update { own, records, base: None };
            for op in store.save(&update) {
                fs.apply(&op).unwrap();
            }
            // As an op that fails leaves it, every now and then: half a line, and the next save writes all anew.
            if head % 11 == 0 {
                fs.apply(&FsOp::Append { path: store_path(), bytes: "0123456789abcdef {\"own".into() })
                    .unwrap();
            }
            if head % 13 == 0 {
                fs.apply(&FsOp::Append { path: store_path(), bytes: "\nnothing\n".into() }).unwrap();
            }
            let first = Store::read(&fs).unwrap();
            store = Store::read_again(&fs, &mut lines).unwrap();
            assert_eq!(store, first, "after {head} writes");
            assert_eq!(store.own.head, head);
        }
        assert!(!lines.0.is_empty() && lines.0.iter().all(|(digest, _)| *digest != 0));
    }
}
