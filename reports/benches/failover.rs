//! How fast a failover is simulated, on one core: three replicas of each design find each other for ten minutes, the
//! active one dies, and they are watched for another ten. One element is one run.

use std::hint::black_box;
use std::path::Path;

use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::systems::failover::FailoverSystem;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const SCENARIO: &str = "
system = 'failover'
profile = 'icloud'
run_ms = 1200000
replica = [{}, { start_ms = 60000 }, { start_ms = 60000 }]
at = [{ ms = 600000, do = 'crash', replica = 'a' }]
";

fn convergence(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("failover, 20 min, 3 replicas, icloud");
    group.throughput(Throughput::Elements(1));
    for (name, settings) in [
        ("published", "design = 'published'"),
        ("available", "design = 'hardened'\npolicy = 'available'"),
        ("majority", "design = 'hardened'\npolicy = 'majority'"),
    ] {
        let text = format!("{SCENARIO}[settings]\n{settings}\n");
        let scenario = Scenario::<FailoverSystem>::parse(Path::new("bench.toml"), &text)
            .unwrap_or_else(|error| panic!("{error}"));
        let mut seed = 0;
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                seed += 1;
                black_box(cloudchamber_sim::run(&Scenario { seed, ..scenario.clone() }, false))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, convergence);
criterion_main!(benches);
