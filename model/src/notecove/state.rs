//! A state of the specification, in as few bytes as it takes.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::config::{ActivityMode, Config, NOTES_MAX, UPDATES_MAX};

/// All variables of the specification, of `N` replicas.
///
/// Nothing that was written to a log is ever lost, and updates are numbered through; so a log is the updates of one
/// origin in the order of their numbers, and what waits in it and what is synced are told by how many are. An activity
/// log has an entry for each update of its log; what is synced of it is a window in there. So equal states here are
/// equal states there.
#[derive(Clone, Eq, PartialEq)]
pub struct State<const N: usize> {
    pub(super) replicas: [Replica<N>; N],
    /// All updates by their ids, the first having id 0; none behind `written`.
    pub(super) updates: [Update; UPDATES_MAX as usize],
    /// How many updates there are; the id of the next.
    pub(super) written: u8,
}

/// One replica's variables and its logs.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct Replica<const N: usize> {
    pub(super) running: bool,
    pub(super) known: Known<N>,
    pub(super) snapshot: Known<N>,
    pub(super) next_seq: u8,
    /// The highest number seen in each activity log.
    pub(super) watermark: [u8; N],
    /// The highest number seen in each deletion log.
    pub(super) deletion_watermark: [u8; N],
    /// How many updates of its log are synced; the others wait.
    pub(super) log_synced: u8,
    pub(super) activity: Window,
    pub(super) deletions: Deletions,
}

/// What a replica knows or has saved. Sets of updates and of notes are bits.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Known<const N: usize> {
    /// The edits that are applied, by their ids.
    pub doc: u8,
    /// The notes that are soft-deleted.
    pub soft_deleted: u8,
    /// The notes that are deleted for good.
    pub deleted: u8,
    /// The highest number applied of each replica's updates.
    pub clock: [u8; N],
}

/// An update: an edit or a soft deletion of a note.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub struct Update(u8, u8);

/// The synced entries of an activity log, by the places in their log of the updates that they tell of. Those from `to`
/// on wait; in replace mode only the last of those.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub(super) struct Window {
    pub(super) from: u8,
    pub(super) to: u8,
}

/// A deletion log: notes, of which the first so many are synced. The number of an entry is its place, from 1 on.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq)]
pub(super) struct Deletions {
    /// Four bits a note.
    notes: [u8; NOTES_MAX as usize / 2],
    pub(super) len: u8,
    pub(super) synced: u8,
}

impl Update {
    pub(super) fn new(origin: usize, seq: u8, note: u8, is_soft_delete: bool) -> Self {
        let origin = u8::try_from(origin).expect("few replicas");
        Self(origin << 4 | note << 1 | u8::from(is_soft_delete), seq)
    }

    /// Whose it is.
    #[must_use]
    pub fn origin(self) -> usize {
        usize::from(self.0 >> 4)
    }

    /// The note that it changes.
    #[must_use]
    pub fn note(self) -> u8 {
        self.0 >> 1 & 7
    }

    /// Whether it deletes the note softly; otherwise it is an edit.
    #[must_use]
    pub fn is_soft_delete(self) -> bool {
        self.0 & 1 == 1
    }

    /// Its number among those of its origin.
    #[must_use]
    pub fn seq(self) -> u8 {
        self.1
    }
}

impl Deletions {
    fn note(self, at: u8) -> u8 {
        self.notes[usize::from(at / 2)] >> (at % 2 * 4) & 15
    }

    pub(super) fn push(&mut self, note: u8) {
        self.notes[usize::from(self.len / 2)] |= note << (self.len % 2 * 4);
        self.len += 1;
    }

    /// The notes of the first so many entries, as bits.
    pub(super) fn bits(self, entries: u8) -> u8 {
        (0..entries).fold(0, |bits, at| bits | 1 << self.note(at))
    }
}

impl<const N: usize> Known<N> {
    const NOTHING: Self = Self { doc: 0, soft_deleted: 0, deleted: 0, clock: [0; N] };

