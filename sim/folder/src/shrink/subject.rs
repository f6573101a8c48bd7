//! A trace under examination: what it is made of, and whether some of it fails in the same way.

use super::Unshrinkable;
use super::rule::{Chances, Rest, Rule, is_request, rest, rests_as};
use crate::checks::{self, Checks as _, Findings, Kind, Violation, checkers, look};
use crate::scenario::{At, Expect, Scenario};
use crate::trace::Trace;
use crate::world::{ChoiceOf, Effects, Setup, World};
use crate::{ReplicaId, System};

/// A trace whose choices are left out one after the other, with what has to stay true of it meanwhile. Choices keep
/// their places in the trace, whatever is left out.
pub(super) struct Subject<S: System> {
    scenario: Scenario<S>,
    setup: Setup<S>,
    /// All choices of the trace; single ones may be made plainer.
    pub(super) choices: Vec<At<ChoiceOf<S>>>,
    /// Whose violation is to stay.
    pub(super) checker: &'static str,
    /// Whether it asks for something that is due, so that those have to stay who ask for it and who could do it.
    pub(super) is_due: bool,
    /// Why it is violated.
    pub(super) reason: Reason,
    /// What may be left out.
    pub(super) rule: Rule,
    /// The choice at which it was violated; `None` if that is seen at the end.
    pub(super) found: Option<usize>,
    /// When faults stop, ms; `None` if the violation does not depend on that.
    pub(super) calm_ms: Option<u64>,
    /// When the trace ends, ms; of no account where it is violated at a choice.
    end_ms: u64,
    /// After which choices whose process did not run any more.
    stops: Vec<(usize, ReplicaId)>,
    /// By how much a process was late at most, ms: under [`Rule::AtRest`] after faults stopped.
    late_ms_max: u64,
    /// How each replica's process was in the end.
    rests: Vec<Rest>,
}

/// Why a checker is violated.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Reason {
    /// In words that the same reason always has.
    explanation: String,
    /// Of what is due, whom it is about: that nobody is active is not that two are.
    about: Vec<ReplicaId>,
}

impl Reason {
    fn of(violation: &Violation, is_due: bool) -> Self {
        let about = if is_due { violation.replicas.clone() } else { Vec::new() };
        Self { explanation: violation.explanation(), about }
    }
}

/// A candidate that is being replayed.
#[derive(Clone)]
pub(super) struct Run<S: System> {
    world: World<S>,
    checks: S::Checks,
    findings: Findings,
    chances: Chances,
    calm_ms: Option<u64>,
    /// How many of the stops were passed.
    stops: usize,
}

/// What came of a choice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Step {
    /// It was taken.
    Taken,
    /// The world does not allow it.
    Refused,
    /// It was taken, and the checker is violated.
    Violated,
    /// The candidate breaks a rule: it would fail in another way.
    Broken,
}

impl<S: System> Subject<S> {
    /// Replays a trace and finds out what may be left out of it. `asked`: the checker, by name; otherwise the first
    /// violated one that the scenario does not expect, or else that it does, or else the first one at all.
    pub(super) fn new(trace: &Trace<S>, asked: Option<&str>) -> Result<Self, Unshrinkable> {
        let scenario = trace.scenario.clone();
        let setup = S::setup(&scenario).unwrap_or_else(|error| panic!("an unchecked scenario: {error}"));
        let replicas = scenario.replica.len();
        let mut subject = Self {
            scenario,
            setup,
            choices: trace.choices.clone(),
            checker: "",
            is_due: false,
            reason: Reason::default(),
            rule: Rule::Anything,
            found: None,
            calm_ms: trace.end.calm_ms,
            end_ms: trace.end.at_ms,
            stops: Vec::new(),
            late_ms_max: 0,
            rests: vec![Rest::Missed; replicas],
        };
        let (mut run, mut effects) = (subject.start(), Effects::default());
        let mut found_at: Vec<usize> = Vec::new();
        for index in 0..subject.choices.len() {
            let before: Vec<_> = ReplicaId::all(replicas).map(|id| run.world.replica(id).runs()).collect();
            subject.pass_time(&mut run, subject.choices[index].ms);
            let choice = &subject.choices[index].choice;
            subject
                .take(&mut run, choice, &mut effects)
                .map_err(|why| Unshrinkable::Refused { index, why })?;
            let stopped = |id: &ReplicaId| before[id.index()] && !run.world.replica(*id).runs();
            let stopped: Vec<_> = ReplicaId::all(replicas).filter(stopped).collect();
            subject.stops.extend(stopped.into_iter().map(|id| (index, id)));
            found_at.resize(run.findings.violations.len(), index);
        }
        subject.end(&mut run);
        let found = &run.findings.violations;
        let chosen = Self::choose(found, asked, &subject.scenario.expect)?;
        let checker = checks::checker::<S>(&found[chosen].checker).expect("a violation names its checker");
        (subject.checker, subject.is_due) = (checker.name, checker.kind == Kind::Liveness);
        subject.reason = Reason::of(&found[chosen], subject.is_due);
        subject.found = found_at.get(chosen).copied();
        subject.rests = ReplicaId::all(replicas).map(|id| rest(&run.world, id)).collect();
        subject.rule = subject.rule_of();
        subject.late_ms_max = subject.latest();
        Ok(subject)
    }

