//! What a process sees of the folder, and of what is kept on its machine.

use cloudchamber_core::kit::stub::StubBy;
use cloudchamber_core::{Content, Entry, Fs, FsError, FsMut, FsOp, Path, Root};

use super::away::{readable, unreachable};
use super::{Body, Disk, EPOCH, Part, Presence, Slot};

/// What one replica's process sees.
pub(super) struct View<'a> {
    pub(super) shared: &'a Disk,
    pub(super) local: &'a Disk,
    pub(super) reachable: bool,
    /// Whether what is kept on this machine can be read.
    pub(super) local_readable: bool,
    /// Whether a stub is told as the file that it stands for.
    pub(super) guarded: bool,
}

impl View<'_> {
    fn disk(&self, path: &Path) -> Result<&Disk, FsError> {
        unreachable(path, self.reachable)?;
        Ok(if path.root() == Root::Shared { self.shared } else { self.local })
    }
}

impl Fs for View<'_> {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        let disk = self.disk(path)?;
        readable(disk, path, self.local_readable)?;
        disk.read(path, from).map_err(|error| told(disk, path, error, self.guarded))
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        self.disk(dir)?.list_with(dir, self.guarded)
    }

    fn digest(&self, dir: &Path) -> Option<u64> {
        let is_readable = self.local_readable || dir.root() == Root::Shared;
        self.disk(dir).ok().filter(|_| is_readable).map(|disk| disk.digest_below(dir))
    }
}

/// What a process is told where a call failed. Where it is `guarded`, a stub is told as the file that it stands for.
pub(super) fn told(disk: &Disk, path: &Path, error: FsError, guarded: bool) -> FsError {
    let is_stub = |slot: &Slot| slot.body.as_ref().is_some_and(|body| body.presence.is_stub());
    let is_elsewhere = guarded && error == FsError::NotFound && disk.slot(path).is_some_and(is_stub);
    if is_elsewhere { FsError::NotLocal } else { error }
}

/// One disk on its own, without a cloud: what an agent of one replica sees, for the
/// [conformance cases](crate::conformance).
#[derive(Clone, Debug, Default)]
pub struct LocalView {
    disk: Disk,
    now: u64,
}

impl LocalView {
    /// The files.
    #[must_use]
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// A disk with the placeholder of a file, which a client left, and nothing else.
    #[must_use]
    pub fn with_placeholder(path: &Path, by: StubBy) -> Self {
        let mut view = Self::default();
        let body = Body { content: Content::from("elsewhere"), presence: Presence::Stub(by) };
        view.disk.place(path, Some(body), 1, false, EPOCH);
        view
    }

    fn view(&self) -> View<'_> {
        View { shared: &self.disk, local: &self.disk, reachable: true, local_readable: true, guarded: true }
    }
}

impl Fs for LocalView {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        self.view().read(path, from)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        self.view().list(dir)
    }

    fn digest(&self, dir: &Path) -> Option<u64> {
        self.view().digest(dir)
    }
}

impl FsMut for LocalView {
    fn apply(&mut self, op: &FsOp) -> Result<(), FsError> {
        self.now += 1;
        let wall = EPOCH.plus(i64::try_from(self.now).unwrap_or(i64::MAX));
        let applied = self.disk.apply(op, Part::Whole, false, wall, self.now);
        applied.map_err(|error| told(&self.disk, op.path(), error, true))
    }
}
