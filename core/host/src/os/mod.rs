//! Two real directories as the two roots.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path as OsPath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cloudchamber_core::{Content, Entry, EntryKind, Fs, FsError, FsMut, FsOp, Path, Root, WallMs};
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use self::call::{Failed, call, sync, sync_dir};
pub use self::lock::Lock;

pub(crate) mod call;
mod lock;

/// Two real directories: the one the sync client copies, and one that never leaves this machine.
///
/// A [`Path`] has no `..` and no empty part, so nothing outside the two is ever touched by name. Files of the
/// form `.name.icloud` are what older systems leave of an evicted file, and are told as that file, not local.
#[derive(Clone, Debug)]
pub struct OsFs {
    shared: PathBuf,
    local: PathBuf,
    /// The call that made the last op fail, in words.
    failure: Option<String>,
}

impl OsFs {
    /// Uses these two directories.
    #[must_use]
    pub fn new(shared: impl Into<PathBuf>, local: impl Into<PathBuf>) -> Self {
        Self { shared: shared.into(), local: local.into(), failure: None }
    }

    /// The real path of a path.
    #[must_use]
    pub fn real(&self, path: &Path) -> PathBuf {
        let root = self.root(path);
        if path.name().is_empty() { root.to_owned() } else { root.join(path.name()) }
    }

    fn root(&self, path: &Path) -> &OsPath {
        match path.root() {
            Root::Local => &self.local,
            Root::Shared => &self.shared,
        }
    }

    /// Tells a real error in the port's words. Only a root that is there can say that a file is not.
    fn told(&self, path: &Path, error: &io::Error) -> FsError {
        let number = error.raw_os_error().map(Errno::from_raw_os_error);
        match (error.kind(), number) {
            (_, Some(Errno::NOSPC | Errno::DQUOT)) => FsError::NoSpace,
            // What a read of an evicted file ends with (iCloud; issues of signetai, claude-code, reflect-open).
            (_, Some(Errno::DEADLK | Errno::AGAIN | Errno::TIMEDOUT)) => FsError::NotLocal,
            (_, Some(Errno::STALE | Errno::IO | Errno::NOTCONN | Errno::HOSTDOWN)) => FsError::Unavailable,
            (ErrorKind::AlreadyExists, _) => FsError::Exists,
            (ErrorKind::NotFound, _) if path.root() == Root::Shared && !self.shared.exists() => {
                FsError::Unavailable
            }
            (ErrorKind::NotFound | ErrorKind::NotADirectory, _) if self.is_stub(path) => FsError::NotLocal,
            (ErrorKind::NotFound | ErrorKind::NotADirectory, _) => FsError::NotFound,
            _ => FsError::Refused,
        }
    }

    /// Why a file or directory cannot be read, with the call and its error; None if it can.
    #[must_use]
    pub fn explain(&self, path: &Path) -> Option<String> {
        let real = self.real(path);
        let tried = if real.is_dir() {
            call("read the directory", &real, || fs::read_dir(&real).map(drop))
        } else {
            call("read", &real, || open(&real)?.read(&mut [0]).map(drop))
        };
        tried.err().map(|failed| failed.to_string())
    }

    fn is_stub(&self, path: &Path) -> bool {
        let real = self.real(path);
        real.with_file_name(format!(".{}.icloud", path.file_name())).exists()
    }

