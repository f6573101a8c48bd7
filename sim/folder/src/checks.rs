//! Checkers: what must hold, said once for the simulator, the model checker and replays.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use crate::world::{ChoiceOf, Effects, Setup, World};
use crate::{ReplicaId, System};

/// All checkers of a system, as one value that watches a run.
///
/// It is part of the model checker's state, so it keeps as little as it needs.
pub trait Checks<S: System>: Clone + Debug + Eq + Hash + Send + Sync + 'static {
    /// The checkers, in the order in which reports show them.
    const CHECKERS: &'static [Checker];

    /// Looks at the world after a choice, or after time has passed.
    fn after(
        &mut self,
        setup: &Setup<S>,
        world: &World<S>,
        choice: &ChoiceOf<S>,
        effects: &Effects<S::Protocol>,
        findings: &mut Findings,
    ) {
        let _ = (setup, world, choice, effects, findings);
    }

    /// Forgets what neither the named checker nor those of kind `reached` need from one choice to the next. `fresh`
    /// has seen nothing yet. The model checker asks for it: what is remembered multiplies its states.
    fn forget(&mut self, checker: &str, fresh: &Self) {
        let _ = checker;
        self.clone_from(fresh);
    }

    /// Faults have stopped: from now on the folder only carries files, and liveness is due.
    fn calm(&mut self, setup: &Setup<S>, world: &World<S>) {
        let _ = (setup, world);
    }

    /// Whether a bound runs that only time can show to be kept or broken, so that a run should not end yet.
    fn awaits_something(&self) -> bool {
        false
    }

    /// Whether the checkers would have nothing to say if the run ended now, what is just counted aside, and await
    /// nothing.
    fn is_content(&mut self, setup: &Setup<S>, world: &World<S>) -> bool {
        if self.awaits_something() {
            return false;
        }
        let mut findings = Findings::default();
        self.end(setup, world, &mut findings);
        let counted = |violation: &Violation| {
            checker::<S>(&violation.checker).is_some_and(|checker| checker.kind == Kind::Counted)
        };
        findings.violations.iter().all(counted)
    }

    /// Looks at the world when the run is over.
    fn end(&self, setup: &Setup<S>, world: &World<S>, findings: &mut Findings) {
        let _ = (setup, world, findings);
    }
}

/// The checkers of every system. They know the folder and no protocol, and remember nothing.
pub const COMMON: &[Checker] = &[Checker {
    name: NOTHING_IN_ITS_PLACE,
    kind: Kind::Safety,
    about: "While the folder's mount is away and an empty directory stands in its place, no replica that has worked in \
            the folder makes a file there. A client that takes that directory for the folder would carry it to all, as \
            all that is left.",
}];

const NOTHING_IN_ITS_PLACE: &str = "nothing_is_made_in_the_place_of_a_folder_that_is_away";

/// All checkers of a system, in the order in which reports show them.
pub fn checkers<S: System>() -> impl Iterator<Item = &'static Checker> {
    S::Checks::CHECKERS.iter().chain(COMMON)
}

/// Lets all checkers of a system look at the world after a choice, or after time has passed.
pub fn look<S: System>(
    checks: &mut S::Checks,
    setup: &Setup<S>,
    world: &World<S>,
    choice: &ChoiceOf<S>,
    effects: &Effects<S::Protocol>,
    findings: &mut Findings,
) {
    checks.after(setup, world, choice, effects, findings);
    if let (Some(path), Some(replica)) = (effects.beneath.first(), choice.replica()) {
        findings.violated(NOTHING_IN_ITS_PLACE, || Violation {
            checker: NOTHING_IN_ITS_PLACE.into(),
            at_ms: world.now(),
            replicas: vec![replica],
            expected: "a replica writes nothing while its folder is away".into(),
            seen: format!("{replica} made {path} in the empty directory that its mount has left"),
        });
    }
}

/// One property.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct Checker {
    /// A sentence that is true of a correct system.
    pub name: &'static str,
    /// What kind of property it is.
    pub kind: Kind,
    /// What it means, for a person who reads a report.
    pub about: &'static str,
}

/// A system's checker by its name; `None` if it has none of this name.
#[must_use]
pub fn checker<S: System>(name: &str) -> Option<&'static Checker> {
    checkers::<S>().find(|checker| checker.name == name)
}

/// A world time, in ms, as people read it: `8.507 s`.
#[must_use]
pub fn time(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}

