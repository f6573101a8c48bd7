//! Checkers that hold their peace: what each of these runs shows is nobody's fault. That the same checkers fire, the
//! scenarios show that expect their violation.

use std::path::Path;

use cloudchamber_folder::System;
use cloudchamber_folder::checks::Findings;
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::systems::failover::{FailoverSystem, name};
use cloudchamber_folder::systems::journal::{JournalSystem, name as journal};

fn findings<S: System>(text: &str) -> Findings {
    let scenario = Scenario::<S>::parse(Path::new("here.toml"), text).expect("it is a scenario");
    cloudchamber_sim::run(&scenario, false).outcome.findings
}

/// A fault of a replica at a time.
fn at(ms: u64, what: &str, replica: &str) -> String {
    format!("[[at]]\nms = {ms}\ndo = \"{what}\"\nreplica = \"{replica}\"\n")
}

/// The same, with the network going or coming.
fn network(ms: u64, replica: &str, online: bool) -> String {
    format!("{}online = {online}\n", at(ms, "network", replica))
}

/// The same, with something that a person says on a machine.
fn says(ms: u64, replica: &str, event: &str) -> String {
    format!("{}command = '{event}'\n", at(ms, "command", replica))
}

fn failover(replicas: &str, settings: &str, faults: &str) -> Findings {
    findings::<FailoverSystem>(&format!(
        "system = \"failover\"\nprofile = \"dropbox\"\nseed = 1\nrun_ms = 700_000\nsettle_ms = 600_000\n{replicas}\n\
         [settings]\ndesign = \"hardened\"\nupdate_every_ms = 10_000\n{settings}\n{faults}"
    ))
}

const THREE: &str = "[[replica]]\n[[replica]]\nstart_ms = 30_000\n[[replica]]\nstart_ms = 31_000\n";

fn journals(design: &str, faults: &str) -> Findings {
    findings::<JournalSystem>(&format!(
        "system = \"journal\"\nprofile = \"syncthing\"\ndelay_ms = 1_000\nseed = 1\nrun_ms = 300_000\n\
         settle_ms = 120_000\n[[replica]]\n[[replica]]\n[[replica]]\n[settings]\ndesign = \"{design}\"\n{faults}"
    ))
}

#[test]
fn an_edit_that_stands_only_on_a_machine_that_is_gone_for_good_is_missed_by_nobody() {
    let made = says(10_000, "a", r#"{"type":"message","id":"m","from_agent":"ann","body":"one"}"#);
    let edited = says(40_000, "b", r#"{"type":"message_update","id":"m","body":"two"}"#);
    let again = says(120_000, "c", r#"{"type":"message_update","id":"m","body":"three"}"#);
    let cut_off = network(100_000, "c", false);
    let gone = format!("{}[faults]\ngone_for_good = [\"c\"]\n", at(150_000, "crash", "c"));
    let seen = journals("hardened", &[&made, &edited, &cut_off, &again, &gone].map(String::as_str).concat());
    assert_eq!(seen.violation(journal::LATER_WORD), None);
    assert_eq!(seen.violations, []);
}

#[test]
fn what_a_client_sends_that_forgot_what_it_had_synced_is_not_written_by_its_machine() {
    let made = says(10_000, "a", r#"{"type":"message","id":"m","from_agent":"ann","body":"one"}"#);
    let more = says(70_000, "a", r#"{"type":"message","id":"n","from_agent":"ann","body":"two"}"#);
    let faults = [
        made,
        network(60_000, "b", false),
        more,
        at(100_000, "reset-index", "b"),
        at(110_000, "crash", "b"),
        at(120_000, "open", "b"),
        network(130_000, "b", true),
    ];
    let seen = journals("hardened", &faults.concat());
    assert_eq!(seen.violation(journal::ONE_WRITER), None);
    assert_eq!(seen.violations, []);
}

#[test]
fn a_state_file_that_a_client_brings_late_or_anew_is_nobodys_step_back() {
    let reset = [network(300_000, "b", false), at(400_000, "reset-index", "b"), network(410_000, "b", true)];
    let seen = failover(THREE, "policy = \"available\"", &reset.concat());
    assert_eq!(seen.violation(name::LAST_ID), None);
    // The active one goes on where nobody hears of it, and what it wrote comes after its successor's.
    let late = [network(300_000, "a", false), network(500_000, "a", true)];
    let seen = failover(THREE, "policy = \"available\"", &late.concat());
    assert_eq!(seen.violation(name::LAST_ID), None);
    assert!(seen.violation(name::AT_MOST_ONE).is_some(), "two are active meanwhile");
}

#[test]
fn naps_make_no_file_younger() {
    let naps = (310_000..500_000)
        .step_by(6_000)
        .flat_map(|ms| ["b", "c"].map(|replica| at(ms, "sleep", replica) + &at(ms + 500, "wake", replica)));
    let faults: String =
        [network(300_000, "a", false), network(500_000, "a", true)].into_iter().chain(naps).collect();
    let seen = failover(THREE, "policy = \"available\"", &faults);
    assert!(seen.violation(name::AT_MOST_ONE).is_some(), "two are active meanwhile");
    assert_eq!(seen.violation(name::EXCUSED), None);
}

#[test]
fn nobody_has_to_be_active_while_no_majority_is_awake() {
    let asleep = [at(200_000, "sleep", "a"), at(210_000, "sleep", "b"), at(1_000_000, "wake", "a")];
    let seen = failover(THREE, "policy = \"majority\"", &asleep.concat());
    assert_eq!(seen.violation(name::NEVER_LONG_WITHOUT), None);
}
