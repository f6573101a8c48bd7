//! `cloudchamber-agent run`, `status`, `activate`, `leave`, `forget` and `voters`.

use std::ffi::{OsStr, OsString};
use std::io::IsTerminal;
use std::path::{Path as OsPath, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use cloudchamber_core::failover::config::Timing;
use cloudchamber_core::failover::{
    ActiveBecause, Command, DeviceStatus, Event, GivenUpBecause, Policy, ProblemKind, StandbyBecause,
    VoterChange, status,
};
use cloudchamber_host::failover::asks::{self, Answer};
use cloudchamber_host::failover::client::Client;
use cloudchamber_host::failover::guard::{self, Charge};
use cloudchamber_host::failover::{Agent, Ended, Told, settings};
use cloudchamber_host::halves::halves;
use cloudchamber_host::local::{self, Synced};
use cloudchamber_host::log::Log;
use cloudchamber_host::service::Service;
use cloudchamber_host::{Lock, OsFs, clock};
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde_json::json;

use super::{say, verdict};

/// What an agent says that is asked while the shared folder is away.
const WAITS: &str = "the agent will see to it when the shared folder is back";

/// What an agent says that is to take a folder as it is, and does so already or cannot.
const ACCEPTED_NOTHING: &str =
    "nothing to accept: the agent works in the folder, or there is none; `status` shows which";

/// How long the agent of this machine may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Which machine is active.
#[derive(Subcommand)]
pub(crate) enum Failover {
    /// Run a command on exactly one of the machines that share a folder.
    ///
    /// The command runs where the replica is active; it finds the term of its lease, which only grows, in
    /// CLOUDCHAMBER_TERM, and the replica's id in CLOUDCHAMBER_REPLICA. It is asked to end (TERM) and then killed, with
    /// its whole process group, before the lease ends: also if the agent hangs or is killed. If it ends by itself, the
    /// agent leaves, another machine takes over, and the agent ends with the command's exit status. All machines need
    /// the same provider, policy and settings.
    #[command(
        after_help = "Examples:\n  cloudchamber-agent run --folder ~/Sync/team --provider syncthing -- ./mirror --verbose\n  \
        cloudchamber-agent run --folder DIR --policy majority --voter a@h1:/sync --voter b@h2:/sync --voter c@h3:/sync -- ./mirror\n\n\
        Exit: the command's, where it ended by itself; 0 after an interruption; 2 usage, unreadable input, or a command that \
        cannot be started."
    )]
    Run(Run),
    /// Show every replica, how it is, and who is active.
    ///
    /// Of this machine's replicas it says which process is gone; of others' what the active one's file says of them.
    #[command(
        after_help = "Examples:\n  cloudchamber-agent status --folder ~/Sync/team\n  cloudchamber-agent status --folder ~/Sync/team --watch"
    )]
    Status {
        #[command(flatten)]
        place: Place,
        /// Print one JSON document on standard output and nothing else there.
        #[arg(long)]
        json: bool,
        /// Show it again whenever it changes, until interrupted.
        #[arg(long)]
        watch: bool,
    },
    /// End the agent of this machine: its command first, then it tells the others, of whom another takes over.
    #[command(after_help = "Example:\n  cloudchamber-agent leave --folder ~/Sync/team")]
    Leave {
        #[command(flatten)]
        place: Place,
    },
    /// Make a replica active. The agent of this machine asks whoever is to hand over.
    #[command(
        after_help = "Example:\n  cloudchamber-agent activate --folder ~/Sync/team server:/home/me/Sync/team"
    )]
    Activate {
        #[command(flatten)]
        place: Place,
        /// Its id, as `status` shows it.
        #[arg(value_name = "REPLICA")]
        replica: String,
    },
    /// Remove the files of a replica that will not come back. No agent does that by itself: one that is silent may be asleep.
    #[command(
        visible_alias = "remove",
        after_help = "Example:\n  cloudchamber-agent forget --folder ~/Sync/team server:/home/me/Sync/team"
    )]
    Forget {
        #[command(flatten)]
        place: Place,
        /// Its id, as `status` shows it.
        #[arg(value_name = "REPLICA")]
        replica: String,
    },
    /// Say that the folder was emptied on purpose: the agent of this machine works on in it as it is.
    ///
    /// An agent that finds none of the files that it knows takes the folder to be away, as an unmounted file system
    /// leaves it, and waits.
    #[command(after_help = "Example:\n  cloudchamber-agent accept --folder ~/Sync/team")]
    Accept {
        #[command(flatten)]
        place: Place,
    },
    /// Change who votes, one at a time; on the machine that is active, under the policy majority.
    #[command(
        after_help = "Example:\n  cloudchamber-agent voters --folder ~/Sync/team add server:/home/me/Sync/team"
    )]
    Voters {
        #[command(flatten)]
        place: Place,
        /// Whether there is to be one more or one less.
        #[arg(value_enum, value_name = "HOW")]
        how: How,
        /// Its id, as `status` shows it.
        #[arg(value_name = "REPLICA")]
        replica: String,
    },
    /// What `run` starts: not for people.
    #[command(hide = true)]
    Guard {
        #[arg(long)]
        local: PathBuf,
        #[arg(long)]
        grace_ms: u64,
        #[arg(long)]
        warn_ms: u64,
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

/// Which replica of this machine is meant.
#[derive(Args)]
pub(crate) struct Place {
    /// The shared folder.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// The directory that never leaves this machine. By default one of this folder's and name's own among the
    /// user's data.
    #[arg(long, value_name = "DIR")]
    local: Option<PathBuf>,
    /// A name for this machine's replica, which becomes part of its id: for several on one machine.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

#[derive(Args)]
pub(crate) struct Run {
    #[command(flatten)]
    place: Place,
    /// What is given up where files are late without bound.
    #[arg(long, value_enum, default_value_t)]
    policy: PolicyName,
    /// Whose client copies the folder: how long that may take decides how soon a silent machine is suspected.
    ///
    /// One of dropbox, gdrive, git, icloud, onedrive, perfect, rclone, syncthing and unison; or the path of a profile that
    /// `probe` has written, which ends with .toml and is the same on all machines.
    #[arg(long, value_name = "NAME|FILE", default_value = "icloud")]
    provider: Client,
    /// A replica that votes, by its id (`[name@]host:directory`), once for each; for the policy majority.
    #[arg(long = "voter", value_name = "REPLICA")]
    voters: Vec<String>,
    /// A TOML file with single constants in place of the provider's, such as `propagation_ms = 20000`.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// How long the command has between TERM and KILL when the agent leaves or hands over. At the end of a lease it has
    /// less.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    grace: u64,
    /// Tell what happens as JSON, a line each, on standard error: standard output is the command's.
    #[arg(long)]
    json: bool,
    /// The command and its arguments.
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, Default, ValueEnum)]
enum PolicyName {
    /// A lone survivor may act; two may be active where files are later than the provider's bound.
    #[default]
    Available,
    /// Never two active, however late files are; nobody is without a majority of the voters.
    Majority,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum How {
    Add,
    Remove,
}

impl Failover {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(run) => run.run(),
            Self::Status { place, json, watch: false } => run_status(&place, json),
            Self::Status { place, json, watch: true } => watch_status(&place, json),
            Self::Leave { place } => place.ask(
                &Command::Leave,
                "the agent ends its command, tells the others and ends; `status` shows when it has",
                WAITS,
            ),
            Self::Activate { place, replica } => {
                let asked =
                    format!("the active one is asked to hand over to {replica}; `status` shows when it has");
                place.ask(&Command::Activate { device: replica }, &asked, WAITS)
            }
            Self::Forget { place, replica } => {
                let waits = "its files are being removed, once the shared folder is there; `status` shows when they are gone";
                place.ask(&Command::Remove { device: replica }, waits, waits)
            }
            Self::Accept { place } => {
                place.ask(&Command::Accept, "the folder is taken as it is", ACCEPTED_NOTHING)
            }
            Self::Voters { place, how, replica } => {
                let change = match how {
                    How::Add => VoterChange::Add { replica },
                    How::Remove => VoterChange::Remove { replica },
                };
                place.ask(&Command::Voters { change }, "the voters are changed", WAITS)
            }
            Self::Guard { local, grace_ms, warn_ms, command } => {
                guard::serve(&Charge { command, local, grace_ms, warn_ms })
                    .context("`guard` is what `run` starts: use `run`")?;
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

impl Place {
    fn local(&self) -> anyhow::Result<PathBuf> {
        let (folder, name) = (local::real(&self.folder)?, self.name.as_deref());
        if let Some(local) = &self.local {
            return local::make(local, &folder, Synced::Everything);
        }
        let local = local::make(&local::default(&folder, name)?, &folder, Synced::Everything)?;
        if let Some(said) = local::remember(&local, &folder, name)? {
            eprintln!("cloudchamber-agent: {said}");
        }
        Ok(local)
    }

    /// Has the agent of this machine do something, and says that it is done or what it waits for.
    fn ask(&self, command: &Command, done: &str, waits: &str) -> anyhow::Result<ExitCode> {
        let local = self.local()?;
        if Lock::attempt(&local.join("agent"))?.is_some() {
            bail!(
                "{}: no agent runs here: start one with `run`, or ask on a machine where one does",
                local.display()
            );
        }
        let answer = asks::ask(&local, command, ANSWER)
            .with_context(|| format!("{}: the agent cannot be asked", local.display()))?;
        match answer {
            Some(Answer::Written) => say(done),
            Some(Answer::Waits) => say(waits),
            Some(Answer::Refused { because }) => {
                eprintln!("error: refused: {because}");
                return Ok(verdict(true));
            }
            None => bail!("the agent did not answer within {} s: see whether it hangs", ANSWER.as_secs()),
        };
        Ok(ExitCode::SUCCESS)
    }
}

/// Whether a shell would find the program: better known now than when it is needed.
fn is_program(program: &OsStr) -> bool {
    find_program(program).is_some()
}

/// Where a shell would find the program; `None` if it would not.
fn find_program(program: &OsStr) -> Option<PathBuf> {
    let path = OsPath::new(program);
    if path.components().count() > 1 {
        return path.is_file().then(|| path.to_owned());
    }
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&dirs).map(|dir| dir.join(path)).find(|path| path.is_file())
}

impl Run {
    fn run(self) -> anyhow::Result<ExitCode> {
        if let Some(program) = self.command.first().filter(|program| !is_program(program)) {
            bail!(
                "{}: there is no such program: give one with its path, or add its place to PATH",
                program.display()
            );
        }
        let (place, json) = (self.place, self.json);
        let policy = match self.policy {
            PolicyName::Available => Policy::Available,
            PolicyName::Majority => Policy::Majority,
        };
        let mut hardened = settings::hardened(&self.provider, policy, self.settings.as_deref())?;
        if !self.voters.is_empty() {
            hardened.voters = self.voters;
        }
        let warn_ms = hardened.act_margin_ms;
        let local = place.local()?;
        let (identity, before) = settings::identity(place.name.clone(), &place.folder, &local)?;
        if let Some(now) = before {
            eprintln!(
                "cloudchamber-agent: this replica would be {now} now; it goes on under the name it has"
            );
        }
        warn_of_halves(&local::real(&place.folder)?);
        let id = identity.device_id();
        let config = settings::config(identity, hardened, &local)?;
        let hardened = &config.hardened;
        let is_it = |voter: &String| {
            voter.strip_prefix(&*id).is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
        };
        if hardened.policy == Policy::Majority && !hardened.voters.iter().any(is_it) {
            eprintln!(
                "cloudchamber-agent: warning: {id} is not among the voters ({}), so it neither votes nor leads until somebody \
                 adds it: if it is one of them whose computer, user or folder got another name, start it with the --local \
                 that it had; else run `voters add {id}` where one is active, and `voters remove` for the one that is gone",
                hardened.voters.join(", ")
            );
        }
        let Some(lock) = Lock::attempt(&local.join("agent"))? else {
            bail!(
                "{}: another agent runs with this local directory: end it, or give this one a --name, and a --local of \
                 its own where one is given",
                local.display()
            );
        };
        let grace_ms = self.grace.saturating_mul(1_000);
        let charge = Charge { command: self.command, local, grace_ms, warn_ms };
        let mut log = Log::default();
        let mut tell = |told: Told<'_>| {
            let line = match json {
                true => Some(as_json(&told).to_string()),
                false => line(&mut log, &told),
            };
            line.iter().for_each(|line| eprintln!("{line}"));
        };
        let agent = Agent::open(config, charge, &place.folder, lock, &mut tell)?;
        if !json {
            eprintln!("{}", Log::line(&format!("cloudchamber-agent: this replica is {}", agent.id())));
        }
        match agent.run()? {
            Ended::Asked => Ok(ExitCode::SUCCESS),
            Ended::Command(code) => Ok(ExitCode::from(code)),
            Ended::Unstarted(why) => bail!("the command cannot be started: {why}"),
        }
    }
}

/// Says if a client has made two folders of this one.
fn warn_of_halves(folder: &OsPath) {
    for half in halves(folder) {
        eprintln!(
            "cloudchamber-agent: warning: {} is another half of this folder: agents in the two do not see each other; bring \
             all machines into one of them (`doctor` says more)",
            half.display()
        );
    }
}

fn run_status(place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    if let Ok(folder) = local::real(&place.folder) {
        warn_of_halves(&folder);
    }
    say(&status_text(place, json)?);
    Ok(ExitCode::SUCCESS)
}

/// How often it is looked whether a status has changed.
const WATCH: Duration = Duration::from_secs(1);

/// Shows the status whenever it changes by more than ages, until nobody listens any more.
fn watch_status(place: &Place, json: bool) -> anyhow::Result<ExitCode> {
    let is_terminal = std::io::stdout().is_terminal();
    let (mut shown, mut before) = (String::new(), None);
    loop {
        let text = status_text(place, json)?;
        let now = without_ages(&text);
        // On a terminal ages go on; elsewhere each line that is written is read by somebody.
        let changed = if is_terminal { text != shown } else { before.as_ref() != Some(&now) };
        if changed {
            let top = if is_terminal { "\x1b[H\x1b[2J" } else { "" };
            if !say(&format!("{top}{text}")) {
                return Ok(ExitCode::SUCCESS);
            }
            (shown, before) = (text, Some(now));
        }
        std::thread::sleep(WATCH);
    }
}

/// A status without what changes by itself: the words that follow numbers, and ages as JSON has them.
fn without_ages(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.contains("geMs\""));
    let words = lines.flat_map(|line| line.split_whitespace().filter(|word| !is_age(word)).chain(["\n"]));
    words.collect::<Vec<_>>().join(" ")
}

fn is_age(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit()) || ["s", "min", "h", "d", "ahead"].contains(&word)
}

