//! What kind of file system a directory is on, and whether a read there may block without end.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::bounded;
use crate::clock;

/// A kind of file system.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct MountKind {
    /// What people call it.
    pub(crate) name: &'static str,
    /// Whether it is a disk of this machine, from which a read comes back.
    pub(crate) is_disk: bool,
}

/// The kind of file system that a directory is on; None if that cannot be told.
#[cfg(target_os = "linux")]
pub(crate) fn kind_of(dir: &Path) -> Option<MountKind> {
    // The numbers of statfs(2).
    let kind = rustix::fs::statfs(dir).ok()?.f_type;
    let disk = |name| MountKind { name, is_disk: true };
    let far = |name| MountKind { name, is_disk: false };
    Some(match u32::try_from(kind & 0xffff_ffff).unwrap_or(0) {
        0xef53 => disk("ext4"),
        0x5846_5342 => disk("xfs"),
        0x9123_683e => disk("btrfs"),
        0x0102_1994 => disk("tmpfs"),
        0x794c_7630 => disk("overlayfs"),
        0xf2f5_2010 => disk("f2fs"),
        0x2fc1_2fc1 => disk("zfs"),
        0xca45_1a4e => disk("bcachefs"),
        0x4d44 => disk("vfat"),
        0x2011_bab0 => disk("exfat"),
        0x5346_544e | 0x7366_746e => disk("ntfs"),
        0xf15f => disk("ecryptfs"),
        0x6573_5546 => far("FUSE"),
        0x6969 => far("NFS"),
        0xff53_4d42 | 0xfe53_4d42 | 0x517b => far("SMB"),
        0x0102_1997 => far("9p"),
        _ => far("an unknown file system"),
    })
}

/// Elsewhere a disk of this machine holds evicted files, too.
#[cfg(not(target_os = "linux"))]
pub(crate) fn kind_of(dir: &Path) -> Option<MountKind> {
    dir.is_dir().then_some(MountKind { name: "a file system of this system", is_disk: false })
}

/// How long what was found out of a mount holds, in ms: it may go and come.
const HOLDS_MS: u64 = 2_000;

/// How long it may take to find that out.
const ASKED_MAX: Duration = Duration::from_secs(1);

/// What is known of the mount of the shared folder: since when, and whether a read there may block without end.
#[derive(Debug, Default)]
pub(super) struct Mount(Mutex<Option<(u64, bool)>>);

impl Mount {
    /// Whether a read in this directory may block without end.
    pub(super) fn may_block(&self, dir: &Path) -> bool {
        let now = clock::now().mono.0;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *known {
            Some((since, blocks)) if now.saturating_sub(since) < HOLDS_MS => return blocks,
            _ => {}
        }
        let asked: PathBuf = dir.to_owned();
        let kind = bounded::within(ASKED_MAX, &dir.join(".."), move || kind_of(&asked));
        // A directory that is not there blocks nobody; one that does not answer does.
        let blocks = kind.is_none_or(|kind| kind.is_some_and(|kind| !kind.is_disk));
        *known = Some((now, blocks));
        blocks
    }
}
