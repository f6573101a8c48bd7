//! Scenarios as sections of a page: a fold for each system, a row for each file.

use maud::{Markup, html};

use super::links;
use super::matrix::chip;
use super::table::{Table, text};
use crate::report::matrix::State;
use crate::report::run::ScenarioReport;
use crate::report::words::tally;

/// All of them, by system. A system in which something is not as expected is open.
pub(super) fn section(reports: &[ScenarioReport]) -> Markup {
    let mut systems: Vec<&str> = Vec::new();
    for report in reports {
        if !systems.contains(&&*report.system) {
            systems.push(&report.system);
        }
    }
    html! {
        p { (tally(reports)) ". Each names the command that shows it again, at the same virtual time." }
        @for system in systems {
            @let mine: Vec<_> = reports.iter().filter(|report| report.system == system).collect();
            details open[mine.iter().any(|report| !report.ok)] {
                summary { (system) ": " (mine.len()) " runs, " (failing(&mine)) " of them violate something" }
                (of_system(&mine))
            }
        }
    }
}

fn failing(reports: &[&ScenarioReport]) -> usize {
    reports.iter().filter(|report| report.state() != State::Holds).count()
}

fn of_system(reports: &[&ScenarioReport]) -> Markup {
    let mut table = Table::new(["", "scenario", "what was seen", "look at it"]);
    for report in reports {
        let design = report.policy.as_ref().unwrap_or(&report.design);
        let name = html! {
            b { (report.file) } " " small { (design) }
            @if !report.about.is_empty() { br; small { (report.about) } }
        };
        let seen = html! {
            (report.outcome)
            @for violation in &report.violations { br; small { (violation) } }
        };
        let look = html! { (links(report.trace.as_ref())) code { (report.reproduce) } };
        let class = (!report.ok).then_some("wrong");
        table.named(
            report.anchor(),
            class,
            vec![text(chip(report.state())), text(name), text(seen), text(look)],
        );
    }
    table.markup()
}
