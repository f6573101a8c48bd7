//! Whoever drives the stage, the same happens: madsim's tasks, and somebody who only lets it advance.

use std::path::Path;

use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::stage::Stage;
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_sim::run;

/// One replica: with more, several are due in one millisecond now and then, and who goes first is the driver's choice.
const ALONE: &str = "
system = 'failover'
profile = 'icloud'
hazards = true
run_ms = 600000
settle_ms = 300000
replica = [{ start_ms = 3 }]
[settings]
design = 'published'
[faults]
clock = { every_ms = 200000, for_ms = [1000, 9000] }
crash = { every_ms = 60000, for_ms = [500, 30000] }
disk = { every_ms = 200000, for_ms = [1000, 9000] }
folder = { every_ms = 200000, for_ms = [1000, 9000] }
offline = { every_ms = 60000, for_ms = [1000, 9000] }
power = { every_ms = 60000, for_ms = [500, 30000] }
sleep = { every_ms = 100000, for_ms = [1000, 60000] }
";

#[test]
fn without_ties_every_driver_makes_the_same_run() {
    let scenario =
        Scenario::<FailoverSystem>::parse(Path::new("alone.toml"), ALONE).expect("a sound scenario");
    for seed in 0..20 {
        let scenario = Scenario { seed, ..scenario.clone() };
        let mut stage = Stage::new(&scenario);
        while let Some(due) = stage.due() {
            stage.advance(due, &mut |_, _| {});
        }
        let outcome = run(&scenario, false).outcome;
        assert!(outcome.choices > 100, "{} choices", outcome.choices);
        assert_eq!(stage.finish(), outcome, "seed {seed}");
    }
}
