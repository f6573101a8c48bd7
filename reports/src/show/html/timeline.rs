//! A run drawn over time: a lane for the cloud, one for each replica, and arrows for what travels between them.
//!
//! The page carries the run as data and draws what is looked at; without scripts the story is there all the same.

use cloudchamber_folder::checks::time;
use maud::{Markup, PreEscaped, html};

use super::whole;
use crate::report::run::RunReport;
use crate::report::timeline::{Row, Timeline};

const SCRIPT: &str = include_str!("timeline.js");
const STYLE: &str = include_str!("timeline.css");

/// The page of a run.
pub(crate) fn page(timeline: &Timeline, report: &RunReport) -> String {
    let run = &report.run;
    let body = html! {
        style { (PreEscaped(STYLE)) }
        header {
            h1 { "cloudchamber" }
            @if timeline.judged { p.verdict.{ (if run.ok { "good" } else { "bad" }) } { (run.outcome) } }
            @else { p.verdict { (run.outcome) } }
            @if !run.about.is_empty() { p.about { (run.about) } }
            ul.figures {
                li { (run.system) @if timeline.judged { ", " (run.policy.as_ref().unwrap_or(&run.design)) } }
                li { "profile " (report.profile) ", seed " (run.seed) }
                li { (time(report.at_ms)) ", " (report.choices) " choices" }
                li { "commit " code { (report.commit.get(..12).unwrap_or(&report.commit)) } }
                li { code { (run.reproduce) } }
            }
        }
        @if let Some(caption) = &timeline.caption { p.caption { (caption) } }
        (violations(timeline))
        div #tools {}
        div #drawing tabindex="0" role="application" aria-label="the run over time: arrow keys go from step to step, plus and minus zoom" {}
        div #overview {}
        (legend(timeline))
        div.panels {
            section #moment aria-live="polite" {}
            section.story {
                h2 { "The story" }
                ol #story { @for (at, row) in timeline.rows.iter().enumerate() { (line(at, row)) } }
            }
        }
        script #run type="application/json" { (PreEscaped(data(timeline))) }
        script { (PreEscaped(SCRIPT)) }
    };
    whole(&format!("{} {}", run.system, run.outcome), &body)
}

/// What went wrong, in sentences; what is only counted stands behind.
fn violations(timeline: &Timeline) -> Markup {
    let rows = timeline.rows.iter().filter(|row| !row.violations.is_empty());
    let (failed, counted): (Vec<_>, Vec<_>) = rows.partition(|row| row.fails);
    html! {
        @if failed.is_empty() && counted.is_empty() {
            p { (if timeline.judged { "No checker found anything." } else { "Nothing stood out." }) }
        }
        @if !failed.is_empty() { ul.violations { @for row in failed { (said(row)) } } }
        @if !counted.is_empty() {
            details { summary { (if timeline.judged { "Counted only" } else { "The first of each kind" }) ": " (counted.len()) } ul { @for row in counted { (said(row)) } } }
        }
    }
}

fn said(row: &Row) -> Markup {
    html! {
        @for violation in &row.violations {
            li {
                a href={ "#t=" (row.ms) } { (time(row.ms)) } " "
                b { (violation.checker.replace('_', " ")) } ": " (violation.expected) ", but " (violation.seen)
            }
        }
    }
}

fn line(at: usize, row: &Row) -> Markup {
    html! {
        li id={ "row-" (at) } class=[(!row.violations.is_empty()).then_some(if row.fails { "violates" } else { "counts" })] {
            a href={ "#t=" (row.ms) } { (time(row.ms)) } " " (row.text)
        }
    }
}

fn legend(timeline: &Timeline) -> Markup {
    let mut marks: Vec<(char, &str)> = timeline.marks.iter().map(|mark| (mark.glyph, mark.name)).collect();
    marks.sort_unstable_by_key(|(_, name)| *name);
    marks.dedup();
    html! {
        p.legend {
            @for (standing, name) in timeline.standings() {
                span { svg width="20" height="12" { rect.{ (standing.class()) } width="20" height="12" {} } (name) }
            }
            @if !timeline.overlaps.is_empty() {
                span {
                    svg width="20" height="12" { rect.overlap width="20" height="12" fill="url(#hatch)" {} }
                    "two are " (timeline.prominent.unwrap_or("up"))
                }
            }
            span { svg width="26" height="12" { path.way d="M1 6H25" {} } "a version travels" }
            @if timeline.travels.iter().any(|travel| travel.lost.is_some()) {
                span { svg width="26" height="12" { path.way.lost d="M1 6H25" {} } "one that lost" }
            }
            @for (glyph, name) in marks { span { b { (glyph) } " " (name) } }
            span { svg width="6" height="12" { line.{ (if timeline.judged { "violates" } else { "counts" }) } x1="3" y1="0" x2="3" y2="12" {} } (if timeline.judged { "violation" } else { "the first of a kind" }) }
        }
    }
}

/// The run as data within the page; nothing in it ends the element that it stands in.
fn data(timeline: &Timeline) -> String {
    let json = serde_json::to_string(timeline).expect("a timeline has text keys and whole numbers");
    json.replace('<', "\\u003c")
}