/// Whether a device is the one of a local directory and its process is gone. By that directory's random part alone: names
/// of computers and folders may be alike on two machines.
fn is_gone(device: &DeviceStatus, local: &OsPath) -> bool {
    #[derive(serde::Deserialize)]
    struct Own {
        random: String,
    }
    let own = std::fs::read(local.join("identity.json")).ok();
    let Some(Own { random }) = own.and_then(|bytes| serde_json::from_slice(&bytes).ok()) else {
        return false;
    };
    let is_own = device.replica.as_deref().is_some_and(|id| !random.is_empty() && id.ends_with(&random));
    let process = device.process_id.and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // A process of another user is there all the same.
    is_own && process.is_some_and(|pid| matches!(test_kill_process(pid), Err(Errno::SRCH)))
}

fn status_text(place: &Place, json: bool) -> anyhow::Result<String> {
    let local =
        place.local.clone().map_or_else(|| local::default(&place.folder, place.name.as_deref()), Ok)?;
    let (me, _) = settings::identity(place.name.clone(), &place.folder, &local)?;
    let me = me.device_id();
    // Nothing of it is in the local directory, so none is made.
    let fs = OsFs::new(&place.folder, &place.folder);
    let mut found = status(&fs, clock::now().wall, &Timing::document(), Some(&me));
    found.mark_dead(|device| is_gone(device, &local));
    if json {
        return Ok(format!("{:#}", serde_json::to_value(&found)?));
    }
    if found.devices.is_empty() && found.active.is_none() {
        let none =
            "no replica has run in this folder yet, or its files have not arrived: start one with `run`";
        let missing = ProblemKind::Unreadable(cloudchamber_core::FsError::NotFound);
        let problems = found.problems.iter().filter(|problem| problem.kind != missing);
        let problems = problems.map(|problem| format!("\nproblem: {} {}", problem.path, problem.kind));
        return Ok(none.to_owned() + &problems.collect::<String>());
    }
    Ok(found.to_string().trim_end().to_owned())
}

