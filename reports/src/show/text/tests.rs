//! A made-up report of everything, with long names and large figures, fits a terminal.

use std::collections::{BTreeMap, BTreeSet};

use cloudchamber_folder::ReplicaId;
use cloudchamber_folder::checks::{Kind, Violation};
use cloudchamber_folder::scenario::Expect;
use cloudchamber_folder::shrink::{Rule, Size};
use cloudchamber_model::notecove::{Action, Config, Weakness};
use cloudchamber_sim::Shape;

use super::layout::{WIDTH, width};
use super::{bench, check, claims, journal, models, run, shrink, specification, swarm, throughput};
use crate::report::bench::{Bench, FailoverBench, TaskBench};
use crate::report::check::{CheckReport, MeasuredRow, Part, SCHEMA};
use crate::report::claims::{ClaimCell, ClaimTable, DocumentClaim, Value};
use crate::report::distribution::Distribution;
use crate::report::failover_times::{BenchReport, Bound, Bounds, Cell, Curve, Figures, Mode, Noticed, Quiet};
use crate::report::journals::{Aim, JournalReport, StageReport};
use crate::report::model::{ModelReport, Property};
use crate::report::run::{RunReport, ScenarioReport};
use crate::report::shrink::ShrinkReport;
use crate::report::specification::SpecificationReport;
use crate::report::swarm::{Determinism, Seeds, SwarmReport, Verdict};
use crate::report::throughput::{TaskAim, TaskReport, ThroughputReport};

const CHECKER: &str = "two_are_active_until_the_files_have_come";
const COMMAND: &str = "cargo run --release --bin cloudchamber -- swarm --system failover --design hardened --policy \
                       majority --profile syncthing --fault all=on --fault clock=off --seeds 123456..123457";
const FILE: &str = "scenarios/failover/ten-minutes-of-sleep-on-a-clock-that-stops-and-is-set-back-a-day-hardened-majority.toml";
const PROSE: &str = "Ann's file \u{2014} \u{6f22}\u{5b57} \u{2014} has not left her machine, so that nobody else has \
                     seen what she wrote, and what the others wrote in the meantime is older than that";

/// Nothing is wider than a terminal but a line that a person pastes: it names a command or a trace, and is left whole.
fn assert_fits(text: &str) {
    for line in text.lines() {
        let pasted = ["again: ", "trace: "].iter().any(|label| line.trim_start().starts_with(label));
        assert!(pasted || width(line) <= WIDTH, "{} columns: {line}", width(line));
    }
    assert!(text.ends_with('\n'), "{text}");
}

fn violation() -> Violation {
    Violation {
        checker: CHECKER.into(),
        at_ms: 123_456_789,
        replicas: vec![ReplicaId(0), ReplicaId(1)],
        expected: "at most one replica is active".into(),
        seen: PROSE.into(),
    }
}

fn distribution() -> Distribution {
    Distribution::new(BTreeMap::from([(1_234_567_890, 123_456), (2_345_678_901, 654_321)]))
}

fn verdict(kind: Kind, violated: u64) -> Verdict {
    Verdict {
        checker: CHECKER.into(),
        kind,
        about: PROSE.into(),
        conceded: false,
        violated,
        first_seed: (violated > 0).then_some(123_456),
        first: (violated > 0).then(violation),
        reproduce: Some(COMMAND.into()),
        trace: Some(format!("traces/swarms/{CHECKER}-{CHECKER}-123456.jsonl")),
    }
}

fn a_swarm() -> SwarmReport {
    let verdicts = vec![
        verdict(Kind::Safety, 123_456),
        verdict(Kind::Safety, 117),
        verdict(Kind::Liveness, 0),
        verdict(Kind::Reached, 1),
        verdict(Kind::Reached, 0),
    ];
    SwarmReport {
        system: "failover".into(),
        design: "hardened".into(),
        policy: Some("majority".into()),
        profile: "syncthing".into(),
        commit: "0123456789abcdef".into(),
        faults: BTreeMap::new(),
        shape: Shape::default(),
        seeds: Seeds { from: 0, to: 1_000_000, run: 1_000_000, failed: 123_456 },
        hash: "0123456789abcdef".into(),
        simulated_s: 12_345_678.9,
        wall_s: 12_345.6,
        runs_per_s: 1_234.5,
        cpu_s: 12_345.6,
        simulated_s_per_cpu_s: 123_456.7,
        verdicts,
        counted: vec![verdict(Kind::Counted, 12_345), verdict(Kind::Counted, 0)],
        determinism: Determinism { checked: 100_000, mismatches: 1, seeds: vec![3] },
        recheck: Some(COMMAND.into()),
        convergence: Distribution { words: "back to one active".into(), ..distribution() },
        agreement: Distribution { words: "all agree on it".into(), ..distribution() },
        counts: BTreeMap::new(),
        expect: None,
        missed: vec![format!("no seed violates `{CHECKER}`, and some were expected to: {PROSE}")],
    }
}

