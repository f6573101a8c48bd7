//! Bounded models: the files below `models`, each checked and judged.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use cloudchamber_core::Design;
use cloudchamber_folder::systems::{Systems, Work};
use cloudchamber_folder::trace::Trace;
use cloudchamber_folder::{System, Variant};
use cloudchamber_model::{Checked, ModelSpec};

use crate::failure::Failure;
use crate::files;
use crate::jobs::dispatch::with_system;
use crate::jobs::memory::weighed;
use crate::jobs::out::Out;
use crate::jobs::{progress, reproduce, story};
use crate::report::model::{ModelReport, Property};

/// Which models are meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) system: &'a str,
    pub(crate) design: Option<Design>,
    pub(crate) policy: Option<&'a str>,
    /// Whether only those that take a few seconds are.
    pub(crate) quick: bool,
}

/// Below how many states that differ the memory they took is lost among everything else.
pub(crate) const STATES_ENOUGH: usize = 20_000;

/// The model files below the scenarios' directory that are meant, by name.
///
/// # Errors
/// Where a file is not a model.
pub(crate) fn files<L: Systems>(scenarios: &Path, wanted: Wanted<'_>) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in files::toml_files(&scenarios.join("models"))? {
        let text = files::read(&path)?;
        let system = system_of(&path, &text)?;
        if system == wanted.system
            && with_system::<L, _, _>(&system, Meant { file: &path, text: &text, wanted })?
        {
            found.push(path);
        }
    }
    Ok(found)
}

/// How many states of a model file's differ, as far as it says that.
pub(crate) fn size(file: &Path) -> u64 {
    let table = files::read(file).ok().and_then(|text| text.parse::<toml::Table>().ok());
    let states = table.and_then(|table| table.get("unique_states")?.as_integer());
    states.and_then(|states| u64::try_from(states).ok()).unwrap_or(0)
}

/// The system that a model file is of.
///
/// # Errors
/// If the file is not TOML, or names no system.
fn system_of(file: &Path, text: &str) -> Result<String, Failure> {
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let what = error.message().to_owned();
        Failure::new(format!("{}: {what}; it has to be TOML", file.display()))
    })?;
    let system = table.get("scenario").and_then(|scenario| scenario.get("system"));
    system.and_then(|system| system.as_str()).map(str::to_owned).ok_or_else(|| {
        Failure::new(format!(
            "{}: `scenario.system` is missing; a model says which system it is of",
            file.display()
        ))
    })
}

/// Refuses a model file of another system than the one that was asked for.
///
/// # Errors
/// If the file cannot be read, or names another system, or none.
pub(crate) fn of_system(file: &Path, asked: &str) -> Result<(), Failure> {
    let found = system_of(file, &files::read(file)?)?;
    if found == asked {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{}: it is a model of `{found}`, not of `{asked}`; ask for `{found}`, or name a model of `{asked}`",
        file.display()
    )))
}

struct Meant<'a> {
    file: &'a Path,
    text: &'a str,
    wanted: Wanted<'a>,
}

impl Work for Meant<'_> {
    type Output = Result<bool, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let spec = ModelSpec::<S>::parse(self.file, self.text)?;
        let Variant { design, policy } = S::variant(&spec.scenario.settings);
        let Wanted { design: wanted_design, policy: wanted_policy, quick, .. } = self.wanted;
        Ok(wanted_design.is_none_or(|wanted| wanted == design)
            && wanted_policy.is_none_or(|wanted| Some(wanted) == policy)
            && (spec.quick || !quick))
    }
}

/// Checks the model of a file. The counterexample's trace, where there is one, comes as a file's text.
///
/// # Errors
/// Where the file is not a model.
pub(crate) fn check<L: Systems>(file: &Path, threads: usize, keep: Keep<'_>) -> Result<ModelReport, Failure> {
    let text = files::read(file)?;
    with_system::<L, _, _>(&system_of(file, &text)?, Explored { file, text: &text, threads, keep })
}

