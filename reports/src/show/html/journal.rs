//! A bench of journals as a section of a page.

use maud::{Markup, html};

use super::table::{Table, number, text};
use crate::report::journals::JournalReport;
use crate::show::cells;

/// The whole report.
pub(super) fn section(report: &JournalReport) -> Markup {
    let mut table =
        Table::new(["stage", "events", "wall", "processor", "events per processor second", "aim"]);
    for stage in &report.stages {
        let [name, figures @ ..] = cells::stage(stage);
        table.row([text(name)].into_iter().chain(figures.map(number)).collect());
    }
    html! {
        p {
            (cells::journals(report)) ". Processor time is of all processors together. The aims are for a million events on a machine "
            "that does nothing else, and fail nothing: compare the rows of one run. SQLite alone loads the same lines, takes "
            "the fields out with json_extract and sorts them; it folds nothing and checks nothing."
        }
        (table.markup())
    }
}
