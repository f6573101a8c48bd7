//! `merge`: shards into one report.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::merge::Report;
use crate::show::{html, text};

/// Merges the reports of some files into one.
pub(crate) fn run(reports: &[PathBuf], output: &Path, json: bool) -> Result<Verdict, Failure> {
    let mut whole: Option<Report> = None;
    for file in reports {
        let next = read(file)?;
        whole = Some(match whole {
            None => next,
            Some(before) => {
                before.with(next).map_err(|why| Failure::new(format!("{}: {why}", file.display())))?
            }
        });
    }
    let whole = whole.ok_or_else(|| Failure::new("there is nothing to merge; name at least one report"))?;
    let data = whole.to_json();
    files::write(output, &data)?;
    let (ok, shown) = match &whole {
        Report::Check(check) => {
            files::write(&output.with_extension("html"), &html::page(check))?;
            (check.ok, text::check::text(check))
        }
        Report::Swarm(swarm) => (swarm.held(), text::swarm::text(swarm)),
    };
    files::print(if json { &data } else { &shown });
    Ok(Verdict::of(ok))
}

fn read(file: &Path) -> Result<Report, Failure> {
    let text = files::read(file)?;
    let fault = |error: &serde_json::Error| {
        let line = error.line().max(1);
        Failure::new(format!(
            "{}:{line}: this is not a report: {error}; merge what `swarm --json` or `check` wrote with this program",
            file.display()
        ))
    };
    let any: serde_json::Value = serde_json::from_str(&text).map_err(|error| fault(&error))?;
    let report = match any.get("swarms") {
        Some(_) => serde_json::from_str(&text).map(|check| Report::Check(Box::new(check))),
        None => serde_json::from_str(&text).map(|swarm| Report::Swarm(Box::new(swarm))),
    };
    report.map_err(|error| fault(&error))
}
