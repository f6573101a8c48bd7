//! `cloudchamber-agent notes`.

mod read;
mod watch;
mod write;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use clap::{Args, Subcommand};
use cloudchamber_core::notes::Note;
use cloudchamber_core::notes::problem::Problem;
use cloudchamber_host::database::Progress;
use cloudchamber_host::notes::{News, Notebook, NotesError, Options, Reading, View, look, title};
use serde_json::{Value, json};

use super::Bar;

/// Notes of many instances in a shared folder: what all have typed, merged.
#[derive(Args)]
pub(crate) struct Notes {
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Place {
    /// The shared folder: the one that holds `notes`, or an empty one.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// The directory that never leaves this machine. By default one of this folder's own among the user's data; never
    /// inside the folder, whose client would copy it.
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    /// Whose this instance is: an id that a person's instances share, and that the names of its files begin with. By
    /// default the one that it had, or a new one.
    #[arg(long, value_name = "ID")]
    profile: Option<String>,
    /// Print one JSON document on standard output and nothing else there.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// List the notes, or those in which all of some words stand.
    ///
    /// A note that has not arrived yet is listed without a title; one of which something is missing is marked. Searching
    /// keeps an index in the local directory (`index.db`); it is made again where it is missing.
    #[command(after_help = "Examples:\n  cloudchamber-agent notes list --folder ~/Sync/notes\n  \
        cloudchamber-agent notes list --folder ~/Sync/notes --search 'milk bread'")]
    List {
        #[command(flatten)]
        place: Place,
        /// Words that all have to stand in the text, or pieces of words; case does not count.
        #[arg(long, value_name = "WORDS")]
        search: Option<String>,
        /// Also those in the trash and those that are deleted for good.
        #[arg(long)]
        all: bool,
    },
    /// Make a note, and print its id.
    #[command(after_help = "Examples:\n  cloudchamber-agent notes new --folder ~/Sync/notes 'Shopping'\n  \
        date | cloudchamber-agent notes new --folder ~/Sync/notes -")]
    New {
        #[command(flatten)]
        place: Place,
        /// Its text, or - for standard input.
        #[arg(value_name = "TEXT", default_value = "")]
        text: String,
        /// Its id: 1 to 64 letters, digits, _ and -; by default one that nobody has.
        #[arg(long, value_name = "ID")]
        id: Option<String>,
    },
    /// Change a note's text. What others change at the same time is merged, and nothing of either is lost.
    ///
    /// Places and lengths count characters. With --lines each line of standard input is added to the end as it comes, and
    /// acknowledged on standard output by its number once it is on disk.
    #[command(
        after_help = "Examples:\n  cloudchamber-agent notes edit --folder DIR 3fa85f64 --append ', butter'\n  \
        cloudchamber-agent notes show --folder DIR 3fa85f64 | sed s/milk/tea/ | \
        cloudchamber-agent notes edit --folder DIR 3fa85f64 --set -\n  \
        cloudchamber-agent notes edit --folder DIR 3fa85f64 --insert 0 'First: '"
    )]
    Edit {
        #[command(flatten)]
        place: Place,
        /// Its id, or as many of its first characters as no other has.
        #[arg(value_name = "NOTE")]
        note: String,
        #[command(flatten)]
        change: Change,
        /// With --lines, write a snapshot of the note after so many records.
        #[arg(long, value_name = "RECORDS", requires = "lines")]
        snapshot_every: Option<u32>,
    },
    /// Print a note's text.
    #[command(after_help = "Example:\n  cloudchamber-agent notes show --folder ~/Sync/notes 3fa85f64")]
    Show {
        #[command(flatten)]
        place: Place,
        /// Its id, or as many of its first characters as no other has.
        #[arg(value_name = "NOTE")]
        note: String,
    },
    /// Put notes into the trash, or delete them for good, on every machine.
    ///
    /// What is in the trash can be restored, and is deleted for good after 30 days. A note that is deleted for good
    /// never comes back, whatever arrives late.
    #[command(after_help = "Examples:\n  cloudchamber-agent notes delete --folder ~/Sync/notes 3fa85f64\n  \
        cloudchamber-agent notes delete --folder ~/Sync/notes --for-good 3fa85f64")]
    Delete {
        #[command(flatten)]
        place: Place,
        /// Their ids, or as many of their first characters as no other has.
        #[arg(value_name = "NOTE", required = true)]
        notes: Vec<String>,
        /// Not into the trash: nobody can restore them.
        #[arg(long)]
        for_good: bool,
    },
    /// Take notes out of the trash.
    #[command(after_help = "Example:\n  cloudchamber-agent notes restore --folder ~/Sync/notes 3fa85f64")]
    Restore {
        #[command(flatten)]
        place: Place,
        /// Their ids, or as many of their first characters as no other has.
        #[arg(value_name = "NOTE", required = true)]
        notes: Vec<String>,
    },
    /// Read every file, repair this machine's own, pass deletions on, and say what is new since the last sync.
    #[command(after_help = "Examples:\n  cloudchamber-agent notes sync --folder ~/Sync/notes\n  \
        cloudchamber-agent notes sync --folder ~/Sync/notes --dry-run")]
    Sync {
        #[command(flatten)]
        place: Place,
        /// Say what it would do, and write nothing, not even the local directory.
        #[arg(long)]
        dry_run: bool,
        /// Take the folder as it is, although it is empty or much of what this machine wrote is gone: it is written again.
        /// Otherwise nothing is written until it is back.
        #[arg(long, conflicts_with = "dry_run")]
        accept: bool,
    },
    /// Sync until it is interrupted, and say what others do, a line each.
    #[command(after_help = "Example:\n  cloudchamber-agent notes watch --folder ~/Sync/notes --json")]
    Watch {
        #[command(flatten)]
        place: Place,
        /// Look at least this often, for changes that no notice came of.
        #[arg(long, value_name = "SECONDS", default_value_t = 10)]
        every: u64,
        /// Take the folder as it is now, as with sync.
        #[arg(long)]
        accept: bool,
    },
    /// Name everything that is wrong with the files: exit 1 where there is something.
    #[command(after_help = "Example:\n  cloudchamber-agent notes verify --folder ~/Sync/notes --json")]
    Verify {
        #[command(flatten)]
        place: Place,
    },
}

