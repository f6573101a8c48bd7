//! NoteCove's specification: its states counted, and compared with what TLC counts.

use cloudchamber_model::notecove::{Action, Config, Counted, Invariant, Row, count};

use crate::failure::Failure;
use crate::jobs::memory::weighed;
use crate::jobs::models::STATES_ENOUGH;
use crate::jobs::{progress, reproduce};
use crate::report::model::{ModelReport, Property};
use crate::report::specification::{SpecificationReport, Tlc};

/// The system whose documents the specification is one of.
pub(crate) const SYSTEM: &str = "notes";

/// What stands in the place of a design in its reports.
pub(crate) const DESIGN: &str = "specification";

/// All constants that TLC has counted; only those that take a few seconds where it is to be quick.
pub(crate) fn rows(quick: bool) -> Vec<Config> {
    Row::ALL.iter().filter(|row| row.quick || !quick).map(|row| row.config).collect()
}

/// How many states differ with given constants, as far as TLC has counted them.
pub(crate) fn size(config: Config) -> u64 {
    Row::ALL.iter().find(|row| row.config == config).map_or(0, |row| row.distinct)
}

/// Counts the states with given constants, or so many of them.
///
/// # Errors
/// Where a state has no room for the constants.
pub(crate) fn check(
    config: Config,
    threads: usize,
    states_max: Option<usize>,
) -> Result<SpecificationReport, Failure> {
    config.check().map_err(Failure::new)?;
    let bar = progress::spinner(&title(&config));
    let (counted, bytes) = weighed(
        |bytes| bar.set_message(format!("{} MiB", bytes >> 20)),
        || count(config, threads, states_max),
    );
    bar.finish_and_clear();
    Ok(report(&counted.map_err(Failure::new)?, bytes))
}

fn title(config: &Config) -> String {
    format!("NoteCove's specification: {config}")
}

fn report(counted: &Counted, bytes: Option<u64>) -> SpecificationReport {
    let config = counted.config;
    let judgement = counted.judge();
    let published = counted.published();
    let size = |count: u64| usize::try_from(count).expect("states that were counted in memory");
    let violated = counted.invariants.iter().find_map(|invariant| invariant.violation.as_deref());
    let unique_states = size(counted.distinct);
    let model = ModelReport {
        file: title(&config),
        about: String::new(),
        system: SYSTEM.into(),
        design: DESIGN.into(),
        policy: None,
        replicas: config.replicas.into(),
        unique_states,
        generated_states: size(counted.generated),
        states_per_s: counted.states_per_s(),
        bytes_per_state: bytes
            .filter(|_| unique_states >= STATES_ENOUGH)
            .map(|bytes| bytes / counted.distinct),
        depth: size(counted.depth),
        complete: counted.complete,
        properties: counted.invariants.iter().map(property).collect(),
        wall_s: counted.elapsed.as_secs_f64(),
        ok: judgement.is_ok(),
        outcome: match judgement {
            Ok(()) if published.is_some() => "holds, and TLC counts as many".into(),
            Ok(()) => "holds".into(),
            Err(missed) => missed,
        },
        story: violated.unwrap_or_default().iter().map(Action::to_string).collect(),
        reproduce: reproduce::specification(&config),
        trace: None,
    };
    let per_action = Action::NAMES.iter().zip(counted.per_action).filter(|(_, count)| *count > 0);
    SpecificationReport {
        model,
        constants: config,
        per_action: per_action.map(|(name, count)| ((*name).to_owned(), count)).collect(),
        edits_after_deletion: counted.edits_after_deletion,
        clock_decreases: counted.clock_decreases,
        fully_synced: counted.fully_synced,
        tlc: published.map(|row| Tlc {
            generated_states: row.generated,
            unique_states: row.distinct,
            depth: row.depth,
        }),
    }
}

fn property(invariant: &Invariant) -> Property {
    let Invariant { name, violation } = invariant;
    Property {
        name: (*name).to_owned(),
        holds: violation.is_none(),
        path_len: violation.as_ref().map(Vec::len),
    }
}