/// Where a counterexample goes.
#[derive(Clone, Copy)]
pub(crate) enum Keep<'a> {
    Nowhere,
    /// To a file.
    At(&'a Path),
    /// Beside a report, drawn.
    Beside(&'a Out<'a>),
}

struct Explored<'a> {
    file: &'a Path,
    text: &'a str,
    threads: usize,
    keep: Keep<'a>,
}

impl Work for Explored<'_> {
    type Output = Result<ModelReport, Failure>;

    fn on<S: System>(self) -> Self::Output {
        let spec = ModelSpec::<S>::parse(self.file, self.text)?;
        let bar = progress::spinner(&self.file.display().to_string());
        let (checked, bytes) = weighed(
            |bytes| bar.set_message(format!("{} MiB", bytes >> 20)),
            || cloudchamber_model::check(spec, self.threads, None),
        );
        bar.finish_and_clear();
        let trace = checked.trace();
        let mut report = report::<S>(self.file, &checked, trace.as_ref(), bytes);
        report.trace = match (self.keep, &trace) {
            (Keep::Nowhere, _) | (_, None) => None,
            (Keep::At(file), Some(trace)) => {
                files::write(file, &trace.to_text())?;
                Some(file.display().to_string())
            }
            (Keep::Beside(out), Some(trace)) => {
                let stem =
                    self.file.file_stem().map_or_else(|| "model".into(), |stem| stem.to_string_lossy());
                Some(out.trace(&format!("traces/models/{stem}.jsonl"), trace, None)?)
            }
        };
        Ok(report)
    }
}

/// Serves the model of a file to a browser until the process ends.
///
/// # Errors
/// Where the file is not a model of the system.
pub(crate) fn serve<L: Systems>(system: &str, file: &Path, port: u16) -> Result<(), Failure> {
    of_system(file, system)?;
    let text = files::read(file)?;
    with_system::<L, _, _>(system, Served { file, text: &text, port })
}

struct Served<'a> {
    file: &'a Path,
    text: &'a str,
    port: u16,
}

impl Work for Served<'_> {
    type Output = Result<(), Failure>;

    fn on<S: System>(self) -> Self::Output {
        let Self { file, text, port } = self;
        let spec = ModelSpec::<S>::parse(file, text)?;
        eprintln!("cloudchamber: {} at http://localhost:{port}/, until it is interrupted", file.display());
        cloudchamber_model::explore(spec, (Ipv4Addr::LOCALHOST, port));
        Ok(())
    }
}

fn report<S: System>(
    file: &Path,
    checked: &Checked<S>,
    trace: Option<&Trace<S>>,
    bytes: Option<u64>,
) -> ModelReport {
    let spec = checked.spec();
    let Variant { design, policy } = S::variant(&spec.scenario.settings);
    let violated = checked.counterexample.is_some();
    let judgement = checked.judge();
    let states = u64::try_from(checked.unique_states).expect("fewer states than a u64 counts");
    ModelReport {
        file: file.display().to_string(),
        about: spec.scenario.about.clone(),
        system: S::NAME.into(),
        design: design.text().into(),
        policy: policy.map(str::to_owned),
        replicas: spec.scenario.replica.len(),
        unique_states: checked.unique_states,
        generated_states: checked.generated_states,
        states_per_s: u64::try_from(checked.states_per_s()).unwrap_or(u64::MAX),
        bytes_per_state: bytes.filter(|_| checked.unique_states >= STATES_ENOUGH).map(|bytes| bytes / states),
        depth: checked.depth,
        complete: checked.complete,
        properties: vec![Property {
            name: spec.property.clone(),
            holds: !violated,
            path_len: violated.then(|| checked.steps()),
        }],
        wall_s: checked.elapsed.as_secs_f64(),
        ok: judgement.is_ok(),
        outcome: match judgement {
            Ok(()) if violated => format!("violates {} as expected", spec.property),
            Ok(()) => "holds".into(),
            Err(missed) => missed,
        },
        story: trace.map(story::of).unwrap_or_default(),
        reproduce: reproduce::model(S::NAME, file),
        trace: None,
    }
}
