//! Two real directories as the two roots.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path as OsPath, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cloudchamber_core::kit::stub::{StubBy, may_be_elsewhere, stub_of};
use cloudchamber_core::{Content, Entry, EntryKind, Fs, FsError, FsMut, FsOp, Path, Root, WallMs};
use rustix::fs::FlockOperation;
use rustix::io::Errno;

use self::call::{Failed, call, sync, sync_dir};
pub use self::lock::Lock;
use self::mount::Mount;
pub(crate) use self::mount::kind_of;
pub(crate) use self::within::leads_out;

pub(crate) mod bounded;
pub(crate) mod call;
mod lock;
mod mount;
mod root;
mod within;

/// Two real directories: the one the sync client copies, and one that never leaves this machine.
///
/// A [`Path`] has no `..` and no empty part, so nothing outside the two is ever touched by name; a symbolic link that
/// leads out of the shared folder is refused, too. What clients leave of a file that they keep elsewhere
/// ([`stub_of`]) is told as that file, not local; so is a file that takes no room and holds nothing but zeros, and one
/// whose bytes do not come within some seconds.
#[derive(Clone, Debug)]
pub struct OsFs {
    shared: PathBuf,
    local: PathBuf,
    /// The call that made the last op fail, in words.
    failure: Option<String>,
    mount: Arc<Mount>,
}

/// How long a read of the shared folder may take. A client on a healthy line fetched a small file in 1.2 s (atomantic/PortOS
/// issue 3706); one that hangs never does.
const READ_MAX: Duration = Duration::from_secs(4);

/// The longest file that is read: no system writes such a one.
const BYTES_MAX: u64 = 4 << 30;