    /// Whether the same edits are applied and the same notes are deleted.
    fn agrees(&self, other: &Self) -> bool {
        (self.doc, self.soft_deleted, self.deleted) == (other.doc, other.soft_deleted, other.deleted)
    }
}

impl<const N: usize> Replica<N> {
    const FIRST: Self = Self {
        running: true,
        known: Known::NOTHING,
        snapshot: Known::NOTHING,
        next_seq: 1,
        watermark: [0; N],
        deletion_watermark: [0; N],
        log_synced: 0,
        activity: Window { from: 0, to: 0 },
        deletions: Deletions { notes: [0; NOTES_MAX as usize / 2], len: 0, synced: 0 },
    };
}

impl<const N: usize> State<N> {
    /// The state that all runs begin in: all are running, nothing is written.
    pub(super) const FIRST: Self =
        Self { replicas: [Replica::FIRST; N], updates: [Update(0, 0); UPDATES_MAX as usize], written: 0 };

    /// Whether a replica's process runs.
    #[must_use]
    pub fn is_running(&self, replica: usize) -> bool {
        self.replicas[replica].running
    }

    /// What a replica knows. A process that died knows it still, as the specification has it; its restart does not ask.
    #[must_use]
    pub fn known(&self, replica: usize) -> &Known<N> {
        &self.replicas[replica].known
    }

    /// What a replica has saved.
    #[must_use]
    pub fn snapshot(&self, replica: usize) -> &Known<N> {
        &self.replicas[replica].snapshot
    }

    /// The highest number that a replica has seen in each activity log.
    #[must_use]
    pub fn watermark(&self, replica: usize) -> &[u8; N] {
        &self.replicas[replica].watermark
    }

    /// A replica's log, first what is synced.
    pub fn log(&self, origin: usize) -> impl Iterator<Item = Update> + '_ {
        self.with_ids(origin).map(|(_, update)| update)
    }

    /// What everybody can read of a replica's log.
    pub fn synced_log(&self, origin: usize) -> impl Iterator<Item = Update> + '_ {
        self.log(origin).take(self.replicas[origin].log_synced.into())
    }

    /// What waits in a replica's log.
    pub fn pending_log(&self, origin: usize) -> impl Iterator<Item = Update> + '_ {
        self.log(origin).skip(self.replicas[origin].log_synced.into())
    }

    /// What everybody can read of a replica's activity log: the updates that it tells of.
    pub fn synced_activity(&self, origin: usize) -> impl Iterator<Item = Update> + '_ {
        let Window { from, to } = self.replicas[origin].activity;
        self.log(origin).skip(from.into()).take(usize::from(to - from))
    }

    /// What waits in a replica's activity log: the updates that it tells of.
    pub fn pending_activity(&self, origin: usize, mode: ActivityMode) -> impl Iterator<Item = Update> + '_ {
        let len = self.log(origin).count();
        let to = usize::from(self.replicas[origin].activity.to);
        let first = match mode {
            ActivityMode::Append => to,
            ActivityMode::Replace => to.max(len.saturating_sub(1)),
        };
        self.log(origin).skip(first)
    }

    /// The notes, as bits, that everybody can read in a replica's deletion log.
    #[must_use]
    pub fn synced_deletions(&self, origin: usize) -> u8 {
        let deletions = self.replicas[origin].deletions;
        deletions.bits(deletions.synced)
    }

    /// How many updates there are.
    #[must_use]
    pub fn written(&self) -> u8 {
        self.written
    }

    /// Whether a replica can still reach a note by editing: only soft deletion prevents it.
    #[must_use]
    pub fn can_edit(&self, replica: usize, note: u8) -> bool {
        self.replicas[replica].running && self.replicas[replica].known.soft_deleted >> note & 1 == 0
    }

    /// Whether all run, nothing waits in any log, and everybody has read all of them (`FullySynced`).
    #[must_use]
    pub fn fully_synced(&self, config: &Config) -> bool {
        let all = |replica: &Replica<N>| replica.running && replica.deletions.synced == replica.deletions.len;
        if !self.replicas.iter().all(all) {
            return false;
        }
        (0..N).all(|origin| {
            let nothing_waits = self.pending_log(origin).next().is_none()
                && self.pending_activity(origin, config.activity).next().is_none();
            let last = highest(self.synced_log(origin));
            let deleted = self.synced_deletions(origin);
            nothing_waits
                && self
                    .replicas
                    .iter()
                    .all(|Replica { known, .. }| known.clock[origin] == last && deleted & !known.deleted == 0)
        })
    }

    /// Whether all have the same edits and the same notes deleted (`Converged`).
    #[must_use]
    pub fn converged(&self) -> bool {
        self.replicas.windows(2).all(|two| two[0].known.agrees(&two[1].known))
    }

    /// The updates of one origin with their ids.
    pub(super) fn with_ids(&self, origin: usize) -> impl Iterator<Item = (u8, Update)> + '_ {
        let written = self.updates[..self.written.into()].iter().copied();
        (0..).zip(written).filter(move |(_, update)| update.origin() == origin)
    }
}

