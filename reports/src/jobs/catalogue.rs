//! The catalogue of the published designs' flaws: each is found without the scenario that was made for it, by random
//! seeds or in a bounded model, or it is said why neither can.

use std::path::Path;

use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::trace::COMMIT;
use cloudchamber_folder::{System, mistake};
use serde::Deserialize;

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_system;
use crate::jobs::models::{self, Keep};
use crate::jobs::reproduce::SwarmCall;
use crate::jobs::{progress, side_by_side, swarm};
use crate::report::catalogue::{CatalogueReport, FlawReport, Found};

/// What every message about such a file ends with.
const HELP: &str = "the first lines of the file say what an entry is";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    flaw: Vec<Flaw>,
}

/// A flaw of the catalogue. One of `swarm`, `model` and `neither` is there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Flaw {
    /// Its number.
    number: String,
    /// What goes wrong, in a sentence.
    about: String,
    /// The checker that falls; `None` if neither a swarm nor a model shows it.
    violates: Option<String>,
    /// What the violation has to say, where something else violates the same checker in the same swarm.
    says: Option<String>,
    /// The swarm whose seeds show it: no more faults are on than it takes, so that nothing else can bring it about.
    swarm: Option<SwarmCall>,
    /// How many seeds it gets at most, where each of them takes long.
    seeds: Option<u64>,
    /// The bounded model that shows it, a file below `models`.
    model: Option<String>,
    /// Why neither can show it.
    neither: Option<String>,
}

/// What of the catalogue is looked for, and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order<'a> {
    /// Only this system's; all where it is absent.
    pub(crate) system: Option<&'a str>,
    /// Only the flaw of this number.
    pub(crate) only: Option<&'a str>,
    /// How many seeds each swarm gets.
    pub(crate) seeds: u64,
    pub(crate) jobs: usize,
    /// Where the scenarios are.
    pub(crate) scenarios: &'a Path,
}

/// Looks for the flaws.
///
/// # Errors
/// Where a file is not what it should be, or nothing is meant.
pub(crate) fn catalogue<L: Systems>(order: Order<'_>) -> Result<CatalogueReport, Failure> {
    if let Some(unknown) = order.system.filter(|asked| !L::NAMES.contains(asked)) {
        return Err(Failure::new(mistake::unknown("system", unknown, L::NAMES.iter().copied())));
    }
    let mut flaws = Vec::new();
    for system in L::NAMES.iter().filter(|name| order.system.is_none_or(|asked| asked == **name)) {
        let read = read(order.scenarios, system)?;
        let meant = |flaw: &Flaw| order.only.is_none_or(|number| number.eq_ignore_ascii_case(&flaw.number));
        flaws.extend(read.into_iter().filter(meant).map(|flaw| (*system, flaw)));
    }
    if flaws.is_empty() {
        let which = [order.only, order.system].into_iter().flatten().collect::<Vec<_>>().join(" of ");
        return Err(Failure::new(format!("there is no flaw {which} in the catalogue")));
    }
    let bar = progress::bar("catalogue", u64::try_from(flaws.len()).expect("a few"));
    let mut reports = Vec::new();
    for (system, flaw) in flaws {
        bar.set_message(format!("{system} {}", flaw.number));
        let found = flaw.look::<L>(system, order)?;
        reports.push(FlawReport { system: system.into(), number: flaw.number, about: flaw.about, found });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(CatalogueReport { commit: COMMIT.into(), flaws: reports })
}

/// The flaws of a system in the order of its file; none where there is no such file.
fn read(scenarios: &Path, system: &str) -> Result<Vec<Flaw>, Failure> {
    let path = scenarios.join("catalogue").join(format!("{system}.toml"));
    if !path.exists() {
        return Ok(vec![]);
    }
    let parsed: File = files::parse_toml(&path, &files::read(&path)?, HELP)?;
    for flaw in &parsed.flaw {
        flaw.validate(system)
            .map_err(|why| Failure::new(format!("{}: {}: {why}; {HELP}", path.display(), flaw.number)))?;
    }
    Ok(parsed.flaw)
}

impl Flaw {
    /// Looks for it in the way that it names.
    fn look<L: Systems>(&self, system: &str, order: Order<'_>) -> Result<Found, Failure> {
        let checker = self.violates.clone().unwrap_or_default();
        if let Some(why) = &self.neither {
            return Ok(Found::Neither { why: why.clone() });
        }
        if let Some(name) = &self.model {
            let file = order.scenarios.join("models").join(name);
            let report = models::check::<L>(&file, 1, Keep::Nowhere)?;
            let property = report.properties.into_iter().find(|property| property.name == checker);
            let steps = property.and_then(|property| property.path_len);
            return Ok(Found::Model { checker, file: name.clone(), steps, reproduce: report.reproduce });
        }
        let call = self.swarm.as_ref().expect("one of three was seen to be there");
        let runs = self.seeds.unwrap_or(u64::MAX).min(order.seeds);
        let says = self.says.as_deref().unwrap_or_default();
        with_system::<L, _, _>(system, Seeds { call, checker, says, runs, jobs: order.jobs })
    }

    fn validate(&self, system: &str) -> Result<(), String> {
        let Self { violates, says, swarm, seeds, model, neither, .. } = self;
        let ways = [swarm.is_some(), model.is_some(), neither.is_some()];
        if ways.iter().filter(|way| **way).count() != 1 {
            return Err("it needs one of `swarm`, `model` and `neither`".into());
        }
        if violates.is_some() != neither.is_none() {
            return Err("`violates` is there unless `neither` is".into());
        }
        if (says.is_some() || seeds.is_some()) && swarm.is_none() {
            return Err("`says` and `seeds` belong to a swarm".into());
        }
        match swarm {
            Some(call) if call.system != system => Err(format!("its swarm is of `{}`", call.system)),
            _ => Ok(()),
        }
    }
}

/// The seeds of a swarm, in each of which the checker either says so much or does not.
struct Seeds<'a> {
    call: &'a SwarmCall,
    checker: String,
    says: &'a str,
    runs: u64,
    jobs: usize,
}

