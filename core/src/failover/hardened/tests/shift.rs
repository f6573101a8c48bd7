//! What a model checker relies on: a step does the same whenever it is taken, whatever beats and terms are counted
//! from, and whether or not what is spent was forgotten.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::constants::Policy;
use super::super::record::{Found, Life, Record, Visit};
use super::world::{Weather, World};
use crate::failover::testing::Files;
use crate::failover::{Call, Canonical as _, Config, Event, Failover};
use crate::{Content, Cx, Draw, FsOp, Input, Mono, Now, Protocol as _};

/// Moves all instants, and all numbers but 0, by the same amount.
#[derive(Clone, Copy, Debug, Default)]
struct Shift {
    ms: u64,
    terms: u64,
    beats: u64,
}

impl Visit for Shift {
    fn instant(&mut self, instant: &mut Mono) {
        // 1 stands for "long over" where 0 would stand for "never".
        if *instant > Mono(1) {
            instant.0 += self.ms;
        }
    }

    fn deadline(&mut self, instant: &mut Mono) {
        self.instant(instant);
    }

    fn last(&mut self, instant: &mut Mono) {
        self.instant(instant);
    }

    fn term(&mut self, term: &mut u64) {
        if *term > 0 {
            *term += self.terms;
        }
    }

    fn beat(&mut self, _: &Arc<str>, _: Life, beat: &mut u64) {
        if *beat > 0 {
            *beat += self.beats;
        }
    }
}

impl Shift {
    fn content(mut self, content: &Content) -> Content {
        let Found::Record(mut record, _) = Record::parse(content.bytes()) else { return content.clone() };
        Arc::make_mut(&mut record.coordination).visit(&mut self);
        record.serialise()
    }

    fn files(self, files: &Files) -> Files {
        let mut shifted = files.clone();
        for content in shifted.files.values_mut() {
            *content = self.content(content);
        }
        shifted
    }

    fn state(mut self, failover: &Failover) -> Failover {
        let mut shifted = failover.clone();
        shifted.visit(&mut self);
        shifted
    }
}

/// Sees whether any term was heard of, and its own first beat.
#[derive(Default)]
struct Known {
    term: u64,
    own_beat: Option<u64>,
}

impl Visit for Known {
    fn instant(&mut self, _: &mut Mono) {}
    fn deadline(&mut self, _: &mut Mono) {}
    fn last(&mut self, _: &mut Mono) {}
    fn term(&mut self, term: &mut u64) {
        self.term = self.term.max(*term);
    }
    fn beat(&mut self, _: &Arc<str>, _: Life, beat: &mut u64) {
        self.own_beat.get_or_insert(*beat);
    }
}

/// What a step leaves.
#[derive(Debug, PartialEq)]
struct Left {
    failover: Failover,
    ops: Vec<FsOp>,
    calls: Vec<Call>,
    events: Vec<Event>,
}

fn step(failover: &Failover, config: &Config, files: &Files, now: Now) -> Left {
    let (mut failover, mut events) = (failover.clone(), Vec::new());
    let mut rng = Draw::Fraction(0).rng();
    let mut cx = Cx { fs: files, now, rng: &mut rng, ops: vec![], calls: vec![], events: &mut events };
    failover.step(config, Input::Timer, &mut cx);
    let Cx { ops, calls, .. } = cx;
    Left { failover, ops, calls, events }
}

/// Three replicas in the middle of a storm.
fn reached(policy: Policy, seed: u64, run_ms: u64) -> World {
    let weather = Weather { run_ms, late_one_in: 8, ..Weather::stormy(policy, 20_000) };
    let mut world = World::new(weather, seed);
    world.storm();
    world
}

fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Available), Just(Policy::Majority)]
}

proptest! {
    #[test]
    fn a_step_does_the_same_at_any_time(
        policy in policies(), seed: u64, run_ms in 90_000_u64..900_000,
        later_ms in 0_u64..5_000, ms in 1_u64..1 << 50,
    ) {
        let shift = Shift { ms, ..Shift::default() };
        for (config, files, failover, now) in reached(policy, seed, run_ms).could_step() {
            let now = Now { mono: now.mono.plus(later_ms), ..now };
            let left = step(failover, config, files, now);
            let later = Now { mono: now.mono.plus(ms), ..now };
            let same = step(&shift.state(failover), config, files, later);
            prop_assert_eq!(Left { failover: shift.state(&left.failover), ..left }, same);
        }
    }

    #[test]
    fn a_step_does_the_same_wherever_beats_and_terms_are_counted_from(
        policy in policies(), seed: u64, run_ms in 90_000_u64..900_000,
        later_ms in 0_u64..5_000, beats in 1_u64..1 << 40, terms in 1_u64..1 << 40,
    ) {
        for (config, files, failover, now) in reached(policy, seed, run_ms).could_step() {
            let mut known = Known::default();
            failover.clone().visit(&mut known);
            // Who knows of no term begins with the first, and who has written nothing with the first beat.
            if known.term == 0 || known.own_beat == Some(0) {
                continue;
            }
            let shift = Shift { beats, terms, ..Shift::default() };
            let now = Now { mono: now.mono.plus(later_ms), ..now };
            let left = step(failover, config, files, now);
            let same = step(&shift.state(failover), config, &shift.files(files), now);
            let shifted = |op: &FsOp| match op {
                FsOp::Replace { path, content } => {
                    FsOp::Replace { path: path.clone(), content: shift.content(content) }
                }
                other => other.clone(),
            };
            prop_assert_eq!(shift.state(&left.failover), same.failover);
            prop_assert_eq!(left.ops.iter().map(shifted).collect::<Vec<_>>(), same.ops);
            let told = |event| match event {
                Event::TermClaimed { term } => Event::TermClaimed { term: term + terms },
                other => other,
            };
            let events: Vec<_> = left.events.into_iter().map(told).collect();
            prop_assert_eq!((left.calls, events), (same.calls, same.events));
        }
    }

    #[test]
    fn a_step_does_the_same_without_what_is_spent(
        policy in policies(), seed: u64, run_ms in 90_000_u64..900_000, later_ms in 0_u64..5_000,
    ) {
        for (config, files, failover, now) in reached(policy, seed, run_ms).could_step() {
            let now = Now { mono: now.mono.plus(later_ms), ..now };
            let forgetting = |failover: &Failover| {
                let mut failover = failover.clone();
                failover.forget_spent();
                failover
            };
            let left = step(failover, config, files, now);
            let same = step(&forgetting(failover), config, files, now);
            prop_assert_eq!(forgetting(&left.failover), forgetting(&same.failover));
            prop_assert_eq!((left.ops, left.calls, left.events), (same.ops, same.calls, same.events));
        }
    }
}
