//! Snapshot files: `NCSS`, a version, a status byte, the clock of what they hold, and the merged update.
//!
//! The format is upstream's (drewcsillag/notecove at 2f4f888): the status byte at offset 5 is 0 while the file is being
//! written and 1 once it is done. It has neither a length nor a checksum, so a file that is cut, or whose end has not
//! come, says that it is done as well.
//!
//! A snapshot of ours is *sealed*: behind the update stand [`SEAL_BYTES`] bytes more, with the length and the digest
//! of all that comes before. A Yjs decoder stops where the update ends, so upstream's readers take such a file
//! for what it is.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_64;

use super::varint::{Varint, read_varint, write_varint};

/// How every snapshot file begins; the status follows.
pub const SNAPSHOT_HEADER: [u8; 5] = *b"NCSS\x01";

/// What a seal begins with.
pub const SEAL_MARK: [u8; 8] = *b"NCSEAL\x01\x00";

/// The bytes of a seal: a mark, the length and the digest (XXH3, 64 bits) of what comes before.
pub const SEAL_BYTES: usize = SEAL_MARK.len() + 16;

/// How much of one instance's log a snapshot holds.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClockEntry {
    /// The instance.
    pub instance: String,
    /// Its records up to this number, which is included.
    pub seq: u64,
    /// Where the next record stands in the file.
    pub offset: u64,
    /// The file that the last one of them stands in.
    pub file: String,
}

/// A snapshot file, read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SnapshotFile {
    /// Whether the status byte says that it is done.
    pub is_complete: bool,
    /// What it says that it holds.
    pub clock: Vec<ClockEntry>,
    /// Where the merged update stands; without the seal.
    pub state: Range<usize>,
    /// What its end says.
    pub seal: Seal,
}

/// What the end of a snapshot file says.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Seal {
    /// Length and digest fit: this is what its writer wrote.
    Sound,
    /// There is no seal: the file is upstream's, or it is cut.
    None,
    /// There is one and it does not fit: something before it is not what was written.
    Broken,
}

/// Why bytes are no snapshot.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum SnapshotFlaw {
    /// The header is not whole: cut, empty or NUL bytes.
    #[error("it has not come yet")]
    Cut,
    /// It begins with something else.
    #[error("it does not begin as a snapshot does")]
    Foreign,
    /// The status byte has no meaning.
    #[error("its status byte has no meaning")]
    Status,
    /// The clock ends within.
    #[error("its clock is cut")]
    ClockCut,
    /// The clock cannot be read.
    #[error("its clock cannot be read")]
    Clock,
}

impl SnapshotFile {
    /// Reads one that is sealed; `None` if it has no seal, or a broken one.
    #[must_use]
    pub fn sealed(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes).ok().filter(|file| file.seal == Seal::Sound)
    }

    /// Reads a file up to its update, which is not looked at.
    ///
    /// # Errors
    /// The first flaw. A file whose status says that it is being written is none.
    pub fn read(bytes: &[u8]) -> Result<Self, SnapshotFlaw> {
        let is_complete = status(bytes)?;
        let (body, seal) = open(bytes);
        let mut at = SNAPSHOT_HEADER.len() + 1;
        let entries = take_number(body, &mut at)?;
        let mut clock = Vec::new();
        for _ in 0..entries {
            clock.push(ClockEntry {
                instance: take_text(body, &mut at)?,
                seq: take_number(body, &mut at)?,
                offset: take_number(body, &mut at)?,
                file: take_text(body, &mut at)?,
            });
        }
        Ok(Self { is_complete, clock, state: at..body.len(), seal })
    }
}

/// Whether the status byte says that the file is done: all that upstream's readers ask before they choose it.
///
/// # Errors
/// [`SnapshotFlaw::Cut`], [`SnapshotFlaw::Foreign`] or [`SnapshotFlaw::Status`].
pub fn status(bytes: &[u8]) -> Result<bool, SnapshotFlaw> {
    let header = &bytes[..bytes.len().min(SNAPSHOT_HEADER.len())];
    if !SNAPSHOT_HEADER.starts_with(header) {
        let empty = bytes.iter().all(|&byte| byte == 0);
        return Err(if empty { SnapshotFlaw::Cut } else { SnapshotFlaw::Foreign });
    }
    match bytes.get(SNAPSHOT_HEADER.len()) {
        None => Err(SnapshotFlaw::Cut),
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        Some(_) => Err(SnapshotFlaw::Status),
    }
}

/// What comes before the seal, and what the seal says.
fn open(bytes: &[u8]) -> (&[u8], Seal) {
    let Some((body, seal)) = bytes.len().checked_sub(SEAL_BYTES).map(|at| bytes.split_at(at)) else {
        return (bytes, Seal::None);
    };
    if !seal.starts_with(&SEAL_MARK) {
        return (bytes, Seal::None);
    }
    (body, if seal == seal_of(body) { Seal::Sound } else { Seal::Broken })
}

