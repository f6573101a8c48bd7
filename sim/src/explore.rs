//! Runs that build on each other: whatever leads to something new is kept, and from there other futures are drawn.
//!
//! A swarm begins each run anew, so what takes three rare things in a row it meets once in as many runs as the product of
//! the three. An exploration keeps the moment at which a run came to something that no run had come to before, and lets
//! many runs begin there: the first rare thing has happened already. What is new is told by marks: kinds of events, each
//! alone, after the one before it, and after the fault before it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::ops::Range;

use cloudchamber_core::Rng as _;
use cloudchamber_folder::checks::Violation;
use cloudchamber_folder::scenario::{At, Faults, Scenario};
use cloudchamber_folder::stage::Stage;
use cloudchamber_folder::streams::{Purpose, Stream};
use cloudchamber_folder::trace::{Outcome, Trace, Watched};
use cloudchamber_folder::world::ChoiceOf;
use cloudchamber_folder::{ReplicaId, StableHasher, System};

use crate::run::Named;
use crate::swarm::{Swarm, breaks};

/// How many moments are kept at most. Where there are as many, the one that most runs began from goes.
const KEPT_MAX: usize = 256;

/// How many moments of one run are kept at most.
const OF_A_RUN_MAX: usize = 6;

/// Of so many runs one begins at the beginning.
const FRESH_EVERY: u64 = 3;

/// How a run came about: the seed that drew its scenario, and from which times on, in ms, it had which other future.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Way {
    /// The seed of its scenario.
    pub seed: u64,
    /// When the future was drawn anew, and for which seed, in order of time.
    pub turns: Vec<(u64, u64)>,
}

/// What an exploration found.
#[derive(Clone, Debug, Default)]
pub struct Explored {
    /// How many runs there were.
    pub runs: u64,
    /// How many of them began where another one had come to something new.
    pub branched: u64,
    /// In how many something failed.
    pub failed: u64,
    /// In how many runs each kind of event came about.
    pub marks: BTreeMap<String, u64>,
    /// The digests of kinds of events, of pairs of them, and of kinds of events after a kind of fault.
    pub seen: BTreeSet<u64>,
    /// What each checker found.
    pub found: BTreeMap<String, Broken>,
    /// Virtual time of all runs, ms.
    pub simulated_ms: u64,
}

impl Explored {
    /// This exploration and a later one that knew nothing of it.
    #[must_use]
    pub fn and(mut self, later: Self) -> Self {
        let Self { runs, branched, failed, marks, seen, found, simulated_ms } = later;
        self.runs += runs;
        self.branched += branched;
        self.failed += failed;
        self.simulated_ms += simulated_ms;
        self.seen.extend(seen);
        for (name, runs) in marks {
            *self.marks.entry(name).or_default() += runs;
        }
        for (checker, broken) in found {
            let runs = broken.runs;
            let known = self.found.entry(checker).or_insert(Broken { runs: 0, ..broken });
            known.runs += runs;
        }
        self
    }
}

/// What a checker found in an exploration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Broken {
    /// In how many runs.
    pub runs: u64,
    /// After how many runs for the first time, this one counted.
    pub after: u64,
    /// What was seen then.
    pub first: Violation,
    /// How that run came about.
    pub way: Way,
}

/// A moment from which other futures are drawn.
struct Kept<S: System> {
    stage: Stage<S>,
    /// Up to when the stage has advanced, ms.
    at_ms: u64,
    way: Way,
    /// How many runs began here.
    begun: u32,
}

/// Explores with as many runs as `runs` has numbers, one after another; a swarm's seeds, jobs and second runs do not count.
/// `progress` is called after each.
///
/// # Panics
/// Where a run panics, or the profile is unknown.
#[must_use]
pub fn explore<S: System>(swarm: &Swarm<S>, runs: Range<u64>, progress: &dyn Fn()) -> Explored {
    let mut explorer = Explorer { swarm, explored: Explored::default(), kept: vec![] };
    for number in runs {
        explorer.run(number);
        progress();
    }
    explorer.explored
}

/// The trace of a run that came about in this way, and how it ended.
///
/// # Panics
/// Where the run panicked.
#[must_use]
pub fn retraced<S: System>(swarm: &Swarm<S>, way: &Way) -> (Trace<S>, Outcome) {
    let scenario = swarm.draw(way.seed);
    let _named = Named(&scenario);
    let mut choices = Vec::new();
    let mut record = |watched: &Watched<S>, choice: &ChoiceOf<S>| {
        choices.push(At { ms: watched.world.now(), choice: choice.clone() });
    };
    let mut stage = Stage::new(&scenario);
    for (at_ms, seed) in &way.turns {
        stage.advance(*at_ms, &mut record);
        stage = stage.with_future(&other_faults(swarm, &scenario, *seed), *seed);
    }
    stage.advance(u64::MAX, &mut record);
    let outcome = stage.finish();
    (Trace::recorded(&scenario, choices, &outcome), outcome)
}

