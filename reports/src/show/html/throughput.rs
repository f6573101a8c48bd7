//! A bench of entities or notes as a section of a page.

use maud::{Markup, html};

use crate::report::throughput::ThroughputReport;
use crate::show::cells;

/// The whole report: a table a task.
pub(super) fn section(id: &str, report: &ThroughputReport) -> Markup {
    html! {
        h2 id=(id) { (report.about) }
        p { (report.fairness) " Processor time is of all processors together; aims fail nothing." }
        table {
            tr { th { "task" } @for head in cells::TASK_HEAD { th { (head) } } th { "aim" } }
            @for row in &report.rows {
                @let [by, figures @ ..] = cells::task(row);
                tr {
                    td { (row.task) }
                    td { (by) }
                    @for figure in figures { td.number { (figure) } }
                    td { (cells::task_aim(row).unwrap_or_default()) }
                }
            }
        }
    }
}
