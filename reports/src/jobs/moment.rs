//! When a run became likely to fail: the same run up to a moment, and from there on many other futures.
//!
//! Of a run that fails, most of what happened does not matter. Where nearly all futures of one moment fail and few of those
//! of an earlier one, it is what happened in between.

use std::path::Path;

use cloudchamber_folder::scenario::{Scenario, system_of};
use cloudchamber_folder::stage::Stage;
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::trace::{self, COMMIT, Trace};
use cloudchamber_folder::{StableHasher, System};

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_traced;
use crate::jobs::{progress, reproduce, side_by_side, story};
use crate::report::moment::{Jump, Moment, MomentReport};

/// Into how many parts the time between the two moments of the steepest growth is divided again and again.
const HALVINGS: u32 = 6;

/// What is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Whose violation it is about. Where it is absent, the first one of the run that fails it and that its scenario does
    /// not expect, or else that it does.
    pub(crate) checker: Option<String>,
    /// Another seed than the file's.
    pub(crate) seed: Option<u64>,
    /// Into how many parts the time up to the violation is divided.
    pub(crate) parts: u64,
    /// How many futures are drawn at each moment.
    pub(crate) futures: u64,
    /// How many of them run side by side.
    pub(crate) jobs: usize,
}

impl Order {
    /// What a command is called with that orders the same.
    fn options(&self) -> String {
        let Self { checker, seed, parts, futures, jobs: _ } = self;
        let seed = seed.map_or(String::new(), |seed| format!(" --seed {seed}"));
        let checker = checker.as_ref().map_or(String::new(), |name| format!(" --checker {name}"));
        format!("{seed}{checker} --parts {parts} --futures {futures}")
    }
}

/// Looks for the moment in the run of a trace or of a scenario file.
///
/// # Errors
/// Where the file is neither, or the run does not fail.
pub(crate) fn moment<L: Systems>(file: &Path, order: &Order) -> Result<MomentReport, Failure> {
    let text = files::read(file)?;
    let is_scenario = file.extension().is_some_and(|ending| ending == "toml");
    let system = if is_scenario { system_of(file, &text)? } else { trace::system_of(file, &text)? };
    with_traced::<L, _, _>(&system, Sought { file, text: &text, is_scenario, order })
}

struct Sought<'a> {
    file: &'a Path,
    text: &'a str,
    is_scenario: bool,
    order: &'a Order,
}

impl Work for Sought<'_> {
    type Output = Result<MomentReport, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let Self { file, text, is_scenario, order } = self;
        let mut scenario = match is_scenario {
            true => Scenario::<S>::parse(file, text)?,
            false => Trace::<S>::parse(file, text)?.scenario,
        };
        scenario.seed = order.seed.unwrap_or(scenario.seed);
        found(file, &scenario, order)
    }
}

