//! Scenario files and traces from anywhere: read, or refused in one line that says where and what.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read scenario files and fail where they cannot"
)]

use std::path::Path;

use cloudchamber_folder::System;
use cloudchamber_folder::scenario::{self, Scenario, ScenarioError};
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_folder::systems::{BuiltIn, Systems as _, Work};
use cloudchamber_folder::trace::{self, Trace};
use proptest::prelude::*;

/// A trace that is whole: its first choices are allowed, its hash is of no importance to a parser.
const TRACE: &str = concat!(
    r#"{"cloudchamber_trace":1,"system":"failover","commit":"0000000","scenario":{"system":"failover","#,
    r#""profile":"perfect","run_ms":60000,"replica":[{},{"name":"work"}]}}"#,
    "\n",
    r#"{"ms":0,"do":"open","replica":"a","draw":{"seed":7}}"#,
    "\n",
    r#"{"ms":0,"do":"apply","replica":"a","part":"whole","draw":{"seed":8}}"#,
    "\n",
    r#"{"ms":5,"do":"sleep","replica":"a"}"#,
    "\n",
    r#"{"end":{"at_ms":60000,"hash":"00000000000000ff","violations":[]}}"#,
    "\n",
);

/// Reads a text as a scenario of the system that it names.
struct ReadScenario<'a>(&'a str);

impl Work for ReadScenario<'_> {
    type Output = Result<(), ScenarioError>;

    fn on<S: System>(self) -> Result<(), ScenarioError> {
        let scenario = Scenario::<S>::parse(Path::new("a.toml"), self.0)?;
        assert_eq!(scenario.check(), Ok(()), "what was read is sound");
        Ok(())
    }
}

fn read_scenario(text: &str) -> Result<(), ScenarioError> {
    let system = scenario::system_of(Path::new("a.toml"), text)?;
    // A system that nobody knows is refused like a scenario of another one.
    BuiltIn::with(&system, ReadScenario(text)).unwrap_or_else(|| ReadScenario(text).on::<FailoverSystem>())
}

/// Reads a text as a trace of the system that it names, and replays it as far as the world allows.
struct ReadTrace<'a>(&'a str);

impl Work for ReadTrace<'_> {
    type Output = Result<(), ScenarioError>;

    fn on<S: System>(self) -> Result<(), ScenarioError> {
        let trace = Trace::<S>::parse(Path::new("a.jsonl"), self.0)?;
        drop(trace.replay(|_| {}));
        Ok(())
    }
}

/// A good scenario of each system: its first file.
fn scenarios() -> Vec<String> {
    let first = |name: &&str| {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scenarios").join(name);
        let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        std::fs::read_to_string(files.min().expect("a system has scenarios")).unwrap()
    };
    BuiltIn::NAMES.iter().map(first).collect()
}

fn read_trace(text: &str) -> Result<Trace<FailoverSystem>, ScenarioError> {
    Trace::parse(Path::new("a.jsonl"), text)
}

/// What every error has to be: one line, beginning with the file, naming a line only where there is one.
fn is_one_line(error: &ScenarioError, text: &str) -> Result<(), TestCaseError> {
    let said = error.to_string();
    prop_assert_eq!(said.lines().count(), 1, "{}", said);
    prop_assert!(said.starts_with("a.toml") || said.starts_with("a.jsonl"), "{}", said);
    if let Some(line) = error.line {
        let lines = text.lines().count().max(1);
        prop_assert!((1..=lines + 1).contains(&line), "line {} of {}: {}", line, lines, said);
    }
    Ok(())
}

/// What becomes of a byte range of a file that was good.
#[derive(Clone, Debug)]
enum Change {
    Cut,
    Insert(String),
    Remove(usize),
    Twice(usize),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Cut),
        "[\\PC\n\\x00]{1,8}".prop_map(Change::Insert),
        (1..40_usize).prop_map(Change::Remove),
        (1..80_usize).prop_map(Change::Twice),
    ]
}

