//! Seeds, scenarios and models as plain tests: what is not as expected is a panic that says how to see it again.

use std::marker::PhantomData;
use std::ops::{Range, RangeInclusive};
use std::path::Path;

use cloudchamber_core::Design;
use cloudchamber_folder::System;
use cloudchamber_folder::checks::Kind;
use cloudchamber_sim::{Fault, Shape};

use crate::files;
use crate::jobs::models::{self, Keep, Wanted};
use crate::jobs::swarm::Order;
use crate::jobs::{run, workers};
use crate::report::swarm::{SwarmReport, Verdict};

/// Asserts that the hardened design of a system holds in a range of seeds on iCloud's profile, with all its faults.
/// [`Runs`] asks for other designs and providers.
///
/// # Panics
/// If a seed violates a checker, with the lowest such seed, what was violated and the line that shows it again. If none
/// reaches what some seed has to reach. If a second run of a seed is another.
#[track_caller]
pub fn assert_holds<S: System>(seeds: Range<u64>) {
    Runs::<S>::of(seeds).assert_holds();
}

/// Asserts that the scenarios and the quick models below a directory come out as their files expect: `dir/NAME/*.toml` and
/// `dir/models/*.toml`, with `NAME` the system's.
///
/// # Panics
/// If one does not, with what is amiss and the line that shows it again; if a file cannot be read; and if there is none.
#[track_caller]
pub fn assert_files<S: System>(dir: impl AsRef<Path>) {
    let dir = dir.as_ref();
    let mut amiss = Vec::new();
    let mut count = 0;
    let scenarios = files::toml_files(&dir.join(S::NAME)).unwrap_or_else(|failure| panic!("{failure}"));
    for file in scenarios {
        count += 1;
        match run::run::<S>(&file, None, None) {
            Ok(report) if report.run.ok => {}
            Ok(report) => amiss.push(told(&file, &report.run.outcome, &report.run.reproduce)),
            Err(failure) => amiss.push(failure.to_string()),
        }
    }
    let wanted = Wanted { system: S::NAME, design: None, policy: None, quick: true };
    for file in models::files::<S>(dir, wanted).unwrap_or_else(|failure| panic!("{failure}")) {
        count += 1;
        match models::check::<S>(&file, 1, Keep::Nowhere) {
            Ok(report) if report.ok => {}
            Ok(report) => amiss.push(told(&file, &report.outcome, &report.reproduce)),
            Err(failure) => amiss.push(failure.to_string()),
        }
    }
    assert!(
        count > 0,
        "{}: there is no scenario in {0}/{} and no quick model in {0}/models",
        dir.display(),
        S::NAME
    );
    assert!(amiss.is_empty(), "{} of {count} files are not as expected\n{}", amiss.len(), amiss.join("\n"));
}

fn told(file: &Path, outcome: &str, again: &str) -> String {
    format!("{}: {outcome}\n  again: {again}", file.display())
}

/// Seeds of a system, to be run in a test: each draws its own replicas, clocks, faults and what people do.
#[derive(Clone, Debug)]
#[must_use = "nothing runs before it is asserted what comes of it"]
pub struct Runs<S> {
    order: Order,
    system: PhantomData<S>,
}

impl<S: System> Runs<S> {
    /// Seeds of the hardened design on iCloud's profile, until somebody says otherwise.
    pub fn of(seeds: Range<u64>) -> Self {
        let order = Order {
            design: Design::Hardened,
            policy: None,
            profile: "icloud".into(),
            faults: Default::default(),
            shape: Shape::default(),
            seeds,
            jobs: workers(None),
            keep_going: false,
            recheck_every: 20,
        };
        Self { order, system: PhantomData }
    }

    /// Of another design.
    pub fn design(mut self, design: Design) -> Self {
        self.order.design = design;
        self
    }

    /// Of a variant of the design, in the system's words.
    pub fn policy(mut self, policy: &str) -> Self {
        self.order.policy = Some(policy.to_owned());
        self
    }

    /// With another provider: a built-in one, or the path of a profile's file.
    pub fn profile(mut self, profile: &str) -> Self {
        self.order.profile = profile.to_owned();
        self
    }