/// The line that a log has of it; `None` if it has none, or had it a short while ago.
fn line(log: &mut Log, told: &Told<'_>) -> Option<String> {
    let text = format!("cloudchamber-agent: {}", sentence(told)?);
    // Whether the command runs is told whenever it changes; what may go on and on is not.
    match told {
        Told::Event(
            Event::BecameActive { .. }
            | Event::BecameStandby { .. }
            | Event::Nominated { .. }
            | Event::ActivationWritten { .. }
            | Event::VotersWritten { .. },
            _,
        ) => Some(Log::line(&text)),
        Told::Event(..) => log.once(&text),
        Told::Ended { .. } | Told::Leaving(_) | Told::Started { .. } | Told::Untold => Some(Log::line(&text)),
    }
}

impl Run {
    /// The same as a service: with whole paths, so that it does not matter from where it is started.
    ///
    /// # Errors
    /// If the folder or the command's program is not there, or a path is no text.
    pub(super) fn service(&self, config: Option<&OsPath>) -> anyhow::Result<Service> {
        let Self { place, policy, provider, voters, settings, grace, json, command } = self;
        let text = |path: &OsPath| {
            let path = std::path::absolute(path)?;
            path.to_str()
                .map(str::to_owned)
                .with_context(|| format!("{}: its path is not UTF-8", path.display()))
        };
        let folder = local::real(&place.folder)?;
        let mut line = vec![text(&std::env::current_exe()?)?, "run".to_owned()];
        let mut add = |option: &str, value: String| line.extend([option.to_owned(), value]);
        if let Some(config) = config {
            add("--config", text(config)?);
        }
        add("--folder", text(&folder)?);
        if let Some(local) = &place.local {
            add("--local", text(local)?);
        }
        if let Some(name) = &place.name {
            add("--name", name.clone());
        }
        if let Some(policy) = policy.to_possible_value() {
            add("--policy", policy.get_name().to_owned());
        }
        add(
            "--provider",
            match provider {
                Client::Known(name, _) => (*name).to_owned(),
                Client::Measured(profile) => text(profile)?,
            },
        );
        voters.iter().for_each(|voter| add("--voter", voter.clone()));
        if let Some(settings) = settings {
            add("--settings", text(settings)?);
        }
        add("--grace", grace.to_string());
        if *json {
            line.push("--json".into());
        }
        line.push("--".into());
        let (program, arguments) = command.split_first().context("a command is missing after --")?;
        let program = find_program(program).with_context(|| {
            format!(
                "{}: there is no such program: give one with its path, or add its place to PATH",
                program.display()
            )
        })?;
        line.push(text(&program)?);
        for word in arguments {
            let word = word.to_str().with_context(|| format!("{}: it is not UTF-8", word.display()))?;
            line.push(word.to_owned());
        }
        let called = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let called = [Some(called), place.name.clone()].into_iter().flatten().collect::<Vec<_>>().join("-");
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        Ok(Service {
            name: format!("cloudchamber-{}", called.chars().map(plain).collect::<String>()),
            about: format!(
                "cloudchamber-agent: a command on one of the machines that share {}",
                folder.display()
            ),
            line,
            directory: text(&std::env::current_dir()?)?,
            // To tell the others takes as long as its file has to rest.
            stop_s: grace.saturating_add(90),
        })
    }
}

