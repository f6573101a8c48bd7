//! The search for a smaller trace among the choices of a larger one.

use std::ops::Range;

use super::budget::Budget;
use super::ddmin::{Trial, minimise};
use super::rule::Rule;
use super::subject::{Run, Step, Subject};
use crate::profile::Arrival;
use crate::world::{Choice, ChoiceOf, Effects, FAULTS, Loss};
use crate::{ReplicaId, System};

/// Into how many parts a candidate is divided by worlds that are kept, so that a try begins at the last one before
/// the first choice that is left out instead of at the start.
const KEPT_WORLDS: usize = 128;

/// A trace of which less and less is left.
pub(super) struct Search<'a, 'b, S: System> {
    subject: Subject<S>,
    /// What is left, as places in the subject's trace.
    kept: Vec<usize>,
    /// What stays as long as its replica does, as places in the subject's trace.
    needed: Vec<(usize, Option<ReplicaId>)>,
    /// Worlds on the way through what is left, each with how many choices it has taken; in order.
    worlds: Vec<(usize, Run<S>)>,
    budget: &'a mut Budget<'b>,
}

impl<'a, 'b, S: System> Search<'a, 'b, S> {
    /// Starts with all of a trace up to the violation.
    pub(super) fn new(mut subject: Subject<S>, budget: &'a mut Budget<'b>) -> Self {
        let kept = (0..subject.found.map_or(subject.choices.len(), |found| found + 1)).collect();
        // A trace that ends at a choice is judged there. Only where the checker has to know that faults have stopped
        // do they stop; otherwise others would ask, at an end that came early, for what is due later.
        let calm_ms = if subject.found.is_some() { subject.calm_ms.take() } else { None };
        let needed = subject.needed();
        let mut search = Self { subject, kept, needed, worlds: Vec::new(), budget };
        if calm_ms.is_some() && !search.attempt(0, |_| false) {
            search.subject.calm_ms = calm_ms;
        }
        search
    }

    /// Leaves out and makes plainer whatever it can, until nothing more goes or the budget is spent.
    pub(super) fn run(&mut self) {
        while !self.budget.is_spent() {
            let mut smaller = self.replicas();
            smaller |= self.faults();
            smaller |= minimise(self);
            smaller |= self.plainer();
            if !smaller {
                return;
            }
        }
    }

    /// The choices that are left, as places in the subject's trace, and the subject.
    pub(super) fn into_parts(self) -> (Subject<S>, Vec<usize>) {
        (self.subject, self.kept)
    }

    /// Leaves out whole replicas, the last one first.
    fn replicas(&mut self) -> bool {
        let mut smaller = false;
        for id in ReplicaId::all(ReplicaId::COUNT_MAX).collect::<Vec<_>>().into_iter().rev() {
            smaller |= self.without(|choice| choice.replica() == Some(id));
        }
        smaller
    }

    /// Leaves out all faults of a kind, or else single ones, the last one first.
    fn faults(&mut self) -> bool {
        let mut smaller = false;
        for kind in FAULTS {
            let is_one = |choice: &ChoiceOf<S>| choice.fault().is_some_and(|(its, _)| its == kind);
            if self.without(is_one) {
                smaller = true;
                continue;
            }
            let mut place = self.kept.len();
            while place > 0 {
                place -= 1;
                if place < self.kept.len() && is_one(self.choice(place)) {
                    smaller |= self.attempt(place, |other| other == place);
                }
            }
        }
        smaller
    }

    /// Leaves out all choices of a kind that are not pinned.
    fn without(&mut self, is_one: impl Fn(&ChoiceOf<S>) -> bool) -> bool {
        let gone: Vec<bool> = (0..self.kept.len()).map(|place| is_one(self.choice(place))).collect();
        gone.iter().position(|gone| *gone).is_some_and(|first| self.attempt(first, |place| gone[place]))
    }

    /// Makes single choices plainer: a file that arrives whole, a crash that loses nothing.
    fn plainer(&mut self) -> bool {
        let mut smaller = false;
        let mut place = self.kept.len();
        while place > 0 {
            place -= 1;
            // A violation that comes earlier may have cut the list.
            let Some(&index) = self.kept.get(place) else { continue };
            for plain in plainer::<S>(self.choice(place)) {
                let before = std::mem::replace(&mut self.subject.choices[index].choice, plain);
                if self.attempt(place, |_| false) {
                    smaller = true;
                    break;
                }
                self.subject.choices[index].choice = before;
            }
        }
        smaller
    }