/// A scenario with faults as another seed has them, in one of two cases: those that a machine may have at any time, for
/// which nobody has to be prepared from the beginning.
fn other_faults<S: System>(swarm: &Swarm<S>, scenario: &Scenario<S>, seed: u64) -> Scenario<S> {
    let mut other = scenario.clone();
    if seed.is_multiple_of(2) {
        let Faults { ambush, burst, crash, disk, folder, offline, power, sleep, .. } =
            swarm.draw(seed).faults;
        other.faults = Faults { ambush, burst, crash, disk, folder, offline, power, sleep, ..other.faults };
    }
    other
}

struct Explorer<'a, S: System> {
    swarm: &'a Swarm<S>,
    explored: Explored,
    kept: Vec<Kept<S>>,
}

impl<S: System> Explorer<'_, S> {
    fn run(&mut self, number: u64) {
        let mut dice = Stream::new(number, Purpose::Explore, 0);
        let (mut stage, way, scenario) = self.begin(number, &mut dice);
        let _named = Named(&scenario);
        let mut marks = Marks::new(scenario.replica.len());
        let mut kept = 0;
        while let Some(due) = stage.due() {
            stage.advance(due, &mut |watched, choice| marks.note(watched, choice));
            let known = self.explored.seen.len();
            self.explored.seen.extend(marks.pairs.drain(..));
            let is_new = self.explored.seen.len() > known;
            if is_new && due < scenario.run_ms && kept < OF_A_RUN_MAX {
                kept += 1;
                self.keep(Kept { stage: stage.clone(), at_ms: due, way: way.clone(), begun: 0 });
            }
        }
        let outcome = stage.finish();
        for name in marks.names.into_values() {
            *self.explored.marks.entry(name).or_default() += 1;
        }
        self.file(outcome, &way);
    }

    /// Where a run begins: at the beginning, or at a moment that was kept.
    fn begin(&mut self, number: u64, dice: &mut Stream) -> (Stage<S>, Way, Scenario<S>) {
        let is_fresh = dice.chance(1, FRESH_EVERY);
        let last = u64::try_from(self.kept.len()).expect("a few").checked_sub(1);
        let Some(last) = last.filter(|_| !is_fresh) else {
            let scenario = self.swarm.draw(number);
            return (Stage::new(&scenario), Way { seed: number, turns: vec![] }, scenario);
        };
        self.explored.branched += 1;
        // Of some at random the one that fewest began from.
        let drawn = (0..4).map(|_| usize::try_from(dice.up_to(last)).expect("an index"));
        let at = drawn.min_by_key(|at| self.kept[*at].begun).expect("four were drawn");
        let kept = &mut self.kept[at];
        kept.begun += 1;
        let seed = dice.bits();
        let mut way = kept.way.clone();
        way.turns.push((kept.at_ms, seed));
        let scenario = self.swarm.draw(way.seed);
        (kept.stage.with_future(&other_faults(self.swarm, &scenario, seed), seed), way, scenario)
    }

    fn keep(&mut self, kept: Kept<S>) {
        if self.kept.len() < KEPT_MAX {
            self.kept.push(kept);
            return;
        }
        let most = (0..self.kept.len()).max_by_key(|at| self.kept[*at].begun).expect("some are kept");
        self.kept[most] = kept;
    }

    fn file(&mut self, outcome: Outcome, way: &Way) {
        let variant = S::variant(&self.swarm.settings);
        let explored = &mut self.explored;
        explored.runs += 1;
        explored.simulated_ms += outcome.at_ms;
        let mut failed = false;
        for violation in outcome.findings.violations {
            failed |= breaks::<S>(variant, &violation.checker);
            let broken = explored.found.entry(violation.checker.clone()).or_insert_with(|| Broken {
                runs: 0,
                after: explored.runs,
                first: violation,
                way: way.clone(),
            });
            broken.runs += 1;
        }
        explored.failed += u64::from(failed);
    }
}

/// What one run came to.
struct Marks {
    /// The kinds of events, each once.
    names: BTreeMap<u64, String>,
    /// Kinds of events alone and after what came before, since they were last looked at.
    pairs: Vec<u64>,
    /// The last kind of event of each replica.
    last: Vec<u64>,
    /// The last kind of fault of each replica, and when it came, ms.
    fault: Vec<(&'static str, bool, u64)>,
    /// The replica that told the last event.
    told_last: usize,
}

impl Marks {
    fn new(count: usize) -> Self {
        Self {
            names: BTreeMap::new(),
            pairs: vec![],
            last: vec![0; count],
            fault: vec![("", false, 0); count],
            told_last: 0,
        }
    }