fn as_json(told: &Told<'_>) -> serde_json::Value {
    match told {
        Told::Event(event, term) => {
            let mut value = json!(event);
            value["term"] = (*term).into();
            value
        }
        Told::Started { process, term } => {
            json!({ "event": "command-started", "process": process, "term": term })
        }
        Told::Ended { code, asked } => json!({ "event": "command-ended", "code": code, "asked": asked }),
        Told::Leaving(ms) => json!({ "event": "leaving", "at_most_ms": ms }),
        Told::Untold => json!({ "event": "left-untold" }),
    }
}

/// What a person wants to know of it; nothing of what happens every few seconds.
fn sentence(told: &Told<'_>) -> Option<String> {
    Some(match told {
        Told::Event(event, term) => return of_event(event, *term),
        Told::Started { process, term } => format!("the command runs as process {process}, in term {term}"),
        Told::Ended { code, asked: true } => format!("the command was ended (exit status {code})"),
        Told::Ended { code, asked: false } => format!("the command ended by itself with exit status {code}"),
        Told::Leaving(ms) => {
            format!(
                "leaving, as soon as the others can be told, within {} s; interrupt again to go at once",
                ms.div_ceil(1_000)
            )
        }
        Told::Untold => "left without telling the others: they will notice its silence".into(),
    })
}

