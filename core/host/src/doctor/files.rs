//! What the bytes of the files say, each read once and up to a bound.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::time::Duration;

use cloudchamber_core::kit::clients::{is_litter, unfinished};
use cloudchamber_core::kit::condition::{Condition, conditions, is_known_kind};
use cloudchamber_core::kit::stub::{may_be_elsewhere, stub_of};
use rustix::io::Errno;

use super::walk::{Item, Tree};
use super::{Finding, Kind};
use crate::os::bounded::within;
use crate::os::{kind_of, open};

/// How much of a file is read, in bytes. Of a longer one only the beginning is looked at.
const WHOLE_MAX: u64 = 16 << 20;
/// How much is read of a file of which the beginning tells enough.
const HEAD: u64 = 1 << 16;
/// After this many reads that did not come back nothing more is read.
const BLOCKED_MAX: usize = 4;

/// What reading came to.
#[derive(Debug, Default)]
pub(super) struct Contents {
    pub(super) findings: Vec<Finding>,
    /// Files whose bytes are not here, or did not come: not to be read again.
    pub(super) absent: BTreeSet<String>,
    pub(super) patience: Duration,
}

/// Reads the files of a folder.
pub(super) fn read(tree: &Tree, patience: Duration) -> Contents {
    let mut done = Contents { patience, ..Contents::default() };
    // Some mounts tell no blocks of any file: then that says nothing.
    let with_bytes = || tree.files().filter(|item| item.len > 0);
    let tells_blocks = with_bytes().any(|item| item.blocks > 0);
    let root = tree.of("").first().and_then(|item| item.real.parent());
    let is_disk = root.and_then(kind_of).is_some_and(|kind| kind.is_disk);
    for item in tree.files() {
        let name = item.name();
        if is_litter(name) {
            continue;
        }
        if let Some((of, by)) = stub_of(name, item.len) {
            let detail = format!("{} has left a promise of {of} in its place", by.name());
            done.findings.push(Finding::of(Kind::Placeholder, &item.path, detail));
            done.absent.insert(item.path.clone());
            continue;
        }
        if let Some(by) = unfinished(name) {
            done.findings.push(Finding::of(Kind::Unfinished, &item.path, format!("of {by}")));
            done.absent.insert(item.path.clone());
            continue;
        }
        // To read it would have the client fetch it.
        if may_be_elsewhere(item.len, item.blocks) && (tells_blocks || is_disk) {
            let detail = format!("it is said to have {} bytes, and takes no room", item.len);
            done.findings.push(Finding::of(Kind::Placeholder, &item.path, detail));
            done.absent.insert(item.path.clone());
            continue;
        }
        done.look_at(item);
    }
    done
}

impl Contents {
    fn look_at(&mut self, item: &Item) {
        let blocked = self.findings.iter().filter(|found| found.kind == Kind::Blocked).count();
        if blocked >= BLOCKED_MAX {
            self.absent.insert(item.path.clone());
            return;
        }
        let (bytes, whole) = match self.bytes(item) {
            Ok(read) => read,
            Err(found) => {
                self.findings.extend(found);
                self.absent.insert(item.path.clone());
                return;
            }
        };
        for found in conditions(item.name(), &bytes, whole) {
            let (kind, detail) = match found.condition {
                Condition::Empty => (Kind::Empty, String::new()),
                Condition::Nul => (Kind::Nul, format!("{} zeros", item.len)),
                Condition::NulWithin => (Kind::NulWithin, String::new()),
                Condition::Cut => (Kind::Torn, format!("it ends after {} bytes", item.len)),
                Condition::Damaged => (Kind::Damaged, "it cannot be read as what its name says".to_owned()),
                Condition::Unmerged => (Kind::Unmerged, "<<<<<<< and >>>>>>>".to_owned()),
            };
            let finding = Finding::of(kind, &item.path, detail);
            self.findings.push(Finding { line: found.line, ..finding });
        }
    }

    /// The bytes of a file, and whether these are all; or why not, which may be nothing to tell.
    pub(super) fn bytes(&self, item: &Item) -> Result<(Vec<u8>, bool), Option<Finding>> {
        let (real, name, len) = (item.real.clone(), item.name().to_owned(), item.len);
        let read = within(self.patience, &item.real, move || {
            let mut file = open(&real)?;
            let mut bytes = Vec::new();
            file.by_ref().take(HEAD).read_to_end(&mut bytes)?;
            // What is of no known kind is looked at only for zeros.
            let tells_more = bytes.iter().all(|&byte| byte == 0) || is_known_kind(&name);
            if tells_more && len <= WHOLE_MAX {
                file.take(WHOLE_MAX).read_to_end(&mut bytes)?;
            }
            Ok::<_, io::Error>(bytes)
        });
        match read {
            Some(Ok(bytes)) => {
                let whole = bytes.len() as u64 >= len;
                Ok((bytes, whole))
            }
            Some(Err(error)) => Err(unread(item, &error)),
            None => Err(Some(Finding::of(
                Kind::Blocked,
                &item.path,
                format!("nothing came within {} s", self.patience.as_secs()),
            ))),
        }
    }
}

fn unread(item: &Item, error: &io::Error) -> Option<Finding> {
    let number = error.raw_os_error().map(Errno::from_raw_os_error);
    match (error.kind(), number) {
        // It has gone since it was listed.
        (io::ErrorKind::NotFound, _) => None,
        // What a read of an evicted file ends with.
        (_, Some(Errno::DEADLK | Errno::AGAIN | Errno::TIMEDOUT)) => {
            Some(Finding::of(Kind::Placeholder, &item.path, format!("read: {error}")))
        }
        _ => Some(Finding::of(Kind::UnreadableFile, &item.path, format!("read: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_file_cannot_be_read_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "a").unwrap();
        let tree = Tree::read(dir.path(), Duration::from_secs(5)).unwrap();
        let item = tree.find("a").unwrap();
        let kind = |number: Errno| unread(item, &number.into()).map(|found| found.kind);
        for elsewhere in [Errno::DEADLK, Errno::AGAIN, Errno::TIMEDOUT] {
            assert_eq!(kind(elsewhere), Some(Kind::Placeholder), "{elsewhere}");
        }
        assert_eq!(kind(Errno::ACCESS), Some(Kind::UnreadableFile));
        assert_eq!(kind(Errno::IO), Some(Kind::UnreadableFile));
        assert_eq!(kind(Errno::NOENT), None, "it has gone since it was listed");
    }
}
