//! A bench of entities or notes on a terminal.

use super::layout::{put, table};
use crate::report::throughput::ThroughputReport;
use crate::show::cells;

/// The whole report: a table a task.
pub(crate) fn text(report: &ThroughputReport) -> String {
    let mut text = String::new();
    put(&mut text, &report.about);
    put(&mut text, &format!("  {}", report.fairness));
    for rows in report.rows.chunk_by(|one, next| one.task == next.task) {
        put(&mut text, &rows[0].task);
        let has_files = rows.iter().any(|row| row.files_opened.is_some());
        let shown =
            if has_files { cells::TASK_HEAD.len() } else { cells::TASK_HEAD.len() - cells::FILE_CELLS };
        let rows_of_cells: Vec<_> = rows.iter().map(|row| cells::task(row)[..shown].to_vec()).collect();
        text.push_str(&table(&cells::TASK_HEAD[..shown], 1, &rows_of_cells));
        for aim in rows.iter().filter_map(cells::task_aim) {
            put(&mut text, &format!("  {aim}"));
        }
    }
    text
}
