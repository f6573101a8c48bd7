//! `cloudchamber-agent journal`.

mod append;
mod cases;
mod init;
mod place;
mod rebuild;
mod rename;
mod show;
mod verify;
mod watch;

use std::path::{Path as OsPath, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::claims::{Owners, claim_of, claim_path};
use cloudchamber_core::journal::identity::identity;
use cloudchamber_core::journal::problem::Problem;
use cloudchamber_core::journal::protocol::Told;
use cloudchamber_host::OsFs;
use serde_json::{Value, json};

use self::place::Place;

/// Per-machine journals in a shared folder.
#[derive(Args)]
pub(crate) struct Journal {
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum DesignName {
    /// As upstream does it, faults included.
    Published,
    /// With the faults repaired.
    #[default]
    Hardened,
}

#[derive(Subcommand)]
enum Command {
    /// Give this machine an id and its own directory in the folder.
    ///
    /// The id is 1 to 20 of a-z, 0-9 and -, and no other machine's. Where two machines chose one before they had
    /// heard of each other, the elder keeps it and the other one goes on under a new id and says so. A folder of the
    /// layout before machines is migrated with --migrate, once. The folder is made where it is missing, not what lies
    /// above it.
    #[command(
        after_help = "Example:\n  cloudchamber-agent journal init --folder ~/Sync/project --machine laptop"
    )]
    Init {
        #[command(flatten)]
        place: Place,
        /// This machine's id.
        #[arg(long, value_name = "ID")]
        machine: String,
        /// Move the files of the layout before machines to this machine's directory.
        #[arg(long)]
        migrate: bool,
    },
    /// Append events to this machine's journals; each is on disk when it is acknowledged.
    ///
    /// An event is a JSON object with a `type`; origin, number, time and, for new messages, threads and
    /// questions, the GUID are added. With - the events are read from standard input, one per line.
    #[command(
        after_help = "Examples:\n  cloudchamber-agent journal append --folder DIR --from opus --say 'hello @dev@server'\n  \
        cloudchamber-agent journal append --folder DIR '{\"type\":\"thread\",\"name\":\"design\"}'\n  \
        cat events.jsonl | cloudchamber-agent journal append --folder DIR -"
    )]
    Append {
        #[command(flatten)]
        place: Place,
        /// Events as JSON objects, or - for standard input.
        #[arg(value_name = "EVENT", required_unless_present = "say")]
        events: Vec<String>,
        /// A message, instead of an event.
        #[arg(long, value_name = "TEXT", requires = "from", conflicts_with = "events")]
        say: Option<String>,
        /// The agent whose message it is.
        #[arg(long, value_name = "AGENT")]
        from: Option<String>,
        /// The thread it goes to.
        #[arg(long, value_name = "THREAD", default_value = "room")]
        home: String,
    },
    /// Bring the SQLite view (`view.db` in the local directory) up to date, and say where it is.
    #[command(
        after_help = "Example:\n  cloudchamber-agent journal rebuild --folder DIR --local ~/view && sqlite3 ~/view/view.db 'SELECT * FROM messages'"
    )]
    Rebuild {
        #[command(flatten)]
        place: Place,
        /// Make everything anew.
        #[arg(long)]
        full: bool,
        /// Which rules.
        #[arg(long, value_enum, default_value_t)]
        design: DesignName,
    },
    /// Keep the SQLite view up to date until it is interrupted; says what changed.
    #[command(after_help = "Example:\n  cloudchamber-agent journal watch --folder DIR")]
    Watch {
        #[command(flatten)]
        place: Place,
        /// Look at least this often, for changes that no notice came of.
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        every: u64,
        /// Take the folder as it is for the right one, although nothing of this machine is in it, and write this machine's
        /// journals anew.
        #[arg(long)]
        accept: bool,
    },
    /// Name everything that is wrong with the files: exit 1 where there is something.
    #[command(after_help = "Example:\n  cloudchamber-agent journal verify --folder DIR --json")]
    Verify {
        #[command(flatten)]
        place: Place,
    },
    /// Give a machine another name; what is written under the old one keeps counting.
    #[command(after_help = "Example:\n  cloudchamber-agent journal rename --folder DIR laptop desk")]
    Rename {
        #[command(flatten)]
        place: Place,
        /// The name it has.
        old: String,
        /// The name it gets.
        new: String,
    },
    /// Show what all journals say together.
    ///
    /// The JSON has the sections messages, threads, questions, reactions, faves, ghost_cursors, roles_held,
    /// collisions and more. With --cases, each case of the file is a folder of its own:
    /// [{"id", "machines": {MACHINE: {FILE: TEXT}}}].
    #[command(
        after_help = "Examples:\n  cloudchamber-agent journal show --folder DIR --design published --json\n  \
        cloudchamber-agent journal show --cases cases.json --json"
    )]
    Show {
        #[command(flatten)]
        place: ShownPlace,
        /// Which rules.
        #[arg(long, value_enum, default_value_t)]
        design: DesignName,
    },
}