impl OsFs {
    /// Uses these two directories.
    #[must_use]
    pub fn new(shared: impl Into<PathBuf>, local: impl Into<PathBuf>) -> Self {
        Self { shared: shared.into(), local: local.into(), failure: None, mount: Arc::default() }
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
            // It stands for a name that is not UTF-8, which is listed and cannot be asked for.
            (ErrorKind::NotFound, _) if is_garbled(path.name()) => FsError::Refused,
            (ErrorKind::NotFound | ErrorKind::NotADirectory, _) => FsError::NotFound,
            _ => FsError::Refused,
        }
    }

    /// Why a file or directory cannot be read, with the call and its error; None if it can.
    #[must_use]
    pub fn explain(&self, path: &Path) -> Option<String> {
        let real = self.real(path);
        if is_garbled(path.name()) && !real.exists() {
            return Some(format!("{}: its name is not UTF-8: give it another one", real.display()));
        }
        let tried = self.within(path, |real| match real.is_dir() {
            true => Ok(call("read the directory", real, || fs::read_dir(real).map(drop))?),
            false => Ok(call("read", real, || open(real)?.read(&mut [0]).map(drop))?),
        });
        tried.err().map(|error| match error.raw_os_error() {
            Some(_) => format!("read {}: {error}", real.display()),
            None => error.to_string(),
        })
    }

    /// What a call on a file or directory gives. In the shared folder it may lead through no link that leads out, and is
    /// waited for no longer than [`READ_MAX`] where a client may have to fetch what it asks for.
    fn within<T: Send + 'static>(
        &self,
        path: &Path,
        made: impl FnOnce(&OsPath) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let real = self.real(path);
        if path.root() == Root::Local {
            return made(&real);
        }
        let root = self.shared.clone();
        let file = real.clone();
        let guarded = move || {
            follow(&root, &real)?;
            made(&real)
        };
        if !self.mount.may_block(&self.shared) {
            return guarded();
        }
        bounded::within(READ_MAX, &file, guarded).unwrap_or_else(|| Err(Errno::TIMEDOUT.into()))
    }

    /// As [`OsFs::within`], and with the error in the port's words.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        path: &Path,
        made: impl FnOnce(&OsPath) -> io::Result<T> + Send + 'static,
    ) -> Result<T, FsError> {
        self.within(path, made).map_err(|error| self.told(path, &error))
    }

    /// A person says that the directory which is in the shared folder's place now is the folder, empty or not.
    pub fn accept_folder(&self) {
        root::accept(&self.shared, &self.local);
    }

    /// Whether an empty directory is in the shared folder's place, and another one than the folder was.
    fn is_away(&self) -> bool {
        root::is_away(&self.shared, &self.local)
    }

    fn is_stub(&self, path: &Path) -> bool {
        let real = self.real(path);
        StubBy::ALL.iter().any(|by| {
            let stub = by.stub(path.file_name());
            let there = real.with_file_name(&stub).metadata();
            there.is_ok_and(|there| there.is_file() && stub_of(&stub, there.len()).is_some())
        })
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

    /// Refuses to write through a symbolic link that leads out of the shared folder.
    fn stays_within(&self, op: &FsOp) -> Result<(), Failed> {
        let path = op.path();
        let real = self.real(path);
        if path.root() == Root::Local {
            return Ok(());
        }
        // A replaced, moved or removed link is not followed; what it is in is.
        let follows = matches!(op, FsOp::Append { .. } | FsOp::Flush { .. } | FsOp::Overwrite { .. });
        let asked = if follows { &real } else { real.parent().unwrap_or(&self.shared) };
        follow(&self.shared, asked)
    }

    fn change(&self, op: &FsOp) -> Result<(), Failed> {
        self.stays_within(op)?;
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

/// Refuses a path that leads out of the root.
fn follow(root: &OsPath, real: &OsPath) -> Result<(), Failed> {
    call("follow", real, || match leads_out(root, real) {
        true => Err(refused("a symbolic link leads out of the folder")),
        false => Ok(()),
    })
}

/// What a directory tells of an entry.
struct Found {
    name: String,
    kind: EntryKind,
    len: u64,
    modified: WallMs,
}

impl Found {
    /// None if it is gone. A name that is not UTF-8 is told with a mark in place of what is none, so that somebody can be
    /// told of it.
    fn of(entry: &fs::DirEntry, shared: Option<&OsPath>) -> Option<Self> {
        let name = match entry.file_name().into_string() {
            Ok(name) => name,
            Err(name) => name.to_string_lossy().into_owned(),
        };
        let metadata = entry.metadata().ok()?;
        // A link that leads out is told as what it pretends to be, and refused when it is read: so it is named.
        let out = metadata.is_symlink() && shared.is_some_and(|root| leads_out(root, &entry.path()));
        let is_dir = metadata.is_dir() || out && entry.path().is_dir();
        let modified =
            metadata.mtime().saturating_mul(1_000).saturating_add(metadata.mtime_nsec() / 1_000_000);
        Some(Self {
            name,
            kind: if is_dir { EntryKind::Dir } else { EntryKind::File },
            len: if is_dir { 0 } else { metadata.len() },
            modified: WallMs(modified),
        })
    }
}

/// Whether a name stands for one that is not UTF-8.
fn is_garbled(name: &str) -> bool {
    name.contains(char::REPLACEMENT_CHARACTER)
}

/// The bytes of a file from an offset on. Zeros that take no room are nobody's: what they stand for is elsewhere.
fn read_from(real: &OsPath, from: u64) -> io::Result<Vec<u8>> {
    let mut file = call("open", real, || open(real)).map_err(|failed| failed.error)?;
    let metadata = file.metadata()?;
    let len = metadata.len();
    if len > BYTES_MAX {
        return Err(refused("it has over 4 GiB, and nothing here writes such a file"));
    }
    if may_be_elsewhere(len, metadata.blocks()) && metadata.is_file() && is_hollow(&mut file)? {
        return Err(Errno::AGAIN.into());
    }
    // Seeking far past the end is an error of its own; nothing lies there.
    let from = from.min(len);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::with_capacity(usize::try_from(len - from).unwrap_or(0));
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a file begins with zeros alone: as much as a client's block of it.
fn is_hollow(file: &mut File) -> io::Result<bool> {
    let mut beginning = Vec::new();
    file.take(1 << 16).read_to_end(&mut beginning)?;
    Ok(beginning.iter().all(|&byte| byte == 0))
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
        self.ask(path, move |real| read_from(real, from)).map(Content::new)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        let real = self.real(dir);
        let told = |error: io::Error| match error.kind() {
            ErrorKind::NotADirectory if real.exists() => FsError::Refused,
            _ => self.told(dir, &error),
        };
        let shared = (dir.root() == Root::Shared).then(|| self.shared.clone());
        let listed = self.within(dir, move |real| {
            let mut found = Vec::new();
            let listed = call("read the directory", real, || fs::read_dir(real));
            for entry in listed.map_err(|failed| failed.error)? {
                // A file that goes while it is listed is gone.
                found.extend(Found::of(&entry?, shared.as_deref()));
            }
            Ok(found)
        });
        let entry = |found: Found| {
            let stub = stub_of(&found.name, found.len).filter(|_| found.kind == EntryKind::File);
            let path = dir.join(stub.map_or(&*found.name, |(of, _)| of));
            (stub.is_some(), Entry { path, kind: found.kind, len: found.len, modified: found.modified })
        };
        let is_mark = |found: &Found| *dir == Path::local("") && root::is_own(&found.name);
        let found = listed.map_err(told)?.into_iter().filter(|found| !is_mark(found));
        let mut entries: Vec<_> = found.map(entry).collect();
        // A file that is here counts before a stub of it.
        entries.sort_by(|(a_stub, a), (b_stub, b)| (&a.path, a_stub).cmp(&(&b.path, b_stub)));
        let mut entries: Vec<_> = entries.into_iter().map(|(_, entry)| entry).collect();
        entries.dedup_by(|a, b| a.path == b.path);
        Ok(entries)
    }
}

impl FsMut for OsFs {
    fn apply(&mut self, op: &FsOp) -> Result<(), FsError> {
        let is_shared = op.path().root() == Root::Shared;
        if is_shared && self.is_away() {
            let shared = self.shared.display();
            self.failure = Some(format!(
                "{shared} is empty, and another directory than before: it is taken for the place of a mount that is away; \
                 put any file into it if it is the right one"
            ));
            return Err(FsError::Unavailable);
        }
        let changed = self.change(op);
        if is_shared && changed.is_ok() {
            root::note(&self.shared, &self.local);
        }
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
    fn an_empty_directory_in_the_place_of_the_root_is_not_written_to() {
        let (dir, mut fs) = root();
        let [shared, away] = ["shared", "away"].map(|name| dir.path().join(name));
        let op = FsOp::Append { path: Path::shared("a/b"), bytes: Content::from("x") };
        fs.apply(&op).unwrap();
        let local = fs.list(&Path::local("")).unwrap();
        assert!(local.iter().all(|entry| !root::is_own(entry.name())), "it is none of the protocol's files");
        // The mount goes, and its directory is left.
        fs::rename(&shared, &away).unwrap();
        fs::create_dir(&shared).unwrap();
        assert_eq!(fs.apply(&op), Err(FsError::Unavailable));
        assert!(fs.failure().unwrap().contains("is empty, and another directory than before"));
        assert_eq!(fs.list(&Path::shared("")), Ok(Vec::new()), "that it is empty everybody may see");
        assert!(fs::read_dir(&shared).unwrap().next().is_none(), "nothing was made in its place");
        // It comes back.
        fs::remove_dir(&shared).unwrap();
        fs::rename(&away, &shared).unwrap();
        fs.apply(&op).unwrap();
        assert_eq!(fs.read(&Path::shared("a/b"), 0), Ok(Content::from("xx")));
        // Emptied by its client it is still the same directory.
        fs::remove_dir_all(shared.join("a")).unwrap();
        fs.apply(&op).unwrap();
        // Somebody has put another one in its place, and something into it.
        fs::rename(&shared, &away).unwrap();
        fs::create_dir(&shared).unwrap();
        fs::write(shared.join("any"), "").unwrap();
        fs.apply(&op).unwrap();
        fs::remove_file(shared.join("any")).unwrap();
        fs::remove_dir_all(shared.join("a")).unwrap();
        fs.apply(&op).unwrap();
    }

    #[test]
    fn errors_are_told_apart() {
        let (dir, fs) = root();
        assert_eq!(fs.list(&Path::shared("nothing")), Err(FsError::NotFound));
        assert_eq!(fs.read(&Path::shared(""), 0), Err(FsError::Refused));
        fs::write(dir.path().join("shared/.gone.jsonl.icloud"), "").unwrap();
        assert_eq!(fs.read(&Path::shared("gone.jsonl"), 0), Err(FsError::NotLocal));
        assert_eq!(fs.list(&Path::shared("")).unwrap()[0].name(), "gone.jsonl");
        // A directory that cannot be seked is refused, too.
        assert_eq!(fs.read(&Path::shared(""), 5), Err(FsError::Refused));
        fs::remove_dir_all(dir.path().join("shared")).unwrap();
        assert_eq!(fs.read(&Path::shared("a"), 0), Err(FsError::Unavailable));
        assert_eq!(fs.read(&Path::local("a"), 0), Err(FsError::NotFound));
    }

    #[test]
    fn what_a_client_keeps_elsewhere_is_not_here_yet_in_every_form() {
        let (dir, fs) = root();
        let shared = dir.path().join("shared");
        for by in StubBy::ALL {
            let name = format!("{by:?}.json");
            fs::write(shared.join(by.stub(&name)), " ").unwrap();
            assert_eq!(fs.read(&Path::shared(&name), 0), Err(FsError::NotLocal), "{by:?}");
            assert!(fs.list(&Path::shared("")).unwrap().iter().any(|entry| entry.name() == name), "{by:?}");
            // Once it has come, the stub that is left counts no more.
            fs::write(shared.join(&name), "come").unwrap();
            assert_eq!(fs.read(&Path::shared(&name), 0), Ok(Content::from("come")), "{by:?}");
            let listed = fs.list(&Path::shared("")).unwrap();
            let lens: Vec<_> = listed.iter().filter(|entry| entry.name() == name).map(|e| e.len).collect();
            assert_eq!(lens, [4], "{by:?}");
        }
        let hollow = File::create(shared.join("hollow.json")).unwrap();
        hollow.set_len(70_000).unwrap();
        for from in [0, 69_000] {
            assert_eq!(fs.read(&Path::shared("hollow.json"), from), Err(FsError::NotLocal));
        }
        // Zeros that take room were written, as by a crash.
        fs::write(shared.join("zeros.json"), [0; 5_000]).unwrap();
        assert_eq!(fs.read(&Path::shared("zeros.json"), 0).unwrap().len(), 5_000);
        fs::write(shared.join("empty.json"), "").unwrap();
        assert_eq!(fs.read(&Path::shared("empty.json"), 0), Ok(Content::from("")));
    }

    #[test]
    fn a_link_that_leads_out_is_listed_and_neither_read_nor_written_through() {
        use std::os::unix::fs::symlink;
        let (dir, mut fs) = root();
        let (shared, outside) = (dir.path().join("shared"), dir.path().join("outside"));
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), "x").unwrap();
        fs::write(shared.join("own"), "own").unwrap();
        symlink(&outside, shared.join("dir")).unwrap();
        symlink("../outside/secret", shared.join("file")).unwrap();
        symlink("../outside/new", shared.join("dangling")).unwrap();
        symlink("own", shared.join("inner")).unwrap();
        symlink(shared.join("own"), shared.join("absolute")).unwrap();
        for name in ["dir/secret", "file", "dangling"] {
            let path = Path::shared(name);
            assert_eq!(fs.read(&path, 0), Err(FsError::Refused), "{name}");
            assert!(fs.explain(&path).unwrap().contains("leads out of the folder"), "{name}");
            let append = FsOp::Append { path: path.clone(), bytes: Content::from("more") };
            assert_eq!(fs.apply(&append), Err(FsError::Refused), "{name}");
            assert!(fs.failure().unwrap().contains("leads out of the folder"), "{name}");
        }
        assert_eq!(fs.list(&Path::shared("dir")), Err(FsError::Refused));
        let replace = FsOp::Replace { path: Path::shared("dir/a/b"), content: Content::from("x") };
        assert_eq!(fs.apply(&replace), Err(FsError::Refused));
        assert_eq!(fs.apply(&FsOp::Remove { path: Path::shared("dir/secret") }), Err(FsError::Refused));
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "x");
        for name in ["inner", "absolute"] {
            assert_eq!(fs.read(&Path::shared(name), 0), Ok(Content::from("own")), "{name}");
        }
        let kinds = fs.list(&Path::shared("")).unwrap().into_iter().map(|entry| entry.kind);
        assert_eq!(kinds.filter(|kind| *kind == EntryKind::Dir).count(), 1, "`dir` is told as a directory");
        // A replace puts a file in the place of the link.
        fs.apply(&FsOp::Replace { path: Path::shared("file"), content: Content::from("own") }).unwrap();
        assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), "x");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_name_that_is_not_utf8_is_listed_and_refused() {
        use std::os::unix::ffi::OsStrExt;
        let (dir, fs) = root();
        let name = std::ffi::OsStr::from_bytes(b"caf\xe9.json");
        fs::write(dir.path().join("shared").join(name), "{}").unwrap();
        let listed = fs.list(&Path::shared("")).unwrap();
        assert_eq!(listed[0].name(), "caf\u{fffd}.json");
        assert_eq!(fs.read(&listed[0].path, 0), Err(FsError::Refused));
        assert!(fs.explain(&listed[0].path).unwrap().contains("not UTF-8"));
    }
}