    fn choice(&self, place: usize) -> &ChoiceOf<S> {
        &self.subject.choices[self.kept[place]].choice
    }

    /// Replays what is left without what is `gone`, from `first` on, before which nothing is. What the world refuses
    /// is left out as well. Where that still fails in the same way, it is what is left from now on.
    fn attempt(&mut self, first: usize, gone: impl Fn(usize) -> bool) -> bool {
        if !self.budget.spend(self.kept.len()) {
            return false;
        }
        let mut effects = Effects::default();
        let mut run = self.world_before(first, &mut effects);
        let mut taken = Vec::new();
        let mut fails = false;
        for place in (first..self.kept.len()).filter(|place| !gone(*place)) {
            let index = self.kept[place];
            match self.subject.step(&mut run, index, &mut effects) {
                Step::Taken => taken.push(index),
                Step::Refused => {}
                Step::Violated => {
                    taken.push(index);
                    fails = true;
                    break;
                }
                Step::Broken => return false,
            }
        }
        fails = (fails || self.subject.fails_in_the_end(run)) && self.has_what_is_needed(first, &taken);
        if fails {
            self.kept.truncate(first);
            self.kept.extend(taken);
            self.worlds.retain(|(before, _)| *before <= first);
        }
        fails
    }

    /// Whether a candidate has every needed choice whose replica starts in it: the first of what is left, and then those
    /// taken.
    fn has_what_is_needed(&self, first: usize, taken: &[usize]) -> bool {
        let candidate = || self.kept[..first].iter().chain(taken);
        self.needed.iter().all(|(needed, id)| {
            let starts = |index: &usize| {
                let choice = &self.subject.choices[*index].choice;
                matches!(choice, Choice::Open { replica, .. } if Some(*replica) == *id)
            };
            candidate().any(|index| index == needed) || (id.is_some() && !candidate().any(starts))
        })
    }

    /// The world after the first choices that are left. On the way there it keeps some.
    fn world_before(&mut self, place: usize, effects: &mut Effects<S::Protocol>) -> Run<S> {
        let near = self.worlds.partition_point(|(before, _)| *before <= place);
        let (mut before, mut run) = match near.checked_sub(1).map(|last| &self.worlds[last]) {
            Some((before, run)) => (*before, run.clone()),
            None => (0, self.subject.start()),
        };
        let every = self.kept.len() / KEPT_WORLDS + 1;
        let is_last = near == self.worlds.len();
        while before < place {
            let step = self.subject.step(&mut run, self.kept[before], effects);
            assert_eq!(step, Step::Taken, "what is left was taken before, up to the last");
            before += 1;
            if is_last && before % every == 0 {
                self.worlds.push((before, run.clone()));
            }
        }
        run
    }
}

impl<S: System> Trial for Search<'_, '_, S> {
    fn len(&self) -> usize {
        self.kept.len()
    }

    fn leave_out(&mut self, part: Range<usize>) -> bool {
        if part.end == self.kept.len() {
            // A new sweep, with other distances between the worlds that are worth keeping.
            self.worlds.clear();
        }
        let pinned = |place: usize| self.subject.is_pinned(self.kept[place]);
        let pinned: Vec<bool> = match self.subject.rule {
            Rule::AtRest => part.clone().map(pinned).collect(),
            _ => vec![false; part.len()],
        };
        if pinned.iter().all(|pinned| *pinned) {
            return false;
        }
        let start = part.start;
        self.attempt(start, |place| part.contains(&place) && !pinned[place - start])
    }

    fn is_spent(&self) -> bool {
        self.budget.is_spent()
    }
}

/// What a choice may become that is easier to understand, the easiest first.
fn plainer<S: System>(choice: &ChoiceOf<S>) -> Vec<ChoiceOf<S>> {
    let mut plainer = Vec::new();
    match choice {
        Choice::Download { replica, path, back, arrival } => {
            let to =
                |back, arrival| Choice::Download { replica: *replica, path: path.clone(), back, arrival };
            plainer.extend([to(0, Arrival::Whole), to(*back, Arrival::Whole), to(0, *arrival)]);
        }
        Choice::Crash { replica, torn_percent, loss } => {
            let to = |torn_percent, loss| Choice::Crash { replica: *replica, torn_percent, loss };
            plainer.extend([to(0, Loss::Kept), to(*torn_percent, Loss::Kept), to(0, *loss)]);
        }
        _ => {}
    }
    plainer.retain(|plain| plain != choice);
    plainer.dedup();
    plainer
}
