//! NoteCove's specification on a terminal.

use cloudchamber_model::notecove::Weakness;

use super::layout::{labelled, put};
use super::models;
use crate::report::specification::SpecificationReport;

/// One configuration: the model, and what was taken how often.
pub(crate) fn text(report: &SpecificationReport) -> String {
    let mut text = models::text(&report.model);
    let steps = report.per_action.iter().map(|(name, count)| format!("{name} {count}"));
    labelled(&mut text, "      steps: ", &steps.collect::<Vec<_>>().join(", "));
    let SpecificationReport { edits_after_deletion, clock_decreases, fully_synced, .. } = report;
    put(
        &mut text,
        &format!(
            "      {fully_synced} states fully synced, {edits_after_deletion} edits of what was deleted for good, \
             {clock_decreases} clocks set back"
        ),
    );
    text
}

/// A weakness with its run.
pub(crate) fn weakness(number: usize, weakness: &Weakness) -> String {
    let mut text = String::new();
    put(&mut text, &format!("{number}  {}  ({})", weakness.name, weakness.config));
    labelled(&mut text, "   ", weakness.about);
    for (number, step) in (1..).zip(weakness.steps) {
        labelled(&mut text, &format!("      {number:3}  "), &step.to_string());
    }
    labelled(&mut text, "   shows: ", weakness.shows);
    labelled(&mut text, "   in a folder: ", weakness.elsewhere);
    text
}
