//! `model`: everything that can happen in a small world.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use cloudchamber_model::ModelSpec;

use crate::check::models::{self, Keep, Wanted};
use crate::cli::{ModelArgs, SystemName};
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::known::{Known, Work, with_system_name};
use crate::tables;

/// Checks the models that are meant.
pub(crate) fn check(args: &ModelArgs, json: bool) -> Result<Verdict, Failure> {
    let ModelArgs { system, design, policy, quick, .. } = *args;
    let paths = match &args.bounds {
        Some(file) => {
            of_system(file, &files::read(file)?, system)?;
            vec![file.clone()]
        }
        None => {
            let wanted = Wanted { system, design, policy, quick };
            models::files(&files::scenarios_dir(None)?, wanted)?
        }
    };
    if paths.is_empty() {
        let system = system.text();
        return Err(Failure::new(format!(
            "there is no such model of `{system}`; name a file with --bounds FILE"
        )));
    }
    let (mut reports, mut export) = (Vec::new(), args.export.as_deref());
    for path in &paths {
        let report = models::check(path, args.threads, export.map_or(Keep::Nowhere, Keep::At))?;
        if report.trace.is_some() {
            export = None;
        }
        if !json {
            files::print(&tables::models::text(&report));
        }
        reports.push(report);
    }
    if let Some(file) = export {
        eprintln!("cloudchamber: {}: not written, no model has a counterexample", file.display());
    }
    if json {
        files::print(&files::to_json(&reports));
    }
    Ok(Verdict::of(reports.iter().all(|report| report.ok)))
}

/// Serves a model until the process ends.
pub(crate) fn explore(system: SystemName, file: Option<&Path>, port: u16) -> Result<Verdict, Failure> {
    let file = match file {
        Some(file) => file.to_path_buf(),
        None => {
            let wanted = Wanted { system, design: None, policy: None, quick: true };
            let found = models::files(&files::scenarios_dir(None)?, wanted)?;
            found.into_iter().next().ok_or_else(|| {
                let system = system.text();
                Failure::new(format!("there is no quick model of `{system}`; name a file with --bounds FILE"))
            })?
        }
    };
    let text = files::read(&file)?;
    of_system(&file, &text, system)?;
    // The Explorer ends the process where it cannot listen, without saying what to do.
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        Failure::new(format!("port {port} cannot be listened on: {error}; choose another with --port N"))
    })?;
    with_system_name(system, Served { file: &file, text: &text, port })
}

/// Refuses a model file of another system than the one that was asked for.
///
/// # Errors
/// If the file names another system, or none.
fn of_system(file: &Path, text: &str, asked: SystemName) -> Result<(), Failure> {
    let (found, asked) = (models::system_of(file, text)?, asked.text());
    if found == asked {
        return Ok(());
    }
    Err(Failure::new(format!(
        "{}: it is a model of `{found}`, not of `{asked}`; ask for `{found}`, or name a model of `{asked}`",
        file.display()
    )))
}

struct Served<'a> {
    file: &'a Path,
    text: &'a str,
    port: u16,
}

impl Work for Served<'_> {
    type Output = Verdict;

    fn on<S: Known>(self) -> Result<Verdict, Failure> {
        let Self { file, text, port } = self;
        let spec = ModelSpec::<S>::parse(file, text)?;
        eprintln!("cloudchamber: {} at http://localhost:{port}/, until it is interrupted", file.display());
        cloudchamber_model::explore(spec, (Ipv4Addr::LOCALHOST, port));
        Ok(Verdict::AsExpected)
    }
}