    fn choose(found: &[Violation], asked: Option<&str>, expected: &Expect) -> Result<usize, Unshrinkable> {
        let names = || found.iter().map(|violation| violation.checker.clone()).collect();
        if let Some(asked) = asked {
            if checks::checker::<S>(asked).is_none() {
                let there_are = checkers::<S>().map(|checker| checker.name.into()).collect();
                return Err(Unshrinkable::Unknown { asked: asked.into(), there_are });
            }
            let same = |violation: &Violation| violation.checker == asked;
            let held = || Unshrinkable::Held { asked: asked.into(), violated: names() };
            return found.iter().position(same).ok_or_else(held);
        }
        let fails = |violation: &Violation| {
            checks::checker::<S>(&violation.checker).is_some_and(|checker| checker.kind != Kind::Counted)
        };
        let expects = |violation: &Violation| expected.violates.contains(&violation.checker);
        let is_news = |violation: &Violation| {
            fails(violation) && !expects(violation) && !expected.may_violate.contains(&violation.checker)
        };
        let first = found.iter().position(is_news).or_else(|| found.iter().position(expects));
        match first.or_else(|| found.iter().position(fails)) {
            Some(first) => Ok(first),
            None if found.is_empty() => Err(Unshrinkable::Holds),
            None => Ok(0),
        }
    }

    /// Whether a violation is the one that is to stay, or one like it.
    pub(super) fn is_like(&self, violation: &Violation) -> bool {
        violation.checker == self.checker && Reason::of(violation, self.is_due) == self.reason
    }

    fn rule_of(&self) -> Rule {
        let kind = checks::checker::<S>(self.checker).expect("it was found").kind;
        match (kind, self.found) {
            (Kind::Liveness, Some(_)) => Rule::NewRun,
            (Kind::Counted, Some(_)) => Rule::Punctual,
            (Kind::Reached | Kind::Safety, Some(_)) => Rule::Anything,
            (_, None) if self.calm_ms.is_some() && !self.rests.contains(&Rest::Missed) => Rule::AtRest,
            (_, None) => Rule::NewRun,
        }
    }

    /// By how much a process is late at most in the trace, where that counts, ms.
    fn latest(&self) -> u64 {
        if !matches!(self.rule, Rule::Punctual | Rule::AtRest) {
            return 0;
        }
        let (mut run, mut effects, mut late) = (self.start(), Effects::default(), 0);
        let end = self.found.map_or(self.choices.len(), |found| found + 1);
        for at in &self.choices[..end] {
            late = late.max(self.late_ms(&run, at.ms));
            self.pass_time(&mut run, at.ms);
            self.take(&mut run, &at.choice, &mut effects).expect("it was replayed once");
        }
        if self.found.is_none() { late.max(self.late_ms(&run, self.end_ms)) } else { late }
    }

    fn late_ms(&self, run: &Run<S>, now: u64) -> u64 {
        match self.rule {
            Rule::Punctual => run.chances.late_ms(&self.setup, &run.world, now),
            Rule::AtRest => {
                // What was due before faults stopped is due then.
                let since_calm = now.saturating_sub(self.calm_ms.unwrap_or(now));
                run.chances.late_ms(&self.setup, &run.world, now.max(run.world.now())).min(since_calm)
            }
            _ => 0,
        }
    }

    /// Whether a choice has to stay as long as its replica does: what comes after faults have stopped is what a
    /// system has to do what is due.
    pub(super) fn is_pinned(&self, index: usize) -> bool {
        self.rule == Rule::AtRest && self.calm_ms.is_some_and(|calm| calm <= self.choices[index].ms)
    }

