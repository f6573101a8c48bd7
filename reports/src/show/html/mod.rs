//! Reports as pages: each is one file that needs no other, and nothing from the network.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::bench::Bench;
use crate::report::check::{CheckReport, MeasuredRow};
use crate::report::failover_times::BenchReport;
use crate::report::journals::JournalReport;
use crate::report::limits;
use crate::report::matrix::Matrix;
use crate::report::page_of;
use crate::report::profile::ProfileReport;
use crate::report::run::RunReport;
use crate::report::throughput::ThroughputReport;
use crate::report::timeline::Timeline;
use table::{Table, number, text};

mod bench;
mod claims;
mod ecdf;
mod journal;
mod matrix;
mod models;
mod scenarios;
mod swarms;
mod table;
mod throughput;
mod timeline;

const STYLE: &str = include_str!("style.css");

/// Opens what is folded where a link leads into it.
const UNFOLD: &str = include_str!("unfold.js");

/// The page of a check.
pub(crate) fn page(report: &CheckReport) -> String {
    let matrix = Matrix::of(report);
    let sections = sections(report);
    let body = html! {
        (matrix::first_screen(report, &matrix))
        nav { @for section in &sections { a href={ "#" (section.id) } { (section.title) } } }
        @for section in &sections {
            section id=(section.id) { h2 { (section.title) } (section.body) }
        }
    };
    whole(if report.ok { "as expected" } else { "not as expected" }, &body)
}

/// The page of a bench.
pub(crate) fn bench_page(report: &BenchReport) -> String {
    alone("Failover times", &bench::section(report))
}

/// The page of a bench of journals.
pub(crate) fn journal_page(report: &JournalReport) -> String {
    alone("Journals: throughput", &journal::section(report))
}

/// The page of a bench of entities or notes.
pub(crate) fn throughput_page(report: &ThroughputReport) -> String {
    alone(&report.about, &throughput::section(report))
}

/// The page of one run.
pub(crate) fn timeline_page(timeline: &Timeline, report: &RunReport) -> String {
    timeline::page(timeline, report)
}

/// A part of a page that stands alone.
fn alone(title: &str, body: &Markup) -> String {
    whole(title, &html! { h1 { "cloudchamber" } h2 { (title) } (body) })
}

/// A page with everything it needs.
fn whole(title: &str, body: &Markup) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "cloudchamber: " (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (body)
                script { (PreEscaped(UNFOLD)) }
            }
        }
    };
    markup.into_string()
}

/// Where a run's trace is, and the page that draws it.
fn links(trace: Option<&String>) -> Markup {
    html! {
        @if let Some(trace) = trace { a href=(page_of(trace)) { "timeline" } " " a href=(trace) { "trace" } " " }
    }
}

fn badge(ok: bool) -> Markup {
    html! { @if ok { span.ok { "ok" } } @else { span.fail { "FAIL" } } }
}

/// A part of the page, with the name that links lead to.
struct Section {
    id: &'static str,
    title: String,
    body: Markup,
}

