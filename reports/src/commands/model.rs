//! `model`: everything that can happen in a small world.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use cloudchamber_folder::systems::Systems;

use crate::commands::cli::ModelArgs;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::models::{self, Keep, Wanted};
use crate::show::text;

/// Checks the models that are meant.
pub(crate) fn check<L: Systems>(args: &ModelArgs, json: bool) -> Result<Verdict, Failure> {
    let ModelArgs { design, quick, .. } = *args;
    let (system, policy) = (&*args.system, args.policy.as_deref());
    let paths = match &args.bounds {
        Some(file) => {
            models::of_system(file, system)?;
            vec![file.clone()]
        }
        None => {
            let wanted = Wanted { system, design, policy, quick };
            models::files::<L>(&files::scenarios_dir(None)?, wanted)?
        }
    };
    if paths.is_empty() {
        return Err(Failure::new(format!(
            "there is no such model of `{system}`; name a file with --bounds FILE"
        )));
    }
    let (mut reports, mut export) = (Vec::new(), args.export.as_deref());
    for path in &paths {
        let report = models::check::<L>(path, args.threads, export.map_or(Keep::Nowhere, Keep::At))?;
        if report.trace.is_some() {
            export = None;
        }
        if !json {
            files::print(&text::models::text(&report));
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
pub(crate) fn explore<L: Systems>(system: &str, file: Option<&Path>, port: u16) -> Result<Verdict, Failure> {
    let file = match file {
        Some(file) => file.to_path_buf(),
        None => {
            let wanted = Wanted { system, design: None, policy: None, quick: true };
            let found = models::files::<L>(&files::scenarios_dir(None)?, wanted)?;
            found.into_iter().next().ok_or_else(|| {
                Failure::new(format!("there is no quick model of `{system}`; name a file with --bounds FILE"))
            })?
        }
    };
    // The Explorer ends the process where it cannot listen, without saying what to do.
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| {
        Failure::new(format!("port {port} cannot be listened on: {error}; choose another with --port N"))
    })?;
    models::serve::<L>(system, &file, port)?;
    Ok(Verdict::AsExpected)
}
