//! The report as one page: no other file, no script, nothing from the network.

use cloudchamber_folder::checks::Kind;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::report::bench::Bench;
use crate::report::check::{CheckReport, MeasuredRow};
use crate::report::distribution::Distribution;
use crate::report::failover_times::BenchReport;
use crate::report::journals::JournalReport;
use crate::report::page_of;
use crate::report::run::{RunReport, ScenarioReport};
use crate::report::swarm::{SwarmReport, Verdict};
use crate::report::throughput::ThroughputReport;
use crate::report::timeline::Timeline;
use crate::report::words::{duration, tally};

mod bench;
mod claims;
mod journal;
mod models;
mod throughput;
mod timeline;

const STYLE: &str = include_str!("style.css");

/// The page of a check.
pub(crate) fn page(report: &CheckReport) -> String {
    let body = html! {
        p {
            (badge(report.ok)) " " (word(report.ok)) ". Commit " code { (report.commit) } ", "
            @if report.quick { "quick check, " }
            (format!("{:.1} s.", report.wall_s))
        }
        p {
            "A published design is expected to fail in the stated ways: its row is good where it does. "
            "Every row names the command that shows it again, at the same virtual time."
        }
        nav {
            @for (id, title) in sections(report) { a href={ "#" (id) } { (title) } }
        }
        (scenarios("Scenarios", "scenarios", &report.scenarios))
        (scenarios("Regressions", "regressions", &report.regressions))
        h2 id="swarms" { "Swarms" }
        p { "In how many of its runs each swarm violates each checker." }
        @for swarms in report.swarms.chunk_by(|one, next| one.system == next.system) { (overview(swarms)) }
        @for swarm in &report.swarms { (swarm_section(swarm)) }
        (convergence(&report.swarms))
        @for measured in &report.benches {
            @match measured {
                Bench::Failover(failover) => {
                    (bench::section(&failover.times))
                    (claims::documents("claims", "What the failover documents claim", &failover.documents))
                    (claims::success(&failover.success))
                }
                Bench::Journal(journals) => { (journal::section(journals)) }
                Bench::Delta(delta) => {
                    (throughput::section("delta", &delta.throughput))
                    (claims::documents("delta-claims", "What the plan of per-entity delta sync claims", &delta.documents))
                }
                Bench::Notes(notes) => {
                    (throughput::section("notes", &notes.throughput))
                    (claims::documents("notes-claims", "What the document on notes claims", &notes.documents))
                }
            }
        }
        (measured(&report.syncthing))
        (models::section(&report.models))
    };
    whole(word(report.ok), &body)
}

/// The page of a bench.
pub(crate) fn bench_page(report: &BenchReport) -> String {
    whole("failover times", &bench::section(report))
}

/// The page of a bench of journals.
pub(crate) fn journal_page(report: &JournalReport) -> String {
    whole("journals", &journal::section(report))
}

/// The page of a bench of entities or notes.
pub(crate) fn throughput_page(report: &ThroughputReport) -> String {
    whole("throughput", &throughput::section("throughput", report))
}

/// The page of one run.
pub(crate) fn timeline_page(timeline: &Timeline, report: &RunReport) -> String {
    timeline::page(timeline, report)
}

/// A page with everything it needs.
fn whole(title: &str, body: &Markup) -> String {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "cloudchamber: " (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "cloudchamber" }
                (body)
            }
        }
    };
    markup.into_string()
}

/// Where a run's trace is, and the page that draws it.
fn links(trace: Option<&String>) -> Markup {
    html! {
        @if let Some(trace) = trace { br; a href=(page_of(trace)) { "timeline" } " " a href=(trace) { "trace" } }
    }
}

fn word(ok: bool) -> &'static str {
    if ok { "as expected" } else { "not as expected" }
}

fn badge(ok: bool) -> Markup {
    html! { @if ok { span.ok { "ok" } } @else { span.fail { "FAIL" } } }
}