fn changed(text: &str, place: &prop::sample::Index, change: &Change) -> String {
    let characters: Vec<char> = text.chars().collect();
    let at = place.index(characters.len());
    let (before, after) = characters.split_at(at);
    let text = |characters: &[char]| characters.iter().collect::<String>();
    let some = |count: usize| count.min(after.len());
    match change {
        Change::Cut => text(before),
        Change::Insert(new) => text(before) + new + &text(after),
        Change::Remove(count) => text(before) + &text(&after[some(*count)..]),
        Change::Twice(count) => text(before) + &text(&after[..some(*count)]) + &text(after),
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_as_a_scenario(text in "\\PC{0,40}|[\\PC\n]{0,200}|(system|run_ms|replica|=|\\[|\\]|\"| |\n|[0-9]){0,40}") {
        if let Err(error) = read_scenario(&text) {
            is_one_line(&error, &text)?;
        }
    }

    #[test]
    fn any_text_is_read_or_refused_as_a_trace(text in "\\PC{0,40}|[\\PC\n]{0,200}|(\\{|\\}|\"ms\":|\"do\":|\"end\"|,|[0-9]|\n){0,40}") {
        let error = read_trace(&text).expect_err("no text of this kind is a trace");
        is_one_line(&error, &text)?;
        prop_assert!(error.line.is_some(), "{}", error);
    }

    #[test]
    fn a_changed_scenario_is_read_or_refused(which: prop::sample::Index, place: prop::sample::Index, change in change()) {
        let text = changed(which.get::<String>(&scenarios()), &place, &change);
        if let Err(error) = read_scenario(&text) {
            is_one_line(&error, &text)?;
        }
    }

    #[test]
    fn a_changed_trace_is_read_or_refused(which: prop::sample::Index, place: prop::sample::Index, change in change()) {
        let system = which.get(BuiltIn::NAMES);
        let text = changed(&TRACE.replace("failover", system), &place, &change);
        // Whatever is read can also be replayed, if the world allows it, without a panic.
        if let Some(Err(error)) = BuiltIn::with(system, ReadTrace(&text)) {
            is_one_line(&error, &text)?;
            prop_assert!(error.line.is_some(), "{}", error);
        }
    }
}

#[test]
fn the_unchanged_files_are_read() {
    for scenario in scenarios() {
        read_scenario(&scenario).unwrap();
    }
    for system in BuiltIn::NAMES {
        BuiltIn::with(system, ReadTrace(&TRACE.replace("failover", system))).unwrap().unwrap();
    }
    let trace = read_trace(TRACE).unwrap();
    assert_eq!((trace.choices.len(), trace.end.at_ms), (3, 60_000));
    assert_eq!(read_trace(&trace.to_text()).unwrap(), trace);
}

/// The error that a scenario file gets.
fn told(text: &str) -> String {
    read_scenario(text).expect_err("the text is wrong").to_string()
}

#[test]
fn an_empty_file_is_told_what_a_scenario_needs() {
    insta::assert_snapshot!(told(" \n"), @"a.toml: the file is empty; a scenario names at least `system`, `run_ms` and one `[[replica]]`");
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    assert!(
        told("system = 'failover'\nrun_ms = 5\nreplica = [{}]\ncolour = 'red'\n")
            .starts_with("a.toml:4: unknown field `colour`, expected one of `about`")
    );
    insta::assert_snapshot!(told("system = 'failover'\nrun_ms = 5\n\n[[replica]]\nspeed = 3\n"), @"a.toml:5: unknown field `speed`");
    assert!(
        told("system = 'failover'\nrun_ms = 5\nreplica = [{}]\n[[at]]\nms = 1\ndo = 'explode'\n")
            .starts_with("a.toml:6: unknown variant `explode`, expected one of `apply`")
    );
}

#[test]
fn a_wrong_type_is_named_with_its_line() {
    insta::assert_snapshot!(told("system = 'failover'\nrun_ms = 'long'\nreplica = [{}]\n"), @r#"a.toml:2: invalid type: string "long", expected u64"#);
    insta::assert_snapshot!(told("system = 'failover'\nrun_ms = -1\nreplica = [{}]\n"), @"a.toml:2: invalid value: integer `-1`, expected u64");
}

#[test]
fn contradictory_values_are_named_with_their_line() {
    insta::assert_snapshot!(told("system = 'failover'\nrun_ms = 5\nreplica = [{}]\n[[at]]\nms = 1\ndo = 'sleep'\nreplica = 'b'\n"), @"a.toml:4: something happens at replica b, but there are only 1");
    insta::assert_snapshot!(told("system = 'failover'\nrun_ms = 5\nreplica = [{}]\n[[at]]\nms = 9\ndo = 'sleep'\nreplica = 'a'\n"), @"a.toml:4: something happens at 9 ms, after the end at 5 ms");
    insta::assert_snapshot!(told("system = 'failover'\nrun_ms = 5\nreplica = [{}]\n[faults]\nsleep = { every_ms = 5, for_ms = [9, 1] }\n"), @"a.toml:4: a fault needs every_ms above 0 and for_ms = [shortest, longest] in this order");
    assert!(
        told("system = 'failover'\nrun_ms = 5\nreplica = [{}]\n[expect]\nviolates = ['gravity']\n")
            .starts_with("a.toml:4: there is no checker `gravity`; there are at_most_one_active, ")
    );
    insta::assert_snapshot!(told("system = 'failover'\nrun_ms = 5\nreplica = [{}]\n[settings]\nstale_ms = 10\n"), @"a.toml:4: the active heartbeat can come 41000 ms after the last one (heartbeat, jitter, poll and pause), and after 10 ms the active replica counts as gone; raise stale_ms over 41000 or shorten the heartbeat");
}

#[test]
fn an_unknown_profile_is_told_which_there_are() {
    insta::assert_snapshot!(told("system = 'failover'\nprofile = 'icloudy'\nrun_ms = 5\nreplica = [{}]\n"), @"a.toml:2: there is no profile `icloudy`; did you mean `icloud`? There are icloud, dropbox, gdrive, onedrive, syncthing, unison, rclone, git, perfect, and files whose name ends with .toml");
}

#[test]
fn bad_traces_are_named_with_their_line() {
    let told = |text: &str| read_trace(text).expect_err("the text is wrong").to_string();
    let end = TRACE.find("{\"end\"").unwrap();
    insta::assert_snapshot!(told(&TRACE[..end]), @r#"a.jsonl:4: the trace is cut off: its last line is not {"end":…}; record it again from its seed"#);
    insta::assert_snapshot!(told(&TRACE[..end - 9]), @"a.jsonl:4: EOF while parsing a string; the line is not of this format");
    insta::assert_snapshot!(told("{\"log\":1}\n"), @r#"a.jsonl:1: this is not a trace; a trace begins with {"cloudchamber_trace":1,…} and is written by `cloudchamber run --trace FILE`"#);
    insta::assert_snapshot!(told(&TRACE.replacen("trace\":1", "trace\":2", 1)), @"a.jsonl:1: the trace is of version 2 and this program reads version 1; record it again from its seed with this program, or replay it with the one that wrote it");
    insta::assert_snapshot!(told(&TRACE.replacen("failover\",\"commit", "delta\",\"commit", 1)), @"a.jsonl:1: this is a trace of `delta`, not of `failover`");
    insta::assert_snapshot!(told(&TRACE.replacen("\"ms\":5", "\"ms\":5,\"mood\":1", 1)), @"a.jsonl:4: unknown field `mood`, expected `replica`; the line is not of this format");
    insta::assert_snapshot!(told(&TRACE.replacen("{\"ms\":0,\"do\":\"apply\"", "{\"ms\":9,\"do\":\"apply\"", 1)), @"a.jsonl:4: time goes back from 9 to 5 ms");
    insta::assert_snapshot!(told(&(TRACE.to_owned() + "more\n")), @r#"a.jsonl:6: "more" follows the end of the trace"#);
    let version = trace::VERSION;
    assert!(told(&TRACE.replacen("trace\":1", "trace\":2", 1)).contains(&format!("reads version {version}")));
}
