//! A run drawn over time: a lane for the server, one for each replica, and lines for what travels between them.

use std::collections::BTreeMap;

use cloudchamber_core::Path;
use cloudchamber_folder::checks::time;
use maud::{Markup, html};

use super::{badge, whole};
use crate::report::run::RunReport;
use crate::report::timeline::{Lane, Standing, Timeline, Travel};

/// The width of the drawing, and of the names before it, in CSS pixels.
const WIDE: f64 = 1_200.0;
const NAMES: f64 = 70.0;
/// The distance of two lanes, and the height of a band.
const APART: f64 = 64.0;
const BAND: f64 = 18.0;
/// Where the server's lane is.
const TOP: f64 = 34.0;
/// How many colours there are for files.
const COLOURS: usize = 6;
/// How many violations are drawn by themselves.
const CLOSE_MAX: usize = 3;
/// What is drawn of the time around a violation, in ms.
const BEFORE_MS: u64 = 45_000;
const AFTER_MS: u64 = 15_000;

/// The page of a run.
pub(crate) fn page(timeline: &Timeline, report: &RunReport) -> String {
    let run = &report.run;
    let files = files(timeline);
    let violated = timeline.rows.iter().enumerate().filter(|(_, row)| !row.violations.is_empty());
    let body = html! {
        p { (badge(run.ok)) " " (run.outcome) ". " (run.about) }
        p {
            (run.system) ", profile " (report.profile) ", seed " (run.seed) ", "
            (time(timeline.end_ms)) " of world time, " (report.choices) " choices, commit " code { (report.commit) } "."
        }
        p { code { (run.reproduce) } }
        @if run.violations.is_empty() { p { "No checker found anything." } }
        ul {
            @for (at, row) in violated.clone() {
                @for violation in &row.violations { li { a href={ "#row-" (at) } { (time(row.ms)) } " " (violation) } }
            }
        }
        h2 { "The whole run" }
        (chart(timeline, &files, 0, timeline.end_ms))
        (legend(timeline, &files))
        @for (_, row) in violated.take(CLOSE_MAX).filter(|_| timeline.end_ms > BEFORE_MS + AFTER_MS) {
            h2 { "Around " (time(row.ms)) }
            @for violation in &row.violations { p { (violation) } }
            (chart(timeline, &files, row.ms.saturating_sub(BEFORE_MS), (row.ms + AFTER_MS).min(timeline.end_ms)))
        }
        h2 { "The story" }
        p { "What came to nothing is left out." }
        table {
            @for (at, row) in timeline.rows.iter().enumerate() {
                tr id={ "row-" (at) } class=[(!row.violations.is_empty()).then_some("violates")] {
                    td.number { (time(row.ms)) }
                    td { @if let Some(replica) = row.replica { (replica) } }
                    td { (row.text) }
                }
            }
        }
    };
    whole(&format!("{} {}", run.system, run.outcome), &body)
}

/// The files that travel, each with the number of its colour.
fn files(timeline: &Timeline) -> BTreeMap<Path, usize> {
    let names: std::collections::BTreeSet<_> = timeline.travels.iter().map(|travel| &travel.path).collect();
    names.into_iter().enumerate().map(|(at, path)| (path.clone(), at % COLOURS)).collect()
}

/// A stretch of time on its way to the page.
struct Scale {
    from_ms: u64,
    to_ms: u64,
}

impl Scale {
    /// Where a moment is, from the left edge of the drawing's inner part.
    #[expect(clippy::cast_precision_loss, reason = "a place in a drawing")]
    fn x(&self, ms: u64) -> f64 {
        let after = ms as f64 - self.from_ms as f64;
        (after / (self.to_ms - self.from_ms).max(1) as f64 * (WIDE - NAMES) * 10.0).round() / 10.0
    }

    fn shows(&self, from_ms: u64, to_ms: u64) -> bool {
        to_ms >= self.from_ms && from_ms <= self.to_ms
    }

