//! What shrinking came to, on a terminal.

use cloudchamber_folder::shrink::Size;

use super::layout::{columns, pasted, put};
use crate::report::shrink::ShrinkReport;
use crate::report::words::duration;

/// A shrunk trace beside the one it is from.
pub(crate) fn text(report: &ShrinkReport) -> String {
    let mut text = String::new();
    put(&mut text, &format!("{}: {}", report.file, report.violation));
    let ShrinkReport { before, after, .. } = report;
    let row = |what: &str, of: &dyn Fn(&Size) -> String| vec![what.to_owned(), of(before), of(after)];
    let replicas = |size: &Size| size.replicas.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let mut rows = vec![
        vec![String::new(), "before".into(), "after".into()],
        row("choices", &|size| size.choices.to_string()),
        row("replicas", &|size| format!("{} ({})", size.replicas.len(), replicas(size))),
        row("end", &|size| duration(size.end_ms)),
    ];
    for kind in
        before.faults.keys().chain(after.faults.keys().filter(|kind| !before.faults.contains_key(*kind)))
    {
        rows.push(row(kind, &|size| size.faults.get(kind).copied().unwrap_or(0).to_string()));
    }
    text.push_str(&columns(&rows));
    put(&mut text, &format!("  {}", report.rule));
    if report.new_runs {
        put(&mut text, "  the scenario was run again with fewer faults and replicas first");
    }
    if report.spent {
        let replays = report.replays;
        put(
            &mut text,
            &format!("  ended after {replays} replays, and more might go; allow more with --replays"),
        );
    }
    if before.choices == after.choices && before.faults == after.faults {
        put(&mut text, "  it was minimal already");
    }
    pasted(&mut text, "  trace: ", &report.output);
    pasted(&mut text, "  again: ", &format!("{} --story", report.reproduce));
    text
}