fn found<S: System>(file: &Path, scenario: &Scenario<S>, order: &Order) -> Result<MomentReport, Failure> {
    let run = cloudchamber_sim::run(scenario, true);
    let violations = &run.outcome.findings.violations;
    let meant = match &order.checker {
        Some(name) => violations.iter().find(|violation| violation.checker == *name),
        // One that is only counted, or was to be expected, is what somebody asks for last.
        None => violations.iter().min_by_key(|violation| {
            let is_expected = scenario.expect.violates.contains(&violation.checker)
                || scenario.expect.may_violate.contains(&violation.checker);
            (!cloudchamber_sim::fails::<S>(&violation.checker), is_expected)
        }),
    };
    let Some(violation) = meant.cloned() else {
        let names: Vec<&str> = violations.iter().map(|violation| &*violation.checker).collect();
        let what = match (&order.checker, names.is_empty()) {
            (_, true) => "its scenario's run with this seed violates nothing; name one that fails, such as the trace of a \
                          swarm before it was shrunk"
                .to_owned(),
            (Some(name), false) => format!("`{name}` holds in this run, which violates {}", names.join(", ")),
            (None, false) => unreachable!("the first violation is meant"),
        };
        return Err(Failure::new(format!("{}: {what}", file.display())));
    };
    let bar = progress::bar("moments", order.parts + 1 + u64::from(HALVINGS));
    let futures = Futures { scenario, checker: &violation.checker, order };
    let mut stage = Stage::new(scenario);
    let mut moments: Vec<Moment> = Vec::new();
    for part in 0..=order.parts {
        let ms = violation.at_ms * part / order.parts;
        stage.advance(ms, &mut |_, _| {});
        moments.push(Moment { ms, fail: futures.fail(&stage) });
        bar.inc(1);
    }
    let steepest = |moments: &[Moment]| {
        let pairs = moments.windows(2).map(|pair| (pair[0], pair[1]));
        pairs.max_by_key(|(from, to)| to.fail.saturating_sub(from.fail))
    };
    let mut jump = steepest(&moments).filter(|(from, to)| is_growth(*from, *to, order.futures));
    for _ in 0..HALVINGS {
        bar.inc(1);
        let Some((from, to)) = jump.filter(|(from, to)| to.ms - from.ms > 1) else { continue };
        let ms = from.ms.midpoint(to.ms);
        let mut stage = Stage::new(scenario);
        stage.advance(ms, &mut |_, _| {});
        let middle = Moment { ms, fail: futures.fail(&stage) };
        let place = moments.partition_point(|moment| moment.ms < ms);
        moments.insert(place, middle);
        jump = steepest(&[from, middle, to]);
    }
    bar.finish_and_clear();
    let trace = run.trace.expect("a trace was asked for");
    let happened = |from: Moment, to: Moment| {
        let mut lines = Vec::new();
        let told = story::tell(&trace, |line| {
            if line.counts && from.ms < line.step.at.ms && line.step.at.ms <= to.ms {
                lines.push(line.to_string());
            }
        });
        told.map(|_| lines).map_err(|(index, why)| Failure::new(format!("choice {index}: {why}")))
    };
    let jump = match jump {
        Some((from, to)) => Some(Jump { from, to, happened: happened(from, to)? }),
        None => None,
    };
    Ok(MomentReport {
        commit: COMMIT.into(),
        system: S::NAME.into(),
        file: file.display().to_string(),
        seed: scenario.seed,
        violation,
        futures: order.futures,
        moments,
        jump,
        reproduce: reproduce::moment(file, &order.options()),
    })
}

/// Whether the share grew by more than chance explains: three standard deviations of the difference of two shares, at their
/// most uncertain.
fn is_growth(from: Moment, to: Moment, futures: u64) -> bool {
    let grown = to.fail.saturating_sub(from.fail);
    // 3 * sqrt(2 * n / 4) < grown
    grown * grown * 2 > 9 * futures
}

/// The futures of moments of one run.
struct Futures<'a, S: System> {
    scenario: &'a Scenario<S>,
    checker: &'a str,
    order: &'a Order,
}

impl<S: System> Futures<'_, S> {
    /// How many futures of this moment violate the checker.
    fn fail(&self, moment: &Stage<S>) -> u64 {
        let numbers: Vec<u64> = (0..self.order.futures).collect();
        let failed = side_by_side(self.order.jobs, &numbers, |number| {
            let at_ms = moment.watched().world.now();
            let seed = StableHasher::of(&(self.scenario.seed, at_ms, *number));
            let mut stage = moment.with_future(self.scenario, seed);
            let fails = |stage: &Stage<S>| stage.watched().findings.violation(self.checker).is_some();
            while let Some(due) = stage.due().filter(|_| !fails(&stage)) {
                stage.advance(due, &mut |_, _| {});
            }
            fails(&stage) || stage.finish().findings.violation(self.checker).is_some()
        });
        failed.into_iter().map(u64::from).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_what_chance_does_not_explain() {
        let moment = |fail| Moment { ms: 0, fail };
        assert!(!is_growth(moment(10), moment(26), 64), "16 of 64 are within three deviations");
        assert!(is_growth(moment(10), moment(27), 64));
        assert!(!is_growth(moment(40), moment(10), 64));
    }
}
