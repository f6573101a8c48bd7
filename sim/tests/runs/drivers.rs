//! Whoever drives the stage, the same happens: one loop that only lets it advance, and madsim's tasks.

use std::path::Path;

use cloudchamber_folder::System;
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_folder::systems::{BuiltIn, Systems, Work};
use cloudchamber_sim::{Swarm, reference, run};

/// Three replicas that start at one moment, on files that travel at once: nearly everything is a tie.
const TIES: &str = "
system = 'failover'
profile = 'perfect'
run_ms = 600000
settle_ms = 300000
replica = [{}, {}, {}]
[settings]
design = 'published'
[faults]
clock = { every_ms = 200000, for_ms = [1000, 9000] }
crash = { every_ms = 60000, for_ms = [500, 30000] }
disk = { every_ms = 200000, for_ms = [1000, 9000] }
folder = { every_ms = 200000, for_ms = [1000, 9000] }
offline = { every_ms = 60000, for_ms = [1000, 9000] }
power = { every_ms = 60000, for_ms = [500, 30000] }
sleep = { every_ms = 60000, for_ms = [1000, 60000] }
";

/// Somebody who is asleep is to start, and wakes at the moment at which others act.
const ASLEEP: &str = "
system = 'failover'
profile = 'perfect'
run_ms = 120000
replica = [{}, { start_ms = 5000 }]
at = [
    { ms = 4000, do = 'sleep', replica = 'b' },
    { ms = 6000, do = 'wake', replica = 'b' },
    { ms = 7000, do = 'open', replica = 'b' },
    { ms = 20000, do = 'sleep', replica = 'b' },
    { ms = 21000, do = 'crash', replica = 'b' },
    { ms = 22000, do = 'open', replica = 'b' },
    { ms = 60000, do = 'wake', replica = 'b' },
    { ms = 60000, do = 'open', replica = 'b' },
]
";

#[test]
fn ties_are_the_stage_s_under_every_driver() {
    for text in [TIES, ASLEEP] {
        let scenario =
            Scenario::<FailoverSystem>::parse(Path::new("ties.toml"), text).expect("a sound scenario");
        for seed in 0..20 {
            let scenario = Scenario { seed, ..scenario.clone() };
            let outcome = run(&scenario, false).outcome;
            assert!(outcome.choices > 100, "{} choices", outcome.choices);
            assert_eq!(reference(&scenario), outcome, "seed {seed}");
        }
    }
}

/// Every system and variant, as swarms draw it.
struct Drawn;

impl Work for Drawn {
    type Output = ();

    fn on<S: System>(self) {
        for variant in S::DESIGNS {
            for profile in ["icloud", "syncthing", "git"] {
                let swarm = Swarm::<S> {
                    settings: S::settings(*variant),
                    profile: profile.into(),
                    switches: Default::default(),
                    shape: Default::default(),
                    seeds: 0..4,
                    jobs: 1,
                    keep_going: true,
                    recheck_every: 0,
                };
                for seed in swarm.seeds.clone() {
                    let scenario = swarm.draw(seed);
                    let name = S::NAME;
                    assert_eq!(
                        reference(&scenario),
                        run(&scenario, false).outcome,
                        "{name} {variant:?} {profile} {seed}"
                    );
                }
            }
        }
    }
}

#[test]
fn what_a_swarm_draws_is_the_same_under_every_driver() {
    for name in BuiltIn::NAMES {
        BuiltIn::with(name, Drawn).expect("a built-in system");
    }
}
