//! `cloudchamber-agent run`, `status`, `activate` and `voters`.

use std::ffi::{OsStr, OsString};
use std::path::{Path as OsPath, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use cloudchamber_core::failover::config::Timing;
use cloudchamber_core::failover::{
    ActiveBecause, Command, Event, GivenUpBecause, Policy, ProblemKind, Provider, StandbyBecause,
    VoterChange, status,
};
use cloudchamber_host::failover::asks::{self, Answer};
use cloudchamber_host::failover::guard::{self, Charge};
use cloudchamber_host::failover::{Agent, Ended, Told, settings};
use cloudchamber_host::halves::halves;
use cloudchamber_host::local::{self, Synced};
use cloudchamber_host::{Lock, OsFs, clock};
use serde_json::json;

use super::{print_json, say, verdict};

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
    #[command(after_help = "Example:\n  cloudchamber-agent status --folder ~/Sync/team")]
    Status {
        #[command(flatten)]
        place: Place,
        /// Print one JSON document on standard output and nothing else there.
        #[arg(long)]
        json: bool,
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
        after_help = "Example:\n  cloudchamber-agent remove --folder ~/Sync/team server:/home/me/Sync/team"
    )]
    Remove {
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
    #[arg(long, value_parser = providers(), default_value = "icloud")]
    provider: Provider,
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

/// Reads a provider's name, and lists them all in the help.
fn providers() -> impl TypedValueParser<Value = Provider> {
    let names =
        ["dropbox", "gdrive", "git", "icloud", "onedrive", "perfect", "rclone", "syncthing", "unison"];
    PossibleValuesParser::new(names).map(|name| Provider::named(&name).expect("each of them is known"))
}

impl Failover {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Run(run) => run.run(),
            Self::Status { place, json } => run_status(place, json),
            Self::Activate { place, replica } => {
                let asked =
                    format!("the active one is asked to hand over to {replica}; `status` shows when it has");
                place.ask(&Command::Activate { device: replica }, &asked, WAITS)
            }
            Self::Remove { place, replica } => {
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
        if let Some(local) = &self.local {
            return local::make(local, &self.folder, Synced::Everything);
        }
        let (folder, name) = (&self.folder, self.name.as_deref());
        let local = local::make(&local::default(folder, name)?, folder, Synced::Everything)?;
        if let Some(said) = local::remember(&local, folder, name)? {
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
    let path = OsPath::new(program);
    if path.components().count() > 1 {
        return path.is_file();
    }
    let dirs = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&dirs).any(|dir| dir.join(path).is_file())
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
        let mut hardened = settings::hardened(self.provider, policy, self.settings.as_deref())?;
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
        let mut tell = |told: Told<'_>| match json {
            true => eprintln!("{}", as_json(&told)),
            false => {
                if let Some(sentence) = sentence(&told) {
                    eprintln!("cloudchamber-agent: {sentence}");
                }
            }
        };
        let agent = Agent::open(config, charge, &place.folder, lock, &mut tell)?;
        if !json {
            eprintln!("cloudchamber-agent: this replica is {}", agent.id());
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

fn run_status(place: Place, json: bool) -> anyhow::Result<ExitCode> {
    if let Ok(folder) = local::real(&place.folder) {
        warn_of_halves(&folder);
    }
    let local =
        place.local.clone().map_or_else(|| local::default(&place.folder, place.name.as_deref()), Ok)?;
    let (me, _) = settings::identity(place.name, &place.folder, &local)?;
    let me = me.device_id();
    // Nothing of it is in the local directory, so none is made.
    let fs = OsFs::new(&place.folder, &place.folder);
    let found = status(&fs, clock::now().wall, &Timing::document(), Some(&me));
    if json {
        print_json(&serde_json::to_value(&found)?);
    } else if found.devices.is_empty() && found.active.is_none() {
        say("no replica has run in this folder yet, or its files have not arrived: start one with `run`");
        let missing = ProblemKind::Unreadable(cloudchamber_core::FsError::NotFound);
        for problem in found.problems.iter().filter(|problem| problem.kind != missing) {
            say(&format!("problem: {} {}", problem.path, problem.kind));
        }
    } else {
        say(found.to_string().trim_end());
    }
    Ok(ExitCode::SUCCESS)
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
