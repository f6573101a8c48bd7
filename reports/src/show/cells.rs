//! What a terminal and a page say in the same words.

use crate::report::distribution::Distribution;
use crate::report::failover_times::{Cell, Figures};
use crate::report::journals::{Aim, JournalReport, StageReport};
use crate::report::model::ModelReport;
use crate::report::throughput::{TaskAim, TaskReport};
use crate::report::words::duration;

/// Which design it is of: the hardened one by its policy.
pub(crate) fn design(cell: &Cell) -> String {
    cell.policy.clone().unwrap_or_else(|| cell.design.clone())
}

/// Median, 90th and 99th percentile, and the longest.
pub(crate) fn percentiles(of: &Distribution) -> [String; 4] {
    [of.p50_ms, of.p90_ms, of.p99_ms, of.max_ms].map(shown)
}

/// A duration, or a dash.
pub(crate) fn shown(ms: Option<u64>) -> String {
    ms.map_or("-".into(), duration)
}

/// A ratio, or a dash.
pub(crate) fn times(ratio: Option<f64>) -> String {
    ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"))
}

/// In how many runs two were active, and for how long in the median.
pub(crate) fn overlap(figures: &Figures) -> String {
    match figures.overlap.p50_ms {
        None => "0".into(),
        Some(p50) => format!("{} x {}", figures.overlap.samples, duration(p50)),
    }
}

/// Which journals were measured.
pub(crate) fn journals(report: &JournalReport) -> String {
    let memory =
        report.peak_bytes.map_or_else(String::new, |bytes| format!(", {} MiB at the most", bytes >> 20));
    format!("Journals: {} events of {} machines{memory}", report.events, report.machines)
}

/// One stage as cells.
pub(crate) fn stage(stage: &StageReport) -> [String; 6] {
    // A hundred events say nothing of a speed.
    let speed = match stage.aim {
        Some(Aim::WallMs(_)) => "-".to_owned(),
        _ if stage.events < 1_000 => "-".to_owned(),
        _ => stage.events_per_cpu_s.to_string(),
    };
    let aim = match stage.aim {
        None => String::new(),
        Some(Aim::EventsPerCpuS(least)) => format!("{least} a processor second"),
        Some(Aim::WallMs(most)) => format!("{most} ms"),
    };
    let aim = match stage.is_met() {
        Some(true) => format!("{aim}, met"),
        Some(false) => format!("{aim}, not met"),
        None => aim,
    };
    let [wall, processor] = [stage.wall_ms, stage.cpu_ms].map(|ms| format!("{ms} ms"));
    [stage.name.clone(), stage.events.to_string(), wall, processor, speed, aim]
}

/// What the cells of a task are.
pub(crate) const TASK_HEAD: [&str; 9] =
    ["by", "things", "wall", "processor", "a second of it", "of ours", "opened", "written", "bytes written"];

/// How many of them, at the end, are of files.
pub(crate) const FILE_CELLS: usize = 3;

/// What one of several took for a task, as cells.
pub(crate) fn task(row: &TaskReport) -> [String; TASK_HEAD.len()] {
    // Ten things say nothing of a speed.
    let speed = if row.things < 1_000 { "-".to_owned() } else { row.things_per_cpu_s.to_string() };
    let [wall, processor] = [row.wall_us, row.cpu_us].map(|us| format!("{:.1} ms", us as f64 / 1_000.0));
    let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    let [opened, written, bytes] = [row.files_opened, row.files_written, row.bytes_written].map(count);
    let (by, things, of_ours) = (row.by.clone(), row.things.to_string(), times(row.of_ours));
    [by, things, wall, processor, speed, of_ours, opened, written, bytes]
}

/// The aim of a task, and whether it is met; `None` if it has none.
pub(crate) fn task_aim(row: &TaskReport) -> Option<String> {
    let aim = match row.aim.as_ref()? {
        TaskAim::AheadOfAll(least) => format!("aim: {least} a processor second, and ahead of all others"),
        TaskAim::PercentOf(most, whose) => format!("aim: at most {most} % of the processor time of {whose}"),
    };
    let met = if row.is_met == Some(true) { "met" } else { "not met" };
    Some(format!("{aim}: {met}"))
}

/// Which model it is.
pub(crate) fn model(report: &ModelReport) -> String {
    let policy = report.policy.iter().map(|policy| format!(" {policy}")).collect::<String>();
    format!("{} {}{policy}, {} replicas", report.system, report.design, report.replicas)
}
