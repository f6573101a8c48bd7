//! The merge of a hundred thousand entities of which a tenth was edited on both sides, beside `automerge` and `yrs`.

use std::hint::black_box;

use cloudchamber_throughput::merge::{Automerge, ENTITIES, Ours, Yrs, by, task};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

fn merges(c: &mut Criterion) {
    let mut group = c.benchmark_group(task::MEMORY);
    group.sample_size(10).throughput(Throughput::Elements(ENTITIES as u64));
    let once = BatchSize::PerIteration;
    let ours = Ours::new(ENTITIES);
    group.bench_function(by::OURS, |b| {
        b.iter_batched_ref(|| ours.clone(), |one| assert_eq!(one.merge(), ENTITIES / 10), once);
    });
    let mut automerge = Automerge::new(ENTITIES);
    group.bench_function(by::AUTOMERGE, |b| {
        b.iter_batched_ref(|| automerge.clone(), |one| black_box(one.merge()), once);
    });
    group.bench_function(by::YRS, |b| {
        b.iter_batched_ref(|| Yrs::new(ENTITIES), |one| black_box(one.merge()), once);
    });
    group.finish();
    let mut group = c.benchmark_group(task::FILES);
    group.sample_size(10).throughput(Throughput::Elements(ENTITIES as u64));
    let file = ours.file();
    group.bench_function(by::OURS, |b| {
        b.iter_batched_ref(|| ours.clone(), |one| assert_eq!(one.read(&file), ENTITIES / 10), once);
    });
    let file = automerge.file();
    group.bench_function(by::AUTOMERGE, |b| {
        b.iter_batched_ref(|| automerge.clone(), |one| black_box(one.read(&file)), once);
    });
    let file = Yrs::new(ENTITIES).file();
    group.bench_function(by::YRS, |b| {
        b.iter_batched_ref(|| Yrs::new(ENTITIES), |one| black_box(one.read(&file)), once);
    });
    group.finish();
}

criterion_group!(benches, merges);
criterion_main!(benches);
