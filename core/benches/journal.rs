//! Reading and merging a million events of eight machines.

use std::fmt::Write;
use std::hint::black_box;

use cloudchamber_core::journal::Design;
use cloudchamber_core::journal::file::{File, Reading};
use cloudchamber_core::journal::merge::merge;
use cloudchamber_core::journal::schema::Log;
use cloudchamber_core::journal::view::Source;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const EVENTS: usize = 1_000_000;
const MACHINES: usize = 8;

/// Messages with some edits, reactions and deletions, about 290 bytes each, as one machine writes them.
fn log(machine: usize) -> String {
    let mut text = String::new();
    for n in 0..EVENTS / MACHINES {
        let at = 1_767_137_342 + n;
        match n % 20 {
            17 => writeln!(text, r#"{{"type":"message_update","id":"msg-{machine}-{}","body":"edited body number {n}","edited_at":{at}}}"#, n - 5),
            18 => writeln!(text, r#"{{"type":"reaction","message_guid":"msg-{machine}-{}","agent_id":"adam","emoji":"+1","reacted_at":{at}123}}"#, n - 5),
            19 if n % 100 == 99 => writeln!(text, r#"{{"type":"message_delete","id":"msg-{machine}-{}","deleted_by":"adam","seq":{n},"ts":{at}}}"#, n - 5),
            _ => writeln!(text, r#"{{"type":"message","id":"msg-{machine}-{n}","channel_id":"ch-xkzte3i1","home":"room","from_agent":"agent{}","origin":"machine{machine}","seq":{n},"body":"body number {n} of machine {machine}, with a few words more","mentions":[],"message_type":"agent","reply_to":null,"ts":{at},"edited_at":null,"archived_at":null}}"#, n % 17),
        }.expect("a string takes any text");
    }
    text
}

fn journals(c: &mut Criterion) {
    let logs: Vec<_> = (0..MACHINES).map(log).collect();
    let names: Vec<_> = (0..MACHINES).map(|machine| format!("machine{machine}")).collect();
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
    let sources: Vec<_> = (0..MACHINES)
        .map(|at| Source {
            name: &names[at],
            directory: &names[at],
            machine: &names[at],
            log: Some(Log::Messages),
            bytes: logs[at].as_bytes(),
            file: &files[at],
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
