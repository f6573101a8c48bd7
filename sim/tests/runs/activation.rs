//! That an activation by hand is asked for also where votes decide, as long as the voters are there.

use std::path::Path;

use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::systems::failover::{FailoverSystem, name};
use cloudchamber_sim::run;

/// Three voters, of whom one is made active by hand, and how long that may take at most; with more to happen.
fn is_missed(hand_over_ms_max: u64, more: &str) -> bool {
    let text = format!(
        r#"
system = "failover"
delay_ms = 500
seed = 1
run_ms = 400_000
replica = [{{}}, {{ start_ms = 10_000 }}, {{ start_ms = 20_000 }}]

[settings]
design = "hardened"
policy = "majority"
hand_over_ms_max = {hand_over_ms_max}

[[at]]
ms = 200_000
do = "command"
replica = "a"
command = {{ ask = "activate", device = "mac-b:/home/me/b" }}
{more}"#
    );
    let scenario =
        Scenario::<FailoverSystem>::parse(Path::new("activation.toml"), &text).expect("a sound scenario");
    run(&scenario, false).outcome.findings.violation(name::ACTIVATION).is_some()
}

#[test]
fn one_that_takes_longer_than_the_bound_is_missed() {
    assert!(!is_missed(20_000, ""));
    assert!(is_missed(100, ""));
}

#[test]
fn voters_that_were_away_before_and_after_excuse_nothing() {
    let away = |from_ms: u64, to_ms: u64| {
        let at = |ms: u64, online: bool| {
            format!("[[at]]\nms = {ms}\ndo = \"network\"\nreplica = \"c\"\nonline = {online}\n")
        };
        at(from_ms, false) + &at(to_ms, true)
    };
    assert!(is_missed(100, &away(150_000, 160_000)));
    // One of three may be away: two are a majority.
    assert!(is_missed(100, &away(190_000, 300_000)));
}
