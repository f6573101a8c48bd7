//! What each system's own check says of its files, read as an agent would read them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cloudchamber_core::delta::examine as delta;
use cloudchamber_core::delta::layout::is_replica_id;
use cloudchamber_core::failover::config::Timing;
use cloudchamber_core::failover::records::ProblemKind as FailoverProblem;
use cloudchamber_core::failover::status;
use cloudchamber_core::failover::status::Problem as Problematic;
use cloudchamber_core::journal;
use cloudchamber_core::journal::folder::Folder;
use cloudchamber_core::kit::problem::{Kind as ProblemKind, Problem};
use cloudchamber_core::{Content, Entry, Fs, FsError, Path as CorePath, Root};

use super::files::Contents;
use super::walk::{Item, Tree};
use super::{Finding, Kind};
use crate::notes::{self, Options};
use crate::{OsFs, clock};

/// A clock that is this far ahead, in ms, is a mistake and no delay.
const AHEAD_MS: i64 = 5 * 60_000;

pub(super) fn look(folder: &Path, tree: &Tree, read: &Contents, local: Option<&Path>) -> Vec<Finding> {
    let mut found = Vec::new();
    for inner in ["", ".fray"] {
        if !tree.dirs.contains_key(inner) {
            continue;
        }
        let dir = folder.join(inner);
        let nowhere = dir.join(".cloudchamber-nowhere");
        // Given as the directory of all systems, or as that of one.
        let of = |system: &str| {
            local.map(|local| if local.join(system).is_dir() { local.join(system) } else { local.to_owned() })
        };
        let fs = |system: &str| Here {
            fs: OsFs::new(&dir, of(system).unwrap_or_else(|| nowhere.clone())),
            inner,
            absent: &read.absent,
        };
        let mut findings = journals(&fs("journal"));
        if inner.is_empty() {
            findings.extend(failover(&fs("")));
            findings.extend(replicas(&fs("delta"), tree));
            // Its notebook reads the folder itself, and would have the client fetch what is not here.
            if !read.absent.iter().any(|file| file.starts_with("notes/")) {
                findings.extend(of_notes(folder, tree, of("notes")));
            }
        }
        found.extend(findings.into_iter().map(|finding| match inner {
            "" => finding,
            inner => Finding { file: format!("{inner}/{}", finding.file), ..finding },
        }));
    }
    found
}

/// A folder of which no file is read whose bytes are with the provider: that would have them fetched.
struct Here<'a> {
    fs: OsFs,
    /// Where the systems' directories lie in the folder.
    inner: &'a str,
    absent: &'a BTreeSet<String>,
}

impl Fs for Here<'_> {
    fn read(&self, path: &CorePath, from: u64) -> Result<Content, FsError> {
        let name = path.name();
        let name = if self.inner.is_empty() { name.to_owned() } else { format!("{}/{name}", self.inner) };
        match path.root() == Root::Shared && self.absent.contains(&name) {
            true => Err(FsError::NotLocal),
            false => self.fs.read(path, from),
        }
    }

    fn list(&self, dir: &CorePath) -> Result<Vec<Entry>, FsError> {
        self.fs.list(dir)
    }
}

/// A system's problem. What a look at any folder finds, too, goes by the same name.
fn told<K: ProblemKind>(problem: &Problem<K>) -> Finding {
    let name = problem.kind.name();
    let kind = match name {
        "clock-ahead" => Kind::ClockAhead,
        "conflict-copy" => Kind::ConflictCopy,
        "not-local" => Kind::Placeholder,
        "case-clash" => Kind::CaseClash,
        "shortened-file" => Kind::Smaller,
        "removed-line" | "sequence-reuse" | "contested-id" | "nul-block" | "client-reuse" => {
            Kind::OwnCheckDanger
        }
        "glued-line" | "missing-newline" | "duplicate-guid" | "foreign-directory" | "nul-bytes" | "waits" => {
            Kind::OwnCheckNote
        }
        _ => Kind::OwnCheck,
    };
    let detail = match problem.detail.is_empty() {
        true => name.to_owned(),
        false => format!("{name}: {}", problem.detail),
    };
    Finding {
        kind,
        file: problem.file.to_string(),
        line: problem.line,
        detail,
        advice: problem.kind.advice(),
    }
}

/// Of a folder in which no machine has a journal nothing is said.
fn journals(fs: &Here<'_>) -> Vec<Finding> {
    let design = journal::Design::HARDENED;
    let folder = Folder::read(fs, &design);
    if !folder.files.iter().any(|held| !held.machine.is_empty()) && folder.problems.is_empty() {
        return Vec::new();
    }
    let problems = journal::verify::verify(fs, &design, &folder, clock::now().wall);
    problems.iter().map(told).collect()
}

/// Of a folder in which nothing is a device of ours nothing is said.
fn failover(fs: &Here<'_>) -> Vec<Finding> {
    let status = status(fs, clock::now().wall, &Timing::document(), None);
    if status.devices.is_empty() {
        return Vec::new();
    }
    let problem = |problem: &Problematic| {
        let kind = match &problem.kind {
            FailoverProblem::OtherSettings { .. } => Kind::OtherSettings,
            FailoverProblem::Unreadable(FsError::NotLocal) => Kind::Placeholder,
            // Nobody of the hardened design needs it; and of any folder it is told that a directory is a copy.
            FailoverProblem::Unreadable(FsError::NotFound) | FailoverProblem::DirectoryCopy => return None,
            _ => Kind::OwnCheck,
        };
        Some(Finding::of(kind, problem.path.name(), problem.kind.to_string()))
    };
    let problems = status.problems.iter().filter_map(problem);
    let ahead = status.devices.iter().filter(|device| device.age_ms < -AHEAD_MS).map(|device| {
        let detail = format!("{} says it was seen {} s from now", device.device, device.age_ms / -1_000);
        Finding::of(Kind::ClockAhead, device.path.name(), detail)
    });
    problems.chain(ahead).collect()
}

/// Of a folder in which no directory is a replica's nothing is said.
fn replicas(fs: &Here<'_>, tree: &Tree) -> Vec<Finding> {
    match tree.of("replicas").iter().any(|item| is_replica_id(item.name())) {
        true => delta::examine(fs).iter().map(told).collect(),
        false => Vec::new(),
    }
}

/// Of a folder in which no directory is a note's nothing is said.
fn of_notes(folder: &Path, tree: &Tree, local: Option<PathBuf>) -> Vec<Finding> {
    let has_logs = |item: &Item| tree.dirs.contains_key(&format!("{}/logs", item.path));
    if !tree.of("notes").iter().any(has_logs) {
        return Vec::new();
    }
    let options = Options { local, ..Options::default() };
    match notes::look(folder, &options) {
        Ok(reading) => reading.view().problems().iter().map(told).collect(),
        Err(error) => vec![Finding::of(Kind::OwnCheck, "notes", error.to_string())],
    }
}