/// What becomes of the text.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Change {
    /// More at the end; - for standard input.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    append: Option<String>,
    /// Another text, by the smallest change; - for standard input.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    set: Option<String>,
    /// More at a place.
    #[arg(long, num_args = 2, value_names = ["AT", "TEXT"], allow_hyphen_values = true)]
    insert: Vec<String>,
    /// Less.
    #[arg(long, num_args = 2, value_names = ["AT", "LENGTH"])]
    remove: Vec<usize>,
    /// Each line of standard input at the end, as it comes.
    #[arg(long)]
    lines: bool,
}

impl Notes {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::List { place, search: None, all } => read::list(&place, all),
            Command::List { place, search: Some(words), all } => read::search(&place, &words, all),
            Command::New { place, text, id } => write::new(&place, &text, id.as_deref()),
            Command::Edit { place, note, change, snapshot_every } => {
                write::edit(&place, &note, &change, snapshot_every)
            }
            Command::Show { place, note } => read::show(&place, &note),
            Command::Delete { place, notes, for_good } => write::delete(&place, &notes, for_good),
            Command::Restore { place, notes } => write::restore(&place, &notes),
            Command::Sync { place, dry_run: true, .. } => read::dry_run(&place),
            Command::Sync { place, dry_run: false, accept } => write::sync(&place, accept),
            Command::Watch { place, every, accept } => watch::run(&place, every, accept),
            Command::Verify { place } => read::verify(&place),
        }
    }
}

impl Place {
    fn options(&self) -> Options {
        Options { local: self.local.clone(), profile: self.profile.clone(), ..Options::default() }
    }

    /// For a command that writes.
    fn open(&self, options: &Options) -> Result<Notebook, NotesError> {
        let bar = Bar::new();
        bar.step("reading the notes", 0);
        Notebook::open(&self.folder, options)
    }

    /// For a command that only looks: nothing is made and nothing changed.
    fn look(&self) -> Result<Reading, NotesError> {
        let bar = Bar::new();
        bar.step("reading the notes", 0);
        look(&self.folder, &self.options())
    }
}

/// The id of which these are all or the first characters.
fn find(view: View<'_>, first: &str) -> anyhow::Result<Arc<str>> {
    let ids = view.ids();
    if let Some(id) = ids.iter().find(|id| ***id == *first) {
        return Ok(id.clone());
    }
    let found: Vec<_> = ids.iter().filter(|id| !first.is_empty() && id.starts_with(first)).collect();
    match found[..] {
        [id] => Ok(id.clone()),
        [] => bail!(
            "{first}: there is no such note here: look at notes list --all, or wait until it has arrived"
        ),
        [one, other, ..] => bail!(
            "{first}: {} notes begin with it, such as {one} and {other}: give more of the id",
            found.len()
        ),
    }
}

/// A note as JSON.
fn note(note: &Note) -> Value {
    let document = &note.document;
    let instances = note.numbers.iter().map(|(instance, numbers)| {
        let missing: Vec<_> = numbers.missing().map(|gap| json!([gap.start(), gap.end()])).collect();
        json!({ "instance": instance, "contiguous": numbers.contiguous(), "max": numbers.max(), "missing": missing })
    });
    json!({
        "note": &*note.id,
        "state": note.state.text(),
        "title": title(&document.text),
        "text": document.text,
        "created_ms": document.created_ms,
        "modified_ms": document.modified_ms,
        "incomplete": note.is_incomplete,
        "instances": instances.collect::<Value>(),
    })
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

/// Says what the instance tells of itself beside what it was asked for.
fn warn(news: &[News]) {
    for news in news {
        match news {
            News::Changed { .. } | News::Deleted { .. } => {}
            News::Repaired(_) | News::Back => eprintln!("{news}"),
            News::Moved { why, .. } if why.is_empty() => {}
            News::Moved { .. } | News::Away(_) | News::Unhinted(_) => eprintln!("warning: {news}"),
        }
    }
}
