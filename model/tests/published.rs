//! The published designs' faults as shortest counterexamples.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read the model files and fail where they cannot"
)]

use std::path::{Path, PathBuf};

use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_model::{Checked, ModelSpec, check};

fn spec(name: &str) -> ModelSpec<FailoverSystem> {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/models").join(name);
    let text = std::fs::read_to_string(&file).unwrap();
    ModelSpec::parse(&file, &text).unwrap_or_else(|error| panic!("{error}"))
}

fn replays(checked: &Checked<FailoverSystem>, property: &str) {
    let trace = checked.trace().expect("there is a counterexample");
    assert!(trace.end.violations.iter().any(|violation| violation.checker == property));
    let outcome = trace.replay(|_| {}).unwrap();
    assert_eq!(format!("{:016x}", outcome.hash), trace.end.hash);
    assert_eq!(outcome.findings.violations, trace.end.violations);
}

#[test]
fn two_first_claims_both_stand() {
    let checked = check(spec("published-first-claim.toml"), 1, None);
    // The known answer: start, write, look, claim and look again at both, with one wait between.
    assert_eq!(checked.story().len(), 13, "{:#?}", checked.story());
    replays(&checked, "at_most_one_active");
}

#[test]
fn a_sleeper_wakes_as_active() {
    let checked = check(spec("published-zombie.toml"), 1, Some(6_000_000));
    replays(&checked, "at_most_one_active");
}
