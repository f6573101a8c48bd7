//! A note of a hundred thousand records: loaded beside `yrs` alone, written and read as a snapshot.

#![expect(clippy::unwrap_used, reason = "a benchmark stops where its surroundings are not what it needs")]

use std::hint::black_box;

use cloudchamber_core::Content;
use cloudchamber_core::notes::Kind;
use cloudchamber_core::notes::load::Loaded;
use cloudchamber_host::OsFs;
use cloudchamber_throughput::notes::{Load, Long, Site, by, put, task};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn long(c: &mut Criterion) {
    let load = Load::FULL;
    let long = Long::new(load);
    let files = long.files();
    let mut group = c.benchmark_group(task::LOAD);
    group.sample_size(10).throughput(Throughput::Elements(load.records as u64));
    group.bench_function(by::OURS, |b| {
        b.iter_batched(|| files.clone(), |files| black_box(long.load(files)), BatchSize::PerIteration);
    });
    group.bench_function(by::YRS, |b| b.iter(|| long.apply()));
    group.bench_function(by::YRS_EACH, |b| b.iter(|| long.apply_each()));
    group.finish();
    let contents: Vec<_> = files.into_iter().map(Content::new).collect();
    let loaded = Loaded::of(Kind::Yjs, long.logs(&contents), []);
    let snapshot = long.snapshot(&loaded.parts);
    c.bench_function(task::WRITE, |b| b.iter(|| long.snapshot(&loaded.parts)));
    c.bench_function(task::READ, |b| {
        b.iter_batched(|| snapshot.clone(), |bytes| long.read_snapshot(bytes), BatchSize::PerIteration);
    });
}

fn discovery(c: &mut Criterion) {
    let load = Load::FULL;
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("folder");
    let mut others = OsFs::new(&folder, dir.path().join("other"));
    std::fs::create_dir_all(&folder).unwrap();
    (0..load.notes).for_each(|number| put(&mut others, number).unwrap());
    let mut site = Site::open(&folder, &dir.path().join("local")).unwrap();
    let mut there = load.notes;
    c.benchmark_group("notes").sample_size(10).bench_function(task::DISCOVER, |b| {
        b.iter_batched(
            || {
                (there..there + load.new).for_each(|number| put(&mut others, number).unwrap());
                there += load.new;
            },
            |()| assert!(site.look().unwrap().opened <= load.new as u64 + 3),
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(benches, long, discovery);
criterion_main!(benches);
