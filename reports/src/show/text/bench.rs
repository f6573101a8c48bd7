//! A bench on a terminal.

use super::layout::{put, table};
use crate::report::failover_times::{BenchReport, Cell, Curve, Mode};
use crate::report::words::duration;
use crate::show::cells::{design, overlap, percentiles, shown, times};

/// The whole report.
pub(crate) fn text(report: &BenchReport) -> String {
    let mut text = String::new();
    for mode in Mode::ALL {
        event(&mut text, report, mode);
    }
    quiet(&mut text, &report.cells);
    for curve in &report.curves {
        points(&mut text, curve);
    }
    text
}

/// One kind of event: a row for each provider and design.
fn event(text: &mut String, report: &BenchReport, mode: Mode) {
    let title = format!(
        "{}: from the event until exactly one is active and all in reach name it ({} seeds)",
        mode.text(),
        report.seeds
    );
    put(text, &title);
    let head = [
        "profile",
        "design",
        "p50",
        "p90",
        "p99",
        "max",
        "one active",
        "bound",
        "p50/bound",
        "own mistakes",
        "two active",
        "never",
        "unsettled",
    ];
    let mut rows = Vec::new();
    for cell in &report.cells {
        let Some(figures) = cell.events.iter().find(|figures| figures.event == mode) else { continue };
        let mut row = vec![cell.profile.clone(), design(cell)];
        row.extend(percentiles(&figures.agreed));
        row.extend([
            shown(figures.one.p50_ms),
            shown(figures.bound_ms),
            times(figures.ratio),
            times(figures.ratio_of_own_mistakes),
            overlap(figures),
            figures.never.to_string(),
            figures.unsettled.to_string(),
        ]);
        rows.push(row);
    }
    text.push_str(&table(&head, 2, &rows));
}

/// What happens while nothing happens.
fn quiet(text: &mut String, cells: &[Cell]) {
    put(
        text,
        "without any fault: mistakes, writes, and the best detector with the published design's mistakes",
    );
    let head = [
        "profile",
        "design",
        "replica-days",
        "false failovers a replica-day",
        "two active a day",
        "writes a replica-hour",
        "of the active one",
        "best time-out",
        "travel",
        "noticed",
    ];
    let mut rows = Vec::new();
    for cell in cells {
        rows.push(vec![
            cell.profile.clone(),
            design(cell),
            format!("{:.1}", cell.quiet.replica_days),
            format!("{:.2}", cell.quiet.false_failovers_per_replica_day),
            duration(cell.quiet.overlap_ms_per_day),
            format!("{:.0}", cell.quiet.writes_per_replica_hour),
            format!("{:.0}", cell.quiet.writes_per_hour_of_active),
            shown(cell.bounds.map(|bounds| bounds.as_published.timeout_ms)),
            shown(cell.bounds.map(|bounds| bounds.as_published.travel_ms)),
            shown(cell.bounds.map(|bounds| bounds.as_published.noticed_ms)),
        ]);
    }
    text.push_str(&table(&head, 2, &rows));
}

/// Other heartbeats and time-outs on one provider.
fn points(text: &mut String, curve: &Curve) {
    put(text, &format!("{}: other heartbeats and time-outs, after a crash", curve.profile));
    let head = [
        "design",
        "heartbeat",
        "time-out",
        "p50",
        "p90",
        "p99",
        "max",
        "false failovers a replica-day",
        "writes a replica-hour",
        "two active",
    ];
    let mut rows = Vec::new();
    for cell in &curve.points {
        let Some(figures) = cell.events.first() else { continue };
        let mut row = vec![design(cell), duration(cell.heartbeat_ms), duration(cell.timeout_ms)];
        row.extend(percentiles(&figures.agreed));
        row.extend([
            format!("{:.2}", cell.quiet.false_failovers_per_replica_day),
            format!("{:.0}", cell.quiet.writes_per_replica_hour),
            overlap(figures),
        ]);
        rows.push(row);
    }
    text.push_str(&table(&head, 3, &rows));
    for why in &curve.refused {
        put(text, &format!("  refused: {why}"));
    }
}
