//! Checkers that bite: each is violated by some run of the core, what is to be reached can be missed, and a behaviour
//! that is taken out of the hardened design is noticed.

#![allow(clippy::disallowed_methods, reason = "scenario files are read where they lie")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cloudchamber_folder::System;
use cloudchamber_folder::checks::{Checker, Checks as _, Findings, Kind};
use cloudchamber_folder::scenario::Scenario;
use cloudchamber_folder::systems::delta::DeltaSystem;
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_folder::systems::journal::{JournalSystem, Settings, Switches, name};
use cloudchamber_folder::systems::notes::{NotesSystem, name as notes};
use cloudchamber_sim::{Swarm, run, swarm};

/// The scenario files of a system, by name.
fn scenarios<S: System>() -> Vec<(String, Scenario<S>)> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(S::NAME);
    let entries = std::fs::read_dir(dir).expect("a system has scenarios");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be listed").path()).collect();
    files.sort();
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).expect("it can be read");
        let name = file.file_stem().expect("it has a name").to_string_lossy().into_owned();
        (name, Scenario::parse(&file, &text).expect("it is a scenario"))
    };
    files.into_iter().map(read).collect()
}

fn scenario<S: System>(text: &str) -> Scenario<S> {
    Scenario::parse(Path::new("here.toml"), text).expect("it is a scenario")
}

fn findings<S: System>(scenario: &Scenario<S>) -> Findings {
    run(scenario, false).outcome.findings
}

fn checkers<S: System>(reached: bool) -> impl Iterator<Item = &'static Checker> {
    S::Checks::CHECKERS.iter().filter(move |checker| (checker.kind == Kind::Reached) == reached)
}

/// That each scenario violates what it says is the scenario tests' to show.
fn every_checker_is_violated_by_a_scenario<S: System>() {
    let scenarios = scenarios::<S>();
    let violated: BTreeSet<_> =
        scenarios.iter().flat_map(|(_, scenario)| &scenario.expect.violates).map(String::as_str).collect();
    let never: Vec<_> =
        checkers::<S>(false).map(|checker| checker.name).filter(|name| !violated.contains(name)).collect();
    assert_eq!(never, [""; 0], "no scenario of {} violates these", S::NAME);
}

#[test]
fn every_checker_of_failover_is_violated_by_a_scenario() {
    every_checker_is_violated_by_a_scenario::<FailoverSystem>();
}

#[test]
fn every_checker_of_journals_is_violated_by_a_scenario() {
    every_checker_is_violated_by_a_scenario::<JournalSystem>();
}

#[test]
fn every_checker_of_delta_is_violated_by_a_scenario() {
    every_checker_is_violated_by_a_scenario::<DeltaSystem>();
}

#[test]
fn every_checker_of_notes_is_violated_by_a_scenario() {
    every_checker_is_violated_by_a_scenario::<NotesSystem>();
}

/// Whatever is to be reached is reached in the one run and missed in the other.
fn reached_and_missed<S: System>(reaches: &str, misses: &str) {
    let (reaches, misses) = (findings(&scenario::<S>(reaches)), findings(&scenario::<S>(misses)));
    for checker in checkers::<S>(true) {
        let count = |findings: &Findings| findings.counts.get(checker.name).copied().unwrap_or(0);
        assert!(count(&reaches) > 0, "{}: {} is not reached", S::NAME, checker.name);
        assert_eq!(count(&misses), 0, "{}: {} is reached by nothing", S::NAME, checker.name);
    }
}

#[test]
fn what_is_to_be_reached_can_be_missed() {
    let alone = "run_ms = 60_000\nsettle_ms = 60_000\n[[replica]]\n";
    reached_and_missed::<FailoverSystem>(
        include_str!("../../../scenarios/failover/automatic-failover.toml"),
        &format!("system = \"failover\"\n{alone}"),
    );
    reached_and_missed::<JournalSystem>(
        include_str!("../../../scenarios/journal/f18-a-removal-that-does-not-stick-hardened.toml"),
        &format!("system = \"journal\"\n{alone}"),
    );
    reached_and_missed::<DeltaSystem>(
        include_str!("../../../scenarios/delta/x01-away-for-thirty-days-hardened.toml"),
        &format!("system = \"delta\"\n{alone}"),
    );
    reached_and_missed::<NotesSystem>(
        include_str!("../../../scenarios/notes/n02-discovery-looks-in-the-wrong-directory-hardened.toml"),
        &format!("system = \"notes\"\n{alone}"),
    );
}