#[derive(Args)]
struct ShownPlace {
    /// The shared folder.
    #[arg(long, value_name = "DIR", required_unless_present = "cases", conflicts_with = "cases")]
    folder: Option<PathBuf>,
    /// The directory that never leaves this machine. By default one of this folder's own among the user's data.
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    /// The client copies `shared` alone: the local directory may lie beside it, and is `local` there by default.
    #[arg(long)]
    only_shared_is_synced: bool,
    /// A file of cases, in both designs.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// Print one JSON document on standard output and nothing else there.
    #[arg(long)]
    json: bool,
}

impl DesignName {
    fn design(self) -> Design {
        match self {
            Self::Published => Design::PUBLISHED,
            Self::Hardened => Design::HARDENED,
        }
    }

    fn database(self) -> &'static str {
        match self {
            Self::Published => "view-published.db",
            Self::Hardened => "view.db",
        }
    }
}

impl Journal {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Init { place, machine, migrate } => init::run(&place, &machine, migrate),
            Command::Append { place, events, say, from, home } => {
                let said = say.map(|body| append::said(&body, &from.unwrap_or_default(), &home));
                append::run(&place, &events, said)
            }
            Command::Rebuild { place, full, design } => rebuild::run(&place, full, design),
            Command::Watch { place, every, accept } => watch::run(&place, every, accept),
            Command::Verify { place } => verify::run(&place),
            Command::Rename { place, old, new } => rename::run(&place, &old, &new),
            Command::Show { place, design } => match &place.cases {
                Some(cases) => cases::run(cases),
                None => {
                    let folder = place.folder.unwrap_or(OsPath::new(".").to_owned());
                    let (local, json) = (place.local, place.json);
                    let only_shared_is_synced = place.only_shared_is_synced;
                    show::run(&Place { folder, local, only_shared_is_synced, json }, design.design())
                }
            },
        }
    }
}

/// Says what a machine tells of itself beside what it was asked for.
fn warn(told: &Told) {
    match told {
        Told::Moved(moved) => eprintln!("warning: {moved}"),
        Told::Repaired(repaired) => eprintln!("repaired: {repaired}"),
        _ => {}
    }
}

/// Says that this machine is about to lose its id, to whoever only looks.
fn tell_lost(fs: &OsFs, owners: &Owners) {
    let claim = identity(fs).ok().and_then(|own| Some((claim_of(&own, own.owner?), own.id)));
    let Some((claim, id)) = claim else { return };
    if let Some(lost) = owners.lost().find(|lost| lost.claim == claim && lost.id == id) {
        let winner = claim_path(lost.winner, id.as_str());
        eprintln!(
            "warning: {}: `{id}` belongs to another machine that chose it too: this one takes up none of its mentions, \
             and gets an id of its own when it appends or watches next",
            winner.name()
        );
    }
}

fn report(problems: &[Problem]) {
    problems.iter().for_each(|problem| eprintln!("{}", warning(problem)));
}

fn warning(problem: &Problem) -> String {
    format!("warning: {problem}: {}", problem.kind.advice())
}

fn problems(problems: &[Problem]) -> Value {
    let row = |problem: &Problem| {
        json!({
            "file": &*problem.file,
            "line": problem.line,
            "kind": problem.kind.name(),
            "detail": problem.detail,
            "advice": problem.kind.advice(),
        })
    };
    problems.iter().map(row).collect()
}
