//! Observed histories: whether the folder model allows what the replicas of a real folder were seen to hold, together.
//!
//! There are no rules here of what a folder may do. A world of [`cloudchamber_folder`] is led through the histories, line by
//! line: programs write what they were seen to write, and for each line that is the client's doing, every choice of the
//! world is tried that might lead to what was seen, as far as the profile's rules and hazards have it. If some order of
//! lines that the clocks allow, and some choices between them, explain all lines, the model allows the histories. If none
//! do, the first line that no world can explain says where client and model part.
//!
//! # What is taken for granted
//! - Each replica's lines are in their order. Lines of two replicas may be in either order if their times are no further
//!   apart than the clocks may be.
//! - Between two lines of a path anything may have been there: a look sees what is there when it looks.
//! - Files are looked at by families, a file with its copies, each in a world of its own.
//! - That something should have arrived and has not is no fault: nothing says when it is late.

mod explain;
mod family;
mod play;
mod search;
mod told;

use std::collections::BTreeSet;
use std::sync::Arc;

use cloudchamber_core::Path;
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::profile::{Arrival, Hazard, Hazards, Profile};
use cloudchamber_folder::world::Choice;
use cloudchamber_host::record::History;
use serde::Serialize;

use self::explain::{Explain, State};
use self::family::{Families, Family, Sight};
use self::play::Play;
use self::search::{Found, search};
use crate::error::LiveError;
use crate::system::Command;

/// A history and the file that it is from.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The file, as messages name it.
    pub file: String,
    /// What it says.
    pub history: History,
}

/// By what histories are judged.
#[derive(Clone, Debug)]
pub struct Model {
    /// The provider. `None`: the rules of any, whichever fit, with every hazard that any of them has.
    pub profile: Option<Arc<Profile>>,
    /// By how much the clocks of two replicas may be apart, and how late a change may be seen, in milliseconds.
    pub clock_error_ms: u64,
}

/// Whether a model allows histories.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// Whether it does.
    pub ok: bool,
    /// Whose rules it was judged by; where any may be, those that fit, or that go furthest.
    pub profile: String,
    /// Whether every hazard of any profile was allowed, and not only those of this one.
    pub any_hazard: bool,
    /// By how much clocks may be apart, in milliseconds.
    pub clock_error_ms: u64,
    /// What each history is called, how many lines of it say something, and whether its end is there.
    pub histories: Vec<Part>,
    /// What happened, as far as it is explained.
    pub counts: Counts,
    /// What had to go wrong to explain it, by the names that profiles have for it.
    pub hazards: BTreeSet<Hazard>,
    /// The first line that no world explains; `None` if all are explained.
    pub refused: Option<Refusal>,
}

/// One history.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Part {
    /// Its file.
    pub file: String,
    /// Its replica.
    pub name: String,
    /// The client, as the recorder was told.
    pub client: Option<String>,
    /// How many lines say something.
    pub lines: usize,
    /// Whether it has its last line.
    pub is_whole: bool,
}

/// What happened.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Counts {
    /// Paths that were seen.
    pub paths: u64,
    /// Versions that programs wrote, removals among them.
    pub versions: u64,
    /// Versions that arrived whole, removals among them.
    pub deliveries: u64,
    /// Versions that arrived broken: cut, empty, NUL, after a gap, as a placeholder.
    pub broken: u64,
    /// Files that were found changed at two replicas apart from each other.
    pub conflicts: u64,
    /// Paths that are conflict copies.
    pub conflict_copies: u64,
    /// Lines of files that a client was gathering, under names that only those have. They are not looked into.
    pub unfinished: u64,
    /// Lines of files that could not be read. They say nothing.
    pub unread: u64,
}

/// A line that no world explains.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// The file that it is in.
    pub file: String,
    /// Which line, counted from 1.
    pub line: usize,
    /// The replica that saw it.
    pub replica: String,
    /// The path.
    pub path: String,
    /// What was seen.
    pub seen: String,
    /// Why the model does not allow it.
    pub why: String,
    /// What it would have allowed there.
    pub allowed: Vec<String>,
}

