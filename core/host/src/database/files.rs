//! What the view was made of: the files, and how a changed one is known.

use std::io::Read;
use std::os::unix::fs::MetadataExt;

use cloudchamber_core::journal::file::{File, Stop};
use cloudchamber_core::journal::folder::Held;
use cloudchamber_core::journal::schema::Log;
use cloudchamber_core::{Content, FsError, Path};
use rusqlite::{Connection, params};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::OsFs;
use crate::os::open;

/// One row of `files`, as it is written.
pub(super) struct FileRow<'a> {
    pub(super) id: i64,
    pub(super) name: &'a str,
    pub(super) directory: &'a str,
    pub(super) machine: &'a str,
    pub(super) log: Option<Log>,
    pub(super) stop: Stop,
    pub(super) digest: u64,
    pub(super) tail: bool,
    pub(super) signature: &'a [u8],
}

impl<'a> FileRow<'a> {
    pub(super) fn local(held: &'a Held, file: &File, signature: &'a [u8]) -> Self {
        let whole = usize::try_from(file.stop.at).unwrap_or(usize::MAX).min(held.content.len());
        Self {
            id: file_id(&held.name),
            name: &held.name,
            directory: &held.directory,
            machine: &held.machine,
            log: held.log,
            stop: file.stop,
            digest: prefix_digest(&held.content, whole),
            tail: whole < held.content.len(),
            signature,
        }
    }

    pub(super) fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        let mut statement = connection.prepare_cached(UPSERT_FILE)?;
        statement.execute(params![
            self.id,
            self.name,
            self.directory,
            self.machine,
            self.log.map(|log| log as u8),
            self.stop.at.cast_signed(),
            self.digest.cast_signed(),
            self.stop.lines,
            self.stop.index,
            self.stop.carry_ms,
            self.stop.last.map(u64::cast_signed),
            self.tail,
            self.signature,
        ])?;
        Ok(())
    }
}

/// The digest of the first `len` bytes: of all of them it is known already.
pub(super) fn prefix_digest(content: &Content, len: usize) -> u64 {
    if len == content.len() { content.digest() } else { xxh3_64(&content.bytes()[..len]) }
}

/// An update, not a replacement: that would have SQLite look through all rows that refer to the file.
const UPSERT_FILE: &str =
    "INSERT INTO files VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET
    directory = excluded.directory, machine = excluded.machine, log = excluded.log, bytes = excluded.bytes,
    digest = excluded.digest, lines = excluded.lines, idx = excluded.idx, carry_ms = excluded.carry_ms,
    last = excluded.last, tail = excluded.tail, signature = excluded.signature";

/// The number of a file: a digest of its name, so that it does not depend on the order of arrival.
pub(super) fn file_id(name: &str) -> i64 {
    xxh3_64(name.as_bytes()).cast_signed()
}

/// What the file system tells of a file that any change of it changes: on Unix no program can set the time of
/// the last change of an inode. Empty if it cannot be told, which equals no signature.
pub(super) fn signature(fs: &OsFs, path: &Path) -> Vec<u8> {
    let Ok(metadata) = fs.real(path).metadata() else { return Vec::new() };
    let numbers = [
        metadata.dev().cast_signed(),
        metadata.ino().cast_signed(),
        metadata.len().cast_signed(),
        metadata.ctime(),
        metadata.ctime_nsec(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    ];
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// The digest of the first `len` bytes of a file, and the bytes after them.
pub(super) fn grown(fs: &OsFs, path: &Path, len: u64) -> Result<(Xxh3, Content), FsError> {
    let (hasher, tail) = fs.ask(path, move |real| {
        let mut file = open(real)?;
        let mut hasher = Xxh3::new();
        // Small enough to be still in the processor's cache when it is digested.
        let mut buffer = vec![0; 1 << 17];
        let mut left = len;
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            match file.read(&mut buffer[..want])? {
                // Shorter than it was: the digest will not be that of the whole.
                0 => break,
                read => {
                    hasher.update(&buffer[..read]);
                    left -= read as u64;
                }
            }
        }
        if left > 0 {
            hasher.update(b"shortened");
        }
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        Ok((hasher, tail))
    })?;
    Ok((hasher, Content::new(tail)))
}