fn scenario(ok: bool) -> ScenarioReport {
    ScenarioReport {
        file: FILE.into(),
        system: "failover".into(),
        design: "hardened".into(),
        policy: Some("majority".into()),
        about: PROSE.into(),
        violated: vec![CHECKER.into()],
        expect: Expect::default(),
        outcome: format!("violates {CHECKER}, {CHECKER}, {CHECKER} as expected"),
        ok,
        seed: u64::MAX,
        hash: "0123456789abcdef".into(),
        violations: vec![violation()],
        reproduce: COMMAND.into(),
        trace: Some(FILE.into()),
    }
}

fn model(ok: bool) -> ModelReport {
    ModelReport {
        file: FILE.into(),
        about: PROSE.into(),
        system: "failover".into(),
        design: "hardened".into(),
        policy: Some("majority".into()),
        replicas: 3,
        unique_states: 1_234_567_890,
        generated_states: 12_345_678_901,
        states_per_s: 1_234_567,
        bytes_per_state: Some(1_234),
        depth: 1_234,
        complete: true,
        properties: vec![Property { name: CHECKER.into(), holds: false, path_len: Some(1_234) }],
        wall_s: 1.0,
        outcome: format!("`{CHECKER}` was expected to hold and is violated in 1234 steps"),
        ok,
        story: vec![format!("123456.789 s  {PROSE}"); 3],
        reproduce: COMMAND.into(),
        trace: Some(FILE.into()),
    }
}

fn figures(event: Mode) -> Figures {
    let distribution = distribution();
    Figures {
        event,
        one: distribution.clone(),
        agreed: distribution.clone(),
        never: 123,
        unsettled: 123,
        overlap: distribution.clone(),
        noticed: Noticed { first: distribution, together: 1, clean: 1, conflicts: 1, device_conflicts: 1 },
        bound_ms: Some(1_234_567),
        ratio: Some(1_234.56),
        ratio_of_own_mistakes: Some(1_234.56),
    }
}

fn cell(profile: &str) -> Cell {
    let bound = Bound {
        period_ms: 1_234_567,
        timeout_ms: 1_234_567,
        travel_ms: 1_234_567,
        noticed_ms: 1_234_567,
        agreed_ms: 1_234_567,
    };
    Cell {
        profile: profile.into(),
        design: "hardened".into(),
        policy: Some("available".into()),
        heartbeat_ms: 1_234_567,
        timeout_ms: 1_234_567,
        quiet: Quiet {
            replica_days: 1_234.5,
            false_failovers: 1,
            false_failovers_per_replica_day: 1_234.56,
            overlap_ms_per_day: 12_345_678,
            writes_per_replica_hour: 12_345.0,
            writes_per_hour_of_active: 12_345.0,
            writes_together_percent: 12.3,
            conflicts_percent: 12.3,
            device_conflicts: 1,
        },
        bounds: Some(Bounds { as_published: bound, as_itself: bound }),
        events: Mode::ALL.map(figures).into(),
    }
}

fn failover_times() -> BenchReport {
    let cells: Vec<_> = ["icloud", "syncthing"].map(cell).into();
    let curve = Curve { profile: "syncthing".into(), points: cells.clone(), refused: vec![PROSE.into()] };
    BenchReport { commit: String::new(), seeds: 1_000_000, cells, curves: vec![curve] }
}

fn journals() -> JournalReport {
    let stage = |aim| StageReport {
        name: "SQLite alone: loads the same lines and sorts them".into(),
        events: 20_000_000,
        wall_ms: 1_234_567,
        cpu_ms: 1_234_567,
        events_per_cpu_s: 1_234_567,
        aim,
    };
    JournalReport {
        events: 20_000_000,
        machines: 100,
        peak_bytes: Some(1 << 40),
        stages: vec![stage(None), stage(Some(Aim::EventsPerCpuS(1_000_000))), stage(Some(Aim::WallMs(50)))],
        ..JournalReport::default()
    }
}

fn a_throughput() -> ThroughputReport {
    let row = |aim| TaskReport {
        task: "merge in memory, a tenth edited on both sides".into(),
        by: "yrs alone, in one transaction".into(),
        things: 100_000,
        wall_us: 12_345_678,
        cpu_us: 12_345_678,
        things_per_cpu_s: 12_345_678,
        of_ours: Some(123.45),
        files_opened: Some(10_000),
        files_written: Some(10_000),
        bytes_written: Some(12_345_678),
        aim,
        is_met: Some(false),
    };
    let aims =
        [None, Some(TaskAim::AheadOfAll(1_000_000)), Some(TaskAim::PercentOf(120, "yrs alone".into()))];
    let rows = aims.map(row).into();
    ThroughputReport { about: PROSE.into(), fairness: PROSE.into(), rows, ..ThroughputReport::default() }
}

