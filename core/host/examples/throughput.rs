//! `cargo run --release -p cloudchamber-host --example throughput -- [EVENTS]`: how fast journals are read, merged
//! and rebuilt, beside SQLite alone; a million events of eight machines where no number is given.

#![allow(clippy::print_stderr, clippy::print_stdout, reason = "a tool that prints figures")]

use cloudchamber_host::database::Progress;
use cloudchamber_host::throughput::{Load, measure};

/// Says on standard error what is being done.
#[derive(Debug)]
struct Told;

impl Progress for Told {
    fn step(&self, what: &'static str, _: u64) {
        eprintln!("{what}");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = std::env::args().nth(1).map(|events| events.parse()).transpose()?;
    let load = Load { events: events.unwrap_or(Load::MILLION.events), ..Load::MILLION };
    let dir = tempfile::tempdir()?;
    for stage in measure(dir.path(), load, &Told)? {
        println!(
            "{:36} {:>9} events  {:>6} ms  {:>6} ms of processor time  {:>9} events per second of it",
            stage.name,
            stage.events,
            stage.wall.as_millis(),
            stage.cpu.as_millis(),
            stage.events_per_cpu_s(),
        );
    }
    Ok(())
}
