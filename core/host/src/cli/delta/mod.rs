//! `cloudchamber-agent delta`.

mod change;
mod conflicts;
mod exchange;
mod list;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use cloudchamber_core::delta::{Delta as Known, Key, Layout, Problem};
use cloudchamber_core::kit::json::Json;
use cloudchamber_host::delta::{Options, Place as There, Replica, look};
use serde::Serialize;
use serde_json::value::RawValue;

/// Entities in a shared folder.
#[derive(Args)]
pub(crate) struct Delta {
    #[command(subcommand)]
    command: Command,
}

/// Which replica is meant.
#[derive(Args)]
struct Place {
    /// The shared folder.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// The directory that never leaves this machine. By default one of this folder's own among the user's data; never
    /// inside the folder, whose client would copy it.
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    /// A name for this machine's replica, which becomes part of its id: for several on one machine. By default the
    /// computer's name.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Print one JSON document on standard output and nothing else there.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum LayoutName {
    /// A file for each entity.
    Split,
    /// A snapshot of all, and a file for the changes of each sync since.
    SplitLite,
}

#[derive(Subcommand)]
enum Command {
    /// List the entities that this machine knows, whether the folder can be reached or not.
    #[command(
        after_help = "Examples:\n  cloudchamber-agent delta list --folder ~/Sync/tasks --kind task\n  \
        cloudchamber-agent delta list --folder ~/Sync/tasks --json"
    )]
    List {
        #[command(flatten)]
        place: Place,
        /// Only those of this kind.
        #[arg(long, value_name = "KIND")]
        kind: Option<String>,
        /// Those that are deleted, too.
        #[arg(long)]
        deleted: bool,
    },
    /// Set and unset fields of an entity, which is made if there is none. It is on disk when it is acknowledged; the
    /// next sync sends it.
    ///
    /// A field is NAME=TEXT, or NAME:=JSON for any other value. With - the changes are read from standard input, one
    /// JSON object a line: {"kind", "id", "set": {}, "unset": []}, or {"kind", "id", "delete": true}. They are
    /// acknowledged in batches of 20: all of a batch, or none.
    #[command(
        after_help = "Examples:\n  cloudchamber-agent delta put --folder ~/Sync/tasks task t1 title='Buy milk' tags:='[\"shop\"]'\n  \
        cloudchamber-agent delta put --folder ~/Sync/tasks task t1 done:=true --unset due\n  \
        cat changes.jsonl | cloudchamber-agent delta put --folder ~/Sync/tasks -"
    )]
    Put {
        #[command(flatten)]
        place: Place,
        /// The kind of the entity, such as task; or - for standard input.
        #[arg(value_name = "KIND")]
        kind: String,
        /// Its id, which tells it from others of the kind.
        #[arg(value_name = "ID", required_unless_present = "kind")]
        id: Option<String>,
        /// The fields: NAME=TEXT or NAME:=JSON.
        #[arg(value_name = "FIELD")]
        fields: Vec<String>,
        /// A field that is unset; once for each.
        #[arg(long, value_name = "NAME")]
        unset: Vec<String>,
    },
    /// Delete entities. Who edits one meanwhile elsewhere does not bring it back: the edit is kept as a conflict.
    #[command(after_help = "Example:\n  cloudchamber-agent delta delete --folder ~/Sync/tasks task t1 t2")]
    Delete {
        #[command(flatten)]
        place: Place,
        /// Their kind.
        #[arg(value_name = "KIND")]
        kind: String,
        /// Their ids.
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
    /// Exchange with the folder what is new, and say what that was.
    #[command(after_help = "Examples:\n  cloudchamber-agent delta sync --folder ~/Sync/tasks\n  \
        cloudchamber-agent delta sync --folder ~/Sync/tasks --dry-run\n\n\
        The last line is such as: 5 tasks, 1 project received; 2 tasks sent; 1 conflict kept")]
    Sync {
        #[command(flatten)]
        place: Place,
        /// Say what would move, and write nothing.
        #[arg(long)]
        dry_run: bool,
        /// Take the folder as it is, although it is empty or much of what it held is gone: what this machine knows is
        /// written again. Otherwise nothing is written until it is back.
        #[arg(long, conflicts_with = "dry_run")]
        accept: bool,
        /// Lay out this machine's files so from now on. Machines with different layouts understand each other.
        #[arg(long, value_enum, conflicts_with = "dry_run")]
        layout: Option<LayoutName>,
    },
    /// Sync whenever something changes, until it is interrupted; says what moved.
    #[command(after_help = "Example:\n  cloudchamber-agent delta watch --folder ~/Sync/tasks")]
    Watch {
        #[command(flatten)]
        place: Place,
        /// Sync at least this often, for changes that no notice came of.
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        every: u64,
        /// Take the folder as it is now, as with sync.
        #[arg(long)]
        accept: bool,
    },
    /// List what was written and does not count, because another edit won or the entity was deleted. Nothing of it is
    /// lost: restore or dismiss it, here or on any other machine.
    #[command(after_help = "Example:\n  cloudchamber-agent delta conflicts --folder ~/Sync/tasks")]
    Conflicts {
        #[command(flatten)]
        place: Place,
    },
    /// Bring back what conflicts say; of a deleted entity all of it.
    #[command(
        after_help = "Example:\n  cloudchamber-agent delta restore --folder ~/Sync/tasks c0123456789abcdef"
    )]
    Restore {
        #[command(flatten)]
        place: Place,
        /// The conflicts, as `conflicts` lists them.
        #[arg(value_name = "CONFLICT", required = true)]
        conflicts: Vec<String>,
        /// Say that they are not wanted, instead.
        #[arg(long)]
        dismiss: bool,
    },
    /// Take over entities that others left; nothing in the folder is changed.
    ///
    /// Without --state those that the folder holds in the published layout (entities/KIND_ID.json, or data.json and
    /// deltas/). What is known here with other content is not overwritten: it is listed as a conflict.
    #[command(after_help = "Examples:\n  cloudchamber-agent delta import --folder ~/Sync/tasks\n  \
        cloudchamber-agent delta import --folder ~/Sync/tasks --state ~/backup/main.json")]
    Import {
        #[command(flatten)]
        place: Place,
        /// A whole state in one file: {"task": {"entities": {ID: {}}}}, or that as "data".
        #[arg(long, value_name = "FILE")]
        state: Option<PathBuf>,
    },
}