    /// Round moments, a dozen at the most.
    fn ticks(&self) -> impl Iterator<Item = u64> {
        const STEPS: [u64; 12] = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600];
        let span_s = (self.to_ms - self.from_ms) / 1_000;
        let step_s = STEPS.into_iter().find(|step| span_s / step <= 12).unwrap_or(span_s.max(12) / 12);
        let (step_ms, to_ms) = (step_s * 1_000, self.to_ms);
        (self.from_ms.div_ceil(step_ms)..).map(move |at| at * step_ms).take_while(move |ms| *ms <= to_ms)
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are 26 lanes at the most")]
fn lane_y(lane: usize) -> f64 {
    TOP + APART * (lane as f64 + 1.0)
}

fn chart(timeline: &Timeline, files: &BTreeMap<Path, usize>, from_ms: u64, to_ms: u64) -> Markup {
    let scale = Scale { from_ms, to_ms };
    let high = lane_y(timeline.lanes.len().max(1) - 1) + APART * 0.8;
    html! {
        div.wide {
            svg.timeline width=(WIDE) height=(high) viewBox={ "0 0 " (WIDE) " " (high) } role="img" aria-label="the run over time" {
                text x="0" y=(TOP + 4.0) { "server" }
                @for (at, lane) in timeline.lanes.iter().enumerate() {
                    text x="0" y=(lane_y(at) + 4.0) { "replica " (lane.replica) }
                }
                // What reaches over the edges is cut off there.
                svg x=(NAMES) y="0" width=(WIDE - NAMES) height=(high) {
                    @for ms in scale.ticks() {
                        line.tick x1=(scale.x(ms)) y1=(TOP) x2=(scale.x(ms)) y2=(high - 16.0) {}
                        // At the left edge half of it would be cut off.
                        text.tick x=(scale.x(ms).max(12.0)) y=(high - 4.0) { (ms / 1_000) " s" }
                    }
                    line.server x1="0" y1=(TOP) x2=(WIDE - NAMES) y2=(TOP) {}
                    @for (at, lane) in timeline.lanes.iter().enumerate() { (band(timeline, lane, at, &scale)) }
                    @for travel in &timeline.travels { (way(travel, files, &scale)) }
                    @for mark in timeline.marks.iter().filter(|mark| scale.shows(mark.ms, mark.ms)) {
                        @let (x, y) = (scale.x(mark.ms), lane_y(mark.replica.index()));
                        path.mark d=(format!("M{x:.1} {:.1}l5 -9h-10z", y - BAND / 2.0)) {
                            title { (time(mark.ms)) " " (mark.text) }
                        }
                    }
                    @for row in timeline.rows.iter().filter(|row| !row.violations.is_empty() && scale.shows(row.ms, row.ms)) {
                        line.violates x1=(scale.x(row.ms)) y1="0" x2=(scale.x(row.ms)) y2=(high - 16.0) {
                            title { (time(row.ms)) " " (row.text) }
                        }
                    }
                }
            }
        }
    }
}

fn band(timeline: &Timeline, lane: &Lane, at: usize, scale: &Scale) -> Markup {
    html! {
        @for span in lane.spans.iter().filter(|span| scale.shows(span.from_ms, span.to_ms)) {
            @let x = scale.x(span.from_ms);
            rect class=(class(span.standing)) x=(x) y=(lane_y(at) - BAND / 2.0)
                width=(format!("{:.1}", (scale.x(span.to_ms) - x).max(0.5))) height=(BAND) {
                title { "replica " (lane.replica) ": " (timeline.name(span.standing)) ", " (time(span.from_ms)) " to " (time(span.to_ms)) }
            }
        }
    }
}

fn class(standing: Standing) -> &'static str {
    match standing {
        Standing::Asleep => "asleep",
        Standing::Away => "away",
        Standing::Down => "down",
        Standing::Prominent => "prominent",
        Standing::Up => "up",
    }
}

/// A version's way: up from its author's lane, down to the others'.
fn way(travel: &Travel, files: &BTreeMap<Path, usize>, scale: &Scale) -> Markup {
    let last_ms = travel.arrivals.iter().map(|(_, ms)| *ms).fold(travel.taken_ms, u64::max);
    let edge = |replica: usize| lane_y(replica) - BAND / 2.0;
    let taken = scale.x(travel.taken_ms);
    let up = format!("M{} {}L{taken} {TOP}", scale.x(travel.written_ms), edge(travel.author.index()));
    let down = travel.arrivals.iter().filter(|(replica, _)| *replica != travel.author);
    let down = down.map(|(replica, ms)| format!("M{taken} {TOP}L{} {}", scale.x(*ms), edge(replica.index())));
    let colour = files.get(&travel.path).copied().unwrap_or_default();
    html! {
        @if scale.shows(travel.written_ms, last_ms) {
            path class={ "travel f" (colour) } d={ (up) (down.collect::<String>()) } {
                title {
                    (travel.path) ", version " (travel.version) ": written by " (travel.author) " at " (time(travel.written_ms))
                    ", at the server at " (time(travel.taken_ms))
                    @for (replica, ms) in &travel.arrivals { ", at " (replica) " at " (time(*ms)) }
                }
            }
        }
    }
}

fn legend(timeline: &Timeline, files: &BTreeMap<Path, usize>) -> Markup {
    html! {
        p.legend {
            @for (standing, name) in timeline.standings() {
                svg width="22" height="12" { rect class=(class(standing)) width="22" height="12" {} } " " (name) " "
            }
            svg width="12" height="12" { path.mark d="M6 11l5 -9h-10z" {} } " fault or wish "
            svg width="6" height="12" { line.violates x1="3" y1="0" x2="3" y2="12" {} } " violation. "
            "Lines are versions of files, from where they were written over the server to the others; held over, everything says what it is."
        }
        p.legend {
            @for (path, colour) in files.iter().take(24) {
                svg width="22" height="12" { path class={ "travel f" (colour) } d="M0 10L22 2" {} } " " (path) " "
            }
            @if files.len() > 24 { "and " (files.len() - 24) " more" }
        }
    }
}
