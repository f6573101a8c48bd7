//! What is wrong with files, so that each is told once.

use std::collections::BTreeMap;

use super::Context;
use crate::Path;
use crate::failover::Event;
use crate::failover::records::ProblemKind;

/// The files that something is wrong with.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Troubles(BTreeMap<Path, ProblemKind>);

impl Troubles {
    /// Notes what is wrong with a file, and tells it if that is new.
    pub(super) fn found(&mut self, path: &Path, kind: ProblemKind, cx: &mut Context<'_>) {
        if self.of(path) != Some(kind) {
            self.0.insert(path.clone(), kind);
            cx.event(Event::ProblemFound { path: path.clone(), kind });
        }
    }

    /// Nothing is wrong with it any more.
    pub(super) fn solved(&mut self, path: &Path) {
        if !self.0.is_empty() {
            self.0.remove(path);
        }
    }

    /// What is wrong with it; `None` if nothing is.
    pub(super) fn of(&self, path: &Path) -> Option<ProblemKind> {
        self.0.get(path).copied()
    }
}
