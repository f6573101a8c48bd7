//! A bench of journals on a terminal.

use super::layout::{put, table};
use crate::report::journals::JournalReport;
use crate::show::cells;

/// The whole report.
pub(crate) fn text(report: &JournalReport) -> String {
    let mut text = String::new();
    put(&mut text, &cells::journals(report));
    let head = ["stage", "events", "wall", "processor", "events per processor second", "aim"];
    let rows = report.stages.iter().map(|stage| cells::stage(stage).to_vec());
    text.push_str(&table(&head, 1, &rows.collect::<Vec<_>>()));
    text
}
