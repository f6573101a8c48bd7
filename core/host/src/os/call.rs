//! Calls to the operating system, each with its name, and what is done about those that a mount lacks or that find a
//! file busy.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

/// A call that failed.
#[derive(Debug)]
pub(crate) struct Failed {
    /// What was called.
    call: &'static str,
    /// On what.
    path: PathBuf,
    /// Why it failed.
    pub(crate) error: io::Error,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.call, self.path.display(), self.error)
    }
}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> Self {
        Self::new(failed.error.kind(), failed.to_string())
    }
}

/// A call by its name, on a file.
pub(crate) fn call<T>(
    name: &'static str,
    path: &Path,
    mut made: impl FnMut() -> io::Result<T>,
) -> Result<T, Failed> {
    patiently(&mut made).map_err(|error| Failed { call: name, path: path.to_owned(), error })
}

/// How long a busy file is tried again in all: some 0.6 s, which is longer than a client or a virus scanner takes to
/// look at a small file, and shorter than any lease.
const WAITS_MS: [u64; 7] = [5, 10, 20, 40, 80, 160, 320];

/// Tries a call again for a while if a file is busy. It did nothing then.
fn patiently<T>(made: &mut dyn FnMut() -> io::Result<T>) -> io::Result<T> {
    for wait_ms in WAITS_MS {
        match made() {
            Err(error) if is_busy(&error) => std::thread::sleep(Duration::from_millis(wait_ms)),
            result => return result,
        }
    }
    made()
}

fn is_busy(error: &io::Error) -> bool {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    matches!(number, Some(Errno::BUSY | Errno::TXTBSY)) || error.kind() == ErrorKind::Interrupted
}

/// Whether an error says that the mount does not have the call at all: network and FUSE mounts lack some.
pub(super) fn is_lacking(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOLCK)
}

/// A call that is no failure if the mount lacks it: what it would have done cannot be had there.
pub(super) fn unless_lacking(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error().map(Errno::from_raw_os_error).is_some_and(is_lacking) => Ok(()),
        result => result,
    }
}

/// Makes what was written to a file survive a power cut, as far as its mount can.
pub(super) fn sync(file: &File, path: &Path) -> Result<(), Failed> {
    call("fsync", path, || unless_lacking(file.sync_all()))
}

/// Makes the names in a directory survive a power cut, as far as its mount can.
pub(super) fn sync_dir(dir: &Path) -> Result<(), Failed> {
    // Some mounts do not even open a directory.
    let open = || match File::open(dir) {
        Err(error) if error.kind() == ErrorKind::IsADirectory => Ok(None),
        result => result.map(Some),
    };
    match call("open", dir, open)? {
        Some(file) => sync(&file, dir),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_file_is_tried_again_and_another_error_is_not() {
        let mut made = 0;
        let mut busy_twice = || {
            made += 1;
            if made <= 2 { Err(Errno::BUSY.into()) } else { Ok(made) }
        };
        assert_eq!(call("open", Path::new("a"), &mut busy_twice).unwrap(), 3);
        let mut made = 0;
        let failed = call("open", Path::new("a/b"), || {
            made += 1;
            Err::<(), _>(Errno::IO.into())
        });
        assert_eq!(
            (failed.unwrap_err().to_string(), made),
            ("open a/b: Input/output error (os error 5)".into(), 1)
        );
    }

    #[test]
    fn what_a_mount_lacks_is_no_failure() {
        for lacking in [Errno::INVAL, Errno::OPNOTSUPP, Errno::NOSYS] {
            assert!(unless_lacking(Err(lacking.into())).is_ok(), "{lacking}");
        }
        assert!(unless_lacking(Err(Errno::IO.into())).is_err());
        assert!(unless_lacking(Err(Errno::NOSPC.into())).is_err());
    }
}