fn seal_of(body: &[u8]) -> [u8; SEAL_BYTES] {
    let mut seal = [0; SEAL_BYTES];
    let (mark, rest) = seal.split_at_mut(SEAL_MARK.len());
    mark.copy_from_slice(&SEAL_MARK);
    let (len, digest) = rest.split_at_mut(8);
    len.copy_from_slice(&(body.len() as u64).to_be_bytes());
    digest.copy_from_slice(&xxh3_64(body).to_be_bytes());
    seal
}

fn take_number(bytes: &[u8], at: &mut usize) -> Result<u64, SnapshotFlaw> {
    match read_varint(&bytes[*at..]) {
        Varint::Number(number, len) => {
            *at += len;
            Ok(number)
        }
        Varint::Cut => Err(SnapshotFlaw::ClockCut),
        Varint::Overflow => Err(SnapshotFlaw::Clock),
    }
}

fn take_text(bytes: &[u8], at: &mut usize) -> Result<String, SnapshotFlaw> {
    let len = usize::try_from(take_number(bytes, at)?).map_err(|_| SnapshotFlaw::ClockCut)?;
    let text = bytes[*at..].get(..len).ok_or(SnapshotFlaw::ClockCut)?;
    *at += len;
    std::str::from_utf8(text).map(str::to_owned).map_err(|_| SnapshotFlaw::Clock)
}

/// The bytes of a snapshot as upstream writes it.
#[must_use]
pub fn snapshot(is_complete: bool, clock: &[ClockEntry], state: &[u8]) -> Vec<u8> {
    let mut bytes = SNAPSHOT_HEADER.to_vec();
    bytes.push(u8::from(is_complete));
    write_varint(&mut bytes, clock.len() as u64);
    for entry in clock {
        write_varint(&mut bytes, entry.instance.len() as u64);
        bytes.extend(entry.instance.as_bytes());
        write_varint(&mut bytes, entry.seq);
        write_varint(&mut bytes, entry.offset);
        write_varint(&mut bytes, entry.file.len() as u64);
        bytes.extend(entry.file.as_bytes());
    }
    bytes.extend(state);
    bytes
}

/// The bytes of a sealed snapshot.
#[must_use]
pub fn sealed_snapshot(clock: &[ClockEntry], state: &[u8]) -> Vec<u8> {
    let mut bytes = snapshot(true, clock, state);
    let seal = seal_of(&bytes);
    bytes.extend(seal);
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clock() -> impl Strategy<Value = Vec<ClockEntry>> {
        let entry = ("[a-z0-9-]{0,40}", any::<u64>(), any::<u64>(), "[a-z0-9.-]{0,60}")
            .prop_map(|(instance, seq, offset, file)| ClockEntry { instance, seq, offset, file });
        prop::collection::vec(entry, 0..4)
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(clock in clock(), state in prop::collection::vec(any::<u8>(), 0..60), done in any::<bool>()) {
            let bytes = snapshot(done, &clock, &state);
            let file = SnapshotFile::read(&bytes).unwrap();
            prop_assert_eq!((file.is_complete, &file.clock, file.seal), (done, &clock, Seal::None));
            prop_assert_eq!(&bytes[file.state], &state[..]);
            let bytes = sealed_snapshot(&clock, &state);
            let file = SnapshotFile::read(&bytes).unwrap();
            prop_assert_eq!((file.is_complete, file.clock, file.seal), (true, clock, Seal::Sound));
            prop_assert_eq!(&bytes[file.state], &state[..]);
        }

        #[test]
        fn no_part_of_a_sealed_file_is_sound(
            clock in clock(), state in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let bytes = sealed_snapshot(&clock, &state);
            let at = at.index(bytes.len());
            let sound = |bytes: &[u8]| SnapshotFile::sealed(bytes).is_some();
            prop_assert!(!sound(&bytes[..at]));
            let zeroed = [&bytes[..at], &vec![0; bytes.len() - at]].concat();
            prop_assert!(zeroed == bytes || !sound(&zeroed));
            let mut changed = bytes.clone();
            changed[at] = byte;
            prop_assert!(changed == bytes || !sound(&changed));
        }

        #[test]
        fn bytes_of_nobody_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = SnapshotFile::read(&bytes);
            let whole = [&SNAPSHOT_HEADER[..], &[1], &bytes].concat();
            if let Ok(file) = SnapshotFile::read(&whole) {
                prop_assert!(file.state.end <= whole.len() && file.state.start <= file.state.end);
            }
        }
    }
}
