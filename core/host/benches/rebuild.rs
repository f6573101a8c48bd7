//! A million events of eight machines into SQLite: anew, and when a hundred more have come; beside what the
//! SQLite library alone takes to load and sort the same lines.

#![expect(clippy::unwrap_used, reason = "a benchmark stops where its surroundings are not what it needs")]

use std::time::{Duration, Instant};

use cloudchamber_core::journal::Design;
use cloudchamber_host::OsFs;
use cloudchamber_host::database::{Database, Progress};
use cloudchamber_host::throughput::{Load, append, sqlite_alone, write};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[derive(Debug)]
struct Silent;

impl Progress for Silent {
    fn step(&self, _: &'static str, _: u64) {}
}

fn rebuilds(c: &mut Criterion) {
    let load = Load::MILLION;
    let Load { events, machines, more } = load;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    write(&folder, load).unwrap();
    let fs = OsFs::new(&folder, dir.path().join("local"));
    let open = || Database::open(&dir.path().join("local/view.db"), Design::HARDENED).unwrap();
    let mut group = c.benchmark_group("rebuild");
    group.sample_size(10).throughput(Throughput::Elements(events as u64));
    group.bench_function(format!("{events} events anew"), |b| {
        b.iter(|| open().rebuild(&fs, true, &Silent).unwrap().records);
    });
    let alone = dir.path().join("alone.db");
    group.bench_function(format!("{events} lines, SQLite alone"), |b| {
        b.iter_with_setup(
            || std::fs::remove_file(&alone).unwrap_or_default(),
            |()| sqlite_alone(&folder, load, &alone).unwrap(),
        );
    });
    group.finish();
    let mut group = c.benchmark_group("update");
    group.sample_size(20);
    let mut next = events / machines;
    for machines in [1, machines] {
        group.bench_function(format!("{more} new events of {machines} machines in {events}"), |b| {
            b.iter_custom(|rounds| {
                let mut taken = Duration::ZERO;
                for _ in 0..rounds {
                    append(&folder, machines, next, more).unwrap();
                    next += more;
                    let started = Instant::now();
                    let rebuilt = open().rebuild(&fs, false, &Silent).unwrap();
                    taken += started.elapsed();
                    assert_eq!(rebuilt.full, None);
                }
                taken
            });
        });
    }
    group.finish();
}

criterion_group!(benches, rebuilds);
criterion_main!(benches);
