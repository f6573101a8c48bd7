//! One seed is one run: on another thread and in another process.

use std::process::Command;

use cloudchamber_folder::systems::failover::{FailoverSystem, Settings};
use cloudchamber_sim::{Swarm, run, swarm};

/// Names the profile and the seed whose outcome a second process prints.
const ASKED: &str = "CLOUDCHAMBER_TEST_SEED";

fn seeds(profile: &str, seeds: std::ops::Range<u64>) -> Swarm<FailoverSystem> {
    Swarm {
        settings: Settings::default(),
        profile: profile.into(),
        switches: Default::default(),
        shape: Default::default(),
        seeds,
        jobs: 2,
        keep_going: true,
        recheck_every: 1,
    }
}

/// Everything that a run of a seed told, as text.
fn told(profile: &str, seed: u64) -> String {
    let outcome = run(&seeds(profile, seed..seed + 1).draw(seed), false).outcome;
    format!("{:016x} {} {} {:?}", outcome.hash, outcome.choices, outcome.at_ms, outcome.findings)
}

const SAMPLED: [(&str, u64); 4] = [("icloud", 3), ("syncthing", 11), ("git", 5), ("perfect", 2)];

#[test]
fn a_second_process_runs_a_seed_in_the_same_way() {
    // The same test, started again with the question in its environment, answers on standard output.
    if let Ok(asked) = std::env::var(ASKED) {
        let (profile, seed) = asked.split_once(' ').expect("a profile and a seed");
        println!("told: {}", told(profile, seed.parse().expect("a number")));
        return;
    }
    let name = "determinism::a_second_process_runs_a_seed_in_the_same_way";
    for (profile, seed) in SAMPLED {
        let output = Command::new(std::env::current_exe().expect("a running test has a file"))
            .args(["--exact", name, "--nocapture"])
            .env(ASKED, format!("{profile} {seed}"))
            .output()
            .expect("the test can be started again");
        let text = String::from_utf8_lossy(&output.stdout);
        let answers: Vec<_> = text.lines().filter_map(|line| line.split_once("told: ")).collect();
        let [(_, answer)] = answers[..] else { panic!("one answer was expected:\n{text}") };
        assert_eq!(answer, told(profile, seed), "profile {profile}, seed {seed}");
    }
}

#[test]
fn seeds_that_run_twice_run_in_the_same_way() {
    for profile in ["icloud", "dropbox", "syncthing", "git"] {
        let harvest = swarm(&seeds(profile, 0..75), &|_| {});
        assert_eq!((harvest.runs, harvest.rechecked), (75, 75), "{profile}");
        assert_eq!(harvest.mismatches, [0; 0], "{profile}");
    }
}

#[test]
fn a_swarm_says_the_same_whatever_the_number_of_jobs() {
    let harvest = |jobs| {
        let harvest = swarm(&Swarm { jobs, recheck_every: 0, ..seeds("icloud", 0..40) }, &|_| {});
        (harvest.runs, harvest.choices, harvest.violations, harvest.counts, harvest.samples)
    };
    assert_eq!(harvest(1), harvest(3));
}
