//! Which runs: what every command says that lets many of them go.

use std::ops::Range;

use clap::Args;
use cloudchamber_core::Design;
use cloudchamber_sim::Shape;

use crate::commands::values::{designs, jobs, replicas, run_ms, switch};
use crate::failure::Failure;
use crate::jobs::swarm::{Order, switches};
use crate::jobs::workers;

#[derive(Args, Debug)]
pub(crate) struct RunsArgs {
    /// Which system.
    #[arg(long)]
    pub(crate) system: String,
    /// Which design of it.
    #[arg(long, value_parser = designs(), default_value = "hardened")]
    design: Design,
    /// Which variant of the design, in the system's words: of the hardened failover available or majority.
    #[arg(long, value_name = "NAME")]
    policy: Option<String>,
    /// Which provider: icloud, dropbox, gdrive, onedrive, syncthing, unison, rclone, git or perfect; or the path of a
    /// profile of one's own, which ends with .toml.
    #[arg(long, default_value = "icloud")]
    profile: String,
    /// How many go on side by side; as many as there are cores where it is absent.
    #[arg(long, value_name = "N", value_parser = jobs)]
    jobs: Option<usize>,
    /// A kind of fault that is on or off whatever the profile says; `all` for every kind.
    #[arg(long, value_name = "NAME=on|off", value_parser = switch)]
    fault: Vec<(String, bool)>,
    /// How many replicas there are; where it is absent two to five, and now and then a crowd.
    #[arg(long, value_name = "N|A-B", value_parser = replicas)]
    replicas: Option<[u64; 2]>,
    /// How long faults happen and people work in a run, such as 20m or 10m-2h; where it is absent ten minutes, and now and
    /// then hours or days.
    #[arg(long, value_name = "TIME|A-B", value_parser = run_ms)]
    run: Option<[u64; 2]>,
}

impl RunsArgs {
    /// These runs of some seeds, all of them, none twice.
    ///
    /// # Errors
    /// Where there is no such fault.
    pub(super) fn order(&self, seeds: Range<u64>) -> Result<Order, Failure> {
        let Self { system: _, design, policy, profile, jobs, fault, replicas, run } = self;
        Ok(Order {
            design: *design,
            policy: policy.clone(),
            profile: profile.clone(),
            faults: switches(fault)?,
            shape: Shape { replicas: *replicas, run_ms: *run },
            seeds,
            jobs: workers(*jobs),
            keep_going: true,
            recheck_every: 0,
        })
    }
}
