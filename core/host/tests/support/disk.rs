//! Files in memory of which one op fails, and that count what is read.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use cloudchamber_core::{Content, Entry, Fs, FsError, FsMut, FsOp, MemoryFs, Path};

/// Every way to fail.
pub(crate) const ERRORS: [FsError; 6] = [
    FsError::Exists,
    FsError::NoSpace,
    FsError::NotFound,
    FsError::NotLocal,
    FsError::Refused,
    FsError::Unavailable,
];

/// How much of an op was done when it failed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    Nothing,
    Half,
    Everything,
}

/// Which op fails, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub(crate) at: u32,
    pub(crate) error: FsError,
    pub(crate) part: Part,
}

/// Files of which one op fails.
#[derive(Clone)]
pub(crate) struct Disk {
    pub(crate) files: Rc<RefCell<MemoryFs>>,
    pub(crate) fault: Rc<Cell<Option<Fault>>>,
    /// How many ops were tried.
    pub(crate) tried: Rc<Cell<u32>>,
    /// Files that were read, and how often.
    pub(crate) read: Rc<RefCell<Vec<Path>>>,
    /// The op that failed last.
    pub(crate) hit: Rc<RefCell<Option<String>>>,
}

impl Disk {
    pub(crate) fn of(files: MemoryFs) -> Self {
        Self {
            files: Rc::new(RefCell::new(files)),
            fault: Rc::default(),
            tried: Rc::default(),
            read: Rc::default(),
            hit: Rc::default(),
        }
    }
}

/// An op by what it does and to which kind of file: numbers, times and digests in names are passed over.
pub(crate) fn named(op: &FsOp) -> String {
    let what = format!("{op:?}");
    let what = what.split(' ').next().unwrap_or_default();
    let plain = |part: &str| match part.rsplit_once('.') {
        _ if !part.bytes().any(|byte| byte.is_ascii_digit()) => part.to_owned(),
        Some((_, end)) => format!("*.{end}"),
        None => "*".to_owned(),
    };
    let path = op.path().to_string();
    let parts: Vec<_> = path.split('/').map(plain).collect();
    format!("{what} {}", parts.join("/"))
}

/// What of an op is done when only a part of it is.
pub(crate) fn part_of(op: &FsOp, part: Part) -> Option<FsOp> {
    let half = |content: &Content| content.prefix(content.len() / 2);
    match (part, op) {
        (Part::Nothing, _) => None,
        (Part::Everything, op) => Some(op.clone()),
        (Part::Half, FsOp::Append { path, bytes }) => {
            Some(FsOp::Append { path: path.clone(), bytes: half(bytes) })
        }
        (Part::Half, FsOp::CreateNew { path, content }) => {
            Some(FsOp::CreateNew { path: path.clone(), content: half(content) })
        }
        (Part::Half, FsOp::Overwrite { path, content }) => {
            Some(FsOp::Overwrite { path: path.clone(), content: half(content) })
        }
        (
            Part::Half,
            FsOp::Flush { .. } | FsOp::Remove { .. } | FsOp::Rename { .. } | FsOp::Replace { .. },
        ) => None,
    }
}

impl Fs for Disk {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        self.read.borrow_mut().push(path.clone());
        self.files.borrow().read(path, from)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        self.files.borrow().list(dir)
    }
}

impl FsMut for Disk {
    fn apply(&mut self, op: &FsOp) -> Result<(), FsError> {
        let at = self.tried.replace(self.tried.get() + 1);
        match self.fault.get().filter(|fault| fault.at == at) {
            None => self.files.borrow_mut().apply(op),
            Some(fault) => {
                if let Some(op) = part_of(op, fault.part) {
                    let _ = self.files.borrow_mut().apply(&op);
                }
                self.hit.replace(Some(named(op)));
                Err(fault.error)
            }
        }
    }
}
