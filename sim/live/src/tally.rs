//! What was seen of a run: for its trace, and for its summary.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use cloudchamber_core::Path;
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::checks::time;
use cloudchamber_folder::profile::Arrival;
use cloudchamber_folder::scenario::At;
use cloudchamber_folder::trace::Watched;
use cloudchamber_folder::world::{Choice, ChoiceOf};
use serde::Serialize;

use crate::system::LiveSystem;

/// How many conflicts a summary tells in words.
const TOLD_MAX: usize = 5;

/// What is taken down of every choice.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) choices: Vec<At<ChoiceOf<LiveSystem>>>,
    /// Whose directory may have to be changed since that was last done.
    pub(crate) moved: BTreeSet<ReplicaId>,
    pub(crate) saves: u64,
    versions: u64,
    conflicts: Vec<String>,
    broken: u64,
    /// When the version of each file that a replica is about to send was saved there, world time in ms.
    saved: BTreeMap<(ReplicaId, Path), u64>,
    /// When each version was saved.
    born: BTreeMap<(Path, u32), u64>,
    slowest: Option<Slowest>,
}

impl Tally {
    /// Looks at what was just taken.
    pub(crate) fn note(&mut self, watched: &Watched<LiveSystem>, choice: &ChoiceOf<LiveSystem>) {
        let (now, effects) = (watched.world.now(), &watched.effects);
        self.choices.push(At { ms: now, choice: choice.clone() });
        if let Some(replica) = choice.replica() {
            match choice {
                Choice::Apply { .. } => {
                    for path in &effects.touched {
                        self.saved.insert((replica, path.clone()), now);
                    }
                }
                Choice::Download { .. }
                | Choice::Evict { .. }
                | Choice::Fetch { .. }
                | Choice::ResetIndex { .. }
                | Choice::Restore { .. }
                | Choice::Upload { .. } => {
                    self.moved.insert(replica);
                }
                _ => {}
            }
        }
        for commit in &effects.committed {
            self.versions += 1;
            let saved = self.saved.get(&(commit.author, commit.path.clone())).copied().unwrap_or(now);
            self.born.insert((commit.path.clone(), commit.version), saved);
        }
        self.conflicts.extend(effects.conflicts.iter().map(ToString::to_string));
        if let Choice::Download { replica, path, arrival, .. } = choice {
            self.broken += u64::from(*arrival != Arrival::Whole);
            let seen = watched.world.replica(*replica).disk().slot(path).map_or(0, |slot| slot.seen);
            let born = self.born.get(&(path.clone(), seen)).filter(|_| *arrival == Arrival::Whole);
            if let Some(took_ms) = born.map(|born| now - born)
                && self.slowest.as_ref().is_none_or(|slowest| slowest.took_ms < took_ms)
            {
                self.slowest = Some(Slowest { path: path.name().to_owned(), replica: *replica, took_ms });
            }
        }
    }

    /// Where everything is told of what was seen.
    pub(crate) fn summary(&self, profile: &str, seed: u64, at_ms: u64, apart: Vec<String>) -> Summary {
        Summary {
            profile: profile.to_owned(),
            seed,
            at_ms,
            saves: self.saves,
            versions: self.versions,
            conflicts: self.conflicts.len() as u64,
            broken_arrivals: self.broken,
            slowest: self.slowest.clone(),
            told: self.conflicts.iter().take(TOLD_MAX).cloned().collect(),
            apart,
            program: None,
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Summary {
    /// The provider.
    pub profile: String,
    /// The seed.
    pub seed: u64,
    /// How long it went on, ms of world time.
    pub at_ms: u64,
    /// How many changes of programs were seen.
    pub saves: u64,
    /// How many versions the server took.
    pub versions: u64,
    /// How many files were changed at two places apart from each other.
    pub conflicts: u64,
    /// How many versions became visible otherwise than as a whole.
    pub broken_arrivals: u64,
    /// The version that took longest; `None` if none arrived.
    pub slowest: Option<Slowest>,
    /// The first conflicts, a sentence each.
    pub told: Vec<String>,
    /// Why the folders do not all hold the same; empty if they do.
    pub apart: Vec<String>,
    /// How the program ended that was run; `None` if there was none, or it was well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
}

/// A version on its way.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Slowest {
    /// Which file.
    pub path: String,
    /// Whom it reached.
    pub replica: ReplicaId,
    /// How long after it was saved, ms of world time.
    pub took_ms: u64,
}

impl Summary {
    /// Whether all folders hold the same, and the program that was run is content.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.apart.is_empty() && self.program.is_none()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { profile, seed, saves, versions, conflicts, broken_arrivals, .. } = self;
        let s = |count: u64| if count == 1 { "" } else { "s" };
        writeln!(
            f,
            "{profile}, seed {seed}, {} of the folder's time: {saves} change{}, {versions} version{}, {conflicts} conflict{}, \
             {broken_arrivals} broken arrival{}",
            time(self.at_ms),
            s(*saves),
            s(*versions),
            s(*conflicts),
            s(*broken_arrivals)
        )?;
        if let Some(Slowest { path, replica, took_ms }) = &self.slowest {
            let path = shown(path);
            writeln!(f, "  slowest: {path} reached {replica} {} after it was saved", time(*took_ms))?;
        }
        for told in &self.told {
            writeln!(f, "  {}", shown(told))?;
        }
        if let Some(more) = conflicts.checked_sub(self.told.len() as u64).filter(|more| *more > 0) {
            writeln!(f, "  and {more} more like that")?;
        }
        for apart in &self.apart {
            writeln!(f, "  apart: {}", shown(apart))?;
        }
        if let Some(program) = &self.program {
            writeln!(f, "  {program}")?;
        }
        Ok(())
    }
}

/// A text for a line of output: names of files may have anything in them, such as the end of a line.
pub(crate) fn shown(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, c| {
        if c.is_control() {
            shown.extend(c.escape_default())
        } else {
            shown.push(c)
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_control_characters_stays_in_its_line() {
        let mut tally = Tally::default();
        tally.conflicts.push("a and b had both changed x\ny\u{1b}[31m".into());
        tally.slowest = Some(Slowest { path: "p\rq".into(), replica: ReplicaId(1), took_ms: 7 });
        let text = tally.summary("perfect", 0, 9, vec!["z\tz".into()]).to_string();
        assert_eq!(text.lines().count(), 4, "{text:?}");
        assert!(
            text.contains(r"x\ny\u{1b}[31m") && text.contains(r"p\rq") && text.contains(r"z\tz"),
            "{text:?}"
        );
        assert_eq!(shown("caf\u{e9} \u{1f600}"), "caf\u{e9} \u{1f600}");
    }
}
