//! A run ends before its time only where nothing is left to be desired.

use cloudchamber_core::failover::Design;
use cloudchamber_folder::systems::failover::{FailoverSystem, Settings};
use cloudchamber_folder::trace::Outcome;
use cloudchamber_sim::{Swarm, run};

/// How a seed ended, and how long it could have lasted, ms.
fn ended(design: Design, profile: &str, seed: u64) -> (Outcome, u64) {
    let swarm = Swarm::<FailoverSystem> {
        settings: Settings { design: Some(design), ..Settings::default() },
        profile: profile.into(),
        switches: Default::default(),
        shape: Default::default(),
        seeds: seed..seed + 1,
        jobs: 1,
        keep_going: true,
        recheck_every: 0,
    };
    let scenario = swarm.draw(seed);
    let outcome = run(&scenario, false).outcome;
    (outcome, scenario.run_ms + scenario.settle_ms)
}

fn is_without_an_active(outcome: &Outcome) -> bool {
    outcome.findings.violation("eventually_one_active").is_some()
}

#[test]
fn a_design_that_settles_is_let_go() {
    let (outcome, longest_ms) = ended(Design::Hardened, "perfect", 0);
    assert!(!is_without_an_active(&outcome), "{:?}", outcome.findings.violations);
    assert!(outcome.at_ms < longest_ms, "{} of {longest_ms} ms", outcome.at_ms);
}

#[test]
fn a_design_that_does_not_settle_is_given_all_its_time() {
    let seeds = (0..100).map(|seed| ended(Design::Published, "icloud", seed));
    let mut stuck = seeds.filter(|(outcome, _)| is_without_an_active(outcome));
    let (outcome, longest_ms) = stuck.next().expect("a hundred seeds show one that does not settle");
    assert_eq!(outcome.at_ms, longest_ms);
}
