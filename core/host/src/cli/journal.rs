//! `cloudchamber-agent journal`.

use std::io::BufRead;
use std::path::{Path as OsPath, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::address::Mention;
use cloudchamber_core::journal::claims::{Claim, Lost, Owners};
use cloudchamber_core::journal::event::Event;
use cloudchamber_core::journal::folder::Folder;
use cloudchamber_core::journal::identity::identity;
use cloudchamber_core::journal::init::init;
use cloudchamber_core::journal::merge::merge;
use cloudchamber_core::journal::migrate;
use cloudchamber_core::journal::owner::Move;
use cloudchamber_core::journal::problem::{Problem, ProblemKind};
use cloudchamber_core::journal::schema::{Field, Kind};
use cloudchamber_core::journal::show::Shown;
use cloudchamber_core::journal::verify::{sequences, verify};
use cloudchamber_core::{Content, Entry, Fs, FsError, FsOp, Path};
use cloudchamber_host::appender::{Appender, apply, names, nonce, see, settle};
use cloudchamber_host::database::{Database, Rebuilt};
use cloudchamber_host::{Lock, OsFs, clock};
use serde_json::{Value, json};

use super::{Bar, print_json, say, verdict};

/// Per-machine journals in a shared folder.
#[derive(Args)]
pub(crate) struct Journal {
    #[command(subcommand)]
    command: Command,
}

#[derive(Args)]
struct Place {
    /// The shared folder: the one that holds `shared/machines`, or a project whose `.fray` does.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// The directory that never leaves this machine. By default `local` in the folder.
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    /// Print one JSON document on standard output and nothing else there.
    #[arg(long)]
    json: bool,
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
    /// layout before machines is migrated with --migrate, once.
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
    /// Bring the SQLite view (`view.db` in the local directory) up to date.
    #[command(
        after_help = "Example:\n  cloudchamber-agent journal rebuild --folder DIR && sqlite3 DIR/local/view.db 'SELECT * FROM messages'"
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
        place: ShowPlace,
        /// Which rules.
        #[arg(long, value_enum, default_value_t)]
        design: DesignName,
    },
}

#[derive(Args)]
struct ShowPlace {
    /// The shared folder.
    #[arg(long, value_name = "DIR", required_unless_present = "cases", conflicts_with = "cases")]
    folder: Option<PathBuf>,
    /// The directory that never leaves this machine.
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
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

/// The folder and the local directory of a command.
struct Roots {
    fs: OsFs,
    local: PathBuf,
    folder: PathBuf,
}

impl Roots {
    fn open(folder: &OsPath, local: Option<&OsPath>) -> anyhow::Result<Self> {
        let inner = folder.join(".fray");
        let folder = if inner.is_dir() { inner } else { folder.to_owned() };
        if !folder.is_dir() {
            bail!("{}: there is no such directory: give the shared folder with --folder", folder.display());
        }
        let local = local.map_or_else(|| folder.join("local"), OsPath::to_owned);
        Ok(Self { fs: OsFs::new(&folder, &local), local, folder })
    }
}

impl Place {
    fn roots(&self) -> anyhow::Result<Roots> {
        Roots::open(&self.folder, self.local.as_deref())
    }
}

impl Journal {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Init { place, machine, migrate } => run_init(&place, &machine, migrate),
            Command::Append { place, events, say, from, home } => {
                let said = say.map(|body| said(&body, &from.unwrap_or_default(), &home));
                run_append(&place, &events, said)
            }
            Command::Rebuild { place, full, design } => run_rebuild(&place, full, design),
            Command::Watch { place, every } => run_watch(&place, every),
            Command::Verify { place } => run_verify(&place),
            Command::Rename { place, old, new } => run_rename(&place, &old, &new),
            Command::Show { place, design } => run_show(&place, design.design()),
        }
    }
}