/// The page's parts: the name of a link's target, and the title.
fn sections(report: &CheckReport) -> Vec<(&'static str, &'static str)> {
    let mut sections = vec![
        ("scenarios", "scenarios"),
        ("regressions", "regressions"),
        ("swarms", "swarms"),
        ("convergence", "convergence"),
    ];
    for bench in &report.benches {
        match bench {
            Bench::Failover(_) => {
                sections.extend([("failover-times", "failover times"), ("claims", "claims")])
            }
            Bench::Journal(_) => sections.push(("journals", "journals")),
            Bench::Delta(_) => sections.extend([("delta", "entities"), ("delta-claims", "their claims")]),
            Bench::Notes(_) => sections.extend([("notes", "notes"), ("notes-claims", "their claims")]),
        }
    }
    sections.extend([("syncthing", "Syncthing"), ("models", "models")]);
    sections
}

fn scenarios(title: &str, id: &str, reports: &[ScenarioReport]) -> Markup {
    html! {
        h2 id=(id) { (title) }
        p { (tally(reports)) "." }
        table {
            tr { th { "" } th { "scenario" } th { "outcome" } th { "again" } }
            @for report in reports {
                tr {
                    td { (badge(report.ok)) }
                    td { (report.file) @if !report.about.is_empty() { br; small { (report.about) } } }
                    td {
                        (report.outcome)
                        @for violation in &report.violations { br; small { (violation) } }
                    }
                    td {
                        code { (report.reproduce) }
                        (links(report.trace.as_ref()))
                    }
                }
            }
        }
    }
}

fn overview(swarms: &[SwarmReport]) -> Markup {
    let checkers: Vec<_> = swarms.first().map_or(&[][..], |swarm| &swarm.verdicts).iter().collect();
    html! {
        div.wide {
            table {
                tr {
                    th { "" } th { "swarm" } th { "runs" } th { "runs/s" }
                    @for checker in &checkers { th.turned { (checker.checker.replace('_', " ")) } }
                }
                @for swarm in swarms {
                    tr {
                        td { (badge(swarm.missed.is_empty())) }
                        td { a href={ "#" (anchor(swarm)) } { (swarm.name()) } }
                        td.number { (swarm.seeds.run) }
                        td.number { (format!("{:.0}", swarm.runs_per_s)) }
                        @for checker in &checkers {
                            td.number { (swarm.verdicts.iter().find(|verdict| verdict.checker == checker.checker).map_or(String::new(), figure)) }
                        }
                    }
                }
            }
        }
    }
}

fn figure(verdict: &Verdict) -> String {
    match (verdict.kind, verdict.violated) {
        (Kind::Reached, 0) => "yes".into(),
        (Kind::Reached, _) => "no".into(),
        (_, 0) => "0".into(),
        (_, violated) => violated.to_string(),
    }
}

fn anchor(swarm: &SwarmReport) -> String {
    swarm.name().replace(' ', "-")
}

fn swarm_section(swarm: &SwarmReport) -> Markup {
    let found = swarm.verdicts.iter().chain(&swarm.counted).filter(|verdict| verdict.first.is_some());
    html! {
        h3 id=(anchor(swarm)) { (swarm.name()) }
        p {
            (badge(swarm.missed.is_empty())) " "
            (swarm.seeds.run) " runs of seeds " (swarm.seeds.from) ".." (swarm.seeds.to) ", "
            (format!("{:.0} h", swarm.simulated_s / 3_600.0)) " of virtual time in " (format!("{:.1} s", swarm.wall_s)) ". "
            (swarm.determinism.checked) " seeds ran twice, " (swarm.determinism.mismatches) " of them in another way."
        }
        @for missed in &swarm.missed { p.fail { (missed) } }
        table {
            tr { th { "checker" } th { "kind" } th { "runs" } th { "first seen" } th { "again" } }
            @for verdict in found {
                tr {
                    td { (verdict.checker) }
                    td { (format!("{:?}", verdict.kind).to_lowercase()) }
                    td.number { (verdict.violated) }
                    td { @if let Some(first) = &verdict.first { small { (first) } } }
                    td {
                        @if let Some(command) = &verdict.reproduce { code { (command) } }
                        (links(verdict.trace.as_ref()))
                    }
                }
            }
        }
    }
}