fn document() -> DocumentClaim {
    let profiles = ["icloud", "dropbox", "gdrive", "onedrive", "syncthing", "git", "perfect"];
    let value = |profile: &str| Value {
        profile: profile.into(),
        design: "hardened".into(),
        policy: Some("majority".into()),
        text: "12345.6 s, 12345.6 s".into(),
    };
    DocumentClaim {
        claim: "a standby detects the loss".into(),
        said: "within 8 to 15 s".into(),
        measured_as: PROSE.into(),
        values: profiles.map(value).into(),
    }
}

fn success() -> ClaimTable {
    let cell = ClaimCell {
        standbys: 3,
        delay_ms: 17_000,
        seeds: 1_000_000,
        good: 1,
        overlapped: 1,
        measured_percent: 99.9,
        calculated_percent: 99.9,
        reason: Some(PROSE.into()),
        reproduce: Some(COMMAND.into()),
    };
    ClaimTable { claim: "failover success 95 %".into(), about: PROSE.into(), cells: vec![cell] }
}

#[test]
fn a_check_fits_a_terminal() {
    let measured = MeasuredRow {
        what: "eight data files and a pointer to them, in how many of many trials the pointer comes first"
            .into(),
        unit: "versions".into(),
        measured: 123_456,
        simulated: 123_456,
        tolerance_percent: 100,
        ok: true,
    };
    let report = CheckReport {
        schema: SCHEMA,
        commit: "0123456789abcdef".into(),
        quick: false,
        scenarios: vec![scenario(true), scenario(false)],
        regressions: vec![scenario(true)],
        swarms: vec![a_swarm()],
        models: vec![model(true), model(false)],
        benches: vec![
            Bench::Failover(Box::new(FailoverBench {
                times: failover_times(),
                documents: vec![document()],
                success: success(),
            })),
            Bench::Journal(journals()),
            Bench::Delta(TaskBench { throughput: a_throughput(), documents: vec![document()] }),
            Bench::Notes(TaskBench { throughput: a_throughput(), documents: vec![document()] }),
        ],
        syncthing: vec![measured],
        profiles: vec![],
        parts: vec![Part { name: "swarms of failover, hardened".into(), cpu_s: 123_456.7, wall_s: 12_345.6 }],
        shards: None,
        wall_s: 123_456.7,
        ok: false,
    };
    assert_fits(&check::quiet(&report));
    assert!(check::quiet(&report).lines().count() < check::text(&report).lines().count() / 3);
    let text = check::text(&report);
    assert_fits(&text);
    assert!(
        text.lines().last().unwrap().contains("NOT as expected: 3 scenarios, 1000000 random runs, 2 models")
    );
    for said in ["two_are_active_until_the_files_have_come 117/1000000", "only counted: ", "not reached: "] {
        assert!(text.contains(said), "{said}: {text}");
    }
    // Nothing of what was measured is lost on the way.
    for said in ["p50/bound", "unsettled", "12345.6 s, 12345.6 s", "perfect", "best", "calculated"] {
        assert!(text.contains(said), "{said}: {text}");
    }
}

#[test]
fn everything_else_fits_a_terminal() {
    assert_fits(&swarm::text(&a_swarm()));
    assert_fits(&swarm::quiet(&a_swarm()));
    assert_fits(&models::text(&model(false)));
    assert_fits(&bench::text(&failover_times()));
    assert_fits(&claims::text(&[document()], &success()));
    assert_fits(&journal::text(&journals()));
    assert_fits(&throughput::text(&a_throughput()));
    assert_fits(&run::text(&RunReport {
        commit: String::new(),
        run: scenario(false),
        profile: "syncthing".into(),
        choices: 1_234_567_890,
        at_ms: 12_345_678_901,
        counts: BTreeMap::new(),
        samples: BTreeMap::new(),
        differs: None,
    }));
    let faults = BTreeMap::from([("machine slept".to_owned(), 1_234), ("network lost".to_owned(), 1)]);
    let size = |count: usize| Size {
        choices: 1_234_567,
        replicas: ReplicaId::all(count).collect::<BTreeSet<_>>(),
        faults: faults.clone(),
        end_ms: 1_234_567_890,
    };
    assert_fits(&shrink::text(&ShrinkReport {
        commit: String::new(),
        system: "failover".into(),
        file: FILE.into(),
        output: FILE.into(),
        checker: CHECKER.into(),
        violation: violation(),
        rule: Rule::Punctual,
        new_runs: true,
        before: size(ReplicaId::COUNT_MAX),
        after: size(2),
        replays: 1_234_567,
        spent: true,
        reproduce: COMMAND.into(),
    }));
}

#[test]
fn a_specification_fits_a_terminal() {
    assert_fits(&specification::text(&SpecificationReport {
        model: model(false),
        constants: Config::DEFAULT,
        per_action: Action::NAMES.iter().map(|name| ((*name).to_owned(), 1_234_567_890)).collect(),
        edits_after_deletion: 1_234_567_890,
        clock_decreases: 1_234_567_890,
        fully_synced: 1_234_567_890,
        tlc: None,
    }));
    for weakness in &Weakness::ALL {
        assert_fits(&specification::weakness(12, weakness));
    }
}
