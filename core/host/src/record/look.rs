//! One look at one file: what a reader would find there.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cloudchamber_core::kit::clients::{client_of_mark, is_litter};
use cloudchamber_core::kit::stub::may_be_elsewhere;
use sha2::{Digest, Sha256};

use super::format::Written;
use crate::os::bounded::within;

/// How long a look at one file may take.
const READ_MAX: Duration = Duration::from_secs(5);
/// A time within which two changes may leave the same times on a file: ext4 counts in ticks of 4 ms, others in tens.
const TICK: Duration = Duration::from_millis(50);

/// What tells that a file may have been changed, without a look into it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stamp {
    number: u64,
    len: u64,
    modified_ns: i128,
    changed_ns: i128,
    blocks: u64,
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        let ns = |s: i64, ns: i64| i128::from(s) * 1_000_000_000 + i128::from(ns);
        Self {
            number: metadata.ino(),
            len: metadata.len(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
            blocks: metadata.blocks(),
        }
    }

    /// Whether a change from now on leaves another stamp.
    pub(super) fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        i128::try_from(now.saturating_sub(TICK.as_nanos())).is_ok_and(|then| then > self.changed_ns)
    }

    pub(super) fn modified_ms(&self) -> i64 {
        i64::try_from(self.modified_ns.div_euclid(1_000_000)).unwrap_or(0)
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Whether it takes room on the disk.
    pub(super) fn has_blocks(&self) -> bool {
        self.blocks > 0
    }

    pub(super) fn may_be_elsewhere(&self) -> bool {
        may_be_elsewhere(self.len, self.blocks)
    }
}

/// What a file holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Holds {
    Bytes {
        len: u64,
        sha256: String,
        /// The bytes themselves, where there are few.
        content: Option<Written>,
        /// Whether there are bytes, and all of them are NUL.
        nul: bool,
    },
    /// Its bytes are not here.
    Elsewhere(u64),
    /// It cannot be read.
    Unread { len: u64, why: String },
}

/// Reads a file; `None` if it is not there any more.
pub(super) fn read(real: &Path, len: u64, content_max: u64) -> Option<Holds> {
    let own = real.to_owned();
    let read = within(READ_MAX, real, move || read_bounded(&own, content_max));
    match read {
        Some(Ok(holds)) => Some(holds),
        Some(Err(error))
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            None
        }
        Some(Err(error)) => Some(Holds::Unread { len, why: error.to_string() }),
        None => Some(Holds::Unread { len, why: format!("it did not come within {} s", READ_MAX.as_secs()) }),
    }
}

fn read_bounded(real: &Path, content_max: u64) -> io::Result<Holds> {
    let mut file = crate::os::open(real)?;
    let (mut hasher, mut few, mut len, mut nul) = (Sha256::new(), Vec::new(), 0_u64, true);
    let mut part = vec![0; 64 << 10];
    loop {
        let read = file.read(&mut part)?;
        if read == 0 {
            break;
        }
        let bytes = &part[..read];
        len += read as u64;
        nul &= bytes.iter().all(|byte| *byte == 0);
        if len <= content_max {
            few.extend_from_slice(bytes);
        }
        hasher.update(bytes);
    }
    let content = (len <= content_max).then(|| Written::of(&few));
    Ok(Holds::Bytes { len, sha256: hex::encode(hasher.finalize()), content, nul: nul && len > 0 })
}

/// The path in the folder of what lies at a real one; `None` if it belongs to a client or a system, is the folder itself, or
/// is no text.
pub(super) fn name(folder: &Path, real: &Path) -> Option<String> {
    let below = real.strip_prefix(folder).ok()?;
    let parts: Option<Vec<&str>> = below.iter().map(|part| part.to_str()).collect();
    let parts = parts?;
    let is_passed_over = |part: &&str| client_of_mark(part).is_some() || is_litter(part);
    (!parts.is_empty() && !parts.iter().any(is_passed_over)).then(|| parts.join("/"))
}

/// Says a thing once.
#[derive(Debug, Default)]
pub(super) struct Once(BTreeSet<PathBuf>);

impl Once {
    pub(super) fn tell(&mut self, path: &Path, tell: &dyn Fn(&str), why: &str) {
        if self.0.insert(path.to_owned()) {
            tell(&format!("{}: {why}: it is not recorded", path.display()));
        }
    }
}