impl Delta {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::List { place, kind, deleted } => list::run(&place, kind.as_deref(), deleted),
            Command::Put { place, kind, id, fields, unset } => match (kind.as_str(), id) {
                ("-", None) => change::from_input(&place),
                (_, None) => {
                    anyhow::bail!("put {kind}: which one? give an ID after it, or - alone for standard input")
                }
                (_, Some(id)) => change::put(&place, Key::new(&kind, &id), &fields, &unset),
            },
            Command::Delete { place, kind, ids } => change::delete(&place, &kind, &ids),
            Command::Sync { place, dry_run: true, .. } => exchange::sync(&place, exchange::How::Dry, None),
            Command::Sync { place, accept, layout, .. } => {
                exchange::sync(&place, exchange::How::of(accept), layout)
            }
            Command::Watch { place, every, accept } => exchange::watch(&place, every, accept),
            Command::Conflicts { place } => conflicts::list(&place),
            Command::Restore { place, conflicts, dismiss } => conflicts::decide(&place, &conflicts, dismiss),
            Command::Import { place, state } => exchange::import(&place, state.as_deref()),
        }
    }
}

impl Place {
    fn options(&self) -> Options {
        let mut options = Options::new(&self.folder);
        if let Some(local) = &self.local {
            options = options.local(local);
        }
        match &self.name {
            Some(name) => options.name(name),
            None => options,
        }
    }

    /// Opens the replica, for a command that writes.
    fn open(&self, layout: Option<LayoutName>) -> anyhow::Result<Replica> {
        let options = self.options();
        let options = match layout {
            Some(LayoutName::Split) => options.layout(Layout::Split),
            Some(LayoutName::SplitLite) => options.layout(Layout::SplitLite),
            None => options,
        };
        let replica = options.open()?;
        tell(replica.place());
        Ok(replica)
    }

    /// What the replica knows, for a command that only looks.
    fn look(&self) -> anyhow::Result<Known> {
        let there = self.options().find()?;
        tell(&there);
        Ok(look(&there)?)
    }
}

fn tell(place: &There) {
    if let Some(said) = &place.said {
        eprintln!("{said}");
    }
}

/// Who a replica is, in its folder.
fn id_of(delta: &Known) -> String {
    delta.id().map(ToString::to_string).unwrap_or_default()
}

/// A value with all its digits.
fn exact(json: &Json) -> anyhow::Result<Box<RawValue>> {
    Ok(RawValue::from_string(json.as_str().to_owned())?)
}

/// A problem as JSON prints it.
#[derive(Serialize)]
struct ProblemRow<'a> {
    file: &'a str,
    kind: &'static str,
    detail: &'a str,
    advice: &'static str,
}

impl<'a> ProblemRow<'a> {
    fn of(problem: &'a Problem) -> Self {
        Self {
            file: &problem.file,
            kind: problem.kind.name(),
            detail: &problem.detail,
            advice: problem.kind.advice(),
        }
    }
}

fn rows(problems: &[Problem]) -> Vec<ProblemRow<'_>> {
    problems.iter().map(ProblemRow::of).collect()
}

/// Says what is wrong with files, for people.
fn warn(problems: &[Problem]) {
    const MOST: usize = 20;
    warnings(problems).take(MOST).for_each(|warning| eprintln!("{warning}"));
    if let Some(more) = problems.len().checked_sub(MOST).filter(|more| *more > 0) {
        eprintln!("warning: {more} more: sync --json lists them");
    }
}

fn warnings(problems: &[Problem]) -> impl Iterator<Item = String> {
    problems.iter().map(|problem| format!("warning: {problem}: {}", problem.kind.advice()))
}