/// Judges histories of the replicas of one folder.
///
/// # Errors
/// Where they cannot be of one folder, or so much happened at nearly one time that it cannot be decided.
pub fn judge(all: &[Observed], model: &Model) -> Result<Judged, LiveError> {
    check(all)?;
    if let Some(profile) = &model.profile {
        return judge_by(all, profile, &profile.hazards, model, false);
    }
    let any = any_hazard();
    let mut furthest: Option<(Judged, u64)> = None;
    for profile in candidates(all) {
        let judged = judge_by(all, &profile, &any, model, true)?;
        if judged.ok {
            return Ok(judged);
        }
        let came = judged.counts.deliveries + judged.counts.versions + judged.counts.conflict_copies;
        if furthest.as_ref().is_none_or(|(_, before)| came > *before) {
            furthest = Some((judged, came));
        }
    }
    Ok(furthest.expect("there are built-in profiles").0)
}

/// Whether they can be of one folder.
fn check(all: &[Observed]) -> Result<(), LiveError> {
    if all.len() > ReplicaId::COUNT_MAX {
        return Err(LiveError::new(format!(
            "there are {} histories; give {} at most",
            all.len(),
            ReplicaId::COUNT_MAX
        )));
    }
    for (at, one) in all.iter().enumerate() {
        for before in &all[..at] {
            let (header, other) = (&one.history.header, &before.history.header);
            if header.name == other.name {
                return Err(LiveError::new(format!(
                    "{}:1: it is of replica {}, and so is {}: give one history of each replica",
                    one.file, header.name, before.file
                )));
            }
            if let (Some(folder), Some(others)) = (&header.folder, &other.folder)
                && folder != others
            {
                return Err(LiveError::new(format!(
                    "{}:1: it is of folder {folder}, and {} of {others}: give histories of one folder",
                    one.file, before.file
                )));
            }
        }
    }
    Ok(())
}

/// The built-in profiles, those first whose name is in a client's.
fn candidates(all: &[Observed]) -> Vec<Arc<Profile>> {
    let clients = all.iter().filter_map(|one| one.history.header.client.as_ref());
    let clients: Vec<_> = clients.map(|client| client.to_lowercase().replace(' ', "")).collect();
    let is_other = |name: &str| !clients.iter().any(|client| client.contains(name));
    let mut profiles: Vec<_> = Profile::names().filter_map(Profile::named).collect();
    profiles.sort_by_key(|profile| is_other(&profile.name));
    profiles
}

/// Everything that goes wrong with any built-in profile.
fn any_hazard() -> Hazards {
    let profiles: Vec<_> = Profile::names().filter_map(Profile::named).collect();
    let has = |hazard: &Hazard| profiles.iter().any(|profile| profile.hazards.has(*hazard));
    Hazards::only(Hazard::ALL.into_iter().filter(has))
}

/// Everything that may go wrong with anybody.
fn every_hazard() -> Hazards {
    Hazards::only(Hazard::ALL)
}

/// Only some of what may go wrong.
fn only(hazards: &Hazards, some: impl Fn(Hazard) -> bool) -> Hazards {
    Hazards::only(Hazard::ALL.into_iter().filter(|hazard| hazards.has(*hazard) && some(*hazard)))
}

fn judge_by(
    all: &[Observed],
    profile: &Profile,
    hazards: &Hazards,
    model: &Model,
    any_hazard: bool,
) -> Result<Judged, LiveError> {
    let histories: Vec<&History> = all.iter().map(|one| &one.history).collect();
    let names: Vec<String> = histories.iter().map(|history| history.header.name.clone()).collect();
    let play = Play::new(&profile.rules, &names);
    let families = Families::of(&histories, &profile.rules);
    let error_ms = i64::try_from(model.clock_error_ms).unwrap_or(i64::MAX);
    let mut counts = Counts { unfinished: families.unfinished, unread: families.unread, ..Counts::default() };
    let (mut needed, mut refusals) = (BTreeSet::new(), Vec::new());
    for family in &families.families {
        let (state, stuck) = match least(&play, family, hazards, error_ms) {
            Found::Allowed(state) => (state, None),
            Found::Refused(state, sight) => (state, Some(sight)),
            Found::Undecided(sight) => return Err(undecided(all, &sight)),
        };
        counts.add(family, &state);
        needed.extend(state.scene.hazards());
        refusals.extend(stuck.map(|sight| (sight, state, family)));
    }
    // Of all that is refused, what was seen first.
    refusals.sort_by_key(|(sight, _, _)| (sight.at_ms, sight.replica, sight.line));
    let refused = refusals.first().map(|(sight, state, family)| {
        told::refusal(all, (profile, hazards), &play, family, state, sight, error_ms)
    });
    Ok(Judged {
        ok: refused.is_none(),
        profile: profile.name.clone(),
        any_hazard,
        clock_error_ms: model.clock_error_ms,
        histories: all.iter().map(Part::of).collect(),
        counts,
        hazards: needed,
        refused,
    })
}

