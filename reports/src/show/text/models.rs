//! Bounded models on a terminal.

use super::layout::{labelled, list, mark, pasted, put};
use crate::report::model::ModelReport;
use crate::show::cells;

/// One model with its story.
pub(crate) fn text(report: &ModelReport) -> String {
    let mut text = String::new();
    put(&mut text, &format!("{}  {}  {}", mark(report.ok), report.file, cells::model(report)));
    if !report.about.is_empty() {
        put(&mut text, &format!("      {}", report.about));
    }
    put(&mut text, &format!("      {}", report.outcome));
    put(&mut text, &format!("      {}", figures(report)));
    for (number, line) in (1..).zip(&report.story) {
        labelled(&mut text, &format!("      {number:3}  "), line);
    }
    if let Some(trace) = &report.trace {
        pasted(&mut text, "      trace: ", trace);
    }
    if !report.ok {
        pasted(&mut text, "      again: ", &report.reproduce);
    }
    text
}

/// All models of a check, each with its figures below it.
pub(super) fn table(text: &mut String, reports: &[ModelReport]) {
    if reports.is_empty() {
        return;
    }
    put(text, "Bounded models: everything that can happen within the bounds");
    for report in reports {
        list(text, &[(mark(report.ok), report.file.clone(), report.outcome.clone())]);
        put(text, &format!("          {}", figures(report)));
        if !report.ok {
            pasted(text, "          again: ", &report.reproduce);
        }
    }
}

fn figures(report: &ModelReport) -> String {
    let bytes = report.bytes_per_state.map_or(String::new(), |bytes| format!(", {bytes} bytes a state"));
    let whole = if report.complete { "all within the bounds" } else { "until the violation" };
    format!(
        "{} states, {} generated, {} a second{bytes}, depth {}, {whole}",
        report.unique_states, report.generated_states, report.states_per_s, report.depth
    )
}