    /// The choices up to the violation that have to stay, as long as the replica does that is named: those that begin a
    /// fault for which the scenario asks at its time, since a new run can show that such a one is not needed and a
    /// trace without it cannot; and where something is due, whatever was asked for.
    pub(super) fn needed(&self) -> Vec<(usize, Option<ReplicaId>)> {
        let end = self.found.map_or(self.choices.len(), |found| found + 1);
        let begins = |at: &At<ChoiceOf<S>>| at.choice.fault().is_some_and(|(_, begins)| begins);
        let needed = (0..end).filter(|index| {
            let at = &self.choices[*index];
            (begins(at) && self.scenario.at.contains(at)) || (self.is_due && is_request::<S>(&at.choice))
        });
        needed.map(|index| (index, self.choices[index].choice.replica())).collect()
    }

    /// A fresh world in which nothing has happened.
    pub(super) fn start(&self) -> Run<S> {
        let mut world = S::world(&self.scenario, &self.setup);
        self.scenario.seed_files(&mut world);
        Run {
            world,
            checks: S::checks(&self.scenario, &self.setup),
            findings: Findings::default(),
            chances: Chances::new(self.scenario.replica.len()),
            calm_ms: self.calm_ms,
            stops: 0,
        }
    }

    /// Lets a candidate come to one choice and take it.
    pub(super) fn step(&self, run: &mut Run<S>, index: usize, effects: &mut Effects<S::Protocol>) -> Step {
        let At { ms, choice } = &self.choices[index];
        if !self.stand_still(run, index) || self.late_ms(run, *ms) > self.late_ms_max {
            return Step::Broken;
        }
        self.pass_time(run, *ms);
        let before = run.findings.violations.len();
        let taken = self.take(run, choice, effects).is_ok();
        if !self.stand_still(run, index + 1) {
            return Step::Broken;
        }
        let news = &run.findings.violations[before..];
        match (taken, news.iter().any(|violation| self.is_like(violation))) {
            (false, _) => Step::Refused,
            (true, false) => Step::Taken,
            (true, true) if self.found.is_some() => Step::Violated,
            (true, true) => Step::Broken,
        }
    }

    /// Whether a candidate that has taken its last choice fails in the same way in the end.
    pub(super) fn fails_in_the_end(&self, mut run: Run<S>) -> bool {
        if self.found.is_some()
            || !self.stand_still(&mut run, self.choices.len())
            || self.late_ms(&run, self.end_ms) > self.late_ms_max
        {
            return false;
        }
        self.end(&mut run);
        run.findings.violation(self.checker).is_some_and(|violation| self.is_like(violation))
            && rests_as(&run.world, &self.rests, self.is_due)
    }

    /// Whether no process runs in a candidate that had stopped in the trace before the choice `end`. It would be one
    /// that stands still for no reason: what it would have done meanwhile is not in the trace.
    fn stand_still(&self, run: &mut Run<S>, end: usize) -> bool {
        while let Some((_, id)) = self.stops.get(run.stops).filter(|(index, _)| *index < end) {
            if run.world.replica(*id).runs() {
                return false;
            }
            run.stops += 1;
        }
        true
    }

    fn take(
        &self,
        run: &mut Run<S>,
        choice: &ChoiceOf<S>,
        effects: &mut Effects<S::Protocol>,
    ) -> Result<(), String> {
        run.world.take(&self.setup, choice, effects).map_err(|refused| refused.to_string())?;
        look(&mut run.checks, &self.setup, &run.world, choice, effects, &mut run.findings);
        run.chances.taken::<S>(choice, run.world.now());
        Ok(())
    }

    /// As [`Trace::replay`] lets it pass.
    fn pass_time(&self, run: &mut Run<S>, now: u64) {
        if let Some(calm) = run.calm_ms.take_if(|calm| *calm <= now) {
            run.world.advance(calm.max(run.world.now()));
            run.checks.calm(&self.setup, &run.world);
        }
        run.world.advance(now);
    }

    /// As [`Trace::replay`] ends.
    fn end(&self, run: &mut Run<S>) {
        run.world.advance(self.end_ms);
        if let Some(calm) = run.calm_ms.take() {
            run.world.advance(calm.max(run.world.now()));
            run.checks.calm(&self.setup, &run.world);
        }
        run.checks.end(&self.setup, &run.world, &mut run.findings);
    }
}