/// The page's parts; one that has nothing to show is not there.
fn sections(report: &CheckReport) -> Vec<Section> {
    let mut sections = Vec::new();
    let mut add = |id, title: &str, body| {
        let title = title.to_owned();
        sections.push(Section { id, title, body });
    };
    for measured in &report.benches {
        if let Bench::Failover(failover) = measured {
            add("failover-times", "Failover times", bench::section(&failover.times));
        }
    }
    if report.swarms.iter().any(|swarm| swarm.convergence.samples > 0) {
        add("convergence", "Coming together again", swarms::convergence(&report.swarms));
    }
    if !report.swarms.is_empty() {
        add("swarms", "Found by random faults", swarms::section(&report.swarms));
    }
    if !report.scenarios.is_empty() {
        add("scenarios", "Scenarios", scenarios::section(&report.scenarios));
    }
    if !report.regressions.is_empty() {
        add("regressions", "Runs kept for good", scenarios::section(&report.regressions));
    }
    if !report.models.is_empty() {
        add("models", "Bounded models", models::section(&report.models));
    }
    for measured in &report.benches {
        match measured {
            Bench::Failover(failover) => {
                add(
                    "claims",
                    "What the failover documents claim",
                    claims::section(&failover.documents, Some(&failover.success)),
                );
            }
            Bench::Journal(journals) => {
                add("journals", "Journals: throughput", journal::section(journals));
            }
            Bench::Delta(delta) => {
                add("delta", "Entities: throughput", throughput::section(&delta.throughput));
                let claims = claims::section(&delta.documents, None);
                add("delta-claims", "What the plan of per-entity delta sync claims", claims);
            }
            Bench::Notes(notes) => {
                add("notes", "Notes: throughput", throughput::section(&notes.throughput));
                let claims = claims::section(&notes.documents, None);
                add("notes-claims", "What the document on notes claims", claims);
            }
        }
    }
    if !report.syncthing.is_empty() {
        add("syncthing", "Syncthing: measured beside simulated", measured(&report.syncthing));
    }
    if !report.profiles.is_empty() {
        add("profiles", "How far the providers were measured", profiles(&report.profiles));
    }
    add("limits", "What is not checked", limits());
    sections
}

fn measured(rows: &[MeasuredRow]) -> Markup {
    let mut table = Table::new(["", "experiment", "measured", "simulated", "accepted"]);
    for row in rows {
        table.row(vec![
            text(badge(row.ok)),
            text(&row.what),
            number(format!("{} {}", row.measured, row.unit)),
            number(format!("{} {}", row.simulated, row.unit)),
            number(format!("within {} %", row.tolerance_percent)),
        ]);
    }
    html! {
        p { "Syncthing 1.19.2, two instances on one machine, and the same experiments in the simulated folder." }
        (table.markup())
    }
}

fn profiles(profiles: &[ProfileReport]) -> Markup {
    let mut table =
        Table::new(["provider", "values", "measured", "documented", "reported", "assumed", "share"]);
    for profile in profiles {
        let counts = [profile.measured, profile.documented, profile.reported, profile.assumed];
        let mut cells =
            vec![text(html! { (profile.name) br; small { (profile.about) } }), number(profile.values())];
        cells.extend(counts.map(number));
        cells.push(text(shares(counts)));
        table.row(cells);
    }
    html! {
        p { "Every value of a simulated provider says where it comes from: measured on a real client, said by its vendor, told by users in public, or a judgement." }
        (table.markup())
    }
}

/// Four shares in one bar, the surest first.
fn shares(counts: [usize; 4]) -> Markup {
    const WIDE: usize = 160;
    let all: usize = counts.iter().sum::<usize>().max(1);
    let mut before = 0;
    let mut parts = Vec::new();
    for (count, class) in counts.into_iter().zip(["measured", "documented", "reported", "assumed"]) {
        let (from, to) = (before * WIDE / all, (before + count) * WIDE / all);
        before += count;
        parts.push((class, from, to - from));
    }
    html! {
        svg.shares width=(WIDE) height="12" viewBox={ "0 0 " (WIDE) " 12" } role="img" aria-label="measured, documented, reported, assumed" {
            @for (class, x, width) in parts { rect.{ (class) } x=(x) y="0" width=(width) height="12" {} }
        }
    }
}

fn limits() -> Markup {
    html! {
        @for part in limits::parts() {
            details {
                summary { (part.title) }
                ul { @for point in &part.points { li { (point) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_outside_are_escaped() {
        let page = page(&CheckReport { commit: "<b>".into(), ..CheckReport::default() });
        assert!(page.contains("&lt;b&gt;") && !page.contains("<b>&lt;"), "{page}");
        assert!(!page.contains("://"), "the page needs nothing from elsewhere");
    }

    #[test]
    fn what_is_empty_is_not_there() {
        let page = page(&CheckReport { ok: true, ..CheckReport::default() });
        for id in ["scenarios", "swarms", "models", "convergence", "failover-times", "syncthing"] {
            assert!(!page.contains(&format!("id=\"{id}\"")), "{id}");
        }
        assert!(page.contains("id=\"limits\""));
    }
}
