//! Reports on a terminal.

pub(crate) mod bench;
pub(crate) mod claims;
pub(crate) mod journal;
pub(crate) mod models;
pub(crate) mod shrink;

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use cloudchamber_folder::checks::Kind;

use crate::commands::swarm::held;
use crate::files;
use crate::json::{CheckReport, Distribution, RunReport, ScenarioReport, SwarmReport, Verdict};

/// One run or replay.
pub(crate) fn run(report: &RunReport) {
    let mut text = String::new();
    let line = &report.run;
    put(
        &mut text,
        &format!("{}  {} (seed {}, profile {})", mark(line.ok), line.file, line.seed, report.profile),
    );
    if !line.about.is_empty() {
        put(&mut text, &format!("      {}", line.about));
    }
    put(&mut text, &format!("      {}", line.outcome));
    put(
        &mut text,
        &format!("      {} choices in {}, hash {}", report.choices, duration(report.at_ms), line.hash),
    );
    for violation in &line.violations {
        put(&mut text, &format!("      {violation}"));
    }
    if !line.violations.is_empty() || !line.ok {
        put(&mut text, &format!("      again: {}", line.reproduce));
    }
    if let Some(trace) = &line.trace {
        put(&mut text, &format!("      trace: {trace}"));
    }
    files::print(&text);
}

/// One swarm.
pub(crate) fn swarm(report: &SwarmReport) {
    let mut text = String::new();
    swarm_into(&mut text, report);
    files::print(&text);
}

/// A whole check.
pub(crate) fn check(report: &CheckReport) {
    let mut text = String::new();
    for (title, scenarios) in [("Scenarios", &report.scenarios), ("Regressions", &report.regressions)] {
        put(&mut text, &format!("{title}: {}", tally(scenarios)));
        let rows = scenarios.iter().map(|line| vec![mark(line.ok), line.file.clone(), line.outcome.clone()]);
        text.push_str(&columns(&rows.collect::<Vec<_>>()));
        for line in scenarios.iter().filter(|line| !line.ok) {
            put(&mut text, &format!("  again: {}", line.reproduce));
        }
    }
    put(&mut text, "Swarms: seeds that violate each checker");
    for swarm in &report.swarms {
        swarm_line(&mut text, swarm);
    }
    models::table(&mut text, &report.models);
    for measured in &report.bench {
        text.push_str(&bench::text(measured));
    }
    for measured in &report.journals {
        text.push_str(&journal::text(measured));
    }
    for claim in &report.documents {
        claims::document(&mut text, claim);
    }
    for table in &report.claims {
        claims::table(&mut text, table);
    }
    if !report.syncthing.is_empty() {
        put(&mut text, "Syncthing: measured beside simulated");
        let rows = report.syncthing.iter().map(|row| {
            vec![
                mark(row.ok),
                row.what.clone(),
                format!("{} {}", row.measured, row.unit),
                format!("{} {}", row.simulated, row.unit),
                format!("within {} %", row.tolerance_percent),
            ]
        });
        text.push_str(&columns(&rows.collect::<Vec<_>>()));
    }
    let verdict = if report.ok { "as expected" } else { "NOT as expected" };
    put(
        &mut text,
        &format!("{}  {verdict}, in {:.1} s (commit {})", mark(report.ok), report.wall_s, report.commit),
    );
    files::print(&text);
}

fn swarm_line(text: &mut String, swarm: &SwarmReport) {
    let found = swarm.verdicts.iter().filter(|verdict| verdict.violated > 0);
    let found: Vec<_> = found.map(|verdict| format!("{} {}", verdict.checker, verdict.violated)).collect();
    let found = if found.is_empty() { "holds".to_owned() } else { found.join(", ") };
    let p50 = swarm.convergence.p50_ms.map_or("-".into(), duration);
    let [what, _] = convergence_words(swarm);
    put(
        text,
        &format!(
            "  {}  {:36}  {} runs, {} runs/s, {what} p50 {p50}: {found}",
            mark(swarm.missed.is_empty()),
            swarm_name(swarm),
            swarm.seeds.run,
            swarm.runs_per_s,
        ),
    );
    for missed in &swarm.missed {
        put(text, &format!("        {missed}"));
    }
    if !swarm.missed.is_empty() {
        for verdict in swarm.verdicts.iter().filter(|verdict| verdict.violated > 0) {
            if let Some(command) = &verdict.reproduce {
                put(text, &format!("        {}: {command}", verdict.checker));
            }
        }
    }
}

/// What is counted from a loss on, first by one and then by all.
fn convergence_words(swarm: &SwarmReport) -> [&'static str; 2] {
    match &*swarm.system {
        "journal" => ["read by another", "read by everybody"],
        _ => ["back to one active", "all agree on it"],
    }
}

/// Which swarm it is, in the words of the command.
pub(crate) fn swarm_name(swarm: &SwarmReport) -> String {
    let policy = swarm.policy.iter().map(|policy| format!("{policy} ")).collect::<String>();
    format!("{} {} {policy}{}", swarm.system, swarm.design, swarm.profile)
}

