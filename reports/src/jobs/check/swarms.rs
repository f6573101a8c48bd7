//! A swarm for every profile and design, beside what is expected of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use cloudchamber_core::Design;
use cloudchamber_folder::System;
use cloudchamber_folder::checks::Kind;
use cloudchamber_folder::scenario::Expect;
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_sim::fails;
use serde::Deserialize;

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_system;
use crate::jobs::out::Out;
use crate::jobs::reproduce::SwarmCall;
use crate::jobs::side_by_side;
use crate::jobs::swarm::{Order, recorded};
use crate::report::check::Part;
use crate::report::swarm::{SwarmExpect, SwarmReport, Verdict};

/// Every how many seeds one runs twice.
const RECHECK_EVERY: u64 = 10;

/// A run of more choices that fails as expected is told by the command that repeats it: nobody reads a page of so many, and
/// one of weeks takes tens of megabytes.
const SHOWN_MAX: usize = 50_000;

/// From how many seeds on a swarm must show what it is expected to violate and to reach.
const SEEDS_ENOUGH: u64 = 100;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    swarm: Vec<Entry>,
}

/// One swarm of the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// What is run.
    call: SwarmCall,
    /// What is expected.
    #[serde(default)]
    expect: SwarmExpect,
    /// How many entries stand before it in the file.
    #[serde(skip)]
    place: u64,
}

impl Entry {
    /// Which system it is for.
    pub(crate) fn system(&self) -> &str {
        &self.call.system
    }

    /// The part of a check that it counts to.
    pub(crate) fn part(&self) -> String {
        Part::of_swarms(&self.call.system, &self.call.design)
    }

    /// Whether it is a swarm of this design.
    pub(crate) fn is_of(&self, design: Design) -> bool {
        self.call.design == design.text()
    }

    /// What it is called: system, design, policy and profile, and the faults that are switched.
    pub(crate) fn name(&self) -> String {
        let SwarmCall { system, design, policy, profile, faults, shape: _ } = &self.call;
        let mut name = [system, design].map(String::as_str).join(" ");
        for word in policy.iter().chain([profile]) {
            name.push(' ');
            name.push_str(word);
        }
        for (fault, on) in faults {
            name.push_str(&format!(" {fault}={}", if *on { "on" } else { "off" }));
        }
        for option in self.call.shape() {
            name.push_str(&format!(" {option}"));
        }
        name
    }

    /// The order for some seeds, one after another.
    ///
    /// # Errors
    /// Where a name is not known.
    pub(crate) fn order(&self, seeds: Range<u64>) -> Result<Order, Failure> {
        Order::of(&self.call, seeds, 1)
    }

    /// What its runs may violate.
    pub(crate) fn expected(&self) -> Expect {
        let SwarmExpect { violates, may_violate, .. } = self.expect.clone();
        Expect { violates, may_violate, ..Expect::default() }
    }
}

/// Reads the swarms' file; none where there is no such file.
///
/// # Errors
/// Where the file is not what its header says.
pub(crate) fn read(file: &Path) -> Result<Vec<Entry>, Failure> {
    if !file.exists() {
        return Ok(vec![]);
    }
    let mut parsed: File =
        files::parse_toml(file, &files::read(file)?, "the file's first lines say what an entry is")?;
    for (place, entry) in (0..).zip(&mut parsed.swarm) {
        entry.place = place;
    }
    Ok(parsed.swarm)
}

/// Runs one swarm over so many seeds of its own and judges it. From one seed all swarms would draw the same replicas, the
/// same hours and the same few runs of days, each as long as all others together.
///
/// # Errors
/// Where what it names is not there, or a trace cannot be written.
pub(crate) fn check<L: Systems>(
    entry: &Entry,
    seeds: u64,
    jobs: usize,
    out: &Out<'_>,
) -> Result<SwarmReport, Failure> {
    with_system::<L, _, _>(entry.system(), Judged { entry, seeds, jobs, out })
}

