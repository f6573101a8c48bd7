//! A bench of entities or notes as a section of a page.

use maud::{Markup, html};

use super::table::{Table, number, text};
use crate::report::throughput::ThroughputReport;
use crate::show::cells;

/// The whole report.
pub(super) fn section(report: &ThroughputReport) -> Markup {
    let heads = ["task"].into_iter().chain(cells::TASK_HEAD).chain(["aim"]);
    let mut table = Table::new(heads);
    for row in &report.rows {
        let [by, figures @ ..] = cells::task(row);
        let mut line = vec![text(&row.task), text(by)];
        line.extend(figures.map(number));
        line.push(text(cells::task_aim(row).unwrap_or_default()));
        table.row(line);
    }
    html! {
        p { (report.about) ". " (report.fairness) " Processor time is of all processors together; aims fail nothing." }
        (table.markup())
    }
}
