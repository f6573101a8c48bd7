//! The `cloudchamber` command: runs scenarios, replays traces, lets swarms loose, and reports what they found.
//!
//! [`main`] is the whole command for any list of systems. A program of three lines has it for systems of its own, beside
//! the built-in ones or without them; `examples/tally` is such a program with its system in it.
//!
//! In layers; each knows only those below it, and none knows itself in a circle:
//! - `commands`: one module a subcommand: arguments in, a job, its report shown, an exit status,
//! - `show`: reports on a terminal and as pages,
//! - `jobs`: what computes: runs, swarms, models, the check, the benches, the claims,
//! - `report`: reports as data, and as JSON.
//!
//! # Deliberately absent
//! Decisions on what holds: those are the checkers' and the scenarios' expectations.

#![allow(
    clippy::float_arithmetic,
    reason = "figures for people: rates, shares, scales of drawings. None decides anything"
)]
#![allow(clippy::print_stderr, reason = "a command tells people what it does, and why it cannot")]

mod commands;
mod failure;
mod files;
mod jobs;
mod report;
mod show;

use std::process::ExitCode;

use clap::error::ErrorKind;
use cloudchamber_folder::systems::Systems;

use crate::commands::cli::Cli;
use crate::failure::Verdict;

/// The command, for the systems of a list: reads the command line, does what it says, and tells how that came out.
/// `call` is how a person calls it from where they are; reports begin with that the commands that show something again.
///
/// Ends with 0 as expected, 1 if a property was violated or an expectation missed, 2 if the command line or a file could
/// not be read.
#[must_use]
pub fn main<L: Systems>(call: &'static str) -> ExitCode {
    jobs::reproduce::called(call);
    let cli = match Cli::read::<L>(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match std::panic::catch_unwind(|| commands::run::<L>(cli)) {
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