struct Judged<'a> {
    entry: &'a Entry,
    seeds: u64,
    jobs: usize,
    out: &'a Out<'a>,
}

impl Work for Judged<'_> {
    type Output = Result<SwarmReport, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let first = self.entry.place * self.seeds;
        let mut order = Order::of(&self.entry.call, first..first + self.seeds, self.jobs)?;
        order.recheck_every = RECHECK_EVERY;
        let (swarm, mut report) = order.carry_out::<S>()?;
        let name = report.name().replace([' ', '/', '\\'], "-");
        // Several checkers may have found something in one run.
        let failed = |verdict: &&mut Verdict| fails::<S>(&verdict.checker);
        let seeds: BTreeSet<u64> =
            report.verdicts.iter_mut().filter(failed).filter_map(|verdict| verdict.first_seed).collect();
        let seeds: Vec<u64> = seeds.into_iter().collect();
        let is_unexpected =
            |found: &&Verdict| found.is_violated() && !self.entry.expect.allows(&found.checker);
        let unexpected = report.verdicts.iter().filter(is_unexpected);
        let unexpected: BTreeSet<u64> = unexpected.filter_map(|verdict| verdict.first_seed).collect();
        let traces = side_by_side(self.jobs, &seeds, |seed| {
            let trace = format!("traces/swarms/{name}-{seed}.jsonl");
            let (recorded, outcome) = recorded(&swarm, *seed);
            let is_shown = recorded.choices.len() <= SHOWN_MAX || unexpected.contains(seed);
            is_shown.then(|| self.out.trace(&trace, &recorded, Some(&outcome))).transpose()
        });
        let traces = traces.into_iter().collect::<Result<Vec<_>, _>>()?;
        let traces = seeds.into_iter().zip(traces).filter_map(|(seed, trace)| Some((seed, trace?)));
        let traces: BTreeMap<u64, String> = traces.collect();
        for verdict in report.verdicts.iter_mut().filter(failed) {
            verdict.trace = verdict.first_seed.and_then(|seed| traces.get(&seed).cloned());
        }
        report.missed = missed(&report, &self.entry.expect)?;
        report.expect = Some(self.entry.expect.clone());
        Ok(report)
    }
}

/// In what a swarm is not what was expected.
fn missed(report: &SwarmReport, expect: &SwarmExpect) -> Result<Vec<String>, Failure> {
    let verdict = |name: &String| {
        report.verdicts.iter().find(|verdict| verdict.checker == *name).ok_or_else(|| {
            let names: Vec<_> = report.verdicts.iter().map(|verdict| &*verdict.checker).collect();
            Failure::new(format!(
                "a swarm's expectation names `{name}`, and {} has no such checker; there are {}",
                report.system,
                names.join(", ")
            ))
        })
    };
    let mut missed = Vec::new();
    let enough = report.seeds.run >= SEEDS_ENOUGH;
    for name in &expect.violates {
        if verdict(name)?.violated == 0 && enough {
            missed.push(format!("no seed violates `{name}`, and some were expected to"));
        }
    }
    for name in &expect.may_violate {
        verdict(name)?;
    }
    for name in &expect.reaches {
        if verdict(name)?.violated > 0 && enough {
            missed.push(format!("no seed reaches `{name}`, so what holds may hold vacuously"));
        }
    }
    for found in report.verdicts.iter().filter(|found| found.kind != Kind::Reached && found.violated > 0) {
        if !expect.allows(&found.checker) {
            let first = found.first.as_ref().map(ToString::to_string).unwrap_or_default();
            missed.push(format!(
                "{} seeds violate `{}`, which has to hold: {first}",
                found.violated, found.checker
            ));
        }
    }
    if report.determinism.mismatches > 0 {
        missed.push(format!("the second runs of seeds {:?} were others", report.determinism.seeds));
    }
    Ok(missed)
}
