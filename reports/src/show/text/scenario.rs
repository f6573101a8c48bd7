//! What a scenario file will do, on a terminal.

use super::layout::{labelled, pasted, put};
use crate::report::scenario::ScenarioReport;

/// Its sections, one under the other.
pub(crate) fn text(report: &ScenarioReport) -> String {
    let mut text = String::new();
    put(&mut text, &format!("{}: a scenario of {}", report.file, report.system));
    if !report.about.is_empty() {
        labelled(&mut text, "  ", &report.about);
    }
    for section in &report.sections {
        put(&mut text, &section.heading);
        section.lines.iter().for_each(|line| labelled(&mut text, "    ", line));
    }
    pasted(&mut text, "run it: ", &report.run);
    text
}
