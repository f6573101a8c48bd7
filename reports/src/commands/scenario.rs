//! `scenario`: what a scenario file will do, and one to begin with.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use cloudchamber_folder::systems::Systems;

use crate::failure::{Failure, Verdict};
use crate::files;
use crate::jobs::explain::explain;
use crate::jobs::skeleton::{self, Begin};
use crate::show::text;

#[derive(Debug, Subcommand)]
pub(crate) enum ScenarioCommand {
    /// Tells in words what a scenario file will do: who is there, what happens when, and what has to hold.
    #[command(
        after_help = "Example: cloudchamber scenario explain scenarios/failover/c01-split-by-delay.toml"
    )]
    Explain {
        /// The scenario.
        #[arg(value_name = "SCENARIO.toml")]
        file: PathBuf,
    },
    /// Writes a scenario to begin with, in which everything that a file can say stands as a comment.
    #[command(
        after_help = "Example: cloudchamber scenario new --system journal --profile syncthing -o mine.toml"
    )]
    New(NewArgs),
}

#[derive(Args, Debug)]
pub(crate) struct NewArgs {
    /// The system.
    #[arg(long, default_value = "failover")]
    system: String,
    /// The design.
    #[arg(long, default_value = "hardened", value_parser = ["published", "hardened"])]
    design: String,
    /// The provider profile.
    #[arg(long, default_value = "syncthing")]
    profile: String,
    /// How many replicas.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=64))]
    replicas: u8,
    /// Where it goes; onto the terminal where it is absent. A file that is there is not written over.
    #[arg(short, long, value_name = "SCENARIO.toml")]
    output: Option<PathBuf>,
}

/// Explains a scenario, or writes one.
pub(crate) fn run<L: Systems>(command: &ScenarioCommand, json: bool) -> Result<Verdict, Failure> {
    match command {
        ScenarioCommand::Explain { file } => {
            let report = explain::<L>(file)?;
            files::print(&if json { files::to_json(&report) } else { text::scenario::text(&report) });
        }
        ScenarioCommand::New(args) => {
            let NewArgs { system, design, profile, replicas, output } = args;
            let text = skeleton::skeleton::<L>(&Begin { system, design, profile, replicas: *replicas })?;
            match output {
                None => files::print(&text),
                Some(file) => begin(file, &text)?,
            }
        }
    }
    Ok(Verdict::AsExpected)
}

/// Writes a file that is not there yet.
fn begin(file: &Path, text: &str) -> Result<(), Failure> {
    if file.exists() {
        return Err(Failure::new(format!("{}: is there already; name another file", file.display())));
    }
    files::write(file, text)
}
