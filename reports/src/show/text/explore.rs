//! Runs that build on each other, on a terminal.

use super::layout::{columns, mark, pasted, put};
use crate::report::explore::ExploreReport;

/// What was violated, then what was reached, then how much was done.
pub(crate) fn text(report: &ExploreReport) -> String {
    let mut text = String::new();
    for broken in &report.broken {
        let turns = match broken.turns {
            0 => "as a swarm would have come to it".into(),
            1 => "with one other future from where something was new".into(),
            turns => format!("with another future from where something was new, {turns} times"),
        };
        let fails = if broken.fails { "" } else { "; conceded, fails nothing" };
        put(
            &mut text,
            &format!(
                "{}  {}: {} of {} runs, the first after {}, {turns}{fails}",
                mark(!broken.fails),
                broken.checker,
                broken.runs,
                report.runs,
                broken.after
            ),
        );
        put(&mut text, &format!("  {}", broken.first));
        pasted(&mut text, "  again: ", &broken.reproduce);
    }
    put(&mut text, "In how many runs what came about:");
    let mut marks: Vec<_> = report.marks.iter().collect();
    marks.sort_by_key(|(name, runs)| (std::cmp::Reverse(**runs), name.as_str()));
    let rows: Vec<Vec<String>> =
        marks.into_iter().map(|(name, runs)| vec![String::new(), runs.to_string(), name.clone()]).collect();
    text.push_str(&columns(&rows));
    let ExploreReport { system, design, profile, runs, branched, failed, marks, seen, wall_s, .. } = report;
    let policy = report.policy.iter().map(|policy| format!(" {policy}")).collect::<String>();
    put(
        &mut text,
        &format!(
            "{}  {system} {design}{policy} {profile}: {runs} runs, {branched} of them from where another had come to \
             something new, {failed} failed; {} kinds of events, {seen} with what came before, in {wall_s:.1} s",
            mark(report.held()),
            marks.len(),
        ),
    );
    text
}
