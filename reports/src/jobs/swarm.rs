//! Many seeds, each with a configuration of its own drawing.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use cloudchamber_core::Design;
use cloudchamber_folder::checks::{Checker, Kind, checkers};
use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::trace::{COMMIT, Outcome, Trace};
use cloudchamber_folder::{Sample, System, find};
use cloudchamber_host::throughput::{Stage, timed};
use cloudchamber_sim::{Fault, Harvest, Shape, Swarm};

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_system;
use crate::jobs::progress;
use crate::jobs::reproduce::SwarmCall;
use crate::report::distribution::Distribution;
use crate::report::swarm::{Determinism, Seeds, SwarmReport, Verdict};

/// Runs a swarm, and writes the trace of the first seed that fails where somebody wants it.
///
/// # Errors
/// Where the design, the policy or the profile is not there, or the trace cannot be written.
pub(crate) fn run<L: Systems>(
    system: &str,
    order: &Order,
    trace: Option<&Path>,
) -> Result<SwarmReport, Failure> {
    with_system::<L, _, _>(system, Command { order, trace })
}

struct Command<'a> {
    order: &'a Order,
    trace: Option<&'a Path>,
}

impl Work for Command<'_> {
    type Output = Result<SwarmReport, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let (swarm, mut report) = self.order.carry_out::<S>()?;
        let failed =
            report.verdicts.iter_mut().filter(|verdict| cloudchamber_sim::fails::<S>(&verdict.checker));
        if let Some(path) = self.trace
            && let Some(first) =
                failed.filter(|verdict| verdict.violated > 0).min_by_key(|verdict| verdict.first_seed)
            && let Some(seed) = first.first_seed
        {
            files::write(path, &recorded(&swarm, seed).0.to_text())?;
            first.trace = Some(path.display().to_string());
        }
        Ok(report)
    }
}

/// Reads the switches; a later one counts over an earlier one.
pub(crate) fn switches(written: &[(String, bool)]) -> Result<BTreeMap<Fault, bool>, Failure> {
    let mut switches = BTreeMap::new();
    for (name, on) in written {
        if name == "all" {
            switches.extend(Fault::ALL.iter().map(|(_, fault)| (*fault, *on)));
            continue;
        }
        let fault = Fault::named(name).ok_or_else(|| {
            let names: Vec<_> = Fault::ALL.iter().map(|(name, _)| *name).collect();
            Failure::new(format!("there is no fault `{name}`; there are all, {}", names.join(", ")))
        })?;
        switches.insert(fault, *on);
    }
    Ok(switches)
}

/// The trace of one seed of a swarm, and how its run ended.
pub(crate) fn recorded<S: System>(swarm: &Swarm<S>, seed: u64) -> (Trace<S>, Outcome) {
    let run = cloudchamber_sim::run(&swarm.draw(seed), true);
    (run.trace.expect("a trace was asked for"), run.outcome)
}

/// A swarm as somebody orders it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) design: Design,
    /// A variant of the design, in the system's words; the one that the design takes by itself where it is absent.
    pub(crate) policy: Option<String>,
    pub(crate) profile: String,
    pub(crate) faults: BTreeMap<Fault, bool>,
    pub(crate) shape: Shape,
    pub(crate) seeds: Range<u64>,
    pub(crate) jobs: usize,
    pub(crate) keep_going: bool,
    pub(crate) recheck_every: u64,
}

impl Order {
    /// Some seeds of a swarm that is called so.
    ///
    /// # Errors
    /// Where a name is not known, or runs cannot be so large.
    pub(crate) fn of(call: &SwarmCall, seeds: Range<u64>, jobs: usize) -> Result<Self, Failure> {
        let SwarmCall { system: _, design, policy, profile, faults, shape } = call;
        let written: Vec<_> = faults.iter().map(|(name, on)| (name.clone(), *on)).collect();
        let design = Design::named(design).ok_or_else(|| {
            Failure::new(format!("there is no design `{design}`; there are published and hardened"))
        })?;
        shape.validate().map_err(Failure::new)?;
        Ok(Self {
            design,
            policy: policy.clone(),
            profile: profile.clone(),
            faults: switches(&written)?,
            shape: *shape,
            seeds,
            jobs,
            keep_going: true,
            recheck_every: 0,
        })
    }

    /// The swarm, not run yet.
    ///
    /// # Errors
    /// Where the design, the policy or the profile is not there.
    pub(crate) fn swarm<S: System>(&self) -> Result<Swarm<S>, Failure> {
        Profile::find(&self.profile).map_err(Failure::new)?;
        Ok(Swarm {
            settings: S::settings(find::<S>(self.design, self.policy.as_deref()).map_err(Failure::new)?),
            profile: self.profile.clone(),
            switches: self.faults.clone(),
            shape: self.shape,
            seeds: self.seeds.clone(),
            jobs: self.jobs,
            keep_going: self.keep_going,
            recheck_every: self.recheck_every,
        })
    }