    /// Makes the directories between a root and a file that is about to be written. A file in a directory's place
    /// refuses.
    ///
    /// The shared root is never made: one that is gone was moved, unmounted or taken away by its client, and a new one
    /// in its place would be nobody else's.
    fn make_dirs_above(&self, path: &Path, real: &OsPath) -> io::Result<()> {
        let Some(dir) = real.parent().filter(|dir| !dir.is_dir()) else { return Ok(()) };
        let in_the_way = |error: io::Error| match error.kind() {
            ErrorKind::AlreadyExists | ErrorKind::NotADirectory => {
                refused("a file is in a directory's place")
            }
            _ => error,
        };
        let root = self.root(path);
        if path.root() == Root::Local {
            fs::create_dir_all(root).map_err(in_the_way)?;
        }
        let mut made = root.to_owned();
        for part in dir.strip_prefix(root).map_err(|_| refused("it is outside its root"))?.components() {
            made.push(part);
            match fs::create_dir(&made) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists || !made.is_dir() => {
                    return Err(in_the_way(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn change(&self, op: &FsOp) -> Result<(), Failed> {
        let real = self.real(op.path());
        let make_dirs = |path: &Path, real: &OsPath| call("mkdir", real, || self.make_dirs_above(path, real));
        match op {
            FsOp::Append { bytes, .. } => {
                make_dirs(op.path(), &real)?;
                let mut open = OpenOptions::new();
                open.append(true).create(true);
                let mut file = call("open", &real, || open.open(&real))?;
                call("lock", &real, || Ok(lock::take(&file, FlockOperation::LockExclusive)?))?;
                write(&mut file, &real, bytes.bytes())
            }
            FsOp::CreateNew { content, .. } => {
                make_dirs(op.path(), &real)?;
                let mut open = OpenOptions::new();
                open.write(true).create_new(true);
                let mut file = call("open", &real, || open.open(&real))?;
                write(&mut file, &real, content.bytes())
            }
            FsOp::Flush { .. } => {
                let file = call("open", &real, || {
                    let file = File::open(&real)?;
                    if file.metadata()?.is_dir() {
                        return Err(refused("a directory is not flushed"));
                    }
                    Ok(file)
                })?;
                sync(&file, &real)?;
                sync_dir(real.parent().unwrap_or(&self.shared))
            }
            FsOp::Overwrite { content, .. } => {
                make_dirs(op.path(), &real)?;
                let mut file = call("open", &real, || File::create(&real))?;
                write(&mut file, &real, content.bytes())
            }
            FsOp::Remove { .. } => call("unlink", &real, || fs::remove_file(&real)),
            FsOp::Rename { from, to } => {
                let new = self.real(to);
                call("rename", &real, || {
                    if from.root() != to.root() || fs::symlink_metadata(&real)?.is_dir() {
                        return Err(refused("a rename is of a file, within its root"));
                    }
                    Ok(())
                })?;
                make_dirs(to, &new)?;
                call("rename", &real, || fs::rename(&real, &new))
            }
            FsOp::Replace { content, .. } => {
                make_dirs(op.path(), &real)?;
                replace(&self.local, &real, content.bytes())
            }
        }
    }
}

/// Writes all bytes. A write is not tried again: part of it may have been done.
fn write(file: &mut File, real: &OsPath, bytes: &[u8]) -> Result<(), Failed> {
    let mut once = Some(file);
    call("write", real, || once.take().map_or(Ok(()), |file| file.write_all(bytes)))
}

/// Opens a file to read it. Anything else, such as a pipe that somebody put in its place, is refused and not waited
/// for; a directory is opened, and refuses to be read.
pub(crate) fn open(real: &OsPath) -> io::Result<File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).expect("a flag of open(2)");
    let file = OpenOptions::new().read(true).custom_flags(flags).open(real)?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() || kind.is_dir() { Ok(file) } else { Err(refused("it is no file")) }
}

/// Puts a whole file in place of another, or none of it.
pub(crate) fn replace(local: &OsPath, real: &OsPath, bytes: &[u8]) -> Result<(), Failed> {
    let dir = real.parent().unwrap_or(local);
    // Beside the synced tree where that is the same volume, so that no client ever sees the unfinished file.
    let aside = local.join("tmp");
    call("mkdir", &aside, || fs::create_dir_all(&aside))?;
    match replace_via(&aside, real, bytes) {
        Err(failed) if failed.error.kind() == ErrorKind::CrossesDevices => replace_via(dir, real, bytes),
        result => result,
    }?;
    sync_dir(dir)
}

fn refused(why: &'static str) -> io::Error {
    io::Error::new(ErrorKind::PermissionDenied, why)
}

fn replace_via(dir: &OsPath, real: &OsPath, bytes: &[u8]) -> Result<(), Failed> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = dir.join(format!(".replacing-{}-{count}.tmp", std::process::id()));
    let written = (|| {
        let mut file = call("open", &temporary, || File::create(&temporary))?;
        write(&mut file, &temporary, bytes)?;
        sync(&file, &temporary)?;
        drop(file);
        call("rename to", real, || fs::rename(&temporary, real))
    })();
    if written.is_err() {
        // What is left over is only a temporary file; the error that matters is the first one.
        fs::remove_file(&temporary).unwrap_or_default();
    }
    written
}

impl Fs for OsFs {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        let read = || {
            let real = self.real(path);
            let mut file = call("open", &real, || open(&real)).map_err(|failed| failed.error)?;
            let len = file.metadata()?.len();
            let mut bytes = Vec::with_capacity(usize::try_from(len.saturating_sub(from)).unwrap_or(0));
            // Seeking far past the end is an error of its own; nothing lies there.
            let from = from.min(len);
            if from > 0 {
                file.seek(SeekFrom::Start(from))?;
            }
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().map(Content::new).map_err(|error| self.told(path, &error))
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        let real = self.real(dir);
        let told = |error: io::Error| match error.kind() {
            ErrorKind::NotADirectory if real.exists() => FsError::Refused,
            _ => self.told(dir, &error),
        };
        let mut entries = Vec::new();
        let listed = call("read the directory", &real, || fs::read_dir(&real)).map_err(|failed| failed.error);
        for entry in listed.map_err(told)? {
            let entry = entry.map_err(told)?;
            // A name that is not UTF-8 is none of ours; a file that goes while it is listed is gone.
            let (Ok(name), Ok(metadata)) = (entry.file_name().into_string(), entry.metadata()) else {
                continue;
            };
            let kind = if metadata.is_dir() { EntryKind::Dir } else { EntryKind::File };
            let stub = name.strip_prefix('.').and_then(|name| name.strip_suffix(".icloud"));
            let stub = stub.filter(|name| !matches!(*name, "" | "." | ".."));
            let modified =
                metadata.mtime().saturating_mul(1_000).saturating_add(metadata.mtime_nsec() / 1_000_000);
            entries.push(Entry {
                path: dir.join(stub.unwrap_or(&name)),
                kind,
                len: if kind == EntryKind::Dir { 0 } else { metadata.len() },
                modified: WallMs(modified),
            });
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        entries.dedup_by(|a, b| a.path == b.path);
        Ok(entries)
    }
}

impl FsMut for OsFs {
    fn apply(&mut self, op: &FsOp) -> Result<(), FsError> {
        let changed = self.change(op);
        self.failure = changed.as_ref().err().map(Failed::to_string);
        changed.map_err(|failed| self.told(op.path(), &failed.error))
    }

    fn failure(&self) -> Option<String> {
        self.failure.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, OsFs) {
        let dir = tempfile::tempdir().unwrap();
        let fs = OsFs::new(dir.path().join("shared"), dir.path().join("local"));
        fs::create_dir_all(dir.path().join("shared")).unwrap();
        (dir, fs)
    }

    #[test]
    fn what_is_written_is_read_and_listed() {
        let (_dir, mut fs) = root();
        let path = Path::shared("a/b.json");
        fs.apply(&FsOp::Replace { path: path.clone(), content: Content::from("one") }).unwrap();
        fs.apply(&FsOp::Append { path: path.clone(), bytes: Content::from(" two") }).unwrap();
        fs.apply(&FsOp::Flush { path: path.clone() }).unwrap();
        assert_eq!(fs.read(&path, 4), Ok(Content::from("two")));
        let names: Vec<_> =
            fs.list(&Path::shared("a")).unwrap().into_iter().map(|e| (e.name().to_owned(), e.len)).collect();
        assert_eq!(names, [("b.json".into(), 7)]);
        let created = FsOp::CreateNew { path: path.clone(), content: Content::from("x") };
        assert_eq!(fs.apply(&created), Err(FsError::Exists));
        fs.apply(&FsOp::Rename { from: path.clone(), to: Path::shared("c/d") }).unwrap();
        assert_eq!(fs.read(&path, 0), Err(FsError::NotFound));
        fs.apply(&FsOp::Remove { path: Path::shared("c/d") }).unwrap();
        assert_eq!(fs.apply(&FsOp::Remove { path }), Err(FsError::NotFound));
    }

    #[test]
    fn a_shared_root_that_is_gone_is_not_made_anew() {
        let (dir, mut fs) = root();
        let shared = dir.path().join("shared");
        let ops = |name: &str| {
            let (path, content) = (Path::shared(name), Content::from("x"));
            [
                FsOp::Replace { path: path.clone(), content: content.clone() },
                FsOp::Append { path: path.clone(), bytes: content.clone() },
                FsOp::CreateNew { path: path.clone(), content: content.clone() },
                FsOp::Overwrite { path: path.clone(), content },
                FsOp::Rename { from: path.clone(), to: Path::shared("b/c") },
                FsOp::Flush { path },
            ]
        };
        fs::remove_dir(&shared).unwrap();
        for op in ops("a").iter().chain(&ops("a/b")) {
            assert_eq!(fs.apply(op), Err(FsError::Unavailable), "{op:?}");
            assert!(!shared.exists(), "{op:?}");
        }
        fs.apply(&FsOp::Replace { path: Path::local("a/b"), content: Content::from("x") }).unwrap();
        fs::create_dir(&shared).unwrap();
        assert_eq!(ops("a/b").map(|op| fs.apply(&op).is_ok()), [true, true, false, true, true, false]);
    }

    #[test]
    fn errors_are_told_apart() {
        let (dir, fs) = root();
        assert_eq!(fs.list(&Path::shared("nothing")), Err(FsError::NotFound));
        assert_eq!(fs.read(&Path::shared(""), 0), Err(FsError::Refused));
        fs::write(dir.path().join("shared/.gone.jsonl.icloud"), "").unwrap();
        assert_eq!(fs.read(&Path::shared("gone.jsonl"), 0), Err(FsError::NotLocal));
        assert_eq!(fs.list(&Path::shared("")).unwrap()[0].name(), "gone.jsonl");
        fs::remove_dir_all(dir.path().join("shared")).unwrap();
        assert_eq!(fs.read(&Path::shared("a"), 0), Err(FsError::Unavailable));
        assert_eq!(fs.read(&Path::local("a"), 0), Err(FsError::NotFound));
    }
}