/// The highest number among updates; 0 if there are none.
pub(super) fn highest(updates: impl Iterator<Item = Update>) -> u8 {
    updates.map(Update::seq).max().unwrap_or(0)
}

impl<const N: usize> Hash for State<N> {
    /// One write of all bytes, which takes a third of the time that a write for each field takes.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let mut bytes = Bytes { bytes: [0; STATE_BYTES_MAX], len: 0 };
        for replica in &self.replicas {
            let Replica { running, known, snapshot, next_seq, watermark, deletion_watermark, .. } = replica;
            let Replica { log_synced, activity: Window { from, to }, deletions, .. } = replica;
            for Known { doc, soft_deleted, deleted, clock } in [known, snapshot] {
                bytes.put([*doc, *soft_deleted, *deleted]);
                bytes.put(*clock);
            }
            bytes.put(*watermark);
            bytes.put(*deletion_watermark);
            bytes.put([
                u8::from(*running),
                *next_seq,
                *log_synced,
                *from,
                *to,
                deletions.len,
                deletions.synced,
            ]);
            bytes.put(deletions.notes);
        }
        for Update(what, seq) in &self.updates[..self.written.into()] {
            bytes.put([*what, *seq]);
        }
        state.write(&bytes.bytes[..bytes.len]);
        state.write_u8(self.written);
    }
}

/// Room for the bytes of the largest state.
const STATE_BYTES_MAX: usize = 224;

/// Bytes that are gathered before they are hashed.
struct Bytes {
    bytes: [u8; STATE_BYTES_MAX],
    len: usize,
}

impl Bytes {
    fn put<const M: usize>(&mut self, bytes: [u8; M]) {
        self.bytes[self.len..self.len + M].copy_from_slice(&bytes);
        self.len += M;
    }
}

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_soft_delete() { "soft-deletes" } else { "edits" };
        write!(f, "{} {what} note {}", self.seq(), self.note() + 1)
    }
}

impl<const N: usize> fmt::Debug for State<N> {
    /// A line for what each replica knows, and one for its logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, replica) in (0u8..).zip(&self.replicas) {
            let Replica {
                running, known, snapshot, watermark, deletion_watermark, deletions, activity, ..
            } = replica;
            let name = super::action::name(number);
            let state = if *running { "runs" } else { "is down" };
            writeln!(
                f,
                "{name} {state}: {known:?}, snapshot {snapshot:?}, seen {watermark:?} {deletion_watermark:?}"
            )?;
            let log = |updates: &mut dyn Iterator<Item = Update>| updates.collect::<Vec<_>>();
            let (synced, pending) =
                (log(&mut self.synced_log(number.into())), log(&mut self.pending_log(number.into())));
            let Window { from, to } = activity;
            let notes = (0..deletions.len).map(|at| deletions.note(at) + 1).collect::<Vec<_>>();
            writeln!(
                f,
                "   log {synced:?}, waiting {pending:?}; activity {from}..{to}; deleted {notes:?}, {} of them synced",
                deletions.synced
            )?;
        }
        Ok(())
    }
}
