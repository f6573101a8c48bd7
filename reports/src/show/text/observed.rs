//! What real folders were seen to hold, beside the folder model, on a terminal.

use cloudchamber_live::observed::{Counts, Judged, Refusal};

use super::layout::{labelled, mark, put};
use crate::report::observed::ObservedReport;
use crate::report::words::duration;

/// The verdict, what it is about, and the first line that is not allowed.
pub(crate) fn text(report: &ObservedReport) -> String {
    let judged = &report.judged;
    let mut text = String::new();
    let names: Vec<&str> = judged.histories.iter().map(|part| &*part.name).collect();
    let names = names.join(", ");
    let verdict = match (judged.ok, judged.any_hazard) {
        (true, true) => {
            format!("{names}: the folder model allows this, by the rules of `{}`", judged.profile)
        }
        (true, false) => format!("{names}: the folder model allows this with profile `{}`", judged.profile),
        (false, true) => {
            format!(
                "{names}: the folder model allows this by nobody's rules; those of `{}` go furthest",
                judged.profile
            )
        }
        (false, false) => {
            format!("{names}: the folder model does not allow this with profile `{}`", judged.profile)
        }
    };
    put(&mut text, &format!("{}  {verdict}", mark(judged.ok)));
    for part in &judged.histories {
        let client = part.client.as_ref().map_or(String::new(), |client| format!(", {client}"));
        let end = if part.is_whole { "" } else { ", its end is missing" };
        put(&mut text, &format!("      {}: {}{client}: {} lines{end}", part.file, part.name, part.lines));
    }
    put(&mut text, &format!("      clocks within {}", duration(judged.clock_error_ms)));
    put(&mut text, &format!("      {}", counted(judged)));
    if !judged.hazards.is_empty() {
        let hazards: Vec<&str> = judged.hazards.iter().map(|hazard| hazard.key()).collect();
        put(&mut text, &format!("      what has to go wrong to explain it: {}", hazards.join(", ")));
    }
    judged.refused.iter().for_each(|refused| refusal(&mut text, refused));
    text
}

fn counted(judged: &Judged) -> String {
    let Counts { paths, versions, deliveries, broken, conflicts, conflict_copies, unfinished, unread } =
        judged.counts;
    let mut parts = vec![
        format!("paths: {paths}, versions: {versions}"),
        format!("arrivals: {deliveries} whole, {broken} broken"),
        format!("conflicts: {conflicts}, conflict copies: {conflict_copies}"),
    ];
    for (count, what) in [(unfinished, "unfinished files"), (unread, "what cannot be read")] {
        if count > 0 {
            parts.push(format!("lines of {what}, passed over: {count}"));
        }
    }
    parts.join("; ")
}

fn refusal(text: &mut String, refused: &Refusal) {
    let Refusal { file, line, replica, path, seen, why, allowed } = refused;
    put(text, &format!("      {file}:{line}: {replica} shows {path} as {seen}"));
    put(text, &format!("      {why}"));
    let what = if allowed.is_empty() { vec!["nothing".to_owned()] } else { allowed.clone() };
    for (at, what) in what.iter().enumerate() {
        let label = if at == 0 { "      allowed there: " } else { "                     " };
        labelled(text, label, what);
    }
}