fn run_init(place: &Place, machine: &str, migrating: bool) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&place.folder)
        .with_context(|| format!("{}: give a folder that can be made", place.folder.display()))?;
    let mut roots = place.roots()?;
    let _lock = Lock::wait(&roots.local)?;
    if migrate::is_due(&roots.fs) {
        if !migrating {
            bail!("{}: it has the layout before machines: add --migrate", roots.folder.display());
        }
        let ops = migrate::migrate(&roots.fs, machine, clock::now(), Some(nonce()))?;
        apply(&mut roots.fs, &ops)?;
    }
    let ops = init(&roots.fs, machine, clock::now(), Some(nonce()))?;
    apply(&mut roots.fs, &ops)?;
    let moved = settle(&mut roots.fs, &Design::HARDENED)?;
    tell_moved(moved.as_ref());
    let own = identity(&roots.fs)?;
    if place.json {
        let owner = own.owner.map(|owner| owner.to_string());
        print_json(&json!({ "machine": own.id, "owner": owner, "made": !ops.is_empty() }));
    } else {
        say(&format!("this machine is {}", own.id));
    }
    Ok(ExitCode::SUCCESS)
}

/// Says that this machine goes on under another id.
fn tell_moved(moved: Option<&Move>) {
    if let Some(moved) = moved {
        eprintln!("warning: {moved}");
    }
}

/// Says that this machine is about to lose its id, to whoever only looks.
fn tell_lost(fs: &OsFs, owners: &Owners) {
    let claim = identity(fs).ok().and_then(|own| Some((Claim::of(&own, own.owner?), own.id)));
    let Some((claim, id)) = claim else { return };
    if let Some(lost) = owners.lost().find(|lost| lost.claim == claim && lost.id == id) {
        let winner = lost.winner.path(id.as_str());
        eprintln!(
            "warning: {}: `{id}` belongs to another machine that chose it too: this one takes up none of its mentions, \
             and gets an id of its own when it appends or watches next",
            winner.name()
        );
    }
}

fn said(body: &str, from: &str, home: &str) -> Event {
    Event::new(Kind::Message)
        .with_raw("channel_id", "null")
        .with_text(Field::Home, home)
        .with_text(Field::FromAgent, from)
        .with_text(Field::Body, body)
        .with_raw("mentions", "[]")
        .with_text(Field::MessageType, "agent")
        .with_raw("reply_to", "null")
        .with_raw("edited_at", "null")
        .with_raw("archived_at", "null")
}

/// Reads an event from an argument or a line of input.
fn event(text: &str, line: usize) -> anyhow::Result<Event> {
    let place = if line == 0 { "the event".to_owned() } else { format!("standard input, line {line}") };
    let parsed = Event::parse(text);
    parsed.map_err(|kind| anyhow::anyhow!("{place}: {kind}: give a JSON object with a \"type\", such as {{\"type\":\"thread\",\"name\":\"design\"}}"))
}

fn run_append(place: &Place, events: &[String], said: Option<Event>) -> anyhow::Result<ExitCode> {
    let roots = place.roots()?;
    let design = Design::HARDENED;
    let mut appender = Appender::open(roots.fs.clone(), &roots.local, design)?;
    let aliases = names(&roots.fs, &design).aliases;
    let own = appender.identity().id.clone();
    tell_moved(appender.moved());
    for repaired in appender.repaired() {
        eprintln!("repaired: {repaired}");
    }
    let mut acknowledged = Vec::new();
    let mut append = |event: Event| -> anyhow::Result<()> {
        // A mention without a machine means this one: it is written down so that every machine knows.
        let unsaid = event.raw(Field::Mentions).is_none_or(|raw| raw == "[]");
        let event = match event.text(Field::Body) {
            Some(body) if event.kind() == Kind::Message && unsaid => {
                let mentions = Mention::all_in(&body, &own, &aliases, design.following);
                let stored: Vec<_> = mentions.iter().map(Mention::stored).collect();
                event.clone().with_raw("mentions", serde_json::to_string(&stored)?)
            }
            _ => event,
        };
        let appended = appender.append(event)?;
        if place.json {
            acknowledged
                .push(json!({ "seq": appended.seq, "file": appended.path.name(), "line": appended.line }));
        } else {
            say(&format!("{} {} {}", appended.seq, appended.path.name(), appended.line));
        }
        Ok(())
    };
    // What comes before a bad event counts, and whoever asked is told so.
    let result = every_event(events, said, &mut append);
    appender.seal()?;
    if place.json {
        print_json(&json!({ "machine": own, "events": acknowledged }));
    }
    result.map(|()| ExitCode::SUCCESS)
}

