//! One real directory: what is known to lie in it, what was changed there, and how something is put into it.
//!
//! The directory belongs to whoever works in it. So each name is remembered as it was last seen or put there, and nothing
//! is replaced or removed that is not still so: what was changed in between is told, and the caller keeps it.

mod place;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path as OsPath, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use cloudchamber_core::Content;
use rustix::fs::OFlags;

pub(crate) use self::place::{Aside, Outcome, Way};
pub(crate) use self::scan::Found;
use crate::form::Form;

/// What a file of ours is called while it is written, where there is no other place for it.
pub(crate) const OWN: &str = ".cloudchamber-live-";

/// A time within which two changes may leave the same times on a file, ns. ext4 counts in ticks of 4 ms, others in tens;
/// some keep seconds only, and there a change within one is seen by its length alone.
const TICK_NS: i128 = 50_000_000;

/// A real directory and what is known of it.
#[derive(Debug)]
pub(crate) struct Real {
    pub(crate) dir: PathBuf,
    /// Device and number of the directory itself: another one in its place is not it.
    id: (u64, u64),
    /// Every name that is known to be there, as it was last seen or put.
    pub(crate) known: BTreeMap<String, Known>,
    /// What was said already of names that do not travel.
    told: BTreeSet<String>,
    /// The longest file that travels, bytes.
    bytes_max: u64,
}

/// A name as it was last seen or put.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) form: Form,
    stat: Stat,
    /// When its bytes were last compared, ns since 1970.
    compared_ns: i128,
}

/// What tells that a file was changed without a look into it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stat {
    len: u64,
    pub(crate) modified_ns: i128,
    changed_ns: i128,
    number: u64,
}

impl Stat {
    fn of(metadata: &Metadata) -> Self {
        let ns = |s: i64, ns: i64| i128::from(s) * 1_000_000_000 + i128::from(ns);
        Self {
            len: metadata.len(),
            modified_ns: ns(metadata.mtime(), metadata.mtime_nsec()),
            changed_ns: ns(metadata.ctime(), metadata.ctime_nsec()),
            number: metadata.ino(),
        }
    }
}

impl Real {
    /// A directory of which nothing is known yet.
    ///
    /// # Errors
    /// Where it cannot be looked at.
    pub(crate) fn open(dir: PathBuf, bytes_max: u64) -> io::Result<Self> {
        let metadata = fs::metadata(&dir)?;
        let id = (metadata.dev(), metadata.ino());
        Ok(Self { dir, id, known: BTreeMap::new(), told: BTreeSet::new(), bytes_max })
    }

    /// Takes a name for known as it lies there.
    pub(crate) fn learn(&mut self, name: &str, form: Form, stat: Stat) {
        // What was read before its last tick was over may have been changed since.
        self.known.insert(name.to_owned(), Known { form, stat, compared_ns: stat.changed_ns });
    }

    /// Whether the directory is still the one that it was.
    pub(crate) fn is_there(&self) -> bool {
        fs::metadata(&self.dir).is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == self.id)
    }

    /// Which directory it is: device and number.
    pub(crate) fn id(&self) -> (u64, u64) {
        self.id
    }

    fn device(&self) -> u64 {
        self.id.0
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A file's bytes and state; `None` if nothing has the name, or something that is no file.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub(crate) fn read(&self, name: &str) -> io::Result<Option<(Content, Stat)>> {
        read(&self.path(name), self.bytes_max)
    }
}

/// A file's bytes and state before they were read; `None` if nothing has the name, or something that is no file.
fn read(path: &OsPath, bytes_max: u64) -> io::Result<Option<(Content, Stat)>> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).expect("flags of open(2)");
    let file = match File::options().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(bytes_max)).unwrap_or(0));
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has grown too large"));
    }
    Ok(Some((Content::new(bytes), Stat::of(&metadata))))
}

/// What a name is itself, links not followed; `None` if there is nothing.
fn look(path: &OsPath) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an error says that there is no file of the name: nothing, a link, or a file in the place of a directory.
fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// Now, in ns since 1970.
pub(crate) fn now_ns() -> i128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i128::try_from(since.as_nanos()).unwrap_or(i128::MAX))
}
