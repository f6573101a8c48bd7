//! Whether the file system that a folder is on does what programs rely on. Only calls that change nothing are tried.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::fs::{FlockOperation, StatVfsMountFlags, flock, statvfs};

use super::{Finding, Kind};
use crate::os::kind_of;

/// Less room than this is too little, in bytes.
const ROOM_MIN: u64 = 64 << 20;

pub(super) fn look(folder: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut lacks = |detail: String| found.push(Finding::of(Kind::Mount, "", detail));
    let kind = kind_of(folder);
    let (name, is_disk) = kind.map_or(("an unknown file system", false), |kind| (kind.name, kind.is_disk));
    for (call, result) in tried(folder) {
        if let Err(error) = result {
            lacks(format!("{call} of the folder fails on {name}: {error}"));
        }
    }
    match name {
        "NFS" | "SMB" | "9p" | "FUSE" => lacks(format!(
            "it is on {name}: changes of others are not announced, a read may block, and locks may hold on one machine alone"
        )),
        "vfat" | "exfat" => lacks(format!(
            "it is on {name}: names ignore case, times are rounded to 2 s, and a replace is not safe in a crash"
        )),
        _ if !is_disk && cfg!(target_os = "linux") => lacks(format!("it is on {name}")),
        _ => {}
    }
    if let Ok(room) = statvfs(folder) {
        if room.f_flag.contains(StatVfsMountFlags::RDONLY) {
            lacks("it is mounted so that nothing can be written".to_owned());
        }
        let bytes = room.f_bavail.saturating_mul(room.f_frsize);
        if room.f_blocks > 0 && bytes < ROOM_MIN {
            let detail = format!("{} MiB are left on {name}", bytes >> 20);
            found.push(Finding::of(Kind::NearlyFull, "", detail));
        }
    }
    found
}

/// Calls that programs make on folders and that change nothing.
fn tried(folder: &Path) -> Vec<(&'static str, io::Result<()>)> {
    let dir = match File::open(folder) {
        Ok(dir) => dir,
        Err(error) => return vec![("open", Err(error))],
    };
    let locked = match flock(&dir, FlockOperation::NonBlockingLockShared) {
        // Somebody has it, so it can be had.
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(()),
        result => result.map_err(io::Error::from),
    };
    vec![("fsync", dir.sync_all()), ("flock", locked)]
}
