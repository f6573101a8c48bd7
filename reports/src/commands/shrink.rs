//! `shrink`: a smaller trace that fails in the same way.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use cloudchamber_folder::systems::Systems;

use crate::commands::cli::ShrinkArgs;
use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::shrink::{Order, shrink};
use crate::show::text;

/// Shrinks the trace of a file.
pub(crate) fn run<L: Systems>(args: &ShrinkArgs, json: bool) -> Result<Verdict, Failure> {
    let output = args.output.clone().unwrap_or_else(|| beside(&args.file));
    if is_same_file(&args.file, &output) {
        return Err(Failure::new(format!(
            "{}: is the trace itself, which stays as it is; name another file with -o",
            output.display()
        )));
    }
    let order = Order { checker: args.checker.clone(), replays_max: args.replays };
    let report = shrink::<L>(&args.file, &output, order)?;
    files::print(&if json { files::to_json(&report) } else { text::shrink::text(&report) });
    Ok(Verdict::AsExpected)
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