/// Hands on the events of a command line, and of standard input where that is named.
fn every_event(
    events: &[String],
    said: Option<Event>,
    append: &mut dyn FnMut(Event) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if let Some(said) = said {
        append(said)?;
    }
    for text in events {
        if text != "-" {
            append(event(text, 0)?)?;
            continue;
        }
        for (at, line) in std::io::stdin().lock().lines().enumerate() {
            let line = line.with_context(|| format!("standard input, line {}", at + 1))?;
            if !line.trim().is_empty() {
                append(event(&line, at + 1)?)?;
            }
        }
    }
    Ok(())
}

fn rebuild(roots: &Roots, full: bool, design: DesignName) -> anyhow::Result<(Database, Rebuilt)> {
    // One process at a time makes a view; writers of events have a lock of their own.
    let _lock = Lock::wait(&roots.local.join("tmp"))?;
    let mut database = Database::open(&roots.local.join(design.database()), design.design())?;
    let rebuilt = database.rebuild(&roots.fs, full, &Bar::new())?;
    see(&mut roots.fs.clone(), database.clock())?;
    let collisions =
        json!({ "updated_at": clock::now().wall.0.div_euclid(1_000), "collisions": database.collisions()? });
    let has = collisions["collisions"].as_array().is_some_and(|list| !list.is_empty());
    let path = Path::local("collisions.json");
    let op = if has {
        Some(FsOp::Replace { path, content: Content::from(format!("{collisions:#}\n")) })
    } else {
        roots.fs.read(&path, 0).is_ok().then_some(FsOp::Remove { path })
    };
    apply(&mut roots.fs.clone(), &Vec::from_iter(op))?;
    Ok((database, rebuilt))
}

fn run_rebuild(place: &Place, full: bool, design: DesignName) -> anyhow::Result<ExitCode> {
    let roots = place.roots()?;
    let (database, rebuilt) = rebuild(&roots, full, design)?;
    report(&rebuilt.problems);
    if place.json {
        print_json(&json!({
            "full": rebuilt.full,
            "records": rebuilt.records,
            "digest": format!("{:016x}", database.digest()?),
            "problems": problems(&rebuilt.problems),
        }));
    } else {
        say(&match rebuilt.full {
            Some(why) => format!("rebuilt {} records anew: {why}", rebuilt.records),
            None => format!("took in {} new records", rebuilt.records),
        });
    }
    Ok(ExitCode::SUCCESS)
}

fn run_watch(place: &Place, every: u64) -> anyhow::Result<ExitCode> {
    use notify::{RecursiveMode, Watcher};
    let roots = place.roots()?;
    let (sender, changes) = std::sync::mpsc::channel();
    let mut watcher = notify::recommended_watcher(move |change| {
        // Whoever waits is gone only when the process ends.
        let _ = sender.send(change);
    })?;
    let shared = roots.folder.join("shared");
    watcher
        .watch(&shared, RecursiveMode::Recursive)
        .with_context(|| format!("{}: it cannot be watched: run journal init first", shared.display()))?;
    loop {
        if identity(&roots.fs).is_ok() {
            let _lock = Lock::wait(&roots.local)?;
            match settle(&mut roots.fs.clone(), &Design::HARDENED) {
                Ok(moved) => tell_moved(moved.as_ref()),
                // Whoever appends is stopped by it; what others write is taken in all the same.
                Err(error) => eprintln!("warning: {error}"),
            }
        }
        let (_, rebuilt) = rebuild(&roots, false, DesignName::Hardened)?;
        report(&rebuilt.problems);
        if rebuilt.records > 0 {
            let line = json!({ "records": rebuilt.records, "full": rebuilt.full });
            let told = if place.json {
                say(&line.to_string())
            } else {
                say(&format!("took in {} records", rebuilt.records))
            };
            if !told {
                return Ok(ExitCode::SUCCESS);
            }
        }
        // Notices are hints: they come late, in heaps or not at all.
        let wait = std::time::Duration::from_secs(every.max(1));
        if changes.recv_timeout(wait).is_ok() {
            while changes.recv_timeout(std::time::Duration::from_millis(100)).is_ok() {}
        }
    }
}