impl Work for Seeds<'_> {
    type Output = Result<Found, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let Self { call, checker, says, runs, jobs } = self;
        let swarm = swarm::Order::of(call, 0..runs, jobs)?.swarm::<S>()?;
        let shows = |seed: &u64| {
            let outcome = cloudchamber_sim::run(&swarm.draw(*seed), false).outcome;
            outcome.findings.violation(&checker).is_some_and(|violation| violation.seen.contains(says))
        };
        let seeds: Vec<u64> = (0..runs).collect();
        let shown = side_by_side(jobs, &seeds, shows);
        let mut failing = seeds.into_iter().zip(shown).filter(|(_, shows)| *shows).map(|(seed, _)| seed);
        let first_seed = failing.next();
        let failed =
            u64::from(first_seed.is_some()) + u64::try_from(failing.count()).expect("a number of seeds");
        let reproduce = call.seeds(first_seed.map_or(0..runs, |seed| seed..seed + 1));
        Ok(Found::Swarm { checker, runs, failed, first_seed, reproduce })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cloudchamber_folder::checks::checkers;
    use cloudchamber_folder::systems::BuiltIn;

    use super::*;

    fn scenarios() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios"))
    }

    /// What an entry names has to be there.
    struct Named<'a>(&'a Flaw);

    impl Work for Named<'_> {
        type Output = Result<(), Failure>;

        fn on<S: System>(self) -> Self::Output {
            let Flaw { number, violates, swarm, model, .. } = self.0;
            let is_known = |name: &String| checkers::<S>().any(|checker| checker.name == name);
            assert!(violates.iter().all(is_known), "{number}: {violates:?}");
            let is_there = |name: &String| scenarios().join("models").join(name).exists();
            assert!(model.iter().all(is_there), "{number}: {model:?}");
            swarm.as_ref().map_or(Ok(()), |call| swarm::Order::of(call, 0..1, 1)?.swarm::<S>().map(|_| ()))
        }
    }

    #[test]
    fn every_number_that_has_a_scenario_stands_in_the_catalogue_and_names_what_is_there() {
        for system in BuiltIn::NAMES {
            let flaws = read(scenarios(), system).unwrap();
            let listed: BTreeSet<&str> = flaws.iter().map(|flaw| &*flaw.number).collect();
            assert_eq!(listed.len(), flaws.len(), "{system}: a number stands twice");
            for flaw in &flaws {
                with_system::<BuiltIn, _, _>(system, Named(flaw)).unwrap();
            }
            for file in files::toml_files(&scenarios().join(system)).unwrap() {
                let name = file.file_name().unwrap().to_string_lossy().into_owned();
                // Such as c02-zombie-leader.toml, which shows C2 on the published design.
                let digits = name.get(1..3).and_then(|digits| digits.parse::<u8>().ok());
                let is_numbered = "cdnfx".contains(&name[..1]) && name.as_bytes().get(3) == Some(&b'-');
                let Some(digits) = digits.filter(|_| is_numbered && !name.contains("-hardened")) else {
                    continue;
                };
                let number = format!("{}{digits}", name[..1].to_uppercase());
                assert!(listed.contains(&*number), "{system}: {name} has no entry {number}");
            }
        }
    }

    #[test]
    fn an_entry_says_in_one_way_how_a_flaw_is_found() {
        let flaw = |more: &str| -> Flaw {
            toml::from_str(&format!("number = \"C1\"\nabout = \"x\"\n{more}")).unwrap()
        };
        let call = "swarm = { system = \"failover\", design = \"published\", profile = \"icloud\" }";
        let told = |more: &str| flaw(more).validate("failover").unwrap_err();
        assert!(told("").contains("one of"), "{}", told(""));
        assert!(told("neither = \"x\"\nmodel = \"m.toml\"").contains("one of"));
        assert!(told("neither = \"x\"\nviolates = \"y\"").contains("violates"));
        assert!(told("model = \"m.toml\"\nviolates = \"y\"\nsays = \"z\"").contains("belong to a swarm"));
        assert!(
            flaw(&format!("violates = \"y\"\n{call}"))
                .validate("notes")
                .unwrap_err()
                .contains("is of `failover`")
        );
        assert_eq!(flaw("neither = \"x\"").validate("failover"), Ok(()));
    }
}
