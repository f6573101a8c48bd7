//! What is wrong with a folder that a sync client copies, whoever wrote into it: for a person who is worried.
//!
//! Nothing is written, nothing is locked, no link is followed out of the folder, what is read of a file has a bound, and
//! so has the time that a read may take. What the names and the bytes of single files say is told by the blocks of
//! `cloudchamber-core`'s kit; what the files of a system say together, by that system's own check.
//!
//! ```no_run
//! use cloudchamber_host::doctor::{Asked, Severity, examine};
//!
//! let report = examine(&Asked::new("/home/ann/Sync/team"))?;
//! let bad = report.findings.iter().filter(|finding| finding.kind.severity() > Severity::Note);
//! for finding in bad {
//!     println!("{}: {}: {}", finding.file, finding.kind.name(), finding.kind.advice());
//! }
//! # Ok::<(), anyhow::Error>(())
//! ```

mod copies;
mod files;
mod kinds;
mod memory;
mod mount;
mod names;
mod often;
mod state;
mod systems;
pub(crate) mod walk;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use kinds::{Kind, Severity};

use crate::halves::halves;
use crate::local;
use walk::Tree;

/// What is to be looked at, and how.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The folder.
    pub folder: PathBuf,
    /// The local directory; None for the one of this folder's own among the user's data.
    pub local: Option<PathBuf>,
    /// The name of this machine's replica, where one computer has several.
    pub name: Option<String>,
    /// The client copies `shared` alone, so that what lies beside it may be local.
    pub only_shared_is_synced: bool,
    /// How long a read may take.
    pub patience: Duration,
    /// How long files that were changed just now are watched. Zero: not at all.
    pub watch: Duration,
}

impl Asked {
    /// The usual: reads of 5 s, and files that changed just now are watched for 3 s.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            local: None,
            name: None,
            only_shared_is_synced: false,
            patience: Duration::from_secs(5),
            watch: Duration::from_secs(3),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// The file or directory, relative to the folder; empty for the folder itself.
    pub file: String,
    /// The line, counted from 1; 0 if it is about the whole file.
    pub line: u32,
    /// What was seen, in a few words.
    pub detail: String,
    /// The one thing to do. Where the system that the file belongs to knows better than the kind, what that says.
    pub advice: &'static str,
}

impl Finding {
    fn of(kind: Kind, file: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { kind, file: file.into(), line: 0, detail: detail.into(), advice: kind.advice() }
    }
}

/// What was found.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// The folder's real path.
    pub folder: PathBuf,
    /// The local directory that was looked at; None if there is none of this folder.
    pub local: Option<PathBuf>,
    /// How many files there are.
    pub files: u64,
    /// How many directories there are, the folder itself among them.
    pub directories: u64,
    /// What is wrong: the worst first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether there is something to be done.
    #[must_use]
    pub fn is_bad(&self) -> bool {
        self.findings.iter().any(|finding| finding.kind.severity() > Severity::Note)
    }
}

/// Looks at a folder.
///
/// # Errors
/// Where it is not there, or cannot be read at all.
pub fn examine(asked: &Asked) -> anyhow::Result<Report> {
    let folder = local::real(&asked.folder)?;
    let tree = Tree::read(&folder, asked.patience)?;
    let local = local_of(asked, &folder);
    let mut findings = tree.findings.clone();
    findings.extend(names::look(&tree));
    findings.extend(state::look(&tree, local.as_deref(), asked.only_shared_is_synced));
    findings.extend(mount::look(&folder));
    findings.extend(
        halves(&folder).into_iter().map(|half| {
            Finding::of(Kind::HalfFolder, "", format!("{} is another half of it", half.display()))
        }),
    );
    let read = files::read(&tree, asked.patience);
    let of_systems = systems::look(&folder, &tree, &read, local.as_deref());
    let of_files = read.findings.iter().cloned().chain(copies::look(&tree, &read));
    // A system knows more of its own files than their names and bytes tell.
    findings.extend(of_files.filter(|found| {
        !of_systems.iter().any(|known| known.file == found.file && known.kind.covers(found.kind))
    }));
    findings.extend(of_systems);
    if let Some(local) = &local {
        findings.extend(memory::look(&tree, local));
    }
    findings.extend(often::look(&tree, asked.watch));
    findings.sort_by(|a, b| (b.kind.severity(), a).cmp(&(a.kind.severity(), b)));
    findings.dedup();
    let (files, directories) = (tree.files().count() as u64, 1 + tree.directories().count() as u64);
    Ok(Report { folder, local, files, directories, findings })
}

/// The local directory of a folder, if there is one.
fn local_of(asked: &Asked, folder: &Path) -> Option<PathBuf> {
    let local = match &asked.local {
        Some(local) => local.clone(),
        None => local::default(folder, asked.name.as_deref()).ok()?,
    };
    local.is_dir().then_some(local)
}
