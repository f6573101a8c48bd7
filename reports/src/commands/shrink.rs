//! `shrink`: a smaller trace that fails in the same way.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use cloudchamber_folder::checks::Violation;
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::shrink::{Options, Progress, Rule, Size, shrink};
use cloudchamber_folder::trace::{self, COMMIT, Trace};
use cloudchamber_sim::run as simulate;
use serde::Serialize;

use crate::cli::ShrinkArgs;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::known::{Known, Work, with_system};
use crate::progress;
use crate::reproduce;
use crate::tables;

/// What `shrink --json` prints.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ShrinkReport {
    /// The commit it was built from.
    pub(crate) commit: String,
    pub(crate) system: String,
    pub(crate) file: String,
    /// Where the shrunk trace is.
    pub(crate) output: String,
    /// Whose violation was kept.
    pub(crate) checker: String,
    /// The violation as the shrunk trace shows it.
    pub(crate) violation: Violation,
    /// What could be left out.
    pub(crate) rule: Rule,
    /// Whether the scenario was run again with fewer faults.
    pub(crate) new_runs: bool,
    pub(crate) before: Size,
    pub(crate) after: Size,
    /// How many replays and new runs it took.
    pub(crate) replays: u64,
    /// Whether it ended because no more were allowed.
    pub(crate) spent: bool,
    /// The command that replays the shrunk trace.
    pub(crate) reproduce: String,
}

/// Shrinks the trace of a file.
pub(crate) fn run(args: &ShrinkArgs, json: bool) -> Result<Verdict, Failure> {
    let text = files::read(&args.file)?;
    let system = trace::system_of(&args.file, &text)?;
    let output = args.output.clone().unwrap_or_else(|| beside(&args.file));
    if is_same_file(&args.file, &output) {
        return Err(Failure::new(format!(
            "{}: is the trace itself, which stays as it is; name another file with -o",
            output.display()
        )));
    }
    let report = with_system(&system, Shrink { args, text: &text, output: &output })?;
    if json {
        files::print(&files::to_json(&report));
    } else {
        tables::shrink::print(&report);
    }
    Ok(Verdict::AsExpected)
}

struct Shrink<'a> {
    args: &'a ShrinkArgs,
    text: &'a str,
    output: &'a Path,
}

impl Work for Shrink<'_> {
    type Output = ShrinkReport;

    fn on<S: Known>(self) -> Result<ShrinkReport, Failure> {
        let Self { args, text, output } = self;
        let trace = Trace::<S>::parse(&args.file, text)?;
        let bar = progress::bar("shrinking", args.replays);
        let mut tell = |progress: Progress| {
            bar.set_position(progress.replays);
            bar.set_message(format!("{} choices left", progress.choices));
        };
        let again = |scenario: &Scenario<S>| simulate(scenario, true).trace.expect("a trace was asked for");
        let options = Options {
            checker: args.checker.clone(),
            replays_max: args.replays,
            again: Some(Box::new(again)),
        };
        let shrunk = shrink(&trace, options, &mut tell);
        bar.finish_and_clear();
        let shrunk = shrunk.map_err(|why| Failure::new(format!("{}: {why}", args.file.display())))?;
        files::write(output, &shrunk.trace.to_text())?;
        Ok(ShrinkReport {
            commit: COMMIT.into(),
            system: S::NAME.into(),
            file: args.file.display().to_string(),
            output: output.display().to_string(),
            checker: shrunk.violation.checker.clone(),
            violation: shrunk.violation,
            rule: shrunk.rule,
            new_runs: shrunk.new_runs,
            before: shrunk.before,
            after: shrunk.after,
            replays: shrunk.replays,
            spent: shrunk.spent,
            reproduce: reproduce::replay(output),
        })
    }
}

/// Where the shrunk trace goes where nobody says: `x.trace` becomes `x.shrunk.trace`.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.file_stem().map_or_else(OsString::new, ToOwned::to_owned);
    name.push(".shrunk");
    if let Some(ending) = file.extension() {
        name.push(".");
        name.push(ending);
    }
    file.with_file_name(name)
}

/// Whether two paths lead to one file, as far as both are there.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    real(one).is_some_and(|one| real(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shrunk_trace_goes_beside_its_trace() {
        for (file, shrunk) in [
            ("x.trace", "x.shrunk.trace"),
            ("a/b.c/found.jsonl", "a/b.c/found.shrunk.jsonl"),
            ("a.b/found", "a.b/found.shrunk"),
            ("two.dots.trace", "two.dots.shrunk.trace"),
        ] {
            assert_eq!(beside(Path::new(file)), Path::new(shrunk));
        }
    }

    #[test]
    fn a_file_is_the_same_by_whatever_path() {
        let dir = tempfile::tempdir().unwrap();
        let (file, other) = (dir.path().join("x"), dir.path().join("y"));
        files::write(&file, "").unwrap();
        assert!(is_same_file(&file, &dir.path().join(".").join("x")));
        assert!(!is_same_file(&file, &other));
        files::write(&other, "").unwrap();
        assert!(!is_same_file(&file, &other));
    }
}
