//! The catalogue on a terminal, and as a page of the documentation.

use super::layout::{labelled, mark, pasted, put};
use crate::report::catalogue::{CatalogueReport, FlawReport, Found};

/// Each flaw with what found it and the command that shows it.
pub(crate) fn text(report: &CatalogueReport) -> String {
    let mut text = String::new();
    for FlawReport { system, number, about, found } in &report.flaws {
        put(&mut text, &format!("{number} ({system}): {about}"));
        labelled(&mut text, "    found by: ", &found.by());
        match found {
            Found::Neither { why } => labelled(&mut text, "    why: ", why),
            Found::Model { checker, reproduce, .. } | Found::Swarm { checker, reproduce, .. } => {
                labelled(&mut text, "    violates: ", checker);
                pasted(&mut text, "    again: ", reproduce);
            }
        }
    }
    let [swarms, models, neither] = report.counts();
    let all = report.flaws.len();
    put(
        &mut text,
        &format!(
            "{}  {all} flaws: {swarms} by random seeds, {models} in bounded models, {neither} by neither",
            mark(report.is_as_said())
        ),
    );
    text
}

/// Tables in Markdown, one for each system.
pub(crate) fn markdown(report: &CatalogueReport) -> String {
    let mut text = String::new();
    let mut systems: Vec<&str> = report.flaws.iter().map(|flaw| &*flaw.system).collect();
    systems.dedup();
    for system in systems {
        text.push_str(&format!("\n## {system}\n\n| flaw | what goes wrong | found by | checker, and the command |\n|---|---|---|---|\n"));
        for FlawReport { number, about, found, .. } in
            report.flaws.iter().filter(|flaw| flaw.system == system)
        {
            let last = match found {
                Found::Neither { why } => why.clone(),
                Found::Model { checker, reproduce, .. } | Found::Swarm { checker, reproduce, .. } => {
                    format!("`{checker}`: `{reproduce}`")
                }
            };
            text.push_str(&format!("| {number} | {about} | {} | {last} |\n", found.by()));
        }
    }
    text
}
