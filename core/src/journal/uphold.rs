//! What is said again of machines that write no more.
//!
//! A journal that comes back shorter or older, or not at all, is mended by its owner. Where the owner is gone for good, the
//! records that it lost stand only in what others keep of it, and whoever comes later would never hear of them. So a machine
//! that has kept something for long which the journals lack writes those records that no file of the folder has into a file
//! in its own directory, which counts as a version of that journal. They go once the journal, or a copy of it, has them
//! again.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::IgnoredAny;
use xxhash_rust::xxh3::xxh3_64;

use super::folder::{Folder, Held};
use super::kept::{is_kept, lines};
use super::layout::MACHINES;
use super::names::{is_machine_id, is_upheld, upheld_name};
use super::problem::ProblemKind;
use super::schema::Log;
use crate::{Content, FsOp, Path};

/// How long a machine waits until it says again what others have lost, in ms: a sync client brings the newest version of
/// a file sooner, and an owner that is awake mends its journal at once.
pub const UPHOLD_MS: u64 = 3_600_000;

/// The lines of a journal by their digests, and where each stands.
#[derive(Default)]
struct Lines<'a> {
    /// What this machine keeps.
    kept: BTreeMap<u64, &'a [u8]>,
    /// What this machine has said again.
    own: BTreeMap<u64, &'a [u8]>,
    /// What others have said again.
    others: BTreeSet<u64>,
    /// What the journal and its copies have.
    there: BTreeSet<u64>,
    /// Whether one of them is not here yet.
    is_unread: bool,
}

impl<'a> Lines<'a> {
    /// The lines that are to be said, those that are said already first, and how many are not; `None` if there is nothing to
    /// change.
    fn to_say(&self) -> Option<(Vec<&'a [u8]>, usize)> {
        if self.is_unread {
            return None;
        }
        let is_lost = |digest: &u64| !self.there.contains(digest);
        let before: Vec<_> = self.own.iter().filter(|(digest, _)| is_lost(digest)).collect();
        let is_new = |digest: &u64| !self.own.contains_key(digest) && !self.others.contains(digest);
        let new: Vec<_> = self.kept.iter().filter(|(digest, _)| is_lost(digest) && is_new(digest)).collect();
        let (is_as_said, more) = (before.len() == self.own.len() && new.is_empty(), new.len());
        (!is_as_said).then(|| (before.into_iter().chain(new).map(|(_, line)| *line).collect(), more))
    }
}

/// What a machine does so that what it keeps is in the folder.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Upheld {
    /// The ops.
    pub(super) ops: Vec<FsOp>,
    /// What that was, in words, a sentence each.
    pub(super) what: Vec<String>,
}

