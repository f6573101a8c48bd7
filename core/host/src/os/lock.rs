//! One process at a time.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path as OsPath;

use rustix::fs::{FlockOperation, fcntl_lock, flock};
use rustix::io::Errno;

use super::call::is_lacking;

/// The right to be this machine's only writer, held by one process at a time and given back when it ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl Lock {
    /// Waits until no other process holds the lock of this local directory.
    ///
    /// # Errors
    /// Where the lock file cannot be made.
    pub fn wait(local: &OsPath) -> io::Result<Self> {
        let file = Self::file(local)?;
        take(&file, FlockOperation::LockExclusive)?;
        Ok(Self(file))
    }

    /// Takes the lock if no other process holds it.
    ///
    /// # Errors
    /// Where the lock file cannot be made.
    pub fn attempt(local: &OsPath) -> io::Result<Option<Self>> {
        let file = Self::file(local)?;
        match take(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(Errno::WOULDBLOCK | Errno::ACCESS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn file(local: &OsPath) -> io::Result<File> {
        fs::create_dir_all(local)?;
        OpenOptions::new().append(true).create(true).open(local.join("lock"))
    }
}

/// Takes a lock of the whole file: `flock` if the file system has it, a record lock otherwise. Some mounts have neither;
/// nobody else can hold one there.
pub(super) fn take(file: &File, how: FlockOperation) -> Result<(), Errno> {
    match flock(file, how) {
        Err(error) if is_lacking(error) => match fcntl_lock(file, how) {
            Err(error) if is_lacking(error) => Ok(()),
            result => result,
        },
        result => result,
    }
}
