//! `cloudchamber-agent doctor`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use cloudchamber_host::doctor::{Asked, Finding, Report, examine};
use serde_json::{Value, json};

use super::{print_json, say, verdict};

/// How many files of one kind are shown.
const SHOWN_MAX: usize = 20;

/// Run this first when a synced folder is not as it should be.
///
/// It works on any folder, also one that no program of ours ever wrote. It changes nothing, locks nothing, follows no
/// link out of the folder, and does not read files whose bytes are with the provider, which would have them fetched.
#[derive(Args)]
#[command(after_help = "What it finds, with the worst first:\n  \
    danger   state of one machine inside the folder; two half folders; less than this machine remembers; agents\n           \
    with different settings; files of zeros\n  \
    warning  conflict copies and what stands only in them; torn, empty, damaged, unreadable and evicted files; names\n           \
    that Windows or a provider refuses; clocks far off; files that change too often; mounts that lack calls;\n           \
    links that lead out; databases, repositories and two clients in one folder\n  \
    note     what is worth knowing: unfinished files, links, old clocks\n\n\
    Examples:\n  cloudchamber-agent doctor --folder ~/Dropbox/team\n  \
    cloudchamber-agent doctor --folder ~/Sync/notes --json | jq '.findings[] | select(.severity == \"danger\")'\n\n\
    Exit: 0 nothing has to be done (notes alone count as nothing), 1 something has, 2 usage, or the folder cannot be read.")]
pub(crate) struct Doctor {
    /// The folder that a client copies, or a part of it.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// The directory that never leaves this machine. By default the one of this folder among the user's data, if there is
    /// one: it remembers what was there.
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    /// The name of this machine's replica, where it has several.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The client copies `shared` alone: what lies beside it may be this machine's own.
    #[arg(long)]
    only_shared_is_synced: bool,
    /// How long a read may take before it counts as blocked.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    patience: u64,
    /// How long files that were changed just now are watched, to see whether they change too often. 0: not at all.
    #[arg(long, value_name = "SECONDS", default_value_t = 3)]
    watch: u64,
    /// Show every file, and not only the first of each kind.
    #[arg(long)]
    all: bool,
    /// Print one JSON document on standard output and nothing else there.
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let report = examine(&Asked {
            folder: self.folder,
            local: self.local,
            name: self.name,
            only_shared_is_synced: self.only_shared_is_synced,
            patience: Duration::from_secs(self.patience.max(1)),
            watch: Duration::from_secs(self.watch),
        })?;
        if self.json {
            print_json(&as_json(&report));
        } else {
            print(&report, if self.all { usize::MAX } else { SHOWN_MAX });
        }
        Ok(verdict(report.is_bad()))
    }
}

/// What was found, by kind. Nothing where nothing was, but for a person at a terminal.
fn print(report: &Report, shown_max: usize) {
    let looked = format!("{} files in {} directories", report.files, report.directories);
    if report.findings.is_empty() {
        if std::io::stdout().is_terminal() {
            say(&format!("{looked}: nothing is wrong"));
        }
        return;
    }
    for same in report.findings.chunk_by(|a, b| a.kind == b.kind) {
        let kind = same[0].kind;
        say(&format!("{}: {}", kind.severity(), kind.name()));
        say(&format!("  means: {}", kind.means()));
        if same.iter().any(|finding| finding.advice == kind.advice()) {
            say(&format!("  do: {}", kind.advice()));
        }
        for finding in same.iter().take(shown_max) {
            // The system that a file belongs to may know better.
            match finding.advice == kind.advice() {
                true => say(&format!("    {}", line(finding))),
                false => say(&format!("    {}: do: {}", line(finding), finding.advice)),
            };
        }
        if same.len() > shown_max {
            say(&format!("    and {} more: --all shows them", same.len() - shown_max));
        }
    }
    say(&format!("{looked}: {} findings", report.findings.len()));
}

/// Where, and what was seen.
fn line(finding: &Finding) -> String {
    let file = if finding.file.is_empty() { "(the folder)" } else { &finding.file };
    // A name may have anything in it; a line of output has no end in its middle.
    let file: String = file.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    match (finding.line, finding.detail.is_empty()) {
        (0, true) => file,
        (0, false) => format!("{file}: {}", finding.detail),
        (line, true) => format!("{file}:{line}"),
        (line, false) => format!("{file}:{line}: {}", finding.detail),
    }
}

fn as_json(report: &Report) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "severity": finding.kind.severity().name(),
            "kind": finding.kind.name(),
            "file": finding.file,
            "line": finding.line,
            "detail": finding.detail,
            "means": finding.kind.means(),
            "do": finding.advice,
        })
    };
    json!({
        "ok": !report.is_bad(),
        "folder": report.folder.display().to_string(),
        "local": report.local.as_ref().map(|local| local.display().to_string()),
        "files": report.files,
        "directories": report.directories,
        "findings": report.findings.iter().map(finding).collect::<Value>(),
    })
}
