//! How fast the simulator is, on one core: ten minutes of five replicas of the published failover design.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use cloudchamber_core::{Never, Path as FilePath};
use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::courier::{Courier, Folder, Touch};
use cloudchamber_folder::profile::Profile;
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_folder::world::Choice;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SCENARIO: &str = "
system = 'failover'
profile = 'icloud'
hazards = true
run_ms = 600000
replica = [{}, {}, {}, {}, {}]
settings = { update_every_ms = 20000 }
faults = { crash = { every_ms = 300000, for_ms = [500, 240000] } }
";

/// Whole runs: one element is one run.
fn runs(criterion: &mut Criterion) {
    let scenario = Scenario::<FailoverSystem>::parse(Path::new("bench.toml"), SCENARIO)
        .unwrap_or_else(|error| panic!("{error}"));
    let mut group = criterion.benchmark_group("run, 10 min, 5 replicas, icloud");
    group.throughput(Throughput::Elements(1));
    for (name, traced) in [("without trace", false), ("with trace", true)] {
        let mut seed = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                seed += 1;
                black_box(cloudchamber_sim::run(&Scenario { seed, ..scenario.clone() }, traced))
            });
        });
    }
    group.finish();
}

/// How many versions there are of each file.
struct Files(Vec<u32>, Vec<FilePath>);

impl Folder for Files {
    fn latest(&self, path: &FilePath) -> u32 {
        self.1.iter().position(|known| known == path).map_or(0, |place| self.0[place])
    }

    fn is_there(&self, _: ReplicaId, path: &FilePath) -> bool {
        self.latest(path) > 0
    }
}

/// The courier alone: five replicas rewrite a file each every 30 s for ten minutes; one element is one choice.
fn courier(criterion: &mut Criterion) {
    let profile = Profile::named("icloud").expect("a built-in profile");
    let paths: Vec<_> = (0..5).map(|replica| FilePath::shared(&format!("devices/{replica}.json"))).collect();
    let mut seed = 0;
    let carry = |seed| {
        let mut courier = Courier::new(Arc::clone(&profile), paths.len(), seed);
        let mut files = Files(vec![0; paths.len()], paths.clone());
        let mut choices = 0_u64;
        for now in (0..600_000).step_by(30_000) {
            for (replica, path) in ReplicaId::all(paths.len()).zip(&paths) {
                courier.touched(now, replica, path, Touch::Written);
            }
            while let Some(due) = courier.due().filter(|due| *due < now + 30_000) {
                let choice: Option<Choice<Never, Never>> = courier.next(due, &files);
                choices += u64::from(choice.is_some());
                if let Some(Choice::Upload { replica, path }) = choice {
                    files.0[replica.index()] += 1;
                    let version = files.0[replica.index()];
                    courier.committed(due, replica, &path, version, false, &files);
                }
            }
        }
        choices
    };
    let mut group = criterion.benchmark_group("courier, 10 min, 5 replicas, icloud");
    group.throughput(Throughput::Elements(carry(0)));
    group.bench_function("alone", |bencher| {
        bencher.iter(|| {
            seed += 1;
            black_box(carry(seed))
        });
    });
    group.finish();
}

criterion_group!(benches, runs, courier);
criterion_main!(benches);
