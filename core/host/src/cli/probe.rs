//! `cloudchamber-agent probe`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use clap::Args;
use cloudchamber_host::probe::{Asked, Clocks, Outcome, probe};
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};

use super::{VIOLATED, print_json, say};

/// Measure what a sync client does: a ping for synced folders, between two or more machines.
///
/// Start one probe on each machine, in one folder that the client copies. They find each other through the folder, and
/// measure together for some minutes (an hour, with a client that works once a minute). Each ends by itself, with a table,
/// and removes what it wrote.
///
/// All that is written lies below `cloudchamber-probe` in the folder, hundreds of files up to --largest. A folder with
/// anything else in it is refused, since other changes would be measured too, unless --subfolder is given; what others wrote
/// is never touched.
#[derive(Args)]
#[command(
    after_help = "Measured: the delays of each way (new, replaced, rewritten, appended and removed files), a file\n\
    that is rewritten every second, batches and their order, how a version becomes visible and\n\
    whether half files are seen, large files, times of modification, names, links and modes, and\n\
    what two leave behind that write at once.\n\n\
    Two machines, Syncthing between them, each with its own name:\n  \
    laptop$ cloudchamber-agent probe --folder ~/Sync/probe --name laptop --client 'Syncthing 1.29'\n  \
    server$ cloudchamber-agent probe --folder ~/Sync/probe --name server --client 'Syncthing 1.29'\n\n\
    Three, with a profile for the simulator:\n  \
    cloudchamber-agent probe --folder ~/Dropbox/probe --name a --with b,c \\\n    \
    --client 'Dropbox 223' --profile dropbox-223.toml\n\n\
    Two folders of one machine, in two terminals, and quickly:\n  \
    cloudchamber-agent probe --folder ~/one --name one --rounds 3 --client 'rclone 1.75.2 bisync'\n  \
    cloudchamber-agent probe --folder ~/two --name two --rounds 3 --client 'rclone 1.75.2 bisync'\n\n\
    Clocks: how a round trip is divided between its ways cannot be measured through the folder; the\n\
    table says what remains uncertain. --clocks-within 50 says that both clocks are set to within\n\
    50 ms, such as by NTP.\n\n\
    Exit: 0 measured, 1 the other probes were not seen or the folder was lost, 2 usage."
)]
pub(crate) struct Probe {
    /// A folder that the client copies, with nothing in it.
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// What this probe is called: another one on each machine, of small letters, digits and `-`.
    #[arg(long, value_name = "NAME")]
    name: String,
    /// The names of the other probes. By default there is one other, whatever it is called.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    with: Vec<String>,
    /// How often each thing is measured. That of the probe whose name is the first in the alphabet counts. Percentiles need
    /// many: a 99th is told from 368 samples on.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    rounds: u32,
    /// After so long no further phase begins, and what is measured by then is told.
    #[arg(long, value_name = "MINUTES", default_value_t = 120)]
    max_minutes: u32,
    /// How long nothing may be seen of another probe.
    #[arg(long, value_name = "SECONDS", default_value_t = 900, value_parser = clap::value_parser!(u32).range(1..))]
    patience: u32,
    /// The length of the largest file.
    #[arg(long, value_name = "MIB", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1_024))]
    largest: u32,
    /// The client, its version, and settings that are not the default.
    #[arg(long, value_name = "TEXT", default_value = "a client whose name was not given")]
    client: String,
    /// The built-in profile that says what cannot be measured. By default the one whose name is in --client, otherwise
    /// `perfect`.
    #[arg(long, value_name = "PROFILE")]
    like: Option<String>,
    /// Measure the clocks by the files alone, also where both probes are on one machine.
    #[arg(long, conflicts_with = "clocks_within")]
    clocks_by_echo: bool,
    /// The clocks of all machines are set to within so much.
    #[arg(long, value_name = "MS")]
    clocks_within: Option<u32>,
    /// Use the folder although there is something else in it.
    #[arg(long)]
    subfolder: bool,
    /// Print one JSON document on standard output and nothing else there.
    #[arg(long)]
    json: bool,
    /// Write a profile, in which each value says whether it was measured.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
}

impl Probe {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        let ended = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&ended))
                .context("signals cannot be waited for")?;
        }
        let outcome =
            probe(&self.asked(), &|line| eprintln!("probe: {line}"), &|| ended.load(Ordering::Relaxed))?;
        match outcome {
            Outcome::Stopped(why) => {
                if self.json {
                    print_json(&json!({ "ok": false, "error": why }));
                }
                eprintln!("error: {why}");
                Ok(ExitCode::from(VIOLATED))
            }
            Outcome::Measured { table, mut json, profile, left } => {
                if let Some(file) = &self.profile {
                    std::fs::write(file, profile)
                        .with_context(|| format!("{}: give a file that can be written", file.display()))?;
                    eprintln!("probe: {} is written", file.display());
                }
                for path in left {
                    eprintln!("probe: {} is left: it is not this probe's", path.display());
                }
                if self.json {
                    json["ok"] = true.into();
                    print_json(&json);
                } else {
                    // A reader that has gone away wants no more lines.
                    let _ = table.iter().all(|line| say(line));
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }

    fn asked(&self) -> Asked {
        let stem = self.profile.as_ref().and_then(|file| file.file_stem());
        Asked {
            folder: self.folder.clone(),
            name: self.name.clone(),
            with: self.with.clone(),
            rounds: self.rounds,
            minutes_max: self.max_minutes,
            patience_s: self.patience,
            largest_bytes: u64::from(self.largest) << 20,
            client: self.client.clone(),
            like: self.like.clone(),
            clocks: match self.clocks_within {
                Some(ms) => Clocks::WithinMs(ms),
                None if self.clocks_by_echo => Clocks::Echo,
                None => Clocks::Auto,
            },
            is_beside: self.subfolder,
            profile_name: stem
                .map_or_else(|| "measured".to_owned(), |stem| stem.to_string_lossy().into_owned()),
        }
    }
}
