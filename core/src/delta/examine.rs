//! What is wrong with the files of all replicas of a folder, for whoever only looks.

use std::collections::BTreeMap;

use super::look::{Expected, Found, Reading, listed, listings, members};
use super::problem::{Problem, ProblemKind};
use super::store::Store;
use crate::Fs;

/// Reads every file of every replica as one would that has never synced, and names what is wrong. Nothing is written,
/// and no local file is read.
#[must_use]
pub fn examine(fs: &dyn Fs) -> Vec<Problem> {
    let (store, names) = (Store::default(), BTreeMap::new());
    let mut found = Found::default();
    let members = match members(fs, &store, &mut found) {
        Ok(members) => members,
        Err(error) => return vec![Problem::of("replicas", ProblemKind::Unreadable, error.to_string())],
    };
    let listings = listings(fs, members.peers.keys());
    let reading = Reading { fs, store: &store, listings: &listings, names: &names, whole: true };
    for (id, meta) in &members.peers {
        reading.peer(id, meta.as_ref(), &mut found);
    }
    for copy in &members.copies {
        found.problems.push(Problem::of(copy.name(), ProblemKind::ConflictCopy, "no replica's directory"));
        match listed(fs, copy) {
            Ok(files) => reading.strays(&files, &Expected::new(), &mut found),
            Err(error) => {
                found.problems.push(Problem::of(copy.name(), ProblemKind::Unreadable, error.to_string()));
            }
        }
    }
    found.problems.sort();
    found.problems.dedup();
    found.problems
}
