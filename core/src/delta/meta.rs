//! What a replica says of itself: how much it wrote, where that is, and what it has seen of others.
//!
//! Each replica has a file of its own, and nobody else writes it. It is a hint: it saves others from looking at every
//! file, and what it says of other replicas counts by maximum. An older one that comes back delays, and loses nothing.

use std::fmt::Write as _;

use xxhash_rust::xxh3::xxh3_64;

use super::Layout;
use super::codec::{SCHEMA, Wrong, open, read_ranges, read_vector, write_ranges, write_vector};
use super::entity::Key;
use super::layout::part_to;
use super::vector::{ReplicaId, Vector};
use crate::kit::json::{Node, quote};
use crate::kit::own_file;
use crate::kit::watermark::Watermarks;

/// How many of its latest writes a replica lists. Who is further behind reads all of its files.
pub const CHANGES_MAX: usize = 500;

/// One file of the split-lite layout.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Part {
    /// The last write that it holds.
    pub to: u64,
    /// Its name, below the replica's directory.
    pub name: String,
}

/// One time that a replica wrote its meta file.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Beat {
    /// The how manieth time.
    pub beat: u64,
    /// What was drawn then.
    pub nonce: u64,
    /// How many writes it had made.
    pub head: u64,
}

/// How many of them are kept.
pub const BEATS_MAX: usize = 64;

/// Writes beats as `[[beat,nonce,head]]`.
pub(super) fn write_beats(out: &mut String, beats: &[Beat]) {
    let beats: Vec<_> =
        beats.iter().map(|beat| (beat.beat, format!("{:016x}", beat.nonce), beat.head)).collect();
    out.push_str(&serde_json::to_string(&beats).expect("numbers and texts are JSON"));
}

/// Reads beats; `None` if they are of another kind.
pub(super) fn read_beats(node: &Node) -> Option<Vec<Beat>> {
    let one = |beat: &Node| match beat.list()? {
        [beat, nonce, head] => {
            let nonce = u64::from_str_radix(nonce.text()?, 16).ok()?;
            Some(Beat { beat: beat.count()?, nonce, head: head.count()? })
        }
        _ => None,
    };
    node.get("beats")?.list()?.iter().map(one).collect()
}

/// What one replica says of itself.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Meta {
    /// Who.
    pub replica: ReplicaId,
    /// How many times it has written this file.
    pub beat: u64,
    /// Drawn at this time: tells it from another process with the same identity.
    pub nonce: u64,
    /// When it wrote this file before and now, the last ones: what tells two histories of one identity apart.
    pub beats: Vec<Beat>,
    /// How many writes it has made.
    pub head: u64,
    /// Where they are.
    pub layout: Layout,
    /// How many entities it has written.
    pub count: u64,
    /// A digest of which ones, and of the last write to each: whether all of its files are here.
    pub digest: u64,
    /// Its latest writes: the last one to each entity, in order.
    pub changes: Vec<(u64, Key)>,
    /// Writes after this one are among the changes.
    pub since: u64,
    /// Up to which of their writes it has applied all of the others'.
    pub seen: Vector,
    /// Later writes of others that it has seen one by one.
    pub heard: Vector,
    /// Lives whose end every replica has seen, by the replica that began them: whatever comes late stays dead.
    pub graves: Watermarks<ReplicaId>,
    /// Replicas that were away for longer than the retention, and the beat after which nothing was heard.
    pub retired: Vector,
    /// Replicas in whose place it stands: it was they, before a backup was restored.
    pub replaces: Vec<ReplicaId>,
    /// In the split-lite layout: the snapshot.
    pub snapshot: Option<Part>,
    /// In the split-lite layout: what was written since.
    pub deltas: Vec<Part>,
    /// When it was written, in ms since 1970. For people.
    pub last_sync_ms: i64,
}

impl Meta {
    /// What the digest of an entity is, that a set of them is summed up from.
    #[must_use]
    pub fn digest_of(key: &Key, count: u64) -> u64 {
        xxh3_64(format!("{}\0{}\0{count}", key.kind, key.id).as_bytes())
    }

    /// All that it has seen, its own writes included.
    #[must_use]
    pub fn seen_all(&self) -> Vector {
        let mut seen = self.seen.clone();
        seen.see(&self.replica, self.head);
        seen
    }

