//! Checksums of journals.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::kit::text::{plain, without_mark};
use crate::{Fs, Path};

/// What one file was when its checksum was taken.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub struct Seal {
    /// SHA-256 of the first `bytes` bytes, in hexadecimal.
    pub sha256: String,
    /// Lines in them.
    pub lines: u64,
    /// How many bytes.
    #[serde(default)]
    pub bytes: u64,
    /// When, in milliseconds since 1970; upstream puts the file's modification time here.
    #[serde(default)]
    pub mtime: i64,
}

impl Seal {
    /// The seal of these bytes, without what means nothing in a text file ([`text`](crate::kit::text)).
    #[must_use]
    pub fn of(bytes: &[u8], at_ms: i64) -> Self {
        let bytes = &*plain(bytes);
        let digest = Sha256::digest(bytes);
        Self {
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
            lines: memchr::memchr_iter(b'\n', bytes).count() as u64,
            bytes: bytes.len() as u64,
            mtime: at_ms,
        }
    }
}

/// The seals of a checksum file, by file name; empty if it cannot be read.
#[must_use]
pub fn seals(fs: &dyn Fs, path: &Path) -> BTreeMap<String, Seal> {
    let content = fs.read(path, 0).ok();
    content.and_then(|content| serde_json::from_slice(without_mark(content.bytes())).ok()).unwrap_or_default()
}