fn report(problems: &[Problem]) {
    for problem in problems {
        eprintln!("warning: {problem}: {}", problem.kind.advice());
    }
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

fn run_verify(place: &Place) -> anyhow::Result<ExitCode> {
    let roots = place.roots()?;
    let _lock = Lock::wait(&roots.local)?;
    let design = Design::HARDENED;
    let folder = Folder::read(&roots.fs, &design);
    let found = verify(&roots.fs, &design, &folder);
    let (marks, _) = folder.with_sources(&design, sequences);
    tell_lost(&roots.fs, &folder.owners);
    if place.json {
        let marks = marks.iter().map(|mark| {
            let (contiguous, max) = (mark.numbers.contiguous(), mark.numbers.max());
            json!({ "machine": mark.machine, "contiguous": contiguous, "max": max, "numbered": mark.numbered })
        });
        print_json(&json!({
            "ok": found.is_empty(),
            "files": folder.files.len(),
            "machines": marks.collect::<Value>(),
            "owners": owners(&folder.owners),
            "problems": problems(&found),
        }));
    } else {
        for problem in &found {
            say(&format!("{problem}: {}", problem.kind.advice()));
        }
        for Lost { name, claim, winner, moved, .. } in folder.owners.lost() {
            let now = moved.map_or("has not heard of it".to_owned(), |moved| format!("is {moved} now"));
            say(&format!("{name} belongs to {}; {} chose it too, and {now}", winner.nonce, claim.nonce));
        }
        say(&format!("{} files, {} problems", folder.files.len(), found.len()));
    }
    Ok(verdict(!found.is_empty()))
}

/// Every claim, and whether it holds.
fn owners(owners: &Owners) -> Value {
    let lost: Vec<_> = owners.lost().collect();
    let row = |(name, claim, id): (&str, Claim, &str)| {
        let lost = lost.iter().find(|lost| lost.claim == claim && lost.id == id);
        json!({
            "machine": name,
            "owner": claim.nonce.to_string(),
            "since": claim.since,
            "file": claim.path(id).name(),
            "holds": lost.is_none(),
            "moved": lost.and_then(|lost| lost.moved),
        })
    };
    owners.claims().map(row).collect()
}

fn run_rename(place: &Place, old: &str, new: &str) -> anyhow::Result<ExitCode> {
    let mut roots = place.roots()?;
    let _lock = Lock::wait(&roots.local)?;
    let ops = migrate::rename(&roots.fs, &Design::HARDENED, old, new)?;
    apply(&mut roots.fs, &ops)?;
    if place.json {
        print_json(&json!({ "old": old, "new": new }));
    } else if names(&roots.fs, &Design::HARDENED).aliases.get(old).is_some() {
        say(&format!("{old} is called {new} now; its directory keeps its name"));
    } else {
        say(&format!("this machine is {new} now; {old} belongs to another one that chose it too"));
    }
    Ok(ExitCode::SUCCESS)
}

fn run_show(place: &ShowPlace, design: Design) -> anyhow::Result<ExitCode> {
    if let Some(path) = &place.cases {
        return show_cases(path);
    }
    let roots = Roots::open(place.folder.as_deref().unwrap_or(OsPath::new(".")), place.local.as_deref())?;
    let folder = Folder::read(&roots.fs, &design);
    let (shown, found, clock) = shown(&folder, &design);
    if identity(&roots.fs).is_ok() {
        // Whatever is appended from now on comes after what was shown.
        see(&mut roots.fs.clone(), clock)?;
    }
    report(&found);
    tell_lost(&roots.fs, &folder.owners);
    if place.json {
        print_json(&shown);
    } else {
        people(&folder, &design);
    }
    Ok(ExitCode::SUCCESS)
}

fn shown(
    folder: &Folder,
    design: &Design,
) -> (Value, Vec<Problem>, cloudchamber_core::journal::clock::Hybrid) {
    folder.with_sources(design, |sources| {
        let mut view = merge(design, sources);
        folder.complete(design, sources, &mut view);
        let json = Shown { design, sources, view: &view }.json();
        (json, view.problems, view.clock)
    })
}

/// The messages as a person reads them: names with their machine only where that tells something.
fn people(folder: &Folder, design: &Design) {
    folder.with_sources(design, |sources| {
        let view = merge(design, sources);
        let shown = Shown { design, sources, view: &view };
        let origins = shown.origins();
        for message in &view.messages {
            let agent = shown.text(message.created, Field::FromAgent).unwrap_or_default();
            let name = origins.displayed(&agent, &shown.origin(message.created));
            if !say(&format!("[{}] {name}: {}", shown.home(message), shown.body(message))) {
                return;
            }
        }
        say(&format!(
            "{} messages, {} threads, {} questions, {} reactions",
            view.messages.len(),
            view.threads.len(),
            view.questions.len(),
            view.reactions.len()
        ));
    });
}

/// A folder made of one case.
struct Case<'a>(&'a serde_json::Map<String, Value>);

