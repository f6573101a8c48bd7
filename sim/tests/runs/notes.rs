//! Notes whose records stand for themselves, and notes that are Yjs documents, have the same verdicts.

#![allow(clippy::disallowed_methods, reason = "scenario files are read where they lie")]

use std::collections::BTreeSet;
use std::path::Path;

use cloudchamber_core::notes::Kind;
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::systems::notes::NotesSystem;
use cloudchamber_sim::run;

#[test]
fn every_scenario_has_one_verdict_whatever_records_hold() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/notes");
    let mut files: Vec<_> =
        std::fs::read_dir(dir).expect("there are some").map(|entry| entry.expect("one").path()).collect();
    files.sort();
    assert!(files.len() > 30, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("it can be read");
        let mut scenario = Scenario::<NotesSystem>::parse(&file, &text).expect("it is a scenario");
        // What a hundred machines show is nothing about how texts are woven.
        if scenario.replica.len() > 10 {
            continue;
        }
        let violated = |scenario: &Scenario<NotesSystem>| {
            let violations = run(scenario, false).outcome.findings.violations;
            violations.into_iter().map(|violation| violation.checker).collect::<BTreeSet<_>>()
        };
        let violated = |scenario: &Scenario<NotesSystem>| {
            let mut violated = violated(scenario);
            violated.retain(|name| !scenario.expect.may_violate.contains(name));
            violated
        };
        let records = violated(&scenario);
        scenario.settings.kind = Kind::Yjs;
        let documents = violated(&scenario);
        assert_eq!(records, documents, "{}", file.display());
    }
}
