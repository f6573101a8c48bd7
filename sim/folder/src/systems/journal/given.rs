//! The lines that journals began with.

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::Root;
use cloudchamber_core::journal::file::{File, Reading};
use cloudchamber_core::journal::schema::{Kind, Log};

use super::JournalSystem;
use super::lines::Says;
use super::seen::line_digest;
use crate::ReplicaId;
use crate::scenario::FileSpec;
use crate::world::{Choice, ChoiceOf, World};

/// The records of the files that are there before anything runs. Nobody acknowledged them: a machine that has never read
/// one cannot write it again, so those that are on one disk alone go with its machine, and all go where a client takes an
/// empty directory for the folder.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Given {
    /// By the digests of the lines.
    lines: BTreeMap<u64, Line>,
    /// Whether a client removed the whole folder.
    is_wiped: bool,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Line {
    text: String,
    /// On whose disk alone it was.
    on: Option<ReplicaId>,
    /// The question that it gives a status; `None` if it gives none.
    edits: Option<(Kind, String)>,
    /// Who has read it, and when, ms of world time; of lines that give a question a status.
    read: BTreeMap<ReplicaId, u64>,
    /// Who had long read it and has set another status since, and the digest of that line.
    superseded: BTreeSet<(ReplicaId, u64)>,
}

impl Line {
    fn new(text: String, on: Option<ReplicaId>) -> Self {
        let edits = Says::of(&text).edits.filter(|(kind, _)| *kind == Kind::QuestionUpdate);
        Self { text, on, edits, read: BTreeMap::new(), superseded: BTreeSet::new() }
    }
}

impl Given {
    /// The records of these files that everybody is to read.
    pub(super) fn of(files: &[FileSpec]) -> Self {
        let mut given = Self::default();
        for file in files.iter().filter(|file| file.path.root() == Root::Shared) {
            let bytes = file.text.as_bytes();
            for record in File::read(bytes, Reading::Salvage).records {
                if record.kind.log().is_some_and(|log| Log::SHARED.contains(&log)) {
                    let line = record.line.of(bytes);
                    let text = String::from_utf8_lossy(line).into_owned();
                    given.lines.insert(line_digest(line), Line::new(text, file.replica));
                }
            }
        }
        given
    }

    /// Notes that nothing of it need be left.
    pub(super) fn after(&mut self, choice: &ChoiceOf<JournalSystem>) {
        self.is_wiped |= matches!(choice, Choice::Wipe { .. });
    }

    /// A line that is not among those seen and has to be there.
    pub(super) fn lacking(&self, world: &World<JournalSystem>, seen: &BTreeSet<u64>) -> Option<&str> {
        let is_due = |on: Option<ReplicaId>| on.is_none_or(|id| world.replica(id).process().is_some());
        let mut lines = self.lines.iter().filter(|_| !self.is_wiped);
        let lacking = lines.find(|(digest, line)| is_due(line.on) && !seen.contains(digest));
        lacking.map(|(_, line)| line.text.as_str())
    }

    /// Notes which questions' statuses a machine sees now.
    pub(super) fn read(&mut self, id: ReplicaId, now: u64, seen: &BTreeSet<u64>) {
        for (digest, line) in self.lines.iter_mut().filter(|(_, line)| line.edits.is_some()) {
            if seen.contains(digest) {
                line.read.entry(id).or_insert(now);
            }
        }
    }

    /// Notes that a machine which reads all that it had before a time has told an edit, whose line has a digest.
    pub(super) fn edited(&mut self, id: ReplicaId, before: u64, edited: &(Kind, String), digest: u64) {
        for line in self.lines.values_mut().filter(|line| line.edits.as_ref() == Some(edited)) {
            if line.read.get(&id).is_some_and(|read| *read < before) {
                line.superseded.insert((id, digest));
            }
        }
    }

    /// A status that is shown although somebody who had read it set another one of which one can know.
    pub(super) fn overtaken(
        &self,
        is_shown: impl Fn(u64) -> bool,
        is_known: impl Fn(&(ReplicaId, u64)) -> bool,
    ) -> Option<&str> {
        let mut lines = self.lines.iter();
        let overtaken =
            lines.find(|(digest, line)| line.superseded.iter().any(&is_known) && is_shown(**digest));
        overtaken.map(|(_, line)| line.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use cloudchamber_core::Path;

    use super::*;

    #[test]
    fn what_journals_begin_with_is_every_shared_record_of_theirs() {
        let file = |path: Path, text: &str| FileSpec { path, text: text.to_owned(), replica: None };
        let messages = "{\"type\":\"message\",\"id\":\"m\"}\nnonsense\n{\"type\":\"later\"}\n";
        let given = Given::of(&[
            file(Path::shared("shared/machines/alpha/messages.jsonl"), messages),
            file(Path::local("runtime.jsonl"), "{\"type\":\"message\",\"id\":\"n\"}\n"),
        ]);
        let lines: Vec<_> = given.lines.values().map(|line| line.text.as_str()).collect();
        assert_eq!(lines, ["{\"type\":\"message\",\"id\":\"m\"}"]);
    }
}
