//! What a choice costs on worlds of the model checker's size: cloning, changing and hashing them decides how
//! many states a second it visits.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench panics like a test")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use cloudchamber_core::{Draw, Path};
use cloudchamber_folder::StableHasher;
use cloudchamber_folder::profile::Arrival;
use cloudchamber_folder::world::{Choice, Effects, Part};
use common::{A, B, Deed, Stage, rules};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};

/// Three replicas in line with the server about this many files.
fn stage(files: usize) -> Stage {
    let mut stage = Stage::new(3, rules());
    for file in 0..files {
        stage.write(A, &format!("devices/device-{file:03}.json"), &format!("{{\"file\": {file}}}\n"));
    }
    stage.settle();
    stage
}

fn steps(criterion: &mut Criterion) {
    for files in [12, 200] {
        let name = "devices/device-007.json";
        let path = Path::shared(name);
        let mut group = criterion.benchmark_group(format!("{files} files"));

        let mut pending = stage(files);
        let text = "{\"file\": \"changed\"}\n".to_owned();
        let command = vec![Deed::Replace { path: path.clone(), text }];
        pending.take(Choice::Command { replica: A, command, draw: Draw::default() });
        let apply = Choice::Apply { replica: A, part: Part::Whole, draw: Draw::default() };
        group.bench_function("clone, write one file, hash the world", |bencher| {
            let mut effects = Effects::default();
            bencher.iter(|| {
                let mut world = pending.world.clone();
                world.take(&pending.setup, &apply, &mut effects).unwrap();
                StableHasher::of(&world)
            });
        });
        group.bench_function("write one file in place", |bencher| {
            let mut effects = Effects::default();
            let fresh = || {
                let mut world = pending.world.clone();
                world.take(&pending.setup, &apply, &mut effects).unwrap();
                let replace = Deed::Replace { path: path.clone(), text: "again".into() };
                let command = Choice::Command { replica: A, command: vec![replace], draw: Draw::default() };
                world.take(&pending.setup, &command, &mut effects).unwrap();
                world
            };
            let mut own = Effects::default();
            bencher.iter_batched_ref(
                fresh,
                |world| world.take(&pending.setup, &apply, &mut own).unwrap(),
                BatchSize::SmallInput,
            );
        });

        let mut timer = stage(files);
        timer.pass(100_000);
        let fire = Choice::Timer { replica: A, draw: Draw::default() };
        group.bench_function("clone, timer, hash the world", |bencher| {
            let mut effects = Effects::default();
            bencher.iter(|| {
                let mut world = timer.world.clone();
                world.take(&timer.setup, &fire, &mut effects).unwrap();
                StableHasher::of(&world)
            });
        });

        let mut dirty = stage(files);
        dirty.write(A, name, "changed");
        let upload = Choice::Upload { replica: A, path: path.clone() };
        let download = Choice::Download { replica: B, path, back: 0, arrival: Arrival::Whole };
        group.bench_function("clone, upload and download, hash the world", |bencher| {
            let mut effects = Effects::default();
            bencher.iter(|| {
                let mut world = dirty.world.clone();
                world.take(&dirty.setup, &upload, &mut effects).unwrap();
                world.take(&dirty.setup, &download, &mut effects).unwrap();
                StableHasher::of(&world)
            });
        });

        let calm = stage(files);
        let menu = common::rich_menu();
        group.bench_function("list the choices", |bencher| {
            let mut out = Vec::new();
            bencher.iter(|| {
                out.clear();
                calm.world.choices(&calm.setup, &menu, &mut out);
                black_box(out.len())
            });
        });
        group.finish();
    }
}

criterion_group!(benches, steps);
criterion_main!(benches);
