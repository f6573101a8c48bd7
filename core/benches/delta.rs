//! The merge of a hundred thousand entities of which a tenth was edited on both sides.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::sync::Arc;

use cloudchamber_core::delta::merge::absorb;
use cloudchamber_core::delta::{Dot, Entity, ReplicaId};
use cloudchamber_core::kit::hlc::Hybrid;
use cloudchamber_core::kit::json::Json;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

const ENTITIES: u64 = 100_000;

/// An entity of eight fields, which `edited` has edited since.
fn entity(at: u64, edited: Option<&ReplicaId>) -> Entity {
    let mut entity = Entity::default();
    let first = Dot { replica: ReplicaId::from("laptop-00000001"), count: at + 1 };
    let field =
        |number: u64| (Arc::from(format!("field {number}")), Json::text(&format!("value {at} {number}")));
    let all: BTreeMap<_, _> = (0..8).map(field).collect();
    entity.put(&first, Hybrid { ms: 1, count: 0 }, &all, &BTreeSet::new());
    if let Some(replica) = edited {
        let dot = Dot { replica: replica.clone(), count: ENTITIES + at };
        let number = u64::from(replica.0.starts_with("phone"));
        let set = BTreeMap::from([(Arc::from(format!("field {number}")), Json::text(&format!("new {at}")))]);
        entity.put(&dot, Hybrid { ms: 2, count: 0 }, &set, &BTreeSet::new());
    }
    entity
}

fn merges(c: &mut Criterion) {
    let [laptop, phone] = ["laptop-00000001", "phone-00000002"].map(ReplicaId::from);
    let edits = |at: u64, who| at.is_multiple_of(10).then_some(who);
    let mine: Vec<_> = (0..ENTITIES).map(|at| entity(at, edits(at, &laptop))).collect();
    let theirs: Vec<_> = (0..ENTITIES).map(|at| entity(at, edits(at, &phone))).collect();
    let mut group = c.benchmark_group("delta");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ENTITIES));
    group.bench_function(format!("merge {ENTITIES} entities, a tenth concurrent"), |b| {
        b.iter_batched(
            || mine.clone(),
            |mut mine| {
                let changed =
                    mine.iter_mut().zip(&theirs).map(|(one, two)| u64::from(absorb(one, two))).sum::<u64>();
                assert_eq!(black_box(changed), ENTITIES / 10);
                mine
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, merges);
criterion_main!(benches);
