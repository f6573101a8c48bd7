//! What a reader sees first: which fault does which design survive.

use maud::{Markup, html};

use crate::report::check::CheckReport;
use crate::report::matrix::{Block, Cell, Matrix, Row, State};

/// One sentence, the figures, and the matrix.
pub(super) fn first_screen(report: &CheckReport, matrix: &Matrix) -> Markup {
    html! {
        header {
            h1 { "cloudchamber" }
            p.verdict.{ (if report.ok { "good" } else { "bad" }) } { (sentence(report, matrix)) }
            (figures(report, matrix))
        }
        (wrong(report))
        (legend())
        div.matrix { @for block in &matrix.blocks { (of_system(block)) } }
    }
}

fn sentence(report: &CheckReport, matrix: &Matrix) -> String {
    let found = matrix.count(State::Fails, true);
    if report.ok {
        return format!(
            "As expected: {found} faults bring down a published design, and no hardened one fails but where it says so."
        );
    }
    match wrong_count(report) {
        1 => "Not as expected: one result is another than it should be.".to_owned(),
        count => format!("Not as expected: {count} results are others than they should be."),
    }
}

fn wrong_count(report: &CheckReport) -> usize {
    report.scenarios.iter().chain(&report.regressions).filter(|line| !line.ok).count()
        + report.swarms.iter().filter(|swarm| !swarm.missed.is_empty()).count()
        + report.models.iter().filter(|model| !model.ok).count()
        + report.syncthing.iter().filter(|row| !row.ok).count()
}

fn figures(report: &CheckReport, matrix: &Matrix) -> Markup {
    let runs: u64 = report.swarms.iter().map(|swarm| swarm.seeds.run).sum();
    let hours = report.swarms.iter().map(|swarm| swarm.simulated_s).sum::<f64>() / 3_600.0;
    let states: usize = report.models.iter().map(|model| model.unique_states).sum();
    html! {
        ul.figures {
            li { b { (report.scenarios.len() + report.regressions.len()) } " scenarios" }
            li { b { (grouped(runs)) } " random runs, " (format!("{hours:.0}")) " h of virtual time" }
            li { b { (report.models.len()) } " models, " (grouped(states)) " states" }
            li { b { (matrix.count(State::Holds, false)) } " times a hardened design holds" }
            @let limits = matrix.count(State::Limit, false);
            @if limits > 0 { li { b { (limits) } " stated limits" } }
            li { "commit " code { (report.commit.get(..12).unwrap_or(&report.commit)) } @if report.quick { ", quick" } ", " (format!("{:.0} s", report.wall_s)) }
        }
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: impl ToString) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{2009}');
        }
        text.push(digit);
    }
    text
}

/// What is not as expected, with its command: before everything else.
fn wrong(report: &CheckReport) -> Markup {
    let scenarios = report.scenarios.iter().chain(&report.regressions).filter(|line| !line.ok);
    html! {
        @if !report.ok {
            ul.wrong {
                @for line in scenarios {
                    li { a href={ "#" (line.anchor()) } { (line.file) } ": " (line.outcome) }
                }
                @for swarm in report.swarms.iter().filter(|swarm| !swarm.missed.is_empty()) {
                    li { a href={ "#" (swarm.anchor()) } { (swarm.name()) } ": " (swarm.missed.join("; ")) }
                }
                @for model in report.models.iter().filter(|model| !model.ok) {
                    li { a href={ "#" (model.anchor()) } { (model.file) } ": " (model.outcome) }
                }
                @for row in report.syncthing.iter().filter(|row| !row.ok) {
                    li { a href="#syncthing" { "Syncthing" } ": " (row.what) " is " (row.measured) " " (row.unit) " measured and " (row.simulated) " simulated" }
                }
            }
        }
    }
}

fn legend() -> Markup {
    html! {
        p.legend {
            @for state in State::ALL { span { span.chip.{ (class(state)) } { (state.text()) } " " (state.about()) } }
        }
    }
}

/// The class of a state.
pub(super) fn class(state: State) -> &'static str {
    match state {
        State::NotTried => "none",
        State::Holds => "holds",
        State::Limit => "limit",
        State::Fails => "fails",
        State::Unexpected => "unexpected",
    }
}

/// A state as it stands in a row.
pub(super) fn chip(state: State) -> Markup {
    html! { span.chip.{ (class(state)) } { (state.text()) } }
}

fn of_system(block: &Block) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { (block.system) }
                    @for column in &block.columns { th scope="col" { (column.text()) } }
                }
            }
            tbody { @for row in &block.rows { (line(block, row)) } }
        }
    }
}

fn line(block: &Block, row: &Row) -> Markup {
    html! {
        tr.group[row.is_group] {
            th scope="row" title=(row.name) { span { (row.name) } }
            @for (column, cell) in block.columns.iter().zip(&row.cells) {
                td.{ (class(cell.state)) } {
                    @let what = format!("{}, {}: {}", row.name, column.text(), about(cell));
                    @if cell.anchor.is_empty() { span title=(what) { (cell.state.text()) } }
                    @else { a href={ "#" (cell.anchor) } title=(what) { (shown(cell)) } }
                }
            }
        }
    }
}

fn about(cell: &Cell) -> &str {
    if cell.about.is_empty() { cell.state.about() } else { &cell.about }
}

/// What stands in a cell; of a group how many fail, or how many there are where all hold.
fn shown(cell: &Cell) -> String {
    match (cell.failed_of, cell.state) {
        (None, state) => state.text().to_owned(),
        (Some((_, all)), State::Holds) => format!("{all} hold"),
        (Some((failed, all)), _) => format!("{failed} of {all}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(123), "123");
        assert_eq!(grouped(1_234_567), "1\u{2009}234\u{2009}567");
    }
}
