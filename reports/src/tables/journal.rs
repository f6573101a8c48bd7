//! A bench of journals on a terminal.

use super::{columns, put};
use crate::bench::journal::{Aim, JournalReport, StageReport};

/// The whole report.
pub(crate) fn text(report: &JournalReport) -> String {
    let mut text = String::new();
    put(&mut text, &title(report));
    let head = ["stage", "events", "wall", "processor", "events per processor second", "aim"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(report.stages.iter().map(|stage| cells(stage).to_vec()));
    text.push_str(&columns(&rows));
    text
}

/// What was measured.
pub(crate) fn title(report: &JournalReport) -> String {
    let memory =
        report.peak_bytes.map_or_else(String::new, |bytes| format!(", {} MiB at the most", bytes >> 20));
    format!("Journals: {} events of {} machines{memory}", report.events, report.machines)
}

/// One stage as cells.
pub(crate) fn cells(stage: &StageReport) -> [String; 6] {
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
