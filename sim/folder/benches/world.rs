//! What a choice costs on worlds of the model checker's size: cloning, changing and hashing them decides how
//! many states a second it visits.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench panics like a test")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use cloudchamber_core::{Draw, FsMut, FsOp, Path};
use cloudchamber_folder::StableHasher;
use cloudchamber_folder::profile::Arrival;
use cloudchamber_folder::world::{Choice, Effects, LocalView, Part};
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

        let mut view = LocalView::default();
        for file in 0..files {
            let path = Path::shared(&format!("devices/device-{file:03}.json"));
            view.apply(&FsOp::Replace { path, content: format!("{{\"file\": {file}}}\n").into() }).unwrap();
        }
        let write = FsOp::Replace { path: path.clone(), content: "{\"file\": \"changed\"}\n".into() };
        group.bench_function("clone a disk, write one file, digest", |bencher| {
            bencher.iter(|| {
                let mut view = view.clone();
                view.apply(&write).unwrap();
                view.disk().digest()
            });
        });

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

        group.bench_function("upload and download in place", |bencher| {
            let mut effects = Effects::default();
            // A write of one's own makes every list of files one's own.
            let fresh = || {
                let mut stage = stage(files);
                stage.write(B, "own", "text");
                stage.settle();
                stage.write(A, name, "changed");
                stage
            };
            bencher.iter_batched_ref(
                fresh,
                |stage| {
                    stage.world.take(&stage.setup, &upload, &mut effects).unwrap();
                    stage.world.take(&stage.setup, &download, &mut effects).unwrap();
                },
                BatchSize::SmallInput,
            );
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