/// What kind of property a checker watches.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Counted and reported, never a failure: nothing in the folder could prevent it.
    Counted,
    /// Something good happens in bounded time once faults stop.
    Liveness,
    /// Something is seen at least once in a swarm, so that nothing holds vacuously.
    Reached,
    /// Something bad never happens.
    Safety,
}

/// A property that did not hold, at the moment this was first seen in a run.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Violation {
    /// Whose.
    pub checker: String,
    /// World time in ms.
    pub at_ms: u64,
    /// Who is involved.
    pub replicas: Vec<ReplicaId>,
    /// What should have been.
    pub expected: String,
    /// What was, and why.
    pub seen: String,
}

impl Violation {
    /// What was seen and why, without what differs from run to run though the reason is the same: numbers, what is quoted, and
    /// which replica it was. What is due says who lacks what; only the first of that counts.
    #[must_use]
    pub fn explanation(&self) -> String {
        let mut words = String::new();
        for (at, part) in self.seen.split('`').enumerate() {
            words += if at % 2 == 0 { part } else { "_" };
        }
        let first = words.split(';').next().unwrap_or_default();
        let plain = |word: &str| {
            let (body, end) = word.split_at(word.trim_end_matches([',', '.', ':']).len());
            let is_replica = |name: &str| name.len() == 1 && name.bytes().all(|b| b.is_ascii_lowercase());
            let body = body.strip_suffix("'s").map_or((body, ""), |name| (name, "'s"));
            let name = match body.0 {
                name if is_replica(name) => "_".to_owned(),
                name if name.bytes().any(|b| b.is_ascii_digit()) => "#".to_owned(),
                name => name.to_owned(),
            };
            format!("{name}{}{end}", body.1)
        };
        first.split_whitespace().map(plain).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replicas: Vec<_> = self.replicas.iter().map(ToString::to_string).collect();
        write!(f, "{} at {}", self.checker, time(self.at_ms))?;
        if !replicas.is_empty() {
            write!(f, " (replicas {})", replicas.join(", "))?;
        }
        write!(f, ": {}, but {}", self.expected, self.seen)
    }
}

/// What the checkers of one run have found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Findings {
    /// The first violation of each checker, in the order in which they were found.
    pub violations: Vec<Violation>,
    /// How often each checker found something, and whatever else is counted, by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// Durations measured during the run, in ms, by name.
    pub samples: BTreeMap<&'static str, Vec<u64>>,
}

impl Findings {
    /// Notes a violation. Only the first of a checker is kept; `say` is not called for the others.
    pub fn violated(&mut self, checker: &'static str, say: impl FnOnce() -> Violation) {
        let count = self.counts.entry(checker).or_insert(0);
        *count += 1;
        if *count == 1 {
            let violation = say();
            debug_assert_eq!(violation.checker, checker, "a violation names its checker");
            self.violations.push(violation);
        }
    }

    /// Counts something.
    pub fn count(&mut self, name: &'static str, more: u64) {
        *self.counts.entry(name).or_insert(0) += more;
    }

    /// Notes a duration in ms.
    pub fn sample(&mut self, name: &'static str, ms: u64) {
        self.samples.entry(name).or_default().push(ms);
    }

    /// The violation of a checker.
    #[must_use]
    pub fn violation(&self, checker: &str) -> Option<&Violation> {
        self.violations.iter().find(|violation| violation.checker == checker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_reason_has_one_explanation_and_another_one_another() {
        let of = |seen: &str| {
            let (checker, expected) = ("x".to_owned(), String::new());
            Violation { checker, at_ms: 7, replicas: vec![], expected, seen: seen.to_owned() }.explanation()
        };
        let late = |id: &str, other: &str, seen: u32| {
            format!(
                "{id} has version {seen} of state.json and the server version 9: what {other} wrote is on its way"
            )
        };
        assert_eq!(of(&late("a", "b", 3)), of(&late("c", "a", 12)));
        assert_ne!(of(&late("a", "b", 3)), of("a has the same state.json and has not looked at it yet"));
        assert_eq!(
            of("34 still wait, the first is 1; a names nobody"),
            of("2 still wait, the first is 40; b names b")
        );
        let lost = |line: &str| format!("a does not see `{line}` of machine-a any more");
        assert_eq!(of(&lost("one; two")), of(&lost("three")));
    }
}
