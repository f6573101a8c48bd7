//! A bench as a section of a page.

use maud::{Markup, html};

use super::bars;
use crate::report::failover_times::{BenchReport, Cell, Curve, Figures, Mode};
use crate::report::words::duration;
use crate::show::cells::{design, overlap, percentiles, shown, times};

/// The whole report.
pub(super) fn section(report: &BenchReport) -> Markup {
    html! {
        h2 id="failover-times" { "Failover times" }
        p {
            "Three replicas, one event at a random moment after all has settled, no other fault and no hazard; "
            (report.seeds) " seeds, the same ones for every row. Measured until exactly one is active and every replica in "
            "reach names it; a run that never got there counts with the 20 minutes it was watched. The bound is what the best "
            "failure detector needs on the same folder with as many writes as the design's active replica makes and as "
            "many mistakes as the published design makes (Chen, Toueg and Aguilera, 2002), so that a design which makes "
            "more can be sooner; beside it the same with the design's own mistakes. A manual activation has to travel once."
        }
        @for mode in Mode::ALL { (event(report, mode)) }
        (quiet(&report.cells))
        @for curve in &report.curves { (points(curve)) }
    }
}

fn event(report: &BenchReport, mode: Mode) -> Markup {
    let longest =
        report.cells.iter().filter_map(|cell| found(cell, mode)?.agreed.p99_ms).max().unwrap_or(1).max(1);
    html! {
        h3 { (mode.text()) }
        div.wide {
            table {
                tr {
                    th { "profile" } th { "design" } th { "p50" } th { "p90" } th { "p99" } th { "max" }
                    th { "p50, p90, p99" } th { "one active, p50" } th { "bound" } th { "p50 / bound" } th { "with its own mistakes" }
                    th { "two active: runs, p50" } th { "never" } th { "unsettled" }
                }
                @for cell in &report.cells {
                    @if let Some(figures) = found(cell, mode) {
                        tr {
                            td { (cell.profile) }
                            td { (design(cell)) }
                            @for figure in percentiles(&figures.agreed) { td.number { (figure) } }
                            td { (bars(&figures.agreed, longest)) }
                            td.number { (shown(figures.one.p50_ms)) }
                            td.number { (shown(figures.bound_ms)) }
                            td.number { (times(figures.ratio)) }
                            td.number { (times(figures.ratio_of_own_mistakes)) }
                            td.number { (overlap(figures)) }
                            td.number { (figures.never) }
                            td.number { (figures.unsettled) }
                        }
                    }
                }
            }
        }
    }
}

fn found(cell: &Cell, mode: Mode) -> Option<&Figures> {
    cell.events.iter().find(|figures| figures.event == mode)
}

fn quiet(cells: &[Cell]) -> Markup {
    html! {
        h3 { "Without any fault" }
        p { "Every failover here is a mistake. The last three columns are the best detector's: its time-out, how long a heartbeat travels, and when a loss is noticed, in the median." }
        table {
            tr {
                th { "profile" } th { "design" } th { "replica-days" } th { "false failovers a replica-day" }
                th { "two active a day" } th { "writes a replica-hour" } th { "of the active one" }
                th { "time-out" } th { "travel" } th { "noticed" }
            }
            @for cell in cells {
                tr {
                    td { (cell.profile) }
                    td { (design(cell)) }
                    td.number { (format!("{:.1}", cell.quiet.replica_days)) }
                    td.number { (format!("{:.2}", cell.quiet.false_failovers_per_replica_day)) }
                    td.number { (duration(cell.quiet.overlap_ms_per_day)) }
                    td.number { (format!("{:.0}", cell.quiet.writes_per_replica_hour)) }
                    td.number { (format!("{:.0}", cell.quiet.writes_per_hour_of_active)) }
                    td.number { (shown(cell.bounds.map(|bounds| bounds.as_published.timeout_ms))) }
                    td.number { (shown(cell.bounds.map(|bounds| bounds.as_published.travel_ms))) }
                    td.number { (shown(cell.bounds.map(|bounds| bounds.as_published.noticed_ms))) }
                }
            }
        }
    }
}

fn points(curve: &Curve) -> Markup {
    html! {
        h3 { "Other heartbeats and time-outs: " (curve.profile) }
        p { "Failover time after a crash against mistakes and writes; to the left is sooner, to the bottom is fewer mistakes." }
        (chart(curve))
        table {
            tr {
                th { "" } th { "design" } th { "heartbeat" } th { "time-out" } th { "p50" } th { "p90" } th { "p99" } th { "max" }
                th { "false failovers a replica-day" } th { "writes a replica-hour" } th { "two active: runs, p50" }
            }
            @for (number, cell) in (1..).zip(&curve.points) {
                @for figures in &cell.events {
                    tr {
                        td.number { (number) }
                        td { (design(cell)) }
                        td.number { (duration(cell.heartbeat_ms)) }
                        td.number { (duration(cell.timeout_ms)) }
                        @for figure in percentiles(&figures.agreed) { td.number { (figure) } }
                        td.number { (format!("{:.2}", cell.quiet.false_failovers_per_replica_day)) }
                        td.number { (format!("{:.0}", cell.quiet.writes_per_replica_hour)) }
                        td.number { (overlap(figures)) }
                    }
                }
            }
        }
        @for why in &curve.refused { p { small { "Refused: " (why) } } }
    }
}

/// The points by their median (to the right) and their mistakes (upwards), numbered as in the table.
fn chart(curve: &Curve) -> Markup {
    const WIDE: f64 = 560.0;
    const HIGH: f64 = 220.0;
    const EDGE: f64 = 24.0;
    let place = |cell: &Cell| {
        let p50 = cell.events.first().and_then(|figures| figures.agreed.p50_ms);
        (p50.map_or(0.0, seconds), cell.quiet.false_failovers_per_replica_day)
    };
    let most =
        |of: fn((f64, f64)) -> f64| curve.points.iter().map(|cell| of(place(cell))).fold(0.1, f64::max);
    let (latest, worst) = (most(|point| point.0), most(|point| point.1));
    html! {
        svg.chart width=(WIDE + 2.0 * EDGE) height=(HIGH + 2.0 * EDGE) viewBox={ "0 0 " (WIDE + 2.0 * EDGE) " " (HIGH + 2.0 * EDGE) } role="img" aria-label="failover time against mistakes" {
            line x1=(EDGE) y1=(HIGH + EDGE) x2=(WIDE + EDGE) y2=(HIGH + EDGE) {}
            line x1=(EDGE) y1=(EDGE) x2=(EDGE) y2=(HIGH + EDGE) {}
            text x=(WIDE + EDGE) y=(HIGH + 2.0 * EDGE - 6.0) text-anchor="end" { (format!("p50 up to {latest:.0} s")) }
            text x=(EDGE + 4.0) y=(EDGE - 8.0) { (format!("false failovers a replica-day, up to {worst:.1}")) }
            @for (number, cell) in (1..).zip(&curve.points) {
                @let (x, y) = place(cell);
                @let (x, y) = (EDGE + x / latest * WIDE, EDGE + HIGH - y / worst * HIGH);
                circle class=(cell.design) cx=(format!("{x:.1}")) cy=(format!("{y:.1}")) r="4" {}
                text x=(format!("{:.1}", x + 6.0)) y=(format!("{:.1}", y - 5.0)) { (number) }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a duration for a drawing")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}