    /// With so many replicas.
    ///
    /// # Panics
    /// If a run cannot have so many.
    #[track_caller]
    pub fn replicas(mut self, replicas: RangeInclusive<u64>) -> Self {
        self.order.shape.replicas = Some([*replicas.start(), *replicas.end()]);
        self.order.shape.validate().unwrap_or_else(|why| panic!("{why}"));
        self
    }

    /// With faults and people for so long, ms; then all has to settle.
    ///
    /// # Panics
    /// If a run cannot last so long.
    #[track_caller]
    pub fn run_ms(mut self, run_ms: RangeInclusive<u64>) -> Self {
        self.order.shape.run_ms = Some([*run_ms.start(), *run_ms.end()]);
        self.order.shape.validate().unwrap_or_else(|why| panic!("{why}"));
        self
    }

    /// With a kind of fault on or off, whatever the profile says.
    ///
    /// # Panics
    /// If there is no such kind.
    #[track_caller]
    pub fn fault(mut self, name: &str, on: bool) -> Self {
        let fault = Fault::named(name).unwrap_or_else(|| {
            let names: Vec<_> = Fault::ALL.iter().map(|(name, _)| *name).collect();
            panic!("there is no fault `{name}`; there are {}", names.join(", "))
        });
        self.order.faults.insert(fault, on);
        self
    }

    /// Runs the seeds and asserts that they hold.
    ///
    /// # Panics
    /// As [`assert_holds`], and if there is no such design, policy or profile.
    #[track_caller]
    pub fn assert_holds(self) {
        let report = self.carry_out();
        let failed = report.verdicts.iter().filter(|verdict| verdict.has_failed());
        let amiss: Vec<_> = failed.map(|verdict| self.tell(verdict)).collect();
        assert!(amiss.is_empty(), "{}", amiss.join("\n"));
        assert_eq!(report.determinism.seeds, [] as [u64; 0], "{}: a second run was another", self.name());
    }

    /// Runs all the seeds and asserts that one of them violates a checker: that it would be noticed.
    ///
    /// # Panics
    /// If none does, or there is no such checker, design, policy or profile.
    #[track_caller]
    pub fn assert_violates(mut self, checker: &str) {
        self.order.keep_going = true;
        let report = self.carry_out();
        let Some(verdict) = report.verdicts.iter().find(|verdict| verdict.checker == checker) else {
            let names: Vec<_> = report.verdicts.iter().map(|verdict| &*verdict.checker).collect();
            panic!("there is no checker `{checker}`; there are {}", names.join(", "))
        };
        let Range { start, end } = self.order.seeds;
        assert!(verdict.violated > 0, "{}: none of the seeds {start}..{end} violates {checker}", self.name());
    }

    #[track_caller]
    fn carry_out(&self) -> SwarmReport {
        match self.order.carry_out::<S>() {
            Ok((_, report)) => report,
            Err(failure) => panic!("{}: {failure}", self.name()),
        }
    }

    fn name(&self) -> String {
        let Order { design, policy, profile, .. } = &self.order;
        let policy = policy.iter().map(|policy| format!(" {policy}")).collect::<String>();
        format!("{} {}{policy} {profile}", S::NAME, design.text())
    }

    /// What failed, and the line that shows it again.
    fn tell(&self, verdict: &Verdict) -> String {
        let name = self.name();
        let again = verdict.reproduce.as_deref().unwrap_or_default();
        match (verdict.first_seed, &verdict.first) {
            (Some(seed), Some(violation)) => {
                let trace = format!("--trace {}-{seed}.jsonl", S::NAME);
                format!("seed {seed} of {name} violates {violation}\n  again: {again} {trace}")
            }
            _ => {
                debug_assert_eq!(verdict.kind, Kind::Reached, "whatever else fails has a first seed");
                let Range { start, end } = self.order.seeds;
                let checker = &verdict.checker;
                format!(
                    "{name}: none of the seeds {start}..{end} reaches {checker}, so what holds may hold in vain\n  again: \
                     {again}"
                )
            }
        }
    }
}
