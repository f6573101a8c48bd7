//! A bench of journals on a terminal.

use super::layout::{columns, put};
use crate::report::journals::JournalReport;
use crate::show::cells;

/// The whole report.
pub(crate) fn text(report: &JournalReport) -> String {
    let mut text = String::new();
    put(&mut text, &cells::journals(report));
    let head = ["stage", "events", "wall", "processor", "events per processor second", "aim"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(report.stages.iter().map(|stage| cells::stage(stage).to_vec()));
    text.push_str(&columns(&rows));
    text
}