impl Fs for Case<'_> {
    fn read(&self, path: &Path, from: u64) -> Result<Content, FsError> {
        if path.name() == "shared/.v2" {
            return Ok(Content::new([]));
        }
        let name = path.name().strip_prefix("shared/machines/").ok_or(FsError::NotFound)?;
        let text = name.split_once('/').and_then(|(machine, file)| self.0.get(machine)?.get(file)?.as_str());
        text.map(|text| Content::from(text).tail(from)).ok_or(FsError::NotFound)
    }

    fn list(&self, dir: &Path) -> Result<Vec<Entry>, FsError> {
        use cloudchamber_core::{EntryKind, WallMs};
        let entry = |name: &String, kind| Entry { path: dir.join(name), kind, len: 0, modified: WallMs(0) };
        let mut entries: Vec<_> = match dir.name() {
            "shared/machines" => self.0.keys().map(|name| entry(name, EntryKind::Dir)).collect(),
            name => {
                let machine = name.strip_prefix("shared/machines/").and_then(|machine| self.0.get(machine));
                let files = machine.and_then(Value::as_object).ok_or(FsError::NotFound)?;
                files.keys().map(|name| entry(name, EntryKind::File)).collect()
            }
        };
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }
}

fn show_cases(path: &OsPath) -> anyhow::Result<ExitCode> {
    let text = std::fs::read(path).with_context(|| format!("{}: give a file of cases", path.display()))?;
    let cases: Vec<Value> = serde_json::from_slice(&text)
        .with_context(|| format!("{}: it is no list of cases", path.display()))?;
    let mut results = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let Some(machines) = case["machines"].as_object() else {
            bail!("{}: case {}: it has no `machines`", path.display(), at + 1);
        };
        let result = |design: Design| {
            let folder = Folder::read(&Case(machines), &design);
            let (json, found, _) = shown(&folder, &design);
            let found: Vec<_> =
                found.into_iter().filter(|problem| problem.kind != ProblemKind::ConflictCopy).collect();
            (json, problems(&found))
        };
        let (published, _) = result(Design::PUBLISHED);
        let (hardened, problems) = result(Design::HARDENED);
        results.push(
            json!({ "id": case["id"], "published": published, "hardened": hardened, "problems": problems }),
        );
    }
    print_json(&Value::Array(results));
    Ok(ExitCode::SUCCESS)
}
