//! A whole check on a terminal.

use super::layout::{columns, list, mark, pasted, put};
use super::{bench, claims, journal, models, swarm, throughput};
use crate::report::bench::Bench;
use crate::report::check::CheckReport;
use crate::report::words::tally;

/// A whole check.
pub(crate) fn text(report: &CheckReport) -> String {
    let mut text = String::new();
    for (title, scenarios) in [("Scenarios", &report.scenarios), ("Regressions", &report.regressions)] {
        put(&mut text, &format!("{title}: {}", tally(scenarios)));
        let entries = scenarios.iter().map(|line| (mark(line.ok), line.file.clone(), line.outcome.clone()));
        list(&mut text, &entries.collect::<Vec<_>>());
        for line in scenarios.iter().filter(|line| !line.ok) {
            pasted(&mut text, "  again: ", &line.reproduce);
        }
    }
    put(&mut text, "Swarms: what is violated in how many of their seeds");
    for swarm in &report.swarms {
        swarm::line(&mut text, swarm);
    }
    models::table(&mut text, &report.models);
    for measured in &report.benches {
        match measured {
            Bench::Failover(failover) => {
                text.push_str(&bench::text(&failover.times));
                text.push_str(&claims::text(&failover.documents, &failover.success));
            }
            Bench::Journal(journals) => text.push_str(&journal::text(journals)),
            Bench::Delta(measured) | Bench::Notes(measured) => {
                text.push_str(&throughput::text(&measured.throughput));
                text.push_str(&claims::documents(&measured.documents));
            }
        }
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
    let cpu_s: f64 = report.parts.iter().map(|part| part.cpu_s).sum();
    if cpu_s > 0.0 {
        put(&mut text, "Where the time went: processor time, its share, real time");
        let rows = report.parts.iter().map(|part| {
            let share = format!("{:.0} %", part.cpu_s / cpu_s * 100.0);
            vec![part.name.clone(), format!("{:.1} s", part.cpu_s), share, format!("{:.1} s", part.wall_s)]
        });
        text.push_str(&columns(&rows.collect::<Vec<_>>()));
    }
    text.push_str(&summary(report));
    text
}

/// What is not as expected, and the line with which every check ends.
pub(crate) fn quiet(report: &CheckReport) -> String {
    let mut text = String::new();
    for line in report.scenarios.iter().chain(&report.regressions).filter(|line| !line.ok) {
        list(&mut text, &[(mark(false), line.file.clone(), line.outcome.clone())]);
        pasted(&mut text, "          again: ", &line.reproduce);
    }
    for swarm in report.swarms.iter().filter(|swarm| !swarm.missed.is_empty()) {
        swarm::line(&mut text, swarm);
    }
    for model in report.models.iter().filter(|model| !model.ok) {
        list(&mut text, &[(mark(false), model.file.clone(), model.outcome.clone())]);
        pasted(&mut text, "          again: ", &model.reproduce);
    }
    for row in report.syncthing.iter().filter(|row| !row.ok) {
        let said = format!("{} {} measured, {} simulated", row.measured, row.unit, row.simulated);
        list(&mut text, &[(mark(false), row.what.clone(), said)]);
    }
    text.push_str(&summary(report));
    text
}

/// The line with which every check ends.
fn summary(report: &CheckReport) -> String {
    let mut text = String::new();
    let runs: u64 = report.swarms.iter().map(|swarm| swarm.seeds.run).sum();
    let scenarios = report.scenarios.len() + report.regressions.len();
    let verdict = if report.ok { "as expected" } else { "NOT as expected" };
    let commit = report.commit.get(..12).unwrap_or(&report.commit);
    put(
        &mut text,
        &format!(
            "{}  {verdict}: {scenarios} scenarios, {runs} random runs, {} models; {:.0} s, commit {commit}",
            mark(report.ok),
            report.models.len(),
            report.wall_s
        ),
    );
    text
}
