//! A bench of failover as a section of a page.

use maud::{Markup, html};

use super::ecdf::{self, Line};
use super::table::{Table, number, text};
use crate::report::distribution::Distribution;
use crate::report::failover_times::{BenchReport, Cell, Curve, Figures, Mode};
use crate::report::words::duration;
use crate::show::cells::{design, overlap, shown, times};

/// The whole report.
pub(super) fn section(report: &BenchReport) -> Markup {
    html! {
        p {
            "Three replicas, one event at a random moment after all has settled, no other fault and no hazard; "
            (report.seeds) " seeds, the same ones for every design. Measured until exactly one is active and every replica in "
            "reach names it; a run that never got there counts with the 20 minutes it was watched. The dashed bound is what "
            "the best failure detector needs on the same folder with as many writes as the design's active replica makes "
            "and as many mistakes as the published design makes (Chen, Toueg and Aguilera, 2002), so that a design "
            "which makes more can be sooner. A manual activation has to travel once."
        }
        @for mode in Mode::ALL { (event(report, mode)) }
        (quiet(&report.cells))
        @for curve in &report.curves { (points(curve)) }
    }
}

fn event(report: &BenchReport, mode: Mode) -> Markup {
    let mut profiles: Vec<&str> = Vec::new();
    for cell in &report.cells {
        if !profiles.contains(&&*cell.profile) {
            profiles.push(&cell.profile);
        }
    }
    html! {
        h3 { (mode.text()) }
        div.pictures { @for profile in profiles { (picture(report, mode, profile)) } }
        (figures(report, mode))
    }
}

/// Every design in one provider's folder.
fn picture<'a>(report: &'a BenchReport, mode: Mode, profile: &str) -> Markup {
    let cells = report.cells.iter().filter(|cell| cell.profile == profile);
    let found: Vec<_> = cells.filter_map(|cell| Some((cell, found(cell, mode)?))).collect();
    let line = |(cell, figures): &(&Cell, &'a Figures)| Line {
        name: design(cell),
        class: ecdf::class(&cell.design, cell.policy.as_deref()),
        of: &figures.agreed,
    };
    let lines: Vec<_> = found.iter().map(line).collect();
    let bound = found.iter().find_map(|(_, figures)| figures.bound_ms);
    html! { @if !lines.is_empty() { (ecdf::picture(&format!("{profile}, {}", mode.text()), &lines, bound)) } }
}

fn figures(report: &BenchReport, mode: Mode) -> Markup {
    let heads = [
        "profile",
        "design",
        "until all agree",
        "one active",
        "bound",
        "p50 / bound",
        "with its own mistakes",
        "two active: runs, p50",
        "never",
        "unsettled",
    ];
    let mut table = Table::new(heads);
    for cell in &report.cells {
        let Some(figures) = found(cell, mode) else { continue };
        table.row(vec![
            text(&cell.profile),
            text(design(cell)),
            text(ecdf::summary(&figures.agreed)),
            number(shown(median(&figures.one))),
            number(shown(figures.bound_ms)),
            number(times(figures.ratio)),
            number(times(figures.ratio_of_own_mistakes)),
            number(overlap(figures)),
            number(figures.never),
            number(figures.unsettled),
        ]);
    }
    html! { details { summary { "The same as figures" } (table.markup()) } }
}

/// The median, where there are runs enough for one.
fn median(of: &Distribution) -> Option<u64> {
    of.percentiles().first().map(|(_, ms)| *ms)
}

fn found(cell: &Cell, mode: Mode) -> Option<&Figures> {
    cell.events.iter().find(|figures| figures.event == mode)
}

fn quiet(cells: &[Cell]) -> Markup {
    let heads = [
        "profile",
        "design",
        "replica-days",
        "false failovers a replica-day",
        "two active a day",
        "writes a replica-hour",
        "of the active one",
        "time-out",
        "travel",
        "noticed",
    ];
    let mut table = Table::new(heads);
    for cell in cells {
        let bound = cell.bounds.map(|bounds| bounds.as_published);
        table.row(vec![
            text(&cell.profile),
            text(design(cell)),
            number(format!("{:.1}", cell.quiet.replica_days)),
            number(format!("{:.2}", cell.quiet.false_failovers_per_replica_day)),
            number(duration(cell.quiet.overlap_ms_per_day)),
            number(format!("{:.0}", cell.quiet.writes_per_replica_hour)),
            number(format!("{:.0}", cell.quiet.writes_per_hour_of_active)),
            number(shown(bound.map(|bound| bound.timeout_ms))),
            number(shown(bound.map(|bound| bound.travel_ms))),
            number(shown(bound.map(|bound| bound.noticed_ms))),
        ]);
    }
    html! {
        h3 { "Overlap and false failovers without any fault" }
        p { "Every failover here is a mistake. The last three columns are the best detector's: its time-out, how long a heartbeat travels, and when a loss is noticed, in the median." }
        (table.markup())
    }
}

fn points(curve: &Curve) -> Markup {
    let heads = [
        "",
        "design",
        "heartbeat",
        "time-out",
        "until all agree",
        "false failovers a replica-day",
        "writes a replica-hour",
        "two active: runs, p50",
    ];
    let mut table = Table::new(heads).folding("settings");
    for (place, cell) in (1..).zip(&curve.points) {
        for figures in &cell.events {
            table.row(vec![
                number(place),
                text(design(cell)),
                number(duration(cell.heartbeat_ms)),
                number(duration(cell.timeout_ms)),
                text(ecdf::summary(&figures.agreed)),
                number(format!("{:.2}", cell.quiet.false_failovers_per_replica_day)),
                number(format!("{:.0}", cell.quiet.writes_per_replica_hour)),
                number(overlap(figures)),
            ]);
        }
    }
    html! {
        h3 { "Other heartbeats and time-outs: " (curve.profile) }
        p { "Failover time after a crash against mistakes and writes; to the left is sooner, to the bottom is fewer mistakes." }
        (chart(curve))
        (table.markup())
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
        svg.chart viewBox={ "0 0 " (WIDE + 2.0 * EDGE) " " (HIGH + 2.0 * EDGE) } role="img" aria-label="failover time against mistakes" {
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
