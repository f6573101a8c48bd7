//! The `cloudchamber` command: runs scenarios, replays traces, lets swarms loose, and reports what they found.
//!
//! - [`cli`]: what can be written on the command line,
//! - [`commands`]: one module a subcommand,
//! - [`mod@bench`]: failover times beside the bound, and how fast journals are,
//! - [`check`]: the parts of the main job,
//! - [`claims`]: what documents claim, measured,
//! - [`json`]: the reports as data; [`tables`] and [`html`] show them to people,
//! - [`story`]: traces in plain sentences; [`timeline`]: traces as they are drawn,
//! - [`known`]: what the command has to know of a system beyond the harness.
//!
//! # Deliberately absent
//! Decisions on what holds: those are the checkers' and the scenarios' expectations.

mod bench;
mod check;
mod claims;
mod cli;
mod commands;
mod failure;
mod files;
mod html;
mod json;
mod known;
mod memory;
mod progress;
mod reproduce;
mod story;
mod tables;
mod timeline;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;

use crate::cli::Cli;
use crate::failure::Verdict;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match std::panic::catch_unwind(|| commands::run(cli)) {
        Ok(Ok(Verdict::AsExpected)) => ExitCode::SUCCESS,
        Ok(Ok(Verdict::Missed)) => ExitCode::from(1),
        Ok(Err(failure)) => {
            eprintln!("cloudchamber: {failure}");
            ExitCode::from(2)
        }
        // The panic's own message, and the seed where it happened in a run, are on standard error already.
        Err(_) => {
            eprintln!(
                "cloudchamber: a rule of the program's own was broken; the lines above say which and where"
            );
            ExitCode::from(1)
        }
    }
}

/// Help and version go out whole; a mistake gets one line.
fn usage(error: &clap::Error) -> ExitCode {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // Nobody is left to tell where standard output is closed.
        drop(error.print());
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let said: Vec<_> = text.lines().take_while(|line| !line.starts_with("Usage:")).map(str::trim).collect();
    let said = said.join(" ");
    let said = said.strip_prefix("error: ").unwrap_or(&said).trim();
    // Without a subcommand clap's message is the help text; its first sentence says nothing about the mistake.
    let said = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "a subcommand is missing",
        _ => said.split(" For more information").next().unwrap_or(said).trim(),
    };
    eprintln!("cloudchamber: {said}; `--help` says what can be written, with an example");
    ExitCode::from(2)
}