    /// Whether both say the same, whenever they were written.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        let bare =
            |meta: &Self| Self { beat: 0, nonce: 0, beats: Vec::new(), last_sync_ms: 0, ..meta.clone() };
        bare(self) == bare(other)
    }

    /// The text of its file.
    #[must_use]
    pub fn text(&self) -> String {
        let mut out = format!("{{\n  \"schema\":{SCHEMA},\n  \"replica\":");
        quote(&mut out, &self.replica.0);
        let Self { beat, nonce, head, count, digest, since, last_sync_ms, .. } = self;
        let layout = self.layout.name();
        write!(
            out,
            ",\n  \"beat\":{beat},\n  \"nonce\":\"{nonce:016x}\",\n  \"globalUpdateCount\":{head},\n  \
             \"layout\":\"{layout}\",\n  \"count\":{count},\n  \"digest\":\"{digest:016x}\",\n  \"since\":{since},\n  \
             \"changes\":["
        )
        .expect("a string takes any text");
        for (at, (count, key)) in self.changes.iter().enumerate() {
            write!(out, "{}[{count},", if at > 0 { ",\n    " } else { "\n    " })
                .expect("a string takes any text");
            quote(&mut out, &key.kind);
            out.push(',');
            quote(&mut out, &key.id);
            out.push(']');
        }
        out.push_str("],\n  \"seen\":");
        write_vector(&mut out, &self.seen);
        out.push_str(",\n  \"heard\":");
        write_vector(&mut out, &self.heard);
        out.push_str(",\n  \"beats\":");
        write_beats(&mut out, &self.beats);
        out.push_str(",\n  \"graves\":");
        write_ranges(&mut out, &self.graves);
        out.push_str(",\n  \"retired\":");
        write_vector(&mut out, &self.retired);
        let replaces: Vec<_> = self.replaces.iter().map(|replica| &*replica.0).collect();
        let replaces = serde_json::to_string(&replaces).expect("texts are JSON");
        write!(out, ",\n  \"replaces\":{replaces}").expect("a string takes any text");
        for (name, parts) in [("snapshot", self.snapshot.as_slice()), ("deltas", &self.deltas)] {
            let parts: Vec<_> = parts.iter().map(|part| (part.to, &part.name)).collect();
            let parts = serde_json::to_string(&parts).expect("texts are JSON");
            write!(out, ",\n  \"{name}\":{parts}").expect("a string takes any text");
        }
        write!(out, ",\n  \"lastSyncTimestamp\":{last_sync_ms}\n}}").expect("a string takes any text");
        own_file::seal(&out)
    }

    /// Reads its file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Wrong> {
        let node = open(bytes)?;
        let text = |name| node.get(name).and_then(Node::text).ok_or(Wrong::Field(name));
        let count = |name| node.get(name).and_then(Node::count).ok_or(Wrong::Field(name));
        let hex = |name| u64::from_str_radix(text(name)?, 16).map_err(|_| Wrong::Field(name));
        let list = |name| node.get(name).and_then(Node::list).ok_or(Wrong::Field(name));
        let mut changes = Vec::new();
        for change in list("changes")? {
            let entry = match change.list() {
                Some([count, kind, id]) => count.count().zip(kind.text()).zip(id.text()),
                _ => None,
            };
            let ((count, kind), id) = entry.ok_or(Wrong::Field("changes"))?;
            changes.push((count, Key::new(kind, id)));
        }
        let parts = |name| -> Result<Vec<Part>, Wrong> {
            let part = |part: &Node| match part.list()? {
                // A name from outside must not lead anywhere else.
                [to, name] if part_to(name.text()?).is_some() => {
                    Some(Part { to: to.count()?, name: name.text()?.to_owned() })
                }
                _ => None,
            };
            list(name)?.iter().map(part).collect::<Option<_>>().ok_or(Wrong::Field(name))
        };
        let replaces = list("replaces")?.iter().map(|id| id.text().map(ReplicaId::from));
        Ok(Self {
            replica: text("replica")?.into(),
            beat: count("beat")?,
            nonce: hex("nonce")?,
            beats: read_beats(&node).ok_or(Wrong::Field("beats"))?,
            head: count("globalUpdateCount")?,
            layout: Layout::from_name(text("layout")?).ok_or(Wrong::Field("layout"))?,
            count: count("count")?,
            digest: hex("digest")?,
            changes,
            since: count("since")?,
            seen: read_vector(&node, "seen")?,
            heard: read_vector(&node, "heard")?,
            graves: read_ranges(&node, "graves")?,
            retired: read_vector(&node, "retired")?,
            replaces: replaces.collect::<Option<_>>().ok_or(Wrong::Field("replaces"))?,
            snapshot: parts("snapshot")?.pop(),
            deltas: parts("deltas")?,
            last_sync_ms: node.get("lastSyncTimestamp").and_then(Node::int).unwrap_or(0),
        })
    }
}