/// Searches for an explanation in which as little goes wrong as may be.
fn least(play: &Play, family: &Family, hazards: &Hazards, error_ms: i64) -> Found {
    // What is seen of a version on its way costs less to try than what brings older ones back.
    let on_the_way = |hazard| {
        !matches!(
            hazard,
            Hazard::FolderHollow | Hazard::FolderWiped | Hazard::OlderFiles | Hazard::StaleUpload
        )
    };
    let attempts = [
        (Hazards::none(), false),
        (only(hazards, on_the_way), false),
        (only(hazards, on_the_way), true),
        (only(hazards, |_| true), true),
    ];
    let mut found = None;
    for (hazards, doubts) in attempts {
        match search(&Explain { play, family, hazards: &hazards, doubts }, error_ms) {
            Found::Allowed(state) => return fewer(play, family, state, error_ms),
            other => found = Some(other),
        }
    }
    found.expect("there is an attempt")
}

/// Leaves out of an explanation whatever it does without.
fn fewer(play: &Play, family: &Family, mut state: State, error_ms: i64) -> Found {
    let all = every_hazard();
    for hazard in state.scene.hazards() {
        let used = state.scene.hazards();
        if !used.contains(&hazard) {
            continue;
        }
        let rest = only(&all, |one| one != hazard && used.contains(&one));
        let explain = Explain { play, family, hazards: &rest, doubts: state.doubts > 0 };
        if let Found::Allowed(without) = search(&explain, error_ms)
            && without.doubts <= state.doubts
            && without.scene.hazards().len() < used.len()
        {
            state = without;
        }
    }
    Found::Allowed(state)
}

fn undecided(all: &[Observed], sight: &Sight) -> LiveError {
    let one = &all[sight.replica.index()];
    LiveError::new(format!(
        "{}:{}: {} changed so often within the error of the clocks that there are too many orders to try: give a smaller \
         --clock-error, or record fewer writers of one path",
        one.file,
        sight.line,
        sight.path.name()
    ))
}

impl Part {
    fn of(one: &Observed) -> Self {
        let History { header, seen, is_whole } = &one.history;
        Self {
            file: one.file.clone(),
            name: header.name.clone(),
            client: header.client.clone(),
            lines: seen.len(),
            is_whole: *is_whole,
        }
    }
}

impl Counts {
    fn add(&mut self, family: &Family, state: &State) {
        self.paths += family.paths.len() as u64;
        let mut copies: BTreeSet<&Path> = state.copies.keys().collect();
        for step in state.scene.steps() {
            match &step.choice {
                Choice::Command { command: Command::Save { .. } | Command::Remove { .. }, .. } => {
                    self.versions += 1
                }
                Choice::Download { arrival: Arrival::Whole, .. } => self.deliveries += 1,
                Choice::Download { .. } => self.broken += 1,
                _ => {}
            }
            self.conflicts += u64::from(step.is_conflict);
        }
        // A copy may be called in the world as it was in the folder.
        let made = state.scene.world.cloud().files().map(|(path, _)| path);
        let written: BTreeSet<&Path> = state
            .scene
            .steps()
            .filter_map(|step| match &step.choice {
                Choice::Command {
                    command: Command::Save { path, .. } | Command::Remove { path }, ..
                } => Some(path),
                _ => None,
            })
            .collect();
        let there = |path: &Path| family.there.iter().any(|sight| sight.path == *path);
        copies.extend(
            made.filter(|path| family.paths.contains(*path) && !written.contains(*path) && !there(path)),
        );
        self.conflict_copies += copies.len() as u64;
    }
}
