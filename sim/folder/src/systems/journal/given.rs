//! The lines that journals began with.

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_core::Root;
use cloudchamber_core::journal::file::{File, Reading};
use cloudchamber_core::journal::schema::Log;

use super::JournalSystem;
use super::seen::line_digest;
use crate::ReplicaId;
use crate::scenario::FileSpec;
use crate::world::{Choice, ChoiceOf, World};

/// The records of the files that are there before anything runs. Nobody acknowledged them: a machine that has never read
/// one cannot write it again, so those that are on one disk alone go with its machine, and all go where a client takes an
/// empty directory for the folder.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub(super) struct Given {
    /// By the digests of the lines: the line, and on whose disk alone it was.
    lines: BTreeMap<u64, (String, Option<ReplicaId>)>,
    /// Whether a client removed the whole folder.
    is_wiped: bool,
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
                    given.lines.insert(line_digest(line), (text, file.replica));
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
        let lacking = lines.find(|(digest, (_, on))| is_due(*on) && !seen.contains(digest));
        lacking.map(|(_, (line, _))| line.as_str())
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
        let lines: Vec<_> = given.lines.values().map(|(line, _)| line.as_str()).collect();
        assert_eq!(lines, ["{\"type\":\"message\",\"id\":\"m\"}"]);
    }
}