fn of_event(event: &Event, term: u64) -> Option<String> {
    Some(match event {
        Event::BecameActive { because: ActiveBecause::LocalOnly } => {
            "active without the shared folder, beside whoever else is: it was configured so".into()
        }
        Event::BecameActive { .. } => format!("active, in term {term}"),
        Event::BecameStandby { because } => format!("standby: {}", reason(*because)),
        // One that has stepped down of itself was not silent.
        Event::Suspected { leader: Some(leader), silent_ms: Some(ms) } if *ms >= 1_000 => {
            format!("{leader} is silent for {} s", ms / 1_000)
        }
        Event::TermClaimed { term } => format!("stands for term {term}"),
        Event::ClaimGivenUp { because: GivenUpBecause::OtherSettings } => {
            "another that lives has other settings: giving up until they agree".into()
        }
        Event::ClaimGivenUp { .. } => "no majority answered: giving up for now".into(),
        Event::Nominated { target } => format!("asked for {target} to be made active"),
        Event::ActivationWritten { target } => format!("handed over to {target}"),
        Event::ActivationRefused { target, because } => {
            format!("{target} was not made active: {}", asks::words(*because))
        }
        Event::VotersWritten { .. } => "the voters are changed".into(),
        Event::VotersRefused { because } => format!("the voters were not changed: {}", asks::words(*because)),
        Event::FellBack { error } => format!(
            "the shared folder cannot be used, waiting for it: {error}; if it was emptied on purpose, say so with \
             `cloudchamber-agent accept`"
        ),
        Event::Returned => "the shared folder is back".into(),
        Event::IdentityCopied { path } => {
            format!("another process goes by the same identity ({path}): this one takes a new one")
        }
        Event::DeviceRemoved { path, .. } => format!("removed {path}, as asked"),
        Event::ProblemFound { path, kind } => format!("{path} {kind}"),
        _ => return None,
    })
}

fn reason(because: StandbyBecause) -> &'static str {
    match because {
        StandbyBecause::FoundAnotherNamed => "another one is active",
        StandbyBecause::LostClaim => "another one came first",
        StandbyBecause::StateUnreadable => "who is active cannot be read",
        StandbyBecause::FolderAway => "the shared folder is away",
        StandbyBecause::FolderBack => "the shared folder is back, and whoever is active there goes on",
        StandbyBecause::HandedOver => "it handed over",
        StandbyBecause::IdentityCopied => "another process goes by the same identity",
        StandbyBecause::LeaseOver => "its lease is over",
        StandbyBecause::Left => "it leaves",
    }
}
