//! A bench of journals as a section of a page.

use maud::{Markup, html};

use crate::report::journals::JournalReport;
use crate::show::cells;

/// The whole report.
pub(super) fn section(report: &JournalReport) -> Markup {
    html! {
        h2 id="journals" { "Journals: throughput" }
        p {
            (cells::journals(report)) ". Processor time is of all processors together. The aims are for a million events on a machine "
            "that does nothing else, and fail nothing: compare the rows of one run. SQLite alone loads the same lines, takes "
            "the fields out with json_extract and sorts them; it folds nothing and checks nothing."
        }
        table {
            tr { th { "stage" } th { "events" } th { "wall" } th { "processor" } th { "events per processor second" } th { "aim" } }
            @for stage in &report.stages {
                @let [name, figures @ ..] = cells::stage(stage);
                tr {
                    td { (name) }
                    @for figure in figures { td.number { (figure) } }
                }
            }
        }
    }
}
