//! `cargo run --release -p cloudchamber-throughput --example throughput [-- merge|sync|load|discover]...`: what each
//! takes, once; all of them where none is named. `RECORDS=30000` is a shorter note.

#![allow(clippy::print_stdout, reason = "a tool that prints figures")]

use cloudchamber_throughput::{Timed, delta, merge, notes};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let asked: Vec<_> = std::env::args().skip(1).collect();
    let is_asked = |what: &str| asked.is_empty() || asked.iter().any(|asked| asked == what);
    if is_asked("merge") {
        print(&merge::measure(merge::ENTITIES));
    }
    if is_asked("sync") {
        print(&delta::measure(tempfile::tempdir()?.path(), delta::Load::TEN_THOUSAND)?);
    }
    if is_asked("load") {
        let records = std::env::var("RECORDS").ok().and_then(|r| r.parse().ok()).unwrap_or(100_000);
        print(&notes::measure_long(notes::Load { records, ..notes::Load::FULL }));
    }
    if is_asked("discover") {
        print(&notes::measure_discovery(tempfile::tempdir()?.path(), notes::Load::FULL)?);
    }
    Ok(())
}

fn print(rows: &[Timed]) {
    for row in rows {
        println!(
            "{:45} {:26} {:>8} {:>9} us {:>9} us of processor time {:>9} a second of it {}",
            row.task,
            row.by,
            row.things,
            row.wall.as_micros(),
            row.cpu.as_micros(),
            row.per_cpu_s(),
            row.files.map_or_else(String::new, |files| format!("{files:?}")),
        );
    }
}