fn swarm_into(text: &mut String, report: &SwarmReport) {
    let seeds = report.seeds;
    put(
        text,
        &format!(
            "{}  {} {}, profile {}: {} of seeds {}..{}, {} of virtual time in {:.1} s, {} runs/s",
            mark(held(report)),
            report.system,
            report.design,
            report.profile,
            seeds.run,
            seeds.from,
            seeds.to,
            hours(report.simulated_s),
            report.wall_s,
            report.runs_per_s
        ),
    );
    let rows = report.verdicts.iter().chain(&report.counted).map(|verdict| {
        vec![
            verdict_mark(verdict),
            verdict.checker.clone(),
            kind(verdict.kind).into(),
            match (verdict.kind, verdict.violated) {
                (Kind::Reached, 0) => "reached".into(),
                (Kind::Reached, _) => "not reached".into(),
                (Kind::Counted, violated) => format!("in {violated} runs"),
                (_, 0) => "holds".into(),
                (_, violated) => format!("violated in {violated} runs"),
            },
            verdict.first_seed.map_or(String::new(), |seed| format!("first by seed {seed}")),
        ]
    });
    text.push_str(&columns(&rows.collect::<Vec<_>>()));
    let [first, all] = convergence_words(report);
    put(text, &format!("  {:20}{}", format!("{first}:"), distribution(&report.convergence)));
    put(text, &format!("  {:20}{}", format!("{all}:"), distribution(&report.agreement)));
    let again = &report.determinism;
    put(text, &format!("  second runs: {}, of which {} were others", again.checked, again.mismatches));
    if let (Some(first), Some(command)) = (again.seeds.first(), &report.recheck) {
        put(text, &format!("  seed {first} ran another way the second time; again: {command}"));
    }
    for missed in &report.missed {
        put(text, &format!("  {missed}"));
    }
    for verdict in report.verdicts.iter().filter(|verdict| verdict.kind != Kind::Reached) {
        if let (Some(first), Some(command)) = (&verdict.first, &verdict.reproduce) {
            put(text, &format!("{first}"));
            put(text, &format!("  again: {command}"));
        }
        if let Some(trace) = &verdict.trace {
            put(text, &format!("  trace: {trace}"));
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counted => "counted",
        Kind::Liveness => "liveness",
        Kind::Reached => "reached",
        Kind::Safety => "safety",
    }
}

fn distribution(of: &Distribution) -> String {
    match (of.p50_ms, of.p90_ms, of.p99_ms, of.max_ms) {
        (Some(p50), Some(p90), Some(p99), Some(max)) => format!(
            "p50 {}, p90 {}, p99 {}, max {} ({} samples)",
            duration(p50),
            duration(p90),
            duration(p99),
            duration(max),
            of.samples
        ),
        _ => "no samples".into(),
    }
}

/// Milliseconds for people.
pub(crate) fn duration(ms: u64) -> String {
    let tenths = (ms + 50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

fn hours(s: f64) -> String {
    if s >= 7_200.0 { format!("{:.0} h", s / 3_600.0) } else { format!("{s:.0} s") }
}

pub(crate) fn tally(scenarios: &[ScenarioReport]) -> String {
    let good = scenarios.iter().filter(|line| line.ok).count();
    format!("{good} of {} as expected", scenarios.len())
}

fn verdict_mark(verdict: &Verdict) -> String {
    match verdict.kind {
        Kind::Counted => "    ".into(),
        Kind::Reached if verdict.violated > 0 => "  - ".into(),
        _ => mark(verdict.violated == 0),
    }
}

/// Good or bad, in colour where standard output shows colours.
fn mark(ok: bool) -> String {
    let text = if ok { "ok  " } else { "FAIL" };
    if !colours() {
        return text.into();
    }
    let colour = if ok { 32 } else { 31 };
    format!("\u{1b}[{colour}m{text}\u{1b}[0m")
}

/// Whether there is a terminal and nobody asked for it plain (no-color.org).
fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

pub(crate) fn put(text: &mut String, line: &str) {
    writeln!(text, "{}", line.trim_end()).expect("writing to a string works");
}

/// Rows as indented columns, each as wide as its widest cell.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |cell: &String| {
        // A colour takes no room.
        let plain = cell.replace("\u{1b}[32m", "").replace("\u{1b}[31m", "").replace("\u{1b}[0m", "");
        plain.chars().count()
    };
    let widths: Vec<_> = (0..count)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(width).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let cells =
            row.iter().zip(&widths).map(|(cell, wide)| format!("{cell}{}", " ".repeat(wide - width(cell))));
        put(&mut text, &format!("  {}", cells.collect::<Vec<_>>().join("  ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let rows =
            [vec!["ok".to_owned(), "a".to_owned()], vec!["FAIL".to_owned(), "bb".to_owned(), "c".to_owned()]];
        insta::assert_snapshot!(columns(&rows), @r"
          ok    a
          FAIL  bb  c
        ");
    }

    #[test]
    fn durations_are_rounded() {
        assert_eq!(
            (duration(0), duration(49), duration(50), duration(83_960)),
            ("0.0 s".into(), "0.0 s".into(), "0.1 s".into(), "84.0 s".into())
        );
    }
}
