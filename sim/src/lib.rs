//! The deterministic simulator: runs in virtual time, and swarms of them.
//!
//! What is due when is the [stage](cloudchamber_folder::stage)'s business, and so is who goes first where several are
//! due in one millisecond. So a run ([`run()`]) follows from its scenario alone: one loop lets the stage advance. Under
//! madsim the same scenario is the same run ([`reference()`]): there each actor of the stage is a task, the courier and
//! each replica on a node of their own, which is killed and restarted, paused and resumed with the replica. A
//! [`Swarm`] runs the scenarios that it draws from many seeds side by side. What happened is hashed choice by choice, so
//! that the two are compared, not assumed equal. An exploration ([`explore()`]) lets runs begin where others came to
//! something new.
//!
//! # Deliberately absent
//! Knowledge of any protocol, and of what a folder does.

#[cfg(not(madsim))]
compile_error!(
    "the flag `--cfg madsim` got lost: .cargo/config.toml sets it, but an environment variable RUSTFLAGS (or \
     RUSTDOCFLAGS) replaces what is written there, and so does calling cargo from outside the workspace; unset \
     the variable, or add `--cfg madsim` to it"
);

#[cfg(madsim)]
mod explore;
#[cfg(madsim)]
mod run;
#[cfg(madsim)]
mod swarm;
#[cfg(madsim)]
mod tasks;

#[cfg(madsim)]
pub use explore::{Broken, Explored, Way, explore, retraced};
#[cfg(madsim)]
pub use run::{Run, run, watch};
#[cfg(madsim)]
pub use swarm::{Fault, Harvest, Shape, Swarm, Violated, breaks, fails, swarm};
#[cfg(madsim)]
pub use tasks::reference;
