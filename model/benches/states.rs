//! How many states a second the model checker generates, on one thread.
//!
//! `cargo bench -p cloudchamber-model`. A state of `published` is one choice away from the one before; a state of
//! `majority` is several, because moments with one way on are passed over.
#![allow(missing_docs, reason = "criterion's macros make public items")]
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a bench reads its model files")]

use std::path::Path;
use std::time::Duration;

use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_model::{ModelSpec, check};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn states(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("states");
    group.sample_size(10).measurement_time(Duration::from_secs(5));
    for (name, states_max) in [("published-last-update-id-goes-back", 200_000), ("majority", 30_000)] {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scenarios/models/{name}.toml"));
        let mut spec =
            ModelSpec::<FailoverSystem>::parse(&file, &std::fs::read_to_string(&file).unwrap()).unwrap();
        spec.economy.merge &= name == "majority";
        // The same search each time, so its size is known before it is measured.
        let generated = check(spec.clone(), 1, Some(states_max)).generated_states;
        group.throughput(Throughput::Elements(generated as u64));
        group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
            bencher.iter(|| check(spec.clone(), 1, Some(states_max)).unique_states);
        });
    }
    group.finish();
}

criterion_group!(benches, states);
criterion_main!(benches);
