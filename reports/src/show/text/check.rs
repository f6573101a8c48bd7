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
    let verdict = if report.ok { "as expected" } else { "NOT as expected" };
    put(
        &mut text,
        &format!("{}  {verdict}, in {:.1} s (commit {})", mark(report.ok), report.wall_s, report.commit),
    );
    text
}
