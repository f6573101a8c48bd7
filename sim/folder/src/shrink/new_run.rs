//! The search for a smaller scenario, by running it again.

use std::ops::Range;

use super::budget::Budget;
use super::ddmin::{Trial, minimise};
use super::rule::{Rule, is_request};
use super::subject::{Reason, Subject};
use super::{Again, Unshrinkable};
use crate::scenario::{Faults, Scenario};
use crate::trace::Trace;
use crate::world::{Choice, ChoiceOf};
use crate::{ReplicaId, System};

/// A run of a scenario from which more and more is left out.
pub(super) struct NewRuns<'a, 'b, 'r, S: System> {
    trace: Trace<S>,
    checker: &'static str,
    is_due: bool,
    /// Why it is violated.
    reason: Reason,
    rule: Rule,
    /// When the checker is violated, ms of world time; `None` if that is seen at the end.
    found_ms: Option<u64>,
    again: &'r mut Again<'r, S>,
    budget: &'a mut Budget<'b>,
}

impl<'a, 'b, 'r, S: System> NewRuns<'a, 'b, 'r, S> {
    /// Starts with a trace, if it is what its scenario comes to when it is run again, or the beginning of that.
    pub(super) fn new(
        trace: &Trace<S>,
        subject: &Subject<S>,
        again: &'r mut Again<'r, S>,
        budget: &'a mut Budget<'b>,
    ) -> Option<Self> {
        if !budget.spend(trace.choices.len()) || !again(&trace.scenario).choices.starts_with(&trace.choices) {
            return None;
        }
        let found_ms = subject.found.map(|found| trace.choices[found].ms);
        let Subject { is_due, rule, checker, .. } = *subject;
        let reason = subject.reason.clone();
        Some(Self { trace: trace.clone(), checker, is_due, reason, rule, found_ms, again, budget })
    }

    /// Leaves out of the scenario whatever it can, and returns the run of what remains.
    pub(super) fn run(mut self) -> Trace<S> {
        self.end_sooner();
        self.switch_off();
        self.write_down();
        minimise(&mut self);
        if !self.is_due {
            self.fewer_replicas();
        }
        self.end_sooner();
        self.trace
    }

    /// Whether another scenario fails in the same way; then its run is the one to go on with.
    fn attempt(&mut self, scenario: &Scenario<S>) -> bool {
        if *scenario == self.trace.scenario || scenario.check().is_err() {
            return false;
        }
        if !self.budget.spend(self.trace.choices.len()) {
            return false;
        }
        let trace = (self.again)(scenario);
        let subject = match Subject::new(&trace, Some(self.checker)) {
            Ok(subject) => subject,
            Err(Unshrinkable::Held { .. }) => return false,
            Err(error) => panic!("a run that was just recorded cannot be examined: {error}"),
        };
        let found_ms = subject.found.map(|found| trace.choices[found].ms);
        // Where choices could be left out, they can be still.
        let as_before = self.rule == Rule::NewRun || self.rule == subject.rule;
        if !as_before || subject.reason != self.reason || found_ms.is_some() != self.found_ms.is_some() {
            return false;
        }
        // A request may also be lost because its replica is down by then.
        let until_ms = found_ms.min(self.found_ms).unwrap_or(u64::MAX);
        if self.is_due && requests(&trace, until_ms) < requests(&self.trace, until_ms) {
            return false;
        }
        (self.trace, self.rule, self.found_ms) = (trace, subject.rule, found_ms);
        true
    }

    /// Lets the run end some time after the violation, so that what follows is not run again and again.
    fn end_sooner(&mut self) {
        let Some(found_ms) = self.found_ms else { return };
        let mut scenario = self.trace.scenario.clone();
        // A little later, for what happens without a fault may happen later than with it.
        let run_ms = found_ms + found_ms / 4 + 1;
        if run_ms < scenario.run_ms {
            (scenario.run_ms, scenario.settle_ms) = (run_ms, 0);
            scenario.at.retain(|at| at.ms < run_ms);
            self.attempt(&scenario);
        }
    }