/// How long it takes to come together again, a table for each system that samples it.
fn convergence(swarms: &[SwarmReport]) -> Markup {
    let sampled: Vec<_> = swarms.iter().filter(|swarm| !swarm.convergence.words.is_empty()).collect();
    html! {
        h2 id="convergence" { "Convergence in swarms" }
        p { "From a loss, or from what was written, until the system has come together again, whatever else goes wrong." }
        @for swarms in sampled.chunk_by(|one, next| one.system == next.system) { (together(swarms)) }
    }
}

fn together(swarms: &[&SwarmReport]) -> Markup {
    let longest = swarms.iter().filter_map(|swarm| swarm.convergence.p99_ms).max().unwrap_or(1).max(1);
    let words = |of: fn(&SwarmReport) -> &Distribution| swarms.first().map_or("", |swarm| &of(swarm).words);
    html! {
        table {
            tr {
                th { "swarm" } th { (words(|swarm| &swarm.convergence)) ": samples" } th { "p50" } th { "p90" } th { "p99" }
                th { "max" } th { "p50, p90, p99" } th { (words(|swarm| &swarm.agreement)) ", p50" }
            }
            @for swarm in swarms {
                tr {
                    td { (swarm.name()) }
                    td.number { (swarm.convergence.samples) }
                    @for figure in [swarm.convergence.p50_ms, swarm.convergence.p90_ms, swarm.convergence.p99_ms, swarm.convergence.max_ms] {
                        td.number { (figure.map_or("-".into(), duration)) }
                    }
                    td { (bars(&swarm.convergence, longest)) }
                    td.number { (swarm.agreement.p50_ms.map_or("-".into(), duration)) }
                }
            }
        }
    }
}

/// Three bars in one: the darkest part ends at the median, the palest at the 99th percentile.
fn bars(of: &Distribution, longest: u64) -> Markup {
    const WIDE: u64 = 160;
    let place = |ms: Option<u64>| ms.unwrap_or(0).saturating_mul(WIDE) / longest;
    html! {
        svg width=(WIDE) height="12" viewBox={ "0 0 " (WIDE) " 12" } role="img" aria-label="percentiles" {
            @for (class, figure) in [("p99", of.p99_ms), ("p90", of.p90_ms), ("p50", of.p50_ms)] {
                rect class=(class) x="0" y="1" width=(place(figure)) height="10" {}
            }
        }
    }
}

fn measured(rows: &[MeasuredRow]) -> Markup {
    html! {
        h2 id="syncthing" { "Syncthing: measured beside simulated" }
        p { "Syncthing 1.19.2, two instances on one machine, and the same experiments in the simulated folder." }
        table {
            tr { th { "" } th { "experiment" } th { "measured" } th { "simulated" } th { "accepted" } }
            @for row in rows {
                tr {
                    td { (badge(row.ok)) }
                    td { (row.what) }
                    td.number { (row.measured) " " (row.unit) }
                    td.number { (row.simulated) " " (row.unit) }
                    td.number { "within " (row.tolerance_percent) " %" }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_from_outside_are_escaped() {
        let report = CheckReport {
            commit: "<b>".into(),
            quick: true,
            scenarios: vec![],
            regressions: vec![],
            swarms: vec![],
            models: vec![],
            benches: vec![],
            syncthing: vec![],
            wall_s: 1.0,
            ok: false,
        };
        let page = page(&report);
        assert!(page.contains("&lt;b&gt;") && !page.contains("<b>"), "{page}");
        assert!(!page.contains("http"), "the page needs nothing from elsewhere");
    }
}
