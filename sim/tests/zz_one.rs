#![allow(missing_docs, clippy::all)]
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_sim::{Swarm, run};
#[test]
fn one() {
    let var = |n: &str| std::env::var(n).unwrap();
    let range = var("SEEDS"); let (a, b) = range.split_once("..").unwrap();
    let s = Swarm::<FailoverSystem> { settings: serde_json::from_str(&var("SETTINGS")).unwrap(), profile: var("PROFILE"), switches: Default::default(), seeds: 0..1, jobs: 1, keep_going: true, recheck_every: 0 };
    for seed in a.parse::<u64>().unwrap()..b.parse().unwrap() {
        let r = run(&s.draw(seed), true);
        println!("ONE {seed} {:016x} {:016x}", r.outcome.hash, cloudchamber_folder::StableHasher::of(&(seed, r.outcome.hash)));
        if let Ok(f) = std::env::var("OUT") { #[allow(clippy::disallowed_methods)] std::fs::write(f, r.trace.unwrap().to_text()).unwrap(); }
    }
}