    /// Switches whole kinds of faults off.
    fn switch_off(&mut self) {
        let offs: [fn(&mut Scenario<S>); 15] = [
            |scenario| scenario.hazards = false,
            |scenario| scenario.faults.ambush = None,
            |scenario| scenario.faults.burst = None,
            |scenario| scenario.faults.whim = None,
            |scenario| scenario.faults.clock = None,
            |scenario| scenario.faults.crash = None,
            |scenario| scenario.faults.disk = None,
            |scenario| scenario.faults.folder = None,
            |scenario| scenario.faults.mount = None,
            |scenario| scenario.faults.wipe = None,
            |scenario| scenario.faults.older = None,
            |scenario| scenario.faults.offline = None,
            |scenario| scenario.faults.power = None,
            |scenario| scenario.faults.sleep = None,
            |scenario| scenario.faults.gone_for_good.clear(),
        ];
        let mut none = self.trace.scenario.clone();
        offs.iter().for_each(|off| off(&mut none));
        if self.attempt(&none) {
            return;
        }
        for off in offs {
            let mut scenario = self.trace.scenario.clone();
            off(&mut scenario);
            self.attempt(&scenario);
        }
    }

    /// Writes the faults that happened at random down as happening at their times, so that each can be left out.
    fn write_down(&mut self) {
        let mut scenario = self.trace.scenario.clone();
        let Faults { whim, gone_for_good, .. } = &scenario.faults;
        let kept = Faults { whim: *whim, gone_for_good: gone_for_good.clone(), ..Faults::default() };
        if scenario.faults == kept {
            return;
        }
        scenario.faults = kept;
        scenario.at.retain(|at| !is_written_down::<S>(&at.choice));
        let mut started = [false; ReplicaId::COUNT_MAX];
        for at in self.trace.choices.iter().filter(|at| at.ms < scenario.run_ms) {
            let first = match at.choice {
                Choice::Open { replica, .. } => !std::mem::replace(&mut started[replica.index()], true),
                _ => false,
            };
            if !first && is_written_down::<S>(&at.choice) {
                scenario.at.push(at.clone());
            }
        }
        scenario.at.sort_by_key(|at| at.ms);
        self.attempt(&scenario);
    }

    /// Leaves out replicas, the last one first: the names and the draws of the others stay what they are.
    fn fewer_replicas(&mut self) {
        while self.trace.scenario.replica.len() > 1 {
            let mut scenario = self.trace.scenario.clone();
            scenario.replica.pop();
            let stays = |id: ReplicaId| id.index() < scenario.replica.len();
            scenario.at.retain(|at| at.choice.replica().is_none_or(stays));
            scenario.file.retain(|file| file.replica.is_none_or(stays));
            scenario.faults.gone_for_good.retain(|id| stays(*id));
            if !self.attempt(&scenario) {
                return;
            }
        }
    }
}

/// How many requests a trace has before some world time, ms.
fn requests<S: System>(trace: &Trace<S>, until_ms: u64) -> usize {
    let made = trace.choices.iter().take_while(|at| at.ms < until_ms);
    made.filter(|at| is_request::<S>(&at.choice)).count()
}

/// What happens at its time to a machine or a process, whatever else goes on.
fn is_written_down<S: System>(choice: &ChoiceOf<S>) -> bool {
    matches!(
        choice,
        Choice::Clock { .. }
            | Choice::Crash { .. }
            | Choice::Disk { .. }
            | Choice::Folder { .. }
            | Choice::Keep { .. }
            | Choice::Local { .. }
            | Choice::Mount { .. }
            | Choice::Network { .. }
            | Choice::Open { .. }
            | Choice::Restore { .. }
            | Choice::Sleep { .. }
            | Choice::Wake { .. }
            | Choice::Wipe { .. }
    )
}

impl<S: System> Trial for NewRuns<'_, '_, '_, S> {
    fn len(&self) -> usize {
        self.trace.scenario.at.len()
    }

    fn leave_out(&mut self, part: Range<usize>) -> bool {
        let mut scenario = self.trace.scenario.clone();
        let asked = scenario.at.drain(part.clone()).filter(|at| self.is_due && is_request::<S>(&at.choice));
        let stays: Vec<_> = asked.collect();
        scenario.at.splice(part.start..part.start, stays);
        self.attempt(&scenario)
    }

    fn is_spent(&self) -> bool {
        self.budget.is_spent()
    }
}
