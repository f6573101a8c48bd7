//! Reading and merging a million events of eight machines.

use std::hint::black_box;

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::address::Aliases;
use cloudchamber_core::journal::file::{File, Reading};
use cloudchamber_core::journal::line::Text;
use cloudchamber_core::journal::merge::merge;
use cloudchamber_core::journal::sample::{machine_id, messages};
use cloudchamber_core::journal::schema::Log;
use cloudchamber_core::journal::view::Source;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const EVENTS: usize = 1_000_000;
const MACHINES: usize = 8;

fn journals(c: &mut Criterion) {
    let logs: Vec<_> = (0..MACHINES).map(|machine| messages(machine, 0..EVENTS / MACHINES)).collect();
    let names: Vec<_> = (0..MACHINES).map(machine_id).collect();
    let bytes: usize = logs.iter().map(String::len).sum();
    let mut group = c.benchmark_group("journal");
    group.sample_size(10);
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function(format!("read {EVENTS} events, {} MB", bytes / 1_000_000), |b| {
        b.iter(|| {
            logs.iter().map(|log| File::read(log.as_bytes(), Reading::Salvage).records.len()).sum::<usize>()
        });
    });
    let files: Vec<_> = logs.iter().map(|log| File::read(log.as_bytes(), Reading::Salvage)).collect();
    let aliases = Aliases::default();
    let sources: Vec<_> = (0..MACHINES)
        .map(|at| Source {
            name: &names[at],
            directory: &names[at],
            machine: &names[at],
            log: Some(Log::Messages),
            text: Text::new(logs[at].as_bytes()),
            file: &files[at],
            aliases: &aliases,
        })
        .collect();
    for (name, design) in [("published", Design::PUBLISHED), ("hardened", Design::HARDENED)] {
        group.bench_function(format!("merge {EVENTS} events, {name}"), |b| {
            b.iter(|| black_box(merge(&design, &sources)).messages.len());
        });
    }
    group.finish();
}

criterion_group!(benches, journals);
criterion_main!(benches);
