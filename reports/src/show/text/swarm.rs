//! Swarms on a terminal.

use cloudchamber_folder::checks::Kind;

use super::layout::{columns, mark, pasted, put};
use crate::report::distribution::Distribution;
use crate::report::swarm::{SwarmReport, Verdict};
use crate::report::words::duration;

/// One swarm.
pub(crate) fn text(report: &SwarmReport) -> String {
    let mut text = String::new();
    head(&mut text, report);
    let rows = report.verdicts.iter().chain(&report.counted).map(|verdict| {
        let first = verdict.first_seed.map_or(String::new(), |seed| format!(", first by seed {seed}"));
        vec![
            verdict_mark(verdict),
            verdict.checker.clone(),
            kind(verdict.kind).into(),
            match (verdict.kind, verdict.violated) {
                (Kind::Reached, 0) => "reached".into(),
                (Kind::Reached, _) => "not reached".into(),
                (Kind::Counted, 0) => "never seen".into(),
                (Kind::Counted, violated) => {
                    format!("seen in {}{first}; fails nothing", share(violated, report))
                }
                (_, violated) if violated > 0 && verdict.conceded => {
                    format!("{}{first}; conceded by this policy, fails nothing", share(violated, report))
                }
                (_, 0) => "holds".into(),
                (_, violated) => format!("{}{first}", share(violated, report)),
            },
        ]
    });
    text.push_str(&columns(&rows.collect::<Vec<_>>()));
    for of in [&report.convergence, &report.agreement].into_iter().filter(|of| !of.words.is_empty()) {
        put(&mut text, &format!("  {:20}{}", format!("{}:", of.words), distribution(of)));
    }
    let again = &report.determinism;
    put(&mut text, &format!("  second runs: {}, of which {} were others", again.checked, again.mismatches));
    if let (Some(first), Some(command)) = (again.seeds.first(), &report.recheck) {
        put(&mut text, &format!("  seed {first} ran another way the second time"));
        pasted(&mut text, "  again: ", command);
    }
    for missed in &report.missed {
        put(&mut text, &format!("  {missed}"));
    }
    violations(&mut text, report);
    text
}

/// The line that says how it came out, and what failed.
pub(crate) fn quiet(report: &SwarmReport) -> String {
    let mut text = String::new();
    for missed in &report.missed {
        put(&mut text, &format!("  {missed}"));
    }
    violations(&mut text, report);
    head(&mut text, report);
    text
}

/// What was seen first of everything that has to hold and does not, with the command that shows it again.
fn violations(text: &mut String, report: &SwarmReport) {
    for verdict in report.verdicts.iter().filter(|verdict| verdict.is_violated()) {
        if let (Some(first), Some(command)) = (&verdict.first, &verdict.reproduce) {
            put(text, &first.to_string());
            pasted(text, "  again: ", command);
        }
        if let Some(trace) = &verdict.trace {
            pasted(text, "  trace: ", trace);
        }
    }
}

/// Which swarm it is, which of its seeds were run, and how fast.
fn head(text: &mut String, report: &SwarmReport) {
    let seeds = report.seeds;
    put(
        text,
        &format!(
            "{}  {}{}: ran {} of the {} seeds {}..{}, {} failed; {} of virtual time in {:.1} s, {} runs/s, \
             {:.0} virtual seconds a processor second",
            mark(report.held()),
            report.name(),
            report.fixed().iter().map(|fixed| format!(", {fixed}")).collect::<String>(),
            seeds.run,
            seeds.to - seeds.from,
            seeds.from,
            seeds.to,
            seeds.failed,
            hours(report.simulated_s),
            report.wall_s,
            report.runs_per_s,
            report.simulated_s_per_cpu_s
        ),
    );
}

/// One swarm of a check: a line, and below it what was violated in how many of its seeds.
pub(super) fn line(text: &mut String, swarm: &SwarmReport) {
    let p50 = swarm.convergence.p50_ms.map_or("-".into(), duration);
    let together = match &*swarm.convergence.words {
        "" => String::new(),
        words => format!(", {words} p50 {p50}"),
    };
    let found = swarm.verdicts.iter().filter(|verdict| verdict.violated > 0).collect::<Vec<_>>();
    let holds = if found.is_empty() { ", holds" } else { "" };
    put(
        text,
        &format!(
            "  {}  {:34}  {} seeds, {} runs/s{together}{holds}",
            mark(swarm.missed.is_empty()),
            swarm.name(),
            swarm.seeds.run,
            swarm.runs_per_s,
        ),
    );
    let (missing, found): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|verdict| verdict.kind == Kind::Reached);
    let (conceded, found): (Vec<_>, Vec<_>) = found.into_iter().partition(|verdict| verdict.conceded);
    let counted = swarm.counted.iter().filter(|verdict| verdict.violated > 0).collect::<Vec<_>>();
    several(text, "", &found, |verdict| share_of(verdict, swarm));
    several(text, "conceded by the policy: ", &conceded, |verdict| share_of(verdict, swarm));
    several(text, "only counted: ", &counted, |verdict| share_of(verdict, swarm));
    several(text, "not reached: ", &missing, |verdict| verdict.checker.clone());
    for missed in &swarm.missed {
        put(text, &format!("          {missed}"));
    }
    if !swarm.missed.is_empty() {
        for verdict in swarm.verdicts.iter().filter(|verdict| verdict.violated > 0) {
            if let Some(command) = &verdict.reproduce {
                put(text, &format!("          {}", verdict.checker));
                pasted(text, "            again: ", command);
            }
        }
    }
}

/// Several verdicts behind one another.
fn several(text: &mut String, label: &str, verdicts: &[&Verdict], word: impl Fn(&Verdict) -> String) {
    if !verdicts.is_empty() {
        let words: Vec<_> = verdicts.iter().map(|verdict| word(verdict)).collect();
        put(text, &format!("          {label}{}", words.join(", ")));
    }
}

/// A checker with in how many of how many seeds it was violated.
fn share_of(verdict: &Verdict, swarm: &SwarmReport) -> String {
    format!("{} {}", verdict.checker, share(verdict.violated, swarm))
}

/// How many of how many seeds.
fn share(violated: u64, swarm: &SwarmReport) -> String {
    format!("{violated}/{}", swarm.seeds.run)
}

fn verdict_mark(verdict: &Verdict) -> String {
    match verdict.kind {
        Kind::Counted => "    ".into(),
        Kind::Reached if verdict.violated > 0 => "  - ".into(),
        _ if verdict.conceded && verdict.violated > 0 => "  ~ ".into(),
        _ => mark(verdict.violated == 0),
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

fn hours(s: f64) -> String {
    if s >= 7_200.0 { format!("{:.0} h", s / 3_600.0) } else { format!("{s:.0} s") }
}
