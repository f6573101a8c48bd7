//! The deterministic simulator: the cloud folder in virtual time.
//!
//! madsim drives time: each replica is a node that runs the one driver loop, is killed and restarted, paused
//! and resumed; the courier is a node that moves versions when they are due. The rest is a
//! [`Stage`](cloudchamber_folder::stage::Stage). Randomness comes from independent ChaCha streams
//! ([`cloudchamber_folder::streams`]), and what happened is hashed choice by choice, so that a second run of a seed is
//! compared, not assumed equal.
//!
//! # Deliberately absent
//! Knowledge of any protocol.

#[cfg(not(madsim))]
compile_error!(
    "the flag `--cfg madsim` got lost: .cargo/config.toml sets it, but an environment variable RUSTFLAGS (or \
     RUSTDOCFLAGS) replaces what is written there, and so does calling cargo from outside the workspace; unset \
     the variable, or add `--cfg madsim` to it"
);

#[cfg(madsim)]
mod run;
#[cfg(madsim)]
mod swarm;

#[cfg(madsim)]
pub use run::{Run, run, watch};
#[cfg(madsim)]
pub use swarm::{Fault, Harvest, RUN_MS, Swarm, Violated, fails, swarm};
