//! `cloudchamber-agent`: the protocols on real folders, for people and scripts.
//!
//! Each group of commands is a module of [`cli`]. A command ends with 0 as expected, 1 where a property was
//! violated, 2 on wrong usage or unreadable input, and one line that says what, where and the way out.

#![allow(clippy::print_stderr, reason = "a command tells people what it does, and why it cannot")]

mod cli;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Command, CommandFactory, Parser, Subcommand};
use cloudchamber_host::options;

/// Works on real folders that a sync client copies between machines.
#[derive(Parser)]
#[command(
    name = "cloudchamber-agent",
    version,
    after_help = "Examples:\n  cloudchamber-agent run --folder ~/Sync/team --provider syncthing -- ./mirror\n  \
                  cloudchamber-agent status --folder ~/Sync/team\n  \
                  cloudchamber-agent journal init --folder ~/Sync/project --machine laptop\n  \
                  cloudchamber-agent journal append --folder ~/Sync/project --from opus --say 'hello @dev@server'\n  \
                  cloudchamber-agent journal show --folder ~/Sync/project\n  \
                  cloudchamber-agent notes new --folder ~/Sync/notes 'Shopping'\n  \
                  cloudchamber-agent delta put --folder ~/Sync/tasks task t1 title='Buy milk'\n  \
                  cloudchamber-agent delta sync --folder ~/Sync/tasks\n  \
                  cloudchamber-agent doctor --folder ~/Sync/team\n  \
                  cloudchamber-agent probe --folder ~/Sync/probe --name laptop\n  \
                  cloudchamber-agent record --folder ~/Sync/team --name laptop --own 'laptop/**' --output laptop.jsonl\n\n\
                  Exit: 0 as expected, 1 a property was violated, 2 usage or unreadable input."
)]
struct Agent {
    /// A TOML file with options of the commands, by their names, in place of a long line: `folder = "/home/me/Sync/team"`,
    /// `voter = ["a@h1:/sync", "b@h2:/sync"]`, `command = ["./mirror", "-v"]`. What the line gives counts over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    group: Group,
}

#[derive(Subcommand)]
enum Group {
    #[command(flatten)]
    Failover(cli::failover::Failover),
    /// Per-machine journals: messages, threads, questions and agents' state, merged from every machine.
    Journal(cli::journal::Journal),
    /// Notes that several machines write at once: what all have typed, merged, with a search.
    Notes(cli::notes::Notes),
    /// Entities, such as tasks and projects: each is synced on its own, and no edit is lost.
    Delta(cli::delta::Delta),
    /// What is wrong with a folder that a sync client copies, whoever wrote into it. Nothing is changed.
    Doctor(cli::doctor::Doctor),
    Probe(cli::probe::Probe),
    Record(cli::record::Record),
    Service(cli::service::Service),
    #[command(after_help = "Example:\n  cloudchamber-agent completions zsh > ~/.zfunc/_cloudchamber-agent")]
    Completions(cli::complete::Completions),
    #[command(after_help = "Example:\n  cloudchamber-agent man --dir ~/.local/share/man/man1")]
    Man(cli::complete::Man),
}

/// The command that a line calls, as far as it can be told without its options.
fn called(line: &[OsString]) -> Command {
    let mut command = Agent::command();
    for word in line.iter().skip(1).take_while(|word| *word != "--") {
        let below = word.to_str().and_then(|word| command.find_subcommand(word));
        if let Some(below) = below {
            command = below.clone();
        }
    }
    command
}

/// Every option of every command.
fn all_options(command: &Command, into: &mut Vec<String>) {
    into.extend(command.get_arguments().filter_map(|arg| arg.get_long()).map(str::to_owned));
    let shown = command.get_subcommands().filter(|below| !below.is_hide_set());
    shown.for_each(|below| all_options(below, into));
}

/// The command line with the options of the file that it names.
fn line() -> anyhow::Result<Vec<OsString>> {
    let line: Vec<OsString> = std::env::args_os().collect();
    let Some(file) = options::named(&line) else { return Ok(line) };
    let command = called(&line);
    let takes = |name: &str| match name {
        "command" => command.get_positionals().any(|arg| arg.is_last_set()),
        _ => command.get_arguments().any(|arg| arg.get_long() == Some(name)),
    };
    let known = || {
        let mut known = Vec::new();
        all_options(&Agent::command(), &mut known);
        known.retain(|name| name != "config");
        known.sort();
        known.dedup();
        known
    };
    options::with_file(line, file.as_ref(), &takes, &known)
}

fn main() -> ExitCode {
    let result = line().and_then(|line| run(Agent::parse_from(line)));
    match result {
        Ok(code) => code,
        Err(error) => {
            // One line: what, where, and the way out.
            eprintln!("error: {}", format!("{error:#}").replace('\n', " "));
            ExitCode::from(2)
        }
    }
}

fn run(agent: Agent) -> anyhow::Result<ExitCode> {
    match agent.group {
        Group::Failover(failover) => failover.run(),
        Group::Journal(journal) => journal.run(),
        Group::Notes(notes) => notes.run(),
        Group::Delta(delta) => delta.run(),
        Group::Doctor(doctor) => doctor.run(),
        Group::Probe(probe) => probe.run(),
        Group::Record(record) => record.run(),
        Group::Service(service) => service.run(agent.config.as_deref()),
        Group::Completions(completions) => completions.run(Agent::command()),
        Group::Man(man) => man.run(Agent::command()),
    }
}
