//! A run or a replay on a terminal.

use super::layout::{mark, pasted, put};
use crate::report::run::RunReport;
use crate::report::words::duration;

/// One run or replay.
pub(crate) fn text(report: &RunReport) -> String {
    let mut text = String::new();
    let line = &report.run;
    put(
        &mut text,
        &format!("{}  {} (seed {}, profile {})", mark(line.ok), line.file, line.seed, report.profile),
    );
    if !line.about.is_empty() {
        put(&mut text, &format!("      {}", line.about));
    }
    put(&mut text, &format!("      {}", line.outcome));
    put(
        &mut text,
        &format!("      {} choices in {}, hash {}", report.choices, duration(report.at_ms), line.hash),
    );
    for violation in &line.violations {
        let counted = if line.violated.contains(&violation.checker) { "" } else { "only counted: " };
        put(&mut text, &format!("      {counted}{violation}"));
    }
    if !line.violations.is_empty() || !line.ok {
        pasted(&mut text, "      again: ", &line.reproduce);
    }
    if let Some(trace) = &line.trace {
        pasted(&mut text, "      trace: ", trace);
    }
    text
}