    /// How it is called.
    pub(crate) fn call<S: System>(&self) -> SwarmCall {
        let switched = |(name, fault): &(&str, Fault)| Some(((*name).to_owned(), *self.faults.get(fault)?));
        SwarmCall {
            system: S::NAME.into(),
            design: self.design.text().into(),
            policy: self.policy.clone(),
            profile: self.profile.clone(),
            faults: Fault::ALL.iter().filter_map(switched).collect(),
            shape: self.shape,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// As [`Order::swarm`].
    pub(crate) fn carry_out<S: System>(&self) -> Result<(Swarm<S>, SwarmReport), Failure> {
        let swarm = self.swarm::<S>()?;
        let bar = progress::bar(&format!("{} {} {}", S::NAME, self.design.text(), self.profile), {
            self.seeds.end - self.seeds.start
        });
        let (spent, harvest) =
            timed("a swarm", 1, || cloudchamber_sim::swarm(&swarm, &|done| bar.set_position(done)));
        bar.finish_and_clear();
        Ok((swarm, self.report::<S>(&harvest, &spent)))
    }

    fn report<S: System>(&self, harvest: &Harvest, spent: &Stage) -> SwarmReport {
        let (wall_s, cpu_s) = (spent.wall.as_secs_f64(), spent.cpu.as_secs_f64());
        let call = self.call::<S>();
        let concedes = find::<S>(self.design, self.policy.as_deref()).map_or(&[][..], S::concedes);
        let (counted, verdicts) = checkers::<S>()
            .map(|checker| Verdict {
                conceded: concedes.contains(&checker.name),
                ..self.verdict(checker, harvest, &call)
            })
            .partition(|verdict| verdict.kind == Kind::Counted);
        let recheck = harvest.mismatches.first().map(|seed| call.twice(*seed..seed + 1));
        let samples = |sample: Option<&Sample>| {
            let Some(Sample { name, words }) = sample else { return Distribution::default() };
            let taken = harvest.samples.get(name).map_or(&[][..], Vec::as_slice);
            Distribution { words: (*words).to_owned(), ..Distribution::of(taken) }
        };
        SwarmReport {
            system: call.system,
            design: call.design,
            policy: call.policy,
            profile: call.profile,
            commit: COMMIT.into(),
            faults: call.faults,
            shape: call.shape,
            seeds: Seeds {
                from: self.seeds.start,
                to: self.seeds.end,
                run: harvest.runs,
                failed: harvest.failed,
            },
            hash: format!("{:016x}", harvest.hash),
            simulated_s: seconds(harvest.simulated_ms),
            wall_s,
            runs_per_s: speed(harvest.runs, wall_s),
            cpu_s,
            simulated_s_per_cpu_s: per_second(seconds(harvest.simulated_ms), cpu_s),
            verdicts,
            counted,
            determinism: Determinism {
                checked: harvest.rechecked,
                mismatches: u64::try_from(harvest.mismatches.len()).expect("fewer than seeds"),
                seeds: harvest.mismatches.clone(),
            },
            recheck,
            convergence: samples(S::SAMPLES.first()),
            agreement: samples(S::SAMPLES.get(1)),
            counts: harvest.counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
            expect: None,
            missed: vec![],
        }
    }

    fn verdict(&self, checker: &Checker, harvest: &Harvest, call: &SwarmCall) -> Verdict {
        let Checker { name: checker, kind, about } = *checker;
        let mut verdict = Verdict {
            checker: checker.into(),
            kind,
            about: about.into(),
            conceded: false,
            violated: 0,
            first_seed: None,
            first: None,
            reproduce: None,
            trace: None,
        };
        if kind == Kind::Reached {
            if harvest.counts.get(checker).is_none_or(|count| *count == 0) {
                verdict.violated = 1;
                verdict.reproduce = Some(format!("{} --keep-going", call.seeds(self.seeds.clone())));
            }
        } else if let Some(violated) = harvest.violations.get(checker) {
            verdict.violated = violated.runs;
            verdict.first_seed = Some(violated.first_seed);
            verdict.first = Some(violated.first.clone());
            verdict.reproduce = Some(call.seeds(violated.first_seed..violated.first_seed + 1));
        }
        verdict
    }
}

/// Milliseconds as seconds, exact to the millisecond for 285,000 years.
#[expect(clippy::cast_precision_loss, reason = "a sum of run lengths stays far below 2^53 ms")]
pub(crate) fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}

/// How many a second; 0 where no time passed.
#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(crate) fn speed(count: u64, s: f64) -> f64 {
    per_second(count as f64, s)
}

/// How much a second; 0 where no time passed.
pub(crate) fn per_second(amount: f64, s: f64) -> f64 {
    if s > 0.0 { (amount / s * 10.0).round() / 10.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_switch_counts_over_an_earlier_one() {
        let written = [("all".to_owned(), false), ("crash".to_owned(), true)];
        let switches = switches(&written).unwrap();
        let on: Vec<_> = switches.iter().filter(|(_, on)| **on).map(|(fault, _)| *fault).collect();
        assert_eq!((switches.len(), on), (Fault::ALL.len(), vec![Fault::named("crash").unwrap()]));
    }

    #[test]
    fn an_unknown_fault_is_told_what_there_is() {
        let told = switches(&[("ghosts".to_owned(), true)]).unwrap_err().to_string();
        assert!(told.contains("there is no fault `ghosts`") && told.contains("sleep"), "{told}");
    }
}