/// Compares what this machine, whose id is `own`, keeps of others' journals with the files of the folder.
pub(super) fn uphold(folder: &Folder, own: &str) -> Upheld {
    let directory = Path::shared(MACHINES).join(own);
    let is_unread = |held: &Held, log: Log| {
        let journal = Path::shared(MACHINES).join(&held.directory).join(log.file_name());
        let unread = [ProblemKind::NotLocal, ProblemKind::Unreadable];
        folder
            .problems
            .iter()
            .any(|problem| unread.contains(&problem.kind) && *problem.file == *journal.name())
    };
    let mut journals: BTreeMap<(&str, Log), Lines<'_>> = BTreeMap::new();
    for held in &folder.files {
        let Some(log) = held.log.filter(|log| *log != Log::Runtime && is_machine_id(&held.machine)) else {
            continue;
        };
        let of = journals.entry((&held.machine, log)).or_default();
        let all = lines(&held.content).map(|line| (xxh3_64(line), line));
        if is_kept(&held.name) {
            if *held.directory != *own {
                of.is_unread |= is_unread(held, log);
                of.kept.extend(all.filter(|(_, line)| serde_json::from_slice::<IgnoredAny>(line).is_ok()));
            }
        } else if !is_upheld(&held.name) {
            of.there.extend(all.map(|(digest, _)| digest));
        } else if Path::shared(&held.name).below(&directory).is_some() {
            of.own.extend(all);
        } else {
            of.others.extend(all.map(|(digest, _)| digest));
        }
    }
    let mut upheld = Upheld::default();
    for ((machine, log), of) in journals {
        let Some((said, more)) = of.to_say() else { continue };
        let path = directory.join(&upheld_name(log, machine));
        let journal = format!("{machine}/{}", log.file_name());
        upheld.what.push(match more {
            0 => format!("{journal}: it has records again that were said here, which go"),
            more => format!("{journal}: {more} records that no file had are said again"),
        });
        upheld.ops.push(match said.is_empty() {
            true => FsOp::Remove { path },
            false => {
                let content = Content::new([said.join(&b'\n'), b"\n".to_vec()].concat());
                FsOp::Replace { path, content }
            }
        });
    }
    upheld
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::Design;
    use crate::{Fs as _, FsMut as _, MemoryFs};

    const JOURNAL: &str = "shared/machines/gone/messages.jsonl";

    fn line(seq: u32) -> String {
        format!(
            "{{\"type\":\"message\",\"id\":\"msg-{seq}\",\"body\":\"{seq}\",\"origin\":\"gone\",\"seq\":{seq}}}\n"
        )
    }

    fn text(seqs: &[u32]) -> String {
        seqs.iter().map(|seq| line(*seq)).collect()
    }

    /// What the machine says of the journal then, sorted; `None` if it says nothing.
    fn said(fs: &mut MemoryFs, own: &str) -> Option<Vec<String>> {
        let folder = Folder::read(fs, &Design::HARDENED);
        for op in uphold(&folder, own).ops {
            fs.apply(&op).unwrap();
        }
        let path = Path::shared(MACHINES).join(own).join("messages.of-gone.jsonl");
        let content = fs.read(&path, 0).ok()?;
        let mut lines: Vec<_> =
            lines(&content).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
        lines.sort();
        Some(lines)
    }

    fn all(seqs: &[u32]) -> Option<Vec<String>> {
        Some(seqs.iter().map(|seq| line(*seq).trim_end().to_owned()).collect())
    }

    fn put(fs: &mut MemoryFs, path: Path, text: &str) {
        fs.apply(&FsOp::Replace { path, content: Content::from(text) }).unwrap();
    }

    #[test]
    fn what_a_journal_lost_is_said_until_it_has_it_again() {
        let mut fs = MemoryFs::default();
        put(&mut fs, Path::local("kept/gone/messages.jsonl"), &text(&[1, 2, 3]));
        put(&mut fs, Path::shared(JOURNAL), &text(&[1]));
        assert_eq!(said(&mut fs, "here"), all(&[2, 3]));
        let folder = Folder::read(&fs, &Design::HARDENED);
        assert_eq!(uphold(&folder, "here"), Upheld::default(), "once");
        assert_eq!(folder.view(&Design::HARDENED).messages.len(), 3);
        // What another one says is said, and stays said when this one's own is no longer needed.
        put(&mut fs, Path::shared("shared/machines/other/messages.of-gone.jsonl"), &text(&[2]));
        assert_eq!(said(&mut fs, "here"), all(&[2, 3]));
        put(&mut fs, Path::shared(JOURNAL), &text(&[1, 3]));
        assert_eq!(said(&mut fs, "here"), all(&[2]));
        put(&mut fs, Path::shared(JOURNAL), &text(&[1, 3, 2]));
        assert_eq!(said(&mut fs, "here"), None);
        fs.apply(&FsOp::Remove { path: Path::shared(JOURNAL) }).unwrap();
        assert_eq!(said(&mut fs, "here"), all(&[1, 3]), "what the other one says need not be said twice");
    }

    #[test]
    fn nothing_is_said_of_what_is_not_here_yet_or_in_a_copy() {
        let mut fs = MemoryFs::default();
        put(&mut fs, Path::local("kept/gone/messages.jsonl"), &text(&[1, 2]));
        put(&mut fs, Path::shared(JOURNAL), &text(&[1, 2]));
        fs.unreadable.insert(Path::shared(JOURNAL), crate::FsError::NotLocal);
        assert_eq!(said(&mut fs, "here"), None);
        fs.unreadable.clear();
        put(&mut fs, Path::shared(JOURNAL), &text(&[1]));
        put(&mut fs, Path::shared("shared/machines/gone/messages 2.jsonl"), &text(&[1, 2]));
        assert_eq!(said(&mut fs, "here"), None);
    }
}