/// The published way of doing one thing, in an otherwise hardened design.
fn planted() -> Vec<(&'static str, Switches)> {
    use cloudchamber_core::journal::Design;
    let Design {
        // Hardened writers leave nothing that has to be salvaged; what older programs left is in the core's cases.
        reading: _,
        order,
        tombstones,
        deletions,
        keying,
        copies,
        duplicates,
        parents,
        // Not of the folder: what the agent's tests show of modification times, no simulated reader looks at.
        trigger: _,
        checksums,
        following,
        // Whatever a directory that was moved comes to, the hardened merge takes for versions of one machine's files.
        renaming: _,
        owning,
        remembering,
    } = Design::PUBLISHED;
    let none = Switches::default();
    vec![
        ("checksums", Switches { checksums: Some(checksums), ..none }),
        ("copies", Switches { copies: Some(copies), ..none }),
        ("deletions", Switches { deletions: Some(deletions), ..none }),
        ("duplicates", Switches { duplicates: Some(duplicates), ..none }),
        ("following", Switches { following: Some(following), ..none }),
        ("keying", Switches { keying: Some(keying), ..none }),
        ("order", Switches { order: Some(order), ..none }),
        ("owning", Switches { owning: Some(owning), ..none }),
        ("parents", Switches { parents: Some(parents), ..none }),
        ("remembering", Switches { remembering: Some(remembering), ..none }),
        ("tombstones", Switches { tombstones: Some(tombstones), ..none }),
    ]
}

/// For each behaviour of the hardened journals: the scenarios, which hold as they are, that notice its absence, and by
/// which checkers.
#[test]
fn a_behaviour_that_is_missing_is_noticed() {
    let hardened = scenarios::<JournalSystem>()
        .into_iter()
        .filter(|(_, scenario)| scenario.settings.switch == Switches::default())
        .filter(|(name, scenario)| name.ends_with("-hardened") && scenario.expect.violates.is_empty());
    let hardened: Vec<_> = hardened.collect();
    let mut table = String::new();
    for (behaviour, switch) in planted() {
        let mut noticed: BTreeMap<String, usize> = BTreeMap::new();
        for (_, scenario) in &hardened {
            let settings = Settings { switch, ..scenario.settings.clone() };
            let planted = Scenario { settings, ..scenario.clone() };
            for violation in findings(&planted).violations {
                *noticed.entry(violation.checker).or_default() += 1;
            }
        }
        let by: Vec<_> = noticed.iter().map(|(checker, count)| format!("{checker} {count}")).collect();
        table += &format!("{behaviour}: {}\n", by.join(", "));
    }
    let silent: Vec<_> = table.lines().filter(|line| line.ends_with(": ")).collect();
    assert_eq!(silent, [""; 0], "of these behaviours nobody notices that they are missing:\n{table}");
}

/// Random runs in which people delete, and others edit, move, pin and react without having heard of it.
#[test]
fn random_runs_notice_what_comes_back() {
    use cloudchamber_core::journal::Deletions;
    let seen = |profile: &str, deletions: Option<Deletions>| {
        let switch = Switches { deletions, ..Switches::default() };
        let swarmed = Swarm::<JournalSystem> {
            settings: Settings { switch, ..Settings::default() },
            profile: profile.into(),
            switches: BTreeMap::new(),
            shape: Default::default(),
            seeds: 0..30,
            jobs: 2,
            keep_going: true,
            recheck_every: 0,
        };
        let violations = swarm(&swarmed, &|_| {}).violations;
        [name::STAYS_DELETED, name::THREAD_STAYS_DELETED]
            .map(|checker| violations.get(checker).map_or(0, |violated| violated.runs))
    };
    for profile in ["syncthing", "icloud", "git"] {
        assert_eq!(seen(profile, None), [0, 0], "{profile}: as it is");
        for planted in [Deletions::LastWriter, Deletions::Text] {
            let [messages, threads] = seen(profile, Some(planted));
            assert!(messages >= 5 && threads >= 5, "{profile}, {planted:?}: {messages} and {threads} of 30");
        }
    }
}

/// Random runs of the published notes violate what the folder can make them violate, and the hardened ones do not.
#[test]
fn random_runs_of_notes_tell_the_designs_apart() {
    use cloudchamber_core::Design;
    use cloudchamber_folder::systems::notes::Settings;
    let violated = |design| {
        let swarmed = Swarm::<NotesSystem> {
            settings: Settings { design, ..Settings::default() },
            profile: "icloud".into(),
            switches: BTreeMap::new(),
            shape: Default::default(),
            seeds: 0..20,
            jobs: 2,
            keep_going: true,
            recheck_every: 0,
        };
        swarm(&swarmed, &|_| {}).violations.into_keys().collect::<BTreeSet<_>>()
    };
    assert_eq!(violated(Design::Hardened), BTreeSet::new());
    let published = violated(Design::Published);
    let expected = [
        notes::QUIET_AGREE,
        notes::REACHES_EVERYBODY,
        notes::ONE_RECORD,
        notes::STAYS_DELETED,
        notes::DELETION_REACHES,
        notes::ONE_WRITER,
        notes::LOADS,
        notes::HOLDS_CLAIMS,
        notes::COME_IS_LOADED,
        notes::NOT_EMPTY,
    ];
    for checker in expected {
        assert!(published.contains(checker), "{checker} is not among {published:?}");
    }
}
