//! `cloudchamber-agent`: the protocols on real folders, for people and scripts.
//!
//! Each group of commands is a module of [`cli`]. A command ends with 0 as expected, 1 where a property was
//! violated, 2 on wrong usage or unreadable input, and one line that says what, where and the way out.

#![allow(clippy::print_stderr, reason = "a command tells people what it does, and why it cannot")]

mod cli;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Works on real folders that a sync client copies between machines.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:\n  cloudchamber-agent run --folder ~/Sync/team --provider syncthing -- ./mirror\n  \
                  cloudchamber-agent status --folder ~/Sync/team\n  \
                  cloudchamber-agent journal init --folder ~/Sync/project --machine laptop\n  \
                  cloudchamber-agent journal append --folder ~/Sync/project --from opus --say 'hello @dev@server'\n  \
                  cloudchamber-agent journal show --folder ~/Sync/project\n  \
                  cloudchamber-agent notes new --folder ~/Sync/notes 'Shopping'\n  \
                  cloudchamber-agent delta put --folder ~/Sync/tasks task t1 title='Buy milk'\n  \
                  cloudchamber-agent delta sync --folder ~/Sync/tasks\n  \
                  cloudchamber-agent doctor --folder ~/Sync/team\n\n\
                  Exit: 0 as expected, 1 a property was violated, 2 usage or unreadable input."
)]
struct Agent {
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
}

fn main() -> ExitCode {
    let result = match Agent::parse().group {
        Group::Failover(failover) => failover.run(),
        Group::Journal(journal) => journal.run(),
        Group::Notes(notes) => notes.run(),
        Group::Delta(delta) => delta.run(),
        Group::Doctor(doctor) => doctor.run(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // One line: what, where, and the way out.
            eprintln!("error: {}", format!("{error:#}").replace('\n', " "));
            ExitCode::from(2)
        }
    }
}
