//! The `cloudchamber` command: runs scenarios, replays traces, lets swarms loose, and reports what they found. And all
//! that a crate needs to have the same for a protocol of its own.
//!
//! # A protocol of one's own
//! A crate that depends on this one alone writes a [`Protocol`](prelude::Protocol), its checkers
//! ([`Checks`](prelude::Checks)), and a [`PlainSystem`](prelude::PlainSystem) that ties them together.
//! - `cloudchamber::main::<MySystem>()` is then the whole command for it, or for a [list](systems!) of systems.
//! - [`assert_holds`], [`assert_files`] and [`Runs`] are the same as plain tests.
//!
//! `examples/lease` is such a program, `template` a crate to begin with, and `docs/adding-a-system.md` goes through both.
//!
//! ```no_run
//! use cloudchamber::folder::systems::failover::FailoverSystem;
//! use cloudchamber::prelude::*;
//!
//! fn main() -> std::process::ExitCode {
//!     cloudchamber::main::<FailoverSystem>()
//! }
//!
//! #[test]
//! fn it_holds() {
//!     cloudchamber::assert_holds::<FailoverSystem>(0..100);
//!     let published = cloudchamber::Runs::<FailoverSystem>::of(0..100).design(Design::Published);
//!     published.assert_violates("at_most_one_active");
//! }
//! ```
//!
//! # In layers
//! Each knows only those below it, and none knows itself in a circle:
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

mod called;
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

pub use cloudchamber_core as protocols;
pub use cloudchamber_folder as folder;
pub use cloudchamber_folder::systems;
pub use jobs::holds::{Runs, assert_files, assert_holds};
pub use serde;

/// What a file with a protocol, its checkers and its system names.
pub mod prelude {
    pub use cloudchamber_core::{
        Content, Cx, Design, Draw, Entry, Fs, FsError, FsOp, Input, Mono, Never, Now, Path, Protocol, Rng,
        WallMs,
    };
    pub use cloudchamber_folder::checks::{Checker, Checks, Findings, Kind, Violation};
    pub use cloudchamber_folder::scenario::Scenario;
    pub use cloudchamber_folder::telling::Telling;
    pub use cloudchamber_folder::world::{Choice, ChoiceOf, Effects, Setup, World};
    pub use cloudchamber_folder::{
        NoService, PlainSettings, PlainSystem, ReplicaId, Sample, Service, System, Variant,
    };
}

/// The command, for a system or the systems of a list: reads the command line, does what it says, and tells how that came
/// out. The commands that show something again, in reports, call it by cargo where cargo made it.
///
/// Ends with 0 as expected, 1 if a property was violated or an expectation missed, 2 if the command line or a file could
/// not be read.
#[must_use]
pub fn main<L: Systems>() -> ExitCode {
    main_called::<L>(&called::here())
}

/// As [`main`], where a person calls the program in another way than it can tell by itself.
#[must_use]
pub fn main_called<L: Systems>(call: &str) -> ExitCode {
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