    fn note<S: System>(&mut self, watched: &Watched<S>, choice: &ChoiceOf<S>) {
        let Some(id) = choice.replica().map(ReplicaId::index) else { return };
        let now = watched.world.now();
        for event in &watched.effects.events {
            let shape = shape(event);
            let mark = StableHasher::of(&shape);
            self.names.entry(mark).or_insert(shape);
            let others = self.last[self.told_last];
            let (kind, begins, since_ms) = self.fault[id];
            // How long ago to the power of two: it matters whether it was a moment ago, and not which second.
            let ago = (now - since_ms).checked_ilog2();
            self.pairs.push(mark);
            self.pairs.push(StableHasher::of(&(mark, "own", self.last[id])));
            self.pairs.push(StableHasher::of(&(mark, "other", self.told_last == id, others)));
            self.pairs.push(StableHasher::of(&(mark, kind, begins, ago)));
            self.last[id] = mark;
            self.told_last = id;
        }
        if let Some((kind, begins)) = choice.fault() {
            self.fault[id] = (kind, begins, now);
        }
    }
}

/// The kind of an event: its debug form without numbers and without what stands in quotes.
fn shape(event: &impl Debug) -> String {
    let mut text = String::new();
    write!(text, "{event:?}").expect("a string takes anything");
    let (mut quoted, mut last) = (false, ' ');
    text.retain(|c| {
        let opens = c == '"' && last != '\\';
        quoted ^= opens;
        last = c;
        !quoted && !opens && !c.is_ascii_digit()
    });
    text
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use cloudchamber_core::Design;
    use cloudchamber_folder::Variant;
    use cloudchamber_folder::systems::failover::FailoverSystem;

    use super::*;
    use crate::swarm::Shape;

    fn swarm(design: Design) -> Swarm<FailoverSystem> {
        Swarm {
            settings: FailoverSystem::settings(Variant::plain(design)),
            profile: "syncthing".into(),
            switches: BTreeMap::new(),
            seeds: 0..0,
            shape: Shape { replicas: Some([3, 3]), run_ms: None },
            jobs: 1,
            keep_going: true,
            recheck_every: 0,
        }
    }

    #[test]
    fn a_shape_is_without_what_differs_between_two_of_a_kind() {
        assert_eq!(shape(&("a 1 \" b", Some(12), "x")), "(, Some(), )");
    }

    #[test]
    fn what_is_found_is_found_again() {
        let swarm = swarm(Design::Published);
        let explored = explore(&swarm, 0..60, &|| {});
        assert_eq!(explored.runs, 60);
        assert!((20..60).contains(&explored.branched), "{}", explored.branched);
        assert!(explored.seen.len() > explored.marks.len(), "pairs are seen as well");
        let mut turns = 0;
        for (checker, broken) in &explored.found {
            let (trace, outcome) = retraced(&swarm, &broken.way);
            assert_eq!(outcome.findings.violation(checker), Some(&broken.first), "{:?}", broken.way);
            let read = Trace::<FailoverSystem>::parse(Path::new("t.jsonl"), &trace.to_text()).unwrap();
            let again = read.replay(|_| {}).unwrap();
            assert_eq!(again.findings.violation(checker), Some(&broken.first));
            turns += broken.way.turns.len();
        }
        assert!(explored.found.contains_key("at_most_one_active") && turns > 0, "{:?}", explored.found);
        let again = explore(&swarm, 0..60, &|| {});
        assert_eq!(again.marks, explored.marks);
        assert_eq!(again.found, explored.found);
    }

    #[test]
    fn explorations_add_up() {
        let swarm = swarm(Design::Published);
        let part = |runs| explore(&swarm, runs, &|| {});
        let (one, other) = (part(0..20), part(20..40));
        let both = one.clone().and(other.clone());
        assert_eq!(both.runs, 40);
        for (checker, broken) in &both.found {
            let runs = [&one, &other].map(|part| part.found.get(checker).map_or(0, |broken| broken.runs));
            assert_eq!(broken.runs, runs.iter().sum::<u64>(), "{checker}");
            let first = one.found.get(checker).or(other.found.get(checker)).unwrap();
            assert_eq!(broken.way, first.way, "the first of the first that found it");
        }
        let mark = |part: &Explored, name: &String| part.marks.get(name).copied().unwrap_or(0);
        assert!(!both.marks.is_empty());
        assert!(both.marks.iter().all(|(name, runs)| *runs == mark(&one, name) + mark(&other, name)));
    }

    #[test]
    fn what_holds_holds() {
        let explored = explore(&swarm(Design::Hardened), 0..20, &|| {});
        assert_eq!((explored.runs, explored.failed), (20, 0), "{:?}", explored.found);
    }
}
