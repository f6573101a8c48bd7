//! How fast entities and notes are, beside what others take for the same. Times are whole microseconds.

use serde::{Deserialize, Serialize};

/// What `bench delta --json` and `bench notes --json` print, and an entry of the `benches` of a check.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct ThroughputReport {
    /// The commit it was built from.
    pub(crate) commit: String,
    /// What was measured, in a line.
    pub(crate) about: String,
    /// What the comparison compares, for who reads the table.
    pub(crate) fairness: String,
    /// Those of one task follow each other, ours first.
    pub(crate) rows: Vec<TaskReport>,
}

/// What one of several took for a task.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub(crate) struct TaskReport {
    pub(crate) task: String,
    /// Who did it.
    pub(crate) by: String,
    /// How many things it was done to.
    pub(crate) things: usize,
    /// By the wall clock.
    pub(crate) wall_us: u64,
    /// On all processors together.
    pub(crate) cpu_us: u64,
    /// Things per second of processor time.
    pub(crate) things_per_cpu_s: u64,
    /// How many times the processor time of ours it took; `None` for ours.
    pub(crate) of_ours: Option<f64>,
    /// How many files were opened.
    pub(crate) files_opened: Option<u64>,
    /// How many files were written.
    pub(crate) files_written: Option<u64>,
    /// How many bytes were written.
    pub(crate) bytes_written: Option<u64>,
    /// What it should be; `None` if it is only for comparison.
    pub(crate) aim: Option<TaskAim>,
    /// Whether it is.
    pub(crate) is_met: Option<bool>,
}

/// What a task should take on a machine of today. It fails nothing.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskAim {
    /// At least so many things per second of processor time, and less time than anybody else takes.
    AheadOfAll(u64),
    /// At most so many percent of the processor time of somebody else.
    PercentOf(u64, String),
}

impl ThroughputReport {
    /// Fills in what follows from the times: ratios, and whether aims are met.
    pub(crate) fn compared(mut self) -> Self {
        let rows = self.rows.clone();
        for row in &mut self.rows {
            let of_task = || rows.iter().filter(|other| other.task == row.task);
            let ours = of_task().next().filter(|ours| ours.by != row.by && ours.things == row.things);
            row.of_ours = ours.map(|ours| ratio(row.cpu_us, ours.cpu_us));
            row.is_met = row.aim.as_ref().map(|aim| match aim {
                TaskAim::AheadOfAll(least) => {
                    let behind = |other: &TaskReport| other.by != row.by && other.cpu_us <= row.cpu_us;
                    row.things_per_cpu_s >= *least && !of_task().any(behind)
                }
                TaskAim::PercentOf(most, whose) => {
                    of_task().find(|other| other.by == *whose).is_some_and(|other| {
                        row.cpu_us.saturating_mul(100) <= other.cpu_us.saturating_mul(*most)
                    })
                }
            });
        }
        self
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a bench stay far below 2^53")]
fn ratio(one: u64, other: u64) -> f64 {
    (one as f64 / other.max(1) as f64 * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(by: &str, cpu_us: u64, things_per_cpu_s: u64, aim: Option<TaskAim>) -> TaskReport {
        let (task, by) = ("merge".to_owned(), by.to_owned());
        TaskReport { task, by, things: 10, cpu_us, things_per_cpu_s, aim, ..TaskReport::default() }
    }

    fn met(aim: TaskAim, theirs: u64) -> (Option<bool>, Option<f64>) {
        let rows = vec![row("ours", 100, 1_000, Some(aim)), row("theirs", theirs, 0, None)];
        let report = ThroughputReport { rows, ..ThroughputReport::default() }.compared();
        (report.rows[0].is_met, report.rows[1].of_ours)
    }

    #[test]
    fn an_aim_is_met_from_its_own_side() {
        assert_eq!(met(TaskAim::AheadOfAll(1_000), 101), (Some(true), Some(1.01)));
        assert_eq!(met(TaskAim::AheadOfAll(1_000), 100).0, Some(false));
        assert_eq!(met(TaskAim::AheadOfAll(1_001), 101).0, Some(false));
        let of = |most| TaskAim::PercentOf(most, "theirs".to_owned());
        assert_eq!(met(of(125), 80).0, Some(true));
        assert_eq!(met(of(124), 80).0, Some(false));
        assert_eq!(met(TaskAim::PercentOf(125, "nobody".to_owned()), 80).0, Some(false));
    }
}
